"""The signs of a look, made from what it measured and from the looks before it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

import numpy as np

from lightning_seqfit.geometry import FloatArray

#: Looks over which a running median is taken; the projection error jumps more.
LOOKS, MORE_LOOKS = 3, 5

#: Tags under which a record has what a look measured.
TAGS = {
    "fitted": "front/fitted",
    "sequentiality": "front/sequentiality",
    "loss": "training/loss",
    "learning_rate": "training/learning_rate",
    "projection_error": "basis/projection_error",
    "median_laps": "basis/median_laps",
    "constant_share": "basis/constant_share",
    "update": "training/update",
    "flatness": "fourier/flatness",
}

_SMOOTHED = {
    **dict.fromkeys(("error", "mean_error", "loss", "loss_ratio", "rank_share"), LOOKS),
    "projection_error": MORE_LOOKS,
}
_TAKEN = ("fitted", "sequentiality", "learning_rate", "median_laps", "constant_share", "update", "flatness")


class Tally:
    """Running medians, sums and extremes over the looks of a run, in training or over a record.

    Examples
    --------
    >>> tally = Tally()
    >>> for step, error in enumerate((1.0, 0.9, 3.0)):
    ...     numbers = tally.take(step, {"error": error, "mean_error": error}, np.array([error]))
    >>> numbers["error"], numbers["best_error"], numbers["best_step"], numbers["looks"]
    (1.0, 0.9, 1.0, 3.0)
    """

    def __init__(self) -> None:
        self._recent: dict[str, list[float]] = {name: [] for name in _SMOOTHED}
        self._first: dict[str, float] = {}
        self._path = self._looks = 0.0
        self._best = (math.nan, math.nan)
        self._highest_rate = math.nan
        self._clipped: FloatArray | None = None

    @property
    def first(self) -> Mapping[str, float]:
        """What was known at first of the error, the loss, the constant share and the rank's share of the width."""
        return self._first

    def take(self, step: int, seen: Mapping[str, float], clipped: FloatArray) -> dict[str, float]:
        """Take a look.

        Parameters
        ----------
        step : optimizer steps, counted over all fits.
        seen : ``error``, ``mean_error``, ``fitted``, ``sequentiality``, ``loss``, ``learning_rate``,
            ``projection_error``, ``rank_share``, ``median_laps``, ``constant_share``, ``update`` and ``flatness``, as
            they are at this look; what is not known is missing or NaN.
        clipped : min(q, 1) on the cells that are kept, NaN where they are quiet.

        Returns
        -------
        dict of str to float
            Those of :class:`~lightning_seqfit.diagnosis.signs.Signs`.
        """
        at = {name: seen.get(name, math.nan) for name in (*_SMOOTHED, *_TAKEN)}
        first = self._first
        for name in ("error", "loss", "constant_share", "rank_share"):
            # the first look's alone, but for a loss, which comes with the second
            if (not self._looks or name == "loss") and name not in first and not math.isnan(at[name]):
                first[name] = at[name]
        at["loss"] = _over(at["loss"], first.get("loss", math.nan))
        error = _over(at["error"], first.get("error", math.nan))
        at["loss_ratio"] = _over(at["loss"], error * error)
        smooth = {name: self._smoothed(name, at[name]) for name in _SMOOTHED}
        self._move(clipped)
        self._looks += 1.0
        if not at["error"] >= self._best[0] and not math.isnan(at["error"]):
            self._best = (at["error"], float(step))
        if not at["learning_rate"] <= self._highest_rate and not math.isnan(at["learning_rate"]):
            self._highest_rate = at["learning_rate"]
        projection = smooth.pop("projection_error")
        return {
            **smooth,
            **{name: at[name] for name in _TAKEN},
            "projection_ratio": _over(projection, smooth["error"]),
            "path": self._path,
            "looks": self._looks,
            "highest_rate": self._highest_rate,
            "best_error": self._best[0],
            "best_step": self._best[1],
        }

    def _smoothed(self, name: str, value: float) -> float:
        recent = self._recent[name]
        if not math.isnan(value):
            recent.append(value)
            del recent[: -_SMOOTHED[name]]
        return median(recent) if recent else math.nan

    def _move(self, clipped: FloatArray) -> None:
        before, self._clipped = self._clipped, clipped
        if before is not None and before.shape == clipped.shape:
            moved = np.abs(clipped - before)
            known = moved[moved == moved]  # not NaN; numpy's own nanmean takes five times as long
            self._path += float(known.sum()) / len(known) if len(known) else 0.0

    def state_dict(self) -> dict[str, Any]:
        """Arrays and builtin values."""
        return {
            "recent": {name: list(values) for name, values in self._recent.items()},
            "first": dict(self._first),
            "numbers": [self._path, self._looks, *self._best, self._highest_rate],
            **({} if self._clipped is None else {"clipped": self._clipped}),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become what :meth:`state_dict` saw."""
        self._recent = {name: [float(value) for value in state["recent"][name]] for name in _SMOOTHED}
        self._first = {str(name): float(value) for name, value in state["first"].items()}
        self._path, self._looks, best, step, self._highest_rate = map(float, state["numbers"])
        self._best = (best, step)
        clipped = state.get("clipped")
        self._clipped = None if clipped is None else np.asarray(clipped)


def _over(one: float, other: float) -> float:
    """A ratio; NaN where it says nothing."""
    if math.isnan(one) or math.isnan(other):
        return math.nan
    return one / other if other > 0.0 else math.nan
