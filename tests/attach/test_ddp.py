"""Several processes: every rank trains as without us, sees the same metrics, and none waits for another.

The fits are those of ``ddp_script.py``: two launches, of which each test reads a part. The oracles are the same fits
without us, and the other rank.
"""

from __future__ import annotations

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.watch import keeping
from tests.training import KEPT

SCRIPT = Path(__file__).with_name("ddp_script.py")
STEPS = 40
LOOKS = [0, 1, 2, 3, *range(4, STEPS + 1, 2)]
#: A launch takes about 25 s; what takes longer hangs.
TIMEOUT = 180

several = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="ddp_fork needs a system that forks"),
]


class Launch:
    """What a launch has left behind."""

    def __init__(self, mode: str, folder: Path) -> None:
        self.folder = folder
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), mode, str(folder)],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a group of its own, to end all of it
        )
        try:
            self.output, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"hangs; its words so far:\n{process.communicate()[0][-5000:]}")
        self.code = process.returncode

    def worker_aborted(self) -> bool:
        """Whether a worker process aborted, as torch's own threads now and then do while its interpreter ends."""
        return any("terminated with signal SIGABRT" in path.read_text() for path in self.folder.glob("spawn-*.json"))

    def seen(self, case: str) -> list[dict[str, Any]]:
        """What each rank saw."""
        paths = [self.folder / f"{case}.rank{rank}.json" for rank in range(2)]
        assert all(path.exists() for path in paths), self.output[-5000:]
        return [json.loads(path.read_text()) for path in paths]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    return Launch("popen", tmp_path_factory.mktemp("scripts"))


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Launch:
    """Anew, at most twice, where a worker aborted after its training (one launch in twenty): that tells nothing."""
    for _ in range(2):
        launch = Launch("workers", tmp_path_factory.mktemp("workers"))
        if not launch.worker_aborted():
            return launch
    launch = Launch("workers", tmp_path_factory.mktemp("workers"))
    assert not launch.worker_aborted(), launch.output[-5000:]
    return launch


@pytest.fixture
def launch(request: pytest.FixtureRequest, where: str) -> Launch:
    return request.getfixturevalue(where)


WATCHED = {
    "ddp-watched": ("ddp", "scripts"),
    "ddp-residual": ("ddp", "scripts"),
    "unused-watched": ("unused", "scripts"),
    "static-watched": ("static", "scripts"),
    "collective-watched": ("collective", "scripts"),
    "fork-watched": ("fork", "workers"),
    "spawn-watched": ("fork", "workers"),
}


def param(*names: str) -> pytest.MarkDecorator:
    """One test for each of the names, with the launch that it belongs to."""
    cases = [pytest.param(name, WATCHED[name][1] if name in WATCHED else "scripts", marks=several) for name in names]
    return pytest.mark.parametrize(("case", "where"), cases, ids=names)


@param(*WATCHED)
def test_every_rank_trains_bitwise_as_without_us(case: str, launch: Launch) -> None:
    bare, watched = launch.seen(WATCHED[case][0]), launch.seen(case)
    for one, other in zip(bare, watched, strict=True):
        assert one["step"] == STEPS
        for part, value in one["state"].items():
            assert other["state"][part] == value, part
        assert not one["metrics"][-1]
        assert "seqfit/front/fitted" in other["metrics"][-1]
    # the ranks draw their own noise, and see their own data
    assert bare[0]["state"]["torch"] != bare[1]["state"]["torch"]
    assert bare[0]["state"]["buffers"] != bare[1]["state"]["buffers"]
    assert bare[0]["state"]["weights"] == bare[1]["state"]["weights"]


@param("robbed")
def test_the_comparison_finds_a_draw_lost_on_one_rank(case: str, launch: Launch) -> None:
    for rank, (one, other) in enumerate(zip(launch.seen("ddp"), launch.seen(case), strict=True)):
        assert one["state"]["weights"] != other["state"]["weights"]
        assert (one["state"]["torch"] == other["state"]["torch"]) == (rank == 0)


@param(*WATCHED)
def test_looks_do_not_pass_through_the_wrapper_that_reduces_gradients(case: str, launch: Launch) -> None:
    for seen in launch.seen(case):
        assert seen["forwards"] == seen["batches"] == STEPS


@param(*WATCHED, "whole", "resumed", "monitors", "plateau", "strict", "later")
def test_metrics_are_equal_on_every_rank_after_every_step(case: str, launch: Launch) -> None:
    zero, one = launch.seen(case)
    assert zero["metrics"] == one["metrics"]
    assert {"seqfit/front/fitted", "seqfit/error/relative_rmse", "seqfit/error/max"} <= set(zero["metrics"][0])
    assert len({metrics["seqfit/error/max"] for metrics in zero["metrics"]}) > 3
    assert np.isfinite([value for metrics in zero["metrics"] for value in metrics.values()]).all()


@param(*WATCHED)
def test_there_is_one_record_and_it_holds_what_the_ranks_saw(case: str, launch: Launch) -> None:
    run = load(launch.folder / case)
    assert run.steps.tolist() == LOOKS
    assert set(run.fit) == {0}
    assert not any("Error" in note for note in run.notes)
    files = {path.name for path in (launch.folder / case / "seqfit").iterdir() if path.suffix != ".png"}
    assert files == {"probe.npz"}
    metrics = launch.seen(case)[1]["metrics"]
    for look, step in enumerate(LOOKS):
        for tag in set(run.scalars) - KEPT:
            if np.isfinite(run.scalars[tag][look]):
                assert metrics[step][f"seqfit/{tag}"] == np.float32(run.scalars[tag][look]), (step, tag)


@param("several")
def test_several_outputs_have_a_record_each_and_reach_every_rank(case: str, launch: Launch) -> None:
    zero, one = launch.seen(case)
    assert zero["metrics"] == one["metrics"]
    tags = {"seqfit/both.0/error/max", "seqfit/both.1/error/max", "seqfit/error/max"}
    assert tags <= set(zero["metrics"][0])
    first, second, length = (load(launch.folder / case, name) for name in ("both.0", "both.1", ""))
    assert first.steps.tolist() == second.steps.tolist() == length.steps.tolist() == LOOKS
    assert np.allclose(second.prediction, -2 * first.prediction, atol=1e-5)
    assert np.allclose(length.scalars["error/max"], np.sqrt(5) * first.scalars["error/max"], rtol=1e-4)


@param("collective-watched")
def test_only_rank_zero_writes(case: str, launch: Launch) -> None:
    assert case in (launch.folder / "writes.rank0.txt").read_text()
    assert not (launch.folder / "writes.rank1.txt").exists()


@param("whole")
def test_scalars_come_once_on_the_axis_of_lightnings_own_curves(case: str, launch: Launch) -> None:
    with (launch.folder / case / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    ours = [int(row["step"]) for row in rows if row["seqfit/front/fitted"]]
    theirs = [int(row["step"]) for row in rows if row["loss"]]
    assert ours == load(launch.folder / case).logger_steps.tolist()
    assert len(ours) == len(LOOKS)
    assert set(ours) <= set(theirs)


@param("resumed")
def test_a_resumed_fit_has_the_record_of_one_that_was_never_stopped(case: str, launch: Launch) -> None:
    whole, resumed = load(launch.folder / "whole"), load(launch.folder / case)
    assert resumed.steps.tolist() == LOOKS
    np.testing.assert_array_equal(resumed.logger_steps, whole.logger_steps)
    np.testing.assert_array_equal(resumed.prediction, whole.prediction)
    assert resumed.front is not None
    assert whole.front is not None
    np.testing.assert_array_equal(resumed.front.arrival, whole.front.arrival)
    for tag in whole.scalars:
        if not tag.startswith("observer/"):
            np.testing.assert_array_equal(resumed.scalars[tag], whole.scalars[tag], err_msg=tag)
    for one, other in zip(launch.seen("whole"), launch.seen(case), strict=True):
        assert one["state"]["weights"] == other["state"]["weights"]
        # monitors find at once what they would have found
        before = {tag: value for tag, value in one["metrics"][24].items() if not tag.startswith("seqfit/observer/")}
        assert before.items() <= other["metrics"][0].items()


@param("monitors")
def test_monitors_decide_alike_on_every_rank(case: str, launch: Launch) -> None:
    zero, one = launch.seen(case)
    assert zero["step"] == one["step"] == 20  # the first check and four without an improvement
    assert zero["rates"] == one["rates"]
    assert min(zero["rates"]) < 0.01 < max(zero["rates"])
    best, same = launch.seen("best")
    assert best == same
    assert best["epoch"] == 4
    fitted = [zero["metrics"][step]["seqfit/front/fitted"] for step in (5, 10, 15, 20)]
    assert best["score"] == max(fitted) > 0
    step = 5 * (1 + fitted.index(max(fitted)))
    files = [path for path in (launch.folder / case / "best").rglob("*") if path.is_file()]
    assert files == [Path(best["path"])] == [launch.folder / case / "best" / f"{step}-{max(fitted):.3f}.ckpt"]


@param("plateau")
def test_a_scheduler_that_asks_once_an_epoch_steps_alike_on_every_rank(case: str, launch: Launch) -> None:
    zero, one = launch.seen(case)
    assert zero["rates"] == one["rates"]
    assert len(set(zero["rates"])) > 2
    assert all(zero["rates"][step] == zero["rates"][step + 2] for step in range(1, STEPS, 4))


@param("strict")
def test_a_monitor_that_finds_nothing_yet_ends_every_rank_alike(case: str, launch: Launch) -> None:
    zero, one = launch.seen(case)
    assert zero["raised"] == one["raised"]
    assert "`seqfit/front/sequentiality` which is not available" in zero["raised"]
    assert zero["step"] == one["step"] == 4
    assert load(launch.folder / case).steps.tolist() == LOOKS[:5]


@param("stopped")
def test_a_verdict_of_rank_zero_stops_every_rank_at_the_same_step(case: str, launch: Launch) -> None:
    zero, one = launch.seen(case)
    assert zero["step"] == one["step"] == LOOKS[6]  # the second look at nothing but NaN: errors are medians of three
    assert load(launch.folder / case).stall.verdict.tolist() == ["undecided"] * 6 + ["diverged"]  # type: ignore[union-attr]
    assert launch.output.count("the training stops after step 8: at the probe it is 'diverged'") == 1


@param("refused")
def test_what_rank_zero_refuses_before_the_first_batch_is_refused_by_all(case: str, launch: Launch) -> None:
    zero, one = launch.seen(case)
    assert zero["raised"].startswith("RuntimeError: predict raised KeyError: 'no such table'")
    assert one["raised"] == f"RuntimeError: on rank zero: {zero['raised']}"
    assert zero["batches"] == one["batches"] == 0


@param("later")
def test_what_fails_on_rank_zero_later_is_tried_again_and_all_go_on(case: str, launch: Launch) -> None:
    for seen in launch.seen(case):
        assert seen["step"] == STEPS
    run = load(launch.folder / case)
    assert run.steps.tolist() == [*LOOKS[:5], *LOOKS[6:]]
    assert any("no such table" in note for note in run.notes)
    assert launch.output.count("the evaluation at the probe failed at step") == 1


@param("broken")
def test_a_rank_that_breaks_off_takes_the_other_along_and_the_record_is_there(case: str, launch: Launch) -> None:
    assert launch.code not in (0, None)
    zero, one = launch.seen(case)
    assert one["raised"] == "ArithmeticError: only on rank 1"
    assert zero["raised"]
    assert load(launch.folder / case).steps.tolist() == [step for step in LOOKS if step <= 30]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["workers"])
def test_the_metrics_reach_the_process_that_started_the_workers(launch: Launch) -> None:
    for case in ("fork-watched", "spawn-watched"):
        after = json.loads((launch.folder / f"{case}.after.rank0.json").read_text())
        assert "seqfit/front/fitted" in after["metrics"][0]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["workers"])
def test_a_lambda_cannot_be_sent_to_a_spawned_process_and_python_says_so(launch: Launch) -> None:
    seen = json.loads((launch.folder / "spawn-lambda.rank0.json").read_text())
    assert "pickle" in seen["raised"]
    assert "workers.<locals>.<lambda>" in seen["raised"]  # which one
    assert len(load(launch.folder / "fork-watched").steps) == len(LOOKS)  # a forked process has it already


@pytest.mark.slow
@pytest.mark.parametrize("where", ["workers"])
def test_a_worker_that_breaks_off_ends_the_others(launch: Launch) -> None:
    for broken in range(2):
        seen = json.loads((launch.folder / f"fork-broken-{broken}.rank0.json").read_text())
        assert f"only on rank {broken}" in seen["raised"]


@pytest.mark.slow
@pytest.mark.parametrize("where", ["workers"])
def test_the_record_is_there_where_the_worker_that_keeps_it_breaks_off(launch: Launch) -> None:
    """Where another one does, a signal of torch may end this one before it has written the last seconds."""
    assert load(launch.folder / "fork-broken-0").steps.tolist() == [step for step in LOOKS if step <= 30]


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


def sine(x: Tensor) -> Tensor:
    return torch.sin(2 * torch.pi * x[:, 0])


def fit(watcher: SequentialFitting, folder: Path) -> None:
    trainer = L.Trainer(
        max_steps=5,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[watcher],
    )
    x = torch.linspace(0, 1, 16)[:, None]
    trainer.fit(Net(), DataLoader(TensorDataset(x, sine(x)[:, None]), batch_size=2))


def test_a_callback_can_be_sent_to_another_process_before_and_after_a_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping.figures, "draw", lambda run: {})  # they take longer than the rest
    watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], sine))
    sent = pickle.loads(pickle.dumps(watcher))
    assert sent.state_key == watcher.state_key
    fit(sent, tmp_path / "first")
    again = pickle.loads(pickle.dumps(sent))
    fit(again, tmp_path / "second")
    first, second = load(tmp_path / "first"), load(tmp_path / "second")
    assert first.steps.tolist() == second.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert second.fit.tolist() == [0] * 6  # another module


def test_the_record_is_written_before_the_figures_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one process has broken off, Lightning kills the others within seconds."""

    def killed(run: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(keeping.figures, "draw", killed)
    with pytest.raises(SystemExit):  # Lightning's answer
        fit(SequentialFitting(Probe.grid([(0.0, 1.0)], sine)), tmp_path)
    assert load(tmp_path).steps.tolist() == [0, 1, 2, 3, 4, 5]
