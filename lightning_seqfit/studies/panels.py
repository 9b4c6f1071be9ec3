"""Panels that the pages of several studies draw."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes

from lightning_seqfit.record import Run


def draw_error(axes: Axes, run: Run) -> None:
    """Local error over position and step."""
    assert run.front is not None
    low, high = run.bounds[0]
    error = np.sqrt(run.front.local_error)
    steps = np.append(run.steps, run.steps[-1] + 1)
    places = np.linspace(low, high, error.shape[1] + 1)
    image = axes.pcolormesh(steps, places, error.T, cmap="viridis", vmin=0.0, vmax=1.0, rasterized=True)
    axes.set(xlabel="optimizer step", ylabel=run.axes[0])
    axes.figure.colorbar(image, ax=axes, label="relative error (yellow: nothing learned)")


def draw_arrival(axes: Axes, run: Run) -> None:
    """When each place of the plane was fitted."""
    run = run.fine or run
    assert run.front is not None
    came = np.where(np.isfinite(run.front.arrival) & run.front.active, run.front.arrival, np.nan).reshape(run.shape)
    colours = colormaps["viridis"].with_extremes(bad="0.8")
    (left, right), (low, high) = run.bounds[:2]
    known = came[np.isfinite(came)]
    first, last = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    image = axes.imshow(
        came.T,
        origin="lower",
        extent=(left, right, low, high),
        cmap=colours,
        vmin=min(first, last / 2),  # what came nearly at once looks nearly alike
        vmax=max(last, 1.0),
    )
    axes.set(xlabel=run.axes[0], ylabel=run.axes[1])
    axes.figure.colorbar(image, ax=axes, label="step of arrival (grey: flat, or not yet)", location="bottom")
