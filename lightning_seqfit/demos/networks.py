"""The networks of the demos: one that fits oscillation by oscillation, two that fit everywhere at once.

All take points of shape (N, in_features) as they are and return (N, out_features); whatever normalisation a data set
needs is the business of :mod:`lightning_seqfit.demos.modules`. The last layer is linear, so that
u(x) = sum_j w_j phi_j(x) + b with phi_j(x) the units of the last hidden layer.

References
----------
V. Sitzmann, J. N. P. Martel, A. W. Bergman, D. B. Lindell and G. Wetzstein, "Implicit Neural Representations with
Periodic Activation Functions", NeurIPS 2020 (arXiv:2006.09661).
M. Tancik et al., "Fourier Features Let Networks Learn High Frequency Functions in Low Dimensional Domains", NeurIPS
2020 (arXiv:2006.10739).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

__all__ = ["SIREN", "FourierFeatureMLP", "NetworkName", "Sine", "TanhMLP", "make_network"]

NetworkName: TypeAlias = Literal["tanh", "siren", "fourier"]


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


class TanhMLP(nn.Module):
    """A multilayer perceptron with tanh activations and PyTorch's default initialisation.

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
        super().__init__()
        _check_sizes(in_features=in_features, width=width, depth=depth, out_features=out_features)
        layers: list[nn.Module] = []
        for fan_in in [in_features] + [width] * (depth - 1):
            layers += [nn.Linear(fan_in, width), nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, out_features))

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the network at points (N, in_features), shape (N, out_features)."""
        output: Tensor = self.layers(points)
        return output


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

        linear_layers = [layer for layer in self.layers if isinstance(layer, nn.Linear)]
        for layer in linear_layers:
            bound = math.sqrt(6 / layer.in_features) / omega_0
            nn.init.uniform_(layer.weight, -bound, bound)
        nn.init.uniform_(linear_layers[0].weight, -1 / in_features, 1 / in_features)

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate the network at points (N, in_features), shape (N, out_features)."""
        output: Tensor = self.layers(points)
        return output


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
        phases = 2 * torch.pi * points @ self.frequencies
        output: Tensor = self.network(torch.cat([phases.cos(), phases.sin()], dim=1))
        return output


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"{name}={size!r} makes no network: give a whole number of at least 1")
