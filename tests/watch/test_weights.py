"""How far the weights have moved a step: steps of known size, weights that cannot be read, and what is kept of them."""

from __future__ import annotations

import io
import math
import weakref
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit.watch.weights import MOST_TENSORS, MOST_VALUES, Weights, is_adaptive


def trained(*weights: Tensor) -> list[torch.optim.Optimizer]:
    return [torch.optim.SGD(list(weights), lr=0.1)]


def ones(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.ones(*shape))


def test_a_known_step_has_its_size_over_that_of_the_weights_and_over_the_steps() -> None:
    weight, followed = ones(40, 50), Weights(enough=math.inf)
    assert followed.update(trained(weight), 10) == {}
    weight.data.mul_(1.08)  # |w| changes by 8 % in 4 steps
    assert followed.update(trained(weight), 14) == pytest.approx({"training/update": 0.02})
    weight.data.neg_()
    assert followed.update(trained(weight), 15) == pytest.approx({"training/update": 2.0})


def test_a_step_of_an_optimizer_is_what_its_rate_says() -> None:
    weight, followed = ones(30, 3), Weights(enough=math.inf)
    optimizers = trained(weight)
    followed.update(optimizers, 0)
    (weight.sum() * 0.5).backward()
    optimizers[0].step()  # each by 0.1 x 0.5, of 1
    assert followed.update(optimizers, 1) == pytest.approx({"training/update": 0.05})


def test_weights_that_stay_have_not_moved() -> None:
    weight, followed = ones(5), Weights(enough=math.inf)
    followed.update(trained(weight), 0)
    assert followed.update(trained(weight), 3) == {"training/update": 0.0}


@pytest.mark.parametrize("step", [0, -3])
def test_no_step_forward_gives_no_number(step: int) -> None:
    weight, followed = ones(5), Weights(enough=math.inf)
    followed.update(trained(weight), 0)
    assert followed.update(trained(weight), step) == {}


def test_the_largest_are_followed_and_single_numbers_are_not() -> None:
    """A scale that flies off says nothing of the others; nor does what is smaller than the four largest."""
    large, small, scale = [ones(20, 20) for _ in range(MOST_TENSORS)], ones(10), ones(1)
    followed = Weights(enough=math.inf)
    followed.update(trained(scale, small, *large), 0)
    with torch.no_grad():
        scale.mul_(1e6)
        small.mul_(1e6)
        large[-1].mul_(3.0)  # one of four of the same size
    assert followed.update(trained(scale, small, *large), 1)["training/update"] == pytest.approx(1.0)


def test_what_is_frozen_is_not_followed() -> None:
    frozen, moving, followed = ones(50, 50).requires_grad_(False), ones(10), Weights(enough=math.inf)
    followed.update(trained(frozen, moving), 0)
    moving.data.mul_(1.5)
    assert followed.update(trained(frozen, moving), 1) == pytest.approx({"training/update": 0.5})
    assert Weights(enough=math.inf).update(trained(frozen), 0) == {}


def test_all_optimizers_and_all_their_groups_are_asked() -> None:
    one, other, third = ones(10), ones(10), ones(10)
    optimizers = [torch.optim.SGD([{"params": [one]}, {"params": [other]}], lr=0.1), *trained(third)]
    for each in (one, other, third):
        followed = Weights(enough=math.inf)
        followed.update(optimizers, 0)
        each.data.add_(1.0)
        assert followed.update(optimizers, 1)["training/update"] > 0.2


@pytest.mark.parametrize("optimizers", [[], [object()], [torch.optim.SGD([ones(1)], lr=0.1)]])
def test_without_weights_nothing_is_known(optimizers: Sequence[object]) -> None:
    followed = Weights(enough=math.inf)
    assert [followed.update(optimizers, step) for step in range(2)] == [{}, {}]
    assert followed.kept() == {}


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_weights_that_are_not_finite_give_no_number(bad: float) -> None:
    weight, followed = ones(5), Weights(enough=math.inf)
    followed.update(trained(weight), 0)
    weight.data.fill_(bad)
    assert followed.update(trained(weight), 1) == {}
    assert followed.update(trained(weight), 2) == {}


def test_weights_of_zero_have_no_relative_step() -> None:
    weight, followed = nn.Parameter(torch.zeros(5)), Weights(enough=math.inf)
    followed.update(trained(weight), 0)
    weight.data.fill_(1.0)
    assert followed.update(trained(weight), 1) == {}


def test_weights_that_take_another_shape_begin_anew() -> None:
    followed = Weights(enough=math.inf)
    followed.update(trained(ones(5)), 0)
    grown = ones(7)
    assert followed.update(trained(grown), 1) == {}
    grown.data.mul_(1.1)
    assert followed.update(trained(grown), 2) == pytest.approx({"training/update": 0.1})


def test_lazy_weights_cannot_be_read_and_are_not_asked_again() -> None:
    followed = Weights(enough=math.inf)
    assert followed.update(trained(nn.LazyLinear(3).weight), 0) == {}
    assert followed.update(trained(ones(5)), 1) == {}
    assert followed.kept() == {}


def test_a_weight_that_refuses_to_be_read_raises_nothing() -> None:
    class Sharded(nn.Parameter):
        def is_contiguous(self, *args: object, **options: object) -> bool:
            raise RuntimeError("it is in other places")

    followed = Weights(enough=math.inf)
    assert followed.update(trained(Sharded(torch.ones(5))), 0) == {}
    assert followed.update(trained(Sharded(torch.ones(5))), 1) == {}


@pytest.mark.parametrize("dtypes", [(torch.bfloat16, torch.float64), (torch.float64, torch.float16)])
def test_weights_of_several_dtypes_are_one_sample(dtypes: Sequence[torch.dtype]) -> None:
    weights = [nn.Parameter(torch.ones(5, dtype=dtype)) for dtype in dtypes]
    followed = Weights(enough=math.inf)
    followed.update(trained(*weights), 0)
    for each in weights:
        each.data.mul_(1.5)
    assert followed.update(trained(*weights), 1) == pytest.approx({"training/update": 0.5})


def test_the_copy_is_small_keeps_no_graph_and_does_not_hold_the_weights() -> None:
    weight, followed = ones(1000, 999), Weights(enough=math.inf)
    followed.update(trained(weight), 0)
    sample = followed.kept()["sample"]
    assert sample.numel() <= MOST_TENSORS * MOST_VALUES
    assert not sample.requires_grad
    assert sample.untyped_storage().nbytes() <= 4 * MOST_TENSORS * MOST_VALUES
    gone = weakref.ref(weight)
    del weight
    assert gone() is None


def test_the_sample_is_spread_over_the_whole_of_a_weight() -> None:
    """A change in any tenth of it is found."""
    for tenth in range(10):
        weight, followed = ones(10, 700), Weights(enough=math.inf)
        followed.update(trained(weight), 0)
        weight.data[tenth] *= 2.0
        assert followed.update(trained(weight), 1)["training/update"] == pytest.approx(10**-0.5, rel=0.05)


@pytest.mark.parametrize("how", ["whole", "transposed", "part of a larger one", "every other column"])
def test_a_weight_is_sampled_alike_however_it_lies_in_memory(how: str) -> None:
    """Values 1 to 2,400, in the order of the weight: every fifth of them."""
    values = torch.arange(1.0, 2401.0).reshape(40, 60)
    lies = {
        "whole": lambda: values.clone(),
        "transposed": lambda: values.T.contiguous().T,
        "part of a larger one": lambda: torch.cat([torch.zeros(7, 60), values])[7:],
        "every other column": lambda: values.repeat_interleave(2, dim=1)[:, ::2],
    }
    followed = Weights(enough=math.inf)
    followed.update(trained(nn.Parameter(lies[how]())), 0)
    assert followed.kept()["sample"].tolist() == list(range(1, 2401, 5))


def test_another_one_goes_on_with_what_a_checkpoint_has_kept() -> None:
    weight, followed, resumed = ones(40, 50), Weights(enough=math.inf), Weights(enough=math.inf)
    followed.update(trained(weight), 10)
    file = io.BytesIO()
    torch.save(followed.kept(), file)
    file.seek(0)
    resumed.go_on(torch.load(file, weights_only=True))
    weight.data.mul_(1.08)
    assert resumed.update(trained(weight), 14) == followed.update(trained(weight), 14) != {}


def test_a_checkpoint_that_kept_nothing_begins_anew() -> None:
    followed = Weights(enough=math.inf)
    followed.go_on({})
    assert followed.update(trained(ones(5)), 1) == {}


def test_a_rate_that_is_not_too_low_is_not_asked_for_again() -> None:
    weight, followed = ones(40), Weights()
    followed.update(trained(weight), 0)
    weight.data.mul_(1.0 + 1e-4)
    assert followed.update(trained(weight), 1) == pytest.approx({"training/update": 1e-4}, rel=1e-2)
    weight.data.mul_(1.01)
    assert followed.update(trained(weight), 2) == pytest.approx({"training/update": 1e-2}, rel=1e-2)
    weight.data.mul_(1.01)
    assert followed.update(trained(weight), 3) == {}
    resumed = Weights()
    resumed.go_on(followed.kept())
    assert resumed.update(trained(weight), 4) == {}


@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam", "RMSprop", "Adagrad", "Muon"])
def test_an_optimizer_that_scales_its_steps_is_known(name: str) -> None:
    if hasattr(torch.optim, name):
        assert is_adaptive([getattr(torch.optim, name)([ones(3, 3)])]) == {"training/adaptive": 1.0}


@pytest.mark.parametrize("name", ["SGD", "LBFGS", "ASGD"])
def test_one_that_does_not_is_known_too(name: str) -> None:
    assert is_adaptive([getattr(torch.optim, name)([ones(3, 3)], lr=0.1)]) == {"training/adaptive": 0.0}


class Closed:
    """An optimizer of somebody's own."""

    @property
    def param_groups(self) -> None:
        raise RuntimeError("they are elsewhere")


class Bare:
    param_groups = (None,)


@pytest.mark.parametrize("optimizers", [[], [Closed()], [Bare()], [object()]])
def test_one_that_cannot_be_read_is_not_known_and_raises_nothing(optimizers: Sequence[object]) -> None:
    assert is_adaptive(optimizers) == {}
    assert Weights().update(optimizers, 0) == {}
