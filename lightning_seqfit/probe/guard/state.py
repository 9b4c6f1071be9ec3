"""What a module keeps outside its parameters: attributes, containers, arrays, generators, helper objects.

Everything that can be reached from the module is remembered before an evaluation and put back after it, object by
object, where it has changed: no copy takes an object's place. What cannot be reached is not put back: variables of
scripts and functions, state inside iterators and files, what other libraries keep for themselves.
"""

from __future__ import annotations

import sys
import types
from collections import OrderedDict, deque
from collections.abc import Callable, Collection
from functools import partial, singledispatch
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.probe.guard import internals
from lightning_seqfit.probe.guard.memory import TensorKeeper

#: Values that are looked at, beside modules, parameters and buffers, which all are; a tensor counts as five. What lies
#: deeper than that is not put back.
MOST_VALUES = 10_000

#: Members of all containers that are remembered; of what is beyond only the length is, so that nothing stays appended.
MOST_MEMBERS = 100_000
#: Bytes of arrays that are copied.
MOST_ARRAY_BYTES = 8 * 2**20
# Nothing inside them can change.
_CONSTANT = frozenset(
    {
        *(bool, int, float, complex, str, bytes, range, slice, property, staticmethod, classmethod),
        *(type(None), type(Ellipsis), type(NotImplemented)),
        *(types.ModuleType, types.MethodDescriptorType, types.WrapperDescriptorType),
        *(types.GetSetDescriptorType, types.MemberDescriptorType, types.CodeType),
        *(torch.dtype, torch.device, torch.Size, torch.layout, torch.memory_format, np.dtype),
    }
)
_CLEARABLE = frozenset({OrderedDict, dict, set, list})


class State:
    """Everything that can be reached from a module, as it was.

    Attributes
    ----------
    modules : those that are registered.
    tensors : the tensors among it; they put themselves back.
    complete : whether all of it is remembered; False where it is too much.
    alone : whether no other thread may be changing it.
    restores : how the rest of it is put back.
    empty : dicts, sets and lists that hold nothing.
    waiting : what is still to be looked at; ``left``: how many values more may be.
    """

    def __init__(self, module: nn.Module, *, alone: bool = True) -> None:
        self.modules = list(module.modules())
        self.tensors = TensorKeeper()
        self.complete = True
        self.alone = alone
        self.restores: list[Callable[[], object]] = []
        self.waiting: deque[Collection[Any]] = deque()
        self.left = sys.maxsize
        self._namespaces: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.empty: list[Any] = []
        self._members, self._array_bytes = MOST_MEMBERS, MOST_ARRAY_BYTES
        if not any(map(internals.is_sharded, self.modules)):  # what those hold is the strategy's
            self._walk()

    def _walk(self) -> None:
        """Remember what lies near before what lies deep."""
        seen: dict[int, Any] = {}  # holds what it has seen: no number is given twice
        with torch.no_grad(), internals.without_subclasses():
            self._look_at(self.modules, seen)
            for part in self.modules:
                self._look_at(internals.registered_tensors(part), seen)
            self.left = MOST_VALUES
            while self.waiting:
                self._look_at(self.waiting.popleft(), seen)

    def _look_at(self, values: Collection[Any], seen: dict[int, Any]) -> None:
        """Remember values; what they hold comes after all that has been found before."""
        first = next(iter(values), None)
        if len(values) * (5 if isinstance(first, Tensor) else 1) > self.left:  # there may be room for what is smaller
            self.complete = False
            return
        for value in values:
            kind = type(value)
            try:
                if kind in _CONSTANT or id(value) in seen:
                    continue
                seen[id(value)] = value
                self.left -= 1
                (_WAYS.get(kind) or _WAYS.setdefault(kind, _remember.dispatch(kind)))(value, self)
            except Exception:  # an object that cannot be looked at
                self.complete = False

    def affords(self, members: int = 0, array_bytes: int = 0) -> bool:
        """Whether so much can still be remembered; if it can, it is taken to be."""
        if members > self._members or array_bytes > self._array_bytes:
            self.complete = False
            return False
        self._members -= members
        self._array_bytes -= array_bytes
        return True

    def inside(self, values: Collection[Any]) -> None:
        """Look at the members of a container, unless none of them can change; of a long one that is quickly seen."""
        if not _CONSTANT.issuperset(set(map(type, values))):
            self.waiting.append(values)

    def attributes(self, value: Any) -> None:
        """Remember an object's own attributes, whatever it makes of being asked for them."""
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except (AttributeError, TypeError):
            return
        if type(attributes) is dict:
            self.namespace(attributes)

    def namespace(self, attributes: dict[str, Any]) -> None:
        """Remember attributes; most of a module's are containers without content."""
        if not attributes:
            self.empty.append(attributes)
            return
        if len(attributes) > 1000 and not self.affords(len(attributes)):
            self.restores.append(partial(shorten, dict, attributes, len(attributes)))
            return
        before = attributes.copy()
        self._namespaces.append((attributes, before))
        empty, inside = self.empty, list[Any]()
        for value in before.values():
            kind = type(value)
            if kind in _CLEARABLE:
                (inside if value else empty).append(value)
            elif kind not in _CONSTANT:
                inside.append(value)
        if inside:
            self.waiting.append(inside)

    def put_back(self) -> None:
        """Make everything what it was; an error in one thing does not keep the others from it, and is raised last."""
        error: Exception | None = None
        for value in self.empty if any(self.empty) else ():
            value.clear()
        changed = [(now, before) for now, before in self._namespaces if not _is_same_namespace(now, before)]
        restores: list[Callable[[], object]] = [partial(_put_back_namespace, now, before) for now, before in changed]
        for restore in (*restores, *self.restores, self._put_back_tensors):
            try:
                restore()
            except Exception as caught:
                error = error or caught
        if error is not None:
            raise RuntimeError(f"an evaluation could not be undone: {type(error).__name__}: {error}") from error

    def _put_back_tensors(self) -> None:
        with torch.no_grad(), internals.without_subclasses():
            self.tensors.put_back()


@singledispatch
def _remember(value: Any, state: State) -> None:
    """Remember a value, and have what it holds looked at: which way, its class says."""


_WAYS: dict[type, Callable[[Any, State], None]] = {}  # found once


def remembers(*kinds: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a function ``(value, state)`` remember values of these kinds."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        for kind in kinds:
            _remember.register(kind)(function)
        return function

    return register


def _is_same_namespace(now: dict[str, Any], before: dict[str, Any]) -> bool:
    return len(now) == len(before) and all(map(is_, now.values(), before.values())) and list(now) == list(before)


def _put_back_namespace(now: dict[str, Any], before: dict[str, Any]) -> None:
    now.clear()
    now.update(before)


def shorten(kind: Any, now: dict[Any, Any], length: int) -> None:
    """Take the items away that a mapping has beyond a length."""
    while dict.__len__(now) > length:
        kind.popitem(now)
