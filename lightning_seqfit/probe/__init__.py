"""Where to look, what should be there, and one evaluation of the module that leaves it as it was."""

from lightning_seqfit.probe.observation import Observation
from lightning_seqfit.probe.probe import Probe

__all__ = ["Observation", "Probe"]
