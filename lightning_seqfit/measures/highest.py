"""The highest frequency of a target that matters, along each axis: what a network must be able to follow."""

from __future__ import annotations

import math

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.spectrum import tapered_power
from lightning_seqfit.measures.trend import SIGNIFICANT_POWER, Trend


def highest_frequencies(geometry: Geometry, trend: Trend) -> tuple[float, ...]:
    """Find the highest frequency along each axis that holds at least 1 % of the power of the strongest.

    That of the sinusoids which the target is made of, between whole numbers too, and of the rest seen through tapers
    that do not leak.

    Parameters
    ----------
    geometry : where the N points lie.
    trend : the target's trend.

    Returns
    -------
    tuple of float
        In cycles per domain length, for each axis; 0: nothing oscillates along it; NaN: the points have no frequencies.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(400,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> highest_frequencies(grid, fit_trend(grid, np.sin(6 * np.pi * x) + 0.2 * np.sin(40 * np.pi * x)))
    (20.0,)
    """
    if not geometry.has_lines:
        return (math.nan,) * geometry.dimension
    if trend.variance == 0.0:
        return (0.0,) * geometry.dimension
    lines = np.abs(trend.frequency[trend.power >= SIGNIFICANT_POWER * np.max(trend.power, initial=0.0)])
    size = trend.largest
    strongest = float(np.max(tapered_power(geometry, trend.oscillation / size)[1:], initial=0.0))
    power = tapered_power(geometry, trend.rest / size)[1:]
    rest = np.abs(geometry.frequencies[1:][(power > 0.0) & (power >= SIGNIFICANT_POWER * strongest)])
    found: FloatArray = np.max(np.concatenate([lines, rest]), axis=0, initial=0.0)
    return tuple(float(frequency) for frequency in found)


def flatness(power: FloatArray) -> float:
    """Spectral flatness of a power spectrum: geometric over arithmetic mean, in [0, 1]; 1: white. NaN: there is none.

    Of white noise it is exp(-0.577) = 0.56, whose power at each frequency is exponentially distributed.

    Examples
    --------
    >>> flatness(np.ones(8)), flatness(np.array([1.0, 4.0])), flatness(np.zeros(3))
    (1.0, 0.8, nan)
    """
    known = power[power > 0.0]
    if not known.size or not np.isfinite(known).all():
        return math.nan
    return float(math.exp(np.mean(np.log(known))) / np.mean(known))
