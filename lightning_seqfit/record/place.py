"""Files and folders, here or on a remote store: what is written is there whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import get_protocol

#: Says on a store without folders whose a folder is.
MARK = ".run"


class Place(ABC):
    """A file or a folder."""

    @abstractmethod
    def __truediv__(self, name: str) -> Place: ...

    @property
    def name(self) -> str:
        """Name in the folder that holds it."""
        return str(self).replace(os.sep, "/").rpartition("/")[2]

    @abstractmethod
    def reach(self) -> None:
        """Raise what keeps us from looking there at all, such as a package that is missing."""

    @abstractmethod
    def is_file(self) -> bool:
        """Whether there is a file."""

    @abstractmethod
    def is_folder(self) -> bool:
        """Whether there is a folder."""

    @abstractmethod
    def names(self) -> list[str]:
        """Names of what the folder holds; none where there is no such folder."""

    @abstractmethod
    def below(self, folder: str, ending: str) -> list[Place]:
        """Files below, at any depth, whose name ends so and that lie in or below a folder of that name."""

    @abstractmethod
    def broken_links(self) -> dict[str, str]:
        """Links below that lead nowhere, and where each should lead."""

    @abstractmethod
    def written(self) -> float:
        """When the file was last written, in seconds."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """Open the file to read it, from any position."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Put a file here, in folders that are made as needed; a reader sees the old one or the new one."""

    @abstractmethod
    def claim(self) -> None:
        """Make this folder; of several processes that try, one succeeds.

        Raises
        ------
        FileExistsError
            If it is there.
        """

    @abstractmethod
    def release(self) -> None:
        """Take a claimed folder away that is empty."""


@dataclass(frozen=True)
class Here(Place):
    """On a file system of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def __truediv__(self, name: str) -> Here:
        return Here(self.path / name)

    def reach(self) -> None:
        """Nothing does."""

    def is_file(self) -> bool:
        """Whether there is a file."""
        return self.path.is_file()

    def is_folder(self) -> bool:
        """Whether there is a folder."""
        return self.path.is_dir()

    def names(self) -> list[str]:
        """Names of what the folder holds."""
        return sorted(os.listdir(self.path)) if self.path.is_dir() else []

    def below(self, folder: str, ending: str) -> list[Place]:
        """Files below; folders that cannot be listed, or are gone meanwhile, are passed over."""
        inside = (
            (root, names)
            for root, names in self._walk()
            if folder in (*Path(os.path.abspath(root)).parts, *Path(os.path.realpath(root)).parts)
        )
        found = (Path(root, name) for root, names in inside for name in names if name.endswith(ending))
        return [Here(file) for file in found if not _is_broken(file)]

    def broken_links(self) -> dict[str, str]:
        """Links below that lead nowhere."""
        files = (os.path.join(root, name) for root, names in self._walk() for name in names)
        return {file: os.readlink(file) for file in files if _is_broken(file)}

    def _walk(self) -> Iterator[tuple[str, list[str]]]:
        """Folders at and below, and the files in each: each folder once, by its own path where that lies below."""
        above = Path(os.path.realpath(self.path)).parents
        waiting, seen = [str(self.path)], set(map(str, above))  # a link to what lies above leads around
        while waiting:
            for root, folders, names in os.walk(waiting.pop(0)):
                real = os.path.realpath(root)
                if real in seen:
                    folders.clear()
                    continue
                seen.add(real)
                yield root, names
                waiting += [path for path in (os.path.join(root, name) for name in folders) if os.path.islink(path)]

    def written(self) -> float:
        """When the file was last written."""
        return self.path.stat().st_mtime

    def open(self) -> BinaryIO:
        """Open the file."""
        return self.path.open("rb")

    def write(self, data: bytes) -> None:
        """Write beside the file, then rename; what a link leads to is replaced, and who may read a file stays."""
        path = Path(os.path.realpath(self.path)) if self.path.is_symlink() else self.path
        if path.exists() and not (path.is_file() or path.is_dir()):  # a device, a pipe: there is nothing to replace
            path.write_bytes(data)
            return
        _make(path.parent)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                with suppress(OSError):  # there is no such file, or its file system has no modes
                    shutil.copymode(path, temporary)
                file.write(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    def claim(self) -> None:
        """Make the folder."""
        _make(self.path.parent)
        self.path.mkdir()

    def release(self) -> None:
        """Remove the folder."""
        self.path.rmdir()


@dataclass(frozen=True)
class There(Place):
    """On a store that fsspec knows. The connection is looked up at each use: it does not survive a fork or a spawn."""

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> There:
        return There(f"{self.url}/{name}")

    def _store(self) -> tuple[AbstractFileSystem, str]:
        store, path = url_to_fs(self.url)
        store.invalidate_cache()  # others write there too
        return store, path

    def reach(self) -> None:
        """Look for the store's package."""
        self._store()

    def is_file(self) -> bool:
        """Whether there is a file."""
        store, path = self._store()
        return bool(store.isfile(path))

    def is_folder(self) -> bool:
        """Whether there is a folder."""
        store, path = self._store()
        return bool(store.isdir(path))

    def names(self) -> list[str]:
        """Names of what the folder holds."""
        store, path = self._store()
        try:
            found = store.ls(path, detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(entry.rstrip("/").rpartition("/")[2] for entry in found)

    def below(self, folder: str, ending: str) -> list[Place]:
        """Files below, as the store lists them all at once."""
        store, path = self._store()
        start = len(path.rstrip("/"))
        found = (self / name[start:].lstrip("/") if name[start:] else self for name in store.find(path))
        return [file for file in found if file.url.endswith(ending) and folder in file.url.split("/")[:-1]]

    def broken_links(self) -> dict[str, str]:
        """Stores have no links."""
        return {}

    def written(self) -> float:
        """When the file was last written, as far as the store knows."""
        store, path = self._store()
        try:
            return float(store.modified(path).timestamp())
        except NotImplementedError:
            return 0.0

    def open(self) -> BinaryIO:
        """Fetch the file, whole: in one request, where piece by piece takes five, and never half old and half new."""
        store, path = self._store()
        return io.BytesIO(store.cat_file(path))

    def write(self, data: bytes) -> None:
        """Hand the file over whole where the store takes it so, else write it and commit."""
        store, path = self._store()
        if _takes_whole(store):
            store.pipe_file(path, data)
            return
        store.makedirs(store._parent(path), exist_ok=True)
        file: Any = store.open(path, "wb", autocommit=False)
        try:
            with file:
                file.write(data)
        except BaseException:
            with suppress(Exception):  # what the store says of the rest hides what went wrong
                file.discard()
            raise
        file.commit()

    def claim(self) -> None:
        """Leave a mark, which is made only where there is none if the store can do that in one step."""
        store, path = self._store()
        if store.exists(path):
            raise FileExistsError(self.url)
        if not _takes_whole(store):
            store.makedirs(path, exist_ok=True)
        try:
            store.pipe_file(f"{path}/{MARK}", b"", mode="create")
        except FileExistsError:
            raise
        except Exception:
            store.pipe_file(f"{path}/{MARK}", b"")

    def release(self) -> None:
        """Take the mark away, and the folder where the store has any."""
        store, path = self._store()
        store.rm_file(f"{path}/{MARK}")
        with suppress(Exception):
            store.rmdir(path)


def _is_broken(file: str | Path) -> bool:
    """Whether it is a link that leads nowhere."""
    return os.path.islink(file) and not os.path.exists(file)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise NotADirectoryError(f"{folder} is a file") from None


def _takes_whole(store: AbstractFileSystem) -> bool:
    """Whether a store has its own way to put a file in one piece, as those without folders have.

    On these ``makedirs`` could make a bucket.
    """
    return getattr(store.pipe_file, "__func__", None) is not AbstractFileSystem.pipe_file


def place(where: str | os.PathLike[str] | Place) -> Place:
    """Find out where a path or a URL points.

    Examples
    --------
    >>> str(place("file:///tmp/runs") / "seqfit"), str(place("memory://runs/") / "seqfit")
    ('/tmp/runs/seqfit', 'memory://runs/seqfit')
    """
    if isinstance(where, Place):
        return where
    text = os.fspath(where)
    # Lightning makes file:/tmp of file:///tmp
    if "://" not in text or get_protocol(text) in ("file", "local"):
        return Here(Path(LocalFileSystem._strip_protocol(text)))
    return There(text if text.endswith("://") else text.rstrip("/"))
