"""What is kept of one name under a watch: its looks, files and failures, apart from those of the other outputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.utilities.rank_zero import rank_zero_only  # type: ignore[attr-defined]
from torch import nn

from lightning_seqfit.diagnostics import Diagnostic, Reading, ReadOut
from lightning_seqfit.probe import Observation, Probe
from lightning_seqfit.watch.contents import Components
from lightning_seqfit.watch.cost import Cost
from lightning_seqfit.watch.failures import Failures
from lightning_seqfit.watch.identity import describe, differences
from lightning_seqfit.watch.keeping import Keeping
from lightning_seqfit.watch.measuring import Measuring, doubtful
from lightning_seqfit.watch.state import State, read_state
from lightning_seqfit.words import warn


class Column:
    """One output of a probe, or all as one, over one or more fits of a module.

    Parameters
    ----------
    probe : of this output alone.

    Attributes
    ----------
    goes_on : the fit goes on with a record that was restored.
    family : the columns of the probe, this one among them.
    """

    def __init__(self, probe: Probe) -> None:
        self.probe = probe
        self.failures = Failures(f"probe {probe.name!r}" if probe.name else "the probe")
        self.measuring = Measuring(probe, self.failures)
        self.keeping = Keeping(self.measuring, self.failures, self.components)
        self.state = State()
        self.goes_on = False
        self.family: Sequence[Column] = [self]
        self._originals: dict[str, Diagnostic] = {}

    def set_diagnostics(self, diagnostics: Mapping[str, Diagnostic]) -> None:
        """Watch with these; of several columns each with copies of its own, made before they have seen anything."""
        if len(self.family) == 1:
            self.measuring.diagnostics = dict(diagnostics)
            return
        before, self._originals = self._originals, dict(diagnostics)
        self.measuring.diagnostics = {
            name: self.measuring.diagnostics[name] if before.get(name) is diagnostic else _copied(diagnostic)
            for name, diagnostic in diagnostics.items()
        }

    def start(self, step: int, restored: Any, *, known: bool) -> None:
        """Begin a fit at a step: go on from a restored state, or from an earlier fit of a module that is ``known``."""
        self.failures.begin_fit()
        self.goes_on = restored is not None and self.restore(restored)
        if self.goes_on:
            # a fit that ended where the checkpoint was saved has seen nothing more, though it took a last look
            self.keeping.archive.restored = max(self.keeping.archive.restored, step + self.state.offset)
        elif restored is None and known and self.state.last_step >= 0:
            self.state.fit += 1
            self.state.offset += max(self.state.last_step - step, 0)
        elif restored is None:
            self.begin_anew()

    def set_scene(self, module: pl.LightningModule) -> bool:
        """Read the target; begin anew where the record so far is of another probe, and say whether it is."""
        scene = self.measuring.read_target(module)
        now = describe(self.probe, scene, self.measuring.diagnostics.values())
        try:
            changes = differences(self.state.described, now) if self.state.described else []
        except Exception as error:
            changes = [f"what the checkpoint says of it is damaged ({type(error).__name__}: {error})"]
        if changes:
            self.begin_anew(f"it was of another probe: {'; '.join(changes)}; give that one to go on with it")
        self.state.described = now
        record = self.state.record
        self.measuring.recorded = {name: record[name].shape[1:] for name in record.names if record[name].ndim > 1}
        self.measuring.begin()
        return bool(changes)

    def begin_anew(self, why: str = "") -> None:
        """Forget what was seen, and say why."""
        self.state = State()
        self.failures.begin_anew()
        self.keeping.archive.begin_anew()
        self.measuring.load_states({})
        if why and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            warn(f"the record of {self.failures.label} begins anew and does not go on with the one before: {why}")

    def restore(self, saved: Any) -> bool:
        """Become what a checkpoint has kept, or begin anew and say why."""
        try:
            kept = read_state(saved)
            self.measuring.load_states(kept.diagnostics)
        except Exception as error:
            self.begin_anew(f"its state in the checkpoint cannot be read: {error}; save a checkpoint anew")
            return False
        self.state = kept.state
        self.failures.begin_anew(kept.notes)
        self.keeping.archive.go_on(kept.lineage, self.state.total)
        return True

    def take(self, seen: Observation, more: Reading, step: int, logger_step: int) -> dict[str, float]:
        """Measure what was seen at a step, and take it into the record; scalars by short tag, none where that fails."""
        if "looking" in self.failures:
            return {}
        try:
            look = self.measuring.read(seen, self.state.scale, step, step + self.state.offset)
            look.scalars |= more.scalars
            look.kept |= more.kept
            assert self.measuring.scene is not None
            self.state.take(look, step, logger_step, self.probe.geometry, self.measuring.scene.cells)
            self.measuring.follow(look, self.state.record, step + self.state.offset)
        except Exception as error:  # nothing of ours ends a training
            self.failures.switch_off("looking", error)
            return {}
        self.keeping.archive.unwritten = self.keeping.archive.base is not None
        return look.scalars

    def components(self) -> Components | None:
        """Targets and last predictions of all outputs of the probe; None: there is one, or not all were seen."""
        scene = self.measuring.scene
        if scene is not None and scene.parts:
            numbers, targets = list(range(len(scene.parts))), [part.target for part in scene.parts]
            predictions = self.state.components
        else:
            seen = [each for each in self.family if each.measuring.scene and "prediction" in each.state.latest]
            numbers = [each.probe.output for each in seen if isinstance(each.probe.output, int)]
            targets = [each.measuring.scene.target for each in seen if each.measuring.scene]
            predictions = [each.state.latest["prediction"] for each in seen]
        known = len(numbers) > 1 and len(predictions) == len(numbers)
        return Components(numbers, targets, predictions) if known else None

    def doubts(self) -> bool:
        """Whether the points of given values are to be doubted at the end."""
        error = self.state.scalars().get("error/relative_rmse", 0.0)
        return doubtful(error, self.failures.notes()) and "prediction" in self.state.latest

    def as_dict(self, *, evaluates: bool) -> dict[str, Any]:
        """What a checkpoint keeps."""
        kept = self.measuring.states() if evaluates else {}
        return self.state.as_dict(kept, self.failures.notes(), self.keeping.archive.lineage)

    def own_of(self, restored: Any) -> Any:
        """What a checkpoint has kept of this one; a list of outputs is kept by number."""
        if not isinstance(restored, Mapping) or "columns" not in restored:
            return restored
        kept = restored["columns"]
        if not isinstance(kept, Mapping) or not kept:
            return kept
        if not any(str(column.probe.output) in kept for column in self.family):
            return next(iter(kept.values()))  # of another probe, which is said when its description is read
        return kept.get(str(self.probe.output))

    def keep(self, trainer: pl.Trainer, cost: Cost, logger_step: int) -> None:
        """Write and draw after a look, where it is time; figures of all columns may take what those of one may."""
        if trainer.is_global_zero and self.keeping.archive.base is not None:
            with cost.of_files():
                self.keeping.now_and_then(trainer, self.state, logger_step, cost.elapsed / len(self.family))

    def end(self, trainer: pl.Trainer, logger_step: int, *, finished: bool) -> None:
        """Write and draw all, and say how far the fit has come."""
        if trainer.is_global_zero and self.keeping.archive.base is not None and len(self.state.record):
            self.keeping.end(trainer, self.state, logger_step, finished=finished)

    def write_if(self, trainer: pl.Trainer, unwritten: bool) -> None:
        """Write on rank zero, if there is something to write."""
        if unwritten and trainer.is_global_zero:
            self.write()

    def write(self) -> None:
        """Write the record, and the files beside it that wait."""
        self.keeping.write(self.state)


def _copied(diagnostic: Diagnostic) -> Diagnostic:
    """Return a copy that listens with the same read-out: the layer is heard once for all columns."""
    shared = {id(each): each for each in vars(diagnostic).values() if isinstance(each, ReadOut | nn.Module)}
    try:
        return copy.deepcopy(diagnostic, shared)
    except Exception as error:
        raise RuntimeError(
            f"the diagnostic {diagnostic.name!r} cannot be copied ({type(error).__name__}: {error}), and a list of "
            "outputs needs one for each of them: make a probe for each output, with a name= and diagnostics of its own"
        ) from error
