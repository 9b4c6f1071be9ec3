"""Neptune: series of files and of texts, in the client 1.x and in neptune-scale, its successor."""

from __future__ import annotations

from lightning_seqfit.figures import Image, as_png
from lightning_seqfit.watch.sinks.any_logger import AnyLogger


class Neptune(AnyLogger):
    """``NeptuneLogger`` of Lightning up to 2.6.1, or any logger whose ``experiment`` is a run of Neptune's."""

    takes_pictures = True

    def log_picture(self, tag: str, image: Image, step: int) -> None:
        """Append a PNG to the series of the tag: an array's brightness would be guessed at."""
        run = self.logger.experiment
        if hasattr(run, "log_files"):  # neptune-scale
            run.log_files({tag: as_png(image)}, step=step)
        else:
            from neptune.types import File

            run[tag].append(File.from_content(as_png(image), extension="png"), step=step)

    def log_text(self, tag: str, text: str, step: int) -> None:
        """Append a text to the series of the tag."""
        run = self.logger.experiment
        if hasattr(run, "log_string_series"):  # neptune-scale
            run.log_string_series({tag: text}, step=step)
        else:
            run[tag].append(text, step=step)
