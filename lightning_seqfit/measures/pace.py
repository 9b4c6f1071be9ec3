"""How fast a field on a grid oscillates along one axis: what decides how many cells it needs.

The power of each frequency along the axis, summed over all lines. The field's slopes along the other axes are taken out
first, and the one along this axis where fewer frequencies count without it: of a sine of few cycles a straight line
takes a part that is none. :mod:`~lightning_seqfit.measures.trend` says more precisely what oscillates; this is for the
finer grids on which a target callable is tried, where that would take too long.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry, Grid
from lightning_seqfit.measures.sinusoids import unit_places
from lightning_seqfit.measures.trend import NOTHING, SIGNIFICANT_POWER


@dataclass(frozen=True)
class Pace:
    """How fast a field oscillates along an axis.

    Attributes
    ----------
    mean : power-weighted mean of its frequencies, in cycles per unit of the axis; 0: nothing oscillates along it.
    highest : frequency up to which 95 % of the power lies.
    bare : the field without its mean and its slopes, at most 1 in size, shape ``(N,)``.
    """

    mean: float
    highest: float
    bare: FloatArray


def measure_pace(grid: Grid, field: FloatArray, axis: int, noise: float = 0.0) -> Pace:
    """Find the frequencies of a field along an axis that hold at least 1 % of the power of the strongest.

    Parameters
    ----------
    grid : where the N points lie.
    field : shape ``(N,)``, finite.
    axis : number of the axis.
    noise : standard deviation of the noise in the field, whose own frequencies do not count.

    Examples
    --------
    >>> grid = Grid(bounds=((0.0, 2.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> pace = measure_pace(grid, 5.0 + 40.0 * x + np.sin(26 * np.pi * x), 0)
    >>> round(pace.mean, 3), pace.highest
    (13.0, 13.0)
    """
    size = float(np.max(np.abs(field), initial=0.0)) or 1.0
    scaled = field / size  # squares of extreme fields stay in range
    sloped = scaled.reshape(grid.shape) - scaled.mean()
    for number in range(grid.dimension):
        if number != axis:
            sloped = sloped - _slope(sloped, number)
    bare = sloped - _slope(sloped, axis)
    if float(np.mean(bare**2)) <= NOTHING * float(np.mean(scaled**2)):
        return Pace(0.0, 0.0, np.zeros_like(scaled))
    power = min((_significant(values, axis, noise / size) for values in (sloped, bare)), key=np.count_nonzero)
    total = float(power.sum())
    if total == 0.0:
        return Pace(0.0, 0.0, bare.ravel())
    frequency, length = np.arange(len(power)), grid.lengths[axis]
    highest = int(np.searchsorted(np.cumsum(power), 0.95 * total))
    return Pace(float(power @ frequency) / total / length, highest / length, bare.ravel())


def mean_cycles(geometry: Geometry, field: FloatArray, axis: int, cells: int) -> float:
    """Root mean square frequency of a field along an axis, in cycles per box length, from neighbours' differences.

    cos(2 pi f / n) = 1 - mean((u_i+1 - u_i)^2) / (2 var(u)), u the field less its plane, n the cells along the axis;
    for a domain that is no box, whose edge would be a jump to a transform. 0: nothing oscillates.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Laid
    >>> box = Grid(bounds=((-1.0, 1.0), (-1.0, 1.0)), shape=(96, 96), axes=("x", "y"))
    >>> disc = Laid(box, np.sum(box.points**2, axis=1) < 1)
    >>> round(mean_cycles(disc, np.sin(10 * np.pi * disc.points[:, 0]), 0, 96), 1)
    10.0
    """
    plane = np.column_stack([np.ones(len(field)), unit_places(geometry)])
    size = float(np.max(np.abs(field), initial=0.0)) or 1.0
    bare = field / size - plane @ np.linalg.lstsq(plane, field / size, rcond=None)[0]
    variance = float(np.mean(bare**2))
    if variance <= NOTHING * float(np.mean((field / size) ** 2)):
        return 0.0
    lines = geometry.lines(axis)
    both = (lines[:, 1:] >= 0) & (lines[:, :-1] >= 0)
    differences = (bare[lines[:, 1:]] - bare[lines[:, :-1]])[both]
    if not differences.size:
        return 0.0
    return math.acos(max(1 - float(np.mean(differences**2)) / (2 * variance), -1.0)) / (2 * math.pi) * cells


def _slope(field: FloatArray, axis: int) -> FloatArray:
    """Straight line along an axis that is nearest to a field of mean 0 on a grid, to be broadcast along the others."""
    places = np.arange(field.shape[axis]) - (field.shape[axis] - 1) / 2
    profile = field.mean(axis=tuple(other for other in range(field.ndim) if other != axis))
    line: FloatArray = (places @ profile) / (places @ places) * places
    return line.reshape([-1 if other == axis else 1 for other in range(field.ndim)])


def _significant(field: FloatArray, axis: int, noise: float) -> FloatArray:
    """Power at each whole number of cycles along an axis of a grid; 0 where it does not count, and at 0."""
    spectrum = np.fft.rfft(field, axis=axis)
    others = tuple(other for other in range(field.ndim) if other != axis)
    power: FloatArray = (spectrum.real**2 + spectrum.imag**2).sum(axis=others)
    power[1 : (field.shape[axis] + 1) // 2] *= 2  # the mirrored half
    # of noise, the sum over so many lines that none of its frequencies reaches, but once in twenty times
    cells, lines = field.shape[axis], field.size // field.shape[axis]
    rare = math.log(20 * cells)
    reached = 2 * cells * noise**2 * (lines + math.sqrt(2 * lines * rare) + rare)
    power[power < max(SIGNIFICANT_POWER * power.max(), reached)] = 0.0
    power[0] = 0.0
    return power
