"""Everything in one callback."""

from __future__ import annotations

from collections.abc import Sequence

from lightning_seqfit.callbacks.stall_diagnosis import DiagnosingCallback
from lightning_seqfit.diagnostics import ChangeDiagnostic, Diagnostic, make_all
from lightning_seqfit.probe import Probe
from lightning_seqfit.watch.schedule import Cadence


class SequentialFitting(DiagnosingCallback):
    """Log where the fit has got to, what it lacks and what its basis is, and say whether it gets on.

    All tags of :class:`ErrorFront`, :class:`OscillationCount`, :class:`FourierResidual`, :class:`BasisSnapshot` and
    :class:`StallDiagnosis`, from one evaluation of the module a look. Of a probe without a target: ``basis/...``,
    ``change/since_last``, ``change/since_half`` and ``change/moving`` (:mod:`lightning_seqfit.measures.change`).

    When it is bad: read ``stall/verdict`` first, which goes by all the others and names what to change.

    .. image:: /pictures/callback_fit.png
        :alt: prediction and target at the end of a training: all 13 oscillations are there

    Parameters
    ----------
    probe : where to look and what should be there.
    every_n_steps : optimizer steps between looks (the first ones are closer), a function (step) -> bool, or ``"auto"``:
        1, 2, 3, 4, 6, 8, 11, ... until they are 50 steps apart, and then 8 % of the steps so far.
    tolerance : relative error at which a place, an oscillation or a band is fitted, between 0 and 1.
    layer : dotted name of the layer whose input is the basis; default: the last ``nn.Linear`` that ran. A
        module without one has no basis to look at, which is said once; all else goes on.
    stop_on : as for :class:`StallDiagnosis`: verdicts that end the training, such as ``["diverged"]``.
    also : further diagnostics, of your own: :class:`~lightning_seqfit.diagnostics.Diagnostic`.
    report : whether a page on the run, as ``seqfit report`` makes it, is written at the end beside the record, and
        given to W&B and MLflow where they log.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used; before the first batch, if the module does not suit the probe.

    Notes
    -----
    ``EarlyStopping``, ``ModelCheckpoint`` and ``ReduceLROnPlateau`` may monitor any tag. ``seqfit/front/fitted`` and
    ``seqfit/error/...`` are there from step 0 on, the others once they are finite: until then ``EarlyStopping`` and the
    scheduler's dictionary need ``strict=False``, and ``ModelCheckpoint`` needs ``every_n_train_steps`` with
    ``save_on_train_epoch_end=True``. Between two looks a monitor sees the last one again, so a ``patience`` counted in
    steps must be longer than the distance of the looks. With a tag in the filename of a ``ModelCheckpoint``, pass
    ``auto_insert_metric_name=False``: its slashes would make folders.

    With several processes rank zero evaluates, and a function for ``every_n_steps`` must answer alike on every rank.
    ``ddp_spawn`` sends the probe to other processes: target and predict must then be functions of a module, no lambdas.

    Examples
    --------
    >>> import lightning as L
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    >>> trainer = L.Trainer(max_steps=8_000, callbacks=[SequentialFitting(probe)], logger=False)
    """

    def __init__(
        self,
        probe: Probe,
        *,
        every_n_steps: Cadence = "auto",
        tolerance: float = 0.25,
        layer: str | None = None,
        stop_on: Sequence[str] = (),
        also: Sequence[Diagnostic] = (),
        report: bool = False,
    ) -> None:
        diagnostics = make_all(tolerance=tolerance, layer=layer)
        if getattr(probe, "target", None) is not None:  # no record need say that there is no change where there is more
            diagnostics = [each for each in diagnostics if not isinstance(each, ChangeDiagnostic)]
        super().__init__(probe, diagnostics, every_n_steps, also, report, stop_on)
