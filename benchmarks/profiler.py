"""What each callback costs, as Lightning's own profiler sees it: a Markdown table.

    python benchmarks/profiler.py [--steps 2000] [--every 20]

One training of the default demo a row, with TensorBoard. "nothing" is a callback of Lightning's without a line of its
own: what the profiler measures of itself. Medians; the last column is everything after the last step, figures included.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import lightning as L
import numpy as np
import torch
from harness import Attached, quieten, train
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.profilers import SimpleProfiler

from lightning_seqfit import Probe, callbacks, load
from lightning_seqfit.demos import sine


def durations(callback: L.Callback, steps: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Seconds of every call of every hook of a callback, and the steps at which it looked."""
    profiler, looks = SimpleProfiler(), np.zeros(0, dtype=np.int64)

    def attach(folder: Path, module: L.LightningModule) -> Attached:
        logger = TensorBoardLogger(folder)

        def read() -> None:
            nonlocal looks
            looks = load(logger.log_dir).steps if hasattr(callback, "probe") else looks

        return Attached(logger, [callback], read)

    train(steps, attach, profiler=profiler)
    prefix = f"[Callback]{callback.state_key}."
    recorded = profiler.recorded_durations
    hooks = {name.removeprefix(prefix): np.array(recorded[name]) for name in recorded if name.startswith(prefix)}
    return hooks, looks


def row(callback: L.Callback, steps: int) -> list[str]:
    hooks, looks = durations(callback, steps)
    batches = hooks["on_train_batch_end"]
    looked = np.zeros(len(batches), dtype=bool)
    looked[looks[(looks > 0)] - 1] = True  # look 0 is before the first step
    one_look = f"{1e3 * np.median(batches[looked]):.2f}" if looked.any() else "-"
    return [
        type(callback).__name__ if looked.any() else "nothing",
        str(looked.sum()),
        one_look,
        f"{1e6 * np.median(batches[~looked]):.1f}",
        f"{hooks['on_train_end'].sum() if 'on_train_end' in hooks else 0.0:.2f}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2_000)
    parser.add_argument("--every", type=int, default=20)
    options = parser.parse_args()
    quieten()
    print(f"{os.cpu_count()} cores, PyTorch {torch.__version__} on {torch.get_num_threads()} thread\n")
    columns = ["callback", "looks", "a look, ms", "a step without a look, µs", "the end, s"]
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    probe = Probe.grid(bounds=[(0.0, 1.0)], target=sine)
    kinds = ["SequentialFitting", *(name for name in callbacks.__all__ if name != "SequentialFitting")]
    watchers = [getattr(callbacks, name)(probe, every_n_steps=options.every) for name in kinds]
    durations(watchers[0], 100)  # imports and caches
    for callback in [L.Callback(), *watchers]:
        print("| " + " | ".join(row(callback, options.steps)) + " |", flush=True)


if __name__ == "__main__":
    main()
