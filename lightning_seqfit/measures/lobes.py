r"""Oscillations in two and three dimensions: lobes of the target, and which of them the prediction has.

A *lobe* is a face-connected region in which u', the target less its trend, has one sign and is more than 0.3 of its RMS
away from 0, and somewhere more than 0.5 of it. A field is smoothed first, by the mean over an eighth of the shortest
significant wavelength along each axis (a sixth in three dimensions). Trend, window and RMS are the target's, for the
prediction too. sin(a pi x) sin(b pi y) on [-1, 1]^2 has 4 a b lobes, a plane wave one for every half wave.

A target lobe is *matched* if the RMS error over its points is at most ``tolerance`` times the RMS of u' there. A lobe
of the prediction is *spurious* if it overlaps no target lobe of its sign.

Of a target with noise the squares are taken less the noise's, as in :mod:`~lightning_seqfit.measures.front`, and fields
are smoothed over as much more as leaves noise of a tenth of the RMS, up to a third of the mean wavelength.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry, IntArray
from lightning_seqfit.measures.noise import squared_noise
from lightning_seqfit.measures.oscillations import FARTHEST, Oscillations
from lightning_seqfit.measures.trend import Trend

#: A lobe is where a field is further from 0 than this share of the target's RMS, and somewhere than the second one.
EDGE, PEAK = 0.3, 0.5
#: Share of the RMS that smoothing may leave of noise, and of the wavelength over which it smooths for that.
LEFT_OF_NOISE, WIDEST = 0.1, 1 / 3


@dataclass(frozen=True)
class Lobes:
    """Lobes of a field.

    Attributes
    ----------
    labels : lobe of each point, 1, 2, ...; 0: none. Shape ``(N,)``.
    signs : sign of each lobe, 1 or -1, shape ``(lobes,)``.
    """

    labels: IntArray
    signs: IntArray

    @property
    def count(self) -> int:
        """Number of lobes."""
        return len(self.signs)


def target_lobes(geometry: Geometry, trend: Trend, *, noise: float = 0.0) -> Lobes:
    """Find the target's lobes, once for all looks.

    Parameters
    ----------
    geometry : where the N points lie.
    trend : the target's, from :func:`~lightning_seqfit.measures.trend.fit_trend`.
    noise : standard deviation of the target's noise.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((-1.0, 1.0), (-1.0, 1.0)), shape=(96, 96), axes=("x", "y"))
    >>> x, y = grid.points.T
    >>> target_lobes(grid, fit_trend(grid, x + np.sin(3 * np.pi * x) * np.sin(2 * np.pi * y))).count
    24
    """
    if trend.variance <= noise**2:
        return Lobes(np.zeros(len(trend.oscillation), dtype=np.intp), np.zeros(0, dtype=np.intp))
    return _read_lobes(geometry, trend, trend.oscillation, noise)


def count_lobes(
    geometry: Geometry,
    trend: Trend,
    lobes: Lobes,
    prediction: FloatArray,
    residual: FloatArray,
    tolerance: float = 0.25,
    *,
    noise: float = 0.0,
) -> Oscillations:
    """Count the lobes that a prediction has, lacks, and has in excess.

    Parameters
    ----------
    geometry : where the N points lie.
    trend : the target's trend.
    lobes : the target's, from :func:`target_lobes`.
    prediction : shape ``(N,)``. Not finite in a lobe: the lobe is not matched, ``model`` and ``spurious`` are NaN.
    residual : prediction - target, shape ``(N,)``.
    tolerance : share of the RMS of u' that the error may reach.
    noise : standard deviation of the target's noise, as the lobes were read with.

    Returns
    -------
    Oscillations
        Every count is a whole number of lobes.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> from lightning_seqfit.measures.trend import fit_trend
    >>> grid = Grid(bounds=((-1.0, 1.0), (-1.0, 1.0)), shape=(96, 96), axes=("x", "y"))
    >>> x, y = grid.points.T
    >>> target = np.sin(3 * np.pi * x) * np.sin(2 * np.pi * y)
    >>> trend = fit_trend(grid, target)
    >>> prediction = np.where(x > 0, target, 0.0)  # the right half is fitted
    >>> seen = count_lobes(grid, trend, target_lobes(grid, trend), prediction, prediction - target)
    >>> seen.target, seen.model, seen.fitted, seen.missing, seen.spurious
    (24.0, 12.0, 12.0, 12.0, 0.0)
    """
    size = trend.largest or 1.0
    inside = lobes.labels > 0
    labels = lobes.labels[inside]
    with np.errstate(invalid="ignore"):
        error = np.clip(residual[inside], -FARTHEST * size, FARTHEST * size) / size
    allowed, squared = (
        np.bincount(labels, square, lobes.count + 1)[1:].astype(np.float64)
        for square in ((trend.oscillation[inside] / size) ** 2, error**2)
    )
    if noise > 0.0:
        points = np.bincount(labels, minlength=lobes.count + 1)[1:].astype(np.float64)
        allowed = allowed - points * (noise / size) ** 2
        squared = np.maximum(squared - points * squared_noise(noise / size, points), 0.0)
    matched = squared <= tolerance**2 * allowed
    fitted = float(np.count_nonzero(matched))
    model = spurious = math.nan
    if np.isfinite(prediction).all():
        model = spurious = 0.0
        if lobes.count:
            far = FARTHEST * size
            oscillation = np.clip(prediction, trend.values - far, trend.values + far) - trend.values
            seen = _read_lobes(geometry, trend, oscillation, noise)
            signs = np.concatenate(([0], lobes.signs))[lobes.labels]
            own = np.concatenate(([2], seen.signs))[seen.labels]
            shared = np.bincount(seen.labels[signs == own], minlength=seen.count + 1)[1:]
            model, spurious = float(seen.count), float(np.count_nonzero(shared == 0))
    return Oscillations(
        target=float(lobes.count),
        model=model,
        fitted=fitted,
        missing=lobes.count - fitted,
        spurious=spurious,
        matched=matched,
    )


def _read_lobes(geometry: Geometry, trend: Trend, field: FloatArray, noise: float) -> Lobes:
    rms = math.sqrt(trend.variance - noise**2) if noise else math.sqrt(trend.variance)
    smoothed = geometry.moving_mean(field / rms, _smoothing(geometry, trend, noise / rms))
    positive, negative = geometry.components(smoothed > EDGE), geometry.components(smoothed < -EDGE)
    found = np.zeros(len(field), dtype=np.intp)
    signs: list[int] = []
    for sign, labels in ((1, positive), (-1, negative)):
        kept = np.bincount(labels[sign * smoothed > PEAK], minlength=int(labels.max(initial=0)) + 1) > 0
        numbers = np.where(kept, np.cumsum(kept) + len(signs), 0)
        found += numbers[labels]
        signs += [sign] * int(np.count_nonzero(kept))
    return Lobes(found, np.array(signs, dtype=np.intp))


def _smoothing(geometry: Geometry, trend: Trend, noise: float) -> tuple[float, ...]:
    """Window per axis; along an axis without a wavelength the smallest share of the others. Noise is relative."""
    parts = 8 if geometry.dimension < 3 else 6
    shares = [shortest / length for shortest, length in zip(trend.shortest_wavelength, geometry.lengths, strict=True)]
    smallest = min(shares)
    if not math.isfinite(smallest):
        return (0.0,) * geometry.dimension
    shares = [(share if math.isfinite(share) else smallest) / parts for share in shares]
    if noise > LEFT_OF_NOISE:
        cells = geometry.shape or (len(geometry.points),)
        averaged = math.prod(max(share * count, 1.0) for share, count in zip(shares, cells, strict=True))
        wider = max((noise / LEFT_OF_NOISE) ** 2 / averaged, 1.0) ** (1 / geometry.dimension)
        widest = [WIDEST * wave / length for wave, length in zip(trend.wavelength, geometry.lengths, strict=True)]
        shares = [
            max(share, min(wider * max(share, 1 / count), most))
            for share, count, most in zip(shares, cells, widest, strict=True)
        ]
    return tuple(share * length for share, length in zip(shares, geometry.lengths, strict=True))
