"""Every page is run by a test module of its own, every link and picture leads somewhere, and lines are short."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.pages import ROOT, headings, lines, links, snippets

SITE = "https://lightning-seqfit.readthedocs.io/en/latest/"
REPOSITORY = re.compile(
    r"https://(?:github\.com/lightning-seqfit/lightning-seqfit/(?:blob|tree)|"
    r"raw\.githubusercontent\.com/lightning-seqfit/lightning-seqfit)/[\w.-]+/"
)
#: Folders that a build of the site makes.
MADE = {"_build", "examples", "generated"}
#: What a reader copies and runs.
RUN = {"python", "sh", "console", "yaml"}
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if path.exists() and not MADE & set(path.relative_to(ROOT).parts)
}


def module_of(page: str) -> Path:
    """The test module of a page."""
    name = f"test_{Path(page).stem.lower().replace('-', '_')}.py"
    if page == "README.md":
        return ROOT / "tests" / name
    folder = "clients" if (ROOT / "tests" / "clients" / name).exists() else "docs"  # where the library is
    return ROOT / "tests" / folder / name


def counted(module: Path) -> dict[tuple[str, str], int]:
    """The dict ``SNIPPETS`` of a test module, which is not imported: it may need what is not installed."""
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name) and target.id == "SNIPPETS" and node.value is not None:
                return ast.literal_eval(node.value)
    raise AssertionError(f"{module} has no SNIPPETS")


@pytest.mark.parametrize("page", PAGES)
def test_a_test_module_of_its_own_counts_every_snippet(page: str) -> None:
    texts = {place: len(found) for place, found in snippets(PAGES[page]).items() if place[1] in RUN}
    if texts:
        assert {place: number for place, number in counted(module_of(page)).items() if place[1] in RUN} == texts


def leads_to(page: str, target: str) -> Path | None:
    """The file of a link; None: it is somebody else's."""
    if target.startswith(SITE):
        path = ROOT / "docs" / target.removeprefix(SITE)
        found = [path.with_suffix(ending) for ending in (".md", ".rst", ".txt") if path.with_suffix(ending).exists()]
        built = path.relative_to(ROOT / "docs").parts[:1] == ("examples",) or path == ROOT / "docs"
        return None if built else (found or [path])[0]
    if REPOSITORY.match(target):
        return ROOT / REPOSITORY.sub("", target)
    if re.match(r"\w+:", target):
        return None
    return (ROOT / page).parent / target if target else ROOT / page


@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_picture_leads_somewhere(page: str) -> None:
    for target, heading in links(PAGES[page]):
        path = leads_to(page, target)
        if path is None or MADE & set(path.parts):
            continue
        assert path.exists(), target
        if heading and path.suffix == ".md":
            assert heading in headings(path.read_text(encoding="utf-8")), (target, heading)


@pytest.mark.parametrize("page", PAGES)
def test_lines_of_prose_have_at_most_160_columns_and_those_of_code_120(page: str) -> None:
    def free(line: str) -> bool:  # what cannot be broken
        return line.startswith(("|", "![")) or " " not in line.strip()

    long = [line for line, language in lines(PAGES[page]) if not language and len(line) > 160 and not free(line)]
    assert long == []
    assert [line for line, language in lines(PAGES[page]) if language in RUN and len(line) > 120] == []


def test_every_picture_is_shown_somewhere() -> None:
    shown = "".join(PAGES.values())
    for path in [*ROOT.glob("docs/**/*.rst"), *ROOT.glob("docs/gallery/*"), *ROOT.glob("lightning_seqfit/**/*.py")]:
        shown += path.read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "docs" / "pictures").iterdir() if path.name not in shown] == []
