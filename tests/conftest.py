"""What every test shares: one thread, reproducible examples, GPU tests only where there is a GPU."""

from __future__ import annotations

import os
import random

import numpy as np
import pytest
import torch
from hypothesis import settings
from threadpoolctl import threadpool_limits

# One thread: small networks train faster, timings hold on a busy machine, and sums are always added in the same order.
# numpy's too, and those of processes that a test starts: two workers with two threads each wait for each other.
torch.set_num_threads(1)
threadpool_limits(1)
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run, and no deadline: the first example pays for imports and caches.
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests marked ``gpu`` on a machine without a CUDA device."""
    if torch.cuda.is_available():
        return
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture
def seeded() -> int:
    """Seed python, numpy and torch, and return the seed, for further generators."""
    seed = 20240607
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return seed
