"""A whole fork: what the table says, and that nothing of it is left behind."""

from __future__ import annotations

import copy
import logging
import os
import random
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import pytorch_lightning
import torch
from torch import nn

from lightning_seqfit import Probe, fork, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from lightning_seqfit.demos import SIRENRegression, TanhRegression, sine
from tests.forks.modules import Noted, probe, wave

SIREN = {"network": "siren", "omega_0": 41.0, "learning_rate": 5e-4}
QUIET = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False, "enable_checkpointing": False}


def row(table: Any, name: str) -> Any:
    return next(attempt for attempt in table.attempts if attempt.name.startswith(name))


def test_the_steps_are_those_that_a_callback_records_in_the_same_training(tmp_path: Path) -> None:
    target = Probe.grid([(0.0, 1.0)], sine)
    table = fork(lambda: SIRENRegression(omega_0=41.0), target, [{}], steps=200, seeds=[3])

    L.seed_everything(3, verbose=False)
    module, watcher = SIRENRegression(omega_0=41.0), ErrorFront(Probe.grid([(0.0, 1.0)], sine), every_n_steps=5)
    L.Trainer(max_steps=200, callbacks=[watcher], accelerator="cpu", default_root_dir=tmp_path, **QUIET).fit(module)
    run = load(tmp_path)
    first = next(look for look in range(len(run.steps)) if run.front.fitted[look : look + 2].min() >= 0.98)
    (as_it_is,) = table.attempts
    assert as_it_is.steps == (run.steps[first],)
    assert as_it_is.taken == (run.steps[first + 1],)
    assert as_it_is.fitted == (pytest.approx(run.front.fitted[first + 1]),)
    assert as_it_is.error == (pytest.approx(run.scalars["error/relative_rmse"][first + 1], rel=1e-4),)
    assert "note  it is fitted as it is" in str(table)


def test_the_code_of_the_winner_fits_in_the_steps_that_the_table_names(tmp_path: Path) -> None:
    table = fork(TanhRegression, Probe.grid([(0.0, 1.0)], sine), [{"learning_rate_factor": 0.1}, SIREN], steps=150)
    assert table.attempts[0].name.startswith("SIREN")
    network, _, rate = table.code().partition("# in configure_optimizers")

    class Pasted(TanhRegression):
        def configure_optimizers(self) -> Any:
            optimizer = super().configure_optimizers()
            exec(f"# {rate}", {"optimizer": optimizer})
            return optimizer

    torch.manual_seed(7)
    module = Pasted()
    exec(network, {"module": module})
    steps = round(1.5 * table.winner.reached)
    watcher = ErrorFront(Probe.grid([(0.0, 1.0)], sine), every_n_steps=5)
    L.Trainer(max_steps=steps, callbacks=[watcher], accelerator="cpu", default_root_dir=tmp_path, **QUIET).fit(module)
    assert load(tmp_path).front.fitted[-1] >= 0.98


def state_of_the_process() -> dict[str, Any]:
    return {
        "class": dict(vars(TanhRegression)),
        "environment": dict(os.environ),
        "level": logging.getLogger("lightning.pytorch").level,
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),
        "torch": torch.get_rng_state().tolist(),
    }


def test_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    before = state_of_the_process()
    fork(TanhRegression, Probe.grid([(0.0, 1.0)], sine), [SIREN, {"inputs": "[-1, 1]"}], steps=5, seeds=1)
    assert state_of_the_process() == before
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_probe_that_is_attached_from_outside_does_not_watch_forks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "probe.yaml"
    monkeypatch.setenv("SEQFIT", str(file))
    file.write_text("probe: {bounds: [[10.0, 14.0]], target: lightning_seqfit.demos.sine}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SequentialFitting, "on_train_start", lambda *args: pytest.fail("it watches"))
        assert fork(Noted, probe(), [{}], steps=2, seeds=1).attempts[0].taken == (2,)


def test_what_the_trainer_is_told_holds_in_forks() -> None:
    epochs: list[int] = []

    class NotesEpochs(Noted):
        def note(self) -> Any:
            epochs.append(self.trainer.max_epochs)

    fork(NotesEpochs, probe(), [{}], steps=4, seeds=1, trainer={"max_epochs": 7, "limit_train_batches": 2})
    assert epochs == [7] * 4


@pytest.mark.parametrize(
    "trainer",
    [
        {"precision": "64-true", "accelerator": "cpu"},
        {"precision": "bf16-mixed", "accelerator": "cpu"},
        pytest.param({"accelerator": "gpu"}, marks=pytest.mark.gpu),
    ],
)
def test_what_is_put_in_has_the_precision_and_the_device_of_the_module(trainer: dict[str, Any]) -> None:
    siren = {"network": "siren", "omega_0": 2.0, "inputs": "[-1, 1]", "targets": 3.0}
    changes = [siren, {"width": 16}, {"activation": "sine", "omega_0": 2.0}]
    table = fork(Noted, probe(), changes, steps=3, seeds=1, trainer=trainer)
    assert [(attempt.taken, attempt.why) for attempt in table.attempts] == [((3,), "")] * 4


def test_seeds_differ_and_the_same_one_gives_the_same_training() -> None:
    tables = [fork(Noted, probe(), [{}], steps=5, seeds=seeds) for seeds in ([0, 1], [1])]
    first, second = tables[0].attempts[0].error
    assert first != second
    assert tables[1].attempts[0].error == (second,)


class Breaks(Noted):
    def training_step(self, batch: Any) -> Any:
        raise RuntimeError("no\nbatch")


def test_a_training_that_raises_is_a_row_with_its_reason() -> None:
    def a_module_that_breaks() -> L.LightningModule:
        return Breaks()

    table = fork(Noted, probe(), [a_module_that_breaks, {"optimizer": "sgd", "learning_rate": 1e9}], steps=20, seeds=1)
    assert row(table, "a module that breaks").why == "raised RuntimeError: no batch"
    assert row(table, "SGD").why.startswith("diverged by step ")


class AnotherInTheLoss(Noted):
    """Trains a network that nobody sees."""

    def __init__(self) -> None:
        super().__init__()
        self.others = [self.network]

    def training_step(self, batch: Any) -> Any:
        return (self.others[0](self.points)[:, 0] - wave(self.points)).square().mean()


class MadeBefore(Noted):
    def __init__(self) -> None:
        super().__init__()
        self.optimizer = torch.optim.Adam(self.network.parameters())

    def configure_optimizers(self) -> Any:
        return self.optimizer


@pytest.mark.parametrize(
    ("kind", "why"),
    [(AnotherInTheLoss, "does not call the network"), (MadeBefore, "does not train the network's weights")],
)
def test_an_exchanged_network_that_is_not_trained_is_said(kind: type[Noted], why: str) -> None:
    table = fork(kind, probe(), [{"network": "tanh"}], steps=3, seeds=1)
    assert why in row(table, "tanh network").why


class Late(Noted):
    """Makes its network when the training is set up."""

    def __init__(self) -> None:
        super().__init__()
        del self.network

    def configure_model(self) -> None:
        self.network = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))


def test_a_network_that_is_made_late_is_exchanged_too() -> None:
    table = fork(Late, probe(), [{"network": "siren", "width": 16, "omega_0": 2.0}], steps=3, seeds=1)
    assert row(table, "SIREN").taken == (3,)


def saved(folder: Path, steps: int = 6) -> tuple[Path, Noted]:
    torch.manual_seed(5)
    module = Noted()
    trainer = L.Trainer(max_steps=steps, accelerator="cpu", default_root_dir=folder, **{**QUIET, "logger": None})
    trainer.fit(module)
    trainer.save_checkpoint(folder / "last.ckpt")
    return folder / "last.ckpt", module


@pytest.mark.filterwarnings("ignore:Starting from v1.9.0:UserWarning")
def test_a_checkpoint_goes_on_with_its_weights_and_its_optimizer(tmp_path: Path) -> None:
    class NotesState(Noted):
        def note(self) -> Any:
            state = copy.deepcopy(self.trainer.optimizers[0].state)
            return float(next(iter(state.values()))["step"]) if state else 0.0

        def training_step(self, batch: Any) -> Any:
            loss = super().training_step(batch)
            self.notes[-1] = (self.notes[-1], loss.item())
            return loss

    path, module = saved(tmp_path)
    loss = float((module(module.points)[:, 0] - wave(module.points)).square().mean().detach())
    notes: list[Any] = []
    changes = [{"learning_rate": 1e-3}, {"optimizer": "sgd"}, {"inputs": "[-1, 1]"}]
    table = fork(lambda: NotesState(notes), probe(), changes, steps=2, seeds=1, checkpoint=path)
    first = notes[::2]
    assert first[:2] == [(6.0, pytest.approx(loss))] * 2  # as it is, and another rate
    assert first[2] == (0.0, pytest.approx(loss))  # another optimizer knows the weights only
    assert first[3][1] != pytest.approx(loss)
    assert row(table, "inputs").name == "inputs to [-1, 1], network anew"
    assert "2 steps each from step 6 of the checkpoint" in str(table)


class OfTheOtherPackage(pytorch_lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, points: torch.Tensor) -> Any:
        return self.network(points)

    def training_step(self, batch: Any) -> Any:
        return (self(batch)[:, 0] - wave(batch)).square().mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters())


def test_a_module_of_pytorch_lightning_is_trained_on_the_data_that_is_given() -> None:
    data = torch.utils.data.DataLoader(10.0 + 4 * torch.rand(32, 1), batch_size=16)
    table = fork(OfTheOtherPackage, probe(), [{"activation": "gelu"}], steps=4, seeds=1, data=data)
    assert [attempt.taken for attempt in table.attempts] == [(4,), (4,)]


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"make_module": Noted()}, TypeError, "make_module is Noted: give a function"),
        ({"probe": 3}, TypeError, "probe is int"),
        ({"probe": Probe.grid([(0.0, 1.0)], None)}, ValueError, "the probe has none"),
        ({"steps": 0}, ValueError, "steps=0"),
        ({"seeds": 0}, ValueError, "seeds=0: give how many"),
        ({"trainer": {"max_steps": 3}}, ValueError, "max_steps is the fork's own"),
        ({"trainer": {"devices": 2}}, ValueError, "one device"),
        ({"checkpoint": "none.ckpt"}, ValueError, "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_trains(arguments: Any, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        fork(**{"make_module": Noted, "probe": probe(), "changes": [{}], **arguments})
