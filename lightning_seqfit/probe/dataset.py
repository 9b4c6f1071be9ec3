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

from lightning_seqfit.geometry import FloatArray, IntArray
from lightning_seqfit.probe.checks.arguments import checked_max_points
from lightning_seqfit.probe.checks.echo import quoted
from lightning_seqfit.probe.checks.values import MOST_POINTS, checked_count, plain
from lightning_seqfit.probe.guard import leave_generators_untouched
from lightning_seqfit.probe.guard.generators import own_generator

# Objects among which a dataset's generators are looked for: items in a list are objects too.
_MOST_OBJECTS = 100_000
_HOLD_NOTHING = (Tensor, np.ndarray, str, bytes, int, float, type, ModuleType)


def read_pairs(dataset: Any, max_points: int | None = None) -> tuple[FloatArray, FloatArray]:
    """Points and values of a dataset of (point, value) pairs, shapes ``(N, d)`` and ``(N, k)``.

    ``(N,)`` where that is one number each.

    Parameters
    ----------
    dataset : ``len(dataset)`` and ``dataset[i] -> (point, value)``.
    max_points : items to read, in their order: along one axis every k-th, else drawn at random by a generator of our
        own; None: all.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If it has too many items, no such items, or fails to give one.
    """
    name = type(dataset).__name__
    if max_points is not None:
        max_points = checked_max_points(max_points, MOST_POINTS)
    if not hasattr(dataset, "__getitem__") and hasattr(dataset, "dataset"):
        raise TypeError(f"{name} gives batches, in an order of its own: pass its dataset, {name}.dataset")
    try:
        size = len(dataset)
    except Exception as error:
        raise TypeError(f"{name} has no length ({quoted(error)}): use Probe.points(points, values)") from error
    if max_points is None:
        checked_count(size, name, "max_points={most}")
    with leave_generators_untouched(), ExitStack() as undo:
        for restore in map(own_generator, _reachable(dataset)):
            if restore is not None:
                undo.callback(restore)
        first = _read(dataset, 0, name) if size else None
        if first is None:
            raise ValueError(f"{name} has no items: there is nothing to look at")
        numbers = _chosen(size, max_points or size, along=first[0].size)
        pairs = tuple(np.empty((len(numbers), each.size)) for each in first)
        for row, number in enumerate(numbers.tolist()):
            pair = _read(dataset, number, name) if number else first
            for rows, array, before, what in zip(pairs, pair, first, ("point", "value"), strict=True):
                if array.size != before.size:
                    raise TypeError(
                        f"item {number} of {name} has a {what} of {array.size} numbers, item 0 one of {before.size}: "
                        "give items that are alike, or use Probe.points(points, values)"
                    )
                rows[row] = array
    points, values = (rows[:, 0] if rows.shape[1] == 1 else rows for rows in pairs)
    return points, values


def _chosen(size: int, most: int, along: int) -> IntArray:
    """Numbers of the items to read, rising."""
    if most >= size:
        return np.arange(size)
    if along == 1:  # even points stay even
        return np.arange(0, size, -(-size // most))
    # a stride would favour columns of an image, and of any grid
    return np.sort(np.random.default_rng(0).choice(size, most, replace=False)).astype(np.intp)


def _read(dataset: Any, number: int, name: str) -> tuple[FloatArray, FloatArray]:
    """Point and value of an item, shapes ``(d,)`` and ``(k,)``."""
    try:
        item = dataset[number]
    except Exception as error:
        raise RuntimeError(
            f"item {number} of {name} raised {quoted(error)}: mend the dataset, or use Probe.points(points, values)"
        ) from error
    try:
        return _pair(item)
    except Exception as error:
        raise TypeError(
            f"{name} does not hold pairs of a point and a value: item {number} {error}; use Probe.points(points, "
            "values) with numbers taken from the items"
        ) from error


def _pair(item: Any) -> tuple[FloatArray, FloatArray]:
    if isinstance(item, Mapping):  # which entry is the point, nobody says
        raise TypeError(f"is a {type(item).__name__} with keys {sorted(map(str, item))}")
    if isinstance(item, str) or not hasattr(item, "__len__") or len(item) != 2:
        count = f" of {len(item)}" if hasattr(item, "__len__") else ""
        raise TypeError(f"is {type(item).__name__}{count}")
    point, value = (_numbers(side, what) for side, what in zip(item, ("point", "value"), strict=True))
    return point, value


def _numbers(side: Any, what: str) -> FloatArray:
    """Numbers along one axis; an image, or whatever else has several, is no point."""
    array = plain(side).cpu().numpy() if isinstance(side, Tensor) else np.asarray(side)
    several = array.ndim > 1 and array.size > max(array.shape)
    if several or not array.size or array.dtype.kind not in "biuf" or np.ma.is_masked(side):
        raise TypeError(f"has a {what} of shape {array.shape} and type {array.dtype}")
    return array.reshape(-1).astype(np.float64)


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
