"""Spectra that are known in closed form: amplitudes, phases and sums over frequencies by hand.

No expected number comes from a fast Fourier transform: powers are amplitudes squared over two, sums of exponentials
written out, or integrals by hand.
"""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from lightning_seqfit.geometry import Grid
from lightning_seqfit.measures.spectrum import (
    Spectrum,
    SpectrumHistory,
    TargetSpectrum,
    front_frequency,
    measure_spectrum,
    spectral_order,
    target_spectrum,
    trend_share_of_target,
    update,
)
from lightning_seqfit.measures.trend import fit_trend


class Scene:
    """A target on a grid, and what the measure derives from it once."""

    def __init__(self, grid, target):
        self.grid = grid
        self.values = target
        self.trend = fit_trend(grid, target)
        self.target = target_spectrum(grid, self.trend)

    def measure(self, residual, scale=None):
        return measure_spectrum(self.grid, self.target, residual, self.trend.variance if scale is None else scale)

    def errors(self, residual):
        """Relative error per carrying band, by label."""
        spectrum = self.measure(residual)
        assert np.array_equal(np.isfinite(spectrum.relative_error), self.target.carrying)
        return {
            label: float(error)
            for label, error in zip(self.target.labels, spectrum.relative_error, strict=True)
            if np.isfinite(error)
        }

    def shares(self, residual):
        return dict(zip(self.target.labels, self.measure(residual).share.tolist(), strict=True))

    @property
    def loses_its_line(self):
        return self.target.trend_basis.shape[1] > 1


def line(cells=512, low=0.0, high=1.0):
    return Grid(bounds=((low, high),), shape=(cells,), axes=("x",))


def wave(grid, cycles, phase=0.0):
    (length,) = grid.lengths
    return np.cos(2 * np.pi * cycles * (grid.points[:, 0] - grid.bounds[0][0]) / length + phase)


def noise(grid, seed):
    return np.random.default_rng(seed).standard_normal(len(grid.points))


def power_by_sums(field, shape):
    """Power of a field per whole frequency, largest magnitude along every axis, from sums of exponentials."""
    coefficients = field.reshape(shape).astype(complex)
    for axis, cells in enumerate(shape):
        numbers = np.arange(-((cells - 1) // 2), cells // 2 + 1)
        exponentials = np.exp(-2j * np.pi * np.outer(numbers, np.arange(cells)) / cells) / cells
        coefficients = np.moveaxis(np.tensordot(exponentials, coefficients, axes=(1, axis)), 0, axis)
    numbers = np.meshgrid(*[np.arange(-((n - 1) // 2), n // 2 + 1) for n in shape], indexing="ij")
    return np.abs(coefficients.ravel()) ** 2, np.sqrt(sum(n.astype(float) ** 2 for n in numbers)).ravel()


def by_hand(carrying, errors=None, edges=(1, 2, 4, 8, 16, 32)):
    """A target with these carrying bands, and a look with these relative errors in them."""
    carrying = np.asarray(carrying, dtype=bool)
    bands = len(carrying)
    target = TargetSpectrum(
        edges=np.array(edges[: bands + 1]),
        labels=("",) * bands,
        carrying=carrying,
        band_power=np.ones(bands),
        frequency=np.zeros(1),
        group=np.zeros(1, dtype=np.intp),
        trend_basis=np.ones((1, 1)),
    )
    relative_error = np.full(bands, math.nan)
    if errors is not None:
        relative_error[carrying] = errors
    return target, Spectrum(0.0, np.zeros(bands), relative_error, np.zeros(1))


def order_of(steps, carrying=None):
    target, _ = by_hand(np.ones(len(steps)) if carrying is None else carrying, edges=range(1, len(steps) + 2))
    return spectral_order(target, SpectrumHistory(np.array(steps, dtype=float)))


class TestSum:
    @given(
        shape=st.one_of(
            st.tuples(st.integers(2, 400)),
            st.tuples(st.integers(2, 24), st.integers(2, 24)),
            st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(2, 9)),
        ),
        slope=st.sampled_from([0.0, 50.0]),
        offset=st.sampled_from([0.0, -3.0, 1e4]),
        size=st.sampled_from([1e-100, 1e-9, 1.0, 1e9, 1e100]),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_trend_and_frequencies_add_up_to_the_mean_square(self, shape, slope, offset, size, seed):
        grid = Grid(bounds=((-1.0, 2.0),) * len(shape), shape=shape, axes=("x", "y", "z")[: len(shape)])
        scene = Scene(grid, slope * grid.points.sum(axis=1) + noise(grid, seed))
        residual = size * (noise(grid, seed + 1) + offset + slope * grid.points[:, 0])
        spectrum = scene.measure(residual, scale=1.0)
        mean_square = float(np.mean(residual**2))
        assert spectrum.power.sum() == pytest.approx(mean_square, rel=1e-12)
        assert spectrum.trend_share + spectrum.share.sum() == pytest.approx(mean_square, rel=1e-12)
        assert (spectrum.share >= 0).all()
        assert spectrum.trend_share >= 0

    @pytest.mark.parametrize("cells", [511, 512])
    def test_shares_add_up_to_the_mean_square_over_that_of_the_oscillation(self, cells):
        grid = line(cells)
        scene = Scene(grid, 4 * grid.points[:, 0] + 3 * wave(grid, 13))
        residual = noise(grid, 7)
        spectrum = scene.measure(residual)
        assert scene.loses_its_line
        assert spectrum.trend_share + spectrum.share.sum() == pytest.approx(np.mean(residual**2) / 4.5, rel=1e-12)

    @given(seed=st.integers(0, 2**32 - 1), outer=st.sampled_from([0.02, 0.1]))
    def test_a_residual_in_the_outer_tenth_of_each_end_loses_nothing(self, seed, outer):
        grid = line()
        x = grid.points[:, 0]
        scene = Scene(grid, wave(grid, 13))
        residual = np.where((x < outer) | (x > 1 - outer), noise(grid, seed), 0.0)
        residual -= np.where(residual == 0, 0.0, residual.sum() / np.count_nonzero(residual))  # without a mean
        spectrum = scene.measure(residual)
        assert spectrum.share.sum() == pytest.approx(2 * np.mean(residual**2), rel=1e-12)

    @pytest.mark.parametrize("shape", [(40,), (41,), (12, 9), (9, 12), (5, 4, 6)])
    def test_every_band_holds_what_sums_of_exponentials_give(self, shape):
        grid = Grid(bounds=((0.0, 1.0),) * len(shape), shape=shape, axes=("x", "y", "z")[: len(shape)])
        residual = noise(grid, 3)
        residual -= residual.mean()
        scene = Scene(grid, np.cos(4 * np.pi * grid.points[:, 0]))
        assert not scene.loses_its_line
        power, frequency = power_by_sums(residual, shape)
        edges = scene.target.edges
        for number, (low, high) in enumerate(itertools.pairwise(edges)):
            last = number == len(edges) - 2
            inside = (frequency >= low - 1e-9) & ((frequency <= high) if last else (frequency < high - 1e-9))
            assert scene.measure(residual, scale=1.0).share[number] == pytest.approx(power[inside].sum(), abs=1e-14)


class TestBands:
    @pytest.mark.parametrize(
        ("shape", "edges"),
        [
            ((512,), [1, 2, 4, 8, 16, 32, 64, 128, 256]),
            ((511,), [1, 2, 4, 8, 16, 32, 64, 128, 255]),
            ((500,), [1, 2, 4, 8, 16, 32, 64, 128, 250]),
            ((49,), [1, 2, 4, 8, 16, 24]),  # numpy's last frequency is 24.000000000000004
            ((6,), [1, 2, 3]),
            ((4,), [1, 2]),
            ((2,), [1, 2]),
            ((1,), [1, 2]),
            ((96, 96), [1, 2, 4, 8, 16, 32, 64, 68]),  # the corner is 48 sqrt 2 = 67.9
            ((6, 8), [1, 2, 4, 5]),  # the corner is (3, 4)
            ((32, 32, 32), [1, 2, 4, 8, 16, 28]),  # 16 sqrt 3 = 27.7
        ],
    )
    def test_bands_are_octaves_up_to_the_corner(self, shape, edges):
        grid = Grid(bounds=((0.0, 1.0),) * len(shape), shape=shape, axes=("x", "y", "z")[: len(shape)])
        target = target_spectrum(grid, fit_trend(grid, noise(grid, 0)))
        assert target.edges.tolist() == edges
        assert target.labels == tuple(f"{low}-{high}" for low, high in itertools.pairwise(edges))

    @pytest.mark.parametrize("cells", [49, 98, 100, 103, 512])
    def test_a_wave_lies_in_the_band_of_its_whole_frequency(self, cells):
        grid = line(cells)
        scene = Scene(grid, wave(grid, 1))
        edges = scene.target.edges
        for cycles in range(1, cells // 2 + 1):
            share = scene.measure(wave(grid, cycles, 0.3)).share
            (place,) = np.flatnonzero(share > 1e-20)
            last = place == len(share) - 1
            assert edges[place] <= cycles < edges[place + 1] or (last and cycles == edges[-1])

    @pytest.mark.parametrize(("low", "high"), [(-6.5, 6.5), (100.0, 100.5)])
    def test_frequencies_are_cycles_per_domain_length_whatever_its_units(self, low, high):
        grid = line(low=low, high=high)
        assert Scene(grid, wave(grid, 13)).errors(-wave(grid, 13)) == {"8-16": pytest.approx(1.0, rel=1e-9)}

    def test_frequencies_between_0_and_1_are_in_the_first_band(self):
        class Halves(Grid):
            @property
            def frequencies(self):
                return super().frequencies / 2

        grid = Halves(bounds=((0.0, 1.0),), shape=(16,), axes=("x",))
        spectrum = Scene(grid, np.zeros(16)).measure(wave(grid, 1), scale=0.5)
        assert spectrum.share[0] == pytest.approx(1.0, rel=1e-12)

    @pytest.mark.parametrize("rounding", [-1e-15, 1e-15])
    def test_a_whole_frequency_is_in_its_band_whichever_way_it_was_rounded(self, rounding):
        class Rounded(Grid):
            @property
            def frequencies(self):
                return super().frequencies * (1 + rounding)

        grid = Rounded(bounds=((0.0, 1.0),), shape=(64,), axes=("x",))
        scene = Scene(grid, np.zeros(64))
        assert scene.target.labels == ("1-2", "2-4", "4-8", "8-16", "16-32")
        for band, cycles in enumerate((1, 2, 4, 8, 16)):
            assert scene.measure(wave(grid, cycles), scale=0.5).share[band] == pytest.approx(1.0, rel=1e-12)

    def test_the_mean_of_the_oscillation_makes_no_band_carry_and_hides_none(self):
        grid = line()
        trend = fit_trend(grid, wave(grid, 13))  # on scattered points u' can have a mean
        shifted = dataclasses.replace(trend, oscillation=trend.oscillation + 20, variance=400.5)
        assert np.flatnonzero(target_spectrum(grid, shifted).carrying).tolist() == [3]

    def test_a_band_carries_with_a_hundredth_of_the_strongest_power(self):
        grid = line()
        small = [(1, 0.0), (3, 0.101), (5, 0.099), (20, 1.0), (40, 0.099), (50, 0.099), (200, -0.101)]
        scene = Scene(grid, sum(a * wave(grid, k) for k, a in small))
        # two waves of 0.99 % each do not carry: it is asked of each frequency, not of their sum
        carrying = [scene.target.labels[band] for band in np.flatnonzero(scene.target.carrying)]
        assert carrying == ["2-4", "16-32", "128-256"]

    def test_the_relative_error_is_over_all_frequencies_of_the_band(self):
        grid = line()
        scene = Scene(grid, wave(grid, 9) + 0.05 * wave(grid, 15))
        # the weak 15 cycles count in the power of the band, which 9 cycles make carry
        error = scene.errors(0.5 * wave(grid, 11) + 0.3 * wave(grid, 15))["8-16"]
        assert error == pytest.approx(math.sqrt((0.5**2 + 0.3**2) / (1 + 0.05**2)), rel=1e-9)

    def test_in_2d_a_wave_lies_in_the_band_of_its_euclidean_norm(self):
        grid = Grid(bounds=((0.0, 1.0), (0.0, 3.0)), shape=(32, 48), axes=("x", "y"))
        x, y = grid.points.T
        for modes, label in [
            ((1, 1), "1-2"),  # 1.41
            ((0, 2), "2-4"),
            ((3, 3), "4-8"),  # 4.24, though each axis is below 4
            ((7, 3), "4-8"),  # 7.6
            ((-7, 5), "8-16"),  # 8.6
            ((0, 23), "16-29"),
            ((15, 23), "16-29"),  # 27.5
        ]:
            target = np.cos(2 * np.pi * (modes[0] * x + modes[1] * y / 3) + 0.4)
            assert Scene(grid, target).errors(-target) == {label: pytest.approx(1.0, rel=1e-9)}

    def test_the_corner_itself_is_in_the_last_band(self):
        grid = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(6, 8), axes=("x", "y"))
        corner = np.outer((-1.0) ** np.arange(6), (-1.0) ** np.arange(8)).ravel()  # frequencies (3, 4), norm 5
        shares = Scene(grid, np.cos(2 * np.pi * grid.points[:, 0])).measure(corner, scale=1.0).share
        assert shares == pytest.approx([0.0, 0.0, 1.0], abs=1e-14)


class TestCarrying:
    @pytest.mark.parametrize("slope", [0.0, 7.0])
    @pytest.mark.parametrize("phase", [0.0, 0.8, math.pi / 2])
    @pytest.mark.parametrize(
        ("cycles", "labels"),
        [
            (1.0, {"1-2"}),
            (1.4, {"1-2"}),
            (1.6, {"1-2", "2-4"}),
            (2.5, {"2-4"}),
            (3.3, {"2-4"}),
            (3.8, {"2-4", "4-8"}),
            (4.1, {"4-8"}),
            (5.5, {"4-8"}),
            (12.7, {"8-16"}),
            (16.0, {"16-32"}),
            (31.7, {"16-32", "32-64"}),
            (59.4, {"32-64"}),
        ],
    )
    def test_one_sine_carries_its_band_or_the_two_at_whose_edge_it_lies(self, cycles, labels, phase, slope):
        grid = line()
        scene = Scene(grid, 3 + slope * grid.points[:, 0] + wave(grid, cycles, phase))
        assert {scene.target.labels[band] for band in np.flatnonzero(scene.target.carrying)} == labels
        assert not scene.target.several

    @pytest.mark.parametrize("cycles", [(2.5, 9.3), (1.3, 5.5, 40.2), (3.4, 21.7), (1, 2, 4)])
    def test_a_sum_carries_just_the_bands_of_its_parts(self, cycles):
        grid = line()
        scene = Scene(grid, sum(wave(grid, k, 0.3 + k) for k in cycles))
        own = {int(math.log2(k)) for k in cycles}
        assert set(np.flatnonzero(scene.target.carrying).tolist()) == own
        assert scene.target.several

    def test_a_chirp_carries_every_band_that_it_passes_and_none_beyond(self):
        grid = line(1024)
        scene = Scene(grid, np.sin(2 * np.pi * (7 * grid.points[:, 0] + 9 * grid.points[:, 0] ** 2)))  # 7 to 25
        labels = [scene.target.labels[band] for band in np.flatnonzero(scene.target.carrying)]
        assert labels == ["4-8", "8-16", "16-32"]

    def test_a_burst_carries_its_own_band_wherever_it_lies(self):
        grid = line()
        for place in (0.1, 0.5, 0.9):
            burst = np.exp(-(((grid.points[:, 0] - place) / 0.06) ** 2)) * wave(grid, 45)
            labels = [Scene(grid, burst).target.labels[b] for b in np.flatnonzero(Scene(grid, burst).target.carrying)]
            assert labels == ["32-64"]

    def test_a_single_sine_between_two_bands_has_no_order(self):
        grid = line()
        scene = Scene(grid, wave(grid, 3.8))
        history = update(None, scene.measure(-wave(grid, 3.8)), 0)
        history = update(history, scene.measure(0 * grid.points[:, 0]), 10)
        assert scene.target.carrying.sum() == 2
        assert np.isfinite(history.converged).sum() == 2
        assert math.isnan(spectral_order(scene.target, history))

    @pytest.mark.parametrize("cycles", [2.5, 5.5, 12.7])
    def test_reversing_the_axis_changes_no_band(self, cycles):
        grid = line()
        target = grid.points[:, 0] ** 2 + wave(grid, cycles) + np.exp(-3 * grid.points[:, 0]) * wave(grid, 90)
        before, after = Scene(grid, target).target, Scene(grid, target[::-1]).target
        assert before.carrying.tolist() == after.carrying.tolist()
        np.testing.assert_allclose(after.band_power, before.band_power, rtol=1e-6)

    @pytest.mark.parametrize("frequency", [(2.5, 0.0), (0.0, 5.3), (3.3, 4.6)])
    def test_a_plane_wave_of_any_frequency_carries_one_band(self, frequency):
        grid = Grid(bounds=((0.0, 1.0), (0.0, 3.0)), shape=(48, 64), axes=("x", "y"))
        x, y = grid.points.T
        scene = Scene(grid, 2 + np.sin(2 * np.pi * (frequency[0] * x + frequency[1] * y / 3) + 0.3))
        assert np.flatnonzero(scene.target.carrying).tolist() == [int(math.log2(math.hypot(*frequency)))]


class TestRelativeError:
    @given(
        cycles=st.integers(1, 200),
        phase=st.floats(0, 2 * np.pi),
        shift=st.floats(-3, 3),
        amplitude=st.floats(0, 3),
    )
    def test_amplitude_and_phase_errors_are_distances_in_the_complex_plane(self, cycles, phase, shift, amplitude):
        grid = line()
        target = wave(grid, cycles, phase)
        (error,) = Scene(grid, target).errors(amplitude * wave(grid, cycles, phase + shift) - target).values()
        assert error == pytest.approx(abs(amplitude * np.exp(1j * shift) - 1), abs=1e-9)

    @pytest.mark.parametrize("cycles", [1, 3, 13, 100])
    def test_pure_phase_error_counts_in_full(self, cycles):
        grid = line()
        (error,) = Scene(grid, wave(grid, cycles)).errors(wave(grid, cycles, 1.0) - wave(grid, cycles)).values()
        assert error == pytest.approx(math.sqrt(2 - 2 * math.cos(1)), rel=1e-9)
        assert error == pytest.approx(0.9589, abs=1e-4)

    def test_a_missing_band_reads_1_a_fitted_one_0_and_a_doubled_one_1(self):
        grid = line()
        scene = Scene(grid, wave(grid, 3) + 0.5 * wave(grid, 13) + 2 * wave(grid, 50))
        fitted = {"2-4": 0.0, "8-16": 0.0, "32-64": 0.0}
        for cycles, amplitude, label in [(3, 1.0, "2-4"), (13, 0.5, "8-16"), (50, 2.0, "32-64")]:
            for change in (-amplitude, amplitude):
                errors = scene.errors(change * wave(grid, cycles))
                assert errors == pytest.approx(fitted | {label: 1.0}, abs=1e-9)

    @given(
        slope=st.sampled_from([0.0, 0.1, 3.0, -500.0]),
        cycles=st.lists(st.floats(0.6, 60), min_size=1, max_size=4),
        phase=st.floats(0, 2 * np.pi),
        reached=st.floats(0, 1),
    )
    def test_a_prediction_that_is_a_part_of_the_oscillation_lacks_the_rest_in_every_band(
        self, slope, cycles, phase, reached
    ):
        # whole frequencies or not, trend or not: what the line takes, it takes from residual and target alike
        grid = line()
        scene = Scene(grid, slope * grid.points[:, 0] + sum(wave(grid, k, phase) for k in cycles))
        for error in scene.errors((reached - 1) * scene.trend.oscillation).values():
            assert error == pytest.approx(1 - reached, abs=1e-6)

    @given(slope=st.sampled_from([5.0, -500.0]), cycles=st.integers(1, 30), phase=st.floats(0, 2 * np.pi))
    def test_a_prediction_of_zero_has_relative_error_1_under_a_trend_too(self, slope, cycles, phase):
        grid = line()
        target = 7 + slope * grid.points[:, 0] + wave(grid, cycles, phase)
        (error,) = Scene(grid, target).errors(-target).values()
        assert error == pytest.approx(1.0, abs=1e-6)

    @given(
        size=st.floats(-150, 150).map(lambda exponent: 10.0**exponent),
        tilt=st.sampled_from([0.0, 2.0]),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_units_do_not_matter(self, size, tilt, seed):
        grid = line(128)
        target = wave(grid, 5) + tilt * grid.points[:, 0]
        residual = noise(grid, seed)
        unit = Scene(grid, target).measure(residual)
        scaled = Scene(grid, size * target).measure(size * residual)
        np.testing.assert_allclose(scaled.share, unit.share, rtol=1e-9)
        np.testing.assert_allclose(scaled.relative_error, unit.relative_error, rtol=1e-9)
        assert scaled.trend_share == pytest.approx(unit.trend_share, rel=1e-9, abs=1e-12)

    def test_where_nothing_oscillates_no_band_carries_and_shares_are_of_the_scale(self):
        grid = line()
        residual = 2.0 + wave(grid, 3) + 2 * wave(grid, 9)
        for target in (np.zeros(512), np.full(512, 3.0)):
            scene = Scene(grid, target)
            assert not scene.target.carrying.any()
            spectrum = scene.measure(residual, scale=10.0)
            assert np.isnan(spectrum.relative_error).all()
            assert spectrum.trend_share == pytest.approx(0.4)
            assert spectrum.share[[1, 3]] == pytest.approx([0.05, 0.2])
            assert math.isnan(front_frequency(scene.target, spectrum))


class TestTrend:
    @pytest.mark.parametrize("cells", [512, 601])
    def test_a_model_that_has_only_the_trend_lacks_the_yearly_cycle_in_full(self, cells):
        grid = line(cells, low=1958.0, high=1998.0)
        year = wave(grid, 40)  # even about the middle: a line takes nothing of it
        scene = Scene(grid, 315 + 1.5 * (grid.points[:, 0] - 1958) + 3 * year)
        assert scene.loses_its_line
        assert scene.errors(-3 * year) == {"32-64": pytest.approx(1.0, rel=1e-9)}
        assert scene.measure(-3 * year).trend_share == pytest.approx(0.0, abs=1e-20)
        assert scene.shares(-3 * year)["32-64"] == pytest.approx(1.0, rel=1e-9)

    def test_of_a_sine_of_k_cycles_the_line_takes_6_over_pi_k_squared(self):
        grid = line(4096)
        for cycles in (1, 2, 5, 13):
            sine = wave(grid, cycles, -np.pi / 2)
            scene = Scene(grid, 100 * grid.points[:, 0] + sine)
            assert scene.measure(-sine).trend_share == pytest.approx(6 / (np.pi * cycles) ** 2, rel=1e-3)
            assert list(scene.errors(-sine).values()) == pytest.approx([1.0], abs=1e-6)

    def test_a_single_cycle_under_a_trend_carries_one_band(self):
        # the line leaves a sawtooth of it, which has 2, 3, ... cycles too
        grid = line()
        scene = Scene(grid, 100 * grid.points[:, 0] + wave(grid, 1, -np.pi / 2))
        assert scene.target.labels[np.flatnonzero(scene.target.carrying).item()] == "1-2"

    @pytest.mark.parametrize("shape", [(512,), (24, 20), (8, 9, 10)])
    def test_a_missing_trend_is_the_trend_term_and_no_frequency(self, shape):
        grid = Grid(bounds=((0.0, 2.0),) * len(shape), shape=shape, axes=("x", "y", "z")[: len(shape)])
        plane = 1 + grid.points @ np.array([3.0, -2.0, 1.0][: len(shape)])
        scene = Scene(grid, plane + np.cos(2 * np.pi * grid.points[:, 0]))
        spectrum = scene.measure(-plane)
        assert spectrum.trend_share == pytest.approx(np.mean(plane**2) / 0.5, rel=1e-9)
        assert spectrum.share.max() < 1e-20 * spectrum.trend_share

    def test_a_missing_curved_trend_is_the_trend_term_and_no_frequency(self):
        grid = line()
        bowl = 4 * (grid.points[:, 0] - 0.5) ** 2
        scene = Scene(grid, bowl + 0.3 * wave(grid, 18))
        spectrum = scene.measure(-scene.trend.values)
        assert spectrum.trend_share == pytest.approx(np.mean(bowl**2) / 0.045, rel=0.02)
        assert spectrum.share.sum() < 1e-20 * spectrum.trend_share
        assert scene.errors(-0.3 * wave(grid, 18)) == {"16-32": pytest.approx(1.0, rel=0.01)}

    def test_under_a_curved_trend_the_shares_add_up_too(self):
        grid = line()
        scene = Scene(grid, grid.points[:, 0] ** 2 + 0.3 * wave(grid, 18.4))
        residual = noise(grid, 3)
        spectrum = scene.measure(residual)
        total = np.mean(residual**2) / scene.trend.variance
        assert spectrum.trend_share + spectrum.share.sum() == pytest.approx(total, rel=1e-12)

    def test_a_target_that_is_all_trend_carries_no_band(self):
        grid = line()
        scene = Scene(grid, np.exp(3 * grid.points[:, 0]))
        assert not scene.target.carrying.any()
        assert scene.measure(0.5 - scene.values, scale=1.0).share.max() < 1e-20

    @pytest.mark.parametrize(("share", "loses"), [(0.0099, False), (0.0101, True)])
    def test_the_residual_loses_its_line_where_the_trend_has_a_hundredth_of_the_variance(self, share, loses):
        grid = line()
        slope = math.sqrt(12 * 0.5 * share)  # a slope s has the variance s^2 / 12, the wave 1 / 2
        scene = Scene(grid, 40 + slope * grid.points[:, 0] + wave(grid, 13))
        assert scene.loses_its_line is loses
        residual = 2 + math.sqrt(12) * (grid.points[:, 0] - 0.5)  # mean square 4 + 1, but for the grid's 1 / N^2
        spectrum = scene.measure(residual, scale=1.0)
        assert spectrum.trend_share == pytest.approx(5.0 if loses else 4.0, rel=1e-5)
        assert spectrum.share.sum() == pytest.approx(0.0 if loses else 1.0, rel=1e-5, abs=1e-20)

    def test_a_constant_has_no_line_to_lose_and_a_bare_line_has(self):
        grid = line()
        assert not Scene(grid, np.zeros(512)).loses_its_line
        assert not Scene(grid, np.full(512, 0.1)).loses_its_line  # whose trend varies by rounding
        assert Scene(grid, grid.points[:, 0]).loses_its_line

    def test_an_axis_with_a_single_cell_takes_nothing_from_the_residual(self):
        grid = Grid(bounds=((0.0, 1.0), (0.0, 1.0)), shape=(64, 1), axes=("x", "y"))
        target = 9 * grid.points[:, 0] + np.cos(2 * np.pi * 5 * grid.points[:, 0])
        scene = Scene(grid, target)
        assert scene.target.trend_basis.shape == (64, 2)
        assert scene.errors(-np.cos(2 * np.pi * 5 * grid.points[:, 0])) == {"4-8": pytest.approx(1.0, rel=1e-9)}

    @pytest.mark.parametrize("size", [1e-100, 1.0, 1e100])
    def test_the_trend_of_a_target_is_held_against_its_variance(self, size):
        grid = line()
        target = size * (4 + 20 * grid.points[:, 0] + wave(grid, 13))
        share = (20**2 / 12) / (20**2 / 12 + 0.5)
        assert trend_share_of_target(fit_trend(grid, target), target) == pytest.approx(share, rel=1e-5)

    def test_without_a_trend_its_share_is_0_and_of_a_constant_it_is_not_known(self):
        grid = line()
        assert trend_share_of_target(fit_trend(grid, wave(grid, 13)), wave(grid, 13)) < 1e-20
        for value in (0.0, 0.1):
            constant = np.full(512, value)
            assert math.isnan(trend_share_of_target(fit_trend(grid, constant), constant))


class TestExtremes:
    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_a_residual_that_is_not_finite_has_no_spectrum(self, bad):
        grid = line()
        scene = Scene(grid, wave(grid, 13))
        residual = noise(grid, 0)
        residual[17] = bad
        spectrum = scene.measure(residual)
        assert math.isnan(spectrum.trend_share)
        assert np.isnan(spectrum.share).all()
        assert spectrum.share.shape == spectrum.relative_error.shape == scene.target.carrying.shape
        assert np.isnan(spectrum.relative_error).all()
        assert np.isnan(spectrum.power).all()
        assert spectrum.power.shape == (257,)
        assert math.isnan(front_frequency(scene.target, spectrum))

    @pytest.mark.parametrize("size", [1e200, -1e200, 1e308, 1e-200, 5e-324])
    def test_the_relative_error_of_an_extreme_residual_is_its_amplitude(self, size):
        grid = line()
        (error,) = Scene(grid, wave(grid, 13)).errors(size * wave(grid, 13)).values()
        # among the smallest floats a wave is no wave any more: only the order of its size is left
        assert error == pytest.approx(abs(size), rel=1e-9 if abs(size) > 1e-300 else 1.0)

    def test_shares_beyond_the_range_of_a_float_are_infinite(self):
        grid = line()
        spectrum = Scene(grid, wave(grid, 13)).measure(1e200 * wave(grid, 13))
        assert spectrum.share[3] == math.inf
        assert spectrum.power[13] == math.inf
        assert not np.isnan(spectrum.power).any()

    def test_a_residual_of_zero_has_a_spectrum_of_zeros(self):
        grid = line()
        scene = Scene(grid, wave(grid, 13))
        spectrum = scene.measure(np.zeros(512))
        assert spectrum.trend_share == 0.0
        assert not spectrum.share.any()
        assert not spectrum.power.any()
        assert spectrum.relative_error[scene.target.carrying].tolist() == [0.0]
        assert front_frequency(scene.target, spectrum) == 16.0

    @pytest.mark.parametrize("scale", [0.0, math.nan, math.inf])
    def test_without_a_scale_shares_are_not_known_and_relative_errors_are(self, scale):
        grid = line()
        spectrum = Scene(grid, wave(grid, 13)).measure(wave(grid, 13), scale=scale)
        assert math.isnan(spectrum.trend_share)
        assert np.isnan(spectrum.share).all()
        assert spectrum.relative_error[3] == pytest.approx(1.0)
        assert spectrum.power[13] == pytest.approx(0.5)

    def test_neither_residual_nor_target_are_written_to(self):
        grid = line()
        target, residual = wave(grid, 13), noise(grid, 1)
        target.setflags(write=False)
        residual.setflags(write=False)
        trend = fit_trend(grid, target)
        trend.oscillation.setflags(write=False)
        spectrum = measure_spectrum(grid, target_spectrum(grid, trend), residual, trend.variance)
        assert spectrum.power.sum() == pytest.approx(np.mean(residual**2), rel=1e-12)


class TestFrontFrequency:
    @pytest.mark.parametrize(
        ("carrying", "errors", "frequency"),
        [
            ([1, 1, 1, 1, 1], [0.1, 0.2, 0.9, 0.1, 1.0], 4.0),
            ([1, 1, 1, 1, 1], [0.0, 0.0, 0.0, 0.0, 0.0], 32.0),
            ([1, 1, 1, 1, 1], [0.3, 0.0, 0.0, 0.0, 0.0], 0.0),
            ([1, 1, 1, 1, 1], [0.25, 0.2501, 0.0, 0.0, 0.0], 2.0),  # the tolerance itself is within
            ([0, 1, 0, 1, 0], [0.1, 0.9], 4.0),  # the edge of the band that is fitted, not of the gap above it
            ([0, 1, 0, 1, 0], [0.1, 0.1], 16.0),
            ([0, 0, 0, 1, 0], [0.9], 0.0),
        ],
    )
    def test_it_is_the_upper_edge_of_the_last_band_fitted_from_below(self, carrying, errors, frequency):
        assert front_frequency(*by_hand(carrying, errors)) == frequency

    def test_the_tolerance_given_counts(self):
        target, spectrum = by_hand([1, 1, 1], [0.1, 0.4, 0.6])
        assert [front_frequency(target, spectrum, t) for t in (0.05, 0.1, 0.5, 0.6)] == [0.0, 2.0, 4.0, 8.0]

    def test_it_is_not_known_where_no_band_carries(self):
        assert math.isnan(front_frequency(*by_hand([0, 0, 0], [])))


class TestOrder:
    @pytest.mark.parametrize(
        ("steps", "order"),
        [
            ([10, 20, 40, 80], 1.0),
            ([80, 40, 20, 10], -1.0),
            ([0, math.inf], 1.0),
            ([math.inf, 0], -1.0),
            ([20, 10, 40, 30], 0.6),  # 1 - 6 (1 + 1 + 1 + 1) / (4 (16 - 1))
            ([10, 40, 40, 10], 0.0),
            ([50, 50, 50], 0.0),
            ([5, math.inf, math.inf], math.sqrt(3) / 2),  # ranks -1, 1/2, 1/2 against -1, 0, 1
        ],
    )
    def test_it_is_the_rank_correlation_of_frequency_with_the_step_of_convergence(self, steps, order):
        assert order_of(steps) == pytest.approx(order, abs=1e-12)

    @given(steps=st.lists(st.one_of(st.integers(0, 5), st.just(math.inf)), min_size=2, max_size=9))
    def test_it_is_spearmans(self, steps):
        if not np.isfinite(steps).any():
            assert math.isnan(order_of(steps))
        elif len(set(steps)) == 1:
            assert order_of(steps) == 0.0
        else:
            last = [step if step < math.inf else 1000 for step in steps]
            assert order_of(steps) == pytest.approx(spearmanr(range(len(steps)), last).statistic, abs=1e-12)

    @given(
        steps=st.lists(st.integers(0, 50), min_size=2, max_size=9),
        gaps=st.lists(st.booleans(), min_size=9, max_size=9),
    )
    def test_bands_that_do_not_carry_do_not_count(self, steps, gaps):
        carrying, spread = [], []
        for step, gap in zip(steps, gaps, strict=False):
            carrying += [False, True] if gap else [True]
            spread += [math.inf, step] if gap else [step]
        assert order_of(spread, carrying) == order_of(steps)

    @pytest.mark.parametrize("carrying", [[0, 0, 0], [0, 1, 0]])
    def test_a_single_frequency_has_no_order(self, carrying):
        assert math.isnan(order_of([1, 2, 3], carrying))

    def test_a_target_of_a_single_frequency_has_no_order_however_it_is_fitted(self):
        grid = line()
        scene = Scene(grid, wave(grid, 13))
        history = None
        for step, rest in enumerate((1.0, 0.5, 0.1, 0.0)):
            history = update(history, scene.measure(rest * wave(grid, 13)), step)
        assert history.converged[3] == 2
        assert math.isnan(spectral_order(scene.target, history))

    def test_there_is_no_order_before_a_band_has_converged(self):
        assert math.isnan(order_of([math.inf] * 3))

    @pytest.mark.parametrize(("turns", "order"), [((3, 13, 50), 1.0), ((50, 13, 3), -1.0), ((13, 50, 3), -0.5)])
    def test_waves_fitted_one_after_the_other_are_read_in_their_order(self, turns, order):
        grid = line()
        scene = Scene(grid, 5 * grid.points[:, 0] + sum(wave(grid, k) for k in (3, 13, 50)))
        history = None
        for look in range(len(turns) + 1):
            residual = sum((-wave(grid, k) for k in turns[look:]), np.zeros(512))
            history = update(history, scene.measure(residual), 100 * look)
        converged = dict(zip(scene.target.labels, history.converged, strict=True))
        label = {3: "2-4", 13: "8-16", 50: "32-64"}
        assert [converged[label[k]] for k in turns] == [100, 200, 300]
        assert spectral_order(scene.target, history) == pytest.approx(order)

    def test_the_first_convergence_stays_and_a_lost_band_does_not_converge_anew(self):
        history = None
        looks = [(0, [0.9, 0.9]), (10, [0.2, 0.9]), (20, [0.9, 0.9]), (30, [math.nan, math.nan]), (40, [0.1, 0.25])]
        for step, errors in looks:
            history = update(history, by_hand([1, 1], errors)[1], step)
        assert history.converged.tolist() == [10.0, 40.0]

    def test_an_update_leaves_the_history_it_was_given_as_it_was(self):
        before = update(None, by_hand([1, 1], [0.9, 0.9])[1], 0)
        after = update(before, by_hand([1, 1], [0.1, 0.9])[1], 5)
        assert before.converged.tolist() == [math.inf, math.inf]
        assert after.converged.tolist() == [5.0, math.inf]

    def test_the_tolerance_given_decides_on_convergence(self):
        look = by_hand([1, 1, 1], [0.1, 0.3, 0.6])[1]
        assert update(None, look, 3, tolerance=0.5).converged.tolist() == [3.0, 3.0, math.inf]
