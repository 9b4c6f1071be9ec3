r"""Where the fit has got to: the error front, its arrival, and whether it is a front at all.

With r = prediction - target, u' the target's oscillation about its trend, and s^2 the variance of the target's noise:

- Local error q = moving mean of r^2 over the trend's window / scale. Of the mean, what noise alone puts there is taken
  off first: s^2 (1 + 2 sqrt(2 / n)) with n the points in the window, and a little more where these are few. A point is
  *fitted* when q <= tolerance^2.
- A window hides what is narrower than itself. So a point is not fitted either where |r| is more than 2 tolerance of the
  largest |u'|, which no error is within such a window that oscillates as the target does. Nor, of a target that does
  not oscillate but steps or has a boundary layer, within half a window of a place where |r| is more than tolerance of
  its largest distance from the mean. Not asked of noisy values, where a single point tells nothing.
- *Active* points: moving mean of u'^2, less the noise's, at least 5 % of its mean. Quiet points count neither way, else
  a target that is flat at its ends would be "fitted from the boundary" before training begins.
- *Unfitted parts*: connected components of unfitted active points in which a whole window has room; where there is no
  such component, the largest: the outermost half oscillation lags its neighbour, and hides no front. *Depth* of a face:
  the share of active points between the face and the first unfitted part, the mean over the grid lines that meet one
  and do not but touch it: those with at least a quarter of the unfitted points that the line has which has most.
  Of the domain's own edge, where that is not the box's: the share of active points nearer to it than the first unfitted
  part on the way inwards from each place of it, the mean over the points of these parts.
- *Arrival* of a point: the first step at which it was fitted. A point that never was has arrival ``inf``.

Relative to the place (``local``), q is divided by what oscillates there instead, the moving mean of u'^2, at least a
thousandth of its mean; points where it is more are active.

The window reaches over the front, so a sharp front between a fitted and an untouched part is read 0.28 to 0.47 window
inside the fitted part, where the window is one wavelength (0.28 and 0.47 solve f -+ sin(2 pi f) / 2 pi = 1 / 16).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from lightning_seqfit.geometry import BOUNDARY, BoolArray, Edge, FloatArray, Geometry
from lightning_seqfit.measures.noise import noise_allowance
from lightning_seqfit.measures.ranks import average_ranks, correlation
from lightning_seqfit.measures.trend import Trend

#: Share of the mean square of u' from which on a point is active; and relative to the place.
LEAST_ACTIVE, LEAST_LOCAL = 0.05, 1e-3

#: The range of the mean clipped error over which sequentiality is integrated.
SEQUENTIALITY_RANGE = (0.15, 0.85)
#: Looks inside that range, and part of it covered, below which sequentiality is not known.
SEQUENTIALITY_LOOKS, SEQUENTIALITY_COVERED = 5, 0.1
#: Share of a face's points that must have arrived before its inwardness is known.
INWARDNESS_SHARE = 0.1
#: Unfitted points on a line over the most on any, below which the line but touches a part: its rim may be ragged.
LEAST_MET = 0.25
#: Looks over which the speed is taken.
SPEED_LOOKS = 10
# Errors are clipped at this multiple of the scale before they are averaged: sums stay exact beside a diverged cell.
_LARGEST_ERROR = 1e8


@dataclass(frozen=True)
class Front:
    """The state of the fit at one look.

    Attributes
    ----------
    local_error : q, shape ``(N,)``, 0 and up; 1 is the error of the bare trend. ``inf`` where the prediction is not
        finite.
    fitted : q <= tolerance^2, shape ``(N,)``.
    fitted_share : share of active points that are fitted, in [0, 1].
    unfitted : the unfitted parts, shape ``(N,)``; without lines, along which they had a depth, all that is not fitted.
    depth : per face, in [0, 1]: 0, an unfitted part reaches the face; 1, there is none.
    """

    local_error: FloatArray
    fitted: BoolArray
    fitted_share: float
    unfitted: BoolArray
    depth: dict[str, float]


def active_points(
    geometry: Geometry, trend: Trend, *, noise: float = 0.0, local: FloatArray | None = None
) -> BoolArray:
    """Points where the target oscillates: moving mean of u'^2 at least 5 % of its mean; all where nothing oscillates.

    Parameters
    ----------
    geometry : where the N points lie.
    trend : the target's trend.
    noise : standard deviation of the target's noise, whose part of u'^2 is no oscillation.
    local : from :func:`local_scale`, shape ``(N,)``: points are active where it is above its least value.

    Returns
    -------
    Array of bool, shape ``(N,)``

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(400,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> active = active_points(grid, fit_trend(grid, np.where(x > 0.5, np.sin(40 * np.pi * x), 0.0)))
    >>> bool(active[:180].any()), bool(active[220:].all())
    (False, True)
    """
    if trend.variance == 0.0:
        return np.ones(len(trend.oscillation), dtype=bool)
    if local is not None:
        return local > LEAST_LOCAL
    power, noise = _power(trend, noise)
    oscillating = geometry.moving_mean(power, trend.window) - noise_allowance(geometry, trend.window, noise)
    return oscillating >= LEAST_ACTIVE * (float(np.mean(power)) - noise**2)


def local_scale(geometry: Geometry, trend: Trend, *, noise: float = 0.0) -> FloatArray:
    """What oscillates at each place, as a share of what oscillates on the whole, at least 1e-3; shape ``(N,)``.

    The moving mean of u'^2 over the trend's window, less the noise's variance; all 1 where nothing oscillates.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(400,), axes=("t",))
    >>> t = grid.points[:, 0]
    >>> local = local_scale(grid, fit_trend(grid, np.exp(-5 * t) * np.cos(60 * t)))
    >>> local[[40, 200, 399]].round(3).tolist()
    [3.9, 0.073, 0.001]
    """
    if trend.variance == 0.0:
        return np.ones(len(trend.oscillation))
    power, noise = _power(trend, noise)
    whole = float(np.mean(power)) - noise**2
    if whole <= 0.0:
        return np.ones(len(trend.oscillation))
    allowance = noise_allowance(geometry, trend.window, noise)
    return np.maximum((geometry.moving_mean(power, trend.window) - allowance) / whole, LEAST_LOCAL)


def _power(trend: Trend, noise: float) -> tuple[FloatArray, float]:
    """u'^2 and the noise relative to the largest value of u', so that squares of extreme targets stay in range."""
    return (trend.oscillation / trend.largest) ** 2, noise / trend.largest


def measure_front(
    geometry: Geometry,
    trend: Trend,
    active: BoolArray,
    residual: FloatArray,
    scale: float,
    tolerance: float = 0.25,
    *,
    noise: float = 0.0,
    local: FloatArray | None = None,
) -> Front:
    """Read the front from one residual.

    Parameters
    ----------
    geometry : where the N points lie.
    trend : the target's trend; its window is the one averaged over.
    active : see :func:`active_points`, shape ``(N,)``.
    residual : prediction - target, shape ``(N,)``; NaN and inf are unfitted.
    scale : the mean square that errors are relative to, from :func:`~lightning_seqfit.measures.scale.scale_of`, or the
        first look's mean(r^2) where the target has none. 0 or NaN: unknown; then only an error of exactly 0 is fitted.
    tolerance : relative error at which a point is fitted, positive.
    noise : standard deviation of the target's noise.
    local : from :func:`local_scale`, shape ``(N,)``: errors are relative to ``local * scale`` at each place.

    Returns
    -------
    Front

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> trend = fit_trend(grid, np.sin(26 * np.pi * x))
    >>> residual = np.where(x < 0.4, 0.0, -trend.oscillation)  # fitted up to 0.4
    >>> front = measure_front(grid, trend, active_points(grid, trend), residual, trend.variance)
    >>> round(front.depth["x_min"], 2), front.depth["x_max"]  # read up to half a window (here 0.038) inside
    (0.37, 0.0)
    """
    local_error = _local_error(geometry, trend.window, residual, scale, noise)
    if local is not None:
        local_error /= local
    if noise == 0.0:
        _mark_sharp_errors(geometry, trend, residual, local_error, tolerance)
    fitted = local_error <= tolerance**2
    unfitted = active & ~fitted
    if geometry.has_lines:
        unfitted = _unfitted_parts(geometry, trend.window, unfitted)
    count = int(np.count_nonzero(active))
    return Front(
        local_error=local_error,
        fitted=fitted,
        fitted_share=int(np.count_nonzero(fitted & active)) / count if count else 1.0,
        unfitted=unfitted,
        depth=_depths(geometry, active, unfitted),
    )


def _local_error(
    geometry: Geometry, window: tuple[float, ...], residual: FloatArray, scale: float, noise: float
) -> FloatArray:
    # Divided before it is squared: the square of a large residual must not overflow.
    root = math.sqrt(scale) if scale > 0.0 else math.nan
    known = math.isfinite(root)
    limit = math.sqrt(_LARGEST_ERROR)
    finite = np.isfinite(residual)
    whole = bool(finite.all())
    with np.errstate(over="ignore"):  # inf is clipped below
        relative = residual / root if known else np.where(residual == 0.0, 0.0, limit)
    if not whole:
        relative = np.where(finite, relative, 0.0)
    squared = np.minimum(np.abs(relative), limit) ** 2
    error = np.maximum(geometry.moving_mean(squared, window), 0.0)
    if noise > 0.0 and known:
        error = np.maximum(error - noise_allowance(geometry, window, noise / root), 0.0)
    if not whole:
        error[geometry.moving_mean((~finite).astype(np.float64), window) > 1e-9] = np.inf
    return error


def _mark_sharp_errors(
    geometry: Geometry, trend: Trend, residual: FloatArray, local_error: FloatArray, tolerance: float
) -> None:
    """Raise the local error where the error itself is large, and its window hides it."""
    oscillates = trend.variance > 0.0 or not geometry.has_lines
    if oscillates:
        most = trend.largest
        # a window that is shorter than a wavelength may see less of it
        parts = [width / wave for width, wave in zip(trend.window, trend.wavelength, strict=True) if wave < math.inf]
        crest = 2.0 / math.sqrt(min(map(_seen, parts), default=1.0))
    else:
        most, crest = trend.farthest, 1.0
    limit = crest * tolerance * most
    size = np.abs(residual)
    if limit <= 0.0 or float(size.max()) <= limit:
        return
    sharp = size > limit
    # in units in which the limit is the squared tolerance
    excess = tolerance**2 * (np.minimum(size, math.sqrt(_LARGEST_ERROR) * limit) / limit) ** 2
    if not oscillates:  # the mean over the sharp places within half a window
        near = geometry.moving_mean(sharp.astype(np.float64), trend.window)
        excess = geometry.moving_mean(np.where(sharp, excess, 0.0), trend.window) / np.where(near > 1e-9, near, 1.0)
        sharp = near > 1e-9
    hidden = sharp & (local_error <= tolerance**2)
    local_error[hidden] = np.maximum(excess[hidden], tolerance**2 * (1.0 + 1e-9))


def _seen(part: float) -> float:
    """Least mean square of a sine over a window of this part of a wavelength, over that of the whole; at most 1."""
    angle = 2 * math.pi * part
    return min(max(part, 1 - abs(math.sin(angle)) / angle), 1.0)


def _unfitted_parts(geometry: Geometry, window: tuple[float, ...], unfitted: BoolArray) -> BoolArray:
    """Components in which a whole window has room; where there is none, the largest."""
    if not unfitted.any():
        return unfitted
    labels = geometry.components(unfitted)
    whole = _room(geometry, window) & (geometry.moving_mean(unfitted.astype(np.float64), window) >= 1.0 - 1e-9)
    kept = np.bincount(labels[whole], minlength=int(labels.max()) + 1) > 0
    kept[0] = False
    if not kept.any():
        sizes = np.bincount(labels)
        sizes[0] = 0
        kept[int(sizes.argmax())] = True
    parts: BoolArray = kept[labels]
    return parts


@lru_cache(maxsize=4)  # the same at each look
def _room(geometry: Geometry, window: tuple[float, ...]) -> BoolArray:
    return geometry.room(window)


def _depths(geometry: Geometry, active: BoolArray, unfitted: BoolArray) -> dict[str, float]:
    if not unfitted.any():
        return dict.fromkeys(geometry.faces, 1.0)
    depth = {} if geometry.edge is None else {BOUNDARY: _depth_of_edge(geometry.edge, active, unfitted)}
    active, unfitted = np.append(active, False), np.append(unfitted, False)  # -1 on a line: neither
    for axis, name in enumerate(geometry.axes if geometry.has_lines else ()):
        lines = geometry.lines(axis)
        if len(lines) > 1:
            count = np.count_nonzero(unfitted[lines], axis=1)
            lines = lines[count >= max(LEAST_MET * int(count.max()), 1)]
        met = unfitted[lines]
        passed = active[lines].cumsum(axis=1)  # active points up to and with each point of the line
        row, total = np.arange(len(lines)), passed[:, -1]
        before = (passed[row, met.argmax(axis=1)] - 1) / total
        behind = (total - passed[row, met.shape[1] - 1 - met[:, ::-1].argmax(axis=1)]) / total
        depth[f"{name}_min"] = float(np.add.reduce(before) / len(lines))
        depth[f"{name}_max"] = float(np.add.reduce(behind) / len(lines))
    return depth


def _depth_of_edge(edge: Edge, active: BoolArray, unfitted: BoolArray) -> float:
    """Share of the active points nearer to the edge than the first unfitted one on the way inwards from a place of it.

    The mean over unfitted points: of two ways that cross a part that one counts which is deep in it.
    """
    met, distance = unfitted[edge.order], edge.distance[edge.order]
    first = np.minimum.reduceat(np.where(met, distance, np.inf), edge.starts)
    count = np.add.reduceat(met.astype(np.float64), edge.starts)
    passed = np.searchsorted(np.sort(edge.distance[active]), first[count > 0])
    return float(count[count > 0] @ passed / count.sum()) / int(np.count_nonzero(active))


@dataclass(frozen=True)
class FrontHistory:
    """What accumulates over looks; see :func:`update`. Steps are optimizer steps, counted over all fits.

    Attributes
    ----------
    arrival : first step at which a point was fitted, shape ``(N,)``; ``inf``: never so far.
    settled : step since which a point has been fitted without a break, shape ``(N,)``; ``inf``: it is not fitted now.
    fitted : fitted at the last look, shape ``(N,)``.
    fitted_at_start : fitted at the first look, shape ``(N,)``.
    looks_inside : looks with the mean clipped error inside :data:`SEQUENTIALITY_RANGE`.
    level : lowest mean clipped error seen inside that range; NaN before the first look inside.
    concentration : Var(z) / (m (1 - m)) at that level.
    covered : range of m passed so far, from the first look inside down to ``level``.
    integral : integral of the concentration over that range.
    recent : (step, fitted share) of the last looks.
    """

    arrival: FloatArray
    settled: FloatArray
    fitted: BoolArray
    fitted_at_start: BoolArray
    looks_inside: int = 0
    level: float = math.nan
    concentration: float = math.nan
    covered: float = 0.0
    integral: float = 0.0
    recent: tuple[tuple[float, float], ...] = field(default=())


def update(history: FrontHistory | None, front: Front, active: BoolArray, step: int) -> FrontHistory:
    """Take one more look into the history; ``None`` begins one. Looks come in the order of their steps.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(400,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> trend = fit_trend(grid, np.sin(40 * np.pi * x))
    >>> active = active_points(grid, trend)
    >>> history = None
    >>> for step in range(101):  # a step that moves to the right
    ...     residual = np.where(x < step / 100, 0.0, -trend.oscillation)
    ...     history = update(history, measure_front(grid, trend, active, residual, trend.variance), active, step)
    >>> sequentiality(history) > 0.9
    True
    >>> {face: round(value) for face, value in inwardness(grid, active, history).items()}
    {'x_min': 1, 'x_max': -1}
    """
    if history is None:
        arrival = np.where(front.fitted, float(step), np.inf)
        history = FrontHistory(
            arrival=arrival, settled=arrival.copy(), fitted=front.fitted, fitted_at_start=front.fitted
        )
    else:
        changed = front.fitted != history.fitted
        if changed.any():
            newly = front.fitted & changed
            arrived = newly & np.isinf(history.arrival)
            history = replace(
                history,
                # the same array as before where nothing arrived: what depends on it need not be computed again
                arrival=np.where(arrived, float(step), history.arrival) if arrived.any() else history.arrival,
                settled=np.where(newly, float(step), np.where(front.fitted, history.settled, np.inf)),
                fitted=front.fitted,
            )
    recent = (*history.recent, (float(step), front.fitted_share))[-SPEED_LOOKS:]
    return replace(_advance(history, front.local_error[active]), recent=recent)


def _advance(history: FrontHistory, local_error: FloatArray) -> FrontHistory:
    """Carry the integral of the concentration on to a new lowest mean clipped error."""
    clipped = np.minimum(local_error, 1.0)
    mean = float(np.add.reduce(clipped)) / clipped.size if clipped.size else 0.0
    low, high = SEQUENTIALITY_RANGE
    if not low < mean < high:
        return history
    concentration = float(np.mean((clipped - mean) ** 2)) / (mean * (1 - mean))
    looks = history.looks_inside + 1
    if math.isnan(history.level):
        return replace(history, looks_inside=looks, level=mean, concentration=concentration)
    if mean >= history.level:
        return replace(history, looks_inside=looks)
    passed = history.level - mean
    return replace(
        history,
        looks_inside=looks,
        level=mean,
        concentration=concentration,
        covered=history.covered + passed,
        integral=history.integral + passed * (concentration + history.concentration) / 2,
    )


def sequentiality(history: FrontHistory) -> float:
    """Whether the fit comes as a front, in [0, 1].

    With z = clip(q, 0, 1) over the active points and m = mean(z), Var(z) / (m (1 - m)) is integrated over m by the
    trapezoid rule while 0.15 < m < 0.85 and divided by the range covered. The integral follows the lowest m reached so
    far: what is unlearned and learned again counts once, so that noise does not weigh.

    1: every place is either fitted or untouched. 0: all places improve together. NaN: fewer than five looks inside, or
    less than 0.1 of m covered, which the ripples of a fit that stands still cover too.
    """
    if history.looks_inside < SEQUENTIALITY_LOOKS or history.covered < SEQUENTIALITY_COVERED:
        return math.nan
    return min(max(history.integral / history.covered, 0.0), 1.0)


def inwardness(geometry: Geometry, active: BoolArray, history: FrontHistory) -> dict[str, float]:
    """Whether the fit comes from a face, per face, in [-1, 1].

    Spearman's correlation of arrival with distance from the face along the nearer half of each grid line, over active
    points not fitted at the first look; the mean over lines, where a line that arrives at once counts 0. Points that
    have not arrived rank last together. For the domain's own edge, where that is not the box's, with the distance from
    it, over all such points.

    1: from the face inwards. -1: from the middle outwards. NaN: less than a tenth of the face's points have arrived.
    A face without any such point has no entry.
    """
    eligible = active & ~history.fitted_at_start
    result = {}
    if geometry.edge is not None and eligible.any():
        arrival, distance = (each[eligible][np.newaxis] for each in (history.arrival, geometry.edge.distance))
        result[BOUNDARY] = _inwardness(arrival, eligible[eligible][np.newaxis], distance)
    arrival, eligible = np.append(history.arrival, np.inf), np.append(eligible, False)  # -1 on a line: neither
    for axis, name in enumerate(geometry.axes):
        lines = geometry.lines(axis)
        half = lines.shape[1] // 2
        for side, nearer in (("min", lines[:, :half]), ("max", lines[:, ::-1][:, :half])):
            if eligible[nearer].any():
                result[f"{name}_{side}"] = _inwardness(arrival[nearer], eligible[nearer])
    return result


def _inwardness(arrival: FloatArray, eligible: BoolArray, distance: FloatArray | None = None) -> float:
    """Mean Spearman correlation over rows, columns ordered by distance from the face, or with their distances."""
    if np.mean(np.isfinite(arrival[eligible])) < INWARDNESS_SHARE:
        return math.nan
    rows = np.count_nonzero(eligible, axis=1) >= 3
    if not rows.any():
        return math.nan
    arrival, eligible = arrival[rows], eligible[rows]
    # Points that are out rank behind all others, where they leave the ranks of the rest as they are.
    never = float(np.max(arrival, where=np.isfinite(arrival), initial=0.0)) + 1.0
    order = np.where(eligible, np.minimum(arrival, never), never + 1.0)
    ranks = average_ranks(order)
    places = np.cumsum(eligible, axis=1).astype(np.float64) if distance is None else average_ranks(distance[rows])
    count = np.count_nonzero(eligible, axis=1, keepdims=True)
    ranks = np.where(eligible, ranks - (count + 1) / 2, 0.0)
    places = np.where(eligible, places - (count + 1) / 2, 0.0)
    return float(np.mean(correlation(ranks, places)))


def overall_inwardness(geometry: Geometry, trend: Trend, faces: dict[str, float]) -> float:
    """Mean of the faces' inwardness over the axes that have a wavelength (all axes where none has).

    NaN while one of these faces is not known yet, and where none has an entry.
    """
    waving = [name for name, wavelength in zip(geometry.axes, trend.wavelength, strict=True) if wavelength < math.inf]
    names = [f"{axis}_{side}" for axis in waving or geometry.axes for side in ("min", "max")]
    known = [faces[name] for name in names if name in faces]
    return sum(known) / len(known) if known else math.nan


def speed(history: FrontHistory) -> float:
    """Active share newly fitted per optimizer step: least-squares slope over the last ten looks; NaN below two."""
    steps, shares = np.array(history.recent).reshape(-1, 2).T
    centred = steps - steps.mean() if steps.size else steps
    spread = float(centred @ centred)
    # less the first share: of shares that stay as they are, rounding would leave a speed
    return float(centred @ (shares - shares[0])) / spread if spread > 0 else math.nan
