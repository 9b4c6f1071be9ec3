"""The forecast of fits that go on at a known pace."""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
import pytest
from scipy.stats import theilslopes

from lightning_seqfit.diagnosis.diagnosis import Forecast
from lightning_seqfit.diagnosis.forecast import forecast
from lightning_seqfit.diagnosis.signs import Signs
from lightning_seqfit.geometry import FloatArray


def fitting(steps: FloatArray, fitted: FloatArray, sequentiality: float = 0.9) -> Signs:
    columns: dict[str, Any] = {"fitted": fitted, "sequentiality": np.full(len(steps), sequentiality)}
    return Signs.of(columns, steps, np.zeros((len(steps), 1)))


STEPS = np.arange(0.0, 4001, 100)


def test_a_steady_pace_leads_to_the_step_at_which_98_percent_are_fitted() -> None:
    found = forecast(fitting(STEPS, STEPS / 8000), 40)
    assert found == Forecast(pytest.approx(7840), pytest.approx(0.75 * 7840), pytest.approx(1.5 * 7840))


def test_one_look_in_six_that_is_far_out_changes_little() -> None:
    fitted = STEPS / 8000
    fitted[::6] = 0.2
    fitted[-1] = 0.5
    found = forecast(fitting(STEPS, fitted), 40)
    assert found is not None
    assert found.step == pytest.approx(7840, rel=0.1)


def test_the_slope_is_theil_and_sens() -> None:
    rng = np.random.default_rng(3)
    fitted = np.clip(STEPS / 8000 + rng.normal(0, 0.01, len(STEPS)), 0, 0.9)
    slope = theilslopes(fitted[27:], STEPS[27:]).slope  # from step 2,700 on, the first of at least 2 / 3 of 4,000
    found = forecast(fitting(STEPS, fitted), 40)
    assert found is not None
    assert found.step == pytest.approx(4000 + (0.98 - fitted[-1]) / slope)


def test_a_fit_that_slows_down_a_little_is_forecast_between_a_line_in_the_steps_and_one_in_their_logarithm() -> None:
    share = 0.35 * np.log(1 + STEPS / 400)  # a line in ln s but for the beginning, and at 4,000 steps .84 of all
    found = forecast(fitting(STEPS, share), 40)
    slope = theilslopes(share[27:], STEPS[27:]).slope
    by_steps = 4000 + (0.98 - share[-1]) / slope
    by_logarithm = 4000 * math.exp((0.98 - share[-1]) / theilslopes(share[20:], np.log(STEPS[20:])).slope)
    assert by_steps < by_logarithm < 1.5 * by_steps
    assert found is not None
    assert found.step == pytest.approx(math.sqrt(by_steps * by_logarithm))


def test_one_that_slows_down_so_much_that_nobody_can_tell_has_no_forecast() -> None:
    assert forecast(fitting(STEPS, 0.28 * np.log(1 + STEPS / 400)), 40) is None


def test_the_interval_does_not_begin_before_the_look() -> None:
    found = forecast(fitting(STEPS, np.minimum(STEPS / 4200, 0.97)), 40)
    assert found is not None
    assert found.low == 4000 < found.step


@pytest.mark.parametrize("fitted", [0 * STEPS + 0.5, 0.5 - STEPS / 1e5, 0.5 + STEPS / 1e6])
def test_more_than_four_times_the_steps_so_far_is_far(fitted: FloatArray) -> None:
    assert forecast(fitting(STEPS, fitted), 40) == Forecast(math.inf, math.inf, math.inf)


@pytest.mark.parametrize(
    ("fitted", "sequentiality"),
    [
        (STEPS / 8000, 0.4),
        (STEPS / 8000, math.nan),
        (STEPS / 80_000, 0.9),
        (0 * STEPS + 0.99, 0.9),
        (np.nan * STEPS, 0.9),
    ],
)
def test_none_is_made_where_none_can_be_had(fitted: FloatArray, sequentiality: float) -> None:
    assert forecast(fitting(STEPS, fitted, sequentiality), 40) is None


def test_two_looks_make_no_forecast() -> None:
    assert forecast(fitting(STEPS[[0, 1, 40]], STEPS[[0, 1, 40]] / 8000), 2) is None


def test_looks_without_a_front_are_left_out() -> None:
    fitted = STEPS / 8000
    fitted[30:35] = np.nan
    found = forecast(fitting(STEPS, fitted), 40)
    assert found is not None
    assert found.step == pytest.approx(7840)


def test_other_units_of_time_give_the_same_forecast_in_these_units() -> None:
    fitted = np.sqrt(STEPS / 8000)
    one, other = forecast(fitting(STEPS, fitted), 40), forecast(fitting(7 * STEPS, fitted), 40)
    assert one is not None
    assert other is not None
    assert (other.step, other.low, other.high) == pytest.approx((7 * one.step, 7 * one.low, 7 * one.high))


@pytest.mark.parametrize(("looks", "most"), [(60, 3e-4), (512, 3e-3)])
def test_a_forecast_takes_no_time(looks: int, most: float) -> None:
    steps = np.linspace(0, 4000, looks)
    signs = fitting(steps, steps / 8000)
    taken = []
    for _ in range(50):
        start = time.thread_time()
        forecast(signs, looks - 1)
        taken.append(time.thread_time() - start)
    assert min(taken) < most
