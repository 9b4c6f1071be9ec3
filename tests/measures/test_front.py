"""Fronts that are put where the reader knows them: places, arrivals, sequentiality and direction in closed form.

Every field is built from a place and a step, and every expected number from the same place and step, never from the
code under test: integrals of sin^2 by hand, plain loops over the points, or scipy's rank correlation.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import expit
from scipy.stats import spearmanr

from lightning_seqfit.geometry import Grid, Scattered
from lightning_seqfit.measures import front
from lightning_seqfit.measures.front import (
    SPEED_LOOKS,
    Front,
    active_points,
    inwardness,
    local_scale,
    measure_front,
    overall_inwardness,
    sequentiality,
    speed,
    update,
)
from lightning_seqfit.measures.noise import noise_deviation
from lightning_seqfit.measures.scale import scale_of
from lightning_seqfit.measures.trend import fit_trend


class Scene:
    """A target on a grid, and what the measure derives from it once."""

    def __init__(self, grid, target):
        self.grid = grid
        self.x = grid.points[:, 0]
        self.target = target
        self.trend = fit_trend(grid, target)
        self.active = active_points(grid, self.trend)

    def measure(self, residual, **options):
        options.setdefault("scale", self.trend.variance)
        return measure_front(self.grid, self.trend, self.active, residual, **options)

    def fitted_where(self, mask):
        """Residual of a model that is the target in a region and its bare trend elsewhere."""
        return np.where(mask, 0.0, -self.trend.oscillation)

    def follow(self, residuals, steps=None):
        """History after one look per residual."""
        history = None
        for number, residual in enumerate(residuals):
            step = number if steps is None else steps[number]
            history = update(history, self.measure(residual), self.active, step)
        return history

    def sweep(self, region, looks=100):
        """History of a fit whose region at time t in [0, 1] is ``region(t)``; one look a step."""
        return self.follow(self.fitted_where(region(t)) for t in np.linspace(0.0, 1.0, looks + 1))


def waves(frequency, cells=512, phase=0.0, low=0.0, high=1.0):
    grid = Grid(bounds=((low, high),), shape=(cells,), axes=("x",))
    cycles = frequency * (grid.points[:, 0] - low) / (high - low)
    return Scene(grid, np.sin(2 * np.pi * cycles + phase))


def looked_at(fitted, share=0.5):
    """A look of which only the fitted points matter."""
    fitted = np.asarray(fitted, dtype=bool)
    return Front(local_error=np.where(fitted, 0.0, 1.0), fitted=fitted, fitted_share=share, unfitted=~fitted, depth={})


@pytest.fixture(scope="module")
def fine():
    """Forty wavelengths: a narrow window, so that places are read sharply."""
    return waves(40, cells=2000)


class TestPlace:
    @settings(max_examples=150)
    @given(
        left=st.floats(0.05, 0.4),
        right=st.floats(0.6, 0.95),
        frequency=st.sampled_from([4, 5, 8, 13, 20, 32.5]),
        phase=st.floats(0, 2 * np.pi),
    )
    def test_both_fronts_are_read_at_their_places_within_half_a_window(self, left, right, frequency, phase):
        scene = waves(frequency, phase=phase)
        (window,) = scene.trend.window
        front = scene.measure(scene.fitted_where((scene.x < left) | (scene.x > right)))
        cell = 1 / 512
        # never outside the unfitted part, and at most half a window beyond it
        assert left - 0.5 * window - 2 * cell <= front.depth["x_min"] <= left + cell
        assert right - cell <= 1 - front.depth["x_max"] <= right + 0.5 * window + 2 * cell
        depths = front.depth["x_min"] + front.depth["x_max"]
        if left > window and right < 1 - window:
            assert front.fitted_share == pytest.approx(depths, abs=1e-12)
        else:  # a window that is cut off at an end may see the front from there; what lags there hides nothing
            assert depths - 0.5 * window <= front.fitted_share <= depths + 1e-12

    @pytest.mark.parametrize("frequency", [10, 13, 20, 40])
    @pytest.mark.parametrize("phase", [0.0, 0.7, np.pi / 2])
    def test_a_sharp_front_is_read_028_to_047_window_inside_the_fitted_part(self, frequency, phase):
        # The part f of a window of one wavelength that lies in the untouched wave holds f + a sin(2 pi f) / (2 pi) of
        # its mean square, -1 <= a <= 1 by phase. That is the squared tolerance 1/16 at f = 0.0314 to 0.2186.
        for reach, sign in ((0.0314, 1), (0.2186, -1)):
            assert reach + sign * np.sin(2 * np.pi * reach) / (2 * np.pi) == pytest.approx(1 / 16, abs=1e-4)
        scene = waves(frequency, cells=4000, phase=phase)
        inside = []
        for place in 0.2 + 0.6 * (0.618034 * np.arange(120) % 1):  # at every phase of the wave
            depth = scene.measure(scene.fitted_where(scene.x < place)).depth
            assert depth["x_max"] == 0.0
            inside.append((place - depth["x_min"]) * frequency)
        cell = frequency / 4000  # in windows
        assert 0.5 - 0.2186 - cell <= min(inside)
        assert max(inside) <= 0.5 - 0.0314 + cell
        assert min(inside) < 0.30  # both ends of the range are met
        assert max(inside) > 0.45

    @pytest.mark.parametrize(("low", "high"), [(-6.5, 6.5), (100.0, 100.5)])
    def test_depth_is_a_share_whatever_the_units_of_the_axis(self, low, high):
        here, unit = waves(13, low=low, high=high), waves(13)
        place = low + 0.4 * (high - low)
        depth = here.measure(here.fitted_where(here.x < place)).depth
        assert depth == unit.measure(unit.fitted_where(unit.x < 0.4)).depth
        assert depth["x_min"] == pytest.approx(0.4, abs=0.5 / 13)

    def test_an_untouched_target_has_depth_0_and_a_fitted_one_1(self, fine):
        untouched = fine.measure(fine.fitted_where(fine.x < -1))
        done = fine.measure(fine.fitted_where(fine.x > -1))
        assert untouched.depth == {"x_min": 0.0, "x_max": 0.0}
        assert (untouched.fitted_share, done.fitted_share) == (0.0, 1.0)
        assert done.depth == {"x_min": 1.0, "x_max": 1.0}
        assert not done.unfitted.any()

    def test_every_unfitted_part_of_at_least_a_window_counts_and_depths_end_at_the_first(self, fine):
        x = fine.x
        missing = ((x > 0.1) & (x < 0.2)) | ((x > 0.5) & (x < 0.8))
        front = fine.measure(fine.fitted_where(~missing))
        assert front.depth["x_min"] == pytest.approx(0.1, abs=fine.trend.window[0])
        assert front.depth["x_max"] == pytest.approx(0.2, abs=fine.trend.window[0])
        assert front.unfitted[missing].all()
        assert not front.unfitted[(x > 0.25) & (x < 0.45)].any()

    @pytest.mark.parametrize("lag", [0.2, 0.5])
    def test_an_end_that_lags_by_half_an_oscillation_hides_no_front(self, fine, lag):
        lags = fine.x < lag / 40
        front = fine.measure(fine.fitted_where(~(lags | ((fine.x > 0.4) & (fine.x < 0.6)))))
        assert front.depth["x_min"] == pytest.approx(0.4 - lag / 40, abs=fine.trend.window[0])
        assert not front.unfitted[fine.x < 0.3].any()
        alone = fine.measure(fine.fitted_where(~lags))
        assert alone.unfitted[lags].any()  # nothing else is unfitted, so it is the part
        assert alone.depth["x_min"] == 0.0

    @pytest.mark.parametrize("side", [1, -1])
    def test_two_bursts_have_no_depth_and_the_fitted_one_is_passed(self, side):
        grid = Grid(bounds=((0.0, 1.0),), shape=(1000,), axes=("x",))
        x = grid.points[:, 0]
        bursts = sum(a * np.exp(-(((x - c) / 0.06) ** 2)) for a, c in ((1.0, 0.25), (0.8, 0.75)))
        scene = Scene(grid, (bursts * np.sin(90 * np.pi * x))[::side])
        assert max(scene.measure(-scene.trend.oscillation).depth.values()) < 0.01
        depth = scene.measure(scene.fitted_where(x < 0.5)).depth
        assert depth["x_max"] < 0.01
        first = np.count_nonzero(scene.active[:500]) / np.count_nonzero(scene.active)
        assert depth["x_min"] == pytest.approx(first, abs=0.01)

    def test_beside_a_gap_half_an_oscillation_may_lag_as_at_an_end(self):
        x = (np.arange(1200) + 0.5) / 1200
        x = x[(x < 0.5) | (x > 0.6)]
        grid = Scattered(x, ((0.0, 1.0),))
        wave = np.sin(40 * np.pi * x)
        trend = fit_trend(grid, wave)
        active = active_points(grid, trend)
        lags = ((x > 0.48) & (x < 0.5)) | ((x > 0.6) & (x < 0.62))
        missing = lags | ((x > 0.75) & (x < 0.9))
        seen = measure_front(grid, trend, active, np.where(missing, -wave, 0.0), trend.variance)
        assert not seen.fitted[lags].any()
        assert not seen.unfitted[x < 0.65].any()
        assert seen.unfitted[(x > 0.75) & (x < 0.9)].all()

    def test_a_stretch_between_gaps_that_is_shorter_than_a_window_counts_where_nothing_of_it_is_fitted(self):
        x = (np.arange(1200) + 0.5) / 1200
        x = x[((x < 0.4) | (x > 0.5)) & ((x < 0.52) | (x > 0.62))]  # 0.4 of a wavelength is left between them
        grid = Scattered(x, ((0.0, 1.0),))
        wave = np.sin(40 * np.pi * x)
        trend = fit_trend(grid, wave)
        active = active_points(grid, trend)
        alone = (x > 0.5) & (x < 0.52)
        missing = alone | (x > 0.8)
        seen = measure_front(grid, trend, active, np.where(missing, -wave, 0.0), trend.variance)
        assert seen.unfitted[alone].all()
        assert seen.depth["x_min"] == pytest.approx(np.mean(x < 0.5), abs=1e-3)

    @given(begin=st.floats(0.1, 0.8), size=st.floats(0.02, 0.15), seed=st.integers(0, 1000))
    def test_removing_points_changes_nothing_farther_away_than_a_window(self, begin, size, seed):
        x = (np.arange(800) + 0.5) / 800
        wave = np.sin(26 * np.pi * x)
        residual = np.where(np.repeat(np.random.default_rng(seed).random(20) < 0.5, 40), -wave, 0.0)
        kept = (x < begin) | (x > begin + size)
        fitted = []
        for chosen in (np.ones(800, dtype=bool), kept):
            grid = Scattered(x[chosen], ((0.0, 1.0),))
            trend = replace(fit_trend(grid, wave[chosen]), window=(1 / 13,))
            everywhere = np.ones(np.count_nonzero(chosen), dtype=bool)
            fitted.append(measure_front(grid, trend, everywhere, residual[chosen], 0.5).fitted)
        far = (x < begin - 0.05) | (x > begin + size + 0.05)
        np.testing.assert_array_equal(fitted[0][far], fitted[1][far[kept]])

    @given(seed=st.integers(0, 10**6))
    def test_reversing_the_axis_exchanges_the_faces(self, seed):
        scene = waves(13.5, cells=200)
        back = Scene(scene.grid, scene.target[::-1].copy())
        rng = np.random.default_rng(seed)
        residual = scene.fitted_where(np.repeat(rng.random(10) < 0.5, 20))
        there, mirrored = scene.measure(residual), back.measure(residual[::-1].copy())
        assert there.fitted_share == pytest.approx(mirrored.fitted_share, abs=1e-12)
        assert there.depth["x_min"] == pytest.approx(mirrored.depth["x_max"], abs=1e-12)
        assert there.depth["x_max"] == pytest.approx(mirrored.depth["x_min"], abs=1e-12)

    @pytest.mark.parametrize("slope", [0.0, 40.0])
    def test_what_both_fields_have_in_common_changes_nothing(self, fine, slope):
        scene = Scene(fine.grid, fine.target + 7.0 + slope * fine.x)
        residual = fine.fitted_where((fine.x < 0.3) | (fine.x > 0.5))
        plain, shifted = fine.measure(residual), scene.measure(residual)
        np.testing.assert_array_equal(plain.fitted, shifted.fitted)
        assert plain.depth == shifted.depth

    @pytest.mark.parametrize(("error", "fitted"), [(0.249, 1.0), (0.251, 0.0)])
    def test_a_cell_is_fitted_up_to_the_tolerance_and_not_beyond(self, fine, error, fitted):
        # |r| is the same everywhere, so every window has the same mean square
        assert fine.measure(np.full(2000, error * math.sqrt(0.5))).fitted_share == fitted

    def test_the_tolerance_given_counts(self, fine):
        residual = np.full(2000, 0.1 * math.sqrt(0.5))
        assert fine.measure(residual, tolerance=0.11).fitted_share == 1.0
        assert fine.measure(residual, tolerance=0.09).fitted_share == 0.0

    def test_the_local_error_of_the_bare_trend_is_1_and_of_a_scaled_one_its_square(self, fine):
        inner = (fine.x > 0.05) & (fine.x < 0.95)
        for amplitude in (1.0, 0.3, 2.0):
            error = fine.measure(amplitude * fine.trend.oscillation).local_error
            np.testing.assert_allclose(error[inner], amplitude**2, rtol=1e-9)


class TestTrendAndQuietParts:
    @pytest.fixture(scope="class")
    @staticmethod
    def packet():
        """Eight cycles in the middle, flat at both ends."""
        grid = Grid(bounds=((0.0, 1.0),), shape=(800,), axes=("x",))
        x = grid.points[:, 0]
        return Scene(grid, np.where((x > 0.3) & (x < 0.7), np.sin(2 * np.pi * 20 * (x - 0.3)), 0.0))

    def test_a_target_flat_at_both_ends_starts_unfitted_from_both_faces(self, packet):
        for prediction in (0.0, packet.trend.values):
            front = packet.measure(prediction - packet.target)
            assert front.depth == {"x_min": 0.0, "x_max": 0.0}
            assert front.fitted_share == 0.0

    def test_only_the_oscillating_part_is_active(self, packet):
        (window,) = packet.trend.window
        x = packet.x
        assert packet.active[(x > 0.3) & (x < 0.7)].all()
        assert not packet.active[(x < 0.3 - window) | (x > 0.7 + window)].any()

    def test_quiet_cells_count_neither_way(self, packet):
        (window,) = packet.trend.window
        far = (packet.x < 0.3 - 2 * window) | (packet.x > 0.7 + 2 * window)
        half = packet.fitted_where(packet.x < 0.5)
        reference = packet.measure(half)
        assert 0.3 < reference.fitted_share < 0.6
        assert reference.depth["x_max"] == 0.0
        for value in (0.0, 0.01, 1e6, np.nan):
            front = packet.measure(np.where(far, value, half))
            assert front.fitted_share == reference.fitted_share
            assert front.depth == reference.depth
            np.testing.assert_array_equal(front.unfitted, reference.unfitted)

    @pytest.mark.parametrize("slope", [-200.0, 20.0, 1e4])
    def test_fitting_the_trend_alone_is_not_a_fit_of_its_cycles(self, slope):
        grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
        x = grid.points[:, 0]
        scene = Scene(grid, 5 + slope * x + np.sin(26 * np.pi * x))
        residual = 5 + slope * x - scene.target  # the line is there, not one cycle is
        assert np.mean(residual**2) < 0.02 * np.var(scene.target)
        assert scene.measure(residual).fitted_share < 0.1

    def test_a_target_that_does_not_oscillate_is_active_everywhere(self):
        grid = Grid(bounds=((0.0, 1.0),), shape=(64,), axes=("x",))
        for target in (np.zeros(64), 3 - 2 * grid.points[:, 0]):
            assert Scene(grid, target).active.all()

    def test_the_first_residual_is_the_scale_where_nothing_oscillates(self):
        grid = Grid(bounds=((0.0, 1.0),), shape=(400,), axes=("x",))
        scene = Scene(grid, np.zeros(400))
        assert scene.trend.window == (0.125,)
        front = scene.measure(np.where(scene.x < 0.5, 0.0, 3.0), scale=9.0)
        # q = 1 at a full window; 1/16 where a sixteenth of the window lies beyond the place
        assert front.depth["x_min"] == pytest.approx(0.5 - (1 / 2 - 1 / 16) * 0.125, abs=1 / 400)


class TestSharpFeatures:
    """Misses that are narrower than the window: the verdict is the one of wider ones."""

    GRID = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    X = GRID.points[:, 0]

    def fitted(self, target, model):
        """Share of a target that does not oscillate: it is all trend, its scale is its variance."""
        trend = replace(
            fit_trend(self.GRID, target), values=target, oscillation=0 * target, variance=0.0, window=(0.125,)
        )
        scale = scale_of(self.GRID, target, trend)
        assert scale.of == "deviation"
        active = active_points(self.GRID, trend)
        return measure_front(self.GRID, trend, active, model - target, scale.mean_square).fitted_share

    @pytest.mark.parametrize("eps", [0.05, 0.02, 0.01])
    @pytest.mark.parametrize(
        ("layer", "is_fitted"),
        [
            (lambda z: 0 * z, False),
            (lambda z: np.exp(-z / 2), False),
            (lambda z: 0.5 * np.exp(-z), False),
            (lambda z: 0.8 * np.exp(-z), False),
            (lambda z: 0.92 * np.exp(-z), True),
            (lambda z: np.exp(-z / 1.1), True),
        ],
        ids=["none", "twice as wide", "half", "four fifths", "0.92", "a tenth wider"],
    )
    def test_a_boundary_layer_of_any_width_has_the_verdict_of_its_miss(self, eps, layer, is_fitted):
        share = self.fitted(self.X + np.exp(-self.X / eps), self.X + layer(self.X / eps))
        assert (share == 1.0) if is_fitted else (share < 0.95)

    @pytest.mark.parametrize("place", [0.5, 0.3])
    @pytest.mark.parametrize("width", [0.005, 0.01, 0.025])
    def test_a_jump_that_is_smoothed_away_is_not_fitted_there(self, place, width):
        target = np.where(place < self.X, 1.0, -1.0)
        share = self.fitted(target, np.tanh((self.X - place) / width))
        assert 0.6 < share < 0.95

    def test_a_jump_with_a_small_error_is_fitted(self):
        target = np.where(self.X > 0.4, 1.0, -1.0)
        assert self.fitted(target, 0.9 * target) == 1.0

    def test_a_notch_that_is_narrower_than_an_eighth_of_a_wavelength_is_not_fitted_where_it_is(self):
        scene = waves(8)
        notch = (scene.x > 0.5) & (scene.x < 0.51)  # 0.36 * 0.01 / (1 / 8) / 0.5 = 0.058 in the mean over a window
        for depth, is_fitted in ((0.45, True), (0.6, False)):
            seen = scene.measure(np.where(notch, depth, 0.0))
            np.testing.assert_array_equal(seen.fitted, ~notch | is_fitted)

    @settings(max_examples=60)
    @given(
        frequency=st.integers(1, 40),
        cosine=st.booleans(),
        width=st.floats(0.01, 2.0),
        place=st.floats(0.0, 0.9),
    )
    def test_no_error_with_the_shape_of_a_sine_is_sharp(self, frequency, cosine, width, place):
        scene = waves(frequency, phase=np.pi / 2 * cosine)
        # a front of any width, in wavelengths: exponential, from fitted to untouched
        envelope = expit((scene.x - place) * frequency / width)
        residual = -envelope * scene.trend.oscillation
        error = front._local_error(scene.grid, scene.trend.window, residual, scene.trend.variance, 0.0)
        np.testing.assert_array_equal(scene.measure(residual).local_error, error)


class TestNoise:
    @settings(max_examples=60)
    @given(
        seed=st.integers(0, 10**6),
        ratio=st.floats(0.0, 0.4),
        frequency=st.sampled_from([2, 5, 8, 13]),
        known=st.booleans(),
        random=st.booleans(),
    )
    def test_noise_in_the_target_never_lowers_a_perfect_model_below_095(self, seed, ratio, frequency, known, random):
        rng = np.random.default_rng(seed)
        x = np.sort(rng.random(800)) if random else (np.arange(800) + 0.5) / 800
        grid = Scattered(x, ((0.0, 1.0),)) if random else Grid(((0.0, 1.0),), (800,), ("x",))
        truth = 3.0 + np.sin(2 * np.pi * frequency * x)
        deviation = ratio * math.sqrt(0.5)
        target = truth + deviation * rng.standard_normal(800)
        noise = deviation if known else noise_deviation(grid, target)
        trend = fit_trend(grid, target)
        scale = scale_of(grid, target, trend, noise=noise)
        active = active_points(grid, trend, noise=noise)
        seen = measure_front(grid, trend, active, truth - target, scale.mean_square, noise=noise)
        assert seen.fitted_share >= 0.95
        nothing = measure_front(grid, trend, active, trend.values - target, scale.mean_square, noise=noise)
        assert nothing.fitted_share <= 0.02

    def test_a_front_is_read_through_noise_where_it_is(self, fine):
        rng = np.random.default_rng(1)
        noisy = Scene(fine.grid, fine.target + 0.2 * rng.standard_normal(2000))
        seen = noisy.measure(np.where(fine.x < 0.4, fine.target, 0.0) - noisy.target, scale=0.5, noise=0.2)
        assert seen.depth["x_min"] == pytest.approx(0.4, abs=fine.trend.window[0])
        assert seen.depth["x_max"] == 0.0

    @pytest.mark.parametrize("spacing", ["even", "random"])
    def test_quiet_parts_stay_quiet_under_noise(self, spacing):
        rng = np.random.default_rng(2)
        x = (np.arange(2000) + 0.5) / 2000 if spacing == "even" else np.sort(rng.random(2000))
        grid = Scattered(x, ((0.0, 1.0),))
        values = np.where(x > 0.5, np.sin(40 * np.pi * x), 0.0) + 0.2 * rng.standard_normal(2000)
        trend = fit_trend(grid, values)
        assert np.mean(active_points(grid, trend)[x < 0.4]) > 0.9
        active = active_points(grid, trend, noise=0.2)
        assert np.mean(active[x < 0.4]) < 0.05
        assert active[x > 0.55].all()

    def test_without_noise_nothing_changes(self, fine):
        residual = fine.fitted_where(fine.x < 0.3)
        plain, told = fine.measure(residual), fine.measure(residual, noise=0.0)
        np.testing.assert_array_equal(plain.local_error, told.local_error)


class TestRelativeToThePlace:
    @pytest.fixture(scope="class")
    @staticmethod
    def damped():
        grid = Grid(bounds=((0.0, 1.0),), shape=(1000,), axes=("x",))
        return Scene(grid, np.exp(-4 * grid.points[:, 0]) * np.sin(80 * np.pi * grid.points[:, 0]))

    def test_what_decays_is_fitted_only_where_it_is_there(self, damped):
        residual = damped.fitted_where(damped.x < 0.5)
        assert damped.measure(residual).fitted_share > 0.8  # exp(-8 / 2) of the power is left to be fitted
        local = local_scale(damped.grid, damped.trend)
        damped_active = active_points(damped.grid, damped.trend, local=local)
        assert damped_active.all()  # exp(-8) = 3e-4 of the power at the start, 3e-3 of its mean
        seen = measure_front(damped.grid, damped.trend, damped_active, residual, damped.trend.variance, local=local)
        assert seen.fitted_share == pytest.approx(0.5, abs=damped.trend.window[0])
        assert seen.depth["x_max"] == 0.0

    def test_what_is_below_a_thousandth_of_the_mean_is_quiet(self):
        grid = Grid(bounds=((0.0, 1.0),), shape=(1000,), axes=("x",))
        x = grid.points[:, 0]
        scene = Scene(grid, np.where(x < 0.5, 1.0, 0.01) * np.sin(80 * np.pi * x))  # 2e-4 of the mean
        local = local_scale(grid, scene.trend)
        active = active_points(grid, scene.trend, local=local)
        assert active[x < 0.5].all()
        assert not active[x > 0.52].any()
        assert local.min() == 1e-3

    def test_of_an_even_oscillation_it_is_the_same(self, fine):
        local = local_scale(fine.grid, fine.trend)
        inner = (fine.x > 0.02) & (fine.x < 0.98)
        np.testing.assert_allclose(local[inner], 1.0, rtol=1e-6)
        assert (local_scale(fine.grid, Scene(fine.grid, 0 * fine.x).trend) == 1.0).all()


class TestSequentiality:
    @pytest.mark.parametrize(("frequency", "cells"), [(10, 1000), (20, 2000), (40, 4000)])
    def test_a_moving_step_reads_1_less_the_width_of_the_window(self, frequency, cells):
        # Var(z) = m (1 - m) - mean(z (1 - z)), and z is neither 0 nor 1 in two places only. Across the step it rises
        # over one window w: z (1 - z) integrates to w/6 there, in the mean over the wave's square. Beside the far end
        # the window is cut off to g w, where z = 1 - sin(4 pi g) / (4 pi g). 1 / (m (1 - m)) has the mean
        # 2 ln(0.85 / 0.15) / 0.7 over the range.
        end = quad(lambda g: (s := np.sin(4 * np.pi * g) / (4 * np.pi * g)) * (1 - s), 0.5, 0.75)[0]
        loss = (1 / 6 + end) * 2 * np.log(0.85 / 0.15) / 0.7 / frequency
        scene = waves(frequency, cells=cells)
        value = sequentiality(scene.sweep(lambda t: scene.x < t, looks=1000))
        assert value == pytest.approx(1 - loss, abs=5e-4)
        assert value >= 1 - 1 / frequency

    def test_a_residual_that_shrinks_uniformly_reads_0(self, fine):
        amplitudes = np.linspace(1.0, 0.0, 101)
        even = fine.follow(amplitude * np.full(2000, math.sqrt(0.5)) for amplitude in amplitudes)
        assert sequentiality(even) == pytest.approx(0.0, abs=1e-12)
        # the wave itself: only the cut-off windows at the two ends differ
        wave = fine.follow(-amplitude * fine.trend.oscillation for amplitude in amplitudes)
        assert sequentiality(wave) < 0.01

    def test_half_the_places_at_once_and_half_never_reads_in_between(self, fine):
        # z is 0 or a: Var / (m (1 - m)) = (a^2 / 4) / (a/2 (1 - a/2)) = m / (1 - m), m from 0.5 down to 0.15
        half = np.where(fine.x < 0.5, 0.0, math.sqrt(0.5))
        history = fine.follow(amplitude * half for amplitude in np.sqrt(np.linspace(1.0, 0.0, 401)))
        expected = (np.log((1 - 0.15) / (1 - 0.5)) - (0.5 - 0.15)) / (0.5 - 0.15)
        assert sequentiality(history) == pytest.approx(expected, abs=0.03)

    @pytest.mark.parametrize("mixture", [0.0, 0.5, 1.0])
    def test_ten_looks_read_the_same_as_a_hundred_within_003(self, fine, mixture):
        def residual(t):  # a step that moves, over a residual that shrinks
            return (1 - mixture * t) * fine.fitted_where(fine.x < (1 - mixture / 2) * t)

        few, many = (
            sequentiality(fine.follow(residual(t) for t in np.linspace(0, 1, looks + 1))) for looks in (10, 100)
        )
        assert few == pytest.approx(many, abs=0.03)

    def test_it_is_unknown_below_five_looks_inside(self, fine):
        places = [0.0, 0.05, 0.2, 0.3, 0.4, 0.5, 0.6]  # the first two lie above 0.85
        residuals = [fine.fitted_where(fine.x < place) for place in places]
        for looks in range(1, 7):
            assert math.isnan(sequentiality(fine.follow(residuals[:looks])))
        assert sequentiality(fine.follow(residuals)) > 0.9

    def test_it_is_unknown_while_nothing_moves(self, fine):
        assert math.isnan(sequentiality(fine.follow([fine.fitted_where(fine.x < 0.5)] * 8)))

    def test_unlearning_and_relearning_does_not_count_twice(self, fine):
        places = list(np.linspace(0.0, 1.0, 41))
        detour = places[:25] + places[24:9:-1] + places[10:25] + places[25:]
        straight = fine.follow(fine.fitted_where(fine.x < place) for place in places)
        winding = fine.follow(fine.fitted_where(fine.x < place) for place in detour)
        assert winding.looks_inside > straight.looks_inside
        assert winding.covered == straight.covered < 0.7
        assert sequentiality(winding) == sequentiality(straight)

    def test_what_happens_while_it_unlearns_does_not_weigh(self, fine):
        places = np.linspace(0.0, 1.0, 41)
        moving = [fine.fitted_where(fine.x < place) for place in places]
        level = np.full(2000, math.sqrt(0.5 * 0.7))  # m = 0.7, the same everywhere
        straight, disturbed = fine.follow(moving), fine.follow([*moving[:25], *[level] * 10, *moving[25:]])
        assert sequentiality(disturbed) == sequentiality(straight)

    def test_quiet_points_do_not_make_a_front(self):
        # all places of a packet improve together, beside quiet places that have nothing to fit
        grid = Grid(bounds=((0.0, 1.0),), shape=(800,), axes=("x",))
        x = grid.points[:, 0]
        scene = Scene(grid, np.where(x < 0.5, np.sin(80 * np.pi * x), 0.0))
        inner = np.where(scene.active, math.sqrt(scene.trend.variance), 0.0)
        history = scene.follow(amplitude * inner for amplitude in np.linspace(1.0, 0.0, 101))
        assert sequentiality(history) < 0.05


class TestDirection:
    def test_a_front_from_one_side_is_inward_there_and_outward_at_the_other(self, fine):
        for face, other, region in (
            ("x_min", "x_max", lambda t: fine.x < t),
            ("x_max", "x_min", lambda t: fine.x > 1 - t),
        ):
            halfway = fine.measure(fine.fitted_where(region(0.5)))
            assert halfway.depth[face] == pytest.approx(0.5, abs=fine.trend.window[0])
            assert halfway.depth[other] == 0.0
            history = fine.sweep(region)
            faces = inwardness(fine.grid, fine.active, history)
            assert faces[face] == pytest.approx(1.0, abs=1e-3)
            assert faces[other] == pytest.approx(-1.0, abs=1e-3)
            assert overall_inwardness(fine.grid, fine.trend, faces) == pytest.approx(0.0, abs=1e-3)

    @pytest.mark.parametrize(("sign", "outwards"), [(1.0, False), (-1.0, True)])
    def test_inward_from_both_sides_reads_1_and_outward_from_the_middle_minus_1(self, fine, sign, outwards):
        distance = np.minimum(fine.x, 1 - fine.x)  # from the nearer face
        distance = 0.5 - distance if outwards else distance
        faces = inwardness(fine.grid, fine.active, fine.sweep(lambda t: distance < t / 2))
        assert faces == pytest.approx({"x_min": sign, "x_max": sign}, abs=1e-3)
        assert overall_inwardness(fine.grid, fine.trend, faces) == pytest.approx(sign, abs=1e-3)

    def test_everything_at_once_has_no_direction(self, fine):
        faces = inwardness(fine.grid, fine.active, fine.sweep(lambda t: np.full(2000, t > 0.5)))
        assert faces == {"x_min": 0.0, "x_max": 0.0}

    @settings(max_examples=50)
    @given(seed=st.integers(0, 10**6), never=st.floats(0.0, 0.6), at_start=st.floats(0.0, 0.5))
    def test_it_is_spearmans_correlation_of_arrival_with_distance(self, seed, never, at_start):
        rng = np.random.default_rng(seed)
        scene = waves(13, cells=64)
        last = rng.integers(1, 12, 64)
        last = np.where(rng.random(64) < never, 99, last)
        last = np.where(rng.random(64) < at_start, 0, last)
        history = None
        for step in range(13):
            history = update(history, looked_at(last <= step), scene.active, step)
        faces = inwardness(scene.grid, scene.active, history)
        for face, half in (("x_min", last[:32]), ("x_max", last[:31:-1])):
            later = np.flatnonzero(half > 0)
            assume(later.size >= 3)
            assume(len(set(half[later])) > 1)
            assume(np.mean(half[later] < 99) >= 0.1)
            assert faces[face] == pytest.approx(spearmanr(later, half[later]).statistic, abs=1e-12)

    def test_it_is_unknown_until_a_tenth_of_a_faces_points_arrived(self, fine):
        few = fine.sweep(lambda t: fine.x < 0.05 * t)
        faces = inwardness(fine.grid, fine.active, few)
        assert np.isnan([faces["x_min"], faces["x_max"]]).all()
        assert math.isnan(overall_inwardness(fine.grid, fine.trend, faces))
        some = inwardness(fine.grid, fine.active, fine.sweep(lambda t: fine.x < 0.2 * t))
        assert some["x_min"] > 0.5
        assert math.isnan(some["x_max"])

    def test_a_face_whose_points_were_all_fitted_at_the_first_look_has_no_entry(self, fine):
        history = fine.sweep(lambda t: fine.x < 0.55 + 0.45 * t)
        faces = inwardness(fine.grid, fine.active, history)
        assert set(faces) == {"x_max"}
        assert overall_inwardness(fine.grid, fine.trend, faces) == faces["x_max"]
        everything = fine.sweep(lambda t: fine.x < 2)
        assert inwardness(fine.grid, fine.active, everything) == {}
        assert math.isnan(overall_inwardness(fine.grid, fine.trend, {}))


class TestHistory:
    def test_a_point_that_was_never_fitted_has_not_arrived(self, fine):
        history = fine.sweep(lambda t: fine.x < t / 2)
        assert np.isinf(history.arrival[fine.x > 0.5]).all()
        assert np.isinf(history.settled[fine.x > 0.5]).all()
        assert np.isfinite(history.arrival[fine.x < 0.45]).all()

    def test_arrivals_are_the_steps_at_which_the_front_passed(self, fine):
        history = fine.sweep(lambda t: fine.x < t)
        # the front is read within half a window, here 1.25 steps, and seen once a step
        inner = fine.x < 0.98
        np.testing.assert_allclose(history.arrival[inner], 100 * fine.x[inner], atol=1.25 + 1)

    def test_arrival_keeps_the_first_step_and_settled_follows_loss_and_regain(self):
        scene = waves(2, cells=8)
        seen = {  # by step: points 0 always, 1 lost and regained, 2 lost, 3 never, 4 late
            5: [1, 0, 0, 0, 0, 0, 0, 0],
            7: [1, 1, 1, 0, 0, 0, 0, 0],
            8: [1, 0, 1, 0, 0, 0, 0, 0],
            9: [1, 1, 0, 0, 0, 0, 0, 0],
            12: [1, 1, 0, 0, 1, 0, 0, 0],
        }
        history = None
        for step, fitted in seen.items():
            history = update(history, looked_at(fitted), scene.active, step)
        assert history.arrival[:5].tolist() == [5, 7, 7, math.inf, 12]
        assert history.settled[:5].tolist() == [5, 9, math.inf, math.inf, 12]
        assert history.fitted.tolist() == [bool(v) for v in seen[12]]
        assert history.fitted_at_start.tolist() == [bool(v) for v in seen[5]]

    def test_a_history_is_not_changed_by_the_next_look(self):
        scene = waves(2, cells=8)
        first = update(None, looked_at([1, 0, 0, 0, 0, 0, 0, 0]), scene.active, 1)
        before = first.arrival.copy(), first.settled.copy(), first.recent
        update(first, looked_at([0, 1, 1, 1, 1, 1, 1, 1]), scene.active, 2)
        np.testing.assert_array_equal(first.arrival, before[0])
        np.testing.assert_array_equal(first.settled, before[1])
        assert first.recent == before[2]

    def test_the_speed_of_a_front_that_moves_evenly_is_its_share_per_step(self, fine):
        steps = np.arange(0, 1050, 50)
        history = fine.follow((fine.fitted_where(fine.x < 0.0008 * step) for step in steps), steps)
        assert speed(history) == pytest.approx(0.0008, rel=0.03)

    def test_a_front_that_retreats_has_a_negative_speed(self, fine):
        history = fine.follow(fine.fitted_where(fine.x < 0.9 - 0.02 * step) for step in range(10))
        assert speed(history) == pytest.approx(-0.02, rel=0.1)

    def test_only_the_last_ten_looks_count_for_the_speed(self):
        scene = waves(2, cells=8)
        history = None
        for step in range(40):
            share = 0.0 if step < 40 - SPEED_LOOKS else 0.01 * (step - 30)
            history = update(history, looked_at(np.zeros(8), share), scene.active, step)
        assert speed(history) == pytest.approx(0.01, rel=1e-12)

    @pytest.mark.parametrize("share", [0.0, 0.1, 1 / 3])
    def test_the_speed_of_what_stands_still_is_0(self, share):
        scene = waves(2, cells=8)
        history = None
        for step in (0, 1, 2, 3, 4, 6, 8, 11, 15, 21):
            history = update(history, looked_at(np.zeros(8), share), scene.active, step)
        assert speed(history) == 0.0

    def test_the_speed_is_unknown_below_two_looks(self):
        scene = waves(2, cells=8)
        once = update(None, looked_at(np.zeros(8)), scene.active, 3)
        assert math.isnan(speed(once))
        assert math.isnan(speed(update(once, looked_at(np.ones(8)), scene.active, 3)))  # twice at one step
        assert speed(update(once, looked_at(np.ones(8), 0.6), scene.active, 5)) == pytest.approx(0.05)


class TestInvariance:
    @settings(max_examples=60)
    @given(
        size=st.floats(1e-6, 1e6),
        sign=st.sampled_from([-1, 1]),
        offset=st.floats(-100, 100),
        left=st.floats(0.1, 0.4),
        right=st.floats(0.6, 0.9),
        seed=st.integers(0, 10**6),
    )
    def test_the_unit_and_the_zero_of_the_values_do_not_matter(self, size, sign, offset, left, right, seed):
        scene = waves(13)
        noise = 0.05 * np.random.default_rng(seed).standard_normal(512)
        prediction = scene.target + scene.fitted_where((scene.x < left) | (scene.x > right)) + noise
        reference = scene.measure(prediction - scene.target)
        factor, shift = sign * size, offset * size
        other = Scene(scene.grid, factor * scene.target + shift)
        front = other.measure((factor * prediction + shift) - other.target)
        np.testing.assert_allclose(front.local_error, reference.local_error, rtol=1e-8, atol=1e-9)
        np.testing.assert_array_equal(other.active, scene.active)
        assume(np.abs(reference.local_error - 1 / 16).min() > 1e-7)  # else rounding decides
        np.testing.assert_array_equal(front.fitted, reference.fitted)
        assert front.depth == reference.depth

    @settings(max_examples=40)
    @given(
        left=st.floats(0.0, 0.4),
        right=st.floats(0.6, 1.0),
        frequency=st.floats(4, 30),
        phase=st.floats(0, 2 * np.pi),
        seed=st.integers(0, 10**6),
    )
    def test_a_mirror_swaps_the_faces(self, left, right, frequency, phase, seed):
        scene = waves(frequency, phase=phase)
        mirrored = Scene(scene.grid, scene.target[::-1].copy())
        noise = 0.05 * np.random.default_rng(seed).standard_normal(512)
        histories = [None, None]
        for step, t in enumerate((0.0, 0.3, 0.6, 1.0)):
            residual = scene.fitted_where((scene.x < left * t) | (scene.x > 1 - (1 - right) * t)) + noise
            pair = scene.measure(residual), mirrored.measure(residual[::-1])
            assume(np.abs(pair[0].local_error - 1 / 16).min() > 1e-9)  # else rounding decides
            sizes = np.bincount(scene.grid.components(scene.active & ~pair[0].fitted))[1:]
            assume(np.count_nonzero(sizes == sizes.max(initial=0)) == 1)  # of two largest, the first is the core
            np.testing.assert_allclose(pair[1].local_error, pair[0].local_error[::-1], rtol=1e-7, atol=1e-9)
            assert pair[1].depth["x_min"] == pytest.approx(pair[0].depth["x_max"], abs=1e-12)
            assert pair[1].depth["x_max"] == pytest.approx(pair[0].depth["x_min"], abs=1e-12)
            histories = [
                update(history, front, which.active, step)
                for history, front, which in zip(histories, pair, (scene, mirrored), strict=True)
            ]
        there, back = (
            inwardness(which.grid, which.active, history)
            for history, which in zip(histories, (scene, mirrored), strict=True)
        )
        swapped = {"x_min": "x_max", "x_max": "x_min"}
        assert back == pytest.approx({swapped[face]: value for face, value in there.items()}, abs=1e-9, nan_ok=True)


class TestExtremes:
    @pytest.fixture(autouse=True)
    @staticmethod
    def _floating_point_errors_raise():
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            yield

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_a_few_bad_cells_are_unfitted_around_them_and_change_nothing_else(self, fine, bad):
        residual = fine.fitted_where((fine.x < 0.3) | (fine.x > 0.7))
        clean = fine.measure(residual)
        cells = [200, 203, 1800]
        residual[cells] = bad
        front = fine.measure(residual)
        reach = 0.5 * fine.trend.window[0] + 0.5 / 2000  # the window of a cell touches the bad cell
        near = np.min(np.abs(fine.x[:, None] - fine.x[cells]), axis=1) < reach - 1e-9
        assert np.isinf(front.local_error[near]).all()
        assert not front.fitted[near].any()
        np.testing.assert_allclose(front.local_error[~near], clean.local_error[~near], atol=1e-12)
        np.testing.assert_array_equal(front.fitted[~near], clean.fitted[~near])
        # the bad cells are the first that is unfitted, from either face
        assert front.depth["x_min"] == pytest.approx(200 / 2000 - reach, abs=1e-3)
        assert front.depth["x_max"] == pytest.approx(1 - 1800 / 2000 - reach, abs=1e-3)

    def test_a_wholly_bad_prediction_is_wholly_unfitted(self, fine):
        for bad in (np.nan, np.inf):
            front = fine.measure(np.full(2000, bad))
            assert np.isinf(front.local_error).all()
            assert front.fitted_share == 0.0
            assert front.depth == {"x_min": 0.0, "x_max": 0.0}
            assert front.unfitted.all()

    def test_bad_looks_in_between_leave_the_history_known(self, fine):
        places = np.linspace(0.0, 1.0, 41)
        moving = [fine.fitted_where(fine.x < place) for place in places]
        bad = np.full(2000, np.nan)
        straight, broken = fine.follow(moving), fine.follow([*moving[:20], bad, bad, *moving[20:]])
        assert sequentiality(broken) == sequentiality(straight)
        faces = inwardness(fine.grid, fine.active, broken)
        assert faces == pytest.approx({"x_min": 1.0, "x_max": -1.0}, abs=0.003)  # 40 looks, so neighbours tie
        assert math.isfinite(speed(broken))

    @pytest.mark.parametrize("huge", [1e20, 1e200, 1.7e308, -1.7e308])
    @pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
    def test_a_huge_residual_overflows_nowhere_and_hides_nothing(self, huge, unit):
        wave = waves(20, cells=1000)
        scene = Scene(wave.grid, unit * wave.target)
        residual = scene.fitted_where(scene.x < 0.5)
        clean = scene.measure(residual)
        residual[scene.x > 0.8] = huge
        front = scene.measure(residual)
        far = scene.x < 0.7
        assert np.isfinite(front.local_error).all()
        assert (front.local_error[scene.x > 0.8] > 1e6).all()
        np.testing.assert_allclose(front.local_error[far], clean.local_error[far], atol=1e-5)
        assert front.depth == clean.depth

    @pytest.mark.parametrize("scale", [0.0, math.nan, math.inf, -1.0])
    def test_without_a_scale_only_an_error_of_exactly_0_is_fitted(self, fine, scale):
        residual = np.where(fine.x < 0.5, 0.0, 1e-12)
        front = fine.measure(residual, scale=scale)
        (window,) = fine.trend.window
        assert front.fitted[fine.x < 0.5 - window].all()
        assert not front.fitted[fine.x > 0.5].any()
        assert front.depth["x_min"] == pytest.approx(0.5, abs=window)

    @pytest.mark.parametrize("size", [1e-150, 1e150])
    def test_active_points_do_not_depend_on_the_size_of_the_target(self, fine, size):
        other = Scene(fine.grid, size * fine.target)
        np.testing.assert_array_equal(other.active, fine.active)


class TestTwoDimensions:
    GRID = Grid(bounds=((0.0, 2.0), (-1.0, 1.0)), shape=(40, 60), axes=("x", "y"))

    @pytest.fixture(scope="class")
    @staticmethod
    def plane():
        x, y = TestTwoDimensions.GRID.points.T
        return Scene(TestTwoDimensions.GRID, np.sin(2 * np.pi * 2.5 * x) * np.sin(2 * np.pi * 5 * y))

    @staticmethod
    def rotated(scene):
        """The same scene turned by 90 degrees: axis 0 runs along the old y from high to low, axis 1 along the old x."""
        grid = Grid(bounds=(scene.grid.bounds[1], scene.grid.bounds[0]), shape=scene.grid.shape[::-1], axes=("x", "y"))
        return Scene(grid, np.rot90(scene.target.reshape(scene.grid.shape)).ravel())

    def test_a_plane_front_is_read_at_its_face_and_place(self, plane):
        y = plane.grid.points[:, 1]
        front = plane.measure(plane.fitted_where(y < -0.2))  # 0.4 of the axis
        half_window = 0.5 * plane.trend.window[1] / 2.0
        assert 0.4 - half_window - 1 / 60 <= front.depth["y_min"] <= 0.4
        assert {face: front.depth[face] for face in ("y_max", "x_min", "x_max")} == {
            "y_max": 0.0,
            "x_min": 0.0,
            "x_max": 0.0,
        }
        assert front.fitted_share == pytest.approx(front.depth["y_min"], abs=1e-12)

    def test_a_plane_front_is_inward_at_its_face_outward_at_the_other_and_nothing_across(self, plane):
        y = (plane.grid.points[:, 1] + 1) / 2
        history = plane.sweep(lambda t: y < t, looks=60)
        faces = inwardness(plane.grid, plane.active, history)
        assert faces["y_min"] == pytest.approx(1.0, abs=0.02)
        assert faces["y_max"] == pytest.approx(-1.0, abs=0.02)
        assert abs(faces["x_min"]) < 0.1
        assert abs(faces["x_max"]) < 0.1
        assert sequentiality(history) > 0.78

    def test_fronts_from_all_faces_are_inward_at_each(self, plane):
        x, y = plane.grid.points.T
        distance = np.minimum(np.minimum(x, 2 - x), np.minimum(y + 1, 1 - y))
        faces = inwardness(plane.grid, plane.active, plane.sweep(lambda t: distance < t, looks=40))
        assert set(faces) == {"x_min", "x_max", "y_min", "y_max"}
        assert min(faces.values()) > 0.6  # ranks tie on lines that meet a nearer face first
        assert overall_inwardness(plane.grid, plane.trend, faces) == pytest.approx(np.mean(list(faces.values())))

    def test_a_quarter_turn_turns_the_faces(self, plane):
        turned = self.rotated(plane)
        faces = {"x_min": "y_max", "x_max": "y_min", "y_min": "x_min", "y_max": "x_max"}  # turned: original
        shape = plane.grid.shape
        x, y = plane.grid.points.T
        histories = [None, None]
        for step, t in enumerate(np.linspace(0, 1, 21)):
            residual = plane.fitted_where((y < -1 + 1.1 * t) | (x < 0.5 * t))
            pair = plane.measure(residual), turned.measure(np.rot90(residual.reshape(shape)).ravel())
            np.testing.assert_allclose(
                pair[1].local_error, np.rot90(pair[0].local_error.reshape(shape)).ravel(), rtol=1e-9, atol=1e-12
            )
            assert pair[1].depth == pytest.approx(
                {face: pair[0].depth[original] for face, original in faces.items()}, abs=1e-12
            )
            histories = [
                update(history, front, scene.active, step)
                for history, front, scene in zip(histories, pair, (plane, turned), strict=True)
            ]
        there, back = (
            inwardness(scene.grid, scene.active, history)
            for history, scene in zip(histories, (plane, turned), strict=True)
        )
        assert back == pytest.approx({face: there[original] for face, original in faces.items()}, abs=1e-9)
        assert sequentiality(histories[1]) == pytest.approx(sequentiality(histories[0]), abs=1e-9)

    def test_an_axis_without_a_wavelength_does_not_count_for_the_whole(self):
        y = self.GRID.points[:, 1]
        scene = Scene(self.GRID, np.sin(2 * np.pi * 5 * y))
        assert math.isinf(scene.trend.wavelength[0])
        faces = {"x_min": 0.9, "x_max": 0.9, "y_min": 0.2, "y_max": -0.4}
        assert overall_inwardness(scene.grid, scene.trend, faces) == pytest.approx(-0.1)

    @settings(max_examples=60)
    @given(seed=st.integers(0, 10**6), quiet=st.floats(0.0, 0.5))
    def test_depths_are_what_a_walk_along_every_line_counts(self, seed, quiet):
        rng = np.random.default_rng(seed)
        grid = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(7, 9), axes=("x", "y"))
        scene = Scene(grid, np.zeros(63))  # nothing oscillates, so the window is an eighth: about one cell
        scene.active = rng.random(63) > quiet
        assume(scene.active.any())
        front = scene.measure(rng.choice([0.0, 10.0], 63), scale=1.0)
        active, core = scene.active.reshape(7, 9), front.unfitted.reshape(7, 9)
        unfitted = active & ~front.fitted.reshape(7, 9)
        assert not (core & ~unfitted).any()
        if not core.any():
            assert front.depth == dict.fromkeys(grid.faces, 1.0)
            return
        walks = {
            "x_min": list(zip(active.T, core.T, strict=True)),
            "x_max": list(zip(active[::-1].T, core[::-1].T, strict=True)),
            "y_min": list(zip(active, core, strict=True)),
            "y_max": list(zip(active[:, ::-1], core[:, ::-1], strict=True)),
        }
        for face, lines in walks.items():
            depths = []
            most = max(sum(line_core) for _, line_core in lines)
            for line_active, line_core in lines:
                if not line_core.any() or 4 * sum(line_core) < most:  # but touched
                    continue
                before = 0
                for is_active, is_core in zip(line_active, line_core, strict=True):
                    if is_core:
                        break
                    before += is_active
                depths.append(before / line_active.sum())
            assert front.depth[face] == pytest.approx(np.mean(depths), abs=1e-12)

    @pytest.mark.parametrize("face", ["x_min", "x_max", "y_min", "y_max"])
    def test_a_strip_of_half_an_oscillation_along_a_face_hides_no_front(self, face):
        grid = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(80, 80), axes=("x", "y"))
        x, y = grid.points.T
        scene = Scene(grid, np.sin(20 * np.pi * x) * np.sin(20 * np.pi * y))
        share = {"x_min": x, "x_max": 1 - x, "y_min": y, "y_max": 1 - y}[face]
        depth = scene.measure(scene.fitted_where((share > 0.045) & (share < 0.6))).depth
        assert depth[face] == pytest.approx(0.55, abs=scene.trend.window[0])

    def test_several_parts_in_the_plane_all_count(self):
        grid = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(80, 80), axes=("x", "y"))
        x, y = grid.points.T
        scene = Scene(grid, np.sin(20 * np.pi * x) * np.sin(20 * np.pi * y))
        missing = (np.hypot(x - 0.2, y - 0.5) < 0.15) | (np.hypot(x - 0.7, y - 0.5) < 0.25)
        front = scene.measure(scene.fitted_where(~missing))
        assert front.unfitted[missing].all()
        assert front.depth["x_min"] < 0.3  # on the lines that meet the small one, it comes first


class TestThreeDimensions:
    GRID = Grid(bounds=((0.0, 1.0), (-1.0, 1.0), (0.0, 3.0)), shape=(24, 32, 28), axes=("x", "y", "t"))

    @pytest.fixture(scope="class")
    @staticmethod
    def space():
        u, v, w = ((TestThreeDimensions.GRID.points - [0.0, -1.0, 0.0]) / TestThreeDimensions.GRID.lengths).T
        waves = np.sin(6 * np.pi * u) * np.sin(8 * np.pi * v) * np.sin(6 * np.pi * w)
        return Scene(TestThreeDimensions.GRID, waves)

    @pytest.mark.parametrize("axis", [0, 1, 2])
    @pytest.mark.parametrize("side", ["min", "max"])
    def test_a_plane_front_is_read_at_its_own_face_only(self, space, axis, side):
        low, high = space.grid.bounds[axis]
        share = (space.grid.points[:, axis] - low) / (high - low)
        front = space.measure(space.fitted_where((share if side == "min" else 1 - share) < 0.5))
        face = f"{space.grid.axes[axis]}_{side}"
        half_window = 0.5 * space.trend.window[axis] / (high - low)
        assert 0.5 - half_window - 1 / space.grid.shape[axis] <= front.depth[face] <= 0.5
        assert {other: depth for other, depth in front.depth.items() if other != face} == dict.fromkeys(
            set(space.grid.faces) - {face}, 0.0
        )

    def test_a_sweep_along_one_axis_is_inward_at_its_face_only(self, space):
        along = space.grid.points[:, 2] / 3.0
        faces = inwardness(space.grid, space.active, space.sweep(lambda t: along < t, looks=30))
        assert faces["t_min"] == pytest.approx(1.0, abs=0.05)
        assert faces["t_max"] == pytest.approx(-1.0, abs=0.05)
        for face in ("x_min", "x_max", "y_min", "y_max"):
            assert abs(faces[face]) < 0.1, face
