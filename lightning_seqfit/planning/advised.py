"""One recommendation: what, why, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

#: (low, high) of each axis.
Box: TypeAlias = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Advised:
    """One recommendation.

    Attributes
    ----------
    value : what is recommended; None: nothing can be said, and ``reason`` says why.
    reason : why: a phrase.
    sure : how sure it is, and by what: a phrase.
    low, high : between which it works; None: not known, or it is no number.
    """

    value: Any
    reason: str
    sure: str
    low: float | None = None
    high: float | None = None
