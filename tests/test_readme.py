"""What the README shows runs as it stands there, and what it links to is there."""

from __future__ import annotations

import re
from pathlib import Path

import lightning as L
import pytest

from lightning_seqfit.cli import COMMANDS
from lightning_seqfit.demos import TanhRegression
from tests.pages import ROOT, read, snippets

PAGE = read("README.md")
SNIPPETS = {
    ("Try it", "sh"): 1,
    ("Attach it to your own training", "python"): 2,
    ("Attach it to your own training", ""): 1,
    ("Where to go on", "sh"): 1,
}
FILES = re.compile(r"https://(?:raw\.githubusercontent\.com|github\.com)/lightning-seqfit/lightning-seqfit/(\S+?)\)")
PAGES = re.compile(r"https://lightning-seqfit\.readthedocs\.io/en/latest/(\S+?)\.html")


def test_every_snippet_has_a_test() -> None:
    assert {place: len(texts) for place, texts in snippets(PAGE).items()} == SNIPPETS


def test_the_lines_that_attach_it_train_and_the_lines_that_read_the_record_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    attach, after = snippets(PAGE)["Attach it to your own training", "python"]
    shortened = attach.replace("max_steps=8_000", "max_steps=20, accelerator='cpu', enable_progress_bar=False")
    assert shortened != attach
    names: dict[str, object] = {}
    exec(shortened, names)
    trainer = names["trainer"]
    assert isinstance(trainer, L.Trainer)
    trainer.fit(TanhRegression(width=8))
    exec(after, names)
    run = names["run"]
    assert run.steps[-1] == 20  # type: ignore[attr-defined]


def test_every_command_of_the_table_is_one() -> None:
    named = re.findall(r"^\| `seqfit (\w+)", PAGE, re.MULTILINE)
    assert len(named) >= 5
    assert set(named) <= set(COMMANDS)


def test_links_are_absolute_since_a_package_index_shows_this_page_too() -> None:
    found = re.findall(r"\]\(([^)]+)\)", PAGE)
    assert len(found) > 10
    assert [link for link in found if not link.startswith("https://")] == []


def test_every_file_of_this_repository_that_is_linked_to_is_there() -> None:
    found = FILES.findall(PAGE)
    assert len(found) >= 4
    for link in found:
        path = re.sub(r"^(blob/|tree/)?main/", "", link)
        assert (ROOT / path).exists(), link


def test_every_page_of_the_site_that_is_linked_to_is_there() -> None:
    found = PAGES.findall(PAGE)
    assert len(found) >= 6
    for page in found:
        if page == "examples/index":  # made from docs/gallery when the site is built
            page = "gallery/GALLERY_HEADER"
        assert any((ROOT / "docs" / f"{page}{end}").is_file() for end in (".md", ".rst")), page
