"""What a training's optimizer is after a change: the module notes it in its own training step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lightning_seqfit import fork
from tests.forks.modules import Noted, NotesRates, probe


def rates(change: dict[str, Any], kind: type[Noted] = NotesRates) -> list[Any]:
    """What the module notes in three steps, after it has been trained as it is."""
    notes: list[Any] = []
    table = fork(lambda: kind(notes), probe(), [change], steps=3, seeds=1)
    assert all(attempt.taken == (3,) for attempt in table.attempts), str(table)
    return notes[3:]


def test_a_rate_that_is_the_modules_own_changes_nothing() -> None:
    assert rates({"learning_rate": 1e-2}) == [
        pytest.approx(each) for each in ([1e-2, 1e-3], [5e-3, 5e-4], [2.5e-3, 2.5e-4])
    ]


def test_a_learning_rate_is_that_of_the_fastest_weights_and_the_schedule_goes_on() -> None:
    assert rates({"learning_rate": 0.4}) == [pytest.approx(each) for each in ([0.4, 0.04], [0.2, 0.02], [0.1, 0.01])]


def test_a_factor_multiplies_every_rate() -> None:
    assert rates({"learning_rate_factor": 10.0})[0] == pytest.approx([0.1, 0.01])


def test_a_constant_rate_has_no_schedule() -> None:
    assert rates({"schedule": "constant", "learning_rate": 0.4}) == [pytest.approx([0.4, 0.04])] * 3


class NotesOptimizer(NotesRates):
    def note(self) -> Any:
        (optimizer,) = self.trainer.optimizers
        weights = sum(weight.numel() for group in optimizer.param_groups for weight in group["params"])
        return type(optimizer), [group["lr"] for group in optimizer.param_groups], weights


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam)])
def test_another_optimizer_trains_the_same_weights_at_their_rates_without_a_schedule(name: str, kind: type) -> None:
    count = sum(weight.numel() for weight in Noted().parameters())
    assert rates({"optimizer": name}, NotesOptimizer) == [(kind, pytest.approx([1e-2, 1e-3]), count)] * 3


def test_a_step_of_lbfgs_counts_as_many_as_it_evaluates_gradients() -> None:
    notes: list[Any] = []
    table = fork(lambda: Noted(notes), probe(), [{"optimizer": "lbfgs"}], steps=30, seeds=1)
    lbfgs = next(attempt for attempt in table.attempts if attempt.change)
    assert lbfgs.taken == (len(notes) - 30,)  # calls of training_step
    assert 30 <= lbfgs.taken[0] <= 55


class Two(Noted):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any) -> None:
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            self.manual_backward(super().training_step(batch))
            optimizer.step()

    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD(self.network[number].parameters(), lr=1e-3) for number in (0, 4)]


def test_one_optimizer_in_the_place_of_several_is_refused_and_their_rates_can_be_changed() -> None:
    table = fork(Two, probe(), [{"optimizer": "adam"}, {"learning_rate_factor": 2.0}], steps=4, seeds=1)
    why = {attempt.name: attempt.why for attempt in table.attempts}
    assert "several optimizers" in why["Adam"]
    assert why["learning rate times 2"] == ""
