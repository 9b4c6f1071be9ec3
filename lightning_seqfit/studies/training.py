"""The trainings of a study, in processes of their own. A training's measures are kept as JSON beside its record.

What was done with the same version, seed, steps, cadence and module is not done again.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import lightning as L
import torch
from tqdm import tqdm  # type: ignore[import-untyped]

from lightning_seqfit import __version__
from lightning_seqfit.demos.catalogue import DEMOS
from lightning_seqfit.record import Run, load

Measures = dict[str, float]
Measure = Callable[[Run], Measures]


class Training(NamedTuple):
    """One kind of training: a demo by name, network and optimizer."""

    demo: str
    network: str = "tanh"
    optimizer: str = "adam"

    @property
    def name(self) -> str:
        """Name of its folders."""
        return "-".join(part for part in self if part != "adam")


def train(training: Training, seed: int, folder: Path, measure: Measure, max_steps: int | None = None) -> Measures:
    """Train once, unless that is done, and return the record's measures; it stays in the folder."""
    folder = folder / f"{training.name}-{seed}"
    demo, kind = DEMOS[training.demo], training[1:]
    steps, _ = demo.pace(*kind)
    steps = min(steps, max_steps or steps)
    torch.set_num_threads(1)
    L.seed_everything(seed, verbose=False)
    module, callbacks = demo.module(*kind), demo.callbacks(*kind)
    about = {
        "version": __version__,
        "training": list(training),
        "seed": seed,
        "steps": steps,
        "every_n_steps": callbacks[0].every_n_steps,
        "module": {name: str(value) for name, value in module.hparams.items()},
    }
    done = folder / "measures.json"
    if done.exists():
        kept = json.loads(done.read_text(encoding="utf-8"))
        if kept["about"] == about:
            found: Measures = kept["measures"]
            return found
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    shutil.rmtree(folder / "seqfit", ignore_errors=True)  # of a training that broke off, or of another one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's, of loggers and workers
        trainer = L.Trainer(
            max_steps=steps,
            callbacks=[*callbacks],
            accelerator="cpu",
            logger=False,
            default_root_dir=folder,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module)
    found = measure(load(folder))
    done.write_text(json.dumps({"about": about, "measures": found}), encoding="utf-8")
    return found


def train_all(
    trainings: Iterable[Training], seeds: Sequence[int], folder: Path, measure: Measure, max_steps: int | None = None
) -> dict[tuple[Training, int], Measures]:
    """Train each kind with each seed, one process for each core, the longest first."""
    kinds = sorted(dict.fromkeys(trainings), key=_cost, reverse=True)
    jobs = [(training, seed) for training in kinds for seed in seeds]
    results: dict[tuple[Training, int], Measures] = {}
    with ProcessPoolExecutor(os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(train, *job, folder, measure, max_steps): job for job in jobs}
        try:
            for future in tqdm(as_completed(waiting), total=len(jobs), desc="trainings", unit=""):
                results[waiting[future]] = future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # not after all the others
            raise
    return results


def _cost(training: Training) -> float:
    """About how long a training takes, in steps along a line."""
    demo = DEMOS[training.demo]
    steps, _ = demo.pace(training.network, training.optimizer)
    return steps * (8 if len(demo.bounds) > 1 else 1) * {"soap": 3, "lbfgs": 20}.get(training.optimizer, 1)
