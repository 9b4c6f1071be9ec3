"""Where to look, what should be there, and how to ask the module."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from copy import copy
from dataclasses import replace
from itertools import chain
from typing import Any, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from lightning_seqfit.geometry import FloatArray, Geometry, Grid
from lightning_seqfit.measures.lengths import lengths
from lightning_seqfit.measures.noise import noise_deviation
from lightning_seqfit.measures.trend import Trend, no_trend
from lightning_seqfit.planning import Plan, recommend
from lightning_seqfit.probe import places, targets
from lightning_seqfit.probe.asking import Question
from lightning_seqfit.probe.checks import arguments, values
from lightning_seqfit.probe.dataset import read_pairs
from lightning_seqfit.probe.guard import leave_untouched
from lightning_seqfit.probe.guard.inventory import differences, take_inventory
from lightning_seqfit.probe.keywords import Keywords, checked_keywords
from lightning_seqfit.probe.observation import UNHEARD, Observation, on_host, together
from lightning_seqfit.probe.outputs import Columns, Output
from lightning_seqfit.probe.read_out import ReadOut

#: Default of an argument that must be given: jsonargparse takes ``null`` in YAML for one that has a default only.
REQUIRED: Any = ...


class Probe:
    """A fixed set of points at which a module is watched, with the target there.

    Made by :meth:`Probe.grid`; pass it to the callbacks. Several callbacks may share one probe: the module is evaluated
    once for all of them.
    """

    def __init__(
        self,
        geometry: Geometry,
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor | None,
        **keywords: Unpack[Keywords],
    ) -> None:
        if target is REQUIRED:
            raise TypeError(
                "missing 1 required positional argument: 'target'; pass target=None where there is none yet"
            )
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
        self._columns = Columns(checked["output"])
        self._split: tuple[Probe, ...] = ()
        # a number stands for all components, and how many there are only the module can say
        self._open = (
            target is not None
            and not callable(target)
            and arguments.as_real(target) is not None
            and not self._columns.number()
        )
        self.target: Callable[..., Any] | FloatArray | None
        if target is None or callable(target):
            self.target = target
        else:
            # the cells that points are laid on are no shape of theirs
            size, shape = len(geometry.asked), () if geometry.kind == "points" else geometry.shape or ()
            self.target = self._columns.of(values.checked_values(target, size, shape, self._columns.number()))
        if target is None and (self.given_noise or self.relative != "global"):
            raise ValueError(
                "noise= and relative= are about a target, and target=None says that there is none yet: leave them out, "
                "and give noise= and relative= to run.against(target, ...), when there is one"
            )

    @property
    def predict(self) -> Callable[..., Any] | None:
        """The function that asks the module; None: the module is called."""
        return self.question.predict

    @property
    def output(self) -> Output:
        """The component that is looked at, several of them in a tuple, or ``"norm"``."""
        return self.question.output

    @property
    def needs_grad(self) -> bool:
        """Whether the prediction differentiates."""
        return self.question.needs_grad

    @classmethod
    def grid(
        cls,
        bounds: Sequence[Sequence[float]],
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor | None = REQUIRED,
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
        target : what the module should predict: a callable ``(points (N, d)) -> (N,), (N, 1) or (N, k)``, an array of N
            values in the order of the grid or of the grid's own shape (the first index along the first axis, as
            ``meshgrid(..., indexing="ij")`` has it), of k outputs ``(N, k)`` or with one axis more, as an RGB image has
            it, or a number for all (0.0 for the residual of an equation). None: there is no target, or not yet: it is
            recorded what the model predicts and how much that still moves, on up to 4,096 cells a look, and
            :meth:`Run.against` reads it against a target afterwards, or against its own last prediction (error, front,
            oscillations and spectrum need one); not of ``output="norm"``, which records lengths. A callable gets the
            points as the module does, at least in float32, and once, for each axis, a grid four times finer along it,
            to see whether the resolution hides it.
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
        output : component of a prediction of shape (N, k), from 0. A list, such as ``[0, 2]``: each of them is watched
            under a name of its own, ``"name.0"`` and ``"name.2"``, or ``"0"`` and ``"2"`` without a name. ``"norm"``:
            all together, where the error of a point is the Euclidean length over all components. The module is
            evaluated once in each case. Of k > 1 columns of a target, those of these numbers are taken, and those of a
            list in its order where it is as long; ``"norm"`` takes as many as the module has.
        needs_grad : the prediction differentiates with ``torch.autograd.grad``, as the residual of an equation does.
        name : goes into tags and file names; needed as soon as a trainer has two probes. At most 100 letters,
            digits, ``_ . -``.
        quantity : what is predicted, with its unit, as the figures name it, such as ``"CO2 (ppm)"``.
        relative : ``"global"``: errors are relative to the target's oscillation as a whole; ``"local"``: where a place
            is fitted is decided relative to what oscillates there, as a target that decays asks for.
        noise : standard deviation of the target's noise, of each output; ``"auto"``: estimated where the target is
            given as values, 0 where it is a callable or a number.
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
        if geometry is not grid and target is not None and not callable(target):
            target = values.covered_values(target, shape, mask)
        probe = cls(geometry, target, **keywords)
        probe._whole, probe._rises = (grid, domain), resolution is None and callable(target)
        probe._rise(torch.device("cpu"), torch.float64, torch.float32)
        return probe

    @classmethod
    def points(
        cls,
        points: list[float] | NDArray[Any] | Tensor,
        target: float | Callable[..., Any] | list[float] | NDArray[Any] | Tensor | None = REQUIRED,
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
            mask = places.points_inside(domain, coordinates.reshape(-1, dimension))
            coordinates = coordinates[mask]
            if target is not None and not callable(target):
                target = values.covered_values(target, mask.shape, mask)
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
        """Target at the points as the module sees them, shape ``(N,)``, of k outputs ``(N, k)``, and its trend.

        Without a target both are NaN.

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
        self.notes = [note] if note else []
        if self.target is None:
            trend = no_trend(self.geometry)
            return trend.values, trend
        if not self._columns.several:
            noise = self.noise
            self._given, trend = targets.read(
                self.geometry, self.target, device, dtype, noise, self._whole, self._columns
            )
            few = targets.few_points(self.geometry, self._given, trend, noise)
            self.notes = [said for said in (note, few) if said]
            return self.geometry.lay(self._given), trend
        target = self.target
        if self._open and not callable(target):
            target = np.repeat(target[:, :1], self._components(module), axis=1)
        self._given, trend = targets.read_several(
            self.geometry, target, device, dtype, self.noises, self._whole, self._columns
        )
        each = zip(self._given.T, trend.parts, self.noises(), strict=True)
        few_of_each = [targets.few_points(self.geometry, own.copy(), part, noise) for own, part, noise in each]
        self.notes = [said for said in dict.fromkeys((note, *few_of_each)) if said]
        return np.column_stack([self.geometry.lay(column.copy()) for column in self._given.T]), trend

    def values_asked(self) -> FloatArray:
        """Target wherever a module is asked, at points in float32, shape ``(P, k)``.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            If there is no target, or as :meth:`read_target`.

        Examples
        --------
        >>> Probe.points([[0.0], [0.5], [1.0], [1.5]], lambda x: x[:, 0] ** 2).values_asked().tolist()
        [[0.0], [0.25], [1.0], [2.25]]
        """
        if self.target is None:
            raise ValueError("the probe has no target, whose values could be given: give one to the probe")
        values = []
        for part in self.split():
            part.read_target(nn.Linear(self.geometry.dimension, 1))
            assert part._given is not None
            values.append(part._given.reshape(len(part._given), -1))
        return np.concatenate(values, axis=1)

    def plan(self) -> Plan:
        """Say what the target asks of a network, before anything is trained; of a list of outputs all together.

        Raises
        ------
        ValueError, TypeError, RuntimeError
            If there is no target or it cannot be evaluated, it is noise or constant, or it has fewer points than it
            oscillates.

        Examples
        --------
        >>> Probe.grid([(0.0, 1.0)], lambda x: torch.sin(26 * torch.pi * x[:, 0])).plan().frequencies
        (13.0,)
        """
        if self.target is None:
            raise ValueError("nothing can be planned without a target: give one to the probe")
        parts = self.split()
        read = [part.read_target(nn.Linear(self.geometry.dimension, 1)) for part in parts]
        values = np.column_stack([target for target, _ in read])
        trends = [each for _, trend in read for each in trend.parts or (trend,)]
        noises = [each for part in parts for each in (part.noises() if part._columns.several else [part.noise])]
        return recommend(self.geometry, values, trends, noises, given=not callable(self.target))

    def _components(self, module: nn.Module) -> int:
        """Number of components that the module returns, which a number as target leaves open."""
        try:
            if any(map(is_lazy, chain(module.parameters(), module.buffers()))):
                raise RuntimeError("the module has parameters that its first batch has yet to make")
            return len(self.observe(module, np.zeros(len(self.geometry.points))).parts)
        except Exception as error:
            raise RuntimeError(
                f"{error}. How many components it returns, only the module can say where target is a number for all of "
                "them: give one value for each, as an array (N, k) or a callable that returns that"
            ) from error

    def split(self) -> tuple[Probe, ...]:
        """Return a probe for each name under which something is watched: this one, or one for each output of a list.

        Examples
        --------
        >>> probe = Probe.grid([(0.0, 1.0)], 0.0, output=[0, 2], name="flow")
        >>> [(each.name, each.output) for each in probe.split()]
        [('flow.0', 0), ('flow.2', 2)]
        """
        if not isinstance(self.output, tuple):
            return (self,)
        if not self._split:
            self._split = tuple(self._of_one(position) for position in range(len(self.output)))
        return self._split

    def _of_one(self, position: int) -> Probe:
        assert isinstance(self.output, tuple)
        one, column = copy(self), self.output[position]
        one.name = f"{self.name}.{column}" if self.name else str(column)
        one.question = replace(self.question, output=column)
        one._columns = replace(self._columns, position=position)
        one._rises = False
        if self.target is not None and not callable(self.target):
            one.target = self.target[:, position].copy()
        return one

    def settle(self, module: nn.Module) -> None:
        """Choose a default resolution where that asks for the module's device or precision, alike for all outputs."""
        device, dtype = places.placement(module)
        self._rise(device, torch.promote_types(dtype, torch.float32))
        for one in self._split:
            one.geometry, one.remarks, one._placed = self.geometry, self.remarks, None

    def noises(self, target: FloatArray | None = None) -> list[float]:
        """Standard deviation of the noise in each column of a target, shape ``(P, k)``: given, or estimated.

        Default: of the target that :meth:`read_target` has read.
        """
        target = self._given if target is None else target
        assert target is not None
        if self.given_noise is not None or callable(self.target):
            return [self.given_noise or 0.0] * target.shape[1]
        with np.errstate(all="ignore"):  # whatever the user has set
            return [noise_deviation(self.geometry, column.copy()) for column in target.T]

    @property
    def noise(self) -> float:
        """Standard deviation of the target's noise: as given, or estimated; 0 of a callable. Of an output, if given.

        Examples
        --------
        >>> x = np.linspace(0, 1, 2000)
        >>> noisy = np.sin(9 * x) + 0.1 * np.random.default_rng(0).standard_normal(2000)
        >>> round(Probe.points(x, noisy).noise, 2)
        0.1
        """
        if self.given_noise is not None or self.target is None or callable(self.target):
            return self.given_noise or 0.0
        return math.hypot(*self.noises(self.target.reshape(len(self.target), -1)))

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
        target : from :meth:`read_target`, shape ``(N,)``, of k outputs ``(N, k)`` or ``(N,)`` for each of them.
        precision : context for the forward pass, such as the trainer's autocast.
        read_outs : the layers whose input is observed too: :meth:`Observation.at` gives that of each, and where there
            is one only, the observation has it. A layer that is not heard is said by ``absent`` of its read-out.

        Raises
        ------
        TypeError, ValueError
            If the prediction is no tensor of shape (N,) or (N, k) with the components of ``output``, or the target has
            another number of them.
        RuntimeError
            If the module, or ``predict``, raises: what it was called with, and what to do.
        """
        device, dtype = places.placement(module)
        points = self._points(device, dtype)
        size = len(points)
        with leave_untouched(module, device, grad=self.question.needs_grad) as notes, precision(), ExitStack() as stack:
            heard = {each: stack.enter_context(each.listen(module, size)) for each in read_outs}
            answers = self.question.answer(module, points, self.geometry.axes)
            columns = self.numbers(len(answers))
            if target.ndim > 1 and target.shape[1] != len(answers):
                raise ValueError(
                    f"output={self.output!r}: the prediction has {len(answers)} component(s), and the target "
                    f"{target.shape[1]}: give the target one column for each"
                )
            chosen = {each: each.choose(module, inputs, size) for each, inputs in heard.items()}
            with np.errstate(all="ignore"):  # whatever the user has set; the module has been asked
                everywhere, layers = on_host(answers, chosen, columns)
                errors = self._errors(everywhere)
                seen = []
                for number, (asked, own) in enumerate(zip(everywhere, layers, strict=True)):
                    prediction = self.geometry.lay(asked)
                    residual = prediction - (target if target.ndim == 1 else target[:, number])
                    largest = None if errors is None else float(np.max(np.abs(errors[number])))
                    layer = next(iter(own.values())) if len(own) == 1 else UNHEARD
                    seen.append(Observation(prediction, residual, *layer, tuple(notes), own, largest))
                largest = None if errors is None else float(np.max(lengths(list(errors))))
        return together(seen, largest) if self._columns.several else seen[0]

    def _errors(self, everywhere: FloatArray) -> FloatArray | None:
        """Prediction - target wherever the module is asked, shape ``(k, P)``; None: that is at the points alone."""
        given = [one._given for one in self.split()]
        first = everywhere[0]  # a view is another object each time
        if self.geometry.lay(first) is first or any(each is None for each in given):
            return None
        goals: FloatArray = np.concatenate([each.reshape(len(each), -1).T for each in given if each is not None])
        return everywhere - goals

    def numbers(self, components: int) -> Sequence[int]:
        """Numbers of the components that are looked at, of a prediction that has so many."""
        if isinstance(self.output, str):
            return range(components)
        return (self.output,) if isinstance(self.output, int) else self.output

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
        first, second = (np.stack([each.prediction for each in self.observe(module, nothing).each]) for _ in range(2))
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
        if self.target is None or callable(self.target):
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
            finer = targets.chosen_resolution(grid, self.target, device, precisions, inside, self._columns)
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
