"""The guard around every evaluation: it leaves the module, the process and the generators as they were.

What it cannot undo, since it cannot be reached from the module: variables of scripts and modules that a forward pass
changes, state inside iterators and generator functions, files, what other libraries keep for themselves, and random
numbers that another thread draws from a generator from which the evaluation draws too.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from lightning_seqfit.guard.generators import global_generators
from lightning_seqfit.guard.process import eager, one_blas_thread
from lightning_seqfit.guard.state import State
from lightning_seqfit.guard.threads import Draws, listening, others_may_draw

__all__ = ["leave_generators_untouched", "leave_untouched", "one_blas_thread"]


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
        In the end, generators that could not be put back without another thread's drawing the same numbers again.

    Raises
    ------
    RuntimeError
        If something that was changed cannot be put back; everything else is.
    """
    state = State((module,))
    modules = list(module.modules())
    shared: list[str] = []
    with ExitStack() as undo:
        draws = undo.enter_context(listening()) if others_may_draw() else None
        undo.callback(_put_back_generators, global_generators(device), draws, shared)
        undo.callback(state.put_back)
        for scripted in modules:
            if "training" not in scripted.__dict__:
                undo.callback(setattr, scripted, "training", scripted.training)
        for m in modules:
            _evaluate(m)
        if hasattr(module, "_current_fx_name"):  # a LightningModule, of either package
            module.__dict__["log"] = _drop  # hides the method, as an attribute of the instance
        undo.enter_context(eager)
        undo.enter_context(torch.inference_mode(False))
        undo.enter_context(torch.set_grad_enabled(grad))
        if state.tensors.copy_on_write.storages:
            undo.enter_context(state.tensors.copy_on_write)
        if draws is not None:
            undo.enter_context(draws)
        yield shared


def _put_back_generators(generators: list[tuple[str, Any]], draws: Draws | None, shared: list[str]) -> None:
    for source, restore in generators:
        if draws is None or not draws.only_others(source):
            restore()
    if draws is not None:
        shared += draws.both()


def _evaluate(module: nn.Module) -> None:
    """Set one module's flag; past ``Module.__setattr__``, which looks for parameters first."""
    if "training" in module.__dict__:
        module.__dict__["training"] = False
    else:  # a scripted module keeps it elsewhere
        module.training = False


def _drop(*args: Any, **kwargs: Any) -> None:
    """Stand in for ``LightningModule.log`` during an evaluation of ours."""
