"""What the watch asks of a logger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from lightning_seqfit.figures import Image


@dataclass(frozen=True)
class Overview:
    """How a logger may show a probe's curves together.

    Attributes
    ----------
    title : of the whole, such as ``"seqfit/left"``.
    charts : by title, regular expressions that match the tags of the curves, and no others.
    compared : tags of the figures by which runs are compared, and what they are called there.
    """

    title: str
    charts: Mapping[str, tuple[str, ...]]
    compared: Mapping[str, str]


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

    def show_overview(self, overview: Overview, step: int) -> None:
        """Lay the curves out in charts, in place of what was said of the probe before; nothing where none can be."""
        ...

    def log_mark(self, tag: str, value: float, step: int) -> None:
        """Log a value that is there only to be seen in an overview; nothing where there is none."""
        ...

    def end(self, *, finished: bool) -> None:
        """Log by what runs are compared, where a logger does that by itself."""
        ...

    def log_report(self, tag: str, page: str, step: int) -> None:
        """Keep a page in HTML; nothing happens where the logger shows none."""
        ...
