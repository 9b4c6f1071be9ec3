"""Pictures of a fit along one axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from lightning_seqfit.figures import components, parts
from lightning_seqfit.figures.parts import ERROR, MODEL, OUTLINED, QUIET, SIZE, TARGET
from lightning_seqfit.geometry import MOST_CELLS, BoolArray, FloatArray

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

#: Columns of pixels across the axes, about.
_COLUMNS = 720


def space_time(run: Run) -> Figure:
    """Local error over position and step, with the fronts drawn in."""
    front = run.front
    assert front is not None
    figure, axes = parts.sheet(
        f"{'Distance from the last prediction' if run.final else 'Local error'}: {parts.progress(run)}"
    )
    shown = parts.latest(run)
    steps, squared = run.total_steps[shown], front.local_error[shown].T
    error = np.sqrt(parts.finite(squared))
    first, last = float(steps[0]), float(max(steps[-1], steps[0] + 1))
    image = axes.pcolorfast(
        parts.edges(steps, first, last), _cell_edges(run), error, cmap=ERROR, vmin=0.0, vmax=1.0, rasterized=True
    )
    figure.colorbar(image, ax=axes, label=parts.error_label(run), extend="max")
    _draw_fronts(axes, run, shown)
    _mark_quiet(axes, run, vertical=True)
    _mark_gaps(axes, run, vertical=True, zorder=2.5)
    axes.set(xlabel="optimizer step", ylabel=run.axes[0], ylim=run.bounds[0], xlim=(first, last))
    parts.add_legend_below(axes)
    parts.arrange(figure, axes, right=0.985)
    return figure


def fit(run: Run) -> Figure:
    """The prediction over the target at the last look, every unfitted place shaded.

    Of more points than an axis has columns of pixels, each column shows how far the values in it reach. Without a
    target: the prediction at a few looks.
    """
    if run.final or not run.known:
        return _predictions(run)
    recorded, run = run, run.fine or run
    figure, axes = parts.sheet(f"Fit at step {run.steps[-1]:,}: {parts.progress(run)}")
    target = np.stack([run.target] * 2) if run.target_range is None else run.target_range
    prediction = np.stack([run.prediction[-1]] * 2) if run.prediction_range is None else run.prediction_range
    prediction = parts.finite(prediction.astype(np.float64))
    if len(run.points) > MOST_CELLS:
        position, (low, high) = _envelope(run, prediction)
        label = "prediction: range"
        axes.fill_between(position, low, high, color=MODEL, alpha=0.6, linewidth=2.8, label=label)
        position, reach = _envelope(run, target)
        for values, said in zip(reach, ("target: range", None), strict=True):
            axes.plot(position, values, color=TARGET, linewidth=1.0, label=said)
    else:
        position = run.points[:, 0]
        axes.plot(*_broken(run, position, prediction[0]), color=MODEL, linewidth=2.8, alpha=0.8, label="prediction")
        axes.plot(*_broken(run, position, run.target), color=TARGET, linewidth=1.0, label="target")
    known = prediction[np.isfinite(prediction)]
    if not known.size:
        parts.say_absent(axes, "the prediction is finite nowhere")
    if run.front is not None:
        missing = _stretches(run, parts.unfitted(run.front)[-1])
        _mark(axes, missing, color="0.6", alpha=0.25, linewidth=0, label=f"not {parts.fitted_words(run)}")
    _mark_gaps(axes, run, zorder=1.5)
    low, high, room = float(target.min()), float(target.max()), 0.25
    low = min(low, 0.0) if run.output == "norm" else low  # a length has a zero
    if low == high and known.size:  # without a size of its own, as of a residual: that of the prediction
        low, high, room = min(low, float(known.min())), max(high, float(known.max())), 0.1
    room *= (high - low) or 4.0
    axes.set(xlabel=run.axes[0], ylabel=parts.quantity(run), xlim=run.bounds[0], ylim=(low - room, high + room))
    parts.add_legend_below(axes)
    parts.arrange(figure, axes)
    components.add_lines(figure, recorded)
    return figure


def _predictions(run: Run) -> Figure:
    """The prediction at a few looks, the last one on top."""
    figure, axes = parts.sheet(f"Predictions to step {run.steps[-1]:,}: {parts.progress(run)}")
    looks = parts.moments(run.total_steps)
    for number, look in enumerate(looks):
        last = number == len(looks) - 1
        values = parts.finite(run.prediction[look].astype(np.float64))
        style: dict[str, Any] = {"color": MODEL, "linewidth": 2.2} if last else {"linewidth": 1.2}
        if not last:
            style["color"] = colormaps["Blues"](0.4 + 0.5 * number / len(looks))
        axes.plot(*_broken(run, run.points[:, 0], values), label=f"step {run.total_steps[look]:,}", **style)
    if not np.isfinite(run.prediction[looks]).any():
        parts.say_absent(axes, "the prediction is finite nowhere")
    _mark_gaps(axes, run, zorder=1.5)
    axes.set(xlabel=run.axes[0], ylabel=run.quantity, xlim=run.bounds[0])
    parts.add_legend_below(axes)
    parts.arrange(figure, axes)
    return figure


def change(run: Run) -> Figure:
    """How much the prediction moved since half the steps: on the whole, and where."""
    assert run.change is not None
    figure = parts.paper(SIZE)
    upper, lower = figure.subplots(2, 1, sharex=True)
    parts.entitle(upper, f"Change: {parts.moved(run)}", 12)
    parts.draw_change(upper, run)
    upper.set_ylabel("relative change")
    shown = parts.latest(run)
    steps, moved = run.total_steps[shown], np.sqrt(parts.finite(run.change.local[shown].astype(np.float64))).T
    first, last = float(steps[0]), float(max(steps[-1], steps[0] + 1))
    image = lower.pcolorfast(
        parts.edges(steps, first, last), _cell_edges(run), moved, cmap=ERROR, vmin=0.0, vmax=1.0, rasterized=True
    )
    lower.set(xlabel="optimizer step", ylabel=run.axes[0], ylim=run.bounds[0], xlim=(first, last))
    _mark_gaps(lower, run, vertical=True, zorder=2.5)
    parts.add_legend(upper, loc="best")
    parts.arrange(figure, upper, lower, bottom=0.12, hspace=0.1, right=0.86)
    box = lower.get_position()
    bar = figure.colorbar(
        image, cax=figure.add_axes((0.88, box.y0, 0.02, box.height)), label="since half the steps", extend="max"
    )
    parts.write_numbers(bar.ax.yaxis)
    return figure


def arrival(run: Run) -> Figure:
    """When each place was fitted, against its position."""
    front = run.front
    assert front is not None
    figure, axes = parts.sheet(f"Arrival of the {'prediction' if run.final else 'fit'}: {parts.direction(run)}")
    position, last, fitted = run.points[:, 0], float(run.total_steps[-1]), parts.fitted_words(run)
    first, settled = (np.where(front.active, times, np.nan) for times in (front.arrival, front.settled))
    if np.isfinite(first).any():
        axes.plot(*_broken(run, position, parts.finite(first)), color=TARGET, linewidth=2.0, label=f"first {fitted}")
    else:
        parts.say_absent(
            axes,
            f"no place is {fitted} yet" if front.active.any() else f"the {parts.target_name(run)} is flat everywhere",
        )
    again = np.where(np.isfinite(settled) & (settled > first), settled, np.nan)
    if np.isfinite(again).any():
        label = f"lost and {f'{fitted} again' if fitted in ('fitted', 'arrived') else 'back'}"
        axes.plot(position, again, color=MODEL, linewidth=0, marker=".", markersize=4, label=label)
    never = front.active & np.isinf(front.arrival)
    if never.any():
        axes.plot(position[never], np.full(never.sum(), last), "|", color="0.35", markersize=7, label="not yet")
    _mark_quiet(axes, run)
    _mark_gaps(axes, run, zorder=1.5)
    axes.set(xlabel=run.axes[0], ylabel="optimizer step", xlim=run.bounds[0], ylim=(0.0, 1.05 * max(last, 1.0)))
    parts.add_legend_below(axes)
    parts.arrange(figure, axes)
    return figure


def basis(run: Run) -> Figure:
    """The weightiest basis functions at a few moments, ordered by where they rise or fall."""
    seen = run.basis
    assert seen is not None
    shown = parts.moments(seen.snapshot_steps)
    figure = parts.paper(SIZE)
    said = parts.after(": ", run.summary().said("median laps"))
    figure.suptitle(f"Basis functions{said}", fontsize=12)
    position = seen.snapshot_points[:, 0]
    for number, moment in enumerate(shown):
        axes = figure.add_subplot(1, len(shown), number + 1)
        places = seen.snapshot_places[moment][:, 0]
        order = np.argsort(np.where(np.isfinite(places), places, np.inf), kind="stable")
        units = parts.finite(seen.snapshots[moment][order].astype(np.float64))
        curves = []
        for row, values in enumerate(units):
            known = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
            middle, reach = (known.max() + known.min()) / 2, np.ptp(known) or 1.0
            curves.append(np.column_stack((position, row - 0.8 * (values - middle) / reach)))
        colours = colormaps["viridis"](np.arange(len(units)) / len(units))
        drawn = LineCollection(curves, colors=colours, joinstyle="round", capstyle="projecting")
        axes.add_collection(drawn, autolim=False)
        parts.entitle(axes, f"step {seen.snapshot_steps[moment]:,}")
        axes.set(xlabel=run.axes[0], xlim=run.bounds[0], ylim=(len(units) - 0.4, -0.6), yticks=[])
        axes.locator_params(axis="x", nbins=3)
        if number == 0:
            axes.set_ylabel(f"{len(units)} weightiest units, each to its own scale")
    parts.arrange(figure, figure.axes[0], inwards=True, top=0.86, bottom=0.12, wspace=0.17)
    return figure


def _draw_fronts(axes: Axes, run: Run, shown: BoolArray) -> None:
    """Draw white lines between what is fitted and what is not, over the looks that are shown; say why there is none."""
    front = run.front
    assert front is not None
    fitted = parts.fitted_words(run)
    known = front.active & ~np.isnan(front.local_error[shown])
    missing = parts.unfitted(front)[shown]
    if missing[known].all() or not missing[known].any():
        why = f"nothing is {fitted} yet" if missing.any() else f"all that counts is {fitted} at every look"
        parts.say_absent(axes, f"no front: {why if known.any() else 'it was not measured'}")
        return
    steps, places = run.total_steps[shown], run.points[:, 0]
    classes = np.pad(np.where(known, missing, np.nan).T, ((1, 1), (0, 0)), mode="edge")
    if len(steps) == 1:
        steps, classes = np.array([steps[0], steps[0] + 1]), np.repeat(classes, 2, axis=1)
    low, high = run.bounds[0]
    lines = axes.contour(steps, np.concatenate(([low], places, [high])), classes, levels=[0.5], colors="white")
    lines.set(linewidth=1.8, path_effects=OUTLINED)
    axes.plot(
        [],
        [],
        color="white",
        linewidth=1.8,
        path_effects=OUTLINED,
        label=f"front: edge of what {'has' if run.final else 'is'} {fitted}",
    )


def _envelope(run: Run, reach: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Where columns of pixels lie, and the least and the largest value in each, shape ``(2, columns)``, of cells'."""
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


def _mark_quiet(axes: Axes, run: Run, *, vertical: bool = False) -> None:
    """Shade where the target is flat, which counts neither way."""
    assert run.front is not None
    _mark(
        axes, _stretches(run, ~run.front.active), vertical=vertical, label=f"{parts.target_name(run)} is flat", **QUIET
    )


def _mark_gaps(axes: Axes, run: Run, *, zorder: float, vertical: bool = False) -> None:
    """Leave blank where there are no points; cells reach half-way into it."""
    _mark(axes, run.gaps, vertical=vertical, label="no points", facecolor="white", edgecolor="0.8", zorder=zorder)


def _stretches(run: Run, cells: BoolArray) -> list[tuple[float, float]]:
    """Where neighbouring cells of a mask begin and end."""
    borders = _cell_edges(run)
    changes = np.flatnonzero(np.diff(np.concatenate(([0], cells.astype(int), [0])))).reshape(-1, 2)
    return [(borders[begin], borders[end]) for begin, end in changes]


def _mark(axes: Axes, stretches: Sequence[tuple[float, float]], *, vertical: bool = False, **style: Any) -> None:
    """Mark stretches of the line across the axes, if there are any."""
    if not stretches:
        return
    across = axes.get_yaxis_transform() if vertical else axes.get_xaxis_transform()
    boxes = [[(low, 0.0), (high, 0.0), (high, 1.0), (low, 1.0)] for low, high in stretches]
    boxes = [[(y, x) for x, y in box] for box in boxes] if vertical else boxes
    axes.add_collection(PolyCollection(boxes, transform=across, **style), autolim=False)


def _cell_edges(run: Run) -> FloatArray:
    return parts.edges(run.points[:, 0], *run.bounds[0])
