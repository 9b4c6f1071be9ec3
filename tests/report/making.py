"""What the tests of a report are made with: pages taken apart again, and a view of every kind of item."""

from __future__ import annotations

import base64
import gzip
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np

from lightning_seqfit.views import Axis, Band, Curve, Field, Hatch, Outline, Panel, Picture, Shade, View

STEPS = np.array([0, 10, 100, 1000])


class Elements(HTMLParser):
    """The elements of a page, (tag, attributes) each, and its texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._in = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in not in ("script", "style"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.found)


def in_element(page: str, name: str) -> str:
    """What an element with an id holds, as it stands in the page."""
    (found,) = re.findall(rf'id="{name}">(.*?)</script>', page, re.DOTALL)
    return str(found)


def described(page: str) -> dict[str, Any]:
    """What the page says of its views."""
    found: dict[str, Any] = json.loads(in_element(page, "views"))
    return found


def packed(text: str) -> bytes:
    return gzip.decompress(base64.b64decode(text))


def codes(data: bytes, array: dict[str, Any]) -> np.ndarray[Any, Any]:
    """What an array was before it was packed, in codes or numbers."""
    at, size = array["at"], array["size"]
    if array["kind"] == "f8":
        return np.frombuffer(data, "<f8", size, at)
    if array["kind"] == "b1":
        return np.unpackbits(np.frombuffer(data, np.uint8, -(-size // 8), at), count=size)
    changes = np.frombuffer(data, np.uint8, size, at).astype(np.int64)
    if array["kind"] == "u2":
        changes = 256 * changes + np.frombuffer(data, np.uint8, size, at + size)
    back, whole = array["back"], 256 if array["kind"] == "u1" else 65536
    return np.asarray(np.cumsum(changes.reshape(-1, back), axis=0).reshape(-1) % whole)


def values(data: bytes, array: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The values of a curve."""
    found = codes(data, array)
    places = array["low"] + (found - 3) / (array["levels"] - 1) * (array["high"] - array["low"])
    places = np.where(found >= 3, places, np.choose(np.minimum(found, 2), [np.nan, -np.inf, np.inf]))
    return np.asarray(10**places if array["log"] else places)


def every_item(name: str = "all", *, moving: bool = True) -> View:
    """A view in which every kind of item is drawn in every way, all of it moving or none.

    The field's columns are at 0 to 4; at frame k its column k is 1, the others are 0. The curve is at 10 k.
    """
    frames = np.arange(4.0)
    x = np.linspace(0.0, 4.0, 9)
    edges, rows = np.arange(5.0), np.array([0.0, 0.5, 2.0])
    field = np.repeat((frames[:, None] == frames)[:, None, :], 2, axis=1).astype(np.float64)
    level = np.repeat(10.0 * frames[:, None], len(x), axis=1)
    picture = np.zeros((4, 2, 4, 3))
    picture[..., 0] = field
    mask = field[:, 0] > 0

    def at(array: np.ndarray[Any, Any]) -> Any:
        return array if moving else array[-1]

    across, up = Axis("x", 0.0, 4.0), Axis("u (V)", -5.0, 45.0)
    plane = Axis("y", 0.0, 2.0)
    styles = ("--", ".", "o", "|", "x")
    line = Panel(
        across,
        up,
        (
            Shade(edges, at(mask), "unfitted", "not fitted"),
            Shade(edges, mask[0], "quiet", "flat"),
            Shade(edges, mask[1], "gap", "no points"),
            Band(x, at(level - 3), at(level + 3), "allowed", "allowed"),
            Curve(x, at(level), "model", "prediction", width=3.0),
            *(
                Curve(x, np.where(x == 2, np.nan, 3.0 * i), "series", style, style, number=i)  # type: ignore[arg-type]
                for i, style in enumerate(styles)
            ),
            Curve(x, 20 + x, "ordered", place=0.5),
            Curve(x[:1], np.array([1.0]), "muted", "one point"),
        ),
        title="a line",
        absent=("nothing is hidden",),
    )
    log = Panel(
        Axis("step", 1.0, 1000.0, log=True),
        Axis("amplitude", 1e-3, 1.0, log=True),
        (
            Field(
                np.array([[1e-3, 1.0], [np.nan, np.inf]]),
                np.array([1.0, 10.0, 1000.0]),
                np.array([1e-3, 1e-1, 1.0]),
                "error",
                1e-3,
                1.0,
                "amplitude",
                log=True,
                unknown="not finite",
            ),
            Shade(np.array([1e-3, 1e-2, 1.0]), np.array([True, False]), "carrying", "bands", along="y"),
        ),
    )
    map_ = Panel(
        across,
        plane,
        (
            Field(at(field), edges, rows, "error", 0.0, 1.0, "error", extend="max"),
            Outline(at(field), edges, rows, "front", "front", names=("half",)),
            Hatch(field[0] > 0, edges, rows, "flat"),
        ),
        square=True,
        bold=True,
        title="a map",
    )
    arrivals = np.array([[0.0, 1.0, np.inf, np.nan]] * 2)
    outside = np.array([[True, False, False, False]] * 2)
    arrival = Panel(
        across,
        plane,
        (
            Field(arrivals, edges, rows, "arrival", 0.0, 1.0, "arrival", outside=outside, never="not yet"),
            Outline(arrivals, edges, rows, "level"),
            Outline(field[1], edges, rows, "domain"),
        ),
        small=True,
    )
    colours = Panel(
        Axis("", 0.0, 4.0, names=()), Axis("", 2.0, 0.0, names=((1.0, "one"),)), (Picture(at(picture), edges, rows),)
    )
    diverging = Panel(across, plane, (Field(at(field), edges, rows, "values", -1.0, 1.0, extend="both"),), small=True)
    return View(
        name,
        "Every item",
        "A sentence with 3 figures.",
        ((line, map_), (log, colours), (arrival, diverging)),
        STEPS if moving else None,
    )
