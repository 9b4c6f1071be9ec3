"""A view on axes of pyplot, as a notebook shows them, or on given ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lightning_seqfit.figures.draw import HEIGHT, WIDTH, draw_panel
from lightning_seqfit.figures.texts import printable
from lightning_seqfit.views import View


def plot_view(view: View, ax: Axes | Sequence[Axes] | NDArray[Any] | None = None) -> Any:
    """Draw a view, of one that moves the last frame.

    Parameters
    ----------
    ax : axes to draw on, of a view of several panels as many; None: new ones, of pyplot.

    Returns
    -------
    matplotlib.axes.Axes, or an array of them
        An array where there are several panels, row by row.

    Raises
    ------
    ValueError
        If there are more or fewer axes than panels.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from lightning_seqfit.views import Axis, Curve, Panel
    >>> line = Curve(np.arange(3.0), np.arange(3.0), "model", "prediction")
    >>> view = View("2_fit", "Fit", "", ((Panel(Axis("x", 0.0, 2.0), Axis("u (V)", 0.0, 2.0), (line,)),),))
    >>> axes = plot_view(view, Figure().add_subplot())
    >>> axes.get_ylabel(), len(axes.lines)
    ('u (V)', 1)
    """
    count = len(view.panels)
    axes = _new_axes(view) if ax is None else [*np.ravel(np.array(ax, dtype=object))]
    if len(axes) != count:
        raise ValueError(f"ax has {len(axes)} axes and {view.title!r} {count} panels: give {count}, or none")
    for one, panel in zip(axes, view.panels, strict=True):
        draw_panel(one, panel)
    if not axes[0].get_title():
        axes[0].set_title(printable(view.title))
    return axes[0] if count == 1 else np.array(axes, dtype=object)


def _new_axes(view: View) -> list[Any]:
    from matplotlib import pyplot as plt  # it chooses how to show figures, which is for those who ask for some

    across = max(map(len, view.rows))
    figure = plt.figure(figsize=(WIDTH * max(1.0, 0.6 * across), HEIGHT * len(view.rows)), layout="constrained")
    rows = len(view.rows)
    return [
        figure.add_subplot(rows, len(panels), row * len(panels) + column + 1)
        for row, panels in enumerate(view.rows)
        for column in range(len(panels))
    ]
