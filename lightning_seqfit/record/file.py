"""The file of a record, and the folders in which runs lie: written whole, found by name, read whole or refused.

A file is a zip archive of arrays in numpy's format, as ``numpy.savez`` makes it, not compressed and without pickled
objects. Whatever was done to one, :func:`load` gives what was written or a ``ValueError``.
"""

from __future__ import annotations

import io
import math
import os
import re
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from lightning_seqfit.record.check import check_about, check_arrays, forms
from lightning_seqfit.record.history import Column
from lightning_seqfit.record.place import Place, place
from lightning_seqfit.record.run import FILE_VERSION, Run, about_in, as_run, check_version, labelled

#: Folder of the records in a run's log directory.
FOLDER = "seqfit"
#: Folders in it of further runs with the same log directory.
NUMBERED = re.compile(r"run_([1-9][0-9]*)")


def file_of(name: str) -> str:
    """Name of the file of a probe's record."""
    return f"{name or 'probe'}.npz"


def write(where: str | os.PathLike[str] | Place, arrays: Mapping[str, Column]) -> None:
    """Write a record's file so that a reader sees the old or the new one, never a part."""
    place(where).write(pack(arrays))


def pack(arrays: Mapping[str, Column]) -> bytes:
    """Make the bytes of a record's file."""
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    return packed.getvalue()


def load(run_dir: str | os.PathLike[str] | Place, name: str = "") -> Run:
    """Read a record.

    Parameters
    ----------
    run_dir : the run's log directory, its ``seqfit`` folder, a folder with numbered runs, or the file itself; a path,
        or a URL that fsspec knows. Of several runs the one that was written last is loaded, and a warning says so.
    name : name of the probe; one without a name is called "probe".

    Raises
    ------
    FileNotFoundError
        If there is none; the message lists those that are there.
    ValueError
        If the file is not a whole record of a version that this release reads; the message says what is wrong with it.
    ImportError
        If a remote store needs a package that is not installed.

    Examples
    --------
    >>> import tempfile
    >>> import lightning as L
    >>> from lightning_seqfit import Probe
    >>> from lightning_seqfit.callbacks import ErrorFront
    >>> from lightning_seqfit.demos import TanhRegression, sine
    >>> watcher = ErrorFront(Probe.grid([(0.0, 1.0)], sine))
    >>> options = {"logger": False, "default_root_dir": tempfile.mkdtemp(), "enable_checkpointing": False}
    >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    >>> L.Trainer(max_steps=2, callbacks=[watcher], **options, **quiet).fit(TanhRegression(width=8))
    >>> load(options["default_root_dir"]).steps.tolist()
    [0, 1, 2]
    """
    file = find(run_dir, name)
    try:
        with file.open() as opened:
            about, arrays = _unpacked(opened, str(file))
            return as_run(arrays | {"about": about}, source=str(file))
    except FileNotFoundError:
        raise
    except _OtherVersionError as error:
        raise ValueError(str(error)) from None
    # Whatever the bytes made Python or numpy say. Not chained: some of it advises to load what is not trusted.
    except Exception as error:
        said = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ValueError(
            f"{file} is no whole record: {said}; it is another kind of file, or was damaged: take another copy"
        ) from None


def convert(file: str | os.PathLike[str] | Place, to: str | os.PathLike[str] | Place | None = None) -> int:
    """Write the file of a record anew, as one of the version that is written now.

    Every array stays bitwise what it is, and what an older release did not record stays absent.

    Parameters
    ----------
    file : of a record that :func:`load` reads.
    to : a new file; None: the old one's place, unless it has that version already. A reader sees the old file or the
        new one, never a part.

    Returns
    -------
    int
        The version that the file had.

    Raises
    ------
    FileNotFoundError, ValueError, ImportError
        As :func:`load` does; nothing is written then.
    FileExistsError, IsADirectoryError
        If there is a file already where the new one goes, or a folder.
    """
    old = place(file)
    new = old if to is None else place(to)
    if to is not None and new.is_file():
        raise FileExistsError(
            f"{new} is there already, and is not written over: give the name of a new file, or none to convert {old} "
            "in place"
        )
    if to is not None and new.is_folder():
        raise IsADirectoryError(f"{new} is a folder: give the name of a new file, such as {new / old.name}")
    load(old)
    with old.open() as opened:
        archive = _Archive(opened)
        arrays = {name: archive.array(name) for name in archive.names}
    about = about_in(arrays["about"])
    version = about.pop("version")
    about.pop("arrays", None)
    if to is not None or version != FILE_VERSION:
        write(new, labelled(arrays, about))
    return int(version)


def about_file(file: Place) -> dict[str, Any]:
    """What a record's file says of its run; empty where there is no file, or none that can be read."""
    try:
        with file.open() as opened:
            return about_in(_Archive(opened).array("about"))
    except Exception:
        return {}


def runs_in(folder: Place) -> list[Place]:
    """Return a ``seqfit`` folder and the numbered ones in it, whether or not they hold a record."""
    numbers = sorted(int(found[1]) for found in map(NUMBERED.fullmatch, folder.names()) if found)
    return [folder, *(folder / f"run_{number}" for number in numbers)]


def find(run_dir: str | os.PathLike[str] | Place, name: str = "") -> Place:
    """Return the file that :func:`load` reads; it raises what that does where there is none."""
    with _reaching(run_dir):
        return _find(place(run_dir), name)


def find_all(run_dir: str | os.PathLike[str] | Place) -> list[Place]:
    """Return the files of all probes of a run, that of the unnamed one first; otherwise as :func:`find`."""
    with _reaching(run_dir):
        where = place(run_dir)
        for root in () if where.is_file() else (where / FOLDER, where):
            files = [(run, run / entry) for run in runs_in(root) for entry in run.names() if entry.endswith(".npz")]
            if files:
                folder, _ = _newest(root, files)
                return sorted((file for run, file in files if run == folder), key=lambda file: file.name != file_of(""))
        return [_find(where, "")]


def find_below(folder: str | os.PathLike[str] | Place) -> list[Place]:
    """Return the files of all records at any depth below a folder; none where there is no such folder."""
    with _reaching(folder):
        return place(folder).below(FOLDER, ".npz")


def broken_links(folder: str | os.PathLike[str] | Place) -> dict[str, str]:
    """Return links below a folder, at any depth, that lead nowhere, and what to say of each: a record may be missed."""
    with _reaching(folder):
        found = place(folder).broken_links()
    return {
        link: f"{link} is a link to {end}, which is not there: mend it, or remove it" for link, end in found.items()
    }


@contextmanager
def _reaching(run_dir: str | os.PathLike[str] | Place) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ImportError(f"{run_dir} cannot be reached: {error}; install that package with pip") from error


def _find(where: Place, name: str) -> Place:
    if where.is_file():
        return where
    file = file_of(name)
    for root in (where / FOLDER, where):
        found = [(run, run / file) for run in runs_in(root) if (run / file).is_file()]
        if found:
            return _newest(root, found)[1]
    there = {
        entry.removesuffix(".npz")
        for root in (where / FOLDER, where)
        for run in runs_in(root)
        for entry in run.names()
        if entry.endswith(".npz")
    }
    hint = f"there are records of: {', '.join(sorted(there))}" if there else "it holds no record"
    raise FileNotFoundError(f"no {file} in {where / FOLDER}: {hint}; give the run's log directory and the probe's name")


def _newest(root: Place, found: Sequence[tuple[Place, Place]]) -> tuple[Place, Place]:
    """Of folders and files in them, those that were written last; it warns where there are several folders."""
    if len({run for run, _ in found}) == 1:
        return found[0]
    # a store may know seconds only: the higher number then
    newest = max(enumerate(found), key=lambda pair: (pair[1][1].written(), pair[0]))[1]
    warnings.warn(
        f"seqfit: {len({run for run, _ in found})} runs in {root}: {newest[0].name}, the newest, is loaded; give its "
        f"folder for another, or its file, such as {found[0][1]}",
        UserWarning,
        stacklevel=5,
    )
    return newest


class _OtherVersionError(ValueError):
    """A file that is whole, as far as can be told, and of a version that is not known."""


def _unpacked(file: BinaryIO, source: str) -> tuple[Column, dict[str, Column]]:
    """What 'about' holds, and the arrays that a run is made of, checked against each other; no others are read."""
    archive = _Archive(file)
    about: dict[str, Any] = {}
    if "about" in archive.names:
        text = archive.array("about")
        about = about_in(text)
    try:
        check_version(about, source)
    except ValueError as error:
        raise _OtherVersionError(str(error)) from None
    names = archive.names
    check_about(about, names)
    if about["version"] == 1:
        archive.compare_names()
    else:
        names = set(about["arrays"])
    wanted = forms(names, about)
    missing = sorted((names | wanted.keys()) - archive.names)
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    arrays = {name: archive.array(name) for name in wanted}
    check_arrays(arrays, wanted, about)
    return text, arrays


class _Archive:
    """The arrays in a zip archive, read one by one, each checked against its checksum and its own header."""

    def __init__(self, file: BinaryIO) -> None:
        size = file.seek(0, io.SEEK_END)
        self._zip = zipfile.ZipFile(file)
        entries = self._zip.infolist()
        self._entries = {entry.filename.removesuffix(".npy"): entry for entry in entries}
        if len(self._entries) < len(entries):
            raise ValueError("it holds two arrays of one name")
        if sum(entry.compress_size for entry in entries) > size:
            raise ValueError(f"its arrays are said to take more than the {size} bytes of the file")
        self.names = set(self._entries)

    def compare_names(self) -> None:
        """Refuse a name that is another one where the array itself lies."""
        for entry in self._entries.values():
            self._zip.open(entry).close()

    def array(self, name: str) -> Column:
        """Read an array."""
        entry = self._entries[name]
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"{name!r} is compressed, which no array of a record is")
        try:
            return _array(self._zip.read(entry))
        except ValueError as error:
            raise ValueError(f"{name!r} is no array: {error}") from None


#: As numpy writes it, of plain numbers and text.
_HEADER = re.compile(
    r"\{'descr': '([<>|][biufU][0-9]{1,9})', 'fortran_order': (True|False), 'shape': \((|\d+,|\d+(?:, \d+)+)\), \} *\n"
)


def _array(data: bytes) -> Column:
    """Read numpy's format.

    Not by numpy itself, which takes the room that a header asks for before it looks whether there are values.
    """
    layout = {b"\x01\x00": "<H", b"\x02\x00": "<I"}.get(data[6:8])
    if data[:6] != b"\x93NUMPY" or layout is None:
        raise ValueError("it does not begin as one")
    start = 8 + struct.calcsize(layout)
    end = start + struct.unpack_from(layout, data, 8)[0]
    header = _HEADER.fullmatch(data[start:end].decode("latin1"))
    if header is None:
        raise ValueError("it holds neither numbers nor text, or its header is damaged")
    dtype, shape = np.dtype(header[1]), tuple(int(length) for length in re.findall(r"\d+", header[3]))
    if math.prod(shape) * max(dtype.itemsize, 1) != len(data) - end:
        raise ValueError(f"its header says {dtype} of shape {shape}, and it holds {len(data) - end} bytes")
    values = np.frombuffer(data, dtype, offset=end).reshape(shape, order="F" if header[2] == "True" else "C")
    return values.astype(dtype.newbyteorder("="), order="C")  # a copy: the bytes are read-only
