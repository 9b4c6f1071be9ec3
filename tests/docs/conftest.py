"""Where snippets run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lightning_seqfit import figures


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in an empty folder, and draw no figures, which takes most of the time of these short trainings."""
    torch.manual_seed(0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEQFIT", raising=False)
    monkeypatch.setattr(figures, "draw", lambda run: {})
    return tmp_path
