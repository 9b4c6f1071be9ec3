"""Somebody's module and training, for the snippets that make a probe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import SequentialFitting
from tests.pages import SHORT


class Trains(L.LightningModule):
    """So many inputs and outputs, and whatever loss."""

    def __init__(self, inputs: int = 2, outputs: int = 1) -> None:
        super().__init__()
        self.inputs = inputs
        self.network = nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, outputs))

    def forward(self, x: Tensor) -> Any:
        return self.network(x)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.network(batch).square().mean()

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.rand(32, self.inputs), batch_size=16)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=1e-2)


def fit(module: L.LightningModule, *probes: Probe) -> L.Trainer:
    """Train for six steps, watched at these probes."""
    trainer: L.Trainer = eval(f"Trainer({SHORT})", {"Trainer": L.Trainer})
    trainer.callbacks += [SequentialFitting(probe) for probe in probes]  # type: ignore[attr-defined]
    trainer.fit(module)
    return trainer


def expected(module: Callable[..., Any], probe: Probe) -> Any:
    """What the module itself says at the probe's points, as the record keeps it."""
    with torch.no_grad():
        values = module(torch.tensor(probe.geometry.points, dtype=torch.float32))
    return probe.geometry.coarsen(values.double().numpy().reshape(-1))
