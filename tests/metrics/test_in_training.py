"""In a validation loop: what is logged is what the callback records of the same points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics import MeanSquaredError, MetricCollection

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import FourierResidual
from lightning_seqfit.metrics import FourierBandError
from tests.training import Net, loader, rows, trainer


class Validated(Net):
    """Logs its errors at the points of a validation set after every step."""

    def __init__(self, points: torch.Tensor, target: torch.Tensor) -> None:
        super().__init__()
        self.points, self.target = points, target
        self.metrics = MetricCollection([MeanSquaredError(), FourierBandError(bounds=[(0.0, 1.0)])], prefix="val/")

    def val_dataloader(self) -> Any:
        return DataLoader(TensorDataset(self.points, self.target), batch_size=100)

    def validation_step(self, batch: list[torch.Tensor], batch_idx: int) -> None:
        points, target = batch
        self.metrics.update(self(points), target, points=points)

    def on_validation_epoch_end(self) -> None:
        self.log_dict(self.metrics.compute())
        self.metrics.reset()


def on_a_grid() -> torch.Tensor:
    return (torch.arange(256) + 0.5)[:, None] / 256


def anywhere() -> torch.Tensor:
    return torch.rand(300, 1, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("make", [on_a_grid, anywhere])
def test_what_is_logged_is_what_the_callback_records(make: Any, tmp_path: Path, seeded: int) -> None:
    points = make()
    target = torch.sin(6 * torch.pi * points) + 0.5 * torch.sin(30 * torch.pi * points) + points
    if make is on_a_grid:
        probe = Probe.grid([(0.0, 1.0)], target[:, 0], resolution=256)
    else:
        probe = Probe.points(points, target, bounds=[(0.0, 1.0)])
    training = trainer(
        tmp_path,
        [FourierResidual(probe, every_n_steps=1)],
        max_steps=12,
        num_sanity_val_steps=0,
        check_val_every_n_epoch=1,
    )
    training.fit(Validated(points, target), loader())
    run = load(training.log_dir)
    logged = [row for row in rows(tmp_path) if row["val/MeanSquaredError"]]
    recorded = {step: number for number, step in enumerate(run.steps.tolist())}
    at = [recorded[int(row["step"]) + 1] for row in logged if int(row["step"]) + 1 in recorded]
    assert len(at) >= 6
    tags = [tag for tag in run.scalars if tag.startswith(("fourier/relative_error/", "fourier/share/"))]
    assert len(tags) > 8
    for tag in [*tags, "fourier/trend"]:
        seen = [float(row[f"val/{tag}"]) for row in logged if int(row["step"]) + 1 in recorded]
        assert seen == pytest.approx(run.scalars[tag][at].tolist(), rel=2e-5, abs=1e-9), tag
    # two bands oscillate, and each of them has an error; the trend is of its own
    assert sum("relative" in tag for tag in tags) == 2
