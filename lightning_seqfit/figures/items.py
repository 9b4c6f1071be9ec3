"""How each item of a view is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import PathPatch
from matplotlib.path import Path
from matplotlib.patheffects import Normal, Stroke
from numpy.typing import NDArray

from lightning_seqfit.figures.texts import printable
from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.views import Band, Curve, Field, Hatch, Item, Outline, Picture, Shade

TARGET, MODEL, ALLOWED, MUTED = "#1b6ca8", "#d1495b", "#2e7d4f", "0.6"
#: Grey where a value is not known, and where nothing has arrived.
UNKNOWN, NEVER = "0.7", "0.35"
#: Where the target is flat, and nothing is asked of a fit.
_QUIET: dict[str, Any] = {"facecolor": "white", "edgecolor": "0.5", "hatch": "///", "alpha": 0.35}
_SHADES: dict[str, dict[str, Any]] = {
    "unfitted": {"color": "0.6", "alpha": 0.25, "linewidth": 0},
    "quiet": _QUIET,
    "gap": {"facecolor": "white", "edgecolor": "0.8"},
    "carrying": {"color": MODEL, "linewidth": 0},
}
#: Share of a panel that the mark at its side takes.
_SIDE = 0.02
_BLACK_AROUND = [Stroke(linewidth=3.0, foreground="black"), Normal()]
_WHITE_AROUND = [Stroke(linewidth=2.0, foreground="white"), Normal()]
_OUTLINES: dict[str, dict[str, Any]] = {
    "front": {"color": "white", "linewidth": 1.5, "path_effects": _BLACK_AROUND},
    "level": {"color": "black", "linewidth": 1.0},
    "domain": {"color": "0.5", "linewidth": 0.8},
}
#: Colours of fields, by the name that a field has them by.
COLOURS = {
    "error": colormaps["viridis"].with_extremes(bad=UNKNOWN),
    "values": colormaps["RdBu_r"].with_extremes(bad=UNKNOWN),
    # without the darkest blues, on which black lines are not seen
    "arrival": ListedColormap(colormaps["YlGnBu"](np.linspace(0.0, 0.8, 256))).with_extremes(bad=UNKNOWN, over=NEVER),
}
#: Rows and columns of an image whose cells are uneven: about as many as axes have pixels.
_PIXELS = (400, 600)
#: Names of lines stay this many dots apart, and half as many away from the sides; points: their size.
_APART, _NAME = 36.0, 8.0
_NAMED: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "path_effects": _WHITE_AROUND,
}


def palette(field: Field) -> tuple[Colormap, Normalize]:
    """Colours of a field, and what they stand for."""
    scale = LogNorm if field.log else Normalize
    colours = COLOURS[field.colours]
    return colours if field.unknown or field.colours != "arrival" else colours.with_extremes(bad="white"), scale(
        field.low, field.high
    )


def colour_of(item: Curve | Band) -> Any:
    """Colour of a curve, by its role."""
    fixed = {"target": TARGET, "model": MODEL, "allowed": ALLOWED, "muted": MUTED}
    if item.role in fixed:
        return fixed[item.role]
    number, place = (item.number, item.place) if isinstance(item, Curve) else (0, 0.0)
    return f"C{number % 10}" if item.role == "series" else colormaps["viridis"](0.85 - 0.85 * place)


def in_bundle(item: Item) -> bool:
    """Whether an item is one of a row of lines without names, which are drawn together in a third of the time."""
    return isinstance(item, Curve) and item.role == "ordered" and item.style == "-" and not item.label


def draw_bundle(curves: Sequence[Curve], axes: Axes, zorder: float) -> None:
    """Draw lines for which :func:`in_bundle` is true."""
    drawn = LineCollection(
        [np.column_stack((each.x, each.y)) for each in curves],
        colors=[colour_of(each) for each in curves],
        linewidths=[each.width for each in curves],
        joinstyle="round",
        capstyle="projecting",
        zorder=zorder,
    )
    axes.add_collection(drawn, autolim=False)


@singledispatch
def draw_item(item: Item, axes: Axes, zorder: float) -> None:
    """Draw an item that stands still on axes whose limits are set; what it is called goes to their legend."""
    raise TypeError(f"{type(item).__name__} is no item of a view: {Item}")


@draw_item.register
def _(item: Curve, axes: Axes, zorder: float) -> None:
    style: dict[str, Any] = {"linestyle": item.style, "linewidth": item.width}
    if item.style not in ("-", "--"):
        style = {"linestyle": "none", "marker": item.style, "markersize": 2.5 * item.width, "alpha": 0.7}
        if item.style == "o":
            style |= {"markerfacecolor": "white", "markeredgecolor": "black", "alpha": 1.0}
    axes.plot(item.x, item.y, color=colour_of(item), label=_label(item.label), zorder=zorder, **style)


@draw_item.register
def _(item: Band, axes: Axes, zorder: float) -> None:
    colour = colour_of(item)
    axes.fill_between(
        item.x, item.low, item.high, color=colour, alpha=0.6, linewidth=1.8, label=_label(item.label), zorder=zorder
    )


@draw_item.register
def _(item: Shade, axes: Axes, zorder: float) -> None:
    far = _SIDE if item.kind == "carrying" else 1.0
    boxes = [[(low, 0.0), (high, 0.0), (high, far), (low, far)] for low, high in _runs(item.mask, item.edges)]
    if not boxes:
        return
    upright = item.along == "x"
    boxes = boxes if upright else [[(y, x) for x, y in box] for box in boxes]
    across = axes.get_xaxis_transform() if upright else axes.get_yaxis_transform()
    drawn = PolyCollection(boxes, transform=across, label=_label(item.label), zorder=zorder, **_SHADES[item.kind])
    axes.add_collection(drawn, autolim=False)


@draw_item.register
def _(item: Field, axes: Axes, zorder: float) -> None:
    colours, scale = palette(item)
    values = np.where(np.isneginf(item.values), np.nan, item.values).astype(np.float64)
    if item.colours != "arrival":
        values[np.isinf(values)] = np.nan
    unknown, never = np.isnan(values), np.isposinf(values)
    values = np.clip(values, item.low, item.high)
    pixels = colours(scale(np.where(never, item.high, values)), bytes=True)
    pixels[never] = colours(2.0, bytes=True)
    inside = np.ones(values.shape, dtype=bool) if item.outside is None else ~item.outside
    pixels[~inside] = 255
    _add_image(axes, pixels, item, zorder)
    for name, cells, colour in ((item.unknown, unknown, UNKNOWN), (item.never, never, NEVER)):
        if name and (cells & inside).any():
            axes.plot([], [], linestyle="none", marker="s", markersize=8, color=colour, label=printable(name))


@draw_item.register
def _(item: Picture, axes: Axes, zorder: float) -> None:
    _add_image(axes, np.rint(255 * np.clip(np.nan_to_num(item.values), 0.0, 1.0)).astype(np.uint8), item, zorder)


@draw_item.register
def _(item: Outline, axes: Axes, zorder: float) -> None:
    known = item.classes[np.isfinite(item.classes)]
    if not known.size or known.min() == known.max():
        return
    style = _OUTLINES[item.kind]
    levels = np.arange(known.min(), known.max())
    lines = [_lines(axes, item, level + 0.5) for level in levels]
    every = [line for found in lines for line in found]
    axes.add_collection(LineCollection(every, zorder=zorder, **style), autolim=False)
    axes.plot([], [], label=_label(item.label), **style)  # for the legend
    for level, found in zip(levels.astype(int), lines, strict=True):
        if found and level < len(item.names):
            longest = max(found, key=len)
            place = longest[len(longest) // 2]
            axes.text(place[0], place[1], printable(item.names[level]), fontsize=_NAME, zorder=zorder + 0.5, **_NAMED)


@draw_item.register
def _(item: Hatch, axes: Axes, zorder: float) -> None:
    boxes = [
        Path([(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)], closed=True)
        for bottom, top, row in zip(item.y_edges[:-1], item.y_edges[1:], item.mask, strict=True)
        for left, right in _runs(row, item.x_edges)
    ]
    if boxes:
        covered = Path.make_compound_path(*boxes)
        axes.add_patch(PathPatch(covered, linewidth=0.0, zorder=zorder, label=_label(item.label), **_QUIET))


def add_bar(figure: Figure, field: Field, *, upright: bool, **where: Any) -> Colorbar:
    """Draw the colours of a field beside it, or in axes of their own, ``cax``."""
    colours, scale = palette(field)
    orientation = "vertical" if upright else "horizontal"
    bar = figure.colorbar(ScalarMappable(scale, colours), orientation=orientation, extend=field.extend, **where)
    bar.minorticks_off()
    return bar


def thin_out_names(axes: Axes) -> None:
    """Take away names of lines that would cover another one or a side."""
    kept: list[NDArray[Any]] = []
    sides = axes.get_window_extent()
    for name in list(axes.texts):
        place = axes.transData.transform(name.get_position())
        if any(np.abs(place - other).max() < _APART for other in kept) or not sides.padded(-_APART / 2).contains(
            *place
        ):
            name.remove()
        else:
            kept.append(place)


def _label(text: str) -> str | None:
    return printable(text) if text else None


def _runs(mask: BoolArray, edges: FloatArray) -> list[tuple[float, float]]:
    """Where neighbouring cells of a mask begin and end."""
    changes = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(int), [0])))).reshape(-1, 2)
    return [(float(edges[begin]), float(edges[end])) for begin, end in changes]


def _add_image(axes: Axes, pixels: NDArray[np.uint8], item: Field | Picture, zorder: float) -> None:
    """Add an image that has its colours already; uneven cells as many of its pixels as they take.

    A mesh, and an image that Matplotlib itself has to bend, take four times as long; one of numbers twice as long.
    """
    (left, right), columns = _evened(item.x_edges, axes.xaxis, _PIXELS[1])
    (bottom, top), rows = _evened(item.y_edges, axes.yaxis, _PIXELS[0])
    if columns is not None:
        pixels = pixels[:, columns]
    if rows is not None:
        pixels = pixels[rows]
    image = AxesImage(axes, extent=(left, right, bottom, top), origin="lower", interpolation="nearest", zorder=zorder)
    image.set_data(pixels)
    image.set_transform(axes.transLimits + axes.transAxes)
    image.set_clip_path(axes.patch)
    axes.add_image(image)


def _evened(edges: FloatArray, axis: XAxis | YAxis, count: int) -> tuple[tuple[float, float], NDArray[np.intp] | None]:
    """Ends of an image along an axis, by their logarithm where that has one, and the cell of each of so many pixels.

    None: the cells are even.
    """
    scale = axis.get_transform().transform
    least, most = sorted(axis.get_view_interval())
    low, high = (float(end) for end in scale(np.clip(edges[[0, -1]], least, most)))
    if axis.get_scale() == "linear" and np.ptp(widths := np.diff(edges)) <= 0.01 * widths.mean():
        return (float(edges[0]), float(edges[-1])), None
    edges = scale(np.maximum(edges, np.finfo(np.float64).tiny)) if axis.get_scale() == "log" else edges
    cells = np.searchsorted(edges, np.linspace(low, high, 2 * count + 1)[1::2], side="right") - 1
    return (low, high), np.clip(cells, 0, len(edges) - 2).astype(np.intp)


def _lines(axes: Axes, item: Outline, level: float) -> list[FloatArray]:
    """Vertices of the lines at a level between classes, which pass through the edges of the cells."""
    padded = np.pad(item.classes, 1, mode="edge").astype(np.float64)
    places = [np.concatenate(([0.0], np.arange(count) + 0.5, [count])) for count in item.classes.shape]
    found = axes.contour(places[1], places[0], padded, levels=[level])
    vertices = [
        np.asarray(line)
        for path in found.get_paths()
        if path.codes is not None
        for line in np.split(path.vertices, np.flatnonzero(path.codes == Path.MOVETO)[1:])
    ]
    found.remove()
    columns, rows = np.arange(len(item.x_edges)), np.arange(len(item.y_edges))
    return [
        np.column_stack([np.interp(x, columns, item.x_edges), np.interp(y, rows, item.y_edges)])
        for x, y in (line.T for line in vertices if len(line) > 1)
    ]
