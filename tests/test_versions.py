"""Every version that pyproject.toml allows was run, or is newer than one that was."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]

#: Which file pins what an environment with these was tested with.
TESTED = {
    "constraints-lowest.txt": [*PROJECT["dependencies"], *EXTRAS["soap"], *EXTRAS["sweeps"], *EXTRAS["test"]],
    "constraints-clients.txt": EXTRAS["clients"],
    "constraints.txt": [*EXTRAS["dev"], *EXTRAS["docs"], *EXTRAS["lint"]],
}


def pins(file: str) -> dict[str, Version]:
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = {}
    for line in lines:
        if not line.startswith("#"):
            name, _, version = line.partition("==")
            found[canonicalize_name(name)] = Version(version)
    return found


def requirements(lines: list[str]) -> list[Requirement]:
    found = [Requirement(line) for line in lines]
    return [one for one in found if one.name not in ("lightning-seqfit", "torch")]  # torch: the README says why


@pytest.mark.parametrize("file", TESTED)
def test_each_lower_bound_is_the_version_that_was_run(file: str) -> None:
    pinned = pins(file)
    for one in requirements(TESTED[file]):
        (bound,) = [Version(part.version) for part in one.specifier if part.operator == ">="]
        assert (one.name, bound) == (one.name, pinned[canonicalize_name(one.name)])


@pytest.mark.parametrize("file", ["constraints.txt", "constraints-clients.txt", "constraints-lowest.txt"])
def test_the_versions_that_are_pinned_are_allowed(file: str) -> None:
    pinned = pins(file)
    for one in requirements(PROJECT["dependencies"]):
        assert pinned[canonicalize_name(one.name)] in one.specifier, one


@pytest.mark.parametrize("name", ["lightning", "pytorch-lightning"])
def test_the_versions_that_were_withdrawn_are_not_allowed(name: str) -> None:
    (one,) = [one for one in requirements(PROJECT["dependencies"]) if one.name == name]
    allowed = [
        version for version in ("2.5.6", "2.6.0", "2.6.1", "2.6.2", "2.6.3", "2.6.4") if version in one.specifier
    ]
    assert allowed == ["2.6.0", "2.6.1", "2.6.4"]
