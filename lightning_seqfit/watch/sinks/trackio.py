"""Trackio: pictures and texts are values like the scalars, in its own types."""

from __future__ import annotations

from typing import Any

from lightning_seqfit.figures import Image
from lightning_seqfit.watch.sinks.any_logger import AnyLogger


class Trackio(AnyLogger):
    """A ``TrackioLogger``, or any logger whose ``experiment`` is a run of Trackio's.

    Neither Lightning nor Trackio has one: users write their own. Without an ``experiment`` it is the run that
    ``trackio.init`` began last.
    """

    takes_pictures = True

    def log_picture(self, tag: str, image: Image, step: int) -> None:
        """Show a picture among the run's media."""
        import trackio

        self._log({tag: trackio.Image(image)}, step)

    def log_text(self, tag: str, text: str, step: int) -> None:
        """Show a text among the run's reports."""
        import trackio

        self._log({tag: trackio.Markdown(text)}, step)

    def _log(self, values: dict[str, Any], step: int) -> None:
        import trackio

        (getattr(self.logger, "experiment", None) or trackio).log(values, step=step)
