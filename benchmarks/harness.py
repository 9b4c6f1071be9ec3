"""Trainings of the default demo with different things attached, side by side: what the benchmarks of cost share."""

from __future__ import annotations

import gc
import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from lightning_seqfit.demos import TanhRegression

#: A load above this in the last minute is not the benchmark's alone, which takes one core.
BUSY = 1.5


class Attached(NamedTuple):
    """What a training has beside the module, and what to do when its time has been taken."""

    logger: Logger
    callbacks: list[L.Callback]
    close: Callable[[], object] = lambda: None


#: Attaches to a module, with a folder to write to.
Attach = Callable[[Path, L.LightningModule], Attached]


class Seconds(NamedTuple):
    """From the first to the last batch, and of the whole ``Trainer.fit``."""

    batches: float
    fit: float


class Clock(L.Callback):
    """Notes when the first batch begins and when the last one, with all callbacks before this one, is done."""

    first = last = 0.0

    def on_train_batch_start(self, *args: Any) -> None:
        self.first = self.first or time.perf_counter()

    def on_train_batch_end(self, *args: Any) -> None:
        self.last = time.perf_counter()


def bare(folder: Path, module: L.LightningModule) -> Attached:
    return Attached(TensorBoardLogger(folder), [])


def with_callbacks(make: Callable[[], list[L.Callback]]) -> Attach:
    """Attach callbacks, made anew for each training, with a TensorBoard logger."""
    return lambda folder, module: Attached(TensorBoardLogger(folder), make())


def quieten() -> None:
    torch.set_num_threads(1)  # networks this small are slower with two
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def train(steps: int, attach: Attach = bare, **options: Any) -> Seconds:
    """Train the default demo once; what is attached is made before its time is taken, and closed after."""
    L.seed_everything(0, verbose=False)
    module, clock = TanhRegression(), Clock()
    with tempfile.TemporaryDirectory() as folder:
        attached = attach(Path(folder), module)
        trainer = L.Trainer(
            max_steps=steps,
            callbacks=[*attached.callbacks, clock],
            logger=attached.logger,
            accelerator="cpu",
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
        gc.collect()  # what the training before has left is none of this one's
        begun = time.perf_counter()
        trainer.fit(module)
        fit = time.perf_counter() - begun
        attached.close()
    return Seconds(clock.last - clock.first, fit)


def compare(kinds: Mapping[str, Attach], rounds: int, steps: int) -> dict[str, list[Seconds]]:
    """Seconds of every kind over the bare training's of the same round; each kind comes first in turn."""
    everything = {"bare": bare, **kinds}
    for attach in everything.values():
        train(min(steps, 200), attach)  # imports and caches
    ratios: dict[str, list[Seconds]] = {name: [] for name in kinds}
    names = list(everything)
    for number in range(rounds):
        turn = number % len(names)
        times = {name: train(steps, everything[name]) for name in names[turn:] + names[:turn]}
        for name in kinds:
            ratios[name].append(Seconds(*(a / b for a, b in zip(times[name], times["bare"], strict=True))))
        said = ", ".join(f"{name} {ratios[name][-1].batches:.3f} (fit {ratios[name][-1].fit:.3f})" for name in kinds)
        print(f"round {number + 1}: bare {times['bare'].batches:.2f} s; ratios: {said}; load {load()}", flush=True)
    return ratios


def load() -> str:
    """Load of the machine in the last minute, and whether others were at work."""
    last_minute = os.getloadavg()[0]
    return f"{last_minute:.1f}{': others were at work, these figures are noisy' if last_minute > BUSY else ''}"


def spread(values: list[float]) -> str:
    """Median and range; of a single one itself."""
    if len(values) == 1:
        return f"{values[0]:.3f}"
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def conditions(rounds: int, steps: int) -> str:
    """How it is measured, for whoever reads the figures."""
    return (
        f"{os.cpu_count()} cores, PyTorch {torch.__version__} on {torch.get_num_threads()} thread, Lightning "
        f"{L.__version__}; the default demo, {steps:,} steps, TensorBoard logger where no other is named; ratios to "
        f"the bare training of the same round, median and range of {rounds}; load before: {load()}"
    )
