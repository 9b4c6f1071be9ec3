"""Pages of real trainings along a line, in the plane, in space and of a cloud, opened in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lightning_seqfit import Probe, Run
from lightning_seqfit.report.page import MOST_BYTES, page
from tests.browser import chromium, opened
from tests.record.test_against import Front, slow, watched, waves
from tests.report.making import Elements, described

UNIT = (0.0, 1.0)
Make = Callable[[Path], dict[str, Run]]


class Two(Front):
    """A module with two outputs."""

    def forward(self, x: Tensor) -> Tensor:
        found = super().forward(x)
        return torch.stack([found, -found], dim=1)


def two(x: Tensor) -> Tensor:
    return torch.stack([waves(x), -waves(x)], dim=1)


def residual(module: Any, points: Tensor) -> Tensor:
    """Of the equation u = the target: the difference."""
    return module(points) - waves(points)


def one(target: Any, *probes: Any, module: type[Front] = Front, **options: Any) -> Make:
    """The records of one training, by the name of the probe."""

    def make(folder: Path) -> dict[str, Run]:
        made = [probe(**options) for probe in probes]
        return {run.name or "probe": run for run in watched(folder, module(target), *made)}

    return make


def cloud(dimension: int) -> Callable[[], Probe]:
    def make() -> Probe:
        points = torch.rand(400, dimension, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        return Probe.points(points.numpy(), waves(points).numpy())

    return make


TRAININGS: dict[str, Make] = {
    "a line": one(waves, lambda: Probe.grid([UNIT], waves)),
    "no target": one(waves, lambda: Probe.grid([UNIT], None)),
    "a residual beside its solution": one(
        waves,
        lambda: Probe.grid([UNIT], waves),
        lambda: Probe.grid([UNIT], 0.0, predict=residual, name="residual", quantity="residual"),
    ),
    "several outputs": one(waves, lambda: Probe.grid([UNIT], two, output="norm"), module=Two),
    "a plane": one(slow, lambda: Probe.grid([UNIT] * 2, slow, resolution=40)),
    "a plane without a target": one(slow, lambda: Probe.grid([UNIT] * 2, None, resolution=40)),
    "space": one(slow, lambda: Probe.grid([UNIT] * 3, slow, resolution=[32, 24, 8])),
    "points on a line": one(waves, cloud(1)),
    "points in four dimensions": one(waves, cloud(4)),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.mark.parametrize("make", TRAININGS.values(), ids=[*TRAININGS])
def test_the_page_of_a_training_is_drawn_and_moves(make: Make, browser: Any, tmp_path: Path) -> None:
    runs = make(tmp_path)
    text = page(runs)
    file = tmp_path / "report.html"
    file.write_text(text, "utf-8")
    views = described(text)["views"]
    with opened(browser, file.as_uri()) as found:
        shown = found.page
        shown.wait_for_selector("html[data-ready]", timeout=10_000)
        assert found.requests == [shown.url]
        canvases = shown.locator(".uplot canvas")
        assert canvases.count() == sum(len(row) for view in views for row in view["rows"]) > 0
        assert len(shown.locator("figcaption").all_inner_texts()) == len(views)
        assert all(shown.locator("figcaption").all_inner_texts())
        pixels = "[...document.querySelectorAll('.uplot canvas')].map(canvas => canvas.toDataURL())"
        before = shown.evaluate(pixels)
        shown.locator("#look").focus()
        shown.keyboard.press("Home")
        shown.wait_for_timeout(100)
        moved = [one != other for one, other in zip(before, shown.evaluate(pixels), strict=True)]
        assert any(moved)
        assert found.complaints == []
    for run in runs.values():
        for note in run.notes:
            assert " ".join(note.split()) in Elements(text).text


def test_a_plane_of_96_by_96_takes_less_than_15_seconds_and_3_megabytes(tmp_path: Path) -> None:
    (run,) = watched(tmp_path, Front(slow), Probe.grid([UNIT] * 2, slow, resolution=96))
    begin = time.perf_counter()
    text = page({"a plane": run})
    assert time.perf_counter() - begin < 15.0
    assert len(text.encode()) <= MOST_BYTES
