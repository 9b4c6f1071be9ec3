"""How far the weights have moved since the look before: a rate that is too low looks like a fit that never starts."""

from __future__ import annotations

import logging
import math
from typing import Any

import torch
from torch import Tensor

#: Tensors of weights that are followed, the largest, and values of each, evenly chosen.
MOST_TENSORS, MOST_VALUES = 4, 512

log = logging.getLogger(__name__)


class Weights:
    """Relative update of a sample of the weights, a step; nothing is kept of them but a copy of that sample."""

    def __init__(self) -> None:
        self._before: Tensor | None = None
        self._step = 0
        self._failed = False

    def kept(self, module: Any, step: int) -> dict[str, float]:
        """Relative update a step since the look before, ``training/update``; empty: it is not known.

        |w - w before| / |w before| / steps, over the sample.
        """
        if self._failed:
            return {}
        try:
            return self._update(module, step)
        except Exception as error:  # weights may be anything: sharded, lazy, of a kind that cannot be read
            self._failed = True
            log.debug("the weights cannot be read", exc_info=error)
            return {}

    def _update(self, module: Any, step: int) -> dict[str, float]:
        weights = [each for each in module.parameters() if each.requires_grad and each.numel() > 1]
        largest = sorted(weights, key=Tensor.numel, reverse=True)[:MOST_TENSORS]
        if not largest:
            return {}
        with torch.no_grad():
            parts = [each.detach().reshape(-1)[:: -(-each.numel() // MOST_VALUES)] for each in largest]
            now = torch.cat([part.to(parts[0]) for part in parts])
            before, steps = self._before, step - self._step
            self._before, self._step = now, step
            if before is None or steps <= 0 or before.shape != now.shape or before.device != now.device:
                return {}
            moved, size = torch.stack(
                [torch.linalg.vector_norm(now - before), torch.linalg.vector_norm(before)]
            ).tolist()
        return {"training/update": moved / size / steps} if size > 0.0 and math.isfinite(moved) else {}
