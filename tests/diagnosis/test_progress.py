"""Progress against closed forms: log odds that rise as a power of the steps, fields that flip, fields that move on."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_seqfit.diagnosis.progress import progress
from lightning_seqfit.diagnosis.signs import Signs
from tests.diagnosis.histories import cadence, every_nth, flat, history, rising


STEPS = cadence(4000)


@given(power=st.floats(1.0, 3.0), reached=st.floats(0.3, 0.8))
def test_the_doublings_lead_to_the_step_at_which_the_mean_error_is_three_percent(power: float, reached: float) -> None:
    # 1 / (1 + (s / h)^p) = .03 at s = h (.97 / .03)^(1 / p); chosen so that the mean error is `reached` at step 4,000
    half = 4000 / (1 / reached - 1) ** (1 / power)
    end = half * (0.97 / 0.03) ** (1 / power)
    signs = history(cadence(4000), rising(power, half))
    assert progress(signs, len(signs) - 1).doublings == pytest.approx(math.log2(end / 4000), rel=0.15)


def test_the_gain_is_that_of_a_doubling_whatever_the_looks_are_spaced() -> None:
    for last, spacing in ((4000, 10), (4000, 100), (4000, 450)):
        signs = history(np.arange(0.0, last + 1, spacing), rising(1.5, 4000))
        assert progress(signs, len(signs) - 1).gain == pytest.approx(1.5 * math.log(2), rel=0.01)


def test_an_error_that_does_not_fall_needs_infinitely_many_doublings() -> None:
    signs = history(cadence(4000), lambda steps: 0.5 + steps / 1e5)
    now = progress(signs, len(signs) - 1)
    assert now.doublings == math.inf
    assert now.gain < 0


def test_before_the_error_has_begun_to_fall_only_the_beginning_is_asked_for() -> None:
    now = progress(history(STEPS, flat(0.95)), len(STEPS) - 1)
    assert (now.need, now.whole) == (0.6, pytest.approx(math.log(0.972 / 0.032) + math.log(0.952 / 0.052), abs=1e-3))
    begun = progress(history(STEPS, flat(0.85)), len(STEPS) - 1)
    assert begun.need == begun.whole


def test_a_fitted_target_still_needs_something() -> None:
    assert progress(history(STEPS, flat(0.001)), len(STEPS) - 1).need == 0.6


@pytest.mark.parametrize("looks", [10, 40, 160])
def test_a_field_that_flips_is_restless_however_often_it_is_looked_at(looks: int) -> None:
    rng = np.random.default_rng(1)
    fields = rng.uniform(0.4, 0.6, (2 * looks, 40))
    signs = history(np.linspace(0, 4000, 2 * looks), fields.mean(axis=1), clipped=fields)
    now = progress(signs, 2 * looks - 1)
    # two independent uniform values on an interval of length d differ by d / 3
    assert now.churn == pytest.approx(0.2 / 3, rel=0.15)
    assert now.net == pytest.approx(0.2 / 3, rel=0.3)
    assert now.restless


def test_a_front_that_moves_on_is_not_restless() -> None:
    fields = (np.arange(40) >= 40 * STEPS[:, None] / 4000).astype(float)
    now = progress(history(STEPS, fields.mean(axis=1), clipped=fields), len(STEPS) - 1)
    assert now.path == pytest.approx(now.net) == pytest.approx(0.5, abs=0.03)
    assert not now.restless


def test_little_turning_over_is_not_restless() -> None:
    fields = np.random.default_rng(1).uniform(0.9, 0.91, (len(STEPS), 40))
    now = progress(history(STEPS, fields.mean(axis=1), clipped=fields), len(STEPS) - 1)
    assert now.turning
    assert not now.restless


def test_looks_that_a_record_no_longer_has_are_counted() -> None:
    signs = history(np.arange(0.0, 4000.5, 25), rising(1.5, 4000))
    whole, half, eighth = (progress(every_nth(signs, n), 160 // n) for n in (1, 2, 8))
    assert (whole.looks, half.looks, eighth.looks) == (81, 81, 81)
    assert half == eighth == whole


def test_by_the_error_alone_the_mean_of_the_places_is_not_read() -> None:
    signs = history(STEPS, flat(0.5), error=1.0 / (1.0 + STEPS / 4000))
    now = progress(signs, len(STEPS) - 1, by_error=True)
    assert now.gain == pytest.approx(math.log(2), rel=0.01)
    assert now.need == 0.6


def test_what_is_not_known_is_nan() -> None:
    now = progress(Signs.of({}, STEPS, np.full((len(STEPS), 3), np.nan)), len(STEPS) - 1)
    assert [math.isnan(each) for each in (now.doublings, now.gain, now.churn, now.path, now.net)] == [True] * 5
    assert (now.restless, now.looks) == (False, 0)


def test_the_first_look_tells_of_no_progress() -> None:
    now = progress(history(cadence(4000), flat(0.5)), 0)
    assert math.isnan(now.doublings)
    assert now.looks == 1
