"""A run as a table of pandas and a data set of xarray, which are not installed with this package."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from lightning_seqfit.words import plain

if TYPE_CHECKING:
    import pandas
    import xarray

    from lightning_seqfit.record.run import Run

#: Names of dimensions, which no axis of a domain may have.
_DIMENSIONS = ("look", "cell", "step", "frequency", "snapshot", "unit", "point")


def to_frame(run: Run) -> pandas.DataFrame:
    """Return the scalars of a run as a table, a row a look.

    Returns
    -------
    pandas.DataFrame
        Indexed by ``"step"``, counted over all fits; columns: the fit and the loggers' step, then the tags without
        ``seqfit/``, NaN where a look has none.

    Raises
    ------
    ImportError
        If pandas is not installed.

    Examples
    --------
    >>> from lightning_seqfit.record.run import Run, Scalars
    >>> looks = np.arange(3)
    >>> fixed = {"name": "", "quantity": "u", "axes": ("x",), "bounds": ((0.0, 1.0),), "shape": (2,)}
    >>> line = {"points": np.array([[0.25], [0.75]]), "target": np.ones(2), "trend": np.ones(2)}
    >>> over = {"steps": looks, "total_steps": looks, "logger_steps": looks, "fit": 0 * looks}
    >>> scalars = Scalars({"error/max": np.array([1.0, 0.5, 0.25])}, "seqfit/")
    >>> frame = to_frame(Run(**fixed, **line, **over, prediction=np.zeros((3, 2)), scalars=scalars))
    >>> frame["error/max"].to_dict()
    {0: 1.0, 1: 0.5, 2: 0.25}
    """
    try:
        import pandas
    except ImportError as error:
        raise _lacking("to_frame", "pandas") from error
    columns = {"fit": run.fit, "logger_step": run.logger_steps, **run.scalars}
    return pandas.DataFrame(columns, index=pandas.Index(run.total_steps, name="step"))


def to_xarray(run: Run) -> xarray.Dataset:
    """Return the fields of a run with their coordinates.

    Returns
    -------
    xarray.Dataset
        ``prediction`` and, where they were watched, ``local_error`` and ``local_change`` over ``look`` and the domain;
        ``target``, ``trend``, ``arrival``; ``power`` over ``look`` and ``frequency``; ``basis`` over ``snapshot``,
        ``unit`` and ``point``. The domain's dimensions are its axes where the cells are a full grid, and ``cell`` with
        the coordinates of each where they are not. A look has the coordinates ``step``, ``fit`` and ``logger_step``.
        All of it can be written by ``to_netcdf``.

    Raises
    ------
    ImportError
        If xarray is not installed.

    Examples
    --------
    >>> from lightning_seqfit.record.run import Run, Scalars
    >>> looks = np.arange(2)
    >>> fixed = {"name": "", "quantity": "u (V)", "axes": ("x",), "bounds": ((0.0, 1.0),), "shape": (2,)}
    >>> line = {"points": np.array([[0.25], [0.75]]), "target": np.ones(2), "trend": np.ones(2)}
    >>> over = {"steps": looks, "total_steps": 10 * looks, "logger_steps": looks, "fit": 0 * looks}
    >>> found = to_xarray(Run(**fixed, **line, **over, prediction=np.eye(2), scalars=Scalars({}, "seqfit/")))
    >>> float(found.prediction.isel(look=1).sel(x=0.75)), found.step.values.tolist(), found.prediction.attrs["units"]
    (1.0, [0, 10], 'V')
    """
    try:
        import xarray
    except ImportError as error:
        raise _lacking("to_xarray", "xarray") from error
    axes = [f"{axis}_" if axis in _DIMENSIONS else axis for axis in run.axes]
    lattice = _lattice(run)
    cells = axes if lattice else ["cell"]
    shape = run.shape if lattice else (len(run.points),)
    units = _units(run.quantity)
    found: dict[str, Any] = {}

    def put(name: str, values: Any, before: tuple[str, ...], **attrs: Any) -> None:
        values = np.asarray(values)
        found[name] = ((*before, *cells), values.reshape(*values.shape[: len(before)], *shape), attrs)

    put("prediction", run.prediction, ("look",), long_name=run.quantity, **units)
    put("target", run.target, (), long_name=f"target: {run.quantity}", **units)
    put("trend", run.trend, (), long_name=f"trend of the target: {run.quantity}", **units)
    if run.front is not None:
        said = "squared relative error, mean over a window"
        put("local_error", run.front.local_error, ("look",), long_name=said, units="1")
        put("arrival", run.front.arrival, (), long_name="first step at which a cell was fitted; inf: never")
    if run.change is not None:
        put("local_change", run.change.local, ("look",), long_name="squared change since half the steps", units="1")
    coordinates: dict[str, Any] = {
        "step": ("look", run.total_steps, {"long_name": "optimizer steps over all fits"}),
        "fit": ("look", run.fit),
        "logger_step": ("look", run.logger_steps),
    }
    for number, axis in enumerate(axes):
        places = lattice[number] if lattice else run.points[:, number]
        coordinates[axis] = (axis if lattice else "cell", places, {"long_name": run.axes[number]})
    if run.spectrum is not None:
        power = {"long_name": f"power of the residual of {run.quantity}"}
        found["power"] = (("look", "frequency"), run.spectrum.power, power)
        coordinates["frequency"] = ("frequency", run.spectrum.frequency, {"long_name": "cycles per domain length"})
    if run.basis is not None:
        seen = run.basis
        values = seen.snapshots.astype(np.float32)  # netCDF has no float16
        found["basis"] = (("snapshot", "unit", "point"), values, {"long_name": "weightiest units of the basis"})
        coordinates["snapshot_step"] = ("snapshot", seen.snapshot_steps)
        coordinates["unit_number"] = (("snapshot", "unit"), seen.snapshot_units)
        for number, axis in enumerate(axes):
            coordinates[f"point_{axis}"] = ("point", seen.snapshot_points[:, number])
    return xarray.Dataset(found, coords=coordinates, attrs=_attributes(run))


def _lacking(method: str, package: str) -> ImportError:
    return ImportError(f"run.{method}() needs {package}: pip install 'lightning-seqfit[frames]'")


def _lattice(run: Run) -> list[Any]:
    """Coordinates along each axis of a full grid; empty: the cells are none."""
    if len(run.shape) != len(run.axes) or math.prod(run.shape) != len(run.points):
        return []
    places = np.moveaxis(run.points.reshape(*run.shape, len(run.axes)), -1, 0)
    axes = [np.moveaxis(field, number, 0).reshape(run.shape[number], -1)[:, 0] for number, field in enumerate(places)]
    grid = np.meshgrid(*axes, indexing="ij")
    return axes if all(np.allclose(one, other) for one, other in zip(grid, places, strict=True)) else []


def _units(quantity: str) -> dict[str, str]:
    """The unit in a name such as ``"u (V)"``."""
    unit = re.search(r"\(([^()]+)\)$", quantity)
    return {"units": unit[1]} if unit else {}


def _attributes(run: Run) -> dict[str, Any]:
    """What else is known, as texts and numbers, which any file holds."""
    said: dict[str, Any] = {
        "name": run.name,
        "quantity": run.quantity,
        "noise": float(run.noise),
        "scale_of": run.scale_of,
        "finished": int(run.finished),
        "notes": "\n".join(run.notes),
        "hyperparameters": json.dumps(plain(run.hyperparameters)),
        "settings": json.dumps(plain(run.settings)),
    }
    return said | ({} if run.front is None else {"tolerance": float(run.front.tolerance)})
