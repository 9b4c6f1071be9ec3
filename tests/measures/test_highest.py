"""The highest frequency that matters: of sums of sines whose frequencies were chosen. Flatness: closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_seqfit.geometry import Cloud, Grid
from lightning_seqfit.measures.highest import flatness, highest_frequencies
from lightning_seqfit.measures.trend import fit_trend

LINE = Grid(bounds=((0.0, 2.0),), shape=(512,), axes=("x",))
PLANE = Grid(bounds=((0.0, 1.0), (-1.0, 1.0)), shape=(96, 96), axes=("x", "y"))


def waves(frequency: float, grid: Grid = LINE, axis: int = 0) -> np.ndarray:
    """So many cycles over the domain along an axis."""
    low, high = grid.bounds[axis]
    return np.sin(2 * np.pi * frequency * (grid.points[:, axis] - low) / (high - low) + 0.3)


def highest(grid: Grid, values: np.ndarray) -> tuple[float, ...]:
    return highest_frequencies(grid, fit_trend(grid, values))


@pytest.mark.parametrize("frequency", [3.0, 13.0, 40.0, 6.5, 13.25])
def test_of_one_sine_it_is_its_own_in_cycles_per_domain_length(frequency: float) -> None:
    assert highest(LINE, waves(frequency)) == pytest.approx((frequency,), rel=0.02)


def test_of_several_it_is_the_highest_however_they_are_ordered() -> None:
    values = waves(4.0) + 0.5 * waves(30.0) + waves(11.0)
    assert highest(LINE, values) == pytest.approx((30.0,), rel=0.02)


@pytest.mark.parametrize(("amplitude", "found"), [(0.2, 30.0), (0.02, 4.0)])
def test_what_has_less_than_a_hundredth_of_the_power_does_not_matter(amplitude: float, found: float) -> None:
    assert highest(LINE, waves(4.0) + amplitude * waves(30.0)) == pytest.approx((found,), abs=1.0)


@pytest.mark.parametrize("noise", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("count", [100, 400, 2000])
def test_noise_is_no_frequency_of_the_target(count: int, noise: float) -> None:
    """Of 20 sines of 8 cycles, whose noise is so many times as large; one in a hundred may have more by chance."""
    grid = Grid(bounds=((0.0, 1.0),), shape=(count,), axes=("x",))
    deviation, random = noise / np.sqrt(2), np.random.default_rng(0)
    targets = [waves(8.0, grid) + deviation * random.standard_normal(count) for _ in range(20)]
    found = [highest_frequencies(grid, fit_trend(grid, each, deviation), deviation)[0] for each in targets]
    assert np.mean(np.isclose(found, 8.0, rtol=0.03)) >= 0.9


def test_a_wave_that_stands_out_of_the_noise_counts() -> None:
    values = waves(4.0) + 0.5 * waves(30.0) + 0.3 * np.random.default_rng(0).standard_normal(512)
    assert highest_frequencies(LINE, fit_trend(LINE, values, 0.3), 0.3) == pytest.approx((30.0,), rel=0.02)


def test_noise_in_the_plane_is_no_frequency_either() -> None:
    values = waves(7.0, PLANE) * waves(3.0, PLANE, 1) + 1.0 * np.random.default_rng(0).standard_normal(96 * 96)
    assert highest_frequencies(PLANE, fit_trend(PLANE, values, 1.0), 1.0) == pytest.approx((7.0, 3.0), abs=0.6)


@pytest.mark.parametrize("factor", [1e-60, 1e60])
def test_it_does_not_depend_on_the_size_of_the_target(factor: float) -> None:
    values = waves(4.0) + 0.5 * waves(30.0)
    assert highest(LINE, factor * values) == pytest.approx(highest(LINE, values))


def test_a_trend_does_not_count() -> None:
    assert highest(LINE, waves(13.0) + 20 * LINE.points[:, 0]) == pytest.approx((13.0,), rel=0.02)


def test_a_chirp_reaches_where_its_phase_ends() -> None:
    """sin(2 pi (2 t + 10 t^2)): from 2 to 22 cycles per domain length."""
    t = LINE.points[:, 0] / 2
    assert highest(LINE, np.sin(2 * np.pi * (2 * t + 10 * t**2))) == pytest.approx((22.0,), abs=4.0)


def test_along_each_axis_of_a_plane_it_is_the_axis_s_own() -> None:
    assert highest(PLANE, waves(7.0, PLANE) * waves(3.0, PLANE, 1)) == pytest.approx((7.0, 3.0), abs=0.6)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_what_does_not_oscillate_has_none(value: float) -> None:
    assert highest(LINE, np.full(512, value)) == (0.0,)
    assert highest(PLANE, np.full(96 * 96, value)) == (0.0, 0.0)


def test_points_without_lines_have_no_frequencies() -> None:
    points = np.random.default_rng(0).random((200, 5))
    cloud = Cloud(points, ((0.0, 1.0),) * 5, tuple("abcde"))
    assert np.isnan(highest_frequencies(cloud, fit_trend(cloud, points[:, 0]))).all()


def test_the_flatness_of_a_single_line_beside_a_floor_is_that_of_two_values() -> None:
    """n powers of 1 and one of a: a^(1 / (n + 1)) / ((n + a) / (n + 1))."""
    assert flatness(np.array([1.0, 1.0, 1.0, 16.0])) == pytest.approx(2.0 / (19 / 4))


def test_white_noise_has_the_flatness_of_an_exponential_distribution() -> None:
    noise = np.random.default_rng(0).standard_normal(2**16)
    assert flatness(np.abs(np.fft.rfft(noise))[1:-1] ** 2) == pytest.approx(np.exp(-np.euler_gamma), rel=0.01)


@pytest.mark.parametrize("factor", [1e-200, 1e200])
def test_flatness_does_not_depend_on_size_nor_on_what_is_exactly_zero(factor: float) -> None:
    assert flatness(factor * np.array([1.0, 0.0, 4.0])) == pytest.approx(0.8)


@pytest.mark.parametrize("power", [[], [0.0], [np.nan], [1.0, np.inf]])
def test_there_is_no_flatness_of_nothing_nor_of_what_is_not_finite(power: list[float]) -> None:
    assert np.isnan(flatness(np.array(power)))
