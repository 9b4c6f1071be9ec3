"""``SEQFIT=probe.yaml`` attaches to a script that nobody touched, and never stands in its way."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import warnings
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest

from lightning_seqfit import factory, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from lightning_seqfit.demos import TanhRegression

PROBE = "{bounds: [[0.0, 1.0]], target: lightning_seqfit.demos.sine}"

#: A training that knows nothing of us, its target among the script's own functions.
SCRIPT = """
import torch
import {package} as L
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def target(x):
    return torch.sin(6 * torch.pi * x[:, 0])


class Net(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.mse_loss(self(x)[:, 0], y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


torch.set_num_threads(1)
torch.manual_seed(0)
x = torch.linspace(0, 1, 64)[:, None]
trainer = L.Trainer(max_steps=12, max_epochs=-1, accelerator="cpu", logger=False, default_root_dir="out",
                    enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
net = Net()
trainer.fit(net, DataLoader(TensorDataset(x, target(x)), batch_size=64))
print("weights", float(sum(p.double().abs().sum() for p in net.parameters())).hex())
"""


@pytest.fixture(autouse=True)
def _nothing_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factory, "_said", set())


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def write(text: str) -> Path:
        path = tmp_path / "probe.yaml"
        path.write_text(text)
        monkeypatch.setenv("SEQFIT", str(path))
        return path

    return write


def test_without_the_variable_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQFIT", raising=False)
    assert factory.callbacks() == []
    monkeypatch.setenv("SEQFIT", "")
    assert factory.callbacks() == []


@pytest.mark.parametrize(
    "text",
    [
        f"probe: {PROBE}\nevery_n_steps: 20",
        f"probe: {{class_path: lightning_seqfit.Probe.grid, init_args: {PROBE}}}\nevery_n_steps: 20",
        "class_path: lightning_seqfit.callbacks.SequentialFitting\n"
        f"init_args: {{probe: {PROBE}, every_n_steps: 20, tolerance: 0.25}}",
    ],
    ids=["init_args", "with class path", "the callback"],
)
def test_a_file_describes_the_callback(text: str, described: Any) -> None:
    described(text)
    (callback,) = factory.callbacks()
    assert type(callback) is SequentialFitting
    assert callback.every_n_steps == 20
    assert callback.probe.geometry.bounds == ((0.0, 1.0),)


@pytest.mark.parametrize("kind", ["SequentialFitting", "StallDiagnosis"])
def test_a_file_may_say_which_verdicts_end_the_training_and_ask_for_a_page(kind: str, described: Any) -> None:
    described(
        f"class_path: lightning_seqfit.callbacks.{kind}\n"
        f"init_args: {{probe: {PROBE}, stop_on: [diverged, not started], report: true}}"
    )
    (callback,) = factory.callbacks()
    assert type(callback).__name__ == kind
    assert list(callback.stop_on) == ["diverged", "not started"]
    assert callback.report


@pytest.mark.parametrize(
    ("text", "axes"),
    [
        (PROBE, ("x",)),
        ("class_path: lightning_seqfit.Probe.grid\ninit_args: {bounds: [[0, 2]], target: 0.0, axes: [t]}", ("t",)),
        ("{points: [0.1, 0.9, 0.3, 0.5, 0.7], target: [1, 0, 1, 0, 1.5], axes: [year]}", ("year",)),
    ],
    ids=["arguments", "class path", "points"],
)
def test_a_file_may_hold_the_probe_alone(text: str, axes: tuple[str], described: Any) -> None:
    described(text)
    (callback,) = factory.callbacks()
    assert type(callback) is SequentialFitting
    assert callback.every_n_steps == "auto"
    assert callback.probe.geometry.axes == axes


@pytest.mark.parametrize("output", ["[0, 2]", "norm", "1"])
@pytest.mark.parametrize("place", ["bounds: [[0, 1]]", "points: [0.1, 0.3, 0.5, 0.7, 0.9]"])
def test_a_file_may_say_that_there_is_no_target(place: str, output: str, described: Any) -> None:
    described(f"probe: {{{place}, target: null, output: {output}}}")
    (callback,) = factory.callbacks()
    assert callback.probe.target is None
    assert str(callback.probe.output) == {"[0, 2]": "(0, 2)"}.get(output, output)


def test_a_file_that_forgets_the_target_is_told(described: Any) -> None:
    described("probe: {bounds: [[0, 1]]}")
    with pytest.warns(UserWarning, match="missing 1 required positional argument: 'target'; pass target=None"):
        assert factory.callbacks() == []


def test_a_file_may_name_another_callback(described: Any) -> None:
    described(f"class_path: lightning_seqfit.callbacks.ErrorFront\ninit_args: {{probe: {PROBE}}}")
    (callback,) = factory.callbacks()
    assert type(callback) is ErrorFront


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2]", "list, not a mapping"),
        ("", "NoneType, not a mapping"),
        ("a: [b", "ParserError"),
        ("{bounds: [[0.0, 1.0]]}", "target"),
        ("{bounds: [[1.0, 0.0]], target: lightning_seqfit.demos.sine}", "low=1.0 is not below high=0.0"),
        ("{bounds: [[0.0, 1.0]], target: no_module.no_function}", "no_module.no_function"),
        ("{bounds: [[0.0, 1.0]], target: lightning_seqfit.demos.no_function}", "no_function"),
        (f"probe: {PROBE}\nevery_n_step: 20", "every_n_step"),
        (f"probe: {PROBE}\nevery_n_steps: 0", "every_n_steps=0"),
        ("class_path: lightning_seqfit.Probe.no_maker\ninit_args: {}", "no_maker"),
        ("class_path: lightning_seqfit.callbacks.ErrorFront\ninit_args: 3", "TypeError"),
        (None, "there is no such file"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_warning(text: str | None, words: str, described: Any) -> None:
    path = described(text or "")
    if text is None:
        path.unlink()
    with pytest.warns(UserWarning, match="SEQFIT=") as said:
        assert factory.callbacks() == []
    assert len(said) == 1
    assert words in str(said[0].message)
    assert "the training goes on" in str(said[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert factory.callbacks() == []  # a second Trainer


def test_an_old_pytorch_lightning_is_said_and_its_script_trains_on(
    described: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    described(PROBE)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", SimpleNamespace(__version__="2.5.6"))
    with pytest.warns(UserWarning, match="pytorch_lightning 2.5.6 is imported") as said:
        assert factory.callbacks() == []
    assert len(said) == 1


def trainer(folder: Path, *callbacks: L.Callback) -> L.Trainer:
    os.environ.pop("SEQFIT", None)  # where the package is installed the Trainer would ask the factory too
    return L.Trainer(
        max_steps=5,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )


@pytest.mark.parametrize(
    ("module", "text", "words"),
    [
        ({"width": 8}, f"probe: {PROBE}\nlayer: nowhere", "layer='nowhere' is not in TanhRegression"),
        ({"width": 8}, "{bounds: [[0.0, 1.0]], target: 0.0, output: 3}", "output=3"),
    ],
)
def test_a_probe_that_does_not_suit_the_module_stands_aside(
    module: dict[str, Any], text: str, words: str, described: Any, tmp_path: Path
) -> None:
    described(text)
    (callback,) = factory.callbacks()
    run = trainer(tmp_path, callback)
    with pytest.warns(UserWarning, match="does not watch this training") as said:
        run.fit(TanhRegression(**module))
    (ours,) = (str(one.message) for one in said if str(one.message).startswith("seqfit: "))
    assert words in ours
    assert run.global_step == 5
    assert callback not in run.callbacks
    assert not (tmp_path / "seqfit").exists()


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_it_gives_way_to_a_callback_of_the_script_with_the_same_name(
    first: str, described: Any, tmp_path: Path
) -> None:
    described(f"probe: {PROBE}")
    (attached,) = factory.callbacks()
    (own,) = factory.callbacks()
    own.from_outside = False  # as one that the script makes
    run = trainer(tmp_path, *((attached, own) if first == "ours" else (own, attached)))
    with pytest.warns(UserWarning, match="two probes are named 'probe'"):
        run.fit(TanhRegression(width=8))
    assert own in run.callbacks
    assert attached not in run.callbacks
    assert load(tmp_path).steps[-1] == 5


def run_script(folder: Path, package: str, value: str | None) -> subprocess.CompletedProcess[str]:
    (folder / "train.py").write_text(SCRIPT.format(package=package))
    environment = {name: text for name, text in os.environ.items() if name != "SEQFIT"}
    environment["PYTHONPATH"] = ""  # as installed
    if value is not None:
        environment["SEQFIT"] = value
    return subprocess.run(
        [sys.executable, "train.py"], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


installed = pytest.mark.skipif(
    not any(point.value == "lightning_seqfit.factory:callbacks" for point in entry_points(name="seqfit")),
    reason="entry points exist where the package is installed: pip install",
)


@installed
@pytest.mark.slow
@pytest.mark.parametrize("package", ["lightning", "pytorch_lightning"])
def test_a_script_that_was_not_touched_is_watched(package: str, tmp_path: Path) -> None:
    (tmp_path / "probe.yaml").write_text("probe: {bounds: [[0.0, 1.0]], target: train.target}\nevery_n_steps: 5")
    bare = run_script(tmp_path, package, None)
    assert not (tmp_path / "out" / "seqfit").exists()
    watched = run_script(tmp_path, package, "probe.yaml")
    assert bare.returncode == watched.returncode == 0, watched.stderr
    assert bare.stdout.splitlines()[-1].startswith("weights")
    assert watched.stdout.splitlines()[-1] == bare.stdout.splitlines()[-1]
    assert "seqfit: " in watched.stderr + watched.stdout
    run = load(tmp_path / "out")
    assert run.steps.tolist() == [0, 1, 2, 3, 4, 6, 8, 11, 12]
    assert run.scalars["oscillations/target"][0] == 3.0


@installed
@pytest.mark.slow
def test_a_wrong_path_says_so_in_one_warning_and_the_script_trains_on(tmp_path: Path) -> None:
    done = run_script(tmp_path, "lightning", "nowhere.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("SEQFIT=nowhere.yaml") == 1
    assert "weights" in done.stdout


@pytest.mark.slow
def test_without_the_variable_it_costs_a_script_less_than_50_ms() -> None:
    code = """
import time, torch, lightning.pytorch
begun = time.perf_counter()
from lightning_seqfit.factory import callbacks
found = callbacks()
spent = time.perf_counter() - begun
import sys
print(found, spent, any(m.startswith("lightning_seqfit.") and m != "lightning_seqfit.factory" for m in sys.modules))
"""
    environment = {name: text for name, text in os.environ.items() if name != "SEQFIT"}
    seconds = []
    for _ in range(3):
        out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        found, spent, more = out.stdout.split()
        assert (found, more) == ("[]", "False")
        seconds.append(float(spent))
    assert statistics.median(seconds) < 0.05
