"""The layer whose input is the network's basis, and how it is listened to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from lightning_seqfit.geometry import IntArray


class ReadOut:
    """The layer whose input is the network's basis: found in the first evaluation, listened to in each.

    Parameters
    ----------
    layer : dotted name in the module; None: the last ``nn.Linear`` that ran, in its last call with a row per point.
    rows : numbers of the points whose features are wanted; None: all.
    """

    def __init__(self, layer: str | None = None, rows: IntArray | None = None) -> None:
        if layer is not None and (not isinstance(layer, str) or not layer):
            raise ValueError(f"layer={layer!r} is not a name: give a dotted one, such as 'net.4', or None for the last")
        self.layer = layer
        self.name: str | None = layer
        self.rows = rows

    @property
    def rows(self) -> IntArray | None:
        """Numbers of the points whose features are wanted; None: all."""
        return self._rows

    @rows.setter
    def rows(self, rows: IntArray | None) -> None:
        self._rows = rows
        self._placed: Tensor | None = None

    def find(self, module: nn.Module) -> dict[str, nn.Module]:
        """Layers to listen to, by name.

        Raises
        ------
        ValueError
            If the module has no layer of that name, or no ``nn.Linear`` at all.
        """
        if self.name is not None:
            with suppress(AttributeError):
                return {self.name: module.get_submodule(self.name)}
        layers = dict(module.named_modules())
        linear: dict[str, nn.Module] = {name: layer for name, layer in layers.items() if isinstance(layer, nn.Linear)}
        if linear and self.name is None:
            return linear
        there = ", ".join(repr(name) for name in layers if name) or "none"
        if self.name is not None:
            raise ValueError(f"layer={self.name!r} is not in {type(module).__name__}; its layers are: {there}")
        raise ValueError(
            f"{type(module).__name__} has no nn.Linear, whose input would be its basis: name a layer with layer=, "
            f"one of {there}, or attach ErrorFront, OscillationCount and FourierResidual alone"
        )

    @contextmanager
    def listen(self, module: nn.Module, size: int) -> Iterator[dict[str, Tensor]]:
        """Collect, while the context lasts, the last input with ``size`` rows by layer, in the order they ran."""
        heard: dict[str, Tensor] = {}
        handles = []

        def listener(name: str) -> Callable[..., None]:
            def hear(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
                if inputs and isinstance(inputs[0], Tensor) and inputs[0].ndim == 2 and len(inputs[0]) == size:
                    heard.pop(name, None)
                    heard[name] = inputs[0].as_subclass(Tensor).detach()

            return hear

        try:
            handles += [layer.register_forward_pre_hook(listener(name)) for name, layer in self.find(module).items()]
            yield heard
        finally:
            for handle in handles:
                handle.remove()

    def choose(self, module: nn.Module, heard: dict[str, Tensor], size: int) -> tuple[Tensor, nn.Module]:
        """Input of the layer that ran last, and the layer; from then on only this one is listened to.

        Raises
        ------
        ValueError
            If none ran with a row per point.
        """
        if not heard:
            asked = "no nn.Linear was" if self.name is None else f"layer={self.name!r} was not"
            raise ValueError(
                f"{asked} called with an input of shape ({size}, width): name with layer= one that sees a row per point"
            )
        self.name = next(reversed(heard))
        features = heard[self.name]
        if self.rows is not None:
            if self._placed is None or self._placed.device != features.device:
                self._placed = torch.tensor(self.rows, device=features.device)
            features = features.index_select(0, self._placed)
        return features, module.get_submodule(self.name)


def output_weights(layer: nn.Module, width: int) -> Tensor:
    """Weights by which a layer makes its outputs, shape ``(outputs, width)``; none where it is no linear layer."""
    weight = getattr(layer, "weight", None)
    if isinstance(weight, Tensor) and weight.ndim == 2 and weight.shape[1] == width:
        return weight.detach()
    return torch.zeros(0, width)
