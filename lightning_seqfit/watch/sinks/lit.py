"""LitLogger: series of files, as its scalars are series of numbers."""

from __future__ import annotations

from lightning_seqfit.figures import Image
from lightning_seqfit.watch.sinks.any_logger import AnyLogger


class Lit(AnyLogger):
    """Lightning's ``LitLogger``, or any logger whose ``experiment`` is one of litlogger's."""

    takes_pictures = True

    def log_picture(self, tag: str, image: Image, step: int) -> None:
        """Append a picture to the series of the tag."""
        import litlogger

        self.logger.experiment[tag].append(litlogger.Image(image), step=step)

    def log_text(self, tag: str, text: str, step: int) -> None:
        """Append a text to the series of the tag."""
        import litlogger

        self.logger.experiment[tag].append(litlogger.Text(text), step=step)
