"""The keywords that every kind of probe takes, what they are where they are not given, and who checks them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from lightning_seqfit.probe.checks import arguments
from lightning_seqfit.probe.checks.echo import shown


class Keywords(TypedDict, total=False):
    """How a module is asked, what the answer is called, and what errors are relative to.

    Every kind of probe takes them. :meth:`Probe.grid <lightning_seqfit.Probe.grid>` says more of each.

    Attributes
    ----------
    predict : ``(module, points) -> tensor`` of shape (N,) or (N, k); default ``module(points)``.
    output : component of a prediction of shape (N, k), from 0; a list of them; or ``"norm"``, all together. Default: 0.
    needs_grad : the prediction differentiates, as the residual of an equation does. Default: False.
    name : goes into tags and file names; needed as soon as a trainer has two probes.
    quantity : what is predicted, with its unit, as figures name it. Default: ``"value"``.
    relative : what errors are relative to: the target's oscillation as a whole, ``"global"``, the default, or that at
        the place, ``"local"``.
    noise : standard deviation of the target's noise; ``"auto"``, the default: estimated where the target is values.
    scale : root mean square of an error that counts as 1, where the target has no size of its own, as for a residual.
    """

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
