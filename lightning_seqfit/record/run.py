"""What was recorded of one probe, by name: the arrays of a file become a :class:`Run`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightning_seqfit.diagnostics import DIAGNOSTICS, Diagnostic
from lightning_seqfit.diagnostics.base import Stored, checked_tolerance
from lightning_seqfit.diagnostics.section import Section
from lightning_seqfit.geometry import MOST_AXES, FloatArray, Geometry, faces_of_box
from lightning_seqfit.planning import Plan
from lightning_seqfit.probe import Probe
from lightning_seqfit.record.against import FINAL, read_against
from lightning_seqfit.record.architecture import Architecture
from lightning_seqfit.record.cells import geometry_of
from lightning_seqfit.record.display import html_of, line_of
from lightning_seqfit.record.frames import dataset_of, frame_of
from lightning_seqfit.record.history import Column, Record
from lightning_seqfit.record.summary import Summary, summarise

if TYPE_CHECKING:
    import pandas
    import xarray

    from lightning_seqfit.diagnostics.basis import BasisRecord
    from lightning_seqfit.diagnostics.change import ChangeRecord
    from lightning_seqfit.diagnostics.front import FrontRecord
    from lightning_seqfit.diagnostics.oscillations import OscillationsRecord
    from lightning_seqfit.diagnostics.spectrum import SpectrumRecord
    from lightning_seqfit.diagnostics.stall import StallRecord

#: Version of the files written here, and all that can be read.
FILE_VERSION = 2
READABLE_VERSIONS = (1, 2)


class Arrays(Mapping[str, Column]):
    """Arrays by name, with or without a prefix.

    Examples
    --------
    >>> arrays = Arrays({"error/max": np.zeros(2)}, "seqfit/")
    >>> arrays["error/max"] is arrays["seqfit/error/max"]
    True
    >>> arrays
    <arrays: error/max>
    """

    def __init__(self, arrays: Mapping[str, Column], prefix: str) -> None:
        self._arrays = dict(arrays)
        self._prefix = prefix

    def __getitem__(self, name: str) -> Column:
        try:
            return self._arrays[name.removeprefix(self._prefix)]
        except KeyError:
            raise KeyError(f"{name!r} is not recorded; there are: {', '.join(self._arrays) or 'none'}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        return f"<arrays: {', '.join(self._arrays) or 'none'}>"


#: Values per look by tag, with or without the ``seqfit/`` prefix that the loggers show.
Scalars = Arrays


@dataclass(frozen=True)
class Components:
    """Several outputs of a module at the last look; at most 12.

    Attributes
    ----------
    numbers : of the outputs, shape ``(k,)``.
    target, prediction : shape ``(k, cells)``.
    """

    numbers: NDArray[np.int64]
    target: FloatArray
    prediction: FloatArray


@dataclass(frozen=True)
class Run:
    """What was recorded of one probe; the first axis of every array over time is the look.

    Attributes
    ----------
    name, quantity, axes, bounds, shape : of the probe; ``shape`` is that of the recorded cells, and of those
        that no point of the domain lies in.
    points : shape ``(cells, d)``; ``target`` and ``trend``: shape ``(cells,)``; NaN: the probe had no target.
    steps : optimizer steps (``global_step``) of the looks, shape ``(looks,)``.
    total_steps : the same counted over all fits, never falling; the unit of arrivals.
    logger_steps : the loggers' axis; ``fit``: 0 for the first fit, 1 for the second, ...
    prediction : shape ``(looks, cells)``. Of ``output="norm"`` it and the target are Euclidean lengths over
        all outputs.
    scalars : values by tag, shape ``(looks,)``, NaN where a look has none.
    sections : what each of our diagnostics has recorded, by name; also as attributes, such as ``run.front``, which are
        None where that was not watched.
    extra : arrays of other diagnostics, by their name: a mapping of arrays each.
    notes : what was switched off or is absent, and why.
    noise : standard deviation of the target's noise; 0: it has none.
    final : the target is the run's own last prediction: :meth:`against`.
    scale_of : what an error of 1 is: the target's ``"oscillation"``, its ``"deviation"`` from the mean, its
        ``"value"``, a scale that was ``"given"``, or the error at the ``"first look"``; empty: in an older record.
    scale_share : the mean square of an error of 1 over the target's variance; NaN: not known, or it has none.
    gaps : stretches (low, high) of a line without points, in which nothing is measured.
    faces : names of the domain's faces; by default those of the box, and none of points in more than three dimensions.
    kind : of the geometry: ``"grid"``, ``"series"``, ``"domain"``, ``"points"`` or ``"cloud"``; empty: in an older
        record.
    resolution : points of the probe along each axis; empty: they are no grid, or in an older record.
    inside : which of the cells of ``shape`` are recorded, in C order; None: all.
    domain : which points of ``resolution`` lie in the domain, in C order; None: all, or it is not recorded.
    held : means of the places whose values the cells have, shape ``(cells, d)``, where those are not their own.
    diagnostics : what the sections are of; they sum it up and draw it.
    fine : the same with the fields of the last look only, first axis of length 1, on more cells; None where ``shape``
        holds every point, or the front was switched off.
    target_range, prediction_range : of the last look, the least and the largest value within each cell of a line, shape
        ``(2, cells)``; only in ``fine``, and None where its cells are the points.
    output : number of the module's output that this is of, or ``"norm"``: all together.
    components : of a probe with several outputs, each of them at the last look, on ``points``; else None.
    recorded : the run that this is a reading of, by :meth:`against`; else None.
    network : what is known of the network that was trained; None: nothing, as of an older record.
    hyperparameters : of module and data module, by name, as text, numbers and booleans; empty in an older record.
    settings : versions, and how probe, callbacks and trainer were set, by name; empty in an older record.
    finished : the fit came to its end.
    """

    name: str
    quantity: str
    axes: tuple[str, ...]
    bounds: tuple[tuple[float, float], ...]
    shape: tuple[int, ...]
    points: FloatArray
    target: FloatArray
    trend: FloatArray
    steps: NDArray[np.int64]
    total_steps: NDArray[np.int64]
    logger_steps: NDArray[np.int64]
    fit: NDArray[np.int64]
    prediction: FloatArray
    scalars: Scalars
    sections: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Arrays] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    noise: float = 0.0
    final: bool = False
    scale_of: str = ""
    scale_share: float = math.nan
    gaps: tuple[tuple[float, float], ...] = ()
    faces: tuple[str, ...] = ()
    kind: str = ""
    resolution: tuple[int, ...] = ()
    inside: NDArray[np.bool_] | None = None
    domain: NDArray[np.bool_] | None = None
    held: FloatArray | None = None
    diagnostics: tuple[type[Diagnostic] | Diagnostic, ...] = field(default=DIAGNOSTICS, repr=False)
    fine: Run | None = None
    target_range: FloatArray | None = None
    prediction_range: FloatArray | None = None
    output: int | str = 0
    components: Components | None = None
    recorded: Run | None = field(default=None, repr=False)
    network: Architecture | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    finished: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "faces", self.faces or _faces(self.axes))

    @property
    def known(self) -> bool:
        """Whether there is a target."""
        return bool(np.isfinite(self.target).any())

    @property
    def geometry(self) -> Geometry:
        """Where the recorded cells lie, to measure on; anew at each call."""
        return geometry_of(self)

    @property
    def front(self) -> FrontRecord | None:
        """The error front."""
        return self._section("front")

    @property
    def oscillations(self) -> OscillationsRecord | None:
        """Counts of oscillations."""
        return self._section("oscillations")

    @property
    def spectrum(self) -> SpectrumRecord | None:
        """The residual's spectrum."""
        return self._section("spectrum")

    @property
    def basis(self) -> BasisRecord | None:
        """The basis and its snapshots."""
        return self._section("basis")

    @property
    def change(self) -> ChangeRecord | None:
        """How much the prediction still moved, of a probe without a target."""
        return self._section("change")

    @property
    def stall(self) -> StallRecord | None:
        """Whether it got on, at each look."""
        return self._section("stall")

    @property
    def losses(self) -> dict[str, FloatArray]:
        """Terms of the training's loss by name, shape ``(looks,)``; the whole is ``scalars["training/loss"]``."""
        tag = "training/loss/"
        return {name.removeprefix(tag): values for name, values in self.scalars.items() if name.startswith(tag)}

    def __getattr__(self, name: str) -> Any:
        """A section without a property of its own."""
        sections = self.__dict__.get("sections", {})
        if name in sections or name in {kind.section for kind in self.__dict__.get("diagnostics", ())} - {""}:
            return self._section(name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _section(self, name: str) -> Any | None:
        """A section by name, as what draws itself as one of this run."""
        section = self.sections.get(name)
        return section.of(self, name) if isinstance(section, Section) else section

    def __repr__(self) -> str:
        return line_of(self)

    def _repr_html_(self) -> str:
        return html_of(self)

    def replace(self, **changes: Any) -> Run:
        """Return the run with other values of fields, or other sections by name.

        Raises
        ------
        TypeError
            If there is no such field or section.
        """
        names = {each.name for each in fields(self)}
        known = names | self.sections.keys() | {kind.section for kind in self.diagnostics} - {""}
        if changes.keys() - known:
            raise TypeError(f"a run has no {min(changes.keys() - known)!r}; there are: {', '.join(sorted(known))}")
        own = {name: value for name, value in changes.items() if name in names}
        sections = {name: value for name, value in changes.items() if name not in names}
        return replace(self, **{"sections": {**self.sections, **sections}, **own})

    def against(
        self,
        target: Callable[..., Any] | ArrayLike | str,
        *,
        tolerance: float = 0.25,
        noise: float | str = "auto",
        relative: str = "global",
        scale: float | None = None,
    ) -> Run:
        """Read the recorded predictions against a target: that of a run which had none, or another one.

        Error, front, oscillations and spectrum are measured anew at each recorded look, on the recorded cells: what is
        not seen there is not measured, and on coarser cells than the probe's own a front is read less exactly. Of a
        probe without a target up to 4,096 cells are recorded, of one with a target up to 1,024. A function is averaged
        over each cell as the predictions were.

        Parameters
        ----------
        target : a function ``(points (M, d)) -> (M,)`` of a float32 tensor; values at :attr:`points`, in that order, or
            of :attr:`shape`, or of the probe's own grid; a number; or ``"final"``: the run's own last prediction. That
            tells in which order, from where and at which frequencies the prediction arrived at what it is, and nothing
            of whether that is right.
        tolerance : relative error at which a place, an oscillation or a band is fitted, between 0 and 1.
        noise : standard deviation of the target's noise; ``"auto"``: estimated where values are given.
        relative, scale : as for :meth:`~lightning_seqfit.Probe.grid`.

        Returns
        -------
        Run
            With ``target``, scalars, sections, notes, summary and figures of its own; ``fine`` is None.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            If an argument cannot be used, the target cannot be evaluated, or the recorded cells cannot tell it.

        Examples
        --------
        >>> import tempfile
        >>> import lightning as L
        >>> from lightning_seqfit import Probe, load
        >>> from lightning_seqfit.callbacks import SequentialFitting
        >>> from lightning_seqfit.demos import TanhRegression, sine
        >>> watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], target=None))
        >>> options = {"logger": False, "default_root_dir": tempfile.mkdtemp(), "enable_checkpointing": False}
        >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
        >>> L.Trainer(max_steps=2, callbacks=[watcher], **options, **quiet).fit(TanhRegression(width=8))
        >>> run = load(options["default_root_dir"])
        >>> run.known, run.front is None, run.change.moving.shape
        (False, True, (3,))
        >>> known = run.against(sine)
        >>> known.front.fitted.tolist(), known.scalars["error/relative_rmse"].shape
        ([0.0, 0.0, 0.0], (3,))
        """
        tolerance = checked_tolerance(tolerance)
        if self.recorded is not None:
            return self.recorded.against(target, tolerance=tolerance, noise=noise, relative=relative, scale=scale)
        seen = read_against(self, target, tolerance=tolerance, noise=noise, relative=relative, scale=scale)
        run = as_run(contents(seen.record, seen.fixed, seen.about))
        others = {name: section for name, section in self.sections.items() if run.sections.get(name) is None}
        others.pop("stall", None)  # it went by the other target
        if others.get("basis") is not None:
            unknown = np.full(len(self.steps), np.nan)
            others["basis"] = replace(others["basis"], projection_error=unknown)
        return replace(
            run,
            sections={**run.sections, **others},
            extra=self.extra,
            diagnostics=self.diagnostics,
            final=isinstance(target, str) and target == FINAL,
            network=self.network,
            hyperparameters=self.hyperparameters,
            settings=self.settings,
            finished=self.finished,
            recorded=self,
        )

    def probe(self) -> Probe:
        """Return a probe of the recorded target, at the finest cells on which it is recorded.

        Of ``output="norm"`` that of all outputs, of which at most 12 are recorded.

        Raises
        ------
        ValueError
            If the probe had no target.
        """
        if not self.known:
            raise ValueError("the run has no target: read it against one first, run.against(target)")
        finest = self.fine or self
        target = finest.target
        if self.output == "norm":
            if self.components is None:
                raise ValueError("the run has lengths over all outputs only: make a probe of the target, and plan that")
            finest, target = self, self.components.target.T
        return Probe(
            geometry_of(finest),
            target.astype(np.float64),
            name=self.name,
            quantity=self.quantity,
            output="norm" if self.output == "norm" else 0,
            noise="auto" if self.noise else 0.0,
        )

    def plan(self) -> Plan:
        """Say what the recorded target asks of a network: :meth:`Probe.plan`."""
        return self.probe().plan()

    def summary(self) -> Summary:
        """What there is to say of the last look: ``str`` of it is a table, ``line`` a sentence."""
        return summarise(self)

    def to_frame(self) -> pandas.DataFrame:
        """Return the scalars as a table of pandas, with a row for each look.

        Returns
        -------
        pandas.DataFrame
            Its index ``step`` is :attr:`total_steps`; a second fit looks again at the step where the first ended. Its
            columns are ``fit``, ``logger_step`` and all tags, such as ``error/relative_rmse``; NaN: a look has none.
            ``stall/verdict`` holds words.

        Raises
        ------
        ModuleNotFoundError
            If pandas is not installed: ``pip install 'lightning-seqfit[frames]'``.

        Examples
        --------
        >>> import tempfile
        >>> import lightning as L
        >>> from lightning_seqfit import Probe, load
        >>> from lightning_seqfit.callbacks import SequentialFitting
        >>> from lightning_seqfit.demos import TanhRegression, sine
        >>> watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], sine))
        >>> options = {"logger": False, "default_root_dir": tempfile.mkdtemp(), "enable_checkpointing": False}
        >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
        >>> L.Trainer(max_steps=2, callbacks=[watcher], **options, **quiet).fit(TanhRegression(width=8))
        >>> frame = load(options["default_root_dir"]).to_frame()
        >>> frame.index.name, frame.index.tolist(), frame["front/fitted"].tolist()
        ('step', [0, 1, 2], [0.0, 0.0, 0.0])
        """
        return frame_of(self)

    def to_xarray(self) -> xarray.Dataset:
        """Return the fields as a dataset of xarray, which can be written as netCDF.

        Returns
        -------
        xarray.Dataset
            Over ``look`` and the places: ``prediction``, ``local_error``, ``local_change``; over the places:
            ``target``, ``trend``, ``arrival``, ``settled``, ``active``; ``power`` over ``look`` and ``frequency``;
            ``snapshots`` over ``snapshot``, ``unit`` and ``point``. What was not watched is left out. On a full grid
            the places are its axes by name, elsewhere one dimension ``cell``; an axis whose name is one of the above
            has ``axis_`` before it. What is said of the whole run is in its attributes.

        Raises
        ------
        ModuleNotFoundError
            If xarray is not installed: ``pip install 'lightning-seqfit[frames]'``.

        Examples
        --------
        >>> import tempfile
        >>> import lightning as L
        >>> from lightning_seqfit import Probe, load
        >>> from lightning_seqfit.callbacks import SequentialFitting
        >>> from lightning_seqfit.demos import TanhRegression, sine
        >>> watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], sine))
        >>> options = {"logger": False, "default_root_dir": tempfile.mkdtemp(), "enable_checkpointing": False}
        >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
        >>> L.Trainer(max_steps=2, callbacks=[watcher], **options, **quiet).fit(TanhRegression(width=8))
        >>> dataset = load(options["default_root_dir"]).to_xarray()
        >>> dict(dataset["prediction"].sizes), float(dataset["target"].sel(x=0.25, method="nearest")) > 0.9
        ({'look': 3, 'x': 512}, True)
        """
        return dataset_of(self)


def contents(record: Record, fixed: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Column]:
    """Everything that the file holds, as plain arrays.

    Parameters
    ----------
    record : the looks.
    fixed : arrays that belong to the run, not to a look.
    about : what JSON can hold.
    """
    tags = [name for name in record.names if name.startswith(("scalar/", "kept/"))]
    arrays = {name: record[name] for name in record.names if name not in tags and name != "look"}
    arrays |= {name: np.asarray(value) for name, value in fixed.items()}
    arrays["scalars"] = np.stack([record[tag] for tag in tags], axis=1) if tags else np.zeros((len(record), 0))
    arrays["tags"] = np.array([tag.partition("/")[2] for tag in tags], dtype=np.str_)
    return labelled(arrays, about)


def labelled(arrays: Mapping[str, Column], about: Mapping[str, Any]) -> dict[str, Column]:
    """Arrays, and with them what is said of the run, the version of the file, and which arrays there are."""
    names = sorted({*arrays, "about"})  # what is missing later was lost
    return {**arrays, "about": np.array(json.dumps({"version": FILE_VERSION, "arrays": names, **about}))}


def about_in(array: Column) -> dict[str, Any]:
    """What :func:`contents` was told about the run, and which arrays it made.

    Raises
    ------
    ValueError
        If the array holds no JSON of a mapping.
    """
    if array.shape or array.dtype.kind != "U":
        raise ValueError(f"'about' is {array.dtype} of shape {array.shape}, no text")
    about = json.loads(str(array))
    if not isinstance(about, dict):
        raise ValueError(f"'about' is {type(about).__name__}, no mapping")
    return about


def check_version(about: Mapping[str, Any], source: str) -> None:
    """Refuse what this release cannot read."""
    version = about.get("version")
    if type(version) is not int or version not in READABLE_VERSIONS:
        raise ValueError(
            f"{source} has version {version}, expected {FILE_VERSION} or older: load it with the release of "
            "lightning-seqfit that wrote it"
        )


def stored_sections(
    arrays: Mapping[str, Column], scalars: Mapping[str, FloatArray], axes: Sequence[str], faces: Sequence[str]
) -> Callable[[str], Stored]:
    """Return what gives the part of a file that belongs to a diagnostic, by its name."""

    def stored(name: str) -> Stored:
        prefix = f"{name}/"
        own = {key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)}
        return Stored(own, scalars, arrays["total_steps"], axes, faces)

    return stored


def as_run(
    arrays: Mapping[str, Column],
    source: str = "these arrays",
    diagnostics: Sequence[type[Diagnostic] | Diagnostic] = DIAGNOSTICS,
) -> Run:
    """Give names to what :func:`contents` holds.

    Parameters
    ----------
    arrays : by name.
    source : where they come from, for errors.
    diagnostics : what makes their sections; arrays of others are in ``extra``.

    Raises
    ------
    ValueError
        If that is of another version, or damaged.
    """
    about = about_in(arrays["about"]) if "about" in arrays else {}
    check_version(about, source)
    values = {str(tag): arrays["scalars"][:, i] for i, tag in enumerate(arrays["tags"])}
    faces = tuple(about.get("faces", ())) or _faces(about["axes"])
    stored = stored_sections(arrays, values, about["axes"], faces)
    run = Run(
        name=about["name"],
        quantity=about["quantity"],
        axes=tuple(about["axes"]),
        bounds=tuple((low, high) for low, high in about["bounds"]),
        shape=tuple(about["shape"]),
        points=arrays["points"],
        target=arrays["target"],
        trend=arrays["trend"],
        steps=arrays["steps"],
        total_steps=arrays["total_steps"],
        logger_steps=arrays["logger_steps"],
        fit=arrays["fit"],
        prediction=arrays["prediction"],
        scalars=Scalars(values, f"seqfit/{about['name']}/" if about["name"] else "seqfit/"),
        sections={kind.section: kind.read(stored(kind.name)) for kind in diagnostics if kind.section},
        extra={name: Arrays(stored(name).arrays, f"{name}/") for name in about.get("extra", {})},
        notes=tuple(about["notes"]),
        noise=about.get("noise", 0.0),
        scale_of=about.get("scale_of", ""),
        scale_share=about.get("scale_share", math.nan),
        gaps=tuple((low, high) for low, high in about.get("gaps", [])),
        faces=faces,
        kind=about.get("geometry", ""),
        resolution=tuple(about.get("resolution") or ()),
        inside=arrays.get("inside"),
        domain=_unpacked(arrays.get("domain"), about.get("resolution")),
        held=arrays.get("held"),
        diagnostics=tuple(diagnostics),
        output=about.get("output", 0),
        network=Architecture.of(about.get("network")),
        hyperparameters=about.get("hyperparameters", {}),
        settings=about.get("settings", {}),
        finished=about.get("finished", False),
        components=Components(**own) if (own := stored("components").arrays) else None,
    )
    fine = _fine(run, arrays, about)
    return run if fine is None else replace(run, fine=fine)


def _unpacked(packed: Column | None, resolution: Sequence[int] | None) -> NDArray[np.bool_] | None:
    """A mask of which a file holds eight in a byte."""
    return None if packed is None else np.unpackbits(packed, count=math.prod(resolution or ())).astype(bool)


def _faces(axes: Sequence[str]) -> tuple[str, ...]:
    """Faces of a domain of which nothing else is known: points in more than three dimensions have none."""
    return faces_of_box(axes) if len(axes) <= MOST_AXES else ()


def _fine(run: Run, arrays: Mapping[str, Column], about: Mapping[str, Any]) -> Run | None:
    """Return the run with its last look alone, on more cells; None where a part of it was switched off, or none is."""
    if "fine/points" not in arrays:
        return None
    sections = dict(run.sections)
    for kind in run.diagnostics:
        on_cells = {name: shape for name, (_, shape) in kind.forms().items() if "cells" in shape}
        if on_cells and sections.get(kind.section) is not None:
            if any(f"fine/{kind.name}/{name}" not in arrays for name in on_cells):
                return None
            finer = {name: arrays[f"fine/{kind.name}/{name}"] for name in on_cells}
            finer = {name: field[np.newaxis] if "looks" in on_cells[name] else field for name, field in finer.items()}
            sections[kind.section] = replace(sections[kind.section], **finer)
    return replace(
        run,
        shape=tuple(about["fine_shape"]),
        points=arrays["fine/points"],
        target=arrays["fine/target"],
        trend=arrays["fine/trend"],
        inside=arrays.get("fine/inside"),
        held=arrays.get("fine/held"),
        prediction=arrays["fine/prediction"][np.newaxis],
        sections=sections,
        target_range=arrays.get("fine/target_range"),
        prediction_range=arrays.get("fine/prediction_range"),
        components=None,
    )
