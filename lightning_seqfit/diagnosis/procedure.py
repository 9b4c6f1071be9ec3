"""What a fit is found to be at a look: the first that matches.

1. *Diverged*: the error is not finite, or more than 3 times what it was and the training loss too.
2. *Fitted*: the fitted share is at least .98; where it was so, until three looks in a row say otherwise, for
   mini-batches break what is fitted again and again. *Noise floor*: what is left is as flat as noise, and as small.
3. *Undersampled*: the training loss fell a hundred times further than the error, which does not fall with it.
4. *Undecided*: too early, or too few looks.
5. It moves: *sequential* or *progressing*.
6. It does not: the first cause that what is known speaks for, else *stuck*.

A stall, and anything that the error's size alone would call harmful, is said when three looks in a row have found it,
over a fifth of the steps so far; of a fit that has not begun, over three quarters. A cause too: until then it is
*stuck*, or the cause that was said before. What is not known decides nothing. Without a training loss and a learning
rate, causes within the network are not told from those two, so that none of them is named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from lightning_seqfit.diagnosis.progress import LEAST_NEED, Progress, half_way, progress
from lightning_seqfit.diagnosis.signs import Signs, Situation
from lightning_seqfit.diagnosis.verdict import STALLED, Verdict

#: Fitted share of a fit that is done; and relative residual, of a residual of which nobody knows when that is.
FITTED_SHARE, SMALL_RESIDUAL = 0.98, 0.03
#: Doublings that are still needed, up to which a fit moves that did, and one that did not.
MOST_DOUBLINGS, AGAIN_DOUBLINGS = 10.0, 6.0
#: Step and looks in the last half of the steps, below which nothing is decided.
LEAST_STEP, LEAST_LOOKS = 1000, 8
#: Looks in a row, and share of the steps so far, that what is harmful must last.
LASTING_LOOKS, LASTING_SHARE = 3, 0.2
#: The same share of a fit that has not begun, with nothing that could keep it from it: many begin late.
WAITING_SHARE = 0.75
#: Share of the error at half the steps, at or above which it does not fall; and of one that the loss left far behind.
NOT_FALLING, HARDLY_FALLING = 0.95, 0.8
#: Fall of the mean error per doubling of the steps, as a share of it: of a fit that begins though its error is still no
#: better than none, and of one that creeps, which is no stall unless something is known to hold it. Fits with GELU and
#: ReLU creep so for thousands of steps, and then go on.
BEGINNING, CREEPING = 0.01, 0.03
#: Error over the best so far from which on something was lost.
LOST = 2.0
#: Mean change from look to look from which on it is the learning rate that is too high.
MUCH_CHURN = 0.1
#: Times its first value, the error's and the loss's, from which on a fit has diverged.
DIVERGED = 3.0
#: Least flatness of a residual of noise, and its largest size over the noise's.
NOISE_FLATNESS, NOISE_SIZE = 0.45, 1.3
#: Fall of the loss over that of the squared error: at once, and of a stalled fit; least error and step of the former.
FAR_BELOW, BELOW, FAR_BELOW_ERROR, FAR_BELOW_STEP = 0.01, 0.5, 0.3, 50
#: Largest coordinate, and least share of constant units, of inputs that are badly scaled or units driven out of range.
MOST_BOUND, CONSTANT_SHARE = 10.0, 0.8
#: Learning rate over its highest, and the largest relative update of a step that was ever seen, at or below which it is
#: too low. Healthy trainings (Adam, SGD, SIRENs from 5e-4) begin with 3e-3 to 5e-2, Adam at 1e-5, SGD at 1e-3 and a
#: SIREN at 1e-7 with 1e-4 at most. Later on a healthy training that waits for a tapered target takes steps of 3e-6.
DECAYED, LOW_UPDATE = 0.1, 2e-4
#: Projection error over error; rank over width now and at the first look; laps of a unit over those of the target.
READ_OUT, FULL_RANK, FIRST_RANK, LAPS = 0.5, 0.9, 0.7, 4.0
#: Units so few that most are different from the first look on, in any network.
FEW_UNITS = 10
#: Error above which nothing has been fitted yet.
UNTOUCHED = 0.9


@dataclass(frozen=True)
class Course:
    """What is remembered from look to look, and what is said at the latest.

    Attributes
    ----------
    verdict : what is said.
    stalled : it does not get on by itself.
    since : step since which that holds; NaN: it does not.
    doublings : of the step count that are still needed; NaN: not known.
    fitted_step, fitted_looks : step and number of the latest look at which it was fitted; NaN: none.
    still_step, still_looks : the first of the looks in a row at which it did not move; NaN: it does.
    suspect : the cause that the latest looks in a row speak for.
    suspect_step, suspect_looks : the first of these, or of those that speak for none.

    Examples
    --------
    >>> Course.of_numbers(Course(Verdict.STUCK, stalled=True, since=900.0).as_numbers()).verdict
    <Verdict.STUCK: 'stuck'>
    """

    verdict: Verdict = Verdict.UNDECIDED
    stalled: bool = False
    since: float = math.nan
    doublings: float = math.nan
    fitted_step: float = math.nan
    fitted_looks: float = math.nan
    still_step: float = math.nan
    still_looks: float = math.nan
    suspect: Verdict | None = None
    suspect_step: float = math.nan
    suspect_looks: float = math.nan

    def as_numbers(self) -> dict[str, float]:
        """Plain numbers, for a checkpoint; NaN: none."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        codes = {name: math.nan if value is None else value.code for name, value in values.items() if name in _CODED}
        return {name: float(value) for name, value in (values | codes).items()}

    @classmethod
    def of_numbers(cls, numbers: Mapping[str, float]) -> Course:
        """What :meth:`as_numbers` was made of.

        Raises
        ------
        KeyError, ValueError
            If a number is missing, or stands for no verdict.
        """
        values = {each.name: float(numbers[each.name]) for each in fields(cls) if each.name not in (*_CODED, "stalled")}
        suspect = float(numbers["suspect"])
        return cls(
            verdict=Verdict.of_code(float(numbers["verdict"])),
            stalled=bool(numbers["stalled"]),
            suspect=None if math.isnan(suspect) else Verdict.of_code(suspect),
            **values,
        )


_CODED = ("verdict", "suspect")


def judge(signs: Signs, look: int, situation: Situation, before: Course) -> Course:
    """Say what a fit is at a look, given what was said of it at the look before.

    Parameters
    ----------
    signs : of the looks up to this one at least; later ones are not read.
    look : number of the look, 0 and up.
    situation : what is known of the run as a whole.
    before : of the look before, ``Course()`` before the first.

    Examples
    --------
    >>> steps = np.arange(0.0, 3000.0, 50.0)
    >>> flat = {name: np.ones(len(steps)) for name in ("error", "mean_error", "loss", "loss_ratio", "learning_rate")}
    >>> flat |= {"fitted": 0 * steps, "path": 0 * steps, "looks": 1 + steps / 50, "highest_rate": flat["loss"]}
    >>> signs, course = Signs.of(flat, steps, np.ones((len(steps), 9))), Course()
    >>> for look in range(len(signs)):
    ...     course = judge(signs, look, Situation(), course)
    >>> course.verdict, course.stalled, course.since
    (<Verdict.STUCK: 'stuck'>, True, 1000.0)
    """
    step, looks = float(signs.step[look]), float(signs.looks[look])
    now = progress(signs, look, by_error=by_error(situation))
    fitted = done(signs, look, situation)
    moving = moves(signs, look, situation, now, before)
    still = moving is False
    suspect = _suspect(signs, look, situation, now, still)
    same = suspect is before.suspect
    after = replace(
        before,
        doublings=now.doublings,
        fitted_step=step if fitted else before.fitted_step,
        fitted_looks=looks if fitted else before.fitted_looks,
        still_step=_first(before.still_step, step) if still else math.nan,
        still_looks=_first(before.still_looks, looks) if still else math.nan,
        suspect=suspect,
        suspect_step=before.suspect_step if same else step,
        suspect_looks=before.suspect_looks if same else looks,
    )
    verdict = _verdict(signs, look, situation, after, moving)
    stalled = verdict in STALLED
    since = math.nan
    if stalled:
        start = after.still_step if still else after.suspect_step
        since = before.since if before.stalled else _first(start, step)
    return replace(after, verdict=verdict, stalled=stalled, since=since)


def by_error(situation: Situation) -> bool:
    """Whether only the error's fall tells of progress: of a residual in units of its own first look."""
    return situation.residual and not situation.relative


def regression(situation: Situation) -> bool:
    """Whether the training's loss should fall as the squared error does."""
    if situation.residual or situation.residual_beside or situation.equation:
        return False
    return situation.equation is False or situation.terms < 2


def done(signs: Signs, look: int, situation: Situation) -> bool:
    """Whether it is fitted at a look."""
    return not by_error(situation) and float(signs.fitted[look]) >= FITTED_SHARE


def at_noise_floor(signs: Signs, look: int, situation: Situation, *, again: bool = False) -> bool:
    """Whether what is left at a look is noise of the target's own; where it was so before, its size tells it."""
    small = float(signs.error[look]) <= NOISE_SIZE * situation.noise
    return situation.noise > 0.0 and small and (again or float(signs.flatness[look]) >= NOISE_FLATNESS)


def moves(signs: Signs, look: int, situation: Situation, now: Progress, before: Course) -> bool | None:
    """Whether a fit gets on; None: that cannot be told yet.

    One that is all but fitted, or was fitted in the last half of the steps, need not. One that has not begun may begin
    at any time, so that a slight gain will do that is more than the noise of mini-batches; not at a learning rate that
    is too low for it, nor where the loss falls and the error does not. One that creeps gets on, unless there is a cause
    that holds it.
    """
    if float(signs.step[look]) < LEAST_STEP or now.looks < LEAST_LOOKS or math.isnan(now.doublings):
        return None
    idle = not by_error(situation) and (
        _rate_decayed(signs, look, situation, now) or _rate_low(signs, look, situation, now)
    )
    need = now.whole if idle else now.need
    most = MOST_DOUBLINGS if math.isnan(before.still_step) else AGAIN_DOUBLINGS
    if by_error(situation):
        return (need <= most * now.gain and not now.restless) or float(signs.error[look]) <= SMALL_RESIDUAL
    better = float(signs.error[look]) < 1.0 or now.fall >= BEGINNING
    begins = not untouched(signs, look) or (better and not now.turning)
    astray = below(signs, look, situation) and not falls(signs, look)
    held = now.restless or astray or not begins or _collapsed(signs, look, situation)
    if need <= most * now.gain and not held:
        return True
    if now.fall >= CREEPING and begins and not now.restless and _cause(signs, look, situation, now) in _VAGUE:
        return True
    if now.whole <= LEAST_NEED:  # all but fitted
        return True
    return float(np.fmax.reduce(signs.fitted[half_way(signs, look) : look + 1])) >= FITTED_SHARE


def _first(before: float, value: float) -> float:
    return value if math.isnan(before) else before


def _lasting(step: float, looks: float, since: tuple[float, float], share: float = LASTING_SHARE) -> bool:
    """Whether it has been so since a step and a look for three looks in a row, and a share of the steps."""
    return looks - since[1] >= LASTING_LOOKS - 1 and step - since[0] >= share * step


def _verdict(signs: Signs, look: int, situation: Situation, course: Course, moving: bool | None) -> Verdict:
    step, looks = float(signs.step[look]), float(signs.looks[look])
    if float(signs.error[look]) == math.inf:
        return Verdict.DIVERGED
    sure = _lasting(step, looks, (course.suspect_step, course.suspect_looks))
    if course.suspect is Verdict.DIVERGED and sure:
        return Verdict.DIVERGED
    if at_noise_floor(signs, look, situation, again=course.verdict is Verdict.NOISE_FLOOR):
        return Verdict.NOISE_FLOOR
    if course.fitted_step == step:
        return Verdict.FITTED
    if course.verdict is Verdict.FITTED and not _lasting(step, looks - 1, (course.fitted_step, course.fitted_looks)):
        return Verdict.FITTED
    if course.suspect is Verdict.UNDERSAMPLED and sure and (moving is False or far_below(signs, look, situation)):
        return Verdict.UNDERSAMPLED
    if course.verdict is Verdict.UNDERSAMPLED and below(signs, look, situation) and not falls(signs, look):
        return Verdict.UNDERSAMPLED
    if moving is None:
        return Verdict.UNDECIDED
    if moving:
        return Verdict.SEQUENTIAL if float(signs.sequentiality[look]) >= 0.5 else Verdict.PROGRESSING
    waiting = course.suspect in (Verdict.NOT_STARTED, Verdict.STUCK) and untouched(signs, look)
    share = WAITING_SHARE if waiting and not course.stalled else LASTING_SHARE
    if not _lasting(step, looks, (course.still_step, course.still_looks), share):
        return course.verdict if course.verdict in _BEFORE_A_STALL else Verdict.UNDECIDED
    if course.suspect is not None and sure:
        return course.suspect
    return course.verdict if course.verdict in STALLED else Verdict.STUCK


_BEFORE_A_STALL = STALLED | {Verdict.SEQUENTIAL, Verdict.PROGRESSING}


def _suspect(signs: Signs, look: int, situation: Situation, now: Progress, still: bool) -> Verdict | None:
    if float(signs.step[look]) >= FAR_BELOW_STEP:
        if grown(signs, look, situation):
            return Verdict.DIVERGED
        if far_below(signs, look, situation):
            return Verdict.UNDERSAMPLED
    if not still:
        return None
    return _cause(signs, look, situation, now)


def _cause(signs: Signs, look: int, situation: Situation, now: Progress) -> Verdict:
    return next((cause for cause, speaks in CAUSES.items() if speaks(signs, look, situation, now)), Verdict.STUCK)


def grown(signs: Signs, look: int, situation: Situation) -> bool:
    """Whether both the error and the training loss are 3 times what they were."""
    most = DIVERGED * max(situation.first_error, 1.0)
    return float(signs.error[look]) > most and float(signs.loss[look]) > DIVERGED


def falls(signs: Signs, look: int, share: float = NOT_FALLING) -> bool:
    """Whether the error has fallen since half the steps, below a share of what it was."""
    return float(signs.error[look]) < share * float(signs.error[half_way(signs, look)])


def far_below(signs: Signs, look: int, situation: Situation) -> bool:
    """Whether the loss fell so far below an error that does not fall that it cannot have been asked for that."""
    ratio, error = float(signs.loss_ratio[look]), float(signs.error[look])
    low = regression(situation) and ratio < FAR_BELOW and error >= FAR_BELOW_ERROR
    return low and not falls(signs, look, HARDLY_FALLING)


def below(signs: Signs, look: int, situation: Situation) -> bool:
    """Whether the loss of a regression fell further than the error; healthy ones stay above .44."""
    return regression(situation) and float(signs.loss_ratio[look]) < BELOW


def untouched(signs: Signs, look: int) -> bool:
    """Whether nothing has been fitted yet."""
    return float(signs.error[look]) >= UNTOUCHED and float(signs.best_error[look]) >= UNTOUCHED


def _known(signs: Signs, look: int) -> bool:
    """Whether the training itself has been seen: without it, every cause below looks like another."""
    return not math.isnan(float(signs.loss_ratio[look])) and not math.isnan(float(signs.learning_rate[look]))


def _inputs(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    return situation.bound > MOST_BOUND or situation.first_constant_share >= CONSTANT_SHARE


def _rate_high(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    error = float(signs.error[look])
    # mini-batches, and ReLU, make a fit restless too, but less so, no worse than none at all, nor do they undo it
    worse = error >= 1.0 or error >= LOST * float(signs.best_error[look])
    return _constant(signs, look, situation) or (now.restless and (worse or now.churn >= MUCH_CHURN))


def _constant(signs: Signs, look: int, situation: Situation) -> bool:
    return float(signs.constant_share[look]) >= CONSTANT_SHARE > situation.first_constant_share


def _collapsed(signs: Signs, look: int, situation: Situation) -> bool:
    return float(signs.error[look]) >= 1.0 and _constant(signs, look, situation)


def _undersampled(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    return below(signs, look, situation)


def _wrong_solution(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    equation = not situation.residual and not regression(situation)
    return equation and float(signs.loss_ratio[look]) < BELOW


def _rate_decayed(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    return float(signs.learning_rate[look]) <= DECAYED * float(signs.highest_rate[look])


def highest_update(signs: Signs, look: int) -> float:
    """Largest relative update of a step so far; NaN: not known."""
    return float(np.fmax.reduce(signs.update[: look + 1]))


def _rate_low(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    rising = float(signs.learning_rate[look]) > float(signs.learning_rate[half_way(signs, look)])
    return not rising and highest_update(signs, look) <= LOW_UPDATE


def _read_out(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    could = float(signs.projection_ratio[look]) <= READ_OUT
    return could and regression(situation) and _known(signs, look)


def full_rank(situation: Situation) -> float:
    """Rank over width from which on a basis is full: of few units all but one."""
    return min(FULL_RANK, 1.0 - 1.0 / situation.width) if situation.width >= 2.0 else FULL_RANK


def is_full(signs: Signs, look: int, situation: Situation) -> bool:
    """Whether the basis has become full: a SIREN's is from the start, and so are a few units of any network."""
    grown = situation.first_rank_share < FIRST_RANK or situation.width <= FEW_UNITS
    return grown and float(signs.rank_share[look]) >= full_rank(situation) - 1e-9


def _capacity(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    return is_full(signs, look, situation) and _known(signs, look)


def _too_fine(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    frequency = max(situation.frequencies, default=0.0)
    return float(signs.median_laps[look]) > LAPS * frequency > 0.0 and _known(signs, look)


def _not_started(signs: Signs, look: int, situation: Situation, now: Progress) -> bool:
    return untouched(signs, look) and _known(signs, look)


#: What speaks for a cause of a stall, in the order in which they are asked.
CAUSES: Mapping[Verdict, Callable[[Signs, int, Situation, Progress], bool]] = {
    Verdict.INPUTS: _inputs,
    Verdict.WRONG_SOLUTION: _wrong_solution,
    Verdict.RATE_HIGH: _rate_high,
    Verdict.UNDERSAMPLED: _undersampled,
    Verdict.RATE_DECAYED: _rate_decayed,
    Verdict.RATE_LOW: _rate_low,
    Verdict.READ_OUT: _read_out,
    Verdict.CAPACITY: _capacity,
    Verdict.TOO_FINE: _too_fine,
    Verdict.NOT_STARTED: _not_started,
}
#: What is said where nothing is known to hold a fit.
_VAGUE = frozenset({Verdict.READ_OUT, Verdict.NOT_STARTED, Verdict.STUCK})
