"""Where to look, what should be there, and how to ask the module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from copy import copy
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightning_seqfit.adapters import Adapter
from lightning_seqfit.geometry import FloatArray, Geometry, Grid, Scattered
from lightning_seqfit.measures.noise import noise_deviation
from lightning_seqfit.measures.trend import Trend
from lightning_seqfit.probe import checks, targets
from lightning_seqfit.probe.asking import ask, component
from lightning_seqfit.probe.dataset import read_pairs
from lightning_seqfit.probe.guard import leave_untouched
from lightning_seqfit.probe.guard.inventory import differences, take_inventory
from lightning_seqfit.probe.read_out import ReadOut

#: Values that are given lie elsewhere where the module's error there is at most this share of that at the points.
FAR_BETTER = 0.5


class Asked(TypedDict, total=False):
    """How a module is asked, and what the answer is called: the keywords that every kind of probe takes."""

    predict: Callable[..., Any] | None
    output: int
    needs_grad: bool
    name: str
    quantity: str
    relative: str
    noise: float | str
    scale: float | None


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
    notes : what cannot be vouched for, a sentence each: something that the evaluation may have changed for good.
    """

    prediction: FloatArray
    residual: FloatArray
    features: FloatArray | None = None
    weights: FloatArray | None = None
    outputs: int = 0
    notes: tuple[str, ...] = ()


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
        relative: str = "global",
        noise: float | str = "auto",
        scale: float | None = None,
    ) -> None:
        self.geometry = geometry
        self.name = checks.checked_name(name)
        self.quantity = str(quantity)
        self.relative = checks.checked_relative(relative)
        self.scale = checks.checked_scale(scale)
        self.given_noise = checks.checked_noise(noise)
        self._noise = self.given_noise
        if predict is not None and not callable(predict):
            raise TypeError(
                f"predict={predict!r} is not callable: pass a function (module, points of shape (N, d)) -> tensor of "
                "shape (N,) or (N, k)"
            )
        if isinstance(predict, type) and issubclass(predict, Adapter):
            predict = predict()
        self.predict: Callable[..., Any] | None = predict
        self.output = checks.checked_output(output)
        self.needs_grad = checks.checked_needs_grad(needs_grad)
        self.notes: list[str] = []  # what was found of the points when a module came
        self.remarks: list[str] = []  # what a record says of them, and nobody need be told
        self._rises = False  # the resolution is to be chosen as soon as the target can be evaluated
        self._placed: Tensor | None = None
        self.target = (
            target
            if callable(target)
            else checks.checked_values(target, len(geometry.points), getattr(geometry, "shape", ()))
        )

    @classmethod
    def grid(
        cls,
        bounds: Sequence[Sequence[float]],
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor,
        *,
        resolution: int | Sequence[int] | None = None,
        axes: Sequence[str] | None = None,
        ends: bool = False,
        **asked: Unpack[Asked],
    ) -> Probe:
        """Look at the centres of equal cells between the bounds, or with ``ends`` at points that begin and end on them.

        Parameters
        ----------
        bounds : one ``(low, high)`` per axis, in the module's units; one, two or three axes.
        target : what the module should predict: a callable ``(points (N, d)) -> (N,) or (N, 1)``, an array of N values
            in the order of the grid or of the grid's own shape (the first index along the first axis, as
            ``meshgrid(..., indexing="ij")`` has it), or a number (0.0 for the residual of an equation). A callable gets
            the points as the module does, at least in float32, and once, for each axis, a grid four times finer along
            it, to see whether the resolution hides it.
        resolution : cells per axis, one number for all or one each, at most 2,097,152 in all, and at least 8 a
            wavelength of a callable. Default: 512, 96 or 32 along one, two or three axes, and for a callable, which is
            evaluated for it here, as many more as its wavelengths ask for, up to 4,096, 192 or 48.
        axes : names for tags and figures; default x, y, z.
        ends : the outermost points lie on the bounds, as ``linspace(low, high, resolution)`` makes them; default: at
            the centres of the cells, half a cell inside.
        predict : ``(module, points) -> tensor`` of shape (N,) or (N, k); default ``module(points)``. Ready ones are in
            :mod:`lightning_seqfit.adapters`.
        output : component of a prediction of shape (N, k), from 0.
        needs_grad : the prediction differentiates with ``torch.autograd.grad``, as the residual of an equation does.
        name : goes into tags and file names; needed as soon as a trainer has two probes. At most 100 letters,
            digits, ``_ . -``.
        quantity : what is predicted, with its unit, as the figures name it, such as ``"CO2 (ppm)"``.
        relative : ``"global"``: errors are relative to the target's oscillation as a whole; ``"local"``: where a place
            is fitted is decided relative to what oscillates there, as a target that decays asks for.
        noise : standard deviation of the target's noise; ``"auto"``: estimated where the target is given as values,
            0 where it is a callable or a number.
        scale : mean square root of an error that counts as 1, in the target's units. Where the target is 0, as for a
            residual, nothing else says what is small, and without it errors are relative to those of the first look.

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
        >>> Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(200 * torch.pi * x[:, 0])).geometry.shape
        (1008,)
        >>> x = torch.linspace(0.0, 1.0, 64)
        >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=torch.sin(9 * x), resolution=64, ends=True)
        """
        box = checks.checked_bounds(bounds)
        names = checks.checked_axes(axes, len(box))
        ends = checks.checked_ends(ends)
        shape = checks.checked_resolution(resolution, box, ends=ends)
        probe = cls(Grid(bounds=box, shape=shape, axes=names, ends=ends), target, **asked)
        probe._rises = resolution is None and callable(target)
        probe._rise(torch.device("cpu"), torch.float64, torch.float32)
        return probe

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
        axes, predict, output, needs_grad, name, quantity, relative, noise, scale : as for :meth:`grid`.

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
        self._rise(device, torch.promote_types(dtype, torch.float32))
        note = targets.rounded(self.geometry, dtype)
        self.notes = [note] if note else []
        return targets.read(self.geometry, self.target, device, dtype, self.noise)

    @property
    def noise(self) -> float:
        """Standard deviation of the target's noise: as given, or estimated once; 0 of a callable.

        Examples
        --------
        >>> x = np.linspace(0, 1, 2000)
        >>> noisy = np.sin(9 * x) + 0.1 * np.random.default_rng(0).standard_normal(2000)
        >>> round(Probe.points(x, noisy).noise, 2)
        0.1
        """
        if self._noise is None:
            with np.errstate(all="ignore"):  # whatever the user has set
                self._noise = 0.0 if callable(self.target) else noise_deviation(self.geometry, self.target)
        return self._noise

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
        with leave_untouched(module, device, grad=self.needs_grad) as notes, precision(), ExitStack() as stack:
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
        return Observation(prediction, residual, features, weights, outputs, tuple(notes))

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

    def misplaced(
        self,
        module: nn.Module,
        target: FloatArray,
        residual: FloatArray,
        precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
    ) -> str:
        """What to pass for points at which a module fits given values far better than at these; empty: nothing.

        Values that were made on ``linspace`` belong to other points than the centres of the cells between the bounds,
        by up to half a cell, and no model can fit them there.

        Parameters
        ----------
        module : what has trained.
        target, residual : at the points, from :meth:`read_target` and :meth:`observe`, shape ``(N,)``.
        precision : as for :meth:`observe`.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As :meth:`observe`.

        Examples
        --------
        >>> values = torch.linspace(0, 1, 64)
        >>> probe = Probe.grid([(0.0, 1.0)], values, resolution=64)
        >>> target, _ = probe.read_target(nn.Identity())
        >>> probe.misplaced(nn.Identity(), target, probe.observe(nn.Identity(), target).residual)
        'ends=True'
        """
        best, instead = FAR_BETTER**2 * float(np.mean(residual**2)), ""
        conventions = {} if callable(self.target) else self.geometry.conventions()
        for said, geometry in conventions.items():
            other = copy(self)
            other.geometry, other._placed = geometry, None
            error = float(np.mean(other.observe(module, target, precision).residual ** 2))
            if error < best:
                best, instead = error, said
        return instead

    def _rise(self, device: torch.device, *precisions: torch.dtype) -> None:
        """Choose a default resolution by the target's wavelengths, in the first precision in which it has values.

        What is wrong with a target is said when a module comes, by :meth:`read_target`.
        """
        for dtype in precisions if self._rises else ():
            with suppress(ValueError, TypeError, RuntimeError):
                assert isinstance(self.geometry, Grid)
                assert callable(self.target)
                before, self.geometry = self.geometry, targets.risen(self.geometry, self.target, device, dtype)
                self._rises, self._placed = False, None
                self.remarks = [
                    f"{finer} cells along axis {axis} instead of {cells}, which the target's wavelength asks for; "
                    "resolution= would fix their number"
                    for axis, cells, finer in zip(before.axes, before.shape, self.geometry.shape, strict=True)
                    if finer > cells
                ]
                return

    def _points(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the points as the module takes them, a copy of what lies there from the look before."""
        if self._placed is None or (self._placed.device, self._placed.dtype) != (device, dtype):
            self._placed = targets.placed(self.geometry.points, device, dtype)
        return self._placed.clone()

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets: the points are made there."""
        return {**self.__dict__, "_placed": None}
