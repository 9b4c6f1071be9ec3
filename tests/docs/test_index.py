"""The lines of docs/index.md are those of the README, which tests/test_readme.py runs."""

from __future__ import annotations

from tests.pages import read, snippets

SNIPPETS = {("lightning-seqfit", "python"): 1}


def test_the_lines_are_those_that_the_readme_begins_with_after_its_imports() -> None:
    (shown,) = snippets(read("docs/index.md"))["lightning-seqfit", "python"]
    attach, *_ = snippets(read("README.md"))["Attach it to your own training", "python"]
    assert attach.endswith(f"\n{shown}")
