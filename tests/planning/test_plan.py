"""What is recommended, against closed forms, symmetries, what must be refused, and a training of what is pasted.

The oracles know a target's frequencies from how it was made, and write the formulas down a second time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lightning_seqfit import Plan, Probe, plan
from lightning_seqfit.networks import build, from_plan


def waves(*cycles: float, bounds: tuple[float, float] = (0.0, 1.0), sizes: tuple[float, ...] = ()) -> Plan:
    """Plan for a sum of sines of so many cycles in the bounds."""
    low, high = bounds

    def target(points: Tensor) -> Tensor:
        phase = 2 * torch.pi * (points[:, 0] - low) / (high - low)
        terms = [
            size * torch.sin(each * phase) for each, size in zip(cycles, sizes or [1.0] * len(cycles), strict=True)
        ]
        return torch.stack(terms).sum(dim=0)

    return Probe.grid([bounds], target).plan()


def product(kx: float, ky: float, bounds: list[tuple[float, float]], scale: float = 1.0) -> Plan:
    """Plan for sin sin with so many cycles along each axis."""

    def target(points: Tensor) -> Tensor:
        phases = [
            2 * torch.pi * cycles * (points[:, axis] - low) / (high - low)
            for axis, (cycles, (low, high)) in enumerate(zip((kx, ky), bounds, strict=True))
        ]
        return scale * torch.sin(phases[0]) * torch.sin(phases[1])

    return Probe.grid(bounds, target).plan()


@pytest.mark.parametrize("cycles", [3, 13, 40])
def test_a_single_wave_has_the_formula_with_its_own_frequency(cycles: int) -> None:
    found = waves(cycles)
    assert found.frequencies == (float(cycles),)
    assert found.omega_0.value == pytest.approx(0.84 * math.pi * cycles, rel=0.01)
    assert found.sigma.value == pytest.approx(0.65 * cycles, rel=0.01)


def test_where_most_power_is_slow_omega_0_is_lower_and_sigma_is_not() -> None:
    alone, together = waves(32), waves(2, 32, sizes=(1.0, 0.5))
    mean = (2 * 1.0 + 32 * 0.25) / 1.25  # weighted by power
    assert together.omega_0.value / alone.omega_0.value == pytest.approx((mean / 32) ** (1 / 3), rel=0.02)
    assert together.sigma.value == alone.sigma.value


def test_in_the_plane_frequencies_add_as_a_vector_and_each_weight_is_half_as_large() -> None:
    found = product(6, 5, [(-1.0, 1.0), (-1.0, 1.0)])
    norm = math.hypot(6 / 2, 5 / 2)
    assert found.omega_0.value == pytest.approx(2 * 0.42 * 2 * math.pi * norm, rel=0.01)
    assert found.sigma.value == pytest.approx(0.65 * norm / 2, rel=0.01)


def test_axes_are_scaled_until_it_oscillates_alike_along_them() -> None:
    found = product(12, 3, [(-1.0, 1.0), (-1.0, 1.0)])
    assert found.box == ((-1.0, 1.0), (-4.0, 4.0))
    framed, seen = from_plan(found), []
    framed.network.register_forward_pre_hook(lambda _, points: seen.append(points[0]))
    framed(torch.tensor([[1.0, 1.0], [-1.0, 0.0]]))
    torch.testing.assert_close(seen[0], torch.tensor([[1.0, 0.25], [-1.0, 0.0]]))
    assert found.omega_0.value == pytest.approx(2 * 0.42 * 2 * math.pi * math.hypot(6, 6), rel=0.01)


def test_an_axis_along_which_nothing_oscillates_keeps_a_tenth() -> None:
    found = Probe.grid([(0.0, 4.0), (0.0, 2.0)], lambda x: torch.sin(5 * torch.pi * x[:, 0])).plan()
    assert found.frequencies == (10.0, 0.0)
    assert found.box is not None
    np.testing.assert_allclose(found.box, [(0.0, 4.0), (-9.0, 11.0)])


@settings(max_examples=10)
@given(st.integers(3, 30), st.floats(0.5, 8.0))
def test_a_domain_that_is_longer_by_a_factor_has_an_omega_0_that_is_lower_by_it(cycles: int, factor: float) -> None:
    one, other = waves(cycles), waves(cycles, bounds=(0.0, factor))
    assert other.inputs.value == "as they are"
    assert other.omega_0.value * factor == pytest.approx(one.omega_0.value, rel=0.02)
    assert other.sigma.value * factor == pytest.approx(one.sigma.value, rel=0.02)
    assert other.evenly.value == one.evenly.value


@settings(max_examples=10)
@given(st.integers(3, 30), st.floats(-6, 6))
def test_the_size_of_the_values_changes_nothing_but_their_scale(cycles: int, power: float) -> None:
    size = 10.0**power
    one, other = waves(cycles), waves(cycles, sizes=(size,))
    assert (other.omega_0, other.sigma, other.rates, other.tanh) == (one.omega_0, one.sigma, one.rates, one.tanh)
    assert other.scale[0] == pytest.approx(size * one.scale[0], rel=1e-4)
    standardised = not 0.1 <= size * math.sqrt(0.5) <= 3.0
    assert (other.values.value == "standardised") == standardised
    assert other.recipe().is_scaled == standardised


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_the_order_of_points_changes_nothing(seed: int) -> None:
    x = np.linspace(0, 1, 200)
    values = np.sin(14 * np.pi * x) + np.cos(6 * np.pi * x)
    order = np.random.default_rng(seed).permutation(len(x))
    one, other = Probe.points(x, values).plan(), Probe.points(x[order], values[order]).plan()
    assert other.omega_0 == one.omega_0
    assert other.evenly == one.evenly


@pytest.mark.parametrize("bounds", [(1958.0, 2024.0), (0.0, 0.05), (0.0, 1000.0), (100.0, 101.0)])
def test_inputs_that_no_network_sees_well_are_mapped_to_minus_one_and_one(bounds: tuple[float, float]) -> None:
    found = waves(13, bounds=bounds)
    assert found.box == (bounds,)
    assert found.omega_0.value == pytest.approx(waves(13, bounds=(-1.0, 1.0)).omega_0.value, rel=0.01)


def test_the_rate_falls_as_omega_0_rises() -> None:
    slow, fast = waves(13), waves(52)
    assert fast.rates["siren"].value == pytest.approx(slow.rates["siren"].value / 4, rel=0.05)
    assert waves(2).rates["siren"].value == 5e-3


def test_points_are_counted_for_each_cycle() -> None:
    assert waves(13).evenly.value == (65,)
    assert waves(13).at_random.value == 260
    found = product(6, 5, [(-1.0, 1.0), (-1.0, 1.0)])
    assert found.evenly.value == (36, 30)
    assert found.at_random.value == 3000


def noisy(size: float) -> Plan:
    x = np.linspace(0, 1, 4000)
    noise = size * np.random.default_rng(0).standard_normal(len(x))
    return Probe.points(x, np.sin(16 * np.pi * x) + noise).plan()


@pytest.mark.parametrize("count", [100, 400])
def test_of_a_jump_no_steps_are_promised_and_of_a_slope_they_are(count: int) -> None:
    """A tanh network takes 2,300 steps and more for a jump over 100 points; tanh(40 x) is among what was measured."""
    x = (np.arange(count) + 0.5) / count
    jump, slope = Probe.points(x, np.where(x > 0.5, 1.0, 0.0)).plan(), Probe.points(x, np.tanh(40 * (x - 0.5))).plan()
    assert (jump.network.value, jump.tanh.value) == ("tanh", None)
    assert "jump" in str(jump)
    assert slope.tanh.value < 400


def test_how_steep_a_target_is_depends_neither_on_noise_nor_on_units_nor_on_the_axis() -> None:
    random = np.random.default_rng(0)
    x = random.random(3000)
    assert Probe.points(1e6 * x, 1e3 * np.sqrt(x) + random.normal(0, 30, 3000)).plan().tanh.value < 400
    assert Probe.grid([(0.0, 1e-3), (0.0, 1e6)], lambda p: (p[:, 1] > 6e5).float()).plan().tanh.value is None


def test_in_the_plane_noise_asks_for_as_many_times_more_points_in_all_as_on_a_line() -> None:
    """What averages over n times as many points has a noise smaller by the root of n, along whatever axes they lie."""
    noise = 0.4 * np.random.default_rng(0).standard_normal(96 * 96)

    def points(noise: float | np.ndarray, shape: tuple[int, ...]) -> int:
        axes = np.meshgrid(*[(np.arange(count) + 0.5) / count for count in shape], indexing="ij")
        wave = np.prod([np.sin(12 * np.pi * axis) for axis in axes], axis=0).ravel()
        values = wave + noise * np.sqrt(np.mean(wave**2))
        plan = Probe.grid([(0.0, 1.0)] * len(shape), values, resolution=list(shape)).plan()
        return math.prod(plan.evenly.value)

    line = points(noise, (96 * 96,)) / points(0.0, (96 * 96,))
    plane = points(noise, (96, 96)) / points(0.0, (96, 96))
    assert line == pytest.approx(300 * 0.4**2 / 5, rel=0.1)
    assert plane == pytest.approx(line, rel=0.1)


def test_noise_asks_for_more_points_and_a_lower_omega_0() -> None:
    quiet, loud = noisy(0.05), noisy(0.35)  # of a sine, 0.35 are half of what oscillates
    assert loud.omega_0.value == pytest.approx(0.36 * quiet.omega_0.value, rel=0.05)
    assert loud.sigma.value == pytest.approx(0.46 * quiet.sigma.value, rel=0.05)
    assert loud.evenly.value[0] == pytest.approx(300 * 0.35**2 / 0.5 * 8, rel=0.15)
    assert "noise" in loud.evenly.reason


def test_values_that_only_bend_are_for_a_tanh_network() -> None:
    found = Probe.grid([(0.0, 1.0)], lambda x: torch.exp(2 * x[:, 0])).plan()
    assert found.network.value == "tanh"
    assert found.omega_0.value is None
    assert list(found.rates) == ["tanh"]
    with pytest.raises(ValueError, match="network='siren' is not in the plan: use one of tanh"):
        found.recipe("siren")


def test_a_wave_or_two_are_for_a_tanh_network_and_many_are_not() -> None:
    assert [waves(cycles).network.value for cycles in (2, 13, 30)] == ["tanh", "siren", "siren"]
    assert waves(13).tanh.value == pytest.approx(6_700, rel=0.1)  # the article's sine
    assert math.isinf(waves(30).tanh.value)


def test_all_outputs_are_planned_for_together() -> None:
    def target(points: Tensor) -> Tensor:
        x = points[:, 0]
        return torch.stack([torch.sin(6 * torch.pi * x), 5 + torch.sin(24 * torch.pi * x)], dim=1)

    found = Probe.grid([(0.0, 1.0)], target, output=[0, 1]).plan()
    assert found.frequencies == (12.0,)
    assert found.mean == pytest.approx((0.0, 5.0), abs=1e-5)
    assert found.recipe().out_features == 2
    assert from_plan(found)(torch.zeros(7, 1)).shape == (7, 2)


def refused(make: Callable[[], Any], *words: str) -> None:
    with pytest.raises(ValueError, match=".*".join(words)):
        make()


def test_what_cannot_be_planned_is_refused_with_what_to_do() -> None:
    x = np.linspace(0, 1, 400)
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(400)
    refused(lambda: Probe.points(x, noise).plan(), "noise")
    refused(lambda: Probe.grid([(0.0, 1.0)], noise, resolution=400).plan(), "noise")
    refused(lambda: Probe.points(x, np.sin(26 * np.pi * x) + 2 * noise).plan(), "noise", "smooth")
    refused(lambda: Probe.grid([(0.0, 1.0)], 0.0).plan(), "0 everywhere", "residual", "plan for")
    refused(lambda: Probe.grid([(0.0, 1.0)], 3.0).plan(), "constant", "plan for")
    refused(lambda: Probe.grid([(0.0, 1.0)], None).plan(), "without a target")
    refused(lambda: Probe.points(rng.random((500, 5)), rng.random(500)).plan(), "5 dimensions", "one to three")
    few = np.linspace(0, 1, 20)
    refused(lambda: Probe.grid([(0.0, 1.0)], np.sin(18 * np.pi * few), resolution=20).plan(), "points")


@pytest.mark.parametrize("network", ["siren", "fourier", "tanh"])
def test_code_that_is_pasted_makes_what_is_built(network: str) -> None:
    found = product(12, 3, [(1.0, 3.0), (0.0, 4.0)], scale=50.0)
    scope: dict[str, Any] = {}
    torch.manual_seed(3)
    exec(found.code(network), scope)
    torch.manual_seed(3)
    built = build(found.recipe(network))
    points = torch.rand(20, 2)
    torch.testing.assert_close(scope["network"](points), built(points))
    (group,) = scope["optimizer"].param_groups
    assert group["lr"] == found.rates[network].value
    assert {id(each) for each in group["params"]} == {id(each) for each in scope["network"].parameters()}


def test_pasted_code_fits_in_a_hundred_steps_what_a_tanh_network_never_starts() -> None:
    x = torch.linspace(1958, 2024, 400)[:, None]
    values = 340 + 30 * torch.sin(2 * torch.pi * x / 3.3) * torch.exp(-(((x - 1990) / 12) ** 2))

    def error_after(network: str) -> float:
        scope: dict[str, Any] = {}
        torch.manual_seed(0)
        exec(plan(Probe.points(x[:, 0], values[:, 0])).code(network), scope)
        for _ in range(100):
            scope["optimizer"].zero_grad()
            loss = (scope["network"](x) - values).square().mean()
            loss.backward()
            scope["optimizer"].step()
        return (loss.sqrt() / values.std()).item()

    assert error_after("siren") < 0.1
    assert error_after("fourier") < 0.1
    assert error_after("tanh") > 0.9


def test_a_plan_fits_a_terminal_and_names_every_recommendation() -> None:
    found = product(12, 3, [(-1.0, 1.0), (-1.0, 1.0)])
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 100
    for label in ("omega_0", "sigma", "width", "points", "inputs", "values", "tanh", "learning rate, siren"):
        assert any(label in line for line in lines)
    assert f"{found.omega_0.value:g}" in str(found)


def test_a_plan_is_strict_json() -> None:
    found = waves(30)
    read = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert read["tanh"]["value"] is None
    assert read["omega_0"]["value"] == found.omega_0.value
    assert read["code"]["fourier"] == found.code("fourier")


def test_of_slow_power_that_reaches_far_in_the_plane_the_steps_of_a_tanh_network_are_not_known() -> None:
    def octaves(points: Tensor) -> Tensor:
        terms = [torch.sin(torch.pi * k * points + k).prod(dim=1) / k for k in (1, 8)]
        return torch.stack(terms).sum(dim=0)

    found = Probe.grid([(-1.0, 1.0), (-1.0, 1.0)], octaves).plan()
    assert found.tanh.value is None
    assert found.omega_0.value == pytest.approx(2 * 0.42 * 2 * math.pi * math.hypot(4, 4), rel=0.02)  # by 8, not by 1
    assert product(2, 2, [(-1.0, 1.0), (-1.0, 1.0)]).tanh.value == pytest.approx(1_390, rel=0.1)


@pytest.mark.parametrize("size", [1e-7, 1e-4, 1.0, 1e6])
@pytest.mark.parametrize("network", ["siren", "fourier"])
def test_what_is_pasted_fits_in_whatever_units_the_values_are(size: float, network: str) -> None:
    """A squared error in the values' own units; the fit is judged relative to them."""
    x = torch.linspace(0, 1, 200)[:, None]
    values = size * torch.sin(26 * torch.pi * x)
    scope: dict[str, Any] = {}
    torch.manual_seed(0)
    exec(Probe.points(x.numpy(), values[:, 0].double().numpy()).plan().code(network), scope)
    for _ in range(60):
        scope["optimizer"].zero_grad()
        torch.nn.functional.mse_loss(scope["network"](x), values).backward()
        scope["optimizer"].step()
    assert (scope["network"](x) - values).std() < 0.2 * values.std()


def notes(points: np.ndarray, values: np.ndarray) -> str:
    output: Any = list(range(values.shape[1])) if values.ndim > 1 else 0
    return " ".join(Probe.points(points, values, output=output).plan().notes)


def test_coordinates_that_single_precision_cannot_tell_apart_are_noted() -> None:
    """Seconds since 1970 are 1.6e9, where numbers of float32 are 128 apart."""
    seconds = np.linspace(0, 3600, 400)
    wave = np.sin(2 * np.pi * seconds / 600)
    assert "128 apart: subtract 1600000000" in notes(1.6e9 + seconds, wave)
    assert not notes(seconds, wave)
    assert not notes(1.6e9 + 1e5 * seconds, wave)


def test_sizes_of_values_that_cannot_be_trained_with_are_noted() -> None:
    x = np.linspace(0, 1, 200)
    wave, slow = np.sin(20 * np.pi * x), np.sin(6 * np.pi * x)
    assert "use units in which it is about 1" in notes(x, 1e-10 * wave)
    assert "use units in which it is about 1" in notes(x, 1e12 * wave)
    assert "0.00" in notes(x, np.c_[1e-3 * wave, slow])
    assert "divide the error of each output" in notes(x, np.c_[1e-3 * wave, slow])
    assert not notes(x, np.c_[wave, 2 * slow])
