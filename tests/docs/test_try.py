"""Every snippet of docs/howto/try.md runs as it stands there."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from lightning_seqfit.cli import main
from tests.pages import read, snippets

PAGE = read("docs/howto/try.md")


SNIPPETS = {
    ("From the shell", "sh"): 1,
    ("In Python", "python"): 1,
}


def test_in_python(capsys: pytest.CaptureFixture[str]) -> None:
    held: dict[str, Any] = {}
    exec(snippets(PAGE)["In Python", "python"][0], held)
    assert held["found"].winner is not None
    assert held["network_and_optimizer"] in capsys.readouterr().out
    shown = snippets(PAGE)["How to read the table", ""][0].splitlines()
    assert str(held["found"]).splitlines()[0].split() == shown[0].split()


def test_from_the_shell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    command, *arguments = shlex.split(snippets(PAGE)["From the shell", "sh"][0])
    assert command == "seqfit"
    with pytest.raises(SystemExit):
        main([*arguments[:1], str(tmp_path / arguments[1])])
    assert "version_0" in capsys.readouterr().err


def test_every_option_of_the_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["try", "--help"])
    options = {word.strip(",") for word in capsys.readouterr().out.split() if word.startswith("--")} - {"--help"}
    assert {option for option in options if f"`{option}" not in PAGE} == set()
