"""The claims: what is kept is not trained again, and verdicts follow from values alone."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_seqfit import __version__
from lightning_seqfit.demos.catalogue import DEMOS, tapered
from lightning_seqfit.record import Run, load
from lightning_seqfit.studies import page, training
from lightning_seqfit.studies.catalogue import CLAIMS, TEXT, measures
from lightning_seqfit.studies.page import picture, write_page
from lightning_seqfit.studies.training import Training, train
from lightning_seqfit.studies.verdict import Claim, Verdict, judge, table


def claim(**changes: Any) -> Claim:
    options: dict[str, Any] = {
        "key": "key",
        "says": "it is so",
        "measure": "a number",
        "value": lambda run: run["fitted"],
        "trainings": (Training("sine"),),
        "at_least": 1.0,
    }
    return Claim(**(options | changes))


@pytest.mark.parametrize(
    ("values", "said", "median", "span"),
    [
        ((1.0, 2.0, 3.0, 4.0, 5.0), "holds", "3.00", "1.00 to 5.00"),
        ((0.5, 2.0, 3.0, 4.0, 5.0), "holds", "3.00", "0.50 to 5.00"),
        ((0.5, 0.6, 3.0, 4.0, 5.0), "holds in part (3 of 5)", "3.00", "0.50 to 5.00"),
        ((0.1, 0.2, 0.3, 0.4, 0.5), "does not hold", "0.30", "0.10 to 0.50"),
        ((math.nan, 2.0, 3.0, 4.0, math.inf), "holds", "3.00", "2.00 to never, 1 not known"),
        (
            (math.nan, math.nan, math.nan, 4.0, 12.34),
            "not known (2 of 5 have a value)",
            "not known",
            "4.00 to 12.3, 3 not known",
        ),
        ((math.nan, math.nan, 0.5, 4.0, 12.34), "holds in part (2 of 5)", "0.50", "0.50 to 12.3, 2 not known"),
        ((math.nan,) * 5, "not known", "not known", "not known"),
    ],
)
def test_a_verdict_follows_from_the_values(values: tuple[float, ...], said: str, median: str, span: str) -> None:
    verdict = Verdict(claim(), values)
    assert (verdict.said, verdict.median, verdict.range) == (said, median, span)


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        ((3.0, 1.0, 2.0), 2.0),
        ((7.0,), 7.0),
        ((math.nan, 9.0, 2.0), 2.0),
        ((1.0, 2.0), 2.0),
        ((math.inf, 1.5, math.inf), math.inf),
        ((5.0, math.nan, math.nan), math.nan),
    ],
)
def test_the_seed_in_the_middle_has_the_median(values: tuple[float, ...], middle: float) -> None:
    verdict = Verdict(claim(), values)
    assert values[verdict.middle] == pytest.approx(middle, nan_ok=True)
    said = {math.inf: "never"}.get(middle, f"{middle:.2f}")
    assert verdict.median == ("not known" if math.isnan(middle) else said)


def test_a_picture_is_of_the_seed_that_has_the_median(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(page, "load", lambda path: shown.append(path.name))
    monkeypatch.setattr(page, "picture", lambda *of: shown.append(of[1]))
    monkeypatch.setattr(page, "as_image", lambda figure: figure)
    monkeypatch.setattr(page, "save", lambda image, path: None)
    write_page(TEXT, [Verdict(claim(), (0.1, 3.0, 2.0))], [4, 5, 6], tmp_path, tmp_path)
    assert shown == ["sine-tanh-6", "holds in part (2 of 3): a number 2.00 (seed 6, the median)"]


def test_a_claim_takes_its_trainings_of_the_same_seed() -> None:
    both = claim(
        trainings=(Training("sine"), Training("taper")), value=lambda one, other: one["fitted"] - other["fitted"]
    )
    results = {
        (training, seed): {"fitted": 10.0 * seed + number}
        for number, training in enumerate(both.trainings)
        for seed in (0, 3)
    }
    (verdict,) = judge([both], [0, 3], results)
    assert verdict.values == (-1.0, -1.0)


def test_what_is_asked_is_a_bound_on_either_side() -> None:
    low, high = claim(at_least=0.95), claim(at_least=-math.inf, at_most=-0.5)
    assert (low.asked, high.asked) == (">= 0.95", "<= -0.5")
    values = (-math.inf, -0.5, -0.4, 0.95, math.inf, math.nan)
    assert [low.met(value) for value in values] == [False, False, False, True, True, False]
    assert [high.met(value) for value in values] == [True, True, False, False, False, False]


def test_the_table_has_a_row_a_claim() -> None:
    lines = table([Verdict(claim(), (2.0,)), Verdict(claim(says="it is not"), (0.0,))], [0]).splitlines()
    assert len(lines) == 4
    assert {line.count("|") for line in lines} == {7}
    assert "it is not" in lines[3]
    assert lines[3].endswith("does not hold |")


def test_every_claim_has_a_picture_of_its_own_and_trainings_that_exist() -> None:
    assert len({c.key for c in CLAIMS}) == len(CLAIMS)
    for one in CLAIMS:
        for kind in one.trainings:
            assert kind.network in DEMOS[kind.demo].networks
            assert kind.optimizer in DEMOS[kind.demo].optimizers


def test_what_was_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = Training("sine", "siren")
    first = train(kind, 1, tmp_path, measures, max_steps=12)
    record = load(tmp_path / "sine-siren-1")
    assert record.steps[-1] == 12
    np.testing.assert_equal(first, measures(record))
    with monkeypatch.context() as patch:
        patch.setattr(training.L, "Trainer", None)
        np.testing.assert_equal(train(kind, 1, tmp_path, measures, max_steps=12), first)
        with pytest.raises(TypeError):
            train(kind, 1, tmp_path, measures, max_steps=13)  # another training
    kept = json.loads((tmp_path / "sine-siren-1" / "measures.json").read_text())
    about = {name: kept["about"][name] for name in ("version", "training", "seed", "steps", "every_n_steps")}
    assert about == {
        "version": __version__,
        "training": ["sine", "siren", "adam"],
        "seed": 1,
        "steps": 12,
        "every_n_steps": 1,
    }
    assert kept["about"]["module"]["network"] == "siren"
    with monkeypatch.context() as patch:  # of another release
        patch.setattr(training.L, "Trainer", None)
        patch.setattr(training, "__version__", "0.0.0")
        with pytest.raises(TypeError):
            train(kind, 1, tmp_path, measures, max_steps=12)


@pytest.mark.parametrize(("angle", "unfinished"), [(0.0, 0.0), (30.0, 0.3), (125.0, 0.2)])
def test_a_front_that_comes_along_a_direction_is_a_sweep(tmp_path: Path, angle: float, unfinished: float) -> None:
    run = plane_run(tmp_path)
    x, y = run.points.T
    along = x * math.cos(math.radians(angle)) + y * math.sin(math.radians(angle))
    arrive(run, along, unfinished)
    assert measures(run)["sweep"] > 0.93


def test_rings_and_noise_are_no_sweep(tmp_path: Path) -> None:
    run = plane_run(tmp_path)
    arrive(run, np.hypot(*run.points.T))
    assert measures(run)["sweep"] < 0.05
    arrive(run, np.random.default_rng(0).random(len(run.points)))
    assert measures(run)["sweep"] < 0.05


@pytest.mark.parametrize("unfinished", [0.95, 1.0])
def test_of_a_front_that_hardly_began_no_direction_is_known(tmp_path: Path, unfinished: float) -> None:
    run = plane_run(tmp_path)
    arrive(run, run.points[:, 0], unfinished)
    assert math.isnan(measures(run)["sweep"])


def test_a_target_of_one_band_has_no_frequency_order(tmp_path: Path) -> None:
    found = measures(plane_run(tmp_path))
    assert math.isnan(found["spectral_order"])
    assert found["frequency_order"] == 0.0


def plane_run(folder: Path) -> Run:
    """Record of a training in the plane, as it is at full resolution."""
    train(Training("product", "siren"), 0, folder, measures, max_steps=1)
    run = load(folder / "product-siren-0")
    assert run.fine is not None
    assert run.fine.shape == (96, 96)
    return run.fine


def arrive(run: Run, order: Any, unfinished: float = 0.0) -> None:
    """Let places arrive in an order, and the last ones not at all."""
    assert run.front is not None
    run.front.arrival[:] = np.where(order <= np.quantile(order, 1 - unfinished), order, np.inf)
    if unfinished == 1.0:
        run.front.arrival[:] = np.inf


@pytest.mark.slow
def test_the_page_has_the_table_and_a_picture_a_claim(tmp_path: Path) -> None:
    kinds = [Training("sine"), Training("sine", "siren"), Training("product"), Training("taper")]
    results = {(training, 0): train(training, 0, tmp_path, measures, max_steps=3) for training in kinds}
    shown = [c for c in CLAIMS if set(c.trainings) <= set(kinds)]
    assert {c.shows for c in shown} == {"error", "basis", "rank", "target", "order"}
    progress = claim(key="progress", trainings=(kinds[0], kinds[1]), value=lambda a, b: a["fitted"], shows="progress")
    verdicts = judge([*shown, progress], [0], results)
    write_page(TEXT, verdicts, [0], tmp_path, tmp_path / "page")
    text = (tmp_path / "page" / "README.md").read_text()
    assert table(verdicts, [0]) in text
    for verdict in verdicts:
        assert f"({verdict.claim.key}.png)" in text
        assert (tmp_path / "page" / f"{verdict.claim.key}.png").stat().st_size > 5_000


def test_a_picture_of_the_plane_shows_x_to_the_right_and_y_upwards(tmp_path: Path) -> None:
    train(Training("product", "siren"), 0, tmp_path, measures, max_steps=1)
    run = load(tmp_path / "product-siren-0").fine
    assert run is not None
    assert run.front is not None
    run.front.arrival[:] = np.where((run.points[:, 0] > 0) & (run.points[:, 1] < 0), 1.0, np.inf)
    figure = picture(claim(trainings=(Training("product", "siren"),)), "said", {Training("product", "siren"): run})
    (image,) = figure.axes[0].images
    shown = np.ma.filled(np.ma.masked_invalid(image.get_array()), np.nan)
    assert image.origin == "lower"
    assert image.get_extent() == [-1.0, 1.0, -1.0, 1.0]
    low_right, high_left = shown[:10, -10:], shown[-10:, :10]
    assert np.isfinite(low_right).any()
    assert not np.isfinite(high_left).any()


def test_another_share_can_be_tapered() -> None:
    half = tapered(0.5)
    (probe,) = half.probes()
    assert probe.target is half.target is not DEMOS["taper"].target
    with pytest.raises(ValueError, match=r"share=0\.7 of each end cannot be tapered"):
        tapered(0.7)
