"""When the figures are drawn, and what they may cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np

from lightning_seqfit import figures
from lightning_seqfit.figures import Image
from lightning_seqfit.record import Run

#: Shares of a training at which figures are drawn, beside its end, where its length is known.
SHARES = (1 / 8, 1 / 4, 1 / 2)
#: The first step at which they are drawn where it is not; from then on at doublings.
FIRST_STEP = 1000
#: Share of the time that a training of known length is expected to take, which all sets before the last may take.
MOST_OF_KNOWN = 0.15
#: Share of the time so far that they may take where the length is not known.
MOST_OF_TIME = 0.02
#: Sets in one run: TensorBoard keeps ten images of a tag.
MOST_SETS = 10


class Gallery:
    """Draws the set of figures at a few moments of one fit, so that a slider in a logger has something to show.

    Where the length of the training is known, there are at most four sets, a second or two in all, which a long one
    does not feel: those at an eighth, a quarter and a half are drawn as long as they take at most 15 % of the time that
    the training is expected to take, so that one of ten seconds has them all. Where it is not known, sets are drawn at
    doublings of the steps, as long as they take at most 2 % of the time so far. The one at the end is always drawn.

    Attributes
    ----------
    seconds : that drawing has taken.
    """

    def __init__(self) -> None:
        self._one_set = 0.3  # seconds: a guess at the first set; measured from then on
        self.begin(0, math.inf)

    def begin(self, step: int, last: float) -> None:
        """Begin a fit at a step that ends at another, inf: nobody knows."""
        self.seconds = 0.0
        self._drawn = 0
        self._began, self._last = step, last
        self._moments = [step + share * (last - step) for share in SHARES] if math.isfinite(last) else []
        self._next = self._moments[0] if self._moments else float(max(FIRST_STEP, 2 * step))

    def due(self, step: int, elapsed: float) -> bool:
        """Whether a set is to be drawn, after so many seconds."""
        if step < self._next or self._drawn >= MOST_SETS - 1:
            return False
        most = MOST_OF_TIME * elapsed
        if math.isfinite(self._last) and step > self._began:
            most = MOST_OF_KNOWN * elapsed * (self._last - self._began) / (step - self._began)
        return self.seconds + self._one_set <= most

    def draw(self, make_run: Callable[[], Run], step: int) -> dict[str, Image]:
        """Pixels of every figure by name."""
        begun = time.perf_counter()
        try:
            with np.errstate(all="ignore"):
                return {name: figures.as_image(figure) for name, figure in figures.draw(make_run()).items()}
        finally:
            self._one_set = time.perf_counter() - begun
            self.seconds += self._one_set
            self._drawn += 1
            self._move_on(step)

    def _move_on(self, step: int) -> None:
        if math.isfinite(self._last):
            self._next = next((moment for moment in self._moments if moment > step), math.inf)
        else:
            self._next = 2.0 * max(step, FIRST_STEP / 2)
