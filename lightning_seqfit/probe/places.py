"""Points as a module sees them, in its precision and where it lies, and a target's values there."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.geometry import MOST_AXES, BoolArray, Cloud, FloatArray, Geometry, Grid, Laid, Scattered
from lightning_seqfit.geometry.laying import lay_points
from lightning_seqfit.probe.asking import mismatch
from lightning_seqfit.probe.checks.echo import quoted
from lightning_seqfit.probe.checks.values import checked_values
from lightning_seqfit.probe.guard import leave_untouched
from lightning_seqfit.probe.outputs import Columns

#: Different places along an axis that must be left in the module's precision.
FEWEST_PLACES = 8
#: Points that must be left inside a domain.
FEWEST_INSIDE = 16
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


def geometry_of(
    coordinates: FloatArray,
    bounds: tuple[tuple[float, float], ...] | None,
    axes: tuple[str, ...],
    inside: Callable[..., Any] | None = None,
) -> Geometry:
    """Return the geometry of given points.

    Parameters
    ----------
    coordinates : shape ``(N,)`` along one axis, or ``(N, d)``.
    bounds : one (low, high) per axis; None: as the points suggest.
    axes : names of the axes.
    inside : of points in two or three dimensions, all of which are, whether places lie in the domain; None: those near
        points do.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If the points span no domain, or lie beyond bounds, or ``inside`` cannot be used.
    """
    if coordinates.ndim == 1:
        scattered = Scattered.spanning(coordinates, axes)
        return scattered if bounds is None else Scattered(scattered.coordinates, bounds, axes)
    if coordinates.shape[1] > MOST_AXES:
        return Cloud.spanning(coordinates, axes) if bounds is None else Cloud(coordinates, bounds, axes)
    laying = lay_points(coordinates, bounds, None if inside is None else partial(is_inside, inside))
    box = Grid(laying.bounds, laying.shape, axes, laying.ends)
    return Laid(box, laying.inside, laying.source, coordinates)


def placed(points: FloatArray, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return points in the precision of a module, and where it lies."""
    return torch.tensor(points, dtype=torch.float64).to(device=device, dtype=dtype)


def covered(grid: Grid, inside: Callable[..., Any] | None) -> tuple[Geometry, BoolArray]:
    """Return the part of a grid that lies inside a domain, the grid itself where all of it does, and which points do.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If ``inside`` raises, does not say yes or no of every point, or leaves too few.
    """
    mask = np.ones(len(grid.points), dtype=bool) if inside is None else is_inside(inside, grid.points)
    if mask.all():
        return grid, mask
    left = int(np.count_nonzero(mask))
    if left < FEWEST_INSIDE:
        raise ValueError(
            f"inside leaves {left} of {mask.size} points, and {FEWEST_INSIDE} are needed: it is called with points of "
            "shape (N, d) in the units of bounds; give bounds that fit the domain, or a finer resolution"
        )
    if grid.dimension > 1:
        return Laid(grid, mask), mask
    half = grid.lengths[0] / grid.shape[0] / 2 if grid.ends else 0.0
    ((low, high),) = grid.bounds
    return Scattered(grid.points[mask, 0], ((low - half, high + half),), grid.axes), mask


def is_inside(inside: Callable[..., Any], points: FloatArray) -> BoolArray:
    """Return which points lie inside a domain, shape ``(N,)``.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If it raises, or does not say yes or no of every point.
    """
    wanted = "it must return one yes or no for each, of shape (N,) or (N, 1)"
    with leave_untouched(nn.Module(), torch.device("cpu")):
        try:
            said = inside(placed(points, torch.device("cpu"), torch.float64))
        except Exception as error:
            takes = mismatch(inside, 1)
            advice = f"; it takes {takes}: write it as a function of one argument, points (N, d)" if takes else ""
            raise RuntimeError(
                f"inside raised {quoted(error)}; it is called with points of shape {points.shape}, and {wanted}{advice}"
            ) from error
    try:
        mask = np.asarray(said.detach().cpu() if isinstance(said, Tensor) else said)
    except Exception as error:
        raise TypeError(f"inside returned {type(said).__name__}: {wanted}") from error
    if mask.dtype != bool:
        raise TypeError(f"inside returned {mask.dtype} values: {wanted}, such as (points ** 2).sum(1) < 1")
    if mask.shape not in ((len(points),), (len(points), 1)):
        raise ValueError(f"inside returned shape {mask.shape} for points of shape {points.shape}: {wanted}")
    return mask.ravel()


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
        places = geometry.places(axis)
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
