"""Where the recorded cells of a run lie: a geometry to measure on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry, Grid, Scattered

if TYPE_CHECKING:
    from lightning_seqfit.record.run import Run

# Of a spacing: cells in float32 or on block means are even up to rounding.
_EVEN = 1e-4


def geometry_of(run: Run) -> Geometry:
    """Return the geometry of the cells on which a run has its fields.

    Blocks of a grid are taken to be of one size, also the last one along an axis, which may hold less.
    """
    if run.kind == "series" or (not run.kind and len(run.axes) == 1 and not _even(run.points[:, 0])):
        return Scattered(run.points[:, 0], run.bounds, run.axes)
    return Grid(_bounds(run), run.shape, run.axes)


def finer_geometry(run: Run) -> Geometry:
    """Return the finest cells that are known of a run, whose means over blocks its fields are.

    A grid's own; else those on which its last look was recorded; else those of the record.
    """
    own = geometry_of(run)
    if own.lattice is not None and run.resolution:
        ends = not all(
            np.isclose(low, first) for (low, _), (first, _) in zip(run.bounds, own.bounds, strict=True)
        )  # the outermost cells reach beyond the bounds
        return Grid(run.bounds, run.resolution, run.axes, ends)
    finer = own if run.fine is None else geometry_of(run.fine)
    return finer if finer.coarse_shape(len(run.points)) == own.coarse_shape(len(run.points)) else own


def _bounds(run: Run) -> tuple[tuple[float, float], ...]:
    """Between which bounds the cells' centres are those of a grid; the probe's own, up to rounding."""
    bounds = []
    for axis, ((low, high), cells) in enumerate(zip(run.bounds, run.shape, strict=True)):
        centres = np.unique(run.points[:, axis])
        if cells > 1:
            step = float(centres[1] - centres[0])
            begin = float(centres[0]) - step / 2
            ends = begin, begin + cells * step
            near = np.allclose(ends, (low, high), rtol=0.0, atol=1e-9 * (high - low))
            low, high = (low, high) if near else ends
        bounds.append((low, high))
    return tuple(bounds)


def _even(places: FloatArray) -> bool:
    steps = np.diff(places)
    return len(steps) < 2 or bool(np.ptp(steps[:-1]) <= _EVEN * float(steps.max()))
