"""What every fit of a trial has in common: where the target is known, what it is there, and how a fit is looked at."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import nn

from lightning_seqfit.geometry import FloatArray, Geometry, Grid, IntArray, Scattered
from lightning_seqfit.planning import Plan
from lightning_seqfit.probe import Probe
from lightning_seqfit.probe.outputs import Output
from lightning_seqfit.record import Run
from lightning_seqfit.record.cells import geometry_of
from lightning_seqfit.trials.looks import Looks

#: Relative error at which a place is fitted.
TOLERANCE = 0.25
#: Points that are trained on, where a plan does not ask for more, and of a grid those that are looked at.
MOST_POINTS, MOST_LOOKED = 4096, 16_384


@dataclass(frozen=True)
class Task:
    """A target to fit, as another process can get it.

    Attributes
    ----------
    geometry : where it is looked at.
    values : the target where a module is asked, shape ``(P, k)``.
    bounds : of the domain, (low, high) for each axis.
    noise, relative, scale : as for :meth:`~lightning_seqfit.Probe.grid`.
    trained : numbers of the points that are trained on; None: all P.
    """

    geometry: Geometry
    values: FloatArray
    bounds: tuple[tuple[float, float], ...]
    noise: float | Literal["auto"] = 0.0
    relative: str = "global"
    scale: float | None = None
    trained: IntArray | None = None

    @classmethod
    def of(cls, source: Probe | Run, target: Callable[..., Any] | ArrayLike | Probe | None = None) -> Task:
        """Take the target of a probe or a run, or another one on its points.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            If there is no target, it is 0 everywhere, or it cannot be read.
        """
        probe = _probe(source, target)
        values = probe.values_asked()
        if not np.any(values):
            raise ValueError("the target is 0 everywhere, as that of a residual: there is nothing to fit; try the "
                             "probe of the solution, or give its values as the target")  # fmt: skip
        known = 0.0 if callable(probe.target) else "auto"
        noise: Any = known if probe.given_noise is None else probe.given_noise
        bounds = tuple((float(low), float(high)) for low, high in probe.geometry.bounds)
        return cls(probe.geometry, values, bounds, noise, probe.relative, probe.scale)

    @property
    def outputs(self) -> int:
        """Number of outputs, k."""
        return int(self.values.shape[1])

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of the values, a number an output; ``deviation``: their standard deviation, 1 of a constant."""
        return tuple(float(each) for each in self.values.mean(axis=0))

    @property
    def deviation(self) -> tuple[float, ...]:
        """Standard deviation of the values, a number an output; 1 where they are constant."""
        return tuple(float(each) or 1.0 for each in self.values.std(axis=0))

    def probe(self) -> Probe:
        """Return a probe that looks at a network of these outputs alone."""
        several = self.outputs > 1
        return Probe(
            self.geometry,
            self.values if several else self.values[:, 0],
            output="norm" if several else 0,
            noise=self.noise,
            relative=self.relative,
            scale=self.scale,
        )

    def coarsened(self, plan: Plan | None) -> Task:
        """Look at fewer points of a fine grid, where these are still twice as many an axis as a plan asks for."""
        if plan is None or not isinstance(self.geometry, Grid) or len(self.values) <= MOST_LOOKED:
            return self
        geometry, numbers = self.geometry.thinned(MOST_LOOKED // 2)
        enough = geometry.shape is not None and all(
            cells >= 2 * needed for cells, needed in zip(geometry.shape, plan.evenly.value, strict=True)
        )
        return replace(self, geometry=geometry, values=self.values[numbers]) if enough else self

    def thinned(self, plan: Plan | None) -> Task:
        """Train on some of the points, where they are enough: what a network does between them is measured too.

        On every second one, where these are still twice as many as a plan asks for; on about :data:`MOST_POINTS` where
        that is less, but on no fewer than a plan asks for. Of a lattice and along a line evenly, else at random.
        """
        count, along_line = len(self.values), isinstance(self.geometry, Scattered)
        shape = (count,) if along_line else self.geometry.shape or ()
        if math.prod(shape) != count or (plan is not None and len(plan.evenly.value) != len(shape)):
            shape = ()
        if plan is None:
            needed: tuple[int, ...] = (count,)
        else:
            needed = tuple(plan.evenly.value) if shape else (int(plan.at_random.value),)
        if count <= MOST_POINTS and count // 2 < 2 * math.prod(needed):
            return self
        if not shape:
            wanted = min(max(MOST_POINTS, math.prod(needed)) if plan is not None else MOST_POINTS, count // 2)
            rows = np.random.default_rng(0).permutation(count)[:wanted].astype(np.intp)
        elif count <= MOST_POINTS:
            rows = np.flatnonzero(np.indices(shape).sum(axis=0).ravel() % 2 == 0)
        else:
            rows = _strided(shape, needed if plan is not None else (4,) * len(shape))
        if len(rows) == count:
            return self
        if along_line:
            rows = np.argsort(self.geometry.asked[:, 0], kind="stable")[rows]
        return replace(self, trained=np.sort(rows))

    def training(self, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return points ``(n, d)`` and values ``(n, k)`` that are trained on, in the precision of a tensor."""
        rows = slice(None) if self.trained is None else self.trained
        points, values = np.array(self.geometry.asked[rows]), np.array(self.values[rows])  # torch wants to write
        return torch.as_tensor(points).to(like.dtype), torch.as_tensor(values).to(like.dtype)


class Eye:
    """Looks at networks that fit a task: how much is fitted, and how large the error is."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self._looks = Looks(task.probe(), TOLERANCE)
        self._looks.begin(nn.Linear(task.geometry.dimension, task.outputs))

    def look(self, network: nn.Module) -> tuple[float, float]:
        """Return fitted share and relative RMS error; ``(0.0, inf)`` where a prediction is not finite."""
        self._looks.forget()  # fits take turns
        fitted, error = self._looks.look(network, 0)
        return (fitted, error) if math.isfinite(fitted + error) else (0.0, error if math.isfinite(error) else math.inf)


def _probe(source: Probe | Run, target: Callable[..., Any] | ArrayLike | Probe | None) -> Probe:
    """The probe whose target is fitted."""
    if isinstance(target, Probe):
        return target
    if target is None:
        return source.probe() if isinstance(source, Run) else source
    if isinstance(source, Run):
        geometry, output = geometry_of(source.fine or source), source.output
        return Probe(geometry, _plain(target), output=output, name=source.name)
    output_of: Output = source.output
    keywords: dict[str, Any] = {"noise": "auto" if source.given_noise is None else source.given_noise}
    keywords |= {"output": list(output_of) if isinstance(output_of, tuple) else output_of}
    return Probe(source.geometry, _plain(target), relative=source.relative, scale=source.scale, **keywords)


def _plain(target: Callable[..., Any] | ArrayLike) -> Any:
    return target if callable(target) else np.asarray(target)


def _strided(shape: tuple[int, ...], needed: tuple[int, ...]) -> IntArray:
    """Numbers of evenly chosen points of a lattice, at most :data:`MOST_POINTS` where that leaves what is needed.

    Examples
    --------
    >>> len(_strided((96, 96), (20, 20))), len(_strided((96, 96), (50, 20))), len(_strided((10_000,), (40,)))
    (2304, 9216, 3334)
    """

    def along(stride: int) -> list[IntArray]:
        return [np.arange((cells - 1) % stride // 2, cells, stride) for cells in shape]

    stride = 1
    while math.prod(map(len, along(stride))) > MOST_POINTS:
        stride += 1
    while stride > 1 and any(len(chosen) < least for chosen, least in zip(along(stride), needed, strict=True)):
        stride -= 1
    numbers = np.arange(math.prod(shape)).reshape(shape)
    return numbers[np.ix_(*along(stride))].ravel()
