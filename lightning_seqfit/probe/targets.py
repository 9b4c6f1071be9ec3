"""The target at the points as the module sees them, and whether the points can tell it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from lightning_seqfit.geometry import FloatArray, Geometry, Grid
from lightning_seqfit.measures.contrasts import points_a_lobe, roughness_among
from lightning_seqfit.measures.noise import LEAST_FLATNESS, flatness, is_noise, most_noise
from lightning_seqfit.measures.oscillations import roughness
from lightning_seqfit.measures.pace import Pace, mean_cycles, measure_pace
from lightning_seqfit.measures.trend import Trend, combined, fit_trend
from lightning_seqfit.probe.checks.arguments import HIGHEST_DEFAULT, MOST_CELLS
from lightning_seqfit.probe.outputs import Columns
from lightning_seqfit.probe.places import FEWEST_PLACES, covered, evaluated

#: Those of a target with one value for each point, whatever output that is of.
ONE = Columns()
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
#: The same of points in two and three dimensions: two points a lobe have 0.5 to 0.85; and from which on the lobes that
#: are counted are uncertain, see :func:`~lightning_seqfit.measures.contrasts.roughness_among`.
ROUGHEST_CLOUD, ROUGH_CLOUD = 0.7, 0.15
# Of fewer points the roughness is not known.
_FEWEST_NEIGHBOURS = 32
# Cells on which a target that looks like noise is tried, at the most.
_MOST_TRIED = 2**19
# A default resolution rises in whole multiples of so many cells: rounding does not show in it.
_RISES_BY = 16
#: Values that are given lie elsewhere where the module's error there is at most this share of that at the points.
FAR_BETTER = 0.5


def read(
    geometry: Geometry,
    target: FloatArray | Callable[..., Any],
    device: torch.device,
    dtype: torch.dtype,
    noise: float = 0.0,
    whole: tuple[Grid, Callable[..., Any] | None] | None = None,
    columns: Columns = ONE,
) -> tuple[FloatArray, Trend]:
    """Return one output's target where a module is asked, as it sees these places, shape ``(P,)``, and its trend.

    ``noise`` is the standard deviation of the target's noise, which is no oscillation unless there is nothing else;
    ``whole`` the grid of which a part is looked at, and which part.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If the target cannot be evaluated, its values cannot be used, or the points cannot tell it.
    """
    given = evaluated(target, geometry.asked, device, dtype, columns) if callable(target) else target
    values = geometry.lay(given)
    with np.errstate(all="ignore"):  # whatever the user has set; the target has been asked
        most = most_noise(noise, len(given))
        most = most if float(np.std(values)) > most else 0.0
        trend = fit_trend(geometry, values, most)
        if _is_buried(trend, values, most):
            trend = fit_trend(geometry, values, 1.01 * math.sqrt(trend.variance))
        grid = geometry.lattice
        if grid is None and geometry.kind != "points":
            _check_points(geometry, trend)
    if grid is not None:
        for axis in range(grid.dimension):
            finer = _finer(grid, axis, target, device, dtype, columns) if callable(target) else None
            _check_cells(grid, values, axis, finer, most)
    elif whole is not None and whole[1] is not None and callable(target):
        for axis in range(geometry.dimension):
            _check_domain(*whole, axis, target, device, dtype, columns)
    return given, trend


def read_several(
    geometry: Geometry,
    target: FloatArray | Callable[..., Any],
    device: torch.device,
    dtype: torch.dtype,
    noises: Callable[[FloatArray], Sequence[float]],
    whole: tuple[Grid, Callable[..., Any] | None] | None,
    columns: Columns,
) -> tuple[FloatArray, Trend]:
    """Return the target of several outputs, shape ``(P, k)``, and the trend of all together.

    ``noises`` gives the standard deviation of the noise of each, of values ``(P, k)``; for the rest see :func:`read`.
    """
    all_of_them = evaluated(target, geometry.asked, device, dtype, columns) if callable(target) else target
    values, trends = [], []
    for position, noise in enumerate(noises(all_of_them)):
        own = target if callable(target) else all_of_them[:, position].copy()
        one = replace(columns, position=position)
        try:
            read_one = read(geometry, own, device, dtype, noise, whole, one)
        except ValueError as error:
            raise ValueError(f"column {position} of the target: {error}") from error
        values.append(read_one[0])
        trends.append(read_one[1])
    return np.column_stack(values), combined(geometry, trends)


def few_points(geometry: Geometry, given: FloatArray, trend: Trend, noise: float = 0.0) -> str:
    """What a cloud of points in two or three dimensions is too thin to tell of a target; empty: nothing.

    Parameters
    ----------
    geometry : where the points lie; of others than a cloud nothing is said.
    given, trend : from :func:`read`.
    noise : standard deviation of the target's noise, which makes neighbours differ too.

    Raises
    ------
    ValueError
        If the points tell nothing of each other.
    """
    size = len(given)
    if geometry.kind != "points" or trend.variance == 0.0 or size < _FEWEST_NEIGHBOURS:
        return ""
    with np.errstate(all="ignore"):
        share = (most_noise(noise, size) / float(np.std(given))) ** 2
        rough = roughness_among(geometry.asked, given)
    if share < 1.0:  # else it is all noise
        rough = max(rough - share, 0.0) / (1.0 - share)
    told = f"neighbours differ by {rough:.0%} of what points far apart do"
    if rough >= ROUGHEST_CLOUD:
        raise ValueError(
            f"{size:,} points are too few, or too unevenly spread, for the target: {told}, as of white noise; give "
            "more points or a smaller part of the domain; if it is noise, average or smooth the values, or pass noise="
        )
    if rough <= ROUGH_CLOUD:
        return ""
    lobes = points_a_lobe(rough, geometry.dimension)
    return (
        f"{size:,} points are about {lobes:.0f} for each lobe of the target ({told}): its lobes cannot be counted "
        f"reliably, which takes {points_a_lobe(ROUGH_CLOUD, geometry.dimension):.0f} each; give more points"
    )


def _is_buried(trend: Trend, values: FloatArray, noise: float) -> bool:
    """Whether a target is all trend but for an oscillation that is smaller than its noise."""
    oscillates = trend.variance - noise**2
    return 0.0 < trend.variance < 2 * noise**2 and float(np.var(values)) - noise**2 > 4 * oscillates


def better_convention(geometry: Geometry, residual: FloatArray, residual_at: Callable[[Geometry], FloatArray]) -> str:
    """What to pass for points at which given values have a far smaller residual than here; empty: nothing."""
    best, instead = FAR_BETTER**2 * float(np.mean(residual**2)), ""
    for said, other in geometry.conventions().items():
        error = float(np.mean(residual_at(other) ** 2))
        if error < best:
            best, instead = error, said
    return instead


def chosen_resolution(
    grid: Grid,
    target: Callable[..., Any],
    device: torch.device,
    precisions: Sequence[torch.dtype],
    inside: Callable[..., Any] | None = None,
    columns: Columns = ONE,
) -> tuple[Grid, list[str]] | None:
    """Choose a default resolution by the target's wavelengths, in the first precision in which it has values.

    Returns
    -------
    The grid, finer along the axes on which they ask for it, and what to say of each. None: the target cannot be
    evaluated, which :func:`read` says when a module comes.
    """
    for dtype in precisions:
        with suppress(ValueError, TypeError, RuntimeError):
            finer = _risen(grid, target, device, dtype, inside, columns)
            return finer, [
                f"{more} cells along axis {axis} instead of {cells}, which the target's wavelength asks for; "
                "resolution= would fix their number"
                for axis, cells, more in zip(grid.axes, grid.shape, finer.shape, strict=True)
                if more > cells
            ]
    return None


def _risen(
    grid: Grid,
    target: Callable[..., Any],
    device: torch.device,
    dtype: torch.dtype,
    inside: Callable[..., Any] | None,
    columns: Columns,
) -> Grid:
    most = HIGHEST_DEFAULT[grid.dimension - 1]
    finest = replace(grid, shape=(most,) * grid.dimension)
    part, _ = covered(finest, inside)
    read_there = evaluated(target, part.points, device, dtype, columns).reshape(len(part.points), -1)
    values = [column.copy() for column in read_there.T]
    shape = []
    for axis, cells in enumerate(grid.shape):
        if part is finest:
            need = MARGIN * max(_cells_needed(finest, _pace(finest, column, axis), axis) for column in values)
        else:
            need = MARGIN * CELLS_OF_CALLABLE[0] * max(mean_cycles(part, column, axis, most) for column in values)
        shape.append(max(cells, min(most, _RISES_BY * math.ceil(need / _RISES_BY))))
    return replace(grid, shape=tuple(shape)) if tuple(shape) != grid.shape else grid


def _finer(
    grid: Grid, axis: int, target: Callable[..., Any], device: torch.device, dtype: torch.dtype, columns: Columns
) -> Iterator[tuple[Grid, Pace]]:
    """Grids four times finer along an axis, each than the one before, and how fast a target oscillates on them."""
    while True:
        shape = tuple(cells * (4 if number == axis else 1) for number, cells in enumerate(grid.shape))
        grid = replace(grid, shape=shape)
        try:
            values = evaluated(target, grid.points, device, dtype, columns)
        except (ValueError, TypeError, RuntimeError):
            return
        yield grid, _pace(grid, values, axis)
        if 4 * math.prod(shape) > _MOST_TRIED:
            return


def _check_cells(
    grid: Grid, values: FloatArray, axis: int, finer: Iterator[tuple[Grid, Pace]] | None, known: float
) -> None:
    """Refuse a target that oscillates too fast for the grid's cells along an axis, and noise at any resolution.

    Noise of a deviation that is known, and less than the target's own, is neither.
    """
    cells, name, given = grid.shape[axis], grid.axes[axis], finer is None
    asked = CELLS_OF_GIVEN if given else CELLS_OF_CALLABLE
    finer = finer or iter(())
    tried, pace = next(finer, None) or (grid, _pace(grid, values, axis, known))
    need = _cells_needed(grid, pace, axis, asked)
    # what the finer grid cannot tell either may need far more cells than it says
    while need > tried.shape[axis] and (following := next(finer, None)):
        tried, pace = following
        need = _cells_needed(grid, pace, axis, asked)
    # given values have no finer grid that would show that they are noise at any resolution
    with np.errstate(all="ignore"):
        noise = not known and (given or need > tried.shape[axis]) and is_noise(tried, pace.bare, axis)
    if need <= cells and not noise:
        return
    if noise:
        raise ValueError(
            f"target is white noise along axis {name}: it oscillates at every resolution tried, up to "
            f"{tried.shape[axis]:,} cells, and no resolution= would do. Pass the target without the noise: the "
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


def _check_domain(
    grid: Grid,
    inside: Callable[..., Any] | None,
    axis: int,
    target: Callable[..., Any],
    device: torch.device,
    dtype: torch.dtype,
    columns: Columns,
) -> None:
    """Refuse a callable that oscillates too fast for the cells of a domain that is no box."""
    cells, name = grid.shape[axis], grid.axes[axis]
    shape = tuple(count * (4 if number == axis else 1) for number, count in enumerate(grid.shape))
    finer, _ = covered(replace(grid, shape=shape), inside)
    cycles = mean_cycles(finer, evaluated(target, finer.points, device, dtype, columns), axis, 4 * cells)
    need = math.ceil(CELLS_OF_CALLABLE[0] * cycles * (1 - 1e-9))
    if need > cells:
        raise ValueError(
            f"resolution={cells} is too coarse for the target's wavelength of {grid.lengths[axis] / cycles:.3g} on "
            f"axis {name}: use at least {need} points on it"
        )


def _pace(grid: Grid, values: FloatArray, axis: int, noise: float = 0.0) -> Pace:
    """How fast values oscillate along an axis, whatever numpy has been told to raise."""
    with np.errstate(all="ignore"):
        return measure_pace(grid, values, axis, noise)


def _cells_needed(grid: Grid, pace: Pace, axis: int, asked: tuple[float, float] = CELLS_OF_CALLABLE) -> int:
    """Cells along an axis that a target asks for: so many each, the mean wavelength and the shortest."""
    cycles = max(asked[0] * pace.mean, asked[1] * pace.highest) * grid.lengths[axis]
    return math.ceil(cycles * (1 - 1e-9))


def _check_points(geometry: Geometry, trend: Trend) -> None:
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
