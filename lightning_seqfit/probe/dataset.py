"""Points and values of a map-style dataset, read without a draw from anybody's generator."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.probe.checks.echo import quoted
from lightning_seqfit.probe.checks.values import checked_count, plain
from lightning_seqfit.probe.guard import leave_generators_untouched
from lightning_seqfit.probe.guard.generators import own_generator

# Objects among which a dataset's generators are looked for: items in a list are objects too.
_MOST_OBJECTS = 100_000
_HOLD_NOTHING = (Tensor, np.ndarray, str, bytes, int, float, type, ModuleType)


def read_pairs(dataset: Any) -> tuple[FloatArray, FloatArray]:
    """Points and values of a dataset of (point, value) pairs, one number each, shape ``(N,)`` both.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If it has too many items, no such items, or fails to give one.
    """
    name = type(dataset).__name__
    try:
        size = len(dataset)
    except Exception as error:
        raise TypeError(f"{name} has no length ({quoted(error)}): use Probe.points(points, values)") from error
    checked_count(size, name, f"torch.utils.data.Subset(dataset, range(0, {size}, {{stride}}))")
    pairs = np.empty((size, 2))
    with leave_generators_untouched(), ExitStack() as undo:
        for restore in map(own_generator, _reachable(dataset)):
            if restore is not None:
                undo.callback(restore)
        for number in range(size):
            try:
                item = dataset[number]
            except Exception as error:
                raise RuntimeError(
                    f"item {number} of {name} raised {quoted(error)}: mend the dataset, or use Probe.points(points, "
                    "values)"
                ) from error
            try:
                pairs[number] = _pair(item)
            except Exception as error:
                raise TypeError(
                    f"{name} does not hold pairs of one number each: item {number} {error}; use Probe.points(points, "
                    "values) with numbers taken from the items"
                ) from error
    return pairs[:, 0], pairs[:, 1]


def _pair(item: Any) -> list[float]:
    if isinstance(item, Mapping):  # which entry is the point, nobody says
        raise TypeError(f"is a {type(item).__name__} with keys {sorted(map(str, item))}")
    if isinstance(item, str) or not hasattr(item, "__len__") or len(item) != 2:
        count = f" of {len(item)}" if hasattr(item, "__len__") else ""
        raise TypeError(f"is {type(item).__name__}{count}")
    numbers = []
    for side, what in zip(item, ("point", "value"), strict=True):
        array = plain(side).cpu().numpy() if isinstance(side, Tensor) else np.asarray(side)
        if array.size != 1 or array.dtype.kind not in "biuf" or np.ma.is_masked(side):
            raise TypeError(f"has a {what} of shape {array.shape} and type {array.dtype}")
        numbers.append(float(array.item()))
    return numbers


def _reachable(root: Any) -> Iterator[Any]:
    """Objects that an object holds, the nearest first: in attributes, containers, and what functions are bound to."""
    waiting, seen = deque([root]), set[int]()
    while waiting and len(seen) < _MOST_OBJECTS:
        held = waiting.popleft()
        if id(held) in seen or isinstance(held, _HOLD_NOTHING):
            continue
        seen.add(id(held))
        yield held
        if isinstance(held, Mapping):
            waiting += held.values()
        elif isinstance(held, list | tuple | set | frozenset | deque):
            waiting += held
        elif isinstance(held, MethodType):
            waiting += [held.__self__, held.__func__]
        elif isinstance(held, partial):
            waiting += [held.func, *held.args, *held.keywords.values()]
        elif isinstance(held, FunctionType):
            waiting += [*(held.__defaults__ or ()), *(held.__kwdefaults__ or {}).values()]
            for cell in held.__closure__ or ():
                with suppress(ValueError):  # nothing in it yet
                    waiting.append(cell.cell_contents)
        waiting += getattr(held, "__dict__", {}).values()
