"""A run as a table of pandas and as a dataset of xarray: the values are those that made the run, place by place."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import xarray
from hypothesis import given
from hypothesis import strategies as st

from lightning_seqfit.record import Scalars
from tests.runs import known_run, replace, with_basis, with_spectrum, without_target


def grid_run(shape=(4, 3), axes=("x", "y"), bounds=((0.0, 1.0), (-3.0, 3.0)), looks=5):
    """Over a grid; at look i the prediction is i + 10 x + y."""
    lines = [low + (np.arange(n) + 0.5) / n * (high - low) for n, (low, high) in zip(shape, bounds, strict=True)]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1).reshape(-1, len(shape))
    target = 10 * points[:, 0] + points[:, 1]
    run = known_run(looks, cells=len(points), watched=False, counts=False)
    prediction = np.arange(looks)[:, None] + target
    fields = {"points": points, "target": target, "trend": 0 * target, "prediction": prediction}
    return replace(run, axes=axes, bounds=bounds, shape=shape, faces=(), **fields)


def test_a_table_has_a_row_a_look_and_a_column_a_tag():
    frame = known_run(5, last=0.5).to_frame()
    assert frame.index.name == "step"
    assert frame.index.tolist() == [0, 500, 1000, 1500, 2000]
    assert list(frame.columns) == ["fit", "logger_step", "error/relative_rmse"]
    np.testing.assert_allclose(frame["error/relative_rmse"] ** 2, [1, 0.875, 0.75, 0.625, 0.5], atol=0.005)


def test_both_fits_are_in_a_table_and_verdicts_are_words():
    run = known_run(3, steps=[0, 100, 100])
    stall = SimpleNamespace(verdict=np.array(["", "stuck", "fitted"]))
    scalars = Scalars({"stall/verdict": np.array([np.nan, 4.0, 1.0])}, "seqfit/")
    frame = replace(run, fit=np.array([0, 0, 1]), scalars=scalars, stall=stall).to_frame()
    assert frame.loc[100, "fit"].tolist() == [0, 1]
    assert frame["stall/verdict"].tolist() == ["", "stuck", "fitted"]
    assert replace(run, scalars=scalars).to_frame()["stall/verdict"].tolist()[1:] == [4.0, 1.0]


def test_along_a_line_places_are_its_coordinate():
    run = known_run(5, bounds=(-2.0, 2.0))
    data = run.to_xarray()
    assert dict(data["prediction"].sizes) == {"look": 5, "x": 200}
    place = float(data["x"][150])
    assert place == pytest.approx(-2 + 4 * 150.5 / 200)
    assert float(data["target"].sel(x=1.0, method="nearest")) == pytest.approx(np.sin(26 * np.pi * 150.5 / 200))
    assert data["step"].values.tolist() == [0, 500, 1000, 1500, 2000]
    fitted = data["local_error"].isel(look=2) < 0.1  # the front has come half-way
    assert fitted.values.tolist() == [True] * 100 + [False] * 100
    assert data["arrival"].values[[0, 60, -1]].tolist() == [500.0, 1000.0, 2000.0]
    assert data["active"].all()


@given(shape=st.lists(st.integers(1, 5), min_size=2, max_size=3))
def test_on_a_grid_every_axis_is_a_dimension(shape):
    names = ("x", "y", "t")[: len(shape)]
    data = grid_run(tuple(shape), names, ((0.0, 1.0), (-3.0, 3.0), (5.0, 6.0))[: len(shape)]).to_xarray()
    assert dict(data["prediction"].sizes) == {"look": 5, **dict(zip(names, shape, strict=True))}
    expected = (xarray.DataArray(range(5), dims="look") + 10 * data["x"] + data["y"]).broadcast_like(data["prediction"])
    np.testing.assert_allclose(data["prediction"], expected)


def test_cells_that_are_no_full_grid_have_one_dimension():
    run, kept = grid_run(), np.arange(12) % 5 != 0
    inside = replace(
        run,
        inside=kept,
        **{name: getattr(run, name)[kept] for name in ("points", "target", "trend")},
        prediction=run.prediction[:, kept],
    )
    scattered = replace(run, points=run.points + np.linspace(0, 0.1, 24).reshape(12, 2), shape=(12,))
    bent = replace(run, points=run.points + np.linspace(0, 0.1, 24).reshape(12, 2))
    for each in (inside, scattered, bent):
        data = each.to_xarray()
        assert data["prediction"].dims == ("look", "cell")
        np.testing.assert_array_equal(data["x"], each.points[:, 0])
        np.testing.assert_array_equal(data["y"], each.points[:, 1])
        np.testing.assert_array_equal(data["prediction"], each.prediction)


def test_points_of_a_grid_may_be_apart_by_rounding():
    run = grid_run()
    rounded = replace(run, points=run.points * (1 + np.linspace(0, 1e-13, 24).reshape(12, 2)))
    assert rounded.to_xarray()["prediction"].dims == ("look", "x", "y")


@pytest.mark.parametrize("taken", ["look", "step", "target", "cell", "frequency"])
def test_an_axis_may_be_called_what_a_variable_is(taken):
    data = grid_run(axes=(taken, "y")).to_xarray()
    assert data["prediction"].dims == ("look", f"axis_{taken}", "y")


def test_units_and_names_are_said():
    data = with_spectrum(known_run()).to_xarray()
    assert data["prediction"].attrs == {"long_name": "u", "units": "V"}
    assert data["step"].attrs["units"] == data["arrival"].attrs["units"] == "optimizer steps"
    assert data["frequency"].attrs["units"] == "cycles per domain length"
    assert data["power"].isel(look=2).sel(frequency=5.0) == pytest.approx(0.005)
    assert data.attrs["tolerance"] == 0.25
    assert data.attrs["quantity"] == "u (V)"
    assert "notes" not in data.attrs


def test_snapshots_of_the_basis_have_their_steps_units_and_places():
    units = np.arange(2)[:, None, None] + np.linspace(0, 1, 4)[:, None] * np.linspace(0, 1, 50)
    data = with_basis(known_run(), units, np.linspace(0, 1, 4)).to_xarray()
    assert data["snapshots"].dims == ("snapshot", "unit", "point")
    assert data["snapshot_step"].values.tolist() == [0, 2000]
    expected = data["snapshots"].isel(snapshot=1, unit=3)
    np.testing.assert_allclose(expected, 1 + data["snapshot_x"], rtol=1e-3)


def test_without_a_target_there_is_change_and_no_error():
    data = without_target(known_run(3)).to_xarray()
    assert not {"target", "trend", "local_error"} & set(data.variables)
    np.testing.assert_allclose(data["local_change"].isel(x=7), [1, 1 / 4, 1 / 9])


def test_finer_cells_have_the_last_look_alone():
    run = with_spectrum(known_run(5))
    fine = replace(
        run, prediction=run.prediction[-1:], front=replace(run.front, local_error=run.front.local_error[-1:])
    )
    data = fine.to_xarray()
    assert data.sizes["look"] == 1
    assert data["step"].values.tolist() == [2000]
    np.testing.assert_array_equal(data["power"], run.spectrum.power[-1:])


def test_a_dataset_can_be_written_as_netcdf_and_read_back(tmp_path):
    units = np.ones((2, 4, 50))
    run = replace(
        with_basis(with_spectrum(known_run(quiet=(0.4, 0.6))), units, np.linspace(0, 1, 4)),
        notes=("one", "two"),
        hyperparameters={"width": 20, "net/tanh": True, "path": None},
        settings={"max_steps": 100},
        finished=True,
    )
    data = run.to_xarray()
    data.to_netcdf(tmp_path / "run.nc", engine="scipy")
    with xarray.open_dataset(tmp_path / "run.nc", engine="scipy") as back:
        xarray.testing.assert_equal(back.load(), data)
        assert back.attrs["notes"] == "one\ntwo"
        assert back.attrs["finished"] == 1
        assert back.attrs["hyperparameters"] == '{"width": 20, "net/tanh": true, "path": null}'


@pytest.mark.parametrize(("method", "package"), [("to_frame", "pandas"), ("to_xarray", "xarray")])
def test_a_package_that_is_missing_is_asked_for(method, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    said = rf"run\.{method}\(\) needs {package}, which is not installed: pip install 'lightning-seqfit\[frames\]'"
    with pytest.raises(ModuleNotFoundError, match=said):
        getattr(known_run(), method)()
