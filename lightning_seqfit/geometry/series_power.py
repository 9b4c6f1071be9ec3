r"""The spectrum of a field along a series of places.

Even places without a gap
    have the DFT, as a grid has: every frequency is exact.
Up to 1,024 points without a gap
    have harmonics up to K, fitted together by least squares,

        field(t) ~ a_0 + sum over k = 1, ..., K of a_k cos(2 pi k t) + b_k sin(2 pi k t),   t in [0, 1].

    K begins at a quarter of the number of places and is halved until the condition number of the fit is at most 20. Of
    any sum of such harmonics they are all exact. What is left over has its spectrum above K as below.
All others
    have the DFT of the field that is constant on each cell, its mean taken out, 0 in the gaps, averaged over even bins:
    as many as there are places, and for the gaps as many more. Divided by the share of the axis that is covered, its
    powers add up to the mean square. A field with f cycles among N places at random keeps all but about 10 (f / N)^2
    of its power at f; the rest is spread over all frequencies. With a gap, what lies closer together than one cycle in
    the longest stretch without one cannot be told apart.

What no frequency holds, variation within a bin or between points that coincide, is the mean square less the sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import fft, linalg

from lightning_seqfit.geometry.base import FloatArray, IntArray
from lightning_seqfit.geometry.series import Series

#: Condition number of the fit of harmonics which is still accepted. In the spectrum of 512 points drawn at random,
#: noise then has up to four times its power; at 100 up to 36 times, and 6.5 cycles with a tenth of noise have the
#: wavelength of 31.
MOST_CONDITION = 20.0
#: Points to which harmonics are fitted, at the most.
MOST_FITTED = 1024
# Bins, at the most, for each place: where gaps are wider than that, bins are wider than the spacing.
_MOST_BINS = 16


@dataclass(frozen=True)
class Powers:
    """Frequencies of a series, and what a field has there.

    Attributes
    ----------
    series : the places.
    frequencies : cycles per axis, shape ``(M,)``; the first is 0.
    exact : highest of the fitted harmonics, or of all where all are exact; 0: none is.
    condition : condition number of that fit; 1: as good as a grid.
    complete : whether the powers of any field add up to its mean square.
    """

    series: Series
    frequencies: FloatArray
    exact: int
    condition: float
    complete: bool
    _bins: _Bins | None
    _harmonics: _Harmonics | None

    @classmethod
    def of(cls, series: Series, places: FloatArray) -> Powers:
        """Prepare for the sorted coordinates of the points, in shares of the axis."""
        distinct = len(series.starts)
        low, high = float(series.low[0]), float(series.high[-1])
        if series.step > 0 and series.slots <= _MOST_BINS * distinct:
            low, count, width = float(places[0]) - series.step / 2, series.slots, series.step
        else:
            count = round(distinct * min((high - low) / series.covered, _MOST_BINS))
            count = int(fft.next_fast_len(max(count, 4), real=True))
            width = (high - low) / count
        # within a bin of the axis it is the axis: whole cycles remain whole numbers
        cycles = 1.0 if abs(count * width - 1.0) <= 1.000001 * width else 1.0 / (count * width)
        frequencies = cycles * np.arange(count // 2 + 1, dtype=np.float64)
        if len(places) == distinct == count and series.step == width and abs(count * width - 1.0) <= 1e-6 * width:
            return cls(series, frequencies, count // 2, 1.0, abs(low) <= 1e-6 * width, None, None)
        harmonics = None
        if series.whole and len(places) <= MOST_FITTED and distinct >= 4:
            harmonics = _fitted_harmonics(places, distinct // 4)
        edges = series.covered_at(low + width * np.arange(count + 1, dtype=np.float64))
        cell = np.clip(np.searchsorted(series.edges, edges, side="right") - 1, 0, distinct - 1)
        bins = _Bins(cell, edges - series.edges[cell], count, width)
        exact, condition = (0, math.inf) if harmonics is None else (len(harmonics.fit) // 2, harmonics.condition)
        return cls(series, frequencies, exact, condition, False, bins, harmonics)

    def power(self, field: FloatArray, by_cell: FloatArray) -> FloatArray:
        """Power of a field, given at the points along the line and on each cell, at :attr:`frequencies`."""
        if self._bins is None:
            return _of_dft(field)
        if self._harmonics is None:
            return self._of_cells(by_cell, self._bins)
        design, fit, _ = self._harmonics
        coefficients = fit @ field
        power = self._of_cells(self.series.by_cell(field - design @ coefficients), self._bins)
        power[0] = coefficients[0] ** 2
        power[1 : self.exact + 1] = coefficients[1::2] ** 2 + coefficients[2::2] ** 2
        return power

    def _of_cells(self, values: FloatArray, bins: _Bins) -> FloatArray:
        """Power of the field that is constant on each cell."""
        lengths, covered = np.diff(self.series.edges), self.series.covered
        mean = float(values @ lengths) / covered
        about = values - mean
        integral = np.append(0.0, np.cumsum(about * lengths))
        masses = np.diff(integral[bins.cell] + about[bins.cell] * bins.within)
        power = _of_dft(masses / bins.width)
        power *= bins.number * bins.width / covered
        power[0] += mean**2
        return power


class _Bins(NamedTuple):
    """Even bins: the cell in which each of their edges lies, and how far; their number, and the width of each."""

    cell: IntArray
    within: FloatArray
    number: int
    width: float


class _Harmonics(NamedTuple):
    """Design ``(N, 2 K + 1)`` of 1, then sqrt(2) cos and sin of each k; what fits it; its condition number."""

    design: FloatArray
    fit: FloatArray
    condition: float


def _of_dft(values: FloatArray) -> FloatArray:
    coefficients = np.fft.rfft(values) / len(values)
    power: FloatArray = coefficients.real**2 + coefficients.imag**2
    power[1 : (len(values) + 1) // 2] *= 2
    return power


def _fitted_harmonics(places: FloatArray, highest: int) -> _Harmonics | None:
    """Fit as many harmonics as the places can tell; None: not even one."""
    phases = 2 * np.pi * np.outer(places, np.arange(1, highest + 1))
    design = np.empty((len(places), 2 * highest + 1))
    design[:, 0] = 1.0
    design[:, 1::2] = math.sqrt(2) * np.cos(phases)
    design[:, 2::2] = math.sqrt(2) * np.sin(phases)
    gram = design.T @ design / len(places)  # of fewer harmonics: its upper left corner
    while (condition := _condition(gram[: 2 * highest + 1, : 2 * highest + 1])) > MOST_CONDITION:
        highest //= 2
        if highest == 0:
            return None
    columns = 2 * highest + 1
    # Normal equations square the condition number, which is small: they lose four digits, and QR takes ten times
    # as long.
    fit = linalg.cho_solve(linalg.cho_factor(gram[:columns, :columns]), design[:, :columns].T) / len(places)
    return _Harmonics(np.ascontiguousarray(design[:, :columns]), np.ascontiguousarray(fit), condition)


def _condition(gram: FloatArray) -> float:
    """Condition number of a design from its Gram matrix."""
    eigenvalues = np.linalg.eigvalsh(gram)
    return math.sqrt(eigenvalues[-1] / eigenvalues[0]) if eigenvalues[0] > 0 else math.inf
