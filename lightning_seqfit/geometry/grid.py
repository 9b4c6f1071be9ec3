"""The midpoint tensor grid on a box."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import ClassVar

import numpy as np
from scipy import ndimage

from lightning_seqfit.geometry.base import MOST_CELLS, BoolArray, FloatArray, Geometry, IntArray, nearest_stride
from lightning_seqfit.geometry.windows import Windows, window_means, windows_about


@dataclass(frozen=True)
class Grid(Geometry):
    """Tensor grid of equal cells with their centres as points, C order, ``ij`` indexing.

    Parameters
    ----------
    bounds : (low, high) per axis, finite, low < high.
    shape : cells per axis; with ``ends`` at least two.
    axes : names of the axes.
    ends : the outermost points lie on the bounds, as ``linspace`` makes them, and the outermost cells reach half a cell
        beyond. :attr:`lengths` is then that of all cells, ``n / (n - 1)`` times what lies between the bounds, and so
        are the cycles per box length of :attr:`frequencies`; wavelengths in the axis' units stay what they are.

    Examples
    --------
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(4,), axes=("x",))
    >>> grid.points.ravel().tolist()
    [0.125, 0.375, 0.625, 0.875]
    >>> grid.faces
    ('x_min', 'x_max')
    >>> Grid(bounds=((0.0, 1.0),), shape=(5,), axes=("x",), ends=True).points.ravel().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """

    kind: ClassVar[str] = "grid"
    bounds: tuple[tuple[float, float], ...]
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    ends: bool = False

    @property
    def lengths(self) -> tuple[float, ...]:
        """Length of all cells together along each axis."""
        between = super().lengths
        if not self.ends:
            return between
        return tuple(length * (cells / (cells - 1)) for length, cells in zip(between, self.shape, strict=True))

    @cached_property
    def points(self) -> FloatArray:
        """Coordinates of the cell centres, shape ``(N, d)``."""
        centres = [
            cell_centres(low, high, cells, ends=self.ends)
            for (low, high), cells in zip(self.bounds, self.shape, strict=True)
        ]
        return np.stack([c.ravel() for c in np.meshgrid(*centres, indexing="ij")], axis=-1)

    @property
    def lattice(self) -> Grid:
        """The grid itself."""
        return self

    def conventions(self) -> dict[str, Geometry]:
        """As many points where ``linspace`` puts them, with its ``endpoint`` and without; none where they are."""
        if self.ends:
            return {}
        shifted = tuple(
            (low - (high - low) / (2 * cells), high - (high - low) / (2 * cells))
            for (low, high), cells in zip(self.bounds, self.shape, strict=True)
        )
        said = ", ".join(f"({low:.8g}, {high:.8g})" for low, high in shifted)
        return {"ends=True": replace(self, ends=True), f"bounds=[{said}]": replace(self, bounds=shifted)}

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
        transform = np.fft.rfft if len(self.shape) == 1 else np.fft.rfftn
        coefficients = transform(field.reshape(self.shape)) / field.size
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
        if len(self.shape) == 1:  # runs: a tenth of the time
            begins = mask.copy()
            begins[1:] &= ~mask[:-1]
            return np.cumsum(begins, dtype=np.intp) * mask
        labels, _ = ndimage.label(mask.reshape(self.shape))
        return np.asarray(labels, dtype=np.intp).ravel()

    def lines(self, axis: int) -> IntArray:
        """Grid lines along an axis, shape ``(N / n, n)``."""
        return _lines(self.shape, axis)

    def coarsen(self, field: FloatArray, limit: int = MOST_CELLS) -> FloatArray:
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
                counts = np.minimum(cells - starts, block).reshape([-1 if a == axis else 1 for a in range(means.ndim)])
                means = np.add.reduceat(means, starts, axis=axis) / counts
        return means.reshape(-1)

    def thinned(self, count: int) -> tuple[Geometry, IntArray]:
        """Every k-th point along each axis; see :func:`nearest_stride`.

        Examples
        --------
        >>> grid = Grid(bounds=((0.0, 1.0),), shape=(8,), axes=("x",))
        >>> fewer, numbers = grid.thinned(4)
        >>> fewer.points.ravel().tolist(), numbers.tolist()
        ([0.0625, 0.3125, 0.5625, 0.8125], [0, 2, 4, 6])
        """
        block = nearest_stride(self.shape, count)
        numbers = np.arange(math.prod(self.shape), dtype=np.intp).reshape(self.shape)
        chosen = numbers[tuple(slice(None, None, block) for _ in self.shape)]
        bounds = []
        for (low, _), length, cells, kept in zip(self.bounds, self.lengths, self.shape, chosen.shape, strict=True):
            cell = length / cells
            start = low + (0.0 if self.ends else cell / 2) - block * cell / 2  # the first centre stays where it is
            bounds.append((start, start + kept * block * cell))
        return Grid(bounds=tuple(bounds), shape=chosen.shape, axes=self.axes), chosen.ravel()

    def coarse_shape(self, limit: int = MOST_CELLS) -> tuple[int, ...]:
        """Shape of the grid of blocks that :meth:`coarsen` returns."""
        block = self._block(limit)
        return tuple(-(-cells // block) for cells in self.shape)

    def _block(self, limit: int) -> int:
        block = 1
        while math.prod(-(-cells // block) for cells in self.shape) > limit:
            block += 1
        return block


def cell_centres(low: float, high: float, cells: int, *, ends: bool = False) -> FloatArray:
    """Centres of equal cells between two bounds, or with the outermost ones on them, shape ``(cells,)``.

    Examples
    --------
    >>> cell_centres(0.0, 1.0, 4).tolist(), cell_centres(0.0, 1.0, 5, ends=True).tolist()
    ([0.125, 0.375, 0.625, 0.875], [0.0, 0.25, 0.5, 0.75, 1.0])
    """
    centres = np.linspace(low, high, cells) if ends else low + (np.arange(cells) + 0.5) * ((high - low) / cells)
    return centres.astype(np.float64, copy=False)


@lru_cache(maxsize=64)
def _lines(shape: tuple[int, ...], axis: int) -> IntArray:
    numbers = np.arange(math.prod(shape), dtype=np.intp).reshape(shape)
    lines = np.moveaxis(numbers, axis, -1).reshape(-1, shape[axis])
    lines.setflags(write=False)  # the cache hands out one array
    return lines


@lru_cache(maxsize=64)
def _windows_of(cells: int, width: float) -> Windows:
    """Windows about the centres of equal cells, in units of a cell."""
    edges = np.arange(cells + 1, dtype=np.float64)
    return windows_about(edges, edges[:-1] + 0.5, width)


def _moving_mean(values: FloatArray, axis: int, width: float) -> FloatArray:
    if width <= 1.0:  # a window inside one cell
        return values
    if values.ndim == 1:
        return window_means(values, values, _windows_of(len(values), width))
    moved = np.moveaxis(values, axis, -1)
    means = window_means(moved, moved, _windows_of(moved.shape[-1], width))
    return np.moveaxis(means, -1, axis)
