"""Which basis functions the network has built, and whether they could express the target."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.diagnostics.base import (
    Diagnostic,
    Fact,
    Form,
    Reading,
    Scene,
    Stored,
    no_lines,
    number,
    read_section,
)
from lightning_seqfit.diagnostics.section import Section
from lightning_seqfit.geometry import FloatArray, IntArray
from lightning_seqfit.measures.basis import important_units, measure_basis, unit_places
from lightning_seqfit.probe import Observation
from lightning_seqfit.probe.read_out import ReadOut
from lightning_seqfit.views import View, line, plane, training
from lightning_seqfit.words import significant, warn

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

#: Snapshots kept of a run, units shown in one along one axis and along several, and points of each.
MOST_SNAPSHOTS, UNITS_1D, UNITS_ND, MOST_POINTS = 12, 16, 8, 4096
#: Points at which the basis is measured in one, two and three dimensions, evenly chosen and about as many: more cost
#: much and say little of functions that are smooth.
MEASURED_POINTS = (512, 48**2, 16**3)
#: Of these so many, drawn at random, are enough for its rank and what it could express; laps need all of them.
DECOMPOSED_POINTS = 1024
#: A snapshot is taken when the step has grown by this factor since the last one.
SNAPSHOT_GROWTH = 1.4


@dataclass(frozen=True)
class BasisRecord(Section):
    """The basis over the looks, each of shape ``(looks,)``, and its snapshots: S of U units at P points.

    Attributes
    ----------
    numerical_rank, effective_rank, monotone_share, median_laps, projection_error, constant_share, dead_domain : NaN
        where absent.
    snapshot_steps : shape ``(S,)``, counted over all fits.
    snapshot_units : numbers of the weightiest units, shape ``(S, U)``.
    snapshot_places : where each unit rises or falls, shape ``(S, U, d)``.
    snapshots : values, shape ``(S, U, P)``, float16.
    snapshot_points : shape ``(P, d)``.
    """

    numerical_rank: FloatArray
    effective_rank: FloatArray
    monotone_share: FloatArray
    median_laps: FloatArray
    projection_error: FloatArray
    constant_share: FloatArray
    dead_domain: FloatArray
    snapshot_steps: NDArray[np.int64]
    snapshot_units: NDArray[np.int64]
    snapshot_places: FloatArray
    snapshots: NDArray[np.float16]
    snapshot_points: FloatArray


_MEASURED = (
    "numerical_rank",
    "effective_rank",
    "monotone_share",
    "median_laps",
    "projection_error",
    "constant_share",
    "dead_domain",
)


class BasisDiagnostic(Diagnostic):
    """Rank, shape and reach of the basis at each look, and snapshots of its weightiest units now and then.

    Parameters
    ----------
    layer : dotted name of the layer whose input is the basis; default: the last ``nn.Linear`` that ran.
    name : another one is for the basis of a further layer, passed with ``also=[...]``: its tags and arrays have it.

    Examples
    --------
    >>> BasisDiagnostic("network.layers.2", name="first").read_out.name
    'network.layers.2'
    """

    name = "basis"
    section = "basis"
    read_out: ReadOut

    def __init__(self, layer: str | None = None, *, name: str = "basis") -> None:
        self.name, self.section = name, self.section if name == "basis" else ""
        self.layer = layer
        self.read_out = ReadOut(layer)
        self.lost = ""  # why there was no basis to look at
        self._forget()

    def _forget(self) -> None:
        self.snapshots: list[dict[str, Any]] = []
        self.growth = SNAPSHOT_GROWTH
        self.latest: tuple[int, FloatArray, FloatArray | None] | None = None
        self.absent = ""
        self.lines = ""  # why there are none

    @property
    def options(self) -> tuple[Any, ...]:
        """The layer."""
        return (("layer", self.layer),)

    def begin(self, scene: Scene) -> None:
        """Remember the scene, and look for the layer anew: the module may be another."""
        self.read_out.forget()
        self.read_out.rows, self.lost = None, ""
        self.geometry, self.rows = scene.geometry, np.arange(len(scene.target))
        fewer, numbers = scene.geometry.thinned(MEASURED_POINTS[min(scene.geometry.dimension, 3) - 1])
        if len(numbers) < len(scene.target):
            self.geometry, self.rows = fewer, numbers
        rows = scene.geometry.rows(self.rows)
        if not np.array_equal(rows, np.arange(len(scene.geometry.asked))):
            self.read_out.rows = rows
        self.lines = no_lines(scene, "units rise and fall")
        self.target = scene.components[..., self.rows]
        self.decomposed: IntArray | None = None
        self.fewer: IntArray | None = None
        if self.geometry.dimension == 1 and scene.noise == 0.0:  # noise is fitted more easily at fewer points
            self.fewer = self.geometry.lines(0)[0][::2]
        if len(self.rows) > DECOMPOSED_POINTS:  # at random, always the same: a stride would favour one axis
            drawn = np.random.default_rng(0).choice(len(self.rows), DECOMPOSED_POINTS, replace=False)
            self.decomposed = np.sort(drawn).astype(np.intp)

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Measure the basis, and take a snapshot if one is due."""
        features = observation.features
        if features is None:
            if not self.lost:
                warn(f"there is no basis to look at, all else goes on: {self.read_out.absent}")
            self.lost = self.read_out.absent
            return Reading({})
        only_output = observation.weights if observation.outputs == 1 and len(observation.each) == 1 else None
        prediction = observation.prediction[self.rows]
        if self.target.ndim > 1:
            prediction = np.stack([part.prediction[self.rows] for part in observation.parts])
        seen = measure_basis(
            self.geometry, features, self.target, prediction, scale, only_output, self.decomposed, self.fewer
        )
        self.absent = seen.projection_note
        self.latest = (step, features, observation.weights)
        if not self.snapshots or step >= self.growth * self.snapshots[-1]["step"]:
            self._snapshot()
        width = {f"{self.name}/width": float(features.shape[1])}
        return Reading({f"{self.name}/{name}": float(getattr(seen, name)) for name in _MEASURED}, kept=width)

    def _snapshot(self) -> None:
        """Keep the latest look; when all places are taken every second one goes, and the next come half as often."""
        if len(self.snapshots) == MOST_SNAPSHOTS - 1:  # the last place is that of the latest look
            self.snapshots = self.snapshots[::2]
            self.growth **= 2
        snapshot = self._latest_snapshot()
        if snapshot is not None:
            self.snapshots.append(snapshot)

    def _latest_snapshot(self) -> dict[str, Any] | None:
        if self.latest is None:
            return None
        step, features, weights = self.latest
        geometry = self.geometry
        units = important_units(features, weights, UNITS_1D if geometry.dimension == 1 else UNITS_ND)
        chosen = features[:, units]
        with np.errstate(over="ignore"):  # beyond float16 is inf
            values = np.stack([geometry.coarsen(unit, MOST_POINTS) for unit in chosen.T]).astype(np.float16)
        return {
            "step": step,
            "units": units,
            "places": unit_places(geometry, chosen)[0],
            "values": values,
        }

    def fixed(self) -> dict[str, Any]:
        """Snapshots, the latest look among them, and where their points lie."""
        kept = list(self.snapshots)
        if self.latest is not None and (not kept or kept[-1]["step"] != self.latest[0]):
            latest = self._latest_snapshot()
            kept += [latest] if latest is not None else []
        if not kept:
            return {}
        return {
            "snapshot_steps": np.array([snapshot["step"] for snapshot in kept]),
            "snapshot_units": np.stack([snapshot["units"] for snapshot in kept]),
            "snapshot_places": np.stack([snapshot["places"] for snapshot in kept]),
            "snapshots": np.stack([snapshot["values"] for snapshot in kept]),
            "snapshot_points": self.geometry.centres(MOST_POINTS),
        }

    def notes(self) -> list[str]:
        """Which layer was watched, and why the projection error is absent."""
        said = [f"{self.name}: input of layer {self.read_out.name!r}"] if self.read_out.name else []
        if self.lines:
            said.append(f"{self.name}/median_laps, monotone_share and dead_domain are absent: {self.lines}")
        said += [f"{self.name} is absent: {self.lost}"] if self.lost else []
        return said + ([f"{self.name}/projection_error is absent: {self.absent}"] if self.absent else [])

    def state_dict(self) -> dict[str, Any]:
        """The snapshots."""
        snapshots = {str(number): snapshot for number, snapshot in enumerate(self.snapshots)}
        return {"growth": self.growth, "snapshots": snapshots} if snapshots else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the snapshots back; an empty state begins anew."""
        self._forget()
        if state:
            self.growth = float(state["growth"])
            self.snapshots = [dict(snapshot) for snapshot in state["snapshots"].values()]

    @classmethod
    def forms(cls) -> Mapping[str, Form]:
        """The snapshots."""
        return {
            "snapshots": ("f", "snapshots units points"),
            "snapshot_steps": ("i", "snapshots"),
            "snapshot_units": ("i", "snapshots units"),
            "snapshot_places": ("f", "snapshots units axes"),
            "snapshot_points": ("f", "points axes"),
        }

    @classmethod
    def read(cls, stored: Stored) -> BasisRecord | None:
        """The basis over the looks."""
        return read_section(
            BasisRecord, stored, cls.forms(), **{name: stored.scalar(f"basis/{name}") for name in _MEASURED}
        )

    @classmethod
    def facts(cls, run: Run) -> list[Fact]:
        """How many functions it has, of which shape, and what they could express."""
        seen = run.basis
        if seen is None:
            return []
        ranks = seen.numerical_rank[np.isfinite(seen.numerical_rank)]
        laps = seen.median_laps[-1]
        return [
            Fact(
                "rank of the basis",
                " to ".join(number(rank, "{:g}") for rank in seen.numerical_rank[[0, -1]]),
                f"from {ranks[0]:g} to {ranks[-1]:g}" if ranks.size else "",
            ),
            *([Fact("median laps", number(laps, "{:.1f}"), _laps(laps))] if run.faces else []),
            *([Fact("projection error", number(seen.projection_error[-1], "{:.3f}"))] if run.known else []),
        ]

    @classmethod
    def views(cls, run: Run) -> Mapping[str, Callable[[Run], View]]:
        """The functions at a few moments, and how their number grew."""
        rank = {"6_rank": training.rank}
        return {"5_basis": line.basis if len(run.axes) == 1 else plane.basis, **rank} if run.faces else rank


def _laps(laps: float) -> str:
    """What is said of the units' shape; empty: not known."""
    if not math.isfinite(laps):
        return ""
    counted = significant(laps, 2)
    return f"{counted} lap{'' if counted == '1' else 's'} in the median at the end (1: a step)"
