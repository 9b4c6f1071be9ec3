"""How many training points a target needs."""

from __future__ import annotations

import math

from lightning_seqfit.planning.advised import Advised
from lightning_seqfit.planning.facts import Facts
from lightning_seqfit.words import significant

#: Evenly spaced, a cycle along each axis: where it oscillates along one, and along several; and along any at the least.
EVENLY, EVENLY_IN_PLANE, FEWEST = 5, 6, 8
#: At random places, a cycle; where it oscillates along several axes, a cycle along each.
AT_RANDOM, AT_RANDOM_IN_PLANE = 20, 10
#: Noise, relative to what oscillates, from which on networks must be slower, and points a cycle on a line times its
#: square; along several axes as many times more in all.
NOISY, AGAINST_NOISE = 0.25, 300
#: What was measured in noise: 8 cycles on a line, 5 by 7 in the plane.
IN_NOISE = (
    "measured: with noise of 0.4 of what oscillates 50 a cycle on a line and 14 by 10 in the plane stay fitted; of 0.7 "
    "150 do on a line, and in the plane 17 by 24 are just enough"
)


def evenly(facts: Facts) -> Advised:
    """Number along each axis."""
    several = sum(each > 0.0 for each in facts.frequencies)
    if several > 1:
        a_cycle = EVENLY_IN_PLANE * _more(facts) ** (1 / several)
        sure = "measured: 6 a cycle fitted always, 5 in 3 of 4 trainings, 4 in none"
    else:
        a_cycle = EVENLY * _more(facts)
        sure = "measured: 5 a cycle fitted always, 4 in 11 of 12 trainings, 3 in 3 of 12"
    needed = tuple(max(math.ceil(a_cycle * cycles), FEWEST) for cycles in facts.frequencies)
    return Advised(needed, f"{a_cycle:.0f} a cycle{noisy(facts)}", _sure(facts, sure))


def at_random(facts: Facts) -> Advised:
    """Number in all."""
    waving = [each for each in facts.frequencies if each > 0.0]
    if len(waving) > 1:
        needed = math.prod(AT_RANDOM_IN_PLANE * each for each in waving)
        reason = f"{AT_RANDOM_IN_PLANE} a cycle along each axis"
        sure = "measured: 8 a cycle along each fitted in 27 to 150 steps, 13 in 15 to 66, 5 not"
    else:
        needed = AT_RANDOM * max([*waving, 1.0])
        reason = f"{AT_RANDOM} a cycle, since random points leave gaps"
        sure = "measured: 20 a cycle fitted in 11 of 12 trainings, 13 in 9, 8 in none"
    more = _more(facts)
    times = f", and {significant(more, 2)} times as many" if more > 1.0 else ""
    return Advised(math.ceil(needed * more), f"{reason}{times}{noisy(facts)}", _sure(facts, sure))


def _more(facts: Facts) -> float:
    """How many times as many points noise asks for."""
    return max(AGAINST_NOISE * facts.noise**2 / EVENLY, 1.0)


def _sure(facts: Facts, without: str) -> str:
    return IN_NOISE if _more(facts) > 1.0 else without


def noisy(facts: Facts) -> str:
    """What is added where noise asks for more."""
    return f", for the noise is {significant(facts.noise, 2)} of what oscillates" if _more(facts) > 1.0 else ""
