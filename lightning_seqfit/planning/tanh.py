"""How many steps a plain tanh network takes, by what was measured, or that it will not do.

Measured: two hidden layers of 50, Adam at 5e-3, 400 points on [0, 1] or 48 x 48 on [-1, 1]^2, all in each step, inputs
and values as they are, up to 15,000 steps, 2 seeds; ``python benchmarks/plan.py --tanh`` measures
it again. On [-1, 1] it takes half of the steps that it takes on [0, 1]. Beside a trend it takes as many times more as
the values vary more than what oscillates does: parabola + 0.3 sin varies 1.7 times as much and takes 1 to 2.2 times as
many steps, 3 x + 0.3 sin varies 4.2 times as much and takes 3.8 to 4.5 times.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from lightning_seqfit.planning.facts import Facts

#: Steps to 98 % fitted, the fewest and the most, by the pace's frequency in cycles per domain; ``inf``: not reached.
Table = dict[float, tuple[float, float]]
#: On [0, 1], where the amplitude at the edges is at least half of that inside,
EVEN: Table = {
    1.0: (61, 162),
    2.0: (222, 416),
    3.0: (487, 665),
    5.0: (840, 1_443),
    8.0: (1_559, 3_643),
    13.0: (5_355, 8_500),
    20.0: (math.inf, math.inf),
}
#: where it is less,
WEAKER: Table = {
    1.1: (162, 175),
    2.5: (281, 487),
    3.6: (487, 908),
    5.1: (1_336, 3_123),
    8.1: (4_958, 9_180),
    13.1: (math.inf, math.inf),
}
#: and where it is almost nothing.
FADED: Table = {
    1.4: (138, 205),
    2.3: (281, 385),
    3.3: (1_336, 2_293),
    5.3: (2_891, 7_870),
    8.3: (math.inf, math.inf),
}
#: On [-1, 1]^2, along both axes: sin(k pi x) sin(k pi y) has k cycles along each.
PLANE: Table = {
    1.0: (162, 175),
    2.0: (1_237, 1_559),
    3.0: (2_891, 3_123),
    5.0: (7_287, 9_180),
}
#: The same where it is faded at the edges.
FADED_PLANE: Table = {
    1.0: (416, 569),
    2.0: (1_684, 1_819),
    3.0: (10_709, 11_566),
}
#: Of targets that only bend: x^3, exp, sqrt, |x|, tanh(40 x).
BENDS = (56.0, 385.0)
#: The last of them is as steep as this; a step over 20 points takes 460 to 570, over 100 points 2,300 to 3,100.
STEEPEST = 20.0
#: Amplitudes at the edges, relative to that inside, below which it is weaker, and faded.
WEAK, FAINT = 0.5, 0.15
#: In the plane single frequencies were measured: the mean must be at least this share of the highest. Images, whose
#: power is slow and reaches far, take several times what the table has.
SINGLE = 0.4
#: Steps after which it was given up.
MOST = 15_000
#: What targets that were not in the table took, relative to it: their steps lay between these.
SPREAD = (0.5, 2.0)


class Steps(NamedTuple):
    """About how many steps, and between which; ``inf``: more than were tried."""

    value: float
    low: float
    high: float


def tanh_steps(facts: Facts, lengths: Sequence[float]) -> Steps | None:
    """Look up how many steps a target takes; None: nothing like it was measured.

    Parameters
    ----------
    facts : of the target.
    lengths : of the domain along each axis as the network sees it; measured for 1 and 2.

    Examples
    --------
    >>> thirteen = Facts((13.0,), (13.0,), edge=1.0, share=1.0, noise=0.0, mean=(0.0,), scale=(0.7,))
    >>> tanh_steps(thirteen, [1.0])
    Steps(value=6747, low=3373, high=13493)
    >>> tanh_steps(thirteen, [0.01]) is None
    True
    """
    waving = [axis for axis, cycles in enumerate(facts.frequencies) if cycles > 0.0]
    length = max((lengths[axis] for axis in waving), default=max(lengths))
    if not waving:
        if facts.steepest > STEEPEST:
            return None
        return Steps(round(math.sqrt(math.prod(BENDS))), *BENDS)
    several = len(waving) > 1
    if several and math.hypot(*facts.means) < SINGLE * math.hypot(*facts.frequencies):
        return None
    if len(waving) > 2 or not 0.9 <= length <= 2.2:
        return None
    table = EVEN if facts.edge >= WEAK else WEAKER if facts.edge >= FAINT else FADED
    if several:
        table = PLANE if facts.edge >= FAINT else FADED_PLANE
    paces = [pace_frequency(facts.frequencies[axis], facts.means[axis]) for axis in waving]
    shorter = 2.0 if several else 1.0  # the length that the table is of
    steps = _between(table, math.hypot(*paces) / math.sqrt(len(paces))) * shorter / (length * facts.share)
    if not steps <= MOST:
        return Steps(math.inf, MOST * SPREAD[0], math.inf)
    return Steps(round(steps), *(round(steps * each) for each in SPREAD))


def pace_frequency(highest: float, mean: float) -> float:
    """Frequency by which a sum of many takes as long as one alone: cubic root of highest x mean^2.

    Examples
    --------
    >>> round(pace_frequency(8.0, 1.0), 3), round(pace_frequency(5.0, 5.0), 3)
    (2.0, 5.0)
    """
    return float(np.cbrt(highest * mean**2))


def _between(table: Table, cycles: float) -> float:
    """Geometric mean of the fewest and the most, between frequencies by a power law; below all as at the lowest."""
    known = [each for each, (_, most) in table.items() if math.isfinite(most)]
    if cycles > known[-1]:
        never = min((each for each in table if each > known[-1]), default=math.inf)
        rising = math.sqrt(math.prod(table[known[-1]])) * (cycles / known[-1]) ** 2
        return rising if cycles < never else math.inf
    steps = [0.5 * math.log(math.prod(table[each])) for each in known]
    return math.exp(float(np.interp(math.log(cycles), np.log(known), steps)))
