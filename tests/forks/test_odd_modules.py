"""Modules, options and mistakes that a fork meets in the wild: each is trained as its user trains it, or it is said."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from torch import nn

from lightning_seqfit import Probe, fork
from lightning_seqfit.callbacks import SequentialFitting
from tests.forks.modules import LOW, Noted, probe, wave

SIREN = {"network": "siren", "omega_0": 2.0}


def row(table: Any, name: str) -> Any:
    return next(attempt for attempt in table.attempts if attempt.name.startswith(name))


class Keeps(Noted):
    """Manual optimization with an optimizer that Lightning does not step."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def configure_optimizers(self) -> Any:
        self.own = super().configure_optimizers()
        return self.own

    def training_step(self, batch: Any) -> Any:
        self.own.zero_grad()
        self.manual_backward(super().training_step(batch))
        self.own.step()


def test_steps_that_lightning_does_not_count_are_counted_and_an_optimizer_that_is_not_stepped_is_said() -> None:
    table = fork(Keeps, probe(), [{"optimizer": "sgd"}], steps=7, seeds=1)
    assert row(table, "as it is").taken == (7,)
    assert row(table, "SGD").why == "cannot be changed from outside: the module steps an optimizer that it keeps itself"


class KeepsAll(Keeps):
    def configure_optimizers(self) -> Any:
        super().configure_optimizers()


def test_a_rate_is_not_said_to_be_changed_where_lightning_has_no_optimizer() -> None:
    table = fork(KeepsAll, probe(), [{"learning_rate_factor": 3.0}], steps=3, seeds=1)
    assert "returns no optimizer" in row(table, "learning rate").why


class StepsItsSchedule(Noted):
    """Manual optimization with a schedule that the training step steps."""

    def __init__(self, notes: list[Any] | None = None) -> None:
        super().__init__(notes)
        self.automatic_optimization = False

    def note(self) -> Any:
        return self.trainer.optimizers[0].param_groups[0]["lr"]

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        return [optimizer], [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.1)]

    def training_step(self, batch: Any) -> Any:
        self.optimizers().zero_grad()
        self.manual_backward(super().training_step(batch))
        self.optimizers().step()
        self.lr_schedulers().step()


@pytest.mark.parametrize("change", [{"schedule": "constant"}, {"optimizer": "sgd"}])
def test_a_schedule_that_the_module_steps_itself_is_stopped_too(change: Any) -> None:
    notes: list[Any] = []
    fork(lambda: StepsItsSchedule(notes), probe(), [change], steps=3, seeds=1)
    assert notes == [pytest.approx(rate) for rate in (1e-2, 1e-3, 1e-4, 1e-2, 1e-2, 1e-2)]


class Lazy(Noted):
    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.LazyLinear(8), nn.Tanh(), nn.LazyLinear(1))


class SetsWhenItStarts(Noted):
    def on_train_start(self) -> None:
        self.shift = LOW

    def forward(self, points: Any) -> Any:
        return self.network(points - self.shift)


class SetsInItsFirstStep(SetsWhenItStarts):
    def on_train_start(self) -> None:
        pass

    def training_step(self, batch: Any) -> Any:
        self.shift = LOW
        return super().training_step(batch)


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op:UserWarning")
@pytest.mark.parametrize("kind", [Lazy, SetsWhenItStarts, SetsInItsFirstStep])
def test_what_the_first_batch_or_the_start_makes_is_waited_for(kind: type[Noted]) -> None:
    table = fork(kind, probe(), [{"learning_rate_factor": 0.5}], steps=4, seeds=1)
    assert [(attempt.taken, attempt.why) for attempt in table.attempts] == [((4,), "")] * 2


@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors is a no-op:UserWarning")
def test_weights_that_the_first_batch_makes_cannot_be_exchanged() -> None:
    assert "the first batch has yet to make" in row(fork(Lazy, probe(), [SIREN], steps=4, seeds=1), "SIREN").why


def test_a_network_is_found_where_half_precision_rounds_its_coordinates() -> None:
    table = fork(Noted, probe(), [SIREN], steps=3, seeds=1, trainer={"precision": "bf16-true", "accelerator": "cpu"})
    assert (row(table, "SIREN").taken, row(table, "SIREN").why) == ((3,), "")


class Sines(nn.Linear):
    def forward(self, points: Any) -> Any:
        return super().forward(points).sin()


def weight_normed() -> nn.Module:
    linear = torch.nn.utils.parametrizations.weight_norm
    return nn.Sequential(linear(nn.Linear(1, 8)), nn.Tanh(), linear(nn.Linear(8, 8)), nn.Tanh(), nn.Linear(8, 1))


def normed_by_hooks() -> nn.Module:
    linear = torch.nn.utils.weight_norm
    return nn.Sequential(linear(nn.Linear(1, 8)), nn.Tanh(), linear(nn.Linear(8, 1)))


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize(
    ("make", "change"),
    [
        (lambda: nn.Sequential(Sines(1, 8), Sines(8, 8), nn.Linear(8, 1)), {"width": 16}),
        (weight_normed, {"width": 16}),
        (normed_by_hooks, {"width": 16}),
        (weight_normed, {"activation": "sine", "omega_0": 2.0}),
    ],
)
def test_layers_of_a_kind_are_not_exchanged_for_plain_ones(make: Any, change: Any) -> None:
    class Of(Noted):
        def __init__(self) -> None:
            super().__init__()
            self.network = make()

    table = fork(Of, probe(), [change], steps=3, seeds=1)
    (tried,) = [attempt for attempt in table.attempts if attempt.change]
    assert "not a plain nn.Linear" in tried.why


class Twice(Noted):
    """Has its network under three names, and trains it by one that is not the first."""

    def __init__(self) -> None:
        super().__init__()
        self.again, self.all = self.network, nn.ModuleList([self.network])

    def training_step(self, batch: Any) -> Any:
        return (self.all[0](self.points)[:, 0] - wave(self.points)).square().mean()


@pytest.mark.parametrize("change", [SIREN, {"inputs": "[-1, 1]"}])
def test_the_code_puts_a_network_under_every_name_that_the_old_one_has(change: Any) -> None:
    table = fork(Twice, probe(), [change], steps=3, seeds=1)
    (tried,) = [attempt for attempt in table.attempts if attempt.change]
    module = Twice()
    old = module.network
    exec(tried.code, {"module": module})
    assert old is not module.network
    assert module.network is module.again is module.all[0]


class Side(Noted):
    """A network for each of two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, points: Any) -> Any:
        return torch.cat([self.network(points), self.other(points)], dim=1)


def test_networks_beside_each_other_are_not_taken_for_a_long_one() -> None:
    table = fork(Side, probe(output=0), [SIREN, {"activation": "sine"}], steps=3, seeds=1)
    assert "width=8, depth=2, out_features=2" in row(table, "SIREN").code
    assert "not one chain" in row(table, "activation sine").why


class OfWidth(Noted):
    def __init__(self, width: int) -> None:
        super().__init__()


def test_a_module_that_is_not_new_or_not_made_is_refused() -> None:
    one, network = Noted(), nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    class Around(Noted):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

    for make in (lambda: one, Around):
        with pytest.raises(ValueError, match="returned the same Linear again"):
            fork(make, probe(), [SIREN], steps=2, seeds=1)
    with pytest.raises(ValueError, match=r"make_module raised TypeError.*such as lambda"):
        fork(OfWidth, probe(), [SIREN], steps=2, seeds=1)
    with pytest.raises(ValueError, match="returned Sequential: return the LightningModule"):
        fork(lambda: network, probe(), [SIREN], steps=2, seeds=1)  # type: ignore[arg-type, return-value]


def test_a_checkpoint_of_another_module_is_refused(tmp_path: Path) -> None:
    torch.save({"state_dict": {"network.0.weight": torch.zeros(3, 1)}, "optimizer_states": []}, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match="checkpoint is of another module"):
        fork(Noted, probe(), [SIREN], steps=2, seeds=1, checkpoint=tmp_path / "a.ckpt")


class Ends(Noted):
    def training_step(self, batch: Any) -> Any:
        if self.global_step == 1:
            raise RuntimeError("at its second step")
        return super().training_step(batch)


@pytest.mark.parametrize("kind", [Noted, Ends])
def test_the_process_is_as_before_whatever_the_trainer_sets_and_the_training_raises(kind: type[Noted]) -> None:
    def state() -> Any:
        generators = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        switches = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
        return generators, switches, dict(os.environ)

    before = state()
    fork(kind, probe(), [{}], steps=3, seeds=1, trainer={"deterministic": True, "accelerator": "cpu"})
    fork(kind, probe(), [{}], steps=3, seeds=1, trainer={"benchmark": True, "accelerator": "cpu"})
    assert state() == before


class BringsItsOwn(Noted):
    def configure_callbacks(self) -> Any:
        return [SequentialFitting(probe(), stop_on=["not started"]), ModelCheckpoint(dirpath="kept", save_last=True)]


def test_callbacks_that_write_print_or_watch_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(SequentialFitting, "on_train_start", lambda *args: pytest.fail("it watches"))
    others = [ModelCheckpoint(save_last=True), TQDMProgressBar(), SequentialFitting(probe())]
    table = fork(BringsItsOwn, probe(), [{}], steps=3, seeds=1, trainer={"callbacks": others})
    assert (table.attempts[0].taken, table.attempts[0].why) == ((3,), "")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().out == ""


def test_fit_trains_with_the_options_that_it_gets() -> None:
    used: list[Any] = []

    class Own(L.Trainer):
        def __init__(self, **options: Any) -> None:
            used.append(options["precision"])
            super().__init__(**options)

    def fit(module: Any, **options: Any) -> None:
        Own(**options).fit(module)

    trainer = {"precision": "64-true", "accelerator": "cpu"}
    tables = [fork(Noted, probe(), [SIREN], steps=4, seeds=1, trainer=trainer, **given) for given in ({"fit": fit}, {})]
    assert used == ["64-true"] * 2
    assert [[each.error for each in table.attempts] for table in tables] == [
        [each.error for each in tables[0].attempts]
    ] * 2


def test_a_fit_that_cannot_be_used_is_said() -> None:
    table = fork(Noted, probe(), [{}], steps=4, seeds=1, fit=lambda module, **options: None)
    assert "nothing was trained" in table.attempts[0].why
    with pytest.raises(TypeError, match="fit is Trainer: give a function"):
        fork(Noted, probe(), [{}], fit=L.Trainer(logger=False, accelerator="cpu"))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="with fit=, let fit give it"):
        fork(Noted, probe(), [{}], fit=lambda module, **options: None, data=[])


def test_several_outputs_or_their_norm_are_watched() -> None:
    class Both(Noted):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 2))

    def both(x: Any) -> Any:
        return torch.stack([wave(x), -wave(x)], dim=1)

    for output in ("norm", [0, 1]):
        target = Probe.grid([(LOW, LOW + 4.0)], both, resolution=128, output=output)
        tried = row(fork(Both, target, [SIREN], steps=3, seeds=1), "SIREN")
        assert (tried.taken, tried.why) == ((3,), "")
        assert "out_features=2" in tried.code
