"""The module is asked at the points, and its answer understood; what cannot be is said in words of ours."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lightning_seqfit import adapters
from lightning_seqfit.adapters import Adapter, adapter_for, kind, remedy
from lightning_seqfit.probe.checks.arguments import MOST_OUTPUTS
from lightning_seqfit.probe.checks.echo import quoted, shown
from lightning_seqfit.probe.checks.values import Unreadable, plain
from lightning_seqfit.probe.outputs import Output

# What torch says of a derivative where no graph was recorded.
_NO_GRAPH = re.compile(r"does not require grad|does not have a grad_fn|not used in the graph|not have been used in the")

_GRAPH = "It differentiates, which a look allows only where it is asked to: pass needs_grad=True to the probe"


@dataclass(frozen=True)
class Question:
    """How a module is asked: ``predict``, ``output`` and ``needs_grad`` of :meth:`Probe.grid`."""

    predict: Callable[..., Any] | None = None
    output: Output = 0
    needs_grad: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.predict, Adapter) and self.predict.needs_grad:
            object.__setattr__(self, "needs_grad", True)

    def answer(self, module: nn.Module, points: Tensor, axes: Sequence[str]) -> Tensor:
        """Return components of the module's answer at points of shape ``(N, d)``, plain numbers, shape ``(k, N)``.

        Raises
        ------
        RuntimeError
            If it, or ``predict``, raises: what it was called with, and what to do. An adapter's own words stay.
        TypeError, ValueError
            If the answer is no tensor of shape (N,) or (N, k) with the components of ``output``, or its values cannot
            be read.
        """
        predict, shape = self.predict, tuple(points.shape)
        if self.needs_grad:
            points.requires_grad_(True)
        try:
            if isinstance(predict, Adapter):
                answer = predict(module, points, axes)
            else:
                answer = module(points) if predict is None else predict(module, points)
        except Exception as error:
            graph = self.needs_grad or not _misses_a_graph(error)
            if graph and isinstance(predict, Adapter) and _raised_by_adapter(error):
                raise
            asked, given = ("the module", "") if predict is None else ("predict", "the module and ")
            raise RuntimeError(
                f"{asked} raised {quoted(error)}; it was called with {given}{kind(points)}, dtype {points.dtype}. "
                f"{_advice(module, predict) if graph else _GRAPH}"
            ) from error
        return self._components(module, answer, shape)

    def _components(self, module: nn.Module, answer: Any, shape: tuple[int, ...]) -> Tensor:
        """Take the components out of an answer at points of a shape."""
        predict, size = self.predict, shape[0]
        asked = "the module" if predict is None else "predict"
        wanted = f"a tensor of shape ({size},) or ({size}, k) for points of shape {shape}"
        if not isinstance(answer, Tensor):
            raise TypeError(f"{asked} returned {kind(answer)}, expected {wanted}: {remedy(module, predict, answer)}")
        if answer.is_complex():
            raise TypeError(
                f"{asked} returned a complex tensor, expected real values: pass predict= that takes one part"
            )
        try:
            tensor = plain(answer)
        except Unreadable as error:
            raise TypeError(
                f"{asked} returned a tensor that {error}, expected {wanted}: pass predict=, a function (module, "
                "points) that returns an ordinary tensor"
            ) from error
        if tensor.ndim not in (1, 2) or tensor.shape[0] != size:
            raise ValueError(f"{asked} returned {kind(answer)}, expected {wanted}: {remedy(module, predict, answer)}")
        components = 1 if tensor.ndim == 1 else tensor.shape[1]
        if components == 0:
            raise ValueError(f"{asked} returned {kind(answer)}, which has no component: expected {wanted}")
        if isinstance(self.output, str):
            if components > MOST_OUTPUTS:
                raise ValueError(
                    f"{asked} returned {components} components (shape {tuple(tensor.shape)}), more than the "
                    f'{MOST_OUTPUTS} that output="norm" takes: pass output=[...] with those that matter'
                )
            return tensor.reshape(size, -1).T
        wanted_ones = [self.output] if isinstance(self.output, int) else list(self.output)
        if max(wanted_ones) >= components:
            raise ValueError(
                f"output={shown(self.output if isinstance(self.output, int) else wanted_ones)}, but {asked} returned "
                f"{components} component(s) (shape {tuple(tensor.shape)}): use "
                f"output=0{'' if components <= 1 else f' to {components - 1}'}"
            )
        if isinstance(self.output, int):
            return (tensor if tensor.ndim == 1 else tensor[:, self.output])[None]
        return tensor.reshape(size, -1)[:, wanted_ones].T


def _raised_by_adapter(error: Exception) -> bool:
    """Whether the words are an adapter's own, not those of a module that it called."""
    *_, (last, _) = traceback.walk_tb(error.__traceback__)
    return last.f_globals.get("__name__") == adapters.__name__


def _advice(module: nn.Module, predict: Any) -> str:
    """What to do about an error."""
    if predict is None:
        instead = adapter_for(module) or (
            ", a function (module, points) -> tensor; lightning_seqfit.adapters.Dictionary() is one for dicts"
        )
        return f"Where it takes something else, pass predict={instead}"
    takes = mismatch(predict, 2)
    if takes:
        return f"It takes {takes}, but gets two arguments: write it as predict=lambda module, points: module(points)"
    return "Call predict(module, points) with such points by itself to find out why"


def _misses_a_graph(error: BaseException | None) -> bool:
    """Whether a derivative was asked for where no graph was recorded; libraries wrap torch's words in their own."""
    while error is not None:
        if _NO_GRAPH.search(quoted(error)):
            return True
        lines = [frame.line or "" for frame in traceback.extract_tb(error.__traceback__)[-1:]]
        if isinstance(error, AssertionError) and "requires_grad" in "".join(lines):
            return True
        error = error.__cause__ or error.__context__
    return False


def mismatch(function: Callable[..., Any], count: int) -> str:
    """Arguments of a function that cannot be called with ``count`` of them; empty: it can, or nobody knows.

    Examples
    --------
    >>> mismatch(lambda points: points, 2), mismatch(lambda module, points: points, 2), mismatch(max, 2)
    ('(points)', '', '')
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ""
    try:
        signature.bind(*range(count))
    except TypeError:
        return str(signature)
    return ""
