"""Several runs in one table: how far each came, how fast, and what differs between how they were set."""

from __future__ import annotations

import csv
import io
import math
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_seqfit.diagnosis import diagnose
from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.words import WIDTH, percent, significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

Cell = str | float | int | bool | None

#: Shares of the domain of which it is said when they were fitted.
SHARES = (0.5, 0.9, 0.98)
#: Columns whose numbers are shares.
_SHARED = ("fitted", "overhead")
#: Settings in which every two runs differ.
_OWN = ("began", "seconds")
#: Targets whose values differ by less, relative to their root mean square, are the same on other cells.
_SAME_TARGET = 0.05
#: Places at which targets along one axis are compared.
_PLACES = 64
#: Columns whose highest numbers are the best; of a run's other figures the lowest are.
_RISING = ("fitted", "oscillations fitted")
#: Columns by which runs are ordered where nothing else is asked for.
_BEST = ("fitted", "steps to 98 %", "relative error")
#: Columns that a narrow table has first; those in which the settings differ come next.
_FIRST = ("run", "fitted", "verdict", "steps to 98 %")
#: Letters of a cell on a terminal, at the most.
_LETTERS = 34
#: Runs that stand beside each other on a terminal; more have a line each.
_BESIDE = 10


@dataclass(frozen=True)
class Facts:
    """What a comparison needs of one run, without its arrays.

    Attributes
    ----------
    name : of the run; ``figures``: by column.
    given : hyperparameters, settings and network by name; empty: an older record has none.
    target : what tells one target from another; ``tolerance``, ``scale_of``: what "fitted" and an error of 1 mean.
    """

    name: str
    figures: Mapping[str, Cell]
    given: Mapping[str, Cell]
    target: Mapping[str, Any]
    tolerance: float | None
    scale_of: str
    finished: bool


@dataclass(frozen=True)
class Comparison:
    """A table with a row a run; ``str`` of it fits a terminal of 100 columns.

    Attributes
    ----------
    columns : the run's name, how far it came, and what differs between how the runs were set.
    rows : a cell for each column; None: not known, or not set.
    reasons : why figures cannot be compared, a sentence each.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    reasons: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[tuple[str, ...], ...]:
        """The rows as a reader wants them: shares in percent, numbers with a few digits."""
        return tuple(tuple(map(_text, self.columns, row)) for row in self.rows)

    def __str__(self) -> str:
        known = [any(cell is not None for cell in column) for column in zip(*self.rows, strict=True)]
        facts = [
            [_printable(name), *map(_printable, column)]
            for name, column, shown in zip(self.columns, zip(*self.texts, strict=True), known, strict=True)
            if shown
        ]
        upright = _table([*zip(*facts, strict=True)])
        notes = [f"note  {_printable(reason, None)}" for reason in self.reasons]
        if max(map(len, upright)) <= WIDTH:
            return "\n".join([*upright, *notes])
        if len(self.rows) <= _BESIDE:
            return "\n".join([*_in_blocks(facts), *notes])
        given = self.columns[self.columns.index("overhead") + 1 :]
        shown, left = _narrowed(facts, [*_FIRST, *map(_printable, given)])
        room = textwrap.wrap(f"note  no room here for: {', '.join(left)}", WIDTH, subsequent_indent=" " * 6)
        return "\n".join([*_table([*zip(*shown, strict=True)]), *room, *notes])

    def ordered(self, column: str | None = None) -> Comparison:
        """Return the table with its rows in the order of a column, the best first; those without a value come last.

        Of ``fitted`` and ``oscillations fitted`` the highest is the best, of all others the lowest comes first. None:
        by ``fitted``, of equal ones by ``steps to 98 %``, then by ``relative error``.

        Raises
        ------
        ValueError
            If there is no such column; the message has all that there are.
        """
        if column is not None and column not in self.columns:
            raise ValueError(f"{column!r} is no column of this table; it has {', '.join(map(repr, self.columns))}")
        by = [(self.columns.index(name), name in _RISING) for name in (_BEST if column is None else (column,))]
        return replace(self, rows=tuple(sorted(self.rows, key=lambda row: [_rank(row[at], up) for at, up in by])))

    def csv(self) -> str:
        """The table for a spreadsheet; a text that it would run as a formula has an apostrophe before it."""
        written = io.StringIO()
        writer = csv.writer(written, lineterminator="\n")
        writer.writerow(_harmless(self.columns))
        writer.writerows(map(_harmless, self.rows))
        return written.getvalue()


def compare(runs: Mapping[str, Run]) -> Comparison:
    """Compare runs.

    Parameters
    ----------
    runs : by the name that each has in the table.

    Returns
    -------
    Comparison
        Steps to a fitted share are those of the first look from which on it holds at the next look as well.

    Raises
    ------
    ValueError
        If there is no run.

    Examples
    --------
    >>> import tempfile
    >>> import lightning as L
    >>> from lightning_seqfit import Probe, load
    >>> from lightning_seqfit.callbacks import SequentialFitting
    >>> from lightning_seqfit.demos import TanhRegression, sine
    >>> runs, quiet = {}, {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    >>> for width in (8, 16):
    ...     options = {"logger": False, "default_root_dir": tempfile.mkdtemp(), "enable_checkpointing": False}
    ...     watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], sine))
    ...     L.Trainer(max_steps=2, callbacks=[watcher], **options, **quiet).fit(TanhRegression(width=width))
    ...     runs[f"of {width}"] = load(options["default_root_dir"])
    >>> found = compare(runs)
    >>> found.columns[:3], found.rows[0][:3]
    (('run', 'verdict', 'fitted'), ('of 8', 'undecided', 0.0))
    >>> [row[found.columns.index("width")] for row in found.rows]
    [8, 16]
    """
    return compared([facts_of(name, run) for name, run in runs.items()])


def facts_of(name: str, run: Run) -> Facts:
    """What a comparison needs of a run, which need not be kept."""
    relative = run.known and not run.final and run.scale_of != "first look"
    front = run.front if relative else None
    steps = {f"steps to {share:.0%}".replace("%", " %"): _reached(run, share) if front else None for share in SHARES}
    seconds = run.settings.get("seconds")
    fitted = None if front is None else _last(front.fitted)
    counts = None if run.final else run.oscillations
    verdict, forecast = _verdict(run)
    figures: dict[str, Cell] = {
        "verdict": verdict,
        "fitted": fitted,
        "relative error": _error(run) if run.known and not run.final else None,
        **steps,
        "oscillations fitted": None if counts is None else _last(counts.fitted),
        "oscillations": None if counts is None else _last(counts.target),
        "forecast": forecast,
        "steps": int(run.total_steps[-1]),
        "seconds": seconds if isinstance(seconds, int | float) else None,
        "overhead": _last(run.scalars.get("observer/overhead", np.empty(0))),
    }
    taken = {"run", *figures}
    network = {} if run.network is None else {f"network/{key}": value for key, value in asdict(run.network).items()}
    settings = _apart({key: value for key, value in run.settings.items() if key not in _OWN}, taken, "setting")
    tuned = _apart(run.hyperparameters, {*taken, *settings, *network}, "hyperparameter")
    given = {**tuned, **settings, **network}
    tolerance = None if run.front is None else run.front.tolerance
    return Facts(name, figures, given, _target(run), tolerance, run.scale_of, run.finished)


def _apart(values: Mapping[str, Cell], taken: Collection[str], kind: str) -> dict[str, Cell]:
    """Values whose names are not those of other columns."""
    return {f"{name} ({kind})" if name in taken else name: value for name, value in values.items()}


def compared(facts: Sequence[Facts]) -> Comparison:
    """Put what is known of runs into a table; see :func:`compare`."""
    if not facts:
        raise ValueError("there is no run to compare: give at least one")
    known = [each.given for each in facts if each.given]
    differing = [
        name
        for name in dict.fromkeys(name for given in known for name in given)
        if len({_key(given.get(name)) for given in known}) > 1
    ]
    differing = _told_once(differing, known)
    columns = ("run", *facts[0].figures, *differing)
    rows = tuple((each.name, *each.figures.values(), *map(each.given.get, differing)) for each in facts)
    return Comparison(columns, rows, tuple(_reasons(facts)))


def _told_once(names: Sequence[str], known: Sequence[Mapping[str, Any]]) -> list[str]:
    """Leave out what is found of a network where it was also set, and put what only some runs have last."""
    columns = {name: tuple(_key(given.get(name)) for given in known) for name in names}
    said = {column for name, column in columns.items() if not name.startswith("network/")}
    kept = [name for name, column in columns.items() if not (name.startswith("network/") and column in said)]
    return sorted(kept, key=lambda name: any(name not in given for given in known))


def _reasons(facts: Sequence[Facts]) -> Iterable[str]:
    """Why figures of some runs are not those of the others, and what is not known."""
    first, several = facts[0], len(facts) > 1
    others = [each.name for each in facts[1:] if not _same_target(first.target, each.target)]
    if others:
        yield f"not comparable: another target than that of {first.name}: {_named(others)}"
    for what, values in (
        ("fitted at another tolerance", {each.name: each.tolerance for each in facts}),
        ("errors relative to something else", {each.name: each.scale_of or None for each in facts}),
    ):
        groups: dict[Any, list[str]] = {}
        for name, value in values.items():
            if value is not None:
                groups.setdefault(value, []).append(name)
        if len(groups) > 1:
            said = "; ".join(f"{value} in {_named(names)}" for value, names in groups.items())
            yield f"not comparable: {what}: {said}"
    for names, why in (
        ([each.name for each in facts if each.scale_of == "first look"], "relative to its first error: never fitted"),
        ([each.name for each in facts if not each.target["known"]], "without a target"),
        ([each.name for each in facts if several and not each.given], "an older record, which has no settings"),
        ([each.name for each in facts if several and each.given and not each.finished], "not at its end"),
    ):
        if names:
            yield f"{why}: {_named(names)}"


def _verdict(run: Run) -> tuple[str | None, Cell]:
    """The word, and the step at which it is forecast to be fitted."""
    try:
        found = diagnose(run)
    except ValueError:  # it has no target, or no front
        return None, None
    if found.forecast is None:
        return found.verdict.value, None
    coming = found.forecast.step
    return found.verdict.value, round(coming) if math.isfinite(coming) else f"beyond {4 * found.step:,}"


def _reached(run: Run, share: float) -> int | str | None:
    """First step at which a share was fitted, and at the next look too; the last look has none after it."""
    assert run.front is not None
    fitted = run.front.fitted
    if not np.isfinite(fitted).any():
        return None
    held = fitted >= share
    held &= np.append(held[1:], True)
    last = int(run.total_steps[-1])
    return int(run.total_steps[np.argmax(held)]) if held.any() else f"not within {last:,}"


def _error(run: Run) -> float | None:
    values = run.scalars.get("error/relative_rmse", np.empty(0))
    return float(values[-1]) if len(values) and not math.isnan(values[-1]) else None


def _last(values: FloatArray) -> float | None:
    return float(values[-1]) if len(values) and math.isfinite(values[-1]) else None


def _target(run: Run) -> dict[str, Any]:
    """What tells a target from others, on whichever cells it is recorded; along several axes its size and mean."""
    about = {"known": run.known and not run.final, "axes": run.axes, "bounds": run.bounds, "quantity": run.quantity}
    values = run.target[np.isfinite(run.target)].astype(np.float64) if run.known else np.zeros(0)
    size = math.sqrt(float(np.mean(values**2))) if values.size else 0.0
    told = np.array([np.mean(values), size]) if values.size else np.zeros(2)
    if len(run.axes) == 1 and values.size == len(run.target):
        place, order = run.points[:, 0], np.argsort(run.points[:, 0])
        (low, high), half = run.bounds[0], 0.5 / _PLACES
        told = np.interp(low + (high - low) * np.linspace(half, 1 - half, _PLACES), place[order], values[order])
    return {**about, "size": size, "told": told}


def _same_target(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if any(one[name] != other[name] for name in ("known", "axes", "quantity")) or len(one["told"]) != len(
        other["told"]
    ):
        return False
    if not np.allclose(one["bounds"], other["bounds"], rtol=1e-6):
        return False
    apart = math.sqrt(float(np.mean((one["told"] - other["told"]) ** 2)))
    return bool(apart <= _SAME_TARGET * max(one["size"], other["size"]))


def _rank(value: Cell, rising: bool) -> tuple[int, float, str]:
    """Where a cell comes in an order: numbers, then texts such as "not within 2,000", then what is not known."""
    if isinstance(value, str):
        return 1, 0.0, value
    if value is None or value != value:
        return 2, 0.0, ""
    return 0, -value if rising else value, ""


def _key(value: Cell) -> Any:
    """By which values are told apart: NaN is NaN, and 1 is not True."""
    return (isinstance(value, bool), "nan" if value != value else value)


def _named(names: Collection[str]) -> str:
    shown = list(names)[:8]
    return ", ".join(shown) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _text(column: str, value: Cell) -> str:
    if value is None or isinstance(value, bool):
        return "-" if value is None else "yes" if value else "no"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "unknown" if math.isnan(value) else "not finite"
        return percent(value) if column in _SHARED else significant(value, 4)
    return f"{value:,}" if isinstance(value, int) and "step" in column else str(value)


def _harmless(cells: Iterable[Cell]) -> list[Cell]:
    """Cells that no spreadsheet takes for formulas."""
    return [f"'{cell}" if isinstance(cell, str) and cell.lstrip()[:1] in {*"=+-@"} else cell for cell in cells]


def _printable(text: str, most: int | None = _LETTERS) -> str:
    """A text in one line, that tells a terminal nothing, of at most so many letters."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return text if most is None or len(text) <= most else f"{text[: most - 12]}...{text[-9:]}"


def _in_blocks(facts: Sequence[Sequence[str]]) -> list[str]:
    """A table with a line a fact, as many runs beside each other as there is room for, the others below."""
    label, start = max(len(fact[0]) for fact in facts), 1
    lines: list[str] = []
    while start < len(facts[0]):
        taken, end = label, start
        while end < len(facts[0]):
            taken += 2 + max(len(fact[end]) for fact in facts)
            if taken > WIDTH - 2 and end > start:
                break
            end += 1
        lines += [*([""] if lines else []), *_table([(fact[0], *fact[start:end]) for fact in facts])]
        start = end
    return lines


def _narrowed(facts: Sequence[Sequence[str]], first: Sequence[str]) -> tuple[list[Sequence[str]], list[str]]:
    """Columns that fit beside each other, these first, and the names of the others."""
    shown: list[Sequence[str]] = []
    room = WIDTH
    for fact in sorted(facts, key=lambda fact: first.index(fact[0]) if fact[0] in first else len(first)):
        taken = 2 + max(map(len, fact))
        if taken <= room:
            shown.append(fact)
            room -= taken
    return shown, [fact[0] for fact in facts if fact not in shown]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
