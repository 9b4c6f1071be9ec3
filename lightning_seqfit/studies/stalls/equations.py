"""Equations whose solutions are known, each with a coefficient that makes it hard."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]


class Equation(ABC):
    """What a solution obeys inside, and what is known of it; all methods take points (N, d)."""

    axes: tuple[str, ...] = ("x",)

    def __init__(self, coefficient: float) -> None:
        self.coefficient = coefficient

    @abstractmethod
    def solution(self, points: Tensor) -> Tensor:
        """Return u, shape (N,)."""

    @abstractmethod
    def residual(self, network: Network, points: Tensor, create_graph: bool = False) -> Tensor:
        """Return what the equation leaves at points that require a gradient, shape (N,)."""

    @abstractmethod
    def known(self, network: Network) -> Tensor:
        """Return the mean squared error where the solution is given."""


class Oscillator(Equation):
    """u'' + 2 d u' + w^2 u = 0 with u(0) = 1, u'(0) = 0 on [0, 1]: w = 2 pi coefficient, d = 1; over w^2."""

    axes = ("t",)
    damping = 1.0

    @property
    def _frequency(self) -> float:
        return 2 * math.pi * self.coefficient

    def solution(self, points: Tensor) -> Tensor:
        """Return the damped oscillation."""
        t, d = points[:, 0], self.damping
        w = math.sqrt(self._frequency**2 - d**2)
        return torch.exp(-d * t) * (torch.cos(w * t) + d / w * torch.sin(w * t))

    def residual(self, network: Network, points: Tensor, create_graph: bool = False) -> Tensor:
        """Return what is left, over w^2."""
        u = network(points)[:, 0]
        slope = gradient(u, points)[:, 0]
        curvature = gradient(slope, points, create_graph)[:, 0]
        return (curvature + 2 * self.damping * slope) / self._frequency**2 + u

    def known(self, network: Network) -> Tensor:
        """Return the squared errors of u(0) and of u'(0) / w."""
        start = torch.zeros(1, 1, requires_grad=True)
        u = network(start)[:, 0]
        slope = gradient(u, start)[:, 0]
        return ((u - 1).square() + (slope / self._frequency).square()).mean()


class Poisson(Equation):
    """-u'' = (k pi)^2 sin(k pi x) with u(0) = u(1) = 0 on [0, 1]: k = coefficient; over (k pi)^2."""

    def solution(self, points: Tensor) -> Tensor:
        """Return the sine."""
        return torch.sin(math.pi * self.coefficient * points[:, 0])

    def residual(self, network: Network, points: Tensor, create_graph: bool = False) -> Tensor:
        """Return what is left, over (k pi)^2."""
        slope = gradient(network(points)[:, 0], points)[:, 0]
        curvature = gradient(slope, points, create_graph)[:, 0]
        return -curvature / (math.pi * self.coefficient) ** 2 - self.solution(points)

    def known(self, network: Network) -> Tensor:
        """Return the mean square at both ends."""
        return network(torch.tensor([[0.0], [1.0]])).square().mean()


class _Evolution(Equation):
    """A periodic equation of first order in t on x in [0, 2 pi], t in [0, 1], from values at t = 0."""

    axes = ("x", "t")

    def known(self, network: Network) -> Tensor:
        """Return the mean squared errors at t = 0 and between the two ends of x."""
        x, t = torch.linspace(0, 2 * math.pi, 65)[:, None], torch.linspace(0, 1, 33)[:, None]
        start = torch.cat([x, torch.zeros_like(x)], dim=1)
        jump = network(torch.cat([torch.zeros_like(t), t], dim=1)) - network(
            torch.cat([torch.full_like(t, 2 * math.pi), t], dim=1)
        )
        return (network(start)[:, 0] - self.solution(start)).square().mean() + jump.square().mean()


class Convection(_Evolution):
    """u_t + b u_x = 0 from sin x: b = coefficient."""

    def solution(self, points: Tensor) -> Tensor:
        """Return the sine that has moved."""
        return torch.sin(points[:, 0] - self.coefficient * points[:, 1])

    def residual(self, network: Network, points: Tensor, create_graph: bool = False) -> Tensor:
        """Return what is left."""
        slopes = gradient(network(points)[:, 0], points, create_graph)
        return slopes[:, 1] + self.coefficient * slopes[:, 0]


class Reaction(_Evolution):
    """u_t = r u (1 - u) from exp(-8 (x / pi - 1)^2): r = coefficient."""

    def solution(self, points: Tensor) -> Tensor:
        """Return the logistic growth of each place."""
        start = torch.exp(-8 * (points[:, 0] / math.pi - 1).square())
        grown = start * torch.exp(self.coefficient * points[:, 1])
        return grown / (grown + 1 - start)

    def residual(self, network: Network, points: Tensor, create_graph: bool = False) -> Tensor:
        """Return what is left."""
        u = network(points)[:, 0]
        slopes = gradient(u, points, create_graph)
        return slopes[:, 1] - self.coefficient * u * (1 - u)


EQUATIONS: dict[str, type[Equation]] = {
    "oscillator": Oscillator,
    "poisson": Poisson,
    "convection": Convection,
    "reaction": Reaction,
}


def gradient(values: Tensor, points: Tensor, create_graph: bool = True) -> Tensor:
    """Derivatives of each value with respect to its own point, shape (N, d)."""
    (slopes,) = torch.autograd.grad(values.sum(), points, create_graph=create_graph)
    return slopes
