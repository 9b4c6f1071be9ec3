"""Every snippet of docs/howto/processes.md runs as it stands there, and does what the text says.

What each rank does is tested in tests/attach/test_ddp.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightning_seqfit import load
from lightning_seqfit.demos import TanhRegression
from tests.pages import ROOT, SHORT, read, run, snippets

PAGE = read("docs/howto/processes.md")

SNIPPETS = {
    ("Several processes", "python"): 1,
    ("SLURM, and other ends before the end", "python"): 1,
}

pytestmark = pytest.mark.usefixtures("empty_folder")
#: The page names the accelerator itself, and its first training has two processes.
ALONE = SHORT.replace("accelerator='cpu', ", "")


@pytest.mark.slow
def test_two_processes_write_one_record() -> None:
    (text,) = snippets(PAGE)["Several processes", "python"]
    script = text.replace("max_steps=8_000", ALONE) + (
        "from lightning_seqfit.demos import TanhRegression\n"
        "trainer.fit(TanhRegression(width=8))\n"
        "print(f'{trainer.world_size} processes')\n"
    )
    Path("train.py").write_text(f"import torch\ntorch.set_num_threads(1)\n{script}", encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "train.py"], env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "2 processes" in done.stdout
    assert load("lightning_logs/version_0").steps.tolist() == [0, 1, 2, 3, 4, 6]
    assert [path.name for path in Path("lightning_logs").iterdir()] == ["version_0"]


# Lightning, of a checkpoint in mid-epoch, and of a resumed run whose logger begins a new folder.
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch:UserWarning")
@pytest.mark.filterwarnings("ignore:The dirpath has changed from:UserWarning")
def test_a_requeued_job_goes_on_with_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = snippets(PAGE)["SLURM, and other ends before the end", "python"][0]
    names = run(PAGE, short=ALONE)

    def trainer(steps: int) -> None:
        short = SHORT.replace("max_steps=6", f"max_steps={steps}")
        exec(alone.replace("max_steps=8_000", short), names)
        names["trainer"].fit(TanhRegression(width=8))

    trainer(4)
    names["trainer"].save_checkpoint("runs/hpc_ckpt_1.ckpt")  # as Lightning does when SLURM's signal comes
    trainer(6)
    assert load(names["trainer"].log_dir).steps.tolist() == [0, 1, 2, 3, 4, 6]
    assert set(load(names["trainer"].log_dir).fit) == {0}
