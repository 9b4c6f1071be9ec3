"""Pictures of what changes over training, alike along one axis and along several: spectrum and rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lightning_seqfit.figures.parts import (
    DPI,
    ERROR,
    MODEL,
    SIZE,
    TARGET,
    add_legend,
    add_legend_below,
    arrange,
    edges,
    finite,
    latest,
    make_log,
    say_absent,
    sheet,
)
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.record import BasisRecord, Run

_CONVERGED: dict[str, Any] = {"marker": "o", "linewidth": 0, "color": "white", "markeredgecolor": "black"}
#: How a record's note begins that says why.
_NO_PROJECTION = "basis/projection_error is absent: "
#: Rows and columns of the spectrum's image: more than the axes have pixels.
_PIXELS = (400, 720)
#: The lowest frequency shown: that of one cycle, and some room.
_LOWEST = 0.9


def spectrum(run: Run) -> Figure:
    """The residual's spectrum over training: frequency against step, the bands of the target marked.

    Along several axes a frequency is the length of a vector: the amplitude is that of all directions together.
    """
    seen = run.spectrum
    assert seen is not None
    order = seen.spectral_order[-1]
    said = f", spectral order {order:+.2f}" if np.isfinite(order) else ""
    figure, axes = sheet(f"Spectrum of the residual: what is missing, and when{said}")
    shown = latest(run)
    steps, power = run.total_steps[shown], seen.power[shown][:, 1:].T
    first, last = float(steps[0]), float(max(steps[-1], steps[0] + 1))
    amplitude = np.sqrt(2 * finite(power))
    largest = (float(np.nanmax(amplitude)) if np.isfinite(amplitude).any() else 1.0) or 1.0
    frequency = seen.frequency[1:]
    highest = float(frequency[-1] + 0.5)
    axes.set(xlabel="optimizer step", ylabel=_frequency_label(run))
    axes.set(xlim=(first, last), ylim=(_LOWEST, highest))
    make_log(axes)
    # An image over the whole of the axes, its rows as logarithmic as they are: a mesh, and an image that Matplotlib
    # itself has to bend, take four times as long.
    rows = _cells(edges(frequency, 0.5, highest), np.geomspace(_LOWEST, highest, 2 * _PIXELS[0] + 1)[1::2])
    columns = _cells(edges(steps, first, last), np.linspace(first, last, 2 * _PIXELS[1] + 1)[1::2])
    image = axes.imshow(
        np.maximum(amplitude, 1e-3 * largest)[np.ix_(rows, columns)],
        extent=(0, 1, 0, 1),
        transform=axes.transAxes,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
        cmap=ERROR,
        norm=LogNorm(vmin=1e-3 * largest, vmax=largest),
    )
    bar = figure.colorbar(image, ax=axes, label=f"amplitude of the residual ({run.quantity})", format="{x:g}")
    bar.minorticks_off()
    for number, band in enumerate(np.flatnonzero(seen.carrying)):
        label = "bands in which the target oscillates" if number == 0 else None
        axes.axhspan(seen.edges[band], seen.edges[band + 1], xmin=0.0, xmax=0.015, color=MODEL, label=label)
        if np.isfinite(seen.converged[band]):
            middle = np.sqrt(seen.edges[band] * seen.edges[band + 1])
            axes.plot(seen.converged[band], middle, **_CONVERGED)
    if np.isfinite(seen.converged).any():
        axes.plot([], [], label="band within tolerance", **_CONVERGED)
    elif seen.carrying.any():
        say_absent(axes, "no band is within tolerance yet")
    else:
        say_absent(axes, "no bands are marked: the target oscillates in none")
    add_legend_below(axes)
    arrange(figure, axes, right=0.975)
    return figure


def rank(run: Run) -> Figure:
    """Rank of the basis, and the error that it allows beside the actual one, over training."""
    seen = run.basis
    assert seen is not None
    figure = Figure(figsize=SIZE, dpi=DPI)
    upper, lower = figure.subplots(2, 1, sharex=True)
    steps, actual = run.total_steps, run.scalars["error/relative_rmse"]
    upper.set_title(_growth(seen), fontsize=12)
    upper.plot(steps, seen.numerical_rank, color=TARGET, label="numerical rank")
    upper.plot(steps, seen.effective_rank, color=TARGET, linestyle="--", label="effective rank")
    upper.set(ylabel="rank", ylim=(0.0, None))
    upper.yaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    if not np.isfinite(seen.numerical_rank).any():
        say_absent(upper, "not known: the units are not finite")
    lower.plot(steps, actual, color=MODEL, label="actual error")
    if np.isfinite(seen.projection_error).any():
        label = "error that the basis allows (projection)"
        lower.plot(steps, seen.projection_error, color=TARGET, linestyle="--", label=label)
    else:
        reasons = [note.partition(_NO_PROJECTION)[2] for note in run.notes if note.startswith(_NO_PROJECTION)]
        say_absent(lower, f"no error that the basis allows: {(reasons or ['it was not measured'])[-1]}")
    lower.set(ylabel="relative error", xlabel="optimizer step")
    make_log(lower)
    lower.set_xlim(float(steps[0]), float(max(steps[-1], steps[0] + 1)))
    for axes in (upper, lower):
        add_legend(axes, loc="best")
    arrange(figure, upper, lower, bottom=0.12, hspace=0.1)
    return figure


def _frequency_label(run: Run) -> str:
    return "cycles per domain length" + ("" if len(run.axes) == 1 else ", any direction")


def _cells(borders: FloatArray, places: FloatArray) -> NDArray[np.intp]:
    """Numbers of the cells between ``borders`` in which the places lie."""
    return np.clip(np.searchsorted(borders, places, side="right") - 1, 0, len(borders) - 2)


def _growth(seen: BasisRecord) -> str:
    """What a title says of the rank: from where to where."""
    ranks = seen.numerical_rank[np.isfinite(seen.numerical_rank)]
    return f"Rank of the basis: from {ranks[0]:g} to {ranks[-1]:g}" if ranks.size else "Rank of the basis: not known"
