"""How much a prediction still moves, on sequences whose changes are known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lightning_seqfit.geometry import Grid, Scattered
from lightning_seqfit.measures.change import Change, ChangeHistory, measure_change, update

LINE = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
X = LINE.points[:, 0]
WAVE = np.sin(2 * np.pi * 4 * X)


def seen(predictions: dict[int, np.ndarray], **options: float) -> list[Change]:
    """The changes at looks at some steps, in their order."""
    history: ChangeHistory | None = None
    changes = []
    for step, prediction in predictions.items():
        changes.append(measure_change(LINE, history, prediction, step, **options))
        history = update(history, prediction, step)
    return changes


def test_a_change_is_relative_to_the_deviation_from_the_mean() -> None:
    last = seen({50: 7.0 + 0.5 * WAVE, 90: 7.0 + 0.9 * WAVE, 100: 7.0 + WAVE})[-1]
    assert last.since_half == pytest.approx(0.5, rel=1e-5)
    assert last.since_last == pytest.approx(0.1, rel=1e-5)
    assert last.reference == 50


def test_of_a_constant_prediction_it_is_relative_to_its_value() -> None:
    assert seen({50: np.full(512, 3.0), 100: np.full(512, 4.0)})[-1].since_half == pytest.approx(0.25)


def test_a_scale_that_is_given_comes_before_the_prediction() -> None:
    last = seen({50: 0.0 * X, 100: WAVE}, scale=4.0)[-1]
    assert last.since_half == pytest.approx(math.sqrt(0.5) / 2, rel=1e-5)


def test_a_prediction_with_another_phase_has_moved_by_what_the_chord_is_long() -> None:
    for angle in (0.1, 1.0, math.pi):
        last = seen({50: np.sin(8 * np.pi * X), 100: np.sin(8 * np.pi * X + angle)})[-1]
        assert last.since_half == pytest.approx(2 * math.sin(angle / 2), rel=1e-4)


def test_what_moves_is_found_where_it_moves() -> None:
    left = np.where(X < 0.25, 1.0, 0.0)
    last = seen({50: WAVE, 100: WAVE + left})[-1]
    assert last.moving == pytest.approx(0.25, abs=0.035)  # half a window of 1 / 16
    assert (last.local[X < 0.2] > 1.0).all()
    assert (last.local[X > 0.3] < 1e-12).all()


def test_nothing_is_known_of_the_first_look() -> None:
    (first,) = seen({0: WAVE})
    assert math.isnan(first.since_half)
    assert math.isnan(first.moving)
    assert first.reference == -1


def test_a_prediction_of_zeros_has_no_size() -> None:
    last = seen({50: 0.0 * X, 100: 0.0 * X})[-1]
    assert math.isnan(last.since_half)


def test_a_prediction_that_is_not_finite_has_moved_infinitely_and_is_not_compared_with_afterwards() -> None:
    gone = np.where(X < 0.1, np.nan, WAVE)
    changes = seen({50: 0.5 * WAVE, 60: gone, 100: WAVE})
    assert changes[1].since_half == math.inf
    assert math.isnan(changes[1].moving)
    assert changes[2].since_half == changes[2].since_last == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("spacing", [1, 7, 100])
def test_the_look_to_compare_with_is_at_half_the_steps_and_few_are_kept(spacing: int) -> None:
    history: ChangeHistory | None = None
    for step in range(0, 5000, spacing):
        prediction = step * WAVE + 1.0
        change = measure_change(LINE, history, prediction, step)
        if step > 40 * spacing:
            assert step / 2 <= change.reference <= 1.07 * step / 2 + spacing
            assert change.since_half == pytest.approx(1 - change.reference / step, rel=1e-3)
        history = update(history, prediction, step)
        assert history is not None
        assert len(history.steps) <= 14


def test_looks_that_grow_apart_by_8_percent_are_all_there() -> None:
    steps = [0, *np.unique(np.rint(50 * 1.08 ** np.arange(60)).astype(int)).tolist()]
    history: ChangeHistory | None = None
    for step in steps:
        change = measure_change(LINE, history, WAVE, step)
        if step > 120:
            assert change.reference == min(other for other in steps if 2 * other >= step)
        history = update(history, WAVE, step)


def test_uneven_points_count_by_the_length_of_their_cells() -> None:
    places = np.concatenate([np.linspace(0.0, 0.5, 400), np.linspace(0.505, 1.0, 100)])
    line = Scattered.spanning(places)
    history = update(None, np.zeros(500), 50)
    change = measure_change(line, history, np.where(places > 0.5, 1.0, -1.0), 100)
    assert change.since_half == pytest.approx(1.0, rel=1e-3)
    moved = measure_change(line, update(None, np.where(places > 0.5, 0.0, -1.0), 50), np.sign(places - 0.5001), 100)
    assert moved.moving == pytest.approx(0.5, abs=0.04)


def test_of_several_outputs_the_squares_are_added_up() -> None:
    """A field that turns keeps its length, and all of it has moved."""
    for angle in (0.1, 1.0):
        before = np.stack([np.sin(8 * np.pi * X), np.cos(8 * np.pi * X)])
        after = np.stack([np.sin(8 * np.pi * X + angle), np.cos(8 * np.pi * X + angle)])
        last = seen({50: before, 100: after})[-1]
        assert last.since_half == pytest.approx(2 * math.sin(angle / 2), rel=1e-4)
        np.testing.assert_allclose(last.local, (2 * math.sin(angle / 2)) ** 2, rtol=1e-4)
