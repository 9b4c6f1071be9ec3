"""The target at the points as the module sees them, and whether the points can tell it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.geometry import FloatArray, Geometry, Grid, Scattered
from lightning_seqfit.measures.noise import LEAST_FLATNESS, flatness, is_noise, most_noise
from lightning_seqfit.measures.oscillations import roughness
from lightning_seqfit.measures.pace import Pace, measure_pace
from lightning_seqfit.measures.trend import Trend, fit_trend
from lightning_seqfit.probe.asking import mismatch
from lightning_seqfit.probe.checks import HIGHEST_DEFAULT, MOST_CELLS, checked_values, quoted
from lightning_seqfit.probe.guard import leave_untouched

#: Cells that a target's mean wavelength and its shortest significant one must span: of a callable, which can be asked
#: on a finer grid, and of values that are given, which nobody can make finer, and whose shortest may be noise.
CELLS_OF_CALLABLE, CELLS_OF_GIVEN = (8.0, 4.0), (4.0, 2.0)
#: What a default resolution has over what is asked for: of ten cells a wavelength one lies so near each extremum, at
#: half a cell at the most, that the largest value read is at least cos(pi / 10) = 0.95 of the largest there is.
MARGIN = 1.25
#: Scattered points that an oscillation must have: of fewer nothing can be said.
POINTS_PER_OSCILLATION = 3.0
#: Roughness from which on uneven points tell nothing of the target. A wave of N / 3 cycles has 0.81 at N random points,
#: one of N / 8 cycles 0.38, noise 1, and noise of 0.4 times the oscillation on a smooth one 0.14.
ROUGHEST = 0.8
#: Different places along an axis that must be left in the module's precision.
FEWEST_PLACES = 8
# Of fewer points the roughness is not known.
_FEWEST_NEIGHBOURS = 32
# A few points of very many may coincide by chance.
_LEFT = 0.99
# Cells on which a target that looks like noise is tried, at the most.
_MOST_TRIED = 2**19
# A default resolution rises in whole multiples of so many cells: rounding does not show in it.
_RISES_BY = 16


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


def read(
    geometry: Geometry,
    target: FloatArray | Callable[..., Any],
    device: torch.device,
    dtype: torch.dtype,
    noise: float = 0.0,
) -> tuple[FloatArray, Trend]:
    """Return the target's values at the points as a module sees them, shape ``(N,)``, and its trend.

    ``noise`` is the standard deviation of the target's noise, which is no oscillation unless there is nothing else.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If the target cannot be evaluated, its values cannot be used, or the points cannot tell it.
    """
    values = evaluated(target, geometry.points, device, dtype) if callable(target) else target
    with np.errstate(all="ignore"):  # whatever the user has set; the target has been asked
        most = most_noise(noise, len(values))
        most = most if float(np.std(values)) > most else 0.0
        trend = fit_trend(geometry, values, most)
        if _is_buried(trend, values, most):
            trend = fit_trend(geometry, values, 1.01 * math.sqrt(trend.variance))
        if isinstance(geometry, Scattered):
            _check_points(geometry, trend)
    if isinstance(geometry, Grid):
        for axis in range(geometry.dimension):
            _check_cells(geometry, values, axis, _Finer(geometry, axis, target, device, dtype), most)
    return values, trend


def _is_buried(trend: Trend, values: FloatArray, noise: float) -> bool:
    """Whether a target is all trend but for an oscillation that is smaller than its noise."""
    oscillates = trend.variance - noise**2
    return 0.0 < trend.variance < 2 * noise**2 and float(np.var(values)) - noise**2 > 4 * oscillates


def risen(grid: Grid, target: Callable[..., Any], device: torch.device, dtype: torch.dtype) -> Grid:
    """Return a grid of the default resolution, finer along the axes on which the target's wavelengths ask for more.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If the target cannot be evaluated in this precision on this device.
    """
    most = HIGHEST_DEFAULT[grid.dimension - 1]
    finest = replace(grid, shape=(most,) * grid.dimension)
    values = evaluated(target, finest.points, device, dtype)
    shape = []
    for axis, cells in enumerate(grid.shape):
        need = MARGIN * _cells_needed(finest, _pace(finest, values, axis), axis)
        shape.append(max(cells, min(most, _RISES_BY * math.ceil(need / _RISES_BY))))
    return replace(grid, shape=tuple(shape)) if tuple(shape) != grid.shape else grid


def evaluated(target: Callable[..., Any], points: FloatArray, device: torch.device, dtype: torch.dtype) -> FloatArray:
    """Values of a target callable at the points as the module sees them, shape ``(N,)``."""
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
        return checked_values(values, len(points))


class _Finer:
    """A target callable on grids that are four times finer along an axis, each than the one before."""

    def __init__(self, grid: Grid, axis: int, target: Any, device: torch.device, dtype: torch.dtype) -> None:
        self.grid, self.axis, self.target = grid, axis, target
        self.device, self.dtype = device, dtype

    def pace(self) -> Pace | None:
        """How fast it oscillates on the next one; None where the target has values at the points only."""
        if not callable(self.target):
            return None
        shape = tuple(cells * (4 if axis == self.axis else 1) for axis, cells in enumerate(self.grid.shape))
        finer = replace(self.grid, shape=shape)
        try:
            values = evaluated(self.target, finer.points, self.device, self.dtype)
        except (ValueError, TypeError, RuntimeError):
            return None
        self.grid = finer
        return _pace(finer, values, self.axis)

    def exhausted(self) -> bool:
        """Whether the next one would be more than is tried."""
        return 4 * math.prod(self.grid.shape) > _MOST_TRIED


def _check_cells(grid: Grid, values: FloatArray, axis: int, finer: _Finer, known: float) -> None:
    """Refuse a target that oscillates too fast for the grid's cells along an axis, and noise at any resolution.

    Noise of a deviation that is known, and less than the target's own, is neither.
    """
    cells, name, given = grid.shape[axis], grid.axes[axis], not callable(finer.target)
    asked = CELLS_OF_GIVEN if given else CELLS_OF_CALLABLE
    pace = finer.pace() or _pace(grid, values, axis, known)
    need = _cells_needed(grid, pace, axis, asked)
    # what the finer grid cannot tell either may need far more cells than it says
    while need > finer.grid.shape[axis] and not finer.exhausted() and (following := finer.pace()):
        pace, need = following, _cells_needed(grid, following, axis, asked)
    # given values have no finer grid that would show that they are noise at any resolution
    with np.errstate(all="ignore"):
        noise = not known and (given or need > finer.grid.shape[axis]) and is_noise(finer.grid, pace.bare, axis)
    if need <= cells and not noise:
        return
    if noise:
        raise ValueError(
            f"target is white noise along axis {name}: it oscillates at every resolution tried, up to "
            f"{finer.grid.shape[axis]:,} cells, and no resolution= would do. Pass the target without the noise: the "
            "function behind it, or values that are averaged or smoothed"
        )
    hidden = 1 / (pace.highest if asked[1] * pace.highest > asked[0] * pace.mean else pace.mean)
    said = f"resolution={cells} is too coarse for the target's wavelength of {hidden:.3g} on axis {name}"
    if math.prod(grid.shape) // cells * need > MOST_CELLS:
        raise ValueError(
            f"{said}, and {need:,} points on it would make more than the {MOST_CELLS:,} cells that a look can take: "
            "look at a shorter stretch with bounds=, or pass a smoother target"
        )
    raise ValueError(f"{said}: use at least {need} points on it")


def _pace(grid: Grid, values: FloatArray, axis: int, noise: float = 0.0) -> Pace:
    """How fast values oscillate along an axis, whatever numpy has been told to raise."""
    with np.errstate(all="ignore"):
        return measure_pace(grid, values, axis, noise)


def _cells_needed(grid: Grid, pace: Pace, axis: int, asked: tuple[float, float] = CELLS_OF_CALLABLE) -> int:
    """Cells along an axis that a target asks for: so many each, the mean wavelength and the shortest."""
    cycles = max(asked[0] * pace.mean, asked[1] * pace.highest) * grid.lengths[axis]
    return math.ceil(cycles * (1 - 1e-9))


def _check_points(geometry: Scattered, trend: Trend) -> None:
    """Refuse a target of which scattered points can tell nothing: one that is too fast for them, and noise."""
    if trend.variance == 0.0:
        return
    size = len(geometry.points)
    cycles = geometry.covered * geometry.lengths[0] / trend.wavelength[0]
    rough = size >= _FEWEST_NEIGHBOURS and roughness(geometry, trend.oscillation) >= ROUGHEST
    if geometry.even:  # there a wave can change its sign from each point to the next
        power = geometry.power(trend.oscillation / np.max(np.abs(trend.oscillation)))[1:]
        rough = len(power) >= FEWEST_PLACES and bool(flatness(power) >= LEAST_FLATNESS)
    if rough or size < POINTS_PER_OSCILLATION * cycles * (1 - 1e-9):
        why = f"it has about {cycles:.3g} oscillations" if not rough else "they tell nothing of each other"
        raise ValueError(
            f"{size} points are too few, or too unevenly spread, for the target: {why} along axis {geometry.axes[0]}, "
            f"and an oscillation needs {POINTS_PER_OSCILLATION:g} points at the least; give more points, or look along "
            "a shorter stretch"
            + (
                "; neighbours are as different as of white noise: if it is, average or smooth the values"
                if rough
                else ""
            )
        )
