"""Fits in the plane and in space as drawn: pixels, sizes, and that nothing is covered or cut off."""

from __future__ import annotations

import itertools

import lightning as L
import numpy as np
import pytest
import torch
from torch import nn

from lightning_seqfit import Probe, figures, load, views
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos.regression import FullBatch
from lightning_seqfit.figures import draw_view
from lightning_seqfit.figures.items import palette
from lightning_seqfit.record import Scalars
from lightning_seqfit.views import plane
from tests.figures.test_drawing import GREY, legend, numbers, texts
from tests.planes import SQUARE, cut_out, known_plane, with_basis
from tests.runs import replace, with_spectrum
from tests.training import FIGURES_OF_A_PLANE


def drawn(view):
    """Figure and its pixels."""
    figure = draw_view(view)
    return figure, figures.as_image(figure)


def colour_at(figure, image, axes, x, y):
    """Pixel at a place in the units of the axes."""
    column, row = axes.transData.transform((x, y))
    return image[image.shape[0] - 1 - round(row), round(column)].astype(int)


class TestPixels:
    def test_places_and_signs_are_those_of_the_target(self):
        figure, image = drawn(plane.fit(known_plane()))
        axes = figure.axes[0]
        red, _, blue = colour_at(figure, image, axes, 0.17, 0.6)  # sin(9 x) = 1
        assert red > blue + 50
        red, _, blue = colour_at(figure, image, axes, -0.17, 0.6)
        assert blue > red + 50
        for x in (-0.17, 0.17):
            assert np.ptp(colour_at(figure, image, axes, x, -0.6)) < 10  # 0 is white

    def test_blocks_at_the_end_that_hold_fewer_cells_are_narrower(self):
        run = known_plane(shape=(33, 20), limit=100)
        figure, image = drawn(plane.fit(replace(run, target=np.arange(77.0) % 2)))
        colours = [colour_at(figure, image, figure.axes[0], 0.97, y) for y in (0.52, 0.76, 0.85, 0.96)]
        assert [red > blue for red, _, blue in colours] == [True, True, False, False]  # the last row begins at 0.8

    def test_what_is_not_finite_is_grey_and_what_never_came_dark_grey(self):
        run = known_plane()
        prediction, error = run.prediction.copy(), run.front.local_error.copy()
        here = (run.points > 0).all(axis=1)
        prediction[-1, here], error[-1, here] = np.nan, np.nan
        run = replace(run, prediction=prediction, front=replace(run.front, local_error=error))
        figure, image = drawn(plane.fit(run))
        for axes in figure.axes[1:3]:
            np.testing.assert_allclose(colour_at(figure, image, axes, 0.5, 0.5), GREY, atol=1)
        assert legend(figure) == ["prediction is not finite"]
        figure, image = drawn(plane.front(run))
        np.testing.assert_allclose(colour_at(figure, image, figure.axes[1], 0.5, 0.5), GREY, atol=1)
        np.testing.assert_allclose(colour_at(figure, image, figure.axes[2], 0.8, 0.5), 0.35 * 255, atol=1)
        assert set(legend(figure)) == {"prediction is not finite", "edge of what is fitted", "not fitted yet"}

    @pytest.mark.parametrize("size", [1e12, 3e38])
    def test_a_wild_prediction_has_the_colours_of_the_ends_and_spoils_no_others(self, size):
        run = known_plane(lambda x, y: np.sign(x) / 2 + np.sign(x) * (np.abs(x) > 0.5) / 2)
        wild = np.where(run.points[:, 1] < 0, np.sign(run.points[:, 0]) * size, run.target).astype(np.float32)
        view = plane.fit(replace(run, prediction=np.tile(wild, (5, 1))))
        figure, image = drawn(view)
        colours, _ = palette(view.panels[1].items[0])
        for (x, y), share in {(-0.7, -0.5): 0.0, (0.7, -0.5): 1.0, (-0.3, 0.5): 0.25, (0.7, 0.5): 1.0}.items():
            expected = np.array(colours(share)[:3]) * 255
            np.testing.assert_allclose(colour_at(figure, image, figure.axes[1], x, y), expected, atol=3)

    def test_outside_the_domain_is_white_whatever_is_there(self):
        run = cut_out(with_basis(known_plane(lambda x, y: 1 + x)), lambda x, y: x + y < 0.5)
        for view in (plane.fit(run), plane.front(run), plane.error(run)):
            figure, image = drawn(view)
            for axes in figure.axes[: len(view.panels)]:
                assert (colour_at(figure, image, axes, 0.8, 0.8) == 255).all()
            assert np.ptp(colour_at(figure, image, figure.axes[0], -0.6, -0.6)) > 50

    def test_names_of_lines_do_not_cover_each_other(self):
        arrival = np.tile(np.repeat([100.0, 200.0, 300.0, 400.0], [2, 1, 1, 12]), 24)  # edges two cells apart
        axes = draw_view(plane.front(known_plane(arrival=arrival))).axes[2]
        places = [axes.transData.transform(text.get_position()) for text in axes.texts]
        assert places
        for one, other in itertools.combinations(places, 2):
            assert np.abs(one - other).max() >= 30

    def test_lines_pass_through_the_edges_of_cells_and_have_their_names_on_them(self):
        axes = draw_view(plane.front(known_plane())).axes[2]
        (lines,) = axes.collections
        found = {round(float(np.mean(line[:, 0])), 6) for line in lines.get_segments()}
        assert found == {round(-1 + edge / 12, 6) for edge in (5, 10, 14)}
        edges = {"100": 5, "200": 10, "300": 14}
        assert axes.texts
        for text in axes.texts:
            assert text.get_position()[0] == pytest.approx(-1 + edges[text.get_text()] / 12)


class TestSheets:
    @pytest.mark.parametrize("quantity", ["u", "u" * 60, "displacement of the upper layer at rest (mm, mean of three)"])
    @pytest.mark.parametrize("bounds", [SQUARE, ((1234.5, 1234.75), (0.0, 0.25))])
    def test_no_text_reaches_into_that_of_the_panel_beside_it(self, bounds, quantity):
        run = replace(known_plane(bounds=bounds), quantity=quantity)
        for view in (plane.fit(run), plane.front(run)):
            figure, _ = drawn(view)
            columns = [axes.get_window_extent() for axes in figure.axes[:3]]
            for left, right in itertools.pairwise(columns):
                border = (left.x1 + right.x0) / 2
                for axes in figure.axes:
                    written = [text.get_window_extent() for text in numbers(axes, "bottom")]
                    assert written
                    for box in (axes.get_tightbbox(), *written):
                        assert box.x1 <= border + 2 or box.x0 >= border - 2, axes.get_xlabel()

    @pytest.mark.parametrize(
        ("bounds", "axes", "ratio"),
        [
            (SQUARE, ("x", "y"), 1.0),
            (((0.0, 1.0), (0.0, 2.0)), ("x", "y"), 2.0),
            (((0.0, 3.0), (0.0, 2.0)), ("x", "y"), 2 / 3),
        ],
    )
    def test_lengths_that_are_alike_share_a_scale(self, bounds, axes, ratio):
        figure = draw_view(plane.fit(known_plane(bounds=bounds, axes=axes)))
        width, height = figure.get_size_inches()
        for box in (one.get_position() for one in figure.axes[:3]):
            assert box.height * height / (box.width * width) == pytest.approx(ratio)

    def test_nothing_lies_outside_the_paper(self):
        runs = [
            with_spectrum(with_basis(known_plane(), units=2)),
            known_plane(bounds=((0.0, 1.0), (1234.5, 1234.75))),
            with_basis(known_plane(shape=(6, 5, 4), bounds=(*SQUARE, (0.0, 1.0))), shape=(4, 3, 8)),
        ]
        for run in runs:
            for view in (*views.pictures(run).values(), *views.moving(run)):
                figure, _ = drawn(view)
                whole = figure.bbox
                for text in texts(figure):
                    box = text.get_window_extent()
                    inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= whole.x1 + 1 and box.y1 <= whole.y1 + 1
                    assert inside, (view.name, text.get_text())

    def test_slices_are_below_each_other(self):
        run = known_plane(shape=(6, 5, 4), bounds=(*SQUARE, (0.0, 1.0)))
        worst = replace(run, prediction=run.prediction + (run.points[:, 2] == 0.125))
        figure, _ = drawn(plane.fit(worst))
        upper, lower = (axes.get_window_extent() for axes in (figure.axes[0], figure.axes[3]))
        assert lower.y1 < upper.y0
        assert upper.x0 == pytest.approx(lower.x0)


NOTHING = np.full(5, np.nan)


def one_look(run):
    names = ("steps", "total_steps", "logger_steps", "fit", "prediction")
    cells = len(run.target)
    return replace(
        run,
        **{name: getattr(run, name)[:1] for name in names},
        scalars=Scalars({"error/relative_rmse": np.ones(1)}, "seqfit/"),
        front=replace(
            run.front,
            local_error=np.ones((1, cells)),
            arrival=np.full(cells, np.inf),
            depth={face: depth[:1] for face, depth in run.front.depth.items()},
            **dict.fromkeys(("fitted", "sequentiality", "overall_inwardness"), np.zeros(1)),
        ),
        oscillations=None,
        spectrum=replace(run.spectrum, power=run.spectrum.power[:1], spectral_order=NOTHING[:1]),
        basis=replace(
            run.basis,
            snapshots=run.basis.snapshots[:1],
            snapshot_steps=run.basis.snapshot_steps[:1],
            **dict.fromkeys(("numerical_rank", "effective_rank", "median_laps", "projection_error"), np.ones(1)),
        ),
    )


def unknown(run):
    return replace(
        run,
        prediction=np.full_like(run.prediction, np.nan),
        front=replace(
            run.front,
            local_error=np.full_like(run.front.local_error, np.inf),
            arrival=np.full(len(run.target), np.inf),
            fitted=np.zeros(5),
        ),
        spectrum=replace(run.spectrum, power=np.full((5, 12), np.nan)),
        basis=replace(
            run.basis, snapshots=np.full_like(run.basis.snapshots, np.nan), numerical_rank=NOTHING, median_laps=NOTHING
        ),
    )


def front_replaced(run, **fields):
    return replace(run, front=replace(run.front, **fields))


ODD_RUNS = {
    "one look": one_look,
    "NaN throughout": unknown,
    "fitted before training began": lambda run: front_replaced(run, arrival=np.zeros(len(run.target))),
    "constant target": lambda run: replace(run, target=np.full(len(run.target), 3.0)),
    "all quiet": lambda run: front_replaced(run, active=np.zeros(len(run.target), dtype=bool)),
    "no longer watched": lambda run: front_replaced(run, local_error=unknown(run).front.local_error),
    "looks thinned since": lambda run: front_replaced(run, arrival=np.minimum(run.front.arrival + 37, 395)),
    "far from zero": lambda run: known_plane(bounds=((1e6, 1e6 + 1), (0.0, 1.0))),
    "tiny": lambda run: known_plane(lambda x, y: 1e-300 * x, bounds=((0.0, 1e-9), (0.0, 1e-9))),
    "constant units": lambda run: replace(run, basis=replace(run.basis, snapshots=np.ones_like(run.basis.snapshots))),
    "one cell high": lambda run: known_plane(shape=(400, 8), limit=50),
    "in space": lambda run: unknown(
        with_spectrum(with_basis(known_plane(shape=(6, 5, 4), bounds=(*SQUARE, (0.0, 1.0))), shape=(6, 5, 4)))
    ),
}


@pytest.mark.parametrize("kind", ODD_RUNS)
def test_odd_runs_are_drawn_without_a_warning(kind, recwarn):
    run = ODD_RUNS[kind](with_spectrum(with_basis(known_plane())))
    shown = (*views.pictures(run).values(), *views.moving(run))
    assert len(shown) >= 4
    for view in shown:
        assert "nan" not in view.title + view.reading.replace("finite", "")
        _, image = drawn(view)
        assert (image != 255).any(axis=2).mean() > 0.02
    assert [str(warning.message) for warning in recwarn] == []


class Plane(L.LightningModule):
    def __init__(self, dimension):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dimension, 12), nn.Tanh(), nn.Linear(12, 1))

    def forward(self, points):
        return self.net(points)

    def training_step(self, batch, batch_idx):
        return nn.functional.mse_loss(self(batch[0]), batch[1])

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_training_leaves_its_figures(dimension, tmp_path):
    def target(points):
        return torch.sin(5 * points[:, 0]) * (points[:, 1] > 0)

    probe = Probe.grid(bounds=[(-1.0, 1.0)] * dimension, target=target, resolution=24)
    trainer = L.Trainer(
        max_steps=4,
        callbacks=[SequentialFitting(probe)],
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
    )
    points = torch.rand(64, dimension)
    trainer.fit(Plane(dimension), FullBatch((points, target(points)[:, None]), 4))
    names = {path.stem for path in (tmp_path / "seqfit").glob("*.png")}
    assert names == {f"probe_{name}" for name in FIGURES_OF_A_PLANE}
    run = load(tmp_path)
    values = plane.fit(run).panels[0].items[0].values
    upper = values[len(values) // 2 :]
    assert np.abs(values[: len(values) // 2]).max() == 0
    assert upper[0, 0] == pytest.approx(-upper[0, -1])
    assert np.ptp(upper, axis=0).max() < 1e-6  # alike all along y
    assert len(np.unique(upper[0].round(6))) > 5
