"""What is said of a plan: a table for a terminal, a mapping for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lightning_seqfit.words import plain, side_by_side, significant

if TYPE_CHECKING:
    from lightning_seqfit.planning.advised import Advised
    from lightning_seqfit.planning.plan import Plan

#: How recommendations are called.
LABELS = {
    "network": "network",
    "omega_0": "omega_0 of a SIREN",
    "sigma": "sigma of Fourier features",
    "width": "width",
    "depth": "depth",
    "evenly": "points, evenly spaced",
    "at_random": "points, at random",
    "inputs": "inputs",
    "values": "values",
    "tanh": "steps of a tanh network",
}


def table(plan: Plan) -> str:
    """Say all of it, in lines of at most 100 columns."""
    return "\n".join(side_by_side(list(_rows(plan))))


def _rows(plan: Plan) -> Iterator[tuple[str, str, str]]:
    yield "target", "", oscillations(plan.axes, plan.frequencies)
    for name, advised in plan.advised():
        yield LABELS.get(name, name), "", f"{_value(advised)}: {advised.reason}"
        yield LABELS.get(name, name), "  ", advised.sure
    for note in plan.notes:
        yield "note", "", note


def as_dict(plan: Plan) -> dict[str, Any]:
    """Return it as what JSON can hold; None for a number that is infinite or not known."""
    code = {network: plan.code(network) for network in plan.rates}
    every: dict[str, Any] = plain({**asdict(plan), "code": code})
    return every


def oscillations(axes: tuple[str, ...], frequencies: tuple[float, ...]) -> str:
    """How often a target oscillates along each axis.

    Examples
    --------
    >>> oscillations(("x", "t"), (13.0, 2.5)), oscillations(("x",), (0.0,))
    ('up to 13 oscillations along x, 2.5 along t', 'nothing oscillates')
    """
    if not any(frequencies):
        return "nothing oscillates"
    said = [f"{significant(each, 3)} along {axis}" for axis, each in zip(axes, frequencies, strict=True)]
    return f"up to {', '.join(said)}".replace(" along", " oscillations along", 1)


def _value(advised: Advised) -> str:
    """What is recommended, and between which it works."""
    said = _number(advised.value)
    ends = [each for each in (advised.low, advised.high) if each is not None]
    return f"{said} ({' to '.join(map(_number, ends))})" if len(ends) > 1 else said


def _number(value: Any) -> str:
    if value is None:
        return "not known"
    if isinstance(value, tuple):
        return " x ".join(map(_number, value))
    if isinstance(value, float) and math.isinf(value):
        return "too many"
    return str(value) if isinstance(value, str) else f"{value:,}" if isinstance(value, int) else f"{value:g}"
