"""A grid of which only some cells count: domains that are no boxes, and clouds of points laid on a box.

A cloud's points are laid cell by cell: a covered cell has the value of the point that is nearest to its centre. Not the
mean of those in it: where points are dense that would take the noise away, and look like a better fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lightning_seqfit.geometry.base import (
    BOUNDARY,
    MOST_CELLS,
    BoolArray,
    Edge,
    FloatArray,
    Geometry,
    IntArray,
    nearest_stride,
)
from lightning_seqfit.geometry.grid import Grid
from lightning_seqfit.geometry.masked_power import MaskedPower


@dataclass(frozen=True, eq=False)
class Laid(Geometry):
    """Covered cells of a box, C order; what lies outside counts neither way.

    Parameters
    ----------
    box : all cells.
    inside : the covered ones, shape ``(cells,)``; at least one.
    source : number of the given point whose value each covered cell takes, shape ``(N,)``; None: the points are the
        cells' centres.
    given : the points, shape ``(P, d)``; None with ``source``.

    Examples
    --------
    >>> box = Grid(bounds=((0.0, 2.0), (0.0, 2.0)), shape=(2, 2), axes=("x", "y"))
    >>> corner = Laid(box, np.array([True, True, True, False]))
    >>> corner.points.tolist(), corner.lines(1).tolist()
    ([[0.5, 0.5], [0.5, 1.5], [1.5, 0.5]], [[0, 1], [2, -1]])
    >>> corner.moving_mean(np.array([3.0, 0.0, 0.0]), (4.0, 4.0)).tolist()
    [1.0, 1.0, 1.0]
    """

    box: Grid
    inside: BoolArray
    source: IntArray | None = None
    given: FloatArray | None = None

    @property
    def kind(self) -> str:  # type: ignore[override]
        """``"domain"``, or ``"points"`` laid on the box."""
        return "domain" if self.source is None else "points"

    @property
    def bounds(self) -> tuple[tuple[float, float], ...]:  # type: ignore[override]
        """Those of the box."""
        return self.box.bounds

    @property
    def axes(self) -> tuple[str, ...]:  # type: ignore[override]
        """Those of the box."""
        return self.box.axes

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """Cells of the box along each axis."""
        return self.box.shape

    @property
    def lengths(self) -> tuple[float, ...]:
        """Those of the box."""
        return self.box.lengths

    @property
    def faces(self) -> tuple[str, ...]:
        """Faces of the box and, where the domain has an edge of its own, ``"boundary"``."""
        return self.box.faces if self.whole else (*self.box.faces, BOUNDARY)

    @property
    def whole(self) -> bool:
        """Whether every cell is covered."""
        return len(self._cells) == len(self.inside)

    @cached_property
    def _cells(self) -> IntArray:
        """Numbers of the covered cells in the box."""
        return np.flatnonzero(self.inside)

    @cached_property
    def asked(self) -> FloatArray:
        """Where the module is asked, shape ``(P, d)``."""
        return self.box.points[self._cells] if self.given is None else self.given

    def lay(self, values: FloatArray) -> FloatArray:
        """Return for every covered cell what the points have, of shape ``(P,)``."""
        return values if self.source is None else values[self.source]

    def rows(self, numbers: IntArray) -> IntArray:
        """Numbers of the points whose values some covered cells take."""
        return numbers if self.source is None else self.source[numbers]

    @cached_property
    def points(self) -> FloatArray:
        """Where the values of the covered cells are from, shape ``(N, d)``."""
        return self.lay(self.asked)

    def places(self, axis: int) -> FloatArray:
        """Coordinates of all points along an axis."""
        return np.unique(self.asked[:, axis])

    @property
    def frequencies(self) -> FloatArray:
        """Those of the box."""
        return self.box.frequencies

    @cached_property
    def _power(self) -> MaskedPower:
        return MaskedPower(self.box, self.inside)

    def power(self, field: FloatArray) -> FloatArray:
        """See :mod:`~lightning_seqfit.geometry.masked_power`; they add up to the mean square over the covered cells."""
        return self.box.power(field) if self.whole else self._power.power(field)

    def _extended(self, field: NDArray[Any]) -> NDArray[Any]:
        """Field on the box, 0 outside."""
        if self.whole:
            return field
        extended = np.zeros(len(self.inside), dtype=field.dtype)
        extended[self._cells] = field
        return extended

    def moving_mean(self, field: FloatArray, window: tuple[float, ...]) -> FloatArray:
        """Mean over the covered part of the window."""
        means = self.box.moving_mean(self._extended(field), window)
        if self.whole:
            return means
        return means[self._cells] / _covered(self, window)

    def components(self, mask: BoolArray) -> IntArray:
        """Label face-connected components."""
        return self.box.components(self._extended(mask))[self._cells]

    def lines(self, axis: int) -> IntArray:
        """Covered cells on each line of the box, shape ``(lines, cells)``; -1: not covered."""
        return _lines(self, axis)

    def segments(self, axis: int) -> list[IntArray]:
        """Unbroken stretches of covered cells."""
        found = []
        for line in self.lines(axis):
            present = np.flatnonzero(line >= 0)
            if present.size:
                found += [line[run] for run in np.split(present, np.flatnonzero(np.diff(present) > 1) + 1)]
        return found

    def room(self, window: tuple[float, ...]) -> BoolArray:
        """As the cells lie, wherever their values are from."""
        return super().room(window) if self.source is None else Laid(self.box, self.inside).room(window)

    def independent(self, window: tuple[float, ...]) -> FloatArray:
        """Covered cells in the window, over how many of them on average take the value of one point."""
        count = self.box.independent(window)[self._cells]
        if not self.whole:
            count = count * _covered(self, window)
        if self.source is not None:
            count = count / self.moving_mean(np.bincount(self.source)[self.source].astype(np.float64), window)
        return np.maximum(count, 1.0)

    @property
    def covered(self) -> float:
        """Share of the box that counts."""
        return len(self._cells) / len(self.inside)

    @cached_property
    def edge(self) -> Edge | None:  # type: ignore[override]
        """Where the covered cells end, at holes too: half a cell before the centre of the nearest one outside."""
        if self.whole:
            return None
        padded = np.pad(self.inside.reshape(self.shape), 1)
        cell = np.array([1.0 / cells for cells in self.shape])
        away, places = ndimage.distance_transform_edt(padded, sampling=cell, return_indices=True)
        distance = np.asarray(away[padded], dtype=np.float64) - float(cell.min()) / 2
        foot = np.ravel_multi_index(tuple(places), padded.shape)[padded]
        order = np.lexsort((distance, foot)).astype(np.intp)
        return Edge(distance, order, np.flatnonzero(np.diff(foot[order], prepend=-1)).astype(np.intp))

    @property
    def notes(self) -> list[str]:
        """What is covered, and on what the points are laid."""
        cells = " x ".join(map(str, self.shape))
        said = []
        if self.source is not None:
            used = len(np.unique(self.source))
            left = f", {len(self.asked) - used:,} of which share a cell with one nearer to its centre"
            said.append(
                f"{len(self.asked):,} points are laid on {cells} cells{left if used < len(self.asked) else ''}: each "
                "cell has the value of the nearest point"
            )
        if not self.whole:
            parts = int(self.components(np.ones(len(self._cells), dtype=bool)).max())
            apart = f", in {parts} parts that do not touch, each with lobes of its own" if parts > 1 else ""
            said.append(f"{self.covered:.1%} of the box is covered{apart}; what lies outside counts neither way")
        return said

    def coarsen(self, field: FloatArray, limit: int = MOST_CELLS) -> FloatArray:
        """Block means over the covered cells, of the blocks that have any."""
        means = self.box.coarsen(self._extended(field), limit)
        if self.whole:
            return means
        share = _coarse_share(self, limit)
        covered = share > 0.0
        return means[covered] / share[covered]

    def coarse_shape(self, limit: int = MOST_CELLS) -> tuple[int, ...]:
        """Shape of the box in blocks."""
        return self.box.coarse_shape(limit)

    def coarse_inside(self, limit: int = MOST_CELLS) -> BoolArray | None:
        """Blocks that have covered cells, shape ``(blocks,)``; None: all."""
        covered: BoolArray = _coarse_share(self, limit) > 0.0
        return None if covered.all() else covered

    def centres(self, limit: int = MOST_CELLS) -> FloatArray:
        """Centres of the blocks, wherever their values are from."""
        covered = _coarse_share(self, limit) > 0.0
        return self.box.centres(limit)[covered]

    def thinned(self, count: int) -> tuple[Geometry, IntArray]:
        """Every k-th cell along each axis, of those that are covered."""
        _, chosen = self.box.thinned(round(count / self.covered))
        stride = nearest_stride(self.shape, round(count / self.covered))
        if stride == 1:
            return self, np.arange(len(self._cells))
        numbers = np.full(len(self.inside), -1, dtype=np.intp)
        numbers[self._cells] = np.arange(len(self._cells))
        kept = numbers[chosen]
        inside = kept >= 0
        kept = kept[inside]
        fewer, _ = self.box.thinned(round(count / self.covered))
        assert isinstance(fewer, Grid)
        return Laid(fewer, inside, None if self.source is None else self.source[kept], self.given), kept


@lru_cache(maxsize=16)
def _covered(laid: Laid, window: tuple[float, ...]) -> FloatArray:
    """Share of the window about each covered cell that is covered."""
    return laid.box.moving_mean(laid.inside.astype(np.float64), window)[np.flatnonzero(laid.inside)]


@lru_cache(maxsize=16)
def _lines(laid: Laid, axis: int) -> IntArray:
    numbers = np.full(len(laid.inside), -1, dtype=np.intp)
    numbers[laid.inside] = np.arange(np.count_nonzero(laid.inside))
    lines = numbers[laid.box.lines(axis)]
    lines.setflags(write=False)  # the cache hands out one array
    return lines


@lru_cache(maxsize=8)
def _coarse_share(laid: Laid, limit: int) -> FloatArray:
    """Share of each block that is covered."""
    return laid.box.coarsen(laid.inside.astype(np.float64), limit)
