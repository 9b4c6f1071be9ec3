"""What there is to say of a run, once: the line on the console, the demo's table, the titles of figures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.diagnostics.base import Fact, number

if TYPE_CHECKING:
    from lightning_seqfit.record.run import Run

#: An error below this share of the noise fits the noise: an estimate of it is right within a seventh.
BELOW_NOISE = 0.7
#: Terms of the training's loss that a summary has.
MOST_TERMS = 6


@dataclass(frozen=True)
class Summary:
    """Facts about the last look of a run, in the order in which they are read.

    Examples
    --------
    >>> summary = Summary((Fact("step", "8,000"), Fact("fitted", "50 %", "50 % fitted", headline=True)))
    >>> print(summary)
      step    8,000
      fitted  50 %
    >>> summary.line, summary.said("fitted", "step")
    ('50 % fitted', '50 % fitted')
    """

    facts: tuple[Fact, ...]

    def __str__(self) -> str:
        width = max(len(fact.label) for fact in self.facts)
        return "\n".join(f"  {fact.label:<{width}}  {fact.value}" for fact in self.facts if fact.value)

    @property
    def line(self) -> str:
        """What is known, in a line."""
        said = [fact.said for fact in self.facts if fact.headline and fact.said]
        without = said[:1] == ["no target"] and len(said) > 1
        return f"{said[0]}: {', '.join(said[1:])}" if without else ", ".join(said)

    def said(self, *labels: str) -> str:
        """What is known of some facts, in a line."""
        return ", ".join(fact.said for fact in self.facts if fact.label in labels and fact.said)


def summarise(run: Run) -> Summary:
    """Gather what each diagnostic says of a run, and what every run has."""
    return Summary(
        (
            Fact("step", f"{run.steps[-1]:,}"),
            *_of_output(run),
            *([] if run.faces else [Fact("domain", *2 * (f"points in {len(run.axes)} dimensions",), headline=True)]),
            *_of_target(run),
            *(fact for kind in run.diagnostics for fact in kind.facts(run)),
            *_of_error(run),
            *_of_training(run),
            Fact("overhead", number(100 * _last(run, "observer/overhead"), "{:.1f} %")),
        )
    )


def _of_output(run: Run) -> list[Fact]:
    """Which of several outputs of the module it is of."""
    if run.components is None:
        return []
    others = ", ".join(map(str, run.components.numbers))
    return [Fact("output", f"length over {others}" if run.output == "norm" else f"{run.output} of {others}")]


def _of_target(run: Run) -> list[Fact]:
    """Whether there is a target, and how much of it the prediction explains."""
    if not run.known:
        return [Fact("target", "none", "no target", headline=True)]
    if run.final:
        return [Fact("target", "none: its own last prediction", "against its own last prediction", headline=True)]
    return [Fact("R^2", number(_explained(run), "{:.4f}"))]


def _of_error(run: Run) -> list[Fact]:
    """The error, the noise, and whether the one is below the other; none where nothing is compared with a target."""
    if run.final or not run.known:
        return []
    error, noise = _last(run, "error/relative_rmse"), _last(run, "error/noise")
    said = "" if run.scale_of == "first look" else f"relative RMSE {error:.3g}"
    facts = [Fact("relative error", number(error, "{:.3f}"), said, headline=True)]
    if noise > 0.0:
        facts.append(Fact("noise", number(noise, "{:.3f}"), f"noise {noise:.3g}", headline=True))
    if fits_noise(error, noise):
        facts.append(Fact("below the noise", "yes", noise_fitted(run.noise), headline=True))
    return facts


def _of_training(run: Run) -> list[Fact]:
    """The loss of the training, and the first of its terms: what was last known, where none was not finite."""
    tags = [("training loss", "training/loss"), *((f"loss {name}", f"training/loss/{name}") for name in run.losses)]
    bad, facts = any(note.startswith("not finite: ") for note in run.notes), []
    for label, tag in tags[: 1 + MOST_TERMS]:
        values = run.scalars.get(tag, np.empty(0))
        known = values if bad else values[~np.isnan(values)]
        facts += [Fact(label, f"{value:.3g}") for value in known[-1:]]
    return facts


def fits_noise(error: float, noise: float) -> bool:
    """Whether an error is below the target's noise, both relative to the same scale."""
    return error < BELOW_NOISE * noise


def noise_fitted(noise: float) -> str:
    """What to say where a model fits the noise, which has a standard deviation."""
    return (
        f"the error is below the target's noise of {noise:.3g}: the model fits the noise; stop earlier, or train on "
        "more points or a smaller model"
    )


def _explained(run: Run) -> float:
    """Share of the target's variance that the prediction explains; NaN: it has none.

    Of an older record as its cells have it, which is too much where these are fewer than the points.
    """
    if math.isfinite(run.scale_share):
        return 1 - _last(run, "error/relative_rmse") ** 2 * run.scale_share
    target, prediction = run.target, run.prediction[-1]
    if run.output == "norm":  # of lengths the difference is not the error
        if run.components is None:
            return math.nan
        target, prediction = run.components.target, run.components.prediction
    variance = float(np.sum(np.var(target, axis=-1)))
    return 1 - float(np.sum(np.mean((prediction - target) ** 2, axis=-1))) / variance if variance else math.nan


def _last(run: Run, tag: str) -> float:
    return float(run.scalars[tag][-1]) if tag in run.scalars else math.nan
