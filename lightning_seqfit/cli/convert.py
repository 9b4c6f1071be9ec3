"""``seqfit convert``: the files of records, written anew in the present version."""

from __future__ import annotations

from argparse import ArgumentParser

from lightning_seqfit.cli.values import Refused
from lightning_seqfit.record import FILE_VERSION, broken_links, convert, find_all, find_below
from lightning_seqfit.record.place import Place


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "run",
        metavar="RUN",
        help="a training's log directory, its seqfit folder, a record's file, or a folder with many trainings below it",
    )
    parser.add_argument(
        "-o", dest="output", metavar="FILE", help="a new file, of a run with one probe (default: in place of the old)"
    )


def run(run: str, output: str | None) -> None:
    """Convert all records of a run or below a folder, say which version each had, and in the end which were left."""
    files, notes = _files(run)
    if output is not None and len(files) > 1:
        some = ", ".join(map(str, files[:8])) + (f" and {len(files) - 8} more" if len(files) > 8 else "")
        raise Refused(f"-o is for one record: give one of {some}")
    left = []
    for file in files:
        try:
            version = convert(file, output)
        except (FileNotFoundError, FileExistsError, IsADirectoryError, ValueError, ImportError) as error:
            left.append(str(error))
        except Exception as error:  # of a disk, or a store's own kind
            why = getattr(error, "strerror", None) or error
            where = "in place" if output is None else f"to {output}"
            left.append(f"{file} cannot be converted {where}: {why}; see whether you may read it and write there")
        else:
            same = output is None and version == FILE_VERSION
            made = "which is the present one: left as it is" if same else f"now {FILE_VERSION}: {output or file}"
            print(f"{file}: version {version}, {made}")
    for note in notes:
        print(f"note  {note}")
    if left:
        count = f"{len(left)} of {len(files)} records could not be converted: " if len(files) > 1 else ""
        raise Refused(f"{count}{'; '.join(left)}")


def _files(given: str) -> tuple[list[Place], list[str]]:
    """Records of a run, or of all runs below a folder, and what to say of links that lead nowhere."""
    notes: list[str] = []
    try:
        broken = broken_links(given)
        notes += broken.values()
        files = sorted(find_below(given), key=str) or [file for file in find_all(given) if str(file) not in broken]
    except Exception as error:  # a store's own kind too
        raise Refused("; ".join([*notes, str(error)])) from error
    if not files:
        raise Refused("; ".join(notes))
    return files, notes
