"""The step at which a fit that goes on as it does will be fitted."""

from __future__ import annotations

import math
from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.diagnosis.diagnosis import Forecast

if TYPE_CHECKING:
    from lightning_seqfit.diagnosis.signs import Signs

#: Fitted share that is forecast, and that there must be already.
GOAL, LEAST_SHARE = 0.98, 0.1
#: Least sequentiality: what fits everywhere at once does not fit share by share.
SEQUENTIAL = 0.5
#: The interval, over the forecast: 80 % of trainings that were held out lay in it (.81; .54 to .90 without one target).
LOW, HIGH = 0.76, 1.44
#: Times the steps so far beyond which it is only said to be far.
FAR = 4.0
#: Looks that the slope is taken over at most, and at least.
MOST_LOOKS, LEAST_LOOKS = 40, 3


def forecast(signs: Signs, look: int) -> Forecast | None:
    """Forecast the step at which a fit is fitted: T = s + (.98 - fitted) / slope, in [.76, 1.44] T.

    The slope is Theil and Sen's of the fitted share over the last third of the steps.

    Parameters
    ----------
    signs : of all looks.
    look : number of the look, 0 and up.

    Returns
    -------
    Forecast or None
        All ``inf`` where it takes more than 4 times the steps so far. None where none can be had: it is fitted, it has
        hardly begun, it does not fit place after place, or there are less than three looks.

    References
    ----------
    P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63, 1968.

    Examples
    --------
    >>> from lightning_seqfit.diagnosis.signs import Signs
    >>> steps = np.arange(0.0, 5000.0, 100.0)
    >>> linear = {"fitted": steps / 10_000, "sequentiality": np.ones(len(steps))}
    >>> forecast(Signs.of(linear, steps, np.zeros((len(steps), 1))), 40)
    Forecast(step=9800.0, low=7448.0, high=14112.0)
    """
    share, step = float(signs.fitted[look]), float(signs.step[look])
    if not (float(signs.sequentiality[look]) >= SEQUENTIAL and LEAST_SHARE <= share < GOAL):
        return None
    first = bisect_left(signs.step, 2 * step / 3, 0, look)
    steps, shares = signs.step[first : look + 1], signs.fitted[first : look + 1]
    known = shares == shares
    steps, shares = steps[known], shares[known]
    if len(steps) > MOST_LOOKS:
        kept = np.linspace(0, len(steps) - 1, MOST_LOOKS).round().astype(int)
        steps, shares = steps[kept], shares[kept]
    if len(steps) < LEAST_LOOKS:
        return None
    before, after = _pairs(len(steps))
    slope = float(np.median((shares[after] - shares[before]) / (steps[after] - steps[before])))
    end = step + (GOAL - share) / slope if slope > 0.0 else math.inf
    if end > FAR * step:
        return Forecast(math.inf, math.inf, math.inf)
    return Forecast(end, max(LOW * end, step), HIGH * end)


@cache
def _pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    before, after = np.triu_indices(count, 1)
    return before, after
