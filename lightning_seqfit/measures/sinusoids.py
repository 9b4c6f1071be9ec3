r"""Sinusoids of any frequency in a field, taken out one after another, strongest first.

The field is fitted by

    [1, x_1, ..., x_d, and for every sinusoid  cos and sin of 2 pi (f_1 x_1 +- ... +- f_d x_d)],

x in box lengths, in several dimensions with all sign combinations that differ by more than the overall sign: a plane
wave and a standing wave are one sinusoid each. A frequency begins at the strongest bin of what is left, is sought
between the bins, and then all frequencies are refined together (Gauss-Newton), amplitudes and plane fitted anew each
time: the frequencies of waves that lie close together cannot be found one by one. It ends when a thousandth of what
oscillates is left, or where one more sinusoid would take less than an eighth of what is left: a chirp, a burst or noise
is no sum of a few sinusoids, and stays in the rest.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry, IntArray

#: Cycles over the domain below which a sinusoid is slow: trend. A little below one,
SLOWEST = 0.95
#: and this where something else is left: noise and a taper move the frequency of a cycle.
ROUGHLY_SLOWEST = 0.75
#: Nothing else is left below this share of the variance: of a sum of sinusoids in single precision.
EXACT = 1e-6
#: It ends when this share of what oscillates is left,
LEFT = 1e-3
#: or where the next one takes less than this share of what is left,
LEAST_TAKEN = 1 / 8
#: or at this number of them.
MOST_SINUSOIDS = 8
# Slower than this cosine and sine are a parabola and a cubic, and their amplitudes are not determined.
_LOWEST = 0.1
# One fit is as good as another that has a parameter more where its mean square is larger by at most this share over
# the number of points: noise alone makes it larger by one, give or take 1.4.
_AS_GOOD = 10.0
# A frequency this near to a whole one is whole: single precision moves it.
_WHOLE = 1e-4
# Of waves no slower than this many cycles a line takes too little to matter.
_LEVEL_BELOW = 4.0
# Points on which the sinusoids are sought: at least, and along each axis for a cycle of the fastest.
_FEWEST_POINTS, _POINTS_A_CYCLE = 1024, 8
# Sinusoids less than this apart, in cycles over the domain, are one whose amplitude changes, unless nothing is left;
# and less than this they cannot be told apart.
_APART, _SAME = 0.8, 0.3
# Offsets from the strongest bin between which the refinement begins.
_OFFSETS = (-0.5, -0.25, 0.0, 0.25, 0.5)
_SLOW_STARTS = (0.15, 0.3, 0.5, 0.75)
_MOST_STEPS = 12
# The refinement ends where a step takes less than this share of what is left.
_LEAST_GAIN = 0.01
# What is left is rounding below this share of the field's mean square.
_ROUNDING = 1e-28


@dataclass(frozen=True)
class Sinusoids:
    """The m sinusoids of a field, slowest first.

    Attributes
    ----------
    plane : constant and linear part, shape ``(N,)``.
    frequency : in cycles per box length along each axis, 0 and up, shape ``(m, d)``.
    power : half the sum of the squared amplitudes, shape ``(m,)``: the mean square over whole cycles.
    waves : values of each, shape ``(m, N)``.
    left : what they and the plane leave of the field, shape ``(N,)``.
    exact : whether that is next to nothing: the field is a sum of these.
    slow : number of the slow ones.
    """

    plane: FloatArray
    frequency: FloatArray
    power: FloatArray
    waves: FloatArray
    left: FloatArray
    exact: bool
    slow: int

    @property
    def cycles(self) -> FloatArray:
        """Cycles over the domain, the Euclidean norm of the frequency, shape ``(m,)``."""
        return _cycles(self.frequency)


def take_out(geometry: Geometry, field: FloatArray, least: float = 0.0, most: int = MOST_SINUSOIDS) -> Sinusoids:
    """Take the sinusoids out of a field.

    Parameters
    ----------
    geometry : where the N points lie.
    field : shape ``(N,)``, finite; its squares must be in the range of a float.
    least : mean square that may be left: of noise, or of rounding.
    most : sinusoids at the most.

    Returns
    -------
    Sinusoids

    Examples
    --------
    >>> from lightning_seqfit.geometry import Grid
    >>> grid = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
    >>> x = grid.points[:, 0]
    >>> found = take_out(grid, 2.0 - x + np.sin(6.8 * np.pi * x) + 0.3 * np.cos(43.4 * np.pi * x))
    >>> found.frequency.ravel().round(9).tolist(), found.power.round(9).tolist()
    ([3.4, 21.7], [0.5, 0.045])
    """
    thin, numbers = _thinned(geometry, field)
    sloping, fewer = True, _taken_out(_Fit(thin, field[numbers], sloping=True), least, most)
    if fewer.frequency.size == 0 or _cycles(fewer.frequency).min() < _LEVEL_BELOW:
        # a slope that is not there makes the frequencies of slow waves uncertain
        level = _taken_out(_Fit(thin, field[numbers], sloping=False), least, most)
        enough = max((1 + _AS_GOOD / len(numbers)) * fewer.error, _ROUNDING * float(np.mean(field**2)), least)
        no_more = len(level.frequency) <= len(fewer.frequency) and _slow(level) <= _slow(fewer)
        if level.error <= EXACT * fewer.error or (no_more and level.error <= enough):
            sloping, fewer = False, level
    fit = _Fit(geometry, field, sloping=sloping)
    return fit.sinusoids(fewer if thin is geometry else fit.refined(fewer.frequency))


def _thinned(geometry: Geometry, field: FloatArray) -> tuple[Geometry, IntArray]:
    """Fewer points where they tell the field's frequencies as well: of a long series."""
    power = geometry.power(field - np.mean(field))
    highest = float(np.max(geometry.frequencies[power >= LEFT * np.max(power)], initial=1.0))
    count = max(_FEWEST_POINTS, round((_POINTS_A_CYCLE * highest) ** geometry.dimension))
    return geometry.thinned(count) if 2 * count <= len(field) else (geometry, np.arange(len(field)))


def _taken_out(fit: _Fit, least: float, most: int) -> _State:
    state = fit.at(np.zeros((0, fit.geometry.dimension)))
    apart, nothing = state, EXACT * state.error
    while len(state.frequency) < most:
        left = state.error
        if left <= max(least, _ROUNDING * fit.size) or left <= LEFT * (left + fit.oscillating(state)):
            break
        candidate = fit.strongest(state)
        if candidate is None:
            break
        better = fit.refined(np.vstack([state.frequency, candidate]))
        nearest = _nearest(better.frequency)
        if left - better.error < LEAST_TAKEN * left or nearest < _SAME:
            break
        state = better
        apart = state if nearest >= _APART else apart
    return fit.whole_cycle(state if state.error <= nothing else apart)


@dataclass(frozen=True)
class _State:
    """Frequencies, coefficients of all columns, what is left, and its mean square."""

    frequency: FloatArray
    columns: FloatArray
    coefficients: FloatArray
    left: FloatArray
    error: float


class _Fit:
    """Least squares of a field by a plane and sinusoids of given frequencies."""

    def __init__(self, geometry: Geometry, field: FloatArray, *, sloping: bool) -> None:
        self.geometry, self.field = geometry, np.asarray(field, dtype=np.float64)
        self.unit = unit_places(geometry)
        self.plane = np.column_stack([np.ones(len(self.unit)), self.unit][: 1 + sloping])
        self.size = float(np.mean(self.field**2))
        self.bins = geometry.frequencies

    def at(self, frequency: FloatArray) -> _State:
        """Best fit with these frequencies."""
        columns = np.column_stack([self.plane, *(c for f in frequency for c in harmonics(self.unit, f))])
        gram = columns.T @ columns
        coefficients = np.zeros(columns.shape[1])
        left = self.field
        for _ in range(2):  # the second time takes back what the normal equations lose
            coefficients = coefficients + np.linalg.lstsq(gram, columns.T @ left, rcond=1e-13)[0]
            left = self.field - columns @ coefficients
        return _State(frequency, columns, coefficients, left, float(np.mean(left**2)))

    def strongest(self, state: _State) -> FloatArray | None:
        """Frequency near the strongest bin that takes most of what is left; None: less than it must."""
        power = self.geometry.power(state.left)
        power[0] = 0.0
        frequency = self.bins[int(np.argmax(power))].copy()
        basis = np.linalg.qr(state.columns)[0]
        most = 0.0
        for axis in np.flatnonzero(frequency):
            middle = best = frequency[axis]
            starts = [middle + offset for offset in _OFFSETS] + (list(_SLOW_STARTS) if middle < 1.5 else [])
            for start in starts:
                trial = frequency.copy()
                trial[axis] = start
                taken = self._taken(state, basis, trial)
                if taken > most:
                    most, best = taken, start
            frequency[axis] = best
        # a quarter of a bin beside a line 5 % of its power are missed
        return frequency if most >= 0.9 * LEAST_TAKEN * state.error * len(self.field) else None

    def _taken(self, state: _State, basis: FloatArray, frequency: FloatArray) -> float:
        """Sum of squares that one more sinusoid takes of what is left, the others' frequencies as they are."""
        columns = np.column_stack(harmonics(self.unit, frequency))
        columns = columns - basis @ (basis.T @ columns)
        against = columns.T @ state.left
        return float(against @ np.linalg.lstsq(columns.T @ columns, against, rcond=1e-10)[0])

    def refined(self, frequency: FloatArray) -> _State:
        """Refine all frequencies together."""
        state = self.at(frequency)
        for _ in range(_MOST_STEPS):
            if not frequency.size or state.error <= _ROUNDING * self.size:
                break
            step, before = self._step(state), state.error
            for shorter in (1.0, 0.25, 0.0625):
                moved = np.where(frequency > 0, np.maximum(state.frequency + shorter * step, _LOWEST), 0.0)
                trial = self.at(moved)
                if trial.error < before:
                    state = trial
                    break
            if state.error > before * (1 - _LEAST_GAIN):
                break
        return state

    def whole_cycle(self, state: _State) -> _State:
        """Take a slow wave for a whole cycle where that explains the field as well: noise does not tell them apart."""
        for number in np.flatnonzero(np.sum(state.frequency**2, axis=1) < SLOWEST**2):
            frequency = state.frequency.copy()
            frequency[number] = frequency[number] > 0
            if np.count_nonzero(frequency[number]) > 1:
                continue
            trial = self.at(frequency)
            if trial.error > state.error * (1 + _AS_GOOD / len(self.field)):
                trial = self.refined(frequency)
                if trial.error >= state.error:
                    continue
            state = trial
        return state

    def _step(self, state: _State) -> FloatArray:
        slopes, places = [], np.argwhere(state.frequency > 0)
        first = self.plane.shape[1]
        for row in state.frequency:
            present = np.flatnonzero(row)
            for axis_number, axis in enumerate(present):
                slope = np.zeros(len(self.field))
                for pair, signs in enumerate(_signs(len(present))):
                    cosine, sine = first + 2 * pair, first + 2 * pair + 1
                    slope += signs[axis_number] * (
                        state.coefficients[sine] * state.columns[:, cosine]
                        - state.coefficients[cosine] * state.columns[:, sine]
                    )
                slopes.append(2 * np.pi * self.unit[:, axis] * slope)
            first += 2 * len(_signs(len(present)))
        # in units of their size: amplitudes range over many orders
        scales = [float(np.sqrt(s @ s)) or 1.0 for s in slopes]
        jacobian = np.column_stack([state.columns, *(s / scale for s, scale in zip(slopes, scales, strict=True))])
        change = np.linalg.lstsq(jacobian.T @ jacobian, jacobian.T @ state.left, rcond=1e-13)[0]
        step = np.zeros_like(state.frequency)
        step[tuple(places.T)] = np.clip(change[-len(slopes) :] / scales, -0.5, 0.5)
        return step

    def oscillating(self, state: _State) -> float:
        """Power of the sinusoids that are no trend."""
        return sum(
            power
            for power, row in zip(self._powers(state), state.frequency, strict=True)
            if math.sqrt(float(row @ row)) >= SLOWEST
        )

    def _places(self, state: _State) -> list[slice]:
        """Columns of each sinusoid."""
        counts = [2 * len(_signs(np.count_nonzero(row))) for row in state.frequency]
        ends = list(itertools.accumulate(counts, initial=self.plane.shape[1]))
        return [slice(begin, end) for begin, end in itertools.pairwise(ends)]

    def _powers(self, state: _State) -> list[float]:
        return [float(np.sum(state.coefficients[place] ** 2)) / 2 for place in self._places(state)]

    def sinusoids(self, state: _State) -> Sinusoids:
        """What was found, slowest first."""
        order = np.argsort(np.sum(state.frequency**2, axis=1), kind="stable")
        waves = [state.columns[:, place] @ state.coefficients[place] for place in self._places(state)]
        linear = self.plane.shape[1]
        whole = np.rint(state.frequency)
        frequency = np.where(np.abs(state.frequency - whole) < _WHOLE, whole, state.frequency)
        plane = np.column_stack([np.ones(len(self.unit)), self.unit])
        detrended = self.field - plane @ np.linalg.lstsq(plane, self.field, rcond=None)[0]
        exact = state.error <= EXACT * float(np.mean(detrended**2))
        slowest = SLOWEST if exact else ROUGHLY_SLOWEST
        return Sinusoids(
            plane=self.plane @ state.coefficients[:linear],
            frequency=frequency[order],
            power=np.array(self._powers(state), dtype=np.float64)[order],
            waves=np.array(waves, dtype=np.float64).reshape(len(order), len(self.field))[order],
            left=state.left,
            exact=exact,
            slow=int(np.count_nonzero(np.sum(frequency**2, axis=1) < slowest**2)),
        )


def _signs(axes: int | np.intp) -> list[tuple[float, ...]]:
    """Sign combinations of a wave along some axes that differ by more than the overall sign."""
    return [(1.0, *signs) for signs in itertools.product((1.0, -1.0), repeat=int(axes) - 1)] if axes else []


def unit_places(geometry: Geometry) -> FloatArray:
    """Places of the points in box lengths from the middle, in [-1/2, 1/2], shape ``(N, d)``."""
    centres = np.array([(low + high) / 2 for low, high in geometry.bounds])
    places: FloatArray = (geometry.points - centres) / np.array(geometry.lengths)
    return places


def harmonics(unit: FloatArray, frequency: FloatArray) -> list[FloatArray]:
    """Cosine and sine of a frequency, shape ``(d,)``, in all its sign combinations; ``unit``: places in box lengths."""
    present = np.flatnonzero(frequency)
    columns = []
    for signs in _signs(len(present)):
        phase = 2 * np.pi * (unit[:, present] @ (frequency[present] * np.array(signs)))
        columns += [np.cos(phase), np.sin(phase)]
    return columns


def _cycles(frequency: FloatArray) -> FloatArray:
    norm: FloatArray = np.sqrt(np.sum(frequency**2, axis=1))
    return norm


def _slow(state: _State) -> int:
    return int(np.count_nonzero(_cycles(state.frequency) < SLOWEST))


def _nearest(frequency: FloatArray) -> float:
    """Least distance of two sinusoids that are no trend along the axis on which they differ most."""
    oscillating = frequency[_cycles(frequency) >= SLOWEST]
    pairs = itertools.combinations(oscillating, 2)
    return min((float(np.max(np.abs(one - other))) for one, other in pairs), default=math.inf)
