r"""How much a prediction still moves, where no target says how far it has come.

With p(s) the prediction at a look at step s, h the first earlier look at step s / 2 or later (where there is none, the
look before), and D(s) the root of the mean over the box of (p(s) - mean p(s))^2, or of p(s)^2 where p(s) is a constant:

- ``since_last`` = RMS of p(s) - p(look before) / D(s). It depends on how far apart the looks are.
- ``since_half`` = RMS of p(s) - p(h) / D(s). What a training still does in as long as it took so far: near 0, it has
  come to rest, which may be far from any solution; about sqrt(2), nothing of it is what it was.
- Local change c^2 = moving mean of (p(s) - p(h))^2 / D(s)^2 over a sixteenth of the domain along each axis.
- ``moving`` = share of the domain where c exceeds the tolerance.

Of several outputs that are watched as one, the squares of all are added up.

Of looks that are less than 7 % of the steps apart some are forgotten: h is then at 0.535 s, or the next look. At most
13 predictions are kept, in float32.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.lengths import lengths
from lightning_seqfit.measures.scale import combined, scale_of
from lightning_seqfit.measures.trend import no_trend

#: Width of the window of the local change along each axis, as a share of the domain.
WINDOW = 1 / 16
#: Looks are kept when the step has grown by this factor: looks that grow apart by 8 % all are.
GROWTH = 1.07
# Changes are clipped at this multiple of D before they are averaged.
_LARGEST = 1e4


@dataclass(frozen=True)
class ChangeHistory:
    """The looks to compare with; see :func:`update`.

    Attributes
    ----------
    steps : of the looks, rising, shape ``(K,)``; the last one is the look before.
    predictions : K of them, shape ``(N,)`` or ``(k, N)`` each, finite.
    """

    steps: NDArray[np.int64]
    predictions: tuple[NDArray[np.float32], ...]


@dataclass(frozen=True)
class Change:
    """How much a prediction has moved.

    Attributes
    ----------
    since_last, since_half : 0 and up; NaN: there is no earlier look, or p is 0; ``inf``: p is not finite.
    moving : in [0, 1]; NaN as before, and where p is not finite.
    local : c^2, shape ``(N,)``; NaN where ``moving`` is.
    reference : step of h; -1: there is none.
    """

    since_last: float
    since_half: float
    moving: float
    local: FloatArray
    reference: int


def measure_change(
    geometry: Geometry,
    history: ChangeHistory | None,
    prediction: FloatArray,
    step: int,
    tolerance: float = 0.25,
    scale: float = math.nan,
) -> Change:
    """Compare a prediction with those before.

    Parameters
    ----------
    geometry : where the N points lie.
    history : of the looks before; None: this is the first one.
    prediction : shape ``(N,)``, of k outputs ``(k, N)``.
    step : of this look.
    tolerance : local change above which a place moves.
    scale : square of a D that is given; NaN: that of the prediction.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> sine = np.sin(26 * np.pi * grid.points[:, 0])
    >>> history = None
    >>> for step in (0, 60, 100):  # the amplitude grows from 0.1 to 0.5 and 1
    ...     prediction = max(0.1, step / 100, 0.5 * (step == 60)) * sine
    ...     change = measure_change(grid, history, prediction, step)
    ...     history = update(history, prediction, step)
    >>> round(change.since_half, 2), change.reference, change.moving
    (0.4, 60, 1.0)
    """
    unknown = np.full(prediction.shape[-1], math.nan)
    if not np.isfinite(prediction).all():
        return Change(math.inf, math.inf, math.nan, unknown, -1)
    if history is None:
        return Change(math.nan, math.nan, math.nan, unknown, -1)
    each = np.atleast_2d(prediction)
    of_each = [scale_of(geometry, one, no_trend(geometry)) for one in each] if not scale > 0.0 else []
    square = combined(of_each).mean_square if of_each else scale
    half = min(int(np.searchsorted(history.steps, step / 2)), len(history.steps) - 1)
    reference = int(history.steps[half])
    if not 0.0 < square < math.inf:
        return Change(math.nan, math.nan, math.nan, unknown, reference)
    moved = [(each - np.atleast_2d(history.predictions[look])) / math.sqrt(square) for look in (-1, half)]
    relative = [lengths([*components]) for components in moved]
    window = tuple(WINDOW * length for length in geometry.lengths)
    local = np.maximum(geometry.moving_mean(np.minimum(np.abs(relative[1]), _LARGEST) ** 2, window), 0.0)
    since_last, since_half = (math.sqrt(geometry.mean(length**2)) for length in relative)
    return Change(
        since_last=since_last,
        since_half=since_half,
        moving=geometry.mean((local > tolerance**2).astype(np.float64)),
        local=local,
        reference=reference,
    )


def update(history: ChangeHistory | None, prediction: FloatArray, step: int) -> ChangeHistory | None:
    """Take one more look into the history; ``None`` begins one. A prediction that is not finite leaves it as it is.

    Examples
    --------
    >>> history = None
    >>> for step in range(1001):
    ...     history = update(history, np.zeros(3), step)
    >>> len(history.steps), int(history.steps[0])
    (11, 506)
    """
    with np.errstate(over="ignore"):
        taken = np.asarray(prediction, dtype=np.float32)
    if not np.isfinite(taken).all():
        return history
    if history is None:
        return ChangeHistory(np.array([step], dtype=np.int64), (taken,))
    steps = history.steps
    kept = 2 * steps >= step
    # the look before stays only where it is far enough from the one that was kept before it
    kept[-1] &= len(steps) < 2 or steps[-1] >= GROWTH * steps[-2]
    predictions = itertools.compress(history.predictions, kept.tolist())
    return ChangeHistory(np.append(steps[kept], np.int64(step)), (*predictions, taken))
