"""Check a built site: every link of it within itself, with its anchor, and the size of each page.

``python3 .ci/check_site.py FOLDER`` ends with 1 and the list of what is wrong. Links to other sites are not followed;
addresses of this site, as in its ``llms.txt``, are looked up in the folder.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

SITE = "https://lightning-seqfit.readthedocs.io/en/latest/"
MOST_BYTES = 300_000


class Page(HTMLParser):
    """What a page links to, and what can be linked to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take addresses, and the names of places."""
        for name, value in attributes:
            if name in ("href", "src", "poster") and tag != "base":
                self.links.append(value or "")
            elif name == "srcset":
                self.links += [part.split()[0] for part in (value or "").split(",") if part.strip()]
            elif name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")


def faults(site: Path) -> list[str]:
    """Return what is wrong with a site, a line each."""
    pages = {
        file: Page(file.read_text(encoding="utf-8"))
        for file in sorted(site.rglob("*.html"))
        if "_static" not in file.parts
    }
    if not pages:
        return [f"{site} has no page"]
    links = {file: page.links for file, page in pages.items()}
    links |= {file: re.findall(rf"{SITE}[^\s)>\"]*", file.read_text(encoding="utf-8")) for file in site.glob("*.txt")}
    found = [
        f"{file.relative_to(site)}: {file.stat().st_size:,} bytes, more than {MOST_BYTES:,}"
        for file in pages
        if file.stat().st_size > MOST_BYTES
    ]
    for file, addresses in links.items():
        for address in sorted(set(addresses)):
            why = _broken(address, file, site, pages)
            if why:
                found.append(f"{file.relative_to(site)}: {address}: {why}")
    return found


def _broken(address: str, file: Path, site: Path, pages: dict[Path, Page]) -> str:
    """Why a link leads nowhere; empty where it does not, or is another site's."""
    root = address.startswith(SITE)
    path, anchor = urldefrag(address.removeprefix(SITE) if root else address)
    if re.match(r"[a-z][a-z0-9+.-]*:|//", path):
        return ""
    path = unquote(path.partition("?")[0])
    to = file if not (path or root) else ((site if root else file.parent) / path).resolve()
    if to.is_dir():
        to /= "index.html"
    if not to.is_file() or not to.is_relative_to(site):
        return "there is no such file"
    if to in pages and unquote(anchor) not in pages[to].anchors:
        return "there is no such place in that page"
    return ""


if __name__ == "__main__":
    wrong = faults(Path(sys.argv[1]).resolve())
    sys.exit("\n".join(wrong) if wrong else 0)
