"""Every snippet of docs/howto/predict.md runs as it stands there, and does what the text says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from torch import Tensor, nn

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from tests.docs.modules import Trains, expected, fit
from tests.pages import read, run, snippets

PAGE = read("docs/howto/predict.md")

SNIPPETS = {
    ("A module that takes or returns something else", "python"): 1,
    ("Scaled inputs, and a coordinate held fixed", "python"): 1,
    ("Dicts", "python"): 2,
    ("Dicts", "yaml"): 1,
}

pytestmark = pytest.mark.usefixtures("empty_folder")


class Apart(Trains):
    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.network(torch.cat([x, t], dim=1))


def test_a_predict_of_ones_own() -> None:
    names, module = run(PAGE), Apart()
    names["trainer"].fit(module)
    seen = load(names["trainer"].log_dir)
    assert seen.steps[-1] == 6
    assert seen.axes == ("x", "t")
    assert seen.scalars["oscillations/target"][-1] > 3
    np.testing.assert_allclose(seen.prediction[-1], expected(module.network, names["probe"]), rtol=1e-4, atol=1e-5)


def test_scaled_inputs_and_a_coordinate_held_fixed() -> None:
    names = run(PAGE, "Scaled inputs, and a coordinate held fixed")
    probe = Probe.grid([(0.0, 1.0)], 0.0, resolution=16, predict=names["unscaled"])
    x = probe.geometry.points[:, 0]
    seen = probe.observe(nn.Identity(), np.zeros(16)).prediction
    np.testing.assert_allclose(seen, 10 * (x - 0.5) / 0.29, rtol=1e-4, atol=1e-5)
    for output, values in ((0, x), (1, np.full(16, 12.0))):
        probe = Probe.grid([(0.0, 1.0)], 0.0, resolution=16, predict=names["at_noon"], output=output)
        np.testing.assert_allclose(probe.observe(nn.Identity(), np.zeros(16)).prediction, values, rtol=1e-6)


class ByVariable(Trains):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"u": self.network(torch.cat([given["x"], given["t"]], dim=1)), "x": given["x"]}


class Together(Trains):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"u": self.network(given["coords"]), "coords": given["coords"]}


def test_dicts() -> None:
    by_variable, together = snippets(PAGE)["Dicts", "python"]
    names = run(PAGE)
    for text, module in ((by_variable, ByVariable()), (together, Together())):
        exec(text, names)
        trainer = fit(module, names["probe"])
        values = expected(module.network, names["probe"])
        np.testing.assert_allclose(load(trainer.log_dir).prediction[-1], values, rtol=1e-4, atol=1e-5)


def test_dicts_in_yaml() -> None:
    (text,) = snippets(PAGE)["Dicts", "yaml"]
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(SequentialFitting, "callback")
    probe = parser.instantiate(parser.parse_object({"callback": {"probe": yaml.safe_load(text)}})).callback.probe

    class Half(nn.Module):
        def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
            return {"u": given["coords"] / 2, "other": given["coords"]}

    seen = probe.observe(Half(), np.zeros(512)).prediction
    np.testing.assert_allclose(seen, probe.geometry.points[:, 0] / 2, rtol=1e-6)
