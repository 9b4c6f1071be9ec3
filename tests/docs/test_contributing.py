"""What CONTRIBUTING.md tells to type is there to be run."""

from __future__ import annotations

import re
import runpy
import tomllib

from tests.pages import ROOT, read, snippets

PAGE = read("CONTRIBUTING.md")

SNIPPETS = {
    ("Set up", "sh"): 1,
    ("The checks", "sh"): 1,
}
PROJECT = tomllib.loads(read("pyproject.toml"))


def test_every_file_that_is_named_is_there_and_every_tool_is_installed_by_the_first_commands() -> None:
    paths = set(re.findall(r"`((?:\.ci|\.github|tests|docs|lightning_seqfit)/[\w./-]*|constraints[\w-]*\.txt)", PAGE))
    assert len(paths) > 8
    assert [path for path in paths if not (ROOT / path).exists()] == []
    (set_up,), (checks,) = snippets(PAGE)["Set up", "sh"], snippets(PAGE)["The checks", "sh"]
    assert '-c constraints.txt -e ".[dev]"' in set_up
    extras = PROJECT["project"]["optional-dependencies"]
    installed = {re.split(r"\W", each)[0] for name in ("dev", "test") for each in extras[name]}
    tools = {line.split()[0] for line in checks.splitlines() if not line.startswith(".ci/")}
    assert tools <= installed
    (marker,) = re.findall(r'-m "not (\w+)"', checks)
    assert any(each.startswith(f"{marker}:") for each in PROJECT["tool"]["pytest"]["ini_options"]["markers"])


def test_the_picture_of_the_layers_is_that_of_the_contract() -> None:
    drawn = runpy.run_path(str(ROOT / "benchmarks" / "architecture.py"))
    layers = drawn["layers"]()
    names = {name for layer in layers for name in layer}
    assert {"cli", "measures", "geometry"} <= names
    assert read("docs/pictures/architecture.svg") == drawn["draw"](layers)
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", read("docs/contributing.md"), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"\w+", row)}
    assert names - told == {"words"}


def test_every_file_to_begin_reading_at_is_there() -> None:
    files = re.findall(r"\| `([\w/]+\.py)` \|$", read("docs/contributing.md"), re.MULTILINE)
    assert len(files) > 15
    assert [file for file in files if not (ROOT / "lightning_seqfit" / file).is_file()] == []
