"""What the figures share: sheets, legends, colours, and what their titles say."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from lightning_seqfit.figures.numbers import write_numbers as write_numbers
from lightning_seqfit.figures.texts import printable as printable
from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.measures.trend import NOTHING
from lightning_seqfit.words import percent

if TYPE_CHECKING:
    from lightning_seqfit.diagnostics.front import FrontRecord
    from lightning_seqfit.record import Run

#: Grey where the prediction is not finite.
UNKNOWN = "0.7"
ERROR = colormaps["viridis"].with_extremes(bad=UNKNOWN)
TARGET, MODEL = "#1b6ca8", "#d1495b"
#: Where the target is flat, and nothing is asked of a fit.
QUIET: dict[str, Any] = {"facecolor": "white", "edgecolor": "0.5", "hatch": "///", "alpha": 0.35}
#: Dots of a figure per inch, and its size in inches.
DPI = 110
SIZE = (7.2, 4.2)
#: What an error of 1 is, by what the scale is of.
_ONE = {
    "oscillation": "nothing but the trend",
    "deviation": "nothing but the mean",
    "value": "as large as the target",
    "given": "as large as scale",
    "first look": "as at the first look",
}
OUTLINED = [Stroke(linewidth=3.5, foreground="black"), Normal()]


def paper(size: tuple[float, float] | None = None) -> Figure:
    """Return an empty figure, of a size in inches, whose texts can be measured."""
    figure = Figure(figsize=size, dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def sheet(title: str) -> tuple[Figure, Axes]:
    """Return a figure with one set of axes."""
    figure = paper(SIZE)
    axes = figure.add_subplot()
    entitle(axes, title, 12)
    return figure, axes


def entitle(axes: Axes, title: str, size: float = 10, *, letters: int = 200) -> None:
    """Set the title where it belongs: to find that out Matplotlib lays out all ticks. Of more letters it is smaller."""
    axes.set_title(title, fontsize=size * min(1.0, letters / max(len(title), 1)), y=1.0)


def arrange(figure: Figure, *axes: Axes, inwards: bool = False, **margins: float) -> None:
    """Set the margins, the left one as wide as the labels of these axes need, and write the numbers of all.

    Matplotlib's own layouts measure every text of a figure, some of them twice, which takes as long as drawing it.
    """
    figure.subplots_adjust(**{"right": 0.965, "top": 0.93, "bottom": 0.215, **margins})
    taken = {one: write_numbers(one.yaxis) for one in figure.axes}
    # at most half of it: mathtext may be as tall as it likes
    figure.subplots_adjust(left=min((max(taken[one] for one in axes) + 0.06) / figure.get_figwidth(), 0.5))
    for one in figure.axes:
        write_numbers(one.xaxis, inwards=inwards)


def add_legend(axes: Axes, **where: Any) -> None:
    """Add a legend of what has a label, if anything has: Matplotlib warns of a legend of nothing."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=9, frameon=False, **where)


def add_legend_below(axes: Axes) -> None:
    """Add a legend in one row below the axes."""
    add_legend(axes, loc="lower center", bbox_to_anchor=(0.5, -0.3), ncols=9, columnspacing=1.5)


def say_absent(axes: Axes, reason: str) -> None:
    """Say in the legend why something is not drawn."""
    axes.plot([], [], linestyle="none", label=textwrap.fill(reason, 70))


def make_log(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers: as powers they take as long to draw as all the rest."""
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    decades = math.log10(high / low)
    few = MaxNLocator(4, steps=[1, 2, 5, 10])
    axes.yaxis.set_major_locator(few if decades < 0.7 else LogLocator(subs=(1, 2, 5) if decades < 2.5 else (1,)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())


def unfitted(front: FrontRecord) -> BoolArray:
    """Cells at which the target oscillates and is not fitted, shape ``(looks, cells)``."""
    found: BoolArray = front.active & (front.local_error > front.tolerance**2)
    return found


def error_label(run: Run) -> str:
    """What an error of 1 is."""
    of, what = run.scale_of, "distance" if run.final else "relative error"
    if not of:  # an older record: what oscillates, and else the first look
        flat = np.mean((run.target - run.trend) ** 2) <= NOTHING * np.mean(run.target**2)
        of = "first look" if flat else "oscillation"
    return f"{what} (1: {_ONE.get(of, of)})"


def target_name(run: Run) -> str:
    """What the predictions are compared with."""
    return "last prediction" if run.final else "target"


def quantity(run: Run) -> str:
    """What is drawn: of all outputs of a module together their length."""
    return f"length of {run.quantity}" if run.output == "norm" else run.quantity


def fitted_words(run: Run) -> str:
    """What a place is whose error is within tolerance: of the first look's error alone it is not fitted."""
    if run.final:
        return "arrived"
    if run.scale_of != "first look" or run.front is None:
        return "fitted"
    return f"below {percent(run.front.tolerance)} of the first error"


def after(sign: str, said: str) -> str:
    """What is said, with a sign before it; empty: nothing is."""
    return f"{sign}{said}" if said else ""


def progress(run: Run) -> str:
    """What a title says: fitted share and oscillations."""
    summary = run.summary()
    said = summary.said("fitted", "error", "oscillations fitted", "lobes fitted") or summary.said("relative error")
    return said or summary.said("half arrived") or summary.said("moved") or "no target"


def draw_change(axes: Axes, run: Run) -> None:
    """Draw how much the prediction moved since earlier looks, over the steps."""
    assert run.change is not None
    known = False
    for moved, colour, style, said in (
        (run.change.since_half, MODEL, "-", "since half the steps"),
        (run.change.since_last, TARGET, "--", "since the look before"),
    ):
        drawn = np.isfinite(moved) & (moved > 0.0)
        axes.plot(run.total_steps, np.where(drawn, moved, np.nan), color=colour, linestyle=style, label=said)
        known |= bool(drawn.any())
    first, last = float(run.total_steps[0]), float(run.total_steps[-1])
    axes.set(xlim=(first, max(last, first + 1)))
    if not known:
        axes.set_ylim(1e-3, 1.0)
        say_absent(axes, "not known yet")
    make_log(axes)


def moved(run: Run) -> str:
    """What a title says of changes."""
    return run.summary().said("moved") or "not known yet"


def direction(run: Run) -> str:
    """What a title says of arrivals: what is known of their order."""
    return run.summary().said("sequentiality", "inwardness") or "too little has arrived to tell its order"


def moments(steps: NDArray[Any], count: int = 4) -> NDArray[np.intp]:
    """Numbers of the steps that are nearest to ``count`` evenly spaced ones, the first and the last among them."""
    wanted = np.linspace(steps[0], steps[-1], count)
    return np.unique(np.argmin(np.abs(steps[:, None] - wanted), axis=0))


def latest(run: Run) -> NDArray[np.bool_]:
    """Looks that no other one at the same step follows: a second fit looks again where the first ended."""
    return np.append(np.diff(run.total_steps) > 0, True)


def edges(centres: NDArray[Any], low: float, high: float) -> FloatArray:
    """Edges of the cells around strictly rising centres, between two outer edges."""
    return np.concatenate(([low], (centres[1:] + centres[:-1]) / 2, [high]))


def finite(values: FloatArray) -> FloatArray:
    """Values with NaN for inf."""
    return np.where(np.isfinite(values), values, np.nan)
