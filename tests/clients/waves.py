"""What the tests of both libraries share: oscillatory problems on a line and in the plane, and how they are seen."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_seqfit import Probe, Run

STEPS = 30
WAVES = 6 * math.pi  # three oscillations along t
LOBES = 2 * math.pi  # two by two in the plane


def wave(points: Tensor) -> Tensor:
    return torch.sin(WAVES * points[:, 0])


def lobes(points: Tensor) -> Tensor:
    return torch.sin(LOBES * points).prod(dim=1)


def on_line(**options: Any) -> Probe:
    return Probe.grid(**{"bounds": [(0.0, 1.0)], "target": wave, "axes": ["t"], **options})


def in_plane(**options: Any) -> Probe:
    return Probe.grid(**{"bounds": [(0.0, 1.0)] * 2, "target": lobes, "resolution": 32, **options})


def settings(folder: Path, callbacks: list[Any]) -> dict[str, Any]:
    """What every trainer is told; a checkpoint only where a callback makes it."""
    return {
        "accelerator": "cpu",
        "default_root_dir": folder,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": any("ModelCheckpoint" in type(callback).__name__ for callback in callbacks),
        "callbacks": callbacks,
    }


def assert_read_as_oscillations(run: Run, oscillations: float) -> None:
    """From none to all of them, with looks in between, and from the low face of the first axis inwards."""
    assert set(run.scalars["oscillations/target"]) == {oscillations}
    fitted = run.scalars["front/fitted"]
    assert fitted[0] < 0.1
    assert fitted[-1] > 0.9
    assert ((fitted > 0.1) & (fitted < 0.9)).any()
    assert run.scalars["oscillations/fitted"][0] == 0
    assert run.scalars["oscillations/fitted"][-1] == oscillations
    depth = run.scalars[f"front/depth/{run.axes[0]}_min"]
    assert depth[0] < 0.2 < 0.9 < depth[-1]


def seed(number: int = 7) -> None:
    torch.manual_seed(number)
    np.random.seed(number)
    random.seed(number)
