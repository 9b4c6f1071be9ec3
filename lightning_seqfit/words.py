"""What is said of a fit in a line, alike on the console, in titles and in tables."""

from __future__ import annotations

import logging
import math
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np

log = logging.getLogger(__name__)

#: Columns of a table.
WIDTH = 100


def percent(share: float) -> str:
    """Return a share in whole percent; neither all nor nothing where it is not.

    Examples
    --------
    >>> [percent(share) for share in (0.0, 1e-4, 0.234, 0.999, 1.0, 12.3)]
    ['0 %', 'less than 1 %', '23 %', '99 %', '100 %', '1230 %']
    """
    if 0.0 < share < 0.01:
        return "less than 1 %"
    return f"{100 * share:.0f} %" if share >= 1.0 else f"{math.floor(100 * share + 0.5 if share < 0.99 else 99)} %"


def significant(value: float, digits: int) -> str:
    """Return a number with so many digits that say something, and never as a power of ten below a million.

    Examples
    --------
    >>> significant(156.3, 2), significant(1.004, 2), significant(-0.0123456, 3), significant(2.5e7, 2)
    ('160', '1', '-0.0123', '2.5e+07')
    """
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if 1 <= abs(rounded) < 1e6 and rounded.is_integer() else f"{rounded:.{digits}g}"


def how_far(fitted: float, relative_rmse: float, scale_of: str) -> str:
    """How far a fit has come; empty: not known.

    Parameters
    ----------
    fitted : share of the domain, NaN: not known.
    relative_rmse : root mean square of the error, 1: what ``scale_of`` says.
    scale_of : of :class:`~lightning_seqfit.measures.scale.Scale`. Of ``"first look"`` nothing is said to be fitted: an
        error that has fallen may still be large.

    Examples
    --------
    >>> how_far(0.5, 0.7, "oscillation"), how_far(1.0, 0.04, "first look"), how_far(float("nan"), 0.7, "given")
    ('50 % fitted', 'at 4 % of its first value', '')
    """
    if scale_of == "first look":
        return f"at {percent(relative_rmse)} of its first value" if math.isfinite(relative_rmse) else ""
    return f"{percent(fitted)} fitted" if math.isfinite(fitted) else ""


def warn(message: str) -> None:
    """Warn, also where warnings are errors: a message of ours must not end a training."""
    try:
        warnings.warn(f"seqfit: {message}", UserWarning, stacklevel=2)
    except UserWarning:
        log.warning("seqfit: %s", message)


def flat(text: str) -> str:
    """Return a text in one line."""
    return " ".join(text.split())


def side_by_side(rows: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    r"""Labels, what stands before a text, and texts, beside each other, in lines of at most :data:`WIDTH` columns.

    A label that repeats is left out.

    Examples
    --------
    >>> print("\n".join(side_by_side([("for", "1. ", "this"), ("for", "2. ", "that"), ("against", "", "")])))
      for      1. this
               2. that
      against  -
    """
    width, before = max(len(label) for label, _, _ in rows), ""
    for label, head, text in rows:
        first = f"  {'' if label == before else label:<{width}}  "
        if len(first) + len(head) > WIDTH // 2:  # too wide to write beside it
            head, text = "", f"{head}{text}"
        hang = " " * (len(first) + len(head))
        yield from textwrap.wrap(flat(text) or "-", WIDTH, initial_indent=first + head, subsequent_indent=hang)
        before = label


def plain(value: Any) -> Any:
    """Return a value as what JSON can hold; None for a number that is infinite or not known.

    Examples
    --------
    >>> plain({"steps": (1, math.inf)})
    {'steps': [1, None]}
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, Iterable):
        return [plain(each) for each in value]
    return str(value)
