"""Whether what a trial names fits the demo that stalled, when its code is pasted into that demo's training.

python benchmarks/trials.py              # trains, tries and pastes what is not there yet; the table on the console
python benchmarks/trials.py --write      # the same, and the table into docs/howto/try.md
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.nn.functional import mse_loss

from lightning_seqfit import Run, load, trial
from lightning_seqfit.callbacks import ErrorFront
from lightning_seqfit.demos.catalogue import DEMOS
from lightning_seqfit.demos.regression import FullBatch, Regression

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "try.md"
BEGIN, END = "<!-- trials -->", "<!-- /trials -->"
STALLED = ("co2", "taper", "bump", "product")
BUDGET, STEPS, SEEDS = 60.0, 2_000, (10, 11, 12)  # the trial's own seeds are 0 and 1
FACTOR = 1.5


class Pasted(L.LightningModule):
    """The code of a trial in a training of one's own: points and values in their own units."""

    def __init__(self, code: str, points: torch.Tensor, values: torch.Tensor) -> None:
        super().__init__()
        pasted: dict[str, Any] = {}
        exec(code, pasted)
        self.network, self.optimizer = pasted["network"], pasted["optimizer"]
        self.points, self.values = points, values

    def forward(self, points: torch.Tensor) -> torch.Tensor:
        prediction: torch.Tensor = self.network(points)
        return prediction

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        return mse_loss(self(self.points), self.values)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        optimizer: torch.optim.Optimizer = self.optimizer
        return optimizer

    def train_dataloader(self) -> Any:
        return FullBatch((torch.zeros(1), torch.zeros(1)), 100_000)


def fit(module: L.LightningModule, callbacks: list[Any], steps: int, folder: Path) -> None:
    trainer = L.Trainer(
        max_steps=steps,
        callbacks=callbacks,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module)


def recorded(name: str, folder: Path) -> Run:
    """The record of a demo that was trained for 2,000 steps."""
    if not (folder / "seqfit").exists():
        L.seed_everything(0, verbose=False)
        fit(DEMOS[name].module(), DEMOS[name].callbacks(), STEPS, folder)
    return load(folder)


def raw(module: Regression) -> tuple[torch.Tensor, torch.Tensor]:
    """A demo's training points and values, in their own units."""
    points = module.inputs.double() * module.half_width.double() + module.centre.double()
    values = module.targets.double() * module.scale.double() + module.offset.double()
    return points.float(), values.float()


def reached(run: Run) -> float:
    """The first look from which on it is fitted at the next one too."""
    assert run.front is not None
    fitted = run.front.fitted >= 0.98
    both = np.flatnonzero(fitted[:-1] & fitted[1:])
    return float(run.steps[both[0]]) if both.size else math.inf


def pasted(name: str, code: str, named: float, seed: int) -> float:
    """Steps to 98 % of the pasted code in the demo's training."""
    points, values = raw(DEMOS[name].module())
    (probe,) = DEMOS[name].probes()
    L.seed_everything(seed, verbose=False)
    every = max(1, round(named / 40))
    with tempfile.TemporaryDirectory() as folder:
        module = Pasted(code, points, values)
        fit(module, [ErrorFront(probe, every_n_steps=every)], math.ceil(3 * named), Path(folder))
        return reached(load(folder))


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Record, trial and pasted trainings of one demo."""
    run = recorded(name, folder / name)
    begun = time.monotonic()
    found = trial(run, BUDGET, progress=False)
    wall = time.monotonic() - begun
    winner = found.winner
    named = winner.reached if winner else math.inf
    steps = [pasted(name, found.code(), named, seed) for seed in SEEDS] if winner else []
    return {
        "demo": name,
        "fitted": float(run.front.fitted[-1]) if run.front is not None else math.nan,
        "wall": wall,
        "load": os.getloadavg()[0],
        "winner": winner.name if winner else "",
        "named": named,
        "pasted": steps,
        "table": str(found),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The results as markdown."""
    lines = [
        f"| demo | fitted after {STEPS:,} steps | trial took | first in its table | named | pasted, 3 seeds | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        within = sum(step <= FACTOR * row["named"] for step in row["pasted"])
        steps = ", ".join(f"{step:,.0f}" if math.isfinite(step) else "never" for step in row["pasted"])
        lines.append(
            f"| {row['demo']} | {row['fitted']:.0%} | {row['wall']:.0f} s | {row['winner']} | "
            f"{row['named']:,.0f} steps | {steps or '-'} | {within} of {len(SEEDS)} within {FACTOR:g} times |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("trials-results"), help="results go here, and stay")
    parser.add_argument("--demos", nargs="+", default=STALLED, choices=list(DEMOS))
    parser.add_argument("--write", action="store_true", help="put the table into docs/howto/try.md")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    rows = []
    for name in options.demos:
        file = options.folder / f"{name}.json"
        if not file.exists():
            result = measure(name, options.folder)
            file.write_text(json.dumps(result, indent=2), encoding="utf-8")
            print(result["table"], "\n", flush=True)
        rows.append(json.loads(file.read_text(encoding="utf-8")))
    print(table(rows))
    if options.write:
        head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        PAGE.write_text(f"{head}{BEGIN}\n{table(rows)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
