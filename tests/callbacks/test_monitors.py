"""Lightning's monitors ask for our measures at their first check, and at any time before the first epoch's end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.watch import keeping

#: There from step zero on.
ALWAYS = ["front/fitted", "error/relative_rmse", "error/max"]
#: NaN in the first looks: it takes five looks inside the range where a fit can come as a front.
LATE = "seqfit/front/sequentiality"


class Net(L.LightningModule):
    """One batch is one step, eight are an epoch; the plateau's monitor, if any, comes with its options."""

    def __init__(self, **plateau: Any) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
        self.plateau = plateau
        self.breaks_at = -1

    def forward(self, x: Tensor) -> Tensor:
        return self.net(4 * x) * (torch.nan if 0 <= self.breaks_at <= self.global_step else 1.0)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self.net(4 * batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None: ...

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.Adam(self.parameters(), lr=5e-3)
        if not self.plateau:
            return optimizer
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, **self.plateau}}


class Rates(L.Callback):
    """Learning rate of every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
        self.seen.append(trainer.optimizers[0].param_groups[0]["lr"])


def sine(x: Tensor) -> Tensor:
    return torch.sin(2 * torch.pi * x[:, 0])


def fit(folder: Path, *callbacks: Any, net: Net | None = None, resume: Path | None = None, **options: Any) -> L.Trainer:
    torch.manual_seed(0)
    net = net or Net()
    trainer = L.Trainer(
        **{
            "max_epochs": 6,
            "accelerator": "cpu",
            "logger": False,
            "default_root_dir": folder,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
            "callbacks": [SequentialFitting(Probe.grid([(0.0, 1.0)], sine), every_n_steps=2), *callbacks],
            **options,
        }
    )
    x = torch.linspace(0, 1, 64)[:, None]
    loader = DataLoader(TensorDataset(x, sine(x)[:, None]), batch_size=8)
    trainer.fit(net, loader, loader, ckpt_path=resume)
    return trainer


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than the fit."""
    monkeypatch.setattr(keeping.figures, "draw", lambda run: {})


def value_at(folder: Path, tag: str, step: int) -> float:
    """What a monitor must see after a step: the value of the last look."""
    run = load(folder)
    return float(run.scalars[tag][run.steps <= step][-1])


#: When a monitor checks, and the step of its first check.
CHECKS: dict[str, tuple[dict[str, Any], int]] = {
    "every step": ({"val_check_interval": 1}, 1),
    "within an epoch": ({"val_check_interval": 0.5, "num_sanity_val_steps": 2}, 4),
    "at the epoch's end": ({"limit_val_batches": 0}, 8),
    "after validation": ({}, 8),
}
AT_EPOCH_END = {"at the epoch's end": True, "every step": False}  # Lightning takes val_check_interval=1 for 1.0


@pytest.mark.filterwarnings("ignore:.Trainer.val_check_interval=1.. was configured:UserWarning")  # on purpose
@pytest.mark.parametrize("when", CHECKS)
def test_early_stopping_finds_what_is_there_from_step_zero(when: str, tmp_path: Path) -> None:
    options, first = CHECKS[when]
    asked: dict[str, Any] = {"patience": 2, "check_on_train_epoch_end": AT_EPOCH_END.get(when)}
    stoppers = [EarlyStopping(f"seqfit/{tag}", mode="max", min_delta=100.0, **asked) for tag in ALWAYS]
    t = fit(tmp_path, *stoppers, **options)
    assert t.global_step == 3 * first  # the first check, and two without an improvement
    for stopper, tag in zip(stoppers, ALWAYS, strict=True):
        assert stopper.best_score.item() == np.float32(value_at(tmp_path, tag, first))


@pytest.mark.parametrize("on_epoch_end", [True, False])
def test_strict_early_stopping_on_a_late_measure_ends_the_fit_in_lightnings_words(
    on_epoch_end: bool, tmp_path: Path
) -> None:
    stopper = EarlyStopping(LATE, mode="max", check_on_train_epoch_end=on_epoch_end)
    with pytest.raises(RuntimeError, match=f"`{LATE}` which is not available.*`seqfit/front/fitted`"):
        fit(tmp_path, stopper)
    assert load(tmp_path).steps[-1] == 8  # and the record is there


def test_early_stopping_waits_for_a_late_measure_where_it_is_not_strict(tmp_path: Path) -> None:
    stopper = EarlyStopping(LATE, mode="max", min_delta=100.0, patience=2, strict=False)
    t = fit(tmp_path, stopper)
    run = load(tmp_path)
    came = run.steps[np.isfinite(run.scalars["front/sequentiality"])][0]
    assert 8 < came <= 16
    assert stopper.best_score.item() == np.float32(value_at(tmp_path, "front/sequentiality", 16))
    assert t.global_step == 32  # two checks without an improvement after the first, at step 16


@pytest.mark.parametrize("options", [{}, {"limit_val_batches": 0}, {"val_check_interval": 0.5}], ids=str)
def test_a_checkpoint_on_a_late_measure_waits_where_it_counts_steps(options: dict[str, Any], tmp_path: Path) -> None:
    counts: dict[str, Any] = {"every_n_train_steps": 4, "save_on_train_epoch_end": True}
    keeper = ModelCheckpoint(tmp_path / "best", monitor=LATE, mode="max", **counts)
    fit(tmp_path, keeper, **options)
    assert keeper.best_model_score is not None
    assert keeper.best_model_score.item() in np.float32(load(tmp_path).scalars["front/sequentiality"])
    assert len(list((tmp_path / "best").iterdir())) == 1


def test_a_checkpoint_on_a_late_measure_after_validation_ends_the_fit_in_lightnings_words(tmp_path: Path) -> None:
    keeper = ModelCheckpoint(tmp_path / "best", monitor=LATE, mode="max")
    with pytest.raises(MisconfigurationException, match=f"{LATE}.*could not find the monitored key"):
        fit(tmp_path, keeper)
    assert load(tmp_path).steps[-1] == 8


def test_a_checkpoint_can_carry_the_measure_in_its_name(tmp_path: Path) -> None:
    keeper = ModelCheckpoint(
        tmp_path / "best",
        monitor="seqfit/error/max",
        filename="{step}-{seqfit/error/max:.3f}",
        auto_insert_metric_name=False,  # with it, the slashes of the tag make folders
        save_top_k=-1,
    )
    fit(tmp_path, keeper, max_epochs=3)
    names = {f"{step}-{value_at(tmp_path, 'error/max', step):.3f}.ckpt" for step in (8, 16, 24)}
    assert {path.name for path in (tmp_path / "best").iterdir()} == names


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_plateau_scheduler_follows_the_looks(interval: str, tmp_path: Path) -> None:
    rates = Rates()
    fit(tmp_path, rates, net=Net(monitor="seqfit/error/max", interval=interval))
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=rates.seen[0])
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    expected = []
    for step in range(48):
        expected.append(optimizer.param_groups[0]["lr"])
        if interval == "step" or (step + 1) % 8 == 0:
            oracle.step(value_at(tmp_path, "error/max", step + 1))
    assert rates.seen == expected
    assert len(set(expected)) > 1


def test_a_strict_plateau_scheduler_on_a_late_measure_ends_the_fit_in_lightnings_words(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=f"{LATE} which is not available"):
        fit(tmp_path, net=Net(monitor=LATE, interval="step"))


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_plateau_scheduler_waits_for_a_late_measure_where_it_is_not_strict(interval: str, tmp_path: Path) -> None:
    rates = Rates()
    with pytest.warns(RuntimeWarning, match=f"{LATE}.*strict is set to `False`"):
        fit(tmp_path, rates, net=Net(monitor=LATE, interval=interval, strict=False))
    assert rates.seen[9] == rates.seen[0]
    assert len(set(rates.seen)) > 1 or interval == "epoch"


@pytest.mark.filterwarnings("ignore:seqfit. the prediction at the probe is NaN:UserWarning")  # ours, on purpose
@pytest.mark.parametrize("tag", ["error/max", "error/relative_rmse"])
def test_a_prediction_that_turns_nan_is_an_infinite_error_that_monitors_see(tag: str, tmp_path: Path) -> None:
    net = Net()
    net.breaks_at = 20
    keeper = ModelCheckpoint(tmp_path / "best", monitor=f"seqfit/{tag}", mode="min", filename="{step}")
    t = fit(tmp_path, EarlyStopping(f"seqfit/{tag}", patience=100), keeper, net=net)
    assert t.global_step == 24  # check_finite, at the end of the epoch in which it broke
    assert load(tmp_path).scalars[tag][-1] == np.inf
    assert t.callback_metrics[f"seqfit/{tag}"] == torch.inf
    assert t.callback_metrics["seqfit/front/fitted"] == 0.0
    assert [path.stem for path in (tmp_path / "best").iterdir()] == ["step=16"]


@pytest.mark.filterwarnings("ignore:seqfit. the prediction at the probe is NaN:UserWarning")  # ours, on purpose
def test_early_stopping_that_does_not_ask_for_finite_values_goes_on(tmp_path: Path) -> None:
    net = Net()
    net.breaks_at = 20
    t = fit(tmp_path, EarlyStopping("seqfit/error/max", patience=100, check_finite=False), net=net)
    assert t.global_step == 48


@pytest.mark.filterwarnings("ignore:seqfit. the prediction at the probe is NaN:UserWarning")  # ours, on purpose
@pytest.mark.filterwarnings("ignore:.Trainer.val_check_interval=1.. was configured:UserWarning")  # so is this one
@pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint need to be provided:UserWarning")
def test_a_resumed_fit_gives_monitors_what_the_stopped_one_gave_them(tmp_path: Path) -> None:
    net = Net()
    net.breaks_at = 7
    keeper = ModelCheckpoint(tmp_path / "kept", filename="{epoch}")
    before = fit(tmp_path, keeper, net=net, max_epochs=1).callback_metrics
    assert load(tmp_path).scalars["error/max"][-1] == np.inf
    seen: list[dict[str, float]] = []

    class Listener(L.Callback):
        def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
            seen.append({tag: value.item() for tag, value in trainer.callback_metrics.items()})

    stopper = EarlyStopping("seqfit/error/max", patience=100, check_on_train_epoch_end=False)  # strict, every step
    fit(tmp_path, Listener(), stopper, resume=tmp_path / "kept" / "epoch=0.ckpt", max_epochs=2, val_check_interval=1)
    assert seen[0] == {tag: value.item() for tag, value in before.items()}
    assert {"seqfit/error/max", "seqfit/front/speed"} <= set(seen[0])
