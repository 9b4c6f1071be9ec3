"""Fits on several cores: processes of our own that get a task once and then one stretch of a fit after another.

They are started as ``python -c``, not by :mod:`multiprocessing`: that would import the script of whoever asks once more
in each process, and so run the training in it again where it stands unguarded.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from lightning_seqfit.trials.fitting import Fit, go_on
from lightning_seqfit.trials.task import Eye, Task

#: Processes at the most, however many cores there are: each takes some 400 MB for torch.
MOST_PROCESSES = 16
#: Seconds that a process may be late, one step being longer than it should.
GRACE = 4.0
#: Why a fit ended for which there was no time.
NO_TIME = "the budget ended"
# Whatever the process that is asked for this prints must not get between the answers.
_START = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); sys.path[:] = {path!r}; "
    "answers = os.fdopen(os.dup(1), 'wb'); os.dup2(2, 1); "
    "from lightning_seqfit.trials.workers import serve; serve(sys.stdin.buffer, answers)"
)


@dataclass(frozen=True)
class Job:
    """A stretch of a fit, up to a step, and a key for whoever asked for it."""

    key: Any
    fit: Fit
    until: int


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def serve(asked: Any, answers: Any) -> None:
    """Answer until nobody asks: first comes a task, then one (fit, step, seconds) after the other."""
    eye = Eye(pickle.load(asked))
    _send("ready", answers)
    while True:
        try:
            fit, until, seconds = pickle.load(asked)
        except EOFError:
            return
        _send(go_on(fit, eye, until, seconds), answers)


def _send(message: Any, stream: Any) -> None:
    pickle.dump(message, stream)
    stream.flush()


class Workers:
    """Processes that train, as a context; none is left when it ends.

    Parameters
    ----------
    task : what is fitted.
    processes : how many at the most; 0: none, the fits are trained here.
    deadline : when there is no time left, by :func:`time.monotonic`.
    """

    def __init__(self, task: Task, processes: int, deadline: float) -> None:
        self._task, self._deadline = task, deadline
        self._eye = None if processes else Eye(task)
        self._threads = ThreadPoolExecutor(max(processes, 1))
        self._idle: queue.SimpleQueue[_Process] = queue.SimpleQueue()
        self._processes = [_Process(task) for _ in range(processes)]
        for process in self._processes:
            self._idle.put(process)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._processes:
            process.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for process in self._processes:
            process.close()

    def run(self, jobs: Sequence[Job], tick: Callable[[], object] = lambda: None) -> Iterator[tuple[Any, Fit]]:
        """Yield key and fit of each job as it is done; ``tick`` is called twice a second."""
        if self._eye is not None:
            for job in jobs:
                yield job.key, self._here(job, self._eye)
            return
        futures: dict[Future[Fit], Job] = {self._threads.submit(self._there, job): job for job in jobs}
        waiting = set(futures)
        while waiting:
            done, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in done:
                yield futures[future].key, future.result()
            tick()
            if waiting and time.monotonic() > self._deadline + GRACE:
                for process in self._processes:  # whoever waits for one is told so
                    process.kill()

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _here(self, job: Job, eye: Eye) -> Fit:
        if self._left() <= 0.0:
            return replace(job.fit, why=NO_TIME, state=b"")
        return self._told(go_on(job.fit, eye, job.until, self._left()), job)

    def _there(self, job: Job) -> Fit:
        process = self._idle.get()
        try:
            process.start()
            if self._left() <= 0.0:
                return replace(job.fit, why=NO_TIME, state=b"")
            return self._told(process.ask(job.fit, job.until, self._left()), job)
        except (EOFError, OSError, pickle.UnpicklingError):
            late = self._left() <= 0.0
            why = NO_TIME if late else f"its process ended with exit status {process.status()}, as when memory is short"
            return replace(job.fit, why=why, state=b"")
        finally:
            self._idle.put(process)

    def _told(self, fit: Fit, job: Job) -> Fit:
        """A fit that stopped short of its step for want of time says so."""
        if fit.ended or fit.step >= job.until:
            return fit
        return replace(fit, why=NO_TIME, state=b"")


class _Process:
    """One process, started when it is first needed, and anew when it has died."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._process: subprocess.Popen[bytes] | None = None
        self._killed, self._lock = False, threading.Lock()

    def start(self) -> None:
        """Start it if it does not run, and wait until it has read the task."""
        with self._lock:
            if self._killed:
                raise OSError("no process may be started any more")
            if self._process is not None and self._process.poll() is None:
                return
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START.format(path=sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            )
        self._ask(self._task)

    def ask(self, fit: Fit, until: int, seconds: float) -> Fit:
        """Return the fit after a stretch of it.

        Raises
        ------
        EOFError, OSError
            If the process has ended.
        """
        answer: Fit = self._ask((fit, until, seconds))
        return answer

    def status(self) -> int | None:
        """With what it ended; None: it has not."""
        with suppress(subprocess.TimeoutExpired):
            return None if self._process is None else self._process.wait(1.0)
        return None

    def kill(self) -> None:
        """End it for good; whoever waits for an answer gets an error."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()

    def close(self) -> None:
        """Close what it was asked through, when it has ended."""
        for stream in (self._process.stdin, self._process.stdout) if self._process is not None else ():
            with suppress(OSError):
                assert stream is not None
                stream.close()

    def _ask(self, message: Any) -> Any:
        assert self._process is not None
        assert self._process.stdout is not None
        _send(message, self._process.stdin)
        return pickle.load(self._process.stdout)
