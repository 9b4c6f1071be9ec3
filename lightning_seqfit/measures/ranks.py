"""Ranks, and Spearman's correlation of them, from scipy: one place for every measure that asks for an order."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata, spearmanr

from lightning_seqfit.geometry import FloatArray


def average_ranks(values: FloatArray) -> FloatArray:
    """Ranks along the last axis from 1 on, ties averaged; infinite values rank last. Shape as given: (N,) or (rows, N).

    Examples
    --------
    >>> average_ranks(np.array([0.5, np.inf, 0.5, 2.0])).tolist()
    [1.5, 4.0, 1.5, 3.0]
    """
    ranks: FloatArray = rankdata(values, axis=-1)
    return ranks


def correlation(first: FloatArray, second: FloatArray) -> FloatArray:
    """Correlation along the last axis, in [-1, 1], of values whose mean is 0; 0 where one of both does not vary.

    For rows of different lengths, padded with zeros, which scipy's has no way to leave out.
    """
    spread = np.sqrt(np.sum(first**2, axis=-1) * np.sum(second**2, axis=-1))
    together = np.sum(first * second, axis=-1)
    quotient: FloatArray = np.divide(together, spread, out=np.zeros(spread.shape), where=spread > 0)
    return quotient


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Spearman's rank correlation of two series (N,), in [-1, 1]; 0 where one of both does not vary.

    Examples
    --------
    >>> spearman(np.array([1.0, 2.0, 4.0]), np.array([30.0, 20.0, np.inf])), spearman(np.zeros(3), np.arange(3.0))
    (0.5, 0.0)
    """
    if any(np.all(series == series[0]) for series in (first, second)):
        return 0.0
    return float(spearmanr(average_ranks(first), average_ranks(second)).statistic)
