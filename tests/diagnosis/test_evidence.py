"""What is said to speak for a verdict, and what is said not to be known."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from lightning_seqfit.diagnosis.diagnosis import Evidence
from lightning_seqfit.diagnosis.evidence import evidence
from lightning_seqfit.diagnosis.signs import Signs, Situation
from lightning_seqfit.diagnosis.verdict import Verdict
from tests.diagnosis.histories import SITUATION, cadence, courses, flat, history, rising
from tests.diagnosis.test_procedure import CAUSES, any_history

STEPS = cadence(8000)
LAST = len(STEPS) - 1


def found(signs: Signs, situation: Situation = SITUATION) -> dict[str, Evidence]:
    said, _ = evidence(signs, len(signs) - 1, situation, courses(signs, situation)[-1])
    return {each.name: each for each in said}


def unchecked(signs: Signs, situation: Situation = SITUATION) -> str:
    return "; ".join(evidence(signs, len(signs) - 1, situation, courses(signs, situation)[-1])[1])


#: The figure that decides for a cause, its value in the histories of CAUSES, and its bound.
DECISIVE = [
    ("inputs", 1000.0, 10.0),
    ("constant_share", 0.9, 0.8),
    ("constant_share", 0.9, 0.8),
    ("loss_ratio", 0.3, 0.5),
    ("loss_ratio", 0.3, 0.5),
    ("loss_ratio", 0.3, 0.5),
    ("learning_rate", 0.08, 0.1),
    ("update", 1e-4, 2e-4),
    ("projection_error", 0.4, 0.5),
    ("rank", 0.95, 0.9),
    ("laps", 5.0, 4.0),
]


@pytest.mark.parametrize(("cause", "decisive"), list(zip(CAUSES, DECISIVE, strict=False)))
def test_the_figure_that_decided_is_given_with_its_value_and_bound(
    cause: tuple[Verdict, dict[str, Any], dict[str, Any]], decisive: tuple[str, float, float]
) -> None:
    _, columns, facts = cause
    name, value, bound = decisive
    figures = found(history(STEPS, flat(0.5), **columns), replace(SITUATION, **facts))
    assert (figures[name].value, figures[name].bound) == (pytest.approx(value), bound)
    assert figures[name].speaks == "for"
    assert figures["doublings"].speaks == "for"
    assert figures["doublings"].value > 6


def test_a_figure_that_points_elsewhere_speaks_against() -> None:
    # Read-out comes first; a last layer of full rank would have been another cause.
    figures = found(history(STEPS, flat(0.5), projection_ratio=0.4, rank_share=0.95))
    assert (figures["projection_error"].speaks, figures["rank"].speaks) == ("for", "against")


def test_what_speaks_for_comes_first() -> None:
    signs = history(STEPS, flat(0.5), projection_ratio=0.4, rank_share=0.95)
    said, _ = evidence(signs, LAST, SITUATION, courses(signs)[-1])
    speaks = [each.speaks for each in said]
    assert speaks == sorted(speaks, reverse=True)
    assert set(speaks) == {"for", "against"}


def test_a_fit_that_moves_has_its_doublings() -> None:
    figures = found(history(STEPS, rising(1.5, 4000)))
    assert figures["doublings"].speaks == "for"
    assert figures["doublings"].value < figures["doublings"].bound == 10.0
    assert "doublings" in figures["doublings"].says


def test_what_was_fitted_once_and_lost_is_said_with_its_step() -> None:
    signs = history(STEPS, flat(0.5), error=0.7 - 0.6 * (STEPS == 29))
    figures = found(signs)
    assert figures["best_error"].value == pytest.approx(0.1)
    assert "at step 29" in figures["best_error"].says


def test_an_error_below_the_noise_is_said_to_fit_it() -> None:
    noisy = replace(SITUATION, noise=0.7)
    for error, fits in ((0.72, False), (0.3, True)):
        figures = found(history(STEPS, flat(0.5), error=error, flatness=0.55), noisy)
        assert ("the noise itself is being fitted" in figures["noise"].says) == fits


def reaching(left: float, right: float) -> Signs:
    """A fit that is stalled, so far from one face and so far from the other."""
    depth = {"x=0": np.full(len(STEPS), left), "x=1": np.full(len(STEPS), right)}
    return replace(history(STEPS, flat(0.5)), depth=depth)


@pytest.mark.parametrize(
    ("left", "right", "face", "depth"), [(0.4, 0.1, "x=0", 0.4), (0.0, 0.3, "x=1", 0.3), (math.nan, 0.3, "x=1", 0.3)]
)
def test_a_stalled_fit_has_the_face_that_it_came_from_and_how_far(
    left: float, right: float, face: str, depth: float
) -> None:
    ((name, figure),) = [item for item in found(reaching(left, right)).items() if "depth" in item[0]]
    assert name == f"depth from {face}"
    assert (figure.value, figure.speaks) == (depth, "for")
    assert face in figure.says


@pytest.mark.parametrize("depth", [0.0, 0.04, 1.0, math.nan])
def test_one_that_came_from_no_face_has_none(depth: float) -> None:
    assert not [name for name in found(reaching(depth, depth)) if "depth" in name]


def test_one_that_gets_on_has_none() -> None:
    depth = {"x=0": np.full(len(STEPS), 0.4)}
    assert not [name for name in found(replace(history(STEPS, rising(1.5, 4000)), depth=depth)) if "depth" in name]


@pytest.mark.parametrize(("size", "speaks"), [(3000.0, "for"), (9.9, "against"), (math.nan, None)])
def test_a_read_out_with_far_to_go_has_the_size_of_what_is_to_be_fitted(size: float, speaks: str | None) -> None:
    figure = found(history(STEPS, flat(0.5), projection_ratio=0.4), replace(SITUATION, size=size)).get("size")
    assert (figure.speaks if figure else None) == speaks
    assert figure is None or (figure.value, figure.bound) == (size, 10.0)


def test_a_residual_in_units_of_its_own_is_not_said_to_be_fitted_or_not() -> None:
    residual = replace(SITUATION, residual=True, relative=False)
    slow = history(STEPS, flat(0.99), error=0.96, update=1e-4)
    assert "best_error" not in found(slow, residual)
    assert "best_error" in found(slow)


def test_a_target_that_is_not_the_trainings_is_told_beside_too_few_points() -> None:
    signs = history(STEPS, flat(0.5), loss_ratio=1e-4)
    assert courses(signs)[-1].verdict is Verdict.UNDERSAMPLED
    assert "whether the training fits the probe's target" in unchecked(signs)


def test_a_prediction_that_is_not_finite_is_said() -> None:
    figures = found(history(STEPS, flat(0.5), error=np.where(STEPS > 100, np.inf, 1.0)))
    assert (figures["error"].value, figures["error"].speaks) == (math.inf, "for")
    assert "not finite" in figures["error"].says


MISSING = [
    ("loss_ratio", "training loss"),
    ("learning_rate", "learning rate"),
    ("update", "weights moved"),
]


@pytest.mark.parametrize(("name", "words"), MISSING)
def test_what_was_not_recorded_is_said_not_to_be_checked(name: str, words: str) -> None:
    assert unchecked(history(STEPS, flat(0.5))) == ""
    assert words in unchecked(history(STEPS, flat(0.5), **{name: np.nan}))


def test_a_layer_that_was_not_watched_is_said() -> None:
    layer = dict.fromkeys(("rank_share", "projection_ratio", "constant_share", "median_laps"), np.nan)
    assert "last hidden layer" in unchecked(history(STEPS, flat(0.5), **layer))


def test_what_a_situation_does_not_tell_is_said() -> None:
    signs = history(STEPS, flat(0.5))
    assert "inputs" in unchecked(signs, replace(SITUATION, bound=math.nan))
    assert "no probe watches its residual" in unchecked(signs, replace(SITUATION, terms=2))
    assert "no probe" not in unchecked(signs, replace(SITUATION, terms=2, residual_beside=True))
    assert "no size of its own" in unchecked(signs, replace(SITUATION, residual=True, relative=False))
    assert "noise" in unchecked(history(STEPS, flat(0.5), flatness=np.nan), replace(SITUATION, noise=0.5))


def test_too_few_looks_are_counted() -> None:
    assert "4 looks" in unchecked(history(np.arange(0.0, 6001, 1000), flat(0.5)))


@settings(max_examples=60)
@given(any_history())
def test_every_value_is_known_and_every_sentence_speaks(drawn: tuple[Signs, Situation]) -> None:
    signs, situation = drawn
    said, not_checked = evidence(signs, LAST, situation, courses(signs, situation)[-1])
    for each in said:
        assert not math.isnan(each.value)
        assert each.speaks in ("for", "against")
        assert each.says
        assert "nan" not in each.says
    assert all(not_checked)


def test_of_a_record_of_nothing_everything_is_not_checked() -> None:
    signs = Signs.of({}, STEPS, np.full((len(STEPS), 3), np.nan))
    said, not_checked = evidence(signs, LAST, Situation(), courses(signs, Situation())[-1])
    assert said == ()
    assert len(not_checked) == 6
