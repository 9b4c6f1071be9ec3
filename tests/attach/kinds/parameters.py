"""Forward passes that write parameters, gradients, or what hangs on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.attach.kinds.base import Kind, kind, wave


def projected(name: str, project: Callable[[Any], None]) -> None:
    """Put a forward pass on the list that first changes the weights of its first layer."""

    class Projected(Kind):
        def touch(self, x: Tensor) -> float:
            project(self)
            return 0.0

    kind(name)(Projected)


def in_place(module: Any) -> None:
    with torch.no_grad():
        module.first.weight.clamp_(min=-0.3, max=0.3).mul_(0.99)


def by_out(module: Any) -> None:
    with torch.no_grad():
        torch.mul(module.first.weight, 0.97, out=module.first.weight)


def by_numpy(module: Any) -> None:
    module.last.weight.detach().numpy()[:, ::2] *= 0.97


def by_vector(module: Any) -> None:
    flat = nn.utils.parameters_to_vector(module.first.parameters()).detach()
    nn.utils.vector_to_parameters(0.97 * flat, module.first.parameters())


def all_at_once(module: Any) -> None:
    with torch.no_grad():
        torch._foreach_mul_(list(module.parameters()), 0.97)


def by_a_view(module: Any) -> None:
    module.last.weight.detach()[:, 1:3].mul_(0.9)


def by_turns(module: Any) -> None:
    module.first.weight.requires_grad_(not module.first.weight.requires_grad)


def swapped(module: Any) -> None:
    first = module.first
    first.weight, first.twin = getattr(first, "twin", nn.Parameter(first.weight.detach() + 0.1)), first.weight


def by_state_dict(module: Any) -> None:
    module.first.load_state_dict({name: 0.97 * value for name, value in module.first.state_dict().items()})


projected("weights clamped in place", in_place)
projected("weights written as the out of an operation", by_out)
projected("weights written through .data", lambda m: m.first.weight.data.mul_(0.97))
projected("weights whose data are replaced", lambda m: setattr(m.first.weight, "data", 0.97 * m.first.weight.data))
projected("weights written through numpy()", by_numpy)
projected("weights written through a detached view", by_a_view)
projected("weights loaded from a vector", by_vector)
projected("weights loaded from a state", by_state_dict)
projected("all weights scaled at once", all_at_once)
projected("weights that are initialised again", lambda m: nn.init.kaiming_uniform_(m.last.weight))
projected("weights frozen by turns", by_turns)
projected("two weights that change places", swapped)
projected("weights replaced by a new parameter", lambda m: setattr(m, "last", _scaled(m.last)))


def _scaled(layer: nn.Linear) -> nn.Linear:
    """The same layer, with a new parameter in the place of its bias."""
    layer.bias = nn.Parameter(layer.bias.detach() + 0.05)
    return layer


@kind("a bag of embeddings with a largest norm")
class Bag(Kind):
    def keep(self) -> None:
        self.table = nn.EmbeddingBag(32, 8, max_norm=0.5, mode="sum")

    def forward(self, x: Tensor) -> Tensor:
        index = (x[:, :1].clamp(0, 1) * 30).long()
        return self.last(torch.tanh(self.table(torch.cat([index, index + 1], 1))))


@kind("an embedding with a largest norm, as a function")
class Functional(Kind):
    def keep(self) -> None:
        self.table = nn.Parameter(torch.randn(32, 8))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(F.embedding((x[:, 0].clamp(0, 1) * 31).long(), self.table, max_norm=0.5)))


@kind("tied weights that are projected")
class Tied(Kind):
    def keep(self) -> None:
        self.middle, self.again = nn.Linear(8, 8), nn.Linear(8, 8)
        self.again.weight = self.middle.weight

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.again.weight.div_(self.again.weight.norm())
        return self.last(torch.tanh(self.again(torch.tanh(self.middle(self.first(4 * x))))))


@kind("parameters in a list and a dict")
class Listed(Kind):
    def keep(self) -> None:
        self.scales = nn.ParameterList([torch.ones(1)])
        self.shifts = nn.ParameterDict({"a": torch.ones(1)})

    def touch(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.scales[0].add_(0.1)
            self.shifts["a"].mul_(0.9)
        return self.scales[0] * self.shifts["a"]


@kind("a parameter in a plain list")
class Unregistered(Kind):
    def keep(self) -> None:
        self.scales = [nn.Parameter(torch.ones(1))]

    def touch(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.scales[0].mul_(0.95)
        return self.scales[0]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam([*self.parameters(), *self.scales], lr=1e-2)


@kind("a parameter that is None by turns")
class Optional(Kind):
    def keep(self) -> None:
        self.scale = nn.Parameter(torch.ones(1))

    def touch(self, x: Tensor) -> Any:
        self.scale = nn.Parameter(torch.ones(1)) if self.scale is None else None
        return -1.0 if self.scale is None else self.scale


@kind("a parameter that the first call registers")
class Registered(Kind):
    proof = 0

    def touch(self, x: Tensor) -> Tensor:
        if not hasattr(self, "scale"):
            self.scale = nn.Parameter(torch.tensor(float(len(x))).sin())
        return self.scale


@kind("a parameter of two million values")
class Huge(Kind):
    def keep(self) -> None:
        self.table = nn.Parameter(torch.zeros(2_100_000))

    def touch(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            self.table[-16:] += 0.1
        return self.table[-16:].mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-2)


class ByHand(Kind):
    """Steps by hand, and clears the gradients after the step: what is added to them in between remains."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        optimizer: Any = self.optimizers()
        self.manual_backward(super().training_step(batch, batch_idx))
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)


@kind("gradients that a backward pass in forward adds to")
class Backward(ByHand):
    def touch(self, x: Tensor) -> float:
        with torch.enable_grad():
            (1e-2 * self.net(x).square().mean()).backward()
        return 0.0


@kind("gradients that forward sets")
class SetsGradients(ByHand):
    def touch(self, x: Tensor) -> float:
        before = self.last.bias.grad
        self.last.bias.grad = torch.full((1,), 0.1) if before is None else before + 0.1
        return 0.0


@kind("gradients that forward takes away")
class TakesGradients(ByHand):
    """The gradients of three batches add up."""

    def keep(self) -> None:
        self.calls = 0

    def touch(self, x: Tensor) -> float:
        self.calls += 1
        if self.calls % 3 == 0:
            self.zero_grad()
        return 0.0

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        optimizer: Any = self.optimizers()
        self.manual_backward(Kind.training_step(self, batch, batch_idx))
        optimizer.step()


@kind("a gradient of a leaf that the module keeps")
class Leaf(Kind):
    def keep(self) -> None:
        self.points = torch.linspace(0, 1, 5)[:, None].requires_grad_()

    def touch(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            self.net(self.points).sum().backward(inputs=[self.points])
        assert self.points.grad is not None
        return self.points.grad.sum().sin()


@kind("hooks on a gradient, one more with every call")
class GradientHooks(Kind):
    def touch(self, x: Tensor) -> float:
        self.first.weight.register_hook(lambda gradient: -0.9 * gradient)
        return 0.0


@kind("an optimizer of the module's own")
class InnerOptimizer(Kind):
    def keep(self) -> None:
        self.level = torch.zeros(1, requires_grad=True)
        self.inner = torch.optim.SGD([self.level], lr=0.05, momentum=0.9)
        self.schedule = torch.optim.lr_scheduler.ExponentialLR(self.inner, 0.98)

    def touch(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            self.inner.zero_grad()
            (self.level - self.net(x).detach().mean() - 1).square().sum().backward()
        self.inner.step()
        self.schedule.step()
        return self.level.detach().clone()


@kind("weights averaged over the calls")
class Averaged(Kind):
    def keep(self) -> None:
        self.mean = torch.optim.swa_utils.AveragedModel(self.first)

    def touch(self, x: Tensor) -> Tensor:
        self.mean.update_parameters(self.first)
        return self.mean(x).detach().mean() + wave(self.mean.n_averaged)
