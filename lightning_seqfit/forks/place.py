"""Where the network is in a module of the user's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.forks.change import CannotChangeError
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.probe import Probe

#: Relative distance from an affine map of the probe's points up to which inputs are such a map.
AFFINE = 1e-3


@dataclass(frozen=True)
class Place:
    """Where a module's network is, and what it was seen to do.

    Attributes
    ----------
    name : of the submodule; empty: the module itself.
    network : the submodule.
    bounds : of what it sees, where the probe's points fill their domain; one each an input.
    outputs : components that it returns.
    also : other names that the module has for it.
    """

    name: str
    network: nn.Module
    bounds: tuple[tuple[float, float], ...]
    outputs: int
    also: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        """Python that says where it is in ``module``."""
        return _code_of(self.name)

    def code_to_set(self, made: str) -> str:
        """Python that puts something there, under every name."""
        names = [(self.name, made), *((name, self.code) for name in self.also)]
        return "\n".join(_code_to_set(name, what) for name, what in names)

    @property
    def linear_layers(self) -> list[nn.Linear]:
        """Its linear layers, in the order in which they were registered."""
        return [part for part in self.network.modules() if isinstance(part, nn.Linear)]


def _code_of(name: str) -> str:
    if all(part.isidentifier() for part in name.split(".")):
        return f"module.{name}"
    return f'module.get_submodule("{name}")' if name else "module"


def _code_to_set(name: str, made: str) -> str:
    code = _code_of(name)
    return f'module.set_submodule("{name}", {made})' if "(" in code else f"{code} = {made}"


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
        return Place(name, parts[name], bounds, call.output.shape[1], _other_names(module, name))
    reason = reason or "no layer of it with weights is called at the probe's points"
    if at:
        raise CannotChangeError(reason)
    raise CannotChangeError(f"{reason}; name the submodule that is the network with at={_example(parts, calls, probe)}")


def _example(parts: Mapping[str, nn.Module], calls: Mapping[str, _Call], probe: Probe) -> str:
    """Name, quoted, of the largest submodule that maps the probe's points; empty: none does."""
    sizes: dict[str, int] = {}
    for name, call in calls.items():
        try:
            _bounds_seen(call, probe)
        except CannotChangeError:
            continue
        sizes[name] = sum(isinstance(part, nn.Linear) for part in parts[name].modules())
    largest = max(sizes, key=sizes.__getitem__, default="")
    return repr(largest) if largest and sizes[largest] > 1 else ""


def _other_names(module: nn.Module, name: str) -> tuple[str, ...]:
    """Names of a submodule in other parts of a module, or in the same one."""
    of_part: dict[tuple[int, str], str] = {}
    for other, part in module.named_modules(remove_duplicate=False):
        if part is module.get_submodule(name):
            parent, _, last = other.rpartition(".")
            of_part.setdefault((id(module.get_submodule(parent)), last), other)
    return tuple(other for other in of_part.values() if other != name)


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
    given = getattr(given, "as_tensor", given)  # Points of TorchPhysics
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
    rounding = torch.finfo(call.input.dtype).eps * np.abs(seen).max(axis=0)
    if not (left <= AFFINE * (np.ptp(seen, axis=0) + 1e-12) + rounding).all():
        raise CannotChangeError("does not see the probe's points, but features of them")
    reach = np.abs(map_[:-1]).sum(axis=0)
    return tuple(_rounded(mid - far, mid + far) for mid, far in zip(map_[-1], reach, strict=True))


def _rounded(low: float, high: float) -> tuple[float, float]:
    """Bounds as people write them: found by a fit, they are known to a thousandth of their distance or so."""
    digits = 4 - math.floor(math.log10(high - low)) if high > low else 12
    return round(float(low), digits) + 0.0, round(float(high), digits) + 0.0


def _is_same(one: _Call, other: _Call) -> bool:
    return not one.why and torch.equal(one.input, other.input) and torch.equal(one.output, other.output)
