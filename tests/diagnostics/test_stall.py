"""What is kept of a look for a diagnosis: the places, the frequencies, the inputs as the network sees them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting, StallDiagnosis
from lightning_seqfit.diagnosis import Situation
from lightning_seqfit.diagnosis.signs import NUMBERS
from lightning_seqfit.diagnostics import StallDiagnostic
from lightning_seqfit.diagnostics.base import Seen, Stored
from lightning_seqfit.record import Record
from tests.training import Net, fit, probe, trained, trainer


class Looked:
    """A diagnostic after some looks at errors that were chosen, with the record that it kept them in."""

    def __init__(self, watched: Probe, *errors: Any, **scalars: float) -> None:
        callback = StallDiagnosis(watched)
        self.scene = _scene(watched)
        self.diagnostic: StallDiagnostic = next(
            each for each in callback._diagnostics if isinstance(each, StallDiagnostic)
        )
        self.diagnostic.begin(self.scene)
        self.record = Record()
        for step, error in enumerate(errors):
            self.take(step, error, **scalars)

    def take(self, step: int, error: Any, **scalars: float) -> dict[str, float]:
        fields = {} if error is None else {"front/local_error": np.broadcast_to(error, len(self.scene.target))}
        depth = {f"scalar/front/depth/{face}": 0.0 for face in self.scene.geometry.faces}
        self.record.append({"total_steps": step, **depth})
        seen = Seen({"error/relative_rmse": 1.0, **scalars}, fields, self.record.__getitem__, self.record.amend)
        with np.errstate(all="ignore"):
            return dict(self.diagnostic.follow(seen, step))


def _scene(watched: Probe) -> Any:
    from lightning_seqfit.watch.failures import Failures
    from lightning_seqfit.watch.measuring import Measuring

    return Measuring(watched, Failures("the probe")).read_target(Net())


def test_each_look_keeps_each_number_and_every_place() -> None:
    looked = Looked(probe(resolution=512), 1.0, 0.5)
    for name in NUMBERS:
        assert looked.record[f"kept/stall/{name}"].shape == (2,)
    assert looked.record["stall/clipped"].shape == (2, 256)


def test_errors_are_cut_off_at_one_and_what_is_not_known_is_as_far_off_as_can_be() -> None:
    for error in (7.0, math.inf, math.nan, 1.0):
        looked = Looked(probe(), error)
        assert looked.record["kept/stall/mean_error"].tolist() == [1.0]
        assert np.nanmax(looked.record["stall/clipped"]) == np.nanmin(looked.record["stall/clipped"]) == 1.0


def test_the_mean_and_the_places_are_of_where_the_target_oscillates() -> None:
    """A wave on the left, nothing on the right, and an error there only."""

    def packet(points: Tensor) -> Tensor:
        x = points[:, 0]
        return torch.sin(40 * torch.pi * x) * torch.exp(-200 * (x - 0.25) ** 2)

    right = np.where(np.arange(512) < 300, 0.25, 1.0)
    looked = Looked(Probe.grid([(0.0, 1.0)], packet, resolution=512), right)
    clipped = looked.record["stall/clipped"][0]
    assert looked.record["kept/stall/mean_error"].tolist() == [0.25]
    assert np.isnan(clipped[160:]).all()
    assert set(clipped[~np.isnan(clipped)]) == {np.float32(0.25)}


def test_the_path_is_that_of_the_places() -> None:
    looked = Looked(probe(), 1.0, 0.5, 0.75)
    assert looked.record["kept/stall/path"].tolist() == [0.0, 0.5, 0.75]


def test_without_a_front_nothing_is_judged_and_nothing_is_said_of_it() -> None:
    looked = Looked(probe(), 1.0)
    assert looked.diagnostic.diagnosis() is not None
    assert looked.take(1, None) == {}
    assert looked.diagnostic.diagnosis() is None


def test_the_rank_is_kept_over_the_width_of_the_layer() -> None:
    looked = Looked(probe(), 1.0, **{"basis/numerical_rank": 12.0, "basis/width": 48.0})
    assert looked.record["kept/stall/rank_share"].tolist() == [0.25]
    situation = Situation.of_arrays(looked.diagnostic.fixed(), ["x"])
    assert (situation.width, situation.first_rank_share) == (48.0, 0.25)


def test_the_terms_of_the_loss_are_counted() -> None:
    looked = Looked(probe(), 1.0)
    looked.take(1, 1.0, **{"training/loss": 3.0, "training/loss/pde": 1.0, "training/loss/boundary": 2.0})
    assert Situation.of_arrays(looked.diagnostic.fixed(), ["x"]).terms == 2


def test_a_residual_beside_it_is_in_the_situation_from_the_next_look_on() -> None:
    looked = Looked(probe(), 1.0)
    looked.diagnostic.beside = True
    looked.take(1, 1.0)
    assert Situation.of_arrays(looked.diagnostic.fixed(), ["x"]).residual_beside


@pytest.mark.parametrize(
    ("target", "residual", "oscillates"),
    [(0.0, True, False), (2.0, False, False), (lambda x: torch.sin(20 * x[:, 0]), False, True)],
)
def test_the_situation_says_what_kind_of_target_it_is(target: Any, residual: bool, oscillates: bool) -> None:
    looked = Looked(Probe.grid([(0.0, 1.0)], target), 1.0)
    situation = Situation.of_arrays(looked.diagnostic.fixed(), ["x"])
    assert (situation.residual, situation.oscillates) == (residual, oscillates)
    assert situation.relative == (not residual)


def test_of_several_outputs_the_highest_frequency_along_each_axis_is_kept() -> None:
    def waves(points: Tensor) -> Tensor:
        x, y = 2 * torch.pi * points.T
        return torch.stack([torch.sin(7 * x) * torch.sin(2 * y), torch.sin(3 * x) * torch.sin(5 * y)], dim=1)

    watched = Probe.grid([(0.0, 1.0)] * 2, waves, output="norm", resolution=64)
    situation = Situation.of_arrays(Looked(watched, 1.0).diagnostic.fixed(), ["x", "y"])
    assert situation.frequencies == pytest.approx((7.0, 5.0), rel=0.1)


@pytest.mark.parametrize("noise", [0.2, 0.5])
def test_noise_in_the_values_is_no_frequency_of_theirs(noise: float) -> None:
    x = np.linspace(0.0, 1.0, 400)
    values = np.sin(2 * np.pi * 6 * x) + noise * np.random.default_rng(0).standard_normal(400)
    looked = Looked(Probe.points(x, values), 1.0)
    assert Situation.of_arrays(looked.diagnostic.fixed(), ["x"]).frequencies == pytest.approx((6.0,), abs=0.2)


def test_a_state_that_went_through_a_checkpoint_goes_on() -> None:
    whole = Looked(probe(), 1.0, 0.5, 0.25, 0.125)
    first = Looked(probe(), 1.0, 0.5)
    resumed = Looked(probe())
    resumed.record = first.record
    resumed.diagnostic.load_state_dict(first.diagnostic.state_dict())
    for step, error in ((2, 0.25), (3, 0.125)):
        resumed.take(step, error)
    for name in whole.record.names:
        np.testing.assert_array_equal(whole.record[name], resumed.record[name], err_msg=name)
    courses = [looked.diagnostic.course.as_numbers() for looked in (whole, resumed)]
    assert courses[0] == pytest.approx(courses[1], rel=0, abs=0, nan_ok=True)


def test_an_empty_state_begins_anew() -> None:
    looked = Looked(probe(), 1.0, 0.5)
    looked.diagnostic.load_state_dict({})
    assert looked.diagnostic.state_dict() == {}
    assert looked.diagnostic.diagnosis() is None
    assert looked.diagnostic.fixed() == {}


def test_a_record_is_read_as_it_was_kept(tmp_path: Path) -> None:
    fit(trainer(tmp_path, [SequentialFitting(probe())]), Net())
    run = load(tmp_path)
    assert run.stall is not None
    assert len(run.stall.verdict) == len(run.steps)
    for name in NUMBERS:
        np.testing.assert_array_equal(getattr(run.stall.signs, name), run.scalars[f"stall/{name}"])
    np.testing.assert_array_equal(run.stall.signs.step, run.total_steps)
    assert run.stall.situation.axes == ("x",)
    assert run.stall.situation.frequencies == pytest.approx((3.0,), rel=0.01)
    assert run.stall.situation.width == 16.0


def test_another_callback_that_goes_on_with_the_record_leaves_none(tmp_path: Path) -> None:
    watched, module = probe(), Net()
    fit(trainer(tmp_path, [StallDiagnosis(watched)], max_steps=4), module)
    assert load(tmp_path).stall is not None
    fit(trainer(tmp_path / "other", [ErrorFront(watched)], max_steps=4), module)
    assert load(tmp_path / "other").stall is None


def test_a_verdict_that_nobody_knows_is_refused_with_its_number() -> None:
    stored = Stored(
        {**Situation(("x",), (1.0,), (1.0,)).as_arrays(), "clipped": np.ones((1, 3))},
        {"stall/verdict": np.array([99.0])},
        np.array([0]),
        ["x"],
        ["x_low", "x_high"],
    )
    with pytest.raises(ValueError, match="99"):
        StallDiagnostic.read(stored)
    missing = StallDiagnostic.read(replace(stored, scalars={}))
    assert missing is not None
    assert missing.verdict.tolist() == [""]


@pytest.mark.parametrize("kind", ["first", "late"])
def test_the_inputs_are_those_of_the_first_layer_that_sees_as_many_coordinates(kind: str, tmp_path: Path) -> None:
    """Features that lie before it are no coordinates: the domain is the probe's own then, and its reach not known."""

    class Lifted(Net):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 16)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.tanh(self.first(torch.cat([torch.sin(x), torch.cos(x)], dim=1))))

    watched = Probe.grid([(0.0, 10.0)], lambda x: torch.sin(2 * torch.pi * x[:, 0]))
    trained({"first": Net, "late": Lifted}[kind], tmp_path, [StallDiagnosis(watched)], max_steps=2)
    run = load(tmp_path)
    assert run.stall is not None
    # Net multiplies what it is given by 4 before its first layer
    assert run.stall.situation.lengths == pytest.approx([40.0 if kind == "first" else 10.0])
    assert run.stall.situation.bound == pytest.approx(40.0 if kind == "first" else math.nan, rel=0.01, nan_ok=True)
