"""Long series, and series with gaps: what is missing counts neither way, and nothing is refused for it."""

from __future__ import annotations

import itertools
import time
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lightning_seqfit import Probe
from lightning_seqfit.demos import TanhMLP
from lightning_seqfit.diagnostics.base import Scene
from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.diagnostics.oscillations import OscillationDiagnostic
from lightning_seqfit.diagnostics.spectrum import SpectrumDiagnostic
from lightning_seqfit.geometry import Grid, Scattered
from lightning_seqfit.measures.front import active_points, measure_front
from lightning_seqfit.measures.oscillations import count_oscillations, target_laps
from lightning_seqfit.measures.spectrum import measure_spectrum, target_spectrum
from lightning_seqfit.measures.trend import fit_trend
from lightning_seqfit.probe import Observation

UNIT = ((0.0, 1.0),)


def even(size):
    return (np.arange(size) + 0.5) / size


def random(size, seed=0):
    return np.random.default_rng(seed).random(size)


def without(places, *gaps):
    return places[~np.any([(places > low) & (places < high) for low, high in gaps], axis=0)]


def wave(places, cycles):
    return np.sin(2 * np.pi * cycles * places)


def target_count(geometry, values):
    return target_laps(geometry, fit_trend(geometry, values)).count


def shares(geometry, values, residual):
    """Trend and bands' shares, and the squared error that they are the shares of."""
    trend = fit_trend(geometry, values)
    target = target_spectrum(geometry, trend)
    seen = measure_spectrum(geometry, target, residual, trend.variance)
    error = geometry.mean(residual**2) / trend.variance
    bands = dict(zip(target.labels, seen.share.tolist(), strict=True))
    return seen.trend_share, bands, error, dict(zip(target.labels, seen.relative_error.tolist(), strict=True))


class TestGaps:
    @pytest.mark.parametrize("seed", range(10))
    @pytest.mark.parametrize("size", [32, 512, 20_000])
    def test_random_points_have_none(self, size, seed):
        assert len(Scattered.spanning(random(size, seed)).segments(0)) == 1

    def test_neither_have_points_that_lie_closer_and_closer(self):
        closing_in = np.geomspace(1e-6, 1.0, 400)
        assert len(Scattered.spanning(closing_in).segments(0)) == 1
        assert len(Scattered.spanning(np.concatenate([even(600) / 2, 0.5 + even(30) / 2])).segments(0)) == 1

    @pytest.mark.parametrize("missing", [9, 40, 4000])
    def test_an_even_series_without_nine_or_more_in_a_row_has_one(self, missing):
        places = np.delete(np.arange(500.0 + missing), slice(200, 200 + missing))
        points = Scattered.spanning(places)
        assert [len(each) for each in points.segments(0)] == [200, 300]
        assert points.bounds == ((-0.5, 499.5 + missing),)
        assert points.weights.tolist() == pytest.approx([1 / 500] * 500)

    def test_seven_missing_are_no_gap_and_their_neighbours_stand_for_them(self):
        points = Scattered.spanning(np.delete(np.arange(500.0), slice(200, 207)))
        assert len(points.segments(0)) == 1
        assert points.weights[[199, 200]] == pytest.approx(4.5 / 500)

    def test_points_alone_between_two_gaps_are_stretches_of_their_own(self):
        places = np.concatenate([np.arange(50.0), [100.0, 150.0], np.arange(200.0, 250.0)])
        points = Scattered.spanning(places)
        assert [each.tolist() for each in points.segments(0)[1:3]] == [[50], [51]]
        assert points.weights == pytest.approx(1 / 102)

    def test_no_mean_window_component_or_block_reaches_across(self):
        places = np.concatenate([np.arange(10.0), np.arange(100.0, 120.0)])
        order = np.random.default_rng(0).permutation(30)
        points = Scattered.spanning(places[order])
        field = np.where(places < 50, 0.0, 1.0)[order]
        assert points.mean(field) == pytest.approx(2 / 3)
        assert points.moving_mean(field, (1000.0,)).tolist() == field.tolist()
        assert set(points.components(np.ones(30, dtype=bool))) == {1, 2}
        assert points.coarsen(field, 4).tolist() == [0.0, 1.0, 1.0]
        assert points.coarse_shape(4) == (3,)
        assert points.coarsen(points.coordinates, 3).tolist() == [4.5, 104.5, 114.5]

    def test_more_gaps_than_blocks_are_coarsened_across(self):
        places = (np.arange(20.0)[:, None] + 1000 * np.arange(20.0)).T.ravel()
        points = Scattered.spanning(places)
        assert len(points.segments(0)) == 20
        assert points.coarse_shape(5) == points.coarsen(places, 5).shape == (5,)

    def test_bounds_far_beyond_the_points_leave_gaps_at_the_ends(self):
        near, far = Scattered(even(64), UNIT), Scattered(even(64), ((-3.0, 10.0),))
        field = random(64)
        assert far.covered == pytest.approx(1 / 13)
        assert far.mean(field) == pytest.approx(near.mean(field), abs=1e-12)
        np.testing.assert_allclose(far.moving_mean(field, (0.2,)), near.moving_mean(field, (0.2,)), atol=1e-12)
        assert "2 gaps without a point, 92.3% of axis x, the widest from 1 to 10" in far.notes[0]

    def test_one_place_of_many_points_is_no_line_but_two_are(self):
        points = Scattered(np.repeat([0.2, 0.7], 50), UNIT)
        assert points.mean(points.coordinates) == pytest.approx(0.45 * 0.2 + 0.55 * 0.7)
        assert len(points.power(points.coordinates)) == len(points.frequencies)

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 10_000), low=st.floats(0.1, 0.8), width=st.floats(0.05, 0.15), shift=st.floats(-50, 50))
    def test_reversed_the_gaps_and_every_mean_are_the_same(self, seed, low, width, shift):
        x = without(random(400, seed), (low, low + width))
        one, other = Scattered(x + shift, ((shift, 1 + shift),)), Scattered(-x - shift, ((-1 - shift, -shift),))
        field = np.random.default_rng(seed).standard_normal(len(x))
        assert [each.tolist() for each in other.segments(0)] == [each[::-1].tolist() for each in one.segments(0)[::-1]]
        np.testing.assert_allclose(other.moving_mean(field, (0.1,)), one.moving_mean(field, (0.1,)), atol=1e-9)
        np.testing.assert_allclose(other.weights, one.weights, atol=1e-12)


class TestElsewhereNothingChanges:
    @settings(max_examples=30, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        size=st.sampled_from([300, 1500]),
        cycles=st.integers(6, 13),
        low=st.floats(0.15, 0.75),
        width=st.floats(0.05, 0.2),
        at_random=st.booleans(),
    )
    def test_removing_points_never_changes_what_is_fitted_farther_than_a_window(
        self, seed, size, cycles, low, width, at_random
    ):
        x = np.sort(random(size, seed)) if at_random else even(size)
        kept = without(x, (low, low + width))

        def fitted(places):
            points = Scattered(places, UNIT)
            values = wave(places, cycles)
            trend = fit_trend(points, values)
            residual = np.where(places < 0.4, 0.0, -trend.oscillation)
            front = measure_front(points, trend, active_points(points, trend), residual, trend.variance)
            return dict(zip(places.tolist(), front.fitted.tolist(), strict=True))

        whole, holed = fitted(x), fitted(kept)
        window = 1 / cycles
        far = [p for p in kept.tolist() if not low - window < p < low + width + window and abs(p - 0.4) > window]
        assert len(far) > 0.25 * size
        assert [holed[p] for p in far] == [whole[p] for p in far] == [p < 0.4 for p in far]

    @settings(max_examples=30, deadline=None)
    @given(seed=st.integers(0, 10_000), copies=st.integers(1, 3))
    def test_points_that_came_more_than_once_and_in_any_order_read_the_same(self, seed, copies):
        x = without(random(300, seed), (0.3, 0.5))
        generator = np.random.default_rng(seed)
        again = generator.permutation(np.tile(x, copies))

        def read(places):
            points = Scattered(places, UNIT)
            values = wave(places, 6)
            trend = fit_trend(points, values)
            prediction = np.where(places < 0.6, values, 0.0)
            laps = target_laps(points, trend)
            counts = count_oscillations(points, trend, laps, prediction, prediction - values)
            return counts.target, counts.model, counts.fitted, trend.variance, points.mean((prediction - values) ** 2)

        assert read(again) == pytest.approx(read(x), rel=1e-6)


class TestOscillations:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("gap", [(8.0, 10.0), (3.25, 5.5), (11.6, 19.1)])
    def test_those_in_a_gap_are_not_counted(self, gap, seed):
        for places in (np.arange(0, 20, 1 / 24), 20 * np.sort(random(900, seed))):
            kept = without(places, gap)
            points = Scattered(kept, ((-1 / 48, 20.0),))
            assert target_count(points, 15 + 5 * wave(kept, 1)) == pytest.approx(20 - (gap[1] - gap[0]), abs=0.5)

    def test_where_seven_tenths_of_the_axis_are_empty_the_rest_is_counted(self):
        x = without(np.linspace(0, 1, 1000), (0.2, 0.9))
        assert target_count(Scattered.spanning(x), wave(x, 5)) == 1.5

    def test_several_gaps_take_their_own_share_each(self):
        x = without(even(4000), (0.1, 0.15), (0.32, 0.4), (0.6, 0.77), (0.9, 0.93))
        assert target_count(Scattered.spanning(x), wave(x, 40)) == pytest.approx(40 * 0.67, abs=0.5)

    def test_a_gap_that_hides_no_more_than_one_extremum_is_passed_over(self):
        x = np.delete(even(2000), slice(700, 730))  # 0.15 of a wavelength
        points = Scattered(x, UNIT)
        assert len(points.segments(0)) == 2
        assert target_count(points, wave(x, 10)) == 10.0

    def test_a_model_that_goes_on_in_each_stretch_has_what_it_fits_and_lacks_the_rest(self):
        x = without(even(2000), (0.4, 0.6))
        points, values = Scattered.spanning(x), wave(x, 20)
        trend = fit_trend(points, values)
        prediction = np.where(x < 0.5, values, 0.0)
        seen = count_oscillations(points, trend, target_laps(points, trend), prediction, prediction - values)
        assert (seen.target, seen.model, seen.fitted, seen.missing, seen.spurious) == (16.0, 8.0, 8.0, 8.0, 0.0)

    @pytest.mark.parametrize("share", [0.1, 0.4])
    @pytest.mark.parametrize("seed", range(4))
    def test_a_perfect_model_of_noisy_values_has_all_where_the_noise_is_known(self, seed, share):
        x = np.sort(random(2000, seed))
        points, truth = Scattered(x, UNIT), wave(x, 5)
        noise = share * np.sqrt(0.5)
        values = truth + noise * np.random.default_rng(seed).standard_normal(2000)
        trend = fit_trend(points, truth)  # what the trend makes of noise is its own
        laps = target_laps(points, trend, noise)
        seen = count_oscillations(points, trend, laps, truth, truth - values, noise=noise)
        assert (seen.target, seen.model, seen.fitted, seen.spurious) == (5.0, 5.0, 5.0, 0.0)
        nothing = np.zeros(2000)
        assert count_oscillations(points, trend, laps, nothing, -values, noise=noise).fitted == 0.0


class TestSpectrum:
    @pytest.mark.parametrize("size", [3000, 8000])
    def test_no_frequency_of_a_long_even_series_is_too_high(self, size):
        x = even(size)
        low, high = wave(x, 200), 0.9 * wave(x, 400)
        trend, bands, error, relative = shares(Scattered.spanning(x), low + high, -high)
        assert relative["256-512"] == pytest.approx(1.0, abs=1e-4)
        assert relative["128-256"] == pytest.approx(0.0, abs=1e-4)
        assert trend + sum(bands.values()) == pytest.approx(error, rel=1e-9)

    def test_a_long_series_on_a_grid_and_as_points_of_that_grid_reads_the_same(self):
        x = even(5000)
        values, residual = wave(x, 300) + 2 * x, wave(x, 500) + 0.1
        grid, points = Grid(UNIT, (5000,), ("x",)), Scattered.spanning(x)
        on_grid, on_points = shares(grid, values, residual), shares(points, values, residual)
        assert on_points[0] == pytest.approx(on_grid[0], rel=1e-9)
        assert on_points[1] == pytest.approx(on_grid[1], abs=1e-9)
        assert target_count(points, values) == target_count(grid, values) == 300

    @settings(max_examples=40, deadline=None)
    @given(
        seed=st.integers(0, 10_000),
        size=st.sampled_from([40, 300, 1500]),
        gap=st.booleans(),
        lattice=st.booleans(),
        copies=st.booleans(),
    )
    def test_the_shares_of_any_residual_add_up_to_its_error(self, seed, size, gap, lattice, copies):
        x = even(size) if lattice else random(size, seed)
        x = without(x, (0.3, 0.55)) if gap else x
        x = np.append(x, x[::3]) if copies else x
        generator = np.random.default_rng(seed)
        residual = generator.normal() * wave(x, 3.3) + generator.normal() * x + 0.3 * generator.standard_normal(len(x))
        trend, bands, error, _ = shares(Scattered(x, UNIT), wave(x, 5), residual)
        assert trend + sum(bands.values()) == pytest.approx(error, rel=1e-9)
        assert min(trend, *bands.values()) >= 0.0

    @pytest.mark.parametrize("cycles", [20, 150, 400])
    def test_on_a_long_random_series_a_missing_band_is_missing_and_a_fitted_one_fitted(self, cycles):
        x = random(20_000)
        low, high = wave(x, 5), wave(x, cycles)
        _, bands, error, relative = shares(Scattered(x, UNIT), low + high, -high)
        mine = next(label for label in bands if int(label.split("-")[0]) <= cycles < int(label.split("-")[1]))
        assert relative[mine] == pytest.approx(1.0, abs=0.01)
        assert relative["4-8"] < 0.03
        assert bands[mine] == pytest.approx(error, rel=0.02)

    def test_what_no_frequency_holds_is_above_them_all(self):
        x = np.repeat(even(500), 4)  # each place four times: noise between them has no frequency
        noise = np.random.default_rng(0).standard_normal(2000)
        _, bands, error, _ = shares(Scattered(x, UNIT), wave(x, 5), 0.3 * noise)
        assert list(bands)[-2:] == ["128-250", "250-500"]
        assert bands["250-500"] == pytest.approx(0.75 * error, rel=0.05)

    def test_bands_that_a_wide_gap_hides_are_absent_with_their_reason(self):
        x = without(np.linspace(0, 1, 1000), (0.1, 0.95))
        geometry = Scattered.spanning(x)
        values = wave(x, 40) + wave(x, 3)
        diagnostic = SpectrumDiagnostic(0.25)
        diagnostic.begin(Scene(geometry, values, fit_trend(geometry, values)))
        assert geometry.resolution == pytest.approx(10.0, rel=0.02)
        assert not diagnostic.target.carrying[:3].any()
        assert "frequencies less than 10 cycles apart" in diagnostic.notes()[0]
        assert "absent: 1-2, 2-4, 4-8" in diagnostic.notes()[0]


class TestProbes:
    @pytest.mark.parametrize("shape", [200_000, 4])
    def test_a_series_of_any_length_is_taken(self, shape):
        x = random(shape)
        values, trend = Probe.points(x, x**2).read_target(nn.Linear(1, 1))
        assert len(values) == len(trend.values) == shape

    def test_a_target_of_four_to_eight_points_an_oscillation_is_no_longer_refused_but_said(self):
        x = random(300)
        probe = Probe.points(x, wave(x, 40), bounds=[(0.0, 1.0)])
        values, trend = probe.read_target(nn.Linear(1, 1))
        diagnostic = SpectrumDiagnostic(0.25)
        diagnostic.begin(Scene(probe.geometry, values, trend))
        assert any("the target is fast for so few points" in note for note in diagnostic.notes())

    @pytest.mark.parametrize("places", [even(300), random(300)], ids=["even", "random"])
    def test_fewer_than_three_points_an_oscillation_are_refused(self, places):
        with pytest.raises(ValueError, match=r"300 points are too few.*needs 3 points at the least"):
            Probe.points(places, wave(places, 140), bounds=[(0.0, 1.0)]).read_target(nn.Linear(1, 1))

    def test_a_wave_between_even_points_with_a_gap_may_be_as_fast_as_between_others(self):
        places = without(even(800), (0.4, 0.6))
        Probe.points(places, wave(places, 200.3)).read_target(nn.Linear(1, 1))


def looks(size, gap):
    """A geometry of a long series, and what takes a look at it."""
    x = random(size)
    x = without(x, (0.3, 0.4)) if gap else x
    begun = time.process_time()
    geometry = Scattered.spanning(x)
    geometry.frequencies, geometry.weights, geometry.segments(0)
    made = time.process_time() - begun
    values = wave(x, 300) + 0.1 * np.random.default_rng(1).standard_normal(len(x))
    scene = Scene(geometry, values, fit_trend(geometry, values))
    diagnostics = [FrontDiagnostic(0.25), OscillationDiagnostic(0.25), SpectrumDiagnostic(0.25)]
    for each in diagnostics:
        each.begin(scene)
    prediction = np.where(x < 0.5, wave(x, 300), 0.0)

    def look(step):
        observation = Observation(prediction=prediction * step / 10, residual=prediction * step / 10 - values)
        for each in diagnostics:
            each.look(observation, scene.trend.variance, step)

    look(0)
    return look, made


@pytest.mark.slow
@pytest.mark.parametrize("gap", [False, True])
def test_a_look_at_100_000_points_costs_less_than_three_forward_passes_and_300_mb(gap):
    tracemalloc.start()
    look, made = looks(100_000, gap)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 300e6
    assert made < 2.0
    network, points = TanhMLP(), torch.rand(100_000, 1)
    ratios = []
    for step in itertools.count(1):
        begun = time.process_time()
        with torch.no_grad():
            network(points)
        between = time.process_time()
        look(step)
        ratios.append((time.process_time() - between) / (between - begun))
        if step == 9:
            break
    assert np.median(ratios) < 3.0
