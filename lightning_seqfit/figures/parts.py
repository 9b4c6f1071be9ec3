"""What the figures share: sheets, legends, colours, and what their titles say."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.markers import TICKDOWN, TICKLEFT, TICKRIGHT
from matplotlib.mathtext import MathTextParser
from matplotlib.patheffects import Normal, Stroke
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

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
#: For each side on which an axis has its numbers: which way is outwards, its marks, how the numbers are aligned.
_SIDES: dict[str, tuple[tuple[int, int], int, str, str]] = {
    "bottom": ((0, -1), TICKDOWN, "center", "top"),
    "left": ((-1, 0), TICKLEFT, "right", "center_baseline"),
    "right": ((1, 0), TICKRIGHT, "left", "center_baseline"),
}
#: Points: a mark's length, and how far off it the numbers stand.
_MARK, _PAD = 3.5, 3.5
#: Letters of a text, and of one with mathtext, which is shorter than it is written.
LONGEST_TEXT, LONGEST_MATHTEXT = 60, 120


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


def write_numbers(axis: XAxis | YAxis, *, inwards: bool = False) -> float:
    """Write the numbers of an axis beside it as it is now; return the inches that they and its label take.

    Matplotlib's own ticks follow the axis, but are five artists each that are laid out four times, which takes longer
    than all the rest of a figure. ``inwards``: the outermost numbers are written towards the middle of the axis, off
    those of the axes beside it.
    """
    axes, along_x, shown = axis.axes, isinstance(axis, XAxis), axis.get_tick_params()
    figure, formatter, places = axes.get_figure(), axis.get_major_formatter(), axis.get_majorticklocs()
    assert isinstance(figure, Figure)
    side = "bottom" if along_x else "right" if shown.get("right") else "left"
    outwards, mark, ha, va = _SIDES[side]
    along = axes.get_xaxis_transform() if along_x else axes.get_yaxis_transform()
    (low, high), edge, length = axis.get_view_interval(), float(side == "right"), shown.get("length", _MARK)

    def beside(inches: float) -> ScaledTranslation:
        return ScaledTranslation(inches * outwards[0], inches * outwards[1], figure.dpi_scale_trans)

    def size(text: Text) -> float:
        box = text.get_window_extent()
        return (box.height if along_x else box.width) / figure.dpi

    shares = (places - low) / (high - low)
    ticks = np.flatnonzero(np.abs(shares - 0.5) <= 0.5 + 1e-10)
    spots = [(place, edge) if along_x else (edge, place) for place in places]
    texts = formatter.format_ticks(places.tolist())
    if ticks.size and length:
        style: dict[str, Any] = {
            "marker": mark,
            "markersize": length,
            "markeredgewidth": 0.8,
            "color": "black",
            "linestyle": "none",
        }
        figure.add_artist(Line2D(*np.transpose(spots)[:, ticks], transform=along, **style))
    taken = 0.0
    if ticks.size and shown.get(f"label{side}", True):
        taken = (length + _PAD) / 72
        transform, written = along + beside(taken), []
        for tick in ticks:
            if inwards:
                ha = "left" if shares[tick] < 0.08 else "right" if shares[tick] > 0.92 else "center"
            x, y = spots[tick]
            written.append(figure.text(x, y, texts[tick], transform=transform, ha=ha, va=va))
        taken += max(map(size, written[:1] if along_x else written))
    if taken and (power := formatter.get_offset()):  # such as 1e6, at the far end
        far, off = max(edge, float(along_x)), _PAD / 72
        above = beside(taken + off) if along_x else ScaledTranslation(0, off, figure.dpi_scale_trans)
        ha, va = "right" if far else "left", "top" if along_x else "baseline"
        figure.text(far, float(not along_x), power, transform=axes.transAxes + above, ha=ha, va=va)
    everything = ("left", "right", "bottom", "top", "labelleft", "labelright", "labelbottom", "labeltop")
    axes.tick_params(axis="x" if along_x else "y", **dict.fromkeys(everything, False))
    distance = taken + axis.labelpad / 72
    axis.set_label_coords(*((0.5, 0.0) if along_x else (edge, 0.5)), transform=axes.transAxes + beside(distance))
    return distance + size(axis.label) if axis.label.get_text() else taken


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


def printable(text: str) -> str:
    r"""Return a text as Matplotlib can draw it, on one line and short.

    What is no mathtext is drawn as it stands, and what the font has no glyph for as a question mark: Matplotlib raises
    of the one and warns of the other, which is as much where warnings are errors.

    Examples
    --------
    >>> print(printable("speed ($m/s$)"), printable(r"$\frac{a$"), printable("CO2 (ppm,\nmean)"), sep="; ")
    speed ($m/s$); \$\frac{a\$; CO2 (ppm, mean)
    """
    line = " ".join(text.split())
    known = _glyphs()
    line = "".join(letter if ord(letter) in known else "?" for letter in line)
    if len(line) <= LONGEST_MATHTEXT and _is_mathtext(line):
        return line
    if len(line) > LONGEST_TEXT:
        line = f"{line[: LONGEST_TEXT - 3]}..."
    return re.sub(r"(?<!\\)\$", r"\\$", line)


def _is_mathtext(line: str) -> bool:
    """Whether there is mathtext in a line, and Matplotlib can read it."""
    try:
        return is_math_text(line) and bool(MathTextParser("path").parse(line))
    except Exception:  # a parser's errors, and those of the fonts that it asks for
        return False


def _glyphs() -> Collection[int]:
    """Letters that the fonts of the figures have."""
    paths = {findfont(FontProperties(family=[family])) for family in FontProperties().get_family()}
    return {letter for path in paths for letter in get_font(path).get_charmap()}


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
