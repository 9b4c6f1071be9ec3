"""A page on a run at its end, where one asks for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lightning_seqfit import load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting, StallDiagnosis
from lightning_seqfit.report import page as module
from tests.training import Net, assert_whole_files, fit, probe, silent, trainer, watched


def pages(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in (folder / "seqfit").glob("*.html")}


def test_it_lies_beside_the_record_and_is_that_of_the_record(tmp_path: Path) -> None:
    watchers = [SequentialFitting(probe(), report=True), ErrorFront(probe(name="left"), report=True)]
    with silent():
        fit(trainer(tmp_path, watchers), Net())
    found = pages(tmp_path)
    assert set(found) == {"probe_report.html", "left_report.html"}
    for name, text in found.items():
        run = load(tmp_path, name.removesuffix("_report.html").replace("probe", ""))
        assert text.startswith("<!DOCTYPE html>") or text.startswith("<!doctype html>")
        assert f"{run.steps[-1]:,}" in text


def test_one_of_two_callbacks_on_a_probe_asks_for_both(tmp_path: Path) -> None:
    shared = probe()
    fit(trainer(tmp_path, [ErrorFront(shared), StallDiagnosis(shared, report=True)]), Net())
    assert set(pages(tmp_path)) == {"probe_report.html"}


def test_every_output_has_its_own(tmp_path: Path) -> None:
    def twice(network: Any, points: Any) -> Any:
        return network(points).reshape(-1, 1).expand(-1, 2)

    both = probe(target=lambda x: x.sin().expand(-1, 2), predict=twice, output=[0, 1])
    fit(trainer(tmp_path, [ErrorFront(both, report=True)]), Net())
    assert set(pages(tmp_path)) == {"0_report.html", "1_report.html"}


def test_who_does_not_ask_has_none_and_pays_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **options: Any) -> str:
        raise AssertionError("nobody asked")

    monkeypatch.setattr(module, "page", never)
    with silent():
        fit(trainer(tmp_path, [SequentialFitting(probe())]), Net())
    assert_whole_files(tmp_path)


def test_the_training_is_bitwise_what_it_is_without_it(tmp_path: Path) -> None:
    watched(Net, tmp_path, watchers=[SequentialFitting(probe(), report=True)])


def test_one_that_fails_is_said_once_and_all_else_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **options: Any) -> str:
        raise ArithmeticError("no paper")

    monkeypatch.setattr(module, "page", fails)
    trains = trainer(tmp_path, [SequentialFitting(probe(), report=True)])
    with pytest.warns(UserWarning, match="report of the probe failed at step 40 .* no paper"):
        fit(trains, Net())
    assert trains.global_step == 40
    assert "report: ArithmeticError: no paper" in load(tmp_path).notes
    assert_whole_files(tmp_path)


@pytest.mark.parametrize("kind", [SequentialFitting, StallDiagnosis, ErrorFront])
def test_what_is_neither_true_nor_false_is_refused(kind: Any) -> None:
    with pytest.raises(
        TypeError, match=r"report='yes' is neither True nor False: give True for a page at the run's end"
    ):
        kind(probe(), report="yes")
