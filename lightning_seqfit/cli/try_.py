"""``seqfit try``: which networks and optimizers fit a run's target, and how fast, with the code of the best."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from json import dumps
from pathlib import Path
from typing import Any

from lightning_seqfit.cli.files import FORMS, probe_of, read_values
from lightning_seqfit.cli.values import Refused, counted
from lightning_seqfit.record import find, load
from lightning_seqfit.trials import trial


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("run", metavar="RUN", help="a training's log directory, its seqfit folder, or a record's file")
    parser.add_argument("--name", default="", help="name of the probe, where it has one")
    parser.add_argument(
        "--budget", type=_seconds, default=60.0, metavar="SECONDS", help="for all together (default: %(default)s)"
    )
    parser.add_argument("--target", metavar="FILE", help=f"fit these values instead of the recorded target ({FORMS})")
    parser.add_argument("--seeds", type=counted, default=2, help="of each remedy (default: %(default)s)")
    parser.add_argument("--processes", type=counted, help="that train at once (default: one a core)")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def run(run: str, name: str, budget: float, target: str | None, seeds: int, processes: int | None, json: bool) -> None:
    """Print the table and the code of the best, or nothing but JSON."""
    try:
        seen = load(find(run, name))
    except (FileNotFoundError, ValueError, ImportError) as error:
        raise Refused(str(error)) from error
    try:
        other = None if target is None else _target(Path(target))
        found = trial(seen, budget, target=other, seeds=seeds, processes=processes)
    except (ValueError, TypeError, RuntimeError) as error:
        raise Refused(f"{f'--target {target}: ' if target else ''}{error}") from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    print(dumps(found.as_dict(), indent=2, allow_nan=False) if json else found)


def _target(file: Path) -> Any:
    """Values on the run's own points, or a probe where the file has points of its own."""
    points, values = read_values(file)
    return values if points is None else probe_of(file)


def _seconds(value: str | float) -> float:
    try:
        return float(value)
    except ValueError:
        raise ArgumentTypeError(f"{str(value)!r} is no number of seconds") from None
