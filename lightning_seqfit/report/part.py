"""What a report says of one run, in words and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lightning_seqfit.diagnosis import STALLED, Diagnosis, Verdict, diagnose, words
from lightning_seqfit.diagnosis.verdict import DONE
from lightning_seqfit.words import flat, significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Part:
    """What is said of one run.

    Attributes
    ----------
    verdict : the word, and since when; ``tone``: how it is meant.
    forecast : a sentence; empty: none is made.
    headline : the summary in a line.
    advice : with ``do``, ``expect``, ``measured``; ``nothing``: said where there is none in trouble.
    command : that tries what may help; empty: there is none.
    evidence : name, value, bound, what it speaks for, why.
    arrays : of own diagnostics, with their shapes.
    """

    name: str
    verdict: str
    tone: Literal["good", "going", "bad", "unsure"]
    forecast: str
    headline: str
    advice: list[dict[str, str]]
    nothing: str
    command: str
    evidence: list[tuple[str, str, str, str, str]]
    not_checked: tuple[str, ...]
    summary: Rows
    probe: Rows
    cost: Rows
    settings: Rows
    hyperparameters: Rows
    notes: tuple[str, ...]
    arrays: Rows


def part_of(name: str, run: Run, folder: str | None) -> Part:
    """Say what there is to say of a run whose record lies in ``folder``."""
    summary = run.summary()
    said = _verdict(run, folder)
    return Part(
        name=name,
        headline=f"Step {run.total_steps[-1]:,}: {summary.line or 'nothing is known yet'}",
        summary=[(fact.label, fact.value) for fact in summary.facts if fact.value],
        probe=_probe(run),
        cost=_cost(run),
        settings=_table(run.settings),
        hyperparameters=_table(run.hyperparameters),
        notes=tuple(map(flat, run.notes)),
        arrays=[
            (f"{own}/{label}", f"{array.dtype} of shape {array.shape}")
            for own, arrays in run.extra.items()
            for label, array in arrays.items()
        ],
        **said,
    )


def _verdict(run: Run, folder: str | None) -> dict[str, Any]:
    """The verdict and what follows from it."""
    said: dict[str, Any] = {"advice": [], "nothing": "", "command": "", "evidence": [], "not_checked": ()}
    try:
        diagnosis = diagnose(run)
    except ValueError as error:  # it has no target, or no front
        return said | {
            "verdict": "not judged",
            "tone": "unsure",
            "forecast": f"{str(error)[:1].upper()}{str(error)[1:]}.",
        }
    trouble = words.in_trouble(diagnosis)
    coming = diagnosis.forecast and words.coming(diagnosis.forecast, diagnosis.step, interval=True)
    if trouble and np.nan_to_num(run.target).any() and not run.final:
        said["command"] = words.to_try(folder or "RUN", run.name).partition(": ")[2]
    return said | {
        "verdict": f"{diagnosis.verdict.value}{words.since(diagnosis)}",
        "tone": _tone(diagnosis),
        "forecast": f"{coming[0].upper()}{coming[1:]}." if coming else "",
        "advice": [{"do": each.do, "expect": each.expect, "measured": each.measured} for each in diagnosis.advice],
        "nothing": f"{words.NOTHING_HELPS[0].upper()}{words.NOTHING_HELPS[1:]}." if trouble else "",
        "evidence": [
            (each.name, _figure(each.value), _figure(each.bound), each.speaks, each.says) for each in diagnosis.evidence
        ],
        "not_checked": diagnosis.not_checked,
    }


def _tone(diagnosis: Diagnosis) -> str:
    if diagnosis.verdict in STALLED or diagnosis.verdict is Verdict.DIVERGED:
        return "bad"
    if diagnosis.verdict in DONE:
        return "good"
    return "unsure" if diagnosis.verdict is Verdict.UNDECIDED else "going"


def _probe(run: Run) -> Rows:
    """What was watched."""
    bounds = ", ".join(
        f"{axis} from {low:.6g} to {high:.6g}" for axis, (low, high) in zip(run.axes, run.bounds, strict=False)
    )
    rows = [
        ("name", run.name or "probe"),
        ("quantity", run.quantity),
        ("domain", bounds),
        ("points", " x ".join(f"{each:,}" for each in run.resolution)),
        ("recorded cells", " x ".join(f"{each:,}" for each in run.shape)),
        ("looks", f"{len(run.steps):,}, at steps {run.total_steps[0]:,} to {run.total_steps[-1]:,}"),
        ("fits", f"{int(run.fit[-1]) + 1}" if run.fit[-1] else ""),
        ("target", "the run's own last prediction" if run.final else "" if run.known else "none"),
        ("output", "length over all" if run.output == "norm" else str(run.output) if run.components else ""),
        ("ended", "yes" if run.finished else ""),
    ]
    return [row for row in rows if row[1]]


def _cost(run: Run) -> Rows:
    """What watching took."""
    looks = run.scalars.get("observer/seconds_per_look", np.empty(0))
    overhead = run.scalars.get("observer/overhead", np.empty(0))
    rows = [("looks", f"{len(run.steps):,}")]
    if np.isfinite(looks).any():
        rows.append(("time of a look", f"{significant(1000 * float(np.nanmedian(looks)), 2)} ms, the median"))
    if np.isfinite(overhead[-1:]).any():
        rows.append(("share of the training's time", f"{significant(100 * float(overhead[-1]), 2)} %"))
    return rows


def _table(values: Mapping[str, Any]) -> Rows:
    return [(str(name), _value(value)) for name, value in values.items()]


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _figure(value) if isinstance(value, float) else str(value)


def _figure(value: float) -> str:
    if math.isnan(value):
        return "unknown"
    return significant(value, 6) if math.isfinite(value) else str(float(value))
