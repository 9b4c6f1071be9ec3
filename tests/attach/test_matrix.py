"""A training with the callbacks is bitwise the training without them, and its record is complete, however one trains.

The oracle is Lightning itself: the same module, seed and trainer, run once bare and once watched.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import (
    EMAWeightAveraging,
    LearningRateFinder,
    StochasticWeightAveraging,
    WeightAveraging,
)
from lightning.pytorch.tuner import Tuner
from torch import Tensor, nn

from lightning_seqfit import Probe, figures, load
from lightning_seqfit.callbacks import ErrorFront, OscillationCount, SequentialFitting
from tests.training import (
    STEPS,
    Net,
    assert_complete,
    assert_whole_files,
    due,
    fit,
    fit_shuffled,
    loader,
    probe,
    watched,
)

Case = tuple[Callable[[], L.LightningModule], dict[str, Any]]


@pytest.fixture(autouse=True)
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six pictures at the end of a fit take longer than the fit."""
    monkeypatch.setattr(figures, "draw", lambda run: {})


class CallCounter(nn.Module):
    """Changes its buffers in every forward pass, in place and by assignment, whatever the mode."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(16))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(dim=0)
        return x - self.mean + 1e-3 * self.calls.sin()


class Noisy(nn.Module):
    """Draws from every generator in every forward pass, whatever the mode."""

    def forward(self, x: Tensor) -> Tensor:
        return x + 1e-3 * (torch.rand_like(x) + np.random.rand() + random.random())


class FrozenNorm(nn.BatchNorm1d):
    """A BatchNorm that was put into evaluation mode by hand, with statistics of its own."""

    def __init__(self) -> None:
        super().__init__(16)
        self.running_mean.fill_(0.3)
        self.eval()


class Stubborn(nn.Dropout):
    """Overrides the switches between the modes: neither may be called for our sake."""

    def __init__(self) -> None:
        super().__init__(0.2)
        self.armed = False

    def train(self, mode: bool = True) -> Stubborn:
        if self.armed:
            raise AssertionError("train() or eval() was called while a step was running")
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        self.armed = True
        try:
            return super().forward(x)
        finally:
            self.armed = False


class ByHand(Net):
    """Manual optimisation with clipping and a step every other batch."""

    def __init__(self) -> None:
        super().__init__(lambda: nn.Dropout(0.2))
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        optimizer = self.optimizers()
        self.manual_backward(super().training_step(batch, batch_idx))
        if batch_idx % 2:
            self.clip_gradients(optimizer, gradient_clip_val=0.1, gradient_clip_algorithm="norm")
            optimizer.step()
            optimizer.zero_grad()


class TwoOptimizers(Net):
    """Manual optimisation: each half of the network has an optimizer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        for optimizer in self.optimizers():
            loss = super().training_step(batch, batch_idx)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(self.first.parameters(), lr=1e-2), torch.optim.SGD(self.last.parameters(), lr=1e-2)]


class LbfgsByHand(Net):
    """Manual optimisation with a closure that runs several times a step."""

    def __init__(self) -> None:
        super().__init__(optimizer="lbfgs")
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        optimizer = self.optimizers()

        def closure() -> Tensor:
            loss = super(LbfgsByHand, self).training_step(batch, batch_idx)
            optimizer.zero_grad()
            self.manual_backward(loss)
            return loss

        optimizer.step(closure=closure)


class Scheduled(Net):
    """A learning rate that changes at every step."""

    def configure_optimizers(self) -> Any:
        optimizer = super().configure_optimizers()
        scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=STEPS)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class HalfAdam(Net):
    """What Adam adds to its denominator must not vanish in float16."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.lr, eps=1e-4)


class Tied(Net):
    """One weight used twice."""

    def __init__(self) -> None:
        super().__init__(lambda: nn.Sequential(nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 16)))
        self.middle[2].weight = self.middle[0].weight


class MadeLate(Net):
    """The network is made in ``configure_model``."""

    def __init__(self) -> None:
        super().__init__()
        del self.first, self.last

    def configure_model(self) -> None:
        if not hasattr(self, "first"):
            self.first, self.last = nn.Linear(1, 16), nn.Linear(16, 1)


class Lazy(Net):
    """The first batch decides on the widths, and draws the weights."""

    def __init__(self) -> None:
        super().__init__(lambda: nn.LazyLinear(16))


PARAMETRIZED = {
    "spectral norm": lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(16, 16)),
    "weight norm": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(16, 16)),
}

#: Steps of the cases in which a difference may take time to show.
LONG = 500

CASES: dict[str, Case] = {
    "plain": (Net, {"max_steps": LONG}),
    "random forward": (lambda: Net(Noisy), {}),
    "dropout": (lambda: Net(lambda: nn.Dropout(0.2)), {"max_steps": LONG}),
    "batch norm": (lambda: Net(lambda: nn.BatchNorm1d(16)), {"run": fit_shuffled, "max_steps": LONG}),
    "batch norm frozen by hand": (lambda: Net(FrozenNorm), {}),
    "overridden eval": (lambda: Net(Stubborn), {}),
    **{name: (lambda layer=layer: Net(layer), {}) for name, layer in PARAMETRIZED.items()},
    "tied weights": (Tied, {}),
    "buffers changed in forward": (lambda: Net(CallCounter), {"max_steps": LONG}),
    "shuffling": (Net, {"run": fit_shuffled}),
    "accumulation": (lambda: Net(lambda: nn.Dropout(0.2)), {"run": fit_shuffled, "accumulate_grad_batches": 3}),
    "clipping": (Net, {"gradient_clip_val": 0.1, "max_steps": LONG}),
    "scheduler": (Scheduled, {}),
    "L-BFGS": (lambda: Net(optimizer="lbfgs"), {}),
    "by hand": (ByHand, {"run": fit_shuffled}),
    "two optimizers by hand": (TwoOptimizers, {"max_steps": 2 * STEPS}),
    "L-BFGS by hand": (LbfgsByHand, {}),
    "bf16-mixed": (Net, {"precision": "bf16-mixed"}),
    # bfloat16 tells 64 points from each other, and says so of 512
    "bf16-true": (Net, {"precision": "bf16-true", "watchers": [SequentialFitting(probe(resolution=64))]}),
    "16-true": (HalfAdam, {"precision": "16-true"}),
    "64-true": (Net, {"precision": "64-true", "max_steps": LONG}),
    "made in configure_model": (MadeLate, {}),
    "overfit_batches": (Net, {"overfit_batches": 2, "run": lambda t, m: t.fit(m, loader(batch_size=16))}),
    "epochs": (Net, {"max_steps": -1, "max_epochs": 10, "run": fit_shuffled}),
}


@pytest.mark.filterwarnings("ignore:Found 1 module:UserWarning")  # Lightning, of the BatchNorm frozen by hand
@pytest.mark.parametrize("case", CASES)
def test_training_is_bitwise_what_it_is_without_us(case: str, tmp_path: Path) -> None:
    make, options = CASES[case]
    result = watched(make, tmp_path, **options)
    run = assert_complete(tmp_path / "watched")
    assert run.steps[-1] == result["step"]
    assert len(run.steps) >= 10
    assert len(np.unique(run.scalars["error/relative_rmse"])) >= 10  # the looks saw a module that moves


def test_the_pictures_at_the_end_leave_the_training_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    watched(Net, tmp_path)
    assert_complete(tmp_path / "watched")
    assert len(list((tmp_path / "watched" / "seqfit").glob("*.png"))) >= 5


def test_a_network_whose_first_batch_makes_it_is_watched_from_then_on(tmp_path: Path) -> None:
    watched(Lazy, tmp_path)
    run = load(tmp_path / "watched")
    assert run.steps.tolist() == due(range(1, STEPS + 1))[1:]
    assert run.logger_steps.tolist() == [step - 1 for step in run.steps]
    assert np.isfinite(run.scalars["basis/effective_rank"]).all()
    assert run.fit.tolist() == [0] * len(run.steps)


@pytest.mark.parametrize("last", [False, True], ids=["ours first", "ours last"])
@pytest.mark.parametrize("kind", ["SWA", "SWA with batch norm", "EMA", "average"])
def test_averaged_weights_are_those_without_us(kind: str, last: bool, tmp_path: Path) -> None:
    def averaging() -> list[Any]:
        if kind.startswith("SWA"):
            return [StochasticWeightAveraging(swa_lrs=5e-3, swa_epoch_start=0.5, annealing_epochs=3)]
        if kind == "EMA":
            return [EMAWeightAveraging(decay=0.9)]
        return [WeightAveraging(avg_fn=torch.optim.swa_utils.get_swa_avg_fn())]

    class Validated(Net):
        def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
            self.log("val", nn.functional.mse_loss(self(batch[0]), batch[1]))  # of the averaged weights

    watched(
        lambda: Validated(lambda: nn.BatchNorm1d(16) if "norm" in kind else nn.Dropout(0.1)),
        tmp_path,
        lambda t, m: t.fit(m, loader(shuffle=True), loader()),
        others=averaging,
        last=last,
        max_steps=-1,
        max_epochs=10,
    )
    assert_complete(tmp_path / "watched")


def test_there_is_no_look_in_sanity_checks_and_validation(tmp_path: Path) -> None:
    stages: list[str] = []

    def predict(module: Any, points: Tensor) -> Tensor:
        stages.append(str(module.trainer.state.stage.value))
        assert not module.trainer.sanity_checking
        return module(points)

    class Validated(Net):
        def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
            self.log("val", self.loss(batch))

    watched(
        lambda: Validated(lambda: nn.Dropout(0.2)),
        tmp_path,
        lambda t, m: t.fit(m, loader(shuffle=True), loader(batch_size=16)),
        watchers=[SequentialFitting(probe(predict=predict), every_n_steps=1)],
        val_check_interval=2,
        num_sanity_val_steps=2,
    )
    run = assert_complete(tmp_path / "watched", every_n_steps=1)
    assert stages == ["train"] * len(run.steps) == ["train"] * (STEPS + 1)


def evaluate(trainer: L.Trainer, module: L.LightningModule) -> Any:
    found = trainer.validate(module, loader(), verbose=False)
    found += trainer.test(module, loader(), verbose=False)
    return found, trainer.predict(module, loader())


class Evaluated(Net):
    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("error", self.loss(batch))

    test_step = validation_step

    def predict_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self(batch[0])


def test_validation_test_and_prediction_alone_are_not_looked_at(tmp_path: Path) -> None:
    def predict(module: Any, points: Tensor) -> Tensor:
        raise AssertionError("nobody asked for a look")

    watched(Evaluated, tmp_path, evaluate, watchers=[SequentialFitting(probe(predict=predict))])
    assert list(tmp_path.rglob("*seqfit*")) == []


def test_fast_dev_run_takes_one_look_and_leaves_no_files(tmp_path: Path) -> None:
    for number, make in enumerate([Net, Lazy]):
        looks: list[int] = []

        def predict(module: Any, points: Tensor, looks: list[int] = looks) -> Tensor:
            looks.append(module.global_step)
            return module(points)

        folder = tmp_path / make.__name__
        watched(make, folder, watchers=[SequentialFitting(probe(predict=predict))], fast_dev_run=5)
        assert looks == [number]
        assert list(folder.rglob("*seqfit*")) == []


def test_a_training_that_runs_out_of_time_has_a_complete_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=itertools.count().__next__)  # a second between any two readings
    monkeypatch.setattr("lightning.pytorch.callbacks.timer.time", clock)
    result = watched(Net, tmp_path, max_time={"seconds": 40}, max_steps=-1)
    assert assert_complete(tmp_path / "watched").steps[-1] == result["step"] == 40


def find_rate(trainer: L.Trainer, module: L.LightningModule) -> Any:
    """Search, and train with what was found."""
    found = Tuner(trainer).lr_find(module, loader(), num_training=20, min_lr=1e-4, max_lr=0.1)
    fit(trainer, module)
    return found.results, found.suggestion(), module.lr


@pytest.mark.parametrize("last", [False, True], ids=["ours first", "ours last"])
@pytest.mark.parametrize("how", ["tuner", "callback"])
def test_the_search_for_a_learning_rate_is_not_watched_and_finds_the_same(how: str, last: bool, tmp_path: Path) -> None:
    def finder() -> list[Any]:
        return [LearningRateFinder(num_training_steps=20, min_lr=1e-4, max_lr=0.1)] if how == "callback" else []

    def run(trainer: L.Trainer, module: Any) -> Any:
        found = find_rate(trainer, module) if how == "tuner" else fit(trainer, module)
        assert module.lr != 1e-2
        return found, module.lr

    watched(Net, tmp_path, run, others=finder, last=last)
    assert_complete(tmp_path / "watched")


def test_the_search_for_a_batch_size_is_not_watched_and_finds_the_same(tmp_path: Path) -> None:
    class Sized(Net):
        batch_size = 2

        def train_dataloader(self) -> Any:
            return loader(batch_size=self.batch_size)

    def run(trainer: L.Trainer, module: Any) -> Any:
        found = Tuner(trainer).scale_batch_size(module, max_trials=3)
        trainer.fit(module)
        return found

    assert watched(Sized, tmp_path, run)["outcome"] > 2
    assert_complete(tmp_path / "watched")


def test_two_callbacks_with_probes_of_their_own_leave_the_training_alone(tmp_path: Path) -> None:
    low = probe(name="low", target=lambda x: torch.sin(2 * torch.pi * x[:, 0]), resolution=256)
    watchers = [SequentialFitting(probe(name="high"), every_n_steps=7), SequentialFitting(low)]
    watched(Net, tmp_path, fit_shuffled, watchers=watchers)
    high = assert_complete(tmp_path / "watched", "high", every_n_steps=7)
    assert len(high.steps) > len(assert_complete(tmp_path / "watched", "low").steps)
    assert high.scalars["oscillations/target"][0] == 3
    assert_whole_files(tmp_path / "watched", "high", "low")


def test_callbacks_on_shared_probes_leave_the_training_alone(tmp_path: Path) -> None:
    shared = probe(name="fine", resolution=1024)
    watchers = [ErrorFront(shared), OscillationCount(shared, every_n_steps=10), SequentialFitting(probe(name="other"))]
    watched(Net, tmp_path, fit_shuffled, watchers=watchers)
    run = load(tmp_path / "watched", "fine")
    assert {"front/fitted", "oscillations/fitted"} <= set(run.scalars)
    assert set(load(tmp_path / "watched", "other").steps) < set(run.steps)


def residual(module: nn.Module, x: Tensor) -> Tensor:
    """u' - 6 pi cos(6 pi x), by differentiation."""
    u = module(x)
    (slope,) = torch.autograd.grad(u.sum(), x)
    return slope[:, 0] - 6 * torch.pi * torch.cos(6 * torch.pi * x[:, 0])


@pytest.mark.parametrize("case", ["plain", "accumulation", "L-BFGS", "by hand", "64-true"])
def test_probing_a_differential_residual_leaves_the_training_alone(case: str, tmp_path: Path) -> None:
    make, options = CASES[case]
    watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], 0.0, predict=residual, needs_grad=True))
    watched(make, tmp_path, watchers=[watcher], **options)
    errors = load(tmp_path / "watched").scalars["error/relative_rmse"]
    assert errors[0] == pytest.approx(1.0)  # relative to the first look
    assert len(np.unique(errors)) >= 10


def test_the_comparison_finds_a_lost_draw(tmp_path: Path) -> None:
    class Thief(L.Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step == STEPS - 20:
                torch.rand(())

    with pytest.raises(AssertionError, match=r"weights"):
        watched(Net, tmp_path, watchers=[Thief()])


def test_the_comparison_finds_a_warning_of_ours(tmp_path: Path) -> None:
    def predict(module: Any, points: Tensor) -> Tensor:
        return module(points) * (torch.nan if module.global_step > 5 else 1.0)

    with pytest.raises(AssertionError, match=r"NaN or infinite"):
        watched(Net, tmp_path, watchers=[SequentialFitting(probe(predict=predict))])
