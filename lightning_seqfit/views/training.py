"""Views of what changes over training, alike along one axis and along several: spectrum, rank and change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.views import words
from lightning_seqfit.views.base import Axis, Curve, Field, Item, Panel, Shade, View
from lightning_seqfit.words import percent, significant

if TYPE_CHECKING:
    from lightning_seqfit.diagnostics.basis import BasisRecord
    from lightning_seqfit.diagnostics.spectrum import SpectrumRecord
    from lightning_seqfit.record import Run

#: How a record's note begins that says why.
_NO_PROJECTION = "basis/projection_error is absent: "
#: The actual error over the one that the basis allows from which on the weights are said to lag behind; and the error
#: above which there is something to say.
_LAGGING, _LOW_ERROR = 2.0, 0.25
#: The lowest frequency shown: that of one cycle, and some room.
_LOWEST = 0.9
#: The least amplitude shown, as a share of the largest.
_LEAST = 1e-3


def spectrum(run: Run, *, moving: bool = False) -> View:
    """The residual's spectrum over training, the bands of the target marked; or, moving, at each look.

    Along several axes a frequency is the length of a vector: the amplitude is that of all directions together.
    """
    seen = run.spectrum
    assert seen is not None
    shown = words.latest(run)
    frequency, amplitude = seen.frequency[1:], np.sqrt(2 * words.finite(seen.power[shown][:, 1:]))
    largest = (float(np.nanmax(amplitude)) if np.isfinite(amplitude).any() else 1.0) or 1.0
    label = "cycles per domain length" + ("" if len(run.axes) == 1 else ", any direction")
    across = Axis(label, _LOWEST, float(frequency[-1] + 0.5), log=True)
    size = f"amplitude of the residual: {words.quantity(run)}"
    bands = f"bands of the {words.target_name(run)}" if seen.carrying.any() else ""
    absent = _bands_absent(run, seen)
    marked = Shade(seen.edges.astype(np.float64), seen.carrying, "carrying", bands, along="x" if moving else "y")
    if moving:
        least = _LEAST * largest
        first, curve = np.maximum(amplitude[0], least), np.maximum(amplitude, least)
        items: tuple[Item, ...] = (
            marked,
            Curve(frequency, first, "muted", f"at step {run.total_steps[shown][0]:,}"),
            Curve(frequency, curve, "model", "at this step"),
        )
        panel = Panel(across, Axis(size, least, 1.5 * largest, log=True), items, absent=absent)
        return View(
            "spectrum", _spectrum_title(run), _spectrum_reading(run, seen, "high"), ((panel,),), run.total_steps[shown]
        )
    field = Field(
        amplitude.T,
        words.step_edges(run),
        words.edges(frequency, 0.5, across.high),
        "error",
        _LEAST * largest,
        largest,
        size,
        log=True,
        unknown="not finite",
    )
    fitted = np.flatnonzero(np.isfinite(seen.converged))
    middles = np.sqrt(seen.edges[fitted] * seen.edges[fitted + 1])
    items = (field, marked)
    if fitted.size:
        items += (Curve(seen.converged[fitted], middles, "muted", "band within tolerance", "o", 2.2),)
    panel = Panel(words.step_axis(run), across, items, absent=absent)
    return View("4_spectrum", _spectrum_title(run), _spectrum_reading(run, seen), ((panel,),), cursor="x")


def _spectrum_title(run: Run) -> str:
    return f"Spectrum {f'to the {words.target_name(run)}' if run.final else 'of the residual'}"


def _bands_absent(run: Run, seen: SpectrumRecord) -> tuple[str, ...]:
    """Why no band is marked, or none as fitted."""
    if not seen.carrying.any():
        return (f"no bands are marked: the {words.target_name(run)} oscillates in none",)
    return () if np.isfinite(seen.converged).any() else ("no band is within tolerance yet",)


def _spectrum_reading(run: Run, seen: SpectrumRecord, shown: str = "bright") -> str:
    """How to read it; ``shown``: how much of a frequency is shown."""
    names = [f"{low}-{high}" for low, high in zip(seen.edges[:-1], seen.edges[1:], strict=True)]
    fitted = np.flatnonzero(np.isfinite(seen.converged) & seen.carrying)
    missing = np.flatnonzero(~np.isfinite(seen.converged) & seen.carrying)
    of = words.target_name(run)
    if not seen.carrying.any():
        return f"The {of} oscillates in no band, so none is marked; {shown} is what is missing."
    head = f"{shown.capitalize()} is what is missing"
    came = [f"{names[band]} at step {seen.converged[band]:,.0f}" for band in fitted]
    came[:1] = [first.replace(" at", " came within tolerance at", 1) for first in came[:1]]
    lack = words.several([names[band] for band in missing])
    if not fitted.size:
        return f"{head}: none of the bands in which the {of} oscillates, {lack}, is fitted yet."
    tolerance = np.inf if run.front is None else run.front.tolerance
    lost = [names[band] for band in fitted if not seen.relative_error[names[band]][-1] <= tolerance]
    rest = [f"{lack} {'is' if len(missing) == 1 else 'are'} not fitted yet"] if missing.size else []
    rest += [f"{words.several(lost)} {'is' if len(lost) == 1 else 'are'} lost again"] if lost else []
    order = seen.spectral_order[-1]
    said = f" (spectral order {order:+.2f}, 1: from low to high)" if np.isfinite(order) else ""
    left = "; ".join(rest) or "no band is missing"
    return f"{head}: of the bands of the {of}, {words.several(came)}; {left}{said}."


def rank(run: Run, *, moving: bool = False) -> View:
    """Rank of the basis and, with a target, the error that it allows beside the actual one, over training."""
    seen = run.basis
    assert seen is not None
    steps, across = run.total_steps.astype(np.float64), words.step_axis(run)
    ranks = np.concatenate([seen.numerical_rank, seen.effective_rank])
    known = ranks[np.isfinite(ranks)]
    upper = Panel(
        across,
        Axis("rank", 0.0, 1.05 * max(float(known.max(initial=0.0)), 1.0), whole=True),
        (
            Curve(steps, seen.numerical_rank, "target", "numerical rank"),
            Curve(steps, seen.effective_rank, "target", "effective rank", "--"),
        ),
        absent=() if np.isfinite(seen.numerical_rank).any() else ("no rank is known: the units are not finite",),
    )
    compared = run.known and not run.final
    rows = ((upper,), (_errors(run, seen),)) if compared else ((upper,),)
    said = run.summary().said("rank of the basis")
    return View("6_rank", words.titled("Rank of the basis", said), _rank_reading(run, seen), rows, cursor="x")


def _errors(run: Run, seen: BasisRecord) -> Panel:
    """The error, and the one that the basis allows."""
    steps = run.total_steps.astype(np.float64)
    curves = [Curve(steps, positive(run.scalars["error/relative_rmse"]), "model", "actual error")]
    absent: tuple[str, ...] = ()
    if np.isfinite(seen.projection_error).any():
        curves.append(Curve(steps, positive(seen.projection_error), "allowed", "error the basis allows", "--"))
    else:
        reasons = [note.partition(_NO_PROJECTION)[2] for note in run.notes if note.startswith(_NO_PROJECTION)]
        absent = (f"no error that the basis allows: {(reasons or ['it was not measured'])[-1]}",)
    upwards = log_axis("relative error", *(curve.y for curve in curves))
    return Panel(words.step_axis(run), upwards, tuple(curves), absent=absent)


def _rank_reading(run: Run, seen: BasisRecord) -> str:
    ranks = seen.numerical_rank[np.isfinite(seen.numerical_rank)]
    if not ranks.size:
        return "The units were finite at no look, so that the basis has no rank."
    said = f"The basis had {ranks[0]:g} functions that differ at first and has {ranks[-1]:g} now"
    if not run.known or run.final:
        return f"{said}."
    actual, allowed = run.scalars["error/relative_rmse"][-1], seen.projection_error[-1]
    if not np.isfinite([actual, allowed]).all() or allowed <= 0.0:
        return f"{said}; which error it allows is not known."
    times = actual / allowed
    lack = (
        f", {significant(times, 2)} times that: the output weights lag behind"
        if times >= _LAGGING and actual <= 1.0
        else ""
    )
    if actual > _LOW_ERROR and times < _LAGGING:
        lack = ": the basis itself is what is missing"
    errors = significant(allowed, 2), significant(actual, 2)
    return f"{said}; it allows an error of {errors[0]}, and the actual one is {errors[1]}{lack}."


def change(run: Run, *, moving: bool = False) -> View:
    """How much the prediction moved since earlier looks, over training."""
    return View(
        "7_change", "How much the prediction still moves", change_reading(run), ((change_curves(run),),), cursor="x"
    )


def change_curves(run: Run) -> Panel:
    """How much the prediction moved since earlier looks, on the whole, over the steps."""
    assert run.change is not None
    steps = run.total_steps.astype(np.float64)
    half, last = (positive(moved) for moved in (run.change.since_half, run.change.since_last))
    curves = (
        Curve(steps, half, "model", "since half the steps"),
        Curve(steps, last, "target", "since the look before", "--"),
    )
    absent = () if np.isfinite([half, last]).any() else ("how much it moves is not known yet",)
    return Panel(words.step_axis(run), log_axis("relative change", half, last), curves, absent=absent)


def change_reading(run: Run) -> str:
    """What a reader may see of how much the prediction moves."""
    assert run.change is not None
    moved, moving = run.change.since_half[-1], run.change.moving[-1]
    if moved == np.inf:
        return "The prediction is not finite, so that how much it moves cannot be said."
    if not np.isfinite(moved):
        return "How much the prediction moves is not known yet: two looks are too few."
    where = f", and {percent(moving)} of the domain still moves" if np.isfinite(moving) else ""
    return f"The prediction moved by {percent(moved)} since step {run.change.reference:,.0f}{where}."


def log_axis(label: str, *values: FloatArray) -> Axis:
    """A logarithmic axis that holds all values that are known, and at least a factor of two."""
    known = np.concatenate(values)
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if known.size else (1e-3, 1.0)
    room = max((high / low) ** 0.05, 2**0.5 if high < 2 * low else 1.0)
    return Axis(label, low / room, high * room, log=True)


def positive(values: FloatArray) -> FloatArray:
    """Values that a logarithmic axis has a place for, NaN for the others."""
    return np.where(np.isfinite(values) & (values > 0.0), values, np.nan)
