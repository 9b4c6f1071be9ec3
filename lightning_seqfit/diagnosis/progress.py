r"""How far a fit still is from done, in doublings of its step count, and whether it turns over what it has.

Of a look at step s, with j the first look at a step of at least s / 2:

- L = ln((1 - m + .002) / (m + .002)), m the mean clipped error; of a fitted target m = .03 or less, so L* = 3.41.
- gain: the rise of L over the looks from j to s, per doubling of the step count.
- need = max(L* - L, .6) once the error has begun to fall, 1 - min(e, 1)^2 >= .1, else .6: nobody can tell yet how long
  the rest takes, only whether it begins.
- doublings = need / gain; ``inf`` without a gain.
- churn = mean |dz| from one look to the next, net = mean |z(s) - z(j)|. *Restless*: churn >= .01 and churn >= .7 net:
  from one look to the next about as much changes as from the first of them to the last, however many there are.

Of 215 trainings that fitted in the end, 9 to 4 had a look at which that was above a threshold of 4 to 15.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from lightning_seqfit.diagnosis.signs import Signs

#: Mean clipped error of a fitted target, and what keeps its log odds finite.
FITTED_ERROR, FLOOR = 0.03, 0.002
#: Least need, and share of the target's variance that is explained once a fit has begun.
LEAST_NEED, BEGUN = 0.6, 0.1
#: Of a restless fit: least churn, and least churn over net change.
LEAST_CHURN, CHURN_OVER_NET = 0.01, 0.7


@dataclass(frozen=True)
class Progress:
    """Progress over the last half of the steps; NaN: not known.

    Attributes
    ----------
    doublings : of the step count that are still needed, above 0; ``inf``: it gains nothing.
    gain : in log odds of the mean clipped error, per doubling of the step count.
    fall : of the mean clipped error per doubling of the step count, as a share of what it was.
    need : the same that is still needed; ``whole``: also before the error has begun to fall.
    churn, path, net : mean change of the clipped error from look to look, its sum, and from the first look to the last;
        in [0, 1] but for the sum.
    turning : about as much changes from look to look as from the first to the last; ``restless``: and it is not little.
    looks : number of looks, the first and the last among them, also of those that a record has no longer.
    """

    doublings: float
    gain: float
    fall: float
    need: float
    whole: float
    churn: float
    path: float
    net: float
    turning: bool
    restless: bool
    looks: int


def half_way(signs: Signs, look: int) -> int:
    """Number of the first look at half the steps of a look, or more."""
    return bisect_left(signs.step, float(signs.step[look]) / 2, 0, look)


def progress(signs: Signs, look: int, *, by_error: bool = False) -> Progress:
    """Read the progress at a look.

    Parameters
    ----------
    signs : of all looks.
    look : number of the look, 0 and up.
    by_error : go by the relative RMS error alone, of which nobody knows where it ends: of a residual.

    Examples
    --------
    >>> steps = 2.0 ** np.arange(4)
    >>> odds = 1.4 ** np.arange(4)
    >>> falling = {"mean_error": 1 / (1 + odds), "error": 1 / (1 + odds), "path": np.zeros(4), "looks": steps}
    >>> now = progress(Signs.of(falling, steps, np.zeros((4, 5))), 3)
    >>> round(now.gain, 2), round(now.need, 1), round(now.doublings, 1)  # odds rise by 1.4 a doubling: ln 1.4 = 0.34
    (0.33, 2.4, 7.2)
    """
    first = half_way(signs, look)
    looks = float(signs.looks[look]) - float(signs.looks[first])
    step, start = float(signs.step[look]), float(signs.step[first])
    doubled = math.log2(step / start) if step > start > 0.0 else math.nan
    error = float(signs.error[look])
    level = _log_odds(signs, look, by_error)
    gain = (level - _log_odds(signs, first, by_error)) / doubled
    mean = float(signs.mean_error[first])
    fall = (mean - float(signs.mean_error[look])) / mean / doubled if mean > 0.0 else math.nan
    begun = not by_error and 1.0 - min(error, 1.0) ** 2 >= BEGUN
    whole = max(_odds(FITTED_ERROR) - level, LEAST_NEED)
    need = whole if begun else LEAST_NEED
    path = float(signs.path[look]) - float(signs.path[first])
    churn = path / looks if looks > 0.0 else math.nan
    change = signs.clipped[look] - signs.clipped[first]
    change = np.abs(change[change == change])  # quiet cells are NaN
    net = float(change.sum()) / len(change) if len(change) and looks > 0.0 else math.nan
    turning = churn > 0.0 and churn >= CHURN_OVER_NET * net
    return Progress(
        doublings=math.nan if math.isnan(gain) else need / gain if gain > 0.0 else math.inf,
        gain=gain,
        fall=fall,
        need=need,
        whole=whole,
        churn=churn,
        path=path,
        net=net,
        turning=turning,
        restless=turning and churn >= LEAST_CHURN,
        looks=int(looks) + 1 if looks == looks else 0,
    )


def _log_odds(signs: Signs, look: int, by_error: bool) -> float:
    return _odds(min(float(signs.error[look]), 1.0) if by_error else float(signs.mean_error[look]))


def _odds(error: float) -> float:
    return math.log((1.0 - error + FLOOR) / (error + FLOOR))
