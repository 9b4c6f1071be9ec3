"""Watch how a network fits an oscillatory target while PyTorch Lightning trains it."""

from lightning_seqfit.probe import Observation, Probe
from lightning_seqfit.record import Run, load

__all__ = ["Observation", "Probe", "Run", "load"]
__version__ = "0.1.0"
