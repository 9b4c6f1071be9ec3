"""Every snippet of docs/howto/sweeps.md runs as it stands there, shortened, and does what the text says."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import optuna
import pytest
import torch

from lightning_seqfit import load
from lightning_seqfit.cli import main
from tests.pages import headings, links, read, snippets

ROOT = Path(__file__).parent.parent.parent
PAGE = read("docs/howto/sweeps.md")
SNIPPETS = {
    ("A study with Optuna", "python"): 2,
    ("What came of it", "sh"): 1,
    ("What came of it", ""): 1,
    ("Optuna's own pruners", "python"): 1,
    ("Several trials at once", "python"): 1,
    ("Several trials at once", "sh"): 1,
    ("Ray Tune", "python"): 1,
    ("A folder of very many runs", "sh"): 1,
}
QUIET = "enable_model_summary=False, accelerator='cpu', "

#: Of the study's space: one that is fitted at once, one that stays where it is.
FITS = {"width": 48, "omega_0": 40.0, "learning_rate": 1e-3}
STALLS = {"width": 8, "omega_0": 1.0, "learning_rate": 1e-5}

# Lightning's deprecated way to ask torch's pytree, said under either of its names.
pytestmark = pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning")


def text(section: str, number: int = 0, **changes: str) -> str:
    """A snippet in Python, with other values for some arguments."""
    found = snippets(PAGE)[section, "python"][number].replace("enable_progress_bar", f"{QUIET}enable_progress_bar")
    for name, value in changes.items():
        found, count = re.subn(rf"\b{name}=[\w.]+", f"{name}={value}", found)
        assert count, name
    return found


def definitions(**changes: str) -> dict[str, Any]:
    """What the first snippet defines, before it begins its study."""
    names: dict[str, Any] = {"__name__": "sweep"}
    exec(text("A study with Optuna", **changes).partition("\nstudy = ")[0], names)
    return names


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in an empty folder, with Optuna quiet."""
    monkeypatch.chdir(tmp_path)
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def test_every_snippet_has_a_test() -> None:
    assert {place: len(texts) for place, texts in snippets(PAGE).items()} == SNIPPETS


def test_every_link_leads_somewhere() -> None:
    for other, heading in links(PAGE):
        if "://" not in other:
            where = (ROOT / "docs" / "howto" / (other or "sweeps.md")).resolve()
            assert not heading or heading in headings(where.read_text("utf-8")), (other, heading)


def test_the_study_runs_and_its_folder_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(text("A study with Optuna", max_steps="30", n_trials="3"), names)
    assert [trial.number for trial in names["study"].trials] == [0, 1, 2]
    capsys.readouterr()
    command = shlex.split(snippets(PAGE)["What came of it", "sh"][0])
    main(command[1:])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert sorted(lines[0][1:]) == ["trial_0", "trial_1", "trial_2"]
    for name, shown in names["study"].best_params.items():
        (row,) = [line for line in lines if line[0] == name]
        assert min(abs(float(cell) - shown) for cell in row[1:]) <= 1e-3 * shown
    main(["compare", "study", "--csv", "-"])
    columns = capsys.readouterr().out.splitlines()[0].split(",")
    shown = re.split(r"  +", snippets(PAGE)["What came of it", ""][0].splitlines()[0].strip())
    assert [name for name in shown if name not in columns] == []


def test_a_trial_that_stalls_is_given_up_early_and_one_that_is_fitted_ends() -> None:
    names = definitions()
    fits, stalls = optuna.trial.FixedTrial(FITS, number=1), optuna.trial.FixedTrial(STALLS, number=2)
    assert names["objective"](fits) >= 0.98
    assert load("study/trial_1/lightning_logs/version_0").steps[-1] < 1_000
    with pytest.raises(optuna.TrialPruned) as given_up:
        names["objective"](stalls)
    run = load("study/trial_2/lightning_logs/version_0")
    assert 1_300 <= run.steps[-1] < 8_000
    assert str(given_up.value) in ("stuck", "not started", "learning rate too low")
    assert run.hyperparameters == STALLS


def test_the_score_is_higher_the_sooner_it_is_fitted() -> None:
    names = definitions()
    exec(text("A study with Optuna", 1), names)

    class Done:
        max_steps = 100

        def __init__(self, fitted: float, step: int) -> None:
            self.callback_metrics = {"seqfit/front/fitted": np.float64(fitted)}
            self.global_step = step

    scores = [names["score"](Done(*how)) for how in ((1.0, 10), (1.0, 99), (0.9, 100), (0.0, 100))]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] > 0 >= scores[2]


def test_a_pruner_of_optunas_is_told_and_obeyed_and_the_record_is_kept() -> None:
    names = definitions()
    exec(text("Optuna's own pruners"), names)

    def objective(trial: optuna.Trial) -> float:
        callbacks = [
            names["SequentialFitting"](names["Probe"].grid([(0.0, 1.0)], names["target"])),
            names["Report"](trial),
        ]
        trainer = L.Trainer(
            max_steps=400, callbacks=callbacks, logger=False, enable_checkpointing=False, enable_progress_bar=False
        )
        trainer.fit(names["Fit"](**STALLS))
        return 1.0

    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=0.5))
    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state is optuna.trial.TrialState.PRUNED
    assert trial.intermediate_values == {100: 0.0}
    run = load(".")
    assert run.steps[-1] == 100
    assert not run.finished


def test_a_pruner_is_told_of_each_step_once_where_several_batches_make_one() -> None:
    names = definitions()
    exec(text("Optuna's own pruners"), names)
    reports: list[int] = []

    class Trial:
        def report(self, value: float, step: int) -> None:
            assert 0.0 <= value <= 1.0
            reports.append(step)

        def should_prune(self) -> bool:
            return False

    callbacks = [
        names["SequentialFitting"](names["Probe"].grid([(0.0, 1.0)], names["target"])),
        names["Report"](Trial(), every_n_steps=10),
    ]
    trainer = L.Trainer(
        max_steps=30,
        accumulate_grad_batches=2,
        callbacks=callbacks,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    module = names["Fit"](**STALLS)
    data = torch.utils.data.TensorDataset(torch.rand(64, 1), torch.rand(64, 1))
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=8))
    assert reports == [10, 20, 30]


@pytest.mark.slow
def test_several_processes_share_a_study() -> None:
    study = text("Several trials at once", n_trials="2")
    script = f"{text('A study with Optuna', max_steps='30').partition(chr(10) + 'study = ')[0]}\n{study}"
    Path("sweep.py").write_text(script, encoding="utf-8")
    command = snippets(PAGE)["Several trials at once", "sh"][0].replace("1 2 3 4", "1 2")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    names: dict[str, Any] = {}
    exec(text("Several trials at once").partition("study.optimize")[0], {**names, "optuna": optuna}, names)
    assert len(names["study"].trials) == 4, done.stderr
    assert {trial.state for trial in names["study"].trials} <= {
        optuna.trial.TrialState.COMPLETE,
        optuna.trial.TrialState.PRUNED,
    }
    for number in range(4):
        assert load(f"study/trial_{number}/lightning_logs/version_0").hyperparameters.keys() == STALLS.keys()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # Ray's own, of many kinds
def test_ray_tune_trains_ends_and_keeps_every_record(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray")
    pytest.importorskip("ray.tune")
    for name, value in {"RAY_AUTH_MODE": "disabled", "RAY_AIR_NEW_OUTPUT": "0", "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(name, value)
    names = definitions()
    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        exec(text("Ray Tune", max_steps="300", max_t="300", grace_period="100", num_samples="3"), names)
    finally:
        ray.shutdown()
    assert not names["results"].errors
    assert len(names["results"]) == 3
    records = [load(file) for file in (tmp_path / "study").glob("*/**/probe.npz")]
    assert len(records) == 3
    for result in names["results"]:
        (run,) = [each for each in records if each.hyperparameters == result.config]
        assert run.steps[-1] >= result.metrics["step"]


def test_the_table_of_the_benchmark_has_the_rows_of_the_page(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (command,) = re.findall(r"`python (benchmarks/sweep.py)`", PAGE)
    monkeypatch.setattr("sys.argv", [command, "--steps", "15", "--trials", "2"])
    runpy.run_path(str(ROOT / command), run_name="__main__")
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    shown = PAGE.partition("<!-- sweep -->\n")[2].partition("<!-- /sweep -->")[0].splitlines()
    assert printed[:2] == shown[:2]
    assert [line.split("|")[1] for line in printed] == [line.split("|")[1] for line in shown]


def test_every_option_of_the_command_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert snippets(PAGE)["A folder of very many runs", "sh"][0].startswith("seqfit compare s3://")
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    out = capsys.readouterr().out
    assert {
        option for option in ("--best", "--sort", "--csv", "--json") if option not in out or option not in PAGE
    } == set()
