"""Tables of pandas and data sets of xarray: values, names and coordinates of known runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray

from lightning_seqfit.record import Scalars
from tests.runs import known_run, with_basis, with_spectrum, without_target


def test_a_table_has_a_row_a_look_and_a_column_a_tag():
    run = known_run(5, steps=[0, 1, 2, 2, 9]).replace(fit=np.array([0, 0, 0, 1, 1]), logger_steps=np.arange(5))
    frame = run.to_frame()
    assert (frame.index.name, frame.index.tolist()) == ("step", [0, 1, 2, 2, 9])
    assert [*frame.columns] == ["fit", "logger_step", "error/relative_rmse"]
    assert frame["fit"].tolist() == [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(frame["error/relative_rmse"], np.sqrt([1, 0.75, 0.5, 0.25, 0]))


def test_fields_of_a_line_have_its_axis_and_steps():
    run = known_run(5, bounds=(-1.0, 3.0), axis="t", last=0.5)
    found = run.to_xarray()
    assert found.prediction.dims == ("look", "t")
    assert found.prediction.attrs == {"long_name": "u (V)", "units": "V"}
    np.testing.assert_allclose(found.t, -1 + 4 * (np.arange(200) + 0.5) / 200)
    np.testing.assert_array_equal(found.step, [0, 500, 1000, 1500, 2000])
    at_last = found.local_error.isel(look=-1).sel(t=slice(-1, 0.99))
    assert float(at_last.max()) == 0.0  # half of the domain is fitted, which ends at t = 1
    assert float(found.local_error.isel(look=-1).sel(t=slice(1.01, 3)).min()) == 1.0
    np.testing.assert_array_equal(found.target, run.target)
    assert found.attrs["tolerance"] == 0.25


def plane(**fields):
    """4 x 3 cells, on which the target is 10 i + j, without other measures."""
    x, y = np.meshgrid(np.linspace(0.125, 0.875, 4), np.linspace(0.5, 2.5, 3), indexing="ij")
    values = np.add.outer(10.0 * np.arange(4), np.arange(3.0)).ravel()
    return known_run(2).replace(
        **{"axes": ("x", "step"), "bounds": ((0.0, 1.0), (0.0, 3.0)), "shape": (4, 3), "target": values},
        **{"points": np.stack([x.ravel(), y.ravel()], axis=1), "trend": 0 * values, "faces": ()},
        **{"prediction": np.stack([0 * values, values]), "front": None, "oscillations": None, **fields},
    )


def test_a_full_grid_has_its_own_axes():
    found = plane().to_xarray()
    assert found.target.dims == ("x", "step_")  # a look has a step already
    assert float(found.target.sel(x=0.375, step_=2.5)) == 12.0
    assert float(found.prediction.isel(look=1).sel(x=0.875, step_=0.5)) == 30.0


def test_other_cells_have_coordinates_of_their_own():
    run = plane()
    kept = np.arange(12) != 5
    inside = {name: getattr(run, name)[..., kept] for name in ("target", "trend", "prediction")}
    found = run.replace(points=run.points[kept], inside=kept, **inside).to_xarray()
    assert found.target.dims == ("cell",)
    assert float(found.target[(found.x == 0.375) & (found.step_ == 1.5)].sum()) == 11.0
    shuffled = np.random.default_rng(0).permutation(12)
    assert run.replace(points=run.points[shuffled]).to_xarray().target.dims == ("cell",)


def test_spectrum_basis_and_change_are_there(tmp_path: Path):
    units = np.arange(2 * 3 * 50, dtype=np.float64).reshape(2, 3, 50)
    run = with_basis(with_spectrum(known_run(5)), units, np.array([0.2, 0.5, 0.8]))
    found = run.to_xarray()
    assert float(found.power.isel(look=2).sel(frequency=5)) == pytest.approx(0.005)
    assert found.basis.dtype == np.float32
    np.testing.assert_array_equal(found.basis, units)
    np.testing.assert_array_equal(found.snapshot_step, [0, 2000])
    assert float(without_target(run).to_xarray().local_change[1, 0]) == 0.25


def test_everything_can_be_written(tmp_path: Path):
    run = known_run(3).replace(notes=("one", "two"), hyperparameters={"lr": 0.1, "bad": np.nan, "on": True, "no": None})
    found = run.to_xarray()
    assert all(isinstance(value, str | int | float) for value in found.attrs.values())
    assert json.loads(found.attrs["hyperparameters"]) == {"lr": 0.1, "bad": None, "on": True, "no": None}
    assert all(variable.dtype.kind in "iuf" for variable in found.variables.values())
    found.to_netcdf(tmp_path / "run.nc")
    with xarray.open_dataset(tmp_path / "run.nc") as read:
        np.testing.assert_array_equal(read.prediction, run.prediction)
        assert read.attrs["notes"] == "one\ntwo"


@pytest.mark.parametrize(("method", "package"), [("to_frame", "pandas"), ("to_xarray", "xarray")])
def test_a_package_that_is_missing_is_named(method: str, package: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"run\.{method}\(\) needs {package}: pip install 'lightning-seqfit\[frames"):
        getattr(known_run(2), method)()


def test_tags_are_as_in_the_record():
    scalars = Scalars({"front/fitted": np.array([0.0, np.nan])}, "seqfit/left/")
    assert np.isnan(known_run(2).replace(scalars=scalars).to_frame()["front/fitted"].iloc[1])
