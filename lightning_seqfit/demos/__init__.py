"""Targets, networks, data and LightningModules to try the callbacks on."""

from __future__ import annotations

from lightning_seqfit.demos.data import co2_monthly, co2_weekly
from lightning_seqfit.demos.data.samples import elevation, portrait
from lightning_seqfit.demos.modules import (
    SIRENCO2,
    FunctionRegression,
    SIRENRegression,
    TanhCO2,
    TanhRegression,
)
from lightning_seqfit.demos.pinns import (
    Advection,
    Helmholtz,
    Poisson,
    advection_residual,
    helmholtz_residual,
    poisson_residual,
)
from lightning_seqfit.demos.regression import Regression
from lightning_seqfit.demos.targets import (
    cosine,
    low_frequency,
    multi_scale,
    photograph,
    plane_wave,
    product_wave,
    radial_wave,
    sine,
    sine_under_bump,
    spectral_similarity,
    tapered_sine,
)
from lightning_seqfit.networks import SIREN, FourierFeatureMLP, TanhMLP

__all__ = [
    "SIREN",
    "SIRENCO2",
    "Advection",
    "FourierFeatureMLP",
    "FunctionRegression",
    "Helmholtz",
    "Poisson",
    "Regression",
    "SIRENRegression",
    "TanhCO2",
    "TanhMLP",
    "TanhRegression",
    "advection_residual",
    "co2_monthly",
    "co2_weekly",
    "cosine",
    "elevation",
    "helmholtz_residual",
    "low_frequency",
    "multi_scale",
    "photograph",
    "plane_wave",
    "poisson_residual",
    "portrait",
    "product_wave",
    "radial_wave",
    "sine",
    "sine_under_bump",
    "spectral_similarity",
    "tapered_sine",
]
