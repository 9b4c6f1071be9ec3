"""The record: evenly thinned, resumed as if it had not stopped, written whole or not at all, and read back by name."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import lightning_seqfit
from lightning_seqfit.record import FILE_VERSION, MOST_LOOKS, Record, Scalars, as_run, contents, load, write

CELLS = 6


def filled(looks, most=MOST_LOOKS, spacing=10):
    record = Record(most=most)
    for look in range(looks):
        record.append(row(look, spacing))
    return record


def row(look, spacing=10):
    """What a callback hands over, with values that say which look they belong to."""
    return {
        "steps": spacing * look,
        "total_steps": spacing * look,
        "logger_steps": spacing * look // 2,
        "fit": 0,
        "prediction": np.linspace(0.0, 1.0, CELLS) + look,
        "scalar/error/relative_rmse": 1.0 / (look + 1),
    }


def resumed(record, most=MOST_LOOKS):
    """The record after a checkpoint has been written and read."""
    file = io.BytesIO()
    torch.save(record.state_dict(), file)
    file.seek(0)
    other = Record(most=most)
    other.load_state_dict(torch.load(file, weights_only=True))
    return other


def same(one, other):
    assert one.names == other.names
    assert (one.stride, one.looks, len(one)) == (other.stride, other.looks, len(other))
    for name in one.names:
        assert one[name].dtype == other[name].dtype
        np.testing.assert_array_equal(one[name], other[name])


FIXED = {"target": np.zeros(CELLS), "trend": np.zeros(CELLS), "points": np.linspace(0.1, 0.9, CELLS)[:, None]}
ABOUT = {"name": "", "quantity": "u (V)", "axes": ["x"], "bounds": [[0.0, 1.0]], "shape": [CELLS], "notes": []}


def arrays_of(record=None, fixed=None, **about):
    return contents(filled(3) if record is None else record, {**FIXED, **(fixed or {})}, {**ABOUT, **about})


class TestThinning:
    @settings(max_examples=200)
    @given(looks=st.integers(1, 400), most=st.integers(2, 40))
    def test_first_and_latest_look_are_kept_and_the_others_are_spaced_evenly(self, looks, most):
        record = filled(looks, most=most, spacing=7)
        kept = record["look"].tolist()
        assert len(record) == len(kept) <= most
        assert kept[0] == 0
        assert kept[-1] == looks - 1
        expected = list(range(0, looks, record.stride))
        assert kept == (expected if expected[-1] == looks - 1 else [*expected, looks - 1])
        assert record["steps"].tolist() == [7 * look for look in kept]
        np.testing.assert_allclose(record["prediction"][:, 0], kept)
        assert record["scalar/error/relative_rmse"].tolist() == [1.0 / (look + 1) for look in kept]

    @given(looks=st.integers(1, 400), most=st.integers(2, 40))
    def test_no_more_is_thrown_away_than_space_asks_for(self, looks, most):
        record = filled(looks, most=most)
        rows_before = {*range(0, looks, record.stride // 2), looks - 1} if record.stride > 1 else None
        assert rows_before is None or len(rows_before) > most

    def test_nothing_is_thinned_until_it_is_full(self):
        record = filled(MOST_LOOKS)
        assert record["look"].tolist() == list(range(MOST_LOOKS))
        record.append(row(MOST_LOOKS))
        assert record["look"].tolist() == list(range(0, MOST_LOOKS + 1, 2))

    def test_steps_beyond_float_precision_stay_exact(self):
        record = Record(most=4)
        for look in range(9):
            record.append({"steps": 2**53 + 1 + look})
        assert record["steps"].dtype == np.int64
        assert record["steps"].tolist() == [2**53 + 1 + look for look in record["look"].tolist()]


class TestColumns:
    def test_a_column_that_comes_late_is_missing_before(self):
        record = Record(most=8)
        record.append({"steps": 0})
        record.append({"steps": 1, "scalar/late": 0.5, "count": 3, "field": np.ones(2)})
        np.testing.assert_array_equal(record["scalar/late"], [np.nan, 0.5])
        np.testing.assert_array_equal(record["field"], [[np.nan, np.nan], [1, 1]])
        assert record["count"].tolist() == [-1, 3]

    def test_a_column_that_stays_away_is_missing_from_then_on(self):
        record = Record(most=8)
        record.append({"steps": 0, "scalar/early": 0.5, "count": 3, "field": np.ones(2)})
        record.append({"steps": 1})
        np.testing.assert_array_equal(record["scalar/early"], [0.5, np.nan])
        np.testing.assert_array_equal(record["field"], [[1, 1], [np.nan, np.nan]])
        assert record["count"].tolist() == [3, -1]

    def test_no_value_of_a_dropped_look_comes_back(self):
        record = Record(most=4)
        for look in range(20):
            record.append({"steps": look, **({"scalar/odd": float(look)} if look % 2 else {})})
            odd = record["look"] % 2 == 1
            np.testing.assert_array_equal(
                record["scalar/odd"] if look else [np.nan], np.where(odd, record["look"], np.nan)
            )

    def test_each_kind_of_value_has_its_type(self):
        record = filled(2)
        assert record["steps"].dtype == np.int64
        assert record["prediction"].dtype == np.float32
        assert record["scalar/error/relative_rmse"].dtype == np.float64
        assert set(record.names) == {"look", *row(0)}

    def test_a_value_beyond_float32_is_recorded_as_infinite(self):
        record = Record(most=2)
        record.append({"field": np.array([1e300, -1e300, np.nan, 1.0])})
        np.testing.assert_array_equal(record["field"][0], [np.inf, -np.inf, np.nan, 1.0])

    def test_a_field_of_another_shape_is_refused_and_changes_nothing(self):
        record = filled(5, most=4)
        before = resumed(record, most=4)
        with pytest.raises(ValueError, match=r"'prediction' has shape \(7,\), and \(6,\) at the looks before"):
            record.append({**row(5), "prediction": np.zeros(CELLS + 1), "scalar/new": 1.0})
        same(record, before)

    def test_a_field_is_copied(self):
        record, field = Record(most=2), np.ones(3)
        record.append({"field": field})
        field[:] = 7
        assert record["field"].tolist() == [[1, 1, 1]]


class TestState:
    @settings(max_examples=60)
    @given(before=st.integers(0, 90), after=st.integers(0, 90), most=st.integers(2, 20))
    def test_a_resumed_record_goes_on_as_if_it_had_not_stopped(self, before, after, most):
        straight = filled(before, most=most)
        stopped = resumed(straight, most=most)
        same(stopped, straight)
        for look in range(before, before + after):
            for record in (straight, stopped):
                record.append({**row(look), **({"scalar/late": float(look)} if look > before + 3 else {})})
        same(stopped, straight)

    def test_missing_values_survive(self):
        record = Record(most=8)
        record.append({"steps": 0, "field": np.array([np.inf, np.nan])})
        record.append({"steps": 1, "scalar/late": 1.0, "count": 2})
        same(resumed(record, most=8), record)

    def test_the_state_is_a_copy(self):
        record = filled(3)
        state = record.state_dict()
        before = state["columns"]["steps"].clone()
        loaded = Record()
        loaded.load_state_dict(state)
        for look in range(3, 6):
            record.append(row(look))
            loaded.append(row(look))
        record["steps"][:] = -9
        assert torch.equal(state["columns"]["steps"], before)
        assert loaded["steps"].tolist() == [0, 10, 20, 30, 40, 50]

    def test_a_full_record_of_the_largest_fields_stays_under_8_mb(self):
        record = Record()
        for look in range(MOST_LOOKS):
            fields = {"prediction": np.ones(1024), "front/local_error": np.ones(1024)}
            record.append({**row(look), **fields, **{f"scalar/{number}": 0.1 for number in range(60)}})
        file = io.BytesIO()
        torch.save(record.state_dict(), file)
        assert len(record) == MOST_LOOKS
        assert 512 * 2 * 1024 * 4 < file.tell() < 8 * 10**6


class TestFile:
    def test_what_is_written_is_read_back(self, tmp_path):
        record = Record()
        for look in range(4):
            extra = {"scalar/front/fitted": look / 4, "scalar/front/depth/x_min": look / 8} if look else {}
            record.append({**row(look), **extra, "front/local_error": np.full(CELLS, 1.0 - look / 4)})
        fixed = {
            "front/active": np.arange(CELLS) > 1,
            "front/tolerance": 0.25,
            "front/arrival": np.where(np.arange(CELLS) < 3, 10.0, np.inf),
            "front/settled": np.full(CELLS, np.inf),
            "target": np.arange(CELLS) / 3,
        }
        path = tmp_path / "version_0" / "seqfit" / "probe.npz"
        write(path, arrays_of(record, fixed, notes=["basis: switched off"]))
        run = load(tmp_path / "version_0")
        assert run.quantity == "u (V)"
        assert (run.name, run.axes, run.bounds, run.shape) == ("", ("x",), ((0.0, 1.0),), (CELLS,))
        assert run.faces == ("x_min", "x_max")
        assert run.notes == ("basis: switched off",)
        assert run.steps.tolist() == run.total_steps.tolist() == [0, 10, 20, 30]
        assert run.logger_steps.tolist() == [0, 5, 10, 15]
        assert run.fit.tolist() == [0, 0, 0, 0]
        assert run.steps.dtype == np.int64
        np.testing.assert_array_equal(run.target, np.arange(CELLS) / 3)
        np.testing.assert_array_equal(run.points, FIXED["points"])
        np.testing.assert_array_equal(run.prediction, record["prediction"])
        assert run.scalars["error/relative_rmse"].tolist() == [1, 1 / 2, 1 / 3, 1 / 4]
        assert run.front is not None
        np.testing.assert_array_equal(run.front.fitted, [np.nan, 0.25, 0.5, 0.75])
        np.testing.assert_array_equal(run.front.depth["x_min"], [np.nan, 0.125, 0.25, 0.375])
        np.testing.assert_array_equal(run.front.depth["x_max"], [np.nan] * 4)  # never logged
        np.testing.assert_array_equal(run.front.local_error[:, 0], [1.0, 0.75, 0.5, 0.25])
        assert run.front.arrival.tolist() == [10, 10, 10, math.inf, math.inf, math.inf]
        assert run.front.active.tolist() == [False, False, True, True, True, True]
        assert run.front.active.dtype == bool
        assert run.front.tolerance == 0.25
        assert run.oscillations is None

    def test_oscillation_counts_are_named(self, tmp_path):
        record = Record()
        counts = {"target": 13.0, "model": 4.5, "fitted": 4.0, "missing": 9.0, "spurious": 0.5}
        record.append({**row(0), **{f"scalar/oscillations/{key}": value for key, value in counts.items()}})
        write(tmp_path / "probe.npz", arrays_of(record))
        run = load(tmp_path)
        assert run.front is None
        assert {key: getattr(run.oscillations, key).tolist() for key in counts} == {k: [v] for k, v in counts.items()}

    def test_the_file_needs_no_pickle(self, tmp_path):
        path = tmp_path / "probe.npz"
        write(path, arrays_of())
        with np.load(path, allow_pickle=False) as file:
            loaded = {name: file[name] for name in file.files}
        assert not any(array.dtype.hasobject for array in loaded.values())
        assert json.loads(str(loaded["about"]))["version"] == FILE_VERSION

    def test_a_record_without_scalars_is_read_back(self, tmp_path):
        record = Record()
        record.append({name: value for name, value in row(0).items() if not name.startswith("scalar/")})
        write(tmp_path / "probe.npz", arrays_of(record))
        assert len(load(tmp_path).scalars) == 0

    @pytest.mark.parametrize("place", ["run", "folder", "file"])
    def test_a_run_its_folder_and_the_file_itself_can_be_given(self, tmp_path, place):
        write(tmp_path / "seqfit" / "left.npz", arrays_of(name="left"))
        where = {"run": tmp_path, "folder": tmp_path / "seqfit", "file": tmp_path / "seqfit" / "left.npz"}[place]
        assert lightning_seqfit.load(str(where), name="left").name == "left"

    def test_a_later_write_replaces_the_earlier_one_and_leaves_nothing_else(self, tmp_path):
        path = tmp_path / "probe.npz"
        for looks in (2, 5):
            write(path, arrays_of(filled(looks)))
        assert len(load(path).steps) == 5
        assert [p.name for p in tmp_path.iterdir()] == ["probe.npz"]

    @pytest.mark.parametrize("failure", [OSError("no space left on device"), KeyboardInterrupt()])
    def test_a_write_that_breaks_off_leaves_the_old_file_and_no_other(self, tmp_path, monkeypatch, failure):
        path = tmp_path / "probe.npz"
        write(path, arrays_of(filled(2)))
        before = path.read_bytes()

        def half(file, **arrays):
            file.write(before[: len(before) // 2])
            file.flush()
            raise failure

        monkeypatch.setattr(np, "savez", half)
        with pytest.raises(type(failure)):
            write(path, arrays_of(filled(5)))
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir()] == ["probe.npz"]

    def test_a_reader_never_sees_a_part(self, tmp_path, monkeypatch):
        path = tmp_path / "probe.npz"
        write(path, arrays_of(filled(2)))
        savez, seen = np.savez, []

        def watched(file, **arrays):
            savez(file, **arrays)
            seen.append(len(load(path).steps))  # everything is on its way, nothing is in place

        monkeypatch.setattr(np, "savez", watched)
        write(path, arrays_of(filled(5)))
        assert seen == [2]
        assert len(load(path).steps) == 5


class TestMessages:
    def test_a_missing_record_names_those_that_are_there(self, tmp_path):
        for name in ("left", "right"):
            write(tmp_path / "seqfit" / f"{name}.npz", arrays_of(name=name))
        with pytest.raises(
            FileNotFoundError, match=r"no probe\.npz in .*seqfit: there are records of: left, right; give"
        ):
            load(tmp_path)
        with pytest.raises(FileNotFoundError, match=r"no middle\.npz in .*: there are records of: left, right"):
            load(tmp_path, name="middle")

    def test_an_empty_folder_and_one_that_is_not_there_say_so(self, tmp_path):
        for folder in (tmp_path, tmp_path / "nowhere"):
            with pytest.raises(FileNotFoundError, match=r"no probe\.npz in .*: it holds no record; give the run's log"):
                load(folder)

    @pytest.mark.parametrize("version", [FILE_VERSION + 1, 0, None])
    def test_another_version_is_refused_with_both_numbers_and_the_file(self, tmp_path, version):
        path = tmp_path / "probe.npz"
        write(path, arrays_of(version=version))
        with pytest.raises(ValueError, match=rf"probe\.npz has version {version}, expected {FILE_VERSION}"):
            load(path)

    def test_an_npz_of_somebody_else_is_refused(self, tmp_path):
        path = tmp_path / "probe.npz"
        np.savez(path, weights=np.zeros(3))
        with pytest.raises(ValueError, match="version None"):
            load(path)


class TestScalars:
    @pytest.mark.parametrize(("name", "prefix"), [("", "seqfit/"), ("left", "seqfit/left/")])
    def test_a_tag_is_known_with_and_without_its_prefix(self, name, prefix):
        run = as_run(arrays_of(name=name))
        short = run.scalars["error/relative_rmse"]
        np.testing.assert_array_equal(run.scalars[f"{prefix}error/relative_rmse"], short)
        assert f"{prefix}error/relative_rmse" in run.scalars
        assert "error/relative_rmse" in run.scalars
        assert list(run.scalars) == ["error/relative_rmse"]
        assert len(run.scalars) == 1

    def test_an_unknown_tag_names_those_that_are_there(self):
        scalars = Scalars({"error/max": np.zeros(2), "front/fitted": np.ones(2)}, "seqfit/")
        with pytest.raises(KeyError, match=r"'front/fited' is not recorded; there are: error/max, front/fitted"):
            scalars["front/fited"]
        assert "front/fited" not in scalars
        assert scalars.get("front/fited") is None


def test_a_run_is_replaced_only_in_what_it_has(tmp_path):
    write(tmp_path / "probe.npz", arrays_of(filled(2)))
    run = load(tmp_path / "probe.npz")
    assert run.replace(name="other", front=None).name == "other"
    with pytest.raises(TypeError, match="a run has no 'predicton'; there are: axes,"):
        run.replace(predicton=run.prediction)
