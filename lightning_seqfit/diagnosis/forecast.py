"""The step at which a fit that goes on as it does will be fitted."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.diagnosis.diagnosis import Forecast
from lightning_seqfit.geometry import FloatArray

if TYPE_CHECKING:
    from lightning_seqfit.diagnosis.signs import Signs

#: Fitted share that is forecast, and that there must be already.
GOAL, LEAST_SHARE = 0.98, 0.1
#: Least sequentiality: what fits everywhere at once does not fit share by share.
SEQUENTIAL = 0.5
#: The interval, over the forecast: 81 % of the looks of 44 trainings lay in it.
LOW, HIGH = 0.75, 1.5
#: Times the steps so far beyond which it is only said to be far.
FAR = 4.0
#: Looks that the slope is taken over at most, and at least.
MOST_LOOKS, LEAST_LOOKS = 40, 3
#: Over the distance from a line in the logarithm of the steps, up to which the share is taken to grow with the steps.
LINEAR = 0.7
#: The later of two forecasts over the earlier one, above which none can be had.
MOST_APART = 1.5


def forecast(signs: Signs, look: int) -> Forecast | None:
    """Forecast the step T at which a fit is fitted, and an interval of [.75, 1.5] T.

    The fitted share goes on as before: with the steps s, by its slope over the last third of them,
    T = s + (.98 - fitted) / slope; or, where over the last three quarters it is not clearly nearer to a line in s than
    to one in ln s, by the geometric mean of that and of the same by ln s over the last half, if these are not more than
    1.5 times apart. Slopes are Theil and Sen's.

    Parameters
    ----------
    signs : of all looks.
    look : number of the look, 0 and up.

    Returns
    -------
    Forecast or None
        All ``inf`` where it takes more than 4 times the steps so far. None where none can be had: it is fitted, it has
        hardly begun, it does not fit place after place, it slows down, or there are less than three looks.

    References
    ----------
    P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968.

    Examples
    --------
    >>> from lightning_seqfit.diagnosis.signs import Signs
    >>> steps = np.arange(0.0, 5000.0, 100.0)
    >>> linear = {"fitted": steps / 10_000, "sequentiality": np.ones(len(steps))}
    >>> forecast(Signs.of(linear, steps, np.zeros((len(steps), 1))), 40)
    Forecast(step=9800.0, low=7350.0, high=14700.0)
    """
    share, step = float(signs.fitted[look]), float(signs.step[look])
    if not (float(signs.sequentiality[look]) >= SEQUENTIAL and LEAST_SHARE <= share < GOAL):
        return None
    steps, shares = _window(signs, look, 2 * step / 3)
    if len(steps) < LEAST_LOOKS:
        return None
    missing = GOAL - share
    slope = _slope(steps, shares)
    end = step + missing / slope if slope > 0.0 else math.inf
    steps, shares = _window(signs, look, step / 4)
    if not _distance(steps, shares) <= LINEAR * _distance(np.log(steps), shares):
        steps, shares = _window(signs, look, step / 2)
        slope = _slope(np.log(steps), shares)
        slower = step * math.exp(min(missing / slope, 50.0)) if slope > 0.0 else math.inf
        if slower > MOST_APART * end and end <= FAR * step:
            return None
        end = math.sqrt(end * slower)
    if end > FAR * step:
        return Forecast(math.inf, math.inf, math.inf)
    return Forecast(end, max(LOW * end, step), HIGH * end)


def _window(signs: Signs, look: int, start: float) -> tuple[FloatArray, FloatArray]:
    """Steps and fitted shares of the looks since a step, above 0, evenly chosen where they are many."""
    first = bisect_left(signs.step, max(start, 1.0), 0, look)
    steps, shares = signs.step[first : look + 1], signs.fitted[first : look + 1]
    known = shares == shares
    steps, shares = steps[known], shares[known]
    if len(steps) > MOST_LOOKS:
        kept = np.linspace(0, len(steps) - 1, MOST_LOOKS).round().astype(int)
        steps, shares = steps[kept], shares[kept]
    return steps, shares


def _slope(places: FloatArray, shares: FloatArray) -> float:
    before, after = _pairs(len(places))
    return _median((shares[after] - shares[before]) / (places[after] - places[before]))


def _distance(places: FloatArray, shares: FloatArray) -> float:
    """Mean distance from the line through the median."""
    left = shares - _slope(places, shares) * places
    away = np.abs(left - _median(left))
    return float(away.sum()) / len(away)


def _median(values: FloatArray) -> float:
    """In a quarter of the time that numpy's takes for so few."""
    ordered, middle = np.sort(values), len(values) // 2
    return float(ordered[middle] if len(values) % 2 else (ordered[middle - 1] + ordered[middle]) / 2)


@cache
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    before, after = np.triu_indices(count, 1)
    return before, after
