"""What a page of `seqfit report` takes: seconds of the whole command, imports included, and its size.

    python benchmarks/report.py

Three trainings are made first: 512 looks at 1,024 places of a line, the same without a target, and 512 looks in the
plane at 96 x 96 points; each has a look at every step.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import FunctionRegression, product_wave, sine

LOOKS = 512
ROUNDS = 3
QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}
LINE = [(0.0, 1.0)]
PLANE = [(-1.0, 1.0)] * 2


def train(folder: Path, module: L.LightningModule, probe: Probe) -> str:
    watcher = SequentialFitting(probe, every_n_steps=1)
    L.Trainer(max_steps=LOOKS - 1, callbacks=[watcher], default_root_dir=folder, **QUIET).fit(module)
    return str(folder)


def timed(command: str, runs: list[str], page: Path) -> tuple[float, float]:
    """Median seconds of a command, and megabytes of the page."""
    seconds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        output = ["--output", str(page)] if command == "report" else []
        subprocess.run([sys.executable, "-m", "lightning_seqfit", command, *runs, *output], check=True, stdout=-3)
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), page.stat().st_size / 1e6 if output else 0.0


def main() -> None:
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    L.seed_everything(0, verbose=False)
    line: Callable[[], L.LightningModule] = lambda: FunctionRegression(sine, LINE)  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        root, page = Path(folder), Path(folder) / "page.html"
        runs = {
            "on a line, 1,024 places": train(root / "line", line(), Probe.grid(LINE, sine, resolution=1_024)),
            "without a target, 4,096": train(root / "none", line(), Probe.grid(LINE, None, resolution=4_096)),
            "in the plane, 96 x 96": train(
                root / "plane", FunctionRegression(product_wave, PLANE), Probe.grid(PLANE, product_wave, resolution=96)
            ),
        }
        others = [train(root / f"{seed}", line(), Probe.grid(LINE, sine, resolution=1_024)) for seed in (1, 2)]
        three = [next(iter(runs.values())), *others]
        print(f"| page of {LOOKS} looks | seconds | MB |\n|---|---|---|")
        for name, run in runs.items():
            print("| {} | {:.1f} | {:.2f} |".format(name, *timed("report", [run], page)))
        print("| three runs on a line | {:.1f} | {:.2f} |".format(*timed("report", three, page)))
        print("| `seqfit compare`, three runs | {:.1f} | |".format(timed("compare", three, page)[0]))


if __name__ == "__main__":
    main()
