"""Whether a loss is an equation's: what autograd and torch.func make of derivatives, and what is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import Helmholtz
from lightning_seqfit.watch import verdicts
from lightning_seqfit.watch.equation import has_derivatives
from lightning_seqfit.watch.verdicts import Verdicts
from tests.training import Net, loader, trainer


class Wave(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.sin(30 * x)


def network(activation: Callable[[], nn.Module]) -> nn.Module:
    return nn.Sequential(nn.Linear(1, 8), activation(), nn.Linear(8, 8), activation(), nn.Linear(8, 1))


def by_autograd(net: nn.Module) -> Tensor:
    x = torch.linspace(0, 1, 5)[:, None].requires_grad_()
    return torch.autograd.grad(net(x).sum(), x, create_graph=True)[0].square().mean()


def by_functions(net: nn.Module) -> Tensor:
    parameters = dict(net.named_parameters())
    slopes = vmap(jacrev(lambda x: functional_call(net, parameters, (x[None],))[0, 0]))
    return slopes(torch.linspace(0, 1, 5)[:, None]).square().mean()


def by_values(net: nn.Module) -> Tensor:
    return (net(torch.linspace(0, 1, 5)[:, None]) - 1).square().mean()


def with_a_penalty(net: nn.Module) -> Tensor:
    return by_values(net) + 1e-3 * sum(weight.square().sum() for weight in net.parameters())


@pytest.mark.parametrize("activation", [nn.Tanh, nn.GELU, nn.ReLU, Wave])
@pytest.mark.parametrize(
    ("loss", "equation"),
    [(by_autograd, True), (by_values, False), (with_a_penalty, False)],
    ids=["by autograd", "by values", "with a penalty"],
)
def test_derivatives_with_respect_to_the_inputs_are_found(
    activation: Callable[[], nn.Module], loss: Callable[[nn.Module], Tensor], equation: bool
) -> None:
    net = network(activation)
    assert has_derivatives(loss(net), list(net.parameters())) is equation


def test_those_of_functional_transforms_are_found_where_the_activation_has_a_second_derivative_of_its_own() -> None:
    net = network(nn.Tanh)
    assert has_derivatives(by_functions(net), list(net.parameters()))


def test_a_loss_without_a_graph_is_none() -> None:
    assert not has_derivatives(torch.zeros(()), [])


def test_looking_changes_nothing() -> None:
    net = network(nn.Tanh)
    loss = by_autograd(net)
    has_derivatives(loss, list(net.parameters()))
    loss.backward()
    once = [weight.grad.clone() for weight in net.parameters() if weight.grad is not None]
    net.zero_grad()
    by_autograd(net).backward()
    again = [weight.grad for weight in net.parameters() if weight.grad is not None]
    assert len(once) == len(again) > 3
    assert all(torch.equal(one, other) for one, other in zip(once, again, strict=True))


def test_a_very_deep_graph_ends() -> None:
    x = torch.ones((), requires_grad=True)
    loss = x
    for _ in range(30_000):
        loss = loss + 1
    assert has_derivatives(loss, [x]) is False


@pytest.mark.parametrize(("make", "equation"), [(Net, False), (Helmholtz, True)], ids=["a regression", "an equation"])
def test_the_record_has_it_from_one_look_at_the_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[], L.LightningModule], equation: bool
) -> None:
    calls, look = [], Verdicts.look_at_loss
    monkeypatch.setattr(Verdicts, "look_at_loss", lambda *given: (calls.append(given), look(*given)))
    module = make()
    watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], target=lambda x: torch.sin(9 * x[:, 0])))
    trains = trainer(tmp_path, [watcher], max_steps=4, logger=False)
    trains.fit(module, loader() if isinstance(module, Net) else None)
    stall = load(tmp_path).stall
    assert stall is not None
    assert stall.situation.equation is equation
    assert len(calls) == 1


class TermByTerm(L.LightningModule):
    """A network trained by hand, which goes backward through the values first and then through the derivatives."""

    def __init__(self, *terms: Callable[[nn.Module], Tensor]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.net, self.terms = network(nn.Tanh), terms

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters())

    def train_dataloader(self) -> list[int]:
        return [0] * 20

    def training_step(self, batch: int, batch_idx: int) -> None:
        optimizer = self.optimizers()
        optimizer.zero_grad()
        for term in self.terms:
            self.manual_backward(term(self.net))
        optimizer.step()


@pytest.mark.parametrize(
    ("terms", "equation"),
    [((by_values, by_autograd), True), ((by_autograd, by_values), True), ((by_values, with_a_penalty), False)],
    ids=["an equation last", "an equation first", "none"],
)
def test_terms_that_are_optimised_by_hand_one_by_one_are_all_looked_at(
    tmp_path: Path, terms: tuple[Callable[[nn.Module], Tensor], ...], equation: bool
) -> None:
    watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], target=lambda x: torch.sin(9 * x[:, 0])))
    trainer(tmp_path, [watcher], max_steps=12, logger=False).fit(TermByTerm(*terms))
    stall = load(tmp_path).stall
    assert stall is not None
    assert stall.situation.equation is equation


def test_a_subclass_with_a_hook_of_its_own_has_no_more_losses_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(SequentialFitting):
        calls = 0

        def on_before_backward(self, *given: Any) -> None:
            self.calls += 1
            super().on_before_backward(*given)

    seen: list[Tensor] = []
    monkeypatch.setattr(verdicts, "has_derivatives", lambda loss, _: seen.append(loss) or False)
    watcher = Own(Probe.grid([(0.0, 1.0)], target=lambda x: torch.sin(9 * x[:, 0])))
    trainer(tmp_path, [watcher], max_steps=12, logger=False).fit(Net(), loader())
    assert (watcher.calls, len(seen)) == (12, 1)
