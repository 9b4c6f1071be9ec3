"""The study's tables, in Markdown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from lightning_seqfit.diagnosis.verdict import Verdict
from lightning_seqfit.studies.stalls.history import History
from lightning_seqfit.studies.stalls.scores import Outcome, delay, done_at, helped, known_from, said_at, scores

#: The two sets: a word for each, and whether it is the one that was held out.
SETS = {"tuned on": False, "held out": True}


def split(outcomes: Iterable[Outcome]) -> dict[str, list[Outcome]]:
    """The outcomes of each set."""
    outcomes = list(outcomes)
    return {name: [one for one in outcomes if one.case.held_out is held_out] for name, held_out in SETS.items()}


def summary(outcomes: Sequence[Outcome]) -> str:
    """What is asked, and what came out in each set."""
    columns = {name: scores(of) for name, of in split(outcomes).items()}
    first = next(iter(columns.values()))
    rows = (
        [score.says, score.asked, *(f"{of[number].found}{_mark(of[number].met)}" for of in columns.values())]
        for number, score in enumerate(first)
    )
    return _table(["", "asked", *columns], rows)


def confusion(counts: Mapping[str, Counter[str]]) -> str:
    """What is right in the rows, what was said in the columns, in the order of the procedure."""
    said = {word for row in counts.values() for word in row}
    words = [verdict.value for verdict in Verdict if verdict.value in {*said, *counts}]
    columns = [word for word in words if word in said]
    rows = (
        [word, *(f"{counts[word][each] or ''}" if each != word else f"**{counts[word][each]}**" for each in columns)]
        for word in words
        if word in counts
    )
    return _table(["right \\ said", *columns], rows)


def trainings(outcomes: Sequence[Outcome]) -> str:
    """What was trained, and what was said of it at the last look and in between."""
    rows = []
    for of in by_case(outcomes):
        case = of[0].case
        alarms = sum(one.alarmed for one in of) if case.healthy else None
        rows.append(
            [
                case.title,
                "held out" if case.held_out else "tuned on",
                ", ".join(verdict.value for verdict in case.right),
                _listed(one.said for one in of),
                _range(of, lambda one: one.before["fitted"][-1]),
                "" if alarms is None else f"{alarms} of {len(of)}",
            ]
        )
    return _table(["training", "set", "right", "said at the last look", "fitted", "alarms"], rows)


def delays(outcomes: Sequence[Outcome]) -> str:
    """When each stall could be known, and when it was said."""
    rows = (
        [
            of[0].case.title,
            _listed(_steps(known_from(one.case, one.before)) for one in of),
            _listed(_steps(said_at(one)) for one in of),
            _listed("never" if math.isinf(delay(one)) else f"{100 * delay(one):.0f} %" for one in of),
        ]
        for of in by_case(outcomes)
        if of[0].case.stalls
    )
    return _table(["training", "can be known from step", "said at step", "later by, of all steps"], rows)


def counterfactuals(outcomes: Sequence[Outcome]) -> str:
    """The same training with the first advice: before and after, a value a seed."""
    rows = []
    for of in by_case(outcomes):
        if of[0].case.healthy:
            continue
        words = Counter(helped(one) for one in of)
        of_before, of_after = [one.before for one in of], [one.after for one in of]
        rows.append(
            [
                of[0].case.title,
                _listed(one.said for one in of),
                _listed(one.before["do"] or "none" for one in of),
                *(f"{_listed(map(read, of_before))} → {_listed(map(read, of_after))}" for read in _READ),
                ", ".join(f"{word} {count}" if len(words) > 1 else word for word, count in words.items()),
            ]
        )
    header = ["training", "said", "first advice", "fitted", "error", "steps to 98 %", "it ended, halved or left it"]
    return _table(header, rows)


def _fitted(of: History | None) -> str:
    return f"{of['fitted'][-1]:.2f}" if of else ""


def _error(of: History | None) -> str:
    return f"{of['error'][-1]:.2f}" if of else ""


def _done(of: History | None) -> str:
    return _steps(done_at(of)) if of else ""


_READ = (_fitted, _error, _done)


def by_case(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    """The outcomes of each case, in their order."""
    found: dict[str, list[Outcome]] = {}
    for one in outcomes:
        found.setdefault(one.case.trial.name, []).append(one)
    return list(found.values())


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _listed(values: Iterable[str]) -> str:
    """All of them, or the one that all are."""
    values = list(values)
    return values[0] if len(set(values)) == 1 else ", ".join(values)


def _range(of: Sequence[Outcome], value: Callable[[Outcome], float]) -> str:
    values = np.array([value(one) for one in of])
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} to {high}"


def _steps(step: float) -> str:
    return "never" if math.isinf(step) else f"{step:,.0f}"


def _mark(met: bool | None) -> str:
    return {True: ", met", False: ", **not met**", None: ""}[met]
