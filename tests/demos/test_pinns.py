"""The equations are what the docstrings say, and two probes see what a loss does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos.pinns import (
    Advection,
    Helmholtz,
    Poisson,
    advection_residual,
    helmholtz_residual,
    poisson_residual,
)
from tests.training import trainer


class Solved:
    """Stand in for a trained network: ``forward`` is the solution, plus a known function."""

    def __init__(self, module: Any, extra: Any = None) -> None:
        self.module, self.extra = module, extra

    def __getattr__(self, name: str) -> Any:
        return getattr(self.module, name)

    def __call__(self, points: Tensor) -> Tensor:
        u = self.module.solution(points)
        return (u if self.extra is None else u + self.extra(points))[:, None]


def points(dimension: int) -> Tensor:
    return torch.rand(200, dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_the_solution_of_helmholtz_leaves_no_residual() -> None:
    module = Helmholtz(waves=8, wave_number=3.0)
    x = points(1).requires_grad_()
    assert helmholtz_residual(Solved(module), x).abs().max() < 1e-12
    assert module.solution(torch.tensor([[0.0], [1.0]], dtype=torch.float64)).abs().max() < 1e-12


def test_what_helmholtz_without_a_source_solves_leaves_no_residual_either() -> None:
    module = Helmholtz(waves=8, wave_number=3.0)
    free = Solved(module, lambda x: torch.sin(3.0 * x[:, 0]))
    assert helmholtz_residual(free, points(1).requires_grad_()).abs().max() < 1e-12


def test_the_residual_of_helmholtz_is_the_equations() -> None:
    module = Helmholtz(waves=8, wave_number=3.0)
    x = points(1).requires_grad_()
    seen = helmholtz_residual(Solved(module, lambda x: x[:, 0] ** 3), x)
    expected = (6 * x[:, 0] + 9 * x[:, 0] ** 3) / (8 * torch.pi) ** 2
    torch.testing.assert_close(seen, expected, rtol=1e-10, atol=1e-12)


def test_the_solution_of_advection_leaves_no_residual_and_a_slope_in_time_does() -> None:
    module = Advection(waves=3, speed=0.7)
    p = points(2).requires_grad_()
    assert advection_residual(Solved(module), p).abs().max() < 1e-12
    seen = advection_residual(Solved(module, lambda p: 2 * p[:, 1] + p[:, 0]), p)
    torch.testing.assert_close(seen, torch.full_like(seen, (2 + 0.7) / (6 * torch.pi)), rtol=1e-10, atol=1e-12)


def test_the_solution_of_poisson_leaves_no_residual_and_is_zero_at_the_edge() -> None:
    module = Poisson(waves=(2, 3))
    p = (2 * points(2) - 1).requires_grad_()
    assert poisson_residual(Solved(module), p).abs().max() < 1e-12
    assert module.solution(module.edge.double()).abs().max() < 1e-5
    seen = poisson_residual(Solved(module, lambda p: p[:, 0] ** 3 - 2 * p[:, 1] ** 2), p)
    torch.testing.assert_close(seen, (4 - 6 * p[:, 0]) / (13 * torch.pi**2), rtol=1e-10, atol=1e-12)


def test_the_l_of_poisson_is_a_square_without_a_quadrant_and_has_an_edge_of_length_8() -> None:
    module = Poisson(cells=16)
    x, y = module.points.T
    assert len(module.points) == 3 * 16**2
    assert not ((x > 0) & (y < 0)).any()
    step = 0.01
    ways = step * torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    left = [(~module.inside(module.edge + way)).sum() for way in ways]
    assert [int(number) for number in left] == [2 * 16] * 4  # sides that look each way have a length of 2
    assert len(module.edge) == len(module.edge.unique(dim=0)) == 8 * 16
    assert module.inside(module.edge).all()


@pytest.mark.parametrize("make", [Helmholtz, Advection, Poisson])
def test_another_network_is_refused(make: Any) -> None:
    with pytest.raises(ValueError, match="network='relu' is not available: use one of tanh, siren"):
        make(network="relu")


def watched(module: Any, residual: Any, steps: int, folder: Path, axes: Any = None, **domain: Any) -> Any:
    domain = {"bounds": [(0.0, 1.0)] * len(axes or "x"), "axes": axes} | domain
    L.seed_everything(0, verbose=False)
    solution = Probe.grid(target=module.solution, **domain)
    equation = Probe.grid(target=0.0, predict=residual, needs_grad=True, name="residual", **domain)
    callbacks = [SequentialFitting(solution), SequentialFitting(equation)]
    trainer(folder, callbacks, max_steps=steps, logger=False).fit(module)
    return load(folder), load(folder, "residual")


@pytest.mark.slow
def test_a_small_residual_is_no_solution(tmp_path: Path) -> None:
    L.seed_everything(0, verbose=False)
    solution, residual = watched(Helmholtz(), helmholtz_residual, 4_000, tmp_path)
    assert solution.oscillations.target[0] == 4.0
    assert residual.scalars["error/relative_rmse"][-1] < 0.6
    assert residual.front.fitted[-1] > 0.4
    assert residual.front.overall_inwardness[-1] > 0.3
    assert solution.scalars["error/relative_rmse"][-1] > 0.9
    assert solution.front.fitted[-1] < 0.4


@pytest.mark.slow
def test_the_solution_of_advection_comes_from_where_it_is_given(tmp_path: Path) -> None:
    L.seed_everything(0, verbose=False)
    solution, _ = watched(Advection(), advection_residual, 2_500, tmp_path, axes=("x", "t"))
    inwardness = {face: values[-1] for face, values in solution.front.inwardness.items()}
    assert solution.front.fitted[-1] > 0.1
    assert np.mean([inwardness["x_min"], inwardness["t_min"]]) > 0.5
    assert np.mean([inwardness["x_max"], inwardness["t_max"]]) < 0.4
    assert solution.front.depth["x_min"][-1] > solution.front.depth["x_max"][-1]
    assert solution.front.depth["t_min"][-1] > solution.front.depth["t_max"][-1]


def on_an_l(module: Poisson, steps: int, folder: Path) -> Any:
    return watched(module, poisson_residual, steps, folder, bounds=[(-1.0, 1.0)] * 2, inside=module.inside)


def test_the_terms_of_the_loss_on_an_l_are_in_the_record(tmp_path: Path) -> None:
    L.seed_everything(0, verbose=False)
    module = Poisson(boundary_weight=3.0, cells=4)
    run, _ = on_an_l(module, 5, tmp_path)
    loss, equation, boundary = (run.scalars[f"training/loss{term}"][-1] for term in ("", "/equation", "/boundary"))
    assert loss == pytest.approx(equation + 3 * boundary)
    assert equation > 0.1 > boundary > 0


@pytest.mark.slow
def test_on_an_l_the_residual_of_a_tanh_network_shrinks_while_its_solution_is_worse_than_none(tmp_path: Path) -> None:
    L.seed_everything(0, verbose=False)
    solution, residual = on_an_l(Poisson(), 4_800, tmp_path)
    errors, left = (run.scalars["error/relative_rmse"] for run in (solution, residual))
    assert np.abs(errors[solution.steps < 2_500] - 1).max() < 0.1
    assert left[-1] < 0.7
    assert errors[left < 0.9].max() > 1.1
    assert solution.front.fitted[-1] < 0.2


@pytest.mark.slow
def test_on_an_l_a_siren_finds_all_27_lobes(tmp_path: Path) -> None:
    L.seed_everything(0, verbose=False)
    solution, residual = on_an_l(Poisson(network="siren"), 1_000, tmp_path)
    assert solution.oscillations.target[0] == solution.oscillations.fitted[-1] == 3 * 3 * 3
    assert solution.scalars["error/relative_rmse"][-1] < 0.1
    assert residual.scalars["error/relative_rmse"][-1] < 0.1
    assert solution.front.depth["boundary"][-1] == 1.0
