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
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

from lightning_seqfit.trials.fitting import Fit, go_on
from lightning_seqfit.trials.task import Eye, Task

#: Processes at the most, however many cores there are: each takes some 400 MB for torch.
MOST_PROCESSES = 16
#: Seconds that a process may be late, one step being longer than it should; and of a turn.
GRACE, TURN = 4.0, 1.0
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
    """Answer until nobody asks: first comes a task, packed, then one (fit, step, seconds) after the other."""
    eye = Eye(pickle.loads(pickle.load(asked)))
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
    """What trains: this process, and others beside it, of which none is left when the context ends.

    Parameters
    ----------
    task : what is fitted.
    beside : how many others; each is used as soon as it has started.
    deadline : when there is no time left, by :func:`time.monotonic`.
    """

    def __init__(self, task: Task, beside: int, deadline: float) -> None:
        self._eye, self._deadline = Eye(task), deadline
        packed = pickle.dumps(task)  # now, while nobody adds to what its geometry remembers
        self._processes = [_Process(packed) for _ in range(beside)]
        self._threads = [ThreadPoolExecutor(1) for _ in self._processes]  # one alone talks to a process

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for process in self._processes:
            process.kill()
        for thread, process in zip(self._threads, self._processes, strict=True):
            thread.shutdown(wait=True, cancel_futures=True)
            process.close()

    def run(self, jobs: Sequence[Job], tick: Callable[[], object] = lambda: None) -> Iterator[tuple[Any, Fit]]:
        """Yield key and fit of each job as it is done; ``tick`` is called about once a second.

        They take turns of about a second, so that none has to wait for slower ones.
        """
        waiting, done = deque(jobs), queue.SimpleQueue[Job]()
        for thread, process in zip(self._threads, self._processes, strict=True):
            thread.submit(self._serve_from, process, waiting, done)
        missing = len(jobs)
        while missing:
            if (job := _next(waiting)) is not None:
                fit = go_on(job.fit, self._eye, job.until, self._turn()) if self._left() > 0.0 else job.fit
                self._put(replace(job, fit=fit), waiting, done)
            with suppress(queue.Empty):
                while missing:
                    ready = done.get(timeout=TURN if job is None else 0.0)
                    missing -= 1
                    yield ready.key, ready.fit
            tick()
            if self._left() < -GRACE:
                for process in self._processes:  # whoever waits for an answer is told so
                    process.kill()

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _turn(self) -> float:
        return min(TURN, self._left())

    def _serve_from(self, process: _Process, waiting: deque[Job], done: queue.SimpleQueue[Job]) -> None:
        """Let a process do what waits; it is started before it takes something."""
        while waiting and self._left() > 0.0:
            try:
                process.start()
            except (EOFError, OSError):
                return  # the others do it
            if (job := _next(waiting)) is None:
                return
            try:
                fit = process.ask(job.fit, job.until, self._turn())
            except Exception:  # whatever it is, the fit must come back
                said = f"its process ended with exit status {process.status()}, as when memory is short"
                fit = replace(job.fit, why=NO_TIME if self._left() <= 0.0 else said, state=b"")
            self._put(replace(job, fit=fit), waiting, done)

    def _put(self, job: Job, waiting: deque[Job], done: queue.SimpleQueue[Job]) -> None:
        """Put a job back where it has steps to take and time to, else where it is done."""
        if job.fit.ended or job.fit.step >= job.until:
            done.put(job)
        elif self._left() > 0.0:
            waiting.append(job)
        else:
            done.put(replace(job, fit=replace(job.fit, why=NO_TIME, state=b"")))


def _next(waiting: deque[Job]) -> Job | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


class _Process:
    """One process, started when it is first needed, and anew when it has died."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
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
        self._ask(self._packed)

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
