"""Where the hooks of a training become looks: the watch that callbacks on one probe share."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]

from lightning_seqfit.probe import Observation, Probe
from lightning_seqfit.watch.archive import log_directory
from lightning_seqfit.watch.cost import Cost
from lightning_seqfit.watch.failures import Failures
from lightning_seqfit.watch.identity import describe, differences
from lightning_seqfit.watch.keeping import Keeping
from lightning_seqfit.watch.lightning_internals import (
    Steps,
    broadcast,
    evaluates,
    on_the_ranks_that_evaluate,
    steps_in_all,
)
from lightning_seqfit.watch.losses import Losses
from lightning_seqfit.watch.measuring import Measuring, doubtful
from lightning_seqfit.watch.readiness import is_lazy, is_unfinished
from lightning_seqfit.watch.schedule import Cadence, Schedule
from lightning_seqfit.watch.state import State, read_state
from lightning_seqfit.words import warn


class Phase(Enum):
    """Where a fit is, as far as looks are concerned."""

    IDLE = "no fit, or nothing more to see of it"
    WAITING = "for the first batch, before which the first look comes"
    RESUMING = "for the first batch of a fit that has been looked at before"
    RUNNING = "looks are taken"


class Watch:
    """One probe under watch over one or more fits of a module: it brings together what does the work."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.failures = Failures(f"probe {probe.name!r}" if probe.name else "the probe")
        self.measuring = Measuring(probe, self.failures)
        self.keeping = Keeping(self.measuring, self.failures)
        self.schedule = Schedule([], -1, self.failures)
        self.steps, self.cost, self.losses = Steps(), Cost(), Losses(self.failures)
        self.state = State()
        self.phase = Phase.IDLE
        self.module: weakref.ref[Any] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """What a spawned process gets: everything but the module."""
        return {**self.__dict__, "module": None}

    @property
    def waiting(self) -> bool:
        """Whether the first batch has not come."""
        return self.phase in (Phase.WAITING, Phase.RESUMING)

    def start(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        cadences: Sequence[Cadence],
        restored: Mapping[str, Any] | None,
    ) -> None:
        """Begin a fit: read the target, and go on from a restored state or an earlier fit."""
        self.failures.begin_fit()
        goes_on = restored is not None and self.restore(module, restored)
        if goes_on:
            # a fit that ended where the checkpoint was saved has seen nothing more, though it took a last look
            self.keeping.archive.restored = max(self.keeping.archive.restored, trainer.global_step + self.state.offset)
        elif restored is None and self.module is not None and self.module() is module and self.state.last_step >= 0:
            self.state.fit += 1
            self.state.offset += max(self.state.last_step - trainer.global_step, 0)
        elif restored is None:
            self._begin_anew()
        self.module = weakref.ref(module)
        base = broadcast(trainer, "" if trainer.fast_dev_run else log_directory(trainer))  # type: ignore[attr-defined]
        self.keeping.open(trainer, module, base)
        changed = on_the_ranks_that_evaluate(trainer, lambda: self._set_scene(module))
        if broadcast(trainer, changed):
            goes_on = False
            if not evaluates(trainer):
                self._begin_anew()
        self.schedule = Schedule(cadences, self.state.last_step, self.failures)
        self.phase = Phase.RESUMING if goes_on else Phase.WAITING
        if goes_on:  # what monitors ask for must be there before the next look
            self.keeping.publisher.announce(trainer, self.state.scalars(known=True))

    def _set_scene(self, module: pl.LightningModule) -> bool:
        """Read the target; begin anew where the record so far is of another probe, and say whether it is."""
        scene = self.measuring.read_target(module)
        now = describe(self.probe, scene, self.measuring.diagnostics.values())
        try:
            changes = differences(self.state.described, now) if self.state.described else []
        except Exception as error:
            changes = [f"what the checkpoint says of it is damaged ({type(error).__name__}: {error})"]
        if changes:
            self._begin_anew(f"it was of another probe: {'; '.join(changes)}; give that one to go on with it")
        self.state.described = now
        record = self.state.record
        self.measuring.recorded = {name: record[name].shape[1:] for name in record.names if record[name].ndim > 1}
        self.measuring.begin()
        return bool(changes)

    def _begin_anew(self, why: str = "") -> None:
        self.state = State()
        self.failures.begin_anew()
        self.keeping.archive.begin_anew()
        self.measuring.load_states({})
        if why and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            warn(f"the record of {self.failures.label} begins anew and does not go on with the one before: {why}")

    def restore(self, module: pl.LightningModule, saved: Any) -> bool:
        """Become what a checkpoint has kept of a module, or begin anew and say why."""
        self.module = weakref.ref(module)
        try:
            kept = read_state(saved)
            self.measuring.load_states(kept.diagnostics)
        except Exception as error:
            self._begin_anew(f"its state in the checkpoint cannot be read: {error}; save a checkpoint anew")
            return False
        self.state = kept.state
        self.failures.begin_anew(kept.notes)
        self.keeping.archive.go_on(kept.lineage, self.state.total)
        return True

    def begin(
        self, trainer: pl.Trainer, module: pl.LightningModule, *, early: bool = False, late: bool = False
    ) -> None:
        """Check the module, and take the first look.

        ``early``: a module that is not finished is asked again before the first batch. ``late``: after it, when nothing
        may raise.
        """
        ready, observation = not is_lazy(module), None
        if ready and not late:
            observation = on_the_ranks_that_evaluate(trainer, lambda: self._first_evaluation(trainer, module))
            ready = broadcast(trainer, observation is not None)
        if early and not ready:
            return
        looks = self.phase is Phase.WAITING and not late and ready
        self.phase, self.cost, self.losses = Phase.RUNNING, Cost(), Losses(self.failures)
        step = self.steps.begin(trainer, module)
        self.keeping.gallery.begin(step, steps_in_all(trainer))
        self.keeping.archive.write_at_exit(trainer, weakref.WeakMethod(self._write))
        if looks:
            self._look(trainer, module, step, observation)
        self.schedule.looked(self.state.last_step)

    def _first_evaluation(self, trainer: pl.Trainer, module: pl.LightningModule) -> Observation | None:
        """Observe the module; None where its first batch has yet to make what its forward pass needs."""
        try:
            return self.measuring.check(trainer, module)
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
        self, trainer: pl.Trainer, module: pl.LightningModule, step: int, observation: Observation | None = None
    ) -> None:
        with self.cost.of_a_look():
            self.failures.step = step
            scalars: dict[str, float] = {}
            if evaluates(trainer) and "looking" not in self.failures:
                try:
                    scalars = self._measure(trainer, module, step, observation)
                except Exception as error:  # nothing of ours ends a training
                    self.failures.switch_off("looking", error)
            self.state.last_step = step
            self.keeping.publisher.publish(trainer, broadcast(trainer, scalars), self.steps.logged)
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            self.phase = Phase.IDLE
        elif trainer.is_global_zero and self.keeping.archive.base is not None:
            with self.cost.of_files():
                self.keeping.now_and_then(trainer, self.state, self.steps.logged, self.cost.elapsed)

    def _measure(
        self, trainer: pl.Trainer, module: pl.LightningModule, step: int, observation: Observation | None
    ) -> dict[str, float]:
        """Scalars of one look by short tag; takes the look into the record."""
        seen = observation or self.measuring.look(trainer, module, step)
        if seen is None:
            return {}
        look = self.measuring.read(seen, self.state.scale, step, step + self.state.offset)
        look.scalars |= self.losses.scalars(trainer, module) | self.cost.scalars()
        self.state.take(look, step, self.steps.logged, self.probe.geometry)
        self.keeping.archive.unwritten = self.keeping.archive.base is not None
        return look.scalars

    def checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, Any] | None:
        """Take a look that is due, write the record, and return the state to save; None where nothing was seen."""
        if self.phase is Phase.RUNNING:
            self._look_if_due(trainer, module)
            if trainer.is_global_zero and self.keeping.archive.unwritten:
                self._write()
        if self.state.last_step < 0:
            return None
        kept = self.measuring.states() if evaluates(trainer) else {}
        return self.state.as_dict(kept, self.failures.notes(), self.keeping.archive.lineage)

    def finish(self, trainer: pl.Trainer, module: pl.LightningModule, *, look: bool) -> None:
        """End the fit once, whichever hook comes first."""
        if self.phase is not Phase.RUNNING:
            if self.keeping.archive.waits and trainer.is_global_zero:  # an interrupt came, or the disk was full
                self._write()
            return
        if look and self.steps.follow(trainer) > self.state.last_step:
            self._look(trainer, module, self.steps.optimizer)
        if look:
            error = self.state.scalars().get("error/relative_rmse", 0.0)
            doubts = doubtful(error, self.failures.notes()) and "prediction" in self.state.latest
            if broadcast(trainer, doubts) and evaluates(trainer):
                self.measuring.doubt_points(trainer, module, self.state.latest["prediction"])
        self.phase = Phase.IDLE
        if trainer.is_global_zero and self.keeping.archive.base is not None and len(self.state.record):
            self.keeping.end(trainer, self.state, self.steps.logged, finished=look and not trainer.interrupted)

    def _write(self) -> None:
        self.keeping.write(self.state)
