"""Where the fit has got to, from which side it comes, and how fast."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_seqfit.callbacks.base import ProbeCallback
from lightning_seqfit.diagnostics import Diagnostic
from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.probe import Probe
from lightning_seqfit.watch.schedule import Cadence


class ErrorFront(ProbeCallback):
    """Log how far the fit has got from each face, and whether it comes as a front.

    Tags under ``seqfit/``: ``error/relative_rmse``, ``error/max``, ``error/noise``, ``front/fitted``,
    ``front/depth/<face>``, ``front/sequentiality``, ``front/inwardness``, ``front/inwardness/<face>``, ``front/speed``,
    ``observer/...``. Definitions: :mod:`lightning_seqfit.measures.front`.

    When it is bad: a ``front/fitted`` that stands still while the loss falls fits something else, such as the
    trend; ask :class:`StallDiagnosis` before you wait longer.

    .. image:: /pictures/callback_front.png
        :alt: local error over the steps, yellow where nothing is learned: the fit comes in from both ends

    Parameters
    ----------
    probe : where to look and what should be there.
    every_n_steps, also, report : as for :class:`~lightning_seqfit.callbacks.SequentialFitting`.
    tolerance : relative error at which a place is fitted, between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    >>> callback = ErrorFront(probe, every_n_steps=50)
    """

    def __init__(
        self,
        probe: Probe,
        *,
        every_n_steps: Cadence = "auto",
        tolerance: float = 0.25,
        also: Sequence[Diagnostic] = (),
        report: bool = False,
    ) -> None:
        super().__init__(probe, [FrontDiagnostic(tolerance)], every_n_steps, also, report)
