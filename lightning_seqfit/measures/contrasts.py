"""Sums of neighbouring values that leave nothing of what is smooth, so that what they have is noise.

A *contrast* of order m is a sum of neighbouring values with weights that leave nothing of a polynomial of degree m - 1
and whose squares add up to 1. Of white noise it has the noise's variance, whatever m and wherever the points lie.

- Along a line: m + 1 neighbours; of even points the binomial coefficients with alternating signs, of others those of a
  divided difference. sin(2 pi k x) on even points, n a wavelength, keeps sin^m(pi / n) (pi m)^(1/4) of its deviation:
  at 8 points a wavelength 0.04 for m = 4, 0.001 for m = 8.
- On a grid along one axis after another.
- Among points anywhere: with q polynomials of degree m - 1, the q + r nearest points have r such sums at right angles,
  whose noise is independent. They are turned so that the first leaves least of the polynomials of degree m, the last
  most. Measured with r = 5 on plane waves in random directions, n points a lobe, as shares of the field's deviation:

  =======  ==========  ===========  ==========  ===========
  n        first, 2D   last, 2D     first, 3D   last, 3D
  =======  ==========  ===========  ==========  ===========
  6        0.04        0.31         0.22        0.64
  10       0.013       0.14         0.13        0.45
  20       0.003       0.04         0.05        0.23
  60       0.000       0.005        0.015       0.07
  =======  ==========  ===========  ==========  ===========

A jump or a kink is in few contrasts only, so that their robust deviation hardly sees it.
"""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

import numpy as np
from scipy.spatial import KDTree

from lightning_seqfit.geometry import FloatArray, IntArray

#: Contrasts of uneven points that say it well enough; neighbourhoods of points in several dimensions.
MOST_CONTRASTS, MOST_NEIGHBOURHOODS = 20_000, 2_000
#: Points whose nearest neighbour tells the roughness.
MOST_PAIRS = 10_000
#: Cells of a lattice for each point on it, at the most.
SPARSEST = 1.5
#: From so many dimensions on neighbours are found by looking at all points: of so many, about a quarter as many.
MANY_DIMENSIONS, MOST_OF_MANY = 8, 20_000
#: Order of the contrasts among points: the highest up to this one that has so few polynomials below it.
HIGHEST_ORDER, MOST_POLYNOMIALS = 4, 21
#: Contrasts of each neighbourhood.
TURNS = 5
# Of the mean spacing: points that coincide are as far apart.
_LEAST_SPACING = 1e-6
# Of the box: points that coincide are about so far apart.
_APART = 1e-9
# Variance of what a plane leaves of itself, relative to its largest value.
_ROUNDING = 1e-24
# Mean square of a normal distribution between -3 and 3 deviations.
_WITHIN_THREE = 0.97334


def robust_deviation(contrasts: FloatArray) -> float:
    """Deviation of a normal distribution, whatever a minority of outliers does.

    Examples
    --------
    >>> normal = np.random.default_rng(0).standard_normal(100_000)
    >>> round(robust_deviation(np.append(normal, np.full(1_000, 1e9))), 2)
    1.0
    """
    sizes = np.abs(contrasts)
    deviation = float(np.median(sizes)) / 0.67449
    for _ in range(3):  # the median alone takes three times as many values for the same precision
        within = sizes[sizes <= 3 * deviation]
        deviation = math.sqrt(float(np.mean(within**2)) / _WITHIN_THREE)
    return deviation


def contrasts_along(places: FloatArray, values: FloatArray, order: int) -> FloatArray:
    """Contrasts of points along a line, low face first.

    Examples
    --------
    >>> contrasts_along(np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 4.0]), 2).round(6).tolist()
    [0.267261]
    """
    spacing = np.diff(places)
    mean = float(spacing.mean()) if spacing.size else 0.0
    if mean <= 0.0:
        return np.zeros(0)
    if float(np.ptp(spacing)) <= 1e-3 * mean:
        return _differences(values, order, 0)
    kept = _once(places[:, np.newaxis], values)
    places, values = places[kept] / mean, values[kept]
    if len(places) <= order:
        return np.zeros(0)
    places = places - places[0] + _LEAST_SPACING * np.arange(len(places))
    stride = -(-len(places) // MOST_CONTRASTS)
    near, values = (np.lib.stride_tricks.sliding_window_view(each, order + 1)[::stride] for each in (places, values))
    weights = np.ones_like(near)
    for one in range(order + 1):
        for other in range(order + 1):
            if one != other:
                weights[:, one] /= near[:, one] - near[:, other]
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    contrasts: FloatArray = np.sum(weights * values, axis=1)
    return contrasts


def contrasts_of(field: FloatArray, order: int) -> FloatArray:
    """Contrasts along all axes of a field on a grid, of its shape; those that a NaN is in are left out.

    Examples
    --------
    >>> field = np.array([[1.0, 2.0, 4.0], [2.0, 3.0, np.nan]])
    >>> contrasts_of(field, 1).tolist()
    [0.0]
    """
    for axis in range(field.ndim):
        field = _differences(field, order, axis)
    contrasts: FloatArray = field[np.isfinite(field)]
    return contrasts


def contrasts_among(points: FloatArray, values: FloatArray) -> FloatArray:
    """Contrasts of points anywhere, from the one that leaves least of what is smooth to the one that leaves most.

    Points that coincide and differ in their values are what tells noise best, and come first by themselves.

    Parameters
    ----------
    points : shape ``(P, d)``, d at least 2.
    values : shape ``(P,)``.

    Returns
    -------
    Array of shape ``(neighbourhoods, 5)``; none where the points are fewer than twice a neighbourhood.

    Examples
    --------
    >>> points = np.random.default_rng(0).random((500, 2))
    >>> contrasts = contrasts_among(points, points[:, 0] ** 2 - points.prod(axis=1))  # of degree 2
    >>> contrasts.shape, bool(np.abs(contrasts).max() < 1e-7)
    ((500, 5), True)
    """
    dimension = points.shape[1]
    orders = range(HIGHEST_ORDER, 0, -1)
    order = next((m for m in orders if math.comb(dimension + m - 1, dimension) <= MOST_POLYNOMIALS), 1)
    below = math.comb(dimension + order - 1, dimension)
    most = MOST_NEIGHBOURHOODS
    if dimension >= MANY_DIMENSIONS:
        stride, most = -(-len(points) // MOST_OF_MANY), most // 4
        points, values = points[::stride], values[::stride]
    kept = _once(points, values)
    if len(kept) < 2 * (below + TURNS):
        return np.zeros((0, TURNS))
    places, values = _in_unit_box(points[kept]), values[kept]
    # of many measurements at one point each has other ones about it
    places += _APART * np.random.default_rng(0).standard_normal(places.shape)
    middles = places[:: -(-len(places) // most)]
    _, numbers = KDTree(places).query(middles, below + TURNS)
    near = places[numbers] - middles[:, np.newaxis]
    near /= np.abs(near).max(axis=(1, 2), keepdims=True)
    monomials = _monomials(near, order)
    free = np.linalg.qr(monomials[:, :, :below], mode="complete")[0][:, :, below:]
    left = np.swapaxes(free, 1, 2) @ monomials[:, :, below:]
    turned = free @ np.linalg.eigh(left @ np.swapaxes(left, 1, 2))[1]
    contrasts: FloatArray = np.einsum("ikc,ik->ic", turned, values[numbers])
    return contrasts


def roughness_among(points: FloatArray, values: FloatArray) -> float:
    """Mean square difference of nearest neighbours over that of points far apart: 0 smooth, 1 noise.

    Of values about a plane. Sums and products of waves at random points in two dimensions, n a lobe, ten draws, and the
    lobes that :mod:`~lightning_seqfit.measures.lobes` counts of them on 96 x 96 cells, each with the nearest value:

    ====  ============  ===================  ==================
    n     roughness     lobes counted        mean error of them
    ====  ============  ===================  ==================
    3     0.32 to 0.77  0.50 (0.33 to 0.65)  0.50
    5     0.23 to 0.48  0.67 (0.53 to 0.79)  0.33
    7     0.18 to 0.40  0.81 (0.73 to 0.96)  0.19
    10    0.12 to 0.33  0.95 (0.85 to 1.08)  0.07
    15    0.08 to 0.20  0.95 (0.84 to 1.05)  0.06
    20    0.06 to 0.16  1.00 (0.89 to 1.16)  0.06
    30    0.04 to 0.10  0.99 (0.93 to 1.02)  0.02
    ====  ============  ===================  ==================

    Of a product of sines it is about 1.5 n^(-2 / d) in d = 2 and 3 dimensions: :func:`points_a_lobe`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> points = rng.random((4000, 2))
    >>> wave = np.sin(9 * points).prod(axis=1)
    >>> round(roughness_among(points, wave), 3), round(roughness_among(points, rng.standard_normal(4000)), 1)
    (0.003, 1.0)
    """
    kept = _once(points, values)
    places, values = _in_unit_box(points[kept]), values[kept] / (float(np.max(np.abs(values), initial=0.0)) or 1.0)
    plane = np.column_stack([np.ones(len(places)), places])
    bare = values - plane @ np.linalg.lstsq(plane, values, rcond=None)[0]
    spread = float(np.var(bare))
    if spread <= _ROUNDING:
        return 0.0
    nearest = np.asarray(KDTree(places).query(places[:: -(-len(places) // MOST_PAIRS)], 2)[1])
    return float(np.mean((bare[nearest[:, 0]] - bare[nearest[:, 1]]) ** 2)) / (2 * spread)


def points_a_lobe(roughness: float, dimension: int) -> float:
    """Number of points a lobe at which a product of sines is so rough.

    Examples
    --------
    >>> round(points_a_lobe(0.15, 2)), round(points_a_lobe(0.15, 3))
    (10, 32)
    """
    return float((1.5 / roughness) ** (dimension / 2)) if roughness > 0.0 else math.inf


def laid_out(points: FloatArray, values: FloatArray) -> FloatArray | None:
    """Values on the lattice on which points lie, NaN where there is none; None: they lie on none, or coincide.

    Examples
    --------
    >>> laid_out(np.array([[0.0, 5.0], [2.0, 4.0], [2.0, 5.0]]), np.array([1.0, 2.0, 3.0])).tolist()
    [[nan, 1.0], [2.0, 3.0]]
    """
    found = [np.unique(column, return_inverse=True) for column in points.T]
    shape = tuple(len(places) for places, _ in found)
    if math.prod(shape) > SPARSEST * len(points):
        return None
    if any(
        float(np.ptp(np.diff(places))) > 1e-3 * float(np.ptp(places)) / len(places)
        for places, _ in found
        if len(places) > 1
    ):
        return None
    field = np.full(shape, np.nan)
    field[tuple(numbers for _, numbers in found)] = values
    return field if np.count_nonzero(np.isfinite(field)) == len(points) else None


def _monomials(places: FloatArray, degree: int) -> FloatArray:
    """All products of coordinates up to a degree, lowest first, along a new last axis."""
    columns = [np.ones(places.shape[:-1])]
    for each in range(1, degree + 1):
        for axes in combinations_with_replacement(range(places.shape[-1]), each):
            columns.append(np.prod(places[..., list(axes)], axis=-1))
    return np.stack(columns, axis=-1)


def _in_unit_box(points: FloatArray) -> FloatArray:
    places = points - points.min(axis=0)
    extent = places.max(axis=0)
    scaled: FloatArray = places / np.where(extent > 0.0, extent, 1.0)
    return scaled


def _once(points: FloatArray, values: FloatArray) -> IntArray:
    """Points, in their order, without those that are given twice: that is no second measurement."""
    ranked = np.lexsort((values, *points.T))
    again = (np.diff(points[ranked], axis=0) == 0).all(axis=1) & (np.diff(values[ranked]) == 0)
    return np.sort(ranked[np.concatenate(([True], ~again))])


def _differences(values: FloatArray, order: int, axis: int) -> FloatArray:
    differences: FloatArray = np.diff(values, order, axis) / math.sqrt(math.comb(2 * order, order))
    return differences
