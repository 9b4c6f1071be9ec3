"""The loss of the training and its terms: what the batches returned, summed where it lies until a look reads it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from lightning_seqfit.adapters import logged_terms
from lightning_seqfit.watch.failures import Failures
from lightning_seqfit.watch.lightning_internals import logged_in_training

#: Terms that are recorded of one training, at the most.
MOST_TERMS = 32

_PART = "training loss"
_NUMBERS = (int, float, np.floating, np.integer)
_TOTAL = {"loss", "train", "training", "total", "step"}
_NOT_TRAINED = {"val", "valid", "validation", "test"}


class Losses:
    """Means of the training's loss and of its terms over the batches since the look before, in one fit.

    The loss is what ``training_step`` returned; the terms are the further numbers of a dict that it returned: each is
    summed on its own device, and nothing is waited for until a look. What it does not return is read from what it
    logs: the conditions of PINA and TorchPhysics, else all that has "loss" in its name. That is the value at the look
    and no mean: of the last step, or of the epoch so far where Lightning keeps nothing else.

    In DDP they are of rank zero's own batches: nothing is gathered.

    Parameters
    ----------
    failures : of each output that is watched, told of what fails, and of what is absent.
    """

    def __init__(self, *failures: Failures) -> None:
        self._failures, self._all = failures[0], failures
        self._sums: dict[Any, _Sum] = {}
        self._tags: dict[Any, str] = {"loss": "training/loss"}
        self._batches, self._returned = 0, False

    def kept(self) -> dict[str, list[float]]:
        """Sums since the look before, for a checkpoint: that on the device, that of numbers, and how many batches."""
        sums = {name: each for name, each in self._sums.items() if type(name) is str}
        try:
            totals = {} if _PART in self._failures else _totals(sums)
        except Exception as error:
            self._switch_off(error)
            return {}
        return {name: [total, sums[name].on_host, sums[name].number] for name, total in totals.items()}

    def go_on(self, kept: Mapping[str, list[float]]) -> None:
        """Go on with what a checkpoint has kept."""
        for name, (on_device, on_host, number) in kept.items():
            begun = self._sums[name] = self._begun(name)
            begun.before, begun.on_host, begun.number = on_device, on_host, int(number)
        self._batches = len(kept)

    def take(self, outputs: Any, accumulated: int = 1) -> None:
        """Take what a batch returned.

        Parameters
        ----------
        outputs : as ``on_train_batch_end`` of a callback gets it.
        accumulated : batches of one optimizer step, by whose number Lightning has divided the loss.
        """
        if _PART in self._failures:
            return
        self._batches += 1
        try:
            if isinstance(outputs, Tensor):
                outputs = {"loss": outputs}
            elif not isinstance(outputs, Mapping):
                return
            for name, value in outputs.items():
                if isinstance(value, Tensor):
                    if (not value.ndim or (name == "loss" and value.numel() == 1)) and not value.is_complex():
                        term = self._sums.get(name) or self._begun(name)
                        term.add(value, accumulated if name == "loss" else 1)
                elif isinstance(value, _NUMBERS) and not isinstance(value, bool):
                    (self._sums.get(name) or self._begun(name)).add_number(float(value))
        except Exception as error:  # nothing of ours ends a training
            self._switch_off(error)

    def _note(self, part: str, reason: str) -> None:
        for each in self._all:
            each.note(part, reason)

    def _switch_off(self, error: Exception) -> None:
        for number, each in enumerate(self._all):  # said once, and noted in every record
            each.switch_off(_PART, error, silent=number > 0)

    def _begun(self, name: Any) -> _Sum:
        """A sum that begins; nobody will read it where there are too many."""
        begun = _Sum()
        if self._has_tag(name):
            self._sums[name] = begun
        return begun

    def _has_tag(self, name: Any) -> bool:
        """Give a term a tag that no other has, unless there are too many."""
        if name not in self._tags and len(self._tags) > MOST_TERMS:
            self._note("further terms of training/loss", f"only the first {MOST_TERMS} are recorded")
            return False
        if name not in self._tags:
            tag = of_name = f"training/loss/{readable(str(name))}"
            while tag in self._tags.values():
                tag = f"{of_name}_{len(self._tags)}"
            self._tags[name] = tag
        return True

    def scalars(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """What there is at a look, by tag; the means begin anew."""
        if _PART in self._failures:
            return {}
        try:
            return {**self._losses(trainer, module), **_learning_rate(trainer)}
        except Exception as error:
            self._switch_off(error)
            return {}

    def _losses(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        sums, self._sums = self._sums, {}
        if not self._batches:
            return {}
        self._returned = self._returned or "loss" in sums
        if "loss" not in sums or len(sums) == 1:
            total, terms = _of_logged(logged_in_training(trainer), logged_terms(module))
            if terms and sums.keys() <= {"loss"}:
                self._note("terms of training/loss", "what was logged at the step of each look, no mean")
                sums = {**sums, **{name: term for name, term in terms.items() if self._has_tag(name)}}
            if total is not None:
                sums.setdefault("loss", total)
        if "loss" not in sums and not self._returned:
            why = "training_step returned none, and logged none under such a name"
            self._note("training/loss is absent", why)
        means = {self._tags[name]: mean for name, mean in _means(sums).items()}
        bad = ", ".join(tag for tag, mean in means.items() if not math.isfinite(mean))
        if bad:
            self._note("not finite", f"{bad} at step {self._failures.step}")
        return means


class _Sum:
    """What one name was in several batches, without their graphs."""

    __slots__ = ("before", "number", "on_device", "on_host")

    def __init__(self) -> None:
        self.before = 0.0  # what was on the device when a checkpoint was saved
        self.on_device: Tensor | None = None
        self.on_host = 0.0
        self.number = 0

    def add(self, value: Tensor, times: int = 1) -> None:
        if value.is_cpu:  # where it is on the host already, a sum there takes a third of the time
            self.add_number(value.item() * times)
            return
        if value.requires_grad:
            value = value.detach()
        if type(value) is not Tensor:
            value = value.as_subclass(Tensor)
        if self.on_device is None:
            wide = torch.float64 if value.device.type in ("cpu", "cuda") else torch.float32
            self.on_device = torch.full((), self.before, dtype=wide, device=value.device)
        self.on_device.add_(value.reshape(()) if value.ndim else value, alpha=times)
        self.number += 1

    def add_number(self, value: float) -> None:
        self.on_host += value
        self.number += 1


def _means(sums: Mapping[str, _Sum]) -> dict[str, float]:
    """Mean of each."""
    return {name: (sums[name].on_host + total) / sums[name].number for name, total in _totals(sums).items()}


def _totals(sums: Mapping[str, _Sum]) -> dict[str, float]:
    """What is on the device of each, brought to the host in one transfer."""
    on_device = [each.on_device for each in sums.values() if each.on_device is not None]
    totals = iter(torch.stack([each.to(on_device[0]) for each in on_device]).tolist() if on_device else ())
    return {name: each.before if each.on_device is None else next(totals) for name, each in sums.items()}


def _of_logged(logged: Mapping[str, Tensor], known: Mapping[str, str] | None) -> tuple[_Sum | None, dict[str, _Sum]]:
    """The loss and its terms among what a module has logged in training, each as if it had come once.

    Parameters
    ----------
    logged : single numbers, by name.
    known : names of terms by the names under which they are logged; None: whatever is called a loss.
    """
    total, terms = None, {}
    for name, value in logged.items():
        words = set(re.split(r"[\W_]+", name.lower())) - {""}
        if known is not None and name in known:
            terms["loss_" if known[name] == "loss" else known[name]] = once = _Sum()  # it is a term, not the whole
        elif "loss" in words and words <= _TOTAL:
            total = once = _Sum()
        elif known is None and "loss" in name.lower() and not words & _NOT_TRAINED:
            terms[name] = once = _Sum()
        else:
            continue
        once.add(value)
    return total, terms


def readable(name: str) -> str:
    """Return a name that can stand in a tag, as near to what was given as can be.

    Examples
    --------
    >>> [readable(name) for name in ("pde", "pde/inner loss", "|u - g|^2", "../bc", "")]
    ['pde', 'pde/inner_loss', 'u_-_g_2', 'bc', 'term']
    """
    parts = (part.strip("_.") for part in re.sub(r"[^\w.\-/]+", "_", name).split("/"))
    return "/".join(filter(None, parts))[:80].rstrip("/") or "term"


def _learning_rate(trainer: pl.Trainer) -> dict[str, float]:
    """The largest of the first optimizer; empty: it has none."""
    groups = getattr(next(iter(trainer.optimizers), None), "param_groups", ())
    rates = [float(group["lr"]) for group in groups if "lr" in group]
    return {"training/learning_rate": max(rates)} if rates else {}
