"""Domains that are no boxes: cells of a grid of which only some count."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lightning_seqfit import Probe
from lightning_seqfit.geometry import Grid, Laid, Scattered
from lightning_seqfit.measures import front
from lightning_seqfit.measures.basis import unit_laps, unit_places
from lightning_seqfit.measures.bends import only_bends
from lightning_seqfit.measures.front import active_points, inwardness, measure_front, update
from lightning_seqfit.measures.lobes import count_lobes, target_lobes
from lightning_seqfit.measures.pace import mean_cycles
from lightning_seqfit.measures.spectrum import measure_spectrum, target_spectrum
from lightning_seqfit.measures.trend import fit_trend

BOX = Grid(bounds=((-1.0, 1.0), (-1.0, 1.0)), shape=(96, 96), axes=("x", "y"))
RADIUS = np.sqrt(np.sum(BOX.points**2, axis=1))
DISC = Laid(BOX, RADIUS < 1)
L_SHAPE = Laid(BOX, ~((BOX.points[:, 0] > 0) & (BOX.points[:, 1] < 0)))
SPACE = Grid(bounds=((0.0, 1.0), (0.0, 2.0), (-1.0, 1.0)), shape=(12, 10, 8), axes=("x", "y", "z"))


def product(points, cycles=5):
    return np.sin(cycles * np.pi * points[:, 0]) * np.sin(cycles * np.pi * points[:, 1])


def masks(cells):
    return st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed).random(cells) < 0.7)


class TestAWholeBoxIsAGrid:
    laid = Laid(SPACE, np.ones(960, dtype=bool))
    field = np.random.default_rng(0).standard_normal(960)

    def test_in_every_operation(self):
        laid, field = self.laid, self.field
        window = (0.3, 0.7, 0.5)
        np.testing.assert_array_equal(laid.points, SPACE.points)
        np.testing.assert_array_equal(laid.moving_mean(field, window), SPACE.moving_mean(field, window))
        np.testing.assert_array_equal(laid.power(field), SPACE.power(field))
        np.testing.assert_array_equal(laid.components(field > 0), SPACE.components(field > 0))
        np.testing.assert_array_equal(laid.coarsen(field, 100), SPACE.coarsen(field, 100))
        np.testing.assert_array_equal(laid.centres(100), SPACE.centres(100))
        np.testing.assert_array_equal(laid.room(window), SPACE.room(window))
        np.testing.assert_allclose(laid.independent(window), SPACE.independent(window))
        for axis in range(3):
            np.testing.assert_array_equal(laid.lines(axis), SPACE.lines(axis))
        assert laid.faces == SPACE.faces
        assert laid.edge is None
        assert laid.coarse_inside() is None
        assert laid.notes == []


class TestOperations:
    @settings(max_examples=30, deadline=None)
    @given(inside=masks(960), seed=st.integers(0, 99), shares=st.tuples(*[st.floats(0.05, 1.0)] * 3))
    def test_a_moving_mean_is_that_over_the_covered_part_of_the_window(self, inside, seed, shares):
        inside[0] = True
        laid = Laid(SPACE, inside)
        field = np.random.default_rng(seed).standard_normal(len(laid.points))
        window = tuple(share * length for share, length in zip(shares, SPACE.lengths, strict=True))
        means = laid.moving_mean(field, window)
        cell = np.array(SPACE.lengths) / SPACE.shape
        for number in np.random.default_rng(seed + 1).choice(len(field), 5):
            about = np.abs(laid.points - laid.points[number])
            # overlap of each cell with the window along each axis
            overlap = np.clip(np.minimum(np.array(window), cell + 0 * about), 0, None)
            reach = (np.array(window) + cell) / 2 - about
            overlap = np.clip(np.minimum(reach, overlap), 0, None)
            weight = np.prod(overlap, axis=1)
            if min(np.array(window) / cell) > 1:
                assert means[number] == pytest.approx(float(weight @ field / weight.sum()), abs=1e-9)

    @settings(max_examples=20, deadline=None)
    @given(inside=masks(960), seed=st.integers(0, 99))
    def test_components_are_joined_through_covered_cells_only(self, inside, seed):
        inside[0] = True
        laid = Laid(SPACE, inside)
        mask = np.random.default_rng(seed).random(len(laid.points)) < 0.6
        labels = laid.components(mask)
        places = {tuple(cell): n for n, cell in enumerate(np.argwhere(inside.reshape(SPACE.shape)).tolist())}
        waiting, seen, parts = set(np.flatnonzero(mask).tolist()), {}, 0
        cells = {number: cell for cell, number in places.items()}
        while waiting:
            parts += 1
            stack = [waiting.pop()]
            while stack:
                one = stack.pop()
                seen[one] = parts
                for axis, step in itertools.product(range(3), (-1, 1)):
                    near = list(cells[one])
                    near[axis] += step
                    other = places.get(tuple(near))
                    if other in waiting:
                        waiting.discard(other)
                        stack.append(other)
        assert labels.max() == parts
        assert not labels[~mask].any()
        pairs = {(int(labels[number]), part) for number, part in seen.items()}
        assert len(pairs) == parts

    def test_lines_have_places_without_a_point_and_segments_are_unbroken(self):
        ring = Laid(BOX, (RADIUS < 1) & (RADIUS > 0.5))
        for axis in (0, 1):
            lines = ring.lines(axis)
            assert lines.shape == (96, 96)
            assert sorted(lines[lines >= 0].tolist()) == list(range(len(ring.points)))
            stretches = ring.segments(axis)
            assert sum(map(len, stretches)) == len(ring.points)
            for stretch in stretches:
                np.testing.assert_allclose(np.diff(ring.points[stretch, axis]), 2 / 96)
            assert len(stretches) > len(ring.lines(axis)) - 6  # those through the hole are two

    def test_blocks_are_means_over_their_covered_cells(self):
        small = Grid(bounds=((0.0, 4.0), (0.0, 2.0)), shape=(4, 2), axes=("x", "y"))
        laid = Laid(small, np.array([1, 0, 1, 1, 0, 0, 0, 0], dtype=bool))
        assert laid.coarse_shape(2) == (2, 1)
        assert laid.coarse_inside(2).tolist() == [True, False]
        assert laid.coarsen(np.array([1.0, 2.0, 6.0]), 2).tolist() == [3.0]
        assert laid.centres(2).tolist() == [[1.0, 1.0]]

    def test_the_edge_of_a_disc_is_its_circle(self):
        edge = DISC.edge
        np.testing.assert_allclose(2 * edge.distance, 1 - RADIUS[DISC.inside], atol=2.5 / 96)
        assert DISC.faces == ("x_min", "x_max", "y_min", "y_max", "boundary")
        assert sorted(edge.order.tolist()) == list(range(len(DISC.points)))
        inwards = np.split(edge.distance[edge.order], edge.starts[1:])
        assert all((np.diff(way) >= 0).all() for way in inwards)

    def test_thinned_cells_are_cells(self):
        fewer, numbers = DISC.thinned(500)
        assert 300 < len(numbers) < 800
        np.testing.assert_array_equal(fewer.points, DISC.points[numbers])
        assert fewer.edge is not None

    def test_points_laid_on_cells_keep_their_own_coordinates(self):
        given = np.array([[0.1, 0.1], [0.9, 0.2], [0.2, 0.8]])
        box = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(2, 2), axes=("x", "y"))
        laid = Laid(box, np.array([True, True, True, False]), np.array([0, 2, 1]), given)
        assert laid.kind == "points"
        np.testing.assert_array_equal(laid.points, given[[0, 2, 1]])
        assert laid.lay(np.array([5.0, 6.0, 7.0])).tolist() == [5.0, 7.0, 6.0]
        assert laid.rows(np.array([1])).tolist() == [2]
        assert laid.centres().tolist() == [[0.25, 0.25], [0.25, 0.75], [0.75, 0.25]]


class TestFront:
    @staticmethod
    def fitted_where(laid, fitted):
        target = product(laid.points)
        trend = fit_trend(laid, target)
        active = active_points(laid, trend)
        return trend, active, measure_front(laid, trend, active, np.where(fitted, 0.0, -target), trend.variance)

    @pytest.mark.parametrize("laid", [DISC, L_SHAPE], ids=["disc", "L"])
    def test_all_and_nothing(self, laid):
        *_, front = self.fitted_where(laid, np.ones(len(laid.points), dtype=bool))
        assert front.fitted_share == 1.0
        assert set(front.depth) == set(laid.faces)
        assert set(front.depth.values()) == {1.0}
        *_, front = self.fitted_where(laid, np.zeros(len(laid.points), dtype=bool))
        assert front.fitted_share == 0.0
        assert max(front.depth.values()) == 0.0

    @pytest.mark.parametrize("radius", [0.2, 0.5, 0.8])
    def test_depth_from_the_edge_of_a_disc_is_the_share_of_the_ring_before(self, radius):
        unfitted = RADIUS[DISC.inside] < radius
        depth = front._depths(DISC, np.ones(len(unfitted), dtype=bool), unfitted)
        assert depth["boundary"] == pytest.approx(1 - radius**2, abs=0.02)
        assert depth["x_min"] == pytest.approx(depth["y_max"], abs=0.02)

    def test_a_ring_that_is_fitted(self):
        _, _, front = self.fitted_where(DISC, RADIUS[DISC.inside] > 0.5)
        assert 0.6 < front.fitted_share < 0.7
        assert 0.45 < front.depth["boundary"] < 0.7  # the window is square, and its corners reach out

    def test_a_fitted_middle_has_no_depth(self):
        _, _, front = self.fitted_where(DISC, RADIUS[DISC.inside] < 0.6)
        assert max(front.depth.values()) < 0.02

    def test_half_of_a_disc(self):
        _, _, front = self.fitted_where(DISC, DISC.points[:, 0] < 0)
        assert front.fitted_share == pytest.approx(0.45, abs=0.02)
        assert front.depth["x_min"] == pytest.approx(0.42, abs=0.04)
        assert front.depth["x_max"] == 0.0
        assert front.depth["boundary"] == pytest.approx(0.0, abs=0.1)

    @pytest.mark.parametrize("outwards", [False, True])
    def test_inwardness_from_the_edge(self, outwards):
        radius, history = RADIUS[DISC.inside], None
        for step, passed in enumerate(np.linspace(0, 1, 20)):
            fitted = radius < passed if outwards else radius > 1 - passed
            _, active, front = self.fitted_where(DISC, fitted)
            history = update(history, front, active, step)
        assert inwardness(DISC, active, history)["boundary"] == pytest.approx(-1 if outwards else 1, abs=0.03)

    def test_what_lies_in_space_too(self):
        box = Grid(bounds=((-1.0, 1.0),) * 3, shape=(24, 24, 24), axes=("x", "y", "z"))
        ball = Laid(box, np.sum(box.points**2, axis=1) < 1)
        target = np.sin(4 * np.pi * ball.points[:, 0])
        trend = fit_trend(ball, target)
        active = active_points(ball, trend)
        near = ball.points[:, 0] < 0.3
        front = measure_front(ball, trend, active, np.where(near, 0.0, -target), trend.variance)
        assert 0.64 < front.fitted_share < 0.74  # the share of x < 0.3
        assert front.depth["x_max"] == 0.0


class TestMeasures:
    def test_a_sum_of_waves_is_found_exactly(self):
        x, y = DISC.points.T
        trend = fit_trend(DISC, 2 + x + np.sin(7 * np.pi * x) + 0.3 * np.cos(2.5 * np.pi * (x + y)))
        assert np.allclose(trend.values, 2 + x, atol=1e-6)
        assert trend.variance == pytest.approx(float(np.mean(trend.oscillation**2)))

    def test_lobes_are_counted_where_there_are_points(self):
        laid = Laid(BOX, BOX.points[:, 0] < 0.2)  # 6 of 10 columns of lobes
        target = product(laid.points)
        trend = fit_trend(laid, target)
        lobes = target_lobes(laid, trend)
        assert lobes.count == 60
        seen = count_lobes(
            laid, trend, lobes, np.where(laid.points[:, 1] < 0, target, 0), np.where(laid.points[:, 1] < 0, 0, -target)
        )
        assert (seen.fitted, seen.spurious) == (30.0, 0.0)

    def test_the_target_oscillates_in_its_own_bands_only(self):
        for laid in (DISC, L_SHAPE):
            target = np.sin(6 * np.pi * laid.points[:, 0]) + 0.5 * np.sin(48 * np.pi * laid.points[:, 1])
            found = target_spectrum(laid, fit_trend(laid, target))
            carrying = [label for label, carries in zip(found.labels, found.carrying, strict=True) if carries]
            assert carrying == ["4-8", "32-64"]

    @pytest.mark.parametrize("laid", [DISC, L_SHAPE], ids=["disc", "L"])
    @pytest.mark.parametrize(("slow", "fast"), [(0.7, 12), (1, 20), (2, 37), (3, 12), (3, 30), (4, 20)])
    def test_a_missing_tenth_reads_as_missing_and_the_shares_add_up(self, laid, slow, fast):
        x, y = laid.points.T
        low, high = np.sin(np.pi * slow * x + 1) * np.cos(np.pi * slow * y), np.sin(np.pi * fast * (0.6 * x + 0.8 * y))
        trend = fit_trend(laid, low + 0.1 * high)
        target = target_spectrum(laid, trend)
        band = int(np.searchsorted(target.edges, fast, side="right")) - 1
        seen = measure_spectrum(laid, target, -0.1 * high, trend.variance)
        assert seen.relative_error[band] > 0.75
        total = 0.01 * float(np.mean(high**2)) / trend.variance
        assert seen.trend_share + seen.share.sum() == pytest.approx(total, rel=1e-9)
        other = measure_spectrum(laid, target, 0.5 * low, trend.variance)  # it is the slow wave that is halved
        assert other.relative_error[band] < 0.25

    @pytest.mark.parametrize("laid", [DISC, L_SHAPE], ids=["disc", "L"])
    def test_a_residual_in_the_outermost_tenth_is_not_lost(self, laid):
        x, y = laid.points.T
        trend = fit_trend(laid, np.sin(12 * np.pi * x) * np.sin(12 * np.pi * y))
        residual = np.where(laid.edge.distance < 0.05, trend.oscillation, 0.0)
        target = target_spectrum(laid, trend)
        seen = measure_spectrum(laid, target, residual, trend.variance)
        share = float(np.mean(residual**2)) / trend.variance
        assert seen.trend_share + seen.share.sum() == pytest.approx(share, rel=1e-9)
        assert seen.share[target.carrying].sum() > 0.4 * share
        assert seen.share[:2].sum() < 0.1 * share

    @pytest.mark.parametrize("laid", [DISC, L_SHAPE], ids=["disc", "L"])
    def test_what_bends_along_every_line(self, laid):
        x, y = laid.points.T
        assert only_bends(laid, x**2 + np.exp(y), 1e-6)
        assert not only_bends(laid, np.sin(5 * x), 1e-3)

    def test_units_on_a_domain(self):
        x, y = L_SHAPE.points.T
        features = np.column_stack([np.tanh(5 * (x - 0.2)), np.sin(3 * np.pi * y), np.full(len(x), 2.0)])
        laps = unit_laps(L_SHAPE, features)
        assert laps[0, 0] == pytest.approx(1.0)
        assert laps[1, 1] == pytest.approx(4.5, abs=0.2)  # 6 on whole lines, 3 on half ones, over one range
        assert np.isnan(laps[2]).all()
        places, widths = unit_places(L_SHAPE, features)
        assert places[0, 0] == pytest.approx(0.16, abs=0.06)
        assert widths[0, 0] < 0.5

    def test_mean_cycles_of_what_is_too_fast_for_a_box_cut_in_two(self):
        laid = Laid(BOX, np.abs(BOX.points[:, 0]) > 0.1)
        assert mean_cycles(laid, np.cos(14 * np.pi * laid.points[:, 0]), 0, 96) == pytest.approx(14, rel=0.02)
        assert mean_cycles(laid, laid.points[:, 0], 0, 96) == 0.0


def in_disc(points):
    return (points**2).sum(1) < 1


class TestProbe:
    def test_values_given_for_the_whole_grid_may_be_unknown_outside(self):
        values = np.where(RADIUS < 1, product(BOX.points), np.nan)
        for target in (values, values.reshape(96, 96), values[DISC.inside], torch.tensor(values)):
            probe = Probe.grid([(-1.0, 1.0)] * 2, target, resolution=96, inside=in_disc)
            seen, _ = probe.read_target(nn.Linear(2, 1))
            np.testing.assert_array_equal(seen, values[DISC.inside])

    def test_a_module_is_asked_inside_only(self):
        asked = []

        class Module(nn.Module):
            def forward(self, points):
                asked.append(points)
                return points[:, :1]

        probe = Probe.grid([(-1.0, 1.0)] * 2, lambda p: torch.sin(9 * p[:, 0]), inside=in_disc)
        target, _ = probe.read_target(Module())
        probe.observe(Module(), target)
        assert in_disc(asked[0]).all()
        assert len(asked[0]) == len(DISC.points)

    def test_the_resolution_rises_with_what_oscillates_inside(self):
        def target(points):
            return torch.where(in_disc(points), torch.sin(40 * math.pi * points[:, 0]), torch.nan)

        probe = Probe.grid([(-1.0, 1.0)] * 2, target, inside=in_disc)
        assert probe.geometry.shape[0] > 96
        assert probe.geometry.shape[1] == 96
        with pytest.raises(
            ValueError, match=r"too coarse for the target's wavelength of 0\.05 on axis x: use at least"
        ):
            Probe.grid([(-1.0, 1.0)] * 2, target, resolution=48, inside=in_disc).read_target(nn.Linear(2, 1))

    def test_a_line_is_a_series_with_gaps(self):
        probe = Probe.grid(
            [(0.0, 1.0)], lambda x: torch.sin(40 * x[:, 0]), inside=lambda x: (x[:, 0] - 0.5).abs() > 0.1
        )
        assert isinstance(probe.geometry, Scattered)
        assert probe.geometry.covered == pytest.approx(0.8, abs=0.01)

    def test_all_inside_is_a_grid(self):
        probe = Probe.grid([(-1.0, 1.0)] * 2, lambda p: p[:, 0], inside=lambda p: p[:, 0] < 7)
        assert isinstance(probe.geometry, Grid)

    @pytest.mark.parametrize(
        ("inside", "error", "said"),
        [
            (3, TypeError, "inside=3 is not callable: pass a function"),
            (lambda: True, RuntimeError, "write it as a function of one argument"),
            (lambda p: p[:, 0], TypeError, "inside returned float64 values"),
            (lambda p: p > 0, ValueError, "inside returned shape"),
            (lambda p: p[:, 0] > 5, ValueError, "inside leaves 0 of 9216 points"),
            (lambda p: None, TypeError, "inside returned"),
        ],
    )
    def test_what_is_no_domain_is_refused(self, inside, error, said):
        with pytest.raises(error, match=said):
            Probe.grid([(-1.0, 1.0)] * 2, 0.0, inside=inside)


def test_parts_that_do_not_touch_are_said_such_as_points_on_a_circle_in_the_plane_that_are_no_area() -> None:
    box = Grid(((0.0, 1.0),) * 2, (8, 8), ("x", "y"))
    corners = np.abs(box.points - 0.5).min(axis=1) > 0.2
    assert "25.0% of the box is covered, in 4 parts that do not touch, " in Laid(box, corners).notes[0]
    assert "covered; what" in Laid(box, box.points[:, 0] < 0.5).notes[0]
    turns = 2 * np.pi * np.random.default_rng(0).random(2000)
    circle = Probe.points(np.stack([np.cos(turns), np.sin(turns)], axis=-1), None).geometry
    assert "parts that do not touch" in circle.notes[1]
