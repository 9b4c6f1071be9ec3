"""Lightning's own profiler names each of our callbacks, and sees that a step without a look costs next to nothing."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.profilers import SimpleProfiler
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightning_seqfit import Probe, figures, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting

STEPS = 300

pytestmark = pytest.mark.usefixtures("no_figures")


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of these short trainings."""
    monkeypatch.setattr(figures, "draw", lambda run: {})


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self(batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


def probe(name: str = "") -> Probe:
    return Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(6 * torch.pi * x[:, 0]), name=name)


def fit(folder: Path, profiler: Any, *callbacks: L.Callback) -> None:
    trainer = L.Trainer(
        max_steps=STEPS,
        accelerator="cpu",
        logger=False,
        profiler=profiler,
        default_root_dir=folder,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Net(), DataLoader(torch.linspace(0, 1, 16)[:, None].repeat(STEPS, 1), batch_size=16))


def batch_ends(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of our hook at every step, with a look and without."""
    profiler = SimpleProfiler()
    fit(folder, profiler, SequentialFitting(probe()))
    seconds = np.array(profiler.recorded_durations["[Callback]seqfit.SequentialFitting[probe].on_train_batch_end"])
    assert len(seconds) == STEPS
    looks = load(folder).steps
    looked = np.zeros(STEPS, dtype=bool)
    looked[looks[looks > 0] - 1] = True
    assert 10 <= looked.sum() <= 20
    return seconds[looked], seconds[~looked]


def test_a_step_without_a_look_costs_next_to_nothing(tmp_path: Path) -> None:
    medians = []
    for attempt in range(3):  # where the machine is busy with something else
        looks, others = batch_ends(tmp_path / str(attempt))
        medians.append(np.median(others))
        assert np.median(looks) > 10 * medians[-1]  # the looks are told from the rest
        if medians[-1] < 20e-6:
            break
    assert min(medians) < 20e-6


def test_hooks_that_run_at_every_step_and_are_not_used_are_not_called(tmp_path: Path) -> None:
    profiler = SimpleProfiler()
    fit(tmp_path, profiler, SequentialFitting(probe()))
    prefix = "[Callback]seqfit.SequentialFitting[probe]."
    calls = {
        name.removeprefix(prefix): len(seconds)
        for name, seconds in profiler.recorded_durations.items()
        if name.startswith(prefix)
    }
    assert {name for name, count in calls.items() if count >= STEPS} == {"on_train_batch_end"}
    assert {"setup", "on_train_start", "on_train_end", "teardown"} <= set(calls)


def test_the_report_names_each_callback_and_its_probe(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        fit(tmp_path, "simple", SequentialFitting(probe()), ErrorFront(probe("left")))
    (report,) = [record.getMessage() for record in caplog.records if "Profiler Report" in record.getMessage()]
    for name in ("seqfit.SequentialFitting[probe]", "seqfit.ErrorFront[left]"):
        assert f"[Callback]{name}.on_train_batch_end" in report
