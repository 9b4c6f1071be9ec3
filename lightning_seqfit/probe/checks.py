"""What may be passed: each function returns an argument that can be used, or says what was given and what can be."""

from __future__ import annotations

import math
import operator
import re
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_seqfit.geometry import FloatArray, cell_centres

#: Cells per axis in one, two and three dimensions, and to how many they rise by themselves for a target's wavelengths.
DEFAULT_RESOLUTION, HIGHEST_DEFAULT = (512, 96, 32), (4096, 192, 48)
#: Cells of a grid, and points that are given one by one, at the most.
MOST_CELLS, MOST_POINTS = 2**21, 200_000
#: Letters of a name, which stands in names of files: those end at 255 bytes with all that is added.
LONGEST_NAME = 100

# Squares of the target must stay in the range of float64.
_LARGEST_VALUE, _SMALLEST_VALUE = 1e150, 1e-150
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# Windows takes these for devices, whatever follows the first dot.
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}


def as_real(value: Any) -> float | None:
    """Return a number of Python, NumPy or torch as a float; None: it is no real number. Booleans are none.

    Examples
    --------
    >>> as_real(np.float32(0.25)), as_real(torch.tensor(3)), as_real(True), as_real("0.25"), as_real([0.25])
    (0.25, 3.0, None, None, None)
    """
    if _is_no_number(value) or isinstance(value, str | bytes | bytearray):
        return None
    try:
        return float(value.detach() if isinstance(value, Tensor) else value)
    except Exception:  # whatever an object of somebody else's raises, it is no number
        return None


def as_whole(value: Any) -> int | None:
    """Return a whole number of Python, NumPy or torch as an int; None: it is none. Booleans and 5.0 are none.

    Examples
    --------
    >>> as_whole(np.int64(5)), as_whole(np.array(5)), as_whole(torch.tensor(5)), as_whole(True), as_whole(5.0)
    (5, 5, 5, None, None)
    """
    if _is_no_number(value):
        return None
    try:
        return operator.index(value)
    except Exception:
        return None


def _is_no_number(value: Any) -> bool:
    """Whether it is a truth value, complex, masked or has axes, all of which Python would convert."""
    kind = str(getattr(value, "dtype", ""))
    masked = isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value)
    return isinstance(value, bool) or "bool" in kind or "complex" in kind or masked or getattr(value, "ndim", 0) != 0


def checked_name(name: Any) -> str:
    """Return the name of a probe, which stands in tags and names of files."""
    if not isinstance(name, str) or (name and not _NAME.fullmatch(name)):
        raise ValueError(f"name={name!r} cannot stand in a tag and a file name: use letters, digits, '_', '.' and '-'")
    if len(name) > LONGEST_NAME:
        raise ValueError(
            f"name={name[:20] + '...'!r} has {len(name)} letters, too many for the name of a file: use at most "
            f"{LONGEST_NAME}"
        )
    if name.partition(".")[0].upper() in _DEVICES:
        raise ValueError(f"name={name!r} is a device on Windows, where no file can be called so: use another name")
    return name


def checked_output(output: Any) -> int:
    """Return the number of a component."""
    number = as_whole(output)
    if number is None or number < 0:
        raise ValueError(f"output={output!r} is not a component: pass 0 for the first one, 1 for the second, ...")
    return number


def checked_tolerance(tolerance: Any) -> float:
    """Return a relative error."""
    number = as_real(tolerance)
    if number is None or not 0.0 < number < 1.0:
        raise ValueError(f"tolerance={tolerance!r}: give a relative error between 0 and 1, such as 0.25")
    return number


def checked_noise(noise: Any) -> float | None:
    """Return the standard deviation of a target's noise; None: it is to be estimated."""
    if isinstance(noise, str) and noise == "auto":
        return None
    number = as_real(noise)
    if number is None or not 0.0 <= number <= _LARGEST_VALUE:
        raise ValueError(
            f"noise={noise!r}: give the standard deviation of the target's noise, 0 or more and in its units, or "
            '"auto", which estimates it where the target is given as values'
        )
    return number


def checked_scale(scale: Any) -> float | None:
    """Return the error that counts as 1; None: the target says it."""
    if scale is None:
        return None
    number = as_real(scale)
    if number is None or not _SMALLEST_VALUE <= number <= _LARGEST_VALUE:
        raise ValueError(
            f"scale={scale!r}: give the mean square root of an error that counts as 1, a positive number in the "
            "target's units, or None, which takes it from the target"
        )
    return number


def checked_relative(relative: Any) -> str:
    """Return what errors are relative to at a place."""
    if not isinstance(relative, str) or relative not in ("global", "local"):
        raise ValueError(
            f'relative={relative!r}: give "global", where errors are relative to the target\'s oscillation as a '
            'whole, or "local", where they are relative to what oscillates at the place'
        )
    return relative


def checked_cadence(every_n_steps: Any) -> Any:
    """Return a number of steps, or a function as it is: it is asked in training only."""
    if callable(every_n_steps):
        return every_n_steps
    number = as_whole(every_n_steps)
    if number is None or number < 1:
        raise ValueError(
            f"every_n_steps={every_n_steps!r}: give a whole number of at least 1, or a function (step) -> bool"
        )
    return number


def checked_bounds(bounds: Any) -> tuple[tuple[float, float], ...]:
    """Return one (low, high) for each axis."""
    wanted = "give one (low, high) per axis, such as bounds=[(0.0, 1.0)]"
    try:
        box = tuple((_real(low), _real(high)) for low, high in bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(f"bounds={bounds!r} is not a box: {wanted}") from error
    if not 1 <= len(box) <= len(DEFAULT_RESOLUTION):
        raise ValueError(f"bounds={bounds!r} has {len(box)} axes: a grid has one, two or three; {wanted}")
    for low, high in box:
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"bounds={bounds!r}: ({low}, {high}) is not finite; {wanted}")
        if not low < high:
            raise ValueError(f"bounds={bounds!r}: low={low} is not below high={high}; {wanted}")
        if not math.isfinite(high - low):
            raise ValueError(f"bounds={bounds!r}: from {low} to {high} is more than float64 holds; use other units")
    return box


def _real(value: Any) -> float:
    number = as_real(value)
    if number is None:
        raise TypeError(f"{value!r} is not a number")
    return number


def checked_axes(axes: Any, dimension: int) -> tuple[str, ...]:
    """Return the names of the axes, which stand in tags."""
    try:
        names = tuple(axes) if axes is not None else ("x", "y", "z")[:dimension]
        distinct = len(names) == dimension == len(set(names))
    except TypeError:
        names, distinct = (), False
    if isinstance(axes, str) or not distinct:
        raise ValueError(f"axes={axes!r} does not name {dimension} axes: give {dimension} different names")
    for axis in names:
        if not isinstance(axis, str) or not _NAME.fullmatch(axis):
            raise ValueError(f"axes={axes!r}: {axis!r} cannot stand in a tag: use letters, digits, '_', '.' and '-'")
        if len(axis) > LONGEST_NAME:
            raise ValueError(f"axes={axes!r}: a name has {len(axis)} letters; use at most {LONGEST_NAME}")
    return names


def checked_needs_grad(needs_grad: Any) -> bool:
    """Return whether a prediction differentiates: any text would count as true."""
    if not isinstance(needs_grad, bool | np.bool_):
        raise TypeError(
            f"needs_grad={needs_grad!r}: pass True where the prediction differentiates with torch.autograd.grad, else "
            "False"
        )
    return bool(needs_grad)


def checked_ends(ends: Any) -> bool:
    """Return whether the outermost points lie on the bounds."""
    if not isinstance(ends, bool | np.bool_):
        raise TypeError(
            f"ends={ends!r}: pass True where the outermost points lie on the bounds, as linspace makes them, or False "
            "where the points are the centres of cells between the bounds"
        )
    return bool(ends)


def checked_resolution(
    resolution: Any, bounds: tuple[tuple[float, float], ...], *, ends: bool = False
) -> tuple[int, ...]:
    """Return the cells along each axis of a box."""
    dimension = len(bounds)
    if resolution is None:
        resolution = DEFAULT_RESOLUTION[dimension - 1]
    alike = as_whole(resolution)
    try:
        given = [alike] * dimension if alike is not None else [as_whole(cells) for cells in resolution]
    except TypeError:
        given = []
    shape = tuple(cells for cells in given if cells is not None and cells >= 8)
    if len(shape) != dimension or len(given) != dimension:
        raise ValueError(f"resolution={resolution!r}: give a whole number of at least 8, or one per axis ({dimension})")
    total = math.prod(shape)
    if total > MOST_CELLS:
        share = math.exp(math.log(MOST_CELLS / total) / dimension)
        fewer = tuple(max(8, math.floor(cells * share)) for cells in shape)
        instead = f", such as resolution={fewer[0] if len(set(fewer)) == 1 else fewer}"
        raise ValueError(
            f"resolution={resolution!r} makes {total:,} cells, more than a look can take: give at most {MOST_CELLS:,}"
            f"{instead if math.prod(fewer) <= MOST_CELLS else ''}"
        )
    for (low, high), cells in zip(bounds, shape, strict=True):
        centres = cell_centres(low, high, cells, ends=ends)
        distinct = np.unique(centres[(low <= centres) & (centres <= high)]).size
        if distinct < cells:
            raise ValueError(
                f"bounds ({low}, {high}) have room for {distinct} of {cells} different points in float64: shift the "
                "inputs so that they begin near 0, scale them, or give wider bounds"
            )
    return shape


def checked_points(points: Any) -> FloatArray:
    """Return coordinates along one axis, shape ``(N,)``."""
    try:
        coordinates = np.array(_as_array("points", points), dtype=np.float64)
    except Unreadable as error:
        raise TypeError(f"points {error}: give N numbers, or an array (N, 1)") from error
    except (TypeError, OverflowError) as error:
        raise TypeError(f"points is {type(points).__name__}: give N numbers, or an array (N, 1)") from error
    if coordinates.shape != (coordinates.size, 1) and coordinates.ndim != 1:
        raise ValueError(f"points has shape {coordinates.shape}: this version looks along one axis; give (N, 1)")
    checked_count(coordinates.size, "points", "points[::{stride}], and the same of the target")
    return coordinates.ravel()


def checked_count(count: int, what: str, thinned: str) -> None:
    """Refuse more points than a look can take; ``thinned`` says how to take every ``{stride}``-th."""
    if count > MOST_POINTS:
        stride = -(-count // MOST_POINTS)
        raise ValueError(
            f"{what} has {count:,} points, more than a look can take: give at most {MOST_POINTS:,}, such as "
            f"{thinned.format(stride=stride)}"
        )


def checked_values(target: Any, size: int, shape: tuple[int, ...] = ()) -> FloatArray:
    """Return the target's values, shape ``(size,)``; a number stands for all of them.

    Parameters
    ----------
    target : what was given.
    size : number of the points.
    shape : of the grid whose points they are, in C order: values of this shape are taken, too.
    """
    number = as_real(target)
    values: FloatArray
    if number is not None:
        values = np.full(size, number)
    else:
        wanted = f"pass a function of the points, an array of {size} real values or a number"
        try:
            values = np.array(_as_array("target", target), dtype=np.float64)
        except Unreadable as error:
            raise TypeError(f"target {error}: {wanted}") from error
        except (TypeError, OverflowError) as error:
            raise TypeError(f"target is {type(target).__name__}: {wanted}{_not_imported(target)}") from error
    if values.ndim == 2 and values.shape == (size, 1):
        values = values[:, 0]
    if len(shape) > 1 and values.shape == shape:
        values = values.reshape(size)
    if values.shape != (size,):
        raise ValueError(f"target has shape {values.shape}, expected {_expected(values.shape, size, shape)}")
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise ValueError(
            f"target has {bad.size} of {size} values that are NaN or infinite, the first at point {bad[0]}: a target "
            "must be finite at every point; move the bounds or give finite values"
        )
    largest = float(np.max(np.abs(values)))
    if largest > _LARGEST_VALUE:
        raise ValueError(
            f"target reaches {largest:.3g}, but at most {_LARGEST_VALUE:g} can be squared: use other units"
        )
    if 0.0 < largest < _SMALLEST_VALUE and np.ptp(values) > 0.0:
        raise ValueError(
            f"target reaches only {largest:.3g}, whose square is nothing in float64: use other units, in which it "
            f"reaches at least {_SMALLEST_VALUE:g}"
        )
    return values


def _expected(given: tuple[int, ...], size: int, shape: tuple[int, ...]) -> str:
    """The rest of a sentence about values of another shape than that of the points, or of their grid."""
    if len(shape) < 2:
        return f"({size},) or ({size}, 1): one value per point"
    said = (
        f"({size},), ({size}, 1) or {shape}, the grid's own: one value per point, the first index along the first axis"
    )
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


def quoted(error: BaseException) -> str:
    """What was raised, in the words of a message.

    Examples
    --------
    >>> quoted(KeyError("density")), quoted(StopIteration())
    ("KeyError: 'density'", 'StopIteration')
    """
    try:
        text = str(error).strip()
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _not_imported(target: Any) -> str:
    """What a message adds where a configuration names a function that is not there."""
    if not isinstance(target, str):
        return ""
    return f"; {target!r} is no dotted path of a function that can be imported, such as 'my_module.my_function'"
