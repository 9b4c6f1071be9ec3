"""A training without a known solution: what is recorded of it, what is said, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from torch import Tensor, nn

from lightning_seqfit import Probe, figures, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from lightning_seqfit.diagnostics import Diagnostic, Reading
from tests.training import Net, fit, loader, rows, silent, trained, trainer, watched

BLIND = {"2_fit", "7_change", "5_basis", "6_rank"}
pytestmark = pytest.mark.filterwarnings(
    "ignore:You're resuming from a checkpoint that ended before the epoch:UserWarning",
    "ignore:Checkpoint directory .* exists and is not empty:UserWarning",
)


def blind(**options: Any) -> Probe:
    return Probe.grid([(0.0, 1.0)], None, **options)


class Poisson(L.LightningModule):
    """u'' = f on (0, 1), u = 0 at both ends, with f such that nobody need know u = sin(2 pi x) + x (1 - x)."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 - x) * self.net(2 * x - 1)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x = batch[0].clone().requires_grad_()
        (slope,) = torch.autograd.grad(self(x).sum(), x, create_graph=True)
        (bend,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        return (bend + 4 * torch.pi**2 * torch.sin(2 * torch.pi * x) + 2).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def solution(x: Tensor) -> Tensor:
    return torch.sin(2 * torch.pi * x[:, 0]) + x[:, 0] * (1 - x[:, 0])


@pytest.mark.slow
def test_a_pinn_without_a_known_solution_is_read_against_it_afterwards(tmp_path: Path) -> None:
    torch.manual_seed(0)
    fit(trainer(tmp_path, [SequentialFitting(blind())], max_steps=800), Poisson())
    run = load(tmp_path)
    moved = run.scalars["change/since_half"]
    assert moved[-1] < 0.2 < np.nanmax(moved)
    x = run.points[:, 0]
    exact = np.sin(2 * np.pi * x) + x * (1 - x)
    error = np.sqrt(np.mean((run.prediction - exact) ** 2, axis=1))
    read = run.against(solution)
    # relative to what oscillates about the trend, which is of the size of the sine
    np.testing.assert_allclose(read.scalars["error/relative_rmse"], error / np.sqrt(0.5), rtol=0.1)
    assert error[-1] < 0.05 < error[0]
    assert read.front is not None
    assert read.front.fitted[-1] == 1.0
    assert read.oscillations is not None
    final = run.against("final")
    assert final.front is not None
    assert np.isfinite(final.front.arrival[final.front.active]).all()


def test_what_needs_a_target_is_absent_with_its_reason(tmp_path: Path) -> None:
    trained(Net, tmp_path, [SequentialFitting(blind())])
    run = load(tmp_path)
    assert not run.known
    assert np.isnan(run.target).all()
    assert np.isnan(run.trend).all()
    assert run.front is run.oscillations is run.spectrum is None
    assert run.basis is not None
    assert np.isnan(run.basis.projection_error).all()
    for name in ("front", "oscillations", "fourier", "basis/projection_error"):
        assert any(note.startswith(f"{name} is absent: the probe has no target") for note in run.notes), name
    assert not [tag for tag in run.scalars if tag.startswith(("error/", "front/", "fourier/", "oscillations/"))]
    logged = {tag for row in rows(tmp_path) for tag in row}
    assert {"seqfit/change/since_half", "seqfit/change/since_last", "seqfit/change/moving"} <= logged
    assert not [tag for tag in logged if tag.startswith(("seqfit/error/", "seqfit/front/"))]


def test_nothing_is_published_where_monitors_look_for_an_error(tmp_path: Path) -> None:
    trains = trainer(tmp_path, [SequentialFitting(blind())])
    fit(trains, Net())
    tags = {tag for tag in trains.callback_metrics if "error" in tag or "fitted" in tag}
    assert not tags
    assert "seqfit/change/since_half" in trains.callback_metrics


def test_the_training_is_left_as_it_is(tmp_path: Path) -> None:
    watched(Net, tmp_path, watchers=[SequentialFitting(blind())])


def test_the_console_says_how_much_it_moved_since_when(tmp_path: Path) -> None:
    trained(Net, tmp_path, [SequentialFitting(blind())])
    run = load(tmp_path)
    half = int(run.steps[np.searchsorted(run.steps, run.steps[-1] / 2)])
    now, then = (run.prediction[run.steps == step][0].astype(np.float64) for step in (run.steps[-1], half))
    moved = np.sqrt(np.mean((now - then) ** 2)) / np.std(now)
    assert run.summary().line == f"no target: the prediction moved by {100 * moved:.0f} % since step {half}"
    assert run.scalars["change/since_half"][-1] == pytest.approx(moved, rel=1e-5)
    assert "R^2" not in str(run.summary())
    files = {path.name for path in (tmp_path / "seqfit").iterdir()}
    assert files == {"probe.npz", *(f"probe_{name}.png" for name in BLIND)}


@pytest.mark.parametrize(("dimension", "resolution"), [(2, 20), (3, 12)])
def test_it_is_drawn_in_the_plane_and_in_space(dimension: int, resolution: int, tmp_path: Path) -> None:
    class Flat(Net):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(dimension, 16)

        def loss(self, batch: Any) -> Tensor:
            return self(torch.rand(16, dimension)).square().mean()

    trained(Flat, tmp_path, [SequentialFitting(Probe.grid([(0.0, 1.0)] * dimension, None, resolution=resolution))])
    run = load(tmp_path)
    assert set(figures.draw(run)) == BLIND
    assert not [note for note in run.notes if note.startswith(("figures", "summary", "change"))]


def test_a_callback_that_needs_a_target_still_records_the_predictions(tmp_path: Path) -> None:
    trained(Net, tmp_path, [ErrorFront(blind())])
    run = load(tmp_path)
    assert run.summary().line == "no target"
    assert run.against(lambda x: torch.sin(6 * torch.pi * x[:, 0])).front is not None


def test_with_a_target_nothing_is_said_of_change(tmp_path: Path) -> None:
    trained(Net, tmp_path, [SequentialFitting(Probe.grid([(0.0, 1.0)], lambda x: torch.sin(6 * torch.pi * x[:, 0])))])
    run = load(tmp_path)
    assert run.known
    assert run.change is None
    assert not [note for note in run.notes if "change" in note]
    assert not [tag for tag in run.scalars if tag.startswith("change/")]


def test_a_resumed_run_has_the_changes_of_one_that_was_not_stopped(tmp_path: Path) -> None:
    def train(folder: Path, steps: int, resume: Path | None = None) -> None:
        keeper = ModelCheckpoint(folder / "kept", save_top_k=-1, every_n_train_steps=30)
        watcher = SequentialFitting(blind(), every_n_steps=3)
        torch.manual_seed(3)
        trains = trainer(folder, [keeper, watcher], max_steps=steps, enable_checkpointing=True, logger=False)
        trains.fit(Still(), loader(), ckpt_path=resume)

    class Still(Net):
        def loss(self, batch: list[Tensor]) -> Tensor:
            return nn.functional.mse_loss(self(batch[0]), batch[1])

    train(tmp_path / "whole", 60)
    train(tmp_path / "parts", 30)
    (checkpoint,) = (tmp_path / "parts" / "kept").iterdir()
    train(tmp_path / "parts", 60, checkpoint)
    whole, parts = load(tmp_path / "whole"), load(tmp_path / "parts")
    assert whole.steps.tolist() == parts.steps.tolist()
    assert parts.notes == whole.notes
    for tag in ("change/since_last", "change/since_half", "change/moving"):
        np.testing.assert_array_equal(whole.scalars[tag], parts.scalars[tag], err_msg=tag)
    assert whole.change is not None
    assert parts.change is not None
    np.testing.assert_array_equal(whole.change.local, parts.change.local)
    assert whole.change.reference == parts.change.reference == 30


def test_a_record_that_gets_a_target_begins_anew(tmp_path: Path) -> None:
    module = Net()
    probe = blind()
    fit(trainer(tmp_path, [SequentialFitting(probe)], max_steps=10, enable_checkpointing=False), module)
    kept = trainer(tmp_path / "kept", [SequentialFitting(probe)], max_steps=10)
    fit(kept, Net())
    kept.save_checkpoint(tmp_path / "it.ckpt")
    other = trainer(tmp_path / "more", [SequentialFitting(Probe.grid([(0.0, 1.0)], 0.0))], max_steps=20)
    with pytest.warns(UserWarning, match="begins anew .*target none -> given"):
        other.fit(Net(), loader(), ckpt_path=tmp_path / "it.ckpt")
    assert load(tmp_path / "more").known


def test_a_prediction_that_is_not_finite_is_seen_by_monitors(tmp_path: Path) -> None:
    class Gone(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * (float("nan") if self.global_step >= 20 and not self.training else 1.0)

    stop = EarlyStopping("seqfit/change/since_last", patience=1000, check_finite=True, strict=False, mode="min")
    trains = trainer(tmp_path, [SequentialFitting(blind(), every_n_steps=5), stop], max_steps=40)
    with pytest.warns(UserWarning, match="NaN or infinite at 512 of 512 points"):
        fit(trains, Gone())
    assert np.isinf(load(tmp_path).scalars["change/since_last"]).any()


def test_a_diagnostic_of_ones_own_sees_a_residual_of_nan(tmp_path: Path) -> None:
    class Own(Diagnostic):
        name = "own"

        def look(self, observation: Any, scale: float, step: int) -> Reading:
            return Reading({"own/known": float(np.isfinite(observation.residual).any())})

    trained(Net, tmp_path, [SequentialFitting(blind(), also=[Own()])])
    assert not load(tmp_path).scalars["own/known"].any()


class Turning(Net):
    """Predicts a field of length 1 that turns by 0.1 a step."""

    outputs = 2

    def forward(self, x: Tensor) -> Tensor:
        learnt = super().forward(x)
        if self.training:
            return learnt
        phase = 6 * torch.pi * x + 0.1 * self.global_step
        return torch.cat([torch.sin(phase), torch.cos(phase), 0 * phase][: self.outputs], dim=1)


def test_of_a_length_over_all_outputs_each_of_them_moves(tmp_path: Path) -> None:
    trained(Turning, tmp_path / "whole", [SequentialFitting(blind(output="norm"), every_n_steps=2)], max_steps=20)
    run = load(tmp_path / "whole")
    np.testing.assert_allclose(run.prediction, 1.0, rtol=1e-6)
    turned = 0.1 * (run.steps[-1] - run.change.reference)
    assert run.scalars["change/since_half"][-1] == pytest.approx(2 * np.sin(turned / 2), rel=1e-4)
    begun = trainer(tmp_path / "begun", [SequentialFitting(blind(output="norm"), every_n_steps=2)], max_steps=13)
    fit(begun, Turning())
    begun.save_checkpoint(tmp_path / "it.ckpt")
    parts = trainer(tmp_path / "parts", [SequentialFitting(blind(output="norm"), every_n_steps=2)], max_steps=20)
    parts.fit(Turning(), loader(), ckpt_path=tmp_path / "it.ckpt")
    resumed = load(tmp_path / "parts")
    kept = resumed.steps != 13  # the last look of the first fit
    for tag in ("change/since_half", "change/moving"):
        np.testing.assert_allclose(resumed.scalars[tag][kept], run.scalars[tag], err_msg=tag)


def test_a_module_with_another_number_of_outputs_begins_its_changes_anew(tmp_path: Path) -> None:
    probe = blind(output="norm")
    begun = trainer(tmp_path / "begun", [SequentialFitting(probe)], max_steps=6)
    fit(begun, Turning())
    begun.save_checkpoint(tmp_path / "it.ckpt")
    module = Turning()
    module.outputs = 3
    with silent():
        other = trainer(tmp_path / "other", [SequentialFitting(probe)], max_steps=20)
        other.fit(module, loader(), ckpt_path=tmp_path / "it.ckpt")
    seen = load(tmp_path / "other").scalars["change/since_half"]
    assert np.isfinite(seen[-1])


class TestArguments:
    def test_who_forgets_the_target_is_told(self) -> None:
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'target'"):
            Probe.grid([(0.0, 1.0)])

    @pytest.mark.parametrize("options", [{"noise": 0.1}, {"relative": "local"}])
    def test_what_is_said_of_a_target_needs_one(self, options: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"are about a target.*give noise= and relative= to run\.against"):
            blind(**options)

    def test_points_take_none_too(self) -> None:
        probe = Probe.points(np.linspace(0, 1, 50), None)
        target, trend = probe.read_target(nn.Linear(1, 1))
        assert np.isnan(target).all()
        assert trend.variance == 0.0
