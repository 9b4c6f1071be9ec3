"""How many oscillations of the target a prediction has, lacks, and has in excess, along one axis.

The target's trend is subtracted from target and prediction alike, both are smoothed by a moving mean over an eighth of
:attr:`Trend.shortest_wavelength`, and turning points are read by hysteresis: an extremum counts once the field has
come back from it by 10 % of the target's local peak-to-peak. The stretch between two turning points, or between an end
of the domain and a turning point, is a *lap*. With h its height as a share of the local peak-to-peak, a lap counts

    1/2 oscillation                      between two extrema, or where it is the only lap,
    1/2 min(1, h / h of its neighbour)   at an end of the domain,

and a count is the sum, rounded to halves. So sin(2 pi k x) and cos(2 pi k x) on the unit interval both have k
oscillations: the quarter period at either end of the sine is half a lap.

A gap between the points has no laps. What lies on either side of it is read by itself, and its ends count as those of
the domain, but for two things. Where a stretch has no lap between two extrema, its laps are held against the median of
h over all those elsewhere. And there are many ends, so that what the moving mean takes from their laps counts: the
levels there are extrapolated in a straight line to where the cells end. A gap of at most half the wavelength hides one
extremum at the most, which the laps before and behind it tell, and is passed over.

The local peak-to-peak is 2 sqrt(2 m), m the moving mean of u'^2 over one wavelength, and m at least 0.5 % of its
largest value: an oscillation that decays to a tenth is still counted. The hysteresis is at least four standard
deviations of the target's smoothed noise, but never more than 10 % of the smoothed target's whole peak-to-peak. Where
the noise is not given, it is taken from the median power of the target's spectrum, seen through tapers that do not
leak.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from lightning_seqfit.geometry import BoolArray, FloatArray, Geometry, IntArray
from lightning_seqfit.measures.spectrum import tapered_power
from lightning_seqfit.measures.trend import Trend

#: Hysteresis, as a share of the target's local peak-to-peak.
HYSTERESIS = 0.1
#: Least local power, as a share of the largest: what is below is no oscillation of its own.
LEAST_POWER = 5e-3
#: Standard deviations of the smoothed noise that an extremum must stand out by.
NOISE_DEVIATIONS = 4.0
#: Values of one plateau differ by less than this share of the hysteresis: rounding does not place an extremum.
PLATEAU = 1e-8
#: A gap of at most this share of the wavelength is passed over.
PASSED_OVER = 0.5
#: A prediction is cut off this many times the target's largest oscillation from the trend: squares and sums stay exact.
FARTHEST = 1e6
_NOTHING = np.zeros(0)


@dataclass(frozen=True)
class Laps:
    """The laps of a field, and the hysteresis they were read with.

    Attributes
    ----------
    begin, end : first and last point of each lap, shape ``(laps,)``: positions in ``geometry.lines(0)[0]``, which
        numbers the points from the low face to the high one. A lap begins where the one before ends, but for gaps.
    rising : whether the field rises along the lap, shape ``(laps,)``; alternates, but for gaps.
    weights : oscillations per lap, in (0, 1/2], shape ``(laps,)``.
    hysteresis : along the line, in the field's units, shape ``(N,)``; 0.0: the target does not oscillate, and nothing
        is counted.
    variance : of the target's own laps, the variance of u' on each as a share of its largest square, shape ``(laps,)``.
    """

    begin: IntArray
    end: IntArray
    rising: BoolArray
    weights: FloatArray
    hysteresis: FloatArray
    variance: FloatArray

    @property
    def count(self) -> float:
        """Oscillations, a multiple of 1/2; 0: the field never moves by the hysteresis."""
        return _rounded(self.weights)


@dataclass(frozen=True)
class Oscillations:
    """Oscillations of a prediction held against those of the target; every count is a multiple of 1/2.

    Attributes
    ----------
    target : oscillations of the target; 0: it has none.
    model : oscillations of the prediction, wherever they lie; NaN: the prediction is not finite everywhere.
    fitted : oscillations of the target on which the prediction matches it, from 0 to ``target``.
    missing : ``target - fitted``.
    spurious : oscillations of the prediction that are none of the target's, from 0 to ``model``; NaN like ``model``.
    matched : whether the prediction matches the target on its lap, shape ``(target laps,)``.
    """

    target: float
    model: float
    fitted: float
    missing: float
    spurious: float
    matched: BoolArray


def target_laps(geometry: Geometry, trend: Trend, noise: float = 0.0, *, least_power: float = LEAST_POWER) -> Laps:
    """Read the target's laps, once for all looks.

    Parameters
    ----------
    geometry : N points along one axis.
    trend : the target's, from :func:`~lightning_seqfit.measures.trend.fit_trend`.
    noise : standard deviation of the target's noise; 0: not known.
    least_power : least local power, as a share of the largest, that is an oscillation of its own.

    Returns
    -------
    Laps

    Raises
    ------
    ValueError
        If the geometry has more than one axis.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> laps = target_laps(grid, fit_trend(grid, 5.0 * x + np.sin(6 * np.pi * x)))
    >>> laps.count, laps.rising.tolist()
    (3.0, [True, False, True, False, True, False, True])
    """
    if geometry.dimension != 1:
        raise ValueError(
            f"laps are counted along one axis, but this geometry has {geometry.dimension} "
            f"({', '.join(geometry.axes)}): give a geometry with a single axis"
        )
    if trend.variance == 0 or not math.isfinite(trend.shortest_wavelength[0]):
        return _no_laps(np.zeros(len(trend.oscillation)))
    smoothed = _smoothed(geometry, trend, trend.oscillation)
    laps = _read_laps(geometry, trend, smoothed, _hysteresis(geometry, trend, smoothed, noise, least_power))
    oscillation = trend.oscillation[geometry.lines(0)[0]] / trend.largest
    variance = _lap_means(oscillation**2, laps) - _lap_means(oscillation, laps) ** 2
    return replace(laps, variance=variance)


def count_oscillations(
    geometry: Geometry,
    trend: Trend,
    laps: Laps,
    prediction: FloatArray,
    residual: FloatArray,
    tolerance: float = 0.25,
    noise: float = 0.0,
) -> Oscillations:
    """Count the oscillations that a prediction has, lacks, and has in excess.

    A target lap is matched if, over its points with both ends, the root mean square of the residual is at most
    ``tolerance`` times the standard deviation of the target's oscillation, both less the noise: the mean square of n
    residuals is taken less noise^2 (1 + 2 sqrt(2 / n)), which is the noise's and two standard deviations of it. A lap
    of the prediction is spurious if its middle lies in no target lap of the same direction, or in one that a lap of
    the prediction, no lighter, has taken. The middle is that of the lap's points; where it is a turning point of the
    target, it lies in both laps.

    Parameters
    ----------
    geometry : N points along one axis.
    trend : the target's trend.
    laps : the target's laps, from :func:`target_laps`.
    prediction : shape ``(N,)``. Not finite on a lap: the lap is not matched, ``model`` and ``spurious`` are NaN.
    residual : prediction - target, shape ``(N,)``.
    tolerance : share of the standard deviation that the error may reach; above 1, a straight line is a match.
    noise : standard deviation of the target's noise.

    Returns
    -------
    Oscillations

    Examples
    --------
    The right half of eight oscillations is fitted, the left half still follows the trend:

    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> target = 5.0 * x + np.cos(16 * np.pi * x)
    >>> trend = fit_trend(grid, target)
    >>> prediction = np.where(x > 0.5, target, 5.0 * x)
    >>> seen = count_oscillations(grid, trend, target_laps(grid, trend), prediction, prediction - target)
    >>> seen.target, seen.fitted, seen.missing, seen.spurious
    (8.0, 4.0, 4.0, 0.0)
    """
    matched = _matched(geometry, trend, laps, residual, tolerance, noise)
    count, fitted = laps.count, _rounded(np.where(matched, laps.weights, 0.0))
    model = spurious = math.nan
    if np.isfinite(prediction).all():
        model_laps = _model_laps(geometry, trend, laps, prediction)
        model = model_laps.count
        spurious = _rounded(np.where(_is_spurious(model_laps, laps), model_laps.weights, 0.0))
    return Oscillations(
        target=count, model=model, fitted=fitted, missing=count - fitted, spurious=spurious, matched=matched
    )


def roughness(geometry: Geometry, field: FloatArray) -> float:
    """Mean square of the difference of neighbours along a line over that of points far apart: 0 smooth, 1 noise.

    A wave of f cycles has 1 - cos(2 pi f / N) at N even points, and s / (1 + s), s = (2 pi f / N)^2, at random ones.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> round(roughness(grid, np.sin(128 * np.pi * grid.points[:, 0])), 3), round(1 - math.cos(math.pi / 4), 3)
    (0.292, 0.293)
    """
    line = field[geometry.lines(0)[0]] / np.max(np.abs(field))
    return float(np.mean(np.diff(line) ** 2) / (2 * np.var(line)))


def _model_laps(geometry: Geometry, trend: Trend, laps: Laps, prediction: FloatArray) -> Laps:
    if not laps.hysteresis.any():
        return _no_laps(laps.hysteresis)
    far = FARTHEST * trend.largest
    oscillation = np.minimum(np.maximum(prediction, trend.values - far), trend.values + far) - trend.values
    return _read_laps(geometry, trend, _smoothed(geometry, trend, oscillation), laps.hysteresis)


def _matched(
    geometry: Geometry, trend: Trend, laps: Laps, residual: FloatArray, tolerance: float, noise: float
) -> BoolArray:
    size, variance = trend.largest or 1.0, laps.variance
    error = np.minimum(np.maximum(residual[geometry.lines(0)[0]], -FARTHEST * size), FARTHEST * size) / size
    squares = _lap_means(error**2, laps)
    if noise > 0.0:
        points, spread = laps.end - laps.begin + 1, (noise / size) ** 2
        squares = np.maximum(squares - spread * (1 + 2 * np.sqrt(2 / points)), 0.0)
        variance = np.maximum(variance - spread, 0.0)
    within: BoolArray = squares <= tolerance**2 * variance
    return within


@lru_cache(maxsize=4)  # the same at each look
def _stretches(geometry: Geometry, wavelength: float) -> tuple[int, ...]:
    """Where along the line a stretch begins that is read by itself, and its end: a whole line is one."""
    segments = geometry.segments(0)
    starts = np.cumsum([0, *map(len, segments)])
    ends = geometry.points[:, 0][np.array([(each[0], each[-1]) for each in segments])]
    wide = ends[1:, 0] - ends[:-1, 1] > PASSED_OVER * wavelength
    return tuple(starts[np.concatenate(([True], wide, [True]))].tolist())


def _is_spurious(model: Laps, target: Laps) -> BoolArray:
    if len(target.weights) == 0:
        return np.ones(len(model.weights), dtype=np.bool_)
    middle = (model.begin + model.end) / 2
    # a middle on a turning point lies in two laps, one of either direction
    right = np.maximum(np.searchsorted(target.begin, middle, side="right"), 1) - 1
    left = np.minimum(np.searchsorted(target.end, middle, side="left"), len(target.weights) - 1)
    home = np.where(target.rising[right] == model.rising, right, left)

    within = (target.begin[home] <= middle) & (middle <= target.end[home])
    candidates = np.flatnonzero((target.rising[home] == model.rising) & within)
    lightest_first = candidates[np.argsort(-model.weights[candidates], kind="stable")][::-1]
    taken = dict(zip(home[lightest_first].tolist(), lightest_first.tolist(), strict=True))  # the last one takes it
    spurious = np.ones(len(model.weights), dtype=np.bool_)
    spurious[list(taken.values())] = False
    return spurious


def _smoothing(trend: Trend) -> float:
    return trend.shortest_wavelength[0] / 8


def _smoothed(geometry: Geometry, trend: Trend, field: FloatArray) -> FloatArray:
    smoothed: FloatArray = geometry.moving_mean(field, (_smoothing(trend),))[geometry.lines(0)[0]]
    return smoothed


def _hysteresis(geometry: Geometry, trend: Trend, smoothed: FloatArray, given: float, least_power: float) -> FloatArray:
    """Distance along the line by which a field must come back from an extremum, shape ``(N,)``."""
    size = trend.largest
    oscillation = trend.oscillation / size
    local = geometry.moving_mean(oscillation**2, trend.wavelength)[geometry.lines(0)[0]]
    local_peak_to_peak = 2 * np.sqrt(2 * np.maximum(local, least_power * float(np.max(local))))
    noise = given / size
    if noise == 0.0:
        power = tapered_power(geometry, oscillation)
        bins = max(len(oscillation), 2 * (len(power) - 1))
        # white noise of variance v has 2 v / N in a bin on average, and ln 2 times that in half of the bins
        noise = math.sqrt(float(np.median(power)) * bins / (2 * math.log(2)))
    averaged = max(len(oscillation) * _smoothing(trend) / geometry.lengths[0], 1.0)
    least = NOISE_DEVIATIONS * noise / math.sqrt(averaged)
    most = HYSTERESIS * float(np.ptp(smoothed)) / size
    hysteresis: FloatArray = size * np.minimum(np.maximum(HYSTERESIS * local_peak_to_peak, least), most)
    return hysteresis


def _read_laps(geometry: Geometry, trend: Trend, values: FloatArray, hysteresis: FloatArray) -> Laps:
    """Laps of a smoothed field along the line, in each stretch by itself."""
    stretches = _stretches(geometry, trend.wavelength[0])
    alone = len(stretches) == 2
    begin, end, heights, rising = [], [], [], []
    for low, high in itertools.pairwise(stretches):
        turning, levels = _turning_points(values[low:high], hysteresis[low:high])
        if len(turning) == 0:
            continue
        positions = np.array(turning, dtype=np.intp) + low
        steps = np.diff(levels)
        rising.append(steps > 0)
        if not alone:
            up, places = np.sign(steps), geometry.points[geometry.lines(0)[0], 0]
            levels[0] = _level_at_end(places, values, positions[0], positions[1], _smoothing(trend))
            levels[-1] = _level_at_end(places, values, positions[-1], positions[-2], _smoothing(trend))
            steps = np.maximum(up * np.diff(levels), 0.0)
        local = hysteresis[positions]
        heights.append(np.abs(steps) / (local[1:] + local[:-1]))
        begin.append(positions[:-1])
        end.append(positions[1:])
    if not begin:
        return _no_laps(hysteresis)
    weights = _weights(np.concatenate(heights), np.array([len(each) for each in begin]), alone=alone)
    return Laps(np.concatenate(begin), np.concatenate(end), np.concatenate(rising), weights, hysteresis, _NOTHING)


def _level_at_end(places: FloatArray, values: FloatArray, end: int, turn: int, width: float) -> float:
    """Level of a smoothed field where the cell at an end of a stretch ends; ``turn``: the nearest turning point."""
    inwards = 1 if turn > end else -1
    inside = end + inwards
    while inside != turn and places[inside] == places[end]:
        inside += inwards
    spacing = abs(places[inside] - places[end])
    while inside != turn and abs(places[inside] - places[end]) < width / 2:
        inside += inwards
    # the window about the end is cut off where its cell ends: its mean lies further in
    middle = max(width - spacing, 0.0) / 4
    slope = (values[end] - values[inside]) / (abs(places[inside] - places[end]) - middle)
    return float(values[end] + slope * (middle + spacing / 2))


def _weights(heights: FloatArray, sizes: IntArray, *, alone: bool) -> FloatArray:
    """Oscillations per lap, from the heights of the laps and their number in each stretch; ``alone``: there is one."""
    last = np.cumsum(sizes) - 1
    first = last - sizes + 1
    inner = np.ones(len(heights), dtype=np.bool_)
    inner[first] = inner[last] = False
    weights = np.full(len(heights), 0.5)
    whole = float(np.median(heights[inner])) if inner.any() else 0.5 / HYSTERESIS
    low = np.where((sizes > 2) | alone, heights[np.minimum(first + 1, last)], whole)
    high = np.where((sizes > 2) | alone, heights[np.maximum(last - 1, first)], whole)
    weights[first] = 0.5 * np.minimum(1.0, heights[first] / low)
    weights[last] = 0.5 * np.minimum(1.0, heights[last] / high)
    return weights


def _turning_points(values: FloatArray, hysteresis: FloatArray) -> tuple[list[int], list[float]]:
    """Positions and values of both ends and of the extrema from which the field came back by the hysteresis.

    The first direction is the one in which the field first moves by the hysteresis from an extreme; a smaller excursion
    before that is no turning point. An extremum that is a plateau lies in the plateau's middle.
    """
    # relative to half the hysteresis at each point, so that a stretch reads the same from either end
    span = np.maximum.accumulate(values - hysteresis / 2) - np.minimum.accumulate(values + hysteresis / 2)
    moved = np.flatnonzero(span >= 0)
    if len(moved) == 0:
        return [], []
    start = int(moved[0])
    sign = 1.0 if values[start] > values[0] else -1.0
    turning, levels = [0], [float(values[0])]
    first = last = start
    highest = sign * float(values[start])
    half = float(hysteresis[start]) / 2  # of the highest point
    # only where the field turns or stands, and at its end, can anything change
    slopes = np.diff(values[start:])
    slopes[np.abs(slopes) <= PLATEAU * hysteresis[start + 1 :]] = 0.0
    turns = np.flatnonzero(slopes[1:] * slopes[:-1] <= 0.0) + 1
    places = np.concatenate(([0], turns, [len(values) - 1 - start])) + start
    steps = zip(places.tolist(), values[places].tolist(), (hysteresis[places] / 2).tolist(), strict=True)
    for position, value, back in steps:
        height = sign * value  # falling laps are read upside down
        slack = PLATEAU * back
        if height > highest + slack:
            highest, half, first, last = height, back, position, position
        elif height >= highest - slack:
            last = position
        elif height <= highest - half - back:
            turning.append((first + last) // 2)
            levels.append(sign * highest)
            sign = -sign
            highest, half, first, last = -height, back, position, position
    return [*turning, len(values) - 1], [*levels, float(values[-1])]


def _lap_means(values: FloatArray, laps: Laps) -> FloatArray:
    """Mean over each lap's points with both ends."""
    sums = np.add.reduceat(values, np.array([laps.begin, laps.end]).T.ravel())[::2]  # the others: between laps
    means: FloatArray = (sums + values[laps.end]) / (laps.end - laps.begin + 1)
    return means


def _rounded(weights: FloatArray) -> float:
    """Sum to the nearest half, half up: the slack keeps rounding errors from deciding a tie."""
    return math.floor(2 * float(weights.sum()) + 0.5 + 1e-9) / 2


def _no_laps(hysteresis: FloatArray) -> Laps:
    none = np.zeros(0, dtype=np.intp)
    return Laps(none, none, np.zeros(0, dtype=np.bool_), _NOTHING, hysteresis, _NOTHING)
