"""Where the points lie: what every measure needs to know of them, and nothing of what is measured.

A measure is written once against :class:`Geometry`; :class:`Grid` is the midpoint tensor grid on a box.
Points are numbered in C order; a *field* is one float per point, shape ``(N,)``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


class Geometry(ABC):
    """Points in a box with named axes, and the operations on fields over them.

    Attributes
    ----------
    bounds : tuple of (low, high) per axis, in the user's units.
    axes : tuple of axis names.
    """

    bounds: tuple[tuple[float, float], ...]
    axes: tuple[str, ...]

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
        return tuple(f"{axis}_{side}" for axis in self.axes for side in ("min", "max"))

    @property
    @abstractmethod
    def points(self) -> FloatArray:
        """Coordinates, shape ``(N, d)``."""

    @property
    @abstractmethod
    def frequencies(self) -> FloatArray:
        """Frequencies of :meth:`power`, shape ``(M, d)``: non-negative cycles per box length; row 0 is the mean."""

    @abstractmethod
    def power(self, field: FloatArray) -> FloatArray:
        """Power of a field at :attr:`frequencies`, shape ``(M,)``."""

    @abstractmethod
    def moving_mean(self, field: FloatArray, window: tuple[float, ...]) -> FloatArray:
        """Mean over the part of a window (full width per axis, in the axis' units) that lies inside the box."""

    @abstractmethod
    def components(self, mask: BoolArray) -> IntArray:
        """Label of the connected component of each point in ``mask``, 1, 2, ...; 0 outside."""

    @abstractmethod
    def lines(self, axis: int) -> IntArray:
        """Return the indices of the points on each line along an axis, shape ``(lines, points)``, low face first."""

    @abstractmethod
    def coarsen(self, field: FloatArray, limit: int = 1024) -> FloatArray:
        """Field on at most ``limit`` cells: block means; the field itself where it is small enough."""

    @abstractmethod
    def coarse_shape(self, limit: int = 1024) -> tuple[int, ...]:
        """Cells per axis of what :meth:`coarsen` returns."""


@dataclass(frozen=True)
class Grid(Geometry):
    """Cell-centred (midpoint) tensor grid on a box, C order, ``ij`` indexing.

    Parameters
    ----------
    bounds : (low, high) per axis, finite, low < high.
    shape : cells per axis.
    axes : names of the axes.

    Examples
    --------
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(4,), axes=("x",))
    >>> grid.points.ravel().tolist()
    [0.125, 0.375, 0.625, 0.875]
    >>> grid.faces
    ('x_min', 'x_max')
    """

    bounds: tuple[tuple[float, float], ...]
    shape: tuple[int, ...]
    axes: tuple[str, ...]

    @cached_property
    def points(self) -> FloatArray:
        """Coordinates of the cell centres, shape ``(N, d)``."""
        centres = [
            low + (np.arange(cells) + 0.5) * ((high - low) / cells)
            for (low, high), cells in zip(self.bounds, self.shape, strict=True)
        ]
        return np.stack([c.ravel() for c in np.meshgrid(*centres, indexing="ij")], axis=-1)

    @cached_property
    def frequencies(self) -> FloatArray:
        """Frequencies of the DFT's bins, shape ``(M, d)``, in cycles per box length."""
        bins = [np.abs(np.fft.fftfreq(n, 1 / n)) for n in self.shape[:-1]] + [
            np.fft.rfftfreq(self.shape[-1], 1 / self.shape[-1])
        ]
        return np.stack([b.ravel() for b in np.meshgrid(*bins, indexing="ij")], axis=-1)

    def power(self, field: FloatArray) -> FloatArray:
        """Power of each bin of the unwindowed DFT; the sum over bins is ``mean(field**2)`` (Parseval).

        Examples
        --------
        >>> grid = Grid(bounds=((0.0, 1.0),), shape=(8,), axes=("x",))
        >>> grid.power(np.cos(2 * np.pi * grid.points[:, 0])).round(12).tolist()
        [0.0, 0.5, 0.0, 0.0, 0.0]
        """
        coefficients = np.fft.rfftn(field.reshape(self.shape)) / field.size
        power = coefficients.real**2 + coefficients.imag**2
        # rfftn leaves out the mirrored half of the last axis: all of it but the mean and, for even n, the last bin
        power[..., 1 : (self.shape[-1] + 1) // 2] *= 2
        return power.ravel()

    def moving_mean(self, field: FloatArray, window: tuple[float, ...]) -> FloatArray:
        """Exact mean of the cell-wise constant field over the window, cut off at the box.

        Examples
        --------
        >>> grid = Grid(bounds=((0.0, 1.0),), shape=(4,), axes=("x",))
        >>> grid.moving_mean(np.array([0.0, 0.0, 4.0, 4.0]), (0.5,)).tolist()
        [0.0, 1.0, 3.0, 4.0]
        """
        means = field.reshape(self.shape)
        for axis, (cells, width, length) in enumerate(zip(self.shape, window, self.lengths, strict=True)):
            means = _moving_mean(means, axis, width * cells / length)
        return means.reshape(-1)

    def components(self, mask: BoolArray) -> IntArray:
        """Label face-connected components."""
        labels, _ = ndimage.label(mask.reshape(self.shape))
        return np.asarray(labels, dtype=np.intp).ravel()

    def lines(self, axis: int) -> IntArray:
        """Grid lines along an axis, shape ``(N / n, n)``."""
        return _lines(self.shape, axis)

    def coarsen(self, field: FloatArray, limit: int = 1024) -> FloatArray:
        """Block means over cubes of cells, as small as ``limit`` permits.

        Examples
        --------
        >>> grid = Grid(bounds=((0.0, 1.0),), shape=(6,), axes=("x",))
        >>> grid.coarsen(np.arange(6.0), limit=3).tolist()
        [0.5, 2.5, 4.5]
        """
        block = self._block(limit)
        means = field.reshape(self.shape)
        if block > 1:
            for axis, cells in enumerate(self.shape):
                starts = np.arange(0, cells, block)
                counts = np.diff(np.append(starts, cells)).reshape([-1 if a == axis else 1 for a in range(means.ndim)])
                means = np.add.reduceat(means, starts, axis=axis) / counts
        return means.reshape(-1)

    def coarse_shape(self, limit: int = 1024) -> tuple[int, ...]:
        """Shape of the grid of blocks that :meth:`coarsen` returns."""
        block = self._block(limit)
        return tuple(-(-cells // block) for cells in self.shape)

    def _block(self, limit: int) -> int:
        block = 1
        while math.prod(-(-cells // block) for cells in self.shape) > limit:
            block += 1
        return block


@lru_cache(maxsize=64)
def _lines(shape: tuple[int, ...], axis: int) -> IntArray:
    numbers = np.arange(math.prod(shape), dtype=np.intp).reshape(shape)
    lines = np.moveaxis(numbers, axis, -1).reshape(-1, shape[axis])
    lines.setflags(write=False)  # the cache hands out one array
    return lines


@lru_cache(maxsize=64)
def _window(cells: int, width: float) -> tuple[IntArray, FloatArray, IntArray, FloatArray, FloatArray]:
    """Cell and fraction within it where each window begins and ends, and its width, in units of a cell."""
    centres = np.arange(cells) + 0.5
    begin = np.maximum(centres - width / 2, 0.0)
    end = np.minimum(centres + width / 2, float(cells))
    first = np.minimum(begin.astype(np.intp), cells - 1)
    last = np.minimum(end.astype(np.intp), cells - 1)
    return first, begin - first, last, end - last, end - begin


def _moving_mean(values: FloatArray, axis: int, width: float) -> FloatArray:
    if width <= 1.0:  # a window inside one cell
        return values
    moved = np.moveaxis(values, axis, -1)
    first, first_part, last, last_part, widths = _window(moved.shape[-1], width)
    integral = np.zeros((*moved.shape[:-1], moved.shape[-1] + 1))
    np.cumsum(moved, axis=-1, out=integral[..., 1:])
    upper = integral[..., last] + last_part * moved[..., last]
    lower = integral[..., first] + first_part * moved[..., first]
    return np.moveaxis((upper - lower) / widths, -1, axis)
