"""Where clouds of points are laid: lattices exactly, areas by closed forms, random clouds without false holes."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_seqfit.geometry import FloatArray, Grid
from lightning_seqfit.geometry.laying import Laying, lay_points

UNIT = ((0.0, 1.0), (0.0, 1.0))


def box(laying: Laying) -> Grid:
    return Grid(laying.bounds, laying.shape, ("x", "y", "z")[: len(laying.shape)], laying.ends)


@given(
    shape=st.lists(st.integers(4, 9), min_size=2, max_size=3),
    lows=st.tuples(*[st.floats(-1e3, 1e3)] * 3),
    lengths=st.tuples(*[st.floats(1.0, 1e4)] * 3),
    ends=st.booleans(),
    single=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_grid_shuffled_is_laid_on_the_grid_itself(
    shape: list[int], lows: tuple[float, ...], lengths: tuple[float, ...], ends: bool, single: bool, seed: int
) -> None:
    bounds = tuple((low, low + length) for low, length, _ in zip(lows, lengths, shape, strict=False))
    grid = Grid(bounds, tuple(shape), ("x", "y", "z")[: len(shape)], ends)
    order = np.random.default_rng(seed).permutation(len(grid.points))
    points = grid.points[order]
    if single:  # as a data set in float32 has them
        points = points.astype(np.float32).astype(np.float64)
    for given_bounds in (bounds, None):
        laying = lay_points(points, given_bounds)
        assert laying.shape == grid.shape
        assert laying.inside.all()
        np.testing.assert_array_equal(order[laying.source], np.arange(len(points)))
        np.testing.assert_allclose(box(laying).points, grid.points, atol=1e-3 * max(map(abs, (*lows, *lengths))) / 1e2)
        if given_bounds is not None:
            assert (laying.bounds, laying.ends) == (bounds, ends)


def test_pixels_of_a_masked_image_are_covered_one_by_one() -> None:
    grid = Grid(UNIT, (40, 30), ("x", "y"))
    x, y = grid.points.T
    kept = np.hypot(x - 0.5, y - 0.5) < 0.45
    laying = lay_points(grid.points[kept], UNIT)
    assert laying.shape == (40, 30)
    np.testing.assert_array_equal(laying.inside, kept)
    np.testing.assert_array_equal(np.flatnonzero(kept)[laying.source], np.flatnonzero(kept))


def test_a_block_that_is_missing_stays_missing_and_a_single_pixel_is_filled_by_its_neighbour() -> None:
    grid = Grid(UNIT, (20, 20), ("x", "y"))
    kept = np.ones((20, 20), dtype=bool)
    kept[5, 5] = False
    kept[10:13, 8:12] = False
    points = grid.points[kept.ravel()]
    laying = lay_points(points)
    kept[5, 5] = True
    np.testing.assert_array_equal(laying.inside, kept.ravel())
    centre = box(laying).points[laying.inside] - points[laying.source]
    assert np.max(np.abs(centre)) < 1.01 / 20  # one pixel away at the most


def test_bounds_beyond_a_lattice_add_cells_that_are_not_covered() -> None:
    grid = Grid(UNIT, (20, 16), ("x", "y"))
    part = grid.points[:, 0] > 0.25
    laying = lay_points(grid.points[part], UNIT)
    assert (laying.bounds, laying.shape, laying.ends) == (UNIT, (20, 16), False)
    np.testing.assert_array_equal(laying.inside, part)


def test_a_checkerboard_is_filled() -> None:
    grid = Grid(UNIT, (24, 24), ("x", "y"))
    black = np.indices((24, 24)).sum(axis=0).ravel() % 2 == 0
    laying = lay_points(grid.points[black])
    assert laying.shape == (24, 24)
    assert laying.inside.mean() > 0.99


@pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
def test_pixels_drawn_at_random_from_an_image_cover_it(share: float) -> None:
    grid = Grid(UNIT, (64, 64), ("x", "y"))
    drawn = np.random.default_rng(0).random(64**2) < share
    laying = lay_points(grid.points[drawn], UNIT)
    assert laying.shape == (64, 64)
    assert laying.inside.all() if share < 0.8 else laying.inside.mean() > 0.99
    exact = drawn[np.flatnonzero(laying.inside)]  # where there is a point it is the one
    np.testing.assert_array_equal(np.flatnonzero(drawn)[laying.source[exact]], np.flatnonzero(laying.inside)[exact])


def test_sensors_at_uneven_places_times_hours_cover_what_lies_between() -> None:
    places = np.sort(np.random.default_rng(0).random(20))
    hours = np.arange(500) / 10.0
    x, t = np.meshgrid(places, hours, indexing="ij")
    laying = lay_points(np.stack([x.ravel(), t.ravel()], axis=-1))
    assert laying.shape == (40, 500)
    assert laying.inside.all()
    nearest = np.argmin(np.abs(box(laying).points[:, 0][:, None] - places), axis=1)
    np.testing.assert_array_equal(laying.source // 500, nearest)


def test_a_graded_mesh_with_a_gap_leaves_the_gap_open() -> None:
    x = np.concatenate([np.linspace(0, 1, 30) ** 2, 3 + np.linspace(0, 1, 30) ** 1.5])
    y = np.cos(np.pi * np.arange(21) / 20)
    laying = lay_points(np.stack([each.ravel() for each in np.meshgrid(x, y)], axis=-1))
    along = box(laying).points[:, 0]
    assert not laying.inside[(along > 1.2) & (along < 2.8)].any()
    assert laying.inside[(along < 1.0) | (along > 3.0)].all()


@pytest.mark.parametrize(
    ("count", "dimension", "seeds"), [(512, 2, 50), (4096, 2, 50), (20_000, 2, 12), (4096, 3, 50), (20_000, 3, 6)]
)
def test_random_points_that_fill_a_box_leave_no_hole(count: int, dimension: int, seeds: int) -> None:
    clouds = (np.random.default_rng(seed).random((count, dimension)) for seed in range(seeds))
    false_holes = sum(not lay_points(points, ((0.0, 1.0),) * dimension).inside.all() for points in clouds)
    assert false_holes <= 0.1 * seeds


def from_middle(points: FloatArray) -> FloatArray:
    return np.asarray(np.hypot(points[:, 0] - 0.5, points[:, 1] - 0.5))


DOMAINS: dict[str, tuple[Callable[[FloatArray], FloatArray], float]] = {
    "disc": (lambda p: from_middle(p) < 0.45, math.pi * 0.45**2),
    "annulus": (lambda p: (from_middle(p) < 0.45) & (from_middle(p) > 0.2), math.pi * (0.45**2 - 0.2**2)),
    "L": (lambda p: (p[:, 0] < 0.5) | (p[:, 1] < 0.5), 0.75),
    "islands": (
        lambda p: (np.hypot(*(p - 0.25).T) < 0.2) | (np.hypot(*(p - 0.7).T) < 0.25),
        math.pi * (0.2**2 + 0.25**2),
    ),
    "crescent": (  # a disc of radius 0.4 without one of the same radius, its centre 0.3 away
        lambda p: (from_middle(p) < 0.4) & (np.hypot(p[:, 0] - 0.8, p[:, 1] - 0.5) > 0.4),
        math.pi * 0.16 - 2 * 0.16 * math.acos(0.375) + 0.15 * math.sqrt(0.64 - 0.09),
    ),
}


@pytest.mark.parametrize("count", [4096, 20_000])
@pytest.mark.parametrize("domain", DOMAINS)
def test_the_area_of_a_cloud_is_that_of_its_domain(domain: str, count: int) -> None:
    holds, area = DOMAINS[domain]
    points = np.random.default_rng(1).random((math.ceil(1.2 * count / area), 2))
    points = points[np.asarray(holds(points), dtype=bool)][:count]
    laying = lay_points(points, UNIT)
    covered = float(np.mean(laying.inside))
    perimeter_share = 0.5 * {"disc": 2.83, "annulus": 4.1, "L": 4.0, "islands": 2.83, "crescent": 3.6}[domain]
    most = perimeter_share / math.sqrt(count * area)  # half a spacing all around
    assert -0.01 < covered / area - 1 < min(most, 0.05 if count == 4096 else 0.03)


def test_a_hole_in_a_ball_stays_open() -> None:
    points = np.random.default_rng(0).random((40_000, 3))
    radius = np.linalg.norm(points - 0.5, axis=1)
    laying = lay_points(points[(radius < 0.45) & (radius > 0.22)], ((0.0, 1.0),) * 3)
    volume = 4 / 3 * math.pi * (0.45**3 - 0.22**3)
    assert float(np.mean(laying.inside)) == pytest.approx(volume, rel=0.06)
    middle = np.linalg.norm(box(laying).points - 0.5, axis=1) < 0.15
    assert not laying.inside[middle].any()


@pytest.mark.parametrize("seed", range(5))
def test_a_density_that_changes_tenfold_tears_no_hole(seed: int) -> None:
    random = np.random.default_rng(seed)
    dense, sparse = random.random((3000, 2)) * [0.5, 1.0], random.random((300, 2)) * [0.5, 1.0] + [0.5, 0.0]
    assert lay_points(np.vstack([dense, sparse]), UNIT).inside.all()


def test_two_clusters_far_from_each_other_do_not_cover_what_lies_between() -> None:
    random = np.random.default_rng(0)
    points = np.vstack([0.05 * random.standard_normal((1000, 2)) + place for place in (0.2, 0.8)])
    laying = lay_points(points)
    centres = box(laying).points
    between = np.abs(centres.sum(axis=1) - 1.0) < 0.2
    assert not laying.inside[between].any()
    assert 0.05 < laying.inside.mean() < 0.4


def test_points_given_many_times_change_nothing() -> None:
    points = np.random.default_rng(0).random((2000, 2))
    once, often = lay_points(points), lay_points(np.repeat(points, 20, axis=0))
    again = lay_points(points, once.bounds)
    assert once.bounds == often.bounds
    assert often.inside.all()
    assert again.inside.all()
    chosen = np.repeat(np.arange(2000), 20)[often.source]
    nearest = np.argmin(np.linalg.norm(box(often).points[:500, None] - points, axis=2), axis=1)
    np.testing.assert_array_equal(chosen[:500], nearest)


def test_each_cell_takes_the_nearest_point_in_shares_of_the_box() -> None:
    points = np.random.default_rng(3).random((300, 2)) * [1.0, 1000.0]
    laying = lay_points(points, ((0.0, 1.0), (0.0, 1000.0)))
    away = (box(laying).points[laying.inside][:, None] - points) / [1.0, 1000.0]
    np.testing.assert_array_equal(laying.source, np.argmin(np.linalg.norm(away, axis=2), axis=1))


def test_what_is_not_inside_is_neither_covered_nor_used() -> None:
    points = np.random.default_rng(3).random((4096, 2))

    def ring(places: FloatArray) -> FloatArray:
        return np.asarray((from_middle(places) < 0.45) & (from_middle(places) > 0.2))

    laying = lay_points(points, UNIT, inside=lambda places: ring(places).astype(bool))
    np.testing.assert_array_equal(laying.inside, ring(box(laying).points))
    assert ring(points[laying.source]).all()


def test_many_points_are_laid_fast() -> None:
    for dimension in (2, 3):
        points = np.random.default_rng(0).random((200_000, dimension))
        began = time.process_time()
        lay_points(points)
        assert time.process_time() - began < 4.0  # 0.8 s on a quiet machine


LINE = np.random.default_rng(0).random(50)
BAD: dict[str, tuple[FloatArray, object, str]] = {
    "few": (
        np.random.default_rng(0).random((9, 2)),
        None,
        "9 different points are too few for 2 axes: give at least 16",
    ),
    "few again": (np.tile(np.random.default_rng(0).random((9, 2)), (4, 1)), None, "9 different points are too few"),
    "one place": (np.stack([LINE, np.full(50, 3.0)], 1), None, "all 50 points lie at 3 along axis number 1"),
    "line": (np.stack([LINE, 2 * LINE - 1], 1), None, "all 50 points lie on a line, in which 2 axes are too many"),
    "line in space": (np.stack([LINE, 2 * LINE, -LINE], 1), None, "lie on a line"),
    "plane": (np.stack([LINE, LINE[::-1], LINE + LINE[::-1]], 1), None, r"lie in a plane.*\(N, 2\)"),
    "outside": (
        np.random.default_rng(0).random((50, 2)),
        ((0.0, 0.5), (0.0, 1.0)),
        r"points lie outside bounds=.*widen",
    ),
    "nan": (np.where(np.arange(100).reshape(50, 2) == 7, np.nan, 1.0), None, r"1 of 50 points.*number 3: leave"),
}


@pytest.mark.parametrize("case", BAD)
def test_points_that_span_no_domain_are_refused_with_what_is_wrong(case: str) -> None:
    points, bounds, words = BAD[case]
    with pytest.raises(ValueError, match=words):
        lay_points(points, bounds)  # type: ignore[arg-type]


def test_an_inside_that_leaves_nothing_is_said() -> None:
    with pytest.raises(ValueError, match=r"inside leaves 0 of 100 points"):
        lay_points(np.random.default_rng(0).random((100, 2)), UNIT, lambda places: np.zeros(len(places), dtype=bool))


@pytest.mark.parametrize("count", [2_500, 20_000, 100_000])
def test_a_cluster_of_most_points_does_not_make_a_gap_of_the_rest(count: int) -> None:
    rng = np.random.default_rng(0)
    cluster = np.clip(0.5 + 0.02 * rng.standard_normal((count, 2)), 0, 1)
    assert lay_points(np.vstack([rng.random((2_000, 2)), cluster]), UNIT).inside.mean() > 0.99


def test_a_few_points_far_from_a_cluster_cover_nothing() -> None:
    rng = np.random.default_rng(0)
    points = np.vstack([0.2 + 0.02 * rng.standard_normal((5_000, 2)), rng.random((8, 2))])
    assert lay_points(points, UNIT).inside.mean() < 0.05
