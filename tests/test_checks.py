"""What may be passed to probes and callbacks: numbers of every kind, and refusals that say what would do."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import ArgumentParser
from torch import nn

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from lightning_seqfit.geometry import Grid
from lightning_seqfit.probe.checks import arguments, values

UNIT = [(0.0, 1.0)]
CENTRES = (np.arange(64) + 0.5) / 64
WAVE = np.sin(6 * np.pi * CENTRES)


def grid(target: Any = 0.0, **options: Any) -> Probe:
    return Probe.grid(**{"bounds": UNIT, "target": target, "resolution": 64, **options})


def whole_kinds(number: int) -> list[Any]:
    return [number, np.int64(number), np.uint8(number), np.array(number), torch.tensor(number)]


def real_kinds(number: float) -> list[Any]:
    arrays = [np.float64(number), np.float32(number), np.float16(number), np.array(number), np.ma.masked_array(number)]
    return [number, *arrays, torch.tensor(number), torch.tensor(number, requires_grad=True), Fraction(number)]


@pytest.mark.parametrize("number", whole_kinds(9), ids=repr)
def test_a_whole_number_of_numpy_or_torch_is_one(number: Any) -> None:
    assert SequentialFitting(grid(), every_n_steps=number).every_n_steps == 9
    assert type(SequentialFitting(grid(), every_n_steps=number).every_n_steps) is int
    assert type(grid(output=number).output) is int
    assert grid(resolution=number).geometry.points.shape == (9, 1)
    box = Probe.grid(bounds=UNIT * 2, target=0.0, resolution=[number, 8]).geometry
    assert isinstance(box, Grid)
    assert box.shape == (9, 8)


@pytest.mark.parametrize("number", real_kinds(0.25), ids=repr)
def test_a_number_of_numpy_or_torch_is_one(number: Any) -> None:
    assert ErrorFront(grid(), tolerance=number)._diagnostics[0].tolerance == 0.25  # type: ignore[attr-defined]
    assert grid(bounds=[(number, 1)]).geometry.bounds == ((0.25, 1.0),)
    assert np.asarray(grid(number).target).tolist() == [0.25] * 64
    assert np.asarray(grid(lambda x: number).read_target(nn.Linear(1, 1))[0]).tolist() == [0.25] * 64


def test_bounds_and_resolution_may_be_arrays() -> None:
    geometry = Probe.grid(np.array([[0, 1], [2, 4]]), 0.0, resolution=torch.tensor([8, 16])).geometry  # type: ignore[arg-type]
    assert geometry.bounds == ((0.0, 1.0), (2.0, 4.0))
    assert len(geometry.points) == 128


TRUTHS = [True, np.bool_(True), np.array(True), torch.tensor(True)]


@pytest.mark.parametrize("value", [*TRUTHS, 5.0, np.float64(5), np.array([5]), torch.tensor([5]), "5", None], ids=repr)
def test_what_is_no_whole_number_is_refused_everywhere(value: Any) -> None:
    with pytest.raises(ValueError, match=r"every_n_steps=.*whole number of at least 1, or a function"):
        SequentialFitting(grid(), every_n_steps=value)
    with pytest.raises(ValueError, match=r"output=.* is not a component"):
        grid(output=value)


@pytest.mark.parametrize(
    "value", [*TRUTHS, np.array([0.5]), 0.5j, np.complex64(0.5), "0.5", None, np.ma.masked], ids=repr
)
def test_what_is_no_number_is_refused_everywhere(value: Any) -> None:
    with pytest.raises(ValueError, match=r"tolerance=.*between 0 and 1"):
        ErrorFront(grid(), tolerance=value)
    with pytest.raises(ValueError, match="is not a box"):
        grid(bounds=[(value, 2.0)])


@pytest.mark.parametrize("truth", TRUTHS, ids=repr)
def test_a_truth_value_is_no_target_and_an_array_of_them_is_one(truth: Any) -> None:
    with pytest.raises(TypeError, match="pass a function of the points, an array of 64 real values or a number"):
        grid(truth)
    assert np.asarray(grid(CENTRES > 0.5).target).tolist() == [0.0] * 32 + [1.0] * 32


@given(st.integers(-(2**40), 2**40))
def test_whole_numbers_come_through_as_they_are(number: int) -> None:
    for given_as in (number, np.int64(number), np.array(number), torch.tensor(number)):
        assert arguments.as_whole(given_as) == number
        assert arguments.as_real(given_as) == number


@given(st.floats(width=32, allow_nan=False) | st.decimals(-1000, 1000, places=3) | st.fractions(-9, 9))
def test_numbers_come_through_as_they_are(number: Any) -> None:
    assert arguments.as_real(number) == float(number)
    if isinstance(number, float):
        assert arguments.as_real(np.float32(number)) == arguments.as_real(torch.tensor(number)) == number
    if isinstance(number, Decimal):
        assert np.asarray(grid([number] * 64).target).tolist() == [float(number)] * 64


class TestNames:
    @pytest.mark.parametrize("name", ["a" * 101, "b" * 250])
    def test_a_name_too_long_for_a_file_is_refused_with_how_long_it_may_be(self, name: str) -> None:
        with pytest.raises(ValueError, match=rf"has {len(name)} letters, too many for .* file: use at most 100$"):
            grid(name=name)
        with pytest.raises(ValueError, match=rf"a name has {len(name)} letters; use at most 100"):
            grid(axes=[name])
        assert grid(name=name[:100]).name == name[:100]

    @pytest.mark.parametrize("name", ["con", "NUL", "Aux.left", "com1", "LPT9.x.y"])
    def test_a_device_of_windows_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="device on Windows, where no file can be called so: use another name"):
            grid(name=name)

    @pytest.mark.parametrize("name", ["console", "com", "null", "x.con", "lpt10"])
    def test_a_name_that_only_looks_like_one_is_kept(self, name: str) -> None:
        assert grid(name=name).name == name

    @pytest.mark.parametrize("name", [".", "..", "...", ".a"])
    def test_a_name_that_means_a_folder_or_hides_a_file_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="cannot stand in a tag and a file name"):
            grid(name=name)


class TestLimits:
    @pytest.mark.parametrize(
        ("resolution", "axes", "instead"),
        [(2**21 + 1, 1, "2097152"), (1500, 2, "1448"), ((4096, 1024), 2, r"\(2896, 724\)"), (129, 3, "128")],
    )
    def test_more_cells_than_a_look_can_take_are_refused_with_a_resolution_that_does(
        self, resolution: Any, axes: int, instead: str
    ) -> None:
        with pytest.raises(ValueError, match=rf"at most 2,097,152, such as resolution={instead}$") as caught:
            Probe.grid(UNIT * axes, 0.0, resolution=resolution)
        assert re.escape(f"resolution={resolution!r} makes ")[:20] in re.escape(str(caught.value))

    @given(st.lists(st.integers(8, 10**7), min_size=1, max_size=3))
    def test_a_resolution_that_is_advised_is_accepted(self, resolution: list[int]) -> None:
        try:
            arguments.checked_resolution(resolution, ((0.0, 1.0),) * len(resolution))
        except ValueError as error:
            assert np.prod([float(cells) for cells in resolution]) > 2**21
            advised = re.search(r"such as resolution=\(?([\d, ]+)\)?$", str(error))
            assert advised or max(resolution) > 2**15  # one axis is so long that the others cannot make up for it
            if advised:
                numbers = [int(cells) for cells in advised[1].split(",")]
                arguments.checked_resolution(
                    numbers if len(numbers) == len(resolution) else numbers[0], ((0.0, 1.0),) * len(resolution)
                )

    def test_more_points_than_a_look_can_take_are_refused_with_how_to_thin_them(self) -> None:
        with pytest.raises(ValueError, match=r"400,001 points.*at most 200,000, such as points\[::3\]"):
            Probe.points(np.arange(400_001.0), 0.0)
        assert len(np.arange(400_001)[::3]) <= 200_000
        assert len(values.checked_points(np.arange(200_000.0))) == 200_000


class TestRoom:
    @pytest.mark.parametrize(
        "bounds",
        [(0.0, 5e-324), (0.0, 2e-322), (1.0, 1.0 + 1e-14), (1e300, np.nextafter(1e300, 2e300)), (-5e-324, 5e-324)],
    )
    def test_cells_that_coincide_in_float64_are_refused_at_once(self, bounds: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match=r"have room for \d+ of 64 different points in float64: shift the inputs"):
            grid(bounds=[bounds])

    def test_bounds_further_apart_than_float64_holds_are_refused(self) -> None:
        with pytest.raises(ValueError, match="is more than float64 holds; use other units"):
            grid(bounds=[(-1.7e308, 1.7e308)])

    @pytest.mark.parametrize("bounds", [(0.0, 1e-300), (1e9, 1e9 + 1), (-1e300, 1e300)])
    def test_extreme_bounds_with_room_are_kept(self, bounds: tuple[float, float]) -> None:
        assert len(np.unique(grid(bounds=[bounds]).geometry.points)) == 64


class TestValues:
    def masked(self, mask: Any) -> Any:
        return np.ma.masked_array(WAVE.copy(), mask=mask)

    def test_masked_values_are_refused_with_what_to_do(self) -> None:
        target = self.masked(CENTRES < 0.25)
        target.data[:16] = 1e6
        for given_as in (target, lambda x: target):
            with pytest.raises(ValueError, match=r"target has 16 of 64 values masked: leave those points out.*filled"):
                grid(given_as).read_target(nn.Linear(1, 1))
        with pytest.raises(ValueError, match=r"points has 16 of 64 values masked: leave those points out"):
            Probe.points(np.ma.masked_array(CENTRES, mask=CENTRES < 0.25), WAVE)

    @pytest.mark.parametrize("mask", [False, np.zeros(64, dtype=bool)], ids=["no mask", "nothing masked"])
    def test_an_array_with_nothing_masked_is_an_array(self, mask: Any) -> None:
        np.testing.assert_array_equal(grid(self.masked(mask)).target, WAVE)  # type: ignore[arg-type]
        probe = Probe.points(np.ma.masked_array(CENTRES, mask=mask), self.masked(mask))
        np.testing.assert_array_equal(probe.geometry.points[:, 0], CENTRES)

    @pytest.mark.parametrize("size", [1e-170, -3e-300, 1e-151])
    def test_a_target_whose_squares_are_nothing_is_refused(self, size: float) -> None:
        with pytest.raises(ValueError, match=r"target reaches only .*, whose square is nothing in float64: use other"):
            grid(size * WAVE)
        with pytest.raises(ValueError, match="use other units"):
            grid(lambda x: size * WAVE).read_target(nn.Linear(1, 1))

    @pytest.mark.parametrize("target", [0.0, np.zeros(64), 1e-170, np.full(64, 3e-200), 1e-140 * WAVE, 1e150])
    def test_nothing_constants_and_what_can_be_squared_stay_targets(self, target: Any) -> None:
        values, trend = grid(target).read_target(nn.Linear(1, 1))
        np.testing.assert_array_equal(values, np.broadcast_to(target, 64))
        assert (trend.variance > 0.0) == (np.ptp(values) > 0.0)

    @pytest.mark.parametrize("size", [1e200, -2e150])
    def test_a_target_whose_squares_are_infinite_is_refused(self, size: float) -> None:
        with pytest.raises(ValueError, match="can be squared: use other units"):
            grid(size * WAVE)

    @pytest.mark.parametrize(
        "convert",
        [
            lambda t: t.to_sparse(),
            lambda t: t.to_sparse_csr(),
            lambda t: t.conj(),
            lambda t: torch._neg_view(t),
            lambda t: t.requires_grad_(),
            lambda t: t.to(torch.float64).numpy().astype(object),
        ],
        ids=["sparse", "csr", "conj", "negative view", "grad", "objects"],
    )
    @pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta state:UserWarning")
    def test_values_of_any_layout_are_read(self, convert: Any) -> None:
        column = torch.tensor(WAVE)[:, None]
        values = np.asarray(grid(convert(column)).target)
        np.testing.assert_array_equal(np.abs(values), np.abs(WAVE))

    @pytest.mark.parametrize(
        ("target", "words"),
        [
            (torch.zeros(64, device="meta"), "lies on the device meta, which holds no values"),
            (torch.nested.nested_tensor([torch.ones(2), torch.ones(3)], layout=torch.jagged), "is nested"),
            (torch.zeros(64, dtype=torch.complex64), "is complex"),
            (np.array(["2024-01-01"] * 64, dtype="M8[D]"), "ndarray"),
            (np.array(["1.0"] * 64), "ndarray"),
        ],
        ids=["meta", "nested", "complex", "dates", "words"],
    )
    def test_values_that_cannot_be_read_are_refused_in_words(self, target: Any, words: str) -> None:
        for given_as in (target, lambda x: target):
            with pytest.raises(
                TypeError, match=rf"target.*{words}.*pass a function of the points, an array of 64 real"
            ):
                grid(given_as).read_target(nn.Linear(1, 1))

    def test_an_array_whose_conversion_fails_is_refused_in_words(self) -> None:
        class Lazy:
            def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
                raise OSError("not computed yet")

        with pytest.raises(TypeError, match="target is Lazy: pass a function of the points"):
            grid(Lazy())
        with pytest.raises(TypeError, match="points is Lazy: give an array"):
            Probe.points(Lazy(), 0.0)  # type: ignore[arg-type]


class Odd:
    """Raises whatever it is asked."""

    def __repr__(self) -> str:
        raise KeyError("no words")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no attributes")

    def __iter__(self) -> Any:
        raise OSError("no members")


KEYWORDS = [
    *("predict", "output", "needs_grad", "name", "quantity", "relative", "noise", "scale"),
    *("bounds", "axes", "ends", "resolution"),
]


class TestWords:
    @pytest.mark.parametrize("keyword", KEYWORDS)
    def test_an_object_that_cannot_be_printed_is_refused_in_words(self, keyword: str) -> None:
        with pytest.raises((ValueError, TypeError), match=rf"^{keyword}=<Odd>"):
            grid(**{keyword: Odd()})

    @pytest.mark.parametrize("quantity", [None, 5, b"CO2", ["CO2"]], ids=repr)
    def test_a_quantity_that_is_no_text_is_refused(self, quantity: Any) -> None:
        with pytest.raises(TypeError, match=r"^quantity=.* is no text: name what is predicted, with its unit, such as"):
            grid(quantity=quantity)

    @pytest.mark.parametrize("number", [10**16, 10**400, 10**5000], ids=["long", "no float", "no text"])
    def test_a_resolution_beyond_all_numbers_is_refused_with_one_that_does(self, number: int) -> None:
        for resolution, axes, instead in ((number, 1, "2097152"), (number, 2, "1448"), ([number, 64], 2, None)):
            with pytest.raises(ValueError, match=r"cells, more than a look can take: give at most 2,097,152") as caught:
                Probe.grid(UNIT * axes, 0.0, resolution=resolution)
            assert len(str(caught.value)) < 700
            assert instead is None or str(caught.value).endswith(f"such as resolution={instead}")

    def test_what_is_long_is_repeated_in_part(self) -> None:
        with pytest.raises(ValueError, match=r"^axes=\['x', 'x',.*\.\.\. does not name 1 axes") as caught:
            grid(axes=["x"] * 100_000)
        assert len(str(caught.value)) < 600

    def test_a_keyword_that_there_is_not_is_refused_with_those_that_there_are(self) -> None:
        for make in (grid, lambda **k: Probe.points(CENTRES, WAVE, **k), lambda **k: Probe(grid().geometry, 0.0, **k)):
            with pytest.raises(TypeError, match=r"takes no 'nois': its keywords are predict, output, .* noise, scale$"):
                make(nois=0.1)

    def test_a_configuration_may_give_each_keyword_that_a_probe_takes(self) -> None:
        given = {"output": 1, "needs_grad": True, "name": "left", "quantity": "u (m)", "relative": "local"}
        given |= {"noise": 0.5, "scale": 2.0}
        for make, places in ((Probe.grid, {"bounds": UNIT}), (Probe.points, {"points": CENTRES.tolist()})):
            parser = ArgumentParser(exit_on_error=False)
            parser.add_function_arguments(make, "probe")
            probe = make(**parser.parse_object({"probe": {**places, "target": 0.0, **given}}).probe.as_dict())
            assert {name: getattr(probe, name) for name in given} == given
