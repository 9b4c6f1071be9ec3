"""No record is lost: not to another run, not to a full disk, not to a store far away."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import fsspec
import lightning as L
import numpy as np
import pytest
import torch
from fsspec.implementations.memory import MemoryFileSystem
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from lightning_seqfit import Run, figures, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting
from lightning_seqfit.record import place as places
from lightning_seqfit.record.place import Place, place
from lightning_seqfit.watch import keeping
from lightning_seqfit.watch.archive import Archive, log_directory
from tests.training import Net, due, fit, loader, probe

# Lightning's words on what these tests do on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint need to be provided:UserWarning"),
]


@pytest.fixture(autouse=True)
def one_small_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "draw", lambda run: {"2_fit": None})
    monkeypatch.setattr(figures, "as_image", lambda figure: np.zeros((2, 2, 3), np.uint8))


@pytest.fixture(autouse=True)
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty store in memory, and an empty current folder that stays empty."""
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    yield
    assert list(here.iterdir()) == []


def run(folder: Path | str, quantity: str, steps: int = 10, resume: Path | None = None, **options: Any) -> L.Trainer:
    """A fit from the first step on, or from a checkpoint."""
    trains = trainer_in(folder, SequentialFitting(probe(quantity=quantity)), steps=steps, **options)
    trains.fit(Net(), loader(), ckpt_path=resume)
    return trains


def trainer_in(folder: Path | str, *watchers: Any, steps: int = 10, **options: Any) -> L.Trainer:
    return L.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        max_steps=steps,
        max_epochs=-1,
        callbacks=list(watchers),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **{"logger": False, **options},
    )


def records(folder: Path) -> dict[str, Run]:
    """Every record below a folder, by where it lies."""
    return {str(file.relative_to(folder)): load(file) for file in sorted(folder.rglob("*.npz"))}


def test_three_runs_in_one_folder_keep_three_records_and_their_pictures(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        run(tmp_path, f"run {number}")
    kept = records(tmp_path)
    assert {name: run.quantity for name, run in kept.items()} == {
        "seqfit/probe.npz": "run 1",
        "seqfit/run_1/probe.npz": "run 2",
        "seqfit/run_2/probe.npz": "run 3",
    }
    for name in kept:
        assert (tmp_path / name).with_name("probe_2_fit.png").exists()


def test_a_run_that_is_resumed_after_another_one_goes_on_in_its_own_record(tmp_path: Path) -> None:
    first = run(tmp_path, "A")
    first.save_checkpoint(tmp_path / "a.ckpt")
    run(tmp_path, "B", steps=20)
    run(tmp_path, "A", steps=30, resume=tmp_path / "a.ckpt")
    kept = records(tmp_path)
    assert {name: (run.quantity, run.steps[-1]) for name, run in kept.items()} == {
        "seqfit/probe.npz": ("A", 30),
        "seqfit/run_1/probe.npz": ("B", 20),
    }
    assert kept["seqfit/probe.npz"].steps.tolist() == sorted({*due(range(1, 31)), 10})


def test_two_fits_from_one_checkpoint_keep_both_records(tmp_path: Path) -> None:
    run(tmp_path, "trunk").save_checkpoint(tmp_path / "trunk.ckpt")
    for steps in (20, 30):
        run(tmp_path, "branch", steps, tmp_path / "trunk.ckpt")
    assert {name: run.steps[-1] for name, run in records(tmp_path).items()} == {
        "seqfit/probe.npz": 20,
        "seqfit/run_1/probe.npz": 30,
    }


def test_a_fit_that_ended_where_its_checkpoint_was_saved_is_gone_on_with_in_its_file(tmp_path: Path) -> None:
    class AtTheEnd(L.Callback):
        """Before the last look, which is not due but for the end."""

        def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            trainer.save_checkpoint(tmp_path / "end.ckpt")

    trainer_in(tmp_path, AtTheEnd(), SequentialFitting(probe(quantity="A"))).fit(Net(), loader())
    saved = torch.load(tmp_path / "end.ckpt", weights_only=True)["callbacks"]
    assert [state["last_step"] for key, state in saved.items() if key.startswith("seqfit")] == [8]
    run(tmp_path, "A", 30, tmp_path / "end.ckpt")
    (kept,) = records(tmp_path).values()
    assert kept.steps.tolist() == due(range(1, 31))


class Saving(L.Callback):
    """Saves a checkpoint at a step."""

    def __init__(self, path: Path, step: int) -> None:
        self.path, self.step = path, step

    def on_train_batch_start(self, trainer: L.Trainer, *args: Any) -> None:
        if trainer.global_step == self.step:
            trainer.save_checkpoint(self.path)


def test_a_branch_does_not_write_over_what_its_trunk_saw_later(tmp_path: Path) -> None:
    trunk = trainer_in(tmp_path, SequentialFitting(probe()), Saving(tmp_path / "early.ckpt", 6), steps=20)
    fit(trunk, Net())
    run(tmp_path, "branch", 12, tmp_path / "early.ckpt").save_checkpoint(tmp_path / "branch.ckpt")
    run(tmp_path, "branch", 40, tmp_path / "branch.ckpt")  # further than the trunk
    assert {name: run.steps[-1] for name, run in records(tmp_path).items()} == {
        "seqfit/probe.npz": 20,
        "seqfit/run_1/probe.npz": 40,
    }


def test_a_fit_that_broke_off_is_gone_on_with_in_its_file(tmp_path: Path) -> None:
    class Breaking(Net):
        def on_train_batch_end(self, *args: Any) -> None:
            if self.global_step == 15:
                raise RuntimeError("enough")

    broken = trainer_in(tmp_path, SequentialFitting(probe()), Saving(tmp_path / "early.ckpt", 6), steps=20)
    with pytest.raises(RuntimeError, match="enough"):
        fit(broken, Breaking())
    assert load(tmp_path).steps[-1] == 15
    run(tmp_path, "", 12, tmp_path / "early.ckpt")
    assert {name: run.steps[-1] for name, run in records(tmp_path).items()} == {"seqfit/probe.npz": 12}


def test_while_one_process_takes_a_record_over_another_begins_its_own(tmp_path: Path) -> None:
    run(tmp_path, "A").save_checkpoint(tmp_path / "a.ckpt")
    (tmp_path / "seqfit" / ".resuming").mkdir()
    run(tmp_path, "A", 20, tmp_path / "a.ckpt")
    assert {name: run.steps[-1] for name, run in records(tmp_path).items()} == {
        "seqfit/probe.npz": 10,
        "seqfit/run_1/probe.npz": 20,
    }


def test_runs_that_start_at_once_never_share_a_folder(tmp_path: Path) -> None:
    start = Barrier(8)

    def claimed(number: int) -> Place | None:
        archive = Archive("")
        archive.base = place(tmp_path / "seqfit")
        archive.unwritten = True
        start.wait()
        archive.write(lambda about: {"steps": np.array([number])}, 0)
        return archive.folder

    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(claimed, range(8)))
    names = [tmp_path / "seqfit", *(tmp_path / "seqfit" / f"run_{number}" for number in range(1, 8))]
    assert sorted(map(str, folders)) == sorted(map(str, names))
    for number, folder in enumerate(folders):
        assert np.load(f"{folder}/probe.npz")["steps"] == number


def test_all_probes_of_a_trainer_lie_in_one_folder(tmp_path: Path) -> None:
    for _ in range(2):
        fit(trainer_in(tmp_path, SequentialFitting(probe()), ErrorFront(probe(name="left"))), Net())
    assert set(records(tmp_path)) == {
        *("seqfit/probe.npz", "seqfit/left.npz"),
        *("seqfit/run_1/probe.npz", "seqfit/run_1/left.npz"),
    }


def test_a_trainer_that_fits_two_modules_keeps_two_folders(tmp_path: Path) -> None:
    trains = trainer_in(tmp_path, SequentialFitting(probe()), ErrorFront(probe(name="left")))
    fit(trains, Net())
    trains.fit_loop.epoch_loop.max_steps = 15
    fit(trains, Net())
    assert set(records(tmp_path)) == {
        *("seqfit/probe.npz", "seqfit/left.npz"),
        *("seqfit/run_1/probe.npz", "seqfit/run_1/left.npz"),
    }


def test_a_callback_that_comes_back_to_a_folder_goes_on_there(tmp_path: Path) -> None:
    watcher, net = SequentialFitting(probe()), Net()
    for folder in ("first", "second", "first"):
        fit(trainer_in(tmp_path / folder, watcher, steps=5), net)
    assert {name: run.fit.max() for name, run in records(tmp_path).items()} == {
        "first/seqfit/probe.npz": 2,
        "second/seqfit/probe.npz": 1,
    }


def test_what_is_made_once_the_newest_run_is_loaded_is_said(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        run(tmp_path, f"run {number}")
        file = tmp_path / "seqfit" / (f"run_{number - 1}" if number > 1 else "") / "probe.npz"
        os.utime(file, (0, {1: 10, 2: 30, 3: 20}[number]))
    for where in (tmp_path, tmp_path / "seqfit"):
        with pytest.warns(
            UserWarning, match="^seqfit: 3 runs in .*seqfit: run_1, the newest, is loaded; give"
        ) as caught:
            assert load(where).quantity == "run 2"
        assert [warning.filename for warning in caught] == [__file__]
    for where, number in (("run_2", 3), ("run_1", 2), ("probe.npz", 1)):  # without a word
        assert load(tmp_path / "seqfit" / where).quantity == f"run {number}"
    with pytest.raises(FileNotFoundError, match=r"no left\.npz in .*: there are records of: probe; give"):
        load(tmp_path, "left")


class Elsewhere(Logger):
    """A logger with a folder, a name and a version of any kind."""

    def __init__(self, save_dir: Any, name: Any, version: Any) -> None:
        self.said = {"save_dir": save_dir, "name": name, "version": version}

    def _say(self, what: str) -> Any:
        if isinstance(self.said[what], Exception):
            raise self.said[what]
        return self.said[what]

    save_dir = property(lambda self: self._say("save_dir"))  # type: ignore[assignment]
    name = property(lambda self: self._say("name"))  # type: ignore[assignment]
    version = property(lambda self: self._say("version"))  # type: ignore[assignment]

    def log_metrics(self, *args: Any, **kwargs: Any) -> None: ...

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None: ...


@pytest.mark.parametrize(
    ("logger", "folder"),
    [
        (Elsewhere("runs", "p", "x7"), "runs/p/x7"),
        (Elsewhere(Path("runs"), None, 3), "runs/None/version_3"),
        (Elsewhere(None, "p", None), "root/p/version_None"),
        (Elsewhere("s3://bucket", 12, "x7"), "s3://bucket/12/x7"),
        (Elsewhere(OSError("no server"), "p", "x7"), "root"),
        (Elsewhere("runs", ValueError("no name"), "x7"), "root"),
        (Elsewhere(12, "p", "x7"), "root"),
        (TensorBoardLogger("runs", name="p", version=3), "runs/p/version_3"),
        (TensorBoardLogger("runs", name="p", version="x7", sub_dir="sub"), "runs/p/x7/sub"),
        (CSVLogger("runs", name="", version=""), "runs/"),
    ],
)
def test_the_folder_is_the_one_that_the_logger_keeps_for_the_run(logger: Logger, folder: str) -> None:
    if isinstance(logger, Elsewhere) and not any(isinstance(said, Exception | int) for said in logger.said.values()):
        # the oracle is Lightning's own
        keeper = L.pytorch.callbacks.ModelCheckpoint()
        there = keeper._ModelCheckpoint__resolve_ckpt_dir(SimpleNamespace(loggers=[logger], default_root_dir="root"))
        assert there == f"{folder}/checkpoints"
    trains: Any = SimpleNamespace(loggers=[logger], default_root_dir="root")
    assert log_directory(trains) == folder


def test_a_logger_that_fails_when_asked_for_its_folder_loses_nothing(tmp_path: Path) -> None:
    run(tmp_path, "u", logger=Elsewhere(str(tmp_path / "logs"), OSError("no server"), "x"))
    run(tmp_path, "u", logger=Elsewhere(str(tmp_path / "logs"), "p", "x"))
    assert set(records(tmp_path)) == {"seqfit/probe.npz", "logs/p/x/seqfit/probe.npz"}


def test_a_folder_in_memory_holds_all_that_one_on_the_disk_does() -> None:
    run("memory://runs/1", "first").save_checkpoint("memory://runs/1.ckpt")
    run("memory://runs/1", "second", 20)
    store = fsspec.filesystem("memory")
    files = {path for path in store.find("runs") if not path.endswith(places.MARK)}
    assert files == {
        "/runs/1.ckpt",
        *(f"/runs/1/seqfit/{part}probe{end}" for part in ("", "run_1/") for end in (".npz", "_2_fit.png")),
    }
    assert load("memory://runs/1/seqfit/probe.npz").quantity == "first"
    with pytest.warns(UserWarning, match="2 runs in memory://runs/1/seqfit: run_1, the newest, is loaded"):
        assert load("memory://runs/1").quantity == "second"
    run("memory://runs/1", "first", 30, resume="memory://runs/1.ckpt")  # type: ignore[arg-type]
    assert load("memory://runs/1/seqfit/probe.npz").steps[-1] == 30
    assert load("memory://runs/1/seqfit/run_1").steps[-1] == 20
    assert "/runs/1/seqfit/.resuming/.run" not in store.find("runs")
    with pytest.raises(FileNotFoundError, match=r"no left\.npz in memory://runs/1/seqfit: there are records of: probe"):
        load("memory://runs/1", "left")


def test_a_file_in_memory_that_is_damaged_is_refused() -> None:
    run("memory://runs", "u")
    store = fsspec.filesystem("memory")
    store.pipe_file("/runs/seqfit/probe.npz", store.cat_file("/runs/seqfit/probe.npz")[:1000])
    with pytest.raises(ValueError, match=r"memory://runs/seqfit/probe\.npz is no whole record"):
        load("memory://runs")


def test_a_url_of_the_disk_is_a_folder_on_it(tmp_path: Path) -> None:
    run(f"file://{tmp_path}/elsewhere", "u")
    assert set(records(tmp_path)) == {"elsewhere/seqfit/probe.npz"}
    assert load(f"file://{tmp_path}/elsewhere").quantity == "u"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://bucket/runs", "ImportError: Install s3fs.*; install that package with pip"),
        ("nosuch://x", "Protocol not"),
    ],
)
def test_a_store_that_is_not_known_is_said_once(url: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str) -> Any:
        raise ImportError("Install s3fs to access S3") if url.startswith("s3") else ValueError("Protocol not known")

    monkeypatch.setattr(places, "url_to_fs", missing)
    monkeypatch.setattr(keeping, "WRITE_SECONDS", 0.0)
    with pytest.warns(
        UserWarning, match=f"the probe cannot be recorded in {url}/seqfit; the training.*{said}"
    ) as caught:
        trains = run(url, "u")
    assert trains.global_step == 10
    assert len([warning for warning in caught if str(warning.message).startswith("seqfit")]) == 1
    with pytest.raises((ImportError, ValueError), match=said.split(".*")[0].removeprefix("ImportError: ")):
        load(url)


class Failing:
    """Writes fail while the training is between two steps."""

    def __init__(self, real: Any, errors: dict[int, Exception], trains: list[L.Trainer]) -> None:
        self.real, self.errors, self.trains, self.failed = real, errors, trains, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        error = self.errors.get(self.trains[0].global_step)
        if error is not None:
            self.failed += 1
            raise error
        return self.real(*args, **kwargs)


FULL, DENIED = OSError(errno.ENOSPC, "no space left"), PermissionError(errno.EACCES, "not yours")


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_a_write_that_fails_is_said_once_for_each_kind_and_tried_again(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "WRITE_SECONDS", 0.0)  # at every look
    trains: list[L.Trainer] = []
    errors: dict[int, Exception] = {**dict.fromkeys(range(3, 9), FULL), 11: DENIED, 15: FULL}
    if where == "disk":
        failing = Failing(os.replace, errors, trains)
        monkeypatch.setattr(os, "replace", failing)
        folder = str(tmp_path)
    else:
        failing = Failing(MemoryFileSystem.pipe_file, errors, trains)

        def pipe_file(self: Any, *args: Any, **kwargs: Any) -> Any:
            return failing(self, *args, **kwargs)

        monkeypatch.setattr(MemoryFileSystem, "pipe_file", pipe_file)
        folder = "memory://runs"
    trains.append(trainer_in(folder, SequentialFitting(probe()), steps=21))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(trains[0], Net())
    said = [str(warning.message) for warning in caught if str(warning.message).startswith("seqfit: ")]
    assert [
        f"{error.strerror}; make room there, or check" in text for error, text in zip((FULL, DENIED), said, strict=True)
    ] == [True] * 2
    assert all("tried again every 0 s, at checkpoints and at the end" in text for text in said)
    assert failing.failed == len([step for step in due(range(1, 22)) if step in errors])
    assert load(folder).steps.tolist() == due(range(1, 22))
    if where == "disk":
        assert {path.name for path in (tmp_path / "seqfit").iterdir()} == {"probe.npz", "probe_2_fit.png"}


def test_a_disk_that_is_full_to_the_end_is_said_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*args: Any) -> None:
        raise FULL

    monkeypatch.setattr(os, "replace", full)
    with pytest.warns(UserWarning, match="no space left"), caplog.at_level("INFO"):
        assert run(tmp_path, "u").global_step == 10
    assert list((tmp_path / "seqfit").iterdir()) == []
    assert any("record and figures could not be written to" in record.getMessage() for record in caplog.records)


def test_pictures_that_could_not_be_written_are_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, failed = places.Here.write, []

    def once(self: places.Here, data: bytes) -> None:
        if self.name.endswith(".png") and not failed:
            failed.append(self.name)
            raise FULL
        write(self, data)

    monkeypatch.setattr(places.Here, "write", once)
    with pytest.warns(UserWarning, match="no space left"):
        run(tmp_path, "u")
    assert failed == ["probe_2_fit.png"]
    assert (tmp_path / "seqfit" / "probe_2_fit.png").exists()


def test_a_diagnostic_that_fails_at_the_file_loses_its_own_part_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_seqfit.diagnostics.basis import BasisDiagnostic

    def broken(self: Any) -> None:
        raise ZeroDivisionError("no basis")

    monkeypatch.setattr(BasisDiagnostic, "fixed", broken)
    run(tmp_path, "u")
    loaded = load(tmp_path)
    assert loaded.basis is None
    assert loaded.front is not None
    assert "basis: ZeroDivisionError: no basis" in loaded.notes


def test_how_often_is_written_can_be_set_by_the_name_that_scripts_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_seqfit.callbacks import watch

    written: list[int] = []
    monkeypatch.setattr(watch, "WRITE_SECONDS", 0.0)
    monkeypatch.setattr(watch.Keeping, "write", lambda keeping, state: written.append(state.last_step))
    trainer_in(tmp_path, SequentialFitting(probe()), logger=False).fit(Net(), loader())
    assert written[:4] == [0, 1, 2, 3]
