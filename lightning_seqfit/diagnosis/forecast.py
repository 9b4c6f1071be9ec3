"""Provisional."""

from lightning_seqfit.diagnosis.diagnosis import Forecast
from lightning_seqfit.diagnosis.signs import Signs


def forecast(signs: Signs, look: int) -> Forecast | None:
    return None
