"""``seqfit compare``: which records it finds, what it prints, and what it says of those that cannot be read."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import ErrorFront
from lightning_seqfit.cli import main
from tests.training import Net, fit, trainer

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


def test_only_one_of_two_outputs_can_go_to_standard_output(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        called(capsys, trained, "--json", "--csv", "-")
    assert "give a file to --csv" in capsys.readouterr().err
