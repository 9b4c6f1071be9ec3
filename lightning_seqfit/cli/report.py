"""``seqfit report``: what records say, as a page and as pictures, also against a target that training did not have."""

from __future__ import annotations

import math
import os
import re
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from lightning_seqfit import figures
from lightning_seqfit.cli.files import FORMS, read_values
from lightning_seqfit.cli.values import Refused
from lightning_seqfit.geometry import FloatArray, Scattered
from lightning_seqfit.measures.noise import noise_deviation, noise_of_points
from lightning_seqfit.record import Run, find, find_all, load
from lightning_seqfit.record.cells import geometry_of
from lightning_seqfit.record.place import Here, Place
from lightning_seqfit.report.page import MOST_BYTES, page

#: Fewer points tell nothing of their noise.
FEWEST_POINTS = 16
#: Seconds between two pages of a run that goes on.
LIVE = 10.0


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help="a training's log directory, its seqfit folder, or a record's file; several are compared",
    )
    parser.add_argument("--name", help="name of the probe (default: all of each run)")
    parser.add_argument(
        "--against",
        metavar="FILE",
        help=f"read the recorded predictions against these values ({FORMS}), or against the run's own last prediction: "
        "final",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="PATH",
        type=Path,
        help="an .html file for the page, or a folder for it and the pictures of one run (default: the folder of the "
        "record, or of several runs the current one)",
    )
    parser.add_argument(
        "--live",
        metavar="SECONDS",
        nargs="?",
        const=LIVE,
        type=_seconds,
        help=f"make the page anew every so many seconds ({LIVE:g}) until the runs have ended; Ctrl-C stops that",
    )


def _seconds(value: str | float) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < math.inf:
        raise ArgumentTypeError(f"{value!r} is no time: give seconds above 0")
    return seconds


def run(runs: Sequence[str], name: str | None, against: str | None, output: Path | None, live: float | None) -> None:
    """Make the page; of one run print the summary and draw the figures as well; say where they are."""
    records = _read(runs, name, against)
    target = _target(records, runs, against, output)
    if live is not None:
        records = _follow(records, lambda: _read(runs, name, against), target, live)
    records = _written(records, target)
    for label, seen in records.runs.items() if len(runs) == 1 else ():
        print(f"{label}:\n{seen.summary()}\n" if len(records.runs) > 1 else f"{seen.summary()}\n")
        for note in (*seen.notes, *records.notes[label]):
            print(f"note  {note}")
    for note in records.unread:
        print(f"note  {note}")
    if len(runs) == 1 and target != output:
        _draw(records, target.parent, against)
    size = target.stat().st_size
    if size > MOST_BYTES:
        several = "; seqfit compare RUN ... --best 5 names those to look at" if len(records.runs) > 1 else ""
        print(f"note  the page has {size / 1e6:.1f} MB, which a browser is slow to open{several}")
    print(f"page      {target}")


@dataclass(frozen=True)
class _Records:
    """What was read, by the name that it has on the page; ``unread``: what is said of the others."""

    runs: dict[str, Run] = field(default_factory=dict)
    files: dict[str, Place] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        return all(run.finished for run in self.runs.values())


def _read(runs: Sequence[str], name: str | None, against: str | None) -> _Records:
    """Read the records of all runs that can be read."""
    records = _Records()
    for given, label in zip(runs, _labels(runs), strict=True):
        try:
            files = find_all(given) if name is None else [find(given, name)]
        except (OSError, ValueError, ImportError) as error:
            records.unread.append(str(error))
            continue
        for file in files:
            try:
                seen, notes = _against(load(file), against)
            except (OSError, ValueError, ImportError) as error:
                records.unread.append(str(error))
                continue
            probe = seen.name or "probe"
            said = label if len(files) == 1 else probe if len(runs) == 1 else f"{label}/{probe}"
            said = f"{said} in {file.name}" if said in records.runs and records.files[said] != file else said
            records.runs[said], records.files[said], records.given[said] = seen, file, given
            records.notes[said] = notes
    if not records.runs:
        raise Refused("; ".join(records.unread))
    return records


def _labels(runs: Sequence[str]) -> list[str]:
    """Names for runs: of paths what they do not have in common."""
    try:
        common = os.path.commonpath(runs)
    except ValueError:  # they lie in different places
        return [*runs]
    if len(runs) == 1 or any("://" in run for run in runs):
        return [*runs]
    return [run if Path(run) == Path(common) else os.path.relpath(run, common) for run in runs]


def _against(run: Run, against: str | None) -> tuple[Run, list[str]]:
    """Read a run against a target, and what to say of that."""
    if against is None:
        return run, []
    try:
        target, noise, notes = (
            ("final", "auto", []) if against == "final" else _on_cells(run, *read_values(Path(against)))
        )
        return run.against(target, noise=noise), notes
    except (ValueError, TypeError) as error:
        raise ValueError(f"--against {against}: {error}") from error


def _target(records: _Records, runs: Sequence[str], against: str | None, output: Path | None) -> Path:
    """Where the page goes."""
    if output is not None and output.suffix.lower() in (".html", ".htm"):
        return output
    folder = output or (Path() if len(runs) > 1 else _folder(next(iter(records.files.values()))))
    return folder / f"report{_read_against(against)}.html"


def _read_against(against: str | None) -> str:
    return "" if against is None else f"_against_{Path(against).stem}"


def _write(records: _Records, target: Path, live: float | None = None) -> None:
    """Write the page, so that a browser sees the old or the new one, never a part."""
    given = [*dict.fromkeys(records.given.values())]
    text = page(
        records.runs,
        title=given[0] if len(given) == 1 else "" if len(given) == len(records.runs) else f"{len(given)} runs",
        live=live,
        folders=records.given,
        unread=records.unread,
    )
    try:
        Here(target).write(text.encode())
    except OSError as error:
        raise Refused(f"the page cannot be written to {target}: {error}; give another place with --output") from error


def _written(records: _Records, target: Path, live: float | None = None) -> _Records:
    """Write the page of what can be shown, and return that: a whole file may hold values that nobody has measured."""
    try:
        _write(records, target, live)
        return records
    except Refused:
        raise
    except Exception as error:
        broken = {label: why for label, seen in records.runs.items() if (why := _unshown(seen))}
        if not broken or len(broken) == len(records.runs):
            why = next(iter(broken.values()), f"{type(error).__name__}: {error}")
            raise Refused(f"the page cannot be made: {why}; take another copy of the record") from error
    said = [f"{records.files[label]} cannot be shown: {why}; take another copy" for label, why in broken.items()]
    whole = {label: seen for label, seen in records.runs.items() if label not in broken}
    rest = replace(records, runs=whole, unread=[*records.unread, *said])
    _write(rest, target, live)
    return rest


def _unshown(seen: Run) -> str:
    """Why a run cannot be shown; empty: it can."""
    try:
        page({"run": seen})
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def _follow(records: _Records, read: Callable[[], _Records], target: Path, seconds: float) -> _Records:
    """Write pages that load themselves anew, until the runs have ended or Ctrl-C; return what was read last."""
    print(f"page      {target}, anew every {seconds:g} s until the runs have ended; Ctrl-C stops that", flush=True)
    try:
        while not records.finished:
            _written(records, target, seconds)
            time.sleep(seconds)
            try:
                records = read()
            except Refused as error:  # such as a store that does not answer: the next time it may
                print(f"note  {error}", flush=True)
    except KeyboardInterrupt:
        print(flush=True)
    return records


def _draw(records: _Records, folder: Path, against: str | None) -> None:
    """Write the pictures of a run's probes, and say where."""
    for seen in records.runs.values():
        # a record from elsewhere may have any name; ours have nothing else in them
        said = re.sub(r"[^\w.-]+", "_", seen.name or "probe").lstrip(".")[:100] + _read_against(against)
        try:
            for label, figure in figures.draw(seen).items():
                figures.save(figures.as_image(figure), folder / f"{said}_{label}.png")
        except OSError as error:
            raise Refused(
                f"the pictures cannot be written to {folder}: {error}; give another folder with --output"
            ) from error
        except Exception as error:  # of values that nobody has measured
            print(f"note  the pictures cannot be drawn: {type(error).__name__}: {error}")
            continue
        print(f"pictures  {folder / f'{said}_*.png'}")


def _folder(file: Place) -> Path:
    """Where the pictures of a record belong: beside it, if it lies in a folder of this machine."""
    if not isinstance(file, Here):
        raise Refused(f"{file} lies in no folder of this machine: say with --output where the page goes")
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
