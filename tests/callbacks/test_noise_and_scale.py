"""Measured values, targets without a size, and what decays: what monitors see, and what is said of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, Run, load
from lightning_seqfit.callbacks import ErrorFront, OscillationCount
from lightning_seqfit.figures import draw as draw_all
from lightning_seqfit.measures.front import active_points, measure_front
from lightning_seqfit.measures.scale import scale_of
from lightning_seqfit.watch import keeping

Function = Callable[[Tensor], Tensor]


class Given(L.LightningModule):
    """Predicts a given function at each optimizer step; the last one stays."""

    def __init__(self, *functions: Function) -> None:
        super().__init__()
        self.functions, self.at = functions, 0
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return self.functions[min(self.at, len(self.functions) - 1)](x)[:, None] + 0.0 * self.unused

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.at += 1
        return self.unused.sum()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


@pytest.fixture(autouse=True)
def no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take longer than the fit."""
    monkeypatch.setattr(keeping.figures, "draw", lambda run: {})


def trainer(folder: Path, *callbacks: Any, **options: Any) -> L.Trainer:
    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    return L.Trainer(accelerator="cpu", default_root_dir=folder, callbacks=list(callbacks), **{**quiet, **options})


def fit(folder: Path, probe: Probe, *functions: Function, kinds: Any = (ErrorFront, OscillationCount)) -> L.Trainer:
    t = trainer(folder, *(kind(probe, every_n_steps=1) for kind in kinds), max_steps=len(functions), max_epochs=-1)
    t.fit(Given(*functions), DataLoader(TensorDataset(torch.zeros(1)), batch_size=None))
    return t


def said(caplog: pytest.LogCaptureFixture) -> str:
    """The line at the end."""
    return next(text for text in map(lambda r: r.getMessage(), caplog.records) if text.startswith("seqfit: "))


def seen(t: L.Trainer) -> dict[str, float]:
    return {tag.removeprefix("seqfit/"): value.item() for tag, value in t.callback_metrics.items() if "seqfit" in tag}


def wave(x: Tensor) -> Tensor:
    return torch.sin(10 * torch.pi * x[:, 0])


def measured(count: int = 1500, noise: float = 0.2, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = np.sort(rng.random(count))
    return x, np.sin(10 * np.pi * x) + noise * rng.standard_normal(count)


class TestNoise:
    @pytest.mark.parametrize("noise", ["auto", 0.2])
    def test_the_truth_behind_measured_values_is_fitted(
        self, noise: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO"):
            t = fit(tmp_path, Probe.points(*measured(), noise=noise), wave)
        assert seen(t)["front/fitted"] >= 0.95
        assert seen(t)["error/noise"] == pytest.approx(0.2 / math.sqrt(0.5), rel=0.1)
        assert seen(t)["error/relative_rmse"] == pytest.approx(seen(t)["error/noise"], rel=0.1)
        assert f"noise {seen(t)['error/noise']:.3g}" in said(caplog)
        assert "fits the noise" not in said(caplog)
        assert load(tmp_path).noise == pytest.approx(0.2, rel=0.1)

    def test_where_the_noise_is_said_to_be_0_it_is_an_error(self, tmp_path: Path) -> None:
        t = fit(tmp_path, Probe.points(*measured(), noise=0.0), wave)
        assert seen(t)["front/fitted"] < 0.2
        assert seen(t)["error/noise"] == 0.0

    def test_a_callable_has_no_noise_unless_it_is_given(self, tmp_path: Path) -> None:
        t = fit(tmp_path, Probe.grid([(0.0, 1.0)], wave), wave)
        assert seen(t)["error/noise"] == 0.0
        assert Probe.grid([(0.0, 1.0)], wave, noise=0.3).noise == 0.3

    def test_the_target_itself_fits_the_noise_and_that_is_said(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        x, y = measured()
        probe = Probe.points(x, y)
        with caplog.at_level("INFO"):
            fit(tmp_path, probe, wave, lambda _: torch.tensor(y, dtype=torch.float32))
        assert "the model fits the noise" in said(caplog)
        assert any("the model fits the noise" in note for note in load(tmp_path).notes)

    def test_lobes_in_the_plane_are_counted_through_noise(self, tmp_path: Path) -> None:
        def product(p: Tensor) -> Tensor:
            return torch.sin(4 * torch.pi * p[:, 0]) * torch.sin(3 * torch.pi * p[:, 1])

        bare = Probe.grid([(0.0, 1.0)] * 2, product, resolution=72)
        values = product(torch.tensor(bare.geometry.points))
        noisy = values + 0.2 * torch.randn(len(values), generator=torch.Generator().manual_seed(0))
        t = fit(tmp_path, Probe.grid([(0.0, 1.0)] * 2, noisy, resolution=72), product)
        assert seen(t)["front/fitted"] >= 0.95
        assert (seen(t)["oscillations/target"], seen(t)["oscillations/fitted"]) == (12.0, 12.0)

    def test_early_stopping_on_the_fitted_share_fires_on_measured_data(self, tmp_path: Path) -> None:
        x, y = measured(600)
        inputs, values = (torch.tensor(each, dtype=torch.float32)[:, None] for each in (x, y))
        torch.manual_seed(0)

        class Net(L.LightningModule):
            def __init__(self) -> None:
                super().__init__()
                self.frequencies = nn.Parameter(20 * torch.randn(1, 32), requires_grad=False)
                self.net = nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 1))

            def forward(self, x: Tensor) -> Tensor:
                phases = x @ self.frequencies
                return self.net(torch.cat([phases.sin(), phases.cos()], dim=1))

            def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
                return nn.functional.mse_loss(self(batch[0]), batch[1])

            def configure_optimizers(self) -> torch.optim.Optimizer:
                return torch.optim.Adam(self.parameters(), lr=5e-3)

        stop = EarlyStopping("seqfit/front/fitted", mode="max", patience=10**6, stopping_threshold=0.95)
        watcher = ErrorFront(Probe.points(x, y), every_n_steps=20)
        t = trainer(tmp_path, watcher, stop, max_epochs=500)
        t.fit(Net(), DataLoader(TensorDataset(inputs, values), batch_size=600))
        run = load(tmp_path)
        assert run.front is not None
        assert run.front.fitted[0] < 0.2
        assert run.front.fitted[-1] >= 0.95
        assert 20 <= t.global_step < 500


class TestScale:
    @pytest.mark.parametrize(
        ("target", "of"),
        [(wave, "oscillation"), (lambda x: 3 * x[:, 0], "deviation"), (2.0, "value"), (0.0, "first look")],
    )
    def test_the_record_says_what_an_error_of_1_is(self, target: Any, of: str, tmp_path: Path) -> None:
        fit(tmp_path, Probe.grid([(0.0, 1.0)], target), wave)
        assert load(tmp_path).scale_of == of

    def test_a_line_that_is_its_mean_is_not_fitted_wherever_it_began(self, tmp_path: Path) -> None:
        def mean(x: Tensor) -> Tensor:
            return 0 * x[:, 0] + 1.5

        t = fit(tmp_path, Probe.grid([(0.0, 1.0)], lambda x: 3 * x[:, 0]), lambda x: 50 * x[:, 0], mean)
        assert seen(t)["error/relative_rmse"] == pytest.approx(1.0, rel=1e-4)
        assert seen(t)["front/fitted"] < 0.3

    def test_a_line_is_fitted_by_what_is_near_it_wherever_it_began(self, tmp_path: Path) -> None:
        t = fit(
            tmp_path,
            Probe.grid([(0.0, 1.0)], lambda x: 3 * x[:, 0]),
            lambda x: 2.999 * x[:, 0],
            lambda x: 2.8 * x[:, 0],
        )
        assert seen(t)["front/fitted"] == 1.0

    def test_a_residual_without_a_scale_is_never_said_to_be_fitted(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        probe = Probe.grid([(0.0, 1.0)], 0.0, name="residual")
        with caplog.at_level("INFO"):
            t = fit(tmp_path, probe, lambda x: 100 * wave(x), lambda x: 4 * wave(x))
        assert said(caplog).startswith("seqfit: residual: at 4 % of its first value; ")
        assert "fitted" not in said(caplog)
        assert t.callback_metrics["seqfit/residual/front/fitted"] == 1.0  # a number for monitors

    def test_with_a_scale_it_is_held_against_that(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        probe = Probe.grid([(0.0, 1.0)], 0.0, scale=10.0)
        with caplog.at_level("INFO"):
            t = fit(tmp_path, probe, lambda x: 100 * wave(x), lambda x: 4 * wave(x))
        assert seen(t)["error/relative_rmse"] == pytest.approx(0.4 * math.sqrt(0.5), rel=1e-3)
        assert seen(t)["front/fitted"] == 0.0
        assert "0 % fitted, relative RMSE 0.283" in said(caplog)

    def test_a_fit_that_lacks_a_point_is_not_said_to_be_all_fitted(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        probe = Probe.grid([(0.0, 1.0)], wave)
        with caplog.at_level("INFO"):
            t = fit(tmp_path, probe, lambda x: wave(x) * torch.where((x[:, 0] - 0.25).abs() < 0.004, 0.4, 1.0))
        assert 0.985 < seen(t)["front/fitted"] < 1.0
        assert "99 % fitted" in said(caplog)


class TestRelativeToThePlace:
    @staticmethod
    def damped(x: Tensor) -> Tensor:
        return torch.exp(-5 * x[:, 0]) * torch.sin(80 * x[:, 0])

    def test_what_decays_is_asked_for_its_small_end(self, tmp_path: Path) -> None:
        def half(x: Tensor) -> Tensor:
            return torch.where(x[:, 0] < 0.5, self.damped(x), 0.0)

        whole, local = (
            seen(fit(tmp_path / kind, Probe.grid([(0.0, 1.0)], self.damped, relative=kind), half))
            for kind in ("global", "local")
        )
        assert whole["front/fitted"] > 0.9
        assert 0.45 < local["front/fitted"] < 0.6
        assert local["front/depth/x_max"] < 0.05
        assert local["error/relative_rmse"] == whole["error/relative_rmse"]

    def test_the_quiet_share_is_said_at_the_end_and_in_the_record(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        probe = Probe.grid([(0.0, 1.0)], lambda x: torch.where(x[:, 0] < 0.25, wave(x) * 0, torch.sin(120 * x[:, 0])))
        with caplog.at_level("INFO"):
            fit(tmp_path, probe, wave)
        run = load(tmp_path)
        assert run.front is not None
        quiet = f"{100 * (1 - np.mean(run.front.active)):.0f} % of the domain is quiet"
        assert quiet.startswith(("22", "23", "24"))
        assert quiet in said(caplog)
        assert any(note.startswith(f"front: {quiet}") for note in run.notes)

    def test_nothing_is_said_where_nothing_is_quiet(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level("INFO"):
            fit(tmp_path, Probe.grid([(0.0, 1.0)], wave), wave)
        assert "quiet" not in said(caplog)
        assert not any("quiet" in note for note in load(tmp_path).notes)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"noise": -0.1}, r"noise=-0.1: give the standard deviation of the target's noise, 0 or more"),
        ({"noise": "much"}, "noise='much': give the standard deviation"),
        ({"noise": True}, "noise=True: give"),
        ({"noise": math.nan}, "noise=nan: give"),
        ({"scale": 0.0}, "scale=0.0: give the mean square root of an error that counts as 1, a positive number"),
        ({"scale": math.inf}, "scale=inf: give"),
        ({"scale": "rms"}, "scale='rms': give"),
        ({"relative": "here"}, 'relative=\'here\': give "global".*or "local"'),
        ({"relative": None}, 'relative=None: give "global"'),
    ],
)
def test_what_cannot_be_used_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Probe.grid([(0.0, 1.0)], 0.0, **options)
    with pytest.raises(ValueError, match=said):
        Probe.points([0.0, 1.0, 2.0, 3.0], 0.0, **options)


def test_numbers_of_numpy_and_torch_are_numbers() -> None:
    probe = Probe.grid([(0.0, 1.0)], 0.0, noise=np.float32(0.5), scale=torch.tensor(2))
    assert (probe.noise, probe.scale) == (0.5, 2.0)


def test_a_record_that_is_older_has_no_scale() -> None:
    fields = {field for field in Run.__dataclass_fields__ if field in ("noise", "scale_of")}
    assert {name: Run.__dataclass_fields__[name].default for name in fields} == {"noise": 0.0, "scale_of": ""}


@pytest.mark.parametrize("relative", ["global", "local"])
def test_all_of_it_can_be_drawn(relative: str, tmp_path: Path) -> None:
    fit(tmp_path, Probe.points(*measured(), relative=relative), wave)
    assert set(draw_all(load(tmp_path))) >= {"1_front", "2_fit"}


@pytest.mark.parametrize("spacing", ["even", "random"])
@pytest.mark.parametrize("shape", ["line", "exp", "kink", "wave on a slope"])
@pytest.mark.parametrize("ratio", [0.05, 0.2, 0.4])
def test_noise_on_what_hardly_oscillates_is_refused_nowhere_and_is_no_oscillation(
    spacing: str, shape: str, ratio: float
) -> None:
    rng = np.random.default_rng(5)
    x = (np.arange(600) + 0.5) / 600 if spacing == "even" else np.sort(rng.random(600))
    truth = {
        "line": 3 * x,
        "exp": np.exp(3 * x),
        "kink": np.abs(x - 0.4),
        "wave on a slope": 4 * x + np.sin(12 * np.pi * x),
    }[shape]
    values = truth + ratio * (math.sqrt(0.5) if "wave" in shape else truth.std()) * rng.standard_normal(600)
    even = spacing == "even"
    probe = Probe.grid([(0.0, 1.0)], values, resolution=600) if even else Probe.points(x, values)
    target, trend = probe.read_target(nn.Linear(1, 1))
    scale = scale_of(probe.geometry, target, trend, noise=probe.noise)
    if shape != "kink":  # of a kink under noise nobody can tell that it only bends
        assert scale.of == ("oscillation" if "wave" in shape else "deviation")
    active = active_points(probe.geometry, trend, noise=probe.noise)
    share = measure_front(
        probe.geometry, trend, active, truth - target, scale.mean_square, noise=probe.noise
    ).fitted_share
    assert share >= 0.95
