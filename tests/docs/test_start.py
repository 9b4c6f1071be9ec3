"""What docs/start.md shows runs as it stands there, from the script to the commands."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_seqfit.cli import COMMANDS
from tests.pages import ROOT, read, snippets

PAGE = read("docs/start.md")
SNIPPETS = {
    ("Install", "sh"): 1,
    ("Two lines in your script", "python"): 1,
    ("Two lines in your script", "sh"): 1,
    ("What it says while it trains", ""): 1,
    ("What it says while it trains", "sh"): 1,
    ("What it says afterwards", "sh"): 1,
    ("What it says afterwards", "python"): 1,
}


def test_every_snippet_has_a_test() -> None:
    assert {place: len(texts) for place, texts in snippets(PAGE).items()} == SNIPPETS


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and output of the page's own script, seeded, run by its own command."""
    folder = tmp_path_factory.mktemp("start")
    (script,) = snippets(PAGE)["Two lines in your script", "python"]
    (command,) = snippets(PAGE)["Two lines in your script", "sh"]
    python, name = command.split()
    assert python == "python"
    seeded = script.replace("import lightning as L\n", "import lightning as L\nL.seed_everything(0)\n", 1)
    (folder / name).write_text(seeded, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, name], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return folder, run.stdout + run.stderr


@pytest.mark.slow
def test_the_console_says_what_the_page_shows(done: tuple[Path, str]) -> None:
    (shown,) = snippets(PAGE)["What it says while it trains", ""]
    verdict = re.compile(r"^seqfit: step [\d,]+: ([a-z ]+):", re.MULTILINE)
    said, told = (list(dict.fromkeys(verdict.findall(text))) for text in (done[1], shown))
    assert told == ["sequential", "fitted"]
    assert said[-2:] == told  # before them it may have been too early to tell
    assert re.search(r"fitted at about step [\d,]+ \([\d,]+ to [\d,]+\); training ends at 3,000", done[1])


@pytest.mark.slow
def test_the_record_is_read_as_the_page_reads_it(
    done: tuple[Path, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(done[0])
    names: dict[str, object] = {}
    exec(snippets(PAGE)["What it says afterwards", "python"][0], names)
    assert "fitted" in capsys.readouterr().out
    assert names["run"].scalars["front/fitted"][-1] > 0.98  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_commands_do_what_their_comments_say(done: tuple[Path, str], tmp_path: Path) -> None:
    commands = [
        shlex.split(line, comments=True) for line in snippets(PAGE)["What it says afterwards", "sh"][0].splitlines()
    ]
    assert [command[:2] for command in commands] == [["seqfit", "diagnose"], ["seqfit", "report"]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _, *arguments in commands:
        assert arguments[0] in COMMANDS
        run = subprocess.run(
            [sys.executable, "-m", "lightning_seqfit", *arguments],
            cwd=done[0],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert run.returncode == 0, run.stderr
    assert (done[0] / "lightning_logs/version_0/seqfit/report.html").is_file()


def test_it_installs_as_the_readme_does() -> None:
    assert (
        snippets(PAGE)["Install", "sh"][0].splitlines()
        == snippets(read("README.md"))["Try it", "sh"][0].splitlines()[:2]
    )
