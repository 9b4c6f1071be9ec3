"""What a notebook shows of a run: verdict, forecast and advice, the summary, and its first pictures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit import figures
from lightning_seqfit.diagnosis import STALLED, Verdict, diagnose, words
from lightning_seqfit.views import View, pictures
from lightning_seqfit.words import flat

if TYPE_CHECKING:
    from lightning_seqfit.record.run import Run

#: Which pictures, and how wide; pixels.
_SHOWN, _WIDTH = ("1_front", "2_fit"), 400
#: What stands above the table.
_JUDGED = ("verdict", "forecast", "to do")


def line_of(run: Run) -> str:
    """Say in a line what a run is, and how far it came.

    Returns
    -------
    str
        Of a run that cannot be summed up, why: it never raises.
    """
    said, looks = [], len(run.steps)
    try:
        said += [f"step {run.total_steps[-1]:,}", f"{looks} look{'s' if looks != 1 else ''}"]
        said += [f"{len(run.points):,} cells along {', '.join(run.axes)}", run.summary().line]
    except Exception as error:  # whatever was put into it by hand
        said.append(f"no summary ({type(error).__name__}: {error})")
    return f"<Run {run.name or 'probe'!r}: {', '.join(filter(None, said))}>"


def html_of(run: Run) -> str:
    """Return what a notebook shows, everything that comes from the run escaped; it never raises."""
    beside = "<div style='display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start'>"
    shown = (
        _shown("verdict", _judged, run),
        beside,
        _shown("summary", _table, run),
        _shown("pictures", _pictures, run),
    )
    return "\n".join(("<div>", *shown, "</div></div>"))


def _shown(name: str, make: Callable[[Run], Iterator[str]], run: Run) -> str:
    """A part, or why there is none, as of a run that was made by hand: a display must not end a cell."""
    try:
        with np.errstate(all="ignore"):
            return "\n".join(make(run))
    except Exception as error:
        return f"<p>{name} cannot be shown: {escape(f'{type(error).__name__}: {error}')}</p>"


def _judged(run: Run) -> Iterator[str]:
    name = f"{run.name or 'probe'}, step {run.total_steps[-1]:,}"
    try:
        diagnosis = diagnose(run)
    except ValueError as error:  # it has no target, or no front
        yield f"<p><b>{escape(name)}</b>: not judged: {escape(flat(str(error)))}</p>"
        return
    trouble = diagnosis.stalled or diagnosis.verdict in STALLED or diagnosis.verdict is Verdict.DIVERGED
    since = f" since step {diagnosis.since:,}" if trouble and diagnosis.since is not None else ""
    coming = diagnosis.forecast and words.coming(diagnosis.forecast, diagnosis.step, interval=True)
    said = f"<b>{escape(diagnosis.verdict.value)}</b>{since}{f'; {escape(coming)}' if coming else ''}"
    yield f"<p><b>{escape(name)}</b>: {said}</p>"
    if diagnosis.advice:
        yield "<ol>"
        for each in diagnosis.advice:
            yield f"<li>{escape(each.do)}. Expected: {escape(each.expect)} ({escape(each.measured)})</li>"
        yield "</ol>"
    elif trouble:
        yield f"<p>{escape(words.NOTHING_HELPS)}</p>"


def _table(run: Run) -> Iterator[str]:
    yield "<table>"
    for fact in run.summary().facts:
        if fact.value and fact.label not in _JUDGED:
            yield f"<tr><th style='text-align:left'>{escape(fact.label)}</th><td>{escape(fact.value)}</td></tr>"
    yield "</table>"


def _pictures(run: Run) -> Iterator[str]:
    there = pictures(run)
    for name in _SHOWN:
        if name in there:
            yield _picture(there[name])


def _picture(view: View) -> str:
    image = figures.as_png(figures.as_image(figures.draw_view(view)))
    source = f"data:image/png;base64,{b64encode(image).decode()}"
    style = f"margin:0;width:{_WIDTH}px;max-width:100%"
    picture = f"<img src='{source}' alt='{escape(view.title)}' style='width:100%'>"
    return f"<figure style='{style}'>{picture}<figcaption>{escape(view.reading)}</figcaption></figure>"
