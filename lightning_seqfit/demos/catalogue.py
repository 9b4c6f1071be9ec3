"""The demos by name: what trains, where to look at it, how long each network and optimizer takes, how often to look.

Stated in the article: two hidden layers, tanh, Adam at 5e-3, sin(26 pi x). Boxes, the other targets, widths, numbers of
points and of steps are this project's own, chosen by trying.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import lightning as L
import torch
from torch import Tensor

from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import targets
from lightning_seqfit.demos.data import co2_monthly, co2_weekly
from lightning_seqfit.demos.data.samples import elevation, portrait
from lightning_seqfit.demos.modules import SIRENCO2, FunctionRegression, TanhCO2
from lightning_seqfit.demos.pinns import (
    Advection,
    Helmholtz,
    Poisson,
    advection_residual,
    helmholtz_residual,
    poisson_residual,
)
from lightning_seqfit.demos.regression import Regression
from lightning_seqfit.geometry import Grid
from lightning_seqfit.networks import make_network
from lightning_seqfit.probe import Probe

Pace = tuple[int, int | None]
Bounds = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Demo:
    """One training to watch.

    Attributes
    ----------
    name : as ``seqfit demo`` takes it.
    title : what is fitted, in words.
    module : (network="tanh", optimizer="adam") -> the module that trains.
    probes : () -> the probes that watch it.
    paces : steps of a training, and steps between two looks at it (None: as the callbacks have them), by network; those
        of tanh by optimizer.
    options : further options of ``seqfit demo`` by name, each from its value to the demo that it asks for.
    target : points (N, d) to values (N,), where a function on a box is fitted.
    bounds : that box, (low, high) per axis.
    """

    name: str
    title: str
    module: Callable[..., L.LightningModule]
    probes: Callable[[], list[Probe]]
    paces: Mapping[str, Pace]
    options: Mapping[str, Callable[[Any], Demo]] = field(default_factory=dict)
    target: Callable[[Tensor], Tensor] | None = None
    bounds: Bounds = ((0.0, 1.0),)

    @property
    def networks(self) -> list[str]:
        """What it can be trained with."""
        return [network for network in NETWORKS if network == "tanh" or network in self.paces]

    @property
    def optimizers(self) -> list[str]:
        """What it can be trained by."""
        return [optimizer for optimizer in OPTIMIZERS if optimizer in self.paces]

    def pace(self, network: str = "tanh", optimizer: str = "adam") -> Pace:
        """Steps that a training takes, and steps between two looks at it."""
        return self.paces[optimizer if network == "tanh" else network]

    def callbacks(self, network: str = "tanh", optimizer: str = "adam") -> list[SequentialFitting]:
        """Make the callbacks that watch it, one a probe."""
        _, every_n_steps = self.pace(network, optimizer)
        watch = partial(SequentialFitting, every_n_steps=every_n_steps) if every_n_steps else SequentialFitting
        return [watch(probe) for probe in self.probes()]


NETWORKS = ("tanh", "siren", "fourier")
OPTIMIZERS = ("adam", "lbfgs", "soap")

_LINE = {"adam": (8_000, None), "soap": (4_000, 50), "lbfgs": (300, 5), "siren": (500, 1), "fourier": (500, 1)}
_PLANE = {"adam": (8_000, 50), "soap": (1_000, 20), "lbfgs": (300, 5), "siren": (400, 2), "fourier": (400, 2)}
_SQUARE = ((-1.0, 1.0), (-1.0, 1.0))


def _function(
    name: str,
    title: str,
    target: Callable[[Tensor], Tensor],
    bounds: Bounds = ((0.0, 1.0),),
    options: Mapping[str, Callable[[Any], Demo]] | None = None,
) -> Demo:
    module, probes = partial(FunctionRegression, target, bounds), lambda: [Probe.grid(bounds, target)]
    return Demo(name, title, module, probes, _LINE if len(bounds) == 1 else _PLANE, options or {}, target, bounds)


def tapered(share: float) -> Demo:
    """Demo of the tapered sine with another share of each end tapered; a share that cannot be is a ValueError."""
    targets.tapered_sine(torch.zeros(1, 1), share)
    return _function("taper", DEMOS["taper"].title, partial(targets.tapered_sine, share=share))


def similarity(demo: Demo) -> float:
    """Cosine similarity of the magnitude spectra of a demo's target and of sin(26 pi x); NaN where boxes differ."""
    sine = DEMOS["sine"]
    if demo.target is None or demo.bounds != sine.bounds:
        return math.nan
    return targets.spectral_similarity(demo.target, targets.sine)


def _co2(network: str = "tanh", optimizer: str = "adam", weekly: bool = False) -> L.LightningModule:
    return SIRENCO2(weekly=weekly) if network == "siren" else TanhCO2(weekly=weekly)


def _co2_probes() -> list[Probe]:
    """A probe of the monthly record: years on the axis, ppm as values."""
    years, ppm = co2_monthly()
    month = 1 / 12
    bounds = [(float(years[0]) - month / 2, float(years[-1]) + month / 2)]
    return [Probe.grid(bounds=bounds, target=ppm, resolution=len(ppm), axes=["year"], quantity="CO2 (ppm)")]


def _co2_weekly_probes() -> list[Probe]:
    """A probe of the weekly record at its own points, gaps and all."""
    years, ppm = co2_weekly()
    return [Probe.points(years, ppm, axes=["year"], quantity="CO2 (ppm)")]


_PORTRAIT = ((-0.85, 0.85), (-1.0, 1.0))


def _plane(points: Any, values: Any, network: str) -> L.LightningModule:
    """A module that fits values (N,) or (N, k) at points (N, 2)."""
    outputs = values[0].size
    learning_rate = 1e-3 if network == "siren" else 5e-3
    made = make_network(network, 2, outputs, width=64, omega_0=30.0, scale=3.0)
    return Regression(made, points, values, normalize=True, learning_rate=learning_rate)


def _elevation(network: str = "tanh", optimizer: str = "adam") -> L.LightningModule:
    return _plane(*elevation(), network)


def _elevation_probes() -> list[Probe]:
    """A probe at the places where the elevation is known, in kilometres and metres."""
    return [Probe.points(*elevation(), axes=("east", "north"), quantity="elevation (m)")]


def _portrait(network: str = "tanh", optimizer: str = "adam") -> L.LightningModule:
    colours = portrait()
    return _plane(Grid(_PORTRAIT, colours.shape[:2], ("x", "y")).points, colours.reshape(-1, 3), network)


def _portrait_probes() -> list[Probe]:
    """A probe of all three colours: an error is the length of theirs."""
    colours = portrait()
    resolution = colours.shape[:2]
    return [Probe.grid(_PORTRAIT, colours, resolution=resolution, output="norm", quantity="red, green, blue")]


def _equation(
    name: str,
    title: str,
    equation: type[Helmholtz | Advection | Poisson],
    residual: Callable[..., Tensor],
    *axes: str,
    box: Bounds | None = None,
    every_n_steps: int | None = None,
    **options: Any,
) -> Demo:
    options |= {"bounds": box or [(0.0, 1.0)] * len(axes), "axes": axes}

    def probes() -> list[Probe]:
        return [
            Probe.grid(target=equation().solution, quantity="u", **options),
            Probe.grid(target=0.0, predict=residual, needs_grad=True, name="residual", quantity="residual", **options),
        ]

    def module(network: Any = "tanh", optimizer: str = "adam") -> L.LightningModule:
        return equation(network=network)

    return Demo(name, title, module, probes, {"adam": (8_000, every_n_steps), "siren": (2_000, 20)})


DEMOS: dict[str, Demo] = {
    demo.name: demo
    for demo in (
        _function("sine", "sin(26 pi x)", targets.sine),
        _function("cosine", "cos(26 pi x)", targets.cosine),
        _function("taper", "sin(26 pi x), tapered to 0 at both ends", targets.tapered_sine, options={"taper": tapered}),
        _function("bump", "sin(26 pi x) under a smooth bump", targets.sine_under_bump),
        _function("multi-scale", "cosines of 1, 2, 4 and 8 cycles", targets.multi_scale),
        _function("wide", "sin(2 pi x) on [-6.5, 6.5]", targets.low_frequency, ((-6.5, 6.5),)),
        _function("plane", "sin(13 pi x), a plane wave", targets.plane_wave, _SQUARE),
        _function("product", "sin(5 pi x) sin(5 pi y)", targets.product_wave, _SQUARE),
        _function("radial", "sin(6 pi r)", targets.radial_wave, _SQUARE),
        _function("image", "a photograph", targets.photograph, _SQUARE),
        Demo(
            "co2",
            "the CO2 record of Mauna Loa",
            _co2,
            _co2_probes,
            {"adam": (8_000, None), "siren": (1_500, 5)},
            {"weekly": lambda _: DEMOS["co2-weekly"]},
        ),
        Demo(
            "co2-weekly",
            "the weekly record with its gaps, at its own points",
            partial(_co2, weekly=True),
            _co2_weekly_probes,
            {"adam": (8_000, None), "siren": (1_500, 20)},
        ),
        _equation(
            "helmholtz", "u'' + 9 u = f with u = sin(8 pi x), by its residual", Helmholtz, helmholtz_residual, "x"
        ),
        _equation("advection", "u_t + u_x = 0, by its residual", Advection, advection_residual, "x", "t"),
        _equation(
            "l-shape",
            "-(u_xx + u_yy) = f on an L with u = sin(3 pi x) sin(3 pi y), by its residual",
            Poisson,
            poisson_residual,
            "x",
            "y",
            box=_SQUARE,
            every_n_steps=100,
            inside=Poisson.inside,
        ),
        Demo(
            "elevation",
            "a map's elevation at 8,000 random places",
            _elevation,
            _elevation_probes,
            {"adam": (4_000, None), "siren": (500, 5), "fourier": (500, 5)},
        ),
        Demo(
            "photograph",
            "a photograph in colour, all three colours at once",
            _portrait,
            _portrait_probes,
            {"adam": (3_000, None), "siren": (800, 10), "fourier": (800, 10)},
        ),
    )
}
