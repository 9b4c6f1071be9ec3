"""How scalars and pictures reach a logger."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from lightning_seqfit.figures import Image


def log_scalars(logger: Any, scalars: Mapping[str, float], step: int) -> None:
    """Log one look's scalars by ``log_metrics``.

    TensorBoard gets them as one event, which is what its writer makes of each scalar by itself: checksums in Python and
    a queue of ten would cost as much as the whole look.
    """
    writer = _plain_writer(logger)
    if writer is None:
        logger.log_metrics(dict(scalars), step=step)
        return
    values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
    writer._get_file_writer().add_summary(Summary(value=values), step)  # type: ignore[no-untyped-call]


def _plain_writer(logger: Any) -> SummaryWriter | None:
    """Torch's writer, if the logger would do nothing but hand each scalar to it."""
    names = ("lightning.fabric.loggers.tensorboard", "lightning_fabric.loggers.tensorboard")  # one code, two packages
    plain = [sys.modules[name].TensorBoardLogger.log_metrics for name in names if name in sys.modules]
    if getattr(type(logger), "log_metrics", None) not in plain or logger._prefix or "log_metrics" in logger.__dict__:
        return None
    writer = logger.experiment
    return writer if type(writer) is SummaryWriter else None


def takes_images(logger: Any) -> bool:
    """Whether a logger can show a picture: TensorBoard's writers, and loggers with ``log_image``."""
    return hasattr(logger, "log_image") or hasattr(getattr(logger, "experiment", None), "add_image")


def log_image(logger: Any, tag: str, image: Image, step: int) -> None:
    """Show a picture, shape ``(height, width, 3)``, in a logger that takes it."""
    if hasattr(logger, "log_image"):
        logger.log_image(key=tag, images=[image], step=step)
    else:
        logger.experiment.add_image(tag, image, step, dataformats="HWC")
