"""Ready ``predict`` functions for modules that take or return something else than a tensor.

An adapter is passed as ``predict=``. The probe tells it the names of its axes, and it finds by name which coordinate
the module wants where. The other library is imported when a module of its own is evaluated.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from torch import Tensor

__all__ = ["PINA", "Adapter", "Dictionary", "PINAResidual", "TorchPhysics", "TorchPhysicsResidual"]


class Adapter(ABC):
    """A ``predict`` that goes by the names of the probe's axes.

    Attributes
    ----------
    needs_grad : it differentiates, so that ``needs_grad`` of the probe need not say so.
    """

    needs_grad: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, module: Any, points: Tensor, axes: Sequence[str] | None = None) -> Any:
        """Return what the module predicts at points of shape (N, d), one name per column; None: in its own order."""


@dataclass(frozen=True)
class PINA(Adapter):
    """For a solver of ``pina-mathlab``: takes the points as ``LabelTensor``, whose labels are the names of the axes.

    A problem of one variable takes whatever the axis is called.

    Parameters
    ----------
    member : of several networks, which one, from 0; default: what the solver predicts, of an ensemble the mean. The
        basis is then that of the member that ran last.

    Raises
    ------
    TypeError, ValueError
        When called, if the module is no solver, the axes are not the problem's variables, or there is no such member.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> def solution(points):
    ...     return torch.sin(torch.pi * (points[:, 0] - points[:, 1]))
    >>> probe = Probe.grid([(0.0, 1.0), (0.0, 2.0)], solution, axes=("x", "t"), predict=PINA())
    """

    member: int | None = None

    @staticmethod
    def residual(condition: str | int, member: int | None = None) -> PINAResidual:
        """What a condition's equation leaves: see :class:`PINAResidual`."""
        return PINAResidual(condition, member)

    def __call__(self, module: Any, points: Tensor, axes: Sequence[str] | None = None) -> Any:
        """Predict; the tensor has no labels."""
        return _solution(module, _labelled(module, points, axes), self.member)


@dataclass(frozen=True)
class PINAResidual(Adapter):
    """What the equation of one of a PINA problem's conditions leaves at the probe's points; the target is 0.0.

    ``PINA.residual("D")`` makes it. It is the equation that the solver is trained on, wherever the condition's own
    points lie; several equations are a column each, which ``output`` of the probe chooses. The unknown parameters of
    an inverse problem have the values that they have at the look.

    Parameters
    ----------
    condition : name of the condition, or its number from 0, in the order of ``problem.conditions``.
    member : as for :class:`PINA`; of an ensemble the default is what the mean of its members leaves.

    Raises
    ------
    TypeError, ValueError
        When called, if the module is no solver, there is no such condition, or it has no equation.

    Examples
    --------
    >>> from lightning_seqfit import Probe
    >>> left = PINA.residual("D")
    >>> probe = Probe.grid([(0.0, 1.0), (0.0, 2.0)], 0.0, axes=("x", "t"), predict=left, name="residual", scale=1.0)
    >>> probe.needs_grad
    True
    """

    condition: str | int
    member: int | None = None
    needs_grad: ClassVar[bool] = True

    def __call__(self, module: Any, points: Tensor, axes: Sequence[str] | None = None) -> Any:
        """Evaluate the residual, shape (N,) or (N, k)."""
        x = _labelled(module, points, axes)
        problem = module.problem
        conditions = list(problem.conditions.items())
        why = "has no equation: what it compares with is given; watch the solution with PINA() and that as target"
        able = {n: "" if hasattr(each, "equation") else why for n, (_, each) in enumerate(conditions)}
        number = _chosen(self.condition, [name for name, _ in conditions], able)
        solution = _solution(module, x, self.member).as_subclass(import_module("pina").LabelTensor)
        solution.labels = problem.output_variables
        unknown = getattr(problem, "unknown_parameters", None)
        return _plain(conditions[number][1].equation.residual(x, solution, unknown))


@dataclass(frozen=True)
class TorchPhysics(Adapter):
    """For a solver of ``torchphysics``: asks the network of a training condition, with ``Points`` in its input space.

    Parameters
    ----------
    condition : number of the training condition whose network is asked; default: the network, where all conditions
        that have one share it.
    variables : variable of each axis, where the axes are not named like the variables: ``["x", "x", "t"]`` for a
        network on ``R2("x") * R1("t")``. A single variable takes all axes, whatever they are called.

    Raises
    ------
    TypeError, ValueError
        When called, if the module is no solver, the conditions do not share a network and none is chosen, or the axes
        are not its variables.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> def solution(points):
    ...     return torch.exp(-points[:, 1]) * torch.sin(torch.pi * points[:, 0])
    >>> probe = Probe.grid([(0.0, 1.0), (0.0, 2.0)], solution, axes=("x", "t"), predict=TorchPhysics())
    """

    condition: int | None = None
    variables: Sequence[str] | None = None

    @staticmethod
    def residual(condition: str | int, variables: Sequence[str] | None = None) -> TorchPhysicsResidual:
        """What a condition's residual function leaves: see :class:`TorchPhysicsResidual`."""
        return TorchPhysicsResidual(condition, variables)

    def __call__(self, module: Any, points: Tensor, axes: Sequence[str] | None = None) -> Any:
        """Predict, as a tensor."""
        network = self._network(module)
        return _plain(network(_placed(network, points, axes, self.variables)).as_tensor)

    def _network(self, module: Any) -> Any:
        conditions = _train_conditions(module)
        networks = [getattr(condition, "module", None) for condition in conditions]
        known = {number: network for number, network in enumerate(networks) if hasattr(network, "input_space")}
        if self.condition is None and len({id(network) for network in known.values()}) == 1:
            return next(iter(known.values()))
        if self.condition is None or self.condition not in known:
            there = ", ".join(f"{number} ({conditions[number].name!r})" for number in known) or "none"
            raise ValueError(
                f"condition={self.condition!r}: give the number of a training condition whose network is asked; "
                f"those with a network are {there}"
            )
        return known[self.condition]


@dataclass(frozen=True)
class TorchPhysicsResidual(Adapter):
    """What the residual function of a TorchPhysics training condition leaves at the probe's points; the target is 0.0.

    ``TorchPhysics.residual("pde")`` makes it. Several components are a column each, which ``output`` of the probe
    chooses. Parameters that are learned have the values that they have at the look.

    Parameters
    ----------
    condition : name of the training condition, or its number from 0.
    variables : as for :class:`TorchPhysics`.

    Raises
    ------
    TypeError, ValueError
        When called, if the module is no solver, there is no such condition or several of that name, it has no
        equation that can be evaluated at points of one's own, or the axes are not its variables.

    Examples
    --------
    >>> from lightning_seqfit import Probe
    >>> left = TorchPhysics.residual("pde")
    >>> probe = Probe.grid([(0.0, 1.0), (0.0, 2.0)], 0.0, axes=("x", "t"), predict=left, name="residual", scale=1.0)
    >>> probe.needs_grad
    True
    """

    condition: str | int
    variables: Sequence[str] | None = None
    needs_grad: ClassVar[bool] = True

    def __call__(self, module: Any, points: Tensor, axes: Sequence[str] | None = None) -> Any:
        """Evaluate the residual, shape (N,) or (N, k)."""
        conditions = _train_conditions(module)
        able = {number: _no_equation(each) for number, each in enumerate(conditions)}
        condition = conditions[_chosen(self.condition, [each.name for each in conditions], able)]
        placed = _placed(condition.module, points.detach(), axes, self.variables)
        x, placed = placed.track_coord_gradients()
        data = {name: function(x) for name, function in condition.data_functions.items()}
        u = condition.module(placed).coordinates
        return _plain(condition.residual_fn({**u, **x, **condition.parameter.coordinates, **data}))


@dataclass(frozen=True)
class Dictionary(Adapter):
    """For a module that takes and returns dicts of tensors.

    Parameters
    ----------
    input : key under which the module takes all points, shape (N, d); default: one entry (N, 1) per axis, under its
        name.
    output : key of the prediction; default: the only one.

    Raises
    ------
    TypeError, ValueError
        When called, if the module returns something else, or a dict without the key.

    Examples
    --------
    >>> import torch
    >>> def module(given):
    ...     return {"u": given["x"] * given["t"], "v": given["x"]}
    >>> Dictionary(output="u")(module, torch.tensor([[2.0, 3.0], [4.0, 5.0]]), axes=("x", "t")).tolist()
    [[6.0], [20.0]]
    >>> Dictionary(input="coords", output="u")(lambda given: {"u": given["coords"] ** 2}, torch.tensor([[3.0]])).item()
    9.0
    """

    input: str | None = None
    output: str | None = None

    def __call__(self, module: Any, points: Tensor, axes: Sequence[str] | None = None) -> Any:
        """Predict, the one entry asked for."""
        if self.input is not None:
            given = {self.input: points}
        elif axes is not None:
            given = {axis: points[:, column : column + 1] for column, axis in enumerate(axes)}
        else:
            raise ValueError("Dictionary() goes by the names of the axes: give axes=, or input=")
        try:
            returned = module(given)
        except Exception as error:
            raise RuntimeError(
                f"{type(module).__name__} took a dict of {_keys(given)} and raised {type(error).__name__}: {error}. "
                "Name the entry of all points with input=, or the axes like its entries with axes="
            ) from error
        if not isinstance(returned, Mapping):
            raise TypeError(f"{type(module).__name__} took {_keys(given)} and returned {kind(returned)}, not a dict")
        if self.output is None and len(returned) == 1:
            return next(iter(returned.values()))
        if self.output not in returned:
            raise ValueError(
                f"output={self.output!r}, but {type(module).__name__} returned {_keys(returned)}: give one of them"
            )
        return returned[self.output]


def adapter_for(module: Any) -> str:
    """Name of the adapter for a module, by the package that it or a class it inherits from is of; empty: none."""
    adapters = {"pina": "PINA", "torchphysics": "TorchPhysics"}
    found = next((adapters[package] for package in adapters if _comes_from(package, module)), "")
    return f"lightning_seqfit.adapters.{found}()" if found else ""


def remedy(module: Any, predict: Any, output: Any) -> str:
    """What to pass as ``predict``, in the words of a message, where an output is not understood.

    Examples
    --------
    >>> remedy(None, None, {"u": 1.0, "v": 2.0})
    "pass predict=, a function (module, points) that takes one out, such as module(points)['u'];
     lightning_seqfit.adapters.Dictionary(output='u') is one for a module that takes a dict too"
    """
    adapter = "" if isinstance(predict, Adapter) else adapter_for(module)
    if adapter:
        return f"pass predict={adapter}"
    function = "pass predict=, a function (module, points) that"
    output_of = "module(points)" if predict is None else "..."
    if isinstance(output, Mapping) and output and not isinstance(predict, Adapter):
        key = next(iter(output))
        return (
            f"{function} takes one out, such as {output_of}[{key!r}]; "
            f"lightning_seqfit.adapters.Dictionary(output={key!r}) is one for a module that takes a dict too"
        )
    if _comes_from("torchphysics", output):
        return f"{function} takes the tensor out, such as {output_of}.as_tensor"
    return f"{function} {'returns one row per point' if isinstance(output, Tensor) else 'takes the tensor out'}"


def kind(value: Any) -> str:
    """What a value is, in the words of a message: its type, with its shape or its keys.

    Examples
    --------
    >>> import torch
    >>> kind(torch.zeros(3, 1)), kind({"u": 1, "v": 2}), kind(None)
    ('a tensor of shape (3, 1)', "dict with keys ['u', 'v']", 'NoneType')
    """
    if isinstance(value, Mapping):
        return f"{type(value).__name__} with keys {_keys(value)}"
    if isinstance(value, Tensor):
        return f"a {'tensor' if type(value) is Tensor else type(value).__name__} of shape {tuple(value.shape)}"
    if isinstance(getattr(value, "as_tensor", None), Tensor):
        return f"{type(value).__name__} of shape {tuple(value.as_tensor.shape)}"
    return type(value).__name__


def logged_terms(module: Any) -> dict[str, str] | None:
    """Names of the terms of a loss, by the names under which a solver logs them; None: it is of neither library."""
    conditions = getattr(getattr(module, "problem", None), "conditions", None)
    if conditions is not None and _comes_from("pina", module):
        return {f"{name}_loss": name for name in conditions}
    conditions = getattr(module, "train_conditions", None)
    if conditions is not None and _comes_from("torchphysics", module):
        return {f"train/{condition.name}": condition.name for condition in conditions}
    return None


def counts_late(module: Any) -> bool:
    """Whether ``global_step`` lacks the step of a batch in ``on_train_batch_end`` of the callbacks.

    The solvers of pina with manual optimisation count it in a hook of their own, which comes after.
    """
    return not getattr(module, "automatic_optimization", True) and any(
        _is_of("pina", base) and "on_train_batch_end" in vars(base) for base in type(module).__mro__
    )


def _labelled(module: Any, points: Tensor, axes: Sequence[str] | None) -> Any:
    """Points of shape (N, d) as the solver takes them."""
    problem = getattr(module, "problem", None)
    if problem is None:
        raise TypeError(f"PINA() looks at a solver of pina, which has a .problem; {type(module).__name__} has none")
    variables = list(getattr(problem, "input_variables", None) or ())
    x = points
    if variables:
        x = points[:, _columns(axes, dict.fromkeys(variables, 1), points.shape[1], "axes")]
    if getattr(module, "use_lt", True):
        x = x.as_subclass(import_module("pina").LabelTensor)
        x.labels = variables
    return x


def _solution(module: Any, x: Any, member: int | None) -> Any:
    """What the solver predicts at such points, without labels."""
    output = _plain((module if member is None else _member(module, member))(x))
    if member is None and output.ndim == 3 and len(output) == len(getattr(module, "models", ())):
        return output.mean(dim=0)
    return output


def _member(module: Any, member: int) -> Any:
    networks = list(getattr(module, "models", None) or [module.model])
    if isinstance(member, bool) or member not in range(len(networks)):
        said = f"{type(module).__name__} has {len(networks)} network(s)"
        raise ValueError(f"member={member!r}, but {said}: give a number from 0")
    return networks[member]


def _placed(network: Any, points: Tensor, axes: Sequence[str] | None, named: Sequence[str] | None) -> Any:
    """Points of shape (N, d) in the input space of a network."""
    space = network.input_space
    if named is not None and (Counter(named) != Counter(dict(space)) or len(named) != points.shape[1]):
        raise ValueError(
            f"variables={list(named)!r}, but the module takes {', '.join(_components(space))} and the probe has "
            f"{points.shape[1]} axes: name the variable of each axis, in the order of the bounds"
        )
    columns = _columns(named or axes, space, points.shape[1], "variables")
    return import_module("torchphysics").spaces.Points(points[:, columns], space)


def _train_conditions(module: Any) -> list[Any]:
    """The training conditions of a solver."""
    conditions = getattr(module, "train_conditions", None)
    if conditions is None:
        raise TypeError(
            "TorchPhysics() looks at a solver of torchphysics, which has .train_conditions; "
            f"{type(module).__name__} has none"
        )
    return list(conditions)


def _plain(output: Any) -> Any:
    """Return a tensor without what a subclass adds; labels survive arithmetic, and are lost in it without a word."""
    return output.as_subclass(Tensor) if isinstance(output, Tensor) else output


def _chosen(asked: str | int, names: Sequence[str], able: Mapping[int, str]) -> int:
    """Number of the condition that is asked for, by its name or its number, if it is able: else the reason."""
    found = [number for number, name in enumerate(names) if asked in (name, number) and not isinstance(asked, bool)]
    if len(found) == 1 and not able[found[0]]:
        return found[0]
    there = ", ".join(f"{number} ({name!r})" for number, name in enumerate(names) if not able[number]) or "none"
    if found and able[found[0]]:
        raise ValueError(f"condition={asked!r} {able[found[0]]}. Conditions with an equation are {there}")
    many = "several conditions have that name: give a number" if found else "give the name or number of one"
    raise ValueError(f"condition={asked!r}: {many} of those with an equation, which are {there}")


def _no_equation(condition: Any) -> str:
    """Why a condition of torchphysics has no equation that can be evaluated anywhere; empty: it has."""
    if not hasattr(condition, "residual_fn") or not hasattr(getattr(condition, "module", None), "input_space"):
        return "has no equation of a network: watch the solution with TorchPhysics() and what it should be as target"
    if not hasattr(condition, "sampler") or hasattr(condition, "integral_sampler"):
        return "takes further points than those of a probe, at another end or to integrate: pass predict= of your own"
    if type(getattr(condition, "error_fn", None)).__name__ == "Identity":
        return "minimises a mean, such as an energy, and has no equation that leaves 0"
    if condition.data_functions and getattr(condition.sampler, "is_static", False):
        return "keeps what its data functions are at its own static points: call them in the residual function itself"
    return ""


def _columns(axes: Sequence[str] | None, sizes: Mapping[str, int], count: int, option: str) -> list[int]:
    """Number of the axis that each component of the variables is, in the order of the variables."""
    if sum(sizes.values()) == count:
        if axes is None or len(sizes) == 1:
            return list(range(count))
        if Counter(axes) == Counter(dict(sizes)):
            return [column for name in sizes for column, axis in enumerate(axes) if axis == name]
    wanted = _components(sizes)
    there = ", ".join(axes) if axes is not None else "without names"
    advice = (
        f"name each with {option}=, such as {option}={wanted}, in the order of the bounds"
        if len(wanted) == count
        else "give the probe one axis for each, or pass a predict= of your own that adds what the probe has not"
    )
    raise ValueError(f"the module takes {', '.join(wanted)}, but the {count} axes of the probe are {there}: {advice}")


def _components(sizes: Mapping[str, int]) -> list[str]:
    """Name of the variable that each component is of."""
    return [name for name, size in sizes.items() for _ in range(size)]


def _keys(mapping: Mapping[Any, Any]) -> list[str]:
    return sorted(map(str, mapping))


def _comes_from(package: str, value: Any) -> bool:
    """Whether a value's class, or one that it inherits from, is a package's."""
    return any(_is_of(package, base) for base in type(value).__mro__)


def _is_of(package: str, base: type) -> bool:
    return base.__module__.partition(".")[0] == package
