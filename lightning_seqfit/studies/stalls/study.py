"""The study: every training, then every training in trouble once more with its first advice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightning_seqfit.studies.stalls.history import history
from lightning_seqfit.studies.stalls.scores import Outcome
from lightning_seqfit.studies.stalls.setup import changed
from lightning_seqfit.studies.stalls.trainings import Case, Trial
from lightning_seqfit.studies.training import train_all


def study(
    cases: Sequence[Case],
    seeds: Sequence[int],
    runs: Path,
    max_steps: int | None = None,
    processes: int | None = None,
) -> list[Outcome]:
    """Train what is not kept in the folder ``runs``, and say what came out, in the order of the cases."""
    found = train_all([(case.trial, seed) for case in cases for seed in seeds], runs, history, max_steps, processes)
    outcomes = [Outcome(case, seed, found[case.trial, seed]) for case in cases for seed in seeds]
    advised = {number: _advised(one) for number, one in enumerate(outcomes) if _can_be_advised(one)}
    again = train_all(
        [(trial, outcomes[number].seed) for number, trial in advised.items()], runs, history, max_steps, processes
    )
    return [
        replace(one, after=again[advised[number], one.seed]) if number in advised else one
        for number, one in enumerate(outcomes)
    ]


def _can_be_advised(outcome: Outcome) -> bool:
    return not outcome.case.healthy and bool(outcome.before["change"])


def _advised(outcome: Outcome) -> Trial:
    trial = outcome.case.trial
    return replace(trial, name=f"{trial.name}-advised", setup=changed(trial.setup, outcome.before["change"]))
