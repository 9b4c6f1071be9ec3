"""The house keeps its order: dependencies point one way, and what must stay out stays out.

The oracle is the source itself, read with `ast`: imports inside functions and under `TYPE_CHECKING` count as well, and
a module need not be importable to be judged. That the checker finds a violation is shown on packages made for it.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

import lightning_seqfit

PACKAGE = "lightning_seqfit"
ROOT = Path(lightning_seqfit.__file__).parent

#: From low to high. A module may import from its own layer and from those below. ``""`` is the package itself: its
#: ``__init__`` gathers the public names, so only what lies above may import from it.
LAYERS = (
    {"geometry"},
    {"measures"},
    {"words", "adapters"},
    {"probe"},
    {"diagnostics"},
    {"record", "figures", "loggers"},
    {"watch"},
    {"callbacks"},
    {""},
    {"demos"},
    {"claims", "claims_page", "cli", "factory", "__main__"},
)

#: pyplot keeps global state and picks a GUI; a pytorch_lightning class is not a lightning class; with rich installed
#: Lightning gives the user another progress bar, so nothing of ours may need it.
FORBIDDEN_EVERYWHERE = ("matplotlib.pyplot", "pylab", "pytorch_lightning", "rich")
FORBIDDEN_IN = {
    "geometry": ("torch", "lightning", "matplotlib"),
    "measures": ("torch", "lightning", "matplotlib"),
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


def first_part(name: str) -> str:
    """Return the part of a module's name that decides its layer: "measures" for ``lightning_seqfit.measures.front``."""
    return name.removeprefix(PACKAGE).lstrip(".").split(".")[0]


def layer_of(name: str) -> int | None:
    """Return the number of the layer that a module of ours lies in, None for one that has none."""
    return next((number for number, layer in enumerate(LAYERS) if first_part(name) in layer), None)


def resolve(target: str, names: Collection[str]) -> str:
    """Return the one of the modules `names` that `target` lies in: ``probe`` for ``probe.Probe``."""
    while target not in names and "." in target:
        target = target.rpartition(".")[0]
    return target


def lies_in(target: str, module: str) -> bool:
    return target == module or target.startswith(module + ".")


def violations(sources: Mapping[str, str]) -> list[str]:
    """Return one sentence for each import that breaks a rule, and for each module that has no layer."""
    names = {path.removesuffix(".__init__") for path in sources}
    found = []
    for path, source in sources.items():
        name = path.removesuffix(".__init__")
        own_layer = layer_of(name)
        if own_layer is None:
            found.append(f"{name} has no layer: add it to LAYERS in {Path(__file__).name}")
            continue
        forbidden = FORBIDDEN_EVERYWHERE + FORBIDDEN_IN.get(first_part(name), ())
        for line, target in imported_names(path, source):
            found += [f"{name}, line {line}: imports {target}" for module in forbidden if lies_in(target, module)]
            if lies_in(target, PACKAGE):
                module = resolve(target, names)
                layer = layer_of(module)
                if layer is not None and layer > own_layer:
                    found.append(f"{name}, line {line}: imports {module}, which lies above it")
    return found


def unreachable(root: Path) -> list[str]:
    """Return the folders under `root` that hold modules, and lack ``__init__.py`` or lie in one that does."""
    bad = set()
    for path in root.rglob("*.py"):
        within = [folder for folder in path.parents if folder == root or root in folder.parents]
        if not all((folder / "__init__.py").exists() for folder in within):
            bad.add(str(path.parent.relative_to(root.parent)))
    return sorted(bad)


def test_dependencies_point_one_way() -> None:
    assert violations(read_package(ROOT)) == []


def test_every_module_can_be_imported() -> None:
    assert unreachable(ROOT) == []
    found = {PACKAGE, *(module.name for module in pkgutil.walk_packages([str(ROOT)], prefix=f"{PACKAGE}."))}
    assert found == {path.removesuffix(".__init__") for path in read_package(ROOT)}
    for name in sorted(found - {f"{PACKAGE}.__main__"}):
        importlib.import_module(name)


def test_allowed_imports_are_not_reported() -> None:
    sources = {
        "lightning_seqfit.__init__": "from lightning_seqfit.probe import Probe\nfrom .record import load\n",
        "lightning_seqfit.geometry": "import numpy as np\nfrom scipy import ndimage\n",
        "lightning_seqfit.measures.__init__": "",
        "lightning_seqfit.measures.trend": "from ..geometry import Geometry\n",
        "lightning_seqfit.measures.front": "from . import trend\nfrom .trend import Trend\n",
        "lightning_seqfit.probe": "import torch, lightning as L\nfrom lightning_seqfit import geometry, measures\n",
        "lightning_seqfit.record": "from lightning_seqfit.probe import Probe\nimport richness\n",
        "lightning_seqfit.figures": "from matplotlib.figure import Figure\nimport lightning_seqfit.record\n",
        "lightning_seqfit.callbacks.__init__": "from .base import Base\n",
        "lightning_seqfit.callbacks.base": "from ..figures import draw\n",
        "lightning_seqfit.demos.__init__": "from lightning_seqfit import Probe, callbacks\n",
        "lightning_seqfit.cli": "from .demos import run\nfrom . import __version__\n",
    }
    assert violations(sources) == []


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("geometry", "from lightning_seqfit.measures import front", "imports lightning_seqfit.measures.front"),
        ("geometry", "import torch", "imports torch"),
        ("geometry", "from . import probe", "imports lightning_seqfit.probe"),
        ("measures.front", "from ..probe import Probe", "imports lightning_seqfit.probe"),
        ("measures.front", "import lightning.pytorch as pl", "imports lightning.pytorch"),
        ("measures.front", "def late():\n    from torch import Tensor", "line 2: imports torch.Tensor"),
        ("measures.__init__", "from .. import probe", "imports lightning_seqfit.probe"),
        ("measures.__init__", "from matplotlib import cm", "imports matplotlib.cm"),
        ("probe", "import lightning_seqfit.record", "imports lightning_seqfit.record"),
        ("probe", "from lightning_seqfit import Probe", "imports lightning_seqfit, which lies above"),
        ("record", "if TYPE_CHECKING:\n    from .callbacks import base", "imports lightning_seqfit.callbacks"),
        ("callbacks.base", "from ..demos.targets import sine", "imports lightning_seqfit.demos"),
        ("callbacks.base", "importlib.import_module('lightning_seqfit.cli')", "imports lightning_seqfit.cli"),
        ("__init__", "from .demos import run", "imports lightning_seqfit.demos"),
        ("demos.__init__", "from lightning_seqfit.cli import main", "imports lightning_seqfit.cli"),
        ("figures", "def late():\n    import matplotlib.pyplot as plt", "imports matplotlib.pyplot"),
        ("figures", "from matplotlib import pyplot", "imports matplotlib.pyplot"),
        ("figures", "from matplotlib.pyplot import figure", "imports matplotlib.pyplot"),
        ("figures", "__import__('matplotlib.pyplot')", "imports matplotlib.pyplot"),
        ("cli", "from rich.console import Console", "imports rich.console"),
        ("cli", "import pytorch_lightning", "imports pytorch_lightning"),
        ("helpers", "", "has no layer"),
    ],
)
def test_a_forbidden_import_is_reported(name: str, source: str, said: str) -> None:
    others = "__init__ geometry measures.__init__ measures.front probe record callbacks.base demos.__init__ cli"
    sources = {f"{PACKAGE}.{other}": "" for other in others.split()}
    sources[f"{PACKAGE}.{name}"] = source
    found = violations(sources)
    assert len(found) == 1
    assert said in found[0]


def test_a_folder_without_init_is_reported(tmp_path: Path) -> None:
    root = tmp_path / PACKAGE
    for path in ["__init__.py", "measures/__init__.py", "callbacks/base.py", "demos/data/table.csv"]:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    assert unreachable(root) == [f"{PACKAGE}/callbacks"]
