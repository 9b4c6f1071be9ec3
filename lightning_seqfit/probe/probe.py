"""Where to look, what should be there, and how to ask the module."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from copy import copy
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lightning_seqfit.geometry import FloatArray, Geometry, Grid
from lightning_seqfit.measures.noise import noise_deviation
from lightning_seqfit.measures.trend import Trend
from lightning_seqfit.probe import places, targets
from lightning_seqfit.probe.asking import Question
from lightning_seqfit.probe.checks import arguments, values
from lightning_seqfit.probe.dataset import read_pairs
from lightning_seqfit.probe.guard import leave_untouched
from lightning_seqfit.probe.guard.inventory import differences, take_inventory
from lightning_seqfit.probe.keywords import Keywords, checked_keywords
from lightning_seqfit.probe.observation import UNHEARD, Observation, on_host
from lightning_seqfit.probe.read_out import ReadOut


class Probe:
    """A fixed set of points at which a module is watched, with the target there.

    Made by :meth:`Probe.grid`; pass it to the callbacks. Several callbacks may share one probe: the module is evaluated
    once for all of them.
    """

    def __init__(
        self,
        geometry: Geometry,
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor,
        **keywords: Unpack[Keywords],
    ) -> None:
        checked = checked_keywords(keywords)
        self.geometry = geometry
        self.name: str = checked["name"]
        self.quantity: str = checked["quantity"]
        self.relative: str = checked["relative"]
        self.scale: float | None = checked["scale"]
        self.given_noise: float | None = checked["noise"]  # None: to be estimated
        self.question = Question(checked["predict"], checked["output"], checked["needs_grad"])
        self.notes: list[str] = []  # what was found of the points when a module came
        self.remarks: list[str] = []  # what a record says of them, and nobody need be told
        self._whole: tuple[Grid, Callable[..., Any] | None] | None = None  # a box, and which part of it is looked at
        self._rises = False  # the resolution is to be chosen as soon as the target can be evaluated
        self._placed: Tensor | None = None
        self._given: FloatArray | None = None  # the target wherever the module is asked
        self.target = (
            target if callable(target) else values.checked_values(target, len(geometry.asked), geometry.shape or ())
        )

    @property
    def predict(self) -> Callable[..., Any] | None:
        """The function that asks the module; None: the module is called."""
        return self.question.predict

    @property
    def output(self) -> int:
        """The component that is looked at."""
        return self.question.output

    @property
    def needs_grad(self) -> bool:
        """Whether the prediction differentiates."""
        return self.question.needs_grad

    @classmethod
    def grid(
        cls,
        bounds: Sequence[Sequence[float]],
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor,
        *,
        resolution: int | Sequence[int] | None = None,
        axes: Sequence[str] | None = None,
        ends: bool = False,
        inside: Callable[..., Any] | None = None,
        **keywords: Unpack[Keywords],
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
        inside : ``(points (N, d)) -> N truth values``: the domain, where that is not the whole box. What lies outside
            is not looked at and counts neither way; ``front/depth/boundary`` and ``front/inwardness/boundary`` are from
            the domain's own edge. An array given as target may have NaN outside.
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
        box = arguments.checked_bounds(bounds)
        names = arguments.checked_axes(axes, len(box))
        ends = arguments.checked_ends(ends)
        shape = arguments.checked_resolution(resolution, box, ends=ends)
        domain = arguments.checked_inside(inside)
        grid = Grid(bounds=box, shape=shape, axes=names, ends=ends)
        geometry, mask = places.covered(grid, domain)
        if geometry is not grid and not callable(target):
            target = values.covered_values(target, shape, mask)
        probe = cls(geometry, target, **keywords)
        probe._whole, probe._rises = (grid, domain), resolution is None and callable(target)
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
        inside: Callable[..., Any] | None = None,
        **keywords: Unpack[Keywords],
    ) -> Probe:
        """Look at given points, in any order, such as those of a measured series, an image or a dataset.

        Where there are none counts neither way: nothing is measured there, and the record says so. Points in more than
        three dimensions have no lines: their fitted share is told by the 16 nearest points, depths, oscillations and
        the spectrum are absent.

        Parameters
        ----------
        points : shape (N, d) or along one axis (N,), from 4 along one and 16 along several to 200,000, in the module's
            units.
        target : as for :meth:`grid`; an array has one value per point, in their order.
        bounds : one ``(low, high)`` per axis around all points; default: half a spacing beyond the outermost ones.
        inside : ``(points (N, d)) -> N truth values``: the domain; points outside are left out. Default: where points
            are.
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
        coordinates = values.checked_points(points)
        dimension = 1 if coordinates.ndim == 1 else coordinates.shape[1]
        names = arguments.checked_axes(axes, dimension)
        box = None if bounds is None else arguments.checked_bounds(bounds, dimension)
        domain = arguments.checked_inside(inside)
        if domain is not None:
            mask = places.is_inside(domain, coordinates.reshape(-1, dimension))
            coordinates = coordinates[mask]
            target = target if callable(target) else values.covered_values(target, mask.shape, mask)
        return cls(places.geometry_of(coordinates, box, names, domain), target, **keywords)

    @classmethod
    def from_dataset(cls, dataset: Any, *, max_points: int | None = None, **options: Any) -> Probe:
        """Look at the points of a map-style dataset of (point, value) pairs, with its own values as target.

        Parameters
        ----------
        dataset : ``len(dataset)`` and ``dataset[i] -> (point, value)``, a point of shape (d,). What it draws to make
            them, as to augment them, is drawn from no generator of yours: they are put back, and so are those that it
            holds. It is read here once.
        max_points : items to read, at most 200,000: along one axis every k-th, else drawn at random, always the same;
            they stay in order. Default: all.
        options : as for :meth:`points`.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            If the dataset does not hold such pairs, more than 200,000 of them without ``max_points``, or raises.

        Examples
        --------
        >>> from torch.utils.data import TensorDataset
        >>> x = torch.linspace(0, 1, 50)[:, None]
        >>> len(Probe.from_dataset(TensorDataset(x, torch.sin(9 * x))).geometry.points)
        50
        """
        return cls.points(*read_pairs(dataset, max_points), **options)

    def read_target(self, module: nn.Module) -> tuple[FloatArray, Trend]:
        """Target at the points as the module sees them, shape ``(N,)``, and its trend.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            If the target has the wrong length or values that are not finite, cannot be evaluated, is noise, or has a
            wavelength that the points hide; or the points coincide in the module's precision. Where some of them do,
            or a cloud of them is too thin to count lobes in, :attr:`notes` says so.
        """
        device, dtype = places.placement(module)
        self._rise(device, torch.promote_types(dtype, torch.float32))
        note = places.rounded(self.geometry, dtype)
        noise = self.noise
        self._given, trend = targets.read(self.geometry, self.target, device, dtype, noise, self._whole)
        self.notes = [said for said in (note, targets.few_points(self.geometry, self._given, trend, noise)) if said]
        return self.geometry.lay(self._given), trend

    @property
    def noise(self) -> float:
        """Standard deviation of the target's noise: as given, or estimated; 0 of a callable.

        Examples
        --------
        >>> x = np.linspace(0, 1, 2000)
        >>> noisy = np.sin(9 * x) + 0.1 * np.random.default_rng(0).standard_normal(2000)
        >>> round(Probe.points(x, noisy).noise, 2)
        0.1
        """
        if self.given_noise is not None:
            return self.given_noise
        with np.errstate(all="ignore"):  # whatever the user has set
            return 0.0 if callable(self.target) else noise_deviation(self.geometry, self.target)

    def observe(
        self,
        module: nn.Module,
        target: FloatArray,
        precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
        read_outs: Sequence[ReadOut] = (),
    ) -> Observation:
        """Evaluate the module once at the points and leave it as it was.

        Parameters
        ----------
        module : the module that trains.
        target : from :meth:`read_target`, shape ``(N,)``.
        precision : context for the forward pass, such as the trainer's autocast.
        read_outs : the layers whose input is observed too: :meth:`Observation.at` gives that of each, and where there
            is one only, the observation has it. A layer that is not heard is said by ``absent`` of its read-out.

        Raises
        ------
        TypeError, ValueError
            If the prediction is no tensor of shape (N,) or (N, k) with k > ``output``.
        RuntimeError
            If the module, or ``predict``, raises: what it was called with, and what to do.
        """
        device, dtype = places.placement(module)
        points = self._points(device, dtype)
        size = len(points)
        with leave_untouched(module, device, grad=self.question.needs_grad) as notes, precision(), ExitStack() as stack:
            heard = {each: stack.enter_context(each.listen(module, size)) for each in read_outs}
            answer = self.question.answer(module, points, self.geometry.axes)
            chosen = {each: each.choose(module, inputs, size) for each, inputs in heard.items()}
            with np.errstate(all="ignore"):  # whatever the user has set; the module has been asked
                everywhere, layers = on_host(answer, chosen, self.question.output)
                prediction = self.geometry.lay(everywhere)
                residual = prediction - target
                largest = None
                if self._given is not None and everywhere is not prediction:
                    largest = float(np.max(np.abs(everywhere - self._given)))
        features, weights, outputs = next(iter(layers.values())) if len(layers) == 1 else UNHEARD
        return Observation(prediction, residual, features, weights, outputs, tuple(notes), layers, largest)

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
        if callable(self.target):
            return ""

        def residual_at(geometry: Geometry) -> FloatArray:
            other = copy(self)
            other.geometry, other._placed = geometry, None
            return other.observe(module, target, precision).residual

        return targets.better_convention(self.geometry, residual, residual_at)

    def _rise(self, device: torch.device, *precisions: torch.dtype) -> None:
        """Choose a default resolution, where that is to be done and can be."""
        if self._rises and self._whole is not None and callable(self.target):
            grid, inside = self._whole
            finer = targets.chosen_resolution(grid, self.target, device, precisions, inside)
            if finer is not None:
                grid, self.remarks = finer
                self.geometry, self._whole = places.covered(grid, inside)[0], (grid, inside)
                self._rises, self._placed = False, None

    def _points(self, device: torch.device, dtype: torch.dtype) -> Tensor:
        """Return the points as the module takes them, a copy of what lies there from the look before."""
        if self._placed is None or (self._placed.device, self._placed.dtype) != (device, dtype):
            self._placed = places.placed(self.geometry.asked, device, dtype)
        return self._placed.clone()

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets: the points are made there."""
        return {**self.__dict__, "_placed": None}
