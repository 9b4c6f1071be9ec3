"""How much of given values is noise, and whether a target is nothing else.

Noise is what stays the same however often neighbours are subtracted from each other: in
:mod:`~lightning_seqfit.measures.contrasts` of a low order and of a high one.

A target is noise where along an axis its power is spread evenly over all frequencies, everywhere.
Flatness of a spectrum: exp(mean ln P) / mean P over its bins, 1 where all are alike, near 0 where a few hold it all. Of
white noise it is exp(-0.577) = 0.56, whatever its distribution. A chirp and a single spike are flat as well, taken as a
whole; of a stretch of 32 cells the one holds a few frequencies, and most such stretches hold nothing of the other. So
noise is what is flat as a whole and in the median over such stretches.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry, Grid
from lightning_seqfit.measures.contrasts import (
    contrasts_along,
    contrasts_among,
    contrasts_of,
    laid_out,
    robust_deviation,
)

#: Flatness from which on a target is taken for noise. Measured on 512 cells: noise from 0.45 on, the least flat a sum
#: of a sine and noise of twice its size; chirps, square waves, steps and spikes up to 0.24.
LEAST_FLATNESS = 0.35
#: Cells of the stretches that are looked at one by one.
STRETCH = 32
#: Orders of the contrasts along one axis, and along each of several.
ORDERS, ORDERS_OF_SEVERAL = (4, 8), (2, 4)
#: Values are not noise but too fast for the points where the lower order has more than this times the higher one's
#: deviation: sin(2 pi k x) has 3.4 times at 4 points a wavelength, 5 times at 5. Of noise and such a sine, where the
#: noise is a sixth of it or less.
MOST_RATIO = 2.5
#: The lower order, which takes fewer values for the same precision, has the noise's deviation unless it has this times
#: the higher one's: then it has some of what is no noise.
ALIKE = 1.2
#: Least noise, as a share of the values' own deviation; below lies the rounding of float32.
LEAST_NOISE = 1e-4
#: Contrasts below which nothing is said.
FEWEST_CONTRASTS = 24
#: The same of contrasts among points in two and three dimensions: waves of 10 random points a lobe have 8 times in two
#: and 2.1 to 3.5 times in three.
MOST_RATIO_AMONG = 2.0
#: Points in more dimensions lie so far apart that what is smooth looks like noise: there it must be clearer, and less
#: than this share of the values' own deviation.
MOST_RATIO_OF_CLOUD, MOST_NOISE_OF_CLOUD = 1.3, 0.6
#: Standard deviations of a mean of squared noise that count as noise.
DEVIATIONS = 2.0
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


def noise_deviation(geometry: Geometry, values: FloatArray) -> float:
    """Standard deviation of the noise in given values; 0: there is none, or it cannot be told.

    One value for each of the points where they are given, shape ``(P,)``: on a line or a grid those of the geometry, of
    which only some may be covered; elsewhere ``geometry.asked``, see :func:`noise_of_points`.

    The robust deviation of contrasts, of two orders the one that says more. Measured with 400 points, even or random,
    and noise of 0.05 and 0.4 of the values' own deviation, on sines of 3 and 13 cycles, a chirp, a packet, |x|, exp,
    sqrt, a step and a sawtooth of 9 teeth: right within 3 % in the mean (the sawtooth 8 %), with a deviation of 5 to
    8 % from draw to draw; 11 to 14 % with 128 points, 3 % with 2,000. Without noise 0 of all these.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(1000,), axes=("x",))
    >>> wave = np.sin(40 * np.pi * grid.points[:, 0])
    >>> noise_deviation(grid, wave)
    0.0
    >>> round(noise_deviation(grid, wave + 0.2 * np.random.default_rng(0).standard_normal(1000)), 2)
    0.2
    """
    if geometry.kind in ("points", "cloud"):
        return noise_of_points(geometry.asked, values)
    scaled, size = _scaled(values)
    if size == 0.0:
        return 0.0
    if geometry.dimension == 1:
        line = geometry.lines(0)[0]
        places = geometry.points[line, 0]
        contrasts = [contrasts_along(places, scaled[line], order) for order in ORDERS]
    else:
        lines = geometry.lines(geometry.dimension - 1)  # in C order, -1 where nothing is given
        field = np.append(scaled, math.nan)[lines].reshape(geometry.coarse_shape(lines.size))
        contrasts = [contrasts_of(field, order) for order in ORDERS_OF_SEVERAL]
    return size * _decided(contrasts, scaled)


def noise_of_points(points: FloatArray, values: FloatArray) -> float:
    """Standard deviation of the noise in values given at points anywhere in two or more dimensions.

    Parameters
    ----------
    points : shape ``(P, d)``, d at least 2. Several measurements at one point say most; a point that is given twice
        with one value is no second measurement.
    values : shape ``(P,)``.

    Returns
    -------
    float
        0 and up; 0: there is none, or it cannot be told.

    Notes
    -----
    Measured with noise of 0.05, 0.2 and 0.5 of the deviation of a bowl, exp, a kink and waves of 20 and more random
    points a lobe: in two dimensions right within 3 % in the mean, and from draw to draw within 5 % with 1,000 points, 2
    % with 5,000; an edge 3 to 7 % more. In three, from 100 points a lobe on, within 5 %, an edge 5 to 15 % more with
    5,000 points; on faster waves small noise is not told. In more, little but noise of half the deviation on what
    hardly bends. Without noise 0 of all these, in two and three dimensions from 10 points a lobe on.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> points = rng.random((2000, 2))
    >>> wave = np.sin(9 * points.sum(axis=1))
    >>> noise_of_points(points, wave), round(noise_of_points(points, wave + 0.2 * rng.standard_normal(2000)), 2)
    (0.0, 0.2)
    """
    scaled, size = _scaled(values)
    if size == 0.0:
        return 0.0
    if points.shape[1] > 3:
        every = contrasts_among(points, scaled)
        noise = _decided([every[:, -1], every[:, 0]], scaled, MOST_RATIO_OF_CLOUD, every)
        return size * noise if noise < MOST_NOISE_OF_CLOUD * float(np.std(scaled)) else 0.0
    field = laid_out(points, scaled)
    if field is not None:
        contrasts = [contrasts_of(field, order) for order in ORDERS_OF_SEVERAL]
        if min(each.size for each in contrasts) >= FEWEST_CONTRASTS:
            return size * _decided(contrasts, scaled)
    every = contrasts_among(points, scaled)
    return size * _decided([every[:, -1], every[:, 0]], scaled, MOST_RATIO_AMONG, every)


def _decided(
    contrasts: list[FloatArray], values: FloatArray, most_ratio: float = MOST_RATIO, every: FloatArray | None = None
) -> float:
    """Noise that contrasts of which smooth values leave more, and such of which they leave less, have in common.

    ``every``: contrasts that say it more precisely where these are alike; by default the first.
    """
    if min(each.size for each in contrasts) < FEWEST_CONTRASTS:
        return 0.0
    low, high = (robust_deviation(each) for each in contrasts)
    if low > most_ratio * high:
        return 0.0
    if low <= ALIKE * high:
        high = low if every is None else robust_deviation(every.ravel())
    return high if high > LEAST_NOISE * float(np.std(values)) else 0.0


def _scaled(values: FloatArray) -> tuple[FloatArray, float]:
    """Values about their mean, at most 1 in size, and what they are to be multiplied with; 0: they are constant."""
    apart = values - float(np.mean(values))
    size = float(np.max(np.abs(apart), initial=0.0))
    return apart / (size or 1.0), size  # squares of extreme values stay in range


def noise_allowance(geometry: Geometry, window: tuple[float, ...], noise: float) -> FloatArray:
    """What noise alone puts into the windowed mean of a square: its variance and two deviations of that mean.

    noise^2 (1 + 2 sqrt(2 / n + 8 / N) + 2 / n) about each point, shape ``(N,)``. n is the number of independent values
    in the window (:meth:`~lightning_seqfit.geometry.Geometry.independent`). 8 / N is for the noise itself, which is
    estimated from all N given points; 2 / n, since a mean of few squares is skewed.

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(100,), axes=("x",))
    >>> noise_allowance(grid, (0.08,), 1.0)[[0, 50]].round(3).tolist()  # 5 points at the end, 9 with both ends inside
    [2.786, 2.322]
    """
    return np.zeros(len(geometry.points)) if noise == 0.0 else noise**2 * _allowance(geometry, window)


@lru_cache(maxsize=4)  # the front asks for the same at each look, and finding it takes ten times as long as the rest
def _allowance(geometry: Geometry, window: tuple[float, ...]) -> FloatArray:
    count = geometry.independent(window)
    return 1 + DEVIATIONS * np.sqrt(2 / count + 8 / len(geometry.asked)) + 2 / count


def most_noise(noise: float, count: int) -> float:
    """Return what the deviation of noise that is estimated from ``count`` values may be at the most.

    Examples
    --------
    >>> round(most_noise(0.2, 400), 2), round(most_noise(0.2, 100_000), 2)
    (0.23, 0.2)
    """
    return noise * math.sqrt(1 + DEVIATIONS * math.sqrt(12 / count))


def squared_noise(noise: float, count: FloatArray) -> FloatArray:
    """What noise alone puts into a mean of ``count`` squares: noise^2 (1 + 2 sqrt(2 / count) + 2 / count).

    Examples
    --------
    >>> squared_noise(0.1, np.array([2.0, 8.0, 1e9])).round(4).tolist()
    [0.04, 0.0225, 0.01]
    """
    allowed: FloatArray = noise**2 * (1 + DEVIATIONS * np.sqrt(2 / count) + 2 / count)
    return allowed
