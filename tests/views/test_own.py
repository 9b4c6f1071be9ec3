"""What users' own diagnostics have recorded is drawn over the steps, and nothing of ours is taken for theirs."""

from __future__ import annotations

import lightning as L
import numpy as np
import pytest
import torch

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import TanhRegression
from lightning_seqfit.diagnostics import Diagnostic, Reading
from lightning_seqfit.views.own import OURS, own


class Largest(Diagnostic):
    name = "largest"

    def look(self, observation, scale, step):
        if step == 2:
            return Reading({"largest/value": float("nan"), "largest/step": float(step)})
        return Reading({"largest/value": 2.0 + step, "largest/step": float(step)})


@pytest.fixture(scope="module", params=[{}, {"output": [0, 1]}], ids=["one output", "two outputs"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("own")

    def predict(module: torch.nn.Module, points: torch.Tensor) -> torch.Tensor:
        return module(points)[:, :1].expand(-1, 2) if request.param else module(points)

    def target(x: torch.Tensor) -> torch.Tensor:
        wave = torch.sin(26 * torch.pi * x[:, 0])
        return torch.stack([wave, -wave], dim=1) if request.param else wave

    probe = Probe.grid([(0.0, 1.0)], target, predict=predict, **request.param)
    watcher = SequentialFitting(probe, also=[Largest()])
    quiet = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    L.Trainer(max_steps=3, callbacks=[watcher], default_root_dir=folder, **quiet).fit(TanhRegression(width=8))
    return load(folder, "1" if request.param else "")


def test_each_scalar_of_a_diagnostic_is_a_curve_over_the_steps(run) -> None:
    (view,) = own(run)
    assert view.title == "largest"
    value, step = (panel for row in view.rows for panel in row)
    np.testing.assert_array_equal(value.items[0].x, [0, 1, 2, 3])
    np.testing.assert_array_equal(value.items[0].y, [2.0, 3.0, np.nan, 5.0])
    np.testing.assert_array_equal(step.items[0].y, [0, 1, 2, 3])
    assert view.reading.endswith("at the last one: largest/value 5, largest/step 3.")


def test_all_other_scalars_of_a_run_are_ours(run) -> None:
    heads = {tag.partition("/")[0] for tag in run.scalars}
    assert len(run.scalars) > 20
    assert heads - {"largest"} <= set(OURS)
