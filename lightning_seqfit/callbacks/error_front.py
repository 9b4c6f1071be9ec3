"""Where the fit has got to, from which side it comes, and how fast."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from lightning_seqfit.callbacks.base import ProbeCallback
from lightning_seqfit.callbacks.diagnostic import Diagnostic, Reading, Scene, checked_history, checked_tolerance
from lightning_seqfit.callbacks.watch import Cadence
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures import front
from lightning_seqfit.probe import Observation, Probe


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
        self.active = front.active_points(scene.geometry, scene.trend)

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Read the front, and take it into the history."""
        geometry, trend = self.scene.geometry, self.scene.trend
        seen = front.measure_front(geometry, trend, self.active, observation.residual, scale, self.tolerance)
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

    def state_dict(self) -> dict[str, Any]:
        """The history."""
        return {} if self.history is None else asdict(self.history)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the history back; an empty state begins anew."""
        self.history = front.FrontHistory(**checked_history(state, front.FrontHistory)) if state else None


class ErrorFront(ProbeCallback):
    """Log how far the fit has got from each face, and whether it comes as a front.

    Tags under ``seqfit/``: ``error/relative_rmse``, ``error/max``, ``front/fitted``, ``front/depth/<face>``,
    ``front/sequentiality``, ``front/inwardness``, ``front/inwardness/<face>``, ``front/speed``, ``observer/...``.
    Definitions: :mod:`lightning_seqfit.measures.front`.

    Parameters
    ----------
    probe : where to look and what should be there.
    every_n_steps : optimizer steps between looks (the first ones are closer), or a function (step) -> bool.
    tolerance : relative error at which a place is fitted, between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    >>> callback = ErrorFront(probe, every_n_steps=50)
    """

    def __init__(self, probe: Probe, *, every_n_steps: Cadence = 100, tolerance: float = 0.25) -> None:
        super().__init__(probe, [FrontDiagnostic(tolerance)], every_n_steps)
