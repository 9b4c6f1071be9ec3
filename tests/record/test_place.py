"""A file is put whole or not at all, on the disk and on stores of every kind that fsspec knows."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import register_implementation

from lightning_seqfit.record.place import Here, Place, There, place


class Server(AbstractFileSystem):  # type: ignore[misc]
    """Takes a file piece by piece and commits it, as SFTP does; folders have to be made."""

    protocol = "server"
    files: dict[str, bytes] = {}  # noqa: RUF012 - one for all instances, as a server has
    folders: set[str] = set()  # noqa: RUF012
    full = False

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if path in self.files:
            return {"name": path, "type": "file", "size": len(self.files[path])}
        if path in self.folders:
            return {"name": path, "type": "directory", "size": 0}
        raise FileNotFoundError(path)

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        path = self._strip_protocol(path)
        self.info(path)
        found = [name for name in [*self.files, *self.folders] if self._parent(name) == path]
        return [self.info(name) for name in found] if detail else found

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        path = self._strip_protocol(path)
        while path and path not in self.folders:
            self.folders.add(path)
            path = self._parent(path)

    def rm_file(self, path: str) -> None:
        del self.files[self._strip_protocol(path)]

    def rmdir(self, path: str) -> None:
        self.folders.remove(self._strip_protocol(path))

    def _open(self, path: str, mode: str = "rb", autocommit: bool = True, **kwargs: Any) -> Any:
        if mode == "rb":
            return io.BytesIO(self.files[path])
        assert self._parent(path) in self.folders
        return Upload(path, autocommit)


class Upload(io.BytesIO):
    def __init__(self, path: str, autocommit: bool) -> None:
        super().__init__()
        self.path, self.autocommit, self.content = path, autocommit, b""

    def write(self, data: Any) -> int:
        if Server.full:
            super().write(data[:3])
            raise OSError("no room")
        return super().write(data)

    def close(self) -> None:
        if not self.closed:
            self.content = self.getvalue()
            super().close()
            if self.autocommit:
                self.commit()

    def commit(self) -> None:
        Server.files[self.path] = self.content

    def discard(self) -> None:
        self.content = b""


register_implementation("server", Server, clobber=True)


@pytest.fixture(params=["disk", "memory", "server"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    monkeypatch.setattr(Server, "files", {})
    monkeypatch.setattr(Server, "folders", set())
    return place({"disk": str(tmp_path / "runs"), "memory": "memory://runs", "server": "server://runs"}[request.param])


def test_what_is_written_is_read_back(folder: Place) -> None:
    file = folder / "deep" / "er" / "file.npz"
    assert not file.is_file()
    assert (folder / "deep").names() == []
    for data in (b"first", b"then"):
        file.write(data)
        with file.open() as opened:
            assert opened.read() == data
    assert file.is_file()
    assert file.name == "file.npz"
    assert (folder / "deep").names() == ["er"]
    assert (folder / "deep" / "er").names() == ["file.npz"]


def test_files_below_a_folder_are_found_by_ending_and_by_the_name_of_a_folder_above(folder: Place) -> None:
    inside = ["a/seqfit/probe.npz", "b/c/seqfit/run_2/left.npz", "seqfit/probe.npz"]
    for name in (*inside, "a/seqfit/page.html", "a/data.npz", "a/seqfit.npz", "seqfits/probe.npz"):
        file = folder
        for part in name.split("/"):
            file = file / part
        file.write(name.encode())
    found = {str(file): file for file in folder.below("seqfit", ".npz")}
    assert sorted(found) == [f"{folder}/{name}" for name in inside]
    for name in inside:
        with found[f"{folder}/{name}"].open() as opened:
            assert opened.read() == name.encode()
    deeper = folder / "b" / "c" / "seqfit" / "run_2"  # the folder above may lie above what is given
    assert list(map(str, deeper.below("seqfit", ".npz"))) == [f"{deeper}/left.npz"]
    assert (folder / "nowhere").below("seqfit", ".npz") == []


def test_all_of_a_store_is_a_folder() -> None:
    MemoryFileSystem.store.clear()
    place("memory://runs/seqfit/probe.npz").write(b"it")
    (found,) = place("memory://").below("seqfit", ".npz")
    with found.open() as opened:
        assert opened.read() == b"it"
    assert place("memory://").names() == ["runs"]


def test_a_remote_file_is_read_in_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = []

    def cat_file(self: Server, path: str) -> bytes:
        requests.append(path)
        return b"some bytes"

    monkeypatch.setattr(Server, "cat_file", cat_file)
    with place("server://whole").open() as opened:
        opened.seek(5)
        assert opened.read() == b"bytes"
    assert len(requests) == 1


def test_a_folder_is_claimed_once_and_again_when_it_was_released(folder: Place) -> None:
    claimed = folder / "seqfit"
    claimed.claim()
    with pytest.raises(FileExistsError):
        claimed.claim()
    claimed.release()
    claimed.claim()


def test_a_folder_that_holds_a_file_cannot_be_claimed(folder: Place) -> None:
    (folder / "seqfit" / "probe.npz").write(b"")
    with pytest.raises(FileExistsError):
        (folder / "seqfit").claim()


def test_a_write_that_breaks_off_on_a_server_leaves_the_old_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Server, "files", {})
    monkeypatch.setattr(Server, "folders", set())
    file = place("server://runs/file.npz")
    file.write(b"whole")
    monkeypatch.setattr(Server, "full", True)
    with pytest.raises(OSError, match="no room"):
        file.write(b"another")
    assert Server.files == {"runs/file.npz": b"whole"}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("/runs/1/", Here(Path("/runs/1"))),
        (Path("/runs/a::b"), Here(Path("/runs/a::b"))),
        ("file:///runs/1", Here(Path("/runs/1"))),
        ("file:/runs/1", Here(Path("/runs/1"))),
        ("local:///runs", Here(Path("/runs"))),
        ("runs/1", Here(Path.cwd() / "runs" / "1")),
        ("~/runs", Here(Path.home() / "runs")),
        ("s3://bucket/runs/", There("s3://bucket/runs")),
        ("simplecache::s3://bucket", There("simplecache::s3://bucket")),
    ],
)
def test_a_path_is_here_and_a_url_is_there(where: str | Path, found: Place) -> None:
    assert place(where) == found
    assert place(found) is found


def test_a_pipe_or_a_device_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        place(pipe).write(b"a record")
        assert os.read(reader, 20) == b"a record"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
