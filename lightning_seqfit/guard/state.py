"""What a module keeps outside its parameters: attributes, containers, arrays, generators, helper objects.

Everything that can be reached from the module is remembered before an evaluation and put back after it, object by
object, where it has changed: no copy takes an object's place. What cannot be reached is not put back: variables of
scripts and functions, state inside iterators and files, what other libraries keep for themselves.
"""

from __future__ import annotations

import itertools
import mmap
import sys
import types
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from operator import is_
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.guard.generators import GENERATORS, own_generator
from lightning_seqfit.guard.memory import TensorKeeper

#: Values that are looked at, beside the modules; what lies deeper than that is not put back.
MOST_VALUES = 20_000
#: Bytes of numpy arrays that are copied.
MOST_ARRAY_BYTES = 32 * 2**20

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
    *("numpy", "pandas", "matplotlib", "PIL", "h5py", "zarr", "tqdm", "rich", "jsonargparse", "omegaconf"),
    *("tensorboard", "tensorboardX", "wandb", "mlflow", "comet_ml", "neptune", "aim", "ray", "optuna"),
}
_FOLLOWED = frozenset(
    {
        *("types", "collections", "argparse", "functools", "torch.quasirandom", "torch.distributions"),
        *("torch.optim", "torch.utils.data"),
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

    def __init__(self, roots: Iterable[Any]) -> None:
        self.tensors = TensorKeeper()
        self.modules: list[nn.Module] = []
        self.complete = True
        self._seen: dict[int, Any] = {}  # holds what it has seen: no number is given twice
        self._namespaces: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self._empty: list[Any] = []
        self._restores: list[Restore] = []
        self._array_bytes = MOST_ARRAY_BYTES
        self._waiting: deque[Iterable[Any]] = deque([list(roots)])
        with torch.no_grad(), torch._C.DisableTorchFunctionSubclass():
            self._look_around()

    def _look_around(self) -> None:
        """Breadth first: where there is too much, what lies near the module is remembered."""
        seen, waiting = self._seen, self._waiting
        while waiting:
            for value in waiting.popleft():
                kind = type(value)
                if kind in _CONSTANT or id(value) in seen:
                    continue
                remember = _REMEMBER.get(kind) or _how_to_remember(kind)
                seen[id(value)] = value
                remember(self, value)
            if len(seen) > MOST_VALUES + 32 * len(self.modules):
                self.complete = False
                return

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
        content = module._c
        names = [*module._concrete_type.get_attributes(), *(name for name, _ in module._buffers.items())]
        for name in names:
            value = content.getattr(name)
            self._restores.append(partial(content.setattr, name, value))
            self._waiting.append((value,))

    def _object(self, value: Any) -> None:
        kind = type(value)
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is dict:
            self._namespace(attributes)
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

    def _namespace(self, attributes: dict[str, Any]) -> None:
        """Remember attributes; most of a module's are containers without content."""
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
        attributes = tensor.__dict__
        if attributes:
            self._namespace(attributes)
        else:
            self._empty.append(attributes)
        inside = self.tensors.add(tensor)
        if inside:
            self._waiting.append(inside)

    def _array(self, value: np.ndarray[Any, Any]) -> None:
        if type(value) is not np.ndarray and type(value.__dict__) is dict:  # a masked array keeps its mask there
            self._namespace(value.__dict__)
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
        before = dict(kind.items(value))
        self._restores.append(partial(_put_back_mapping, kind, value, before))
        self._inside(list(before))
        self._inside(list(before.values()))
        self._subclass(value, kind)

    def _list(self, value: list[Any]) -> None:
        before = list.copy(value)
        self._restores.append(partial(_put_back_list, value, before))
        self._inside(before)
        self._subclass(value, list)

    def _deque(self, value: deque[Any]) -> None:
        before = list(deque.__iter__(value))
        self._restores.append(partial(_put_back_deque, value, before))
        self._inside(before)
        self._subclass(value, deque)

    def _set(self, value: set[Any]) -> None:
        before = set.copy(value)
        self._restores.append(partial(_put_back_set, value, before))
        self._inside(list(before))
        self._subclass(value, set)

    def _fixed(self, value: tuple[Any, ...] | frozenset[Any]) -> None:
        self._inside(value)

    def _view(self, value: types.MappingProxyType[Any, Any]) -> None:
        self._inside(list(value.values()))

    def _buffer(self, value: bytearray | array[Any]) -> None:
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

    def _partial(self, value: partial[Any]) -> None:
        self._waiting.append((value.func, value.args, value.keywords, vars(value)))

    def _inside(self, values: Iterable[Any]) -> None:
        """Look at the members of a container, unless none of them can change; of a long one that is quickly seen."""
        if not _CONSTANT.issuperset(set(map(type, values))):
            self._waiting.append(values)

    def _subclass(self, value: Any, base: type) -> None:
        """Remember the attributes of a container of the user's own kind."""
        attributes = getattr(value, "__dict__", None) if type(value) is not base else None
        if type(attributes) is dict:
            self._namespace(attributes)


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
    same = before.dtype.names is None
    if same and before.dtype.hasobject:
        same = all(map(is_, now.ravel().tolist(), before.ravel().tolist()))
    elif same:
        same = now.tobytes() == before.tobytes()
    if not same:
        array.flags.writeable = True
        np.copyto(array.view(np.ndarray), before)
    if array.flags.writeable is not writeable:
        array.flags.writeable = writeable


def _put_back_mapping(kind: Any, now: dict[Any, Any], before: dict[Any, Any]) -> None:
    values = kind.values(now)
    if len(values) == len(before) and all(map(is_, values, before.values())) and all(map(is_, now, before)):
        return
    kind.clear(now)
    kind.update(now, before)


def _put_back_list(now: list[Any], before: list[Any]) -> None:
    if len(now) != len(before) or not all(map(is_, now, before)):
        list.__setitem__(now, slice(None), before)


def _put_back_deque(now: deque[Any], before: list[Any]) -> None:
    if len(now) != len(before) or not all(map(is_, now, before)):
        deque.clear(now)
        deque.extend(now, before)


def _put_back_set(now: set[Any], before: set[Any]) -> None:
    if len(now) != len(before) or not all(map(before.__contains__, now)):
        set.clear(now)
        set.update(now, before)


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
