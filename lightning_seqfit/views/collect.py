"""Which views there are of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lightning_seqfit.views import cloud, line, plane, training
from lightning_seqfit.views.base import View

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


def pictures(run: Run) -> dict[str, View]:
    """Every view that a record has the arrays for, by its name, such as ``"1_front"``, in the order of the names."""
    fit = _fit(run)
    made: dict[str, Callable[[Run], View]] = {} if fit is None else {"2_fit": fit}
    for diagnostic in run.diagnostics:
        if not diagnostic.section or run.sections.get(diagnostic.section) is not None:
            made |= diagnostic.views(run)
    return {name: made[name](run) for name in sorted(made)}


def moving(run: Run) -> list[View]:
    """What moves over the looks of a run: fit, local error, spectrum and basis."""
    fit, along_line = _fit(run), len(run.axes) == 1
    found = [] if fit is None else [fit(run, moving=True)]
    if run.front is not None and run.faces:
        found.append(line.error(run) if along_line else plane.error(run))
    if run.spectrum is not None:
        found.append(training.spectrum(run, moving=True))
    if run.basis is not None and run.faces:
        found.append((line if along_line else plane).basis(run, moving=True))
    return found


def _fit(run: Run) -> Callable[..., View] | None:
    """What shows the fit; None: points that have no place on paper are shown against a target only."""
    if run.faces:
        return line.fit if len(run.axes) == 1 else plane.fit
    return cloud.fit if run.known and not run.final else None
