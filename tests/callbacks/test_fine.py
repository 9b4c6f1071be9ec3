"""The last look is in the file at every point, where the looks before are block means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import FourierResidual, SequentialFitting
from lightning_seqfit.callbacks.error_front import FrontDiagnostic
from lightning_seqfit.demos import FunctionRegression, plane_wave, product_wave
from lightning_seqfit.figures import draw
from lightning_seqfit.record import Run, load
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
    figures = draw(run)
    for name, values in (("fit", fine.prediction[0]), ("front", np.sqrt(fine.front.local_error[0]))):  # type: ignore[union-attr]
        shown = figures[name].axes[1].images or figures[name].axes[1].collections[:1]
        pixels = np.asarray(shown[0].get_array(), dtype=np.float64)
        np.testing.assert_allclose(pixels.reshape(96, 144), values.reshape(144, 96).T, atol=1e-6)
    coarse = draw(replace(run, fine=None))
    assert coarse["fit"].axes[0].get_title() == "target, on 36 x 24 cells"


def test_where_the_cells_hold_every_point_there_is_nothing_finer(tmp_path: Path) -> None:
    train(tmp_path, SequentialFitting(Probe.grid(BOX, lambda x: product_wave(0.6 * x), resolution=(32, 32))))
    assert load(tmp_path).fine is None


def test_more_points_than_are_kept_are_block_means(tmp_path: Path) -> None:
    train(tmp_path, SequentialFitting(Probe.grid(BOX, plane_wave, resolution=(256, 256))))
    fine = load(tmp_path).fine
    assert fine is not None
    assert fine.shape == (128, 128)


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
    assert (tmp_path / "seqfit" / "probe_front.png").exists()


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
