"""What a run has of one diagnostic, and draws by itself in a notebook."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lightning_seqfit import views
from lightning_seqfit.figures.notebook import plot_view

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


class Section:
    """What a diagnostic has recorded over the looks.

    Several runs may share one, such as those of :meth:`Run.replace <lightning_seqfit.Run.replace>`. So the arrays know
    no run; :meth:`of` gives a copy that knows one, and shares them. ``run.front`` and its like are such copies.
    """

    #: Which of the charts over steps shows it, where its diagnostic has no views.
    chart: ClassVar[str] = ""

    def of(self, run: Run, name: str) -> Self:
        """Return what draws itself as the section of a run that has that name."""
        own = copy(self)
        own.__dict__["_of"] = run, name  # not by assignment: sections are frozen
        return own

    def plot(self, ax: Any = None, *, view: str = "") -> Axes | NDArray[np.object_]:
        """Draw it as the report and the figures do.

        Parameters
        ----------
        ax : Matplotlib axes to draw on, several where the view has several panels; None: new ones of pyplot, which a
            notebook shows.
        view : name of the view, such as ``"3_arrival"`` or ``"6_rank"``; empty: the first one that there is.

        Returns
        -------
        Axes or ndarray
            The axes; of several panels an array of shape ``(panels,)``.

        Raises
        ------
        ValueError
            If it was not taken from a run, there is no such view, or ``ax`` does not hold an axes for each panel.

        Examples
        --------
        >>> import tempfile
        >>> import lightning as L
        >>> from matplotlib.figure import Figure
        >>> from lightning_seqfit import Probe, load
        >>> from lightning_seqfit.callbacks import SequentialFitting
        >>> from lightning_seqfit.demos import TanhRegression, sine
        >>> watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], sine))
        >>> options = {"logger": False, "default_root_dir": tempfile.mkdtemp(), "enable_checkpointing": False}
        >>> quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
        >>> L.Trainer(max_steps=2, callbacks=[watcher], **options, **quiet).fit(TanhRegression(width=8))
        >>> run = load(options["default_root_dir"])
        >>> run.front.plot(ax=Figure().add_subplot()).get_xlabel()
        'optimizer step'
        >>> run.front.plot(view="6_rank")
        Traceback (most recent call last):
        ValueError: view='6_rank' does not show the front: give one of 1_front, 3_arrival
        """
        if "_of" not in self.__dict__:
            raise ValueError("these arrays belong to no run: take them from one, as in run.front.plot()")
        run, name = self.__dict__["_of"]
        there = {
            each: make
            for diagnostic in run.diagnostics
            if diagnostic.section == name
            for each, make in sorted(diagnostic.views(run).items())
        }
        if not there:
            there = {each.name: each for each in views.charts(run) if each.name == self.chart}
        if not there:
            raise ValueError(f"there is no picture of the {name} of a run over {', '.join(run.axes)}")
        if view and view not in there:
            raise ValueError(f"view={view!r} does not show the {name}: give one of {', '.join(there)}")
        found = there[view or next(iter(there))]
        return plot_view(found(run) if callable(found) else found, ax)
