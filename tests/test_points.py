"""Probes of scattered points: a measured series, gaps and all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.cli import main
from lightning_seqfit.cli.demo import train
from lightning_seqfit.demos.catalogue import DEMOS
from lightning_seqfit.geometry import Grid, Scattered

CENTRES = (np.arange(512) + 0.5) / 512
SHUFFLED = np.random.default_rng(3).permutation(512)


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(8 * x - 4)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def wave(x: Any) -> Any:
    return np.sin(10 * np.pi * x) + 2 * x


def watched(folder: Path, *probes: Probe, steps: int = 300, module: Any = None, data: Any = None) -> None:
    torch.manual_seed(0)
    trainer = L.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[SequentialFitting(probe, every_n_steps=10) for probe in probes],
    )
    x = torch.linspace(0, 1, 200)[:, None]
    data = data or TensorDataset(x, torch.from_numpy(wave(x.numpy())))
    trainer.fit(module or Net(), DataLoader(data, batch_size=200))


def test_a_training_reads_the_same_on_a_grid_and_on_its_points_shuffled(tmp_path: Path) -> None:
    random = np.sort(np.random.default_rng(0).random(512))
    watched(
        tmp_path,
        Probe.grid([(0.0, 1.0)], wave(CENTRES), name="grid"),
        Probe.points(CENTRES[SHUFFLED], wave(CENTRES)[SHUFFLED], name="shuffled"),
        Probe.points(random[SHUFFLED], wave(random)[SHUFFLED], bounds=[(0.0, 1.0)], name="random"),
    )
    grid, shuffled, scattered = (load(tmp_path, name) for name in ("grid", "shuffled", "random"))
    np.testing.assert_allclose(shuffled.points, grid.points, rtol=1e-12)
    np.testing.assert_allclose(shuffled.prediction, grid.prediction, atol=1e-5)
    assert grid.front is not None
    assert shuffled.front is not None
    assert grid.front.fitted[-1] > 0.1  # something has happened
    np.testing.assert_allclose(shuffled.front.local_error, grid.front.local_error, rtol=1e-4, atol=1e-4)
    same = {"front/fitted": 0.01, "front/depth/x_min": 0.01, "error/relative_rmse": 1e-4, "oscillations/fitted": 0.0}
    same |= {"front/sequentiality": 1e-3, "basis/numerical_rank": 1.0, "basis/projection_error": 1e-3}
    same |= {"fourier/relative_error/4-8": 1e-3}
    # a depth jumps where the largest of several unfitted parts is another
    near = {"front/fitted": 0.05, "error/relative_rmse": 0.05, "oscillations/fitted": 0.5}
    near |= {"front/sequentiality": 0.05, "basis/projection_error": 0.05, "fourier/relative_error/4-8": 0.06}
    for other, bounds in ((shuffled, same), (scattered, near)):
        assert other.steps.tolist() == grid.steps.tolist()
        for tag, bound in bounds.items():
            here, there = other.scalars[tag], grid.scalars[tag]
            if bounds is near:  # a look of few inside the range may be just outside
                here, there = (each[np.isfinite(here) & np.isfinite(there)] for each in (here, there))
                assert here.size or tag == "front/sequentiality"
            np.testing.assert_allclose(here, there, atol=bound, err_msg=tag)


class InThePlane(Net):
    def __init__(self) -> None:
        super().__init__()
        self.net[0] = nn.Linear(2, 32)


def test_a_training_reads_the_same_on_a_grid_in_the_plane_on_its_points_shuffled_and_on_random_ones(
    tmp_path: Path,
) -> None:
    def hills(points: Any) -> Any:
        return np.sin(6 * np.pi * points[:, 0]) * np.cos(4 * np.pi * points[:, 1]) + points[:, 0]

    grid = Probe.grid([(0.0, 1.0)] * 2, hills, resolution=64).geometry.points
    points = {
        "shuffled": np.random.default_rng(3).permutation(grid),
        "random": np.random.default_rng(0).random((4096, 2)),
    }
    box = [(0.0, 1.0)] * 2
    watched(
        tmp_path,
        Probe.grid(box, hills(grid), resolution=64, name="grid"),
        *(Probe.points(each, hills(each), bounds=box, name=name) for name, each in points.items()),
        module=InThePlane(),
        data=TensorDataset(torch.from_numpy(grid).float(), torch.from_numpy(hills(grid)).float()[:, None]),
    )
    runs = {name: load(tmp_path, name) for name in ("grid", *points)}
    assert runs["shuffled"].kind == "points"
    near = {"error/relative_rmse": 0.01, "front/fitted": 0.03, "front/depth/x_min": 0.03, "oscillations/target": 1.0}
    near |= {"front/depth/y_max": 0.03, "fourier/relative_error/2-4": 0.05, "basis/projection_error": 0.05}
    for tag, bound in near.items():
        expected = runs["grid"].scalars[tag]
        np.testing.assert_allclose(runs["shuffled"].scalars[tag], expected, atol=1e-9, err_msg=tag)
        np.testing.assert_allclose(runs["random"].scalars[tag], expected, atol=bound, err_msg=tag)
    np.testing.assert_allclose(runs["shuffled"].prediction, runs["grid"].prediction, atol=1e-6)


def test_how_far_the_frequencies_of_uneven_points_can_be_trusted_is_recorded_and_where_gaps_are(tmp_path: Path) -> None:
    random = np.random.default_rng(0).random(500)
    gap = CENTRES[(CENTRES < 0.5) | (CENTRES > 0.75)]
    watched(
        tmp_path,
        Probe.points(random, wave(random), name="random"),
        Probe.points(gap, wave(gap), name="gap"),
        Probe.points(CENTRES, wave(CENTRES), name="even"),
        steps=3,
    )
    said = {
        name: [each for each in load(tmp_path, name).notes if each.startswith("points")] for name in ("random", "gap")
    }
    assert re.match(r"points: harmonics up to \d+ cycles, condition number \d", said["random"][0])
    assert said["gap"][0] == (
        "points: 1 gap without a point, 25.0% of axis x, the widest from 0.5 to 0.75: nothing is measured there"
    )
    assert not any(each.startswith("points") for each in load(tmp_path, "even").notes)


def test_more_points_than_the_basis_needs_are_thinned_for_it(tmp_path: Path) -> None:
    many = np.random.default_rng(1).random(4000)
    watched(tmp_path, Probe.points(many, wave(many)), steps=3)
    run = load(tmp_path)
    assert run.basis is not None
    assert run.basis.snapshot_points.shape == (500, 1)
    assert np.all(np.diff(run.basis.snapshot_points[:, 0]) > 0)
    assert run.points.shape[0] <= 1024


def test_a_datasets_own_points_and_values_are_the_target() -> None:
    x = torch.rand(40, 1)
    probe = Probe.from_dataset(TensorDataset(x, 3 * x), axes=["t"])
    assert isinstance(probe.geometry, Scattered)
    assert probe.geometry.axes == ("t",)
    np.testing.assert_allclose(probe.target, 3 * probe.geometry.points[:, 0], rtol=1e-6)  # type: ignore[arg-type]


def test_default_bounds_of_midpoints_are_those_of_the_grid() -> None:
    bounds = Probe.points(CENTRES[SHUFFLED], wave(CENTRES)).geometry.bounds
    assert bounds[0] == pytest.approx((0.0, 1.0), abs=1e-12)
    assert Grid(bounds, (512,), ("x",)).points[:, 0] == pytest.approx(CENTRES)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"points": "x"}, TypeError, r"points is str: give an array \(N, d\)"),
        (
            {"points": np.zeros((5, 4, 2))},
            ValueError,
            r"points has shape \(5, 4, 2\).*such as points\.reshape\(-1, 2\)",
        ),
        (
            {"points": np.zeros((2, 100))},
            ValueError,
            r"is 2 points in 100 dimensions: give one point per row.*points\.T",
        ),
        ({"points": np.zeros((99, 2), complex)}, TypeError, r"points is ndarray of complex128: give an array"),
        ({"inside": lambda x: x[:, 0] > 5}, ValueError, r"inside is true of none of the 512 points"),
        (
            {"inside": lambda x: torch.eye(1) @ x.T > 0},
            RuntimeError,
            r"inside raised .*float64 points of shape \(512, 1\)",
        ),
        ({"points": np.zeros((0, 2))}, ValueError, r"points has shape \(0, 2\): give an array \(N, d\)"),
        (
            {"bounds": [(0.0, 1.0)] * 2},
            ValueError,
            r"has 2 axes and the points have 1: give one \(low, high\) per axis",
        ),
        ({"points": np.ones(9), "target": 0.0}, ValueError, r"all 9 points lie at 1"),
        ({"target": np.zeros(7)}, ValueError, r"target has shape \(7,\), expected \(512,\)"),
        ({"bounds": [(0.5, 1.0)]}, ValueError, r"points lie outside bounds"),
        ({"bounds": [(1.0, 0.0)]}, ValueError, r"low=1\.0 is not below high=0\.0"),
        ({"axes": ["x", "y"]}, ValueError, r"does not name 1 axes"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_points_that_cannot_be_used_are_refused_in_words(options: dict[str, Any], error: Any, words: str) -> None:
    with pytest.raises(error, match=words):
        Probe.points(**{"points": CENTRES, "target": wave(CENTRES), **options})


def test_values_of_the_shape_of_the_cells_that_points_are_laid_on_are_refused() -> None:
    points = np.random.default_rng(0).random((1024, 2))
    cells = Probe.points(points, 0.0).geometry.shape
    assert cells == (64, 64)
    with pytest.raises(ValueError, match=r"shape \(64, 64\), expected \(1024,\) or \(1024, 1\): one value per point"):
        Probe.points(points, np.zeros(cells))


def test_a_target_that_the_points_cannot_tell_is_refused_before_training() -> None:
    x = np.random.default_rng(5).random(200)
    probe = Probe.points(x, np.sin(2 * np.pi * 90 * x), bounds=[(0.0, 1.0)])
    with pytest.raises(ValueError, match=r"200 points are too few.*an oscillation needs 3 points at the least"):
        probe.read_target(nn.Linear(1, 1))


def test_something_that_holds_no_pairs_is_refused() -> None:
    with pytest.raises(TypeError, match=r"list does not hold pairs.*Probe\.points"):
        Probe.from_dataset([1.0, 2.0])


def test_the_weekly_demo_looks_at_the_weeks_themselves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["demo", "co2", "--weekly", "--max-steps", "3", "--logdir", str(tmp_path)])
    run = load(tmp_path / "co2-weekly-tanh" / "version_0")
    assert "of 44" in capsys.readouterr().out
    assert run.quantity == "CO2 (ppm)"
    with pytest.raises(SystemExit):
        main(["demo", "siren", "--weekly"])


@pytest.mark.slow
def test_the_weekly_points_and_the_monthly_grid_agree_on_what_is_missing(tmp_path: Path) -> None:
    runs = [load(train(demo, seed=2, max_steps=2_000, logdir=tmp_path)) for demo in (DEMOS["co2"], DEMOS["co2-weekly"])]
    for run in runs:
        assert run.spectrum is not None
        assert run.basis is not None
        assert run.spectrum.target_trend_share > 0.9
        assert run.spectrum.relative_error["32-64"][-1] > 0.9
        actual = run.scalars["error/relative_rmse"][-1]
        assert actual / 1.5 <= run.basis.projection_error[-1] <= actual * 1.01
    monthly, weekly = (run.scalars["fourier/relative_error/32-64"][-1] for run in runs)
    assert weekly == pytest.approx(monthly, abs=0.02)
