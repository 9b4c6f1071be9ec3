r"""Which functions the read-out combines: their rank, their shape, and how well they could express the target.

The input of the read-out layer is a matrix Phi, one row per point and one column per unit, and the prediction is
[1, Phi] times the output weights. With s_1 >= s_2 >= ... the singular values of Phi less its column means:

- *Numerical rank*: the number of s_i above 1e-3 s_1. *Effective rank*: exp(-sum p_i ln p_i), p_i = s_i / sum(s); from
  1, one function only, to the number of units, all independent and alike in weight (Roy and Vetterli 2007). Both are 0
  where no unit varies.
- *Laps* of a unit along an axis: its total variation / its range, each summed over the lines along that axis. 1: the
  unit is monotone, a step; sin(2 pi k x) on the unit interval has 2 k. A unit whose range along every line is at most
  1e-3 of the widest one of all is constant and has none.
- *Dead domain*: share of the domain on which no unit varies. The stretch between two neighbouring points of a line is
  dead where the variations of all units over it and over those within a 128th of the line's points to either side, each
  in shares of the unit's standard deviation over the domain, add up to at most 1e-2; alone between two that are not it
  is where units turn, and counts as alive. A point is as dead as the stretches beside it are on average, along the axis
  where they are least so. Inputs that were never scaled leave most of a domain
  dead: tanh(x) is constant to float32 from x = 9 on, and on [0, 1000] no output weights can make up for that.
- *Projection error*: relative RMS of what the best output weights would leave of the target, its least-squares residual
  on [1, Phi]. Far below the actual error: the output weights are what is missing. About equal: the basis is.

The singular values come from the Gram matrix on the smaller side, whose eigenvalues are their squares. Those below 1e-6
s_1 are the rounding of units computed in float32: they are set to 0 and take no part in the projection. A pivoted
Cholesky factorisation comes first, which takes unit after unit and ends once no other has more than 1e-13 s_1^2 of its
own left: of many units that are much alike, such as smooth steps, only a few reach the eigenvalue solver. Where more
than 128 do, their eigenvectors are not computed, which would take most of the time: the least-squares fit is then
damped by (1e-6 s_1)^2 (Tikhonov) instead of cut off there. Singular values above 1e-3 s_1 are right to five digits;
near 1e-6 s_1 they are not, and one just above may be set to 0.

References
----------
O. Roy and M. Vetterli, "The effective rank: a measure of effective dimensionality", EUSIPCO 2007.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import linalg

from lightning_seqfit.geometry import BoolArray, FloatArray, Geometry, IntArray

#: A singular value counts towards the numerical rank above this share of the largest.
RANK_TOLERANCE = 1e-3
#: Singular values at most this share of the largest are rounding.
ROUNDING = 1e-6
#: A unit is constant when its range is at most this share of the widest.
CONSTANT_RANGE = 1e-3
#: A stretch is dead where the units vary by at most this much together, each in shares of its standard deviation.
DEAD_VARIATION = 1e-2
#: Share of a line's points that a stretch takes in to either side.
DEAD_REACH = 1 / 128
#: A unit is monotone up to this many laps: one of small range around a large value moves back and forth by rounding.
MONOTONE_LAPS = 1.05
#: Share of the prediction's variation that [1, Phi] may fail to reproduce if the prediction is linear in Phi.
LINEAR_TOLERANCE = 1e-3
# The factorisation ends when no unit has more than this share of the largest eigenvalue left: a tenth of ROUNDING^2.
_COMPRESSION = 1e-13
# With more columns than this eigenvectors are not computed.
_MOST_VECTORS = 128
# A factor with more than this share of the Gram matrix' columns is of no use. Fewer points are too few where it has
# more columns than this share of them, and where they are less than twice as many as the laps of a unit.
_MOST_COLUMNS, _POINTS_PER_LAP = 0.9, 2


@dataclass(frozen=True)
class Basis:
    """The units of the last hidden layer at one look. All numbers are NaN where a unit is not finite.

    Of points in more than three dimensions, which have no lines, so are laps, their median, the monotone share and the
    dead domain, and a unit is constant by its range over all points.

    Attributes
    ----------
    singular_values : of the units less their means, in descending order, shape ``(min(n, width),)`` for the n points
        that are decomposed.
    numerical_rank : singular values above 1e-3 of the largest, a whole number, 0 and up.
    effective_rank : exponential of their entropy, from 1 to the number of units; 0: no unit varies.
    laps : total variation / range per unit and axis, 1 and up, shape ``(width, d)``; NaN: constant along the axis.
    constant_share : share of units that are constant along all axes, in [0, 1].
    median_laps : median over the other units of their laps along the axis where they have the most; NaN: none varies.
    monotone_share : share of the other units with at most 1.05 laps along each axis, in [0, 1]; NaN: none varies.
    dead_domain : share of the domain on which no unit varies, in [0, 1]; 1: none varies anywhere.
    projection_error : relative RMS of the target's least-squares residual on [1, Phi], 0 and up; NaN: absent.
    projection_note : why the projection error is absent; empty where it is there.
    """

    singular_values: FloatArray
    numerical_rank: float
    effective_rank: float
    laps: FloatArray
    constant_share: float
    median_laps: float
    monotone_share: float
    dead_domain: float
    projection_error: float
    projection_note: str


def measure_basis(
    geometry: Geometry,
    features: FloatArray,
    target: FloatArray,
    prediction: FloatArray,
    scale: float,
    weights: FloatArray | None = None,
    decomposed: IntArray | None = None,
    fewer: IntArray | None = None,
) -> Basis:
    """Measure the basis that the last hidden layer offers.

    Parameters
    ----------
    geometry : where the N points lie.
    features : Phi, the input of the read-out layer, shape ``(N, width)``.
    target : shape ``(N,)``, finite; of several outputs ``(k, N)``, whose squared errors are added up.
    prediction : what the module makes of the features, of the target's shape. It tells whether the output is linear in
        them.
    scale : the mean square that errors are relative to: the target's ``trend.variance``, or the first look's mean(r^2)
        where nothing oscillates. 0 or NaN: unknown.
    weights : of a layer with one output, shape ``(width,)``: the prediction must then be that output, scaled and
        shifted. A rich basis can reproduce what a hard constraint makes of its output, without being what is fitted.
    decomposed : numbers of the points that singular values and projection go by; default: all. Laps go by all.
    fewer : numbers of points that are tried first where there are more than 128 units. They are enough where the
        factorisation takes at most 0.9 times as many units, and no unit has more than half as many laps.

    Returns
    -------
    Basis

    Notes
    -----
    The projection error is absent where it would say nothing: the target is 0 everywhere, as for the residual of an
    equation; the prediction is not linear in the features to 1e-3; or the units are as many as the points that are
    decomposed and independent, so that they reproduce whatever is asked of them.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points
    >>> steps = np.tanh((x - np.array([0.2, 0.5, 0.8])) / 0.05)
    >>> basis = measure_basis(grid, steps, target=steps[:, 1] - 2.0, prediction=steps.sum(axis=1), scale=1.0)
    >>> basis.numerical_rank, basis.laps.round(6).ravel().tolist(), basis.monotone_share
    (3.0, [1.0, 1.0, 1.0], 1.0)
    >>> basis.projection_error < 1e-9
    True
    """
    width = features.shape[1]
    rows = fewer if fewer is not None and width > _MOST_VECTORS else decomposed
    centred = _centred(features if rows is None else features[rows])
    if centred is None or (rows is not None and not np.isfinite(features).all()):
        nan, values = math.nan, np.full(min(len(features if rows is None else rows), width), math.nan)
        laps = np.full((width, geometry.dimension), nan)
        return Basis(values, nan, nan, laps, nan, nan, nan, nan, nan, "the units are not finite")
    reduced = rows is not decomposed
    decomposition = _decompose(centred, _MOST_COLUMNS * len(centred) if reduced else math.inf)
    if decomposition is None:
        return measure_basis(geometry, features, target, prediction, scale, weights, decomposed)
    laps, dead_domain = _walk(geometry, features, np.sqrt(decomposition.powers / len(centred)))
    varying = ~np.isnan(laps).all(axis=1) if geometry.has_lines else _varies(np.ptp(features, axis=0))
    most = np.fmax.reduce(laps[varying & ~np.isnan(laps).all(axis=1)], axis=1)
    if reduced and _POINTS_PER_LAP * most.max(initial=0.0) > len(centred):
        return measure_basis(geometry, features, target, prediction, scale, weights, decomposed)
    if rows is not None:
        target, prediction = target[..., rows], prediction[..., rows]
    singular_values = decomposition.singular_values
    error, note = _projection_error(decomposition, target, prediction, scale, weights)
    return Basis(
        singular_values=singular_values,
        numerical_rank=float(np.count_nonzero(singular_values > RANK_TOLERANCE * singular_values[0])),
        effective_rank=_effective_rank(singular_values),
        laps=laps,
        constant_share=(width - np.count_nonzero(varying)) / width,
        median_laps=statistics.median(most.tolist()) if most.size else math.nan,
        monotone_share=int(np.count_nonzero(most <= MONOTONE_LAPS)) / most.size if most.size else math.nan,
        dead_domain=dead_domain,
        projection_error=error,
        projection_note=note,
    )


def _centred(features: FloatArray) -> FloatArray | None:
    """Phi less its column means, in float64; None where it or its squares are not finite."""
    with np.errstate(invalid="ignore", over="ignore"):
        # less the first row makes a constant column exactly 0, which its mean need not
        centred = np.subtract(features, features[0], dtype=np.float64)
        centred -= np.add.reduce(centred, axis=0) / len(centred)
        return centred if math.isfinite(np.vdot(centred, centred)) else None


@dataclass(frozen=True)
class _Decomposition:
    """Phi less its column means, by its Gram matrix on the smaller side.

    centred : shape ``(N, width)``.
    powers : sum of squares of each of its columns, shape ``(width,)``.
    singular_values : shape ``(min(N, width),)``, descending; 0 where they are rounding.
    rank : how many of them are not 0.
    residual : what a least-squares fit by Phi leaves of fields of mean 0, shape ``(k, N)``; the directions that are
        rounding take no part.
    """

    centred: FloatArray
    powers: FloatArray
    singular_values: FloatArray
    rank: int
    residual: Callable[[FloatArray], FloatArray]


def _decompose(centred: FloatArray, most: float) -> _Decomposition | None:
    """Decompose Phi; None where more than ``most`` of its units, or points, are independent."""
    points, width = centred.shape
    more_units = points < width
    gram = centred @ centred.T if more_units else centred.T @ centred
    powers = np.einsum("ij,ij->j", centred, centred) if more_units else gram.diagonal().copy()
    singular_values = np.zeros(len(gram))
    trace = float(np.trace(gram))
    if trace == 0.0:
        return _Decomposition(centred, powers, singular_values, 0, np.copy)

    # sum(lambda^2) / sum(lambda) is a lower bound on the largest lambda
    tolerance = _COMPRESSION * float(np.vdot(gram, gram)) / trace
    lower, order, columns, _ = linalg.lapack.dpstrf(gram.T, tol=tolerance, lower=1)
    if columns > most:
        return None
    factor = None
    if len(gram) <= _MOST_VECTORS or columns <= _MOST_COLUMNS * len(gram):  # factor factor^T: gram up to the tolerance
        factor = np.empty((len(gram), columns))
        factor[order - 1] = lower[:, :columns] * _lower_triangle(len(gram))[:, :columns]
    # the eigenvalues of factor^T factor are those of factor factor^T, which are not 0
    inner = gram if factor is None else factor.T @ factor
    exact = len(inner) <= _MOST_VECTORS
    eigenvalues, vectors = np.linalg.eigh(inner) if exact else (np.linalg.eigvalsh(inner), inner)
    rounding = ROUNDING**2 * eigenvalues[-1]
    rank = int(np.count_nonzero(eigenvalues > rounding))
    singular_values[:rank] = np.sqrt(eigenvalues[::-1][:rank])

    def residual(fields: FloatArray) -> FloatArray:
        sides = fields if more_units else fields @ centred
        solve: Callable[[FloatArray], FloatArray]
        if exact:
            kept, directions = eigenvalues[len(inner) - rank :], vectors[:, len(inner) - rank :]
            solve = lambda right: (right @ directions / kept) @ directions.T  # noqa: E731
        else:
            damped = inner.copy()
            damped.flat[:: len(inner) + 1] += rounding
            cholesky = linalg.cho_factor(damped, overwrite_a=True, check_finite=False)
            solve = lambda right: linalg.cho_solve(cholesky, right.T, check_finite=False).T  # noqa: E731
        if factor is None:
            left: FloatArray = fields - solve(sides) @ (inner if more_units else centred.T)
        elif more_units:
            left = fields - solve(sides @ factor) @ factor.T
        else:
            left = fields - solve(solve(sides @ factor)) @ factor.T @ centred.T
        return left

    return _Decomposition(centred, powers, singular_values, rank, residual)


@lru_cache(maxsize=1)
def _lower_triangle(size: int) -> FloatArray:
    return np.asfortranarray(np.tri(size))  # as LAPACK lays out what it multiplies


def _effective_rank(singular_values: FloatArray) -> float:
    present = singular_values[singular_values > 0.0]
    if not present.size:
        return 0.0
    shares = present / present.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def _projection_error(
    decomposition: _Decomposition,
    target: FloatArray,
    prediction: FloatArray,
    scale: float,
    weights: FloatArray | None,
) -> tuple[float, str]:
    """Relative RMS of the target's residual, or NaN and the reason."""
    if np.isnan(target).any():
        return math.nan, "the probe has no target"
    if not np.any(target):
        return math.nan, "the target is 0 everywhere: for the residual of an equation the basis has no target"
    if not (scale > 0.0 and math.isfinite(scale)):
        return math.nan, "the scale of the error is not known"
    if not np.isfinite(prediction).all():
        return math.nan, "the prediction is not finite"
    if decomposition.rank >= target.shape[-1] - 1:
        return math.nan, "there are as many independent units as points: they reproduce any target"
    sizes = np.max(np.abs(prediction), axis=-1, keepdims=True)
    fields = np.vstack([target, prediction / np.where(sizes > 0.0, sizes, 1.0)])
    fields -= np.add.reduce(fields, axis=1, keepdims=True) / fields.shape[1]
    left = decomposition.residual(fields)
    left *= left
    roots = np.sqrt(np.add.reduce(left, axis=1) / left.shape[1]).tolist()
    count = len(roots) // 2
    for field, unexplained in zip(fields[count:], roots[count:], strict=True):
        if not _is_linear(decomposition, field, unexplained, weights):
            return math.nan, (
                "the output is not linear in this layer: something follows it, such as a hard constraint or rounding "
                "to half precision"
            )
    return math.hypot(*roots[:count]) / math.sqrt(scale), ""


def _is_linear(
    decomposition: _Decomposition, prediction: FloatArray, unexplained: float, weights: FloatArray | None
) -> bool:
    """Whether a scaled prediction of mean 0, of which Phi leaves an RMS unexplained, is linear in Phi."""
    deviation = _rms(prediction)
    rounding = ROUNDING  # a prediction that hardly varies about a large value is its rounding to float32
    if weights is not None and np.isfinite(weights).all():
        combined = decomposition.centred @ weights
        unexplained = max(unexplained, _unexplained(prediction, combined))
        if unexplained > LINEAR_TOLERANCE * deviation:  # so is what large terms leave that cancel each other
            spread = _rms(combined)
            terms = float(np.max(np.abs(decomposition.centred))) * float(np.sum(np.abs(weights)))
            rounding *= max(1.0, terms / spread * deviation if spread > 0.0 else 0.0)
    return not unexplained > max(LINEAR_TOLERANCE * deviation, rounding)


def _unexplained(prediction: FloatArray, combined: FloatArray) -> float:
    """RMS of what a scaled output of the layer leaves of a prediction of mean 0."""
    combined = combined - np.add.reduce(combined) / len(combined)
    combined /= float(np.abs(combined).max()) or 1.0
    power = float(combined @ combined)
    scaled = combined * (float(combined @ prediction) / power) if power > 0.0 else combined
    return _rms(prediction - scaled)


def _rms(field: FloatArray) -> float:
    return math.sqrt(np.add.reduce(field * field) / len(field))


def unit_laps(geometry: Geometry, features: FloatArray) -> FloatArray:
    """Total variation / range of each unit along each axis, shape ``(width, d)``; NaN: constant along it.

    Both are summed over the lines along the axis, so that lines on which the unit moves more weigh more.

    Parameters
    ----------
    geometry : where the N points lie.
    features : shape ``(N, width)``, finite.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> features = np.column_stack([np.tanh(9 * x - 5), np.sin(6 * np.pi * x), np.full(512, 7.0)])
    >>> unit_laps(grid, features).round(2).ravel().tolist()
    [1.0, 6.0, nan]
    """
    return _walk(geometry, features)[0]


def _walk(geometry: Geometry, features: FloatArray, deviations: FloatArray | None = None) -> tuple[FloatArray, float]:
    """Go along all lines once: the units' laps and, given their standard deviations, the dead share of the domain."""
    width = features.shape[1]
    if not geometry.has_lines:
        return np.full((width, geometry.dimension), math.nan), math.nan
    variation, spread, reach = (np.zeros((width, geometry.dimension)) for _ in range(3))
    dead = None if deviations is None else np.ones(len(features))
    weights = None if deviations is None else _weights(deviations).astype(features.dtype)
    for axis in range(geometry.dimension):
        lines = geometry.lines(axis)
        present = lines.T >= 0
        broken = not present.all()
        values = _along(features, lines)
        change = values[1:] - values[:-1]  # in the precision of the features: twice the memory is ten times the time
        np.abs(change, out=change)
        if broken:
            change[~(present[1:] & present[:-1])] = 0.0
            highest = np.max(values, axis=0, where=present[..., None], initial=-np.inf)
            ranges = highest - np.min(values, axis=0, where=present[..., None], initial=np.inf)
            ranges = ranges[present.any(axis=0)]
        else:
            ranges = _fold(np.maximum, values) - _fold(np.minimum, values)
        steps = change.reshape(-1, width)
        variation[:, axis] = np.ones(len(steps), change.dtype) @ steps  # a fast sum
        spread[:, axis], reach[:, axis] = ranges.sum(axis=0), ranges.max(axis=0)
        if dead is not None and weights is not None:
            together = (steps @ weights).reshape(change.shape[:-1])
            least = (
                np.min(together, where=present[1:] & present[:-1], initial=math.inf)
                if broken
                else together.min(initial=math.inf)
            )
            if least > DEAD_VARIATION:  # alive all along one axis is alive everywhere
                dead = None
            elif not broken:
                dead[lines.T] = np.minimum(dead[lines.T], _dead(together))
            else:
                for stretch, passed in _unbroken(lines, together):
                    dead[stretch] = np.minimum(dead[stretch], _dead(passed[:, None])[:, 0])
    varies = _varies(reach)
    laps = np.divide(variation, spread, out=np.full_like(spread, math.nan), where=varies)
    return laps, 0.0 if dead is None else geometry.mean(dead)


def _unbroken(lines: IntArray, between: FloatArray) -> Iterator[tuple[IntArray, FloatArray]]:
    """Points of each unbroken stretch of a line, and what lies between them, of shape ``(points - 1, lines)``."""
    for line, passed in zip(lines, between.T, strict=True):
        present = np.flatnonzero(line >= 0)
        for run in np.split(present, np.flatnonzero(np.diff(present) > 1) + 1):
            if run.size > 1:
                yield line[run], passed[run[:-1]]


def _varies(ranges: FloatArray) -> BoolArray:
    """Which units are not constant."""
    varies: BoolArray = ranges > CONSTANT_RANGE * ranges.max(initial=0.0)
    return varies


def _weights(deviations: FloatArray) -> FloatArray:
    """Their reciprocals, 0 for units that are constant."""
    return np.divide(1.0, deviations, out=np.zeros_like(deviations), where=_varies(deviations))


def _dead(steps: FloatArray) -> FloatArray:
    """Share of the two stretches beside each point that are dead, shape ``(points, lines)``, of what the units vary."""
    count, lines = steps.shape
    passed = np.zeros((count + 1, lines))
    np.cumsum(steps, axis=0, out=passed[1:])
    side = round(DEAD_REACH * (count + 1))
    stretch = np.arange(count)
    about = passed[np.minimum(stretch + side + 1, count)] - passed[np.maximum(stretch - side, 0)]
    flat = np.ones((count + 2, lines), dtype=bool)  # what lies beyond the ends of a line is as what lies before them
    flat[1:-1] = about <= DEAD_VARIATION
    if count > 1:
        flat[0], flat[-1] = flat[2], flat[-3]
        flat[1:-1] &= flat[:-2] | flat[2:]
    flat[0], flat[-1] = flat[1], flat[-2]
    return (flat[1:].astype(np.float64) + flat[:-1]) / 2


def _along(features: FloatArray, lines: IntArray) -> FloatArray:
    """Features along lines, shape ``(points, lines, width)``; a view along a grid's first axis."""
    order = lines.T.ravel()
    in_order = np.array_equal(order, np.arange(len(order)))
    chosen = features if in_order else np.take(features, order, axis=0)
    return chosen.reshape(*lines.T.shape, -1)


def _fold(function: Callable[[FloatArray, FloatArray], FloatArray], values: FloatArray) -> FloatArray:
    """Reduce the first axis by halves, with maximum or minimum, which may take a value twice: a third of the time."""
    while (half := (len(values) + 1) // 2) < len(values):
        values = function(values[:half], values[-half:])
    return np.asarray(values[0])


def unit_places(geometry: Geometry, features: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where each unit rises or falls, and over what width, along each axis.

    The place is the centroid of |d phi|; the width is that of the middle 80 % of it, from 10 % to 90 % of the unit's
    total variation: for a step, its 10-90 % width. Both speak of the part of the step inside the domain. Over several
    lines along an axis both are means, weighted by the total variation on the line.

    Parameters
    ----------
    geometry : where the N points lie.
    features : shape ``(N, width)``.

    Returns
    -------
    places, widths : each of shape ``(width, d)``, in the axis' units; NaN: constant along the axis, or not finite.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> places, widths = unit_places(grid, np.tanh((grid.points - 0.3) / 0.02))
    >>> places.round(3).item(), widths.round(3).item()  # 2 artanh(0.8) = 2.197 times 0.02
    (0.3, 0.044)
    """
    features = features.astype(np.float64)
    places, widths = (np.full((features.shape[1], geometry.dimension), math.nan) for _ in range(2))
    if not np.isfinite(features).all():
        return places, widths
    varies = ~np.isnan(unit_laps(geometry, features))
    for axis in range(geometry.dimension):
        units = np.flatnonzero(varies[:, axis])
        if not units.size:
            continue
        lines = geometry.lines(axis)
        position = geometry.points[lines, axis][:, :, None]
        change = np.abs(np.diff(features[:, units][lines], axis=1))
        change[(lines[:, 1:] < 0) | (lines[:, :-1] < 0)] = 0.0  # -1: no point
        passed = np.cumsum(change, axis=1)
        variation = passed[:, -1]
        middle = (position[:, 1:] + position[:, :-1]) / 2
        width = _crossing(position, change, passed, 0.9) - _crossing(position, change, passed, 0.1)
        total = variation.sum(axis=0)
        places[units, axis] = np.sum(middle * change, axis=(0, 1)) / total
        widths[units, axis] = np.sum(variation * width, axis=0) / total
    return places, widths


def _crossing(position: FloatArray, change: FloatArray, passed: FloatArray, share: float) -> FloatArray:
    """Where a share of the total variation is passed, per line and unit; the first point of a line without any."""
    level = share * passed[:, -1:]
    at = np.argmax(passed >= level, axis=1, keepdims=True)
    here = np.take_along_axis(change, at, axis=1)
    missing = level - np.take_along_axis(passed, at, axis=1) + here
    part = np.divide(missing, here, out=np.zeros_like(here), where=here > 0.0)
    start = np.take_along_axis(position, at, axis=1)
    length = np.take_along_axis(np.diff(position, axis=1), at, axis=1)
    crossing: FloatArray = start + part * length
    return crossing[:, 0]


def important_units(features: FloatArray, weights: FloatArray | None, count: int) -> IntArray:
    """Units that move the prediction most, the first one most: the largest |w_j| std(phi_j).

    Parameters
    ----------
    features : shape ``(N, width)``; units that are not finite come last.
    weights : of the read-out layer, shape ``(width,)``; ``None``: all alike.
    count : how many units to return; all of them if there are fewer.

    Examples
    --------
    >>> important_units(np.array([[1.0, 0.0, 5.0], [2.0, 9.0, 5.0]]), np.array([-7.0, 1.0, 99.0]), count=2).tolist()
    [1, 0]
    """
    with np.errstate(invalid="ignore", over="ignore"):
        importance = np.std(features, axis=0, dtype=np.float64)
        if weights is not None:
            importance = importance * np.abs(weights)
    finite = np.where(np.isfinite(importance), importance, -1.0)
    return np.argsort(-finite, kind="stable")[:count]
