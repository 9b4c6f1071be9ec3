"""Where the hooks of a training become looks: the watch that callbacks on one probe share."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl

from lightning_seqfit.diagnostics import Diagnostic, Reading
from lightning_seqfit.probe import Observation, Probe
from lightning_seqfit.watch.architecture import describe_network
from lightning_seqfit.watch.archive import log_directory
from lightning_seqfit.watch.column import Column
from lightning_seqfit.watch.cost import Cost
from lightning_seqfit.watch.evaluation import Evaluation
from lightning_seqfit.watch.lightning_internals import (
    Steps,
    broadcast,
    evaluates,
    on_the_ranks_that_evaluate,
    steps_in_all,
)
from lightning_seqfit.watch.losses import Losses
from lightning_seqfit.watch.readiness import is_lazy, is_unfinished
from lightning_seqfit.watch.schedule import Cadence, Phase, Schedule
from lightning_seqfit.watch.settings import hyperparameters, settings
from lightning_seqfit.watch.verdicts import Verdicts, stop
from lightning_seqfit.watch.weights import Weights, is_adaptive
from lightning_seqfit.words import warn


class Watch:
    """One probe under watch over one or more fits of a module: when to look, and one evaluation for all columns."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.columns = [Column(one) for one in probe.split()]
        for column in self.columns:
            column.family = self.columns
        self.failures = self.columns[0].failures  # of what is of no column alone
        self.evaluation, self.verdicts = Evaluation(probe, self.columns), Verdicts(self.columns)
        self.schedule = Schedule([], -1, self.failures)
        self.steps, self.cost, self.losses, self.weights = Steps(), Cost(), self._no_losses(), Weights()
        self.phase = Phase.IDLE
        self.module: weakref.ref[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a spawned process gets: everything but the module."""
        return {**self.__dict__, "module": None}

    @property
    def waiting(self) -> bool:
        """Whether the first batch has not come."""
        return self.phase in (Phase.WAITING, Phase.RESUMING)

    @property
    def last_step(self) -> int:
        """Step of the last look; -1: none was taken."""
        return max(column.state.last_step for column in self.columns)

    def set_diagnostics(self, diagnostics: Mapping[str, Diagnostic]) -> None:
        """Watch with these, by name."""
        for column in self.columns:
            column.set_diagnostics(diagnostics)

    def start(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        cadences: Sequence[Cadence],
        restored: Mapping[str, Any] | None,
    ) -> None:
        """Begin a fit: read the target, and go on from a restored state or an earlier fit."""
        known = self.module is not None and self.module() is module
        for column in self.columns:
            column.start(trainer.global_step, column.own_of(restored), known=known)
        self.module = weakref.ref(module)
        base = broadcast(trainer, "" if trainer.fast_dev_run else log_directory(trainer))  # type: ignore[attr-defined]
        for column in self.columns:
            column.keeping.open(trainer, module, base)
        changed = on_the_ranks_that_evaluate(trainer, lambda: self._set_scenes(module))
        for column, other in zip(self.columns, broadcast(trainer, changed), strict=True):
            column.goes_on = column.goes_on and not other
            if other and not evaluates(trainer):
                column.begin_anew()
        self.schedule = Schedule(cadences, self.last_step, self.failures)
        self.phase = Phase.RESUMING if all(column.goes_on for column in self.columns) else Phase.WAITING
        for column in self.columns:
            if column.goes_on:  # what monitors ask for must be there before the next look
                column.keeping.publisher.announce(trainer, column.state.scalars(known=True))

    def _set_scenes(self, module: pl.LightningModule) -> list[bool]:
        """Read the target of each column; whether its record so far is of another probe."""
        self.probe.settle(module)
        changed = [column.set_scene(module) for column in self.columns]
        for note in self.columns[0].probe.notes:  # the points are the same for all
            warn(f"{self.failures.label}: {note}")
        self.evaluation.begin()
        return changed

    def restore(self, module: pl.LightningModule, saved: Any) -> None:
        """Become what a checkpoint has kept of a module, or begin anew and say why."""
        self.module = weakref.ref(module)
        for column in self.columns:
            column.restore(column.own_of(saved))

    def _no_losses(self) -> Losses:
        return Losses(*(column.failures for column in self.columns))

    def begin(
        self, trainer: pl.Trainer, module: pl.LightningModule, *, early: bool = False, late: bool = False
    ) -> None:
        """Check the module, and take the first look.

        ``early``: one that is not finished is asked again before the first batch; ``late``: after it nothing may raise.
        """
        ready, seen = not is_lazy(module), None
        if ready and not late:
            seen = on_the_ranks_that_evaluate(trainer, lambda: self._first_evaluation(trainer, module))
            ready = broadcast(trainer, seen is not None)
        if early and not ready:
            return
        looks = self.phase is Phase.WAITING and not late and ready
        self.cost, self.losses, self.weights = Cost(), self._no_losses(), Weights()
        if going_on := [column for column in self.columns if column.goes_on]:  # others may have joined
            self.losses.go_on(going_on[0].state.losses)
            self.weights.go_on(going_on[0].state.weights)
        self.phase = Phase.RUNNING
        self.verdicts.begin()
        step = self.steps.begin(trainer, module)
        diagnostics = self.columns[0].measuring.diagnostics.values()
        described = {
            "network": describe_network(module, trainer.optimizers),
            "hyperparameters": hyperparameters(trainer, module),
            "settings": settings(trainer, self.probe, diagnostics, self.schedule.cadences, self.verdicts.stop_on),
        }
        for column in self.columns:
            column.keeping.described = described
            column.keeping.gallery.begin(step, steps_in_all(trainer))
            column.keeping.archive.write_at_exit(trainer, weakref.WeakMethod(column.write))
        if looks:
            self._look(trainer, module, step, seen)
        self.schedule.looked(self.last_step)

    def _first_evaluation(self, trainer: pl.Trainer, module: pl.LightningModule) -> Sequence[Observation] | None:
        """Observe the module; None where its first batch has yet to make what its forward pass needs."""
        try:
            return self.evaluation.check(trainer, module)
        except Exception as error:
            if is_unfinished(error, module, self.probe.predict):
                return None
            raise

    def after_batch(self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any) -> None:
        """Take what a batch returned, and look if a look is due; where none is, that is next to nothing."""
        if self.waiting:
            self.begin(trainer, module, late=True)  # the hook before the first batch was not passed on
        if self.phase is Phase.RUNNING:
            self.losses.take(outputs, trainer.accumulate_grad_batches)
            self._look_if_due(trainer, module)

    def _look_if_due(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        step = self.steps.follow(trainer)
        if step >= self.schedule.next_step and self.schedule.due(step):
            self._look(trainer, module, step)
            self.schedule.looked(step)

    def _look(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        step: int,
        seen: Sequence[Observation] | None = None,
        *,
        goes_on: bool = True,
    ) -> None:
        # one that goes on has been looked at where the fit begins
        looking = [column for column in self.columns if not (column.goes_on and column.state.last_step == step)]
        for column in self.columns:
            column.failures.step = step
        with self.cost.of_a_look():
            scalars: list[dict[str, float]] = [{} for _ in looking]
            if evaluates(trainer):
                seen = self.evaluation.look(trainer, module, step) if seen is None else seen
                more = self._of_training(trainer, module, step) if seen else Reading()
                for column, each in zip(self.columns, seen, strict=False):
                    if column in looking:
                        scalars[looking.index(column)] = column.take(each, more, step, self.steps.logged)
            scalars, ends = broadcast(trainer, (scalars, self.verdicts.reason_to_stop()))
            for column, found in zip(looking, scalars, strict=True):
                column.state.last_step = step
                column.keeping.publisher.publish(trainer, found, self.steps.logged)
            self.verdicts.say(trainer, self.steps.logged)
        if ends and goes_on:
            stop(trainer, self.failures.label, ends, step)
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            self.phase = Phase.IDLE
            return
        for column in self.columns:
            column.keep(trainer, self.cost, self.steps.logged)

    def _of_training(self, trainer: pl.Trainer, module: pl.LightningModule, step: int) -> Reading:
        scalars = self.losses.scalars(trainer, module) | self.cost.scalars()
        asked = any(column.measuring.stall is not None for column in self.columns)
        optimizers = trainer.optimizers if asked else []
        return Reading(scalars, kept={**self.weights.update(optimizers, step), **is_adaptive(optimizers)})

    def checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, Any] | None:
        """Take a look that is due, write the records, and return the state to save; None where nothing was seen."""
        if self.phase is Phase.RUNNING:
            self._look_if_due(trainer, module)
            for column in self.columns:
                column.write_if(trainer, column.keeping.archive.unwritten)
        if self.last_step < 0:
            return None
        for column in self.columns:
            column.state.losses, column.state.weights = self.losses.kept(), self.weights.kept()
        kept = {str(each.probe.output): each.as_dict(evaluates=evaluates(trainer)) for each in self.columns}
        return {"columns": kept} if isinstance(self.probe.output, tuple) else next(iter(kept.values()))

    def finish(self, trainer: pl.Trainer, module: pl.LightningModule, *, look: bool) -> None:
        """End the fit once, whichever hook comes first."""
        if self.phase is not Phase.RUNNING:
            for column in self.columns:  # an interrupt came meanwhile, or the disk was full
                column.write_if(trainer, column.keeping.archive.waits)
            return
        if look and self.steps.follow(trainer) > self.last_step:
            self._look(trainer, module, self.steps.optimizer, goes_on=False)
        if look:
            doubts = broadcast(trainer, [column.doubts() for column in self.columns])
            for column, doubted in zip(self.columns, doubts, strict=True):
                if doubted and evaluates(trainer):
                    column.measuring.doubt_points(trainer, module, column.state.predictions)
        self.phase = Phase.IDLE
        for column in self.columns:
            column.end(trainer, self.steps.logged, finished=look and not trainer.interrupted)
