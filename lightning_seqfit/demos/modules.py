"""LightningModules of the demos: a small network that fits one target, by full-batch gradient descent.

They are ordinary LightningModules and know nothing of the callbacks. ``forward`` takes points in the target's own
units and returns values in the target's own units; what the network sees in between is the module's business.

Setup from C. Rowan and F. Murphy-Blanchard, "Sequential Fitting", Towards Data Science, 2026: two hidden layers, tanh,
Adam at 5e-3, the target ``sin(26 pi x)``. Widths, the domain [0, 1], the 400 training points and everything about the
SIREN and the CO2 record are this project's own.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from lightning_seqfit.demos.data import co2_monthly, co2_weekly
from lightning_seqfit.demos.regression import OptimizerName, Regression
from lightning_seqfit.demos.targets import sine
from lightning_seqfit.networks import SIREN, NetworkName, TanhMLP, make_network

__all__ = ["SIRENCO2", "FunctionRegression", "SIRENRegression", "TanhCO2", "TanhRegression"]

Target: TypeAlias = Callable[[Tensor], Tensor]


class TanhRegression(Regression):
    """A tanh network that fits a target on [0, 1]: by default one oscillation after another.

    The network sees x and the target as they are.

    Parameters
    ----------
    target : callable or str
        Points of shape (N, 1) to values of shape (N,) or (N, 1), or the dotted path of such a function.
    training_points : int
        Number of equally spaced points on [0, 1], both ends included.
    width, depth : int
        Units in a hidden layer, and number of hidden layers, of :class:`~lightning_seqfit.networks.TanhMLP`.
    learning_rate, optimizer
        As for :class:`Regression`.

    Examples
    --------
    >>> from lightning_seqfit.demos import TanhRegression
    >>> TanhRegression(width=10).hparams.target
    'lightning_seqfit.demos.targets.sine'
    """

    def __init__(
        self,
        target: Target | str = sine,
        training_points: int = 400,
        width: int = 50,
        depth: int = 2,
        learning_rate: float = 5e-3,
        optimizer: OptimizerName = "adam",
    ) -> None:
        super().__init__(
            TanhMLP(width=width, depth=depth),
            *_samples(target, training_points),
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        target = _dotted_path(target)  # save_hyperparameters reads the arguments where they stand now
        self.save_hyperparameters()


class SIRENRegression(Regression):
    """A SIREN that fits a target on [0, 1]: everywhere at once.

    Parameters
    ----------
    target, training_points, learning_rate, optimizer
        As for :class:`TanhRegression`.
    width, depth, omega_0
        Units in a hidden layer, number of hidden layers, and angular frequency of
        :class:`~lightning_seqfit.networks.SIREN`.

    Examples
    --------
    >>> from lightning_seqfit.demos import SIRENRegression
    >>> SIRENRegression(target="lightning_seqfit.demos.targets.cosine").hparams.omega_0
    30.0
    """

    def __init__(
        self,
        target: Target | str = sine,
        training_points: int = 400,
        width: int = 50,
        depth: int = 2,
        omega_0: float = 30.0,
        learning_rate: float = 1e-3,
        optimizer: OptimizerName = "adam",
    ) -> None:
        super().__init__(
            SIREN(width=width, depth=depth, omega_0=omega_0),
            *_samples(target, training_points),
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        target = _dotted_path(target)  # save_hyperparameters reads the arguments where they stand now
        self.save_hyperparameters()


class TanhCO2(Regression):
    """A tanh network that fits the monthly CO2 record of Mauna Loa: the trend, and none of its yearly cycles.

    ``forward`` takes decimal years and returns ppm.

    Parameters
    ----------
    width, depth : int
        Units in a hidden layer, and number of hidden layers, of :class:`~lightning_seqfit.networks.TanhMLP`.
    learning_rate, optimizer
        As for :class:`Regression`.
    weekly : bool
        Whether to train on the weekly record with its gaps instead.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit.demos import TanhCO2
    >>> TanhCO2()(torch.tensor([[1960.5], [2000.0]])).shape
    torch.Size([2, 1])
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 2,
        learning_rate: float = 5e-3,
        optimizer: OptimizerName = "adam",
        weekly: bool = False,
    ) -> None:
        super().__init__(
            TanhMLP(width=width, depth=depth),
            *(co2_weekly() if weekly else co2_monthly()),
            normalize=True,
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        self.save_hyperparameters()


class SIRENCO2(Regression):
    """A SIREN that fits the monthly CO2 record of Mauna Loa: the trend and its yearly cycles.

    Parameters
    ----------
    width, depth, omega_0
        As for :class:`SIRENRegression`.
    learning_rate, optimizer, weekly
        As for :class:`TanhCO2`, as are the units of ``forward``.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit.demos import SIRENCO2
    >>> SIRENCO2()(torch.tensor([[1960.5], [2000.0]])).shape
    torch.Size([2, 1])
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 2,
        omega_0: float = 30.0,
        learning_rate: float = 1e-3,
        optimizer: OptimizerName = "adam",
        weekly: bool = False,
    ) -> None:
        super().__init__(
            SIREN(width=width, depth=depth, omega_0=omega_0),
            *(co2_weekly() if weekly else co2_monthly()),
            normalize=True,
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        self.save_hyperparameters()


class FunctionRegression(Regression):
    """Fit a function on a box, along one axis or several, with any network and optimizer of the demos.

    The network sees points and values as they are. Its sizes and rates are this project's own: width 50 along a line
    and 64 in the plane; omega_0 30 and 10; Fourier features of standard deviation 10 and 2 cycles a unit, both divided
    by the length of the box (in the plane half of it).

    Parameters
    ----------
    target : callable or str
        Points of shape (N, d) to values of shape (N,) or (N, 1), or the dotted path of such a function.
    bounds : list of [low, high]
        One for each axis.
    network : {"tanh", "siren", "fourier"}
    optimizer : {"adam", "sgd", "lbfgs", "soap"}
        As for :class:`Regression`.
    learning_rate : float, optional
        Default: 5e-3, for the SIREN 1e-3, for SOAP 1e-2.
    training_points : int, optional
        Number along each axis, equally spaced, both ends included; default 400 along a line and 64 in the plane.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit.demos import FunctionRegression
    >>> module = FunctionRegression("lightning_seqfit.demos.plane_wave", bounds=[[-1, 1], [-1, 1]], network="siren")
    >>> module(torch.zeros(7, 2)).shape
    torch.Size([7, 1])
    """

    def __init__(
        self,
        target: Target | str,
        bounds: Sequence[Sequence[float]] = ((0.0, 1.0),),
        network: NetworkName = "tanh",
        optimizer: OptimizerName = "adam",
        learning_rate: float | None = None,
        training_points: int | None = None,
    ) -> None:
        if not bounds or not all(len(pair) == 2 and pair[0] < pair[1] for pair in bounds):
            raise ValueError(f"bounds={bounds!r} is not a box: give one [low, high] per axis, such as [[0.0, 1.0]]")
        dimension = len(bounds)
        width, omega_0, scale = (50, 30.0, 10.0) if dimension == 1 else (64, 10.0, 4.0)
        length = max(high - low for low, high in bounds)
        count = (400 if dimension == 1 else 64) if training_points is None else training_points
        if learning_rate is None:
            learning_rate = 1e-2 if optimizer == "soap" else 1e-3 if network == "siren" else 5e-3
        super().__init__(
            make_network(network, dimension, width=width, omega_0=omega_0, scale=scale / length),
            *_samples(target, count, bounds, "the box"),
            learning_rate=learning_rate,
            optimizer=optimizer,
        )
        target = _dotted_path(target)  # save_hyperparameters reads the arguments where they stand now
        self.save_hyperparameters()


def _samples(
    target: Target | str, count: int, bounds: Sequence[Sequence[float]] = ((0.0, 1.0),), box: str = "[0, 1]"
) -> tuple[Tensor, Tensor]:
    """Return points equally spaced along each axis, both ends included, shape (N, d), and the target there."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise ValueError(
            f"training_points={count!r} do not span {box}: give a whole number of at least 2, "
            "for an oscillating target several per oscillation"
        )
    axes = [torch.linspace(low, high, count, dtype=torch.get_default_dtype()) for low, high in bounds]
    points = torch.stack([axis.ravel() for axis in torch.meshgrid(*axes, indexing="ij")], dim=1)
    function = _import(target) if isinstance(target, str) else target
    return points, function(points)


def _import(path: str) -> Target:
    module_name, _, name = path.rpartition(".")
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"target={path!r} cannot be imported: give a function, or its dotted path, "
            "such as 'lightning_seqfit.demos.targets.sine'"
        ) from error
    if not callable(function):
        raise ValueError(f"target={path!r} is no function but {function!r}: give a function, or its dotted path")
    return function  # type: ignore[no-any-return]


def _dotted_path(target: Target | str) -> str:
    """Return what a checkpoint can hold of a target, and ``weights_only`` loading accepts: its dotted path.

    A function without one, such as a lambda, gets a path that cannot be imported: loading the checkpoint then says so
    and asks for ``target``.
    """
    if isinstance(target, str):
        return target
    return f"{getattr(target, '__module__', '')}.{getattr(target, '__qualname__', repr(target))}"
