"""Networks to import: one that fits oscillation by oscillation, two that fit everywhere at once, and a frame for them.

All take points of shape (N, in_features) and return (N, out_features); the last layer is linear, so that
u(x) = sum_j w_j phi_j(x) + b with phi_j(x) the units of the last hidden layer. They see points and values as they are;
:class:`Scaled` maps both. :func:`from_plan` makes what a :class:`~lightning_seqfit.Plan` asks for. Where TorchPhysics
calls a network within a model of its own, points may be its ``Points``.

References
----------
V. Sitzmann, J. N. P. Martel, A. W. Bergman, D. B. Lindell and G. Wetzstein, "Implicit Neural Representations with
Periodic Activation Functions", NeurIPS 2020 (arXiv:2006.09661).
M. Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains", NeurIPS
2020 (arXiv:2006.10739).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_seqfit.planning import Plan, Recipe

__all__ = [
    "ACTIVATIONS",
    "MLP",
    "SIREN",
    "FourierFeatureMLP",
    "NetworkName",
    "Scaled",
    "Sine",
    "TanhMLP",
    "build",
    "draw_sine_weights",
    "from_plan",
    "make_network",
]

NetworkName: TypeAlias = Literal["tanh", "siren", "fourier"]

#: Activations by name.
ACTIVATIONS: dict[str, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "sigmoid": nn.Sigmoid,
    "leaky_relu": nn.LeakyReLU,
}


def make_network(
    name: NetworkName | str,
    in_features: int = 1,
    out_features: int = 1,
    *,
    width: int = 50,
    omega_0: float = 30.0,
    scale: float = 10.0,
) -> nn.Module:
    """Make a network of two hidden layers by name; ``omega_0`` is for the SIREN, ``scale`` for Fourier features.

    Examples
    --------
    >>> make_network("siren", 2, omega_0=10.0)(torch.zeros(7, 2)).shape
    torch.Size([7, 1])
    """
    sizes = {"in_features": in_features, "width": width, "out_features": out_features}
    makers: dict[str, Callable[[], nn.Module]] = {
        "tanh": lambda: TanhMLP(**sizes),
        "siren": lambda: SIREN(**sizes, omega_0=omega_0),
        "fourier": lambda: FourierFeatureMLP(**sizes, scale=scale),
    }
    if name not in makers:
        raise ValueError(f"network={name!r} is not available: use one of {', '.join(makers)}")
    return makers[name]()


class MLP(nn.Module):
    """A multilayer perceptron with PyTorch's default initialisation.

    Parameters
    ----------
    in_features : int
        Coordinates of a point.
    width : int
        Units in each hidden layer. The default is this project's own.
    depth : int
        Number of hidden layers.
    out_features : int
        Components of the prediction.
    activation : str
        Of the hidden layers, one of :data:`ACTIVATIONS`.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1, or there is no such activation.

    Examples
    --------
    >>> import torch
    >>> MLP(width=50, depth=2, activation="gelu")(torch.zeros(7, 1)).shape
    torch.Size([7, 1])
    """

    def __init__(
        self, in_features: int = 1, width: int = 50, depth: int = 2, out_features: int = 1, activation: str = "tanh"
    ) -> None:
        super().__init__()
        _check_sizes(in_features=in_features, width=width, depth=depth, out_features=out_features)
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is not available: use one of {', '.join(ACTIVATIONS)}")
        layers: list[nn.Module] = []
        for fan_in in [in_features] + [width] * (depth - 1):
            layers += [nn.Linear(fan_in, width), ACTIVATIONS[activation]()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, out_features))

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the network at points (N, in_features), shape (N, out_features)."""
        output: Tensor = self.layers(points)
        return output


class TanhMLP(MLP):
    """A multilayer perceptron with tanh activations and PyTorch's default initialisation.

    Parameters
    ----------
    in_features, width, depth, out_features : int
        As for :class:`MLP`.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1.

    Examples
    --------
    >>> import torch
    >>> TanhMLP(width=50, depth=2)(torch.zeros(7, 1)).shape
    torch.Size([7, 1])
    """

    def __init__(self, in_features: int = 1, width: int = 50, depth: int = 2, out_features: int = 1) -> None:
        super().__init__(in_features, width, depth, out_features)


class Sine(nn.Module):
    """The activation of a SIREN: ``sin(omega_0 z)``, elementwise.

    Parameters
    ----------
    omega_0 : float
        Angular frequency by which the pre-activation is multiplied.

    Raises
    ------
    ValueError
        If ``omega_0`` is not positive and finite.

    Examples
    --------
    >>> import torch
    >>> Sine(omega_0=30.0)(torch.tensor([torch.pi / 60])).round(decimals=3)
    tensor([1.])
    """

    def __init__(self, omega_0: float = 30.0) -> None:
        super().__init__()
        if not (math.isfinite(omega_0) and omega_0 > 0):
            raise ValueError(
                f"omega_0={omega_0!r} is no angular frequency: it must be positive and finite; "
                "use 30.0, the value of Sitzmann et al. (2020), for inputs in [-1, 1]"
            )
        self.omega_0 = omega_0

    def forward(self, pre_activation: Tensor) -> Tensor:
        """Apply the activation to a tensor of any shape."""
        return torch.sin(self.omega_0 * pre_activation)

    def extra_repr(self) -> str:
        """Show ``omega_0`` where PyTorch prints the module."""
        return f"omega_0={self.omega_0}"


class SIREN(nn.Module):
    r"""A sinusoidal representation network, initialised as in Sitzmann et al. (2020).

    A hidden layer computes :math:`\sin(\omega_0 (W x + b))`. The first layer's weights are drawn from
    :math:`U(-1/n, 1/n)` and those of the others, the linear read-out included, from
    :math:`U(-\sqrt{6/n}/\omega_0, \sqrt{6/n}/\omega_0)`, where n is the layer's number of inputs: then the variance of
    :math:`\omega_0 W x` is 1 in the second hidden layer and stays between 0.8 and 1 in the later ones, whatever the
    width. The biases keep PyTorch's default, as in the authors' code: they only shift the phase.

    Parameters
    ----------
    in_features, width, depth, out_features : int
        As for :class:`TanhMLP`.
    omega_0 : float
        Angular frequency of the sine layers. The default is the authors'.

    Raises
    ------
    ValueError
        If a size is not a whole number of at least 1, or ``omega_0`` is not positive and finite.

    References
    ----------
    Sitzmann et al. (2020), section 3.2 and supplement, theorem 1.8.

    Examples
    --------
    >>> import torch
    >>> SIREN(width=50, depth=2)(torch.zeros(7, 1)).shape
    torch.Size([7, 1])
    """

    def __init__(
        self, in_features: int = 1, width: int = 50, depth: int = 2, out_features: int = 1, omega_0: float = 30.0
    ) -> None:
        super().__init__()
        _check_sizes(in_features=in_features, width=width, depth=depth, out_features=out_features)
        layers: list[nn.Module] = []
        for fan_in in [in_features] + [width] * (depth - 1):
            layers += [nn.Linear(fan_in, width), Sine(omega_0)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, out_features))

        draw_sine_weights([layer for layer in self.layers if isinstance(layer, nn.Linear)], omega_0)

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the network at points (N, in_features), shape (N, out_features)."""
        output: Tensor = self.layers(points)
        return output


def draw_sine_weights(layers: Sequence[nn.Linear], omega_0: float) -> None:
    """Draw the weights of linear layers with sines between them as a :class:`SIREN` does, the first layer first.

    Examples
    --------
    >>> layers = [nn.Linear(1, 24), nn.Linear(24, 1)]
    >>> draw_sine_weights(layers, omega_0=10.0)
    >>> bool(layers[0].weight.abs().max() <= 1.0), bool(layers[1].weight.abs().max() <= 0.05)
    (True, True)
    """
    for layer in layers:
        bound = math.sqrt(6 / layer.in_features) / omega_0
        nn.init.uniform_(layer.weight, -bound, bound)
    nn.init.uniform_(layers[0].weight, -1 / layers[0].in_features, 1 / layers[0].in_features)


class FourierFeatureMLP(nn.Module):
    r"""A tanh network that sees :math:`\cos(2 \pi B x)` and :math:`\sin(2 \pi B x)` instead of x (Tancik et al. 2020).

    B is drawn once from a normal distribution and not trained.

    Parameters
    ----------
    in_features : int
        Coordinates of a point.
    width, depth, out_features : int
        As for :class:`TanhMLP`.
    features : int
        Rows of B; the network sees twice as many numbers.
    scale : float
        Standard deviation of B, in cycles per unit of a coordinate, positive. It decides which frequencies are easy.

    Examples
    --------
    >>> import torch
    >>> FourierFeatureMLP(in_features=2, scale=3.0)(torch.zeros(7, 2)).shape
    torch.Size([7, 1])
    """

    frequencies: Tensor

    def __init__(
        self,
        in_features: int = 1,
        width: int = 50,
        depth: int = 2,
        out_features: int = 1,
        features: int = 32,
        scale: float = 10.0,
    ) -> None:
        super().__init__()
        _check_sizes(in_features=in_features, features=features)
        if not (math.isfinite(scale) and scale > 0):
            raise ValueError(f"scale={scale!r} is no spread of frequencies: give a positive, finite number")
        self.register_buffer("frequencies", scale * torch.randn(in_features, features))
        self.network = TanhMLP(2 * features, width=width, depth=depth, out_features=out_features)

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the network at points (N, in_features), shape (N, out_features)."""
        phases = 2 * torch.pi * _plain(points) @ self.frequencies
        output: Tensor = self.network(torch.cat([phases.cos(), phases.sin()], dim=-1))
        return output


class Scaled(nn.Module):
    """A network that sees points of a box mapped to [-1, 1] along each axis, and returns values in the target's units.

    u(x) = mean + scale * network(2 (x - low) / (high - low) - 1).

    Parameters
    ----------
    network : nn.Module
        Maps (N, d) to (N, k); any that is called with one tensor.
    bounds : list of (low, high), optional
        One for each axis; default: points stay as they are.
    mean, scale : float or list of float
        Of the values: a number, or one for each of the k components; ``scale`` is not 0.

    Raises
    ------
    ValueError
        If a bound, a mean or a scale cannot be used.

    Examples
    --------
    >>> import torch
    >>> network = Scaled(TanhMLP(width=8), bounds=[(1958.0, 2024.0)], mean=350.0, scale=30.0)
    >>> network(torch.tensor([[1990.5]])).shape
    torch.Size([1, 1])
    """

    centre: Tensor
    half_length: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        network: nn.Module,
        bounds: Sequence[Sequence[float]] | None = None,
        mean: float | Sequence[float] = 0.0,
        scale: float | Sequence[float] = 1.0,
    ) -> None:
        super().__init__()
        shift, factor = np.asarray(mean, dtype=np.float64), np.asarray(scale, dtype=np.float64)
        if not (np.isfinite(shift).all() and np.isfinite(factor).all() and (factor != 0).all()):
            raise ValueError(f"mean={mean!r}, scale={scale!r}: give finite numbers, and no scale of 0")
        self.network = network
        self.axes = 0 if bounds is None else len(bounds)
        box = np.array([(-1.0, 1.0)]) if bounds is None else _checked_box(bounds)
        dtype = torch.get_default_dtype()
        self.register_buffer("centre", torch.tensor(box.mean(axis=1), dtype=dtype))
        self.register_buffer("half_length", torch.tensor((box[:, 1] - box[:, 0]) / 2, dtype=dtype))
        self.register_buffer("mean", torch.tensor(shift, dtype=dtype))
        self.register_buffer("scale", torch.tensor(factor, dtype=dtype))

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate at points (N, d) in their own units, shape (N, k)."""
        points = _plain(points)
        if self.axes not in (0, points.shape[-1]):
            raise ValueError(f"points have {points.shape[-1]} coordinate(s), and bounds= {self.axes}: give as many")
        values: Tensor = self.network((points - self.centre) / self.half_length)
        return values * self.scale + self.mean


def build(recipe: Recipe) -> nn.Module:
    """Make the network of a recipe, as its code does."""
    sizes = {
        "in_features": recipe.in_features,
        "width": recipe.width,
        "depth": recipe.depth,
        "out_features": recipe.out_features,
    }
    network: nn.Module
    if recipe.network == "siren":
        network = SIREN(**sizes, omega_0=recipe.omega_0)
    elif recipe.network == "fourier":
        network = FourierFeatureMLP(**sizes, features=recipe.features, scale=recipe.sigma)
    elif recipe.network == "tanh":
        network = TanhMLP(**sizes)
    else:
        network = MLP(**sizes, activation=recipe.network)
    return Scaled(network, recipe.bounds, recipe.mean, recipe.scale) if recipe.is_scaled else network


def from_plan(plan: Plan, network: NetworkName | None = None) -> nn.Module:
    """Make the network that a plan asks for.

    Parameters
    ----------
    plan : of :func:`lightning_seqfit.plan` or :meth:`Probe.plan`.
    network : default: the one that the plan recommends.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> plan = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(26 * torch.pi * x[:, 0])).plan()
    >>> from_plan(plan, "siren")(torch.zeros(7, 1)).shape
    torch.Size([7, 1])
    """
    return build(plan.recipe(network))


def _plain(points: Any) -> Tensor:
    """Points as a tensor, which those of TorchPhysics are not."""
    tensor: Tensor = points if isinstance(points, Tensor) else points.as_tensor
    return tensor


def _checked_box(bounds: Sequence[Sequence[float]]) -> np.ndarray[Any, Any]:
    """Return the box, shape (d, 2)."""
    try:
        box = np.array([tuple(map(float, pair)) for pair in bounds])
    except (TypeError, ValueError):
        box = np.zeros(0)
    if not (box.ndim == 2 and box.shape[1] == 2 and np.isfinite(box).all() and (box[:, 0] < box[:, 1]).all()):
        raise ValueError(f"bounds={bounds!r} is not a box: give one finite (low, high) per axis, low < high")
    return box


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{name}={size!r} makes no network: give a whole number of at least 1")
