"""Texts that come from a run, as Matplotlib can draw them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection
from functools import cache

from matplotlib.cbook import is_math_text
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.mathtext import MathTextParser

#: Letters of a text, and of one with mathtext, which is shorter than it is written.
LONGEST_TEXT, LONGEST_MATHTEXT = 60, 120
#: Points: no text is smaller.
_LEAST = 6.0


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    r"""Return a text as Matplotlib can draw it, on one line and short.

    What is no mathtext is drawn as it stands, and what the font has no glyph for as a question mark: Matplotlib raises
    of the one and warns of the other, which is as much where warnings are errors.

    Examples
    --------
    >>> print(printable("speed ($m/s$)"), printable(r"$\frac{a$"), printable("CO2 (ppm,\nmean)"), sep="; ")
    speed ($m/s$); \$\frac{a\$; CO2 (ppm, mean)
    """
    line = " ".join(text.split())
    known = _glyphs()
    line = "".join(letter if ord(letter) in known else "?" for letter in line)
    if len(line) <= LONGEST_MATHTEXT and _is_mathtext(line):
        return line
    if len(line) > longest:
        line = f"{line[: longest - 3]}..."
    return re.sub(r"(?<!\\)\$", r"\\$", line)


def fitted_in(text: str, inches: float, size: float) -> tuple[str, float]:
    """Return a text that can be drawn, in lines where it is long, and the points at which it fits into a width.

    A letter is taken to be 0.56 of its size wide, which few are not; in words too long for a line 0.64.
    """
    line = printable(text)
    room = max(int(inches * 72 / (0.56 * size)), 1)
    if len(line) <= room:
        return line, size
    if "$" not in line:
        room = int(room * 0.56 / 0.64) if max(map(len, line.split())) > room else room
        line = textwrap.fill(line, max(room, min(len(line) // 2 + 4, int(room * size / _LEAST))))
    return line, max(size * min(1.0, room / max(map(len, line.split("\n")))), _LEAST)


def _is_mathtext(line: str) -> bool:
    """Whether there is mathtext in a line, and Matplotlib can read it."""
    try:
        return is_math_text(line) and bool(MathTextParser("path").parse(line))
    except Exception:  # a parser's errors, and those of the fonts that it asks for
        return False


def _glyphs() -> Collection[int]:
    """Letters that the fonts of the figures have."""
    return _letters(tuple(FontProperties().get_family()))


@cache
def _letters(families: tuple[str, ...]) -> Collection[int]:
    paths = {findfont(FontProperties(family=[family])) for family in families}
    return {letter for path in paths for letter in get_font(path).get_charmap()}
