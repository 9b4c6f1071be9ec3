"""What a record says of how its training was set."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import ErrorFront, SequentialFitting, StallDiagnosis
from tests.training import Net, fit, loader, trainer

PROBE = {"bounds": [(0.0, 1.0)], "resolution": 64}


def sine(x: torch.Tensor) -> torch.Tensor:
    return torch.sin(6 * torch.pi * x[:, 0])


@dataclass
class Width:
    first: int = 16


class Tuned(Net):
    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.save_hyperparameters(options)


def recorded(folder: Path, module: L.LightningModule, callback: Any = None, **options: Any) -> Any:
    callback = callback or ErrorFront(Probe.grid(target=sine, **PROBE))
    fit(trainer(folder, [callback], logger=False, **{"max_steps": 2, **options}), module)
    return load(folder)


def test_hyperparameters_are_flat_and_plain(tmp_path: Path) -> None:
    module = Tuned(
        lr=np.float32(0.5), layers=[8, 9], model={"omega": 30.0, "act": torch.tanh, "wide": Width()}, bias=None
    )
    found = recorded(tmp_path, module).hyperparameters
    assert {name: found[name] for name in ("lr", "layers", "model/omega", "model/wide/first", "bias")} == {
        "lr": 0.5,
        "layers": "[8, 9]",
        "model/omega": 30.0,
        "model/wide/first": 16,
        "bias": None,
    }
    assert found["model/act"].startswith("<built-in method tanh")


def test_a_change_after_the_start_of_the_script_is_seen(tmp_path: Path) -> None:
    module = Tuned(lr=0.5)
    module.hparams.lr = 0.1  # as a search for a rate does
    assert recorded(tmp_path, module).hyperparameters == {"lr": 0.1}


def test_those_of_the_data_module_are_there_too(tmp_path: Path) -> None:
    class Data(L.LightningDataModule):
        def __init__(self, batch_size: int) -> None:
            super().__init__()
            self.save_hyperparameters()

        def train_dataloader(self) -> Any:
            return loader()

    callback = ErrorFront(Probe.grid(target=sine, **PROBE))
    made = trainer(tmp_path, [callback], logger=False, max_steps=2)
    made.fit(Tuned(lr=0.5), datamodule=Data(64))
    assert load(tmp_path).hyperparameters == {"lr": 0.5, "batch_size": 64}


def test_secrets_stay_where_they_are(tmp_path: Path) -> None:
    module = Tuned(lr=0.5, api_key="k-123", store={"password": "p-123", "user": "me"}, hf_token="t-123")
    assert recorded(tmp_path, module).hyperparameters == {"lr": 0.5, "store/user": "me"}
    assert b"-123" not in (tmp_path / "seqfit" / "probe.npz").read_bytes()


class Odd:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Plain:
    """What says of itself where it lies, which is another place in each run."""


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("x" * 500, "x" * 197 + "..."),
        ("\ud800", "?"),
        (10**30, str(10**30)),
        (Plain(), "<tests.watch.test_settings.Plain object>"),
        (float("nan"), None),
        (Odd(), ...),
        (Namespace(), ...),
    ],
)
def test_whatever_is_given_the_record_can_be_read(given: Any, kept: Any, tmp_path: Path) -> None:
    found = recorded(tmp_path, Tuned(lr=0.5, odd=given)).hyperparameters
    assert found["lr"] == 0.5
    if isinstance(given, float):
        assert found["odd"] != found["odd"]
    elif kept is ...:  # no words, or nothing in it
        assert "odd" not in found
    else:
        assert found["odd"] == kept


def test_there_are_at_most_200(tmp_path: Path) -> None:
    assert len(recorded(tmp_path, Tuned(**{f"p{i}": i for i in range(300)})).hyperparameters) == 200


def test_a_module_whose_hyperparameters_raise_trains_on(tmp_path: Path) -> None:
    class Raises(Net):
        @property
        def hparams_initial(self) -> Any:
            raise RuntimeError("none")

    run = recorded(tmp_path, Raises())
    assert (run.hyperparameters, run.steps[-1]) == ({}, 2)


def test_a_module_that_saved_none_has_no_new_attributes(tmp_path: Path) -> None:
    module, bare = Net(), Net()
    fit(trainer(tmp_path / "bare", [], max_steps=2, logger=False), bare)
    recorded(tmp_path / "watched", module)
    assert vars(module).keys() == vars(bare).keys()


def test_settings_say_how_everything_was_set(tmp_path: Path) -> None:
    probe = Probe.grid([(0.0, 1.0), (0.0, 1.0)], sine, resolution=(24, 16), noise=0.1)

    class Plane(Net):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x[:, :1])

    callbacks = [
        SequentialFitting(probe, every_n_steps=7, tolerance=0.2, layer="last"),
        StallDiagnosis(probe, every_n_steps=7, tolerance=0.2, layer="last", stop_on=["stuck", "diverged"]),
    ]
    made = trainer(tmp_path, callbacks, logger=False, max_steps=2, gradient_clip_val=0.5, accumulate_grad_batches=2)
    fit(made, Plane())
    found = dict(load(tmp_path).settings)
    assert found.pop("began").endswith("+00:00")
    assert 0.0 < found.pop("seconds") < 600.0
    # a wheel of PyPI does not name the CUDA in its version, torch does
    assert found.pop("version/torch").partition("+")[0] == torch.__version__.partition("+")[0]
    assert found.pop("version/lightning") == L.__version__
    assert {"version/lightning-seqfit", "version/python"} <= found.keys()
    assert {name: value for name, value in found.items() if not name.startswith("version/")} == {
        "trainer/max_steps": 2,
        "trainer/max_epochs": -1,
        "trainer/accumulate_grad_batches": 2,
        "trainer/gradient_clip_val": 0.5,
        "trainer/precision": "32-true",
        "trainer/accelerator": "cpu",
        "trainer/devices": 1,
        "probe/kind": "grid",
        "probe/points": 384,
        "probe/resolution": "24 x 16",
        "probe/noise": 0.1,
        "probe/relative": "global",
        "probe/scale": None,
        "tolerance": 0.2,
        "layer": "last",
        "every_n_steps": 7,
        "stop_on": "diverged, stuck",
    }


def test_a_run_that_is_read_against_a_target_keeps_them(tmp_path: Path) -> None:
    run = recorded(tmp_path, Tuned(lr=0.5))
    other = run.against("final")
    assert (other.hyperparameters, other.settings, other.finished) == (run.hyperparameters, run.settings, True)
    assert json.dumps(dict(run.settings), allow_nan=False)
