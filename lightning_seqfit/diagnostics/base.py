"""What a callback measures: one diagnostic for each measure, bound to a probe."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.scale import NO_SCALE, Scale
from lightning_seqfit.measures.trend import Trend
from lightning_seqfit.probe import Observation
from lightning_seqfit.probe.checks import checked_tolerance as checked_tolerance
from lightning_seqfit.probe.read_out import ReadOut


@dataclass(frozen=True)
class Scene:
    """What is fixed while a probe is watched.

    Attributes
    ----------
    geometry : where the N points lie.
    target : shape ``(N,)``; ``trend``: its trend.
    noise : standard deviation of the target's noise, in its units; 0: none.
    scale : what errors are relative to.
    relative : ``"global"``, or ``"local"``: whether a place is fitted is decided relative to what oscillates there.
    """

    geometry: Geometry
    target: FloatArray
    trend: Trend
    noise: float = 0.0
    scale: Scale = NO_SCALE
    relative: str = "global"


@dataclass(frozen=True)
class Reading:
    """What one diagnostic has to say of one look.

    Attributes
    ----------
    scalars : by tag.
    fields : shape ``(N,)``, for the record, which keeps block means.
    arrays : of any one shape, at most 1,024 values, for the record.
    """

    scalars: dict[str, float]
    fields: dict[str, FloatArray] = field(default_factory=dict)
    arrays: dict[str, FloatArray] = field(default_factory=dict)


class Diagnostic(ABC):
    """One measure bound to one probe: holds the state that accumulates, and names its tags."""

    name: ClassVar[str]

    @property
    def read_out(self) -> ReadOut | None:
        """The layer whose input it wants to see; None: it looks at the prediction only."""
        return None

    @abstractmethod
    def begin(self, scene: Scene) -> None:
        """Compute what the target alone decides. State is kept: a resumed or a second fit goes on."""

    @abstractmethod
    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Measure one look; ``scale`` is the mean square that errors are relative to, ``step`` counts over all fits."""

    def fixed(self) -> dict[str, Any]:
        """Arrays and numbers of the whole run for the record's file; fields have shape ``(N,)``."""
        return {}

    def notes(self) -> list[str]:
        """What is absent, and why."""
        return []

    def summary(self) -> str:
        """What the line on the console says of it at the end, beside the counts that every line has; empty: nothing."""
        return ""

    def state_dict(self) -> dict[str, Any]:
        """State that accumulates, as arrays and builtin values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - most diagnostics have no state
        """Become what :meth:`state_dict` saw."""

    @property
    def options(self) -> tuple[Any, ...]:
        """What two diagnostics of one name must agree on to share a probe."""
        return ()


def checked_history(state: Mapping[str, Any], kind: type) -> dict[str, Any]:
    """Return what ``dataclasses.asdict`` made of a history of ``kind``, or say what of it is damaged.

    Raises
    ------
    TypeError, ValueError
        If something is missing or not what the class says, or its arrays differ in length.
    """
    names = {each.name: str(each.type) for each in fields(kind)}
    if state.keys() != names.keys():
        raise ValueError(f"{kind.__name__} has {', '.join(state)}, expected {', '.join(names)}")
    kinds: dict[str, Any] = {"int": int, "float": int | float}
    for name, annotation in names.items():
        expected = np.ndarray if annotation.endswith("Array") else kinds.get(annotation, object)
        if not isinstance(state[name], expected):
            raise TypeError(f"{name!r} is {type(state[name]).__name__}, expected {annotation}")
    shapes = {state[name].shape for name, annotation in names.items() if annotation.endswith("Array")}
    if len(shapes) > 1:
        raise ValueError(f"the arrays of {kind.__name__} have shapes {sorted(shapes)}, expected one")
    return dict(state)
