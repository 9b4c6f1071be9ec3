"""Comet: pictures under their tag; a text has no name, so its tag stands in its metadata."""

from __future__ import annotations

from lightning_seqfit.figures import Image
from lightning_seqfit.watch.sinks.any_logger import AnyLogger


class Comet(AnyLogger):
    """Lightning's ``CometLogger``, or any logger whose ``experiment`` is Comet's."""

    takes_pictures = True

    def log_picture(self, tag: str, image: Image, step: int) -> None:
        """Show a picture in the tab of graphics."""
        self.logger.experiment.log_image(image, name=tag, step=step)

    def log_text(self, tag: str, text: str, step: int) -> None:
        """Show a text in the tab of texts."""
        self.logger.experiment.log_text(text, step=step, metadata={"tag": tag})
