"""Runs in one table: runs made by hand, whose steps, shares and settings are known."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from lightning_seqfit.record.architecture import Architecture
from lightning_seqfit.report.comparison import compare
from tests.runs import known_run, replaced, unfitted, without_target


def run_that_fits(fitted, **fields):
    """A run with a look every 100 steps, at which these shares are fitted."""
    fitted = np.array(fitted, dtype=np.float64)
    run = known_run(len(fitted), steps=100 * np.arange(len(fitted)))
    return replaced(run, fitted=fitted, scale_of="oscillation", finished=True, **fields)


def cells(found, column):
    return [row[found.columns.index(column)] for row in found.rows]


@pytest.mark.parametrize(
    ("fitted", "half", "most", "all_but"),
    [
        ([0.0, 0.5, 0.9, 0.98, 1.0], 100, 200, 300),
        ([0.0, 0.6, 0.4, 0.6, 0.7], 300, "not within 400", "not within 400"),  # the first time it did not hold
        ([0.0, 0.0, 0.0, 0.0, 0.99], 400, 400, 400),  # the last look has none after it
        ([0.0, 0.1, 0.2, 0.3, 0.4], *3 * ("not within 400",)),
        ([np.nan, 0.5, 0.9, 0.9, 0.9], 100, 200, "not within 400"),
    ],
)
def test_steps_to_a_share_are_those_of_the_first_look_from_which_it_holds(fitted, half, most, all_but):
    found = compare({"a": run_that_fits(fitted)})
    assert [cells(found, f"steps to {share} %") for share in (50, 90, 98)] == [[half], [most], [all_but]]


def test_a_run_of_which_nothing_is_known_has_no_steps():
    found = compare({"a": run_that_fits([np.nan, np.nan])})
    assert (cells(found, "steps to 50 %"), cells(found, "fitted")) == ([None], [None])


def test_only_what_differs_between_the_settings_has_a_column():
    network = Architecture(1, 1, 8, 2, "tanh")
    common = {"settings": {"began": "1", "seconds": 3.5, "tolerance": 0.25}, "network": network}
    one = run_that_fits([0.0, 1.0], hyperparameters={"lr": 0.1, "width": 8, "tolerance": 1, "deep": True}, **common)
    two = one.replace(
        hyperparameters={"lr": 0.2, "width": 8, "tolerance": 2, "deep": 1},
        settings={**common["settings"], "began": "2", "trainer/max_steps": 9},
        network=Architecture(1, 1, 16, 2, "tanh"),
    )
    found = compare({"one": one, "two": two})
    assert found.columns[found.columns.index("overhead") + 1 :] == (
        "lr",
        "tolerance (hyperparameter)",
        "deep",
        "network/width",
        "trainer/max_steps",  # last: one of them has none
    )
    assert [row[-5:] for row in found.rows] == [(0.1, 1, True, 8, None), (0.2, 2, 1, 16, 9)]
    assert cells(found, "seconds") == [3.5, 3.5]
    assert found.reasons == ()


def test_a_hyperparameter_or_a_setting_with_the_name_of_another_column_has_a_column_too():
    figures = compare({"one": run_that_fits([0.0, 1.0])}).columns
    names = (*figures, "network/width", "tolerance")
    runs = {
        each: run_that_fits(
            [0.0, 1.0],
            hyperparameters={name: number + place for place, name in enumerate(names)},
            settings={"tolerance": 0.25, "steps": 1000 * number},
            network=Architecture(1, 1, 8 * number, 2, "tanh"),
        )
        for number, each in ((1, "one"), (2, "two"))
    }
    found = compare(runs)
    assert found.columns[: len(figures)] == figures
    for place, name in enumerate(names):
        assert cells(found, f"{name} (hyperparameter)") == [1 + place, 2 + place]
    assert cells(found, "steps (setting)") == [1000, 2000]
    assert cells(found, "network/width") == [8, 16]
    assert len({*found.columns}) == len(found.columns)


def test_what_was_set_and_found_is_told_once():
    runs = {
        f"of {width}": run_that_fits(
            [0.0], hyperparameters={"units": width}, network=Architecture(1, 1, width, 2, "tanh")
        )
        for width in (8, 16)
    }
    columns = compare(runs).columns
    assert "units" in columns
    assert "network/width" not in columns


def test_settings_of_nan_do_not_differ():
    runs = {name: run_that_fits([0.0], hyperparameters={"dropout": float("nan")}) for name in "ab"}
    assert "dropout" not in compare(runs).columns


def test_an_older_record_is_said_to_be_one_and_makes_no_columns():
    new = run_that_fits([0.0], hyperparameters={"lr": 0.1}, settings={"tolerance": 0.25})
    found = compare({"new": new, "old": run_that_fits([0.0])})
    assert found.columns[-1] == "overhead"
    assert found.reasons == ("an older record, which has no settings: old",)


def test_what_cannot_be_compared_is_said():
    one = run_that_fits([0.0, 1.0], settings={"tolerance": 0.25})
    other = replaced(one, target=2 * one.target)
    strict = replaced(one, tolerance=0.1)
    goes_on = replaced(one, finished=False)
    found = compare({"one": one, "other": other, "strict": strict, "on": goes_on, "none": without_target(one)})
    assert found.reasons == (
        "not comparable: another target than that of one: other, none",
        "not comparable: fitted at another tolerance: 0.25 in one, other, on; 0.1 in strict",
        "without a target: none",
        "not at its end: on",
    )


def test_the_same_target_on_other_cells_is_the_same():
    fine, coarse = (known_run(3, cells=cells, steps=[0, 1, 2]) for cells in (1000, 300))
    assert not any("target" in reason for reason in compare({"fine": fine, "coarse": coarse}).reasons)


def test_nothing_is_said_to_be_fitted_relative_to_the_first_error():
    run = run_that_fits([0.0, 1.0]).replace(scale_of="first look")
    found = compare({"residual": run})
    assert [cells(found, name) for name in ("fitted", "steps to 50 %")] == [[None], [None]]
    assert found.reasons == ("relative to its first error: never fitted: residual",)


def test_a_prediction_that_is_not_finite_is_said():
    run = unfitted(known_run(6))
    run = run.replace(scalars={"error/relative_rmse": np.array([1.0, *5 * [np.inf]])})
    found = compare({"a": run})
    assert cells(found, "relative error") == [np.inf]
    assert "not finite" in str(found)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_a_terminal_shows_every_figure_in_100_columns(count):
    runs = {
        f"run {number} {'of a long name ' * 4}": run_that_fits(
            [0.0, 1.0], hyperparameters={f"p{i}": number for i in range(9)}, settings={"tolerance": 0.25}
        )
        for number in range(count)
    }
    lines = str(compare(runs)).splitlines()
    assert max(map(len, lines)) <= 100
    assert sum(line.split()[:1] == ["verdict"] for line in lines) == {1: 1, 2: 1, 9: 5}[count]
    words = " ".join(lines).split()
    assert words.count("p3") == (0 if count == 1 else {2: 1, 9: 5}[count])


def test_many_runs_have_a_line_each_and_what_has_no_room_is_named():
    runs = {
        f"run {number}": run_that_fits([0.0, 1.0], hyperparameters={"lr": number / 7, "x" * 30: number, "width": 8})
        for number in range(40)
    }
    lines = str(compare(runs)).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0].split()[:3] == ["run", "fitted", "verdict"]
    assert [line.split()[1] for line in lines[1:41]] == [str(number) for number in range(40)]
    assert "lr" in lines[0].split()
    assert "steps to 50 %" in " ".join(lines[41:])
    shown = " ".join(lines)
    assert all(name in shown for name in compare(runs).columns if name not in ("forecast", "seconds", "overhead"))


def test_the_best_run_comes_first_and_what_is_not_known_last():
    looks = {"late": [0.0, 0.5, 0.99, 0.99], "never": [0.0, 0.2, 0.3, 0.99], "early": [0.0, 0.99, 0.99, 0.99]}
    runs = {"unknown": without_target(run_that_fits([0.0] * 4)), "half": run_that_fits([0.0, 0.1, 0.5, 0.5])}
    runs |= {name: run_that_fits(fitted) for name, fitted in looks.items()}
    assert cells(compare(runs).ordered(), "run") == ["early", "late", "never", "half", "unknown"]


@pytest.mark.parametrize(
    ("column", "order"),
    [
        ("run", "abcde"),
        ("fitted", "adbce"),  # the highest first, those without it last, equal ones as they were
        ("lr", "cebad"),  # numbers, texts, nothing and NaN
        ("flag", "dabce"),
    ],
)
def test_an_order_by_any_column(column, order):
    fitted = {"b": 0.25, "a": 0.75, "c": 0.25, "d": 0.5, "e": np.nan}
    lr = {"a": "auto", "b": 1e-1, "c": -2, "e": 1e-3, "d": np.nan}
    runs = {
        name: run_that_fits([0.0, share], hyperparameters={"lr": lr[name], "flag": name != "d"})
        for name, share in sorted(fitted.items())
    }
    assert "".join(cells(compare(runs).ordered(column), "run")) == order


def test_an_order_by_a_column_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"'rate' is no column of this table; it has 'run', 'verdict', .*'overhead'"):
        compare({"a": run_that_fits([0.0])}).ordered("rate")


def test_few_figures_stand_in_a_line_a_run():
    lines = str(compare({"a": without_target(run_that_fits([0.0, 1.0]))})).splitlines()
    assert lines[:2] == ["  run  steps", "  a    100"]


def test_a_name_tells_a_terminal_nothing():
    assert "\x1b" not in str(compare({"\x1b[2Ja": run_that_fits([0.0], hyperparameters={"\x1b": 1})}))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", " =1", "\t=1"])
def test_no_text_is_a_formula_in_a_spreadsheet(text):
    one = run_that_fits([0.0], hyperparameters={text: text, "below": -1, "quoted": 'a,"b"\n'})
    two = one.replace(hyperparameters={text: "x", "below": 1, "quoted": ""})
    header, first, _ = csv.reader(io.StringIO(compare({text: one, "two": two}).csv()))
    row = dict(zip(header, first, strict=True))
    assert row["run"] == row[f"'{text}"] == f"'{text}"
    assert (row["below"], row["quoted"]) == ("-1", 'a,"b"\n')  # a number is no text


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        compare({})
