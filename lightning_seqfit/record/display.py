"""What a notebook shows of a run: verdict, forecast and advice, the summary, and its first pictures."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
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
_SHOWN, _WIDTH = ("1_front", "2_fit"), 480


def line_of(run: Run) -> str:
    """Say in a line what a run is, and how far it came.

    Returns
    -------
    str
        What is not known is left out: it never raises.
    """
    looks = len(run.steps)
    said = [f"{looks} look{'s' if looks != 1 else ''}", f"{len(run.points):,} cells along {', '.join(run.axes)}"]
    try:
        said = [f"step {run.total_steps[-1]:,}", *said, run.summary().line]
    except Exception:  # whatever was put into it by hand
        said.append("no summary")
    return f"<Run {run.name or 'probe'!r}: {', '.join(filter(None, said))}>"


def html_of(run: Run) -> str:
    """Return what a notebook shows, everything that comes from the run escaped; it never raises."""
    try:
        with np.errstate(all="ignore"):
            return "\n".join(("<div>", *_judged(run), *_table(run), *_pictures(run), "</div>"))
    except Exception as error:  # of a run that was made by hand, or damaged: a display must not end a cell
        return f"<pre>{escape(line_of(run))}\n{escape(f'cannot be shown: {type(error).__name__}: {error}')}</pre>"


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
        if fact.value:
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
    style = f"display:inline-block;margin:0 1em 0 0;width:{_WIDTH}px;max-width:100%;vertical-align:top"
    picture = f"<img src='{source}' alt='{escape(view.title)}' style='width:100%'>"
    return f"<figure style='{style}'>{picture}<figcaption>{escape(view.reading)}</figcaption></figure>"
