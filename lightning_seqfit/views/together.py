"""Several runs in one picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.views.base import Axis, Curve, Panel, View
from lightning_seqfit.words import percent, significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


def together(runs: Mapping[str, Run]) -> list[View]:
    """Fitted share and error of several runs over the steps, those of them that any run has."""
    fitted = {name: 100.0 * run.front.fitted for name, run in runs.items() if run.front is not None and not run.final}
    tag = "error/relative_rmse"
    errors = {
        name: run.scalars[tag] for name, run in runs.items() if run.known and not run.final and tag in run.scalars
    }
    found = []
    if any(map(_known, fitted.values())):
        said = ", ".join(
            f"{name} {percent(values[-1] / 100)}" for name, values in fitted.items() if _known(values[-1:])
        )
        reading = f"Share of the domain that is fitted; at the last look: {said or 'not known'}."
        panel = _panel(runs, fitted, Axis("fitted, %", -3.0, 103.0))
        found.append(View("together_fitted", "Fitted share", reading, ((panel,),), cursor="x"))
    positive = [values[np.isfinite(values) & (values > 0.0)] for values in errors.values()]
    if any(map(len, positive)):
        every = np.concatenate(positive)
        said = ", ".join(
            f"{name} {significant(values[-1], 3)}" for name, values in errors.items() if _known(values[-1:])
        )
        reading = f"Relative error, each to the scale of its own target; at the last look: {said or 'not finite'}."
        panel = _panel(runs, errors, Axis("relative error", 0.8 * every.min(), 1.25 * every.max(), log=True))
        found.append(View("together_error", "Relative error", reading, ((panel,),), cursor="x"))
    return found


def _panel(runs: Mapping[str, Run], curves: Mapping[str, FloatArray], y: Axis) -> Panel:
    first = min(float(run.total_steps[0]) for run in runs.values())
    last = max(float(run.total_steps[-1]) for run in runs.values())
    drawn = [
        Curve(runs[name].total_steps.astype(np.float64), values, "series", name, number=number)
        for number, name in enumerate(runs)
        if (values := curves.get(name)) is not None
    ]
    return Panel(Axis("optimizer step", first, max(last, first + 1.0)), y, tuple(drawn))


def _known(values: FloatArray) -> bool:
    return bool(np.isfinite(values).any())
