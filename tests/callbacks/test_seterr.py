"""What NumPy does where the user's arithmetic goes wrong is the user's choice, and no choice loses anything of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from tests.training import Net, fit, loader, probe, silent, trainer


@pytest.fixture
def raising() -> Iterator[dict[str, str]]:
    with np.errstate(all="raise"):
        yield np.geterr()


def line() -> Probe:
    x = np.random.default_rng(0).random(80)
    return Probe.points(x, np.sin(6 * np.pi * x))


def plane() -> Probe:
    def predict(module: Any, x: torch.Tensor) -> Any:
        return module(x[:, :1])

    return probe(bounds=[(0.0, 1.0), (0.0, 1.0)], resolution=(40, 40), predict=predict)


def small() -> Probe:
    """Values whose squares are below the range of floats."""
    return probe(target=lambda x: 1e-38 * torch.sin(6 * torch.pi * x[:, 0]))


@pytest.mark.parametrize("make", [probe, line, plane, small])
def test_nothing_is_lost_where_numpy_raises(make: Any, raising: dict[str, str], tmp_path: Path) -> None:
    trains = trainer(tmp_path, [SequentialFitting(make())], max_steps=20, logger=False)
    with silent():
        fit(trains, Net())
        trains.save_checkpoint(tmp_path / "saved.ckpt")
        second = trainer(tmp_path, [SequentialFitting(make())], max_steps=30, logger=False)
        second.fit(Net(), loader(), ckpt_path=tmp_path / "saved.ckpt")
    assert np.geterr() == raising
    run = load(tmp_path)
    assert run.steps[-1] == 30
    assert None not in (run.front, run.oscillations, run.spectrum, run.basis)
    assert {f"probe_{name}.png" for name in ("2_fit", "1_front", "4_spectrum", "5_basis", "6_rank")} <= {
        path.name for path in (tmp_path / "seqfit").iterdir()
    }


def test_the_module_is_asked_under_the_users_own_choice(raising: dict[str, str], tmp_path: Path) -> None:
    seen = []

    def predict(module: Any, x: torch.Tensor) -> Any:
        seen.append(np.geterr())
        return module(x)

    def target(x: torch.Tensor) -> Any:
        seen.append(np.geterr())
        return torch.sin(6 * torch.pi * x[:, 0])

    with silent():
        fit(trainer(tmp_path, [SequentialFitting(probe(target=target, predict=predict))], max_steps=3), Net())
    assert len(seen) > 4
    assert all(state == raising for state in seen)
