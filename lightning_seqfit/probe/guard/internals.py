"""Everything of torch, Lightning, numpy and Python that the guard uses and they do not promise to keep.

A test holds the list of it, and names what another version lacks.
"""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import thread as pools
from contextlib import AbstractContextManager
from functools import cache
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.grad_mode import _unsafe_preserve_version_counter
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["TorchDispatchMode"]

#: The generators whose methods ``numpy.random`` and ``random`` offer as functions.
NUMPY_GENERATOR, PYTHON_GENERATOR = np.random.mtrand._rand, random._inst

#: How often a tensor was written; where a storage lies; what hangs on a tensor's gradient.
version, address, gradient_hooks = map(attrgetter, ("_version", "_cdata", "_backward_hooks"))


def set_version(tensor: Tensor, number: int) -> None:
    """Say that a tensor was written so often."""
    preserve = _unsafe_preserve_version_counter(tensor)
    preserve.prev_versions = (number,)
    preserve.__exit__()


def without_subclasses() -> AbstractContextManager[Any]:
    """Tensors of other libraries' kinds are plain tensors while the context lasts."""
    return torch._C.DisableTorchFunctionSubclass()


def registered_tensors(module: nn.Module) -> list[Tensor | None]:
    """Parameters and buffers of a module itself."""
    return [*module._parameters.values(), *module._buffers.values()]


def is_sharded(module: nn.Module) -> bool:
    """Whether a strategy moves the module's parameters to and fro in each evaluation, and keeps account of it."""
    kind = type(module)
    known = _SHARDED.get(kind)
    if known is None:
        names = {base.__name__ for base in kind.__mro__}
        known = _SHARDED.setdefault(kind, bool(names & {"FullyShardedDataParallel", "FSDPModule"}))
    if known or "deepspeed" not in sys.modules:
        return known
    return any(hasattr(parameter, "ds_id") for parameter in module._parameters.values())


_SHARDED: dict[type, bool] = {}


def content_of_scripted(module: Any) -> Iterator[tuple[Any, str]]:
    """What a scripted module keeps outside Python, as names in an object with ``getattr`` and ``setattr``."""
    if hasattr(module, "_concrete_type"):  # else it is frozen: nothing in it changes
        names = [*module._concrete_type.get_attributes(), *(name for name, _ in module._buffers.items())]
        yield from ((module._c, name) for name in names)


def drop_logged(module: nn.Module) -> None:
    """Let a LightningModule, of either package, log into nothing, until its attributes are put back."""
    if hasattr(module, "_current_fx_name"):
        module.__dict__["log"] = lambda *args, **kwargs: None  # hides the method, as an attribute of the instance


@cache
def written_arguments(operation: Any) -> tuple[tuple[int, ...], tuple[str, ...]] | None:
    """Positions and names of the arguments that an operation writes, or may write; None: it has no schema.

    Those that do not say so, batch norm's and other libraries', are taken to write whatever they get.
    """
    schema = getattr(operation, "_schema", None)
    if schema is None:
        return None
    opaque = operation.namespace not in ("aten", "prim", "prims") or "batch_norm" in schema.name
    written = {
        argument.name: position
        for position, argument in enumerate(schema.arguments)
        if opaque or (argument.alias_info is not None and argument.alias_info.is_write)
    }
    return tuple(written.values()), tuple(written)


def module_of_target(thread: threading.Thread) -> str:
    """Name of the module of the function that a thread runs; empty: not known."""
    return str(getattr(getattr(thread, "_target", None), "__module__", ""))


def threads_waiting_for_work() -> set[int]:
    """Numbers of the threads of pools that wait for work, as those do with which torch compiles."""
    return {number for number, frame in sys._current_frames().items() if frame.f_code is pools._worker.__code__}
