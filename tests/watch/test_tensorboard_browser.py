"""What TensorBoard shows of a demo that somebody opens, in a browser; nothing is asked of any other machine."""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from lightning_seqfit import load
from lightning_seqfit.cli.demo import train
from lightning_seqfit.demos.catalogue import DEMOS
from lightning_seqfit.watch import gallery
from tests.browser import Opened, chromium, opened

#: So long may a page take to show something, in ms.
PATIENCE = 30_000


@dataclass
class Board:
    """A TensorBoard that runs, a browser, and the log directory of the run that it shows."""

    url: str
    browser: Any
    run_dir: Path

    @contextmanager
    def tab(self, name: str) -> Iterator[Opened]:
        """Open a tab; it asks nobody else, and complains of nothing."""
        with opened(self.browser, f"{self.url}/#{name}") as found:
            yield found
            assert [url for url in found.requests if not url.startswith((self.url, "data:", "blob:"))] == []
            assert [each for each in found.complaints if not each.startswith("warning")] == []


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    with chromium() as browser:
        folder = tmp_path_factory.mktemp("board")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(gallery, "MOST_OF_KNOWN", math.inf)  # a training of two seconds has all pictures
            run_dir = train(DEMOS["multi-scale"], seed=0, max_steps=1_200, logdir=folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        url, command = f"http://127.0.0.1:{port}", [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
        with (folder / "out.txt").open("wb") as said:
            server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], stdout=said, stderr=said)
        try:
            wait_for(url)
            yield Board(url, browser, run_dir)
        finally:
            server.terminate()
            server.wait(30)


def wait_for(url: str) -> None:
    """Wait until TensorBoard has read what is written last."""
    until = time.monotonic() + PATIENCE / 1_000
    while time.monotonic() < until:
        try:
            with urlopen(f"{url}/data/plugins_listing") as answer:
                if json.load(answer)["hparams"]["enabled"]:
                    return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(url)


def test_the_first_screen_begins_with_the_front_and_has_no_chart_of_lightnings_own(board: Board) -> None:
    with board.tab("") as found:
        card = found.page.locator("image-card")
        card.first.locator("img").wait_for(timeout=PATIENCE)
        assert found.page.url.endswith("#timeseries")
        assert "1_front" in card.first.inner_text()
        (group,) = found.page.locator("metrics-card-group-toolbar").all_inner_texts()  # no epoch, no hp_metric
        assert group.startswith("seqfit")


def test_the_layout_has_six_charts_with_lines(board: Board) -> None:
    with board.tab("custom_scalars") as found:
        cards = found.page.locator("tf-custom-scalar-multi-line-chart-card")
        cards.nth(5).wait_for(timeout=PATIENCE)
        lines = {}
        for card in cards.all():
            curves = card.locator("path.line[d]")
            least = 4 if "by band" in card.evaluate("card => card.title") else 1
            curves.nth(least - 1).wait_for(state="attached", timeout=PATIENCE)
            lines[card.evaluate("card => card.title")] = curves.count()
        assert [title.partition(",")[0].partition(":")[0] for title in lines] == [
            *("fitted share", "oscillations", "error", "error by band", "rank of the basis", "training loss")
        ]
        assert all(lines.values()), lines


def test_pictures_are_those_beside_the_record_and_a_slider_moves_them(board: Board) -> None:
    with board.tab("images") as found:
        images = found.page.locator("tf-image-loader")
        images.first.locator("img").wait_for(timeout=PATIENCE)
        tags = [tag for tag in images.evaluate_all("all => all.map(one => one.tag)") if tag]
        files = sorted(path.stem.replace("probe_", "seqfit/") for path in (board.run_dir / "seqfit").glob("*.png"))
        assert tags == files
        assert tags[0] == "seqfit/1_front"
        picture, slider = images.first.locator("img"), images.first.locator("paper-slider")
        sizes, seen = set(), []
        for key in ("End", "Home"):
            slider.press(key)
            found.page.wait_for_timeout(1_000)
            picture.wait_for(timeout=PATIENCE)
            with urlopen(picture.evaluate("image => image.src")) as answer:
                seen.append(answer.read())
            sizes.add(picture.evaluate("image => image.naturalWidth"))
        assert seen[0] == (board.run_dir / "seqfit" / "probe_1_front.png").read_bytes()
        assert seen[0] != seen[1]
        assert sizes == {720}


def test_texts_say_the_verdict_and_what_to_do(board: Board) -> None:
    run = load(board.run_dir)
    assert run.stall is not None
    verdict = str(run.stall.verdict[-1])
    with board.tab("text") as found:
        for tag in ("summary", "stall/verdict", "stall/advice"):
            found.page.get_by_text(f"tag: seqfit/{tag}/text_summary").first.wait_for(timeout=PATIENCE)
        rendered = found.page.locator("strong").get_by_text(verdict, exact=True)  # from Markdown, in two texts
        rendered.nth(1).wait_for(timeout=PATIENCE)
        found.page.locator("pre", has_text="oscillations fitted").first.wait_for(timeout=PATIENCE)


def test_hyperparameters_stand_beside_the_last_figures(board: Board) -> None:
    with board.tab("hparams") as found:
        table = found.page.locator("tf-hparams-table-view")
        table.get_by_text("hp/fitted").first.wait_for(timeout=PATIENCE)
        for name in ("network", "optimizer", "hp/error", "hp/steps to 90 % fitted", "hp/oscillations"):
            table.get_by_text(name).first.wait_for(timeout=PATIENCE)
        assert found.page.get_by_text("hp_metric").count() == 0
        fitted = load(board.run_dir).scalars["front/fitted"][-1]
        table.get_by_text(f"{fitted:.5g}"[:5]).first.wait_for(timeout=PATIENCE)
