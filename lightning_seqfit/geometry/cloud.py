"""Points in more than three dimensions: no lines, no faces and no frequencies; a point has neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from lightning_seqfit.geometry.base import MOST_CELLS, BoolArray, FloatArray, Geometry, IntArray

#: Points over which a mean is taken, the point itself among them.
NEIGHBOURS = 16
#: Neighbours are looked for along so many principal directions at the most, of up to so many points and of more: in
#: more directions a search compares nearly all pairs, and of so few points no pair is near.
DIRECTIONS, DIRECTIONS_OF_MANY, MANY = 8, 5, 20_000
# Points of a leaf of the tree: with 16, as usual, a search takes a third longer in five dimensions.
_LEAF = 32


@dataclass(frozen=True, eq=False)
class Cloud(Geometry):
    """Points anywhere in a box of more than three dimensions, in any order.

    A window is the 16 nearest points, whatever its width; which they are is told by distances in shares of the box.
    Measures that go along lines, such as depths, oscillations and the spectrum, do not exist here.

    Parameters
    ----------
    coordinates : of the N points, at least 16, finite, shape ``(N, d)``; a read-only copy is kept.
    bounds : one (low, high) per axis, low < high. :meth:`spanning` finds them.
    axes : names of the axes.

    Raises
    ------
    ValueError
        If an argument is not as above.

    Examples
    --------
    >>> cloud = Cloud.spanning(np.random.default_rng(0).random((100, 5)))
    >>> cloud.axes, cloud.faces, cloud.has_lines
    (('x1', 'x2', 'x3', 'x4', 'x5'), (), False)
    >>> float(cloud.moving_mean(np.ones(100), (0.1,) * 5).max())
    1.0
    """

    kind: ClassVar[str] = "cloud"
    shape: tuple[int, ...] | None = field(default=None, init=False)
    coordinates: FloatArray
    bounds: tuple[tuple[float, float], ...]
    axes: tuple[str, ...]

    def __post_init__(self) -> None:
        coordinates = np.array(self.coordinates, dtype=np.float64)
        coordinates.setflags(write=False)
        object.__setattr__(self, "coordinates", coordinates)
        bad = np.flatnonzero(~np.isfinite(coordinates).all(axis=1))
        if bad.size:
            raise ValueError(
                f"{bad.size} of {len(coordinates)} points have coordinates that are not finite, the first is number "
                f"{bad[0]}: leave these points out"
            )
        if len(coordinates) < NEIGHBOURS:
            raise ValueError(
                f"{len(coordinates)} points are too few in {self.dimension} dimensions: give at least {NEIGHBOURS}, "
                "over which errors are averaged"
            )
        low, high = np.array(self.bounds).T
        outside = np.flatnonzero(((coordinates < low) | (coordinates > high)).any(axis=1))
        if outside.size:
            raise ValueError(
                f"{outside.size} of {len(coordinates)} points lie outside bounds={list(self.bounds)}, the first is "
                f"number {outside[0]}: widen the bounds, or leave these points out"
            )

    @classmethod
    def spanning(cls, coordinates: FloatArray, axes: tuple[str, ...] = ()) -> Cloud:
        """Points with bounds at the outermost ones, and around them along an axis on which all have one coordinate."""
        low, high = coordinates.min(axis=0), coordinates.max(axis=0)
        apart = np.where(low < high, 0.0, 0.5 * np.maximum(1.0, np.abs(low)))
        bounds = zip((low - apart).tolist(), (high + apart).tolist(), strict=True)
        names = axes or tuple(f"x{number + 1}" for number in range(coordinates.shape[1]))
        return cls(coordinates, tuple(bounds), names)

    @property
    def points(self) -> FloatArray:
        """Coordinates as they were given, shape ``(N, d)``, read-only."""
        return self.coordinates

    @property
    def has_lines(self) -> bool:
        """There are none."""
        return False

    @property
    def faces(self) -> tuple[str, ...]:
        """There are none."""
        return ()

    @property
    def frequencies(self) -> FloatArray:
        """There are none, shape ``(0, d)``."""
        return np.empty((0, self.dimension))

    def power(self, field: FloatArray) -> FloatArray:
        """At no frequency, shape ``(0,)``."""
        return np.empty(0)

    @property
    def complete(self) -> bool:
        """No power adds up to the mean square."""
        return False

    @property
    def even(self) -> bool:
        """They lie anywhere."""
        return False

    @property
    def notes(self) -> list[str]:
        """What cannot be told of them."""
        return [
            f"in {self.dimension} dimensions there are no lines: errors are averaged over the {NEIGHBOURS} nearest "
            "points, and there are no depths and no direction"
        ]

    def moving_mean(self, field: FloatArray, window: tuple[float, ...]) -> FloatArray:
        """Mean over the 16 nearest points, itself among them.

        Examples
        --------
        >>> points = np.random.default_rng(0).random((500, 4))
        >>> means = Cloud.spanning(points).moving_mean(points[:, 0], (0.1,) * 4)
        >>> bool(np.std(means - points[:, 0]) < 0.5 * np.std(points[:, 0]))
        True
        """
        means = field.astype(np.float64)
        for numbers in self._nearest[1:]:  # in parts that stay in the cache: a third of the time
            means += field[numbers]
        means /= NEIGHBOURS
        # a mean lies between the extremes; so a constant stays exactly itself and the mean of a mask is a share
        return np.clip(means, field.min(), field.max(), out=means)

    def independent(self, window: tuple[float, ...]) -> FloatArray:
        """As many as a mean is taken over."""
        return np.full(len(self.coordinates), float(NEIGHBOURS))

    def room(self, window: tuple[float, ...]) -> BoolArray:
        """Every window has as many points."""
        return np.ones(len(self.coordinates), dtype=bool)

    def components(self, mask: BoolArray) -> IntArray:
        """Label points that are connected over nearest points in ``mask``."""
        chosen = np.flatnonzero(mask)
        labels = np.zeros(len(mask), dtype=np.intp)
        if chosen.size:
            labels[chosen] = connected_components(self._graph[chosen][:, chosen], directed=False)[1] + 1
        return labels

    def lines(self, axis: int) -> IntArray:
        """There are none, shape ``(0, 0)``."""
        return np.empty((0, 0), dtype=np.intp)

    def places(self, axis: int) -> FloatArray:
        """Coordinates of the points along an axis."""
        return self.coordinates[:, axis]

    def coarsen(self, field: FloatArray, limit: int = MOST_CELLS) -> FloatArray:
        """Values at ``limit`` points evenly chosen in the order in which they were given, or at all."""
        return field[self._chosen(limit)]

    def coarse_shape(self, limit: int = MOST_CELLS) -> tuple[int, ...]:
        """Number of points of :meth:`coarsen`."""
        return (min(limit, len(self.coordinates)),)

    def thinned(self, count: int) -> tuple[Geometry, IntArray]:
        """Points evenly chosen in the order in which they were given."""
        if len(self.coordinates) <= count:
            return super().thinned(count)
        chosen = self._chosen(max(count, NEIGHBOURS))
        return Cloud(self.coordinates[chosen], self.bounds, self.axes), chosen

    def _chosen(self, count: int) -> IntArray:
        size = len(self.coordinates)
        return np.linspace(0, size - 1, min(count, size)).round().astype(np.intp)

    @cached_property
    def _nearest(self) -> IntArray:
        """Numbers of the nearest points, the first one itself or what coincides with it, shape ``(16, N)``."""
        unit = (self.coordinates - self.coordinates.mean(axis=0)) / np.array(self.lengths)
        most = DIRECTIONS if len(unit) <= MANY else DIRECTIONS_OF_MANY
        if self.dimension > most:
            unit = unit @ np.linalg.eigh(unit.T @ unit)[1][:, -most:]
        tree = cKDTree(unit, leafsize=_LEAF)
        near = np.empty((NEIGHBOURS, len(unit)), dtype=np.intp)
        near[:, tree.indices] = tree.query(unit[tree.indices], k=NEIGHBOURS)[1].T  # neighbours one after the other
        return near

    @cached_property
    def _graph(self) -> csr_array:
        size = len(self.coordinates)
        starts = np.arange(0, NEIGHBOURS * size + 1, NEIGHBOURS)
        return csr_array((np.ones(NEIGHBOURS * size, dtype=bool), self._nearest.T.ravel(), starts), shape=(size, size))
