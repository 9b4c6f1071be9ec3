"""What is fitted: values and points taken from probes and runs, and which of them are trained on."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe
from lightning_seqfit.trials.task import Eye, Task


def wave(x: Tensor) -> Tensor:
    return torch.sin(12 * torch.pi * x[:, 0])


def test_values_are_those_of_the_target_wherever_a_module_is_asked() -> None:
    task = Task.of(Probe.grid([(0.0, 1.0)], wave, resolution=64))
    x = (np.arange(64) + 0.5) / 64
    np.testing.assert_allclose(task.values[:, 0], np.sin(12 * np.pi * x), atol=1e-5)
    assert task.outputs == 1


def test_of_a_list_all_outputs_and_of_one_its_own_column() -> None:
    def three(x: Tensor) -> Tensor:
        return torch.stack([wave(x), 2 * wave(x), 3 * wave(x)], dim=1)

    assert Task.of(Probe.grid([(0.0, 1.0)], three, output=[0, 2])).outputs == 2
    (mean,), (deviation,) = (lambda task: (task.mean, task.deviation))(Task.of(Probe.grid([(0, 1)], three, output=2)))
    assert mean == pytest.approx(0.0, abs=1e-5)
    assert deviation == pytest.approx(3 / np.sqrt(2), rel=1e-3)


def test_another_target_takes_the_place_of_the_own() -> None:
    probe = Probe.grid([(0.0, 1.0)], None, resolution=64)
    x = probe.geometry.points[:, 0]
    by_values, by_function = Task.of(probe, np.cos(9 * x)), Task.of(probe, lambda x: torch.cos(9 * x[:, 0]))
    np.testing.assert_allclose(by_values.values, by_function.values, atol=1e-5)
    assert Task.of(probe, Probe.grid([(2.0, 3.0)], wave)).geometry.bounds == ((2.0, 3.0),)


@pytest.mark.parametrize(("target", "match"), [(None, "no target"), (0.0, "0 everywhere")])
def test_what_cannot_be_fitted_is_refused(target: float | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Task.of(Probe.grid([(0.0, 1.0)], target))


def test_an_eye_sees_what_is_fitted_and_what_is_not_finite() -> None:
    class Half(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.where(x[:, 0] < 0.5, wave(x), torch.zeros(()))

    eye = Eye(Task.of(Probe.grid([(0.0, 1.0)], wave)))
    fitted, error = eye.look(Half())
    assert fitted == pytest.approx(0.5, abs=0.08)
    assert error == pytest.approx(np.sqrt(0.5), abs=0.01)

    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, 0] / 0.0

    assert eye.look(Broken()) == (0.0, np.inf)


def test_every_second_point_is_trained_on_where_these_are_plenty() -> None:
    probe = Probe.grid([(0.0, 1.0)], wave, resolution=512)
    task = Task.of(probe).thinned(probe.plan())
    assert task.trained is not None
    assert task.trained.tolist() == list(range(0, 512, 2))
    points, values = task.training(torch.zeros(1))
    assert (points.shape, values.shape, points.dtype) == ((256, 1), (256, 1), torch.float32)


def test_all_are_trained_on_where_they_are_few() -> None:
    probe = Probe.grid([(0.0, 1.0)], wave, resolution=64)
    assert Task.of(probe).thinned(probe.plan()).trained is None
    assert Task.of(probe).thinned(None).trained is None


def test_in_the_plane_every_second_one_is_a_chessboard() -> None:
    probe = Probe.grid([(0.0, 1.0)] * 2, lambda x: wave(x) * torch.sin(6 * x[:, 1]), resolution=56)
    task = Task.of(probe).thinned(probe.plan())
    assert task.trained is not None
    rows, columns = np.divmod(task.trained, 56)
    assert len(task.trained) == 56**2 / 2
    assert not ((rows + columns) % 2).any()


def test_very_many_are_thinned_evenly_and_never_below_what_is_needed() -> None:
    probe = Probe.grid([(-1.0, 1.0)] * 2, lambda x: torch.sin(5 * torch.pi * x[:, 0]) * torch.sin(9 * x[:, 1]))
    task = Task.of(probe).thinned(probe.plan())
    assert task.trained is not None
    assert len(task.trained) == 48**2
    x = np.linspace(0.0, 1.0, 9_000)
    dense = Probe.points(x, np.sin(2 * np.pi * 800 * x))
    shuffled = np.random.default_rng(1).permutation(9_000)
    mixed = Probe.points(x[shuffled], np.sin(2 * np.pi * 800 * x[shuffled]))
    for probe in (dense, mixed):
        task = Task.of(probe).thinned(probe.plan())
        chosen = np.sort(task.geometry.asked[task.trained if task.trained is not None else slice(None), 0])
        assert len(chosen) >= 4 * 800
        assert np.ptp(np.diff(chosen)) < 1e-9


def test_a_fine_grid_is_looked_at_at_fewer_points_where_they_tell_the_target() -> None:
    for frequency, shape in ((2.0, (100, 100)), (30.0, (300, 300))):
        wave = lambda x, own=frequency: torch.sin(2 * torch.pi * own * x[:, 0]) * torch.cos(9 * x[:, 1])  # noqa: E731
        probe = Probe.grid([(0.0, 1.0), (0.0, 1.0)], wave, resolution=300)
        task = Task.of(probe).coarsened(probe.plan())
        assert task.geometry.shape == shape
        assert task.bounds == ((0.0, 1.0), (0.0, 1.0))
        np.testing.assert_allclose(task.values[:, 0], wave(torch.tensor(task.geometry.points)), atol=1e-4)


def test_where_all_are_needed_all_are_trained_on() -> None:
    x = np.linspace(0.0, 1.0, 5_000)
    probe = Probe.points(x, np.sin(2 * np.pi * 1_100 * x))
    assert Task.of(probe).thinned(probe.plan()).trained is None


def test_of_points_anywhere_some_are_drawn_always_the_same() -> None:
    points = np.random.default_rng(0).uniform(-1, 1, (6_000, 2))
    probe = Probe.points(points, np.sin(6 * points[:, 0]) * np.cos(5 * points[:, 1]))
    first, second = (Task.of(probe).thinned(probe.plan()).trained for _ in range(2))
    assert first is not None
    assert second is not None
    assert len(first) == len(np.unique(first)) == 3_000
    np.testing.assert_array_equal(first, second)


def test_another_process_can_get_it() -> None:
    task = Task.of(Probe.grid([(0.0, 1.0)], wave, resolution=64))
    there = pickle.loads(pickle.dumps(task))
    np.testing.assert_array_equal(there.values, task.values)
    assert Eye(there).look(nn.Linear(1, 1))[0] == 0.0


@pytest.mark.filterwarnings("error")
def test_points_that_may_not_be_written_to_are_trained_on() -> None:
    points = np.linspace(0, 1, 40)
    task = Task.of(Probe.points(points, np.sin(20 * points)))
    trained, values = task.training(torch.zeros(1))
    assert trained[:, 0].tolist() == pytest.approx(points.tolist())
    assert values.shape == (40, 1)
