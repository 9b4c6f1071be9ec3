"""Scalars arrive in TensorBoard as they would by ``log_metrics``, pictures and texts as its writer writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.image import imread
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_seqfit.watch.sinks import sink_for

SCALARS = {"seqfit/front/fitted": 0.25, "seqfit/error/max": 1e-7, "seqfit/oscillations/target": 13.0}


def events(folder: str) -> EventAccumulator:
    return EventAccumulator(folder).Reload()


def read(folder: str) -> dict[str, list[tuple[int, float]]]:
    there = events(folder)
    return {tag: [(e.step, e.value) for e in there.Scalars(tag)] for tag in there.Tags()["scalars"]}


def test_tensorboard_reads_the_same_as_from_log_metrics(tmp_path: Path) -> None:
    ours, theirs = (TensorBoardLogger(tmp_path, name=name) for name in ("ours", "theirs"))
    for step in (0, 7):
        sink_for(ours).log_scalars(SCALARS, step)
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
    sink_for(logger).log_scalars({"seqfit/front/fitted": 0.5}, 3)
    logger.finalize("success")
    (tag,) = [tag for tag in read(logger.log_dir) if "fitted" in tag]
    assert tag.startswith("mine")


def test_tensorboard_has_the_picture_and_the_text(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    logger = TensorBoardLogger(tmp_path)
    sink = sink_for(logger)
    assert sink.takes_pictures
    sink.log_picture("seqfit/fit", picture, 7)
    sink.log_text("seqfit/verdict", "**stuck**", 8)
    logger.finalize("success")
    there = events(logger.log_dir)
    (image,) = there.Images("seqfit/fit")
    (tmp_path / "read.png").write_bytes(image.encoded_image_string)
    assert image.step == 7
    np.testing.assert_array_equal(np.rint(255 * imread(tmp_path / "read.png")), picture)
    (text,) = there.Tensors("seqfit/verdict/text_summary")
    assert (text.step, text.tensor_proto.string_val) == (8, [b"**stuck**"])
