"""A probe of what a run has recorded: the target that plans and trials go by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe, Run, load, plan
from lightning_seqfit.callbacks import ErrorFront
from tests.training import Net, fit, trainer


def recorded(folder: Path, probe: Probe) -> Run:
    fit(trainer(folder, [ErrorFront(probe)], max_steps=1), Net())
    return load(folder)


def wave(points: Tensor) -> Tensor:
    return torch.sin(2 * torch.pi * 9 * points[:, 0])


def test_a_line_is_planned_from_its_record_as_from_its_probe(tmp_path: Path) -> None:
    probe = Probe.grid([(0.0, 1.0)], wave)
    of_run = recorded(tmp_path, probe).probe()
    assert of_run.geometry.points.shape == probe.geometry.points.shape
    np.testing.assert_allclose(of_run.target, np.sin(18 * np.pi * of_run.geometry.points[:, 0]), atol=1e-5)
    assert plan(recorded(tmp_path / "again", probe)).omega_0.value == pytest.approx(plan(probe).omega_0.value, rel=0.02)


def test_values_with_a_gap_keep_it(tmp_path: Path) -> None:
    places = np.concatenate([np.linspace(0.0, 0.4, 80), np.linspace(0.6, 1.0, 80)])
    probe = Probe.points(places, np.sin(40 * places))
    of_run = recorded(tmp_path, probe).probe()
    np.testing.assert_allclose(of_run.geometry.points[:, 0], places, atol=1e-12)


def test_the_plane_is_taken_at_its_finest_cells(tmp_path: Path) -> None:
    def first(module: nn.Module, points: Tensor) -> Tensor:
        values: Tensor = module(points[:, :1])
        return values

    target = lambda x: wave(x) * torch.cos(30 * x[:, 1])  # noqa: E731
    run = recorded(tmp_path, Probe.grid([(0.0, 1.0)] * 2, target, predict=first))
    assert run.fine is not None
    assert len(run.probe().geometry.points) == len(run.fine.points) > len(run.points)


def test_all_outputs_of_a_norm_are_there(tmp_path: Path) -> None:
    def both(points: Tensor) -> Tensor:
        return torch.stack([wave(points), 3 + torch.cos(20 * points[:, 0])], dim=1)

    def twice(module: nn.Module, points: Tensor) -> Tensor:
        return module(points).reshape(-1, 1).expand(-1, 2)

    probe = Probe.grid([(0.0, 1.0)], both, output="norm", predict=twice)
    found = recorded(tmp_path, probe).probe()
    x = found.geometry.points[:, 0]
    np.testing.assert_allclose(found.target, np.column_stack([np.sin(18 * np.pi * x), 3 + np.cos(20 * x)]), atol=1e-5)
    assert len(found.plan().mean) == 2


def test_without_a_target_there_is_none(tmp_path: Path) -> None:
    run = recorded(tmp_path, Probe.grid([(0.0, 1.0)], None))
    with pytest.raises(ValueError, match="no target: read it against one first"):
        run.probe()
    read = run.against(lambda x: torch.sin(2 * torch.pi * 3 * x[:, 0]))
    assert read.plan().frequencies == pytest.approx((3.0,), abs=0.05)
