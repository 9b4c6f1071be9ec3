"""Sums of sinusoids whose frequencies are known, and fields that are no such sums."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_seqfit.geometry import Grid, Laid, Scattered
from lightning_seqfit.measures.sinusoids import take_out

LINE = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
X = LINE.points[:, 0]
PLANE = Grid(bounds=((0.0, 1.0), (-1.0, 2.0)), shape=(48, 64), axes=("x", "y"))


def sine(cycles, phase=0.0, x=X):
    return np.sin(2 * np.pi * cycles * x + phase)


class TestFrequencies:
    @given(
        cycles=st.floats(1.0, 60.0),
        phase=st.floats(0, 2 * np.pi),
        offset=st.floats(-10, 10),
        slope=st.one_of(st.just(0.0), st.floats(-50, 50)),
    )
    def test_one_sine_of_any_frequency_is_one_sinusoid(self, cycles, phase, offset, slope):
        found = take_out(LINE, offset + slope * X + sine(cycles, phase))
        assert found.frequency.ravel() == pytest.approx([cycles], rel=1e-3)
        assert found.power == pytest.approx([0.5], rel=0.01)
        assert found.exact
        assert found.slow == 0

    @pytest.mark.parametrize(
        "cycles", [(1, 2, 4, 8), (3.4, 21.7), (1.3, 2.2, 3.1), (2.5, 7.5, 30.1), (13, 14.5), (5, 250)]
    )
    def test_sines_of_one_size_are_told_apart_however_low_and_close(self, cycles):
        for phase in (0.0, 1.0, np.pi / 2):
            found = take_out(LINE, sum(sine(k, phase + 0.7 * k) for k in cycles))
            assert found.frequency.ravel() == pytest.approx(cycles, abs=1e-3)
            assert found.power == pytest.approx(0.5, rel=0.01)

    def test_a_weak_sine_beside_a_strong_one_has_its_own_amplitude(self):
        found = take_out(LINE, sine(3.4) + 0.1 * sine(21.7) + 0.05 * sine(100.3))
        assert found.frequency.ravel() == pytest.approx([3.4, 21.7, 100.3], abs=1e-6)
        assert 2 * found.power == pytest.approx([1.0, 0.01, 0.0025], rel=1e-6)

    @pytest.mark.parametrize("frequency", [(2.5, 0.0), (0.0, 5.3), (3.3, 4.6), (1.0, 7.0)])
    @pytest.mark.parametrize("sign", [1, -1])
    def test_a_plane_wave_is_one_sinusoid(self, frequency, sign):
        x, y = PLANE.points.T
        field = x + np.sin(2 * np.pi * (frequency[0] * x + sign * frequency[1] * (y + 1) / 3) + 0.3)
        found = take_out(PLANE, field)
        assert found.frequency == pytest.approx(np.array([frequency]), abs=1e-6)
        assert found.power == pytest.approx([0.5], rel=1e-4)

    def test_a_standing_wave_is_one_sinusoid(self):
        x, y = PLANE.points.T
        found = take_out(PLANE, np.sin(2 * np.pi * 2.5 * x) * np.cos(2 * np.pi * 3.3 * (y + 1) / 3))
        assert found.frequency == pytest.approx(np.array([[2.5, 3.3]]), abs=1e-6)
        assert found.power == pytest.approx([0.25], rel=1e-4)

    def test_points_may_lie_anywhere(self):
        places = np.sort(np.random.default_rng(3).random(900))
        points = Scattered(coordinates=places, bounds=((0.0, 1.0),))
        found = take_out(points, 4 - places + sine(7.7, 0.4, places) + 0.5 * sine(30.2, 0.0, places))
        assert found.frequency.ravel() == pytest.approx([7.7, 30.2], abs=1e-6)

    def test_a_long_series_is_read_on_fewer_points_and_fitted_on_all(self):
        grid = Grid(bounds=((0.0, 1.0),), shape=(50_000,), axes=("x",))
        x = grid.points[:, 0]
        found = take_out(grid, sine(2.5, 0.0, x) + 0.3 * sine(47.3, 0.0, x))
        assert found.frequency.ravel() == pytest.approx([2.5, 47.3], abs=1e-6)
        assert len(found.left) == 50_000
        assert np.abs(found.left).max() < 1e-9

    def test_waves_beyond_what_fewer_points_tell_are_read_on_all_of_them(self):
        grid = Grid(bounds=((0.0, 1.0),), shape=(8000,), axes=("x",))
        x = grid.points[:, 0]
        found = take_out(grid, sine(200.3, 0.0, x) + 0.9 * sine(1900.6, 0.0, x))
        assert found.frequency.ravel() == pytest.approx([200.3, 1900.6], abs=1e-6)

    def test_the_parts_add_up_to_the_field(self):
        field = np.exp(X) + sine(8.8) + 0.1 * np.random.default_rng(0).standard_normal(512)
        found = take_out(LINE, field)
        np.testing.assert_allclose(found.plane + found.waves.sum(axis=0) + found.left, field, atol=1e-12)


class TestSlow:
    @pytest.mark.parametrize("cycles", [0.3, 0.5, 0.8, 0.9])
    def test_less_than_a_cycle_is_slow(self, cycles):
        found = take_out(LINE, sine(cycles, 0.4) + X)
        assert found.exact
        assert found.slow == len(found.power) > 0

    def test_a_parabola_is_slow_and_takes_nothing_of_the_wave_on_it(self):
        found = take_out(LINE, 4 * (X - 0.5) ** 2 + 0.3 * sine(18))
        assert found.cycles[found.slow :] == pytest.approx([18.0], abs=1e-3)
        assert found.power[found.slow :] == pytest.approx([0.045], rel=1e-3)

    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("slope", [0.0, 0.7, -3.0])
    def test_noise_does_not_make_a_whole_cycle_slow(self, seed, slope):
        noise = 0.1 * np.random.default_rng(seed).standard_normal(512)
        found = take_out(LINE, sine(1) + slope * X + noise)
        assert found.slow == 0
        assert found.cycles == pytest.approx([1.0], abs=0.06)


class TestNoSum:
    @pytest.mark.parametrize(
        "field",
        [np.sin(2 * np.pi * 50 * X**2), np.random.default_rng(0).standard_normal(512), np.eye(1, 512, 200).ravel()],
        ids=["chirp", "noise", "spike"],
    )
    def test_what_is_no_sum_of_a_few_stays_in_the_rest(self, field):
        found = take_out(LINE, field)
        assert len(found.power) == 0
        assert not found.exact

    def test_of_a_noisy_sine_the_noise_is_left(self):
        noise = 0.3 * np.random.default_rng(0).standard_normal(512)
        found = take_out(LINE, sine(5.4) + noise)
        assert found.frequency.ravel() == pytest.approx([5.4], abs=0.03)
        assert np.std(found.left) == pytest.approx(0.3, rel=0.1)

    def test_it_stops_where_the_noise_begins(self):
        strong, weak = sine(5.4), 0.05 * sine(40.3)
        assert len(take_out(LINE, strong + weak).power) == 2
        assert len(take_out(LINE, strong + weak, least=0.06**2 / 2).power) == 1

    @pytest.mark.parametrize("field", [np.zeros(512), np.full(512, 3.0), 2 - X], ids=["zero", "constant", "line"])
    def test_a_line_has_none(self, field):
        assert len(take_out(LINE, field).power) == 0


def test_a_plane_that_is_rounded_to_float32_on_a_disc_has_no_sinusoid() -> None:
    box = Grid(((-1.0, 1.0), (-1.0, 1.0)), (96, 96), ("x", "y"))
    disc = Laid(box, np.sum(box.points**2, axis=1) < 1)
    plane = np.float32(2 * disc.points[:, 0] - disc.points[:, 1]).astype(np.float64)
    found = take_out(disc, plane, 1e-12)
    assert found.frequency.shape == (0, 2)
    np.testing.assert_allclose(found.plane, plane, atol=1e-6)
