"""How rough values at points anywhere are, against the mean over directions that a wave allows in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gamma

from lightning_seqfit.measures.contrasts import points_a_lobe, robust_deviation, roughness_among


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("points_a_wavelength", [5.0, 8.0])
def test_a_slow_plane_wave_is_as_rough_as_nearest_neighbours_are_far(
    dimension: int, points_a_wavelength: float
) -> None:
    count = 8000
    spacing = count ** (-1 / dimension)
    k = 2 * np.pi / (points_a_wavelength * spacing)
    # mean squared distance of the nearest of points that lie anywhere; of a direction a share 1 / d is along the wave
    ball = np.pi ** (dimension / 2) / gamma(dimension / 2 + 1)
    squared = gamma(1 + 2 / dimension) * (ball * count) ** (-2 / dimension)
    expected = k**2 * squared / dimension / 2
    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        points = rng.random((count, dimension))
        along = rng.standard_normal(dimension)
        wave = np.cos(k * points @ (along / np.linalg.norm(along)))
        found.append(roughness_among(points, 7.0 + points[:, 0] + 1e-3 * wave - points[:, 1]))
    # the cosine's next term makes fast waves less rough, and neighbours at the walls of the box are farther away
    assert np.mean(found) == pytest.approx(expected, rel=0.25)


def test_noise_is_as_rough_as_can_be_and_a_plane_and_a_copy_of_a_point_are_not() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((5000, 3))
    noise = rng.standard_normal(5000)
    assert roughness_among(points, noise) == pytest.approx(1.0, abs=0.1)
    assert roughness_among(points * 1e6, 1e150 * noise) == roughness_among(points, noise)
    assert roughness_among(points, np.full(5000, 3.0)) == 0.0
    wave = np.sin(6 * points).prod(axis=1)
    twice = roughness_among(np.concatenate([points, points]), np.concatenate([wave, wave]))
    assert twice == pytest.approx(roughness_among(points, wave), rel=0.05)
    assert twice > 0.0


@pytest.mark.parametrize(("dimension", "points"), [(2, 6), (2, 10), (2, 30), (3, 10), (3, 30)])
def test_the_points_a_lobe_of_a_product_of_sines_are_read_from_its_roughness(dimension: int, points: int) -> None:
    read = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        places = rng.random((4000, dimension))
        half_waves = (4000 / points) ** (1 / dimension)
        wave = np.sin(np.pi * half_waves * places + rng.random(dimension)).prod(axis=1)
        read.append(points_a_lobe(roughness_among(places, wave), dimension))
    assert np.mean(read) == pytest.approx(points, rel=0.2)


def test_the_robust_deviation_of_normal_values_is_theirs_whatever_a_twentieth_does() -> None:
    normal = 3 * np.random.default_rng(0).standard_normal(50_000)
    assert robust_deviation(normal) == pytest.approx(3.0, rel=0.02)
    assert robust_deviation(np.append(normal, np.full(2500, 1e12))) == pytest.approx(3.0, rel=0.1)
