"""Where a cloud of points in two or three dimensions is laid.

On a box of equal cells, of which it covers some; each of these takes the value of the nearest point.

Three kinds of clouds, the first that fits:

A lattice
    where the distinct coordinates along each axis lie at even places and the lattice has at most four times as many
    cells as there are points: a grid shuffled, the pixels of an image, masked or drawn from it. The box is that
    lattice, its cells' centres the points.
A tensor of uneven places
    such as graded meshes, and sensors times hours, where as many combinations of distinct coordinates exist. Cells
    belong to the places that are nearest along each axis; what lies in a gap along an axis (see
    :mod:`~lightning_seqfit.geometry.series`) is not covered.
Points anywhere
    on four cells a point, up to 96 x 96 (in space 32 x 32 x 32), of very many points up to 256 x 256 (40 x 40 x 40); as
    many along each axis, since axes have unlike units. Measured at 1,024 to 100,000 random points, a wave with a front:
    fitted share and depths of the grid within 0.01, lobes as many from 4,096 on, bands within 0.01.

Of a lattice a cell is covered where a point lies, or where it is a single one that has none among such as have. Of
points anywhere, and of a lattice with places drawn at random, it is a morphological closing. With s the spacing around
a point, that of points drawn at random as densely, from the distance to its 16th neighbour:

- *near* is what lies within 2.5 s of a point (in space 2.0 s): so far no point of a cloud drawn at random is from the
  next, but of one cloud in many;
- *covered* is what no ball of 2.2 s (in space 1.75 s) reaches whose centre is not near. What lies beyond the box, or is
  not ``inside``, takes nothing away.

So holes between random points are closed, holes and bays wider than 5 s stay open, and the domain ends within half a
spacing of its outermost points. All lengths are shares of the box along each axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from lightning_seqfit.geometry.base import BoolArray, FloatArray, IntArray
from lightning_seqfit.geometry.grid import Grid
from lightning_seqfit.geometry.series import lattice, read_series

#: Fewer points have no inside.
FEWEST_POINTS = 16
#: A lattice, or a tensor, has at most this many times as many places as there are points.
MOST_PLACES = 4.0
#: Neighbours by which the spacing around a point is told, and how many times the median one it may be, of one point a
#: cell: density may vary, but a point far from all others has no neighbours.
NEIGHBOURS, MOST_SPACING = 16, 4.0
#: At an edge half of the neighbours are missing; those further inside have all of theirs. A spacing is that below which
#: this share of its neighbours' lies, and no less than this part of its own, for density may change abruptly.
LOWER_SHARE, LEAST_PART = 0.25, 0.8
#: In the plane and in space: how many spacings about a point are near it; of these so many are covered beyond the
#: outermost points.
NEAR, BEYOND = (2.5, 2.0), (0.3, 0.25)
#: Share of the neighbours of a lattice's points that are points, below which these are drawn at random from it.
LATTICE_NEIGHBOURS = 0.9
#: In the plane and in space: cells along each axis at the least, so many as four cells a point make at the most, and of
#: very many points.
CELLS_PER_POINT, FEWEST_ALONG, USUAL_ALONG, MOST_ALONG = 4.0, (32, 32), (96, 32), (256, 40)
#: Of more points, cells a point beyond that.
CELLS_OF_MANY = 0.65
# Coordinates that differ by less are one place: of the axis, and of the largest coordinate, as float32 rounds it.
_SAME, _ROUNDING = 1e-6, 3e-7
# Bounds agree with a lattice up to this share of a step.
_ON_BOUNDS = 1e-2
# Points lie on a line, or in a plane, where they are no farther from it than this, in shares of the axes.
_FLAT = 1e-5
# A point that is not the nearest may still be near: of so many it is looked for.
_LOOKED_AT = 32
# Cells up to which a tensor's places have two along each axis.
_MOST_OF_TENSOR = 2**17
_VOLUME = (math.pi, 4 * math.pi / 3)

Bounds = tuple[tuple[float, float], ...]
Inside = Callable[[FloatArray], BoolArray]


class Laying(NamedTuple):
    """A box of equal cells, and what of it a cloud of points covers.

    bounds, shape, ends : of the box, as :class:`~lightning_seqfit.geometry.Grid` takes them.
    inside : whether a cell is covered, shape ``(cells,)``, C order.
    source : number of the given point whose value each covered cell takes, the nearest one, shape ``(covered,)``.
    """

    bounds: Bounds
    shape: tuple[int, ...]
    ends: bool
    inside: BoolArray
    source: IntArray


def lay_points(points: FloatArray, bounds: Bounds | None = None, inside: Inside | None = None) -> Laying:
    """Lay points on a box.

    Parameters
    ----------
    points : finite, at least 16 different ones, not all on one line or in one plane, shape ``(P, 2)`` or ``(P, 3)``.
    bounds : of the domain, around all points; default: half a spacing beyond the outermost ones.
    inside : ``(places (n, d)) -> (n,)`` of bool, whether they lie in the domain; default: all do. Cells outside are
        not covered, and points outside not used.

    Raises
    ------
    ValueError
        If the points span no domain, or ``inside`` leaves none.

    Examples
    --------
    >>> x, y = np.meshgrid(np.linspace(0, 1, 5), np.linspace(0, 3, 4), indexing="ij")
    >>> laying = lay_points(np.stack([x.ravel(), y.ravel()], axis=-1)[::-1])
    >>> laying.shape, laying.bounds, laying.source[:3].tolist()
    ((5, 4), ((-0.125, 1.125), (-0.5, 3.5)), [19, 18, 17])
    """
    _check(points, bounds)
    numbers = np.arange(len(points), dtype=np.intp)
    if inside is not None:
        numbers = np.flatnonzero(inside(points))
        if len(numbers) < FEWEST_POINTS:
            raise ValueError(
                f"inside leaves {len(numbers)} of {len(points)} points: give at least {FEWEST_POINTS} that it is true "
                "of, or check that it takes points of shape (N, d)"
            )
    laid = _lay(points[numbers], bounds, inside)
    if not laid.inside.any():
        raise ValueError(
            "inside is true of no cell that has a point near: check that it is true of points in the domain"
        )
    return Laying(laid.bounds, laid.shape, laid.ends, laid.inside, numbers[laid.source])


def _lay(points: FloatArray, bounds: Bounds | None, inside: Inside | None) -> Laying:
    axes = [_Axis.of(column) for column in points.T]
    if math.prod(axis.slots for axis in axes) <= MOST_PLACES * len(points):
        return _on_lattice(points, axes, bounds, inside)
    if math.prod(len(axis.places) for axis in axes) <= MOST_PLACES * len(points):
        return _on_tensor(points, axes, bounds, inside)
    box = bounds or tuple(axis.around for axis in axes)
    laid = _anywhere(points, box, _even_shape(len(points), len(axes)), inside)
    share = float(np.mean(laid.inside))
    finer = _even_shape(len(points) / max(share, 0.01), len(axes))
    return _anywhere(points, box, finer, inside) if finer[0] > 1.2 * laid.shape[0] else laid


class _Axis(NamedTuple):
    """Distinct places along an axis.

    places : rising, shape ``(n,)``.
    numbers : that of each point's place, shape ``(P,)``.
    step : of the lattice on which they lie; 0.0: they lie on none. slots : of that lattice; then infinitely many.
    """

    places: FloatArray
    numbers: IntArray
    step: float
    slots: float

    @classmethod
    def of(cls, coordinates: FloatArray) -> _Axis:
        """Find them; what rounding sets apart is one place."""
        order = np.argsort(coordinates, kind="stable")
        ordered = coordinates[order]
        low, high = float(ordered[0]), float(ordered[-1])
        apart = np.diff(ordered) > max(_SAME * (high - low), _ROUNDING * max(abs(low), abs(high)))
        numbers = np.empty(len(order), dtype=np.intp)
        numbers[order] = np.concatenate(([0], np.cumsum(apart)))
        places = ordered[np.concatenate(([True], apart))]
        step, slots = lattice(places)
        return cls(places, numbers, step, slots if step > 0 else math.inf)

    @property
    def around(self) -> tuple[float, float]:
        """Half a spacing beyond the outermost places."""
        half = self.step / 2 or float(self.places[-1] - self.places[0]) / (len(self.places) - 1) / 2
        return float(self.places[0]) - half, float(self.places[-1]) + half


def _on_lattice(points: FloatArray, axes: list[_Axis], bounds: Bounds | None, inside: Inside | None) -> Laying:
    """Cells are the places of a lattice."""
    before, after, ends = zip(*map(_margins, axes, bounds or (None,) * len(axes)), strict=True)
    on_bounds = bounds is not None and all(ends)
    slots = [int(axis.slots) for axis in axes]
    shape = tuple(map(sum, zip(before, slots, after, strict=True)))
    box = []
    for number, axis in enumerate(axes):
        low, high = axis.around
        low, high = low - before[number] * axis.step, high + after[number] * axis.step
        if bounds is not None and (on_bounds or _agree(bounds[number], (low, high), axis.step)):
            low, high = bounds[number]
        box.append((low, high))
    holds = np.full(shape, -1, dtype=np.intp)
    place = tuple(
        np.rint((axis.places - axis.places[0]) / axis.step).astype(np.intp)[axis.numbers] + margin
        for axis, margin in zip(axes, before, strict=True)
    )
    holds[place] = np.arange(len(points))
    occupied = holds >= 0
    every = tuple(box), shape, on_bounds
    if not occupied.all():
        if _share_of_neighbours(occupied) < LATTICE_NEIGHBOURS:
            return _anywhere(points, tuple(box), shape, inside, ends=on_bounds)
        single = ~occupied & ndimage.binary_erosion(occupied, _face_neighbours(len(shape)), border_value=1)
        nearest = ndimage.distance_transform_edt(~occupied, return_distances=False, return_indices=True)
        holds = np.where(single, holds[tuple(np.asarray(nearest))], holds)
        occupied |= single
    covered = occupied.ravel()
    if inside is not None:
        covered &= inside(_centres(*every))
    return Laying(*every, covered, holds.ravel()[covered])


def _margins(axis: _Axis, bounds: tuple[float, float] | None) -> tuple[int, int, bool]:
    """Places of the lattice that bounds leave before and after, and whether the outermost ones lie on the bounds."""
    if bounds is None:
        return 0, 0, False
    before = (axis.places[0] - bounds[0]) / axis.step
    after = (bounds[1] - axis.places[-1]) / axis.step
    for ends in (True, False):
        off = np.array([before, after]) - (0.0 if ends else 0.5)
        if np.all(np.abs(off - np.rint(off)) <= _ON_BOUNDS) and np.all(off > -0.25) and off.sum() <= axis.slots:
            return round(float(off[0])), round(float(off[1])), ends
    return 0, 0, False


def _agree(one: tuple[float, float], other: tuple[float, float], step: float) -> bool:
    return all(abs(a - b) <= _ON_BOUNDS * step for a, b in zip(one, other, strict=True))


def _face_neighbours(dimension: int) -> BoolArray:
    neighbours = np.asarray(ndimage.generate_binary_structure(dimension, 1), dtype=bool)
    neighbours[(1,) * dimension] = False
    return neighbours


def _share_of_neighbours(occupied: BoolArray) -> float:
    """Share of the face neighbours of occupied cells, in the box, that are occupied."""
    met = pairs = 0
    for axis in range(occupied.ndim):
        moved = np.moveaxis(occupied, axis, 0)
        met += 2 * int(np.count_nonzero(moved[1:] & moved[:-1]))
        pairs += int(np.count_nonzero(moved[1:]) + np.count_nonzero(moved[:-1]))
    return met / pairs if pairs else 1.0


def _on_tensor(points: FloatArray, axes: list[_Axis], bounds: Bounds | None, inside: Inside | None) -> Laying:
    """Cells belong to the nearest place along each axis."""
    given = bounds or (None,) * len(axes)
    box = tuple(axis.around if axis.step > 0 or one is None else one for axis, one in zip(axes, given, strict=True))
    most = [2 * len(axis.places) for axis in axes]
    finer = 2 if math.prod(most) <= _MOST_OF_TENSOR else 1
    shape = tuple(
        int(axis.slots) if axis.slots <= two else finer * two // 2 for axis, two in zip(axes, most, strict=True)
    )
    holds = np.full(tuple(len(axis.places) for axis in axes), -1, dtype=np.intp)
    holds[tuple(axis.numbers for axis in axes)] = np.arange(len(points))
    chosen, covered = holds, np.ones(shape, dtype=bool)
    for number, (axis, (low, high), cells) in enumerate(zip(axes, box, shape, strict=True)):
        centres = low + (np.arange(cells) + 0.5) * ((high - low) / cells)
        middles = (axis.places[1:] + axis.places[:-1]) / 2
        chosen = np.take(chosen, np.searchsorted(middles, centres), axis=number)
        start, stop = axis.around
        series = read_series((axis.places - start) / (stop - start))
        share, half = (centres - start) / (stop - start), 0.5 / cells
        stretch = np.maximum(np.searchsorted(series.low - half, share, side="right") - 1, 0)
        known = (share >= series.low[stretch] - half) & (share <= series.high[stretch] + half)
        covered &= known.reshape([-1 if one == number else 1 for one in range(len(axes))])
    covered = (covered & (chosen >= 0)).ravel()
    if inside is not None:
        covered &= inside(_centres(box, shape, False))
    return Laying(box, shape, False, covered, chosen.ravel()[covered])


def _even_shape(count: float, dimension: int) -> tuple[int, ...]:
    """As many cells along each axis, for so many points."""
    fewest, usual, most = (along[dimension - 2] ** dimension for along in (FEWEST_ALONG, USUAL_ALONG, MOST_ALONG))
    cells = max(min(max(CELLS_PER_POINT * count, fewest), usual), min(CELLS_OF_MANY * count, most))
    return (round(cells ** (1 / dimension)),) * dimension


def _anywhere(
    points: FloatArray, box: Bounds, shape: tuple[int, ...], inside: Inside | None, *, ends: bool = False
) -> Laying:
    """Cells take the value of the nearest point; those are covered that a closing of the points covers."""
    centres = _centres(box, shape, ends)
    lengths = np.array([high - low for low, high in box])
    tree = cKDTree(points / lengths)
    places = centres / lengths
    distance, source = map(np.asarray, tree.query(places))
    allowed = np.ones(len(centres), dtype=bool) if inside is None else inside(centres)
    spacing = _spacings(tree)
    dimension = len(shape)
    reach, beyond = NEAR[dimension - 2], BEYOND[dimension - 2]
    near = distance <= reach * spacing[source]
    doubtful = np.flatnonzero(allowed & ~near)
    if doubtful.size:  # a point further away, with wider spacings around it, may be near
        distances, others = tree.query(places[doubtful], k=min(_LOOKED_AT, len(points)))
        near[doubtful] = np.any(distances <= reach * spacing[others], axis=1)
    covered = allowed & near
    far = (allowed & ~near).reshape(shape)
    if far.any():
        cell = (1 / (np.array(shape) - ends)).tolist()
        gap, nearest = ndimage.distance_transform_edt(~far, sampling=cell, return_indices=True)
        ball = (reach - beyond) * spacing[source].reshape(shape)[tuple(nearest)]
        covered &= (gap > ball).ravel()
    return Laying(box, shape, ends, covered, np.asarray(source[covered], dtype=np.intp))


def _spacings(tree: cKDTree) -> FloatArray:
    """Spacing around each point, shape ``(P,)``; points given more than once are one."""
    places = np.asarray(tree.data)
    order = np.lexsort(places.T)
    first = np.concatenate(([True], np.any(np.diff(places[order], axis=0) != 0, axis=1)))
    once = places[order[first]]
    tree = tree if len(once) == len(places) else cKDTree(once)
    count = min(NEIGHBOURS, len(once) - 1)
    distance, near = map(np.asarray, tree.query(once, k=count + 1))
    dimension = places.shape[1]
    spacing = distance[:, -1] * (_VOLUME[dimension - 2] / count) ** (1 / dimension)
    lower = int(LOWER_SHARE * count)
    spacing = np.maximum(np.partition(spacing[near], lower, axis=1)[:, lower], LEAST_PART * spacing)
    cells = np.floor(once * USUAL_ALONG[dimension - 2]).astype(np.int64)
    _, one_a_cell = np.unique(cells, axis=0, return_index=True)  # however many of the points lie in a cluster
    spacing = np.minimum(spacing, MOST_SPACING * np.median(spacing[one_a_cell]))
    spread = np.empty(len(places))
    spread[order] = spacing[np.cumsum(first) - 1]
    return spread


def _centres(box: Bounds, shape: tuple[int, ...], ends: bool) -> FloatArray:
    return Grid(box, shape, ("x", "y", "z")[: len(shape)], ends).points


def _check(points: FloatArray, bounds: Bounds | None) -> None:
    """Refuse points that span no domain."""
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{bad.size} of {len(points)} points have coordinates that are not finite, the first is number {bad[0]}: "
            "leave these points out"
        )
    dimension = points.shape[1]
    few = len(points) if len(points) < FEWEST_POINTS else 0
    if not few and len(points) < 64 * FEWEST_POINTS:
        different = len(np.unique(points, axis=0))
        few = different if different < FEWEST_POINTS else 0
    if few or len(points) < FEWEST_POINTS:
        raise ValueError(
            f"{few} different points are too few for {dimension} axes: give at least {FEWEST_POINTS}, and about ten "
            "for each oscillation"
        )
    low, high = points.min(axis=0), points.max(axis=0)
    flat = np.flatnonzero(high - low <= _ROUNDING * np.maximum(np.abs(low), np.abs(high)))
    if flat.size:
        raise ValueError(
            f"all {len(points)} points lie at {low[flat[0]]:.6g} along axis number {flat[0]}: give points that differ "
            f"along each of {dimension} axes, or leave that one out"
        )
    shares = (points - points.mean(axis=0)) / (high - low)
    _, spreads, directions = np.linalg.svd(shares.T @ shares / len(points))
    if math.sqrt(max(float(spreads[-1]), 0.0)) <= _FLAT and np.max(np.abs(shares @ directions[-1])) <= 4 * _FLAT:
        where = "on a line" if dimension == 2 or math.sqrt(max(float(spreads[1]), 0.0)) <= _FLAT else "in a plane"
        raise ValueError(
            f"all {len(points)} points lie {where}, in which {dimension} axes are too many: give the places along it "
            "as points, shape (N, 1)" + ("" if where == "on a line" else " or (N, 2)")
        )
    if bounds is not None:
        ends = np.array(bounds)
        slack = _ROUNDING * np.max(np.abs(ends), axis=1)
        beyond = (points < ends[:, 0] - slack) | (points > ends[:, 1] + slack)
        outside = np.flatnonzero(beyond.any(axis=1))
        if outside.size:
            raise ValueError(
                f"{outside.size} of {len(points)} points lie outside bounds={list(bounds)}, the first at "
                f"{tuple(points[outside[0]].tolist())}: widen the bounds, or leave these points out"
            )
