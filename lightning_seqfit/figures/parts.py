"""What the figures share: sheets, legends, colours, and what their titles say."""

from __future__ import annotations

import re
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
from numpy.typing import NDArray

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.trend import NOTHING
from lightning_seqfit.record import BasisRecord, FrontRecord, Run

#: Grey where the prediction is not finite.
UNKNOWN = "0.7"
ERROR = colormaps["viridis"].with_extremes(bad=UNKNOWN)
TARGET, MODEL = "#1b6ca8", "#d1495b"
#: Where the target is flat, and nothing is asked of a fit.
QUIET: dict[str, Any] = {"facecolor": "white", "edgecolor": "0.5", "hatch": "///", "alpha": 0.35}
BELOW: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, -0.3)}
#: Dots of a figure per inch, and its size in inches.
DPI = 110
SIZE = (7.2, 4.2)
#: Letters of a text, and of one with mathtext, which is shorter than it is written.
LONGEST_TEXT, LONGEST_MATHTEXT = 60, 120


def sheet(title: str) -> tuple[Figure, Axes]:
    """Return a figure with one set of axes."""
    figure = Figure(figsize=SIZE, dpi=DPI)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12)
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
    """What an error of 1 is: that of the bare trend or, where the target does not oscillate, that of the first look."""
    flat = np.mean((run.target - run.trend) ** 2) <= NOTHING * np.mean(run.target**2)
    return f"relative error (1: {'as at the first look' if flat else 'nothing but the trend'})"


def median_laps(basis: BasisRecord) -> str:
    """What a title says of the units' shape."""
    if not np.isfinite(basis.median_laps[-1]):
        return ""
    laps = f"{basis.median_laps[-1]:.2g}"
    return f": {laps} lap{'' if laps == '1' else 's'} in the median at the end (1: a step)"


def progress(run: Run) -> str:
    """What a title says: fitted share and oscillations."""
    fitted = np.nan if run.front is None else run.front.fitted[-1]
    said = [f"{100 * fitted:.0f} % fitted"] if np.isfinite(fitted) else []
    counts = run.oscillations
    if counts is not None and counts.target[-1] > 0:
        counted = "oscillations" if len(run.axes) == 1 else "lobes"
        said.append(f"{counts.fitted[-1]:g} of {counts.target[-1]:g} {counted}")
    return ", ".join(said) or f"relative RMSE {run.scalars['error/relative_rmse'][-1]:.3g}"


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
