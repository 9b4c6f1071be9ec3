"""Pictures of a fit in the plane, and of the middle slice of one in space: the first axis to the right, the second up.

A picture shows what the record holds of the last look: every point, or block means on at most 16,384 cells, which damp
what is not much wider than a cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lightning_seqfit.figures.parts import (
    DPI,
    ERROR,
    QUIET,
    UNKNOWN,
    direction,
    error_label,
    finite,
    median_laps,
    moments,
    needed_left,
    progress,
)
from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.record import Run

_NEVER = "0.35"
_VALUES = colormaps["RdBu_r"].with_extremes(bad=UNKNOWN)
# without the darkest blues, on which black lines are not seen
_ARRIVALS = ListedColormap(colormaps["YlGnBu"](np.linspace(0.0, 0.8, 256))).with_extremes(bad="white", over=_NEVER)
# Inches: a panel's width, the gap to the next, and what lies above and below: titles, labels, colour bar, legend.
_PANEL, _GAP, _ABOVE, _BELOW = 2.85, 0.4, 0.62, 1.5
# Labels of contours stay this many dots apart, and half as many away from the sides.
_APART = 30.0
# Share of a colour bar that the name of a step takes.
_NAMES = 0.16
# A basis function is drawn as a tile of this width and height in a raster of 1; the raster's width in inches.
_TILE, _RASTER = 0.94, 0.95


def fit(run: Run) -> Figure:
    """Target, prediction at the last look, and their difference."""
    run = run.fine or run
    figure, (left, middle, right) = _panels(run, f"Fit at step {run.steps[-1]:,}: {progress(run)}")
    prediction = run.prediction[-1].astype(np.float64)
    values = _value_range(run)
    half = (values[1] - values[0]) / 2
    _draw_target(left, run)
    middle.set_title("prediction", fontsize=10)
    _draw_image(middle, run, finite(prediction), _VALUES, values)
    _add_bar(middle, _VALUES, values, run.quantity, extend="both")
    right.set_title("prediction - target", fontsize=10)
    _draw_image(right, run, finite(prediction - run.target), _VALUES, (-half, half))
    _add_bar(right, _VALUES, (-half, half), f"difference ({run.quantity})", extend="both")
    _add_legend(figure, unknown=not np.isfinite(_picture(prediction, run.shape)).all())
    return figure


def front(run: Run) -> Figure:
    """Target, local error at the last look, and when each place was fitted, with the front at a few steps."""
    run = run.fine or run
    seen = run.front
    assert seen is not None
    figure, panels = _panels(run, f"Error front at step {run.steps[-1]:,}: {progress(run)}; {direction(seen)}")
    left, middle, right = panels
    _draw_target(left, run)

    error = np.sqrt(finite(seen.local_error[-1].astype(np.float64)))
    middle.set_title("local error", fontsize=10)
    _draw_image(middle, run, error, ERROR, (0.0, 1.0))
    known = seen.active & np.isfinite(error)
    outline = _draw_contours(middle, run, np.where(known, error > seen.tolerance, np.nan), colors="white")
    if outline is not None:
        middle.set_title(f"local error, outlined where it is {seen.tolerance:g}", fontsize=10)
        outline.set(linewidth=1.8, path_effects=[Stroke(linewidth=3.5, foreground="black"), Normal()])
    _add_bar(middle, ERROR, (0.0, 1.0), error_label(run), extend="max")

    _draw_arrival(right, run, np.where(seen.active, seen.arrival, np.nan))
    for axes in panels:
        _hatch(axes, run, ~seen.active)
    quiet, never, unknown = (
        bool(_picture(mask, run.shape).any())
        for mask in (~seen.active, seen.active & np.isinf(seen.arrival), np.isnan(error))
    )
    _add_legend(figure, quiet=quiet, never=never, unknown=unknown)
    return figure


def basis(run: Run) -> Figure:
    """The weightiest basis functions as images: a row for each of a few moments, the weightiest first."""
    seen = run.basis
    assert seen is not None
    shape = _grid_shape(run, seen.snapshot_points)
    shown = moments(seen.snapshot_steps)
    count = seen.snapshots.shape[1]
    said = median_laps(seen)
    figure = Figure(dpi=DPI)
    axes = figure.add_subplot()
    for row, moment in enumerate(shown):
        for column, values in enumerate(seen.snapshots[moment].astype(np.float64)):
            axes.imshow(
                _picture(finite(values), shape),
                extent=(column, column + _TILE, -row - _TILE, -row),
                origin="lower",
                cmap=_VALUES,
                aspect="auto",
                interpolation="nearest",
            )
    rows, columns = range(len(shown)), range(count)
    width = max(count, 6)  # that of the title
    axes.set(xlim=(0.0, width + _TILE - 1), ylim=(1 - _TILE - len(shown), 0.0))
    axes.set_yticks([-row - _TILE / 2 for row in rows], [f"step {seen.snapshot_steps[moment]:,}" for moment in shown])
    axes.set_xticks([column + _TILE / 2 for column in columns], [f"{column + 1}" for column in columns])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"units by weight, each to its own scale; {run.axes[0]} to the right, {run.axes[1]} upwards")
    _place(figure, [axes], width * _RASTER, len(shown) * _RASTER * _height(run), below=0.6, above=0.4)
    figure.suptitle(
        f"Basis functions{said}{_slice(run, seen.snapshot_points, shape)}",
        fontsize=12,
        y=1 - 0.1 / figure.get_figheight(),
        va="top",
    )
    return figure


def _panels(run: Run, title: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with three sets of axes side by side, in the shape of the run's first two axes."""
    figure = Figure(dpi=DPI)
    panels = [figure.add_subplot(1, 3, number) for number in (1, 2, 3)]
    for number, axes in enumerate(panels):
        axes.set(xlabel=run.axes[0], xlim=run.bounds[0], ylim=run.bounds[1])
        axes.locator_params(axis="x", nbins=5)
        axes.tick_params(labelleft=number == 0)
    panels[0].set_ylabel(run.axes[1])
    _place(figure, panels, _PANEL, _PANEL * _height(run), below=_BELOW, above=_ABOVE)
    figure.suptitle(
        f"{title}{_slice(run, run.points, run.shape)}", fontsize=12, y=1 - 0.12 / figure.get_figheight(), va="top"
    )
    return figure, panels


def _place(figure: Figure, panels: list[Axes], width: float, height: float, *, below: float, above: float) -> None:
    """Give axes side by side their size in inches, and the figure one that has room for their labels."""
    left = needed_left(figure, panels[0]) + 0.06
    size = (left + len(panels) * (width + _GAP), below + height + above)
    figure.set_size_inches(size)
    for number, axes in enumerate(panels):
        start = left + number * (width + _GAP)
        axes.set_position((start / size[0], below / size[1], width / size[0], height / size[1]))


def _draw_target(axes: Axes, run: Run) -> None:
    values = _value_range(run)
    axes.set_title(f"target, on {run.shape[0]} x {run.shape[1]} cells", fontsize=10)
    _draw_image(axes, run, run.target, _VALUES, values)
    _add_bar(axes, _VALUES, values, run.quantity)


def _draw_arrival(axes: Axes, run: Run, times: FloatArray) -> None:
    """When each cell was fitted: NaN where nothing is asked of it, inf where it was not."""
    shown = _picture(times, run.shape)
    known = shown[np.isfinite(shown)]
    if not known.size:
        axes.set_title("first fitted: nowhere yet", fontsize=10)
        _draw_image(axes, run, np.minimum(times, 2.0), _ARRIVALS, (0.0, 1.0))
        return
    axes.set_title("first fitted", fontsize=10)
    first, last = float(known.min()), float(known.max())
    colours = (min(first, last / 2), max(last, 1.0))  # what came nearly at once looks nearly alike
    _draw_image(axes, run, np.minimum(times, 2.0 * colours[1]), _ARRIVALS, colours)
    bar = _add_bar(axes, _ARRIVALS, colours, "optimizer step")
    steps = _contour_steps(run, first, last, colours)
    ticks = steps.tolist()
    if last - ticks[-1] >= _NAMES * (colours[1] - colours[0]):
        ticks.append(last)
    bar.set_ticks(ticks, labels=[f"{step:,.0f}" for step in ticks])
    bar.ax.vlines(steps, 0.0, 1.0, transform=bar.ax.get_xaxis_transform(), color="black", linewidth=1.0)
    later = np.where(np.isnan(times), np.nan, np.searchsorted(steps, times))
    lines = _draw_contours(axes, run, later, colors="black", linewidths=1.2)
    if lines is not None:
        axes.set_title("first fitted, and where the front was", fontsize=10)
        names = {number + 0.5: f"{step:,.0f}" for number, step in enumerate(steps)}
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


def _hatch(axes: Axes, run: Run, mask: BoolArray) -> None:
    """Hatch the cells of a mask."""
    columns, rows = _borders(run)
    boxes = []
    for bottom, top, line in zip(rows[:-1], rows[1:], _picture(mask, run.shape), strict=True):
        changes = np.flatnonzero(np.diff(np.concatenate(([0], line.astype(int), [0]))))
        for left, right in columns[changes.reshape(-1, 2)]:
            boxes.append(
                Path([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)], closed=True)
            )
    if boxes:
        axes.add_patch(PathPatch(Path.make_compound_path(*boxes), linewidth=0.0, **QUIET))


def _draw_image(axes: Axes, run: Run, field: FloatArray, colours: Colormap, colour_range: tuple[float, float]) -> None:
    low, high = colour_range
    axes.pcolorfast(*_borders(run), _picture(field, run.shape), cmap=colours, vmin=low, vmax=high)


def _add_bar(
    axes: Axes, colours: Colormap, colour_range: tuple[float, float], label: str, extend: str = "neither"
) -> Colorbar:
    """Add a colour bar below the axes."""
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    box, height = axes.get_position(), figure.get_figheight()
    place = figure.add_axes((box.x0 + 0.05 * box.width, 0.84 / height, 0.9 * box.width, 0.1 / height))
    shown = ScalarMappable(Normalize(*colour_range), colours)
    bar = figure.colorbar(shown, cax=place, orientation="horizontal", extend=extend, label=label)
    place.locator_params(nbins=5)
    return bar


def _add_legend(figure: Figure, *, quiet: bool = False, never: bool = False, unknown: bool = False) -> None:
    handles = [Patch(label="target is flat", **QUIET)] if quiet else []
    handles += [Patch(label="not fitted yet", color=_NEVER)] if never else []
    handles += [Patch(label="prediction is not finite", color=UNKNOWN)] if unknown else []
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=9, frameon=False)


def _value_range(run: Run) -> tuple[float, float]:
    low, high = float(run.target.min()), float(run.target.max())
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def _alike(run: Run) -> bool:
    """Whether the two axes can share a scale: neither is a time, and neither is more than twice as long."""
    lengths = [high - low for low, high in run.bounds[:2]]
    return max(lengths) <= 2 * min(lengths) and not {"t", "time"} & {axis.lower() for axis in run.axes[:2]}


def _height(run: Run) -> float:
    """Height of a picture over its width."""
    (left, right), (bottom, top) = run.bounds[:2]
    return (top - bottom) / (right - left) if _alike(run) else 0.8


def _slice(run: Run, points: FloatArray, shape: tuple[int, ...]) -> str:
    """What a title says of the slice that is shown."""
    if len(shape) < 3:
        return ""
    return f"; slice at {run.axes[2]} = {_picture(points[:, 2], shape)[0, 0]:.3g}"


def _picture(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Values of cells in C order as rows from the bottom up, columns from left to right; of three axes the middle."""
    cells = values.reshape(shape)
    return (cells if cells.ndim == 2 else cells[:, :, shape[2] // 2]).T


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


def _grid_shape(run: Run, points: FloatArray) -> tuple[int, ...]:
    """Points per axis of a grid in C order: along the last axis they rise until the line ends."""
    shape: list[int] = []
    for axis in reversed(range(points.shape[1])):
        low, high = run.bounds[axis]
        ends = np.flatnonzero(np.diff(points[:, axis]) <= 1e-9 * (high - low))
        shape.insert(0, int(ends[0]) + 1 if ends.size else len(points))
        points = points[:: shape[0]]
    return tuple(shape)
