"""What a module keeps in Python's own values, containers and objects, and in those of its classes."""

from __future__ import annotations

import array
import collections
import dataclasses
import enum
import functools
import heapq
import itertools
import queue
import threading
from collections.abc import Callable, Iterator
from types import MappingProxyType, SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from tests.attach.kinds.base import Kind, kind, wave


def indexed(name: str, make: Callable[[], Any], key: Any = 0) -> None:
    """Put a container on the list, one of whose items counts the calls."""

    class Indexed(Kind):
        def keep(self) -> None:
            self.kept = make()

        def touch(self, x: Tensor) -> float:
            self.kept[key] = self.kept[key] + 1
            return wave(self.kept[key])

    kind(name)(Indexed)


def attributed(name: str, make: Callable[[], Any], path: str = "n") -> None:
    """Put an object on the list, one of whose attributes counts the calls."""

    class Attributed(Kind):
        def keep(self) -> None:
            self.kept = make()

        def touch(self, x: Tensor) -> float:
            *parents, last = path.split(".")
            owner = functools.reduce(getattr, parents, self.kept)
            setattr(owner, last, getattr(owner, last) + 1)
            return wave(getattr(owner, last))

    kind(name)(Attributed)


class Mapping(dict[str, int]):
    """A dict with an attribute."""


class Listed(list[int]):
    """A list with an attribute."""

    n = 0


class Helper:
    n = 0

    def bump(self) -> int:
        self.n += 1
        return self.n


class Slotted:
    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class SlottedChild(Slotted):
    """Slots in its base and a dict of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.more = 1


class LateSlot:
    """A slot that is empty until the first call."""

    __slots__ = ("__weakref__", "n")


class Stubborn:
    """Can neither be copied, compared, hashed nor pickled."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.n = 0

    def __eq__(self, other: object) -> bool:
        raise AssertionError("was compared")

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise AssertionError("was copied or pickled")

    def __bool__(self) -> bool:
        raise AssertionError("was asked whether it is true")


@dataclasses.dataclass
class Record:
    n: int = 0
    inner: Helper = dataclasses.field(default_factory=Helper)


@dataclasses.dataclass(frozen=True)
class Frozen:
    counts: list[int] = dataclasses.field(default_factory=lambda: [0])


class Pair(NamedTuple):
    name: str
    counts: list[int]


indexed("an item of a list", lambda: [3, 0, 5], 1)
indexed("an item of a dict", lambda: {"a": 1, "n": 0}, "n")
indexed("an item of a Counter", collections.Counter, "n")
indexed("an item of a defaultdict, made when it is first asked for", lambda: collections.defaultdict(int), "n")
indexed("an item of an OrderedDict", lambda: collections.OrderedDict(a=1, n=0), "n")
indexed("an item of a UserDict", lambda: collections.UserDict(n=0), "n")
indexed("an item of a UserList", lambda: collections.UserList([0]))
indexed("an item of a dict of a subclass", lambda: Mapping(n=0), "n")
indexed("an item of a list of a subclass", lambda: Listed([0]))
indexed("an item of a deque", lambda: collections.deque([0, 1]))
indexed("an item of a ChainMap", lambda: collections.ChainMap({}, {"n": 0}), "n")
indexed("an item of an array of the standard library", lambda: array.array("l", [0, 1]))
indexed("a byte of a bytearray", lambda: bytearray(4), 1)
indexed("an item under a key that is a tuple", lambda: {(1, "a"): 0}, (1, "a"))

attributed("an attribute of a plain object", Helper)
attributed("an attribute of a SimpleNamespace", lambda: SimpleNamespace(n=0))
attributed("an attribute of a dataclass", Record)
attributed("an attribute of an object in a dataclass", Record, "inner.n")
attributed("an attribute of a list", lambda: Listed([1]))
attributed("a slot", Slotted)
attributed("a slot of a base class", SlottedChild)
attributed("an attribute beside slots", SlottedChild, "more")
attributed("an attribute of an object that cannot be copied or compared", Stubborn)
attributed(
    "an object in an object in an object",
    lambda: SimpleNamespace(a=SimpleNamespace(b=SimpleNamespace(n=0))),
    "a.b.n",
)


@kind("an integer")
class Integer(Kind):
    def keep(self) -> None:
        self.n = 0

    def touch(self, x: Tensor) -> float:
        self.n += len(x)
        return wave(self.n)


@kind("a running minimum and maximum")
class Range(Kind):
    proof = 0

    def keep(self) -> None:
        self.low, self.high = float("inf"), -float("inf")

    def touch(self, x: Tensor) -> Tensor:
        y = self.net(x).detach()
        self.low, self.high = min(self.low, float(y.min())), max(self.high, float(y.max()))
        return self.high - self.low + x


@kind("an exponential average of the output")
class Average(Kind):
    def keep(self) -> None:
        self.mean = 0.0

    def touch(self, x: Tensor) -> float:
        self.mean = 0.9 * self.mean + 0.1 * float(self.net(x).detach().mean())
        return self.mean


@kind("a flag that is turned at every call")
class Flag(Kind):
    def keep(self) -> None:
        self.even = True

    def touch(self, x: Tensor) -> float:
        self.even = not self.even
        return 1.0 if self.even else -1.0


@kind("a flag that says that nothing was called yet")
class FirstCall(Kind):
    proof = 0

    def keep(self) -> None:
        self.begun = False

    def touch(self, x: Tensor) -> float:
        begun, self.begun = self.begun, True
        if not begun:
            with torch.no_grad():
                self.first.bias += 0.1 * x.mean()
        return 0.0


@kind("a string that grows")
class Text(Kind):
    def keep(self) -> None:
        self.text = ""

    def touch(self, x: Tensor) -> float:
        self.text += "abc"[len(self.text) % 3]
        return wave(len(self.text))


@kind("a tuple that is replaced")
class Tuple(Kind):
    def keep(self) -> None:
        self.kept = (0, "calls")

    def touch(self, x: Tensor) -> float:
        self.kept = (self.kept[0] + 1, "calls")
        return wave(self.kept[0])


@kind("a member of an Enum")
class Phase(Kind):
    Phases = enum.Enum("Phases", ["RISE", "HOLD", "FALL"])

    def keep(self) -> None:
        self.phase = self.Phases.RISE

    def touch(self, x: Tensor) -> float:
        self.phase = self.Phases(self.phase.value % 3 + 1)
        return wave(self.phase.value)


@kind("an attribute that is there only after the first call")
class Late(Kind):
    proof = 0

    def touch(self, x: Tensor) -> float:
        if not hasattr(self, "width"):
            self.width = len(x)
        return wave(self.width)


@kind("an attribute that is deleted and made again")
class Deleted(Kind):
    def keep(self) -> None:
        self.token = 1

    def touch(self, x: Tensor) -> float:
        if hasattr(self, "token"):
            del self.token
            return 1.0
        self.token = 1
        return -1.0


@kind("a container that becomes a number")
class Changing(Kind):
    def keep(self) -> None:
        self.kept: Any = [0]

    def touch(self, x: Tensor) -> float:
        self.kept = len(self.kept) if isinstance(self.kept, list) else [0] * (self.kept + 1)
        return wave(self.kept if isinstance(self.kept, int) else -len(self.kept))


@kind("a replay memory that grows")
class Replay(Kind):
    def keep(self) -> None:
        self.memory: list[Tensor] = []

    def touch(self, x: Tensor) -> Tensor:
        self.memory.append(x[:4].clone())
        return torch.cat(self.memory[-3:]).mean() + wave(len(self.memory))


@kind("a replay memory that is bounded")
class Bounded(Kind):
    def keep(self) -> None:
        self.memory: collections.deque[float] = collections.deque(maxlen=3)

    def touch(self, x: Tensor) -> float:
        self.memory.append(float(x.std()))
        return sum(self.memory) / len(self.memory) + wave(len(self.memory))


@kind("a deque that is rotated")
class Rotated(Kind):
    def keep(self) -> None:
        self.turns = collections.deque([-1.0, 0.0, 1.0])

    def touch(self, x: Tensor) -> float:
        self.turns.rotate()
        return self.turns[0]


@kind("the order of an OrderedDict")
class Recent(Kind):
    """The least recently used entry is the one that is read, as in a cache of bounded size."""

    def keep(self) -> None:
        self.entries = collections.OrderedDict((str(number), wave(number)) for number in range(3))

    def touch(self, x: Tensor) -> float:
        oldest = next(iter(self.entries))
        self.entries.move_to_end(oldest)
        return self.entries[oldest]


@kind("the order of a dict")
class Reinserted(Kind):
    def keep(self) -> None:
        self.entries = {str(number): wave(number) for number in range(3)}

    def touch(self, x: Tensor) -> float:
        oldest = next(iter(self.entries))
        self.entries[oldest] = self.entries.pop(oldest)
        return self.entries[oldest]


@kind("a set that grows")
class Seen(Kind):
    def keep(self) -> None:
        self.seen: set[int] = set()

    def touch(self, x: Tensor) -> float:
        self.seen.add(len(self.seen))
        return wave(len(self.seen))


@kind("a set that loses members")
class Remaining(Kind):
    def keep(self) -> None:
        self.remaining = set(range(1000))

    def touch(self, x: Tensor) -> float:
        self.remaining.discard(1000 - len(self.remaining))
        return wave(len(self.remaining))


@kind("a list that loses members")
class Popped(Kind):
    def keep(self) -> None:
        self.schedule = [wave(number) for number in range(100)]

    def touch(self, x: Tensor) -> float:
        return self.schedule.pop()


@kind("a heap")
class Heap(Kind):
    def keep(self) -> None:
        self.heap = [(number, str(number)) for number in range(4)]

    def touch(self, x: Tensor) -> float:
        due, name = heapq.heappop(self.heap)
        heapq.heappush(self.heap, (due + 3 + int(name), name))
        return wave(due)


@kind("a queue, which another thread may fill meanwhile", undone=False)
class Queued(Kind):
    def keep(self) -> None:
        self.waiting: queue.Queue[float] = queue.Queue()
        for number in range(3):
            self.waiting.put(wave(number))

    def touch(self, x: Tensor) -> float:
        value = self.waiting.get()
        self.waiting.put(value)
        return value


@kind("lists in dicts in lists")
class Nested(Kind):
    def keep(self) -> None:
        self.kept = [{"a": {"b": [{"n": [0]}]}}]

    def touch(self, x: Tensor) -> float:
        counts = self.kept[0]["a"]["b"][0]["n"]
        counts[0] += 1
        return wave(counts[0])


@kind("nested dicts of Counters that are made on demand")
class OnDemand(Kind):
    def keep(self) -> None:
        self.kept: Any = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))

    def touch(self, x: Tensor) -> float:
        counts = self.kept[str(x.dtype)][len(x) > 100]
        counts.update("xy")
        return wave(sum(c["x"] for table in self.kept.values() for c in table.values()))


@kind("a list in a tuple")
class InTuple(Kind):
    def keep(self) -> None:
        self.kept = (1, [0])

    def touch(self, x: Tensor) -> float:
        self.kept[1].append(0)
        return wave(len(self.kept[1]))


@kind("a list in a named tuple")
class InNamedTuple(Kind):
    def keep(self) -> None:
        self.kept = Pair("calls", [0])

    def touch(self, x: Tensor) -> float:
        self.kept.counts[0] += 1
        return wave(self.kept.counts[0])


@kind("a list in a frozen dataclass")
class InFrozen(Kind):
    def keep(self) -> None:
        self.kept = Frozen()

    def touch(self, x: Tensor) -> float:
        self.kept.counts[0] += 1
        return wave(self.kept.counts[0])


@kind("one list under two names")
class Aliased(Kind):
    def keep(self) -> None:
        self.one = [0]
        self.other = {"same": self.one}

    def touch(self, x: Tensor) -> float:
        self.one[0] += 1
        return wave(self.other["same"][0])


@kind("containers that hold each other")
class Cyclic(Kind):
    def keep(self) -> None:
        self.kept: dict[str, Any] = {"n": 0}
        self.kept["self"] = [self.kept, self]

    def touch(self, x: Tensor) -> float:
        self.kept["self"][0]["n"] += 1
        return wave(self.kept["n"])


@kind("objects in a list")
class Objects(Kind):
    def keep(self) -> None:
        self.helpers = [Helper(), Helper()]

    def touch(self, x: Tensor) -> float:
        return wave(self.helpers[1].bump())


@kind("a slot that is filled by the first call")
class Filled(Kind):
    proof = 0

    def keep(self) -> None:
        self.kept = LateSlot()

    def touch(self, x: Tensor) -> float:
        if not hasattr(self.kept, "n"):
            self.kept.n = len(x)
        return wave(self.kept.n)


@kind("an object behind a bound method")
class Bound(Kind):
    def keep(self) -> None:
        self.bump = Helper().bump

    def touch(self, x: Tensor) -> float:
        return wave(self.bump())


@kind("an object in a partial")
class Partial(Kind):
    def keep(self) -> None:
        self.bump = functools.partial(Helper.bump, Helper())

    def touch(self, x: Tensor) -> float:
        return wave(self.bump())


@kind("a list behind a read-only view of a dict")
class Proxied(Kind):
    def keep(self) -> None:
        self.kept = MappingProxyType({"calls": [0]})

    def touch(self, x: Tensor) -> float:
        self.kept["calls"][0] += 1
        return wave(self.kept["calls"][0])


@kind("a list that is a function's default")
class Default(Kind):
    def keep(self) -> None:
        def count(calls: list[int] = [0]) -> int:  # noqa: B006
            calls[0] += 1
            return calls[0]

        count.__defaults__[0][0] = 0  # type: ignore[index]
        self.count = count

    def touch(self, x: Tensor) -> float:
        return wave(self.count())


@kind("an object that refers to the module")
class Backward(Kind):
    def keep(self) -> None:
        self.helper = SimpleNamespace(module=self, n=0)

    def touch(self, x: Tensor) -> float:
        self.helper.module.helper.n += 1
        return wave(self.helper.n)


@kind("an attribute of the module's class")
class OnClass(Kind):
    calls: ClassVar = 0

    def keep(self) -> None:
        type(self).calls = 0

    def touch(self, x: Tensor) -> float:
        OnClass.calls += 1
        return wave(self.calls)


@kind("a dict of the module's class")
class ClassCache(Kind):
    proof = 0
    cache: ClassVar[dict[str, int]] = {}

    def keep(self) -> None:
        self.cache.clear()

    def touch(self, x: Tensor) -> float:
        return wave(self.cache.setdefault("first", len(x)))


@kind("an attribute that a class gets in the first call")
class ClassLate(Kind):
    proof = 0

    def keep(self) -> None:
        if "width" in ClassLate.__dict__:
            del ClassLate.width

    def touch(self, x: Tensor) -> float:
        if "width" not in ClassLate.__dict__:
            ClassLate.width = len(x)
        return wave(ClassLate.width)


class Counting(nn.Module):
    """A layer that counts in its class and in itself."""

    made: ClassVar[list[int]] = [0]

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.made[0] += 1
        return x * (1 + 0.05 * wave(self.calls))


@kind("a list of a submodule's class")
class LayerClass(Kind):
    def keep(self) -> None:
        self.layer = Counting()
        Counting.made[0] = 0

    def touch(self, x: Tensor) -> float:
        self.layer(x)
        return wave(Counting.made[0])


class Table:
    rows: ClassVar[list[int]] = [0]


@kind("a list of a helper's class")
class HelperClass(Kind):
    def keep(self) -> None:
        self.table = Table()
        Table.rows[0] = 0

    def touch(self, x: Tensor) -> float:
        self.table.rows[0] += 1
        return wave(Table.rows[0])


@kind("an integer of a submodule")
class InLayer(Kind):
    def keep(self) -> None:
        self.layer = Counting()

    def touch(self, x: Tensor) -> Tensor:
        return self.layer(x)


@kind("an integer of a submodule deep in containers of modules")
class InDeepLayer(Kind):
    def keep(self) -> None:
        self.layers = nn.ModuleDict({"a": nn.ModuleList([nn.Sequential(nn.Identity(), Counting())])})

    def touch(self, x: Tensor) -> Tensor:
        return self.layers["a"][0](x)


@kind("a module in a plain list")
class Unregistered(Kind):
    def keep(self) -> None:
        self.layers = [Counting()]

    def touch(self, x: Tensor) -> Tensor:
        return self.layers[0](x)


@kind("a module behind a helper object")
class Behind(Kind):
    def keep(self) -> None:
        self.helper = SimpleNamespace(layer=nn.Sequential(Counting()))

    def touch(self, x: Tensor) -> Tensor:
        return self.helper.layer(x)


@kind("hyperparameters")
class Hyper(Kind):
    def __init__(self, calls: int = 0) -> None:
        super().__init__()
        self.save_hyperparameters()

    def touch(self, x: Tensor) -> float:
        self.hparams.calls += 1
        return wave(self.hparams.calls)


@kind("a property with a setter")
class Property(Kind):
    def keep(self) -> None:
        self._level = 0

    @property
    def level(self) -> int:
        return self._level

    @level.setter
    def level(self, level: int) -> None:
        self._level = level % 5

    def touch(self, x: Tensor) -> float:
        self.level += 2
        return wave(self.level)


@kind("a property that counts how often it is read")
class Read(Kind):
    def keep(self) -> None:
        self.reads = 0

    @property
    def scale(self) -> float:
        self.reads += 1
        return wave(self.reads)

    def touch(self, x: Tensor) -> float:
        return self.scale


@kind("a cached property")
class Cached(Kind):
    proof = 0
    width = 0

    @functools.cached_property
    def scale(self) -> float:
        return wave(self.width)

    def touch(self, x: Tensor) -> float:
        self.width = len(x)
        return self.scale


@kind("what __setattr__ counts")
class CountsSet(Kind):
    def keep(self) -> None:
        self.__dict__["sets"] = 0
        self.value = 0.0

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "value":
            self.__dict__["sets"] += 1
        super().__setattr__(name, value)

    def touch(self, x: Tensor) -> float:
        self.value = wave(self.sets)
        return self.value


@kind("an attribute where __setattr__ refuses all others")
class RefusesSet(Kind):
    def keep(self) -> None:
        self.calls = 0
        self.__dict__["sealed"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self.__dict__.get("sealed") and name == "calls":
            raise AttributeError(f"{name} is frozen")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name} stays")

    def touch(self, x: Tensor) -> float:
        object.__setattr__(self, "calls", self.calls + 1)
        return wave(self.calls)


@kind("what __getattr__ and __delattr__ count")
class CountsGet(Kind):
    def keep(self) -> None:
        self.__dict__["asked"] = 0

    def __getattr__(self, name: str) -> Any:
        if name == "missing":
            self.__dict__["asked"] += 1
            return self.__dict__["asked"]
        return super().__getattr__(name)

    def __delattr__(self, name: str) -> None:
        self.__dict__["asked"] += 10
        super().__delattr__(name)

    def touch(self, x: Tensor) -> float:
        self.passing = 1
        del self.passing
        return wave(self.missing)


@kind("an attribute of the thread", undone=False)
class OfThread(Kind):
    def keep(self) -> None:
        self.kept = threading.local()
        self.kept.n = 0

    def touch(self, x: Tensor) -> float:
        self.kept.n += 1
        return wave(self.kept.n)


@kind("an iterator that counts", undone=False)
class Iterated(Kind):
    def keep(self) -> None:
        self.count = itertools.count()

    def touch(self, x: Tensor) -> float:
        return wave(next(self.count))


@kind("an iterator that goes round", undone=False)
class Cycled(Kind):
    def keep(self) -> None:
        self.turns = itertools.cycle([-1.0, 0.0, 1.0])

    def touch(self, x: Tensor) -> float:
        return next(self.turns)


@kind("a generator function's frame", undone=False)
class Frame(Kind):
    def keep(self) -> None:
        def count() -> Iterator[int]:
            number = 0
            while True:
                yield number
                number += 1

        self.count = count()

    def touch(self, x: Tensor) -> float:
        return wave(next(self.count))


_CALLS = [0]


@kind("a global variable", undone=False)
class Global(Kind):
    def keep(self) -> None:
        _CALLS[0] = 0

    def touch(self, x: Tensor) -> float:
        _CALLS[0] += 1
        return wave(_CALLS[0])
