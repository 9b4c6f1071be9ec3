"""What an error of 1 is, for targets whose size is known in closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_seqfit.geometry import FloatArray, Grid
from lightning_seqfit.measures.scale import scale_of
from lightning_seqfit.measures.trend import fit_trend

GRID = Grid(bounds=((0.0, 2.0),), shape=(1000,), axes=("x",))
X = GRID.points[:, 0]


def scale(target: FloatArray, **options: float) -> tuple[float, str]:
    return scale_of(GRID, target, fit_trend(GRID, target), **options)


def test_what_oscillates_about_a_trend_is_the_scale_and_not_the_trend() -> None:
    for trend in (0.0, 5.0, 100.0 * X, -3.0 * X + 7.0):
        mean_square, of = scale(trend + 3.0 * np.sin(10 * np.pi * X))
        assert mean_square == pytest.approx(4.5, rel=1e-6)
        assert of == "oscillation"


@pytest.mark.parametrize("offset", [0.0, -2.0, 1e3])
def test_of_a_line_it_is_the_variance_so_that_its_mean_has_an_error_of_1(offset: float) -> None:
    target = offset + 3.0 * X
    mean_square, of = scale(target)
    assert of == "deviation"
    assert mean_square == pytest.approx(3.0, rel=1e-5)  # 9 * 2^2 / 12
    assert np.mean((target - target.mean()) ** 2) / mean_square == pytest.approx(1.0)


@pytest.mark.parametrize("value", [3.0, -1e-100, 1e100])
def test_of_a_constant_it_is_its_square(value: float) -> None:
    mean_square, of = scale(np.full(1000, value))
    assert of == "value"
    assert mean_square == pytest.approx(value**2, rel=1e-12)


def test_a_constant_of_single_precision_is_a_constant() -> None:
    mean_square, of = scale(np.full(1000, np.float32(0.1)).astype(np.float64))
    assert of == "value"
    assert mean_square == pytest.approx(0.01)


def test_a_target_of_0_has_no_scale_unless_one_is_given() -> None:
    mean_square, of = scale(np.zeros(1000))
    assert math.isnan(mean_square)
    assert of == "first look"
    assert scale(np.zeros(1000), given=0.5) == (0.25, "given")


@given(size=st.sampled_from([1e-140, 1e-3, 1.0, 1e140]), ratio=st.floats(0.05, 0.5), seed=st.integers(0, 1000))
def test_noise_is_no_part_of_it(size: float, ratio: float, seed: int) -> None:
    noise = size * ratio * math.sqrt(0.5)
    target = size * np.sin(10 * np.pi * X) + noise * np.random.default_rng(seed).standard_normal(1000)
    mean_square, of = scale(target, noise=noise)
    assert of == "oscillation"
    assert mean_square / size**2 == pytest.approx(0.5, rel=0.12)
