"""How many of the target's oscillations the model has."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_seqfit.callbacks.base import ProbeCallback
from lightning_seqfit.diagnostics import Diagnostic
from lightning_seqfit.diagnostics.oscillations import OscillationDiagnostic
from lightning_seqfit.probe import Probe
from lightning_seqfit.watch.schedule import Cadence


class OscillationCount(ProbeCallback):
    """Log how many oscillations the target has, how many the model has, and how many of them match.

    Tags under ``seqfit/``: ``error/relative_rmse``, ``error/max``, ``error/noise``, ``oscillations/target``,
    ``/model``, ``/fitted``, ``/missing``, ``/spurious``, ``observer/...``. Definitions:
    :mod:`lightning_seqfit.measures.oscillations`.

    When it is bad: with many ``/missing`` the network cannot bend often enough yet, wait or take sines as
    activations; with many ``/spurious`` it bends between the training points, so give it more of them.

    .. image:: /pictures/callback_oscillations.png
        :alt: oscillations over the steps: those of the target, of the model, and those that are fitted

    Parameters
    ----------
    probe : where to look and what should be there.
    every_n_steps, also, report : as for :class:`~lightning_seqfit.callbacks.SequentialFitting`.
    tolerance : relative error at which an oscillation matches, between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    >>> callback = OscillationCount(probe, every_n_steps=50)
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
        super().__init__(probe, [OscillationDiagnostic(tolerance)], every_n_steps, also, report)
