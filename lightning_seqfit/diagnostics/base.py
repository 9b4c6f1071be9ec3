"""What a look measures: a diagnostic binds one measure to a probe, from the layer it listens to to its figures."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.geometry import MOST_CELLS, FloatArray, Geometry
from lightning_seqfit.measures.scale import NO_SCALE, Scale
from lightning_seqfit.measures.trend import Trend
from lightning_seqfit.probe import Observation
from lightning_seqfit.probe.checks import checked_tolerance as checked_tolerance
from lightning_seqfit.probe.read_out import ReadOut

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from lightning_seqfit.record import Run
    from lightning_seqfit.views import View

#: Kind of numbers (as ``dtype.kind``) and shape of an array, a word or a number an axis, such as ``("f", "looks 3")``.
#: A word is one length throughout a file; ``looks``, ``cells`` and ``axes`` are those of the record. A kind that ends
#: in ``?`` need not be there.
Form = tuple[str, str]

#: As :data:`MOST_CELLS`, of a probe without a target: 512 looks of a prediction and its local change take 16 MB.
MOST_CELLS_WITHOUT_TARGET = 4096
#: Why what compares with a target is absent.
NO_TARGET = "the probe has no target; run.against(target) reads the recorded predictions against one afterwards"

#: Values of one array of one look, at the most.
MOST_VALUES = 1024


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
    parts : where the length of the error over several outputs is watched, the scene of each, in the order of
        :attr:`Observation.parts`; target and trend are then Euclidean lengths, and scale and noise those of all.
    known : whether there is a target; without one ``target`` and ``trend`` are NaN.
    """

    geometry: Geometry
    target: FloatArray
    trend: Trend
    noise: float = 0.0
    scale: Scale = NO_SCALE
    relative: str = "global"
    parts: tuple[Scene, ...] = ()
    known: bool = True

    @property
    def each(self) -> tuple[Scene, ...]:
        """The scene of each output; of one alone this one."""
        return self.parts or (self,)

    @property
    def components(self) -> FloatArray:
        """The target of each output, shape ``(k, N)``; of one alone ``(N,)``."""
        return np.stack([part.target for part in self.parts]) if self.parts else self.target

    @property
    def scale_share(self) -> float:
        """Scale over the target's variance: what 1 - R^2 is of the squared relative error; NaN: it has none."""
        with np.errstate(all="ignore"):
            about = [part.target - self.geometry.mean(part.target) for part in self.each]
            variance = sum(self.geometry.mean(each**2) for each in about)
            return self.scale.mean_square / variance if variance > 0.0 else math.nan

    @property
    def cells(self) -> int:
        """Cells on which fields are recorded at each look, at the most: more where a target may come afterwards."""
        return MOST_CELLS if self.known else MOST_CELLS_WITHOUT_TARGET


@dataclass(frozen=True)
class Reading:
    """What one diagnostic has to say of one look.

    Attributes
    ----------
    scalars : numbers by tag, as they stand under ``seqfit/``; NaN: not known.
    fields : by name, shape ``(N,)``, for the record, which keeps block means.
    arrays : by name, of any one shape, at most 1,024 values each, for the record.
    kept : numbers by tag that are recorded with the scalars, and neither logged nor monitored.
    """

    scalars: Mapping[str, float] = field(default_factory=dict)
    fields: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    kept: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """What was measured at one look, for a diagnostic that goes by what others measure.

    Attributes
    ----------
    scalars : by tag, what is only kept and what is known of the training among them.
    fields : by name, such as ``front/local_error``, shape ``(N,)``.
    recorded : a column of the record by its name in it, shape ``(looks, ...)``, up to and with this look.
    keep : puts values into the row of this look, by their names in the record: ``kept/<tag>``, ``stall/clipped``.
    """

    scalars: Mapping[str, float]
    fields: Mapping[str, FloatArray]
    recorded: Callable[[str], NDArray[Any]]
    keep: Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True)
class Stored:
    """What a file holds of one diagnostic.

    Attributes
    ----------
    arrays : by name, without the diagnostic's own before it.
    scalars : values per look by tag, shape ``(looks,)``.
    steps : of the looks, counted over all fits, shape ``(looks,)``.
    axes, faces : names of the axes and of the faces of the probe's domain.
    """

    arrays: Mapping[str, NDArray[Any]]
    scalars: Mapping[str, FloatArray]
    steps: NDArray[np.int64]
    axes: Sequence[str]
    faces: Sequence[str]

    def scalar(self, tag: str) -> FloatArray:
        """Values of a tag, NaN where there are none."""
        return self.scalars.get(tag, np.full(len(self.steps), np.nan))


@dataclass(frozen=True)
class Fact:
    """One thing that a summary says of a run.

    Attributes
    ----------
    label, value : a row of a table.
    said : the same in a sentence or a title; empty: not known.
    headline : it belongs in the line on the console.
    """

    label: str
    value: str
    said: str = ""
    headline: bool = False


class Diagnostic(ABC):
    """One measure bound to one probe, in one place: what it listens to, measures, keeps, says and draws.

    To write one's own, give it a :attr:`name` and a :meth:`look`, and pass it to a callback with ``also=[...]``. Its
    scalars are logged and can be monitored; what it has recorded is in ``load(...).extra[name]``. All other methods
    have a default.

    Attributes
    ----------
    name : of its own, letters, digits and ``_ . -``: where its arrays are in the record.
    section : name under which a :class:`~lightning_seqfit.Run` has what :meth:`read` made; empty: under
        ``extra``.
    read_out : the layer that it listens to, ``ReadOut("net.2")``, ``ReadOut()`` for the last ``nn.Linear``; None: it
        looks at the prediction only. Without it an observation has no ``features``.

    Examples
    --------
    >>> class Largest(Diagnostic):
    ...     name = "largest"
    ...
    ...     def begin(self, scene):
    ...         self.points = scene.geometry.points
    ...
    ...     def look(self, observation, scale, step):
    ...         worst = np.argmax(np.abs(observation.residual))
    ...         return Reading({"largest/where": self.points[worst, 0]})
    """

    name: str
    section: str = ""
    read_out: ReadOut | None = None

    def unable(self, scene: Scene) -> str:
        """Why it cannot look at such a scene, the end of a sentence; empty: it can. It is then left out of the fit."""
        return ""

    def begin(self, scene: Scene) -> None:  # noqa: B027 - not all have something to do
        """Compute what the target alone decides. State is kept: a resumed or a second fit goes on."""

    @abstractmethod
    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Measure one look.

        Parameters
        ----------
        observation : what was seen, float64; ``features`` and ``weights`` are those of the layer of :attr:`read_out`.
        scale : the mean square that errors are relative to; NaN: not known.
        step : optimizer steps, counted over all fits.
        """

    def fixed(self) -> Mapping[str, Any]:
        """Arrays and numbers of the whole run, by name, for the record's file; fields have shape ``(N,)``."""
        return {}

    def notes(self) -> list[str]:
        """What is absent, and why."""
        return []

    def state_dict(self) -> dict[str, Any]:
        """State that accumulates, for a checkpoint: arrays, tensors and builtin values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027 - most have no state
        """Become what :meth:`state_dict` saw; an empty state begins anew."""

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """(name, value) of what two diagnostics of one name must agree on to share a probe, and two runs a record."""
        return ()

    @classmethod
    def forms(cls) -> Mapping[str, Form]:
        """Arrays that its section of a file consists of; all are there as soon as the first one is."""
        return {}

    @classmethod
    def read(cls, stored: Stored) -> Any:
        """Make its section of a run from what the file holds; None: it was not watched.

        Raises
        ------
        ValueError
            If that is damaged.
        """
        return None

    @classmethod
    def facts(cls, run: Run) -> list[Fact]:
        """What a summary says of it."""
        return []

    @classmethod
    def views(cls, run: Run) -> Mapping[str, Callable[[Run], View]]:
        """What there is to see of it, by the name that it gets as tag and file: drawn by Matplotlib and in a report."""
        return {}

    @classmethod
    def figures(cls, run: Run) -> Mapping[str, Callable[[Run], Figure]]:
        """What draws it with Matplotlib alone, by the name that a figure gets as tag and file."""
        return {}


class Following(Diagnostic):
    """A diagnostic of what the others have measured; it follows them at each look."""

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        """Nothing is measured yet."""
        return Reading()

    @abstractmethod
    def follow(self, seen: Seen, step: int) -> Mapping[str, float]:
        """Go by what was measured at a look, whose row is in the record; scalars by tag, to be logged."""


class Accumulating(Diagnostic):
    """A diagnostic with a tolerance, whose measure accumulates over the looks in a frozen dataclass."""

    history_kind: ClassVar[type]
    history: Any

    def __init__(self, tolerance: float) -> None:
        self.tolerance = checked_tolerance(tolerance)
        self.history = None

    @property
    def options(self) -> tuple[tuple[str, Any], ...]:
        """The tolerance."""
        return (("tolerance", self.tolerance),)

    def state_dict(self) -> dict[str, Any]:
        """The history."""
        return {} if self.history is None else asdict(self.history)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the history back; an empty state begins anew."""
        self.history = self.history_kind(**checked_history(state, self.history_kind)) if state else None


Section = TypeVar("Section")


def read_section(kind: type[Section], stored: Stored, forms: Mapping[str, Form], **scalars: Any) -> Section | None:
    """Make a section whose fields are the arrays of its forms, and scalars; None without the first array."""
    if next(iter(forms)) not in stored.arrays:
        return None
    arrays: dict[str, Any] = {name: stored.arrays[name] for name in forms if name in stored.arrays}
    arrays |= {name: float(array) for name, array in arrays.items() if not array.shape}
    return kind(**arrays, **scalars)


def no_lines(scene: Scene, along: str) -> str:
    """Why something is absent that is found along lines, the end of a sentence; empty: there are lines."""
    if scene.geometry.has_lines:
        return ""
    return (
        f"points in {scene.geometry.dimension} dimensions have no lines along which {along}; watch a slice, such as "
        "Probe.grid over two of the inputs with predict= that fixes the others"
    )


def number(value: float, form: str) -> str:
    """Return a number as a table shows it.

    Examples
    --------
    >>> number(0.5, "{:.2f}"), number(math.nan, "{:.2f}")
    ('0.50', 'not known yet')
    """
    return form.format(value) if math.isfinite(value) else "not known yet"


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
