"""What the pages of the documentation hold: snippets by section, headings, links, prose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


def read(path: str) -> str:
    """Text of a page, by its path in the checkout."""
    return (ROOT / path).read_text(encoding="utf-8")


def lines(page: str) -> Iterator[tuple[str, str]]:
    """Each line outside of fenced blocks, with ""; each within, with the language of its block, both fences too."""
    fence, language = "", ""
    for line in page.splitlines():
        found = re.match(r"\s*(`{3,})(.*)", line)
        if fence:
            yield line, language
            if found and found[1] == fence and not found[2]:
                fence = ""
        elif found:
            fence, language = found[1], found[2].strip() or "text"
            yield line, language
        else:
            yield line, ""


def snippets(page: str) -> dict[tuple[str, str], list[str]]:
    """Texts of the fenced blocks, by section and language; those of directives are none."""
    found: dict[tuple[str, str], list[str]] = {}
    title, block = "", list[str]()
    for line, language in lines(page):
        if not language:
            title = line.lstrip("# ").replace("`", "") if re.match("#+ ", line) else title
        elif block and re.match(r"\s*```+$", line):
            if re.fullmatch(r"\w+", language):
                found.setdefault((title, language.replace("text", "")), []).append("\n".join([*block[1:], ""]))
            block = []
        else:
            block.append(line)
    return found


#: What a page's training is told in place of its number of steps.
SHORT = "max_steps=6, accelerator='cpu', enable_progress_bar=False, enable_model_summary=False"


def run(page: str, section: str = "", *numbers: int, short: str = SHORT, **names: Any) -> dict[str, Any]:
    """Execute a section's Python, or some of its snippets, after those of the first section; return all names."""
    texts = snippets(page)
    top = next(found for (_, language), found in texts.items() if language == "python")
    chosen = texts[section, "python"] if section else []
    for text in dict.fromkeys([*top, *([chosen[number] for number in numbers] or chosen)]):
        exec(re.sub(r"max_steps=\d_\d{3}", short, text), names)
    return names


def headings(page: str) -> set[str]:
    """Headings as a link names them."""
    found = [line.lstrip("#").strip() for line, language in lines(page) if not language and re.match("#+ ", line)]
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


def links(page: str) -> list[tuple[str, str]]:
    """Target and heading of every link and picture; an empty target is this page."""
    prose = "\n".join(re.sub(r"`[^`]*`", "", line) for line, language in lines(page) if not language)
    return re.findall(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)#\s]*)#?([^)\s]*)\)", prose)
