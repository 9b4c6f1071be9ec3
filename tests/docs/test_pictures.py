"""The pictures that benchmarks/pictures.py makes are those that pages and docstrings show, and no others."""

from __future__ import annotations

import re
import runpy

import pytest

from lightning_seqfit import callbacks
from tests.pages import ROOT

MADE = set(runpy.run_path(str(ROOT / "benchmarks" / "pictures.py"))["PICTURES"])
FILES = {file.stem: file for file in (ROOT / "docs" / "pictures").glob("*.png")}
CLASSES = [getattr(callbacks, name) for name in callbacks.__all__]


def shown() -> set[str]:
    """Names of the pictures on pages, and in the docstrings of callbacks."""
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs").rglob("*.md")]
    texts = [*pages, *(kind.__doc__ for kind in CLASSES)]
    return {name for text in texts for name in re.findall(r"pictures/(\w+)\.png", text)}


def test_the_script_makes_every_picture_of_its_kinds_that_is_there_and_each_is_shown() -> None:
    assert {name for name in FILES if name.startswith(("callback_", "measure_"))} == MADE
    assert shown() >= MADE


def test_every_picture_that_is_shown_is_there_and_small() -> None:
    assert shown() <= set(FILES)
    assert {name: file.stat().st_size for name, file in FILES.items() if file.stat().st_size > 120_000} == {}


@pytest.mark.parametrize("kind", CLASSES, ids=callbacks.__all__)
def test_every_callback_shows_what_it_sees_and_says_what_to_do_when_that_is_bad(kind: type) -> None:
    assert kind.__doc__ is not None
    assert re.search(r"\.\. image:: /pictures/callback_\w+\.png\n +:alt: .{20}", kind.__doc__)
    assert re.search(r"\n    When it is bad: .{20}", kind.__doc__)
