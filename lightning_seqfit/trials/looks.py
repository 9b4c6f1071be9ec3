"""How far a module has got at a probe's points, measured as the callbacks measure it."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from torch import nn

from lightning_seqfit.diagnostics import Scene
from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.diagnostics.scene import read_scene
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.scale import error_of
from lightning_seqfit.probe import Observation, Probe


class Looks:
    """Looks at a module; of several outputs, the one that is fitted least counts.

    Parameters
    ----------
    probe : with a target.
    tolerance : relative error at which a place is fitted.
    """

    def __init__(self, probe: Probe, tolerance: float) -> None:
        self._probe, self._tolerance = probe, tolerance
        self._scenes: list[Scene] = []
        self._target: FloatArray = np.zeros(0)

    def begin(self, module: nn.Module) -> None:
        """Read the target as a module sees it, and forget the looks so far."""
        self._probe.settle(module)
        self._scenes = [read_scene(one, module) for one in self._probe.split()]
        targets = [part.target for scene in self._scenes for part in scene.each]
        several = isinstance(self._probe.output, tuple) or bool(self._scenes[0].parts)
        self._target = np.stack(targets, axis=1) if several else targets[0]
        self.forget()

    def forget(self) -> None:
        """Forget the looks so far."""
        self._fronts = [FrontDiagnostic(self._tolerance) for _ in self._scenes]
        self._scales = [math.nan] * len(self._scenes)
        for front, scene in zip(self._fronts, self._scenes, strict=True):
            front.begin(scene)

    def look(
        self, module: nn.Module, step: int, precision: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> tuple[float, float]:
        """Return the fitted share and the relative RMS error, infinite where a prediction is not finite."""
        seen = self._probe.observe(module, self._target, precision)
        parts = seen.parts if isinstance(self._probe.output, tuple) else (seen,)
        with np.errstate(all="ignore"):
            found = [self._measure(number, part, step) for number, part in enumerate(parts)]
        return min(fitted for fitted, _ in found), max(error for _, error in found)

    def _measure(self, number: int, seen: Observation, step: int) -> tuple[float, float]:
        scene = self._scenes[number]
        if math.isnan(self._scales[number]):
            self._scales[number] = scene.scale.at_first(scene.geometry, seen.residual)
        scale = self._scales[number]
        error = error_of(scene.geometry, seen.residual, scale, scene.noise)["error/relative_rmse"]
        fitted = self._fronts[number].look(seen, scale, step).scalars["front/fitted"]
        return float(fitted), float(error)
