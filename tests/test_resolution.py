"""The default resolution of a target callable: it rises to what the wavelengths ask for, and the record says so."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import SequentialFitting
from tests.training import Net as Trained
from tests.training import fit, trainer

MODULE = nn.Linear(1, 1).double()


def waves(*cycles: float, phase: float = 0.0) -> Callable[[Tensor], Tensor]:
    """A product of sines, with so many cycles on [0, 1] along each axis."""

    def target(x: Tensor) -> Tensor:
        values = torch.ones(len(x), dtype=x.dtype)
        for axis, number in enumerate(cycles):
            if number:
                values = values * torch.sin(2 * torch.pi * number * x[:, axis] + phase)
        return values

    return target


def probe(target: Any, axes: int = 1, **options: Any) -> Probe:
    return Probe.grid([(0.0, 1.0)] * axes, target, **options)


@pytest.mark.parametrize(
    ("cycles", "shape"),
    [
        ((13,), (512,)),
        ((51,), (512,)),
        ((64,), (640,)),
        ((200,), (2000,)),
        ((512,), (4096,)),  # eight cells each: there are no more by default
        ((9, 9), (96, 96)),
        ((12, 0), (128, 96)),
        ((5, 24), (96, 192)),
        ((3, 3, 3), (32, 32, 32)),
        ((3, 6, 4), (32, 48, 48)),
    ],
    ids=str,
)
def test_the_default_resolution_rises_to_ten_cells_a_wavelength_where_it_must_up_to_a_limit(
    cycles: tuple[float, ...], shape: tuple[int, ...]
) -> None:
    seen = probe(waves(*cycles), len(cycles))
    assert seen.geometry.shape == shape  # type: ignore[attr-defined]
    module = nn.Linear(len(cycles), 1)
    assert len(seen.read_target(module)[0]) == math.prod(shape)


def test_a_resolution_that_is_given_is_kept_or_refused() -> None:
    assert probe(waves(60), resolution=512).geometry.shape == (512,)  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"resolution=512 is too coarse .* use at least 1600 points"):
        probe(waves(200), resolution=512).read_target(MODULE)


@pytest.mark.parametrize(("cycles", "asked"), [((520,), 4160), ((0, 30), 240), ((7, 0, 0), 56)])
def test_what_even_the_highest_default_hides_is_refused_with_what_would_do(
    cycles: tuple[float, ...], asked: int
) -> None:
    seen = probe(waves(*cycles), len(cycles))
    with pytest.raises(ValueError, match=rf"is too coarse .* use at least {asked} points"):
        seen.read_target(nn.Linear(len(cycles), 1).double())


@settings(deadline=None, max_examples=60)
@given(
    cycles=st.one_of(st.integers(3, 64), st.floats(3, 64)),
    phase=st.floats(0, 6),
    shift=st.floats(0.01, 3.0),
)
def test_the_largest_error_of_a_model_of_shifted_phase_is_read_within_5_percent(
    cycles: float, phase: float, shift: float
) -> None:
    seen = probe(waves(cycles, phase=phase))
    target, _ = seen.read_target(MODULE)
    shifted = np.sin(2 * np.pi * cycles * seen.geometry.points[:, 0] + phase + shift)
    largest = 2 * math.sin(shift / 2)
    assert 0.95 * largest <= np.max(np.abs(shifted - target)) <= largest + 1e-9


@settings(deadline=None, max_examples=40)
@given(cycles=st.floats(3, 500), low=st.floats(-1e3, 1e3), length=st.floats(0.01, 1e3), ends=st.booleans())
def test_the_resolution_that_a_default_rises_to_is_accepted(
    cycles: float, low: float, length: float, ends: bool
) -> None:
    def target(x: Tensor) -> Tensor:
        return torch.sin(2 * torch.pi * cycles * (x[:, 0] - low) / length)

    seen = Probe.grid([(low, low + length)], target, ends=ends)
    target_values, trend = seen.read_target(MODULE)
    assert 512 <= len(target_values) <= 4096
    assert trend.wavelength[0] == pytest.approx(length / cycles, rel=0.2)


def test_a_target_that_is_smooth_or_no_callable_keeps_the_default() -> None:
    assert probe(lambda x: x[:, 0] ** 3).geometry.shape == (512,)  # type: ignore[attr-defined]
    assert probe(0.0).geometry.shape == (512,)  # type: ignore[attr-defined]
    assert probe(np.sin(400 * np.arange(512))).geometry.shape == (512,)  # type: ignore[attr-defined]


def test_a_target_is_asked_in_float64_and_where_it_takes_none_in_float32() -> None:
    teacher = nn.Sequential(nn.Linear(1, 1), nn.Flatten(0))
    seen: list[torch.dtype] = []

    def target(x: Tensor) -> Tensor:
        seen.append(x.dtype)
        return torch.sin(200 * torch.pi * x[:, 0]) + 0 * teacher(x)

    assert probe(target).geometry.shape == (1008,)  # type: ignore[attr-defined]
    assert seen == [torch.float64, torch.float32]


def test_a_target_that_cannot_be_asked_yet_is_asked_when_the_module_comes() -> None:
    table: dict[str, float] = {}

    def target(x: Tensor) -> Tensor:
        return torch.sin(table["rate"] * x[:, 0])

    early = probe(target)
    early.observe(MODULE, np.zeros(512))
    assert early.geometry.shape == (512,)  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match=r"target raised KeyError: 'rate'"):
        early.read_target(MODULE)
    table["rate"] = 200 * math.pi
    target_values, _ = early.read_target(MODULE)
    assert early.geometry.shape == (1008,)  # type: ignore[attr-defined]
    assert len(early.observe(MODULE, target_values).prediction) == 1008


def test_choosing_a_resolution_leaves_the_generators() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    probe(lambda x: torch.sin(9 * x[:, 0]) + 0.01 * torch.randn(len(x)))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_choosing_a_resolution_takes_less_than_a_tenth_of_a_second(axes: int) -> None:
    target = waves(*[4] * axes)
    probe(target, axes)  # what is imported at the first evaluation
    taken = []
    for _ in range(5):
        begun = time.process_time()
        probe(target, axes)
        taken.append(time.process_time() - begun)
    assert min(taken) < 0.1


def test_the_record_says_that_the_resolution_rose_and_nobody_is_warned(tmp_path: Path) -> None:
    from lightning_seqfit import load

    seen = probe(lambda x: torch.sin(200 * torch.pi * x[:, 0]))
    trains = trainer(tmp_path, [SequentialFitting(seen)], max_steps=3)
    fit(trains, Trained())
    run = load(tmp_path)
    (note,) = (note for note in run.notes if "cells along axis x" in note)
    assert note.startswith("points: 1008 cells along axis x instead of 512")
    assert "resolution=" in note
    assert run.points.shape == (1008, 1)
