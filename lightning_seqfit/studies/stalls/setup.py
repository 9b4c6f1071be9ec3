"""What is trained, as plain values: a training is told from another by them, and advice changes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

_TAU = 2 * math.pi


Target = Callable[[Tensor], Tensor]


def _wave(cycles: float, of: Target = torch.sin) -> Target:
    return lambda x: of(_TAU * cycles * x[:, 0])


def _under(envelope: Target, cycles: float) -> Target:
    return lambda x: torch.sin(_TAU * cycles * x[:, 0]) * envelope(x[:, 0])


def _beside(trend: Target, size: float, wave: Target) -> Target:
    return lambda x: trend(x[:, 0]) + size * wave(x)


def _waves(*cycles: float) -> Target:
    """Waves whose power falls as 1 / cycles, with phases that differ."""
    f = torch.tensor(cycles)
    return lambda x: (torch.cos(_TAU * f * x[:, :1] + f - 1) / f.sqrt()).sum(dim=1)


def _chirp(start: float, end: float, of: Target) -> Target:
    return lambda x: of(_TAU * (start * x[:, 0] + (end - start) / 2 * x[:, 0] ** 2))


def _hann_to_the_4th(x: Tensor) -> Tensor:
    return torch.sin(math.pi * x) ** 8


#: Targets by name: places in the unit box, shape (N, d), to values (N,).
TARGETS: dict[str, Target] = {
    **{f"sine {cycles}": _wave(cycles) for cycles in (2, 3, *range(4, 17), 18, 20)},
    **{f"cosine {cycles}": _wave(cycles, torch.cos) for cycles in (3, *range(5, 11), 13, 14)},
    "windowed 20": _under(_hann_to_the_4th, 20),
    "gabor 16": _under(lambda x: torch.exp(-(((x - 0.5) / 0.12) ** 2)), 16),
    "bump 17": _under(lambda x: torch.exp(-(((x - 0.5) / 0.25) ** 6)), 17),
    "decaying 8": _under(lambda x: torch.exp(-2 * x), 8),
    "decaying 6": _under(lambda x: torch.exp(-2.5 * x), 6),
    "growing 7": _under(lambda x: 0.3 + x, 7),
    "gap 12": _under(lambda x: ((x < 0.35) | (x > 0.65)).to(x), 12),
    "gap 9": _under(lambda x: ((x < 0.3) | (x > 0.6)).to(x), 9),
    "gabor 14": _under(lambda x: torch.exp(-(((x - 0.4) / 0.09) ** 2)), 14),
    "bump 19": _under(lambda x: torch.exp(-(((x - 0.5) / 0.3) ** 8)), 19),
    "hann 4": _under(lambda x: torch.sin(math.pi * x) ** 2, 4),
    "hann 3": _under(lambda x: torch.sin(math.pi * x) ** 2, 3),
    "start and bell 12": _under(lambda x: torch.exp(-((x / 0.25) ** 4)) + torch.exp(-(((x - 0.7) / 0.08) ** 2)), 12),
    "end and bell 16": _under(lambda x: torch.exp(-(((1 - x) / 0.3) ** 4)) + torch.exp(-(((x - 0.28) / 0.1) ** 2)), 16),
    "decaying 5": _under(lambda x: torch.exp(-1.5 * x), 5),
    "growing 9": _under(lambda x: 0.25 + x**2, 9),
    "chirp 2 to 12": _chirp(2, 12, torch.sin),
    "chirp 1 to 9": _chirp(1, 9, torch.cos),
    "chirp 3 to 15": _chirp(3, 15, torch.cos),
    "chirp 4 to 10": _chirp(4, 10, torch.sin),
    "chirp 14 to 2": _chirp(14, 2, torch.cos),
    "chirp 1 to 7": _chirp(1, 7, torch.sin),
    "octaves 1 to 8": _waves(1, 2, 4, 8),
    "3 and 9": _waves(3, 9),
    "2, 5 and 11": _waves(2, 5, 11),
    "4 and 10": _waves(4, 10),
    "1, 3, 6 and 14": _waves(1, 3, 6, 14),
    "parabola and 18": _beside(lambda x: 32 * (x - 0.5) ** 2, 0.3, _wave(18)),
    "exponential and 15": _beside(lambda x: torch.exp(3 * x), 0.3, _wave(15)),
    "line and 8": _beside(lambda x: 3 * x, 1.0, _wave(8)),
    "parabola and 5": _beside(lambda x: 4 * x**2, 1.0, _wave(5, torch.cos)),
    "cubic and 6": _beside(lambda x: 8 * x**3, 1.0, _wave(6)),
    "bent and 24": _beside(lambda x: 12 * (x - 0.4) ** 2, 0.2, _wave(24)),
    "logistic and 20": _beside(lambda x: 8 * torch.sigmoid(12 * (x - 0.5)), 0.3, _wave(20, torch.cos)),
    "large 4 and 10": lambda x: 5_000 * _waves(4, 10)(x),
    "huge sine 13": lambda x: 10_000 * _wave(13)(x),
    "huge chirp 3 to 15": lambda x: 10_000 * _chirp(3, 15, torch.cos)(x),
    "huge 3 and 9": lambda x: 3_000 * _waves(3, 9)(x),
    "plane 4": _wave(4),
    "product 2": lambda x: torch.sin(_TAU * 2 * x).prod(dim=1),
    "rings 3": lambda x: torch.sin(_TAU * 6 * (x - 0.5).square().sum(dim=1).sqrt()),
    "oblique 3": lambda x: torch.sin(_TAU * x[:, :2] @ torch.tensor([3.0, 1.5], dtype=x.dtype)),
    "crossed 2 and 3": lambda x: torch.sin(_TAU * 2 * x[:, 0]) + torch.cos(_TAU * 3 * x[:, -1]),
    "bell product 7": lambda x: (torch.sin(_TAU * 7 * x) * torch.exp(-(((x - 0.5) / 0.2) ** 2))).prod(dim=1),
    "windowed product 6": lambda x: (torch.sin(_TAU * 6 * x) * torch.sin(math.pi * x) ** 4).prod(dim=1),
}


@dataclass(frozen=True)
class Setup:
    """A training.

    Attributes
    ----------
    target : name in :data:`TARGETS`; of an equation it is not asked for.
    steps : of Adam's or SGD's; of L-BFGS as many evaluations of the gradient.
    bounds : box on which the target's unit box is laid, (low, high) per axis.
    points : training points, evenly spaced, ends included: along each axis, or a number for each.
    at_random : they are drawn from the box instead, ``points`` in all.
    noise : standard deviation of the training values' noise over that of the target.
    watch_data : the probe's target are the training values with their noise, not the function.
    batch_size : None: all points in each step.
    network : "tanh", "relu", "gelu", "siren" or "fourier".
    inputs : ``"[-1, 1]"``: mapped to it before the network; empty: as they are.
    optimizer : "adam", "sgd" or "lbfgs".
    schedule : "constant", "cosine", or "decayed": a hundredth from step ``decay_at`` on.
    equation : "oscillator", "poisson", "convection" or "reaction", solved by its residual; empty: a regression.
    coefficient : of the equation: oscillations on the line, half waves, speed or rate.
    data_weight : of the initial and boundary values in an equation's loss.
    residual_factor : of the residual's term of the loss.
    resample : whether the residual's points are drawn anew in each step.
    targets : what the training values are divided by, and the network's output is multiplied by.
    """

    target: str = "sine 13"
    steps: int = 5_000
    bounds: tuple[tuple[float, float], ...] = ((0.0, 1.0),)
    points: int | tuple[int, ...] = 400
    at_random: bool = False
    noise: float = 0.0
    watch_data: bool = False
    batch_size: int | None = None
    network: str = "tanh"
    width: int = 50
    depth: int = 2
    omega_0: float = 30.0
    sigma: float = 10.0
    inputs: str = ""
    optimizer: str = "adam"
    learning_rate: float = 5e-3
    schedule: str = "constant"
    decay_at: int = 0
    equation: str = ""
    coefficient: float = 1.0
    data_weight: float = 1.0
    residual_factor: float = 1.0
    resample: bool = False
    targets: float = 1.0

    def values(self, points: Tensor) -> Tensor:
        """Target at points (N, d) of the box, shape (N,)."""
        low, high = torch.tensor(self.bounds, dtype=points.dtype, device=points.device).T
        values: Tensor = TARGETS[self.target]((points - low) / (high - low))
        return values


_REPLACED = (
    "network",
    "omega_0",
    "sigma",
    "inputs",
    "learning_rate",
    "schedule",
    "optimizer",
    "width",
    "points",
    "data_weight",
    "residual_factor",
    "resample",
    "targets",
)
_COMPUTED = ("learning_rate_factor", "points_factor", "random_points")


def changed(setup: Setup, change: Mapping[str, Any]) -> Setup:
    """Apply the ``change`` of an advice, which leaves the number of gradient evaluations as it is.

    Raises
    ------
    ValueError
        If the advice changes what a setup does not have.

    Examples
    --------
    >>> changed(Setup(learning_rate=0.1), {"learning_rate_factor": 0.5, "random_points": 30})  # doctest: +ELLIPSIS
    Setup(target='sine 13', steps=5000, ..., points=30, at_random=True, ..., learning_rate=0.05, ...)
    """
    unknown = [name for name in change if name not in (*_REPLACED, *_COMPUTED)]
    if unknown:
        raise ValueError(f"change={dict(change)!r}: {', '.join(unknown)} cannot be applied to a training of the study")
    new = {name: value for name, value in change.items() if name in _REPLACED}
    if "learning_rate_factor" in change:
        new["learning_rate"] = setup.learning_rate * change["learning_rate_factor"]
    if "points" in change:
        new["at_random"] = False
    if "points_factor" in change:
        assert isinstance(setup.points, int)
        dimension = 1 if setup.at_random else len(setup.bounds)
        new["points"] = round(setup.points * change["points_factor"] ** (1 / dimension))
    if "random_points" in change:
        new |= {"points": change["random_points"], "at_random": True}
    return replace(setup, **new)
