"""Views as a browser gets them: a description in JSON, and the arrays as few bytes as can be seen.

Colours have 251 levels, curves that move 4,096 over three times their panel, curves that stand still 65,533. Of two
frames that follow each other the difference is packed: it has fewer different values.
"""

from __future__ import annotations

import base64
import gzip
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.views import Axis, Band, Curve, Field, Hatch, Item, Outline, Panel, Picture, Shade, View
from lightning_seqfit.views.base import frames_of

#: Levels of a colour, and the codes of what is none: outside the domain, below and above the colours, infinite, NaN.
COLOURS = 251
OUTSIDE, BELOW, ABOVE, INFINITE, UNKNOWN = range(COLOURS, 256)
#: Levels of a curve that moves, and of one that stands still; the first three codes: NaN, minus and plus infinity.
MOVING_LEVELS, STILL_LEVELS, NO_LEVELS = 2**12, 2**16 - 3, 3

#: What is said of one array: where its bytes begin, their kind, and what its codes mean.
Packed = dict[str, Any]


class Arrays:
    """Arrays in a row of bytes, each but once; :meth:`text` is all of them."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0
        self._known: dict[tuple[str, bytes], int] = {}

    def text(self) -> str:
        """All arrays, packed, in letters."""
        return base64.b64encode(gzip.compress(b"".join(self._parts), 6, mtime=0)).decode("ascii")

    def numbers(self, values: ArrayLike) -> Packed:
        """Numbers as they are."""
        array = np.ascontiguousarray(values, dtype="<f8")
        return self._put(array.tobytes(), "f8", array.size)

    def curve(self, values: FloatArray, axis: Axis, frames: bool) -> Packed:
        """Numbers as places along an axis, as exact as can be seen."""
        low, high = (math.log10(end) if axis.log else end for end in _ends(axis))
        levels = MOVING_LEVELS if frames else STILL_LEVELS
        low, high = 2 * low - high, 2 * high - low  # what lies outside the panel leaves it in the right direction
        with np.errstate(all="ignore"):
            places = np.log10(values) if axis.log else np.asarray(values, dtype=np.float64)
            share = np.clip((places - low) / (high - low), 0.0, 1.0)
            codes = np.where(np.isfinite(places), NO_LEVELS + np.rint(share * (levels - 1)), 0.0)
        codes = np.where(np.isinf(places), np.where(places > 0, 2, 1), codes).astype(np.uint16)
        about = {"low": low, "high": high, "levels": levels, "log": axis.log}
        return self._codes(codes, frames) | about

    def colours(self, field: Field) -> Packed:
        """Values as colours."""
        low, high = (math.log10(end) if field.log else end for end in (field.low, field.high))
        with np.errstate(all="ignore"):
            values = (
                np.log10(np.maximum(field.values, 0.0)) if field.log else np.asarray(field.values, dtype=np.float64)
            )
            codes = np.rint((values - low) / ((high - low) or 1.0) * (COLOURS - 1))
            codes = np.where(values < low, BELOW, np.where(values > high, ABOVE, codes))
        codes = np.where(np.isposinf(field.values), INFINITE, codes)
        codes = np.where(np.isnan(field.values) | np.isneginf(field.values), UNKNOWN, codes)
        if field.outside is not None:
            codes = np.where(field.outside, OUTSIDE, codes)
        return self._codes(codes.astype(np.uint8), field.values.ndim > 2)

    def classes(self, values: FloatArray) -> Packed:
        """Whole numbers; 0 is none."""
        known = np.isfinite(values)
        first = int(values[known].min()) if known.any() else 0
        codes = np.where(known, values - first + 1, 0).astype(np.uint16)
        return self._codes(codes, values.ndim > 2) | {"first": first}

    def mask(self, values: NDArray[np.bool_]) -> Packed:
        """Yes and no."""
        return self._put(np.packbits(values).tobytes(), "b1", values.size)

    def picture(self, values: FloatArray) -> Packed:
        """Colours as they are."""
        codes = np.rint(255 * np.clip(np.nan_to_num(values), 0.0, 1.0)).astype(np.uint8)
        return self._codes(codes, values.ndim > 3)

    def _codes(self, codes: NDArray[Any], frames: bool) -> Packed:
        back = codes[0].size if frames else 1
        flat = codes.reshape(-1)
        change = flat.copy()
        change[back:] -= flat[:-back]
        if codes.itemsize == 1:
            return self._put(change.tobytes(), "u1", flat.size) | {"back": back}
        planes = (change >> 8).astype(np.uint8), (change & 255).astype(np.uint8)
        return self._put(b"".join(plane.tobytes() for plane in planes), "u2", flat.size) | {"back": back}

    def _put(self, data: bytes, kind: str, size: int) -> Packed:
        key = kind, data
        if key not in self._known:
            self._known[key] = self._length
            self._parts.append(data)
            self._length += len(data)
        return {"at": self._known[key], "kind": kind, "size": size}


def pack(view: View, arrays: Arrays) -> dict[str, Any]:
    """Describe a view for the page; its arrays go to ``arrays``."""
    rows = [[_panel(panel, arrays) for panel in row] for row in view.rows]
    steps = None if view.steps is None else [int(step) for step in view.steps]
    return {"name": view.name, "title": view.title, "steps": steps, "cursor": view.cursor, "rows": rows}


def _panel(panel: Panel, arrays: Arrays) -> dict[str, Any]:
    return {
        "x": _axis(panel.x),
        "y": _axis(panel.y),
        "title": panel.title,
        "absent": [*panel.absent],
        "square": bool(panel.square),
        "small": bool(panel.small),
        "bold": bool(panel.bold),
        "items": [
            {"is": type(item).__name__.lower(), "frames": frames_of(item) or 0, **dict(_item(item, panel, arrays))}
            for item in panel.items
        ],
    }


def _axis(axis: Axis) -> dict[str, Any]:
    names = None if axis.names is None else [[float(place), text] for place, text in axis.names]
    low, high = _ends(axis)
    return {"label": axis.label, "low": low, "high": high, "log": bool(axis.log), "names": names}


def _ends(axis: Axis) -> tuple[float, float]:
    """Ends of an axis between which something can be drawn."""
    low, high = float(axis.low), float(axis.high)
    if not (math.isfinite(low) and math.isfinite(high)) or (axis.log and min(low, high) <= 0.0):
        low, high = 1.0, 10.0
    return (low, high) if low != high else (low, low + (abs(low) or 1.0))


def _item(item: Item, panel: Panel, arrays: Arrays) -> Iterator[tuple[str, Any]]:
    """Names and values of what describes an item."""
    frames = frames_of(item) is not None
    match item:
        case Curve():
            yield from _plain(item, ("role", "label", "style", "width", "number", "place"))
            yield "x", arrays.numbers(item.x)
            yield "y", arrays.curve(item.y, panel.y, frames)
        case Band():
            yield from _plain(item, ("role", "label"))
            yield "x", arrays.numbers(item.x)
            yield "low", arrays.curve(item.low, panel.y, frames)
            yield "high", arrays.curve(item.high, panel.y, frames)
        case Shade():
            yield from _plain(item, ("kind", "label", "along"))
            yield "edges", arrays.numbers(item.edges)
            yield "mask", arrays.mask(item.mask)
        case Field():
            yield from _plain(item, ("colours", "label", "log", "extend"))
            yield "low", float(item.low)
            yield "high", float(item.high)
            yield from _cells(item, arrays)
            yield "values", arrays.colours(item)
            within = item.values if item.outside is None else np.where(item.outside, 0.0, item.values)
            never = np.isposinf(within) if item.colours == "arrival" else np.zeros(1, dtype=bool)
            yield "never", item.never if never.any() else ""
            yield "unknown", item.unknown if (~np.isfinite(within) & ~never).any() else ""
        case Outline():
            yield from _plain(item, ("kind", "label"))
            yield "names", [*item.names]
            yield from _cells(item, arrays)
            yield "classes", arrays.classes(item.classes)
        case Hatch():
            yield "label", item.label
            yield from _cells(item, arrays)
            yield "mask", arrays.mask(item.mask)
        case Picture():
            yield from _cells(item, arrays)
            yield "values", arrays.picture(item.values)


def _plain(item: Item, names: Iterable[str]) -> Iterator[tuple[str, Any]]:
    for name in names:
        value = getattr(item, name)
        yield name, value.item() if isinstance(value, np.generic) else value


def _cells(item: Field | Outline | Hatch | Picture, arrays: Arrays) -> Iterator[tuple[str, Any]]:
    yield "xEdges", arrays.numbers(item.x_edges)
    yield "yEdges", arrays.numbers(item.y_edges)
