"""``seqfit diagnose``: whether a recorded fit gets on, what spoke for it, and what to change."""

from __future__ import annotations

import math
from argparse import ArgumentParser
from json import dumps

import numpy as np

from lightning_seqfit.cli.values import Refused, whole
from lightning_seqfit.diagnosis import Diagnosis, Verdict, diagnose
from lightning_seqfit.diagnosis.advice import MEASURED, PAGE
from lightning_seqfit.diagnosis.words import as_dict, table, to_try
from lightning_seqfit.record import Run, find, find_all, load
from lightning_seqfit.record.file import file_of
from lightning_seqfit.words import percent


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("run", metavar="RUN", help="a training's log directory, its seqfit folder, or a record's file")
    parser.add_argument("--name", help="name of the probe (default: all of the run)")
    parser.add_argument("--at", type=whole, metavar="STEP", help="the last look up to this step (default: the last)")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a fit is stalled or has diverged")


def run(run: str, name: str | None, at: int | None, json: bool, check: bool) -> None:
    """Print what is said of each probe's fit, or nothing but JSON."""
    try:
        files = there = find_all(run)
        if name is not None:
            files = [file for file in there if file.name == file_of(name)] or [find(run, name)]
        runs = [load(file) for file in files]
    except (FileNotFoundError, ValueError, ImportError) as error:
        raise Refused(str(error)) from error
    found, unable = {}, {}
    for seen in runs:
        said = seen.name or "probe"
        look = _look(seen, at)
        try:
            found[said] = diagnose(seen, look)
        except ValueError as error:  # it has no target, or no front
            unable[said] = str(error)
    if not found:
        raise Refused("; ".join(f"{said}: {why}" for said, why in unable.items()))
    if json:
        probes = {said: as_dict(diagnosis) for said, diagnosis in found.items()}
        print(dumps({"probes": probes, "not_diagnosed": unable}, indent=2, allow_nan=False))
    else:
        parts = [f"{said}:\n{table(each)}" if len(runs) > 1 else table(each) for said, each in found.items()]
        notes = [f"note  {said}: {why}" for said, why in unable.items()]
        if any(each.advice for each in found.values()):
            notes.append(f"note  expected: what came of it in the trainings of {MEASURED}, no forecast of this one")
            notes[-1] += f"\n      {PAGE}"
        if others := [file.name.removesuffix(".npz") for file in there if file not in files]:
            notes.append(f"note  of the same training there {'are' if others[1:] else 'is'} also: {', '.join(others)}")
        stalled = [seen for seen in runs if (of := found.get(seen.name or "probe")) and of.stalled]
        remedies = [to_try(run, seen.name) for seen in stalled if np.nan_to_num(seen.target).any()]
        print("\n\n".join([*parts, *_together(runs, found, at), *notes, *remedies[:1]]))
    if check and any(each.stalled or each.verdict is Verdict.DIVERGED for each in found.values()):
        raise SystemExit(1)


def _look(run: Run, at: int | None) -> int:
    """Number of the last look up to a step."""
    if at is None:
        return len(run.total_steps) - 1
    look = int(np.searchsorted(run.total_steps, at, side="right")) - 1
    if look < 0:
        raise Refused(f"--at {at}: {run.name or 'the probe'} was first looked at at step {run.total_steps[0]:,}")
    return look


def _together(runs: list[Run], found: dict[str, Diagnosis], at: int | None) -> list[str]:
    """Sentences on solutions and residuals that were watched in one training."""
    residuals = [run for run in runs if run.known and not np.nan_to_num(run.target).any()]
    solutions = [run for run in runs if run.known and run not in residuals and (run.name or "probe") in found]
    said = []
    for solution in solutions if residuals else []:
        name = solution.name or "probe"
        words = [f"{name} {_size(solution, at)}", *(f"{run.name or 'probe'} {_size(run, at)}" for run in residuals)]
        wrong = found[name].verdict is Verdict.WRONG_SOLUTION
        said.append(f"together  {'; '.join(words)}{': the equation is met, the solution is not' if wrong else ''}")
    return said


def _size(run: Run, at: int | None) -> str:
    error = float(run.scalars["error/relative_rmse"][_look(run, at)])
    if not math.isfinite(error):
        return "is not finite"
    if run.scale_of == "first look":
        return f"is at {percent(error)} of its first value"
    return f"has a relative error of {error:.3g}"
