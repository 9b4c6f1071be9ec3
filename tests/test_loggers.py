"""Scalars and pictures arrive in the loggers as they would by ``log_metrics``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_seqfit.loggers import log_scalars

SCALARS = {"seqfit/front/fitted": 0.25, "seqfit/error/max": 1e-7, "seqfit/oscillations/target": 13.0}


def read(folder: str) -> dict[str, list[tuple[int, float]]]:
    events = EventAccumulator(folder)
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_reads_the_same_as_from_log_metrics(tmp_path: Path) -> None:
    ours, theirs = (TensorBoardLogger(tmp_path, name=name) for name in ("ours", "theirs"))
    for step in (0, 7):
        log_scalars(ours, SCALARS, step)
        theirs.log_metrics(SCALARS, step=step)
    for logger in (ours, theirs):
        logger.finalize("success")
    assert read(ours.log_dir) == read(theirs.log_dir)
    assert read(ours.log_dir)["seqfit/front/fitted"] == [(0, 0.25), (7, 0.25)]


class Renaming(TensorBoardLogger):
    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        super().log_metrics({f"mine/{tag}": value for tag, value in metrics.items()}, step)


@pytest.mark.parametrize("kind", ["subclass", "prefix"])
def test_a_tensorboard_logger_that_does_more_is_asked_by_log_metrics(kind: str, tmp_path: Path) -> None:
    logger = Renaming(tmp_path) if kind == "subclass" else TensorBoardLogger(tmp_path, prefix="mine")
    log_scalars(logger, {"seqfit/front/fitted": 0.5}, 3)
    logger.finalize("success")
    (tag,) = [tag for tag in read(logger.log_dir) if "fitted" in tag]
    assert tag.startswith("mine")


def test_other_loggers_are_asked_by_log_metrics(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path)
    log_scalars(logger, SCALARS, 5)
    assert logger.experiment.metrics == [{**SCALARS, "step": 5}]
