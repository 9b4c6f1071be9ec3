"""What failed while a probe was watched: said once, switched off, and noted in the record."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from lightning_seqfit.words import warn

log = logging.getLogger(__name__)


class Failures:
    """Parts of a watch that failed or have something to say, by what a warning calls them.

    Parameters
    ----------
    label : what a warning calls the probe.

    Attributes
    ----------
    step : optimizer step, for messages.
    """

    def __init__(self, label: str) -> None:
        self.label = label
        self.step = 0
        self._parts: dict[str, str] = {}
        self._earlier: list[str] = []

    def __contains__(self, part: str) -> bool:
        return part in self._parts

    def begin_fit(self) -> None:
        """Try everything again; what was said of the fits before stays."""
        self._earlier, self._parts = self.notes(), {}

    def begin_anew(self, earlier: Iterable[str] = ()) -> None:
        """Forget the fits before, or take over what was said of them."""
        self._earlier = list(earlier)

    def note(self, part: str, reason: str, warning: str = "") -> None:
        """Note something once in a fit, and say it."""
        if part not in self._parts:
            self._parts[part] = reason
            if warning:
                warn(warning)

    def switch_off(self, part: str, error: Exception, *, silent: bool = False) -> None:
        """Say once what failed, unless another has; it is not to be tried again in this fit."""
        if part in self._parts:
            return
        reason = f"{type(error).__name__}: {error}"
        self._parts[part] = reason
        if not silent:
            warn(
                f"{part} of {self.label} failed at step {self.step} and is switched off for the rest of this fit; the "
                f"training goes on. {reason}"
            )
        log.debug("%s failed", part, exc_info=error)

    def notes(self) -> list[str]:
        """What is to be said in the record, of this fit and of those before."""
        return list(dict.fromkeys([*self._earlier, *(f"{part}: {reason}" for part, reason in self._parts.items())]))
