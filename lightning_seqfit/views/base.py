"""What a view consists of.

Whatever moves over the training has one axis more than what stands still: *frames*, the first one. ``View.steps`` says
of which steps they are; who draws a picture that cannot move draws the last one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.geometry import FloatArray

#: What a colour means: ``target`` and ``model``; ``allowed``: what the basis allows; ``series``: one of several that
#: are told apart, by ``number``; ``ordered``: one of a row, by ``place`` from 0 to 1; ``muted``: beside the others.
Role = Literal["target", "model", "allowed", "series", "ordered", "muted"]


@dataclass(frozen=True)
class Axis:
    """An axis of a panel.

    Attributes
    ----------
    label : with its unit; empty: it needs none.
    low, high : its ends.
    log : logarithmic; ``whole``: only whole numbers belong beside it.
    names : (place, text) instead of numbers; None: numbers.
    """

    label: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    names: tuple[tuple[float, str], ...] | None = None


@dataclass(frozen=True)
class Curve:
    """Values over places; NaN: a gap in the line.

    Attributes
    ----------
    x : shape ``(n,)``.
    y : shape ``(n,)`` or ``(frames, n)``.
    label : in the legend; empty: none.
    style : ``"-"``, ``"--"``, or a marker without a line: ``"."``, ``"o"``, ``"|"``, ``"x"``.
    width : of the line in points.
    number, place : of roles ``series`` and ``ordered``.
    """

    x: FloatArray
    y: FloatArray
    role: Role
    label: str = ""
    style: Literal["-", "--", ".", "o", "|", "x"] = "-"
    width: float = 1.5
    number: int = 0
    place: float = 0.0


@dataclass(frozen=True)
class Band:
    """What lies between two curves; shapes as of :class:`Curve`."""

    x: FloatArray
    low: FloatArray
    high: FloatArray
    role: Role
    label: str = ""


@dataclass(frozen=True)
class Shade:
    """Stretches along an axis, across the whole panel.

    Attributes
    ----------
    edges : of the cells, shape ``(cells + 1,)``.
    mask : which of them, shape ``(cells,)`` or ``(frames, cells)``.
    kind : ``unfitted``; ``quiet``: the target is flat there; ``gap``: there are no points; ``carrying``: a band in
        which the target oscillates, marked at the side of the panel only.
    along : the axis that the cells lie on.
    """

    edges: FloatArray
    mask: NDArray[np.bool_]
    kind: Literal["unfitted", "quiet", "gap", "carrying"]
    label: str = ""
    along: Literal["x", "y"] = "x"


@dataclass(frozen=True)
class Field:
    """Values of cells as colours.

    Attributes
    ----------
    values : shape ``(rows, columns)`` or ``(frames, rows, columns)``, rows from the bottom up; NaN: not known, ``inf``
        in the colours of ``arrival``: never.
    x_edges, y_edges : of the columns and of the rows.
    colours : ``error``: from fitted, dark, to not, bright; ``values``: diverging; ``arrival``: early to late.
    low, high : values at the ends of the colours; ``log``: between them by their logarithm.
    label : of the colour bar; empty: it has none.
    extend : ends at which values lie beyond: ``"neither"``, ``"both"``, ``"max"``.
    outside : cells outside the domain, shape ``(rows, columns)``, left blank; None: none.
    unknown, never : what a cell is that is NaN, or ``inf`` in the colours of ``arrival``: in the legend where there are
        such, grey and dark grey. NaN that has no name is white in the colours of ``arrival``, where the target is flat.
    """

    values: FloatArray
    x_edges: FloatArray
    y_edges: FloatArray
    colours: Literal["error", "values", "arrival"]
    low: float
    high: float
    label: str = ""
    log: bool = False
    extend: Literal["neither", "both", "max"] = "neither"
    outside: NDArray[np.bool_] | None = None
    unknown: str = ""
    never: str = ""


@dataclass(frozen=True)
class Outline:
    """Lines between cells of different class.

    Attributes
    ----------
    classes : whole numbers, shape ``(rows, columns)`` or ``(frames, rows, columns)``; NaN belongs to none.
    x_edges, y_edges : of the columns and of the rows.
    kind : ``front``: white on black; ``level``: black; ``domain``: the edge of the domain, grey.
    names : of the line between class ``i`` and ``i + 1``, written on it; empty: none.
    """

    classes: FloatArray
    x_edges: FloatArray
    y_edges: FloatArray
    kind: Literal["front", "level", "domain"]
    label: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hatch:
    """Cells in which the target is flat, ``mask`` of shape ``(rows, columns)``."""

    mask: NDArray[np.bool_]
    x_edges: FloatArray
    y_edges: FloatArray
    label: str = ""


@dataclass(frozen=True)
class Picture:
    """Colours as they are, ``values`` from 0 to 1 of shape ``(rows, columns, 3)`` or ``(frames, rows, columns, 3)``."""

    values: FloatArray
    x_edges: FloatArray
    y_edges: FloatArray


Item = Curve | Band | Shade | Field | Outline | Hatch | Picture


@dataclass(frozen=True)
class Panel:
    """One pair of axes and what is drawn in it, the first item undermost.

    Attributes
    ----------
    title : short; empty: that of the view is enough.
    absent : why something is not drawn, a sentence each.
    square : both axes share a scale.
    small : beside the others, such as one of several outputs; ``bold``: the one of these that is looked at.
    """

    x: Axis
    y: Axis
    items: tuple[Item, ...]
    title: str = ""
    absent: tuple[str, ...] = ()
    square: bool = False
    small: bool = False
    bold: bool = False


@dataclass(frozen=True)
class View:
    """A picture of a run.

    Attributes
    ----------
    name : as tag and file, such as ``"1_front"``.
    title : at most 40 letters.
    reading : a sentence on how to read it, with figures of this run.
    rows : of panels.
    steps : of the frames, shape ``(frames,)``, counted over all fits, rising; None: nothing moves.
    cursor : the axis of ``rows[0][0]`` that is the training's step, at which a reader may point; empty: none is.
    """

    name: str
    title: str
    reading: str
    rows: tuple[tuple[Panel, ...], ...]
    steps: NDArray[np.int64] | None = None
    cursor: Literal["", "x"] = ""

    @property
    def panels(self) -> list[Panel]:
        """All panels, row by row."""
        return [panel for row in self.rows for panel in row]

    def only(self, frames: NDArray[np.intp]) -> View:
        """Return the view with some of its frames, by number, shape ``(f,)``; of one that stands still itself."""
        if self.steps is None:
            return self
        rows = tuple(tuple(_with_frames(panel, frames) for panel in row) for row in self.rows)
        return replace(self, rows=rows, steps=self.steps[frames])


#: The field of an item that may have frames, and how many axes it has without.
MOVING: dict[type[Any], tuple[tuple[str, ...], int]] = {
    Curve: (("y",), 1),
    Band: (("low", "high"), 1),
    Shade: (("mask",), 1),
    Field: (("values",), 2),
    Outline: (("classes",), 2),
    Hatch: ((), 2),
    Picture: (("values",), 3),
}


def frames_of(item: Item) -> int | None:
    """How many frames an item has; None: it stands still."""
    names, axes = MOVING[type(item)]
    arrays = [getattr(item, name) for name in names]
    return next((len(array) for array in arrays if array.ndim > axes), None)


def still(item: Any, frame: int = -1) -> Any:
    """Return an item as it is in one of its frames."""
    names, axes = MOVING[type(item)]
    cut = {name: getattr(item, name)[frame] for name in names if getattr(item, name).ndim > axes}
    return replace(item, **cut) if cut else item


def _with_frames(panel: Panel, frames: NDArray[np.intp]) -> Panel:
    items = []
    for item in panel.items:
        names, axes = MOVING[type(item)]
        cut = {name: getattr(item, name)[frames] for name in names if getattr(item, name).ndim > axes}
        items.append(replace(item, **cut) if cut else item)
    return replace(panel, items=tuple(items))
