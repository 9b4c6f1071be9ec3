"""Stand-in until the real one is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lightning_seqfit.geometry.base import BoolArray, FloatArray
from lightning_seqfit.geometry.grid import Grid


@dataclass(frozen=True, eq=False)
class MaskedPower:
    """Power of the field extended by zero."""

    box: Grid
    inside: BoolArray

    def power(self, field: FloatArray) -> FloatArray:
        """Power at the box's frequencies."""
        extended = np.zeros(len(self.inside))
        extended[self.inside] = field
        return self.box.power(extended) / np.mean(self.inside)
