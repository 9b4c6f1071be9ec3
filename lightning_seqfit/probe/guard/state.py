"""What a module keeps outside its parameters: attributes, containers, arrays, generators, helper objects.

Everything that can be reached from the module is remembered before an evaluation and put back after it, object by
object, where it has changed: no copy takes an object's place. What cannot be reached is not put back: variables of
scripts and functions, state inside iterators and files, what other libraries keep for themselves.
"""

from __future__ import annotations

import itertools
import mmap
import sys
import threading
import types
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterator
from functools import lru_cache, partial
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.probe.guard.generators import GENERATORS, own_generator
from lightning_seqfit.probe.guard.memory import TensorKeeper

#: Values that are looked at, beside modules, parameters and buffers, which all are; a tensor counts as five. What lies
#: deeper than that is not put back.
MOST_VALUES = 10_000
#: Members of all containers that are remembered; of what is beyond only the length is, so that nothing stays appended.
MOST_MEMBERS = 100_000
#: Bytes of arrays that are copied.
MOST_ARRAY_BYTES = 8 * 2**20

Restore = Callable[[], object]
Remember = Callable[["State", Any], None]

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


class State:
    """Everything that can be reached from a module, as it was.

    Attributes
    ----------
    tensors : the tensors among it; they put themselves back.
    modules : every module that was found, registered or not.
    complete : whether all of it is remembered; False where it is too much.
    """

    def __init__(self, module: nn.Module, *, alone: bool = True) -> None:
        self.tensors = TensorKeeper()
        self.modules: list[nn.Module] = []
        self.complete = True
        self._alone = alone
        self._seen: dict[int, Any] = {}  # holds what it has seen: no number is given twice
        self._namespaces: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._empty: list[Any] = []
        self._restores: list[Restore] = []
        self._values, self._members, self._array_bytes = MOST_VALUES, MOST_MEMBERS, MOST_ARRAY_BYTES
        self._waiting: deque[Collection[Any]] = deque()
        with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
            registered = list(module.modules())
            if any(map(_is_sharded, registered)):  # what they hold is the strategy's
                return
            self._values = sys.maxsize
            self._look_at(registered)
            for part in registered:
                self._look_at([*part._parameters.values(), *part._buffers.values()])
            self._values = MOST_VALUES
            while self._waiting:
                self._look_at(self._waiting.popleft())

    def _look_at(self, values: Collection[Any]) -> None:
        """Remember values, and what they hold after all that has been found before: what lies near comes first."""
        first = next(iter(values), None)
        if (
            len(values) * (5 if isinstance(first, Tensor) else 1) > self._values
        ):  # there may be room for what is smaller
            self.complete = False
            return
        seen = self._seen
        for value in values:
            kind = type(value)
            try:
                if kind in _CONSTANT or id(value) in seen:
                    continue
                seen[id(value)] = value
                self._values -= 1
                (_REMEMBER.get(kind) or _how_to_remember(kind))(self, value)
            except Exception:  # an object that cannot be looked at
                self.complete = False

    def _affords(self, count: int) -> bool:
        """Whether so many members can still be remembered."""
        if count > self._members:
            self.complete = False
            return False
        self._members -= count
        return True

    def put_back(self) -> None:
        """Make everything what it was; an error in one thing does not keep the others from it, and is raised last."""
        error: Exception | None = None
        for value in self._empty:
            if value:
                value.clear()
        changed = [(now, before) for now, before in self._namespaces if not _is_same_namespace(now, before)]
        restores: list[Restore] = [partial(_put_back_namespace, now, before) for now, before in changed]
        for restore in (*restores, *self._restores, self._put_back_tensors):
            try:
                restore()
            except Exception as caught:
                error = error or caught
        if error is not None:
            raise RuntimeError(f"an evaluation could not be undone: {type(error).__name__}: {error}") from error

    def _put_back_tensors(self) -> None:
        with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
            self.tensors.put_back()

    # One method for each kind of value: it remembers the value, and has what it holds looked at.

    def _module(self, module: nn.Module) -> None:
        self.modules.append(module)
        if not _is_sharded(module):
            self._object(module)
        if isinstance(module, torch.jit.ScriptModule):
            self._scripted(module)

    def _scripted(self, module: Any) -> None:
        """Remember what a scripted module keeps outside Python."""
        if not hasattr(module, "_concrete_type"):  # frozen: nothing in it changes
            return
        content = module._c
        names = [*module._concrete_type.get_attributes(), *(name for name, _ in module._buffers.items())]
        for name in names:
            value = content.getattr(name)
            self._restores.append(partial(content.setattr, name, value))
            self._waiting.append((value,))

    def _object(self, value: Any) -> None:
        kind = type(value)
        self._namespace(_attributes(value))
        if not _is_followed(kind):
            return
        for slot in _slots(kind):
            try:
                content = slot.__get__(value, kind)
            except AttributeError:
                self._restores.append(partial(_empty_slot, slot, value))
            else:
                self._restores.append(partial(_fill_slot, slot, value, content))
                self._waiting.append((content,))
        self._waiting.append((kind,))

    def _namespace(self, attributes: dict[str, Any] | None) -> None:
        """Remember attributes; most of a module's are containers without content."""
        if attributes is None:
            return
        if len(attributes) > 1000 and not self._affords(len(attributes)):
            self._restores.append(partial(_shorten_mapping, dict, attributes, len(attributes)))
            return
        before = attributes.copy()
        self._namespaces.append((attributes, before))
        empty, inside = self._empty, list[Any]()
        for value in before.values():
            kind = type(value)
            if kind in _CLEARABLE:
                (inside if value else empty).append(value)
            elif kind not in _CONSTANT:
                inside.append(value)
        if inside:
            self._waiting.append(inside)

    def _class(self, kind: type) -> None:
        for base in kind.__mro__:
            if not _is_followed(base):
                continue
            before = {
                name: value
                for name, value in vars(base).items()
                if type(value) is not types.FunctionType and not (name.startswith("__") and name.endswith("__"))
            }
            self._restores.append(partial(_put_back_class, base, before))
            self._waiting.append(list(before.values()))

    def _tensor(self, tensor: Tensor) -> None:
        self._values -= 4
        attributes = tensor.__dict__
        if attributes:
            self._namespace(attributes)
        else:
            self._empty.append(attributes)
        inside = self.tensors.add(tensor)
        if inside:
            self._waiting.append(inside)

    def _array(self, value: np.ndarray[Any, Any]) -> None:
        if type(value) is not np.ndarray:  # a masked array keeps its mask there
            self._namespace(_attributes(value))
        if _is_mapped(value) and not value.flags.writeable:
            return
        if value.nbytes > self._array_bytes:
            self.complete = False
            return
        self._array_bytes -= value.nbytes
        before = value.view(np.ndarray).copy()
        self._restores.append(partial(_put_back_array, value, before, value.flags.writeable))
        if value.dtype.hasobject:
            self._waiting.append(before.ravel().tolist())

    def _mapping(self, value: dict[Any, Any]) -> None:
        if type(value) is dict and {str}.issuperset(map(type, value)):
            self._namespace(value)
            return
        kind = OrderedDict if isinstance(value, OrderedDict) else dict
        if self._affords(dict.__len__(value)):
            before = dict(kind.items(value))
            self._restores.append(partial(_put_back_mapping, kind, value, before))
            self._inside(list(before))
            self._inside(list(before.values()))
        else:
            self._restores.append(partial(_shorten_mapping, kind, value, dict.__len__(value)))
        self._subclass(value, kind)

    def _list(self, value: list[Any]) -> None:
        length = list.__len__(value)
        if self._affords(length):
            before = list(list.__iter__(value))
            self._restores.append(partial(_put_back_list, value, before))
            self._inside(before)
        else:
            self._restores.append(partial(list.__delitem__, value, slice(length, None)))
        self._subclass(value, list)

    def _deque(self, value: deque[Any]) -> None:
        if not self._alone:  # another thread may be filling it
            self.complete = False
            return
        if self._affords(deque.__len__(value)):
            before = list(deque.__iter__(value))
            self._restores.append(partial(_put_back_deque, value, before))
            self._inside(before)
        self._subclass(value, deque)

    def _set(self, value: set[Any]) -> None:
        if self._affords(set.__len__(value)):
            before = set(set.__iter__(value))
            self._restores.append(partial(_put_back_set, value, before))
            self._inside(list(before))
        self._subclass(value, set)

    def _fixed(self, value: tuple[Any, ...] | frozenset[Any]) -> None:
        self._inside(value)

    def _view(self, value: types.MappingProxyType[Any, Any]) -> None:
        self._inside(list(value.values()))

    def _buffer(self, value: bytearray | array[Any]) -> None:
        size = memoryview(value).nbytes
        if size > self._array_bytes:
            self.complete = False
            return
        self._array_bytes -= size
        self._restores.append(partial(_put_back_buffer, value, value[:]))

    def _generator(self, value: Any) -> None:
        restore = own_generator(value)
        if restore is not None:
            self._restores.append(restore)

    def _function(self, value: types.FunctionType) -> None:
        if not _is_own(value.__module__):
            return
        if vars(value):
            self._namespace(vars(value))
        self._waiting.append([*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()])

    def _method(self, value: Any) -> None:
        self._waiting.append((value.__self__, getattr(value, "__func__", None)))

    def _cached(self, value: Any) -> None:
        """A function that keeps its answers: it forgets them where an evaluation has added to them."""
        self._restores.append(partial(_empty_cache, value, value.cache_info().misses))
        self._waiting.append((value.__wrapped__,))

    def _of_the_thread(self, value: threading.local) -> None:
        self._namespace(value.__dict__)

    def _partial(self, value: partial[Any]) -> None:
        self._waiting.append((value.func, value.args, value.keywords, vars(value)))

    def _inside(self, values: Collection[Any]) -> None:
        """Look at the members of a container, unless none of them can change; of a long one that is quickly seen."""
        if not _CONSTANT.issuperset(set(map(type, values))):
            self._waiting.append(values)

    def _subclass(self, value: Any, base: type) -> None:
        """Remember the attributes of a container of the user's own kind."""
        if type(value) is not base:
            self._namespace(_attributes(value))


_CLEARABLE = frozenset({OrderedDict, dict, set, list})

_KINDS: tuple[tuple[type | tuple[type, ...], Remember], ...] = (
    (nn.Module, State._module),
    (Tensor, State._tensor),
    (np.ndarray, State._array),
    (dict, State._mapping),
    (list, State._list),
    ((tuple, frozenset), State._fixed),
    (types.MappingProxyType, State._view),
    (set, State._set),
    (deque, State._deque),
    ((bytearray, array), State._buffer),
    (GENERATORS, State._generator),
    (types.FunctionType, State._function),
    ((types.MethodType, types.BuiltinMethodType, types.MethodWrapperType), State._method),
    (partial, State._partial),
    (type(lru_cache(lambda: None)), State._cached),
    (threading.local, State._of_the_thread),
    (type, State._class),
)


_REMEMBER: dict[type, Remember] = {}


def _how_to_remember(kind: type) -> Remember:
    """How values of a kind are remembered; kept, since it is asked for every value."""
    remember = next((method for kinds, method in _KINDS if issubclass(kind, kinds)), None)
    if remember is None:
        remember = State._object if _is_followed(kind) else _leave
    return _REMEMBER.setdefault(kind, remember)


def _leave(state: State, value: Any) -> None:
    """Not the network's."""
    return


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


_SHARDED: dict[type, bool] = {}


def _is_sharded(module: nn.Module) -> bool:
    """Whether a strategy moves the module's parameters to and fro in each evaluation, and keeps account of it."""
    kind = type(module)
    known = _SHARDED.get(kind)
    if known is None:
        names = {base.__name__ for base in kind.__mro__}
        known = _SHARDED.setdefault(kind, bool(names & {"FullyShardedDataParallel", "FSDPModule"}))
    if known or "deepspeed" not in sys.modules:
        return known
    return any(hasattr(parameter, "ds_id") for parameter in module._parameters.values())


def _attributes(value: Any) -> dict[str, Any] | None:
    """An object's own, whatever it makes of being asked for them."""
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except (AttributeError, TypeError):
        return None
    return attributes if type(attributes) is dict else None


def _is_same_namespace(now: dict[str, Any], before: dict[str, Any]) -> bool:
    return len(now) == len(before) and all(map(is_, now.values(), before.values())) and list(now) == list(before)


def _put_back_namespace(now: dict[str, Any], before: dict[str, Any]) -> None:
    now.clear()
    now.update(before)


def _put_back_class(kind: type, before: dict[str, Any]) -> None:
    for name, value in tuple(vars(kind).items()):
        if name not in before and type(value) is not types.FunctionType and not name.startswith("__"):
            delattr(kind, name)
    for name, value in before.items():
        if vars(kind).get(name) is not value:
            setattr(kind, name, value)


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


def _put_back_mapping(kind: Any, now: dict[Any, Any], before: dict[Any, Any]) -> None:
    same = dict.__len__(now) == len(before) and all(map(is_, kind.values(now), before.values()))
    if same and all(map(is_, kind.__iter__(now), before)):
        return
    kind.clear(now)
    kind.update(now, before)


def _shorten_mapping(kind: Any, now: dict[Any, Any], length: int) -> None:
    while dict.__len__(now) > length:
        kind.popitem(now)


def _put_back_list(now: list[Any], before: list[Any]) -> None:
    if list.__len__(now) != len(before) or not all(map(is_, list.__iter__(now), before)):
        list.__setitem__(now, slice(None), before)


def _put_back_deque(now: deque[Any], before: list[Any]) -> None:
    if deque.__len__(now) != len(before) or not all(map(is_, deque.__iter__(now), before)):
        deque.clear(now)
        deque.extend(now, before)


def _put_back_set(now: set[Any], before: set[Any]) -> None:
    if set.__len__(now) != len(before) or not all(map(before.__contains__, set.__iter__(now))):
        set.clear(now)
        set.update(now, before)


def _empty_cache(function: Any, misses: int) -> None:
    if function.cache_info().misses != misses:
        function.cache_clear()


def _put_back_buffer(now: Any, before: Any) -> None:
    if now != before:
        now[:] = before


def _fill_slot(slot: Any, value: Any, content: Any) -> None:
    try:
        same = slot.__get__(value, type(value)) is content
    except AttributeError:
        same = False
    if not same:
        slot.__set__(value, content)


def _empty_slot(slot: Any, value: Any) -> None:
    try:
        slot.__delete__(value)
    except AttributeError:
        return
