"""The guard around every evaluation: it leaves the module, the process and the generators as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from lightning_seqfit.guard.generators import global_generators
from lightning_seqfit.guard.process import eager, one_blas_thread
from lightning_seqfit.guard.state import State

__all__ = ["leave_generators_untouched", "leave_untouched", "one_blas_thread"]


@contextmanager
def leave_generators_untouched() -> Iterator[None]:
    """Put the generators of torch, numpy and Python back to where they were."""
    with ExitStack() as undo:
        for restore in global_generators(torch.device("cpu")):
            undo.callback(restore)
        yield


@contextmanager
def leave_untouched(module: nn.Module, device: torch.device, *, grad: bool = False) -> Iterator[None]:
    """Evaluation mode that undoes itself: training flags, attributes, tensors, random number generators, grad mode.

    The flags are set one by one: ``eval()`` may be overridden, and ``train()`` would thaw a BatchNorm frozen by hand.
    ``inference_mode`` is left, since a tensor that the module caches inside it breaks the next backward pass.
    What the module logs meanwhile is dropped.

    Parameters
    ----------
    module : what is evaluated; what it reaches is put back.
    device : of its parameters; its generator is put back too.
    grad : whether the evaluation differentiates.

    Raises
    ------
    RuntimeError
        If something that was changed cannot be put back; everything else is.
    """
    state = State((module,))
    modules = list(module.modules())
    modes = [(m, m.training) for m in modules if "training" not in m.__dict__]  # scripted ones
    with ExitStack() as undo:
        for restore in global_generators(device):
            undo.callback(restore)
        undo.callback(state.put_back)
        for scripted, mode in modes:
            undo.callback(setattr, scripted, "training", mode)
        for m in modules:
            _evaluate(m)
        if hasattr(module, "_current_fx_name"):  # a LightningModule, of either package
            module.__dict__["log"] = _drop  # hides the method, as an attribute of the instance
        copying = state.tensors.copy_on_write
        with (
            eager,
            torch.inference_mode(False),
            torch.set_grad_enabled(grad),
            copying if copying.storages else nullcontext(),
        ):
            yield


def _evaluate(module: nn.Module) -> None:
    """Set one module's flag; past ``Module.__setattr__``, which looks for parameters first."""
    if "training" in module.__dict__:
        module.__dict__["training"] = False
    else:  # a scripted module keeps it elsewhere
        module.training = False


def _drop(*args: Any, **kwargs: Any) -> None:
    """Stand in for ``LightningModule.log`` during an evaluation of ours."""
