"""The house keeps its order: what must stay out stays out, and the privates of others are used in few places.

The oracle is the source itself, read with `ast`: imports inside functions and under `TYPE_CHECKING` count as well. That
dependencies point one way is checked by import-linter, whose contracts are in pyproject.toml.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import lightning_seqfit

PACKAGE = "lightning_seqfit"
ROOT = Path(lightning_seqfit.__file__).parent

#: pyplot keeps global state and picks a GUI; a pytorch_lightning class is not a lightning class; with rich installed
#: Lightning gives the user another progress bar, so nothing of ours may need it.
FORBIDDEN = ("matplotlib.pyplot", "pylab", "pytorch_lightning", "rich")
#: A notebook shows figures of pyplot's by itself.
MAY = {f"{PACKAGE}.figures.notebook": "matplotlib.pyplot"}
#: Each of these has a test that names what broke.
PRIVATES_OF_OTHERS = {
    "watch.lightning_internals",
    "probe.guard.internals",
    "probe.guard.generators",
    "watch.sinks.tensorboard",
    "record.place",  # how fsspec itself takes a URL apart
}


def read_package(root: Path) -> dict[str, str]:
    """Return the source of every module under `root` by dotted path, a package's under ``<package>.__init__``."""
    return {
        ".".join((PACKAGE, *path.relative_to(root).with_suffix("").parts)): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*.py"))
    }


def imported_names(path: str, source: str) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of all that the module at `path` imports; ``from a import b`` gives ``a.b``."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                start = path.split(".")[:-level] if level else []
                base = [*start, *([module] if module else [])]
                yield from ((node.lineno, ".".join([*base, alias.name])) for alias in names)
            case ast.Call(
                func=ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"),
                args=[ast.Constant(value=str(target)), *_],
            ):
                yield node.lineno, target


def lies_in(target: str, module: str) -> bool:
    return target == module or target.startswith(module + ".")


def violations(sources: Mapping[str, str]) -> list[str]:
    """Return one sentence for each import of what is forbidden."""
    return [
        f"{path.removesuffix('.__init__')}, line {line}: imports {target}"
        for path, source in sources.items()
        for line, target in imported_names(path, source)
        if any(lies_in(target, module) for module in FORBIDDEN if module != MAY.get(path))
    ]


def own_names(tree: ast.AST) -> set[str]:
    """Names with one underscore that a module defines or sets: its own privates."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.add(node.attr)
        elif isinstance(node, ast.AnnAssign | ast.Assign):
            targets = [node.target] if isinstance(node, ast.AnnAssign) else node.targets
            found |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in found if name.startswith("_")}


def foreign_privates(sources: Mapping[str, str]) -> list[str]:
    """Return where an attribute with one underscore is read that is nobody's in the package."""
    trees = {path: ast.parse(source) for path, source in sources.items()}
    own = set[str]().union(*map(own_names, trees.values()))
    return [
        f"{path}, line {node.lineno}: {node.attr}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr.startswith("_")
        and not node.attr.startswith("__")
        and node.attr not in own
    ]


def unreachable(root: Path) -> list[str]:
    """Return the folders under `root` that hold modules, and lack ``__init__.py`` or lie in one that does."""
    bad = set()
    for path in root.rglob("*.py"):
        within = [folder for folder in path.parents if folder == root or root in folder.parents]
        if not all((folder / "__init__.py").exists() for folder in within):
            bad.add(str(path.parent.relative_to(root.parent)))
    return sorted(bad)


def test_nothing_that_is_forbidden_is_imported() -> None:
    assert violations(read_package(ROOT)) == []


def test_the_privates_of_others_are_used_in_few_places() -> None:
    places = {found.partition(",")[0].removeprefix(f"{PACKAGE}.") for found in foreign_privates(read_package(ROOT))}
    assert places <= PRIVATES_OF_OTHERS


def test_a_private_of_another_is_reported() -> None:
    sources = {
        "a": "class Own:\n    def __init__(self):\n        self._mine = 1\n    def _do(self): ...\n_TABLE: dict = {}\n",
        "b": "own._mine\nown._do()\na._TABLE\nown.__dict__\ntrainer._logger_connector.show()\n",
    }
    assert foreign_privates(sources) == ["b, line 5: _logger_connector"]


def test_every_module_can_be_imported() -> None:
    assert unreachable(ROOT) == []
    found = {PACKAGE, *(module.name for module in pkgutil.walk_packages([str(ROOT)], prefix=f"{PACKAGE}."))}
    assert found == {path.removesuffix(".__init__") for path in read_package(ROOT)}
    for name in sorted(found - {f"{PACKAGE}.__main__"}):
        importlib.import_module(name)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def late():\n    import matplotlib.pyplot as plt", "line 2: imports matplotlib.pyplot"),
        ("from matplotlib import pyplot", "imports matplotlib.pyplot"),
        ("from matplotlib.pyplot import figure", "imports matplotlib.pyplot"),
        ("__import__('matplotlib.pyplot')", "imports matplotlib.pyplot"),
        ("importlib.import_module('matplotlib.pyplot')", "imports matplotlib.pyplot"),
        ("from rich.console import Console", "imports rich.console"),
        ("if TYPE_CHECKING:\n    import pytorch_lightning", "imports pytorch_lightning"),
        ("from matplotlib import cm\nimport richness, lightning.pytorch as pl", ""),
    ],
)
def test_a_forbidden_import_is_reported(source: str, said: str) -> None:
    found = violations({f"{PACKAGE}.figures": source})
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_a_folder_without_init_is_reported(tmp_path: Path) -> None:
    root = tmp_path / PACKAGE
    for path in ["__init__.py", "measures/__init__.py", "callbacks/base.py", "demos/data/table.csv"]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    assert unreachable(root) == [f"{PACKAGE}/callbacks"]
