"""Where the fit has got to, from which side it comes, and how fast."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_seqfit.diagnostics.base import (
    NO_TARGET,
    Accumulating,
    Fact,
    Form,
    Reading,
    Scene,
    Stored,
    number,
    read_section,
)
from lightning_seqfit.diagnostics.section import Section
from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.measures import front
from lightning_seqfit.probe import Observation
from lightning_seqfit.views import View, line, plane
from lightning_seqfit.words import how_far, percent

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


@dataclass(frozen=True)
class FrontRecord(Section):
    """The error front over the looks; arrays have the look as first axis, but for the last four.

    Attributes
    ----------
    local_error : q, shape ``(looks, cells)``.
    fitted : fitted share, shape ``(looks,)``; likewise ``sequentiality`` and ``speed``.
    depth, inwardness : by face, shape ``(looks,)`` each.
    overall_inwardness : shape ``(looks,)``.
    arrival, settled : first step at which a cell was fitted, and since when it is; shape ``(cells,)``, ``inf``: never.
    active : the cells that count, shape ``(cells,)``.
    tolerance : relative error at which a point is fitted.
    quiet : share of the domain in which the target hardly oscillates, which counts neither way; NaN: in older records.
    """

    local_error: FloatArray
    fitted: FloatArray
    sequentiality: FloatArray
    speed: FloatArray
    depth: dict[str, FloatArray]
    inwardness: dict[str, FloatArray]
    overall_inwardness: FloatArray
    arrival: FloatArray
    settled: FloatArray
    active: BoolArray
    tolerance: float
    quiet: float = math.nan


class FrontDiagnostic(Accumulating):
    """The error front and its history."""

    name = "front"
    section = "front"
    history_kind = front.FrontHistory
    history: front.FrontHistory | None

    def __init__(self, tolerance: float) -> None:
        super().__init__(tolerance)
        self._ranked: FloatArray | None = None  # the arrivals that the inwardness was computed from
        self._inwardness: dict[str, float] = {}

    def unable(self, scene: Scene) -> str:
        """Without a target."""
        return "" if scene.known else NO_TARGET

    def begin(self, scene: Scene) -> None:
        """Find the active points."""
        self.scene = scene
        geometry, trend, noise = scene.geometry, scene.trend, scene.noise
        self.local = front.local_scale(geometry, trend, noise=noise) if scene.relative == "local" else None
        self.active = front.active_points(geometry, trend, noise=noise, local=self.local)
        self._measured(np.ones(len(scene.target)), 1.0)  # what is found once of the points is found before a training

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Read the front, and take it into the history."""
        geometry, trend = self.scene.geometry, self.scene.trend
        seen = self._measured(observation.residual, scale)
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
        return Reading(scalars, {"local_error": seen.local_error})

    def _measured(self, residual: FloatArray, scale: float) -> front.Front:
        """The front of one residual."""
        scene, noise = self.scene, self.scene.noise
        return front.measure_front(
            scene.geometry, scene.trend, self.active, residual, scale, self.tolerance, noise=noise, local=self.local
        )

    def fixed(self) -> dict[str, Any]:
        """Arrivals, active points and the tolerance."""
        arrays: dict[str, Any] = {"active": self.active, "tolerance": self.tolerance, "quiet": _quiet(self.active)}
        if self.history is not None:
            arrays |= {"arrival": self.history.arrival, "settled": self.history.settled}
        return arrays

    def notes(self) -> list[str]:
        """Which share of the domain counts neither way."""
        quiet = quiet_share(_quiet(self.active))
        return [f"front: {quiet}, where the target hardly oscillates; that counts neither way"] if quiet else []

    @classmethod
    def forms(cls) -> Mapping[str, Form]:
        """Local error of every look, and what was decided once."""
        return {
            "arrival": ("f", "cells"),
            "settled": ("f", "cells"),
            "active": ("b", "cells"),
            "tolerance": ("f", ""),
            "quiet": ("f?", ""),
            "local_error": ("f", "looks cells"),
        }

    @classmethod
    def read(cls, stored: Stored) -> FrontRecord | None:
        """The front over the looks."""
        return read_section(
            FrontRecord,
            stored,
            cls.forms(),
            **{name: stored.scalar(f"front/{name}") for name in ("fitted", "sequentiality", "speed")},
            **{
                name: {face: stored.scalar(f"front/{name}/{face}") for face in stored.faces}
                for name in ("depth", "inwardness")
            },
            overall_inwardness=stored.scalar("front/inwardness"),
        )

    @classmethod
    def facts(cls, run: Run) -> list[Fact]:
        """How far it has come, from where, in which order, and which share of the domain counts neither way."""
        seen = run.front
        if seen is None:
            return []
        if run.final:
            return [*_half_arrived(run, seen), *_order(run, seen)]
        far = how_far(seen.fitted[-1], run.scalars["error/relative_rmse"][-1], run.scale_of)
        quiet = quiet_share(seen.quiet)
        return [
            Fact(
                "fitted" if run.scale_of != "first look" else "error",
                far.removesuffix(" fitted") or "not known yet",
                far,
                headline=True,
            ),
            *(Fact(f"depth from {face}", number(seen.depth[face][-1], "{:.2f}")) for face in run.faces),
            *_order(run, seen),
            *([Fact("quiet", quiet.partition(" of the")[0], quiet, headline=True)] if quiet else []),
        ]

    @classmethod
    def views(cls, run: Run) -> Mapping[str, Callable[[Run], View]]:
        """Where the front was when."""
        if len(run.axes) == 1:
            return {"1_front": line.front, "3_arrival": line.arrival}
        return {"1_front": plane.front} if run.faces else {}


def _order(run: Run, seen: FrontRecord) -> list[Fact]:
    """In which order it came, and from where."""
    order = seen.sequentiality[-1], seen.overall_inwardness[-1]
    said = f"inwardness {order[1]:+.2f}" if math.isfinite(order[1]) else ""
    return [
        Fact(
            "sequentiality",
            number(order[0], "{:.2f}"),
            f"sequentiality {order[0]:.2f}" if math.isfinite(order[0]) else "",
        ),
        *(Fact(f"inwardness from {face}", number(seen.inwardness[face][-1], "{:+.2f}")) for face in run.faces),
        *([Fact("inwardness", number(order[1], "{:+.2f}"), said)] if run.faces else []),
    ]


def _half_arrived(run: Run, seen: FrontRecord) -> list[Fact]:
    """When a prediction was within tolerance of the run's own last one: in half of the domain, and in all of it."""
    facts = []
    for share, label in ((0.5, "half arrived"), (1.0, "all arrived")):
        short = np.flatnonzero(seen.fitted < share)
        look = int(short[-1]) + 1 if short.size else 0
        if look < len(seen.fitted):
            step = f"by step {run.total_steps[look]:,}"
            facts.append(Fact(label, step, f"{label} {step}", headline=share < 1.0))
    return facts


def _quiet(active: BoolArray) -> float:
    return 1.0 - float(np.mean(active))


def quiet_share(share: float) -> str:
    """What to say of the share of the points that are not active; empty: there are none, or it is not known.

    Examples
    --------
    >>> quiet_share(0.23), quiet_share(0.001), quiet_share(0.0)
    ('23 % of the domain is quiet', 'less than 1 % of the domain is quiet', '')
    """
    return f"{percent(share)} of the domain is quiet" if share > 0.0 else ""
