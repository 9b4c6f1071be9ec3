"""How many of the target's oscillations the model has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lightning_seqfit.diagnostics.base import (
    NO_TARGET,
    Diagnostic,
    Fact,
    Reading,
    Scene,
    Stored,
    checked_tolerance,
    no_lines,
)
from lightning_seqfit.diagnostics.section import Section
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.front import LEAST_LOCAL
from lightning_seqfit.measures.lobes import count_lobes, target_lobes
from lightning_seqfit.measures.oscillations import LEAST_POWER, Oscillations, count_oscillations, target_laps
from lightning_seqfit.probe import Observation

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


@dataclass(frozen=True)
class OscillationsRecord(Section):
    """Oscillation counts over the looks, each of shape ``(looks,)``, in halves."""

    chart = "oscillations"

    target: FloatArray
    model: FloatArray
    fitted: FloatArray
    missing: FloatArray
    spurious: FloatArray


_COUNTS = ("target", "model", "fitted", "missing", "spurious")


class OscillationDiagnostic(Diagnostic):
    """Counts at each look; nothing accumulates."""

    name = "oscillations"
    section = "oscillations"

    def __init__(self, tolerance: float) -> None:
        self.tolerance = checked_tolerance(tolerance)

    @property
    def options(self) -> tuple[Any, ...]:
        """The tolerance."""
        return (("tolerance", self.tolerance),)

    def unable(self, scene: Scene) -> str:
        """Without a target; points in more than three dimensions have no lines."""
        return no_lines(scene, "oscillations could be counted") if scene.known else NO_TARGET

    def begin(self, scene: Scene) -> None:
        """Count the target's: laps along one axis, lobes along several."""
        self.counts: list[Callable[[FloatArray, FloatArray, float], Oscillations]] = []  # one for each output
        for part in scene.each:
            geometry, trend = part.geometry, part.trend
            if geometry.dimension == 1:
                least = LEAST_LOCAL if part.relative == "local" else LEAST_POWER
                laps = target_laps(geometry, trend, part.noise, least_power=least)
                self.counts.append(partial(count_oscillations, geometry, trend, laps, noise=part.noise))
            else:
                lobes = target_lobes(geometry, trend, noise=part.noise)
                self.counts.append(partial(count_lobes, geometry, trend, lobes, noise=part.noise))

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Count the model's."""
        counts = [
            count(part.prediction, part.residual, self.tolerance)
            for count, part in zip(self.counts, observation.each, strict=True)
        ]
        return Reading({f"oscillations/{name}": float(sum(getattr(each, name) for each in counts)) for name in _COUNTS})

    @classmethod
    def read(cls, stored: Stored) -> OscillationsRecord | None:
        """The counts over the looks."""
        if "oscillations/target" not in stored.scalars:
            return None
        return OscillationsRecord(**{name: stored.scalar(f"oscillations/{name}") for name in _COUNTS})

    @classmethod
    def facts(cls, run: Run) -> list[Fact]:
        """How many of the target's are fitted."""
        seen, kind = run.oscillations, "oscillations" if len(run.axes) == 1 else "lobes"
        if seen is None or run.final:
            return []
        counted = f"{seen.fitted[-1]:g} of {seen.target[-1]:g}"
        return [Fact(f"{kind} fitted", counted, f"{counted} {kind}" if seen.target[-1] > 0 else "", headline=True)]
