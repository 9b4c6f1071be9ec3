"""The numbers of a look: each against a closed form, over histories that were chosen."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lightning_seqfit.diagnosis import Tally
from lightning_seqfit.diagnosis.signs import NUMBERS
from lightning_seqfit.watch.tensors import to_arrays, to_tensors

CELLS = np.array([0.5, np.nan, 1.0])
NAN = math.nan


def taken(*looks: dict[str, float], steps: list[int] | None = None, cells: list[Any] | None = None) -> list[Any]:
    """Numbers of each look of a run."""
    tally = Tally()
    steps = list(range(len(looks))) if steps is None else steps
    cells = [CELLS] * len(looks) if cells is None else cells
    return [tally.take(step, seen, np.asarray(each)) for step, seen, each in zip(steps, looks, cells, strict=True)]


def column(name: str, *looks: dict[str, float], **options: Any) -> Any:
    return pytest.approx([numbers[name] for numbers in taken(*looks, **options)], nan_ok=True)


def each(name: str, *values: float) -> list[dict[str, float]]:
    return [{name: value} for value in values]


def test_a_look_has_each_number_once() -> None:
    (numbers,) = taken({})
    assert numbers.keys() == set(NUMBERS)


@pytest.mark.parametrize("name", ["error", "mean_error", "rank_share"])
def test_medians_are_over_three_looks(name: str) -> None:
    assert column(name, *each(name, 1.0, 5.0, 2.0, 9.0, 3.0)) == [1.0, 3.0, 2.0, 5.0, 3.0]


@pytest.mark.parametrize("name", ["error", "mean_error", "rank_share"])
def test_a_look_at_which_it_is_not_known_leaves_the_median_as_it_was(name: str) -> None:
    assert column(name, *each(name, NAN, 1.0, NAN, 5.0, 2.0)) == [NAN, 1.0, 1.0, 3.0, 2.0]


def test_one_look_that_is_not_finite_is_an_outlier_and_two_are_none() -> None:
    inf = math.inf
    assert column("error", *each("error", 0.5, 0.4, inf, 0.3, inf, inf)) == [0.5, 0.45, 0.5, 0.4, inf, inf]


@pytest.mark.parametrize(
    "name", ["fitted", "sequentiality", "learning_rate", "median_laps", "constant_share", "update", "flatness"]
)
def test_other_numbers_are_those_of_the_look(name: str) -> None:
    assert column(name, *each(name, 1.0, 5.0, NAN, 2.0)) == [1.0, 5.0, NAN, 2.0]


def test_the_first_loss_comes_with_the_second_look_and_losses_are_over_it() -> None:
    looks = [{}, *each("loss", 8.0, 4.0, 2.0)]
    assert column("loss", *looks) == [NAN, 1.0, 0.75, 0.5]


def test_the_ratio_is_the_fall_of_the_loss_over_that_of_the_squared_error() -> None:
    """Errors 1, 1/2, 1/4, losses that fall as fast, and then a hundred times as far."""
    looks = [{"error": 2.0}, *({"error": 2.0 / 2**n, "loss": 3.0 / 4**n} for n in range(1, 4))]
    assert column("loss_ratio", *looks) == [NAN, 4.0, 4.0, 4.0]  # the first loss is of the second look
    looks += [{"error": 0.25, "loss": 3.0 / 6400}] * 2
    assert taken(*looks)[-1]["loss_ratio"] == pytest.approx(3.0 / 6400 / (3.0 / 4) * 64)


def test_the_projection_error_is_over_the_error_and_its_median_over_five_looks() -> None:
    looks = [{"error": 0.5, "projection_error": value} for value in (1.0, 9.0, 2.0, 8.0, 3.0, 7.0)]
    assert column("projection_ratio", *looks) == [2.0, 10.0, 4.0, 10.0, 6.0, 14.0]


@pytest.mark.parametrize("error", [0.0, NAN])
def test_a_ratio_that_says_nothing_is_not_known(error: float) -> None:
    (numbers,) = taken({"error": error, "projection_error": 1.0, "loss": 1.0})
    assert math.isnan(numbers["projection_ratio"])
    assert math.isnan(numbers["loss_ratio"])


def test_the_best_error_is_the_smallest_single_one_and_its_step_the_first_that_had_it() -> None:
    looks = each("error", NAN, 0.9, 0.5, 0.5, 0.2, 0.7)
    steps = [0, 10, 20, 30, 40, 50]
    assert column("best_error", *looks, steps=steps) == [NAN, 0.9, 0.5, 0.5, 0.2, 0.2]
    assert column("best_step", *looks, steps=steps) == [NAN, 10.0, 20.0, 20.0, 40.0, 40.0]


def test_the_highest_rate_is_the_highest_so_far() -> None:
    rates = each("learning_rate", NAN, 1e-4, 1e-3, NAN, 1e-5)
    assert column("highest_rate", *rates) == [NAN, 1e-4, 1e-3, 1e-3, 1e-3]


def test_the_path_is_the_sum_of_how_far_the_places_moved_and_quiet_ones_do_not_count() -> None:
    cells = [[1.0, NAN, 1.0], [0.5, NAN, 1.0], [1.0, NAN, 1.0], [0.0, NAN, 0.0]]
    assert column("path", *[{}] * 4, cells=cells) == [0.0, 0.25, 0.5, 1.5]


def test_a_place_that_nobody_knows_at_a_look_does_not_count_there() -> None:
    cells = [[1.0, 1.0], [NAN, 0.5], [0.0, 0.0]]
    assert column("path", *[{}] * 3, cells=cells) == [0.0, 0.5, 1.0]


@pytest.mark.parametrize("cells", [[[], []], [[NAN, NAN], [NAN, NAN]], [[1.0], [1.0, 0.0]]])
def test_without_a_place_to_compare_the_path_stands_still(cells: list[list[float]]) -> None:
    assert column("path", {}, {}, cells=cells) == [0.0, 0.0]


def test_looks_are_counted() -> None:
    assert column("looks", *[{}] * 3) == [1.0, 2.0, 3.0]


def test_what_was_first_is_of_the_first_look_alone_but_for_the_loss() -> None:
    tally = Tally()
    tally.take(0, {"error": 1.5, "constant_share": 0.25}, CELLS)
    tally.take(1, {"error": 0.5, "constant_share": 0.5, "rank_share": 0.9, "loss": 4.0}, CELLS)
    tally.take(2, {"loss": 2.0}, CELLS)
    assert dict(tally.first) == {"error": 1.5, "constant_share": 0.25, "loss": 4.0}


numbers = st.floats(0.0, 1e3) | st.just(NAN)


@given(st.lists(st.fixed_dictionaries({n: numbers for n in ("error", "loss", "learning_rate")}), min_size=2), st.data())
def test_one_that_went_through_a_checkpoint_goes_on_as_one_that_did_not(
    looks: list[dict[str, float]], data: st.DataObject
) -> None:
    saved = data.draw(st.integers(0, len(looks)))
    cells = [np.array([n % 3 / 3, NAN, n % 5 / 5]) for n in range(len(looks))]
    whole = taken(*looks, cells=cells)
    tally = Tally()
    for number, seen in itertools.islice(enumerate(looks), saved):
        tally.take(number, seen, cells[number])
    resumed = Tally()
    resumed.load_state_dict(to_arrays(to_tensors(tally.state_dict())))
    for number in range(saved, len(looks)):
        found = resumed.take(number, looks[number], cells[number])
        assert found == pytest.approx(whole[number], rel=0, abs=0, nan_ok=True)


def test_a_checkpoint_holds_tensors_and_builtin_values(tmp_path: Any) -> None:
    tally = Tally()
    tally.take(0, {"error": 1.0}, CELLS)
    torch.save(to_tensors(tally.state_dict()), tmp_path / "kept.pt")
    kept = Tally()
    kept.load_state_dict(to_arrays(torch.load(tmp_path / "kept.pt", weights_only=True)))
    assert kept.take(1, {"error": 0.5}, CELLS)["error"] == 0.75
