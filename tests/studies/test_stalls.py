"""The study of stalls: scores follow from what was said, advice changes a setup, and every setup trains."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from lightning_seqfit.diagnosis.advice import advise
from lightning_seqfit.diagnosis.signs import Signs, Situation
from lightning_seqfit.diagnosis.verdict import STALLED, Verdict
from lightning_seqfit.probe import Probe
from lightning_seqfit.studies.stalls import study as studies
from lightning_seqfit.studies.stalls import tables
from lightning_seqfit.studies.stalls.equations import EQUATIONS
from lightning_seqfit.studies.stalls.history import History, history
from lightning_seqfit.studies.stalls.module import Batches, Regression, Solver, make_module
from lightning_seqfit.studies.stalls.page import write_page
from lightning_seqfit.studies.stalls.scores import (
    Outcome,
    at_all_looks,
    at_the_end,
    delay,
    done_at,
    forecasts,
    helped,
    known_from,
    said_at,
    scores,
)
from lightning_seqfit.studies.stalls.setup import TARGETS, Setup, changed
from lightning_seqfit.studies.stalls.trainings import ALARMS, CASES, HELD_OUT, TUNED_ON, Case, Trial
from lightning_seqfit.studies.training import train

V = Verdict


def case(*right: Verdict, name: str = "case", held_out: bool = False, known: int | None = None) -> Case:
    return Case(f"a training, {name}", Trial(name, Setup()), right or (V.STUCK,), held_out, known)


def said(*verdicts: Verdict, **values: Any) -> History:
    """A history of looks at steps 1,000, 2,000, ..., of which nothing is fitted."""
    count = len(verdicts)
    empty: History = {
        "steps": [1_000 * (1 + number) for number in range(count)],
        "error": [1.0] * count,
        "fitted": [0.0] * count,
        "verdicts": [verdict.value for verdict in verdicts],
        "forecasts": [None] * count,
        "do": "",
        "change": {},
    }
    return History(**(empty | values))  # type: ignore[typeddict-item]


def test_a_training_is_healthy_where_no_right_verdict_is_an_alarm() -> None:
    assert [case(verdict).healthy for verdict in Verdict] == [
        verdict not in STALLED and verdict is not V.DIVERGED for verdict in Verdict
    ]


def test_what_creeps_is_neither_healthy_nor_a_stall() -> None:
    creeps = case(V.STUCK, V.PROGRESSING)
    assert not creeps.healthy
    assert not creeps.stalls
    assert scores([Outcome(creeps, 0, said(V.STUCK))])[2].found == "not known"


def test_confusion_counts_what_was_said_by_what_is_right() -> None:
    outcomes = [
        Outcome(case(V.STUCK, V.NOT_STARTED), 0, said(V.UNDECIDED, V.NOT_STARTED)),
        Outcome(case(V.STUCK, V.NOT_STARTED), 1, said(V.UNDECIDED, V.CAPACITY)),
        Outcome(case(V.FITTED), 0, said(V.SEQUENTIAL, V.FITTED)),
    ]
    assert at_the_end(outcomes) == {
        "not started": {"not started": 1},
        "stuck": {"capacity": 1},
        "fitted": {"fitted": 1},
    }
    assert at_all_looks(outcomes) == {
        "stuck": {"undecided": 2, "not started": 1, "capacity": 1},
        "fitted": {"sequential": 1, "fitted": 1},
    }
    assert tables.confusion(at_the_end(outcomes)).splitlines() == [
        "| right \\ said | fitted | capacity | not started |",
        "| --- | --- | --- | --- |",
        "| fitted | **1** |  |  |",
        "| not started |  |  | **1** |",
        "| stuck |  | 1 |  |",
    ]


def test_an_alarm_at_any_look_counts() -> None:
    assert Outcome(case(V.FITTED), 0, said(V.SEQUENTIAL, V.STUCK, V.FITTED)).alarmed
    assert Outcome(case(V.FITTED), 0, said(V.DIVERGED, V.FITTED)).alarmed
    assert not Outcome(case(V.FITTED), 0, said(V.UNDECIDED, V.PROGRESSING, V.NOISE_FLOOR)).alarmed


@pytest.mark.parametrize(
    ("right", "error", "expected"),
    [
        (V.STUCK, [1.0, 1.0, 1.0, 1.0], 1_000),  # nothing ever moved
        (V.CAPACITY, [1.0, 0.8, 0.51, 0.5], 4_000),  # at 2,000 it was last far from the best
        (V.CAPACITY, [1.0, 0.5, 0.9, 0.9], 2_000),  # what was lost again is no gain
        (V.UNDERSAMPLED, [1.0, 1.0, 1.0, 1.0], 50),
        (V.UNDERSAMPLED, [1.0, 0.4, 0.4, 0.4], 1_000),
        (V.DIVERGED, [1.0, math.inf, math.inf, math.inf], 1),
    ],
)
def test_a_stall_can_be_known_when_the_steps_have_doubled_without_a_gain(
    right: Verdict, error: list[float], expected: float
) -> None:
    history = said(*[right] * 4, error=error)
    assert known_from(case(right), history) == expected
    assert known_from(case(right, known=123), history) == 123


def test_the_delay_is_counted_in_steps_of_the_training() -> None:
    late = Outcome(case(V.STUCK), 0, said(V.UNDECIDED, V.CAPACITY, V.STUCK, V.STUCK))
    assert said_at(late) == 3_000
    assert delay(late) == (3_000 - 1_000) / 4_000
    never = Outcome(case(V.STUCK), 0, said(V.UNDECIDED, V.CAPACITY))
    assert said_at(never) == delay(never) == math.inf


def test_forecasts_count_until_it_is_fitted() -> None:
    coming = [(4_500.0, 3_000.0, 6_000.0), (6_000.0, 5_000.0, 8_000.0), (math.inf,) * 3, (9.0, 9.0, 9.0), None]
    history = said(*[V.SEQUENTIAL] * 5, forecasts=coming, fitted=[0.2, 0.5, 0.6, 0.99, 0.9])
    assert done_at(history) == 4_000
    found = forecasts([Outcome(case(V.FITTED), 0, history)])
    assert (found.looks, found.near, found.covered, found.far) == (2, 1, 1, 1)
    unfitted = said(*[V.SEQUENTIAL] * 5, forecasts=coming)
    assert forecasts([Outcome(case(V.SEQUENTIAL), 0, unfitted)]).looks == 0


@pytest.mark.parametrize(
    ("fitted", "error", "expected"),
    [(0.98, 0.9, "ended"), (0.61, 0.9, "halved"), (0.2, 0.39, "halved"), (0.59, 0.41, "no"), (0.0, math.nan, "no")],
)
def test_advice_ends_halves_or_leaves_the_trouble(fitted: float, error: float, expected: str) -> None:
    before, after = said(V.STUCK, fitted=[0.2], error=[0.8]), said(V.STUCK, fitted=[fitted], error=[error])
    assert helped(Outcome(case(), 0, before, after)) == expected
    assert helped(Outcome(case(), 0, before)) == "none"


def test_of_what_diverged_half_an_error_of_1_is_half() -> None:
    before = said(V.DIVERGED, error=[math.inf])
    after = [said(V.STUCK, error=[error]) for error in (0.5, 0.51)]
    assert [helped(Outcome(case(V.DIVERGED), 0, before, each)) for each in after] == ["halved", "no"]


def test_scores_say_what_is_met() -> None:
    good = said(V.STUCK, V.STUCK, do="do it", change={"width": 9})
    helpful = said(V.FITTED, fitted=[1.0])
    outcomes = [
        Outcome(case(name="a"), 0, good, helpful),
        Outcome(case(name="b"), 0, good, good),
        *(Outcome(case(V.FITTED, name="c"), seed, said(V.FITTED)) for seed in range(3)),
    ]
    found = {score.says: score for score in scores(outcomes)}
    assert [score.met for score in found.values()] == [True, True, True, None, None, False]
    assert found["healthy, and an alarm at any look"].found == "0 % (0 of 3 runs)"
    last = "the first advice ends or halves the trouble with every seed"
    assert (found[last].asked, found[last].found) == ("at least 100 %", "50 % (1 of 2 trainings)")
    wrong = [*outcomes, Outcome(case(V.FITTED, name="d"), 0, said(V.STUCK, V.FITTED))]
    assert scores(wrong)[1] == ("healthy, and an alarm at any look", "at most 3 %", "25 % (1 of 4 runs)", False)


def test_an_advice_that_does_not_help_shows_as_such() -> None:
    before = said(V.STUCK, do="do it", change={"width": 9})
    outcomes = [
        Outcome(case(name="a"), 0, before, said(V.FITTED, fitted=[1.0], error=[0.01])),
        Outcome(case(name="a"), 1, before, before),
        Outcome(case(name="b"), 0, said(V.CAPACITY)),
        Outcome(case(V.FITTED, name="c"), 0, said(V.FITTED)),
    ]
    _, _, mixed, none = tables.counterfactuals(outcomes).splitlines()
    assert mixed == (
        "| a training, a | stuck | do it | 0.00 → 1.00, 0.00 | 1.00 → 0.01, 1.00 | never → 1,000, never "
        "| ended 1, no 1 |"
    )
    assert none.startswith("| a training, b | capacity | none |")
    assert none.endswith("| none |")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"network": "siren", "omega_0": 41.0, "learning_rate": 5e-4}, {}),
        ({"network": "fourier", "sigma": 6.5, "learning_rate": 1e-3}, {}),
        ({"network": "tanh", "width": 60}, {}),
        ({"learning_rate_factor": 0.1}, {"learning_rate": 5e-4}),
        ({"schedule": "constant", "learning_rate": 5e-3}, {}),
        ({"optimizer": "adam", "learning_rate": 1e-3}, {}),
        ({"points": 64}, {"points": 64, "at_random": False}),
        ({"points": (64, 32)}, {"points": (64, 32), "at_random": False}),
        ({"random_points": 160}, {"points": 160, "at_random": True}),
        ({"points_factor": 16}, {"points": 480, "at_random": True}),
        ({"inputs": "[-1, 1]"}, {}),
        ({"residual_factor": 1 / 900, "resample": True}, {}),
        ({"data_weight": 100.0}, {}),
        ({}, {}),
    ],
)
def test_a_change_is_applied_and_nothing_else(change: dict[str, Any], expected: dict[str, Any]) -> None:
    setup = Setup(points=30, at_random=True, schedule="cosine", optimizer="sgd")
    assert asdict(changed(setup, change)) == asdict(setup) | (expected or change)


def test_so_many_times_as_many_points_are_so_many_in_all() -> None:
    box = ((0.0, 1.0), (0.0, 1.0))
    assert changed(Setup(bounds=box, points=10), {"points_factor": 16}).points == 40


def test_a_change_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match=r"change=\{'magic': 1\}: magic cannot be applied"):
        changed(Setup(), {"magic": 1})


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("equation", [False, True])
def test_whatever_is_advised_can_be_applied(verdict: Verdict, equation: bool) -> None:
    axes = ("x", "t") if equation else ("x",)
    frequencies, lengths = ((5.0, 1.0), (6.28, 1.0)) if equation else ((13.0,), (1.0,))
    situation = Situation(axes, frequencies, lengths, bound=1.0, width=50.0, residual_beside=equation, noise=0.5)
    columns = {name: np.full(1, 0.02) for name in ("learning_rate", "highest_rate")}
    signs = Signs.of(columns, np.array([2_000.0]), np.ones((1, 4)))
    for advice in advise(verdict, situation, signs, 0):
        assert isinstance(changed(Setup(), advice.change), Setup)


def test_the_sets_are_disjoint_and_have_every_verdict_and_enough_healthy_trainings() -> None:
    assert len({one.trial.name for one in CASES}) == len(CASES)
    assert not {one.trial.setup for one in TUNED_ON} & {one.trial.setup for one in HELD_OUT}
    assert [one.held_out for one in CASES] == [False] * len(TUNED_ON) + [True] * len(HELD_OUT)
    for those in (TUNED_ON, HELD_OUT):
        assert sum(one.healthy for one in those) >= 15
        for verdict in ALARMS:
            assert sum(verdict in one.right for one in those) >= 2, verdict
    for verdict in Verdict:
        assert sum(verdict in one.right for one in CASES) >= 2, verdict


@pytest.mark.parametrize("name", TARGETS)
def test_targets_are_laid_on_the_bounds(name: str) -> None:
    points = torch.rand(50, 2, dtype=torch.float64)
    there = Setup(target=name, bounds=((-500.0, -300.0), (2.0, 4.0))).values(
        points * torch.tensor([200.0, 2.0]) + torch.tensor([-500.0, 2.0])
    )
    assert there.shape == (50,)
    torch.testing.assert_close(there, Setup(target=name, bounds=((0.0, 1.0),) * 2).values(points))
    assert there.std() > 0.01


@pytest.mark.parametrize("name", EQUATIONS)
def test_solutions_solve_their_equations(name: str) -> None:
    equation = EQUATIONS[name](3.0)
    points = torch.rand(100, len(equation.axes), dtype=torch.float64).requires_grad_()

    def network(points: torch.Tensor) -> torch.Tensor:
        return equation.solution(points)[:, None]

    torch.testing.assert_close(equation.residual(network, points), torch.zeros(100, dtype=torch.float64))
    assert equation.known(network) < 1e-8
    wrong = equation.residual(lambda points: 0.9 * network(points) + 0.1 * points[:, :1] ** 2, points)
    assert wrong.abs().max() > 1e-3


def test_the_oscillator_swings_as_often_as_its_coefficient() -> None:
    t = torch.linspace(0, 1, 10_001, dtype=torch.float64)[:, None]
    u = EQUATIONS["oscillator"](8.0).solution(t)
    assert int((u[1:] * u[:-1] < 0).sum()) == 16


def test_batches_use_every_point_before_any_twice() -> None:
    seen = torch.cat([numbers for (numbers,), _ in zip(Batches(torch.arange(12), size=4), range(6), strict=False)])
    assert sorted(seen[:12].tolist()) == sorted(seen[12:].tolist()) == list(range(12))


def test_noise_is_in_the_training_values_and_the_probe_sees_it_where_it_is_to() -> None:
    torch.manual_seed(0)
    clean = make_module(Setup(noise=0.5, points=2_000))
    assert isinstance(clean, Regression)
    left = clean.targets - clean.config.values(clean.points)
    assert float(left.std() / clean.config.values(clean.points).std()) == pytest.approx(0.5, rel=0.1)
    (probe,) = clean.probes()
    assert callable(probe.target)
    noisy = make_module(Setup(noise=0.5, points=200, watch_data=True))
    assert isinstance(noisy, Regression)
    (probe,) = noisy.probes()
    assert isinstance(probe, Probe)
    np.testing.assert_array_equal(probe.target, noisy.targets.numpy())


def test_rates_follow_their_schedules() -> None:
    def rates(**setup: Any) -> list[float]:
        configured = make_module(Setup(steps=4, learning_rate=0.2, **setup)).configure_optimizers()
        optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
        found = []
        for _ in range(5):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
        return found

    assert rates(schedule="decayed", decay_at=2) == pytest.approx([0.2, 0.2, 0.002, 0.002, 0.002])
    assert rates(schedule="cosine") == pytest.approx([0.2, 0.1 + 0.1 * 0.5**0.5, 0.1, 0.1 - 0.1 * 0.5**0.5, 0.0])


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.trial.name)
def test_every_setup_takes_a_step(one: Case) -> None:
    L.seed_everything(0, verbose=False)
    module = make_module(one.trial.setup)
    before = [parameter.clone() for parameter in module.parameters()]
    configured = module.configure_optimizers()
    optimizer = configured["optimizer"] if isinstance(configured, dict) else configured

    def evaluate() -> torch.Tensor:
        optimizer.zero_grad()
        loss = module.training_step(next(iter(module.train_dataloader())))
        loss = loss["loss"] if isinstance(loss, dict) else loss
        loss.backward()
        return loss

    optimizer.step(evaluate)
    assert any(not torch.equal(*pair) for pair in zip(before, module.parameters(), strict=True))
    assert len(module.probes()) == 1 + isinstance(module, Solver)


def test_what_was_done_is_kept_by_its_whole_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial("kind", Setup(target="sine 2", steps=12, width=8))
    first = train(trial, 1, tmp_path, history)
    assert first["steps"][-1] == 12
    assert len(first["verdicts"]) == len(first["steps"])
    monkeypatch.setattr("lightning_seqfit.studies.training.L.Trainer", None)
    assert train(trial, 1, tmp_path, history) == first
    for other in ({"width": 9}, {"sigma": 9.0}, {"bounds": ((0.0, 2.0),)}):
        with pytest.raises(TypeError):
            train(replace(trial, setup=replace(trial.setup, **other)), 1, tmp_path, history)


def test_a_step_of_lbfgs_is_many_evaluations(tmp_path: Path) -> None:
    trial = Trial("kind", Setup(target="sine 2", steps=100, optimizer="lbfgs", width=8))
    assert trial.prepare().steps == 4


def test_advice_is_applied_to_the_same_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[tuple[Trial, int]]] = []

    def train_all(jobs: list[tuple[Trial, int]], *_: Any) -> dict[tuple[Trial, int], History]:
        asked.append(list(jobs))
        change = {"width": 100} if len(asked) == 1 else {}
        return {job: said(V.CAPACITY, change=change) for job in jobs}

    monkeypatch.setattr(studies, "train_all", train_all)
    stalled, healthy = case(V.CAPACITY, name="a"), case(V.FITTED, name="b")
    found = studies.study([stalled, healthy], [4, 5], tmp_path)
    assert asked[0] == [(stalled.trial, 4), (stalled.trial, 5), (healthy.trial, 4), (healthy.trial, 5)]
    again = Trial("a-advised", replace(stalled.trial.setup, width=100))
    assert asked[1] == [(again, 4), (again, 5)]
    assert [one.after is not None for one in found] == [True, True, False, False]


@pytest.mark.slow
def test_the_page_has_a_section_a_verdict_and_every_training(tmp_path: Path) -> None:
    names = ("sine", "rings", "sparse", "oscillator", "burst", "floor")
    chosen = [one for one in CASES if one.trial.name in names]
    outcomes = studies.study(chosen, [0], tmp_path, max_steps=150, processes=1)
    shown = {one.said for one in outcomes}
    assert "diverged" in shown
    write_page(outcomes, tmp_path, tmp_path / "page")
    text = (tmp_path / "page" / "README.md").read_text()
    assert text.startswith("# Reading a stall\n")
    for verdict in Verdict:
        assert f"## {verdict.value.capitalize()}" in text
        picture = tmp_path / "page" / f"{verdict.value.replace(' ', '-')}.png"
        right = any(one.is_right for one in outcomes if one.said == verdict.value)
        assert picture.exists() is right
    for one in chosen:
        assert f"| {one.title} |" in text
