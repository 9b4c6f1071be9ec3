"""Runs in the plane and in space made by hand, so that every front, unit and arrival is known."""

from __future__ import annotations

import numpy as np

from lightning_seqfit.geometry import Grid
from lightning_seqfit.record import BasisRecord, FrontRecord, OscillationsRecord, Run, Scalars
from tests.runs import replace

STEPS = np.array([0, 100, 200, 300, 400])
SQUARE = ((-1.0, 1.0), (-1.0, 1.0))


def corner(x, y):
    """What fixes the orientation: oscillates along x, in the upper half only."""
    return np.sin(9 * x) * (y > 0)


def known_plane(
    target=corner, *, shape=(24, 16), bounds=SQUARE, axes=("x", "y", "z"), limit=1024, arrival=None, active=None
):
    """A front from ``x_min`` that is at the share 0.2, 0.4, 0.6 and 0.8 of x at the last four looks, whatever y is.

    What it has passed is fitted, the rest of the prediction is 0.
    """
    axes = axes[: len(shape)]
    grid = Grid(bounds, shape, axes)
    points = np.stack([grid.coarsen(column, limit) for column in grid.points.T], axis=-1)
    values = target(points[:, 0], points[:, 1])
    (low, high), cells, looks = bounds[0], len(points), len(STEPS)
    share = (points[:, 0] - low) / (high - low)
    places = np.array([0.0, 0.2, 0.4, 0.6, 0.8])
    passed = share < places[:, None]
    if arrival is None:
        arrival = np.where(passed.any(axis=0), STEPS[np.argmax(passed, axis=0)], np.inf)
    nothing = np.zeros(looks)
    faces = [f"{axis}_{side}" for axis in axes for side in ("min", "max")]
    front = FrontRecord(
        local_error=np.where(passed, 0.0, 1.0).astype(np.float32),
        fitted=passed.mean(axis=1),
        sequentiality=nothing + 0.9,
        speed=nothing,
        depth=dict.fromkeys(faces, places),
        inwardness=dict.fromkeys(faces, nothing),
        overall_inwardness=nothing,
        arrival=arrival,
        settled=arrival,
        active=np.ones(cells, dtype=bool) if active is None else active(*points.T),
        tolerance=0.25,
    )
    counts = OscillationsRecord(*[nothing + count for count in (6, 4, 4, 2, 0)])
    return Run(
        name="",
        quantity="u (V)",
        axes=axes,
        bounds=bounds,
        shape=grid.coarse_shape(limit),
        points=points,
        target=values,
        trend=np.zeros(cells),
        steps=STEPS,
        total_steps=STEPS,
        logger_steps=STEPS,
        fit=np.zeros(looks, dtype=np.int64),
        prediction=np.where(passed, values, 0.0).astype(np.float32),
        scalars=Scalars({"error/relative_rmse": 1 - places}, "seqfit/"),
        sections={"front": front, "oscillations": counts},
    )


def with_basis(run, *, shape=(12, 8), units=8, bounds=None):
    """Snapshots at steps 0, 100, 400: unit k is a step along x at the share k / 10 plus a little of the height."""
    points = Grid(bounds or run.bounds, shape, run.axes).points
    steps = np.array([0, 100, 400])
    low, high = run.bounds[0]
    share = (points[:, 0] - low) / (high - low)
    unit = np.arange(1, units + 1)[:, None]
    values = (unit + (share > unit / 10) + 0.1 * points[:, 1])[None] + steps[:, None, None]
    nothing = np.full(len(run.steps), np.nan)
    basis = BasisRecord(
        **dict.fromkeys(("numerical_rank", "effective_rank", "monotone_share"), nothing + 7),
        **dict.fromkeys(("projection_error", "constant_share", "dead_domain"), nothing),
        median_laps=np.full(len(run.steps), 1.25),
        snapshot_steps=steps,
        snapshot_units=np.tile(np.arange(units), (3, 1)),
        snapshot_places=np.zeros((3, units, len(run.axes))),
        snapshots=values.astype(np.float16),
        snapshot_points=points,
    )
    return replace(run, basis=basis)


def cut_out(run, inside):
    """What it is on a domain that is no box: a function of places tells which cells are in it."""
    own = inside(*run.points.T)
    front = replace(
        run.front,
        local_error=run.front.local_error[:, own],
        **{name: getattr(run.front, name)[own] for name in ("arrival", "settled", "active")},
    )
    fields = {name: getattr(run, name)[own] for name in ("points", "target", "trend")}
    run = replace(run, prediction=run.prediction[:, own], inside=own, front=front, **fields)
    if run.basis is None:
        return run
    own = inside(*run.basis.snapshot_points.T)
    basis = replace(run.basis, snapshots=run.basis.snapshots[..., own], snapshot_points=run.basis.snapshot_points[own])
    return replace(run, basis=basis)
