"""What is tried: the stand-in behaves as a record says that the run's own network does, and each change is one."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_seqfit import Probe
from lightning_seqfit.planning import Recipe
from lightning_seqfit.record import Architecture
from lightning_seqfit.trials import candidates as module
from lightning_seqfit.trials.candidates import candidates, stand_in
from lightning_seqfit.trials.task import Task

TANH = Architecture(1, 1, width=50, depth=3, activation="tanh", optimizer="adam", learning_rate=2e-3)


def wave(x: Tensor) -> Tensor:
    return torch.sin(12 * torch.pi * x[:, 0])


def years(x: Tensor) -> Tensor:
    return 350 + 30 * torch.sin(x[:, 0])


UNIT = Task.of(Probe.grid([(0.0, 1.0)], wave, resolution=128))
YEARS = Task.of(Probe.grid([(1958.0, 2002.0)], years, resolution=512))


def run(
    network: Architecture | None,
    task: Task = UNIT,
    *,
    lengths: tuple[float, ...] | None = None,
    bound: float | None = None,
    first: Any = 0.1,
) -> Any:
    """What the stand-in reads of a record."""
    box = np.array(task.geometry.bounds)
    seen = tuple(np.ptp(box, axis=1)) if lengths is None else lengths
    situation = SimpleNamespace(lengths=seen, bound=float(np.abs(box).max()) if bound is None else bound)
    return SimpleNamespace(
        network=network,
        axes=task.geometry.axes,
        bounds=task.geometry.bounds,
        stall=SimpleNamespace(situation=situation),
        steps=np.array([0, 100]),
        total_steps=np.array([0, 100]),
        prediction=np.stack([np.full(len(task.values), first), task.values[:, 0]]).astype(np.float32),
    )


def test_sizes_activation_and_optimizer_are_the_records() -> None:
    recipe, notes = stand_in(UNIT, run(TANH))
    assert recipe == Recipe("tanh", 1, 1, 50, 3, optimizer="adam", learning_rate=2e-3)
    assert notes == []
    gelu, _ = stand_in(UNIT, run(replace(TANH, activation="gelu", optimizer="adamw")), width=9, depth=1)
    assert (gelu.network, gelu.optimizer, gelu.width, gelu.depth) == ("gelu", "adam", 9, 1)
    sine, _ = stand_in(UNIT, run(replace(TANH, activation="sine", omega_0=7.0)))
    assert (sine.network, sine.omega_0) == ("siren", 7.0)


def test_without_a_record_it_is_a_tanh_network_with_adam() -> None:
    assert stand_in(UNIT) == (Recipe("tanh", 1, 1, 64, 2, learning_rate=5e-3), [])
    recipe, notes = stand_in(UNIT, run(None))
    assert recipe.width == 64
    assert "does not know its network" in notes[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"activation": ""}, "activation is not recorded"),
        ({"optimizer": "lbfgs"}, "its optimizer, lbfgs"),
        ({"in_features": 64}, "its first layer takes 64 numbers"),
        ({"width": 40_960, "depth": 12}, "its width of 40,960 and depth of 12 are reduced to 640 and 8"),
    ],
)
def test_what_the_stand_in_cannot_be_is_said(changes: dict[str, Any], said: str) -> None:
    _, notes = stand_in(UNIT, run(replace(TANH, **changes)))
    assert [said in note for note in notes] == [True]


@pytest.mark.parametrize(
    ("lengths", "bound", "box"),
    [
        ((44.0,), 2002.0, None),
        ((2.0,), 1.0, (1958.0, 2002.0)),
        ((1.0,), 0.5, (1936.0, 2024.0)),
        ((1.0,), 1.0, (1914.0, 2002.0)),
    ],
)
def test_points_reach_it_as_they_reach_the_runs_own(
    lengths: tuple[float, ...], bound: float, box: tuple[float, float] | None
) -> None:
    recipe, _ = stand_in(YEARS, run(TANH, YEARS, lengths=lengths, bound=bound))
    if box is None:
        assert recipe.bounds is None
        return
    assert recipe.bounds is not None
    ((low, high),) = recipe.bounds
    seen = 2 * (np.array([1958.0, 2002.0]) - low) / (high - low) - 1
    assert np.ptp(seen) == pytest.approx(lengths[0])
    assert np.abs(seen).max() == pytest.approx(bound)


@pytest.mark.parametrize(("first", "mapped"), [(0.2, False), (345.0, True), (352.0, True), (-0.4, False)])
def test_the_first_prediction_tells_whether_values_are_mapped(first: float, mapped: bool) -> None:
    recipe, _ = stand_in(YEARS, run(TANH, YEARS, first=first))
    assert (recipe.scale == YEARS.deviation) == mapped


def test_sgd_behind_standardised_values_takes_the_steps_that_it_takes_there() -> None:
    sgd = replace(TANH, optimizer="sgd", learning_rate=0.1)
    recipe, _ = stand_in(YEARS, run(sgd, YEARS, first=345.0))
    assert recipe.learning_rate == pytest.approx(0.1 / float(np.var(YEARS.values)))


def named(task: Task, own: Recipe, plan: Any = None) -> dict[str, module.Candidate]:
    return {each.name: each for each in candidates(task, own, plan)}


def test_each_candidate_is_one_change_of_the_stand_in() -> None:
    own = Recipe("tanh", 1, 1, 50, 2, learning_rate=5e-3)
    plan = UNIT.probe().plan()
    found = named(UNIT, own, plan)
    assert found["as it is"].recipe == own
    assert found["inputs to [-1, 1]"].recipe == replace(own, bounds=((0.0, 1.0),))
    assert found["width 128"].recipe == replace(own, width=128)
    omega_0 = float(f"{plan.recipe('siren').omega_0:.3g}")
    assert found[f"SIREN, omega_0 = {omega_0:g}"].recipe == plan.recipe("siren")
    shares = sorted(each.recipe.omega_0 / omega_0 for each in found.values() if each.name.startswith("SIREN"))
    assert shares == pytest.approx([0.5, 1.0, 2.0], rel=0.01)
    assert not any("Adam" in name for name in found)


@pytest.mark.parametrize("planned", [True, False])
def test_a_siren_has_the_rate_that_suits_its_omega_0(planned: bool) -> None:
    """0.08 / omega_0, at most 5e-3: a step of Adam turns a phase by about rate x omega_0."""
    tried = candidates(UNIT, Recipe(), UNIT.probe().plan() if planned else None)
    recipes = [each.recipe for each in tried if each.recipe is not None and each.recipe.network == "siren"]
    assert len(recipes) == 3
    assert min(each.omega_0 for each in recipes) < 16 < max(each.omega_0 for each in recipes)
    for each in recipes:
        assert each.learning_rate == pytest.approx(min(0.08 / each.omega_0, 5e-3), rel=0.05)
    assert all(each.change.get("learning_rate") == each.recipe.learning_rate for each in tried if "SIREN" in each.name)


@pytest.mark.parametrize(
    ("mean", "deviation"), [(0.0, 0.2), (0.0, 0.05), (0.0, 2.9), (0.0, 4.0), (0.5, 1.0), (2.0, 1.0)]
)
def test_values_are_standardised_where_the_plan_says_so(mean: float, deviation: float) -> None:
    task = Task.of(Probe.grid([(0.0, 1.0)], lambda x: mean + 2**0.5 * deviation * wave(x), resolution=128))
    planned = task.probe().plan().values.value == "standardised"
    assert any("values standardised" in name for name in named(task, Recipe())) == planned


def test_inputs_are_not_scaled_where_they_are() -> None:
    square = Task.of(Probe.grid([(-1.0, 1.0)], wave, resolution=128))
    assert not any("inputs" in name for name in named(square, Recipe()))
    assert not any("inputs" in name for name in named(UNIT, Recipe(bounds=((0.0, 1.0),))))


def test_values_far_from_standard_are_standardised_with_the_inputs() -> None:
    found = named(YEARS, Recipe())["inputs to [-1, 1], values standardised"]
    assert found.recipe == Recipe(bounds=((1958.0, 2002.0),), mean=YEARS.mean, scale=YEARS.deviation)
    assert found.change == {"inputs": "[-1, 1]", "targets": YEARS.deviation[0]}


@pytest.mark.parametrize("own", [Recipe(learning_rate=1e-5), Recipe(learning_rate=0.2), Recipe(optimizer="sgd")])
def test_where_the_rate_may_be_at_fault_adam_is_tried(own: Recipe) -> None:
    found = named(UNIT, own)["Adam, 0.005"]
    assert found.recipe == replace(own, optimizer="adam", learning_rate=5e-3)


def test_what_takes_seconds_for_a_step_is_not_tried_and_said() -> None:
    found = named(UNIT, Recipe(width=2_000, learning_rate=5e-3))
    assert found["as it is"].recipe is not None
    wider = found["width 4000"]
    assert (wider.recipe, wider.why) == (None, "too large to be tried: a step takes seconds on one core")


def test_soap_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    found = named(UNIT, Recipe())["SOAP"]
    assert found.recipe is None
    assert "pip install" in found.why


def test_without_a_plan_a_few_frequencies_are_tried_on_scaled_inputs() -> None:
    recipes = [each.recipe for each in candidates(YEARS, Recipe(), None) if "=" in each.name]
    assert len(recipes) == 5
    assert all(each is not None and each.bounds == ((1958.0, 2002.0),) for each in recipes)
    assert all(each is not None and each.scale == YEARS.deviation for each in recipes)
