"""From a target's spectrum to what is recommended for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.highest import highest_frequencies
from lightning_seqfit.measures.trend import Trend
from lightning_seqfit.planning.plan import Advised, Plan

#: c, and between which it works.
SHARE, LOWEST, HIGHEST = 0.5, 0.15, 2.0


def recommend(
    geometry: Geometry, values: FloatArray, trends: Sequence[Trend], noises: Sequence[float], *, given: bool
) -> Plan:
    """Say what a target asks of a network.

    Parameters
    ----------
    geometry : where its N points lie.
    values : at them, shape ``(N, k)``.
    trends, noises : of each of the k outputs: trend, and standard deviation of the noise.
    given : the values are given at these points, and cannot be asked for elsewhere.

    Raises
    ------
    ValueError
        If nothing can be recommended.
    """
    known = [highest_frequencies(geometry, trend) for trend in trends]
    frequencies = tuple(max(each) for each in zip(*known, strict=True))
    if not all(map(math.isfinite, frequencies)) or not any(frequencies):
        raise ValueError("nothing can be planned: the target's points have no frequencies, or nothing oscillates in it")
    far = max(abs(edge) for pair in geometry.bounds for edge in pair)
    scaled = far > 10.0
    lengths = [2.0] * geometry.dimension if scaled else [float(each) for each in geometry.lengths]
    wave = max(frequency / length for frequency, length in zip(frequencies, lengths, strict=True))
    mean, scale = values.mean(axis=0), values.std(axis=0)
    standardised = bool(np.any(scale > 3.0) or np.any(scale < 0.3) or np.any(np.abs(mean) > 3.0 * scale))
    evenly = tuple(max(math.ceil(4 * frequency), 4) for frequency in frequencies)
    return Plan(
        axes=tuple(geometry.axes),
        bounds=tuple((float(low), float(high)) for low, high in geometry.bounds),
        frequencies=frequencies,
        network=Advised("siren", "", ""),
        omega_0=Advised(SHARE * 2 * math.pi * wave, "", "", LOWEST * 2 * math.pi * wave, HIGHEST * 2 * math.pi * wave),
        sigma=Advised(SHARE * wave, "", "", LOWEST * wave, HIGHEST * wave),
        rates={
            "siren": Advised(5e-4, "", "", 5e-5, 5e-3),
            "fourier": Advised(1e-3, "", ""),
            "tanh": Advised(5e-3, "", ""),
        },
        width=Advised(64, "", ""),
        depth=Advised(2, "", ""),
        evenly=Advised(evenly, "", ""),
        at_random=Advised(13 * math.ceil(max(frequencies)), "", ""),
        inputs=Advised("[-1, 1]" if scaled else "as they are", "", ""),
        values=Advised("standardised" if standardised else "as they are", "", ""),
        tanh=Advised(None, "", ""),
        mean=tuple(float(each) for each in mean),
        scale=tuple(float(each) for each in scale),
    )
