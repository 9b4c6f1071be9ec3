"""One look: an evaluation, and what every diagnostic makes of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import numpy as np

from lightning_seqfit.diagnostics import DIAGNOSTICS, TAKEN, Diagnostic, Reading, ReadOut, Scene
from lightning_seqfit.diagnostics.base import MOST_VALUES
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.scale import scale_of
from lightning_seqfit.probe import Observation, Probe
from lightning_seqfit.probe.guard import INCOMPLETE, leave_generators_untouched, one_blas_thread
from lightning_seqfit.watch.failures import Failures
from lightning_seqfit.watch.tensors import to_tensors
from lightning_seqfit.words import warn

#: Evaluations in a row that fail before no other is tried.
MOST_FAILURES = 3
#: Relative RMS error at the end up to which nobody asks whether given values lie at other points.
SMALL_ERROR = 0.02

log = logging.getLogger(__name__)


@dataclass
class Look:
    """What was seen at one look.

    Attributes
    ----------
    scalars : by tag.
    fields : shape ``(N,)``, by their names in the record; ``arrays``: of any shape.
    scale : the mean square that errors are relative to.
    """

    scalars: dict[str, float] = field(default_factory=dict)
    fields: dict[str, FloatArray] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)
    scale: float = math.nan


class Measuring:
    """The diagnostics on one probe, and the scene that they look at.

    Parameters
    ----------
    probe : what is watched.
    failures : told of what fails; what is in it is not tried.

    Attributes
    ----------
    diagnostics : by name.
    scene : None before the first fit.
    recorded : shapes of a look's fields and arrays in the record, by their names there.
    unable : why diagnostics cannot look at the scene, by name.
    """

    def __init__(self, probe: Probe, failures: Failures) -> None:
        self.probe = probe
        self.diagnostics: dict[str, Diagnostic] = {}
        self.scene: Scene | None = None
        self._failures = failures
        self._failed = 0  # evaluations in a row
        self._cells: tuple[int, ...] = ()
        self.unable: dict[str, str] = {}
        self.recorded: dict[str, tuple[int, ...]] = {}

    @property
    def own(self) -> list[Diagnostic]:
        """Diagnostics of the user's own, which may do anything."""
        return [diagnostic for diagnostic in self.diagnostics.values() if type(diagnostic) not in DIAGNOSTICS]

    @property
    def working(self) -> dict[str, Diagnostic]:
        """Diagnostics that have not failed."""
        return {name: diagnostic for name, diagnostic in self.able.items() if name not in self._failures}

    @property
    def able(self) -> dict[str, Diagnostic]:
        """Diagnostics that can look at the scene."""
        return {name: diagnostic for name, diagnostic in self.diagnostics.items() if name not in self.unable}

    def read_target(self, module: pl.LightningModule) -> Scene:
        """Read the target as the module sees it."""
        self._failed = 0
        with one_blas_thread:
            target, trend = self.probe.read_target(module)
            for note in self.probe.notes:
                warn(f"{self._failures.label}: {note}")
            target = target.view()  # the array itself may be the user's
            _lock(target, trend.values)
            geometry, noise = self.probe.geometry, self.probe.noise
            with np.errstate(all="ignore"):
                scale = scale_of(geometry, target, trend, noise=noise, given=self.probe.scale)
            self.scene = Scene(geometry, target, trend, noise, scale, self.probe.relative)
        self._cells = geometry.coarsen(target).shape
        return self.scene

    def begin(self) -> None:
        """Let every diagnostic compute what the target alone decides."""
        assert self.scene is not None
        reasons = {name: diagnostic.unable(self.scene) for name, diagnostic in self.diagnostics.items()}
        self.unable = {name: why for name, why in reasons.items() if why}
        for name, diagnostic in self.working.items():
            if diagnostic.read_out is not None:
                diagnostic.read_out.forget()
            with one_blas_thread, np.errstate(all="ignore"), leave_generators_untouched():
                try:
                    diagnostic.begin(self.scene)
                except Exception as error:
                    raise RuntimeError(
                        f"begin of the diagnostic {name!r} raised {type(error).__name__}: {error}; it is called with "
                        "the scene that it is to watch"
                    ) from error

    def observe(self, trainer: pl.Trainer, module: pl.LightningModule) -> Observation:
        """Evaluate the module once for all diagnostics, under the trainer's precision."""
        assert self.scene is not None
        precision = trainer.precision_plugin.forward_context
        return self.probe.observe(module, self.scene.target, precision, self._listening())

    def _listening(self) -> list[ReadOut]:
        return [diagnostic.read_out for diagnostic in self.working.values() if diagnostic.read_out is not None]

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> Observation:
        """Observe for the first time, and refuse a layer that was asked for by name and is not there."""
        seen = self.observe(trainer, module)
        for read_out in self._listening():
            if read_out.never_heard:
                raise ValueError(read_out.absent)
        return seen

    def look(self, trainer: pl.Trainer, module: pl.LightningModule, step: int) -> Observation | None:
        """Observe; None where that fails, which is tried again at the next look, unless it keeps failing."""
        if "prediction" in self._failures:
            return None
        try:
            return self.observe(trainer, module)
        except Exception as error:
            self._failed += 1
            if self._failed >= MOST_FAILURES:  # a monitor would watch a value that never moves
                self._failures.switch_off("prediction", error)
            else:
                said = f"{type(error).__name__}: {error}"
                self._failures.note(
                    "evaluation",
                    f"at step {step}: {said}",
                    f"the evaluation at {self._failures.label} failed at step {step} and is tried again at the next "
                    f"look; the training goes on. {said}",
                )
            return None

    def read(self, observation: Observation, scale: float, step: int, total: int) -> Look:
        """Measure what was seen.

        Parameters
        ----------
        observation : of the module.
        scale : the mean square that errors are relative to; NaN: not known yet.
        step, total : optimizer steps of this fit, and of all.
        """
        self._failed = 0
        for note in observation.notes:  # what is merely held is in no one's way
            said = "" if note == INCOMPLETE else f"{self._failures.label}: {note}"
            self._failures.note(note, f"since step {step}", said)
        heard = [array for layer in observation.layers.values() for array in layer[:2] if array is not None]
        _lock(observation.prediction, observation.residual, *heard)
        undo = leave_generators_untouched() if self.own else nullcontext()
        # whatever the user has set; one thread: all cores are busy with the training, and several would wait
        with np.errstate(all="ignore"), one_blas_thread, undo:
            look = self._error(observation, scale, step)
            for name, diagnostic in self.working.items():
                own = observation if diagnostic.read_out is None else observation.at(diagnostic.read_out)
                try:
                    self._take(look, name, diagnostic.look(own, look.scale, total))
                except Exception as error:
                    self._failures.switch_off(name, error)
        return look

    def _error(self, observation: Observation, scale: float, step: int) -> Look:
        """What is known of every look: the error."""
        assert self.scene is not None
        residual = observation.residual
        mean_square = self.scene.geometry.mean(residual**2)
        if math.isnan(scale):
            scale = mean_square if self.scene.scale.of == "first look" else self.scene.scale.mean_square
            scale = scale if math.isfinite(scale) else math.nan
        largest = float(np.max(np.abs(residual))) if observation.largest is None else observation.largest
        unknown = not np.isfinite(largest)
        if unknown:
            bad = f"{np.count_nonzero(~np.isfinite(observation.prediction))} of {len(residual)} points"
            self._failures.note(
                "finite",
                f"prediction not finite at {bad} from step {step} on",
                f"the prediction at {self._failures.label} is NaN or infinite at {bad} at step {step}; looking goes "
                "on. Lower the learning rate, clip gradients, or check the range of the inputs",
            )
        root = math.sqrt(scale) if scale > 0 else math.nan
        scalars = {
            "error/relative_rmse": math.inf if unknown else math.sqrt(mean_square) / root,
            "error/max": math.inf if unknown else largest,
            "error/noise": self.scene.noise / root,
        }
        return Look(scalars, {"prediction": observation.prediction}, {}, scale)

    def _take(self, look: Look, name: str, reading: Reading) -> None:
        """Take a reading into a look, all of it or nothing: those who write a diagnostic make mistakes."""
        if not isinstance(reading, Reading):
            raise TypeError(f"look returned {type(reading).__name__}: return a Reading(scalars, fields, arrays)")
        for key in (*reading.scalars, *reading.fields, *reading.arrays):
            if not isinstance(key, str) or not key.isprintable() or not key:
                raise ValueError(f"{key!r} names a value or an array: use letters, digits and marks")
        for tag in sorted(reading.scalars):
            if tag in look.scalars or (name not in TAKEN and tag.partition("/")[0] in TAKEN):
                raise ValueError(f"the tag {tag!r} is another's: choose one that begins with {name}/")
        points, cells = look.fields["prediction"].shape, self._cells
        fields = {f"{name}/{key}": np.asarray(values) for key, values in reading.fields.items()}
        arrays = {f"{name}/{key}": np.asarray(values) for key, values in reading.arrays.items()}
        for key, values in (*fields.items(), *arrays.items()):
            if values.dtype.kind not in "fiub":
                raise TypeError(f"{key} has {values.dtype} for numbers")
            if key in fields and values.shape != points:
                raise ValueError(f"the field {key} has shape {values.shape}, expected {points}: a value per point")
            if key in arrays and (not values.ndim or values.size > MOST_VALUES):
                raise ValueError(
                    f"{key} has shape {values.shape}: an array has at least one axis and at most {MOST_VALUES} values"
                )
            before = self.recorded.get(key, cells if key in fields else values.shape)
            if before != (cells if key in fields else values.shape):
                raise ValueError(f"{key} has shape {values.shape}, and {before} at the looks before")
        if fields.keys() & arrays.keys():
            raise ValueError(f"{min(fields.keys() & arrays.keys())} is both a field and an array: choose another name")
        scalars = {tag: float(value) for tag, value in reading.scalars.items()}
        self.recorded |= {**dict.fromkeys(fields, cells), **{key: values.shape for key, values in arrays.items()}}
        look.scalars |= scalars
        look.fields |= fields
        look.arrays |= arrays

    def states(self) -> dict[str, dict[str, Any]]:
        """What every diagnostic has kept, as a checkpoint may hold it."""
        kept = {}
        with np.errstate(all="ignore"), leave_generators_untouched():
            for name, diagnostic in self.diagnostics.items():
                try:
                    kept[name] = to_tensors(diagnostic.state_dict())
                except Exception as error:
                    self._failures.switch_off(name, error)
        return kept

    def load_states(self, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Become what :meth:`states` saw; what is missing begins anew."""
        for name, diagnostic in self.diagnostics.items():
            state = states.get(name, {})
            with leave_generators_untouched():
                try:
                    diagnostic.load_state_dict(state)
                except Exception as error:
                    if type(diagnostic) in DIAGNOSTICS:
                        raise
                    if not state:
                        raise RuntimeError(
                            f"load_state_dict of the diagnostic {name!r} raised {type(error).__name__}: {error}; it is "
                            "called with an empty state where a record begins"
                        ) from error
                    said = f"it begins anew: load_state_dict raised {type(error).__name__}: {error}"
                    self._failures.note(f"state of {name}", said, f"{self._failures.label}: {name}: {said}")
                    diagnostic.load_state_dict({})

    def doubt_points(self, trainer: pl.Trainer, module: pl.LightningModule, prediction: FloatArray) -> None:
        """Say once where the module fits given values far better at other points than those they are taken for."""
        assert self.scene is not None
        try:
            with np.errstate(all="ignore"):
                residual, precision = prediction - self.scene.target, trainer.precision_plugin.forward_context
                instead = self.probe.misplaced(module, self.scene.target, residual, precision)
        except Exception as problem:  # it was an offer
            log.debug("the points of %s were not doubted", self._failures.label, exc_info=problem)
            return
        if instead:
            both = "both ends included" if instead == "ends=True" else "the last one left out (endpoint=False)"
            self._failures.note(
                "values",
                f"the module fits them far better at the points of {instead}",
                f"the values given to {self._failures.label} fit the module far better at other points than at the "
                f"centres of the cells, where they are taken to lie: pass {instead} to Probe.grid, if they were made "
                f"on linspace(low, high, n), {both}",
            )


def _lock(*arrays: FloatArray) -> None:
    """Let nobody write into arrays that others will read."""
    for array in arrays:
        array.flags.writeable = False


def doubtful(error: float, notes: Iterable[str]) -> bool:
    """Whether an error is large enough to doubt the points, and nobody has yet."""
    return SMALL_ERROR < error < math.inf and not any(note.startswith("values: ") for note in notes)
