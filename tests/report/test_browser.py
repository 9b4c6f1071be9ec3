"""The page of a report in a browser: everything is drawn, moves, and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps

from lightning_seqfit import views
from lightning_seqfit.report.page import page
from lightning_seqfit.views import Axis, Curve, Field, Panel, View
from tests.browser import Opened, chromium, opened
from tests.report.making import NASTY, every_item, nasty_page
from tests.runs import known_run

#: The pixels of all figures, to be compared; and whether each has any.
PIXELS = "[...document.querySelectorAll('.uplot canvas')].map(canvas => canvas.toDataURL())"
COLOURS = """[...document.querySelectorAll('.uplot canvas')].map(canvas => new Set(new Uint32Array(
  canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size)"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


Show = Callable[..., Any]


@pytest.fixture
def show(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Open the page of runs with views of the test's own."""

    def show(
        moving: list[View],
        pictures: list[View],
        *,
        runs: Any = None,
        live: Any = None,
        **options: Any,
    ) -> Any:
        monkeypatch.setattr(views, "moving", lambda run: moving)
        monkeypatch.setattr(views, "pictures", lambda run: {view.name: view for view in pictures})
        monkeypatch.setattr(views, "charts", lambda run: [])
        (tmp_path / "report.html").write_text(page(runs or {"a run": known_run(5)}, live=live), "utf-8")
        return opened(browser, (tmp_path / "report.html").as_uri(), **options)

    return show


def drawn(found: Opened) -> Any:
    """The page, once it has drawn everything."""
    found.page.wait_for_selector("html[data-ready]", timeout=10_000)
    return found.page


def space_time() -> View:
    steps = np.array([0.0, 250.0, 750.0, 1000.0])
    values = np.linspace(0.0, 1.0, 9).reshape(3, 3)
    field = Field(values, steps, np.arange(4.0), "error", 0.0, 1.0, "error")
    panel = Panel(Axis("optimizer step", 0.0, 1000.0), Axis("x", 0.0, 3.0), (field,))
    return View("1_front", "Map", "From left to right.", ((panel,),), cursor="x")


def at_step(page: Any) -> str:
    return str(page.locator("#step").inner_text())


def came_again(page: Any) -> None:
    """Wait until the page has loaded itself; it forbids the ``eval`` that Playwright would ask with."""
    for _ in range(100):
        page.wait_for_timeout(50)
        with suppress(Exception):  # while it loads there is no page to ask
            if page.evaluate("window.old === undefined && document.documentElement.dataset.ready"):
                return
    raise AssertionError("the page did not load itself again")


def test_everything_is_drawn_without_a_complaint_or_a_request(show: Show) -> None:
    with show([every_item("moving")], [space_time(), every_item("still", moving=False)]) as found:
        page = drawn(found)
        assert found.complaints == []
        assert found.requests == [page.url]
        assert len(page.evaluate(COLOURS)) == 1 + 6 + 6
        assert min(page.evaluate(COLOURS)) > 5
        for text in ("A sentence with 3 figures.", "From left to right.", "nothing is hidden", "prediction", "not yet"):
            assert page.get_by_text(text).first.is_visible()
        assert page.get_by_role("img", name="Map: x over optimizer step").is_visible()


def test_colours_are_where_the_values_are(show: Show) -> None:
    with show([every_item("moving")], [space_time()], color_scheme="light") as found:
        page = drawn(found)
        for row, column in np.ndindex(3, 3):
            share = np.array([125, 500, 875])[column] / 1000
            seen = page.evaluate(
                """([x, y]) => {
                  const over = document.querySelector('.u-over'), canvas = document.querySelector('.uplot canvas');
                  const scale = canvas.width / canvas.clientWidth;
                  const at = [over.offsetLeft + x * over.clientWidth, over.offsetTop + y * over.clientHeight];
                  return [...canvas.getContext('2d').getImageData(at[0] * scale, at[1] * scale, 1, 1).data].slice(0, 3);
                }""",
                [share, 1 - (row + 0.5) / 3],
            )
            expected = 255 * np.array(colormaps["viridis"]((3 * row + column) / 8)[:3])
            np.testing.assert_allclose(seen, expected, atol=4)


def test_the_slider_moves_what_moves_and_nothing_else(show: Show) -> None:
    with show([every_item("moving")], [space_time(), every_item("still", moving=False)]) as found:
        page = drawn(found)
        assert at_step(page) == "step 1,000"
        before = page.evaluate(PIXELS)
        page.locator("#look").focus()
        page.keyboard.press("Home")
        assert at_step(page) == "step 0"
        page.keyboard.press("ArrowRight")
        assert at_step(page) == "step 10"
        page.wait_for_timeout(50)
        changed = [one != other for one, other in zip(before, page.evaluate(PIXELS), strict=True)]
        assert changed == [False] + [True, True, False, True, False, True] + [False] * 6
        assert found.complaints == []


def test_play_runs_through_all_looks_and_stops(show: Show) -> None:
    with show([every_item("moving")], [space_time()]) as found:
        page = drawn(found)
        page.get_by_role("button", name="Play").click()
        assert page.get_by_role("button", name="Pause").is_visible()
        assert at_step(page) == "step 0"
        page.get_by_role("button", name="Play").wait_for(timeout=5000)
        assert at_step(page) == "step 1,000"


def test_a_click_on_the_map_goes_to_that_step_and_the_line_follows(show: Show) -> None:
    with show([every_item("moving")], [space_time()]) as found:
        page = drawn(found)
        map_ = page.locator(".u-over").first
        box = map_.bounding_box()
        map_.click(position={"x": 0.12 * box["width"], "y": 20})
        assert at_step(page) == "step 100"
        line = page.locator(".now").first.bounding_box()
        assert abs(line["x"] + line["width"] / 2 - box["x"] - 0.1 * box["width"]) < 2


def test_hovering_says_the_values_and_the_keyboard_does_as_well(show: Show) -> None:
    with show([every_item("moving")], [space_time()]) as found:
        page = drawn(found)
        map_, tip = page.locator(".u-over").first, page.locator(".tip").first
        box = map_.bounding_box()
        map_.hover(position={"x": box["width"] * 0.5, "y": box["height"] * 0.5})
        said = dict(line.split(": ") for line in tip.inner_text().splitlines())
        assert abs(float(said["optimizer step"]) - 500) <= 2
        assert abs(float(said["x"]) - 1.5) < 0.01
        assert said["error"] == "0.5"
        page.keyboard.press("Escape")
        line = page.locator(".plot").nth(1)
        line.focus()
        page.keyboard.press("ArrowRight")
        said = page.locator(".tip").nth(1).inner_text()
        assert "prediction: 30" in said
        assert "allowed: 27 to 33" in said
        assert "not finite" not in said


@pytest.mark.parametrize(
    ("low", "high", "first", "at", "known"),
    [
        (2019.0, 2020.0, ["2019", "2019.2", "2019.4", "2019.6", "2019.8", "2020"], 2019.5, 2e-3),
        (1.7e9, 1.7e9 + 1e6, None, 1.7e9 + 5e5, 2e3),
        (0.0, 1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"], 0.5, 2e-3),
    ],
)
def test_places_far_from_0_or_near_to_it_are_told_apart(
    low: float, high: float, first: Any, at: float, known: float, show: Show
) -> None:
    x = np.linspace(low, high, 9)
    values = np.linspace(1e-25, 3e-25, 9)
    curve = Curve(x, values, "model", "prediction")
    panel = Panel(Axis("t", low, high), Axis("u", 0.0, 4e-25), (curve,))
    with show([], [View("2_fit", "Fit", "So.", ((panel,),))]) as found:
        page = drawn(found)
        said = page.evaluate("drawn[0].plot.axes[0]._values")
        assert len(set(said)) == len(said) > 2
        assert first is None or said == first
        over = page.locator(".u-over").first
        box = over.bounding_box()
        over.hover(position={"x": box["width"] / 2, "y": 10})
        told = dict(line.split(": ") for line in page.locator(".tip").first.inner_text().splitlines())
        assert abs(float(told["t"].replace(",", "")) - at) <= known
        assert abs(float(told["prediction"]) - 2e-25) < 1e-27


def test_dragging_zooms_and_a_double_click_shows_all_again(show: Show) -> None:
    with show([every_item("moving")], [space_time()]) as found:
        page = drawn(found)
        before = page.evaluate(PIXELS)[0]
        box = page.locator(".u-over").first.bounding_box()
        page.mouse.move(box["x"] + 100, box["y"] + 40)
        page.mouse.down()
        page.mouse.move(box["x"] + 300, box["y"] + 160, steps=4)
        page.mouse.up()
        page.wait_for_timeout(50)
        assert page.evaluate(PIXELS)[0] != before
        page.locator(".u-over").first.dblclick(position={"x": 30, "y": 30})
        page.wait_for_timeout(50)
        assert page.evaluate(PIXELS)[0] == before
        assert found.complaints == []


def test_it_is_dark_where_the_reader_likes_it_dark_and_light_on_paper(show: Show) -> None:
    with show([every_item("moving")], [space_time()], color_scheme="dark") as found:
        page = drawn(found)
        paper = "getComputedStyle(document.body).backgroundColor"
        dark, pixels = page.evaluate(paper), page.evaluate(PIXELS)
        page.emulate_media(color_scheme="light")
        page.wait_for_timeout(300)
        light = page.evaluate(PIXELS)
        assert page.evaluate(paper) != dark
        assert all(one != other for one, other in zip(pixels, light, strict=True))
        page.emulate_media(color_scheme="dark", media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_timeout(50)
        assert page.evaluate(paper) == "rgb(255, 255, 255)"
        assert not page.locator("#look").is_visible()
        assert page.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--ink')") == "#1c2126"
        page.emulate_media(color_scheme="dark", media="screen")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.wait_for_timeout(50)
        assert page.evaluate(PIXELS) == pixels


@pytest.mark.parametrize("count", [1, 3])
def test_nothing_that_a_run_says_is_run(count: int, browser: Any, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(nasty_page(count), "utf-8")
    with opened(browser, (tmp_path / "report.html").as_uri()) as found:
        page = drawn(found)
        assert page.locator("h1").inner_text() == NASTY
        page.locator(".u-over").first.hover()
        assert NASTY in page.locator(".tip").first.inner_text()
        assert found.complaints == []
        assert found.requests == [page.url]


@pytest.mark.parametrize("width", [400, 1300])
def test_nothing_is_wider_than_the_window(width: int, show: Show) -> None:
    runs = {f"a run with a long name {'x' * 80} {i}": known_run(5) for i in range(3)}
    shown = [every_item("moving")], [space_time(), every_item("still", moving=False)]
    with show(*shown, runs=runs, viewport={"width": width, "height": 900}) as found:
        assert drawn(found).evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [400, 1300])
def test_axes_that_share_a_scale_do_so_at_any_width(width: int, show: Show) -> None:
    field = Field(np.eye(3), np.arange(4.0), np.arange(4.0), "error", 0.0, 1.0, "error")
    panel = Panel(Axis("x", 0.0, 3.0), Axis("y", 0.0, 3.0), (field,), square=True)
    with show([], [View("1_front", "Map", "A map.", ((panel,),))], viewport={"width": width, "height": 900}) as found:
        box = drawn(found).locator(".u-over").bounding_box()
        assert box["width"] > 200
        assert box["width"] == pytest.approx(box["height"], rel=0.1)


def test_one_slider_moves_several_runs(show: Show) -> None:
    with show([every_item("moving")], [], runs={"one": known_run(5), "other": known_run(9)}) as found:
        page = drawn(found)
        before = page.evaluate(PIXELS)
        page.locator("#look").focus()
        page.keyboard.press("Home")
        page.wait_for_timeout(50)
        moved = [one != other for one, other in zip(before, page.evaluate(PIXELS), strict=True)]
        fitted_and_error, each = moved[:2], [True, True, False, True, False, True]
        assert (fitted_and_error, moved[2:]) == ([False, False], 2 * each)


def test_without_a_script_the_words_are_there_and_say_what_is_missing(show: Show) -> None:
    with show([every_item("moving")], [space_time()], java_script_enabled=False) as found:
        assert "drawn by a script" in found.page.locator("noscript p").inner_text()
        for text in ("From left to right.", "Summary", "undecided"):
            assert found.page.get_by_text(text).first.is_visible()


def test_a_live_page_comes_again_where_the_reader_was(show: Show, tmp_path: Path) -> None:
    with show([every_item("moving")], [space_time()], live=1.0) as found:
        page = drawn(found)
        page.locator("#look").focus()
        page.keyboard.press("Home")
        page.evaluate("scrollTo(0, 300); window.old = true")
        came_again(page)
        assert at_step(page) == "step 0"
        assert page.evaluate("scrollY") == 300
        page.keyboard.press("Tab")
        page.locator("#look").focus()
        page.keyboard.press("End")
        text = (tmp_path / "report.html").read_text("utf-8")
        (tmp_path / "report.html").write_text(text.replace('"live":1.0', '"live":null'), "utf-8")  # the run has ended
        page.evaluate("window.old = true")
        came_again(page)
        assert at_step(page) == "step 1,000"
        page.evaluate("window.old = true")
        page.wait_for_timeout(1300)
        assert page.evaluate("window.old")


def test_a_panel_upside_down_is_drawn_upside_down(show: Show) -> None:
    line = Curve(np.array([0.0, 1.0]), np.array([9.0, 9.0]), "model", width=6.0)
    panel = Panel(Axis("", 0.0, 1.0), Axis("", 10.0, 0.0), (line,))
    with show([], [View("v", "v", "v", ((panel,),))], color_scheme="light") as found:
        page = drawn(found)
        height = page.evaluate(
            """() => {
              const over = document.querySelector('.u-over'), canvas = document.querySelector('.uplot canvas');
              const c = canvas.getContext('2d'), x = over.offsetLeft + 0.33 * over.clientWidth;
              const red = y => { const [r, g, b] = c.getImageData(x, over.offsetTop + y, 1, 1).data;
                                 return r > g + 50; };
              const rows = [...Array(over.clientHeight).keys()].filter(red);
              return rows[Math.floor(rows.length / 2)] / over.clientHeight;
            }"""
        )
        assert abs(height - 0.1 if height < 0.5 else height - 0.9) < 0.02
        assert height > 0.5, "9 of 10 to 0 lies near the bottom"
