"""What the study asks of the diagnosis, counted over trainings of known state."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lightning_seqfit.diagnosis.verdict import Verdict
from lightning_seqfit.studies.stalls.history import History
from lightning_seqfit.studies.stalls.trainings import ALARMS, Case

#: Fitted share of a training that is done.
DONE = 0.98
#: Step before which a stall cannot be known; two verdicts need no stretch in which nothing moves. Fits of which nothing
#: is to be seen begin by themselves as late as at step 3,600, so that before 4,000 nobody knows of one that never does.
EARLIEST, AT_ONCE = 1_000, {Verdict.UNDERSAMPLED.value: 50, Verdict.DIVERGED.value: 1}
NEVER = 4_000
#: Least fall of the relative error that is a gain.
LEAST_GAIN = 0.02
#: Share of a training's steps within which a stall should be said.
SOON = 0.2


@dataclass(frozen=True)
class Outcome:
    """A case with a seed: what was said of it, and of the same training with the first advice (None: none to apply)."""

    case: Case
    seed: int
    before: History
    after: History | None = None

    @property
    def said(self) -> str:
        """Verdict at the last look."""
        return self.before["verdicts"][-1]

    @property
    def is_right(self) -> bool:
        """Whether that is right."""
        return self.said in {verdict.value for verdict in self.case.right}

    @property
    def alarmed(self) -> bool:
        """Whether there was an alarm at any look."""
        return any(Verdict(word) in ALARMS for word in self.before["verdicts"])


def at_the_end(outcomes: Iterable[Outcome]) -> dict[str, Counter[str]]:
    """Verdicts at the last look: what is right, to what was said, to how many trainings.

    Where several verdicts are right, one of them that was said is counted as the one.
    """
    table: dict[str, Counter[str]] = {}
    for one in outcomes:
        row = one.said if one.is_right else one.case.right[0].value
        table.setdefault(row, Counter())[one.said] += 1
    return table


def at_all_looks(outcomes: Iterable[Outcome]) -> dict[str, Counter[str]]:
    """Verdicts at all looks: what is right at the last, to what was said, to how many looks."""
    table: dict[str, Counter[str]] = {}
    for one in outcomes:
        row = table.setdefault(one.case.right[0].value, Counter())
        row.update(one.before["verdicts"])
    return table


def known_from(case: Case, of: History) -> float:
    """Step from which a stall can be known, by hindsight.

    That is twice the step at which the error was last 0.02 above the best that it ever came to: by then the steps have
    doubled without a gain. A verdict of :data:`AT_ONCE` needs no doubling.
    """
    if case.known is not None:
        return float(case.known)
    word = case.right[0].value
    best, lowest = math.inf, min(error for error in of["error"] if not math.isnan(error))
    gained = 0
    for step, error in zip(of["steps"], of["error"], strict=True):
        best = min(best, error)
        gained = step if best > lowest + LEAST_GAIN else gained
    if word in AT_ONCE:
        return max(AT_ONCE[word], gained if word == Verdict.UNDERSAMPLED.value else 0)
    return max(NEVER if word == Verdict.NOT_STARTED.value else EARLIEST, 2 * gained)


def said_at(outcome: Outcome) -> float:
    """Step of the first look at which a right verdict was said; ``inf``: never."""
    right = {verdict.value for verdict in outcome.case.right}
    steps, verdicts = outcome.before["steps"], outcome.before["verdicts"]
    return next((float(step) for step, said in zip(steps, verdicts, strict=True) if said in right), math.inf)


def delay(outcome: Outcome) -> float:
    """Steps from when a stall can be known until it is said, over those of the training; below 0: earlier."""
    return (said_at(outcome) - known_from(outcome.case, outcome.before)) / outcome.before["steps"][-1]


def done_at(of: History) -> float:
    """Step of the first look at which it is fitted; ``inf``: never."""
    there = (float(step) for step, fitted in zip(of["steps"], of["fitted"], strict=True) if fitted >= DONE)
    return next(there, math.inf)


class Forecasts(NamedTuple):
    """Looks with a forecast of trainings that were fitted in the end, and how many of them were near and covered."""

    looks: int
    near: int
    covered: int
    far: int


def forecasts(outcomes: Iterable[Outcome]) -> Forecasts:
    """Count forecasts within 1.25 times what came, those whose interval covers it, and those of "far" that it was not.

    Looks of trainings that are never fitted are not counted: nobody knows when they would have been.
    """
    looks = near = covered = far = 0
    for one in outcomes:
        came = done_at(one.before)
        for step, coming in zip(one.before["steps"], one.before["forecasts"], strict=True):
            if coming is None or math.isinf(came) or step >= came:
                continue
            if math.isinf(coming[0]):
                far += 1
                continue
            looks += 1
            near += max(coming[0] / came, came / coming[0]) <= 1.25
            covered += coming[1] <= came <= coming[2]
    return Forecasts(looks, near, covered, far)


def helped(outcome: Outcome) -> str:
    """What the first advice did: "ended" the trouble, "halved" it, "no"; "none": there was nothing to apply.

    Ended: at the last look it is fitted. Halved: the unfitted share or the error is at most half of what it was. The
    error of what had diverged counts as 1, that of no fit at all.
    """
    if outcome.after is None:
        return "none"
    before, after = outcome.before, outcome.after
    if after["fitted"][-1] >= DONE:
        return "ended"
    unfitted = 1 - after["fitted"][-1] <= 0.5 * (1 - before["fitted"][-1])
    return "halved" if unfitted or after["error"][-1] <= 0.5 * min(before["error"][-1], 1.0) else "no"


class Score(NamedTuple):
    """A figure that is asked for, and what came out; ``met`` is None where there was nothing to count."""

    says: str
    asked: str
    found: str
    met: bool | None


def scores(outcomes: Sequence[Outcome]) -> list[Score]:
    """Hold a set of trainings against what is asked."""
    healthy = [one for one in outcomes if one.case.healthy]
    stalls = [one for one in outcomes if one.case.stalls]
    soon = [delay(one) <= SOON for one in stalls]
    coming = forecasts(outcomes)
    cases: Mapping[str, list[str]] = _by_case(stalls)
    help_all = [all(each in ("ended", "halved") for each in of) for of in cases.values()]
    return [
        _share("the verdict at the last look is right", [one.is_right for one in outcomes], at_least=0.95),
        _share("healthy, and an alarm at any look", [one.alarmed for one in healthy], at_most=0.03),
        _share("a stall is said within 20 % of the steps after it can be known", soon, at_least=0.95),
        _counted("a forecast within 1.25 times", coming.near, coming.looks, "looks", at_least=0.7),
        _counted("its 80 % interval covers", coming.covered, coming.looks, "looks", at_least=0.75, at_most=0.87),
        _share("the first advice ends or halves the trouble with every seed", help_all, "trainings", at_least=1.0),
    ]


def _by_case(outcomes: Iterable[Outcome]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in outcomes:
        found.setdefault(one.case.trial.name, []).append(helped(one))
    return found


def _share(says: str, those: Sequence[bool], what: str = "runs", at_least: float = 0.0, at_most: float = 1.0) -> Score:
    return _counted(says, sum(those), len(those), what, at_least, at_most)


def _counted(says: str, number: int, of: int, what: str, at_least: float = 0.0, at_most: float = 1.0) -> Score:
    low = f"at least {100 * at_least:.0f} %" if at_least > 0.0 else ""
    high = f"at most {100 * at_most:.0f} %" if at_most < 1.0 else ""
    asked = ", ".join(each for each in (low, high) if each)
    if not of:
        return Score(says, asked, "not known", None)
    share = number / of
    return Score(says, asked, f"{100 * share:.0f} % ({number:,} of {of:,} {what})", at_least <= share <= at_most)
