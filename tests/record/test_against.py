"""Recorded predictions read against a target afterwards: as a training reads them that knew it all along."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from matplotlib.text import Text
from torch import Tensor, nn

from lightning_seqfit import Probe, Run, figures, load
from lightning_seqfit.callbacks import SequentialFitting
from tests.training import FIGURES, FIGURES_OF_A_PLANE

STEPS = 100
Target = Callable[[Tensor], Tensor]


def waves(x: Tensor) -> Tensor:
    """13 oscillations along the first axis, the same everywhere along the others."""
    return torch.sin(26 * torch.pi * x[:, 0])


def slow(x: Tensor) -> Tensor:
    return torch.sin(8 * torch.pi * x[:, 0]) * torch.cos(6 * torch.pi * x[:, 1])


class Front(L.LightningModule):
    """Predicts a target up to a place on the first axis that moves from the low end to the high one, and 0 beyond."""

    def __init__(self, target: Target, gone: range = range(0)) -> None:
        super().__init__()
        self.weight, self.target, self.gone = nn.Parameter(torch.zeros(1)), target, gone

    def forward(self, x: Tensor) -> Tensor:
        if self.global_step in self.gone:
            return torch.full((len(x),), math.nan)
        reached = self.global_step / STEPS * 1.1
        return torch.where(x[:, 0] < reached, self.target(x), torch.zeros(())) + 0 * self.weight

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.weight.square().sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def train_dataloader(self) -> Any:
        return [torch.zeros(1)] * STEPS


def watched(folder: Path, module: L.LightningModule, *probes: Probe, steps: int = STEPS) -> list[Run]:
    """The records of some probes of one training, with a look every second step."""
    trainer = L.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[SequentialFitting(probe, every_n_steps=2) for probe in probes],
    )
    trainer.fit(module)
    return [load(folder, probe.name) for probe in probes]


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """One training along a line, watched with the target and without."""
    probes = (Probe.grid([(0.0, 1.0)], target, name=name) for target, name in ((waves, "known"), (None, "blind")))
    known, blind = watched(tmp_path_factory.mktemp("line"), Front(waves), *probes)
    return known, blind


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """The same in the plane, where a record has block means."""
    box = [(0.0, 1.0), (0.0, 1.0)]
    probes = (Probe.grid(box, target, name=name) for target, name in ((slow, "known"), (None, "blind")))
    known, blind = watched(tmp_path_factory.mktemp("plane"), Front(slow), *probes)
    return known, blind


def assert_alike(one: Run, other: Run, bound: float) -> None:
    """All scalars of error, front, oscillations and spectrum, and the arrivals."""
    tags = [tag for tag in one.scalars if tag.startswith(("error/", "front/", "oscillations/", "fourier/"))]
    assert {tag for tag in other.scalars if tag.startswith(("error/", "front/", "oscillations/", "fourier/"))} == {
        *tags
    }
    rounding = one.scalars["error/relative_rmse"] < 1e-3  # of that the flatness says nothing
    for tag in tags:
        expected, found = (
            np.where(rounding & (tag == "fourier/flatness"), 0.0, run.scalars[tag]) for run in (one, other)
        )
        np.testing.assert_allclose(found, expected, rtol=bound, atol=bound, err_msg=tag)
    assert one.front is not None
    assert other.front is not None
    np.testing.assert_array_equal(one.front.arrival, other.front.arrival)


class TestAlongALine:
    def test_a_run_without_a_target_reads_as_one_that_knew_it(self, line: tuple[Run, Run]) -> None:
        known, blind = line
        read = blind.against(waves)
        assert_alike(known, read, 1e-5)
        assert read.front is not None
        assert read.front.sequentiality[-1] > 0.9
        assert read.front.inwardness["x_min"][-1] > 0.95

    def test_its_own_last_prediction_tells_the_same_order(self, line: tuple[Run, Run]) -> None:
        known, blind = line
        final = blind.against("final")
        assert known.front is not None
        assert final.front is not None
        np.testing.assert_array_equal(final.front.arrival, known.front.arrival)
        assert final.front.sequentiality[-1] == pytest.approx(known.front.sequentiality[-1], abs=1e-4)
        assert final.front.inwardness["x_min"][-1] == pytest.approx(known.front.inwardness["x_min"][-1], abs=1e-4)

    def test_values_on_the_cells_are_as_good_as_a_function(self, line: tuple[Run, Run]) -> None:
        known, blind = line
        assert_alike(known, blind.against(np.sin(26 * np.pi * blind.points[:, 0]), noise=0.0), 1e-5)

    def test_a_run_with_a_target_can_be_read_against_another_one(self, line: tuple[Run, Run]) -> None:
        known, _ = line
        half = known.against(lambda x: 0.5 * waves(x))
        assert half.oscillations is not None
        assert half.scalars["error/relative_rmse"][-1] == pytest.approx(1.0, abs=1e-4)
        assert half.front is not None
        assert half.front.fitted[-1] == 0.0
        assert_alike(known, known.against(waves), 1e-5)

    def test_a_record_of_an_older_version_is_read_alike(self, line: tuple[Run, Run]) -> None:
        known, _ = line
        old = known.replace(resolution=(), kind="", scale_of="")
        assert_alike(known, old.against(waves), 1e-5)

    def test_a_number_is_a_target(self, line: tuple[Run, Run]) -> None:
        _, blind = line
        flat = blind.against(2.0)
        expected = np.sqrt(np.mean((blind.prediction.astype(np.float64) - 2.0) ** 2, axis=1)) / 2.0
        np.testing.assert_allclose(flat.scalars["error/relative_rmse"], expected, rtol=1e-6)

    def test_a_tolerance_and_a_scale_of_ones_own_are_used(self, line: tuple[Run, Run]) -> None:
        _, blind = line
        read = blind.against(lambda x: 1.2 * waves(x), tolerance=0.1)
        assert read.front is not None
        assert read.front.fitted[-1] == 0.0
        assert blind.against(lambda x: 1.2 * waves(x), tolerance=0.3).scalars["front/fitted"][-1] == 1.0
        scaled = blind.against(waves, scale=10.0)
        assert scaled.scalars["error/relative_rmse"][0] == pytest.approx(math.sqrt(0.5) / 10, rel=1e-5)

    def test_what_was_measured_without_a_target_stays(self, line: tuple[Run, Run]) -> None:
        _, blind = line
        read = blind.against(waves)
        assert read.known
        assert not blind.known
        np.testing.assert_array_equal(read.scalars["change/since_half"], blind.scalars["change/since_half"])
        assert not [note for note in read.notes if "no target" in note]

    def test_summary_and_figures_are_those_of_a_run(self, line: tuple[Run, Run]) -> None:
        known, blind = line
        read = blind.against(waves)
        assert read.summary().line == known.summary().line
        assert set(figures.draw(read)) == FIGURES - {"5_basis", "6_rank"} | {"7_change"}

    def test_of_its_own_last_prediction_nothing_is_said_to_be_fitted(self, line: tuple[Run, Run]) -> None:
        final = line[1].against("final")
        assert final.final
        words = f"{final.summary()} {final.summary().line}"
        assert "fitted" not in words
        assert "R^2" not in words
        assert "relative error" not in words
        assert final.summary().line.startswith("against its own last prediction, half arrived by step ")
        drawn = figures.draw(final)
        assert set(drawn) == FIGURES - {"5_basis", "6_rank"} | {"7_change"}
        texts = [text.get_text() for figure in drawn.values() for text in figure.findobj(Text)]
        assert not [text for text in texts if "fitted" in text or "target" in text]
        assert any("arrived" in text for text in texts)


class TestInThePlane:
    def test_more_cells_are_recorded_without_a_target(self, plane: tuple[Run, Run]) -> None:
        known, blind = plane
        assert known.shape == (32, 32)
        assert blind.shape == (48, 48)
        assert known.resolution == blind.resolution == (96, 96)

    def test_a_perfect_prediction_reads_no_error_on_block_means(self, plane: tuple[Run, Run]) -> None:
        for run in plane:
            read = run.against(slow)
            assert read.scalars["error/relative_rmse"][-1] < 1e-5
            assert read.scalars["oscillations/missing"][-1] == 0.0

    def test_it_reads_nearly_as_a_run_that_knew_the_target(self, plane: tuple[Run, Run]) -> None:
        known, blind = plane
        for read in (blind.against(slow), blind.against("final"), known.against(slow)):
            assert known.front is not None
            assert read.front is not None
            assert read.front.sequentiality[-1] == pytest.approx(known.front.sequentiality[-1], abs=0.05)
            assert read.front.inwardness["x_min"][-1] == pytest.approx(known.front.inwardness["x_min"][-1], abs=0.05)
            np.testing.assert_allclose(read.front.fitted, known.front.fitted, atol=0.05)
            np.testing.assert_allclose(read.front.depth["x_min"], known.front.depth["x_min"], atol=0.05)
        assert known.scalars["oscillations/target"][-1] == blind.against(slow).scalars["oscillations/target"][-1]

    def test_values_on_the_probes_own_grid_are_averaged_over_the_cells(self, plane: tuple[Run, Run]) -> None:
        _, blind = plane
        centres = (np.arange(96) + 0.5) / 96
        x, y = np.meshgrid(centres, centres, indexing="ij")
        own = np.sin(8 * np.pi * x) * np.cos(6 * np.pi * y)
        assert_alike(blind.against(slow), blind.against(own, noise=0.0), 1e-5)
        assert_alike(blind.against(slow), blind.against(own.ravel(), noise=0.0), 1e-5)

    def test_it_is_drawn(self, plane: tuple[Run, Run]) -> None:
        for target in (slow, "final"):
            drawn = figures.draw(plane[1].against(target))
            assert set(drawn) == FIGURES_OF_A_PLANE - {"5_basis", "6_rank"} | {"7_change"}


def test_points_on_the_bounds_are_where_they_are(tmp_path: Path) -> None:
    probes = [
        Probe.grid([(0.0, 1.0), (0.0, 2.0)], target, resolution=(65, 80), ends=True, name=name)
        for target, name in ((slow, "known"), (None, "blind"))
    ]
    for run in watched(tmp_path, Front(slow), *probes):
        read = run.against(slow)
        assert read.scalars["error/relative_rmse"][-1] < 1e-5
        np.testing.assert_allclose(run.geometry.lengths, [65 / 64, 2 * 80 / 79], rtol=0.05)


def test_uneven_points_on_a_line_are_read_as_the_training_read_them(tmp_path: Path) -> None:
    places = np.sort(np.random.default_rng(1).random(3000))
    probes = [Probe.points(places, target, name=name) for target, name in ((waves, "known"), (None, "blind"))]
    known, blind = watched(tmp_path, Front(waves), *probes)
    assert len(blind.points) == 3000
    assert_alike_on_other_cells(known, blind.against(waves))
    coarse = known.against(waves)  # on block means of three points
    assert coarse.scalars["error/relative_rmse"][-1] < 1e-5
    assert_alike_on_other_cells(known, coarse, 0.05)


def assert_alike_on_other_cells(known: Run, read: Run, bound: float = 1e-3) -> None:
    assert known.front is not None
    assert read.front is not None
    np.testing.assert_allclose(read.front.fitted, known.front.fitted, atol=bound)
    np.testing.assert_allclose(read.front.sequentiality, known.front.sequentiality, atol=bound)
    np.testing.assert_allclose(read.front.inwardness["x_min"], known.front.inwardness["x_min"], atol=bound)


def test_a_disc_has_its_own_edge_afterwards_too(tmp_path: Path) -> None:
    def disc(x: Tensor) -> Tensor:
        return ((x - 0.5) ** 2).sum(dim=1) < 0.2

    box = [(0.0, 1.0), (0.0, 1.0)]
    probes = [Probe.grid(box, target, inside=disc, name=name) for target, name in ((slow, "known"), (None, "blind"))]
    known, blind = watched(tmp_path, Front(slow), *probes)
    read = blind.against(slow)
    assert read.inside is not None
    assert read.scalars["error/relative_rmse"][-1] < 1e-5
    assert "front/depth/boundary" in read.scalars
    assert known.front is not None
    assert read.front is not None
    np.testing.assert_allclose(read.front.fitted, known.front.fitted, atol=0.06)
    assert read.front.sequentiality[-1] == pytest.approx(known.front.sequentiality[-1], abs=0.05)
    for face in ("x_min", "boundary"):
        assert read.front.inwardness[face][-1] == pytest.approx(known.front.inwardness[face][-1], abs=0.1)
    whole = np.full(blind.shape, np.nan)
    x, y = blind.points.T
    whole.ravel()[blind.inside] = np.sin(8 * np.pi * x) * np.cos(6 * np.pi * y)
    assert blind.against(whole, noise=0.0).scalars["error/relative_rmse"][-1] < 0.05


def test_a_perfect_prediction_in_a_ball_reads_no_error(tmp_path: Path) -> None:
    def ball(x: Tensor) -> Tensor:
        return ((x - 0.5) ** 2).sum(dim=1) < 0.2

    (blind,) = watched(tmp_path, Front(slow), Probe.grid([(0.0, 1.0)] * 3, None, inside=ball))
    assert blind.shape == (16, 16, 16)  # each of eight points of the probe
    read = blind.against(slow)
    assert read.scalars["error/relative_rmse"][-1] < 1e-5
    assert read.scalars["front/fitted"][-1] == 1.0
    assert set(figures.draw(read)) == {"2_fit", "1_front", "4_spectrum", "7_change"}


def test_predictions_that_are_not_finite_are_infinite_errors_as_in_training(tmp_path: Path) -> None:
    probes = [Probe.grid([(0.0, 1.0)], target, name=name) for target, name in ((waves, "known"), (None, "blind"))]
    known, blind = watched(tmp_path, Front(waves, gone=range(40, 51)), *probes)
    assert np.isinf(known.scalars["error/relative_rmse"]).any()
    assert_alike(known, blind.against(waves), 1e-5)


def test_the_final_prediction_is_the_last_one_that_is_finite(tmp_path: Path) -> None:
    (blind,) = watched(tmp_path, Front(waves, gone=range(96, 101)), Probe.grid([(0.0, 1.0)], None))
    final = blind.against("final")
    step = int(blind.steps[np.isfinite(blind.prediction).all(axis=1)][-1])
    assert step < 96
    assert any(f"at step {step}, " in note and "finite everywhere" in note for note in final.notes)
    np.testing.assert_array_equal(final.target, blind.prediction[blind.steps == step][0])


def test_a_reading_of_a_reading_is_one_of_the_record(tmp_path: Path) -> None:
    disc = Probe.grid(
        [(0.0, 1.0)] * 2, None, resolution=90, inside=lambda x: ((x - 0.5) ** 2).sum(dim=1) < 0.25, name="disc"
    )
    points = Probe.points(np.random.default_rng(0).random((2_000, 2)), None, name="points")
    for run in watched(tmp_path, Front(slow), disc, points, steps=20):
        direct, again = run.against(slow), run.against("final").against(slow)
        assert direct.recorded is again.recorded is run
        assert direct.scalars.keys() == again.scalars.keys()
        for tag, values in direct.scalars.items():
            np.testing.assert_array_equal(values, again.scalars[tag], err_msg=tag)


class TestRefusals:
    def test_an_array_of_another_length_is_told_what_fits(self, plane: tuple[Run, Run]) -> None:
        with pytest.raises(ValueError, match=r"shape \(300,\).*\(2304,\).*run\.points.*\(96, 96\)"):
            plane[1].against(np.zeros(300))

    def test_words_but_final_are_no_target(self, line: tuple[Run, Run]) -> None:
        with pytest.raises(ValueError, match='give "final", the run\'s own last prediction'):
            line[1].against("last")

    def test_what_the_recorded_cells_cannot_tell_is_refused(self, line: tuple[Run, Run]) -> None:
        with pytest.raises(ValueError, match=r"512 recorded cells cannot tell this target: .*too coarse"):
            line[1].against(np.sin(2 * np.pi * 200 * line[1].points[:, 0]), noise=0.0)

    def test_variance_that_the_cells_average_out_is_said(self, plane: tuple[Run, Run]) -> None:
        read = plane[0].against(lambda x: slow(x) + torch.sin(60 * torch.pi * x[:, 0]))
        assert any("of the target's variance" in note for note in read.notes)
        assert not any("of the target's variance" in note for note in plane[0].against(slow).notes)

    def test_a_target_that_raises_is_said_in_our_words(self, line: tuple[Run, Run]) -> None:
        def broken(x: Tensor) -> Tensor:
            raise KeyError("no")

        with pytest.raises(RuntimeError, match="target raised KeyError"):
            line[1].against(broken)

    def test_a_run_that_was_never_finite_has_no_final_prediction(self, tmp_path: Path) -> None:
        (blind,) = watched(tmp_path, Front(waves, gone=range(STEPS + 1)), Probe.grid([(0.0, 1.0)], None))
        with pytest.raises(ValueError, match="none that was recorded is finite everywhere"):
            blind.against("final")


class TestPointsAnywhere:
    """What is recorded of points laid on cells, and of those in more dimensions than three."""

    def test_points_in_the_plane_are_compared_where_they_are(self, tmp_path: Path) -> None:
        places = np.random.default_rng(0).random((9000, 2))
        probes = [Probe.points(places, target, name=name) for target, name in ((slow, "known"), (None, "blind"))]
        known, blind = watched(tmp_path, Front(slow), *probes)
        assert blind.kind == "points"
        for run in (known, blind):  # not at the centres of the cells, of which the points are up to half a cell off
            read = run.against(slow)
            assert read.scalars["error/relative_rmse"][-1] < 1e-5
            assert known.front is not None
            assert read.front is not None
            np.testing.assert_allclose(read.front.fitted, known.front.fitted, atol=0.08)
            assert read.front.sequentiality[-1] == pytest.approx(known.front.sequentiality[-1], abs=0.06)
            assert read.front.inwardness["x_min"][-1] == pytest.approx(known.front.inwardness["x_min"][-1], abs=0.1)
        assert set(figures.draw(blind)) == {"2_fit", "7_change"}
        assert set(figures.draw(blind.against("final"))) == {"2_fit", "1_front", "4_spectrum", "7_change"}

    def test_points_in_five_dimensions_have_an_error_and_a_fitted_share(self, tmp_path: Path) -> None:
        places = np.random.default_rng(0).random((1500, 5))
        probes = [Probe.points(places, target, name=name) for target, name in ((slow, "known"), (None, "blind"))]
        known, blind = watched(tmp_path, Front(slow), *probes)
        read = blind.against(slow)
        assert read.scalars["error/relative_rmse"][-1] < 1e-5
        np.testing.assert_allclose(read.scalars["front/fitted"], known.scalars["front/fitted"], atol=1e-3)
        assert read.oscillations is None
        assert any(note.startswith("oscillations is absent: points in 5 dimensions") for note in read.notes)
        assert set(figures.draw(blind)) == {"7_change"}
        assert set(figures.draw(blind.against("final"))) == {"7_change"}
        assert set(figures.draw(read)) == {"2_fit", "7_change"}
