"""What a cloud of points is too thin to tell is said, or refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from scipy.spatial import cKDTree
from torch import nn

from lightning_seqfit import Probe
from lightning_seqfit.geometry import Grid, Laid
from lightning_seqfit.measures.lobes import target_lobes

BOXES = {2: (96, 96), 3: (24, 24, 24)}


def cloud(points: Any) -> Laid:
    dimension = points.shape[1]
    box = Grid(bounds=((0.0, 1.0),) * dimension, shape=BOXES[dimension], axes=("x", "y", "z")[:dimension])
    nearest = cKDTree(points).query(box.points)[1]
    return Laid(box, np.ones(len(box.points), dtype=bool), nearest, points)


def product(points: Any, lobes: float) -> Any:
    return np.sin(np.pi * lobes ** (1 / points.shape[1]) * points).prod(axis=1)


def read(points: Any, values: Any, **options: Any) -> Probe:
    probe = Probe(cloud(points), values, **options)
    probe.read_target(nn.Linear(points.shape[1], 1))
    return probe


@pytest.mark.parametrize(("dimension", "few", "enough"), [(2, 5, 16), (3, 12, 60)])
def test_too_few_points_to_count_lobes_are_said_and_enough_are_not(dimension: int, few: int, enough: int) -> None:
    points = np.random.default_rng(0).random((1500, dimension))
    (said,) = read(points, product(points, 1500 / few)).notes
    assert said.startswith("1,500 points are about ")
    assert float(said.split("about ")[1].split(" ")[0]) == pytest.approx(few, rel=0.3)
    assert f"which takes {10 if dimension == 2 else 32} each; give more points" in said
    assert read(points, product(points, 1500 / enough)).notes == []


@pytest.mark.parametrize("dimension", [2, 3])
def test_noise_and_waves_that_points_tell_nothing_of_are_refused(dimension: int) -> None:
    rng = np.random.default_rng(1)
    points = rng.random((600, dimension))
    for values in (rng.standard_normal(600), np.cos(200 * points).prod(axis=1)):
        with pytest.raises(
            ValueError, match=r"^600 points are too few, .*for the target: .* as of white noise; give more"
        ):
            read(points, values, noise=0.0)
    with pytest.raises(ValueError, match=r"^600 points are too few"):
        read(points, rng.standard_normal(600))


def test_noise_that_is_known_does_not_make_a_slow_target_too_fast() -> None:
    rng = np.random.default_rng(2)
    points = rng.random((2000, 2))
    values = product(points, 16) + 0.5 * rng.standard_normal(2000)  # half as large again as the waves
    assert read(points, values).notes == []
    assert read(points, values, noise=0.5).notes == []
    assert len(read(points, values, noise=0.0).notes) == 1


def test_lobes_are_lost_where_the_note_says_so_and_all_there_where_it_does_not() -> None:
    lobes = 64
    for points_a_lobe, low, high in ((4, 0.3, 0.8), (30, 0.95, 1.05)):
        shares = []
        for seed in range(4):
            points = np.random.default_rng(seed).random((points_a_lobe * lobes, 2))
            probe = Probe(cloud(points), product(points, lobes))
            _, trend = probe.read_target(nn.Linear(2, 1))
            assert bool(probe.notes) == (points_a_lobe == 4)
            shares.append(target_lobes(probe.geometry, trend).count / lobes)
        assert low < np.mean(shares) < high


@pytest.mark.parametrize(("apart", "said"), [(5.0, False), (20.0, True)])
def test_cells_that_are_too_coarse_for_lobes_on_islands_far_apart_are_said(apart: float, said: bool) -> None:
    points = np.random.default_rng(0).random((4000, 2)) + apart * np.repeat([0, 1], 2000)[:, None]
    probe = Probe.points(points, np.sin(4 * np.pi * points).prod(axis=1))
    probe.read_target(nn.Linear(2, 1))
    assert len(probe.notes) == said
    if said:
        assert re.match(
            r"4,000 points are laid on cells that take the values of 3\d\d of them, about 4 for each lobe"
            ".*which takes 10 each; look at a smaller part",
            probe.notes[0],
        )
