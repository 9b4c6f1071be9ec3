"""A diagnosis in a line, as a text, as a table and as JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_seqfit.diagnosis import Advice, Diagnosis, Evidence, Forecast, Verdict
from lightning_seqfit.diagnosis.words import advice, as_dict, line, markdown, table
from lightning_seqfit.words import WIDTH

SIREN = Advice("a SIREN with omega_0 = 41", "98 % fitted", "docs/stalls", {"omega_0": 41.0, "points": (11, 4)})
EVIDENCE = (
    Evidence("doublings", math.inf, 6.0, "for", "of the steps are still needed"),
    Evidence("rank share", 0.123456, 0.9, "for", "of the width is in use"),
    Evidence("loss ratio", math.nan, 0.01, "against", "no training loss " + "is known, and so on " * 9),
)


def diagnosis(verdict: Verdict = Verdict.NOT_STARTED, **changes: Any) -> Diagnosis:
    facts: dict[str, Any] = {
        "step": 4_000,
        "stalled": True,
        "since": 1_200,
        "doublings": math.inf,
        "evidence": EVIDENCE,
        "forecast": None,
        "advice": (SIREN,),
        "not_checked": ("no residual probe",),
    }
    return Diagnosis(verdict=verdict, **{**facts, **changes})


GETS_ON = {"stalled": False, "since": None, "evidence": (), "advice": (), "not_checked": ()}


def test_a_line_has_the_verdict_first_and_what_to_try() -> None:
    assert line(diagnosis()) == "not started since step 1,200: try a SIREN with omega_0 = 41"
    assert line(diagnosis(advice=())) == "not started since step 1,200: nothing that was tried ends this"
    assert line(diagnosis(Verdict.PROGRESSING, **GETS_ON)) == "progressing"


def test_a_forecast_is_said_beside_the_steps_that_are_left() -> None:
    coming = diagnosis(Verdict.SEQUENTIAL, **{**GETS_ON, "forecast": Forecast(9_389.0, 7_136.0, 13_520.0)})
    said = "sequential: 13 of 20 oscillations; fitted at about step 9,400 (7,100 to 13,500); training ends at 8,000"
    assert line(coming, 8_000, (13.0, 20.0)) == said
    assert line(coming) == "sequential: fitted at about step 9,400 (7,100 to 13,500)"
    assert line(coming, oscillations=(2.5, math.nan)) == line(coming)
    far = diagnosis(Verdict.SEQUENTIAL, **{**GETS_ON, "forecast": Forecast(math.inf, math.inf, math.inf)})
    assert line(far) == "sequential: fitted only after more than 4 times the 4,000 steps so far"


def test_a_diverged_run_is_told_what_to_try() -> None:
    lower = Advice("learning rate 4e-3 instead of 2e-2", "", "docs/stalls")
    diverged = diagnosis(Verdict.DIVERGED, stalled=False, since=None, advice=(lower,))
    assert line(diverged) == "diverged: try learning rate 4e-3 instead of 2e-2"


def test_the_text_has_every_part_and_no_empty_one() -> None:
    text = markdown(diagnosis())
    assert text.startswith("**not started** at step 4,000 since step 1,200\n\n")
    assert "- rank share 0.123 (bound 0.9): of the width is in use" in text
    assert text.index("What speaks for it") < text.index("What speaks against it") < text.index("loss ratio unknown")
    assert text.endswith("Not checked:\n\n- no residual probe")
    assert markdown(diagnosis(Verdict.PROGRESSING, **GETS_ON)) == "**progressing** at step 4,000"


def test_the_advice_is_a_text_of_its_own() -> None:
    head, empty, first = advice(diagnosis()).splitlines()
    assert (head, empty) == ("**not started** at step 4,000: what to do:", "")
    assert first == "1. **a SIREN with omega_0 = 41**. Expected: 98 % fitted (docs/stalls)"
    assert advice(diagnosis(advice=())).endswith("step 4,000: nothing that was tried ends this")
    assert advice(diagnosis(Verdict.PROGRESSING, **GETS_ON)).endswith("step 4,000: nothing to change")


def test_the_table_is_aligned() -> None:
    other = Advice("Fourier features with sigma = 6.5, learning rate 1e-3", "98 % fitted " * 12, "docs/stalls")
    lines = table(diagnosis(advice=(SIREN, other))).splitlines()
    assert lines[:4] == [
        "  verdict      not started since step 1,200",
        "  step         4,000",
        "  to do        1. a SIREN with omega_0 = 41",
        "                  expected: 98 % fitted (docs/stalls)",
    ]
    for figure in ("inf  bound 6 ", "0.123  bound 0.9 ", "unknown  bound 0.01"):
        (found,) = [each for each in lines if figure in each]
        assert found.index("bound") == next(each for each in lines if "bound" in each).index("bound")
    assert lines[-1] == "  not checked  no residual probe"
    assert {each[:13].strip() for each in lines} == {"verdict", "step", "to do", "for", "against", "not checked", ""}


def test_json_has_every_field_and_none_for_what_is_no_number() -> None:
    found = json.loads(json.dumps(as_dict(diagnosis(forecast=Forecast(9e3, 7e3, math.inf))), allow_nan=False))
    assert found["verdict"] == "not started"
    assert (found["step"], found["since"], found["stalled"]) == (4_000, 1_200, True)
    assert found["doublings"] is None
    assert found["forecast"] == {"step": 9e3, "low": 7e3, "high": None}
    assert found["evidence"][2]["value"] is None
    assert found["advice"][0]["change"] == {"omega_0": 41.0, "points": [11, 4]}
    assert found["not_checked"] == ["no residual probe"]
    numpy = diagnosis(doublings=np.float32(0.5), stalled=np.bool_(True), step=np.int64(7))
    assert json.loads(json.dumps(as_dict(numpy)))["step"] == 7


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
TEXTS = st.text(max_size=150)
CHANGES = st.dictionaries(
    TEXTS, st.one_of(NUMBERS, TEXTS, st.booleans(), st.integers(), st.tuples(NUMBERS)), max_size=3
)
DIAGNOSES = st.builds(
    Diagnosis,
    step=st.integers(0, 10**9),
    verdict=st.sampled_from(Verdict),
    stalled=st.booleans(),
    since=st.none() | st.integers(0, 10**9),
    doublings=NUMBERS,
    evidence=st.lists(
        st.builds(Evidence, TEXTS, NUMBERS, NUMBERS, st.sampled_from(["for", "against"]), TEXTS), max_size=3
    ).map(tuple),
    forecast=st.none() | st.builds(Forecast, NUMBERS, NUMBERS, NUMBERS),
    advice=st.lists(st.builds(Advice, TEXTS, TEXTS, TEXTS, CHANGES), max_size=3).map(tuple),
    not_checked=st.lists(TEXTS, max_size=2).map(tuple),
)


@settings(max_examples=200, deadline=None)
@given(DIAGNOSES)
def test_json_is_always_strict(any_diagnosis: Diagnosis) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = json.dumps(as_dict(any_diagnosis), allow_nan=False)
    assert json.loads(text, parse_constant=refuse)["verdict"] == any_diagnosis.verdict.value


@settings(max_examples=200, deadline=None)
@given(DIAGNOSES)
def test_a_line_is_a_line_and_a_table_fits_a_terminal(any_diagnosis: Diagnosis) -> None:
    said = line(any_diagnosis, 8_000)
    assert said.splitlines() == [said]
    assert said.startswith(any_diagnosis.verdict.value)
    lines = table(any_diagnosis).split("\n")
    assert max(map(len, lines)) <= WIDTH
    assert lines[0].split(maxsplit=1)[1].startswith(any_diagnosis.verdict.value)
    assert markdown(any_diagnosis).startswith(f"**{any_diagnosis.verdict.value}**")


@pytest.mark.parametrize("length", [10, 300])
def test_a_name_of_any_length_is_shown_whole(length: int) -> None:
    named = diagnosis(evidence=(Evidence("n" * length, 1.0, 2.0, "for", "so it is"),))
    assert "".join(table(named).split()).count("n" * length) == 1
