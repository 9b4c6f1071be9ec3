"""The same function on a grid, on its points shuffled, and on points anywhere in the plane and in space."""

import copy
import math

import lightning as L
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import ErrorFront, FourierResidual, OscillationCount, SequentialFitting
from lightning_seqfit.diagnostics import Scene, make_all
from lightning_seqfit.measures.scale import scale_of

SQUARE = [(-1.0, 1.0)] * 2
SETTINGS = {
    "accelerator": "cpu",
    "logger": False,
    "max_epochs": -1,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def product(points):
    return np.sin(5 * np.pi * points[:, 0]) * np.sin(5 * np.pi * points[:, 1])


def two_waves(points):
    return np.sin(6 * np.pi * points[:, 0] + 1) + 0.5 * np.cos(18 * np.pi * points[:, 1])


class Swept(nn.Module):
    """Predicts a target where x is below a front, and 0 beyond it."""

    def __init__(self, target):
        super().__init__()
        self.unused = nn.Linear(2, 1)
        self.target, self.front = target, -1.0

    def forward(self, points):
        places = points.double().numpy()
        return torch.tensor(np.where(places[:, 0] < self.front, self.target(places), 0.0))


def readings(probe, target, looks=20):
    """Scalars of looks at a front that moves from one end to the other."""
    module = Swept(target)
    values, trend = probe.read_target(module)
    scale = scale_of(probe.geometry, values, trend)
    diagnostics = [each for each in make_all(tolerance=0.25) if each.name in ("front", "oscillations", "fourier")]
    for each in diagnostics:
        each.begin(Scene(probe.geometry, values, trend, 0.0, scale))
    seen = []
    for step in range(looks):
        module.front = 2 * step / looks - 1
        observation = probe.observe(module, values)
        looked = [each.look(observation, scale.mean_square, step).scalars for each in diagnostics]
        seen.append({tag: value for scalars in looked for tag, value in scalars.items()})
    return seen


def apart(one, other, part):
    """Largest difference over looks and tags that begin alike, where both are known."""
    return max(
        abs(a[tag] - b[tag])
        for a, b in zip(one, other, strict=True)
        for tag in a
        if tag.startswith(part) and math.isfinite(a[tag] - b.get(tag, math.nan))
    )


def on_a_grid(target, resolution):
    points = Probe.grid(SQUARE, 0.0, resolution=resolution).geometry.points
    return points, Probe.grid(SQUARE, target(points), resolution=resolution)


@pytest.mark.parametrize("target", [product, two_waves])
def test_shuffled_points_of_a_grid_are_the_grid(target):
    points, grid = on_a_grid(target, 96)
    order = np.random.default_rng(0).permutation(len(points))
    shuffled = Probe.points(points[order], target(points[order]))
    assert shuffled.geometry.shape == (96, 96)
    np.testing.assert_allclose(shuffled.geometry.points, points, atol=1e-12)
    one, other = (readings(probe, target) for probe in (grid, shuffled))
    for part in ("front", "oscillations", "fourier"):
        assert apart(one, other, part) < 1e-9


@pytest.mark.parametrize("target", [product, two_waves])
@pytest.mark.parametrize("count", [4096, 20_000])
def test_random_points_read_as_the_grid(target, count):
    _, grid = on_a_grid(target, 96)
    points = np.random.default_rng(1).uniform(-1, 1, (count, 2))
    one, other = (readings(probe, target) for probe in (grid, Probe.points(points, target(points), bounds=SQUARE)))
    assert apart(one, other, "front/fitted") < 0.03
    assert apart(one, other, "front/depth") < 0.03
    assert apart(one[-1:], other[-1:], "front/sequentiality") < 0.1
    assert apart(one[-1:], other[-1:], "front/inwardness") < 0.1
    assert apart(one, other, "fourier/relative_error") < 0.05
    bands = [{tag for tag in each[-1] if "relative_error" in tag} for each in (one, other)]
    assert bands[0] == bands[1]
    if target is product:  # where lobes of a sum of waves touch, points decide
        assert apart(one, other, "oscillations/target") <= 0.03 * one[0]["oscillations/target"]
        assert apart(one, other, "oscillations/fitted") <= 0.06 * one[0]["oscillations/target"]


def test_random_points_in_space_read_as_the_grid():
    def target(points):
        return np.sin(3 * np.pi * points[:, 0]) * np.cos(2 * np.pi * points[:, 1]) + 0 * points[:, 2]

    cube = [(-1.0, 1.0)] * 3
    places = Probe.grid(cube, 0.0).geometry.points
    points = np.random.default_rng(0).uniform(-1, 1, (20_000, 3))
    probes = Probe.grid(cube, target(places)), Probe.points(points, target(points), bounds=cube)
    one, other = (readings(probe, target, looks=8) for probe in probes)
    assert apart(one, other, "front/fitted") < 0.03
    assert apart(one, other, "front/depth") < 0.04
    assert apart(one, other, "fourier/relative_error") < 0.05


class Siren(L.LightningModule):
    def __init__(self, dimension=2):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(dimension, 48), nn.Linear(48, 1)
        nn.init.uniform_(self.first.weight, -6, 6)

    def forward(self, points):
        return self.last(torch.sin(3 * self.first(points)))

    def training_step(self, batch, _):
        points, values = batch
        return nn.functional.mse_loss(self(points)[:, 0], values)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def test_one_training_watched_at_four_sets_of_points(tmp_path):
    def target(points):
        return np.sin(3 * np.pi * points[:, 0]) * np.sin(3 * np.pi * points[:, 1])

    places = Probe.grid(SQUARE, 0.0, resolution=96).geometry.points
    order = np.random.default_rng(0).permutation(len(places))
    sets = {"grid": None, "shuffled": places[order]}
    sets |= {f"random{n}": np.random.default_rng(n).uniform(-1, 1, (n, 2)) for n in (4096, 20_000)}
    probes = [
        Probe.grid(SQUARE, target(places), resolution=96, name=name)
        if points is None
        else Probe.points(points, target(points), bounds=SQUARE, name=name)
        for name, points in sets.items()
    ]
    callbacks = [
        kind(probe, every_n_steps=20) for probe in probes for kind in (ErrorFront, OscillationCount, FourierResidual)
    ]
    data = TensorDataset(*(torch.tensor(each, dtype=torch.float32) for each in (places[order], target(places[order]))))
    trainer = L.Trainer(max_steps=400, callbacks=callbacks, default_root_dir=tmp_path, **SETTINGS)
    trainer.fit(Siren(), DataLoader(data, batch_size=512))
    grid, *others = (load(tmp_path, name) for name in sets)
    assert grid.front.fitted[-1] > 0.3
    assert np.isfinite(grid.front.sequentiality[-1])
    for run in others:
        assert run.steps.tolist() == grid.steps.tolist()
        np.testing.assert_allclose(run.front.fitted, grid.front.fitted, atol=0.03)
        assert run.front.sequentiality[-1] == pytest.approx(grid.front.sequentiality[-1], abs=0.1)
        assert run.front.overall_inwardness[-1] == pytest.approx(grid.front.overall_inwardness[-1], abs=0.1)
        carrying = [
            [label for label, carries in zip(each.spectrum.labels, each.spectrum.carrying, strict=True) if carries]
            for each in (run, grid)
        ]
        assert carrying[0] == carrying[1]
        for label in carrying[0]:
            one, other = (each.spectrum.relative_error[label] for each in (run, grid))
            np.testing.assert_allclose(one, other, atol=0.05)


class Slow(Siren):
    """Predicts the slow part of a target."""

    def forward(self, points):
        return torch.sin(4 * torch.pi * points[:, :1]) + 0.0 * self.last(torch.sin(self.first(points)))


def test_the_share_explained_is_that_of_all_points_and_not_of_recorded_blocks(tmp_path):
    def target(points):
        return torch.sin(4 * torch.pi * points[:, 0]) + 0.3 * torch.sin(22 * torch.pi * points[:, 1])

    probe = Probe.grid([(0.0, 1.0)] * 2, target, resolution=96)  # recorded on 32 x 32
    trainer = L.Trainer(max_steps=1, callbacks=[ErrorFront(probe)], default_root_dir=tmp_path, **SETTINGS)
    trainer.fit(Slow(), DataLoader(TensorDataset(torch.zeros(8, 2), torch.zeros(8)), batch_size=8))
    run = load(tmp_path)
    said = {fact.label: fact.value for fact in run.summary().facts}
    assert float(said["R^2"]) == pytest.approx(1 - 0.045 / 0.545, abs=1e-3)
    blocks = 1 - np.mean((run.prediction[-1] - run.target) ** 2) / np.var(run.target)
    assert blocks > 0.93


class Augmented(Dataset):
    """Draws new noise for its items, and counts how often they are asked for."""

    def __init__(self):
        self.points = np.random.default_rng(0).uniform(-1, 1, (300, 2)).astype(np.float32)
        self.noise, self.asked = np.random.default_rng(1), 0

    def __len__(self):
        return len(self.points)

    def __getitem__(self, number):
        self.asked += 1
        jittered = self.points[number] + self.noise.normal(scale=0.01, size=2) + 0.001 * torch.rand(2).numpy()
        return jittered.astype(np.float32), np.float32(np.sin(4 * jittered[0]))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_loader_that_shuffles_and_augments_is_left_alone(tmp_path, workers):
    def trained(watched):
        torch.manual_seed(0)
        data = Augmented()
        callbacks = [SequentialFitting(Probe.from_dataset(data, max_points=100))] if watched else []
        read = data.asked
        module = Siren()
        loader = DataLoader(data, batch_size=50, shuffle=True, num_workers=workers)
        trainer = L.Trainer(max_steps=30, callbacks=callbacks, default_root_dir=tmp_path, **SETTINGS)
        trainer.fit(module, loader)
        drawn = copy.deepcopy(data.noise).normal()
        return module.state_dict(), data.asked - read, drawn, torch.rand(1)

    (bare, *one), (watched, *other) = trained(False), trained(True)
    assert all(torch.equal(bare[name], watched[name]) for name in bare)
    assert one == other
