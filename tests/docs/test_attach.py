"""Every snippet of docs/howto/attach.md runs as it stands there, and does what the text says."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import pytorch_lightning
import torch
import yaml
from lightning.pytorch.cli import LightningCLI

from lightning_seqfit import factory, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import Regression, TanhRegression
from tests.pages import SHORT, read, run, snippets

PAGE = read("docs/howto/attach.md")

#: Section, language and number of its snippets: one that is added needs a test here.
SNIPPETS = {
    ("Attaching", "python"): 1,
    ("Other trainers", "python"): 2,
    ("LightningCLI", "yaml"): 1,
    ("LightningCLI", "sh"): 1,
    ("A script that you do not touch", "yaml"): 1,
    ("A script that you do not touch", "sh"): 1,
    ("Two probes", "python"): 1,
    ("Loggers", "python"): 1,
    ("Records", "python"): 1,
    ("Resuming", "python"): 1,
    ("What is left alone", "python"): 1,
}

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_the_first_snippet_attaches() -> None:
    trainer = run(PAGE)["trainer"]
    trainer.fit(TanhRegression(width=8))
    assert load(trainer.log_dir).steps.tolist() == [0, 1, 2, 3, 4, 6]
    assert (Path(trainer.log_dir) / "seqfit").is_dir()


def test_the_check_of_a_module_finds_nothing_in_an_ordinary_one() -> None:
    names = run(PAGE, "What is left alone")
    names["module"].register_forward_hook(lambda *args: FOUND.append(1))
    assert any("FOUND" in line for line in names["probe"].check(names["module"]))


#: What a hook of a test leaves behind.
FOUND: list[int] = []


class Bare(pytorch_lightning.LightningModule):
    """The demo's training under the other package."""

    def __init__(self) -> None:
        super().__init__()
        self.demo = TanhRegression(width=8)

    def forward(self, x: Any) -> Any:
        return self.demo(x)

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        return self(batch).square().mean()

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.rand(64, 1), batch_size=16)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


@pytest.mark.filterwarnings("ignore:The number of training batches:UserWarning")  # pytorch_lightning's advice
def test_the_other_package_takes_it_in_a_list_and_any_trainer_by_appending() -> None:
    attach, append = snippets(PAGE)["Other trainers", "python"]
    names = run(PAGE)
    exec(attach.replace("max_steps=8_000", SHORT), names)
    assert type(names["trainer"]) is pytorch_lightning.Trainer
    names["trainer"].fit(Bare())
    assert load(names["trainer"].log_dir).steps.tolist() == [0, 1, 2, 3, 4, 6]
    with pytest.raises(TypeError, match="not iterable"):
        pytorch_lightning.Trainer(callbacks=SequentialFitting(names["probe"]))  # without the list

    for package, module in ((L, TanhRegression(width=8)), (pytorch_lightning, Bare())):
        trainer = names["trainer"] = eval(f"package.Trainer({SHORT})", {"package": package})
        exec(append, names)
        trainer.fit(module)
        assert load(trainer.log_dir).steps.tolist() == [0, 1, 2, 3, 4, 6]


def write(section: str) -> str:
    """Put a section's YAML into the file that its first line names; return the command beside it."""
    (text,), (command,) = snippets(PAGE)[section, "yaml"], snippets(PAGE)[section, "sh"]
    name = text.splitlines()[0].removeprefix("# ")
    assert name in command
    Path(name).write_text(text, encoding="utf-8")
    return command.strip()


@pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")  # LightningCLI
@pytest.mark.filterwarnings("ignore:`Trainer.*LightningCLI:UserWarning")  # its callbacks_factory, if installed
def test_the_cli_attaches_it_and_its_saved_configuration_loads_again(monkeypatch: pytest.MonkeyPatch) -> None:
    python, *command = write("LightningCLI").split()
    assert python == "python"
    short = ["--trainer.max_steps=6", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    short += ["--trainer.logger=false", "--model=TanhRegression", "--model.width=8", "--seed_everything=0"]
    monkeypatch.setattr("sys.argv", [*command, *short, "--trainer.default_root_dir=first"])
    cli = LightningCLI(Regression, subclass_mode_model=True)
    assert sum(isinstance(callback, SequentialFitting) for callback in cli.trainer.callbacks) == 1
    monkeypatch.setattr(
        "sys.argv", ["train.py", "fit", "--config=first/config.yaml", "--trainer.default_root_dir=again"]
    )
    LightningCLI(Regression, subclass_mode_model=True)
    for folder in ("first", "again"):
        assert load(folder).steps.tolist() == [0, 1, 2, 3, 4, 6]


SCRIPT = f"""
import lightning as L, torch
from lightning_seqfit.demos import TanhRegression
torch.set_num_threads(1)
L.Trainer({SHORT}).fit(TanhRegression(width=8))
print("trained")
"""

installed = pytest.mark.skipif(
    not any(point.value == "lightning_seqfit.factory:callbacks" for point in entry_points(name="seqfit")),
    reason="entry points exist where the package is installed: pip install",
)


def test_the_file_of_the_variable_makes_the_callback(monkeypatch: pytest.MonkeyPatch) -> None:
    command = write("A script that you do not touch")
    monkeypatch.setenv(*command.split()[0].split("="))
    (callback,) = factory.callbacks()
    assert isinstance(callback, SequentialFitting)
    assert callback.every_n_steps == 100
    assert callback.probe.geometry.bounds == ((0.0, 1.0),)


@installed
@pytest.mark.slow
def test_the_variable_attaches_it_to_a_script() -> None:
    command = write("A script that you do not touch")
    Path("train.py").write_text(SCRIPT, encoding="utf-8")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": ""}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "trained"
    assert load("lightning_logs/version_0").steps.tolist() == [0, 1, 2, 3, 4, 6]


def test_a_second_probe_has_tags_and_a_record_of_its_own() -> None:
    trainer = run(PAGE, "Two probes")["trainer"]
    trainer.fit(TanhRegression(width=8))
    assert {"seqfit/front/fitted", "seqfit/middle/front/fitted"} <= set(trainer.callback_metrics)
    assert load(trainer.log_dir).bounds == ((0.0, 1.0),)
    assert load(trainer.log_dir, "middle").bounds == ((0.4, 0.6),)


def test_several_loggers_and_the_folder_of_the_record() -> None:
    trainer = run(PAGE, "Loggers")["trainer"]
    trainer.fit(TanhRegression(width=8))
    board, sheet = trainer.loggers
    assert trainer.log_dir == board.log_dir
    assert load(board.log_dir).steps[-1] == 6
    assert "seqfit/front/fitted" in (Path(sheet.log_dir) / "metrics.csv").read_text()
    assert list(Path(board.log_dir).glob("events.*"))


def test_a_record_is_read_back_from_the_log_directory() -> None:
    names = run(PAGE)
    names["trainer"].fit(TanhRegression(width=8))
    (text,) = snippets(PAGE)["Records", "python"]
    exec(text, names)
    assert names["run"].steps.tolist() == [0, 1, 2, 3, 4, 6]


# Lightning, of a checkpoint in mid-epoch, and of a resumed run whose logger begins a new folder.
@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch:UserWarning")
@pytest.mark.filterwarnings("ignore:The dirpath has changed from:UserWarning")
def test_a_resumed_training_goes_on_with_its_record() -> None:
    names = run(PAGE, short=SHORT.replace("max_steps=6", "max_steps=4"))
    names["trainer"].fit(TanhRegression(width=8))
    names["trainer"].save_checkpoint("last.ckpt")
    again = run(PAGE, "Resuming", module=TanhRegression(width=8))["trainer"]
    assert load(again.log_dir).steps.tolist() == [0, 1, 2, 3, 4, 6]
    assert set(load(again.log_dir).fit) == {0}


def test_the_yaml_says_what_the_first_snippet_says() -> None:
    """One story: the same bounds and cadence everywhere."""
    (cli,), (probe,) = snippets(PAGE)["LightningCLI", "yaml"], snippets(PAGE)["A script that you do not touch", "yaml"]
    (callback,) = yaml.safe_load(cli)["trainer"]["callbacks"]
    assert callback["init_args"] == yaml.safe_load(probe)
