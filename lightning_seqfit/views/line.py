"""Views of a fit along one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.geometry import MOST_CELLS, BoolArray, FloatArray
from lightning_seqfit.views import training, words
from lightning_seqfit.views.base import Axis, Band, Curve, Field, Item, Outline, Panel, Shade, View
from lightning_seqfit.words import percent, significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

#: Columns in which the range of many points is shown, about as many as a picture has pixels.
_COLUMNS = 720
#: Largest relative error that is drawn to scale.
_MOST_ERROR = 2.0
#: From this inwardness on a fit is said to grow inwards, from its negative outwards; depths of less are not named.
_CLEAR, _DEEP = 0.3, 0.02


def front(run: Run, *, moving: bool = False) -> View:
    """Local error over position and step, with the fronts drawn in."""
    seen = run.front
    assert seen is not None
    shown = words.latest(run)
    x_edges, y_edges = words.step_edges(run), _cell_edges(run)
    error = np.sqrt(words.finite(seen.local_error[shown])).T
    field = Field(
        error, x_edges, y_edges, "error", 0.0, 1.0, words.error_label(run), extend="max", unknown="not finite"
    )
    fitted, known = words.fitted_words(run), seen.active & ~np.isnan(seen.local_error[shown])
    missing = words.unfitted(seen)[shown]
    items: list[Item] = [field]
    absent: tuple[str, ...] = ()
    if missing[known].all() or not missing[known].any():
        why = f"nothing is {fitted} yet" if missing.any() else f"all that counts is {fitted} at every look"
        absent = (f"no front: {why if known.any() else 'it was not measured'}",)
    else:
        label = f"front: edge of what {'has' if run.final else 'is'} {fitted}"
        items.append(Outline(np.where(known, missing, np.nan).T, x_edges, y_edges, "front", label))
    items += [*_quiet(run, along="y"), *_gaps(run, along="y")]
    panel = Panel(words.step_axis(run), Axis(run.axes[0], *run.bounds[0]), tuple(items), absent=absent)
    title = "Distance from the last prediction" if run.final else words.titled("Local error", words.far(run))
    return View("1_front", title, _front_reading(run), ((panel,),), cursor="x")


def _front_reading(run: Run) -> str:
    seen, fitted = run.front, words.fitted_words(run)
    assert seen is not None
    if run.final:
        half = run.summary().said("half arrived")
        return f"Dark is where the prediction had arrived at its last value{f': {half}' if half else ''}."
    share = float(seen.fitted[-1])
    if not np.isfinite(share):
        return f"Dark is {fitted}; at the last look it was not measured."
    if share <= 0.0:
        return f"Dark would be {fitted}: after {run.total_steps[-1]:,} steps nothing is."
    if share >= 1.0:
        return f"Dark is {fitted}: after {run.total_steps[-1]:,} steps everything that counts is."
    (low, high), axis = run.bounds[0], run.axes[0]
    ends = [
        f"{percent(float(seen.depth[face][-1]))} is next to {axis} = {significant(end, 3)}"
        for face, end in ((f"{axis}_min", low), (f"{axis}_max", high))
        if face in seen.depth and seen.depth[face][-1] >= _DEEP
    ]
    inwards = seen.overall_inwardness[-1]
    grows = "; it grows inwards" if inwards > _CLEAR else "; it grows outwards" if inwards < -_CLEAR else ""
    from_ends = words.several(ends) if ends else f"none of it is next to an end of {axis}"
    return f"Dark is {fitted}, {percent(share)} of the domain: {from_ends}{grows}."


def fit(run: Run, *, moving: bool = False) -> View:
    """The prediction over the target, every unfitted place shaded.

    Of more points than a picture has columns, each column shows how far the values in it reach. Without a target: the
    prediction at a few looks.
    """
    if run.final or not run.known:
        return _moving_prediction(run) if moving else _predictions(run)
    recorded, run = run, run if moving else run.fine or run
    shown = np.flatnonzero(words.latest(run)) if moving else np.array([-1])
    prediction = words.finite(run.prediction[shown])
    items: list[Item] = []
    if run.front is not None:
        missing = words.unfitted(run.front)[shown]
        items.append(_shade(run, missing if moving else missing[-1], "unfitted", f"not {words.fitted_words(run)}"))
    if not moving and len(run.points) > MOST_CELLS:
        items += _ranges(run, prediction[-1])
    else:
        place, values = _broken(run, run.points[:, 0], prediction if moving else prediction[-1])
        items.append(Curve(place, values, "model", "prediction", width=2.2))
        items.append(Curve(*_broken(run, run.points[:, 0], run.target), "target", "target", width=0.9))
    items += _gaps(run)
    panel = Panel(
        Axis(run.axes[0], *run.bounds[0]),
        Axis(words.quantity(run), *_limits(run, prediction)),
        tuple(items),
        absent=() if np.isfinite(prediction).any() else ("the prediction is finite nowhere",),
    )
    reading = _fit_reading(run)
    if moving:
        return View("fit", "Fit", words.at_the_last_look(reading), ((panel,),), run.total_steps[shown])
    return View("2_fit", f"Fit at step {run.total_steps[-1]:,}", reading, (*_components(recorded), (panel,)))


def _limits(run: Run, prediction: FloatArray) -> tuple[float, float]:
    """Ends of the axis of values: those of the target, so that a wild prediction does not hide it."""
    target = run.target if run.target_range is None else run.target_range
    low, high, room = float(np.min(target)), float(np.max(target)), 0.25
    low = min(low, 0.0) if run.output == "norm" else low  # a length has a zero
    known = prediction[np.isfinite(prediction)]
    if low == high and known.size:  # without a size of its own, as of a residual: that of the prediction
        low, high, room = min(low, float(known.min())), max(high, float(known.max())), 0.1
    room *= (high - low) or 4.0
    return low - room, high + room


def _fit_reading(run: Run) -> str:
    if not np.isfinite(run.prediction[-1]).any():
        return "The last prediction is finite nowhere."
    if run.front is None or not np.isfinite(run.front.fitted[-1]):
        return f"The prediction over the target at the last look: {words.progress(run)}."
    fitted, share = words.fitted_words(run), float(run.front.fitted[-1])
    counted = run.summary().said("oscillations fitted")
    said = f"; {counted} are fitted" if counted else ""
    if share >= 1.0:
        return f"The prediction lies on the target wherever that counts: all of it is {fitted}{said}."
    if share <= 0.0:
        return f"Grey marks what is not {fitted}: everything that counts{said}."
    return f"Grey marks what is not {fitted}: {percent(1.0 - share)} of what counts{said}."


def _ranges(run: Run, prediction: FloatArray) -> list[Item]:
    """How far prediction and target reach in each of many columns."""
    reach = np.stack([prediction] * 2) if run.prediction_range is None else words.finite(run.prediction_range)
    target = np.stack([run.target] * 2) if run.target_range is None else run.target_range
    place, (low, high) = _envelope(run, reach)
    items: list[Item] = [Band(place, low, high, "model", "prediction: range")]
    place, ends = _envelope(run, target)
    labels = ("target: range", "")
    return items + [
        Curve(place, values, "target", label, width=0.9) for values, label in zip(ends, labels, strict=True)
    ]


def _components(run: Run) -> tuple[tuple[Panel, ...], ...]:
    """A row of small panels, one for each output: its target, and the prediction over it."""
    seen = run.components
    if seen is None:
        return ()
    place, panels = run.points[:, 0], []
    for number, target, prediction in zip(seen.numbers, seen.target, seen.prediction, strict=True):
        low, high = float(target.min()), float(target.max())
        room = 0.25 * (high - low) or 1.0
        curves = (
            Curve(*_broken(run, place, words.finite(prediction)), "model", width=1.6),
            Curve(*_broken(run, place, target), "target", width=0.7),
        )
        axes = Axis("", *run.bounds[0]), Axis("", low - room, high + room)
        panels.append(Panel(*axes, curves, f"output {number}", small=True, bold=number == run.output))
    return (tuple(panels),)


def _predictions(run: Run) -> View:
    """The prediction at a few looks, the last one on top."""
    looks = words.moments(run.total_steps)
    values = words.finite(run.prediction[looks])
    items: list[Item] = []
    for number, (look, each) in enumerate(zip(looks, values, strict=True)):
        last, label = number == len(looks) - 1, f"step {run.total_steps[look]:,}"
        place, drawn = _broken(run, run.points[:, 0], each)
        items.append(
            Curve(place, drawn, "model", label, width=2.0)
            if last
            else Curve(place, drawn, "ordered", label, width=1.2, place=number / (len(looks) - 1))
        )
    items += _gaps(run)
    panel = Panel(
        Axis(run.axes[0], *run.bounds[0]),
        Axis(run.quantity, *_spread(values)),
        tuple(items),
        absent=() if np.isfinite(values).any() else ("the prediction is finite nowhere",),
    )
    steps = words.several([f"step {run.total_steps[look]:,}" for look in looks])
    reading = f"The prediction at {steps}, the last one on top."
    return View("2_fit", f"Predictions to step {run.total_steps[-1]:,}", reading, ((panel,),))


def _moving_prediction(run: Run) -> View:
    """The prediction at each look over the last one."""
    shown = words.latest(run)
    values = words.finite(run.prediction[shown])
    place, drawn = _broken(run, run.points[:, 0], values)
    items: tuple[Item, ...] = (
        Curve(place, drawn[-1], "muted", f"step {run.total_steps[-1]:,}"),
        Curve(place, drawn, "model", "prediction", width=2.0),
        *_gaps(run),
    )
    panel = Panel(Axis(run.axes[0], *run.bounds[0]), Axis(run.quantity, *_spread(values)), items)
    reading = "The prediction at each look over the last one, in grey."
    return View("fit", "Prediction", reading, ((panel,),), run.total_steps[shown])


def _spread(values: FloatArray) -> tuple[float, float]:
    """Ends of an axis that holds all values that are known."""
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.5
    return low - room, high + room


def error(run: Run) -> View:
    """The local error along the line at each look."""
    seen = run.front
    assert seen is not None
    shown = words.latest(run)
    values = np.sqrt(words.finite(seen.local_error[shown]))
    place, drawn = _broken(run, run.points[:, 0], values)
    ends = np.array(run.bounds[0])
    items: tuple[Item, ...] = (
        _shade(run, words.unfitted(seen)[shown], "unfitted", f"not {words.fitted_words(run)}"),
        Curve(place, drawn, "model", "local error"),
        Curve(ends, np.full(2, seen.tolerance), "muted", "tolerance", "--"),
        *_quiet(run),
        *_gaps(run),
    )
    known = values[np.isfinite(values)]
    high = 1.05 * min(max(1.0, float(known.max(initial=1.0))), _MOST_ERROR)
    panel = Panel(Axis(run.axes[0], *run.bounds[0]), Axis(words.error_label(run), 0.0, high), items)
    word = words.fitted_words(run)
    reading = f"Below the dashed line, {seen.tolerance:g}, a place is {word}."
    if word not in ("fitted", "arrived"):
        reading = f"The dashed line is {percent(seen.tolerance)} of the first error, which is 1."
    return View("error", "Local error", reading, ((panel,),), run.total_steps[shown])


def arrival(run: Run, *, moving: bool = False) -> View:
    """When each place was fitted, against its position."""
    seen = run.front
    assert seen is not None
    place, last, fitted = run.points[:, 0], float(run.total_steps[-1]), words.fitted_words(run)
    first, settled = (np.where(seen.active, times, np.nan) for times in (seen.arrival, seen.settled))
    items: list[Item] = []
    absent: tuple[str, ...] = ()
    if np.isfinite(first).any():
        items.append(Curve(*_broken(run, place, words.finite(first)), "target", f"first {fitted}", width=2.0))
    else:
        flat = f"the {words.target_name(run)} is flat everywhere"
        absent = (f"no place is {fitted} yet" if seen.active.any() else flat,)
    again = np.isfinite(settled) & (settled > first)
    if again.any():
        label = f"lost and {f'{fitted} again' if fitted in ('fitted', 'arrived') else 'back'}"
        items.append(Curve(place[again], settled[again], "model", label, "."))
    never = seen.active & np.isinf(seen.arrival)
    if never.any():
        items.append(Curve(place[never], np.full(int(never.sum()), last), "muted", "not yet", "|", width=2.5))
    items += [*_quiet(run), *_gaps(run)]
    axes = Axis(run.axes[0], *run.bounds[0]), Axis("optimizer step", 0.0, 1.05 * max(last, 1.0), whole=True)
    title = f"Arrival of the {'prediction' if run.final else 'fit'}"
    return View("3_arrival", title, _arrival_reading(run, first), ((Panel(*axes, tuple(items), absent=absent),),))


def _arrival_reading(run: Run, first: FloatArray) -> str:
    """``first``: arrivals of what counts, NaN elsewhere."""
    fitted, known = words.fitted_words(run), np.isfinite(first)
    if not known.any():
        return f"No place is {fitted} yet." if np.isinf(first).any() else "No place counts: the target is flat."
    place, axis = run.points[:, 0], run.axes[0]
    begin, end = int(np.nanargmin(first)), int(np.nanargmax(np.where(known, first, np.nan)))
    said = (
        f"The first place was {fitted} at step {first[begin]:,.0f}, {axis} = {significant(place[begin], 3)}, and the "
        f"last at step {first[end]:,.0f}, {axis} = {significant(place[end], 3)}"
    )
    if first[begin] == first[end]:
        said = f"All that is {fitted} was so at step {first[begin]:,.0f}"
    never = np.isinf(first).sum() / np.sum(~np.isnan(first))
    order = run.summary().said("sequentiality", "inwardness")
    return f"{said}{f'; {percent(float(never))} never was' if never else ''}{f' ({order})' if order else ''}."


def basis(run: Run, *, moving: bool = False) -> View:
    """The weightiest basis functions at a few moments, or all snapshots, ordered by where they rise or fall."""
    seen = run.basis
    assert seen is not None
    moments = np.arange(len(seen.snapshot_steps)) if moving else words.moments(seen.snapshot_steps)
    rows = np.stack([_ordered_units(seen.snapshots[i], seen.snapshot_places[i][:, 0]) for i in moments])
    count = rows.shape[1]
    place = seen.snapshot_points[:, 0]
    across = Axis(run.axes[0], *run.bounds[0])
    upwards = Axis(f"{count} weightiest units", -0.6, count - 0.4, names=())

    def panel(values: FloatArray, title: str) -> Panel:
        units = (Curve(place, values[..., row, :], "ordered", place=row / count) for row in range(count))
        return Panel(across, upwards, tuple(units), title)

    laps = run.summary().said("median laps")
    said = f"; {laps}" if laps else ""
    reading = f"Each line is a unit to its own scale, those that rise or fall at the left on top{said}."
    if moving:
        return View("basis", "Basis functions", reading, ((panel(rows, ""),),), seen.snapshot_steps)
    panels = (panel(each, f"step {seen.snapshot_steps[i]:,}") for i, each in zip(moments, rows, strict=True))
    return View("5_basis", "Basis functions", reading, (tuple(panels),))


def _ordered_units(units: NDArray[np.floating], places: FloatArray) -> FloatArray:
    """Units from where they rise or fall, each within 0.4 of its row's number, the first row uppermost."""
    order = np.argsort(np.where(np.isfinite(places), places, np.inf), kind="stable")
    values = words.finite(units[order])
    known = np.where(np.isfinite(values).any(axis=1, keepdims=True), values, 0.0)
    low, high = np.nanmin(known, axis=1, keepdims=True), np.nanmax(known, axis=1, keepdims=True)
    reach = np.where(high > low, high - low, 1.0)
    rows = np.arange(len(values))[::-1, np.newaxis]
    return np.asarray(rows + 0.8 * (values - (high + low) / 2) / reach)


def change(run: Run, *, moving: bool = False) -> View:
    """How much the prediction moved since half the steps: on the whole, and where."""
    assert run.change is not None
    shown = words.latest(run)
    moved = np.sqrt(words.finite(run.change.local[shown])).T
    field = Field(
        moved,
        words.step_edges(run),
        _cell_edges(run),
        "error",
        0.0,
        1.0,
        "since half the steps",
        extend="max",
        unknown="not known",
    )
    items: tuple[Item, ...] = (field, *_gaps(run, along="y"))
    lower = Panel(words.step_axis(run), Axis(run.axes[0], *run.bounds[0]), items)
    rows = ((training.change_curves(run),), (lower,))
    return View("7_change", "How much the prediction still moves", training.change_reading(run), rows, cursor="x")


def _envelope(run: Run, reach: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where columns lie, and the least and the largest value in each, shape ``(2, columns)``, of cells'."""
    (low, high), place = run.bounds[0], run.points[:, 0]
    column = np.clip(((place - low) / (high - low) * _COLUMNS).astype(int), 0, _COLUMNS - 1)
    starts = np.flatnonzero(np.diff(column, prepend=-1))
    position = np.add.reduceat(place, starts) / np.diff(np.append(starts, len(place)))
    return _broken(run, position, np.stack([np.fmin.reduceat(reach[0], starts), np.fmax.reduceat(reach[1], starts)]))


def _broken(run: Run, position: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Places along the line and values there with NaN in every gap, so that no line is drawn across it."""
    middles = [(low + high) / 2 for low, high in run.gaps]
    places = np.searchsorted(position, middles)
    return np.insert(position, places, middles), np.insert(values, places, np.nan, axis=-1)


def _quiet(run: Run, along: Literal["x", "y"] = "x") -> list[Shade]:
    """Where the target is flat, which counts neither way."""
    assert run.front is not None
    if run.front.active.all():
        return []
    return [_shade(run, ~run.front.active, "quiet", f"{words.target_name(run)} is flat", along)]


def _gaps(run: Run, along: Literal["x", "y"] = "x") -> list[Shade]:
    """Where there are no points; cells reach half-way into it."""
    if not run.gaps:
        return []
    ends = np.array(run.gaps, dtype=np.float64).ravel()
    mask = np.arange(len(ends) - 1) % 2 == 0
    return [Shade(ends, mask, "gap", "no points", along)]


def _shade(
    run: Run, mask: BoolArray, kind: Literal["unfitted", "quiet"], label: str, along: Literal["x", "y"] = "x"
) -> Shade:
    return Shade(_cell_edges(run), mask, kind, label, along)


def _cell_edges(run: Run) -> FloatArray:
    return words.edges(run.points[:, 0], *run.bounds[0])
