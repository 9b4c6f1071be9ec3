"""Which basis functions the network has built, and whether they could express the target."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_seqfit.callbacks.base import ProbeCallback
from lightning_seqfit.diagnostics import Diagnostic
from lightning_seqfit.diagnostics.basis import BasisDiagnostic
from lightning_seqfit.probe import Probe
from lightning_seqfit.watch.schedule import Cadence


class BasisSnapshot(ProbeCallback):
    """Log what the units of the last hidden layer are like, as functions over the domain.

    Tags under ``seqfit/``: ``error/relative_rmse``, ``error/max``, ``error/noise``, ``basis/numerical_rank``,
    ``basis/effective_rank``, ``basis/monotone_share``, ``basis/median_laps``, ``basis/projection_error``,
    ``basis/constant_share``, ``basis/dead_domain``, ``observer/...``. Definitions:
    :mod:`lightning_seqfit.measures.basis`.

    When it is bad: a rank near the width asks for more units; a ``basis/projection_error`` far below the actual
    error for a higher learning rate; a ``basis/dead_domain`` above 0 for inputs scaled to about -1 to 1.

    .. image:: /pictures/callback_basis.png
        :alt: units of the last hidden layer as functions at four moments: steps that move inwards

    Parameters
    ----------
    probe : where to look and what should be there.
    every_n_steps, also, report : as for :class:`~lightning_seqfit.callbacks.SequentialFitting`.
    layer : dotted name of the layer whose input is the basis; default: the last ``nn.Linear`` that ran. A
        module without one has no basis to look at, which is said once; all else goes on.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used; before the first batch, if the module has no such layer.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    >>> callback = BasisSnapshot(probe, layer="network.layers.4")
    """

    def __init__(
        self,
        probe: Probe,
        *,
        every_n_steps: Cadence = "auto",
        layer: str | None = None,
        also: Sequence[Diagnostic] = (),
        report: bool = False,
    ) -> None:
        super().__init__(probe, [BasisDiagnostic(layer)], every_n_steps, also, report)
