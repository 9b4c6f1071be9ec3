"""Bases whose rank, laps, places and projections are known before they are measured.

Oracles: products of random factors and orthogonal columns for the rank, ``np.linalg.svd`` and ``np.linalg.lstsq`` on
the features themselves (the code under test never decomposes these, only their Gram matrix), closed forms of tanh and
sine for shape and place, plain loops over the points of a line for total variation.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lightning_seqfit.demos import SIREN, TanhMLP
from lightning_seqfit.diagnostics.base import Scene
from lightning_seqfit.diagnostics.basis import BasisDiagnostic
from lightning_seqfit.geometry import Geometry, Grid, Scattered
from lightning_seqfit.measures.basis import important_units, measure_basis, unit_laps, unit_places
from lightning_seqfit.measures.trend import fit_trend

GRID = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
X = GRID.points[:, 0]


class Shuffled(Geometry):
    """Points on the unit interval in any order; ``lines`` sorts them."""

    bounds = ((0.0, 1.0),)
    axes = ("x",)

    def __init__(self, coordinates):
        self.coordinates = np.asarray(coordinates)

    @property
    def points(self):
        return self.coordinates[:, None]

    def lines(self, axis):
        return np.argsort(self.coordinates)[None]

    def _unused(self, *args):
        raise AssertionError("the basis needs points and lines only")

    power = moving_mean = components = coarsen = coarse_shape = _unused
    frequencies = property(_unused)


def line(points, low=0.0, high=1.0):
    return Grid(bounds=((low, high),), shape=(points,), axes=("x",))


def measure(features, target=None, prediction=None, scale=None, geometry=None):
    """Measure with a target that is no residual, and a prediction by output weights 1, unless told otherwise."""
    features = np.asarray(features, dtype=float)
    geometry = geometry or line(len(features))
    target = np.sin(np.arange(len(features))) if target is None else target
    prediction = features.sum(axis=1) + 3.0 if prediction is None else prediction
    scale = np.mean(target**2) if scale is None else scale
    return measure_basis(geometry, features, target, prediction, scale)


def least_squares_error(features, target, cutoff=1e-6):
    """Relative RMS of the least-squares residual on [1, features] by LAPACK's solver for the rectangular matrix."""
    centred, wanted = features - features.mean(axis=0), target - target.mean()
    coefficients = np.linalg.lstsq(centred, wanted, rcond=cutoff)[0]
    return np.sqrt(np.mean((wanted - centred @ coefficients) ** 2) / np.mean(target**2))


def with_singular_values(values, points, width, seed=0):
    """Features of zero mean with given singular values."""
    random = np.random.default_rng(seed)
    left = random.standard_normal((points, len(values)))
    left = np.linalg.qr(left - left.mean(axis=0))[0]
    right = np.linalg.qr(random.standard_normal((width, len(values))))[0]
    return left * values @ right.T


class TestRank:
    @pytest.mark.parametrize(("points", "width"), [(512, 50), (60, 200), (100, 100), (4096, 20)])
    @pytest.mark.parametrize("rank", [1, 2, 7, 19])
    def test_a_product_of_random_factors_has_the_rank_of_the_factors(self, points, width, rank):
        random = np.random.default_rng(rank)
        basis = measure(random.standard_normal((points, rank)) @ random.standard_normal((rank, width)))
        assert basis.numerical_rank == rank
        assert np.count_nonzero(basis.singular_values) == rank
        assert basis.singular_values.shape == (min(points, width),)

    def test_the_mean_of_the_units_adds_no_rank(self):
        features = np.column_stack([np.sin(X), np.sin(X) + 5.0, 2 * np.sin(X) - 1.0])
        assert measure(features).numerical_rank == 1.0

    def test_a_singular_value_counts_above_a_thousandth_of_the_largest(self):
        basis = measure(with_singular_values(np.array([10.0, 1.0, 0.0101, 0.0099, 1e-4]), 300, 20))
        assert basis.numerical_rank == 3.0
        assert basis.singular_values[:5] == pytest.approx([10.0, 1.0, 0.0101, 0.0099, 1e-4], rel=1e-6)

    @pytest.mark.parametrize("shape", [(400, 30), (30, 400)], ids=["more points", "more units"])
    def test_rounding_to_float32_adds_no_rank(self, shape):
        features = with_singular_values(np.array([5.0, 4.0, 3.0]), *shape) + 1.0
        assert measure(features.astype(np.float32)).numerical_rank == 3.0

    @settings(max_examples=60)
    @given(
        points=st.integers(2, 90),
        width=st.integers(1, 90),
        decay=st.floats(0.3, 1.0),
        size=st.sampled_from([1e-3, 1.0, 1e4]),
        seed=st.integers(0, 10**6),
    )
    def test_singular_values_are_those_of_an_svd_to_five_digits(self, points, width, decay, size, seed):
        random = np.random.default_rng(seed)
        features = size * random.standard_normal((points, width)) * decay ** np.arange(width) + random.normal()
        expected = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
        basis = measure(features)
        large = expected > 1e-3 * expected[0]
        np.testing.assert_allclose(basis.singular_values[large], expected[large], rtol=1e-5)
        np.testing.assert_allclose(basis.singular_values, expected, atol=2e-6 * expected[0])
        assert basis.numerical_rank == np.count_nonzero(large)
        shares = expected[expected > 0] / expected.sum()
        assert basis.effective_rank == pytest.approx(math.exp(-np.sum(shares * np.log(shares))), rel=1e-3)

    @pytest.mark.parametrize("width", [40, 700])
    def test_smooth_steps_have_the_singular_values_of_an_svd_though_most_are_alike(self, width):
        random = np.random.default_rng(3)
        features = np.tanh((X[:, None] - random.uniform(-0.2, 1.2, width)) / random.uniform(0.1, 2.0, width))
        expected = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
        large = expected > 1e-3 * expected[0]
        basis = measure(features)
        assert 3 < large.sum() < 30
        np.testing.assert_allclose(basis.singular_values[large], expected[large], rtol=1e-5)
        np.testing.assert_allclose(
            basis.singular_values, expected[: len(basis.singular_values)], atol=2e-6 * expected[0]
        )

    @pytest.mark.parametrize("shape", [(200, 12), (12, 200)])
    @pytest.mark.parametrize("rank", [1, 2, 5, 11])
    def test_equal_singular_values_have_an_effective_rank_of_their_number(self, shape, rank):
        assert measure(with_singular_values(np.full(rank, 3.0), *shape)).effective_rank == pytest.approx(rank, rel=1e-9)

    def test_one_dominating_singular_value_has_an_effective_rank_of_one(self):
        basis = measure(with_singular_values(np.array([1.0, 1e-5, 1e-5]), 200, 12))
        assert basis.effective_rank == pytest.approx(1.0, abs=3e-4)
        assert basis.effective_rank > 1.0

    def test_two_singular_values_have_the_entropy_of_a_coin(self):
        # p = 3/4: exp(-(3/4 ln 3/4 + 1/4 ln 1/4)) = 4 / 3^(3/4)
        basis = measure(with_singular_values(np.array([6.0, 2.0]), 100, 9))
        assert basis.effective_rank == pytest.approx(4 / 3**0.75, rel=1e-9)

    def test_effective_rank_does_not_depend_on_the_units_of_measurement(self):
        features = np.random.default_rng(0).standard_normal((80, 9))
        ranks = [measure(size * features).effective_rank for size in (1e-6, 1.0, 1e9)]
        assert ranks == pytest.approx([ranks[1]] * 3, rel=1e-9)


class TestLaps:
    @pytest.mark.parametrize("cycles", [1, 2, 5, 11])
    def test_a_sine_of_k_cycles_has_2k_laps(self, cycles):
        # total variation 4 k, range 2
        fine = line(8192)
        features = np.sin(2 * np.pi * cycles * fine.points)
        assert unit_laps(fine, features).item() == pytest.approx(2 * cycles, rel=1e-3)

    @settings(max_examples=40)
    @given(place=st.floats(-0.5, 1.5), width=st.floats(0.01, 2.0), sign=st.sampled_from([-1, 1]))
    def test_a_step_has_one_lap_wherever_it_is_and_however_steep(self, place, width, sign):
        feature = np.tanh(sign * (X - place) / width)
        assume(np.ptp(feature) > 0)
        basis = measure(feature[:, None], geometry=GRID)
        assert basis.laps.item() == pytest.approx(1.0, abs=1e-9)
        assert (basis.monotone_share, basis.constant_share) == (1.0, 0.0)

    def test_a_bump_between_equal_ends_has_two_laps(self):
        assert unit_laps(GRID, np.exp(-(((GRID.points - 0.5) / 0.05) ** 2))).item() == pytest.approx(2.0, abs=1e-3)

    def test_total_variation_is_that_of_a_plain_loop(self):
        features = np.random.default_rng(0).standard_normal((37, 4))
        laps = unit_laps(line(37), features)
        for unit in range(4):
            values = features[:, unit].tolist()
            variation = sum(abs(b - a) for a, b in itertools.pairwise(values))
            assert laps[unit, 0] == pytest.approx(variation / (max(values) - min(values)), rel=1e-12)

    def test_units_of_small_range_beside_a_wide_one_are_constant_and_have_no_laps(self):
        features = np.column_stack([np.tanh(4 * X - 2), 0.99e-3 * X, np.full(512, 0.3), 0.01 * np.sin(20 * X)])
        basis = measure(features, geometry=GRID)
        assert np.isnan(basis.laps[:, 0]).tolist() == [False, True, True, False]
        assert basis.constant_share == 0.5
        assert basis.monotone_share == 0.5
        assert basis.median_laps == pytest.approx((1.0 + basis.laps[3, 0]) / 2)

    def test_median_and_share_are_those_of_the_units_that_vary(self):
        features = np.column_stack([np.tanh(5 * X), X, np.cos(2 * np.pi * X), np.cos(6 * np.pi * X), 0 * X, 0 * X + 1])
        basis = measure(features, geometry=GRID)
        assert basis.laps[:4, 0] == pytest.approx([1, 1, 2, 6], abs=1e-3)
        assert basis.median_laps == pytest.approx(1.5, abs=1e-3)
        assert basis.monotone_share == 0.5
        assert basis.constant_share == pytest.approx(1 / 3)

    def test_rounding_to_float32_leaves_a_step_of_small_range_monotone(self):
        fine = line(4096)
        steps = np.column_stack([np.tanh(3 * fine.points - 1), 0.9 + 3e-3 * np.tanh(3 * fine.points - 1)])
        basis = measure(steps.astype(np.float32), geometry=fine)
        assert basis.monotone_share == 1.0
        assert basis.median_laps == pytest.approx(1.0, abs=1e-2)


class TestTwoAxes:
    GRID = Grid(bounds=((0.0, 1.0), (-1.0, 1.0)), shape=(60, 80), axes=("x", "y"))

    def test_laps_are_counted_along_each_axis_on_its_own(self):
        x, y = self.GRID.points.T
        features = np.column_stack([np.cos(6 * np.pi * x), np.cos(2 * np.pi * y), np.cos(6 * np.pi * x) * np.tanh(y)])
        laps = unit_laps(self.GRID, features)
        assert laps == pytest.approx(np.array([[6, np.nan], [np.nan, 4], [6, 1]]), abs=0.02, nan_ok=True)

    def test_laps_are_the_sum_of_total_variations_over_the_sum_of_ranges_of_all_lines(self):
        features = np.random.default_rng(4).standard_normal((60 * 80, 3))
        field = features.reshape(60, 80, 3)
        laps = unit_laps(self.GRID, features)
        for unit in range(3):
            for axis in range(2):
                lines = np.moveaxis(field[..., unit], axis, -1).tolist()
                variation = sum(abs(b - a) for row in lines for a, b in itertools.pairwise(row))
                assert laps[unit, axis] == pytest.approx(variation / sum(max(r) - min(r) for r in lines), rel=1e-12)

    def test_a_rotation_by_a_right_angle_exchanges_the_axes(self):
        shape = (40, 40)
        square = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=shape, axes=("x", "y"))
        random = np.random.default_rng(1)
        features = np.sin(square.points @ random.uniform(-15, 15, (2, 6)) + random.uniform(0, 6, 6))
        turned = np.rot90(features.reshape(*shape, 6)).reshape(-1, 6)
        np.testing.assert_allclose(unit_laps(square, turned), unit_laps(square, features)[:, ::-1], rtol=1e-12)
        places, widths = unit_places(square, features)
        turned_places, turned_widths = unit_places(square, turned)
        # np.rot90 takes (x, y) to (1 - y, x)
        np.testing.assert_allclose(turned_places, np.column_stack([1 - places[:, 1], places[:, 0]]), rtol=1e-9)
        np.testing.assert_allclose(turned_widths, widths[:, ::-1], rtol=1e-9)
        basis, after = (
            measure(f, target=features[:, 0] ** 2, prediction=f[:, 0], geometry=square) for f in (features, turned)
        )
        assert after.median_laps == pytest.approx(basis.median_laps, rel=1e-12)
        assert after.effective_rank == pytest.approx(basis.effective_rank, rel=1e-9)

    def test_the_median_takes_each_unit_along_the_axis_where_it_has_the_most_laps(self):
        x, y = self.GRID.points.T
        features = np.column_stack([np.tanh(x) * np.cos(3 * np.pi * y), np.tanh(x + y), 0 * x])
        basis = measure(features, geometry=self.GRID)
        assert basis.median_laps == pytest.approx((6 + 1) / 2, abs=0.02)
        assert basis.monotone_share == 0.5
        assert basis.constant_share == pytest.approx(1 / 3)

    def test_an_oblique_step_is_as_wide_along_an_axis_as_its_slope_there_makes_it(self):
        wide = Grid(bounds=((-3.0, 3.0), (-3.0, 3.0)), shape=(300, 300), axes=("x", "y"))
        x, y = wide.points.T
        step = np.tanh((2 * x + 0.2 * y) / 0.5)[:, None]
        places, widths = unit_places(wide, step)
        assert widths[0, 0] == pytest.approx(2 * math.atanh(0.8) * 0.5 / 2, rel=0.01)
        assert places[0] == pytest.approx([0.0, 0.0], abs=1e-9)

    def test_lines_weigh_by_their_total_variation(self):
        grid = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(600, 4), axes=("x", "y"))
        x = grid.points[:, 0].reshape(600, 4)
        height, place, width = np.array([[1.0, 3.0, 0.0, 0.0], [0.3, 0.7, 0.5, 0.5], [0.02, 0.06, 1.0, 1.0]])
        places, widths = unit_places(grid, (height * np.tanh((x - place) / width)).reshape(-1, 1))
        assert places[0, 0] == pytest.approx((0.3 + 3 * 0.7) / 4, abs=1e-3)
        assert widths[0, 0] == pytest.approx(2 * math.atanh(0.8) * (0.02 + 3 * 0.06) / 4, rel=0.01)


class TestPlaces:
    @pytest.mark.parametrize("width", [0.01, 0.02, 0.05])
    @pytest.mark.parametrize("sign", [-1, 1])
    def test_a_step_is_at_its_place_and_as_wide_as_tanh_makes_it(self, width, sign):
        centres = np.array([0.25, 0.4, 0.5, 0.75])
        places, widths = unit_places(GRID, np.tanh(sign * (GRID.points - centres) / width))
        assert places[:, 0] == pytest.approx(centres, abs=1e-3)
        assert widths[:, 0] == pytest.approx(2 * math.atanh(0.8) * width, rel=0.01)

    @pytest.mark.parametrize(("centre", "width"), [(0.0, 0.1), (1.0, 0.1), (0.1, 0.3), (1.4, 0.5), (0.5, 3.0)])
    def test_of_a_step_cut_off_by_the_domain_the_part_inside_counts(self, centre, width):
        fine = line(20_000)
        places, widths = unit_places(fine, np.tanh((fine.points - centre) / width))
        low, high = np.tanh((0 - centre) / width), np.tanh((1 - centre) / width)
        tenth, ninetieth = (centre + width * math.atanh(low + share * (high - low)) for share in (0.1, 0.9))
        assert widths.item() == pytest.approx(ninetieth - tenth, rel=1e-3)

        # the mean of x under the density phi' / (phi(1) - phi(0)), by parts; the integral of tanh is ln cosh
        def integral(x):
            return width * math.log(math.cosh((x - centre) / width))

        assert places.item() == pytest.approx((high - (integral(1) - integral(0))) / (high - low), abs=1e-3)

    def test_places_are_in_the_units_of_the_axis(self):
        metres = line(800, 100.0, 180.0)
        places, widths = unit_places(metres, np.tanh((metres.points - 120.0) / 2.0))
        assert places.item() == pytest.approx(120.0, abs=0.01)
        assert widths.item() == pytest.approx(4.394, rel=0.01)

    def test_a_straight_line_is_in_the_middle_and_eight_tenths_wide(self):
        places, widths = unit_places(GRID, GRID.points.copy())
        cell = 1 / 512  # the outer half cells hold no points
        assert (places.item(), widths.item()) == pytest.approx((0.5, 0.8 * (1 - cell)), rel=1e-12)

    def test_a_jump_between_two_points_lies_between_them_and_is_eight_tenths_of_their_distance_wide(self):
        places, widths = unit_places(GRID, np.where(GRID.points < 0.5, 0.0, 1.0))
        assert (places.item(), widths.item()) == pytest.approx((0.5, 0.8 / 512), rel=1e-9)

    def test_constant_units_have_no_place(self):
        places, widths = unit_places(GRID, np.column_stack([X, np.ones(512)]))
        assert np.isnan(places[:, 0]).tolist() == np.isnan(widths[:, 0]).tolist() == [False, True]

    def test_units_that_are_not_finite_have_no_place(self):
        places, widths = unit_places(GRID, np.where(X[:, None] > 0.9, np.nan, X[:, None]))
        assert np.isnan([places, widths]).all()


class TestProjection:
    @settings(max_examples=60)
    @given(
        points=st.integers(20, 90),
        width=st.integers(1, 90),
        rank=st.integers(1, 15),
        offset=st.floats(-10, 10),
        seed=st.integers(0, 10**6),
    )
    def test_the_error_is_that_of_a_least_squares_solver(self, points, width, rank, offset, seed):
        random = np.random.default_rng(seed)
        features = random.standard_normal((points, rank)) @ random.standard_normal((rank, width)) + offset
        target = random.standard_normal(points) + offset
        basis = measure(features, target=target)
        assert basis.projection_note == ""
        assert basis.projection_error == pytest.approx(least_squares_error(features, target), abs=1e-6)

    @pytest.mark.parametrize("width", [50, 600])
    def test_the_error_on_smooth_steps_is_that_of_a_least_squares_solver(self, width):
        random = np.random.default_rng(8)
        features = np.tanh((X[:, None] - random.uniform(0, 1, width)) / random.uniform(0.05, 0.5, width))
        target = np.sin(26 * np.pi * X)
        error = measure(features, target=target, geometry=GRID).projection_error
        # the units fade out without a gap: what lies at the cutoff is worth a hundredth
        assert error == pytest.approx(least_squares_error(features, target), rel=2e-2)
        assert least_squares_error(features, target, 3e-6) >= error >= least_squares_error(features, target, 3e-7)

    @pytest.mark.parametrize("shape", [(512, 20), (60, 200)])
    def test_nothing_is_left_of_a_target_that_is_a_combination_of_units_and_a_constant(self, shape):
        features = with_singular_values(np.linspace(1.0, 0.01, 12), *shape) + 0.5
        target = features @ np.random.default_rng(0).standard_normal(shape[1]) - 4.0
        assert measure(features, target=target).projection_error < 1e-9

    def test_all_is_left_of_a_target_that_is_orthogonal_to_the_units(self):
        features = np.column_stack([np.cos(2 * np.pi * k * X) for k in (1, 2, 3)])
        assert measure(features, target=np.sin(26 * np.pi * X)).projection_error == pytest.approx(1.0, rel=1e-9)

    def test_a_constant_is_always_in_the_span(self):
        assert measure(np.cos(9 * GRID.points), target=np.full(512, 7.0), scale=1.0).projection_error < 1e-12

    def test_the_error_is_relative_to_the_scale(self):
        features, target = np.cos(2 * np.pi * GRID.points), 3.0 * np.sin(2 * np.pi * X)
        # mean square 9/2
        assert measure(features, target=target, scale=4.5).projection_error == pytest.approx(1.0, rel=1e-9)
        assert measure(features, target=target, scale=18.0).projection_error == pytest.approx(0.5, rel=1e-9)

    def test_never_above_the_actual_error_of_output_weights_on_the_same_units(self):
        random = np.random.default_rng(2)
        features = np.tanh(X[:, None] * random.normal(0, 20, 30) + random.normal(0, 10, 30))
        target = np.sin(8 * np.pi * X)
        for _ in range(20):
            prediction = features @ random.normal(0, 0.3, 30) + random.normal()
            basis = measure(features, target=target, prediction=prediction)
            assert basis.projection_error <= np.sqrt(np.mean((prediction - target) ** 2) / np.mean(target**2))

    @pytest.mark.parametrize("change", ["scaled", "permuted", "rotated", "shifted"])
    @pytest.mark.parametrize("shape", [(200, 15), (60, 90)])
    def test_the_error_depends_on_the_span_of_the_units_only(self, shape, change):
        random = np.random.default_rng(5)
        points, width = shape
        features = with_singular_values(np.linspace(2.0, 0.5, 14), points, width)
        changed = {
            "scaled": lambda: features * 1e-4,
            "permuted": lambda: features[:, random.permutation(width)],
            "rotated": lambda: features @ np.linalg.qr(random.standard_normal((width, width)))[0],
            "shifted": lambda: features + random.standard_normal(width),
        }[change]()
        target = random.standard_normal(points)
        assert measure(changed, target=target).projection_error == pytest.approx(
            measure(features, target=target).projection_error, rel=1e-9
        )

    def test_units_scaled_each_on_its_own_span_the_same(self):
        random = np.random.default_rng(6)
        features, target = random.standard_normal((200, 9)), random.standard_normal(200)
        scaled = features * random.uniform(0.01, 1.0, 9)
        errors = [measure(f, target=target).projection_error for f in (features, scaled)]
        assert errors[0] == pytest.approx(errors[1], rel=1e-9)


class TestAbsentProjection:
    features = np.tanh((X[:, None] - np.linspace(0, 1, 8)) / 0.2)
    weights = np.random.default_rng(0).standard_normal(8)

    def test_a_hard_constraint_after_the_layer_is_named(self):
        basis = measure(self.features, prediction=X * (1 - X) * (self.features @ self.weights))
        assert math.isnan(basis.projection_error)
        assert basis.projection_note.startswith(
            "the output is not linear in this layer: something follows it, such as a hard constraint"
        )
        assert basis.numerical_rank == measure(self.features).numerical_rank  # all else is there

    @pytest.mark.parametrize("size", [1e-6, 1e6])
    def test_a_hard_constraint_is_found_whatever_the_sizes_of_target_and_prediction(self, size):
        prediction = X * (1 - X) * (self.features @ self.weights)
        assert math.isnan(measure(self.features, np.sin(9 * X) * size, prediction).projection_error)
        assert math.isnan(measure(self.features, np.sin(9 * X), prediction * size).projection_error)

    def test_an_output_in_other_units_is_still_linear_in_the_layer(self):
        prediction = 340.0 + 15.0 * (self.features @ self.weights)
        assert measure(self.features, prediction=prediction).projection_note == ""

    def test_a_constraint_that_changes_less_than_a_thousandth_is_none(self):
        prediction = self.features @ self.weights
        for share, absent in ((1e-4, False), (1e-2, True)):
            other = share * np.sqrt(2) * np.std(prediction) * np.sin(100 * np.pi * X)
            assert math.isnan(measure(self.features, prediction=prediction + other).projection_error) == absent

    @pytest.mark.parametrize("value", [0.0, 1.0, -300.0])
    def test_a_prediction_that_is_constant_up_to_its_rounding_is_linear(self, value):
        rounding = 6e-8 * value * np.sign(np.sin(1e4 * X))
        assert measure(self.features, prediction=value + rounding).projection_note == ""

    def test_rounding_of_the_network_to_float32_is_no_constraint(self):
        single = self.features.astype(np.float32)
        prediction = single @ self.weights.astype(np.float32) + np.float32(0.1)
        assert measure(single, prediction=prediction.astype(float)).projection_note == ""

    def test_the_residual_of_an_equation_has_no_target_to_project(self):
        basis = measure(self.features, target=np.zeros(512), scale=1.0)
        assert math.isnan(basis.projection_error)
        assert basis.projection_note.startswith("the target is 0 everywhere")

    @pytest.mark.parametrize("scale", [0.0, math.nan])
    def test_without_a_scale_there_is_no_relative_error(self, scale):
        basis = measure(self.features, scale=scale)
        assert math.isnan(basis.projection_error)
        assert basis.projection_note == "the scale of the error is not known"

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_a_prediction_that_is_not_finite_is_named(self, value):
        basis = measure(self.features, prediction=np.where(X > 0.9, value, X))
        assert math.isnan(basis.projection_error)
        assert basis.projection_note == "the prediction is not finite"

    @pytest.mark.parametrize(("points", "width"), [(20, 19), (20, 20), (20, 500)])
    def test_as_many_independent_units_as_points_prove_nothing(self, points, width):
        features = np.random.default_rng(0).standard_normal((points, width))
        basis = measure(features)
        assert math.isnan(basis.projection_error)
        assert basis.projection_note.startswith("there are as many independent units as points")
        assert measure(features[:, :18]).projection_note == ""


class TestDeadDomain:
    """Steps that all lie in a part of the domain, and have next to nothing left to go three widths from there."""

    @staticmethod
    def dead(geometry, features, dtype=np.float32):
        return measure(features.astype(dtype), geometry=geometry).dead_domain

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    @pytest.mark.parametrize(("shape", "cell"), [((512,), 1 / 512), ((48, 48), 1 / 48), ((16, 16, 16), 1 / 16)])
    def test_units_that_are_flat_past_a_quarter_of_an_axis_leave_three_quarters_dead(self, shape, cell, dtype):
        axes = ("x", "y", "z")[: len(shape)]
        grid = Grid(bounds=((0.0, 1000.0),) * len(shape), shape=shape, axes=axes)
        for axis in range(len(shape)):
            steps = np.tanh((grid.points[:, axis, None] / 1000 - np.linspace(0.03, 0.19, 5)) / 0.02)
            assert self.dead(grid, steps, dtype) == pytest.approx(0.75, abs=0.01 + cell / 2)

    def test_the_dead_part_is_where_no_unit_varies_not_where_each_has_its_end(self):
        both = np.tanh((X[:, None] - np.array([0.1, 0.9])) / 0.01)
        # 1e-2 of a step's deviation, about 0.6, is left 2.9 widths away; a stretch takes in 0.009 more to either side
        assert self.dead(GRID, both) == pytest.approx(1 - 4 * (0.029 + 0.009), abs=0.01)

    def test_a_corner_in_which_units_vary_is_alive_and_the_rest_is_dead(self):
        grid = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(48, 48), axes=("x", "y"))
        x, y = grid.points.T
        corner = np.clip(0.5 - x, 0, None) * np.clip(0.5 - y, 0, None) * (1 + np.sin(9 * x + 5 * y))
        assert self.dead(grid, corner[:, None]) == pytest.approx(0.75, abs=0.03)

    @pytest.mark.parametrize(("shape", "cycles"), [((512,), 13), ((48, 48), 3), ((16, 16, 16), 2)])
    def test_where_a_unit_turns_it_is_not_dead(self, shape, cycles):
        grid = Grid(bounds=((0.0, 1.0),) * len(shape), shape=shape, axes=("x", "y", "z")[: len(shape)])
        assert self.dead(grid, np.cos(2 * np.pi * cycles * grid.points[:, :1])) == 0.0

    def test_a_network_that_varies_everywhere_has_no_dead_part(self):
        torch.manual_seed(0)
        features = TanhMLP(width=50).layers[:-1](torch.as_tensor(X[:, None]).float()).detach().numpy()
        assert measure(features, geometry=GRID).dead_domain == 0.0

    def test_rectifiers_that_are_all_off_are_dead(self):
        rectified = np.clip(X[:, None] - np.array([0.6, 0.7, 0.8]), 0, None)
        assert self.dead(GRID, rectified) == pytest.approx(0.6, abs=0.01)

    def test_a_place_counts_by_the_length_it_stands_for(self):
        crowded = np.sort(np.random.default_rng(0).random(600) ** 3)  # half of the points below 1/8
        points = Scattered(coordinates=crowded, bounds=((0.0, 1.0),))
        steps = np.tanh((points.points - np.linspace(0.05, 0.2, 4)) / 0.01)
        assert self.dead(points, steps) == pytest.approx(0.02 + 0.77, abs=0.02)  # below 0.02 nothing varies either

    @settings(max_examples=30)
    @given(start=st.floats(0.1, 0.9), low=st.floats(-1e3, 1e3), size=st.floats(1e-3, 1e3))
    def test_it_knows_neither_the_units_sizes_nor_the_axis(self, start, low, size):
        grid = line(512, low, low + size)
        share = (np.arange(512) + 0.5) / 512
        ramp = np.clip(share - start, 0, None)[:, None]
        assert self.dead(grid, ramp * np.array([1.0, 0.1])) == pytest.approx(start, abs=0.01)


class TestOddFeatures:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e200])
    @pytest.mark.parametrize("shape", [(100, 8), (8, 100)])
    def test_one_value_that_cannot_be_squared_makes_every_number_unknown(self, shape, value):
        features = np.random.default_rng(0).standard_normal(shape)
        features[3, 2] = value
        basis = measure(features, prediction=np.zeros(shape[0]))
        numbers = [
            basis.numerical_rank,
            basis.effective_rank,
            basis.constant_share,
            basis.dead_domain,
            basis.median_laps,
            basis.monotone_share,
            basis.projection_error,
        ]
        assert np.isnan(numbers).all()
        assert np.isnan(basis.singular_values).all()
        assert basis.singular_values.shape == (8,)
        assert np.isnan(basis.laps).all()
        assert basis.laps.shape == (shape[1], 1)
        assert basis.projection_note == "the units are not finite"

    @pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
    @pytest.mark.parametrize("shape", [(100, 8), (8, 100)])
    def test_dead_units_have_no_rank_and_no_shape_and_leave_the_whole_target(self, shape, value):
        target = np.random.default_rng(0).standard_normal(shape[0])
        basis = measure(np.full(shape, value), target=target, scale=np.var(target))
        assert (basis.numerical_rank, basis.effective_rank, basis.constant_share) == (0.0, 0.0, 1.0)
        assert basis.dead_domain == 1.0
        assert np.isnan([basis.median_laps, basis.monotone_share]).all()
        assert basis.projection_error == pytest.approx(1.0, rel=1e-9)

    def test_a_single_unit_is_a_basis(self):
        basis = measure(GRID.points, target=X**2, scale=1.0)
        assert (basis.numerical_rank, basis.effective_rank, basis.median_laps) == pytest.approx((1, 1, 1), rel=1e-12)
        # x^2 less its best line, on the unit interval: RMS 1 / (6 sqrt 5)
        assert basis.projection_error == pytest.approx(1 / (6 * math.sqrt(5)), rel=1e-4)

    def test_the_features_are_left_as_they_are(self):
        features = np.tanh(4 * X[:, None] - np.arange(5.0))
        before = features.copy()
        measure(features)
        unit_places(GRID, features)
        assert np.array_equal(features, before)

    def test_float32_features_give_the_numbers_of_the_same_values_in_float64(self):
        features = np.tanh(4 * X[:, None] - np.arange(5.0)).astype(np.float32)
        single = measure_basis(GRID, features, np.sin(9 * X), features.sum(axis=1), 1.0)
        double = measure_basis(GRID, features.astype(float), np.sin(9 * X), features.sum(axis=1), 1.0)
        assert np.array_equal(single.singular_values, double.singular_values)
        assert single.projection_error == double.projection_error


class TestOrderOfPoints:
    @pytest.mark.parametrize("width", [12, 300])
    def test_points_in_any_order_give_the_same_numbers(self, width):
        random = np.random.default_rng(7)
        features = np.tanh(X[:, None] * random.normal(0, 20, width) + random.normal(0, 10, width))
        features[:, 0] = np.sin(10 * np.pi * X)
        target, weights = np.sin(4 * np.pi * X), random.standard_normal(width)
        order = random.permutation(512)
        ordered = measure(features, target, features @ weights, geometry=GRID)
        shuffled = measure(features[order], target[order], (features @ weights)[order], geometry=Shuffled(X[order]))
        np.testing.assert_allclose(shuffled.laps, ordered.laps, rtol=1e-9)
        np.testing.assert_allclose(shuffled.singular_values[:9], ordered.singular_values[:9], rtol=1e-9)
        assert shuffled.numerical_rank == ordered.numerical_rank
        assert shuffled.monotone_share == ordered.monotone_share
        assert shuffled.projection_error == pytest.approx(ordered.projection_error, rel=1e-2)
        for one, other in zip(
            unit_places(GRID, features), unit_places(Shuffled(X[order]), features[order]), strict=True
        ):
            np.testing.assert_allclose(other, one, rtol=1e-9)

    def test_uneven_distances_between_points_are_in_the_places(self):
        coordinates = np.random.default_rng(0).uniform(0, 1, 3000) ** 2
        places, widths = unit_places(Shuffled(coordinates), np.tanh((coordinates[:, None] - 0.6) / 0.05))
        assert places.item() == pytest.approx(0.6, abs=2e-3)
        assert widths.item() == pytest.approx(2 * math.atanh(0.8) * 0.05, rel=0.02)


class TestPartOfThePoints:
    """Singular values and projection by a part of the points, laps by all."""

    def fields(self):
        random = np.random.default_rng(4)
        features = random.standard_normal((900, 12)).cumsum(axis=0)
        return features, random.standard_normal(900), features @ random.standard_normal(12)

    @pytest.mark.parametrize("every", [2, 3, 7])
    def test_rank_and_projection_are_those_of_the_part_and_laps_those_of_the_whole(self, every):
        features, target, prediction = self.fields()
        rows = np.arange(0, 900, every)
        seen = measure_basis(line(900), features, target, prediction, 1.0, decomposed=rows)
        part = measure_basis(line(len(rows)), features[rows], target[rows], prediction[rows], 1.0)
        np.testing.assert_array_equal(seen.singular_values, part.singular_values)
        assert seen.effective_rank == part.effective_rank
        assert seen.projection_error == part.projection_error
        np.testing.assert_array_equal(seen.laps, unit_laps(line(900), features))
        assert (seen.laps > part.laps).all()  # a walk turns more often than every other step of it

    def test_a_value_that_is_not_finite_makes_every_number_unknown_in_whichever_part_it_is(self):
        features, target, prediction = self.fields()
        features[1, 3] = np.nan
        seen = measure_basis(line(900), features, target, prediction, 1.0, decomposed=np.arange(0, 900, 2))
        assert math.isnan(seen.effective_rank)
        assert seen.projection_note == "the units are not finite"

    @pytest.mark.parametrize(
        ("shape", "axis"), [((32,) * 3, 0), ((32,) * 3, 1), ((32,) * 3, 2), ((96, 96), 0), ((96, 96), 1)]
    )
    def test_the_points_that_the_callback_takes_do_for_all_along_every_axis(self, shape, axis):
        dimension = len(shape)
        grid = Grid(bounds=((0.0, 1.0),) * dimension, shape=shape, axes=("x", "y", "z")[:dimension])
        target = np.sin((6 if dimension == 3 else 16) * np.pi * grid.points[:, axis] + 0.3)
        diagnostic = BasisDiagnostic(None)
        diagnostic.begin(Scene(grid, target, fit_trend(grid, target)))
        assert diagnostic.decomposed is not None
        random = np.random.default_rng(1)
        fewer = diagnostic.geometry
        slopes, shifts = random.normal(0, 4, (dimension, 40)), random.normal(0, 2, 40)
        features = np.tanh(fewer.points @ slopes + shifts)
        prediction = features @ random.standard_normal(40)
        whole, part = (
            measure_basis(fewer, features, diagnostic.target, prediction, 0.5, decomposed=rows)
            for rows in (None, diagnostic.decomposed)
        )
        assert whole.projection_error > 0.2
        assert part.projection_error == pytest.approx(whole.projection_error, rel=0.06)
        assert part.numerical_rank == pytest.approx(whole.numerical_rank, abs=1)
        assert part.effective_rank == pytest.approx(whole.effective_rank, rel=0.02)


class TestImportantUnits:
    def test_the_units_that_move_the_prediction_most_come_first(self):
        features = np.column_stack([X, 10 * X, 0 * X + 50, -2 * X])
        assert important_units(features, np.array([1.0, 0.01, 9.0, -3.0]), 3).tolist() == [3, 0, 1]

    def test_without_weights_the_widest_come_first(self):
        features = np.column_stack([X, 10 * X, 0 * X + 50, -2 * X])
        assert important_units(features, None, 2).tolist() == [1, 3]

    def test_fewer_units_than_asked_for_are_all_returned(self):
        assert sorted(important_units(np.eye(3), np.ones(3), 16).tolist()) == [0, 1, 2]

    def test_equal_units_keep_their_order(self):
        assert important_units(np.repeat(X[:, None], 6, axis=1), np.ones(6), 4).tolist() == [0, 1, 2, 3]

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_units_and_weights_that_are_not_finite_come_last(self, value):
        features = np.column_stack([X, X, 0 * X, X])
        features[5, 0] = value
        assert important_units(features, np.array([1.0, value, 1.0, 0.1]), 4).tolist() == [3, 2, 0, 1]


def last_hidden(network, points):
    """Features and prediction, by running the layers one after another."""
    with torch.no_grad():
        values = torch.as_tensor(points, dtype=torch.float32)
        for layer in list(network.layers)[:-1]:
            values = layer(values)
        return values.double().numpy(), network.layers[-1](values)[:, 0].double().numpy()


class TestNetworks:
    DOMAIN = line(512, -1.0, 1.0)
    TARGET = np.sin(13 * np.pi * DOMAIN.points[:, 0])

    def basis_of(self, network):
        features, prediction = last_hidden(network, self.DOMAIN.points)
        return measure(features, self.TARGET, prediction, geometry=self.DOMAIN), prediction

    def trained(self, network, rate, steps):
        points = torch.as_tensor(self.DOMAIN.points, dtype=torch.float32)
        target = torch.as_tensor(self.TARGET, dtype=torch.float32)[:, None]
        optimizer = torch.optim.Adam(network.parameters(), lr=rate)
        for _ in range(steps):
            optimizer.zero_grad()
            torch.mean((network(points) - target) ** 2).backward()
            optimizer.step()
        return network

    @pytest.mark.parametrize("seed", range(5))
    def test_the_units_of_a_fresh_tanh_network_are_steps_and_few_are_independent(self, seed):
        torch.manual_seed(seed)
        basis, _ = self.basis_of(TanhMLP(width=50))
        assert basis.median_laps == pytest.approx(1.0, abs=1e-3)
        assert basis.monotone_share >= 0.7
        assert 2 <= basis.numerical_rank <= 8
        assert basis.effective_rank < 3
        assert basis.projection_note == ""
        assert basis.projection_error > 0.9

    @pytest.mark.parametrize("seed", range(5))
    def test_the_units_of_a_fresh_siren_oscillate_and_most_are_independent(self, seed):
        torch.manual_seed(seed)
        basis, _ = self.basis_of(SIREN(width=50))
        assert basis.median_laps >= 5
        assert basis.monotone_share == 0.0
        assert basis.numerical_rank >= 40
        assert basis.effective_rank > 15
        assert basis.projection_error < 0.3

    def test_training_turns_a_sirens_units_faster_and_gives_it_its_full_rank(self):
        torch.manual_seed(0)
        basis, prediction = self.basis_of(self.trained(SIREN(width=50), 1e-3, 200))
        assert basis.median_laps >= 10
        assert basis.numerical_rank == 50
        assert np.sqrt(np.mean((prediction - self.TARGET) ** 2)) < 0.1

    def test_training_a_tanh_network_adds_rank_but_no_laps_and_the_projection_follows_the_error(self):
        torch.manual_seed(0)
        network = TanhMLP(width=50)
        ranks, ratios = [], []
        for _ in range(3):
            basis, prediction = self.basis_of(self.trained(network, 5e-3, 400))
            actual = np.sqrt(np.mean((prediction - self.TARGET) ** 2) / np.mean(self.TARGET**2))
            ranks.append(basis.numerical_rank)
            ratios.append(basis.projection_error / actual)
            assert basis.median_laps == pytest.approx(1.0, abs=0.02)
        assert ranks == sorted(ranks)
        assert ranks[-1] >= 10
        assert all(0.0 < ratio <= 1.0 for ratio in ratios)

    def test_more_units_than_points_are_measured_on_the_side_of_the_points(self):
        torch.manual_seed(0)
        features, prediction = last_hidden(TanhMLP(width=700), self.DOMAIN.points)
        basis = measure(features, self.TARGET, prediction, geometry=self.DOMAIN)
        expected = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
        assert basis.singular_values.shape == (512,)
        assert basis.singular_values[:4] == pytest.approx(expected[:4], rel=1e-5)
        assert basis.numerical_rank == np.count_nonzero(expected > 1e-3 * expected[0])
        assert basis.projection_note == ""


class TestFewerPoints:
    """Wide bases by every other point, where that says the same."""

    FEWER = np.arange(0, 512, 2)

    def waves(self, low, high, width=300):
        random = np.random.default_rng(6)
        return np.sin(2 * np.pi * (random.uniform(low, high, width) * X[:, None] + random.random(width)))

    def measured(self, features, fewer):
        target = np.sin(26 * np.pi * X)
        return measure_basis(GRID, features, target, features.sum(axis=1), 0.5, fewer=fewer)

    @pytest.mark.parametrize("highest", [5, 15, 40])
    def test_smooth_units_have_the_rank_and_the_projection_of_all_points(self, highest):
        features = self.waves(0, highest)
        seen = self.measured(features, self.FEWER)
        assert len(seen.singular_values) == 256
        exact = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
        assert seen.numerical_rank == pytest.approx(np.count_nonzero(exact > 1e-3 * exact[0]), rel=0.02)
        exact = exact[exact > 1e-6 * exact[0]] / exact[exact > 1e-6 * exact[0]].sum()
        assert seen.effective_rank == pytest.approx(np.exp(-np.sum(exact * np.log(exact))), rel=0.01)
        left = least_squares_error(features, np.sin(26 * np.pi * X))
        assert seen.projection_error == pytest.approx(left, rel=0.05, abs=1e-5)
        np.testing.assert_array_equal(seen.laps, unit_laps(GRID, features))

    @pytest.mark.parametrize("case", ["noise", "alike at every other point", "not wide"])
    def test_units_that_fewer_points_cannot_tell_apart_are_measured_at_all(self, case):
        features = {
            "noise": np.random.default_rng(7).standard_normal((512, 300)),
            "alike at every other point": self.waves(100, 156),  # a wave of 128 + k cycles is there one of 128 - k
            "not wide": self.waves(0, 15, width=128),
        }[case]
        seen, every = self.measured(features, self.FEWER), self.measured(features, None)
        np.testing.assert_array_equal(seen.singular_values, every.singular_values)
        np.testing.assert_equal(seen.projection_error, every.projection_error)
        exact = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
        assert seen.numerical_rank == np.count_nonzero(exact > 1e-3 * exact[0])

    def test_noise_is_not_fitted_at_fewer_points(self):
        random = np.random.default_rng(8)
        points = Scattered(coordinates=random.permutation(X), bounds=((0.0, 1.0),))
        target = np.sin(26 * np.pi * points.points[:, 0])
        diagnostic = BasisDiagnostic(None)
        diagnostic.begin(Scene(points, target, fit_trend(points, target)))
        assert diagnostic.fewer is not None
        assert np.all(np.diff(points.points[diagnostic.fewer, 0]) == X[2] - X[0])
        diagnostic.begin(Scene(points, target, fit_trend(points, target), noise=0.1))
        assert diagnostic.fewer is None

    def test_a_value_that_is_not_finite_is_found_at_a_point_that_is_left_out(self):
        features = self.waves(0, 5)
        features[1, 3] = np.inf
        assert self.measured(features, self.FEWER).projection_note == "the units are not finite"
