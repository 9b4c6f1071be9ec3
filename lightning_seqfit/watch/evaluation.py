"""One evaluation of the module at a look, for all that is watched at the points of one probe."""

from __future__ import annotations

from collections.abc import Sequence

import lightning.pytorch as pl
import numpy as np

from lightning_seqfit.diagnostics import ReadOut
from lightning_seqfit.probe import Observation, Probe
from lightning_seqfit.watch.column import Column

#: Evaluations in a row that fail before no other is tried.
MOST_FAILURES = 3


class Evaluation:
    """Asks the module once for all columns of a probe.

    Parameters
    ----------
    probe : with all of its outputs.
    columns : what is watched there, under a name each.
    """

    def __init__(self, probe: Probe, columns: Sequence[Column]) -> None:
        self._probe, self._columns = probe, columns
        self._failed = 0  # evaluations in a row
        self._target = np.zeros(0)

    def begin(self) -> None:
        """Begin a fit, whose scenes are known."""
        self._failed = 0
        scenes = [column.measuring.scene for column in self._columns]
        targets = [part.target for scene in scenes if scene is not None for part in scene.each]
        one = len(targets) == 1 and not isinstance(self._probe.output, tuple) and not (scenes[0] and scenes[0].parts)
        self._target = targets[0] if one else np.stack(targets, axis=1)  # one for all components, where none is known

    def observe(self, trainer: pl.Trainer, module: pl.LightningModule) -> Sequence[Observation]:
        """Evaluate the module under the trainer's precision: an observation for each column."""
        precision = trainer.precision_plugin.forward_context
        seen = self._probe.observe(module, self._target, precision, self._listening())
        self._failed = 0
        return seen.parts if isinstance(self._probe.output, tuple) else (seen,)

    def _listening(self) -> list[ReadOut]:
        return list(dict.fromkeys(each for column in self._columns for each in column.measuring.listening()))

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> Sequence[Observation]:
        """Observe for the first time, and refuse a layer that was asked for by name and is not there."""
        seen = self.observe(trainer, module)
        for read_out in self._listening():
            if read_out.never_heard:
                raise ValueError(read_out.absent)
        return seen

    def look(self, trainer: pl.Trainer, module: pl.LightningModule, step: int) -> Sequence[Observation]:
        """Observe; nothing where that fails, which is tried again at the next look, unless it keeps failing."""
        if all("prediction" in column.failures or "looking" in column.failures for column in self._columns):
            return ()
        try:
            return self.observe(trainer, module)
        except Exception as error:
            self._failed += 1
            for number, column in enumerate(self._columns):  # said once, and noted in every record
                failures = column.failures
                failures.step = step
                if self._failed >= MOST_FAILURES:  # a monitor would watch a value that never moves
                    failures.switch_off("prediction", error, silent=number > 0)
                    continue
                said = f"{type(error).__name__}: {error}"
                warning = (
                    f"the evaluation at {failures.label} failed at step {step} and is tried again at the next look; "
                    f"the training goes on. {said}"
                )
                failures.note("evaluation", f"at step {step}: {said}", "" if number else warning)
            return ()
