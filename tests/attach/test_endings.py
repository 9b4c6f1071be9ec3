"""However a training ends, is taken up again or followed by another: nothing is changed and no record is lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import LearningRateFinder, ModelCheckpoint, OnExceptionCheckpoint
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.tuner import Tuner
from torch import Tensor

from lightning_seqfit import Run, figures, load
from lightning_seqfit.callbacks import SequentialFitting
from tests.training import (
    STEPS,
    Net,
    assert_complete,
    assert_same,
    assert_whole_files,
    due,
    fit,
    left_behind,
    loader,
    probe,
    steps_taken,
    trained,
    watched,
)
from tests.training import trainer as make_trainer

BROKEN_AT = 33

# Lightning's words on what these tests do on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint need to be provided:UserWarning"),
    pytest.mark.filterwarnings("ignore:Checkpoint directory .* exists and is not empty:UserWarning"),
    # of a first fit with OnExceptionCheckpoint
    pytest.mark.filterwarnings("ignore:`.fit.ckpt_path=None.` was called without a model:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*there is no last checkpoint available:UserWarning"),
]


@pytest.fixture(autouse=True)
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six pictures at the end of a fit take longer than the fit."""
    monkeypatch.setattr(figures, "draw", lambda run: {})


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """SIGINT as in a terminal: ``nohup pytest &`` starts with it ignored, Lightning ignores it once it has seen one."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Enough(RuntimeError):
    """What goes wrong in the user's own code."""


def enough() -> None:
    raise Enough("as the user wrote it")


class Breaking(Net):
    """Breaks off in one of its methods."""

    def __init__(self, how: str, where: str) -> None:
        super().__init__()
        self.how, self.where = how, where

    def may_break(self, where: str) -> None:
        if where == self.where and self.global_step == BROKEN_AT:
            {
                "exception": enough,
                "SIGINT": lambda: signal.raise_signal(signal.SIGINT),
                "SIGTERM": lambda: signal.raise_signal(signal.SIGTERM),
                "should_stop": lambda: setattr(self.trainer, "should_stop", True),
            }[self.how]()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        self.may_break("training_step")
        return super().training_step(batch, batch_idx)

    def on_before_zero_grad(self, optimizer: Any) -> None:
        self.may_break("on_before_zero_grad")

    def on_after_backward(self) -> None:
        self.may_break("on_after_backward")

    def on_train_batch_end(self, *args: Any) -> None:
        super().on_train_batch_end(*args)
        self.may_break("on_train_batch_end")

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.may_break("validation_step")

    def on_train_epoch_end(self) -> None:
        self.may_break("on_train_epoch_end")


def fit_to_the_end(trainer: L.Trainer, module: L.LightningModule) -> str:
    """Train, and say how it ended."""
    try:
        trainer.fit(module, loader(), loader() if isinstance(module, Breaking) else None)
    except Enough as error:
        return str(error)
    except SystemExit as error:
        return f"{type(error).__name__} {error.code}"
    return "returned"


ENDINGS = {"exception": "as the user wrote it", "SIGINT": "SystemExit 1", "should_stop": "returned"}


@pytest.mark.parametrize(
    ("how", "where"),
    [
        ("exception", "training_step"),
        ("exception", "on_after_backward"),
        ("exception", "on_train_batch_end"),
        ("exception", "validation_step"),
        ("exception", "on_train_epoch_end"),
        ("SIGINT", "training_step"),
        ("SIGINT", "on_before_zero_grad"),
        ("SIGINT", "validation_step"),
        ("SIGTERM", "training_step"),
        ("should_stop", "training_step"),
    ],
)
def test_a_training_that_breaks_off_has_a_complete_record(how: str, where: str, tmp_path: Path) -> None:
    result = watched(lambda: Breaking(how, where), tmp_path, fit_to_the_end)
    assert result["outcome"].startswith(ENDINGS.get(how, "SIGTERMException"))
    unlogged = {BROKEN_AT - 1: BROKEN_AT} if where == "on_train_batch_end" else {}
    run = assert_complete(tmp_path / "watched", unlogged=unlogged)
    assert run.steps[-1] == result["step"]
    assert BROKEN_AT <= result["step"] <= BROKEN_AT + 1


class Interrupting(L.Callback):
    """Raises what Ctrl-C does, between the callbacks."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        if trainer.global_step == self.step:
            raise KeyboardInterrupt


@pytest.mark.parametrize("last", [False, True], ids=["ours first", "ours last"])
def test_an_interrupt_between_the_callbacks_loses_nothing(last: bool, tmp_path: Path) -> None:
    watched(Net, tmp_path, fit_to_the_end, others=lambda: [Interrupting(BROKEN_AT)], last=last)
    assert assert_complete(tmp_path / "watched", unlogged={BROKEN_AT - 1: BROKEN_AT}).steps[-1] == BROKEN_AT


def test_an_interrupt_during_a_look_loses_nothing(tmp_path: Path) -> None:
    looks: list[int] = []

    def predict(module: Any, points: Tensor) -> Tensor:
        looks.append(module.global_step)
        torch.rand(())
        if len(looks) == 11:
            raise KeyboardInterrupt
        return module(points)

    result = trained(Net, tmp_path / "watched", [SequentialFitting(probe(predict=predict))], fit_to_the_end)
    assert looks == [*due(range(STEPS))[:11], result["step"]]  # the last one is taken again
    assert_same(trained(Net, tmp_path / "bare", [Interrupting(result["step"])], fit_to_the_end), result)
    assert_complete(tmp_path / "watched", unlogged={result["step"] - 1: result["step"]})


@pytest.mark.parametrize("which", [2, 4], ids=["with a checkpoint", "at the end"])
def test_an_interrupt_while_the_record_is_written_loses_nothing(
    which: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    savez = np.savez

    def interrupted(file: Any, **arrays: Any) -> None:
        written.append(int(arrays["steps"][-1]))
        if len(written) == which:
            file.write(b"half")
            raise KeyboardInterrupt
        savez(file, **arrays)

    monkeypatch.setattr(np, "savez", interrupted)
    callbacks = [SequentialFitting(probe()), ModelCheckpoint(tmp_path / "checkpoints", every_n_train_steps=15)]
    trained(Net, tmp_path, callbacks, fit_to_the_end, enable_checkpointing=True, max_steps=50)
    assert written == {2: [15, 29, 30], 4: [15, 29, 41, 50, 50]}[which]
    assert_whole_files(tmp_path, "probe")
    assert load(tmp_path).steps.tolist() == due(range(1, written[-1] + 1))


def another(trainer: L.Trainer, *, same: bool = False, **options: Any) -> L.Trainer:
    """A second trainer in the same folder, with the first one's callback of ours or one made anew, if it has any."""
    ours = [callback for callback in trainer.callbacks if isinstance(callback, SequentialFitting)]
    callbacks = ours if same else [SequentialFitting(probe()) for _ in ours]
    return make_trainer(Path(trainer.default_root_dir), callbacks, **{"logger": False, **options})


def looks_of(run: Run, fit: int) -> list[int]:
    return run.steps[run.fit == fit].tolist()


@pytest.mark.parametrize("kept", ["ModelCheckpoint", "OnExceptionCheckpoint"])
def test_a_fit_resumed_in_mid_epoch_goes_on_as_without_us(kept: str, tmp_path: Path) -> None:
    def keeper() -> list[Any]:
        folder = tmp_path / "checkpoints"
        if kept == "ModelCheckpoint":
            return [ModelCheckpoint(folder, every_n_train_steps=25, save_top_k=1)]
        return [OnExceptionCheckpoint(folder)]

    def run(trainer: L.Trainer, module: L.LightningModule) -> Any:
        with pytest.raises(Enough):
            trainer.fit(module, loader(batch_size=16), loader())
        stopped = left_behind(trainer, module)
        (saved,) = (tmp_path / "checkpoints").iterdir()
        logger = CSVLogger(trainer.default_root_dir, name="resumed", version="")
        second, module = another(trainer, logger=logger), Net()
        second.fit(module, loader(batch_size=16), ckpt_path=saved)
        saved.unlink()
        return stopped, left_behind(second, module)

    result = watched(
        lambda: Breaking("exception", "training_step"), tmp_path, run, others=keeper, enable_checkpointing=True
    )
    stopped, resumed = result["outcome"]
    assert (stopped["step"], resumed["step"]) == (BROKEN_AT, STEPS)
    assert_complete(tmp_path / "watched")  # of the fit that broke off
    folder = tmp_path / "watched" / "resumed"
    record = load(folder)
    extra = [] if kept == "ModelCheckpoint" else [BROKEN_AT]  # a checkpoint made at the break has the look at the break
    assert looks_of(record, 0) == record.steps.tolist() == sorted({*due(range(1, STEPS + 1)), *extra})
    taken = steps_taken(folder)
    resumed_at = record.steps > (25 if kept == "ModelCheckpoint" else BROKEN_AT)
    assert [taken[axis] for axis in record.logger_steps[resumed_at].tolist()] == record.steps[resumed_at].tolist()
    assert_whole_files(folder, "probe")


def saved_record(path: Path) -> Any:
    states = torch.load(path, weights_only=True)["callbacks"]
    (state,) = (state for key, state in states.items() if key.startswith("seqfit."))
    return state["record"]


def finished_and_resumed(trainer: L.Trainer, module: L.LightningModule) -> tuple[L.Trainer, L.LightningModule]:
    """A fit to the end, and a second one that resumes from there."""
    end = Path(trainer.default_root_dir) / "end.ckpt"
    fit(trainer, module)
    trainer.save_checkpoint(end)
    second, module = another(trainer), Net()
    second.fit(module, loader(), ckpt_path=end)
    assert second.global_step == STEPS
    return second, module


def test_a_fit_with_nothing_left_to_do_keeps_the_record(tmp_path: Path) -> None:
    def run(trainer: L.Trainer, module: L.LightningModule) -> Any:
        second, module = finished_and_resumed(trainer, module)
        second.save_checkpoint(Path(trainer.default_root_dir) / "again.ckpt")
        return left_behind(second, module)

    watched(Net, tmp_path, run)
    assert_complete(tmp_path / "watched")
    assert_whole_files(tmp_path / "watched", "probe")
    assert_same(*(saved_record(tmp_path / "watched" / name) for name in ("end.ckpt", "again.ckpt")))
    assert saved_record(tmp_path / "watched" / "end.ckpt")["columns"]["steps"].tolist() == due(range(1, STEPS + 1))


def test_a_fit_with_nothing_left_to_do_can_be_prolonged(tmp_path: Path) -> None:
    def run(trainer: L.Trainer, module: L.LightningModule) -> Any:
        second, module = finished_and_resumed(trainer, module)
        second.fit_loop.epoch_loop.max_steps = STEPS + 10
        fit(second, module)
        return left_behind(second, module)

    watched(Net, tmp_path, run)
    record = load(tmp_path / "watched")
    assert (looks_of(record, 0), looks_of(record, 1)) == (
        due(range(1, STEPS + 1)),
        due(range(STEPS + 1, STEPS + 11), start=STEPS),
    )
    assert_whole_files(tmp_path / "watched", "probe")


def test_a_fit_with_nothing_left_to_do_is_forgotten_by_another_module(tmp_path: Path) -> None:
    def run(trainer: L.Trainer, module: L.LightningModule) -> Any:
        second, module = finished_and_resumed(trainer, module)
        third, module = another(second, same=True, max_steps=3), Net()
        fit(third, module)
        return left_behind(third, module)

    watched(Net, tmp_path, run)
    record = load(tmp_path / "watched" / "seqfit" / "run_1")
    assert looks_of(record, 0) == record.steps.tolist() == [0, 1, 2, 3]
    assert load(tmp_path / "watched" / "seqfit" / "probe.npz").steps[-1] == STEPS


def test_two_fits_of_a_module_are_one_record_on_one_axis(tmp_path: Path) -> None:
    def run(trainer: L.Trainer, module: L.LightningModule) -> None:
        fit(trainer, module)
        trainer.fit_loop.epoch_loop.max_steps = STEPS + 30
        fit(trainer, module)

    watched(Net, tmp_path, run)
    record = load(tmp_path / "watched")
    assert looks_of(record, 0) == due(range(1, STEPS + 1))
    assert looks_of(record, 1) == due(range(STEPS + 1, STEPS + 31), start=STEPS)
    assert record.total_steps.tolist() == record.steps.tolist()
    taken = steps_taken(tmp_path / "watched")
    moved = np.diff(record.steps, prepend=0) > 0  # a fit's first look lies before its first batch
    assert [taken[axis] for axis in record.logger_steps[moved].tolist()] == record.steps[moved].tolist()
    assert_whole_files(tmp_path / "watched", "probe")


@pytest.mark.parametrize("same", [True, False], ids=["the same module", "another module"])
def test_a_second_trainer_goes_on_with_the_module_and_starts_anew_with_another(same: bool, tmp_path: Path) -> None:
    def run(trainer: L.Trainer, module: Any) -> Any:
        fit(trainer, module)
        second = another(trainer, same=True, max_steps=12)
        module = module if same else Net()
        module.optimizer = "lbfgs"  # after Adam, as physics-informed networks are trained
        fit(second, module)
        return left_behind(second, module)

    watched(Net, tmp_path, run)
    record = load(tmp_path / "watched" / "seqfit" / ("probe.npz" if same else "run_1"))
    first, second = due(range(1, STEPS + 1)), due(range(1, 13))
    if same:
        assert (looks_of(record, 0), looks_of(record, 1)) == (first, second)
        assert record.total_steps.tolist() == [*first, *(STEPS + step for step in second)]
        assert_whole_files(tmp_path / "watched", "probe")
    else:
        assert looks_of(record, 0) == record.steps.tolist() == second
        assert load(tmp_path / "watched" / "seqfit" / "probe.npz").steps.tolist() == first
        assert_whole_files(tmp_path / "watched", "probe")


@pytest.mark.parametrize("between", ["lr_find", "test of a checkpoint", "failure to start"])
def test_what_happens_between_two_fits_does_not_take_the_record_back(between: str, tmp_path: Path) -> None:
    def run(trainer: L.Trainer, module: Any) -> Any:
        early = Path(trainer.default_root_dir) / "early.ckpt"
        trainer.fit_loop.epoch_loop.max_steps = 15
        fit(trainer, module)
        trainer.save_checkpoint(early)
        trainer.fit_loop.epoch_loop.max_steps = 30
        fit(trainer, module)
        if between == "lr_find":
            Tuner(trainer).lr_find(module, loader(), num_training=10)
        elif between == "test of a checkpoint":
            trainer.test(module, loader(), ckpt_path=early, verbose=False)
        else:
            second = another(trainer, same=True)
            module.configure_optimizers = enough
            with pytest.raises(Enough):
                fit(second, module)
            del module.configure_optimizers
            second.save_checkpoint(early)
        trainer.fit_loop.epoch_loop.max_steps = STEPS
        fit(trainer, module)

    class Tested(Net):
        def test_step(self, batch: list[Tensor], batch_idx: int) -> None: ...

    watched(Tested, tmp_path, run)
    record = load(tmp_path / "watched")
    assert [looks_of(record, fit) for fit in range(3)] == [due(range(1, 16)), [15, 21, 29, 30], [30, STEPS]]
    assert_whole_files(tmp_path / "watched", "probe")
    if between == "failure to start":
        assert saved_record(tmp_path / "watched" / "early.ckpt")["columns"]["steps"][-1] == 30


def test_a_search_for_a_learning_rate_in_a_resumed_fit_keeps_what_was_loaded(tmp_path: Path) -> None:
    def run(trainer: L.Trainer, module: Any) -> Any:
        end = Path(trainer.default_root_dir) / "end.ckpt"
        fit(trainer, module)
        trainer.save_checkpoint(end)
        second, module = another(trainer, max_steps=STEPS + 30), Net()
        second.callbacks.append(LearningRateFinder(num_training_steps=10))
        second.fit(module, loader(), ckpt_path=end)
        return left_behind(second, module)

    watched(Net, tmp_path, run)
    record = load(tmp_path / "watched")
    assert looks_of(record, 0) == record.steps.tolist() == sorted({*due(range(1, STEPS + 31)), STEPS})
    assert_whole_files(tmp_path / "watched", "probe")
