"""A look leaves alone whatever a module keeps outside its parameters, and whatever its forward changes.

Every kind of module is trained bare, watched, and with one evaluation that nothing undoes: the second must be the first
bit by bit, and the third must not, or the kind would prove nothing.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from lightning_seqfit import figures, load
from lightning_seqfit.callbacks import SequentialFitting
from tests.attach.kinds import attributes, layers, parameters, tensors
from tests.attach.kinds.base import CANNOT, KINDS, Kind, contents
from tests.training import assert_same, loader, trained

STEPS = 14
POINTS = 512

pytestmark = [
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning"),
    # torch, where a layer is compiled
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    pytest.mark.filterwarnings("ignore:torch.ao.quantization is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*torch.nn.utils.(weight|spectral)_norm.* is deprecated:FutureWarning"),
]


@pytest.fixture(autouse=True)
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six pictures at the end of a fit take longer than the fit."""
    monkeypatch.setattr(figures, "draw", lambda run: {})


class Unguarded(L.Callback):
    """Evaluates the module once in the middle of a training, and undoes nothing."""

    asked = False

    def on_train_start(self, trainer: L.Trainer, module: Any) -> None:
        self.on_train_batch_end(trainer, module)

    def on_train_batch_end(self, trainer: L.Trainer, module: Any, *args: Any) -> None:
        if trainer.global_step == module.proof:
            module.eval()
            module.ask(module, torch.linspace(0, 1, POINTS)[:, None])
            module.train()
            self.asked = True


def fit(trainer: L.Trainer, module: L.LightningModule) -> Any:
    """Train, and return all that the module holds then."""
    trainer.fit(module, loader(batch_size=16))
    return contents(module)


def train(name: str, folder: Path, *callbacks: L.Callback) -> dict[str, Any]:
    return trained((KINDS | CANNOT)[name], folder, callbacks, fit, logger=False, max_steps=STEPS)


@functools.cache
def bare(name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return train(name, Path(folder))


@pytest.mark.parametrize("sort", [attributes, layers, parameters, tensors], ids=lambda sort: sort.__name__)
def test_there_are_kinds_enough_of_each_sort(sort: ModuleType) -> None:
    assert sum(made.__module__ == sort.__name__ for made in KINDS.values()) >= 12


def test_the_comparison_passes_where_nothing_is_kept_and_finds_what_is_left_in_a_list(tmp_path: Path) -> None:
    class Leaves(L.Callback):
        def on_train_end(self, trainer: L.Trainer, module: Any) -> None:
            module.kept[0]["a"]["b"][0]["n"][0] += 1

    assert_same(train("lists in dicts in lists", tmp_path), bare("lists in dicts in lists"))
    with pytest.raises(AssertionError, match=r"outcome/.*kept"):
        assert_same(train("lists in dicts in lists", tmp_path, Leaves()), bare("lists in dicts in lists"))
    plain = {"make": Kind, "run": fit, "logger": False, "max_steps": STEPS}
    watcher = SequentialFitting(Kind.probe(), every_n_steps=3)
    assert_same(trained(folder=tmp_path, **plain), trained(folder=tmp_path, callbacks=[watcher], **plain))


@pytest.mark.parametrize("name", KINDS)
def test_a_watched_training_is_bitwise_the_bare_one_whatever_the_module_keeps(name: str, tmp_path: Path) -> None:
    watcher = SequentialFitting(KINDS[name].probe(), every_n_steps=3)
    assert_same(bare(name), train(name, tmp_path, watcher))
    run = load(tmp_path)
    assert run.steps[[0, -1]].tolist() == [0, STEPS]
    assert len(run.steps) >= 8
    assert np.isfinite(run.scalars["error/relative_rmse"]).all()


@pytest.mark.parametrize("name", [*KINDS, *CANNOT])
def test_an_evaluation_that_is_not_undone_changes_the_weights_or_breaks_the_training(name: str, tmp_path: Path) -> None:
    weights, unguarded = bare(name)["weights"], Unguarded()
    broke = False
    try:
        changed = train(name, tmp_path, unguarded)["weights"]
    except Exception:
        broke = True
    assert unguarded.asked  # it was the training that broke, not the evaluation
    if not broke:
        with pytest.raises(AssertionError):
            assert_same(weights, changed)


class Mapped(Kind):
    """A buffer, and an attribute, over a memory map that is read-only: to write it is the end of the process."""

    path = ""

    def keep(self) -> None:
        self.register_buffer("table", torch.from_numpy(np.load(self.path, mmap_mode="r")), persistent=False)
        self.rows = self.table.view(10, -1)

    def touch(self, x: torch.Tensor) -> torch.Tensor:
        return self.table[(999 * x[:, 0].clamp(0, 1)).long(), None] + self.rows[3].mean()


def train_on_a_map(path: str) -> None:
    """Train bare and watched on a map made there; say so where both end the same."""
    np.save(path, np.linspace(0, 1, 1000, dtype=np.float32))
    Mapped.path = path
    folder, watcher = Path(path).parent, SequentialFitting(Mapped.probe(), every_n_steps=3)
    options: dict[str, Any] = {"logger": False, "max_steps": STEPS, "run": fit}
    assert_same(trained(Mapped, folder, **options), trained(Mapped, folder, [watcher], **options))
    print("the same")


def test_a_watched_training_on_a_read_only_memory_map_goes_on_and_is_the_bare_one(tmp_path: Path) -> None:
    command = "import sys; from tests.attach.test_kinds import train_on_a_map; train_on_a_map(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", command, str(tmp_path / "table.npy")],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert (done.returncode, done.stdout.strip()) == (0, "the same"), done.stderr[-2000:]
