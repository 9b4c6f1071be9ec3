"""``seqfit compare``: several runs in one table, for a terminal, a spreadsheet or a program."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import replace
from json import dumps
from pathlib import PurePath

from lightning_seqfit.cli.values import Refused, counted
from lightning_seqfit.record import broken_links, find, find_all, find_below, load
from lightning_seqfit.record.file import FOLDER, file_of
from lightning_seqfit.record.place import Place, place
from lightning_seqfit.report.comparison import Comparison, compared, facts_of
from lightning_seqfit.words import plain

#: Runs in the table on a terminal, where no number is asked for.
MOST_ROWS = 50


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        help="a training's log directory, its seqfit folder, a record's file, or a folder with many trainings below "
        "it; a path or a URL, such as s3://bucket/study",
    )
    parser.add_argument("--name", help="name of the probe (default: all of each run)")
    parser.add_argument(
        "--sort",
        metavar="COLUMN",
        help="order the runs by a column, best or lowest first (--best alone: by fitted, then steps to 98 %%)",
    )
    parser.add_argument("--best", metavar="N", type=counted, help="only so many runs, the first of that order")
    parser.add_argument("--csv", metavar="FILE", help="write the table for a spreadsheet; -: to standard output")
    parser.add_argument("--json", action="store_true", help="one JSON object, for programs")


def run(runs: Sequence[str], name: str | None, sort: str | None, best: int | None, csv: str | None, json: bool) -> None:
    """Print the table, or nothing but JSON or CSV; write it where a file is given."""
    if json and csv == "-":
        raise Refused("--json and --csv - both go to standard output: give a file to --csv")
    unread: list[str] = []
    files = dict.fromkeys(file for given in runs for file in _files(given, name, unread))
    facts = []
    for label, file in zip(_labels([*files]), files, strict=True):
        try:
            facts.append(facts_of(label, load(file)))  # the arrays are let go
        except FileNotFoundError:
            unread.append(f"{file} is gone: it was there when the folder was read; see whether its training moved it")
        except (OSError, ValueError, ImportError) as error:
            unread.append(str(error))
        except Exception as error:  # a whole file may hold values that nobody has measured
            unread.append(f"{file} cannot be compared: {type(error).__name__}: {error}; take another copy")
    if not facts:
        raise Refused("; ".join(unread))
    found = _chosen(compared(facts), sort, best)
    if csv not in (None, "-"):
        _write(str(csv), found)
    if json:
        rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
        print(dumps(plain({"runs": rows, "reasons": found.reasons, "unread": unread}), indent=2, allow_nan=False))
    elif csv == "-":
        print(found.csv(), end="")
    else:
        shown = found if best is not None else _for_terminal(found, sort)
        print("\n".join([str(shown), *(f"note  {each}" for each in unread)]))


def _chosen(found: Comparison, sort: str | None, best: int | None) -> Comparison:
    """The runs that are asked for, in the order that is asked for."""
    if sort is None and best is None:
        return found
    try:
        found = found.ordered(sort)
    except ValueError as error:
        raise Refused(f"--sort {error}") from None
    return replace(found, rows=found.rows[:best])


def _for_terminal(found: Comparison, sort: str | None) -> Comparison:
    """A table that can be read: of very many runs the first."""
    count = len(found.rows)
    if count <= MOST_ROWS:
        return found
    which = "best" if sort is None else "first"
    said = f"the {which} {MOST_ROWS} of {count:,} runs: --best N shows N, --csv FILE and --json have all"
    ordered = found if sort is not None else found.ordered()
    return replace(ordered, rows=ordered.rows[:MOST_ROWS], reasons=(*found.reasons, said))


def _files(given: str, name: str | None, unread: list[str]) -> list[Place]:
    """Records of a run, or of all runs below a folder, by name; what keeps them from being found is in ``unread``."""
    try:
        files = [file for file in find_below(given) if name is None or file.name == file_of(name)]
        broken = broken_links(given)
        unread.extend(broken.values())
        if files:
            return sorted(files, key=_by_number)
        files = find_all(given) if name is None else [find(given, name)]
        return [file for file in files if str(file) not in broken]
    except (OSError, ValueError, ImportError) as error:
        unread.append(str(error))
    except Exception as error:  # a store's own kind
        unread.append(f"{given} cannot be searched: {type(error).__name__}: {error}")
    return []


def _by_number(file: Place) -> list[tuple[bool, str]]:
    """``version_2`` before ``version_10``."""
    parts = [part for name in PurePath(str(file)).parts for part in (*re.split(r"(\d+)", name), "/") if part]
    return [(not part.isdigit(), part.zfill(20)) for part in parts]


def _labels(files: Sequence[Place]) -> list[str]:
    """What tells records apart: of their paths what lies between the parts that all begin and end with."""
    paths = [[part for part in PurePath(str(file)).with_suffix("").parts if part != FOLDER] for file in files]
    while len(paths) > 1 and all(len(path) > 1 and path[-1] == paths[0][-1] for path in paths):
        paths = [path[:-1] for path in paths]
    common = 0
    while paths and all(len(path) > common + 1 and path[common] == paths[0][common] for path in paths):
        common += 1
    if len(paths) == 1:
        return ["/".join(paths[0][-2:])]
    return ["/".join(path[common:]) for path in paths]


def _write(file: str, found: Comparison) -> None:
    try:
        place(file).write(found.csv().encode("utf-8", "replace"))
    except Exception as error:  # a store's own kind
        raise Refused(f"the table cannot be written to {file}: {error}; give another file to --csv") from error
