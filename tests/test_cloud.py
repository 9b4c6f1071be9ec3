"""Points in more than three dimensions: a training in five is watched by what such points can tell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_seqfit import Probe, Run, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.figures import as_image, draw, draw_view
from lightning_seqfit.geometry import Cloud
from lightning_seqfit.measures.basis import measure_basis
from lightning_seqfit.measures.front import active_points, measure_front
from lightning_seqfit.measures.scale import scale_of
from lightning_seqfit.measures.trend import fit_trend
from lightning_seqfit.views import Curve, Panel, moving, pictures
from lightning_seqfit.words import significant

POINTS = np.random.default_rng(0).random((3000, 5))


def surface(points: Any) -> Any:
    """Smooth, and far from its mean nearly everywhere."""
    return 2.0 * points[:, 0] - points[:, 1] ** 2 + points[:, 2] * points[:, 3] - 0.9


def squared_distances(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.sum((points[:, None] - points) ** 2, axis=2)


def test_a_mean_is_that_of_the_sixteen_nearest_in_shares_of_the_box() -> None:
    points = POINTS[:400] * [1.0, 10.0, 1e3, 1.0, 1e-2]
    cloud = Cloud.spanning(points)
    field = np.random.default_rng(1).standard_normal(400)
    near = np.argsort(squared_distances(points / np.ptp(points, axis=0)), axis=1)[:, :16]
    np.testing.assert_allclose(cloud.moving_mean(field, (0.1,) * 5), field[near].mean(axis=1), rtol=1e-12)


def test_components_are_the_clusters() -> None:
    clusters = np.random.default_rng(0).integers(0, 3, 300)
    cloud = Cloud.spanning(0.1 * POINTS[:300] + clusters[:, None])
    mask = clusters != 1
    labels = cloud.components(mask)
    assert set(labels[~mask]) == {0}
    assert {frozenset(labels[clusters == one]) for one in (0, 2)} == {frozenset([1]), frozenset([2])}
    assert cloud.components(np.zeros(300, dtype=bool)).tolist() == [0] * 300


def test_fewer_points_are_points_of_the_cloud() -> None:
    cloud = Cloud.spanning(POINTS)
    kept = np.stack([cloud.coarsen(column, 100) for column in POINTS.T], axis=-1)
    assert kept.shape == (100, 5)
    assert cloud.coarse_shape(100) == (100,)
    assert (kept[:, None] == POINTS).all(axis=2).any(axis=1).all()
    fewer, numbers = cloud.thinned(500)
    np.testing.assert_array_equal(fewer.points, POINTS[numbers])
    assert len(set(numbers.tolist())) == 500


def test_inputs_that_never_vary_are_no_obstacle() -> None:
    cloud = Cloud.spanning(np.column_stack([POINTS, np.zeros(3000), np.full(3000, 1e6)]))
    assert all(low < high for low, high in cloud.bounds)
    assert np.isfinite(cloud.moving_mean(POINTS[:, 0], (1.0,) * 7)).all()


def test_an_error_of_one_is_that_of_the_mean_whatever_a_plane_explains() -> None:
    cloud = Cloud.spanning(POINTS)
    for target in (surface(POINTS), 3.0 * POINTS[:, 0], np.sin(9 * POINTS).sum(axis=1)):
        trend = fit_trend(cloud, target)
        mean_square, of = scale_of(cloud, target, trend)
        assert of == "deviation"
        assert mean_square == pytest.approx(np.var(target))
        np.testing.assert_allclose(trend.values, np.mean(target))


def test_the_fitted_share_is_that_of_the_points_where_the_error_is_small() -> None:
    cloud, target = Cloud.spanning(POINTS), surface(POINTS)
    trend = fit_trend(cloud, target)
    active = active_points(cloud, trend)
    assert active.all()
    for share in (0.0, 0.3, 1.0):
        residual = np.where(POINTS[:, 4] < share, 0.0, np.std(target))
        front = measure_front(cloud, trend, active, residual, float(np.var(target)))
        # half of the neighbours of a point at the border lie beyond it
        assert front.fitted_share == pytest.approx(share, abs=0.2 * (share not in (0.0, 1.0)) + 1e-9)
        assert front.depth == {}


def test_of_the_basis_rank_and_constant_units_are_known_and_shapes_are_not() -> None:
    cloud = Cloud.spanning(POINTS)
    units = np.column_stack([POINTS[:, 0], POINTS[:, 1], POINTS[:, 0] + POINTS[:, 1], np.full(3000, 2.0)])
    target = 3 * POINTS[:, 0]
    basis = measure_basis(cloud, units, target, units[:, 0], float(np.var(target)))
    assert (basis.numerical_rank, basis.constant_share) == (2.0, 0.25)
    assert basis.projection_error < 1e-9
    assert np.isnan([basis.median_laps, basis.monotone_share, basis.dead_domain]).all()


@pytest.mark.parametrize(
    ("points", "options", "words"),
    [
        (POINTS[:9], {}, "9 points are too few in 5 dimensions: give at least 16"),
        (np.where(POINTS < 1e-2, np.nan, POINTS), {}, "not finite, the first is number"),
        (POINTS, {"bounds": [(0.0, 0.5)] * 5}, "points lie outside bounds=.*: widen the bounds"),
        (POINTS, {"bounds": [(0.0, 1.0)] * 4}, "has 4 axes and the points have 5"),
        (POINTS, {"axes": ["a", "b"]}, "does not name 5 axes"),
    ],
    ids=["few", "nan", "outside", "bounds", "axes"],
)
def test_points_that_cannot_be_used_are_refused_in_words(points: Any, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Probe.points(points, 0.0, **options)


class Net(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(5, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(2 * x - 1)

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=2e-3)


def train(folder: Path, callbacks: list[Any]) -> Net:
    torch.manual_seed(0)
    points = torch.from_numpy(POINTS).float()
    dataset = TensorDataset(points, surface(points)[:, None])
    trainer = L.Trainer(
        max_steps=600,
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        default_root_dir=folder,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
    )
    net = Net()
    trainer.fit(net, DataLoader(dataset, batch_size=256, shuffle=True))
    return net


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Net, Net]:
    folder = tmp_path_factory.mktemp("cloud")
    points = torch.from_numpy(POINTS).float()
    probe = Probe.from_dataset(TensorDataset(points, surface(points)))
    watched = train(folder, [SequentialFitting(probe)])
    return load(folder), watched, train(folder, [])


def test_a_training_on_five_inputs_is_left_alone(trained: tuple[Run, Net, Net]) -> None:
    _, watched, bare = trained
    for one, other in zip(watched.parameters(), bare.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_training_on_five_inputs_is_read_as_a_regression(trained: tuple[Run, Net, Net]) -> None:
    run, net, _ = trained
    assert (run.kind, run.axes, run.faces, run.scale_of) == ("cloud", ("x1", "x2", "x3", "x4", "x5"), (), "deviation")
    assert run.points.shape == (1024, 5)
    with torch.no_grad():
        prediction = net(torch.from_numpy(POINTS).float())[:, 0].double().numpy()
    target = surface(POINTS.astype(np.float32).astype(np.float64))
    error = np.sqrt(np.mean((prediction - target) ** 2)) / np.std(target)
    assert run.scalars["error/relative_rmse"][-1] == pytest.approx(error, rel=1e-3)
    fitted = run.scalars["front/fitted"]
    assert fitted[0] < 0.1
    assert fitted[-1] > 0.9
    assert 0.0 <= run.scalars["front/sequentiality"][-1] <= 1.0
    assert run.basis is not None
    assert run.basis.numerical_rank[-1] > 3
    assert run.basis.projection_error[-1] <= 1.01 * error
    assert run.basis.constant_share[-1] == 0.0
    for absent in ("median_laps", "monotone_share", "dead_domain"):
        assert np.isnan(getattr(run.basis, absent)).all()


def test_what_points_in_five_dimensions_cannot_tell_is_absent_with_its_reason(trained: tuple[Run, Net, Net]) -> None:
    run, _, _ = trained
    assert run.oscillations is None
    assert run.spectrum is None
    assert not [tag for tag in run.scalars if "depth" in tag or tag.startswith(("oscillations", "fourier"))]
    said = "\n".join(run.notes)
    assert (
        "oscillations is absent: points in 5 dimensions have no lines along which oscillations could be counted" in said
    )
    assert "fourier is absent: points in 5 dimensions have no lines along which a spectrum could be read" in said
    assert "basis/median_laps, monotone_share and dead_domain are absent: points in 5 dimensions" in said
    assert "errors are averaged over the 16 nearest points, and there are no depths" in said
    summary = run.summary()
    assert summary.line.startswith("points in 5 dimensions, ")
    assert "inwardness" not in str(summary)


def curves(panel: Panel) -> list[Curve]:
    return [item for item in panel.items if isinstance(item, Curve)]


def test_its_figures_are_the_fit_and_the_rank(trained: tuple[Run, Net, Net]) -> None:
    run, _, _ = trained
    shown = pictures(run)
    assert shown.keys() == {"2_fit", "6_rank"}
    left, right = shown["2_fit"].panels
    dots, diagonal = curves(left)
    fine = run.fine
    assert fine is not None
    np.testing.assert_array_equal(dots.x, fine.target)
    np.testing.assert_array_equal(dots.y, fine.prediction[-1])
    np.testing.assert_array_equal(diagonal.x, diagonal.y)
    looks = curves(right)
    errors = np.array([np.interp(0.5, curve.x, curve.y) for curve in looks])
    assert len(errors) == 4
    assert errors[-1] < 0.2 * errors[0]
    off = np.abs(run.prediction[-1] - run.target)
    assert errors[-1] == pytest.approx(np.median(off), rel=0.05)
    np.testing.assert_allclose(np.interp([0.1, 0.9], looks[-1].x, looks[-1].y), np.quantile(off, [0.1, 0.9]), rtol=0.05)
    off = np.abs(fine.prediction[-1] - fine.target)
    parts = (significant(float(part), 3) for part in (*np.quantile(off, [0.5, 0.9]), off.max()))
    half, most, largest = parts
    said = f"half of the points are within {half}, 90 % within {most} and all within {largest}."
    assert shown["2_fit"].reading == f"On the line a prediction is the target: {said}"
    assert as_image(draw(run)["2_fit"]).std() > 0


def test_what_moves_is_the_fit_at_each_look(trained: tuple[Run, Net, Net]) -> None:
    run, _, _ = trained
    (view,) = moving(run)
    assert view.name == "fit"
    assert view.steps is not None
    assert view.steps.tolist() == np.unique(run.total_steps).tolist()
    (dots, _), (first, at_look) = (curves(panel) for panel in view.panels)
    np.testing.assert_array_equal(dots.y, run.prediction)
    for look in range(len(view.steps)):
        np.testing.assert_allclose(at_look.y[look], np.sort(np.abs(run.prediction[look] - run.target)), atol=2e-2)
    np.testing.assert_array_equal(first.y, at_look.y[0])
    wild = run.replace(prediction=np.concatenate([1e6 * run.prediction[:1], run.prediction[1:]]))
    assert moving(wild)[0].panels[0].x == view.panels[0].x


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_predictions_that_are_not_finite_are_missed_in_words(trained: tuple[Run, Net, Net], value: float) -> None:
    run = trained[0].replace(fine=None)
    prediction = run.prediction.copy()
    prediction[-1, : len(run.target) // 4] = value
    view = pictures(run.replace(prediction=prediction))["2_fit"]
    assert view.panels[0].absent == ("not finite: 25 % of the points",)
    assert view.reading.endswith("; 25 % are not finite.")
    nowhere = pictures(run.replace(prediction=np.full_like(prediction, value)))["2_fit"]
    assert nowhere.reading == "The last prediction is finite nowhere."
    assert as_image(draw_view(nowhere)).std() > 0
