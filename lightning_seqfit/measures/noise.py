"""Whether a target is noise: along an axis its power is spread evenly over all frequencies, everywhere.

Flatness of a spectrum: exp(mean ln P) / mean P over its bins, 1 where all are alike, near 0 where a few hold it all. Of
white noise it is exp(-0.577) = 0.56, whatever its distribution. A chirp and a single spike are flat as well, taken as a
whole; of a stretch of 32 cells the one holds a few frequencies, and most such stretches hold nothing of the other. So
noise is what is flat as a whole and in the median over such stretches.
"""

from __future__ import annotations

import numpy as np

from lightning_seqfit.geometry import FloatArray, Grid

#: Flatness from which on a target is taken for noise. Measured on 512 cells: noise from 0.45 on, the least flat a sum
#: of a sine and noise of twice its size; chirps, square waves, steps and spikes up to 0.24.
LEAST_FLATNESS = 0.35
#: Cells of the stretches that are looked at one by one.
STRETCH = 32
# Of the mean: a bin that is 0 by chance, as of random signs, must not make a spectrum of thousands uneven.
_LEAST_SHARE = 1e-6


def flatness(power: FloatArray) -> FloatArray:
    """Flatness along the last axis, shape ``(...)``; 0 where there is no power.

    Examples
    --------
    >>> flatness(np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 0.0]])).round(3).tolist()
    [1.0, 0.0]
    """
    mean = np.mean(power, axis=-1)
    known = mean > 0.0
    shares = power / np.where(known, mean, 1.0)[..., np.newaxis]
    result: FloatArray = np.where(known, np.exp(np.mean(np.log(np.maximum(shares, _LEAST_SHARE)), axis=-1)), 0.0)
    return result


def is_noise(grid: Grid, field: FloatArray, axis: int) -> bool:
    """Whether a field of mean 0 is noise along an axis.

    Examples
    --------
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> chirp = np.sin(250 * np.pi * grid.points[:, 0] ** 2)
    >>> is_noise(grid, np.random.default_rng(0).standard_normal(512), 0), is_noise(grid, chirp, 0)
    (True, False)
    """
    largest = float(np.max(np.abs(field), initial=0.0))
    if largest == 0.0:
        return False
    scaled = field / largest  # squares of extreme targets stay in range
    frequency = np.rint(grid.frequencies[:, axis]).astype(np.intp)
    along: FloatArray = np.bincount(frequency, grid.power(scaled)).astype(np.float64)
    if flatness(along[1:]) < LEAST_FLATNESS:
        return False
    lines = scaled[grid.lines(axis)]
    width = min(STRETCH, lines.shape[1])
    stretches = lines[:, : lines.shape[1] // width * width].reshape(-1, width)
    stretches = (stretches - stretches.mean(axis=1, keepdims=True)) * np.hanning(width + 2)[1:-1]
    power = np.abs(np.fft.rfft(stretches, axis=1)[:, 1:-1]) ** 2
    return bool(np.median(flatness(np.where(power > 1e-20, power, 0.0))) >= LEAST_FLATNESS)
