"""The snippets of docs/howto/own-diagnostic.md run as they stand there, and the glossary has the words of the tags."""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest

from lightning_seqfit import callbacks, load
from lightning_seqfit.demos import TanhRegression
from lightning_seqfit.diagnostics import Diagnostic, Reading
from tests.pages import SHORT, read, run, snippets

PAGE = read("docs/howto/own-diagnostic.md")

SNIPPETS = {
    ("A measure of your own", "python"): 1,
    ("Layers", "python"): 2,
    ("How to test it", "python"): 1,
}


@pytest.fixture
def names(empty_folder: Path) -> dict[str, Any]:
    """What the script of the page's top leaves behind."""
    return run(PAGE)


def layers(names: dict[str, Any], number: int) -> Any:
    """Train with a watcher of the section on layers; return the record."""
    exec(snippets(PAGE)["Layers", "python"][0], names)
    exec(snippets(PAGE)["Layers", "python"][number], names)
    trainer = eval(f"Trainer({SHORT}, logger=False)", {"Trainer": L.Trainer})
    trainer.callbacks.append(names["watcher"])
    trainer.fit(TanhRegression(width=8))
    return load(".")


def test_the_script_records_what_it_says(names: dict[str, Any]) -> None:
    recorded = names["run"]
    share = np.abs(np.diff(recorded.prediction.astype(float))).sum(1) / np.abs(np.diff(recorded.target)).sum()
    np.testing.assert_allclose(recorded.scalars["variation/share"], share, rtol=1e-4)
    where = recorded.extra["variation"]["where"]
    assert where.shape == (len(recorded.steps), 32)
    np.testing.assert_allclose(where.sum(1), np.abs(np.diff(recorded.prediction.astype(float))).sum(1), rtol=1e-4)
    assert "seqfit/variation/share" in names["trainer"].callback_metrics


def test_two_layers_are_listened_to(names: dict[str, Any]) -> None:
    recorded = layers(names, 0)
    spread = [recorded.scalars[f"spread/network.layers.{number}"] for number in (2, 4)]
    assert all(np.isfinite(each).all() for each in spread)
    assert not np.allclose(*spread)


def test_the_basis_of_a_further_layer_is_watched_beside_that_of_the_last(names: dict[str, Any]) -> None:
    recorded = layers(names, 1)
    assert np.isfinite(recorded.scalars["first/numerical_rank"]).all()
    assert not np.array_equal(recorded.scalars["first/effective_rank"], recorded.scalars["basis/effective_rank"])
    assert recorded.extra["first"]["snapshots"].shape[1:] == (8, 512)
    assert recorded.basis is not None
    assert recorded.summary().said("median laps").count("median") == 1


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_the_test_of_the_page_passes_and_fails_for_another_measure(
    names: dict[str, Any], share: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = snippets(PAGE)["How to test it", "python"]
    quiet = text.replace("max_steps=1", SHORT.replace("max_steps=6", "max_steps=1"))
    for measure, wrong in ((names["Variation"], False), (Doubled, True)):
        monkeypatch.setitem(sys.modules, "variation", SimpleNamespace(Variation=measure))
        given: dict[str, Any] = {}
        exec(quiet, given)
        test = given["test_a_sine_of_a_smaller_amplitude_has_that_share_of_the_variation"]
        with pytest.raises(AssertionError) if wrong else nullcontext():
            test(share, tmp_path / str(wrong))


class Doubled(Diagnostic):
    """Not what the page measures."""

    name = "variation"

    def look(self, observation: Any, scale: float, step: int) -> Reading:
        return Reading({"variation/share": 1.0 + np.abs(observation.prediction).max()})


def test_the_glossary_has_every_word_of_the_tags() -> None:
    words = read("docs/glossary.md").lower()
    tags = {
        tag
        for name in callbacks.__all__
        for tag in re.findall(r"``([a-z]*/[\w/<>-]+)``", vars(callbacks)[name].__doc__)
    }
    assert len(tags) > 15
    for part in {part for tag in tags for part in re.split(r"[/_-]", tag) if len(part) > 4 and "<" not in part}:
        assert part.rstrip("s") in words or part in KNOWN, part


#: Words that everybody knows.
KNOWN = {
    "error",
    "relative",
    "fourier",
    "model",
    "speed",
    "share",
    "median",
    "observer",
    "overhead",
    "seconds",
    "verdict",
}
