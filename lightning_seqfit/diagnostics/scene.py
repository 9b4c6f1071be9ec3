"""The scene of a probe: its target read, with what errors are relative to."""

from __future__ import annotations

import math

import numpy as np
from torch import nn

from lightning_seqfit.diagnostics.base import Scene
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.lengths import lengths
from lightning_seqfit.measures.scale import combined, scale_of
from lightning_seqfit.measures.trend import Trend
from lightning_seqfit.probe import Probe


def read_scene(probe: Probe, module: nn.Module) -> Scene:
    """Read a probe's target as a module sees it.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        As :meth:`Probe.read_target`.

    Examples
    --------
    >>> import torch
    >>> probe = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(9 * x[:, 0]))
    >>> read_scene(probe, nn.Linear(1, 1)).target.shape
    (512,)
    """
    target, trend = probe.read_target(module)
    target = target.view()  # the array itself may be the user's
    lock(target, trend.values)
    return _of_several(probe, target, trend) if trend.parts else _of_one(probe, target, trend, probe.noise)


def _of_one(probe: Probe, target: FloatArray, trend: Trend, noise: float) -> Scene:
    geometry = probe.geometry
    with np.errstate(all="ignore"):
        scale = scale_of(geometry, target, trend, noise=noise, given=probe.scale)
    return Scene(geometry, target, trend, noise, scale, probe.relative, known=probe.target is not None)


def _of_several(probe: Probe, targets: FloatArray, trend: Trend) -> Scene:
    """The scene of the length over several outputs, of targets of shape ``(N, k)``."""
    parts = [
        _of_one(probe, np.ascontiguousarray(target), part, noise)
        for target, part, noise in zip(targets.T, trend.parts, probe.noises(), strict=True)
    ]
    target, scale = lengths([part.target for part in parts]), combined([part.scale for part in parts])
    noise = math.hypot(*(part.noise for part in parts))
    lock(target, *(part.target for part in parts))
    return Scene(probe.geometry, target, trend, noise, scale, probe.relative, tuple(parts))


def lock(*arrays: FloatArray) -> None:
    """Let nobody write into arrays that others will read."""
    for array in arrays:
        array.flags.writeable = False
