"""What a checkpoint may hold, so that ``torch.load(weights_only=True)`` reads it: tensors and builtin values."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import torch


def to_tensors(value: Any) -> Any:
    """Return a copy that a checkpoint may hold.

    Raises
    ------
    TypeError
        For what it may not.

    Examples
    --------
    >>> to_tensors({"steps": np.arange(3), "last": np.float64(0.5)})
    {'steps': tensor([0, 1, 2]), 'last': 0.5}
    """
    if isinstance(value, Mapping):
        return {to_tensors(key): to_tensors(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(to_tensors, value))
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, np.generic):
        return to_tensors(value.item())
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"{type(value).__name__} cannot be in a checkpoint: give arrays, tensors and builtin values")


def to_arrays(value: Any) -> Any:
    """Return what :func:`to_tensors` got, with arrays for tensors; one whose kind numpy lacks stays a tensor."""
    if isinstance(value, Mapping):
        return {key: to_arrays(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(to_arrays, value))
    if isinstance(value, torch.Tensor):
        with suppress(TypeError, RuntimeError):
            return value.detach().cpu().numpy()
    return value
