"""The page of a report: what it says and in which order, how large it is, and that nothing in it is taken for HTML."""

from __future__ import annotations

import dataclasses
import math
import re
import time
from typing import Any

import numpy as np
import pytest

from lightning_seqfit.diagnosis import Advice, Diagnosis, Evidence, Verdict
from lightning_seqfit.record import Run
from lightning_seqfit.record.run import Arrays, Scalars
from lightning_seqfit.report import page as module
from lightning_seqfit.report import part
from lightning_seqfit.report.page import MOST_BYTES, page
from tests.report.making import NASTY, Elements, described, in_element, nasty_page, whole_run
from tests.runs import known_run, replace


def names(text: str) -> list[str]:
    return [view["name"] for view in described(text)["views"]]


def test_the_verdict_comes_first_then_the_slider_then_pictures_charts_and_tables() -> None:
    said = Elements(page({"a run": whole_run()})).text
    order = ["a run", "progressing", "Step 2,000", "Play", "At the last look", "Over the training", "Summary", "Cost"]
    places = [said.index(each) for each in order]
    assert places == sorted(places)


def test_every_figure_has_a_title_and_a_sentence() -> None:
    found = Elements(page({"a run": whole_run()}))
    assert found.count("figure") == found.count("figcaption") > 6
    assert not re.search(r"<figcaption>\s*</figcaption>", page({"a run": whole_run()}))
    assert sorted(
        dict(attributes)["data-view"] for tag, attributes in found.found if "data-view" in attributes
    ) == sorted(map(str, range(found.count("figure"))))


def test_what_moves_is_the_fit_the_error_the_spectrum_and_the_basis_beside_the_map() -> None:
    views = described(page({"a run": whole_run(21)}))["views"]
    moving = [view for view in views if view["steps"]]
    assert len(moving) >= 4
    assert views[0]["name"] == "1_front"
    assert views[0]["cursor"] == "x"
    assert max(len(view["steps"]) for view in moving) == 21
    assert names(page({"a run": whole_run(21)})).count("1_front") == 1


def test_a_run_with_one_look_has_no_slider() -> None:
    found = Elements(page({"a run": known_run(1)}))
    assert found.count("input") == found.count("button") == 0
    assert found.count("figure") > 0


def test_nothing_is_asked_of_a_network() -> None:
    found = Elements(page({"a run": whole_run()}))
    links = [attributes.get(name, "") for _, attributes in found.found for name in ("src", "href", "action", "data")]
    assert not [link for link in links if link and not link.startswith("#")]
    (policy,) = [attributes["content"] for _, attributes in found.found if "http-equiv" in attributes]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")


@pytest.mark.parametrize("runs", [1, 3])
def test_whatever_comes_from_a_run_is_text(runs: int) -> None:
    text = nasty_page(runs)
    found = Elements(text)
    assert found.count("script") == 4
    assert found.count("img") == 0
    assert not [name for _, attributes in found.found for name in attributes if name.startswith("on")]
    assert found.text.count(NASTY) > 10
    assert in_element(text, "views").count("<") == 0


def test_512_looks_take_less_than_5_seconds_and_3_megabytes() -> None:
    run = whole_run(512, cells=1024)
    begin = time.perf_counter()
    text = page({"long": run})
    assert time.perf_counter() - begin < 5.0
    assert len(text.encode()) <= MOST_BYTES


def test_512_looks_of_4096_cells_without_a_target_take_less_than_3_megabytes() -> None:
    run = whole_run(512, cells=4096)
    nothing = np.full(4096, np.nan)
    run = replace(run, target=nothing, trend=nothing, front=None, spectrum=None, oscillations=None)
    begin = time.perf_counter()
    text = page({"long": run})
    assert time.perf_counter() - begin < 5.0
    assert len(text.encode()) <= MOST_BYTES


def test_three_runs_take_less_than_10_seconds_and_3_megabytes() -> None:
    runs = {f"run {seed}": whole_run(512, cells=1024, seed=seed) for seed in range(3)}
    begin = time.perf_counter()
    text = page(runs)
    assert time.perf_counter() - begin < 10.0
    assert len(text.encode()) <= MOST_BYTES


def test_of_a_page_that_would_be_too_large_the_slider_takes_fewer_looks_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def looks(text: str) -> list[int]:
        return max((view["steps"] for view in described(text)["views"] if view["steps"]), key=len)

    run = whole_run(101, cells=1024)
    whole = page({"a run": run})
    assert looks(whole) == run.total_steps.tolist()
    assert "of the 101 looks" not in whole
    monkeypatch.setattr(module, "MOST_BYTES", int(0.7 * len(whole)))
    thinned = page({"a run": run})
    assert len(thinned) <= 0.7 * len(whole)
    assert looks(thinned) in (run.total_steps[::2].tolist(), run.total_steps[::4].tolist())
    assert re.search("of the 101 looks it has every (second|fourth)", Elements(thinned).text)


def test_several_runs_are_compared_and_drawn_over_each_other() -> None:
    runs = {"first": whole_run(), "second": known_run(5, last=0.4)}
    text = page(runs)
    said = Elements(text).text
    assert "first and second" in said
    assert "run first second verdict progressing undecided fitted 100 % 40 %" in said
    together = [view for view in described(text)["views"] if view["name"].startswith("together")]
    assert [view["name"] for view in together] == ["together_fitted", "together_error"]
    for view in together:
        curves = view["rows"][0][0]["items"]
        assert [(curve["label"], curve["number"]) for curve in curves] == [("first", 0), ("second", 1)]
    assert "first 100 %, second 40 %" in said


def test_what_own_diagnostics_recorded_at_each_look_is_drawn_and_the_rest_named() -> None:
    run = known_run()
    scalars = Scalars({**run.scalars, "mine/where": np.linspace(0.0, 1.0, 21)}, "")
    text = page({"a run": replace(run, extra={"mine": Arrays({"map": np.zeros((21, 3))}, "")}, scalars=scalars)})
    (own,) = [view for view in described(text)["views"] if view["name"] == "own_mine"]
    assert [[panel["items"][0]["label"] for panel in row] for row in own["rows"]] == [["mine/where"]]
    said = Elements(text).text
    assert "at the last one: mine/where 1." in said
    assert "mine/map float64 of shape (21, 3)" in said


def test_settings_hyperparameters_and_cost_are_said() -> None:
    run = replace(
        known_run(3),
        hyperparameters={"lr": 1e-3, "deep": True, "depth": 4},
        settings={"torch": "2.13.0"},
        scalars=Scalars(
            {
                "error/relative_rmse": np.ones(3),
                "observer/seconds_per_look": np.array([np.nan, 0.004, 0.006]),
                "observer/overhead": np.array([np.nan, 0.5, 0.0123]),
            },
            "",
        ),
    )
    said = Elements(page({"a run": run})).text
    for each in (
        "lr 0.001",
        "deep yes",
        "depth 4",
        "torch 2.13.0",
        "time of a look 5 ms",
        "share of the training's time 1.2 %",
    ):
        assert each in said


def test_a_stall_is_said_with_its_advice_and_the_command_that_tries_it(monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = (Evidence("doublings", math.inf, 6.0, "for", "it has not moved"),)
    advice = (Advice("use a SIREN", "all of it is fitted", "docs"), Advice("train longer", "more of it", "docs"))
    stuck = Diagnosis(2000, Verdict.STUCK, True, 1200, math.inf, evidence, None, advice, ("the loss",))
    monkeypatch.setattr(part, "diagnose", lambda run: stuck)
    said = Elements(page({"a run": replace(known_run(), name="left")}, folders={"a run": "logs/version 3"})).text
    for each in (
        "stuck since step 1,200",
        "use a SIREN. Expected: all of it is fitted (docs). train longer.",
        "Try it: seqfit try 'logs/version 3' --name left",
        "doublings inf 6 for it has not moved",
        "Not checked: the loss.",
    ):
        assert each in said
    monkeypatch.setattr(part, "diagnose", lambda run: dataclasses.replace(stuck, advice=()))
    said = Elements(page({"a run": known_run()})).text
    assert "Nothing that was tried ends this. Try it: seqfit try RUN" in said


def test_no_run_is_refused() -> None:
    with pytest.raises(ValueError, match="give at least one"):
        page({})


ODD: dict[str, Any] = {
    "one look": lambda: known_run(1),
    "a second fit looks twice at one step": lambda: known_run(5, steps=[0, 100, 200, 200, 300]),
    "only one step ever": lambda: known_run(3, steps=[0, 0, 0]),
    "not watched": lambda: known_run(5, watched=False, counts=False),
    "no target": lambda: replace(known_run(5), target=np.full(200, np.nan), front=None, oscillations=None),
    "never finite": lambda: replace(known_run(5), prediction=np.full((5, 200), np.nan, dtype=np.float32)),
}


@pytest.mark.parametrize("make", ODD.values(), ids=[*ODD])
def test_odd_runs_have_a_page(make: Any) -> None:
    run: Run = make()
    said = Elements(page({"odd": run})).text
    assert f"Step {run.total_steps[-1]:,}" in said
    assert "Summary" in said
