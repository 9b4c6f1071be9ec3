"""What a measure asks of a geometry."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lightning_seqfit.geometry.grid import Grid

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]

#: The domain's own edge, as a face.
BOUNDARY = "boundary"
#: Axes of a domain with lines and faces, at the most.
MOST_AXES = 3
#: Cells on which a field is recorded at each look, at the most.
MOST_CELLS = 1024


def faces_of_box(axes: Sequence[str]) -> tuple[str, ...]:
    """Names of the faces of a box, by those of its axes.

    Examples
    --------
    >>> faces_of_box(["x", "t"])
    ('x_min', 'x_max', 't_min', 't_max')
    """
    return tuple(f"{axis}_{side}" for axis in axes for side in ("min", "max"))


class Edge(NamedTuple):
    """The domain's own edge, where that is not the box's.

    distance : of each point from it, in box lengths, shape ``(N,)``.
    order : the points by the place of the edge that is nearest to them, then by distance, shape ``(N,)``.
    starts : where in ``order`` each such place begins.
    """

    distance: FloatArray
    order: IntArray
    starts: IntArray


class Geometry(ABC):
    """Points in a box with named axes, and the operations on fields over them.

    Attributes
    ----------
    bounds : tuple of (low, high) per axis, in the user's units.
    axes : tuple of axis names.
    kind : what the points are, as it stands in a record.
    shape : points along each axis; None: they are no lattice.
    """

    kind: ClassVar[str]
    shape: tuple[int, ...] | None
    bounds: tuple[tuple[float, float], ...]
    axes: tuple[str, ...]
    #: None: the domain is the box.
    edge: Edge | None = None

    @property
    def dimension(self) -> int:
        """Number of axes."""
        return len(self.bounds)

    @property
    def lengths(self) -> tuple[float, ...]:
        """Length of the box along each axis."""
        return tuple(high - low for low, high in self.bounds)

    @property
    def faces(self) -> tuple[str, ...]:
        """Names of the box's faces: ``x_min``, ``x_max``, ``y_min``, ..."""
        return faces_of_box(self.axes)

    @property
    @abstractmethod
    def points(self) -> FloatArray:
        """Coordinates, shape ``(N, d)``."""

    @property
    def asked(self) -> FloatArray:
        """Where a module is asked, shape ``(P, d)``; by default at :attr:`points`."""
        return self.points

    def lay(self, values: FloatArray) -> FloatArray:
        """Return a field, shape ``(N,)``, of what is known where a module is asked, shape ``(P,)``."""
        return values

    def rows(self, numbers: IntArray) -> IntArray:
        """Where in :attr:`asked` the values at some of the points are from."""
        return numbers

    def places(self, axis: int) -> FloatArray:
        """Coordinates along an axis at which a module is asked."""
        places: FloatArray = self.points[self.lines(axis)[0], axis]
        return places

    @property
    def has_lines(self) -> bool:
        """Whether there are lines along the axes, and so faces and frequencies."""
        return True

    @property
    @abstractmethod
    def frequencies(self) -> FloatArray:
        """Frequencies of :meth:`power`, shape ``(M, d)``: non-negative cycles per box length; row 0 is the mean."""

    @abstractmethod
    def power(self, field: FloatArray) -> FloatArray:
        """Power of a field at :attr:`frequencies`, shape ``(M,)``; a new array.

        They add up to the mean square where :attr:`complete`; elsewhere what is missing is at no frequency that the
        points can tell.
        """

    def mean(self, field: FloatArray) -> float:
        """Mean over the box, :meth:`moving_mean` over a window that covers it; here: points are equally spaced."""
        return float(np.mean(field))

    @abstractmethod
    def moving_mean(self, field: FloatArray, window: tuple[float, ...]) -> FloatArray:
        """Mean over the part of a window (full width per axis, in the axis' units) that lies inside the box."""

    @abstractmethod
    def components(self, mask: BoolArray) -> IntArray:
        """Label of the connected component of each point in ``mask``, 1, 2, ...; 0 outside."""

    @abstractmethod
    def lines(self, axis: int) -> IntArray:
        """Return the indices of the points on each line along an axis, shape ``(lines, points)``, low face first.

        -1: there is none at this place of the line.
        """

    def segments(self, axis: int) -> list[IntArray]:
        """Return the points of each unbroken stretch along each line, low face first; by default every line is one."""
        return list(self.lines(axis))

    def independent(self, window: tuple[float, ...]) -> FloatArray:
        """How many equal and independent values give as good a mean as those in a window about each point, ``(N,)``.

        At least 1. On a grid the number of points in the window; of uneven points fewer, since some weigh less.

        Parameters
        ----------
        window : full width per axis, in the axis' units.
        """
        count = np.ones(len(self.points))
        for axis, width in enumerate(window):
            lines = self.lines(axis)
            count[lines] *= _as_even(self.points[lines[0], axis], width)
        return count

    def room(self, window: tuple[float, ...]) -> BoolArray:
        """Whether no window about a point is cut off, shape ``(N,)``; in a stretch shorter than a window, its middle.

        Parameters
        ----------
        window : full width per axis, in the axis' units.
        """
        room = np.ones(len(self.points), dtype=bool)
        for axis, width in enumerate(window):
            for stretch in self.segments(axis):
                places = self.points[stretch, axis]
                length = float(places[-1] - places[0])
                half = length / max(len(places) - 1, 1) / 2  # of a cell
                reach = min(width, length + 2 * half) / 2 * (1 - 1e-9) - half
                inside = (places - places[0] >= reach) & (places[-1] - places >= reach)
                if not inside.any():  # between uneven points there may be none in the very middle
                    inside[len(places) // 2] = True
                room[stretch] &= inside
        return room

    @cached_property
    def weights(self) -> FloatArray:
        """Share of each point in :meth:`mean`, shape ``(N,)``; they add up to 1."""
        size = len(self.points)
        return np.full(size, 1.0 / size)

    @property
    def complete(self) -> bool:
        """Whether the powers of any field add up to its mean square."""
        return True

    @property
    def resolution(self) -> float:
        """Cycles per box length that two frequencies must lie apart to be told; more than 1 where there are gaps."""
        return 1.0

    @property
    def notes(self) -> list[str]:
        """What a reader of the measures must know of the points."""
        return []

    @abstractmethod
    def coarsen(self, field: FloatArray, limit: int = MOST_CELLS) -> FloatArray:
        """Field on at most ``limit`` cells: block means; every value where they are few enough. Low face first."""

    @property
    def lattice(self) -> Grid | None:
        """The same as a grid, of which others with more cells can be made; None: the points lie anywhere."""
        return None

    @property
    def covered(self) -> float:
        """Share of the box that is not in a gap."""
        return 1.0

    @property
    def even(self) -> bool:
        """Whether neighbours are equally far from each other."""
        return True

    def thinned(self, count: int) -> tuple[Geometry, IntArray]:
        """Evenly chosen points, about ``count``, as a geometry of their own, and their numbers here; by default all."""
        return self, np.arange(len(self.points))

    def conventions(self) -> dict[str, Geometry]:
        """As many points where other conventions place them, by what to pass to a probe for it; none by default."""
        return {}

    @abstractmethod
    def coarse_shape(self, limit: int = MOST_CELLS) -> tuple[int, ...]:
        """Cells per axis of what :meth:`coarsen` returns, those without a point among them."""

    def coarse_inside(self, limit: int = MOST_CELLS) -> BoolArray | None:
        """Which of these have a point and are in what :meth:`coarsen` returns, shape ``(cells,)``; None: all."""
        return None

    def centres(self, limit: int = MOST_CELLS) -> FloatArray:
        """Where the cells of :meth:`coarsen` lie, shape ``(cells, d)``."""
        return np.stack([self.coarsen(column, limit) for column in self.points.T], axis=-1)


def _as_even(places: FloatArray, width: float) -> FloatArray:
    """How many even points give as good a mean over a window about each place along a line."""
    middles = (places[1:] + places[:-1]) / 2
    lengths = np.diff(np.concatenate(([places[0]], middles, [places[-1]])))
    # the cells beside a gap, and at both ends, are no longer than the others
    lengths = np.minimum(lengths, 3 * float(np.mean(lengths)))
    lengths[[0, -1]] *= 2
    reach = width / 2 * (1 + 1e-9)
    first, last = np.searchsorted(places, places - reach), np.searchsorted(places, places + reach, side="right")
    sums, squares = (np.concatenate(([0.0], np.cumsum(lengths**power))) for power in (1, 2))
    spread = squares[last] - squares[first]
    count = (sums[last] - sums[first]) ** 2 / np.where(spread > 0.0, spread, 1.0)
    return np.maximum(np.where(spread > 0.0, count, 1.0), 1.0)


def nearest_stride(shape: tuple[int, ...], count: int) -> int:
    """Stride along each axis that leaves a number of points whose ratio to ``count`` is nearest 1, the smaller of two.

    Examples
    --------
    >>> [nearest_stride((cells,), 512) for cells in (512, 526, 724, 725, 4096)]
    [1, 1, 1, 2, 8]
    >>> nearest_stride((96, 96), 48**2)
    2
    """

    def left(stride: int) -> int:
        return math.prod(-(-cells // stride) for cells in shape)

    stride = 1
    while left(stride) * left(stride + 1) > count**2:
        stride += 1
    return stride
