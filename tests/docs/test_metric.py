"""Every snippet of docs/howto/metric.md runs as it stands there, and does what the text says."""

from __future__ import annotations

import math
import re
import runpy
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit.metrics.functional import fourier_band_error
from tests.pages import ROOT, read, snippets

PAGE = read("docs/howto/metric.md")

#: Section, language and number of its snippets: one that is added needs a test here.
SNIPPETS = {
    ("A spectral metric", "python"): 1,
    ("In a LightningModule", "python"): 1,
    ("Bands that are always there", "python"): 1,
    ("What it costs", "sh"): 1,
}


def test_every_snippet_has_a_test() -> None:
    assert {place: len(texts) for place, texts in snippets(PAGE).items()} == SNIPPETS


def run(*sections: str) -> dict[str, Any]:
    """Execute sections' Python after that of the page's top; return its names."""
    names: dict[str, Any] = {}
    for section in ("A spectral metric", *sections):
        for text in snippets(PAGE)[section, "python"]:
            exec(text, names)
    return names


def test_the_first_snippet_gives_what_it_says() -> None:
    names = run()
    errors = {tag: round(float(error), 3) for tag, error in names["errors"].items()}
    said = re.search(r"compute\(\)  # \{(.*), \.\.\.\}", PAGE)
    assert said is not None
    for tag, error in re.findall(r'"([^"]*)": ([\d.]+)', said[1]):
        assert errors[tag] == pytest.approx(float(error), abs=1e-3)
    assert [tag for tag in errors if "relative" in tag] == re.findall(r"fourier/relative_error/[\d-]+", said[1])
    at_hand = fourier_band_error(names["preds"], names["target"], names["x"])
    assert {tag: float(error) for tag, error in at_hand.items()} == {
        tag: float(error) for tag, error in names["errors"].items()
    }


def test_given_bands_are_there_and_nan_where_nothing_oscillates() -> None:
    errors = run("Bands that are always there")["errors"]
    relative = {tag.split("/")[-1]: float(error) for tag, error in errors.items() if "relative" in tag}
    assert relative == pytest.approx({"1-5": 0.1, "5-13": math.nan, "13-256": 1.0}, abs=1e-3, nan_ok=True)


@pytest.fixture
def fit(tmp_path: Path) -> tuple[L.Trainer, Any, DataLoader[Any]]:
    torch.manual_seed(0)
    names = run("In a LightningModule")
    loader = DataLoader(TensorDataset(names["x"][:, None], names["target"][:, None]), batch_size=100)
    trainer = L.Trainer(
        max_epochs=2,
        accelerator="cpu",
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        log_every_n_steps=1,
        default_root_dir=tmp_path,
    )
    return trainer, names["Fit"](), loader


def test_the_module_logs_one_epoch_at_a_time(fit: tuple[L.Trainer, Any, DataLoader[Any]]) -> None:
    trainer, module, loader = fit
    trainer.fit(module, loader, loader)
    points, target = loader.dataset.tensors
    with torch.no_grad():
        preds = module.net(points)
    expected = fourier_band_error(preds, target, points, bounds=[(0.0, 1.0)])
    logged = trainer.callback_metrics
    assert float(logged["val/MeanSquaredError"]) == pytest.approx(float((preds - target).square().mean()), rel=1e-4)
    for tag, error in expected.items():
        assert float(logged[f"val/{tag}"]) == pytest.approx(float(error), rel=1e-4, abs=1e-9), tag
    assert len(logged) == 1 + len(expected)


def test_lightning_does_not_log_the_metrics_themselves(fit: tuple[L.Trainer, Any, DataLoader[Any]]) -> None:
    trainer, module, loader = fit
    module.on_validation_epoch_end = lambda: module.log_dict(module.metrics)
    with pytest.raises(ValueError, match="must be a tensor"):
        trainer.fit(module, loader, loader)


def test_a_reset_that_was_forgotten_is_said(fit: tuple[L.Trainer, Any, DataLoader[Any]]) -> None:
    trainer, module, loader = fit
    module.on_validation_epoch_end = lambda: module.log_dict(module.metrics.compute())
    module.configure_optimizers = lambda: torch.optim.Adam(module.parameters(), lr=1e-1)
    with pytest.warns(UserWarning, match=r"pairs of a point and its value came again .* call reset\(\)"):
        trainer.fit(module, loader, loader)


def test_the_table_of_costs_is_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (command,) = snippets(PAGE)["What it costs", "sh"]
    _, script = command.split()
    monkeypatch.setattr("sys.argv", [script, "--points", "1000", "--repeats", "1"])
    runpy.run_path(str(ROOT / script), run_name="__main__")
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    shown = re.findall(r"^\|.*\|$", PAGE.split("## What it costs")[1], re.MULTILINE)[: len(printed)]

    def without_numbers(lines: list[str]) -> list[str]:
        return [re.sub(r"\d[\d.,]*", "0", line) for line in lines]

    assert len(printed) == 6
    assert without_numbers(printed) == without_numbers(shown)
