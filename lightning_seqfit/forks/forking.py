"""A module of the user's trained again with one change at a time, and the table of what came of each."""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm  # type: ignore[import-untyped]

from lightning_seqfit.forks.change import AS_IT_IS, CannotChangeError, Change, MakeModule, changes_of, read_changes
from lightning_seqfit.forks.training import Outcome, Task, UnusableError, fit_with_lightning, train
from lightning_seqfit.probe import Probe
from lightning_seqfit.probe.checks import checked_tolerance
from lightning_seqfit.trials import Attempt, Trial
from lightning_seqfit.trials.looks import Looks

#: Options of the Trainer that are the fork's own.
_OWN = (
    *("max_steps", "max_time", "min_steps", "min_epochs", "logger", "default_root_dir"),
    *("enable_checkpointing", "enable_progress_bar", "enable_model_summary", "strategy", "num_nodes"),
    *("fast_dev_run", "barebones"),
)


def fork(
    make_module: MakeModule,
    probe: Probe,
    changes: Any = None,
    *,
    steps: int = 1_000,
    seeds: int | Sequence[int] = 2,
    at: str = "",
    checkpoint: str | os.PathLike[str] | None = None,
    data: Any = None,
    trainer: Mapping[str, Any] | None = None,
    fit: Callable[..., Any] | None = None,
    tolerance: float = 0.25,
) -> Trial:
    """Train a module of your own again, as it is and with one change at a time, and say which change helps.

    Every training is of a new module, with your own loss and data; it ends after ``steps``, or as soon as 98 % of the
    target are fitted at two looks. The changes are made on that module alone, from outside. Nothing is logged, written
    or printed, and the global random number generators are afterwards where they were.

    Parameters
    ----------
    make_module : makes your LightningModule; called for every training, with the generators seeded.
    probe : where to look and what should be there; it needs a target.
    changes : a mapping as that of :class:`~lightning_seqfit.diagnosis.Advice`, or with ``activation`` (``"sine"``,
        ``"tanh"``, ``"relu"``, ...) and ``depth`` or ``features`` of another network; an ``Advice``; a ``Diagnosis``,
        for all of its advice; a function that makes the module with a change of your own; or a list of these. Default:
        a SIREN and Fourier features for the target's frequencies, inputs to [-1, 1], a tenth and ten times the learning
        rate.
    steps : of each training; of L-BFGS, evaluations of the gradient.
    seeds : how many, from 0 on, or which.
    at : name of the submodule that is the network, mapping points (N, d) to values (N, k). Default: the smallest that
        has all layers and sees the probe's points, scaled at the most.
    checkpoint : of Lightning; trainings go on from its weights, and where only a rate changes from its optimizer. What
        is another network than the one in it begins anew, which its row says.
    data : dataloaders or a datamodule, for a module without ``train_dataloader``.
    trainer : options of the ``Trainer`` that you train with, such as ``precision`` or ``gradient_clip_val``.
    fit : trains a module with a Trainer that has the options which it gets as keywords, where Lightning's own will not
        do: ``lambda solver, **options: pina.Trainer(solver, **options).train()``.
    tolerance : relative error at which a place is fitted, between 0 and 1.

    Returns
    -------
    Trial
        The table, the best first; ``str`` of it is to be read, ``.winner`` has the change and ``.code()`` how to make
        it. What cannot be changed from outside has a row that says why, and so has a training that raised.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used. What a training raises is said in its row.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> from lightning_seqfit.demos import TanhRegression
    >>> probe = Probe.grid([(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    >>> siren = {"network": "siren", "omega_0": 41.0, "learning_rate": 5e-4}
    >>> table = fork(TanhRegression, probe, [siren, {"data_weight": 100.0}], steps=200, seeds=1)
    >>> [(attempt.name, attempt.reached < 200) for attempt in table.attempts[:2]]
    [('SIREN, omega_0 = 41, learning rate 0.0005', True), ('as it is', False)]
    >>> table.attempts[2].why
    'cannot be changed from outside: the terms of the loss, in your own code'
    """
    if isinstance(make_module, nn.Module) or not callable(make_module):
        raise TypeError(
            f"make_module is {type(make_module).__name__}: give a function that makes a new module for every training, "
            "such as lambda: MyModule(width=50), or the class itself"
        )
    if not isinstance(probe, Probe):
        raise TypeError(f"probe is {type(probe).__name__}: make one with lightning_seqfit.Probe.grid(...)")
    if probe.target is None:
        raise ValueError("a fork compares fits of a target, and the probe has none: give it target=")
    if type(steps) is not int or steps < 1:
        raise ValueError(f"steps={steps!r}: give a whole number of at least 1")
    task = Task(
        make_module,
        probe,
        steps,
        Looks(probe, checked_tolerance(tolerance)),
        at,
        _saved(checkpoint),
        _fit(fit, data),
        _options(trainer or {}),
    )
    every_seed = _seeds(seeds)
    asked = read_changes(changes_of(probe.plan()) if changes is None else changes)
    bar = tqdm(total=len(asked) * len(every_seed), desc="forks", unit="", leave=False, disable=None)
    with bar:
        attempts = [_attempt(task, change, every_seed, bar) for change in asked]
    return Trial.of(attempts, _notes(task, attempts, len(every_seed)))


def _attempt(task: Task, change: Change, seeds: Sequence[int], bar: Any) -> Attempt:
    """Train with a change, once for every seed."""
    if change.why:
        bar.update(len(seeds))
        return Attempt(change.name, change.settings, why=change.why)
    outcomes: list[Outcome] = []
    for seed in seeds:
        bar.set_postfix_str(change.name)
        try:
            outcomes.append(train(task, change, seed))
        except CannotChangeError as error:
            return Attempt(change.name, change.settings, why=f"cannot be changed from outside: {error}")
        except Exception as error:
            if isinstance(error, UnusableError) and change.make_module is None:
                raise
            said = " ".join(f"{type(error).__name__}: {error}".split())
            return Attempt(change.name, change.settings, why=f"raised {said:.300}")
        finally:
            bar.update()
    first = outcomes[0]
    return Attempt(
        f"{change.name}, network anew" if first.anew else change.name,
        change.settings,
        tuple(each.steps for each in outcomes),
        tuple(each.seconds for each in outcomes),
        tuple(each.fitted for each in outcomes),
        tuple(each.error for each in outcomes),
        tuple(each.taken for each in outcomes),
        first.code,
        next((each.why for each in outcomes if each.why), ""),
    )


def _notes(task: Task, attempts: Sequence[Attempt], seeds: int) -> list[str]:
    begins = f"from step {task.saved.get('global_step', 0):,} of the checkpoint" if task.saved else "from the beginning"
    notes = [f"your own module, loss and data, {task.steps:,} steps each {begins}; seeds: {seeds}"]
    if any(each.change.get("optimizer") == "lbfgs" and each.steps for each in attempts):
        notes.append("of L-BFGS a step is an evaluation of the gradient")
    as_it_is = next(each for each in attempts if each.name == AS_IT_IS.name)
    if as_it_is.steps and math.isfinite(as_it_is.reached):
        notes.append("it is fitted as it is")
    return notes


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    numbers = list(range(seeds)) if type(seeds) is int else [] if isinstance(seeds, int) else list(seeds)
    if not numbers or not all(type(each) is int and each >= 0 for each in numbers):
        raise ValueError(f"seeds={seeds!r}: give how many, at least 1, or a list of whole numbers of at least 0")
    return numbers


def _saved(checkpoint: str | os.PathLike[str] | None) -> Mapping[str, Any]:
    if checkpoint is None:
        return {}
    try:
        saved: Any = torch.load(Path(checkpoint), map_location="cpu", weights_only=False)
    except Exception as error:
        raise ValueError(f"checkpoint={os.fspath(checkpoint)!r} cannot be read: {error}") from error
    if not (isinstance(saved, dict) and {"state_dict", "optimizer_states"} <= saved.keys()):
        raise ValueError(
            f"checkpoint={os.fspath(checkpoint)!r} has no state_dict and optimizer_states: give one that Lightning's "
            "ModelCheckpoint or Trainer.save_checkpoint has written, with its optimizer"
        )
    return saved


def _fit(fit: Callable[..., Any] | None, data: Any) -> Callable[..., Any]:
    """What trains a module with the options of a Trainer."""
    if fit is None:
        return functools.partial(fit_with_lightning, data=data)
    if not callable(fit):
        raise TypeError(
            f"fit is {type(fit).__name__}: give a function that trains, such as "
            "lambda solver, **options: pina.Trainer(solver, **options).train()"
        )
    if data is not None:
        raise ValueError("data= is what Lightning's own Trainer fits on: with fit=, let fit give it")
    return fit


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    if refused := [name for name in options if name in _OWN]:
        raise ValueError(
            f"trainer: {', '.join(refused)} is the fork's own; leave it out, and give steps= for the length"
        )
    if options.get("devices", 1) not in (1, "1"):
        raise ValueError(f"trainer: devices={options['devices']!r}: a fork trains on one device; leave it out")
    return dict(options)
