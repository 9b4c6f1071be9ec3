"""Recorded arrays to pictures: Matplotlib figures, without pyplot but for notebooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL.Image import fromarray

from lightning_seqfit.figures.draw import draw_panel as draw_panel
from lightning_seqfit.figures.draw import draw_view as draw_view
from lightning_seqfit.figures.texts import printable
from lightning_seqfit.views import pictures

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

Image = NDArray[np.uint8]


def draw(run: Run) -> dict[str, Figure]:
    """Every figure that a record has the arrays for, by the name it gets as tag and file."""
    drawn = {name: draw_view(view) for name, view in pictures(run).items()}
    run = _in_print(run)
    figures: dict[str, Callable[[Run], Figure]] = {}
    for diagnostic in run.diagnostics:
        if not diagnostic.section or run.sections.get(diagnostic.section) is not None:
            figures |= diagnostic.figures(run)
    return drawn | {name: make(run) for name, make in figures.items()}


def _in_print(run: Run) -> Run:
    """Return the run with words that can be drawn: the quantity is what a user may write freely."""
    fine = None if run.fine is None else _in_print(run.fine)
    return replace(run, quantity=printable(run.quantity), fine=fine)


def as_image(figure: Figure) -> Image:
    """Pixels, shape ``(height, width, 3)``."""
    canvas: Any = figure.canvas  # that of a figure of ours knows the sizes of the texts that were measured on it
    if not isinstance(canvas, FigureCanvasAgg):
        canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def as_png(image: Image) -> bytes:
    """Pixels as PNG, packed fast: a fifth larger than as small as can be, in half of the time."""
    packed = BytesIO()
    fromarray(image).save(packed, "PNG", compress_level=1)
    return packed.getvalue()


def save(image: Image, path: Path) -> None:
    """Write pixels as PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(as_png(image))
