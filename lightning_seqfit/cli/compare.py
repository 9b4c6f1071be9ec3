"""``seqfit compare``: several runs in one table, for a terminal, a spreadsheet or a program."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Sequence
from json import dumps
from pathlib import Path, PurePath

from lightning_seqfit.cli.values import Refused
from lightning_seqfit.record import find, find_all, load
from lightning_seqfit.record.file import FOLDER, file_of
from lightning_seqfit.record.place import Here, Place
from lightning_seqfit.report.comparison import Comparison, compared, facts_of
from lightning_seqfit.words import plain


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help="a training's log directory, its seqfit folder, a record's file, or a folder with many trainings below it",
    )
    parser.add_argument("--name", help="name of the probe (default: all of each run)")
    parser.add_argument("--csv", metavar="FILE", help="write the table for a spreadsheet; -: to standard output")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def run(runs: Sequence[str], name: str | None, csv: str | None, json: bool) -> None:
    """Print the table, or nothing but JSON or CSV; write it where a file is given."""
    if json and csv == "-":
        raise Refused("--json and --csv - both go to standard output: give a file to --csv")
    unread: list[str] = []
    files = dict.fromkeys(file for given in runs for file in _files(given, name, unread))
    facts = []
    for label, file in zip(_labels([*files]), files, strict=True):
        try:
            facts.append(facts_of(label, load(file)))  # the arrays are let go
        except (OSError, ValueError, ImportError) as error:
            unread.append(str(error))
        except Exception as error:  # a whole file may hold values that nobody has measured
            unread.append(f"{file} cannot be compared: {type(error).__name__}: {error}; take another copy")
    if not facts:
        raise Refused("; ".join(unread))
    found = compared(facts)
    if csv not in (None, "-"):
        _write(Path(str(csv)), found)
    if json:
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        print(dumps(plain({"runs": rows, "reasons": found.reasons, "unread": unread}), indent=2, allow_nan=False))
    elif csv == "-":
        print(found.csv(), end="")
    else:
        print("\n".join([str(found), *(f"note  {each}" for each in unread)]))


def _files(given: str, name: str | None, unread: list[str]) -> list[Place]:
    """Records of a run, or of all runs below a folder, by name; what keeps them from being found is in ``unread``."""
    try:
        below = [] if "://" in given else _below(Path(given))
        files: list[Place] = [Here(file) for file in below if name is None or file.name == file_of(name)]
        if files:
            return files
        return find_all(given) if name is None else [find(given, name)]
    except (OSError, ValueError, ImportError) as error:
        unread.append(str(error))
        return []


def _below(folder: Path) -> list[Path]:
    """Files of records in ``seqfit`` folders below a folder, ``version_2`` before ``version_10``."""
    found = [file for file in folder.rglob("*.npz") if FOLDER in file.resolve().parts[:-1]]
    return sorted(found, key=lambda file: [(not part.isdigit(), part.zfill(20)) for part in _split(file)])


def _split(file: Path) -> list[str]:
    return [part for name in file.parts for part in (*re.split(r"(\d+)", name), "/") if part]


def _labels(files: Sequence[Place]) -> list[str]:
    """What tells records apart: of their paths what they do not have in common, and the probe where probes differ."""
    paths = [[part for part in PurePath(str(file)).with_suffix("").parts if part != FOLDER] for file in files]
    if len({path[-1] for path in paths}) == 1 and len(paths) > 1:
        paths = [path[:-1] for path in paths]
    common = 0
    while paths and all(len(path) > common + 1 and path[common] == paths[0][common] for path in paths):
        common += 1
    if len(paths) == 1:
        return ["/".join(paths[0][-2:])]
    return ["/".join(path[common:]) for path in paths]


def _write(file: Path, found: Comparison) -> None:
    try:
        Here(file).write(found.csv().encode("utf-8", "replace"))
    except OSError as error:
        raise Refused(f"the table cannot be written to {file}: {error}; give another file to --csv") from error
