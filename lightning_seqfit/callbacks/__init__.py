"""Lightning callbacks that watch a fit: :class:`SequentialFitting`, or one of its parts."""

from lightning_seqfit.callbacks.basis_snapshot import BasisSnapshot
from lightning_seqfit.callbacks.error_front import ErrorFront
from lightning_seqfit.callbacks.fourier_residual import FourierResidual
from lightning_seqfit.callbacks.oscillation_count import OscillationCount
from lightning_seqfit.callbacks.sequential_fitting import SequentialFitting
from lightning_seqfit.callbacks.stall_diagnosis import StallDiagnosis
from lightning_seqfit.watch import keeping as watch  # noqa: F401 - the name by which scripts set WRITE_SECONDS

__all__ = [
    "BasisSnapshot",
    "ErrorFront",
    "FourierResidual",
    "OscillationCount",
    "SequentialFitting",
    "StallDiagnosis",
]
