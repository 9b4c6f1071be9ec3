"""Pictures of a fit along one axis."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke

from lightning_seqfit.figures.parts import (
    BELOW,
    DPI,
    ERROR,
    MODEL,
    QUIET,
    SIZE,
    TARGET,
    add_legend,
    arrange,
    direction,
    edges,
    error_label,
    finite,
    latest,
    median_laps,
    moments,
    progress,
    sheet,
)
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.record import Run


def space_time(run: Run) -> Figure:
    """Local error over position and step, with the fronts drawn in."""
    front = run.front
    assert front is not None
    figure, axes = sheet(f"Local error: {progress(run)}")
    shown = latest(run)
    steps, squared = run.total_steps[shown], front.local_error[shown].T
    error = np.sqrt(finite(squared))
    first, last = float(steps[0]), float(max(steps[-1], steps[0] + 1))
    image = axes.pcolorfast(
        edges(steps, first, last), _cell_edges(run), error, cmap=ERROR, vmin=0.0, vmax=1.0, rasterized=True
    )
    figure.colorbar(image, ax=axes, label=error_label(run), extend="max")
    outlined = [Stroke(linewidth=3.5, foreground="black"), Normal()]
    for number, face in enumerate(run.faces):
        axes.plot(
            run.total_steps,
            front_position(run, face),
            color="white",
            linewidth=1.8,
            path_effects=outlined,
            label="edges of the unfitted core" if number == 0 else None,
        )
    _mark_quiet(axes, run, vertical=True)
    axes.set(xlabel="optimizer step", ylabel=run.axes[0], ylim=run.bounds[0], xlim=(first, last))
    add_legend(axes, **BELOW, ncols=2)
    arrange(figure, axes, right=0.985)
    return figure


def fit(run: Run) -> Figure:
    """The prediction over the target at the last look, the unfitted core shaded."""
    figure, axes = sheet(f"Fit at step {run.steps[-1]:,}: {progress(run)}")
    position = run.points[:, 0]
    axes.plot(position, run.prediction[-1], color=MODEL, linewidth=2.8, alpha=0.8, label="prediction")
    axes.plot(position, run.target, color=TARGET, linewidth=1.0, label="target")
    if run.front is not None and run.front.fitted[-1] < 1.0:
        low, high = (front_position(run, f"{run.axes[0]}_{side}")[-1] for side in ("min", "max"))
        if low < high:
            axes.axvspan(low, high, color="0.6", alpha=0.25, linewidth=0, label="unfitted core")
    span = float(np.ptp(run.target)) or 1.0
    axes.set(
        xlabel=run.axes[0],
        ylabel=run.quantity,
        xlim=run.bounds[0],
        ylim=(run.target.min() - 0.25 * span, run.target.max() + 0.25 * span),
    )
    add_legend(axes, **BELOW, ncols=3)
    arrange(figure, axes)
    return figure


def arrival(run: Run) -> Figure:
    """When each place was fitted, against its position."""
    front = run.front
    assert front is not None
    figure, axes = sheet(f"Arrival of the fit: {direction(front)}")
    position, last = run.points[:, 0], float(run.total_steps[-1])
    first, settled = (np.where(front.active, times, np.nan) for times in (front.arrival, front.settled))
    if np.isfinite(first).any():
        axes.plot(position, finite(first), color=TARGET, linewidth=2.0, label="first fitted")
    again = np.where(np.isfinite(settled) & (settled > first), settled, np.nan)
    if np.isfinite(again).any():
        axes.plot(position, again, color=MODEL, linewidth=0, marker=".", markersize=4, label="lost and fitted again")
    never = front.active & np.isinf(front.arrival)
    if never.any():
        axes.plot(position[never], np.full(never.sum(), last), "|", color="0.35", markersize=7, label="not yet")
    _mark_quiet(axes, run, vertical=False)
    axes.set(xlabel=run.axes[0], ylabel="optimizer step", xlim=run.bounds[0], ylim=(0.0, 1.05 * max(last, 1.0)))
    add_legend(axes, **BELOW, ncols=3)
    arrange(figure, axes)
    return figure


def basis(run: Run) -> Figure:
    """The weightiest basis functions at a few moments, ordered by where they rise or fall."""
    seen = run.basis
    assert seen is not None
    shown = moments(seen.snapshot_steps)
    figure = Figure(figsize=SIZE, dpi=DPI)
    said = median_laps(seen)
    figure.suptitle(f"Basis functions{said}", fontsize=12)
    position = seen.snapshot_points[:, 0]
    for number, moment in enumerate(shown):
        axes = figure.add_subplot(1, len(shown), number + 1)
        places = seen.snapshot_places[moment][:, 0]
        order = np.argsort(np.where(np.isfinite(places), places, np.inf), kind="stable")
        units = finite(seen.snapshots[moment][order].astype(np.float64))
        for row, values in enumerate(units):
            known = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
            middle, reach = (known.max() + known.min()) / 2, np.ptp(known) or 1.0
            axes.plot(position, row - 0.8 * (values - middle) / reach, color=colormaps["viridis"](row / len(units)))
        axes.set_title(f"step {seen.snapshot_steps[moment]:,}", fontsize=10)
        axes.set(xlabel=run.axes[0], xlim=run.bounds[0], ylim=(len(units) - 0.4, -0.6), yticks=[])
        axes.locator_params(axis="x", nbins=3)
        if number == 0:
            axes.set_ylabel(f"{len(units)} weightiest units, each to its own scale")
    arrange(figure, figure.axes[0], top=0.86, bottom=0.12, wspace=0.17)
    return figure


def front_position(run: Run, face: str) -> FloatArray:
    """Position of a face's front at each look, shape ``(looks,)``: where its depth ends. NaN: no core is known."""
    front = run.front
    assert front is not None
    low, high = run.bounds[0]
    active = run.points[front.active, 0]
    depth, passed_edges = front.depth[face], np.concatenate(([low], active))
    if face.endswith("_max"):
        passed_edges = np.concatenate(([high], active[::-1]))
    passed = np.rint(np.nan_to_num(depth, nan=1.0) * active.size).astype(int)
    return np.where(depth < 1.0, passed_edges[np.minimum(passed, active.size)], np.nan)


def _mark_quiet(axes: Axes, run: Run, *, vertical: bool) -> None:
    """Shade where the target is flat, which counts neither way."""
    assert run.front is not None
    quiet = ~run.front.active
    if not quiet.any():
        return
    borders = _cell_edges(run)
    changes = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(int), [0]))))
    for number, (begin, end) in enumerate(changes.reshape(-1, 2)):
        span = axes.axhspan if vertical else axes.axvspan
        label = "target is flat" if number == 0 else None
        span(borders[begin], borders[end], label=label, **QUIET)


def _cell_edges(run: Run) -> FloatArray:
    return edges(run.points[:, 0], *run.bounds[0])
