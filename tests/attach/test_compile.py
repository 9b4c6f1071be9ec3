"""Compiled modules train as they do without us, and are compiled as often."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch._dynamo.utils import counters

from lightning_seqfit import Probe, Run, figures
from lightning_seqfit.callbacks import SequentialFitting
from tests.training import Net, assert_complete, assert_same, fit, loader, probe, trained

pytestmark = [
    # torch, where the loss or a single layer is compiled
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    # Lightning, where there is no validation
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`:UserWarning"),
]


@pytest.fixture(autouse=True)
def compiler(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A compiler that remembers nothing of other tests; no figures, which take longer than the fit."""
    monkeypatch.setattr(figures, "draw", lambda run: {})
    yield
    torch._dynamo.reset()


class Layers(nn.Module):
    """A network with a layer of one's choice in the middle."""

    def __init__(self, middle: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, 16), middle(), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(4 * x)


class Compiled(Net):
    """The network, one of its layers, the whole module or its loss is compiled."""

    def __init__(self, backend: Any, way: str, middle: Callable[[], nn.Module] = nn.Identity) -> None:
        super().__init__()
        del self.first, self.middle, self.last
        self.net = Layers(middle)
        if way == "submodule":
            self.net = torch.compile(self.net, backend=backend)
        elif way == "submodule in place":
            self.net.compile(backend=backend)
        elif way == "layer":
            self.net.layers[3] = torch.compile(self.net.layers[3], backend=backend)
        elif way == "module in place":
            self.compile(backend=backend)
        elif way == "loss":
            self.loss = torch.compile(self.loss, backend=backend)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def loss(self, batch: list[Tensor]) -> Tensor:
        return nn.functional.mse_loss(self(batch[0] + 1e-3 * torch.rand(())), batch[1])

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return self.loss(batch)

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.loss(batch)


def made(backend: Any, way: str, *args: Any) -> Any:
    module = Compiled(backend, way, *args)
    return torch.compile(module, backend=backend) if way == "module" else module


WAYS = ["submodule", "submodule in place", "layer", "module in place", "module", "loss"]


def compiled_and_watched(
    way: str,
    folder: Path,
    run: Callable[..., Any] = fit,
    watcher: SequentialFitting | None = None,
    middle: Callable[[], nn.Module] = nn.Identity,
    backend: str = "aot_eager",
    **options: Any,
) -> tuple[int, Run]:
    """Train bare and watched; how often it was compiled in either, and the record."""
    watcher = watcher or SequentialFitting(probe())
    left, compiled = [], []
    for name, callbacks in {"bare": [], "watched": [watcher]}.items():
        torch._dynamo.reset()
        counters.clear()
        counter = CompileCounterWithBackend(backend)
        left.append(trained(partial(made, counter, way, middle), folder / name, callbacks, run, **options))
        compiled.append((counter.frame_count, dict(counters["frames"]), dict(counters["graph_break"])))
    assert_same(*left)
    assert compiled[0] == compiled[1]
    return compiled[0][0], assert_complete(folder / "watched")


READ_OUT = {
    "submodule": "net._orig_mod.layers.3",
    "layer": "net.layers.3._orig_mod",
}


@pytest.mark.parametrize("way", WAYS)
def test_a_compiled_module_trains_as_without_us_and_is_compiled_once(way: str, tmp_path: Path) -> None:
    with torch._dynamo.config.patch(error_on_recompile=True):
        compiled, run = compiled_and_watched(way, tmp_path)
    assert compiled == 1
    assert f"basis: input of layer '{READ_OUT.get(way, 'net.layers.3')}'" in run.notes


@pytest.mark.parametrize("way", ["submodule", "layer"])
def test_the_layer_of_a_compiled_module_is_found_by_the_name_that_the_user_knows(way: str, tmp_path: Path) -> None:
    watcher = SequentialFitting(probe(), layer="net.layers.3")
    compiled, run = compiled_and_watched(way, tmp_path, watcher=watcher)
    assert compiled == 1
    assert run.basis is not None
    assert run.basis.projection_error[-1] > 0


def uneven(trainer: L.Trainer, module: L.LightningModule) -> None:
    """Batches of 24, 24 and 16, and a validation loop: other shapes and the evaluation mode are compiled as well."""
    trainer.fit(module, loader(batch_size=24), loader(batch_size=32))


@pytest.mark.parametrize("way", ["submodule", "module in place", "module"])
def test_a_module_that_is_compiled_several_times_is_so_as_often(way: str, tmp_path: Path) -> None:
    compiled, _ = compiled_and_watched(way, tmp_path, uneven, middle=lambda: nn.Dropout(0.1))
    assert compiled >= 2


def residual(module: nn.Module, x: Tensor) -> Tensor:
    """u' - 6 pi cos(6 pi x), by differentiation of the compiled network."""
    (slope,) = torch.autograd.grad(module.net(x).sum(), x)
    return slope[:, 0] - 6 * torch.pi * torch.cos(6 * torch.pi * x[:, 0])


def test_a_residual_of_a_compiled_network_is_probed_without_compiling(tmp_path: Path) -> None:
    watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], 0.0, predict=residual, needs_grad=True))
    assert compiled_and_watched("submodule", tmp_path, watcher=watcher)[0] == 1


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_a_compiled_module_of_lower_precision_trains_as_without_us(precision: str, tmp_path: Path) -> None:
    watcher = SequentialFitting(probe(resolution=64))  # that many points bfloat16 can tell
    options = {"precision": precision, "accumulate_grad_batches": 2}
    compiled, _ = compiled_and_watched(
        "submodule", tmp_path, middle=lambda: nn.BatchNorm1d(16), watcher=watcher, **options
    )
    assert compiled >= 1


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_module_compiled_to_machine_code_trains_as_without_us(tmp_path: Path) -> None:
    assert compiled_and_watched("submodule", tmp_path, middle=lambda: nn.Dropout(0.1), backend="inductor")[0] == 1
