"""TensorBoard: a look is one event; pictures and texts go to its writer."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from lightning_seqfit.watch.sinks.any_logger import AnyLogger


class TensorBoard(AnyLogger):
    """Lightning's ``TensorBoardLogger``."""

    def log_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log values as one event, which is what the writer makes of each by itself.

        Checksums in Python and a queue of ten would cost as much as the whole look.
        """
        writer = self._plain_writer()
        if writer is None:
            super().log_scalars(values, step)
            return
        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])
        writer._get_file_writer().add_summary(summary, step)  # type: ignore[no-untyped-call]

    def _plain_writer(self) -> SummaryWriter | None:
        """Torch's writer, if the logger would do nothing but hand each scalar to it."""
        logger = self.logger
        names = ("lightning.fabric.loggers.tensorboard", "lightning_fabric.loggers.tensorboard")  # one code, twice
        plain = [sys.modules[name].TensorBoardLogger.log_metrics for name in names if name in sys.modules]
        if getattr(type(logger), "log_metrics", None) not in plain or logger._prefix or "log_metrics" in vars(logger):
            return None
        writer = logger.experiment
        return writer if type(writer) is SummaryWriter else None
