"""The spectrum and the basis of real networks, and the layer that is listened to."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, Run, load
from lightning_seqfit.callbacks import BasisSnapshot, ErrorFront, FourierResidual, SequentialFitting
from lightning_seqfit.cli.demo import train
from lightning_seqfit.demos.catalogue import DEMOS
from lightning_seqfit.probe.read_out import ReadOut


def sine(x: Tensor) -> Tensor:
    return torch.sin(6 * torch.pi * x[:, 0])


def probe(**options: Any) -> Probe:
    return Probe.grid(**{"bounds": [(0.0, 1.0)], "target": sine, **options})


class Net(L.LightningModule):
    """The last Linear in ``modules()`` is not the last that runs."""

    def __init__(self) -> None:
        super().__init__()
        self.read_out = nn.Linear(12, 1)
        self.first = nn.Linear(1, 12)
        self.spare = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.read_out(torch.tanh(self.first(4 * x)))

    batches = 0

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        self.batches += 1
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=1e-2)


class Constrained(Net):
    """Zero at both ends, whatever the network says."""

    def forward(self, x: Tensor) -> Tensor:
        return x * (1 - x) * super().forward(x)


class Sines(Net):
    """A network without any Linear."""

    def __init__(self) -> None:
        L.LightningModule.__init__(self)
        self.amplitude = nn.Parameter(torch.ones(1, 4))
        self.act = nn.Tanh()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.amplitude * x).sum(dim=1, keepdim=True)


class PerPoint(Net):
    """Shows the network one point at a time."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([super(PerPoint, self).forward(point[None]) for point in x])


def fit(folder: Path, watcher: Any, net: Net | None = None, steps: int = 30) -> Net:
    net = net or Net()
    trainer = L.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        logger=False,
        callbacks=[watcher],
    )
    x = torch.linspace(0, 1, 16)[:, None]
    trainer.fit(net, DataLoader(TensorDataset(x, sine(x)[:, None]), batch_size=16))
    return net


def test_the_layer_is_the_last_linear_that_ran_and_its_input_is_what_is_seen() -> None:
    net, where = Net(), probe()
    read_out = ReadOut()
    seen = where.observe(net, np.zeros(512), read_outs=[read_out])
    assert read_out.name == "read_out"
    with torch.no_grad():
        points = torch.as_tensor(where.geometry.points).float()
        features = torch.tanh(net.first(4 * points))
    np.testing.assert_array_equal(seen.features, features.double().numpy())
    np.testing.assert_array_equal(seen.weights, net.read_out.weight[0].detach().double().numpy())
    assert not any(module._forward_pre_hooks for module in net.modules())  # listened to for one evaluation only


def test_a_layer_may_be_named() -> None:
    net = Net()
    seen = probe().observe(net, np.zeros(512), read_outs=[ReadOut("first")])
    assert seen.features is not None
    np.testing.assert_allclose(seen.features, 4 * probe().geometry.points, rtol=1e-6)
    assert seen.weights is not None
    assert seen.outputs == 12


@pytest.mark.parametrize("watch", [BasisSnapshot, SequentialFitting])
@pytest.mark.parametrize(
    ("net", "layer", "words"),
    [
        (Sines, "first", r"layer='first' is not in Sines; its layers are: 'act'"),
        (Net, "net.3", r"layer='net\.3' is not in Net; its layers are: 'read_out', 'first', 'spare'"),
        (Net, "spare", r"layer='spare' was not called with an input of shape \(512, width\)"),
    ],
)
def test_a_layer_asked_for_that_cannot_be_listened_to_is_refused_before_the_first_batch(
    watch: Any, net: Any, layer: str | None, words: str, tmp_path: Path
) -> None:
    module = net()
    with pytest.raises(ValueError, match=words):
        fit(tmp_path, watch(probe(), layer=layer), module)
    assert module.batches == 0


class Convolving(Net):
    """Sees the points as pixels of one channel."""

    def __init__(self) -> None:
        L.LightningModule.__init__(self)
        self.first, self.last = nn.Conv1d(1, 8, 1), nn.Conv1d(8, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(4 * x[:, :, None])))[:, :, 0]


class Complex(Net):
    """Its last hidden layer is complex."""

    def __init__(self) -> None:
        L.LightningModule.__init__(self)
        self.first, self.last = (nn.Linear(*size, dtype=torch.complex64) for size in ((1, 8), (8, 1)))

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.tanh(self.first(4 * x.to(torch.complex64)))).real


class Batched(Net):
    """Shows its layers all points as one item of a batch."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x[None])[0]


class Widthless(Net):
    """Its last layer has nothing but a bias."""

    def __init__(self) -> None:
        L.LightningModule.__init__(self)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there is no weight to draw
            self.last = nn.Linear(0, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x[:, :0])


LOST = {
    Sines: r"Sines has no nn\.Linear.*'act'.*ErrorFront",
    Convolving: r"Convolving has no nn\.Linear.*'first', 'last'",
    PerPoint: r"no nn\.Linear was called with an input of shape \(512, width\)",
    Batched: r"no nn\.Linear was called with an input of shape \(512, width\)",
    Complex: "the input of layer 'last' is complex",
    Widthless: "the input of layer 'last' has no units",
}


@pytest.mark.parametrize("net", LOST)
@pytest.mark.parametrize("watch", [BasisSnapshot, SequentialFitting])
def test_a_module_without_a_basis_loses_it_and_nothing_else(watch: Any, net: Any, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=f"no basis to look at, all else goes on: .*{LOST[net]}") as caught:
        fit(tmp_path, watch(probe()), net())
    assert len([warning for warning in caught if "seqfit" in str(warning.message)]) == 1
    run = load(tmp_path)
    assert run.basis is None
    assert len([note for note in run.notes if re.search(f"^basis is absent: .*{LOST[net]}", note)]) == 1
    assert run.steps[-1] == 30
    assert np.isfinite(run.scalars["error/relative_rmse"]).all()
    assert (run.front is not None) == (run.spectrum is not None) == (watch is SequentialFitting)
    pictures = {path.stem.removeprefix("probe_") for path in (tmp_path / "seqfit").glob("*.png")}
    assert pictures == ({"2_fit", "1_front", "3_arrival", "4_spectrum"} if watch is SequentialFitting else {"2_fit"})


def test_a_layer_that_is_gone_later_takes_the_basis_of_those_looks_and_nothing_else(tmp_path: Path) -> None:
    class Skipping(Net):
        def forward(self, x: Tensor) -> Tensor:
            hidden = torch.tanh(self.first(4 * x))
            return self.read_out(hidden) if self.global_step < 10 else hidden @ self.read_out.weight.T

    with pytest.warns(UserWarning, match="layer='read_out' was not called"):
        fit(tmp_path, SequentialFitting(probe(), layer="read_out"), Skipping())
    run = load(tmp_path)
    ranks = run.scalars["basis/numerical_rank"]
    np.testing.assert_array_equal(np.isfinite(ranks), run.steps < 10)
    assert np.isfinite(run.scalars["front/fitted"]).all()


def test_a_basis_that_is_not_finite_is_no_failure(tmp_path: Path) -> None:
    class Overflowing(Net):
        def forward(self, x: Tensor) -> Tensor:
            return self.read_out((self.first(4 * x) * 1e30 * 1e30).clamp(-1, 1) + self.huge * 0 * self.first(x))

        huge = torch.inf

        def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
            return super().forward(batch[0]).nan_to_num().square().mean()

    with pytest.warns(UserWarning, match="NaN or infinite") as caught:
        fit(tmp_path, BasisSnapshot(probe()), Overflowing())
    assert not any("switched off" in str(warning.message) for warning in caught)
    assert any("the units are not finite" in note for note in load(tmp_path).notes)


@pytest.mark.parametrize("layer", ["", 3])
def test_a_layer_that_is_no_name_is_refused(layer: Any) -> None:
    with pytest.raises(ValueError, match=r"layer=.* is not a name"):
        BasisSnapshot(probe(), layer=layer)


@pytest.mark.parametrize("watch", [ErrorFront, FourierResidual])
def test_other_callbacks_serve_a_network_without_any_linear(watch: Any, tmp_path: Path) -> None:
    fit(tmp_path, watch(probe()), Sines())
    assert np.isfinite(load(tmp_path).scalars["error/relative_rmse"]).all()


def test_a_hard_constraint_after_the_layer_makes_the_projection_absent_with_its_reason(tmp_path: Path) -> None:
    fit(tmp_path, BasisSnapshot(probe()), Constrained())
    run = load(tmp_path)
    assert "basis/projection_error" in run.scalars
    assert np.isnan(run.scalars["basis/projection_error"]).all()
    assert any("not linear in this layer" in note for note in run.notes)
    assert np.isfinite(run.scalars["basis/numerical_rank"]).all()


def test_the_residual_of_an_equation_has_no_projection_and_no_band(tmp_path: Path) -> None:
    watcher = SequentialFitting(probe(target=0.0, predict=lambda module, x: module(x) - torch.cos(9 * x)))
    fit(tmp_path, watcher)
    run = load(tmp_path)
    assert any("the residual of an equation" in note for note in run.notes)
    assert run.spectrum is not None
    assert not run.spectrum.carrying.any()
    shares = run.spectrum.trend + sum(run.spectrum.share.values())
    np.testing.assert_allclose(shares, run.scalars["error/relative_rmse"] ** 2, rtol=1e-9)


def test_trend_and_shares_add_up_to_the_relative_error(tmp_path: Path) -> None:
    fit(tmp_path, FourierResidual(probe(target=lambda x: 3 * x[:, 0] + sine(x))), steps=60)
    run = load(tmp_path)
    assert run.spectrum is not None
    shares = run.spectrum.trend + sum(run.spectrum.share.values())
    np.testing.assert_allclose(shares, run.scalars["error/relative_rmse"] ** 2, rtol=1e-9)
    assert run.spectrum.power.shape == (len(run.steps), 257)


def test_snapshots_are_few_and_spread_and_end_with_the_last_look(tmp_path: Path) -> None:
    fit(tmp_path, BasisSnapshot(probe(), every_n_steps=1), steps=900)
    basis = load(tmp_path).basis
    assert basis is not None
    steps = basis.snapshot_steps
    assert 4 <= len(steps) <= 12
    assert steps[0] == 0
    assert steps[-1] == 900
    growth = steps[2:-1] / steps[1:-2]
    assert growth.min() >= 1.2
    assert basis.snapshots.shape == (len(steps), 12, 512)
    assert basis.snapshots.dtype == np.float16
    assert basis.snapshot_places.shape == (len(steps), 12, 1)


def test_the_table_of_a_layer_goes_on_where_a_second_module_has_another(tmp_path: Path) -> None:
    class Deeper(Net):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.last(super().forward(x))

    watcher = BasisSnapshot(probe())
    fit(tmp_path, watcher)
    assert any("'read_out'" in note for note in load(tmp_path).notes)
    fit(tmp_path, watcher, Deeper())
    assert any("'last'" in note for note in load(tmp_path / "seqfit" / "run_1").notes)


def trained(target: str, network: str, folder: Path, max_steps: int | None = None) -> Run:
    return load(train(DEMOS[target], network, seed=1, max_steps=max_steps, logdir=folder))


@pytest.mark.slow
def test_a_tanh_network_builds_steps_and_lacks_a_basis_not_weights(tmp_path: Path) -> None:
    basis, error = (run := trained("sine", "tanh", tmp_path)).basis, run.scalars["error/relative_rmse"]
    assert basis is not None
    assert run.front is not None
    assert basis.median_laps.max() <= 1.1
    assert basis.numerical_rank[-1] >= 5 * basis.numerical_rank[0]
    halfway = int(np.argmax(run.front.fitted >= 0.5))
    assert error[halfway] / 1.5 <= basis.projection_error[halfway] <= error[halfway] * 1.01


@pytest.mark.slow
def test_a_siren_has_an_oscillatory_basis(tmp_path: Path) -> None:
    basis = trained("sine", "siren", tmp_path, max_steps=100).basis
    assert basis is not None
    assert basis.median_laps[-1] >= 5


@pytest.mark.slow
def test_what_a_tanh_network_lacks_of_co2_is_the_yearly_band_since_its_basis_has_none(tmp_path: Path) -> None:
    run = trained("co2", "tanh", tmp_path)
    assert run.basis is not None
    assert run.spectrum is not None
    assert run.spectrum.target_trend_share > 0.9
    assert run.spectrum.relative_error["32-64"][-1] > 0.9
    actual = run.scalars["error/relative_rmse"][-1]
    assert actual / 1.5 <= run.basis.projection_error[-1] <= actual * 1.01
