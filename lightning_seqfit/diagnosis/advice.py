"""What to change where a fit is stalled, with values of the run itself: only what was tried, and helped.

f is the highest frequency that matters along an axis, in cycles per domain length, l the length of the domain as the
network sees it. A SIREN's omega_0 = c 2 pi max(f / l) and Fourier features' sigma = c max(f / l), the largest over the
axes. Both work for c from :data:`LOWEST` to :data:`HIGHEST`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lightning_seqfit.diagnosis.diagnosis import Advice
from lightning_seqfit.diagnosis.signs import Signs, Situation
from lightning_seqfit.diagnosis.verdict import Verdict
from lightning_seqfit.words import significant

#: Where every advice was tried.
MEASURED = "docs/stalls"
#: The same, where everybody can read it.
PAGE = "https://lightning-seqfit.readthedocs.io/en/latest/stalls/README.html"
#: c for a regression, and between which it works.
SHARE, LOWEST, HIGHEST = 0.5, 0.15, 2.0
#: Learning rates that work for a SIREN, for Fourier features and for Adam on any network.
SIREN_RATE, FOURIER_RATE, ADAM_RATE = 5e-4, 1e-3, 1e-3
#: The highest that worked for any network, with Adam.
HIGHEST_RATE = 0.02
#: Training points for each cycle: evenly spaced along an axis, and at random places of a line.
EVENLY, AT_RANDOM = 4, 13
#: Size of what is to be fitted from which on the last layer takes long to grow to it; and one over it to shrink.
LARGE = 10.0
#: Rank over width at the first look from which on the units are all different from the start, as a SIREN's are.
FULL_AT_FIRST = 0.4
#: Noise over the oscillations' deviation from which more points alone only put off that it is fitted.
NOISY = 0.25
#: Steps before which nothing is decided, and looks that the later half of the steps must have.
FIRST_STEPS, FEWEST_LOOKS = 1_000, 8


def advise(verdict: Verdict, situation: Situation, signs: Signs, look: int) -> tuple[Advice, ...]:
    """Say what to change.

    Parameters
    ----------
    verdict : of the look.
    situation : the run as a whole; what is not known there is not made up here.
    signs : of the looks.
    look : number of the look.

    Returns
    -------
    tuple of Advice
        The best first; each is to be tried by itself. Empty: nothing needs to be changed, or nothing that was tried
        helps.

    Examples
    --------
    >>> import numpy as np
    >>> signs = Signs.of({}, np.array([4_000.0]), np.zeros((1, 1)))
    >>> advice = advise(Verdict.NOT_STARTED, Situation(("x",), (13.0,), (1.0,)), signs, 0)
    >>> [each.do for each in advice]
    ['a SIREN with omega_0 = 41, learning rate 5e-4', 'Fourier features with sigma = 6.5, learning rate 1e-3']
    """
    say = _OF.get(verdict)
    return tuple(say(_Case(situation, signs, look))) if say else ()


@dataclass(frozen=True)
class _Case:
    situation: Situation
    signs: Signs
    look: int

    def now(self, name: str) -> float:
        return float(getattr(self.signs, name)[self.look])

    @property
    def frequencies(self) -> list[float]:
        """Along the axes; empty where they are not all known, or nothing oscillates."""
        known = self.situation.frequencies
        return [*known] if self.oscillates and all(map(_is_known, known)) else []

    @property
    def oscillates(self) -> bool:
        """Unless it is known that nothing does."""
        return self.situation.oscillates and (not self.situation.frequencies or any(self.situation.frequencies))

    @property
    def highest(self) -> float:
        """Highest frequency along any axis, NaN: not known."""
        return max(self.frequencies, default=math.nan)

    @property
    def waves(self) -> list[float]:
        """Frequencies per unit of the network's own coordinates; empty: not known."""
        if len(self.frequencies) != len(self.situation.lengths):
            return []
        waves = [
            _over(frequency, length) for frequency, length in zip(self.frequencies, self.situation.lengths, strict=True)
        ]
        return waves if waves and all(map(_is_known, waves)) and max(waves) > 0.0 else []

    @property
    def is_pinn(self) -> bool:
        return self.situation.residual or self.situation.residual_beside

    @property
    def rate(self) -> float:
        """The learning rate as it was set; NaN: not known."""
        for rate in (self.now("highest_rate"), self.now("learning_rate")):
            if _is_known(rate) and rate > 0.0:
                return rate
        return math.nan


def _networks(case: _Case, share: float = SHARE, steps: str = "") -> list[Advice]:
    """Networks that follow such frequencies from the start."""
    siren = _siren(case, share)
    if not siren:
        return _without_numbers(case)
    sigma = SHARE * max(case.waves)
    return [
        Advice(
            f"a SIREN with omega_0 = {significant(siren['omega_0'], 2)}, learning rate {_rate(SIREN_RATE)}",
            f"98 % fitted, {steps or 'as a rule after 57 steps, at a slow trend after 900'}",
            MEASURED,
            siren,
        ),
        Advice(
            f"Fourier features with sigma = {significant(sigma, 2)}, learning rate {_rate(FOURIER_RATE)}",
            f"98 % fitted, {steps or 'after 57 to 308 steps'}",
            MEASURED,
            {"network": "fourier", "sigma": sigma, "learning_rate": FOURIER_RATE},
        ),
    ]


def _siren(case: _Case, share: float) -> dict[str, Any]:
    """The change to a SIREN; empty where the frequencies or the lengths are not known."""
    omega_0 = share * 2 * math.pi * max(case.waves, default=math.nan)
    return {"network": "siren", "omega_0": omega_0, "learning_rate": SIREN_RATE} if _is_known(omega_0) else {}


def _without_numbers(case: _Case) -> list[Advice]:
    if not case.oscillates or case.situation.residual:
        return []
    return [
        Advice(
            "a SIREN with omega_0 = pi f / l, where f is the target's highest frequency in cycles per domain and l the "
            f"length of the domain as the network sees it; learning rate {_rate(SIREN_RATE)}",
            "98 % fitted, as a rule after less than 1,000 steps",
            MEASURED,
        )
    ]


def _unfitted(case: _Case) -> list[Advice]:
    return _pinn(case) if case.is_pinn else _networks(case)


def _slower(case: _Case) -> list[Advice]:
    """Networks as fast as the target, also where they have a single layer, which makes no frequencies of its own."""
    return _pinn(case) if case.is_pinn else _networks(case, 1.0)


def _pinn(case: _Case) -> list[Advice]:
    """What ends, or at least halves, the error of a solution whose equation is satisfied."""
    if case.situation.residual:
        return []
    if not case.oscillates:
        return [
            Advice(
                "100 times the weight for the loss of the data (initial and boundary values)",
                "the error is halved at best: nothing that was tried ends this",
                MEASURED,
                {"data_weight": 100.0},
            )
        ]
    if not case.waves:
        return _without_numbers(case)
    if len(case.waves) == 1:
        return _networks(case, 1.0, "after 500 to 2,100 steps")
    return [_travelling(case)]


def _travelling(case: _Case) -> Advice:
    """Four changes that end it only together, in the plane and beyond."""
    waves = [wave for wave in case.waves if wave > 0.0]
    ratio = _over(max(waves), min(waves))
    squared = ratio * ratio
    omega_0 = 1.5 * 2 * math.pi * case.highest / 2.0
    change = {"network": "siren", "omega_0": omega_0, "learning_rate": 1e-3, "inputs": "[-1, 1]", "resample": True}
    divided = ""
    if len(waves) > 1 and math.isfinite(squared) and squared >= 2.0:
        change["residual_factor"] = 1 / squared
        divided = (
            f", the residual's term of the loss divided by {significant(squared, 2)} (the squared ratio of the highest "
            "frequencies along the axes; for a transport equation the squared speed)"
        )
    return Advice(
        f"all of these together: a SIREN with omega_0 = {significant(omega_0, 2)} on inputs scaled to [-1, 1], "
        f"learning rate {_rate(1e-3)}, new points at each step{divided}",
        "98 % fitted after 1,100 to 3,900 steps; each of them alone changes nothing",
        MEASURED,
        change,
    )


def _more_points(case: _Case) -> list[Advice]:
    frequencies = case.frequencies
    if case.situation.noise >= NOISY:
        siren = _siren(case, LOWEST)
        network = f" and a SIREN with omega_0 = {significant(siren['omega_0'], 2)}" if siren else ""
        return [
            Advice(
                f"16 times as many training points{network}",
                "it fits the target and not its noise, and keeps it; more points alone only put that off",
                MEASURED,
                {"points_factor": 16, **siren},
            )
        ]
    if not frequencies:
        return [
            Advice(
                f"more training points: at least {EVENLY} for each cycle of the target along each axis, evenly spaced",
                "98 % fitted, as a rule after less than 200 steps",
                MEASURED,
            )
        ]
    evenly = tuple(max(math.ceil(EVENLY * frequency), EVENLY) for frequency in frequencies)
    along = " by ".join(f"{each:,}" for each in evenly)
    advice = [
        Advice(
            f"at least {along} training points, evenly spaced: {EVENLY} for each cycle",
            "98 % fitted between the training points too, after 57 steps",
            MEASURED,
            {"points": evenly[0] if len(evenly) == 1 else evenly},
        )
    ]
    siren = _siren(case, 0.3)
    if siren and len(frequencies) == 1:
        points = math.ceil(AT_RANDOM * frequencies[0])
        advice.append(
            Advice(
                f"at random places at least {points:,} training points, {AT_RANDOM} for each cycle, and a SIREN with "
                f"omega_0 = {significant(siren['omega_0'], 2)}, learning rate {_rate(SIREN_RATE)}",
                "98 % fitted after 112 to 160 steps",
                MEASURED,
                {"random_points": points, **siren},
            )
        )
    return advice


def _scaled_inputs(case: _Case) -> list[Advice]:
    bound = case.situation.bound
    scaled = Advice(
        "inputs to [-1, 1]" + (f": they reach {significant(bound, 4)}" if _is_known(bound) else ""),
        "98 % fitted after 900 to 1,100 steps",
        MEASURED,
        {"inputs": "[-1, 1]"},
    )
    others = _pinn(case) if case.is_pinn else _networks(case, steps="inputs as they are, after 308 to 500 steps")
    return [*([] if bound <= 1.0 else [scaled]), *others]


def _wider(case: _Case) -> list[Advice]:
    if case.is_pinn:
        return _pinn(case)
    advice = []
    siren, width = _siren(case, SHARE), _width(case, 4, 4.8)
    if siren and width:
        advice.append(
            Advice(
                f"a SIREN of width {width:,} with omega_0 = {significant(siren['omega_0'], 2)}, learning rate "
                f"{_rate(SIREN_RATE)}",
                "98 % fitted after 112 to 157 steps",
                MEASURED,
                {**siren, "width": width},
            )
        )
    if width := _width(case, 8, 10.0):
        advice.append(Advice(f"width {width:,}", "98 % fitted after 3,300 to 4,500 steps", MEASURED, {"width": width}))
    return advice


def _width(case: _Case, times: int, per_cycle: float) -> int:
    """So many times as wide, and so many units for each cycle; 0: neither is known."""
    wide = [each for each in (times * case.situation.width, per_cycle * case.highest) if _is_known(each)]
    return math.ceil(max(wide, default=0.0))


def _lower_rate(case: _Case) -> list[Advice]:
    rate = case.rate
    if case.situation.first_rank_share >= FULL_AT_FIRST and rate > SIREN_RATE:
        expect = "98 % fitted: a network whose units are all different from the start, as a SIREN's, takes no more"
        if case.situation.adaptive:
            said = f"learning rate {_rate(SIREN_RATE)} instead of {_rate(rate)}"
            return [Advice(said, expect, MEASURED, {"learning_rate": SIREN_RATE})]
        return [_adam(SIREN_RATE, f"it is {_rate(rate)} now", expect)]
    if rate > 0.5:
        return [_adam(5e-3, f"it is {_rate(rate)} now", "98 % fitted, where SGD with 5 went astray")]
    lower, steps = (rate / 5, "11 to 21") if rate <= 0.05 else (min(rate / 10, HIGHEST_RATE), "700 to 1,800")
    expect = f"98 % fitted after {steps} steps"
    if not math.isfinite(rate):
        return [Advice("a tenth of the learning rate", expect, MEASURED, {"learning_rate_factor": 0.1})]
    return [
        Advice(
            f"learning rate {_rate(lower)} instead of {_rate(rate)}",
            expect,
            MEASURED,
            {"learning_rate": lower},
        )
    ]


def _kept_rate(case: _Case) -> list[Advice]:
    rate, now = case.rate, case.now("learning_rate")
    expect = "98 % fitted after 3,900 to 4,500 steps"
    if not math.isfinite(rate):
        return [Advice("keep the learning rate as it was at first", expect, MEASURED, {"schedule": "constant"})]
    fell = f": it is down to {_rate(now)}" if _is_known(now) and now < rate else ""
    change = {"schedule": "constant", "learning_rate": rate}
    return [Advice(f"keep the learning rate at {_rate(rate)}{fell}", expect, MEASURED, change)]


def _higher_rate(case: _Case) -> list[Advice]:
    if case.now("highest_rate") == 0.0:
        return [_adam(ADAM_RATE, "it is 0 now: nothing is trained", _ADAM_EXPECT)]
    if case.situation.adaptive is False and math.isfinite(case.rate):
        return [_adam(ADAM_RATE, f"it is {_rate(case.rate)} now, with another optimizer", _ADAM_EXPECT), *_raised(case)]
    if not math.isfinite(case.rate):
        return [
            Advice(
                "100 times the learning rate; 10 times is not enough",
                "98 % fitted after 1,200 to 2,700 steps",
                MEASURED,
                {"learning_rate_factor": 100.0},
            )
        ]
    return _raised(case) or [_adam(ADAM_RATE, f"it is {_rate(case.rate)} now, with whatever optimizer", _ADAM_EXPECT)]


def _learning_read_out(case: _Case) -> list[Advice]:
    note = "if it is another optimizer now" if case.situation.adaptive is None else "in place of the optimizer of now"
    advice = [] if case.situation.adaptive else [_adam(ADAM_RATE, note, _ADAM_EXPECT)]
    size = case.situation.size
    if size >= LARGE or size <= 1 / LARGE:
        scaled = Advice(
            f"targets divided by {significant(size, 2)}, to a size of about 1",
            "98 % fitted: the last layer need not grow to it at so many steps of one learning rate",
            MEASURED,
            {"targets": size},
        )
        return [scaled, *advice, *_raised(case)]
    return [*_raised(case), *advice]


_ADAM_EXPECT = "98 % fitted after 57 to 80 steps, where SGD with 1e-3 did not get on"


def _raised(case: _Case) -> list[Advice]:
    """A rate that is far below what Adam takes: up to 1,000 times as much; none where it is not."""
    rate = case.rate
    if not rate < ADAM_RATE / 10:
        return []
    raised = min(1_000 * rate, ADAM_RATE)
    return [
        Advice(
            f"learning rate {_rate(raised)} instead of {_rate(rate)}",
            "98 % fitted after 400 to 2,700 steps",
            MEASURED,
            {"learning_rate": raised},
        )
    ]


def _adam(rate: float, note: str, expect: str) -> Advice:
    change = {"optimizer": "adam", "learning_rate": rate}
    return Advice(f"Adam with learning rate {_rate(rate)} ({note})", expect, MEASURED, change)


def _stop(case: _Case) -> list[Advice]:
    if case.situation.residual:  # which other functions may leave as little of: u = 0, where no data are near
        do = "the equation holds: stop if the solution is right too, which its residual does not tell"
        return [Advice(do, "as little is left of the equation for other functions", MEASURED)]
    return [Advice("stop here: it is fitted", "nothing is left to fit", MEASURED)]


def _stop_at_noise(case: _Case) -> list[Advice]:
    noise = case.situation.noise
    size = f", {significant(noise, 2)} of the target's own size" if _is_known(noise) and noise > 0.0 else ""
    return [
        Advice(f"stop here: what is left is the target's noise{size}", "further steps only fit the noise", MEASURED)
    ]


def _wait(case: _Case) -> list[Advice]:
    step, last = case.now("step"), case.now("looks")
    until = float(FIRST_STEPS)
    if case.look > 0:
        before = case.signs.until(case.look - 1)
        apart = _over(step - float(before.step[-1]), last - float(before.looks[-1]))
        if _is_known(apart):  # looks so far apart leave too few in the later half
            until = max(until, 2 * (FEWEST_LOOKS - 1) * apart)
    if not step < until:
        return []
    return [Advice(f"wait until step {until:,.0f}", "then it can be told whether it gets on", MEASURED)]


_OF: dict[Verdict, Callable[[_Case], list[Advice]]] = {
    Verdict.DIVERGED: _lower_rate,
    Verdict.FITTED: _stop,
    Verdict.NOISE_FLOOR: _stop_at_noise,
    Verdict.UNDERSAMPLED: _more_points,
    Verdict.UNDECIDED: _wait,
    Verdict.INPUTS: _scaled_inputs,
    Verdict.RATE_HIGH: _lower_rate,
    Verdict.WRONG_SOLUTION: _pinn,
    Verdict.RATE_DECAYED: _kept_rate,
    Verdict.RATE_LOW: _higher_rate,
    Verdict.READ_OUT: _learning_read_out,
    Verdict.CAPACITY: _wider,
    Verdict.TOO_FINE: _slower,
    Verdict.NOT_STARTED: _unfitted,
    Verdict.STUCK: _unfitted,
}


def _is_known(number: float) -> bool:
    return math.isfinite(number) and number >= 0.0


def _over(one: float, other: float) -> float:
    return one / other if other > 0.0 else math.nan


def _rate(rate: float) -> str:
    """A learning rate as people write it.

    Examples
    --------
    >>> _rate(5e-4), _rate(1.25e-3), _rate(0.2), _rate(2.0)
    ('5e-4', '1.25e-3', '0.2', '2')
    """
    if rate >= 0.01:
        return significant(rate, 3)
    digits, power = f"{rate:.2e}".split("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"
