"""Every public name and every command has a place in the reference."""

from __future__ import annotations

import re
from importlib import import_module

import pytest

from lightning_seqfit.cli import COMMANDS
from tests.pages import ROOT, read

PAGES = sorted((ROOT / "docs" / "reference").glob("*.rst"))
PUBLIC = ["callbacks", "adapters", "networks", "diagnostics", "demos", "metrics", "views", "geometry"]
#: Named elsewhere: networks as demos have them, constants and types.
ELSEWHERE = {
    "metrics": {"functional"},
    "networks": {"NetworkName"},
    "views": {"Item"},
    "demos": {"SIREN", "FourierFeatureMLP", "TanhMLP"},
    "geometry": {name for name in import_module("lightning_seqfit.geometry").__all__ if name.isupper()}
    | {"BoolArray", "FloatArray", "IntArray"},
}


def listed() -> set[str]:
    """Full names in the tables of all pages."""
    found = set()
    for page in PAGES:
        module = ""
        for line in page.read_text(encoding="utf-8").splitlines():
            if set_to := re.match(r"\.\. (?:currentmodule|automodule):: (\S+)", line):
                module = set_to[1]
            elif name := re.match(r"   ([A-Za-z_][\w.]*)$", line):
                found |= {f"{module}.{name[1]}", name[1]}
    return found


@pytest.mark.parametrize("module", ["", *PUBLIC])
def test_every_public_name_is_listed(module: str) -> None:
    home = f"lightning_seqfit.{module}".rstrip(".")
    names = set(import_module(home).__all__) - ELSEWHERE.get(module, set())
    assert {name for name in names if f"{home}.{name}" not in listed()} == set()


def test_every_command_is_shown() -> None:
    shown = re.findall(r"\{command-output\} seqfit (\w+) --help", read("docs/reference/commands.md"))
    assert set(shown) == set(COMMANDS)
