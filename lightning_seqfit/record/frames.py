"""A run as a table of pandas and as a dataset of xarray, which are asked for only here."""

from __future__ import annotations

import json
import math
import re
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.words import plain

if TYPE_CHECKING:
    import pandas
    import xarray

    from lightning_seqfit.record.run import Run

#: Dimensions and values.
Variable = tuple[tuple[str, ...], NDArray[Any]]
#: Share of the domain by which points of a grid are apart from its lines, up to rounding.
_SAME = 1e-9

#: What is said of a variable: of its unit, and what it is.
_ABOUT = {
    "step": ("optimizer steps", "optimizer steps counted over all fits"),
    "logger_step": ("", "the loggers' axis"),
    "fit": ("", "number of the fit"),
    "local_error": ("1", "square of the local error, relative to its scale"),
    "local_change": ("1", "square of the local change since half the steps, relative to its scale"),
    "arrival": ("optimizer steps", "first step at which the place was fitted; inf: never"),
    "settled": ("optimizer steps", "step since which the place is fitted; inf: it is not"),
    "active": ("", "whether the place counts"),
    "power": ("", "power of the residual; the first frequency is the trend term"),
    "frequency": ("cycles per domain length", "frequency"),
    "snapshots": ("", "values of the weightiest basis functions"),
    "snapshot_step": ("optimizer steps", "step of the snapshot"),
    "snapshot_unit": ("", "number of the unit"),
}
#: Names that no axis can have beside them.
_TAKEN = {*_ABOUT, "prediction", "target", "trend", "look", "cell", "snapshot", "unit", "point"}


def frame_of(run: Run) -> pandas.DataFrame:
    """Return a DataFrame with a row for each look: :meth:`lightning_seqfit.Run.to_frame`."""
    made = _module("pandas", "to_frame")
    columns: dict[str, NDArray[Any]] = {"fit": run.fit, "logger_step": run.logger_steps, **run.scalars}
    if run.stall is not None and "stall/verdict" in columns:
        columns["stall/verdict"] = run.stall.verdict
    return made.DataFrame(columns, index=made.Index(run.total_steps, name="step"))


def dataset_of(run: Run) -> xarray.Dataset:
    """Return a Dataset of the fields over the looks: :meth:`lightning_seqfit.Run.to_xarray`."""
    made = _module("xarray", "to_xarray")
    looks = slice(-len(run.prediction), None)  # of finer cells there is the last look alone
    places, shape, coordinates = _places(run)
    found: dict[str, Variable] = {
        "step": (("look",), run.total_steps[looks]),
        "logger_step": (("look",), run.logger_steps[looks]),
        "fit": (("look",), run.fit[looks]),
    }

    def over_places(**fields: NDArray[Any]) -> None:
        for name, values in fields.items():
            moves = values.ndim > 1
            dims = ("look", *places) if moves else places
            found[name] = dims, values.reshape(*values.shape[:-1], *shape)

    over_places(prediction=run.prediction)
    if run.known:
        over_places(target=run.target, trend=run.trend)
    if (front := run.front) is not None:
        over_places(local_error=front.local_error, arrival=front.arrival, settled=front.settled, active=front.active)
    if run.change is not None:
        over_places(local_change=run.change.local)
    if (spectrum := run.spectrum) is not None:
        found["power"] = ("look", "frequency"), spectrum.power[looks]
        coordinates["frequency"] = ("frequency",), spectrum.frequency
    if (basis := run.basis) is not None:
        found["snapshots"] = ("snapshot", "unit", "point"), basis.snapshots.astype(np.float32)  # netCDF has no float16
        coordinates["snapshot_step"] = ("snapshot",), basis.snapshot_steps
        coordinates["snapshot_unit"] = ("snapshot", "unit"), basis.snapshot_units
        for axis, values in zip(run.axes, basis.snapshot_points.T, strict=True):
            coordinates[f"snapshot_{axis}"] = ("point",), values
    coordinates |= {name: found.pop(name) for name in ("step", "logger_step", "fit")}
    dataset: xarray.Dataset = made.Dataset(found, coordinates, _attributes(run))
    for name in map(str, dataset.variables):
        unit, said = _ABOUT.get(name, ("", ""))
        if name in ("prediction", "target", "trend"):
            said, unit = _quantity(run.quantity)
        dataset[name].attrs |= {key: text for key, text in (("units", unit), ("long_name", said)) if text}
    return dataset


def _places(run: Run) -> tuple[tuple[str, ...], tuple[int, ...], dict[str, Variable]]:
    """Dimensions of a field, their lengths, and where its values lie: the axes themselves on a full grid."""
    names = tuple(f"axis_{axis}" if axis in _TAKEN else axis for axis in run.axes)
    if len(run.shape) == len(names) and math.prod(run.shape) == len(run.points):
        lattice = run.points.reshape(*run.shape, len(names))
        first = [
            np.moveaxis(lattice[..., axis], axis, -1).reshape(-1, run.shape[axis])[0] for axis in range(len(names))
        ]
        lengths = [high - low for low, high in run.bounds]
        apart = np.abs(lattice - np.stack(np.meshgrid(*first, indexing="ij"), axis=-1)) / lengths
        if np.max(apart) < _SAME:
            return names, run.shape, {name: ((name,), line) for name, line in zip(names, first, strict=True)}
    cells: dict[str, Variable] = {name: (("cell",), values) for name, values in zip(names, run.points.T, strict=True)}
    return ("cell",), (len(run.points),), cells


def _attributes(run: Run) -> dict[str, Any]:
    """What belongs to the whole run, as texts and numbers: netCDF knows no others."""
    about = {
        "name": run.name or "probe",
        "quantity": run.quantity,
        "summary": run.summary().line,
        "geometry": run.kind,
        "noise": float(run.noise),
        "tolerance": None if run.front is None else float(run.front.tolerance),
        "finished": int(run.finished),
        "notes": "\n".join(run.notes),
        "hyperparameters": json.dumps(plain(run.hyperparameters)) if run.hyperparameters else "",
        "settings": json.dumps(plain(run.settings)) if run.settings else "",
    }
    return {name: value for name, value in about.items() if value not in ("", None)}


def _quantity(quantity: str) -> tuple[str, str]:
    """Name and unit of a quantity.

    Examples
    --------
    >>> _quantity("u (V)"), _quantity("height")
    (('u', 'V'), ('height', ''))
    """
    found = re.fullmatch(r"(.*\S)\s*\((.+)\)", quantity)
    return (found[1], found[2]) if found else (quantity, "")


def _module(name: str, what: str) -> Any:
    """Import a package that an extra brings, or say how to get it."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        raise ModuleNotFoundError(
            f"run.{what}() needs {missing}, which is not installed: pip install 'lightning-seqfit[frames]'",
            name=missing,
        ) from error
