"""The guard around every evaluation: it leaves the module, the process and the generators as they were.

What it does not undo: variables of scripts and of functions (closures) that a forward pass changes, state inside
iterators, generator functions and queues, files, what other libraries keep for themselves, and random numbers that
another thread draws from a generator from which the evaluation draws too. :meth:`Probe.check` names most of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from lightning_seqfit.probe.guard import containers, internals, objects  # noqa: F401 - what is remembered how
from lightning_seqfit.probe.guard.generators import global_generators
from lightning_seqfit.probe.guard.process import eager, one_blas_thread
from lightning_seqfit.probe.guard.state import State
from lightning_seqfit.probe.guard.threads import Draws, listening, others_may_draw

#: What is said where a module holds more than is remembered.
INCOMPLETE = (
    "the module holds more than a look remembers, such as long lists of objects or large arrays: where a forward pass "
    "changes what lies there, the training is another. Probe.check(module) names it"
)
#: What is said, with the generator's name, where another thread will draw some numbers a second time.
SHARED = (
    "another thread drew random numbers during a look that draws them too, and gets some of them again; give it a "
    "generator of its own, such as numpy.random.default_rng(). Both drew from the global generator of"
)

__all__ = ["INCOMPLETE", "SHARED", "leave_generators_untouched", "leave_untouched", "one_blas_thread"]


@contextmanager
def leave_generators_untouched() -> Iterator[None]:
    """Put the generators of torch, numpy and Python back to where they were."""
    with ExitStack() as undo:
        for _, restore in global_generators(torch.device("cpu")):
            undo.callback(restore)
        yield


@contextmanager
def leave_untouched(module: nn.Module, device: torch.device, *, grad: bool = False) -> Iterator[list[str]]:
    """Evaluation mode that undoes itself: training flags, attributes, tensors, random number generators, grad mode.

    The flags are set one by one: ``eval()`` may be overridden, and ``train()`` would thaw a BatchNorm frozen by hand.
    ``inference_mode`` is left, since a tensor that the module caches inside it breaks the next backward pass.
    What the module logs meanwhile is dropped.

    Parameters
    ----------
    module : what is evaluated; what it reaches is put back.
    device : of its parameters; its generator is put back too.
    grad : whether the evaluation differentiates.

    Yields
    ------
    list of str
        In the end, what cannot be vouched for, a sentence each.

    Raises
    ------
    RuntimeError
        If something that was changed cannot be put back; everything else is.
    """
    alone = not others_may_draw()
    state = State(module, alone=alone)
    modes = [(m, m.training) for m in state.modules]
    notes: list[str] = []
    if not state.complete:
        notes.append(INCOMPLETE)
    with ExitStack() as undo:
        draws = None if alone else undo.enter_context(listening())
        undo.callback(_put_back_generators, global_generators(device), draws, notes)
        undo.callback(_set_modes, modes)
        undo.callback(state.put_back)
        _set_modes([(m, False) for m, _ in modes])
        internals.drop_logged(module)
        undo.enter_context(eager)
        undo.enter_context(torch.inference_mode(False))
        undo.enter_context(torch.set_grad_enabled(grad))
        if state.tensors.copy_on_write.storages:
            undo.enter_context(state.tensors.copy_on_write)
        if draws is not None:
            undo.enter_context(draws)
        yield notes


def _put_back_generators(generators: list[tuple[str, Any]], draws: Draws | None, notes: list[str]) -> None:
    for source, restore in generators:
        if draws is None or draws.from_here(source):
            restore()
    if draws is not None and draws.both():
        notes.append(f"{SHARED} {' and '.join(draws.both())}")


def _set_modes(modes: list[tuple[nn.Module, bool]]) -> None:
    """Set each module's flag; past ``Module.__setattr__``, which looks for parameters first."""
    for module, training in modes:
        if "training" in module.__dict__:
            module.__dict__["training"] = training
        else:  # a scripted module keeps it elsewhere
            module.training = training
