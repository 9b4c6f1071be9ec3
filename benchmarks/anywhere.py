"""The same function on a grid, on its points shuffled and on random points; and what many points cost.

python benchmarks/anywhere.py          # how far apart the readings are
python benchmarks/anywhere.py --cost   # time and memory, up to 100,000 points
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import time
import warnings

import numpy as np
import threadpoolctl
import torch
from torch import nn

from lightning_seqfit import Probe
from lightning_seqfit.diagnostics import Scene, make_all
from lightning_seqfit.measures.scale import scale_of

torch.set_num_threads(1)
warnings.simplefilter("ignore")
PI = math.pi


def product(p):
    return np.sin(5 * PI * p[:, 0]) * np.sin(5 * PI * p[:, 1])


def waves(p):
    return np.sin(6 * PI * p[:, 0] + 1) + 0.5 * np.cos(18 * PI * p[:, 1])


class Swept:
    """Predicts a target up to a front that moves to the right, and then the slow part of it."""

    def __init__(self, target):
        self.target = target

    def at(self, points, passed):
        return np.where(points[:, 0] < 2 * passed - 1, self.target(points), 0.0)


def readings(probe, swept, looks=24):
    """Scalars of looks at a front that moves."""
    module = nn.Linear(2, 1)
    target, trend = probe.read_target(module)
    scale = scale_of(probe.geometry, target, trend)
    scene = Scene(probe.geometry, target, trend, 0.0, scale)
    found = [d for d in make_all(tolerance=0.25) if d.name != "basis"]
    for each in found:
        each.begin(scene)
    seen = []
    for step in range(looks + 1):
        shares = swept.at(probe.geometry.asked, step / looks)
        probe.question.__dict__["predict"] = lambda _, p, shares=shares: torch.tensor(shares)
        observation = probe.observe(module, target)
        scalars = {}
        for each in found:
            scalars |= each.look(observation, scale.mean_square, step).scalars
        seen.append(scalars)
    return seen


def same() -> None:
    """Print the largest difference from the grid, of every kind of reading."""
    for name, target in {"product of 5 x 5": product, "sum of 6 and 18 half waves": waves}.items():
        swept = Swept(target)
        grid = Probe.grid([(-1.0, 1.0)] * 2, lambda p, f=target: torch.tensor(f(p.numpy())), resolution=144)
        points, rng = grid.geometry.points, np.random.default_rng(0)
        order = rng.permutation(len(points))
        random = {count: rng.uniform(-1, 1, (count, 2)) for count in (1_024, 4_096, 20_000, 100_000)}
        places = {"shuffled": points[order], **{f"{count:,} random": each for count, each in random.items()}}
        true = readings(grid, swept)
        columns = ("fitted", "depth", "lobes %", "bands", "error", "seq.", "inw.")
        print(f"{name}\n{'':16} " + " ".join(f"{column:>8}" for column in columns))
        for label, where in places.items():
            seen = readings(Probe.points(where, target(where), bounds=[(-1.0, 1.0)] * 2), swept)
            bands = [{tag for tag in each[-1] if "relative_error" in tag} for each in (true, seen)]

            pairs, last = list(zip(true, seen, strict=True)), [(true[-1], seen[-1])]
            lobes = 100 * apart(pairs, "oscillations/target") / true[-1]["oscillations/target"]
            print(
                f"{label:16} {apart(pairs, 'front/fitted'):8.3f} {apart(pairs, 'front/depth'):8.3f} {lobes:8.1f} "
                f"{'the same' if bands[0] == bands[1] else sorted(bands[0] ^ bands[1])!s:>8} "
                f"{apart(pairs, 'fourier/relative_error'):8.3f} {apart(last, 'front/sequentiality'):8.3f} "
                f"{apart(last, 'front/inwardness'):8.3f}"
            )


def apart(pairs, part):
    """Largest difference of tags that begin alike."""
    differences = [
        abs(one[tag] - other[tag])
        for one, other in pairs
        for tag in one
        if tag.startswith(part) and tag in other and math.isfinite(one[tag] - other[tag])
    ]
    return max(differences, default=math.nan)


def cost_of(kind: str, count: int) -> None:
    """Print what one probe costs; in a process of its own, for its memory."""
    rng = np.random.default_rng(0)
    net = nn.Sequential(nn.Linear(2, 50), nn.Tanh(), nn.Linear(50, 50), nn.Tanh(), nn.Linear(50, 1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    points = rng.uniform(-1, 1, (count, 2))
    if kind == "disc":
        points = points[np.sum(points**2, axis=1) < 1]
    values = product(points)
    begun = time.perf_counter()
    probe = Probe.points(points, values)
    target, trend = probe.read_target(net)
    scale = scale_of(probe.geometry, target, trend)
    found = [each for each in make_all(tolerance=0.25) if each.name != "basis"]
    for each in found:
        each.begin(Scene(probe.geometry, target, trend, 0.0, scale))
    made = time.perf_counter() - begun
    placed = torch.tensor(points, dtype=torch.float32)
    forward, looks = [], []
    for step in range(12):
        with torch.no_grad():
            begun = time.perf_counter()
            net(placed)
            forward.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        observation = probe.observe(net, target)
        for each in found:
            each.look(observation, scale.mean_square, step)
        looks.append(time.perf_counter() - begun)
    beyond = 1e3 * (np.median(looks[2:]) - np.median(forward[2:]))
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    cells = " x ".join(map(str, probe.geometry.shape))
    print(
        f"{kind:7} {len(points):9,} {cells:>11} {made:9.2f} {1e3 * np.median(forward[2:]):11.1f} {beyond:14.1f} "
        f"{memory:10.0f}"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cost", action="store_true", help="time and memory instead")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    threadpoolctl.threadpool_limits(1)  # as in a look
    if chosen.one:
        cost_of(chosen.one[0], int(chosen.one[1]))
    elif chosen.cost:
        print("           points       cells  probe, s forward, ms beyond it, ms memory, MB")
        for kind in ("box", "disc"):
            for count in (1_000, 10_000, 30_000, 100_000):
                subprocess.run([sys.executable, __file__, "--one", kind, str(count)], check=True)
    else:
        same()


if __name__ == "__main__":
    main()
