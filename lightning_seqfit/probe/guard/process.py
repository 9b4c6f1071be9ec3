"""Settings of the whole process: changed by the first of several threads that need it, put back by the last."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any

import torch
from threadpoolctl import ThreadpoolController


class Shared:
    """A context that several threads may be in at once: entered by the first of them, left by the last."""

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._inside = 0
        self._context: AbstractContextManager[Any] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._context = self._make()
                self._context.__enter__()
            self._inside += 1

    def __exit__(self, *raised: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._context is not None:
                self._context.__exit__(None, None, None)
                self._context = None


@contextmanager
def _one_thread() -> Iterator[None]:
    """BLAS on one thread. ``ThreadpoolController.limit`` describes every library anew each time, which costs more."""
    before = [(library, library.get_num_threads()) for library in _blas_libraries(len(sys.modules))]
    changed = [(library, threads) for library, threads in before if threads != 1]
    for library, _ in changed:
        library.set_num_threads(1)
    yield
    for library, threads in changed:
        library.set_num_threads(threads)


@lru_cache(maxsize=1)
def _blas_libraries(modules: int) -> list[Any]:
    """Those that are loaded; to list them takes 2 ms, so it is done anew only where something was imported."""
    return [library for library in ThreadpoolController().lib_controllers if library.user_api == "blas"]


#: Nothing is compiled, and nothing that is compiled runs.
eager = Shared(lambda: torch.compiler.set_stance("force_eager"))
#: numpy's BLAS has one thread: where all cores are busy with the training, several would wait for each other.
one_blas_thread = Shared(_one_thread)
