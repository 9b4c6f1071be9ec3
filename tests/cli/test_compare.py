"""``seqfit compare``: which records it finds, what it prints, and what it says of those that cannot be read."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import ErrorFront
from lightning_seqfit.cli import compare, main
from lightning_seqfit.record import Run, load, write
from tests.training import Net, fit, trainer

links = pytest.mark.skipif(os.name == "nt", reason="only an administrator may make links there")

#: As Lightning numbers them, and one within another folder.
VERSIONS = ("version_0", "version_2", "version_10", "deep/version_1")


class Tuned(Net):
    def __init__(self, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.lr = lr


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("trained")
    for number, version in enumerate(VERSIONS):
        probe = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(6 * torch.pi * x[:, 0]), resolution=64)
        fit(trainer(root / version, [ErrorFront(probe)], max_steps=2 + number, logger=False), Tuned(0.1 * (number + 1)))
    return root


@pytest.fixture
def store() -> Iterator[MemoryFileSystem]:
    """An empty store that is not this machine's disk."""
    memory = MemoryFileSystem()
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]
    yield memory
    memory.store.clear()


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> Path:
    """Sixty runs, whose share that is fitted in the end is known: of run_i it is (7 i mod 60) / 60."""
    arrays = dict(np.load(trained / "version_0" / "seqfit" / "probe.npz"))
    (column,) = (number for number, tag in enumerate(arrays["tags"].tolist()) if tag.endswith("front/fitted"))
    for number in range(60):
        scalars = arrays["scalars"].copy()
        scalars[-1, column] = (7 * number % 60) / 60
        write(tmp_path / f"run_{number}" / "seqfit" / "probe.npz", {**arrays, "scalars": scalars})
    return tmp_path


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def called(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    main(["compare", *map(str, arguments)])
    return capsys.readouterr().out


def test_a_folder_is_all_runs_below_it_in_the_order_of_their_names(
    trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows(called(capsys, trained, "--csv", "-"))
    expected = [("deep/version_1", "5"), ("version_0", "2"), ("version_2", "3"), ("version_10", "4")]
    assert [(row["run"], row["steps"]) for row in found] == expected
    assert [float(row["lr"]) for row in found] == pytest.approx([0.4, 0.1, 0.2, 0.3])


def test_a_folder_on_a_store_is_searched_as_one_on_the_disk(
    trained: Path, store: MemoryFileSystem, capsys: pytest.CaptureFixture[str]
) -> None:
    store.put(str(trained), "/study", recursive=True)
    remote = called(capsys, "memory://study", "--csv", "-")
    assert remote == called(capsys, trained, "--csv", "-")
    assert len(rows(remote)) == len(VERSIONS)
    assert rows(called(capsys, "memory://study/deep", "--csv", "-"))[0]["steps"] == "5"


def test_records_on_a_store_that_cannot_be_read_are_named(
    trained: Path, store: MemoryFileSystem, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(str(trained), "/study", recursive=True)
    damaged, locked, gone = (f"/study/{version}/seqfit/probe.npz" for version in VERSIONS[:3])
    store.pipe_file(damaged, store.cat_file(damaged)[:-500])  # as one that is still being sent
    fetch = MemoryFileSystem.cat_file

    def cat_file(self: MemoryFileSystem, path: str, *args: Any, **kwargs: Any) -> bytes:
        if path == locked:
            raise PermissionError("not yours")
        if store.exists(gone):
            store.rm_file(gone)  # another process tidies up
        return bytes(fetch(self, path, *args, **kwargs))

    monkeypatch.setattr(MemoryFileSystem, "cat_file", cat_file)
    found = json.loads(called(capsys, "memory://study", "--json"))
    assert [run["run"] for run in found["runs"]] == ["deep/version_1"]
    whole = "memory://study/{}/seqfit/probe.npz is no whole record: {}"
    begins = [whole.format("version_0", ""), whole.format("version_2", "PermissionError: not yours")]
    begins.append("memory://study/version_10/seqfit/probe.npz is gone")
    assert len(found["unread"]) == 3
    assert all(each.startswith(begin) for each, begin in zip(found["unread"], begins, strict=True))


def test_a_store_that_cannot_be_searched_is_named(
    trained: Path, store: MemoryFileSystem, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class OfTheStoreError(Exception):
        pass

    def find(*args: Any, **kwargs: Any) -> None:
        raise OfTheStoreError("no credentials")

    monkeypatch.setattr(MemoryFileSystem, "find", find)
    out = called(capsys, "memory://study", trained)
    assert "note  memory://study cannot be searched: OfTheStoreError: no credentials" in out
    assert "version_10" in out


def test_the_memory_that_it_takes_does_not_grow_with_the_number_of_records(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = Probe.grid([(0.0, 1.0)] * 2, lambda x: torch.sin(6 * torch.pi * x.sum(dim=1)), resolution=64)

    class Plane(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x[:, :1])

    fit(trainer(tmp_path / "run_0", [ErrorFront(probe)], max_steps=40, logger=False), Plane())
    file = tmp_path / "run_0" / "seqfit" / "probe.npz"
    size = file.stat().st_size
    for number in range(1, 25):
        (tmp_path / f"run_{number}" / "seqfit").mkdir(parents=True)
        os.link(file, tmp_path / f"run_{number}" / "seqfit" / "probe.npz")
    peaks = []
    for runs in ([file], [file], [tmp_path]):  # the first time for what is imported and cached
        tracemalloc.start()
        called(capsys, *runs)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert size > 400_000
    assert peaks[2] - peaks[1] < size  # of 24 more
    assert peaks[1] > size  # it is measured where it is taken


def test_the_best_runs_are_asked_for_by_number(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    best = sorted(range(60), key=lambda number: -(7 * number % 60))
    for arguments in (["--best", 4], ["--best", 4, "--sort", "fitted"]):
        found = json.loads(called(capsys, study, "--json", *arguments))["runs"]
        assert [run["run"] for run in found] == [f"run_{number}" for number in best[:4]]
    assert [run["run"] for run in rows(called(capsys, study, "--csv", "-", "--sort", "fitted"))] == [
        f"run_{number}" for number in best
    ]


def test_of_very_many_runs_a_terminal_shows_the_best_and_says_so(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = sorted(range(60), key=lambda number: -(7 * number % 60))
    out = called(capsys, study, "--csv", study / "table.csv")
    assert re.findall(r"^  (run_\d+) ", out, re.MULTILINE) == [f"run_{number}" for number in best[:50]]
    assert "note  the best 50 of 60 runs: --best N shows N, --csv FILE and --json have all" in out
    assert [row["run"] for row in rows((study / "table.csv").read_text())] == [f"run_{number}" for number in range(60)]
    assert len(re.findall(r"^  run_\d+ ", called(capsys, study, "--best", 60), re.MULTILINE)) == 60


def test_a_column_that_is_not_there_is_refused(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        called(capsys, trained, "--sort", "rate")
    assert "--sort 'rate' is no column of this table; it has 'run'" in capsys.readouterr().err


def test_a_record_that_is_gone_when_its_turn_comes_is_named(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)

    def reading(file: Any) -> Run:
        shutil.rmtree(tmp_path / "version_2", ignore_errors=True)
        return load(file)

    monkeypatch.setattr(compare, "load", reading)
    out = called(capsys, tmp_path)
    assert f"note  {tmp_path / 'version_2' / 'seqfit' / 'probe.npz'} is gone" in out
    assert "version_10" in out


def test_a_run_that_is_given_twice_is_there_once(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = trained / "version_0" / "seqfit" / "probe.npz"
    assert len(rows(called(capsys, trained / "version_0", file, trained / "version_2", "--csv", "-"))) == 2


def test_json_has_numbers_and_says_what_differs(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(called(capsys, trained / "version_0", trained / "version_2", "--json"))
    assert [(run["run"], run["steps"], run["lr"]) for run in found["runs"]] == [
        ("version_0", 2, 0.1),
        ("version_2", 3, 0.2),
    ]
    assert found["unread"] == []
    assert found["runs"][0]["seconds"] > 0.0


def test_the_table_goes_to_a_file_and_to_the_terminal(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = called(capsys, trained / "version_0", trained / "version_2", "--csv", tmp_path / "table.csv")
    assert [row["run"] for row in rows((tmp_path / "table.csv").read_text())] == ["version_0", "version_2"]
    (line,) = [line for line in out.splitlines() if line.split()[:1] == ["lr"]]
    assert line.split() == ["lr", "0.1", "0.2"]


def test_what_cannot_be_read_is_named_and_the_others_are_compared(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    damaged = tmp_path / "version_2" / "seqfit" / "probe.npz"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    out = called(capsys, tmp_path, tmp_path / "nowhere")
    assert f"note  {damaged} is no whole record" in out
    assert f"note  no probe.npz in {tmp_path / 'nowhere'}" in out
    assert "version_10" in out
    assert "version_2 " not in out


@pytest.mark.skipif(os.name == "nt", reason="paths are UTF-16 there")
def test_a_path_that_is_not_in_utf_8_is_no_obstacle(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    shutil.copytree(trained / "version_0", odd)
    called(capsys, odd, trained / "version_2", "--csv", tmp_path / "table.csv")
    assert any("caf?" in row["run"] for row in rows((tmp_path / "table.csv").read_text("utf-8")))


def test_a_name_that_the_terminal_has_no_letters_for_is_no_obstacle(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(trained / "version_0", tmp_path / "\U0001f600")
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    main(["compare", str(tmp_path / "\U0001f600"), str(trained / "version_2")])
    assert b"\\U0001f600" in written.getvalue()


def test_it_ends_with_2_where_nothing_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        called(capsys, tmp_path)
    assert ended.value.code == 2
    assert "it holds no record" in capsys.readouterr().err


def test_probes_are_named_where_there_are_several(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    probes = [Probe.grid([(0.0, 1.0)], lambda x: x[:, 0] ** 2, resolution=64, name=name) for name in ("left", "right")]
    fit(trainer(tmp_path, [ErrorFront(probe) for probe in probes], max_steps=2, logger=False), Tuned(0.1))
    assert [row["run"] for row in rows(called(capsys, tmp_path, "--csv", "-"))] == ["left", "right"]
    assert [row["run"][-5:] for row in rows(called(capsys, tmp_path, "--name", "right", "--csv", "-"))] == ["right"]


def test_other_files_of_arrays_are_left_alone(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained / "version_0", tmp_path / "version_0")
    (tmp_path / "data.npz").write_bytes(b"not ours")
    assert "note" not in called(capsys, tmp_path)


def test_a_hyperparameter_with_the_name_of_a_figure_has_a_column_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Named(Net):
        def __init__(self, steps: int, seconds: float) -> None:
            super().__init__()
            self.save_hyperparameters()

    for number in range(2):
        probe = Probe.grid([(0.0, 1.0)], lambda x: x[:, 0] ** 2, resolution=64)
        where = tmp_path / f"run_{number}"
        fit(trainer(where, [ErrorFront(probe)], max_steps=2, logger=False), Named(700 + number, 0.5 * number))
    found = rows(called(capsys, tmp_path, "--csv", "-"))
    assert [row["steps (hyperparameter)"] for row in found] == ["700", "701"]
    assert [row["seconds (hyperparameter)"] for row in found] == ["0.0", "0.5"]
    assert [row["steps"] for row in found] == ["2", "2"]


def test_the_table_goes_to_a_store(
    trained: Path, tmp_path: Path, store: MemoryFileSystem, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    called(capsys, trained, "--csv", "memory://out/table.csv")
    assert len(rows(store.cat_file("/out/table.csv").decode())) == len(VERSIONS)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_a_store_does_not_take_is_refused(
    trained: Path, store: MemoryFileSystem, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pipe_file(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no credentials")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", pipe_file)
    with pytest.raises(SystemExit, match="2"):
        called(capsys, trained, "--csv", "memory://out.csv")
    assert "cannot be written to memory://out.csv: no credentials; give another file" in capsys.readouterr().err


@links
def test_records_and_runs_behind_links_are_compared_once(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere, study = tmp_path / "elsewhere", tmp_path / "study"
    shutil.copytree(trained / "version_0", study / "run_0")
    shutil.copytree(trained / "version_2", elsewhere / "moved")
    shutil.copytree(trained / "deep" / "version_1", elsewhere / "run")
    shutil.copy(trained / "version_10" / "seqfit" / "probe.npz", elsewhere / "kept.npz")
    (study / "run_1" / "seqfit").mkdir(parents=True)
    (study / "run_1" / "seqfit" / "probe.npz").symlink_to(elsewhere / "kept.npz")
    (study / "run_2").symlink_to(elsewhere / "moved")
    (study / "run_3").mkdir()
    (study / "run_3" / "seqfit").symlink_to(elsewhere / "run" / "seqfit")
    (study / "a_best").symlink_to("run_0")  # comes first by name, and is no run of its own
    (study / "run_0" / "round").symlink_to(study)
    (study / "run_0" / "above").symlink_to(tmp_path)
    (elsewhere / "moved" / "itself").symlink_to(elsewhere / "moved")
    out = called(capsys, study, "--csv", "-")
    assert [(row["run"], row["steps"]) for row in rows(out)] == [
        ("run_0", "2"),
        ("run_1", "4"),
        ("run_2", "3"),
        ("run_3", "5"),
    ]


@links
def test_links_that_lead_nowhere_are_named(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(trained / "version_0", tmp_path / "run_0")
    (tmp_path / "run_1" / "seqfit").mkdir(parents=True)
    broken = [tmp_path / "run_1" / "seqfit" / "probe.npz", tmp_path / "run_2"]
    for link in broken:
        link.symlink_to(tmp_path / "gone")
    found = json.loads(called(capsys, tmp_path, "--json"))
    assert len(found["runs"]) == 1
    expected = {
        f"{link} is a link to {tmp_path / 'gone'}, which is not there: mend it, or remove it" for link in broken
    }
    assert sorted(found["unread"]) == sorted(expected)
    with pytest.raises(SystemExit, match="2"):
        called(capsys, tmp_path / "run_1")
    said = capsys.readouterr().err
    assert f"{broken[0]} is a link to" in said
    assert "is gone" not in said


def test_only_one_of_two_outputs_can_go_to_standard_output(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        called(capsys, trained, "--json", "--csv", "-")
    assert "give a file to --csv" in capsys.readouterr().err
