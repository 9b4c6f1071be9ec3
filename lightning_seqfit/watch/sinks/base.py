"""What the watch asks of a logger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from lightning_seqfit.figures import Image


class Sink(Protocol):
    """Takes what one look has to show. What goes wrong in the logger's client is raised."""

    @property
    def takes_pictures(self) -> bool:
        """Whether the logger can show a picture; False: ``log_picture`` is not to be called."""
        ...

    def log_scalars(self, values: Mapping[str, float], step: int) -> None:
        """Log values by tag; ``step`` is on the axis of Lightning's own curves."""
        ...

    def log_picture(self, tag: str, image: Image, step: int) -> None:
        """Show a picture of unsigned bytes, shape (height, width, 3)."""
        ...

    def log_text(self, tag: str, text: str, step: int) -> None:
        """Show a text in Markdown; nothing happens where the logger shows none."""
        ...
