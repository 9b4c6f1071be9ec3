"""Where the points of a grid lie: at the centres of cells, or with ``ends`` as ``linspace`` makes them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from lightning_seqfit.factory import callbacks
from lightning_seqfit.geometry import Grid
from lightning_seqfit.measures.trend import fit_trend
from tests.training import Net, fit, trainer


def wave(x: Tensor) -> Tensor:
    return torch.sin(22 * torch.pi * x[:, 0])


def lobes(x: Tensor) -> Tensor:
    return torch.sin(9 * x[:, 0]) * torch.sin(7 * x[:, 1])


class Exact(Net):
    """Predicts a function of the points, whatever it learns."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)[:, None] + 0.0 * self.last.bias

    def loss(self, batch: list[Tensor]) -> Tensor:
        return (self.last.weight**2).sum()


def watched(folder: Path, probe: Probe, function: Any, watcher: Any = ErrorFront) -> tuple[dict[str, float], list[str]]:
    """The last scalars of a fit whose module predicts a function, and what was said of the values in warnings."""
    trains = trainer(folder, [watcher(probe, every_n_steps=1)], max_steps=3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(trains, Exact(function))
    said = [str(warning.message) for warning in caught if "the values given" in str(warning.message)]
    return {tag: float(value) for tag, value in trains.callback_metrics.items()}, said


class TestGrid:
    def test_the_outermost_points_lie_on_the_bounds_and_cells_reach_half_a_cell_beyond(self) -> None:
        line = Grid(bounds=((2.0, 6.0),), shape=(5,), axes=("x",), ends=True)
        assert line.points.ravel().tolist() == [2, 3, 4, 5, 6]
        assert line.bounds == ((2.0, 6.0),)
        assert line.lengths == (5.0,)

    def test_a_sine_of_whole_cycles_over_all_cells_is_one_bin(self) -> None:
        line = Grid(bounds=((0.0, 0.875),), shape=(8,), axes=("x",), ends=True)
        assert line.lengths == (1.0,)
        power = line.power(np.cos(2 * np.pi * line.points[:, 0]))
        assert power.round(12).tolist() == [0, 0.5, 0, 0, 0]

    @given(
        cells=st.integers(40, 300),
        share=st.floats(0.02, 0.12),
        low=st.floats(-100, 100),
        length=st.floats(0.1, 100),
        phase=st.floats(0, 6),
    )
    def test_wavelengths_in_the_axis_units_are_those_of_cell_centres(
        self, cells: int, share: float, low: float, length: float, phase: float
    ) -> None:
        wavelength = length / (3 + share * cells)
        found = []
        for ends in (False, True):
            line = Grid(bounds=((low, low + length),), shape=(cells,), axes=("x",), ends=ends)
            found.append(fit_trend(line, np.sin(2 * np.pi * (line.points[:, 0] - low) / wavelength + phase)))
        assert found[1].wavelength[0] == pytest.approx(found[0].wavelength[0], rel=0.15)
        assert found[1].wavelength[0] == pytest.approx(wavelength, rel=0.15)

    @given(
        low=st.floats(-1e3, 1e3),
        length=st.floats(1e-2, 1e3),
        cells=st.integers(2, 60),
        width=st.floats(0.02, 1.0),
    )
    def test_the_mean_over_a_window_knows_how_wide_a_cell_is(
        self, low: float, length: float, cells: int, width: float
    ) -> None:
        line = Grid(bounds=((low, low + length),), shape=(cells,), axes=("x",), ends=True)
        half = length / (cells - 1) / 2
        same = Grid(bounds=((low - half, low + length + half),), shape=(cells,), axes=("x",))
        np.testing.assert_allclose(line.points, same.points, atol=1e-9 * (abs(low) + length))
        field = np.random.default_rng(cells).standard_normal(cells)
        window = (width * length,)
        np.testing.assert_allclose(line.moving_mean(field, window), same.moving_mean(field, window), atol=1e-9)

    @pytest.mark.parametrize("count", [3, 5, 9, 20])
    def test_fewer_of_the_points_are_points_of_it(self, count: int) -> None:
        plane = Grid(bounds=((0.0, 1.0), (-2.0, 2.0)), shape=(9, 17), axes=("x", "y"), ends=True)
        fewer, numbers = plane.thinned(count)
        np.testing.assert_allclose(fewer.points, plane.points[numbers], atol=1e-12)


class TestProbe:
    def test_values_on_linspace_are_fitted_by_an_exact_model(self, tmp_path: Path) -> None:
        values = wave(torch.linspace(0, 1, 90)[:, None])
        seen, said = watched(tmp_path, Probe.grid([(0.0, 1.0)], values, resolution=90, ends=True), wave)
        assert seen["seqfit/front/fitted"] == 1.0
        assert seen["seqfit/error/max"] < 1e-4
        assert said == []

    @given(
        shape=st.lists(st.integers(8, 12), min_size=1, max_size=3),
        low=st.floats(-10, 10),
        length=st.floats(0.1, 10),
    )
    def test_the_points_are_those_of_linspace_and_meshgrid(self, shape: list[int], low: float, length: float) -> None:
        probe = Probe.grid([(low, low + length)] * len(shape), 0.0, resolution=shape, ends=True)
        sides = [np.linspace(low, low + length, cells) for cells in shape]
        expected = np.stack([side.ravel() for side in np.meshgrid(*sides, indexing="ij")], axis=1)
        np.testing.assert_array_equal(probe.geometry.points, expected)

    @pytest.mark.parametrize("ends", ["yes", 1, None, 0.0])
    def test_what_is_no_truth_value_is_refused(self, ends: Any) -> None:
        with pytest.raises(
            TypeError, match=rf"ends={re.escape(repr(ends))}: pass True where the outermost points lie on"
        ):
            Probe.grid([(0.0, 1.0)], 0.0, ends=ends)

    def test_a_yaml_file_may_say_so(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        file = tmp_path / "probe.yaml"
        values = [float(value) for value in np.sin(np.linspace(0, 9, 40))]
        file.write_text(f"probe: {{bounds: [[0.0, 1.0]], target: {values}, resolution: 40, ends: true}}")
        monkeypatch.setenv("SEQFIT", str(file))
        (callback,) = callbacks()
        assert callback.probe.geometry.points[[0, -1], 0].tolist() == [0.0, 1.0]

    def test_a_figure_of_a_plane_with_ends_is_drawn(self, tmp_path: Path) -> None:
        sides = torch.meshgrid(torch.linspace(0, 2, 20), torch.linspace(0, 2, 24), indexing="ij")
        points = torch.stack([side.reshape(-1) for side in sides], dim=1)
        probe = Probe.grid([(0.0, 2.0)] * 2, lobes(points).reshape(20, 24), resolution=(20, 24), ends=True)
        seen, _ = watched(tmp_path, probe, lambda x: torch.where(x[:, 0] < 1, lobes(x), 0 * x[:, 0]), SequentialFitting)
        assert 0.3 < seen["seqfit/front/fitted"] < 0.7
        drawn = {path.stem for path in tmp_path.rglob("*.png")}
        assert drawn == {"probe_2_fit", "probe_1_front", "probe_4_spectrum"}  # the module has no basis


class TestShape:
    @pytest.mark.parametrize("ends", [False, True])
    @pytest.mark.parametrize("shape", [(10, 14), (8, 9, 10)])
    def test_values_of_the_grids_own_shape_are_those_of_its_points(self, shape: tuple[int, ...], ends: bool) -> None:
        size = int(np.prod(shape))
        flat = np.random.default_rng(0).standard_normal(size)
        options = {"resolution": shape, "ends": ends}
        for values in (flat.reshape(shape), torch.tensor(flat.reshape(shape)), flat.reshape(shape).tolist()):
            probe = Probe.grid([(0.0, 1.0)] * len(shape), values, **options)  # type: ignore[arg-type]
            np.testing.assert_array_equal(probe.target, flat)

    def test_rows_belong_to_the_first_axis(self) -> None:
        probe = Probe.grid([(0.0, 1.0)] * 2, np.arange(8)[:, None] + np.zeros((8, 9)), resolution=(8, 9))
        x = probe.geometry.points[:, 0]
        np.testing.assert_allclose(probe.target, x * 8 - 0.5)  # type: ignore[arg-type]

    def test_a_transposed_array_is_refused_with_what_to_do(self) -> None:
        with pytest.raises(ValueError, match=r"target has shape \(9, 8\), expected .* or \(8, 9\).*pass target\.T$"):
            Probe.grid([(0.0, 1.0)] * 2, np.zeros((9, 8)), resolution=(8, 9))
        with pytest.raises(ValueError, match=r"shape \(10, 8, 9\), expected .* \(8, 9, 10\).*axes in that order$"):
            Probe.grid([(0.0, 1.0)] * 3, np.zeros((10, 8, 9)), resolution=(8, 9, 10))

    def test_an_array_of_another_size_is_refused_with_the_resolution_it_has(self) -> None:
        with pytest.raises(
            ValueError, match=r"\(64, 48\), expected \(9216,\), \(9216, 1\) or \(96, 96\).*=\(64, 48\)$"
        ):
            Probe.grid([(0.0, 1.0)] * 2, np.zeros((64, 48)))

    def test_a_callable_returns_one_value_a_point(self) -> None:
        probe = Probe.grid([(0.0, 1.0)] * 2, lambda x: x[:, 0].reshape(8, 9), resolution=(8, 9))
        with pytest.raises(ValueError, match=r"target has shape \(8, 9\), expected \(72,\) or \(72, 1\)"):
            probe.read_target(nn.Linear(2, 1))


class TestValuesOfOtherPoints:
    @pytest.mark.parametrize("cells", [100, 300])
    def test_values_on_linspace_without_ends_are_said_once(self, cells: int, tmp_path: Path) -> None:
        values = wave(torch.linspace(0, 1, cells)[:, None])
        probe = Probe.grid([(0.0, 1.0)], values, resolution=cells)
        _, said = watched(tmp_path, probe, wave)
        assert len(said) == 1
        assert (
            "pass ends=True to Probe.grid, if they were made on linspace(low, high, n), both ends included" in said[0]
        )
        assert any("ends=True" in note for note in load(tmp_path).notes)

    def test_in_the_plane_too(self, tmp_path: Path) -> None:
        sides = torch.meshgrid(torch.linspace(0, 2, 20), torch.linspace(0, 2, 24), indexing="ij")
        values = lobes(torch.stack([side.reshape(-1) for side in sides], dim=1)).reshape(20, 24)
        _, said = watched(tmp_path, Probe.grid([(0.0, 2.0)] * 2, values, resolution=(20, 24)), lobes)
        assert len(said) == 1
        assert "ends=True" in said[0]

    def test_without_the_last_point_the_bounds_are_what_is_shifted(self, tmp_path: Path) -> None:
        values = wave(torch.arange(100)[:, None] / 100)
        _, said = watched(tmp_path, Probe.grid([(0.0, 1.0)], values, resolution=100), wave)
        assert len(said) == 1
        assert "pass bounds=[(-0.005, 0.995)] to Probe.grid" in said[0]
        better = Probe.grid([(-0.005, 0.995)], values, resolution=100)
        seen, said = watched(tmp_path / "better", better, wave)
        assert seen["seqfit/error/max"] < 1e-4
        assert said == []

    @pytest.mark.parametrize(
        ("options", "function"),
        [
            ({"target": wave((torch.arange(100)[:, None] + 0.5) / 100)}, wave),
            ({"target": wave((torch.arange(100)[:, None] + 0.5) / 100)}, lambda x: 0 * x[:, 0]),
            ({"target": wave((torch.arange(100)[:, None] + 0.5) / 100)}, lambda x: wave(x) + 0.1),
            ({"target": wave(torch.linspace(0, 1, 100)[:, None])}, lambda x: 0.3 * wave(x)),
            ({"target": wave}, lambda x: wave(x + 0.005)),  # a function is asked where the module is
            ({"target": 0.0}, lambda x: x[:, 0] - 0.5),
        ],
        ids=["exact", "nothing", "an offset", "little of it", "a callable", "a number"],
    )
    def test_what_other_points_would_not_mend_is_not_blamed_on_them(
        self, options: dict[str, Any], function: Any, tmp_path: Path
    ) -> None:
        _, said = watched(tmp_path, Probe.grid([(0.0, 1.0)], resolution=100, **options), function)
        assert said == []

    def test_an_error_that_is_small_is_not_asked_about(self, tmp_path: Path) -> None:
        asked: list[int] = []
        values = wave(torch.linspace(0, 1, 2000)[:, None])

        def predict(module: Any, x: Tensor) -> Tensor:
            asked.append(len(x))
            return wave(x)

        seen, said = watched(tmp_path, Probe.grid([(0.0, 1.0)], values, resolution=2000, predict=predict), wave)
        assert 0.005 < seen["seqfit/error/relative_rmse"] < 0.02
        assert said == []
        assert len(asked) == 4  # the looks

    def test_a_module_that_fails_at_other_points_ends_nothing(self, tmp_path: Path) -> None:
        asked: list[int] = []
        values = wave(torch.linspace(0, 1, 100)[:, None])

        def predict(module: Any, x: Tensor) -> Tensor:
            asked.append(len(x))
            if float(x[0, 0]) != pytest.approx(0.005):
                raise RuntimeError("these points only")
            return wave(x)

        seen, said = watched(tmp_path, Probe.grid([(0.0, 1.0)], values, resolution=100, predict=predict), wave)
        assert len(asked) == 5
        assert said == []
        assert load(tmp_path).steps.tolist() == [0, 1, 2, 3]
        assert seen["seqfit/error/relative_rmse"] > 0.1
