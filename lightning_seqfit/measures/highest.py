"""The highest frequency of a target that matters, along each axis: what a network must be able to follow."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import chi2

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.spectrum import TAPERS, tapered_power
from lightning_seqfit.measures.trend import SIGNIFICANT_POWER, Trend

#: Chance that white noise has as much power anywhere as what counts beside it.
BY_CHANCE = 0.01


def highest_frequencies(geometry: Geometry, trend: Trend, noise: float = 0.0) -> tuple[float, ...]:
    """Find the highest frequency along each axis that holds at least 1 % of the power of the strongest.

    That of the sinusoids which the target is made of, between whole numbers too, and of the rest seen through tapers
    that do not leak. Of noise of variance s^2 each of M frequencies has s^2 / M in the mean, and through t tapers that
    times a chi-square of 2 t degrees of freedom over 2 t: what it reaches by chance does not count.

    Parameters
    ----------
    geometry : where the N points lie.
    trend : the target's trend.
    noise : standard deviation of white noise in the target.

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
    size = trend.largest
    least = _by_chance(geometry, noise, 1)
    lines = np.abs(trend.frequency[trend.power >= max(SIGNIFICANT_POWER * np.max(trend.power, initial=0.0), least)])
    strongest = float(np.max(tapered_power(geometry, trend.oscillation / size)[1:], initial=0.0))
    power = tapered_power(geometry, trend.rest / size)[1:]
    least = max(SIGNIFICANT_POWER * strongest, _by_chance(geometry, noise / size, TAPERS**geometry.dimension))
    rest = np.abs(geometry.frequencies[1:][(power > 0.0) & (power >= least)])
    found: FloatArray = np.max(np.concatenate([lines, rest]), axis=0, initial=0.0)
    return tuple(float(frequency) for frequency in found)


def _by_chance(geometry: Geometry, noise: float, tapers: int) -> float:
    """Power that noise has at any frequency in one of a hundred targets, seen through so many tapers."""
    frequencies = len(geometry.frequencies) - 1
    return noise**2 / frequencies * float(chi2.isf(BY_CHANCE / frequencies, 2 * tapers)) / (2 * tapers)


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
