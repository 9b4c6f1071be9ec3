"""The error by frequency as a metric: sums of sines whose error in each band is known by hand, however they come."""

from __future__ import annotations

import itertools
import math
import pickle
import warnings
from typing import Any

import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics import MeanSquaredError, MetricCollection

from lightning_seqfit.metrics import FourierBandError
from lightning_seqfit.metrics.functional import fourier_band_error

N = 512
X = (torch.arange(N, dtype=torch.float64) + 0.5) / N


def wave(cycles: float, phase: float = 0.0, x: Tensor = X) -> Tensor:
    return torch.sin(2 * torch.pi * cycles * x + phase)


#: 3 cycles to 0.3, 10 cycles missing, 40 cycles 0.5 radian late: what is left has an amplitude of 2 sin(0.25).
TARGET = wave(3) + 0.5 * wave(10) + 0.25 * wave(40)
PREDS = 0.7 * wave(3) + 0.25 * wave(40, -0.5) + 0.2  # and 0.2 too high
#: Half the sum of the squared amplitudes.
VARIANCE = (1 + 0.25 + 0.0625) / 2
LATE = 2 * math.sin(0.25)
EXPECTED = {
    "fourier/relative_error/2-4": 0.3,
    "fourier/relative_error/8-16": 1.0,
    "fourier/relative_error/32-64": LATE,
    "fourier/share/1-2": 0.0,
    "fourier/share/2-4": 0.3**2 / 2 / VARIANCE,
    "fourier/share/4-8": 0.0,
    "fourier/share/8-16": 0.5**2 / 2 / VARIANCE,
    "fourier/share/16-32": 0.0,
    "fourier/share/32-64": (0.25 * LATE) ** 2 / 2 / VARIANCE,
    "fourier/share/64-128": 0.0,
    "fourier/share/128-256": 0.0,
    "fourier/trend": 0.2**2 / VARIANCE,
}


def numbers(errors: dict[str, Tensor]) -> dict[str, float]:
    return {tag: float(error) for tag, error in errors.items()}


def relative(errors: dict[str, Tensor]) -> dict[str, float]:
    start = "fourier/relative_error/"
    return {tag.removeprefix(start): float(error) for tag, error in errors.items() if tag.startswith(start)}


def metric_of(preds: Tensor = PREDS, target: Tensor = TARGET, points: Tensor = X, **options: Any) -> FourierBandError:
    metric = FourierBandError(**options)
    metric.update(preds, target, points)
    return metric


def test_errors_of_a_sum_of_sines_are_those_by_hand() -> None:
    assert numbers(metric_of().compute()) == pytest.approx(EXPECTED, abs=1e-9)


def test_a_band_that_is_missing_is_one_and_one_that_is_fitted_nothing() -> None:
    assert relative(fourier_band_error(wave(3), wave(3) + 0.2 * wave(40), X)) == pytest.approx(
        {"2-4": 0.0, "32-64": 1.0}, abs=1e-9
    )


def test_shares_and_trend_are_the_mean_square_error() -> None:
    errors = numbers(metric_of().compute())
    total = sum(error for tag, error in errors.items() if "relative" not in tag)
    assert total * VARIANCE == pytest.approx(float((PREDS - TARGET).square().mean()), rel=1e-9)


def test_in_the_plane_a_band_is_one_of_lengths_of_the_frequency() -> None:
    points = torch.cartesian_prod((torch.arange(48.0) + 0.5) / 48, (torch.arange(40.0) + 0.5) / 40).double()
    slow = wave(2, x=points[:, 0]) * wave(1, x=points[:, 1])  # sqrt(5) cycles
    fast = wave(6, x=points[:, 0]) * wave(8, x=points[:, 1])  # 10 cycles
    shuffled = torch.randperm(len(points), generator=torch.Generator().manual_seed(0))
    errors = fourier_band_error(0.75 * slow[shuffled], (slow + fast)[shuffled], points[shuffled])
    assert relative(errors) == pytest.approx({"2-4": 0.25, "8-16": 1.0}, abs=1e-6)  # points are float32 ones


def test_of_several_outputs_the_powers_are_added_up() -> None:
    target = torch.stack([wave(10), 2 * wave(10, 1.0)], dim=1)
    preds = torch.stack([0 * X, 2 * wave(10, 1.0)], dim=1)
    assert relative(fourier_band_error(preds, target, X)) == pytest.approx({"8-16": math.sqrt(1 / 5)}, abs=1e-9)


def test_given_bands_are_always_all_there() -> None:
    errors = numbers(metric_of(bands=[2, 8, 20, 24, 300, 400]).compute())
    assert list(errors) == [
        *(f"fourier/{kind}/{band}" for kind in ("relative_error", "share") for band in BANDS),
        "fourier/trend",
    ]
    both = math.sqrt((0.5**2 + (0.25 * LATE) ** 2) / (0.5**2 + 0.25**2))
    assert errors["fourier/relative_error/2-8"] == pytest.approx(0.3, abs=1e-9)
    assert errors["fourier/relative_error/8-20"] == pytest.approx(1.0, abs=1e-9)
    assert errors["fourier/relative_error/24-300"] == pytest.approx(LATE, abs=1e-9)
    assert math.isnan(errors["fourier/relative_error/20-24"])  # nothing oscillates there,
    assert errors["fourier/share/20-24"] == pytest.approx(0.0, abs=1e-9)
    assert math.isnan(errors["fourier/relative_error/300-400"])  # and there the points know no frequency
    assert math.isnan(errors["fourier/share/300-400"])
    wide = relative(metric_of(bands=[8, 256]).compute())
    assert wide == pytest.approx({"8-256": both}, abs=1e-9)


BANDS = ("2-8", "8-20", "20-24", "24-300", "300-400")


def test_a_band_contains_its_lower_edge_and_not_its_upper_one() -> None:
    target = wave(8) + wave(16)
    assert relative(fourier_band_error(wave(8), target, X, bands=[4, 8, 16, 32])) == pytest.approx(
        {"4-8": math.nan, "8-16": 0.0, "16-32": 1.0}, abs=1e-9, nan_ok=True
    )


def test_noise_that_is_known_is_no_part_of_the_scale() -> None:
    """Of a mean square of 1/2, noise of 1/2 leaves 1/4: a missing wave has a share of 2."""
    errors = fourier_band_error(0 * X, wave(10), X, noise=0.5)
    assert float(errors["fourier/share/8-16"]) == pytest.approx(2.0, abs=1e-9)


@given(
    order=st.permutations(range(N)),
    sizes=st.lists(st.integers(0, N), max_size=12),
    again=st.lists(st.integers(0, N - 1), max_size=40),
)
def test_batches_of_any_order_and_size_and_points_that_come_twice_change_no_bit(
    order: list[int], sizes: list[int], again: list[int]
) -> None:
    rows = torch.tensor([*order, *again])
    ends = sorted({0, len(rows), *sizes})
    metric = FourierBandError()
    for begin, end in itertools.pairwise(ends):
        batch = rows[begin:end]
        metric.update(PREDS[batch], TARGET[batch], X[batch])
    assert numbers(metric.compute()) == WHOLE


WHOLE = numbers(metric_of().compute())


@pytest.mark.parametrize("dimension", [1, 2])
def test_the_order_of_points_that_lie_anywhere_changes_no_bit(dimension: int) -> None:
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(2000, dimension, generator=generator, dtype=torch.float64)
    target = wave(5, x=points[:, 0])
    order = torch.randperm(2000, generator=generator)
    one = fourier_band_error(0.9 * target, target, points)
    other = fourier_band_error(0.9 * target[order], target[order], points[order])
    assert numbers(one) == numbers(other)
    assert relative(one) == pytest.approx({"4-8": 0.1}, abs=1e-6)


@pytest.mark.parametrize(
    ("dtype", "apart"),
    [(torch.float64, 1e-5), (torch.float32, 1e-5), (torch.float16, 2**-10), (torch.bfloat16, 2**-7)],
)
def test_rounding_between_batches_is_no_other_prediction(dtype: torch.dtype, apart: float) -> None:
    preds = PREDS.to(dtype)
    metric = metric_of(preds)
    metric.update((preds[:7].double() * (1 + apart)).to(dtype), TARGET[:7], X[:7])
    errors, whole = numbers(metric.compute()), numbers(metric_of(preds).compute())
    assert errors == pytest.approx(whole, abs=1e-2 if apart > 1e-3 else 1e-5)
    assert not torch.equal((preds[:7].double() * (1 + apart)).to(dtype), preds[:7])


@pytest.mark.parametrize("share", [2e-2, 1e-3])
def test_a_reset_that_was_forgotten_has_no_errors(share: float) -> None:
    """Of errors of 0.04 and of less: neither the best of them is told nor any mixture."""
    metric = metric_of((1 - 2 * share) * TARGET)
    metric.update((1 - share) * TARGET, TARGET, X)  # the epoch after
    metric.update(TARGET[:5] * (1 - share), TARGET[:5], X[:5])  # padded
    with pytest.warns(UserWarning, match=r"seqfit: .* pairs .* came again with other predictions: call reset\(\)"):
        assert metric.compute() == {}
    assert 450 < int(metric.absent.split()[0]) <= 517
    metric.reset()
    metric.update(PREDS, TARGET, X)
    assert numbers(metric.compute()) == WHOLE
    assert metric.absent == ""


def test_of_small_outputs_beside_large_ones_a_forgotten_reset_is_seen() -> None:
    target = torch.stack([1e6 * TARGET, TARGET], dim=1)
    metric = metric_of(target, target)
    metric.update(target * torch.tensor([1.0, 0.9]), target, X)
    with pytest.warns(UserWarning, match=r"came again with other predictions"):
        assert metric.compute() == {}


def test_the_functional_form_has_no_reset_to_call() -> None:
    twice = torch.cat([X, X])
    with pytest.raises(ValueError, match=r"^512 pairs of a point .* other predictions: give each pair once$"):
        fourier_band_error(torch.cat([PREDS, PREDS + 1]), torch.cat([TARGET, TARGET]), twice)


def test_points_that_coincide_in_their_precision_are_said_to() -> None:
    """In bfloat16 the 512 places of a line are fewer, and a target of two values makes pairs of them."""
    target = (X > 0.5).double()
    said = r"came again with other predictions: points coincide in bfloat16, give them in float32 or float64, or "
    with pytest.raises(ValueError, match=said + "give each pair once$"):
        fourier_band_error(PREDS, target, X.bfloat16())
    metric = metric_of(PREDS, target, X.bfloat16())
    with pytest.warns(UserWarning, match=said + r"call reset\(\)"):
        assert metric.compute() == {}
    metric.reset()
    metric.update(torch.cat([PREDS, -PREDS]), torch.cat([target, target]), torch.cat([X, X]))
    with pytest.warns(UserWarning, match=r"other predictions: call reset\(\)"):  # once more of more points
        metric.compute()


@pytest.mark.parametrize("lattice", [True, False])
def test_of_repeated_measurements_no_size_is_preferred(lattice: bool) -> None:
    """Noise of 0.3 on a wave, four times at each place: predictions of the wave are wrong by noise, not in the mean."""
    generator = torch.Generator().manual_seed(0)
    even = torch.cartesian_prod((torch.arange(32.0) + 0.5) / 32, (torch.arange(32.0) + 0.5) / 32)
    places = (even if lattice else torch.rand(1024, 2, generator=generator)).repeat(4, 1).double()
    truth = wave(2, x=places[:, 0]) * wave(3, x=places[:, 1])
    measured = truth + 0.3 * torch.randn(len(truth), generator=generator, dtype=torch.float64)
    orders = [torch.randperm(len(truth), generator=generator) for _ in range(2)]
    one, other = (numbers(fourier_band_error(truth[order], measured[order], places[order])) for order in orders)
    assert one == other
    assert one["fourier/trend"] < 0.005  # the largest of four are 0.3 too high on average
    shares = sum(error for tag, error in one.items() if "relative" not in tag)
    assert shares * 0.25 == pytest.approx(0.3**2, rel=0.2)  # a mean of four would have a quarter of that
    negated = numbers(fourier_band_error(-truth, -measured, places))
    assert negated["fourier/trend"] < 0.005


def test_of_two_values_everywhere_one_is_taken_as_often_as_the_other() -> None:
    places = torch.cartesian_prod(*2 * [(torch.arange(64.0) + 0.5) / 64]).double()
    truth = wave(3, x=places[:, 0])
    both = torch.cat([truth - 0.5, truth + 0.5])
    errors = numbers(fourier_band_error(truth.repeat(2), both, places.repeat(2, 1), scale=1.0))
    assert errors["fourier/trend"] == pytest.approx(0.0, abs=1e-3)
    assert sum(error for tag, error in errors.items() if "relative" not in tag) == pytest.approx(0.25, rel=1e-3)
    assert errors["fourier/share/16-32"] > 0.1  # white: no pattern that would be an oscillation
    assert errors["fourier/share/1-2"] < 1e-3


def test_along_a_line_the_mean_of_repeated_measurements_counts() -> None:
    values = torch.cat([TARGET + 0.3, TARGET - 0.5])
    errors = numbers(fourier_band_error(TARGET.repeat(2), values, X.repeat(2), scale=1.0))
    assert errors["fourier/trend"] == pytest.approx(0.1**2, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_predictions_in_any_precision_are_read_as_they_are(dtype: torch.dtype) -> None:
    rounded = PREDS.to(dtype)
    expected = numbers(fourier_band_error(rounded.double(), TARGET, X))
    assert numbers(metric_of(rounded[:, None].requires_grad_()).compute()) == expected


def test_a_metric_in_another_precision_still_reads_float64() -> None:
    metric = FourierBandError().half().to(torch.bfloat16)
    metric.update(PREDS, TARGET, X)
    assert numbers(metric.compute()) == WHOLE


def test_forward_returns_the_batch_and_keeps_all() -> None:
    metric = FourierBandError()
    odd, even = slice(1, None, 2), slice(0, None, 2)
    for part in (odd, even):
        assert numbers(metric(PREDS[part], TARGET[part], X[part])) == numbers(
            fourier_band_error(PREDS[part], TARGET[part], X[part])
        )
    assert numbers(metric.compute()) == WHOLE


def test_forward_of_other_data_is_refused_and_loses_nothing() -> None:
    metric = metric_of()
    with pytest.raises(ValueError, match="predictions 2 outputs, those of the batches before 1 and 1: call reset"):
        metric(*2 * [torch.stack([TARGET, TARGET], dim=1)], X)
    assert numbers(metric.compute()) == WHOLE


@pytest.mark.skipif(not hasattr(FourierBandError, "merge_state"), reason="torchmetrics 1.4 merges no metrics")
def test_metrics_are_merged_and_those_of_other_data_have_no_errors() -> None:
    first, rest = (metric_of(PREDS[part], TARGET[part], X[part]) for part in (slice(100), slice(100, None)))
    first.merge_state(rest)
    assert numbers(first.compute()) == WHOLE
    metric = metric_of()
    metric.merge_state(metric_of(*2 * [torch.stack([TARGET, TARGET], dim=1)], X))
    with pytest.warns(UserWarning, match="predictions 1 outputs in one part, 1 and 2 in another"):
        assert metric.compute() == {}


def test_after_a_reset_other_data_may_come() -> None:
    metric = metric_of()
    metric.reset()
    plane = torch.cartesian_prod(*2 * [(torch.arange(24.0) + 0.5) / 24]).double()
    target = torch.stack([wave(3, x=plane[:, 0]), wave(5, x=plane[:, 1])], dim=1)
    metric.update(0.9 * target, target, plane)
    assert relative(metric.compute()) == pytest.approx({"2-4": 0.1, "4-8": 0.1}, abs=1e-6)
    metric.reset()
    metric.update(PREDS, TARGET, X)
    assert numbers(metric.compute()) == WHOLE


def test_it_is_copied_pickled_and_kept_in_a_checkpoint() -> None:
    metric = metric_of(bands=[2, 8, 64])
    expected = numbers(metric.compute())
    assert numbers(pickle.loads(pickle.dumps(metric)).compute()) == expected
    clone = metric.clone()
    metric.reset()
    assert numbers(clone.compute()) == expected
    assert metric.state_dict() == {}  # as those of torchmetrics, unless they are asked to
    clone.persistent(True)
    other = FourierBandError(bands=[2, 8, 64])
    other.persistent(True)
    other.load_state_dict(clone.state_dict())
    other._update_count = 1  # which torchmetrics does not keep, and warns of
    assert numbers(other.compute()) == expected
    with pytest.raises(ValueError, match="points have 2 axes and predictions 1 outputs, those of the batches before 1"):
        other.update(PREDS, TARGET, torch.stack([X, X], dim=1))


def test_a_collection_gives_points_to_it_alone() -> None:
    metrics = MetricCollection(
        {"mse": MeanSquaredError(), "bands": FourierBandError(), "wide": FourierBandError(bands=[1, 8, 64])},
        prefix="val/",
    )
    for _ in range(2):
        metrics.reset()
        for part in (slice(100, None), slice(100)):
            metrics.update(PREDS[part], TARGET[part], points=X[part])
        found = numbers(metrics.compute())
        assert found["val/mse"] == pytest.approx(float((PREDS - TARGET).square().mean()))
        for name, bands in (("bands", "octaves"), ("wide", [1, 8, 64])):
            alone = fourier_band_error(PREDS, TARGET, X, bands=bands)
            assert {tag: found[f"val/{name}_{tag}"] for tag in alone} == numbers(alone)


def test_with_one_of_it_a_collection_keeps_the_names() -> None:
    metrics = MetricCollection([MeanSquaredError(), FourierBandError()], prefix="val/")
    metrics.update(PREDS, TARGET, points=X)
    assert set(metrics.compute()) == {"val/MeanSquaredError", *(f"val/{tag}" for tag in EXPECTED)}


def test_a_plot_shows_every_error_under_its_name() -> None:
    errors = metric_of(bands=[2, 8, 64]).compute()
    for figure, axes in (metric_of(bands=[2, 8, 64]).plot(), FourierBandError().plot([errors, errors])):
        drawn = dict(zip((text.get_text() for text in axes.get_legend().get_texts()), axes.lines, strict=False))
        assert list(drawn) == list(errors)
        for tag, line in drawn.items():
            assert float(line.get_ydata()[0]) == pytest.approx(float(errors[tag]), abs=1e-9), tag
        plt.close(figure)


FEW = torch.randperm(N, generator=torch.Generator().manual_seed(0))[:64]
FOUR = torch.rand(300, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("arguments", "options", "why"),
    [
        ((PREDS[:3], TARGET[:3], X[:3]), {}, "3 points are too few"),
        ((PREDS[FEW], wave(150)[FEW], X[FEW]), {}, "64 points are too few"),
        ((PREDS, TARGET / 0, X), {}, "target has 512 of 512 values that are NaN or infinite"),
        ((PREDS, 0 * TARGET, X), {}, "the target is 0 throughout, which has no size: give scale="),
        ((PREDS, TARGET, X), {"bounds": [(0.0, 0.5)]}, "points lie outside bounds"),
        ((PREDS, TARGET, X), {"inside": lambda points: points[:, 0] > 2}, "inside is true of none of the 512 points"),
        ((PREDS, TARGET, X), {"inside": lambda points: 1 / 0}, "inside raised ZeroDivisionError"),
        ((FOUR[:, 0], FOUR[:, 0], FOUR), {}, "points in 4 dimensions have no lines"),
        ((PREDS[:0], TARGET[:0], X[:0]), {}, "no points were given"),
    ],
)
def test_what_cannot_be_read_is_absent_with_its_reason(
    arguments: tuple[Tensor, ...], options: dict[str, Any], why: str
) -> None:
    metric = metric_of(*arguments, **options)
    with pytest.warns(UserWarning, match=f"^seqfit: FourierBandError: errors by frequency are absent: .*{why}"):
        assert metric.compute() == {}
    assert why in metric.absent
    given_bands = metric_of(*arguments, **options, bands=[1, 8])
    with pytest.warns(UserWarning, match=why):
        errors = numbers(given_bands.compute())
    assert list(errors) == ["fourier/relative_error/1-8", "fourier/share/1-8", "fourier/trend"]
    assert all(map(math.isnan, errors.values()))
    with pytest.raises((ValueError, RuntimeError), match=why):
        fourier_band_error(*arguments, **options)


def test_it_warns_once_and_again_of_more_points() -> None:
    metric = FourierBandError()
    for count, warns in ((3, True), (3, False), (2, False), (64, True), (64, False)):
        metric.reset()
        part = FEW[:count]
        metric.update(PREDS[part], wave(150)[part], X[part])
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert metric.compute() == {}
        assert (count, len(said)) == (count, int(warns))


def test_a_target_of_nothing_has_a_scale_that_is_given() -> None:
    errors = numbers(fourier_band_error(3 * wave(10), 0 * X, X, scale=3.0))
    assert errors["fourier/share/8-16"] == pytest.approx(0.5, abs=1e-9)
    assert not any("relative" in tag for tag in errors)


def test_of_a_target_that_does_not_oscillate_no_band_has_a_relative_error() -> None:
    errors = fourier_band_error(3 * X + 0.1 * wave(10, torch.pi / 2), 3 * X, X)
    assert relative(errors) == {}
    assert float(errors["fourier/share/8-16"]) == pytest.approx(0.1**2 / 2 / (9 / 12), rel=1e-4)


def test_predictions_that_are_not_finite_have_no_error() -> None:
    preds = PREDS.clone()
    preds[5] = math.inf
    errors = numbers(metric_of(preds).compute())
    assert list(errors) == list(EXPECTED)
    assert all(map(math.isnan, errors.values()))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_predictions_that_are_not_finite_do_not_vanish_beside_others_of_their_pair(value: float) -> None:
    wrong = torch.full((3,), value, dtype=torch.float64)
    for first, then in ((PREDS[:3], wrong), (wrong, PREDS[:3])):
        metric = metric_of(torch.cat([first, PREDS[3:]]))
        metric.update(then, TARGET[:3], X[:3])
        with pytest.warns(UserWarning, match="3 pairs .* other predictions"):
            assert metric.compute() == {}
    metric = metric_of(torch.cat([wrong, PREDS[3:]]))
    metric.update(wrong, TARGET[:3], X[:3])  # padded
    assert all(map(math.isnan, numbers(metric.compute()).values()))


def test_points_outside_the_domain_are_left_out() -> None:
    wrong = torch.where(X < 0.5, TARGET, 1e3)
    left = X < 0.5
    errors = fourier_band_error(wrong, TARGET, X, inside=lambda points: points[:, 0] < 0.5)
    assert numbers(errors) == numbers(fourier_band_error(wrong[left], TARGET[left], X[left]))


def test_bounds_say_what_a_frequency_is_of() -> None:
    part = X < 0.5
    errors = fourier_band_error(0 * X[part], wave(20)[part], X[part], bounds=[(0.0, 0.5)])
    assert relative(errors) == pytest.approx({"8-16": 1.0}, abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ((PREDS.numpy(), TARGET, X), TypeError, "preds is ndarray: give a tensor"),
        ((PREDS, TARGET + 1j, X), TypeError, "target is complex: give a tensor of real numbers"),
        ((PREDS, TARGET, X[0]), ValueError, r"points has shape \(\): give one row a point"),
        ((PREDS.reshape(2, 2, -1), TARGET, X), ValueError, r"preds has shape \(2, 2, 128\): .* flatten\(\)"),
        (
            (PREDS[1:], TARGET, X),
            ValueError,
            r"preds of shape \(511,\), target of shape \(512,\) and points of shape \(512,\) do not belong together",
        ),
        ((PREDS, TARGET, X[1:]), ValueError, "do not belong together: give one row of each for every point"),
        ((PREDS, TARGET[:, None].expand(-1, 2), X), ValueError, "do not belong together"),
        ((PREDS, TARGET, X[:, None].expand(-1, 2)), ValueError, r"points have 2 axes, and bounds=\[\(0.0, 1.0\)\] 1"),
    ],
)
def test_what_is_no_batch_is_refused_at_once(arguments: tuple[Any, ...], error: type[Exception], said: str) -> None:
    metric = FourierBandError(bounds=[(0.0, 1.0)])
    with pytest.raises(error, match=said):
        metric.update(*arguments)
    with pytest.raises(error, match=said):
        fourier_band_error(*arguments, bounds=[(0.0, 1.0)])


@pytest.mark.parametrize("bands", ["octave", [4], [0, 4], [4, 4], [1.5, 4], [8, 4], 3, None, [1, "2"]])
def test_edges_are_whole_numbers_that_rise(bands: Any) -> None:
    with pytest.raises(ValueError, match=r"^bands=.*: give \"octaves\", or edges that rise, whole numbers from 1 on"):
        FourierBandError(bands=bands)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bounds": 3}, "bounds=3 is not a box"),
        ({"inside": 3}, "inside=3 is not callable"),
        ({"noise": "much"}, "noise='much'"),
        ({"scale": 0.0}, "scale=0.0"),
        ({"colour": 3}, "colour"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        FourierBandError(**options)


@pytest.mark.gpu
def test_on_a_gpu_the_numbers_are_those_on_the_host() -> None:
    metric = FourierBandError().to("cuda")
    metric.update(PREDS.cuda(), TARGET.cuda(), X.cuda())
    errors = metric.compute()
    assert {error.device.type for error in errors.values()} == {"cuda"}
    assert numbers(errors) == WHOLE
    half = FourierBandError().to("cuda")
    half.update(PREDS.half().cuda(), TARGET, X)  # data that stayed on the host
    assert numbers(half.compute()) == numbers(fourier_band_error(PREDS.half(), TARGET, X))
