"""The snippets of docs/howto/own-diagnostic.md run as they stand there, and the glossary has the words of the tags."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest

from lightning_seqfit import Probe, callbacks, figures, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import TanhRegression, sine
from tests.pages import read, snippets

PAGE = read("docs/howto/own-diagnostic.md")
SHORT = "max_steps=6, accelerator='cpu', enable_progress_bar=False, enable_model_summary=False"


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page takes as given, in an empty folder; figures are not drawn."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(figures, "draw", lambda run: {})
    probe = Probe.grid([(0.0, 1.0)], sine)
    given = {"L": L, "SequentialFitting": SequentialFitting, "load": load, "probe": probe}
    return given | {"module": TanhRegression(width=8)}


def run(names: dict[str, Any], *numbers: int) -> None:
    texts = [text for found in snippets("# A\n" + PAGE).values() for text in found]
    for number in numbers:
        exec(texts[number].replace("max_steps=8_000", SHORT), names)


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
def test_the_example_is_as_long_as_said_and_is_recorded(names: dict[str, Any]) -> None:
    run(names, 0, 1)
    recorded = names["run"]
    share = np.abs(np.diff(recorded.prediction.astype(float))).sum(1) / np.abs(np.diff(recorded.target)).sum()
    np.testing.assert_allclose(recorded.scalars["variation/share"], share, rtol=1e-4)
    where = recorded.extra["variation"]["where"]
    assert where.shape == (len(recorded.steps), 32)
    np.testing.assert_allclose(where.sum(1), np.abs(np.diff(recorded.prediction.astype(float))).sum(1), rtol=1e-4)
    example, use = [text for found in snippets("# A\n" + PAGE).values() for text in found][:2]
    assert len(example.splitlines()) + len(use.splitlines()) <= 27  # 25, and the two that read it back


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
def test_two_layers_are_listened_to(names: dict[str, Any]) -> None:
    run(names, 0, 2)
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    L.Trainer(max_steps=2, callbacks=[names["watcher"]], enable_checkpointing=False, **quiet).fit(names["module"])
    spread = [load(".").scalars[f"spread/network.layers.{number}"] for number in (2, 4)]
    assert all(np.isfinite(each).all() for each in spread)
    assert not np.allclose(*spread)


@pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")
def test_the_basis_of_a_further_layer_is_watched_beside_that_of_the_last(names: dict[str, Any]) -> None:
    run(names, 3)
    quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    L.Trainer(max_steps=2, callbacks=[names["watcher"]], enable_checkpointing=False, **quiet).fit(names["module"])
    recorded = load(".")
    assert np.isfinite(recorded.scalars["first/numerical_rank"]).all()
    assert not np.array_equal(recorded.scalars["first/effective_rank"], recorded.scalars["basis/effective_rank"])
    assert recorded.extra["first"]["snapshots"].shape[1:] == (8, 512)
    assert recorded.basis is not None
    assert recorded.summary().said("median laps").count("median") == 1


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
