"""MLflow itself, as the small package ``mlflow-skinny``, with its store in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lightning.pytorch.loggers import MLFlowLogger
from matplotlib.image import imread

from lightning_seqfit.watch.sinks import sink_for

pytest.importorskip("mlflow")
PICTURE = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)


@pytest.fixture
def logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MLFlowLogger:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # the others need SQLAlchemy or a server
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return MLFlowLogger("seqfit", tracking_uri=f"file:{tmp_path}")


def artifacts(logger: Any, folder: str) -> list[Path]:
    client = logger.experiment
    root = client.get_run(logger.run_id).info.artifact_uri.removeprefix("file:").replace("//", "/")
    return [Path(root, found.path) for found in client.list_artifacts(logger.run_id, folder)]


def test_mlflow_has_the_scalars_at_their_steps(logger: MLFlowLogger) -> None:
    values = {"seqfit/bend-2.a/fourier/relative_error/1-2.5": 0.25, "seqfit/error/max": 1e-7}
    for step in (0, 7):
        sink_for(logger).log_scalars(values, step)
    for tag, value in values.items():
        history = logger.experiment.get_metric_history(logger.run_id, tag)
        assert [(point.step, point.value) for point in history] == [(0, value), (7, value)]


def test_mlflow_has_each_picture_at_its_step(logger: MLFlowLogger) -> None:
    sink = sink_for(logger)
    assert sink.takes_pictures
    sink.log_picture("seqfit/bend-2.a/fit", PICTURE, 7)
    sink.log_picture("seqfit/bend-2.a/fit", 255 - PICTURE, 9)
    first, second = sorted(path for path in artifacts(logger, "images") if path.suffix == ".png")
    for path, step, picture in ((first, 7, PICTURE), (second, 9, 255 - PICTURE)):
        assert path.name.startswith("seqfit")
        assert f"step+{step}+" in path.name.replace("%", "+")
        np.testing.assert_array_equal(np.rint(255 * imread(path)[..., :3]), picture)


def test_mlflow_has_the_last_text(logger: MLFlowLogger) -> None:
    for step, text in ((7, "**progressing**"), (9, "**stuck** at 3 °C")):
        sink_for(logger).log_text("seqfit/stall/verdict", text, step)
    (path,) = artifacts(logger, "seqfit/stall")
    assert (path.name, path.read_text(encoding="utf-8")) == ("verdict.md", "**stuck** at 3 °C")


def test_mlflow_has_the_page_as_it_is(logger: MLFlowLogger) -> None:
    sink_for(logger).log_report("seqfit/report", "<p>3 °C</p>", 9)
    (path,) = artifacts(logger, "seqfit")
    assert (path.name, path.read_text(encoding="utf-8")) == ("report.html", "<p>3 °C</p>")


def test_letters_that_mlflow_refuses_are_left_out(logger: MLFlowLogger) -> None:
    sink = sink_for(logger)
    sink.log_picture("seqfit/größe#1/fit", PICTURE, 7)
    sink.log_text("seqfit/größe#1/verdict", "**stuck**", 7)
    assert any("gre1" in path.name for path in artifacts(logger, "images"))
    assert [path.name for path in artifacts(logger, "seqfit/gre1")] == ["verdict.md"]
