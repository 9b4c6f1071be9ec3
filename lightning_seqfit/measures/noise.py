"""How much of given values is noise, and whether a target is nothing else.

Noise is what stays the same however often neighbours are subtracted from each other. A *contrast* of order m is the sum
of m + 1 neighbouring values with weights that leave nothing of a polynomial of degree m - 1 and whose squares add up to
1: of even points the binomial coefficients with alternating signs, of others those of a divided difference. Of white
noise a contrast has the noise's variance, whatever m and wherever the points lie; of sin(2 pi k x) on even points, n a
wavelength, it has sin^m(pi / n) (pi m)^(1/4) of its deviation: at 8 points a wavelength 0.04 for m = 4, 0.001 for
m = 8. A jump or a kink is in m of them only, so that their robust deviation hardly sees it. In several dimensions
contrasts are taken along one axis after another.

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
#: Contrasts below which nothing is said, and of uneven points as many as say it well enough.
FEWEST_CONTRASTS, MOST_CONTRASTS = 24, 20_000
#: Standard deviations of a mean of squared noise that count as noise.
DEVIATIONS = 2.0
# Mean square of a normal distribution between -3 and 3 deviations.
_WITHIN_THREE = 0.97334
# Of the mean spacing: points that coincide are as far apart.
_LEAST_SPACING = 1e-6
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
    """Standard deviation of the noise in given values, shape ``(N,)``; 0: there is none, or it cannot be told.

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
    middle = float(np.mean(values))
    size = float(np.max(np.abs(values - middle), initial=0.0))
    if size == 0.0:
        return 0.0
    scaled = (values - middle) / size  # squares of extreme values stay in range
    if geometry.dimension == 1:
        line = geometry.lines(0)[0]
        places = geometry.points[line, 0]
        contrasts = [_contrasts_along(places, scaled[line], order) for order in ORDERS]
    else:
        every = len(values)
        field = geometry.coarsen(scaled, every).reshape(geometry.coarse_shape(every))
        contrasts = [_contrasts_of(field, order) for order in ORDERS_OF_SEVERAL]
    if min(each.size for each in contrasts) < FEWEST_CONTRASTS:
        return 0.0
    low, high = (_robust_deviation(each) for each in contrasts)
    if low > MOST_RATIO * high:
        return 0.0
    noise = low if low <= ALIKE * high else high
    return noise * size if noise > LEAST_NOISE * float(np.std(scaled)) else 0.0


def noise_allowance(geometry: Geometry, window: tuple[float, ...], noise: float) -> FloatArray:
    """What noise alone puts into the windowed mean of a square: its variance and two deviations of that mean.

    noise^2 (1 + 2 sqrt(2 / n + 8 / N) + 2 / n) about each point, shape ``(N,)``. n is the number of independent values
    in the window (:meth:`~lightning_seqfit.geometry.Geometry.independent`). 8 / N is for the noise itself, which is
    estimated from all N points; 2 / n, since a mean of few squares is skewed.

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
    return 1 + DEVIATIONS * np.sqrt(2 / count + 8 / len(count)) + 2 / count


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


def _contrasts_along(places: FloatArray, values: FloatArray, order: int) -> FloatArray:
    """Contrasts of points along a line, low face first."""
    spacing = np.diff(places)
    mean = float(spacing.mean()) if spacing.size else 0.0
    if mean <= 0.0:
        return np.zeros(0)
    if float(np.ptp(spacing)) <= 1e-3 * mean:
        return _differences(values, order, 0)
    ranked = np.lexsort((values, places))
    again = (np.diff(places[ranked]) == 0) & (np.diff(values[ranked]) == 0)
    once = np.sort(ranked[np.concatenate(([True], ~again))])  # a point given twice is no second measurement
    places, values = places[once] / mean, values[once]
    if len(places) <= order:
        return np.zeros(0)
    places = places - places[0] + _LEAST_SPACING * np.arange(len(places))
    stride = -(-len(places) // MOST_CONTRASTS)
    near, values = (np.lib.stride_tricks.sliding_window_view(each, order + 1)[::stride] for each in (places, values))
    weights = np.ones_like(near)
    for one in range(order + 1):
        for other in range(order + 1):
            if one != other:
                weights[:, one] /= near[:, one] - near[:, other]
    weights /= np.sqrt(np.sum(weights**2, axis=1, keepdims=True))
    contrasts: FloatArray = np.sum(weights * values, axis=1)
    return contrasts


def _contrasts_of(field: FloatArray, order: int) -> FloatArray:
    """Contrasts along all axes of a grid."""
    for axis in range(field.ndim):
        field = _differences(field, order, axis)
    return field.ravel()


def _differences(values: FloatArray, order: int, axis: int) -> FloatArray:
    differences: FloatArray = np.diff(values, order, axis) / math.sqrt(math.comb(2 * order, order))
    return differences


def _robust_deviation(contrasts: FloatArray) -> float:
    """Deviation of a normal distribution, whatever a minority of outliers does."""
    sizes = np.abs(contrasts)
    deviation = float(np.median(sizes)) / 0.67449
    for _ in range(3):  # the median alone takes three times as many values for the same precision
        within = sizes[sizes <= 3 * deviation]
        deviation = math.sqrt(float(np.mean(within**2)) / _WITHIN_THREE)
    return deviation
