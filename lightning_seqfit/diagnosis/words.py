"""What is said of a diagnosis: a line for a console, a text for loggers, a table for a terminal, a mapping for JSON."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable
from typing import Any

from lightning_seqfit.diagnosis.diagnosis import Diagnosis, Forecast
from lightning_seqfit.diagnosis.verdict import Verdict
from lightning_seqfit.words import flat, plain, side_by_side, significant

#: Said where a fit is stalled and no advice can be given.
NOTHING_HELPS = "nothing that was tried ends this"


def line(diagnosis: Diagnosis, max_steps: int | None = None, oscillations: tuple[float, float] | None = None) -> str:
    """Say it in a line, the verdict first.

    Parameters
    ----------
    diagnosis : of a look.
    max_steps : of the training, to compare the forecast with.
    oscillations : how many are fitted, and how many there are; not said where there are none.

    Examples
    --------
    >>> forecast = Forecast(9_400.0, 7_100.0, 13_500.0)
    >>> of = Diagnosis(6_000, Verdict.SEQUENTIAL, False, None, 0.7, (), forecast, (), ())
    >>> line(of, 8_000, (13, 20))
    'sequential: 13 of 20 oscillations; fitted at about step 9,400 (7,100 to 13,500); training ends at 8,000'
    """
    said = []
    if oscillations is not None and all(map(math.isfinite, oscillations)) and oscillations[1] > 0:
        said.append("{} of {} oscillations".format(*(significant(count, 3) for count in oscillations)))
    if diagnosis.forecast is not None:
        said.append(coming(diagnosis.forecast, diagnosis.step))
        if max_steps is not None and max_steps > 0:
            said.append(f"training ends at {max_steps:,}")
    if diagnosis.advice:
        said.append(f"{'try ' if in_trouble(diagnosis) else ''}{diagnosis.advice[0].do}")
    elif in_trouble(diagnosis):
        said.append(NOTHING_HELPS)
    words = _verdict(diagnosis)
    return flat(f"{words}: {'; '.join(said)}" if said else words)


def markdown(diagnosis: Diagnosis) -> str:
    """Say what is found, and why, as a text that loggers show."""
    said = [f"**{diagnosis.verdict.value}** at step {diagnosis.step:,}{since(diagnosis)}"]
    if diagnosis.forecast is not None:
        said.append(coming(diagnosis.forecast, diagnosis.step, interval=True))
    for speaks, title in (("for", "What speaks for it"), ("against", "What speaks against it")):
        figures = (
            f"- {each.name} {_figure(each.value)} (bound {_figure(each.bound)}): {each.says}"
            for each in diagnosis.evidence
            if each.speaks == speaks
        )
        said.append(_list(title, figures))
    said.append(_list("Not checked", (f"- {each}" for each in diagnosis.not_checked)))
    return "\n\n".join(part for part in said if part)


def advice(diagnosis: Diagnosis) -> str:
    """Say what to do, as a text that loggers show.

    Examples
    --------
    >>> advice(Diagnosis(9, Verdict.PROGRESSING, False, None, 0.7, (), None, (), ()))
    '**progressing** at step 9: nothing to change'
    """
    head = f"**{diagnosis.verdict.value}** at step {diagnosis.step:,}: "
    if not diagnosis.advice:
        return head + (NOTHING_HELPS if in_trouble(diagnosis) else "nothing to change")
    listed = (
        f"{number}. **{flat(each.do)}**. Expected: {each.expect} ({each.measured})"
        for number, each in enumerate(diagnosis.advice, 1)
    )
    return _list(f"{head}what to do", listed)


def table(diagnosis: Diagnosis) -> str:
    """Say all of it for a terminal, in lines of at most 100 columns.

    Examples
    --------
    >>> from lightning_seqfit.diagnosis.diagnosis import Evidence
    >>> evidence = (Evidence("doublings", math.inf, 6.0, "for", "it has not moved since step 2,000"),)
    >>> print(table(Diagnosis(4_000, Verdict.STUCK, True, 2_400, math.inf, evidence, None, (), ("no training loss",))))
      verdict      stuck since step 2,400
      step         4,000
      to do        nothing that was tried ends this
      for          doublings  inf  bound 6  it has not moved since step 2,000
      not checked  no training loss
    """
    rows = [("verdict", "", _verdict(diagnosis)), ("step", "", f"{diagnosis.step:,}")]
    if diagnosis.forecast is not None:
        rows.append(("forecast", "", coming(diagnosis.forecast, diagnosis.step, interval=True)))
    for number, advice in enumerate(diagnosis.advice, 1):
        mark = f"{number}. " if len(diagnosis.advice) > 1 else ""
        rows.append(("to do", mark, advice.do))
        rows.append(("to do", " " * len(mark), f"expected: {advice.expect} ({advice.measured})"))
    if in_trouble(diagnosis) and not diagnosis.advice:
        rows.append(("to do", "", NOTHING_HELPS))
    figures = [(flat(each.name), _figure(each.value), f"bound {_figure(each.bound)}") for each in diagnosis.evidence]
    widths = [max(map(len, column)) for column in zip(*figures, strict=True)]
    for each, (name, value, bound) in zip(diagnosis.evidence, figures, strict=True):
        head = f"{name:<{widths[0]}}  {value:>{widths[1]}}  {bound:<{widths[2]}}  "
        rows.append((each.speaks, head, each.says))
    rows += [("not checked", "", each) for each in diagnosis.not_checked]
    return "\n".join(side_by_side(rows))


def to_try(folder: str, name: str = "") -> str:
    """The command that tries what may end a stall on the recorded target.

    Examples
    --------
    >>> to_try("lightning_logs/version_0", "left")
    'to try what may end it: seqfit try lightning_logs/version_0 --name left'
    """
    return f"to try what may end it: {shlex.join(['seqfit', 'try', folder, *(['--name', name] if name else [])])}"


def as_dict(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return it as what JSON can hold; None for a number that is infinite or not known.

    Examples
    --------
    >>> found = as_dict(Diagnosis(9, Verdict.STUCK, True, 5, math.inf, (), None, (), ()))
    >>> found["verdict"], found["stalled"], found["since"], found["doublings"]
    ('stuck', True, 5, None)
    """
    every: dict[str, Any] = plain(
        {
            "step": diagnosis.step,
            "verdict": diagnosis.verdict.value,
            "stalled": bool(diagnosis.stalled),
            "since": diagnosis.since,
            "doublings": diagnosis.doublings,
            "forecast": None if diagnosis.forecast is None else vars(diagnosis.forecast),
            "evidence": [vars(each) for each in diagnosis.evidence],
            "advice": [vars(each) for each in diagnosis.advice],
            "not_checked": diagnosis.not_checked,
        }
    )
    return every


def in_trouble(diagnosis: Diagnosis) -> bool:
    """Whether a fit does not get on by itself."""
    return diagnosis.stalled or diagnosis.verdict is Verdict.DIVERGED


def _verdict(diagnosis: Diagnosis) -> str:
    return f"{diagnosis.verdict.value}{since(diagnosis)}"


def since(diagnosis: Diagnosis) -> str:
    """Since when one in trouble is so, as it follows the word; empty: it is not."""
    return "" if diagnosis.since is None or not in_trouble(diagnosis) else f" since step {diagnosis.since:,}"


def coming(forecast: Forecast, step: int, *, interval: bool = False) -> str:
    """When it is fitted, rounded to the second digit of that step."""
    if not math.isfinite(forecast.step):
        return f"fitted only after more than 4 times the {step:,} steps so far"
    unit = 10.0 ** max(math.floor(math.log10(forecast.step)) - 1, 0) if forecast.step > 0.0 else 1.0
    at, low, high = (
        f"{max(round(each / unit) * unit, 0.0):,.0f}" if math.isfinite(each) else "later"
        for each in (forecast.step, forecast.low, forecast.high)
    )
    return f"fitted at about step {at} ({low} to {high}{', four times in five' if interval else ''})"


def _figure(value: float) -> str:
    if math.isnan(value):
        return "unknown"
    return significant(value, 3) if math.isfinite(value) else str(float(value))


def _list(title: str, listed: Iterable[str]) -> str:
    said = "\n".join(map(flat, listed))
    return f"{title}:\n\n{said}" if said else ""
