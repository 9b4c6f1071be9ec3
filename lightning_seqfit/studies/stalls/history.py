"""What is said of a training at each of its looks, read off its record."""

from __future__ import annotations

from typing import Any, TypedDict

from lightning_seqfit.diagnosis.forecast import forecast
from lightning_seqfit.diagnosis.procedure import Course, judge
from lightning_seqfit.diagnosis.reading import conclude, read
from lightning_seqfit.record import Run


class History(TypedDict):
    """Look by look, as plain values, and the advice of the last one.

    Attributes
    ----------
    steps, error, fitted : of the looks; error relative RMS, fitted a share of the active places.
    verdicts : words.
    forecasts : step, low and high end of the interval; None: there is none.
    do, change : of the first advice; empty: none, or none that a program could apply.
    """

    steps: list[int]
    error: list[float]
    fitted: list[float]
    verdicts: list[str]
    forecasts: list[tuple[float, float, float] | None]
    do: str
    change: dict[str, Any]


def history(run: Run) -> History:
    """Judge each look of a record by what was known then."""
    assert run.front is not None
    signs, situation = read(run)
    course, verdicts, forecasts = Course(), [], []
    for look in range(len(signs)):
        course = judge(signs, look, situation, course)
        verdicts.append(course.verdict.value)
        coming = forecast(signs, look)
        forecasts.append(None if coming is None else (coming.step, coming.low, coming.high))
    advice = conclude(signs, situation, course).advice
    return {
        "steps": run.steps.tolist(),
        "error": run.scalars["error/relative_rmse"].tolist(),
        "fitted": run.front.fitted.tolist(),
        "verdicts": verdicts,
        "forecasts": forecasts,
        "do": advice[0].do if advice else "",
        "change": dict(advice[0].change) if advice else {},
    }
