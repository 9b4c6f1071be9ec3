"""Each rule of the procedure on a history whose answer is known, and what must hold of any history."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_seqfit.diagnosis.procedure import Course, judge
from lightning_seqfit.diagnosis.signs import NUMBERS, Signs, Situation
from lightning_seqfit.diagnosis.verdict import STALLED, Verdict
from lightning_seqfit.geometry import FloatArray
from tests.diagnosis.histories import SITUATION, cadence, courses, every_nth, flat, history, rising, verdicts

STEPS = cadence(8000)
DENSE = np.arange(0.0, 8001, 20)
STUCK = flat(0.5)  # relative RMSE 0.71: it has begun


def after(step: float, then: float, before: float, steps: FloatArray = STEPS) -> FloatArray:
    return np.where(steps > step, then, before)


def last(signs: Signs, situation: Situation = SITUATION) -> Verdict:
    return courses(signs, situation)[-1].verdict


def flipping(size: float, steps: FloatArray = STEPS) -> dict[str, FloatArray]:
    fields = np.random.default_rng(2).uniform(0.7 - size, 0.7 + size, (len(steps), 40))
    return {"mean_error": fields.mean(axis=1), "clipped": fields}


# --- each rule ---


def test_a_fit_that_moves_is_progressing_or_sequential() -> None:
    assert last(history(STEPS, rising(1.5, 4000))) is Verdict.PROGRESSING
    assert last(history(STEPS, rising(1.5, 4000), sequentiality=0.6)) is Verdict.SEQUENTIAL
    assert last(history(STEPS, rising(1.5, 4000), sequentiality=np.nan)) is Verdict.PROGRESSING


def test_a_fitted_share_of_98_percent_is_fitted() -> None:
    said = courses(history(STEPS, rising(2, 1000), fitted=after(3000, 0.98, 0.5)))
    assert verdicts(said) == [Verdict.UNDECIDED, Verdict.PROGRESSING, Verdict.FITTED]
    assert said[int(np.argmax(STEPS > 3000))].verdict is Verdict.FITTED


def test_an_error_that_is_not_finite_has_diverged_at_once() -> None:
    signs = history(STEPS, STUCK, error=after(500, np.inf, 0.7))
    assert courses(signs)[int(np.argmax(STEPS > 500))].verdict is Verdict.DIVERGED
    assert not courses(signs)[-1].stalled


def test_an_error_and_a_loss_of_three_times_their_first_have_diverged() -> None:
    grown = history(STEPS, STUCK, error=after(2000, 4.0, 1.0), loss=after(2000, 20.0, 1.0))
    assert last(grown) is Verdict.DIVERGED
    assert last(history(STEPS, rising(1.5, 4000), error=after(2000, 4.0, 1.0), loss=0.1)) is Verdict.PROGRESSING
    assert last(grown, replace(SITUATION, first_error=2.0)) is not Verdict.DIVERGED


def test_a_loss_that_shoots_up_for_two_looks_has_not_diverged() -> None:
    brief = (STEPS > 2000) & (STEPS < 2400)
    signs = history(STEPS, rising(1.5, 4000), error=np.where(brief, 4.0, 0.7), loss=np.where(brief, 20.0, 0.5))
    assert Verdict.DIVERGED not in verdicts(courses(signs))


def test_what_is_left_of_noise_is_the_noise_floor() -> None:
    noisy = replace(SITUATION, noise=0.7)
    signs = history(STEPS, STUCK, error=0.75, flatness=0.55)
    assert last(signs, noisy) is Verdict.NOISE_FLOOR
    assert last(signs) is Verdict.STUCK
    assert last(history(STEPS, STUCK, error=0.75, flatness=0.2), noisy) is Verdict.STUCK
    assert last(history(STEPS, STUCK, error=1.0, flatness=0.55), noisy) is not Verdict.NOISE_FLOOR


def test_a_loss_far_below_the_error_is_undersampled_before_a_stall_can_be_known() -> None:
    signs = history(STEPS, rising(1.5, 4000), error=1.0, loss_ratio=after(60, 0.005, 1.0))
    said = courses(signs)
    at = [course.verdict for course in said].index(Verdict.UNDERSAMPLED)
    assert said[at].since == STEPS[STEPS > 60][0]
    assert said[at].stalled
    assert STEPS[at] < 200


def test_where_the_loss_falls_and_the_error_does_not_nothing_moves() -> None:
    signs = history(STEPS, rising(1.5, 4000), error=1.0, loss_ratio=after(1000, 0.3, 1.0))
    assert verdicts(courses(signs)) == [Verdict.UNDECIDED, Verdict.UNDERSAMPLED]
    assert not any(course.stalled for course in courses(signs, replace(SITUATION, terms=2)))


def test_a_loss_far_below_an_error_that_falls_says_nothing_before_it_stalls() -> None:
    said = courses(history(STEPS, rising(1.5, 200), loss_ratio=after(200, 0.005, 1.0)))
    assert not any(course.stalled for course in said)


@pytest.mark.parametrize("equation", [{"terms": 2}, {"residual_beside": True}, {"residual": True}])
def test_a_loss_far_below_the_error_says_nothing_of_an_equation_that_moves(equation: dict[str, Any]) -> None:
    signs = history(STEPS, rising(1.5, 4000), loss_ratio=after(60, 0.001, 1.0))
    assert verdicts(courses(signs, replace(SITUATION, **equation))) == [Verdict.UNDECIDED, Verdict.PROGRESSING]


CAUSES: list[tuple[Verdict, dict[str, Any], dict[str, Any]]] = [
    (Verdict.INPUTS, {}, {"bound": 1000.0}),
    (Verdict.INPUTS, {"constant_share": 0.9}, {"first_constant_share": 0.9}),
    (Verdict.RATE_HIGH, {"constant_share": after(700, 0.9, 0.1)}, {}),
    (Verdict.UNDERSAMPLED, {"loss_ratio": 0.3}, {}),
    (Verdict.WRONG_SOLUTION, {"loss_ratio": 0.3}, {"residual_beside": True}),
    (Verdict.WRONG_SOLUTION, {"loss_ratio": 0.3}, {"terms": 2}),
    (Verdict.RATE_DECAYED, {"learning_rate": 4e-4}, {}),
    (Verdict.RATE_LOW, {"update": 1e-4}, {}),
    (Verdict.READ_OUT, {"projection_ratio": 0.4}, {}),
    (Verdict.CAPACITY, {"rank_share": 0.95}, {}),
    (Verdict.TOO_FINE, {"median_laps": 50.0}, {}),
    (Verdict.STUCK, {}, {}),
]


@pytest.mark.parametrize(("verdict", "columns", "facts"), CAUSES)
def test_a_fit_that_does_not_move_has_the_cause_that_its_signs_speak_for(
    verdict: Verdict, columns: dict[str, Any], facts: dict[str, Any]
) -> None:
    said = courses(history(STEPS, STUCK, **columns), replace(SITUATION, **facts))
    assert verdicts(said) == [Verdict.UNDECIDED, verdict]
    assert said[-1].stalled
    assert said[-1].since == STEPS[STEPS >= 1000][0]


@pytest.mark.parametrize(("verdict", "columns", "facts"), CAUSES)
def test_the_same_signs_say_nothing_of_a_fit_that_moves(
    verdict: Verdict, columns: dict[str, Any], facts: dict[str, Any]
) -> None:
    said = courses(history(STEPS, rising(1.5, 4000), **columns), replace(SITUATION, **facts))
    assert not any(course.stalled for course in said)


def test_a_restless_fit_has_too_high_a_learning_rate() -> None:
    lost = {"best_error": 0.2, "best_step": 500.0}
    assert last(history(STEPS, **flipping(0.2), **lost)) is Verdict.RATE_HIGH
    assert last(history(STEPS, **flipping(0.002), **lost)) is Verdict.STUCK
    assert last(history(STEPS, **flipping(0.2))) is Verdict.RATE_HIGH
    assert last(history(STEPS, **flipping(0.08))) is Verdict.STUCK  # mini-batches do so, and nothing was lost
    assert last(history(STEPS, **flipping(0.08), **lost)) is Verdict.RATE_HIGH


def test_a_siren_has_full_rank_from_the_start_and_no_lack_of_capacity() -> None:
    assert last(history(STEPS, STUCK, rank_share=0.95), replace(SITUATION, first_rank_share=0.95)) is Verdict.STUCK


def test_a_fit_that_has_not_begun_is_waited_for_before_it_has_not_started() -> None:
    said = courses(history(STEPS, flat(0.99)))
    assert verdicts(said) == [Verdict.UNDECIDED, Verdict.NOT_STARTED]
    at = float(STEPS[[course.verdict for course in said].index(Verdict.NOT_STARTED)])
    assert 4000 <= at <= 4500
    # one that begins at 3,500 has had no verdict by then
    late = history(STEPS, lambda steps: np.where(steps < 3500, 0.99, 0.99 * (3500 / np.maximum(steps, 1)) ** 2))
    assert not any(course.stalled for course in courses(late))


def test_the_noise_of_mini_batches_is_no_beginning() -> None:
    rng = np.random.default_rng(4)
    fields = np.clip(0.99 + rng.normal(0, 0.004, (len(STEPS), 40)), 0, 1)
    said = courses(history(STEPS, fields.mean(axis=1), clipped=fields))
    assert said[-1].verdict is Verdict.NOT_STARTED
    assert verdicts(said)[:2] == [Verdict.UNDECIDED, Verdict.NOT_STARTED]


def test_creeping_at_a_learning_rate_that_decayed_is_no_beginning() -> None:
    # log odds from -3.9 by 0.2 a doubling: a fit that has not begun may, but not at a tenth of its rate
    signs = history(STEPS, lambda steps: 1 / (1 + 0.004 * np.maximum(steps, 1) ** 0.29))
    assert not courses(signs)[-1].stalled
    decayed = courses(
        Signs.of(
            {n: getattr(signs, n) for n in NUMBERS} | {"learning_rate": after(2000, 5e-5, 5e-3)}, STEPS, signs.clipped
        )
    )
    assert decayed[-1].verdict is Verdict.RATE_DECAYED


def test_a_warm_up_is_no_low_learning_rate() -> None:
    signs = history(STEPS, flat(0.99), update=1e-5, learning_rate=STEPS * 1e-7, highest_rate=STEPS * 1e-7)
    assert last(signs) is Verdict.NOT_STARTED
    assert last(history(STEPS, flat(0.99), update=1e-5)) is Verdict.RATE_LOW


def test_one_large_step_at_the_start_tells_a_flat_target_from_a_low_learning_rate() -> None:
    assert last(history(STEPS, flat(0.99), update=after(20, 3e-6, 1e-2))) is Verdict.NOT_STARTED


def test_a_fit_that_is_all_but_fitted_and_stays_so_is_not_stalled() -> None:
    assert not any(course.stalled for course in courses(history(STEPS, flat(0.04), fitted=0.95)))
    assert last(history(STEPS, flat(0.08), fitted=0.95)) is Verdict.STUCK


# --- when it is said ---


def test_nothing_is_decided_before_step_1000_or_with_less_than_eight_looks() -> None:
    said = courses(history(STEPS, STUCK))
    assert all(course.verdict is Verdict.UNDECIDED for course, step in zip(said, STEPS, strict=True) if step < 1200)
    sparse = np.arange(0.0, 8001, 1000)
    assert verdicts(courses(history(sparse, STUCK))) == [Verdict.UNDECIDED]


def test_a_stall_is_said_after_a_fifth_of_the_steps() -> None:
    # It rises until 3,000; then the log odds stand still, and over half the steps are gained less and less.
    signs = history(DENSE, lambda steps: rising(1.5, 4000)(np.minimum(steps, 3000)))
    said = courses(signs)
    stalled = np.array([course.stalled for course in said])
    at = float(DENSE[int(np.argmax(stalled))])
    since = said[-1].since
    assert 3000 < since < 6000
    assert at == pytest.approx(since / 0.8, abs=21)
    assert stalled[int(np.argmax(stalled)) :].all()


def test_a_pause_shorter_than_that_is_no_stall() -> None:
    pausing = lambda steps: rising(1.5, 4000)(np.where(steps < 2000, steps, np.maximum(2000, steps - 500)))  # noqa: E731
    assert not any(course.stalled for course in courses(history(DENSE, pausing)))


def test_a_fit_that_goes_on_again_is_no_longer_stalled() -> None:
    resumed = lambda steps: rising(1.5, 4000)(np.where(steps < 6000, np.minimum(steps, 2000), steps))  # noqa: E731
    said = courses(history(DENSE, resumed))
    assert any(course.stalled for course in said)
    assert said[-1].verdict is Verdict.PROGRESSING
    assert math.isnan(said[-1].since)


def test_causes_that_take_turns_are_not_named() -> None:
    turns = np.where(np.arange(len(STEPS)) % 2, 0.4, 0.95)
    assert verdicts(courses(history(STEPS, STUCK, projection_ratio=turns))) == [Verdict.UNDECIDED, Verdict.STUCK]


def test_a_cause_stays_until_another_has_lasted() -> None:
    signs = history(STEPS, STUCK, projection_ratio=after(6000, 0.95, 0.4), rank_share=after(6000, 0.95, 0.4))
    said = courses(signs)
    assert verdicts(said) == [Verdict.UNDECIDED, Verdict.READ_OUT, Verdict.CAPACITY]
    assert float(STEPS[[course.verdict for course in said].index(Verdict.CAPACITY)]) > 7000
    assert said[-1].since == STEPS[STEPS >= 1000][0]


def test_an_undersampled_fit_stays_so_while_the_loss_is_below_the_error() -> None:
    ratio = np.where(STEPS < 60, 1.0, np.where(STEPS < 3000, 0.005, 0.3))
    assert last(history(STEPS, rising(1.5, 4000), error=1.0, loss_ratio=ratio)) is Verdict.UNDERSAMPLED
    assert last(history(STEPS, rising(1.5, 4000), loss_ratio=ratio)) is Verdict.PROGRESSING


def test_a_fit_that_mini_batches_break_now_and_again_stays_fitted() -> None:
    broken = np.where(np.arange(len(STEPS)) % 3 == 0, 0.99, 0.6)
    said = courses(history(STEPS, flat(0.03), fitted=broken))
    assert verdicts(said) == [Verdict.FITTED]


def test_a_fit_that_was_lost_is_stalled_in_the_end() -> None:
    fitted = np.where(STEPS < 60, 0.99, 0.1)
    said = courses(history(STEPS, STUCK, fitted=fitted))
    assert verdicts(said) == [Verdict.FITTED, Verdict.UNDECIDED, Verdict.STUCK]


# --- residuals ---


def test_a_residual_in_units_of_its_first_look_is_judged_by_its_fall() -> None:
    alone = replace(SITUATION, residual=True, relative=False)
    falling = history(STEPS, flat(0.9), error=1 / (1 + STEPS / 500), fitted=1.0)
    assert verdicts(courses(falling, alone)) == [Verdict.UNDECIDED, Verdict.PROGRESSING]
    standing = history(STEPS, flat(0.9), error=0.5, fitted=1.0)
    assert last(standing, alone) is Verdict.STUCK
    small = history(STEPS, flat(0.9), error=0.01, fitted=1.0)
    assert last(small, alone) is Verdict.PROGRESSING


# --- what is not known ---

NEEDED = [
    (Verdict.RATE_HIGH, ("path", "constant_share")),
    (Verdict.UNDERSAMPLED, ("loss_ratio",)),
    (Verdict.WRONG_SOLUTION, ("loss_ratio",)),
    (Verdict.RATE_DECAYED, ("learning_rate",)),
    (Verdict.RATE_DECAYED, ("highest_rate",)),
    (Verdict.RATE_LOW, ("update",)),
    (Verdict.READ_OUT, ("projection_ratio",)),
    (Verdict.READ_OUT, ("loss_ratio",)),
    (Verdict.READ_OUT, ("learning_rate",)),
    (Verdict.CAPACITY, ("rank_share",)),
    (Verdict.CAPACITY, ("loss_ratio",)),
    (Verdict.CAPACITY, ("learning_rate",)),
    (Verdict.TOO_FINE, ("median_laps",)),
    (Verdict.TOO_FINE, ("loss_ratio",)),
    (Verdict.NOT_STARTED, ("loss_ratio",)),
    (Verdict.NOT_STARTED, ("best_error",)),
    (Verdict.FITTED, ("fitted",)),
    (Verdict.NOISE_FLOOR, ("flatness",)),
]


@settings(max_examples=20)
@given(data=st.data())
@pytest.mark.parametrize(("verdict", "names"), NEEDED)
def test_what_is_not_known_gives_no_verdict_that_needs_it(
    verdict: Verdict, names: tuple[str, ...], data: st.DataObject
) -> None:
    signs, situation = data.draw(any_history())
    columns = {name: getattr(signs, name) for name in NUMBERS} | dict.fromkeys(names, np.full(len(signs), np.nan))
    assert verdict not in verdicts(courses(Signs.of(columns, signs.step, signs.clipped), situation))


def test_a_record_without_losses_names_no_cause_within_the_network() -> None:
    for verdict, columns, facts in CAUSES:
        signs = history(STEPS, STUCK, **columns | {"loss": np.nan, "loss_ratio": np.nan})
        expected = (
            verdict
            if verdict in (Verdict.INPUTS, Verdict.RATE_HIGH, Verdict.RATE_DECAYED, Verdict.RATE_LOW)
            else Verdict.STUCK
        )
        assert last(signs, replace(SITUATION, **facts)) is expected


def test_a_record_of_nothing_is_undecided() -> None:
    signs = Signs.of({}, STEPS, np.full((len(STEPS), 3), np.nan))
    assert verdicts(courses(signs, Situation())) == [Verdict.UNDECIDED]


# --- any history ---


@st.composite
def any_history(draw: st.DrawFn, steps: FloatArray = STEPS) -> tuple[Signs, Situation]:
    """Anything, healthy or not, known or not, constant or changing at a step."""
    law = draw(st.sampled_from([rising(1.5, 4000), rising(0.5, 3e4), flat(0.5), flat(0.99), flat(0.01)]))
    columns: dict[str, Any] = {}
    for name, values in RANGES.items():
        one, other = draw(st.sampled_from(values)), draw(st.sampled_from(values))
        columns[name] = after(draw(st.sampled_from([0.0, 100.0, 2000.0, 5000.0])), one, other, steps)
    facts = {name: draw(st.sampled_from(values)) for name, values in FACTS.items()}
    return history(steps, law, **columns), replace(SITUATION, **facts)


RANGES: dict[str, list[float]] = {
    "fitted": [0.1, 0.5, 0.99, math.nan],
    "sequentiality": [0.2, 0.8, math.nan],
    "loss": [0.01, 1.0, 10.0, math.nan],
    "loss_ratio": [0.001, 0.2, 1.0, math.nan],
    "learning_rate": [1e-4, 5e-3, math.nan],
    "highest_rate": [5e-3, math.nan],
    "projection_ratio": [0.2, 1.0, math.nan],
    "rank_share": [0.1, 0.95, math.nan],
    "median_laps": [1.0, 90.0, math.nan],
    "constant_share": [0.0, 0.9, math.nan],
    "update": [1e-6, 1e-2, math.nan],
    "flatness": [0.1, 0.6, math.nan],
}
FACTS: dict[str, list[Any]] = {
    "bound": [1.0, 100.0, math.nan],
    "first_constant_share": [0.0, 0.9, math.nan],
    "first_rank_share": [0.1, 0.9, math.nan],
    "noise": [0.0, 0.7],
    "residual": [False, True],
    "residual_beside": [False, True],
    "terms": [0, 3],
    "relative": [True, False],
}


@settings(max_examples=40)
@given(any_history())
def test_stalled_goes_with_the_verdict_and_with_a_step(drawn: tuple[Signs, Situation]) -> None:
    signs, situation = drawn
    for course, step in zip(courses(signs, situation), signs.step, strict=True):
        assert course.stalled == (course.verdict in STALLED) == (not math.isnan(course.since))
        assert not course.since > step


@settings(max_examples=40)
@given(any_history(), st.integers(0, len(STEPS) - 1))
def test_a_course_saved_midway_goes_on_as_if_it_had_not_been(drawn: tuple[Signs, Situation], at: int) -> None:
    signs, situation = drawn
    whole = courses(signs, situation)
    numbers = whole[at].as_numbers()
    assert all(type(value) is float for value in numbers.values())
    rest = courses(signs, situation, Course.of_numbers(numbers), at + 1)
    assert repr(whole[at + 1 :]) == repr(rest)


@settings(max_examples=40)
@given(any_history(), st.integers(0, len(STEPS) - 1))
def test_later_looks_are_not_read(drawn: tuple[Signs, Situation], at: int) -> None:
    signs, situation = drawn
    assert repr(courses(signs.until(at), situation)) == repr(courses(signs, situation)[: at + 1])


@settings(max_examples=40)
@given(any_history(DENSE), st.sampled_from([2, 4]))
def test_thinning_changes_no_verdict_but_by_a_look(drawn: tuple[Signs, Situation], n: int) -> None:
    signs, situation = drawn
    whole = [course.verdict for course in courses(signs, situation)]
    few = [course.verdict for course in courses(every_nth(signs, n), situation)]
    assert few[-1] is whole[-1]
    for look, verdict in enumerate(few):
        # what changes between two looks that are kept is seen at the second, and may last as much shorter
        assert verdict in whole[max(0, n * (look - 3)) : n * (look + 3) + 1]


@settings(max_examples=40)
@given(
    power=st.floats(0.9, 3.0),
    half=st.floats(500, 2e4),
    columns=st.fixed_dictionaries(
        {
            name: st.sampled_from(RANGES[name])
            for name in ("sequentiality", "projection_ratio", "rank_share", "median_laps")
        }
    ),
    bound=st.sampled_from([1.0, 100.0, math.nan]),
    ratio=st.floats(0.5, 2.0),
    every=st.sampled_from([0, 20, 130]),
)
def test_a_fit_whose_mean_error_falls_steadily_is_never_stalled(
    power: float, half: float, columns: dict[str, Any], bound: float, ratio: float, every: int
) -> None:
    steps = np.arange(0.0, 8001, every) if every else STEPS
    said = courses(history(steps, rising(power, half), loss_ratio=ratio, **columns), replace(SITUATION, bound=bound))
    assert not any(course.stalled for course in said)


@settings(max_examples=40)
@given(any_history(), st.floats(1e-3, 1e3))
def test_only_ratios_of_rates_and_counts_of_looks_matter(drawn: tuple[Signs, Situation], factor: float) -> None:
    signs, situation = drawn
    columns = {name: getattr(signs, name) for name in NUMBERS}
    columns["learning_rate"], columns["highest_rate"] = factor * signs.learning_rate, factor * signs.highest_rate
    columns["looks"], columns["path"] = signs.looks + 17, signs.path + 3
    other = courses(Signs.of(columns, signs.step, signs.clipped), situation)
    assert [course.verdict for course in other] == [course.verdict for course in courses(signs, situation)]


# --- cost ---


def test_a_look_is_judged_in_microseconds_and_512_in_milliseconds() -> None:
    steps = np.linspace(0, 20_000, 512)
    fields = np.random.default_rng(0).uniform(0.4, 0.6, (512, 256))
    signs = history(steps, fields.mean(axis=1), clipped=fields)
    course = courses(signs)[-1]
    looks, folds = [], []
    for _ in range(30):
        start = time.process_time()
        judge(signs, 511, SITUATION, course)
        looks.append(time.process_time() - start)
    for _ in range(5):
        start = time.process_time()
        courses(signs)
        folds.append(time.process_time() - start)
    assert min(looks) < 150e-6  # 15 on an idle core
    assert min(folds) < 60e-3  # 9 on an idle core
