"""Pictures of a fit in the plane: the first axis to the right, the second up.

Of a fit in space two slices across the third axis: the middle one and, below it, the one through the largest error.

What lies outside the domain is left white.

A picture shows what the record holds of the last look: every point, or block means on at most 16,384 cells, which damp
what is not much wider than a cell.
"""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import Normal, Stroke
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import NDArray

from lightning_seqfit.figures import components, parts
from lightning_seqfit.figures.parts import DPI, ERROR, OUTLINED, QUIET, UNKNOWN
from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.words import significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

_NEVER = "0.35"
_VALUES = colormaps["RdBu_r"].with_extremes(bad=UNKNOWN)
# without the darkest blues, on which black lines are not seen
_ARRIVALS = ListedColormap(colormaps["YlGnBu"](np.linspace(0.0, 0.8, 256))).with_extremes(bad="white", over=_NEVER)
# Inches: a panel's width, the gap to the next, what lies above and below: titles, labels, colour bar, legend;
# and between two rows.
_PANEL, _GAP, _ABOVE, _BELOW, _BETWEEN = 2.85, 0.4, 0.62, 1.5, 0.3
# Letters that have room below a panel however wide they are.
_LETTERS = 24
# And above one.
_TITLE = 50
# Labels of contours stay this many dots apart, and half as many away from the sides.
_APART = 30.0
# Share of a colour bar that the name of a step takes.
_NAMES = 0.16
# A basis function is drawn as a tile of this width and height in a raster of 1; the raster's width in inches.
_TILE, _RASTER = 0.94, 0.95


def fit(run: Run) -> Figure:
    """Target, prediction at the last look, and their difference; without a target: the prediction at three looks."""
    if run.final or not run.known:
        return _predictions(run)
    recorded, run = run, run.fine or run
    slices = _slices(run)
    figure, rows = _panels(run, slices, f"Fit at step {run.steps[-1]:,}: {parts.progress(run)}")
    values, half = _value_range(run), _difference_range(run)
    for one, (left, middle, right) in zip(slices, rows, strict=True):
        _draw_image(left, one, one.target, _VALUES, values)
        prediction = one.prediction[-1].astype(np.float64)
        parts.entitle(middle, "prediction")
        _draw_image(middle, one, parts.finite(prediction), _VALUES, values)
        said = "difference of the lengths" if run.output == "norm" else "prediction - target"
        parts.entitle(right, f"{said}, from -{significant(half, 2)} to {significant(half, 2)}")
        _draw_image(right, one, parts.finite(prediction - one.target), _VALUES, (-half, half))
        _leave_out((left, middle, right), one)
    left, middle, right = rows[-1]
    _add_bar(left, _VALUES, values, parts.quantity(run))
    _add_bar(middle, _VALUES, values, parts.quantity(run), extend="both")
    _add_bar(right, _VALUES, (-half, half), f"difference in {parts.quantity(run)}", extend="both")
    _add_legend(figure, unknown=not all(np.isfinite(one.prediction[-1][_within(one)]).all() for one in slices))
    _add_components(figure, recorded)
    return figure


def _add_components(figure: Figure, run: Run) -> None:
    """Show all outputs small above the figure, in the plane or on the middle slice; of an image its colours as well."""
    seen = run.components
    if seen is None:
        return
    alone = [
        _slices(run.replace(target=target, prediction=prediction[np.newaxis], front=None))[0]
        for target, prediction in zip(seen.target, seen.prediction.astype(np.float64), strict=True)
    ]
    panels = components.add_pictures(figure, run, _height(run))
    for axes in panels.flat:
        axes.set(xlim=run.bounds[0], ylim=run.bounds[1])
    for column, one in enumerate(alone):
        low, high = float(np.nanmin(one.target)), float(np.nanmax(one.target))
        limits = (low, high) if low < high else (low - 0.5, high + 0.5)
        for axes, field in zip(panels[:, column], (one.target, one.prediction[-1]), strict=True):
            _draw_image(axes, one, parts.finite(field), _VALUES, limits)
    if panels.shape[1] > len(alone):
        shown = [[one.target for one in alone], [one.prediction[-1] for one in alone]]
        for axes, fields in zip(panels[:, -1], shown, strict=True):
            channels = [np.clip(np.nan_to_num(_picture(field, alone[0].shape)), 0.0, 1.0) for field in fields]
            axes.imshow(
                np.stack(channels, axis=-1), extent=(*run.bounds[0], *run.bounds[1]), origin="lower", aspect="auto"
            )
    _leave_out(panels.flat, alone[0])


def _predictions(run: Run) -> Figure:
    """The prediction at three looks, in space its middle slice."""
    looks = parts.moments(run.total_steps, 3)
    shown = [_with_field(run, run.prediction[look]) for look in looks]
    title = f"Predictions to step {run.steps[-1]:,}: {parts.progress(run)}{_at(run, shown[0])}"
    figure, [panels] = _panels(run, shown[:1], title)
    fields = [one.prediction[-1].astype(np.float64) for one in shown]
    known = np.concatenate([field[np.isfinite(field)] for field in fields])
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    values = (low, high) if low < high else (low - 0.5, high + 0.5)
    on = f" on {run.shape[0]} x {run.shape[1]} cells"
    for axes, look, one, field in zip(panels, looks, shown, fields, strict=False):
        parts.entitle(axes, f"step {run.total_steps[look]:,}{on if axes is panels[0] else ''}")
        _draw_image(axes, one, parts.finite(field), _VALUES, values)
    for axes in panels[len(looks) :]:
        axes.set_visible(False)
    _leave_out(panels, shown[0])
    _add_bar(panels[0], _VALUES, values, run.quantity)
    _add_legend(figure, unknown=not np.isfinite(np.stack(fields)[:, _within(shown[0])]).all())
    return figure


def change(run: Run) -> Figure:
    """How much the prediction moved since half the steps: where, half-way and at the last look, and on the whole."""
    assert run.change is not None
    figure = parts.paper()
    *images, curves = (figure.add_subplot(1, 3, 1 + column) for column in range(3))
    known = np.flatnonzero(np.isfinite(run.change.local).any(axis=1))
    looks = known[parts.moments(run.total_steps[known], 3)][-2:].tolist() if known.size else []
    for axes, look in itertools.zip_longest(images, looks):
        axes.set(xlim=run.bounds[0], ylim=run.bounds[1], xlabel=run.axes[0])
        axes.locator_params(axis="x", nbins=5)
        axes.tick_params(labelleft=axes is images[0])
        parts.entitle(axes, "not known yet" if look is None else f"to step {run.total_steps[look]:,}")
    images[0].set_ylabel(run.axes[1])
    parts.draw_change(curves, run)
    parts.entitle(curves, "relative change")
    curves.set_xlabel("optimizer step")
    curves.locator_params(axis="x", nbins=4)
    _place(figure, [[*images, curves]], (_PANEL, _PANEL * _height(run)), (_BELOW, _ABOVE), inwards=True)
    one = _with_field(run, run.prediction[-1])
    for axes, look in zip(images, looks, strict=False):
        one = _with_field(run, run.change.local[look])
        _draw_image(axes, one, np.sqrt(parts.finite(one.prediction[-1].astype(np.float64))), ERROR, (0.0, 1.0))
    _leave_out(images, one)
    _add_bar(images[0], ERROR, (0.0, 1.0), "local change since half the steps", extend="max")
    parts.add_legend(curves, loc="best")
    title = f"Change: {parts.moved(run)}{_at(run, one)}"
    figure.suptitle(title, fontsize=12, y=1 - 0.12 / figure.get_figheight(), va="top")
    return figure


def _with_field(run: Run, field: NDArray[Any]) -> Run:
    """Return the run in the plane, in space its middle slice, with a field as its only prediction."""
    return _slices(run.replace(prediction=field[np.newaxis]))[0]


def _at(run: Run, one: Run) -> str:
    """What a title says of a slice."""
    return f"; slice at {run.axes[2]} = {significant(one.points[0, 2], 3)}" if len(run.shape) > 2 else ""


def front(run: Run) -> Figure:
    """Target, local error at the last look, and when each place was fitted, with the front at a few steps.

    Where the target is the last look itself: the distance from it when half has yet to arrive.
    """
    run = run.fine or run
    assert run.front is not None
    shown, what = run, "local error"
    if run.final:  # at the last look there is none
        short = np.flatnonzero(run.front.fitted < 0.5)
        look = int(short[-1]) if short.size else 0
        shown = run.replace(front=replace(run.front, local_error=run.front.local_error[: look + 1]))
        what = f"distance at step {run.total_steps[look]:,}"
    slices = _slices(shown)
    said = f"{parts.progress(run)}; {parts.direction(run)}"
    figure, rows = _panels(
        run, slices, f"{'Arrival' if run.final else 'Error front'} at step {run.steps[-1]:,}: {said}"
    )
    values = _value_range(run)
    quiet = never = unknown = False
    for one, (left, middle, _) in zip(slices, rows, strict=True):
        seen = one.front
        assert seen is not None
        _draw_image(left, one, one.target, _VALUES, values)
        error = np.sqrt(parts.finite(seen.local_error[-1].astype(np.float64)))
        _draw_error(middle, one, error, what)
        quiet |= not seen.active[_within(one)].all()
        never |= bool((seen.active & np.isinf(seen.arrival)).any())
        unknown |= bool(np.isnan(error[_within(one)]).any())
    left, middle, _ = rows[-1]
    _add_bar(left, _VALUES, values, parts.quantity(run))
    _add_bar(middle, ERROR, (0.0, 1.0), parts.error_label(run), extend="max")
    _draw_arrivals([right for _, _, right in rows], slices)
    for one, panels in zip(slices, rows, strict=True):
        for axes in panels:
            assert one.front is not None
            _hatch(axes, one, _within(one) & ~one.front.active, **QUIET)
        _leave_out(panels, one)
    flat = f"{parts.target_name(run)} is flat" if quiet else ""
    _add_legend(figure, flat=flat, never=f"not {parts.fitted_words(run)} yet" if never else "", unknown=unknown)
    return figure


def basis(run: Run) -> Figure:
    """The weightiest basis functions as images: a row for each of a few moments, the weightiest first."""
    seen = run.basis
    assert seen is not None
    shape, cells = _lattice(run, seen.snapshot_points)
    shown = parts.moments(seen.snapshot_steps)
    count = seen.snapshots.shape[1]
    said = parts.after(": ", run.summary().said("median laps"))
    figure = parts.paper()
    axes = figure.add_subplot()
    rows, columns = range(len(shown)), range(count)
    width = max(count, 6)  # that of the title
    axes.set(xlim=(0.0, width + _TILE - 1), ylim=(1 - _TILE - len(shown), 0.0))  # first: else each image sets them
    for row, moment in enumerate(shown):
        for column, values in enumerate(seen.snapshots[moment].astype(np.float64)):
            axes.imshow(
                _picture(_middle(_extended(parts.finite(values), shape, cells), shape), shape),
                extent=(column, column + _TILE, -row - _TILE, -row),
                origin="lower",
                cmap=_VALUES if run.inside is None else _VALUES.with_extremes(bad="white"),
                aspect="auto",
                interpolation="nearest",
            )
    axes.yaxis.set_major_locator(FixedLocator([-row - _TILE / 2 for row in rows]))
    axes.yaxis.set_major_formatter(FixedFormatter([f"step {seen.snapshot_steps[moment]:,}" for moment in shown]))
    axes.xaxis.set_major_locator(FixedLocator([column + _TILE / 2 for column in columns]))
    axes.xaxis.set_major_formatter(FixedFormatter([f"{column + 1}" for column in columns]))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"units by weight, each to its own scale; {run.axes[0]} to the right, {run.axes[1]} upwards")
    _place(figure, [[axes]], (width * _RASTER, len(shown) * _RASTER * _height(run)), (0.6, 0.4))
    figure.suptitle(
        f"Basis functions{said}{_named(run, _extended(seen.snapshot_points[:, -1], shape, cells), shape)}",
        fontsize=12,
        y=1 - 0.1 / figure.get_figheight(),
        va="top",
    )
    return figure


def _panels(run: Run, slices: list[Run], title: str) -> tuple[Figure, list[list[Axes]]]:
    """Return a figure with a row of three sets of axes for each slice, in the shape of the run's first two axes.

    The first in each row has the title of a target, the slice's place in space.
    """
    figure = parts.paper()
    rows = [
        [figure.add_subplot(len(slices), 3, 3 * row + column + 1) for column in range(3)] for row in range(len(slices))
    ]
    for row, (one, panels) in enumerate(zip(slices, rows, strict=True)):
        last = row == len(slices) - 1
        for column, axes in enumerate(panels):
            axes.set(xlim=run.bounds[0], ylim=run.bounds[1], xlabel=run.axes[0] if last else "")
            axes.locator_params(axis="x", nbins=5)
            axes.tick_params(labelleft=column == 0, labelbottom=last)
        panels[0].set_ylabel(run.axes[1])
        laid = "points laid on" if run.kind == "points" else "on"
        at = f" at {_where(run, one)}" if len(run.shape) > 2 else f", {laid} {run.shape[0]} x {run.shape[1]} cells"
        parts.entitle(panels[0], f"{parts.target_name(run)}{at}")
    _place(figure, rows, (_PANEL, _PANEL * _height(run)), (_BELOW, _ABOVE), inwards=True)
    figure.suptitle(title, fontsize=12, y=1 - 0.12 / figure.get_figheight(), va="top")
    return figure, rows


def _place(
    figure: Figure, rows: list[list[Axes]], size: tuple[float, float], room: tuple[float, float], inwards: bool = False
) -> None:
    """Give axes in rows their size in inches and their numbers, and the figure one with room below and above them."""
    (width, height), (below, above), left = size, room, 0.7
    for measured in (False, True):  # how wide labels are depends on how high the axes are
        if measured:
            left = 0.06 + max(parts.write_numbers(axes.yaxis) for panels in rows for axes in panels)
        paper = (left + len(rows[0]) * (width + _GAP), below + len(rows) * (height + _BETWEEN) - _BETWEEN + above)
        figure.set_size_inches(paper)
        for row, panels in enumerate(reversed(rows)):
            bottom = below + row * (height + _BETWEEN)
            for column, axes in enumerate(panels):
                start = left + column * (width + _GAP)
                axes.set_position((start / paper[0], bottom / paper[1], width / paper[0], height / paper[1]))
    for axes in figure.axes:
        parts.write_numbers(axes.xaxis, inwards=inwards)


def _draw_error(axes: Axes, run: Run, error: FloatArray, what: str) -> None:
    """Draw the local error, and a line around every place that is not fitted."""
    seen = run.front
    assert seen is not None
    parts.entitle(axes, what)
    _draw_image(axes, run, error, ERROR, (0.0, 1.0))
    known = seen.active & np.isfinite(error)
    outline = _draw_contours(axes, run, np.where(known, error > seen.tolerance, np.nan), colors="white")
    if outline is not None:
        parts.entitle(axes, f"{what}, outlined where it is {seen.tolerance:g}")
        outline.set(linewidth=1.8, path_effects=OUTLINED)


def _draw_arrivals(panels: list[Axes], slices: list[Run]) -> None:
    """When each cell was fitted, in slices below each other that share their colours and a bar."""
    fitted = parts.fitted_words(slices[0])
    times = [np.where(one.front.active, one.front.arrival, np.nan) for one in slices if one.front is not None]
    together = np.concatenate(times)
    known = together[np.isfinite(together)]
    if not known.size:
        for axes, one, own in zip(panels, slices, times, strict=True):
            parts.entitle(axes, f"first {fitted}: nowhere yet", letters=_TITLE)
            _draw_image(axes, one, np.minimum(own, 2.0), _ARRIVALS, (0.0, 1.0))
        return
    first, last = float(known.min()), float(known.max())
    colours = (min(first, last / 2), max(last, 1.0))  # what came nearly at once looks nearly alike
    steps = _contour_steps(slices[0], first, last, colours)
    ticks = steps.tolist()
    if last - ticks[-1] >= _NAMES * (colours[1] - colours[0]):
        ticks.append(last)
    bar = _add_bar(panels[-1], _ARRIVALS, colours, "optimizer step", ticks=ticks)
    bar.ax.vlines(steps, 0.0, 1.0, transform=bar.ax.get_xaxis_transform(), color="black", linewidth=1.0)
    for axes, one, own in zip(panels, slices, times, strict=True):
        parts.entitle(axes, f"first {fitted}{'' if np.isfinite(own).any() else ': nowhere yet'}", letters=_TITLE)
        _draw_image(axes, one, np.minimum(own, 2.0 * colours[1]), _ARRIVALS, colours)
        later = np.where(np.isnan(own), np.nan, np.searchsorted(steps, own))
        lines = _draw_contours(axes, one, later, colors="black", linewidths=1.2)
        if lines is not None:
            parts.entitle(axes, f"first {fitted}, and where the front was", letters=_TITLE)
            names = {order + 0.5: f"{step:,.0f}" for order, step in enumerate(steps)}
            _thin_out(axes, axes.clabel(lines, fmt=names, fontsize=8, inline=False))


def _contour_steps(run: Run, first: float, last: float, colours: tuple[float, float]) -> FloatArray:
    """Steps of a few looks between the first arrival and the last, as far apart as their names on the bar."""
    looks = run.total_steps.astype(np.float64)
    wanted = np.asarray(MaxNLocator(5, integer=True).tick_values(*colours))
    steps = looks[np.clip(np.searchsorted(looks, wanted, side="right") - 1, 0, None)]
    chosen = [first] if last == first else []
    for step in steps[(steps >= first) & (steps < last)]:
        if not chosen or step - chosen[-1] >= _NAMES * (colours[1] - colours[0]):
            chosen.append(step)
    return np.array(chosen or [first])


def _draw_contours(axes: Axes, run: Run, classes: FloatArray, **style: Any) -> QuadContourSet | None:
    """Draw the lines between cells of class 0, 1, 2, ..., if there are any; NaN belongs to none."""
    picture = _picture(classes, run.shape)
    known = picture[np.isfinite(picture)]
    if not known.size or known.min() == known.max():
        return None
    (left, right), (bottom, top) = run.bounds[:2]
    columns, rows = _centres(run)
    columns, rows = np.concatenate(([left], columns, [right])), np.concatenate(([bottom], rows, [top]))
    levels = np.arange(known.min(), known.max()) + 0.5
    return axes.contour(columns, rows, np.pad(picture, 1, mode="edge"), levels=levels, **style)


def _thin_out(axes: Axes, labels: Iterable[Text]) -> None:
    """Outline labels of contours in white, and leave out those that would cover another one or a side."""
    kept: list[NDArray[Any]] = []
    sides = axes.get_window_extent()
    for label in list(labels):
        place = axes.transData.transform(label.get_position())
        label.set_path_effects([Stroke(linewidth=2.5, foreground="white"), Normal()])
        near = any(np.abs(place - other).max() < _APART for other in kept)
        if near or not sides.padded(-_APART / 2).contains(*place):
            label.remove()
        else:
            kept.append(place)


def _within(run: Run) -> BoolArray:
    """Cells of the domain, shape ``(cells,)``."""
    return np.ones(len(run.points), dtype=bool) if run.inside is None else run.inside


def _leave_out(panels: Iterable[Axes], run: Run) -> None:
    """Cover what lies outside the domain, and draw its edge."""
    if run.inside is not None:
        for axes in panels:
            _hatch(axes, run, ~run.inside, facecolor="white", zorder=3)
            _draw_contours(axes, run, run.inside.astype(np.float64), colors="0.5", linewidths=0.8, zorder=4)


def _hatch(axes: Axes, run: Run, mask: BoolArray, **style: Any) -> None:
    """Cover the cells of a mask."""
    columns, rows = _borders(run)
    boxes = []
    for bottom, top, line in zip(rows[:-1], rows[1:], _picture(mask, run.shape), strict=True):
        changes = np.flatnonzero(np.diff(np.concatenate(([0], line.astype(int), [0]))))
        for left, right in columns[changes.reshape(-1, 2)]:
            boxes.append(
                Path([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)], closed=True)
            )
    if boxes:
        axes.add_patch(PathPatch(Path.make_compound_path(*boxes), linewidth=0.0, **style))


def _draw_image(axes: Axes, run: Run, field: FloatArray, colours: Colormap, colour_range: tuple[float, float]) -> None:
    low, high = colour_range
    axes.pcolorfast(*_borders(run), _picture(field, run.shape), cmap=colours, vmin=low, vmax=high)


def _add_bar(
    axes: Axes, colours: Colormap, limits: tuple[float, float], label: str, extend: str = "neither", ticks: Any = None
) -> Colorbar:
    """Add a colour bar below the axes."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    box, height = axes.get_position(), figure.get_figheight()
    place = figure.add_axes((box.x0 + 0.05 * box.width, 0.84 / height, 0.9 * box.width, 0.1 / height))
    shown = ScalarMappable(Normalize(*limits), colours)
    bar = figure.colorbar(shown, cax=place, orientation="horizontal", extend=extend)
    bar.set_label(label if len(label) <= 2 * _LETTERS or "$" in label else textwrap.fill(label, len(label) // 2 + 8))
    if len(label) > _LETTERS:
        text = place.xaxis.label
        room = DPI * (box.width * figure.get_figwidth() + 0.5 * _GAP)
        text.set_fontsize(10 / max(1.0, text.get_window_extent().width / room))
    if ticks is None:
        place.locator_params(nbins=5)
    else:
        bar.set_ticks(ticks, labels=[f"{step:,.0f}" for step in ticks])
    parts.write_numbers(place.xaxis)
    return bar


def _add_legend(figure: Figure, *, flat: str = "", never: str = "", unknown: bool = False) -> None:
    handles = [Patch(label=flat, **QUIET)] if flat else []
    handles += [Patch(label=never, color=_NEVER)] if never else []
    handles += [Patch(label="prediction is not finite", color=UNKNOWN)] if unknown else []
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=9, frameon=False)


def _value_range(run: Run) -> tuple[float, float]:
    """Least and largest value of the target; where it has no size, as of a residual, as far as the prediction goes."""
    low, high = float(run.target.min()), float(run.target.max())
    half = 0.0 if low < high else _largest_difference(run) or 0.5
    return low - half, high + half


def _difference_range(run: Run) -> float:
    """Largest difference that is drawn to scale: all of them, but none beyond the range of the values."""
    low, high = _value_range(run)
    return min(_largest_difference(run), high - low) or high - low


def _largest_difference(run: Run) -> float:
    difference = np.abs(run.prediction[-1].astype(np.float64) - run.target)
    return float(np.max(difference, where=np.isfinite(difference), initial=0.0))


def _alike(run: Run) -> bool:
    """Whether the two axes can share a scale: neither is a time, and neither is more than twice as long."""
    lengths = [high - low for low, high in run.bounds[:2]]
    return max(lengths) <= 2 * min(lengths) and not {"t", "time"} & {axis.lower() for axis in run.axes[:2]}


def _height(run: Run) -> float:
    """Height of a picture over its width."""
    (left, right), (bottom, top) = run.bounds[:2]
    return (top - bottom) / (right - left) if _alike(run) else 0.8


def _slices(run: Run) -> list[Run]:
    """Give the last look in the plane: of one in space the middle slice, and that through the largest error."""
    error = np.abs(run.prediction[-1].astype(np.float64) - run.target)
    worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
    if run.inside is not None:
        worst, run = int(np.flatnonzero(run.inside)[worst]), _on_the_box(run, run.inside)
    if len(run.shape) < 3:
        return [run]
    if run.final or not run.known:
        return [_slice(run, run.shape[2] // 2)]
    largest = worst % run.shape[2]
    return [_slice(run, layer) for layer in dict.fromkeys((run.shape[2] // 2, largest))]


def _on_the_box(run: Run, inside: BoolArray) -> Run:
    """Return the last look on all cells of the box, NaN outside the domain."""
    cells = np.flatnonzero(inside)

    def extended(values: NDArray[Any], outside: Any = np.nan) -> NDArray[Any]:
        whole = np.full(len(inside), outside, dtype=values.dtype)
        whole[cells] = values
        return whole

    numbers = np.unravel_index(cells, run.shape)
    places = [_all_places(run.points[:, axis], number, run.shape[axis]) for axis, number in enumerate(numbers)]
    front = run.front
    if front is not None:
        front = replace(
            front,
            local_error=extended(front.local_error[-1])[np.newaxis],
            arrival=extended(front.arrival),
            settled=extended(front.settled),
            active=extended(front.active, outside=False),
        )
    return run.replace(
        points=np.stack([each.ravel() for each in np.meshgrid(*places, indexing="ij")], axis=-1),
        target=extended(run.target),
        trend=extended(run.trend),
        prediction=extended(run.prediction[-1])[np.newaxis],
        front=front,
    )


def _all_places(places: FloatArray, numbers: NDArray[np.intp], count: int) -> FloatArray:
    """Coordinates of all columns of cells along an axis, of which some are known by their number."""
    known, first = np.unique(numbers, return_index=True)
    step = np.diff(places[first])[0] / np.diff(known)[0] if len(known) > 1 else 1.0
    columns: FloatArray = places[first[0]] + step * (np.arange(count) - known[0])
    columns[known] = places[first]
    return columns


def _slice(run: Run, layer: int) -> Run:
    """Cut the last look of a run in space across its third axis."""

    def cut(values: NDArray[Any]) -> NDArray[Any]:
        return values.reshape(*run.shape, *values.shape[1:])[:, :, layer].reshape(-1, *values.shape[1:])

    front = run.front
    if front is not None:
        front = replace(
            front,
            local_error=cut(front.local_error[-1])[np.newaxis],
            arrival=cut(front.arrival),
            settled=cut(front.settled),
            active=cut(front.active),
        )
    return run.replace(
        shape=run.shape[:2],
        points=cut(run.points),
        target=cut(run.target),
        trend=cut(run.trend),
        prediction=cut(run.prediction[-1])[np.newaxis],
        front=front,
        inside=None if run.inside is None else cut(run.inside),
    )


def _where(run: Run, one: Run) -> str:
    """What a title says of a slice: where it is, and why it is shown."""
    places = [each.points[0, 2] for each in _slices(run)]
    why = "middle" if one.points[0, 2] == places[0] else "largest error"
    why = why if len(places) > 1 else "middle, and largest error"
    return f"{run.axes[2]} = {significant(one.points[0, 2], 3)}: {why}"


def _middle(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Values on the middle slice of cells in space; all in the plane."""
    return values if len(shape) < 3 else values.reshape(shape)[:, :, shape[2] // 2]


def _named(run: Run, places: FloatArray, shape: tuple[int, ...]) -> str:
    """What a title says of the middle slice; ``places``: of all cells along the third axis."""
    if len(shape) < 3:
        return ""
    return f"; slice at {run.axes[2]} = {significant(float(np.nanmean(_middle(places, shape))), 3)}"


def _picture(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Values of cells in C order as rows from the bottom up, columns from left to right."""
    return values.reshape(shape[:2]).T


def _centres(run: Run) -> tuple[FloatArray, FloatArray]:
    """Coordinates of the columns and of the rows of a picture."""
    columns, rows = (_picture(run.points[:, axis], run.shape) for axis in (0, 1))
    return columns[0], rows[:, 0]


def _borders(run: Run) -> tuple[FloatArray, FloatArray]:
    """Edges of the columns and of the rows of a picture: blocks of one size, of which the last may hold less."""
    columns, rows = (
        np.concatenate(([low], centres[0] + (centres[1] - centres[0]) * (np.arange(1, len(centres)) - 0.5), [high]))
        if len(centres) > 1
        else np.array([low, high])
        for centres, (low, high) in zip(_centres(run), run.bounds[:2], strict=True)
    )
    return columns, rows


def _lattice(run: Run, points: FloatArray) -> tuple[tuple[int, ...], NDArray[np.intp]]:
    """Cells along each axis of the lattice that points are from, and the number that each has there in C order."""
    numbers = []
    for column, (low, high) in zip(points.T, run.bounds, strict=True):
        order = np.argsort(column)
        rises = np.diff(column[order], prepend=column[order[0]]) > 1e-9 * (high - low)
        number = np.empty(len(column), dtype=np.intp)
        number[order] = np.cumsum(rises)
        numbers.append(number)
    shape = tuple(int(number.max()) + 1 for number in numbers)
    return shape, np.ravel_multi_index(numbers, shape).astype(np.intp)


def _extended(values: NDArray[Any], shape: tuple[int, ...], cells: NDArray[np.intp]) -> FloatArray:
    """Values on all cells of a lattice, NaN where there are none."""
    whole = np.full(math.prod(shape), np.nan)
    whole[cells] = values
    return whole
