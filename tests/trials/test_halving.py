"""Successive halving on fits of known speed: who is given up when, and how many steps that takes in all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lightning_seqfit.trials.halving import Standing, halve


class Race:
    """Runners of known speed, in shares of the way a step; a negative speed: it falls at that many steps."""

    def __init__(self, **speeds: float) -> None:
        self.speeds, self.rounds = speeds, list[tuple[int, set[str]]]()

    def __call__(self, names: Sequence[str], step: int) -> Mapping[str, Standing]:
        self.rounds.append((step, set(names)))
        return {name: self.standing(self.speeds[name], step) for name in names}

    def standing(self, speed: float, step: int) -> Standing:
        if speed < 0.0:
            return Standing(fitted=0.0, error=1.0, ended=step >= -speed)
        share = min(speed * step, 1.0)
        return Standing(1 / speed if share == 1.0 else math.inf, share, 1.0 - share, ended=share == 1.0)


def test_the_slower_half_is_given_up_and_the_faster_gets_three_times_as_many_steps() -> None:
    race = Race(a=1e-4, b=2e-4, c=3e-4, d=4e-4)
    given_up = halve(list("abcd"), race)
    assert race.rounds == [(100, {*"abcd"}), (300, {*"cd"}), (900, {"d"}), (2700, {"d"})]
    assert {name: said.split(":")[0] for name, said in given_up.items()} == {
        "a": "given up after 100 steps",
        "b": "given up after 100 steps",
        "c": "given up after 300 steps",
    }


def test_of_an_odd_number_the_larger_part_stays() -> None:
    race = Race(a=1e-4, b=2e-4, c=3e-4)
    halve(list("abc"), race)
    assert race.rounds[1] == (300, {*"bc"})


def test_the_others_get_ten_times_the_steps_of_the_best_and_no_more() -> None:
    race = Race(fast=1 / 200, slow=3e-4, slower=1e-4)
    given_up = halve(["fast", "slow", "slower"], race)
    assert race.rounds == [
        (100, {"fast", "slow", "slower"}),
        (300, {"fast", "slow"}),
        (900, {"slow"}),
        (2_000, {"slow"}),
    ]
    assert given_up["slow"] == "given up after 2,000 steps: the best took far fewer"


def test_where_the_best_took_few_they_get_a_thousand() -> None:
    race = Race(fast=0.1, slow=1e-4)
    assert halve(["fast", "slow"], race) == {"slow": "given up after 1,000 steps: the best took far fewer"}
    assert [step for step, _ in race.rounds] == [100, 300, 900, 1_000]


def test_one_that_failed_takes_no_place_from_those_that_go_on() -> None:
    race = Race(failed=-1.0, a=1e-4, b=2e-4)
    halve(["failed", "a", "b"], race)
    assert race.rounds[1] == (300, {"b"})


def test_it_ends_when_all_have_ended() -> None:
    race = Race(a=-1.0, b=-500.0)
    assert halve(["a", "b"], race) == {}
    assert race.rounds[-1] == (900, {"b"})


def test_who_was_not_looked_at_comes_last() -> None:
    unknown, known = Standing(), Standing(fitted=0.0, error=5.0)
    assert sorted([unknown, known], key=lambda each: each.order) == [known, unknown]


def test_nobody_is_no_race() -> None:
    race = Race()
    assert halve([], race) == {}
    assert race.rounds == []
