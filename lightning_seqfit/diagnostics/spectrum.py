"""Which frequencies of the target are missing, and in which order they are fitted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.diagnostics.base import (
    NO_TARGET,
    Accumulating,
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
from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.measures import spectrum
from lightning_seqfit.measures.highest import flatness
from lightning_seqfit.measures.oscillations import roughness
from lightning_seqfit.probe import Observation
from lightning_seqfit.views import View, training

#: Frequencies kept of each look.
MOST_FREQUENCIES = 1024
#: Share of the target's oscillation at no frequency from which on it is said.
LEAST_UNRESOLVED = 0.1
#: Roughness of the target from which on it is said: that of a wave with 9 random points a cycle.
MOST_ROUGHNESS = 0.33

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


@dataclass(frozen=True)
class SpectrumRecord(Section):
    """The residual's spectrum over the looks; arrays have the look as first axis, but for the last five.

    Attributes
    ----------
    relative_error, share : by band label such as ``"8-16"``, shape ``(looks,)`` each; NaN where a band does not carry.
    trend : trend term / scale, shape ``(looks,)``; likewise ``front_frequency`` and ``spectral_order``.
    power : of the residual at ``frequency``, shape ``(looks, frequencies)``; the first one is the trend term.
    frequency : cycles per domain length, shape ``(frequencies,)``.
    edges : of the bands, shape ``(bands + 1,)``.
    carrying : bands in which the target oscillates, shape ``(bands,)``.
    converged : first step at which a band was fitted, shape ``(bands,)``; ``inf``: never.
    target_trend_share : variance of the target's trend / variance of the target.
    """

    relative_error: dict[str, FloatArray]
    share: dict[str, FloatArray]
    trend: FloatArray
    front_frequency: FloatArray
    spectral_order: FloatArray
    power: FloatArray
    frequency: FloatArray
    edges: NDArray[np.int64]
    carrying: BoolArray
    converged: FloatArray
    target_trend_share: float

    @property
    def labels(self) -> list[str]:
        """Labels of the bands, low to high."""
        return list(self.share)


class SpectrumDiagnostic(Accumulating):
    """The residual's spectrum, and when each band of the target was fitted."""

    name = "fourier"
    section = "spectrum"
    history_kind = spectrum.SpectrumHistory
    history: spectrum.SpectrumHistory | None

    def __init__(self, tolerance: float, edges: Sequence[int] | None = None) -> None:
        super().__init__(tolerance)
        self.edges = edges  # of the bands; None: octaves
        self._ordered: FloatArray | None = None  # the convergence that the order was computed from
        self._order = math.nan

    def unable(self, scene: Scene) -> str:
        """Without a target; points in more than three dimensions have no frequencies."""
        return no_lines(scene, "a spectrum could be read") if scene.known else NO_TARGET

    def begin(self, scene: Scene) -> None:
        """Find the target's bands."""
        self.scene = scene
        self.targets = [spectrum.target_spectrum(part.geometry, part.trend, self.edges) for part in scene.each]
        self.target = spectrum.combined_target(self.targets) if scene.parts else self.targets[0]
        labels = self.target.labels
        carrying = [label for label, carries in zip(labels, self.target.carrying, strict=True) if carries]
        self.error_tags = [f"fourier/relative_error/{label}" for label in carrying]
        self.share_tags = [f"fourier/share/{label}" for label in labels]
        self.shell = np.maximum(np.rint(self.target.frequency), self.target.frequency > 0).astype(np.intp)
        self._ordered = None

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Read the spectrum, and take it into the history."""
        spectra = [
            spectrum.measure_spectrum(self.scene.geometry, target, part.residual, scale)
            for target, part in zip(self.targets, observation.each, strict=True)
        ]
        seen = spectrum.combined(self.target, spectra) if self.scene.parts else spectra[0]
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
        kept = {"fourier/flatness": flatness(seen.power[1:])}
        return Reading(scalars, arrays={"power": self._recorded(seen.power)}, kept=kept)

    def _recorded(self, power: FloatArray) -> FloatArray:
        """Power in the shells around whole frequencies; along several axes whatever the direction."""
        summed: FloatArray = np.bincount(self.shell, power)[:MOST_FREQUENCIES].astype(np.float64)
        return summed

    def fixed(self) -> dict[str, Any]:
        """Bands, which of them carry, and when they converged."""
        arrays: dict[str, Any] = {
            "edges": self.target.edges,
            "carrying": self.target.carrying,
            "band_power": self.target.band_power,
            "frequency": np.arange(len(self._recorded(self.target.frequency)), dtype=np.float64),
            "target_trend_share": spectrum.trend_share_of_target(self.scene.trend, self.scene.components),
        }
        if self.history is not None:
            arrays["converged"] = self.history.converged
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
        unresolved = float(target.band_power[-1] / target.band_power.sum())
        if unresolved > LEAST_UNRESOLVED:
            said.append(
                f"fourier: {unresolved:.0%} of the target's oscillation is at no frequency that the points can tell; "
                f"what the model lacks of it is in fourier/share/{target.labels[-1]}: give more points"
            )
        waving = [part.trend.oscillation for part in self.scene.each if part.trend.variance > 0.0]
        rough = max(roughness(self.scene.geometry, oscillation) for oscillation in waving)
        if rough > MOST_ROUGHNESS:
            said.append(
                "fourier: neighbouring points differ by "
                f"{rough:.0%} of what points far apart do: the target is fast for so few points, or noise, and where "
                "they lie unevenly a part of its power is read at other frequencies; give more points"
            )
        return said

    @classmethod
    def forms(cls) -> Mapping[str, Form]:
        """The spectrum of every look, and the target's bands."""
        return {
            "converged": ("f", "bands"),
            "carrying": ("b", "bands"),
            "edges": ("i", "edges"),
            "frequency": ("f", "frequencies"),
            "power": ("f", "looks frequencies"),
            "target_trend_share": ("f", ""),
        }

    @classmethod
    def read(cls, stored: Stored) -> SpectrumRecord | None:
        """The spectrum over the looks."""
        if "edges" not in stored.arrays:
            return None
        edges, bands = stored.arrays["edges"].tolist(), len(stored.arrays["carrying"])
        if len(edges) != bands + 1 or any(low >= high for low, high in itertools.pairwise(edges)):
            raise ValueError(f"'fourier/edges' is {edges}, expected rising edges of {bands} bands")
        labels = [f"{low}-{high}" for low, high in itertools.pairwise(edges)]
        return read_section(
            SpectrumRecord,
            stored,
            cls.forms(),
            **{
                name: {label: stored.scalar(f"fourier/{name}/{label}") for label in labels}
                for name in ("relative_error", "share")
            },
            **{name: stored.scalar(f"fourier/{name}") for name in ("trend", "front_frequency", "spectral_order")},
        )

    @classmethod
    def facts(cls, run: Run) -> list[Fact]:
        """The order in which bands were fitted."""
        seen = run.spectrum
        if seen is None:
            return []
        order, several = seen.spectral_order[-1], np.count_nonzero(seen.carrying) > 1
        said = f"spectral order {order:+.2f}" if math.isfinite(order) else ""
        return [Fact("spectral order", number(order, "{:+.2f}") if several else "none: one band", said)]

    @classmethod
    def views(cls, run: Run) -> Mapping[str, Callable[[Run], View]]:
        """What is missing, and when."""
        return {"4_spectrum": training.spectrum}
