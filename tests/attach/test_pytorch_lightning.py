"""Under the package ``pytorch_lightning``, whose classes are others than those of ``lightning.pytorch``."""

from __future__ import annotations

import logging
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, Run, figures, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from tests.training import KEPT

STEPS, RESUMED_AT = 120, 70
#: Logged when they say something: what is fixed now and then, a share of a band once it has one.
NOT_ALWAYS = ("error/noise", "oscillations/target", "basis/dead_domain", "basis/constant_share", "fourier/share/")

# As in lightning.pytorch: a deprecated way to ask torch's pytree, and advice on the number of batches.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning"),
    pytest.mark.filterwarnings("ignore:The number of training batches:UserWarning"),
]


class Net(pl.LightningModule):
    """If noisy, draws from every generator in each step, so that a lost draw shows in the weights."""

    def __init__(self, noisy: bool) -> None:
        super().__init__()
        self.noisy = noisy
        dropout = nn.Dropout(0.02 * noisy)
        self.net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), dropout, nn.BatchNorm1d(32), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(4 * x - 2)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        jitter = 1e-4 * self.noisy * (random.random() + np.random.rand() + torch.rand(()))
        loss = nn.functional.mse_loss(self(batch[0] + jitter), batch[1])
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def sine(x: Tensor) -> Tensor:
    return torch.sin(2 * torch.pi * x[:, 0])


def watcher(**options: Any) -> SequentialFitting:
    return SequentialFitting(Probe.grid(bounds=[(0.0, 1.0)], target=sine), **{"every_n_steps": 15, **options})


def make(folder: Path, callbacks: list[Any] | None, **options: Any) -> pl.Trainer:
    settings = {
        "max_steps": STEPS,
        "accelerator": "cpu",
        "logger": False,
        "default_root_dir": folder,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": any(isinstance(callback, ModelCheckpoint) for callback in callbacks or []),
    }
    return pl.Trainer(callbacks=callbacks, **{**settings, **options})


def fit(trainer: pl.Trainer, *, noisy: bool = True, resume: Path | None = None) -> Net:
    pl.seed_everything(7, verbose=False)
    net = Net(noisy)
    x = torch.linspace(0, 1, 64)[:, None]
    batches = DataLoader(TensorDataset(x, sine(x)[:, None]), batch_size=16 if noisy else 64, shuffle=noisy)
    trainer.fit(net, batches, ckpt_path=resume)
    return net


def left(trainer: pl.Trainer, net: Net) -> dict[str, Any]:
    """Bytes of everything that a training leaves behind, and its generators' states."""
    (moments,) = [optimizer.state_dict()["state"] for optimizer in trainer.optimizers]
    return {
        "state": {name: value.numpy().tobytes() for name, value in net.state_dict().items()},
        "optimizer": [value.numpy().tobytes() for state in moments.values() for value in state.values()],
        "grad": [parameter.grad.numpy().tobytes() for parameter in net.parameters()],
        "modes": [module.training for module in net.modules()],
        "torch": torch.get_rng_state().numpy().tobytes(),
        "numpy": str(np.random.get_state()),
        "python": random.getstate(),
    }


def assert_whole(run: Run, last: int) -> None:
    """The looks that were due, each with its values."""
    due = [0, 1, 2, 3, 4, 6, 8, 11, 15, 21, 29, 41, *range(45, STEPS + 1, 15)]
    due = [step for step in due if step <= last]
    assert run.steps.tolist() == due + ([last] if due[-1] < last else [])
    for tag in ("front/fitted", "error/relative_rmse", "oscillations/fitted", "fourier/trend", "basis/numerical_rank"):
        assert np.isfinite(run.scalars[tag]).all()
    assert np.isfinite(run.prediction).all()


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of these short trainings."""
    monkeypatch.setattr(figures, "draw", lambda run: {})


@pytest.mark.parametrize("appended", [False, True], ids=["in the list", "appended"])
def test_training_is_bitwise_what_it_is_without_us_and_everything_is_logged(
    appended: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = make(tmp_path / "bare", None)
    alone = left(bare, fit(bare))
    logger = TensorBoardLogger(tmp_path)
    trainer = make(tmp_path, None if appended else [watcher()], logger=logger, log_every_n_steps=1)
    if appended:  # as to a wrapper that makes its own trainer
        trainer.callbacks.append(watcher())
    with caplog.at_level(logging.INFO):
        watched = left(trainer, fit(trainer))
    for name, value in alone.items():
        assert value == watched[name], name
    run = load(logger.log_dir)
    assert_whole(run, STEPS)
    assert run.scalars["error/relative_rmse"][-1] < 0.5 * run.scalars["error/relative_rmse"][0]
    assert sum("oscillations, relative RMSE" in record.getMessage() for record in caplog.records) == 1
    assert trainer.progress_bar_metrics["front/fitted"] == run.scalars["front/fitted"][-1]
    assert trainer.callback_metrics["seqfit/front/fitted"].item() == pytest.approx(run.scalars["front/fitted"][-1])

    events = EventAccumulator(logger.log_dir, size_guidance={"scalars": 0})
    events.Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(STEPS))
    logged = set(events.Tags()["scalars"])
    for tag, values in run.scalars.items():
        finite = np.isfinite(values) & (tag not in KEPT)
        seen = events.Scalars(f"seqfit/{tag}") if finite.any() and f"seqfit/{tag}" in logged else []
        if tag.startswith(NOT_ALWAYS):
            known = set(zip(run.logger_steps[finite].tolist(), values[finite].astype(np.float32).tolist(), strict=True))
            assert {(event.step, np.float32(event.value)) for event in seen} <= known, tag
            continue
        assert [event.step for event in seen] == run.logger_steps[finite].tolist(), tag
        np.testing.assert_array_equal([event.value for event in seen], values[finite].astype(np.float32), err_msg=tag)
    pictures = (Path(logger.log_dir) / "seqfit").glob("*.png")
    images = events.Tags()["images"]
    assert set(images) == {f"seqfit/{path.stem.removeprefix('probe_')}" for path in pictures}
    assert {"seqfit/2_fit", "seqfit/1_front"} <= set(images)


class Raise(pl.Callback):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_train_batch_start(self, trainer: pl.Trainer, *args: Any) -> None:
        if trainer.global_step == RESUMED_AT + 3:
            raise self.error


@pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning")  # pytorch_lightning
@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("error", [RuntimeError("out of luck"), KeyboardInterrupt()], ids=["exception", "Ctrl-C"])
def test_a_training_that_broke_off_has_its_record_and_goes_on_from_its_checkpoint(
    error: BaseException, tmp_path: Path
) -> None:
    fit(make(tmp_path / "whole", [watcher()]), noisy=False)

    def callbacks() -> list[Any]:
        return [watcher(), ModelCheckpoint(tmp_path / "checkpoints", every_n_train_steps=RESUMED_AT)]

    with pytest.raises((RuntimeError, SystemExit)):  # Ctrl-C becomes an exit
        fit(make(tmp_path / "broken", [*callbacks(), Raise(error)]), noisy=False)
    assert_whole(load(tmp_path / "broken"), RESUMED_AT + 3)

    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    state = torch.load(checkpoint, weights_only=True)
    assert state["global_step"] == RESUMED_AT
    assert "seqfit.SequentialFitting[probe]" in state["callbacks"]
    fit(make(tmp_path / "broken", callbacks()), noisy=False, resume=checkpoint)
    one, other = load(tmp_path / "whole"), load(tmp_path / "broken")
    assert_whole(other, STEPS)
    for name in ("steps", "logger_steps", "fit", "prediction"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for tag in set(one.scalars) - {"observer/overhead", "observer/seconds_per_look"}:
        np.testing.assert_array_equal(one.scalars[tag], other.scalars[tag], err_msg=tag)


@pytest.mark.usefixtures("no_figures")
def test_its_early_stopping_and_its_checkpoints_monitor_our_measures(tmp_path: Path) -> None:
    stopper = EarlyStopping("seqfit/front/fitted", mode="max", stopping_threshold=0.5, patience=100)
    keeper = ModelCheckpoint(
        tmp_path / "best",
        monitor="seqfit/front/fitted",
        mode="max",
        filename="{step}-fitted={seqfit/front/fitted:.2f}",
        auto_insert_metric_name=False,
    )
    trainer = make(tmp_path, [stopper, keeper, watcher(every_n_steps=5)], max_steps=400)
    fit(trainer)
    run = load(tmp_path)
    fitted = run.scalars["front/fitted"]
    assert fitted[0] < 0.5
    half = int(np.argmax(fitted > 0.5))
    stopped = -4 * (-run.steps[half] // 4)  # the end of its epoch, which has four steps
    assert trainer.global_step == stopped < 400
    assert keeper.best_model_score == pytest.approx(fitted[half])
    assert Path(keeper.best_model_path) == tmp_path / "best" / f"{stopped}-fitted={fitted[half]:.2f}.ckpt"


@pytest.mark.usefixtures("no_figures")
def test_two_probes_and_single_callbacks_share_a_trainer(tmp_path: Path) -> None:
    left_half = Probe.grid(bounds=[(0.0, 0.5)], target=sine, name="left")
    trainer = make(tmp_path, [ErrorFront(left_half), watcher()], max_steps=10)
    fit(trainer)
    assert load(tmp_path, "left").steps.tolist() == load(tmp_path).steps.tolist() == [0, 1, 2, 3, 4, 6, 8, 10]
    assert {"seqfit/front/fitted", "seqfit/left/front/fitted"} <= set(trainer.callback_metrics)


def test_a_version_whose_trainer_takes_no_callback_of_ours_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl, "__version__", "2.5.6")
    with pytest.raises(ImportError, match=r"pytorch_lightning 2\.5\.6 .* pip install 'pytorch-lightning>=2\.6\.0'"):
        watcher()
    for allowed in ("2.6.0", "2.10.0rc1", "3.0"):
        monkeypatch.setattr(pl, "__version__", allowed)
        assert watcher().state_key == "seqfit.SequentialFitting[probe]"
