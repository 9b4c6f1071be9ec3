"""What the guard needs of others and they do not promise to keep is there, in one file, and is named where it is not.

The oracle: the source itself, read with `ast`, says what is used; objects of the installed versions say what is there.
"""

from __future__ import annotations

import ast
import random
import sys
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import thread as pools
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import pytorch_lightning
import torch
from torch import nn
from torch.autograd import grad_mode
from torch.utils import _python_dispatch

import lightning_seqfit.probe

PROBE = Path(lightning_seqfit.probe.__file__).parent
INTERNALS, GENERATORS = PROBE / "guard" / "internals.py", PROBE / "guard" / "generators.py"


def scripted() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(nn.Linear(1, 1))


#: Who has it, and its name.
NEEDED: tuple[tuple[str, Callable[[], Any], str], ...] = (
    ("torch", lambda: torch, "_C"),
    ("torch._C", lambda: torch._C, "DisableTorchFunctionSubclass"),
    ("torch.utils._python_dispatch", lambda: _python_dispatch, "TorchDispatchMode"),
    ("torch.autograd.grad_mode", lambda: grad_mode, "_unsafe_preserve_version_counter"),
    ("a tensor", lambda: torch.zeros(1), "_version"),
    ("a tensor", lambda: torch.zeros(1), "_backward_hooks"),
    ("a storage", lambda: torch.zeros(1).untyped_storage(), "_cdata"),
    ("a module", nn.Module, "_parameters"),
    ("a module", nn.Module, "_buffers"),
    ("a scripted module", scripted, "_c"),
    ("a scripted module", scripted, "_concrete_type"),
    ("the type of a scripted module", lambda: scripted()._concrete_type, "get_attributes"),
    ("an operation", lambda: torch.ops.aten.add_.Tensor, "_schema"),
    ("a LightningModule", pl.LightningModule, "_current_fx_name"),
    ("a LightningModule of pytorch_lightning", pytorch_lightning.LightningModule, "_current_fx_name"),
    ("numpy.random.mtrand", lambda: np.random.mtrand, "_rand"),
    ("numpy's generator", lambda: np.random.mtrand._rand, "_bit_generator"),
    ("random", lambda: random, "_inst"),
    ("a thread", lambda: threading.Thread(target=print), "_target"),
    ("sys", lambda: sys, "_current_frames"),
    ("concurrent.futures.thread", lambda: pools, "_worker"),
)


def missing() -> list[str]:
    """What there is no more, in words that say where to mend it."""
    return [
        f"{owner} has no {name}: mend {INTERNALS.name}" for owner, make, name in NEEDED if not hasattr(make(), name)
    ]


def reached(path: Path) -> set[str]:
    """Names beginning with one underscore that a file takes of what is not its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found, own = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                own.add(name)
            case ast.Attribute(attr=name) | ast.alias(name=name):
                found |= set(name.split("."))
            case ast.ImportFrom(module=str(name)):
                found |= set(name.split("."))
            case ast.Call(func=ast.Name(id="getattr" | "hasattr"), args=[_, ast.Constant(value=str(name)), *_]):
                found.add(name)
            case ast.Call(func=ast.Name(id="attrgetter" | "map"), args=arguments):
                found |= {leaf.value for one in arguments for leaf in ast.walk(one) if isinstance(leaf, ast.Constant)}
    return {name for name in found - own if str(name).startswith("_") and not str(name).startswith("__")}


def test_all_of_it_is_there() -> None:
    assert missing() == []


@pytest.mark.parametrize(
    ("owner", "name", "said"),
    [
        (torch._C, "DisableTorchFunctionSubclass", "torch._C has no DisableTorchFunctionSubclass"),
        (torch.UntypedStorage, "_cdata", "a storage has no _cdata"),
        (pl.LightningModule, "_current_fx_name", "a LightningModule has no _current_fx_name"),
        (random, "_inst", "random has no _inst"),
    ],
)
def test_what_is_missing_is_named(owner: Any, name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(owner, type):  # of an instance

        class Without(owner):  # type: ignore[misc]
            def __getattribute__(self, asked: str) -> Any:
                if asked == name:
                    raise AttributeError(asked)
                return super().__getattribute__(asked)

        table = [(who, Without if who == said.partition(" has")[0] else make, what) for who, make, what in NEEDED]
        monkeypatch.setitem(globals(), "NEEDED", table)
    else:
        monkeypatch.delattr(owner, name)
    assert missing() == [f"{said}: mend internals.py"]


def test_the_list_is_what_is_used() -> None:
    used = reached(INTERNALS) | reached(GENERATORS)
    private = {name for _, _, name in NEEDED if name.startswith("_")}
    assert used - {"_python_dispatch"} == private


def test_nothing_else_of_the_probe_reaches_in() -> None:
    files = [path for path in PROBE.rglob("*.py") if path not in (INTERNALS, GENERATORS)]
    assert len(files) > 15
    found = {path.name: reached(path) for path in files}
    assert {name: names for name, names in found.items() if names} == {}
