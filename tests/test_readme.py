"""What the README shows runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.cli import LightningCLI

from lightning_seqfit import load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import Regression, TanhRegression

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_lines_that_attach_it_train_and_the_lines_that_read_the_record_read_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    attach, read, _ = blocks("python")
    shortened = attach.replace("max_steps=8_000", "max_steps=20, accelerator='cpu', enable_progress_bar=False")
    assert shortened != attach
    names: dict[str, object] = {}
    exec(shortened, names)
    trainer = names["trainer"]
    assert isinstance(trainer, L.Trainer)
    trainer.fit(TanhRegression(width=8))
    exec(read, names)
    run = names["run"]
    assert run.steps[-1] == 20  # type: ignore[attr-defined]


def test_the_lines_that_plan_make_the_network_and_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[-1], names)
    assert names["network"](torch.zeros(3, 1)).shape == (3, 1)
    shown = capsys.readouterr().out
    made: dict[str, Any] = {}
    exec(shown, made)
    assert str(made["network"]) == str(names["network"])


@pytest.mark.filterwarnings("ignore::jsonargparse._deprecated.JsonargparseDeprecationWarning")
@pytest.mark.filterwarnings("ignore:`Trainer.*LightningCLI:UserWarning")
def test_the_yaml_attaches_it_and_the_saved_configuration_loads_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (yaml,) = blocks("yaml")
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(yaml)
    shared = [
        "--seed_everything=0",
        "--trainer.max_steps=5",
        "--trainer.accelerator=cpu",
        "--trainer.enable_progress_bar=false",
    ]
    arguments = [*shared, "--trainer.logger=false", "--trainer.default_root_dir=first", "--model=TanhRegression"]
    monkeypatch.setattr("sys.argv", ["script", "fit", "--config=config.yaml", *arguments])
    first = LightningCLI(Regression, subclass_mode_model=True)
    monkeypatch.setattr(
        "sys.argv", ["script", "fit", "--config=first/config.yaml", "--trainer.default_root_dir=second"]
    )
    second = LightningCLI(Regression, subclass_mode_model=True)
    for cli, folder in ((first, "first"), (second, "second")):
        (callback,) = [c for c in cli.trainer.callbacks if isinstance(c, SequentialFitting)]
        assert callback.every_n_steps == 100
        assert callback.probe.geometry.bounds == ((0.0, 1.0),)
        run = load(folder)
        assert run.steps.tolist() == [0, 1, 2, 3, 4, 5]
        assert torch.sin(torch.tensor(26 * torch.pi * run.points[3, 0])).item() == pytest.approx(
            run.target[3], abs=1e-4
        )
