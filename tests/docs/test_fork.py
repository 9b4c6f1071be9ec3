"""The example of docs/howto/fork.md runs as it stands there, and what the page says can be changed is what can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightning_seqfit.forks import change
from tests.pages import read, snippets

PAGE = read("docs/howto/fork.md")
TITLE = "Trying changes on your own training"

#: That of PINA is run by tests/clients/test_pina.py.
SNIPPETS = {
    ("Trying changes on your own training", "python"): 1,
    ("PINA and TorchPhysics", "python"): 1,
}


def test_the_example_runs_and_its_table_begins_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (code,), (shown,) = snippets(PAGE)[TITLE, "python"], snippets(PAGE)[TITLE, ""]
    names: dict[str, Any] = {}
    exec(code.replace("steps=1_000", "steps=8, seeds=1"), names)
    rows = {line.split("  ")[0] for line in shown.splitlines() if line and not line.startswith(" ")}
    assert {attempt.name for attempt in names["table"].attempts} <= rows
    assert list(tmp_path.iterdir()) == []


def test_every_setting_of_a_change_is_on_the_page() -> None:
    for name in (*change.OF_NETWORK, *change.OF_OPTIMIZER):
        assert f"`{name}" in PAGE, name
