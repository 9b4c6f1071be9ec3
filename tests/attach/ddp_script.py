"""Fits on two processes; each rank writes what it saw to ``<folder>/<case>.rank<r>.json`` for test_ddp.py to judge.

Run as ``python ddp_script.py popen|workers <folder>``: Lightning starts rank 1 by running the same command again, or
starts worker processes.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import multiprocessing
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.record.place import Here
from lightning_seqfit.watch import keeping

STEPS = 40
#: Looks at 0, 1, 2, 3, 4, 6, 8, 10, 12, ...
EVERY = 2


class FSDPStrategy(DDPStrategy):
    """Stands for those whose forward pass needs every rank, which this package knows by their names."""


def sine(x: Tensor) -> Tensor:
    return torch.sin(2 * torch.pi * x[:, 0])


def two_waves(x: Tensor) -> Tensor:
    return torch.stack([sine(x).reshape(-1), -2 * sine(x).reshape(-1)], dim=1)


def twice(module: nn.Module, x: Tensor) -> Tensor:
    return module(x).reshape(-1, 1) * torch.tensor([1.0, -2.0])


def slope(module: nn.Module, x: Tensor) -> Tensor:
    """du/dx - (sin(2 pi x))', by differentiation."""
    (gradient,) = torch.autograd.grad(module(x).sum(), x)
    return gradient[:, 0] - 2 * torch.pi * torch.cos(2 * torch.pi * x[:, 0])


def rank() -> int:
    return int(os.environ.get("LOCAL_RANK", 0))


class Net(L.LightningModule):
    """BatchNorm, Dropout, and a draw from every generator in each training step: a lost draw shows in the weights."""

    def __init__(
        self,
        *,
        noise: bool = True,
        unused: bool = False,
        plateau: dict[str, Any] | None = None,
        fails_at: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.noise, self.plateau, self.fails_at = noise, plateau, fails_at  # the last: rank and step
        self.net = nn.Sequential(
            nn.Linear(1, 16), nn.BatchNorm1d(16), nn.Tanh(), nn.Dropout(0.2 if noise else 0.0), nn.Linear(16, 1)
        )
        self.unused = nn.Linear(1, 1) if unused else None
        self.batches = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.net(4 * x)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        if self.fails_at == (rank(), self.global_step):
            raise ArithmeticError(f"only on rank {rank()}")
        self.batches += 1
        x, y = batch
        jitter = 1e-3 * (random.random() + np.random.rand() + torch.rand(())) if self.noise else 0.0
        loss = nn.functional.mse_loss(self(x + jitter), y)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=3e-2)
        if self.plateau is None:
            return optimizer
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, **self.plateau}}


class Validating(Net):
    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None: ...


class Listener(L.Callback):
    """What a rank sees: our metrics, learning rates, passes through the wrapper of the strategy. Writes it at the end.

    The end is a hook: of a worker process nothing else comes back.
    """

    def __init__(self, case: Path) -> None:
        self.case = case
        self.metrics: list[dict[str, float]] = []
        self.rates: list[float] = []
        self.forwards = 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.strategy.model.register_forward_pre_hook(self._count)

    def _count(self, *args: Any) -> None:
        self.forwards += 1

    def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
        self._note(trainer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._note(trainer)
        save(self.case, **self.seen(trainer, pl_module), state=state(trainer, pl_module))
        if multiprocessing.parent_process() is not None:  # torch's threads may abort while an interpreter ends
            atexit.register(os._exit, 0)

    def _note(self, trainer: L.Trainer) -> None:
        ours = {tag: value.item() for tag, value in trainer.callback_metrics.items() if tag.startswith("seqfit/")}
        self.metrics.append(ours)
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def seen(self, trainer: L.Trainer, module: Any) -> dict[str, Any]:
        return {
            "step": trainer.global_step,
            "epoch": trainer.current_epoch,
            "metrics": self.metrics,
            "rates": self.rates,
            "forwards": self.forwards,
            "batches": module.batches,
        }


def save(case: Path, **seen: Any) -> None:
    case.with_name(f"{case.name}.rank{rank()}.json").write_text(json.dumps(seen))


def digest(value: Any) -> Any:
    """The same structure with a fingerprint of the bytes in place of each tensor and array."""
    if isinstance(value, Tensor):
        value = value.detach().numpy()
    if isinstance(value, np.ndarray):
        return hashlib.sha256(f"{value.dtype} {value.shape}".encode() + value.tobytes()).hexdigest()
    if isinstance(value, dict):
        return {str(key): digest(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [digest(item) for item in value]
    return value


def state(trainer: L.Trainer, module: L.LightningModule) -> dict[str, Any]:
    """Everything that a training leaves behind."""
    return digest(
        {
            "weights": dict(module.named_parameters()),
            "buffers": dict(module.named_buffers()),
            "grads": {name: p.grad for name, p in module.named_parameters()},
            "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
            "modes": {name: m.training for name, m in module.named_modules()},
            "torch": torch.get_rng_state(),
            "numpy": np.random.get_state(),
            "python": random.getstate(),
            "step": trainer.global_step,
        }
    )


class Reseed(L.Callback):
    """Each rank draws its own noise."""

    def on_train_start(self, *args: Any) -> None:
        for seed in (random.seed, np.random.seed, torch.manual_seed):
            seed(100 + rank())


class Thief(L.Callback):
    """Takes one draw, on rank 1 only."""

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        if rank() == 1 and trainer.global_step == 20:
            torch.rand(())


def fit(
    case: Path,
    *callbacks: Any,
    net: dict[str, Any] | None = None,
    validates: bool = False,
    resume: Path | None = None,
    **options: Any,
) -> Exception | None:
    """Fit on two processes; what is raised comes back, and a record lies in the folder ``case``."""
    L.seed_everything(7, verbose=False)
    module = (Validating if validates else Net)(**(net or {}))
    x = torch.linspace(0, 1, 64)[:, None]
    loader = DataLoader(TensorDataset(x, sine(x)[:, None]), batch_size=8, shuffle=True)  # 4 batches an epoch and rank
    listener = Listener(case)
    trainer = L.Trainer(
        **{
            "max_steps": STEPS,
            "max_epochs": -1,
            "accelerator": "cpu",
            "devices": 2,
            "strategy": "ddp",
            "logger": False,
            "default_root_dir": case,
            "enable_checkpointing": any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "callbacks": [listener, Reseed(), *callbacks],
            **options,
        }
    )
    try:
        trainer.fit(module, loader, loader if validates else None, ckpt_path=resume)
    except Exception as error:
        save(case, **listener.seen(trainer, module), raised=f"{type(error).__name__}: {error}")
        return error
    save(case.with_name(f"{case.name}.after"), metrics=[sorted(trainer.callback_metrics)])
    return None


def watcher(**options: Any) -> SequentialFitting:
    given = {"bounds": [(0.0, 1.0)], "target": sine, **options}
    return SequentialFitting(Probe.grid(**given), every_n_steps=EVERY, stop_on=["diverged"])


def without_figures() -> None:
    """They take longer than the rest."""
    keeping.figures.draw = lambda run: {}


def count_writes(folder: Path) -> None:
    """Note which rank writes which record."""
    write = Here.write

    def noted(here: Here, data: bytes) -> None:
        with (folder / f"writes.rank{rank()}.txt").open("a") as file:
            file.write(f"{here.path.relative_to(folder).parts[0]}\n")
        write(here, data)

    Here.write = noted


#: A bare training, those that must equal it, and what they differ in.
PAIRS: dict[str, tuple[Callable[[], Any], dict[str, Any], dict[str, dict[str, Any]]]] = {
    "ddp": (
        lambda: "ddp",
        {},
        {"ddp-watched": {}, "ddp-residual": {"target": 0.0, "predict": slope, "needs_grad": True}},
    ),
    "unused": (lambda: "ddp_find_unused_parameters_true", {"unused": True}, {"unused-watched": {}}),
    "static": (lambda: DDPStrategy(static_graph=True), {}, {"static-watched": {}}),
    "collective": (FSDPStrategy, {}, {"collective-watched": {}}),
}


def popen(folder: Path) -> None:
    """All that runs under Lightning's launcher of scripts; the process group serves one fit after the other."""
    without_figures()
    count_writes(folder)
    for name, (strategy, net, watched) in PAIRS.items():
        fit(folder / name, net=net, strategy=strategy())
        for case, options in watched.items():
            keeper = ModelCheckpoint(folder / case / "checkpoints", every_n_train_steps=10, save_top_k=-1)
            fit(folder / case, watcher(**options), keeper, net=net, strategy=strategy())
    fit(folder / "robbed", Thief())

    keeper = ModelCheckpoint(folder / "whole" / "checkpoints", filename="{step}", every_n_train_steps=8, save_top_k=-1)
    logger = CSVLogger(folder / "whole", name="", version="", flush_logs_every_n_steps=1)
    fit(folder / "whole", watcher(), keeper, net={"noise": False}, logger=logger, log_every_n_steps=1)
    fit(folder / "resumed", watcher(), net={"noise": False}, resume=folder / "whole" / "checkpoints" / "step=24.ckpt")

    several = watcher(target=two_waves, predict=twice, output=[0, 1], name="both")
    fit(folder / "several", several, watcher(target=two_waves, predict=twice, output="norm"), net={"noise": False})

    best = ModelCheckpoint(
        folder / "monitors" / "best",
        monitor="seqfit/front/fitted",
        mode="max",
        every_n_train_steps=5,
        filename="{step}-{seqfit/front/fitted:.3f}",
        auto_insert_metric_name=False,
    )
    stopper = EarlyStopping("seqfit/error/max", min_delta=100.0, patience=4)
    later = EarlyStopping("seqfit/front/sequentiality", mode="max", patience=100, strict=False)
    plateau = {"monitor": "seqfit/error/relative_rmse", "interval": "step"}
    fit(folder / "monitors", watcher(), stopper, later, best, net={"plateau": plateau})
    save(folder / "best", path=best.best_model_path, score=best.best_model_score.item(), epoch=stopper.stopped_epoch)
    fit(folder / "plateau", watcher(), net={"plateau": {**plateau, "interval": "epoch"}})
    strict = EarlyStopping("seqfit/front/sequentiality", mode="max")
    fit(folder / "strict", watcher(), strict, validates=True, val_check_interval=1)

    calls: list[int] = []

    def failing(module: nn.Module, x: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) in (1, 7):
            raise KeyError("no such table")
        return module(x)

    fit(folder / "refused", watcher(predict=failing))
    fit(folder / "later", watcher(predict=failing))

    looked: list[int] = []

    def breaking(module: nn.Module, x: Tensor) -> Tensor:
        looked.append(1)
        return module(x) if len(looked) < 6 else torch.full((len(x),), torch.nan)

    fit(folder / "stopped", watcher(predict=breaking))

    # The last: nothing works together after it. Uncaught, as a user's would be.
    error = fit(folder / "broken", watcher(), net={"fails_at": (1, 30)})
    assert error is not None
    raise error


def workers(folder: Path) -> None:
    """What runs under Lightning's launchers of worker processes."""
    without_figures()
    used = watcher()
    fit(folder / "alone", used, devices=1, strategy="auto", max_steps=3)
    fit(folder / "fork", strategy="ddp_fork")
    fit(folder / "fork-watched", watcher(target=lambda x: sine(x)), strategy="ddp_fork")
    fit(folder / "spawn-watched", used, strategy="ddp_spawn")
    fit(folder / "spawn-lambda", watcher(target=lambda x: sine(x)), strategy="ddp_spawn")
    for broken in (0, 1):
        fit(folder / f"fork-broken-{broken}", watcher(), net={"fails_at": (broken, 30)}, strategy="ddp_fork")


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"popen": popen, "workers": workers}[sys.argv[1]](Path(sys.argv[2]))
