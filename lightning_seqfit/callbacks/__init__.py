"""Lightning callbacks that watch a fit: :class:`SequentialFitting`, or one of its parts."""

from lightning_seqfit.callbacks.basis_snapshot import BasisSnapshot
from lightning_seqfit.callbacks.error_front import ErrorFront
from lightning_seqfit.callbacks.fourier_residual import FourierResidual
from lightning_seqfit.callbacks.oscillation_count import OscillationCount
from lightning_seqfit.callbacks.sequential_fitting import SequentialFitting

__all__ = ["BasisSnapshot", "ErrorFront", "FourierResidual", "OscillationCount", "SequentialFitting"]
