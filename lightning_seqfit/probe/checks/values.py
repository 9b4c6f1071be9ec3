"""Points and values that may be passed: arrays of any kind, read as numbers or refused with what can be."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.probe.checks.arguments import LARGEST_VALUE, MOST_CELLS, SMALLEST_VALUE, as_real
from lightning_seqfit.probe.checks.echo import quoted, shown

#: Points that are given one by one, at the most.
MOST_POINTS = 200_000


def checked_points(points: Any) -> FloatArray:
    """Return coordinates, shape ``(N, d)``, or along one axis ``(N,)``."""
    wanted = "give an array (N, d), or N numbers along one axis"
    try:
        coordinates = np.array(_as_array("points", points), dtype=np.float64)
    except Unreadable as error:
        raise TypeError(f"points {error}: {wanted}") from error
    except (TypeError, OverflowError) as error:
        raise TypeError(f"points is {type(points).__name__}: {wanted}") from error
    if coordinates.ndim > 2 or 0 in coordinates.shape:
        last = coordinates.shape[-1]
        instead = f", such as points.reshape(-1, {last})" if coordinates.ndim > 2 and last else ""
        raise ValueError(f"points has shape {coordinates.shape}: {wanted}{instead}")
    checked_count(len(coordinates), "points", "points[::{stride}], and the same of the target")
    return coordinates[:, 0] if coordinates.ndim == 2 and coordinates.shape[1] == 1 else coordinates


def checked_count(count: int, what: str, thinned: str) -> None:
    """Refuse more points than a look can take; ``thinned`` says how to take every ``{stride}``-th, or ``{most}``."""
    if count > MOST_POINTS:
        stride = -(-count // MOST_POINTS)
        raise ValueError(
            f"{what} has {count:,} points, more than a look can take: give at most {MOST_POINTS:,}, such as "
            f"{thinned.format(stride=stride, most=MOST_POINTS)}"
        )


def checked_values(target: Any, size: int, shape: tuple[int, ...] = (), columns: int = 1) -> FloatArray:
    """Return the target's values, shape ``(size, k)``: k columns, finite; a number stands for all of them.

    Parameters
    ----------
    target : what was given.
    size : number of the points.
    shape : of the grid whose points they are, in C order: values of this shape are taken, too.
    columns : that a number stands for; 0: any, and it makes one.

    Examples
    --------
    >>> checked_values(np.zeros((8, 10, 3)), 80, (8, 10)).shape, checked_values([1.0, 2.0], 2).tolist()
    ((80, 3), [[1.0], [2.0]])
    """
    number = as_real(target)
    values: FloatArray
    if number is not None:
        values = np.full((size, columns or 1), number)
    else:
        wanted = f"pass a function of the points, an array of {size} real values or a number"
        try:
            values = np.array(_as_array("target", target), dtype=np.float64)
        except Unreadable as error:
            raise TypeError(f"target {error}: {wanted}") from error
        except (TypeError, OverflowError) as error:
            raise TypeError(f"target is {type(target).__name__}: {wanted}{_not_imported(target)}") from error
    on_grid = len(shape) > 1 and values.shape[: len(shape)] == shape and values.ndim <= len(shape) + 1
    by_point = values.shape[:1] == (size,) and values.ndim <= 2
    if not (on_grid or by_point) or not values.size:
        raise ValueError(f"target has shape {values.shape}, expected {_expected(values.shape, size, shape)}")
    values = values.reshape(size, -1)
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"target has {len(bad)} of {values.size} values that are NaN or infinite, the first at point {bad[0][0]}: "
            "a target must be finite at every point; move the bounds or give finite values"
        )
    for column in values.T:
        largest = float(np.max(np.abs(column)))
        if largest > LARGEST_VALUE:
            raise ValueError(
                f"target reaches {largest:.3g}, but at most {LARGEST_VALUE:g} can be squared: use other units"
            )
        if 0.0 < largest < SMALLEST_VALUE and np.ptp(column) > 0.0:
            raise ValueError(
                f"target reaches only {largest:.3g}, whose square is nothing in float64: use other units, in which it "
                f"reaches at least {SMALLEST_VALUE:g}"
            )
    return values


def covered_values(target: Any, shape: tuple[int, ...], mask: NDArray[np.bool_]) -> Any:
    """Of values given for a whole grid those inside a domain, which may be NaN elsewhere; anything else as it is."""
    try:
        array = np.asarray(_as_array("target", target), dtype=np.float64)
    except Exception:  # what is wrong with it is said when it is checked
        return target
    if array.shape[: len(shape)] == shape:
        array = array.reshape(mask.size, *array.shape[len(shape) :])
    return array[mask] if array.ndim and len(array) == mask.size else target


def _expected(given: tuple[int, ...], size: int, shape: tuple[int, ...]) -> str:
    """The rest of a sentence about values of another shape than that of the points, or of their grid."""
    wanted = shape if len(shape) > 1 else (size,)
    last = "; components come last: pass np.moveaxis(target, 0, -1)" if given[1:] == wanted else ""
    if len(shape) < 2:
        return f"({size},) or ({size}, 1): one value per point, or ({size}, k) for k outputs{last}"
    said = (
        f"({size},), ({size}, 1) or {shape}, the grid's own: one value per point, the first index along the first "
        "axis; of k outputs with one axis more, the last"
    )
    if last:
        return f"{said}{last}"
    if sorted(given) == sorted(shape):
        turned = "target.T" if len(shape) == 2 else "it with its axes in that order"
        return f"{said}, as meshgrid(..., indexing='ij') has them; pass {turned}"
    if len(given) == len(shape) and min(given) >= 8 and math.prod(given) <= MOST_CELLS:
        return f"{said}; for values as they are pass resolution={given}"
    return said


class Unreadable(ValueError):
    """Why something holds no real numbers that can be read, as the end of a sentence about it."""


def _as_array(what: str, given: Any) -> Any:
    """Whatever was given as an array; what is no array of real values raises TypeError."""
    if isinstance(given, np.ma.MaskedArray):
        masked = int(np.count_nonzero(np.ma.getmaskarray(given)))
        if masked:
            raise ValueError(
                f"{what} has {masked} of {given.size} values masked: leave those points out, as in Probe.points("
                "points[~mask], values[~mask]), or fill them in, as in values.filled(0.0)"
            )
        given = np.ma.getdata(given)
    try:
        array = np.asarray(plain(given).cpu() if isinstance(given, Tensor) else given)
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except Unreadable:
        raise
    except Exception as error:  # conversions of other people's arrays may raise anything
        raise TypeError(str(error)) from error
    if array.dtype.kind not in "biuf" or array.ndim == 0:  # a conversion would drop the imaginary part
        raise TypeError(f"{array.dtype} is not real")
    return array


def plain(tensor: Tensor) -> Tensor:
    """Return the numbers of a tensor: dense, detached, in float32 or float64, without what a subclass adds.

    Raises
    ------
    Unreadable
        If it is complex, nested, holds no values, or keeps them to itself: the end of a sentence about it.

    Examples
    --------
    >>> plain(torch.tensor([[0, 3]]).to_sparse())
    tensor([[0., 3.]], dtype=torch.float64)
    """
    if tensor.is_nested:
        raise Unreadable("is nested, rows of different lengths")
    if tensor.is_complex():
        raise Unreadable("is complex")
    if tensor.device.type == "meta":
        raise Unreadable("lies on the device meta, which holds no values")
    try:
        if type(tensor) is not Tensor:
            tensor = tensor.as_subclass(Tensor)
        tensor = tensor.detach().resolve_neg()
        if tensor.is_quantized:
            tensor = tensor.dequantize()
        if tensor.layout is not torch.strided:
            tensor = tensor.to_dense()
        if not tensor.is_floating_point():  # whole numbers above 2^24 are not all in float32
            tensor = tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)
        elif tensor.dtype.itemsize < 4:
            tensor = tensor.to(torch.float32)
    except Exception as error:
        raise Unreadable(f"cannot be read as numbers ({quoted(error)})") from error
    if type(tensor) is not Tensor:
        raise Unreadable("cannot be read as numbers")
    return tensor


def _not_imported(target: Any) -> str:
    """What a message adds where a configuration names a function that is not there."""
    if not isinstance(target, str):
        return ""
    return f"; {shown(target)} is no dotted path of a function that can be imported, such as 'my_module.my_function'"
