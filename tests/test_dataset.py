"""Reading a dataset draws from nobody's generator, and refuses what holds no pairs of numbers."""

from __future__ import annotations

import random
from collections import namedtuple
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import ConcatDataset, DataLoader, Dataset, StackDataset, Subset, TensorDataset

from lightning_seqfit import Probe
from lightning_seqfit.probe.dataset import read_pairs

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
        (lambda i: (torch.zeros(3, 28, 28), Y[i]), r"item 0 has a point of shape \(3, 28, 28\)"),
        (lambda i: (X[i], torch.zeros(0)), r"item 0 has a value of shape \(0,\)"),
        (lambda i: (X[i], "high"), r"item 0 has a value of shape \(\)"),
        (lambda i: (X[i], Y[i] * 1j), "item 0 is complex"),
        (lambda i: (X[i], np.ma.masked), "item 0 has a value"),
    ],
    ids=["dict", "triple", "point only", "number", "text", "image", "no value", "a word", "complex", "masked"],
)
def test_items_that_are_no_pairs_of_numbers_are_refused_with_what_they_are(make: Any, words: str) -> None:
    with pytest.raises(
        TypeError, match=rf"Items does not hold pairs of a point and a value: {words}.*use Probe\.points\("
    ):
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
    with pytest.raises(ValueError, match=r"1,000,000 points.*at most 200,000, such as max_points=200000"):
        Probe.from_dataset(dataset)
    assert dataset.read == 0


def test_points_of_several_numbers_and_values_of_several_are_read_as_they_are() -> None:
    points, values = torch.rand(40, 3), torch.rand(40, 2)
    read = read_pairs(TensorDataset(points, values))
    np.testing.assert_array_equal(read[0], points.numpy())
    np.testing.assert_array_equal(read[1], values.numpy())
    columns = read_pairs(Items(lambda i: (points[i][None], values[i, :1, None]), size=40))
    np.testing.assert_array_equal(columns[0], points.numpy())
    np.testing.assert_array_equal(columns[1], values[:, 0].numpy())


def test_items_that_differ_in_size_are_named() -> None:
    dataset = Items(lambda i: (torch.zeros(2 if i < 5 else 3), Y[i]))
    with pytest.raises(TypeError, match=r"item 5 of Items has a point of 3 numbers, item 0 one of 2: give items that"):
        Probe.from_dataset(dataset)


def test_fewer_items_along_a_line_are_every_kth_and_the_others_are_not_read() -> None:
    dataset = Items(lambda i: (float(i), 2.0 * i), size=1_000_000)
    points, values = read_pairs(dataset, max_points=1000)
    np.testing.assert_array_equal(points, np.arange(0, 1_000_000, 1000))
    np.testing.assert_array_equal(values, 2 * points)
    assert dataset.read <= 1001


def test_fewer_items_in_the_plane_are_drawn_at_random_without_a_draw_from_the_users_generators(seeded: int) -> None:
    expected = [noisy() for _ in range(3)]
    random.seed(seeded)
    np.random.seed(seeded)
    torch.manual_seed(seeded)
    dataset = Items(lambda i: ((float(i % 100), float(i // 100)), float(i)), size=10_000)
    points, values = read_pairs(dataset, max_points=500)
    again, _ = read_pairs(dataset, max_points=500)
    np.testing.assert_array_equal(points, again)
    assert np.all(np.diff(values) > 0)
    assert len(values) == 500
    assert len(np.unique(points[:, 0])) > 80  # no columns are favoured
    assert [noisy() for _ in range(3)] == expected


@pytest.mark.parametrize("max_points", [0, 2.5, "all", 300_000])
def test_a_number_of_points_that_cannot_be_is_refused(max_points: Any) -> None:
    with pytest.raises(ValueError, match=r"max_points=.*: give a whole number from 1 to 200,000, or leave it out"):
        Probe.from_dataset(TensorDataset(X, Y), max_points=max_points)


def test_a_loader_is_refused_for_its_dataset() -> None:
    with pytest.raises(TypeError, match=r"DataLoader gives batches.*pass its dataset"):
        Probe.from_dataset(DataLoader(TensorDataset(X, Y)))


def test_nothing_to_look_at_is_said() -> None:
    with pytest.raises(ValueError, match="Items has no items"):
        Probe.from_dataset(Items(None, size=0))
