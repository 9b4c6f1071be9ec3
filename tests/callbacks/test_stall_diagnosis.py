"""A diagnosis in training: where it is, when it is said, whether it ends the training, and that it changes nothing."""

from __future__ import annotations

import logging
import math
import pickle
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from lightning_seqfit import Probe, diagnose, load
from lightning_seqfit.callbacks import (
    BasisSnapshot,
    ErrorFront,
    FourierResidual,
    OscillationCount,
    SequentialFitting,
    StallDiagnosis,
)
from lightning_seqfit.diagnosis import Course, Verdict, reading
from lightning_seqfit.diagnosis.diagnosis import Forecast
from lightning_seqfit.diagnosis.verdict import STALLED
from lightning_seqfit.diagnostics import stall
from lightning_seqfit.record.history import Record
from lightning_seqfit.watch import verdicts
from tests.training import Net, fit, loader, probe, rows, silent, trained, trainer, watched

pytestmark = pytest.mark.filterwarnings(
    "ignore:You're resuming from a checkpoint that ended before the epoch:UserWarning",
    "ignore:Checkpoint directory .* exists and is not empty:UserWarning",
)

#: Under these a fit gets on by itself, need not, or nobody can tell; and one that diverged is said so.
NOT_STALLED = ("undecided", "progressing", "sequential", "fitted", "noise floor", "diverged")

#: Words by the first step at which they hold.
Script = Mapping[int, str]


def follow(monkeypatch: pytest.MonkeyPatch, *scripts: Script) -> None:
    """Have looks judged by a script; of several by the one whose number is the target's frequency, less one."""

    def judge(signs: Any, look: int, situation: Any, before: Course) -> Course:
        script = scripts[round(situation.frequencies[0]) - 1] if len(scripts) > 1 else scripts[0]
        step = float(signs.step[look])
        verdict = Verdict(script[max(first for first in script if first <= step)])
        return Course(verdict, verdict in STALLED, since=step if verdict in STALLED else np.nan)

    monkeypatch.setattr(stall, "judge", judge)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[str]]]:
    """Lines on the console that begin with our name, but for the summary."""
    with caplog.at_level(logging.INFO, "lightning.pytorch.utilities.rank_zero"):
        lines = lambda: [message for message in caplog.messages if message.startswith("seqfit: ")]  # noqa: E731
        yield lambda: [line for line in lines() if "; record and figures " not in line]


class Texts(CSVLogger):
    """A logger that takes texts."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="")
        self.texts: list[tuple[int, str]] = []

    def log_text(self, key: str, texts: list[str], step: int) -> None:
        if key.endswith("stall/verdict"):
            self.texts += [(step, text) for text in texts]


def two_waves(points: Tensor) -> Tensor:
    return torch.stack([torch.sin(2 * torch.pi * points[:, 0]), torch.sin(4 * torch.pi * points[:, 0])], dim=1)


def twice(module: nn.Module, points: Tensor) -> Tensor:
    return module(points).reshape(-1, 1).expand(-1, 2)


class TestWhatIsThere:
    def test_it_logs_what_it_goes_by_and_nothing_else(self, tmp_path: Path) -> None:
        def tags(folder: str, *callbacks: Any) -> set[str]:
            fit(trainer(tmp_path / folder, callbacks), Net())
            return {tag for tag in load(tmp_path / folder).scalars if not tag.startswith("stall/")}

        shared = probe()
        parts = tags("parts", ErrorFront(shared), FourierResidual(shared), BasisSnapshot(shared))
        assert tags("one", StallDiagnosis(probe())) == {*parts, "training/update", "training/adaptive"}
        said = {"stalled", "doublings", "forecast_step", "forecast_low", "forecast_high"}
        logged = {tag for row in rows(tmp_path / "one") for tag, value in row.items() if "/stall/" in tag and value}
        assert logged <= {f"seqfit/stall/{name}" for name in said}
        assert "seqfit/stall/stalled" in logged

    def test_what_is_only_kept_reaches_no_logger_and_no_monitor(self, tmp_path: Path) -> None:
        trains = trainer(tmp_path, [StallDiagnosis(probe())])
        fit(trains, Net())
        kept = {"stall/path", "stall/looks", "stall/verdict", "training/update", "fourier/flatness"}
        assert kept <= set(load(tmp_path).scalars)
        seen = {*trains.callback_metrics, *(tag for row in rows(tmp_path) for tag in row)}
        assert not {f"seqfit/{tag}" for tag in kept} & seen

    def test_the_training_is_bitwise_what_it_is_without_it(self, tmp_path: Path) -> None:
        watched(Net, tmp_path, watchers=[StallDiagnosis(probe(), stop_on=["diverged"])])

    @pytest.mark.parametrize("kind", [StallDiagnosis, SequentialFitting])
    def test_the_diagnosis_is_that_of_the_record(self, kind: Any, tmp_path: Path) -> None:
        watcher = kind(probe())
        assert watcher.diagnosis is None
        assert watcher.diagnoses == {}
        fit(trainer(tmp_path, [watcher]), Net())
        found, read = watcher.diagnosis, diagnose(load(tmp_path))
        assert found is not None
        assert (found.step, found.verdict, found.stalled) == (40, read.verdict, read.stalled)
        assert [each.name for each in found.evidence] == [each.name for each in read.evidence]
        assert found.not_checked == read.not_checked
        assert watcher.diagnoses.keys() == {"probe"}

    def test_callbacks_that_share_a_probe_share_the_diagnosis(self, tmp_path: Path) -> None:
        shared = probe()
        first, second = OscillationCount(shared), StallDiagnosis(shared)
        fit(trainer(tmp_path, [first, second]), Net())
        assert second.diagnosis is not None
        assert second.diagnosis.step == 40

    def test_of_several_outputs_it_is_the_one_that_is_worst_off(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        follow(monkeypatch, {0: "fitted"}, {0: "progressing", 8: "stuck"})
        both = Probe.grid([(0.0, 1.0)], two_waves, predict=twice, output=[0, 1], name="both")
        watcher = StallDiagnosis(both)
        fit(trainer(tmp_path, [watcher]), Net())
        assert watcher.diagnosis is not None
        assert watcher.diagnosis.verdict is Verdict.STUCK
        found = {name: each.verdict.value for name, each in watcher.diagnoses.items()}
        assert found == {"both.0": "fitted", "both.1": "stuck"}

    def test_it_is_there_for_the_length_of_several_outputs(self, tmp_path: Path) -> None:
        watcher = StallDiagnosis(Probe.grid([(0.0, 1.0)], two_waves, predict=twice, output="norm"))
        fit(trainer(tmp_path, [watcher]), Net())
        run = load(tmp_path)
        assert run.stall is not None
        assert all(run.stall.verdict)
        assert run.stall.situation.frequencies == (2.0,)  # the higher of the two

    def test_it_can_be_sent_to_another_process_with_what_it_found(self, tmp_path: Path) -> None:
        watcher = StallDiagnosis(Probe.grid([(0.0, 1.0)], 1.0), stop_on=["diverged"])
        fit(trainer(tmp_path, [watcher]), Net())
        sent = pickle.loads(pickle.dumps(watcher))
        assert sent.stop_on == ("diverged",)
        assert sent.diagnosis.step == watcher.diagnosis.step == 40


class TestWhatIsSaid:
    def test_a_verdict_is_said_when_it_changes_and_only_then(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
    ) -> None:
        follow(monkeypatch, {0: "undecided", 3: "progressing", 8: "stuck"})
        logger = Texts(tmp_path)
        fit(trainer(tmp_path, [SequentialFitting(probe(name="left"))], logger=logger), Net())
        first, second = said()
        assert first.startswith("seqfit: left: step 3: progressing")
        assert " of 3 oscillations" in first
        assert second.startswith("seqfit: left: step 8: stuck since step 8")
        assert [step for step, _ in logger.texts] == [2, 7, 39]  # at the end too; Lightning's axis counts from 0
        assert "**stuck**" in logger.texts[1][1]

    def test_the_first_forecast_is_said_once_also_where_the_run_is_resumed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
    ) -> None:
        def forecast(signs: Any, look: int) -> Forecast | None:
            step = float(signs.step[look])
            return None if step < 4 else Forecast(*(math.inf,) * 3) if step < 8 else Forecast(step + 10, step, 99.0)

        follow(monkeypatch, {0: "undecided", 3: "sequential"})
        monkeypatch.setattr(stall, "forecast", forecast)
        monkeypatch.setattr(reading, "forecast", forecast)
        begun = trainer(tmp_path / "begun", [StallDiagnosis(probe())], max_steps=20)
        fit(begun, Net())
        begun.save_checkpoint(tmp_path / "begun.ckpt")
        first, second = said()
        assert "step 3: sequential" in first
        assert "fitted at about" not in first
        assert "step 8: sequential" in second
        assert "fitted at about step 18 (8 to 99); training ends at 20" in second
        resumed = trainer(tmp_path / "resumed", [StallDiagnosis(probe())])
        resumed.fit(Net(), loader(), ckpt_path=tmp_path / "begun.ckpt", weights_only=False)
        assert said() == [first, second]

    @pytest.mark.parametrize("word", ["fitted", "noise floor"])
    def test_what_is_done_has_no_forecast(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
        follow(monkeypatch, {0: "sequential", 8: word})
        for module in (stall, reading):
            monkeypatch.setattr(module, "forecast", lambda signs, look: Forecast(99.0, 50.0, 200.0))
        watcher = StallDiagnosis(probe())
        fit(trainer(tmp_path, [watcher]), Net())
        run = load(tmp_path)
        assert run.stall is not None
        assert np.isfinite(run.stall.forecast_step).tolist() == (run.steps < 8).tolist()
        assert watcher.diagnosis is not None
        assert watcher.diagnosis.forecast is None
        assert "fitted at about" not in str(run.summary())

    @pytest.mark.parametrize(("word", "tried"), [("stuck", True), ("progressing", False), ("diverged", False)])
    def test_the_last_line_of_a_stalled_run_names_the_command_that_tries_remedies(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        word: str,
        tried: bool,
    ) -> None:
        follow(monkeypatch, {0: word})
        with caplog.at_level(logging.INFO, "lightning.pytorch.utilities.rank_zero"):
            fit(trainer(tmp_path, [StallDiagnosis(probe(name="left"))]), Net())
        last = [message for message in caplog.messages if "; record and figures in " in message][-1]
        named = f"; to try what may end it: seqfit try {tmp_path / 'seqfit'} --name left"
        assert last.endswith(named) is tried

    def test_a_residual_that_is_stalled_has_nothing_to_be_tried_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        follow(monkeypatch, {0: "stuck"})
        with caplog.at_level(logging.INFO, "lightning.pytorch.utilities.rank_zero"):
            fit(trainer(tmp_path, [StallDiagnosis(Probe.grid([(0.0, 1.0)], 0.0))]), Net())
        assert "seqfit try" not in caplog.text

    def test_a_run_that_stays_undecided_says_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
    ) -> None:
        follow(monkeypatch, {0: "undecided"})
        fit(trainer(tmp_path, [StallDiagnosis(probe())]), Net())
        assert said() == []
        assert "undecided" in str(load(tmp_path).summary())

    def test_the_console_has_at_most_ten_lines_and_the_loggers_have_all(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
    ) -> None:
        follow(monkeypatch, {step: ("progressing", "sequential")[step % 2] for step in range(41)})
        logger = Texts(tmp_path)
        fit(trainer(tmp_path, [StallDiagnosis(probe(), every_n_steps=1)], logger=logger), Net())
        assert len(said()) == verdicts.MOST_LINES == 10
        assert "further changes" in said()[-1]
        assert len(logger.texts) == 41 + 1

    def test_the_summary_says_what_it_is_since_when_and_what_to_do(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        follow(monkeypatch, {0: "undecided", 8: "not started"})
        fit(trainer(tmp_path, [StallDiagnosis(probe())]), Net())
        summary = load(tmp_path).summary()
        assert "not started since step " in summary.line
        assert "omega_0" in str(summary)

    def test_words_that_fail_are_said_once_and_the_training_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*args: Any) -> str:
            raise ArithmeticError("no such word")

        follow(monkeypatch, {0: "undecided", 3: "progressing", 8: "stuck"})
        monkeypatch.setattr(verdicts.words, "line", fails)
        trains = trainer(tmp_path, [StallDiagnosis(probe())])
        with pytest.warns(UserWarning, match=r"stall/verdict of the probe failed at step 3 .* no such word") as caught:
            fit(trains, Net())
        assert sum("no such word" in str(each.message) for each in caught) == 1
        assert trains.global_step == 40
        assert load(tmp_path).stall.verdict[-1] == "stuck"  # type: ignore[union-attr]

    def test_a_judgement_that_fails_is_switched_off_and_all_else_goes_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*args: Any) -> Course:
            raise ArithmeticError("hung jury")

        monkeypatch.setattr(stall, "judge", fails)
        watcher = StallDiagnosis(probe())
        with pytest.warns(UserWarning, match="stall of the probe failed at step 0 .* hung jury"):
            fit(trainer(tmp_path, [watcher]), Net())
        assert watcher.diagnosis is None
        run = load(tmp_path)
        assert run.steps[-1] == 40
        assert np.isfinite(run.scalars["front/fitted"]).all()


class TestStopping:
    @pytest.mark.parametrize("given", ["diverged", 3, None])
    def test_what_is_no_list_is_refused(self, given: Any) -> None:
        with pytest.raises(TypeError, match=r"is no list: give words of verdicts, such as \[\"diverged\"\].*'stuck'"):
            StallDiagnosis(probe(), stop_on=given)

    @pytest.mark.parametrize("given", [["stuk"], [Verdict.STUCK], ["stuck", 3], [None], [np.ones(2)]])
    @pytest.mark.parametrize("kind", [StallDiagnosis, SequentialFitting])
    def test_what_is_no_word_is_refused_with_those_that_are(self, kind: Any, given: Any) -> None:
        with pytest.raises(ValueError, match=r"is no word of a verdict; there are 'diverged', 'fitted'.*'stuck'"):
            kind(probe(), stop_on=given)

    def test_a_training_stops_at_the_look_that_finds_it_and_says_why(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
    ) -> None:
        follow(monkeypatch, {0: "undecided", 3: "progressing", 8: "stuck"})
        trains = trainer(tmp_path, [StallDiagnosis(probe(), stop_on=["diverged", "stuck"])])
        fit(trains, Net())
        assert trains.global_step == 8
        assert "the training stops after step 8: at the probe it is 'stuck', which stop_on names" in said()[-1]
        assert load(tmp_path).steps[-1] == 8

    @pytest.mark.parametrize("word", [each.value for each in Verdict])
    def test_one_word_stands_for_every_verdict_under_which_it_does_not_get_on(
        self, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        follow(monkeypatch, {0: "undecided", 8: word})
        watcher = StallDiagnosis(probe(), stop_on=["stalled"])
        trains = trainer(tmp_path, [watcher])
        fit(trains, Net())
        assert watcher.diagnosis is not None
        assert (trains.global_step == 8) == watcher.diagnosis.stalled
        assert watcher.diagnosis.stalled == (word not in NOT_STALLED)

    def test_another_verdict_ends_nothing_nor_does_the_last_look(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
    ) -> None:
        follow(monkeypatch, {0: "undecided", 8: "capacity", 40: "stuck"})
        trains = trainer(tmp_path, [StallDiagnosis(probe(), stop_on=["stuck"], every_n_steps=30)])
        fit(trains, Net())
        assert trains.global_step == 40
        assert not any("the training stops" in line for line in said())

    def test_it_goes_on_to_the_least_number_of_steps(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
    ) -> None:
        follow(monkeypatch, {0: "undecided", 3: "stuck"})
        trains = trainer(tmp_path, [StallDiagnosis(probe(), stop_on=["stuck"])], min_steps=20)
        fit(trains, Net())
        assert trains.global_step == 20
        assert sum("the training stops" in line for line in said()) == 1

    def test_what_either_of_two_callbacks_on_a_probe_names_ends_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        follow(monkeypatch, {0: "undecided", 6: "stuck"})
        shared = probe()
        trains = trainer(
            tmp_path, [ErrorFront(shared), SequentialFitting(shared), StallDiagnosis(shared, stop_on=["stuck"])]
        )
        fit(trains, Net())
        assert trains.global_step == 6

    @pytest.mark.parametrize(
        ("word", "others", "steps"), [("fitted", "fitted", 15), ("fitted", "stuck", 40), ("stuck", "stuck", 15)]
    )
    def test_of_several_outputs_one_in_trouble_ends_it_and_what_is_good_only_with_all(
        self, word: str, others: str, steps: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        follow(monkeypatch, {0: "undecided", 3: "fitted"}, {0: "undecided", 15: others})
        both = Probe.grid([(0.0, 1.0)], two_waves, predict=twice, output=[0, 1])
        trains = trainer(tmp_path, [StallDiagnosis(both, stop_on=[word])])
        fit(trains, Net())
        assert trains.global_step == steps

    def test_a_prediction_that_is_not_finite_ends_it_where_that_is_asked(self, tmp_path: Path) -> None:
        class Breaks(L.Callback):
            def on_train_batch_end(self, trainer: L.Trainer, module: Any, *args: Any) -> None:
                if trainer.global_step == 5:
                    with torch.no_grad():
                        module.last.bias.fill_(torch.nan)

        trains = trainer(tmp_path, [Breaks(), StallDiagnosis(probe(), stop_on=["diverged"])])
        with pytest.warns(UserWarning, match="NaN or infinite"):
            fit(trains, Net())
        assert trains.global_step == 8  # the second look after it: errors are medians of three


class TestAPairOfProbes:
    @staticmethod
    def residual(module: nn.Module, points: Tensor) -> Tensor:
        (slope,) = torch.autograd.grad(module(points).sum(), points)
        return slope[:, 0] - 6 * torch.pi * torch.cos(6 * torch.pi * points[:, 0])

    @pytest.mark.parametrize("first", ["solution", "residual"])
    def test_the_solution_s_diagnosis_knows_that_a_residual_is_beside_it(self, first: str, tmp_path: Path) -> None:
        pair = [
            StallDiagnosis(probe(name="solution")),
            ErrorFront(probe(name="residual", target=0.0, predict=self.residual, needs_grad=True)),
        ]
        fit(trainer(tmp_path, pair if first == "solution" else pair[::-1], max_steps=3), Net())
        solution = load(tmp_path, "solution").stall
        assert solution is not None
        assert (solution.situation.residual, solution.situation.residual_beside) == (False, True)

    def test_a_resumed_run_knows_it_too_and_each_probe_says_what_it_is(self, tmp_path: Path) -> None:
        def pair() -> list[Any]:
            keeper = ModelCheckpoint(tmp_path / "kept", every_n_train_steps=4, save_top_k=-1, filename="{step}")
            asked = probe(name="residual", target=0.0, predict=self.residual, needs_grad=True)
            return [StallDiagnosis(probe(name="solution")), StallDiagnosis(asked), keeper]

        fit(trainer(tmp_path / "one", pair(), max_steps=4, enable_checkpointing=True), Net())
        trains = trainer(tmp_path / "two", pair(), max_steps=6, enable_checkpointing=True)
        trains.fit(Net(), loader(), ckpt_path=tmp_path / "kept" / "step=4.ckpt")
        found = [load(tmp_path / "two", name).stall.situation for name in ("solution", "residual")]  # type: ignore[union-attr]
        assert [(each.residual, each.residual_beside) for each in found] == [(False, True), (True, False)]
        assert not found[1].relative  # to its first look

    def test_a_probe_alone_has_none_beside_it_also_after_a_fit_that_had(self, tmp_path: Path) -> None:
        watcher, module = StallDiagnosis(probe()), Net()
        asked = probe(name="residual", target=0.0, predict=self.residual, needs_grad=True)
        fit(trainer(tmp_path / "one", [watcher, ErrorFront(asked)], max_steps=3), module)
        fit(trainer(tmp_path / "two", [watcher], max_steps=3), module)
        assert not load(tmp_path / "two").stall.situation.residual_beside  # type: ignore[union-attr]


class Learns(L.LightningModule):
    """A network that takes a thousand steps to three oscillations, and what it is trained on."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1))

    def forward(self, points: Tensor) -> Tensor:
        return self.net(2 * points - 1)

    def training_step(self, batch: list[Tensor]) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)

    def train_dataloader(self) -> Any:
        points = torch.linspace(0, 1, 64)[:, None]
        return DataLoader([(points, torch.sin(6 * torch.pi * points))] * 100, batch_size=None)


def learned(folder: Path, *callbacks: Any, every_n_steps: int = 20, resume: Path | None = None, **options: Any) -> Any:
    watcher = StallDiagnosis(probe(), every_n_steps=every_n_steps)
    trains = trainer(
        folder,
        [watcher, *callbacks],
        **{"logger": False, "max_steps": 1400, "enable_checkpointing": bool(callbacks), **options},
    )
    trains.fit(Learns(), ckpt_path=resume)
    found = load(folder).stall
    assert found is not None
    return watcher, found


def test_a_resumed_run_gives_the_verdicts_of_one_that_was_not_stopped(tmp_path: Path) -> None:
    def keeper() -> ModelCheckpoint:
        return ModelCheckpoint(tmp_path / "kept", every_n_train_steps=730, save_top_k=-1, filename="{step}")

    whole, one = learned(tmp_path / "whole", keeper())
    resumed, other = learned(tmp_path / "resumed", keeper(), resume=tmp_path / "kept" / "step=730.ckpt")
    assert len(one.verdict) > 60
    assert len(set(one.verdict)) > 1
    for name in ("verdict", "stalled", "since", "doublings", "forecast_step", "forecast_low", "forecast_high"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name, column in vars(one.signs).items():
        np.testing.assert_equal(column, getattr(other.signs, name), err_msg=name)
    assert one.situation == other.situation
    assert whole.diagnosis == resumed.diagnosis


def test_a_record_that_was_thinned_gives_the_verdicts_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = learned(tmp_path / "whole", every_n_steps=4)
    monkeypatch.setattr(Record.__init__, "__defaults__", (96,))
    _, thinned = learned(tmp_path / "thinned", every_n_steps=4)
    assert len(thinned.verdict) <= 96 < 300 < len(whole.verdict)
    assert thinned.signs.looks[-1] == len(whole.verdict)
    at = np.searchsorted(whole.signs.step, thinned.signs.step)
    for name in ("error", "mean_error", "path", "looks", "loss_ratio", "projection_ratio", "best_error"):
        np.testing.assert_array_equal(getattr(whole.signs, name)[at], getattr(thinned.signs, name), err_msg=name)
    assert np.mean(whole.verdict[at] == thinned.verdict) > 0.9
    assert whole.verdict[-1] == thinned.verdict[-1] != "undecided"
    run = load(tmp_path / "thinned")
    assert [diagnose(run, look).verdict.value for look in range(len(thinned.verdict))] == thinned.verdict.tolist()


def test_a_look_after_every_step_fills_the_record_and_goes_on(tmp_path: Path) -> None:
    _, found = learned(tmp_path, every_n_steps=1, max_steps=600)
    assert len(found.verdict) <= 512
    assert found.signs.looks[-1] == 601
    assert all(found.verdict)


class TestWhatIsNotThere:
    def test_a_training_without_a_loss_is_judged_and_says_what_was_not_checked(self, tmp_path: Path) -> None:
        class Silent(Net):
            def __init__(self) -> None:
                super().__init__()
                self.automatic_optimization = False

            def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
                optimizer: Any = self.optimizers()
                optimizer.zero_grad()
                self.manual_backward(nn.functional.mse_loss(self(batch[0]), batch[1]))
                optimizer.step()

            def on_train_batch_end(self, *args: Any) -> None: ...

        watcher = StallDiagnosis(probe())
        fit(trainer(tmp_path, [watcher]), Silent())
        found = load(tmp_path).stall
        assert found is not None
        assert all(found.verdict)
        assert np.isnan(found.signs.loss).all()
        assert watcher.diagnosis is not None
        assert any("loss" in each for each in watcher.diagnosis.not_checked)

    def test_a_module_without_a_linear_layer_is_judged(self, tmp_path: Path) -> None:
        class Sum(Net):
            def __init__(self) -> None:
                super().__init__()
                del self.first, self.last
                self.waves = nn.Parameter(torch.randn(8))

            def forward(self, x: Tensor) -> Tensor:
                return (torch.sin(torch.arange(1.0, 9.0) * torch.pi * x) * self.waves).sum(dim=1, keepdim=True)

        watcher = StallDiagnosis(probe())
        with pytest.warns(UserWarning, match="no nn.Linear"):
            fit(trainer(tmp_path, [watcher]), Sum())
        found = load(tmp_path).stall
        assert found is not None
        assert all(found.verdict)
        assert np.isnan(found.signs.rank_share).all()
        assert np.isfinite(found.signs.update).any()
        assert watcher.diagnosis is not None
        assert any("layer" in each or "basis" in each for each in watcher.diagnosis.not_checked)

    def test_without_a_target_it_is_absent_and_says_so(self, tmp_path: Path) -> None:
        watcher = StallDiagnosis(Probe.grid([(0.0, 1.0)], None), stop_on=["stuck"])
        fit(trainer(tmp_path, [watcher]), Net())
        run = load(tmp_path)
        assert watcher.diagnosis is None
        assert run.stall is None
        assert any(note.startswith("stall is absent: the probe has no target") for note in run.notes)

    def test_points_in_many_dimensions_are_judged_without_a_spectrum(self, tmp_path: Path) -> None:
        class Wide(Net):
            def __init__(self) -> None:
                super().__init__()
                self.first = nn.Linear(5, 16)

            def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
                return (self(points) - values[:, None]).square().mean()

        points = torch.rand(300, 5, generator=torch.Generator().manual_seed(0))
        values = torch.sin(6 * points[:, 0]) + points[:, 1]
        watcher = StallDiagnosis(Probe.points(points, values))
        with silent():
            fit(trainer(tmp_path, [watcher]), Wide())
        found = load(tmp_path).stall
        assert found is not None
        assert all(found.verdict)
        assert np.isnan(found.situation.frequencies).all()
        assert len(found.situation.lengths) == 5
        assert np.isnan(found.signs.flatness).all()

    def test_noise_of_the_target_is_in_the_situation(self, tmp_path: Path) -> None:
        x = np.linspace(0, 1, 512)
        values = np.sin(6 * np.pi * x) + 0.1 * np.random.default_rng(0).standard_normal(512)
        fit(trainer(tmp_path, [StallDiagnosis(Probe.points(x[:, None], values))]), Net())
        found = load(tmp_path).stall
        assert found is not None
        assert 0.1 < found.situation.noise < 0.2  # 0.1 over the deviation of the sine, 0.71

    def test_a_fast_development_run_writes_nothing_and_is_judged(self, tmp_path: Path) -> None:
        watcher = StallDiagnosis(probe(), stop_on=["diverged"])
        fit(trainer(tmp_path, [watcher], logger=False, max_steps=-1, fast_dev_run=True), Net())
        assert watcher.diagnosis is not None
        assert watcher.diagnosis.verdict is Verdict.UNDECIDED
        assert not (tmp_path / "seqfit").exists()


def test_the_network_s_own_normalisation_is_seen(tmp_path: Path) -> None:
    """The probe's domain is [0, 100]; the network sees [-1, 1]."""

    class Scaled(Net):
        def forward(self, x: Tensor) -> Tensor:
            return self.last(torch.tanh(self.first(x / 50 - 1)))

    def far(points: Tensor) -> Tensor:
        return torch.sin(2 * torch.pi * points[:, 0] / 20)

    trained(Scaled, tmp_path, [StallDiagnosis(Probe.grid([(0.0, 100.0)], far))])
    found = load(tmp_path).stall
    assert found is not None
    assert found.situation.lengths == pytest.approx([2.0])
    assert found.situation.bound == pytest.approx(1.0, abs=0.01)
    assert found.situation.frequencies == pytest.approx([5.0])
