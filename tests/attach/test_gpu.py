"""On a device: the training is left alone, a look comes to the host once, and a step without a look waits for nothing.

Everything but the waiting runs on the CPU too.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, figures, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from lightning_seqfit.watch.schedule import next_look

STEPS = 60
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]

# torch wants it for reproducible matrix products, and asks once, at the first product of the process.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

pytestmark = pytest.mark.usefixtures("no_figures", "reproducible")


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of these short trainings."""
    monkeypatch.setattr(figures, "draw", lambda run: {})


@pytest.fixture
def reproducible() -> Iterator[None]:
    """Sums on a device are added in the same order in every run."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


class Noise(nn.Module):
    """Draws from its device's generator in every forward pass, whatever the mode, and counts the passes."""

    passes: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return x + 1e-3 * torch.rand_like(x)


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        middle = [nn.BatchNorm1d(16), nn.Dropout(0.1), Noise()]
        self.net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), *middle, nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(4 * x)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def sine(x: Tensor) -> Tensor:
    return torch.sin(6 * torch.pi * x[:, 0])


def residual(module: nn.Module, x: Tensor) -> Tensor:
    """u' - 6 pi cos(6 pi x), by differentiation."""
    (slope,) = torch.autograd.grad(module(x).sum(), x)
    return slope[:, 0] - 6 * torch.pi * torch.cos(6 * torch.pi * x[:, 0])


PROBES: dict[str, Callable[[], Probe]] = {
    "grid": lambda: Probe.grid([(0.0, 1.0)], sine),
    "fine grid": lambda: Probe.grid([(0.0, 1.0)], sine, resolution=2048),  # the basis is measured at some of the points
    "residual": lambda: Probe.grid([(0.0, 1.0)], 0.0, predict=residual, needs_grad=True),
}


def fit(folder: Path, device: str, callbacks: list[Any], **options: Any) -> tuple[L.Trainer, Net]:
    L.seed_everything(7, verbose=False)
    net = Net()
    trainer = L.Trainer(
        max_steps=STEPS,
        accelerator="gpu" if device == "cuda" else "cpu",
        devices=1,
        logger=False,
        default_root_dir=folder,
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    x = torch.linspace(0, 1, 64)[:, None]
    trainer.fit(net, DataLoader(TensorDataset(x, sine(x)[:, None]), batch_size=64))
    return trainer, net


def plain(value: Any) -> Any:
    """Tensors, wherever they are, as their bytes."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Tensor):
        return str(value.dtype), value.detach().cpu().numpy().tobytes()
    return value


def left(trainer: L.Trainer, net: Net, device: str) -> dict[str, Any]:
    """Everything that a training leaves behind."""
    scaler = getattr(trainer.precision_plugin, "scaler", None)
    return {
        "state": plain(net.state_dict()),
        "grads": plain([parameter.grad for parameter in net.parameters()]),
        "optimizer": plain(trainer.optimizers[0].state_dict()),
        "scaler": plain(scaler.state_dict()) if scaler is not None else None,
        "modes": [module.training for module in net.modules()],
        "generators": plain([torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if device == "cuda" else [])]),
        "numpy": str(np.random.get_state()),
        "python": random.getstate(),
    }


CASES = [
    *((device, precision, "grid") for device in ("cpu", "cuda") for precision in ("32-true", "bf16-mixed")),
    ("cuda", "16-mixed", "grid"),  # not on the CPU
    ("cuda", "64-true", "grid"),
    *((device, "32-true", kind) for device in ("cpu", "cuda") for kind in ("fine grid", "residual")),
    ("cuda", "16-mixed", "residual"),
]


@pytest.mark.parametrize(
    ("device", "precision", "kind"),
    [pytest.param(*case, marks=pytest.mark.gpu if case[0] == "cuda" else ()) for case in CASES],
)
def test_training_is_bitwise_what_it_is_without_us(device: str, precision: str, kind: str, tmp_path: Path) -> None:
    bare = left(*fit(tmp_path / "bare", device, [], precision=precision), device)
    trainer, net = fit(tmp_path / "watched", device, [SequentialFitting(PROBES[kind]())], precision=precision)
    watched = left(trainer, net, device)
    assert next(net.parameters()).device.type == "cpu"  # Lightning brings the module back
    for name, value in bare.items():
        assert value == watched[name], name
    run = load(tmp_path / "watched")
    assert run.steps[-1] == STEPS
    assert len(run.steps) > 10
    assert np.isfinite(run.prediction).all()
    assert np.isfinite(run.scalars["front/fitted"]).all()
    assert np.isfinite(run.scalars["basis/numerical_rank"]).all()


@pytest.mark.parametrize("device", DEVICES)
def test_a_look_gives_the_generators_and_the_buffers_back(device: str, seeded: int) -> None:
    net = Net().to(device)
    probe = Probe.grid([(0.0, 1.0)], sine)
    target, _ = probe.read_target(net)

    def state() -> Any:
        return plain([net.state_dict(), torch.cuda.get_rng_state() if device == "cuda" else torch.get_rng_state()])

    before = state()
    seen = [probe.observe(net, target).prediction for _ in range(2)]
    assert state() == before
    np.testing.assert_array_equal(*seen)  # the same draws
    points = torch.tensor(probe.geometry.points, dtype=torch.float32, device=device)
    net.eval()
    with torch.no_grad():
        np.testing.assert_allclose(net(points).cpu().numpy()[:, 0], seen[0], rtol=1e-5, atol=1e-6)
    assert state() != before  # an evaluation without the guard


class Ops(TorchDispatchMode):
    """Every operation of torch; those that bring a tensor from a device to the host; those that read a number.

    The last are ``item()``, ``bool()``, ``torch.equal`` and the like, on whatever device: each would wait for one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.all: list[str] = []
        self.to_host: list[str] = []
        self.read: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        results = [leaf for leaf in tree_leaves(result) if leaf is not None]
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self.all.append(str(func))
        if tensors and any(not isinstance(leaf, Tensor) for leaf in results):
            self.read.append(str(func))
        if any(leaf.is_cuda for leaf in tensors) and any(isinstance(leaf, Tensor) and leaf.is_cpu for leaf in results):
            self.to_host.append(str(func))
        return result


class After(L.Callback):
    """Calls a function with the step after each; stands before or behind our callbacks in the trainer's list."""

    def __init__(self, call: Callable[[int], None]) -> None:
        self.call = call

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        self.call(trainer.global_step)


def due(every_n_steps: int) -> set[int]:
    steps = [0]
    while steps[-1] < STEPS:
        steps.append(next_look(steps[-1], every_n_steps))
    return set(steps)


@pytest.mark.parametrize("kind", PROBES)
@pytest.mark.parametrize("device", DEVICES)
def test_a_look_comes_to_the_host_in_one_transfer(
    device: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = PROBES[kind]()
    transfers: list[int] = []
    ops: list[Ops] = []
    counts: list[int] = []
    cpu = Tensor.cpu

    def counting(tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        transfers.append(tensor.numel())
        return cpu(tensor, *args, **kwargs)

    def begin(step: int) -> None:
        transfers.clear()
        ops.append(Ops())
        ops[-1].__enter__()

    def end(step: int) -> None:
        ops[-1].__exit__(None, None, None)
        counts.append(len(transfers))

    monkeypatch.setattr(Tensor, "cpu", counting)
    watchers = [SequentialFitting(probe, every_n_steps=10), ErrorFront(probe, every_n_steps=10)]
    fit(tmp_path, device, [After(begin), *watchers, After(end)])
    looks = due(10)
    assert looks == set(load(tmp_path).steps.tolist())
    assert len(ops) == STEPS
    for step, (count, seen) in enumerate(zip(counts, ops, strict=True), start=1):
        if step in looks:
            assert count == 1
            # the prediction with all that was heard, and the sums of the losses
            assert len(seen.to_host) in ((1, 2) if device == "cuda" else (0,))
            assert {name.split(".")[1] for name in seen.read} <= {"_local_scalar_dense"}  # of a loss on the host
            assert any("addmm" in name for name in seen.all)
        else:
            assert count == 0
            assert seen.to_host == []
            # the loss is summed where it lies
            allowed = {"full", "detach", "add_"} if device == "cuda" else {"_local_scalar_dense"}
            assert {name.split(".")[1] for name in seen.all} <= allowed


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype:UserWarning")  # torch, of the mode below
def test_a_step_without_a_look_waits_for_nothing(tmp_path: Path) -> None:
    looks = due(10)
    waited: list[int] = []

    def begin(step: int) -> None:
        if step not in looks:
            torch.cuda.set_sync_debug_mode("error")

    def end(step: int) -> None:
        if torch.cuda.get_sync_debug_mode() == 2:
            waited.append(step)
        torch.cuda.set_sync_debug_mode("default")

    watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], sine), every_n_steps=10)
    try:
        fit(tmp_path, "cuda", [After(begin), watcher, After(end)])
        assert looks == set(load(tmp_path).steps.tolist())
        assert set(waited) == set(range(1, STEPS + 1)) - looks
        torch.cuda.set_sync_debug_mode("error")
        with pytest.raises(RuntimeError, match="synchroniz"):  # it would have been seen
            torch.ones(1, device="cuda").cpu()
    finally:
        torch.cuda.set_sync_debug_mode("default")
