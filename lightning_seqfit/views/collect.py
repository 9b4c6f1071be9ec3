"""Which views there are of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lightning_seqfit.views import line, training
from lightning_seqfit.views.base import View

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


def pictures(run: Run) -> dict[str, View]:
    """Every view that a record has the arrays for, by its name, such as ``"1_front"``, in the order of the names."""
    made: dict[str, Callable[[Run], View]] = {"2_fit": line.fit} if len(run.axes) == 1 else {}
    for diagnostic in run.diagnostics:
        if not diagnostic.section or run.sections.get(diagnostic.section) is not None:
            made |= diagnostic.views(run)
    return {name: made[name](run) for name in sorted(made)}


def moving(run: Run) -> list[View]:
    """What moves over the looks of a run: fit, local error, spectrum and basis."""
    found = []
    if len(run.axes) == 1:
        found.append(line.fit(run, moving=True))
        if run.front is not None:
            found.append(line.error(run))
    if run.spectrum is not None:
        found.append(training.spectrum(run, moving=True))
    if len(run.axes) == 1 and run.basis is not None:
        found.append(line.basis(run, moving=True))
    return found
