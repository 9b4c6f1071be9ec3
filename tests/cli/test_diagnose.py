"""``seqfit diagnose``: what is printed, as text and as JSON, and with what it exits."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.cli import main
from lightning_seqfit.demos.regression import FullBatch
from lightning_seqfit.diagnosis import diagnose
from tests.cli.test_cli import shown

STEPS = 3_000


def sine(x: Tensor) -> Tensor:
    return torch.sin(26 * torch.pi * x[:, 0])


class Reaching(L.LightningModule):
    """Predicts a sine up to a place that each step of its training moves on; 0 beyond, and NaN where there is none."""

    def __init__(self, reached: Callable[[int], float]) -> None:
        super().__init__()
        self.weight, self.reached = nn.Parameter(torch.ones(1)), reached

    def forward(self, x: Tensor) -> Tensor:
        reached = self.reached(self.global_step)
        beyond = torch.full((), math.nan if math.isnan(reached) else 0.0)
        return torch.where(x[:, 0] < reached, sine(x), beyond) + 0 * self.weight

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self.weight.square().sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-9)

    def train_dataloader(self) -> Any:
        return FullBatch((torch.zeros(1), torch.zeros(1)), STEPS)


def watched(folder: Path, reached: Callable[[int], float], *probes: Probe, steps: int = STEPS) -> Path:
    trainer = L.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[SequentialFitting(probe) for probe in probes],
    )
    trainer.fit(Reaching(reached))
    return folder


def half(module: nn.Module, x: Tensor) -> Tensor:
    values: Tensor = 0.5 * module(x) + 0.5
    return values


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One that does not move, one that fits from one end to the other, and one of several probes."""
    folder = tmp_path_factory.mktemp("runs")
    line = Probe.grid([(0.0, 1.0)], sine)
    residual = Probe.grid([(0.0, 1.0)], 0.0, predict=half, name="residual")
    blind = Probe.grid([(0.0, 1.0)], None, name="blind")
    return {
        "still": watched(folder / "still", lambda step: 0.3, line),
        "moving": watched(folder / "moving", lambda step: 0.9 * step / STEPS, line),
        "short": watched(folder / "short", lambda step: step / STEPS, line, steps=40),
        "several": watched(folder / "several", lambda step: 0.0, residual, line, blind, steps=40),
    }


def said(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    capsys.readouterr()
    main(["diagnose", *map(str, arguments)])
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    with pytest.raises(SystemExit) as exit_of:
        said(capsys, *arguments)
    assert exit_of.value.code == 2
    shown = capsys.readouterr()
    assert not shown.out
    return shown.err


def test_the_last_verdict_is_shown_with_what_to_do(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found, out = diagnose(load(runs["still"])), said(capsys, runs["still"])
    assert found.stalled
    assert shown(out, "verdict") == f"{found.verdict.value} since step {found.since:,}"
    assert shown(out, "step") == "3,000"
    assert found.advice
    assert found.advice[0].do in " ".join(out.split())
    *table, last = out.splitlines()
    assert max(map(len, table)) <= 100
    assert last == f"to try what may end it: seqfit try {runs['still']}"


def test_only_what_is_stalled_is_to_be_tried(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    for run in ("moving", "short", "several"):
        assert "seqfit try" not in said(capsys, runs[run])


def test_check_exits_with_1_only_where_it_is_stalled(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_of:
        said(capsys, runs["still"], "--check")
    assert exit_of.value.code == 1
    assert shown(capsys.readouterr().out, "verdict")
    assert "sequential" in said(capsys, runs["moving"], "--check")
    assert "undecided" in said(capsys, runs["short"], "--check")
    assert "undecided" in said(capsys, runs["still"], "--check", "--at", 500)


@pytest.mark.filterwarnings("ignore:seqfit")  # the prediction is not finite, and there is no basis
def test_check_exits_with_1_where_it_has_diverged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = Probe.grid([(0.0, 1.0)], sine)
    watched(tmp_path, lambda step: 0.0 if step < 5 else math.nan, line, steps=60)
    with pytest.raises(SystemExit) as exit_of:
        said(capsys, tmp_path, "--check")
    assert exit_of.value.code == 1
    assert shown(capsys.readouterr().out, "verdict") == "diverged"


def test_json_is_one_object_and_nothing_else(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, runs["still"], "--json"))
    assert found["not_diagnosed"] == {}
    assert list(found["probes"]) == ["probe"]
    assert found["probes"]["probe"]["stalled"] is True
    assert found["probes"]["probe"]["advice"][0]["change"]
    with pytest.raises(SystemExit) as exit_of:
        said(capsys, runs["still"], "--json", "--check")
    assert exit_of.value.code == 1
    assert json.loads(capsys.readouterr().out) == found


def test_at_takes_the_last_look_up_to_a_step(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    steps = load(runs["moving"]).total_steps.tolist()
    last = [step for step in steps if step <= 700][-1]
    assert shown(said(capsys, runs["moving"], "--at", 700), "step") == f"{last:,}"
    assert shown(said(capsys, runs["moving"], "--at", last), "step") == f"{last:,}"
    assert shown(said(capsys, runs["moving"], "--at", 10**9), "step") == "3,000"
    assert "no number of steps" in refused(capsys, runs["moving"], "--at", "half")


def test_all_probes_of_a_training_are_read_the_unnamed_first(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, runs["several"])
    assert out.index("probe:\n") < out.index("residual:\n") < out.index("together") < out.index("note  blind: ")
    assert "together  probe has a relative error of 1; residual is at 100 % of its first value\n" in out
    found = json.loads(said(capsys, runs["several"], "--json"))
    assert list(found["probes"]) == ["probe", "residual"]
    assert "no target" in found["not_diagnosed"]["blind"]


def test_one_of_several_probes_is_read_and_the_others_are_named(
    runs: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    out = said(capsys, runs["several"], "--name", "residual")
    assert "together" not in out
    assert out.endswith("note  of the same training there are also: probe, blind\n")
    assert "there are records of: blind, probe, residual" in refused(capsys, runs["several"], "--name", "other")
    assert "no target" in refused(capsys, runs["several"], "--name", "blind")


def test_a_file_alone_is_read_wherever_it_lies(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = shutil.copy(runs["still"] / "seqfit" / "probe.npz", tmp_path / "from_elsewhere.npz")
    assert said(capsys, file).replace(str(file), str(runs["still"])) == said(capsys, runs["still"])


def test_of_several_runs_the_newest_is_read_with_its_own_probes(
    runs: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    several = shutil.copytree(runs["several"], tmp_path / "run")
    shutil.copytree(runs["moving"] / "seqfit", several / "seqfit" / "run_1")
    for file in (several / "seqfit" / "run_1").iterdir():
        file.touch()
    with pytest.warns(UserWarning, match="2 runs in .*: run_1, the newest, is loaded"):
        out = said(capsys, several)
    assert shown(out, "step") == "3,000"
    assert "residual" not in out


def test_what_is_no_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "it holds no record" in refused(capsys, tmp_path)
    (tmp_path / "seqfit").mkdir()
    (tmp_path / "seqfit" / "probe.npz").write_bytes(b"PK" + bytes(60))
    assert "is no whole record" in refused(capsys, tmp_path, "--check")
