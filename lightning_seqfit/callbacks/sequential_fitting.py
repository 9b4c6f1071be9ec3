"""Everything in one callback."""

from __future__ import annotations

from lightning_seqfit.callbacks.base import Cadence, ProbeCallback
from lightning_seqfit.callbacks.error_front import FrontDiagnostic
from lightning_seqfit.callbacks.oscillation_count import OscillationDiagnostic
from lightning_seqfit.probe import Probe


class SequentialFitting(ProbeCallback):
    """Log where the fit has got to, from which side it comes, and how many oscillations it has.

    All tags of :class:`ErrorFront` and :class:`OscillationCount`, from one evaluation of the module a look.

    Parameters
    ----------
    probe : where to look and what should be there.
    every_n_steps : optimizer steps between looks (the first ones are closer), or a function (step) -> bool.
    tolerance : relative error at which a place or an oscillation is fitted, between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used.

    Examples
    --------
    >>> import lightning as L
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    >>> trainer = L.Trainer(max_steps=8_000, callbacks=[SequentialFitting(probe)], logger=False)
    """

    def __init__(self, probe: Probe, *, every_n_steps: Cadence = 100, tolerance: float = 0.25) -> None:
        super().__init__(probe, [FrontDiagnostic(tolerance), OscillationDiagnostic(tolerance)], every_n_steps)
