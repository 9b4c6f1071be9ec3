"""One training of a fork: quiet, without a trace, and ended as soon as the target is fitted."""

from __future__ import annotations

import copy
import functools
import importlib
import logging
import math
import random
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities.seed import isolate_rng
from torch import nn

from lightning_seqfit.callbacks.base import ProbeCallback
from lightning_seqfit.forks.change import CannotChangeError, Change, MakeModule
from lightning_seqfit.forks.looks import Looks
from lightning_seqfit.forks.network import change_network
from lightning_seqfit.forks.optimizer import change_optimizer, check_trains, evaluations
from lightning_seqfit.forks.place import find_network
from lightning_seqfit.probe import Probe
from lightning_seqfit.trials.fitting import FITTED
from lightning_seqfit.watch.lightning_internals import Steps
from lightning_seqfit.watch.schedule import next_look

#: Looks in the later, evenly spaced part of a fork, and steps between them at the least.
LOOKS, LEAST_APART = 100, 5
_LOGGERS = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")


@dataclass(frozen=True)
class Task:
    """What is trained, but for the change and the seed.

    Attributes
    ----------
    steps : of each training; gradient evaluations where L-BFGS trains.
    at : name of the submodule that is the network; empty: it is looked for.
    saved : what the checkpoint holds; empty: from the beginning.
    data : for ``Trainer.fit``, after the module.
    options : for the ``Trainer``.
    """

    make_module: MakeModule
    probe: Probe
    steps: int
    looks: Looks
    at: str = ""
    saved: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """What came out of one training, as :class:`~lightning_seqfit.trials.Attempt` has it for several seeds."""

    steps: float = math.inf
    seconds: float = math.inf
    fitted: float = 0.0
    error: float = math.inf
    taken: int = 0
    code: str = ""
    why: str = ""
    anew: bool = False


def train(task: Task, change: Change, seed: int) -> Outcome:
    """Train the module with one change.

    Raises
    ------
    CannotChangeError
        If the change cannot be made from outside.
    Exception
        Whatever the training raises.
    """
    with _quiet(), isolate_rng(), tempfile.TemporaryDirectory() as folder:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        module = _made(change.make_module or task.make_module)
        following = _Following(task, change)
        configure: Any = module.configure_optimizers
        module.configure_optimizers = functools.wraps(configure)(  # type: ignore[method-assign]
            lambda: following.configure(module, configure)
        )
        own: Any = module.configure_callbacks
        module.configure_callbacks = functools.wraps(own)(lambda: _without_checkpoints(own()))  # type: ignore[method-assign]
        package = importlib.import_module(_package(module))
        options = {"devices": 1, "max_epochs": -1, **task.options}
        callbacks = copy.deepcopy(options.pop("callbacks", []))
        trainer = package.Trainer(
            **options,
            max_steps=task.steps,
            callbacks=[following, *callbacks],
            logger=_logger(package, folder),
            default_root_dir=folder,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.callbacks = [each for each in trainer.callbacks if not isinstance(each, ProbeCallback)]
        trainer.fit(module, **task.data)
        return following.outcome()


def _made(make_module: MakeModule) -> pl.LightningModule:
    module: Any = make_module()
    if not callable(getattr(type(module), "configure_optimizers", None)):
        raise TypeError(f"make_module returned {type(module).__name__}: return the LightningModule, not compiled")
    made: pl.LightningModule = module
    return made


def _package(module: nn.Module) -> str:
    """The package whose Trainer takes a module."""
    bases = {kind.__module__.partition(".")[0] for kind in type(module).__mro__}
    return "pytorch_lightning" if "pytorch_lightning" in bases else "lightning.pytorch"


def _logger(package: Any, folder: str) -> Any:
    """A logger that takes everything and keeps nothing."""
    base: type = importlib.import_module(f"{package.__name__}.loggers.logger").DummyLogger
    return type("SilentLogger", (base,), {"save_dir": folder})()


def _without_checkpoints(callbacks: Any) -> list[Any]:
    given = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
    return [each for each in given if not any(kind.__name__ == "Checkpoint" for kind in type(each).__mro__)]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Lightning says to itself; warnings of anybody else are shown."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(lightning|pytorch_lightning|lightning_fabric)(\.|$)")
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
            for words in (r"The '.*' does not have many workers", "The number of training batches", "GPU available"):
                warnings.filterwarnings("ignore", message=words)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Following(pl.Callback):
    """Makes the change where Lightning has come to it, and looks how far the training has got."""

    def __init__(self, task: Task, change: Change) -> None:
        self._task, self._change = task, change
        self._every = max(LEAST_APART, task.steps // LOOKS)
        self._network: nn.Module | None = None  # that was put in
        self._called = False
        self._code: list[str] = []
        self._steps = Steps()
        self._seen: list[tuple[int, float, float, float]] = []  # step, seconds, fitted share, error
        self._looked = 0.0
        self._anew = False

    def configure(self, module: pl.LightningModule, configure: Any) -> Any:
        """Change the network, where that is the change, just before the optimizers are made of its weights."""
        settings, saved = self._change.of_network, self._task.saved
        place = find_network(module, self._task.probe, self._task.at) if settings else None
        fresh = copy.deepcopy(place.network.state_dict()) if place is not None else {}
        if self._change.make_module is not None:
            self._anew = bool(saved)
        elif saved:
            module.on_load_checkpoint(copy.deepcopy(dict(saved)))
            module.load_state_dict(saved["state_dict"], strict=module.strict_loading)
        if place is not None:
            if saved:
                place.network.load_state_dict(fresh)
                self._anew = True
            self._network, code = change_network(module, place, settings)
            self._code.append(code)
            self._network.register_forward_hook(self._note_call)
        return configure()

    def _note_call(self, *args: Any) -> None:
        self._called = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Change the optimizers, and take the first look."""
        if self._task.saved and self._change.keeps_optimizer:
            for optimizer, state in zip(trainer.optimizers, self._task.saved["optimizer_states"], strict=True):
                optimizer.load_state_dict(copy.deepcopy(state))  # it would train on in what is given
            schedulers = self._task.saved.get("lr_schedulers", [])
            for config, state in zip(trainer.lr_scheduler_configs, schedulers, strict=True):
                config.scheduler.load_state_dict(state)
        if self._network is not None:
            check_trains(trainer, self._network)
        self._code.append(change_optimizer(trainer, self._change.of_optimizer))
        self._steps.begin(trainer, pl_module)
        self._task.looks.begin(pl_module)
        self._began, self._looked = time.perf_counter(), 0.0
        self._look(trainer, pl_module, 0)
        self._called = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look, if a look is due; end the training where nothing more is to be seen."""
        if self._network is not None and not self._called:
            raise CannotChangeError("the module's training step does not call the network in the place found for it")
        step = self._step(trainer)
        if step >= self._next:
            self._look(trainer, pl_module, step)
        if step >= self._task.steps:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look once more where the training has got further."""
        if (step := self._step(trainer)) > self._seen[-1][0]:
            self._look(trainer, pl_module, step)

    def _step(self, trainer: pl.Trainer) -> int:
        return evaluations(trainer) or self._steps.follow(trainer)

    def _look(self, trainer: pl.Trainer, module: pl.LightningModule, step: int) -> None:
        begun = time.perf_counter()
        fitted, error = self._task.looks.look(module, step, trainer.precision_plugin.forward_context)
        self._seen.append((step, begun - self._began - self._looked, fitted, error))
        self._looked += time.perf_counter() - begun
        self._next = next_look(step, self._every)
        if self._reached is not None or not math.isfinite(error):
            trainer.should_stop = True

    @property
    def _reached(self) -> tuple[int, float, float, float] | None:
        """The first look that is fitted, and so is the next."""
        pairs = zip(self._seen, self._seen[1:], strict=False)
        return next((one for one, other in pairs if min(one[2], other[2]) >= FITTED), None)

    def outcome(self) -> Outcome:
        """What came out of it."""
        taken, _, fitted, error = self._seen[-1]
        steps, seconds = self._reached[:2] if self._reached else (math.inf, math.inf)
        code = "\n".join(filter(None, self._code))
        why = "" if math.isfinite(error) else f"diverged by step {taken:,}"
        return Outcome(steps, seconds, fitted, error, taken, code, why, self._anew)
