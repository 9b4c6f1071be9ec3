"""``seqfit report``: what a record says, also against a target that the training did not have."""

from __future__ import annotations

import math
from argparse import ArgumentParser
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from lightning_seqfit import figures
from lightning_seqfit.cli.files import FORMS, read_values
from lightning_seqfit.cli.values import Refused
from lightning_seqfit.geometry import FloatArray, Scattered
from lightning_seqfit.measures.noise import noise_deviation, noise_of_points
from lightning_seqfit.record import Run, find, load
from lightning_seqfit.record.cells import geometry_of
from lightning_seqfit.record.place import Here, Place

#: Fewer points tell nothing of their noise.
FEWEST_POINTS = 16


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("run", metavar="RUN", help="a training's log directory, its seqfit folder, or a record's file")
    parser.add_argument("--name", default="", help="name of the probe, where it has one")
    parser.add_argument(
        "--against",
        metavar="FILE",
        help=f"read the recorded predictions against these values ({FORMS}), or against the run's own last prediction: "
        "final",
    )
    parser.add_argument("--output", type=Path, help="folder for the pictures (default: that of the record)")


def run(run: str, name: str, against: str | None, output: Path | None) -> None:
    """Print the summary, draw the figures, and say where they are."""
    try:
        file = find(run, name)
        seen = load(file)
    except (FileNotFoundError, ValueError, ImportError) as error:
        raise Refused(str(error)) from error
    said, notes = seen.name or "probe", []
    if against is not None:
        try:
            read = ("final", "auto", []) if against == "final" else _on_cells(seen, *read_values(Path(against)))
            target, noise, notes = read
            seen = seen.against(target, noise=noise)
        except (ValueError, TypeError) as error:
            raise Refused(f"--against {against}: {error}") from error
        said += f"_against_{Path(against).stem}"
    print(f"{seen.summary()}\n")
    for note in (*seen.notes, *notes):
        print(f"note  {note}")
    folder = output or _folder(file)
    try:
        for label, figure in figures.draw(seen).items():
            figures.save(figures.as_image(figure), folder / f"{said}_{label}.png")
    except OSError as error:
        raise Refused(
            f"the pictures cannot be written to {folder}: {error}; give another folder with --output"
        ) from error
    print(f"pictures  {folder / f'{said}_*.png'}")


def _folder(file: Place) -> Path:
    """Where the pictures of a record belong: beside it, if it lies in a folder of this machine."""
    if not isinstance(file, Here):
        raise Refused(f"{file} lies in no folder of this machine: say with --output where the pictures go")
    return file.path.parent


def _on_cells(
    run: Run, points: FloatArray | None, values: FloatArray
) -> tuple[FloatArray, float | Literal["auto"], list[str]]:
    """Values on the recorded cells, the standard deviation of their noise, and what to say of them.

    They are the mean of those in a cell, and where none lies in it, the nearest one. The noise is that at the points:
    on cells the steps between nearest values would look like it.
    """
    if points is None:
        return values, "auto", []
    values, points = values.reshape(-1), np.atleast_1d(points)
    points = points[:, np.newaxis] if points.ndim == 1 else points
    if points.shape != (len(values), len(run.axes)) or not len(values):
        raise ValueError(
            f"it has points of shape {points.shape} and {len(values)} values; the record has the axes "
            f"{', '.join(run.axes)}: give {len(run.axes)} coordinate{'s' * (len(run.axes) > 1)} and a value a point"
        )
    if not np.isfinite(points).all():
        raise ValueError("it has coordinates that are NaN or infinite: leave those points out")
    low, high = np.transpose(run.bounds)
    size = np.array(geometry_of(run).lengths)
    near = (np.abs(points - (low + high) / 2) <= size / 2 * (1 + 1e-6)).all(axis=1)
    if not near.any():
        raise ValueError(
            f"none of its {len(points)} points lies within the record's bounds {[*run.bounds]}: give them in the units "
            f"of the probe, a column for each of {', '.join(run.axes)}, in this order"
        )
    points, values = points[near], values[near]
    cell = cKDTree(run.points / size).query(points / size)[1]
    counts = np.bincount(cell, minlength=len(run.points))
    sums = np.bincount(cell, values, minlength=len(run.points))
    nearest = cKDTree(points / size).query(run.points / size)[1]
    empty = np.count_nonzero(counts == 0)
    said = (
        f"points: {empty:,} of {len(counts):,} recorded cells hold none of the file's points: the nearest counts there"
    )
    noise = _noise(points, values) / math.sqrt(max(len(values) / (len(counts) - empty), 1.0))
    return np.where(counts > 0, sums / np.maximum(counts, 1), values[nearest]), noise, [said] if empty else []


def _noise(points: FloatArray, values: FloatArray) -> float:
    """Standard deviation of the noise in values at points of shape ``(N, d)``; 0 of too few to tell."""
    if len(np.unique(points, axis=0)) < FEWEST_POINTS:
        return 0.0
    if points.shape[1] > 1:
        return noise_of_points(points, values)
    return noise_deviation(Scattered.spanning(points[:, 0]), values)
