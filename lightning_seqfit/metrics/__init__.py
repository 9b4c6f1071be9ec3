"""Errors by frequency for a validation loop, as torchmetrics has them point by point."""

from lightning_seqfit.metrics import functional
from lightning_seqfit.metrics.fourier_band_error import FourierBandError

__all__ = ["FourierBandError", "functional"]
