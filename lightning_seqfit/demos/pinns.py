"""Three physics-informed networks with known solutions, to copy and start from.

They are ordinary LightningModules and know nothing of the callbacks. Each has its solution as a method, to probe it
against, and its residual as a function ``(module, points)``, for a second probe with ``needs_grad=True``. Equations,
networks, weights and step sizes are this project's own.
"""

from __future__ import annotations

import math

import lightning as L
import torch
from torch import Tensor

from lightning_seqfit.demos.regression import STEPS_PER_EPOCH, FullBatch, log_when_asked
from lightning_seqfit.networks import NetworkName, make_network

__all__ = ["Advection", "Helmholtz", "Poisson", "advection_residual", "helmholtz_residual", "poisson_residual"]


class Helmholtz(L.LightningModule):
    """Solve u'' + k^2 u = f on [0, 1] with u(0) = u(1) = 0, where f is such that u = sin(waves pi x).

    The loss is the mean squared residual, relative to the largest part of f, and ``boundary_weight`` times the mean
    squared value at the ends. With weight 1 a tanh network makes the residual small and the solution wrong: half a wave
    that solves the equation without f is all but free.

    Parameters
    ----------
    waves : half waves of the solution, at least 1.
    wave_number : k, not a multiple of pi (there the solution is not unique).
    network : "tanh", "siren" or "fourier".
    boundary_weight : positive.
    learning_rate : of Adam; default 2e-3 and 1e-4 for the SIREN.
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
        self.save_hyperparameters()
        self.network = make_network(network)
        self.frequency, self.wave_number = waves * math.pi, wave_number
        self.boundary_weight = boundary_weight
        self.learning_rate = learning_rate or (1e-4 if network == "siren" else 2e-3)
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
    network : "tanh", "siren" or "fourier".
    data_weight : weight of the mean squared errors at t = 0 and x = 0 beside that of the residual.
    learning_rate : of Adam; default 2e-3 and 1e-4 for the SIREN.
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
        self.save_hyperparameters()
        self.network = make_network(network, 2, omega_0=10.0, scale=2.0)
        self.frequency, self.speed = 2 * math.pi * waves, speed
        self.data_weight = data_weight
        self.learning_rate = learning_rate or (1e-4 if network == "siren" else 2e-3)
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


class Poisson(L.LightningModule):
    """Solve -(u_xx + u_yy) = f on an L with u = 0 at its edge, where f is such that u = sin(a pi x) sin(b pi y).

    The L is [-1, 1]^2 without the quadrant x > 0, y < 0. A tanh network begins late, and then its residual shrinks
    while its solution is worse than none.

    Parameters
    ----------
    waves : a and b, whole: half waves of the solution on a unit of each axis.
    network : "tanh", "siren" or "fourier".
    boundary_weight : weight of the mean squared value at the edge beside that of the residual.
    learning_rate : of Adam; default 2e-3, and 1e-4 for the SIREN.
    cells : points on a unit of each axis, the centres of as many cells: a collocation point for each that lies in the
        L, and as many on a unit of its edge.

    Examples
    --------
    >>> from lightning_seqfit import Probe
    >>> module = Poisson(waves=(3, 3))
    >>> solution = Probe.grid([(-1.0, 1.0)] * 2, module.solution, inside=module.inside)
    >>> residual = Probe.grid(
    ...     [(-1.0, 1.0)] * 2, 0.0, inside=module.inside, predict=poisson_residual, needs_grad=True, name="residual"
    ... )
    """

    points: Tensor
    edge: Tensor

    def __init__(
        self,
        waves: tuple[int, int] = (3, 3),
        network: NetworkName = "tanh",
        boundary_weight: float = 1.0,
        learning_rate: float | None = None,
        cells: int = 16,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = make_network(network, 2, omega_0=10.0, scale=2.0)
        self.frequencies = waves[0] * math.pi, waves[1] * math.pi
        self.boundary_weight = boundary_weight
        self.learning_rate = learning_rate or (1e-4 if network == "siren" else 2e-3)
        centres = (torch.arange(2 * cells) + 0.5) / cells - 1
        points = torch.cartesian_prod(centres, centres)
        first, second = centres[:cells], centres[cells:]  # of an axis, below and above 0
        sides = [(-1.0, centres), (0.0, first), (1.0, second)]  # x, y; the others are their mirror images at y = -x
        edge = [torch.stack([torch.full_like(y, x), y], dim=1) for x, y in sides]
        edge += [torch.stack([-y, torch.full_like(y, -x)], dim=1) for x, y in sides]
        self.register_buffer("points", points[self.inside(points)], persistent=False)
        self.register_buffer("edge", torch.cat(edge), persistent=False)

    def forward(self, points: Tensor) -> Tensor:
        """Return u at points (N, 2), shape (N, 1)."""
        u: Tensor = self.network(points)
        return u

    def solution(self, points: Tensor) -> Tensor:
        """Return the known u at points (N, 2), shape (N,)."""
        a, b = self.frequencies
        return torch.sin(a * points[:, 0]) * torch.sin(b * points[:, 1])

    @staticmethod
    def inside(points: Tensor) -> Tensor:
        """Return which of the points (N, 2) lie in the L, its edge included, shape (N,)."""
        return (points.abs() <= 1).all(dim=1) & ((points[:, 0] <= 0) | (points[:, 1] >= 0))

    def training_step(self, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Return the loss, and its terms: the mean squares of the residual and of u at the edge."""
        points, edge = batch
        equation = poisson_residual(self, points.requires_grad_(), create_graph=True).square().mean()
        boundary = self(edge).square().mean()
        loss = equation + self.boundary_weight * boundary
        log_when_asked(self, loss)
        return {"loss": loss, "equation": equation, "boundary": boundary}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), lr=self.learning_rate)

    def train_dataloader(self) -> FullBatch:
        """Return an epoch of 1,000 times all points."""
        return FullBatch((self.points, self.edge), STEPS_PER_EPOCH)


def poisson_residual(module: Poisson, points: Tensor, create_graph: bool = False) -> Tensor:
    """Residual (-u_xx - u_yy - f) / ((a^2 + b^2) pi^2) at points (N, 2) that require a gradient, shape (N,)."""
    slopes = _gradient(module(points)[:, 0], points)
    u_xx = _gradient(slopes[:, 0], points)[:, 0]
    u_yy = _gradient(slopes[:, 1], points, create_graph=create_graph)[:, 1]
    residual: Tensor = -(u_xx + u_yy) / math.hypot(*module.frequencies) ** 2 - module.solution(points)
    return residual


def _gradient(values: Tensor, points: Tensor, create_graph: bool = True) -> Tensor:
    """Derivatives of each value with respect to its own point, shape (N, d)."""
    (slopes,) = torch.autograd.grad(values.sum(), points, create_graph=create_graph)
    return slopes
