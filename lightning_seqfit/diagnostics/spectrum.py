"""Which frequencies of the target are missing, and in which order they are fitted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from lightning_seqfit.diagnostics.base import Diagnostic, Reading, Scene, checked_history, checked_tolerance
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures import spectrum
from lightning_seqfit.measures.oscillations import roughness
from lightning_seqfit.probe import Observation

#: Frequencies kept of each look.
MOST_FREQUENCIES = 1024
#: Share of the target's oscillation at no frequency from which on it is said.
LEAST_UNTOLD = 0.1
#: Roughness of the target from which on it is said: that of a wave with 9 random points a cycle.
MOST_ROUGHNESS = 0.33


class SpectrumDiagnostic(Diagnostic):
    """The residual's spectrum, and when each band of the target was fitted."""

    name = "fourier"

    def __init__(self, tolerance: float) -> None:
        self.tolerance = checked_tolerance(tolerance)
        self.history: spectrum.SpectrumHistory | None = None
        self._ordered: FloatArray | None = None  # the convergence that the order was computed from
        self._order = math.nan

    @property
    def options(self) -> tuple[Any, ...]:
        """The tolerance."""
        return (("tolerance", self.tolerance),)

    def begin(self, scene: Scene) -> None:
        """Find the target's bands."""
        self.scene = scene
        self.target = spectrum.target_spectrum(scene.geometry, scene.trend)
        labels = self.target.labels
        carrying = [label for label, carries in zip(labels, self.target.carrying, strict=True) if carries]
        self.error_tags = [f"fourier/relative_error/{label}" for label in carrying]
        self.share_tags = [f"fourier/share/{label}" for label in labels]
        self._ordered = None

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Read the spectrum, and take it into the history."""
        seen = spectrum.measure_spectrum(self.scene.geometry, self.target, observation.residual, scale)
        self.history = spectrum.update(self.history, seen, step, self.tolerance)
        if self._ordered is None or not np.array_equal(self._ordered, self.history.converged):
            self._ordered = self.history.converged
            self._order = spectrum.spectral_order(self.target, self.history)
        scalars = {
            **dict(zip(self.error_tags, seen.relative_error[self.target.carrying].tolist(), strict=True)),
            **dict(zip(self.share_tags, seen.share.tolist(), strict=True)),
            "fourier/trend": seen.trend_share,
            "fourier/front_frequency": spectrum.front_frequency(self.target, seen, self.tolerance),
            "fourier/spectral_order": self._order,
        }
        return Reading(scalars, arrays={"fourier/power": self._recorded(seen.power)})

    def _recorded(self, power: FloatArray) -> FloatArray:
        """Power in the shells around whole frequencies; along several axes whatever the direction."""
        shell = np.maximum(np.rint(self.target.frequency), self.target.frequency > 0).astype(np.intp)
        summed: FloatArray = np.bincount(shell, power)[:MOST_FREQUENCIES].astype(np.float64)
        return summed

    def fixed(self) -> dict[str, Any]:
        """Bands, which of them carry, and when they converged."""
        arrays: dict[str, Any] = {
            "fourier/edges": self.target.edges,
            "fourier/carrying": self.target.carrying,
            "fourier/band_power": self.target.band_power,
            "fourier/frequency": np.arange(len(self._recorded(self.target.frequency)), dtype=np.float64),
            "fourier/target_trend_share": spectrum.trend_share_of_target(self.scene.trend, self.scene.target),
        }
        if self.history is not None:
            arrays["fourier/converged"] = self.history.converged
        return {name: np.asarray(value) for name, value in arrays.items()}

    def notes(self) -> list[str]:
        """Bands whose frequencies gaps hide, and what of the target uneven points cannot tell."""
        if self.scene.geometry.complete or self.scene.trend.variance == 0.0:
            return []
        target, said = self.target, []
        narrow = [
            label
            for label, width in zip(target.labels, np.diff(target.edges), strict=True)
            if 2 * width < self.scene.geometry.resolution
        ]
        if narrow:
            said.append(
                f"fourier: gaps leave no stretch in which frequencies less than {self.scene.geometry.resolution:.3g} "
                f"cycles apart can be told; absent: {', '.join(narrow)}"
            )
        untold = float(target.band_power[-1] / target.band_power.sum())
        if untold > LEAST_UNTOLD:
            said.append(
                f"fourier: {untold:.0%} of the target's oscillation is at no frequency that the points can tell; what "
                f"the model lacks of it is in fourier/share/{target.labels[-1]}: give more points"
            )
        rough = roughness(self.scene.geometry, self.scene.trend.oscillation)
        if rough > MOST_ROUGHNESS:
            said.append(
                "fourier: neighbouring points differ by "
                f"{rough:.0%} of what points far apart do: the target is fast for so few points, or noise, and where "
                "they lie unevenly a part of its power is read at other frequencies; give more points"
            )
        return said

    def state_dict(self) -> dict[str, Any]:
        """The history."""
        return {} if self.history is None else asdict(self.history)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the history back; an empty state begins anew."""
        kind = spectrum.SpectrumHistory
        self.history = kind(**checked_history(state, kind)) if state else None
