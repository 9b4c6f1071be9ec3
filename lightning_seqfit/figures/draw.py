"""A view on a sheet: its panels in rows, colour bars, a legend below, and what is absent in words."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lightning_seqfit.figures.items import add_bar, draw_bundle, draw_item, in_bundle, thin_out_names
from lightning_seqfit.figures.numbers import choose_ticks, write_numbers
from lightning_seqfit.figures.texts import fitted_in, printable
from lightning_seqfit.views import Field, Panel, View
from lightning_seqfit.views.base import still

#: Inches of a sheet; it is higher where panels that share a scale ask for it, or small ones stand above.
WIDTH, HEIGHT = 4.8, 3.4
#: Dots per inch: 720 x 510 pixels.
DPI = 150
# Points of texts: title, labels and legend, numbers.
_TITLE, _LABEL, _NUMBER = 10.5, 9.0, 8.5
# Inches: a line of text, the sides of the sheet, between panels, and a colour bar's thickness.
_LINE, _SIDE, _GAP, _BAR = 0.165, 0.1, 0.1, 0.09
# Room for half of the last number below a panel that has none beside it.
_LAST = 0.22
# The most that a small panel is wide.
_SMALL = 1.0
# Letters in a line of what is absent, and points.
_LETTERS, _ABSENT = 78, 8.0


@dataclass
class _Place:
    """A panel's axes, what is written beside them, and where that goes; inches."""

    panel: Panel
    axes: Axes
    beside: bool  # numbers on the left
    below: bool  # numbers below
    bar: Axes | None = None
    left: float = 0.0
    right: float = 0.0
    bottom: float = 0.0
    under: float = 0.0  # of the colour bar
    top: float = 0.0


def draw_view(view: View, *, frame: int = -1) -> Figure:
    """Draw a view, of one that moves a frame, on a sheet 4.8 inches wide.

    Examples
    --------
    >>> import numpy as np
    >>> from lightning_seqfit.views import Axis, Curve
    >>> line = Curve(np.arange(3.0), np.arange(3.0), "model", "prediction")
    >>> panel = Panel(Axis("x", 0.0, 2.0), Axis("u (V)", 0.0, 2.0), (line,))
    >>> draw_view(View("2_fit", "Fit at step 8", "", ((panel,),))).get_size_inches().tolist()
    [4.8, 3.4]
    """
    figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI)
    FigureCanvasAgg(figure)  # texts can be measured
    rows = [
        [
            _Place(
                panel,
                figure.add_axes((0.15, 0.2, 0.7 / len(panels), 0.7 / len(view.rows))),
                beside=not panel.small and (column == 0 or panel.y != panels[0].y),
                below=not panel.small and not _alike_below(view, row, column),
            )
            for column, panel in enumerate(panels)
        ]
        for row, panels in enumerate(view.rows)
    ]
    title, size = fitted_in(view.title, WIDTH - 2 * _SIDE, _TITLE)
    for places in rows:
        for place in places:
            _prepare(place.axes, place.panel)
            _draw_items(place.axes, place.panel, frame)
    footer = _add_footer(figure, rows)
    for places in rows:
        for place in places:
            _write_around(figure, place, WIDTH / len(places), aside=len(places) == 1, rows=len(rows))
    lines = title.count("\n") + 1 if title else 0
    height = _lay_out(figure, rows, footer, lines * _LINE + 0.12 if lines else 0.06)
    figure.text(0.5, 1 - 0.07 / height, title, fontsize=size, ha="center", va="top")
    for places in rows:
        for place in places:
            if place.below:
                write_numbers(place.axes.xaxis, inwards=len(places) > 1, size=_NUMBER)
            else:
                place.axes.tick_params(axis="x", bottom=False, labelbottom=False)
            thin_out_names(place.axes)
    return figure


def draw_panel(axes: Axes, panel: Panel, *, frame: int = -1) -> Axes:
    """Draw a panel, of one that moves a frame, on given axes, with title, legend and colour bars of its own."""
    _prepare(axes, panel)
    _draw_items(axes, panel, frame)
    axes.set_title(printable(panel.title))
    figure = axes.figure.figure  # also of axes in a subfigure; get_figure(root=True) is younger
    for field in _bars(panel):
        assert isinstance(figure, Figure)
        add_bar(figure, field, upright=True, ax=axes, label=printable(field.label))
    for reason in panel.absent:
        axes.plot([], [], linestyle="none", label=textwrap.fill(printable(reason, 1000), 40))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="best", fontsize=_LABEL)
    thin_out_names(axes)
    return axes


def _alike_below(view: View, row: int, column: int) -> bool:
    """Whether the panel below one has the same horizontal axis, and so the numbers of both."""
    if row + 1 == len(view.rows) or column >= len(view.rows[row + 1]):
        return False
    one, other = view.rows[row][column], view.rows[row + 1][column]
    return one.x == other.x and not other.small and len(view.rows[row]) == len(view.rows[row + 1])


def _prepare(axes: Axes, panel: Panel) -> None:
    """Set what items are drawn between."""
    for axis, name in ((panel.x, "x"), (panel.y, "y")):
        axes.set(**{f"{name}scale": "log" if axis.log else "linear", f"{name}lim": (axis.low, axis.high)})
        axes.set(**{f"{name}label": printable(axis.label)})
        choose_ticks(getattr(axes, f"{name}axis"), 5, whole=axis.whole, names=axis.names)
    if panel.bold:
        axes.spines[:].set_linewidth(2.0)


def _draw_items(axes: Axes, panel: Panel, frame: int) -> None:
    order = 1.0
    for bundled, items in groupby((still(item, frame) for item in panel.items), in_bundle):
        order += 0.01
        if bundled:
            draw_bundle(list(items), axes, order)
            continue
        for item in items:
            draw_item(item, axes, order)
            order += 0.01


def _bars(panel: Panel) -> list[Field]:
    return [item for item in panel.items if isinstance(item, Field) and item.label]


def _add_footer(figure: Figure, rows: list[list[_Place]]) -> float:
    """Write the legend of all panels, and what is absent, at the bottom of the sheet; return the inches they take."""
    taken = 0.04
    reasons = dict.fromkeys(reason for places in rows for place in places for reason in place.panel.absent)
    for reason in reversed(reasons):
        text = textwrap.fill(printable(reason, 1000), _LETTERS)
        figure.text(_SIDE, taken, text, transform=figure.dpi_scale_trans, fontsize=_ABSENT, color="0.25")
        taken += 0.135 * (text.count("\n") + 1)
    named: dict[str, Any] = {}
    for places in rows:
        for place in places:
            for handle, label in zip(*place.axes.get_legend_handles_labels(), strict=True):
                named.setdefault(label, handle)
    for count in range(len(named), 0, -1):
        legend = figure.legend(
            list(named.values()),
            list(named),
            ncols=count,
            loc="lower center",
            bbox_to_anchor=(WIDTH / 2, taken),
            bbox_transform=figure.dpi_scale_trans,
            fontsize=_LABEL,
            frameon=False,
            borderpad=0.0,
            borderaxespad=0.0,
            columnspacing=1.2,
            handlelength=1.5,
            handletextpad=0.5,
            labelspacing=0.25,
        )
        box = legend.get_window_extent()
        if box.width <= DPI * WIDTH or count == 1:
            return taken + float(box.height) / DPI + 0.06
        legend.remove()
    return taken + 0.02


def _write_around(figure: Figure, place: _Place, width: float, *, aside: bool, rows: int) -> None:
    """Write title, labels and numbers of a panel, and its colour bar; note the inches that they take."""
    axes, panel = place.axes, place.panel
    height = (HEIGHT - 1.0) / rows
    if panel.title:
        title, size = fitted_in(panel.title, width - 0.2, _LABEL)
        axes.set_title(title, fontsize=size, y=1.0, pad=3)
        place.top = _LINE * (title.count("\n") + 1) + 0.03
    if place.below:
        choose_ticks(axes.xaxis, max(2, min(6, int(width / 0.6))), whole=panel.x.whole, names=panel.x.names)
        label, size = fitted_in(panel.x.label, width - 0.1, _LABEL)
        axes.set_xlabel(label, fontsize=size, labelpad=1.5)
        place.bottom = 0.22 + (_LINE * (label.count("\n") + 1) if label else 0.0)
    else:
        axes.set_xlabel("")
    if place.beside:
        choose_ticks(axes.yaxis, max(2, min(6, int(height / 0.35))), whole=panel.y.whole, names=panel.y.names)
        label, size = fitted_in(panel.y.label, 1.2 * height, _LABEL)
        axes.set_ylabel(label, fontsize=size, labelpad=2.0)
        place.left = write_numbers(axes.yaxis, size=_NUMBER) + 0.02
    else:
        axes.tick_params(axis="y", left=False, labelleft=False)
        axes.set_ylabel(printable(panel.y.label) if panel.small else "", fontsize=_NUMBER)
        place.left = _LINE if panel.small and panel.y.label else 0.0
    for field in _bars(panel)[:1]:
        place.bar = figure.add_axes((0.9, 0.2, 0.02, 0.6) if aside else (0.1, 0.1, 0.2, 0.02))
        add_bar(figure, field, upright=aside, cax=place.bar)
        axis = place.bar.yaxis if aside else place.bar.xaxis
        choose_ticks(axis, 5 if aside else 4)
        label, size = fitted_in(field.label, 1.2 * height if aside else width - 0.1, _LABEL)
        axis.set_label_text(label, fontsize=size)
        axis.labelpad = 2.0
        if aside:
            place.right = _GAP + _BAR + write_numbers(axis, size=_NUMBER)
        else:
            write_numbers(axis, inwards=True, size=_NUMBER)
            place.under = _GAP + _BAR + 0.2 + _LINE * (label.count("\n") + 1)


def _lay_out(figure: Figure, rows: list[list[_Place]], footer: float, header: float) -> float:
    """Give the sheet its height, and panels and colour bars their place; return the height in inches."""
    widths, heights, borders = [], [], []
    left, right = (max(getattr(places[i], side) for places in rows) for i, side in ((0, "left"), (-1, "right")))
    right = max(right, _LAST if any(len(places) == 1 for places in rows) and not right else 0.0) + 0.02
    for places in rows:
        inner = sum(place.left + _GAP for place in places[1:])
        width = (WIDTH - _SIDE / 2 - left - right - inner) / len(places)
        width = min(width, _SMALL) if places[0].panel.small else width
        widths.append(width)
        borders.append((max(place.top for place in places), max(place.bottom + place.under for place in places)))
        panel = places[0].panel
        ratio = (panel.y.high - panel.y.low) / (panel.x.high - panel.x.low) if panel.square else 0.8
        heights.append(width * ratio if panel.square or panel.small else 0.0)
    free = [number for number, height in enumerate(heights) if not height]
    around = header + footer + sum(map(sum, borders)) + _GAP * (len(rows) - 1)
    extra = sum(h + sum(b) for h, b, p in zip(heights, borders, rows, strict=True) if p[0].panel.small)
    if free:
        room = HEIGHT + extra - around - sum(heights)
        for number in free:
            heights[number] = max(room / len(free), 0.5)
    whole = around + sum(heights)
    figure.set_size_inches(WIDTH, round(whole, 9))  # 509.99... pixels may be cut to 509
    upper = whole - header
    for places, width, height, (above, below) in zip(rows, widths, heights, borders, strict=True):
        lower, at = upper - above - height, _SIDE / 2 + left
        for number, place in enumerate(places):
            at += place.left if number else 0.0
            place.axes.set_position((at / WIDTH, lower / whole, width / WIDTH, height / whole))
            if place.bar is not None:
                if len(places) == 1:
                    box = (at + width + _GAP * 0.8, lower, _BAR, height)
                else:
                    box = (at + 0.05 * width, lower - place.bottom - _GAP - _BAR, 0.9 * width, _BAR)
                place.bar.set_position((box[0] / WIDTH, box[1] / whole, box[2] / WIDTH, box[3] / whole))
            at += width + _GAP
        upper = lower - below - _GAP
    return whole
