"""One look: an evaluation, and what every diagnostic makes of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import lightning.pytorch as pl
import numpy as np

from lightning_seqfit.diagnostics import DIAGNOSTICS, TAKEN, Diagnostic, Reading, ReadOut, Scene, StallDiagnostic
from lightning_seqfit.diagnostics.base import MOST_VALUES, Following, Seen
from lightning_seqfit.diagnostics.scene import lock, read_scene
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.lengths import lengths
from lightning_seqfit.measures.scale import error_of
from lightning_seqfit.probe import Observation, Probe
from lightning_seqfit.probe.guard import INCOMPLETE, leave_generators_untouched, one_blas_thread
from lightning_seqfit.record import Record
from lightning_seqfit.watch.failures import Failures
from lightning_seqfit.watch.tensors import to_tensors

#: Relative RMS error at the end up to which nobody asks whether given values lie at other points.
SMALL_ERROR = 0.02

log = logging.getLogger(__name__)


@dataclass
class Look:
    """What was seen at one look.

    Attributes
    ----------
    scalars : by tag; ``kept``: those that only the record has.
    fields : shape ``(N,)``, by their names in the record; ``arrays``: of any shape.
    scale : the mean square that errors are relative to.
    components : predictions of several outputs that are watched as one, shape ``(N,)`` each.
    """

    scalars: dict[str, float] = field(default_factory=dict)
    kept: dict[str, float] = field(default_factory=dict)
    fields: dict[str, FloatArray] = field(default_factory=dict)
    arrays: dict[str, Any] = field(default_factory=dict)
    scale: float = math.nan
    components: list[FloatArray] = field(default_factory=list)


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
        self._cells: tuple[int, ...] = ()
        self.unable: dict[str, str] = {}
        self.recorded: dict[str, tuple[int, ...]] = {}

    @property
    def own(self) -> list[Diagnostic]:
        """Diagnostics of the user's own, which may do anything."""
        return [diagnostic for diagnostic in self.diagnostics.values() if type(diagnostic) not in DIAGNOSTICS]

    @property
    def stall(self) -> StallDiagnostic | None:
        """What says whether the fit gets on; None: nobody asked, or it failed."""
        found = self.working.get(StallDiagnostic.name)
        return found if isinstance(found, StallDiagnostic) else None

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
        with one_blas_thread:
            self.scene = read_scene(self.probe, module)
        self._cells = self.scene.geometry.coarsen(self.scene.target, self.scene.cells).shape
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

    def listening(self) -> list[ReadOut]:
        """Read-outs that a look is to hear."""
        return [diagnostic.read_out for diagnostic in self.working.values() if diagnostic.read_out is not None]

    def read(self, observation: Observation, scale: float, step: int, total: int) -> Look:
        """Measure what was seen.

        Parameters
        ----------
        observation : of the module.
        scale : the mean square that errors are relative to; NaN: not known yet.
        step, total : optimizer steps of this fit, and of all.
        """
        for note in observation.notes:  # what is merely held is in no one's way
            said = "" if note == INCOMPLETE else f"{self._failures.label}: {note}"
            self._failures.note(note, f"since step {step}", said)
        heard = [array for layer in observation.layers.values() for array in layer[:2] if array is not None]
        lock(*(array for part in (observation, *observation.parts) for array in (part.prediction, part.residual)))
        lock(*heard)
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

    def follow(self, look: Look, record: Record, step: int) -> None:
        """Let those go by what was measured that follow the others; the look is the latest row of the record."""
        seen = Seen({**look.kept, **look.scalars}, look.fields, record.__getitem__, record.amend)
        with np.errstate(all="ignore"), one_blas_thread:
            for name, diagnostic in self.working.items():
                if isinstance(diagnostic, Following):
                    try:
                        found = {tag: float(value) for tag, value in diagnostic.follow(seen, step).items()}
                        record.amend({f"scalar/{tag}": value for tag, value in found.items()})
                        look.scalars |= found
                    except Exception as error:
                        self._failures.switch_off(name, error)

    def _error(self, observation: Observation, scale: float, step: int) -> Look:
        """What is known of every look: the error."""
        assert self.scene is not None
        residual = observation.residual
        if math.isnan(scale):
            scale = self.scene.scale.at_first(self.scene.geometry, residual)
        largest = float(np.max(np.abs(residual))) if observation.largest is None else observation.largest
        unknown = not np.isfinite(largest if self.scene.known else observation.prediction).all()
        if unknown:
            bad = f"{np.count_nonzero(~np.isfinite(observation.prediction))} of {len(residual)} points"
            self._failures.note(
                "finite",
                f"prediction not finite at {bad} from step {step} on",
                f"the prediction at {self._failures.label} is NaN or infinite at {bad} at step {step}; looking goes "
                "on. Lower the learning rate, clip gradients, or check the range of the inputs",
            )
        scalars = error_of(self.scene.geometry, residual, scale, self.scene.noise, largest) if self.scene.known else {}
        components = [part.prediction for part in observation.parts]
        return Look(scalars, {}, {"prediction": observation.prediction}, {}, scale, components)

    def _take(self, look: Look, name: str, reading: Reading) -> None:
        """Take a reading into a look, all of it or nothing: those who write a diagnostic make mistakes."""
        if not isinstance(reading, Reading):
            raise TypeError(f"look returned {type(reading).__name__}: return a Reading(scalars, fields, arrays)")
        for key in (*reading.scalars, *reading.kept, *reading.fields, *reading.arrays):
            if not isinstance(key, str) or not key.isprintable() or not key:
                raise ValueError(f"{key!r} names a value or an array: use letters, digits and marks")
        for tag in sorted((*reading.scalars, *reading.kept)):
            if tag in look.scalars or tag in look.kept or (name not in TAKEN and tag.partition("/")[0] in TAKEN):
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
        scalars, kept = (
            {tag: float(value) for tag, value in given.items()} for given in (reading.scalars, reading.kept)
        )
        self.recorded |= {**dict.fromkeys(fields, cells), **{key: values.shape for key, values in arrays.items()}}
        look.scalars |= scalars
        look.kept |= kept
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

    def doubt_points(self, trainer: pl.Trainer, module: pl.LightningModule, predictions: Sequence[FloatArray]) -> None:
        """Say once where the module fits given values far better at other points than those they are taken for."""
        assert self.scene is not None
        try:
            with np.errstate(all="ignore"):
                targets, precision = self.scene.components, trainer.precision_plugin.forward_context
                residual = np.stack(predictions) - targets
                instead = self.probe.misplaced(module, targets.T, lengths([*residual]), precision)
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


def doubtful(error: float, notes: Iterable[str]) -> bool:
    """Whether an error is large enough to doubt the points, and nobody has yet."""
    return SMALL_ERROR < error < math.inf and not any(note.startswith("values: ") for note in notes)
