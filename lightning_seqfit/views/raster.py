"""Recorded cells as rasters: those of a fit in the plane, of slices of one in space, of domains that are no boxes.

The first axis is to the right, the second one upwards; slices lie across the third one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.views.base import Axis, Field, Hatch, Item, Outline, Panel, Picture
from lightning_seqfit.words import significant

if TYPE_CHECKING:
    from lightning_seqfit.record import Run

#: The longer one of two axes that share a scale is at most this many times as long.
_ALIKE = 2.0
#: Of a domain's length: points that are as near along an axis lie in one column.
_SAME = 1e-9


@dataclass(frozen=True)
class Raster:
    """Where cells lie in a picture.

    Attributes
    ----------
    cells : their numbers, shape ``(rows, columns)``, rows from the bottom up; -1: outside the domain.
    x_edges, y_edges : of columns and rows.
    place : of a slice, such as ``"z = 0.5"``; empty: the fit is in the plane.
    """

    cells: NDArray[np.intp]
    x_edges: FloatArray
    y_edges: FloatArray
    place: str = ""

    @property
    def outside(self) -> BoolArray | None:
        """Cells outside the domain, shape ``(rows, columns)``; None: there are none."""
        found: BoolArray = self.cells < 0
        return found if found.any() else None

    def lay(self, values: NDArray[Any], outside: Any = np.nan) -> NDArray[Any]:
        """Lay values of shape ``(..., cells)`` out as ``(..., rows, columns)``."""
        return np.where(self.cells >= 0, values[..., self.cells], outside)

    def field(
        self,
        values: NDArray[Any],
        colours: Literal["error", "values", "arrival"],
        ends: tuple[float, float],
        label: str = "",
        **options: Any,
    ) -> Field:
        """Values of shape ``(..., cells)`` as colours between two ends."""
        laid = self.lay(values)
        return Field(laid, self.x_edges, self.y_edges, colours, *ends, label, outside=self.outside, **options)

    def outline(self, classes: NDArray[Any], kind: Literal["front", "level"], label: str = "", **options: Any) -> Item:
        """Lines between classes of shape ``(..., cells)``."""
        return Outline(self.lay(classes), self.x_edges, self.y_edges, kind, label, **options)

    def hatch(self, mask: BoolArray, label: str) -> list[Item]:
        """Hatch the cells of a mask, shape ``(cells,)``, if there are any."""
        laid = self.lay(mask, outside=False)
        return [Hatch(laid, self.x_edges, self.y_edges, label)] if laid.any() else []

    def picture(self, channels: NDArray[Any]) -> Picture:
        """Three channels from 0 to 1, shape ``(3, cells)``, as colours, white outside the domain."""
        return Picture(np.moveaxis(self.lay(channels, outside=1.0), 0, -1), self.x_edges, self.y_edges)

    def panel(self, run: Run, items: list[Item], title: str = "", *, small: bool = False, **options: Any) -> Panel:
        """Put items that this raster made into a panel, with the domain's edge."""
        if self.outside is not None:
            inside = (self.cells >= 0).astype(np.float64)
            items = [*items, Outline(inside, self.x_edges, self.y_edges, "domain")]
        upwards = f"{run.axes[1]} at {self.place}" if self.place else run.axes[1]
        across, up = ("", options.pop("label", "")) if small else (run.axes[0], upwards)
        axes = Axis(across, *run.bounds[0]), Axis(up, *run.bounds[1])
        return Panel(*axes, tuple(items), title, square=alike(run), small=small, **options)


def slices(run: Run) -> list[Raster]:
    """Return the raster of a run in the plane; of one in space the middle slice and that through the largest error."""
    numbers = _numbers(run)
    if numbers.ndim < 3:
        return [_raster(run, numbers)]
    layers = [numbers.shape[2] // 2]
    if run.known and not run.final:
        error = np.abs(run.prediction[-1].astype(np.float64) - run.target)
        worst = int(np.argmax(np.where(np.isfinite(error), error, np.inf)))
        layers.append(int(np.argwhere(numbers == worst)[0, 2]))
    return [_raster(run, numbers, layer) for layer in dict.fromkeys(layers)]


def middle(run: Run) -> Raster:
    """Return the raster of a run in the plane; of one in space the middle slice."""
    numbers = _numbers(run)
    return _raster(run, numbers, numbers.shape[-1] // 2)


def lattice(run: Run, points: FloatArray) -> Raster:
    """Return the raster of points that are from some lattice in the domain, in space its middle slice."""
    places = []
    for column, (low, high) in zip(points.T, run.bounds, strict=True):
        order = np.argsort(column)
        rises = np.diff(column[order], prepend=column[order[0]]) > _SAME * (high - low)
        place = np.empty(len(column), dtype=np.intp)
        place[order] = np.cumsum(rises)
        places.append(place)
    numbers = np.full([int(place.max()) + 1 for place in places], -1)
    numbers[tuple(places)] = np.arange(len(points))
    layer = numbers.shape[-1] // 2
    cut = numbers[..., layer] if numbers.ndim > 2 else numbers
    said = f"{run.axes[2]} = {significant(points[places[2] == layer, 2][0], 3)}" if numbers.ndim > 2 else ""
    edges = [np.linspace(*ends, count + 1) for ends, count in zip(run.bounds, cut.shape, strict=False)]
    return Raster(cut.T, edges[0], edges[1], said)


def alike(run: Run) -> bool:
    """Whether the two axes can share a scale: neither is a time, and neither is more than twice as long."""
    lengths = [high - low for low, high in run.bounds[:2]]
    return max(lengths) <= _ALIKE * min(lengths) and not {"t", "time"} & {axis.lower() for axis in run.axes[:2]}


def _numbers(run: Run) -> NDArray[np.intp]:
    """Numbers of the recorded cells, of the run's shape; -1 outside the domain."""
    if run.inside is None:
        return np.arange(len(run.points)).reshape(run.shape)
    return np.where(run.inside, np.cumsum(run.inside) - 1, -1).reshape(run.shape)


def _raster(run: Run, numbers: NDArray[np.intp], layer: int = 0) -> Raster:
    edges = [_edges(run, numbers, axis) for axis in range(numbers.ndim)]
    if numbers.ndim < 3:
        return Raster(numbers.T, edges[0], edges[1])
    cells = numbers[:, :, layer].T
    own = run.points[cells[cells >= 0], 2]
    place = own[0] if own.size else (edges[2][layer] + edges[2][layer + 1]) / 2
    return Raster(cells, edges[0], edges[1], f"{run.axes[2]} = {significant(float(place), 3)}")


def _edges(run: Run, numbers: NDArray[np.intp], axis: int) -> FloatArray:
    """Edges of the cells along an axis: blocks of one size, of which the last may hold less."""
    low, high = run.bounds[axis]
    count = numbers.shape[axis]
    first = np.moveaxis(numbers, axis, 0).reshape(count, -1).max(axis=1)
    known = np.flatnonzero(first >= 0)[:2]
    places = run.points[first[known], axis]
    size = (places[1] - places[0]) / (known[1] - known[0]) if len(known) > 1 else (high - low) / count
    inner = places[0] + size * (np.arange(1, count) - known[0] - 0.5)
    return np.concatenate(([low], inner, [high]))
