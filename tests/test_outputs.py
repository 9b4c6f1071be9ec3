"""Several outputs in one probe: what is measured is known in closed form, or from probes of one output each."""

from __future__ import annotations

import copy
import math
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, Run, load
from lightning_seqfit.callbacks import ErrorFront, OscillationCount, SequentialFitting
from lightning_seqfit.diagnostics import Diagnostic, Reading
from lightning_seqfit.figures import draw
from lightning_seqfit.geometry import Grid
from lightning_seqfit.measures.basis import measure_basis

X = torch.linspace(-1, 1, 65)[:, None]


class Net(L.LightningModule):
    """Three outputs of one small network, of which every evaluation is counted."""

    def __init__(self, inputs: int = 1, outputs: int = 3, omega: float = 6.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.hidden, self.last = nn.Linear(inputs, 32), nn.Linear(32, 32), nn.Linear(32, outputs)
        self.omega, self.evaluations, self.broken = omega, [], False

    def forward(self, x: Tensor) -> Tensor:
        EVALUATED.append(len(x))
        if self.broken and not self.training:
            raise RuntimeError("out of order")
        y: Tensor = self.last(torch.tanh(self.hidden(torch.sin(self.omega * self.first(x)))))
        return y

    def training_step(self, batch: list[Tensor], number: int) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


EVALUATED: list[int] = []


def waves(points: Tensor) -> Tensor:
    x = points[:, 0]
    return torch.stack([torch.sin(9 * x), torch.cos(20 * x), x**2 + torch.sin(15 * x)], dim=1)


def fitted(folder: Path, *callbacks: Any, steps: int = 12, module: Net | None = None, **options: Any) -> L.Trainer:
    batches = DataLoader(TensorDataset(X, waves(X)), batch_size=65)
    trainer = L.Trainer(
        **{
            "max_steps": steps,
            "callbacks": list(callbacks),
            "default_root_dir": folder,
            "accelerator": "cpu",
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            **options,
        }
    )
    trainer.fit(module or Net(), batches, **({"ckpt_path": options["ckpt"]} if "ckpt" in options else {}))
    return trainer


def grid(**keywords: Any) -> Probe:
    return Probe.grid([(-1.0, 1.0)], keywords.pop("target", waves), resolution=256, **keywords)


def same(one: Run, other: Run, *, but: tuple[str, ...] = ("observer/",)) -> None:
    assert np.array_equal(one.prediction, other.prediction)
    assert np.array_equal(one.steps, other.steps)
    for tag in one.scalars:
        if not tag.startswith(but):
            assert np.array_equal(one.scalars[tag], other.scalars[tag], equal_nan=True), tag
    assert np.array_equal(one.basis.snapshots, other.basis.snapshots)
    assert np.array_equal(one.basis.snapshot_units, other.basis.snapshot_units)


class TestList:
    def test_each_column_is_what_a_probe_of_its_own_sees(self, tmp_path):
        fitted(tmp_path / "list", SequentialFitting(grid(output=[0, 2], name="flow")))
        for column in (0, 2):
            fitted(tmp_path / str(column), SequentialFitting(grid(output=column)))
            same(load(tmp_path / "list", f"flow.{column}"), load(tmp_path / str(column)))

    def test_without_a_name_the_column_is_the_name(self, tmp_path):
        trainer = fitted(tmp_path, ErrorFront(grid(output=[1, 2])), steps=2)
        assert {"seqfit/1/front/fitted", "seqfit/2/front/fitted"} <= set(trainer.callback_metrics)
        assert load(tmp_path, "2").name == "2"

    def test_however_many_columns_and_callbacks_a_look_is_one_evaluation(self, tmp_path):
        probe = grid(output=[0, 1, 2])
        EVALUATED.clear()
        fitted(tmp_path, ErrorFront(probe), SequentialFitting(probe), steps=6)
        looks = len(load(tmp_path, "0").steps)
        assert EVALUATED.count(256) == looks

    def test_a_resumed_run_continues_as_if_it_had_not_stopped(self, tmp_path):
        def watcher() -> SequentialFitting:
            return SequentialFitting(grid(output=[2, 0]), every_n_steps=2)

        fitted(tmp_path / "whole", watcher(), steps=12)
        begun = fitted(tmp_path / "parts", watcher(), steps=6)
        begun.save_checkpoint(tmp_path / "half.ckpt")
        module = Net()
        trainer = L.Trainer(
            max_steps=12,
            callbacks=[watcher()],
            default_root_dir=tmp_path / "parts",
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        batches = DataLoader(TensorDataset(X, waves(X)), batch_size=65)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning's, of the epoch that it resumes in
            trainer.fit(module, batches, ckpt_path=tmp_path / "half.ckpt", weights_only=False)
        for column in ("0", "2"):
            same(load(tmp_path / "whole", column), load(tmp_path / "parts", column))

    def test_a_column_that_was_not_there_begins_anew_and_the_others_go_on(self, tmp_path):
        begun = fitted(tmp_path, ErrorFront(grid(output=[0, 1])), steps=4)
        begun.save_checkpoint(tmp_path / "four.ckpt")
        trainer = L.Trainer(
            max_steps=8,
            callbacks=[ErrorFront(grid(output=[0, 2]))],
            default_root_dir=tmp_path / "other",
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        batches = DataLoader(TensorDataset(X, waves(X)), batch_size=65)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trainer.fit(Net(), batches, ckpt_path=tmp_path / "four.ckpt", weights_only=False)
        assert load(tmp_path / "other", "0").steps.tolist() == [0, 1, 2, 3, 4, 6, 8]
        assert load(tmp_path / "other", "2").steps.tolist() == [4, 6, 8]

    def test_a_second_fit_of_the_module_goes_on(self, tmp_path):
        module, watcher = Net(), ErrorFront(grid(output=[0, 1]))
        fitted(tmp_path, watcher, steps=3, module=module)
        fitted(tmp_path, watcher, steps=3, module=module)
        assert load(tmp_path, "1").fit.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]

    def test_a_users_own_diagnostic_sees_each_column_alone(self, tmp_path):
        class Seen(Diagnostic):
            name = "seen"

            def begin(self, scene):
                self.target, self.looks = scene.target, 0

            def look(self, observation, scale, step):
                self.looks += 1
                return Reading({"seen/looks": self.looks, "seen/target": float(self.target[0])})

        own = Seen()
        fitted(tmp_path, ErrorFront(grid(output=[0, 1]), also=[own]), steps=2)
        for column in (0, 1):
            scalars = load(tmp_path, str(column)).scalars
            assert scalars["seen/looks"].tolist() == [1, 2, 3]
            first = torch.tensor([[-1 + 1 / 256]], dtype=torch.float32)
            assert scalars["seen/target"][0] == pytest.approx(float(waves(first)[0, column]), abs=1e-5)
        assert not hasattr(own, "looks")  # only copies have begun

    def test_a_column_that_fails_disturbs_no_other(self, tmp_path):
        class Picky(Diagnostic):
            name = "picky"

            def begin(self, scene):
                self.target = scene.target

            def look(self, observation, scale, step):
                if self.target[0] > 0:
                    raise ValueError("too high")
                return Reading({"picky/step": step})

        with pytest.warns(UserWarning, match="picky of probe '1' failed") as said:
            fitted(tmp_path, ErrorFront(grid(output=[0, 1]), also=[Picky()]), steps=2)
        assert sum("picky" in str(each.message) for each in said) == 1
        assert load(tmp_path, "0").scalars["picky/step"].tolist() == [0, 1, 2]
        assert any("picky" in note for note in load(tmp_path, "1").notes)
        assert len(load(tmp_path, "1").steps) == 3

    def test_an_evaluation_that_fails_is_said_once_and_noted_in_each_record(self, tmp_path):
        class Breaks(L.Callback):
            def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
                module.broken = 1 <= trainer.global_step < 2

        with pytest.warns(UserWarning, match="out of order") as said:
            fitted(tmp_path, Breaks(), ErrorFront(grid(output=[0, 1])), steps=3)
        assert sum("out of order" in str(each.message) for each in said) == 1
        for column in "01":
            run = load(tmp_path, column)
            assert run.steps.tolist() == [0, 2, 3]
            assert any("out of order" in note for note in run.notes)

    def test_two_probes_that_would_share_a_column_s_name_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match=r"two probes are named 'flow\.0'"):
            fitted(tmp_path, ErrorFront(grid(output=[0, 1], name="flow")), ErrorFront(grid(output=0, name="flow.0")))

    def test_a_cadence_is_asked_once_for_all_columns(self, tmp_path):
        asked: list[int] = []
        fitted(tmp_path, ErrorFront(grid(output=[0, 1]), every_n_steps=lambda step: not asked.append(step)), steps=4)
        assert asked == [1, 2, 3, 4]

    def test_a_default_resolution_suits_the_fastest_column(self):
        target = lambda p: torch.stack([p[:, 0], torch.sin(400 * math.pi * p[:, 0])], dim=1)  # noqa: E731
        probe = Probe.grid([(0.0, 1.0)], target, output=[0, 1])
        assert probe.geometry.shape == Probe.grid([(0.0, 1.0)], lambda p: target(p)[:, 1]).geometry.shape
        assert all(one.geometry is probe.geometry for one in probe.split())


class TestNorm:
    @pytest.fixture(scope="class")
    @classmethod
    def phases(cls, tmp_path_factory) -> Run:
        """Three phases of 8 cycles, of which the left half is fitted."""
        target = lambda p: torch.stack([torch.sin(16 * math.pi * p[:, 0] + k) for k in range(3)], dim=1)  # noqa: E731

        class Half(Net):
            def forward(self, x: Tensor) -> Tensor:
                return torch.where(x < 0.5, target(x), 0.0) + 0.0 * super().forward(x)

        folder = tmp_path_factory.mktemp("phases")
        probe = Probe.grid([(0.0, 1.0)], target, resolution=512, output="norm", name="phases")
        fitted(folder, SequentialFitting(probe), steps=1, module=Half())
        return load(folder, "phases")

    def test_the_error_is_the_length_over_all_components(self, phases):
        # each component's oscillation has the mean square 1/2, and half of it is missing
        assert phases.scalars["error/relative_rmse"][0] == pytest.approx(math.sqrt(0.5), abs=0.01)
        x = (np.arange(512) + 0.5) / 512
        length = np.sqrt(sum(np.sin(16 * np.pi * x + k) ** 2 for k in range(3)))
        assert np.allclose(phases.target, length, atol=1e-5)
        assert phases.scalars["error/max"][0] == pytest.approx(length[256:].max(), rel=1e-5)

    def test_the_front_is_where_the_fit_ends(self, phases):
        # a quarter of a wavelength is the window of a steady sum: it reads 0.4375 of that inside
        assert phases.front.fitted[0] == pytest.approx(0.5 - 0.4375 / 32, abs=0.005)
        assert phases.front.depth["x_max"][0] == 0.0

    def test_oscillations_are_those_of_all_components(self, phases):
        assert phases.oscillations.target[0] == 24.0
        assert 10.5 <= phases.oscillations.fitted[0] <= 12.0

    def test_band_powers_are_added_up(self, phases):
        spectrum = phases.spectrum
        total = spectrum.trend[0] + sum(share[0] for share in spectrum.share.values())
        assert total == pytest.approx(phases.scalars["error/relative_rmse"][0] ** 2, rel=1e-6)
        assert spectrum.carrying.sum() == 1

    def test_equal_components_are_measured_as_one(self, tmp_path):
        twice = lambda p: waves(p)[:, [1, 1]]  # noqa: E731

        class Twice(Net):
            def forward(self, x: Tensor) -> Tensor:
                return super().forward(x)[:, :1].expand(-1, 2)

            def training_step(self, batch: list[Tensor], number: int) -> Tensor:
                return nn.functional.mse_loss(self(batch[0]), batch[1][:, [1, 1]])

        fitted(tmp_path / "both", SequentialFitting(grid(target=twice, output="norm")), module=Twice())
        fitted(tmp_path / "one", SequentialFitting(grid(target=twice, output=0)), module=Twice())
        both, one = load(tmp_path / "both"), load(tmp_path / "one")
        doubled = ("oscillations/", "error/max", "observer/")
        for tag in one.scalars:
            if not tag.startswith(doubled):
                assert both.scalars[tag] == pytest.approx(one.scalars[tag], rel=1e-5, abs=1e-9, nan_ok=True), tag
        assert np.array_equal(both.oscillations.fitted, 2 * one.oscillations.fitted)
        assert both.scalars["error/max"] == pytest.approx(math.sqrt(2) * one.scalars["error/max"])

    def test_the_projection_error_is_that_of_a_least_squares_fit_of_all(self):
        rng = np.random.default_rng(0)
        line = Grid(bounds=((0.0, 1.0),), shape=(256,), axes=("x",))
        features, targets = rng.standard_normal((256, 6)), rng.standard_normal((3, 256))
        predictions = rng.standard_normal((3, 6)) @ features.T + 2.0
        design = np.column_stack([np.ones(256), features])
        left = targets.T - design @ np.linalg.lstsq(design, targets.T, rcond=None)[0]
        seen = measure_basis(line, features, targets, predictions, scale=3.0)
        assert seen.projection_error == pytest.approx(np.sqrt(np.sum(left**2) / 256 / 3.0), rel=1e-9)
        predictions[1] += rng.standard_normal(256)  # one that something follows is enough
        assert math.isnan(measure_basis(line, features, targets, predictions, scale=3.0).projection_error)

    def test_a_number_stands_for_all_components(self, tmp_path):
        fitted(tmp_path, ErrorFront(grid(target=0.0, output="norm")), steps=2)
        run = load(tmp_path)
        assert run.components.numbers.tolist() == [0, 1, 2]
        assert run.scale_of == "first look"
        assert not run.target.any()

    @settings(max_examples=20, deadline=None)
    @given(st.integers(1, 5), st.integers(0, 10**6))
    def test_rotating_the_components_changes_no_error(self, components, seed):
        rng = np.random.default_rng(seed)
        turned = np.linalg.qr(rng.standard_normal((components, components)))[0]
        values, answers = rng.standard_normal((2, 64, components))

        def error(by: np.ndarray) -> np.ndarray:
            answer = torch.tensor(answers @ by)
            probe = Probe.points(
                np.linspace(0, 1, 64), values @ by, output="norm", predict=lambda module, points: answer
            )
            return probe.observe(nn.Identity(), probe.target).residual

        assert np.allclose(error(np.eye(components)), error(turned))


def image(cells: int) -> np.ndarray:
    x, y = np.meshgrid(*[(np.arange(cells) + 0.5) / cells] * 2, indexing="ij")
    channels = [np.sin(12 * x + 3 * y), np.cos(9 * y + np.sin(7 * x)), np.sin(14 * x * y)]
    return 0.5 + 0.4 * np.stack(channels, axis=-1)


@pytest.mark.parametrize("output", ["norm", [0, 1, 2]])
def test_an_image_in_colours_is_one_probe(tmp_path, output):
    pixels = image(32)
    probe = Probe.grid([(-1.0, 1.0)] * 2, pixels, resolution=32, output=output)
    points = torch.tensor(probe.geometry.points, dtype=torch.float32)
    module, values = Net(inputs=2, omega=4.0), torch.tensor(pixels.reshape(-1, 3), dtype=torch.float32)
    trainer = L.Trainer(
        max_steps=120,
        callbacks=[SequentialFitting(probe)],
        default_root_dir=tmp_path,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, DataLoader(TensorDataset(points, values), batch_size=1024))
    run = load(tmp_path, "" if output == "norm" else "1")
    error = (module(points) - values).detach().double().numpy()
    wanted = np.sqrt(np.sum(error**2, axis=1)) if output == "norm" else np.abs(error[:, 1])
    assert run.scalars["error/max"][-1] == pytest.approx(wanted.max(), rel=1e-4)
    assert run.scalars["error/relative_rmse"][-1] < 0.8 * run.scalars["error/relative_rmse"][0]
    assert run.components.numbers.tolist() == [0, 1, 2]
    assert np.allclose(run.components.target, pixels.reshape(-1, 3).T, atol=1e-6)
    titles = [axes.get_title() for axes in draw(run)["2_fit"].axes]
    assert {"output 0", "output 1", "output 2", "colours"} <= set(titles)


def test_a_figure_along_a_line_shows_all_outputs_small(tmp_path):
    fitted(tmp_path, ErrorFront(grid(output=[0, 2])), steps=2)
    run = load(tmp_path, "2")
    *small, large = draw(run)["2_fit"].axes
    assert [axes.get_title() for axes in small] == ["output 0", "output 2"]
    heights = [axes.get_position().height for axes in (large, *small)]
    assert heights[0] > 2 * max(heights[1:])
    for axes, target in zip(small, run.components.target, strict=True):
        assert any(np.array_equal(line.get_ydata(), target) for line in axes.lines)
    assert "2 of 0, 2" in str(run.summary())


class TestTargets:
    def test_columns_belong_to_outputs(self):
        values = np.stack([np.full(64, float(column)) for column in range(4)], axis=1)
        points = np.linspace(0, 1, 64)
        assert Probe.points(points, values, output=3).target.tolist() == [3.0] * 64
        assert Probe.points(points, values, output=[3, 1]).target[0].tolist() == [3.0, 1.0]
        assert Probe.points(points, values[:, :2], output=[1, 3]).target[0].tolist() == [0.0, 1.0]
        assert Probe.points(points, values, output="norm").target.shape == (64, 4)

    @pytest.mark.parametrize(
        ("shape", "output", "said"),
        [
            ((64, 2), [1, 0], r"target has 2 columns, which may be in the order of output=\[1, 0\]"),
            (
                (64, 3),
                [0, 3],
                r"target has 3 columns, expected 2, one for each of output=\[0, 3\] in that order, or at",
            ),
            ((64,), [0, 1], "target has 1 column, expected 2"),
            ((64, 2), 2, "target has 2 columns, and output=2 is none of them"),
            ((2, 64), [0, 1], r"components come last: pass np.moveaxis\(target, 0, -1\)"),
            ((64, 65), "norm", "target has 65 columns: a look takes from 1 to 64"),
        ],
    )
    def test_columns_that_fit_no_output_are_refused(self, shape, output, said):
        with pytest.raises(ValueError, match=said):
            Probe.grid([(0.0, 1.0)], np.zeros(shape), resolution=64, output=output)

    @pytest.mark.parametrize("output", [[], [0, 0], [-1], "all", [0, "norm"], 1.5, [True]])
    def test_an_output_that_is_none_is_refused(self, output):
        with pytest.raises(ValueError, match="output="):
            grid(output=output)

    def test_a_norm_over_another_number_of_components_is_refused_before_the_training(self, tmp_path):
        with pytest.raises(ValueError, match=r"the prediction has 3 component\(s\), and the target 2"):
            fitted(tmp_path, ErrorFront(grid(target=lambda p: waves(p)[:, :2], output="norm")))

    def test_a_list_beyond_what_the_module_returns_is_refused_before_the_training(self, tmp_path):
        with pytest.raises(ValueError, match=r"output=\[0, 3\], but the module returned 3 component"):
            fitted(tmp_path, ErrorFront(grid(target=0.0, output=[0, 3])))

    def test_a_column_that_the_points_cannot_tell_is_named(self, tmp_path):
        fast = lambda p: torch.stack([p[:, 0], torch.sin(700 * p[:, 0])], dim=1)  # noqa: E731
        with pytest.raises(ValueError, match="column 1 of the target: resolution=256 is too coarse"):
            fitted(tmp_path, ErrorFront(grid(target=fast, output="norm")), module=Net(outputs=2))


def test_a_probe_with_several_outputs_leaves_the_training_alone(tmp_path):
    bare, watched = Net(), Net()
    fitted(tmp_path, module=bare)
    fitted(
        tmp_path,
        SequentialFitting(grid(output=[0, 1, 2])),
        SequentialFitting(grid(output="norm", name="all")),
        module=watched,
    )
    for one, other in zip(bare.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_copy_of_the_probe_is_as_good(tmp_path):
    probe = copy.deepcopy(grid(output=[0, 1], target=np.zeros((256, 2))))
    assert [one.name for one in probe.split()] == ["0", "1"]
    assert OscillationCount(probe).state_key.endswith("[probe]")


@pytest.mark.parametrize(("output", "name"), [("norm", ""), ([0, 1], "1")])
def test_without_a_target_predictions_are_recorded_all_the_same(tmp_path, output, name):
    module = Net()
    probe = grid(target=None, output=output)
    fitted(tmp_path, SequentialFitting(probe), steps=3, module=module)
    run = load(tmp_path, name)
    with torch.no_grad():
        answer = module(torch.tensor(probe.geometry.points, dtype=torch.float32)).double().numpy()
    expected = np.sqrt(np.sum(answer**2, axis=1)) if output == "norm" else answer[:, 1]
    assert np.allclose(run.prediction[-1], expected, atol=1e-5)
    assert not run.known
    assert run.basis.numerical_rank[-1] > 1
