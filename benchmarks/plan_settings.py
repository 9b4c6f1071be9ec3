"""What a plan's other settings go by: one of them changed at a time, all else as a plan has it.

python benchmarks/plan_settings.py [points axes lengths values width noise] [--write]    # tables of docs/howto/plan.md

Full batch, Adam, width 64, depth 2; steps to 98 % fitted as in benchmarks/plan.py, seeds 0 and 1; -: not reached.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from plan import PAGE, steps_to_fit, write
from plan_targets import Case, along, plane, wave
from torch import Tensor

from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.networks import build
from lightning_seqfit.planning import Recipe
from lightning_seqfit.planning.settings import FOURIER, RATE, SIREN, TURN

SEEDS = (0, 1)
MOST = 2_000
Row = tuple[str, list[str]]


def networks(dimension: int, highest: float, width: int = 64) -> list[Recipe]:
    """A SIREN and Fourier features for a highest frequency, in cycles a unit (the norm over the axes)."""
    omega_0 = SIREN * dimension * 2 * math.pi * highest
    siren = Recipe("siren", dimension, 1, width, omega_0=omega_0, learning_rate=min(RATE, TURN / omega_0))
    fourier = Recipe("fourier", dimension, 1, width, sigma=FOURIER * highest / dimension, learning_rate=RATE)
    return [siren, fourier]


def row(name: str, case: Case, points: Tensor, recipes: list[Recipe], most: int = MOST) -> Row:
    """Steps of each network on the case's own values at these points."""
    assert case.function is not None
    values = case.function(points)[:, None]
    found = [[steps_to_fit(recipe, case, points, values, seed, most) for seed in SEEDS] for recipe in recipes]
    return name, [", ".join("-" if math.isinf(steps) else f"{steps:,.0f}" for steps in each) for each in found]


def line(count: int, low: float = 0.0, length: float = 1.0) -> Tensor:
    return torch.linspace(low, low + length, count)[:, None]


def sine(cycles: float) -> Callable[[Tensor], Tensor]:
    return lambda x: wave(cycles, x)


def points() -> Iterator[Row]:
    """Points a cycle, along a line and along each axis of the plane."""
    for cycles in (5, 13, 30):
        for density in (2.5, 3, 4, 5):
            name = f"{cycles} cycles, {density:g} points a cycle, evenly"
            yield row(name, along(sine(cycles)), line(math.ceil(density * cycles)), networks(1, cycles), 600)
        for density in (8, 13, 20):
            generator = torch.Generator().manual_seed(1)
            places = torch.rand(density * cycles, 1, generator=generator)
            yield row(
                f"{cycles} cycles, {density} points a cycle, at random", along(sine(cycles)), places,
                networks(1, cycles), 600,
            )  # fmt: skip
    product = plane(lambda x, y: wave(2.5, x) * wave(2.5, y))
    for density in (4, 5, 6):
        axis = torch.linspace(-1, 1, 5 * density)
        places = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(-1, 2)
        name = f"5 by 5 cycles in the plane, {density} points a cycle along each axis"
        yield row(name, product, places, networks(2, math.hypot(2.5, 2.5)), 600)
    for density in (5, 8, 10):
        generator = torch.Generator().manual_seed(1)
        places = 2 * torch.rand((5 * density) ** 2, 2, generator=generator) - 1
        name = f"5 by 5 cycles in the plane, ({density} points a cycle)^2 at random"
        yield row(name, product, places, networks(2, math.hypot(2.5, 2.5)), 600)


def axes() -> Iterator[Row]:
    """A plane along whose axes a target oscillates unalike, as it is and with the slower axis mapped to less."""
    product = plane(lambda x, y: wave(6, x) * wave(1, y))
    places = torch.stack(
        torch.meshgrid(torch.linspace(-1, 1, 72), torch.linspace(-1, 1, 12), indexing="ij"), dim=-1
    ).reshape(-1, 2)
    yield row("[-1, 1] by [-1, 1]", product, places, networks(2, math.hypot(6, 1)), 600)
    yield row("[-1, 1] by [-1, 1], omega_0 and sigma as below", product, places, networks(2, math.hypot(6, 6)), 600)
    alike = [replace(each, bounds=((-1.0, 1.0), (-6.0, 6.0))) for each in networks(2, math.hypot(6, 6))]
    yield row("[-1, 1] by [-1/6, 1/6]", product, places, alike, 600)


def lengths() -> Iterator[Row]:
    """Length of the domain, and how far from 0 it lies, of 13 cycles."""
    for length in (0.01, 0.1, 1.0, 5.0, 10.0, 30.0, 100.0):
        case = along(sine(13 / length), [(0.0, length)])
        yield row(f"[0, {length:g}]", case, line(400, 0.0, length), networks(1, 13 / length))
    for low in (3.0, 10.0, 30.0):
        case = along(sine(13), [(low, low + 1)])
        yield row(f"[{low:g}, {low + 1:g}]", case, line(400, low), networks(1, 13))


def values() -> Iterator[Row]:
    """Size and mean of the values, of 13 cycles."""
    for size in (0.01, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0):
        case = along(lambda x, size=size: size * wave(13, x))  # type: ignore[misc]
        yield row(f"amplitude {size:g}", case, line(400), networks(1, 13))
    for mean in (1.0, 3.0, 10.0, 100.0):
        case = along(lambda x, mean=mean: mean + wave(13, x))  # type: ignore[misc]
        yield row(f"mean {mean:g}, amplitude 1", case, line(400), networks(1, 13))


def width() -> Iterator[Row]:
    """Units in a layer, for many cycles and for sums of waves of random size."""
    for cycles in (13, 60, 120):
        for units in (16, 32, 64, 128):
            case = along(sine(cycles))
            yield row(f"{cycles} cycles, width {units}", case, line(max(400, 5 * cycles)), networks(1, cycles, units))
    for waves in (30, 60):
        numbers = np.random.default_rng(0)
        sizes = torch.tensor(numbers.standard_normal(waves) / math.sqrt(waves / 2))
        phases = torch.tensor(numbers.uniform(0, 2 * math.pi, waves))
        every = torch.arange(1, waves + 1)

        def random_sum(x: Tensor, sizes: Tensor = sizes, phases: Tensor = phases, every: Tensor = every) -> Tensor:
            angles = 2 * math.pi * every * x[:, None].double() + phases
            return (sizes * angles.sin()).sum(dim=1).to(x)

        for units in (32, 64, 128):
            name = f"1 to {waves} cycles of random sizes, width {units}"
            yield row(name, along(random_sum), line(8 * waves), networks(1, waves, units))


def noise() -> Iterator[Row]:
    """Noise in the training values: where a SIREN is at step 1,000, by omega_0 and points a cycle."""
    clean = along(sine(8))
    for share in (0.2, 0.4, 0.7):
        for density in (10, 50, 150):
            places = line(8 * density)
            drawn = torch.randn(len(places), 1, generator=torch.Generator().manual_seed(2))
            noisy = wave(8, places[:, 0])[:, None] + share * math.sqrt(0.5) * drawn
            cells = []
            for factor in (1.0, 0.36):
                omega_0 = factor * SIREN * 2 * math.pi * 8
                recipe = Recipe("siren", omega_0=omega_0, learning_rate=min(RATE, TURN / omega_0))
                cells.append(
                    ", ".join(f"{100 * fitted_at(recipe, clean, places, noisy, seed):.0f} %" for seed in SEEDS)
                )
            yield f"noise of {share:g} of the oscillation, {density} points a cycle", cells


def fitted_at(recipe: Recipe, case: Case, places: Tensor, noisy: Tensor, seed: int, step: int = 1_000) -> float:
    """Fitted share of the clean target after so many steps on the noisy values."""
    torch.manual_seed(seed)
    network = build(recipe)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    for _ in range(step):
        optimizer.zero_grad()
        (network(places) - noisy).square().mean().backward()
        optimizer.step()
    front = FrontDiagnostic(0.25)
    front.begin(case.scene)
    seen = case.probe.observe(network, case.scene.target)
    scale = case.scene.scale.at_first(case.scene.geometry, seen.residual)
    return float(front.look(seen, scale, step).scalars["front/fitted"])


TABLES: dict[str, tuple[Callable[[], Iterator[Row]], tuple[str, ...]]] = {
    "points": (points, ("SIREN", "Fourier features")),
    "axes": (axes, ("SIREN", "Fourier features")),
    "lengths": (lengths, ("SIREN", "Fourier features")),
    "values": (values, ("SIREN", "Fourier features")),
    "width": (width, ("SIREN", "Fourier features")),
    "noise": (noise, ("omega_0 as without noise", "0.36 times that")),
}


def table(name: str) -> str:
    """A table of one setting, in Markdown."""
    rows, columns = TABLES[name]
    lines = [f"| {name} | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for what, cells in rows():
        lines.append(f"| {what} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(TABLES), metavar="NAME", help=f"of {', '.join(TABLES)}")
    parser.add_argument("--write", action="store_true", help="into docs/howto/plan.md")
    asked: Any = parser.parse_args()
    torch.set_num_threads(1)
    for name in asked.names:
        text = table(name)
        if asked.write:
            write(PAGE, name, text)


if __name__ == "__main__":
    main()
