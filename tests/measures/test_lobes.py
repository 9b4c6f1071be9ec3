"""Lobes of fields whose number is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_seqfit.geometry import FloatArray, Grid
from lightning_seqfit.measures.lobes import count_lobes, target_lobes
from lightning_seqfit.measures.oscillations import Oscillations
from lightning_seqfit.measures.trend import fit_trend

PLANE = Grid(bounds=((-1.0, 1.0),) * 2, shape=(96, 96), axes=("x", "y"))
SPACE = Grid(bounds=((-1.0, 1.0),) * 3, shape=(32, 32, 32), axes=("x", "y", "z"))
X, Y = PLANE.points.T
RADIUS = np.hypot(X, Y)


def product(grid: Grid, *cycles: int) -> FloatArray:
    """Product of sin(k pi x) along the axes: 2 k lobes along each."""
    return np.prod([np.sin(k * np.pi * x) for k, x in zip(cycles, grid.points.T, strict=True)], axis=0)


def count(grid: Grid, target: FloatArray, prediction: FloatArray, tolerance: float = 0.25) -> Oscillations:
    trend = fit_trend(grid, target)
    return count_lobes(grid, trend, target_lobes(grid, trend), prediction, prediction - target, tolerance)


class TestTarget:
    @pytest.mark.parametrize("a", range(2, 7))
    @pytest.mark.parametrize("b", range(2, 7))
    def test_products_have_4ab_lobes_in_noise_and_on_a_trend(self, a, b):
        wave = product(PLANE, a, b)
        noise = 0.05 * wave.std() * np.random.default_rng(10 * a + b).normal(size=wave.shape)
        target = wave + noise + 1.5 * X - 0.7 * Y + 3.0
        assert target_lobes(PLANE, fit_trend(PLANE, target)).count == 4 * a * b

    @pytest.mark.parametrize("cycles", [(2, 2, 2), (3, 2, 2), (2, 4, 3), (3, 3, 3)])
    def test_products_in_three_dimensions_have_8abc(self, cycles):
        wave = product(SPACE, *cycles)
        noise = 0.05 * wave.std() * np.random.default_rng(0).normal(size=wave.shape)
        target = wave + noise + 0.3 * SPACE.points[:, 0]
        assert target_lobes(SPACE, fit_trend(SPACE, target)).count == 8 * math.prod(cycles)

    @pytest.mark.parametrize("direction", [(1, 0), (0, 1)])
    def test_a_plane_wave_has_a_stripe_for_every_half_wave(self, direction):
        along = direction[0] * X + direction[1] * Y
        assert target_lobes(PLANE, fit_trend(PLANE, np.sin(13 * np.pi * along))).count == 26

    def test_rings_are_counted_once_each(self):
        # cos(4 pi r), seen to r = 1: the middle, then a ring at every r = k / 4; the corners hold no whole ring
        inside = RADIUS < 1.0
        target = np.where(inside, np.cos(4 * np.pi * RADIUS), 1.0)
        seen = target_lobes(PLANE, fit_trend(PLANE, target))
        at = [seen.labels[np.argmin(np.abs(RADIUS - k / 4))] for k in range(4)]
        assert len(set(at)) == 4
        for number, k in zip(at, range(4), strict=True):
            ring = np.abs(RADIUS - k / 4) < 0.03
            assert set(seen.labels[ring].tolist()) == {number}
            assert seen.signs[number - 1] == (-1) ** k

    def test_what_does_not_oscillate_has_none(self):
        assert target_lobes(PLANE, fit_trend(PLANE, 2.0 + X - Y)).count == 0
        seen = count(PLANE, 2.0 + X - Y, X**2)
        assert (seen.target, seen.model, seen.fitted, seen.missing, seen.spurious) == (0, 0, 0, 0, 0)

    @given(st.integers(0, 2**31), st.floats(0.01, 100.0), st.floats(-100.0, 100.0))
    def test_shift_and_scale_change_nothing(self, seed, factor, level):
        wave = product(PLANE, 2, 3) + 0.3 * np.random.default_rng(seed).normal(size=len(X)).cumsum() / len(X)
        plain, moved = (target_lobes(PLANE, fit_trend(PLANE, u)) for u in (wave, factor * (wave + level)))
        np.testing.assert_array_equal(plain.labels, moved.labels)

    def test_the_opposite_has_the_opposite_signs(self):
        wave = product(PLANE, 3, 2)
        plain, turned = (target_lobes(PLANE, fit_trend(PLANE, u)) for u in (wave, -wave))
        np.testing.assert_array_equal(plain.labels > 0, turned.labels > 0)
        assert plain.signs.sum() == turned.signs.sum() == 0


class TestPrediction:
    def test_the_target_itself_matches_everywhere(self):
        target = product(PLANE, 3, 4) + X
        seen = count(PLANE, target, target)
        assert (seen.target, seen.model, seen.fitted, seen.missing, seen.spurious) == (48, 48, 48, 0, 0)

    def test_the_trend_alone_has_none(self):
        target = product(PLANE, 3, 4) + X
        seen = count(PLANE, target, X)
        assert (seen.model, seen.fitted, seen.missing, seen.spurious) == (0, 0, 48, 0)

    @pytest.mark.parametrize("axis", [0, 1])
    def test_a_fitted_half_has_half_of_them_and_a_quarter_turn_changes_nothing(self, axis):
        target = product(PLANE, 4, 4)
        seen = count(PLANE, target, np.where(PLANE.points[:, axis] < 0, target, 0.0))
        assert (seen.target, seen.model, seen.fitted, seen.missing, seen.spurious) == (64, 32, 32, 32, 0)

    def test_the_opposite_sign_is_all_spurious(self):
        target = product(PLANE, 3, 3)
        seen = count(PLANE, target, -target)
        assert (seen.model, seen.fitted, seen.spurious) == (36, 0, 36)

    def test_lobes_where_the_target_is_flat_are_spurious(self):
        target = np.where(X < 0, product(PLANE, 4, 4), 0.0)
        seen = count(PLANE, target, product(PLANE, 4, 4))
        assert (seen.target, seen.fitted, seen.model, seen.spurious) == (32, 32, 64, 32)

    @pytest.mark.parametrize(("error", "fitted"), [(0.24, 36), (0.26, 0)])
    def test_the_tolerance_is_a_share_of_the_lobes_rms(self, error, fitted):
        target = product(PLANE, 3, 3)
        assert count(PLANE, target, (1 - error) * target).fitted == fitted

    def test_a_prediction_that_is_not_finite_somewhere_still_matches_elsewhere(self):
        target = product(PLANE, 4, 4)
        prediction = target.copy()
        prediction[(X > 0.1) & (X < 0.2)] = np.nan
        seen = count(PLANE, target, prediction)
        assert math.isnan(seen.model)
        assert math.isnan(seen.spurious)
        assert seen.fitted == 64 - 8

    def test_extreme_values_are_counted(self):
        target = 1e140 * product(PLANE, 3, 3)
        assert count(PLANE, target, target).fitted == 36
        assert count(PLANE, target, np.full(len(X), 1e300)).fitted == 0

    def test_turning_the_grid_by_a_right_angle_changes_no_count(self):
        target = product(PLANE, 2, 5) + 0.5 * X
        prediction = np.where(X + Y < 0.3, target, 0.5 * X)

        def turned(field: FloatArray) -> FloatArray:
            return np.rot90(field.reshape(PLANE.shape)).ravel()

        plain, other = count(PLANE, target, prediction), count(PLANE, turned(target), turned(prediction))
        names = ("target", "model", "fitted", "missing", "spurious")
        assert [getattr(plain, name) for name in names] == [getattr(other, name) for name in names]
        assert 0 < plain.fitted < plain.target
