"""Reading a dataset draws from nobody's generator, and refuses what holds no pairs of numbers."""

from __future__ import annotations

import random
from collections import namedtuple
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, Dataset, StackDataset, Subset, TensorDataset

from lightning_seqfit import Probe

X = torch.linspace(0, 1, 32)[:, None]
Y = torch.sin(6 * torch.pi * X)


class Items(Dataset[Any]):
    """Items as a function makes them of a number."""

    def __init__(self, make: Any, size: int = 32, **held: Any) -> None:
        self.make, self.size, self.read = make, size, 0
        self.__dict__ |= held

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, number: int) -> Any:
        if number >= self.size:
            raise IndexError(number)
        self.read += 1
        return self.make(number)


def noisy() -> float:
    return random.random() + float(np.random.rand()) + float(torch.rand(()))


def test_no_draw_is_taken_from_the_users_generators(seeded: int) -> None:
    expected = [noisy() for _ in range(3)]
    random.seed(seeded)
    np.random.seed(seeded)
    torch.manual_seed(seeded)
    dataset = Items(lambda i: (X[i], Y[i] + 0.01 * noisy()))
    values = np.asarray(Probe.from_dataset(dataset).target)
    assert np.abs(values - Y[:, 0].numpy()).min() > 0  # it did draw
    assert dataset.read == 32  # its counter is its own
    assert [noisy() for _ in range(3)] == expected


def torch_draws(generator: Any) -> float:
    return float(torch.rand((), generator=generator))


GENERATORS: dict[str, Any] = {
    "numpy": (lambda: np.random.default_rng(5), lambda g: float(g.random())),
    "numpy, old": (lambda: np.random.RandomState(5), lambda g: float(g.rand())),
    "torch": (lambda: torch.Generator().manual_seed(5), torch_draws),
    "python": (lambda: random.Random(5), lambda g: g.random()),
}
PLACES: dict[str, Any] = {
    "attribute": lambda g, draw: Items(lambda i: (X[i], draw(g)), held=g),
    "list in a dict": lambda g, draw: Items(lambda i: (X[i], draw(g)), held={"all": [0, (g,)]}),
    "closure": lambda g, draw: Items(lambda i: (X[i], draw(g))),
    "partial": lambda g, draw: Items(partial(lambda g, i: (X[i], draw(g)), g)),
    "default": lambda g, draw: Items(lambda i, g=g: (X[i], draw(g))),
    "subset": lambda g, draw: Subset(Items(lambda i: (X[i], draw(g)), held=g), range(16)),
    "concatenation": lambda g, draw: ConcatDataset([Items(lambda i: (X[i], draw(g)), held=g)]),
    "object's object": lambda g, draw: Items(lambda i: (X[i], draw(g)), held=Items(None, held=g)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", GENERATORS)
def test_no_draw_is_taken_from_generators_that_the_dataset_holds(kind: str, place: str) -> None:
    make, draw = GENERATORS[kind]
    generator, twin = make(), make()
    probe = Probe.from_dataset(PLACES[place](generator, draw))
    assert np.ptp(np.asarray(probe.target)) > 0  # it did draw
    assert draw(generator) == draw(twin)


def test_a_dataset_that_holds_itself_is_read() -> None:
    dataset = Items(lambda i: (X[i], Y[i]))
    dataset.me = [dataset]  # type: ignore[attr-defined]
    np.testing.assert_allclose(np.asarray(Probe.from_dataset(dataset).target), Y[:, 0])


Pair = namedtuple("Pair", ["point", "value"])


@pytest.mark.parametrize(
    "make",
    [
        lambda i: (X[i], Y[i]),
        lambda i: [X[i, 0], Y[i, 0]],
        lambda i: (float(X[i]), float(Y[i])),
        lambda i: (X[i].numpy(), Y[i].numpy()),
        lambda i: (X[i : i + 1], Y[i : i + 1]),
        lambda i: (np.float32(X[i, 0]), np.float64(Y[i, 0])),
        lambda i: Pair(X[i], Y[i]),
        lambda i: (X[i].clone().requires_grad_(), Y[i].to_sparse()),
        lambda i: np.array([X[i, 0], Y[i, 0]]),
    ],
    ids=["tuple", "list", "floats", "arrays", "columns", "numpy's numbers", "named", "grad and sparse", "one array"],
)
def test_pairs_of_one_number_each_are_read_whatever_holds_them(make: Any) -> None:
    probe = Probe.from_dataset(Items(make))
    np.testing.assert_allclose(probe.geometry.points, X.numpy(), rtol=1e-6)
    np.testing.assert_allclose(np.asarray(probe.target), Y[:, 0].numpy(), rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda i: {"x": X[i], "y": Y[i]}, r"item 0 is a dict with keys \['x', 'y'\]"),
        (lambda i: (X[i], Y[i], i), "item 0 is tuple of 3"),
        (lambda i: X[i], "item 0 is Tensor of 1"),
        (lambda i: float(X[i]), "item 0 is float"),
        (lambda i: "ab", "item 0 is str"),
        (lambda i: (X[:2, 0], Y[i]), r"item 0 has a point of shape \(2,\)"),
        (lambda i: (X[i], Y[:3, 0]), r"item 0 has a value of shape \(3,\)"),
        (lambda i: (X[i], "high"), r"item 0 has a value of shape \(\)"),
        (lambda i: (X[i], Y[i] * 1j), "item 0 is complex"),
        (lambda i: (X[i], np.ma.masked), "item 0 has a value"),
    ],
    ids=["dict", "triple", "point only", "number", "text", "two axes", "three values", "a word", "complex", "masked"],
)
def test_items_that_are_no_pairs_of_numbers_are_refused_with_what_they_are(make: Any, words: str) -> None:
    with pytest.raises(TypeError, match=rf"Items does not hold pairs of one number each: {words}.*use Probe\.points\("):
        Probe.from_dataset(Items(make))


def test_a_stack_of_named_columns_is_refused_since_nobody_says_which_is_the_point() -> None:
    with pytest.raises(TypeError, match=r"is a dict with keys \['u', 'x'\]"):
        Probe.from_dataset(StackDataset(x=TensorDataset(X), u=TensorDataset(Y)))


def test_an_item_that_cannot_be_read_is_named_with_its_error() -> None:
    def make(number: int) -> Any:
        if number == 7:
            raise OSError("no such file")
        return X[number], Y[number]

    with pytest.raises(RuntimeError, match=r"item 7 of Items raised OSError: no such file: mend the dataset, or use"):
        Probe.from_dataset(Items(make))


def test_a_stream_is_refused() -> None:
    with pytest.raises(TypeError, match=r"generator has no length.*use Probe\.points"):
        Probe.from_dataset(pair for pair in zip(X, Y, strict=True))


def test_too_many_items_are_refused_unread_with_how_to_thin_them() -> None:
    dataset = Items(lambda i: (i, 0.0), size=1_000_000)
    with pytest.raises(
        ValueError, match=r"1,000,000 points.*at most 200,000.*Subset\(dataset, range\(0, 1000000, 5\)\)"
    ):
        Probe.from_dataset(dataset)
    assert dataset.read == 0
