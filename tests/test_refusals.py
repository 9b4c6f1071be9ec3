"""What goes wrong when a module is asked is said in words of ours, before training, with what to do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe
from lightning_seqfit.adapters import Dictionary

CELLS = 64
CENTRES = (np.arange(CELLS) + 0.5) / CELLS


def grid(target: Any = 0.0, **options: Any) -> Probe:
    return Probe.grid(**{"bounds": [(0.0, 1.0)], "target": target, "resolution": CELLS, **options})


def look(module: nn.Module | None = None, **options: Any) -> Any:
    return grid(**options).observe(nn.Linear(1, 1) if module is None else module, np.zeros(CELLS)).prediction


class Asked(nn.Module):
    def __init__(self, forward: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        self.answer = forward

    def forward(self, x: Tensor) -> Any:
        return self.answer(self, x)


class Odd(Exception):
    """An exception that cannot even be printed."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class TestExceptions:
    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (StopIteration(), "StopIteration"),
            (KeyError("density"), "KeyError: 'density'"),
            (GeneratorExit, None),
            (AssertionError(), "AssertionError"),
            (UserWarning("loud"), "UserWarning: loud"),
            (StopAsyncIteration("x"), "StopAsyncIteration: x"),
            (Odd(), "Odd"),
        ],
        ids=lambda value: value.__class__.__name__ if isinstance(value, BaseException) else None,
    )
    def test_whatever_is_raised_comes_in_our_words(self, error: Any, words: str | None) -> None:
        def raising(*_: Any) -> Any:
            raise error

        asked = {
            "predict": lambda: look(predict=raising),
            "the module": lambda: look(Asked(raising)),
            "target": lambda: grid(raising).read_target(nn.Linear(1, 1)),
        }
        for who, ask in asked.items():
            if words is None:  # no error, but the end of something: not ours to keep
                with pytest.raises(error):
                    ask()
                continue
            with pytest.raises(
                RuntimeError, match=rf"^{who} raised {words}; it (was|is) called with.*\(64, 1\)"
            ) as caught:
                ask()
            assert caught.value.__cause__ is error

    @pytest.mark.parametrize(
        ("predict", "takes"),
        [
            (lambda x: x, r"\(x\)"),
            (lambda: 0, r"\(\)"),
            (lambda module, x, t: x, r"\(module, x, t\)"),
            (lambda module, *, points: points, r"\(module, \*, points\)"),
        ],
    )
    def test_a_predict_of_other_arguments_is_told_which_it_gets(self, predict: Any, takes: str) -> None:
        with pytest.raises(RuntimeError, match=rf"It takes {takes}, but gets two arguments: write it as predict="):
            look(predict=predict)

    def test_a_target_of_two_arguments_is_told_which_it_gets(self) -> None:
        with pytest.raises(RuntimeError, match=r"it takes \(x, y\): write it as a function of one argument, points"):
            grid(lambda x, y: x).read_target(nn.Linear(1, 1))

    def test_an_adapters_own_words_stay_and_those_of_what_it_called_do_not(self) -> None:
        with pytest.raises(TypeError, match=r"^Linear took \['x'\]|^Asked took \['x'\] and returned"):
            look(Asked(lambda module, given: given["x"]), predict=Dictionary())
        with pytest.raises(RuntimeError, match=r"^Asked took a dict of \['x'\] and raised KeyError: 't'"):
            look(Asked(lambda module, given: given["t"]), predict=Dictionary())


def slope(module: Any, x: Tensor) -> Tensor:
    return torch.autograd.grad(module(x).sum(), x)[0]


def slope_with_a_graph(module: Any, x: Tensor) -> Tensor:
    with torch.enable_grad():
        return slope(module, x)


def slope_of_a_copy(module: Any, x: Tensor) -> Tensor:
    with torch.enable_grad():
        value = module(x)
        return torch.autograd.grad(value.sum(), x.clone().requires_grad_())[0]


def backward(module: Any, x: Tensor) -> Any:
    module(x).sum().backward()
    return x.grad


def asserting(module: Any, x: Tensor) -> Tensor:
    assert x.requires_grad
    return slope(module, x)


def wrapped(module: Any, x: Tensor) -> Tensor:
    try:
        return slope(module, x)
    except RuntimeError:
        raise ValueError("cannot build the residual") from None


RESIDUALS = [slope, slope_with_a_graph, slope_of_a_copy, backward, asserting, wrapped]


class TestMissingGradients:
    @pytest.mark.parametrize("residual", RESIDUALS)
    def test_a_residual_without_needs_grad_is_told_of_it_by_name(self, residual: Any) -> None:
        network = nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1))
        with pytest.raises(RuntimeError, match=r"(?s)predict raised.*pass needs_grad=True to the probe"):
            look(network, predict=residual)

    def test_a_forward_pass_that_differentiates_is_told_of_it_by_name(self) -> None:
        force = Asked(lambda module, x: slope(lambda x: module.weight * x**3, x.requires_grad_()))
        with pytest.raises(RuntimeError, match=r"the module raised.*pass needs_grad=True to the probe"):
            look(force)
        np.testing.assert_allclose(look(force, needs_grad=True), 3 * CENTRES**2, rtol=1e-5)

    def test_a_residual_behind_an_adapter_is_told_of_it_too(self) -> None:
        module = Asked(lambda module, given: {"u": slope(torch.sin, given["x"])})
        with pytest.raises(RuntimeError, match=r"does not require grad.*pass needs_grad=True to the probe"):
            look(module, predict=Dictionary())

    @pytest.mark.parametrize(
        "other",
        [lambda m, x: m(x.T), lambda m, x: m.requires_grad, lambda m, x: x.grad + 1],
        ids=["transposed", "no attribute", "no gradient yet"],
    )
    def test_another_fault_is_not_blamed_on_needs_grad(self, other: Any) -> None:
        with pytest.raises(RuntimeError, match="predict raised") as caught:
            look(predict=other)
        assert "needs_grad" not in str(caught.value)

    def test_where_gradients_are_there_they_are_not_asked_for(self) -> None:
        with pytest.raises(RuntimeError, match="does not require grad") as caught:
            look(predict=lambda module, x: torch.autograd.grad(x.detach().sum(), x)[0], needs_grad=True)
        assert "needs_grad" not in str(caught.value)


class TestAnswers:
    @pytest.mark.parametrize(
        "convert",
        [
            lambda t: t.to_sparse(),
            lambda t: t.to_sparse_csr(),
            lambda t: t.to_sparse_csc(),
            lambda t: t.to_mkldnn(),
            lambda t: t.expand(CELLS, 3),
            lambda t: t.to(torch.float64),
            lambda t: nn.Parameter(t),
        ],
        ids=["coo", "csr", "csc", "mkldnn", "expanded", "float64", "parameter"],
    )
    @pytest.mark.filterwarnings("ignore:Sparse CS. tensor support is in beta state:UserWarning")
    def test_what_can_be_converted_is(self, convert: Any) -> None:
        np.testing.assert_allclose(look(predict=lambda module, x: convert(x)), CENTRES, rtol=1e-6)

    @pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor:UserWarning")
    def test_a_quantized_answer_is_converted(self) -> None:
        def predict(module: Any, x: Tensor) -> Tensor:
            return torch.quantize_per_tensor(x, 1 / 128, 0, torch.qint8)

        np.testing.assert_allclose(look(predict=predict), CENTRES, atol=1 / 128)

    @pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.uint8, torch.uint16, torch.int32])
    def test_numbers_of_any_width_are_converted(self, dtype: torch.dtype) -> None:
        np.testing.assert_array_equal(look(predict=lambda module, x: (x * 8).round().to(dtype)), np.round(CENTRES * 8))

    def test_whole_numbers_beyond_float32_come_as_they_are(self) -> None:
        seen = look(predict=lambda module, x: torch.full((CELLS,), 2**24 + 1))
        assert seen.tolist() == [2**24 + 1.0] * CELLS

    def test_an_answer_made_in_inference_mode_is_read(self) -> None:
        for needs_grad in (False, True):
            np.testing.assert_allclose(
                look(predict=torch.inference_mode()(lambda module, x: 2 * x), needs_grad=needs_grad),
                2 * CENTRES,
                rtol=1e-6,
            )

    @staticmethod
    def masked(x: Tensor) -> Any:
        from torch.masked import masked_tensor

        return masked_tensor(x.clone(), x > 0.5)

    @staticmethod
    def fake(x: Tensor) -> Any:
        from torch._subclasses.fake_tensor import FakeTensorMode

        with FakeTensorMode():
            return torch.empty(len(x), 1)

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (lambda x: x.to("meta"), "lies on the device meta, which holds no values"),
            (
                lambda x: torch.nested.nested_tensor(list(x), layout=torch.jagged),
                "is nested, rows of different lengths",
            ),
            (lambda x: x.to(torch.complex128), "complex tensor, expected real"),
            (lambda x: TestAnswers.masked(x), "cannot be read as numbers"),
            (lambda x: TestAnswers.fake(x), "cannot be read as numbers"),
        ],
        ids=["meta", "nested", "complex", "masked", "fake"],
    )
    @pytest.mark.filterwarnings("ignore:The PyTorch API of MaskedTensors:UserWarning")
    def test_what_cannot_be_read_is_refused_in_words(self, answer: Any, words: str) -> None:
        for asked in ({"predict": lambda module, x: answer(x)}, {"module": Asked(lambda module, x: answer(x))}):
            with pytest.raises(TypeError, match=rf"(?s)(predict|the module) returned.*{words}.*pass predict="):
                look(**asked)

    def test_an_answer_without_columns_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"shape \(64, 0\), which has no component: expected a tensor of shape"):
            look(predict=lambda module, x: x[:, :0])


class TestPlaces:
    def test_a_complex_module_is_asked_where_and_as_precisely_as_it_lies(self) -> None:
        seen = []
        for dtype in (torch.complex64, torch.complex128):
            look(nn.Linear(1, 1, dtype=dtype), predict=lambda module, x: seen.append(x.dtype) or x)
        assert seen == [torch.float32, torch.float64]

    @pytest.mark.parametrize(
        ("bounds", "left"), [((1.7e9, 1.7e9 + 10_000), 79), ((1e8, 1e8 + 100), 13), ((-4e7, -4e7 + 100), 26)]
    )
    def test_points_that_coincide_in_the_modules_precision_are_said_with_how_many_are_left(
        self, bounds: tuple[float, float], left: int
    ) -> None:
        probe = Probe.grid([bounds], 0.0)
        assert left == len(np.unique(probe.geometry.points.astype(np.float32)))
        probe.read_target(nn.Linear(1, 1))
        (note,) = probe.notes
        assert note.startswith(f"only {left} of 512 places on axis x remain different in float32, the precision of the")
        assert "shift and scale the inputs" in note
        assert "float64" in note
        probe.read_target(nn.Linear(1, 1).double())
        assert probe.notes == []

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision_holds_fewer_points(self, dtype: torch.dtype) -> None:
        probe = grid(resolution=4096)
        probe.read_target(nn.Linear(1, 1).to(dtype))
        left = len(torch.tensor(probe.geometry.points).to(dtype).unique())
        assert f"only {left} of 4096 places" in probe.notes[0]

    def test_of_several_axes_each_one_that_coincides_is_named(self) -> None:
        probe = Probe.grid([(0.0, 1.0), (1e8, 1e8 + 200)], 0.0, axes=["x", "t"])
        probe.read_target(nn.Linear(2, 1))
        (note,) = probe.notes
        assert "26 of 96 places on axis t" in note
        assert "axis x" not in note

    @pytest.mark.parametrize("bounds", [(1.7e9, 1.7e9 + 10), (1e300, 2e300), (0.0, 1e-300)])
    def test_where_hardly_any_are_left_it_is_refused(self, bounds: tuple[float, float]) -> None:
        with pytest.raises(ValueError, match=r"float32, the precision of the module.*: shift and scale the inputs"):
            grid(bounds=[bounds]).read_target(nn.Linear(1, 1))

    def test_scattered_points_that_coincide_as_given_are_no_loss(self) -> None:
        points = np.repeat(np.arange(6.0), 3)
        probe = Probe.points(points, 0.0)
        probe.read_target(nn.Linear(1, 1))
        assert probe.notes == []
        far = Probe.points(1e9 + np.arange(500.0), 0.0)
        far.read_target(nn.Linear(1, 1))
        assert "9 of 500 places" in far.notes[0]
        with pytest.raises(ValueError, match="only 3 of 100 places on axis x remain different in float32"):
            Probe.points(1e9 + np.arange(100.0), 0.0).read_target(nn.Linear(1, 1))

    def test_a_target_that_needs_more_cells_than_there_may_be_is_not_told_to_use_them(self) -> None:
        probe = Probe.grid([(0.0, 1.0)] * 3, lambda x: torch.sin(120 * math.pi * x[:, 0]), resolution=(32, 110, 110))
        with pytest.raises(
            ValueError, match=r"480 points on it would make more than the 2,097,152 cells.*bounds="
        ) as caught:
            probe.read_target(nn.Linear(3, 1))
        assert "use at least" not in str(caught.value)
