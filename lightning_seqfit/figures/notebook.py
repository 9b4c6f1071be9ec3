"""A view on axes of pyplot, which a notebook shows by itself. Nothing else here knows pyplot: it keeps global state."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lightning_seqfit.figures.draw import draw_panel
from lightning_seqfit.figures.texts import printable
from lightning_seqfit.views import Panel, View

#: Inches: width of a panel that has none beside it, and of one that has; its height; and what is around a square one.
_ALONE, _BESIDE, _HIGH, _AROUND = 6.6, 3.4, 3.3, 1.3


def plot_view(view: View, ax: Any = None) -> Axes | NDArray[np.object_]:
    """Draw the panels of a view, each on axes of its own, with its last frame.

    Parameters
    ----------
    view : of one or several panels.
    ax : axes to draw on, as many as there are panels, in an array or a list if there are several; None: new ones.

    Returns
    -------
    Axes or ndarray
        The axes; of several panels an array of shape ``(panels,)``, row by row.

    Raises
    ------
    ValueError
        If other axes are given than there are panels.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from lightning_seqfit.views import Axis, Curve, Panel
    >>> line = Curve(np.arange(3.0), np.arange(3.0), "model", "prediction")
    >>> panel = Panel(Axis("x", 0.0, 2.0), Axis("u (V)", 0.0, 2.0), (line,))
    >>> axes = plot_view(View("2_fit", "Fit at step 8", "", ((panel,),)), Figure().add_subplot())
    >>> axes.get_title(), axes.get_ylabel()
    ('Fit at step 8', 'u (V)')
    """
    panels = view.panels
    axes = _new(view) if ax is None else np.atleast_1d(np.asarray(ax, dtype=object)).ravel().tolist()
    if len(axes) != len(panels) or not all(isinstance(each, Axes) for each in axes):
        kinds = ", ".join(type(each).__name__ for each in axes)
        raise ValueError(
            f"ax={kinds}, and {view.name} has {len(panels)} panel{'s' if len(panels) > 1 else ''}: give as many "
            "Matplotlib Axes, or none for new ones"
        )
    for each, panel in zip(axes, panels, strict=True):
        draw_panel(each, panel)
        if panel.square:
            each.set_aspect("equal")
        if len(panels) == 1 and not panel.title:
            each.set_title(printable(view.title))
    if len(panels) == 1:
        only: Axes = axes[0]
        return only
    several = np.empty(len(axes), dtype=object)
    several[:] = axes
    return several


def _new(view: View) -> list[Axes]:
    """Axes in rows on a figure of pyplot's, laid out so that no label covers another."""
    from matplotlib import pyplot

    width = max(_ALONE, _BESIDE * max(map(len, view.rows)))
    heights = [_height(row, width / len(row)) for row in view.rows]
    figure = pyplot.figure(figsize=(width, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    if len(view.panels) > 1:
        figure.suptitle(printable(view.title))
    return [
        figure.add_subplot(cells[0, column])
        for row, panels in enumerate(view.rows)
        for cells in [grid[row, 0].subgridspec(1, len(panels))]
        for column in range(len(panels))
    ]


def _height(row: tuple[Panel, ...], width: float) -> float:
    """Inches of a row of panels of a width: of one whose axes share a scale as much as that takes."""
    panel = row[0]
    if not panel.square:
        return _HIGH
    ratio = (panel.y.high - panel.y.low) / (panel.x.high - panel.x.low)
    return min(max((width - _AROUND) * ratio + _AROUND, 0.6 * _HIGH), 2 * _HIGH)
