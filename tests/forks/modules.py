"""Modules of users, small and of known structure, which note what they were trained with."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe

#: Where the modules' points lie, and what they fit there.
LOW, HIGH = 10.0, 14.0


def wave(x: Tensor) -> Tensor:
    return torch.sin(torch.pi * (x[:, 0] - LOW))


def probe(**options: Any) -> Probe:
    return Probe.grid([(LOW, HIGH)], wave, resolution=128, **options)


class Noted(L.LightningModule):
    """Fits the wave with a tanh network, and notes what it sees in a list of the test's."""

    def __init__(self, notes: list[Any] | None = None, rate: float = 1e-2) -> None:
        super().__init__()
        activation = nn.Tanh()  # one for both places
        self.network = nn.Sequential(nn.Linear(1, 8), activation, nn.Linear(8, 8), activation, nn.Linear(8, 1))
        self.notes, self.rate = notes if notes is not None else [], rate
        self.register_buffer("points", torch.linspace(LOW, HIGH, 64)[:, None], persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        return self.network(points)

    def training_step(self, batch: Any) -> Tensor:
        self.notes.append(self.note())
        self.log("loss", 0.0)
        self.logger.experiment.add_scalar("loss", 0.0, self.global_step)  # as a script with TensorBoard does
        return (self(self.points)[:, 0] - wave(self.points)).square().mean()

    def note(self) -> Any:
        return None

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.zeros(50, 1))

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=self.rate)


class NotesRates(Noted):
    """Two groups of weights, a tenth as fast the second, and a schedule that halves both at each step."""

    def note(self) -> Any:
        return [group["lr"] for group in self.trainer.optimizers[0].param_groups]

    def configure_optimizers(self) -> Any:
        *first, last = self.network
        groups = [
            {"params": [weight for layer in first for weight in layer.parameters()], "lr": self.rate},
            {"params": last.parameters(), "lr": self.rate / 10},
        ]
        optimizer = torch.optim.Adam(groups)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Itself(Noted):
    """The module is its own network."""

    def __init__(self, notes: list[Any] | None = None) -> None:
        super().__init__(notes)
        self.first, self.second, self.bend = nn.Linear(1, 8), nn.Linear(8, 1), nn.Tanh()
        del self.network

    def forward(self, points: Tensor) -> Tensor:
        return self.second(self.bend(self.first(points)))
