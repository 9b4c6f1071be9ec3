"""Numbers beside axes, fast."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import TICKDOWN, TICKLEFT, TICKRIGHT
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from matplotlib.transforms import ScaledTranslation

#: For each side on which an axis has its numbers: which way is outwards, its marks, how the numbers are aligned.
_SIDES: dict[str, tuple[tuple[int, int], int, str, str]] = {
    "bottom": ((0, -1), TICKDOWN, "center", "top"),
    "left": ((-1, 0), TICKLEFT, "right", "center_baseline"),
    "right": ((1, 0), TICKRIGHT, "left", "center_baseline"),
}
#: Points: a mark's length, and how far off it the numbers stand.
_MARK, _PAD = 3.5, 3.5


def write_numbers(axis: XAxis | YAxis, *, inwards: bool = False, size: float | None = None) -> float:
    """Write the numbers of an axis beside it as it is now; return the inches that they and its label take.

    Matplotlib's own ticks follow the axis, but are five artists each that are laid out four times, which takes longer
    than all the rest of a figure. ``inwards``: the outermost numbers are written towards the middle of the axis, off
    those of the axes beside it. ``size``: of the numbers, in points.
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

    def extent(text: Text) -> float:
        box = text.get_window_extent()
        return (box.height if along_x else box.width) / figure.dpi

    low, high, *shares = axis.get_transform().transform(np.concatenate(([low, high], places)))
    shares = (np.array(shares) - low) / (high - low)
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
            written.append(figure.text(x, y, texts[tick], transform=transform, ha=ha, va=va, fontsize=size))
        taken += max(map(extent, written[:1] if along_x else written))
        if along_x:
            _thin_out(written)
    if taken and (power := formatter.get_offset()):  # such as 1e6, at the far end
        far, off = max(edge, float(along_x)), _PAD / 72
        above = beside(taken + off) if along_x else ScaledTranslation(0, off, figure.dpi_scale_trans)
        ha, va = "right" if far else "left", "top" if along_x else "baseline"
        figure.text(far, float(not along_x), power, transform=axes.transAxes + above, ha=ha, va=va, fontsize=size)
    everything = ("left", "right", "bottom", "top", "labelleft", "labelright", "labelbottom", "labeltop")
    axes.tick_params(axis="x" if along_x else "y", **dict.fromkeys(everything, False))
    distance = taken + axis.labelpad / 72
    axis.set_label_coords(*((0.5, 0.0) if along_x else (edge, 0.5)), transform=axes.transAxes + beside(distance))
    return distance + extent(axis.label) if axis.label.get_text() else taken


def choose_ticks(
    axis: XAxis | YAxis, count: int, *, whole: bool = False, names: tuple[tuple[float, str], ...] | None = None
) -> None:
    """Let an axis have about so many numbers, plain ones where it is logarithmic, or names in their place.

    Powers of ten take as long to draw as all the rest of a figure.
    """
    axis.set_minor_locator(NullLocator())
    if names is not None:
        axis.set_major_locator(FixedLocator([place for place, _ in names]))
        axis.set_major_formatter(FixedFormatter([name for _, name in names]))
        return
    if axis.get_scale() != "log":
        axis.set_major_locator(MaxNLocator(count, steps=[1, 2, 2.5, 5, 10], integer=whole, min_n_ticks=2))
        return
    decades = float(np.ptp(np.log10(axis.get_view_interval())))
    few = MaxNLocator(count, steps=[1, 2, 5, 10])
    axis.set_major_locator(few if decades < 0.7 else LogLocator(subs=(1, 2, 5) if decades < 1.6 else (1,)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))


def _thin_out(numbers: list[Text]) -> None:
    """Take away as many of the numbers below an axis as would run into each other, evenly."""
    boxes = [number.get_window_extent() for number in numbers]
    every = 1
    while any(one.x1 + 0.4 * one.height > other.x0 for one, other in pairwise(boxes[::every])):
        every += 1
    for place, number in enumerate(numbers):
        if place % every:
            number.remove()
