"""What users' own diagnostics have recorded, over the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.views.base import Axis, Curve, Panel, View
from lightning_seqfit.words import significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


#: What tags of ours begin with; none of a user's diagnostic does.
OURS = ("basis", "change", "error", "fourier", "front", "observer", "oscillations", "stall", "training")


def own(run: Run) -> list[View]:
    """Scalars of users' own diagnostics over the steps, a view for all whose tags begin alike."""
    groups: dict[str, dict[str, FloatArray]] = {}
    for tag, values in run.scalars.items():
        head = tag.partition("/")[0]
        if head not in OURS and values.dtype.kind in "fiub":
            groups.setdefault(head, {})[tag] = values.astype(np.float64)
    found = []
    for name, curves in groups.items():
        rows = tuple((_panel(run, label, values),) for label, values in curves.items())
        said = ", ".join(f"{label} {_last(values)}" for label, values in curves.items())
        reading = f"What the diagnostic {name} has recorded at each look; at the last one: {said}."
        found.append(View(f"own_{name}", name[:40], reading, rows, cursor="x"))
    return found


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
