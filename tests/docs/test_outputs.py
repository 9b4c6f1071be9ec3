"""Every snippet of docs/howto/outputs.md runs as it stands there, and does what the text says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_seqfit import load
from tests.docs.modules import Trains, expected
from tests.pages import read, run

PAGE = read("docs/howto/outputs.md")

SNIPPETS = {
    ("Several outputs", "python"): 1,
    ("All at once", "python"): 1,
    ("A probe each", "python"): 1,
}

pytestmark = pytest.mark.usefixtures("empty_folder")


def apart(names: dict[str, object], module: Trains) -> np.ndarray:
    """Prediction less target of every output at the probe's points."""
    points = torch.tensor(names["each"].geometry.points, dtype=torch.float32)  # type: ignore[attr-defined]
    with torch.no_grad():
        error: Tensor = module(points) - names["flow"](points)  # type: ignore[operator]
    return error.double().numpy()


def test_outputs_of_a_list_have_tags_and_records_of_their_own() -> None:
    names, module = run(PAGE), Trains(outputs=3)
    names["trainer"].fit(module)
    error = apart(names, module)
    for column in (0, 2):
        seen = load(names["trainer"].log_dir, f"flow.{column}")
        assert seen.scalars["error/max"][-1] == pytest.approx(np.abs(error[:, column]).max(), rel=1e-4)
    assert {"seqfit/flow.0/front/fitted", "seqfit/flow.2/front/fitted"} <= set(names["trainer"].callback_metrics)


def test_the_norm_is_the_length_of_the_error_over_all() -> None:
    names, module = run(PAGE, "All at once"), Trains(outputs=3)
    names["trainer"].fit(module)
    largest = np.linalg.norm(apart(names, module), axis=1).max()
    assert load(names["trainer"].log_dir).scalars["error/max"][-1] == pytest.approx(largest, rel=1e-4)


def test_a_probe_each_has_a_target_and_a_quantity_of_its_own() -> None:
    names, module = run(PAGE, "A probe each"), Trains(outputs=2)
    names["trainer"].fit(module)
    folder = names["trainer"].log_dir
    for number, (name, probe) in enumerate((("", names["first"]), ("pressure", names["second"]))):
        column = expected(lambda x, number=number: module(x)[:, number], probe)
        np.testing.assert_allclose(load(folder, name).prediction[-1], column, rtol=1e-4, atol=1e-5)
    assert load(folder, "pressure").quantity == "p (Pa)"
