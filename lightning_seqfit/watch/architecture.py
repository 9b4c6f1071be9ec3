"""What a module's network is, as far as its layers tell."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from lightning_seqfit.record.architecture import Architecture

#: Activations by the name of their class, in small letters.
_NAMES = {
    **{name: name for name in ("tanh", "relu", "gelu", "silu", "elu", "softplus", "sigmoid")},
    **{"leakyrelu": "leaky_relu", "sine": "sine", "sin": "sine", "sinelayer": "sine"},
}

log = logging.getLogger(__name__)


def describe_network(module: nn.Module, optimizers: Iterable[Any]) -> dict[str, Any]:
    """Describe the longest chain of linear layers, as :class:`~lightning_seqfit.record.Architecture` has it.

    Empty: there is none, or it cannot be told, as in a network with convolutions. Of several networks, the first of
    those that have the most layers.

    Examples
    --------
    >>> import torch
    >>> network = nn.Sequential(nn.Linear(2, 9), nn.ReLU(), nn.Linear(9, 9), nn.ReLU(), nn.Linear(9, 1))
    >>> found = describe_network(network, [torch.optim.Adam(network.parameters(), lr=1e-3)])
    >>> found["width"], found["depth"], found["activation"], found["optimizer"], found["learning_rate"]
    (9, 2, 'relu', 'adam', 0.001)
    """
    try:
        chain = longest_chain(module)
        convolves = any(not is_lazy(each) and each.ndim > 2 for each in module.parameters())
        if len(chain) < 2 or convolves:
            return {}
        activations = [each for each in module.modules() if type(each).__name__.lower() in _NAMES]
        names = {_NAMES[type(each).__name__.lower()] for each in activations}
        omegas = {_omega_0(each) for each in activations if _NAMES[type(each).__name__.lower()] == "sine"}
        found = Architecture(
            in_features=int(chain[0].in_features),
            out_features=int(chain[-1].out_features),
            width=int(chain[-1].in_features),
            depth=len(chain) - 1,
            activation=names.pop() if len(names) == 1 else "",
            omega_0=omegas.pop() if len(omegas) == 1 else None,
            **_optimizer(optimizers),
        )
        return asdict(found)
    except Exception as error:  # layers and optimizers may be anything
        log.debug("the network cannot be described", exc_info=error)
        return {}


def longest_chain(module: nn.Module) -> list[nn.Linear]:
    """Linear layers, in the order of the module, of which each takes what the one before gives.

    Not one before them that is as narrow as the input: it scales that, as a normalisation of TorchPhysics does.
    """
    longest: list[nn.Linear] = []
    chain: list[nn.Linear] = []
    for layer in module.modules():
        if not isinstance(layer, nn.Linear) or any(map(is_lazy, layer.parameters(recurse=False))):
            continue
        scales = len(chain) == 1 and chain[0].in_features == chain[0].out_features < layer.out_features
        chain = [*chain, layer] if chain and _follows(layer, chain) and not scales else [layer]
        longest = chain if len(chain) > len(longest) else longest
    return longest


def _follows(layer: nn.Linear, chain: list[nn.Linear]) -> bool:
    """Whether a layer is of the same network as a chain; one that ends as narrow as it began is complete."""
    last = chain[-1]
    complete = last.out_features < last.in_features and last.out_features in (1, chain[0].in_features)
    return last.out_features == layer.in_features and not complete


def _omega_0(activation: nn.Module) -> float | None:
    for name in ("omega_0", "omega", "w0"):
        value = getattr(activation, name, None)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return None


def _optimizer(optimizers: Iterable[Any]) -> dict[str, Any]:
    """Name and rate of the first optimizer; empty: there is none that can be told."""
    first = next(iter(optimizers), None)
    if first is None:
        return {}
    first = getattr(first, "optimizer", first)  # Lightning's own frame
    rates = [float(group["lr"]) for group in getattr(first, "param_groups", ()) if "lr" in group]
    rate = max(rates, default=math.nan)
    return {
        "optimizer": type(first).__name__.lower(),
        "learning_rate": rate if math.isfinite(rate) else None,
    }
