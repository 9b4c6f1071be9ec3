"""Remedies tried on the target itself: which of them fit it, and how fast."""

from lightning_seqfit.trials.trial import Attempt, Trial

__all__ = ["Attempt", "Trial"]
