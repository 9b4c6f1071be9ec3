"""How many of the target's oscillations the model has."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from lightning_seqfit.diagnostics.base import Diagnostic, Reading, Scene, checked_tolerance
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.front import LEAST_LOCAL
from lightning_seqfit.measures.lobes import count_lobes, target_lobes
from lightning_seqfit.measures.oscillations import LEAST_POWER, Oscillations, count_oscillations, target_laps
from lightning_seqfit.probe import Observation


class OscillationDiagnostic(Diagnostic):
    """Counts at each look; nothing accumulates."""

    name = "oscillations"

    def __init__(self, tolerance: float) -> None:
        self.tolerance = checked_tolerance(tolerance)

    @property
    def options(self) -> tuple[Any, ...]:
        """The tolerance."""
        return (("tolerance", self.tolerance),)

    def begin(self, scene: Scene) -> None:
        """Count the target's: laps along one axis, lobes along several."""
        geometry, trend = scene.geometry, scene.trend
        self.count: Callable[[FloatArray, FloatArray, float], Oscillations]
        if geometry.dimension == 1:
            least = LEAST_LOCAL if scene.relative == "local" else LEAST_POWER
            laps = target_laps(geometry, trend, scene.noise, least_power=least)
            self.count = partial(count_oscillations, geometry, trend, laps, noise=scene.noise)
        else:
            lobes = target_lobes(geometry, trend, noise=scene.noise)
            self.count = partial(count_lobes, geometry, trend, lobes, noise=scene.noise)

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Count the model's."""
        counts = self.count(observation.prediction, observation.residual, self.tolerance)
        names = ("target", "model", "fitted", "missing", "spurious")
        return Reading({f"oscillations/{name}": float(getattr(counts, name)) for name in names})
