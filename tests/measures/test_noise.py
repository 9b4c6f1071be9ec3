"""Noise is told from all that has as many frequencies, and refused once."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from torch import nn

from lightning_seqfit import Probe
from lightning_seqfit.geometry import Grid, Laid, Scattered
from lightning_seqfit.measures.contrasts import contrasts_along, contrasts_among, contrasts_of
from lightning_seqfit.measures.noise import flatness, is_noise, noise_allowance, noise_deviation, noise_of_points

UNIT = (0.0, 1.0)


def grid(*shape: int) -> Grid:
    return Grid(bounds=(UNIT,) * len(shape), shape=shape, axes=("x", "y", "z")[: len(shape)])


def centred(values: Any) -> Any:
    return np.asarray(values, dtype=np.float64) - np.mean(values)


DRAWS: dict[str, Any] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "uniform": lambda rng, n: rng.random(n),
    "signs": lambda rng, n: rng.choice([-1.0, 1.0], n),
    "exponential": lambda rng, n: rng.exponential(size=n),
    "Cauchy": lambda rng, n: rng.standard_cauchy(n),
    "a sine under noise": lambda rng, n: np.sin(np.arange(n) / 9) + 2 * rng.standard_normal(n),
}


def test_the_flatness_of_known_spectra() -> None:
    assert flatness(np.ones(9)) == 1.0
    assert flatness(np.array([4.0, 1.0])) == pytest.approx(2 / 2.5)
    assert flatness(np.array([1.0, 0.0])) < 0.01
    assert flatness(np.append(np.zeros(200), 1.0)) < 1e-3
    assert flatness(np.zeros(5)) == 0.0
    exponential = np.random.default_rng(0).exponential(size=200_000)  # the power of white noise
    assert flatness(exponential) == pytest.approx(np.exp(-np.euler_gamma), abs=0.01)


@pytest.mark.parametrize("draw", DRAWS)
@given(seed=st.integers(0, 1000), size=st.sampled_from([512, 700, 2048]), scale=st.sampled_from([1e-150, 1.0, 1e150]))
def test_noise_is_noise_whatever_its_distribution(draw: str, seed: int, size: int, scale: float) -> None:
    values = centred(DRAWS[draw](np.random.default_rng(seed), size))
    assert is_noise(grid(size), scale * values / np.abs(values).max(), 0)


@pytest.mark.parametrize("shape", [(96, 96), (32, 32, 32)])
def test_noise_along_one_axis_of_several_is_found_on_that_axis(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    box = grid(*shape)
    assert all(is_noise(box, rng.standard_normal(len(box.points)), axis) for axis in range(len(shape)))
    wave = np.sin(6 * np.pi * box.points[:, 0])
    along = np.broadcast_to(rng.standard_normal((1, shape[1]) + (1,) * (len(shape) - 2)), shape).ravel()
    assert is_noise(box, centred(along), 1)
    assert not is_noise(box, wave, 0)
    assert not is_noise(box, wave, 1)


@given(
    kind=st.sampled_from(["chirp", "square", "step", "spike", "saw", "sine", "comb", "line"]),
    rate=st.floats(0.5, 3.0),
    place=st.floats(0.05, 0.95),
    size=st.sampled_from([512, 2048]),
)
def test_chirps_square_waves_steps_and_spikes_are_no_noise(kind: str, rate: float, place: float, size: int) -> None:
    x = grid(size).points[:, 0]
    values = {
        "chirp": np.sin(2 * np.pi * rate * size / 4 * x**2 + place),
        "square": np.sign(np.sin(2 * np.pi * 13 * rate * x + place)),
        "step": x > place,
        "spike": np.exp(-(((x - place) * size / rate) ** 2)),
        "saw": np.modf(13 * rate * x + place)[0],
        "sine": np.sin(np.pi * size * rate / 3 * x + place),
        "comb": np.arange(size) % int(12 * rate) == 0,
        "line": x * rate,
    }[kind]
    assert not is_noise(grid(size), centred(values), 0)


def refused(target: Any, resolution: int = 512) -> str:
    probe = Probe.grid([UNIT], target, resolution=resolution)
    with pytest.raises(ValueError, match=r"^(target|resolution)") as caught:
        probe.read_target(nn.Linear(1, 1))
    return str(caught.value)


RANDOM: dict[str, Any] = {
    "torch": lambda x: torch.rand(len(x)),
    "unseeded numpy": lambda x: np.random.default_rng().standard_normal(len(x)),
    "a hash of the place": lambda x: torch.remainder(torch.sin(x[:, 0].double() * 4e7) * 43758.5453, 1.0),
    "an offset": lambda x: 1e3 + torch.randn(len(x)),
    "signs": lambda x: torch.sign(torch.randn(len(x))),
}


@pytest.mark.parametrize("resolution", [64, 512, 2413, 11473])
@pytest.mark.parametrize("target", RANDOM)
def test_a_random_target_is_refused_as_noise_at_whatever_resolution(target: str, resolution: int) -> None:
    said = refused(RANDOM[target], resolution)
    assert re.match(
        r"target is white noise along axis x: it oscillates at every resolution tried, up to [\d,]+ cells", said
    )
    assert "use at least" not in said


def test_values_that_are_noise_are_refused_as_noise() -> None:
    assert refused(np.random.default_rng(1).standard_normal(512)).startswith("target is white noise along axis x")
    points = np.random.default_rng(2).random(300)
    with pytest.raises(ValueError, match=r"300 points are too few.*as of white noise: if it is, average or smooth"):
        Probe.points(points, np.random.default_rng(3).standard_normal(300)).read_target(nn.Linear(1, 1))


@pytest.mark.parametrize("highest", [2e3, 2e4, 2e5])
def test_a_fast_chirp_is_told_at_once_how_many_cells_it_needs(highest: float) -> None:
    said = refused(lambda x: torch.sin(torch.pi * highest * x[:, 0].double() ** 2))
    asked = int(re.search(r"use at least (\d+) points", said)[1])  # type: ignore[index]
    assert 3.9 * highest < asked <= 4.1 * highest


@pytest.mark.parametrize(
    "target",
    [
        lambda x: torch.sin(6 * torch.pi * x[:, 0]) + 0.05 * torch.randn(len(x)),
        lambda x: torch.sign(torch.sin(26 * torch.pi * x[:, 0])),
        lambda x: (x[:, 0] > 0.37).float(),
        lambda x: torch.cumsum(torch.randn(len(x)), 0),
    ],
    ids=["a little noise", "square wave", "step", "random walk"],
)
def test_what_a_grid_can_tell_is_accepted(target: Any) -> None:
    values, trend = Probe.grid([UNIT], target).read_target(nn.Linear(1, 1))
    assert len(values) == 512
    assert (trend.variance > 0.0) == (not (np.diff(values) >= 0.0).all())  # a step is all trend


def shape_of(name: str, x: Any) -> Any:
    return {
        "sine": np.sin(6 * np.pi * x),
        "sine on a slope": 9 * x + np.cos(26 * np.pi * x),
        "chirp": np.sin(40 * np.pi * x**2),
        "kink": np.abs(x - 0.4),
        "exp": np.exp(3 * x),
        "root": np.sqrt(x),
        "step": (x > 0.37).astype(float),
        "sawtooth": np.modf(9 * x)[0],
        "packet": np.exp(-(((x - 0.5) / 0.1) ** 2)) * np.sin(60 * np.pi * x),
    }[name]


SHAPES = ["sine", "sine on a slope", "chirp", "kink", "exp", "root", "step", "sawtooth", "packet"]


def line(spacing: str, count: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Points along an axis, and what the measures know of them."""
    if spacing == "even":
        return np.ravel(grid(count).points), grid(count)
    x = rng.random(count) ** (3 if spacing == "crowded" else 1)  # in no order
    return x, Scattered(x, (UNIT,))


@pytest.mark.parametrize("spacing", ["even", "random", "crowded"])
@pytest.mark.parametrize("shape", SHAPES)
@given(ratio=st.sampled_from([0.05, 0.2, 0.5]), seed=st.integers(0, 1000), size=st.sampled_from([1e-140, 1.0, 1e140]))
def test_noise_is_estimated_within_a_seventh(spacing: str, shape: str, ratio: float, seed: int, size: float) -> None:
    rng = np.random.default_rng(seed)
    x, geometry = line(spacing, 2000, rng)
    values = shape_of(shape, x)
    noise = ratio * values.std()
    noisy = values + noise * rng.standard_normal(2000)
    assert noise_deviation(geometry, size * noisy) / size == pytest.approx(noise, rel=0.15)


@pytest.mark.parametrize("spacing", ["even", "random", "crowded"])
@pytest.mark.parametrize("shape", SHAPES)
@given(count=st.sampled_from([128, 400, 2000]), seed=st.integers(0, 1000), precision=st.sampled_from(["f4", "f8"]))
def test_there_is_no_noise_in_exact_values(spacing: str, shape: str, count: int, seed: int, precision: str) -> None:
    x, geometry = line(spacing, count, np.random.default_rng(seed))
    values = shape_of(shape, x).astype(precision).astype(float)
    assert noise_deviation(geometry, values) <= 1e-3 * values.std()


@pytest.mark.parametrize("cells_per_wave", [4, 5, 8, 20])
def test_fast_waves_are_no_noise(cells_per_wave: int) -> None:
    x = np.arange(400)
    assert noise_deviation(grid(400), np.sin(2 * np.pi * x / cells_per_wave + 0.3)) < 1e-3


@pytest.mark.parametrize("shape", [(96, 96), (48, 64), (24, 24, 24)])
@given(ratio=st.sampled_from([0.0, 0.05, 0.2, 0.5]), kind=st.sampled_from(["product", "wave", "bowl", "edge"]))
def test_noise_on_a_grid_of_several_axes(shape: tuple[int, ...], ratio: float, kind: str) -> None:
    box = grid(*shape)
    values = {
        "product": np.prod(np.sin(3 * np.pi * box.points), axis=1),
        "wave": np.sin(5 * np.pi * box.points.sum(axis=1)),
        "bowl": (box.points**2).sum(axis=1),
        "edge": (box.points.sum(axis=1) > 0.9).astype(float),
    }[kind]
    noise = ratio * values.std()
    noisy = values + noise * np.random.default_rng(3).standard_normal(values.size)
    assert noise_deviation(box, noisy) == pytest.approx(noise, rel=0.15, abs=1e-9)


def test_a_constant_and_a_few_values_have_no_noise() -> None:
    assert noise_deviation(grid(100), np.full(100, 7.0)) == 0.0
    assert noise_deviation(grid(20), np.random.default_rng(0).standard_normal(20)) == 0.0


def test_points_given_twice_are_no_second_measurement_and_measured_twice_are() -> None:
    rng = np.random.default_rng(4)
    x = rng.random(1000)
    values = np.sin(6 * np.pi * x) + 0.3 * rng.standard_normal(1000)
    twice = np.concatenate([x, x])
    again = np.concatenate([values, values])
    anew = np.concatenate([values, np.sin(6 * np.pi * x) + 0.3 * rng.standard_normal(1000)])
    for other in (again, anew):
        assert noise_deviation(Scattered(twice, (UNIT,)), other) == pytest.approx(0.3, rel=0.15)


@pytest.mark.parametrize(("spacing", "most"), [("even", 0.05), ("random", 0.08)])
@pytest.mark.parametrize("width", [0.02, 0.1])
def test_noise_alone_exceeds_its_allowance_in_a_few_windows_only(spacing: str, most: float, width: float) -> None:
    shares = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        _, geometry = line(spacing, 1000, rng)
        mean = geometry.moving_mean((0.3 * rng.standard_normal(1000)) ** 2, (width,))
        shares.append(np.mean(mean > noise_allowance(geometry, (width,), 0.3)))
    assert 0.0 < np.mean(shares) < most


def test_the_allowance_is_that_of_the_points_in_the_window() -> None:
    allowed = noise_allowance(grid(1000), (0.0495,), 0.1)  # 49 cells
    assert allowed[500] == pytest.approx(0.01 * (1 + 2 * np.sqrt(2 / 49 + 8 / 1000) + 2 / 49))
    assert allowed[0] == pytest.approx(0.01 * (1 + 2 * np.sqrt(2 / 25 + 8 / 1000) + 2 / 25), rel=1e-2)
    assert (noise_allowance(grid(1000), (0.05,), 0.0) == 0.0).all()
    inside = noise_allowance(grid(50, 40), (0.0999, 0.0999), 1.0).reshape(50, 40)[25, 20]
    assert inside == pytest.approx(1 + 2 * np.sqrt(2 / (5 * 3) + 8 / 2000) + 2 / (5 * 3), rel=1e-6)


def waves(x: Any, points_a_lobe: float, rng: np.random.Generator) -> Any:
    """Six plane waves in random directions; half a wave along each axis of a cube is a lobe."""
    count, dimension = x.shape
    half_waves = (count / points_a_lobe) ** (1 / dimension) * np.sqrt(dimension)
    total = np.zeros(count)
    for _ in range(6):
        along = rng.standard_normal(dimension)
        total += np.cos(np.pi * half_waves * (x @ along) / np.linalg.norm(along) + rng.random() * 7)
    return total


FIELDS: dict[str, Any] = {
    "bowl": lambda x: (x**2).sum(axis=1),
    "exp": lambda x: np.exp(2 * x.sum(axis=1)),
    "kink": lambda x: np.abs(x - 0.4).sum(axis=1),
    "sines": lambda x: np.prod(np.sin(7 * x + 1), axis=1),
}


@pytest.mark.parametrize("spread", ["even", "crowded"])
@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(("ratio", "seed", "size"), [(0.05, 0, 1.0), (0.2, 1, 1e-140), (0.5, 2, 1e140)])
def test_noise_at_random_points_is_estimated_within_a_seventh(
    spread: str, dimension: int, field: str, ratio: float, seed: int, size: float
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.random((4000, dimension)) ** (2 if spread == "crowded" else 1)
    values = FIELDS[field](x)
    noise = ratio * values.std()
    found = noise_of_points(x, size * (values + noise * rng.standard_normal(4000))) / size
    assert found == pytest.approx(noise, rel=0.15)


@pytest.mark.parametrize(("dimension", "points_a_lobe"), [(2, 4), (2, 10), (2, 100), (3, 10), (3, 30), (3, 300)])
@pytest.mark.parametrize(("count", "seed", "precision"), [(1000, 0, "f8"), (1000, 1, "f4"), (4000, 2, "f8")])
def test_exact_waves_at_random_points_have_no_noise(
    dimension: int, points_a_lobe: float, count: int, seed: int, precision: str
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.random((count, dimension))
    assert noise_of_points(x, waves(x, points_a_lobe, rng).astype(precision).astype(float)) == 0.0


def test_in_many_dimensions_what_is_smooth_is_not_taken_for_noise_and_much_noise_is_found() -> None:
    rng = np.random.default_rng(0)
    for dimension in (4, 6, 9):
        x = rng.random((3000, dimension))
        line = x @ np.arange(1.0, dimension + 1)
        line /= line.std()
        assert noise_of_points(x, line + 0.5 * rng.standard_normal(3000)) == pytest.approx(0.5, rel=0.1)
        assert noise_of_points(x, line) == 0.0
        for points_a_lobe in (20, 200, 2000):
            assert noise_of_points(x, waves(x, points_a_lobe, rng)) == 0.0


@pytest.mark.parametrize("shape", [(60, 60), (30, 120), (18, 18, 18)])
@pytest.mark.parametrize("missing", [0.0, 0.02])
def test_points_on_a_lattice_in_any_order_are_read_as_such(shape: tuple[int, ...], missing: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.permutation(grid(*shape).points)[: round((1 - missing) * np.prod(shape))]
    wave = np.sin(2 * np.pi * (x * np.array(shape) / 7).sum(axis=1))  # seven points along each axis
    assert noise_of_points(x, wave) < 1e-3
    assert noise_of_points(x, wave + 0.2 * rng.standard_normal(len(x))) == pytest.approx(0.2, rel=0.1)


def test_tracks_units_and_an_axis_without_extent_do_not_matter() -> None:
    rng = np.random.default_rng(2)
    tracks = np.concatenate([np.c_[np.linspace(0, 1, 400), np.full(400, y)] for y in (0.1, 0.5, 0.8)])
    wave, noise = np.sin(9 * tracks.sum(axis=1)), 0.1 * rng.standard_normal(1200)
    assert noise_of_points(tracks, wave) == 0.0
    assert noise_of_points(tracks, wave + noise) == pytest.approx(0.1, rel=0.15)
    x = rng.random((1200, 2))
    wave = np.sin(9 * x.sum(axis=1))
    assert noise_of_points(x * [1e-6, 1e5] + [1.0, -1e5], wave + noise) == pytest.approx(0.1, rel=0.15)
    assert noise_of_points(np.c_[x, np.full(1200, 3.0)], wave + noise) == pytest.approx(0.1, rel=0.15)


def test_measuring_again_at_a_point_tells_noise_that_the_field_would_hide_and_a_copy_tells_nothing() -> None:
    rng = np.random.default_rng(3)
    x = rng.random((600, 2))
    values = waves(x, 4, rng)  # too fast for 600 points to tell a little noise
    twice = np.concatenate([x, x])
    again = np.concatenate([values, values]) + 0.1 * rng.standard_normal(1200)
    assert noise_of_points(twice, np.concatenate([values, values])) == 0.0
    assert contrasts_among(twice, again)[:, 0].std() == pytest.approx(0.1, rel=0.1)
    places = np.repeat(rng.random((60, 2)), 40, axis=0)
    assert noise_of_points(places, 9 * places[:, 0] + 0.1 * rng.standard_normal(2400)) == pytest.approx(0.1, rel=0.1)


def test_a_few_points_and_constant_values_have_no_noise() -> None:
    rng = np.random.default_rng(4)
    assert noise_of_points(rng.random((20, 2)), rng.random(20)) == 0.0
    assert noise_of_points(rng.random((500, 3)), np.full(500, 7.0)) == 0.0
    assert noise_of_points(rng.random((1000, 2)), rng.standard_normal(1000)) == pytest.approx(1.0, rel=0.15)


@pytest.mark.parametrize(("dimension", "degree"), [(2, 3), (3, 3), (4, 2), (5, 2), (6, 1), (20, 1), (30, 0)])
def test_contrasts_among_points_leave_nothing_of_a_polynomial_and_all_of_noise(dimension: int, degree: int) -> None:
    rng = np.random.default_rng(5)
    x = rng.random((2000, dimension))
    along = x @ rng.standard_normal(dimension)
    left = np.abs(contrasts_among(x, along**degree)).max()
    assert left < 1e-6
    assert np.abs(contrasts_among(x, along ** (degree + 1))).max() > 100 * left
    noise = contrasts_among(x, rng.standard_normal(2000))
    assert noise.std(axis=0) == pytest.approx(np.ones(5), abs=0.2)


def test_contrasts_of_a_grid_with_holes_are_those_of_whole_neighbourhoods() -> None:
    field = np.random.default_rng(6).random((9, 8))
    expected = field[:-2, :-2] - 2 * field[1:-1, :-2] + field[2:, :-2]
    expected = (expected - 2 * (field[:-2, 1:-1] - 2 * field[1:-1, 1:-1] + field[2:, 1:-1])) + (
        field[:-2, 2:] - 2 * field[1:-1, 2:] + field[2:, 2:]
    )
    field[0, 0] = np.nan
    assert contrasts_of(field, 2) == pytest.approx(expected.ravel()[1:] / 6)
    assert contrasts_along(np.array([0.0, 1.0, 2.0]), np.array([1.0, 2.0, 5.0]), 2) == pytest.approx([2 / np.sqrt(6)])


@pytest.mark.parametrize("ratio", [0.0, 0.05, 0.5])
def test_noise_on_a_ring_is_that_of_its_cells_whatever_lies_outside(ratio: float) -> None:
    box = grid(96, 96)
    radius = np.hypot(*(box.points - 0.5).T)
    ring = Laid(box, (radius < 0.48) & (radius > 0.15))
    values = np.prod(np.sin(9 * ring.points), axis=1)
    noise = ratio * values.std()
    noisy = values + noise * np.random.default_rng(7).standard_normal(len(values))
    assert noise_deviation(ring, noisy) == pytest.approx(noise, rel=0.1, abs=1e-9)


def test_noise_of_points_laid_on_a_box_is_that_at_the_points() -> None:
    rng = np.random.default_rng(8)
    x = rng.random((500, 2))
    source = np.arange(96**2) % 500
    laid = Laid(grid(96, 96), np.ones(96**2, dtype=bool), source, x)
    values = x.sum(axis=1) + 0.1 * rng.standard_normal(500)
    assert noise_deviation(laid, values) == noise_of_points(x, values) == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize("count", [300, 4000, 20_000])
@pytest.mark.parametrize("crowding", [1, 2])
def test_noise_laid_on_a_box_exceeds_its_allowance_in_a_few_windows_only(count: int, crowding: int) -> None:
    shares = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        x, box = rng.random((count, 2)) ** crowding, grid(96, 96)
        laid = Laid(box, np.ones(96**2, dtype=bool), cKDTree(x).query(box.points)[1], x)
        mean = laid.moving_mean(laid.lay((0.3 * rng.standard_normal(count)) ** 2), (0.2, 0.2))
        shares.append(np.mean(mean > noise_allowance(laid, (0.2, 0.2), 0.3)))
    assert np.mean(shares) < 0.05
    assert 1.0 < np.median(noise_allowance(laid, (0.2, 0.2), 1.0)) < 1 + 40 / np.sqrt(count)
