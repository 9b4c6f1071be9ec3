"""What is advised: the numbers against closed forms and against what was measured, and that nothing is made up."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_seqfit.diagnosis import STALLED, Advice, Signs, Situation, Verdict
from lightning_seqfit.diagnosis.advice import advise

NAN = math.nan
LINE = Situation(("x",), (20.0,), (1.0,), bound=1.0, width=64.0, noise=0.0)
UNFITTED = [Verdict.NOT_STARTED, Verdict.STUCK]


def looks(steps: Any = (4_000.0,), **columns: Any) -> Signs:
    return Signs.of(
        {name: np.atleast_1d(np.asarray(values, dtype=float)) for name, values in columns.items()},
        np.asarray(steps, dtype=float),
        np.zeros((len(steps), 1)),
    )


def advised(verdict: Verdict, situation: Situation = LINE, **columns: float) -> list[Advice]:
    return [*advise(verdict, situation, looks(**columns), 0)]


def change(verdict: Verdict, situation: Situation = LINE, **columns: float) -> Any:
    """What the first advice changes."""
    return advised(verdict, situation, **columns)[0].change


@pytest.mark.parametrize("verdict", UNFITTED)
def test_a_network_has_its_frequency_from_the_target_and_the_length_it_sees(verdict: Verdict) -> None:
    # sin 40 pi x on [0, 1], 20 cycles: omega_0 = pi f / l, half the target's own 40 pi; sigma = f / (2 l)
    siren, fourier = advised(verdict)
    assert siren.change == {"network": "siren", "omega_0": pytest.approx(62.8319, abs=1e-3), "learning_rate": 5e-4}
    assert fourier.change == {"network": "fourier", "sigma": 10.0, "learning_rate": 1e-3}
    assert siren.do == "a SIREN with omega_0 = 63, learning rate 5e-4"
    # on [-1, 1] the same target has half as many cycles for each unit of length
    siren, fourier = advised(verdict, replace(LINE, lengths=(2.0,)))
    assert (siren.change["omega_0"], fourier.change["sigma"]) == (pytest.approx(31.4159, abs=1e-3), 5.0)


def test_a_basis_that_is_too_fine_gets_the_targets_own_frequency() -> None:
    # a single layer makes no frequencies of its own: c = 1 in place of 1 / 2
    assert change(Verdict.TOO_FINE)["omega_0"] == pytest.approx(40 * math.pi)


def test_of_several_axes_the_fastest_for_the_network_counts() -> None:
    plane = replace(LINE, axes=("x", "y"), frequencies=(6.0, 20.0), lengths=(0.5, 10.0))  # 12 and 2 cycles a unit
    assert change(Verdict.NOT_STARTED, plane)["omega_0"] == pytest.approx(12 * math.pi)
    flat = replace(plane, frequencies=(0.0, 20.0))
    assert change(Verdict.NOT_STARTED, flat)["omega_0"] == pytest.approx(2 * math.pi)


@pytest.mark.parametrize("verdict", UNFITTED)
def test_where_nothing_oscillates_no_network_is_advised(verdict: Verdict) -> None:
    assert not advised(verdict, replace(LINE, frequencies=(0.0,)))
    assert not advised(verdict, replace(LINE, oscillates=False))


@pytest.mark.parametrize("verdict", UNFITTED)
def test_a_frequency_that_is_not_known_gives_the_rule_and_no_number(verdict: Verdict) -> None:
    (only,) = advised(verdict, replace(LINE, frequencies=(NAN,)))
    assert "omega_0 = pi f / l" in only.do
    assert not only.change


def test_points_suffice_for_the_cycles() -> None:
    # measured on 18 cycles: 45 points are not enough, 64 are; at random places 12 cycles from 160
    evenly, random = advised(Verdict.UNDERSAMPLED, replace(LINE, frequencies=(18.0,)))
    assert evenly.change == {"points": 72}
    random = advised(Verdict.UNDERSAMPLED, replace(LINE, frequencies=(12.0,)))[1]
    assert random.change["random_points"] == 156
    assert random.change["omega_0"] == pytest.approx(0.3 * 24 * math.pi)
    plane = replace(LINE, axes=("x", "y"), frequencies=(2.6, 0.0), lengths=(1.0, 1.0))
    (evenly,) = advised(Verdict.UNDERSAMPLED, plane)
    assert evenly.change == {"points": (11, 4)}
    assert "11 by 4" in evenly.do
    (unknown,) = advised(Verdict.UNDERSAMPLED, replace(LINE, frequencies=()))
    assert not unknown.change


def test_where_the_data_are_noisy_more_points_are_never_advised_alone() -> None:
    (only,) = advised(Verdict.UNDERSAMPLED, replace(LINE, noise=0.7))
    assert only.change["omega_0"] == pytest.approx(0.15 * 40 * math.pi)
    assert "points" not in only.change
    assert only.change["points_factor"] == 16


def test_a_network_that_is_too_narrow_gets_the_width_that_was_measured() -> None:
    # 6 units for 5 cycles: 50 tanh units fit it, 12 do not; of a SIREN 24
    siren, wide = advised(Verdict.CAPACITY, replace(LINE, frequencies=(5.0,), width=6.0))
    assert siren.change["width"] == 24
    assert siren.change["omega_0"] == pytest.approx(5 * math.pi)
    assert wide.change == {"width": 50}
    (wide,) = advised(Verdict.CAPACITY, replace(LINE, frequencies=(NAN,), width=6.0))
    assert wide.change == {"width": 48}
    assert not advised(Verdict.CAPACITY, replace(LINE, frequencies=(NAN,), width=NAN))


def test_inputs_are_scaled_and_the_reach_is_said() -> None:
    years = replace(LINE, frequencies=(44.0,), lengths=(66.0,), bound=2024.0)
    scaled, siren, _ = advised(Verdict.INPUTS, years)
    assert scaled.do == "inputs to [-1, 1]: they reach 2,024"
    assert scaled.change == {"inputs": "[-1, 1]"}
    assert siren.change["omega_0"] == pytest.approx(math.pi * 44 / 66)
    assert advised(Verdict.INPUTS, replace(years, bound=NAN))[0].do == "inputs to [-1, 1]"
    assert change(Verdict.INPUTS, replace(LINE, bound=1.0))["network"] == "siren"  # they are scaled already


@pytest.mark.parametrize("verdict", [Verdict.RATE_HIGH, Verdict.DIVERGED])
def test_a_rate_that_is_too_high_is_divided_as_was_measured(verdict: Verdict) -> None:
    assert change(verdict, highest_rate=2e-2) == {"learning_rate": pytest.approx(4e-3)}
    assert change(verdict, highest_rate=0.2) == {"learning_rate": pytest.approx(2e-2)}
    assert change(verdict, highest_rate=0.5) == {"learning_rate": pytest.approx(2e-2)}
    assert change(verdict, highest_rate=5.0) == {"optimizer": "adam", "learning_rate": 5e-3}
    assert change(verdict, learning_rate=2e-2) == {"learning_rate": pytest.approx(4e-3)}
    assert change(verdict) == {"learning_rate_factor": 0.1}


@pytest.mark.parametrize("verdict", [Verdict.RATE_HIGH, Verdict.DIVERGED])
def test_a_network_of_full_rank_from_the_start_gets_the_rate_of_a_siren(verdict: Verdict) -> None:
    siren = replace(LINE, first_rank_share=0.95)
    assert change(verdict, replace(siren, adaptive=True), highest_rate=2e-2) == {"learning_rate": 5e-4}
    for adaptive in (False, None):
        asked = change(verdict, replace(siren, adaptive=adaptive), highest_rate=3.0)
        assert asked == {"optimizer": "adam", "learning_rate": 5e-4}
    tanh = replace(LINE, first_rank_share=0.1)
    assert change(verdict, tanh, highest_rate=2e-2) == {"learning_rate": pytest.approx(4e-3)}


@pytest.mark.parametrize("size", [3_000.0, 1e-3])
def test_targets_of_another_size_than_1_are_scaled_before_a_read_out_is_blamed(size: float) -> None:
    scaled = advised(Verdict.READ_OUT, replace(LINE, size=size, adaptive=True), highest_rate=1e-4)[0]
    assert scaled.change == {"targets": size}
    assert change(Verdict.READ_OUT, replace(LINE, size=2.0), highest_rate=1e-3)["optimizer"] == "adam"


def test_sgd_at_a_low_rate_gets_adam() -> None:
    sgd = replace(LINE, adaptive=False)
    assert change(Verdict.RATE_LOW, sgd, highest_rate=1e-5) == {"optimizer": "adam", "learning_rate": 1e-3}
    assert change(Verdict.RATE_LOW, replace(LINE, adaptive=True), highest_rate=1e-5) == {"learning_rate": 1e-3}


@pytest.mark.parametrize("adaptive", [True, False, None])
def test_a_rate_of_0_and_one_that_is_not_known_have_words_too(adaptive: bool | None) -> None:
    case = replace(LINE, adaptive=adaptive)
    assert change(Verdict.RATE_LOW, case, highest_rate=0.0) == {"optimizer": "adam", "learning_rate": 1e-3}
    assert change(Verdict.RATE_LOW, case) == {"learning_rate_factor": 100.0}


def test_an_optimizer_that_is_not_known_is_not_called_by_a_name() -> None:
    for adaptive, words in ((False, "in place of"), (None, "if it is another")):
        (adam,) = advised(Verdict.READ_OUT, replace(LINE, adaptive=adaptive), highest_rate=1e-3)
        assert words in adam.do
        assert "SGD" not in adam.do


def test_a_decayed_rate_is_kept_where_it_was() -> None:
    (only,) = advised(Verdict.RATE_DECAYED, highest_rate=5e-3, learning_rate=5e-5)
    assert only.do == "keep the learning rate at 5e-3: it is down to 5e-5"
    assert only.change == {"schedule": "constant", "learning_rate": 5e-3}
    assert change(Verdict.RATE_DECAYED) == {"schedule": "constant"}


def test_a_read_out_that_does_not_learn_gets_a_higher_rate_or_adam() -> None:
    raised, adam = advised(Verdict.READ_OUT, highest_rate=1e-7)
    assert raised.change == {"learning_rate": pytest.approx(1e-4)}
    assert adam.change == {"optimizer": "adam", "learning_rate": 1e-3}
    for rate in (1e-3, NAN):  # SGD
        assert change(Verdict.READ_OUT, highest_rate=rate) == {"optimizer": "adam", "learning_rate": 1e-3}


def test_a_rate_that_is_too_low_is_raised_a_hundredfold() -> None:
    assert change(Verdict.RATE_LOW, highest_rate=1e-5) == {"learning_rate": pytest.approx(1e-3)}
    assert change(Verdict.RATE_LOW) == {"learning_rate_factor": 100.0}
    assert change(Verdict.RATE_LOW, highest_rate=1e-2)["optimizer"] == "adam"


@pytest.mark.parametrize("verdict", [Verdict.WRONG_SOLUTION, *UNFITTED, Verdict.CAPACITY])
def test_a_pinn_on_a_line_gets_a_network_that_was_tried_on_pinns(verdict: Verdict) -> None:
    oscillator = replace(LINE, frequencies=(8.0,), residual_beside=True)
    siren, fourier = advised(verdict, oscillator)
    assert siren.change["omega_0"] == pytest.approx(16 * math.pi)
    assert fourier.change["sigma"] == 4.0


def test_convection_gets_all_four_changes_at_once() -> None:
    # u = sin(x - 30 t) on [0, 2 pi] x [0, 1]: one cycle along x, 30 / (2 pi) along t
    convection = replace(
        LINE,
        axes=("x", "t"),
        frequencies=(1.0, 15 / math.pi),
        lengths=(2 * math.pi, 1.0),
        bound=6.3,
        residual_beside=True,
    )
    (only,) = advised(Verdict.WRONG_SOLUTION, convection)
    assert 16 <= only.change["omega_0"] <= 32  # as measured
    assert {name: value for name, value in only.change.items() if name != "omega_0"} == {
        "network": "siren",
        "learning_rate": 1e-3,
        "inputs": "[-1, 1]",
        "resample": True,
        "residual_factor": pytest.approx(1 / 900),
    }
    slow = replace(convection, frequencies=(3.0, 3.0), lengths=(1.0, 1.0))
    assert "residual_factor" not in change(Verdict.WRONG_SOLUTION, slow)


def test_of_a_reaction_it_is_said_that_nothing_ends_it() -> None:
    (only,) = advised(Verdict.WRONG_SOLUTION, replace(LINE, oscillates=False, residual_beside=True))
    assert only.change == {"data_weight": 100.0}
    assert "halved at best" in only.expect


def test_a_residual_alone_tells_no_frequency_and_gets_no_network() -> None:
    alone = replace(LINE, frequencies=(0.0,), oscillates=False, residual=True)
    for verdict in (*UNFITTED, Verdict.CAPACITY, Verdict.WRONG_SOLUTION):
        assert not advised(verdict, alone)


def test_a_run_that_gets_on_is_left_alone() -> None:
    for verdict in (Verdict.PROGRESSING, Verdict.SEQUENTIAL):
        assert not advised(verdict)
    (stop,) = advised(Verdict.NOISE_FLOOR, replace(LINE, noise=0.32))
    assert stop.do == "stop here: what is left is the target's noise, 0.32 of the target's own size"
    assert advised(Verdict.FITTED)[0].do.startswith("stop here")


def test_when_it_can_be_told_is_said() -> None:
    early = looks((10.0, 20.0), looks=(1.0, 2.0))
    assert advise(Verdict.UNDECIDED, LINE, early, 1)[0].do == "wait until step 1,000"
    rare = looks((1_000.0, 2_000.0), looks=(3.0, 5.0))  # every 500 steps, half of them no longer in the record
    assert advise(Verdict.UNDECIDED, LINE, rare, 1)[0].do == "wait until step 7,000"
    # then the later half has looks at 3,500, 4,000, ... 7,000
    assert len(np.arange(3_500, 7_001, 500)) == 8
    assert not advise(Verdict.UNDECIDED, LINE, looks((5_000.0,)), 0)


NUMBERS = st.one_of(st.floats(-1e300, 1e300, allow_subnormal=False), st.sampled_from([math.nan, math.inf, -math.inf]))
SIZES = st.one_of(st.floats(0.0, 1e6, allow_subnormal=False), NUMBERS)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    axes = draw(st.integers(0, 4))
    return Situation(
        axes=tuple("xyzt"[:axes]),
        frequencies=tuple(draw(SIZES) for _ in range(draw(st.sampled_from([axes, 0])))),
        lengths=tuple(draw(SIZES) for _ in range(draw(st.sampled_from([axes, 0])))),
        bound=draw(SIZES),
        width=draw(SIZES),
        noise=draw(SIZES),
        residual=draw(st.booleans()),
        residual_beside=draw(st.booleans()),
        oscillates=draw(st.booleans()),
    )


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(Verdict),
    situations(),
    st.lists(st.tuples(*[st.one_of(NUMBERS, SIZES)] * 4), min_size=1, max_size=3),
)
def test_whatever_is_not_known_no_number_is_made_up(
    verdict: Verdict, situation: Situation, rows: list[tuple[float, ...]]
) -> None:
    step, learning_rate, highest_rate, seen = np.array(rows).T
    signs = looks(step, learning_rate=learning_rate, highest_rate=highest_rate, looks=seen)
    for each in advise(verdict, situation, signs, len(rows) - 1):
        assert each.do
        assert each.expect
        assert each.measured == "docs/stalls"
        assert "nan" not in each.do.split()
        assert "inf" not in each.do.split()
        numbers = [value for value in each.change.values() if isinstance(value, float)]
        assert all(math.isfinite(number) and number > 0.0 for number in numbers)
        if each.change.get("network"):
            lengths = [2.0] * len(situation.lengths) if "inputs" in each.change else situation.lengths
            fastest = max(f / length for f, length in zip(situation.frequencies, lengths, strict=True) if length > 0.0)
            share = each.change.get("omega_0", 0.0) / (2 * math.pi * fastest) or each.change["sigma"] / fastest
            assert 0.15 * (1 - 1e-9) <= share <= 2.0
            assert 5e-5 <= each.change["learning_rate"] <= 5e-3


def test_every_stall_of_a_line_with_everything_known_gets_an_advice() -> None:
    for verdict in STALLED - {Verdict.WRONG_SOLUTION}:
        assert change(verdict, highest_rate=1e-3, learning_rate=1e-5), verdict
