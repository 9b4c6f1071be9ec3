"""Recorded arrays to pictures: Matplotlib figures without pyplot, and where loggers take them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import imsave
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.record import FrontRecord, Run

Image = NDArray[np.uint8]

# Grey where the prediction is not finite.
_ERROR = colormaps["viridis"].with_extremes(bad="0.7")
_TARGET, _MODEL = "#1b6ca8", "#d1495b"


def space_time(run: Run) -> Figure:
    """Local error over position and step, with the fronts drawn in."""
    front = run.front
    assert front is not None
    figure, axes = _figure(f"Local error: {_progress(run)}")
    latest = np.append(np.diff(run.total_steps) > 0, True)  # a second fit looks again where the first ended
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


def takes_images(logger: Any) -> bool:
    """Whether a logger can show a picture: TensorBoard's writers, and loggers with ``log_image``."""
    return hasattr(logger, "log_image") or hasattr(getattr(logger, "experiment", None), "add_image")


def log_image(logger: Any, tag: str, image: Image, step: int) -> None:
    """Show a picture in a logger that takes it."""
    if hasattr(logger, "log_image"):
        logger.log_image(key=tag, images=[image], step=step)
    else:
        logger.experiment.add_image(tag, image, step, dataformats="HWC")


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


def _edges(centres: NDArray[Any], low: float, high: float) -> FloatArray:
    """Edges of the cells around strictly rising centres, between two outer edges."""
    return np.concatenate(([low], (centres[1:] + centres[:-1]) / 2, [high]))


def _cell_edges(run: Run) -> FloatArray:
    return _edges(run.points[:, 0], *run.bounds[0])


def _finite(values: FloatArray) -> FloatArray:
    return np.where(np.isfinite(values), values, np.nan)
