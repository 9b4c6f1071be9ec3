"""Where the points lie: what every measure needs to know of them, and nothing of what is measured.

A measure is written once against :class:`Geometry`; :class:`Grid` is the grid of equal cells on a box, numbered in
C order, :class:`Laid` a part of one, also where points anywhere in a box were laid on it; :class:`Scattered` holds
points anywhere along one axis and :class:`Cloud` in more than three dimensions, numbered as they come. A *field* is one
float per point, shape ``(N,)``.
"""

from lightning_seqfit.geometry.base import (
    BOUNDARY,
    MOST_AXES,
    MOST_CELLS,
    BoolArray,
    Edge,
    FloatArray,
    Geometry,
    IntArray,
    faces_of_box,
)
from lightning_seqfit.geometry.cloud import Cloud
from lightning_seqfit.geometry.grid import Grid, cell_centres
from lightning_seqfit.geometry.laid import Laid
from lightning_seqfit.geometry.scattered import Scattered
from lightning_seqfit.geometry.series_power import MOST_CONDITION, MOST_FITTED

__all__ = [
    "BOUNDARY",
    "MOST_AXES",
    "MOST_CELLS",
    "MOST_CONDITION",
    "MOST_FITTED",
    "BoolArray",
    "Cloud",
    "Edge",
    "FloatArray",
    "Geometry",
    "Grid",
    "IntArray",
    "Laid",
    "Scattered",
    "cell_centres",
    "faces_of_box",
]
