r"""The target's trend, what oscillates about it, and its wavelengths.

The trend is the constant and linear part, and the sinusoids below one cycle over the domain, of the sinusoids that the
target is made of; see :mod:`~lightning_seqfit.measures.sinusoids`. A straight line fitted alone would eat low
oscillations: it takes 61 % of the variance of sin(2 pi x). Of a target that is made of none, such as a chirp, it is the
constant and linear part of a least-squares fit together with the strongest Fourier mode (in several dimensions with all
its sign combinations), and without a slope where that is slight, or where the target has at most half as many
significant frequencies without one: a slope that is not there turns two lines of the spectrum into many.

A target that only bends, along every line, is all trend: nothing oscillates in x^3, exp, sqrt, a step or a boundary
layer. Neither does one of which the trend leaves less than a tenth, and that slower than four cycles over the domain:
it has the trend's own shape.

Of points in more than three dimensions the trend is the mean: relative errors are then those of a regression, 1 where
the prediction is no better than the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.bends import only_bends
from lightning_seqfit.measures.lengths import lengths
from lightning_seqfit.measures.sinusoids import MOST_SINUSOIDS, Sinusoids, harmonics, take_out, unit_places

#: A Fourier bin counts when it holds this share of the strongest bin's power.
SIGNIFICANT_POWER = 0.01
#: Nothing oscillates where the mean square about the trend is at most this share of the target's.
NOTHING = 1e-10
#: Of a target that is made of no sinusoids a line with less than this share of the oscillation's variance is chance.
LEAST_SLOPE = 0.05
#: What the trend leaves is no oscillation of its own below both this share of the variance about a plane,
LEAST_SHARE = 0.1
#: and this mean frequency, in cycles over the domain.
SLOW = 4.0
#: A target only bends where it is nowhere farther from it than this share of its range about a plane.
BENDS = 1e-3
#: What oscillates in several outputs together is steady where its mean square varies by at most this share.
STEADY = 0.25
#: Share of the axis from which on a window is less than a wavelength, and its largest share.
WIDE, WIDEST = 2 / 15, 1 / 4
# The same of sinusoids, which draw such a target only roughly.
_ROUGHLY_BENDS = 0.05


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
    window : per axis, one wavelength; where that is more than 2 / 15 of the axis less, down to half a wavelength, over
        which the square of a sine has the same mean, and at most a quarter of the axis. An axis without a wavelength
        takes the smallest share that another axis has, or an eighth where no axis has one. Of several outputs, see
        :func:`combined`.
    frequency : of the m sinusoids of the oscillation, in cycles per box length along each axis, shape ``(m, d)``.
    power : of each, half the sum of its squared amplitudes, shape ``(m,)``.
    rest : what they leave of the oscillation, shape ``(N,)``.
    parts : of several outputs, the trend of each; all fields are then Euclidean lengths over them, ``variance`` is a
        sum.
    """

    values: FloatArray
    oscillation: FloatArray
    variance: float
    wavelength: tuple[float, ...]
    shortest_wavelength: tuple[float, ...]
    window: tuple[float, ...]
    frequency: FloatArray
    power: FloatArray
    rest: FloatArray
    parts: tuple[Trend, ...] = ()

    @cached_property
    def largest(self) -> float:
        """Largest absolute value of the oscillation; relative to it squares of extreme targets stay in range."""
        return float(np.max(np.abs(self.oscillation), initial=0.0))

    @cached_property
    def farthest(self) -> float:
        """Largest distance of the target from its mean."""
        targets = [part.values + part.oscillation for part in self.parts or (self,)]
        return float(np.max(lengths([target - target.mean() for target in targets]), initial=0.0))


def no_trend(geometry: Geometry) -> Trend:
    """Return the trend of a target that is not known: its values are NaN, and nothing oscillates about it."""
    unknown, nothing = np.full(len(geometry.points), math.nan), np.empty(0)
    endless = (math.inf,) * geometry.dimension
    window, frequency = _window(geometry, endless), np.empty((0, geometry.dimension))
    return Trend(unknown, unknown, 0.0, endless, endless, window, frequency, nothing, unknown)


def fit_trend(geometry: Geometry, target: FloatArray, noise: float = 0.0) -> Trend:
    """Split a target into trend and oscillation.

    Parameters
    ----------
    geometry : where the N points lie.
    target : shape ``(N,)``, finite.
    noise : standard deviation of the target's noise: what is no larger than the noise is no oscillation.

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
    if not geometry.has_lines:
        return _of_cloud(geometry, target)
    size = float(np.max(np.abs(target), initial=0.0)) or 1.0  # keeps squares of extreme targets in range
    scaled = target / size
    plane = _plane(geometry)
    detrended = scaled - plane @ np.linalg.lstsq(plane, scaled, rcond=None)[0]
    rounding = NOTHING * float(np.mean(scaled**2))
    least = max(rounding, (noise / size) ** 2 * (1 + 2 * math.sqrt(2 / len(scaled))))

    bends = only_bends(geometry, scaled, BENDS * float(np.ptp(detrended)))
    # what bends that little is the sum of one or two waves on a steep line, or of none
    found = take_out(geometry, scaled, least if noise else 1e-6 * rounding, 2 if bends else MOST_SINUSOIDS)
    slow = _slow(geometry, found)
    frequency, power, rest = found.frequency[slow:], found.power[slow:], found.left
    values = found.plane + found.waves[:slow].sum(axis=0)
    if not found.power.size:
        values = _line(geometry, scaled, detrended, least)
        rest = scaled - values
    left = float(np.mean((scaled - values) ** 2))
    wavelength = shortest = (math.inf,) * geometry.dimension
    nothing = left <= least
    if not nothing:
        frequencies, powers = _spectrum(geometry, frequency, power, rest)
        mean_frequency = float(powers @ np.sqrt(np.sum(frequencies**2, axis=1)) / powers.sum())
        slow_too = left < LEAST_SHARE * float(np.mean(detrended**2)) and mean_frequency < SLOW
        only_slow = found.exact and 0 < found.power.size == slow
        if only_slow or slow_too or (bends and not found.exact):
            nothing, values = True, scaled
        else:
            wavelength, shortest = _wavelengths(geometry, frequencies, powers)
    if nothing:
        frequency, power, rest = frequency[:0], power[:0], scaled - values
    return Trend(
        values=values * size,
        oscillation=(scaled - values) * size,
        variance=0.0 if nothing else geometry.mean((scaled - values) ** 2) * size**2,
        wavelength=wavelength,
        shortest_wavelength=shortest,
        window=_window(geometry, wavelength),
        frequency=frequency,
        power=power * size**2,
        rest=rest * size,
    )


def combined(geometry: Geometry, parts: Sequence[Trend]) -> Trend:
    """Return the trend of several outputs together: u'^2 is the sum over them, and so is the power of a frequency.

    A window averages over the places where an oscillation is 0. Where the outputs have those at different places, as
    phases of a wave do, so that the sum of u'^2 is steady to a quarter without it, a quarter of the window is enough.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> both = combined(grid, [fit_trend(grid, f(26 * np.pi * x)) for f in (np.sin, np.cos)])
    >>> round(both.variance, 6), round(1 / both.wavelength[0], 6), bool(np.ptp(both.oscillation) < 1e-6)
    (1.0, 13.0, True)
    """
    waving = [part for part in parts if part.variance > 0.0]
    wavelength = shortest = (math.inf,) * geometry.dimension
    if waving:
        spectra = [_spectrum(geometry, part.frequency, part.power, part.rest) for part in waving]
        frequencies, power = np.vstack([each for each, _ in spectra]), np.concatenate([each for _, each in spectra])
        strong = power >= SIGNIFICANT_POWER * power.max()
        wavelength, shortest = _wavelengths(geometry, frequencies[strong], power[strong])
    oscillation, window = lengths([part.oscillation for part in parts]), _window(geometry, wavelength)
    return Trend(
        values=lengths([part.values for part in parts]),
        oscillation=oscillation,
        variance=float(sum(part.variance for part in parts)),
        wavelength=wavelength,
        shortest_wavelength=shortest,
        window=_steady_window(geometry, oscillation, window) if waving else window,
        frequency=np.vstack([part.frequency for part in parts]),
        power=np.concatenate([part.power for part in parts]),
        rest=lengths([part.rest for part in parts]),
        parts=tuple(parts),
    )


def _of_cloud(geometry: Geometry, target: FloatArray) -> Trend:
    """The mean: what is left of it has no lines along which it could oscillate."""
    mean, nothing = float(np.mean(target)), np.empty(0)
    return Trend(
        values=np.full(len(target), mean),
        oscillation=target - mean,
        variance=0.0,
        wavelength=(math.inf,) * geometry.dimension,
        shortest_wavelength=(math.inf,) * geometry.dimension,
        window=_window(geometry, (math.inf,) * geometry.dimension),
        frequency=np.empty((0, geometry.dimension)),
        power=nothing,
        rest=target - mean,
    )


def _plane(geometry: Geometry) -> FloatArray:
    return np.column_stack([np.ones(len(geometry.points)), unit_places(geometry)])


def _slow(geometry: Geometry, found: Sinusoids) -> int:
    """Number of sinusoids, slowest first, that belong to the trend."""
    if found.exact:  # of a sum of sinusoids each is what it is
        return found.slow
    for count in range(int(np.count_nonzero(found.cycles < SLOW)), max(found.slow, 1), -1):
        curve = found.plane + found.waves[:count].sum(axis=0)
        bare = curve - _plane(geometry) @ np.linalg.lstsq(_plane(geometry), curve, rcond=None)[0]
        if only_bends(geometry, curve, _ROUGHLY_BENDS * float(np.ptp(bare))):
            return count
    return found.slow


def _line(geometry: Geometry, scaled: FloatArray, detrended: FloatArray, least: float) -> FloatArray:
    """Trend of a target that is made of no sinusoids."""
    plane = _plane(geometry)
    power = geometry.power(detrended)
    power[0] = 0.0
    mode = geometry.frequencies[int(np.argmax(power))]
    design = np.column_stack([plane, *harmonics(unit_places(geometry), mode)])
    values: FloatArray = plane @ np.linalg.lstsq(design, scaled, rcond=None)[0][: plane.shape[1]]
    level = np.full(len(scaled), geometry.mean(scaled))
    oscillating = float(np.mean((scaled - values) ** 2))
    if oscillating <= least:
        return values
    slight = float(np.var(values)) < LEAST_SLOPE * oscillating
    clearer = 2 * _significant(geometry, scaled - level) <= _significant(geometry, scaled - values)
    return level if slight or clearer else values


def _significant(geometry: Geometry, field: FloatArray) -> int:
    """Number of frequencies that hold a significant part of the power."""
    power = geometry.power(field)[1:]
    return int(np.count_nonzero(power >= SIGNIFICANT_POWER * power.max()))


def _spectrum(
    geometry: Geometry, frequency: FloatArray, power: FloatArray, rest: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Frequencies that hold a significant part of the power, and what they hold: sinusoids, and bins of the rest."""
    bins = geometry.power(rest)
    bins[0] = 0.0
    frequencies, powers = np.vstack([frequency, geometry.frequencies]), np.concatenate([power, bins])
    strong = powers >= SIGNIFICANT_POWER * powers.max()
    return frequencies[strong], powers[strong]


def _wavelengths(
    geometry: Geometry, frequencies: FloatArray, power: FloatArray
) -> tuple[tuple[float, ...], tuple[float, ...]]:
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


def _steady_window(geometry: Geometry, oscillation: FloatArray, window: tuple[float, ...]) -> tuple[float, ...]:
    """A quarter of a window where that averages over u'^2 as well as the whole one; else the whole one."""
    shorter = tuple(width / 4 for width in window)
    power = (oscillation / (float(np.max(oscillation, initial=0.0)) or 1.0)) ** 2
    whole, quarter = (geometry.moving_mean(power, each) for each in (window, shorter))
    return shorter if bool((np.abs(quarter - whole) <= STEADY * whole).all()) else window


def _window(geometry: Geometry, wavelength: tuple[float, ...]) -> tuple[float, ...]:
    shares = [
        min(w / length, max(w / length / 2, WIDE), WIDEST) if math.isfinite(w) else math.inf
        for w, length in zip(wavelength, geometry.lengths, strict=True)
    ]
    smallest = min(shares)
    fallback = smallest if math.isfinite(smallest) else 0.125
    return tuple(
        (share if math.isfinite(share) else fallback) * length
        for share, length in zip(shares, geometry.lengths, strict=True)
    )
