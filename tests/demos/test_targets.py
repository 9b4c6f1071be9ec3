"""Targets, against the lines that their formulas put into an FFT and against known angles at the boundary."""

from __future__ import annotations

import pytest
import torch

from lightning_seqfit.demos.targets import cosine, low_frequency, multi_scale, sine

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
