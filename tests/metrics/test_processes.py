"""Two processes, each with some of the points, of which a sampler pads: the numbers are those of one process."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import distributed, multiprocessing
from torch.utils.data import DistributedSampler
from torchmetrics import MeanSquaredError, MetricCollection

from lightning_seqfit.metrics import FourierBandError
from lightning_seqfit.words import log

N = 1001
X = torch.linspace(0, 1, N)[:, None]
TARGET = torch.sin(10 * torch.pi * X) + torch.sin(60 * torch.pi * X)
PREDS = 0.9 * torch.sin(10 * torch.pi * X) + 0.1
#: It takes about 10 s; what takes longer hangs.
TIMEOUT = 120

Metrics = FourierBandError | MetricCollection


def padded(metric: Metrics, rank: int) -> None:
    """As Lightning has it: 501 points each, of which one comes twice."""
    rows = torch.tensor(list(DistributedSampler(X, num_replicas=2, rank=rank, shuffle=True)))
    assert len(rows) == 501
    for batch in rows.split(100):
        metric.update(PREDS[batch], TARGET[batch], points=X[batch])


def all_on_one(metric: Metrics, rank: int) -> None:
    if rank == 1:
        metric.update(PREDS, TARGET, points=X)


def too_few(metric: Metrics, rank: int) -> None:
    metric.update(PREDS[rank : rank + 1], TARGET[rank : rank + 1], points=X[rank : rank + 1])


def other_outputs(metric: Metrics, rank: int) -> None:
    metric.update(*(values.repeat(1, 1 + rank) for values in (PREDS, TARGET)), points=X)


def other_axes(metric: Metrics, rank: int) -> None:
    metric.update(PREDS, TARGET, points=X.repeat(1, 1 + 2 * rank))  # as many numbers as of two outputs more


CASES: dict[str, tuple[Callable[[], Metrics], Callable[[Any, int], None]]] = {
    "padded": (FourierBandError, padded),
    "on the host": (lambda: FourierBandError(compute_on_cpu=True), padded),
    "collection": (lambda: MetricCollection([MeanSquaredError(), FourierBandError()]), padded),
    "all on one": (FourierBandError, all_on_one),
    "too few": (FourierBandError, too_few),
    "other outputs": (FourierBandError, other_outputs),
    "other axes": (FourierBandError, other_axes),
}


def measure(rank: int, folder: str) -> None:
    """What one of the processes does."""
    torch.set_num_threads(1)
    log.setLevel("CRITICAL")  # of too few points it says so
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    found: dict[str, dict[str, Any]] = {}
    for case, (make, take) in CASES.items():
        metric = make()
        for _ in range(2):  # epochs
            metric.reset()
            take(metric, rank)
            found[case] = {tag: float(error) for tag, error in metric.compute().items()}
            if "other" in case:
                found[case]["absent"] = metric.absent
            take(metric, rank)  # what comes after it is added to what this process has
    distributed.destroy_process_group()
    Path(folder, f"{rank}.json").write_text(json.dumps(found), encoding="utf-8")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("processes")
    context = multiprocessing.spawn(measure, args=(str(folder),), nprocs=2, join=False)
    until = time.monotonic() + TIMEOUT
    while not context.join(timeout=1):
        if time.monotonic() < until:
            continue
        for process in context.processes:
            if process.is_alive():
                os.kill(process.pid, signal.SIGKILL)
        pytest.fail("two processes wait for each other")
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["padded", "on the host", "all on one", "collection"])
def test_both_processes_have_the_numbers_of_one(case: str, found: list[dict[str, dict[str, Any]]]) -> None:
    metric = FourierBandError()
    metric.update(PREDS, TARGET, X)
    alone = {tag: float(error) for tag, error in metric.compute().items()}
    assert len(alone) > 5
    for seen in found:
        errors = seen[case]
        if case == "collection":  # 0.1^2 / 2 + 1 / 2 + 0.1^2
            assert errors.pop("MeanSquaredError") == pytest.approx(0.515, abs=2e-3)
        assert errors == alone


@pytest.mark.slow
def test_what_is_absent_is_absent_on_both(found: list[dict[str, dict[str, Any]]]) -> None:
    assert [seen["too few"] for seen in found] == [{}, {}]


@pytest.mark.slow
def test_of_processes_with_other_data_nothing_is_told(found: list[dict[str, dict[str, Any]]]) -> None:
    for seen in found:
        assert list(seen["other outputs"]) == list(seen["other axes"]) == ["absent"]
        assert (
            "points have 1 axes and predictions 1 outputs in one part, 1 and 2 in another"
            in (seen["other outputs"]["absent"])
        )
        assert "in one part, 3 and 1 in another" in seen["other axes"]["absent"]
