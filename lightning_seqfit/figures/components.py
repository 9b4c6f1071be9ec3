"""All outputs of a probe with several, small, above the figure of the one that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from lightning_seqfit.figures import parts
from lightning_seqfit.figures.parts import MODEL, TARGET

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

# Inches: the most that a panel is wide, and what lies around the panels.
_WIDEST, _ABOVE, _SIDE, _GAP = 1.3, 0.3, 0.5, 0.08


def add_lines(figure: Figure, run: Run) -> None:
    """Add a panel for each output: its target, and the prediction over it."""
    seen = run.components
    if seen is None:
        return
    (panels,) = _strip(figure, len(seen.numbers), [""], 0.9)
    position = run.points[:, 0]
    for axes, number, target, prediction in zip(panels, seen.numbers, seen.target, seen.prediction, strict=True):
        axes.plot(position, parts.finite(prediction.astype(np.float64)), color=MODEL, linewidth=1.6, alpha=0.8)
        axes.plot(position, target, color=TARGET, linewidth=0.7)
        low, high = float(target.min()), float(target.max())
        room = 0.25 * (high - low) or 1.0
        axes.set(xlim=run.bounds[0], ylim=(low - room, high + room))
        _name(axes, run, number)


def add_pictures(figure: Figure, run: Run, height: float) -> NDArray[Any]:
    """Add panels in two rows, targets and predictions, of a height over their width; of an image its colours as well.

    Returns
    -------
    Axes, shape ``(2, k)``, or ``(2, k + 1)`` where three outputs are colours: targets from 0 to 1.
    """
    seen = run.components
    assert seen is not None
    colours = len(seen.target) == 3 and bool(seen.target.min() >= 0.0 and seen.target.max() <= 1.0)
    panels = _strip(figure, len(seen.numbers) + colours, ["target", "prediction"], height)
    for axes, number in zip(panels[0], seen.numbers, strict=False):
        _name(axes, run, number)
    if colours:
        parts.entitle(panels[0][-1], "colours", 9)
    return np.array(panels, dtype=object)


def _name(axes: Axes, run: Run, number: int) -> None:
    """Say which output a panel shows, and mark the one that is looked at."""
    parts.entitle(axes, f"output {number}", 9)
    if number == run.output:
        axes.spines[:].set_linewidth(2.0)


def _strip(figure: Figure, count: int, names: list[str], height: float) -> list[list[Axes]]:
    """Make room above all that a figure has, for rows of so many panels of a height over their width."""
    paper, below = figure.get_size_inches()
    width = min(_WIDEST, (paper - _SIDE) / count - _GAP)
    taken = len(names) * (width * height + _GAP) + _ABOVE
    whole, share = below + taken, below / (below + taken)
    for axes in figure.axes:
        box = axes.get_position()
        axes.set_position((box.x0, share * box.y0, box.width, share * box.height))
    for text in figure.texts:  # numbers of axes follow them, a title of the whole figure does not
        if text.get_transform() == figure.transFigure:
            text.set_y(share * text.get_position()[1])
    figure.set_size_inches(paper, whole)
    rows = []
    for row, name in enumerate(names):
        bottom = whole - _ABOVE - (row + 1) * (width * height + _GAP) + _GAP
        rows.append(
            [
                figure.add_axes(
                    (
                        (_SIDE + column * (width + _GAP)) / paper,
                        bottom / whole,
                        width / paper,
                        width * height / whole,
                    ),
                    xticks=[],
                    yticks=[],
                )
                for column in range(count)
            ]
        )
        rows[-1][0].set_ylabel(name, fontsize=9)
    return rows
