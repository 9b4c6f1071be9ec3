"""What the watch needs of Lightning and it does not promise to keep is there, and is named where it is not."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import pytorch_lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit.demos import TanhRegression
from lightning_seqfit.watch import lightning_internals
from lightning_seqfit.watch.lightning_internals import Steps, broadcast, evaluates, show, steps_in_all

#: From a trainer, and what it has to be.
NEEDED: dict[str, Any] = {
    "_logger_connector._callback_metrics": dict,
    "_logger_connector._progress_bar_metrics": dict,
    "fit_loop.epoch_loop._batches_that_stepped": int,
    "fit_loop.epoch_loop._results": dict,
    "fit_loop.epoch_loop.batch_progress.current.processed": int,
    "fit_loop.epoch_loop.batch_progress.current.completed": int,
    "strategy.broadcast": object,
    "precision_plugin.forward_context": object,
    "fast_dev_run": bool | int,
    "num_training_batches": int | float,
}
#: From each of ``_results``, which a module has logged in training.
NEEDED_OF_A_RESULT = ("_forward_cache", "is_tensor", "has_reset", "value", "cumulated_batch_size", "meta.name")


def trained(package: Any, **options: Any) -> Any:
    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = package.Trainer(accelerator="cpu", enable_model_summary=False, **quiet, **options)
    x = torch.linspace(0, 1, 12)[:, None]
    module = TanhRegression(width=4) if package is L else Plain()
    trainer.fit(module, DataLoader(TensorDataset(x, torch.sin(9 * x)), batch_size=2))
    return trainer


class Plain(pytorch_lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
        loss: torch.Tensor = ((self.layer(batch[0]) - batch[1]) ** 2).mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())


@pytest.mark.parametrize("package", [L, pytorch_lightning], ids=lambda package: package.__name__)
def test_lightning_has_what_is_needed(package: Any) -> None:
    trainer = trained(package, max_steps=2)
    for path, kind in NEEDED.items():
        there = trainer
        for name in path.split("."):
            assert hasattr(there, name), f"{package.__name__} {package.__version__} has no trainer.{path}"
            there = getattr(there, name)
        assert isinstance(there, kind), f"trainer.{path} is {type(there).__name__}"


def test_a_result_has_what_is_needed() -> None:
    (result,) = trained(pytorch_lightning, max_steps=2).fit_loop.epoch_loop._results.values()
    for path in NEEDED_OF_A_RESULT:
        there = result
        for name in path.split("."):
            assert hasattr(there, name), f"no {path}"
            there = getattr(there, name)
    assert result.meta.is_mean_reduction
    assert result.meta.forked_name(on_step=True) == "loss"


def test_every_private_name_that_is_used_is_in_the_list() -> None:
    tree = ast.parse(Path(lightning_internals.__file__).read_text(encoding="utf-8"))
    own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr.startswith("_")}
    used = {name for name in used - own if not name.startswith("__")}
    needed = [name for path in (*NEEDED, *NEEDED_OF_A_RESULT) for name in path.split(".")]
    assert used == {name for name in needed if name.startswith("_")}


def test_what_is_shown_can_be_monitored() -> None:
    trainer = trained(L, max_steps=1)
    show(trainer, {"seqfit/a": 0.5}, {"a": 0.25})
    assert trainer.callback_metrics["seqfit/a"].item() == 0.5
    assert trainer.progress_bar_metrics["a"] == 0.25


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"max_steps": 3}, 3),
        ({"max_epochs": 2}, 12),
        ({"max_epochs": 2, "accumulate_grad_batches": 4}, 4),
        ({"max_epochs": 3, "limit_train_batches": 2}, 6),
        ({"max_epochs": -1, "max_steps": -1, "max_time": {"seconds": 1}}, float("inf")),
    ],
)
def test_how_long_a_fit_takes_is_known_where_it_is(options: dict[str, Any], steps: float) -> None:
    trainer = trained(L, **options)
    assert steps_in_all(trainer) == steps
    if steps < 100:
        assert trainer.global_step == steps


def test_a_single_process_evaluates_and_needs_no_broadcast() -> None:
    trainer = trained(L, max_steps=1)
    assert evaluates(trainer)
    value = object()
    assert broadcast(trainer, value) is value


def test_both_axes_are_followed() -> None:
    trainer, steps = trained(L, max_steps=4), Steps()
    assert steps.begin(trainer, trainer.lightning_module) == steps.follow(trainer) == 4
    assert (steps.optimizer, steps.logged) == (4, 4)
