"""The trainings of a study, in processes of their own. A training's measures are kept as JSON beside its record.

What was done with the same version, configuration and seed is not trained again; its record is measured anew.
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
from typing import Any, NamedTuple, Protocol, TypeVar

import lightning as L
import torch
from tqdm import tqdm  # type: ignore[import-untyped]

from lightning_seqfit import __version__
from lightning_seqfit.demos.catalogue import DEMOS
from lightning_seqfit.record import Run, load

Measures = dict[str, float]


class Prepared(NamedTuple):
    """What trains, what watches it, for how many steps, and all that tells this training from another one."""

    module: L.LightningModule
    callbacks: Sequence[L.Callback]
    steps: int
    about: dict[str, Any]


class Kind(Protocol):
    """One kind of training."""

    @property
    def name(self) -> str:
        """Name of its folders."""

    @property
    def cost(self) -> float:
        """About how long it takes, beside other kinds of the same study."""

    def prepare(self) -> Prepared:
        """Make it, after the seed was set."""


class Training(NamedTuple):
    """One kind of training: a demo by name, network and optimizer."""

    demo: str
    network: str = "tanh"
    optimizer: str = "adam"

    @property
    def name(self) -> str:
        """Name of its folders."""
        return "-".join(part for part in self if part != "adam")

    @property
    def cost(self) -> float:
        """About how long it takes, in steps along a line."""
        demo = DEMOS[self.demo]
        steps, _ = demo.pace(self.network, self.optimizer)
        return steps * (8 if len(demo.bounds) > 1 else 1) * {"soap": 3, "lbfgs": 20}.get(self.optimizer, 1)

    def prepare(self) -> Prepared:
        """Make its module and its callbacks."""
        demo, kind = DEMOS[self.demo], (self.network, self.optimizer)
        module, callbacks = demo.module(*kind), demo.callbacks(*kind)
        about = {
            "training": list(self),
            "every_n_steps": callbacks[0].every_n_steps,
            "module": {name: str(value) for name, value in module.hparams.items()},
        }
        return Prepared(module, callbacks, demo.pace(*kind)[0], about)


K = TypeVar("K", bound=Kind)
M = TypeVar("M")


def train(kind: Kind, seed: int, folder: Path, measure: Callable[[Run], M], max_steps: int | None = None) -> M:
    """Train once, unless that is done, and return the record's measures; it stays in the folder."""
    folder = folder / f"{kind.name}-{seed}"
    torch.set_num_threads(1)
    L.seed_everything(seed, verbose=False)
    module, callbacks, steps, about = kind.prepare()
    steps = min(steps, max_steps or steps)
    about = {"version": __version__, "seed": seed, "steps": steps, **about}
    done = folder / "measures.json"
    if not done.exists() or json.loads(done.read_text(encoding="utf-8"))["about"] != about:
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
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
            done.unlink(missing_ok=True)
            shutil.rmtree(folder / "seqfit", ignore_errors=True)  # of a training that broke off, or of another one
            trainer.fit(module)
    found = measure(load(folder))
    done.write_text(json.dumps({"about": about, "measures": found}), encoding="utf-8")
    return found


def train_all(
    jobs: Iterable[tuple[K, int]],
    folder: Path,
    measure: Callable[[Run], M],
    max_steps: int | None = None,
    processes: int | None = None,
) -> dict[tuple[K, int], M]:
    """Train each kind with its seed, by default in one process for each core, the longest first."""
    jobs = sorted(dict.fromkeys(jobs), key=lambda job: job[0].cost, reverse=True)
    results: dict[tuple[K, int], M] = {}
    with ProcessPoolExecutor(processes or os.cpu_count() or 1, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(train, kind, seed, folder, measure, max_steps): (kind, seed) for kind, seed in jobs}
        try:
            for future in tqdm(as_completed(waiting), total=len(jobs), desc="trainings", unit=""):
                results[waiting[future]] = future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # not after all the others
            raise
    return results
