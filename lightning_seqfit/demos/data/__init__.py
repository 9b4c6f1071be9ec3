"""The atmospheric CO2 record of Mauna Loa, 1958 to 2001: a trend with 44 yearly oscillations on top.

``README.md`` in this folder states source, citation and licence.

References
----------
C. D. Keeling and T. P. Whorf, "Atmospheric CO2 concentrations derived from flask air samples at sites in the SIO
network", in Trends: A Compendium of Data on Global Change, Carbon Dioxide Information Analysis Center, Oak Ridge
National Laboratory, 2004.
"""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

__all__ = ["co2_monthly", "co2_weekly"]

_FIRST_MONTH = 1958 * 12 + 2  # March 1958, in months since the year 0
_MONTHS = 526  # to December 2001


def co2_weekly() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the weekly averages; the 59 weeks without a value are left out.

    Returns
    -------
    years : ndarray, shape (2225,)
        Noon of the sampling date in decimal years, ascending from 1958.24 to 2001.99.
    ppm : ndarray, shape (2225,)
        Mole fraction of CO2 in dry air, in parts per million by volume.

    Examples
    --------
    >>> years, ppm = co2_weekly()
    >>> len(years), float(ppm[0]), float(ppm[-1])
    (2225, 316.1, 371.5)
    """
    dates, ppm = _read()
    year = dates.astype("datetime64[Y]")
    length = ((year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")).astype(np.float64)
    day = (dates - year.astype("datetime64[D]")).astype(np.float64)
    return 1970 + year.astype(np.float64) + (day + 0.5) / length, ppm


def co2_monthly() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average the weekly record over calendar months, on an even grid.

    Five months without a sample (June and October 1958, February to April 1964) are filled by linear interpolation
    between their neighbours.

    Returns
    -------
    years : ndarray, shape (526,)
        Middle of each month in decimal years, from March 1958 to December 2001: year + (month - 0.5) / 12.
    ppm : ndarray, shape (526,)
        Monthly mean of the mole fraction of CO2 in dry air, in parts per million by volume.

    Examples
    --------
    >>> years, ppm = co2_monthly()
    >>> len(years), round(float(ppm[0]), 2), round(float(ppm[-1]), 2)
    (526, 316.1, 371.02)
    """
    dates, ppm = _read()
    month = 1970 * 12 + dates.astype("datetime64[M]").astype(np.int64) - _FIRST_MONTH
    samples = np.bincount(month, minlength=_MONTHS)
    sums = np.bincount(month, weights=ppm, minlength=_MONTHS)
    index = np.arange(_MONTHS)
    sampled = samples > 0
    means = np.interp(index, index[sampled], sums[sampled] / samples[sampled])
    return (_FIRST_MONTH + index + 0.5) / 12, means


def _read() -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Return the dates and values of the weeks that have a value."""
    with resources.files(__name__).joinpath("co2_weekly.csv").open(encoding="ascii") as file:
        rows = [line.rstrip().split(",") for line in file][1:]
    sampled = [(date, value) for date, value in rows if value]
    dates = np.array([f"{date[:4]}-{date[4:6]}-{date[6:]}" for date, _ in sampled], dtype="datetime64[D]")
    return dates, np.array([float(value) for _, value in sampled])
