"""No pictures: six at the end of a fit take longer than these fits."""

from __future__ import annotations

import pytest

from lightning_seqfit import figures


@pytest.fixture(autouse=True)
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "draw", lambda run: {})
