"""Arguments that may be passed: each function returns one that can be used, or says what was given and what can be."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from lightning_seqfit.adapters import Adapter
from lightning_seqfit.geometry import MOST_AXES, cell_centres
from lightning_seqfit.probe.checks.echo import shown

#: Cells per axis in one, two and three dimensions, and to how many they rise by themselves for a target's wavelengths.
DEFAULT_RESOLUTION, HIGHEST_DEFAULT = (512, 96, 32), (4096, 192, 48)
#: Cells of a grid, at the most.
MOST_CELLS = 2**21
#: Outputs of a module that one probe looks at, at the most.
MOST_OUTPUTS = 64
#: Letters of a name, which stands in names of files: those end at 255 bytes with all that is added.
LONGEST_NAME = 100

#: Squares of the target must stay in the range of float64.
LARGEST_VALUE, SMALLEST_VALUE = 1e150, 1e-150
_LETTERS = "use letters, digits, '_', '.' and '-'"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
# Windows takes these for devices, whatever follows the first dot.
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{number}" for port in ("COM", "LPT") for number in range(10))}


def as_real(value: Any) -> float | None:
    """Return a number of Python, NumPy or torch as a float; None: it is no real number. Booleans are none.

    Examples
    --------
    >>> import torch
    >>> as_real(np.float32(0.25)), as_real(torch.tensor(3)), as_real(True), as_real("0.25"), as_real([0.25])
    (0.25, 3.0, None, None, None)
    """
    try:
        if _is_no_number(value) or isinstance(value, str | bytes | bytearray):
            return None
        return float(value.detach() if isinstance(value, Tensor) else value)
    except Exception:  # whatever an object of somebody else's raises, it is no number
        return None


def as_whole(value: Any) -> int | None:
    """Return a whole number of Python, NumPy or torch as an int; None: it is none. Booleans and 5.0 are none.

    Examples
    --------
    >>> import torch
    >>> as_whole(np.int64(5)), as_whole(np.array(5)), as_whole(torch.tensor(5)), as_whole(True), as_whole(5.0)
    (5, 5, 5, None, None)
    """
    try:
        return None if _is_no_number(value) else operator.index(value)
    except Exception:
        return None


def _is_no_number(value: Any) -> bool:
    """Whether it is a truth value, complex, masked or has axes, all of which Python would convert."""
    kind = str(getattr(value, "dtype", ""))
    masked = isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value)
    return isinstance(value, bool) or "bool" in kind or "complex" in kind or masked or getattr(value, "ndim", 0) != 0


def checked_name(name: Any = "") -> str:
    """Return the name of a probe, which stands in tags and names of files."""
    if not isinstance(name, str) or (name and not _NAME.fullmatch(name)):
        raise ValueError(f"name={shown(name)} cannot stand in a tag and a file name: {_LETTERS}")
    if len(name) > LONGEST_NAME:
        raise ValueError(
            f"name={shown(name[:20] + '...')} has {len(name)} letters, too many for the name of a file: use at most "
            f"{LONGEST_NAME}"
        )
    if name.partition(".")[0].upper() in _DEVICES:
        raise ValueError(f"name={shown(name)} is a device on Windows, where no file can be called so: use another name")
    return name


def checked_output(output: Any = 0) -> int | tuple[int, ...] | str:
    """Return the number of a component, several in a tuple, or ``"norm"``.

    Examples
    --------
    >>> checked_output(2), checked_output([0, 2]), checked_output("norm")
    (2, (0, 2), 'norm')
    """
    if isinstance(output, str) and output == "norm":
        return str(output)
    listed = isinstance(output, list | tuple)
    numbers = [as_whole(column) for column in output] if listed else [as_whole(output)]
    columns = tuple(number for number in numbers if number is not None and number >= 0)
    if len(columns) < len(numbers) or not columns:
        raise ValueError(
            f"output={shown(output)} is not a component: pass 0 for the first one, 1 for the second, ..., a list of "
            'them, such as [0, 2], or "norm" for the length of the error over all of them'
        )
    if len(set(columns)) < len(columns) or len(columns) > MOST_OUTPUTS:
        raise ValueError(f"output={shown(output)}: name each component once, and at most {MOST_OUTPUTS} of them")
    return columns if listed else columns[0]


def checked_predict(predict: Any = None) -> Callable[..., Any] | None:
    """Return a function that asks the module; of an adapter's class, an adapter; None: the module is called."""
    if predict is not None and not callable(predict):
        raise TypeError(
            f"predict={shown(predict)} is not callable: pass a function (module, points of shape (N, d)) -> tensor of "
            "shape (N,) or (N, k)"
        )
    function: Callable[..., Any] | None = predict
    return predict() if isinstance(predict, type) and issubclass(predict, Adapter) else function


def checked_inside(inside: Any = None) -> Callable[..., Any] | None:
    """Return what tells which points belong to a domain; None: all do."""
    if inside is not None and not callable(inside):
        raise TypeError(
            f"inside={shown(inside)} is not callable: pass a function (points of shape (N, d)) -> N truth values, such "
            "as lambda points: (points ** 2).sum(1) < 1"
        )
    function: Callable[..., Any] | None = inside
    return function


def checked_quantity(quantity: Any = "value") -> str:
    """Return what is predicted, in the words of the figures."""
    if not isinstance(quantity, str):
        raise TypeError(
            f'quantity={shown(quantity)} is no text: name what is predicted, with its unit, such as "CO2 (ppm)"'
        )
    return str(quantity)


def checked_tolerance(tolerance: Any) -> float:
    """Return a relative error."""
    number = as_real(tolerance)
    if number is None or not 0.0 < number < 1.0:
        raise ValueError(f"tolerance={shown(tolerance)}: give a relative error between 0 and 1, such as 0.25")
    return number


def checked_noise(noise: Any = "auto") -> float | None:
    """Return the standard deviation of a target's noise; None: it is to be estimated."""
    if isinstance(noise, str) and noise == "auto":
        return None
    wanted = "give the standard deviation of the target's noise, 0 or more and in its units, or"
    return _size(f'{wanted} "auto", which estimates it where the target is given as values', 0.0, noise=noise)


def checked_scale(scale: Any = None) -> float | None:
    """Return the error that counts as 1; None: the target says it."""
    wanted = "give the mean square root of an error that counts as 1, a positive number in the target's units, or None"
    return None if scale is None else _size(f"{wanted}, which takes it from the target", SMALLEST_VALUE, scale=scale)


def _size(wanted: str, least: float, **argument: Any) -> float:
    ((name, value),) = argument.items()
    number = as_real(value)
    if number is None or not least <= number <= LARGEST_VALUE:
        raise ValueError(f"{name}={shown(value)}: {wanted}")
    return number


def checked_max_points(max_points: Any, most: int) -> int:
    """Return how many points are taken."""
    number = as_whole(max_points)
    if number is None or not 1 <= number <= most:
        raise ValueError(f"max_points={shown(max_points)}: give a whole number from 1 to {most:,}, or leave it out")
    return number


def checked_relative(relative: Any = "global") -> str:
    """Return what errors are relative to at a place."""
    if not isinstance(relative, str) or relative not in ("global", "local"):
        raise ValueError(
            f'relative={shown(relative)}: give "global", where errors are relative to the target\'s oscillation as a '
            'whole, or "local", where they are relative to what oscillates at the place'
        )
    return relative


def checked_cadence(every_n_steps: Any) -> Any:
    """Return a number of steps, ``"auto"``, or a function as it is: it is asked in training only."""
    if callable(every_n_steps) or (isinstance(every_n_steps, str) and every_n_steps == "auto"):
        return every_n_steps
    number = as_whole(every_n_steps)
    if number is None or number < 1:
        raise ValueError(
            f'every_n_steps={shown(every_n_steps)}: give "auto", a whole number of at least 1, or a function (step) -> '
            "bool"
        )
    return number


def checked_bounds(bounds: Any, dimension: int | None = None) -> tuple[tuple[float, float], ...]:
    """Return one (low, high) for each axis: of a grid, or of points in so many dimensions."""
    wanted = "give one (low, high) per axis, such as bounds=[(0.0, 1.0)]"
    try:
        box = tuple((_real(low), _real(high)) for low, high in bounds)
    except Exception as error:  # whatever an object of somebody else's raises
        raise ValueError(f"bounds={shown(bounds)} is not a box: {wanted}") from error
    if dimension is not None and len(box) != dimension:
        raise ValueError(f"bounds={shown(bounds)} has {len(box)} axes and the points have {dimension}: {wanted}")
    if dimension is None and not 1 <= len(box) <= len(DEFAULT_RESOLUTION):
        raise ValueError(f"bounds={shown(bounds)} has {len(box)} axes: a grid has one, two or three; {wanted}")
    for low, high in box:
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"bounds={shown(bounds)}: ({low}, {high}) is not finite; {wanted}")
        if not low < high:
            raise ValueError(f"bounds={shown(bounds)}: low={low} is not below high={high}; {wanted}")
        if not math.isfinite(high - low):
            raise ValueError(
                f"bounds={shown(bounds)}: from {low} to {high} is more than float64 holds; use other units"
            )
    return box


def _real(value: Any) -> float:
    number = as_real(value)
    if number is None:
        raise TypeError(f"{shown(value)} is not a number")
    return number


def checked_axes(axes: Any, dimension: int) -> tuple[str, ...]:
    """Return the names of the axes, which stand in tags: x, y, z, and of more x1, x2, ..."""
    try:
        several = ("x", "y", "z")[:dimension] if dimension <= MOST_AXES else [f"x{i + 1}" for i in range(dimension)]
        names = tuple(several if axes is None else axes)
        distinct = len(names) == dimension == len(set(names))
    except Exception:
        names, distinct = (), False
    if isinstance(axes, str) or not distinct:
        raise ValueError(f"axes={shown(axes)} does not name {dimension} axes: give {dimension} different names")
    for axis in names:
        if not isinstance(axis, str) or not _NAME.fullmatch(axis):
            raise ValueError(f"axes={shown(axes)}: {shown(axis)} cannot stand in a tag: {_LETTERS}")
        if len(axis) > LONGEST_NAME:
            raise ValueError(f"axes={shown(axes)}: a name has {len(axis)} letters; use at most {LONGEST_NAME}")
    return names


def checked_needs_grad(needs_grad: Any = False) -> bool:
    """Return whether a prediction differentiates."""
    return _flag("the prediction differentiates with torch.autograd.grad, else False", needs_grad=needs_grad)


def checked_ends(ends: Any) -> bool:
    """Return whether the outermost points lie on the bounds."""
    where = "the outermost points lie on the bounds, as linspace makes them, or False where the points are the centres"
    return _flag(f"{where} of cells between the bounds", ends=ends)


def _flag(meaning: str, **argument: Any) -> bool:
    """Return a truth value: any text would count as true."""
    ((name, value),) = argument.items()
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name}={shown(value)}: pass True where {meaning}")
    return bool(value)


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
    except Exception:
        given = []
    shape = tuple(cells for cells in given if cells is not None and cells >= 8)
    if len(shape) != dimension or len(given) != dimension:
        raise ValueError(
            f"resolution={shown(resolution)}: give a whole number of at least 8, or one per axis ({dimension})"
        )
    if math.prod(shape) > MOST_CELLS:
        most = [min(cells, MOST_CELLS) for cells in shape]  # floats hold these
        share = math.exp(math.log(MOST_CELLS / math.prod(most)) / dimension)
        fewer = [max(8, math.floor(cells * share)) for cells in most]
        longest = fewer.index(max(fewer))  # makes up for those that are as short as may be
        fewer[longest] = max(8, min(fewer[longest], MOST_CELLS * fewer[longest] // math.prod(fewer)))
        instead = f", such as resolution={fewer[0] if len(set(fewer)) == 1 else tuple(fewer)}"
        total = math.prod(most)
        raise ValueError(
            f"resolution={shown(resolution)} makes {'over ' if most != list(shape) else ''}{total:,} cells, more than "
            f"a look can take: give at most {MOST_CELLS:,}{instead if math.prod(fewer) <= MOST_CELLS else ''}"
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
