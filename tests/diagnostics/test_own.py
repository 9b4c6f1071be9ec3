"""A diagnostic of a user's own: logged, monitored, recorded, resumed and read back, without a file of ours."""

from __future__ import annotations

import random
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Observation, Probe, load
from lightning_seqfit.callbacks import BasisSnapshot, ErrorFront, SequentialFitting
from lightning_seqfit.diagnostics import Diagnostic, Reading, ReadOut, Scene


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(1, 6), nn.Tanh(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


class Variation(Diagnostic):
    """Total variation of the prediction, its sign at every point, and how often it was asked."""

    name = "variation"

    def __init__(self) -> None:
        self.asked = 0

    def begin(self, scene: Scene) -> None:
        self.target = float(np.sum(np.abs(np.diff(scene.target))))

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        self.asked += 1
        steps = np.abs(np.diff(observation.prediction))
        quarters = steps[: 4 * (len(steps) // 4)].reshape(4, -1).sum(axis=1)
        return Reading(
            {"variation/share": steps.sum() / self.target, "variation/asked": self.asked},
            fields={"sign": np.sign(observation.prediction)},
            arrays={"quarters": quarters},
        )

    def fixed(self) -> dict[str, Any]:
        return {"target": self.target, "corners": np.arange(6.0).reshape(2, 3)}

    def state_dict(self) -> dict[str, Any]:
        return {"asked": self.asked}

    def load_state_dict(self, state: Any) -> None:
        self.asked = state.get("asked", 0)


class Units(Diagnostic):
    """Number and mean of the units that feed a layer."""

    def __init__(self, layer: str | None, name: str) -> None:
        self.name, self.read_out = name, ReadOut(layer)

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        assert observation.features is not None
        return Reading(
            {f"{self.name}/width": observation.features.shape[1]}, arrays={"mean": observation.features.mean(0)}
        )


def _with(**attributes: Any) -> Variation:
    """One that differs in attributes, or in functions without arguments for methods."""
    diagnostic = Variation()
    for name, value in attributes.items():
        setattr(diagnostic, name, value)
    return diagnostic


def probe(**options: Any) -> Probe:
    return Probe.grid([(0.0, 1.0)], lambda x: torch.sin(6 * torch.pi * x[:, 0]), **{"resolution": 64, **options})


def fit(
    folder: Path, *callbacks: Any, steps: int = 6, ckpt: Any = None, net: Net | None = None, **options: Any
) -> tuple[L.Trainer, Net]:
    x = torch.linspace(0, 1, 32)[:, None]
    data = DataLoader(TensorDataset(x, torch.sin(6 * torch.pi * x)), batch_size=32)
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu", "max_epochs": -1}
    options = {"logger": False, "enable_checkpointing": False, **options}
    trainer = L.Trainer(max_steps=steps, callbacks=list(callbacks), default_root_dir=folder, **quiet, **options)
    net = net or Net()
    trainer.fit(net, data, ckpt_path=ckpt)
    return trainer, net


def test_it_is_logged_monitored_recorded_and_read_back(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path, name="", version="")
    watcher = SequentialFitting(probe(), every_n_steps=2, also=[Variation()])
    trainer, _ = fit(tmp_path, watcher, logger=logger)
    run = load(tmp_path)
    predicted = run.prediction.astype(np.float64)
    expected = np.abs(np.diff(predicted)).sum(1) / np.abs(np.diff(run.target)).sum()
    np.testing.assert_allclose(run.scalars["variation/share"], expected, rtol=1e-5)
    assert trainer.callback_metrics["seqfit/variation/share"].item() == pytest.approx(expected[-1], rel=1e-5)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert "seqfit/variation/share" in rows[0].split(",")
    own = run.extra["variation"]
    assert set(own) == {"sign", "quarters", "target", "corners"}
    np.testing.assert_array_equal(own["sign"], np.sign(predicted))
    np.testing.assert_allclose(
        own["variation/quarters"], np.abs(np.diff(predicted))[:, :60].reshape(-1, 4, 15).sum(2), rtol=1e-5
    )
    assert own["target"] == pytest.approx(np.abs(np.diff(run.target)).sum())
    assert own["corners"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert run.front is not None  # the others are there as ever
    with pytest.raises(KeyError, match="quarters"):
        own["halves"]


def test_it_stops_a_training_and_names_a_checkpoint(tmp_path: Path) -> None:
    stop = EarlyStopping(
        "seqfit/variation/asked", mode="max", stopping_threshold=3, patience=99, check_on_train_epoch_end=True
    )
    trainer, _ = fit(tmp_path, ErrorFront(probe(), every_n_steps=1, also=[Variation()]), stop, steps=50)
    assert trainer.global_step < 10


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_a_resumed_fit_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    def watcher() -> SequentialFitting:
        return SequentialFitting(probe(), every_n_steps=2, also=[Variation()])

    fit(tmp_path / "whole", watcher(), steps=12)
    saver = ModelCheckpoint(tmp_path / "saved", every_n_train_steps=6, save_top_k=-1)
    fit(tmp_path / "first", watcher(), saver, steps=6, enable_checkpointing=True)
    saved = str(next((tmp_path / "saved").glob("*.ckpt")))
    saver = ModelCheckpoint(tmp_path / "again", every_n_train_steps=6, save_top_k=-1)
    fit(tmp_path / "second", watcher(), saver, steps=12, ckpt=saved, enable_checkpointing=True)
    whole, second = load(tmp_path / "whole"), load(tmp_path / "second")
    assert whole.steps.tolist() == second.steps.tolist()
    np.testing.assert_array_equal(whole.scalars["variation/asked"], np.arange(1, len(whole.steps) + 1))
    np.testing.assert_array_equal(second.scalars["variation/asked"], whole.scalars["variation/asked"])
    for name in whole.extra["variation"]:
        np.testing.assert_array_equal(whole.extra["variation"][name], second.extra["variation"][name])


def test_several_listen_to_several_layers_in_one_evaluation(tmp_path: Path) -> None:
    watched = [Units("net.2", "second"), Units("net.0", "first"), Units(None, "last")]
    passes = []
    probed = probe(predict=lambda module, points: passes.append(1) or module(points))
    fit(tmp_path, BasisSnapshot(probed, every_n_steps=2, also=watched))
    run = load(tmp_path)
    assert len(passes) == len(run.steps)
    assert [run.scalars[f"{name}/width"][-1] for name in ("first", "second", "last")] == [1, 6, 5]
    assert [run.extra[name]["mean"].shape[1] for name in ("first", "second", "last")] == [1, 6, 5]
    np.testing.assert_allclose(run.extra["first"]["mean"], 0.5)  # of the points themselves
    assert run.basis is not None
    assert run.basis.numerical_rank[-1] <= 6


def test_the_training_is_bitwise_the_same(tmp_path: Path) -> None:
    _, bare = fit(tmp_path / "bare")
    _, watched = fit(tmp_path / "watched", SequentialFitting(probe(), also=[Variation(), Units("net.2", "units")]))
    for one, other in zip(bare.parameters(), watched.parameters(), strict=True):
        assert torch.equal(one, other)


class Broken(Diagnostic):
    name = "broken"

    def __init__(self, readings: Any) -> None:
        self.readings = readings

    def look(self, observation: Observation, scale: float, step: int) -> Reading:
        return self.readings(step)


def _raises(step: int) -> Reading:
    raise ZeroDivisionError("of the user's own")


@pytest.mark.parametrize(
    ("readings", "said"),
    [
        (_raises, "ZeroDivisionError: of the user's own"),
        (lambda step: {"broken/a": 1.0}, r"look returned dict: return a Reading"),
        (lambda step: Reading({"error/max": 1.0}), r"the tag 'error/max' is another's"),
        (lambda step: Reading({"observer/overhead": 1.0}), r"the tag 'observer/overhead' is another's"),  # comes later
        (lambda step: Reading({"": 1.0}), "'' names a value"),
        (lambda step: Reading(arrays={"a\0b": np.zeros(3)}), "names a value or an array"),  # zip ends a name there
        (lambda step: Reading(fields={"a": np.zeros(64)}, arrays={"a": np.zeros(64)}), "broken/a is both a field"),
        (lambda step: Reading({"broken/a": "much"}), "could not convert"),
        (lambda step: Reading(fields={"a": np.zeros(3)}), r"broken/a has shape \(3,\), expected \(64,\)"),
        (lambda step: Reading(arrays={"a": np.zeros(2000)}), "at most 1024 values"),
        (lambda step: Reading(arrays={"a": np.zeros(step + 1)}), r"broken/a has shape \(2,\), and \(1,\)"),
        (lambda step: Reading(arrays={"a": np.array(["x"])}), "for numbers"),
    ],
)
def test_one_that_fails_is_switched_off_and_the_others_go_on(readings: Any, said: str, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=f"broken of the probe failed.*{said}") as warned:
        fit(tmp_path, SequentialFitting(probe(), every_n_steps=1, also=[Broken(readings), Variation()]))
    assert sum("broken" in str(each.message) for each in warned) == 1
    run = load(tmp_path)
    assert len(run.steps) == 7
    assert np.isfinite(run.scalars["variation/share"]).all()
    assert any(note.startswith("broken: ") for note in run.notes)


def test_one_that_cannot_begin_ends_before_the_first_batch(tmp_path: Path) -> None:
    class Early(Variation):
        def begin(self, scene: Scene) -> None:
            raise LookupError("no such scene")

    with pytest.raises(RuntimeError, match="begin of the diagnostic 'variation' raised LookupError: no such scene"):
        fit(tmp_path, ErrorFront(probe(), also=[Early()]))


def test_a_state_that_no_checkpoint_may_hold_is_said_and_left_out(tmp_path: Path) -> None:
    class Odd(Variation):
        def state_dict(self) -> dict[str, Any]:
            return {"odd": object()}

    saver = ModelCheckpoint(tmp_path / "saved", every_n_train_steps=3)
    with pytest.warns(UserWarning, match="variation of the probe failed.*cannot be in a checkpoint"):
        fit(tmp_path, ErrorFront(probe(), also=[Odd()]), saver, enable_checkpointing=True)
    torch.load(next((tmp_path / "saved").glob("*.ckpt")), weights_only=True)


@pytest.mark.parametrize(
    ("also", "error", "said"),
    [
        ([Variation], TypeError, "has Variation: give instances"),
        ([3], TypeError, "has int: give instances"),
        ([Variation(), Variation()], ValueError, "the name 'variation' of Variation cannot be used"),
        ([Units(None, "front")], ValueError, "the name 'front' of Units cannot be used"),
        ([Units(None, "a/b")], ValueError, "cannot stand in a tag"),
        ([Units(None, "")], ValueError, "cannot be used"),
        *(
            ([Units(None, name)], ValueError, "cannot be used")
            for name in ("prediction", "looking", "figures", "finite")
        ),
        (Variation(), TypeError, r"is no list: give also=\[...\]"),
        (None, TypeError, "also=None is no list"),
        ([_with(section="front")], ValueError, "leave it empty"),
        ([_with(read_out="net.2")], TypeError, "give ReadOut"),
    ],
)
def test_what_cannot_be_one_is_refused_at_construction(also: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        SequentialFitting(probe(), also=also)


def test_two_callbacks_on_one_probe_may_share_one(tmp_path: Path) -> None:
    shared, own = probe(), Variation()
    fit(
        tmp_path,
        ErrorFront(shared, also=[own], every_n_steps=1),
        BasisSnapshot(shared, also=[own], every_n_steps=3),
    )
    assert load(tmp_path).scalars["variation/asked"].tolist() == list(range(1, 8))


def test_neither_of_two_that_share_a_probe_and_a_name_is_lost(tmp_path: Path) -> None:
    shared = probe()
    callbacks = [ErrorFront(shared, also=[Units("net.0", "a")]), BasisSnapshot(shared, also=[Units("net.2", "a")])]
    with pytest.raises(ValueError, match=r"named 'a', Units at net.0 and Units at net.2: give each another name"):
        fit(tmp_path, *callbacks)


def test_one_is_not_given_to_two_probes(tmp_path: Path) -> None:
    own = Variation()
    with pytest.raises(ValueError, match="one Variation is given to two probes"):
        fit(tmp_path, *(ErrorFront(probe(name=name), also=[own]) for name in ("left", "right")))


def test_a_tag_of_a_callback_that_comes_later_stays_its_own(tmp_path: Path) -> None:
    shared, own = probe(), Broken(lambda step: Reading({"basis/numerical_rank": -1.0}))
    with pytest.warns(UserWarning, match="the tag 'basis/numerical_rank' is another's"):
        fit(tmp_path, ErrorFront(shared, also=[own]), BasisSnapshot(shared))
    assert (load(tmp_path).scalars["basis/numerical_rank"] > 0).all()


@pytest.mark.parametrize("field", ["prediction", "residual", "features"])
def test_one_that_writes_into_what_was_seen_changes_it_for_no_other(field: str, tmp_path: Path) -> None:
    class Writes(Variation):
        name, read_out = "writes", ReadOut()

        def look(self, observation: Observation, scale: float, step: int) -> Reading:
            getattr(observation, field)[:] = 0.0
            return Reading()

    fit(tmp_path / "without", SequentialFitting(probe(), every_n_steps=1))
    with pytest.warns(UserWarning, match="writes of the probe failed.*read-only"):
        fit(
            tmp_path / "with",
            BasisSnapshot(shared := probe(), also=[Writes()]),
            SequentialFitting(shared, every_n_steps=1),
        )
    one, other = load(tmp_path / "without"), load(tmp_path / "with")
    np.testing.assert_array_equal(one.prediction, other.prediction)
    np.testing.assert_array_equal(one.scalars["front/fitted"], other.scalars["front/fitted"])


@pytest.mark.parametrize("method", ["begin", "look", "fixed", "notes", "state_dict", "figures"])
def test_random_numbers_that_one_draws_are_not_those_of_the_training(method: str, tmp_path: Path) -> None:
    class Draws(Variation):
        """Draws in one of its methods."""

    def draw(self: Any, *args: Any) -> Any:
        draws.append((random.random(), np.random.rand(), torch.rand(())))
        return getattr(super(Draws, self), method)(*args)

    class Dice(Net):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            jitter = 1e-2 * (random.random() + np.random.rand() + torch.rand(()))
            return super().training_step([batch[0] + jitter, batch[1]], batch_idx)

    draws: list[Any] = []
    setattr(Draws, method, draw)
    nets = []
    for also in ([], [Draws()]):
        saver = ModelCheckpoint(tmp_path / f"saved_{len(nets)}", every_n_train_steps=3)
        L.seed_everything(1, verbose=False)
        watcher = ErrorFront(probe(), every_n_steps=1, also=also)
        nets.append(fit(tmp_path, watcher, saver, enable_checkpointing=True, net=Dice())[1])
    assert draws
    for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "attributes",
    [
        {"fixed": lambda: {"a": np.array([{}])}},
        {"fixed": lambda: {"a": None}},
        {"fixed": lambda: {"a": np.zeros(3, complex)}},
        {"fixed": lambda: {"quarters": np.zeros(4)}},  # as an array of every look
        {"fixed": lambda: {"a\0b": 1.0}},
        {"notes": lambda: [None]},
        {"notes": lambda: [["a"]]},
        {"notes": lambda: "a sentence"},
    ],
)
def test_what_no_record_can_hold_is_left_out_and_the_record_is_whole(attributes: Any, tmp_path: Path) -> None:
    fit(tmp_path, ErrorFront(probe(), every_n_steps=1, also=[_with(**attributes)]))
    run = load(tmp_path)
    assert len(run.steps) == 7
    assert set(run.extra["variation"]) == {"sign", "quarters"}
    assert [note for note in run.notes if note.startswith("variation: ")]


def test_what_is_fixed_may_be_of_any_kind_that_a_file_holds(tmp_path: Path) -> None:
    given = {
        "field": np.arange(2000),
        "mask": np.arange(2000) < 1000,
        "words": np.array(["a"] * 2000),
        "few": np.arange(3, dtype=np.uint8),
    }
    fit(tmp_path, ErrorFront(probe(resolution=2000), also=[_with(fixed=lambda: given)]))
    own = load(tmp_path).extra["variation"]
    np.testing.assert_array_equal(own["field"], np.arange(2000).reshape(1000, 2).mean(1))
    np.testing.assert_array_equal(own["mask"], np.arange(1000) < 500)
    assert own["words"].tolist() == ["a"] * 2000
    np.testing.assert_array_equal(own["few"], given["few"])


def test_an_array_of_another_shape_in_a_second_fit_ends_no_record(tmp_path: Path) -> None:
    sizes = iter([2] * 7 + [3] * 7)
    own = Broken(lambda step: Reading(arrays={"a": np.zeros(next(sizes))}))
    watcher = ErrorFront(probe(), every_n_steps=1, also=[own])
    _, net = fit(tmp_path, watcher)
    with pytest.warns(UserWarning, match=r"broken/a has shape \(3,\), and \(2,\) at the looks before"):
        fit(tmp_path, watcher, net=net)
    assert load(tmp_path).fit.tolist() == [0] * 7 + [1] * 7


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
@pytest.mark.parametrize("loads", [True, False])
def test_a_state_that_is_odd_or_refused_costs_the_others_nothing(loads: bool, tmp_path: Path) -> None:
    seen: list[Any] = []

    class Odd(Variation):
        def state_dict(self) -> dict[str, Any]:
            return {"half": torch.ones(2, dtype=torch.bfloat16), "list": [np.ones(2)]}

        def load_state_dict(self, state: Any) -> None:
            if state and not loads:
                raise LookupError("no such thing")
            seen.append(state)

    saver = ModelCheckpoint(tmp_path / "saved", every_n_train_steps=3, save_top_k=-1)
    fit(tmp_path / "a", ErrorFront(probe(), every_n_steps=1, also=[Odd()]), saver, enable_checkpointing=True)
    saved = next((tmp_path / "saved").glob("*step=3.ckpt"))
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit(tmp_path / "b", ErrorFront(probe(), every_n_steps=1, also=[Odd()]), ckpt=str(saved))
    assert load(tmp_path / "b").steps.tolist() == list(range(7))
    assert any("begins anew: load_state_dict raised LookupError" in str(each.message) for each in said) is not loads
    if loads:
        assert seen[-1]["half"].dtype is torch.bfloat16
        np.testing.assert_array_equal(seen[-1]["list"][0], np.ones(2))


def test_a_state_that_cannot_begin_is_said_before_the_first_batch(tmp_path: Path) -> None:
    class Strict(Variation):
        def load_state_dict(self, state: Any) -> None:
            self.asked = state["asked"]

    with pytest.raises(
        RuntimeError, match=r"load_state_dict of the diagnostic 'variation' raised KeyError.*empty state"
    ):
        fit(tmp_path, ErrorFront(probe(), also=[Strict()]))


def test_a_state_that_fails_at_every_checkpoint_is_said_once(tmp_path: Path) -> None:
    saver = ModelCheckpoint(tmp_path / "saved", every_n_train_steps=1, save_top_k=-1)
    own = _with(state_dict=lambda: {"odd": object()})
    with pytest.warns(UserWarning, match="cannot be in a checkpoint") as warned:
        fit(tmp_path, ErrorFront(probe(), also=[own]), saver, enable_checkpointing=True)
    assert sum("variation" in str(each.message) for each in warned) == 1


@pytest.mark.parametrize("method", ["facts", "figures"])
def test_what_one_says_or_draws_and_cannot_leaves_our_figures_and_words(method: str, tmp_path: Path) -> None:
    def fails(run: Any) -> Any:
        raise LookupError("nothing to see")

    with pytest.warns(UserWarning, match="what your own diagnostics say and draw of the probe failed.*nothing to see"):
        fit(tmp_path, ErrorFront(probe(), also=[_with(**{method: fails})]))
    assert (tmp_path / "seqfit" / "probe_1_front.png").is_file()
    assert not any(note.startswith(("figures: ", "summary: ")) for note in load(tmp_path).notes)


def test_the_last_layer_is_that_of_the_module_in_training(tmp_path: Path) -> None:
    deeper = Net()
    deeper.net = nn.Sequential(*deeper.net[:4], nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))
    watcher = ErrorFront(probe(), also=[Units(None, "last")])
    fit(tmp_path / "one", watcher)
    fit(tmp_path / "other", watcher, net=deeper)
    assert [load(tmp_path / name).scalars["last/width"][-1] for name in ("one", "other")] == [5, 4]
