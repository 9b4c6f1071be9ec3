"""What is recorded of the network that trains."""

from __future__ import annotations

import copy
from pathlib import Path

import lightning as L
import pytest
import torch
from torch import nn

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import ErrorFront
from lightning_seqfit.demos import TanhRegression
from lightning_seqfit.networks import MLP, SIREN, FourierFeatureMLP, Scaled, TanhMLP
from lightning_seqfit.record import Architecture
from lightning_seqfit.watch.architecture import describe_network


class Called(nn.Module):
    """Activations called as functions, and a second, shorter chain."""

    def __init__(self) -> None:
        super().__init__()
        self.aside = nn.Linear(3, 4)
        self.first, self.second, self.last = nn.Linear(2, 7), nn.Linear(7, 7), nn.Linear(7, 3)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (TanhMLP(1, 50, 2), (1, 1, 50, 2, "tanh", None)),
        (MLP(3, 8, 4, 2, "leaky_relu"), (3, 2, 8, 4, "leaky_relu", None)),
        (SIREN(2, 16, 3, omega_0=12.5), (2, 1, 16, 3, "sine", 12.5)),
        (FourierFeatureMLP(2, 10, 1, features=6), (12, 1, 10, 1, "tanh", None)),
        (Scaled(TanhMLP(1, 5, 1), [(0.0, 9.0)]), (1, 1, 5, 1, "tanh", None)),
        (Called(), (2, 3, 7, 2, "", None)),
        (nn.Sequential(nn.Linear(2, 2), TanhMLP(2, 9, 2)), (2, 1, 9, 2, "tanh", None)),
        (nn.ModuleList([TanhMLP(1, 9, 2), TanhMLP(1, 9, 2)]), (1, 1, 9, 2, "tanh", None)),
        (nn.ModuleList([TanhMLP(2, 9, 2, 2) for _ in range(3)]), (2, 2, 9, 2, "tanh", None)),
        (torch.optim.swa_utils.AveragedModel(TanhMLP(1, 9, 3)), (1, 1, 9, 3, "tanh", None)),
        (nn.ModuleList([TanhMLP(1, 9, 3), copy.deepcopy(TanhMLP(1, 9, 3))]), (1, 1, 9, 3, "tanh", None)),
        (
            nn.Sequential(nn.Linear(6, 3), nn.Tanh(), nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1)),
            (6, 1, 6, 2, "tanh", None),
        ),
        (
            nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)),
            (1, 1, 4, 2, "", None),
        ),
    ],
)
def test_a_chain_of_layers_is_described(network: nn.Module, expected: tuple[object, ...]) -> None:
    found = describe_network(network, [])
    names = ("in_features", "out_features", "width", "depth", "activation", "omega_0")
    assert tuple(found[name] for name in names) == expected
    assert (found["optimizer"], found["learning_rate"]) == ("", None)


WITH_CONVOLUTIONS = nn.Sequential(nn.Conv1d(1, 4, 3), nn.Flatten(), nn.Linear(8, 9), nn.Tanh(), nn.Linear(9, 1))


@pytest.mark.parametrize(
    "network", [nn.Linear(1, 1), nn.Conv1d(1, 1, 1), WITH_CONVOLUTIONS, nn.Sequential(nn.LazyLinear(4), nn.Tanh())]
)
def test_what_is_no_chain_of_layers_is_not_described(network: nn.Module) -> None:
    assert describe_network(network, []) == {}


def test_an_optimizer_that_cannot_be_read_ends_nothing() -> None:
    class Odd:
        @property
        def param_groups(self) -> None:
            raise RuntimeError("no groups")

    assert describe_network(TanhMLP(), [Odd()]) == {}


def test_the_largest_learning_rate_counts() -> None:
    network = TanhMLP()
    groups = [
        {"params": [one], "lr": rate} for one, rate in zip(network.parameters(), (1e-4, 3e-2, 1e-3), strict=False)
    ]
    found = describe_network(network, [torch.optim.SGD(groups, lr=1.0)])
    assert (found["optimizer"], found["learning_rate"]) == ("sgd", 3e-2)


def test_a_record_knows_the_network_that_was_trained(tmp_path: Path) -> None:
    probe = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(9 * x[:, 0]), resolution=32)
    trainer = L.Trainer(
        max_steps=1,
        callbacks=[ErrorFront(probe)],
        accelerator="cpu",
        logger=False,
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(TanhRegression(width=6, depth=3, learning_rate=2e-3))
    assert load(tmp_path).network == Architecture(1, 1, 6, 3, "tanh", None, "adam", 2e-3)


@pytest.mark.parametrize(
    "about", [None, {}, [], {"in_features": 1, "out_features": 1, "width": 0, "depth": 1}, {"width": 2.5}]
)
def test_what_an_older_or_damaged_record_says_is_none(about: object) -> None:
    assert Architecture.of(about) is None
