"""The article's setups by name: target, box, and how long each network and optimizer takes.

Stated in the article: two hidden layers, tanh, Adam at 5e-3, sin(26 pi x). Boxes, the other targets, widths, numbers of
points and of steps are this project's own, chosen by trying.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from lightning_seqfit.demos import targets
from lightning_seqfit.demos.modules import FunctionRegression
from lightning_seqfit.probe import Probe


@dataclass(frozen=True)
class Setup:
    """A target on a box.

    Attributes
    ----------
    name : as ``seqfit demo`` takes it.
    title : what is fitted, in words.
    target : points (N, d) to values (N,).
    bounds : (low, high) per axis.
    """

    name: str
    title: str
    target: Callable[[Tensor], Tensor]
    bounds: tuple[tuple[float, float], ...] = ((0.0, 1.0),)

    def module(self, network: str = "tanh", optimizer: str = "adam") -> FunctionRegression:
        """Make the module that trains."""
        return FunctionRegression(self.target, self.bounds, network, optimizer)  # type: ignore[arg-type]

    def probe(self) -> Probe:
        """Make the probe that watches it."""
        return Probe.grid(self.bounds, self.target)

    def pace(self, network: str = "tanh", optimizer: str = "adam") -> tuple[int, int]:
        """Steps that a training takes, and steps between two looks at it."""
        line = len(self.bounds) == 1
        if network != "tanh":
            return (500, 1) if line else (400, 2)
        if optimizer == "soap":
            return (4_000, 50) if line else (1_000, 20)
        if optimizer == "lbfgs":
            return (300, 5)
        return (8_000, 100) if line else (8_000, 50)


_SQUARE = ((-1.0, 1.0), (-1.0, 1.0))

SETUPS = {
    setup.name: setup
    for setup in (
        Setup("sine", "sin(26 pi x)", targets.sine),
        Setup("cosine", "cos(26 pi x)", targets.cosine),
        Setup("taper", "sin(26 pi x), tapered to 0 at both ends", targets.tapered_sine),
        Setup("bump", "sin(26 pi x) under a smooth bump", targets.sine_under_bump),
        Setup("multi-scale", "cosines of 1, 2, 4 and 8 cycles", targets.multi_scale),
        Setup("wide", "sin(2 pi x) on [-6.5, 6.5]", targets.low_frequency, ((-6.5, 6.5),)),
        Setup("plane", "sin(13 pi x), a plane wave", targets.plane_wave, _SQUARE),
        Setup("product", "sin(5 pi x) sin(5 pi y)", targets.product_wave, _SQUARE),
        Setup("radial", "sin(6 pi r)", targets.radial_wave, _SQUARE),
        Setup("image", "a photograph", targets.photograph, _SQUARE),
    )
}


def tapered(share: float) -> Setup:
    """Setup of the tapered sine with another share of each end tapered."""
    targets.tapered_sine(torch.zeros(1, 1), share)  # refuses a share that cannot be
    return replace(SETUPS["taper"], target=partial(targets.tapered_sine, share=share))
