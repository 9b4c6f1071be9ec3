"""What a module keeps in generators, numpy arrays, tensors and buffers."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from tests.attach.kinds.base import Kind, kind, wave


def drawing(name: str, make: Callable[[], Any], draw: Callable[[Any], Any]) -> None:
    """Put a generator on the list, from which every call draws a number."""

    class Drawing(Kind):
        def keep(self) -> None:
            self.source = make()

        def touch(self, x: Tensor) -> Any:
            return draw(self.source)

    kind(name)(Drawing)


def normal(source: Any) -> float:
    return float(source.normal())


def uniform(source: torch.Generator) -> Tensor:
    return torch.rand((), generator=source)


drawing("a numpy generator, PCG64", lambda: np.random.default_rng(1), normal)
drawing("a numpy generator, MT19937", lambda: np.random.Generator(np.random.MT19937(1)), normal)
drawing("a numpy generator, Philox", lambda: np.random.Generator(np.random.Philox(1)), normal)
drawing("a numpy generator, SFC64", lambda: np.random.Generator(np.random.SFC64(1)), lambda g: float(g.random()))
drawing("numpy's RandomState", lambda: np.random.RandomState(1), normal)
drawing("a bit generator of numpy", lambda: np.random.PCG64DXSM(1), lambda b: wave(b.random_raw() % 1000))
drawing("a seed sequence that spawns", lambda: np.random.SeedSequence(1), lambda s: wave(s.spawn(1)[0].spawn_key[-1]))
drawing("a generator that spawns", lambda: np.random.default_rng(1), lambda g: normal(g.spawn(1)[0]))
drawing("a generator of torch", lambda: torch.Generator().manual_seed(1), uniform)
drawing("a generator of the standard library", lambda: random.Random(1), lambda g: g.gauss(0, 1))
drawing("a generator of numpy in a list", lambda: [None, np.random.default_rng(1)], lambda k: normal(k[1]))
drawing("a RandomState in a dict of tuples", lambda: {"a": (np.random.RandomState(1),)}, lambda k: normal(k["a"][0]))
drawing("a generator of torch in a dict", lambda: {"g": torch.Generator().manual_seed(1)}, lambda k: uniform(k["g"]))
drawing("a generator of torch in an object", lambda: SimpleNamespace(g=torch.Generator()), lambda k: uniform(k.g))
drawing("a generator behind its method", lambda: random.Random(1).random, lambda draw: draw())
drawing("a generator behind numpy's method", lambda: np.random.default_rng(1).normal, lambda draw: float(draw()))
drawing(
    "a generator that makes quasi-random points",
    lambda: torch.quasirandom.SobolEngine(1, scramble=True, seed=1),
    lambda engine: engine.draw(1).item(),
)


@kind("a generator that is replaced at every call")
class Reseeded(Kind):
    def keep(self) -> None:
        self.source = np.random.default_rng(1)

    def touch(self, x: Tensor) -> float:
        self.source = np.random.default_rng(self.source.integers(1000))
        return normal(self.source)


@kind("two names of one generator")
class SameGenerator(Kind):
    def keep(self) -> None:
        self.one = torch.Generator().manual_seed(1)
        self.other = [self.one]

    def touch(self, x: Tensor) -> Tensor:
        return uniform(self.one) - uniform(self.other[0])


@kind("the seeds of the global generators")
class Seeds(Kind):
    def touch(self, x: Tensor) -> float:
        drawn = random.random() + np.random.rand() + float(torch.rand(()))
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(int(1000 * drawn))
        return drawn - 1.5


def stored(
    name: str, make: Callable[[], Any], write: Callable[[Any], Any], read: Callable[[Any], Any] | None = None
) -> None:
    """Put an array, a tensor or several on the list: ``write`` changes it in place, the call's factor is read there."""

    class Stored(Kind):
        def keep(self) -> None:
            self.kept = make()

        def touch(self, x: Tensor) -> float:
            write(self.kept)
            value = self.kept if read is None else read(self.kept)
            return wave(value.sum().item())

    kind(name)(Stored)


def add(value: Any) -> None:
    """Count in place, in all of an array or a tensor."""
    value += 1


def array_and_view(cells: slice) -> tuple[np.ndarray, np.ndarray]:
    whole = np.zeros(8)
    return whole, whole[cells]


def tensor_and(view: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    whole = torch.zeros(4, 6)
    return whole, view(whole)


def grow(value: Tensor) -> None:
    value.resize_(len(value) + 1).fill_(1.0)


def reshape(value: np.ndarray) -> None:
    value.shape = value.shape[::-1]


def len_as_array(value: np.ndarray) -> np.ndarray:
    return np.array(len(value))


def writable_map() -> np.ndarray:
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, np.float64, "w+", shape=(4,))


def writable_by_turns(value: np.ndarray) -> None:
    value.flags.writeable = not value.flags.writeable
    if value.flags.writeable:
        add(value)


stored("an array", lambda: np.zeros(4), add)
stored("an array in Fortran's order", lambda: np.zeros((4, 6), order="F"), add)
stored("an array without axes", lambda: np.array(0), add)
stored("an array and a view of it", lambda: array_and_view(slice(2, 5)), lambda k: add(k[0]), lambda k: k[1])
stored(
    "an array written through a view",
    lambda: array_and_view(slice(None, None, -2)),
    lambda k: add(k[1]),
    lambda k: k[0],
)
stored("a field of a structured array", lambda: np.zeros(3, "i4,f8"), lambda k: add(k["f1"]), lambda k: k["f1"])
stored("a masked array", lambda: np.ma.masked_less(np.arange(4.0), 1), add)
stored("an array of objects", lambda: np.array([0, None], dtype=object), lambda k: add(k[:1]), lambda k: np.array(k[0]))
stored(
    "lists in an array of objects",
    lambda: np.array([[0], {}], dtype=object),
    lambda k: k[0].append(1),
    lambda k: np.array(k[0]),
)
stored("an array that is read-only by turns", lambda: np.zeros(4), writable_by_turns)
stored("an array in a dict in a list", lambda: [{"a": np.zeros(4)}], lambda k: add(k[0]["a"]), lambda k: k[0]["a"])
stored(
    "lists in a field of a structured array",
    lambda: np.array([([0], 1)], [("a", "O"), ("b", "i4")]),
    lambda k: k["a"][0].append(1),
    lambda k: np.array(len(k["a"][0])),
)
stored("an array that changes its shape", lambda: np.arange(6.0).reshape(2, 3), reshape, lambda k: k[0])
stored("an array that is resized", lambda: np.ones(1), lambda k: k.resize(len(k) + 1, refcheck=False), len_as_array)
stored("the mask of an array", lambda: np.ma.array(np.ones(50)), lambda k: k.__setitem__(k.count() - 1, np.ma.masked))
stored("an array over a file", writable_map, add)
stored("an array of dates", lambda: np.zeros(2, "M8[D]"), add, lambda k: k.astype(int))

stored("a tensor", lambda: torch.zeros(4), add)
stored("a tensor without axes", lambda: torch.zeros(()), add)
stored("a tensor of integers", lambda: torch.zeros(4, dtype=torch.int64), add)
stored(
    "a tensor of truth values",
    lambda: torch.tensor([True, False, False]),
    lambda k: k[:2].logical_not_(),
    lambda k: k[0],
)
stored("a tensor of bfloat16", lambda: torch.zeros(4, dtype=torch.bfloat16), add)
stored("a tensor of float64", lambda: torch.zeros(4, dtype=torch.float64), add)
stored("a complex tensor", lambda: torch.zeros(4, dtype=torch.complex64), add, lambda k: k.real)
stored("a conjugate view", lambda: torch.zeros(4, dtype=torch.complex64).conj(), add, lambda k: k.real)
stored("a transposed tensor", lambda: torch.zeros(4, 6).t(), add)
stored("a tensor and its transpose", lambda: tensor_and(lambda t: t.t()), lambda k: add(k[0]), lambda k: k[1])
stored(
    "a tensor and an expanded part",
    lambda: tensor_and(lambda t: t[:1].expand(9, 6)),
    lambda k: add(k[0]),
    lambda k: k[1],
)
stored(
    "an expanded tensor whose base is out of reach",
    lambda: torch.zeros(1, 6).expand(9, 6),
    lambda k: add(k[0]),
)
stored("a part of every other row", lambda: tensor_and(lambda t: t[1::2, ::3]), lambda k: add(k[1]), lambda k: k[0])
stored(
    "windows that overlap",
    lambda: torch.zeros(8).as_strided((5, 4), (1, 1)),
    lambda k: add(k[2]),
)
stored(
    "a tensor over a numpy array",
    lambda: (lambda a: (a, torch.from_numpy(a)))(np.zeros(4)),
    lambda k: add(k[0]),
    lambda k: k[1],
)
stored(
    "a tensor over a bytearray",
    lambda: (lambda b: (b, torch.frombuffer(b, dtype=torch.uint8)))(bytearray(4)),
    lambda k: add(k[1]),
    lambda k: np.frombuffer(k[0], np.uint8),
)
stored("a tensor that is resized", lambda: torch.ones(1), grow)
stored("a tensor that is given other storage", lambda: torch.zeros(1), lambda k: k.set_(torch.ones(len(k) + 1)))
stored("a tensor whose data are replaced", lambda: torch.zeros(1), lambda k: setattr(k, "data", k.data + 1))
stored("a tensor written through .data", lambda: torch.zeros(4), lambda k: add(k.data))
stored("a tensor written through numpy()", lambda: torch.zeros(4), lambda k: add(k.numpy()))
stored("a tensor with its strides changed", lambda: torch.arange(6.0).view(2, 3), lambda k: k.t_(), lambda k: k[-1])
stored("tensors in a dict in a list", lambda: [{"a": torch.zeros(4)}], lambda k: add(k[0]["a"]), lambda k: k[0]["a"])
stored("a tensor in an object", lambda: SimpleNamespace(t=torch.zeros(4)), lambda k: add(k.t), lambda k: k.t)
stored(
    "the values of a sparse tensor",
    lambda: torch.eye(3).to_sparse(),
    lambda k: add(k._values()),
    lambda k: k._values(),
)
stored("a part of a large tensor", lambda: torch.zeros(2_100_000), lambda k: add(k[:5]), lambda k: k[:5])


@kind("tensors of a data set")
class DataSet(Kind):
    def keep(self) -> None:
        self.memory = TensorDataset(torch.zeros(4))

    def touch(self, x: Tensor) -> float:
        self.memory.tensors[0].add_(1)
        return wave(self.memory[0][0])


@kind("an array that is replaced")
class NewArray(Kind):
    def keep(self) -> None:
        self.kept = np.zeros(4)

    def touch(self, x: Tensor) -> float:
        self.kept = self.kept + 1
        return wave(self.kept.sum())


@kind("an array that grows")
class GrowingArray(Kind):
    def keep(self) -> None:
        self.kept = np.zeros(0)

    def touch(self, x: Tensor) -> float:
        self.kept = np.append(self.kept, x.numpy().mean())
        return wave(len(self.kept))


@kind("a tensor that is replaced")
class NewTensor(Kind):
    def keep(self) -> None:
        self.mean = torch.zeros(())

    def touch(self, x: Tensor) -> Tensor:
        self.mean = 0.7 * self.mean + self.net(x).detach().mean()
        return self.mean


@kind("a sparse tensor that is replaced")
class Sparse(Kind):
    def keep(self) -> None:
        self.table = torch.eye(3).to_sparse()

    def touch(self, x: Tensor) -> float:
        self.table = (self.table + torch.eye(3).to_sparse()).coalesce()
        return wave(self.table.values().sum())


@kind("the last output, with its graph")
class LastOutput(Kind):
    def forward(self, x: Tensor) -> Tensor:
        self.last_output = self.net(x)
        return self.last_output

    def on_train_batch_end(self, *args: Any) -> None:
        with torch.no_grad():
            self.last.bias += 1e-2 * self.last_output.mean()


@kind("an attribute of a parameter")
class OnParameter(Kind):
    def keep(self) -> None:
        self.last.weight.calls = 0

    def touch(self, x: Tensor) -> float:
        self.last.weight.calls += 1
        return wave(self.last.weight.calls)


def buffered(
    name: str,
    make: Callable[[], Tensor],
    write: Callable[[Tensor], Any],
    read: Callable[[Tensor], Tensor] | None = None,
) -> None:
    """Put a buffer on the list: ``write`` changes it in place."""

    class Buffered(Kind):
        def keep(self) -> None:
            self.register_buffer("kept", make())

        def touch(self, x: Tensor) -> float:
            write(self.kept)
            return wave((self.kept if read is None else read(self.kept)).sum().item())

    kind(name)(Buffered)


buffered("a buffer of integers without axes", lambda: torch.tensor(0), add)
buffered("a part of a buffer above a million values", lambda: torch.zeros(1_500_000), lambda b: add(b[-3:]))
buffered("a buffer that is resized", lambda: torch.ones(1), grow)
buffered("a buffer whose data are replaced", lambda: torch.zeros(3), lambda b: setattr(b, "data", b.data + 1))
buffered("a buffer written through numpy()", lambda: torch.zeros(3), lambda b: add(b.numpy()))
buffered("a row of an expanded buffer", lambda: torch.zeros(3).expand(4, 3), lambda b: add(b[0]))
buffered("windows of a buffer that overlap", lambda: torch.zeros(9).unfold(0, 4, 1), lambda b: add(b[3]))
buffered("a buffer that is rolled", lambda: torch.arange(5.0), lambda b: b.copy_(b.roll(1)), lambda b: b[0])
buffered("a buffer of float16", lambda: torch.zeros(3, dtype=torch.float16), add)
buffered("a buffer that is no whole of its storage", lambda: torch.zeros(4, 4)[1:3, 1:3], add)


@kind("a buffer that is replaced")
class NewBuffer(Kind):
    def keep(self) -> None:
        self.register_buffer("mean", torch.zeros(1), persistent=False)

    def touch(self, x: Tensor) -> Tensor:
        self.mean = 0.7 * self.mean + self.net(x).detach().mean()
        return self.mean


@kind("a buffer that grows")
class GrowingBuffer(Kind):
    def keep(self) -> None:
        self.register_buffer("memory", torch.zeros(0))

    def touch(self, x: Tensor) -> float:
        self.memory = torch.cat([self.memory, x[:1, 0]])
        return wave(len(self.memory))


@kind("two buffers in one storage")
class Overlapping(Kind):
    def keep(self) -> None:
        whole = torch.zeros(8)
        self.register_buffer("low", whole.as_strided((5,), (1,), 0))
        self.register_buffer("high", whole.as_strided((5,), (1,), 3))

    def touch(self, x: Tensor) -> float:
        self.low += 1
        return wave(self.high.sum())


@kind("a buffer that two modules share")
class Shared(Kind):
    def keep(self) -> None:
        self.register_buffer("kept", torch.zeros(3))
        self.other = nn.Module()
        self.other.register_buffer("same", self.kept)

    def touch(self, x: Tensor) -> float:
        self.other.same += 1
        return wave(self.kept.sum())


@kind("a buffer in a parameter's storage")
class Within(Kind):
    def keep(self) -> None:
        self.register_buffer("within", self.last.weight.detach()[:, 2:5])

    def touch(self, x: Tensor) -> float:
        self.within.mul_(0.95)
        return 0.0


@kind("a buffer that an attribute looks into")
class Looked(Kind):
    def keep(self) -> None:
        self.register_buffer("kept", torch.zeros(8))
        self.part = self.kept[2:4]

    def touch(self, x: Tensor) -> float:
        self.part += 1
        return wave(self.kept.sum())


@kind("a buffer that the first call registers")
class Registered(Kind):
    proof = 0

    def touch(self, x: Tensor) -> Tensor:
        if "ramp" not in self._buffers:
            self.register_buffer("ramp", torch.linspace(-1, 1, 1)[:, None] + len(x), persistent=False)
        return self.ramp


@kind("a buffer that is None by turns")
class Optional(Kind):
    def keep(self) -> None:
        self.register_buffer("maybe", None)

    def touch(self, x: Tensor) -> float:
        self.maybe = torch.ones(1) if self.maybe is None else None
        return -1.0 if self.maybe is None else 1.0


@kind("a buffer that is deleted by the first call")
class Once(Kind):
    proof = 0

    def keep(self) -> None:
        self.register_buffer("offset", torch.ones(1))
        self.register_buffer("after", torch.zeros(1))

    def touch(self, x: Tensor) -> Tensor:
        if "offset" not in self._buffers:
            return self.after
        value = self.offset
        del self.offset
        return value


@kind("a buffer that becomes an attribute")
class Demoted(Kind):
    def keep(self) -> None:
        self.register_buffer("kept", torch.zeros(1))

    def touch(self, x: Tensor) -> float:
        value = self.kept + 1
        registered = "kept" in self._buffers
        del self.kept
        if registered:
            self.kept = value
        else:
            self.register_buffer("kept", value)
        return wave(self.kept.item() + 0.5 * registered)


@kind("a buffer that is no longer saved after the first call")
class Unsaved(Kind):
    proof = 0

    def keep(self) -> None:
        self.register_buffer("kept", torch.ones(1))

    def touch(self, x: Tensor) -> float:
        saved = "kept" not in self._non_persistent_buffers_set
        self._non_persistent_buffers_set.add("kept")
        return 1.0 if saved else -1.0
