"""What errors are relative to: the mean square that an error of 1 means, and what it is of.

The first that there is of: what oscillates about the target's trend, its mean square less the noise's; where nothing
oscillates, how far the target is from its mean, its variance less the noise's; where it is a constant, its square. A
target of 0, as of the residual of an equation, has no size: its errors are relative to a scale that is given, or to the
error of the first look, which says how far it has come, and nothing of whether it is small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.trend import Trend

Of = Literal["oscillation", "deviation", "value", "given", "first look"]
# Of the mean square: a constant that is computed in float32 varies by less.
_ROUNDING = 1e-14


class Scale(NamedTuple):
    """What an error of 1 is.

    Attributes
    ----------
    mean_square : of that error; NaN where the first look has yet to say it.
    of : what it is of: the target's ``"oscillation"``, its ``"deviation"`` from the mean, its ``"value"``, a scale that
        was ``"given"``, or the error at the ``"first look"``.
    """

    mean_square: float
    of: Of

    def at_first(self, geometry: Geometry, residual: FloatArray) -> float:
        """Return the mean square to use from the first look on, which has this residual; NaN: not known yet."""
        scale = geometry.mean(residual**2) if self.of == "first look" else self.mean_square
        return scale if math.isfinite(scale) else math.nan


#: Of a target that has no size.
NO_SCALE = Scale(math.nan, "first look")


def combined(parts: Sequence[Scale]) -> Scale:
    """Return the scale of several outputs, whose squared errors are added up: of those that oscillate, where any does.

    Examples
    --------
    >>> combined([Scale(0.5, "oscillation"), Scale(0.25, "oscillation"), Scale(9.0, "value"), NO_SCALE])
    Scale(mean_square=0.75, of='oscillation')
    """
    of = min((part.of for part in parts), key=get_args(Of).index)
    if of == "given":  # for all together
        return parts[0]
    return Scale(float(sum(part.mean_square for part in parts if part.of == of)), of)


def scale_of(
    geometry: Geometry, target: FloatArray, trend: Trend, *, noise: float = 0.0, given: float | None = None
) -> Scale:
    """Find what errors are relative to.

    Parameters
    ----------
    geometry : where the N points lie.
    target : shape ``(N,)``, finite; NaN: not known.
    trend : the target's.
    noise : standard deviation of the target's noise.
    given : the mean square root of an error of 1, positive; it comes before what the target says.

    Returns
    -------
    Scale

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(1000,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> for target in (x + np.sin(40 * np.pi * x), 6 * x, 0 * x + 3, 0 * x):
    ...     mean_square, of = scale_of(grid, target, fit_trend(grid, target))
    ...     print(f"{mean_square:.3g} {of}")
    0.5 oscillation
    3 deviation
    9 value
    nan first look
    """
    if given is not None:
        return Scale(given**2, "given")
    size = float(np.max(np.abs(target), initial=0.0))
    if size == 0.0 or math.isnan(size):
        return NO_SCALE
    if noise == 0.0 and trend.variance > 0.0:
        return Scale(trend.variance, "oscillation")
    if trend.variance > noise**2:
        return Scale(trend.variance - noise**2, "oscillation")
    scaled = target / size  # squares of extreme targets stay in range
    mean = geometry.mean(scaled)
    variance = geometry.mean((scaled - mean) ** 2) - (noise / size) ** 2
    if variance > _ROUNDING * geometry.mean(scaled**2):
        return Scale(variance * size**2, "deviation")
    return Scale((mean * size) ** 2, "value")


def error_of(
    geometry: Geometry, residual: FloatArray, scale: float, noise: float, largest: float | None = None
) -> dict[str, float]:
    """Return the error of one residual by tag, as it stands under ``seqfit/``.

    Relative RMS, the largest absolute error (in the target's units), and the noise's standard deviation relative to the
    scale; infinite errors where the residual is not finite. ``largest``: absolute error, where it is known.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(4,), axes=("x",))
    >>> error_of(grid, np.array([1.0, 1.0, -1.0, 1.0]), 4.0, 0.1)
    {'error/relative_rmse': 0.5, 'error/max': 1.0, 'error/noise': 0.05}
    """
    largest = float(np.max(np.abs(residual))) if largest is None else largest
    unknown = not math.isfinite(largest)
    root = math.sqrt(scale) if scale > 0 else math.nan
    return {
        "error/relative_rmse": math.inf if unknown else math.sqrt(geometry.mean(residual**2)) / root,
        "error/max": math.inf if unknown else largest,
        "error/noise": noise / root,
    }
