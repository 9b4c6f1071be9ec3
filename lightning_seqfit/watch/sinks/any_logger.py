"""A logger of which nothing is known but the names of its methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_seqfit.figures import Image
from lightning_seqfit.watch.sinks.base import Overview


class AnyLogger:
    """Asks a logger, or a writer as TensorBoard's that is its ``experiment``.

    Scalars go to ``log_metrics(metrics, step)``, which every logger has; pictures and texts to
    ``log_image(key, images, step)`` and ``log_text(key, texts, step)``, as those of W&B and SwanLab.
    """

    def __init__(self, logger: Any) -> None:
        self.logger = logger

    @property
    def takes_pictures(self) -> bool:
        """Whether the logger or its writer has a method for them."""
        return hasattr(self.logger, "log_image") or self._writes("image")

    def log_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log values by tag."""
        self.logger.log_metrics(dict(values), step=step)

    def log_picture(self, tag: str, image: Image, step: int) -> None:
        """Show a picture."""
        if hasattr(self.logger, "log_image"):
            self.logger.log_image(key=tag, images=[image], step=step)
        else:
            self.logger.experiment.add_image(tag, image, step, dataformats="HWC")

    def log_text(self, tag: str, text: str, step: int) -> None:
        """Show a text, if there is a method for it."""
        if hasattr(self.logger, "log_text"):
            self.logger.log_text(key=tag, texts=[text], step=step)
        elif self._writes("text"):
            self.logger.experiment.add_text(tag, text, step)

    def show_overview(self, overview: Overview, step: int) -> None:
        """Nothing: few loggers are told how to show what they have."""

    def log_mark(self, tag: str, value: float, step: int) -> None:
        """Nothing."""

    def end(self, *, finished: bool) -> None:
        """Nothing."""

    def log_report(self, tag: str, page: str, step: int) -> None:
        """Nothing: the page lies beside the record."""

    def _writes(self, what: str) -> bool:
        return hasattr(getattr(self.logger, "experiment", None), f"add_{what}")
