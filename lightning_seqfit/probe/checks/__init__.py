"""What may be passed to a probe and to the callbacks, and what is said of all else."""

from lightning_seqfit.probe.checks.arguments import checked_cadence, checked_tolerance

__all__ = ["checked_cadence", "checked_tolerance"]
