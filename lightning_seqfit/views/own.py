"""What users' own diagnostics have recorded, over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.views.base import Axis, Curve, Panel, View
from lightning_seqfit.words import significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


def own(run: Run) -> list[View]:
    """Numbers of each own diagnostic that it has one of at each look, a view for each diagnostic."""
    found = []
    for name, arrays in run.extra.items():
        curves = {label: numbers for label in arrays if (numbers := _numbers(arrays[label], run)) is not None}
        if curves:
            rows = tuple((_panel(run, label, values),) for label, values in curves.items())
            said = ", ".join(f"{label} {_last(values)}" for label, values in curves.items())
            reading = f"What the diagnostic {name} has recorded at each look; at the last one: {said}."
            found.append(View(f"own_{name}", name[:40], reading, rows, cursor="x"))
    return found


def _numbers(values: FloatArray, run: Run) -> FloatArray | None:
    """Values as numbers, one for each look; None: they are not."""
    if values.shape != run.total_steps.shape or values.dtype.kind not in "fiub":
        return None
    return values.astype(np.float64)


def _panel(run: Run, label: str, values: FloatArray) -> Panel:
    first, last = float(run.total_steps[0]), float(run.total_steps[-1])
    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    room = 0.05 * (high - low) or 0.5
    absent = () if known.size else (f"{label} is finite at no look",)
    curve = Curve(run.total_steps.astype(np.float64), values, "model", label)
    steps = Axis("optimizer step", first, max(last, first + 1.0))
    return Panel(steps, Axis("", low - room, high + room), (curve,), absent=absent)


def _last(values: FloatArray) -> str:
    return significant(float(values[-1]), 3) if np.isfinite(values[-1]) else "not finite"
