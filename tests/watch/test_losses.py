"""The loss of the training and its terms in the record and the loggers.

The oracle is what the module itself keeps of every batch, and the means of that between the steps of the looks.
"""

from __future__ import annotations

import gc
import math
import time
import weakref
from itertools import pairwise
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, GradientAccumulationScheduler, ModelCheckpoint
from torch import Tensor, nn

from lightning_seqfit import Run, figures, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from lightning_seqfit.watch.failures import Failures
from lightning_seqfit.watch.losses import MOST_TERMS, Losses, readable
from tests.training import Net, fit, fit_shuffled, loader, probe, rows, silent, trainer, watched


@pytest.fixture(autouse=True)
def _no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "draw", lambda run: {})


class Terms(Net):
    """Returns its loss and two terms, and keeps what they were in every batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, float]] = []

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Any:
        data, small = self.loss(batch), 1e-3 * self.last.weight.square().sum()
        self.seen.append({"loss": (data + small).item(), "data": data.item(), "small": small.item()})
        return {"loss": data + small, "data": data, "inner/L2 norm": small, "predictions": batch[1], "name": "x"}


def means(seen: list[dict[str, float]], run: Run, name: str, batches: int = 1) -> list[float]:
    """Means of a term between the looks; NaN at the first."""
    ends = [batches * step for step in run.steps.tolist()]
    return [math.nan, *(np.mean([each[name] for each in seen[a:b]]) for a, b in pairwise(ends))]


@pytest.mark.parametrize("accumulated", [1, 2])
def test_a_dicts_entries_are_terms_and_each_look_has_their_means_since_the_one_before(
    accumulated: int, tmp_path: Path
) -> None:
    made: list[Terms] = []

    def make() -> Terms:
        made.append(Terms())
        return made[-1]

    watched(make, tmp_path, run=fit_shuffled, max_steps=20, accumulate_grad_batches=accumulated)
    run, seen = load(tmp_path / "watched"), made[-1].seen
    assert len(seen) == 20 * accumulated
    for tag, name in (("", "loss"), ("/data", "data"), ("/inner/L2_norm", "small")):
        expected = means(seen, run, name, accumulated)
        np.testing.assert_allclose(run.scalars[f"training/loss{tag}"], expected, rtol=1e-5)
    assert set(run.losses) == {"data", "inner/L2_norm"}
    assert len(np.unique(run.losses["data"][1:])) > 5
    tag = "seqfit/training/loss/data"
    logged = [float(row[tag]) for row in rows(tmp_path / "watched") if row[tag]]
    assert logged == run.losses["data"][1:].tolist()
    assert "loss data" in str(run.summary())
    assert not [note for note in run.notes if "loss" in note]


def test_the_loss_of_steps_that_accumulate_more_and_more_batches_is_the_mean_of_the_batches(tmp_path: Path) -> None:
    module, more = Terms(), GradientAccumulationScheduler(scheduling={1: 2})
    with silent():
        fit_shuffled(trainer(tmp_path, [ErrorFront(probe(), every_n_steps=1), more], max_steps=8), module)
    run = load(tmp_path)
    ends = [0, 1, 2, 3, 4, 6, 8, 10, 12]  # batches by step: four batches are an epoch
    assert run.steps.tolist() == list(range(9))
    expected = [np.mean([each["loss"] for each in module.seen[a:b]]) for a, b in pairwise(ends)]
    np.testing.assert_allclose(run.scalars["training/loss"][1:], expected, rtol=1e-5)


class Manual(Terms):
    """Optimises by itself, several steps a batch, and returns numbers with their graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Any:
        for _ in range(2):
            self.optimizers().zero_grad()
            returned = super().training_step(batch, batch_idx)
            self.manual_backward(returned["loss"])
            self.optimizers().step()
        return returned


def test_manual_optimisation_with_two_steps_a_batch(tmp_path: Path) -> None:
    made: list[Manual] = []

    def make() -> Manual:
        made.append(Manual())
        return made[-1]

    watched(make, tmp_path, max_steps=40)
    run, seen = load(tmp_path / "watched"), made[-1].seen[1::2]  # what the batch returned
    ends = [step // 2 for step in run.steps.tolist()]
    for tag, name in (("", "loss"), ("/data", "data")):
        expected = [np.mean([each[name] for each in seen[a:b]]) for a, b in pairwise(ends)]
        np.testing.assert_allclose(run.scalars[f"training/loss{tag}"][1:], expected, rtol=1e-5)


class Silent(Net):
    """Manual optimisation that returns nothing and may log."""

    def __init__(self, **names: str) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.names = names
        self.seen: list[float] = []

    def training_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.optimizers().zero_grad()
        loss = self.loss(batch)
        self.manual_backward(loss)
        self.optimizers().step()
        self.seen.append(loss.item())
        for number, name in enumerate(self.names.values(), 1):
            self.log(name, number * loss)


def test_a_loss_that_nobody_tells_is_absent_with_its_reason(tmp_path: Path) -> None:
    watched(Silent, tmp_path)
    run = load(tmp_path / "watched")
    assert not [tag for tag in run.scalars if tag.startswith("training/loss")]
    assert [note for note in run.notes if "loss" in note] == [
        "training/loss is absent: training_step returned none, and logged none under such a name"
    ]
    assert "loss" not in str(run.summary())


def test_what_is_only_logged_is_read_at_the_looks_and_said_to_be(tmp_path: Path) -> None:
    names = {"whole": "train_loss", "term": "pde-Loss", "other": "accuracy", "validated": "val_loss"}
    module = Silent(**names)
    with silent():
        fit(trainer(tmp_path, [SequentialFitting(probe())]), module)
    run = load(tmp_path)
    at_looks = [module.seen[step - 1] for step in run.steps[1:].tolist()]
    np.testing.assert_allclose(run.scalars["training/loss"][1:], at_looks, rtol=1e-6)
    np.testing.assert_allclose(run.losses["pde-Loss"][1:], 2 * np.array(at_looks), rtol=1e-6)
    assert set(run.losses) == {"pde-Loss"}
    assert "terms of training/loss: what was logged at the step of each look, no mean" in run.notes


def test_what_is_kept_of_an_epoch_alone_is_its_mean_so_far_and_is_not_computed_early(tmp_path: Path) -> None:
    class PerEpoch(Silent):
        def log(self, name: str, value: Any, **options: Any) -> None:
            super().log(name, value, on_step=False, on_epoch=True, batch_size=1)

    made: list[PerEpoch] = []

    def make() -> PerEpoch:
        made.append(PerEpoch(term="pde_loss"))
        return made[-1]

    watchers = [SequentialFitting(probe(), every_n_steps=1)]
    watched(make, tmp_path, run=fit_shuffled, watchers=watchers, max_steps=8)  # four batches are an epoch
    run, seen = load(tmp_path / "watched"), made[-1].seen
    expected = [np.mean(seen[4 * (step // 4) : step + 1]) for step in range(8)]
    np.testing.assert_allclose(run.losses["pde_loss"][1:], expected, rtol=1e-5)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_loss_that_is_not_finite_is_seen_everywhere(bad: float, tmp_path: Path) -> None:
    class Breaks(Net):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            return self.loss(batch) * (bad if self.global_step >= 5 else 1.0)

    stops = EarlyStopping("seqfit/training/loss", check_finite=True, patience=100)
    trains = trainer(tmp_path, [SequentialFitting(probe(), every_n_steps=1), stops], max_steps=8, max_epochs=8)
    fit(trains, Breaks())
    assert trains.global_step == 6  # monitors see it too
    run = load(tmp_path)
    assert np.isfinite(run.scalars["training/loss"][1:6]).all()
    np.testing.assert_equal(run.scalars["training/loss"][6], bad)
    assert "not finite: training/loss at step 6" in run.notes
    assert [row["seqfit/training/loss"] for row in rows(tmp_path) if row["seqfit/training/loss"]][-1] == str(bad)
    assert str(bad) in str(run.summary())


def test_every_batch_counts_also_where_a_checkpoint_looks_before_us(tmp_path: Path) -> None:
    """A look in a checkpoint comes before the batch's own outputs: they belong to the next one."""
    module = Terms()
    trains = trainer(tmp_path, [], max_steps=12, enable_checkpointing=True)
    keeper = ModelCheckpoint(tmp_path / "kept", every_n_train_steps=6)
    trains.callbacks += [keeper, ErrorFront(probe(), every_n_steps=1)]
    with silent():
        fit(trains, module)
    run, losses = load(tmp_path), [each["loss"] for each in module.seen]
    assert run.steps.tolist() == list(range(13))
    absent = [0, 6, 12]
    expected = [*losses[:5], np.mean(losses[5:7]), *losses[7:11]]
    assert np.flatnonzero(np.isnan(run.scalars["training/loss"])).tolist() == absent
    np.testing.assert_allclose(np.delete(run.scalars["training/loss"], absent), expected, rtol=1e-5)
    said = {fact.label: fact.value for fact in run.summary().facts}
    assert said["training loss"] == f"{losses[10]:.3g}"  # what was last known


def test_the_learning_rate_is_that_of_the_look(tmp_path: Path) -> None:
    class Decays(Net):
        def configure_optimizers(self) -> Any:
            groups = [{"params": self.first.parameters(), "lr": 1e-3}, {"params": self.last.parameters()}]
            adam = torch.optim.Adam(groups, lr=1e-2)
            half = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 0.5**step)
            return {"optimizer": adam, "lr_scheduler": {"scheduler": half, "interval": "step"}}

    watched(Decays, tmp_path, max_steps=6)
    run = load(tmp_path / "watched")
    np.testing.assert_allclose(run.scalars["training/learning_rate"], 1e-2 * 0.5**run.steps, rtol=1e-6)


def test_a_named_probes_tags_have_its_name(tmp_path: Path) -> None:
    trains = trainer(tmp_path, [ErrorFront(probe(name="left"))], max_steps=2)
    fit(trains, Net())
    assert "seqfit/left/training/loss" in trains.callback_metrics
    assert load(tmp_path, "left").scalars["seqfit/left/training/loss"].shape == (3,)


def test_a_second_fit_begins_anew(tmp_path: Path) -> None:
    watcher, module = ErrorFront(probe(), every_n_steps=1), Terms()
    for folder in ("first", "second"):
        fit(trainer(tmp_path / folder, [watcher], max_steps=3), module)
    loss = load(tmp_path / "second").scalars["training/loss"]
    expected = [each["loss"] for each in module.seen]
    np.testing.assert_allclose(loss, [math.nan, *expected[:3], math.nan, *expected[3:]], rtol=1e-5)


@pytest.mark.filterwarnings("ignore:The dirpath has changed", "ignore:You're resuming from a checkpoint that ended")
@pytest.mark.parametrize("saved", [9, 13])
def test_a_mean_goes_on_after_a_checkpoint_between_two_looks(saved: int, tmp_path: Path) -> None:
    def train(folder: Path, steps: int, resume: Path | None = None) -> Run:
        keeper = ModelCheckpoint(folder, filename="{step}", every_n_train_steps=saved, save_top_k=-1)
        options = {"max_steps": steps, "enable_checkpointing": True, "logger": False}
        torch.manual_seed(3)
        trainer(folder, [ErrorFront(probe()), keeper], **options).fit(Still(), loader(), ckpt_path=resume)
        return load(folder)

    class Still(Terms):
        def loss(self, batch: list[Tensor]) -> Tensor:
            return nn.functional.mse_loss(self(batch[0]), batch[1])

    whole = train(tmp_path / "whole", 20)
    checkpoint = tmp_path / "whole" / f"step={saved}.ckpt"
    assert torch.load(checkpoint, weights_only=True)["callbacks"]["seqfit.ErrorFront[probe]"]["losses"]["data"]
    parts = train(tmp_path / "parts", 20, checkpoint)
    assert whole.steps.tolist() == parts.steps.tolist()
    assert saved not in whole.steps
    for tag in ("training/loss", "training/loss/data", "training/loss/inner/L2_norm"):
        np.testing.assert_array_equal(whole.scalars[tag], parts.scalars[tag], err_msg=tag)


@pytest.mark.parametrize("damage", [None, 7, {"loss": 1.0}, {"loss": [1.0, 0.0]}, {"loss": ["1", 0.0, 1]}])
def test_sums_that_a_checkpoint_has_damaged_begin_anew(damage: Any, tmp_path: Path) -> None:
    begun = trainer(tmp_path, [ErrorFront(probe())], max_steps=9)
    fit(begun, Terms())
    begun.save_checkpoint(tmp_path / "it.ckpt")
    checkpoint = torch.load(tmp_path / "it.ckpt", weights_only=True)
    checkpoint["callbacks"]["seqfit.ErrorFront[probe]"]["losses"] = damage
    torch.save(checkpoint, tmp_path / "it.ckpt")
    resumed = trainer(tmp_path / "resumed", [ErrorFront(probe())], max_steps=20)
    with pytest.warns(UserWarning, match="its state in the checkpoint cannot be read: its 'losses'"):
        resumed.fit(Terms(), loader(), ckpt_path=tmp_path / "it.ckpt")
    assert np.isfinite(load(tmp_path / "resumed").scalars["training/loss"][1:]).all()


def test_a_term_that_no_host_can_read_does_not_end_a_training_that_saves_a_checkpoint() -> None:
    losses = Losses(Failures("the probe"))
    losses.take({"loss": torch.ones(()), "nowhere": torch.empty((), device="meta")})
    with pytest.warns(UserWarning, match="training loss of the probe failed"):
        assert losses.kept() == {}


def test_what_is_said_of_a_loss_is_in_the_record_of_every_output(tmp_path: Path) -> None:
    class Pair(Net):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).repeat(1, 2)

        def training_step(self, batch: list[Tensor], batch_idx: int) -> Any:
            loss = self.loss([batch[0], batch[1].repeat(1, 2)])
            return {"loss": loss, "pde": loss.detach() * math.nan}

    several = probe(output=[0, 1], target=0.0)
    fit(trainer(tmp_path, [ErrorFront(several)], max_steps=3), Pair())
    for name in ("0", "1"):
        assert "not finite: training/loss/pde at step 1" in load(tmp_path, name).notes


def taken(*outputs: Any) -> tuple[dict[str, float], list[str]]:
    """What there is at a look after such batches, without the learning rate, and what is said."""
    failures = Failures("the probe")
    losses = Losses(failures)
    for each in outputs:
        losses.take(each)
    plain = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    return losses.scalars(plain, L.LightningModule()), failures.notes()


def test_kinds_of_numbers() -> None:
    returned = {
        "loss": torch.tensor([0.5]),
        "half": torch.tensor(0.25, dtype=torch.float16),
        "count": torch.tensor(3),
        "host": 0.125,
        "numpy": np.float32(2.0),
        "parameter": nn.Parameter(torch.tensor(4.0)),
        7: 7.0,
        "flag": True,
        "field": torch.zeros(1),
        "complex": torch.tensor(1j),
        "nothing": None,
    }
    seen, notes = taken(returned, returned)
    terms = {"half": 0.25, "count": 3.0, "host": 0.125, "numpy": 2.0, "parameter": 4.0, "7": 7.0}
    assert seen == {"training/loss": 0.5, **{f"training/loss/{name}": value for name, value in terms.items()}}
    assert notes == []


def test_batches_that_return_nothing_do_not_count() -> None:
    assert taken(None, {}, {"loss": torch.tensor(2.0)}, torch.tensor(4.0)) == ({"training/loss": 3.0}, [])


def test_names_that_fall_together_are_kept_apart_and_there_are_not_too_many() -> None:
    seen, _ = taken({"loss": 1.0, "a b": 2.0, "a_b": 3.0})
    assert sorted(seen.values()) == [1.0, 2.0, 3.0]
    assert all(tag == "training/loss" or tag.startswith("training/loss/a_b") for tag in seen)
    seen, notes = taken(dict.fromkeys(map(str, range(50)), 1.0) | {"loss": 2.0})
    assert len(seen) == 1 + MOST_TERMS
    assert seen["training/loss"] == 2.0
    assert notes == [f"further terms of training/loss: only the first {MOST_TERMS} are recorded"]


@pytest.mark.parametrize("name", ["x" * 500, "a/" * 99, "ü/ß", "\n", "..", "a//b", "tab\tcolon:", "😀"])
def test_any_name_becomes_a_tag(name: str) -> None:
    tag = readable(name)
    assert 0 < len(tag) <= 80
    assert tag.isprintable()
    assert not {"", ".", ".."} & set(tag.split("/"))


def test_what_cannot_be_read_is_said_once_and_ends_nothing() -> None:
    class Breaks(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("no")

    failures = Failures("the probe")
    losses = Losses(failures)
    with pytest.warns(UserWarning, match="training loss of the probe failed at step 0 .* RuntimeError: no"):
        losses.take(Breaks(loss=1.0))
    losses.take({"loss": 1.0})
    assert losses.scalars(L.Trainer(accelerator="cpu", logger=False), L.LightningModule()) == {}


def test_no_graph_is_kept_alive() -> None:
    losses = Losses(Failures("the probe"))
    weight = torch.ones(3, requires_grad=True)
    between = weight * 2
    losses.take({"loss": between.sum(), "term": between.mean()})
    gone = weakref.ref(between)
    del between
    gc.collect()
    assert gone() is None


def test_a_plain_loss_costs_a_few_microseconds_a_batch() -> None:
    losses, outputs = Losses(Failures("the probe")), {"loss": torch.tensor(0.5)}
    times = []
    for _ in range(7):
        begun = time.thread_time()
        for _ in range(1000):
            losses.take(outputs)
        times.append((time.thread_time() - begun) / 1000)
    assert min(times) < 30e-6  # 2.3 on an idle core


def test_loggers_and_monitors_have_the_loss_of_each_look(tmp_path: Path) -> None:
    trains = trainer(tmp_path, [SequentialFitting(probe())], max_steps=5)
    trains.fit(Net(), loader())
    last = load(tmp_path).scalars["training/loss"][-1]
    assert trains.callback_metrics["seqfit/training/loss"].item() == pytest.approx(last)
    assert trains.callback_metrics["seqfit/training/learning_rate"].item() == pytest.approx(1e-2)
