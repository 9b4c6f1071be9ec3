"""What the views of a run share: what its colours and lines are called, and which looks are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.measures.trend import NOTHING
from lightning_seqfit.views.base import Axis
from lightning_seqfit.words import percent

if TYPE_CHECKING:
    from lightning_seqfit.diagnostics.front import FrontRecord
    from lightning_seqfit.record import Run

#: What an error of 1 is, by what the scale is of.
_ONE = {
    "oscillation": "nothing but the trend",
    "deviation": "nothing but the mean",
    "value": "as large as the target",
    "given": "as large as scale",
    "first look": "as at the first look",
}


def unfitted(front: FrontRecord) -> BoolArray:
    """Cells at which the target oscillates and is not fitted, shape ``(looks, cells)``."""
    found: BoolArray = front.active & (front.local_error > front.tolerance**2)
    return found


def error_label(run: Run) -> str:
    """What an error of 1 is."""
    of, what = run.scale_of, "distance" if run.final else "relative error"
    if not of:  # an older record: what oscillates, and else the first look
        flat = np.mean((run.target - run.trend) ** 2) <= NOTHING * np.mean(run.target**2)
        of = "first look" if flat else "oscillation"
    return f"{what} (1: {_ONE.get(of, of)})"


def target_name(run: Run) -> str:
    """What the predictions are compared with."""
    return "last prediction" if run.final else "target"


def quantity(run: Run) -> str:
    """What is drawn: of all outputs of a module together their length."""
    return f"length of {run.quantity}" if run.output == "norm" else run.quantity


def fitted_words(run: Run) -> str:
    """What a place is whose error is within tolerance: of the first look's error alone it is not fitted."""
    if run.final:
        return "arrived"
    if run.scale_of != "first look" or run.front is None:
        return "fitted"
    return f"below {percent(run.front.tolerance)} of the first error"


def far(run: Run) -> str:
    """What a title says of how far a run has come, in a few words; empty: nothing."""
    summary = run.summary()
    return summary.said("fitted", "error") or summary.said("half arrived")


def progress(run: Run) -> str:
    """What a sentence says of how far a run has come: fitted share and oscillations."""
    summary = run.summary()
    said = summary.said("fitted", "error", "oscillations fitted", "lobes fitted") or summary.said("relative error")
    return said or summary.said("half arrived") or summary.said("moved") or "no target"


def at_the_last_look(reading: str) -> str:
    """What is true of the last look only, as it stands below what moves."""
    return f"At the last look: {reading[:1].lower()}{reading[1:]}"


def titled(title: str, said: str) -> str:
    """Return a title and what it says, if there is something to say."""
    return f"{title}: {said}" if said else title


def step_axis(run: Run) -> Axis:
    """The axis of optimizer steps, over all fits."""
    first, last = float(run.total_steps[0]), float(run.total_steps[-1])
    return Axis("optimizer step", first, max(last, first + 1.0), whole=True)


def latest(run: Run) -> NDArray[np.bool_]:
    """Looks that no other one at the same step follows: a second fit looks again where the first ended."""
    return np.append(np.diff(run.total_steps) > 0, True)


def moments(steps: NDArray[Any], count: int = 4) -> NDArray[np.intp]:
    """Numbers of the steps that are nearest to ``count`` evenly spaced ones, the first and the last among them."""
    wanted = np.linspace(steps[0], steps[-1], count)
    return np.unique(np.argmin(np.abs(steps[:, None] - wanted), axis=0))


def edges(centres: NDArray[Any], low: float, high: float) -> FloatArray:
    """Edges of the cells around strictly rising centres, between two outer edges."""
    return np.concatenate(([low], (centres[1:] + centres[:-1]) / 2, [high]))


def step_edges(run: Run) -> FloatArray:
    """Edges between the looks that :func:`latest` names, between the ends of the :func:`step_axis`."""
    axis = step_axis(run)
    return edges(run.total_steps[latest(run)], axis.low, axis.high)


def finite(values: NDArray[Any]) -> FloatArray:
    """Values as float64, with NaN for inf."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def several(said: list[str]) -> str:
    """Return phrases in a row.

    Examples
    --------
    >>> several(["a"]), several(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)
