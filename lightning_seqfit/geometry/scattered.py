"""Points anywhere along one axis."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg

from lightning_seqfit.geometry.base import MOST_CELLS, BoolArray, FloatArray, Geometry, IntArray, nearest_stride
from lightning_seqfit.geometry.grid import Grid
from lightning_seqfit.geometry.windows import Windows, window_means, windows_about

#: Highest frequency that is fitted to scattered points.
HIGHEST_FREQUENCY = 256
#: Condition number of that fit which is still accepted. In the spectrum of 512 points drawn at random, noise then has
#: up to four times its power; at 100 up to 36 times, and 6.5 cycles with a tenth of noise have the wavelength of 31.
MOST_CONDITION = 20.0


@dataclass(frozen=True, eq=False)
class Scattered(Geometry):
    r"""Points anywhere along one axis, in any order.

    Everything along the line is done in the order of the coordinates, and comes back in the order of the points.

    A field is taken to be constant on the *cell* of each place where points lie: the stretch that is nearer to it than
    to any other place, cut off at the bounds. Points that coincide share a cell, which holds their mean. On points of a
    midpoint grid all this is what :class:`Grid` does.

    Frequencies are those of least-squares harmonics, fitted together,

        field(t) ~ a_0 + sum over k = 1, ..., K of a_k cos(2 pi k t) + b_k sin(2 pi k t),   t = (x - low) / length.

    K begins at a quarter of the number of points, at most 256, and is halved until the condition number of this fit is
    at most 20. Of any field that is a sum of such harmonics they are all exact. What a field holds beyond K reaches
    them as noise does, spread over all of them, and more of it the larger the condition number is.

    Parameters
    ----------
    coordinates : of the N points, at least 4, finite, shape ``(N,)``; a read-only copy is kept.
    bounds : one (low, high), finite, low < high, around all coordinates. :meth:`spanning` finds it.
    axes : name of the axis.

    Raises
    ------
    ValueError
        If an argument is not as above, or not even K = 1 can be fitted: the message says which gap is to blame.

    Examples
    --------
    >>> points = Scattered(coordinates=np.array([0.9, 0.1, 0.2, 0.5]), bounds=((0.0, 1.0),), axes=("x",))
    >>> points.points.ravel().tolist(), points.lines(0).tolist()
    ([0.9, 0.1, 0.2, 0.5], [[1, 2, 3, 0]])
    >>> points.highest_frequency
    1
    """

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
        one_cycle = _harmonic_design(self._sorted, 1)
        if _condition(one_cycle.T @ one_cycle) > MOST_CONDITION:
            raise ValueError(self._hopeless())

    @classmethod
    def spanning(cls, coordinates: ArrayLike, axes: tuple[str, ...] = ("x",)) -> Scattered:
        """Points with the bounds that they themselves suggest: half a mean spacing beyond the outermost ones.

        Of the points of a midpoint grid these are the bounds of the grid.

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
        half = (high - low) / (values.size - 1) / 2
        return cls(coordinates=values, bounds=((low - half, high + half),), axes=axes)

    @property
    def points(self) -> FloatArray:
        """Coordinates in the order in which they were given, shape ``(N, 1)``, read-only."""
        return self.coordinates[:, np.newaxis]

    @cached_property
    def frequencies(self) -> FloatArray:
        """Frequencies 0, 1, ..., K of the harmonics, shape ``(K + 1, 1)``, in cycles per length."""
        return np.arange(self.highest_frequency + 1, dtype=np.float64)[:, np.newaxis]

    @property
    def highest_frequency(self) -> int:
        """K, the highest frequency that the points can tell from the lower ones."""
        return len(self._harmonics.fit) // 2

    @property
    def condition(self) -> float:
        """Condition number of the fit of all harmonics up to K, each of unit mean square; 1: as good as a grid."""
        return self._harmonics.condition

    def power(self, field: FloatArray) -> FloatArray:
        """Power of each harmonic: (a_k^2 + b_k^2) / 2, and of frequency 0 the constant squared.

        The sum over frequencies need not be ``mean(field**2)``: a field can hold more than K harmonics, and between
        scattered points harmonics are not orthogonal. A trend is no harmonic: take it out before.

        Examples
        --------
        >>> points = Scattered.spanning(np.random.default_rng(0).random(64))
        >>> low, high = points.bounds[0]
        >>> t = (points.coordinates - low) / (high - low)
        >>> points.power(3.0 + 2.0 * np.cos(4 * np.pi * t + 1.0)).round(9)[:4].tolist()
        [9.0, 0.0, 2.0, 0.0]
        """
        coefficients = self._harmonics.fit @ field[self._order]
        power = np.empty(self.highest_frequency + 1)
        power[0] = coefficients[0] ** 2
        power[1:] = coefficients[1::2] ** 2 + coefficients[2::2] ** 2
        return power

    def told(self, field: FloatArray) -> float:
        """Share of a field of mean 0 that the harmonics up to K explain, at most 1.

        The adjusted coefficient of determination: near 0 for what they explain by their number alone.
        """
        size, columns = len(field), len(self._harmonics.fit)
        sorted_field = field[self._order]
        harmonics = math.sqrt(size) * _harmonic_design(self._sorted, self.highest_frequency)
        fitted = harmonics @ (self._harmonics.fit @ sorted_field)
        left = float(np.mean((sorted_field - fitted) ** 2) / np.mean(field**2))
        return 1.0 - left * (size - 1) / max(size - columns, 1)

    def mean(self, field: FloatArray) -> float:
        """Mean over the line of the cell-wise constant field; where points are dense, each of them weighs less.

        Examples
        --------
        >>> points = Scattered(coordinates=np.array([0.1, 0.2, 0.3, 0.9]), bounds=((0.0, 1.0),))
        >>> round(points.mean(points.coordinates), 9), round(float(np.mean(points.coordinates)), 9)
        (0.5, 0.375)
        """
        return float(self._by_cell(field) @ self._cells.lengths)

    def moving_mean(self, field: FloatArray, window: tuple[float, ...]) -> FloatArray:
        """Exact mean of the cell-wise constant field over the window about each point, cut off at the bounds.

        Examples
        --------
        The cells of 1, 2 and 5 in [0, 6] are [0, 1.5], [1.5, 3.5] and [3.5, 6]; two points share the last:

        >>> points = Scattered(coordinates=np.array([5.0, 1.0, 2.0, 5.0]), bounds=((0.0, 6.0),))
        >>> points.moving_mean(np.array([8.0, 0.0, 0.0, 0.0]), (6.0,)).round(9).tolist()
        [2.5, 0.5, 1.2, 2.5]
        """
        values = self._by_cell(field)
        means = window_means(values, values * self._cells.lengths, self._windows(window[0]))
        # a mean lies between the extremes; so a constant stays exactly itself and the mean of a mask is a share
        return np.clip(means, values.min(), values.max(), out=means)

    def components(self, mask: BoolArray) -> IntArray:
        """Label the runs of points in ``mask`` along the line."""
        labels = np.empty(len(mask), dtype=np.intp)
        labels[self._order] = self._ranked.components(mask[self._order])
        return labels

    def lines(self, axis: int) -> IntArray:
        """Return the one line: the points by coordinate, shape ``(1, N)``. Those that coincide keep their order."""
        if axis != 0:
            raise IndexError(f"axis {axis} does not exist: scattered points have the single axis 0 ({self.axes[0]})")
        return self._order[np.newaxis]

    def coarsen(self, field: FloatArray, limit: int = MOST_CELLS) -> FloatArray:
        """Means over blocks of neighbours along the line, from the low end on: as the points lie, not as they came.

        Examples
        --------
        >>> points = Scattered.spanning([6.0, 5.0, 4.0, 3.0, 2.0, 1.0])
        >>> points.coarsen(points.coordinates).tolist(), points.coarsen(points.coordinates, limit=3).tolist()
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.5, 3.5, 5.5])
        """
        return self._ranked.coarsen(field[self._order], limit)

    def thinned(self, count: int) -> tuple[Geometry, IntArray]:
        """Every k-th point along the line, in the order of the line."""
        chosen = self._order[:: nearest_stride(self._order.shape, count)]
        return Scattered(self.coordinates[chosen], self.bounds, self.axes), chosen

    def coarse_shape(self, limit: int = MOST_CELLS) -> tuple[int, ...]:
        """Number of blocks that :meth:`coarsen` returns."""
        return self._ranked.coarse_shape(limit)

    @cached_property
    def _order(self) -> IntArray:
        order = np.argsort(self.coordinates, kind="stable")
        order.setflags(write=False)
        return order

    @property
    def _ranked(self) -> Grid:
        """The points as equally spaced, along the line: what depends on their order alone is the grid's."""
        return Grid(bounds=self.bounds, shape=self.coordinates.shape, axes=self.axes)

    @cached_property
    def _sorted(self) -> FloatArray:
        """Places along the line in shares of its length, low face first."""
        return self._shares[self._order]

    @cached_property
    def _shares(self) -> FloatArray:
        return (self.coordinates - self.bounds[0][0]) / self.lengths[0]

    @cached_property
    def _cells(self) -> _Cells:
        starts = np.flatnonzero(np.diff(self._sorted, prepend=-1.0) > 0)
        places = self._sorted[starts]
        edges = np.concatenate([[0.0], (places[1:] + places[:-1]) / 2, [1.0]])
        counts = np.diff(np.append(starts, len(self._sorted)))
        return _Cells(starts=starts, counts=counts, edges=edges, lengths=np.diff(edges))

    def _by_cell(self, field: FloatArray) -> FloatArray:
        """Value on each cell, low face first."""
        values: FloatArray = field[self._order]
        if len(self._cells.starts) < len(values):
            values = np.add.reduceat(values, self._cells.starts) / self._cells.counts
        return values

    @cached_property
    def _windows_by_width(self) -> dict[float, Windows]:
        return {}

    def _windows(self, width: float) -> Windows:
        known = self._windows_by_width
        if width not in known:
            if len(known) >= 16:  # a target asks for three
                known.clear()
            known[width] = windows_about(self._cells.edges, self._shares, width / self.lengths[0])
        return known[width]

    @cached_property
    def _harmonics(self) -> _Harmonics:
        highest = min(len(self.coordinates) // 4, HIGHEST_FREQUENCY)
        design = _harmonic_design(self._sorted, highest)
        gram = design.T @ design  # of fewer harmonics: its upper left corner
        # K = 1 has passed at construction
        while (condition := _condition(gram[: 2 * highest + 1, : 2 * highest + 1])) > MOST_CONDITION and highest > 1:
            highest //= 2
        columns = 2 * highest + 1
        # Normal equations square the condition number, which is small: they lose four digits, and QR takes ten times
        # as long.
        fit = linalg.cho_solve(linalg.cho_factor(gram[:columns, :columns]), design[:, :columns].T)
        return _Harmonics(fit=np.ascontiguousarray(fit) / math.sqrt(len(self.coordinates)), condition=condition)

    def _hopeless(self) -> str:
        (low, high), axis = self.bounds[0], self.axes[0]
        ends = np.concatenate([[low], self.coordinates[self._order], [high]])
        widest = int(np.argmax(np.diff(ends)))
        start, stop = float(ends[widest]), float(ends[widest + 1])
        return (
            f"the widest gap between the {len(self.coordinates)} points, from {axis} = {start:.6g} to {stop:.6g}, is "
            f"{(stop - start) / (high - low):.0%} of the axis from {low:.6g} to {high:.6g}: not even one cycle along "
            f"it can be told from a constant; give points inside the gap, or look at one side of it alone"
        )


class _Cells(NamedTuple):
    """Stretch around each place where points lie, in shares of the line: first point there, points, edges, length."""

    starts: IntArray
    counts: IntArray
    edges: FloatArray
    lengths: FloatArray


class _Harmonics(NamedTuple):
    """Matrix ``(2 K + 1, N)`` that fits a sorted field: coefficients of 1, then sqrt(2) cos and sin of each k."""

    fit: FloatArray
    condition: float


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


def _harmonic_design(places: FloatArray, highest: int) -> FloatArray:
    """Columns 1, then cos and sin of each frequency, orthonormal on a midpoint grid; shape ``(N, 2 highest + 1)``."""
    phases = 2 * np.pi * np.outer(places, np.arange(1, highest + 1))
    design = np.empty((len(places), 2 * highest + 1))
    design[:, 0] = 1.0
    design[:, 1::2] = math.sqrt(2) * np.cos(phases)
    design[:, 2::2] = math.sqrt(2) * np.sin(phases)
    return design / math.sqrt(len(places))


def _condition(gram: FloatArray) -> float:
    """Condition number of a design from its Gram matrix."""
    eigenvalues = np.linalg.eigvalsh(gram)
    return math.sqrt(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0 else math.inf
