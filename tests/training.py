"""One training and all that it leaves behind, so that a bare and a watched one can be compared bit by bit."""

from __future__ import annotations

import copy
import csv
import logging
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, Run, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.diagnosis import Course
from lightning_seqfit.diagnosis.signs import NUMBERS
from lightning_seqfit.watch.schedule import next_look

STEPS = 40
#: Pictures that a run leaves when everything is watched: along a line, and in a plane.
FIGURES = {"2_fit", "1_front", "3_arrival", "4_spectrum", "5_basis", "6_rank"}
FIGURES_OF_A_PLANE = FIGURES - {"3_arrival"}

#: Tags that the record has and loggers and monitors have not.
KEPT = {
    *("basis/width", "fourier/flatness", "training/update", "training/adaptive"),
    *(f"stall/{name}" for name in (*NUMBERS, "since", "verdict")),
    *(f"stall/course/{each.name}" for each in fields(Course) if each.name not in ("since", "verdict")),
}


class Net(L.LightningModule):
    """A small network whose training step draws from every generator, so that a lost draw shows in the weights."""

    def __init__(self, middle: Callable[[], nn.Module] = nn.Identity, optimizer: str = "adam") -> None:
        super().__init__()
        self.first = nn.Linear(1, 16)
        self.middle = middle()
        self.last = nn.Linear(16, 1)
        self.optimizer = optimizer
        self.lr = 1e-2

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.middle(self.first(4 * x))))

    def loss(self, batch: list[Tensor]) -> Tensor:
        x, y = batch
        jitter = 1e-3 * (random.random() + np.random.rand() + torch.rand(()))
        return nn.functional.mse_loss(self(x + jitter), y)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.log("loss", loss)
        return loss

    def on_train_batch_end(self, *args: Any) -> None:
        self.log("taken", float(self.global_step))  # optimizer steps, on Lightning's own axis

    def configure_optimizers(self) -> Any:
        if self.optimizer == "lbfgs":
            return torch.optim.LBFGS(self.parameters(), max_iter=2)
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def loader(shuffle: bool = False, batch_size: int | None = None) -> DataLoader[Any]:
    """64 points of a sine: shuffled, in batches of 16, or all at once."""
    x = torch.linspace(0, 1, 64)[:, None]
    data = TensorDataset(x, torch.sin(6 * torch.pi * x))
    return DataLoader(data, batch_size=batch_size or (16 if shuffle else 64), shuffle=shuffle)


def probe(**options: Any) -> Probe:
    return Probe.grid(**{"bounds": [(0.0, 1.0)], "target": lambda x: torch.sin(6 * torch.pi * x[:, 0]), **options})


def trainer(folder: Path, callbacks: Sequence[Any] = (), **options: Any) -> L.Trainer:
    """A trainer that logs every step to ``<folder>/metrics.csv``; no epochs, checkpoints or progress bars unasked."""
    settings = {
        "max_steps": STEPS,
        "max_epochs": -1,
        "logger": CSVLogger(folder, name="", version=""),
        "log_every_n_steps": 1,
        "enable_checkpointing": False,
    }
    return L.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **{**settings, **options},
    )


def fit(trainer: L.Trainer, module: L.LightningModule) -> None:
    trainer.fit(module, loader())


def fit_shuffled(trainer: L.Trainer, module: L.LightningModule) -> None:
    trainer.fit(module, loader(shuffle=True))


def trained(
    make: Callable[[], L.LightningModule],
    folder: Path,
    callbacks: Sequence[Any] = (),
    run: Callable[[L.Trainer, L.LightningModule], Any] = fit,
    **options: Any,
) -> dict[str, Any]:
    """Everything that a training leaves behind, with what ``run`` returns as its outcome; no word of ours meanwhile."""
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    module = make()
    trains = trainer(folder, callbacks, **options)
    with silent():
        outcome = run(trains, module)
    return {"outcome": outcome, **left_behind(trains, module), "curves": curves(folder)}


def left_behind(trainer: L.Trainer, module: nn.Module) -> dict[str, Any]:
    metrics = trainer.callback_metrics
    return {
        "weights": {name: p.detach().clone() for name, p in module.named_parameters()},
        "buffers": {name: b.clone() for name, b in module.named_buffers()},
        "grads": {name: None if p.grad is None else p.grad.clone() for name, p in module.named_parameters()},
        "optimizers": [o.state_dict() for o in trainer.optimizers],
        "modes": {name: m.training for name, m in module.named_modules()},
        "attributes": {name: sorted(vars(m)) for name, m in module.named_modules()},
        "hooks": {
            name: [len(hooks) for key, hooks in sorted(vars(m).items()) if key.endswith("_hooks")]
            for name, m in module.named_modules()
        },
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),
        "python": random.getstate(),
        "step": trainer.global_step,
        "loops": copy.deepcopy(trainer.fit_loop.state_dict()),
        "metrics": {tag: value.clone() for tag, value in metrics.items() if not tag.startswith("seqfit/")},
    }


def assert_same(bare: Any, watched: Any, where: str = "") -> None:
    """Bitwise, whatever is nested in what."""
    assert type(bare) is type(watched), where
    if isinstance(bare, dict):
        assert bare.keys() == watched.keys(), where
        for key in bare:
            assert_same(bare[key], watched[key], f"{where}/{key}")
    elif isinstance(bare, list | tuple):
        assert len(bare) == len(watched), where
        for number, (one, other) in enumerate(zip(bare, watched, strict=True)):
            assert_same(one, other, f"{where}/{number}")
    elif isinstance(bare, Tensor):
        assert bare.dtype == watched.dtype, where
        assert torch.equal(bare.reshape(-1).view(torch.uint8), watched.reshape(-1).view(torch.uint8)), where
    elif isinstance(bare, np.ndarray):
        assert bare.tobytes() == watched.tobytes(), where
    else:
        assert bare == watched or (bare != bare and watched != watched), where


@contextmanager
def silent() -> Iterator[None]:
    """No warning of ours: where warnings are errors it goes to the log."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    listener = Listener(logging.WARNING)
    logger = logging.getLogger("lightning_seqfit")
    logger.addHandler(listener)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "seqfit: ")
            yield
    finally:
        logger.removeHandler(listener)
    assert not said, said


def rows(folder: Path) -> list[dict[str, str]]:
    """What a run's CSVLogger has written."""
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def curves(folder: Path) -> list[dict[str, str]]:
    """What the module itself has logged."""
    kept = [{tag: value for tag, value in row.items() if not tag.startswith("seqfit/")} for row in rows(folder)]
    return [row for row in kept if any(value for tag, value in row.items() if tag != "step")]


def steps_taken(folder: Path) -> dict[int, int]:
    """Optimizer steps taken, by place on the axis of the module's own curves."""
    return {int(row["step"]): int(float(row["taken"])) for row in curves(folder) if row["taken"]}


def due(visited: Sequence[int], every_n_steps: Any = "auto", start: int = 0) -> list[int]:
    """Steps of the looks of a fit, given the steps at which its batches ended."""
    looks = [start]
    for step in visited:
        if step >= next_look(looks[-1], every_n_steps):
            looks.append(step)
    return looks if looks[-1] == visited[-1] else [*looks, visited[-1]]


def assert_complete(
    folder: Path, name: str = "", every_n_steps: Any = "auto", unlogged: Mapping[int, int] | None = None
) -> Run:
    """The record of one fit from step 0: all looks that are due, on the axis of the module's own curves.

    ``unlogged``: steps taken by place on that axis, for a batch that broke off before its curves were logged.
    """
    run = load(folder, name)
    taken = steps_taken(folder) | dict(unlogged or {})
    assert run.steps.tolist() == due(sorted(set(taken.values())), every_n_steps)
    assert run.steps[:2].tolist() == [0, min(run.steps[1:])]
    assert [taken[axis] for axis in run.logger_steps[1:].tolist()] == run.steps[1:].tolist()
    assert run.logger_steps[0] == 0
    assert set(run.fit.tolist()) == {0}
    tag = f"seqfit/{name}/error/max" if name else "seqfit/error/max"
    logged = [(int(row["step"]), float(row[tag])) for row in rows(folder) if row[tag]]
    assert logged == list(zip(run.logger_steps.tolist(), run.scalars["error/max"].tolist(), strict=True))
    for part in ("error/relative_rmse", "front/fitted", "oscillations/fitted", "basis/effective_rank", "fourier/trend"):
        assert np.isfinite(run.scalars[part]).all(), part
    assert_whole_files(folder)
    return run


def assert_whole_files(folder: Path, *names: str) -> None:
    """Records (of these names) and pictures only: nothing half-written is left, here and in folders of further runs."""
    files = [path.name for path in (folder / "seqfit").rglob("*") if not path.name.startswith("run_")]
    assert all(name.endswith((".npz", ".png")) and not name.startswith(".") for name in files), files
    if names:
        assert {name for name in files if name.endswith(".npz")} == {f"{name}.npz" for name in names}


def watched(
    make: Callable[[], L.LightningModule],
    folder: Path,
    run: Callable[[L.Trainer, L.LightningModule], Any] = fit,
    *,
    others: Callable[[], list[Any]] = list,
    watchers: Sequence[Any] | None = None,
    last: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Train bare and watched, in ``<folder>/bare`` and ``<folder>/watched``; both leave the same behind: return it."""
    watchers = [SequentialFitting(probe())] if watchers is None else list(watchers)
    bare = trained(make, folder / "bare", others(), run, **options)
    callbacks = [*others(), *watchers] if last else [*watchers, *others()]
    result = trained(make, folder / "watched", callbacks, run, **options)
    assert_same(bare, result)
    return result
