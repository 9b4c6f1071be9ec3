"""How much a prediction still moves, where there is no target to compare it with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_seqfit.diagnostics.base import Diagnostic, Fact, Form, Reading, Scene, Stored, read_section
from lightning_seqfit.diagnostics.section import Section
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.change import ChangeHistory, measure_change, update
from lightning_seqfit.probe import Observation
from lightning_seqfit.probe.checks import checked_tolerance
from lightning_seqfit.views import View, line, plane, training
from lightning_seqfit.words import percent

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


@dataclass(frozen=True)
class ChangeRecord(Section):
    """How much the prediction moved at each look; see :mod:`lightning_seqfit.measures.change`.

    Attributes
    ----------
    local : c^2, shape ``(looks, cells)``; NaN: not known.
    since_last, since_half, moving : shape ``(looks,)``.
    reference : step of the look that the last one was compared with in ``since_half``, counted over all fits; -1: none.
    """

    local: FloatArray
    since_last: FloatArray
    since_half: FloatArray
    moving: FloatArray
    reference: float


_MEASURED = ("since_last", "since_half", "moving")


class ChangeDiagnostic(Diagnostic):
    """Change since earlier looks, of a probe without a target."""

    name = "change"
    section = "change"

    def __init__(self, tolerance: float) -> None:
        self.tolerance = checked_tolerance(tolerance)
        self._forget()

    def _forget(self) -> None:
        self.history: ChangeHistory | None = None
        self.reference = -1

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """The tolerance."""
        return (("tolerance", self.tolerance),)

    def unable(self, scene: Scene) -> str:
        """With a target."""
        return "the probe has a target: the error says more" if scene.known else ""

    def begin(self, scene: Scene) -> None:
        """Remember where the points lie."""
        self.geometry = scene.geometry

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Compare with earlier looks, and keep this one."""
        parts = [part.prediction for part in observation.parts]
        prediction = np.stack(parts) if parts else observation.prediction
        if self.history is not None and self.history.predictions[-1].shape != prediction.shape:
            self._forget()  # there are more outputs now, or fewer
        seen = measure_change(self.geometry, self.history, prediction, step, self.tolerance, scale)
        self.history, self.reference = update(self.history, prediction, step), seen.reference
        return Reading({f"change/{name}": float(getattr(seen, name)) for name in _MEASURED}, {"local": seen.local})

    def fixed(self) -> dict[str, Any]:
        """Step of the look that the last one was compared with."""
        return {"reference": float(self.reference)}

    def state_dict(self) -> dict[str, Any]:
        """The looks to compare with."""
        if self.history is None:
            return {}
        kept = {"steps": self.history.steps, "predictions": np.stack(self.history.predictions)}
        return {**kept, "reference": self.reference}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the looks back; an empty state begins anew."""
        self._forget()
        if state:
            steps, predictions = (np.asarray(state[name]) for name in ("steps", "predictions"))
            if (
                steps.dtype.kind != "i"
                or steps.ndim != 1
                or predictions.ndim not in (2, 3)
                or len(steps) != len(predictions)
            ):
                raise ValueError(f"looks at {steps.shape} steps and predictions of shape {predictions.shape}")
            self.history, self.reference = ChangeHistory(steps, tuple(predictions)), int(state["reference"])

    @classmethod
    def forms(cls) -> Mapping[str, Form]:
        """The local change of every look."""
        return {"local": ("f", "looks cells"), "reference": ("f", "")}

    @classmethod
    def read(cls, stored: Stored) -> ChangeRecord | None:
        """The change over the looks."""
        scalars = {name: stored.scalar(f"change/{name}") for name in _MEASURED}
        return read_section(ChangeRecord, stored, cls.forms(), **scalars)

    @classmethod
    def facts(cls, run: Run) -> list[Fact]:
        """How much it moved since half the steps, and where it still does."""
        seen = run.change
        if seen is None:
            return []
        moved, moving = seen.since_half[-1], seen.moving[-1]
        said = f"{percent(moved)} since step {seen.reference:,.0f}" if math.isfinite(moved) else "not known yet"
        if moved == math.inf:
            said = "not finite"
        return [
            Fact(
                "moved", said, f"the prediction moved by {said}" if math.isfinite(moved) else "", headline=not run.known
            ),
            *([Fact("still moving", f"{percent(moving)} of the domain")] if math.isfinite(moving) else []),
        ]

    @classmethod
    def views(cls, run: Run) -> Mapping[str, Callable[[Run], View]]:
        """How much it moved, and where."""
        placed = line.change if len(run.axes) == 1 else plane.change
        return {"7_change": placed if run.faces else training.change}
