r"""At which frequencies the fit lacks: the Fourier spectrum of the residual, in octave bands.

With r = prediction - target, u' the target's oscillation about its trend, and d = r less its least-squares line
(plane), and the trend's own shape, where the variance of the target's trend is at least 1 % of mean(u'^2), less its
mean elsewhere:

    trend term           mean((r - d)^2), that is mean(r^2) - mean(d^2)
    power of frequency f |DFT(d)(f)|^2, unwindowed; on a grid  trend term + sum over f = mean(r^2)
    band [lo, hi)        octaves 1-2, 2-4, 4-8, ... of f in cycles per domain length, n-D: its Euclidean norm
    share of a band      its power / mean(u'^2), 0 and up
    relative error       sqrt(its power / the same of u'); 0: the band is fitted, 1: it is missing

It is the spectrum of the residual, not the difference of two spectra: a pure phase error counts in full. The residual
has no window: a Hann window keeps 0.6 % of a residual in the outer 10 % at each end, where the fronts are.

Where points lie unevenly, no frequency that they can tell holds all of a field. What is left of the mean square is the
power of one more band, above all others: it never carries. Where frequencies hold more than there is, all shares are
less by the same factor. With gaps, a band carries only if it is at least half as wide as the distance at which the
points can tell two frequencies apart.

A band *carries* where u' holds a frequency of at least 1 % of the power of its strongest one. Only there a relative
error says anything. A sinusoid of u' is at its own frequency, in the band of the bin next to it, and where that is
another one in its own band too: unwindowed, most of a sine of 7.8 cycles is in the bin of 8. What is no sum of
sinusoids is seen through tapers that do not leak: sqrt(2) sin(k pi x) along each axis, k = 1, 2, 3, whose powers are
averaged. Of a sine of k cycles a line takes 6 / (pi k)^2 of the variance. It takes it from r and from u'
alike, so that a missing band reads 1, but where the target has a trend, an error in the phase of one or two cycles is
read too small.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lightning_seqfit.geometry import BoolArray, FloatArray, Geometry, IntArray
from lightning_seqfit.measures.ranks import spearman
from lightning_seqfit.measures.sinusoids import unit_places
from lightning_seqfit.measures.trend import SIGNIFICANT_POWER, Trend

#: The residual loses its line where the variance of the target's trend is at least this share of mean(u'^2).
TREND_SHARE = 0.01
# A variance below this share of the mean square is rounding.
_ROUNDING = 1e-24
# Frequencies are compared with this tolerance: numpy's fftfreq(49, 1 / 49) ends at 24.000000000000004.
_NEAR = 1e-9
#: Tapers along each axis.
TAPERS = 3
# A sinusoid this near to a bin, in cycles, is there as good as unwindowed: 0.01 % of its power lie next to it.
_NEXT_TO_A_BIN = 0.01


@dataclass(frozen=True)
class TargetSpectrum:
    """What the target and its points fix for every look: B bands of M frequencies.

    Attributes
    ----------
    edges : edges of the bands in cycles per domain length, whole numbers, shape ``(B + 1,)``.
    labels : ``"1-2"``, ``"2-4"``, ... per band.
    carrying : bands in which the target oscillates, shape ``(B,)``.
    band_power : power of u' per band, detrended as the residual is, shape ``(B,)``.
    frequency : Euclidean norm of each of ``geometry.frequencies``, shape ``(M,)``.
    group : 0 for row 0 of the frequencies, which holds the trend term; 1, ..., B: the band; shape ``(M,)``.
    trend_basis : basis of what the residual loses, orthonormal in the mean over the box, shape ``(N, 1)``: its mean,
        ``(N, 1 + d)``: its line or plane, or ``(N, 2 + d)``: the shape of a curved trend as well.
    several : whether the target oscillates at more than one frequency: a single one may lie between two bands.
    """

    edges: IntArray
    labels: tuple[str, ...]
    carrying: BoolArray
    band_power: FloatArray
    frequency: FloatArray
    group: IntArray
    trend_basis: FloatArray
    several: bool = True


@dataclass(frozen=True)
class Spectrum:
    """The spectrum of the residual at one look; NaN throughout where the residual is not finite.

    Attributes
    ----------
    trend_share : trend term / scale, 0 and up.
    share : power of each band / scale, shape ``(B,)``, 0 and up. ``trend_share`` and these add up to
        mean(r^2) / scale. ``inf`` where that is beyond the range of a float.
    relative_error : per band, shape ``(B,)``, 0 and up; NaN where the band does not carry.
    power : per frequency, shape ``(M,)``; row 0 is the trend term. On a grid it adds up to mean(r^2).
    """

    trend_share: float
    share: FloatArray
    relative_error: FloatArray
    power: FloatArray


def target_spectrum(geometry: Geometry, trend: Trend, given_edges: Sequence[int] | None = None) -> TargetSpectrum:
    """Find the bands, and which of them the target has power in; once for all looks.

    The bands are octaves from 1 on. The last one ends at the highest frequency there is (n-D: the corner), rounded up
    to a whole number, and contains it. A frequency between 0 and 1 belongs to the first.

    Parameters
    ----------
    geometry : where the N points lie.
    trend : the target's trend. Where nothing oscillates about it, no band carries.
    given_edges : whole numbers from 1 on, rising, that are edges instead of octaves. What they leave out is a band more
        below, from 1 on, and one above.

    Returns
    -------
    TargetSpectrum

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(100,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> target = target_spectrum(grid, fit_trend(grid, np.sin(6 * np.pi * x) + 0.2 * np.sin(40 * np.pi * x)))
    >>> target.labels
    ('1-2', '2-4', '4-8', '8-16', '16-32', '32-50')
    >>> target.carrying.tolist()
    [False, True, False, False, True, False]
    """
    frequency = np.sqrt(np.sum(geometry.frequencies**2, axis=1))
    edges = _octaves(float(frequency.max()))
    if given_edges is not None:
        edges = np.unique([1, *given_edges, max(edges[-1], given_edges[-1])])
    if not geometry.complete:
        edges = np.append(edges, 2 * edges[-1])
    bands = len(edges) - 1
    group = np.minimum(_bands(edges, frequency), bands - (not geometry.complete))
    group[0] = 0

    basis = _trend_basis(geometry, trend)
    band_power = np.zeros(bands)
    carrying = np.zeros(bands, dtype=bool)
    several = False
    if trend.variance > 0.0:
        # Carrying is asked of u' as it is: of a single cycle a line leaves a sawtooth, which has every frequency.
        lines = trend.frequency[trend.power >= SIGNIFICANT_POWER * np.max(trend.power, initial=0.0)]
        rest = _carrying_bins(geometry, trend)
        found = np.concatenate([_bands(edges, _nearby(lines)), group[rest]])
        carrying[np.minimum(found, bands - (not geometry.complete)) - 1] = True
        carrying &= 2 * np.diff(edges) >= geometry.resolution
        several = len(lines) > 1 or len(rest) > 0
        detrended = trend.oscillation - basis @ ((geometry.weights * trend.oscillation) @ basis)
        band_power = _summed(geometry, geometry.power(detrended), group, bands, detrended)[1:]
    return TargetSpectrum(
        edges=edges,
        labels=tuple(f"{low}-{high}" for low, high in itertools.pairwise(edges)),
        carrying=carrying,
        band_power=band_power,
        frequency=frequency,
        group=group,
        trend_basis=basis,
        several=several,
    )


def _bands(edges: IntArray, frequency: FloatArray) -> IntArray:
    """Band of each frequency, 1, ..., B."""
    return np.clip(np.searchsorted(edges, frequency + _NEAR, side="right"), 1, len(edges) - 1)


def _nearby(lines: FloatArray) -> FloatArray:
    """Frequencies in whose bands sinusoids are: the nearest bin, and their own where it is not as good as that one."""
    whole = np.rint(lines)
    own, bins = (np.sqrt(np.sum(each**2, axis=1)) for each in (lines, whole))
    return np.concatenate([bins, own[np.max(np.abs(lines - whole), axis=1, initial=0.0) > _NEXT_TO_A_BIN]])


def _carrying_bins(geometry: Geometry, trend: Trend) -> IntArray:
    """Frequencies at which the rest, what is no sum of sinusoids, holds a significant part of the power."""
    size = trend.largest
    strongest = float(np.max(tapered_power(geometry, trend.oscillation / size)[1:], initial=0.0))
    power = tapered_power(geometry, trend.rest / size)[1:]
    return np.flatnonzero((power > 0.0) & (power >= SIGNIFICANT_POWER * strongest)) + 1


def tapered_power(geometry: Geometry, field: FloatArray) -> FloatArray:
    """Power of a field less its mean, seen through the tapers, at the geometry's frequencies, shape ``(M,)``.

    What does not end as it began leaks to every frequency without them. Three see more of the ends than a single one.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> sine = np.sin(5 * np.pi * grid.points[:, 0])  # of 2.5 cycles
    >>> float(grid.power(sine)[50]) < 1e-4, float(tapered_power(grid, sine)[50]) < 1e-8
    (True, True)
    """
    tapers = _tapers(geometry)
    # as the tapers see it: the plain mean of a chirp is that of its slow end, and would be a line at 0
    means = np.array([np.mean(taper) for taper in tapers])
    mean = float(means @ [np.mean(taper * field) for taper in tapers] / (means @ means))
    power = np.zeros(len(geometry.frequencies))
    for taper in tapers:
        power += geometry.power(taper * (field - mean))
    return power / len(tapers)


def _tapers(geometry: Geometry) -> list[FloatArray]:
    """Weights that are 0 where the domain ends, with a mean square of 1, each of shape ``(N,)``."""
    if geometry.edge is not None:
        depth = geometry.edge.distance / float(geometry.edge.distance.max())
        tapers = [np.sin(np.pi * order * depth / 2) for order in range(1, TAPERS + 1)]
        return [taper / math.sqrt(geometry.mean(taper**2)) for taper in tapers]
    shares = unit_places(geometry) + 0.5
    orders = itertools.product(range(1, TAPERS + 1), repeat=geometry.dimension)
    return [np.prod(np.sqrt(2) * np.sin(np.pi * np.array(order) * shares), axis=1) for order in orders]


def _octaves(highest: float) -> IntArray:
    """Edges 1, 2, 4, ..., and the highest frequency rounded up."""
    last = max(math.ceil(highest - _NEAR), 2)
    return np.array([2**octave for octave in range((last - 1).bit_length())] + [last], dtype=np.intp)


def _has_slope(trend: Trend) -> bool:
    size = float(np.max(np.abs(trend.values))) or 1.0  # keeps squares of extreme targets in range
    values = trend.values / size
    variance = float(np.var(values))
    rounding = variance <= _ROUNDING * float(np.mean(values**2))
    return not rounding and variance >= TREND_SHARE * (trend.variance / size / size)


def _trend_basis(geometry: Geometry, trend: Trend) -> FloatArray:
    columns = [np.ones(len(geometry.points))]
    if _has_slope(trend):
        columns += list(unit_places(geometry).T)
        # what is left of a straight trend is rounding, and no column of its own
        columns.append(trend.values / np.max(np.abs(trend.values)))
    # not QR: an axis with a single cell has no slope, and QR would make a direction up for it
    root = np.sqrt(geometry.weights)[:, np.newaxis]
    basis, singular, _ = np.linalg.svd(root * np.column_stack(columns), full_matrices=False)
    return np.ascontiguousarray(basis[:, singular > 1e-10 * singular[0]] / root)


def measure_spectrum(geometry: Geometry, target: TargetSpectrum, residual: FloatArray, scale: float) -> Spectrum:
    """Read the spectrum of one residual.

    Parameters
    ----------
    geometry : where the N points lie.
    target : see :func:`target_spectrum`.
    residual : prediction - target, shape ``(N,)``.
    scale : the mean square that shares are relative to: ``trend.variance``, or the first look's mean(r^2) where
        nothing oscillates. 0 or NaN: unknown; then shares are NaN.

    Returns
    -------
    Spectrum

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> trend = fit_trend(grid, np.cos(6 * np.pi * x) + np.cos(40 * np.pi * x))
    >>> target = target_spectrum(grid, trend)
    >>> residual = np.cos(6 * np.pi * x + 1) - trend.oscillation  # 3 cycles one radian late, 20 cycles missing
    >>> spectrum = measure_spectrum(grid, target, residual, trend.variance)
    >>> {label: round(float(e), 3) for label, e in zip(target.labels, spectrum.relative_error) if e > 0}
    {'2-4': 0.959, '16-32': 1.0}
    """
    size = float(np.max(np.abs(residual)))
    if not math.isfinite(size):
        nothing = np.full(len(target.band_power), math.nan)
        return Spectrum(math.nan, nothing, nothing.copy(), np.full(len(target.group), math.nan))
    size = size or 1.0
    scaled = np.asarray(residual, dtype=np.float64) / size  # the square of a large residual must not overflow
    coefficients = (geometry.weights * scaled) @ target.trend_basis
    power = geometry.power(scaled - target.trend_basis @ coefficients)
    power[0] = coefficients @ coefficients
    summed = _summed(geometry, power, target.group, len(target.band_power), scaled)
    amplitude = size * np.sqrt(summed)

    root = math.sqrt(scale) if 0.0 < scale < math.inf else math.nan
    with np.errstate(over="ignore"):  # what is beyond the range of a float is inf
        relative_error = _relative(amplitude[1:], target)
        share = (amplitude / root) ** 2
        if not geometry.complete and summed.any():
            share *= min(geometry.mean(scaled**2) / float(summed.sum()), 1.0)
        power = power * size * size
    return Spectrum(trend_share=float(share[0]), share=share[1:], relative_error=relative_error, power=power)


def _relative(amplitude: FloatArray, target: TargetSpectrum) -> FloatArray:
    """Amplitude of each band over the target's; NaN where the band does not carry."""
    relative_error = np.full(len(target.band_power), math.nan)
    np.divide(amplitude, np.sqrt(target.band_power), out=relative_error, where=target.carrying)
    return relative_error


def combined_target(parts: Sequence[TargetSpectrum]) -> TargetSpectrum:
    """Return what the targets of several outputs fix together: powers are sums, a band carries where it does in any."""
    carrying = np.any([part.carrying for part in parts], axis=0)
    band_power = np.sum([part.band_power for part in parts], axis=0)
    # a single line that lies between two bands makes both carry, in whichever output
    alike = all(np.array_equal(part.carrying, carrying) for part in parts if part.carrying.any())
    several = any(part.several for part in parts) or not alike
    return replace(parts[0], carrying=carrying, band_power=band_power, several=several)


def combined(target: TargetSpectrum, parts: Sequence[Spectrum]) -> Spectrum:
    """Return the spectrum of several outputs together, whose powers add up.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> waves = [f(40 * np.pi * grid.points[:, 0]) for f in (np.sin, np.cos)]  # of which the second is missing
    >>> targets = [target_spectrum(grid, fit_trend(grid, wave)) for wave in waves]
    >>> seen = [measure_spectrum(grid, each, error, 1.0) for each, error in zip(targets, (0 * waves[0], -waves[1]))]
    >>> target = combined_target(targets)
    >>> combined(target, seen).relative_error[target.carrying].round(3).tolist()  # sqrt(1 / 2)
    [0.707]
    """
    with np.errstate(over="ignore"):
        power = np.sum([part.power for part in parts], axis=0)
        amplitude = np.sqrt(np.bincount(target.group, power, minlength=len(target.band_power) + 1)[1:])
        return Spectrum(
            trend_share=float(sum(part.trend_share for part in parts)),
            share=np.sum([part.share for part in parts], axis=0),
            relative_error=_relative(amplitude, target),
            power=power,
        )


def _summed(geometry: Geometry, power: FloatArray, group: IntArray, bands: int, field: FloatArray) -> FloatArray:
    """Power of row 0 and of each band, shape ``(1 + bands,)``; the last band has what no frequency of a field holds."""
    summed = np.asarray(np.bincount(group, power, minlength=bands + 1), dtype=np.float64)
    if not geometry.complete:
        summed[-1] = max(geometry.mean(field**2) - float(summed.sum()), 0.0)
    return summed


def trend_share_of_target(trend: Trend, target: FloatArray) -> float:
    """Variance of the target's trend over the variance of the target, 0 and up; NaN for a constant target.

    ``target`` has shape ``(N,)``, of several outputs ``(k, N)``: their variances are added up.

    Near 1: the trend is nearly all there is, and a fit can look good without one oscillation. It exceeds 1 where trend
    and oscillation run against each other.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> values = 20 * x + np.cos(26 * np.pi * x)
    >>> round(trend_share_of_target(fit_trend(grid, values), values), 3)  # 400 / 12 and 1 / 2
    0.985
    """
    size = float(np.max(np.abs(target))) or 1.0
    values = np.stack([part.values for part in trend.parts]) if trend.parts else trend.values
    variance, square = (float(np.sum(each)) for each in _moments(target / size))
    if variance <= _ROUNDING * square:
        return math.nan
    return float(np.sum(_moments(values / size)[0])) / variance


def _moments(fields: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Variance and mean square along the last axis."""
    return np.asarray(np.var(fields, axis=-1)), np.asarray(np.mean(fields**2, axis=-1))


def front_frequency(target: TargetSpectrum, spectrum: Spectrum, tolerance: float = 0.25) -> float:
    """Frequency up to which the target is fitted, in cycles per domain length.

    The upper edge of the highest carrying band that is within the tolerance together with all carrying bands below it.
    0: the lowest carrying band is not. NaN: no band carries, or the residual is not finite.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> trend = fit_trend(grid, np.cos(6 * np.pi * x) + np.cos(40 * np.pi * x))
    >>> target = target_spectrum(grid, trend)
    >>> front_frequency(target, measure_spectrum(grid, target, -np.cos(40 * np.pi * x), trend.variance))
    4.0
    """
    errors = spectrum.relative_error[target.carrying]
    if errors.size == 0 or np.isnan(errors).any():
        return math.nan
    reached = int(np.argmin(np.append(errors <= tolerance, False)))  # carrying bands before the first that is not
    return float(target.edges[1:][target.carrying][reached - 1]) if reached else 0.0


@dataclass(frozen=True)
class SpectrumHistory:
    """What accumulates over looks; see :func:`update`. Steps are optimizer steps, counted over all fits.

    Attributes
    ----------
    converged : first step at which a band was within the tolerance, shape ``(B,)``; ``inf``: never so far, and where
        the band does not carry.
    """

    converged: FloatArray


def update(history: SpectrumHistory | None, spectrum: Spectrum, step: int, tolerance: float = 0.25) -> SpectrumHistory:
    """Take one more look into the history; ``None`` begins one. Looks come in the order of their steps.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> low, high = (np.cos(2 * np.pi * k * grid.points[:, 0]) for k in (3, 20))
    >>> trend = fit_trend(grid, low + high)
    >>> target = target_spectrum(grid, trend)
    >>> history = None
    >>> for step, residual in [(0, low + high), (100, high), (500, 0.2 * high)]:
    ...     history = update(history, measure_spectrum(grid, target, residual, trend.variance), step)
    >>> history.converged[target.carrying].tolist(), spectral_order(target, history)
    ([100.0, 500.0], 1.0)
    """
    before = np.full(len(spectrum.relative_error), np.inf) if history is None else history.converged
    within = spectrum.relative_error <= tolerance  # NaN is not
    return SpectrumHistory(converged=np.where(within, np.minimum(before, float(step)), before))


def spectral_order(target: TargetSpectrum, history: SpectrumHistory) -> float:
    """In which order the frequencies are fitted, in [-1, 1].

    Spearman's correlation of frequency with the step of convergence over the carrying bands. Bands that have not
    converged rank last together.

    1: low frequencies first, the spectral bias of a network with smooth units. -1: high frequencies first. 0: no
    order, or all converged at one look. NaN: fewer than two carrying bands, a single sinusoid between two, or none has
    converged yet.
    """
    converged = history.converged[target.carrying]
    if len(converged) < 2 or not target.several or not np.isfinite(converged).any():
        return math.nan
    return spearman(np.arange(float(len(converged))), converged)
