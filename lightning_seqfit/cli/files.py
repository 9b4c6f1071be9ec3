"""Targets in files of the user's."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.probe import Probe

#: What a file with a target may be.
FORMS = (
    ".npy: the values; .npz: one array of values, or `points` (N, d) and `values` (N,); .csv: a row a point, the value "
    "in its last column, the coordinates in those before, if any"
)
#: Values along each axis of an even grid, at the least.
FEWEST = 8


def probe_of(file: Path, bounds: Sequence[Sequence[float]] | None = None) -> Probe:
    """Make a probe of the values in a file.

    Parameters
    ----------
    file : as :data:`FORMS` says; values without points are an even grid, an array (H, W, 3) is an image in colour.
    bounds : of the domain, (low, high) for each axis; default: around the points, and without them [0, 1] along a line
        and [-1, 1] along each of several axes.

    Raises
    ------
    ValueError, TypeError
        If the file cannot be read, or makes no target.
    """
    points, values = read_values(file)
    if points is not None:
        output: Any = "norm" if values.ndim > 1 and values.shape[1] > 1 else 0
        return Probe.points(points, values, bounds=bounds, output=output, quantity=file.stem)
    colours = values.ndim == 3 and values.shape[2] in (3, 4)
    shape = values.shape[:2] if colours else tuple(count for count in values.shape if count > 1)
    if min(shape, default=0) < FEWEST:
        size = " x ".join(map(str, values.shape)) or "one"
        raise ValueError(
            f"its {size} values are no even grid, which has at least {FEWEST} along each axis; where some are "
            "coordinates, make a .npz of `points` (N, d) and `values` (N,), or a .csv"
        )
    box = bounds or ([(0.0, 1.0)] if len(shape) == 1 else [(-1.0, 1.0)] * len(shape))
    flat = values.reshape(-1, values.shape[2])[:, :3] if colours else values.reshape(shape)
    return Probe.grid(box, flat, resolution=list(shape), output="norm" if colours else 0, quantity=file.stem)


def read_values(file: Path) -> tuple[FloatArray | None, FloatArray]:
    """Return points, if there are any, and values.

    Raises
    ------
    ValueError
        With what the file is, and what it may be.
    """
    try:
        if file.suffix == ".csv":
            return _from_table(file.read_text(encoding="utf-8-sig"))
        if file.suffix == ".npy":
            return None, _numbers(np.load(file, allow_pickle=False))
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            if arrays.keys() >= {"points", "values"}:
                return _numbers(arrays["points"]), _numbers(arrays["values"])
            if len(arrays) == 1:
                return None, _numbers(next(iter(arrays.values())))
            raise ValueError(f"it holds the arrays {', '.join(arrays) or 'none'}")
    except FileNotFoundError:
        raise ValueError(f"there is no such file; give one of values ({FORMS})") from None
    except Exception as error:  # whatever the bytes made numpy or a codec say
        raise ValueError(f"it cannot be read: {error}; give {FORMS}") from error
    ending = f"it ends in {file.suffix!r}" if file.suffix else "its name has no ending"
    raise ValueError(f"{ending}; give {FORMS}")


def _numbers(array: np.ndarray[Any, Any]) -> FloatArray:
    if array.dtype.kind not in "biuf":
        raise ValueError(f"it holds {array.dtype}, no real numbers")
    return array.astype(np.float64)


def _from_table(text: str) -> tuple[FloatArray | None, FloatArray]:
    """Points and values of a table, with a line of names or without."""
    first = text.partition("\n")[0]
    dialect: Any = next((each for each in ";\t" if each in first), ",")
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=dialect) if any(cell.strip() for cell in row)]
    if rows and not all(map(_is_number, rows[0])):
        rows = rows[1:]
    if not rows:
        raise ValueError("it has no row of numbers")
    table = []
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]) or not all(map(_is_number, row)):
            raise ValueError(f"row {number} of its numbers is {','.join(row)!r:.60}, not {len(rows[0])} numbers")
        table.append([float(cell) for cell in row])
    values = np.array(table)
    return values[:, :-1] if values.shape[1] > 1 else None, values[:, -1]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
