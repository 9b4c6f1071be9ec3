"""Demo modules, against hand-written training loops, closed forms and what Lightning does without their economies."""

from __future__ import annotations

import logging
import math
import warnings

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from lightning_seqfit.demos import (
    SIREN,
    SIRENCO2,
    FunctionRegression,
    Regression,
    SIRENRegression,
    TanhCO2,
    TanhMLP,
    TanhRegression,
    co2_monthly,
    cosine,
    low_frequency,
    sine,
)
from tests.training import trainer

MODULES = [TanhRegression, SIRENRegression, TanhCO2, SIRENCO2]


def straight_line(points):
    return 2 * points[:, 0] - 1


@pytest.fixture(autouse=True)
def _one_thread_and_a_quiet_trainer():
    threads, level = torch.get_num_threads(), logging.getLogger("lightning.pytorch").level
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    yield
    torch.set_num_threads(threads)
    logging.getLogger("lightning.pytorch").setLevel(level)


def _trainer(**options):
    quiet = dict.fromkeys(["logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"], False)
    return L.Trainer(**{"accelerator": "cpu", "devices": 1, **quiet, **options})


def _fit(module, steps, **options):
    trainer = _trainer(max_steps=steps, **options)
    trainer.fit(module)
    return trainer


def _relative_rmse(module, target):
    points = (torch.arange(512, dtype=torch.float32)[:, None] + 0.5) / 512
    with torch.no_grad():
        residual = module(points)[:, 0] - target(points)
    return float(residual.square().mean().sqrt() / target(points).square().mean().sqrt())


def test_the_network_of_a_plain_target_sees_and_returns_everything_as_it_is():
    module = TanhRegression()
    points = torch.rand(100, 1)
    assert torch.equal(module(points), module.network(points))
    inputs, targets = next(iter(module.train_dataloader()))
    assert torch.equal(inputs, torch.linspace(0, 1, 400)[:, None])
    assert torch.equal(targets, sine(inputs)[:, None])


def test_the_co2_network_sees_inputs_from_minus_one_to_one_and_standardised_targets():
    inputs, targets = next(iter(TanhCO2().train_dataloader()))
    assert inputs.shape == targets.shape == (526, 1)
    np.testing.assert_allclose(inputs[:, 0], np.linspace(-1, 1, 526), rtol=0, atol=1e-7)
    assert float(targets.double().mean()) == pytest.approx(0, abs=1e-6)
    assert float(targets.double().square().mean()) == pytest.approx(1, abs=1e-6)


def test_a_network_that_returned_its_targets_would_make_forward_return_ppm():
    years, ppm = co2_monthly()

    class Memory(nn.Module):
        def forward(self, inputs):
            row = ((inputs[:, 0] + 1) / 2 * 525).round().long()
            return torch.tensor((ppm - ppm.mean()) / ppm.std(), dtype=torch.float32)[row][:, None]

    module = Regression(Memory(), years, ppm, normalize=True)
    shuffled = torch.randperm(526)
    prediction = module(torch.tensor(years, dtype=torch.float32)[shuffled, None])
    np.testing.assert_allclose(prediction[:, 0], ppm[shuffled], rtol=0, atol=1e-3)


def test_each_coordinate_has_its_own_normalisation():
    points = torch.tensor([[0.0, -30.0], [10.0, 50.0], [5.0, 10.0]])
    module = Regression(nn.Identity(), points, torch.tensor([0.0, 10.0, 5.0]), normalize=True)
    torch.testing.assert_close(module.inputs, torch.tensor([[-1.0, -1.0], [1.0, 1.0], [0.0, 0.0]]))


def test_each_of_several_outputs_has_its_own_normalisation_and_comes_back_in_its_units():
    class Memory(nn.Module):
        def forward(self, inputs):
            return torch.tensor([[-1.0, 1.0], [1.0, -1.0]])

    values = torch.tensor([[10.0, 0.3], [30.0, 0.1]])
    module = Regression(Memory(), torch.tensor([0.0, 1.0]), values, normalize=True)
    torch.testing.assert_close(module.targets, torch.tensor([[-1.0, 1.0], [1.0, -1.0]]))
    torch.testing.assert_close(module(torch.zeros(2, 1)), values)


def test_a_year_in_float32_reaches_the_network_to_within_a_hundred_thousandth():
    module = TanhCO2()
    years, _ = co2_monthly()
    seen = (torch.tensor(years, dtype=torch.float32)[:, None] - module.centre) / module.half_width
    torch.testing.assert_close(seen, module.inputs, rtol=0, atol=1e-5)


def test_training_is_the_loop_that_one_would_write_by_hand():
    torch.manual_seed(0)
    module = TanhRegression(target=cosine, training_points=30, width=8, learning_rate=0.01)
    torch.manual_seed(0)
    network = TanhMLP(width=8)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    points = torch.linspace(0, 1, 30)[:, None]
    for _ in range(25):
        optimizer.zero_grad()
        (network(points)[:, 0] - cosine(points)).square().mean().backward()
        optimizer.step()

    _fit(module, 25)
    for trained, expected in zip(module.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(trained, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("module_class", "steps", "bound"), [(SIRENRegression, 150, 0.1), (SIRENCO2, 300, 0.1), (TanhCO2, 300, 0.2)]
)
def test_training_lowers_the_loss(module_class, steps, bound):
    torch.manual_seed(0)
    module = module_class()
    inputs, targets = next(iter(module.train_dataloader()))

    def rmse():
        with torch.no_grad():
            return float((module.network(inputs) - targets).square().mean().sqrt())

    before = rmse()
    _fit(module, steps)
    assert rmse() < min(bound, before)


def test_the_default_siren_fits_thirteen_oscillations_while_the_tanh_network_has_not_begun():
    torch.manual_seed(0)
    siren, tanh = SIRENRegression(), TanhRegression()
    _fit(siren, 150)
    _fit(tanh, 150)
    assert _relative_rmse(siren, sine) < 0.05
    assert _relative_rmse(tanh, sine) > 0.9


def test_l_bfgs_trains_whatever_the_learning_rate():
    errors = []
    for learning_rate in (1e-5, 10.0):
        torch.manual_seed(0)
        module = TanhRegression(target=low_frequency, optimizer="lbfgs", learning_rate=learning_rate)
        trainer = _fit(module, 20)
        assert trainer.global_step == 20
        errors.append(_relative_rmse(module, low_frequency))
    assert errors[0] == errors[1] < 0.02


def test_sgd_trains():
    torch.manual_seed(0)
    module = TanhRegression(target=straight_line, optimizer="sgd", learning_rate=0.1)
    _fit(module, 300)
    assert _relative_rmse(module, straight_line) < 0.1


@pytest.mark.parametrize("interval", [1, 7, 50])
def test_the_loss_is_logged_where_lightning_would_log_it(tmp_path, interval):
    class Verbose(TanhRegression):
        def training_step(self, batch):
            inputs, targets = batch
            loss = nn.functional.mse_loss(self.network(inputs), targets)
            self.log("train_loss", loss)
            return loss

    rows = []
    for module_class in (TanhRegression, Verbose):
        torch.manual_seed(0)
        logger = CSVLogger(tmp_path, name=module_class.__name__)
        _fit(module_class(width=5), 100, logger=logger, log_every_n_steps=interval)
        rows.append((tmp_path / module_class.__name__ / "version_0" / "metrics.csv").read_text(encoding="utf-8"))
    assert rows[0] == rows[1]
    assert rows[0].count("\n") == 1 + 100 // interval


def test_without_a_log_interval_nothing_is_logged():
    trainer = _fit(TanhRegression(width=5), 5, log_every_n_steps=0)
    assert trainer.callback_metrics == {}


def test_the_logged_loss_is_in_the_callback_metrics():
    module = TanhRegression(width=5)
    trainer = _fit(module, 100, log_every_n_steps=10)
    assert 0.3 < trainer.callback_metrics["train_loss"] < 0.6


@pytest.mark.parametrize("module_class", MODULES)
def test_an_epoch_is_a_thousand_times_the_same_tensors(module_class):
    module = module_class()
    batches = list(module.train_dataloader())
    assert len(batches) == len(module.train_dataloader()) == 1_000
    assert all(inputs is module.inputs and targets is module.targets for inputs, targets in batches)


@pytest.mark.parametrize("module_class", MODULES)
def test_a_run_with_logger_progress_bar_and_checkpoints_gives_no_warning(module_class, tmp_path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer = L.Trainer(
            max_steps=60, accelerator="cpu", logger=CSVLogger(tmp_path), default_root_dir=tmp_path, devices=1
        )
        trainer.fit(module_class(width=5))
    lightnings_own = "isinstance(treespec, LeafSpec)"  # at every batch of every module
    assert [str(warning.message) for warning in caught if lightnings_own not in str(warning.message)] == []


@pytest.mark.parametrize("module_class", MODULES)
def test_a_checkpoint_restores_the_module_and_holds_no_training_data(module_class, tmp_path):
    torch.manual_seed(0)
    module = module_class(width=6, depth=3, learning_rate=0.25)
    trainer = _fit(module, 2)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert not {"inputs", "targets"} & set(content["state_dict"])

    restored = module_class.load_from_checkpoint(tmp_path / "last.ckpt")
    assert (restored.hparams.width, restored.hparams.depth, restored.learning_rate) == (6, 3, 0.25)
    points = torch.linspace(0, 2_000, 9)[:, None]
    assert torch.equal(restored(points), module(points))
    assert torch.equal(restored.targets, module.targets)


def test_a_checkpoint_names_its_target_and_a_target_without_a_name_must_be_given_again(tmp_path):
    trainer = _fit(TanhRegression(target=cosine), 1)
    trainer.save_checkpoint(tmp_path / "named.ckpt")
    restored = TanhRegression.load_from_checkpoint(tmp_path / "named.ckpt")
    assert torch.equal(restored.targets, cosine(restored.inputs)[:, None])

    nameless = lambda points: points[:, 0] ** 2  # noqa: E731
    trainer = _fit(TanhRegression(target=nameless), 1)
    trainer.save_checkpoint(tmp_path / "nameless.ckpt")
    with pytest.raises(ValueError, match=r"<lambda>' cannot be imported: give a function"):
        TanhRegression.load_from_checkpoint(tmp_path / "nameless.ckpt")
    restored = TanhRegression.load_from_checkpoint(tmp_path / "nameless.ckpt", target=nameless)
    assert torch.equal(restored.targets, nameless(restored.inputs)[:, None])


def test_the_command_line_runs_a_config_and_saves_one_that_runs_again(tmp_path, monkeypatch):
    pytest.importorskip("jsonargparse")
    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning 2.6 calls what jsonargparse deprecates
    config = tmp_path / "config.yaml"
    config.write_text(
        "seed_everything: 0\n"
        "trainer: {max_steps: 3, accelerator: cpu, devices: 1, logger: false, enable_checkpointing: false,\n"
        f"  enable_progress_bar: false, enable_model_summary: false, default_root_dir: '{tmp_path / 'saved'}'}}\n"
        "model:\n"
        "  class_path: lightning_seqfit.demos.SIRENRegression\n"
        "  init_args: {target: lightning_seqfit.demos.targets.cosine, width: 9, omega_0: 12.5, optimizer: sgd}\n",
        encoding="utf-8",
    )

    def run(path):
        monkeypatch.setattr("sys.argv", ["demo", "fit", "--config", str(path)])
        return LightningCLI(Regression, subclass_mode_model=True, save_config_kwargs={"overwrite": True})

    cli = run(config)
    assert isinstance(cli.model, SIRENRegression)
    assert torch.equal(cli.model.targets, cosine(cli.model.inputs)[:, None])
    assert isinstance(cli.trainer.optimizers[0], torch.optim.SGD)
    assert cli.trainer.global_step == 3
    cli.trainer.save_checkpoint(tmp_path / "last.ckpt")
    restored = SIRENRegression.load_from_checkpoint(tmp_path / "last.ckpt")
    assert torch.equal(restored.targets, cli.model.targets)

    again = run(tmp_path / "saved" / "config.yaml")
    for first, second in zip(cli.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("module_class", MODULES)
def test_the_module_can_be_made_in_double_precision_by_the_trainer(module_class):
    module = module_class(width=5)
    _fit(module, 2, precision="64-true")
    assert module(torch.zeros(3, 1, dtype=torch.float64)).dtype == torch.float64


def test_values_may_be_a_vector_or_a_column():
    points = torch.linspace(0, 1, 5)
    vector = Regression(TanhMLP(), points, points**2)
    column = Regression(TanhMLP(), points[:, None].numpy(), (points**2)[:, None].numpy())
    assert torch.equal(vector.targets, column.targets)
    assert torch.equal(vector.inputs, column.inputs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"optimizer": "rprop"}, r"optimizer='rprop' is not available: use one of adam, sgd, lbfgs, soap"),
        ({"learning_rate": 0.0}, r"learning_rate=0\.0 is no step size: give a positive, finite number"),
        ({"learning_rate": math.nan}, r"learning_rate=nan is no step size"),
        ({"training_points": 1}, r"training_points=1 do not span \[0, 1\]: give a whole number of at least 2"),
        ({"training_points": 10.0}, r"training_points=10\.0 do not span"),
        ({"target": "sine"}, r"target='sine' cannot be imported: give a function, or its dotted path, such as"),
        ({"target": "lightning_seqfit.demos.targets.sinus"}, r"targets\.sinus' cannot be imported"),
        ({"target": "lightning_seqfit.demos.targets.__name__"}, r"is no function but 'lightning_seqfit"),
        ({"target": torch.sum}, r"points of shape \(400, 1\) and values of shape \(\) do not belong together"),
        ({"width": 0}, r"width=0 makes no network"),
    ],
)
@pytest.mark.parametrize("module_class", [TanhRegression, SIRENRegression])
def test_an_argument_that_makes_no_sense_is_refused_with_what_to_do(module_class, arguments, message):
    with pytest.raises(ValueError, match=message):
        module_class(**arguments)


@pytest.mark.parametrize(
    ("points", "values", "normalize", "message"),
    [
        ([0.0, 1.0], [0.0, 1.0, 2.0], False, r"shape \(2,\) and values of shape \(3,\) do not belong together"),
        ([[[0.0]]], [0.0], False, r"do not belong together"),
        ([], [], False, r"do not belong together"),
        ([0.0, 1.0], [[[0.0]], [[2.0]]], False, r"do not belong together"),
        ([0.0, 1.0], [0.0, math.nan], False, r"not finite: leave out the rows with gaps"),
        ([1.0, 1.0], [0.0, 1.0], True, r"normalize=True needs points and values that vary.*use normalize=False"),
        ([0.0, 1.0], [2.0, 2.0], True, r"normalize=True needs points and values that vary"),
    ],
)
def test_data_that_cannot_be_fitted_are_refused_with_what_to_do(points, values, normalize, message):
    with pytest.raises(ValueError, match=message):
        Regression(SIREN(), torch.tensor(points), torch.tensor(values), normalize=normalize)


class TestFunctionRegression:
    @pytest.mark.parametrize("network", ["tanh", "siren", "fourier"])
    @pytest.mark.parametrize("optimizer", ["adam", "lbfgs", "soap"])
    def test_every_network_and_optimizer_takes_a_step(self, network, optimizer, tmp_path):
        torch.manual_seed(0)
        module = FunctionRegression("lightning_seqfit.demos.sine", network=network, optimizer=optimizer)
        before = [parameter.detach().clone() for parameter in module.parameters()]
        trainer(tmp_path, max_steps=2, logger=False).fit(module)
        moved = [not torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]
        assert any(moved)
        assert all(parameter.isfinite().all() for parameter in module.parameters())

    def test_training_points_span_the_box(self):
        module = FunctionRegression("lightning_seqfit.demos.plane_wave", bounds=[[-1, 1], [0, 3]], training_points=5)
        assert module.inputs.shape == (25, 2)
        assert module.inputs.amin(dim=0).tolist() == [-1.0, 0.0]
        assert module.inputs.amax(dim=0).tolist() == [1.0, 3.0]

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            ({"network": "relu"}, "network='relu' is not available: use one of tanh, siren, fourier"),
            ({"bounds": []}, "is not a box"),
            ({"bounds": [[1.0, 0.0]]}, "is not a box"),
            ({"training_points": 0}, "training_points=0 do not span the box"),
            ({"learning_rate": 0.0}, r"learning_rate=0\.0 is no step size"),
            ({"target": "lightning_seqfit.demos.nothing"}, "cannot be imported"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, arguments, words):
        with pytest.raises(ValueError, match=words):
            FunctionRegression(**({"target": "lightning_seqfit.demos.sine"} | arguments))
