"""The first page of the site: its two lines are those of the README, and its cards lead somewhere."""

from __future__ import annotations

import re

from tests.pages import ROOT, read, snippets

PAGE = read("docs/index.md")
SNIPPETS = {("lightning-seqfit", "python"): 1}


def test_its_lines_are_those_that_the_readme_runs() -> None:
    (shown,) = snippets(PAGE)[("lightning-seqfit", "python")]
    assert snippets(read("README.md"))["Attach it to your own training", "python"][0] == shown


def test_every_card_leads_to_a_page() -> None:
    for page in re.findall(r"^:link: (\S+)$", PAGE, re.MULTILINE):
        made = page == "examples/index"  # from docs/gallery, when the site is built
        assert made or (ROOT / "docs" / f"{page}.md").is_file(), page
