"""The network in a module of the user's, exchanged or with something else in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.forks.change import CannotChangeError
from lightning_seqfit.forks.place import Place
from lightning_seqfit.networks import ACTIVATIONS, Scaled, Sine, build, draw_sine_weights
from lightning_seqfit.planning import Recipe
from lightning_seqfit.watch.architecture import longest_chain

#: Modules without weights that bend: those that ``activation`` exchanges.
BENDS = (*ACTIVATIONS.values(), Sine, nn.Hardtanh, nn.Softsign, nn.Mish, nn.SELU, nn.CELU, nn.Tanhshrink, nn.LogSigmoid)
#: Name under which a network lies that takes the place of the module's own ``forward``.
EXCHANGED = "exchanged"


def change_network(module: nn.Module, place: Place, settings: Mapping[str, Any]) -> tuple[nn.Module, str]:
    """Exchange a module's network, or what is in it.

    Parameters
    ----------
    module : the user's, with the network still in it.
    place : of the network.
    settings : ``network``, ``omega_0``, ``sigma``, ``features``, ``width``, ``depth``, ``activation``, ``inputs``,
        ``targets``.

    Returns
    -------
    nn.Module, str
        What is in its place now, and the code that does the same with ``module``.

    Raises
    ------
    CannotChangeError
        If that cannot be done.
    """
    if "network" in settings:
        recipe = _recipe(place, settings)
        return _put(module, place, build(recipe)), _code(place, recipe.code().partition("\noptimizer = ")[0])
    if alone := {"sigma", "features", "depth"} & settings.keys():
        raise CannotChangeError(f"{' and '.join(sorted(alone))}: say of which network, with network=")
    if "omega_0" in settings and settings.get("activation", "sine") != "sine":
        raise CannotChangeError("omega_0 belongs to a SIREN or to the activation sine")
    lines = []
    if "width" in settings:
        lines.append(_widen(place, settings["width"]))
    if "activation" in settings or "omega_0" in settings:
        lines.append(_bend(place, settings.get("activation", "sine"), float(settings.get("omega_0", 30.0))))
    network = place.network
    if "inputs" in settings or "targets" in settings:
        bounds, scale = _bounds(place, settings), _scale(place, settings)
        if bounds is None and set(scale) == {1.0}:
            raise CannotChangeError("the network's inputs are in [-1, 1] as they are")
        network = _put(module, place, Scaled(_inner(module, place), bounds, 0.0, scale))
        lines.append(_frame_code(place, bounds, scale))
    _move(network, place.network)
    return network, "\n".join(lines)


def _recipe(place: Place, settings: Mapping[str, Any]) -> Recipe:
    hidden = [layer.out_features for layer in longest_chain(place.network)[:-1]]
    bounds = _bounds(place, settings)
    sizes = {
        "in_features": len(place.bounds),
        "out_features": place.outputs,
        "width": settings.get("width", max(hidden, default=64)),
        "depth": settings.get("depth", max(len(hidden), 1)),
    }
    own = {name: settings[name] for name in ("omega_0", "sigma", "features") if name in settings}
    return Recipe(settings["network"], **sizes, **own, bounds=bounds, scale=_scale(place, settings))


def _scale(place: Place, settings: Mapping[str, Any]) -> tuple[float, ...]:
    """What the network's values are multiplied by: a number, or one for each output."""
    scale = tuple(float(each) for each in np.atleast_1d(settings.get("targets", 1.0)))
    if len(scale) not in (1, place.outputs):
        raise CannotChangeError(f"targets has {len(scale)} numbers, and the network {place.outputs} output(s)")
    return scale


def _bounds(place: Place, settings: Mapping[str, Any]) -> tuple[tuple[float, float], ...] | None:
    """The box that is to be mapped to [-1, 1]; None: none, or it is that already."""
    if "inputs" not in settings or np.allclose(place.bounds, (-1.0, 1.0), atol=0.02):
        return None
    return tuple((low, high) if low < high else (low - 1.0, high + 1.0) for low, high in place.bounds)


def _code(place: Place, made: str) -> str:
    if place.name:
        before, _, network = made.partition("\nnetwork = ")
        return f"{before}\n{place.code_to_set(network)}"
    return f"{made}\nmodule.network = network  # and in forward: return self.network(points)"


def _frame_code(place: Place, bounds: tuple[tuple[float, float], ...] | None, scale: tuple[float, ...]) -> str:
    numbers = scale[0] if len(scale) == 1 else list(scale)
    times = "" if set(scale) == {1.0} else f", scale={numbers!r}"
    if place.name:
        box = "" if bounds is None else f", bounds={list(bounds)}"
        made = place.code_to_set(f"Scaled({place.code}{box}{times})")
        return f"from lightning_seqfit.networks import Scaled\n\n{made}"
    lines = []
    if bounds is not None:
        low, half = [pair[0] for pair in bounds], [(pair[1] - pair[0]) / 2 for pair in bounds]
        seen = f"(points - points.new_tensor({low})) / points.new_tensor({half}) - 1"
        lines += ["# at the top of forward", f"points = {seen}"]
    if times:
        lines.append(f"# what forward returns, times {numbers!r}")
    return "\n".join(lines)


def _inner(module: nn.Module, place: Place) -> nn.Module:
    """The network to be put into a frame; of a module that is its own network, its ``forward``."""
    return place.network if place.name else _Forward(module.forward)


class _Forward(nn.Module):
    """A function as a module without weights of its own."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, points: Tensor) -> Tensor:
        return self._function(points)


def _put(module: nn.Module, place: Place, network: nn.Module) -> nn.Module:
    """Put a network in the place of the old one, wherever the module has that."""
    _move(network, place.network)
    if not place.name:
        module.add_module(EXCHANGED, network)
        module.__dict__["forward"] = lambda points: network(points)
        return network
    _exchange(module, [place.network], lambda old: network)
    return network


def _exchange(module: nn.Module, old: Sequence[nn.Module], make: Callable[[nn.Module], nn.Module]) -> None:
    """Put something else in the place of parts, under every name that they have."""
    for name, part in list(module.named_modules(remove_duplicate=False)):
        if any(part is each for each in old):
            module.set_submodule(name, make(part))


def _move(network: nn.Module, old: nn.Module) -> None:
    """To the device and the precision of the old one."""
    tensor = next((each for each in old.parameters() if each.is_floating_point()), None)
    if tensor is not None:
        network.to(tensor.device, tensor.dtype)


def _refuse_compiled(place: Place) -> None:
    for name, part in place.network.named_modules():
        if isinstance(part, torch.jit.ScriptModule) or hasattr(part, "_orig_mod"):
            where = f"{place.name}.{name}".strip(".")
            raise CannotChangeError(f"{where} is compiled or scripted, and keeps what it is made of")


def _refuse_weights_of_a_kind(layers: Sequence[nn.Linear]) -> None:
    """Refuse layers whose weights or forward pass are not those of a plain one: they cannot be drawn or made anew."""
    for layer in layers:
        if type(layer) is not nn.Linear or "weight" not in dict(layer.named_parameters(recurse=False)):
            kind = "nn.Linear of a weight that is computed" if type(layer) is nn.Linear else type(layer).__name__
            raise CannotChangeError(f"a layer is {kind}, not a plain nn.Linear, whose weights can be made anew")


def _widen(place: Place, width: int) -> str:
    """Exchange the linear layers for wider ones, which start anew."""
    _refuse_compiled(place)
    layers = place.linear_layers
    hidden = {layer.out_features for layer in layers[:-1]}
    if len(hidden) != 1:
        raise CannotChangeError("its hidden linear layers have no one width, which another could take the place of")
    _refuse_weights_of_a_kind(layers)
    (old,) = hidden

    def wider(layer: nn.Module) -> nn.Linear:
        assert isinstance(layer, nn.Linear)
        return nn.Linear(
            width if layer is not layers[0] and layer.in_features == old else layer.in_features,
            width if layer is not layers[-1] else layer.out_features,
            bias=layer.bias is not None,
        )

    made = {id(layer): wider(layer) for layer in layers}
    _exchange(place.network, layers, lambda layer: made[id(layer)])
    _move(place.network, layers[0])
    sines = [part for part in place.network.modules() if isinstance(part, Sine)]
    if sines:
        draw_sine_weights(place.linear_layers, sines[0].omega_0)
    return f"# {width} for the width {old} where {place.name or 'the module'} is made"


def _bend(place: Place, activation: str, omega_0: float) -> str:
    """Exchange the activations; with sines the weights are drawn as a SIREN's."""
    _refuse_compiled(place)
    made = Sine(omega_0) if activation == "sine" else ACTIVATIONS[activation]()
    found = [part for part in place.network.modules() if isinstance(part, BENDS)]
    if not found:
        raise CannotChangeError("its activations are no modules, but functions that its forward calls")
    sine = activation == "sine"
    if sine:
        _refuse_weights_of_a_kind(place.linear_layers)
        if len(longest_chain(place.network)) < len(place.linear_layers):
            raise CannotChangeError("its linear layers are not one chain, along which the weights of a SIREN are drawn")
    _exchange(place.network, found, lambda old: made)
    if sine:
        draw_sine_weights(place.linear_layers, omega_0)
    network = place.code
    classes = " | ".join(sorted(set(map(_class_of, found))))
    lines = [
        "from torch import nn",
        *(["from lightning_seqfit.networks import Sine, draw_sine_weights"] if sine else []),
        "",
        f"for name, part in list({network}.named_modules(remove_duplicate=False)):",
        f"    if isinstance(part, {classes}):",
        f"        {network}.set_submodule(name, {f'Sine({omega_0!r})' if sine else f'{_class_of(made)}()'})",
        *([f"layers = [part for part in {network}.modules() if isinstance(part, nn.Linear)]"] if sine else []),
        *([f"draw_sine_weights(layers, {omega_0!r})"] if sine else []),
    ]
    return "\n".join(lines)


def _class_of(activation: nn.Module) -> str:
    return "Sine" if isinstance(activation, Sine) else f"nn.{type(activation).__name__}"
