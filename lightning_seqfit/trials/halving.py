"""Successive halving: all get a few steps, the better half three times as many, and so on.

References
----------
K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016
(arXiv:1502.07943).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

#: Steps of the first round, and how many times as many the next one has.
FIRST, TIMES = 100, 3
#: How many times the steps of the best the others get, and how many at the least.
PATIENCE, LEAST = 10, 1_000


@dataclass(frozen=True)
class Standing:
    """How far a candidate has come.

    Attributes
    ----------
    reached : steps to where it is fitted with every seed; ``inf``: it is not.
    fitted, error : of its seeds; NaN: not known.
    ended : nothing more can come of it: it is fitted, has failed, or there is no time left.
    """

    reached: float = math.inf
    fitted: float = math.nan
    error: float = math.nan
    ended: bool = False

    @property
    def order(self) -> tuple[float, float, float]:
        """Sorts standings: the farthest first, then the closest; what nobody knows last."""
        if math.isnan(self.fitted):
            return math.inf, math.inf, math.inf
        return self.reached, -round(self.fitted, 2), self.error


def halve(names: Sequence[str], advance: Callable[[Sequence[str], int], Mapping[str, Standing]]) -> dict[str, str]:
    """Give those that come farthest more and more steps, until all have ended or the best is far ahead.

    Parameters
    ----------
    names : of the candidates.
    advance : (names, step) -> how far each has come at that step.

    Returns
    -------
    dict
        Why each of those was given up that had not ended.

    Examples
    --------
    >>> speed = {"fast": 0.01, "slow": 0.001, "still": 0.0}
    >>> def advance(names, step):
    ...     share = {name: min(speed[name] * step, 1.0) for name in names}
    ...     reached = {name: 1 / speed[name] if share[name] == 1.0 else math.inf for name in names}
    ...     return {name: Standing(reached[name], share[name], 1 - share[name], share[name] == 1.0) for name in names}
    >>> halve(list(speed), advance)
    {'still': 'given up after 100 steps: others were ahead'}
    """
    alive, step, enough = list(names), FIRST, math.inf
    given_up: dict[str, str] = {}
    while alive:
        standing = advance(alive, step)
        best = min(each.reached for each in standing.values())
        enough = min(enough, max(math.ceil(PATIENCE * best), LEAST) if best < math.inf else math.inf)
        alive = sorted((name for name in alive if not standing[name].ended), key=lambda name: standing[name].order)
        if step >= enough:
            return {**given_up, **dict.fromkeys(alive, f"given up after {step:,} steps: the best took far fewer")}
        kept = math.ceil(len(alive) / 2)
        given_up |= dict.fromkeys(alive[kept:], f"given up after {step:,} steps: others were ahead")
        alive, step = alive[:kept], int(min(TIMES * step, enough))
    return given_up
