"""Which network, and its settings.

With F the highest frequency that matters and M the power-weighted mean, both in cycles per unit as the network sees its
d inputs (the Euclidean norm over the axes):

    SIREN                omega_0 = 0.42 d 2 pi F^(2/3) M^(1/3), Adam at 0.08 / omega_0, at most 5e-3
    Fourier features     sigma = 0.65 F / d, Adam at 5e-3

A single wave has M = F. On a line a sum over octaves has more power where it is slow, and is fitted soonest by a SIREN
that begins in between; where it oscillates along several axes, F stands for M. A step of Adam turns the phase of a sine
by about rate x omega_0. What came of it: docs/howto/plan.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lightning_seqfit.planning.advised import Advised
from lightning_seqfit.planning.facts import Facts
from lightning_seqfit.planning.points import NOISY
from lightning_seqfit.planning.tanh import MOST, Steps
from lightning_seqfit.words import percent, significant

#: Shares of the frequency: of a SIREN, and of Fourier features.
SIREN, FOURIER = 0.42, 0.65
#: Factors by which omega_0 and sigma may be off.
SIREN_RANGE, FOURIER_RANGE = (0.7, 1.6), (0.7, 1.3)
#: What they are multiplied with where there is noise.
SIREN_IN_NOISE, FOURIER_IN_NOISE = 0.36, 0.46
#: Radians by which a step of Adam may turn a phase, and the range that works.
TURN, LEAST_TURN, MOST_TURN = 0.08, 0.01, 0.2
#: Learning rate of Adam, of Fourier features and of a tanh network, and the range that works; a SIREN's highest.
RATE, RATES = 5e-3, (1e-3, 1e-2)
#: Cycles up to which a width of 64 is recommended: along one axis, and the product along several.
FEW, FEW_IN_PLANE = 60, 200
#: A tanh network is recommended where it takes no more steps.
SOON = 500

#: On targets that no rule was made with; three images changed that of SIRENs in the plane (docs/howto/plan.md).
HELD_OUT_SIREN = (
    "on 22 targets that it was not made with, within 1.3 times the steps of the best of 12 values; on 3 images for "
    "which it was changed afterwards, within 1.4 times"
)
HELD_OUT_FOURIER = (
    "on 25 targets that it was not made with, within 1.7 times the steps of the best of 12 values, on 24 of them "
    "within 1.5 times"
)
HELD_OUT_NETWORKS = "on 25 other targets a SIREN took 8 to 127 steps, Fourier features 15 to 175"
HELD_OUT_TANH = (
    "from a table: on 9 other targets on a line whether it will do was right in 7, the steps within a factor of 2; in "
    "the plane less is known"
)

_NOTHING = Advised(None, "nothing oscillates in the target", "what only bends, a tanh network fits soon")


def omega_0(facts: Facts, lengths: Sequence[float]) -> Advised:
    """Angular frequency of a SIREN that sees a domain of these lengths."""
    if not facts.oscillates:
        return _NOTHING
    highest, mean = _norm(facts.frequencies, lengths), _norm(facts.means, lengths)
    if sum(each > 0.0 for each in facts.frequencies) > 1:
        mean = highest
    share = SIREN * (SIREN_IN_NOISE if facts.noise >= NOISY else 1.0)
    value = share * len(lengths) * 2 * math.pi * float(np.cbrt(highest**2 * mean))
    slower = "" if mean == highest else f", {significant(mean, 3)} in the mean"
    reason = f"{_cycles(highest)} a unit at the fastest{slower}{_lower(facts)}"
    return _ranged(value, reason, _held_out(lengths, HELD_OUT_SIREN), SIREN_RANGE)


def sigma(facts: Facts, lengths: Sequence[float]) -> Advised:
    """Spread of Fourier features that see a domain of these lengths, in cycles per unit."""
    if not facts.oscillates:
        return _NOTHING
    highest = _norm(facts.frequencies, lengths)
    share = FOURIER * (FOURIER_IN_NOISE if facts.noise >= NOISY else 1.0)
    reason = f"{_cycles(highest)} a unit at the fastest{_lower(facts)}"
    return _ranged(share * highest / len(lengths), reason, _held_out(lengths, HELD_OUT_FOURIER), FOURIER_RANGE)


def rates(siren: Advised) -> dict[str, Advised]:
    """Learning rates of Adam, by the name of the network; ``siren``: its omega_0."""
    found = {}
    if siren.value is not None:
        found["siren"] = Advised(
            siren_rate(siren.value),
            f"{TURN} / omega_0, at most {RATE:g}: a step of Adam turns a phase by about rate x omega_0",
            "measured with omega_0 of 14 to 283: a fifth takes over 4 times the steps, 5 times as much mostly fails",
            *(siren_rate(siren.value, turn) for turn in (LEAST_TURN, MOST_TURN)),
        )
        sure = "measured on 8 targets: 1e-3 takes 2 to 3 times the steps, 1e-2 a quarter fewer"
        found["fourier"] = Advised(RATE, "for Adam", sure, *RATES)
    found["tanh"] = Advised(RATE, "for Adam", "the steps of a tanh network are for it", *RATES)
    return found


def siren_rate(omega_0: float, turn: float = TURN) -> float:
    """Learning rate at which a step of Adam turns a phase by so many radians, at most as high as that of the others.

    Examples
    --------
    >>> siren_rate(40.0), siren_rate(1.0)
    (0.002, 0.005)
    """
    return rounded(min(turn / omega_0, RATE * turn / TURN), 2)


def network(facts: Facts, steps: Steps | None) -> Advised:
    """Which to try first."""
    if not facts.oscillates:
        sure = (
            "measured: what only bends took 56 to 385 steps"
            if steps
            else "where it is steep it takes long, see its steps"
        )
        return Advised("tanh", "nothing oscillates in the target", sure)
    if steps is not None and steps.value <= SOON:
        return Advised("tanh", "it oscillates so little that the simplest network will do", "see its steps")
    return Advised("siren", "it fits everywhere at once, and sooner than Fourier features", HELD_OUT_NETWORKS)


def width(facts: Facts) -> Advised:
    """Units in each hidden layer."""
    waving = [each for each in facts.frequencies if each > 0.0]
    few = math.prod(waving) <= (FEW if len(waving) < 2 else FEW_IN_PLANE)
    reason = "enough for so few oscillations" if few else "it takes a third of the steps of 64"
    sure = (
        "measured: 64 units fit 120 cycles in 92 steps, a random sum of 60 waves in 240 and of 20 x 20 in the plane in "
        "100; 128 units these in 80 and 30"
    )
    return Advised(64 if few else 128, reason, sure)


def tanh(facts: Facts, steps: Steps | None, lengths: Sequence[float]) -> Advised:
    """Whether a plain tanh network will do, and in about how many steps."""
    if steps is None and not facts.oscillates:
        steep = f"somewhere it is {significant(facts.steepest, 2)} times as steep as a straight line through its range"
        return Advised(None, f"{steep}, as a jump is", "measured: a jump over 100 points takes 2,300 steps and more")
    if steps is None:
        seen = " by ".join(significant(each, 3) for each in lengths)
        return Advised(None, f"no target like it was measured on a domain that is seen as {seen}", "not known")
    facts_said = [
        *([f"{percent(facts.edge)} as strong at the edges as inside"] if facts.oscillates and facts.edge < 0.5 else []),
        *([f"{percent(facts.share)} of the values' deviation"] if facts.share < 0.9 else []),
    ]
    what = f": what oscillates is {' and '.join(facts_said)}" if facts_said else ""
    if math.isinf(steps.value):
        return Advised(math.inf, f"a plain tanh network will not do in {MOST:,} steps{what}", HELD_OUT_TANH)
    return Advised(steps.value, f"a plain tanh network will do{what}", HELD_OUT_TANH, steps.low, steps.high)


def rounded(value: float, digits: int) -> float:
    """Return a number with so many digits, as code shows it."""
    return float(f"{value:.{digits}g}")


def _norm(cycles: Sequence[float], lengths: Sequence[float]) -> float:
    return math.hypot(*(each / length for each, length in zip(cycles, lengths, strict=True)))


def _ranged(value: float, reason: str, sure: str, factors: tuple[float, float]) -> Advised:
    return Advised(rounded(value, 3), reason, sure, *(rounded(each * value, 2) for each in factors))


def _cycles(value: float) -> str:
    return f"{significant(value, 3)} cycle{'' if value == 1.0 else 's'}"


def _lower(facts: Facts) -> str:
    return "; lower for the noise, which is fitted too by what fits fast" if facts.noise >= NOISY else ""


def _held_out(lengths: Sequence[float], measured: str) -> str:
    return (
        measured if len(lengths) < 3 else "carried over from the plane; in three dimensions tried on three targets only"
    )
