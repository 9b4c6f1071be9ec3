"""Objects: modules, helpers, classes, functions; their attributes and slots, remembered and put back in place."""

from __future__ import annotations

import itertools
import sys
import threading
import types
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from lightning_seqfit.probe.guard import internals
from lightning_seqfit.probe.guard.generators import GENERATORS, own_generator
from lightning_seqfit.probe.guard.state import State, remembers

# Objects of these packages belong to the training, the process or the screen, not to the network.
_FOREIGN = frozenset(sys.stdlib_module_names) | {
    *("torch", "lightning", "lightning_fabric", "lightning_utilities", "pytorch_lightning", "lightning_seqfit"),
    *("numpy", "pandas", "matplotlib", "PIL", "h5py", "zarr", "tqdm", "rich"),
    *("tensorboard", "tensorboardX", "wandb", "mlflow", "comet_ml", "neptune", "aim", "ray", "optuna"),
}
_FOLLOWED = frozenset(
    {
        *("types", "collections", "argparse", "functools", "torch.quasirandom", "torch.distributions"),
        *("torch.optim", "torch.utils.data", "weakref"),
        "lightning_seqfit.demos",
    }
)


@remembers(nn.Module)
def _module(module: nn.Module, state: State) -> None:
    if not internals.is_sharded(module):
        state.attributes(module)
        if _is_followed(type(module)):
            _declared(module, state)
    if isinstance(module, torch.jit.ScriptModule):
        for content, name in internals.content_of_scripted(module):
            value = content.getattr(name)
            state.restores.append(partial(content.setattr, name, value))
            state.waiting.append((value,))


@remembers(object)
def _object(value: Any, state: State) -> None:
    if _is_followed(type(value)):  # others are not the network's
        state.attributes(value)
        _declared(value, state)


def _declared(value: Any, state: State) -> None:
    """Remember what the class of an object declares: its slots, and its own attributes."""
    kind = type(value)
    for slot in _slots(kind):
        content = _content(slot, value)
        state.restores.append(partial(_put_back_slot, slot, value, content))
        state.waiting.append((content,))
    state.waiting.append((kind,))


@remembers(type)
def _class(kind: type, state: State) -> None:
    for base in kind.__mro__:
        if not _is_followed(base):
            continue
        before = {
            name: value
            for name, value in vars(base).items()
            if type(value) is not types.FunctionType and not (name.startswith("__") and name.endswith("__"))
        }
        state.restores.append(partial(_put_back_class, base, before))
        state.waiting.append(list(before.values()))


@remembers(Tensor)
def _tensor(tensor: Tensor, state: State) -> None:
    state.left -= 4
    attributes = tensor.__dict__
    if attributes:
        state.namespace(attributes)
    else:
        state.empty.append(attributes)
    inside = state.tensors.add(tensor)
    if inside:
        state.waiting.append(inside)


@remembers(*GENERATORS)
def _generator(value: Any, state: State) -> None:
    restore = own_generator(value)
    if restore is not None:
        state.restores.append(restore)


@remembers(types.FunctionType)
def _function(value: types.FunctionType, state: State) -> None:
    if not _is_own(value.__module__):
        return
    state.namespace(vars(value))
    state.waiting.append([*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()])


@remembers(types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)
def _method(value: Any, state: State) -> None:
    state.waiting.append((value.__self__, getattr(value, "__func__", None)))


@remembers(type(lru_cache(lambda: None)))
def _cached(value: Any, state: State) -> None:
    state.restores.append(partial(_empty_cache, value, value.cache_info().misses))
    state.waiting.append((value.__wrapped__,))


@remembers(threading.local)
def _of_the_thread(value: threading.local, state: State) -> None:
    state.namespace(value.__dict__)


@remembers(partial)
def _partial(value: partial[Any], state: State) -> None:
    state.waiting.append((value.func, value.args, value.keywords, vars(value)))


_OWN: dict[type, bool] = {}


def _is_followed(kind: type) -> bool:
    """Whether a class is the user's, or one whose objects serve as containers."""
    known = _OWN.get(kind)
    return _OWN.setdefault(kind, _is_own(kind.__module__)) if known is None else known


def _is_own(name: str | None) -> bool:
    parts = str(name).split(".")
    names = set(itertools.accumulate(parts, "{}.{}".format))
    foreign = parts[0] in _FOREIGN or parts[0].startswith("_cython")  # functions of compiled modules
    return not foreign or bool(names & _FOLLOWED)


def _slots(kind: type) -> Iterator[Any]:
    """Descriptors of the slots that the user's classes among the bases declare."""
    for base in kind.__mro__:
        if _is_followed(base):
            yield from (slot for slot in vars(base).values() if type(slot) is types.MemberDescriptorType)


def _put_back_class(kind: type, before: dict[str, Any]) -> None:
    for name, value in tuple(vars(kind).items()):
        if name not in before and type(value) is not types.FunctionType and not name.startswith("__"):
            delattr(kind, name)
    for name, value in before.items():
        if vars(kind).get(name) is not value:
            setattr(kind, name, value)


def _empty_cache(function: Any, misses: int) -> None:
    if function.cache_info().misses != misses:
        function.cache_clear()


_EMPTY = range(0)  # one of a kind, and of a kind that is not looked into


def _content(slot: Any, value: Any) -> Any:
    """What is in a slot."""
    try:
        return slot.__get__(value, type(value))
    except AttributeError:
        return _EMPTY


def _put_back_slot(slot: Any, value: Any, content: Any) -> None:
    if _content(slot, value) is not content:
        if content is _EMPTY:
            slot.__delete__(value)
        else:
            slot.__set__(value, content)
