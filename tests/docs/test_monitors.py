"""Every snippet of docs/howto/monitors.md runs as it stands there, and does what the text says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lightning_seqfit import load
from lightning_seqfit.demos import TanhRegression
from tests.pages import SHORT, read, run

PAGE = read("docs/howto/monitors.md")

SNIPPETS = {
    ("Monitors", "python"): 1,
    ("Stop on a verdict", "python"): 1,
    ("Checkpoints", "python"): 1,
    ("Learning rate", "python"): 1,
}

pytestmark = pytest.mark.usefixtures("empty_folder")

#: Two epochs of 20 steps, and one step.
LONGER = SHORT.replace("max_steps=6", "max_steps=41, limit_train_batches=20")


def group(tag: str) -> str:
    """The first two words of a tag."""
    return "/".join(tag.removeprefix("seqfit/").split("/")[:2])


def test_monitors_see_the_last_look_and_the_table_has_every_tag() -> None:
    names = run(PAGE, "Checkpoints", short=LONGER)
    configure = run(PAGE, "Learning rate")["configure_optimizers"]
    trainer, best, enough = (names[name] for name in ("trainer", "best", "enough"))
    trainer.callbacks.append(enough)
    at_start: set[str] = set()

    class Plateau(TanhRegression):
        configure_optimizers = configure

        def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
            if self.global_step == 0:
                at_start.update(trainer.callback_metrics)

    trainer.fit(Plateau(width=8))
    seen = load(trainer.log_dir)
    fitted = seen.scalars["front/fitted"][seen.steps <= 20][-1]
    path = Path(best.best_model_path)
    assert path.name == f"20-fitted={fitted:.2f}.ckpt"
    assert path.parent.name == "checkpoints"
    assert enough.best_score.item() == pytest.approx(fitted)
    (plateau,) = trainer.lr_scheduler_configs
    assert plateau.scheduler.last_epoch == 2  # asked after each whole epoch
    assert {"seqfit/front/fitted", "seqfit/error/relative_rmse", "seqfit/error/max"} <= at_start
    late = {"seqfit/front/sequentiality", "seqfit/front/inwardness", "seqfit/fourier/spectral_order"}
    assert not late & at_start
    assert {tag.removeprefix("seqfit/") for tag in late} <= set(seen.scalars)
    assert "front/fitted" in trainer.progress_bar_metrics

    rows = [re.findall(r"`([^`]+)`", line.split(" | ")[0]) for line in PAGE.splitlines() if line.startswith("| `")]
    table = {group(tag if "/" in tag[1:] else f"{row[0].split('/')[0]}{tag}") for row in rows for tag in row}
    assert len(table) > 30
    assert {group(tag) for tag in trainer.callback_metrics if tag.startswith("seqfit/")} <= table


def test_a_verdict_ends_a_training() -> None:
    names = run(PAGE, "Stop on a verdict", short=SHORT.replace("max_steps=6", "max_steps=2_000"))
    assert names["watcher"].stop_on == ("diverged", "inputs badly scaled", "fitted")

    class Diverges(TanhRegression):
        def on_train_batch_end(self, *args: Any) -> None:
            if self.global_step == 3:
                next(self.parameters()).data.fill_(float("nan"))

    names["trainer"].fit(Diverges(width=8))
    assert names["trainer"].global_step <= 6  # of 2,000
    assert names["watcher"].diagnosis.verdict.value == "diverged"
