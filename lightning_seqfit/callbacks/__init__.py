"""Lightning callbacks that watch a fit: :class:`SequentialFitting`, or one of its parts."""

from lightning_seqfit.callbacks.error_front import ErrorFront
from lightning_seqfit.callbacks.oscillation_count import OscillationCount
from lightning_seqfit.callbacks.sequential_fitting import SequentialFitting

__all__ = ["ErrorFront", "OscillationCount", "SequentialFitting"]
