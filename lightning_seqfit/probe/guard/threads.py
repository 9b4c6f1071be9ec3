"""Which threads draw from the process' generators while an evaluation runs.

A generator is put back after an evaluation. Numbers that another thread drew from it meanwhile, as one that prepares
batches may, would then be drawn a second time: so where other threads run, it is put back only if the evaluation itself
may have drawn from it.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from types import ModuleType
from typing import Any

import numpy as np
import torch

from lightning_seqfit.probe.guard import internals
from lightning_seqfit.probe.guard.process import Shared

# Their threads move data and write files.
_HARMLESS = frozenset({"tensorboard", "tqdm", "wandb", "torch", "lightning", "asyncio", "multiprocessing", "fsspec"})
_SOURCES: tuple[tuple[str, ModuleType, Any], ...] = (
    ("numpy", np.random, internals.NUMPY_GENERATOR),
    ("python", random, internals.PYTHON_GENERATOR),
)


def others_may_draw() -> bool:
    """Whether threads run that may draw random numbers."""
    if threading.active_count() == 1:
        return False
    here, idle = threading.current_thread().ident, internals.threads_waiting_for_work()
    return any(
        thread.ident != here and thread.ident not in idle and not _is_harmless(thread)
        for thread in threading.enumerate()
    )


def _is_harmless(thread: threading.Thread) -> bool:
    makers = {type(thread).__module__, internals.module_of_target(thread)}
    return any(maker.partition(".")[0] in _HARMLESS for maker in makers)


class Draws(internals.TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Who drew from which generator: this thread, others, or nobody that was seen."""

    supports_higher_order_operators = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._here = threading.get_ident()
        self._before = len(_drawn)
        self._from_torch = False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run an operation, and remember whether it draws."""
        self._from_torch |= torch.Tag.nondeterministic_seeded in getattr(
            func, "tags", (torch.Tag.nondeterministic_seeded,)
        )
        return func(*args, **(kwargs or {}))

    def from_here(self, source: str) -> bool:
        """Whether this thread was heard drawing from a generator of ``"numpy"``, ``"python"`` or ``"torch"``."""
        threads = {thread for name, thread in _drawn[self._before :] if name == source}
        return self._here in threads or (source == "torch" and self._from_torch)

    def both(self) -> list[str]:
        """Generators from which this thread and others drew at once: others will draw the same numbers again."""
        drawn = _drawn[self._before :]
        sources = {name for name, thread in drawn if thread == self._here}
        return sorted(sources & {name for name, thread in drawn if thread != self._here})


@contextmanager
def listening() -> Iterator[Draws]:
    """Hear who draws, while the context lasts."""
    with _wrapped:
        yield Draws()


_drawn: list[tuple[str, int]] = []


@Shared
@contextmanager
def _wrapped() -> Iterator[None]:
    """Let the functions of ``numpy.random`` and ``random``, and those that seed torch, tell who calls them."""
    for module, name, _, telling in _functions():
        setattr(module, name, telling)
    yield
    for module, name, function, telling in _functions():
        if vars(module)[name] is telling:
            setattr(module, name, function)
    _drawn.clear()


@cache
def _functions() -> list[tuple[ModuleType, str, Callable[..., Any], Callable[..., Any]]]:
    drawing = [
        (source, module, name)
        for source, module, generator in _SOURCES
        for name, function in vars(module).items()
        if not name.startswith("_") and callable(function) and getattr(function, "__self__", None) is generator
    ]
    seeding = [("torch", module, name) for module in (torch, torch.random) for name in _SEED_TORCH]
    seeding.append(("numpy", np.random, "seed"))
    return [
        (module, name, vars(module)[name], _telling(source, vars(module)[name]))
        for source, module, name in (*drawing, *seeding)
    ]


_SEED_TORCH = ("manual_seed", "seed", "set_rng_state")


def _telling(source: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def draw(*args: Any, **kwargs: Any) -> Any:
        _drawn.append((source, threading.get_ident()))
        return function(*args, **kwargs)

    return draw
