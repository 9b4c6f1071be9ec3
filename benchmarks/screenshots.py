"""The pictures of TensorBoard and of the report in the README and in docs/howto/look.md, of the default demo.

    python benchmarks/screenshots.py docs/pictures

Needs playwright, and a Chromium that is installed.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

SIZE = {"width": 1300, "height": 1000}
#: Seconds that TensorBoard may take to start, and a page to be drawn.
STARTS, DRAWN = 60, 6


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def seqfit(folder: str, *arguments: str) -> None:
    command = [sys.executable, "-m", "lightning_seqfit", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)


def photograph(url: str, file: Path, seconds: float) -> None:
    """Take a picture of a page, in as many colours as are seen."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, color_scheme="light")  # type: ignore[arg-type]
        page.goto(url)
        page.wait_for_timeout(1000 * seconds)
        page.screenshot(path=file)
        browser.close()
    with Image.open(file) as picture:
        picture.convert("RGB").quantize(128).save(file, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder = parser.parse_args().folder.resolve()
    with tempfile.TemporaryDirectory() as made:
        seqfit(made, "demo")
        seqfit(made, "report", "seqfit-logs/sine-tanh/version_0", "-o", "report.html")
        photograph((Path(made) / "report.html").as_uri(), folder / "report.png", 2)
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", "seqfit-logs", "--port", str(port)]
        board = subprocess.Popen([*command, "--host", "127.0.0.1"], stderr=subprocess.DEVNULL, cwd=made)
        try:
            for _ in range(STARTS):
                time.sleep(1)
                try:
                    with urllib.request.urlopen(address):
                        break
                except OSError:
                    continue
            photograph(address, folder / "tensorboard.png", DRAWN)
        finally:
            board.terminate()
            board.wait()


if __name__ == "__main__":
    main()
