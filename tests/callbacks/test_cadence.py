"""When a look is taken, and on which axes it is logged."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import ErrorFront, OscillationCount, SequentialFitting
from lightning_seqfit.watch.schedule import next_look

#: Forward passes by module: a counter of the module's own would be put back after each look.
FORWARDS: dict[int, int] = {}

EARLY = [0, 1, 2, 3, 4, 6, 8, 11, 15, 21, 29, 41, 57, 80, 112, 157, 220, 308]


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
        FORWARDS[id(self)] = 0

    def forward(self, x: Tensor) -> Tensor:
        FORWARDS[id(self)] += 1
        return self.net(x)

    @property
    def forwards(self) -> int:
        return FORWARDS[id(self)]

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-3)


class TwoSteps(Net):
    """Two optimizer steps a batch: global_step jumps by two."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch, batch_idx))
            optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.SGD(self.parameters(), lr=1e-3) for _ in range(2)]


def loader(batch_size: int = 32) -> DataLoader[Any]:
    x = torch.linspace(0, 1, 32)[:, None]
    return DataLoader(TensorDataset(x, torch.sin(6 * torch.pi * x)), batch_size=batch_size)


def probe(**options: Any) -> Probe:
    return Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(6 * torch.pi * x[:, 0]), **options)


def trainer(folder: Path, *callbacks: Any, **options: Any) -> L.Trainer:
    options = {"logger": False, "enable_checkpointing": False, "max_epochs": -1, **options}
    return L.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **options,
    )


def rows(logger: CSVLogger) -> list[dict[str, str]]:
    with open(logger.experiment.metrics_file_path) as file:
        return list(csv.DictReader(file))


@given(st.integers(1, 3000), st.integers(0, 100_000))
def test_looks_come_after_the_last_and_never_further_apart_than_asked(n: int, step: int) -> None:
    following = next_look(step, n)
    assert step < following <= step + max(n, 1)
    assert following % n == 0 or following <= 3.5 * n + 2  # multiples, but for the beginning


@given(st.integers(1, 3000), st.lists(st.integers(0, 5000), min_size=2, max_size=2).map(sorted))
def test_the_next_look_does_not_depend_on_where_one_asks_from(n: int, steps: list[int]) -> None:
    early, late = steps
    following = next_look(early, n)
    if following > late:
        assert next_look(late, n) == following


def test_looks_are_at_the_start_at_growing_distances_and_at_the_end(tmp_path: Path) -> None:
    net = Net()
    trainer(tmp_path, SequentialFitting(probe(), every_n_steps=100), max_steps=630).fit(net, loader())
    assert load(tmp_path).steps.tolist() == [*EARLY, 400, 500, 600, 630]
    assert net.forwards == len(EARLY) + 4  # one forward pass a look


def test_by_default_looks_grow_apart_by_themselves(tmp_path: Path) -> None:
    trainer(tmp_path, SequentialFitting(probe()), max_steps=730).fit(Net(), loader())
    apart = [207, 257, 307, 357, 407, 457, 507, 557, 607, 657, 710]
    assert load(tmp_path).steps.tolist() == [*EARLY[:16], *apart, 730]


def test_a_function_decides_when_to_look(tmp_path: Path) -> None:
    watcher = SequentialFitting(probe(), every_n_steps=lambda step: step % 7 == 0)
    trainer(tmp_path, watcher, max_steps=30).fit(Net(), loader())
    assert load(tmp_path).steps.tolist() == [0, 7, 14, 21, 28, 30]


def test_accumulation_looks_once_a_step(tmp_path: Path) -> None:
    watcher = SequentialFitting(probe(), every_n_steps=1)
    trainer(tmp_path, watcher, max_steps=10, accumulate_grad_batches=4).fit(Net(), loader(batch_size=4))
    run = load(tmp_path)
    assert run.steps.tolist() == list(range(11))
    assert run.logger_steps.tolist() == [0, *range(10)]


def test_several_optimizers_cross_the_steps_that_are_due(tmp_path: Path) -> None:
    trainer(tmp_path, SequentialFitting(probe(), every_n_steps=5), max_steps=40).fit(TwoSteps(), loader())
    run = load(tmp_path)
    assert run.steps.tolist() == [0, 2, 4, 6, 8, 12, 16, 20, 26, 30, 36, 40]
    assert run.logger_steps[-1] == 19  # one batch in two steps


def test_callbacks_on_one_probe_share_evaluation_record_and_tags(tmp_path: Path) -> None:
    shared = probe()
    logger = CSVLogger(tmp_path)
    net = Net()
    watchers = [ErrorFront(shared, every_n_steps=10), OscillationCount(shared, every_n_steps=7)]
    trainer(tmp_path, *watchers, max_steps=40, logger=logger).fit(net, loader())
    run = load(logger.log_dir)
    assert run.steps.tolist() == [0, 1, 2, 3, 4, 6, 8, 11, 15, 21, 28, 29, 30, 35, 40]  # due for either
    assert net.forwards == len(run.steps)
    assert run.front is not None
    assert run.oscillations is not None
    logged = [row for row in rows(logger) if row["seqfit/error/relative_rmse"]]
    assert len(logged) == len(run.steps)


def test_scalars_lie_on_the_axis_of_lightnings_own_curves(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, flush_logs_every_n_steps=1)
    trainer(tmp_path, SequentialFitting(probe()), max_steps=20, logger=logger, log_every_n_steps=1).fit(Net(), loader())
    ours = [int(row["step"]) for row in rows(logger) if row["seqfit/front/fitted"]]
    theirs = {int(row["step"]) for row in rows(logger) if row["loss"]}
    assert set(ours) <= theirs
    assert max(ours) == max(theirs) == 19
    run = load(logger.log_dir)
    assert run.logger_steps.tolist() == ours
    assert run.steps.tolist() == [0, 1, 2, 3, 4, 6, 8, 11, 15, 20]


def test_metrics_are_there_from_step_zero_for_monitors(tmp_path: Path) -> None:
    seen: list[set[str]] = []

    class Listener(L.Callback):
        def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
            seen.append(set(trainer.callback_metrics))

    best = ModelCheckpoint(
        tmp_path / "best", monitor="seqfit/front/fitted", mode="max", every_n_train_steps=5, filename="best"
    )
    t = trainer(tmp_path, SequentialFitting(probe()), Listener(), best, max_steps=12, enable_checkpointing=True)
    t.fit(Net(), loader())
    assert {"seqfit/front/fitted", "seqfit/error/relative_rmse", "seqfit/error/max"} <= seen[0]
    assert "seqfit/front/sequentiality" not in seen[0]  # NaN so far: neither logged nor monitored
    assert best.best_model_score is not None
    assert "front/fitted" in t.progress_bar_metrics
    assert all(torch.isfinite(value) for name, value in t.callback_metrics.items() if name.startswith("seqfit/"))


def test_fast_dev_run_takes_one_look_and_writes_nothing(tmp_path: Path) -> None:
    net = Net()
    trainer(tmp_path, SequentialFitting(probe()), fast_dev_run=True).fit(net, loader())
    assert net.forwards == 1
    assert list(tmp_path.rglob("*seqfit*")) == []


def test_validation_and_testing_are_not_watched(tmp_path: Path) -> None:
    class Validating(Net):
        def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
            assert not self.training

        test_step = validation_step

    net = Validating()
    t = trainer(tmp_path, SequentialFitting(probe(), every_n_steps=1000), max_steps=3, check_val_every_n_epoch=1)
    t.validate(net, loader(), verbose=False)
    t.test(net, loader(), verbose=False)
    assert net.forwards == 0
    t.fit(net, loader(), loader())
    assert net.forwards == 4  # the start and three steps


def test_a_second_fit_of_the_module_goes_on_and_another_module_starts_anew(tmp_path: Path) -> None:
    watcher, net = SequentialFitting(probe()), Net()
    t = trainer(tmp_path, watcher, max_steps=5)
    t.fit(net, loader())
    t.fit_loop.epoch_loop.max_steps = 9
    t.fit(net, loader())
    run = load(tmp_path)
    assert run.steps[run.fit == 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert run.steps[run.fit == 1].tolist() == [5, 6, 8, 9]
    trainer(tmp_path, watcher, max_steps=3).fit(net, loader())  # a second trainer counts from zero
    run = load(tmp_path)
    assert run.steps[run.fit == 2].tolist() == [0, 1, 2, 3]
    assert run.total_steps[run.fit == 2].tolist() == [9, 10, 11, 12]
    assert np.all(np.diff(run.total_steps) >= 0)
    trainer(tmp_path, watcher, max_steps=2).fit(Net(), loader())
    run = load(tmp_path / "seqfit" / "run_1")
    assert run.fit.tolist() == [0, 0, 0]
    assert run.steps.tolist() == [0, 1, 2]
    assert load(tmp_path / "seqfit" / "probe.npz").fit.max() == 2  # the other module's record is not lost


def test_the_latest_look_and_exact_steps_survive_thinning(tmp_path: Path) -> None:
    trainer(tmp_path, SequentialFitting(probe(), every_n_steps=1), max_steps=1101).fit(Net(), loader())
    run = load(tmp_path)
    assert len(run.steps) <= 512
    assert run.steps[0] == 0
    assert run.steps[-1] == 1101
    assert set(np.diff(run.steps)[:-1]) == {4}
    assert run.front is not None
    assert run.front.local_error.shape == (len(run.steps), 512)


@pytest.mark.parametrize("where", ["list", "appended"])
def test_a_checkpoint_holds_the_look_that_is_due_with_it(where: str, tmp_path: Path) -> None:
    watcher = SequentialFitting(probe(), every_n_steps=10)
    keeper = ModelCheckpoint(tmp_path, every_n_train_steps=30, filename="{step}")
    if where == "list":
        t = trainer(tmp_path, watcher, keeper, max_steps=30, enable_checkpointing=True)
    else:
        t = trainer(tmp_path, keeper, max_steps=30, enable_checkpointing=True)
        t.callbacks.append(watcher)
    t.fit(Net(), loader())
    saved = torch.load(tmp_path / "step=30.ckpt", weights_only=True)
    state = saved["callbacks"][watcher.state_key]
    assert state["last_step"] == 30
    assert state["record"]["columns"]["steps"][-1] == 30
