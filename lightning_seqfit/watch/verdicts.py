"""What is said when the verdict on a fit changes, and whether that ends the training."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Sequence
from typing import Any

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_info  # type: ignore[attr-defined]

from lightning_seqfit.diagnosis import STALLED, Diagnosis, Verdict, words
from lightning_seqfit.diagnosis.verdict import DONE
from lightning_seqfit.diagnostics import StallDiagnostic
from lightning_seqfit.watch.column import Column
from lightning_seqfit.watch.equation import has_derivatives
from lightning_seqfit.watch.lightning_internals import steps_in_all
from lightning_seqfit.watch.overview import VERDICT_CHANGE

#: Lines on the console in one fit of a probe, at the most.
MOST_LINES = 10
#: Losses of one fit that are looked at, at the most.
MOST_LOSSES = 8

log = logging.getLogger(__name__)

_TROUBLE = STALLED | {Verdict.DIVERGED}


class Verdicts:
    """What is found of the outputs of one probe.

    Parameters
    ----------
    columns : what is watched there, under a name each.

    Attributes
    ----------
    stop_on : words of the verdicts that end a training.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self.stop_on: Collection[str] = ()
        self._lines = self._losses = 0
        self._said: list[Verdict] = []
        self._forecast: set[int] = set()  # columns of which a forecast was said

    @property
    def _stalls(self) -> list[StallDiagnostic]:
        return [stall for column in self._columns if (stall := column.measuring.stall) is not None]

    @property
    def of_residual(self) -> bool:
        """Whether one of the targets is 0 everywhere."""
        scenes = [column.measuring.scene for column in self._columns]
        return any(scene is not None and not np.any(scene.target) for scene in scenes)

    def set_beside(self, residual: bool) -> None:
        """Say whether another probe watches a residual in the same trainer."""
        for stall in self._stalls:
            stall.beside = residual

    def look_at_loss(self, module: pl.LightningModule, loss: Any) -> bool:
        """Look whether one of a training's first losses is an equation's; return whether enough were looked at.

        Who optimises by hand may go backward through each term by itself.
        """
        most = 1 if module.automatic_optimization else MOST_LOSSES
        if self._losses < most:
            self._losses += 1
            try:
                equation = has_derivatives(loss, list(module.parameters()))
                for stall in self._stalls:
                    stall.equation = equation or (self._losses > 1 and stall.equation is True)
            except Exception as error:  # it stays unknown
                log.debug("the loss cannot be looked at", exc_info=error)
        return self._losses >= most

    def begin(self) -> None:
        """Begin a fit: what a restored record has said is not said again."""
        self._lines = self._losses = 0
        self._forecast = {number for number, column in enumerate(self._columns) if _has_forecast(column)}
        self._said = [self._verdict(column) or Verdict.UNDECIDED for column in self._columns]

    def _verdict(self, column: Column) -> Verdict | None:
        stall = column.measuring.stall
        return None if stall is None else stall.course.verdict

    def diagnoses(self) -> dict[str, Diagnosis]:
        """Everything there is to say of the latest look, by the name of each output; those without a verdict lack."""
        found = {column.probe.name or "probe": column.measuring.stall for column in self._columns}
        said = {name: stall.diagnosis() for name, stall in found.items() if stall is not None}
        return {name: diagnosis for name, diagnosis in said.items() if diagnosis is not None}

    def say(self, trainer: pl.Trainer, logger_step: int) -> None:
        """Say a verdict that has changed, and the first forecast, on the process that judges and writes."""
        for number, column in enumerate(self._columns if trainer.is_global_zero else ()):
            verdict, part = self._verdict(column), "stall/verdict"
            stall = column.measuring.stall
            coming = stall is not None and stall.coming is not None and math.isfinite(stall.coming.step)
            first = coming and number not in self._forecast
            if verdict is None or part in column.failures or not (first or verdict is not self._said[number]):
                continue
            changed, self._said[number] = verdict is not self._said[number], verdict
            self._forecast |= {number} if coming else set()
            try:
                self._say(trainer, column, logger_step, changed)
            except Exception as error:  # nothing of ours ends a training
                column.failures.switch_off(part, error)

    def _say(self, trainer: pl.Trainer, column: Column, logger_step: int, changed: bool) -> None:
        diagnosis, scalars = column.keeping.write_verdict(trainer, logger_step), column.state.scalars()
        if diagnosis is None:
            return
        if changed:
            loss = scalars.get("training/loss", math.nan)
            to = diagnosis.verdict.value.replace(" ", "_")
            column.keeping.publisher.mark(trainer, VERDICT_CHANGE + to, loss, logger_step)
        self._lines += 1
        if self._lines > MOST_LINES:
            return
        column.keeping.sum_up(trainer, column.state, logger_step)
        last = steps_in_all(trainer) + column.state.offset
        counted = scalars.get("oscillations/fitted", math.nan), scalars.get("oscillations/target", math.nan)
        name = f"{column.probe.name}: " if column.probe.name else ""
        more = "; further changes are in the record only" if self._lines == MOST_LINES else ""
        line = words.line(diagnosis, int(last) if math.isfinite(last) else None, counted)
        rank_zero_info(f"seqfit: {name}step {diagnosis.step:,}: {line}{more}")

    def reason_to_stop(self) -> str:
        """The verdict that ends the training; empty: it goes on.

        One that says that something is wrong with one output does; one that does not, where all outputs have such.
        """
        if not self.stop_on:
            return ""
        found = [self._verdict(column) for column in self._columns]
        asked = [each for each in found if each is not None and each.value in self.stop_on]
        wrong = [each for each in asked if each in _TROUBLE]
        ends = wrong or (asked if len(asked) == len(found) else [])
        return ends[0].value if ends else ""


def _has_forecast(column: Column) -> bool:
    record, name = column.state.record, "scalar/stall/forecast_step"
    return name in record.names and bool(np.isfinite(record[name]).any())


def stop(trainer: pl.Trainer, label: str, verdict: str, step: int) -> None:
    """Have Lightning end a training, unless it is to go on to ``min_steps`` or ``min_epochs``; say why."""
    if not trainer.should_stop:
        rank_zero_info(
            f"seqfit: the training stops after step {step:,}: at {label} it is {verdict!r}, which stop_on names"
        )
    trainer.should_stop = True


def worst(diagnoses: Collection[Diagnosis]) -> Diagnosis | None:
    """The diagnosis of the output that is worst off: it diverged, stalls, gets on, is fitted; None: there is none."""
    order = (lambda one: one.verdict is Verdict.DIVERGED, lambda one: one.stalled, lambda one: one.verdict not in DONE)
    return max(diagnoses, key=lambda one: [holds(one) for holds in order], default=None)
