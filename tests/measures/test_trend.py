"""Trends, wavelengths and windows of targets that are known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_seqfit.geometry import Grid
from lightning_seqfit.measures.trend import fit_trend

LINE = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
X = LINE.points[:, 0]
WIDE = Grid(bounds=((-2.0, 3.0),), shape=(512,), axes=("x",))
CYCLES = (WIDE.points[:, 0] + 2) / 5  # of frequency 1 over the wide line
PLANE = Grid(bounds=((0.0, 1.0), (-1.0, 2.0)), shape=(48, 32), axes=("x", "y"))


def cosine(frequency, cycles=X):
    return np.cos(2 * np.pi * frequency * cycles)


class TestTrend:
    @settings(max_examples=100, deadline=None)
    @given(
        frequency=st.integers(1, 60),
        phase=st.floats(0, 2 * np.pi),
        offset=st.floats(-10, 10),
        slope=st.floats(-1000, 1000),
    )
    def test_a_line_is_recovered_under_a_wave_of_whole_frequency(self, frequency, phase, offset, slope):
        line = offset + slope * X
        trend = fit_trend(LINE, line + np.sin(2 * np.pi * frequency * X + phase))
        size = 1 + np.abs(line).max()
        np.testing.assert_allclose(trend.values, line, atol=1e-10 * size)
        assert trend.variance == pytest.approx(0.5, abs=1e-9 * size)

    def test_one_sine_keeps_its_variance_where_a_line_alone_takes_61_percent(self):
        target = np.sin(2 * np.pi * X)
        line = np.polyval(np.polyfit(X, target, 1), X)
        assert np.var(line) / np.var(target) == pytest.approx(6 / np.pi**2, abs=1e-4)
        trend = fit_trend(LINE, target)
        assert trend.variance == pytest.approx(0.5, rel=1e-12)
        assert np.abs(trend.values).max() < 1e-12

    @settings(max_examples=30, deadline=None)
    @given(
        modes=st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(any),
        phase=st.floats(0, 2 * np.pi),
        slopes=st.tuples(st.floats(-50, 50), st.floats(-50, 50)),
    )
    def test_a_plane_is_recovered_under_a_plane_wave_of_whole_frequencies(self, modes, phase, slopes):
        x, y = PLANE.points.T
        plane = 1 + slopes[0] * x + slopes[1] * y
        wave = np.cos(2 * np.pi * (modes[0] * x - modes[1] * (y + 1) / 3) + phase)
        trend = fit_trend(PLANE, plane + wave)
        np.testing.assert_allclose(trend.values, plane, atol=1e-10 * (1 + np.abs(plane).max()))

    def test_a_plane_is_recovered_under_a_standing_wave(self):
        x, y = PLANE.points.T
        plane = 2 - 3 * x + 0.5 * y
        wave = np.sin(2 * np.pi * 2 * x) * np.sin(2 * np.pi * (y + 1) / 3)
        trend = fit_trend(PLANE, plane + wave)
        np.testing.assert_allclose(trend.values, plane, atol=1e-10)
        assert trend.variance == pytest.approx(0.25, rel=1e-10)

    def test_a_trend_in_three_dimensions_is_recovered(self):
        box = Grid(bounds=((0.0, 1.0),) * 3, shape=(12, 10, 8), axes=("x", "y", "z"))
        x, y, z = box.points.T
        plane = 1 + x - 2 * y + 3 * z
        wave = np.sin(2 * np.pi * x) * np.cos(2 * np.pi * 2 * y) * np.sin(2 * np.pi * z)
        np.testing.assert_allclose(fit_trend(box, plane + wave).values, plane, atol=1e-10)

    @settings(max_examples=50, deadline=None)
    @given(seed=st.integers(0, 10**6))
    def test_trend_and_oscillation_add_up_to_the_target(self, seed):
        target = np.random.default_rng(seed).standard_normal(512)
        trend = fit_trend(LINE, target)
        np.testing.assert_allclose(trend.values + trend.oscillation, target, atol=1e-12)
        np.testing.assert_allclose(np.diff(trend.values, 2), 0, atol=1e-12)
        assert trend.variance == pytest.approx(np.mean(trend.oscillation**2), rel=1e-12)

    @pytest.mark.parametrize(
        "target",
        [np.zeros(512), np.full(512, -3.7), 2.0 - 5.0 * X, 1e6 + X, 1e150 * (1 + X)],
        ids=["zero", "constant", "line", "offset line", "huge line"],
    )
    def test_constants_and_lines_have_no_oscillation(self, target):
        trend = fit_trend(LINE, target)
        assert trend.variance == 0.0
        assert trend.wavelength == (math.inf,)
        assert trend.shortest_wavelength == (math.inf,)
        assert trend.window == (0.125,)
        np.testing.assert_allclose(trend.values, target, rtol=1e-10)

    def test_an_oscillation_of_a_ten_billionth_of_the_mean_square_is_none(self):
        assert fit_trend(LINE, 1 + math.sqrt(2 * 0.9e-10) * cosine(8)).variance == 0.0
        assert fit_trend(LINE, 1 + math.sqrt(2 * 1.1e-10) * cosine(8)).variance == pytest.approx(1.1e-10, rel=1e-6)


class TestWavelength:
    def test_it_is_the_period_in_the_units_of_the_axis(self):
        trend = fit_trend(WIDE, cosine(8, CYCLES) + WIDE.points[:, 0])
        assert trend.wavelength == pytest.approx((5 / 8,))
        assert trend.shortest_wavelength == pytest.approx((5 / 8,))

    def test_of_a_sum_it_is_that_of_the_mean_frequency_weighted_with_power(self):
        trend = fit_trend(WIDE, cosine(3, CYCLES) + 0.5 * cosine(9, CYCLES))
        mean_frequency = (3 * 0.5 + 9 * 0.125) / 0.625
        assert trend.wavelength == pytest.approx((5 / mean_frequency,))

    def test_the_shortest_is_that_below_which_95_percent_of_the_power_lies(self):
        # the share of the higher wave: a^2 / (1 + a^2)
        above, below = math.sqrt(0.06 / 0.94), math.sqrt(0.04 / 0.96)
        assert fit_trend(LINE, cosine(3) + above * cosine(9)).shortest_wavelength == pytest.approx((1 / 9,))
        assert fit_trend(LINE, cosine(3) + below * cosine(9)).shortest_wavelength == pytest.approx((1 / 3,))

    def test_waves_below_a_hundredth_of_the_strongest_power_do_not_count(self):
        assert fit_trend(LINE, cosine(3) + 0.101 * cosine(200)).wavelength[0] < 0.3
        assert fit_trend(LINE, cosine(3) + 0.099 * cosine(200)).wavelength == pytest.approx((1 / 3,))

    def test_a_plane_wave_has_none_along_the_other_axis(self):
        x, y = PLANE.points.T
        along_x = fit_trend(PLANE, np.cos(2 * np.pi * 5 * x) + y)
        assert along_x.wavelength == pytest.approx((1 / 5, math.inf))
        assert along_x.shortest_wavelength == pytest.approx((1 / 5, math.inf))
        along_y = fit_trend(PLANE, np.cos(2 * np.pi * 6 * (y + 1) / 3) - x)
        assert along_y.wavelength == pytest.approx((math.inf, 3 / 6))

    def test_an_oblique_wave_has_one_per_axis(self):
        x, y = PLANE.points.T
        trend = fit_trend(PLANE, np.cos(2 * np.pi * (4 * x + 7 * (y + 1) / 3)))
        assert trend.wavelength == pytest.approx((1 / 4, 3 / 7))


class TestWindow:
    @pytest.mark.parametrize(
        ("frequency", "share"), [(1, 0.25), (2, 0.25), (3, 1 / 6), (5, 2 / 15), (7, 2 / 15), (13, 1 / 13)]
    )
    def test_it_is_one_wavelength_or_down_to_half_of_one_where_that_is_long(self, frequency, share):
        assert fit_trend(WIDE, cosine(frequency, CYCLES)).window == pytest.approx((5 * share,))

    def test_an_axis_without_a_wavelength_takes_the_others_share(self):
        x, y = PLANE.points.T
        assert fit_trend(PLANE, np.cos(2 * np.pi * 5 * x)).window == pytest.approx((2 / 15, 2 / 5))
        assert fit_trend(PLANE, np.cos(2 * np.pi * 8 * (y + 1) / 3)).window == pytest.approx((1 / 8, 3 / 8))

    def test_without_any_wavelength_it_is_an_eighth_of_each_axis(self):
        assert fit_trend(PLANE, PLANE.points[:, 1]).window == pytest.approx((1 / 8, 3 / 8))


class TestWhatOscillates:
    @settings(max_examples=100, deadline=None)
    @given(
        cycles=st.floats(1.0, 60.0),
        phase=st.floats(0, 2 * np.pi),
        offset=st.floats(-10, 10),
        slope=st.one_of(st.just(0.0), st.floats(-50, 50)),
    )
    def test_one_sine_has_its_own_wavelength_whatever_its_cycles(self, cycles, phase, offset, slope):
        line = offset + slope * X
        trend = fit_trend(LINE, line + np.sin(2 * np.pi * cycles * X + phase))
        assert trend.wavelength == pytest.approx((1 / cycles,), rel=1e-3)
        assert trend.shortest_wavelength == pytest.approx(trend.wavelength)
        assert trend.window == pytest.approx(
            (sorted((0.5 / cycles, 2 / 15, 1 / cycles))[1] if cycles > 2 else 0.25,), rel=1e-3
        )

    @pytest.mark.parametrize("cells", [512, 5000])
    @pytest.mark.parametrize(
        "shape",
        [
            lambda x: x**3,
            lambda x: (2 * x - 1) ** 3,
            lambda x: np.exp(3 * x),
            np.sqrt,
            lambda x: np.log(x + 0.01),
            lambda x: np.tanh(9 * (x - 0.4)),
            lambda x: np.where(x > 0.5, 1.0, -1.0),
            lambda x: x + np.exp(-x / 0.05),
            lambda x: x + np.exp(-x / 0.01),
            lambda x: x**2 - x,
            lambda x: np.sin(2 * np.pi * 0.8 * x + 0.4),
        ],
        ids=["cube", "odd", "exp", "sqrt", "log", "tanh", "step", "layer", "thin", "parabola", "0.8 cycles"],
    )
    def test_what_only_bends_or_is_less_than_a_cycle_is_all_trend(self, shape, cells):
        grid = Grid(bounds=((0.0, 1.0),), shape=(cells,), axes=("x",))
        target = shape(grid.points[:, 0])
        for given_target in (target, target.astype(np.float32).astype(np.float64), target[::-1], 5 - 3 * target):
            trend = fit_trend(grid, given_target)
            assert trend.variance == 0.0
            assert trend.wavelength == (math.inf,)
            np.testing.assert_allclose(trend.values + trend.oscillation, given_target, atol=1e-12)

    @pytest.mark.parametrize("height", [0.1, 1.0, 30.0])
    @pytest.mark.parametrize(
        "shape", [lambda x: 4 * (x - 0.5) ** 2, lambda x: x**3, np.sqrt], ids=["parabola", "cube", "sqrt"]
    )
    def test_a_wave_on_a_slow_shape_oscillates_and_the_shape_is_trend(self, shape, height):
        wave = 0.3 * np.sin(36 * np.pi * X)
        trend = fit_trend(LINE, height * shape(X) + wave)
        assert trend.wavelength == pytest.approx((1 / 18,), rel=0.03)
        assert trend.variance == pytest.approx(0.045, rel=0.2)

    @pytest.mark.parametrize("slope", [0.0, 40.0, -1000.0])
    def test_a_wave_on_a_line_so_steep_that_it_only_rises_oscillates(self, slope):
        trend = fit_trend(LINE, slope * X + np.sin(3 * np.pi * X))
        assert trend.variance == pytest.approx(np.mean(np.sin(3 * np.pi * X) ** 2), rel=0.01)
        assert trend.frequency.ravel() == pytest.approx([1.5], abs=1e-3)

    def test_noise_about_a_shape_that_bends_is_no_oscillation_once_it_is_known(self):
        noise = 0.05 * np.random.default_rng(0).standard_normal(512)
        target = np.exp(X) + noise
        assert fit_trend(LINE, target, noise=0.05).variance == 0.0
        assert fit_trend(LINE, target).variance == pytest.approx(0.05**2, rel=0.2)
        assert fit_trend(LINE, target + cosine(9), noise=0.05).variance == pytest.approx(0.5, rel=0.1)

    def test_sinusoids_and_rest_add_up_to_the_oscillation(self):
        burst = 0.5 * np.exp(-(((X - 0.6) / 0.01) ** 2)) * cosine(100)
        trend = fit_trend(LINE, 2 * X + cosine(5.5) + burst)
        assert trend.frequency.ravel() == pytest.approx([5.5], abs=0.05)
        assert np.mean((trend.oscillation - trend.rest) ** 2) == pytest.approx(trend.power.sum(), rel=0.05)
        assert np.mean(trend.rest**2) == pytest.approx(np.mean(burst**2), rel=0.1)

    @settings(max_examples=40, deadline=None)
    @given(
        seed=st.integers(0, 10**6),
        offset=st.floats(-100, 100),
        slope=st.floats(-50, 50),
        noise=st.sampled_from([0.0, 0.1]),
    )
    def test_a_line_added_to_the_target_is_added_to_its_trend(self, seed, offset, slope, noise):
        draw = np.random.default_rng(seed)
        frequencies = np.cumsum(draw.uniform(1.5, 12, 2))
        target = sum(np.sin(2 * np.pi * f * X + draw.uniform(0, 7)) for f in frequencies)
        target += 2 * X + noise * draw.standard_normal(512)
        line = offset + slope * X
        before, after = fit_trend(LINE, target), fit_trend(LINE, target + line)
        np.testing.assert_allclose(after.oscillation, before.oscillation, atol=3 * noise + 1e-9 * (1 + abs(slope)))
        assert after.wavelength == pytest.approx(before.wavelength, rel=0.1 * noise + 1e-6)
        assert after.variance == pytest.approx(before.variance, rel=0.3 * noise + 1e-6)

    @pytest.mark.parametrize("frequency", [(2.5, 0.0), (0.0, 5.3), (3.3, 4.6)])
    def test_a_plane_wave_of_any_frequency_has_its_own_wavelengths(self, frequency):
        x, y = PLANE.points.T
        wave = np.sin(2 * np.pi * (frequency[0] * x + frequency[1] * (y + 1) / 3) + 0.3)
        trend = fit_trend(PLANE, 3 + x - 2 * y + wave)
        expected = [length / f if f else math.inf for length, f in zip((1, 3), frequency, strict=True)]
        assert trend.wavelength == pytest.approx(tuple(expected), rel=1e-4)

    def test_in_the_plane_what_only_bends_along_both_axes_is_all_trend(self):
        x, y = PLANE.points.T
        for target in (x * y, x**2 + y**2, np.exp(x + y)):
            assert fit_trend(PLANE, target).variance == 0.0

    def test_in_the_plane_a_valley_under_a_wave_is_trend(self):
        x, y = PLANE.points.T
        trend = fit_trend(PLANE, y**2 + 0.3 * np.sin(2 * np.pi * 9 * x))
        assert trend.frequency == pytest.approx(np.array([[9.0, 0.0]]), abs=1e-3)
        assert trend.variance == pytest.approx(0.045, rel=0.01)


class TestInvariance:
    @settings(max_examples=50, deadline=None)
    @given(
        seed=st.integers(0, 10**6),
        scale=st.floats(-6, 6).map(lambda e: 10**e),
        sign=st.sampled_from([-1, 1]),
        shift=st.floats(-100, 100),
    )
    def test_scale_and_shift_of_the_target_scale_and_shift_its_trend_and_leave_its_wavelength(
        self, seed, scale, sign, shift
    ):
        draw = np.random.default_rng(seed)
        frequency, phase = draw.uniform(1, 30), draw.uniform(0, 7)
        target = np.sin(2 * np.pi * frequency * X + phase) + 0.1 * draw.standard_normal(512) + draw.normal() * X
        before, after = fit_trend(LINE, target), fit_trend(LINE, sign * scale * (target + shift))
        np.testing.assert_allclose(after.values, sign * scale * (before.values + shift), atol=1e-9 * scale)
        assert after.variance == pytest.approx(scale**2 * before.variance, rel=1e-9)
        assert after.wavelength == pytest.approx(before.wavelength, rel=1e-9)
        assert after.window == pytest.approx(before.window, rel=1e-9)

    @pytest.mark.parametrize("size", [1e-150, 1e150])
    def test_huge_and_tiny_targets_are_split_like_others(self, size):
        trend = fit_trend(LINE, size * (2 * X + cosine(8)))
        np.testing.assert_allclose(trend.values, size * 2 * X, atol=1e-12 * size)
        assert trend.variance == pytest.approx(0.5 * size**2, rel=1e-9, abs=0)
        assert trend.wavelength == pytest.approx((1 / 8,))

    def test_a_mirrored_target_has_the_mirrored_trend(self):
        target = 3 * X + np.exp(-X) * cosine(7)
        before, after = fit_trend(LINE, target), fit_trend(LINE, target[::-1])
        np.testing.assert_allclose(after.values, before.values[::-1], atol=1e-12)
        assert after.wavelength == pytest.approx(before.wavelength)

    def test_integers_are_taken_as_numbers(self):
        target = np.tile([0, 1, 0, -1], 128)
        trend = fit_trend(LINE, target)
        assert trend.wavelength == pytest.approx((1 / 128,))
        assert trend.oscillation.dtype == np.float64
