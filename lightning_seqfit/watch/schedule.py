"""When the next look is due."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Literal

from lightning_seqfit.probe.guard import leave_generators_untouched
from lightning_seqfit.watch.failures import Failures

Cadence = int | Literal["auto"] | Callable[[int], bool]

#: Looks come at steps that grow by this factor, until they lie ``every_n_steps`` apart.
FIRST_GROWTH = 1.4
#: With ``"auto"``: so many steps apart at first, and then at steps that grow by this factor.
AUTO_SPACING, AUTO_GROWTH = 50, 1.08


class Phase(Enum):
    """Where a fit is, as far as looks are concerned."""

    IDLE = "no fit, or nothing more to see of it"
    WAITING = "for the first batch, before which the first look comes"
    RESUMING = "for the first batch of a fit that has been looked at before"
    RUNNING = "looks are taken"


def next_look(step: int, every_n_steps: int | Literal["auto"] = "auto") -> int:
    """First step after ``step`` at which a look is due.

    1, 2, 3, 4, 6, 8, 11, ... (times 1.4) until the spacing is ``every_n_steps``, from then on its multiples. With
    ``"auto"`` until it is 50, which it stays until that is 8 % of the steps so far; from then on times 1.08.

    Examples
    --------
    >>> steps = [0]
    >>> while steps[-1] < 600:
    ...     steps.append(next_look(steps[-1], 100))
    >>> steps
    [0, 1, 2, 3, 4, 6, 8, 11, 15, 21, 29, 41, 57, 80, 112, 157, 220, 308, 400, 500, 600]
    >>> steps, looks = 0, 0
    >>> while steps < 8_000:
    ...     steps, looks = next_look(steps), looks + 1
    >>> looks
    58
    """
    due = 1
    while due <= step:
        following = max(due + 1, round(FIRST_GROWTH * due))
        if every_n_steps == "auto":
            following = min(following, max(due + AUTO_SPACING, round(AUTO_GROWTH * due)))
        elif following - due >= every_n_steps:
            return (step // every_n_steps + 1) * every_n_steps
        due = following
    return due


class Schedule:
    """When one of the callbacks on a probe wants a look.

    Parameters
    ----------
    cadences : of the callbacks.
    last : step of the last look.
    failures : told of a function that fails; ``"auto"`` takes its place.

    Attributes
    ----------
    cadences : as given, ``"auto"`` in place of a function that failed.
    next_step : before this step none is due.
    """

    def __init__(self, cadences: Sequence[Cadence], last: int, failures: Failures) -> None:
        self.cadences = list(cadences)
        self._failures = failures
        self.next_step = 0
        self.looked(last)

    def looked(self, last: int) -> None:
        """A look was taken, or none was wanted: find the next step at which one may be."""
        self._last = last
        self._plan(last)

    def _plan(self, step: int) -> None:
        """A function is asked at every step."""
        self.next_step = min(
            (step + 1 if callable(n) else next_look(self._last, n) for n in self.cadences), default=step + 1
        )

    def due(self, step: int) -> bool:
        """Whether a look is due; asks every function, since each may count how often it is asked."""
        if step < self.next_step or step <= self._last:
            return False
        if any([self._wants(step, number) for number in range(len(self.cadences))]):
            return True
        self._plan(step)
        return False

    def _wants(self, step: int, number: int) -> bool:
        cadence = self.cadences[number]
        if callable(cadence):
            try:
                with leave_generators_untouched():
                    return bool(cadence(step))
            except Exception as error:
                cadence = self.cadences[number] = "auto"
                self._failures.note(
                    "every_n_steps",
                    f"{type(error).__name__}: {error}",
                    f"every_n_steps of {self._failures.label} is a function that failed at step {step} with "
                    f'{type(error).__name__}: {error}; looks come at the default, "auto", from now on. It is called '
                    "with the number of optimizer steps so far, and must return True or False",
                )
        return step >= next_look(self._last, cadence)
