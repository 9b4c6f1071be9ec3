"""A training with the callbacks is bitwise the training without them.

The oracle is Lightning itself: the same module, seed and trainer, run once bare and once watched.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import ErrorFront, OscillationCount, SequentialFitting

STEPS = 500


class Net(L.LightningModule):
    """A small network whose training step draws from every generator, so that a lost draw shows in the weights."""

    def __init__(self, middle: Callable[[], nn.Module] = nn.Identity, optimizer: str = "adam") -> None:
        super().__init__()
        self.first = nn.Linear(1, 16)
        self.middle = middle()
        self.last = nn.Linear(16, 1)
        self.optimizer = optimizer

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.middle(self.first(4 * x))))

    def loss(self, batch: list[Tensor]) -> Tensor:
        x, y = batch
        jitter = 1e-3 * (random.random() + np.random.rand() + torch.rand(()))
        return nn.functional.mse_loss(self(x + jitter), y)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.loss(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        if self.optimizer == "lbfgs":
            return torch.optim.LBFGS(self.parameters(), max_iter=2)
        return torch.optim.Adam(self.parameters(), lr=1e-2)


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


class TwoOptimizers(Net):
    """Manual optimisation: each half of the network has an optimizer of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        for optimizer in self.optimizers():
            loss = self.loss(batch)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()

    def configure_optimizers(self) -> list[torch.optim.Optimizer]:
        return [torch.optim.Adam(self.first.parameters(), lr=1e-2), torch.optim.SGD(self.last.parameters(), lr=1e-2)]


def loader(shuffle: bool = False) -> DataLoader[Any]:
    x = torch.linspace(0, 1, 64)[:, None]
    return DataLoader(TensorDataset(x, torch.sin(6 * torch.pi * x)), batch_size=16 if shuffle else 64, shuffle=shuffle)


def probe(**options: Any) -> Probe:
    return Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(6 * torch.pi * x[:, 0]), **options)


def trained(make: Callable[[], Net], folder: Path, callbacks: list[Any], shuffle: bool, **options: Any) -> Any:
    """Everything that a training leaves behind."""
    L.seed_everything(7, verbose=False)
    module = make()
    data = loader(shuffle)
    trainer = L.Trainer(
        max_steps=STEPS * (2 if make is TwoOptimizers else 1),
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
        **options,
    )
    trainer.fit(module, data)
    return {
        "weights": {name: p.detach().clone() for name, p in module.named_parameters()},
        "buffers": {name: b.clone() for name, b in module.named_buffers()},
        "grads": {name: None if p.grad is None else p.grad.clone() for name, p in module.named_parameters()},
        "optimizers": [o.state_dict() for o in trainer.optimizers],
        "modes": {name: m.training for name, m in module.named_modules()},
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state(),
        "python": random.getstate(),
        "step": trainer.global_step,
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


CASES: dict[str, tuple[Callable[[], Net], dict[str, Any]]] = {
    "plain": (Net, {}),
    "dropout": (lambda: Net(lambda: nn.Dropout(0.2)), {}),
    "batch norm": (lambda: Net(lambda: nn.BatchNorm1d(16)), {"shuffle": True}),
    "batch norm frozen by hand": (lambda: Net(FrozenNorm), {}),
    "overridden eval": (lambda: Net(Stubborn), {}),
    "spectral norm": (lambda: Net(lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(16, 16))), {}),
    "buffers changed in forward": (lambda: Net(CallCounter), {}),
    "shuffling": (Net, {"shuffle": True}),
    "accumulation": (lambda: Net(lambda: nn.Dropout(0.2)), {"shuffle": True, "accumulate_grad_batches": 3}),
    "clipping": (Net, {"gradient_clip_val": 0.1}),
    "L-BFGS": (lambda: Net(optimizer="lbfgs"), {}),
    "two optimizers by hand": (TwoOptimizers, {}),
    "bf16-mixed": (Net, {"precision": "bf16-mixed"}),
    "64-true": (Net, {"precision": "64-true"}),
}


@pytest.mark.filterwarnings("ignore:Found 1 module:UserWarning")  # Lightning, of the BatchNorm frozen by hand
@pytest.mark.parametrize("case", CASES)
def test_training_is_bitwise_what_it_is_without_us(case: str, tmp_path: Path) -> None:
    make, options = CASES[case]
    options = {"shuffle": False, **options}
    bare = trained(make, tmp_path / "bare", [], **options)
    watched = trained(make, tmp_path / "watched", [SequentialFitting(probe())], **options)
    assert_same(bare, watched)
    run = load(tmp_path / "watched")
    assert np.isfinite(run.scalars["error/relative_rmse"]).sum() >= 10
    assert np.isfinite(run.scalars["front/fitted"]).sum() >= 10
    assert run.steps[-1] == bare["step"]


def residual(module: nn.Module, x: Tensor) -> Tensor:
    """u' - 6 pi cos(6 pi x), by differentiation."""
    u = module(x)
    (slope,) = torch.autograd.grad(u.sum(), x)
    return slope[:, 0] - 6 * torch.pi * torch.cos(6 * torch.pi * x[:, 0])


@pytest.mark.parametrize("options", [{}, {"accumulate_grad_batches": 3}, {"lbfgs": True}], ids=str)
def test_probing_a_differential_residual_leaves_the_training_alone(options: dict[str, Any], tmp_path: Path) -> None:
    optimizer = "lbfgs" if options.pop("lbfgs", False) else "adam"
    watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], 0.0, predict=residual, needs_grad=True))
    bare = trained(lambda: Net(optimizer=optimizer), tmp_path / "bare", [], False, **options)
    watched = trained(lambda: Net(optimizer=optimizer), tmp_path / "watched", [watcher], False, **options)
    assert_same(bare, watched)
    errors = load(tmp_path / "watched").scalars["error/relative_rmse"]
    assert errors[0] == pytest.approx(1.0)  # relative to the first look
    assert errors[-1] < 0.9


def test_two_probes_and_single_callbacks_leave_the_training_alone(tmp_path: Path) -> None:
    shared = probe(name="fine", resolution=1024)
    watchers = [ErrorFront(shared), OscillationCount(shared, every_n_steps=30), SequentialFitting(probe(name="other"))]
    bare = trained(Net, tmp_path / "bare", [], True)
    watched = trained(Net, tmp_path / "watched", watchers, True)
    assert_same(bare, watched)
    run = load(tmp_path / "watched", "fine")
    assert {"front/fitted", "oscillations/fitted"} <= set(run.scalars)
    assert set(load(tmp_path / "watched", "other").steps) < set(run.steps)


def test_the_comparison_finds_a_lost_draw(tmp_path: Path) -> None:
    class Thief(L.Callback):
        def on_train_batch_end(self, trainer: Any, *args: Any) -> None:
            if trainer.global_step == 400:
                torch.rand(())

    bare = trained(Net, tmp_path / "bare", [], False)
    robbed = trained(Net, tmp_path / "robbed", [Thief()], False)
    with pytest.raises(AssertionError, match=r"weights"):
        assert_same(bare, robbed)
