"""Every snippet of docs/howto/plan.md runs as it stands there."""

from __future__ import annotations

import shlex

import numpy as np
import pytest
import torch

from lightning_seqfit import Probe
from lightning_seqfit.cli import main
from tests.docs.modules import Trains, fit
from tests.pages import read, run, snippets

PAGE = read("docs/howto/plan.md")

SNIPPETS = {
    ("Before a training: seqfit plan", "python"): 1,
    ("Before a training: seqfit plan", "sh"): 1,
}

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_the_plan_makes_the_network_that_its_code_makes(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(PAGE)
    shown = capsys.readouterr().out
    code = names["found"].code()
    assert code in shown
    made: dict[str, object] = {}
    exec(code, made)
    assert str(made["network"]) == str(names["network"])
    assert names["network"](torch.zeros(3, 1)).shape == (3, 1)


def test_the_commands_plan_a_run_a_series_and_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    x = np.linspace(0, 1, 300)
    np.savetxt("series.csv", np.column_stack([x, np.sin(20 * np.pi * x)]), delimiter=",")
    np.save("picture.npy", np.sin(np.linspace(0, 20, 60))[:, None] * np.cos(np.linspace(0, 20, 50)))
    fit(Trains(inputs=1), Probe.grid([(0.0, 1.0)], lambda points: torch.sin(20 * torch.pi * points[:, 0])))
    (commands,) = snippets(PAGE)["Before a training: seqfit plan", "sh"]
    for line in commands.splitlines():
        program, *arguments = shlex.split(line, comments=True)
        assert program == "seqfit"
        main(arguments)
        assert ("FourierFeatureMLP" if "fourier" in line else "SIREN") in capsys.readouterr().out
