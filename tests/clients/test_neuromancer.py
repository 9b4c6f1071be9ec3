"""Under NeuroMancer: its LitTrainer and the LightningModule that it makes, as docs/howto/neuromancer.md has them.

The oracle is NeuroMancer itself: the same problem, seed and trainer, once bare and once watched.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_seqfit import load
from lightning_seqfit.callbacks import SequentialFitting
from tests.clients.waves import seed
from tests.pages import read, snippets
from tests.training import assert_same

pytest.importorskip("neuromancer", reason="needs the extra: pip install 'lightning-seqfit[clients]'")

SNIPPETS = {
    ("NeuroMancer", "python"): 1,
    ("The residual of an equation", "python"): 1,
}

pytestmark = [
    # What NeuroMancer itself does: no data for validation, a name in each batch, a loss against a single number.
    pytest.mark.filterwarnings("ignore:Total length of `DataLoader` across ranks is zero:UserWarning"),
    pytest.mark.filterwarnings("ignore:Trying to infer the `batch_size` from an ambiguous collection:UserWarning"),
    pytest.mark.filterwarnings("ignore:Using a target size:UserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def page(epochs: int, watched: bool = True) -> dict[str, Any]:
    """Execute the page's script up to its last line, with both probes attached, or none; then train."""
    (attach,), (of_equation,) = (snippets(read("docs/howto/neuromancer.md"))[place, "python"] for place, _ in SNIPPETS)
    *made, fit = attach.replace("epochs=3_000", f"epochs={epochs}, accelerator='cpu'").strip().splitlines()
    names: dict[str, Any] = {}
    seed()
    exec("\n".join(made), names)
    exec(of_equation, names)
    trainer = names["trainer"]
    if not watched:
        trainer.callbacks = [each for each in trainer.callbacks if not isinstance(each, SequentialFitting)]
    exec(fit, names)
    return names


def test_training_is_bitwise_what_it_is_without_us_and_the_looks_see_the_network() -> None:
    bare, seen = page(12, watched=False), page(12)
    assert_same(bare["problem"].state_dict(), seen["problem"].state_dict())
    assert_same(
        bare["trainer"].lit_problem.optimizers().state_dict(), seen["trainer"].lit_problem.optimizers().state_dict()
    )
    run, left = load(seen["trainer"].log_dir), load(seen["trainer"].log_dir, "residual")
    assert run.steps.tolist() == left.steps.tolist() == [0, 1, 2, 3, 4, 6, 8, 11, 12]
    assert len(np.unique(run.scalars["error/max"])) == 9
    assert {"training/loss", "basis/numerical_rank"} <= set(run.scalars)

    t = torch.tensor(run.points, requires_grad=True)
    net = seen["network"].callable.double()
    u = net(t)
    (slope,) = torch.autograd.grad(u.sum(), t)
    np.testing.assert_allclose(run.prediction[-1], u[:, 0].detach(), rtol=1e-4, atol=1e-5)
    by_hand = (slope / (6 * np.pi) - torch.cos(6 * np.pi * t)).detach().numpy()[:, 0]
    np.testing.assert_allclose(left.prediction[-1], by_hand, rtol=1e-3, atol=1e-4)


def test_the_solution_solves_the_equation() -> None:
    names = page(1)

    class Known(nn.Module):
        """The solution itself, in the place of the network."""

        def forward(self, t: torch.Tensor) -> Any:
            return names["solution"](t)[:, None]

    names["network"].callable = Known()
    observed = names["left"].observe(names["trainer"].lit_problem, np.zeros(512)).prediction
    assert np.abs(observed).max() < 1e-4


def test_a_custom_training_step_records_the_terms_that_it_logs() -> None:
    def step(module: Any, batch: Any) -> Any:
        output = module.problem(batch)
        module.log("equation_loss", output[f"train_{names['equation'].output_keys[0]}"])
        return output["train_loss"]

    (attach,) = snippets(read("docs/howto/neuromancer.md"))["NeuroMancer", "python"]
    names: dict[str, Any] = {"step": step}
    exec(attach.replace("epochs=3_000", "epochs=3, accelerator='cpu', custom_training_step=step"), names)
    assert set(load(names["trainer"].log_dir).losses) == {"equation_loss"}
