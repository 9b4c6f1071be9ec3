"""Every snippet of docs/howto/predict.md runs as it stands there, and does what the text says.

Those of PINA and TorchPhysics run in tests/clients, where the libraries are.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from torch import Tensor, nn

from lightning_seqfit import Probe, figures, load
from lightning_seqfit.callbacks import SequentialFitting
from tests.pages import read, snippets

PAGE = read("docs/howto/predict.md")
SHORT = "max_steps=6, accelerator='cpu', enable_progress_bar=False, enable_model_summary=False"

#: Section, language and number of its snippets: one that is added needs a test here, or in tests/clients.
SNIPPETS = {
    ("Your own predict", "python"): 2,
    ("The residual of an equation", "python"): 1,
    ("Terms of the loss", "python"): 1,
    ("Several outputs", "python"): 1,
    ("Hard constraints", "python"): 2,
    ("Dicts", "python"): 2,
    ("Dicts", "yaml"): 1,
    ("PINA", "python"): 2,
    ("TorchPhysics", "python"): 3,
}


def test_every_snippet_has_a_test() -> None:
    assert {place: len(texts) for place, texts in snippets(PAGE).items()} == SNIPPETS


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder, and draw no figures, which takes most of the time of these short trainings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(figures, "draw", lambda run: {})


def run(section: str, **names: Any) -> dict[str, Any]:
    """Execute a section's Python after the first snippet of the page, with short trainings; return its names."""
    first, *_ = snippets(PAGE)["Your own predict", "python"]
    for text in dict.fromkeys([first, *snippets(PAGE)[section, "python"]]):
        exec(text.replace("max_steps=8_000", SHORT), names)
    return names


class Trains(L.LightningModule):
    """Somebody's module: two coordinates, ``outputs`` outputs, and whatever loss."""

    def __init__(self, outputs: int = 1) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, outputs))

    def forward(self, x: Tensor) -> Any:
        return self.network(x)

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.network(batch).square().mean()

    def train_dataloader(self) -> Any:
        return torch.utils.data.DataLoader(torch.rand(32, 2), batch_size=16)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=1e-2)


def fit(module: L.LightningModule, *probes: Probe) -> Any:
    trainer = eval(f"Trainer({SHORT})", {"Trainer": L.Trainer})
    trainer.callbacks += [SequentialFitting(probe) for probe in probes]
    trainer.fit(module)
    return trainer


def expected(module: Callable[..., Any], probe: Probe) -> Any:
    """What the module itself says at the probe's points, as the record keeps it."""
    with torch.no_grad():
        values = module(torch.tensor(probe.geometry.points, dtype=torch.float32))
    return probe.geometry.coarsen(values.double().numpy().reshape(-1))


class Apart(Trains):
    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        return self.network(torch.cat([x, t], dim=1))


def test_a_predict_of_ones_own() -> None:
    names, module = run("Your own predict"), Apart()
    names["trainer"].fit(module)
    seen = load(names["trainer"].log_dir)
    assert seen.steps[-1] == 6
    assert seen.axes == ("x", "t")
    assert seen.scalars["oscillations/target"][-1] > 3
    np.testing.assert_allclose(seen.prediction[-1], expected(module.network, names["probe"]), rtol=1e-4, atol=1e-5)


def test_scaled_inputs_and_a_coordinate_held_fixed() -> None:
    names = run("Your own predict")
    probe = Probe.grid([(0.0, 1.0)], 0.0, resolution=16, predict=names["unscaled"])
    x = probe.geometry.points[:, 0]
    seen = probe.observe(nn.Identity(), np.zeros(16)).prediction
    np.testing.assert_allclose(seen, 10 * (x - 0.5) / 0.29, rtol=1e-4, atol=1e-5)
    for output, values in ((0, x), (1, np.full(16, 12.0))):
        probe = Probe.grid([(0.0, 1.0)], 0.0, resolution=16, predict=names["at_noon"], output=output)
        np.testing.assert_allclose(probe.observe(nn.Identity(), np.zeros(16)).prediction, values, rtol=1e-6)


def test_the_residual_of_an_equation() -> None:
    names, module = run("The residual of an equation"), Trains()
    trainer = fit(module, names["left"])
    seen = load(trainer.log_dir, "residual")
    points = torch.tensor(names["left"].geometry.points, dtype=torch.float32)
    step = 1e-2  # u_t + u_x is the change along (1, 1)
    with torch.no_grad():
        slope = ((module(points + step) - module(points - step)) / (2 * step)).double().numpy()
    np.testing.assert_allclose(seen.prediction[-1], names["left"].geometry.coarsen(slope[:, 0]), rtol=1e-2, atol=1e-3)
    assert seen.scalars["error/relative_rmse"][0] == pytest.approx(1.0)  # relative to the first look
    assert set(seen.target) == {0.0}


def test_terms_of_the_loss() -> None:
    names = run("Terms of the loss")

    class Module(names["Module"]):  # type: ignore[misc]
        def training_step(self, batch: Tensor, batch_idx: int) -> Any:
            returned = super().training_step(batch, batch_idx)
            seen.append({name: value.item() for name, value in returned.items()})
            return returned

    seen: list[dict[str, float]] = []
    module = Module()
    module.train_dataloader = lambda: torch.utils.data.DataLoader(torch.rand(32, 2), batch_size=16)
    trainer = fit(module, Probe.grid(names["box"], names["solution"], resolution=24))
    record = load(trainer.log_dir)
    assert record.steps.tolist() == [0, 1, 2, 3, 4, 6]
    assert set(record.losses) == {"equation", "boundary"}
    for name, losses in (("loss", record.scalars["training/loss"]), *record.losses.items()):
        each = [step[name] for step in seen]
        np.testing.assert_allclose(losses[1:], [*each[:4], np.mean(each[4:])], rtol=1e-5)
    assert len({step["equation"] for step in seen}) > 3  # the equation is trained, too


def test_several_outputs() -> None:
    names, module = run("Several outputs"), Trains(outputs=2)
    names["trainer"].fit(module)
    folder = names["trainer"].log_dir
    for number, (name, probe) in enumerate((("", names["first"]), ("pressure", names["second"]))):
        seen = load(folder, name)
        column = expected(lambda x, number=number: module(x)[:, number], probe)
        np.testing.assert_allclose(seen.prediction[-1], column, rtol=1e-4, atol=1e-5)
    assert load(folder, "pressure").quantity == "p (Pa)"


def test_hard_constraints() -> None:
    names = run("Hard constraints")

    class Module(names["Clamped"]):  # type: ignore[misc]
        training_step, configure_optimizers = Trains.training_step, Trains.configure_optimizers

        def train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(torch.rand(32, 1), batch_size=16)

    module = Module()
    trainer = fit(module, names["probe"], names["inside"])
    outside, inside = load(trainer.log_dir), load(trainer.log_dir, "network")
    np.testing.assert_allclose(outside.prediction[-1], expected(module, names["probe"]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(inside.prediction[-1], expected(module.network, names["inside"]), rtol=1e-4, atol=1e-5)
    assert np.isnan(outside.scalars["basis/projection_error"]).all()
    assert any("basis/projection_error is absent" in note for note in outside.notes)
    assert np.isfinite(inside.scalars["basis/projection_error"]).all()


class ByVariable(Trains):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"u": self.network(torch.cat([given["x"], given["t"]], dim=1)), "x": given["x"]}


class Together(Trains):
    def forward(self, given: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"u": self.network(given["coords"]), "coords": given["coords"]}


def test_dicts() -> None:
    by_variable, together = snippets(PAGE)["Dicts", "python"]
    names = run("Your own predict")
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
