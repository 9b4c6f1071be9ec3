"""``seqfit plan``: what is printed for a file and for a record, as text and as JSON, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import ErrorFront
from lightning_seqfit.cli import main
from lightning_seqfit.demos import TanhRegression
from tests.cli.test_cli import shown
from tests.training import trainer


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(["plan", *arguments])
    return capsys.readouterr().out


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit):
        main(["plan", *arguments])
    return " ".join(capsys.readouterr().err.split())


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """A sine of 9 cycles in 3 s, as a table."""
    seconds = np.linspace(0, 3, 301)
    np.savetxt(tmp_path / "series.csv", np.c_[seconds, np.sin(6 * np.pi * seconds)], delimiter=",")
    return tmp_path / "series.csv"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    probe = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    trainer(folder, [ErrorFront(probe)], max_steps=3, logger=False).fit(TanhRegression())
    return folder


def test_code_that_is_printed_for_a_file_makes_the_network(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "--points", str(series))
    assert shown(out, "target").startswith("up to 9")
    table, _, code = out.partition("import torch")
    assert max(map(len, table.splitlines())) <= 100
    scope: dict[str, Any] = {}
    exec(f"import torch{code}", scope)
    assert scope["network"](torch.zeros(4, 1)).shape == (4, 1)


def test_the_code_of_another_network_is_printed_when_asked(series: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "FourierFeatureMLP(" in printed(capsys, "--points", str(series), "--network", "fourier")
    assert "use one of siren, fourier, tanh" in complaint(capsys, "--points", str(series), "--network", "relu")


def test_bounds_are_of_the_domain(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "values.npy", np.sin(2 * np.pi * 5 * (np.arange(200) + 0.5) / 200))
    file = str(tmp_path / "values.npy")
    unit = json.loads(printed(capsys, "--points", file, "--json"))
    doubled = json.loads(printed(capsys, "--points", file, "--json", "--bounds", "0", "2"))
    assert doubled["bounds"] == [[0.0, 2.0]]
    assert doubled["omega_0"]["value"] == pytest.approx(unit["omega_0"]["value"] / 2, rel=0.01)
    assert "3 numbers" in complaint(capsys, "--points", file, "--bounds", "0", "2", "4")


def test_json_of_a_record_is_the_plan_of_its_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    read = json.loads(printed(capsys, str(run), "--json"))
    assert read["frequencies"] == [13.0]
    assert read["omega_0"]["value"] == load(run).plan().omega_0.value


def test_one_of_run_and_file_must_be_given(series: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "either RUN, or --points" in complaint(capsys)
    assert "either RUN, or --points" in complaint(capsys, str(run), "--points", str(series))
    assert "--bounds is for --points" in complaint(capsys, str(run), "--bounds", "0", "1")


def test_what_cannot_be_read_or_planned_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "noise.npy", np.random.default_rng(0).standard_normal(400))
    assert "noise" in complaint(capsys, "--points", str(tmp_path / "noise.npy"))
    assert "no such file" in complaint(capsys, "--points", str(tmp_path / "nothing.npy"))
    assert str(tmp_path / "empty") in complaint(capsys, str(tmp_path / "empty"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("head", [True, False])
def test_a_table_may_have_any_of_three_separators_and_a_line_of_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], separator: str, head: bool
) -> None:
    rows = [[repr(n / 200), repr(float(np.sin(0.1 * np.pi * n)))] for n in range(201)]
    lines = [["x", "height"]] * head + rows
    (tmp_path / "table.csv").write_text("\n".join(map(separator.join, lines)))
    found = json.loads(printed(capsys, "--points", str(tmp_path / "table.csv"), "--json"))
    assert found["frequencies"] == pytest.approx([10.0], rel=0.02)


def test_a_column_of_values_is_a_line_and_a_table_of_coordinates_is_no_grid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = (np.arange(200) + 0.5) / 200
    np.save(tmp_path / "column.npy", np.sin(20 * np.pi * x)[:, None])
    assert "up to 10 oscillations along x\n" in printed(capsys, "--points", str(tmp_path / "column.npy"))
    np.save(tmp_path / "table.npy", np.c_[x, np.sin(20 * np.pi * x)])
    said = complaint(capsys, "--points", str(tmp_path / "table.npy"))
    assert "200 x 2 values are no even grid" in said
    assert ".npz of `points`" in said


def test_whoever_reads_may_stop_reading(series: Path) -> None:
    command = [sys.executable, "-m", "lightning_seqfit", "plan", "--points", str(series)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        said = process.stderr.read() if process.stderr else b"-"
        assert process.wait(60) == 141
    assert said == b""
