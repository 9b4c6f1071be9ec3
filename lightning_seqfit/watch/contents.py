"""What goes into the file of a record: the looks, and what belongs to the whole run."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lightning_seqfit.diagnostics import Diagnostic, Scene
from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.probe import Probe
from lightning_seqfit.probe.guard import leave_generators_untouched
from lightning_seqfit.record import Record, contents
from lightning_seqfit.record.check import KINDS

#: Cells on which the fields of the last look are in the file, at the most.
FINE_CELLS = 128**2


#: Outputs of which a file holds the last prediction, at the most.
MOST_COMPONENTS = 12


@dataclass(frozen=True)
class Components:
    """Several outputs that are looked at together.

    Attributes
    ----------
    numbers : of the outputs.
    targets, predictions : of each at the last look, shape ``(N,)``.
    """

    numbers: Sequence[int]
    targets: Sequence[FloatArray]
    predictions: Sequence[FloatArray]


def file_contents(
    probe: Probe,
    scene: Scene,
    record: Record,
    diagnostics: Collection[Diagnostic],
    latest: Mapping[str, FloatArray],
    notes: Collection[str],
    identity: Mapping[str, Any],
    components: Components | None = None,
) -> dict[str, Any]:
    """Arrays of the file, on as many cells as it holds.

    Parameters
    ----------
    probe, scene : what is watched; its target and trend are in the file.
    record : the looks.
    diagnostics : what they keep of the whole run is in the file.
    latest : fields of the last look by name, shape ``(N,)`` each; empty: none was taken yet in this process.
    notes : what to say of the watching.
    identity : whose record it is, for JSON.
    components : of a probe with several outputs, this one among them.
    """
    geometry = scene.geometry
    fixed: dict[str, Any] = {"target": scene.target, "trend": scene.trend.values}
    said = [*(f"points: {note}" for note in (*geometry.notes, *probe.notes, *probe.remarks)), *notes]
    for diagnostic in diagnostics:
        try:
            own, notes_of_it = _of_the_run(diagnostic, record)
            said += notes_of_it
        except Exception as error:  # the others' is not lost
            said.append(f"{diagnostic.name}: {type(error).__name__}: {error}")
            own = {}
        fixed |= own
    fields = {
        name: value
        for name, value in fixed.items()
        if np.shape(value) == scene.target.shape and np.asarray(value).dtype.kind != "U"
    }
    arrays = {
        name: _coarse(geometry, fields[name], scene.cells) if name in fields else np.asarray(fixed[name])
        for name in fixed
    }
    extra = {
        diagnostic.name: _forms(diagnostic.name, arrays, fields, record)
        for diagnostic in diagnostics
        if not diagnostic.section
    }
    arrays["points"] = geometry.centres(scene.cells)
    if (inside := geometry.coarse_inside(scene.cells)) is not None:
        arrays["inside"] = inside
    arrays |= _beneath(geometry, scene.cells)
    if geometry.coarse_shape(scene.cells) != geometry.coarse_shape(FINE_CELLS) and latest:
        arrays |= {f"fine/{name}": _coarse(geometry, values, FINE_CELLS) for name, values in fields.items()}
        arrays |= {f"fine/{name}": geometry.coarsen(values, FINE_CELLS) for name, values in latest.items()}
        arrays["fine/points"] = geometry.centres(FINE_CELLS)
        if (inside := geometry.coarse_inside(FINE_CELLS)) is not None:
            arrays["fine/inside"] = inside
        arrays |= {f"fine/{name}": array for name, array in _beneath(geometry, FINE_CELLS).items() if name == "held"}
        if geometry.dimension == 1 and len(scene.target) > len(arrays["fine/points"]):
            ranges = _stretches(geometry, arrays["fine/points"][:, 0])
            for name, values in (("target", scene.target), ("prediction", latest["prediction"])):
                arrays[f"fine/{name}_range"] = ranges(values)
    if components is not None:
        shown = slice(MOST_COMPONENTS)
        arrays["components/numbers"] = np.array(components.numbers[shown], dtype=np.int64)
        for name, fields_of_it in (("target", components.targets), ("prediction", components.predictions)):
            arrays[f"components/{name}"] = np.stack([geometry.coarsen(field) for field in fields_of_it[shown]])
    about = {
        "name": probe.name,
        "quantity": probe.quantity,
        "output": probe.output,
        "axes": geometry.axes,
        "bounds": geometry.bounds,
        "shape": geometry.coarse_shape(scene.cells),
        "resolution": geometry.shape,
        "fine_shape": geometry.coarse_shape(FINE_CELLS),
        "noise": scene.noise,
        "scale_of": scene.scale.of,
        "scale_share": scene.scale_share,
        "gaps": _gaps(geometry),
        "geometry": geometry.kind,
        "faces": geometry.faces,
        "extra": extra,
        "notes": list(dict.fromkeys(said)),
        **identity,
    }
    return contents(record, arrays, about)


def _of_the_run(diagnostic: Diagnostic, record: Record) -> tuple[dict[str, np.ndarray[Any, Any]], list[str]]:
    """What a diagnostic has to say of the whole run: all of it, or nothing where a reader would refuse a part.

    Raises
    ------
    TypeError, ValueError
        If it has another kind of array or note, or a name that a look's array has.
    """
    with leave_generators_untouched():
        given, notes = diagnostic.fixed(), diagnostic.notes()
    arrays = {f"{diagnostic.name}/{name}": np.asarray(value) for name, value in given.items()}
    for name, array in arrays.items():
        if array.dtype.kind not in KINDS:
            raise TypeError(f"fixed() has {array.dtype} as {name}: give numbers, booleans or text")
        if name in record.names or not name.isprintable():
            raise ValueError(f"fixed() has {name!r}, which cannot be stored or is also an array of a look: rename it")
    if not isinstance(notes, list) or not all(isinstance(note, str) for note in notes):
        raise TypeError(f"notes() returned {notes!r:.80}: give a list of sentences")
    return arrays, notes


def _forms(
    name: str, fixed: Mapping[str, np.ndarray[Any, Any]], fields: Collection[str], record: Record
) -> dict[str, list[str]]:
    """Kind and shape of the arrays of a diagnostic without a section of its own, as a reader checks them."""
    forms = {
        key: [value.dtype.kind, "cells" if key in fields else " ".join(map(str, value.shape))]
        for key, value in fixed.items()
        if key.startswith(f"{name}/")
    }
    cells = record["prediction"].shape[1:]
    for key in record.names:
        if key.startswith(f"{name}/"):
            shape = record[key].shape[1:]
            words = ["cells"] if shape == cells else [str(length) for length in shape]
            forms[key] = [record[key].dtype.kind, " ".join(["looks", *words])]
    return {key.removeprefix(f"{name}/"): form for key, form in forms.items()}


def _beneath(geometry: Geometry, limit: int) -> dict[str, np.ndarray[Any, Any]]:
    """What a target that comes afterwards must be evaluated at: the domain, and the points that cells stand for."""
    beneath: dict[str, np.ndarray[Any, Any]] = {}
    if geometry.kind == "points":
        beneath["held"] = np.stack([geometry.coarsen(column, limit) for column in geometry.points.T], axis=-1)
    elif geometry.shape is not None and (inside := geometry.coarse_inside(math.prod(geometry.shape))) is not None:
        beneath["domain"] = np.packbits(inside)
    return beneath


def _gaps(geometry: Geometry) -> list[list[float]]:
    """Where a line has no points: the last one before each gap and the first one after it."""
    if geometry.dimension > 1:
        return []
    stretches = [geometry.points[numbers, 0] for numbers in geometry.segments(0)]
    return [[float(one[-1]), float(other[0])] for one, other in itertools.pairwise(stretches)]


def _stretches(geometry: Geometry, centres: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """What gives the least and the largest value of a field about each of some rising centres, shape ``(2, cells)``.

    Means over a cell lose what oscillates within it; these show how far it reaches.
    """
    order = geometry.lines(0)[0]
    borders = (centres[1:] + centres[:-1]) / 2
    starts = np.append(0, np.searchsorted(geometry.points[order, 0], borders))
    starts = np.minimum(starts, len(order) - 1)
    return lambda field: np.stack([least.reduceat(field[order], starts) for least in (np.fmin, np.fmax)])


def _coarse(geometry: Geometry, values: np.ndarray[Any, Any], limit: int) -> np.ndarray[Any, Any]:
    """Block means of a field; of a mask, and of steps that may not have come, what most of the block says."""
    if values.dtype == bool:
        return geometry.coarsen(values.astype(np.float64), limit) > 0.5
    came = np.isfinite(values)
    if came.all():
        return geometry.coarsen(values, limit)
    share = geometry.coarsen(came.astype(np.float64), limit)
    sums = geometry.coarsen(np.where(came, values, 0.0), limit)
    missing = np.nan if np.isnan(values).any() else np.inf
    return np.divide(sums, share, out=np.full_like(sums, missing), where=share >= 0.5)
