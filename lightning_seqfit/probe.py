"""Where to look, what should be there, and how to ask the module."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightning_seqfit.adapters import Adapter, adapter_for, kind, remedy
from lightning_seqfit.geometry import FloatArray, Geometry, Grid, Scattered
from lightning_seqfit.guard import leave_untouched
from lightning_seqfit.measures.trend import Trend, fit_trend
from lightning_seqfit.read_out import ReadOut, output_weights

#: Cells per axis in one, two and three dimensions.
DEFAULT_RESOLUTION = (512, 96, 32)
#: Cells that a wavelength must span, and that the shortest significant one must.
CELLS_PER_WAVELENGTH, CELLS_PER_SHORTEST_WAVELENGTH = 4.0, 2.5

# Squares of the target must stay in the range of float64.
_LARGEST_VALUE = 1e150
#: Share of a target's oscillation that the harmonics which scattered points can tell must hold.
LEAST_TOLD = 0.5
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Observation:
    """What was seen at one look, on the host: float64, features and weights in the precision of the module.

    Attributes
    ----------
    prediction : the module's output at the points, shape ``(N,)``; may hold NaN and inf.
    residual : prediction - target, shape ``(N,)``.
    features : input of the read-out layer at the rows asked for, shape ``(rows, width)``, where one was.
    weights : the layer's weights for the output that is looked at, shape ``(width,)``; None where it has no such.
    outputs : number of outputs of the layer; 0 where it has no weights.
    """

    prediction: FloatArray
    residual: FloatArray
    features: FloatArray | None = None
    weights: FloatArray | None = None
    outputs: int = 0


class Probe:
    """A fixed set of points at which a module is watched, with the target there.

    Made by :meth:`Probe.grid`; pass it to the callbacks. Several callbacks may share one probe: the module is evaluated
    once for all of them.
    """

    def __init__(
        self,
        geometry: Geometry,
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor,
        *,
        predict: Callable[..., Any] | None = None,
        output: int = 0,
        needs_grad: bool = False,
        name: str = "",
        quantity: str = "value",
    ) -> None:
        self.geometry = geometry
        self.name = _checked_name(name)
        self.quantity = str(quantity)
        if predict is not None and not callable(predict):
            raise TypeError(
                f"predict={predict!r} is not callable: pass a function (module, points of shape (N, d)) -> tensor of "
                "shape (N,) or (N, k)"
            )
        if isinstance(output, bool) or not isinstance(output, int) or output < 0:
            raise ValueError(f"output={output!r} is not a component: pass 0 for the first one, 1 for the second, ...")
        if isinstance(predict, type) and issubclass(predict, Adapter):
            predict = predict()
        self.predict: Callable[..., Any] | None = predict
        self.output = output
        self.needs_grad = bool(needs_grad)
        self._placed: Tensor | None = None
        self.target = target if callable(target) else _checked_values(target, len(geometry.points))

    @classmethod
    def grid(
        cls,
        bounds: Sequence[Sequence[float]],
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor,
        *,
        resolution: int | Sequence[int] | None = None,
        axes: Sequence[str] | None = None,
        predict: Callable[..., Any] | None = None,
        output: int = 0,
        needs_grad: bool = False,
        name: str = "",
        quantity: str = "value",
    ) -> Probe:
        """Look on a cell-centred (midpoint) grid.

        Parameters
        ----------
        bounds : one ``(low, high)`` per axis, in the module's units; one, two or three axes.
        target : what the module should predict: a callable ``(points (N, d)) -> (N,) or (N, 1)``, an array of N values
            in the order of the grid, or a number (0.0 for the residual of an equation). A callable gets the points as
            the module does, at least in float32, and once, for each axis, a grid four times finer along it, to see
            whether the resolution hides it.
        resolution : cells per axis, one number for all or one each; default 512, 96 or 32 along one, two or three axes.
        axes : names for tags and figures; default x, y, z.
        predict : ``(module, points) -> tensor`` of shape (N,) or (N, k); default ``module(points)``. Ready ones are in
            :mod:`lightning_seqfit.adapters`.
        output : component of a prediction of shape (N, k), from 0.
        needs_grad : the prediction differentiates with ``torch.autograd.grad``, as the residual of an equation does.
        name : goes into tags and file names; needed as soon as a trainer has two probes. Letters, digits, ``_ . -``.
        quantity : what is predicted, with its unit, as the figures name it, such as ``"CO2 (ppm)"``.

        Raises
        ------
        ValueError, TypeError
            Where an argument cannot be used; the message says what can. What depends on the module (the shape of the
            prediction, the target's values) is checked when training starts, before the first batch.

        Examples
        --------
        >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
        >>> probe.geometry.shape
        (512,)
        """
        box = _checked_bounds(bounds)
        dimension = len(box)
        names = _checked_axes(axes, dimension)
        shape = _checked_resolution(resolution, dimension)
        geometry = Grid(bounds=box, shape=shape, axes=names)
        return cls(
            geometry, target, predict=predict, output=output, needs_grad=needs_grad, name=name, quantity=quantity
        )

    @classmethod
    def points(
        cls,
        points: list[float] | NDArray[Any] | Tensor,
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor,
        *,
        bounds: Sequence[Sequence[float]] | None = None,
        axes: Sequence[str] | None = None,
        predict: Callable[..., Any] | None = None,
        output: int = 0,
        needs_grad: bool = False,
        name: str = "",
        quantity: str = "value",
    ) -> Probe:
        """Look at given points along one axis, in any order, such as those of a measured series.

        Parameters
        ----------
        points : shape (N,) or (N, 1), at least 4, in the module's units.
        target : as for :meth:`grid`; an array has one value per point, in their order.
        bounds : one ``(low, high)`` around all points; default: half a mean spacing beyond the outermost ones.
        axes, predict, output, needs_grad, name, quantity : as for :meth:`grid`.

        Raises
        ------
        ValueError, TypeError
            Where an argument cannot be used, or a gap between the points is too wide to tell any frequency.

        Examples
        --------
        >>> import numpy as np
        >>> years = np.array([1960.2, 1958.5, 1959.1, 1961.7, 1962.3])
        >>> probe = Probe.points(years, np.sin(years), axes=["year"], quantity="level (m)")
        >>> probe.geometry.points.shape
        (5, 1)
        """
        if isinstance(points, Tensor):
            points = points.as_subclass(Tensor).detach().cpu().to(torch.float64).numpy()
        try:
            coordinates = np.array(points, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise TypeError(f"points is {type(points).__name__}: give N numbers, or an array (N, 1)") from error
        if coordinates.shape != (coordinates.size, 1) and coordinates.ndim != 1:
            raise ValueError(f"points has shape {coordinates.shape}: this version looks along one axis; give (N, 1)")
        names = _checked_axes(axes, 1)
        geometry = Scattered.spanning(coordinates.ravel(), axes=names)
        if bounds is not None:
            geometry = Scattered(geometry.coordinates, _checked_bounds(bounds), names)
        return cls(
            geometry,
            target,
            predict=predict,
            output=output,
            needs_grad=needs_grad,
            name=name,
            quantity=quantity,
        )

    @classmethod
    def from_dataset(cls, dataset: Any, **options: Any) -> Probe:
        """Look at the points of a map-style dataset of (point, value) pairs, with its own values as target.

        Parameters
        ----------
        dataset : ``len(dataset)`` and ``dataset[i] -> (point, value)``, one number each.
        options : as for :meth:`points`.

        Raises
        ------
        ValueError, TypeError
            If the dataset does not hold such pairs.

        Examples
        --------
        >>> from torch.utils.data import TensorDataset
        >>> x = torch.linspace(0, 1, 50)[:, None]
        >>> len(Probe.from_dataset(TensorDataset(x, torch.sin(9 * x))).geometry.points)
        50
        """
        try:
            pairs = [dataset[index] for index in range(len(dataset))]
            points, values = (np.array([float(pair[side]) for pair in pairs]) for side in (0, 1))
        except (TypeError, ValueError, IndexError, KeyError, RuntimeError) as error:
            raise TypeError(
                f"{type(dataset).__name__} does not hold pairs of one number each ({type(error).__name__}: {error}): "
                "use Probe.points(points, values)"
            ) from error
        return cls.points(points, values, **options)

    def read_target(self, module: nn.Module) -> tuple[FloatArray, Trend]:
        """Target at the points as the module sees them, shape ``(N,)``, and its trend.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            If the target has the wrong length or values that are not finite, cannot be evaluated, or has a wavelength
            that the resolution hides.
        """
        geometry = self.geometry
        device, dtype = _placement(module)
        values = self.target
        if callable(values):
            values = _evaluate_target(values, geometry.points, device, dtype)
        with np.errstate(all="ignore"):  # whatever the user has set; the target has been asked
            trend = fit_trend(geometry, values)
            if isinstance(geometry, Scattered):
                _check_points(geometry, trend)
        if isinstance(geometry, Grid):
            for axis in range(geometry.dimension):
                self._check_resolution(self._finer(geometry, axis, device, dtype) or trend, axis)
        return values, trend

    def _finer(self, grid: Grid, axis: int, device: torch.device, dtype: torch.dtype) -> Trend | None:
        """Trend of the target on a grid four times finer along an axis; None where it has values at the points only."""
        if not callable(self.target):
            return None
        shape = tuple(cells * (4 if axis == other else 1) for other, cells in enumerate(grid.shape))
        fine = Grid(grid.bounds, shape, grid.axes)
        try:
            values = _evaluate_target(self.target, fine.points, device, dtype)
            with np.errstate(all="ignore"):
                return fit_trend(fine, values)
        except (ValueError, TypeError, RuntimeError):
            return None

    def _check_resolution(self, trend: Trend, axis: int) -> None:
        """Refuse a target that oscillates too fast for the grid's cells along an axis."""
        assert isinstance(self.geometry, Grid)
        cells, length = self.geometry.shape[axis], self.geometry.lengths[axis]
        wavelength, shortest = trend.wavelength[axis], trend.shortest_wavelength[axis]
        need = max(CELLS_PER_WAVELENGTH * length / wavelength, CELLS_PER_SHORTEST_WAVELENGTH * length / shortest)
        if cells < need * (1 - 1e-9):
            hidden = wavelength if CELLS_PER_WAVELENGTH * length / wavelength >= need else shortest
            raise ValueError(
                f"resolution={cells} is too coarse for the target's wavelength of {hidden:.3g} on axis "
                f"{self.geometry.axes[axis]}: use at least {math.ceil(need * (1 - 1e-9))} points on it"
            )

    def observe(
        self,
        module: nn.Module,
        target: FloatArray,
        precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
        read_out: ReadOut | None = None,
    ) -> Observation:
        """Evaluate the module once at the points and leave it as it was.

        Parameters
        ----------
        module : the module that trains.
        target : from :meth:`read_target`, shape ``(N,)``.
        precision : context for the forward pass, such as the trainer's autocast.
        read_out : the layer whose input is observed too.

        Raises
        ------
        TypeError, ValueError
            If the prediction is no tensor of shape (N,) or (N, k) with k > ``output``, or the layer cannot be found.
        """
        device, dtype = _placement(module)
        points = self._points(device, dtype)
        size = len(points)
        with leave_untouched(module, device, grad=self.needs_grad), precision(), ExitStack() as stack:
            heard = stack.enter_context(read_out.listen(module, size)) if read_out is not None else {}
            if self.needs_grad:
                points.requires_grad_(True)
            parts = [self._column(module, self._ask(module, points))]
            outputs = 0
            if read_out is not None:
                features, layer = read_out.choose(module, heard, size)
                weights = output_weights(layer, features.shape[1])
                outputs = len(weights)
                parts += [features, *weights[self.output if self.output < outputs else 0 :][:1]]
            # one transfer; in float32 at least, which numpy can read
            precise = reduce(torch.promote_types, (part.dtype for part in parts), torch.float32)
            flat = torch.cat([part.reshape(-1).to(precise) for part in parts]).cpu().numpy()
        pieces = np.split(flat, np.cumsum([part.numel() for part in parts])[:-1])
        with np.errstate(all="ignore"):  # whatever the user has set; the module has been asked
            prediction = pieces[0].astype(np.float64)
            residual = prediction - target
        return Observation(
            prediction=prediction,
            residual=residual,
            features=pieces[1].reshape(parts[1].shape) if read_out is not None else None,
            weights=pieces[2] if outputs else None,
            outputs=outputs,
        )

    def _points(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the points as the module takes them, a copy of what lies there from the look before."""
        if self._placed is None or (self._placed.device, self._placed.dtype) != (device, dtype):
            self._placed = torch.tensor(self.geometry.points, dtype=torch.float64).to(device=device, dtype=dtype)
        return self._placed.clone()

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets: the points are made there."""
        return {**self.__dict__, "_placed": None}

    def _ask(self, module: nn.Module, points: Tensor) -> Any:
        if isinstance(self.predict, Adapter):
            return self.predict(module, points, self.geometry.axes)
        if self.predict is not None:
            return self.predict(module, points)
        try:
            return module(points)
        except Exception as error:
            instead = adapter_for(module) or (
                ", a function (module, points) -> tensor; lightning_seqfit.adapters.Dictionary() is one for dicts"
            )
            raise RuntimeError(
                f"the module raised {type(error).__name__}: {error}; it was called with {kind(points)}, "
                f"dtype {points.dtype}. Where it takes something else, pass predict={instead}"
            ) from error

    def _column(self, module: nn.Module, output: Any) -> Tensor:
        size = len(self.geometry.points)
        asked = "the module" if self.predict is None else "predict"
        wanted = f"a tensor of shape ({size},) or ({size}, k) for points of shape {self.geometry.points.shape}"
        if not isinstance(output, Tensor):
            raise TypeError(
                f"{asked} returned {kind(output)}, expected {wanted}: {remedy(module, self.predict, output)}"
            )
        tensor = output.as_subclass(Tensor).detach()
        if tensor.is_complex():
            raise TypeError(
                f"{asked} returned a complex tensor, expected real values: pass predict= that takes one part"
            )
        if tensor.ndim not in (1, 2) or tensor.shape[0] != size:
            raise ValueError(
                f"{asked} returned {kind(output)}, expected {wanted}: {remedy(module, self.predict, output)}"
            )
        components = 1 if tensor.ndim == 1 else tensor.shape[1]
        if self.output >= components:
            raise ValueError(
                f"output={self.output}, but {asked} returned {components} component(s) (shape {tuple(tensor.shape)}): "
                f"use output=0{'' if components <= 1 else f' to {components - 1}'}"
            )
        return tensor if tensor.ndim == 1 else tensor[:, self.output]


def _placement(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    """Device and floating dtype of the module's first floating parameter, else of its first floating buffer."""
    for tensors in (module.parameters(), module.buffers()):
        for tensor in tensors:
            if tensor.is_floating_point():
                return tensor.device, tensor.dtype
    return torch.device("cpu"), torch.float32


def _evaluate_target(
    target: Callable[..., Any], points: FloatArray, device: torch.device, dtype: torch.dtype
) -> FloatArray:
    """Values of a target callable at the points as the module sees them, shape ``(N,)``."""
    # the module's rounding of the coordinates, but never less than float32 for the arithmetic
    seen = torch.tensor(points, dtype=torch.float64).to(device=device, dtype=dtype)
    seen = seen.to(torch.promote_types(dtype, torch.float32))
    with leave_untouched(nn.Module(), device):
        try:
            values = target(seen)
        except Exception as error:
            raise RuntimeError(
                f"target raised {type(error).__name__}: {error}; it is called with points of shape {points.shape} and "
                f"must return {len(points)} values"
            ) from error
    return _checked_values(values, len(points))


def _checked_values(target: Any, size: int) -> FloatArray:
    """Target values as an array of shape ``(size,)``; a number stands for all of them."""
    if isinstance(target, Tensor):
        target = target.as_subclass(Tensor).detach().cpu()
        target = target.numpy() if target.is_complex() else target.to(torch.float64).numpy()
    try:
        values = np.asarray(target)
        if values.dtype.kind == "c":  # a conversion would drop the imaginary part
            raise TypeError("complex values")
        values = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"target is {type(target).__name__}: pass a function of the points, an array of {size} real "
            f"values or a number{_not_imported(target)}"
        ) from error
    if values.ndim == 0 and isinstance(target, int | float | np.generic):
        values = np.full(size, float(values))
    if values.shape == (size, 1):
        values = values[:, 0]
    if values.shape != (size,):
        raise ValueError(f"target has shape {values.shape}, expected ({size},) or ({size}, 1): one value per point")
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
    return values


def _not_imported(target: Any) -> str:
    """What a message adds where a configuration names a function that is not there."""
    if not isinstance(target, str):
        return ""
    return f"; {target!r} is no dotted path of a function that can be imported, such as 'my_module.my_function'"


def _checked_name(name: str) -> str:
    if not isinstance(name, str) or (name and not _NAME.fullmatch(name)):
        raise ValueError(f"name={name!r} cannot stand in a tag and a file name: use letters, digits, '_', '.' and '-'")
    return name


def _checked_bounds(bounds: Any) -> tuple[tuple[float, float], ...]:
    wanted = "give one (low, high) per axis, such as bounds=[(0.0, 1.0)]"
    try:
        box = tuple((float(low), float(high)) for low, high in bounds)
    except (TypeError, ValueError) as error:
        raise ValueError(f"bounds={bounds!r} is not a box: {wanted}") from error
    if not 1 <= len(box) <= len(DEFAULT_RESOLUTION):
        raise ValueError(f"bounds={bounds!r} has {len(box)} axes: a grid has one, two or three; {wanted}")
    for low, high in box:
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ValueError(f"bounds={bounds!r}: ({low}, {high}) is not finite; {wanted}")
        if not low < high:
            raise ValueError(f"bounds={bounds!r}: low={low} is not below high={high}; {wanted}")
    return box


def _checked_axes(axes: Any, dimension: int) -> tuple[str, ...]:
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
    return names


def _check_points(geometry: Scattered, trend: Trend) -> None:
    """Refuse a target that oscillates too fast for scattered points to tell."""
    if trend.variance == 0.0:
        return
    length, (wavelength,) = geometry.lengths[0], trend.wavelength
    size, need = len(geometry.points), CELLS_PER_WAVELENGTH * length / wavelength
    # relative to the largest value, so that squares of extreme targets stay in range
    oscillation = trend.oscillation / np.max(np.abs(trend.oscillation))
    told = geometry.told(oscillation)
    if size < need * (1 - 1e-9) or told < LEAST_TOLD:
        raise ValueError(
            f"{size} points are too few, or too unevenly spread, for the target: harmonics up to "
            f"{geometry.highest_frequency} cycles over axis {geometry.axes[0]}, the most that the points can tell "
            f"(condition number {geometry.condition:.3g}), hold {100 * max(told, 0.0):.0f} % of its oscillation; give "
            "more points, fill the widest gaps, or look along a shorter stretch"
        )


def _checked_resolution(resolution: Any, dimension: int) -> tuple[int, ...]:
    if resolution is None:
        resolution = DEFAULT_RESOLUTION[dimension - 1]
    try:
        shape = (resolution,) * dimension if isinstance(resolution, int | np.integer) else tuple(resolution)
    except TypeError:
        shape = ()
    if len(shape) != dimension or not all(
        isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 8 for n in shape
    ):
        raise ValueError(f"resolution={resolution!r}: give a whole number of at least 8, or one per axis ({dimension})")
    return tuple(int(n) for n in shape)
