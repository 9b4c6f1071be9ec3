"""The page "Reading a stall": a verdict, its picture and what its first advice did; then the tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_seqfit.diagnosis.verdict import Verdict
from lightning_seqfit.figures import as_image, save
from lightning_seqfit.record import Run, load
from lightning_seqfit.studies.panels import draw_arrival, draw_error
from lightning_seqfit.studies.stalls import tables
from lightning_seqfit.studies.stalls.history import History
from lightning_seqfit.studies.stalls.scores import Outcome, at_all_looks, at_the_end, helped
from lightning_seqfit.studies.stalls.trainings import ALARMS

TEXT = """# Reading a stall

Is it still working on the oscillations, or stuck, and what is to be changed? Below: what each verdict means, with a
training that has it; then [what was asked of the diagnosis and what came out](#what-was-asked). Made by
`seqfit stalls` from {trainings} trainings, {cases} kinds with seeds {seeds}, none left out. The procedure
and its numbers: [`diagnosis`](../reference/diagnosis.rst).

In the pictures: on the left the error over the steps and the domain, on the right the fitted share and the relative
error. The colour above it is what was said at each look: green of a training that gets on or is done, grey where it was
too early to tell, red of one that does not get on. Dashed: the same training with the first advice. White: not finite.

{verdicts}
## What was asked

The procedure was tuned on some trainings and is shown on others, of other targets and other networks. Of those that it
was tuned on, 15 were given further right words, and 12 other steps, widths or targets, after it had been seen what was
said of them: their column flatters. Of those held out none was; but three rules, which touch five of them (capacity of
few units, the rate of SIRENs, a basis that is too fine), were changed when it had been seen, and are not shown by them.

{summary}

A stall can be known, by hindsight, when the steps have doubled since the error last fell by 0.02, but not before step
1,000 (undersampled: at step 50; diverged: at once; not started: at step 4,000, as fits of which nothing is to be seen
begin as late as at 3,600). Forecasts count where it was fitted in the end. What creeps, so
that it may be said to get on or not, is neither healthy nor a stall here.

### At the last look

Trainings by what is right (down) and what was said (across). Tuned on:

{tuned_end}

Held out:

{held_end}

### At all looks

Looks by what is right at the last one. A training that stalls is not wrong to be called progressing before it does.
Tuned on:

{tuned_looks}

Held out:

{held_looks}

### The first advice, applied

The same training, the same seed and as many evaluations of the gradient, with the first advice applied by a program.
Ended: it is fitted at the end; halved: the unfitted share or the error is at most half (of 1, where it had diverged). A
value a seed, one for all where they agree. Steps to 98 % are those of the first look at which it was fitted: it may
have been lost again since.

{counterfactuals}

### When a stall is said

{delays}

### All trainings

{all}
"""

_SAYS = {
    Verdict.DIVERGED: "The error is not finite any more, or both it and the loss are more than 3 times what they were.",
    Verdict.FITTED: "At least 98 % of the places are fitted.",
    Verdict.NOISE_FLOOR: "What is left is as flat as noise and as small as the noise of the data.",
    Verdict.UNDERSAMPLED: "The loss is far lower than the error: between the training points it is wrong.",
    Verdict.UNDECIDED: "It is too early to tell: before step 1,000, or with few looks so far.",
    Verdict.SEQUENTIAL: "It gets on, place after place. Leave it alone; there is a forecast.",
    Verdict.PROGRESSING: "It gets on, in no order of places. Leave it alone.",
    Verdict.INPUTS: "The coordinates are so large that the units are saturated, or nearly so.",
    Verdict.RATE_HIGH: "It changes from look to look and gets nowhere, or its units were driven out of range.",
    Verdict.WRONG_SOLUTION: "The equation is satisfied, and the solution is wrong.",
    Verdict.RATE_DECAYED: "It got on until the learning rate fell, and not since.",
    Verdict.RATE_LOW: "The steps are too small to change anything.",
    Verdict.READ_OUT: "The basis could fit the target, and the last layer does not: it is not trained enough.",
    Verdict.CAPACITY: "The basis has all the rank that its width allows, and it is not enough.",
    Verdict.TOO_FINE: "The units oscillate far faster than the target.",
    Verdict.NOT_STARTED: "Nothing has been fitted yet. It may begin by itself, later than anybody can say.",
    Verdict.STUCK: "It does not get on, and none of the causes that can be told apart speaks.",
}
_FIT, _ERROR = "#d1495b", "#1b6ca8"
_SAID = {"stalled": "#d1495b", "undecided": "#b0b0b0", "fine": "#5a9e6f"}


def write_page(outcomes: Sequence[Outcome], runs: Path, out: Path) -> None:
    """Write ``README.md`` and a picture a verdict."""
    sets = tables.split(outcomes)
    seeds = sorted({one.seed for one in outcomes})
    text = TEXT.format(
        trainings=len(outcomes) + sum(one.after is not None for one in outcomes),
        cases=len(tables.by_case(outcomes)),
        seeds=", ".join(map(str, seeds)),
        verdicts="\n".join(_section(verdict, outcomes, runs, out) for verdict in Verdict),
        summary=tables.summary(outcomes),
        tuned_end=tables.confusion(at_the_end(sets["tuned on"])),
        held_end=tables.confusion(at_the_end(sets["held out"])),
        tuned_looks=tables.confusion(at_all_looks(sets["tuned on"])),
        held_looks=tables.confusion(at_all_looks(sets["held out"])),
        counterfactuals=tables.counterfactuals(outcomes),
        delays=tables.delays(outcomes),
        all=tables.trainings(outcomes),
    )
    out.mkdir(parents=True, exist_ok=True)
    (out / "README.md").write_text(text, encoding="utf-8")


def _section(verdict: Verdict, outcomes: Sequence[Outcome], runs: Path, out: Path) -> str:
    """Heading, meaning, picture, and what the first advice did over all trainings of which that was said."""
    said = [one for one in outcomes if one.said == verdict.value]
    lines = [f"## {verdict.value[0].upper()}{verdict.value[1:]}", _SAYS[verdict]]
    shown = next((one for one in said if one.is_right), None)
    if shown is None:
        return "\n\n".join([*lines, "No training of the study ended with it."]) + "\n"
    name = verdict.value.replace(" ", "-")
    save(as_image(picture(shown, runs)), out / f"{name}.png")
    lines.append(f"![{shown.case.title}: {verdict.value}]({name}.png)")
    troubled = [one for one in said if not one.case.healthy]
    if troubled and not shown.case.healthy:
        words = [helped(one) for one in troubled]
        did = f"it ended {words.count('ended')} and halved {words.count('halved')} of {len(words)}"
        advice = shown.before["do"]
        lines.append(
            f"First advice here: {advice}. Over all trainings of which this was said, {did}."
            if advice
            else "No advice: nothing that was tried ends this."
        )
    return "\n\n".join(lines) + "\n"


def picture(outcome: Outcome, runs: Path) -> Figure:
    """Draw a training, what was said of it, and what came of the advice."""
    name, seed = outcome.case.trial.name, outcome.seed
    run = load(runs / f"{name}-{seed}")
    figure = Figure(figsize=(9.6, 4.2), dpi=100, layout="constrained")
    figure.suptitle(f"{outcome.case.title}: {outcome.said}", fontsize=11)
    left, right = figure.subplots(1, 2)
    _places(left, run)
    _course(right, outcome.before, outcome.after)
    return figure


def _places(axes: Axes, run: Run) -> None:
    (draw_error if len(run.axes) == 1 else draw_arrival)(axes, run)


def _course(axes: Axes, before: History, after: History | None) -> None:
    """Fitted share and error over the steps, and a strip of what was said."""
    for of, style in ((before, "-"), (after, "--")):
        if of is not None:
            of_advice = " with the advice" if of is after else ""
            axes.plot(of["steps"], of["fitted"], style, color=_FIT, linewidth=2.0, label=f"fitted share{of_advice}")
            error = np.minimum(of["error"], 1.5)
            axes.plot(of["steps"], error, style, color=_ERROR, linewidth=1.2, label=f"relative error{of_advice}")
    edges = [*before["steps"], before["steps"][-1] + 1]
    for start, end, word in zip(edges, edges[1:], before["verdicts"], strict=False):
        axes.axvspan(start, end, ymin=0.95, color=_SAID[_tone(word)], linewidth=0)
    axes.set(xlabel="optimizer step", ylabel="fitted share; relative error, up to 1.5", ylim=(-0.03, 1.63))
    axes.legend(loc="center right", fontsize=8)


def _tone(word: str) -> str:
    verdict = Verdict(word)
    if verdict in ALARMS:
        return "stalled"
    return "undecided" if verdict is Verdict.UNDECIDED else "fine"
