"""Recorded predictions read against another target than that of the training, or against the last of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lightning_seqfit.diagnostics import Diagnostic, Scene
from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.diagnostics.oscillations import OscillationDiagnostic
from lightning_seqfit.diagnostics.spectrum import SpectrumDiagnostic
from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.noise import noise_deviation
from lightning_seqfit.measures.scale import error_of, scale_of
from lightning_seqfit.measures.trend import Trend, fit_trend
from lightning_seqfit.probe import Observation
from lightning_seqfit.probe.checks import arguments, values
from lightning_seqfit.probe.checks.echo import shown
from lightning_seqfit.probe.outputs import Columns
from lightning_seqfit.probe.places import evaluated
from lightning_seqfit.probe.targets import read
from lightning_seqfit.record.cells import finer_geometry, geometry_of
from lightning_seqfit.record.history import Record

if TYPE_CHECKING:
    from lightning_seqfit.record.run import Run

#: What reads a prediction against a target.
REPLAYED: tuple[Callable[[float], Diagnostic], ...] = (FrontDiagnostic, OscillationDiagnostic, SpectrumDiagnostic)
#: Their tags begin so, and what other tags tell of a target.
TAGS = ("error/", "front/", "oscillations/", "fourier/", "basis/projection_error", "stall/")
#: The run's own last prediction.
FINAL = "final"
#: Share of a target's variance that the recorded cells must keep; else it is said.
LEAST_KEPT = 0.8


@dataclass(frozen=True)
class Reread:
    """What :func:`read_against` has found: looks, arrays of the run and what is to be said, as a file has them."""

    record: Record
    fixed: Mapping[str, Any]
    about: Mapping[str, Any]


def read_against(
    run: Run, target: Any, *, tolerance: float, noise: float | str, relative: str, scale: float | None
) -> Reread:
    """Read every recorded look of a run against a target; see :meth:`~lightning_seqfit.record.run.Run.against`."""
    if not isinstance(run.output, int):
        raise ValueError(
            "a record of a length over several outputs holds no prediction of each, which a target could be held "
            "against: watch each with output=[0, 1, ...]"
        )
    given_noise, given_scale = arguments.checked_noise(noise), arguments.checked_scale(scale)
    diagnostics = [make(tolerance) for make in REPLAYED]
    with np.errstate(all="ignore"):
        seen, noise, notes = _values(run, target, given_noise)
        geometry = geometry_of(run)
        trend = _trend(geometry, seen, noise, notes, final=_is_final(target))
        of = scale_of(geometry, seen, trend, noise=noise, given=given_scale)
        scene = Scene(geometry, seen, trend, noise, of, arguments.checked_relative(relative))
        record, fixed, absent = _replayed(run, scene, diagnostics)
    said = [note for note in run.notes if not note.startswith(_outdated(diagnostics))]
    lost = [OF_ANOTHER] if run.basis is not None else []
    about = {
        **{"name": run.name, "quantity": run.quantity, "axes": run.axes, "bounds": run.bounds, "shape": run.shape},
        **{"resolution": run.resolution, "gaps": run.gaps, "geometry": run.kind, "faces": geometry.faces, "extra": {}},
        "output": run.output,
        **{
            "noise": noise,
            "scale_of": of.of,
            "scale_share": scene.scale_share,
            "notes": [*said, *notes, *absent, *lost],
        },
    }
    domain = {name: mask for name in ("inside", "held") if (mask := getattr(run, name)) is not None}
    return Reread(record, {"points": run.points, "target": seen, "trend": trend.values, **domain, **fixed}, about)


def _is_final(target: Any) -> bool:
    return isinstance(target, str) and target == FINAL


def _values(run: Run, target: Any, noise: float | None) -> tuple[FloatArray, float, list[str]]:
    """Return the target on the recorded cells, the noise there, and what to say of both."""
    cells = len(run.points)
    if _is_final(target):
        finite = np.flatnonzero(np.isfinite(run.prediction).all(axis=1))
        if not finite.size:
            raise ValueError(
                "there is no final prediction to read the run against: none that was recorded is finite everywhere"
            )
        look = int(finite[-1])
        own = f"read against the run's own prediction at step {run.steps[look]:,}, not against a target"
        own += "" if look == len(run.steps) - 1 else ", the last one that is finite everywhere"
        return run.prediction[look].astype(np.float64), noise or 0.0, [own]
    finer = finer_geometry(run)
    size = len(finer.points)
    if callable(target):
        name = getattr(target, "__qualname__", type(target).__name__)
        seen, geometry = evaluated(target, finer.points, torch.device("cpu"), torch.float32, Columns(run.output)), finer
    else:
        name = "a number" if np.ndim(target) == 0 and not isinstance(target, str) else "given values"
        whole = np.shape(target) in ((size,), (size, 1), finer.shape)
        geometry = finer if whole else geometry_of(run)
        seen = _checked(run, target, geometry)
    said = [f"read against {name}, on {cells:,} recorded cells"]
    if noise is None:
        noise = 0.0 if callable(target) else noise_deviation(geometry, seen)
    if geometry is finer and size > cells:
        before = float(np.var(seen)) - noise**2
        seen = finer.coarsen(seen, math.prod(run.shape))
        noise *= math.sqrt(cells / size)
        kept = (float(np.var(seen)) - noise**2) / before if before > 0.0 else 1.0
        if kept < LEAST_KEPT:
            said.append(
                f"points: the recorded cells keep {max(kept, 0.0):.0%} of the target's variance: what is hardly wider "
                "than one of them is not seen; a lower resolution= of the probe would have been recorded whole"
            )
    return seen, noise, said


def _checked(run: Run, target: Any, geometry: Geometry) -> FloatArray:
    """Values at the points of a geometry, that of the record or a finer one."""
    if isinstance(target, str):
        raise ValueError(
            f'target={shown(target)}: give "final", the run\'s own last prediction, or a function of the points, an '
            "array or a number"
        )
    if run.inside is not None and np.shape(target) == run.shape:  # what lies outside may be anything
        target = np.asarray(target).reshape(-1)[run.inside]
    size, shape = len(geometry.points), geometry.shape or ()
    try:
        columns = Columns(run.output if isinstance(run.output, int) else 0)
        return columns.of(values.checked_values(target, size, shape if math.prod(shape) == size else (), 1))
    except ValueError as error:
        own = finer_geometry(run)
        also = f", or {own.shape}, as the probe's own grid" if own.shape and own.shape != run.shape else ""
        raise ValueError(
            f"{error}; the points are those of the record, run.points, in their order{also}; a function of the points "
            "fits any"
        ) from None


def _trend(geometry: Geometry, seen: FloatArray, noise: float, notes: list[str], *, final: bool) -> Trend:
    """Trend of a target that the recorded cells can tell; of the run's own prediction it is said where they cannot."""
    try:
        return read(geometry, seen, torch.device("cpu"), torch.float32, noise)[1]
    except ValueError as error:
        if not final:
            raise ValueError(f"the run's {len(seen):,} recorded cells cannot tell this target: {error}") from error
        notes.append(f"points: the recorded cells hardly tell the final prediction: {error}")
        return fit_trend(geometry, seen, noise)


def _replayed(run: Run, scene: Scene, diagnostics: list[Diagnostic]) -> tuple[Record, dict[str, Any], list[str]]:
    """Look by look what a training would have recorded: the looks, arrays of the run, and what is absent."""
    reasons = {diagnostic.name: diagnostic.unable(scene) for diagnostic in diagnostics}
    notes = [f"{name} is absent: {why}" for name, why in reasons.items() if why]
    able = [diagnostic for diagnostic in diagnostics if not reasons[diagnostic.name]]
    for diagnostic in able:
        diagnostic.begin(scene)
    record, scale = Record(most=len(run.steps)), math.nan
    others = {tag: series for tag, series in run.scalars.items() if not tag.startswith(TAGS)}
    for look, recorded in enumerate(run.prediction):
        prediction = recorded.astype(np.float64)
        seen = Observation(prediction, prediction - scene.target)
        scale = scene.scale.at_first(scene.geometry, seen.residual) if math.isnan(scale) else scale
        row: dict[str, Any] = {
            **{name: int(getattr(run, name)[look]) for name in ("steps", "total_steps", "logger_steps", "fit")},
            "prediction": recorded,
        }
        scalars = error_of(scene.geometry, seen.residual, scale, scene.noise)
        for diagnostic in able:
            reading = diagnostic.look(seen, scale, int(run.total_steps[look]))
            scalars |= {**reading.scalars, **reading.kept}
            arrays = {**reading.fields, **reading.arrays}
            row |= {f"{diagnostic.name}/{name}": np.asarray(array) for name, array in arrays.items()}
        scalars |= {tag: float(series[look]) for tag, series in others.items()}
        record.append({**row, **{f"scalar/{tag}": value for tag, value in scalars.items()}})
    fixed = {f"{each.name}/{name}": value for each in able for name, value in each.fixed().items()}
    return record, fixed, notes + [note for each in able for note in each.notes()]


#: How the note begins that says why a basis has no projection error, and how it goes on here.
NO_PROJECTION = "basis/projection_error is absent: "
OF_ANOTHER = f"{NO_PROJECTION}it was measured for another target, or for none"


def _outdated(diagnostics: list[Diagnostic]) -> tuple[str, ...]:
    """How notes begin that are of the target that the run had, or of none."""
    names = [each.name for each in diagnostics]
    absent = (f"{name}{said}" for name in names for said in (": ", " is absent: "))
    return (*absent, "stall is absent: ", "read against ", "noise: ", "values: ", NO_PROJECTION)
