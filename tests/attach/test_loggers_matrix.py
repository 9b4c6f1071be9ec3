"""Every logger gets every scalar of every look, and the figures if it shows any; one that raises ends nothing."""

from __future__ import annotations

import csv
import json
import math
import re
import struct
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import pytorch_lightning
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, Run, figures, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.watch.sinks import sink_for
from tests.training import KEPT

STEPS = 12
#: Looks after these optimizer steps; the loggers' axis is Lightning's, which begins at 0 with the first batch.
LOOKS = [0, 1, 2, 3, 4, 6, 8, 11, 12]
LOGGER_STEPS = [0, 0, 1, 2, 3, 5, 7, 10, 11]

Rows = dict[str, list[tuple[int, float]]]


class Net(L.LightningModule):
    """Logs by itself at every step and at the end of epochs, so that its rows and ours mix."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        loss = nn.functional.mse_loss(self(batch[0]), batch[1])
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


class ValidatedNet(Net):
    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", nn.functional.mse_loss(self(batch[0]), batch[1]))


def sine(x: Tensor) -> Tensor:
    return torch.sin(6 * torch.pi * x[:, 0])


def loader() -> DataLoader[Any]:
    x = torch.linspace(0, 1, 80)[:, None]
    return DataLoader(TensorDataset(x, sine(x)[:, None]), batch_size=16)  # five batches an epoch


def fit(folder: Path, logger: Any, *more: L.Callback, validate: bool = False, **options: Any) -> L.Trainer:
    probe = Probe.grid(bounds=[(0.0, 1.0)], target=sine)
    trainer = L.Trainer(
        **{
            "max_steps": STEPS,
            "accelerator": "cpu",
            "logger": logger,
            "default_root_dir": folder,
            "log_every_n_steps": 1,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
            "callbacks": [SequentialFitting(probe), *more],
            **options,
        }
    )
    torch.manual_seed(0)
    if validate:
        trainer.fit(ValidatedNet(), loader(), loader())
    else:
        trainer.fit(Net(), loader())
    return trainer


def ours(caught: list[warnings.WarningMessage]) -> list[str]:
    """What we warned of; Lightning and torch have words of their own."""
    messages = [str(warning.message) for warning in caught]
    return [message.removeprefix("seqfit: ") for message in messages if message.startswith("seqfit: ")]


def expected(run: Run, *, logged: bool = True) -> Rows:
    """What a logger should have got, from the record; else what monitors have."""
    rows = {
        f"seqfit/{tag}": [
            (int(step), value) for step, value in zip(run.logger_steps, values, strict=True) if math.isfinite(value)
        ]
        for tag, values in run.scalars.items()
        if tag not in KEPT and any(math.isfinite(value) for value in values)
    }
    if logged:
        for tag in ("error/noise", "basis/dead_domain", "basis/constant_share"):
            assert not any(value for _, value in rows[f"seqfit/{tag}"])
            rows[f"seqfit/{tag}"] = [(step, 0.0) for step in (0, 1, 3, 7, 11)]  # doublings, and the end
        shares = {tag: pairs for tag, pairs in rows.items() if tag.startswith("seqfit/fourier/share/")}
        for tag, pairs in shares.items():
            first = next((number for number, (_, value) in enumerate(pairs) if value > 0.01), len(pairs))
            rows[tag] = pairs[first:]
        assert any(len(rows[tag]) == len(pairs) for tag, pairs in shares.items())  # the target's own
        rows["seqfit/oscillations/target"] = [(step, 3.0) for step in (0, 1, 3, 7, 11)]
    return {tag: pairs for tag, pairs in rows.items() if pairs}


def assert_complete(rows: Rows, run: Run) -> None:
    assert run.steps.tolist() == LOOKS
    assert run.logger_steps.tolist() == LOGGER_STEPS
    wanted = expected(run)
    assert len(wanted) >= 20
    assert len(wanted["seqfit/front/fitted"]) == len(LOOKS)
    assert {tag for tag in rows if tag.startswith("seqfit/")} == set(wanted)
    for tag, pairs in wanted.items():
        assert [step for step, _ in rows[tag]] == [step for step, _ in pairs], tag
        assert [value for _, value in rows[tag]] == pytest.approx([value for _, value in pairs], rel=1e-6), tag
    assert [step for step, _ in rows["loss_step"]] == list(range(STEPS))  # Lightning's own rows, at the same steps


def pictures(folder: str | Path) -> set[str]:
    """Tags of the pictures beside the record, which are always there."""
    tags = {f"seqfit/{path.stem.removeprefix('probe_')}" for path in (Path(folder) / "seqfit").glob("*.png")}
    assert {"seqfit/2_fit", "seqfit/1_front", "seqfit/4_spectrum", "seqfit/5_basis"} <= tags
    return tags


def tensorboard_rows(folder: str | Path) -> tuple[Rows, set[str]]:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    rows = {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    return rows, set(events.Tags()["images"])


def csv_rows(folder: str | Path) -> Rows:
    rows: Rows = defaultdict(list)
    with (Path(folder) / "metrics.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            for tag, value in row.items():
                if value and tag != "step":
                    rows[tag].append((int(row["step"]), float(value)))
    return rows


def wandb_history(path: Path) -> Iterator[dict[tuple[str, ...], Any]]:
    """Rows and artifacts of an offline run's file, a log as LevelDB writes it: blocks of 32 KiB, a header a piece.

    An image is a dictionary, of which the file has each entry by itself: its key has two parts.
    """
    from wandb.proto import wandb_internal_pb2

    data, position, whole = path.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left = 32_768 - position % 32_768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + 7])
        whole += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            record = wandb_internal_pb2.Record.FromString(whole)
            whole = b""
            if record.WhichOneof("record_type") == "history":
                yield {tuple(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            elif record.WhichOneof("record_type") == "artifact":
                yield {(record.artifact.type,): record.artifact.name}


#: Where the record lies with a logger that has a name and a version, and no folder of its own.
LISTED = "listing/version_0"


class Listing(Logger):
    """Keeps what it is given."""

    name = "listing"
    version = 0

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        self.rows.append((step, dict(metrics)))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass

    def by_tag(self) -> Rows:
        rows: Rows = defaultdict(list)
        for step, metrics in self.rows:
            for tag, value in metrics.items():
                rows[tag].append((step, value))
        return rows


class Client:
    """An experiment as Comet and MLflow have it: its ``log_image`` wants other arguments than a logger's."""

    def log_image(self, run_id: str, image_data: Any, name: str) -> None:
        raise AssertionError("nobody knows how to call this")


class WithClient(Listing):
    experiment = Client()


class NoSlashes(Listing):
    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        if any("/" in tag for tag in metrics):
            raise ValueError("a tag with a slash")
        super().log_metrics(metrics, step)


class Blind(Listing):
    """Has ``log_image``, which raises."""

    images = 0

    def log_image(self, key: str, images: list[Any], step: int) -> None:
        self.images += 1
        raise OSError("no room for images")


class Offline(Listing):
    """Loses its experiment when training begins, but keeps its scalars."""

    @property
    def experiment(self) -> Any:
        if self.rows:
            raise ConnectionError("no network")
        return None


class Gallery(Listing):
    """Shows images by ``log_image``, as Weights & Biases does."""

    def __init__(self) -> None:
        super().__init__()
        self.images: dict[str, Any] = {}

    def log_image(self, key: str, images: list[Any], step: int) -> None:
        self.images[key] = (step, images)


@pytest.fixture
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of these short trainings."""
    monkeypatch.setattr(figures, "draw", lambda run: {})


def test_tensorboard_has_every_look_and_the_figures(tmp_path: Path) -> None:
    logger = TensorBoardLogger(tmp_path)
    fit(tmp_path, logger)
    rows, images = tensorboard_rows(logger.log_dir)
    assert_complete(rows, load(logger.log_dir))
    assert images == pictures(logger.log_dir)


@pytest.mark.parametrize("package", [L.pytorch, pytorch_lightning])
def test_tensorboard_gets_one_event_a_look_whichever_package_the_logger_is_from(package: Any, tmp_path: Path) -> None:
    logger = package.loggers.TensorBoardLogger(tmp_path)
    events: list[int] = []
    file = logger.experiment._get_file_writer()
    write = file.add_summary
    file.add_summary = lambda summary, *args: (events.append(len(summary.value)), write(summary, *args))
    sink_for(logger).log_scalars({"seqfit/a": 1.0, "seqfit/b": 2.0, "seqfit/c": 3.0}, 4)
    logger.finalize("success")
    assert events == [3]
    assert tensorboard_rows(logger.log_dir)[0] == {f"seqfit/{tag}": [(4, i + 1.0)] for i, tag in enumerate("abc")}


@pytest.mark.usefixtures("no_figures")
def test_csv_has_every_look(tmp_path: Path) -> None:
    logger = CSVLogger(tmp_path)
    fit(tmp_path, logger)
    assert_complete(csv_rows(logger.log_dir), load(logger.log_dir))


@pytest.mark.slow  # its service takes seconds to start
@pytest.mark.filterwarnings("default:::wandb")  # what it says of its own dependencies
def test_wandb_has_every_look_on_an_axis_that_never_goes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CONSOLE", "off")
    for folder in ("DATA_DIR", "CONFIG_DIR", "CACHE_DIR"):
        monkeypatch.setenv(f"WANDB_{folder}", str(tmp_path / folder))
    from lightning.pytorch.loggers import WandbLogger

    try:
        logger = WandbLogger(save_dir=tmp_path)
        fit(tmp_path, logger, validate=True, val_check_interval=2)
        folder = tmp_path / "lightning_logs" / logger.version
        sink_for(logger).log_text("seqfit/verdict", "**stuck** at 3 < 4", STEPS)
        sink_for(logger).log_report("seqfit/report", "<p>stuck</p>", STEPS)
    finally:
        wandb.teardown()
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    rows: Rows = defaultdict(list)
    axis, images, pages, artifacts = [], set(), {}, []
    for row in wandb_history(file):
        if ("report",) in row:
            artifacts.append(row["report",])
            continue
        axis.append(row["trainer/global_step",])
        for (tag, *entry), value in row.items():
            if not entry:
                rows[tag].append((axis[-1], value))
            elif (entry, value) == (["_type"], "images/separated"):
                images.add(tag)
            elif entry == ["path"]:
                pages[tag] = (axis[-1], file.parent / "files" / value)
    assert axis == sorted(axis)
    assert_complete(rows, load(folder))
    assert images == pictures(folder)
    step, page = pages["seqfit/verdict"]
    assert step == STEPS
    assert "**stuck** at 3 &lt; 4</pre>" in page.read_text()
    assert pages["seqfit/report"][1].read_text() == "<p>stuck</p>"
    assert [name.startswith("seqfit-report-") for name in artifacts] == [True]
    said = capfd.readouterr()
    complaints = [line for line in (said.out + said.err).splitlines() if "WARNING" in line or "ERROR" in line]
    assert [line for line in complaints if "anonymous setting" not in line] == []  # of an argument of Lightning's


def test_without_a_logger_the_record_and_the_monitors_have_everything(tmp_path: Path) -> None:
    trainer = fit(tmp_path, False)
    run = load(tmp_path)
    assert run.steps.tolist() == LOOKS
    last = {tag: pairs[-1][1] for tag, pairs in expected(run, logged=False).items() if pairs[-1][0] == LOGGER_STEPS[-1]}
    assert {tag: trainer.callback_metrics[tag].item() for tag in last} == pytest.approx(last, rel=1e-6)
    assert pictures(tmp_path)


def test_several_loggers_get_the_same(tmp_path: Path) -> None:
    board, sheet, gallery = TensorBoardLogger(tmp_path / "board"), CSVLogger(tmp_path / "sheet"), Gallery()
    fit(tmp_path, [board, sheet, gallery, WithClient()])
    run = load(board.log_dir)
    rows, images = tensorboard_rows(board.log_dir)
    for each in (rows, csv_rows(sheet.log_dir), gallery.by_tag()):
        assert_complete(each, run)
    assert images == set(gallery.images) == pictures(board.log_dir)
    for step, (image,) in gallery.images.values():
        assert step == LOGGER_STEPS[-1]
        assert image.ndim == 3
        assert image.shape[2] == 3


def test_a_logger_whose_experiment_shows_no_images_gets_the_scalars(tmp_path: Path) -> None:
    logger = WithClient()
    fit(tmp_path, logger)
    assert_complete(logger.by_tag(), load(tmp_path / LISTED))
    assert all(re.fullmatch(r"[a-zA-Z0-9_/. -]+", tag) for tag in logger.by_tag())  # what MLflow takes


RAISING: dict[str, tuple[Callable[[], Listing], str]] = {
    "log_image": (Blind, r"figures for Blind 0 of the probe failed .*OSError: no room for images"),
    "experiment": (Offline, r"figures for Offline 0 of the probe failed .*ConnectionError: no network"),
    "log_metrics": (NoSlashes, r"scalars for NoSlashes 0 of the probe failed .*ValueError: a tag with a slash"),
}


@pytest.mark.parametrize("case", RAISING)
def test_a_logger_that_raises_is_warned_of_once_and_the_others_get_everything(case: str, tmp_path: Path) -> None:
    make, message = RAISING[case]
    bad, gallery = make(), Gallery()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = fit(tmp_path, [bad, gallery])
    assert trainer.global_step == STEPS
    (warning,) = ours(caught)
    assert re.match(message, warning)
    run = load(tmp_path / LISTED)
    assert_complete(gallery.by_tag(), run)
    assert set(gallery.images) == pictures(tmp_path / LISTED)
    if case == "log_metrics":
        assert {tag for tag in bad.by_tag() if "/" in tag} == set()
        assert len(bad.by_tag()["loss_step"]) == STEPS
    else:
        assert_complete(bad.by_tag(), run)
    if isinstance(bad, Blind):
        assert bad.images == 1


class Break(L.Callback):
    """Raises in the middle of an epoch."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
        if trainer.global_step == 7:
            raise self.error


ENDS: dict[str, tuple[dict[str, Any], BaseException | None]] = {
    "validation within and after epochs": ({"validate": True, "val_check_interval": 2}, None),
    "accumulation": ({"accumulate_grad_batches": 2, "validate": True}, None),
    "exception": ({}, ValueError("out of luck")),
    "Ctrl-C": ({}, KeyboardInterrupt()),
}


@pytest.mark.filterwarnings("ignore:.*Detected KeyboardInterrupt:UserWarning")  # Lightning
@pytest.mark.usefixtures("no_figures")
@pytest.mark.parametrize("case", ENDS)
def test_the_axis_of_a_logger_never_goes_back(case: str, tmp_path: Path) -> None:
    options, error = ENDS[case]
    logger = Listing()
    if error is None:
        fit(tmp_path, logger, **options)
    else:  # Lightning turns Ctrl-C into an exit
        with pytest.raises((ValueError, SystemExit)):
            fit(tmp_path, logger, Break(error), **options)
    axis = [step for step, _ in logger.rows]
    assert axis == sorted(axis)
    kinds = {"seqfit/front/fitted", "loss_step"} | ({"val_loss"} if "validate" in options else set())
    assert kinds <= set(logger.by_tag())
    run = load(tmp_path / LISTED)
    assert run.steps[-1] == (7 if error else STEPS)
    assert [step for step, _ in logger.by_tag()["seqfit/front/fitted"]] == run.logger_steps.tolist()
