"""What the tests of a report are made with: pages taken apart again, and a view of every kind of item."""

from __future__ import annotations

import base64
import dataclasses
import gzip
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np

from lightning_seqfit.record import BasisRecord, Run, SpectrumRecord
from lightning_seqfit.record.run import Arrays, Scalars
from lightning_seqfit.report.page import page
from lightning_seqfit.views import Axis, Band, Curve, Field, Hatch, Outline, Panel, Picture, Shade, View
from tests.runs import known_run, replace

STEPS = np.array([0, 10, 100, 1000])
#: What somebody may write who wants that a page runs it.
NASTY = """</script><script>alert(1)</script><img src=x onerror=alert(1)>"'{{ 7 * 7 }}{% raw %}<!--"""


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


def whole_run(looks: int = 21, *, cells: int = 200, axis: str = "x", seed: int = 0, **fields: Any) -> Run:
    """A run of everything that is watched along a line, whose numbers differ from look to look as those of a training.

    The front of :func:`tests.runs.known_run`, with noise on the prediction and on the local errors.
    """
    random = np.random.default_rng(seed)
    run = known_run(looks, cells=cells, axis=axis)
    prediction = run.prediction + 0.02 * random.standard_normal(run.prediction.shape)
    error = np.abs(run.front.local_error + 0.01 * random.standard_normal(run.prediction.shape))
    frequencies, bands = min(cells // 2, 256) + 1, ("1-8", "8-16", "16-64")
    shares = {band: random.random(looks) for band in bands}
    unknown = np.full(looks, np.nan)
    spectrum = SpectrumRecord(
        relative_error=shares,
        share=shares,
        trend=np.zeros(looks),
        front_frequency=unknown,
        spectral_order=unknown,
        power=np.exp(random.normal(-4, 2, (looks, frequencies))),
        frequency=np.arange(float(frequencies)),
        edges=np.array([1, 8, 16, 64]),
        carrying=np.array([False, True, False]),
        converged=np.array([np.inf, run.total_steps[-1] / 2, np.inf]),
        target_trend_share=0.0,
    )
    shots, units, places = min(looks, 32), 16, min(cells, 256)
    basis = BasisRecord(
        numerical_rank=np.linspace(3, 30, looks),
        effective_rank=np.linspace(2, 20, looks),
        monotone_share=np.ones(looks),
        projection_error=np.linspace(0.9, 0.1, looks),
        constant_share=np.zeros(looks),
        dead_domain=np.zeros(looks),
        median_laps=np.ones(looks),
        snapshot_steps=run.total_steps[np.linspace(0, looks - 1, shots).astype(int)],
        snapshot_units=np.tile(np.arange(units), (shots, 1)),
        snapshot_places=random.random((shots, units, 1)),
        snapshots=np.cumsum(random.standard_normal((shots, units, places)), axis=2).astype(np.float16),
        snapshot_points=np.linspace(*run.bounds[0], places)[:, None],
    )
    return replace(
        run,
        prediction=prediction.astype(np.float32),
        front=dataclasses.replace(run.front, local_error=error.astype(np.float32)),
        spectrum=spectrum,
        basis=basis,
        **fields,
    )


def nasty_page(count: int) -> str:
    """The page of so many runs that say nasty things wherever they can say anything."""
    looks = np.arange(21.0)
    scalars = {"error/relative_rmse": looks, f"training/loss/{NASTY}": looks, "training/loss": looks}
    run = whole_run(axis=NASTY).replace(
        name=NASTY,
        quantity=NASTY,
        notes=(NASTY, f"basis/projection_error is absent: {NASTY}"),
        hyperparameters={NASTY: NASTY, "number": 1, "none": None},
        settings={NASTY: NASTY},
        extra={NASTY: Arrays({NASTY: looks, "text": np.array([NASTY])}, "")},
        scale_of=NASTY,
        scalars=Scalars(scalars, ""),
    )
    names = [f"{NASTY} {number}" for number in range(count)]
    return page(dict.fromkeys(names, run), title=NASTY, folders=dict.fromkeys(names, NASTY), unread=[NASTY])
