"""Points anywhere along one axis."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from lightning_seqfit.geometry.base import MOST_CELLS, BoolArray, FloatArray, Geometry, IntArray, nearest_stride
from lightning_seqfit.geometry.series import Series, half_spacing, read_series
from lightning_seqfit.geometry.series_power import Powers
from lightning_seqfit.geometry.windows import Windows, window_means, windows_about


@dataclass(frozen=True, eq=False)
class Scattered(Geometry):
    r"""Points anywhere along one axis, in any order.

    Everything along the line is done in the order of the coordinates, and comes back in the order of the points.

    A field is taken to be constant on the *cell* of each place where points lie: the stretch that is nearer to it than
    to any other place, cut off at the bounds. Points that coincide share a cell, which holds their mean. Gaps
    (:mod:`lightning_seqfit.geometry.series`) have no cells: they count neither way, and no window, component or block
    reaches across one. On points of a midpoint grid all this is what :class:`Grid` does.

    Which frequencies there are, and how exact each is: :mod:`lightning_seqfit.geometry.series_power`.

    Parameters
    ----------
    coordinates : of the N points, at least 4, finite, shape ``(N,)``; a read-only copy is kept.
    bounds : one (low, high), finite, low < high, around all coordinates. :meth:`spanning` finds it.
    axes : name of the axis.

    Raises
    ------
    ValueError
        If an argument is not as above.

    Examples
    --------
    >>> points = Scattered(coordinates=np.array([0.9, 0.1, 0.2, 0.5]), bounds=((0.0, 1.0),), axes=("x",))
    >>> points.points.ravel().tolist(), points.lines(0).tolist()
    ([0.9, 0.1, 0.2, 0.5], [[1, 2, 3, 0]])
    >>> gap = Scattered.spanning([0.0, 1.0, 2.0, 3.0, 20.0, 21.0])
    >>> [stretch.tolist() for stretch in gap.segments(0)], round(gap.mean(np.array([1.0, 1.0, 1.0, 1.0, 4.0, 4.0])), 9)
    ([[0, 1, 2, 3], [4, 5]], 2.0)
    """

    kind: ClassVar[str] = "series"
    shape: tuple[int, ...] | None = field(default=None, init=False)
    coordinates: FloatArray
    bounds: tuple[tuple[float, float], ...]
    axes: tuple[str, ...] = ("x",)

    def __post_init__(self) -> None:
        coordinates = np.array(self.coordinates, dtype=np.float64)
        coordinates.setflags(write=False)
        object.__setattr__(self, "coordinates", coordinates)
        _check_coordinates(coordinates)
        if len(self.bounds) != 1 or len(self.axes) != 1:
            raise ValueError(
                f"bounds={self.bounds} and axes={self.axes} do not describe one axis: scattered points lie along a "
                'single one, with bounds such as ((0.0, 1.0),) and axes such as ("x",)'
            )
        low, high = self.bounds[0]
        if not (low < high and math.isfinite(high - low)):
            raise ValueError(f"bounds=({low}, {high}) are not a stretch: give finite numbers, the lower one first")
        outside = np.flatnonzero((coordinates < low) | (coordinates > high))
        if outside.size:
            raise ValueError(
                f"{outside.size} of {coordinates.size} points lie outside bounds=({low}, {high}), the first at "
                f"{coordinates[outside[0]]:.6g}: widen the bounds, or leave these points out"
            )

    @classmethod
    def spanning(cls, coordinates: ArrayLike, axes: tuple[str, ...] = ("x",)) -> Scattered:
        """Points with the bounds that they themselves suggest: half a spacing beyond the outermost ones.

        Where points are missing from an even series that is its own spacing, else the mean one, gaps left out. Of the
        points of a midpoint grid these are the bounds of the grid.

        Examples
        --------
        >>> Scattered.spanning([3.5, 0.5, 1.5, 2.5]).bounds
        ((0.0, 4.0),)
        """
        values = np.asarray(coordinates, dtype=np.float64)
        _check_coordinates(values)
        low, high = float(values.min()), float(values.max())
        if low == high:
            raise ValueError(
                f"all {values.size} points lie at {low:.6g}: there is no line to look along; give points that differ "
                f"in {', '.join(axes)}"
            )
        half = half_spacing(values)
        return cls(coordinates=values, bounds=((low - half, high + half),), axes=axes)

    @property
    def points(self) -> FloatArray:
        """Coordinates in the order in which they were given, shape ``(N, 1)``, read-only."""
        return self.coordinates[:, np.newaxis]

    @property
    def frequencies(self) -> FloatArray:
        """Frequencies in cycles per length, shape ``(M, 1)``; the first is 0."""
        return self._powers.frequencies[:, np.newaxis]

    @property
    def exact_frequency(self) -> int:
        """Highest frequency K up to which all are exact, of any sum of such waves; 0: none is."""
        return self._powers.exact

    @property
    def condition(self) -> float:
        """Condition number of the fit of all harmonics up to K; 1: as good as a grid; ``inf``: none are fitted."""
        return self._powers.condition

    @property
    def complete(self) -> bool:
        """Whether the powers of any field add up to its mean square: those of even points do."""
        return self._powers.complete

    @property
    def even(self) -> bool:
        """Whether all points lie at even places, of which some may be missing."""
        return self._series.step > 0

    @property
    def covered(self) -> float:
        """Share of the axis that is in no gap."""
        return self._series.covered

    @property
    def resolution(self) -> float:
        """One cycle in the longest stretch without a gap, in cycles per length."""
        return 1.0 / float(np.max(self._series.high - self._series.low))

    @property
    def notes(self) -> list[str]:
        """Where the gaps are, and how far the frequencies can be trusted."""
        series, (low, _), length = self._series, self.bounds[0], self.lengths[0]
        said = []
        if not series.whole:
            starts, stops = np.append(0.0, series.high), np.append(series.low, 1.0)
            wide = np.argmax(stops - starts)
            count = np.count_nonzero(stops > starts)
            said.append(
                f"{count} {'gap' if count == 1 else 'gaps'} without a point, {1 - series.covered:.1%} of axis "
                f"{self.axes[0]}, the widest from {low + starts[wide] * length:.6g} to {low + stops[wide] * length:.6g}"
                ": nothing is measured there"
            )
        if not self.complete:
            highest = self._powers.frequencies[-1]
            said.append(
                f"harmonics up to {self.exact_frequency} cycles, condition number {self.condition:.3g}, are fitted; "
                f"from there to {highest:.0f} cycles the spectrum is that of cell means"
                if self.exact_frequency
                else f"the spectrum, up to {highest:.0f} cycles, is that of cell means"
            )
        return said

    def power(self, field: FloatArray) -> FloatArray:
        """Power of each frequency: half the squared amplitude of its wave, and of frequency 0 the constant squared.

        Where not :attr:`complete`, a trend is taken out better before: it is no wave.

        Examples
        --------
        >>> points = Scattered.spanning(np.random.default_rng(0).random(64))
        >>> low, high = points.bounds[0]
        >>> t = (points.coordinates - low) / (high - low)
        >>> points.power(3.0 + 2.0 * np.cos(4 * np.pi * t + 1.0)).round(9)[:4].tolist()
        [9.0, 0.0, 2.0, 0.0]
        """
        ordered = field[self._order]
        return self._powers.power(ordered, self._series.by_cell(ordered))

    @cached_property
    def weights(self) -> FloatArray:
        """Share of each point in :meth:`mean`: the length of its cell over all, and over the points there."""
        weights = np.empty(len(self.coordinates))
        lengths = np.diff(self._series.edges) / self._series.covered
        weights[self._order] = np.repeat(lengths / self._series.counts, self._series.counts)
        return weights

    def mean(self, field: FloatArray) -> float:
        """Mean over the line of the cell-wise constant field; where points are dense, each of them weighs less.

        Examples
        --------
        >>> points = Scattered(coordinates=np.array([0.1, 0.2, 0.3, 0.9]), bounds=((0.0, 1.0),))
        >>> round(points.mean(points.coordinates), 9), round(float(np.mean(points.coordinates)), 9)
        (0.5, 0.375)
        """
        return float(self._by_cell(field) @ np.diff(self._series.edges)) / self._series.covered

    def moving_mean(self, field: FloatArray, window: tuple[float, ...]) -> FloatArray:
        """Exact mean of the cell-wise constant field over the window about each point, cut off at gaps and bounds.

        Examples
        --------
        The cells of 1, 2 and 5 in [0, 6] are [0, 1.5], [1.5, 3.5] and [3.5, 6]; two points share the last:

        >>> points = Scattered(coordinates=np.array([5.0, 1.0, 2.0, 5.0]), bounds=((0.0, 6.0),))
        >>> points.moving_mean(np.array([8.0, 0.0, 0.0, 0.0]), (6.0,)).round(9).tolist()
        [2.5, 0.5, 1.2, 2.5]
        """
        values = self._by_cell(field)
        means = window_means(values, values * np.diff(self._series.edges), self._windows(window[0]))
        # a mean lies between the extremes; so a constant stays exactly itself and the mean of a mask is a share
        return np.clip(means, values.min(), values.max(), out=means)

    def components(self, mask: BoolArray) -> IntArray:
        """Label the runs of points in ``mask`` along the line; a gap ends a run."""
        ordered = mask[self._order]
        begins = np.diff(ordered, prepend=False)
        begins[self._firsts] = True
        labels = np.empty(len(mask), dtype=np.intp)
        labels[self._order] = np.cumsum(begins & ordered, dtype=np.intp) * ordered
        return labels

    def lines(self, axis: int) -> IntArray:
        """Return the one line: the points by coordinate, shape ``(1, N)``. Those that coincide keep their order."""
        if axis != 0:
            raise IndexError(f"axis {axis} does not exist: scattered points have the single axis 0 ({self.axes[0]})")
        return self._order[np.newaxis]

    def segments(self, axis: int) -> list[IntArray]:
        """Return the points of each stretch between two gaps, by coordinate."""
        return np.split(self.lines(axis)[0], self._firsts[1:])

    def coarsen(self, field: FloatArray, limit: int = MOST_CELLS) -> FloatArray:
        """Means over blocks of neighbours along the line, from the low end on: as the points lie, not as they came.

        A gap ends a block where there are no more gaps than blocks.

        Examples
        --------
        >>> points = Scattered.spanning([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
        >>> points.coarsen(points.coordinates).tolist(), points.coarsen(points.coordinates, limit=3).tolist()
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.5, 3.5, 5.5])
        """
        values: FloatArray = field[self._order]
        starts = self._blocks(limit)
        if len(starts) < len(values):
            values = np.add.reduceat(values, starts) / np.diff(np.append(starts, len(values)))
        return values

    def thinned(self, count: int) -> tuple[Geometry, IntArray]:
        """Every k-th point along the line, in the order of the line."""
        chosen = self._order[:: nearest_stride(self._order.shape, count)]
        return Scattered(self.coordinates[chosen], self.bounds, self.axes), chosen

    def coarse_shape(self, limit: int = MOST_CELLS) -> tuple[int, ...]:
        """Number of blocks that :meth:`coarsen` returns."""
        return (len(self._blocks(limit)),)

    @cached_property
    def _order(self) -> IntArray:
        order = np.argsort(self.coordinates, kind="stable")
        order.setflags(write=False)
        return order

    @cached_property
    def _sorted(self) -> FloatArray:
        """Places along the line in shares of its length, low face first."""
        return (self.coordinates[self._order] - self.bounds[0][0]) / self.lengths[0]

    @cached_property
    def _series(self) -> Series:
        return read_series(self._sorted)

    @cached_property
    def _powers(self) -> Powers:
        return Powers.of(self._series, self._sorted)

    @cached_property
    def _firsts(self) -> IntArray:
        """Number along the line of the first point of each stretch."""
        places = np.flatnonzero(np.diff(self._series.stretch, prepend=-1))
        return self._series.starts[places]

    @cached_property
    def _blocks_by_limit(self) -> dict[int, IntArray]:
        return {}

    def _blocks(self, limit: int) -> IntArray:
        """Number along the line of the first point of each block."""
        known = self._blocks_by_limit
        if limit not in known:
            size = len(self.coordinates)
            firsts = self._firsts if len(self._firsts) <= limit else np.zeros(1, dtype=np.intp)
            lengths = np.diff(np.append(firsts, size))
            block = -(-size // limit)
            while np.sum(-(-lengths // block)) > limit:
                block += 1
            starts = [np.arange(first, first + length, block) for first, length in zip(firsts, lengths, strict=True)]
            known[limit] = np.concatenate(starts)
        return known[limit]

    def _by_cell(self, field: FloatArray) -> FloatArray:
        """Value on each cell, low face first."""
        return self._series.by_cell(field[self._order])

    @cached_property
    def _windows_by_width(self) -> dict[float, Windows]:
        return {}

    def _windows(self, width: float) -> Windows:
        known = self._windows_by_width
        if width not in known:
            if len(known) >= 8:  # a target asks for three
                known.clear()
            known[width] = self._windows_about_points(width / self.lengths[0])
        return known[width]

    def _windows_about_points(self, width: float) -> Windows:
        series = self._series
        stretch = np.empty(len(self.coordinates), dtype=np.intp)
        stretch[self._order] = np.repeat(series.stretch, series.counts)
        places = np.empty(len(self.coordinates))
        places[self._order] = self._sorted
        shift = series.shift[stretch]
        low, high = series.low[stretch] - shift, series.high[stretch] - shift
        return windows_about(series.edges, places - shift, width, low, high)


def _check_coordinates(coordinates: FloatArray) -> None:
    if coordinates.ndim != 1:
        raise ValueError(
            f"coordinates of shape {coordinates.shape} are not of shape (N,): give one number per point, of points "
            "with a single column points[:, 0]"
        )
    if coordinates.size < 4:
        raise ValueError(
            f"{coordinates.size} points are too few: a cycle along the axis needs at least 4, and one of k cycles 4 k"
        )
    bad = np.flatnonzero(~np.isfinite(coordinates))
    if bad.size:
        raise ValueError(
            f"{bad.size} of {coordinates.size} coordinates are not finite, the first is number {bad[0]}: leave these "
            "points out"
        )
