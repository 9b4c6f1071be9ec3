"""The CO2 record, against means worked out by hand from the file and against what is known of the record."""

from __future__ import annotations

import datetime
import hashlib
from importlib import resources

import numpy as np
import pytest

from lightning_seqfit.demos.data import co2_monthly, co2_weekly

# The samples of a month as they stand in the file.
MONTHS_BY_HAND = {
    (1958, 3): 316.1,
    (1958, 5): (316.9 + 317.5 + 317.9) / 3,
    (1959, 1): (315.2 + 315.5 + 315.6 + 315.8 + 315.4) / 5,
    (2001, 12): (370.3 + 370.8 + 371.2 + 371.3 + 371.5) / 5,
}


def _row(year, month):
    return (year - 1958) * 12 + month - 3


def test_the_file_is_the_one_that_its_readme_describes():
    folder = resources.files("lightning_seqfit.demos.data")
    content = folder.joinpath("co2_weekly.csv").read_bytes()
    readme = folder.joinpath("README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(content).hexdigest() in readme
    assert "public domain" in readme


def test_the_weekly_record_has_2225_weeks_at_noon_of_a_saturday():
    years, ppm = co2_weekly()
    assert years.shape == ppm.shape == (2225,)
    assert years.dtype == ppm.dtype == np.float64
    for decimal in years[::37]:
        year = int(decimal)
        start = datetime.datetime(year, 1, 1)
        moment = start + (decimal - year) * (datetime.datetime(year + 1, 1, 1) - start)
        assert abs((moment - moment.replace(hour=12, minute=0, second=0, microsecond=0)).total_seconds()) < 1
        assert moment.weekday() == 5


def test_the_weekly_record_leaves_out_the_gaps_and_nothing_else():
    years, ppm = co2_weekly()
    weeks = np.diff(years) * 365.25 / 7
    assert np.all(weeks > 0.98)
    assert round(float((weeks.round() - 1).sum())) == 59
    assert np.isfinite(ppm).all()
    assert (ppm.min(), ppm.max()) == (313.0, 373.9)


def test_the_monthly_record_is_an_even_grid_of_526_months():
    years, ppm = co2_monthly()
    assert years.shape == ppm.shape == (526,)
    assert years.dtype == ppm.dtype == np.float64
    assert np.isfinite(ppm).all()
    np.testing.assert_allclose(np.diff(years), 1 / 12, rtol=0, atol=1e-12)
    assert years[0] == pytest.approx(1958 + 2.5 / 12)
    assert years[-1] == pytest.approx(2001 + 11.5 / 12)


@pytest.mark.parametrize(("month", "mean"), MONTHS_BY_HAND.items())
def test_a_month_is_the_mean_of_its_samples(month, mean):
    assert co2_monthly()[1][_row(*month)] == pytest.approx(mean)


def test_the_five_months_without_a_sample_lie_on_the_line_between_their_neighbours():
    _, ppm = co2_monthly()
    may, june, july = ppm[_row(1958, 5) : _row(1958, 7) + 1]
    assert june == pytest.approx((may + july) / 2)
    september, october, november = ppm[_row(1958, 9) : _row(1958, 11) + 1]
    assert october == pytest.approx((september + november) / 2)
    gap = ppm[_row(1964, 1) : _row(1964, 5) + 1]
    np.testing.assert_allclose(np.diff(gap), (gap[-1] - gap[0]) / 4)


def test_the_strongest_oscillation_of_43_years_is_43_yearly_cycles():
    years, ppm = co2_monthly()
    years, ppm = years[: 43 * 12] - 1980, ppm[: 43 * 12]
    detrended = ppm - np.polyval(np.polyfit(years, ppm, 3), years)
    power = np.abs(np.fft.rfft(detrended)) ** 2
    assert power.argmax() == 43
    assert power[43] > 0.5 * power.sum()


def test_the_yearly_cycle_swings_by_about_three_ppm_and_peaks_in_may():
    years, ppm = co2_monthly()
    detrended = ppm - np.polyval(np.polyfit(years - 1980, ppm, 3), years - 1980)
    climatology = detrended[_row(1959, 1) :].reshape(43, 12).mean(axis=0)
    assert climatology.argmax() == 4
    assert climatology.argmin() in (8, 9)
    assert np.ptp(climatology) == pytest.approx(5.9, abs=0.5)
