"""Places along a line: which of them are neighbours, where the gaps are, and the cells around them.

A *gap* is a spacing more than eight times as wide as the spacings around it: as the widest of the 129 nearest, a tenth
of them left out. The target has no say in it. Points drawn at random have spacings up to about ln(N) times the mean
one; eight times their widest tenth is 18 times the mean, which 512 of them exceed once in 40,000 draws. Among even
points a gap is what eight or more in a row have left. An end of the axis lies behind a gap where it is more than half
as wide as that away from the outermost place.

Gaps cut the line into *stretches*. The cell of a place is what is nearer to it than to any other place of its stretch;
next to a gap it reaches half the spacing that is usual there. What no cell covers does not exist: *covered* coordinates
have it taken out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from lightning_seqfit.geometry.base import FloatArray, IntArray

#: A gap is wider than this many times the spacing around it.
GAP = 8.0
#: Spacings around one that it is compared with, and the share of them that may be gaps as well.
AROUND, GAPS_AROUND = 129, 0.1
#: Places lie on a lattice where they are this share of a step from it: float32 rounds coordinates.
_ON_LATTICE = 1e-2


class Series(NamedTuple):
    """P places in S stretches. Lengths are shares of the axis.

    starts : number of the first point at each place, in the order of the line, shape ``(P,)``.
    counts : points at each place, shape ``(P,)``.
    stretch : number of the stretch of each place, shape ``(P,)``.
    low, high : ends of the stretches, shape ``(S,)``.
    shift : what lies below each stretch and no cell covers, shape ``(S,)``; a place less it is the covered coordinate.
    edges : of the cells, covered coordinates, shape ``(P + 1,)``.
    step : spacing of the lattice on which all places lie; 0.0: they lie on none.
    slots : places of that lattice from the first place to the last.
    """

    starts: IntArray
    counts: IntArray
    stretch: IntArray
    low: FloatArray
    high: FloatArray
    shift: FloatArray
    edges: FloatArray
    step: float
    slots: int

    @property
    def covered(self) -> float:
        """Share of the axis that cells cover."""
        return float(self.edges[-1])

    @property
    def longest(self) -> float:
        """Length of the longest stretch over that from the first to the last."""
        return float(np.max(self.high - self.low) / (self.high[-1] - self.low[0]))

    @property
    def whole(self) -> bool:
        """Whether nothing is left out: no gaps, neither between the places nor at the ends."""
        return len(self.low) == 1 and self.low[0] == 0.0 and self.high[0] == 1.0

    def covered_at(self, place: FloatArray) -> FloatArray:
        """Covered coordinates of places anywhere: all of a gap have that of its ends."""
        knots = np.ravel(np.column_stack([self.low, self.high]))
        covered = knots - np.repeat(self.shift, 2)
        return np.asarray(np.interp(place, knots, covered), dtype=np.float64)

    def by_cell(self, values: FloatArray) -> FloatArray:
        """Means of a field, given at the points along the line, over the points of each cell."""
        if len(self.starts) == len(values):
            return values
        means: FloatArray = np.add.reduceat(values, self.starts) / self.counts
        return means


def read_series(shares: FloatArray) -> Series:
    """Read places from the sorted coordinates of points, in shares of the axis."""
    starts = np.flatnonzero(np.diff(shares, prepend=-1.0) > 0)
    places = shares[starts]
    spacing, around = spacings(places)
    behind = np.flatnonzero(spacing > GAP * around) + 1  # the first places behind a gap
    first, last = np.append(0, behind), np.append(behind - 1, len(places) - 1)
    usual = np.array([_usual(spacing, place) for place in np.append(first, last)]) / 2
    low = places[first] - usual[: len(first)]
    high = places[last] + usual[len(first) :]
    if len(spacing) == 0 or 2 * places[0] <= GAP * around[0]:
        low[0] = 0.0
    if len(spacing) == 0 or 2 * (1 - places[-1]) <= GAP * around[-1]:
        high[-1] = 1.0
    stretch = np.zeros(len(places), dtype=np.intp)
    stretch[behind] = 1
    stretch = np.cumsum(stretch)
    shift = np.cumsum(low - np.append(0.0, high[:-1]))
    edges = np.empty(len(places) + 1)
    edges[1:-1] = (places[1:] + places[:-1]) / 2 - shift[stretch[1:]]
    edges[first] = low - shift
    edges[-1] = high[-1] - shift[-1]
    step, slots = lattice(places)
    counts = np.diff(np.append(starts, len(shares)))
    return Series(starts, counts, stretch, low, high, shift, edges, step, slots)


def spacings(places: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Spacings between sorted places, and the spacing around each; both of shape ``(P - 1,)``.

    Examples
    --------
    >>> spacing, around = spacings(np.array([0.0, 1.0, 2.0, 3.0, 30.0, 31.0]))
    >>> spacing.tolist(), around.tolist()
    ([1.0, 1.0, 1.0, 27.0, 1.0], [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    spacing = np.diff(places)
    if len(spacing) <= AROUND:
        left_out = max(1, int(GAPS_AROUND * len(spacing))) if len(spacing) > 1 else 0
        around = np.full(len(spacing), np.sort(spacing)[::-1][left_out]) if len(spacing) else spacing
    else:
        around = ndimage.rank_filter(spacing, rank=-1 - int(GAPS_AROUND * AROUND), size=AROUND, mode="reflect")
    return spacing, around


def lattice(places: FloatArray) -> tuple[float, int]:
    """Step of the lattice on which sorted places lie, and its places from the first to the last; (0.0, 0): on none.

    Examples
    --------
    >>> lattice(np.array([0.5, 0.75, 1.0, 2.0, 2.25])), lattice(np.array([0.0, 0.5, 0.6, 1.5]))
    ((0.25, 8), (0.0, 0))
    """
    spacing = np.diff(places)
    if len(spacing) == 0:
        return 0.0, 0
    middle = np.sort(spacing)[(len(spacing) - 1) // 2]
    step = float(np.mean(spacing[np.abs(spacing - middle) <= 0.1 * middle]))
    steps = np.rint(spacing / step) if step > 0 else np.zeros(1)
    if not steps.all() or steps.sum() > 2**40:
        return 0.0, 0
    number = np.append(0.0, np.cumsum(steps))
    step = float((places[-1] - places[0]) / number[-1])
    if np.max(np.abs(places - places[0] - number * step)) > _ON_LATTICE * step:
        return 0.0, 0
    return step, int(number[-1]) + 1


def half_spacing(coordinates: FloatArray) -> float:
    """Half the spacing of points that do not all coincide: of their lattice, else the mean one, gaps left out."""
    places = np.unique(coordinates)
    step, _ = lattice(places)
    if step > 0:
        return step / 2
    spacing, around = spacings(places)
    gap = spacing > GAP * around
    return float(spacing[~gap].sum() / (coordinates.size - 1 - np.count_nonzero(gap)) / 2)


def _usual(spacing: FloatArray, place: int) -> float:
    reach = AROUND // 2
    near = spacing[max(place - reach, 0) : place + reach]
    # of an even number the lower one: half of them may be gaps
    return float(np.sort(near)[(len(near) - 1) // 2]) if len(near) else 1.0
