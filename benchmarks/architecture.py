"""The picture of the layers in docs/contributing.md: what may import what, from the contract that import-linter checks.

    python benchmarks/architecture.py docs/pictures/architecture.svg

A layer's words are the first sentence of its docstring. The way of the data is drawn beside it.
"""

from __future__ import annotations

import ast
import sys
import textwrap
import tomllib
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
WIDTH, ROW, LEFT, COLUMN = 860, 58, 30, 640
HEAD = 'xmlns="http://www.w3.org/2000/svg" font-family="sans-serif" font-size="12"'
IMPORTS, DATA = 'rx="4" fill="#e8f0f6" stroke="#31688e"', 'rx="4" fill="#faf3e6" stroke="#b5651d"'
#: The way of the data from a training to what people see, with the packages that do it.
WAY = {
    "a hook of the Trainer": "callbacks",
    "is it time to look?": "watch",
    "evaluate, leave no trace": "probe",
    "bind measures to it": "diagnostics",
    "measure": "measures",
    "keep, bounded": "record",
    "say what it means": "diagnosis",
    "what there is to see": "views",
    "draw it": "figures, report",
}


def layers() -> list[list[str]]:
    """Layers from top to bottom, the packages of each beside one another."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    (layered,) = (contract for contract in contracts if contract["type"] == "layers")
    found = [[name.strip() for name in layer.split("|")] for layer in layered["layers"]]
    return [layer for layer in found if layer != ["__main__"]]


def words(name: str) -> str:
    """First sentence of a package's docstring, without its markup."""
    package = ROOT / "lightning_seqfit" / name
    file = package / "__init__.py" if package.is_dir() else package.with_suffix(".py")
    said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    sentence = " ".join(said.split("\n\n")[0].split()).replace("``", "").replace(":class:", "").replace(":func:", "")
    return sentence.replace(":data:", "").replace("`", "").replace("~lightning_seqfit.geometry.", "")


def draw(found: list[list[str]]) -> str:
    """Make the picture."""
    height = 60 + ROW * len(found)
    parts = [
        f'<svg {HEAD} viewBox="0 0 {WIDTH} {height}">',
        "<title>Layers of lightning_seqfit, and the way of the data</title>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0L10 5L0 10z" fill="#555"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        '<text x="30" y="24" font-weight="bold">Imports go down only</text>',
        f'<text x="{COLUMN + 20}" y="24" font-weight="bold">The way of the data</text>',
        f'<path d="M14 44V{height - 20}" stroke="#555" marker-end="url(#tip)"/>',
    ]
    for row, layer in enumerate(found):
        top, wide = 38 + ROW * row, (COLUMN - LEFT - 20) / len(layer)
        for column, name in enumerate(layer):
            left = LEFT + column * wide
            letters = int((wide - 24) / 5.6)
            parts.append(f'<rect x="{left}" y="{top}" width="{wide - 8}" height="{ROW - 6}" {IMPORTS}/>')
            for number, text in enumerate(textwrap.wrap(words(name), letters, max_lines=2, placeholder=" ...")):
                at = top + 30 + 14 * number
                parts.append(f'<text x="{left + 8}" y="{at}" fill="#333" font-size="11">{escape(text)}</text>')
            parts.append(f'<text x="{left + 8}" y="{top + 15}" font-weight="bold">{escape(name)}</text>')
    step = (height - 60) / len(WAY)
    for row, (does, name) in enumerate(WAY.items()):
        top = 38 + step * row
        parts.append(f'<rect x="{COLUMN + 20}" y="{top}" width="190" height="{step - 16}" {DATA}/>')
        parts.append(f'<text x="{COLUMN + 28}" y="{top + 17}">{escape(does)}</text>')
        parts.append(f'<text x="{COLUMN + 28}" y="{top + 33}" font-weight="bold">{escape(name)}</text>')
        if row + 1 < len(WAY):
            parts.append(
                f'<path d="M{COLUMN + 115} {top + step - 16}V{top + step - 1}" stroke="#555" marker-end="url(#tip)"/>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(draw(layers()), encoding="utf-8")
