"""How far the weights have moved since the look before: a rate that is too low looks like a fit that never starts."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lightning_seqfit.diagnosis.procedure import LOW_UPDATE

#: Tensors of weights that are followed, the largest on a device, and values of each, evenly chosen.
MOST_TENSORS, MOST_VALUES = 4, 512
#: Relative update of a step from which on no further one is asked for: the rate is not too low.
ENOUGH = 5 * LOW_UPDATE

log = logging.getLogger(__name__)


class Weights:
    """Relative update of a sample of the weights, a step; nothing is kept of them but a copy of that sample.

    Parameters
    ----------
    enough : the update from which on none is measured any more.
    """

    def __init__(self, enough: float = ENOUGH) -> None:
        self._enough, self._moved = enough, False
        self._sample: Tensor | None = None
        self._step = 0
        self._failed = False

    def kept(self) -> dict[str, Any]:
        """The sample of the look before and its step, for a checkpoint; empty: there is none."""
        if self._moved:
            return {"step": self._step, "sample": torch.empty(0)}
        return {} if self._sample is None else {"step": self._step, "sample": self._sample.cpu()}

    def go_on(self, kept: Mapping[str, Any]) -> None:
        """Go on with what a checkpoint has kept."""
        self._step, self._sample = int(kept.get("step", 0)), kept.get("sample")
        self._moved = self._sample is not None and not self._sample.numel()

    def update(self, optimizers: Iterable[Any], step: int) -> dict[str, float]:
        """Relative update a step since the look before, ``training/update``; empty: it is not known.

        |w - w before| / |w before| / steps, over the sample of what the optimizers train.
        """
        if self._failed or self._moved:
            return {}
        try:
            groups = [group for each in optimizers for group in getattr(each, "param_groups", ())]
            return self._update([weight for group in groups for weight in group["params"]], step)
        except Exception as error:  # weights may be anything: sharded, lazy, of a kind that cannot be read
            self._failed, self._sample = True, None
            log.debug("the weights cannot be read", exc_info=error)
            return {}

    def _update(self, weights: Sequence[Tensor], step: int) -> dict[str, float]:
        trained = [each for each in weights if each.requires_grad and each.numel() > 1]
        largest = sorted(trained, key=Tensor.numel, reverse=True)[:MOST_TENSORS]
        if not largest:
            return {}
        with torch.no_grad():
            beside = [each for each in largest if each.device == largest[0].device]
            now = torch.cat([_sampled(each) for each in beside])
            before, steps = self._sample, step - self._step
            self._sample, self._step = now, step
            if before is None or steps <= 0 or before.shape != now.shape:
                return {}
            before = before.to(now) if before.device != now.device else before
            moved, size = torch.dist(now, before).item(), torch.linalg.vector_norm(before).item()
        if not (size > 0.0 and math.isfinite(moved)):
            return {}
        update = moved / size / steps
        self._moved = update >= self._enough
        return {"training/update": update}


def is_adaptive(optimizers: Iterable[Any]) -> dict[str, float]:
    """Whether the first optimizer scales its steps itself, as Adam, ``training/adaptive``; empty: it is not known.

    Examples
    --------
    >>> weights = [torch.ones(1, requires_grad=True)]
    >>> is_adaptive([torch.optim.Adam(weights)]), is_adaptive([torch.optim.SGD(weights, lr=1.0)])
    ({'training/adaptive': 1.0}, {'training/adaptive': 0.0})
    """
    try:
        options = next(iter(optimizers)).param_groups[0].keys()
    except Exception as error:  # there is none, or one of somebody's own
        log.debug("the optimizer cannot be read", exc_info=error)
        return {}
    return {"training/adaptive": float(options.isdisjoint(_NOT_ADAPTIVE))}


#: Options of torch's optimizers that do not: of SGD, of LBFGS and of ASGD.
_NOT_ADAPTIVE = {"dampening", "history_size", "lambd"}


def _sampled(weight: Tensor) -> Tensor:
    """Evenly chosen values; in a single operation where nothing needs to be copied: in a look each takes 15 us."""
    stride = -(-weight.numel() // MOST_VALUES)
    if weight.is_contiguous():
        return weight.as_strided((-(-weight.numel() // stride),), (stride,))
    return weight.reshape(-1)[::stride]
