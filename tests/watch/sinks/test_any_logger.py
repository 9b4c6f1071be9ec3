"""A logger of which nothing is known is asked by the methods that it has."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch.loggers
import numpy as np
import pytest
import pytorch_lightning.loggers
from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.loggers.logger import DummyLogger
from torch.utils.tensorboard import SummaryWriter

from lightning_seqfit.watch.sinks import sink_for
from lightning_seqfit.watch.sinks.any_logger import AnyLogger

IMAGE = np.zeros((4, 5, 3), dtype=np.uint8)
SCALARS = {"seqfit/front/fitted": 0.25, "seqfit/error/max": 1e-7, "seqfit/oscillations/target": 13.0}


def test_a_file_of_scalars_is_the_same_byte_by_byte_and_has_nothing_else(tmp_path: Path) -> None:
    ours, theirs = (CSVLogger(tmp_path, name=name) for name in ("ours", "theirs"))
    sink = sink_for(ours)
    assert not sink.takes_pictures
    for step in (0, 5):
        sink.log_scalars(SCALARS, step)
        theirs.log_metrics(SCALARS, step=step)
    sink.log_text("seqfit/verdict", "**stuck**", 5)
    assert ours.experiment.metrics == [{**SCALARS, "step": step} for step in (0, 5)]
    for logger in (ours, theirs):
        logger.save()
    assert [path.name for path in Path(ours.log_dir).iterdir()] == ["metrics.csv"]
    assert (Path(ours.log_dir) / "metrics.csv").read_bytes() == (Path(theirs.log_dir) / "metrics.csv").read_bytes()


def test_a_writer_gets_height_width_and_colours_and_the_text() -> None:
    calls: list[Any] = []
    writer = SimpleNamespace(
        add_image=lambda *args, **kwargs: calls.append((args, kwargs)),
        add_text=lambda *args, **kwargs: calls.append((args, kwargs)),
    )
    sink = sink_for(SimpleNamespace(experiment=writer))
    assert sink.takes_pictures
    sink.log_picture("seqfit/fit", IMAGE, 7)
    sink.log_text("seqfit/verdict", "**stuck**", 7)
    ((tag, image, step), options), text = calls
    assert (tag, step, options) == ("seqfit/fit", 7, {"dataformats": "HWC"})
    assert image is IMAGE
    assert text == (("seqfit/verdict", "**stuck**", 7), {})


def test_the_writer_of_torch_takes_the_call(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    writer = SummaryWriter(str(tmp_path))
    sink_for(SimpleNamespace(experiment=writer)).log_picture("seqfit/fit", IMAGE, 7)
    writer.close()
    (image,) = EventAccumulator(str(tmp_path)).Reload().Images("seqfit/fit")
    assert (image.step, image.height, image.width) == (7, 4, 5)


class Gallery(Logger):
    """Shows media by the methods of SwanLab's logger, and has a writer that must not be asked."""

    name = version = "gallery"

    def __init__(self) -> None:
        super().__init__()
        self.media: list[Any] = []

    @property
    def experiment(self) -> Any:
        raise AssertionError("not needed")

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        self.media.append((metrics, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("not asked for")

    def log_image(self, key: str, images: list[Any], step: int | None = None) -> None:
        self.media.append((key, *images, step))

    def log_text(self, key: str, texts: list[Any], step: int | None = None) -> None:
        self.media.append((key, *texts, step))


def test_methods_of_the_logger_are_preferred() -> None:
    logger = Gallery()
    sink = sink_for(logger)
    assert sink.takes_pictures
    sink.log_picture("seqfit/fit", IMAGE, 7)
    sink.log_text("seqfit/verdict", "**stuck**", 7)
    assert logger.media == [("seqfit/fit", IMAGE, 7), ("seqfit/verdict", "**stuck**", 7)]
    assert logger.media[0][1] is IMAGE


@pytest.mark.parametrize(
    "logger", [SimpleNamespace(experiment=SimpleNamespace(log_metrics=print)), SimpleNamespace(), None]
)
def test_a_logger_without_pictures_is_not_asked(logger: Any) -> None:
    assert not sink_for(logger).takes_pictures


class Offline:
    """Has lost its experiment."""

    def __init__(self) -> None:
        self.rows: list[Any] = []

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        self.rows.append((metrics, step))

    @property
    def experiment(self) -> Any:
        raise ConnectionError("no network")


def test_a_logger_whose_experiment_raises_takes_scalars_and_says_so_when_asked_for_pictures() -> None:
    logger = Offline()
    sink = sink_for(logger)
    sink.log_scalars(SCALARS, 5)
    assert logger.rows == [(SCALARS, 5)]
    with pytest.raises(ConnectionError, match="no network"):
        _ = sink.takes_pictures


def test_the_logger_of_a_fast_run_takes_everything_and_keeps_nothing() -> None:
    logger = DummyLogger()
    sink = sink_for(logger)
    before = dict(vars(logger))
    sink.log_scalars(SCALARS, 0)
    sink.log_picture("seqfit/fit", IMAGE, 0)
    sink.log_text("seqfit/verdict", "**stuck**", 0)
    assert vars(logger) == before


@pytest.mark.parametrize("package", [lightning.pytorch.loggers, pytorch_lightning.loggers])
@pytest.mark.parametrize("derived", [False, True])
@pytest.mark.parametrize(
    ("name", "sink"),
    [
        ("CSVLogger", "AnyLogger"),
        ("CometLogger", "Comet"),
        ("MLFlowLogger", "MLflow"),
        ("TensorBoardLogger", "TensorBoard"),
        ("WandbLogger", "Wandb"),
    ],
)
def test_loggers_of_both_packages_and_what_derives_from_them_are_known(
    package: Any, derived: bool, name: str, sink: str
) -> None:
    kind = getattr(package, name)
    kind = type("Mine", (kind,), {}) if derived else kind
    found = sink_for(kind.__new__(kind))  # their __init__ asks for the client's package
    assert isinstance(found, AnyLogger)
    assert type(found).__name__ == sink
