"""Targets, networks, data and LightningModules to try the callbacks on."""

from __future__ import annotations

from lightning_seqfit.demos.data import co2_monthly, co2_weekly
from lightning_seqfit.demos.modules import SIRENCO2, Regression, SIRENRegression, TanhCO2, TanhRegression
from lightning_seqfit.demos.networks import SIREN, TanhMLP
from lightning_seqfit.demos.targets import cosine, low_frequency, multi_scale, sine

__all__ = [
    "SIREN",
    "SIRENCO2",
    "Regression",
    "SIRENRegression",
    "TanhCO2",
    "TanhMLP",
    "TanhRegression",
    "co2_monthly",
    "co2_weekly",
    "cosine",
    "low_frequency",
    "multi_scale",
    "sine",
]
