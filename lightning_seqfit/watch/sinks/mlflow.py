"""MLflow: pictures by key and step, a text as an artifact that the next one replaces."""

from __future__ import annotations

import re

from lightning_seqfit.figures import Image
from lightning_seqfit.watch.sinks.any_logger import AnyLogger


class MLflow(AnyLogger):
    """Lightning's ``MLFlowLogger``: its ``experiment`` is a client for every run, its ``run_id`` says which."""

    takes_pictures = True

    def log_picture(self, tag: str, image: Image, step: int) -> None:
        """Show a picture with a slider over the steps."""
        self.logger.experiment.log_image(self.logger.run_id, image, key=_allowed(tag), step=step)

    def log_text(self, tag: str, text: str, step: int) -> None:
        """Write ``<tag>.md``: MLflow has no texts by step."""
        self.logger.experiment.log_text(self.logger.run_id, text, f"{_allowed(tag)}.md")

    def log_report(self, tag: str, page: str, step: int) -> None:
        """Keep ``<tag>.html`` among the artifacts, where MLflow shows it."""
        self.logger.experiment.log_text(self.logger.run_id, page, f"{_allowed(tag)}.html")


def _allowed(tag: str) -> str:
    """Leave out what a key must not have, as Lightning does for metrics."""
    return re.sub("[^a-zA-Z0-9_/. -]+", "", tag)
