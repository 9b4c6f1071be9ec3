"""What spoke for a verdict and against it, and what nobody could look at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lightning_seqfit.diagnosis import advice, procedure
from lightning_seqfit.diagnosis.diagnosis import Evidence
from lightning_seqfit.diagnosis.procedure import Course
from lightning_seqfit.diagnosis.progress import CHURN_OVER_NET, Progress, progress
from lightning_seqfit.diagnosis.signs import Signs, Situation
from lightning_seqfit.diagnosis.verdict import STALLED, Verdict
from lightning_seqfit.words import percent, significant

#: Best error that is worth it to say that it was lost.
WORTH = 0.5
#: Depth from a face from which on a fit came from there.
LEAST_REACH = 0.05

_MOVING = frozenset({Verdict.SEQUENTIAL, Verdict.PROGRESSING})
_STILL = STALLED - {Verdict.UNDERSAMPLED, Verdict.NOT_STARTED}
_SATISFIED = frozenset({Verdict.UNDERSAMPLED, Verdict.WRONG_SOLUTION})


class _Figure(NamedTuple):
    """A figure and what it speaks for where it ``holds``."""

    name: str
    value: float
    bound: float
    holds: bool
    verdicts: frozenset[Verdict]
    says: str


def evidence(
    signs: Signs, look: int, situation: Situation, course: Course
) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
    """Collect what spoke for and against what was said at a look.

    Parameters
    ----------
    signs : of all looks.
    look : number of the look, 0 and up.
    situation : what is known of the run as a whole.
    course : what :func:`~lightning_seqfit.diagnosis.procedure.judge` said of that look.

    Returns
    -------
    evidence
        What speaks for the verdict first: figures of its own and, where they point elsewhere, of others.
    not_checked
        Sentences: what is not known, and what would tell it.

    Examples
    --------
    >>> steps = np.arange(3.0)
    >>> signs = Signs.of({"fitted": np.ones(3), "error": np.full(3, 0.1)}, steps, np.zeros((3, 4)))
    >>> found, not_checked = evidence(signs, 2, Situation(bound=1.0), Course(Verdict.FITTED))
    >>> [(each.name, each.value, each.bound, each.speaks) for each in found]
    [('fitted', 1.0, 0.98, 'for')]
    >>> not_checked[0]
    'whether the training loss fell with the error: no training loss is recorded'
    """
    now = progress(signs, look, by_error=procedure.by_error(situation))
    found = []
    for figure in _figures(signs, look, situation, course, now):
        own = course.verdict in figure.verdicts
        if not math.isnan(figure.value) and (own or figure.holds):
            speaks = "for" if own and figure.holds else "against"
            found.append(Evidence(figure.name, figure.value, figure.bound, speaks, figure.says))  # type: ignore[arg-type]
    return tuple(sorted(found, key=lambda each: each.speaks != "for")), tuple(
        _not_checked(signs, look, situation, course, now)
    )


def _figures(signs: Signs, look: int, situation: Situation, course: Course, now: Progress) -> Iterator[_Figure]:
    at = {name: float(getattr(signs, name)[look]) for name in _READ}
    yield from _size(signs, look, situation, course, at)
    yield from _motion(course, now)
    yield from _reach(signs, look) if course.verdict in _STILL else ()
    yield from _training(signs, look, situation, at)
    yield from _network(signs, look, situation, at)


_READ = (
    *("error", "fitted", "sequentiality", "loss", "loss_ratio", "learning_rate", "highest_rate", "projection_ratio"),
    *("rank_share", "median_laps", "constant_share", "flatness", "best_error", "best_step"),
)


def _size(signs: Signs, look: int, situation: Situation, course: Course, at: dict[str, float]) -> Iterator[_Figure]:
    error, best = at["error"], at["best_error"]
    most = procedure.DIVERGED * max(situation.first_error, 1.0)
    if error == math.inf:
        says = "the prediction is not finite"
    else:
        says = f"the error is {_now(error)} of what there is to fit, and was {_now(situation.first_error)} at first"
    yield _Figure("error", error, most, error > most, frozenset({Verdict.DIVERGED}), says)
    if procedure.by_error(situation):
        small = procedure.SMALL_RESIDUAL
        says = f"the residual is at {percent(error)} of its first value" if math.isfinite(error) else ""
        yield _Figure("residual", error, small, error <= small, _MOVING, says)
    else:
        share = percent(at["fitted"]) if math.isfinite(at["fitted"]) else ""
        done = at["fitted"] >= procedure.FITTED_SHARE
        yield _Figure(
            "fitted", at["fitted"], procedure.FITTED_SHARE, done, frozenset({Verdict.FITTED}), f"{share} is fitted"
        )
    lost = (
        best <= WORTH and error >= procedure.LOST * best and course.verdict not in (Verdict.FITTED, Verdict.NOISE_FLOOR)
    )
    if lost:
        says = (
            f"the error was {significant(best, 2)} at step {at['best_step']:,.0f}: more was fitted then, and lost since"
        )
        yield _Figure("best_error", best, error / procedure.LOST, True, STALLED | {Verdict.DIVERGED}, says)
    if situation.noise > 0.0:
        flat, small = procedure.NOISE_FLATNESS, procedure.NOISE_SIZE * situation.noise
        floor = frozenset({Verdict.NOISE_FLOOR})
        reached = procedure.at_noise_floor(signs, look, situation)
        size = f"{significant(error, 2)} is left, the noise is {significant(situation.noise, 2)}"
        if error < situation.noise / procedure.NOISE_SIZE:
            size += ": the noise itself is being fitted"
        yield _Figure("noise", error, small, reached, floor, size)
        says = f"what is left has a flatness of {_now(at['flatness'])}; noise has 0.56"
        yield _Figure("flatness", at["flatness"], flat, reached, floor, says)
    untouched = procedure.untouched(signs, look)
    if not procedure.by_error(situation) or course.verdict is Verdict.NOT_STARTED:
        says = f"at its best the error was {_now(best)}: nothing has been fitted yet"
        yield _Figure("best_error", best, procedure.UNTOUCHED, untouched, frozenset({Verdict.NOT_STARTED}), says)


def _motion(course: Course, now: Progress) -> Iterator[_Figure]:
    still = not math.isnan(course.still_step)
    bound = procedure.AGAIN_DOUBLINGS if still else procedure.MOST_DOUBLINGS
    if math.isfinite(now.doublings):
        says = f"at the pace of the last half it takes {significant(now.doublings, 2)} more doublings of the steps"
        says = says if now.need == now.whole else f"{says} to begin"
    else:
        says = "the error has not fallen over the last half of the steps"
    if course.verdict in _MOVING:
        yield _Figure("doublings", now.doublings, bound, now.doublings <= bound, _MOVING, says)
    else:
        yield _Figure("doublings", now.doublings, bound, still and now.doublings > bound, STALLED, says)
    if math.isfinite(now.churn) and now.net > 0.0:
        times = now.churn / now.net
        says = f"from look to look changes {significant(times, 2)} times what changes over the last half of the steps"
        yield _Figure("churn", times, CHURN_OVER_NET, now.restless, frozenset({Verdict.RATE_HIGH}), says)


def _reach(signs: Signs, look: int) -> Iterator[_Figure]:
    """From which face a stalled fit came, and how far."""
    reached = {face: float(values[look]) for face, values in signs.depth.items()}
    if not reached:
        return
    face = max(reached, key=lambda each: -1.0 if math.isnan(reached[each]) else reached[each])
    depth = reached[face]
    came = LEAST_REACH <= depth < 1.0
    yield _Figure(
        *(f"depth from {face}", depth, LEAST_REACH, came),
        *(
            _STILL if came else frozenset(),
            f"the fit reaches {percent(depth)} of the way from {face}, and stopped there",
        ),
    )


def _training(signs: Signs, look: int, situation: Situation, at: dict[str, float]) -> Iterator[_Figure]:
    loss, ratio = at["loss"], at["loss_ratio"]
    says = f"the training loss is {_now(loss)} times its first value"
    grown = loss > procedure.DIVERGED
    yield _Figure("loss", loss, procedure.DIVERGED, grown, frozenset({Verdict.DIVERGED}), says)
    satisfied = ratio < procedure.BELOW and not situation.residual
    says = f"the training loss fell to {_now(ratio)} of what the error's fall would make of it"
    own = _SATISFIED - {Verdict.WRONG_SOLUTION if procedure.regression(situation) else Verdict.UNDERSAMPLED}
    yield _Figure("loss_ratio", ratio, procedure.BELOW, satisfied, own, says)
    share = at["learning_rate"] / at["highest_rate"] if at["highest_rate"] > 0.0 else math.nan
    says = f"the learning rate is {_now(at['learning_rate'])}, {_now(share)} of its highest"
    yield _Figure(
        *("learning_rate", share, procedure.DECAYED, share <= procedure.DECAYED),
        *(frozenset({Verdict.RATE_DECAYED}), says),
    )
    update = procedure.highest_update(signs, look)
    says = (
        f"no step has changed the weights by more than {_now(update)} of their size; healthy trainings begin with 3e-3"
    )
    low = procedure.LOW_UPDATE
    yield _Figure("update", update, low, update <= low, frozenset({Verdict.RATE_LOW}), says)


def _network(signs: Signs, look: int, situation: Situation, at: dict[str, float]) -> Iterator[_Figure]:
    bound = situation.bound
    says = f"the network sees coordinates of up to {significant(bound, 4)}" if math.isfinite(bound) else ""
    inputs, most = frozenset({Verdict.INPUTS}), procedure.CONSTANT_SHARE
    yield _Figure("inputs", bound, procedure.MOST_BOUND, bound > procedure.MOST_BOUND, inputs, says)
    first, constant = situation.first_constant_share, at["constant_share"]
    if first >= most:
        yield _Figure(
            "constant_share", first, most, True, inputs, f"{percent(first)} of the units were constant at first"
        )
    elif constant >= most:
        says = f"{percent(constant)} of the units are constant by now"
        yield _Figure("constant_share", constant, most, True, frozenset({Verdict.RATE_HIGH}), says)
    size, large = situation.size, advice.LARGE
    says = f"what is to be fitted has a size of {_now(size)}: the last layer has far to go"
    if not situation.residual:  # whose scale is the user's, and no size that outputs have to reach
        yield _Figure("size", size, large, size >= large, frozenset({Verdict.READ_OUT}), says)
    could = at["projection_ratio"]
    says = f"the best read-out of the last layer would leave {_now(could)} of the error"
    yield _Figure(
        *("projection_error", could, procedure.READ_OUT, could <= procedure.READ_OUT),
        *(frozenset({Verdict.READ_OUT}), says),
    )
    rank, full = at["rank_share"], procedure.full_rank(situation)
    says = (
        f"the last layer has a rank of {_now(rank)} of its width, and had {_now(situation.first_rank_share)} at first"
    )
    holds = procedure.is_full(signs, look, situation)
    yield _Figure("rank", rank, full, holds, frozenset({Verdict.CAPACITY}), says)
    frequency = max(situation.frequencies, default=math.nan)
    laps = at["median_laps"] / frequency if frequency > 0.0 else math.nan
    says = f"half of the units go through more than {_now(laps)} times as many cycles as the target"
    fine = laps > procedure.LAPS
    yield _Figure("laps", laps, procedure.LAPS, fine, frozenset({Verdict.TOO_FINE}), says)


def _now(value: float) -> str:
    return "unknown" if math.isnan(value) else significant(value, 2)


def _not_checked(signs: Signs, look: int, situation: Situation, course: Course, now: Progress) -> Iterator[str]:
    def seen(*names: str) -> bool:
        return bool(any(np.isfinite(getattr(signs, name)[: look + 1]).any() for name in names))

    if not seen("loss_ratio"):
        yield "whether the training loss fell with the error: no training loss is recorded"
    if not seen("learning_rate"):
        yield "whether the learning rate decayed: none is recorded"
    if not seen("update"):
        yield "whether the learning rate is too low: how far the weights moved is not recorded"
    if not seen("rank_share", "projection_ratio", "constant_share"):
        yield "what the last hidden layer can represent: it was not watched"
    if math.isnan(situation.bound):
        yield "whether the inputs are scaled: what the network sees of them is not known"
    if situation.noise > 0.0 and not seen("flatness"):
        yield "whether what is left is noise: its spectrum was not watched"
    if not procedure.regression(situation) and not (situation.residual or situation.residual_beside):
        yield "whether the equation is satisfied where the solution is wrong: no probe watches its residual"
    if course.verdict is Verdict.UNDERSAMPLED:
        yield "whether the training fits the probe's target: another one, or one in other units, looks the same"
    if procedure.by_error(situation):
        yield "whether it is fitted: a residual has no size of its own but that of the first look"
    if math.isnan(now.doublings):
        yield "whether it gets on: the record does not tell how far each place has got"
    elif now.looks < procedure.LEAST_LOOKS or float(signs.step[look]) < procedure.LEAST_STEP:
        yield (
            f"whether it gets on: {now.looks} looks over the last half of {float(signs.step[look]):,.0f} steps; "
            f"{procedure.LEAST_LOOKS} looks and {procedure.LEAST_STEP:,} steps are needed"
        )
