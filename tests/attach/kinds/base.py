"""What every kind of module shares, the list of all of them, and all that one of them holds as plain data.

A kind keeps something outside its parameters, which its forward changes and on which later training depends.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from types import FunctionType, MappingProxyType
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe
from tests.training import probe

#: Every kind by its name.
KINDS: dict[str, type[Kind]] = {}
#: Kinds that no guard around an evaluation can undo, by name: what they keep cannot be reached from the module.
CANNOT: dict[str, type[Kind]] = {}


class Kind(L.LightningModule):
    """A small network times a factor near one, which ``touch`` reads from what the module keeps, and changes it."""

    #: Step after which the proof of the kind evaluates the module: 0 for what only a first call changes.
    proof = 7

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(1, 8), nn.Linear(8, 1)
        self.keep()

    def keep(self) -> None:
        """Make what is kept; class-level state begins anew here."""

    def touch(self, x: Tensor) -> Any:
        """Change what is kept, and return a number or a tensor, about between -1 and 1, that depends on it."""
        return 0.0

    def net(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(4 * x)))

    def forward(self, x: Tensor) -> Tensor:
        factor = self.touch(x.detach())
        return self.net(x) * (1 + 0.05 * factor)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Any:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)

    @staticmethod
    def probe() -> Probe:
        """Where it is looked at, and how it is asked."""
        return probe()

    @staticmethod
    def ask(module: Any, points: Tensor) -> Any:
        """Evaluate it once, as whoever knows nothing of a guard."""
        with torch.no_grad():
            return module(points)


def kind(name: str, *, undone: bool = True) -> Callable[[type[Kind]], type[Kind]]:
    """Put a class on the list; ``undone=False``: on that of those which cannot be undone."""

    def register(cls: type[Kind]) -> type[Kind]:
        assert name not in KINDS | CANNOT, name
        (KINDS if undone else CANNOT)[name] = cls
        return cls

    return register


def wave(number: Any) -> float:
    """Between -1 and 1, another one for each whole number."""
    return math.sin(float(number))


#: What holds the whole process, or a number that the whole process counts.
_FOREIGN = ("Trainer", "_TrainerFabricShim", "RemovableHandle")


def contents(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """All that an object holds, as nested plain data and copies of tensors and arrays; no two visits on one path."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return value
    name = type(value).__qualname__
    if id(value) in seen or isinstance(value, type) or name in _FOREIGN:
        return name
    seen = (*seen, id(value))
    if isinstance(value, Tensor):
        return _tensor(value, seen)
    if isinstance(value, torch.Generator):
        return value.get_state()
    if isinstance(value, np.random.Generator):
        return contents(value.bit_generator, seen)
    if isinstance(value, np.random.BitGenerator):
        return contents({"state": value.state, "spawned": value.seed_seq.n_children_spawned}, seen)
    if isinstance(value, np.random.RandomState):
        return contents(value.get_state(), seen)
    if isinstance(value, random.Random):
        return value.getstate()
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            return [name, value.shape, [contents(item, seen) for item in value.ravel()]]
        return [name, value.copy(), value.shape, value.flags.writeable]
    if isinstance(value, dict):
        items = [(contents(key, seen), contents(item, seen)) for key, item in value.items()]
        return [name, items, _own(value, seen)]
    if isinstance(value, set | frozenset):
        return [name, sorted(map(repr, value))]
    if isinstance(value, nn.Module):
        return [name, {key: contents(_hooks(key, item), seen) for key, item in _attributes(value)}]
    if isinstance(value, MappingProxyType):
        return [name, contents(dict(value), seen)]
    if isinstance(value, FunctionType):
        return [name, contents(value.__defaults__, seen), _own(value, seen)]
    try:
        items = [contents(item, seen) for item in value] if hasattr(value, "__len__") else []
    except Exception:
        items = []
    return [name, items, _own(value, seen)]


def _own(value: Any, seen: tuple[int, ...]) -> dict[str, Any]:
    """Attributes of the object's own, slots included."""
    slots = [slot for cls in type(value).__mro__ for slot in _as_tuple(cls.__dict__.get("__slots__", ()))]
    there = {slot: getattr(value, slot) for slot in slots if not slot.startswith("__") and hasattr(value, slot)}
    return {key: contents(item, seen) for key, item in [*there.items(), *_attributes(value)]}


def _attributes(value: Any) -> list[tuple[Any, Any]]:
    """Attributes in alphabetical order, but for the number that torch.compile gives to what it wraps."""
    own = {key: item for key, item in getattr(value, "__dict__", {}).items() if key != "_torchdynamo_wrapper_id"}
    return sorted(own.items(), key=lambda pair: str(pair[0]))


def _hooks(key: str, value: Any) -> Any:
    """Hooks without their numbers, which the whole process counts."""
    return [type(hook).__name__ for hook in value.values()] if "_hooks" in key and isinstance(value, dict) else value


def _as_tuple(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def _tensor(value: Tensor, seen: tuple[int, ...]) -> dict[str, Any]:
    return {
        "tensor": _dense(value),
        "shape": tuple(value.shape),
        "stride": _stride(value),
        "gradient": [value.requires_grad, contents(value.grad, seen) if value.is_leaf else None],
        "hooks": len(value._backward_hooks or ()),
        **_own(value, seen),
    }


def _dense(value: Tensor) -> Tensor:
    dense = value.detach() if value.layout is torch.strided else value.detach().to_dense()
    return dense.resolve_conj().clone(memory_format=torch.contiguous_format)


def _stride(value: Tensor) -> tuple[int, ...]:
    return tuple(value.stride()) if value.layout is torch.strided else ()
