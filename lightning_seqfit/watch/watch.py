"""When to look, what to log, what to keep: the watch that callbacks on one probe share. No mathematics."""

from __future__ import annotations

import logging
import math
import signal
import time
import weakref
from collections.abc import Callable, Mapping
from multiprocessing import parent_process
from multiprocessing.util import Finalize
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_only  # type: ignore[attr-defined]

from lightning_seqfit import figures, loggers
from lightning_seqfit.adapters import counts_late
from lightning_seqfit.diagnostics.base import Diagnostic, Scene
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.scale import scale_of
from lightning_seqfit.probe import Observation, Probe
from lightning_seqfit.probe.guard import INCOMPLETE, leave_generators_untouched, one_blas_thread
from lightning_seqfit.record import Record, as_run
from lightning_seqfit.watch.archive import Archive, log_directory
from lightning_seqfit.watch.contents import FINE_CELLS, contents_of
from lightning_seqfit.watch.readiness import is_lazy, is_unfinished
from lightning_seqfit.watch.state import State, describe, differences, read_state
from lightning_seqfit.words import how_far, warn

Cadence = int | Callable[[int], bool]

#: Seconds between two writes of the record's file, at the most.
WRITE_SECONDS = 30.0
#: Figures of one tag in one run: TensorBoard keeps ten images.
MOST_FIGURES = 10
#: Share of the training time that figures may take before the last one.
FIGURE_SHARE = 0.01

#: An error below this share of the noise fits the noise: an estimate of it is right within a seventh.
BELOW_NOISE = 0.7

#: Optimizer steps between looks.
DEFAULT_CADENCE = 100
#: Relative RMS error at the end up to which nobody asks whether given values lie at other points.
SMALL_ERROR = 0.02
#: Evaluations in a row that fail before no other is tried.
MOST_FAILURES = 3

log = logging.getLogger(__name__)


def next_look(step: int, every_n_steps: int) -> int:
    """First step after ``step`` at which a look is due.

    1, 2, 3, 4, 6, 8, 11, ... (times 1.4) until the spacing is ``every_n_steps``, from then on its multiples.

    Examples
    --------
    >>> steps = [0]
    >>> while steps[-1] < 600:
    ...     steps.append(next_look(steps[-1], 100))
    >>> steps
    [0, 1, 2, 3, 4, 6, 8, 11, 15, 21, 29, 41, 57, 80, 112, 157, 220, 308, 400, 500, 600]
    """
    due = 1
    while due <= step:
        following = max(due + 1, round(1.4 * due))
        if following - due >= every_n_steps:
            return (step // every_n_steps + 1) * every_n_steps
        due = following
    return due


class Watch:
    """One probe under watch over one or more fits of a module."""

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.prefix = f"{probe.name}/" if probe.name else ""
        self.record = Record()
        self.diagnostics: dict[str, Diagnostic] = {}
        self.cadences: list[Cadence] = []
        self.scene: Scene | None = None
        self.scale = math.nan
        self.fit = 0
        self.offset = 0  # optimizer steps of earlier fits that global_step has forgotten
        self.last_step = -1
        self.next_step = 0
        self.current_step = self.logger_step = 0
        self.waiting = False  # for the first batch, before which the first look comes
        self.running = self.resumed = self.once = self.counts_late = False
        self.failures = 0  # evaluations in a row that failed
        self.off: dict[str, str] = {}  # what was switched off, and why
        self.module: weakref.ref[Any] | None = None
        self.noted: list[str] = []  # what was said of earlier fits
        self.described: dict[str, Any] = {}  # the probe that the record is of
        self.another = False
        self.archive = Archive(probe.name)
        self.looked = 0.0
        self.looks = 0
        self.started = 0.0
        self.drawn = 0
        self.next_figure = 0
        self.figure_seconds = 0.0
        self.one_figure_seconds = 0.3  # a guess at the first set; measured from then on
        self.latest: dict[str, FloatArray] = {}  # fields of the last look, at every point
        self.below_noise = False  # the error at the last look

    def __getstate__(self) -> dict[str, Any]:
        """What a spawned process gets: everything but the module."""
        return {**self.__dict__, "module": None}

    def start(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        cadences: list[Cadence],
        restored: Mapping[str, Any] | None,
    ) -> None:
        """Begin a fit: read the target, and go on from a restored state or an earlier fit."""
        self.cadences = list(cadences)
        self.noted, self.off = self._notes(), {}
        self.failures = 0
        self.once = bool(trainer.fast_dev_run)  # type: ignore[attr-defined]
        self.counts_late = counts_late(module)
        if restored is not None:
            restored = restored if self.restore(module, restored) else None
            # a fit that ended where the checkpoint was saved has seen nothing more, though it took a last look
            self.archive.restored = max(self.archive.restored, trainer.global_step + self.offset)
        elif self.module is not None and self.module() is module and self.last_step >= 0:
            self.fit += 1
            self.offset += max(self.last_step - trainer.global_step, 0)
        else:
            self._forget()
        self.module = weakref.ref(module)
        self._open_archive(trainer, module)
        self._on_the_ranks_that_evaluate(trainer, lambda: self._set_scene(module))
        if _broadcast(trainer, self.another):
            restored = None
            if not self._evaluates(trainer):
                self._forget()
        self.resumed, self.waiting, self.running = restored is not None, True, False
        if self.resumed:  # what monitors ask for must be there before the next look
            self._announce(trainer, self._last_scalars(known=True))

    def begin(
        self, trainer: pl.Trainer, module: pl.LightningModule, *, early: bool = False, late: bool = False
    ) -> None:
        """Check the module, and take the first look.

        ``early``: a module that is not finished is asked again before the first batch. ``late``: after it, when nothing
        may raise.
        """
        ready = not is_lazy(module)
        observation = None
        if ready and not late:
            observation = self._on_the_ranks_that_evaluate(trainer, lambda: self._first_evaluation(trainer, module))
            ready = _broadcast(trainer, observation is not None)
        if early and not ready:
            return
        self.waiting = False
        self.looked = 0.0
        self.looks = 0
        self.drawn = 0
        self.figure_seconds = 0.0
        self.running = True
        self.current_step, self.logger_step = trainer.global_step, _logger_step(trainer)
        self.started = time.perf_counter()
        if parent_process() is not None and trainer.is_global_zero:
            # in the workers of ddp_spawn, ddp_fork and ddp_notebook Lightning calls no on_exception
            Finalize(self, _write_what_is_left, (weakref.ref(self),), exitpriority=0)
        step = trainer.global_step
        self.next_figure = max(step, 1) * 2
        if not self.resumed and not late and ready:
            self._look(trainer, module, step, observation)
        self._schedule(self.last_step)

    def _forget(self) -> None:
        self.record, self.latest = Record(), {}
        self.fit, self.offset, self.last_step, self.scale = 0, 0, -1, math.nan
        self.noted, self.described = [], {}
        self.archive.begin_anew()
        for diagnostic in self.diagnostics.values():
            diagnostic.load_state_dict({})

    def _on_the_ranks_that_evaluate(self, trainer: pl.Trainer, do: Callable[[], Any]) -> Any:
        """Do what only some ranks do; every rank raises what they raise."""
        result, error = None, None
        if self._evaluates(trainer):
            try:
                result = do()
            except Exception as caught:
                error = caught
        problem = _broadcast(trainer, None if error is None else (type(error).__name__, str(error)))
        if error is not None:
            raise error
        if problem is not None:
            raise RuntimeError(f"on rank zero: {problem[0]}: {problem[1]}")
        return result

    def _set_scene(self, module: pl.LightningModule) -> None:
        with one_blas_thread:
            target, trend = self.probe.read_target(module)
            for note in self.probe.notes:
                warn(f"{self._label()}: {note}")
            geometry, noise = self.probe.geometry, self.probe.noise
            scale = scale_of(geometry, target, trend, noise=noise, given=self.probe.scale)
            self.scene = Scene(geometry, target, trend, noise, scale, self.probe.relative)
            with np.errstate(all="ignore"):
                self._compare()
                for diagnostic in self.diagnostics.values():
                    diagnostic.begin(self.scene)

    def _first_evaluation(self, trainer: pl.Trainer, module: pl.LightningModule) -> Observation | None:
        """Observe the module; None where its first batch has yet to make what its forward pass needs."""
        try:
            return self._observe(trainer, module)
        except Exception as error:
            if is_unfinished(error, module, self.probe.predict):
                return None
            raise

    def _observe(self, trainer: pl.Trainer, module: pl.LightningModule) -> Observation:
        """Evaluate the module once for all diagnostics, under the trainer's precision."""
        assert self.scene is not None
        asked = (d.read_out for d in self.diagnostics.values() if d.read_out is not None and d.name not in self.off)
        precision = trainer.precision_plugin.forward_context
        return self.probe.observe(module, self.scene.target, precision, next(asked, None))

    def _schedule(self, step: int) -> None:
        """First step at which one of the callbacks is due; a function is asked at every step."""
        self.next_step = min(step + 1 if callable(n) else next_look(step, n) for n in self.cadences)

    def _due(self, step: int) -> bool:
        if step < self.next_step or step <= self.last_step:
            return False
        if any([self._asks(step, number) for number in range(len(self.cadences))]):
            return True
        self.next_step = min(step + 1 if callable(n) else next_look(self.last_step, n) for n in self.cadences)
        return False

    def _asks(self, step: int, number: int) -> bool:
        """Whether one of the callbacks wants a look; a function that cannot say gives way to the default."""
        cadence = self.cadences[number]
        if callable(cadence):
            try:
                with leave_generators_untouched():
                    return bool(cadence(step))
            except Exception as error:
                cadence = self.cadences[number] = DEFAULT_CADENCE
                self.off["every_n_steps"] = f"{type(error).__name__}: {error}"
                warn(
                    f"every_n_steps of {self._label()} is a function that failed at step {step} with "
                    f"{type(error).__name__}: {error}; looks come every {DEFAULT_CADENCE} steps from now on. It is "
                    "called with the number of optimizer steps so far, and must return True or False"
                )
        return step >= next_look(self.last_step, cadence)

    def after_batch(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Look if one is due; runs after every batch, so it does next to nothing where none is."""
        if self.waiting:  # the hook before the first batch was not passed on
            self.begin(trainer, module, late=True)
        step = self._follow(trainer)
        if step < self.next_step or not self.running:
            return
        if self._due(step):
            self._look(trainer, module, step)
            self._schedule(step)

    def _follow(self, trainer: pl.Trainer) -> int:
        """Current step; remembers where its batch lies on the loggers' axis, which moves on after the batch."""
        step = trainer.global_step
        if self.counts_late:
            batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
            step += batches.processed > batches.completed  # the batch that ends has taken one
        if step != self.current_step:
            self.current_step, self.logger_step = step, _logger_step(trainer)
        return step

    def checkpoint(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, Any] | None:
        """Take a look that is due, write the record, and return the state to save; None where nothing was seen."""
        if self.running:
            self.after_batch(trainer, module)
            if trainer.is_global_zero and self.archive.unwritten:
                self._write()
        return self._state() if self.last_step >= 0 else None

    def finish(self, trainer: pl.Trainer, module: pl.LightningModule, *, look: bool) -> None:
        """End the fit once, whichever hook comes first."""
        if not self.running:
            if self.archive.waits and trainer.is_global_zero:  # an interrupt came meanwhile, or the disk was full
                self._write()
            return
        if look and self._follow(trainer) > self.last_step:
            self._look(trainer, module, self.current_step)
        if look:
            self._doubt_the_points(trainer, module)
        self.running = False
        if not trainer.is_global_zero or self.archive.base is None or not len(self.record):
            return
        self.archive.finished, self.archive.unwritten = look and not trainer.interrupted, True
        self._write()  # first: where another process broke off, the launcher soon kills this one
        known = len(self.off)
        self._draw(trainer, last=True)
        self.archive.unwritten |= len(self.off) > known  # the record says so
        if self.archive.waits:
            self._write()
        rank_zero_info(f"seqfit: {self._summary()}")

    def _doubt_the_points(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Say once where the module fits given values far better at other points than those they are taken for."""
        error = self._last_scalars().get("error/relative_rmse", 0.0)
        said = any(note.startswith("values: ") for note in self._notes())
        doubted = SMALL_ERROR < error < math.inf and not said and "prediction" in self.latest
        if not _broadcast(trainer, doubted) or not self._evaluates(trainer):
            return
        assert self.scene is not None
        target, precision = self.scene.target, trainer.precision_plugin.forward_context
        try:
            with np.errstate(all="ignore"):
                residual = self.latest["prediction"] - target
                instead = self.probe.misplaced(module, target, residual, precision)
        except Exception as problem:  # it was an offer
            log.debug("the points of %s were not doubted", self._label(), exc_info=problem)
            return
        if instead:
            both = "both ends included" if instead == "ends=True" else "the last one left out (endpoint=False)"
            self.off["values"] = f"the module fits them far better at the points of {instead}"
            warn(
                f"the values given to {self._label()} fit the module far better at other points than at the centres of "
                f"the cells, where they are taken to lie: pass {instead} to Probe.grid, if they were made "
                f"on linspace(low, high, n), {both}"
            )

    def _evaluates(self, trainer: pl.Trainer) -> bool:
        """Rank zero, or every rank where the forward pass is collective."""
        collective = {"FSDPStrategy", "ModelParallelStrategy", "DeepSpeedStrategy"}
        names = {cls.__name__ for cls in type(trainer.strategy).__mro__}
        return trainer.is_global_zero or bool(names & collective)

    def _look(
        self, trainer: pl.Trainer, module: pl.LightningModule, step: int, observation: Observation | None = None
    ) -> None:
        begun = time.perf_counter()
        scalars: dict[str, float] = {}
        if self._evaluates(trainer) and "looking" not in self.off:
            try:
                scalars = self._measure(trainer, module, step, observation)
            except Exception as error:  # nothing of ours ends a training
                self._switch_off("looking", error)
        self.last_step = step
        scalars = _broadcast(trainer, scalars)
        self._publish(trainer, scalars)
        now = time.perf_counter()
        self.looked += now - begun
        self.looks += 1
        self.running = not self.once
        if trainer.is_global_zero and self.archive.base is not None:
            if now - self.archive.written >= WRITE_SECONDS:
                self._write()
            if self._figure_due(step):
                self._draw(trainer)
            self.looked += time.perf_counter() - now

    def _measure(
        self, trainer: pl.Trainer, module: pl.LightningModule, step: int, observation: Observation | None
    ) -> dict[str, float]:
        """Scalars of one look by short tag; takes the look into the record."""
        assert self.scene is not None
        if observation is None:
            if "prediction" in self.off:
                return {}
            try:
                observation = self._observe(trainer, module)
            except Exception as error:
                self._evaluation_failed(step, error)
                return {}
        self.failures = 0
        self._say(observation.notes)
        with np.errstate(all="ignore"):  # whatever the user has set: what follows is ours
            return self._read(observation, step)

    def _read(self, observation: Observation, step: int) -> dict[str, float]:
        """Scalars of what was seen; takes the look into the record."""
        assert self.scene is not None
        residual = observation.residual
        mean_square = self.scene.geometry.mean(residual**2)
        if math.isnan(self.scale):
            known = self.scene.scale.of != "first look"
            self.scale = self.scene.scale.mean_square if known else mean_square
            self.scale = self.scale if math.isfinite(self.scale) else math.nan
        unknown = not np.isfinite(residual).all()
        if unknown and "finite" not in self.off:
            bad = int(np.count_nonzero(~np.isfinite(observation.prediction)))
            self.off["finite"] = f"prediction not finite at {bad} of {len(residual)} points from step {step} on"
            warn(
                f"the prediction at {self._label()} is NaN or infinite at {bad} of {len(residual)} points at step "
                f"{step}; looking goes on. Lower the learning rate, clip gradients, or check the range of the inputs"
            )
        root = math.sqrt(self.scale) if self.scale > 0 else math.nan
        relative = math.sqrt(mean_square) / root
        scalars = {
            "error/relative_rmse": math.inf if unknown else relative,
            "error/max": math.inf if unknown else float(np.max(np.abs(residual))),
            "error/noise": self.scene.noise / root,
        }
        self.below_noise = not unknown and math.sqrt(mean_square) < BELOW_NOISE * self.scene.noise
        fields: dict[str, FloatArray] = {"prediction": observation.prediction}
        arrays: dict[str, FloatArray] = {}
        # one thread: where all cores are busy with the training, those of numpy's BLAS would wait for each other
        with one_blas_thread:
            for name, diagnostic in self.diagnostics.items():
                if name in self.off:
                    continue
                try:
                    reading = diagnostic.look(observation, self.scale, step + self.offset)
                except Exception as error:
                    self._switch_off(name, error)
                    continue
                scalars |= reading.scalars
                fields |= reading.fields
                arrays |= reading.arrays
        if self.looks:
            scalars |= self._cost()
        geometry = self.scene.geometry
        self.latest = fields
        self.record.append(
            {
                "steps": step,
                "total_steps": step + self.offset,
                "logger_steps": self.logger_step,
                "fit": self.fit,
                **{name: geometry.coarsen(values) for name, values in fields.items()},
                **arrays,
                **{f"scalar/{tag}": value for tag, value in scalars.items()},
            }
        )
        self.archive.unwritten = self.archive.base is not None
        return scalars

    def _evaluation_failed(self, step: int, error: Exception) -> None:
        """Try again at the next look, unless it keeps failing: a monitor would watch a value that never moves."""
        self.failures += 1
        if self.failures >= MOST_FAILURES:
            self._switch_off("prediction", error)
        elif "evaluation" not in self.off:
            self.off["evaluation"] = f"at step {step}: {type(error).__name__}: {error}"
            warn(
                f"the evaluation at {self._label()} failed at step {step} and is tried again at the next look; the "
                f"training goes on. {type(error).__name__}: {error}"
            )

    def _say(self, notes: tuple[str, ...]) -> None:
        """Say once what an evaluation may have changed for good."""
        for note in notes:
            if note not in self.off:
                self.off[note] = f"since step {self.current_step}"
                if note != INCOMPLETE:  # what is merely held is in no one's way
                    warn(f"{self._label()}: {note}")

    def _cost(self) -> dict[str, float]:
        """What the looks before this one have cost."""
        training = time.perf_counter() - self.started - self.looked
        return {
            "observer/overhead": self.looked / training if training > 0 else math.nan,
            "observer/seconds_per_look": self.looked / self.looks,
        }

    def _publish(self, trainer: pl.Trainer, scalars: Mapping[str, float]) -> None:
        """To monitors and the progress bar on every rank, and to every logger."""
        tags = self._announce(trainer, scalars)
        if not tags or not trainer.is_global_zero:
            return
        for number, logger in enumerate(trainer.loggers):
            part = f"scalars for {type(logger).__name__} {number}"
            if part not in self.off:
                try:
                    loggers.log_scalars(logger, tags, self.logger_step)
                except Exception as error:
                    self._switch_off(part, error)

    def _announce(self, trainer: pl.Trainer, scalars: Mapping[str, float]) -> dict[str, float]:
        """Put what is known where monitors and the progress bar look; an infinite error ends what checks for it."""
        known = {tag: value for tag, value in scalars.items() if math.isfinite(value) or _is_error(tag, value)}
        tags = {f"seqfit/{self.prefix}{tag}": value for tag, value in known.items()}
        # past the properties: those take in what the module has logged so far, also in a batch that breaks off
        shown = trainer._logger_connector
        shown._callback_metrics.update(zip(tags, torch.tensor(list(tags.values())).unbind(), strict=True))
        if "front/fitted" in scalars:
            shown._progress_bar_metrics[f"{self.prefix}front/fitted"] = scalars["front/fitted"]
        return tags

    def _last_scalars(self, *, known: bool = False) -> dict[str, float]:
        """Scalars of the last look, or the last value of each that was known: what monitors see of them."""
        scalars = {}
        for name in self.record.names:
            if name.startswith("scalar/"):
                values = self.record[name]
                values = values[~np.isnan(values)] if known else values
                if values.size:
                    scalars[name.removeprefix("scalar/")] = float(values[-1])
        return scalars

    def _switch_off(self, part: str, error: Exception) -> None:
        """Say once what failed, and do not try it again in this fit."""
        reason = f"{type(error).__name__}: {error}"
        self.off[part] = reason
        warn(
            f"{part} of {self._label()} failed at step {self.current_step} and is switched off for the rest of this "
            f"fit; the training goes on. {reason}"
        )
        log.debug("%s failed", part, exc_info=error)

    def _label(self) -> str:
        return f"probe {self.probe.name!r}" if self.probe.name else "the probe"

    def _notes(self) -> list[str]:
        """What was switched off or not finite, in this fit and before."""
        return list(dict.fromkeys([*self.noted, *(f"{part}: {reason}" for part, reason in self.off.items())]))

    def _state(self) -> dict[str, Any]:
        kept = {}
        with np.errstate(all="ignore"):
            for name, diagnostic in self.diagnostics.items():
                try:
                    kept[name] = diagnostic.state_dict()
                except Exception as error:
                    self._switch_off(name, error)
            return State(
                fit=self.fit,
                offset=self.offset,
                last_step=self.last_step,
                scale=self.scale,
                record=self.record,
                latest={name: values for name, values in self.latest.items() if len(values) <= FINE_CELLS},
                diagnostics=kept,
                notes=self._notes(),
                lineage=self.archive.lineage,
                described=self.described,
            ).as_dict()

    def restore(self, module: pl.LightningModule, saved: Any) -> bool:
        """Become what a checkpoint has kept of a module, or begin anew and say why."""
        self.module = weakref.ref(module)
        try:
            state = read_state(saved)
            for name, diagnostic in self.diagnostics.items():
                diagnostic.load_state_dict(state.diagnostics.get(name, {}))
        except Exception as error:
            self._forget()
            self._say_anew(f"its state in the checkpoint cannot be read: {error}; save a checkpoint anew")
            return False
        self.fit, self.offset, self.last_step, self.scale = state.fit, state.offset, state.last_step, state.scale
        self.record, self.latest = state.record, state.latest
        self.noted, self.described = state.notes, state.described
        self.archive.go_on(state.lineage, state.last_step + state.offset)
        return True

    def _compare(self) -> None:
        """Begin anew where the record so far is of another probe: what it holds is not to be compared with ours."""
        assert self.scene is not None
        now = describe(self.probe, self.scene, self.diagnostics.values())
        try:
            changes = differences(self.described, now) if self.described else []
        except Exception as error:
            changes = [f"what the checkpoint says of it is damaged ({type(error).__name__}: {error})"]
        self.another = bool(changes)
        if changes:
            self._forget()
            self._say_anew(f"it was of another probe: {'; '.join(changes)}; give that one to go on with it")
        self.described = now

    def _say_anew(self, why: str) -> None:
        if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            warn(f"the record of {self._label()} begins anew and does not go on with the one before: {why}")

    def _open_archive(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Find out where to write; every rank asks, rank zero's answer holds."""
        base = _broadcast(trainer, "" if self.once else log_directory(trainer))
        problem = self.archive.open(trainer, module, base)
        if problem and trainer.is_global_zero:
            self._say_unwritten(problem)

    def _say_unwritten(self, problem: str) -> None:
        warn(
            f"{self._label()} cannot be recorded in {self.archive}; the training goes on, and it is tried again every "
            f"{WRITE_SECONDS:g} s, at checkpoints and at the end. {problem}"
        )

    def _contents(self, identity: Mapping[str, Any]) -> dict[str, Any]:
        assert self.scene is not None
        with np.errstate(all="ignore"):
            return contents_of(
                self.probe,
                self.scene,
                self.record,
                self.diagnostics.values(),
                self.latest,
                [*self._notes(), *([f"noise: {self._fits_noise()}"] if self.below_noise else [])],
                identity,
            )

    def _write(self) -> None:
        if self.scene is None or not len(self.record):
            return
        problem = self.archive.write(self._contents, self.last_step + self.offset)
        if problem:
            self._say_unwritten(problem)

    def _figure_due(self, step: int) -> bool:
        """At doubling steps, while figures take less than their share of the time."""
        if step < self.next_figure or self.drawn >= MOST_FIGURES - 1 or "figures" in self.off:
            return False
        elapsed = time.perf_counter() - self.started
        return self.figure_seconds + self.one_figure_seconds < FIGURE_SHARE * elapsed

    def _draw(self, trainer: pl.Trainer, *, last: bool = False) -> None:
        """To the loggers that take images and, at the end, beside the record."""
        if "figures" in self.off or self.scene is None:
            return
        begun = time.perf_counter()
        try:
            takers = self._image_takers(trainer)
            if takers or last:
                with np.errstate(all="ignore"):
                    drawn = figures.draw(as_run(self._contents({})))
                    images = {name: figures.as_image(figure) for name, figure in drawn.items()}
                for name, image in images.items():
                    if last:
                        self.archive.pictures[f"{self.probe.name or 'probe'}_{name}.png"] = figures.as_png(image)
                    for part, logger in takers.items():
                        self._show(part, logger, f"seqfit/{self.prefix}{name}", image)
        except Exception as error:
            self._switch_off("figures", error)
        self.one_figure_seconds = time.perf_counter() - begun
        self.figure_seconds += self.one_figure_seconds
        self.drawn += 1
        self.next_figure = 2 * max(self.last_step, 1)

    def _image_takers(self, trainer: pl.Trainer) -> dict[str, Any]:
        """Loggers that show pictures, by what a warning calls their part."""
        takers = {}
        for number, logger in enumerate(trainer.loggers):
            part = f"figures for {type(logger).__name__} {number}"
            if part not in self.off:
                try:
                    if loggers.takes_images(logger):
                        takers[part] = logger
                except Exception as error:
                    self._switch_off(part, error)
        return takers

    def _show(self, part: str, logger: Any, tag: str, image: figures.Image) -> None:
        if part in self.off:
            return
        try:
            loggers.log_image(logger, tag, image, self.logger_step)
        except Exception as error:
            self._switch_off(part, error)

    def _fits_noise(self) -> str:
        assert self.scene is not None
        return (
            f"the error is below the target's noise of {self.scene.noise:.3g}: the model fits the noise; stop earlier, "
            "or train on more points or a smaller model"
        )

    def _summary(self) -> str:
        assert self.scene is not None
        values = self._last_scalars()
        error = values["error/relative_rmse"]
        far = how_far(values.get("front/fitted", math.nan), error, self.scene.scale.of)
        said = [far] if far else []
        if values.get("oscillations/target"):
            kind = "oscillations" if self.probe.geometry.dimension == 1 else "lobes"
            said.append(f"{values['oscillations/fitted']:g} of {values['oscillations/target']:g} {kind}")
        if self.scene.scale.of != "first look":
            said.append(f"relative RMSE {error:.3g}")
        if values.get("error/noise"):
            said.append(f"noise {values['error/noise']:.3g}")
        said += [line for diagnostic in self.diagnostics.values() if (line := diagnostic.summary())]
        if self.below_noise:
            said.append(self._fits_noise())
        name = f"{self.probe.name}: " if self.probe.name else ""
        where = "could not be written to" if self.archive.waits else "in"
        return f"{name}{', '.join(said)}; record and figures {where} {self.archive}"


def _write_what_is_left(watch: weakref.ref[Watch]) -> None:
    """At the end of a worker process, which nothing else announces where a training breaks off."""
    there = watch()
    if there is not None and there.archive.waits:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Lightning answers it with an exception, wherever we are
        there._write()


def _is_error(tag: str, value: float) -> bool:
    """Whether a value is the error of a prediction that is not finite."""
    return value == math.inf and tag.startswith("error/")


def _logger_step(trainer: pl.Trainer) -> int:
    """Step on the axis of Lightning's own curves."""
    return int(trainer.fit_loop.epoch_loop._batches_that_stepped)


def _broadcast(trainer: pl.Trainer, value: Any) -> Any:
    """Rank zero's value on every rank."""
    return trainer.strategy.broadcast(value) if trainer.world_size > 1 else value
