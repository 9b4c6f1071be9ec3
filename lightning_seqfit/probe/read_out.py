"""The layer whose input is the network's basis, and how it is listened to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn

from lightning_seqfit.geometry import IntArray
from lightning_seqfit.probe.checks.echo import shown
from lightning_seqfit.probe.checks.values import Unreadable, plain


class ReadOut:
    """The layer whose input is the network's basis: found in the first evaluation, listened to in each.

    Parameters
    ----------
    layer : dotted name in the module; None: the last ``nn.Linear`` that ran, in its last call with a row per point.
    rows : numbers of the points whose features are wanted; None: all.

    Attributes
    ----------
    name : of the layer that is listened to; None: not known yet.
    absent : why the last evaluation gave no basis; empty: it did.
    """

    def __init__(self, layer: str | None = None, rows: IntArray | None = None) -> None:
        if layer is not None and (not isinstance(layer, str) or not layer):
            raise ValueError(
                f"layer={shown(layer)} is not a name: give a dotted one, such as 'net.4', or None for the last"
            )
        self.layer = layer
        self.rows = rows
        self.forget()

    def forget(self) -> None:
        """Find the layer anew: the module may be another."""
        self.name: str | None = self.layer
        self.known = False  # it has been heard
        self.absent = ""

    @property
    def rows(self) -> IntArray | None:
        """Numbers of the points whose features are wanted; None: all."""
        return self._rows

    @rows.setter
    def rows(self, rows: IntArray | None) -> None:
        self._rows = rows
        self._placed: Tensor | None = None

    @property
    def never_heard(self) -> bool:
        """Whether a layer was asked for by name, and has never run with a row per point: ``absent`` says more."""
        return self.layer is not None and not self.known

    def find(self, module: nn.Module) -> dict[str, nn.Module]:
        """Layers to listen to, by name; none where the layer is not there, or the module has no ``nn.Linear``."""
        if self.name is not None:
            with suppress(AttributeError):
                return {self.name: module.get_submodule(self.name)}
        layers = module.named_modules() if self.layer is None else ()
        return {name: layer for name, layer in layers if isinstance(layer, nn.Linear)}

    @contextmanager
    def listen(self, module: nn.Module, size: int) -> Iterator[dict[str, Tensor]]:
        """Collect, while the context lasts, the last input with ``size`` rows by layer, in the order they ran."""
        heard: dict[str, Tensor] = {}
        handles = []

        def listener(name: str) -> Callable[..., None]:
            def hear(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
                if inputs and isinstance(inputs[0], Tensor) and inputs[0].ndim == 2 and len(inputs[0]) == size:
                    heard.pop(name, None)
                    heard[name] = inputs[0]

            return hear

        try:
            handles += [layer.register_forward_pre_hook(listener(name)) for name, layer in self.find(module).items()]
            yield heard
        finally:
            for handle in handles:
                handle.remove()

    def choose(self, module: nn.Module, heard: dict[str, Tensor], size: int) -> tuple[Tensor, Tensor] | None:
        """Input of the layer that ran last and its weights; from then on only this layer is listened to.

        Returns
        -------
        features : shape ``(rows, width)``, and weights, shape ``(outputs, width)``: none where the layer is not linear.
            None in place of both: there is no basis, and ``absent`` says why.
        """
        self.absent = "" if heard else self._unheard(module, size)
        if not heard:
            return None
        self.known, self.name = True, next(reversed(heard))
        try:
            features = plain(heard[self.name])
        except Unreadable as error:
            self.absent = f"the input of layer {self.name!r} {error}"
            return None
        if not features.shape[1]:
            self.absent = f"the input of layer {self.name!r} has no units"
            return None
        if self.rows is not None:
            if self._placed is None or self._placed.device != features.device:
                self._placed = torch.tensor(self.rows, device=features.device)
            features = features.index_select(0, self._placed)
        return features, output_weights(module.get_submodule(self.name), features.shape[1])

    def _unheard(self, module: nn.Module, size: int) -> str:
        """Why no layer was heard, and what to do."""
        layers = dict(module.named_modules())
        there = ", ".join(repr(name) for name in layers if name) or "none"
        if self.never_heard and self.layer not in layers:
            return f"layer={self.layer!r} is not in {type(module).__name__}; its layers are: {there}"
        if self.layer is None and not any(isinstance(layer, nn.Linear) for layer in layers.values()):
            return (
                f"{type(module).__name__} has no nn.Linear, whose input would be its basis: name a layer with layer=, "
                f"one of {there}, or attach ErrorFront, OscillationCount and FourierResidual alone"
            )
        asked = "no nn.Linear was" if self.name is None else f"layer={self.name!r} was not"
        return f"{asked} called with an input of shape ({size}, width): name with layer= one that sees a row per point"


class FirstLayer(ReadOut):
    """The first ``nn.Linear`` that ran with a row per point and a column per coordinate: how a network sees its inputs.

    Parameters
    ----------
    dimension : coordinates of a point.
    """

    def __init__(self, dimension: int) -> None:
        super().__init__()
        self._dimension = dimension

    def choose(self, module: nn.Module, heard: dict[str, Tensor], size: int) -> tuple[Tensor, Tensor] | None:
        """Input of the layer that ran first; None where it is none with a column per coordinate."""
        first = dict(list(heard.items())[:1])
        if not first or next(iter(first.values())).shape[1] != self._dimension:
            return None
        return super().choose(module, first, size)


def output_weights(layer: nn.Module, width: int) -> Tensor:
    """Weights by which a layer makes its outputs, shape ``(outputs, width)``; none where it is no linear layer."""
    weight = getattr(layer, "weight", None)
    if isinstance(weight, Tensor):
        with suppress(Unreadable):
            weight = plain(weight)
            if weight.ndim == 2 and weight.shape[1] == width:
                return weight
    return torch.zeros(0, width)
