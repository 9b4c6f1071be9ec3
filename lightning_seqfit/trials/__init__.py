"""Remedies tried on the target itself: which of them fit it, and how fast."""

from lightning_seqfit.trials.table import Attempt, Trial
from lightning_seqfit.trials.trying import trial

__all__ = ["Attempt", "Trial", "trial"]
