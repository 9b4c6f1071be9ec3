"""One look at networks of several widths, as a multiple of one bare forward pass over the same points.

    python benchmarks/look.py [--repeats 41] [--goals] [--plane] [--device cuda]

Every row is the median over repeats, look and forward pass alternating in one run, on one thread, of a network after 30
steps of Adam. "look" is everything but the loggers: the guarded evaluation with its features, all measures, and the
record. The shares are parts of it. First come the networks that have a goal, with the range of nine looks in ten.

The learning rate is 1e-3, of SIRENs 1e-4 (3e-5 from 1,024 units on), at which they train. At 1e-3 a wide one soon has
nothing but noise in its basis, as many independent units as points, which is the dearest there is: the last row.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import lightning as L
import torch
from threadpoolctl import threadpool_limits

from lightning_seqfit import Probe
from lightning_seqfit.demos import SIREN, TanhMLP, sine
from lightning_seqfit.diagnostics import DIAGNOSTICS, Scene, make_all
from lightning_seqfit.diagnostics.base import Following, Seen
from lightning_seqfit.record import Record
from lightning_seqfit.watch.weights import Weights

#: Network, width, learning rate (0: its own), and the most that a look may take.
GOALS: list[tuple[Callable[..., torch.nn.Module], int, float, str, str]] = [
    (TanhMLP, 50, 0.0, "1.0", "ms"),
    (SIREN, 256, 0.0, "4", "ms"),
    (TanhMLP, 1024, 0.0, "2", "forward passes"),
    (SIREN, 1024, 0.0, "2", "forward passes"),
    (SIREN, 1024, 1e-3, "no goal,", "forward passes"),
]

#: What a look has of a stall diagnosis; what it costs more with it than without is the last column of the goals.
STALL = ("stall", "weights", "judging")


def product(points: torch.Tensor) -> torch.Tensor:
    """sin(5 pi x) sin(5 pi y)."""
    return torch.sin(5 * torch.pi * points).prod(dim=1)


def measure(
    kind: Callable[..., torch.nn.Module],
    width: int,
    shape: tuple[int, ...],
    repeats: int,
    rate: float = 0.0,
    device: str = "cpu",
) -> dict[str, list[float]]:
    """Milliseconds of the forward pass and of each part of a look, at each repeat."""
    rate = rate or (1e-3 if kind is not SIREN else 1e-4 if width < 1024 else 3e-5)
    L.seed_everything(0, verbose=False)
    dimension = len(shape)
    module = kind(in_features=dimension, width=width).to(device)
    target = sine if dimension == 1 else product
    probe = Probe.grid(bounds=[(0.0, 1.0)] if dimension == 1 else [(-1.0, 1.0)] * 2, target=target, resolution=shape)
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    inputs = torch.as_tensor(probe.geometry.points[:: max(len(probe.geometry.points) // 512, 1)]).float().to(device)
    for _ in range(30):  # not the initial network, whose units are hardly different
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(module(inputs)[:, 0], target(inputs)).backward()
        optimizer.step()
    expected, trend = probe.read_target(module)
    scene = Scene(probe.geometry, expected, trend)
    diagnostics = [each for each in make_all(tolerance=0.25, layer=None) if not each.unable(scene)]
    for diagnostic in diagnostics:
        diagnostic.begin(scene)
    read_outs = [diagnostic.read_out for diagnostic in diagnostics if diagnostic.read_out is not None]
    points = torch.as_tensor(probe.geometry.points).float().to(device)
    record, weights = Record(), Weights()
    times: dict[str, list[float]] = {}

    def wait() -> None:
        if device != "cpu":  # what was asked of it may still be under way
            torch.cuda.synchronize()

    def clock(part: str, function: Callable[[], Any]) -> Any:
        wait()
        begun = time.perf_counter()
        result = function()
        wait()
        times.setdefault(part, []).append(time.perf_counter() - begun)
        return result

    for step in range(repeats):
        with torch.no_grad():
            clock("forward", lambda: module(points))
        seen = clock("evaluation", lambda: probe.observe(module, expected, read_outs=read_outs))
        row: dict[str, Any] = {"total_steps": 50 * step, "prediction": probe.geometry.coarsen(seen.prediction)}
        scalars, fields = {"error/relative_rmse": 1.0, "training/loss": 1.0, "training/learning_rate": 1e-3}, {}
        for diagnostic in diagnostics:
            own = seen if diagnostic.read_out is None else seen.at(diagnostic.read_out)
            reading = clock(diagnostic.name, partial(diagnostic.look, own, trend.variance, step))
            scalars |= {**reading.scalars, **reading.kept}
            fields |= {f"{diagnostic.name}/{name}": values for name, values in reading.fields.items()}
            row |= {f"scalar/{tag}": value for tag, value in reading.scalars.items()}
            row |= {name: probe.geometry.coarsen(values) for name, values in reading.fields.items()} | reading.arrays
        clock("record", partial(record.append, row))
        scalars |= clock("weights", partial(weights.update, [optimizer], step))
        following = Seen(scalars, fields, record.__getitem__, record.amend)
        for diagnostic in diagnostics:
            if isinstance(diagnostic, Following):
                clock("judging", partial(diagnostic.follow, following, 50 * step))
    return {part: [1e3 * each for each in spent[1:]] for part, spent in times.items()}


def show_goals(repeats: int, device: str) -> None:
    """Print the looks that have a goal: their median, in its unit, and the range of nine in ten."""
    print("| network, 512 points | goal | look | 5 % to 95 % | look, ms | forward, ms | stall diagnosis |")
    print("|" + "---|" * 7)
    for kind, width, rate, goal, unit in GOALS:
        spent = measure(kind, width, (512,), repeats, rate, device)
        forward = statistics.median(spent.pop("forward"))
        looks = [sum(parts) for parts in zip(*spent.values(), strict=True)]
        one = forward if unit == "forward passes" else 1.0
        stalls = [sum(parts) for parts in zip(*(spent[part] for part in STALL), strict=True)]
        more = statistics.median(stall / (look - stall) for look, stall in zip(looks, stalls, strict=True))
        low, *_, high = (each / one for each in statistics.quantiles(looks, n=20))
        look = statistics.median(looks)
        network = f"{kind.__name__} {width}" + (f", learning rate {rate:g}" if rate else "")
        said = f"{look / one:.2f} | {low:.2f} to {high:.2f} | {look:.2f} | {forward:.2f} | +{100 * more:.1f} %"
        print(f"| {network} | {goal} {unit} | {said} |", flush=True)


def show_parts(repeats: int, device: str, *, plane: bool) -> None:
    """Print what a look takes at networks of several widths, and which part of it takes how much."""
    names = [kind.name for kind in DIAGNOSTICS if kind.name != "change"]
    parts = ["evaluation", *names, "record", "weights", "judging"]
    print("\n| network | width | points | forward, ms | look, ms | look / forward | " + " | ".join(parts) + " |")
    print("|" + "---|" * (6 + len(parts)))
    sizes: list[tuple[int, tuple[int, ...]]] = [(width, (n,)) for width in (50, 256, 1024) for n in (512, 4096)]
    for kind in (TanhMLP, SIREN):
        for width, shape in ([] if plane else sizes) + [(64, (96, 96))]:
            times = measure(kind, width, shape, repeats if width < 1024 else min(repeats, 11), device=device)
            spent = {part: statistics.median(each) for part, each in times.items()}
            look = sum(spent[part] for part in parts)
            shares = " | ".join(f"{100 * spent[part] / look:.0f} %" for part in parts)
            print(
                f"| {kind.__name__} | {width} | {' x '.join(f'{n:,}' for n in shape)} | {spent['forward']:.2f} | "
                f"{look:.2f} | {look / spent['forward']:.2f} | {shares} |",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=41)
    parser.add_argument("--goals", action="store_true", help="only the networks that have a goal")
    parser.add_argument("--plane", action="store_true", help="only the grid along two axes")
    parser.add_argument("--device", default="cpu", help="where network and points are: cpu or cuda")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with threadpool_limits(limits=1, user_api="blas"):
        if not options.plane:
            show_goals(options.repeats, options.device)
        if not options.goals:
            show_parts(options.repeats, options.device, plane=options.plane)


if __name__ == "__main__":
    main()
