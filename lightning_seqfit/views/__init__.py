"""What there is to see of a run, as plain arrays with labels: made here once, drawn by Matplotlib and by the report.

A view knows neither Matplotlib nor a browser. It is made from a :class:`~lightning_seqfit.Run` alone.
"""

from lightning_seqfit.views.base import (
    Axis,
    Band,
    Curve,
    Field,
    Hatch,
    Item,
    Outline,
    Panel,
    Picture,
    Shade,
    View,
)
from lightning_seqfit.views.charts import charts
from lightning_seqfit.views.collect import moving, pictures

__all__ = [
    "Axis",
    "Band",
    "Curve",
    "Field",
    "Hatch",
    "Item",
    "Outline",
    "Panel",
    "Picture",
    "Shade",
    "View",
    "charts",
    "moving",
    "pictures",
]
