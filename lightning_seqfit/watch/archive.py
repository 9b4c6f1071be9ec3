"""Where a run's record and what is beside it lie, whose they are, and how they get there."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import time
import uuid
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.util import Finalize
from typing import Any

import lightning.pytorch as pl

from lightning_seqfit.record.file import FOLDER, about_file, file_of, pack, runs_in
from lightning_seqfit.record.history import Column
from lightning_seqfit.record.place import Place, place

log = logging.getLogger(__name__)


@dataclass
class RunFolder:
    """Where all probes of one fit lie together, as soon as one of them has been written."""

    folder: Place | None = None


#: By trainer: the module that it fits, the folder of records, and the one in it that its probes share.
_SHARED: weakref.WeakKeyDictionary[pl.Trainer, tuple[weakref.ref[Any], Place | None, RunFolder]] = (
    weakref.WeakKeyDictionary()
)


def log_directory(trainer: pl.Trainer) -> str:
    """Return the folder that the first logger keeps for this run, as ``ModelCheckpoint`` builds it.

    Without a logger, and where it raises or says nothing that is a path: ``default_root_dir``. What rank zero finds has
    to be broadcast: on other ranks many loggers do not know.
    """
    root = str(trainer.default_root_dir)
    if not trainer.loggers:
        return root
    logger: Any = trainer.loggers[0]
    try:
        # by name: those of the package pytorch_lightning are other classes
        if {"TensorBoardLogger", "CSVLogger"} & {kind.__name__ for kind in type(logger).__mro__}:
            return os.fspath(logger.log_dir) or root
        version = logger.version
        version = version if isinstance(version, str) else f"version_{version}"
        folder = root if logger.save_dir is None else os.fspath(logger.save_dir)
        return os.path.join(folder, str(logger.name), version) or root
    except Exception as error:
        log.debug("the logger has no folder", exc_info=error)
        return root


class Archive:
    """Keeps one probe's files in the folder of its run, and never touches those of another run.

    Every fresh start has an id, and so has every fit that goes on from a checkpoint. The ids that a record went
    through, its lineage, stand in its file and in the checkpoint. A fit goes on in the file that is there only if the
    lineages are the same, and not if that fit came to its end and saw more than the checkpoint holds. Else it takes a
    folder that is not there yet.

    Parameters
    ----------
    probe : name of the probe.

    Attributes
    ----------
    base : the log directory's folder of records; None: nothing is written.
    lineage : ids of the record, the latest last.
    finished : the fit came to its end.
    written : time of the latest attempt.
    unwritten : the record has something that its file has not.
    files : beside the record, by name, not written yet.
    """

    def __init__(self, probe: str) -> None:
        self.probe = probe
        self.base: Place | None = None
        self.shared = RunFolder()
        self.written = 0.0
        self.said: set[str] = set()
        self.begin_anew()

    def __str__(self) -> str:
        return str(self.folder or self.base)

    @property
    def folder(self) -> Place | None:
        """Where the files are; None before the first."""
        return None if self.base is None else self.folders.get(self.base)

    @property
    def waits(self) -> bool:
        """There is something to write."""
        return self.unwritten or bool(self.files)

    def begin_anew(self) -> None:
        """Start a record of its own, in a folder of its own."""
        self.go_on([], -1)
        self.lineage = [uuid.uuid4().hex]

    def go_on(self, lineage: list[str], last: int) -> None:
        """Go on from a checkpoint whose last look was at a step, counted over all fits."""
        self.lineage, self.ancestors, self.restored = list(lineage), list(lineage), last
        self.finished = self.unwritten = False
        self.folders: dict[Place, Place] = {}  # ours, by folder of records: the same callback may have several trainers
        self.files: dict[str, bytes] = {}

    def open(self, trainer: pl.Trainer, module: pl.LightningModule, base: str) -> str:
        """Begin a fit that writes below a log directory; an empty one: it writes nothing.

        Returns
        -------
        str
            What will keep it from writing, as far as that is known now, and what to do; empty: nothing.
        """
        self.finished, self.written, self.said = False, time.perf_counter(), set()
        if self.lineage == self.ancestors:  # restored, and this is the first fit since
            self.lineage = [*self.lineage, uuid.uuid4().hex]
        self.base = found = place(base) / FOLDER if base else None
        of, where, shared = _SHARED.get(trainer, (None, None, RunFolder()))
        if of is None or of() is not module or where != found:
            shared = RunFolder()
            _SHARED[trainer] = (weakref.ref(module), found, shared)
        self.shared = shared
        try:
            if found is not None:
                found.reach()
        except Exception as error:
            return self._once(error)
        return ""

    def write_at_exit(self, trainer: pl.Trainer, write: weakref.WeakMethod[Callable[[], None]]) -> None:
        """Write what is left at the end of a worker process, which nothing else announces where a training breaks off.

        In the workers of ddp_spawn, ddp_fork and ddp_notebook Lightning calls no on_exception.
        """
        if parent_process() is not None and trainer.is_global_zero:
            Finalize(self, _write_what_is_left, (weakref.ref(self), write), exitpriority=0)

    def write(self, contents: Callable[[Mapping[str, Any]], Mapping[str, Column]], last: int) -> str:
        """Write the record, and the files beside it that wait. What fails is tried again at the next call.

        Parameters
        ----------
        contents : makes the arrays of the record's file; is told what the file has to say of the run's identity.
        last : step of the record's last look, over all fits.

        Returns
        -------
        str
            What failed and what to do, the first time in a fit; empty otherwise.
        """
        self.written = time.perf_counter()
        if self.base is None:
            return ""
        try:
            if self.unwritten:
                about = {"lineage": self.lineage, "finished": self.finished, "last": last}
                self._put(pack(contents(about)))
                self.unwritten = False
            if self.folder is not None:
                for name in list(self.files):
                    (self.folder / name).write(self.files[name])
                    del self.files[name]
        except Exception as error:
            return self._once(error)
        return ""

    def _once(self, error: Exception) -> str:
        """Say what went wrong, and what to do, once for each kind."""
        if type(error).__name__ in self.said:
            return ""
        self.said.add(type(error).__name__)
        log.debug("writing failed", exc_info=error)
        hint = "make room there, or check its permissions"
        if isinstance(error, ImportError):
            hint = "install that package with pip"
        return f"{type(error).__name__}: {error}; {hint}"

    def _put(self, data: bytes) -> None:
        """Write the record's file, the first time where it belongs."""
        assert self.base is not None
        file = file_of(self.probe)
        if self.folder is None and self.ancestors and self._take_over(file, data):
            return
        if self.folder is None:
            shared = self.shared.folder
            if shared is None or (shared / file).is_file():  # another callback has fitted this module before
                shared = self.shared.folder = self._claimed()
            self.folders[self.base] = shared
        (self.folders[self.base] / file).write(data)

    def _claimed(self) -> Place:
        """Make the first folder that is not there yet; of several processes only one makes it."""
        assert self.base is not None
        for number in itertools.count():
            folder = self.base / f"run_{number}" if number else self.base
            try:
                folder.claim()
            except FileExistsError:
                continue
            return folder
        raise AssertionError

    def _take_over(self, file: str, data: bytes) -> bool:
        """Write into the file that we go on with, if it is there and nobody else goes on with it."""
        assert self.base is not None
        for folder in runs_in(self.base):
            if not self._goes_on(folder / file):
                continue
            lock = folder / ".resuming"
            try:
                lock.claim()
            except FileExistsError:
                continue
            try:
                if self._goes_on(folder / file):  # still
                    (folder / file).write(data)
                    self.folders[self.base] = folder
                    self.shared.folder = self.shared.folder or folder
                    return True
            finally:
                lock.release()
        return False

    def _goes_on(self, file: Place) -> bool:
        """Whether a file holds what the checkpoint holds, and nothing more that is worth keeping."""
        about = about_file(file)
        if about.get("lineage") != self.ancestors:
            return False
        last = about.get("last")
        return not about.get("finished") or (isinstance(last, int) and last <= self.restored)


def _write_what_is_left(archive: weakref.ref[Archive], write: weakref.WeakMethod[Callable[[], None]]) -> None:
    there, do = archive(), write()
    if there is not None and do is not None and there.waits:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # Lightning answers it with an exception, wherever we are
        do()
