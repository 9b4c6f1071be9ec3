"""What a FourierBandError costs: one update of 256 points, and one compute of all.

    python benchmarks/metric.py [--points 1000 100000] [--repeats 5]

Medians over repeats, on one thread. The target is a product of sines of 5 cycles along each axis.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from threadpoolctl import threadpool_limits

from lightning_seqfit.metrics import FourierBandError


def points_of(count: int, dimension: int, *, grid: bool) -> torch.Tensor:
    """So many points, of a grid along several axes about as many."""
    if not grid:
        return torch.rand(count, dimension)
    along = (torch.arange(round(count ** (1 / dimension))) + 0.5) / round(count ** (1 / dimension))
    return torch.cartesian_prod(*[along] * dimension).reshape(-1, dimension)


def measure(points: torch.Tensor, repeats: int) -> tuple[float, float]:
    """Milliseconds of one update, and of one compute."""
    target = torch.sin(10 * torch.pi * points).prod(dim=1)
    metric = FourierBandError()
    updates, computes = [], []
    for _ in range(repeats):
        metric.reset()
        batches = torch.randperm(len(points)).split(256)
        for batch in batches:
            preds, values, where = 0.9 * target[batch], target[batch], points[batch]
            begun = time.perf_counter()
            metric.update(preds, values, where)
            updates.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        errors = metric.compute()
        computes.append(time.perf_counter() - begun)
        if not errors:
            raise SystemExit(metric.absent)
    return 1e3 * statistics.median(updates), 1e3 * statistics.median(computes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    print("| points | where | update, ms | compute, ms |")
    print("|" + "---|" * 4)
    with threadpool_limits(limits=1, user_api="blas"):
        for count in options.points:
            for where, dimension in (("a line", 1), ("a plane", 2)):
                for grid in (True, False):
                    points = points_of(count, dimension, grid=grid)
                    update, compute = measure(points, options.repeats)
                    said = f"{where}, {'grid' if grid else 'anywhere'}"
                    print(f"| {len(points):,} | {said} | {update:.2f} | {compute:.0f} |", flush=True)


if __name__ == "__main__":
    main()
