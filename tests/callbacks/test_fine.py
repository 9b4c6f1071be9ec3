"""The last look is in the file at every point, where the looks before are block means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import ErrorFront, FourierResidual, SequentialFitting
from lightning_seqfit.demos import FunctionRegression, plane_wave, product_wave
from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.geometry import Grid
from lightning_seqfit.record import Run, load
from lightning_seqfit.views import pictures
from tests.training import trainer

BOX = ((-1.0, 1.0), (-1.0, 1.0))


def train(folder: Path, callback: L.Callback) -> FunctionRegression:
    torch.manual_seed(0)
    module = FunctionRegression("lightning_seqfit.demos.plane_wave", bounds=[[-1, 1], [-1, 1]], training_points=16)
    trainer(folder, [callback], max_steps=12, logger=False).fit(module)
    return module


def blocks(field: np.ndarray, shape: tuple[int, ...], size: int) -> np.ndarray:
    rows, columns = (cells // size for cells in shape)
    return field.reshape(rows, size, columns, size).mean(axis=(1, 3)).ravel()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[FunctionRegression, Probe, Run]:
    folder = tmp_path_factory.mktemp("fine")
    probe = Probe.grid(BOX, plane_wave)
    module = train(folder, SequentialFitting(probe))
    return module, probe, load(folder)


def test_target_and_last_prediction_are_there_at_every_point(trained: tuple[FunctionRegression, Probe, Run]) -> None:
    module, probe, run = trained
    fine = run.fine
    assert fine is not None
    assert fine.shape == (144, 96)  # 13 cycles along x
    np.testing.assert_array_equal(fine.points, probe.geometry.points)
    points = torch.as_tensor(probe.geometry.points)
    np.testing.assert_allclose(fine.target, plane_wave(points).numpy(), atol=1e-5)
    with torch.no_grad():
        expected = module(points.float())[:, 0].numpy()
    assert fine.prediction.shape == (1, 144 * 96)
    np.testing.assert_allclose(fine.prediction[0], expected, atol=1e-6)


def test_the_looks_are_block_means_of_it(trained: tuple[FunctionRegression, Probe, Run]) -> None:
    _, _, run = trained
    fine = run.fine
    assert fine is not None
    assert fine.front is not None
    assert run.front is not None
    assert run.shape == (36, 24)
    np.testing.assert_allclose(run.target, blocks(fine.target, fine.shape, 4), atol=1e-12)
    np.testing.assert_allclose(run.prediction[-1], blocks(fine.prediction[0], fine.shape, 4), atol=1e-6)
    np.testing.assert_allclose(
        run.front.local_error[-1], blocks(fine.front.local_error[0], fine.shape, 4), rtol=1e-5, atol=1e-6
    )


def test_figures_show_the_last_look_at_every_point(trained: tuple[FunctionRegression, Probe, Run]) -> None:
    _, _, run = trained
    fine = run.fine
    assert fine is not None
    for name, values in (("2_fit", fine.prediction[0]), ("1_front", np.sqrt(fine.front.local_error[0]))):  # type: ignore[union-attr]
        shown = pictures(run)[name].panels[1].items[0].values  # type: ignore[union-attr]
        np.testing.assert_allclose(shown, values.reshape(144, 96).T, atol=1e-6)
    coarse = pictures(replace(run, fine=None))
    assert coarse["2_fit"].panels[1].items[0].values.shape == (24, 36)  # type: ignore[union-attr]


def test_where_the_cells_hold_every_point_there_is_nothing_finer(tmp_path: Path) -> None:
    train(tmp_path, SequentialFitting(Probe.grid(BOX, lambda x: product_wave(0.6 * x), resolution=(32, 32))))
    assert load(tmp_path).fine is None


def test_more_points_than_are_kept_are_block_means(tmp_path: Path) -> None:
    train(tmp_path, SequentialFitting(Probe.grid(BOX, plane_wave, resolution=(256, 256))))
    fine = load(tmp_path).fine
    assert fine is not None
    assert fine.shape == (128, 128)


@pytest.mark.parametrize("scattered", [False, True], ids=["a grid", "points in any order"])
def test_along_a_line_the_least_and_the_largest_of_each_block_are_kept(tmp_path: Path, scattered: bool) -> None:
    size = 40_000
    places = (np.arange(size) + 0.5) / size
    if scattered:
        np.random.default_rng(0).shuffle(places)
    cycles = 100.0  # 400 points each, of which a block has three
    target = np.sin(2 * np.pi * cycles * places)

    class Half(FunctionRegression):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x < 0.5, torch.sin(2 * torch.pi * cycles * x), 0 * super().forward(x))

    probe = Probe.points(places[:, None], target) if scattered else Probe.grid([(0.0, 1.0)], target, resolution=size)
    module = Half("lightning_seqfit.demos.sine", bounds=[[0, 1]], training_points=16)
    trainer(tmp_path, [ErrorFront(probe)], max_steps=1, logger=False).fit(module)
    fine = load(tmp_path).fine
    assert fine is not None
    assert fine.target_range is not None
    assert fine.prediction_range is not None
    assert fine.shape == (13_334,)
    in_order = np.sort(places)
    values = np.sin(2 * np.pi * cycles * in_order)
    # but for the last two: that of the end has one point, and a neighbour that is as near to it as to its own
    blocks = np.append(values, [values[-1]] * 2).reshape(-1, 3)[:-1]
    expected = np.stack([blocks.min(axis=1), blocks.max(axis=1)])
    np.testing.assert_allclose(fine.target_range[:, :-2], expected[:, :-1], atol=1e-6)
    lower = in_order[::3][:-1] < 0.499
    np.testing.assert_allclose(fine.prediction_range[:, :-1][:, lower], expected[:, lower], atol=1e-4)
    assert np.abs(fine.prediction_range[:, -6000:]).max() == 0.0


def test_where_cells_are_points_no_range_is_kept(tmp_path: Path) -> None:
    probe = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(26 * torch.pi * x[:, 0]), resolution=2000)
    module = FunctionRegression("lightning_seqfit.demos.sine", bounds=[[0, 1]], training_points=16)
    trainer(tmp_path, [ErrorFront(probe)], max_steps=1, logger=False).fit(module)
    fine = load(tmp_path).fine
    assert fine is not None
    assert fine.shape == (2000,)
    assert fine.target_range is None
    assert fine.prediction_range is None


def test_a_watch_without_the_front_has_it_too(tmp_path: Path) -> None:
    train(tmp_path, FourierResidual(Probe.grid(BOX, plane_wave)))
    fine = load(tmp_path).fine
    assert fine is not None
    assert fine.front is None


def test_a_front_that_was_switched_off_leaves_the_coarse_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    look = FrontDiagnostic.look

    def failing(self: FrontDiagnostic, observation: object, scale: float, step: int) -> object:
        if step >= 4:
            raise ArithmeticError("no more")
        return look(self, observation, scale, step)  # type: ignore[arg-type]

    monkeypatch.setattr(FrontDiagnostic, "look", failing)
    with pytest.warns(UserWarning, match="front of the probe failed at step 4"):
        train(tmp_path, SequentialFitting(Probe.grid(BOX, plane_wave)))
    run = load(tmp_path)
    assert run.fine is None
    assert run.front is not None
    assert (tmp_path / "seqfit" / "probe_1_front.png").exists()


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch ended")
def test_a_resumed_run_that_broke_off_at_once_has_it_still(tmp_path: Path) -> None:
    def module() -> FunctionRegression:
        return FunctionRegression("lightning_seqfit.demos.plane_wave", bounds=[[-1, 1], [-1, 1]], training_points=16)

    class BreaksOff(L.Callback):
        def on_train_batch_start(self, *args: object) -> None:
            raise RuntimeError("broken off")

    first = trainer(tmp_path, [SequentialFitting(Probe.grid(BOX, plane_wave))], max_steps=6, logger=False)
    first.fit(module())
    first.save_checkpoint(tmp_path / "kept.ckpt")
    before = load(tmp_path).fine
    callbacks = [SequentialFitting(Probe.grid(BOX, plane_wave)), BreaksOff()]
    second = trainer(tmp_path, callbacks, max_steps=12, logger=False)
    with pytest.raises(RuntimeError, match="broken off"):
        second.fit(module(), ckpt_path=tmp_path / "kept.ckpt", weights_only=False)
    assert load(tmp_path).steps.tolist() == [0, 1, 2, 3, 4, 6]
    after = load(tmp_path).fine
    assert before is not None
    assert after is not None
    np.testing.assert_allclose(after.prediction, before.prediction, rtol=1e-6)
    assert before.front is not None
    assert after.front is not None
    np.testing.assert_allclose(after.front.local_error, before.front.local_error, rtol=1e-6)


def test_gaps_of_a_line_are_in_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def split(self: Grid, axis: int) -> list[np.ndarray]:
        return np.split(np.arange(128), [32, 96])

    module = FunctionRegression("lightning_seqfit.demos.sine", bounds=[[0, 1]], training_points=16)
    probe = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(8 * torch.pi * x[:, 0]), resolution=128)
    monkeypatch.setattr(Grid, "segments", split)
    trainer(tmp_path, [ErrorFront(probe)], max_steps=1, logger=False).fit(module)
    places = probe.geometry.points[:, 0]
    assert load(tmp_path).gaps == ((places[31], places[32]), (places[95], places[96]))
