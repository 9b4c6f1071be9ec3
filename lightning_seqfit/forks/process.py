"""What a training may change of the process that it runs in, put back."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from lightning.pytorch.utilities.seed import isolate_rng

_LOGGERS = ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "lightning_fabric")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Lightning says to itself; warnings of anybody else are shown."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(lightning|pytorch_lightning|lightning_fabric)(\.|$)")
            warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
            for words in (r"The '.*' does not have many workers", "The number of training batches", "GPU available"):
                warnings.filterwarnings("ignore", message=words)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def as_before() -> Iterator[None]:
    """Leave generators, environment and torch's switches as they were, whatever a training sets, and if it raises."""
    environment, cudnn = dict(os.environ), torch.backends.cudnn
    switches = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    benchmark, precision, dtype = cudnn.benchmark, torch.get_float32_matmul_precision(), torch.get_default_dtype()
    raised: BaseException | None = None
    with isolate_rng():  # restores nothing where something is raised within
        try:
            yield
        except BaseException as error:
            raised = error
    if dict(os.environ) != environment:
        os.environ.clear()
        os.environ.update(environment)
    torch.use_deterministic_algorithms(switches[0], warn_only=switches[1])
    torch.set_float32_matmul_precision(precision)
    torch.set_default_dtype(dtype)
    cudnn.benchmark = benchmark
    if raised is not None:
        raise raised
