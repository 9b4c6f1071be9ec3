"""One training of a fork: quiet, without a trace, and ended as soon as the target is fitted."""

from __future__ import annotations

import copy
import functools
import importlib
import math
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

import lightning.pytorch as pl
import numpy as np
import torch
from torch import nn

from lightning_seqfit.callbacks.base import ProbeCallback
from lightning_seqfit.forks.change import CannotChangeError, Change, MakeModule
from lightning_seqfit.forks.network import change_network
from lightning_seqfit.forks.optimizer import change_optimizer, check_trains, evaluations
from lightning_seqfit.forks.place import find_network
from lightning_seqfit.forks.process import as_before, quiet
from lightning_seqfit.probe import Probe
from lightning_seqfit.trials.fitting import FITTED
from lightning_seqfit.trials.looks import Looks
from lightning_seqfit.watch.lightning_internals import Steps
from lightning_seqfit.watch.readiness import is_lazy, is_unfinished
from lightning_seqfit.watch.schedule import next_look

#: Looks in the later, evenly spaced part of a fork, and steps between them at the least.
LOOKS, LEAST_APART = 100, 5


@dataclass(frozen=True)
class Task:
    """What is trained, but for the change and the seed.

    Attributes
    ----------
    steps : of each training; gradient evaluations where L-BFGS trains.
    at : name of the submodule that is the network; empty: it is looked for.
    saved : what the checkpoint holds; empty: from the beginning.
    fit : trains a module with a Trainer of the options that it gets.
    options : for the ``Trainer``.
    made : parts with weights of the modules so far.
    """

    make_module: MakeModule
    probe: Probe
    steps: int
    looks: Looks
    at: str
    saved: Mapping[str, Any]
    fit: Callable[..., Any]
    options: Mapping[str, Any]
    made: WeakSet[nn.Module] = field(default_factory=WeakSet)


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


class UnusableError(ValueError):
    """What was given to the fork cannot be used, whatever is changed."""


def train(task: Task, change: Change, seed: int) -> Outcome:
    """Train the module with one change.

    Raises
    ------
    UnusableError
        If there is no new module to train, or the checkpoint is of another.
    CannotChangeError
        If the change cannot be made from outside.
    Exception
        Whatever the training raises.
    """
    with quiet(), as_before(), tempfile.TemporaryDirectory() as folder:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        module = _made(task, change)
        following = _Following(task, change)
        configure: Any = module.configure_optimizers
        module.configure_optimizers = functools.wraps(configure)(  # type: ignore[method-assign]
            lambda: following.configure(module, configure)
        )
        options = {"devices": 1, "max_epochs": -1, **task.options}
        callbacks = copy.deepcopy(_of_training(options.pop("callbacks", None)))
        task.fit(
            module,
            **options,
            max_steps=task.steps,
            callbacks=[following, *callbacks],
            logger=_logger(module, folder),
            default_root_dir=folder,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        return following.outcome()


def fit_with_lightning(module: pl.LightningModule, data: Any = None, **options: Any) -> None:
    """Fit a module with the Trainer of the package that it is of."""
    given = {"datamodule": data} if hasattr(data, "prepare_data") else {"train_dataloaders": data}
    importlib.import_module(_package(module)).Trainer(**options).fit(module, **given)


def _made(task: Task, change: Change) -> pl.LightningModule:
    """A module that was not trained before."""
    try:
        module: Any = (change.make_module or task.make_module)()
    except Exception as error:
        if change.make_module is not None:
            raise
        raise UnusableError(
            f"make_module raised {type(error).__name__}: {error}; give a function that needs no arguments, such as "
            "lambda: MyModule(width=50)"
        ) from error
    if not callable(getattr(type(module), "configure_optimizers", None)):
        raise UnusableError(f"make_module returned {type(module).__name__}: return the LightningModule, not compiled")
    trainable = {part for part in module.modules() if any(each.requires_grad for each in part.parameters(False))}
    if again := trainable & set(task.made):
        raise UnusableError(
            f"make_module returned the same {type(again.pop()).__name__} again, which has been trained: make in it "
            "everything that learns"
        )
    task.made.update(trainable)
    made: pl.LightningModule = module
    return made


def _package(module: nn.Module) -> str:
    """The package whose Trainer takes a module."""
    bases = {kind.__module__.partition(".")[0] for kind in type(module).__mro__}
    return "pytorch_lightning" if "pytorch_lightning" in bases else "lightning.pytorch"


def _logger(module: nn.Module, folder: str) -> Any:
    """A logger that takes everything and keeps nothing."""
    base: type = importlib.import_module(f"{_package(module)}.loggers.logger").DummyLogger
    return type("SilentLogger", (base,), {"save_dir": folder})()


def _of_training(callbacks: Any) -> list[Any]:
    """Callbacks but for those that write, print or watch."""
    given = callbacks if isinstance(callbacks, list | tuple) else [callbacks] if callbacks is not None else []
    left_out = {"Checkpoint", "ProgressBar", "ModelSummary", ProbeCallback.__name__}
    return [each for each in given if not left_out & {kind.__name__ for kind in type(each).__mro__}]


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
        self._began = self._looked = 0.0
        self._batches, self._next = 0, 0
        self._stepped = False  # the optimizer that was put in
        self._anew = False

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Drop what the module, the environment or a fit of the user's has attached, before it hears more than this."""
        trainer.callbacks = _of_training(trainer.callbacks)  # type: ignore[attr-defined]

    def configure(self, module: pl.LightningModule, configure: Any) -> Any:
        """Change the network, where that is the change, just before the optimizers are made of its weights."""
        settings, saved = self._change.of_network, self._task.saved
        if settings and is_lazy(module):
            raise CannotChangeError("the first batch has yet to make the network's weights: call it once in __init__")
        place = find_network(module, self._task.probe, self._task.at) if settings else None
        fresh = copy.deepcopy(place.network.state_dict()) if place is not None else {}
        if self._change.make_module is not None:
            self._anew = bool(saved)
        elif saved:
            module.on_load_checkpoint(copy.deepcopy(dict(saved)))
            try:
                module.load_state_dict(saved["state_dict"], strict=module.strict_loading)
            except RuntimeError as error:
                raise UnusableError(f"checkpoint is of another module: {error}") from error
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

    def _note_step(self, *args: Any) -> None:
        self._stepped = True

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Change the optimizers."""
        if self._task.saved and self._change.keeps_optimizer:
            for optimizer, state in zip(trainer.optimizers, self._task.saved["optimizer_states"], strict=True):
                optimizer.load_state_dict(copy.deepcopy(state))  # it would train on in what is given
            schedulers = self._task.saved.get("lr_schedulers", [])
            for config, state in zip(trainer.lr_scheduler_configs, schedulers, strict=True):
                config.scheduler.load_state_dict(state)
        if self._network is not None:
            check_trains(trainer, self._network)
        self._code.append(change_optimizer(trainer, self._change.of_optimizer))
        if "optimizer" in self._change.settings:
            trainer.optimizers[0].register_step_post_hook(self._note_step)
        self._steps.begin(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Take the first look, after the module's own hooks of the start, if the module can be asked before a batch."""
        if self._began:
            return
        self._task.looks.begin(pl_module)
        self._began = time.perf_counter()
        try:
            if not is_lazy(pl_module):
                self._look(trainer, pl_module, 0)
        except Exception as error:
            if not is_unfinished(error, pl_module, self._task.probe.predict):
                raise
        self._called = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Look, if a look is due; end the training where nothing more is to be seen."""
        if self._network is not None and not self._called:
            raise CannotChangeError("the module's training step does not call the network in the place found for it")
        self._batches += 1
        step = self._step(trainer)
        if step >= self._next:
            self._look(trainer, pl_module, step)
        if step >= self._task.steps:
            trainer.should_stop = True

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look once more where the training has got further."""
        step = self._step(trainer)
        if not self._seen or step > self._seen[-1][0]:
            self._look(trainer, pl_module, step)
        if "optimizer" in self._change.settings and not self._stepped:
            raise CannotChangeError("the module steps an optimizer that it keeps itself")

    def _step(self, trainer: pl.Trainer) -> int:
        """Steps so far; batches where the module steps what Lightning does not know of."""
        known = evaluations(trainer) or self._steps.follow(trainer)
        return known or (0 if trainer.lightning_module.automatic_optimization else self._batches)

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
        if not self._seen:
            raise RuntimeError("nothing was trained: no batches, or fit= has made no Trainer with the options it got")
        taken, _, fitted, error = self._seen[-1]
        steps, seconds = self._reached[:2] if self._reached else (math.inf, math.inf)
        code = "\n".join(filter(None, self._code))
        why = "" if math.isfinite(error) else f"diverged by step {taken:,}"
        return Outcome(steps, seconds, fitted, error, taken, code, why, self._anew)
