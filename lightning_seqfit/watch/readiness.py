"""Whether a module can be evaluated before its first batch, or has yet to make what its forward pass needs."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy as is_uninitialized

_LACKS = re.compile(r"'(\w+)' object has no attribute '\w+'")


def is_lazy(module: nn.Module) -> bool:
    """Whether the first batch has yet to make parameters or buffers: an evaluation of ours would draw other weights."""
    return any(is_uninitialized(tensor) for tensors in (module.parameters(), module.buffers()) for tensor in tensors)


def has_a_hook_of_its_own(module: nn.Module, name: str) -> bool:
    """Whether a LightningModule, of either package, does something in a hook."""
    package = str(getattr(getattr(type(module), name, None), "__module__", "")).partition(".")[0]
    return name in vars(module) or package not in ("lightning", "pytorch_lightning")


def is_unfinished(error: BaseException, module: nn.Module, predict: Callable[..., Any] | None) -> bool:
    """Whether an evaluation failed for want of something that the module's first step makes: an attribute, an entry.

    What ``predict`` itself lacks, such as a name that it spells wrong, is another matter.
    """
    cause = error.__cause__ or error
    frames = [frame for frame, _ in traceback.walk_tb(cause.__traceback__) if frame.f_code.co_name != "__getattr__"]
    if not frames or frames[-1].f_code is getattr(predict, "__code__", None):
        return False
    if isinstance(cause, AttributeError):
        found = _LACKS.match(str(cause))
        return found is not None and found[1] in {type(part).__name__ for part in module.modules()} | {"NoneType"}
    in_forward = any(isinstance(frame.f_locals.get("self"), nn.Module) for frame in frames[-2:])
    return in_forward and (isinstance(cause, KeyError) or (isinstance(cause, TypeError) and "NoneType" in str(cause)))
