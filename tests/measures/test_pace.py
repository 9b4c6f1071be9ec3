"""How fast a field oscillates along an axis: known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_seqfit.geometry import Grid
from lightning_seqfit.measures.pace import measure_pace


def grid(*shape: int, length: float = 1.0, ends: bool = False) -> Grid:
    return Grid(bounds=((0.0, length),) * len(shape), shape=shape, axes=("x", "y", "z")[: len(shape)], ends=ends)


@given(
    cycles=st.integers(1, 100),
    phase=st.floats(0, 6),
    slope=st.sampled_from([0.0, 0.3, 20.0]),
    offset=st.floats(-10, 10),
    size=st.sampled_from([1e-150, 1.0, 1e150]),
)
def test_of_a_sine_of_whole_cycles_it_is_the_frequency_whatever_line_is_added(
    cycles: int, phase: float, slope: float, offset: float, size: float
) -> None:
    line = grid(300, length=4.0)
    x = line.points[:, 0]
    field = np.sin(2 * np.pi * cycles * x / 4.0 + phase) + slope * x + offset
    seen = measure_pace(line, size / np.abs(field).max() * field, 0)
    if slope == 0.0:
        assert (seen.mean, seen.highest) == pytest.approx((cycles / 4.0, cycles / 4.0))
    elif cycles >= 20:
        assert (seen.mean, seen.highest) == pytest.approx((cycles / 4.0, cycles / 4.0), rel=0.05)


def test_of_two_sines_the_mean_is_weighted_by_power_and_the_highest_is_the_faster() -> None:
    line = grid(256)
    x = line.points[:, 0]
    seen = measure_pace(line, np.sin(20 * np.pi * x) + 0.5 * np.sin(60 * np.pi * x), 0)
    assert seen.mean == pytest.approx((10 + 0.25 * 30) / 1.25)
    assert seen.highest == 30


def test_what_holds_less_than_a_hundredth_of_the_power_does_not_count() -> None:
    line = grid(256)
    x = line.points[:, 0]
    seen = measure_pace(line, np.sin(20 * np.pi * x) + 0.09 * np.sin(120 * np.pi * x), 0)
    assert (seen.mean, seen.highest) == pytest.approx((10, 10))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_axis_has_its_own(axis: int) -> None:
    cycles = (3, 5, 7)
    box = grid(24, 32, 40)
    field = np.prod([np.sin(2 * np.pi * n * box.points[:, a]) for a, n in enumerate(cycles)], axis=0)
    assert measure_pace(box, field, axis).mean == pytest.approx(cycles[axis])
    summed = np.sum([np.sin(2 * np.pi * n * box.points[:, a]) for a, n in enumerate(cycles)], axis=0)
    assert measure_pace(box, summed + 50 * box.points.sum(axis=1), axis).mean == pytest.approx(cycles[axis], rel=0.35)


def test_along_an_axis_on_which_nothing_changes_it_is_0() -> None:
    plane = grid(64, 48)
    field = np.sin(20 * np.pi * plane.points[:, 0])
    assert measure_pace(plane, field, 1).mean == 0.0
    assert measure_pace(plane, 3.0 + 2.0 * plane.points[:, 0], 0).mean == 0.0
    assert measure_pace(plane, np.zeros(64 * 48), 0).mean == 0.0


def test_with_the_outermost_points_on_the_bounds_it_is_in_the_same_units() -> None:
    line = grid(101, ends=True)
    seen = measure_pace(line, np.cos(40 * np.pi * line.points[:, 0]), 0)
    assert seen.mean == pytest.approx(20, rel=0.05)
