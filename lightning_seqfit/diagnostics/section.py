"""Sections of a run that draw the run they were taken from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lightning_seqfit.figures.notebook import plot_view
from lightning_seqfit.views.charts import loss, oscillations

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from lightning_seqfit.record import Run
    from lightning_seqfit.views import View

_CHARTS: dict[str, Callable[[Run], View | None]] = {"oscillations": oscillations, "loss": loss}


class Section:
    """What a diagnostic has recorded of a run.

    It knows its run by being taken from it, as ``run.front``: runs that were made of each other share sections.
    """

    #: Name of the view that shows it.
    shown_by: ClassVar[str]
    _run: Run | None = None

    def of(self, run: Run) -> Self:
        """Return the section as one of a run."""
        taken = copy.copy(self)
        taken.__dict__["_run"] = run  # the sections themselves are frozen
        return taken

    def plot(self, ax: Axes | Sequence[Axes] | NDArray[Any] | None = None) -> Any:
        """Draw it, as in the report, at the last look.

        Parameters
        ----------
        ax : axes to draw on, as many as it has panels; None: new ones, of pyplot.

        Returns
        -------
        matplotlib.axes.Axes, or an array of them
            An array where there are several panels.

        Raises
        ------
        ValueError
            If it was not taken from a run, or the run lacks what it is drawn with.
        """
        if self._run is None:
            raise ValueError(f"this {type(self).__name__} is of no run: take it from one, such as load(run_dir).front")
        view = _view(self._run, self.shown_by)
        if view is None:
            raise ValueError(f"the run has no {self.shown_by!r} to draw: its record lacks the values")
        return plot_view(view, ax)


def _view(run: Run, name: str) -> View | None:
    if name in _CHARTS:
        return _CHARTS[name](run)
    made = (kind.views(run).get(name) for kind in run.diagnostics)
    return next((make(run) for make in made if make is not None), None)
