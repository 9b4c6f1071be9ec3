"""The network in a module of the user's: found, and exchanged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.forks.change import CannotChangeError
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.networks import ACTIVATIONS, Scaled, Sine, build, draw_sine_weights
from lightning_seqfit.planning import Recipe
from lightning_seqfit.probe import Probe

#: Modules without weights that bend: those that ``activation`` exchanges.
BENDS = (*ACTIVATIONS.values(), Sine, nn.Hardtanh, nn.Softsign, nn.Mish, nn.SELU, nn.CELU, nn.Tanhshrink, nn.LogSigmoid)
#: Relative distance from an affine map of the probe's points up to which inputs are such a map.
AFFINE = 1e-3
#: Name under which a network lies that takes the place of the module's own ``forward``.
EXCHANGED = "exchanged"


@dataclass(frozen=True)
class Place:
    """Where a module's network is, and what it was seen to do.

    Attributes
    ----------
    name : of the submodule; empty: the module itself.
    network : the submodule.
    bounds : of what it sees, where the probe's points fill their domain; one each an input.
    outputs : components that it returns.
    """

    name: str
    network: nn.Module
    bounds: tuple[tuple[float, float], ...]
    outputs: int

    @property
    def code(self) -> str:
        """Python that says where it is in ``module``."""
        if all(part.isidentifier() for part in self.name.split(".")):
            return f"module.{self.name}"
        return f'module.get_submodule("{self.name}")' if self.name else "module"

    def code_to_set(self, made: str) -> str:
        """Python that puts something there."""
        if "(" in self.code:
            return f'module.set_submodule("{self.name}", {made})'
        return f"{self.code} = {made}"

    @property
    def linear_layers(self) -> list[nn.Linear]:
        """Its linear layers, in the order in which they were registered."""
        return [part for part in self.network.modules() if isinstance(part, nn.Linear)]


def find_network(module: nn.Module, probe: Probe, at: str = "") -> Place:
    """Find the network: the smallest part that has all layers and sees the probe's points, scaled at the most.

    Parameters
    ----------
    module : the user's.
    probe : asks it once.
    at : name of the submodule; empty: it is looked for.

    Raises
    ------
    CannotChangeError
        If there is none that maps points (N, d) to values (N, k).
    """
    parts = dict(module.named_modules())
    if at and at not in parts:
        raise CannotChangeError(f"has no submodule {at!r}: at= is one of {', '.join(list(parts)[1:9])}, ...")
    calls = _calls(module, probe)
    chain = [at] if at else _chain(parts, calls)
    reason = ""
    for position, name in enumerate(chain):
        call = calls.get(name)
        if call is None:
            continue
        try:
            bounds = _bounds_seen(call, probe)
        except CannotChangeError as error:
            reason = reason or f"{name or 'the module'} {error}"
            continue
        for outer in chain[position + 1 :]:  # a frame around it, which hands on both
            if outer and outer in calls and _is_same(calls[outer], call):
                name = outer
        return Place(name, parts[name], bounds, call.output.shape[1])
    reason = reason or "no layer of it with weights is called at the probe's points"
    raise CannotChangeError(reason if at else f"{reason}; name the submodule that is the network with at=")


@dataclass(frozen=True)
class _Call:
    """The first call of a part: its input and output, or why they are no points and values."""

    input: Tensor
    output: Tensor
    why: str = ""


def _calls(module: nn.Module, probe: Probe) -> dict[str, _Call]:
    """What every part was called with while the probe asked the module."""
    calls: dict[str, _Call] = {}

    def hear(name: str) -> Any:
        def hook(part: nn.Module, args: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
            if name not in calls:
                calls[name] = _call(args, named, output)

        return hook

    with ExitStack() as stack:
        for name, part in module.named_modules():
            if not isinstance(part, torch.jit.ScriptModule):
                handle = part.register_forward_hook(hear(name), with_kwargs=True)
                stack.callback(handle.remove)
        size = len(probe.geometry.points)
        try:
            target = np.zeros(size)
            probe.observe(module, target)
        except Exception as error:
            raise CannotChangeError(f"cannot be asked at the probe's points: {error}") from error
    return calls


def _call(args: tuple[Any, ...], named: dict[str, Any], output: Any) -> _Call:
    nothing = torch.zeros(0)
    if len(args) + len(named) != 1:
        return _Call(nothing, nothing, f"is called with {len(args) + len(named)} arguments, not with points alone")
    given = args[0] if args else next(iter(named.values()))
    for what, tensor in (("is called with", given), ("returns", output)):
        if not (isinstance(tensor, Tensor) and tensor.is_floating_point() and tensor.ndim == 2):
            shape = f" of shape {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else ""
            return _Call(nothing, nothing, f"{what} {type(tensor).__name__}{shape}, not a tensor (N, k)")
    if len(given) != len(output):
        return _Call(nothing, nothing, f"maps {len(given)} rows to {len(output)}")
    return _Call(*(tensor.as_subclass(Tensor).detach().clone() for tensor in (given, output)))  # labels and all


def _chain(parts: Mapping[str, nn.Module], calls: Mapping[str, _Call]) -> list[str]:
    """The smallest part that has all that is called and has weights of its own, and those around it, outwards."""
    owners = [name.split(".") for name in calls if name and any(True for _ in parts[name].parameters(recurse=False))]
    if not owners:
        return [""] if "" in calls else []
    common: list[str] = []
    for level in zip(*owners, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return [".".join(common[:length]) for length in range(len(common), -1, -1)]


def _bounds_seen(call: _Call, probe: Probe) -> tuple[tuple[float, float], ...]:
    """Between which values each input lies where the probe's points fill their domain."""
    if call.why:
        raise CannotChangeError(call.why)
    points, seen = probe.geometry.asked, call.input.double().cpu().numpy()
    points = points.reshape(len(points), -1)
    if seen.shape != points.shape:
        raise CannotChangeError(f"sees {seen.shape[1]} numbers of {len(seen)} points, not the probe's points")
    bounds = probe.geometry.bounds
    centre, half = np.mean(bounds, axis=1), np.ptp(bounds, axis=1) / 2
    design = np.column_stack([(points - centre) / half, np.ones(len(points))])
    map_: FloatArray = np.linalg.lstsq(design, seen, rcond=None)[0]
    left = np.abs(seen - design @ map_).max(axis=0)
    if not (left <= AFFINE * (np.ptp(seen, axis=0) + 1e-12)).all():
        raise CannotChangeError("does not see the probe's points, but features of them")
    reach = np.abs(map_[:-1]).sum(axis=0)
    return tuple(_rounded(mid - far, mid + far) for mid, far in zip(map_[-1], reach, strict=True))


def _rounded(low: float, high: float) -> tuple[float, float]:
    """Bounds as people write them: found by a fit, they are known to a thousandth of their distance or so."""
    digits = 4 - math.floor(math.log10(high - low)) if high > low else 12
    return round(float(low), digits) + 0.0, round(float(high), digits) + 0.0


def _is_same(one: _Call, other: _Call) -> bool:
    return not one.why and torch.equal(one.input, other.input) and torch.equal(one.output, other.output)


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
    layers = place.linear_layers
    hidden = [layer.out_features for layer in layers[:-1]]
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


def _widen(place: Place, width: int) -> str:
    """Exchange the linear layers for wider ones, which start anew."""
    _refuse_compiled(place)
    layers = place.linear_layers
    hidden = {layer.out_features for layer in layers[:-1]}
    if len(hidden) != 1:
        raise CannotChangeError("its hidden linear layers have no one width, which another could take the place of")
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
    _exchange(place.network, found, lambda old: made)
    sine = activation == "sine"
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
