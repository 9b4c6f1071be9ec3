"""``seqfit convert``: the files of records, written anew in the present version."""

from __future__ import annotations

from argparse import ArgumentParser

from lightning_seqfit.cli.values import Refused
from lightning_seqfit.record import FILE_VERSION, convert, find_all


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("run", metavar="RUN", help="a training's log directory, its seqfit folder, or a record's file")
    parser.add_argument(
        "-o", dest="output", metavar="FILE", help="the new file, of a run with one probe (default: in place of the old)"
    )


def run(run: str, output: str | None) -> None:
    """Convert the records of all probes of a run, and say which version each had."""
    try:
        files = find_all(run)
        if output is not None and len(files) > 1:
            raise Refused(f"-o is for one record: give one of {', '.join(map(str, files))}")
        for file in files:
            version = convert(file, output)
            same = output is None and version == FILE_VERSION
            made = "which is the present one: left as it is" if same else f"now {FILE_VERSION}: {output or file}"
            print(f"{file}: version {version}, {made}")
    except (FileNotFoundError, ValueError, ImportError, OSError) as error:
        raise Refused(str(error)) from error
