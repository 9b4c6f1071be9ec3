"""What is kept of a training beside its scalars: the record's file, figures, and the words at the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_info  # type: ignore[attr-defined]

from lightning_seqfit import figures
from lightning_seqfit.diagnosis import STALLED, Diagnosis, words
from lightning_seqfit.diagnostics import DIAGNOSTICS, Diagnostic
from lightning_seqfit.probe.guard import leave_generators_untouched
from lightning_seqfit.record import Run, as_run
from lightning_seqfit.record.summary import fits_noise, noise_fitted
from lightning_seqfit.watch.archive import Archive
from lightning_seqfit.watch.contents import Components, file_contents
from lightning_seqfit.watch.failures import Failures
from lightning_seqfit.watch.gallery import Gallery
from lightning_seqfit.watch.measuring import Measuring
from lightning_seqfit.watch.overview import STEPS_TO_90
from lightning_seqfit.watch.publish import Publisher
from lightning_seqfit.watch.state import State
from lightning_seqfit.words import warn

#: Seconds between two writes of the record's file, at the most.
WRITE_SECONDS = 30.0

Shown = TypeVar("Shown")


class Keeping:
    """Writes, draws and sums up what a watch has seen.

    Parameters
    ----------
    measuring : the diagnostics and their scene.
    failures : told of what fails; what is in it is not tried.
    components : gives targets and last predictions of all outputs of a probe with several.

    Attributes
    ----------
    described : what is known of the training, by its name in the file: network, hyperparameters, settings.
    report : whether a page on the run is made at the end.
    """

    def __init__(self, measuring: Measuring, failures: Failures, components: Callable[[], Components | None]) -> None:
        self.archive, self.gallery = Archive(measuring.probe.name), Gallery()
        self.publisher = Publisher(measuring.probe.name, failures)
        self._measuring, self._failures, self._components = measuring, failures, components
        self.described: Mapping[str, Mapping[str, Any]] = {}
        self._began = 0.0
        self.report = False

    def open(self, trainer: pl.Trainer, module: pl.LightningModule, base: str) -> None:
        """Begin a fit that writes below a log directory; an empty one: it writes nothing."""
        self._began = time.perf_counter()
        problem = self.archive.open(trainer, module, base)
        self.publisher.begin()
        if trainer.is_global_zero:
            self._say_unwritten(problem)

    def now_and_then(self, trainer: pl.Trainer, state: State, logger_step: int, elapsed: float) -> None:
        """Write the record and draw figures after a look, where it is time."""
        if time.perf_counter() - self.archive.written >= WRITE_SECONDS:
            self.write(state)
        if "figures" not in self._failures and self.gallery.due(state.last_step, elapsed):
            self._draw(trainer, state, logger_step)

    def end(self, trainer: pl.Trainer, state: State, logger_step: int, *, finished: bool) -> None:
        """Write everything, and say how far the fit has come."""
        self.archive.finished, self.archive.unwritten = finished, True
        self.write(state)  # first: where another process broke off, the launcher soon kills this one
        known = len(self._failures.notes())
        if "figures" not in self._failures:
            self._draw(trainer, state, logger_step, last=True)
        said = self.sum_up(trainer, state, logger_step)
        self.write_verdict(trainer, logger_step)
        self.publisher.mark(trainer, STEPS_TO_90, _steps_to_90(state), logger_step)
        self.publisher.end(trainer, logger_step, finished=finished)
        if self.report:
            self._report(trainer, state, logger_step)
        self.archive.unwritten |= len(self._failures.notes()) > known  # the record says so
        if self.archive.waits:
            self.write(state)
        where = "could not be written to" if self.archive.waits else "in"
        page = ", and the report," if self.report and "report" not in self._failures else ""
        rank_zero_info(f"seqfit: {said}; record and figures{page} {where} {self.archive}{self._to_try()}")

    def write_verdict(self, trainer: pl.Trainer, logger_step: int) -> Diagnosis | None:
        """Log the verdict and the advice; None: there is none."""
        part, stall = "stall/verdict", self._measuring.stall
        if stall is None or part in self._failures:
            return None
        try:
            with np.errstate(all="ignore"):
                diagnosis = stall.diagnosis()
            if diagnosis is not None:
                self.publisher.write(trainer, part, words.markdown(diagnosis), logger_step)
                self.publisher.write(trainer, "stall/advice", words.advice(diagnosis), logger_step)
        except Exception as error:  # nothing of ours ends a training
            self._failures.switch_off(part, error)
            return None
        return diagnosis

    def _to_try(self) -> str:
        """What to do about a fit that does not get on, for the last line."""
        stall, scene = self._measuring.stall, self._measuring.scene
        stalled = stall is not None and stall.course.verdict in STALLED
        if not stalled or scene is None or not np.any(scene.target) or self.archive.waits:
            return ""
        return f"; {words.to_try(str(self.archive), self._measuring.probe.name)}"

    def sum_up(self, trainer: pl.Trainer, state: State, logger_step: int) -> str:
        """Return the line for the console; the table goes to the loggers."""
        try:
            with np.errstate(all="ignore"):
                summary = self._shown(lambda own: self._run(state, own).summary())
        except Exception as error:
            self._failures.switch_off("summary", error)
            return self._failures.label
        self.publisher.write(trainer, "summary", f"```\n{summary}\n```", logger_step)
        name = self._measuring.probe.name
        return f"{name}: {summary.line}" if name else summary.line

    def _draw(self, trainer: pl.Trainer, state: State, logger_step: int, *, last: bool = False) -> None:
        """To the loggers that take pictures and, at the end, beside the record."""
        try:
            if not last and not self.publisher.takes_pictures(trainer):
                return
            images = self._shown(lambda own: self.gallery.draw(lambda: self._run(state, own), state.last_step))
            for name, image in images.items():
                if last:
                    file = f"{self._measuring.probe.name or 'probe'}_{name}.png"
                    self.archive.files[file] = figures.as_png(image)
                self.publisher.picture(trainer, name, image, logger_step)
        except Exception as error:
            self._failures.switch_off("figures", error)

    def _report(self, trainer: pl.Trainer, state: State, logger_step: int) -> None:
        """A page, beside the record and to the loggers that keep such."""
        try:
            from lightning_seqfit.report.page import page  # it takes templates and a browser's library to import

            name, folder = self._measuring.probe.name or "probe", str(self.archive)
            made = self._shown(lambda own: page({name: self._run(state, own)}, folders={name: folder}))
            self.archive.files[f"{name}_report.html"] = made.encode()
            self.publisher.report(trainer, made, logger_step)
        except Exception as error:
            self._failures.switch_off("report", error)

    def _shown(self, make: Callable[[Sequence[Diagnostic]], Shown]) -> Shown:
        """Make what shows a run with the user's own diagnostics, and without them where that fails."""
        part = "what your own diagnostics say and draw"
        own = [] if part in self._failures else self._measuring.own
        try:
            with leave_generators_untouched():
                return make(own)
        except Exception as error:
            if not own:
                raise
            shown = make([])
            self._failures.switch_off(part, error)
            return shown

    def _run(self, state: State, own: Sequence[Diagnostic]) -> Run:
        """What has been recorded so far, as it would be loaded."""
        return as_run(self._contents(state, {}), diagnostics=(*DIAGNOSTICS, *own))

    def _contents(self, state: State, identity: Mapping[str, Any]) -> dict[str, Any]:
        scene, diagnostics = self._measuring.scene, self._measuring.able.values()
        assert scene is not None
        absent = [f"{name} is absent: {why}" for name, why in self._measuring.unable.items()]
        values, notes = state.scalars(), [*absent, *self._failures.notes()]
        if fits_noise(values.get("error/relative_rmse", np.nan), values.get("error/noise", np.nan)):
            notes.append(f"noise: {noise_fitted(scene.noise)}")
        seconds = round(time.perf_counter() - self._began, 3)
        settings = {**self.described.get("settings", {}), "seconds": seconds}
        with np.errstate(all="ignore"):
            return file_contents(
                self._measuring.probe,
                scene,
                state.record,
                diagnostics,
                state.latest,
                notes,
                {**identity, **self.described, "settings": settings},
                self._components(),
            )

    def write(self, state: State) -> None:
        """Write the record's file, and the files beside it that wait."""
        if self._measuring.scene is not None and len(state.record):
            self._say_unwritten(self.archive.write(lambda identity: self._contents(state, identity), state.total))

    def _say_unwritten(self, problem: str) -> None:
        if problem:
            warn(
                f"{self._failures.label} cannot be recorded in {self.archive}; the training goes on, and it is tried "
                f"again every {WRITE_SECONDS:g} s, at checkpoints and at the end. {problem}"
            )


def _steps_to_90(state: State) -> float:
    """First step at which 90 % were fitted, counted over all fits; NaN: not yet."""
    record, tag = state.record, "scalar/front/fitted"
    if tag not in record.names:
        return math.nan
    return min(map(float, record["total_steps"][record[tag] >= 0.9]), default=math.nan)
