"""What tensors hold, put back bit by bit where an evaluation has written it, and never touched where it has not.

Small memory of the CPU is copied before and compared after, which finds writes that torch does not see, as those of
numpy. All other memory is copied at the moment when an operation is about to write it, which a dispatch mode sees.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, UntypedStorage
from torch.nn.parameter import is_lazy

from lightning_seqfit.probe.guard import internals

#: Bytes of the CPU's memory that are copied before an evaluation; what is beyond them is copied when it is written.
MOST_COPIED = 4 * 2**20

_PARTS_OF_SPARSE = {
    torch.sparse_coo: ("_indices", "_values"),
    torch.sparse_csr: ("crow_indices", "col_indices", "values"),
    torch.sparse_bsr: ("crow_indices", "col_indices", "values"),
    torch.sparse_csc: ("ccol_indices", "row_indices", "values"),
    torch.sparse_bsc: ("ccol_indices", "row_indices", "values"),
}


class TensorKeeper:
    """Content, place, version and gradient of tensors, to be put back."""

    def __init__(self) -> None:
        self.copy_on_write = CopyOnWrite()
        self._room = MOST_COPIED
        self._storages: dict[int, tuple[UntypedStorage, int, bytes | None]] = {}  # its size and content, by its address
        self._places: list[tuple[Tensor, Tensor, int]] = []  # with an alias, and its storage
        self._composed: list[tuple[Tensor, Tensor, list[int]]] = []  # with an alias, and the storages of its parts
        self._versions: list[tuple[Tensor, int]] = []
        self._leaves: list[tuple[Tensor, bool, Tensor | None, Any]] = []  # whether it has a gradient, which, its hooks

    def add(self, tensor: Tensor) -> list[Any]:
        """Remember a tensor, and return what hangs on it and is to be remembered too: its gradient and its hooks."""
        if is_lazy(tensor) or tensor.is_meta:
            return []
        alias = tensor.detach()  # keeps place, shape, strides and type of what the tensor was
        storage = self._keep(tensor.untyped_storage()) if _is_plain(tensor) else 0
        if storage:
            self._places.append((tensor, alias, storage))
        else:
            self._composed.append((tensor, alias, [self._keep(part.untyped_storage()) for part in _parts(tensor)]))
        if not tensor.is_inference():
            self._versions.append((tensor, internals.version(tensor)))
        if not tensor.is_leaf:
            return []
        gradient, hooks = tensor.grad, internals.gradient_hooks(tensor)
        self._leaves.append((tensor, tensor.requires_grad, gradient, hooks))
        return [item for item in (gradient, hooks) if item is not None]

    def _keep(self, storage: UntypedStorage) -> int:
        """Remember a storage, and return its address; 0 for one without memory."""
        address: int = internals.address(storage)
        if address in self._storages:
            return address
        size, content = storage.nbytes(), None
        if size <= self._room and storage.device.type == "cpu":
            try:
                place = storage.data_ptr()
            except RuntimeError:  # what stands for a tensor without being one
                return 0
            self._room -= size
            content = ctypes.string_at(place, size) if size else b""
        else:
            self.copy_on_write.storages[address] = storage
        self._storages[address] = storage, size, content
        return address

    def put_back(self) -> None:
        """Make every tensor what it was when it was added."""
        for tensor, alias, storage in self._places:
            if (
                internals.address(tensor.untyped_storage()) != storage
                or tensor.shape != alias.shape
                or tensor.stride() != alias.stride()
                or tensor.storage_offset() != alias.storage_offset()
                or tensor.dtype is not alias.dtype
            ):
                tensor.data = alias
        for tensor, alias, storages in self._composed:
            now = [internals.address(part.untyped_storage()) for part in _parts(tensor)]
            if any(before and before != after for before, after in zip(storages, now, strict=True)):
                tensor.data = alias
        for memory, size, content in self._storages.values():
            if memory.nbytes() != size:
                memory.resize_(size)
            if content and ctypes.string_at(memory.data_ptr(), size) != content:
                ctypes.memmove(memory.data_ptr(), content, size)
        self.copy_on_write.put_back()
        for tensor, requires_grad, gradient, hooks in self._leaves:
            hung = internals.gradient_hooks(tensor)
            if hung is not hooks and hung is not None:  # on a tensor that had none
                hung.clear()
            if not tensor.is_leaf:  # written where gradients were on
                tensor.detach_()
            if tensor.requires_grad is not requires_grad:
                tensor.requires_grad_(requires_grad)
            if tensor.grad is not gradient:
                tensor.grad = gradient
        for tensor, version in self._versions:
            if internals.version(tensor) != version:
                internals.set_version(tensor, version)


class CopyOnWrite(internals.TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Copies a storage before the first operation that writes it."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.storages: dict[int, UntypedStorage] = {}
        self._copies: list[tuple[UntypedStorage, UntypedStorage]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation, after what it will write has been copied."""
        named = kwargs or {}
        written = internals.written_arguments(func)
        if written is None:  # of a higher order: what it calls is not seen
            self._about_to_write([*args, *named.values()])
            return func(*args, **named)
        positions, names = written
        for position in positions:
            if position < len(args):
                self._about_to_write(args[position])
        for name in names:
            if name in named:
                self._about_to_write(named[name])
        return func(*args, **named)

    def _about_to_write(self, value: Any) -> None:
        if isinstance(value, list | tuple):
            for item in value:
                self._about_to_write(item)
        elif isinstance(value, Tensor):
            for part in _parts(value):
                storage = self.storages.pop(internals.address(part.untyped_storage()), None)
                if storage is not None:
                    self._copies.append((storage, storage.clone()))  # type: ignore[no-untyped-call]

    def put_back(self) -> None:
        """Give every storage that was written its content of before."""
        for storage, content in self._copies:
            storage.copy_(content)


_PLAIN = (Tensor, torch.nn.Parameter)


def _is_plain(tensor: Tensor) -> bool:
    """Whether a tensor is numbers at regular distances in one storage."""
    ordinary = type(tensor) in _PLAIN or not hasattr(tensor, "__tensor_flatten__")
    return ordinary and tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_quantized


def _parts(tensor: Tensor) -> list[Tensor]:
    """Tensors with a storage of their own that a tensor is made of: itself, in most cases."""
    if hasattr(tensor, "__tensor_flatten__"):  # a subclass that wraps others, such as DTensor
        return [part for name in tensor.__tensor_flatten__()[0] for part in _parts(getattr(tensor, name))]
    if tensor.is_nested:
        return [tensor.values()]
    if tensor.layout is torch.strided:
        return [tensor]
    return [getattr(tensor, name)() for name in _PARTS_OF_SPARSE.get(tensor.layout, ())]
