"""The probe: what it refuses and in which words, how it asks the module, and that it leaves the module as it was."""

from __future__ import annotations

import math
import random
import re
from contextlib import contextmanager

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lightning_seqfit import Probe
from lightning_seqfit.probe.checks.arguments import DEFAULT_RESOLUTION
from lightning_seqfit.probe.guard import leave_untouched

UNIT = [(0.0, 1.0)]
CELLS = 64
CENTRES = (np.arange(CELLS) + 0.5) / CELLS
CPU = torch.device("cpu")


def grid(target=0.0, **options):
    options.setdefault("resolution", CELLS)
    return Probe.grid(bounds=UNIT, target=target, **options)


def sine(frequency):
    return lambda x: torch.sin(2 * torch.pi * frequency * x[:, 0])


def look(module=None, target=None, **options):
    """One observation of a module with target 0."""
    probe = grid(**options)
    return probe.observe(nn.Linear(1, 1) if module is None else module, np.zeros(CELLS) if target is None else target)


class Watched(nn.Module):
    """A module that calls ``inside(self, x)`` in its forward pass and returns it, or x where that is None."""

    def __init__(self, inside=lambda module, x: None, *children):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.children_ = nn.ModuleList(children)
        self.inside = inside

    def forward(self, x):
        output = self.inside(self, x)
        return self.weight * x if output is None else output


class TestBounds:
    @pytest.mark.parametrize(
        ("bounds", "words"),
        [
            ([(1.0, 0.0)], r"low=1\.0 is not below high=0\.0"),
            ([(0.5, 0.5)], r"low=0\.5 is not below high=0\.5"),
            ([(0.0, math.inf)], r"\(0\.0, inf\) is not finite"),
            ([(-math.inf, 0.0)], r"\(-inf, 0\.0\) is not finite"),
            ([(math.nan, 1.0)], r"\(nan, 1\.0\) is not finite"),
            ((0.0, 1.0), "is not a box"),
            ([(0.0, 1.0, 2.0)], "is not a box"),
            ([("low", "high")], "is not a box"),
            (1.0, "is not a box"),
            (None, "is not a box"),
            ([], "has 0 axes"),
            ([(0.0, 1.0)] * 4, "has 4 axes: a grid has one, two or three"),
        ],
    )
    def test_bounds_that_are_no_box_are_refused_with_an_example(self, bounds, words):
        with pytest.raises(
            ValueError, match=rf"{words}.*give one \(low, high\) per axis, such as bounds=\[\(0\.0, 1\.0\)\]"
        ):
            Probe.grid(bounds=bounds, target=0.0)

    def test_the_message_echoes_what_was_given(self):
        with pytest.raises(ValueError, match=re.escape("bounds=[(2, 1)]")):
            Probe.grid(bounds=[(2, 1)], target=0.0)

    def test_lists_and_whole_numbers_do(self):
        assert Probe.grid(bounds=[[-2, 3]], target=0.0).geometry.bounds == ((-2.0, 3.0),)


class TestArguments:
    @pytest.mark.parametrize(
        "resolution", [7, 0, -64, 64.0, 64.5, True, "64", [64, 64], [], [64.0], [True], math.nan], ids=repr
    )
    def test_a_resolution_that_is_no_count_of_cells_is_refused(self, resolution):
        words = re.escape(f"resolution={resolution!r}: give a whole number of at least 8, or one per axis (1)")
        with pytest.raises(ValueError, match=words):
            Probe.grid(bounds=UNIT, target=0.0, resolution=resolution)

    @pytest.mark.parametrize(("resolution", "cells"), [(None, 512), (8, 8), ([64], 64), (np.int64(9), 9)])
    def test_a_resolution_is_a_number_or_one_per_axis_and_512_by_default(self, resolution, cells):
        assert Probe.grid(bounds=UNIT, target=0.0, resolution=resolution).geometry.shape == (cells,)
        assert DEFAULT_RESOLUTION[0] == 512

    @pytest.mark.parametrize("axes", ["x", [], ["x", "y"], ["x", "x"], 5, [["x"]]], ids=repr)
    def test_axes_that_do_not_name_each_axis_once_are_refused(self, axes):
        with pytest.raises(ValueError, match=re.escape(f"axes={axes!r}")):
            grid(axes=axes)

    @pytest.mark.parametrize("axis", ["a/b", "", "a b", "é", 5, None], ids=repr)
    def test_an_axis_name_that_cannot_stand_in_a_tag_is_refused(self, axis):
        with pytest.raises(ValueError, match=r"cannot stand in a tag: use letters, digits"):
            grid(axes=[axis])

    def test_axes_name_the_faces(self):
        assert grid().geometry.faces == ("x_min", "x_max")
        assert grid(axes=["t"]).geometry.faces == ("t_min", "t_max")

    @pytest.mark.parametrize("name", ["left/right", "..", ".hidden", "a b", "-x", "line\n", 5, None], ids=repr)
    def test_a_name_that_cannot_stand_in_a_file_name_is_refused(self, name):
        with pytest.raises(ValueError, match=re.escape(f"name={name!r} cannot stand in a tag and a file name")):
            grid(name=name)

    @pytest.mark.parametrize("name", ["", "left", "run_2", "a.b-c", "0"])
    def test_a_plain_name_is_kept(self, name):
        assert grid(name=name).name == name

    @pytest.mark.parametrize("output", [-1, True, 1.0, "0", None], ids=repr)
    def test_an_output_that_is_no_component_is_refused(self, output):
        with pytest.raises(ValueError, match=re.escape(f"output={output!r} is not a component: pass 0 for the first")):
            grid(output=output)

    @pytest.mark.parametrize("needs_grad", ["false", math.nan, [], 1, None], ids=repr)
    def test_a_flag_that_is_no_boolean_is_refused(self, needs_grad):
        with pytest.raises(TypeError, match=re.escape(f"needs_grad={needs_grad!r}: pass True where the prediction")):
            grid(needs_grad=needs_grad)

    @pytest.mark.parametrize("predict", [5, "module.forward"], ids=repr)
    def test_a_predict_that_cannot_be_called_is_refused(self, predict):
        with pytest.raises(TypeError, match=r"is not callable: pass a function \(module, points of shape \(N, d\)\)"):
            grid(predict=predict)


class TestTarget:
    @pytest.mark.parametrize("values", [np.zeros(63), np.zeros((63, 2)), np.zeros((1, 64)), [0.0], torch.zeros(65)])
    def test_an_array_of_another_length_is_refused_when_it_is_given(self, values):
        shape = re.escape(str(tuple(np.shape(values))))
        with pytest.raises(ValueError, match=rf"target has shape {shape}, expected \(64,\) or \(64, 1\)"):
            grid(values)

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_an_array_with_a_bad_value_is_refused_with_its_place(self, bad):
        values = np.zeros(CELLS)
        values[[5, 7]] = bad
        with pytest.raises(
            ValueError, match="target has 2 of 64 values that are NaN or infinite, the first at point 5"
        ):
            grid(values)

    @pytest.mark.parametrize(
        "target",
        ["sin", {"x": 1}, [[1], [2, 3]], object(), np.ones(64) * 1j, torch.ones(64) * 1j, 1j],
        ids=lambda t: type(t).__name__,
    )
    def test_what_is_no_target_is_refused_with_what_is(self, target):
        with pytest.raises(TypeError, match="pass a function of the points, an array of 64 real values or a number"):
            grid(target)

    @pytest.mark.parametrize("kind", ["array", "column", "list", "tensor", "float32", "bfloat16"])
    def test_an_array_is_the_target_at_the_points_in_their_order(self, kind):
        values = np.sin(2 * np.pi * 3 * CENTRES).astype(np.float32).astype(np.float64)
        given = {
            "array": values,
            "column": values[:, None],
            "list": values.tolist(),
            "tensor": torch.tensor(values, requires_grad=True),
            "float32": values.astype(np.float32),
            "bfloat16": torch.tensor(values).to(torch.bfloat16),
        }[kind]
        target, trend = grid(given).read_target(nn.Linear(1, 1))
        assert target.dtype == np.float64
        np.testing.assert_allclose(target, values, atol=4e-3 if kind == "bfloat16" else 0.0)
        assert trend.wavelength[0] == pytest.approx(1 / 3, rel=1e-2)

    def test_an_array_given_is_copied(self):
        values = np.sin(2 * np.pi * 3 * CENTRES)
        probe = grid(values)
        expected = values.copy()
        values[:] = 9.0
        np.testing.assert_array_equal(probe.read_target(nn.Linear(1, 1))[0], expected)

    @pytest.mark.parametrize("number", [0.0, 2, np.float32(-1.5)])
    def test_a_number_is_the_target_everywhere(self, number):
        target, trend = grid(number).read_target(nn.Linear(1, 1))
        np.testing.assert_array_equal(target, np.full(CELLS, float(number)))
        assert trend.variance == 0.0
        assert look(Watched(lambda module, x: x * 0 + 3)).residual.tolist() == [3.0] * CELLS

    def test_a_callable_gets_the_points_and_may_return_a_column(self):
        for target in (sine(3), lambda x: sine(3)(x)[:, None], lambda x: np.sin(2 * np.pi * 3 * x[:, 0].numpy())):
            values, _ = grid(target).read_target(nn.Linear(1, 1))
            np.testing.assert_allclose(values, np.sin(2 * np.pi * 3 * CENTRES), atol=1e-5)

    def test_a_callable_that_raises_is_quoted(self):
        def target(x):
            raise KeyError("density")

        with pytest.raises(
            RuntimeError, match=r"target raised KeyError: 'density'; .* points of shape \(64, 1\)"
        ) as caught:
            grid(target).read_target(nn.Linear(1, 1))
        assert isinstance(caught.value.__cause__, KeyError)

    def test_a_callable_of_the_wrong_shape_is_refused(self):
        with pytest.raises(ValueError, match=r"target has shape \(64, 1, 2\), expected \(64,\) or \(64, 1\)"):
            grid(lambda x: torch.stack([x, x], dim=2)).read_target(nn.Linear(1, 1))

    def test_a_callable_that_is_not_finite_is_refused_with_the_place(self):
        with pytest.raises(
            ValueError, match=r"target has 32 of 64 values that are NaN or infinite, the first at point 0"
        ):
            grid(lambda x: torch.sqrt(x[:, 0] - 0.5)).read_target(nn.Linear(1, 1))

    def test_a_callable_that_returns_no_values_is_refused(self):
        with pytest.raises(TypeError, match="target is str: pass a function of the points"):
            grid(lambda x: "sin").read_target(nn.Linear(1, 1))

    def test_a_callable_that_knows_only_the_points_will_do(self):
        def known(x):
            if len(x) != CELLS:
                raise KeyError("measured at 64 points only")
            return sine(3)(x)

        for target in (known, lambda x: np.sin(2 * np.pi * 3 * CENTRES)):
            values, trend = grid(target).read_target(nn.Linear(1, 1))
            np.testing.assert_allclose(values, np.sin(2 * np.pi * 3 * CENTRES), atol=1e-5)
            assert trend.wavelength[0] == pytest.approx(1 / 3)

    def test_a_target_that_draws_random_numbers_leaves_the_generators(self, seeded):
        def target(x):
            return sine(3)(x) + 0.01 * (torch.rand(len(x)) + random.random() + np.random.rand())

        module = nn.Linear(1, 1)
        before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
        first, second = (grid(target).read_target(module)[0] for _ in range(2))
        np.testing.assert_array_equal(first, second)  # it did draw, and from the same state
        assert np.abs(first - np.sin(2 * np.pi * 3 * CENTRES)).min() > 1e-4
        assert torch.equal(torch.get_rng_state(), before[0])
        assert random.getstate() == before[1]
        np.testing.assert_array_equal(np.random.get_state()[1], before[2])


class TestResolution:
    @pytest.mark.parametrize(
        ("as_array", "cells", "frequency", "accepted"),
        [
            (False, 8, 8, True),
            (False, 8, 9, False),
            (False, 8, 25, False),
            (True, 4, 16, True),  # nobody can make them finer
            (True, 4, 17, False),
            (True, 4, 25, False),
        ],
    )
    def test_a_wavelength_must_span_eight_cells_and_one_of_given_values_four(
        self, as_array, cells, frequency, accepted
    ):
        target = np.sin(2 * np.pi * frequency * CENTRES) if as_array else sine(frequency)
        probe = grid(target)
        if accepted:
            assert probe.read_target(nn.Linear(1, 1))[1].wavelength[0] == pytest.approx(1 / frequency, rel=1e-3)
            return
        asked = cells * frequency
        words = rf"resolution=64 is too coarse .* of {1 / frequency:.3g} on axis x: use at least {asked} points"
        with pytest.raises(ValueError, match=words):
            probe.read_target(nn.Linear(1, 1))

    def test_the_shortest_wavelength_must_span_four_cells(self):
        # mean frequency 12.8 asks for 102 points, the part of 30 with 14 % of the power for 120
        def target(x):
            return sine(10)(x) + 0.4 * sine(30)(x)

        with pytest.raises(ValueError, match=r"wavelength of 0\.0333 on axis x: use at least 120 points"):
            grid(target).read_target(nn.Linear(1, 1))
        values, trend = grid(target, resolution=120).read_target(nn.Linear(1, 1))
        assert len(values) == 120
        assert trend.shortest_wavelength[0] == pytest.approx(1 / 30, rel=1e-3)

    def test_the_axis_and_its_units_are_named(self):
        probe = Probe.grid(bounds=[(0.0, 10.0)], target=sine(3), resolution=64, axes=["t"])
        with pytest.raises(ValueError, match=r"wavelength of 0\.333 on axis t: use at least 240 points"):
            probe.read_target(nn.Linear(1, 1))

    def test_600_cycles_on_512_points_are_not_taken_for_88(self):
        centres = (np.arange(512) + 0.5) / 512
        seen = np.sin(2 * np.pi * 600 * centres)
        np.testing.assert_allclose(seen, -np.sin(2 * np.pi * 88 * centres), atol=1e-11)  # nothing tells them apart
        array = Probe.grid(bounds=UNIT, target=seen)  # which an array cannot betray
        assert array.read_target(nn.Linear(1, 1))[1].wavelength[0] == pytest.approx(1 / 88)
        with pytest.raises(
            ValueError, match=r"resolution=512 is too coarse .* 0\.00167 on axis x: use at least 4800 points"
        ):
            Probe.grid(bounds=UNIT, target=sine(600), resolution=512).read_target(nn.Linear(1, 1))
        values, trend = Probe.grid(bounds=UNIT, target=sine(600), resolution=4800).read_target(nn.Linear(1, 1).double())
        assert len(values) == 4800
        assert trend.wavelength[0] == pytest.approx(1 / 600)

    @settings(max_examples=40)
    @given(cells=st.integers(16, 300), share=st.floats(0.13, 1.9), phase=st.floats(0, 6))
    def test_the_number_of_points_asked_for_is_accepted(self, cells, share, phase):
        frequency = math.ceil(share * cells)  # up to what the four times finer grid resolves

        def target(x):
            return torch.sin(2 * torch.pi * frequency * x[:, 0] + phase)

        module = nn.Linear(1, 1).double()
        with pytest.raises(ValueError, match="too coarse") as refused:
            grid(target, resolution=cells).read_target(module)
        asked = int(re.search(r"use at least (\d+) points", str(refused.value))[1])
        assert asked == 8 * frequency
        assert grid(target, resolution=asked).read_target(module)[1].wavelength[0] == pytest.approx(1 / frequency)
        with pytest.raises(ValueError, match="too coarse"):
            grid(target, resolution=asked - 1).read_target(module)


class TestPrediction:
    @pytest.mark.parametrize(
        ("shape", "words"),
        [
            ((63, 1), r"\(63, 1\)"),
            ((), r"\(\)"),
            ((1, 64), r"\(1, 64\)"),
            ((64, 1, 1), r"\(64, 1, 1\)"),
        ],
    )
    def test_a_prediction_of_the_wrong_shape_is_refused(self, shape, words):
        expected = (
            rf"{words}, expected a tensor of shape \(64,\) or \(64, k\) for points of shape \(64, 1\): pass predict="
        )
        with pytest.raises(ValueError, match=f"^the module returned a tensor of shape {expected}"):
            look(Watched(lambda module, x: torch.zeros(shape)))
        with pytest.raises(ValueError, match=f"^predict returned a tensor of shape {expected}"):
            look(predict=lambda module, x: torch.zeros(shape))

    @pytest.mark.parametrize(
        ("output", "words"),
        [
            ({"u": 1, "p": 2}, r"dict with keys \['p', 'u'\]"),
            ((torch.zeros(64), None), "tuple"),
            (None, "NoneType"),
            (np.zeros(64), "ndarray"),
            (0.0, "float"),
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_a_prediction_that_is_no_tensor_is_refused_with_its_kind(self, output, words):
        with pytest.raises(TypeError, match=rf"predict returned {words}, expected a tensor .* pass predict="):
            look(predict=lambda module, x: output)

    def test_a_complex_prediction_is_refused(self):
        with pytest.raises(TypeError, match="returned a complex tensor, expected real values: pass predict="):
            look(predict=lambda module, x: torch.complex(x, x))

    @pytest.mark.parametrize(
        ("shape", "output", "words"),
        [
            ((64, 3), 3, r"output=3, but predict returned 3 component\(s\) .* use output=0 to 2"),
            ((64, 1), 1, r"output=1, but predict returned 1 component\(s\) .* use output=0$"),
            ((64,), 1, r"output=1, but predict returned 1 component\(s\) .* use output=0$"),
        ],
    )
    def test_an_output_out_of_range_is_refused_with_the_range(self, shape, output, words):
        with pytest.raises(ValueError, match=words):
            look(output=output, predict=lambda module, x: torch.zeros(shape))

    def test_the_component_asked_for_is_taken(self):
        def predict(module, x):
            return torch.cat([x, 10 + x, 20 + x], dim=1)

        for output in range(3):
            seen = look(output=output, predict=predict).prediction
            np.testing.assert_allclose(seen, 10 * output + CENTRES, rtol=1e-6)

    def test_the_residual_is_prediction_minus_target(self):
        target = np.linspace(-1, 1, CELLS)
        seen = look(Watched(), target=target)
        np.testing.assert_allclose(seen.prediction, CENTRES, rtol=1e-6)
        np.testing.assert_array_equal(seen.residual, seen.prediction - target)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.int64, torch.bool])
    def test_a_prediction_of_any_real_type_comes_as_float64(self, dtype):
        seen = look(predict=lambda module, x: (x[:, 0] > 0.5).to(dtype))
        assert seen.prediction.dtype == np.float64
        np.testing.assert_array_equal(seen.prediction, CENTRES > 0.5)

    def test_nan_and_inf_in_a_prediction_are_a_finding(self):
        def predict(module, x):
            values = x[:, 0].clone()
            values[3], values[4] = math.nan, math.inf
            return values

        seen = look(predict=predict).prediction
        assert np.isnan(seen[3])
        assert np.isposinf(seen[4])
        assert np.isfinite(np.delete(seen, [3, 4])).all()

    def test_a_tensor_subclass_comes_off(self):
        class Tagged(torch.Tensor):
            def numpy(self, *args, **kwargs):
                raise AssertionError("somebody else's arithmetic")

        seen = look(predict=lambda module, x: x[:, 0].as_subclass(Tagged))
        np.testing.assert_allclose(seen.prediction, CENTRES, rtol=1e-6)
        assert type(seen.prediction) is np.ndarray
        target, _ = grid(lambda x: sine(3)(x).as_subclass(Tagged)).read_target(nn.Linear(1, 1))
        np.testing.assert_allclose(target, np.sin(2 * np.pi * 3 * CENTRES), atol=1e-5)

    @pytest.mark.parametrize("kind", ["parameter", "buffer", "cache"])
    def test_the_prediction_is_not_the_modules_own_memory(self, kind):
        module = Watched(lambda module, x: getattr(module, kind)).double()
        module.parameter = nn.Parameter(torch.ones(CELLS, dtype=torch.float64))
        module.register_buffer("buffer", torch.ones(CELLS, dtype=torch.float64))
        module.cache = torch.ones(CELLS, dtype=torch.float64)
        seen = look(module)
        with torch.no_grad():
            getattr(module, kind).mul_(5)
        assert seen.prediction.tolist() == [1.0] * CELLS
        seen.prediction[:] = 7
        assert getattr(module, kind).tolist() == [5.0] * CELLS


class TestPlacement:
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
    def test_points_come_in_the_modules_type_and_the_target_sees_the_same_places(self, dtype):
        got = {}

        def inside(module, x):
            got["module"] = x.clone()

        def target(x):
            got.setdefault("target", x.clone())
            return sine(3)(x)

        module = Watched(inside).to(dtype)
        probe = grid(target)
        values, _ = probe.read_target(module)
        probe.observe(module, values)
        assert got["module"].dtype == dtype
        assert torch.equal(got["module"][:, 0], torch.tensor(CENTRES).to(dtype))
        # the same rounding of the places, and never less than float32 for the arithmetic
        assert got["target"].dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert torch.equal(got["target"].to(torch.float64), got["module"].to(torch.float64))
        places = got["module"][:, 0].to(torch.float64).numpy()
        np.testing.assert_allclose(values, np.sin(2 * np.pi * 3 * places), atol=1e-5)

    def test_a_module_without_parameters_is_placed_by_its_buffers_and_else_in_float32(self):
        seen = []

        class Bare(nn.Module):
            def forward(self, x):
                seen.append(x.dtype)
                return x

        bare, buffered = Bare(), Bare()
        buffered.register_buffer("count", torch.zeros(1, dtype=torch.int64))
        buffered.register_buffer("mean", torch.zeros(1, dtype=torch.float64))
        for module in (bare, buffered):
            look(module)
        assert seen == [torch.float32, torch.float64]

    def test_points_are_a_fresh_copy_every_time(self):
        def spoiling(module, x):
            values = x[:, 0].clone()
            x.fill_(99)
            return values

        module = nn.Linear(1, 1).double()
        probe = grid(predict=spoiling)
        before = probe.geometry.points.copy()
        for _ in range(2):
            np.testing.assert_array_equal(probe.observe(module, np.zeros(CELLS)).prediction, CENTRES)
        np.testing.assert_array_equal(probe.geometry.points, before)

    def test_a_target_that_changes_its_points_changes_nothing(self):
        def spoiling(x):
            values = sine(3)(x)
            x.fill_(99)
            return values

        probe = grid(spoiling)
        module = nn.Linear(1, 1).double()
        first, second = (probe.read_target(module)[0] for _ in range(2))
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(probe.geometry.points[:, 0], CENTRES)

    def test_the_forward_pass_runs_once_and_under_the_precision_given(self):
        calls = []

        @contextmanager
        def precision():
            calls.append("enter")
            with torch.autocast("cpu", dtype=torch.bfloat16):
                yield
            calls.append("leave")

        def inside(module, x):
            calls.append("forward")
            output = module.children_[0](x)
            assert output.dtype == torch.bfloat16
            return output

        module = Watched(inside, nn.Linear(1, 1))
        seen = grid().observe(module, np.zeros(CELLS), precision)
        assert calls == ["enter", "forward", "leave"]
        expected = CENTRES * module.children_[0].weight.item() + module.children_[0].bias.item()
        np.testing.assert_allclose(seen.prediction, expected, atol=0.02)


class TestTrainingFlags:
    @staticmethod
    def flags(module):
        return [m.training for m in module.modules()]

    @pytest.fixture
    @staticmethod
    def network():
        network = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.BatchNorm1d(4), nn.Linear(4, 1))
        network[3].eval()  # frozen by hand, inside a module that trains
        return network

    def test_everything_is_in_evaluation_mode_inside_and_as_it_was_afterwards(self, network):
        inside = []
        network[0].register_forward_hook(lambda *_: inside.append(self.flags(network)))
        before = self.flags(network)
        look(network)
        assert inside == [[False] * 6]
        assert self.flags(network) == before == [True, True, True, True, False, True]

    def test_they_are_put_back_when_the_forward_pass_raises(self, network):
        def fail(*_):
            raise ArithmeticError("inside")

        network[2].register_forward_hook(fail)
        before = self.flags(network)
        with pytest.raises(RuntimeError, match="the module raised ArithmeticError: inside"):
            look(network)
        assert self.flags(network) == before

    @pytest.mark.parametrize("mode", [True, False])
    def test_a_predict_that_sets_the_mode_itself_changes_nothing(self, network, mode):
        def predict(module, x):
            return module.train(mode)(x)

        before = self.flags(network)
        look(network, predict=predict)
        assert self.flags(network) == before

    def test_an_overridden_eval_or_train_is_not_called(self):
        class Stubborn(nn.Linear):
            def eval(self):
                raise AssertionError("eval was called")

            def train(self, mode=True):
                raise AssertionError("train was called")

        module = Stubborn(1, 1)
        assert look(module).prediction.shape == (CELLS,)
        assert module.training

    def test_dropout_is_off(self, network):
        module = nn.Sequential(nn.Linear(1, 1), nn.Dropout(0.5))
        np.testing.assert_array_equal(look(module).prediction, look(module[0]).prediction)


class TestBuffers:
    @staticmethod
    def counting(change):
        module = Watched(lambda module, x: change(module))
        module.register_buffer("count", torch.tensor([1.0, 2.0]))
        module.register_buffer("cache", None)
        return module

    @pytest.mark.parametrize(
        "change",
        [
            lambda module: module.count.add_(1),
            lambda module: setattr(module, "count", module.count + 1),
            lambda module: (module.count.add_(1), setattr(module, "count", module.count * 2)),
            lambda module: module.count.data.add_(1),
            lambda module: setattr(module, "count", None),
            lambda module: delattr(module, "count"),
        ],
        ids=["in place", "reassigned", "both", "through data", "set to None", "deleted"],
    )
    def test_a_buffer_that_the_forward_pass_changes_is_put_back(self, change):
        def forward(module):
            change(module)

        module = self.counting(forward)
        buffer = module.count
        look(module)
        assert module.count is buffer
        assert buffer.tolist() == [1.0, 2.0]

    def test_a_buffer_is_put_back_when_the_forward_pass_raises(self):
        def forward(module):
            module.count.add_(1)
            raise ArithmeticError("inside")

        module = self.counting(forward)
        with pytest.raises(RuntimeError, match="the module raised ArithmeticError: inside"):
            look(module)
        assert module.count.tolist() == [1.0, 2.0]

    def test_a_buffer_that_the_forward_pass_fills_or_adds_is_taken_away_again(self):
        def forward(module):
            module.cache = torch.ones(CELLS)
            module.register_buffer("another", torch.ones(CELLS))

        module = self.counting(forward)
        before = list(module.state_dict())
        look(module)
        assert module.cache is None
        assert list(module.state_dict()) == before

    def test_a_buffer_that_is_only_read_keeps_its_version(self):
        # a write, even of the same values, would break the user's backward pass
        module = self.counting(lambda module: None)
        weight = torch.ones(2, requires_grad=True)
        loss = (weight * module.count).sum()
        look(module)
        loss.backward()
        assert weight.grad.tolist() == [1.0, 2.0]

    def test_batch_norm_statistics_stay(self):
        module = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4, momentum=0.5), nn.Linear(4, 1))
        module(torch.randn(8, 1))
        before = {name: value.clone() for name, value in module.state_dict().items()}
        look(module, predict=lambda module, x: module.train()(x))
        assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


class TestGenerators:
    @staticmethod
    def draw(*_):
        return random.random() + np.random.rand() + torch.rand(1).item()

    @pytest.mark.parametrize("raises", [False, True])
    def test_all_three_are_as_if_nothing_had_been_drawn(self, seeded, raises):
        def inside(module, x):
            drawn.append(self.draw())
            if raises:
                raise ArithmeticError("inside")

        drawn = []
        states = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
        module = Watched(inside)
        for _ in range(2):
            if raises:
                with pytest.raises(RuntimeError, match="the module raised ArithmeticError: inside"):
                    look(module)
            else:
                look(module)
        assert drawn[0] == drawn[1]  # it did draw, and from the same state
        assert random.getstate() == states[0]
        np.testing.assert_array_equal(np.random.get_state()[1], states[1])
        assert torch.equal(torch.get_rng_state(), states[2])

    def test_a_forward_pass_that_seeds_everything_changes_nothing(self, seeded):
        def inside(module, x):
            pl.seed_everything(0, verbose=False)

        expected = self.draw()
        random.seed(seeded)
        np.random.seed(seeded)
        torch.manual_seed(seeded)
        look(Watched(inside))
        assert self.draw() == expected


class TestGradients:
    def test_there_is_no_graph_unless_it_is_asked_for(self):
        seen = []
        module = Watched(lambda module, x: seen.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled())))
        look(module)
        look(module, needs_grad=True)
        with torch.no_grad():
            look(module, needs_grad=True)
        assert seen == [(False, False), (True, False), (True, False)]
        assert torch.is_grad_enabled()

    def test_a_prediction_can_differentiate_by_the_points(self):
        def slope_and_curvature(module, x):
            value = module(x)
            (first,) = torch.autograd.grad(value.sum(), x, create_graph=True)
            (second,) = torch.autograd.grad(first.sum(), x)
            return torch.cat([first, second], dim=1)

        module = Watched(lambda module, x: module.weight * torch.sin(3 * x)).double()
        for output, expected in enumerate((3 * np.cos(3 * CENTRES), -9 * np.sin(3 * CENTRES))):
            seen = look(module, predict=slope_and_curvature, needs_grad=True, output=output).prediction
            np.testing.assert_allclose(seen, expected, atol=1e-12)
        assert module.weight.grad is None

    def test_gradients_that_wait_for_the_optimizer_stay(self):
        module = nn.Linear(1, 1)
        module(torch.ones(4, 1)).sum().backward()
        before = [parameter.grad.clone() for parameter in module.parameters()]
        look(module)
        look(module, needs_grad=True, predict=lambda module, x: torch.autograd.grad(module(x).sum(), x)[0])
        assert all(torch.equal(p.grad, old) for p, old in zip(module.parameters(), before, strict=True))

    @pytest.mark.parametrize("needs_grad", [False, True])
    def test_a_tensor_that_the_module_caches_is_ordinary_and_taken_away_again(self, needs_grad):
        def inside(module, x):
            if not hasattr(module, "scale"):
                module.scale = x.detach().abs().max() * 2
                assert not module.scale.is_inference()
            return module.weight * module.scale * x

        module = Watched(inside)
        look(module, needs_grad=needs_grad)
        assert not hasattr(module, "scale")
        module(torch.ones(3, 1)).sum().backward()
        assert module.weight.grad.item() == 3 * 2  # of the batch, not of the points of the look

    def test_a_graph_built_before_the_look_can_be_used_after_it(self):
        module = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1))
        x = torch.linspace(0, 1, 8)[:, None]

        def gradients(between):
            module.zero_grad()
            loss = module(x).square().mean()
            between()
            loss.backward()
            return [parameter.grad.clone() for parameter in module.parameters()]

        plain, watched = gradients(lambda: None), gradients(lambda: look(module))
        assert all(torch.equal(one, other) for one, other in zip(plain, watched, strict=True))

    def test_the_modules_weights_stay(self):
        module = nn.Linear(1, 1)
        before = {name: (id(value), value._version, value.clone()) for name, value in module.named_parameters()}
        look(module)
        for name, value in module.named_parameters():
            number, version, old = before[name]
            assert (id(value), value._version) == (number, version)
            assert torch.equal(value, old)


class TestLightningModules:
    class Logging(pl.LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def forward(self, x):
            output = self.layer(x)
            self.log("mean", output.mean())
            self.log_dict({"max": output.max()})
            return output

    def test_what_the_module_logs_meanwhile_is_dropped_and_logging_works_again(self, monkeypatch):
        logged = []
        monkeypatch.setattr(self.Logging, "log", lambda self, name, *args, **kwargs: logged.append(name))
        module = self.Logging()
        look(module)
        assert logged == []
        module(torch.zeros(1, 1))
        assert logged == ["mean", "max"]
        assert "log" not in vars(module)

    def test_logging_works_again_after_an_error(self):
        module = self.Logging()
        with pytest.raises(ArithmeticError, match="inside"), leave_untouched(module, CPU):
            raise ArithmeticError("inside")
        assert module.log.__func__ is pl.LightningModule.log

    def test_a_log_of_the_users_own_stays(self):
        module, lines = self.Logging(), []
        mine = lines.append
        object.__setattr__(module, "log", lambda name, *args, **kwargs: mine(name))
        look(module)
        assert lines == []
        module(torch.zeros(1, 1))
        assert lines == ["mean", "max"]

    def test_an_ordinary_module_may_have_a_log_of_its_own(self):
        module = Watched(lambda module, x: module.log(x))
        module.log = lambda x: torch.log(x)
        np.testing.assert_allclose(look(module).prediction, np.log(CENTRES), rtol=1e-5)
        assert "log" in vars(module)


def test_hooks_of_the_user_stay_and_no_other_comes():
    module = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
    calls = []
    module[0].register_forward_hook(lambda *_: calls.append("forward"))
    module[0].register_forward_pre_hook(lambda *_: calls.append("before"))
    module[1].register_full_backward_hook(lambda *_: calls.append("backward"))
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_state_dict_hooks")
    before = [dict(getattr(m, kind)) for m in module.modules() for kind in kinds]
    look(module)
    assert calls == ["before", "forward"]
    assert [dict(getattr(m, kind)) for m in module.modules() for kind in kinds] == before
    module(torch.ones(1, 1)).sum().backward()
    assert calls[2:] == ["before", "forward", "backward"]


def test_a_look_neither_changes_the_module_nor_the_next_look(seeded):
    module = nn.Sequential(nn.Linear(1, 16), nn.BatchNorm1d(16), nn.Dropout(0.3), nn.Tanh(), nn.Linear(16, 1))
    plain = {name: value.clone() for name, value in module.state_dict().items()}
    first, second = look(module), look(module)
    np.testing.assert_array_equal(first.prediction, second.prediction)
    assert all(torch.equal(value, plain[name]) for name, value in module.state_dict().items())
    assert [parameter.grad for parameter in module.parameters()] == [None] * 6
