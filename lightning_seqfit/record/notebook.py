"""A run as a notebook and a prompt show it; whatever it holds, they show something."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING

from lightning_seqfit import figures
from lightning_seqfit.diagnosis import diagnose, words
from lightning_seqfit.views import View, pictures

if TYPE_CHECKING:
    from lightning_seqfit.record.run import Run

log = logging.getLogger(__name__)

#: Views that are shown at once.
SHOWN = ("1_front", "2_fit")


def as_text(run: Run) -> str:
    """Say a run in a line."""
    name = run.name or "probe"
    try:
        with_looks = f"{len(run.steps):,} looks to step {int(run.total_steps[-1]):,}"
        return f"<run of {name!r}: {run.summary().line or 'nothing is known yet'}; {with_looks}>"
    except Exception as error:  # a prompt must come back
        return f"<run of {name!r}, which cannot be summed up: {type(error).__name__}: {error}>"


def as_html(run: Run) -> str:
    """Say and show a run: verdict, forecast, advice, summary, front and fit. What comes from it is escaped."""
    parts = [_shown(part, lambda part=part: part(run)) for part in (_verdict, _summary, _pictures)]  # type: ignore[misc]
    return f"<div><strong>{escape(as_text(run)[1:-1])}</strong>{''.join(parts)}</div>"


def _shown(part: Callable[[Run], str], make: Callable[[], str]) -> str:
    try:
        return make()
    except Exception as error:  # the other parts are shown
        log.debug("%s", part.__name__, exc_info=error)
        what = part.__name__.strip("_")
        return f"<p>{what} cannot be shown: {escape(f'{type(error).__name__}: {error}')}</p>"


def _verdict(run: Run) -> str:
    try:
        found = diagnose(run)
    except ValueError as error:  # it has no target, or no front
        return f"<p>not judged: {escape(str(error))}</p>"
    said = [f"<b>{escape(found.verdict.value)}</b> at step {found.step:,}"]
    if found.forecast is not None:
        said.append(escape(words.coming(found.forecast, found.step, interval=True)))
    advice = "".join(f"<li>{escape(each.do)}</li>" for each in found.advice)
    return f"<p>{'; '.join(said)}</p>" + (f"<ol>{advice}</ol>" if advice else "")


def _summary(run: Run) -> str:
    rows = "".join(
        f"<tr><th>{escape(fact.label)}</th><td>{escape(fact.value)}</td></tr>"
        for fact in run.summary().facts
        if fact.value
    )
    return f"<table>{rows}</table>"


def _pictures(run: Run) -> str:
    made = pictures(run)
    return "".join(_image(made[name]) for name in SHOWN if name in made)


def _image(view: View) -> str:
    png = base64.b64encode(figures.as_png(figures.as_image(figures.draw_view(view)))).decode("ascii")
    return f'<img width="480" alt="{escape(view.reading)}" src="data:image/png;base64,{png}">'
