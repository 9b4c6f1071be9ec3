"""Where to look, what should be there, and how to ask the module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightning_seqfit import checks, targets
from lightning_seqfit.adapters import Adapter
from lightning_seqfit.asking import ask, component
from lightning_seqfit.dataset import read_pairs
from lightning_seqfit.geometry import FloatArray, Geometry, Grid, Scattered
from lightning_seqfit.guard import leave_untouched
from lightning_seqfit.guard.inventory import differences, take_inventory
from lightning_seqfit.measures.trend import Trend
from lightning_seqfit.read_out import ReadOut


class Asked(TypedDict, total=False):
    """How a module is asked, and what the answer is called: the keywords that every kind of probe takes."""

    predict: Callable[..., Any] | None
    output: int
    needs_grad: bool
    name: str
    quantity: str


@dataclass(frozen=True)
class Observation:
    """What was seen at one look, on the host: float64, features and weights in the precision of the module.

    Attributes
    ----------
    prediction : the module's output at the points, shape ``(N,)``; may hold NaN and inf.
    residual : prediction - target, shape ``(N,)``.
    features : input of the read-out layer at the rows asked for, shape ``(rows, width)``; None where none was asked
        for, or it cannot be used: the read-out says why.
    weights : the layer's weights for the output that is looked at, shape ``(width,)``; None where it has no such.
    outputs : number of outputs of the layer; 0 where it has no weights.
    shared : generators, such as ``"numpy"``, from which the evaluation and another thread drew at the same time: they
        were put back, and the other thread will draw the same numbers again.
    """

    prediction: FloatArray
    residual: FloatArray
    features: FloatArray | None = None
    weights: FloatArray | None = None
    outputs: int = 0
    shared: tuple[str, ...] = ()


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
        self.name = checks.checked_name(name)
        self.quantity = str(quantity)
        if predict is not None and not callable(predict):
            raise TypeError(
                f"predict={predict!r} is not callable: pass a function (module, points of shape (N, d)) -> tensor of "
                "shape (N,) or (N, k)"
            )
        if isinstance(predict, type) and issubclass(predict, Adapter):
            predict = predict()
        self.predict: Callable[..., Any] | None = predict
        self.output = checks.checked_output(output)
        self.needs_grad = bool(needs_grad)
        self.notes: list[str] = []  # what was found of the points when a module came
        self._placed: Tensor | None = None
        self.target = target if callable(target) else checks.checked_values(target, len(geometry.points))

    @classmethod
    def grid(
        cls,
        bounds: Sequence[Sequence[float]],
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor,
        *,
        resolution: int | Sequence[int] | None = None,
        axes: Sequence[str] | None = None,
        **asked: Unpack[Asked],
    ) -> Probe:
        """Look on a cell-centred (midpoint) grid.

        Parameters
        ----------
        bounds : one ``(low, high)`` per axis, in the module's units; one, two or three axes.
        target : what the module should predict: a callable ``(points (N, d)) -> (N,) or (N, 1)``, an array of N values
            in the order of the grid, or a number (0.0 for the residual of an equation). A callable gets the points as
            the module does, at least in float32, and once, for each axis, a grid four times finer along it, to see
            whether the resolution hides it.
        resolution : cells per axis, one number for all or one each, at most 2,097,152 in all; default 512, 96 or 32
            along one, two or three axes.
        axes : names for tags and figures; default x, y, z.
        predict : ``(module, points) -> tensor`` of shape (N,) or (N, k); default ``module(points)``. Ready ones are in
            :mod:`lightning_seqfit.adapters`.
        output : component of a prediction of shape (N, k), from 0.
        needs_grad : the prediction differentiates with ``torch.autograd.grad``, as the residual of an equation does.
        name : goes into tags and file names; needed as soon as a trainer has two probes. At most 100 letters,
            digits, ``_ . -``.
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
        box = checks.checked_bounds(bounds)
        names = checks.checked_axes(axes, len(box))
        shape = checks.checked_resolution(resolution, box)
        return cls(Grid(bounds=box, shape=shape, axes=names), target, **asked)

    @classmethod
    def points(
        cls,
        points: list[float] | NDArray[Any] | Tensor,
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor,
        *,
        bounds: Sequence[Sequence[float]] | None = None,
        axes: Sequence[str] | None = None,
        **asked: Unpack[Asked],
    ) -> Probe:
        """Look at given points along one axis, in any order, such as those of a measured series.

        Gaps between them count neither way: nothing is measured there, and the record says where they are.

        Parameters
        ----------
        points : shape (N,) or (N, 1), from 4 to 200,000, in the module's units.
        target : as for :meth:`grid`; an array has one value per point, in their order.
        bounds : one ``(low, high)`` around all points; default: half a spacing beyond the outermost ones.
        axes, predict, output, needs_grad, name, quantity : as for :meth:`grid`.

        Raises
        ------
        ValueError, TypeError
            Where an argument cannot be used.

        Examples
        --------
        >>> import numpy as np
        >>> years = np.array([1960.2, 1958.5, 1959.1, 1961.7, 1962.3])
        >>> probe = Probe.points(years, np.sin(years), axes=["year"], quantity="level (m)")
        >>> probe.geometry.points.shape
        (5, 1)
        """
        coordinates = checks.checked_points(points)
        names = checks.checked_axes(axes, 1)
        geometry = Scattered.spanning(coordinates, axes=names)
        if bounds is not None:
            geometry = Scattered(geometry.coordinates, checks.checked_bounds(bounds), names)
        return cls(geometry, target, **asked)

    @classmethod
    def from_dataset(cls, dataset: Any, **options: Any) -> Probe:
        """Look at the points of a map-style dataset of (point, value) pairs, with its own values as target.

        Parameters
        ----------
        dataset : ``len(dataset)`` and ``dataset[i] -> (point, value)``, one number each. What it draws to make them is
            drawn from no generator of yours: they are put back, and so are those that it holds.
        options : as for :meth:`points`.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            If the dataset does not hold such pairs, more than 200,000 of them, or raises.

        Examples
        --------
        >>> from torch.utils.data import TensorDataset
        >>> x = torch.linspace(0, 1, 50)[:, None]
        >>> len(Probe.from_dataset(TensorDataset(x, torch.sin(9 * x))).geometry.points)
        50
        """
        points, values = read_pairs(dataset)
        return cls.points(points, values, **options)

    def read_target(self, module: nn.Module) -> tuple[FloatArray, Trend]:
        """Target at the points as the module sees them, shape ``(N,)``, and its trend.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            If the target has the wrong length or values that are not finite, cannot be evaluated, is noise, or has a
            wavelength that the resolution hides; or the points coincide in the module's precision. Where some of them
            do, :attr:`notes` says so.
        """
        device, dtype = targets.placement(module)
        note = targets.rounded(self.geometry, dtype)
        self.notes = [note] if note else []
        return targets.read(self.geometry, self.target, device, dtype)

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
            If the prediction is no tensor of shape (N,) or (N, k) with k > ``output``, or a layer that was asked for by
            name cannot be found.
        RuntimeError
            If the module, or ``predict``, raises: what it was called with, and what to do.
        """
        device, dtype = targets.placement(module)
        points = self._points(device, dtype)
        size = len(points)
        with leave_untouched(module, device, grad=self.needs_grad) as shared, precision(), ExitStack() as stack:
            heard = stack.enter_context(read_out.listen(module, size)) if read_out is not None else {}
            if self.needs_grad:
                points.requires_grad_(True)
            answer = ask(module, points, self.predict, self.geometry.axes, needs_grad=self.needs_grad)
            parts = [component(module, answer, self.predict, self.geometry.points.shape, self.output)]
            basis = read_out.choose(module, heard, size) if read_out is not None else None
            outputs = 0
            if basis is not None:
                layer_input, rows = basis
                outputs = len(rows)
                parts += [layer_input, rows[self.output if self.output < outputs else 0 :][:1]]
            # one transfer, from wherever they lie
            precise = reduce(torch.promote_types, (part.dtype for part in parts))
            flat = torch.cat([part.reshape(-1).to(parts[0].device, precise) for part in parts]).cpu().numpy()
        with np.errstate(all="ignore"):  # whatever the user has set; the module has been asked
            prediction = flat[:size].astype(np.float64)
            residual = prediction - target
        features = weights = None
        if basis is not None:
            end = size + parts[1].numel()
            features = flat[size:end].reshape(parts[1].shape)
            weights = flat[end:] if outputs else None
        return Observation(prediction, residual, features, weights, outputs, tuple(shared))

    def check(self, module: nn.Module) -> tuple[str, ...]:
        """Evaluate a module twice, and name whatever is not afterwards what it was before: a check of the guard.

        A look leaves a module and the process as they were. What it cannot undo, such as a variable of the script that
        a forward pass counts up, changes the training; this names it, so that it can be moved into the module.

        Parameters
        ----------
        module : what will train, with its weights made.

        Returns
        -------
        tuple of str
            One line each, as ``"module's class Net.forward's global CALLS: 0 -> 2"``; empty: nothing differs.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As :meth:`observe`.

        Examples
        --------
        >>> module = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 1))
        >>> Probe.grid([(0.0, 1.0)], target=0.0).check(module)
        ()
        """
        nothing = np.zeros(len(self.geometry.points))
        roots = {"module": module, **({} if self.predict is None else {"predict": self.predict})}
        before = take_inventory(**roots)
        first, second = (self.observe(module, nothing).prediction for _ in range(2))
        found = differences(before, take_inventory(**roots))
        if not np.array_equal(first, second, equal_nan=True):
            apart = float(np.nanmax(np.abs(first - second)))
            found.append(f"the prediction at the same points: two evaluations differ by up to {apart:.3g}")
        return tuple(found)

    def _points(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the points as the module takes them, a copy of what lies there from the look before."""
        if self._placed is None or (self._placed.device, self._placed.dtype) != (device, dtype):
            self._placed = targets.placed(self.geometry.points, device, dtype)
        return self._placed.clone()

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets: the points are made there."""
        return {**self.__dict__, "_placed": None}
