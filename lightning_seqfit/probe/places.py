"""Points as a module sees them, in its precision and where it lies, and a target's values there."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.probe.asking import mismatch
from lightning_seqfit.probe.checks.echo import quoted
from lightning_seqfit.probe.checks.values import checked_values
from lightning_seqfit.probe.guard import leave_untouched
from lightning_seqfit.probe.outputs import Columns

#: Different places along an axis that must be left in the module's precision.
FEWEST_PLACES = 8
# A few points of very many may coincide by chance.
_LEFT = 0.99


def placement(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and real dtype of the module's first parameter that has one, else of its first such buffer.

    Where all its tensors hold whole numbers: the device of the first, and float32.
    """
    first = None
    for tensor in chain(module.parameters(), module.buffers()):
        if tensor.is_floating_point() or tensor.is_complex():
            return tensor.device, tensor.dtype.to_real()
        first = tensor if first is None else first
    return torch.device("cpu") if first is None else first.device, torch.float32


def placed(points: FloatArray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return points in the precision of a module, and where it lies."""
    return torch.tensor(points, dtype=torch.float64).to(device=device, dtype=dtype)


def rounded(geometry: Geometry, dtype: torch.dtype) -> str:
    """What to say of points that coincide in a module's precision; empty: hardly any do.

    Raises
    ------
    ValueError
        If fewer than 8 different places are left along an axis, or points lie beyond what the precision holds.
    """
    name = str(dtype).removeprefix("torch.")
    advice = "shift and scale the inputs, so that they span about -1 to 1, or train in float64"
    said = []
    for axis, label in enumerate(geometry.axes):
        places = geometry.points[geometry.lines(axis)[0], axis]
        seen = placed(places, torch.device("cpu"), dtype).to(torch.float64).numpy()
        if not np.isfinite(seen).all():
            raise ValueError(
                f"points reach {np.max(np.abs(places)):.3g} on axis {label}, which {name}, the precision of the "
                f"module, does not hold: {advice}"
            )
        given, left = np.unique(places).size, np.unique(seen).size
        remain = f"{left} of {given} places on axis {label}"
        if left < min(given, FEWEST_PLACES):
            raise ValueError(f"only {remain} remain different in {name}, the precision of the module: {advice}")
        if left < _LEFT * given:
            said.append(remain)
    return (
        f"only {' and '.join(said)} remain different in {name}, the precision of the module: {advice}" if said else ""
    )


def evaluated(
    target: Callable[..., Any],
    points: FloatArray,
    device: torch.device,
    dtype: torch.dtype,
    columns: Columns,
) -> FloatArray:
    """Values of a target callable at the points as the module sees them, shape ``(N,)``, of several ``(N, k)``."""
    # the module's rounding of the coordinates, but never less than float32 for the arithmetic
    seen = placed(points, device, dtype)
    seen = seen.to(torch.promote_types(dtype, torch.float32))
    with leave_untouched(nn.Module(), device):
        try:
            values = target(seen)
        except Exception as error:
            takes = mismatch(target, 1)
            advice = f"; it takes {takes}: write it as a function of one argument, points (N, d)" if takes else ""
            raise RuntimeError(
                f"target raised {quoted(error)}; it is called with points of shape {points.shape} and must return "
                f"{len(points)} values{advice}"
            ) from error
        return columns.of(checked_values(values, len(points), columns=columns.number()))
