"""What looks cost."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Cost:
    """Time that looks have taken since a fit began.

    Attributes
    ----------
    looks : their number.
    looked : seconds that they have taken, files and figures included.
    """

    def __init__(self) -> None:
        self.looks, self.looked = 0, 0.0
        self._began = time.perf_counter()

    @property
    def elapsed(self) -> float:
        """Seconds since the fit began."""
        return time.perf_counter() - self._began

    @contextmanager
    def of_a_look(self) -> Iterator[None]:
        """Count what runs in the context as a look."""
        with self.of_files():
            yield
        self.looks += 1

    @contextmanager
    def of_files(self) -> Iterator[None]:
        """Count what runs in the context as a part of the last look."""
        begun = time.perf_counter()
        yield
        self.looked += time.perf_counter() - begun

    def scalars(self) -> dict[str, float]:
        """What the looks before this one have cost; empty at the first."""
        if not self.looks:
            return {}
        training = self.elapsed - self.looked
        return {
            "observer/overhead": self.looked / training if training > 0 else math.nan,
            "observer/seconds_per_look": self.looked / self.looks,
        }
