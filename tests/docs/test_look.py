"""What docs/howto/look.md says is so."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import lightning as L
import pytest

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.cli import main
from lightning_seqfit.demos import TanhRegression, sine
from lightning_seqfit.diagnosis import Verdict
from lightning_seqfit.views import pictures
from tests.pages import read

PAGE = read("docs/howto/look.md")

SNIPPETS = {
    ("The report: one page", "sh"): 1,
    ("Is it stuck, and what do I change?", "sh"): 1,
    ("Many runs: a table", "sh"): 1,
    ("In a notebook", "python"): 1,
}
QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished trainings."""
    folder = tmp_path_factory.mktemp("runs")
    for _ in range(2):
        probe = Probe.grid([(0.0, 1.0)], sine)
        trainer = L.Trainer(max_steps=8, callbacks=[SequentialFitting(probe)], default_root_dir=folder, **QUIET)
        trainer.fit(TanhRegression(width=8))
    return folder


@pytest.fixture
def runs(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """They are where the page has them."""
    monkeypatch.chdir(trained)
    return trained


def test_the_lines_for_a_notebook_draw_and_make_tables(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    (code,) = blocks("python")
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["axes"].get_title().startswith("Local error")
    assert names["frame"].index[-1] == 8
    assert "prediction" in names["data"]


def test_the_commands_run_as_they_stand_there(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [shlex.split(line.partition("#")[0]) for block in blocks("sh") for line in block.splitlines()]
    given = {"s3://bucket/run": "lightning_logs/version_1", "run_a": "lightning_logs/version_0"}
    given["run_b"] = "lightning_logs/version_1"
    for program, *arguments in lines:
        assert program == "seqfit"
        main([given.get(argument, argument) for argument in arguments])
    made = {file.name for file in runs.iterdir()}
    assert {"report.html", "both.html", "runs.csv"} <= made
    assert (runs / "lightning_logs/version_0/seqfit/report.html").exists()
    assert "version_1" in capsys.readouterr().out


def test_the_figures_are_called_so(runs: Path) -> None:
    listed = re.findall(r"^\| `(\d_\w+)` \|", PAGE, re.MULTILINE)
    assert listed == sorted(listed)
    assert set(pictures(load("lightning_logs/version_0"))) == set(listed) - {"7_change"}


def test_every_word_of_a_verdict_is_named() -> None:
    words = " ".join(PAGE.split())
    assert [each.value for each in Verdict if f"`{each.value}`" not in words] == []
