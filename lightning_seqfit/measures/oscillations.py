"""How many oscillations of the target a prediction has, lacks, and has in excess, along one axis.

The target's trend is subtracted from target and prediction alike, both are smoothed by a moving mean over an eighth of
:attr:`Trend.shortest_wavelength`, and turning points are read by hysteresis: an extremum counts once the field has
come back from it by 10 % of the target's local peak-to-peak. The stretch between two turning points, or between an end
of the domain and a turning point, is a *lap*. With h its height as a share of the local peak-to-peak, a lap counts

    1/2 oscillation                      between two extrema, or where it is the only lap,
    1/2 min(1, h / h of its neighbour)   at an end of the domain,

and a count is the sum, rounded to halves. So sin(2 pi k x) and cos(2 pi k x) on the unit interval both have k
oscillations: the quarter period at either end of the sine is half a lap.

The local peak-to-peak is 2 sqrt(2 m), m the moving mean of u'^2 over one wavelength, and m at least 0.1 % of its
largest value: an oscillation that decays to a thirtieth is still counted. The hysteresis is at least four standard
deviations of the target's smoothed noise, but never more than 10 % of the smoothed target's whole peak-to-peak. The
noise is taken from the median power of the target's spectrum, seen through tapers that do not leak.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lightning_seqfit.geometry import BoolArray, FloatArray, Geometry, IntArray
from lightning_seqfit.measures.spectrum import tapered_power
from lightning_seqfit.measures.trend import Trend

#: Hysteresis, as a share of the target's local peak-to-peak.
HYSTERESIS = 0.1
#: Least local power, as a share of the largest: what is below is no oscillation of its own.
LEAST_POWER = 1e-3
#: Standard deviations of the smoothed noise that an extremum must stand out by.
NOISE_DEVIATIONS = 4.0
#: Values of one plateau differ by less than this share of the hysteresis: rounding does not place an extremum.
PLATEAU = 1e-8
#: A prediction is cut off this many times the target's largest oscillation from the trend: squares and sums stay exact.
FARTHEST = 1e6


@dataclass(frozen=True)
class Laps:
    """The laps of a field, and the hysteresis they were read with.

    Attributes
    ----------
    turning : turning points with both domain ends, shape ``(laps + 1,)``: positions in ``geometry.lines(0)[0]``, which
        numbers the points from the low face to the high one. Empty without laps.
    rising : whether the field rises along the lap, shape ``(laps,)``; alternates.
    weights : oscillations per lap, in (0, 1/2], shape ``(laps,)``.
    hysteresis : along the line, in the field's units, shape ``(N,)``; 0.0: the target does not oscillate, and nothing
        is counted.
    """

    turning: IntArray
    rising: BoolArray
    weights: FloatArray
    hysteresis: FloatArray

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


def target_laps(geometry: Geometry, trend: Trend) -> Laps:
    """Read the target's laps, once for all looks.

    Parameters
    ----------
    geometry : N points along one axis.
    trend : the target's, from :func:`~lightning_seqfit.measures.trend.fit_trend`.

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
    return _read_laps(smoothed, _hysteresis(geometry, trend, smoothed))


def count_oscillations(
    geometry: Geometry,
    trend: Trend,
    laps: Laps,
    prediction: FloatArray,
    residual: FloatArray,
    tolerance: float = 0.25,
) -> Oscillations:
    """Count the oscillations that a prediction has, lacks, and has in excess.

    A target lap is matched if, over its points with both ends, the root mean square of the residual is at most
    ``tolerance`` times the standard deviation of the target's oscillation. A lap of the prediction is spurious if its
    middle lies in no target lap of the same direction, or in one that a lap of the prediction, no lighter, has taken.
    The middle is that of the lap's points; where it is a turning point of the target, it lies in both laps.

    Parameters
    ----------
    geometry : N points along one axis.
    trend : the target's trend.
    laps : the target's laps, from :func:`target_laps`.
    prediction : shape ``(N,)``. Not finite on a lap: the lap is not matched, ``model`` and ``spurious`` are NaN.
    residual : prediction - target, shape ``(N,)``.
    tolerance : share of the standard deviation that the error may reach; above 1, a straight line is a match.

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
    matched = _matched(geometry, trend, laps, residual, tolerance)
    fitted = _rounded(np.where(matched, laps.weights, 0.0))
    model = spurious = math.nan
    if np.isfinite(prediction).all():
        model_laps = _model_laps(geometry, trend, laps, prediction)
        model = model_laps.count
        spurious = _rounded(np.where(_is_spurious(model_laps, laps), model_laps.weights, 0.0))
    return Oscillations(
        target=laps.count, model=model, fitted=fitted, missing=laps.count - fitted, spurious=spurious, matched=matched
    )


def _model_laps(geometry: Geometry, trend: Trend, laps: Laps, prediction: FloatArray) -> Laps:
    if not laps.hysteresis.any():
        return _no_laps(laps.hysteresis)
    far = FARTHEST * float(np.max(np.abs(trend.oscillation)))
    oscillation = np.clip(prediction, trend.values - far, trend.values + far) - trend.values
    return _read_laps(_smoothed(geometry, trend, oscillation), laps.hysteresis)


def _matched(geometry: Geometry, trend: Trend, laps: Laps, residual: FloatArray, tolerance: float) -> BoolArray:
    if len(laps.weights) == 0:
        return np.zeros(0, dtype=np.bool_)
    line = geometry.lines(0)[0]
    size = float(np.max(np.abs(trend.oscillation)))  # keeps squares in range
    oscillation = trend.oscillation[line] / size
    error = np.clip(residual[line], -FARTHEST * size, FARTHEST * size) / size
    variance = _lap_means(oscillation**2, laps.turning) - _lap_means(oscillation, laps.turning) ** 2
    within: BoolArray = _lap_means(error**2, laps.turning) <= tolerance**2 * variance
    return within


def _is_spurious(model: Laps, target: Laps) -> BoolArray:
    middle = (model.turning[:-1] + model.turning[1:]) / 2
    # a middle on a turning point lies in two laps, one of either direction
    right = np.minimum(np.searchsorted(target.turning, middle, side="right"), len(target.weights)) - 1
    left = np.maximum(np.searchsorted(target.turning, middle, side="left"), 1) - 1
    home = np.where(target.rising[right] == model.rising, right, left)

    candidates = np.flatnonzero(target.rising[home] == model.rising)
    heaviest_first = candidates[np.argsort(-model.weights[candidates], kind="stable")]
    _, first = np.unique(home[heaviest_first], return_index=True)
    spurious = np.ones(len(model.weights), dtype=np.bool_)
    spurious[heaviest_first[first]] = False
    return spurious


def _smoothed(geometry: Geometry, trend: Trend, field: FloatArray) -> FloatArray:
    smoothed: FloatArray = geometry.moving_mean(field, (trend.shortest_wavelength[0] / 8,))[geometry.lines(0)[0]]
    return smoothed


def _hysteresis(geometry: Geometry, trend: Trend, smoothed: FloatArray) -> FloatArray:
    """Distance along the line by which a field must come back from an extremum, shape ``(N,)``."""
    size = float(np.max(np.abs(trend.oscillation)))  # keeps squares in range
    oscillation = trend.oscillation / size
    local = geometry.moving_mean(oscillation**2, trend.wavelength)[geometry.lines(0)[0]]
    local_peak_to_peak = 2 * np.sqrt(2 * np.maximum(local, LEAST_POWER * float(np.max(local))))
    # white noise of variance v has 2 v / N in a bin on average, and ln 2 times that in half of the bins
    noise = math.sqrt(float(np.median(tapered_power(geometry, oscillation))) * len(oscillation) / (2 * math.log(2)))
    averaged = max(len(oscillation) * trend.shortest_wavelength[0] / 8 / geometry.lengths[0], 1.0)
    least = NOISE_DEVIATIONS * noise / math.sqrt(averaged)
    most = HYSTERESIS * float(np.ptp(smoothed)) / size
    hysteresis: FloatArray = size * np.minimum(np.maximum(HYSTERESIS * local_peak_to_peak, least), most)
    return hysteresis


def _read_laps(values: FloatArray, hysteresis: FloatArray) -> Laps:
    """Laps of a field along the line."""
    turning, levels = _turning_points(values, hysteresis)
    if len(turning) == 0:
        return _no_laps(hysteresis)
    steps = np.diff(levels)
    weights = np.full(len(steps), 0.5)
    if len(steps) > 1:
        local = hysteresis[turning]
        heights = np.abs(steps) / (local[1:] + local[:-1])
        weights[0] *= min(1.0, heights[0] / heights[1])
        weights[-1] *= min(1.0, heights[-1] / heights[-2])
    return Laps(np.array(turning, dtype=np.intp), steps > 0, weights, hysteresis)


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


def _lap_means(values: FloatArray, turning: IntArray) -> FloatArray:
    """Mean over each lap's points with both ends."""
    sums = np.add.reduceat(values, turning[:-1])
    sums[:-1] += values[turning[1:-1]]  # the last sum runs to the last point already
    means: FloatArray = sums / (np.diff(turning) + 1)
    return means


def _rounded(weights: FloatArray) -> float:
    """Sum to the nearest half, half up: the slack keeps rounding errors from deciding a tie."""
    return math.floor(2 * float(weights.sum()) + 0.5 + 1e-9) / 2


def _no_laps(hysteresis: FloatArray) -> Laps:
    return Laps(np.zeros(0, dtype=np.intp), np.zeros(0, dtype=np.bool_), np.zeros(0), hysteresis)
