"""Pictures of what changes over training, alike along one axis and along several: spectrum and rank."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lightning_seqfit.figures import parts
from lightning_seqfit.figures.parts import ERROR, MODEL, SIZE, TARGET
from lightning_seqfit.geometry import FloatArray

if TYPE_CHECKING:
    from lightning_seqfit.diagnostics.basis import BasisRecord
    from lightning_seqfit.record import Run

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
    said = parts.after(", ", run.summary().said("spectral order"))
    of = f"to the {parts.target_name(run)}" if run.final else "of the residual"
    figure, axes = parts.sheet(f"Spectrum {of}: what is missing, and when{said}")
    shown = parts.latest(run)
    steps, power = run.total_steps[shown], seen.power[shown][:, 1:].T
    first, last = float(steps[0]), float(max(steps[-1], steps[0] + 1))
    amplitude = np.sqrt(2 * parts.finite(power))
    largest = (float(np.nanmax(amplitude)) if np.isfinite(amplitude).any() else 1.0) or 1.0
    frequency = seen.frequency[1:]
    highest = float(frequency[-1] + 0.5)
    axes.set(xlabel="optimizer step", ylabel=_frequency_label(run))
    axes.set(xlim=(first, last), ylim=(_LOWEST, highest))
    parts.make_log(axes)
    # An image over the whole of the axes, its rows as logarithmic as they are: a mesh, and an image that Matplotlib
    # itself has to bend, take four times as long; and one that has its colours already, half as long as one of numbers.
    rows = _cells(parts.edges(frequency, 0.5, highest), np.geomspace(_LOWEST, highest, 2 * _PIXELS[0] + 1)[1::2])
    columns = _cells(parts.edges(steps, first, last), np.linspace(first, last, 2 * _PIXELS[1] + 1)[1::2])
    scale = LogNorm(vmin=1e-3 * largest, vmax=largest)
    image = axes.imshow(
        ERROR(scale(np.maximum(amplitude, 1e-3 * largest)), bytes=True)[np.ix_(rows, columns)],
        extent=(0, 1, 0, 1),
        transform=axes.transAxes,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    image.set(cmap=ERROR, norm=scale)
    bar = figure.colorbar(
        ScalarMappable(scale, ERROR), ax=axes, label=f"amplitude of the residual ({run.quantity})", format="{x:g}"
    )
    bar.minorticks_off()
    for number, band in enumerate(np.flatnonzero(seen.carrying)):
        label = f"bands in which the {parts.target_name(run)} oscillates" if number == 0 else None
        axes.axhspan(seen.edges[band], seen.edges[band + 1], xmin=0.0, xmax=0.015, color=MODEL, label=label)
        if np.isfinite(seen.converged[band]):
            middle = np.sqrt(seen.edges[band] * seen.edges[band + 1])
            axes.plot(seen.converged[band], middle, **_CONVERGED)
    if np.isfinite(seen.converged).any():
        axes.plot([], [], label="band within tolerance", **_CONVERGED)
    elif seen.carrying.any():
        parts.say_absent(axes, "no band is within tolerance yet")
    else:
        parts.say_absent(axes, f"no bands are marked: the {parts.target_name(run)} oscillates in none")
    parts.add_legend_below(axes)
    parts.arrange(figure, axes, right=0.975)
    return figure


def change(run: Run) -> Figure:
    """How much the prediction moved since earlier looks, over training."""
    figure, axes = parts.sheet(f"Change: {parts.moved(run)}")
    parts.draw_change(axes, run)
    axes.set(xlabel="optimizer step", ylabel="relative change")
    parts.add_legend(axes, loc="best")
    parts.arrange(figure, axes)
    return figure


def rank(run: Run) -> Figure:
    """Rank of the basis and, with a target, the error that it allows beside the actual one, over training."""
    seen = run.basis
    assert seen is not None
    figure = parts.paper(SIZE)
    compared, steps = run.known and not run.final, run.total_steps
    upper, *below = figure.subplots(1 + compared, 1, sharex=True, squeeze=False)[:, 0]
    parts.entitle(upper, f"Rank of the basis: {run.summary().said('rank of the basis') or 'not known'}", 12)
    upper.plot(steps, seen.numerical_rank, color=TARGET, label="numerical rank")
    upper.plot(steps, seen.effective_rank, color=TARGET, linestyle="--", label="effective rank")
    upper.set(ylabel="rank", ylim=(0.0, None))
    upper.yaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    if not np.isfinite(seen.numerical_rank).any():
        parts.say_absent(upper, "not known: the units are not finite")
    for lower in below:
        _draw_error(lower, run, seen)
    bottom = (upper, *below)[-1]
    bottom.set(xlabel="optimizer step", xlim=(float(steps[0]), float(max(steps[-1], steps[0] + 1))))
    for axes in (upper, *below):
        parts.add_legend(axes, loc="best")
    parts.arrange(figure, upper, *below, bottom=0.12, hspace=0.1)
    return figure


def _draw_error(lower: Axes, run: Run, seen: BasisRecord) -> None:
    """Draw the error, and the one that the basis allows."""
    steps = run.total_steps
    lower.plot(steps, run.scalars["error/relative_rmse"], color=MODEL, label="actual error")
    if np.isfinite(seen.projection_error).any():
        label = "error that the basis allows (projection)"
        lower.plot(steps, seen.projection_error, color=TARGET, linestyle="--", label=label)
    else:
        reasons = [note.partition(_NO_PROJECTION)[2] for note in run.notes if note.startswith(_NO_PROJECTION)]
        parts.say_absent(lower, f"no error that the basis allows: {(reasons or ['it was not measured'])[-1]}")
    lower.set(ylabel="relative error")
    parts.make_log(lower)


def _frequency_label(run: Run) -> str:
    return "cycles per domain length" + ("" if len(run.axes) == 1 else ", any direction")


def _cells(borders: FloatArray, places: FloatArray) -> NDArray[np.intp]:
    """Numbers of the cells between ``borders`` in which the places lie."""
    return np.clip(np.searchsorted(borders, places, side="right") - 1, 0, len(borders) - 2)
