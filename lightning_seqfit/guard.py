"""The guard around every evaluation: it leaves the module and the generators as they were."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

# Larger buffers are data, not state: they are not copied at every look.
_LARGEST_BUFFER = 1_000_000


@contextmanager
def leave_untouched(module: nn.Module, device: torch.device, *, grad: bool = False) -> Iterator[None]:
    """Evaluation mode that undoes itself: training flags, buffers, random number generators, grad mode.

    The flags are set one by one: ``eval()`` may be overridden, and ``train()`` would thaw a BatchNorm frozen by hand.
    ``inference_mode`` is left, since a tensor that the module caches inside it breaks the next backward pass.
    What the module logs meanwhile is dropped.
    """
    modules = list(module.modules())
    training = [(m, m.training) for m in modules]
    registered = [(m, dict(m._buffers.items())) for m in modules]
    buffers = [
        (buffer, buffer.detach().clone())
        for _, kept in registered
        for buffer in kept.values()
        if buffer is not None and buffer.numel() <= _LARGEST_BUFFER and not buffer.is_inference()
    ]
    logs = hasattr(module, "_current_fx_name")  # a LightningModule, of either package
    own_log = {"log": module.__dict__["log"]} if "log" in module.__dict__ else {}
    generators = _generator_states(device)
    try:
        for m, _ in training:
            _set_mode(m, False)
        if logs:
            module.__dict__["log"] = _drop  # hides the method, as an attribute of the instance
        with ExitStack() as stack:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
            stack.enter_context(torch.inference_mode(False))
            stack.enter_context(torch.enable_grad() if grad else torch.no_grad())
            yield
    finally:
        for m, mode in training:
            _set_mode(m, mode)
        if logs:
            module.__dict__.pop("log", None)
            module.__dict__.update(own_log)
        for restore, state in generators:
            restore(state)
        for owner, kept in registered:
            now = dict(owner._buffers.items())
            for name in now.keys() - kept.keys():
                del owner._buffers[name]
            for name, buffer in kept.items():
                if now.get(name) is not buffer:
                    owner._buffers[name] = buffer
        for buffer, saved in buffers:
            buffer.data.copy_(saved)  # unasked: batch norm writes without a new version, and to compare would wait


def _set_mode(module: nn.Module, training: bool) -> None:
    """Set one module's flag; past ``Module.__setattr__``, which looks for parameters first."""
    if "training" in module.__dict__:
        module.__dict__["training"] = training
    else:  # a scripted module keeps it elsewhere
        module.training = training


def _generator_states(device: torch.device) -> list[tuple[Callable[[Any], Any], Any]]:
    """Every random number generator that an evaluation may draw from: how to set it, and its state now."""
    states: list[tuple[Callable[[Any], Any], Any]] = [
        (random.setstate, random.getstate()),
        (np.random.set_state, np.random.get_state()),
        (torch.set_rng_state, torch.get_rng_state()),
    ]
    if device.type in ("cuda", "xpu"):
        backend = getattr(torch, device.type)
        states.append((lambda state: backend.set_rng_state(state, device), backend.get_rng_state(device)))
    elif device.type == "mps":
        states.append((torch.mps.set_rng_state, torch.mps.get_rng_state()))
    return states


def _drop(*args: Any, **kwargs: Any) -> None:
    """Stand in for ``LightningModule.log`` during an evaluation of ours."""
