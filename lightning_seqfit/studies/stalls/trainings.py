"""The trainings of the study: what each is known to be, those that the procedure was tuned on and those held out."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.diagnosis.verdict import STALLED, Verdict
from lightning_seqfit.studies.stalls.module import EVALUATIONS, make_module
from lightning_seqfit.studies.stalls.setup import Setup
from lightning_seqfit.studies.training import Prepared


@dataclass(frozen=True)
class Trial:
    """A setup to train, under a name."""

    name: str
    setup: Setup

    @property
    def cost(self) -> float:
        """About how long it takes, in steps of a regression along a line."""
        work = 5.0 if self.setup.equation else 1.5 if len(self.setup.bounds) > 1 else 1.0
        return self.setup.steps * work

    def prepare(self) -> Prepared:
        """Make its module and a callback a probe."""
        module = make_module(self.setup)
        callbacks = [SequentialFitting(probe) for probe in module.probes()]
        steps = self.setup.steps // (EVALUATIONS if self.setup.optimizer == "lbfgs" else 1)
        return Prepared(module, callbacks, steps, {"setup": {**asdict(self.setup), "bounds": str(self.setup.bounds)}})


@dataclass(frozen=True)
class Case:
    """A training whose state is known.

    Attributes
    ----------
    title : what it is, in a few words.
    trial : what is trained.
    right : verdicts that are right at the last look, the likeliest first.
    held_out : the procedure was not tuned on it.
    known : step from which it can be known; None: by hindsight (:func:`.scores.known_from`).
    """

    title: str
    trial: Trial
    right: tuple[Verdict, ...]
    held_out: bool = False
    known: int | None = None

    @property
    def healthy(self) -> bool:
        """Whether it gets fitted, or gets on, when it is let."""
        return not any(verdict in STALLED or verdict is Verdict.DIVERGED for verdict in self.right)


_LINE = {"target": "sine 13"}
_YEARS, _LONG, _NEGATIVE = ((1958.0, 2024.0),), ((0.0, 1000.0),), ((-500.0, -300.0),)
_PLANE = ((0.0, 1.0), (0.0, 1.0))
_SWEEP = ((0.0, 2 * math.pi), (0.0, 1.0))
V = Verdict


def _case(name: str, title: str, *right: Verdict, known: int | None = None, held_out: bool, **setup: Any) -> Case:
    return Case(title, Trial(name, Setup(**setup)), right, held_out, known)
