"""Where the recorded cells of a run lie: a geometry to measure on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.geometry import Cloud, FloatArray, Geometry, Grid, Laid, Scattered

if TYPE_CHECKING:
    from lightning_seqfit.record.run import Run

# Of a spacing: cells of a grid are even up to rounding.
_EVEN = 1e-6


def geometry_of(run: Run) -> Geometry:
    """Return the geometry of the cells on which a run has its fields.

    Blocks of a grid are taken to be of one size, also the last one along an axis, which may hold less.
    """
    if run.kind == "series" or (not run.kind and len(run.axes) == 1 and not _even(run.points[:, 0])):
        return Scattered(run.points[:, 0], run.bounds, run.axes)
    if run.kind == "cloud":
        return Cloud(run.points, run.bounds, run.axes)
    whole = _whole_box(run)
    centres = run.points if whole is None else whole.centres(math.prod(run.shape))
    box = Grid(_bounds(run, centres), run.shape, run.axes)
    if run.held is not None:
        inside = np.ones(math.prod(run.shape), dtype=bool) if run.inside is None else run.inside
        return Laid(box, inside, np.arange(len(run.held)), run.held)
    return box if run.inside is None else Laid(box, run.inside)


def finer_geometry(run: Run) -> Geometry:
    """Return the finest cells that are known of a run, whose means over blocks its fields are.

    A grid's own; else those on which its last look was recorded; else those of the record.
    """
    own = geometry_of(run)
    whole = None if run.kind == "series" or run.held is not None else _whole_box(run)
    finer: Geometry = own if run.fine is None else geometry_of(run.fine)
    if whole is not None and (run.inside is None) == (run.domain is None):
        finer = whole if run.domain is None else Laid(whole, run.domain)
    return finer if len(finer.centres(math.prod(run.shape))) == len(run.points) else own


def _whole_box(run: Run) -> Grid | None:
    """Return the probe's own grid, all cells of the box; None: it is not recorded."""
    if not run.resolution:
        return None
    for ends in (False, True):
        whole = Grid(run.bounds, run.resolution, run.axes, ends)
        centres = whole.centres(math.prod(run.shape))
        centres = centres if run.inside is None or len(centres) != len(run.inside) else centres[run.inside]
        if centres.shape != run.points.shape:
            continue
        if np.max(np.abs(centres - run.points) / whole.lengths) < _EVEN / max(run.resolution):
            return whole
    return None


def _bounds(run: Run, centres: FloatArray) -> tuple[tuple[float, float], ...]:
    """Between which bounds the cells' centres are those of a grid; the probe's own, up to rounding."""
    if len(centres) < math.prod(run.shape):
        return run.bounds
    bounds, lattice = [], centres.reshape(*run.shape, len(run.axes))
    for axis, ((low, high), cells) in enumerate(zip(run.bounds, run.shape, strict=True)):
        if cells > 1:
            places = np.moveaxis(lattice[..., axis], axis, -1).reshape(-1, cells)[0]
            step = float(places[1] - places[0])
            begin = float(places[0]) - step / 2
            ends = begin, begin + cells * step
            near = np.allclose(ends, (low, high), rtol=0.0, atol=1e-9 * (high - low))
            low, high = (low, high) if near else ends
        bounds.append((low, high))
    return tuple(bounds)


def _even(places: FloatArray) -> bool:
    """Whether places are as far apart as cells of a grid, of which the last may be shorter."""
    steps = np.diff(places)
    return len(steps) < 2 or bool(np.ptp(steps[:-1]) <= _EVEN * float(steps.max()))
