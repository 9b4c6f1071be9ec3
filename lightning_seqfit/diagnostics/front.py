"""Where the fit has got to, from which side it comes, and how fast."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from lightning_seqfit.diagnostics.base import Diagnostic, Reading, Scene, checked_history, checked_tolerance
from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.measures import front
from lightning_seqfit.probe import Observation
from lightning_seqfit.words import percent


class FrontDiagnostic(Diagnostic):
    """The error front and its history."""

    name = "front"

    def __init__(self, tolerance: float) -> None:
        self.tolerance = checked_tolerance(tolerance)
        self.history: front.FrontHistory | None = None
        self._ranked: FloatArray | None = None  # the arrivals that the inwardness was computed from
        self._inwardness: dict[str, float] = {}

    @property
    def options(self) -> tuple[Any, ...]:
        """The tolerance."""
        return (("tolerance", self.tolerance),)

    def begin(self, scene: Scene) -> None:
        """Find the active points."""
        self.scene = scene
        geometry, trend, noise = scene.geometry, scene.trend, scene.noise
        self.local = front.local_scale(geometry, trend, noise=noise) if scene.relative == "local" else None
        self.active = front.active_points(geometry, trend, noise=noise, local=self.local)

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Read the front, and take it into the history."""
        geometry, trend = self.scene.geometry, self.scene.trend
        seen = front.measure_front(
            geometry,
            trend,
            self.active,
            observation.residual,
            scale,
            self.tolerance,
            noise=self.scene.noise,
            local=self.local,
        )
        self.history = front.update(self.history, seen, self.active, step)
        if self._ranked is not self.history.arrival:  # ranking costs as much as all the rest
            self._ranked = self.history.arrival
            self._inwardness = front.inwardness(geometry, self.active, self.history)
        inwardness = self._inwardness
        scalars = {
            "front/fitted": seen.fitted_share,
            **{f"front/depth/{face}": depth for face, depth in seen.depth.items()},
            "front/sequentiality": front.sequentiality(self.history),
            "front/inwardness": front.overall_inwardness(geometry, trend, inwardness),
            **{f"front/inwardness/{face}": inwardness.get(face, math.nan) for face in geometry.faces},
            "front/speed": front.speed(self.history),
        }
        return Reading(scalars, {"front/local_error": seen.local_error})

    def fixed(self) -> dict[str, Any]:
        """Arrivals, active points and the tolerance."""
        arrays: dict[str, Any] = {"front/active": self.active, "front/tolerance": self.tolerance}
        if self.history is not None:
            arrays |= {"front/arrival": self.history.arrival, "front/settled": self.history.settled}
        return arrays

    def notes(self) -> list[str]:
        """Which share of the domain counts neither way."""
        quiet = quiet_share(self.active)
        return [f"front: {quiet}, where the target hardly oscillates; that counts neither way"] if quiet else []

    def summary(self) -> str:
        """Which share of the domain counts neither way."""
        return quiet_share(self.active)

    def state_dict(self) -> dict[str, Any]:
        """The history."""
        return {} if self.history is None else asdict(self.history)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the history back; an empty state begins anew."""
        self.history = front.FrontHistory(**checked_history(state, front.FrontHistory)) if state else None


def quiet_share(active: BoolArray) -> str:
    """What to say of the points that are not active; empty: there are none.

    Examples
    --------
    >>> quiet_share(np.arange(100) < 77), quiet_share(np.arange(1000) > 0), quiet_share(np.ones(3, dtype=bool))
    ('23 % of the domain is quiet', 'less than 1 % of the domain is quiet', '')
    """
    share = 1.0 - float(np.mean(active))
    return f"{percent(share)} of the domain is quiet" if share > 0.0 else ""
