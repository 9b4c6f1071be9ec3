"""What is said of a fit, with what spoke for it, what will come of it, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lightning_seqfit.diagnosis.verdict import Verdict


@dataclass(frozen=True)
class Evidence:
    """A figure that spoke for a verdict or against it.

    Attributes
    ----------
    name : of the figure, such as ``"doublings"``.
    value : NaN: not known.
    bound : that it was held against.
    speaks : ``"for"`` the verdict or ``"against"`` it.
    says : a sentence.
    """

    name: str
    value: float
    bound: float
    speaks: Literal["for", "against"]
    says: str


@dataclass(frozen=True)
class Forecast:
    """The step at which a run is fitted, and an 80 % interval; all ``inf`` where it is more than 4 times as many."""

    step: float
    low: float
    high: float


@dataclass(frozen=True)
class Advice:
    """What to change.

    Attributes
    ----------
    do : a sentence with values of this run.
    expect : what it is expected to change.
    measured : where that was measured.
    change : the same for programs: ``network`` ("siren", "fourier", "tanh"), ``omega_0``, ``sigma``, ``width``,
        ``learning_rate``, ``learning_rate_factor``, ``schedule`` ("constant"), ``optimizer``, ``points`` (evenly
        spaced; a number for each of several axes), ``random_points``, ``points_factor``, ``targets`` (what they are
        divided by), ``inputs`` ("[-1, 1]"), ``residual_factor``, ``resample``, ``data_weight``.
    """

    do: str
    expect: str
    measured: str
    change: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Diagnosis:
    """What is said of a fit at a look.

    Attributes
    ----------
    step : of the look, counted over all fits.
    verdict : ``verdict.value`` is the word.
    stalled : it does not get on by itself.
    since : step since which that holds; None: it does not.
    doublings : of the step count that are still needed, ``inf``: it does not move; NaN: not known yet.
    """

    step: int
    verdict: Verdict
    stalled: bool
    since: int | None
    doublings: float
    evidence: tuple[Evidence, ...]
    forecast: Forecast | None
    advice: tuple[Advice, ...]
    not_checked: tuple[str, ...]
