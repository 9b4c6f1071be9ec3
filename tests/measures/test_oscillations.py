"""Oscillation counts: targets whose count is known, and predictions that hold a known part of them."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_seqfit.geometry import Geometry, Grid
from lightning_seqfit.measures.oscillations import Oscillations, count_oscillations, target_laps
from lightning_seqfit.measures.trend import fit_trend

GRID = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
X = GRID.points[:, 0]


def sine(oscillations, phase=0.0):
    return np.sin(2 * np.pi * oscillations * X + phase)


def cosine(oscillations):
    return sine(oscillations, np.pi / 2)


def target_count(target):
    return target_laps(GRID, fit_trend(GRID, target)).count


def count(target, prediction, geometry: Geometry = GRID, tolerance=0.25) -> Oscillations:
    trend = fit_trend(geometry, target)
    laps = target_laps(geometry, trend)
    return count_oscillations(geometry, trend, laps, prediction, prediction - target, tolerance)


def turning_points(laps):
    assert laps.begin[1:].tolist() == laps.end[:-1].tolist()  # without a gap laps follow one another
    return np.append(laps.begin, laps.end[-1])


def counts(seen: Oscillations):
    return seen.target, seen.model, seen.fitted, seen.missing, seen.spurious


def random_field(seed):
    """A few waves of random frequency, height and phase on a slope, with noise."""
    draw = np.random.default_rng(seed)
    waves = sum(
        draw.normal() * np.sin(2 * np.pi * f * X + phase)
        for f, phase in zip(draw.uniform(0.5, 25, 4), draw.uniform(0, 7, 4), strict=True)
    )
    return waves + draw.normal() * X + 0.02 * draw.normal(size=512)


class TestTarget:
    @pytest.mark.parametrize("phase", [0.0, np.pi / 2], ids=["sin", "cos"])
    @pytest.mark.parametrize("slope", [-2.0, -0.7, 0.0, 1.3, 2.0])
    def test_every_count_from_1_to_40_is_read_under_noise_and_slope(self, phase, slope):
        for oscillations, seed in itertools.product(range(1, 41), range(6)):
            noise = 0.05 * np.random.default_rng([seed, oscillations]).standard_normal(512)
            assert target_count(sine(oscillations, phase) + slope * X + noise) == oscillations, (oscillations, seed)

    @pytest.mark.parametrize("phase", np.arange(16) * np.pi / 8)
    def test_whole_and_half_numbers_from_3_to_25_are_read_at_every_phase_under_noise_and_slope(self, phase):
        # both end laps together are one lap, whatever the phase
        for halves, seed in itertools.product(range(6, 51), range(3)):
            noise = 0.05 * np.random.default_rng([seed, halves]).standard_normal(512)
            target = sine(halves / 2, phase) + (seed - 1) * X + noise
            assert target_count(target) == halves / 2, (halves, seed)

    @pytest.mark.parametrize("phase", [0.0, np.pi / 2], ids=["sin", "cos"])
    def test_an_amplitude_that_falls_by_a_tenth_towards_the_ends_changes_no_count(self, phase):
        taper = 0.9 + 0.1 * np.clip(np.minimum(X, 1 - X) / 0.1, 0, 1)
        for oscillations, seed in itertools.product(range(1, 41), range(3)):
            noise = 0.05 * np.random.default_rng([seed, oscillations]).standard_normal(512)
            assert target_count(taper * sine(oscillations, phase) + X + noise) == oscillations, (oscillations, seed)

    def test_a_sine_tapered_to_nothing_over_the_outer_tenths_keeps_all_its_oscillations(self):
        taper = np.clip(np.minimum(X, 1 - X) / 0.1, 0, 1)
        assert [target_count(taper * sine(k, 0.0) - X) for k in range(1, 41)] == list(range(1, 41))

    @pytest.mark.parametrize(("decay", "angular", "expected"), [(5, 60, 9.5), (4, 60, 9.5), (3, 100, 16.0)])
    def test_a_decaying_oscillation_is_counted_to_its_end(self, decay, angular, expected):
        assert target_count(np.exp(-decay * X) * np.cos(angular * X)) == expected
        assert target_count((np.exp(-decay * X) * np.cos(angular * X))[::-1]) == expected

    def test_noise_hides_at_most_half_an_oscillation_of_a_tapered_end(self):
        # where the amplitude falls below the noise, so does the count: 5 % noise against an oscillation of 0.1 / k
        taper = np.clip(np.minimum(X, 1 - X) / 0.1, 0, 1)
        for oscillations, seed in itertools.product(range(1, 41), range(3)):
            noise = 0.05 * np.random.default_rng([seed, oscillations]).standard_normal(512)
            lost = oscillations - target_count(taper * sine(oscillations, 0.0) + X + noise)
            assert -0.5 <= lost <= (0 if oscillations <= 6 else 1)

    def test_the_ends_of_a_tapered_cosine_count_half_an_oscillation_at_most(self):
        # they are laps of their own, or hide one
        taper = np.clip(np.minimum(X, 1 - X) / 0.1, 0, 1)
        lost = [k - target_count(taper * sine(k, np.pi / 2)) for k in range(1, 41)]
        assert max(map(abs, lost)) <= 0.5

    @pytest.mark.parametrize("noise", [0.0, 0.01])
    def test_a_flat_half_holds_no_oscillation(self, noise):
        target = np.where(X > 0.5, sine(20, 0.0), 0.0) + noise * np.random.default_rng(1).standard_normal(512)
        assert target_count(target) == 10.0

    def test_the_laps_of_a_cosine_are_half_an_oscillation_each_and_end_at_its_extrema(self):
        laps = target_laps(GRID, fit_trend(GRID, cosine(8)))
        assert laps.weights == pytest.approx(0.5, abs=2e-3)
        assert laps.rising.tolist() == [False, True] * 8
        # between the extrema lie 32 cells; an extremum lies between two cells that are equally high
        assert np.abs(turning_points(laps) - np.arange(17) * 32).max() <= 1

    def test_an_end_lap_of_a_sine_counts_by_its_height_against_its_neighbour(self):
        fine = Grid(bounds=((0.0, 1.0),), shape=(8192,), axes=("x",))
        laps = target_laps(fine, fit_trend(fine, np.sin(2 * np.pi * 4 * fine.points[:, 0])))
        # moving mean over an eighth of a period: of the sine at its peak, and over the half window left at the end
        peak = math.sin(math.pi / 8) / (math.pi / 8)
        end = (1 - math.cos(math.pi / 8)) / (math.pi / 8)
        expected = 0.5 * (peak - end) / (2 * peak)
        assert laps.weights[[0, -1]] == pytest.approx([expected, expected], abs=1e-3)
        assert laps.weights[1:-1].tolist() == [0.5] * 7

    @pytest.mark.parametrize(
        "target", [np.zeros(512), np.full(512, 3.7), 2.0 - 5.0 * X], ids=["zero", "constant", "line"]
    )
    def test_a_target_without_oscillation_counts_nothing(self, target):
        assert counts(count(target, cosine(5))) == (0.0, 0.0, 0.0, 0.0, 0.0)

    def test_a_trend_that_says_nothing_oscillates_has_no_laps(self):
        trend = replace(fit_trend(GRID, cosine(5)), variance=0.0)
        assert target_laps(GRID, trend).count == 0
        assert len(target_laps(GRID, trend).begin) == 0

    def test_waves_below_a_tenth_of_the_target_are_no_oscillations(self):
        assert target_count(cosine(3) + 0.04 * cosine(30)) == 3

    def test_two_axes_are_refused_in_words(self):
        plane = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(16, 16), axes=("x", "t"))
        trend = fit_trend(plane, np.sin(6 * plane.points[:, 0]))
        with pytest.raises(
            ValueError, match=r"one axis, but this geometry has 2 \(x, t\): give a geometry with a single"
        ):
            target_laps(plane, trend)


class TestPrediction:
    @pytest.mark.parametrize("phase", [0.0, 0.4, np.pi / 2], ids=["sin", "between", "cos"])
    @pytest.mark.parametrize("oscillations", [1, 2, 13, 40])
    def test_a_perfect_prediction_fits_all_and_has_nothing_spurious(self, oscillations, phase):
        target = sine(oscillations, phase) + 2 * X
        assert counts(count(target, target)) == (oscillations, oscillations, oscillations, 0.0, 0.0)

    @pytest.mark.parametrize("slope", [0.0, -2.0, 50.0])
    @pytest.mark.parametrize("oscillations", [1, 13, 40])
    def test_the_trend_alone_has_no_oscillation(self, oscillations, slope):
        target = cosine(oscillations) + 3 + slope * X
        seen = count(target, 3 + slope * X)
        assert counts(seen) == (oscillations, 0.0, 0.0, oscillations, 0.0)
        assert not seen.matched.any()

    def test_a_prediction_that_only_rises_is_a_single_lap_of_one_half(self):
        assert count(cosine(8), 4 * (X - 0.5)).model == 0.5

    def test_a_prediction_that_stays_below_the_hysteresis_has_no_lap(self):
        # 10 % of the peak-to-peak: a height of 0.1 against 1
        assert count(cosine(8), 0.105 * cosine(8)).model == 8
        assert count(cosine(8), 0.095 * cosine(8)).model == 0

    def test_the_right_half_fitted_is_half_of_the_oscillations_and_the_laps_on_the_right(self):
        target = cosine(8) + 2 * X
        seen = count(target, np.where(X > 0.5, target, 2 * X))
        assert counts(seen) == (8.0, 4.0, 4.0, 4.0, 0.0)
        assert seen.matched.tolist() == [False] * 8 + [True] * 8

    def test_half_the_amplitude_is_a_model_with_all_oscillations_and_none_fitted(self):
        assert counts(count(cosine(13), 0.5 * cosine(13))) == (13.0, 13.0, 0.0, 13.0, 0.0)

    @pytest.mark.parametrize("tolerance", [0.1, 0.25, 0.5])
    def test_a_lap_is_matched_up_to_the_tolerance(self, tolerance):
        # on a lap of a cosine the error (1 - a) u' has the root mean square 1 - a in standard deviations of u'
        assert count(cosine(8), (1 - 0.98 * tolerance) * cosine(8), tolerance=tolerance).fitted == 8
        assert count(cosine(8), (1 - 1.02 * tolerance) * cosine(8), tolerance=tolerance).fitted == 0

    def test_the_error_of_a_lap_includes_its_constant_part(self):
        # the standard deviation of a cosine is sqrt(1/2)
        assert count(cosine(8), cosine(8) + 0.24 * math.sqrt(0.5)).fitted == 8
        assert count(cosine(8), cosine(8) + 0.26 * math.sqrt(0.5)).fitted == 0

    def test_the_error_is_held_against_the_standard_deviation_on_the_lap_not_the_root_mean_square(self):
        # on a quarter period of a sine these are 0.31 and 0.71, on half a period both are 0.71
        seen = count(sine(8), sine(8) + 0.1)
        assert np.flatnonzero(~seen.matched).tolist() == [0, 16]

    def test_the_error_of_a_lap_includes_both_its_ends(self):
        target = cosine(8)
        turning = turning_points(target_laps(GRID, fit_trend(GRID, target)))
        for lap in (0, 7, 15):
            for end, neighbour in ((turning[lap], lap - 1), (turning[lap + 1], lap + 1)):
                prediction = target.copy()
                prediction[end] += 100.0
                expected = sorted({lap, neighbour} & set(range(16)))
                assert np.flatnonzero(~count(target, prediction).matched).tolist() == expected

    def test_an_eighth_of_a_period_late_is_no_spurious_oscillation(self):
        seen = count(cosine(8), sine(8, np.pi / 2 - np.pi / 4))
        assert (seen.model, seen.fitted, seen.spurious) == (8.0, 0.0, 0.0)

    @pytest.mark.parametrize("phase", [3 * np.pi / 4, np.pi])
    def test_more_than_a_quarter_of_a_period_late_is_spurious_throughout(self, phase):
        # the middle of every lap that falls lies in a lap of the target that rises
        seen = count(cosine(8), sine(8, np.pi / 2 - phase))
        assert (seen.model, seen.fitted, seen.spurious) == (8.0, 0.0, 8.0)

    @pytest.mark.parametrize("multiple", [2, 3, 4])
    def test_of_the_laps_inside_one_target_lap_all_but_one_are_spurious(self, multiple):
        seen = count(cosine(4), cosine(4 * multiple))
        assert (seen.model, seen.spurious) == (4.0 * multiple, 4.0 * multiple - 4.0)

    def test_oscillations_added_in_a_quiet_part_are_spurious(self):
        pulse = np.exp(-(((X - 0.25) / 0.1) ** 2)) * cosine(10)
        echo = np.exp(-(((X - 0.75) / 0.1) ** 2)) * cosine(10)
        alone, echoed = count(pulse, pulse), count(pulse, pulse + echo)
        assert (alone.model, alone.spurious) == (4.5, 0.0)
        # the pulse's last lap reaches to the end of the domain, over one lap of the echo, which is not spurious
        assert echoed.matched.tolist() == [*alone.matched[:-1], False]
        assert echoed.spurious == echoed.model - alone.model - 0.5

    def test_a_nan_unmatches_the_laps_that_hold_it_and_leaves_the_models_count_unknown(self):
        target = cosine(8)
        prediction = target.copy()
        prediction[5 * 32 + 16] = np.nan
        seen = count(target, prediction)
        assert np.flatnonzero(~seen.matched).tolist() == [5]
        assert (seen.target, seen.fitted, seen.missing) == (8.0, 7.5, 0.5)
        assert math.isnan(seen.model)
        assert math.isnan(seen.spurious)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_prediction_without_a_finite_value_fits_nothing(self, value):
        seen = count(cosine(8), np.full(512, value))
        assert (seen.fitted, seen.missing) == (0.0, 8.0)
        assert math.isnan(seen.model)

    @pytest.mark.parametrize("value", [1e9, 1e200, -1.7e308])
    def test_a_finite_spike_of_any_height_is_one_oscillation_and_spoils_only_its_lap(self, value):
        target = cosine(8)
        spike = np.zeros(512)
        spike[80] = value
        seen = count(target, spike)
        assert (seen.model, seen.fitted) == (1.0, 0.0)
        prediction = target.copy()
        prediction[5 * 32 + 16] = value
        assert np.flatnonzero(~count(target, prediction).matched).tolist() == [5]

    def test_a_prediction_of_the_largest_numbers_counts_as_any_other(self):
        seen = count(cosine(8), 1e308 * cosine(8))
        assert (seen.model, seen.fitted, seen.spurious) == (8.0, 0.0, 0.0)

    @pytest.mark.parametrize("size", [1e-150, 1e-20, 1e20, 1e150])
    def test_targets_of_any_size_are_counted(self, size):
        target = size * (cosine(8) + 2 * X)
        prediction = np.where(X > 0.5, target, size * 2 * X)
        assert counts(count(target, prediction)) == (8.0, 4.0, 4.0, 4.0, 0.0)

    def test_an_extremum_that_is_a_plateau_lies_in_its_middle_whatever_the_rounding(self):
        rounding = 1e-13 * np.random.default_rng(0).standard_normal(512)
        square = np.sign(cosine(8)) + rounding
        turning = turning_points(target_laps(GRID, fit_trend(GRID, square)))
        assert np.abs(turning[1:-1] - np.arange(1, 16) * 32).max() <= 1

    def test_plateaus_are_matched_by_waves_that_turn_anywhere_on_them(self):
        square = np.sign(cosine(8) + 1e-9)
        late_on_each_plateau = square * (1 + 0.05 * np.sin(2 * np.pi * 16 * X))
        seen = count(square, late_on_each_plateau)
        assert counts(seen) == (8.0, 8.0, 8.0, 0.0, 0.0)


class TestInvariance:
    @settings(max_examples=60, deadline=None)
    @given(
        seed=st.integers(0, 10**6),
        scale=st.floats(-3, 3).map(lambda e: 10**e),
        sign=st.sampled_from([-1, 1]),
        shift=st.floats(-100, 100),
        slope=st.floats(-100, 100),
    )
    def test_scale_sign_shift_and_slope_of_both_fields_change_nothing(self, seed, scale, sign, shift, slope):
        target, prediction = random_field(seed), random_field(seed) * 0.8 + 0.2 * random_field(seed + 1)
        line = shift + slope * X
        before = count(target, prediction)
        after = count(sign * scale * (target + line), sign * scale * (prediction + line))
        assert counts(after) == counts(before)
        assert after.matched.tolist() == before.matched.tolist()

    @settings(max_examples=60, deadline=None)
    @given(seed=st.integers(0, 10**6), mix=st.floats(0, 1))
    def test_a_mirrored_domain_has_the_same_counts(self, seed, mix):
        target = random_field(seed)
        prediction = (1 - mix) * target + mix * random_field(seed + 1)
        before, after = count(target, prediction), count(target[::-1], prediction[::-1])
        assert counts(after) == counts(before)
        assert after.matched.tolist() == before.matched[::-1].tolist()

    @pytest.mark.parametrize("oscillations", [1, 4, 13, 16, 40])
    def test_one_end_fitted_is_worth_the_same_from_either_side(self, oscillations):
        target = sine(oscillations)
        left = count(target, np.where(X < 0.3, target, 0))
        right = count(target[::-1], np.where(X > 0.7, target[::-1], 0))
        assert counts(left) == counts(right)

    def test_the_units_of_the_axis_do_not_matter(self):
        wide = Grid(bounds=((-6.5, 6.5),), shape=(512,), axes=("x",))
        target = random_field(3)
        prediction = np.where(X > 0.4, target, 0)
        assert counts(count(target, prediction, wide)) == counts(count(target, prediction))

    @settings(max_examples=100, deadline=None)
    @given(seed=st.integers(0, 10**6), mix=st.floats(0, 1), tolerance=st.floats(0, 2))
    def test_every_count_is_a_half_number_within_its_bounds(self, seed, mix, tolerance):
        target = random_field(seed)
        seen = count(target, (1 - mix) * target + mix * random_field(seed + 1), tolerance=tolerance)
        assert all((2 * value).is_integer() for value in counts(seen))
        assert 0 <= seen.fitted <= seen.target
        assert seen.missing == seen.target - seen.fitted
        assert 0 <= seen.spurious <= seen.model

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10**6), low=st.floats(0, 1), high=st.floats(0, 1))
    def test_a_smaller_error_never_fits_fewer(self, seed, low, high):
        low, high = sorted((low, high))
        target, error = random_field(seed), random_field(seed + 1)
        assert count(target, target + low * error).fitted >= count(target, target + high * error).fitted

    def test_points_in_any_order_are_counted_along_the_line(self):
        shuffled = Shuffled(GRID, np.random.default_rng(0).permutation(512))
        for seed in range(5):
            target, order = random_field(seed), shuffled.order
            prediction = np.where(X > 0.6, target, 0.3 * random_field(seed + 1))
            before, after = count(target, prediction), count(target[order], prediction[order], shuffled)
            assert counts(after) == counts(before)
            assert after.matched.tolist() == before.matched.tolist()


class Shuffled(Geometry):
    """A grid whose points are numbered in another order, as scattered points are."""

    def __init__(self, grid, order):
        self.grid, self.order, self.back = grid, order, np.argsort(order)
        self.bounds, self.axes = grid.bounds, grid.axes

    points = property(lambda self: self.grid.points[self.order])
    frequencies = property(lambda self: self.grid.frequencies)

    def power(self, field):
        return self.grid.power(field[self.back])

    def moving_mean(self, field, window):
        return self.grid.moving_mean(field[self.back], window)[self.order]

    def lines(self, axis):
        return self.back[None, :]

    def components(self, mask):
        raise NotImplementedError

    def coarsen(self, field, limit=1024):
        raise NotImplementedError

    def coarse_shape(self, limit=1024):
        raise NotImplementedError
