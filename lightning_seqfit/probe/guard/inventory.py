"""What an evaluation has changed, by name: a check of the guard that shares none of its code.

The guard puts back what it reaches. This looks further, into variables of scripts, closures and iterators, takes down
what is there before and after, and says what differs. It takes its time.
"""

from __future__ import annotations

import hashlib
import itertools
import random
import sys
import types
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import suppress
from enum import Enum
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

#: Values that are taken down; what lies deeper is not.
MOST_ENTRIES = 100_000
# Words of a value that a report shows.
_MOST_SHOWN = 60

_PLAIN = (bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size)
_NOT_THE_USERS = frozenset(sys.stdlib_module_names - {"__main__"}) | {
    *("torch", "numpy", "lightning", "pytorch_lightning", "lightning_fabric", "lightning_seqfit"),
    *("matplotlib", "scipy"),
}


def take_inventory(**roots: Any) -> dict[str, str]:
    """What is there, by the path that leads to it.

    Parameters
    ----------
    roots : what to begin with, by name. The generators of torch, numpy and Python come on top.

    Examples
    --------
    >>> take_inventory(module=nn.Identity())["module.training"]
    'True'
    """
    entries = {
        "torch's generator": _digest(torch.get_rng_state().numpy().tobytes()),
        "numpy's generator": _digest(repr(np.random.get_state(legacy=False)).encode()),
        "Python's generator": _digest(repr(random.getstate()).encode()),
    }
    seen: dict[int, tuple[str, Any]] = {}  # the path by which it was found first; no number is given twice
    waiting = deque(roots.items())
    while waiting and len(entries) < MOST_ENTRIES:
        path, value = waiting.popleft()
        if issubclass(type(value), _PLAIN):
            entries[path] = _text(value)
        elif id(value) in seen:
            entries[path] = seen[id(value)][0]
        else:
            seen[id(value)] = path, value
            entries[path] = type(value).__name__
            with suppress(Exception):  # of an object that does not let itself be looked at
                entries[path] = _described(value)
                for name, inside in _inside(value):
                    waiting.append((path + name, inside))
    return entries


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Say what differs between two inventories, one line each.

    Examples
    --------
    >>> differences({"module.calls": "1", "module.cache": "None"}, {"module.calls": "3", "module.cache": "None"})
    ['module.calls: 1 -> 3']
    """
    nothing = "nothing"
    return [
        f"{path}: {_shown(before.get(path, nothing))} -> {_shown(after.get(path, nothing))}"
        for path in (*before, *(path for path in after if path not in before))
        if before.get(path, nothing) != after.get(path, nothing)
    ]


def _shown(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def _text(value: Any) -> str:
    """A value in words, without asking an object of the user's for them: that may fail, and change it."""
    if type(value) is tuple:
        return f"({', '.join(map(_text, value))})"
    if issubclass(type(value), (*_PLAIN, Enum)):
        with suppress(Exception):
            return repr(value)
    return f"<{type(value).__name__} at {id(value):#x}>"


def _described(value: Any) -> str:
    """A value without what it holds."""
    kind = type(value).__name__
    if isinstance(value, Tensor):
        shape = f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
        flags = " requires_grad" if value.requires_grad else ""
        return f"{kind} {shape}{flags} {_digest(_content(value))}"
    if isinstance(value, np.ndarray):
        content = b"" if value.dtype.hasobject else value.tobytes()
        return f"{kind} {value.shape} {value.dtype} {_digest(content)}"
    for generator, state in _STATES.items():
        if isinstance(value, generator) and not isinstance(value, random.SystemRandom):
            return f"{kind} {_digest(repr(state(value)).encode())}"
    if isinstance(value, itertools.count | bytearray | range):
        return repr(value)
    if isinstance(value, types.GeneratorType):
        frame = value.gi_frame
        return f"{kind} {value.__name__} " + ("ended" if frame is None else f"at {frame.f_lasti}")
    if isinstance(value, Mapping | Set | list | tuple | deque):
        return f"{kind} of {len(value)}"
    return kind


_STATES: dict[type, Callable[[Any], Any]] = {
    torch.Generator: lambda generator: generator.get_state().tolist(),
    np.random.Generator: lambda generator: generator.bit_generator.state,
    np.random.RandomState: lambda generator: generator.get_state(legacy=False),
    np.random.BitGenerator: lambda generator: generator.state,
    random.Random: lambda generator: generator.getstate(),
}


def _content(tensor: Tensor) -> bytes:
    with torch.no_grad():
        try:
            plain = tensor.detach().as_subclass(Tensor).cpu()
            plain = plain.to_dense() if plain.layout is not torch.strided else plain
            return plain.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        except (RuntimeError, TypeError, NotImplementedError):  # no numbers that could be read
            return b""


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=4).hexdigest()


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value holds, by what follows its path."""
    if isinstance(value, types.FunctionType):
        yield from _around(value)
        return
    if isinstance(value, types.MethodType):
        yield "'s object", value.__self__
        yield "'s function", value.__func__
        return
    if isinstance(value, types.GeneratorType):
        if value.gi_frame is not None:
            yield from ((f"'s {name}", inside) for name, inside in value.gi_frame.f_locals.items())
        return
    if isinstance(value, type):
        if _is_the_users(value):
            for name, inside in vars(value).items():
                if not name.startswith("__"):
                    yield f".{name}", inside
        return
    if isinstance(value, Tensor) and value.is_leaf and value.grad is not None:
        yield ".grad", value.grad
    if isinstance(value, Mapping):
        yield from ((f"[{_text(key)}]", inside) for key, inside in list(value.items()))
    elif isinstance(value, list | tuple | deque):
        yield from ((f"[{number}]", inside) for number, inside in enumerate(list(value)))
    elif isinstance(value, Set):
        yield "'s members", sorted(map(_text, value))
    elif isinstance(value, np.ndarray) and value.dtype.hasobject:
        yield "'s members", value.ravel().tolist()
    if isinstance(value, nn.Module) or _is_the_users(type(value)) or isinstance(value, types.SimpleNamespace):
        yield from _attributes(value)


def _attributes(value: Any) -> Iterator[tuple[str, Any]]:
    attributes = getattr(value, "__dict__", {})
    for name, inside in list(attributes.items()):
        if name in ("_parameters", "_buffers", "_modules") and isinstance(inside, Mapping):
            yield from ((f".{key}", part) for key, part in list(inside.items()))
        elif name not in ("_trainer", "_fabric"):
            yield f".{name}", inside
    for base in type(value).__mro__:
        if not _is_the_users(base):
            continue
        slots = [name for name, slot in vars(base).items() if isinstance(slot, types.MemberDescriptorType)]
        yield from ((f".{name}", getattr(value, name)) for name in slots if hasattr(value, name))
        yield f"'s class {base.__name__}", base


def _around(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """Variables that a function of the user's sees from outside."""
    if function.__module__ is not None and function.__module__.partition(".")[0] in _NOT_THE_USERS:
        return
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f"'s variable {name}", cell.cell_contents
        except ValueError:  # not filled yet
            continue
    yield from ((f".{name}", inside) for name, inside in vars(function).items())
    for name in sorted(_names(function.__code__)):
        if name in function.__globals__ and not isinstance(function.__globals__[name], types.ModuleType):
            yield f"'s global {name}", function.__globals__[name]


def _names(code: types.CodeType) -> set[str]:
    inner = (_names(constant) for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*inner)


def _is_the_users(kind: type) -> bool:
    return str(kind.__module__).partition(".")[0] not in _NOT_THE_USERS
