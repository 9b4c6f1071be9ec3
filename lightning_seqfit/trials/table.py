"""What came out of remedies that were tried, as a table: the fastest first."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from statistics import median
from typing import Any

from lightning_seqfit.words import percent, significant


@dataclass(frozen=True)
class Attempt:
    """One remedy, tried with every seed.

    Attributes
    ----------
    name : what was changed, in words; ``"as it is"``: nothing.
    change : the same for programs, as that of :class:`~lightning_seqfit.diagnosis.Advice` has it, and ``activation``.
    steps : to 98 % fitted, a number a seed; ``inf``: it was not reached.
    seconds : of training to there, a number a seed; ``inf`` likewise.
    fitted : fitted share where it ended, a number a seed that was looked at; ``error``: relative RMS error.
    taken : steps that it was trained, a number a seed.
    code : Python that makes it, to paste; empty: there is none.
    why : why it ended there, or was not tried; empty: it is fitted, or all steps were taken.
    """

    name: str
    change: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()
    fitted: tuple[float, ...] = ()
    error: tuple[float, ...] = ()
    taken: tuple[int, ...] = ()
    code: str = ""
    why: str = ""

    @property
    def reached(self) -> float:
        """Median of the steps to 98 %, of two seeds the larger; ``inf``: not reached."""
        return sorted(self.steps)[len(self.steps) // 2] if self.steps else math.inf

    @property
    def order(self) -> tuple[float, float, float]:
        """Sorts attempts: the fastest first, then the farthest, then the closest."""
        if not self.steps:
            return math.inf, math.inf, math.inf
        return self.reached, -round(median(self.fitted), 2), median(self.error)


@dataclass(frozen=True)
class Trial:
    """Remedies that were tried, the best first.

    Attributes
    ----------
    attempts : in the order of the table.
    notes : what must be known to read it.
    """

    attempts: tuple[Attempt, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, attempts: Sequence[Attempt], notes: Sequence[str] = ()) -> Trial:
        """Sort attempts."""
        return cls(tuple(sorted(attempts, key=lambda each: each.order)), tuple(notes))

    @property
    def winner(self) -> Attempt | None:
        """The first that fitted with every seed; None: none did."""
        return next((each for each in self.attempts if each.steps and all(map(math.isfinite, each.steps))), None)

    def code(self) -> str:
        """Python of the winner, to paste; empty: there is none."""
        return self.winner.code if self.winner else ""

    def as_dict(self) -> dict[str, Any]:
        """What JSON can hold of it: numbers that are not finite are None."""
        winner = self.winner
        attempts = [
            {each.name: _plain(getattr(attempt, each.name)) for each in fields(attempt)} for attempt in self.attempts
        ]
        return {"winner": winner and winner.name, "attempts": attempts, "notes": list(self.notes), "code": self.code()}

    def __str__(self) -> str:
        """Return the table, the notes and the code of the winner."""
        rows = [("remedy", "steps to 98 %", "seconds", "fitted", "error", ""), *map(_row, self.attempts)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        ]
        return "\n".join([*lines, *(f"note  {note}" for note in self.notes), *self._ending()])

    def _ending(self) -> Iterator[str]:
        if self.winner:
            yield f"\n# {self.winner.name}\n{self.code()}" if self.code() else ""
            return
        tried = [each for each in self.attempts if each.steps]
        if not tried:
            yield "\nnone of them was tried"
            return
        first = tried[0]
        once = ", with one seed and not with another" if math.isfinite(min(first.steps)) else ""
        near = f": {percent(median(first.fitted))} fitted, error {median(first.error):.3g}" if first.fitted else ""
        yield f"\nnone of them is 98 % fitted with every seed; nearest came {first.name}{near}{once}"


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _row(attempt: Attempt) -> tuple[str, ...]:
    if not attempt.steps:
        return attempt.name, "-", "-", "-", "-", attempt.why
    steps, seconds = attempt.reached, sorted(attempt.seconds)[len(attempt.seconds) // 2]
    return (
        attempt.name,
        f"{steps:,.0f}" if math.isfinite(steps) else f"not in {max(attempt.taken):,}",
        significant(seconds, 2) if math.isfinite(seconds) else "-",
        percent(median(attempt.fitted)),
        f"{median(attempt.error):.3g}",
        attempt.why,
    )
