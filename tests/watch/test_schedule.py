"""When looks and figures are due."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_seqfit.watch import gallery as gallery_module
from lightning_seqfit.watch.failures import Failures
from lightning_seqfit.watch.gallery import Gallery
from lightning_seqfit.watch.schedule import Cadence, Schedule, next_look


def looks(last: int) -> list[int]:
    steps = [0]
    while steps[-1] < last:
        steps.append(next_look(steps[-1]))
    return steps


def test_looks_grow_apart_by_themselves() -> None:
    steps = looks(20_000)
    assert steps[:16] == [0, 1, 2, 3, 4, 6, 8, 11, 15, 21, 29, 41, 57, 80, 112, 157]
    assert steps[16:25] == [207, 257, 307, 357, 407, 457, 507, 557, 607]
    apart = [(late - early) / early for early, late in itertools.pairwise(steps[25:])]
    assert apart == pytest.approx([0.08] * len(apart), abs=1e-3)


@pytest.mark.parametrize(("last", "count"), [(8_000, 60), (100_000, 90)])
def test_a_long_training_is_looked_at_hardly_more_often_than_a_short_one(last: int, count: int) -> None:
    assert len(looks(last)) == pytest.approx(count, abs=4)


@given(st.lists(st.integers(0, 200_000), min_size=2, max_size=2).map(sorted))
def test_the_next_look_does_not_depend_on_where_one_asks_from(steps: list[int]) -> None:
    early, late = steps
    following = next_look(early)
    assert early < following <= early + max(50, math.ceil(0.08 * (early + 50)) + 50)
    if following > late:
        assert next_look(late) == following


@given(st.lists(st.sampled_from([1, 7, 100, "auto"]), min_size=1, max_size=3), st.integers(1, 9))
def test_a_schedule_looks_when_any_of_its_cadences_does_whatever_the_stride(
    cadences: list[Cadence], stride: int
) -> None:
    schedule, last, taken = Schedule(cadences, 0, Failures("the probe")), 0, []
    for step in range(stride, 2_000, stride):
        if schedule.due(step):
            taken.append(step)
            schedule.looked(step)
        wanted = any(step >= next_look(last, cadence) for cadence in cadences)  # type: ignore[arg-type]
        assert (taken[-1:] == [step]) == wanted
        last = step if wanted else last


def drawn(last: int, seconds_per_step: float, one_set: float, *, known: bool) -> list[int]:
    """Steps at which sets are drawn, each of which takes so many seconds of a clock of its own."""
    clock = [0.0]

    def draw(run: None) -> dict[str, Any]:
        clock[0] += one_set
        return {}

    gallery, steps = Gallery(), []
    gallery.begin(0, last if known else math.inf)
    with (
        patch.object(gallery_module, "time", SimpleNamespace(perf_counter=lambda: clock[0])),
        patch.object(gallery_module.figures, "draw", draw),
    ):
        for step in looks(last)[:-1]:
            if gallery.due(step, step * seconds_per_step):
                gallery.draw(lambda: None, step)  # type: ignore[arg-type, return-value]
                steps.append(step)
    return steps


def test_figures_come_at_an_eighth_a_quarter_and_a_half_of_a_known_length() -> None:
    steps = drawn(80_000, 0.001, 0.3, known=True)
    assert [step / 80_000 for step in steps] == pytest.approx([1 / 8, 1 / 4, 1 / 2], rel=0.08)


def test_figures_come_at_doublings_from_the_thousandth_step_of_an_unknown_length() -> None:
    steps = drawn(100_000, 0.1, 0.3, known=False)
    assert steps[0] == pytest.approx(1_000, rel=0.08)
    assert all(2 <= late / early < 2.17 for early, late in itertools.pairwise(steps))
    assert len(steps) == 6


@given(st.floats(1e-5, 0.1), st.floats(0.01, 3.0), st.booleans())
def test_figures_before_the_last_never_take_more_than_their_share(
    seconds_per_step: float, one_set: float, known: bool
) -> None:
    steps = drawn(20_000, seconds_per_step, one_set, known=known)
    later = max(len(steps) - 1, 0)  # what the first set takes is a guess
    assert later * one_set <= (0.15 if known else 0.02) * 20_000 * seconds_per_step


def test_a_training_of_ten_seconds_has_all_sets_and_one_of_a_second_the_last_alone() -> None:
    assert len(drawn(8_000, 0.00125, 0.3, known=True)) == 3
    assert drawn(8_000, 0.000125, 0.3, known=True) == []
