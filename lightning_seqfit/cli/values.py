"""What arguments of a command are read as, and how they are refused."""

from __future__ import annotations

from argparse import ArgumentTypeError


class Refused(Exception):
    """Arguments that do not go together; the message says what to give instead."""


def whole(value: str | int) -> int:
    """Read a number of steps."""
    return counted(value, "number of steps")


def counted(value: str | int, what: str = "number of at least 1") -> int:
    """Read how many there are to be."""
    text = str(value)
    if not text.isdecimal() or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is no {what}: give a whole number of at least 1")
    return int(text)
