"""What was given or raised, in the words of a message, whatever it makes of being asked for them."""

from __future__ import annotations

from typing import Any

#: Letters of something given that a message repeats.
MOST_SHOWN = 400


def shown(value: Any) -> str:
    """What was given, as a message repeats it.

    Examples
    --------
    >>> shown("net.4"), shown(10**5000), len(shown([0.25] * 1000))
    ("'net.4'", '<int>', 400)
    """
    try:
        text = repr(value)
    except Exception:  # of an object of somebody else's, or a number with more digits than Python writes
        return f"<{type(value).__name__}>"
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def quoted(error: BaseException) -> str:
    """What was raised, in the words of a message.

    Examples
    --------
    >>> quoted(KeyError("density")), quoted(StopIteration())
    ("KeyError: 'density'", 'StopIteration')
    """
    try:
        text = str(error).strip()
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
