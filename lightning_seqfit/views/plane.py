"""Views of a fit in the plane, and of one in space: see :mod:`lightning_seqfit.views.raster`.

Of the last look they show what the record holds: every point, or block means on at most 16,384 cells, which damp what
is not much wider than a cell; of what moves the recorded cells.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.views import training, words
from lightning_seqfit.views.base import Axis, Field, Item, Panel, View
from lightning_seqfit.views.components import small_pictures
from lightning_seqfit.views.raster import Raster, alike, lattice, middle, slices
from lightning_seqfit.words import percent, significant

if TYPE_CHECKING:
    from lightning_seqfit.diagnostics.front import FrontRecord
    from lightning_seqfit.record import Run

#: Share of the arrivals' colours that two named steps are apart, and how many are named at most.
_APART, _NAMED = 0.16, 6
#: Share of a basis function's tile that is left blank beside it, and the fewest tiles that have a width.
_BLANK, _FEWEST = 0.06, 6
_UNKNOWN = "prediction is not finite"
#: Depths of less are not named.
_DEEP = 0.02


def front(run: Run, *, moving: bool = False) -> View:
    """Target, local error at the last look, and when each place was fitted, with the front at a few steps.

    Where the target is the last look itself: the distance from it when half has yet to arrive.
    """
    run = run.fine or run
    seen = run.front
    assert seen is not None
    look, what = -1, "local error"
    if run.final:  # at the last look there is none
        short = np.flatnonzero(seen.fitted < 0.5)
        look = int(short[-1]) if short.size else 0
        what = f"distance at step {run.total_steps[look]:,}"
    shown = slices(run)
    rows = []
    for number, (one, arrivals) in enumerate(zip(shown, _arrivals(run, seen, shown), strict=True)):
        barred, titled = number == len(shown) - 1, number == 0
        panels = []
        for title, items in (
            (words.target_name(run), [_target(run, one, barred)]),
            (what, _error(run, seen, one, seen.local_error[look], barred)),
            arrivals,
        ):
            quiet = one.hatch(~seen.active, f"{words.target_name(run)} is flat")
            panels.append(one.panel(run, [*items, *quiet], title if titled or "nowhere" in title else ""))
        rows.append(tuple(panels))
    title = "Arrival at the last prediction" if run.final else words.titled("Error front", words.far(run))
    return View("1_front", title, _front_reading(run, seen) + _places(shown), tuple(rows))


def fit(run: Run, *, moving: bool = False) -> View:
    """Target, prediction and their difference; without a target: the prediction at three looks."""
    if run.final or not run.known:
        return _moving_prediction(run) if moving else _predictions(run)
    recorded, run = run, run if moving else run.fine or run
    steps = np.flatnonzero(words.latest(run)) if moving else None
    prediction = words.finite(run.prediction[-1 if steps is None else steps])
    difference = prediction - run.target
    values = _value_ends(run)
    half = _largest(difference, values[1] - values[0])
    said, shown, rows = "difference of lengths" if run.output == "norm" else "prediction - target", slices(run), []
    for number, one in enumerate(shown):
        label = words.quantity(run) if number == len(shown) - 1 else ""
        found = one.field(prediction, "values", values, label, extend="both", unknown=_UNKNOWN)
        off = one.field(difference, "values", (-half, half), label, extend="both", unknown=_UNKNOWN)
        titles = (words.target_name(run), "prediction", said) if number == 0 else ("", "", "")
        items = [_target(run, one, bool(label))], [found], [off]
        rows.append(tuple(one.panel(run, [*each], title) for each, title in zip(items, titles, strict=True)))
    if moving:
        reading = f"Target, prediction and their difference at each look, on {_size(run)}"
        return View("fit", "Fit", f"{reading}{_places(shown)}", tuple(rows), run.total_steps[steps])
    small, reading = small_pictures(recorded), _fit_reading(run, half) + _places(shown)
    return View("2_fit", f"Fit at step {run.total_steps[-1]:,}", reading, (*small, *rows))


def _target(run: Run, one: Raster, barred: bool) -> Field:
    return one.field(run.target, "values", _value_ends(run), words.quantity(run) if barred else "")


def _predictions(run: Run) -> View:
    """The prediction at three looks, in space its middle slice."""
    looks, one = words.moments(run.total_steps, 3), middle(run)
    values = words.finite(run.prediction[looks])
    ends = _spread(values)
    panels = [
        one.panel(
            run,
            [one.field(each, "values", ends, "" if number else run.quantity, unknown=_UNKNOWN)],
            f"step {run.total_steps[look]:,}",
        )
        for number, (look, each) in enumerate(zip(looks, values, strict=True))
    ]
    steps = words.several([f"step {run.total_steps[look]:,}" for look in looks])
    reading = (
        f"The prediction at {steps}, from {_figure(ends[0])} to {_figure(ends[1])}, on {_size(run)}{_places([one])}"
    )
    return View("2_fit", f"Predictions to step {run.total_steps[-1]:,}", reading, (tuple(panels),))


def _moving_prediction(run: Run) -> View:
    """The prediction at each look, beside the last one."""
    shown, one = words.latest(run), middle(run)
    values = words.finite(run.prediction[shown])
    panels = tuple(
        one.panel(run, [one.field(each, "values", _spread(values), run.quantity, unknown=_UNKNOWN)], title)
        for each, title in ((values, "prediction"), (values[-1], f"step {run.total_steps[-1]:,}"))
    )
    reading = f"The prediction at each look beside the last one, on {_size(run)}{_places([one])}"
    return View("fit", "Prediction", reading, (panels,), run.total_steps[shown])


def error(run: Run) -> View:
    """The local error at each look, and a line around every place that is not fitted."""
    seen = run.front
    assert seen is not None
    looks, shown = words.latest(run), slices(run)
    panels = tuple(
        one.panel(
            run,
            [
                *_error(run, seen, one, seen.local_error[looks], True),
                *one.hatch(~seen.active, f"{words.target_name(run)} is flat"),
            ],
        )
        for one in shown
    )
    has = "has" if run.final else "is"
    reading = f"Dark, up to {seen.tolerance:g}, a place {has} {words.fitted_words(run)}{_places(shown)}"
    return View("error", "Local error", reading, (panels,), run.total_steps[looks])


def _error(run: Run, seen: FrontRecord, one: Raster, local: FloatArray, barred: bool) -> list[Item]:
    """The local error, the root of ``local``, and a line around every place that is not fitted."""
    found = np.sqrt(words.finite(local))
    missing = np.where(seen.active & np.isfinite(found), found > seen.tolerance, np.nan)
    label = words.error_label(run) if barred else ""
    field = one.field(found, "error", (0.0, 1.0), label, extend="max", unknown=_UNKNOWN)
    edge = f"edge of what {'has' if run.final else 'is'} {words.fitted_words(run)}"
    return [field, *_outlines(one, missing, "front", label=edge)]


def _outlines(one: Raster, classes: FloatArray, kind: Literal["front", "level"], **options: Any) -> list[Item]:
    """Lines between classes, where there are several."""
    laid = one.lay(classes)
    known = laid[np.isfinite(laid)]
    return [one.outline(classes, kind, **options)] if known.size and known.min() < known.max() else []


def _arrivals(run: Run, seen: FrontRecord, shown: list[Raster]) -> list[tuple[str, list[Item]]]:
    """When each cell was fitted, with a title, for each of some slices, which share their colours."""
    fitted, times = words.fitted_words(run), np.where(seen.active, seen.arrival, np.nan)
    laid = np.concatenate([one.lay(times).ravel() for one in shown])
    known = laid[np.isfinite(laid)]
    never = f"not {fitted} yet"
    if not known.size:
        title = f"first {fitted}: nowhere yet"
        return [(title, [one.field(times, "arrival", (0.0, 1.0), never=never)]) for one in shown]
    first, last = float(known.min()), float(known.max())
    ends = (min(first, last / 2), max(last, 1.0))  # what came nearly at once looks nearly alike
    steps = _named_steps(run, first, last, ends)
    found = []
    for number, one in enumerate(shown):
        label = "optimizer step" if number == len(shown) - 1 else ""
        field = one.field(times, "arrival", ends, label, never=never)
        later = np.where(np.isnan(times), np.nan, np.searchsorted(steps, times))
        lines = _outlines(one, later, "level", names=tuple(f"{step:,.0f}" for step in steps))
        somewhere = np.isfinite(one.lay(times)).any()
        found.append((f"first {fitted}{'' if somewhere else ': nowhere yet'}", [field, *lines]))
    return found


def _named_steps(run: Run, first: float, last: float, ends: tuple[float, float]) -> FloatArray:
    """Steps of a few looks between the first arrival and the last, as far apart as their names need."""
    looks = run.total_steps.astype(np.float64)
    wanted = np.linspace(*ends, _NAMED)
    steps = looks[np.clip(np.searchsorted(looks, wanted, side="right") - 1, 0, None)]
    chosen = [first] if last == first else []
    for step in steps[(steps >= first) & (steps < last)]:
        if not chosen or step - chosen[-1] >= _APART * (ends[1] - ends[0]):
            chosen.append(float(step))
    return np.array(chosen or [first])


def basis(run: Run, *, moving: bool = False) -> View:
    """The weightiest basis functions, each to its own scale: a row for each of a few moments; or each snapshot."""
    seen = run.basis
    assert seen is not None
    one, count = lattice(run, seen.snapshot_points), seen.snapshots.shape[1]
    axes = f"{run.axes[0]} to the right, {run.axes[1]} upwards"
    laps = run.summary().said("median laps")
    reading = f"Each picture is a unit to its own scale, the weightiest first{f'; {laps}' if laps else ''}"
    if moving:
        rows = 2 if count > 3 else 1
        short = np.pad(seen.snapshots, ((0, 0), (0, -count % rows), (0, 0)), constant_values=np.nan)
        tiles = short.reshape(len(short), rows, -1, short.shape[-1])
        blank = np.arange(short.shape[1]).reshape(rows, -1) >= count
        panel = _mosaic(run, one, tiles, blank, f"units by weight, row by row; {axes}", ())
        return View("basis", "Basis functions", reading + _places([one]), ((panel,),), seen.snapshot_steps)
    moments = words.moments(seen.snapshot_steps)
    names = tuple(f"step {seen.snapshot_steps[moment]:,}" for moment in moments)
    blank = np.zeros((len(moments), count), dtype=bool)
    panel = _mosaic(run, one, seen.snapshots[moments], blank, f"units by weight; {axes}", names)
    return View("5_basis", "Basis functions", reading + _places([one]), ((panel,),))


def _mosaic(run: Run, one: Raster, units: NDArray[Any], blank: BoolArray, label: str, names: tuple[str, ...]) -> Panel:
    """Units of shape ``(..., rows, columns, points)`` as tiles, the first row uppermost, some left blank.

    A tile is one wide with its gap, and has the shape of the domain. ``names``: of the rows.
    """
    values = words.finite(one.lay(units))
    known = np.isfinite(values)
    low = np.min(values, axis=(-2, -1), keepdims=True, initial=np.inf, where=known)
    high = np.max(values, axis=(-2, -1), keepdims=True, initial=-np.inf, where=known)
    size = np.where(high > low, high - low, 1.0)
    scaled = np.where(high > low, (values - np.where(high > low, low, 0.0)) / size, np.where(known, 0.5, np.nan))
    outside = np.broadcast_to(one.cells < 0, (*blank.shape, *one.cells.shape)) | blank[..., np.newaxis, np.newaxis]
    height, width = one.cells.shape
    gaps = tuple(max(1, round(_BLANK * each)) for each in (height, width))
    share = width / (width + gaps[1])  # of a tile's width
    ratio = (np.ptp(run.bounds[1]) / np.ptp(run.bounds[0]) if alike(run) else 0.8) * share
    drawn, left_out = _tiled(scaled, gaps, np.nan), _tiled(outside, gaps, True)
    x_edges = np.arange(drawn.shape[-1] + 1) / (width + gaps[1])
    y_edges = np.arange(drawn.shape[-2] + 1) * (ratio / height)
    field = Field(drawn, x_edges, y_edges, "values", 0.0, 1.0, outside=left_out, unknown="not finite")
    rows, columns = blank.shape
    pitch = ratio * (height + gaps[0]) / height
    upwards = tuple(((rows - 1 - row) * pitch + ratio / 2, name) for row, name in enumerate(names))
    across = tuple((column + share / 2, f"{column + 1}") for column in range(columns)) if names else ()
    x = Axis(label, 0.0, max(columns, _FEWEST if names else 1) - 1 + share, names=across)
    return Panel(x, Axis("", 0.0, float(y_edges[-1]), names=upwards), (field,), square=True)


def _tiled(tiles: NDArray[Any], gaps: tuple[int, int], between: Any) -> NDArray[Any]:
    """Tiles of shape ``(..., rows, columns, height, width)`` beside each other, the first row uppermost."""
    rows, columns = tiles.shape[-4:-2]
    wide = [(0, 0)] * (tiles.ndim - 2) + [(0, gap) for gap in gaps]
    padded = np.pad(tiles[..., ::-1, :, :, :], wide, constant_values=between).swapaxes(-3, -2)
    height, width = padded.shape[-3], padded.shape[-1]
    whole = padded.reshape(*tiles.shape[:-4], rows * height, columns * width)
    return whole[..., : -gaps[0], : -gaps[1]]


def change(run: Run, *, moving: bool = False) -> View:
    """How much the prediction moved since half the steps: where, half-way and at the last look, and on the whole."""
    assert run.change is not None
    one, local = middle(run), run.change.local
    known = np.flatnonzero(np.isfinite(local).any(axis=1))
    looks = known[words.moments(run.total_steps[known], 3)][-2:] if known.size else known
    panels = [
        one.panel(
            run,
            [
                one.field(
                    np.sqrt(words.finite(local[look])),
                    "error",
                    (0.0, 1.0),
                    "" if number else "since half the steps",
                    extend="max",
                    unknown="not known",
                )
            ],
            f"to step {run.total_steps[look]:,}",
        )
        for number, look in enumerate(looks)
    ]
    reading = training.change_reading(run)[:-1] + (_places([one]) if panels else ".")
    return View("7_change", "How much the prediction still moves", reading, ((*panels, training.change_curves(run)),))


def _front_reading(run: Run, seen: FrontRecord) -> str:
    """Without a full stop."""
    fitted, share, after = words.fitted_words(run), float(seen.fitted[-1]), f"after {run.total_steps[-1]:,} steps"
    if run.final:
        half = run.summary().said("half arrived")
        return f"Dark is where the prediction was at its last value{f': {half}' if half else ''}{_order(run, seen)}"
    if not np.isfinite(share):
        return f"Dark is {fitted}; at the last look it was not measured"
    if share <= 0.0:
        return f"Dark would be {fitted}: {after} nothing is{_worst(run, seen)}"
    if share >= 1.0:
        return f"Dark is {fitted}: {after} everything that counts is{_order(run, seen)}"
    faces = {
        f"{axis}_{side}": f"{axis} = {significant(end, 3)}"
        for axis, ends in zip(run.axes, run.bounds, strict=True)
        for side, end in zip(("min", "max"), ends, strict=True)
    }
    depths = sorted(((float(depth[-1]), face) for face, depth in seen.depth.items()), reverse=True)[:2]
    begins = [f"{percent(depth)} from {faces.get(face, f'the {face}')}" for depth, face in depths if depth >= _DEEP]
    mean = "; on the mean over lines the first larger part that is not begins "
    from_faces = f"{mean}{words.several(begins)}" if begins else ", none of it next to a side"
    return f"Dark is {fitted}, {percent(share)} of the domain{from_faces}{_worst(run, seen)}{_order(run, seen)}"


def _worst(run: Run, seen: FrontRecord) -> str:
    """Where the error is largest, of what counts."""
    local = np.where(seen.active, seen.local_error[-1], np.nan)
    if np.isnan(local).all():
        return ""
    cell = int(np.nanargmax(local))
    if not np.isfinite(local[cell]):
        return f"; the error is not finite on {percent(float(np.mean(np.isinf(local[seen.active]))))} of what counts"
    return f"; the error is largest, {_figure(math.sqrt(max(local[cell], 0.0)))}, at {_at(run, cell)}"


def _order(run: Run, seen: FrontRecord) -> str:
    """When the first place was fitted, and when the last."""
    times = np.where(seen.active & np.isfinite(seen.arrival), seen.arrival, np.nan)
    if np.isnan(times).all():
        return ""
    begin, end = int(np.nanargmin(times)), int(np.nanargmax(times))
    if times[begin] == times[end]:
        return f"; all of that came at step {times[end]:,.0f}"
    came = [f"at step {times[cell]:,.0f}, {_at(run, cell)}" for cell in (begin, end)]
    return f"; the first place came {came[0]}, and the last {came[1]}"


def _fit_reading(run: Run, half: float) -> str:
    """Without a full stop."""
    off = words.finite(run.prediction[-1]) - run.target
    if not np.isfinite(off).any():
        return "The last prediction is finite nowhere"
    cell = int(np.nanargmax(np.abs(off)))
    lost = f"; it is not finite on {percent(1.0 - float(np.isfinite(off).mean()))}" if np.isnan(off).any() else ""
    beyond = f", beyond the colours, which end at {_figure(half)}" if abs(off[cell]) > 1.001 * half else ""
    if not off[cell]:
        return f"The prediction is the target, wherever it is finite{lost}"
    what = "length of the prediction" if run.output == "norm" else "prediction"
    more = "above" if off[cell] > 0 else "below"
    said = f"is off the most at {_at(run, cell)}, by {_figure(abs(off[cell]))} {more} the target"
    return f"The {what} {said}{beyond}{lost}: {words.progress(run)}"


def _at(run: Run, cell: int) -> str:
    """Where a cell is."""
    return ", ".join(f"{axis} = {_figure(at)}" for axis, at in zip(run.axes, run.points[cell], strict=True))


def _places(shown: list[Raster]) -> str:
    """What a sentence says of the slices that are shown, and its end."""
    first, *others = (one.place for one in shown)
    if not first:
        return "."
    if not others:
        return f"; shown is the slice at {first}."
    return f"; shown are the slices at {first}, the middle one, and {others[0]}, through the largest error."


def _size(run: Run) -> str:
    return f"{run.shape[0]} x {run.shape[1]} cells"


def _figure(value: float) -> str:
    return significant(float(value), 3)


def _value_ends(run: Run) -> tuple[float, float]:
    """Least and largest value of the target; without a size, as of a residual, as far as the last prediction goes."""
    low, high = float(run.target.min()), float(run.target.max())
    half = 0.0 if low < high else _largest(words.finite(run.prediction[-1]) - run.target, np.inf, 0.5)
    return low - half, high + half


def _largest(difference: FloatArray, most: float, none: float | None = None) -> float:
    """Largest difference, but at most ``most``; ``none``, or else ``most``, where there is none."""
    found = float(np.max(np.abs(difference), where=np.isfinite(difference), initial=0.0))
    return min(found, most) or (most if none is None else none)


def _spread(values: FloatArray) -> tuple[float, float]:
    """Ends of colours that hold all values that are known."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    return (low, high) if low < high else (low - 0.5, high + 0.5)
