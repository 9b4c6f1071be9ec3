"""What can be read off a target and decides what fits it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.front import local_scale
from lightning_seqfit.measures.highest import highest_frequencies
from lightning_seqfit.measures.trend import Trend

#: Share of the domain over which it is looked how steep a target is, and deviations of noise that count as none.
NEAR, DEVIATIONS = 0.01, 6.0


@dataclass(frozen=True)
class Facts:
    """Facts of a target of k outputs in d dimensions; of the outputs together the hardest.

    Attributes
    ----------
    frequencies : highest that matters along each axis, in cycles per domain; 0: nothing oscillates along it.
    means : the same of the power-weighted mean frequency, at most as high.
    edge : root mean square of the oscillation within a wavelength of the faces, relative to that of all; 1: it is as
        large there as inside, 0: it fades away. 1 where nothing oscillates.
    share : root mean square of the oscillation over the values' standard deviation, in (0, 1]: the rest is trend.
    noise : standard deviation of the noise over the root mean square of what oscillates without it; 0: none, ``inf``:
        the noise is all there is.
    mean, scale : of the values, mean and standard deviation, a number an output.
    steepest : of outputs that do not oscillate, the steepest place, over a hundredth of the domain, relative to a
        straight line through their range; 1: of x, 20: of tanh(40 x). 0 where all oscillate.
    """

    frequencies: tuple[float, ...]
    means: tuple[float, ...]
    edge: float
    share: float
    noise: float
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    steepest: float = 0.0

    @property
    def oscillates(self) -> bool:
        """Whether anything does."""
        return any(self.frequencies)


def facts_of(geometry: Geometry, values: FloatArray, trends: Sequence[Trend], noises: Sequence[float]) -> Facts:
    """Read a target of shape ``(N, k)``, with the trend and the noise of each output.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(400,), axes=("x",))
    >>> wave = 3 + np.sin(26 * np.pi * grid.points[:, 0])
    >>> facts = facts_of(grid, wave[:, None], [fit_trend(grid, wave)], [0.0])
    >>> facts.frequencies, round(facts.edge, 2), round(facts.share, 2), round(facts.mean[0], 2)
    ((13.0,), 0.98, 1.0, 3.0)
    """
    mean, scale = values.mean(axis=0), values.std(axis=0)
    waving = [
        (trend, noise, float(deviation))
        for trend, noise, deviation in zip(trends, noises, scale, strict=True)
        if trend.variance > 0.0
    ]
    highest = [highest_frequencies(geometry, trend, noise) for trend, noise, _ in waving]
    means = [
        [length / wave for length, wave in zip(geometry.lengths, trend.wavelength, strict=True)]
        for trend, _, _ in waving
    ]
    nothing = [(0.0,) * geometry.dimension]
    frequencies = tuple(max(along) for along in zip(*(highest or nothing), strict=True))
    return Facts(
        frequencies=frequencies,
        means=tuple(
            min(max(along), top) for along, top in zip(zip(*(means or nothing), strict=True), frequencies, strict=True)
        ),
        edge=min((_edge(geometry, trend, noise) for trend, noise, _ in waving), default=1.0),
        share=min((min(math.sqrt(trend.variance) / deviation, 1.0) for trend, _, deviation in waving), default=1.0),
        noise=max((_noise(trend, noise) for trend, noise, _ in waving), default=0.0),
        mean=tuple(map(float, mean)),
        scale=tuple(map(float, scale)),
        steepest=max(
            (
                _steepest(geometry, column, noise)
                for column, trend, noise in zip(values.T, trends, noises, strict=True)
                if trend.variance == 0.0
            ),
            default=0.0,
        ),
    )


def _steepest(geometry: Geometry, values: FloatArray, noise: float) -> float:
    """Steepest place of values, less what noise makes of it."""
    spread, steepest = float(np.ptp(values)), 0.0
    for axis, length in enumerate(geometry.lengths):
        for segment in geometry.segments(axis):
            places, along = geometry.points[segment, axis] / length, values[segment]
            ends = np.searchsorted(places, places + NEAR * (1.0 - 1e-9))
            begins = np.flatnonzero(ends < len(places))
            ends = ends[begins]
            changes = np.maximum(np.abs(along[ends] - along[begins]) - DEVIATIONS * noise, 0.0)
            steepest = max(steepest, float(np.max(changes / (places[ends] - places[begins]), initial=0.0)))
    return steepest / spread if spread else 0.0


def _edge(geometry: Geometry, trend: Trend, noise: float) -> float:
    local = local_scale(geometry, trend, noise=noise)
    ends = [
        segment[end] for axis in range(geometry.dimension) for segment in geometry.segments(axis) for end in (0, -1)
    ]
    return math.sqrt(float(np.mean(local[np.array(ends)])))


def _noise(trend: Trend, noise: float) -> float:
    clean = trend.variance - noise**2
    return noise / math.sqrt(clean) if clean > 0.0 else math.inf
