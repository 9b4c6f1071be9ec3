"""Containers and arrays: their members and their content, remembered and put back in place."""

from __future__ import annotations

import mmap
import types
from array import array
from collections import OrderedDict, deque
from functools import partial
from operator import is_
from typing import Any

import numpy as np

from lightning_seqfit.probe.guard.state import State, remembers, shorten

_FILL: dict[Any, Any] = {list: list.extend, deque: deque.extend, set: set.update}


@remembers(list, deque, set)
def _members(value: Any, state: State) -> None:
    kind: Any = next(kind for kind in _FILL if isinstance(value, kind))
    if kind is deque and not state.alone:  # another thread may be filling it
        state.complete = False
        return
    length = kind.__len__(value)
    if state.affords(length):
        before = list(kind.__iter__(value))
        state.restores.append(partial(_put_back_members, kind, value, before))
        state.inside(before)
    elif kind is list:
        state.restores.append(partial(list.__delitem__, value, slice(length, None)))
    if type(value) is not kind:
        state.attributes(value)


@remembers(dict)
def _mapping(value: dict[Any, Any], state: State) -> None:
    if type(value) is dict and {str}.issuperset(map(type, value)):
        state.namespace(value)
        return
    kind = OrderedDict if isinstance(value, OrderedDict) else dict
    if state.affords(dict.__len__(value)):
        before = dict(kind.items(value))
        state.restores.append(partial(_put_back_mapping, kind, value, before))
        state.inside(list(before))
        state.inside(list(before.values()))
    else:
        state.restores.append(partial(shorten, kind, value, dict.__len__(value)))
    if type(value) is not kind:
        state.attributes(value)


@remembers(tuple, frozenset)
def _fixed(value: tuple[Any, ...] | frozenset[Any], state: State) -> None:
    state.inside(value)


@remembers(types.MappingProxyType)
def _view(value: types.MappingProxyType[Any, Any], state: State) -> None:
    state.inside(list(value.values()))


@remembers(np.ndarray)
def _array(value: np.ndarray[Any, Any], state: State) -> None:
    if type(value) is not np.ndarray:  # a masked array keeps its mask there
        state.attributes(value)
    if (_is_mapped(value) and not value.flags.writeable) or not state.affords(array_bytes=value.nbytes):
        return
    before = value.view(np.ndarray).copy()
    state.restores.append(partial(_put_back_array, value, before, value.flags.writeable))
    if value.dtype.hasobject:
        state.waiting.append(before.ravel().tolist())


@remembers(bytearray, array)
def _buffer(value: bytearray | array[Any], state: State) -> None:
    if state.affords(array_bytes=memoryview(value).nbytes):
        state.restores.append(partial(_put_back_buffer, value, value[:]))


def _put_back_members(kind: Any, now: Any, before: list[Any]) -> None:
    if kind.__len__(now) != len(before) or not all(map(is_, kind.__iter__(now), before)):
        kind.clear(now)
        _FILL[kind](now, before)


def _put_back_mapping(kind: Any, now: dict[Any, Any], before: dict[Any, Any]) -> None:
    same = dict.__len__(now) == len(before) and all(map(is_, kind.values(now), before.values()))
    if same and all(map(is_, kind.__iter__(now), before)):
        return
    kind.clear(now)
    kind.update(now, before)


def _is_mapped(value: Any) -> bool:
    """Whether an array lies in a file."""
    while isinstance(value, np.ndarray):
        if isinstance(value, np.memmap):
            return True
        value = value.base
    return isinstance(value, mmap.mmap)


def _put_back_array(array: np.ndarray[Any, Any], before: np.ndarray[Any, Any], writeable: bool) -> None:
    if array.dtype != before.dtype:
        array.dtype = before.dtype  # type: ignore[misc]
    if array.size != before.size:
        array.resize(before.shape, refcheck=False)
    elif array.shape != before.shape:
        array.shape = before.shape
    now = array.view(np.ndarray)
    if not before.dtype.hasobject:
        same = now.tobytes() == before.tobytes()
    else:  # of a structured one the objects lie in tuples made anew
        same = before.dtype.names is None and all(map(is_, now.ravel().tolist(), before.ravel().tolist()))
        same |= not array.flags.writeable and not writeable
    if not same:
        array.flags.writeable = True
        np.copyto(array.view(np.ndarray), before)
    if array.flags.writeable is not writeable:
        array.flags.writeable = writeable


def _put_back_buffer(now: Any, before: Any) -> None:
    if now != before:
        now[:] = before
