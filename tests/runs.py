"""Runs along one axis made by hand, so that every front, quiet part, band, unit and arrival is known."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np

from lightning_seqfit.diagnostics.change import ChangeRecord
from lightning_seqfit.record import BasisRecord, FrontRecord, OscillationsRecord, Run, Scalars, SpectrumRecord

CELLS = 200


def replace(record, **changes):
    """What it is, with other values of fields; of a run, other sections too."""
    return record.replace(**changes) if isinstance(record, Run) else dataclasses.replace(record, **changes)


def known_run(
    looks=21,
    *,
    cells=CELLS,
    bounds=(0.0, 1.0),
    axis="x",
    quiet=None,
    counts=True,
    watched=True,
    last=1.0,
    steps=None,
):
    """A front that moves from ``x_min`` to the share ``last`` of the axis, evenly over 2,000 steps.

    Everything follows from the place of the front at each look: errors, depths and arrivals.
    """
    share = (np.arange(cells) + 0.5) / cells
    low, high = bounds
    target = np.sin(26 * np.pi * share)
    active = np.ones(cells, dtype=bool) if quiet is None else ~((share > quiet[0]) & (share < quiet[1]))
    places = np.linspace(0.0, last, looks)
    steps = np.linspace(0, 2000, looks).astype(np.int64) if steps is None else np.asarray(steps)
    fitted = share < places[:, None]
    depth = (fitted & active).sum(axis=1) / active.sum()
    arrival = np.where(fitted.any(axis=0), steps[np.argmax(fitted, axis=0)], np.inf)
    nothing = np.zeros(looks)
    front = FrontRecord(
        local_error=np.where(fitted, 0.0, 1.0).astype(np.float32),
        fitted=depth,
        sequentiality=np.full(looks, 0.98),
        speed=np.full(looks, 0.0005),
        depth={f"{axis}_min": depth, f"{axis}_max": np.where(depth == 1, 1.0, 0.0)},
        inwardness={f"{axis}_min": nothing + 1, f"{axis}_max": nothing - 1},
        overall_inwardness=nothing,
        arrival=arrival,
        settled=arrival.copy(),
        active=active,
        tolerance=0.25,
    )
    cycles = np.floor(26 * places) / 2
    oscillations = OscillationsRecord(
        target=nothing + 13, model=cycles, fitted=cycles, missing=13 - cycles, spurious=nothing
    )
    return Run(
        name="",
        quantity="u (V)",
        axes=(axis,),
        bounds=(bounds,),
        shape=(cells,),
        points=(low + share * (high - low))[:, None],
        target=target,
        trend=np.zeros(cells),
        steps=steps,
        total_steps=steps,
        logger_steps=steps,
        fit=np.zeros(looks, dtype=np.int64),
        prediction=np.where(fitted, target, 0.0).astype(np.float32),
        scalars=Scalars({"error/relative_rmse": np.sqrt(1 - depth)}, "seqfit/"),
        sections={"front": front if watched else None, "oscillations": oscillations if counts else None},
    )


def replaced(run, **fields):
    """A run with some fields of its own, or of its front, replaced."""
    of_front = {name: value for name, value in fields.items() if hasattr(run.front, name)}
    front = SimpleNamespace(**{**vars(run.front), **of_front})
    return run.replace(**{name: value for name, value in fields.items() if name not in of_front}, front=front)


def unfitted(run):
    """The run of a module that has gone to NaN at the second look."""
    looks, cells = run.prediction.shape
    prediction = np.full((looks, cells), np.nan, dtype=np.float32)
    prediction[0] = 0.0
    never, nothing = np.full(cells, np.inf), np.zeros(looks)
    return replaced(
        run,
        prediction=prediction,
        local_error=np.where(np.isnan(prediction), np.inf, 1.0),
        fitted=nothing,
        depth=dict.fromkeys(run.faces, nothing),
        sequentiality=nothing + np.nan,
        overall_inwardness=nothing + np.nan,
        arrival=never,
        settled=never,
    )


def fitted_where(run, fitted):
    """The run with cells fitted at each look as the mask of shape ``(looks, cells)`` says."""
    return replaced(run, local_error=np.where(fitted, 0.0, 1.0).astype(np.float32))


def with_spectrum(run, **fields):
    """Amplitude 10^(-look / 2) at frequency 5, 0.0014 at the 10 others; the band 4-8 carries and came at step 300."""
    power = np.full((len(run.steps), 12), 1e-6)
    power[:, 5] = 0.5 * 10.0 ** -np.arange(len(run.steps))
    nothing = np.zeros(len(run.steps))
    labels = ("1-2", "2-4", "4-8", "8-12")
    known = {
        "relative_error": dict.fromkeys(labels, nothing),
        "share": dict.fromkeys(labels, nothing),
        "spectral_order": nothing + np.nan,
        "power": power,
        "frequency": np.arange(12.0),
        "edges": np.array([1, 2, 4, 8, 12]),
        "carrying": np.array([False, False, True, False]),
        "converged": np.array([np.inf, np.inf, 300.0, np.inf]),
        "target_trend_share": 0.0,
    }
    return replace(run, spectrum=SpectrumRecord(**{"trend": nothing, "front_frequency": nothing, **known, **fields}))


def with_basis(run, snapshots, places, **fields):
    """Snapshots at the first look and the last of units of shape ``(2, units, points)``."""
    looks = len(run.steps)
    nothing = np.full(looks, np.nan)
    known = {
        "numerical_rank": np.linspace(3, 40, looks).round(),
        "effective_rank": np.linspace(2, 20, looks),
        "monotone_share": nothing,
        "median_laps": np.full(looks, 2.25),
        "projection_error": np.geomspace(1.0, 0.01, looks),
        "constant_share": nothing,
        "dead_domain": nothing,
        "snapshot_steps": run.total_steps[[0, -1]],
        "snapshot_units": np.zeros(snapshots.shape[:2], dtype=np.int64),
        "snapshot_places": np.tile(places, (2, 1))[..., None],
        "snapshots": snapshots.astype(np.float16),
        "snapshot_points": np.linspace(0, 1, snapshots.shape[-1])[:, None],
    }
    return replace(run, basis=BasisRecord(**{**known, **fields}))


def without_target(run, **fields):
    """The run of a probe without a target, that moves by 1, 1/2, 1/3, ... everywhere."""
    looks, cells = run.prediction.shape
    moved = 1.0 / np.arange(1, looks + 1)
    unknown = np.full(cells, np.nan)
    change = ChangeRecord(np.tile(moved[:, None] ** 2, (1, cells)), moved / 2, moved, moved, 1000.0)
    sections = {"front": None, "oscillations": None, "change": replace(change, **fields)}
    return replace(run, target=unknown, trend=unknown, **sections)


ODD_RUNS = {
    "one look": lambda: known_run(1),
    "two looks": lambda: known_run(2),
    "a second fit looks twice at one step": lambda: known_run(5, steps=[0, 100, 200, 200, 300]),
    "only one step ever": lambda: known_run(3, steps=[0, 0, 0]),
    "uneven steps": lambda: known_run(6, steps=[0, 1, 2, 40, 100, 2000]),
    "never fitted and NaN": lambda: unfitted(known_run(6)),
    "NaN from the first look on": lambda: unfitted(known_run(1)),
    "quiet middle": lambda: known_run(quiet=(0.4, 0.6)),
    "quiet ends": lambda: replaced(known_run(), active=np.abs(np.arange(CELLS) - 100) < 50),
    "all quiet but one cell": lambda: replaced(known_run(), active=np.arange(CELLS) == 100),
    "not watched before the third look": lambda: replaced(
        known_run(5),
        fitted=np.array([np.nan, np.nan, 0.5, 0.7, 1]),
        depth=dict.fromkeys(("x_min", "x_max"), np.array([np.nan, np.nan, 0.5, 0.7, 1])),
        local_error=np.full((5, CELLS), np.nan),
    ),
    "no longer watched at the end": lambda: replaced(
        known_run(3),
        fitted=np.array([0.0, 0.5, np.nan]),
        depth=dict.fromkeys(("x_min", "x_max"), np.array([0.0, 0.5, np.nan])),
        sequentiality=np.full(3, np.nan),
        overall_inwardness=np.full(3, np.nan),
    ),
    "constant target": lambda: replaced(known_run(), target=np.full(CELLS, 3.0)),
    "huge prediction": lambda: replaced(known_run(), prediction=np.full((21, CELLS), 1e30, dtype=np.float32)),
    "far from zero": lambda: known_run(bounds=(1e6, 1e6 + 1)),
    "wide": lambda: known_run(bounds=(-6.5, 6.5)),
    "few cells": lambda: known_run(cells=8),
    "many looks": lambda: known_run(512, cells=1024),
}
