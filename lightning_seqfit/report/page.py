"""The page of a report: one file that needs no network, made of records alone.

What is said stands in the page itself; what is drawn is packed, and drawn by the scripts in ``assets`` on uPlot's axes,
with its cursor and zoom. Everything that comes from a run is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import count, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.colors import Colormap

from lightning_seqfit import views
from lightning_seqfit.figures.items import COLOURS
from lightning_seqfit.report.comparison import compare
from lightning_seqfit.report.packing import Arrays, pack
from lightning_seqfit.report.part import Part, part_of
from lightning_seqfit.views import View
from lightning_seqfit.views.own import own
from lightning_seqfit.views.together import together
from lightning_seqfit.words import significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

#: Bytes of a page: of a longer one the slider takes fewer looks.
MOST_BYTES = 3_000_000
#: Frames of a view that are not left out.
FEWEST_FRAMES = 12
#: The package that has uPlot's own files; it is not imported, as that asks for IPython.
_UPLOT = "uplot-python"
_ASSETS = Path(__file__).parent / "assets"


def page(
    runs: Mapping[str, Run],
    *,
    title: str = "",
    live: float | None = None,
    folders: Mapping[str, str] | None = None,
    unread: Sequence[str] = (),
) -> str:
    """Make the page.

    Parameters
    ----------
    runs : one or several, by the name that each has on the page; several are also compared.
    title : of the page; empty: the names of the runs.
    live : the page loads itself anew every so many seconds; None: it does not.
    folders : where the records of runs lie, by name, for the commands that it recommends.
    unread : what is said of records that could not be read, a sentence each.

    Returns
    -------
    str
        HTML of at most 3 MB, if what stands still is not more.

    Raises
    ------
    ValueError
        If there is no run.

    Examples
    --------
    >>> import tempfile
    >>> import lightning as L
    >>> from lightning_seqfit import Probe, load
    >>> from lightning_seqfit.callbacks import SequentialFitting
    >>> from lightning_seqfit.demos import TanhRegression, sine
    >>> watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], sine))
    >>> options = {"logger": False, "default_root_dir": tempfile.mkdtemp(), "enable_checkpointing": False}
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    >>> L.Trainer(max_steps=2, callbacks=[watcher], **options, **quiet).fit(TanhRegression(width=8))
    >>> text = page({"first try": load(options["default_root_dir"])})
    >>> "first try" in text, "undecided" in text, "http://" in text.split("<script")[0]
    (True, True, False)
    """
    if not runs:
        raise ValueError("there is no run to make a page of: give at least one")
    parts = [part_of(name, run, (folders or {}).get(name)) for name, run in runs.items()]
    drawn = _Drawn(runs)
    for every in (2**power for power in count()):
        text = drawn.page(parts, every, title=title or _title(runs), live=live, unread=unread)
        text = text.encode("utf-8", "replace").decode("utf-8")  # half a letter, as of a path that is not in UTF-8
        if len(text.encode()) <= MOST_BYTES or every >= drawn.looks:
            return text
    raise AssertionError("unreachable")


class _Drawn:
    """The views of some runs, and where on the page they belong."""

    def __init__(self, runs: Mapping[str, Run]) -> None:
        self.runs = runs
        self.pictures = {name: [*views.pictures(run).values()] for name, run in runs.items()}
        self.charts = {name: views.charts(run) for name, run in runs.items()}
        self.own = {name: own(run) for name, run in runs.items()}
        self.together = together(runs) if len(runs) > 1 else []
        self.moving = {name: [view for view in views.moving(run) if _frames(view) > 1] for name, run in runs.items()}
        for name, moving in self.moving.items():  # a map over the steps is read beside what moves
            if moving:
                maps = [view for view in self.pictures[name][:1] if view.cursor]
                self.moving[name] = maps + moving
                self.pictures[name] = self.pictures[name][len(maps) :]
        self.looks = max((_frames(view) for moving in self.moving.values() for view in moving), default=1)

    def page(self, parts: Sequence[Part], every: int, *, title: str, live: float | None, unread: Sequence[str]) -> str:
        """Make the page, with each ``every``-th frame of what moves."""
        arrays, packed, placed = Arrays(), [], []

        def put(several: Sequence[View], *, beside: bool = False) -> list[int]:
            for view, wide in zip(several, _widths(several), strict=True):
                packed.append(pack(view, arrays))
                placed.append({"title": view.title, "reading": view.reading, "wide": wide and not beside})
            return [*range(len(packed) - len(several), len(packed))]

        several = len(self.runs) > 1
        moving = {
            name: put([_thinned(view, every) for view in each], beside=several) for name, each in self.moving.items()
        }
        steps = sorted({step for view in packed for step in view["steps"] or ()})
        filled = [
            {
                **vars(part),
                "pictures": put(self.pictures[part.name]),
                "charts": put(self.charts[part.name]),
                "own": put(self.own[part.name]),
            }
            for part in parts
        ]
        both = put(self.together)
        palettes = {name: arrays.numbers(_palette(colours)) for name, colours in COLOURS.items()}
        data = {"views": packed, "palettes": palettes, "steps": steps, "live": live}
        scripts = {"uplot": _uplot("uPlot.iife.js"), "script": _script()}
        hashes = " ".join(f"'sha256-{_hash(script)}'" for script in scripts.values())
        text: str = _template().render(
            title=title,
            parts=filled,
            views=placed,
            moving=_side_by_side(moving, packed) if several else [at for at in moving.values() if at],
            order={name: number for number, name in enumerate(self.runs)},
            pointing=any(view["cursor"] for view in packed),
            looks=len(steps),
            last_step=f"{steps[-1]:,}" if steps else "",
            all_looks=self.looks,
            thinned=_ordinal(every) if every > 1 else "",
            together=both,
            comparison=_compared(self.runs) if several else None,
            unread=unread,
            live=None if live is None else significant(live, 3),
            data=Markup(_in_script(data)),
            arrays=Markup(arrays.text()),
            style=Markup(_uplot("uPlot.min.css") + (_ASSETS / "page.css").read_text("utf-8")),
            hashes=Markup(hashes),
            **{name: Markup(script) for name, script in scripts.items()},
        )
        return text


def _title(runs: Mapping[str, Run]) -> str:
    return " and ".join(runs) if len(runs) < 3 else f"{len(runs)} runs"


def _compared(runs: Mapping[str, Run]) -> dict[str, Any]:
    """The table of several runs, a column for each, without what is known of none."""
    found = compare(runs)
    names, *facts = zip(found.columns, zip(*found.rows, strict=True), zip(*found.texts, strict=True), strict=True)
    rows = [(label, *texts) for label, values, texts in facts if any(value is not None for value in values)]
    return {"columns": [names[0], *names[1]], "rows": rows, "reasons": found.reasons}


def _frames(view: View) -> int:
    return 1 if view.steps is None else len(view.steps)


def _thinned(view: View, every: int) -> View:
    """A view with each ``every``-th of its frames, the last one among them, and not fewer than it needs to move."""
    frames = _frames(view)
    every = max(min(every, frames // FEWEST_FRAMES), 1)
    return view.only(np.arange(frames - 1, -1, -every)[::-1])


def _widths(several: Sequence[View]) -> list[bool]:
    """Which views take the whole width of the page: those with panels side by side, and one where it leaves no gap."""
    wide = [any(len(row) > 1 for row in view.rows) for view in several]
    for alone, group in groupby(range(len(wide)), key=[*wide].__getitem__):
        numbers = [*group]
        if not alone and len(numbers) % 2:
            first_square = any(panel.square for panel in several[numbers[0]].panels)
            wide[numbers[-1 if first_square else 0]] = True
    return wide


def _side_by_side(
    moving: Mapping[str, Sequence[int]], packed: Sequence[Mapping[str, Any]]
) -> list[list[tuple[str, int]]]:
    """Views of one name, a row of (run, number) each."""
    rows: dict[str, list[tuple[str, int]]] = {}
    for run, numbers in moving.items():
        for number in numbers:
            rows.setdefault(packed[number]["name"], []).append((run, number))
    return [*rows.values()]


def _ordinal(number: int) -> str:
    return {2: "second", 4: "fourth"}.get(number, f"{number}th")


def _palette(colours: Colormap) -> Any:
    """256 colours, red, green and blue from 0 to 255 each."""
    return np.rint(255 * colours(np.linspace(0.0, 1.0, 256))[:, :3]).reshape(-1)


def _in_script(data: Any) -> str:
    """JSON that ends no element of a page, whatever it says."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")


@cache
def _uplot(name: str) -> str:
    """A file of uPlot's."""
    found = importlib.metadata.distribution(_UPLOT).locate_file(f"uplot/static/{name}")
    return Path(str(found)).read_text("utf-8")


@cache
def _script() -> str:
    return "\n".join((_ASSETS / name).read_text("utf-8") for name in ("arrays.js", "items.js", "page.js"))


@cache
def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(_ASSETS), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("page.html.j2")
