"""Whether a plan holds: omega_0 and sigma against a grid of 12 values, on targets that no rule was made with.

python benchmarks/plan.py [--processes 1] [--folder build/plan]    # the table of docs/howto/plan.md
python benchmarks/plan.py --tanh                             # steps of a plain tanh network
python benchmarks/plan.py --rates                            # against learning rates that do not go with omega_0

Trained: the plan's own recipe (width, depth, learning rate, inputs and values), full batch, on as many evenly spaced
points as the plan asks for, at least 400 or 48 x 48, or on the values that are given. A value of the grid differs in
omega_0 or sigma alone. Fitted: front/fitted >= 0.98 at a look and at the next, looks at steps x 1.08.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from plan_targets import CASES, FRESH, Case, along, plane, wave
from torch import Tensor

from lightning_seqfit import Plan
from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.networks import build
from lightning_seqfit.planning import Recipe

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "plan.md"
SEEDS = (0, 1, 2)
GRID = np.geomspace(0.06, 4.0, 12)
#: Steps after which it is given up, on a line and in the plane.
MOST = {1: 2_000, 2: 600}
MOST_TANH = 15_000


def looks(most: int) -> set[int]:
    steps = [1]
    while steps[-1] < most:
        steps.append(max(steps[-1] + 1, math.ceil(1.08 * steps[-1])))
    return {*steps}


def steps_to_fit(recipe: Recipe, case: Case, points: Tensor, values: Tensor, seed: int, most: int) -> float:
    """Steps to the first of two looks in a row at which it is fitted; ``inf``: not within ``most``."""
    torch.manual_seed(seed)
    network = build(recipe)
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    scene, front = case.scene, FrontDiagnostic(0.25)
    front.begin(scene)
    due, before = looks(most), math.inf
    for step in range(1, most + 1):
        optimizer.zero_grad()
        (network(points) - values).square().mean().backward()
        optimizer.step()
        if step in due:
            seen = case.probe.observe(network, scene.target)
            scale = scene.scale.at_first(scene.geometry, seen.residual)
            fitted = front.look(seen, scale, step).scalars["front/fitted"] >= 0.98
            if fitted and before < step:
                return before
            before = float(step) if fitted else math.inf
    return math.inf


def data(case: Case, plan: Plan) -> tuple[Tensor, Tensor]:
    """Training points (N, d) and values (N, 1)."""
    if case.function is None:
        assert isinstance(case.probe.target, np.ndarray)
        points = torch.tensor(case.probe.geometry.asked, dtype=torch.float32)
        return points, torch.tensor(case.probe.target.reshape(-1, 1), dtype=torch.float32)
    least = 400 if len(plan.bounds) == 1 else 48
    axes = [
        torch.linspace(low, high, max(least, count))
        for (low, high), count in zip(plan.bounds, plan.evenly.value, strict=True)
    ]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, len(axes))
    return points, case.function(points)[:, None]


def highest_seen(plan: Plan) -> float:
    """Highest frequency along any axis, in cycles per unit as the network sees it."""
    seen = [2 / (high - low) for low, high in plan.box] if plan.box else [1.0] * len(plan.bounds)
    return max(
        cycles / ((high - low) * scale)
        for cycles, (low, high), scale in zip(plan.frequencies, plan.bounds, seen, strict=True)
    )


def measured(name: str, network: str) -> dict[str, Any]:
    """Steps of the recommendation and of each value of the grid, a number a seed."""
    torch.set_num_threads(1)
    case = {**CASES, **FRESH}[name]()
    plan = case.probe.plan()
    points, values = data(case, plan)
    recipe = plan.recipe(network)
    most = MOST[len(plan.bounds)]
    own = [steps_to_fit(recipe, case, points, values, seed, most) for seed in SEEDS]
    longest = most if math.isinf(max(own)) else min(most, math.ceil(2 * max(own)) + 10)
    highest, grid = highest_seen(plan), {}
    for share in sorted(GRID, key=lambda each: abs(math.log(each / 0.5))):
        value = float(share * highest)
        other = replace(recipe, omega_0=2 * math.pi * value, sigma=value)
        grid[f"{share:.3f}"] = [steps_to_fit(other, case, points, values, seed, longest) for seed in SEEDS]
    return {
        "target": name,
        "network": network,
        "frequencies": plan.frequencies,
        "width": recipe.width,
        "rate": recipe.learning_rate,
        "value": recipe.omega_0 if network == "siren" else recipe.sigma,
        "share": (recipe.omega_0 / 2 / math.pi if network == "siren" else recipe.sigma) / highest,
        "own": own,
        "grid": grid,
        "most": most,
        "longest": longest,
    }


def with_rate(name: str, network: str, rate: float) -> str:
    """The plan and the best of the grid at another learning rate, and the plan at its own; seed 0."""
    torch.set_num_threads(1)
    case = {**CASES, **FRESH}[name]()
    plan = case.probe.plan()
    points, values = data(case, plan)
    recipe, most = replace(plan.recipe(network), learning_rate=rate), MOST[len(plan.bounds)]
    own, best = steps_to_fit(recipe, case, points, values, 0, most), (math.inf, math.nan)
    for share in sorted(GRID, key=lambda each: abs(math.log(each / 0.5))):
        value = float(share * highest_seen(plan))
        other = replace(recipe, omega_0=2 * math.pi * value, sigma=value)
        longest = int(min(most, best[0], 2 * own + 10))
        best = min(best, (steps_to_fit(other, case, points, values, 0, longest), float(share)))
    usual = steps_to_fit(plan.recipe(network), case, points, values, 0, most)
    said = f"{own:g}, best {best[0]:g} (c = {best[1]:.3f}), {own / best[0]:.2f} times"
    return f"{name}, {network}, rate {rate:g}: {said}; at the plan's rate {usual:g}"


def kept(folder: Path, name: str, measure: Callable[[], Any]) -> Any:
    """What a file holds, or what is measured now and put there."""
    file = folder / f"{''.join(each if each.isalnum() else '-' for each in name)}.json"
    if not file.exists():
        found = measure()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found))
        print(name, found, flush=True)
    return json.loads(file.read_text())


def one(folder: Path, name: str, network: str) -> dict[str, Any]:
    found: dict[str, Any] = kept(folder, f"{network} {name}", partial(measured, name, network))
    return found


def hann(x: Tensor) -> Tensor:
    return torch.sin(torch.pi * x) ** 2


def octaves(highest: float, x: Tensor) -> Tensor:
    return sum(
        (torch.cos(2 * torch.pi * each * x) / each**0.5 for each in (1, 2, 4, 8) if each <= highest),
        torch.zeros_like(x),
    )


OCTAVES, WINDOWED = "octaves up to", "product under a window"
#: What the table of a tanh network is of: from cycles to a function on [0, 1], or on [-1, 1]^2.
ON_LINE: dict[str, Callable[[float, Tensor], Tensor]] = {
    "sine": wave,
    "cosine": lambda cycles, x: wave(cycles, x, torch.pi / 2),
    "sine, a fifth of each end tapered": lambda cycles, x: (
        wave(cycles, x) * (torch.minimum(x, 1 - x) / 0.2).clamp(0, 1)
    ),
    "sine under a Hann window": lambda cycles, x: wave(cycles, x) * hann(x),
    "parabola + 0.3 sine": lambda cycles, x: 4 * (x - 0.5) ** 2 + 0.3 * wave(cycles, x),
    "3 x + 0.3 sine": lambda cycles, x: 3 * x + 0.3 * wave(cycles, x),
    OCTAVES: octaves,
}
IN_PLANE: dict[str, Callable[[float, Tensor, Tensor], Tensor]] = {
    "plane wave": lambda cycles, x, y: wave(cycles / 2, x),
    "product": lambda cycles, x, y: wave(cycles / 2, x) * wave(cycles / 2, y),
    WINDOWED: lambda cycles, x, y: (
        wave(cycles / 2, x) * wave(cycles / 2, y) * (torch.cos(torch.pi / 2 * x) * torch.cos(torch.pi / 2 * y)) ** 2
    ),
}
#: Of these it was measured what a domain of twice the length changes.
LONGER = ("sine", "sine under a Hann window", "parabola + 0.3 sine")
TANH_CYCLES = {1: (1, 2, 3, 5, 8, 13, 20), 2: (1, 2, 3, 5)}


def tanh_jobs() -> Iterator[tuple[str, float, int]]:
    """Kind, length of the domain on a line (0: the plane), and cycles."""
    yield from ((kind, 1.0, cycles) for kind in ON_LINE for cycles in TANH_CYCLES[1] if kind != OCTAVES)
    yield from ((OCTAVES, 1.0, cycles) for cycles in (2, 8))
    yield from ((kind, 2.0, cycles) for kind in LONGER for cycles in TANH_CYCLES[1])
    yield from ((kind, 0.0, cycles) for kind in IN_PLANE for cycles in TANH_CYCLES[2] if kind != WINDOWED or cycles < 5)


def tanh_steps_of(kind: str, length: float, cycles: float) -> list[float]:
    """Steps of a plain tanh network, a number a seed."""
    torch.set_num_threads(1)
    if length:
        low = 0.0 if length == 1.0 else -1.0
        case = along(lambda x: ON_LINE[kind](cycles, (x - low) / length), [(low, low + length)])
    else:
        case = plane(lambda x, y: IN_PLANE[kind](cycles, x, y))
    plan = case.probe.plan()
    points, values = data(case, replace(plan, evenly=replace(plan.evenly, value=(1,) * len(plan.bounds))))
    recipe = Recipe("tanh", len(plan.bounds), width=50, learning_rate=5e-3)
    return [steps_to_fit(recipe, case, points, values, seed, MOST_TANH) for seed in (0, 1)]


def tanh_of(folder: Path, kind: str, length: float, cycles: float) -> list[float]:
    found: list[float] = kept(folder, f"tanh {kind} {length} {cycles}", partial(tanh_steps_of, kind, length, cycles))
    return found


def tanh_table(jobs: list[tuple[str, float, int]], results: list[list[float]]) -> str:
    cycles = sorted({each for _, _, each in jobs})
    found = dict(zip(jobs, results, strict=True))
    rows = []
    for kind, length in dict.fromkeys((kind, length) for kind, length, _ in jobs):
        domain = {0.0: "[-1, 1]^2", 1.0: "[0, 1]", 2.0: "[-1, 1]"}[length]
        cells = [span(found.get((kind, length, each), [])) for each in cycles]
        rows.append(f"| {kind} | {domain} | {' | '.join(cells)} |")
    head = f"| target | domain | {' | '.join(f'{each} cycles' for each in cycles)} |"
    return "\n".join([head, f"|---|---|{'---|' * len(cycles)}", *rows])


def span(steps: list[float]) -> str:
    if not steps:
        return ""
    low, high = min(steps), max(steps)
    if math.isinf(low):
        return "-"
    return f"{low:,.0f}" if low == high else f"{low:,.0f} to {'-' if math.isinf(high) else f'{high:,.0f}'}"


def tanh_held_out(name: str) -> list[float]:
    """What a tanh network takes on a held-out target in the plan's frame, a number a seed."""
    torch.set_num_threads(1)
    case = CASES[name]()
    plan = case.probe.plan()
    recipe = replace(plan.recipe("tanh"), width=50)
    return [steps_to_fit(recipe, case, *data(case, plan), seed, MOST_TANH) for seed in (0, 1)]


def tanh_checked(folder: Path, name: str) -> tuple[float | None, list[float]]:
    """What the plan says, and what it took."""
    took: list[float] = kept(folder, f"tanh of {name}", partial(tanh_held_out, name))
    return CASES[name]().probe.plan().tanh.value, took


def tanh_checks(results: list[tuple[float | None, list[float]]]) -> str:
    lines, right, near, both = [], 0, 0, 0
    for name, (said, steps) in zip(CASES, results, strict=True):
        took = math.sqrt(math.prod(steps))
        words = "not known" if said is None else "will not do" if math.isinf(said) else f"{said:,.0f}"
        lines.append(f"| {name} | {words} | {listed(steps)} |")
        if said is not None:
            right += math.isinf(said) == math.isinf(took)
            both += math.isfinite(said) and math.isfinite(took)
            near += math.isfinite(said) and 0.5 <= took / said <= 2.0
    known = sum(said is not None for said, _ in results)
    return "\n".join(
        [
            "| target | the plan says | steps, seeds 0 and 1 |",
            "|---|---|---|",
            *lines,
            "",
            f"Whether it will do: right for {right} of {known}. Steps within a factor of 2: {near} of {both}.",
        ]
    )


def listed(steps: list[float]) -> str:
    return ", ".join("-" if math.isinf(each) else f"{each:,.0f}" for each in steps)


def row(found: dict[str, Any]) -> tuple[str, float]:
    """A row of the table, and how many times the steps of the best the recommendation took."""
    own = median(found["own"])
    best_share, best = min(((share, median(steps)) for share, steps in found["grid"].items()), key=lambda each: each[1])
    if math.isinf(best):
        ratio, said = (math.nan, "none fits") if math.isinf(own) else (0.0, "only the plan's")
    else:
        ratio = own / best
        said = f"{ratio:.2f}"
    cycles = " x ".join(f"{each:.3g}" for each in found["frequencies"])
    cells = [found["target"], cycles, found["network"], f"{found['value']:.3g}", f"{found['share']:.2f}"]
    cells += [listed(found["own"]), "-" if math.isinf(best) else f"{best:,.0f} (c = {best_share})", said]
    return f"| {' | '.join(cells)} |", ratio


def table(results: list[dict[str, Any]]) -> str:
    rows = [row(found) for found in results]
    known = [ratio for _, ratio in rows if not math.isnan(ratio)]
    held = sum(ratio <= 1.5 for ratio in known)
    return "\n".join(
        [
            "| target | cycles | network | omega_0 or sigma | c | steps, seeds 0 to 2 | best of the grid | times |",
            "|---|---|---|---|---|---|---|---|",
            *(line for line, _ in rows),
            "",
            f"Within 1.5 times: {held} of {len(known)} ({held / max(len(known), 1):.0%}); "
            f"fitted by no value at all: {len(rows) - len(known)}.",
        ]
    )


def write(page: Path, name: str, text: str) -> None:
    """Put a text between the markers of a page."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = page.read_text().partition(begin)
    page.write_text(f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=Path("build/plan"), help="what is measured is kept here")
    parser.add_argument("--tanh", action="store_true", help="steps of a plain tanh network instead")
    parser.add_argument("--rates", action="store_true", help="the same at 5e-4 and 1e-3, printed, seed 0")
    asked = parser.parse_args()
    if asked.rates:
        for name in CASES:
            for network, rate in (("siren", 5e-4), ("fourier", 1e-3)):
                print(with_rate(name, network, rate), flush=True)
        return
    with ProcessPoolExecutor(asked.processes, mp_context=get_context("spawn")) as pool:
        if asked.tanh:
            write(PAGE, "tanh held out", tanh_checks(list(pool.map(partial(tanh_checked, asked.folder), CASES))))
            jobs = list(tanh_jobs())
            steps = list(pool.map(partial(tanh_of, asked.folder), *zip(*jobs, strict=True)))
            write(PAGE, "tanh", tanh_table(jobs, steps))
        else:
            for title, cases in (("held out", CASES), ("fresh", FRESH)):
                every = [(name, network) for name in cases for network in ("siren", "fourier")]
                write(PAGE, title, table(list(pool.map(partial(one, asked.folder), *zip(*every, strict=True)))))


if __name__ == "__main__":
    main()
