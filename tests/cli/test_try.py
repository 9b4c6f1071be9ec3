"""``seqfit try``: what is printed, as text and as JSON, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.cli import main
from lightning_seqfit.demos import FunctionRegression


def wave(x: Tensor) -> Tensor:
    return torch.sin(12 * torch.pi * x[:, 0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short training of a tanh network with two probes, one of them named and of another target."""
    root = tmp_path_factory.mktemp("run")
    L.seed_everything(0, verbose=False)
    trainer = L.Trainer(
        max_steps=20,
        accelerator="cpu",
        logger=False,
        default_root_dir=root,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            SequentialFitting(Probe.grid([(0.0, 1.0)], wave, resolution=128)),
            SequentialFitting(Probe.grid([(0.0, 1.0)], 0.0, name="residual", resolution=128)),
        ],
    )
    trainer.fit(FunctionRegression(wave, learning_rate=4e-3))
    return root


QUICK = ("--processes", "1", "--seeds", "1", "--budget", "30")


def printed(capsys: pytest.CaptureFixture[str], *arguments: Any) -> tuple[str, str]:
    capsys.readouterr()
    main(["try", *map(str, arguments)])
    return capsys.readouterr()


def test_a_table_and_the_code_of_the_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = printed(capsys, folder, *QUICK)
    head, first, *_ = out.splitlines()
    assert head.split("  ")[0] == "remedy"
    assert first.startswith(("SIREN", "Fourier"))
    assert any(line.startswith("as it is") for line in out.splitlines())
    notes = [line for line in out.splitlines() if line.startswith("note  ")]
    assert notes[0].startswith("note  the run's training watches an equation's residual: ")
    assert "necessary, not sufficient" in notes[0]
    pasted: dict[str, Any] = {}
    exec(out[out.index("import torch") :], pasted)
    assert pasted["network"](torch.zeros(3, 1)).shape == (3, 1)
    assert "of 30 s" in err


def test_json_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, folder, *QUICK, "--json")[0])
    assert found["winner"] == found["attempts"][0]["name"]
    own = next(each for each in found["attempts"] if each["name"] == "as it is")
    assert "lr=0.004" in own["code"]
    assert "width=50" in own["code"]


def test_values_of_a_file_take_the_place_of_the_recorded_target(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.linspace(0.0, 1.0, 128)
    np.save(tmp_path / "slow.npy", 7 + np.sin(6 * np.pi * load(folder).points[:, 0]))
    np.savez(tmp_path / "own.npz", points=100 * x, values=7 + np.sin(6 * np.pi * x))
    for file, bounds in (("slow.npy", False), ("own.npz", True)):
        found = json.loads(printed(capsys, folder, *QUICK, "--json", "--target", tmp_path / file)[0])
        own = next(each for each in found["attempts"] if each["name"] == "inputs to [-1, 1], values standardised")
        assert own["change"]["targets"] == pytest.approx(np.sqrt(0.5), rel=0.02)
        assert ("bounds=[(-0.39" in own["code"]) == bounds


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "2"], "give at least 5"),
        (["--budget", "soon"], "no number of seconds"),
        (["--name", "residual"], "nothing to fit"),
        (["--name", "other"], "other"),
        (["--target", "nowhere.npy"], "no such file"),
        (["--seeds", "0"], "whole number of at least 1"),
    ],
)
def test_what_cannot_be_used_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["try", str(folder), *arguments])
    assert exit_.value.code == 2
    assert said in capsys.readouterr().err


def test_where_there_is_no_record_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["try", str(tmp_path)])
    assert str(tmp_path) in capsys.readouterr().err
