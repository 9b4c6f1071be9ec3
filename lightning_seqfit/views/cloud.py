"""Views of a fit at points in more than three dimensions, which have no place on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.views import training, words
from lightning_seqfit.views.base import Axis, Curve, Panel, View
from lightning_seqfit.words import percent, significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

#: Looks whose errors are drawn.
_LOOKS = 4
#: Beside the outermost values, and the least error that is drawn, over the largest.
_ROOM, _LEAST = 0.05, 1e-3


def fit(run: Run, *, moving: bool = False) -> View:
    """Prediction against target, and the error below which each share of the points lies, at a few looks or at all."""
    last = run if moving else run.fine or run
    looks = np.flatnonzero(words.latest(run))
    few = looks[words.moments(run.total_steps[looks], _LOOKS)]
    prediction = words.finite(last.prediction[looks if moving else [-1]])
    known = np.isfinite(prediction[-1])
    values = np.concatenate([last.target, prediction[-1][known]])
    room = _ROOM * (float(np.ptp(values)) or 1.0)
    ends = np.array([values.min() - room, values.max() + room])
    lost = 1 - float(np.mean(known))
    left = Panel(
        Axis(f"target: {words.quantity(run)}", *ends),
        Axis("prediction", *ends),
        (
            Curve(last.target, prediction if moving else prediction[-1], "model", "points", ".", 1.0),
            Curve(ends, ends, "target", "prediction = target", width=1.0),
        ),
        absent=(f"not finite: {percent(lost)} of the points",) if lost else (),
    )

    share = (np.arange(len(run.target)) + 0.5) / len(run.target)
    drawn = looks if moving else few
    errors = np.sort(np.abs(words.finite(run.prediction[drawn]) - run.target), axis=1)
    least = _LEAST * (float(np.max(errors, where=np.isfinite(errors), initial=0.0)) or 1.0)
    errors = np.maximum(errors, least)
    places = np.linspace(0.0, 1.0, len(few))
    curves = [
        Curve(share, error, "ordered", f"step {step:,}", place=place)
        for error, step, place in zip(errors, run.total_steps[few], places, strict=False)
    ]
    if moving:
        first = f"at step {run.total_steps[looks[0]]:,}"
        curves = [Curve(share, errors[0], "muted", first), Curve(share, errors, "model", "at this step")]
    label = f"|error| below which they lie: {words.quantity(run)}"
    right = Panel(Axis("share of the points", 0.0, 1.0), training.log_axis(label, errors.ravel()), tuple(curves))
    if moving:
        reading = words.at_the_last_look(_reading(last))
        return View("fit", "Fit", reading, ((left, right),), run.total_steps[looks])
    return View("2_fit", f"Fit at step {run.total_steps[-1]:,}", _reading(last), ((left, right),))


def _reading(run: Run) -> str:
    error = np.abs(words.finite(run.prediction[-1]) - run.target)
    known = error[np.isfinite(error)]
    if not known.size:
        return "The last prediction is finite nowhere."
    half, most = (significant(float(np.quantile(known, share)), 3) for share in (0.5, 0.9))
    said = (
        f"half of the points are within {half}, 90 % within {most} and all within {significant(float(known.max()), 3)}"
    )
    lost = f"; {percent(1 - known.size / error.size)} are not finite" if known.size < error.size else ""
    return f"On the line a prediction is the target: {said}{lost}."
