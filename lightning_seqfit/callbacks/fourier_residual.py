"""Which frequencies of the target are missing, and in which order they are fitted."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_seqfit.callbacks.base import ProbeCallback
from lightning_seqfit.diagnostics import Diagnostic
from lightning_seqfit.diagnostics.spectrum import SpectrumDiagnostic
from lightning_seqfit.probe import Probe
from lightning_seqfit.watch.schedule import Cadence


class FourierResidual(ProbeCallback):
    """Log the spectrum of prediction - target in octave bands.

    Tags under ``seqfit/``: ``error/relative_rmse``, ``error/max``, ``error/noise``,
    ``fourier/relative_error/<lo>-<hi>`` for the bands in which the target oscillates, ``fourier/share/<lo>-<hi>``,
    ``fourier/trend``, ``fourier/front_frequency``, ``fourier/spectral_order``, ``observer/...``. Definitions:
    :mod:`lightning_seqfit.measures.spectrum`.

    When it is bad: a band that stays at 1 is beyond what the network learns; raise the ``omega_0`` of a SIREN or
    the ``sigma`` of Fourier features, which :func:`lightning_seqfit.plan` tells from the target.

    .. image:: /pictures/callback_spectrum.png
        :alt: amplitude of the residual by frequency over the steps: four bands vanish one after the other

    Parameters
    ----------
    probe : where to look and what should be there.
    every_n_steps, also, report : as for :class:`~lightning_seqfit.callbacks.SequentialFitting`.
    tolerance : relative error at which a band is fitted, between 0 and 1.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    >>> callback = FourierResidual(probe, every_n_steps=50)
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
        super().__init__(probe, [SpectrumDiagnostic(tolerance)], every_n_steps, also, report)
