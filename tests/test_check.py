"""`Probe.check` names what an evaluation leaves behind, and nothing else.

The oracle: what the module was written to do.
"""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe

CALLS = 0
SEEN: list[float] = []
CACHE: dict[str, Any] = {"shape": None}


class Module(nn.Module):
    """Does something beside its work in each forward pass."""

    def __init__(self, beside: Callable[[Any, Tensor], None]) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.calls = 0
        self.numbers = itertools.count()
        self.rows = (number for number in range(10**6))
        self.local = threading.local()
        self.beside = beside

    def forward(self, x: Tensor) -> Tensor:
        self.beside(self, x)
        return self.layer(x)


def count_globally(module: Module, x: Tensor) -> None:
    global CALLS
    CALLS += 1


def append_globally(module: Module, x: Tensor) -> None:
    SEEN.append(float(x[0]))


def cache_globally(module: Module, x: Tensor) -> None:
    CACHE["shape"] = tuple(x.shape)


def helped(module: Module, x: Tensor) -> None:
    count_globally(module, x)


def closed() -> Callable[[Module, Tensor], None]:
    kept = {"calls": 0}

    def count(module: Module, x: Tensor) -> None:
        kept["calls"] += 1

    return count


def step(module: Module, x: Tensor) -> None:
    next(module.numbers)


def advance(module: Module, x: Tensor) -> None:
    next(module.rows)


FOUND: dict[str, tuple[Callable[[Module, Tensor], None], str]] = {
    "a global number": (count_globally, r"module\.beside's global CALLS: \d+ -> \d+"),
    "a global list": (append_globally, r"module\.beside's global SEEN: list of \d+ -> list of \d+"),
    "a global dict": (cache_globally, r"module\.beside's global CACHE\['shape'\]: None -> tuple of 2"),
    "a global of a function that is called": (helped, r"global count_globally's global CALLS: \d+ -> \d+"),
    "a closure": (closed(), r"module\.beside's variable kept\['calls'\]: 0 -> 2"),
    "an iterator": (step, r"module\.numbers: count\(0\) -> count\(2\)"),
    "a generator function": (advance, r"module\.rows's number: nothing -> 1"),
}


def probe(**options: Any) -> Probe:
    return Probe.grid([(0.0, 1.0)], target=0.0, resolution=32, **options)


@pytest.mark.parametrize("name", FOUND)
def test_what_cannot_be_undone_is_named(name: str) -> None:
    beside, words = FOUND[name]
    CACHE["shape"] = None
    found = probe().check(Module(beside))
    assert len([line for line in found if re.search(words, line)]) == 1, found


def change_weights(module: Module, x: Tensor) -> None:
    with torch.no_grad():
        module.layer.weight += 1.0


def change_everything(module: Module, x: Tensor) -> None:
    module.calls += 1
    module.layer.bias.data = torch.ones(1)
    module.register_buffer("made", x.mean())
    np.random.rand()
    torch.rand(())


@pytest.mark.parametrize("beside", [lambda m, x: None, change_weights, change_everything])
def test_nothing_is_named_where_everything_is_undone(beside: Callable[[Module, Tensor], None]) -> None:
    assert probe().check(Module(beside)) == ()


def test_a_prediction_that_is_another_the_second_time_is_named() -> None:
    def moving(module: nn.Module, x: Tensor) -> Tensor:
        count_globally(module, x)  # type: ignore[arg-type]
        return x[:, 0] + 0.5 * CALLS

    assert any("two evaluations differ by up to 0.5" in line for line in probe(predict=moving).check(nn.Linear(1, 1)))


def test_the_module_is_left_alone() -> None:
    module = Module(lambda m, x: None)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    probe().check(module)
    assert module.training
    assert module.layer.weight.grad is None
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


class Odd:
    """An object that cannot be printed."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class OddNumber(int):
    __repr__ = Odd.__repr__  # type: ignore[assignment]


class Counted:
    """An object that is another each time that it is printed."""

    printed = 0

    def __repr__(self) -> str:
        Counted.printed += 1
        return f"{self.printed} times"


HOLDS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda odd: odd,
    "in a list": lambda odd: [odd],
    "as a key": lambda odd: {odd: 1, (odd, 1): 2},
    "in a set": lambda odd: {odd},
    "in an array": lambda odd: np.array([odd, None], dtype=object),
    "in a closure": lambda odd: lambda: odd,
}


@pytest.mark.parametrize("odd", [Odd, lambda: OddNumber(3), Counted], ids=["odd", "number", "counted"])
@pytest.mark.parametrize("holds", HOLDS)
def test_an_object_with_an_odd_repr_is_no_obstacle_and_no_difference(holds: str, odd: Callable[[], Any]) -> None:
    module = Module(step)
    module.held = HOLDS[holds](odd())  # type: ignore[assignment]
    assert probe().check(module) == ("module.numbers: count(0) -> count(2)",)
