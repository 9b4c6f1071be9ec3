"""Means of a field, constant on each cell of a line, over windows that begin and end anywhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lightning_seqfit.geometry.base import FloatArray, IntArray


class Windows(NamedTuple):
    """Which cells of a line each window covers; shapes ``(N,)``. Windows and cells have lengths in the same unit.

    first, last : the cells in which a window begins and ends.
    first_length, last_length : of the part of the window in these; 0 for the last where they are one cell.
    begin, end : the cells from ``begin`` up to but without ``end`` are covered whole.
    length : of the window.
    """

    first: IntArray
    first_length: FloatArray
    last: IntArray
    last_length: FloatArray
    begin: IntArray
    end: IntArray
    length: FloatArray


def windows_about(
    edges: FloatArray,
    centres: FloatArray,
    width: float,
    low: FloatArray | float = -np.inf,
    high: FloatArray | float = np.inf,
) -> Windows:
    """Windows of one width about ``centres``, cut off at ``low`` and ``high``, and where the cells end."""
    begin = np.maximum(centres - width / 2, np.maximum(edges[0], low))
    end = np.minimum(centres + width / 2, np.minimum(edges[-1], high))
    final = len(edges) - 2
    first = np.clip(np.searchsorted(edges, begin, side="right") - 1, 0, final)
    last = np.clip(np.searchsorted(edges, end, side="right") - 1, 0, final)
    within = first == last
    return Windows(
        first=first,
        first_length=np.where(within, 1.0, edges[first + 1] - begin),
        last=last,
        last_length=np.where(within, 0.0, end - edges[last]),
        begin=first + 1,
        end=np.maximum(last, first + 1),
        length=np.where(within, 1.0, end - begin),  # the mean over a part of one cell, even over none, is its value
    )


def window_means(values: FloatArray, masses: FloatArray, windows: Windows) -> FloatArray:
    """Mean over each window of the field that is constant on each cell; ``masses``: values times lengths of the cells.

    Along the last axis.
    """
    integral = np.empty((*masses.shape[:-1], masses.shape[-1] + 1))
    integral[..., 0] = 0.0
    masses.cumsum(axis=-1, out=integral[..., 1:])
    means: FloatArray = integral.take(windows.end, axis=-1)
    means -= integral.take(windows.begin, axis=-1)
    means += windows.first_length * values.take(windows.first, axis=-1)
    means += windows.last_length * values.take(windows.last, axis=-1)
    means /= windows.length
    return means
