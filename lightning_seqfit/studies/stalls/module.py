"""The modules of the study, and what watches them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from lightning_seqfit.demos.regression import STEPS_PER_EPOCH
from lightning_seqfit.networks import SIREN, FourierFeatureMLP, TanhMLP
from lightning_seqfit.probe import Probe
from lightning_seqfit.studies.stalls.equations import EQUATIONS, Equation
from lightning_seqfit.studies.stalls.setup import Setup

#: Evaluations of the gradient in a step of L-BFGS, at the most.
EVALUATIONS = 25

_ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU, "gelu": nn.GELU}


class Fit(L.LightningModule):
    """What all trainings have in common: the network, the optimizer and its schedule."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.config = setup
        self.network = make_network(setup)

    def forward(self, points: Tensor) -> Tensor:
        """Predict at points (N, d), shape (N, 1)."""
        prediction: Tensor = self.config.targets * self.network(points)
        return prediction

    def configure_optimizers(self) -> Any:
        """Return the optimizer, with its schedule where the rate is not constant."""
        setup, parameters = self.config, self.parameters()
        optimizer: torch.optim.Optimizer
        if setup.optimizer == "lbfgs":
            optimizer = torch.optim.LBFGS(parameters, max_eval=EVALUATIONS, line_search_fn="strong_wolfe")
        else:
            optimizer = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[setup.optimizer](
                parameters, lr=setup.learning_rate
            )
        if setup.schedule == "constant":
            return optimizer
        factors = {
            "cosine": lambda step: 0.5 * (1 + math.cos(math.pi * min(step / setup.steps, 1))),
            "decayed": lambda step: 1.0 if step < setup.decay_at else 0.01,
        }
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factors[setup.schedule])
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Regression(Fit):
    """Fit the target's values, with or without noise, in batches or all at once."""

    points: Tensor
    targets: Tensor

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        points = _places(setup)
        values = setup.values(points)
        noise = setup.noise * values.std() * torch.randn_like(values) if setup.noise else 0.0
        self.register_buffer("points", points.float(), persistent=False)
        self.register_buffer("targets", (values + noise).float(), persistent=False)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Return the mean squared error of a batch."""
        points, values = batch
        return nn.functional.mse_loss(self.network(points)[:, 0], values / self.config.targets)

    def train_dataloader(self) -> Batches:
        """Return an epoch of 1,000 steps."""
        return Batches(self.points, self.targets, size=self.config.batch_size)

    def probes(self) -> list[Probe]:
        """Look at the target, or at the training values."""
        setup = self.config
        if not setup.watch_data:
            return [Probe.grid(setup.bounds, setup.values)]
        return [Probe.grid(setup.bounds, self.targets.numpy(), resolution=_along(setup), ends=True)]


class Solver(Fit):
    """Solve an equation by its residual and the values that are known."""

    points: Tensor

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.equation: Equation = EQUATIONS[setup.equation](setup.coefficient)
        self.register_buffer("points", _places(setup).float(), persistent=False)

    def training_step(self, batch: tuple[Tensor]) -> dict[str, Tensor]:
        """Return the loss, and its terms: the mean squares of the residual and of what is known."""
        (points,) = batch
        if self.config.resample:
            points = _uniform(self.config, len(points)).float()
        left = self.equation.residual(self, points.requires_grad_(), create_graph=True)
        residual, known = left.square().mean(), self.equation.known(self)
        loss = self.config.residual_factor * residual + self.config.data_weight * known
        return {"loss": loss, "residual": residual, "data": known}

    def train_dataloader(self) -> Batches:
        """Return an epoch of 1,000 steps."""
        return Batches(self.points, size=self.config.batch_size)

    def probes(self) -> list[Probe]:
        """Look at the solution and at the residual."""
        box: dict[str, Any] = {"bounds": self.config.bounds, "axes": self.equation.axes}
        box["resolution"] = 512 if len(self.equation.axes) == 1 else 48
        solution = Probe.grid(target=self.equation.solution, **box)
        left = Probe.grid(target=0.0, predict=residual, needs_grad=True, name="residual", quantity="residual", **box)
        return [solution, left]


def residual(module: Solver, points: Tensor) -> Tensor:
    """What the equation leaves at points (N, d) that require a gradient, shape (N,)."""
    return module.equation.residual(module, points)


class Batches:
    """All points in each step, or batches of a size that are drawn anew when all were used; 1,000 an epoch."""

    def __init__(self, *tensors: Tensor, size: int | None = None) -> None:
        self.tensors, self.size = tensors, size

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        return STEPS_PER_EPOCH

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """Give the batches."""
        count, left = len(self.tensors[0]), torch.empty(0, dtype=torch.long)
        for _ in range(len(self)):
            if self.size is None:
                yield self.tensors
                continue
            left = left if len(left) >= self.size else torch.randperm(count)
            chosen, left = left[: self.size], left[self.size :]
            yield tuple(tensor[chosen] for tensor in self.tensors)


class Scaled(nn.Module):
    """A network that sees points of a box on [-1, 1] per axis."""

    low: Tensor
    high: Tensor

    def __init__(self, network: nn.Module, bounds: tuple[tuple[float, float], ...]) -> None:
        super().__init__()
        self.network = network
        low, high = torch.tensor(bounds).T
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, points: Tensor) -> Tensor:
        """Evaluate at points (N, d)."""
        values: Tensor = self.network(2 * (points - self.low) / (self.high - self.low) - 1)
        return values


def make_module(setup: Setup) -> Regression | Solver:
    """Make what trains; weights, noise and random points come from torch's generator."""
    return Solver(setup) if setup.equation else Regression(setup)


def make_network(setup: Setup) -> nn.Module:
    """Make the network alone."""
    sizes = {"in_features": len(setup.bounds), "width": setup.width, "depth": setup.depth}
    network: nn.Module
    if setup.network == "siren":
        network = SIREN(**sizes, omega_0=setup.omega_0)
    elif setup.network == "fourier":
        network = FourierFeatureMLP(**sizes, scale=setup.sigma)
    else:
        network = TanhMLP(**sizes)
        for number, layer in enumerate(network.layers):
            if isinstance(layer, nn.Tanh):
                network.layers[number] = _ACTIVATIONS[setup.network]()
    return Scaled(network, setup.bounds) if setup.inputs else network


def _places(setup: Setup) -> Tensor:
    if setup.at_random:
        return _uniform(setup, _along(setup)[0])
    axes = zip(setup.bounds, _along(setup), strict=True)
    lines = [torch.linspace(low, high, count, dtype=torch.float64) for (low, high), count in axes]
    return torch.stack([line.ravel() for line in torch.meshgrid(*lines, indexing="ij")], dim=1)


def _along(setup: Setup) -> list[int]:
    """Points along each axis."""
    return [setup.points] * len(setup.bounds) if isinstance(setup.points, int) else list(setup.points)


def _uniform(setup: Setup, count: int) -> Tensor:
    low, high = torch.tensor(setup.bounds, dtype=torch.float64).T
    points: Tensor = low + (high - low) * torch.rand(count, len(setup.bounds), dtype=torch.float64)
    return points
