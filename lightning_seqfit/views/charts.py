"""Curves over the steps: how far a fit has come, counts, errors by band, and the training's loss with its verdicts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.views import words
from lightning_seqfit.views.base import Axis, Curve, Panel, View
from lightning_seqfit.views.training import log_axis, positive
from lightning_seqfit.words import percent, significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

#: Most faces and bands that are told apart by colour.
MOST_CURVES = 8
#: Most verdicts that are named along a loss.
MOST_VERDICTS = 8


def charts(run: Run) -> list[View]:
    """Every chart that a record has the values for, in the order in which they are read."""
    made = [progress, oscillations, bands, errors, loss]
    return [view for make in made if (view := make(run)) is not None]


def progress(run: Run) -> View | None:
    """Fitted share, and how deep the fit reaches from each face; None: the front was not watched."""
    seen = run.front
    if seen is None or not np.isfinite(seen.fitted).any():
        return None
    word = words.fitted_words(run)
    curves = [Curve(_steps(run), 100 * seen.fitted, "model", word, width=2.2)]
    depths = {face: depth for face, depth in seen.depth.items() if np.isfinite(depth).any()}
    for number, (face, depth) in enumerate(list(depths.items())[:MOST_CURVES]):
        curves.append(Curve(_steps(run), 100 * depth, "series", f"depth from {face}", "--", 1.2, number))
    panel = Panel(words.step_axis(run), Axis("% of the domain", -3.0, 103.0), tuple(curves))
    begins = words.several(
        [f"{percent(depth[-1])} of the way from {face}" for face, depth in depths.items() if depth[-1] < 1]
    )
    mean = "" if len(run.axes) == 1 else "on the mean over lines "
    reached = f"; {mean}the first larger part that is not begins {begins}" if begins else ""
    share = (
        f"{percent(seen.fitted[-1])} of the domain is {word}"
        if np.isfinite(seen.fitted[-1])
        else "How much is not known"
    )
    return View("progress", "How far the fit has come", f"{share}{reached}.", ((panel,),), cursor="x")


def oscillations(run: Run) -> View | None:
    """Oscillations, along several axes lobes: the target's, the model's, and those of the target that it has."""
    seen = run.oscillations
    if seen is None or run.final or not np.isfinite(seen.target).any():
        return None
    kind = "oscillations" if len(run.axes) == 1 else "lobes"
    steps = _steps(run)
    curves = (
        Curve(steps, seen.target, "target", f"{kind} of the target", width=1.2),
        Curve(steps, seen.model, "muted", "of the model, right or not", "--", 1.2),
        Curve(steps, seen.fitted, "model", "fitted", width=2.2),
    )
    most = max(float(np.nanmax(words.finite(curve.y), initial=1.0)) for curve in curves)
    panel = Panel(words.step_axis(run), Axis(kind, -0.03 * most, 1.08 * most), curves)
    of, fitted, spurious = seen.target[-1], seen.fitted[-1], seen.spurious[-1]
    if not of:
        reading = f"The target has no {kind}."
    elif np.isfinite(fitted):
        more = f"; {spurious:g} of the model's are not the target's" if spurious > 0 else ""
        reading = f"{fitted:g} of the target's {of:g} {kind} are fitted{more}."
    else:
        reading = f"How many of the target's {of:g} {kind} are fitted is not known: the prediction is not finite."
    return View("oscillations", kind.capitalize(), reading, ((panel,),), cursor="x")


def bands(run: Run) -> View | None:
    """Error by band of frequencies; None: the target oscillates in none."""
    seen = run.spectrum
    labels = [] if seen is None else [label for label, one in zip(seen.labels, seen.carrying, strict=True) if one]
    if seen is None or not any(np.isfinite(seen.relative_error[label]).any() for label in labels):
        return None
    errors = {label: seen.relative_error[label] for label in labels}
    curves = [
        Curve(_steps(run), positive(error), "series", f"{label} cycles", number=number)
        for number, (label, error) in enumerate(list(errors.items())[:MOST_CURVES])
    ]
    known = {label: error[-1] for label, error in errors.items() if np.isfinite(error[-1])}
    missing = [label for label, error in known.items() if 0.9 < error < 1.5]
    said = (
        words.several([f"{label}: {significant(error, 2)}" for label, error in known.items()]) if known else "not known"
    )
    lack = f"; at about 1 a band is missing: {words.several(missing)}" if missing else ""
    reading = f"Error over target in each band of cycles per domain length, now {said}{lack}."
    panel = Panel(words.step_axis(run), log_axis("error / target", *(curve.y for curve in curves)), tuple(curves))
    return View("bands", "Error by band", reading, ((panel,),), cursor="x")


def errors(run: Run) -> View | None:
    """Error and noise, where no basis was watched: with one, its ranks have the error beside them."""
    tag = "error/relative_rmse"
    if run.basis is not None or not run.known or run.final or tag not in run.scalars:
        return None
    curves = [Curve(_steps(run), positive(run.scalars[tag]), "model", "actual error")]
    noise = positive(run.scalars.get("error/noise", np.full(len(run.steps), np.nan)))
    if np.isfinite(noise).any():
        curves.append(Curve(_steps(run), noise, "muted", "noise of the target", "--", 1.2))
    last = run.scalars[tag][-1]
    said = f"The error is {significant(last, 2)}" if np.isfinite(last) else "The prediction is not finite"
    reading = f"{said}; {words.error_label(run).partition('(')[2].rstrip(')')}."
    panel = Panel(words.step_axis(run), log_axis("relative error", *(curve.y for curve in curves)), tuple(curves))
    return View("errors", "Error", reading, ((panel,),), cursor="x")


def loss(run: Run) -> View | None:
    """The training's loss, marked where the verdict changed, and its learning rate where that changes."""
    values = run.scalars.get("training/loss", np.full(len(run.steps), np.nan))
    shown, known = positive(values), np.isfinite(values)
    if not np.isfinite(shown).any():
        return None
    curves = [Curve(_steps(run), shown, "model", "training loss")]
    changes = _changes(run)
    for number, (look, verdict) in enumerate(changes[-MOST_VERDICTS:]):
        at = np.flatnonzero(np.isfinite(shown[look:]))
        if at.size:
            place = np.array([run.total_steps[look]], dtype=np.float64)
            curves.append(Curve(place, shown[look + at[:1]], "series", verdict, "o", 2.2, number))
    rows = [(Panel(words.step_axis(run), log_axis("training loss", shown), tuple(curves)),)]
    rate = positive(run.scalars.get("training/learning_rate", np.full(len(run.steps), np.nan)))
    if len(set(rate[np.isfinite(rate)].tolist())) > 1:
        curve = Curve(_steps(run), rate, "target", "learning rate")
        rows.append((Panel(words.step_axis(run), log_axis("learning rate", rate), (curve,)),))
    first, last = (significant(float(values[known][end]), 2) for end in (0, -1))
    verdicts = [f"{verdict} from step {run.total_steps[look]:,}" for look, verdict in changes[-MOST_VERDICTS:]]
    said = f"; found: {words.several(verdicts)}" if verdicts else ""
    return View(
        "loss", "Training loss and verdicts", f"The loss went from {first} to {last}{said}.", tuple(rows), cursor="x"
    )


def _changes(run: Run) -> list[tuple[int, str]]:
    """Looks from which on another verdict held, and its word."""
    if run.stall is None:
        return []
    said = [str(verdict) for verdict in run.stall.verdict]
    before = ["", *said[:-1]]
    return [(look, word) for look, (word, old) in enumerate(zip(said, before, strict=True)) if word and word != old]


def _steps(run: Run) -> FloatArray:
    return run.total_steps.astype(np.float64)
