"""Networks, against a second implementation in plain matrix algebra and against the theory of the initialisation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from lightning_seqfit import Probe
from lightning_seqfit.networks import (
    ACTIVATIONS,
    MLP,
    SIREN,
    FourierFeatureMLP,
    Scaled,
    Sine,
    TanhMLP,
    build,
    from_plan,
)
from lightning_seqfit.planning import Recipe


def _linear_layers(network):
    return [module for module in network.modules() if isinstance(module, nn.Linear)]


@pytest.mark.parametrize("network_class", [TanhMLP, SIREN])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_depth_counts_hidden_layers(network_class, depth):
    shapes = [layer.weight.shape for layer in _linear_layers(network_class(3, 7, depth, 2))]
    assert shapes == [(7, 3)] + [(7, 7)] * (depth - 1) + [(2, 7)]


def test_a_tanh_network_is_its_layers_multiplied_out():
    network = TanhMLP(2, 5, 2, 3).double()
    points = torch.randn(11, 2, dtype=torch.float64)
    hidden = points.T
    *inner, readout = _linear_layers(network)
    for layer in inner:
        hidden = (2 * torch.sigmoid(2 * (layer.weight @ hidden + layer.bias[:, None]))) - 1
    torch.testing.assert_close(network(points), (readout.weight @ hidden + readout.bias[:, None]).T)


def test_a_siren_is_its_layers_multiplied_out():
    network = SIREN(2, 5, 2, 3, omega_0=7.0).double()
    points = torch.randn(11, 2, dtype=torch.float64)
    hidden = points.T
    *inner, readout = _linear_layers(network)
    for layer in inner:
        hidden = torch.exp(7j * (layer.weight @ hidden + layer.bias[:, None])).imag
    torch.testing.assert_close(network(points), (readout.weight @ hidden + readout.bias[:, None]).T)


def test_the_tanh_network_keeps_the_default_initialisation_of_pytorch():
    torch.manual_seed(0)
    network = TanhMLP(1, 50, 2, 1)
    torch.manual_seed(0)
    for layer in _linear_layers(network):
        untouched = nn.Linear(layer.in_features, layer.out_features)
        assert torch.equal(layer.weight, untouched.weight)
        assert torch.equal(layer.bias, untouched.bias)


@pytest.mark.parametrize("in_features", [1, 3])
@pytest.mark.parametrize("omega_0", [10.0, 30.0])
def test_siren_weights_fill_the_intervals_of_sitzmann_et_al(in_features, omega_0):
    torch.manual_seed(0)
    first, *others = _linear_layers(SIREN(in_features, 400, 3, 400, omega_0))
    bounds = [1 / in_features] + [math.sqrt(6 / 400) / omega_0] * len(others)
    for layer, bound in zip([first, *others], bounds, strict=True):
        weights = layer.weight.detach()
        assert 0.98 * bound < weights.abs().max() <= bound
        assert weights.var() == pytest.approx(bound**2 / 3, rel=0.06)  # of the uniform distribution
        assert abs(weights.mean()) < 0.1 * bound


def test_siren_pre_activations_keep_their_variance_near_one_through_the_layers():
    """Theorem 1.8 of the supplement: 1 after the first layer.

    From there on, without the phase shifts of the biases, z ~ N(0, v) gives 2 E[sin(z)^2] = 1 - exp(-2 v), which
    converges to 0.797; phases spread over a full turn would give 1 again.
    """
    torch.manual_seed(0)
    network = SIREN(1, 1_024, 5, 1, omega_0=30.0)
    expected = [1.0]
    for _ in range(3):
        expected.append(1 - math.exp(-2 * expected[-1]))

    def variances():
        hidden = torch.linspace(-1, 1, 2_000)[:, None]
        for layer in network.layers[:-1]:
            if isinstance(layer, nn.Linear) and layer.in_features > 1:
                yield float((30 * (layer(hidden) - layer.bias)).square().mean())
            hidden = layer(hidden)

    with torch.no_grad():
        assert all(0.75 < variance < 1.1 for variance in variances())
        for layer in _linear_layers(network):
            layer.bias.zero_()
        assert list(variances()) == pytest.approx(expected, abs=0.05)


def test_at_the_start_a_siren_oscillates_and_a_tanh_network_does_not():
    torch.manual_seed(0)
    points = torch.linspace(-1, 1, 1_000)[:, None]

    def turning_points(network):
        slope = network(points)[:, 0].detach().diff()
        return int((slope[1:] * slope[:-1] < 0).sum())

    assert turning_points(TanhMLP()) <= 3
    assert turning_points(SIREN()) >= 15


@pytest.mark.parametrize("network_class", [TanhMLP, SIREN])
@pytest.mark.parametrize("size", ["in_features", "width", "depth", "out_features"])
@pytest.mark.parametrize("value", [0, -1, 2.0, True])
def test_a_size_that_is_no_whole_positive_number_is_refused_by_name(network_class, size, value):
    with pytest.raises(ValueError, match=rf"{size}={value!r} makes no network: give a whole number of at least 1"):
        network_class(**{size: value})


@pytest.mark.parametrize("omega_0", [0.0, -30.0, math.inf, math.nan])
def test_an_omega_0_that_is_no_frequency_is_refused_with_what_to_use(omega_0):
    for make in (Sine, lambda value: SIREN(omega_0=value)):
        with pytest.raises(ValueError, match=r"omega_0=.* must be positive and finite; use 30\.0"):
            make(omega_0)


def test_a_printed_sine_layer_shows_its_frequency():
    assert repr(Sine(12.5)) == "Sine(omega_0=12.5)"


def test_fourier_features_are_cosines_and_sines_of_fixed_directions():
    torch.manual_seed(0)
    net = FourierFeatureMLP(in_features=2, features=4, scale=3.0).double()
    heard = []
    net.network.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    x = torch.rand(5, 2, dtype=torch.float64)
    net(x)
    phases = 2 * torch.pi * x @ net.frequencies
    torch.testing.assert_close(heard[0], torch.cat([phases.cos(), phases.sin()], dim=1))
    assert "frequencies" in dict(net.named_buffers())
    assert not any(parameter.shape == net.frequencies.shape for parameter in net.parameters())


def test_fourier_features_spread_by_their_scale():
    torch.manual_seed(0)
    frequencies = FourierFeatureMLP(features=5_000, scale=7.0).frequencies
    assert frequencies.std().item() == pytest.approx(7.0, rel=0.05)
    with pytest.raises(ValueError, match=r"scale=0\.0 is no spread of frequencies"):
        FourierFeatureMLP(scale=0.0)


@pytest.mark.parametrize(
    "network",
    [
        TanhMLP(2, 8),
        MLP(2, 8, activation="silu"),
        SIREN(2, 8),
        FourierFeatureMLP(2, 8),
        Scaled(SIREN(2, 8), [(0.0, 3.0), (1958.0, 2024.0)], 5.0, 2.0),
    ],
    ids=lambda network: type(network).__name__,
)
def test_each_is_compiled_as_one_graph_with_the_same_values_and_gradients(network):
    points = torch.rand(11, 2) * torch.tensor([3.0, 66.0]) + torch.tensor([0.0, 1958.0])
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True)
    plain, traced = network(points), compiled(points)
    torch.testing.assert_close(traced, plain, rtol=1e-5, atol=1e-5)
    (wanted,) = torch.autograd.grad(plain.sum(), next(network.parameters()))
    (found,) = torch.autograd.grad(traced.sum(), next(network.parameters()))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_perceptron_has_the_activation_that_was_asked_for(activation):
    network = MLP(1, 3, 2, activation=activation)
    assert sum(type(layer) is ACTIVATIONS[activation] for layer in network.layers) == 2


def test_an_activation_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match=r"activation='swish' is not available: use one of tanh, relu"):
        MLP(activation="swish")


def test_a_frame_maps_the_box_to_the_unit_box_and_back_to_the_units_of_the_values():
    heard = []
    inner = nn.Identity()
    inner.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    frame = Scaled(inner, [(1958.0, 2024.0), (-3.0, 1.0)], [350.0, -2.0], [30.0, 0.5])
    values = frame(torch.tensor([[1958.0, -3.0], [1991.0, -1.0], [2024.0, 1.0]]))
    assert heard[0].tolist() == [[-1.0, -1.0], [0.0, 0.0], [1.0, 1.0]]
    assert values.tolist() == [[320.0, -2.5], [350.0, -2.0], [380.0, -1.5]]


def test_a_frame_without_arguments_changes_nothing():
    points = torch.rand(9, 3)
    assert torch.equal(Scaled(nn.Identity())(points), points)


def test_a_frame_keeps_its_box_in_checkpoints_and_trains_none_of_it():
    frame = Scaled(TanhMLP(1, 4), [(0.0, 9.0)], 3.0, 2.0)
    other = Scaled(TanhMLP(1, 4))
    other.load_state_dict(frame.state_dict())
    x = torch.linspace(0.0, 9.0, 7)[:, None]
    assert torch.equal(other(x), frame(x))
    assert {name.split(".")[0] for name, _ in frame.named_parameters()} == {"network"}


def test_a_frame_of_fewer_axes_than_points_have_is_refused_where_it_is_called():
    with pytest.raises(ValueError, match=r"points have 2 coordinate\(s\), and bounds= 1"):
        Scaled(SIREN(2), [(0.0, 1.0)])(torch.zeros(3, 2))


def test_a_frame_is_made_on_the_device_that_is_set():
    with torch.device("meta"):
        frame = Scaled(FourierFeatureMLP(1), [(0.0, 9.0)], 3.0, 2.0)
    assert {tensor.device.type for tensor in (*frame.parameters(), *frame.buffers())} == {"meta"}


@pytest.mark.parametrize("network", [FourierFeatureMLP(2), SIREN(2), Scaled(TanhMLP(2), [(0.0, 1.0)] * 2)])
def test_points_may_lie_along_more_dimensions_or_none(network):
    points = torch.rand(3, 4, 2)
    wanted = network(points.reshape(-1, 2))
    torch.testing.assert_close(network(points).reshape(-1, 1), wanted)
    torch.testing.assert_close(torch.stack([network(point) for point in points.reshape(-1, 2)]), wanted)


@pytest.mark.parametrize(
    "arguments",
    [
        {"bounds": []},
        {"bounds": (0.0, 1.0)},
        {"bounds": [(1.0, 0.0)]},
        {"bounds": [(0.0, math.inf)]},
        {"bounds": [(0.0, 1.0, 2.0)]},
        {"mean": math.nan},
        {"scale": 0.0},
        {"scale": [1.0, 0.0]},
    ],
)
def test_a_frame_that_maps_nothing_is_refused(arguments):
    with pytest.raises(ValueError, match=r"give (one finite \(low, high\)|finite numbers)"):
        Scaled(nn.Identity(), **arguments)


@pytest.mark.parametrize("network", ["tanh", "siren", "fourier", "gelu"])
@pytest.mark.parametrize("framed", [False, True])
def test_the_code_of_a_recipe_makes_the_network_that_is_built(network, framed):
    frame = {"bounds": ((0.0, 9.0), (-1.0, 1.0)), "mean": (3.0, 1.0), "scale": (2.0, 0.5)} if framed else {}
    recipe = Recipe(network, 2, 2, 12, 3, omega_0=7.3, sigma=1.7, features=5, learning_rate=3e-4, **frame)
    made = {}
    torch.manual_seed(3)
    exec(recipe.code(), made)
    torch.manual_seed(3)
    built = build(recipe)
    points = torch.rand(13, 2)
    assert torch.equal(made["network"](points), built(points))
    assert type(made["optimizer"]) is torch.optim.Adam
    assert made["optimizer"].param_groups[0]["lr"] == 3e-4


def test_a_plan_makes_the_network_that_it_recommends():
    plan = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(26 * torch.pi * x[:, 0])).plan()
    siren, fourier = from_plan(plan, "siren"), from_plan(plan, "fourier")
    for network, kind in ((siren, SIREN), (fourier, FourierFeatureMLP), (from_plan(plan, "tanh"), TanhMLP)):
        inner = network.network if isinstance(network, Scaled) else network
        assert type(inner) is kind
        assert network(torch.zeros(5, 1)).shape == (5, 1)
    sine = next(each for each in siren.modules() if isinstance(each, Sine))
    assert sine.omega_0 == plan.omega_0.value
