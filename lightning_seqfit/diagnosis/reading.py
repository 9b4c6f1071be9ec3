"""A record, or what is known in training, becomes a diagnosis."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_seqfit.diagnosis.advice import advise
from lightning_seqfit.diagnosis.diagnosis import Diagnosis
from lightning_seqfit.diagnosis.evidence import evidence
from lightning_seqfit.diagnosis.forecast import forecast
from lightning_seqfit.diagnosis.procedure import Course, judge
from lightning_seqfit.diagnosis.signs import Signs, Situation
from lightning_seqfit.diagnosis.tally import TAGS, Tally
from lightning_seqfit.diagnosis.verdict import DONE, STALLED
from lightning_seqfit.geometry import FloatArray

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


def diagnose(run: Run, at: int | None = None) -> Diagnosis:
    """Say whether a fit gets on, what stops it, when it will be done and what to change, from its record alone.

    Parameters
    ----------
    run : with a front: of :class:`~lightning_seqfit.callbacks.SequentialFitting`, ``StallDiagnosis`` or ``ErrorFront``,
        or read against a target.
    at : number of the look, from the end where it is negative; default: the last one.

    Returns
    -------
    Diagnosis
        What it goes by is in :mod:`lightning_seqfit.diagnosis`.

    Raises
    ------
    ValueError
        If the run has no front, or no such look.
    TypeError
        If ``at`` is no whole number.

    Examples
    --------
    >>> import tempfile
    >>> import lightning as L
    >>> from lightning_seqfit import Probe, diagnose, load
    >>> from lightning_seqfit.callbacks import SequentialFitting
    >>> from lightning_seqfit.demos import TanhRegression, sine
    >>> watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], target=sine))
    >>> options = {"logger": False, "default_root_dir": tempfile.mkdtemp(), "enable_checkpointing": False}
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    >>> L.Trainer(max_steps=2, callbacks=[watcher], **options, **quiet).fit(TanhRegression(width=8))
    >>> diagnose(load(options["default_root_dir"])).verdict.value
    'undecided'
    """
    signs, situation = read(run)
    try:
        look = len(signs) - 1 if at is None else operator.index(at)
    except TypeError:
        raise TypeError(f"at={at!r} is no number of a look: give 0 to {len(signs) - 1}, or -1 for the last") from None
    if not -len(signs) <= look < len(signs):
        raise ValueError(f"at={at}: the run has {len(signs)} looks; give 0 to {len(signs) - 1}, or -1 for the last")
    look %= len(signs)
    course = run.stall.course(look) if run.stall is not None else None
    if course is None:
        course = Course()
        for number in range(look + 1):
            course = judge(signs, number, situation, course)
    return conclude(signs.until(look), situation, course)


def conclude(signs: Signs, situation: Situation, course: Course) -> Diagnosis:
    """Say all there is to say of the last look, which has been judged."""
    look, verdict = len(signs) - 1, course.verdict
    said, not_checked = evidence(signs, look, situation, course)
    return Diagnosis(
        step=int(signs.step[look]),
        verdict=verdict,
        stalled=verdict in STALLED,
        since=int(course.since) if verdict in STALLED and math.isfinite(course.since) else None,
        doublings=course.doublings,
        evidence=said,
        forecast=None if verdict in DONE else forecast(signs, look),
        advice=advise(verdict, situation, signs, look),
        not_checked=not_checked,
    )


def read(run: Run) -> tuple[Signs, Situation]:
    """What a run's record has for a diagnosis, made anew where nobody watched for one.

    Raises
    ------
    ValueError
        If it has no front.
    """
    if run.stall is not None:
        return run.stall.signs, run.stall.situation
    front = run.front
    if front is None:
        why = (
            "attach SequentialFitting or StallDiagnosis"
            if run.known
            else "the probe had no target: read the run against one, run.against(target)"
        )
        raise ValueError(f"the record has no front, by which it could be told how a fit gets on: {why}")
    scalars, tally, numbers = run.scalars, Tally(), []
    clipped = np.minimum(np.where(np.isnan(front.local_error), 1.0, front.local_error), 1.0)[:, front.active]
    columns = {name: scalars.get(tag) for name, tag in {"error": "error/relative_rmse", **TAGS}.items()}
    for look, step in enumerate(run.total_steps):
        seen = {name: float(values[look]) for name, values in columns.items() if values is not None}
        seen["mean_error"] = float(clipped[look].mean()) if clipped.shape[1] else math.nan
        numbers.append(tally.take(int(step), seen, clipped[look]))
    signs = Signs.of(_stacked(numbers), run.total_steps.astype(np.float64), clipped, front.depth)
    return signs, _situation(run, tally)


def _stacked(numbers: list[dict[str, float]]) -> dict[str, FloatArray]:
    names = numbers[0] if numbers else {}
    return {name: np.array([each[name] for each in numbers]) for name in names}


def _situation(run: Run, tally: Tally) -> Situation:
    """What an older record, or one of a few measures, tells of the run as a whole."""
    noise: Any = run.scalars.get("error/noise")
    spectrum = run.spectrum
    highest = float(spectrum.edges[1:][spectrum.carrying][-1]) if spectrum and spectrum.carrying.any() else math.nan
    return Situation(
        axes=run.axes,
        frequencies=(highest,) * len(run.axes),
        lengths=(math.nan,) * len(run.axes),  # as the network sees it
        first_error=tally.first.get("error", math.nan),
        first_constant_share=tally.first.get("constant_share", math.nan),
        noise=float(noise[-1]) if noise is not None and math.isfinite(noise[-1]) else 0.0,
        residual=not np.any(run.target),
        terms=len(run.losses),
        oscillates=bool(spectrum.carrying.any()) if spectrum else True,
        relative=run.scale_of != "first look",
    )
