"""Two physics-informed networks with known solutions, to copy and start from.

They are ordinary LightningModules and know nothing of the callbacks. Each has its solution as a method, to probe it
against, and its residual as a function ``(module, points)``, for a second probe with ``needs_grad=True``. Equations,
networks, weights and step sizes are this project's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import lightning as L
import torch
from torch import Tensor, nn

from lightning_seqfit.demos.networks import SIREN, TanhMLP
from lightning_seqfit.demos.regression import STEPS_PER_EPOCH, FullBatch, log_when_asked

__all__ = ["Advection", "Helmholtz", "advection_residual", "helmholtz_residual"]

NetworkName = Literal["tanh", "siren"]


class Helmholtz(L.LightningModule):
    """Solve u'' + k^2 u = f on [0, 1] with u(0) = u(1) = 0, where f is such that u = sin(waves pi x).

    The loss is the mean squared residual, relative to the largest part of f, and ``boundary_weight`` times the mean
    squared value at the ends. With weight 1 a tanh network makes the residual small and the solution wrong: half a wave
    that solves the equation without f is all but free.

    Parameters
    ----------
    waves : half waves of the solution, at least 1.
    wave_number : k, not a multiple of pi (there the solution is not unique).
    network : "tanh" or "siren".
    boundary_weight : positive.
    learning_rate : of Adam; default 2e-3 for tanh and 1e-4 for the SIREN.
    collocation_points : points at which the residual is asked for, the midpoints of as many cells.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> from lightning_seqfit.callbacks import SequentialFitting
    >>> module = Helmholtz(waves=8)
    >>> solution = Probe.grid([(0.0, 1.0)], module.solution)
    >>> residual = Probe.grid([(0.0, 1.0)], 0.0, predict=helmholtz_residual, needs_grad=True, name="residual")
    >>> callbacks = [SequentialFitting(solution), SequentialFitting(residual)]
    """

    points: Tensor
    ends: Tensor

    def __init__(
        self,
        waves: int = 8,
        wave_number: float = 3.0,
        network: NetworkName = "tanh",
        boundary_weight: float = 1.0,
        learning_rate: float | None = None,
        collocation_points: int = 256,
    ) -> None:
        super().__init__()
        self.network = _network(network, 1, omega_0=30.0)
        self.frequency, self.wave_number = waves * math.pi, wave_number
        self.boundary_weight = boundary_weight
        self.learning_rate = learning_rate or (2e-3 if network == "tanh" else 1e-4)
        points = (torch.arange(collocation_points) + 0.5)[:, None] / collocation_points
        self.register_buffer("points", points, persistent=False)
        self.register_buffer("ends", torch.tensor([[0.0], [1.0]]), persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """Return u at points (N, 1), shape (N, 1)."""
        u: Tensor = self.network(points)
        return u

    def solution(self, points: Tensor) -> Tensor:
        """Return the known u at points (N, 1), shape (N,)."""
        return torch.sin(self.frequency * points[:, 0])

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss at the collocation points and the ends."""
        points, ends = batch
        residual = helmholtz_residual(self, points.requires_grad_(), create_graph=True)
        loss: Tensor = residual.square().mean() + self.boundary_weight * self(ends).square().mean()
        log_when_asked(self, loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)

    def train_dataloader(self) -> FullBatch:
        """Return an epoch of 1,000 times all points."""
        return FullBatch((self.points, self.ends), STEPS_PER_EPOCH)


def helmholtz_residual(module: Helmholtz, points: Tensor, create_graph: bool = False) -> Tensor:
    """Residual (u'' + k^2 u - f) / (waves pi)^2 at points (N, 1) that require a gradient, shape (N,)."""
    u = module(points)[:, 0]
    slope = _gradient(u, points)[:, 0]
    curvature = _gradient(slope, points, create_graph=create_graph)[:, 0]
    k, m = module.wave_number, module.frequency
    source = (k**2 - m**2) * module.solution(points)
    residual: Tensor = (curvature + k**2 * u - source) / m**2
    return residual


class Advection(L.LightningModule):
    """Solve u_t + c u_x = 0 on x, t in [0, 1], where u = sin(2 pi waves (x - c t)) is given at t = 0 and at x = 0.

    What is known comes from the faces t_min and x_min; the depths of the four faces tell whether the fit does too.

    Parameters
    ----------
    waves : waves of the solution along x.
    speed : c, positive.
    network : "tanh" or "siren".
    data_weight : weight of the mean squared errors at t = 0 and x = 0 beside that of the residual.
    learning_rate : of Adam; default 2e-3 for tanh and 1e-4 for the SIREN.
    cells : collocation points along each axis, the centres of as many cells.

    Examples
    --------
    >>> from lightning_seqfit import Probe
    >>> module = Advection(waves=3)
    >>> box = [(0.0, 1.0), (0.0, 1.0)]
    >>> solution = Probe.grid(box, module.solution, axes=("x", "t"))
    >>> residual = Probe.grid(
    ...     box, 0.0, axes=("x", "t"), predict=advection_residual, needs_grad=True, name="residual"
    ... )
    >>> solution.geometry.faces
    ('x_min', 'x_max', 't_min', 't_max')
    """

    points: Tensor
    known: Tensor

    def __init__(
        self,
        waves: int = 3,
        speed: float = 1.0,
        network: NetworkName = "tanh",
        data_weight: float = 1.0,
        learning_rate: float | None = None,
        cells: int = 32,
    ) -> None:
        super().__init__()
        self.network = _network(network, 2, omega_0=10.0)
        self.frequency, self.speed = 2 * math.pi * waves, speed
        self.data_weight = data_weight
        self.learning_rate = learning_rate or (2e-3 if network == "tanh" else 1e-4)
        centres = (torch.arange(cells) + 0.5) / cells
        zeros = torch.zeros(cells)
        known = torch.cat([torch.stack([centres, zeros], dim=1), torch.stack([zeros, centres], dim=1)])
        self.register_buffer("points", torch.cartesian_prod(centres, centres), persistent=False)
        self.register_buffer("known", known, persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """Return u at points (x, t) of shape (N, 2), shape (N, 1)."""
        u: Tensor = self.network(points)
        return u

    def solution(self, points: Tensor) -> Tensor:
        """Return the known u at points (N, 2), shape (N,)."""
        return torch.sin(self.frequency * (points[:, 0] - self.speed * points[:, 1]))

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the loss at the collocation points and where u is given."""
        points, known = batch
        residual = advection_residual(self, points.requires_grad_(), create_graph=True)
        error = self(known)[:, 0] - self.solution(known)
        loss: Tensor = residual.square().mean() + 2 * self.data_weight * error.square().mean()
        log_when_asked(self, loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)

    def train_dataloader(self) -> FullBatch:
        """Return an epoch of 1,000 times all points."""
        return FullBatch((self.points, self.known), STEPS_PER_EPOCH)


def advection_residual(module: Advection, points: Tensor, create_graph: bool = False) -> Tensor:
    """Residual (u_t + c u_x) / (2 pi waves) at points (N, 2) that require a gradient, shape (N,)."""
    slopes = _gradient(module(points)[:, 0], points, create_graph=create_graph)
    return (slopes[:, 1] + module.speed * slopes[:, 0]) / module.frequency


def _gradient(values: Tensor, points: Tensor, create_graph: bool = True) -> Tensor:
    """Derivatives of each value with respect to its own point, shape (N, d)."""
    (slopes,) = torch.autograd.grad(values.sum(), points, create_graph=create_graph)
    return slopes


def _network(name: str, in_features: int, omega_0: float) -> nn.Module:
    networks: dict[str, Callable[[], nn.Module]] = {
        "tanh": lambda: TanhMLP(in_features=in_features),
        "siren": lambda: SIREN(in_features=in_features, omega_0=omega_0),
    }
    if name not in networks:
        raise ValueError(f"network={name!r} is not available: use one of {', '.join(networks)}")
    return networks[name]()
