"""Grids: known answers, and oracles that share no code with them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_seqfit.geometry import Grid, Scattered

AXES = ("x", "y", "z")


def grid(*shape, bounds=None):
    bounds = bounds or tuple((0.0, 1.0) for _ in shape)
    return Grid(bounds=bounds, shape=shape, axes=AXES[: len(shape)])


def noise(size, seed=0):
    return np.random.default_rng(seed).standard_normal(size)


def overlaps(cells, width):
    """Length of each cell (columns) inside the window about each cell's centre (rows), in cells, by its definition."""
    return np.array(
        [
            [max(0.0, min(i + 0.5 + width / 2, j + 1.0) - max(i + 0.5 - width / 2, j)) for j in range(cells)]
            for i in range(cells)
        ]
    )


class TestPoints:
    def test_points_are_cell_centres_in_c_order(self):
        plane = grid(2, 3, bounds=((0.0, 4.0), (-3.0, 3.0)))
        assert plane.points.tolist() == [[1, -2], [1, 0], [1, 2], [3, -2], [3, 0], [3, 2]]

    def test_dimension_lengths_and_faces_follow_from_bounds_and_axes(self):
        plane = Grid(bounds=((0.0, 4.0), (-3.0, 3.0)), shape=(2, 3), axes=("x", "t"))
        assert plane.dimension == 2
        assert plane.lengths == (4.0, 6.0)
        assert plane.faces == ("x_min", "x_max", "t_min", "t_max")

    @pytest.mark.parametrize("shape", [(7,), (4, 5), (3, 4, 5)])
    def test_a_line_runs_along_its_axis_from_the_low_face_and_every_point_is_on_one(self, shape):
        box = grid(*shape)
        for axis, cells in enumerate(shape):
            lines = box.lines(axis)
            assert lines.shape == (math.prod(shape) // cells, cells)
            assert sorted(lines.ravel().tolist()) == list(range(math.prod(shape)))
            on_lines = box.points[lines]
            assert (np.diff(on_lines[..., axis], axis=1) > 0).all()
            others = [a for a in range(len(shape)) if a != axis]
            assert (on_lines[:, :, others] == on_lines[:, :1, others]).all()


class TestMovingMean:
    @settings(max_examples=100, deadline=None)
    @given(cells=st.integers(1, 40), share=st.floats(0, 2.5), length=st.floats(0.01, 100), seed=st.integers(0, 1000))
    def test_in_1d_it_is_the_mean_over_the_exact_overlap_of_window_and_cells(self, cells, share, length, seed):
        line = grid(cells, bounds=((-1.0, length - 1.0),))
        field = noise(cells, seed)
        length = line.lengths[0]
        weights = overlaps(cells, max(share * cells, 1e-9))
        expected = weights @ field / weights.sum(axis=1)
        np.testing.assert_allclose(line.moving_mean(field, (share * length,)), expected, atol=1e-9)

    @settings(max_examples=50, deadline=None)
    @given(
        shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
        shares=st.tuples(st.floats(0.01, 2), st.floats(0.01, 2)),
        seed=st.integers(0, 1000),
    )
    def test_in_2d_it_is_the_mean_over_the_exact_overlap_of_rectangle_and_cells(self, shape, shares, seed):
        plane = grid(*shape, bounds=((0.0, 2.0), (0.0, 5.0)))
        field = noise(math.prod(shape), seed)
        areas = np.kron(*[overlaps(n, share * n) for n, share in zip(shape, shares, strict=True)])
        expected = areas @ field / areas.sum(axis=1)
        np.testing.assert_allclose(plane.moving_mean(field, (2 * shares[0], 5 * shares[1])), expected, atol=1e-9)

    @pytest.mark.parametrize("shape", [(64,), (16, 8), (8, 4, 16)])
    def test_a_constant_stays_exactly_itself(self, shape):
        box = grid(*shape)
        field = np.full(math.prod(shape), 0.75)
        assert box.moving_mean(field, (0.375,) * len(shape)).tolist() == field.tolist()

    @pytest.mark.parametrize("share", [0.01, 0.17, 0.5, 1.3])
    def test_a_constant_without_short_digits_stays_itself_to_rounding(self, share):
        means = grid(511).moving_mean(np.full(511, 0.1), (share,))
        np.testing.assert_allclose(means, 0.1, rtol=1e-12)

    @pytest.mark.parametrize("share", [0.03, 0.2, 0.41])
    def test_a_field_far_from_the_ends_keeps_its_mass(self, share):
        field = np.where(np.abs(np.arange(301) - 150) < 20, noise(301), 0.0)
        assert grid(301).moving_mean(field, (share,)).sum() == pytest.approx(field.sum(), abs=1e-11)

    @pytest.mark.parametrize("share", [0.03, 0.2, 0.77])
    def test_weighted_by_the_widths_of_the_windows_it_is_its_own_adjoint(self, share):
        # a window about i overlaps the cell j as much as a window about j overlaps the cell i
        line = grid(203)
        x = line.points[:, 0]
        widths = np.minimum(x + share / 2, 1) - np.maximum(x - share / 2, 0)
        f, g = noise(203, 1), noise(203, 2)
        left = widths * line.moving_mean(f, (share,)) @ g
        right = f @ (widths * line.moving_mean(g, (share,)))
        assert left == pytest.approx(right, rel=1e-10)

    @pytest.mark.parametrize(("cells", "oscillations"), [(512, 8), (507, 13), (520, 26)])
    def test_over_exactly_one_period_the_square_of_a_sine_averages_to_one_half(self, cells, oscillations):
        line = grid(cells)
        x = line.points[:, 0]
        means = line.moving_mean(np.sin(2 * np.pi * oscillations * x + 0.3) ** 2, (1 / oscillations,))
        inside = np.abs(x - 0.5) <= 0.5 - 0.5 / oscillations
        np.testing.assert_allclose(means[inside], 0.5, atol=1e-12)

    def test_a_window_inside_one_cell_changes_nothing(self):
        field = noise(32)
        assert grid(32).moving_mean(field, (1 / 32,)).tolist() == field.tolist()

    def test_a_window_over_the_whole_box_twice_gives_the_mean_everywhere(self):
        field = noise(60)
        np.testing.assert_allclose(grid(5, 12).moving_mean(field, (2.0, 2.0)), field.mean(), atol=1e-14)

    def test_axes_are_averaged_one_by_one(self):
        plane = grid(6, 8)
        field = np.repeat(noise(6), 8)  # does not depend on y
        np.testing.assert_allclose(plane.moving_mean(field, (0.0, 0.6)), field, atol=1e-14)
        line_means = grid(6).moving_mean(field[::8], (0.4,))
        np.testing.assert_allclose(plane.moving_mean(field, (0.4, 0.6)), np.repeat(line_means, 8), atol=1e-14)

    def test_the_field_is_left_as_it_was(self):
        field = noise(32)
        before = field.copy()
        grid(32).moving_mean(field, (0.3,))
        assert field.tolist() == before.tolist()


class TestPower:
    @pytest.mark.parametrize(
        "shape", [(1,), (2,), (3,), (64,), (63,), (8, 8), (7, 8), (8, 7), (5, 9), (4, 6, 8), (5, 4, 7), (3, 5, 2)]
    )
    def test_powers_add_up_to_the_mean_square(self, shape):
        box = grid(*shape)
        field = noise(math.prod(shape)) + 3.0
        assert box.power(field).sum() == pytest.approx(np.mean(field**2), rel=1e-12)
        assert len(box.power(field)) == len(box.frequencies)

    @pytest.mark.parametrize("cells", [64, 63])
    @pytest.mark.parametrize("frequency", [1, 5, 31])
    def test_a_wave_has_half_its_squared_amplitude_at_its_frequency_whatever_its_phase(self, cells, frequency):
        line = grid(cells, bounds=((-2.0, 7.0),))
        cycles = frequency * (line.points[:, 0] + 2) / 9
        power = line.power(3 * np.cos(2 * np.pi * cycles + 0.7))
        at = line.frequencies[:, 0] == frequency
        assert power[at] == pytest.approx([4.5], rel=1e-12)
        assert np.abs(power[~at]).max() < 1e-24

    def test_the_highest_mode_of_an_even_grid_counts_once(self):
        power = grid(8).power(np.array([1.0, -1.0] * 4))
        np.testing.assert_allclose(power, [0, 0, 0, 0, 1], atol=1e-30)

    def test_a_plane_wave_lies_at_its_frequencies_per_axis(self):
        plane = grid(16, 12)
        x, y = plane.points.T
        power = plane.power(2 * np.cos(2 * np.pi * (3 * x - 5 * y) + 0.1))
        # rfftn keeps one of the two mirrored halves of the last axis: the wave is one bin of it
        assert power.max() == pytest.approx(2.0, rel=1e-12)
        assert plane.frequencies[np.argmax(power)].tolist() == [3.0, 5.0]

    def test_a_wave_along_the_first_axis_has_its_whole_power_at_its_frequency(self):
        plane = grid(16, 12)
        power = plane.power(np.cos(2 * np.pi * 3 * plane.points[:, 0]))
        assert power[(plane.frequencies == [3.0, 0.0]).all(axis=1)].sum() == pytest.approx(0.5, rel=1e-12)

    @pytest.mark.parametrize("shape", [(9,), (4, 5), (3, 4, 5)])
    def test_row_0_is_the_mean_and_frequencies_are_not_negative(self, shape):
        box = grid(*shape)
        assert box.frequencies[0].tolist() == [0.0] * len(shape)
        assert (box.frequencies >= 0).all()
        assert box.power(np.full(math.prod(shape), 3.0))[0] == pytest.approx(9.0)


class TestComponents:
    def test_runs_on_a_line_are_numbered_from_the_low_face(self):
        mask = np.array([1, 1, 0, 0, 1, 0, 1, 1, 1], dtype=bool)
        assert grid(9).components(mask).tolist() == [1, 1, 0, 0, 2, 0, 3, 3, 3]

    def test_cells_that_share_only_a_corner_are_not_connected(self):
        mask = np.array([[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 1, 1]], dtype=bool)
        assert grid(3, 4).components(mask.ravel()).tolist() == [1, 1, 0, 0, 0, 1, 0, 2, 0, 0, 2, 2]

    def test_cells_that_share_only_an_edge_in_3d_are_not_connected(self):
        mask = np.zeros((2, 2, 2), dtype=bool)
        mask[0, 0, 0] = mask[0, 0, 1] = mask[1, 1, 1] = True
        assert grid(2, 2, 2).components(mask.ravel()).tolist() == [1, 1, 0, 0, 0, 0, 0, 2]

    def test_an_empty_mask_has_no_component(self):
        assert grid(4, 4).components(np.zeros(16, dtype=bool)).tolist() == [0] * 16


class TestCoarsen:
    def test_a_field_within_the_limit_is_returned_as_it_is(self):
        field = noise(1024)
        assert grid(1024).coarsen(field).tolist() == field.tolist()

    def test_blocks_are_means_over_cubes(self):
        field = np.arange(16.0)
        assert grid(4, 4).coarsen(field, limit=4).tolist() == [2.5, 4.5, 10.5, 12.5]

    def test_the_last_block_is_the_mean_of_the_cells_that_are_left(self):
        assert grid(5).coarsen(np.array([0.0, 2.0, 4.0, 6.0, 9.0]), limit=3).tolist() == [1.0, 5.0, 9.0]

    @pytest.mark.parametrize(
        ("shape", "limit"), [((4096,), 1024), ((96, 96), 1024), ((32, 32, 32), 512), ((12, 18), 6)]
    )
    def test_the_mean_stays_where_blocks_divide_evenly(self, shape, limit):
        field = noise(math.prod(shape)) + 1
        assert grid(*shape).coarsen(field, limit).mean() == pytest.approx(field.mean(), rel=1e-12)

    @settings(max_examples=100, deadline=None)
    @given(shape=st.lists(st.integers(1, 14), min_size=1, max_size=3), limit=st.integers(1, 50))
    def test_the_limit_is_never_exceeded_and_the_shape_is_told(self, shape, limit):
        box = grid(*shape)
        coarse = box.coarsen(noise(math.prod(shape)), limit)
        assert coarse.size <= limit
        assert coarse.size == math.prod(box.coarse_shape(limit))


def test_a_window_holds_as_many_independent_values_as_points_on_a_grid_and_fewer_where_these_crowd() -> None:
    grid = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(20, 10), axes=("x", "y"))
    inside = grid.independent((0.25, 0.3)).reshape(20, 10)
    assert inside[10, 5] == pytest.approx(5 * 3)
    assert inside[0, 0] == pytest.approx(3 * 2, rel=0.01)
    crowd = Scattered(np.concatenate([np.linspace(0.005, 0.995, 100), np.full(50, 0.505)]), ((0.0, 1.0),))
    assert crowd.independent((0.105,))[-1] == pytest.approx(11, abs=1.5)


def test_a_window_has_room_half_its_width_from_the_ends_and_in_the_middle_of_a_shorter_stretch() -> None:
    grid = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(10, 4), axes=("x", "y"))
    room = grid.room((0.3, 0.25)).reshape(10, 4)
    assert room.any(axis=1).tolist() == [False] + [True] * 8 + [False]
    assert room.any(axis=0).all()
    assert np.flatnonzero(Grid(bounds=((0.0, 1.0),), shape=(9,), axes=("x",)).room((5.0,))).tolist() == [4]
