"""Whether a field only bends: along every line it is convex, concave, or monotone and bent one way, then the other.

Such a field has no oscillation, however many sinusoids would be needed to draw it: x^3, exp, sqrt, a step, a boundary
layer. It is asked of the field as it is, for adding a straight line makes neither a convex one wavy nor a wave convex.
"""

from __future__ import annotations

import numpy as np

from lightning_seqfit.geometry import BoolArray, FloatArray, Geometry, IntArray

# A line is judged by this many of its points; between two of them it may not leave what they span.
_JUDGED = 128


def only_bends(geometry: Geometry, field: FloatArray, deviation: float) -> bool:
    """Whether a field is nowhere farther than ``deviation`` from one that only bends.

    Parameters
    ----------
    geometry : where the N points lie.
    field : shape ``(N,)``, finite.
    deviation : in the field's units, 0 and up.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> fields = x + np.exp(-x / 0.01), np.tanh(20 * (x - 0.3)), np.cos(2 * np.pi * x), x**2 + 0.01 * np.sin(60 * x)
    >>> [only_bends(grid, each, 1e-3) for each in fields]
    [True, True, False, False]
    """
    for axis in range(geometry.dimension):
        lines = geometry.lines(axis)
        places = np.where(lines >= 0, geometry.points[lines, axis], np.nan)
        doubtful = lines[~_clearly_bent(places, field[lines], deviation)]
        stretches = (stretch for line in doubtful for stretch in _stretches(line))
        if not all(_line_only_bends(geometry.points[each, axis], field[each], deviation) for each in stretches):
            return False
    return True


def _stretches(line: IntArray) -> list[IntArray]:
    """Points of a line between places without one."""
    present = np.flatnonzero(line >= 0)
    return [line[run] for run in np.split(present, np.flatnonzero(np.diff(present) > 1) + 1)] if present.size else []


def _clearly_bent(places: FloatArray, values: FloatArray, deviation: float) -> BoolArray:
    """Which lines are bent one way at every point; only to save time. Places are NaN where there is no point."""
    before, after = np.diff(places[:, :-1], axis=1), np.diff(places[:, 1:], axis=1)
    span = before + after
    share = np.divide(before, span, out=np.full_like(span, 0.5), where=~(span <= 0))
    bend = values[:, 1:-1] - (1 - share) * values[:, :-2] - share * values[:, 2:]
    bend[np.isnan(bend)] = 0.0
    # so small a bend the other way, at every point, adds up to less than the deviation
    slack = deviation * 8 / values.shape[1] ** 2
    clearly: BoolArray = (bend <= slack).all(axis=1) | (bend >= -slack).all(axis=1)
    return clearly


def _line_only_bends(places: FloatArray, values: FloatArray, deviation: float) -> bool:
    chosen = np.unique(np.linspace(0, len(values) - 1, min(len(values), _JUDGED)).round().astype(np.intp))
    x, y = places[chosen], values[chosen]
    if len(chosen) < len(values):
        number = np.minimum(np.searchsorted(chosen, np.arange(len(values)), side="right"), len(chosen) - 1)
        one, other = y[number - 1], y[number]
        outside = np.maximum(values - np.maximum(one, other), np.minimum(one, other) - values)
        if outside.max() > deviation:
            return False
    if _convex(x, y, deviation) or _convex(x, -y, deviation):
        return True
    rising = y if y[-1] >= y[0] else -y
    if np.max(np.maximum.accumulate(rising) - rising) > deviation:
        return False
    return any(_bends_twice(x, signed, deviation) for signed in (y, -y))


def _convex(x: FloatArray, y: FloatArray, deviation: float) -> bool:
    """Whether values lie no higher than this above the lower hull of their points."""
    hull: list[tuple[float, float]] = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        while len(hull) > 1 and _turn(hull[-2], hull[-1], point) <= 0.0:
            hull.pop()
        hull.append(point)
    corners = np.array(hull)
    return bool(np.max(y - np.interp(x, corners[:, 0], corners[:, 1])) <= deviation)


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Positive where the way from a over b to c turns to the left."""
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


def _bends_twice(x: FloatArray, y: FloatArray, deviation: float) -> bool:
    """Whether it is convex up to some point and concave from there on."""
    low, high = 1, len(x)  # the first `low` points are convex, more than `high` are not
    while low < high:
        middle = (low + high + 1) // 2
        if _convex(x[:middle], y[:middle], deviation):
            low = middle
        else:
            high = middle - 1
    return _convex(x[low - 1 :], -y[low - 1 :], deviation)
