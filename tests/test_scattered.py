"""Scattered points: held against the grid where they are the grid's, and against what is known where they are not.

The grid's own tests are in test_geometry.py. Where random points stand in for the grid, the bounds are those of 30
seeds, with a margin; each says what was seen.
"""

from __future__ import annotations

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_seqfit.demos.data import co2_monthly, co2_weekly
from lightning_seqfit.geometry import MOST_CONDITION, Grid, Scattered
from lightning_seqfit.measures import front as fronts
from lightning_seqfit.measures.front import active_points, measure_front
from lightning_seqfit.measures.oscillations import count_oscillations, target_laps
from lightning_seqfit.measures.trend import fit_trend

UNIT = ((0.0, 1.0),)
SEEDS = range(8)


def grid(cells, bounds=UNIT):
    return Grid(bounds=bounds, shape=(cells,), axes=("x",))


def scattered(coordinates, bounds=UNIT):
    return Scattered(coordinates=np.asarray(coordinates), bounds=bounds, axes=("x",))


def shuffled(cells, bounds=UNIT, seed=0):
    """A grid, its points in another order, and that order."""
    line = grid(cells, bounds)
    order = np.random.default_rng(seed).permutation(cells)
    return line, scattered(line.points[order, 0], bounds), order


def random_points(seed, size=512):
    return scattered(np.random.default_rng(seed).random(size))


def noise(size, seed=0):
    return np.random.default_rng(seed).standard_normal(size)


def cells_by_hand(places, bounds):
    """(begin, end, stretch) of the cell of each place of at most 129, by the definition."""
    (low, high), distinct = bounds[0], sorted(set(places.tolist()))
    spacings = [after - before for before, after in itertools.pairwise(distinct)]
    largest_first = sorted(spacings, reverse=True)
    around = largest_first[max(1, len(spacings) // 10)]
    usual = sorted(spacings)[(len(spacings) - 1) // 2] / 2
    cells, stretch = [], 0
    for i, place in enumerate(distinct):
        begin = low if i == 0 else (distinct[i - 1] + place) / 2
        if (i > 0 and spacings[i - 1] > 8 * around) or (i == 0 and 2 * (place - low) > 8 * around):
            begin = place - usual
            stretch += i > 0
        end = high if i == len(distinct) - 1 else (place + distinct[i + 1]) / 2
        if (i < len(spacings) and spacings[i] > 8 * around) or (i == len(spacings) and 2 * (high - place) > 8 * around):
            end = place + usual
        cells.append((begin, end, stretch))
    return dict(zip(distinct, cells, strict=True))


def means_by_direct_sums(places, bounds, field, width):
    """Moving mean by its definition: overlaps of every window with every cell of its stretch, one at a time."""
    cells = cells_by_hand(places, bounds)
    means = []
    for centre in places.tolist():
        mine = [(place, begin, end) for place, (begin, end, of) in cells.items() if of == cells[centre][2]]
        begin, end = max(centre - width / 2, mine[0][1]), min(centre + width / 2, mine[-1][2])
        overlaps = [max(0.0, min(end, right) - max(begin, left)) for _, left, right in mine]
        values = [float(np.mean(field[places == place])) for place, _, _ in mine]
        means.append(sum(o * v for o, v in zip(overlaps, values, strict=True)) / (end - begin))
    return np.array(means)


class TestPoints:
    def test_points_keep_the_order_in_which_they_were_given(self):
        points = scattered([0.7, 0.1, 0.9, 0.3])
        assert points.points.tolist() == [[0.7], [0.1], [0.9], [0.3]]
        assert (points.dimension, points.lengths, points.faces) == (1, (1.0,), ("x_min", "x_max"))

    def test_the_line_runs_from_the_low_face_and_points_that_coincide_keep_their_order(self):
        lines = scattered([0.7, 0.1, 0.9, 0.1, 0.7]).lines(0)
        assert lines.tolist() == [[1, 3, 0, 4, 2]]
        assert not lines.flags.writeable

    def test_there_is_no_second_axis(self):
        with pytest.raises(IndexError, match=r"axis 1 does not exist: scattered points have the single axis 0 \(x\)"):
            scattered([0.1, 0.2, 0.6, 0.8]).lines(1)

    @pytest.mark.parametrize(
        ("cells", "bounds"), [(512, UNIT), (507, UNIT), (33, ((-6.5, 6.5),)), (4, ((10.0, 12.0),))]
    )
    def test_the_bounds_that_midpoints_of_a_grid_span_are_those_of_the_grid(self, cells, bounds):
        _, points, _ = shuffled(cells, bounds)
        spanned = Scattered.spanning(points.coordinates)
        assert spanned.bounds[0] == pytest.approx(bounds[0], abs=1e-14 * spanned.lengths[0])

    def test_the_coordinates_are_a_copy_that_cannot_be_written_to(self):
        given = np.array([0.7, 0.1, 0.9, 0.3])
        points = scattered(given)
        given[0] = 5.0
        assert points.coordinates.tolist() == [0.7, 0.1, 0.9, 0.3]
        with pytest.raises(ValueError, match="read-only"):
            points.points[0, 0] = 5.0

    @pytest.mark.parametrize("copied", [copy.deepcopy, lambda points: pickle.loads(pickle.dumps(points))])
    def test_a_copy_measures_the_same_also_after_use(self, copied):
        points, field = random_points(0, 64), noise(64)
        before = points.moving_mean(field, (0.1,)).tolist(), points.power(field).tolist()
        twin = copied(points)
        assert (twin.moving_mean(field, (0.1,)).tolist(), twin.power(field).tolist()) == before


class TestOnTheGridsOwnPoints:
    @pytest.mark.parametrize("cells", [64, 511, 2048])
    @pytest.mark.parametrize("share", [1e-4, 0.03, 0.2, 0.77, 2.5])
    def test_the_moving_mean_is_the_grids(self, cells, share):
        line, points, order = shuffled(cells, ((-2.0, 7.0),))
        field = noise(cells)
        expected = line.moving_mean(field, (9 * share,))[order]
        np.testing.assert_allclose(points.moving_mean(field[order], (9 * share,)), expected, atol=1e-12)

    @pytest.mark.parametrize("cells", [64, 511])
    def test_the_mean_is_the_grids(self, cells):
        line, points, order = shuffled(cells)
        assert points.mean(noise(cells)[order]) == pytest.approx(line.mean(noise(cells)), abs=1e-12)

    def test_the_components_are_the_grids(self):
        line, points, order = shuffled(300)
        mask = noise(300) > 0.3
        assert points.components(mask[order]).tolist() == line.components(mask)[order].tolist()
        assert points.components(mask[order]).max() > 20

    @pytest.mark.parametrize(("cells", "limit"), [(100, 1024), (1024, 1024), (1025, 1024), (4096, 1024), (103, 10)])
    def test_the_coarse_field_is_the_grids_in_the_grids_order(self, cells, limit):
        line, points, order = shuffled(cells)
        field = noise(cells)
        np.testing.assert_allclose(points.coarsen(field[order], limit), line.coarsen(field, limit), atol=1e-12)
        assert points.coarse_shape(limit) == line.coarse_shape(limit) == points.coarsen(field[order], limit).shape

    def test_the_line_leads_back_to_the_grids_order(self):
        line, points, order = shuffled(300)
        assert order[points.lines(0)[0]].tolist() == line.lines(0)[0].tolist()

    @pytest.mark.parametrize("cells", [4, 63, 512, 2048, 100_000])
    def test_the_spectrum_is_the_grids(self, cells):
        line, points, order = shuffled(cells, ((-2.0, 7.0),))
        field = noise(cells) + 3.0
        assert (points.exact_frequency, points.condition, points.complete) == (cells // 2, 1.0, True)
        assert points.frequencies.tolist() == line.frequencies.tolist()
        np.testing.assert_allclose(points.power(field[order]), line.power(field), atol=1e-11)


class TestMovingMean:
    @settings(max_examples=150)
    @given(
        places=st.lists(st.integers(0, 40), min_size=4, max_size=30).filter(lambda places: len(set(places)) > 3),
        share=st.floats(0.001, 2.5),
        seed=st.integers(0, 1000),
    )
    def test_it_is_the_mean_over_the_overlaps_of_window_and_voronoi_cells(self, places, share, seed):
        coordinates = np.array(places) * 0.7 - 3.0
        points = Scattered.spanning(coordinates)
        field = noise(len(places), seed)
        width = share * points.lengths[0]
        expected = means_by_direct_sums(coordinates, points.bounds, field, width)
        np.testing.assert_allclose(points.moving_mean(field, (width,)), expected, atol=1e-9)

    def test_three_cells_by_hand(self):
        points = scattered([4.0, 0.0, 1.0, 2.0], ((0.0, 5.0),))  # edges 0, 1/2, 3/2, 3, 5
        means = points.moving_mean(np.array([8.0, 0.0, 2.0, 4.0]), (2.0,))
        expected = [
            8.0,
            (0.5 * 0.0 + 0.5 * 2.0) / 1,
            (0.5 * 0.0 + 1.0 * 2.0 + 0.5 * 4.0) / 2,
            (0.5 * 2.0 + 1.5 * 4.0) / 2,
        ]
        assert means == pytest.approx(expected, rel=1e-14)

    @pytest.mark.parametrize("share", [0.0, 1e-300, 1e-9])
    def test_a_window_smaller_than_every_cell_changes_nothing(self, share):
        field = noise(512)
        assert random_points(3).moving_mean(field, (share,)).tolist() == field.tolist()

    def test_a_window_over_the_whole_line_twice_gives_its_mean_everywhere(self):
        points, field = random_points(1), noise(512)
        np.testing.assert_allclose(points.moving_mean(field, (2.0,)), points.mean(field), atol=1e-13)

    @settings(max_examples=50)
    @given(value=st.floats(-1e6, 1e6), share=st.floats(0, 2), seed=st.integers(0, 1000))
    def test_a_constant_stays_exactly_itself(self, value, share, seed):
        assert set(random_points(seed, 64).moving_mean(np.full(64, value), (share,)).tolist()) == {value}

    @settings(max_examples=50)
    @given(share=st.floats(0, 2), seed=st.integers(0, 1000))
    def test_the_mean_of_a_mask_is_a_share(self, share, seed):
        mask = (noise(64, seed) > 0).astype(np.float64)
        means = random_points(seed, 64).moving_mean(mask, (share,))
        assert means.min() >= 0.0
        assert means.max() <= 1.0

    @pytest.mark.parametrize("seed", SEEDS)
    def test_over_whole_periods_the_square_of_a_sine_averages_to_about_one_half(self, seed):
        points = random_points(seed)
        x = points.coordinates
        inside = np.abs(x - 0.5) <= 0.5 - 2 / 13
        means = points.moving_mean(np.sin(26 * np.pi * x) ** 2, (4 / 13,))
        np.testing.assert_allclose(means[inside], 0.5, atol=0.03)  # seen: 0.016

    def test_the_field_is_left_as_it_was(self):
        field = noise(512)
        before = field.copy()
        random_points(0).moving_mean(field, (0.3,))
        assert field.tolist() == before.tolist()

    def test_many_windows_in_turn_give_what_each_gives_alone(self):
        points, field = random_points(0), noise(512)
        shares = [0.01 * i for i in range(1, 41)]
        first = [points.moving_mean(field, (share,)).tolist() for share in shares]
        assert [points.moving_mean(field, (share,)).tolist() for share in reversed(shares)] == first[::-1]


class TestCoincidentPoints:
    @pytest.mark.parametrize("share", [0.0, 0.1, 0.6])
    def test_they_count_as_one_point_with_their_mean(self, share):
        places, field = np.random.default_rng(5).random(64), noise(128).reshape(2, 64)
        twice = scattered(np.concatenate([places, places]))
        alone = scattered(places).moving_mean(field.mean(axis=0), (share,))
        np.testing.assert_allclose(
            twice.moving_mean(field.ravel(), (share,)).reshape(2, 64), [alone, alone], atol=1e-12
        )

    def test_a_single_point_given_ten_times_weighs_no_more_in_space(self):
        line = grid(64)
        points = scattered(np.concatenate([line.points[:, 0], np.full(9, line.points[20, 0])]))
        field = noise(64)
        repeated = np.concatenate([field, np.full(9, field[20])])
        assert points.mean(repeated) == pytest.approx(field.mean(), abs=1e-14)
        np.testing.assert_allclose(
            points.moving_mean(repeated, (0.2,))[:64], line.moving_mean(field, (0.2,)), atol=1e-13
        )

    def test_harmonics_are_found_through_them(self):
        places = np.repeat(np.random.default_rng(2).random(128), 3)
        points = scattered(places)
        power = points.power(np.cos(2 * np.pi * 5 * places + 0.3))
        assert power[5] == pytest.approx(0.5, abs=1e-9)
        assert np.delete(power, 5).max() < 1e-9

    def test_the_whole_measures_do_not_see_that_every_point_came_twice(self):
        once = random_points(4)
        twice = scattered(np.tile(once.coordinates, 2))
        single, double = (readings(points, lambda x: 3 * x + np.sin(26 * np.pi * x)) for points in (once, twice))
        # 1e-5: where two points arrive at once, they share a rank, and inwardness is a correlation of ranks
        assert double == pytest.approx(single, abs=1e-5)


class TestPower:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_sum_of_harmonics_is_found_exactly_on_random_points(self, seed):
        points = random_points(seed)
        x = points.coordinates
        field = 2.0 + 3 * np.cos(2 * np.pi * 4 * x + 0.7) + 0.1 * np.sin(2 * np.pi * 30 * x)
        expected = np.zeros(len(points.frequencies))
        expected[[0, 4, 30]] = 4.0, 4.5, 0.005
        np.testing.assert_allclose(points.power(field), expected, atol=1e-11)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_the_fit_is_that_of_a_least_squares_solver(self, seed):
        points, field = random_points(seed, 200), noise(200)
        k = np.arange(1, points.exact_frequency + 1)
        phases = 2 * np.pi * points.coordinates[:, np.newaxis] * k
        design = np.hstack([np.ones((200, 1)), np.cos(phases), np.sin(phases)])
        a, b = np.split(np.linalg.lstsq(design, field, rcond=None)[0][1:], 2)
        np.testing.assert_allclose(points.power(field)[1 : len(k) + 1], (a**2 + b**2) / 2, rtol=1e-9, atol=1e-13)
        scaled = design * np.array([1.0, *np.full(2 * len(k), math.sqrt(2))])
        assert points.condition == pytest.approx(np.linalg.cond(scaled), rel=1e-9)

    @pytest.mark.parametrize("seed", range(30))
    def test_random_points_reach_a_frequency_of_at_least_a_sixteenth_of_their_number(self, seed):
        points = random_points(seed)
        assert points.exact_frequency in (32, 64, 128)
        assert 1.0 < points.condition <= MOST_CONDITION

    @pytest.mark.parametrize("seed", range(30))
    def test_noise_has_at_most_four_times_its_power(self, seed):
        points = random_points(seed)
        own = 2 * points.exact_frequency / 512  # as many of 512 orthogonal directions
        fitted = slice(1, points.exact_frequency + 1)
        assert 0.6 * own < points.power(noise(512, seed + 100))[fitted].sum() < 4 * own  # seen: 1.2 to 3.5

    def test_with_a_gap_a_wave_is_where_it_is_and_the_powers_add_up(self):
        x = np.random.default_rng(0).random(700)
        points = scattered(x[(x < 0.4) | (x > 0.45)])
        field = np.sin(2 * np.pi * 11 * points.coordinates)
        power = points.power(field)
        assert len(points.segments(0)) == 2
        assert np.argmax(power) == 11
        assert power[11] == pytest.approx(0.5, rel=0.06)  # a twentieth of the line is not there
        assert power.sum() == pytest.approx(points.mean(field**2), rel=0.01)  # less what varies within a bin

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("cycles", [2.5, 13.3])
    def test_the_peak_of_a_sine_between_two_frequencies_is_the_nearest_one(self, seed, cycles):
        points = random_points(seed)
        power = points.power(np.sin(2 * np.pi * cycles * points.coordinates + 0.4))
        assert abs(np.argmax(power[1:]) + 1 - cycles) <= 0.5
        assert power.sum() == pytest.approx(0.5, abs=0.05)

    def test_what_is_returned_is_a_new_array(self):
        points, field = random_points(0), noise(512)
        before = points.power(field)
        points.power(field)[:] = 0.0
        assert points.power(field).tolist() == before.tolist()


class TestOrder:
    """What the order of the points, and the units of the axis, change: nothing but the order."""

    @settings(max_examples=40)
    @given(seed=st.integers(0, 10_000), size=st.integers(24, 80), share=st.floats(0, 1.5), copies=st.booleans())
    def test_a_permutation_of_the_points_permutes_every_field_and_changes_no_scalar(self, seed, size, share, copies):
        generator = np.random.default_rng(seed)
        x = np.linspace(0.005, 0.995, size) + generator.uniform(-0.4, 0.4, size) / size
        if copies:
            x = np.append(x, x[::7])
        order = generator.permutation(len(x))
        one, other = scattered(x, ((-0.1, 1.1),)), scattered(x[order], ((-0.1, 1.1),))
        field = noise(len(x), seed)
        mask = one.moving_mean(field, (0.1,)) > 0  # points that coincide agree
        means = one.moving_mean(field, (share,))
        np.testing.assert_allclose(other.moving_mean(field[order], (share,)), means[order], atol=1e-12)
        assert other.components(mask[order]).tolist() == one.components(mask)[order].tolist()
        assert other.coordinates[other.lines(0)].tolist() == one.coordinates[one.lines(0)].tolist()
        np.testing.assert_allclose(other.coarsen(means[order], 10), one.coarsen(means, 10), atol=1e-12)
        np.testing.assert_allclose(other.power(field[order]), one.power(field), atol=1e-11)
        assert other.mean(field[order]) == pytest.approx(one.mean(field), abs=1e-12)
        assert (other.condition, other.exact_frequency) == (one.condition, one.exact_frequency)

    @settings(max_examples=40)
    @given(seed=st.integers(0, 10_000), scale=st.floats(1e-6, 1e6), shift=st.floats(-100, 100), share=st.floats(0, 1.5))
    def test_units_and_origin_of_the_axis_change_nothing(self, seed, scale, shift, share):
        x, field = np.random.default_rng(seed).random(64), noise(64, seed)
        one = scattered(x, ((-0.1, 1.1),))
        low, high = scale * (shift - 0.1), scale * (shift + 1.1)
        other = scattered(np.clip(scale * (x + shift), low, high), ((low, high),))
        np.testing.assert_allclose(
            other.moving_mean(field, (1.2 * share * scale,)), one.moving_mean(field, (1.2 * share,)), atol=1e-7
        )
        assert other.components(field > 0).tolist() == one.components(field > 0).tolist()
        assert other.exact_frequency == one.exact_frequency
        np.testing.assert_allclose(other.power(field), one.power(field), rtol=1e-6, atol=1e-8)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_the_whole_measures_do_not_see_the_order(self, seed):
        points = random_points(seed)
        order = np.random.default_rng(seed + 50).permutation(512)
        one, other = (
            readings(p, lambda x: 3 * x + np.cos(26 * np.pi * x))
            for p in (points, scattered(points.coordinates[order]))
        )
        assert other == pytest.approx(one, abs=1e-9)


def moving_step(points, trend, active, looks=51):
    """History of a fit that comes from the low face as a step."""
    history = None
    for step, place in enumerate(np.linspace(0, 1, looks)):
        residual = np.where(points.points[:, 0] < place, 0.0, -trend.oscillation)
        front = measure_front(points, trend, active, residual, trend.variance)
        history = fronts.update(history, front, active, step)
    return history


def readings(points, target_of):
    """What the measures say of a target that is fitted up to 0.4, and of one whose fit comes as a step."""
    x = points.points[:, 0]
    target = target_of(x)
    trend = fit_trend(points, target)
    active = active_points(points, trend)
    front = measure_front(points, trend, active, np.where(x < 0.4, 0.0, -trend.oscillation), trend.variance)
    history = moving_step(points, trend, active)
    inwardness = fronts.inwardness(points, active, history)
    prediction = np.where(x > 0.5, target, trend.values)
    oscillations = count_oscillations(points, trend, target_laps(points, trend), prediction, prediction - target)
    slope, level = np.polyfit(x - 0.5, trend.values, 1)
    return {
        "slope": slope,
        "level": level,
        "frequency": 1 / trend.wavelength[0],
        "highest": 1 / trend.shortest_wavelength[0],
        "variance": trend.variance,
        "active from": x[active].min(),
        "core from": x[front.unfitted].min(),
        "core to": x[front.unfitted].max(),
        "share before the core": np.mean(x < x[front.unfitted].min()),
        "depth of x_min": front.depth["x_min"],
        "depth of x_max": front.depth["x_max"],
        "sequentiality": fronts.sequentiality(history),
        "inwardness of x_min": inwardness.get("x_min", math.nan),
        "inwardness of x_max": inwardness.get("x_max", math.nan),
        "oscillations": oscillations.target,
        "of the model": oscillations.model,
        "fitted": oscillations.fitted,
        "spurious": oscillations.spurious,
    }


WAVES = {
    "sine": lambda x: np.sin(26 * np.pi * x),
    "sine with a slope": lambda x: 3 * x + np.sin(26 * np.pi * x),
    "cosine with a slope": lambda x: 2 - 3 * x + np.cos(26 * np.pi * x),
}


class TestWholeMeasures:
    """Trend, front and oscillations, unchanged, on the grid, on its points shuffled, and on random points."""

    @pytest.mark.parametrize("wave", WAVES)
    def test_shuffled_grid_points_read_as_the_grid_does(self, wave):
        line, points, _ = shuffled(512)
        assert readings(points, WAVES[wave]) == pytest.approx(readings(line, WAVES[wave]), abs=1e-9)

    @pytest.mark.parametrize("seed", SEEDS)
    @pytest.mark.parametrize("wave", WAVES)
    def test_random_points_read_as_the_grid_does(self, wave, seed):
        expected = readings(grid(512), WAVES[wave])
        seen = readings(random_points(seed), WAVES[wave])
        for exact in ("slope", "level", "frequency", "highest"):
            assert seen[exact] == pytest.approx(expected[exact], abs=1e-9)
        assert seen["variance"] == pytest.approx(0.5, rel=0.015)  # seen: 1.0 %
        assert seen["active from"] < 0.01
        assert seen["core from"] == pytest.approx(expected["core from"], abs=0.01)  # a seventh of a wavelength; 0.007
        assert seen["core to"] > 0.98
        assert seen["depth of x_max"] == 0.0
        assert seen["sequentiality"] == pytest.approx(expected["sequentiality"], abs=0.04)  # seen: 0.034
        assert seen["inwardness of x_min"] == pytest.approx(1.0, abs=0.01)
        assert seen["inwardness of x_max"] == pytest.approx(-1.0, abs=0.01)
        assert seen["oscillations"] == 13.0
        assert seen["of the model"] == 6.5
        assert seen["fitted"] == pytest.approx(expected["fitted"], abs=0.5)
        assert seen["spurious"] <= 0.5

    @pytest.mark.parametrize("seed", SEEDS)
    def test_the_depth_of_a_face_is_the_share_of_points_before_the_core(self, seed):
        seen = readings(random_points(seed), WAVES["sine"])
        assert seen["depth of x_min"] == pytest.approx(seen["share before the core"], abs=1e-12)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_points_where_the_target_is_quiet_are_not_active(self, seed):
        def half(x):
            return np.where(x > 0.5, np.sin(40 * np.pi * x), 0.0)

        expected, seen = readings(grid(512), half), readings(random_points(seed), half)
        assert seen["active from"] == pytest.approx(expected["active from"], abs=0.01)  # seen: 0.006
        assert seen["frequency"] == pytest.approx(expected["frequency"], rel=0.02)  # seen: 1.1 %
        assert seen["variance"] == pytest.approx(expected["variance"], rel=0.04)  # seen: 2.7 %
        assert seen["sequentiality"] == pytest.approx(expected["sequentiality"], abs=0.02)  # seen: 0.008
        assert seen["oscillations"] == 10.0

    @pytest.mark.parametrize("seed", SEEDS)
    def test_noise_on_the_target_changes_no_count_and_hardly_the_frequency(self, seed):
        def noisy(x):
            return 3 * x + np.sin(26 * np.pi * x) + 0.05 * noise(len(x), seed)

        seen = readings(random_points(seed), noisy)
        assert seen["slope"] == pytest.approx(3.0, abs=0.04)
        assert seen["frequency"] == pytest.approx(13.0, rel=1e-3)
        assert (seen["oscillations"], seen["of the model"]) == (13.0, 6.5)
        assert seen["core from"] == pytest.approx(0.366, abs=0.01)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_an_amplitude_that_shrinks_everywhere_is_no_front_on_random_points_either(self, seed):
        points = random_points(seed)
        trend = fit_trend(points, np.sin(26 * np.pi * points.coordinates))
        active, history = active_points(points, trend), None
        for step in range(41):
            residual = -trend.oscillation * (1 - step / 40)
            front = measure_front(points, trend, active, residual, trend.variance)
            history = fronts.update(history, front, active, step)
        assert fronts.sequentiality(history) < 0.01

    def test_where_most_points_crowd_at_one_end_errors_are_still_read_by_place(self):
        # three quarters of the points in the left half: the mean over the points is not the mean over the line
        generator = np.random.default_rng(1)
        points = scattered(np.concatenate([generator.random(600) / 2, 0.5 + generator.random(200) / 2]))
        x = points.coordinates
        trend = fit_trend(points, np.where(x < 0.5, 2.0, 1.0) * np.sin(20 * np.pi * x))
        assert trend.variance == pytest.approx((2.0 + 0.5) / 2, rel=0.02)  # over the points: 1.6
        front = measure_front(points, trend, active_points(points, trend), -trend.oscillation, trend.variance)
        assert front.fitted_share == 0.0
        assert np.median(front.local_error[x > 0.6]) == pytest.approx(0.5 / 1.25, rel=0.05)


@pytest.fixture(scope="module")
def weekly():
    years, ppm = co2_weekly()
    return Scattered.spanning(years, axes=("year",)), ppm


@pytest.fixture(scope="module")
def monthly():
    years, ppm = co2_monthly()
    return Grid(bounds=Scattered.spanning(years).bounds, shape=years.shape, axes=("year",)), ppm


class TestCO2:
    """The weekly record, 2,225 weeks with 59 missing, up to 18 in a row, against the months it averages to."""

    def test_the_one_gap_of_nineteen_weeks_is_left_out_and_frequencies_reach_two_weeks(self, weekly):
        points, _ = weekly
        first, second = points.segments(0)
        before, after = points.coordinates[[first[-1], second[0]]]
        assert (after - before) * 52.18 == pytest.approx(19, abs=0.1)
        assert points.frequencies[-1, 0] / points.lengths[0] == pytest.approx(26, abs=0.4)  # a year

    def test_the_slope_is_that_of_the_months(self, weekly, monthly):
        slopes = [
            np.polyfit(points.points[:, 0] - 1980, fit_trend(points, ppm).values, 1)[0]
            for points, ppm in (weekly, monthly)
        ]
        assert slopes[0] == pytest.approx(slopes[1], rel=0.01)  # seen: 0.6 %
        assert slopes[0] == pytest.approx(1.34, abs=0.01)  # ppm a year

    def test_the_yearly_cycle_is_the_strongest_of_both_at_the_same_frequency_and_power(self, weekly, monthly):
        peaks = []
        for points, ppm in (weekly, monthly):
            power = points.power(fit_trend(points, ppm).oscillation)
            peaks.append((int(np.argmax(power[1:])) + 1, float(power[1:].max())))
        assert peaks[0][0] == peaks[1][0] == 44
        assert peaks[0][1] == pytest.approx(peaks[1][1], rel=0.06)  # seen: 4.1 %; a month's mean is a little lower
        assert peaks[0][0] / weekly[0].lengths[0] == pytest.approx(1.0, abs=0.01)  # a year

    def test_the_years_are_counted(self, weekly):
        points, ppm = weekly
        assert target_laps(points, fit_trend(points, ppm)).count == pytest.approx(43.75, abs=0.5)


class TestRefusals:
    @pytest.mark.parametrize("size", [0, 1, 3])
    def test_too_few_points_are_refused_with_the_number_that_is_needed(self, size):
        with pytest.raises(ValueError, match=rf"^{size} points are too few: a cycle along the axis needs at least 4"):
            Scattered.spanning(np.arange(float(size)))

    def test_points_that_all_coincide_span_nothing(self):
        with pytest.raises(ValueError, match=r"all 9 points lie at 3\.5: there is no line to look along"):
            Scattered.spanning(np.full(9, 3.5))

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_a_coordinate_that_is_not_finite_is_named(self, bad):
        with pytest.raises(ValueError, match="1 of 5 coordinates are not finite, the first is number 2"):
            Scattered.spanning([0.0, 1.0, bad, 3.0, 4.0])

    def test_points_outside_the_bounds_are_named(self):
        with pytest.raises(ValueError, match=r"2 of 5 points lie outside bounds=\(0.0, 1.0\), the first at -0.5"):
            scattered([0.1, -0.5, 0.3, 1.5, 0.9])

    @pytest.mark.parametrize("bounds", [((1.0, 0.0),), ((0.0, 0.0),), ((0.0, np.inf),), ((np.nan, 1.0),)])
    def test_bounds_that_enclose_nothing_are_refused(self, bounds):
        with pytest.raises(ValueError, match="are not a stretch: give finite numbers, the lower one first"):
            scattered([0.0, 0.3, 0.6, 0.9], bounds)

    def test_a_plane_is_refused(self):
        with pytest.raises(ValueError, match="do not describe one axis"):
            Scattered(np.linspace(0, 1, 9), ((0.0, 1.0), (0.0, 1.0)), ("x", "y"))
        with pytest.raises(ValueError, match=r"coordinates of shape \(9, 2\) are not of shape \(N,\).*points\[:, 0\]"):
            Scattered.spanning(np.zeros((9, 2)))
