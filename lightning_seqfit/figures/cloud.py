"""Pictures of a fit at points in more than three dimensions, which have no place on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from lightning_seqfit.figures import parts
from lightning_seqfit.figures.parts import MODEL, SIZE, TARGET
from lightning_seqfit.words import percent

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

#: Looks whose errors are drawn.
_LOOKS = 4
# Of the values, beside the outermost ones.
_ROOM = 0.05


def fit(run: Run) -> Figure:
    """Prediction against target at the last look, and which share of the points has which error at a few looks."""
    last = run.fine or run
    figure = parts.paper(SIZE)
    left, right = figure.subplots(1, 2)
    figure.suptitle(f"Fit at step {run.steps[-1]:,}: {parts.progress(run)}", fontsize=12, y=0.985)

    prediction = parts.finite(last.prediction[-1].astype(np.float64))
    known = np.isfinite(prediction)
    values = np.concatenate([last.target, prediction[known]])
    room = _ROOM * (float(np.ptp(values)) or 1.0)
    ends = float(values.min()) - room, float(values.max()) + room
    left.plot(last.target, prediction, ".", markersize=3, alpha=0.5, color=MODEL, rasterized=True, label="points")
    left.plot(ends, ends, color=TARGET, linewidth=1.0, label="prediction = target")
    if not known.all():
        parts.say_absent(left, f"not finite: {percent(1 - float(np.mean(known)))}")
    left.set(xlabel=f"target: {run.quantity}", ylabel="prediction", xlim=ends, ylim=ends)
    parts.entitle(left, "Prediction against target")

    shown = np.flatnonzero(parts.latest(run))
    looks = shown[parts.moments(run.total_steps[shown], _LOOKS)]
    share = (np.arange(len(run.target)) + 0.5) / len(run.target)
    errors = np.sort(np.abs(parts.finite(run.prediction[looks].astype(np.float64)) - run.target), axis=1)
    least = 1e-3 * (float(np.nanmax(errors, initial=0.0)) or 1.0)
    for error, step, shade in zip(errors, run.total_steps[looks], np.linspace(0.85, 0.1, len(looks)), strict=True):
        right.plot(np.maximum(error, least), share, color=colormaps["viridis"](shade), label=f"step {step:,}")
    right.set(xlabel=f"|error|: {run.quantity}", ylabel="share of the points with less", ylim=(0.0, 1.0), xscale="log")
    right.minorticks_off()
    parts.entitle(right, "Errors over training")
    for axes in (left, right):
        parts.add_legend(axes, loc="best")
    parts.arrange(figure, left, top=0.86, bottom=0.13, wspace=0.28)
    return figure
