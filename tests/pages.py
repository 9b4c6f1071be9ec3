"""What the pages of the documentation hold: snippets by section, headings, links."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def read(path: str) -> str:
    """Text of a page, by its path in the checkout."""
    return (ROOT / path).read_text(encoding="utf-8")


def snippets(page: str) -> dict[tuple[str, str], list[str]]:
    """Texts of the fenced blocks, by section and language."""
    found: dict[tuple[str, str], list[str]] = {}
    for section in re.split(r"^#+ (?=[A-Z])", page, flags=re.MULTILINE)[1:]:
        title = section.splitlines()[0].replace("`", "")
        for language, text in re.findall(r"```(\w*)\n(.*?)```", section, re.DOTALL):
            found.setdefault((title, language), []).append(text)
    return found


def headings(page: str) -> set[str]:
    """Headings as a link names them."""
    found = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def links(page: str) -> list[tuple[str, str]]:
    """Page and heading of every link but those of pictures; an empty page is this one."""
    return re.findall(r"(?<!!)\[[^\]]*\]\(([^)#]*)#?([^)]*)\)", page)
