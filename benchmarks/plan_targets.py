"""Targets that no rule of a plan was made with, and those made after a rule had been changed."""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_seqfit import Probe
from lightning_seqfit.demos.data import co2_weekly
from lightning_seqfit.demos.data.samples import elevation
from lightning_seqfit.diagnostics.base import Scene
from lightning_seqfit.diagnostics.scene import read_scene

LINE, SQUARE = [(0.0, 1.0)], [(-1.0, 1.0), (-1.0, 1.0)]


@dataclass(frozen=True)
class Case:
    """A target to plan for: the probe, and a function of points where values can be had anywhere."""

    probe: Probe
    function: Callable[[Tensor], Tensor] | None = None

    @cached_property
    def scene(self) -> Scene:
        return read_scene(self.probe, torch.nn.Linear(self.probe.geometry.dimension, 1))


def along(function: Callable[[Tensor], Tensor], bounds: list[tuple[float, float]] = LINE) -> Case:
    def target(points: Tensor) -> Tensor:
        return function(points[:, 0])

    return Case(Probe.grid(bounds, target), target)


def plane(function: Callable[[Tensor, Tensor], Tensor], bounds: list[tuple[float, float]] = SQUARE) -> Case:
    def target(points: Tensor) -> Tensor:
        return function(points[:, 0], points[:, 1])

    return Case(Probe.grid(bounds, target), target)


def image(values: np.ndarray[Any, Any]) -> Case:
    return Case(Probe.grid(SQUARE, values.astype(np.float64), resolution=list(values.shape)))


def blocks(values: np.ndarray[Any, Any], size: int) -> np.ndarray[Any, Any]:
    """Means over blocks of size x size."""
    rows, columns = (each // size for each in values.shape)
    kept = values[: rows * size, : columns * size].astype(np.float64)
    means: np.ndarray[Any, Any] = kept.reshape(rows, size, columns, size).mean(axis=(1, 3))
    return means


def sample(name: str) -> bytes:
    from matplotlib import get_data_path

    content = (Path(get_data_path()) / "sample_data" / name).read_bytes()
    return gzip.decompress(content) if name.endswith(".gz") else content


def packet(x: Tensor, centre: float, width: float) -> Tensor:
    return torch.exp(-(((x - centre) / width) ** 2) / 2)


def wave(cycles: float, x: Tensor, phase: float = 0.0) -> Tensor:
    return torch.sin(2 * torch.pi * cycles * x + phase)


def bursts(x: Tensor) -> Tensor:
    return sum(
        (wave(cycles, x) * packet(x, centre, 0.06) for cycles, centre in ((10, 0.2), (18, 0.5), (30, 0.8))),
        torch.zeros_like(x),
    )


def patches(x: Tensor, y: Tensor) -> Tensor:
    return wave(4, x) * packet(x, -0.4, 0.3) * packet(y, 0.3, 0.3) + wave(3, x + y) * packet(x, 0.4, 0.25) * packet(
        y, -0.4, 0.25
    )


def several(x: Tensor) -> Tensor:
    return wave(4, x, 0.3) + 0.7 * wave(11, x, 1.1) + 0.5 * wave(23, x, 2.0)


def sea(x: Tensor, y: Tensor) -> Tensor:
    return wave(1.2, x + 0.4 * y) + 0.6 * wave(2.3, y - 0.5 * x, 0.7) + 0.4 * wave(3.6, x - y, 1.9)


def field(x: Tensor, y: Tensor) -> Tensor:
    """A random field whose amplitudes fall as 1 / frequency, up to 8 cycles along each axis."""
    generator = np.random.default_rng(7)
    total = torch.zeros_like(x)
    for kx in range(9):
        for ky in range(-8, 9):
            if 0 < math.hypot(kx, ky) <= 8:
                size, phase = generator.standard_normal() / math.hypot(kx, ky), 2 * math.pi * generator.random()
                total = total + size * torch.cos(math.pi * (kx * x + ky * y) + phase)
    return total


def bumps(x: Tensor, y: Tensor) -> Tensor:
    centres = np.random.default_rng(8).uniform(-1, 1, (25, 2))
    return sum((packet(x, a, 0.12) * packet(y, b, 0.12) for a, b in centres), torch.zeros_like(x))


def cells(x: Tensor, y: Tensor) -> Tensor:
    """Distance from the nearest of 12 points: kinks between them."""
    centres = torch.tensor(np.random.default_rng(9).uniform(-1, 1, (12, 2)), dtype=x.dtype)
    return torch.cdist(torch.stack([x, y], dim=1), centres).min(dim=1).values


def octaves_in_plane(x: Tensor, y: Tensor) -> Tensor:
    terms = [(wave(k / 2, x, k) * wave(k / 2, y, 2.0 * k)) / k**0.5 for k in (1, 2, 4, 8)]
    return torch.stack(terms).sum(dim=0)


def picture(name: str, size: int) -> Case:
    from matplotlib.image import imread

    pixels = imread(io.BytesIO(sample(name)), format="png")[..., :3].mean(axis=2)
    return image(blocks(pixels, size))


def brain() -> Case:
    scan = np.frombuffer(sample("s1045.ima.gz"), np.uint16).reshape(256, 256)
    return image(blocks(scan, 8))


def land() -> Case:
    points, metres = elevation(4_000)
    return Case(Probe.points(points, metres))


def sea_floor() -> Case:
    with np.load(io.BytesIO(sample("topobathy.npz"))) as archive:
        return image(blocks(archive["topo"], 3))


def eeg() -> Case:
    trace = np.frombuffer(sample("eeg.dat"), float).reshape(-1, 4)[:, 0]
    return Case(Probe.grid([(0.0, 4.0)], trace, resolution=len(trace), axes=["s"]))


def co2() -> Case:
    years, ppm = co2_weekly()
    return Case(Probe.points(years, ppm, axes=["year"]))


#: Held out: no rule and no number of the plan was found with any of these.
CASES: dict[str, Callable[[], Case]] = {
    "exponential chirp, 4 to 79 cycles a unit": partial(along, lambda x: torch.sin(8.2 * (torch.exp(3.0 * x)))),
    "three bursts": partial(along, bursts),
    "three sines": partial(along, several),
    "triangle wave": partial(along, lambda x: torch.asin(0.98 * wave(6, x))),
    "decaying oscillation": partial(along, lambda x: torch.exp(-3 * x) * wave(15, x)),
    "beating": partial(along, lambda x: (1 + 0.8 * wave(2, x)) * wave(21, x)),
    "sine on a steep line, 0 to 50": partial(along, lambda x: x / 5 + wave(0.36, x), [(0.0, 50.0)]),
    "noisy sine": lambda: Case(
        Probe.points(
            np.linspace(0, 1, 600),
            np.sin(2 * np.pi * 7 * np.linspace(0, 1, 600)) + 0.15 * np.random.default_rng(5).standard_normal(600),
        )
    ),
    "EEG, 4 s": eeg,
    "CO2, weekly since 1958": co2,
    "three oblique waves": partial(plane, sea),
    "rings that close up": partial(plane, lambda x, y: torch.cos(14 * (x**2 + y**2))),
    "two patches": partial(plane, patches),
    "wave packet that travels": partial(
        plane, lambda x, t: wave(9, x - 0.3 * t) * packet(x - 0.3 * t, 0.35, 0.15), [(0.0, 1.0), (0.0, 1.0)]
    ),
    "10 by 1, 7 by 2 cycles": partial(
        plane, lambda x, y: wave(0.7, x) * wave(2, y) + 0.1 * x, [(0.0, 10.0), (0.0, 1.0)]
    ),
    "MRI of a head, 32 x 32": brain,
    "sea floor, 30 x 40": sea_floor,
    "elevation at 4,000 places": land,
}
#: Held out as well, and first looked at when the rule for the plane had been changed after the results of the others.
FRESH: dict[str, Callable[[], Case]] = {
    "random field, amplitudes 1 / f": partial(plane, field),
    "25 bumps": partial(plane, bumps),
    "distance from 12 points": partial(plane, cells),
    "spiral": partial(
        plane, lambda x, y: torch.cos(2 * torch.atan2(y, x) + 12 * torch.hypot(x, y)) * torch.hypot(x, y)
    ),
    "four octaves in the plane": partial(plane, octaves_in_plane),
    "a logo, in blocks": partial(picture, "logo2.png", 8),
    "a parcel, in blocks": partial(picture, "Minduka_Present_Blue_Pack.png", 4),
}
