"""What Lightning offers no other way to: everything of it that begins with an underscore, and is used, is used here."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.logger import _convert_params, _flatten_dict, _sanitize_params

from lightning_seqfit.adapters import counts_late

#: Classes of strategies under which a forward pass is collective.
_COLLECTIVE = {"FSDPStrategy", "ModelParallelStrategy", "DeepSpeedStrategy"}


class Steps:
    """Where a training is, on both axes.

    Attributes
    ----------
    optimizer : optimizer steps, as ``global_step`` counts them.
    logged : the axis of Lightning's own curves, of the batch that ``optimizer`` belongs to.
    """

    def __init__(self) -> None:
        self.optimizer = self.logged = 0
        self._counts_late = False

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule) -> int:
        """Begin a fit."""
        self._counts_late = counts_late(module)
        self.optimizer, self.logged = trainer.global_step, _logger_step(trainer)
        return self.optimizer

    def follow(self, trainer: pl.Trainer) -> int:
        """Optimizer step after a batch; the loggers' axis moves on after the batch that it belongs to."""
        step = trainer.global_step
        if self._counts_late:
            batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
            step += batches.processed > batches.completed  # the batch that ends has taken one
        if step != self.optimizer:
            self.optimizer, self.logged = step, _logger_step(trainer)
        return step


def _logger_step(trainer: pl.Trainer) -> int:
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def show(trainer: pl.Trainer, monitored: Mapping[str, float], in_progress_bar: Mapping[str, float]) -> None:
    """Put values where monitors and the progress bar look.

    Past the properties: those take in what the module has logged so far, also in a batch that breaks off.
    """
    shown = trainer._logger_connector
    shown._callback_metrics.update(zip(monitored, torch.tensor(list(monitored.values())).unbind(), strict=True))
    shown._progress_bar_metrics.update(in_progress_bar)


def logged_in_training(trainer: pl.Trainer) -> dict[str, torch.Tensor]:
    """Single numbers that the module has logged in training, by name; computes no metric, and takes nothing in.

    Each is of the last step, or the mean of the epoch so far where only that is kept; after the epoch, what it left.
    """
    logged: dict[str, torch.Tensor] = {}
    left = trainer._logger_connector._callback_metrics
    for metric in trainer.fit_loop.epoch_loop._results.values():
        value: Any = metric._forward_cache
        if value is None and metric.is_tensor and metric.meta.is_mean_reduction and not metric.has_reset:
            value = metric.value / metric.cumulated_batch_size
        elif value is None:
            value = left.get(metric.meta.forked_name(on_step=True))
        if isinstance(value, torch.Tensor) and value.numel() == 1:
            logged[metric.meta.name] = value
    return logged


def hyperparameters(logger: Any) -> dict[str, Any]:
    """What a logger was told of a module and its data, by name, as texts and numbers."""
    return _sanitize_params(flattened(getattr(logger, "hparams", {})))


def flattened(parameters: Any) -> dict[str, Any]:
    """Hyperparameters in one mapping, ``"a/b"`` for b within a."""
    return _flatten_dict(_convert_params(parameters))


def steps_in_all(trainer: pl.Trainer) -> float:
    """Optimizer steps that a fit will take at the most; inf: not known."""
    if trainer.max_steps > 0:
        return trainer.max_steps
    batches = trainer.num_training_batches
    if not trainer.max_epochs or trainer.max_epochs < 0 or not math.isfinite(batches):
        return math.inf
    return trainer.max_epochs * math.ceil(batches / trainer.accumulate_grad_batches)


def evaluates(trainer: pl.Trainer) -> bool:
    """Whether this process evaluates: rank zero, or every rank where the forward pass is collective."""
    names = {cls.__name__ for cls in type(trainer.strategy).__mro__}
    return trainer.is_global_zero or bool(names & _COLLECTIVE)


def broadcast(trainer: pl.Trainer, value: Any) -> Any:
    """Rank zero's value on every rank."""
    return trainer.strategy.broadcast(value) if trainer.world_size > 1 else value


def on_the_ranks_that_evaluate(trainer: pl.Trainer, do: Callable[[], Any]) -> Any:
    """Do what only some ranks do; every rank raises what they raise."""
    result, error = None, None
    if evaluates(trainer):
        try:
            result = do()
        except Exception as caught:
            error = caught
    problem = broadcast(trainer, None if error is None else (type(error).__name__, str(error)))
    if error is not None:
        raise error
    if problem is not None:
        raise RuntimeError(f"on rank zero: {problem[0]}: {problem[1]}")
    return result
