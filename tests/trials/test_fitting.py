"""One fit: that it goes on as if it had not been left, what it says of its end, and that its code makes the same."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_seqfit import Probe
from lightning_seqfit.planning import Recipe
from lightning_seqfit.trials import fitting
from lightning_seqfit.trials.fitting import Fit, go_on
from lightning_seqfit.trials.task import Eye, Task

SIREN = Recipe("siren", width=16, omega_0=20.0, learning_rate=1e-3)
RECIPES = {
    "tanh, adam": Recipe("tanh", width=8, learning_rate=5e-3),
    "gelu, sgd": Recipe("gelu", width=8, optimizer="sgd", learning_rate=1e-2),
    "siren": SIREN,
    "fourier, scaled": Recipe(
        "fourier", width=8, sigma=2.0, features=4, bounds=((0.0, 1.0),), mean=(2.0,), scale=(3.0,)
    ),
    "soap": Recipe("tanh", width=8, optimizer="soap", learning_rate=3e-3),
}


@pytest.fixture(scope="module")
def eye() -> Eye:
    return Eye(Task.of(Probe.grid([(0.0, 1.0)], lambda x: torch.sin(12 * torch.pi * x[:, 0]), resolution=64)))


class Told:
    """Looks that see what they are told, in place of a network."""

    def __init__(self, eye: Eye, *seen: tuple[float, float]) -> None:
        self.task, self.seen, self.steps = eye.task, iter(seen), 0

    def look(self, network: nn.Module) -> tuple[float, float]:
        self.steps += 1
        return next(self.seen, (0.0, 1.0))


def weights(fit: Fit) -> dict[str, torch.Tensor]:
    held: dict[str, torch.Tensor] = torch.load(io.BytesIO(fit.state), weights_only=True)["network"]
    return held


@pytest.mark.parametrize("name", RECIPES)
def test_a_fit_that_was_left_and_gone_on_with_is_bitwise_one_that_was_not(eye: Eye, name: str) -> None:
    if "soap" in name and find_spec("pytorch_optimizer") is None:
        pytest.skip("SOAP is not installed")
    whole = go_on(Fit(RECIPES[name], 3), eye, 30)
    parts = Fit(RECIPES[name], 3)
    for until in (1, 7, 8, 30):
        parts = go_on(parts, eye, until)
    assert (whole.step, whole.fitted, whole.error) == (30, parts.fitted, parts.error)
    for key, held in weights(whole).items():
        assert torch.equal(held, weights(parts)[key]), key


@pytest.mark.parametrize("name", RECIPES)
def test_the_code_of_a_recipe_makes_what_is_trained(eye: Eye, name: str) -> None:
    if "soap" in name and find_spec("pytorch_optimizer") is None:
        pytest.skip("SOAP is not installed")
    fit = go_on(Fit(RECIPES[name], 5), eye, 10)
    pasted: dict[str, Any] = {}
    torch.manual_seed(5)
    exec(RECIPES[name].code(), pasted)
    points = torch.tensor(eye.task.geometry.points, dtype=torch.float32)
    for _ in range(10):
        pasted["optimizer"].zero_grad()
        (pasted["network"](points)[:, 0] - torch.sin(12 * torch.pi * points[:, 0])).square().mean().backward()
        pasted["optimizer"].step()
    for key, held in pasted["network"].state_dict().items():
        torch.testing.assert_close(weights(fit)[key].reshape(held.shape), held, rtol=1e-3, atol=1e-5)


def test_seeds_differ_and_are_told_apart_by_nothing_else(eye: Eye) -> None:
    one, same, other = (go_on(Fit(SIREN, seed), eye, 5) for seed in (0, 0, 1))
    assert one.error == same.error != other.error


def test_it_is_fitted_where_two_looks_in_a_row_say_so(eye: Eye) -> None:
    seen = [(0.5, 0.5), (0.99, 0.1), (0.97, 0.2), (0.98, 0.1), (1.0, 0.1), (1.0, 0.1)]
    fit = go_on(Fit(SIREN, 0), Told(eye, *seen), 50)  # type: ignore[arg-type]
    assert (fit.reached, fit.step, fit.ended, fit.why, fit.state) == (4, 5, True, "", b"")
    assert 0.0 < fit.reached_seconds <= fit.seconds


@pytest.mark.parametrize("left", range(1, 6))
def test_where_it_was_left_is_no_matter_for_that(eye: Eye, left: int) -> None:
    told = Told(eye, (0.5, 0.5), (0.5, 0.5), (0.98, 0.1), (1.0, 0.1))
    fit = go_on(go_on(Fit(SIREN, 0), told, left), told, 50)  # type: ignore[arg-type]
    assert (fit.reached, fit.step) == (3, 4)


def test_looks_are_at_the_same_steps_wherever_it_was_left(eye: Eye) -> None:
    once, often = Told(eye), Told(eye)
    go_on(Fit(SIREN, 0), once, 60)  # type: ignore[arg-type]
    fit = Fit(SIREN, 0)
    for until in range(0, 61, 5):
        fit = go_on(fit, often, until)  # type: ignore[arg-type]
    assert once.steps == often.steps == len([step for step in _looks() if step <= 60])


def _looks() -> Iterator[int]:
    step = 0.0
    while step < 1_000:
        step = max(step + 1, round(step * 1.08))
        yield int(step)


def test_it_takes_the_time_it_has(eye: Eye) -> None:
    ticks = itertools.count()
    fit = go_on(Fit(SIREN, 0), eye, 10_000, seconds=50.0, clock=lambda: float(next(ticks)))
    assert 0 < fit.step < 50
    assert not fit.ended
    assert go_on(fit, eye, fit.step + 3).step == fit.step + 3


def test_what_diverges_says_when(eye: Eye) -> None:
    fit = go_on(Fit(Recipe("relu", optimizer="sgd", learning_rate=1e12), 0), eye, 100)
    assert fit.why.startswith("diverged by step ")
    assert (fit.fitted, fit.error, fit.reached) == (0.0, math.inf, math.inf)
    assert fit.ended


def test_what_raises_is_said_in_a_line(eye: Eye, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(recipe: Recipe, network: nn.Module) -> None:
        raise MemoryError("no room for 9 GB\nat address 7")

    monkeypatch.setattr(fitting, "make_optimizer", fails)
    fit = go_on(Fit(SIREN, 0), eye, 5)
    assert (fit.why, fit.ended) == ("it raised MemoryError: no room for 9 GB", True)


def test_generators_and_threads_are_left_as_they_were(eye: Eye, seeded: int) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    with torch.no_grad():
        fit = go_on(Fit(SIREN, 0), eye, 3)
    assert fit.step == 3
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_several_outputs_are_fitted_together() -> None:
    def both(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([torch.sin(9 * x[:, 0]), 3 + torch.cos(9 * x[:, 0])], dim=1)

    eye = Eye(Task.of(Probe.grid([(0.0, 1.0)], both, resolution=64, output="norm")))
    fit = go_on(Fit(Recipe("siren", out_features=2, width=32, omega_0=9.0, learning_rate=2e-3), 0), eye, 2_000)
    assert fit.reached < 2_000
    exact = nn.Module()
    exact.forward = both  # type: ignore[method-assign]
    fitted, error = eye.look(exact)
    assert fitted == 1.0
    assert error == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(fit.error)
