"""What people attach to see a training, in one run: our callbacks, histograms to TensorBoard, ``wandb.watch``.

    python benchmarks/peers.py [--pairs 7] [--steps 2000]

Each round trains the default demo once bare and once with each of them, in turn. "Whole fit" is ``Trainer.fit``: to
start W&B's service and to wait for it at the end is not in it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path
from typing import Any

import lightning as L
from harness import Attach, Attached, compare, conditions, load, quieten, spread, with_callbacks
from lightning.pytorch.loggers import WandbLogger

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import sine

#: Steps between histograms.
EVERY = 100
LABELS = {
    "SequentialFitting": "`SequentialFitting`",
    "histograms": f"histograms of all weights and gradients to TensorBoard, every {EVERY} steps",
    "wandb.watch": f'`wandb.watch(log="all", log_freq={EVERY})`, W&B offline',
}


class Histograms(L.Callback):
    """All weights and gradients to TensorBoard, as its tutorials do it."""

    def on_after_backward(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.global_step % EVERY:
            return
        board: Any = trainer.logger
        writer = board.experiment
        for name, parameter in pl_module.named_parameters():
            writer.add_histogram(f"weights/{name}", parameter, trainer.global_step)
            if parameter.grad is not None:
                writer.add_histogram(f"gradients/{name}", parameter.grad, trainer.global_step)


def watched_by_wandb(folder: Path, module: L.LightningModule) -> Attached:
    import wandb

    logger = WandbLogger(save_dir=folder, offline=True)
    # weights are taken when what is watched is called, and training_step calls the network, not the module
    network: Any = module.network
    logger.watch(network, log="all", log_freq=EVERY)
    return Attached(logger, [], wandb.finish)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2_000)
    options = parser.parse_args()
    quieten()
    kinds: dict[str, Attach] = {
        "SequentialFitting": with_callbacks(lambda: [SequentialFitting(Probe.grid([(0.0, 1.0)], target=sine))]),
        "histograms": with_callbacks(lambda: [Histograms()]),
    }
    if importlib.util.find_spec("wandb"):
        os.environ |= {"WANDB_SILENT": "true", "WANDB_CONSOLE": "off"}
        kinds["wandb.watch"] = watched_by_wandb
    print(conditions(options.pairs, options.steps), flush=True)
    ratios = compare(kinds, options.pairs, options.steps)
    print("\n| attached | first to last batch | whole fit |\n|---|---|---|")
    for name, label in LABELS.items():
        if name not in ratios:
            print(f"| {label} | skipped: not installed; pip install wandb | skipped |")
            continue
        batches, fits = (spread(list(values)) for values in zip(*ratios[name], strict=True))
        print(f"| {label} | {batches} | {fits} |")
    print(f"\nload after: {load()}")


if __name__ == "__main__":
    main()
