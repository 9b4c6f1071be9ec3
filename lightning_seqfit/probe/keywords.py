"""The keywords that every kind of probe takes, what they are where they are not given, and who checks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from lightning_seqfit.probe.checks import arguments
from lightning_seqfit.probe.checks.echo import shown


class Keywords(TypedDict, total=False):
    """How a module is asked, what the answer is called, and what errors are relative to: see :meth:`Probe.grid`."""

    predict: Callable[..., Any] | None
    output: int | list[int] | str
    needs_grad: bool
    name: str
    quantity: str
    relative: str
    noise: float | str
    scale: float | None


def checked_keywords(given: Keywords) -> dict[str, Any]:
    """Return all keywords, with values that can be used.

    Raises
    ------
    ValueError, TypeError
        Where a value cannot be used, or there is no such keyword.

    Examples
    --------
    >>> checked_keywords({"output": 1})["quantity"]
    'value'
    """
    unknown = [name for name in given if name not in Keywords.__annotations__]
    if unknown:
        raise TypeError(f"a probe takes no {shown(unknown[0])}: its keywords are {', '.join(Keywords.__annotations__)}")
    checks = {name: getattr(arguments, f"checked_{name}") for name in Keywords.__annotations__}
    return {name: check(given[name]) if name in given else check() for name, check in checks.items()}  # type: ignore[literal-required]
