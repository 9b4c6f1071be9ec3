"""The trial: remedies on the target itself, side by side on the cores there are, within a budget of seconds."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from numpy.typing import ArrayLike
from tqdm import tqdm  # type: ignore[import-untyped]

from lightning_seqfit.planning import Plan
from lightning_seqfit.probe import Probe
from lightning_seqfit.record import Run
from lightning_seqfit.trials.candidates import Candidate, candidates, stand_in
from lightning_seqfit.trials.fitting import Fit
from lightning_seqfit.trials.halving import Standing, halve
from lightning_seqfit.trials.table import Attempt, Trial
from lightning_seqfit.trials.task import Task
from lightning_seqfit.trials.workers import MOST_PROCESSES, NO_TIME, Job, Workers, available_cores

#: Seconds that a trial needs at least: processes alone take some of them to start.
LEAST_SECONDS = 5.0
#: Seeds at the most.
MOST_SEEDS = 20

#: Where a training watches a residual beside its solution.
EQUATION = (
    "the run's training watches an equation's residual: what fits its solution here is necessary, not sufficient, for "
    "training by the equation"
)
NECESSARY = (
    "this is a regression on the target; for a network that is trained by an equation's residual (a PINN) it is "
    "necessary that it can fit, not sufficient"
)
SECONDS = "steps and seconds are of the networks that stand here, full batch, on one core of this machine"


def trial(
    source: Probe | Run,
    budget_s: float = 60.0,
    *,
    target: Callable[..., Any] | ArrayLike | Probe | None = None,
    seeds: int = 2,
    processes: int | None = None,
    width: int | None = None,
    depth: int | None = None,
    progress: bool = True,
) -> Trial:
    """Fit the target of a run with a stand-in for its network, and with one change each, and say which are fast.

    Tried are a SIREN and Fourier features as the :func:`~lightning_seqfit.plan` recommends them, inputs scaled to
    [-1, 1], another optimizer, and a wider network, with every seed, full batch. All get a few steps, the better half
    three times as many, and so on, until the budget ends, or the best is fitted and the others had ten times its steps,
    and a thousand. A fit ends where 98 % is fitted at two looks in a row.

    Parameters
    ----------
    source : a record, or a probe with a target.
    budget_s : seconds from the call to the answer, from 5 on.
    target : instead of the source's: a function of points (N, d), values at its points, or a probe.
    seeds : of each, from 1 to 20.
    processes : that train at once, this one among them; default: one for each core that may be used, at most 16. The
        others run no line of your script, and are gone afterwards.
    width, depth : of the stand-in; default: as the record has it, else 64 and 2.
    progress : whether to show a bar on the standard error.

    Returns
    -------
    Trial
        ``print`` it: a table, the fastest first, and the code of the first, to paste. ``winner``, ``code()``.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        If an argument cannot be used, or there is no target that can be fitted.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> probe = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(12 * torch.pi * x[:, 0]), resolution=128)
    >>> found = trial(probe, 30, seeds=1, processes=1, progress=False)
    >>> found.winner.change["network"], found.winner.reached < 500
    ('siren', True)
    """
    begun = time.monotonic()
    _check(source, budget_s, seeds, processes, width=width, depth=depth)
    task = Task.of(source, target)
    plan, notes = _plan(task)
    whole, task = len(task.values), task.coarsened(plan).thinned(plan)
    own, about = stand_in(task, source if isinstance(source, Run) else None, width=width, depth=depth)
    tried = candidates(task, own, plan)
    cores = min(available_cores(), MOST_PROCESSES) if processes is None else processes
    count = min(cores, seeds * len(tried))
    with (
        tqdm(total=round(budget_s), unit="s", disable=not progress, bar_format=_BAR, leave=False) as bar,
        Workers(task, count - 1, begun + budget_s) as workers,
    ):
        ladder = _Ladder(tried, seeds, workers, lambda said: _show(bar, begun, said))
        given_up = halve([each.name for each in tried if each.recipe is not None], ladder.advance)
    attempts = [ladder.attempt(each, given_up.get(each.name, "")) for each in tried]
    return Trial.of(attempts, [*_notes(source, task, whole), *notes, *(f"as it is: {each}" for each in about)])


_BAR = "{desc} |{bar}| {n_fmt} of {total_fmt} s"


@dataclass
class _Ladder:
    """The fits of all candidates.

    Attributes
    ----------
    fits : by name of the candidate, one a seed.
    """

    candidates: Sequence[Candidate]
    seeds: int
    workers: Workers
    show: Callable[[str], object]
    fits: dict[str, list[Fit]] = field(init=False)

    def __post_init__(self) -> None:
        self.fits = {
            each.name: [Fit(each.recipe, seed) for seed in range(self.seeds)]
            for each in self.candidates
            if each.recipe is not None
        }

    def advance(self, names: Sequence[str], until: int) -> Mapping[str, Standing]:
        """Train the fits of some candidates up to a step."""
        jobs = [
            Job((name, seed), fit, until)
            for name in names
            for seed, fit in enumerate(self.fits[name])
            if not fit.ended and fit.step < until
        ]
        said = f"{len(names)} remedies to step {until:,}"
        for (name, seed), fit in self.workers.run(jobs, lambda: self.show(said)):
            self.fits[name][seed] = fit
            self.show(said)
        return {name: _standing(self.fits[name]) for name in names}

    def attempt(self, candidate: Candidate, given_up: str) -> Attempt:
        """What came of a candidate."""
        fits = self.fits.get(candidate.name, [])
        begun = [fit for fit in fits if fit.step]
        code = candidate.recipe.code() if candidate.recipe is not None else ""
        if not begun:
            why = candidate.why or next((fit.why for fit in fits), "")
            why = f"not tried: {why}" if why == NO_TIME else why
            return Attempt(candidate.name, candidate.change, code=code, why=why)
        seen = [fit for fit in begun if not math.isnan(fit.fitted)]
        return Attempt(
            candidate.name,
            candidate.change,
            steps=tuple(fit.reached for fit in fits),
            seconds=tuple(fit.reached_seconds for fit in fits),
            fitted=tuple(fit.fitted for fit in seen),
            error=tuple(fit.error for fit in seen),
            taken=tuple(fit.step for fit in fits),
            code=code,
            why="; ".join(dict.fromkeys(fit.why for fit in fits if fit.why)) or given_up,
        )


def _standing(fits: Sequence[Fit]) -> Standing:
    seen = [fit for fit in fits if not math.isnan(fit.fitted)]
    return Standing(
        max(fit.reached for fit in fits),
        median(fit.fitted for fit in seen) if seen else math.nan,
        median(fit.error for fit in seen) if seen else math.nan,
        all(fit.ended for fit in fits) or any(fit.why for fit in fits),
    )


def _show(bar: tqdm[Any], begun: float, said: str) -> None:
    bar.n = min(round(time.monotonic() - begun), bar.total)
    bar.set_description_str(said)


def _plan(task: Task) -> tuple[Plan | None, list[str]]:
    """A plan for the target, if there can be one, and what it says of the target."""
    try:
        plan = task.probe().plan()
    except ValueError as error:
        return None, [f"omega_0 and sigma are guessed: {error}"]
    guessed = [] if plan.omega_0.value else [f"omega_0 and sigma are guessed: {plan.omega_0.reason}"]
    return plan, [*guessed, *plan.notes]


def _notes(source: Probe | Run, task: Task, whole: int) -> Iterator[str]:
    beside = isinstance(source, Run) and source.stall is not None and source.stall.situation.residual_beside
    yield EQUATION if beside else NECESSARY
    yield SECONDS
    if task.trained is None:
        same = "" if len(task.values) == whole else f" {len(task.values):,} of the {whole:,}"
        yield f"trained and measured at the same{same} points: what happens between them is not seen"
    else:
        looked = len(task.values)
        measured = "all of them" if looked == whole else f"{looked:,} of them"
        yield f"trained on {len(task.trained):,} of the {whole:,} points, measured at {measured}"


def _check(source: Any, budget_s: Any, seeds: Any, processes: Any, **sizes: Any) -> None:
    if not isinstance(source, Probe | Run):
        raise TypeError(f"trial takes a Probe or a Run, not {type(source).__name__}: load(run_dir) gives a Run")
    if isinstance(budget_s, bool) or not isinstance(budget_s, int | float) or not LEAST_SECONDS <= budget_s < math.inf:
        raise ValueError(
            f"budget_s={budget_s!r} is too short, or no number of seconds: give at least {LEAST_SECONDS:g}; to start "
            "processes takes some of them, 60 suffices as a rule"
        )
    whole = {
        "seeds": (seeds, 1, MOST_SEEDS),
        **{name: (size, 1, 100_000) for name, size in sizes.items() if size is not None},
    }
    if processes is not None:
        whole["processes"] = (processes, 1, 256)
    for name, (value, low, high) in whole.items():
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"{name}={value!r}: give a whole number from {low} to {high:,}")
