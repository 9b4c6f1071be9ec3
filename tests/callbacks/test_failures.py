"""What cannot work is refused in words before the first batch; what fails later ends nothing."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import ErrorFront, OscillationCount, SequentialFitting
from tests.training import FIGURES


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 1)
        self.batches = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        self.batches += 1
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-3)


def sine(x: Tensor) -> Tensor:
    return torch.sin(6 * torch.pi * x[:, 0])


def fit(folder: Path, *watchers: Any, net: Net | None = None, steps: int = 30, **options: Any) -> Net:
    net = net or Net()
    trainer = L.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=list(watchers),
        **{"logger": False, **options},
    )
    x = torch.linspace(0, 1, 16)[:, None]
    trainer.fit(net, DataLoader(TensorDataset(x, sine(x)[:, None]), batch_size=16))
    return net


def probe(**options: Any) -> Probe:
    return Probe.grid(**{"bounds": [(0.0, 1.0)], "target": sine, **options})


def ours(caught: Any) -> list[str]:
    """What we warned of; Lightning and torch have words of their own."""
    messages = [str(warning.message) for warning in caught]
    return [message.removeprefix("seqfit: ") for message in messages if message.startswith("seqfit: ")]


@pytest.mark.parametrize("every_n_steps", [0, -5, 2.5, True, "often", None])
def test_a_cadence_that_is_no_count_is_refused(every_n_steps: Any) -> None:
    with pytest.raises(ValueError, match=r"every_n_steps=.*whole number of at least 1, or a function"):
        SequentialFitting(probe(), every_n_steps=every_n_steps)


@pytest.mark.parametrize("tolerance", [0.0, -1.0, 1.0, 3, True, "tight"])
def test_a_tolerance_outside_0_and_1_is_refused(tolerance: Any) -> None:
    with pytest.raises(ValueError, match=r"tolerance=.*between 0 and 1"):
        ErrorFront(probe(), tolerance=tolerance)


def test_something_that_is_no_probe_is_refused() -> None:
    with pytest.raises(TypeError, match=r"probe is function.*Probe\.grid"):
        SequentialFitting(sine)  # type: ignore[arg-type]


def raising(x: Tensor) -> Tensor:
    raise KeyError("no such table")


BAD_ONCE_A_MODULE_IS_THERE: dict[str, tuple[dict[str, Any], str]] = {
    "target of the wrong length": ({"target": lambda x: sine(x)[:-1]}, r"target has shape \(511,\), expected \(512,\)"),
    "target with NaN": ({"target": lambda x: sine(x).log()}, r"target has \d+ of 512 values that are NaN or infinite"),
    "target that raises": ({"target": raising}, r"target raised KeyError.*no such table.*\(512, 1\)"),
    "too short a wavelength": (
        {"target": lambda x: torch.sin(400 * torch.pi * x[:, 0]), "resolution": 512},
        r"resolution=512 is too coarse for the target's wavelength of 0\.005 on axis x: use at least 1600 points",
    ),
    "a wavelength that aliases": (
        {"target": lambda x: torch.sin(1200 * torch.pi * x[:, 0])},
        r"resolution=4096 is too coarse for the target's wavelength of 0\.00167 on axis x: use at least 4800 points",
    ),
    "predict of the wrong shape": ({"predict": lambda m, x: m(x)[:100]}, r"predict returned.*\(100, 1\).*\(512,\)"),
    "predict of a dict": ({"predict": lambda m, x: {"u": m(x)}}, r"predict returned dict with keys \['u'\].*predict="),
    "output out of range": ({"output": 1}, r"output=1, but the module returned 1 component"),
    "module of another input": ({"predict": lambda m, x: m(x.T)}, r"mat1 and mat2 shapes cannot be multiplied"),
}


@pytest.mark.parametrize("case", BAD_ONCE_A_MODULE_IS_THERE)
def test_what_does_not_suit_the_module_is_refused_before_the_first_batch(case: str, tmp_path: Path) -> None:
    options, message = BAD_ONCE_A_MODULE_IS_THERE[case]
    net = Net()
    with pytest.raises((ValueError, TypeError, RuntimeError), match=message):
        fit(tmp_path, SequentialFitting(probe(**options)), net=net)
    assert net.batches == 0


@pytest.mark.parametrize("other", [SequentialFitting, ErrorFront])
def test_two_probes_of_one_name_are_refused_with_what_to_do(other: Any, tmp_path: Path) -> None:
    net = Net()
    for second in (probe(), probe(name="probe")):
        with pytest.raises(ValueError, match=r"two probes are named 'probe', as one without a name is called.*name="):
            fit(tmp_path, SequentialFitting(probe()), other(second), net=net)
    assert net.batches == 0


def test_one_measure_with_two_tolerances_on_one_probe_is_refused(tmp_path: Path) -> None:
    shared = probe()
    with pytest.raises(ValueError, match=r"measure 'front' with different options.*0\.25.*0\.1"):
        fit(tmp_path, SequentialFitting(shared), ErrorFront(shared, tolerance=0.1))


def test_a_prediction_full_of_nan_is_recorded_and_ends_nothing(tmp_path: Path) -> None:
    class Diverging(Net):
        def forward(self, x: Tensor) -> Tensor:
            return self.net(x) if self.global_step < 10 else self.net(x) * torch.nan

        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            self.batches += 1
            return nn.functional.mse_loss(self.net(batch[0]), batch[1])

    with pytest.warns(UserWarning, match=r"NaN or infinite at 512 of 512 points at step 11.*learning rate") as caught:
        net = fit(tmp_path, SequentialFitting(probe()), net=Diverging())
    assert len(ours(caught)) == 1
    assert net.batches == 30
    run = load(tmp_path)
    assert run.steps[-1] == 30
    assert np.isnan(run.prediction[-1]).all()
    assert run.scalars["error/relative_rmse"][-1] == np.inf
    assert run.scalars["front/fitted"][-1] == 0
    assert run.front is not None
    assert np.isinf(run.front.local_error[-1]).all()
    assert any("not finite at 512 of 512" in note for note in run.notes)


def failing_predict(calls: list[int], failing: Collection[int]) -> Callable[[nn.Module, Tensor], Tensor]:
    def predict(module: nn.Module, x: Tensor) -> Tensor:
        calls.append(len(calls) + 1)
        if calls[-1] in failing:
            raise RuntimeError("the table has moved")
        return module(x)

    return predict


def test_a_predict_that_fails_three_times_in_a_row_is_switched_off(tmp_path: Path) -> None:
    calls: list[int] = []
    predict = failing_predict(calls, range(6, 100))
    with pytest.warns(UserWarning, match="the table has moved") as caught:
        net = fit(tmp_path, SequentialFitting(probe(predict=predict)))
    again, off = ours(caught)
    assert "the evaluation at the probe failed at step 6 and is tried again at the next look" in again
    assert "prediction of the probe failed at step 11 and is switched off" in off
    assert len(calls) == 8
    assert net.batches == 30
    run = load(tmp_path)
    assert run.steps.tolist() == [0, 1, 2, 3, 4]
    assert any("the table has moved" in note for note in run.notes)


def test_a_predict_that_fails_now_and_then_goes_on(tmp_path: Path) -> None:
    calls: list[int] = []
    predict = failing_predict(calls, {3, 4, 6, 7, 9})
    with pytest.warns(UserWarning, match="is tried again") as caught:
        fit(tmp_path, SequentialFitting(probe(predict=predict), every_n_steps=1), steps=12)
    assert len(ours(caught)) == 1
    run = load(tmp_path)
    assert run.steps.tolist() == [0, 1, 4, 7, 9, 10, 11, 12]
    assert np.isfinite(run.scalars["error/max"]).all()


def test_a_diagnostic_that_fails_leaves_the_others_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lightning_seqfit.diagnostics.oscillations as module

    def broken(*args: Any, **named: Any) -> None:
        raise ZeroDivisionError("no laps")

    monkeypatch.setattr(module, "count_oscillations", broken)
    with pytest.warns(UserWarning, match=r"oscillations of the probe failed.*ZeroDivisionError: no laps") as caught:
        fit(tmp_path, SequentialFitting(probe()))
    assert len(ours(caught)) == 1
    run = load(tmp_path)
    assert run.oscillations is None
    assert np.isfinite(run.scalars["front/fitted"]).all()


def test_a_warning_of_ours_does_not_end_a_training_where_warnings_are_errors(tmp_path: Path) -> None:
    def predict(module: nn.Module, x: Tensor) -> Tensor:
        return module(x) * (torch.nan if module.global_step > 5 else 1.0)

    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        net = fit(tmp_path, SequentialFitting(probe(predict=predict)))
    assert net.batches == 30


class Moody(Logger):
    """Raises on everything that one may ask of a logger while training."""

    name, version = "moody", 0

    def log_metrics(self, metrics: Any, step: Any = None) -> None:
        if any(tag.startswith("seqfit/") for tag in metrics):
            raise OSError("the server is gone")

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        return None

    def log_image(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("no pictures here")


def test_a_logger_that_fails_is_left_out_and_the_others_go_on(tmp_path: Path) -> None:
    kept = CSVLogger(tmp_path)
    with pytest.warns(UserWarning, match="switched off") as caught:
        net = fit(tmp_path, SequentialFitting(probe()), logger=[Moody(), kept])
    assert [message.split(" of ")[0] for message in ours(caught)] == ["scalars for Moody 0", "figures for Moody 0"]
    assert net.batches == 30
    assert "seqfit/front/fitted" in Path(kept.experiment.metrics_file_path).read_text()
    assert (tmp_path / "seqfit" / "probe_1_front.png").exists() or list(tmp_path.rglob("probe_1_front.png"))


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "seqfit").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="NotADirectoryError.*is a file") as caught:
        net = fit(tmp_path, SequentialFitting(probe()))
    assert len(ours(caught)) == 1
    assert net.batches == 30


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_training_that_breaks_off_leaves_a_whole_record(error: type[BaseException], tmp_path: Path) -> None:
    class Breaking(Net):
        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            if self.global_step == 25:
                raise error("enough")
            return super().training_step(batch, batch_idx)

    with pytest.raises((SystemExit, RuntimeError)):
        fit(tmp_path, SequentialFitting(probe()), net=Breaking())
    run = load(tmp_path)
    assert run.steps.tolist() == [0, 1, 2, 3, 4, 6, 8, 11, 15, 21, 25]
    assert {path.name for path in (tmp_path / "seqfit").iterdir()} == {
        "probe.npz",
        *(f"probe_{name}.png" for name in FIGURES),
    }


def test_figures_and_scalars_reach_tensorboard(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(tmp_path)
    fit(tmp_path, SequentialFitting(probe()), OscillationCount(probe(name="second")), logger=logger)
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0, "scalars": 0})
    events.Reload()
    tags = events.Tags()
    assert {"seqfit/front/fitted", "seqfit/second/oscillations/fitted", "seqfit/front/depth/x_min"} <= set(
        tags["scalars"]
    )
    assert set(tags["images"]) == {*(f"seqfit/{name}" for name in FIGURES), "seqfit/second/2_fit"}
    assert [event.step for event in events.Scalars("seqfit/error/max")] == [0, 0, 1, 2, 3, 5, 7, 10, 14, 20, 28, 29]


def test_the_end_is_one_line_on_the_console(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        fit(tmp_path, SequentialFitting(probe()))
    lines = [record.getMessage() for record in caplog.records if record.getMessage().startswith("seqfit:")]
    assert len(lines) == 1
    assert "% fitted" in lines[0]
    assert "of 3 oscillations" in lines[0]
    assert str(tmp_path / "seqfit") in lines[0]
