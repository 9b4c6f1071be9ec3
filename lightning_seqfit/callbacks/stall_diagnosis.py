"""Whether the fit gets on, and if not, why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning_seqfit.callbacks.base import ProbeCallback
from lightning_seqfit.diagnosis import STALLED, Diagnosis, Verdict
from lightning_seqfit.diagnostics import Diagnostic, StallDiagnostic
from lightning_seqfit.diagnostics.basis import BasisDiagnostic
from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.diagnostics.spectrum import SpectrumDiagnostic
from lightning_seqfit.probe import Probe
from lightning_seqfit.probe.checks.echo import shown
from lightning_seqfit.watch.schedule import Cadence
from lightning_seqfit.watch.verdicts import worst


class DiagnosingCallback(ProbeCallback):
    """A callback whose diagnostics judge the fit."""

    def __init__(
        self,
        probe: Probe,
        diagnostics: Sequence[Diagnostic],
        every_n_steps: Cadence,
        also: Sequence[Diagnostic],
        report: bool,
        stop_on: Sequence[str],
    ) -> None:
        super().__init__(probe, diagnostics, every_n_steps, also, report)
        self.stop_on = checked_stop_on(stop_on)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The :class:`~lightning_seqfit.Diagnosis` of the latest look; None before it, and of a probe without a target.

        Of a list of outputs that of the one that is worst off; :attr:`diagnoses` has each. With several processes it
        is on rank zero.
        """
        return worst(self.diagnoses.values())

    @property
    def diagnoses(self) -> Mapping[str, Diagnosis]:
        """That of each output by its name, as its record is called; of one output ``{"probe": ...}`` or the name."""
        return {} if self._shared is None else self._shared.verdicts.diagnoses()


class StallDiagnosis(DiagnosingCallback):
    """Say whether the fit gets on, what stops it, when it will be done and what to change.

    Tags under ``seqfit/``: ``stall/stalled`` (0 or 1), ``stall/doublings`` (of the step count, that are still needed),
    ``stall/forecast_step``, ``stall/forecast_low``, ``stall/forecast_high``, the text ``stall/verdict``, and what the
    diagnosis goes by: all those of :class:`ErrorFront`, :class:`FourierResidual` and :class:`BasisSnapshot`. When the
    verdict changes, a line on the console says so, in at most ten lines a fit. Definitions:
    :mod:`lightning_seqfit.diagnosis`.

    When it is bad: do what the verdict's advice says, ``callback.diagnosis.advice`` or ``seqfit diagnose``, and
    prove it with ``seqfit try`` on the target or :func:`lightning_seqfit.fork` on your own training.

    .. image:: /pictures/callback_stall.png
        :alt: fitted share of the domain over the steps, and how deep the fit reaches from each end

    Parameters
    ----------
    probe : where to look and what should be there.
    every_n_steps, tolerance, layer, also, report : as for :class:`~lightning_seqfit.callbacks.SequentialFitting`.
    stop_on : verdicts that end the training, such as ``["diverged", "stuck"]``, through Lightning's
        ``trainer.should_stop``: not before ``min_steps``. ``"stalled"`` stands for all those under which the fit does
        not get on by itself, which are those of ``diagnosis.stalled``. Of a list of outputs ``"fitted"`` and the like
        end it as soon as all are, what is wrong as soon as it is so with one.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used; before the first batch, if the module does not suit the probe.

    Examples
    --------
    >>> import torch
    >>> from lightning_seqfit import Probe
    >>> probe = Probe.grid(bounds=[(0.0, 1.0)], target=lambda x: torch.sin(26 * torch.pi * x[:, 0]))
    >>> callback = StallDiagnosis(probe, stop_on=["diverged", "stuck"])
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
        diagnostics = [FrontDiagnostic(tolerance), SpectrumDiagnostic(tolerance), BasisDiagnostic(layer)]
        super().__init__(probe, [*diagnostics, StallDiagnostic()], every_n_steps, also, report, stop_on)


def checked_stop_on(stop_on: Any) -> tuple[str, ...]:
    """Return words of verdicts, "stalled" as all that it stands for, or say which there are.

    Raises
    ------
    TypeError, ValueError
        If it is no list of them.

    Examples
    --------
    >>> checked_stop_on(["diverged", "stuck"])
    ('diverged', 'stuck')
    >>> checked_stop_on(["fitted", "stalled"])[:4]
    ('fitted', 'undersampled', 'inputs badly scaled', 'learning rate too high')
    """
    allowed = ", ".join(repr(each.value) for each in Verdict)
    if isinstance(stop_on, str) or not isinstance(stop_on, Sequence | set | frozenset):
        raise TypeError(
            f'stop_on={shown(stop_on)} is no list: give words of verdicts, such as ["diverged"], also where it is one '
            f"alone; there are {allowed}"
        )
    known: dict[str, tuple[str, ...]] = {each.value: (each.value,) for each in Verdict}
    known["stalled"] = tuple(each.value for each in Verdict if each in STALLED)
    for word in stop_on:
        if not isinstance(word, str) or word not in known:
            raise ValueError(
                f"stop_on={shown(stop_on)}: {shown(word)} is no word of a verdict; there are {allowed}, and 'stalled' "
                "for all under which a fit does not get on"
            )
    return tuple(dict.fromkeys(each for word in stop_on for each in known[word]))
