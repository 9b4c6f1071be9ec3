"""What is logged of a look, and how a logger is told to show it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_seqfit import load
from lightning_seqfit.cli.demo import train
from lightning_seqfit.demos.catalogue import DEMOS
from lightning_seqfit.watch.overview import CHARTS, Selection, overview

OURS = [
    *("front/fitted", "front/depth/x_min", "oscillations/target", "oscillations/model", "oscillations/fitted"),
    *("error/relative_rmse", "basis/projection_error", "error/noise", "fourier/relative_error/8-16"),
    *("basis/numerical_rank", "basis/effective_rank", "training/loss", "stall/verdict_change/stuck"),
]


def logged(values: list[dict[str, float]], steps: list[int]) -> list[list[str]]:
    selection = Selection()
    return [sorted(selection.of(look, step)) for look, step in zip(values, steps, strict=True)]


def test_a_share_is_logged_once_it_says_something_and_from_then_on() -> None:
    tag = "fourier/share/4-8"
    assert logged([{tag: value} for value in (0.002, 0.01, 0.011, 0.0)], [0, 1, 2, 3]) == [[], [], [tag], [tag]]


def test_what_is_fixed_is_logged_at_first_at_doublings_when_it_changes_and_at_last() -> None:
    tag, selection = "oscillations/target", Selection()
    seen = [step for step in range(20) if selection.of({tag: 13.0}, step)]
    assert seen == [0, 1, 3, 7, 15]
    assert selection.of({tag: 14.0}, 20) == {tag: 14.0}
    assert selection.last(20) == {}
    assert selection.last(25) == {tag: 14.0}


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_noise_is_fixed(noise: float) -> None:
    looks = [{"error/noise": noise}] * 4
    assert logged(looks, [0, 1, 2, 3]) == [["error/noise"], ["error/noise"], [], ["error/noise"]]


def test_a_share_of_dead_units_is_fixed_while_it_is_0() -> None:
    tag = "basis/dead_domain"
    looks = [{tag: value} for value in (0.0, 0.0, 0.0, 0.1, 0.1, 0.0, 0.0)]
    assert logged(looks, [10, 11, 12, 13, 14, 15, 16]) == [[tag], [], [], [tag], [tag], [tag], []]


@pytest.mark.parametrize("prefix", ["seqfit/", "seqfit/a.b/"])
def test_a_chart_matches_the_tags_of_its_probe_and_nobody_else_s(prefix: str) -> None:
    charts = overview(prefix, OURS).charts
    assert list(charts) == [title for title in CHARTS if "change of" not in title]
    assert len(charts) == 6
    matched = {tag for tags in charts.values() for tag in OURS if any(re.match(each, prefix + tag) for each in tags)}
    assert matched == set(OURS)
    others = [
        *(f"{other}{tag}" for other in ("", "my/seqfit/", "seqfit/axb/", "seqfit/right/") for tag in OURS),
        *(f"{prefix}{tag}s" for tag in OURS if "/" not in tag.partition("/")[2]),
        *("loss", "seqfit/training/loss/boundary", "front/fitted", f"{prefix}front/fitted/mine"),
    ]
    assert not [tag for tag in others for tags in charts.values() for each in tags if re.match(each, tag)]


def test_charts_without_a_curve_are_left_out() -> None:
    assert list(overview("seqfit/", ["front/fitted"]).charts) == ["fitted share, and depth from each face"]


def test_runs_whose_bands_and_faces_differ_share_their_charts() -> None:
    """TensorBoard shows two charts of one title where their tags are not the same."""
    one, other = (
        overview("seqfit/", ["front/fitted", f"front/depth/{face}", f"fourier/relative_error/{band}"])
        for face, band in (("x_min", "8-16"), ("t_max", "2-4"))
    )
    assert one == other


def test_a_training_marks_its_verdicts_on_the_loss_and_says_when_most_was_fitted(tmp_path: Path) -> None:
    run_dir = train(DEMOS["multi-scale"], seed=0, max_steps=1_200, logdir=tmp_path)
    run, events = load(run_dir), EventAccumulator(str(run_dir), size_guidance={"tensors": 0}).Reload()
    assert run.stall is not None
    words = [str(word) for word in run.stall.verdict]
    turns = [at for at in range(1, len(words)) if words[at] != words[at - 1]]
    marks = [tag for tag in events.Tags()["scalars"] if "/verdict_change/" in tag]
    assert turns
    assert {tag.rpartition("/")[2].replace("_", " ") for tag in marks} == {words[at] for at in turns}
    points = {event.step: event.value for tag in marks for event in events.Scalars(tag)}
    loss = run.scalars["training/loss"]
    assert points == {run.logger_steps[at]: pytest.approx(loss[at], rel=1e-6) for at in turns}
    fitted = run.scalars["front/fitted"]
    (reached,) = events.Scalars("seqfit/hp/steps_to_90")
    assert reached.value == min(run.total_steps[fitted >= 0.9])
    for text in ("stall/verdict", "stall/advice", "summary"):
        steps = [event.step for event in events.Tensors(f"seqfit/{text}/text_summary")]
        assert steps[-1] == run.logger_steps[-1]
        assert {int(run.logger_steps[at]) for at in turns} <= set(steps)
