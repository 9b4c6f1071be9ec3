"""The demos over several seeds, all of them printed.

python benchmarks/seeds.py [--only co2/siren/0]
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import tempfile
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from lightning_seqfit import load
from lightning_seqfit.cli.demo import train
from lightning_seqfit.demos.catalogue import DEMOS

RUNS = [
    *(("sine", "tanh", seed) for seed in range(5)),
    *(("sine", "siren", seed) for seed in range(5)),
    *(("co2", "tanh", seed) for seed in range(3)),
    *(("co2", "siren", seed) for seed in range(3)),
    *(("co2-weekly", "tanh", seed) for seed in range(3)),
]
COLUMNS = [
    "demo",
    "seed",
    "steps",
    "R^2",
    "fitted",
    "oscillations",
    "all but one at step",
    "sequentiality",
    "inwardness",
    "low end",
    "high end",
    "rank",
    "median laps",
    "projection / actual error",
    "yearly band's error",
]


def number(value: float, form: str) -> str:
    return "-" if np.isnan(value) else format(value, form)


def row(run: tuple[str, str, int]) -> list[str]:
    """Train one demo and read its last look."""
    target, network, seed = run
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    silent = io.StringIO()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(silent),
        contextlib.redirect_stderr(silent),
    ):
        seen = load(train(DEMOS[target], network, seed=seed, logdir=Path(folder)))
    front, counts = seen.front, seen.oscillations
    assert front is not None
    assert counts is not None
    assert seen.basis is not None
    assert seen.spectrum is not None
    # half way for a fit that gets there, else the end
    at = int(np.argmax(front.fitted >= 0.5)) if front.fitted[-1] >= 0.5 else -1
    projection = seen.basis.projection_error[at] / seen.scalars["error/relative_rmse"][at]
    yearly = seen.spectrum.relative_error["32-64"][-1] if target.startswith("co2") else np.nan
    error = np.mean((seen.prediction[-1] - seen.target) ** 2)
    there = seen.steps[counts.missing <= 1.0]
    return [
        f"{target}, {network}",
        str(seed),
        str(seen.steps[-1]),
        f"{1 - error / np.var(seen.target):.4f}",
        f"{100 * front.fitted[-1]:.0f} %",
        f"{counts.fitted[-1]:g} of {counts.target[-1]:g}",
        str(there[0]) if there.size else "never",
        number(front.sequentiality[-1], ".2f"),
        number(front.overall_inwardness[-1], "+.2f"),
        *(number(front.inwardness[face][-1], "+.2f") for face in seen.faces),
        f"{seen.basis.numerical_rank[0]:g} to {seen.basis.numerical_rank[-1]:g}",
        f"{seen.basis.median_laps[-1]:.1f}",
        number(projection, ".2f"),
        "" if target == "sine" else number(yearly, ".3f"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    named = {f"{target}/{network}/{seed}": (target, network, seed) for target, network, seed in RUNS}
    parser.add_argument("--only", nargs="+", choices=named, default=[*named], metavar="RUN", help="default: all")
    runs = [named[name] for name in parser.parse_args().only]
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for cells in pool.map(row, runs):
            print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
