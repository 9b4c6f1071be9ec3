"""Recorded arrays to pictures: Matplotlib figures without pyplot."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.record import BasisRecord, FrontRecord, Run

Image = NDArray[np.uint8]

# Grey where the prediction is not finite.
_ERROR = colormaps["viridis"].with_extremes(bad="0.7")
_TARGET, _MODEL = "#1b6ca8", "#d1495b"
_CONVERGED: dict[str, Any] = {"marker": "o", "linewidth": 0, "color": "white", "markeredgecolor": "black"}


def space_time(run: Run) -> Figure:
    """Local error over position and step, with the fronts drawn in."""
    front = run.front
    assert front is not None
    figure, axes = _figure(f"Local error: {_progress(run)}")
    latest = _latest(run)
    steps, squared = run.total_steps[latest], front.local_error[latest].T
    error = np.sqrt(np.where(np.isfinite(squared), squared, np.nan))
    first, last = float(steps[0]), float(max(steps[-1], steps[0] + 1))
    image = axes.pcolorfast(
        _edges(steps, first, last), _cell_edges(run), error, cmap=_ERROR, vmin=0.0, vmax=1.0, rasterized=True
    )
    figure.colorbar(image, ax=axes, label="relative error (1: nothing but the trend)", extend="max")
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
    _legend(axes, loc="lower center", bbox_to_anchor=(0.5, -0.3), ncols=2)
    return figure


def fit(run: Run) -> Figure:
    """The prediction over the target at the last look, the unfitted core shaded."""
    figure, axes = _figure(f"Fit at step {run.steps[-1]:,}: {_progress(run)}")
    position = run.points[:, 0]
    axes.plot(position, run.prediction[-1], color=_MODEL, linewidth=2.8, alpha=0.8, label="prediction")
    axes.plot(position, run.target, color=_TARGET, linewidth=1.0, label="target")
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
    _legend(axes, loc="lower center", bbox_to_anchor=(0.5, -0.3), ncols=3)
    return figure


def arrival(run: Run) -> Figure:
    """When each place was fitted, against its position."""
    front = run.front
    assert front is not None
    figure, axes = _figure(f"Arrival of the fit: {_direction(front)}")
    position, last = run.points[:, 0], float(run.total_steps[-1])
    first, settled = (np.where(front.active, times, np.nan) for times in (front.arrival, front.settled))
    if np.isfinite(first).any():
        axes.plot(position, _finite(first), color=_TARGET, linewidth=2.0, label="first fitted")
    again = np.where(np.isfinite(settled) & (settled > first), settled, np.nan)
    if np.isfinite(again).any():
        axes.plot(position, again, color=_MODEL, linewidth=0, marker=".", markersize=4, label="lost and fitted again")
    never = front.active & np.isinf(front.arrival)
    if never.any():
        axes.plot(position[never], np.full(never.sum(), last), "|", color="0.35", markersize=7, label="not yet")
    _mark_quiet(axes, run, vertical=False)
    axes.set(xlabel=run.axes[0], ylabel="optimizer step", xlim=run.bounds[0], ylim=(0.0, 1.05 * max(last, 1.0)))
    _legend(axes, loc="lower center", bbox_to_anchor=(0.5, -0.3), ncols=3)
    return figure


def spectrum(run: Run) -> Figure:
    """The residual's spectrum over training: frequency against step, the bands of the target marked."""
    seen = run.spectrum
    assert seen is not None
    order = seen.spectral_order[-1]
    said = f", spectral order {order:+.2f}" if np.isfinite(order) else ""
    figure, axes = _figure(f"Spectrum of the residual: what is missing, and when{said}")
    latest = _latest(run)
    steps, power = run.total_steps[latest], seen.power[latest][:, 1:].T
    first, last = float(steps[0]), float(max(steps[-1], steps[0] + 1))
    amplitude = np.sqrt(2 * np.where(np.isfinite(power), power, np.nan))
    largest = float(np.nanmax(amplitude)) if np.isfinite(amplitude).any() else 1.0
    colours = LogNorm(vmin=1e-3 * (largest or 1.0), vmax=largest or 1.0)
    frequency = seen.frequency[1:]
    edges = np.concatenate((frequency - 0.5, [frequency[-1] + 0.5]))
    shown = np.maximum(amplitude, 1e-3 * (largest or 1.0))
    image = axes.pcolormesh(_edges(steps, first, last), edges, shown, cmap=_ERROR, norm=colours, rasterized=True)
    figure.colorbar(image, ax=axes, label=f"amplitude of the residual ({run.quantity})")
    for number, band in enumerate(np.flatnonzero(seen.carrying)):
        label = "bands in which the target oscillates" if number == 0 else None
        axes.axhspan(seen.edges[band], seen.edges[band + 1], xmin=0.0, xmax=0.015, color=_MODEL, label=label)
        if np.isfinite(seen.converged[band]):
            middle = np.sqrt(seen.edges[band] * seen.edges[band + 1])
            axes.plot(seen.converged[band], middle, **_CONVERGED)
    if np.isfinite(seen.converged).any():
        axes.plot([], [], label="band within tolerance", **_CONVERGED)
    axes.set(
        xlabel="optimizer step",
        ylabel="cycles per domain length",
        yscale="log",
        ylim=(0.9, frequency[-1] + 0.5),
        xlim=(first, last),
    )
    _legend(axes, loc="lower center", bbox_to_anchor=(0.5, -0.3), ncols=2)
    return figure


def basis(run: Run) -> Figure:
    """The weightiest basis functions at a few moments, ordered by where they rise or fall."""
    seen = run.basis
    assert seen is not None
    wanted = np.linspace(seen.snapshot_steps[0], seen.snapshot_steps[-1], 4)
    moments = np.unique(np.argmin(np.abs(seen.snapshot_steps[:, None] - wanted), axis=0))
    figure = Figure(figsize=(7.2, 4.2), dpi=110, layout="constrained")
    laps = seen.median_laps[-1]
    said = f": {laps:.2g} laps in the median at the end (1: a step)" if np.isfinite(laps) else ""
    figure.suptitle(f"Basis functions{said}", fontsize=12)
    position = seen.snapshot_points[:, 0]
    for number, moment in enumerate(moments):
        axes = figure.add_subplot(1, len(moments), number + 1)
        places = seen.snapshot_places[moment][:, 0]
        order = np.argsort(np.where(np.isfinite(places), places, np.inf), kind="stable")
        units = seen.snapshots[moment][order].astype(np.float64)
        for row, values in enumerate(units):
            middle, reach = (values.max() + values.min()) / 2, np.ptp(values) or 1.0
            axes.plot(position, row - 0.8 * (values - middle) / reach, color=colormaps["viridis"](row / len(units)))
        axes.set_title(f"step {seen.snapshot_steps[moment]:,}", fontsize=10)
        axes.set(xlabel=run.axes[0], xlim=run.bounds[0], ylim=(len(units) - 0.4, -0.6), yticks=[])
        if number == 0:
            axes.set_ylabel(f"{len(units)} weightiest units, each to its own scale")
    return figure


def rank(run: Run) -> Figure:
    """Rank of the basis, and the error that it allows beside the actual one, over training."""
    seen = run.basis
    assert seen is not None
    figure = Figure(figsize=(7.2, 4.2), dpi=110, layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps, actual = run.total_steps, run.scalars["error/relative_rmse"]
    upper.set_title(_growth(seen), fontsize=12)
    upper.plot(steps, seen.numerical_rank, color=_TARGET, label="numerical rank")
    upper.plot(steps, seen.effective_rank, color=_TARGET, linestyle="--", label="effective rank")
    upper.set(ylabel="rank", ylim=(0.0, None))
    lower.plot(steps, actual, color=_MODEL, label="actual error")
    if np.isfinite(seen.projection_error).any():
        label = "error that the basis allows (projection)"
        lower.plot(steps, seen.projection_error, color=_TARGET, linestyle="--", label=label)
    lower.set(ylabel="relative error", xlabel="optimizer step", yscale="log")
    lower.set_xlim(float(steps[0]), float(max(steps[-1], steps[0] + 1)))
    for axes in (upper, lower):
        _legend(axes, loc="best")
    return figure


def _growth(seen: BasisRecord) -> str:
    """What a title says of the rank: from where to where."""
    ranks = seen.numerical_rank[np.isfinite(seen.numerical_rank)]
    return f"Rank of the basis: from {ranks[0]:g} to {ranks[-1]:g}" if ranks.size else "Rank of the basis: not known"


def front_position(run: Run, face: str) -> FloatArray:
    """Position of a face's front at each look, shape ``(looks,)``: where its depth ends. NaN: no core is known."""
    front = run.front
    assert front is not None
    low, high = run.bounds[0]
    active = run.points[front.active, 0]
    depth, edges = front.depth[face], np.concatenate(([low], active))
    if face.endswith("_max"):
        edges = np.concatenate(([high], active[::-1]))
    passed = np.rint(np.nan_to_num(depth, nan=1.0) * active.size).astype(int)
    return np.where(depth < 1.0, edges[np.minimum(passed, active.size)], np.nan)


def draw(run: Run) -> dict[str, Figure]:
    """Every figure that a record has the arrays for, by the name it gets as tag and file."""
    figures: dict[str, Callable[[Run], Figure]] = {"fit": fit}
    if run.front is not None:
        figures |= {"front": space_time, "arrival": arrival}
    if run.spectrum is not None:
        figures |= {"spectrum": spectrum}
    if run.basis is not None:
        figures |= {"basis": basis, "rank": rank}
    return {name: make(run) for name, make in figures.items()}


def as_image(figure: Figure) -> Image:
    """Pixels, shape ``(height, width, 3)``."""
    canvas: Any = FigureCanvasAgg(figure)  # untyped in Matplotlib
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def save(image: Image, path: Path) -> None:
    """Write pixels as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    imsave(path, image)


def _figure(title: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.2, 4.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12)
    return figure, axes


def _legend(axes: Axes, **where: Any) -> None:
    axes.legend(fontsize=9, frameon=False, **where)


def _progress(run: Run) -> str:
    """What a title says: fitted share and oscillations."""
    fitted = np.nan if run.front is None else run.front.fitted[-1]
    said = [f"{100 * fitted:.0f} % fitted"] if np.isfinite(fitted) else []
    counts = run.oscillations
    if counts is not None and counts.target[-1] > 0:
        said.append(f"{counts.fitted[-1]:g} of {counts.target[-1]:g} oscillations")
    return ", ".join(said) or f"relative RMSE {run.scalars['error/relative_rmse'][-1]:.3g}"


def _direction(front: FrontRecord) -> str:
    """What a title says of arrivals: what is known of their order."""
    said = []
    if np.isfinite(front.sequentiality[-1]):
        said.append(f"sequentiality {front.sequentiality[-1]:.2f}")
    if np.isfinite(front.overall_inwardness[-1]):
        said.append(f"inwardness {front.overall_inwardness[-1]:+.2f}")
    return ", ".join(said) or "too little has arrived to tell its order"


def _mark_quiet(axes: Axes, run: Run, *, vertical: bool) -> None:
    """Shade where the target is flat, which counts neither way."""
    assert run.front is not None
    quiet = ~run.front.active
    if not quiet.any():
        return
    edges = _cell_edges(run)
    changes = np.flatnonzero(np.diff(np.concatenate(([0], quiet.astype(int), [0]))))
    for number, (begin, end) in enumerate(changes.reshape(-1, 2)):
        span = axes.axhspan if vertical else axes.axvspan
        label = "target is flat" if number == 0 else None
        span(edges[begin], edges[end], facecolor="white", edgecolor="0.5", hatch="///", alpha=0.35, label=label)


def _latest(run: Run) -> NDArray[np.bool_]:
    """Looks that no other one at the same step follows: a second fit looks again where the first ended."""
    return np.append(np.diff(run.total_steps) > 0, True)


def _edges(centres: NDArray[Any], low: float, high: float) -> FloatArray:
    """Edges of the cells around strictly rising centres, between two outer edges."""
    return np.concatenate(([low], (centres[1:] + centres[:-1]) / 2, [high]))


def _cell_edges(run: Run) -> FloatArray:
    return _edges(run.points[:, 0], *run.bounds[0])


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, np.nan)
