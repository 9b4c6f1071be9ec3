"""Where a module's network is, and what is in its place afterwards: modules of known structure."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe, networks
from lightning_seqfit.forks.change import CannotChangeError
from lightning_seqfit.forks.network import change_network
from lightning_seqfit.forks.place import find_network
from tests.forks.modules import HIGH, LOW, Itself, Noted, probe


def changed(module: nn.Module, **settings: Any) -> str:
    return change_network(module, find_network(module, probe()), settings)[1]


class Framed(nn.Module):
    """A network with something before and behind it."""

    def __init__(self, network: nn.Module, before: Any = lambda x: x, behind: Any = lambda u: u) -> None:
        super().__init__()
        self.inner, self.before, self.behind = network, before, behind

    def forward(self, points: Tensor) -> Tensor:
        return self.behind(self.inner(self.before(points)))


def plain(inputs: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 8), nn.Tanh(), nn.Linear(8, 1))


def test_the_network_is_found_where_it_sees_the_points_with_frames_that_only_hand_on() -> None:
    assert find_network(Noted(), probe()).name == "network"
    assert find_network(Framed(Framed(plain())), probe()).name == "inner"
    assert find_network(Framed(Framed(plain(), behind=lambda u: 3 * u)), probe()).name == "inner.inner"


def test_features_of_the_points_belong_to_the_network() -> None:
    module = Framed(Framed(plain(), torch.sin))
    assert find_network(module, probe()).name == "inner"
    assert find_network(Framed(networks.FourierFeatureMLP()), probe()).name == "inner"


def test_a_scaled_input_has_the_bounds_of_what_the_network_sees() -> None:
    assert find_network(Noted(), probe()).bounds == ((LOW, HIGH),)
    assert find_network(Framed(plain(), lambda x: 5 - 2 * (x - LOW)), probe()).bounds == ((-3.0, 5.0),)


def test_a_module_that_is_its_own_network_is_found() -> None:
    assert find_network(Itself(), probe()).name == ""


def test_two_axes_and_two_outputs_are_counted() -> None:
    module = Framed(networks.TanhMLP(2, out_features=2), behind=lambda u: u[:, :1])
    place = find_network(module, Probe.grid([(0.0, 1.0), (2.0, 5.0)], lambda x: torch.sin(9 * x[:, 0])))
    assert (place.name, place.bounds, place.outputs) == ("inner", ((0.0, 1.0), (2.0, 5.0)), 2)


class TwoArguments(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = plain(2)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.layers(torch.cat([x.sin(), t], dim=1))


class CallsWithTwo(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.two = TwoArguments()
        self.behind = nn.Linear(1, 1)

    def forward(self, points: Tensor) -> Tensor:
        return self.two(points, points)


def test_what_cannot_be_exchanged_says_why() -> None:
    with pytest.raises(CannotChangeError, match="no submodule 'net': at= is one of network"):
        find_network(Noted(), probe(), at="net")
    with pytest.raises(CannotChangeError, match="two is called with 2 arguments"):
        find_network(CallsWithTwo(), probe(), at="two")
    with pytest.raises(CannotChangeError, match="does not see the probe's points, but features of them"):
        find_network(Framed(plain(), torch.sin), probe(), at="inner")


def test_inputs_are_scaled_to_the_box() -> None:
    module, seen = Noted(), []
    code = changed(module, inputs="[-1, 1]")
    module.network.network.register_forward_hook(lambda part, args, out: seen.append(args[0]))
    module(torch.tensor([[LOW], [HIGH], [12.5]]))
    torch.testing.assert_close(seen[0], torch.tensor([[-1.0], [1.0], [0.25]]))
    assert code.endswith("module.network = Scaled(module.network, bounds=[(10.0, 14.0)])")
    with pytest.raises(CannotChangeError, match=r"in \[-1, 1\] as they are"):
        changed(module := Framed(plain(), lambda x: (x - 12.0) / 2.0), inputs="[-1, 1]")
    assert type(module.inner) is nn.Sequential


def test_a_module_that_is_its_own_network_sees_scaled_inputs_too() -> None:
    module = Itself()
    points = torch.tensor([[LOW], [12.0]])
    before = module(torch.tensor([[-1.0], [0.0]]))
    changed(module, inputs="[-1, 1]")
    torch.testing.assert_close(module(points), before)


def test_targets_divided_by_a_number_are_the_networks_values_times_it() -> None:
    module, points = Noted(), torch.tensor([[11.0], [13.0]])
    before = module(points)
    changed(module, targets=300.0)
    torch.testing.assert_close(module(points), 300.0 * before)


def test_activations_are_exchanged_at_every_place_that_shares_one() -> None:
    module = Noted()
    code = changed(module, activation="relu")
    assert [type(part) for part in module.network][1::2] == [nn.ReLU, nn.ReLU]
    assert "isinstance(part, nn.Tanh)" in code


def test_a_sine_comes_with_the_weights_of_a_siren() -> None:
    module = Noted()
    torch.manual_seed(0)
    changed(module, activation="sine", omega_0=20.0)
    sines = [part.omega_0 for part in module.network if isinstance(part, networks.Sine)]
    bounds = [float(part.weight.detach().abs().max()) for part in module.network if isinstance(part, nn.Linear)]
    assert sines == [20.0, 20.0]
    assert 0.5 < bounds[0] <= 1.0
    assert all((6 / 8) ** 0.5 / 40 < bound <= (6 / 8) ** 0.5 / 20 for bound in bounds[1:])


def test_activations_that_are_functions_are_said() -> None:
    class Calls(Itself):
        def forward(self, points: Tensor) -> Tensor:
            return self.second(torch.tanh(self.first(points)))

    module = Calls()
    del module.bend
    with pytest.raises(CannotChangeError, match="functions that its forward calls"):
        changed(module, activation="relu")


def test_another_network_has_the_sizes_of_the_old_one_and_its_precision() -> None:
    module = Noted().double()
    code = changed(module, network="siren", omega_0=7.0)
    weights = [layer.weight for layer in module.network.modules() if isinstance(layer, nn.Linear)]
    assert [tuple(weight.shape) for weight in weights] == [(8, 1), (8, 8), (1, 8)]
    assert weights[0].dtype == torch.float64
    names: dict[str, Any] = {"module": Noted()}
    exec(code, names)
    assert str(names["module"].network) == str(module.network)


def test_the_code_finds_a_network_in_a_list() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.all = nn.ModuleList([plain(), nn.Identity()])

        def forward(self, points: Tensor) -> Tensor:
            return self.all[0](points)

    for settings in ({"network": "tanh"}, {"inputs": "[-1, 1]"}, {"activation": "sine"}):
        module, names = Listed(), {"module": Listed()}
        exec(changed(module, **settings), names)
        assert str(names["module"]) == str(module)


def test_a_wider_network_keeps_all_but_its_width() -> None:
    module = Noted()
    changed(module, width=11)
    shapes = [tuple(layer.weight.shape) for layer in module.network if isinstance(layer, nn.Linear)]
    assert shapes == [(11, 1), (11, 11), (1, 11)]
    assert [type(part) for part in module.network][1::2] == [nn.Tanh, nn.Tanh]
    module = Framed(networks.FourierFeatureMLP(width=8))
    changed(module, width=11)
    assert module(torch.zeros(3, 1)).shape == (3, 1)
    assert isinstance(module.inner, networks.FourierFeatureMLP)


def test_a_compiled_network_keeps_its_activations_and_can_be_exchanged() -> None:
    module = Framed(torch.compile(plain()))
    with pytest.raises(CannotChangeError, match="compiled or scripted"):
        changed(module, activation="relu")
    changed(module, network="tanh")
    assert type(module.inner) is networks.TanhMLP
