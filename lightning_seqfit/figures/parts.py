"""What the figures share: sheets, legends, colours, and what their titles say."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Collection
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cbook import is_math_text
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.mathtext import MathTextParser
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.measures.trend import NOTHING
from lightning_seqfit.record import BasisRecord, FrontRecord, Run
from lightning_seqfit.words import how_far, percent

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
#: Letters of a text, and of one with mathtext, which is shorter than it is written.
LONGEST_TEXT, LONGEST_MATHTEXT = 60, 120


def sheet(title: str) -> tuple[Figure, Axes]:
    """Return a figure with one set of axes."""
    figure = Figure(figsize=SIZE, dpi=DPI)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12, y=1.0)  # to find out that it belongs there Matplotlib lays out all ticks
    return figure, axes


def arrange(figure: Figure, *axes: Axes, **margins: float) -> None:
    """Set the margins; the left one is as wide as the labels of these axes need.

    Matplotlib's own layouts measure every text of a figure, some of them twice, which takes as long as drawing it.
    """
    margins = {"right": 0.965, "top": 0.93, "bottom": 0.215, **margins}
    # at most half of it: mathtext may be as tall as it likes
    left = min((needed_left(figure, *axes) + 0.06) / figure.get_figwidth(), 0.5)
    figure.subplots_adjust(left=left, **margins)


def needed_left(figure: Figure, *axes: Axes) -> float:
    """Inches that the vertical axes with their labels take, to the left of where they stand."""
    canvas: Any = FigureCanvasAgg(figure)  # untyped in Matplotlib
    renderer = canvas.get_renderer()
    boxes = [(one, one.yaxis.get_tightbbox(renderer)) for one in axes]
    return max([one.bbox.x0 - box.x0 for one, box in boxes if box is not None], default=0.0) / figure.dpi


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


def number(value: float, digits: int) -> str:
    """Return a number with so many digits that say something, and never as a power of ten below a million.

    Examples
    --------
    >>> number(156.3, 2), number(1.004, 2), number(-0.0123456, 3), number(1234.5, 2), number(2.5e7, 2)
    ('160', '1', '-0.0123', '1,200', '2.5e+07')
    """
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:,.0f}" if 1 <= abs(rounded) < 1e6 and rounded.is_integer() else f"{rounded:.{digits}g}"


def turn_inwards(axes: Axes) -> None:
    """Write the numbers at the ends of the horizontal axis towards its middle, off those of the axes beside it."""
    low, high = axes.get_xlim()
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    axes.set_xticks(ticks)
    for tick, place in zip(axes.xaxis.get_major_ticks(), ticks, strict=True):
        share = (place - low) / (high - low)
        if not 0.08 < share < 0.92:
            tick.label1.set_horizontalalignment("left" if share < 0.5 else "right")


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
    of = run.scale_of
    if not of:  # an older record: what oscillates, and else the first look
        flat = np.mean((run.target - run.trend) ** 2) <= NOTHING * np.mean(run.target**2)
        of = "first look" if flat else "oscillation"
    return f"relative error (1: {_ONE.get(of, of)})"


def fitted_words(run: Run) -> str:
    """What a place is whose error is within tolerance: of the first look's error alone it is not fitted."""
    if run.scale_of != "first look" or run.front is None:
        return "fitted"
    return f"below {percent(run.front.tolerance)} of the first error"


def median_laps(basis: BasisRecord) -> str:
    """What a title says of the units' shape."""
    if not np.isfinite(basis.median_laps[-1]):
        return ""
    laps = number(basis.median_laps[-1], 2)
    return f": {laps} lap{'' if laps == '1' else 's'} in the median at the end (1: a step)"


def progress(run: Run) -> str:
    """What a title says: fitted share and oscillations."""
    fitted = np.nan if run.front is None else run.front.fitted[-1]
    error = run.scalars["error/relative_rmse"][-1]
    said = [how for how in [how_far(fitted, error, run.scale_of)] if how]
    counts = run.oscillations
    if counts is not None and counts.target[-1] > 0:
        counted = "oscillations" if len(run.axes) == 1 else "lobes"
        said.append(f"{counts.fitted[-1]:g} of {counts.target[-1]:g} {counted}")
    return ", ".join(said) or f"relative RMSE {number(error, 3)}"


def direction(front: FrontRecord) -> str:
    """What a title says of arrivals: what is known of their order."""
    said = []
    if np.isfinite(front.sequentiality[-1]):
        said.append(f"sequentiality {front.sequentiality[-1]:.2f}")
    if np.isfinite(front.overall_inwardness[-1]):
        said.append(f"inwardness {front.overall_inwardness[-1]:+.2f}")
    return ", ".join(said) or "too little has arrived to tell its order"


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
