"""What was recorded of one probe, by name: the arrays of a file become a :class:`Run`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.record.history import Column, Record

#: Version of the files written here, and all that can be read.
FILE_VERSION = 2
READABLE_VERSIONS = (1, 2)


class Scalars(Mapping[str, FloatArray]):
    """Values per look by tag, with or without the ``seqfit/`` prefix that the loggers show."""

    def __init__(self, values: dict[str, FloatArray], prefix: str) -> None:
        self._values = values
        self._prefix = prefix

    def __getitem__(self, tag: str) -> FloatArray:
        """Values of a tag, shape ``(looks,)``; NaN where the look has none."""
        try:
            return self._values[tag.removeprefix(self._prefix)]
        except KeyError:
            raise KeyError(f"{tag!r} is not recorded; there are: {', '.join(self._values)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True)
class FrontRecord:
    """The error front over the looks; arrays have the look as first axis, but for the last four.

    Attributes
    ----------
    local_error : q, shape ``(looks, cells)``.
    fitted : fitted share, shape ``(looks,)``; likewise ``sequentiality`` and ``speed``.
    depth, inwardness : by face, shape ``(looks,)`` each.
    overall_inwardness : shape ``(looks,)``.
    arrival, settled : first step at which a cell was fitted, and since when it is; shape ``(cells,)``, ``inf``: never.
    active : the cells that count, shape ``(cells,)``.
    tolerance : relative error at which a point is fitted.
    """

    local_error: FloatArray
    fitted: FloatArray
    sequentiality: FloatArray
    speed: FloatArray
    depth: dict[str, FloatArray]
    inwardness: dict[str, FloatArray]
    overall_inwardness: FloatArray
    arrival: FloatArray
    settled: FloatArray
    active: BoolArray
    tolerance: float


@dataclass(frozen=True)
class OscillationsRecord:
    """Oscillation counts over the looks, each of shape ``(looks,)``, in halves."""

    target: FloatArray
    model: FloatArray
    fitted: FloatArray
    missing: FloatArray
    spurious: FloatArray


@dataclass(frozen=True)
class SpectrumRecord:
    """The residual's spectrum over the looks; arrays have the look as first axis, but for the last five.

    Attributes
    ----------
    relative_error, share : by band label such as ``"8-16"``, shape ``(looks,)`` each; NaN where a band does not carry.
    trend : trend term / scale, shape ``(looks,)``; likewise ``front_frequency`` and ``spectral_order``.
    power : of the residual at ``frequency``, shape ``(looks, frequencies)``; the first one is the trend term.
    frequency : cycles per domain length, shape ``(frequencies,)``.
    edges : of the bands, shape ``(bands + 1,)``.
    carrying : bands in which the target oscillates, shape ``(bands,)``.
    converged : first step at which a band was fitted, shape ``(bands,)``; ``inf``: never.
    target_trend_share : variance of the target's trend / variance of the target.
    """

    relative_error: dict[str, FloatArray]
    share: dict[str, FloatArray]
    trend: FloatArray
    front_frequency: FloatArray
    spectral_order: FloatArray
    power: FloatArray
    frequency: FloatArray
    edges: NDArray[np.int64]
    carrying: BoolArray
    converged: FloatArray
    target_trend_share: float

    @property
    def labels(self) -> list[str]:
        """Labels of the bands, low to high."""
        return list(self.share)


@dataclass(frozen=True)
class BasisRecord:
    """The basis over the looks, each of shape ``(looks,)``, and its snapshots: S of U units at P points.

    Attributes
    ----------
    numerical_rank, effective_rank, monotone_share, median_laps, projection_error, constant_share, dead_domain : NaN
        where absent.
    snapshot_steps : shape ``(S,)``, counted over all fits.
    snapshot_units : numbers of the weightiest units, shape ``(S, U)``.
    snapshot_places : where each unit rises or falls, shape ``(S, U, d)``.
    snapshots : values, shape ``(S, U, P)``, float16.
    snapshot_points : shape ``(P, d)``.
    """

    numerical_rank: FloatArray
    effective_rank: FloatArray
    monotone_share: FloatArray
    median_laps: FloatArray
    projection_error: FloatArray
    constant_share: FloatArray
    dead_domain: FloatArray
    snapshot_steps: NDArray[np.int64]
    snapshot_units: NDArray[np.int64]
    snapshot_places: FloatArray
    snapshots: NDArray[np.float16]
    snapshot_points: FloatArray


@dataclass(frozen=True)
class Run:
    """What was recorded of one probe; the first axis of every array over time is the look.

    Attributes
    ----------
    name, quantity, axes, bounds, shape : of the probe; ``shape`` is that of the recorded cells.
    points : shape ``(cells, d)``; ``target`` and ``trend``: shape ``(cells,)``.
    steps : optimizer steps (``global_step``) of the looks, shape ``(looks,)``.
    total_steps : the same counted over all fits, never falling; the unit of arrivals.
    logger_steps : the loggers' axis; ``fit``: 0 for the first fit, 1 for the second, ...
    prediction : shape ``(looks, cells)``.
    scalars : values by tag, shape ``(looks,)``, NaN where a look has none.
    front, oscillations, spectrum, basis : None where that was not watched.
    notes : what was switched off or is absent, and why.
    noise : standard deviation of the target's noise; 0: it has none.
    scale_of : what an error of 1 is: the target's ``"oscillation"``, its ``"deviation"`` from the mean, its
        ``"value"``, a scale that was ``"given"``, or the error at the ``"first look"``; empty: in an older record.
    gaps : stretches (low, high) of a line without points, in which nothing is measured.
    fine : the same with the fields of the last look only, first axis of length 1, on more cells; None where ``shape``
        holds every point, or the front was switched off.
    target_range, prediction_range : of the last look, the least and the largest value within each cell of a line, shape
        ``(2, cells)``; only in ``fine``, and None where its cells are the points.
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
    front: FrontRecord | None = None
    oscillations: OscillationsRecord | None = None
    spectrum: SpectrumRecord | None = None
    basis: BasisRecord | None = None
    notes: tuple[str, ...] = field(default=())
    noise: float = 0.0
    scale_of: str = ""
    gaps: tuple[tuple[float, float], ...] = ()
    fine: Run | None = None
    target_range: FloatArray | None = None
    prediction_range: FloatArray | None = None

    @property
    def faces(self) -> tuple[str, ...]:
        """Names of the box's faces."""
        return tuple(f"{axis}_{side}" for axis in self.axes for side in ("min", "max"))


def contents(record: Record, fixed: Mapping[str, Any], about: Mapping[str, Any]) -> dict[str, Column]:
    """Everything that the file holds, as plain arrays.

    Parameters
    ----------
    record : the looks.
    fixed : arrays that belong to the run, not to a look.
    about : what JSON can hold.
    """
    tags = [name for name in record.names if name.startswith("scalar/")]
    arrays = {name: record[name] for name in record.names if name not in tags and name != "look"}
    arrays |= {name: np.asarray(value) for name, value in fixed.items()}
    arrays["scalars"] = np.stack([record[tag] for tag in tags], axis=1) if tags else np.zeros((len(record), 0))
    arrays["tags"] = np.array([tag.removeprefix("scalar/") for tag in tags], dtype=np.str_)
    names = sorted([*arrays, "about"])  # what is missing later was lost
    arrays["about"] = np.array(json.dumps({"version": FILE_VERSION, "arrays": names, **about}))
    return arrays


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


def as_run(arrays: Mapping[str, Column], source: str = "these arrays") -> Run:
    """Give names to what :func:`contents` holds.

    Raises
    ------
    ValueError
        If that is of another version.
    """
    about = about_in(arrays["about"]) if "about" in arrays else {}
    check_version(about, source)
    values = {str(tag): arrays["scalars"][:, i] for i, tag in enumerate(arrays["tags"])}
    looks = len(arrays["steps"])

    def scalar(tag: str) -> FloatArray:
        return values.get(tag, np.full(looks, np.nan))

    faces = [f"{axis}_{side}" for axis in about["axes"] for side in ("min", "max")]
    front = oscillations = spectrum = basis = None
    if "front/arrival" in arrays:
        front = FrontRecord(
            local_error=arrays["front/local_error"],
            fitted=scalar("front/fitted"),
            sequentiality=scalar("front/sequentiality"),
            speed=scalar("front/speed"),
            depth={face: scalar(f"front/depth/{face}") for face in faces},
            inwardness={face: scalar(f"front/inwardness/{face}") for face in faces},
            overall_inwardness=scalar("front/inwardness"),
            arrival=arrays["front/arrival"],
            settled=arrays["front/settled"],
            active=arrays["front/active"],
            tolerance=float(arrays["front/tolerance"]),
        )
    if "oscillations/target" in values:
        oscillations = OscillationsRecord(
            **{key: scalar(f"oscillations/{key}") for key in ("target", "model", "fitted", "missing", "spurious")}
        )
    if "fourier/converged" in arrays:
        edges = arrays["fourier/edges"]
        labels = [f"{low}-{high}" for low, high in itertools.pairwise(edges)]
        spectrum = SpectrumRecord(
            relative_error={label: scalar(f"fourier/relative_error/{label}") for label in labels},
            share={label: scalar(f"fourier/share/{label}") for label in labels},
            trend=scalar("fourier/trend"),
            front_frequency=scalar("fourier/front_frequency"),
            spectral_order=scalar("fourier/spectral_order"),
            power=arrays["fourier/power"],
            frequency=arrays["fourier/frequency"],
            edges=edges,
            carrying=arrays["fourier/carrying"],
            converged=arrays["fourier/converged"],
            target_trend_share=float(arrays["fourier/target_trend_share"]),
        )
    if "basis/snapshots" in arrays:
        measured = ("numerical_rank", "effective_rank", "monotone_share", "median_laps", "projection_error")
        basis = BasisRecord(
            **{key: scalar(f"basis/{key}") for key in (*measured, "constant_share", "dead_domain")},
            snapshot_steps=arrays["basis/snapshot_steps"],
            snapshot_units=arrays["basis/snapshot_units"],
            snapshot_places=arrays["basis/snapshot_places"],
            snapshots=arrays["basis/snapshots"],
            snapshot_points=arrays["basis/snapshot_points"],
        )
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
        front=front,
        oscillations=oscillations,
        spectrum=spectrum,
        basis=basis,
        notes=tuple(about["notes"]),
        noise=about.get("noise", 0.0),
        scale_of=about.get("scale_of", ""),
        gaps=tuple((low, high) for low, high in about.get("gaps", [])),
    )
    whole = "fine/points" in arrays and (front is None or "fine/front/local_error" in arrays)  # not switched off
    return replace(run, fine=_fine(run, arrays, tuple(about["fine_shape"]))) if whole else run


def _fine(run: Run, arrays: Mapping[str, Column], shape: tuple[int, ...]) -> Run:
    """Return the run with its last look alone, on more cells."""
    front = run.front
    if front is not None:
        front = replace(
            front,
            local_error=arrays["fine/front/local_error"][np.newaxis],
            arrival=arrays["fine/front/arrival"],
            settled=arrays["fine/front/settled"],
            active=arrays["fine/front/active"],
        )
    return replace(
        run,
        shape=shape,
        points=arrays["fine/points"],
        target=arrays["fine/target"],
        trend=arrays["fine/trend"],
        prediction=arrays["fine/prediction"][np.newaxis],
        front=front,
        target_range=arrays.get("fine/target_range"),
        prediction_range=arrays.get("fine/prediction_range"),
    )
