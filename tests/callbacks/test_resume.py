"""A killed run that is resumed has the record of a run that was never stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler, TensorDataset

from lightning_seqfit import Probe, Run, figures, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting

STEPS, KILLED_AT = 400, 333

# Lightning's words on what these tests do on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch:UserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint need to be provided:UserWarning"),
]


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(4 * x)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


class Shuffled(Sampler[int]):
    """Another order every epoch, and the same for the same epoch: Lightning does not bring back the generators."""

    def __init__(self, net: Net) -> None:
        self.net = net

    def __len__(self) -> int:
        return 64

    def __iter__(self) -> Any:
        return iter(torch.randperm(64, generator=torch.Generator().manual_seed(self.net.current_epoch)).tolist())


class Kill(L.Callback):
    """The process is gone at a step, with no chance to say goodbye."""

    def __init__(self, step: int = KILLED_AT) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def train(
    folder: Path, mode: str, *callbacks: L.Callback, resume: Path | None = None, steps: int = STEPS, keep: int = 45
) -> L.Trainer:
    """Full batch and checkpoints in mid-epoch, or shuffled batches and checkpoints at the epoch's end."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.linspace(0, 1, 64)[:, None]
    net = Net()
    data = TensorDataset(x, torch.sin(6 * torch.pi * x))
    if "shuffled" in mode:
        loader = DataLoader(data, batch_size=8, sampler=Shuffled(net))
        keeper = ModelCheckpoint(folder / "checkpoints", every_n_train_steps=48, save_top_k=-1)  # six epochs
    else:
        loader = DataLoader([(x, data.tensors[1])] * 70, batch_size=None)
        keeper = ModelCheckpoint(folder / "checkpoints", every_n_train_steps=keep, save_top_k=-1)
    target = Probe.grid([(0.0, 1.0)], lambda points: torch.sin(6 * torch.pi * points[:, 0]))
    watcher = SequentialFitting(target, every_n_steps=15)
    trainer = L.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[keeper, *callbacks] if "appended" in mode else [keeper, watcher, *callbacks],
    )
    if "appended" in mode:
        trainer.callbacks.append(watcher)
    trainer.fit(net, loader, ckpt_path=resume)
    return trainer


def assert_same_record(one: Run, other: Run, *, lost: int = 0) -> None:
    """Compare two records; ``lost``: losses of batches that a checkpoint was saved before we were given them."""
    np.testing.assert_array_equal(one.steps, other.steps)
    np.testing.assert_array_equal(one.logger_steps, other.logger_steps)
    np.testing.assert_array_equal(one.fit, other.fit)
    np.testing.assert_array_equal(one.prediction, other.prediction)
    assert set(one.scalars) == set(other.scalars)
    for tag in one.scalars:
        if tag in ("training/loss", "stall/loss", "stall/loss_ratio") and lost:  # the latter over three looks
            most = lost if tag == "training/loss" else 3 * lost
            assert np.count_nonzero(one.scalars[tag][1:] != other.scalars[tag][1:]) <= most
        elif not tag.startswith("observer/"):
            np.testing.assert_array_equal(one.scalars[tag], other.scalars[tag], err_msg=tag)
    assert one.front is not None
    assert other.front is not None
    for name in ("local_error", "arrival", "settled", "active"):
        np.testing.assert_array_equal(getattr(one.front, name), getattr(other.front, name), err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["full batch", "shuffled", "full batch, appended"])
def test_a_killed_and_resumed_run_has_the_same_looks_and_values(mode: str, tmp_path: Path) -> None:
    train(tmp_path / "whole", mode)
    whole = load(tmp_path / "whole")
    assert np.isfinite(whole.scalars["front/fitted"]).all()
    assert whole.scalars["error/relative_rmse"][-1] < 0.9

    child = f"""
import runpy, warnings
warnings.simplefilter("ignore")
test = runpy.run_path({__file__!r})
test["train"](test["Path"]({str(tmp_path / "killed")!r}), {mode!r}, test["Kill"]())
"""
    result = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    assert result.returncode == -9, result.stderr

    checkpoints = sorted((tmp_path / "killed" / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    state = torch.load(checkpoints[-1], weights_only=True)
    assert 0 < state["global_step"] < KILLED_AT
    train(tmp_path / "killed", mode, resume=checkpoints[-1])
    assert_same_record(whole, load(tmp_path / "killed"), lost=int("appended" in mode))


@pytest.mark.slow
def test_runs_killed_at_20_random_steps_and_resumed_have_the_record_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "draw", lambda run: {})
    mode, short = "full batch", {"steps": 60, "keep": 7}
    train(tmp_path / "whole", mode, **short)
    whole = load(tmp_path / "whole")
    killed_at = np.random.default_rng(0).choice(np.arange(1, 60), 20, replace=False).tolist()
    # one process, which has everything imported and forks for each training; a write at every look stands for 30 s
    child = f"""
import os, runpy, warnings
warnings.simplefilter("ignore")
from lightning_seqfit.watch import keeping
keeping.WRITE_SECONDS = 0.0
test = runpy.run_path({__file__!r})
for step in {killed_at}:
    if not (pid := os.fork()):
        test["train"](test["Path"]({str(tmp_path)!r}) / str(step), {mode!r}, test["Kill"](step), **{short!r})
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -9
"""
    result = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    seen = 0
    for step in killed_at:
        folder = tmp_path / str(step)
        before = load(folder).steps.tolist()
        assert before == whole.steps[whole.steps <= step].tolist()
        seen += len(before)
        checkpoints = sorted((folder / "checkpoints").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        train(folder, mode, **short, resume=checkpoints[-1] if checkpoints else None)
        files = sorted(str(path.relative_to(folder)) for path in (folder / "seqfit").rglob("*.npz"))
        own = ["seqfit/probe.npz"] if checkpoints else ["seqfit/probe.npz", "seqfit/run_1/probe.npz"]
        assert files == own  # without a checkpoint it is another run
        assert_same_record(whole, load(folder / files[-1]))
    assert seen > 100


def test_the_state_in_the_checkpoint_is_plain_and_small(tmp_path: Path) -> None:
    train(tmp_path, "full batch")
    saved = torch.load(next((tmp_path / "checkpoints").iterdir()), weights_only=True)  # refuses anything but plain
    (key,) = [key for key in saved["callbacks"] if key.startswith("seqfit.")]
    assert key == "seqfit.SequentialFitting[probe]"

    def size(value: Any) -> int:
        if isinstance(value, dict):
            return sum(size(item) for item in value.values())
        return value.nbytes if isinstance(value, Tensor) else 100

    assert size(saved["callbacks"][key]) < 8e6


def test_another_callback_on_the_probe_goes_on_from_the_checkpoint(tmp_path: Path) -> None:
    train(tmp_path, "shuffled")
    newest = max((tmp_path / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    target = Probe.grid([(0.0, 1.0)], lambda points: torch.sin(6 * torch.pi * points[:, 0]))
    trainer = L.Trainer(
        max_steps=STEPS + 20,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        default_root_dir=tmp_path / "other",
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[ErrorFront(target, every_n_steps=15)],
    )
    x = torch.linspace(0, 1, 64)[:, None]
    seen: list[set[str]] = []

    class Listener(L.Callback):
        def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
            seen.append(set(trainer.callback_metrics))

    trainer.callbacks.append(Listener())
    trainer.fit(Net(), DataLoader(TensorDataset(x, torch.sin(6 * torch.pi * x)), batch_size=8), ckpt_path=newest)
    assert {"seqfit/front/fitted", "seqfit/error/relative_rmse"} <= seen[0]  # monitors find them before the next look
    before, after = load(tmp_path), load(tmp_path / "other")
    kept = before.steps <= torch.load(newest, weights_only=True)["global_step"]
    np.testing.assert_array_equal(after.steps[: kept.sum()], before.steps[kept])
    np.testing.assert_array_equal(after.scalars["front/fitted"][: kept.sum()], before.scalars["front/fitted"][kept])
    assert after.steps[-1] == STEPS + 20
