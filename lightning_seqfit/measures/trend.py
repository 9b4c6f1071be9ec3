r"""The target's trend, what oscillates about it, and its wavelengths.

The trend is the constant and linear part of one least-squares fit of

    [1, x_1, ..., x_d, cos and sin of the strongest Fourier mode of the linearly detrended target],

in several dimensions with all sign combinations of that mode. A straight line fitted alone would eat low
oscillations: it takes 61 % of the variance of sin(2 pi x). Of a sum of several sines one mode is not enough, the line
takes a part of the others. So there is no slope where the target has at most half as many significant frequencies
without one: a slope that is not there turns two lines of the spectrum into many.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry

#: A Fourier bin counts when it holds this share of the strongest bin's power.
SIGNIFICANT_POWER = 0.01
#: Nothing oscillates where the mean square about the trend is at most this share of the target's.
NOTHING = 1e-10


@dataclass(frozen=True)
class Trend:
    """A target split into its trend and the oscillation about it.

    Attributes
    ----------
    values : trend at the points, shape ``(N,)``.
    oscillation : target - trend, shape ``(N,)``; u' in the formulas of the other measures.
    variance : mean(oscillation**2) over the box, or 0.0 where nothing oscillates: over the points it is at most 1e-10
        mean(target**2).
    wavelength : per axis, 1 / the power-weighted mean frequency, in the axis' units; ``inf``: the axis has none.
    shortest_wavelength : per axis, 1 / the frequency below which 95 % of the power lies; ``inf``: none.
    window : per axis, one wavelength and at most a quarter of the axis. An axis without a wavelength takes the
        smallest share that another axis has, or an eighth where no axis has one.
    """

    values: FloatArray
    oscillation: FloatArray
    variance: float
    wavelength: tuple[float, ...]
    shortest_wavelength: tuple[float, ...]
    window: tuple[float, ...]


def fit_trend(geometry: Geometry, target: FloatArray) -> Trend:
    """Split a target into trend and oscillation.

    Parameters
    ----------
    geometry : where the N points lie.
    target : shape ``(N,)``, finite.

    Returns
    -------
    Trend

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> trend = fit_trend(grid, 3.0 + 2.0 * x + np.sin(26 * np.pi * x))
    >>> bool(np.allclose(trend.values, 3.0 + 2.0 * x)), round(1 / trend.wavelength[0], 6)
    (True, 13.0)
    """
    target = np.asarray(target, dtype=np.float64)
    centres = np.array([(low + high) / 2 for low, high in geometry.bounds])
    unit = (geometry.points - centres) / np.array(geometry.lengths)  # in [-1/2, 1/2]
    plane = np.column_stack([np.ones(len(unit)), unit])
    size = float(np.max(np.abs(target), initial=0.0)) or 1.0  # keeps squares of extreme targets in range
    scaled = target / size

    detrended = scaled - plane @ np.linalg.lstsq(plane, scaled, rcond=None)[0]
    power = geometry.power(detrended)
    power[0] = 0.0
    mode = geometry.frequencies[int(np.argmax(power))]
    design = np.column_stack([plane, *_harmonics(unit, mode)])
    coefficients = np.linalg.lstsq(design, scaled, rcond=None)[0]
    values = plane @ coefficients[: plane.shape[1]]
    nothing = float(np.mean((scaled - values) ** 2)) <= NOTHING * float(np.mean(scaled**2))
    level = np.full(len(scaled), geometry.mean(scaled))
    if not nothing and 2 * _significant(geometry, scaled - level) <= _significant(geometry, scaled - values):
        values = level
    oscillation = scaled - values
    variance = geometry.mean(oscillation**2)
    if nothing:
        wavelength = shortest = (math.inf,) * geometry.dimension
    else:
        wavelength, shortest = _wavelengths(geometry, oscillation)
    return Trend(
        values=values * size,
        oscillation=oscillation * size,
        variance=0.0 if nothing else variance * size**2,
        wavelength=wavelength,
        shortest_wavelength=shortest,
        window=_window(geometry, wavelength),
    )


def _harmonics(unit: FloatArray, mode: FloatArray) -> list[FloatArray]:
    """Cosine and sine of a mode in all its sign combinations that differ by more than the overall sign."""
    present = np.flatnonzero(mode)
    columns = []
    for signs in itertools.product((1.0, -1.0), repeat=max(len(present) - 1, 0)):
        phase = 2 * np.pi * unit[:, present] @ (mode[present] * np.array([1.0, *signs])[: len(present)])
        columns += [np.cos(phase), np.sin(phase)] if len(present) else []
    return columns


def _significant(geometry: Geometry, field: FloatArray) -> int:
    """Number of frequencies that hold a significant part of the power."""
    power = geometry.power(field)[1:]
    return int(np.count_nonzero(power >= SIGNIFICANT_POWER * power.max()))


def _wavelengths(geometry: Geometry, oscillation: FloatArray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    power = geometry.power(oscillation)
    power[0] = 0.0
    strong = power >= SIGNIFICANT_POWER * power.max()
    power, frequencies = power[strong], geometry.frequencies[strong]
    mean_wavelength, shortest_wavelength = [], []
    for axis, length in enumerate(geometry.lengths):
        frequency = frequencies[:, axis]
        mean = float(power @ frequency / power.sum())
        order = np.argsort(frequency, kind="stable")
        share = np.cumsum(power[order]) / power.sum()
        highest = float(frequency[order][min(int(np.searchsorted(share, 0.95)), len(order) - 1)])
        # below half a cycle along the whole axis nothing oscillates along it
        mean_wavelength.append(length / mean if mean >= 0.5 else math.inf)
        shortest_wavelength.append(length / highest if mean >= 0.5 and highest > 0 else math.inf)
    return tuple(mean_wavelength), tuple(shortest_wavelength)


def _window(geometry: Geometry, wavelength: tuple[float, ...]) -> tuple[float, ...]:
    shares = [
        min(w / length, 0.25) if math.isfinite(w) else math.inf
        for w, length in zip(wavelength, geometry.lengths, strict=True)
    ]
    smallest = min(shares)
    fallback = smallest if math.isfinite(smallest) else 0.125
    return tuple(
        (share if math.isfinite(share) else fallback) * length
        for share, length in zip(shares, geometry.lengths, strict=True)
    )
