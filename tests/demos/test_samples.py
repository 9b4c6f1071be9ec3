"""The data that come with Matplotlib: against its files, read pixel by pixel, and against what is known of the land."""

from __future__ import annotations

from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest

from lightning_seqfit.cli import main
from lightning_seqfit.demos.catalogue import DEMOS
from lightning_seqfit.demos.data.samples import elevation, portrait, portrait_pixels


def test_the_highest_place_is_cross_mountain_of_1077_metres() -> None:
    points, metres = elevation()
    assert points.shape == (8_000, 2)
    assert metres.shape == (8_000,)
    # 36.199 N, 84.231 W, on a map whose south-west corner lies at 36.160 N, 84.414 W
    expected = (36.199 - 36.160) * 111.2, (84.414 - 84.231) * 111.2 * np.cos(np.radians(36.2))
    north, east = expected
    np.testing.assert_allclose(points[metres.argmax()], [east, north], rtol=0, atol=0.3)
    assert metres.max() == pytest.approx(1_077, abs=25)


def test_the_places_are_even_over_30_by_32_kilometres() -> None:
    points, _ = elevation()
    counts, *_ = np.histogram2d(*points.T, bins=4, range=[(0, 30.03), (0, 31.79)])
    assert counts.sum() == 8_000
    assert np.abs(counts - 500).max() < 4 * 500**0.5


def test_an_elevation_lies_on_the_line_between_its_pixels() -> None:
    with np.load(matplotlib.cbook.get_sample_data("jacksboro_fault_dem.npz", asfileobj=False)) as file:
        pixels = file["elevation"].astype(float)
    points, metres = elevation(200, seed=1)
    column = points[:, 0] / (3 / 3600 * 111.2 * np.cos(np.radians(36.303)))
    row = 343 - points[:, 1] / (3 / 3600 * 111.2)
    for x, y, seen in zip(column, row, metres, strict=True):
        i, j = int(y), int(x)
        right, below = x - j, y - i
        upper = pixels[i, j] * (1 - right) + pixels[i, j + 1] * right
        lower = pixels[i + 1, j] * (1 - right) + pixels[i + 1, j + 1] * right
        assert seen == pytest.approx(upper * (1 - below) + lower * below, abs=0.5)


def test_a_seed_decides_the_places() -> None:
    for one, other in zip(elevation(50, seed=3), elevation(50, seed=3), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(elevation(50)[0], elevation(50, seed=3)[0])


def test_the_portrait_stands_upright_in_its_colours() -> None:
    colours = portrait()
    assert colours.shape == (85, 100, 3)
    pixels = portrait_pixels()
    for x, y in [(0, 0), (84, 99), (20, 70)]:
        block = pixels[600 - 6 * (y + 1) : 600 - 6 * y, 1 + 6 * x : 1 + 6 * (x + 1)]
        np.testing.assert_allclose(colours[x, y], block.reshape(36, 3).mean(axis=0) / 255, rtol=0, atol=1e-12)
    red, green, blue = colours[70, 90]  # the backdrop, to the right above her shoulder
    assert blue > green > red
    assert colours[40, 5].max() < 0.3  # the uniform


def test_demos_of_missing_data_are_refused_with_where_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "sample")
    monkeypatch.setattr(matplotlib.cbook, "get_sample_data", lambda name, asfileobj: missing)
    for name in ("elevation", "photograph"):
        with pytest.raises(FileNotFoundError, match="pip install --force-reinstall --no-deps matplotlib"):
            DEMOS[name].module()
        with pytest.raises(SystemExit):
            main(["demo", name, "--logdir", str(tmp_path)])
        assert "Matplotlib's sample data are not installed: there is no" in capsys.readouterr().err
