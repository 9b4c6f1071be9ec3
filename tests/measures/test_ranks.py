"""Ranks against scipy's, which share no code with ours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from lightning_seqfit.measures.ranks import average_ranks, spearman

ROW = st.lists(st.sampled_from([0.0, 1.0, 2.0, 7.5, np.inf]), min_size=6, max_size=6)


@given(st.lists(ROW, min_size=1, max_size=5))
def test_average_ranks_are_those_of_scipy(rows):
    values = np.array(rows)
    np.testing.assert_array_equal(average_ranks(values), rankdata(values, axis=1))
    np.testing.assert_array_equal(average_ranks(values[0]), rankdata(values[0]))


@given(ROW, ROW)
def test_the_correlation_is_that_of_scipy(first, second):
    assume(len(set(first)) > 1 and len(set(second)) > 1)
    assert spearman(np.array(first), np.array(second)) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)


def test_what_does_not_vary_has_no_order():
    assert spearman(np.ones(4), np.arange(4.0)) == spearman(np.arange(4.0), np.ones(4)) == 0.0
