"""Targets, against the lines that their formulas put into an FFT and against known angles at the boundary."""

from __future__ import annotations

import math

import pytest
import torch

from lightning_seqfit.demos.targets import (
    _blocks,
    cosine,
    low_frequency,
    multi_scale,
    photograph,
    plane_wave,
    product_wave,
    radial_wave,
    sine,
    sine_under_bump,
    spectral_similarity,
    tapered_sine,
)

TARGETS = [sine, cosine, low_frequency, multi_scale]


def _amplitudes(target, points=256):
    """Amplitude of each whole number of oscillations on [0, 1]."""
    x = torch.arange(points, dtype=torch.float64)[:, None] / points
    return torch.fft.rfft(target(x)).abs() / (points / 2)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (sine, {13: 1.0}),
        (cosine, {13: 1.0}),
        (low_frequency, {1: 1.0}),
        (multi_scale, {1: 1.0, 2: 0.5**0.5, 4: 0.5, 8: 0.125**0.5}),
    ],
)
def test_the_spectrum_on_the_unit_interval_holds_these_lines_and_no_others(target, expected):
    amplitudes = _amplitudes(target)
    lines = torch.zeros_like(amplitudes)
    for frequency, amplitude in expected.items():
        lines[frequency] = amplitude
    torch.testing.assert_close(amplitudes, lines, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("target", "at_the_left_end", "after_a_quarter_of_the_shortest_wavelength"),
    [(sine, 0.0, 1.0), (cosine, 1.0, 0.0)],
)
def test_sine_and_cosine_differ_at_the_boundary(target, at_the_left_end, after_a_quarter_of_the_shortest_wavelength):
    values = target(torch.tensor([[0.0], [1 / 52]], dtype=torch.float64))
    assert values.tolist() == pytest.approx([at_the_left_end, after_a_quarter_of_the_shortest_wavelength], abs=1e-12)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_value_per_point_in_the_dtype_of_the_points_that_depends_on_the_first_coordinate_only(target, dtype):
    points = torch.rand(7, 2, dtype=dtype)
    values = target(points)
    assert values.shape == (7,)
    assert values.dtype == dtype
    assert torch.equal(values, target(points[:, :1]))


@pytest.mark.parametrize("target", TARGETS)
def test_a_vector_of_coordinates_is_refused_with_what_to_do(target):
    with pytest.raises(ValueError, match=r"shape \(5,\) are not of shape \(N, d\).*points\[:, None\]"):
        target(torch.linspace(0, 1, 5))


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_can_be_differentiated(target):
    points = torch.tensor([[0.1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(target, (points,))


def test_a_tapered_sine_is_the_sine_between_its_ends_and_grows_linearly_there():
    x = torch.linspace(0, 1, 1001, dtype=torch.float64)[:, None]
    inside = ((x >= 0.2) & (x <= 0.8))[:, 0]
    seen = tapered_sine(x, share=0.2)
    torch.testing.assert_close(seen[inside], sine(x)[inside])
    torch.testing.assert_close(seen[x[:, 0] < 0.2], (sine(x) * x[:, 0] / 0.2)[x[:, 0] < 0.2])
    torch.testing.assert_close(seen, -seen.flip(0), rtol=0, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, -0.1, 0.6])
def test_no_more_than_all_can_be_tapered(share):
    with pytest.raises(ValueError, match="cannot be tapered"):
        tapered_sine(torch.zeros(3, 1), share=share)


def test_the_bump_is_that_of_the_article():
    x = torch.tensor([[0.5 + 0.25], [0.5], [0.1]], dtype=torch.float64)
    expected = sine(x) * torch.tensor([math.exp(-1), 1.0, math.exp(-(1.6**6))], dtype=torch.float64)
    torch.testing.assert_close(sine_under_bump(x), expected)


@pytest.mark.parametrize(
    ("target", "points", "values"),
    [
        (plane_wave, [[0.5 / 13, 0.3], [0.5 / 13, -0.9]], [1.0, 1.0]),
        (product_wave, [[0.1, 0.1], [0.1, -0.1], [0.2, 0.1]], [1.0, -1.0, 0.0]),
        (radial_wave, [[1 / 12, 0.0], [0.0, -1 / 12], [0.0, 0.0]], [1.0, 1.0, 0.0]),
    ],
)
def test_waves_in_the_plane_at_known_points(target, points, values):
    seen = target(torch.tensor(points, dtype=torch.float64))
    torch.testing.assert_close(seen, torch.tensor(values, dtype=torch.float64), rtol=0, atol=1e-12)


def test_the_photograph_stands_upright():
    # her dark hat and hair lie above the bright shirt collar; the flag's stripes fill the upper left
    centres = (torch.arange(64, dtype=torch.float64) + 0.5) / 32 - 1
    image = photograph(torch.cartesian_prod(centres, centres)).reshape(64, 64)  # x, y
    pixels = _blocks()
    torch.testing.assert_close(image, pixels.flip(0).T, rtol=0, atol=1e-12)
    assert -1 <= float(image.min()) < -0.8
    assert 0.6 < float(image.max()) <= 1


def test_similarity_is_that_of_the_magnitudes():
    assert spectral_similarity(sine, sine) == pytest.approx(1.0)
    assert spectral_similarity(sine, lambda x: -3 * cosine(x)) == pytest.approx(1.0)
    assert spectral_similarity(sine, lambda x: sine(x) + cosine(3 * x)) == pytest.approx(0.5**0.5)
    assert 0.9 < spectral_similarity(sine, tapered_sine) < 1.0
