"""When the first look comes, what functions of the user's may do, and who may call the hooks.

The oracle: the same training without us, and what each module and function was written to do.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lightning_seqfit import figures, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from tests.training import STEPS, Net, due, fit, loader, probe, trained, trainer, watched


@pytest.fixture(autouse=True)
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than the fit."""
    monkeypatch.setattr(figures, "draw", lambda run: {})


class Scaled(Net):
    """Needs an attribute that one of its hooks sets."""

    def prepare(self, *args: Any, **kwargs: Any) -> None:
        if not hasattr(self, "scale"):
            self.scale = torch.tensor(2.0)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * self.scale)


HOOKS_BEFORE = ["setup", "on_fit_start", "on_train_start", "on_train_epoch_start"]


@pytest.mark.parametrize("hook", HOOKS_BEFORE)
def test_the_first_look_comes_after_the_modules_own_hooks_of_the_start(hook: str, tmp_path: Path) -> None:
    kind = type("Made", (Scaled,), {hook: Scaled.prepare})
    watched(kind, tmp_path)
    run = load(tmp_path / "watched")
    assert run.steps.tolist() == due(range(1, STEPS + 1))
    assert np.isfinite(run.scalars["error/max"]).all()


def noted_in_the_step(self: Any, batch: list[Tensor], batch_idx: int) -> Tensor:
    self.notes["scale"] = torch.tensor(2.0)
    return Net.training_step(self, batch, batch_idx)


def by_the_note(self: Any, x: Tensor) -> Tensor:
    return Net.forward(self, x * self.notes["scale"])


def with_notes(self: Any) -> None:
    Net.__init__(self)
    self.notes = {}


def without_a_scale(self: Any) -> None:
    Net.__init__(self)
    self.scale = None


def set_in_the_step(self: Any, batch: list[Tensor], batch_idx: int) -> Tensor:
    self.scale = torch.tensor(2.0)
    return Net.training_step(self, batch, batch_idx)


def prepared_in_the_step(self: Any, batch: list[Tensor], batch_idx: int) -> Tensor:
    self.prepare()
    return Net.training_step(self, batch, batch_idx)


@pytest.mark.parametrize(
    "own",
    [
        {"on_train_batch_start": Scaled.prepare},
        {"training_step": prepared_in_the_step},
        {"__init__": without_a_scale, "training_step": set_in_the_step},
        {"__init__": with_notes, "forward": by_the_note, "training_step": noted_in_the_step},
    ],
    ids=["on_train_batch_start", "training_step", "None until then", "no entry until then"],
)
def test_a_module_that_cannot_be_evaluated_before_its_first_batch_is_looked_at_after_it(
    own: dict[str, Any], tmp_path: Path
) -> None:
    watched(type("Made", (Scaled,), own), tmp_path)
    assert load(tmp_path / "watched").steps.tolist() == due(range(1, STEPS + 1))[1:]


@pytest.mark.parametrize("hook", ["on_train_epoch_start", "on_train_batch_start"])
@pytest.mark.parametrize("last", [False, True], ids=["before it", "after it"])
def test_another_callback_may_finish_the_module(hook: str, last: bool, tmp_path: Path) -> None:
    class Finishes(L.Callback):
        pass

    setattr(Finishes, hook, lambda self, trainer, module, *args: module.prepare())
    watched(Scaled, tmp_path, others=lambda: [Finishes()], last=last)
    late = hook == "on_train_batch_start" and not last
    assert load(tmp_path / "watched").steps.tolist() == due(range(1, STEPS + 1))[late:]


def test_an_attribute_that_predict_spells_wrong_is_refused_before_the_first_batch(tmp_path: Path) -> None:
    steps: list[int] = []

    class Counted(Net):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            steps.append(batch_idx)
            return super().training_step(batch, batch_idx)

    watcher = SequentialFitting(probe(predict=lambda module, x: module.lasst(x)))
    with pytest.raises(RuntimeError, match=r"predict raised AttributeError.*lasst"):
        trained(Counted, tmp_path, [watcher])
    assert steps == []


def test_the_state_of_the_first_batch_is_the_bare_one_where_forward_caches_the_batch(tmp_path: Path) -> None:
    class Cached(Net):
        grid: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            if self.grid is None:
                self.grid = torch.linspace(0, 1, len(x))[:, None]
            return super().forward(x + (self.grid if len(self.grid) == len(x) else 0.5))

    watched(Cached, tmp_path)


class Answers:
    """A function for ``every_n_steps`` that does what it likes from its third call on."""

    def __init__(self, then: Callable[[int], Any]) -> None:
        self.then, self.calls = then, 0

    def __call__(self, step: int) -> Any:
        self.calls += 1
        return self.then(step) if self.calls >= 3 else step % 5 == 0


def raises(step: int) -> bool:
    raise LookupError("no such step")


CADENCES: dict[str, Callable[..., Any]] = {
    "raises": Answers(raises),
    "ends an iterator": Answers(lambda step: next(iter(()))),
    "takes no argument": lambda: True,
    "takes two arguments": lambda trainer, step: True,
    "returns an array": Answers(lambda step: np.zeros(2)),
    "returns a tensor": Answers(lambda step: torch.zeros(3)),
    "raises when it is judged": Answers(lambda step: type("Odd", (), {"__bool__": raises})()),
}


@pytest.mark.parametrize("name", CADENCES)
def test_a_function_that_cannot_say_when_to_look_ends_nothing(name: str, tmp_path: Path) -> None:
    bare = trained(Net, tmp_path / "bare")
    torch.manual_seed(7)
    np.random.seed(7)
    random.seed(7)
    module = Net()
    trains = trainer(tmp_path, [SequentialFitting(probe(), every_n_steps=CADENCES[name])], logger=False)
    with pytest.warns(UserWarning, match='looks come at the default, "auto", from now on') as caught:
        fit(trains, module)
    assert len([w for w in caught if str(w.message).startswith("seqfit: ")]) == 1
    for parameter, expected in zip(module.parameters(), bare["weights"].values(), strict=True):
        assert torch.equal(parameter, expected)
    run = load(tmp_path)
    assert run.steps[-1] == STEPS
    assert any(note.startswith("every_n_steps") for note in run.notes)


@pytest.mark.parametrize(
    "draw",
    [random.random, np.random.rand, lambda: torch.rand(()).item(), lambda: float(np.random.normal())],
    ids=["python", "numpy", "torch", "numpy's normal"],
)
def test_a_function_that_draws_takes_no_numbers_from_the_training(draw: Callable[[], float], tmp_path: Path) -> None:
    watchers = [SequentialFitting(probe(), every_n_steps=lambda step: draw() < 0.7)]
    watched(Net, tmp_path, watchers=watchers)
    assert len(load(tmp_path / "watched").steps) > 3


@pytest.mark.parametrize("answer", [np.True_, 1, torch.tensor(True), np.array([1])], ids=repr)
def test_what_counts_as_true_counts(answer: Any, tmp_path: Path) -> None:
    watched(Net, tmp_path, watchers=[ErrorFront(probe(), every_n_steps=lambda step: answer)])
    assert load(tmp_path / "watched").steps.tolist() == list(range(STEPS + 1))


HOOKS_OF_A_STEP = [
    "on_train_batch_start",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
]


@pytest.mark.parametrize("name", HOOKS_OF_A_STEP)
@pytest.mark.parametrize("calls_super", [True, False], ids=["with super()", "without super()"])
def test_a_subclass_has_the_hooks_of_a_step(name: str, calls_super: bool, tmp_path: Path) -> None:
    called: list[str] = []

    class Mine(SequentialFitting):
        pass

    def hook(self: Mine, *args: Any) -> None:
        called.append(name)
        if calls_super:
            getattr(super(Mine, self), name)(*args)

    setattr(Mine, name, hook)
    watched(Net, tmp_path, watchers=[Mine(probe())])
    assert len(called) == STEPS
    assert load(tmp_path / "watched").steps.tolist() == due(range(1, STEPS + 1))


def test_a_first_look_that_a_subclass_keeps_from_us_comes_after_the_first_batch(tmp_path: Path) -> None:
    class Mine(SequentialFitting):
        def on_train_batch_start(self, *args: Any) -> None: ...

    kind = type("Made", (Scaled,), {"on_train_epoch_start": Scaled.prepare})  # so it cannot come before this hook
    watched(kind, tmp_path, watchers=[Mine(probe())])
    assert load(tmp_path / "watched").steps.tolist() == due(range(1, STEPS + 1))[1:]


def test_other_callbacks_find_the_first_measures_before_the_first_batch_wherever_they_stand(tmp_path: Path) -> None:
    seen: list[set[str]] = []

    class Listener(L.Callback):
        def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
            seen.append(set(trainer.callback_metrics))

    watched(Net, tmp_path, others=lambda: [Listener()], last=True)
    assert {"seqfit/front/fitted", "seqfit/error/max"} <= seen[-STEPS]


class Forwards(L.Callback):
    """Passes its hooks on to another callback, as wrappers do."""

    def __init__(self, callback: L.Callback, hooks: list[str]) -> None:
        for name in hooks:
            setattr(self, name, lambda *args, name=name, **kwargs: getattr(callback, name)(*args, **kwargs))


EVERY_HOOK = [name for name in vars(L.Callback) if name.startswith("on_") or name in ("setup", "teardown")]


@pytest.mark.parametrize("hooks", [EVERY_HOOK, ["on_train_start", "on_train_batch_end", "on_train_end"]], ids=len)
def test_a_callback_that_forwards_its_hooks_watches(hooks: list[str], tmp_path: Path) -> None:
    watched(Net, tmp_path, watchers=[Forwards(SequentialFitting(probe()), hooks)])
    steps = load(tmp_path / "watched").steps.tolist()
    assert steps == due(range(1, STEPS + 1))[int("on_train_batch_start" not in hooks) :]


@pytest.mark.parametrize("name", ["on_train_start", "on_train_batch_start", "on_train_batch_end", "on_train_end"])
def test_a_callback_that_forwards_a_single_hook_ends_nothing(name: str, tmp_path: Path) -> None:
    watched(Net, tmp_path, watchers=[Forwards(SequentialFitting(probe()), [name])])


def test_a_callback_can_be_used_again_after_a_fit_in_a_list_and_behind_another(tmp_path: Path) -> None:
    watcher = SequentialFitting(probe())
    trained(Net, tmp_path / "first", [watcher])
    trained(Net, tmp_path / "second", [Forwards(watcher, EVERY_HOOK)])
    trained(Net, tmp_path / "third", [watcher])
    for folder in ("first", "second", "third"):
        assert load(tmp_path / folder).steps.tolist() == due(range(1, STEPS + 1))


def test_there_is_no_look_before_the_first_batch_where_there_is_no_batch(tmp_path: Path) -> None:
    calls: list[int] = []

    def predict(module: nn.Module, x: Tensor) -> Tensor:
        calls.append(1)
        return module(x)

    watched(
        Net,
        tmp_path,
        lambda t, m: t.fit(m, loader()),
        watchers=[SequentialFitting(probe(predict=predict))],
        max_steps=0,
    )
    assert calls == []
