"""Trainers in several threads of one process, as ``n_jobs`` of a sweep starts them."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import lightning as L
import numpy as np
import pytest
import torch

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import TanhRegression, sine
from tests.training import trainer

WIDTHS = (8, 12, 16, 24)


def modules() -> list[TanhRegression]:
    torch.manual_seed(0)
    return [TanhRegression(width=width) for width in WIDTHS]


class Together(L.Callback):
    """Starts when another training starts as well."""

    def __init__(self, barrier: Barrier) -> None:
        self.barrier = barrier

    def on_train_start(self, *args: object) -> None:
        self.barrier.wait(timeout=60)


def test_trainings_in_two_threads_are_what_they_are_one_after_the_other(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    def train(number: int, module: TanhRegression, how: str, *callbacks: L.Callback) -> None:
        watched = [] if how == "bare" else [SequentialFitting(Probe.grid([(0.0, 1.0)], sine))]
        trainer(tmp_path / how / str(number), [*watched, *callbacks], logger=False, max_steps=120).fit(module)

    bare, one_by_one, at_once = modules(), modules(), modules()
    for number in range(len(WIDTHS)):
        train(number, bare[number], "bare")
        train(number, one_by_one[number], "one by one")
    torch.manual_seed(1)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate(), np.geterr()
    functions = np.random.normal, random.random, torch.manual_seed
    barrier = Barrier(2)
    with ThreadPoolExecutor(2) as threads:
        jobs = [
            threads.submit(train, number, at_once[number], "at once", Together(barrier))
            for number in range(len(WIDTHS))
        ]
        for job in jobs:
            job.result(timeout=120)

    assert (np.random.get_state()[1].tolist(), random.getstate(), np.geterr()) == before[1:]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.normal, random.random, torch.manual_seed) == functions
    for number in range(len(WIDTHS)):
        for three in zip(*(each[number].parameters() for each in (bare, one_by_one, at_once)), strict=True):
            assert torch.equal(three[0], three[1])
            assert torch.equal(three[0], three[2])
        first, second = load(tmp_path / "one by one" / str(number)), load(tmp_path / "at once" / str(number))
        assert first.notes == second.notes
        assert np.array_equal(first.prediction, second.prediction)
        for tag in first.scalars:
            if not tag.startswith("observer/"):
                assert np.array_equal(first.scalars[tag], second.scalars[tag], equal_nan=True), tag
    assert not [warning for warning in recwarn if str(warning.message).startswith("seqfit")]
