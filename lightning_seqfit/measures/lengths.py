"""Several components as one: the Euclidean length over them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from lightning_seqfit.geometry import FloatArray


def lengths(components: Sequence[FloatArray]) -> FloatArray:
    """Euclidean length over components of one shape, 0 and up; NaN or inf where one of them is.

    Examples
    --------
    >>> lengths([np.array([3.0, -1.0]), np.array([4.0, 0.0])]).tolist()
    [5.0, 1.0]
    """
    # not a sum of squares: those of large values overflow
    return reduce(np.hypot, components[1:], np.abs(components[0]))
