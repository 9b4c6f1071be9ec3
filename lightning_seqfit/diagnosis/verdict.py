"""What a fit can be found to be, in words that other programs rely on."""

from __future__ import annotations

from enum import Enum


class Verdict(Enum):
    """What is said of a fit; ``value`` is the word. The order is that in which the procedure asks."""

    DIVERGED = "diverged"
    FITTED = "fitted"
    NOISE_FLOOR = "noise floor"
    UNDERSAMPLED = "undersampled"
    UNDECIDED = "undecided"
    SEQUENTIAL = "sequential"
    PROGRESSING = "progressing"
    INPUTS = "inputs badly scaled"
    RATE_HIGH = "learning rate too high"
    WRONG_SOLUTION = "wrong solution"
    RATE_DECAYED = "learning rate decayed"
    RATE_LOW = "learning rate too low"
    READ_OUT = "read-out"
    CAPACITY = "capacity"
    TOO_FINE = "basis too fine"
    NOT_STARTED = "not started"
    STUCK = "stuck"

    @property
    def code(self) -> int:
        """Number by which a record keeps it."""
        return _WORDS.index(self.value)

    @classmethod
    def of_code(cls, code: float) -> Verdict:
        """Verdict of a number that :attr:`code` gave.

        Raises
        ------
        ValueError
            If there is none.

        Examples
        --------
        >>> Verdict.of_code(Verdict.STUCK.code)
        <Verdict.STUCK: 'stuck'>
        """
        if code != code or int(code) != code or not 0 <= code < len(_WORDS):
            raise ValueError(f"{code!r} stands for no verdict: expected 0 to {len(_WORDS) - 1}")
        return cls(_WORDS[int(code)])


#: A word's place is its number in records: only ever append.
_WORDS = tuple(each.value for each in Verdict)

#: Verdicts of a fit that need not get on.
DONE = frozenset({Verdict.FITTED, Verdict.NOISE_FLOOR})

#: Verdicts under which a fit does not get on by itself.
STALLED = frozenset(
    {
        Verdict.UNDERSAMPLED,
        Verdict.INPUTS,
        Verdict.RATE_HIGH,
        Verdict.WRONG_SOLUTION,
        Verdict.RATE_DECAYED,
        Verdict.RATE_LOW,
        Verdict.READ_OUT,
        Verdict.CAPACITY,
        Verdict.TOO_FINE,
        Verdict.NOT_STARTED,
        Verdict.STUCK,
    }
)
