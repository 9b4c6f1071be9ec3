"""``seqfit plan``: what a target asks of a network, and the code of it."""

from __future__ import annotations

from argparse import ArgumentParser
from json import dumps
from pathlib import Path

from lightning_seqfit.cli.files import FORMS, probe_of
from lightning_seqfit.cli.values import Refused
from lightning_seqfit.planning import Plan
from lightning_seqfit.record import find, load


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "run", metavar="RUN", nargs="?", help="a training's log directory, its seqfit folder, or a record's file"
    )
    parser.add_argument("--points", type=Path, metavar="FILE", help=f"a target instead of a run: {FORMS}")
    parser.add_argument(
        "--bounds",
        type=float,
        nargs="+",
        metavar="NUMBER",
        help="of the domain of --points, low and high of each axis in turn (default: around the points)",
    )
    parser.add_argument("--name", default="", help="name of the probe, where the run has several")
    parser.add_argument("--network", help="whose code is printed (default: the one that is recommended)")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def run(
    run: str | None, points: Path | None, bounds: list[float] | None, name: str, network: str | None, json: bool
) -> None:
    """Print the plan and code to paste, or nothing but JSON."""
    if (run is None) == (points is None):
        raise Refused("give either RUN, or --points FILE")
    if points is None and bounds is not None:
        raise Refused("--bounds is for --points; a run has its own")
    try:
        if points is not None:
            plan, said = _of_file(points, bounds), str(points)
        else:
            file = find(str(run), name)
            plan, said = load(file).plan(), str(run)
        code = plan.code(network)
    except (FileNotFoundError, ValueError, TypeError, ImportError) as error:
        raise Refused(f"{points or run}: {error}") from error
    print(dumps({"target": said, **plan.as_dict()}, indent=2, allow_nan=False) if json else f"{plan}\n\n{code}")


def _of_file(file: Path, bounds: list[float] | None) -> Plan:
    if bounds is not None and len(bounds) % 2:
        raise ValueError(f"--bounds has {len(bounds)} numbers: give low and high of each axis")
    pairs = None if bounds is None else list(zip(bounds[::2], bounds[1::2], strict=True))
    return probe_of(file, pairs).plan()
