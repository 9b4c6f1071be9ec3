"""Every snippet of docs/howto/pinns.md runs as it stands there, and does what the text says."""

from __future__ import annotations

import shlex
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import load
from lightning_seqfit.cli import main
from tests.docs.modules import Trains, expected, fit
from tests.pages import read, run, snippets

PAGE = read("docs/howto/pinns.md")

SNIPPETS = {
    ("PINNs", "python"): 1,
    ("Terms of the loss", "python"): 1,
    ("Two probes, read together", "sh"): 1,
    ("Hard constraints", "python"): 2,
}

pytestmark = pytest.mark.usefixtures("empty_folder")


def test_the_pinn_trains_and_both_probes_see_it(capsys: pytest.CaptureFixture[str]) -> None:
    names = run(PAGE)
    trainer, module = names["trainer"], names["trainer"].lightning_module
    seen, left = load(trainer.log_dir), load(trainer.log_dir, "residual")
    assert seen.steps.tolist() == left.steps.tolist() == [0, 1, 2, 3, 4, 6]
    np.testing.assert_allclose(seen.prediction[-1], expected(module, names["right"]), rtol=1e-4, atol=1e-5)
    points = torch.tensor(names["left"].geometry.points, dtype=torch.float32)
    step = 1e-2  # u_t + u_x is the change along (1, 1)
    with torch.no_grad():
        slope = ((module(points + step) - module(points - step)) / (2 * step)).double().numpy()
    np.testing.assert_allclose(left.prediction[-1], names["left"].geometry.coarsen(slope[:, 0]), rtol=1e-2, atol=1e-3)
    size = np.sqrt(np.mean(slope**2)) / (4 * np.pi)
    assert left.scalars["error/relative_rmse"][-1] == pytest.approx(size, rel=1e-2)  # of scale=
    assert {"front/depth/t_min", "front/depth/x_max"} <= set(seen.scalars)

    (command,) = snippets(PAGE)["Two probes, read together", "sh"]
    main(shlex.split(command)[1:])
    assert "together" in capsys.readouterr().out


def test_the_solution_solves_the_equation() -> None:
    names = run(PAGE)

    class Known(nn.Module):
        def forward(self, points: Tensor) -> Any:
            return names["solution"](points)[:, None]

    seen = names["left"].observe(Known(), np.zeros(len(names["left"].geometry.points))).prediction
    assert np.abs(seen).max() < 1e-4


def test_terms_of_the_loss_are_means_since_the_look_before() -> None:
    names = run(PAGE)
    returned: list[dict[str, float]] = []

    class Noting(names["PINN"]):  # type: ignore[misc]
        def training_step(self, *args: Any) -> Any:
            found = super().training_step(*args)
            returned.append({name: value.item() for name, value in found.items()})
            return found

    names["trainer"] = fit(Noting(), names["right"], names["left"])
    exec(snippets(PAGE)["Terms of the loss", "python"][0], names)
    record = names["run"]
    assert set(record.losses) == {"equation", "data"}
    for name, losses in (("loss", record.scalars["training/loss"]), *record.losses.items()):
        each = [step[name] for step in returned]
        np.testing.assert_allclose(losses[1:], [*each[:4], np.mean(each[4:])], rtol=1e-5)
    assert len({step["equation"] for step in returned}) == 6
    assert names["left_over"].name == "residual"


def test_hard_constraints_take_the_projection_error_and_the_network_itself_has_it() -> None:
    names = run(PAGE, "Hard constraints")

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
