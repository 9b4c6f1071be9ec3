"""The power of fields on a part of a box: totals, known waves, and an oracle by dense matrices."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_seqfit.geometry import Grid
from lightning_seqfit.geometry.masked_power import MaskedPower

AXES = ("x", "y", "z")


def grid(*shape):
    return Grid(bounds=tuple((0.0, 1.0) for _ in shape), shape=shape, axes=AXES[: len(shape)])


PLANE, SPACE = grid(96, 96), grid(32, 32, 32)
DOMAINS = {
    "disc": lambda x: np.linalg.norm(x - 0.5, axis=1) < 0.5,
    "L": lambda x: (x[:, 0] < 0.5) | (x[:, 1] < 0.5),
    "disc with a hole": lambda x: (np.linalg.norm(x - 0.5, axis=1) < 0.5) & (np.linalg.norm(x - 0.6, axis=1) > 0.12),
    "annulus": lambda x: np.abs(np.linalg.norm(x - 0.5, axis=1) - 0.375) < 0.125,
    "cut": lambda x: x[:, 0] + 0.4 * x[:, 1] < 0.8,
}
PREPARED = {}


def on(box, name):
    """Spectrum of a domain and its points, prepared once for all tests."""
    key = len(box.shape), name
    if key not in PREPARED:
        inside = DOMAINS[name](box.points)
        PREPARED[key] = MaskedPower(box, inside), box.points[inside]
    return PREPARED[key]


def wave(points, cycles, direction, phase=0.7):
    direction = np.asarray(direction, dtype=float)[: points.shape[1]]
    return np.cos(2 * np.pi * cycles * points @ (direction / np.linalg.norm(direction)) + phase)


def within(box, power, low, high):
    cycles = np.linalg.norm(box.frequencies, axis=1)
    return float(power[(cycles >= low) & (cycles < high)].sum())


def octave(cycles):
    low = 2.0 ** np.floor(np.log2(cycles))
    return low, 2 * low


def zero_extended(box, inside, field):
    extended = np.zeros(box.shape)
    extended[inside.reshape(box.shape)] = field
    return np.abs(np.fft.fftn(extended)) ** 2 / (extended.size * inside.sum())


@st.composite
def masked_fields(draw):
    shape = tuple(draw(st.lists(st.integers(1, 11), min_size=2, max_size=3)))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    inside = generator.random(np.prod(shape)) < draw(st.floats(0.0, 1.0))
    inside[generator.integers(len(inside))] = True
    rough = generator.standard_normal(inside.sum())
    smooth = grid(*shape).points[inside] @ generator.standard_normal(len(shape))
    return shape, inside, draw(st.sampled_from([0.0, 1.0, 1e3])) + draw(st.sampled_from([rough, smooth]))


class TestEveryField:
    @settings(max_examples=40)
    @given(masked_fields())
    def test_powers_are_positive_and_add_up_to_the_mean_square(self, masked):
        shape, inside, field = masked
        power = MaskedPower(grid(*shape), inside).power(field)
        assert power.shape == (len(grid(*shape).frequencies),)
        assert power.min() >= 0.0
        assert power.sum() == pytest.approx(np.mean(field**2), rel=1e-11)

    @settings(max_examples=40)
    @given(masked_fields(), st.sampled_from([-1.0, 0.5, -8.0, 2.0**40]))
    def test_a_field_times_a_number_has_its_square_times_the_power(self, masked, number):
        shape, inside, field = masked
        spectrum = MaskedPower(grid(*shape), inside)
        np.testing.assert_array_equal(spectrum.power(number * field), number**2 * spectrum.power(field))

    @settings(max_examples=40)
    @given(masked_fields())
    def test_row_0_is_the_square_of_the_mean(self, masked):
        shape, inside, field = masked
        power = MaskedPower(grid(*shape), inside).power(field)
        assert power[0] == pytest.approx(np.mean(field) ** 2, rel=1e-12, abs=1e-20 * np.mean(field**2))

    @settings(max_examples=40)
    @given(masked_fields(), st.integers(0, 2**32 - 1))
    def test_powers_of_sum_and_difference_obey_the_parallelogram_law(self, masked, seed):
        shape, inside, field = masked
        other = np.random.default_rng(seed).standard_normal(len(field))
        power = MaskedPower(grid(*shape), inside).power
        both = power(field + other) + power(field - other)
        np.testing.assert_allclose(both, 2 * power(field) + 2 * power(other), rtol=1e-7, atol=1e-10 * both.sum())

    @pytest.mark.parametrize("shape", [(12, 9), (6, 5, 7), (2, 2)])
    def test_where_all_is_covered_it_is_the_power_of_the_grid(self, shape):
        field = np.random.default_rng(0).standard_normal(np.prod(shape))
        power = MaskedPower(grid(*shape), np.ones(field.size, dtype=bool)).power(field)
        np.testing.assert_array_equal(power, grid(*shape).power(field))

    @pytest.mark.parametrize("box", [PLANE, SPACE])
    def test_a_constant_is_at_row_0_alone(self, box):
        spectrum, points = on(box, "L")
        power = spectrum.power(np.full(len(points), -3.0))
        assert power[0] == pytest.approx(9.0, rel=1e-14)
        assert power[1:].max() < 1e-26


def test_it_is_the_spectrum_that_dense_matrices_give():
    """Explicit cosines and sines, an inverse square root instead of a polar factor, and sums instead of an FFT."""
    box, generator = grid(18, 12), np.random.default_rng(2)
    inside = np.linalg.norm(box.points - [0.6, 0.5], axis=1) < 0.5
    points, field = box.points[inside], generator.standard_normal(inside.sum()) + 1.0
    functions, weights, labels = [], [], []
    for length, factor, highest, cells in ((1.0, 1.0, 8.0, (6, 4)), (1.2, 0.4, 12.0, (6, 4))):
        for k in np.ndindex(15, 29):
            cycles = np.array([k[0], k[1] - 14]) / length
            half_plane = cycles[0] > 0 or cycles[1] > 0
            whole = length > 1 and all(number % 6 == 0 for number in (k[0], k[1] - 14))
            if half_plane and not whole and np.hypot(*cycles) <= highest and np.all(np.abs(cycles) <= cells):
                for turn in (np.cos, np.sin):
                    column = np.sqrt(2) * turn(2 * np.pi * points @ cycles)
                    functions.append(column - column.mean())
                    weights.append(factor / (1 + cycles @ cycles))
                    labels.append(tuple(np.abs(np.rint(cycles))))
    functions, weights = np.array(functions).T / np.sqrt(len(points)), np.array(weights)
    basis, size, mixing = np.linalg.svd(functions, full_matrices=False)
    basis, size, mixing = basis[:, size**2 > 0.03], size[size**2 > 0.03], mixing[size**2 > 0.03]
    near = weights[:, None] * mixing.T * size
    squares, axes = np.linalg.eigh(near.T @ near)
    along = near @ (axes / np.sqrt(squares)) @ axes.T @ (basis.T @ field)
    expected = dict.fromkeys(map(tuple, np.abs(box.frequencies)), 0.0)
    for label, square in zip(labels, along**2 / len(points), strict=True):
        expected[label] += square
    left = field - field.mean() - basis @ (basis.T @ field)
    expected[0.0, 0.0] += field.mean() ** 2
    for k in np.ndindex(18, 12):
        term = abs(np.exp(-2j * np.pi * points @ np.array(k)) @ left) ** 2
        label = float(min(k[0], 18 - k[0])), float(min(k[1], 12 - k[1]))
        expected[label] += term / (box.points.shape[0] * len(points))
    found = dict.fromkeys(expected, 0.0)
    for label, square in zip(map(tuple, box.frequencies), MaskedPower(box, inside).power(field), strict=True):
        found[label] += square
    assert len(size) < len(weights), "nothing was left out: the case is too easy"
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-8, atol=1e-11)


PAIRS = [(0.7, 16.0), (1.3, 24.5), (2.5, 33.0), (4.4, 18.0), (6.0, 40.0), (7.5, 21.3), (10.0, 28.0), (3.0, 10.0)]
DIRECTIONS = [(1, 0, 0), (0, 1, 1), (3, 2, 1), (-1, 1.3, 0.4)]


class TestPairs:
    @pytest.mark.parametrize("name", DOMAINS)
    @pytest.mark.parametrize(("slow", "fast"), PAIRS)
    def test_a_missing_fast_wave_reads_as_missing(self, name, slow, fast):
        spectrum, points = on(PLANE, name)
        for number, direction in enumerate(DIRECTIONS):
            residual = 0.1 * wave(points, fast, DIRECTIONS[-number], 1.1)
            target = wave(points, slow, direction) + residual
            missing, there = (within(PLANE, spectrum.power(f), *octave(fast)) for f in (residual, target))
            assert 0.85 < np.sqrt(missing / there) < 1.05

    @pytest.mark.parametrize("name", DOMAINS)
    @pytest.mark.parametrize(("slow", "fast"), [(0.7, 9.0), (1.5, 12.0), (2.0, 8.5), (3.0, 13.0)])
    def test_in_space_too(self, name, slow, fast):
        spectrum, points = on(SPACE, name)
        for number, direction in enumerate(DIRECTIONS):
            residual = 0.1 * wave(points, fast, DIRECTIONS[-number], 1.1)
            target = wave(points, slow, direction) + residual
            missing, there = (within(SPACE, spectrum.power(f), *octave(fast)) for f in (residual, target))
            assert 0.75 < np.sqrt(missing / there) < 1.05

    def test_with_zeros_the_disc_reads_too_little(self):
        inside = DOMAINS["disc"](PLANE.points)
        points = PLANE.points[inside]
        residual = 0.1 * wave(points, 24.5, DIRECTIONS[2])
        cycles = np.linalg.norm(np.meshgrid(*[np.fft.fftfreq(96, 1 / 96)] * 2), axis=0)
        band = (cycles >= 16) & (cycles < 32)
        missing, there = (
            zero_extended(PLANE, inside, f)[band].sum() for f in (residual, residual + wave(points, 2.5, DIRECTIONS[1]))
        )
        assert np.sqrt(missing / there) < 0.75


class TestOneWave:
    @pytest.mark.parametrize("name", DOMAINS)
    @pytest.mark.parametrize("slow", [0.7, 1.5, 3.3, 5.0, 7.9])
    def test_a_slow_wave_alone_is_not_in_fast_bands(self, name, slow):
        spectrum, points = on(PLANE, name)
        for direction in DIRECTIONS:
            field = wave(points, slow, direction)
            assert within(PLANE, spectrum.power(field), 16, np.inf) < 1e-3 * np.mean(field**2)

    @pytest.mark.parametrize("name", ["disc", "L"])
    @pytest.mark.parametrize("whole", [(3, 0), (0, 6), (5, 3), (-4, 5), (11, 2), (24, 5), (-20, 13)])
    def test_a_whole_wave_is_in_its_octave(self, name, whole):
        spectrum, points = on(PLANE, name)
        field = wave(points, np.hypot(*whole), whole)
        assert within(PLANE, spectrum.power(field), *octave(np.hypot(*whole))) > 0.8 * np.mean(field**2)

    @pytest.mark.parametrize("whole", [(3, 2), (-3, 2), (6, 0), (20, 7), (-20, 7)])
    def test_the_strongest_row_is_that_of_the_grid(self, whole):
        spectrum, points = on(PLANE, "disc")
        cycles = np.hypot(*whole)
        power = spectrum.power(wave(points, cycles, whole))
        assert np.argmax(power) in np.argsort(PLANE.power(wave(PLANE.points, cycles, whole)))[-2:]

    @pytest.mark.parametrize("name", ["disc", "L"])
    def test_a_slope_is_slow(self, name):
        spectrum, points = on(PLANE, name)
        field = points @ [1.0, -2.0]
        assert within(PLANE, spectrum.power(field), 4, np.inf) < 0.02 * np.var(field)


@pytest.mark.parametrize("name", ["disc", "L"])
def test_a_residual_in_the_outermost_tenth_is_at_its_frequency(name):
    spectrum, points = on(PLANE, name)
    outermost = np.linalg.norm(points - 0.5, axis=1)
    outermost = outermost > np.quantile(outermost, 0.9)
    field = outermost * wave(points, 22.0, (3, 2))
    power = spectrum.power(field)
    assert power.sum() == pytest.approx(np.mean(field**2), rel=1e-12)
    cycles = np.linalg.norm(np.meshgrid(*[np.fft.fftfreq(96, 1 / 96)] * 2), axis=0)
    sharp = zero_extended(PLANE, spectrum.inside, field)[(cycles >= 16) & (cycles < 32)].sum()
    assert within(PLANE, power, 16, 32) > max(0.5 * power.sum(), 0.85 * sharp)


@pytest.mark.parametrize("name", ["disc", "L", "annulus"])
def test_white_noise_is_white_above_the_fitted_frequencies_and_bounded_below(name):
    spectrum, points = on(PLANE, name)
    generator = np.random.default_rng(4)
    noise = np.mean([spectrum.power(generator.standard_normal(len(points))) for _ in range(50)], axis=0)
    impulse = np.zeros(96 * 96)
    impulse[0] = 96.0  # as much in every row of the whole plane as white noise of variance 1
    white = PLANE.power(impulse)
    for low in (16, 32):
        assert within(PLANE, noise, low, 2 * low) == pytest.approx(within(PLANE, white, low, 2 * low), rel=0.05)
    share = len(points) / 96**2
    for low in (2, 4, 8):
        excess = within(PLANE, noise, low, 2 * low) / within(PLANE, white, low, 2 * low)
        assert 0.95 < excess < 1.4 / share


@pytest.mark.parametrize("inside", [np.ones((4, 4), dtype=bool), np.ones(15, dtype=bool), np.zeros(16, dtype=bool)])
def test_another_shape_or_no_cell_is_refused(inside):
    with pytest.raises(ValueError, match="one value for each of the 16 cells"):
        MaskedPower(grid(4, 4), inside)
