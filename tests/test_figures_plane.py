"""Figures of runs in the plane and in space, made by hand: what is where, in cells, in units of the axes, in pixels."""

from __future__ import annotations

import dataclasses
import itertools

import lightning as L
import numpy as np
import pytest
import torch
from matplotlib.contour import ContourSet
from matplotlib.text import Text
from torch import nn

from lightning_seqfit import Probe, figures, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos.regression import FullBatch
from lightning_seqfit.figures import plane, training
from lightning_seqfit.geometry import Grid
from lightning_seqfit.record import BasisRecord, FrontRecord, OscillationsRecord, Run, Scalars, SpectrumRecord
from tests.test_figures import numbers
from tests.training import FIGURES_OF_A_PLANE

STEPS = np.array([0, 100, 200, 300, 400])
SQUARE = ((-1.0, 1.0), (-1.0, 1.0))


def corner(x, y):
    """What fixes the orientation: oscillates along x, in the upper half only."""
    return np.sin(9 * x) * (y > 0)


def replace(record, **changes):
    """What it is, with other values of fields; of a run, other sections too."""
    return record.replace(**changes) if isinstance(record, Run) else dataclasses.replace(record, **changes)


def known_run(
    target=corner, *, shape=(24, 16), bounds=SQUARE, axes=("x", "y", "z"), limit=1024, arrival=None, active=None
):
    """A front from ``x_min`` that is at the share 0.2, 0.4, 0.6 and 0.8 of x at the last four looks, whatever y is.

    What it has passed is fitted, the rest of the prediction is 0.
    """
    axes = axes[: len(shape)]
    grid = Grid(bounds, shape, axes)
    points = np.stack([grid.coarsen(column, limit) for column in grid.points.T], axis=-1)
    values = target(points[:, 0], points[:, 1])
    (low, high), cells, looks = bounds[0], len(points), len(STEPS)
    share = (points[:, 0] - low) / (high - low)
    places = np.array([0.0, 0.2, 0.4, 0.6, 0.8])
    passed = share < places[:, None]
    if arrival is None:
        arrival = np.where(passed.any(axis=0), STEPS[np.argmax(passed, axis=0)], np.inf)
    nothing = np.zeros(looks)
    faces = [f"{axis}_{side}" for axis in axes for side in ("min", "max")]
    front = FrontRecord(
        local_error=np.where(passed, 0.0, 1.0).astype(np.float32),
        fitted=passed.mean(axis=1),
        sequentiality=nothing + 0.9,
        speed=nothing,
        depth=dict.fromkeys(faces, places),
        inwardness=dict.fromkeys(faces, nothing),
        overall_inwardness=nothing,
        arrival=arrival,
        settled=arrival,
        active=np.ones(cells, dtype=bool) if active is None else active(*points.T),
        tolerance=0.25,
    )
    counts = OscillationsRecord(*[nothing + count for count in (6, 4, 4, 2, 0)])
    return Run(
        name="",
        quantity="u (V)",
        axes=axes,
        bounds=bounds,
        shape=grid.coarse_shape(limit),
        points=points,
        target=values,
        trend=np.zeros(cells),
        steps=STEPS,
        total_steps=STEPS,
        logger_steps=STEPS,
        fit=np.zeros(looks, dtype=np.int64),
        prediction=np.where(passed, values, 0.0).astype(np.float32),
        scalars=Scalars({"error/relative_rmse": 1 - places}, "seqfit/"),
        sections={"front": front, "oscillations": counts},
    )


def with_basis(run, *, shape=(12, 8), units=8, bounds=None):
    """Snapshots at steps 0, 100, 400: unit k is a step along x at the share k / 10 plus a little of the height."""
    points = Grid(bounds or run.bounds, shape, run.axes).points
    steps = np.array([0, 100, 400])
    low, high = run.bounds[0]
    share = (points[:, 0] - low) / (high - low)
    unit = np.arange(1, units + 1)[:, None]
    values = (unit + (share > unit / 10) + 0.1 * points[:, 1])[None] + steps[:, None, None]
    nothing = np.full(len(run.steps), np.nan)
    basis = BasisRecord(
        **dict.fromkeys(("numerical_rank", "effective_rank", "monotone_share"), nothing + 7),
        **dict.fromkeys(("projection_error", "constant_share", "dead_domain"), nothing),
        median_laps=np.full(len(run.steps), 1.25),
        snapshot_steps=steps,
        snapshot_units=np.tile(np.arange(units), (3, 1)),
        snapshot_places=np.zeros((3, units, len(run.axes))),
        snapshots=values.astype(np.float16),
        snapshot_points=points,
    )
    return replace(run, basis=basis)


def with_spectrum(run):
    power = np.full((len(run.steps), 12), 1e-6)
    power[:, 5] = 0.5 * 10.0 ** -np.arange(len(run.steps))
    nothing = np.zeros(len(run.steps))
    labels = ("1-2", "2-4", "4-8", "8-12")
    spectrum = SpectrumRecord(
        relative_error=dict.fromkeys(labels, nothing),
        share=dict.fromkeys(labels, nothing),
        trend=nothing,
        front_frequency=nothing,
        spectral_order=nothing + np.nan,
        power=power,
        frequency=np.arange(12.0),
        edges=np.array([1, 2, 4, 8, 12]),
        carrying=np.array([False, False, True, False]),
        converged=np.array([np.inf, np.inf, 300.0, np.inf]),
        target_trend_share=0.0,
    )
    return replace(run, spectrum=spectrum)


def panels(figure):
    """The three pictures, without their colour bars."""
    return figure.axes[:3]


def picture(axes):
    """Values of an image with their extent: rows from the bottom up."""
    (image,) = axes.images
    assert image.origin == "lower"
    return np.ma.filled(np.ma.asarray(image.get_array()).astype(np.float64), np.nan), tuple(image.get_extent())


def contours(axes):
    return [artist for artist in axes.collections if isinstance(artist, ContourSet)]


def colour_at(figure, image, axes, x, y):
    """Pixel at a place in the units of the axes."""
    column, row = axes.transData.transform((x, y))
    return image[image.shape[0] - 1 - round(row), round(column)].astype(int)


def legend(figure):
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


class TestWhereThingsAre:
    def test_x_runs_to_the_right_and_y_upwards(self):
        run = known_run()
        for figure in (plane.fit(run), plane.front(run)):
            axes = panels(figure)[0]
            values, extent = picture(axes)
            x, y = -1 + (np.arange(24) + 0.5) / 12, -1 + (np.arange(16) + 0.5) / 8
            np.testing.assert_allclose(values, corner(x[None, :], y[:, None]))
            assert extent == (-1.0, 1.0, -1.0, 1.0)
            assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")
            assert (axes.get_xlim(), axes.get_ylim()) == SQUARE

    def test_pixels_say_the_same(self):
        figure = plane.fit(known_run())
        image = figures.as_image(figure)
        axes = panels(figure)[0]
        red, _, blue = colour_at(figure, image, axes, 0.17, 0.6)  # sin(9 x) = 1
        assert red > blue + 50
        red, _, blue = colour_at(figure, image, axes, -0.17, 0.6)
        assert blue > red + 50
        for x in (-0.17, 0.17):
            assert np.ptp(colour_at(figure, image, axes, x, -0.6)) < 10  # 0 is white

    def test_prediction_and_difference_are_those_of_the_last_look(self):
        run = known_run()
        _, middle, right = panels(plane.fit(run))
        shaped = [field.reshape(24, 16).T for field in (run.prediction[-1], run.prediction[-1] - run.target)]
        for axes, expected in zip((middle, right), shaped, strict=True):
            np.testing.assert_allclose(picture(axes)[0], expected)
            assert picture(axes)[1] == (-1.0, 1.0, -1.0, 1.0)

    def test_target_and_prediction_share_their_colours_and_the_difference_has_its_own(self):
        run = known_run(lambda x, y: 3 + x)
        near = replace(run, prediction=np.tile(run.target + 0.01 * run.points[:, 1], (5, 1)).astype(np.float32))
        figure = plane.fit(near)
        limits = [axes.images[0].get_clim() for axes in panels(figure)]
        assert limits[0] == limits[1] == pytest.approx((3 - 23 / 24, 3 + 23 / 24))
        assert limits[2] == pytest.approx((-0.01 * 15 / 16, 0.01 * 15 / 16), rel=1e-4)
        assert panels(figure)[2].get_title() == "prediction - target, from -0.0094 to 0.0094"

    def test_a_difference_beyond_the_range_of_the_target_does_not_widen_its_scale(self):
        run = known_run(lambda x, y: 3 + x)  # the prediction is 0 where it is not fitted
        assert panels(plane.fit(run))[2].images[0].get_clim() == pytest.approx((-23 / 12, 23 / 12))

    @pytest.mark.parametrize("size", [1e-4, 14.0])
    def test_a_target_without_a_size_gives_way_to_the_scale_of_the_prediction(self, size):
        run = known_run(lambda x, y: 0 * x)
        residual = replace(run, prediction=np.tile(size * run.points[:, 0] - size / 2, (5, 1)).astype(np.float32))
        largest = size * (23 / 24 + 0.5)
        for axes in panels(plane.fit(residual)):
            assert axes.images[0].get_clim() == pytest.approx((-largest, largest), rel=1e-6)

    @pytest.mark.parametrize("quantity", ["u", "u" * 60])
    @pytest.mark.parametrize("bounds", [SQUARE, ((1234.5, 1234.75), (0.0, 0.25))])
    def test_no_text_reaches_into_that_of_the_panel_beside_it(self, bounds, quantity):
        run = replace(known_run(bounds=bounds), quantity=quantity)
        for figure in (plane.fit(run), plane.front(run)):
            figures.as_image(figure)
            columns = [axes.get_window_extent() for axes in panels(figure)]
            for left, right in itertools.pairwise(columns):
                border = (left.x1 + right.x0) / 2
                for axes in figure.axes:
                    written = [text.get_window_extent() for text in numbers(axes, "bottom")]
                    assert written or axes.get_title().endswith("nowhere yet"), axes.get_title()
                    for box in (axes.get_tightbbox(), *written):
                        outside = box.x1 <= border or box.x0 >= border
                        assert outside, (axes.get_title(), axes.get_xlabel())

    def test_axes_have_their_names_and_units(self):
        run = known_run(bounds=((-1.0, 1.0), (0.0, 3.0)), axes=("x", "t"))
        for figure in (plane.fit(run), plane.front(run)):
            assert [axes.get_xlabel() for axes in panels(figure)] == ["x"] * 3
            assert panels(figure)[0].get_ylabel() == "t"
            assert {axes.get_ylim() for axes in panels(figure)} == {(0.0, 3.0)}
            assert figure.axes[3].get_xlabel() == "u (V)"

    @pytest.mark.parametrize(
        ("bounds", "axes", "ratio"),
        [
            (SQUARE, ("x", "y"), 1.0),
            (((0.0, 1.0), (0.0, 2.0)), ("x", "y"), 2.0),
            (((0.0, 3.0), (0.0, 2.0)), ("x", "y"), 2 / 3),
            (((0.0, 1.0), (0.0, 30.0)), ("x", "y"), 0.8),
            (SQUARE, ("x", "t"), 0.8),
            (SQUARE, ("Time", "x"), 0.8),
        ],
    )
    def test_lengths_that_are_alike_share_a_scale(self, bounds, axes, ratio):
        figure = plane.fit(known_run(bounds=bounds, axes=axes))
        width, height = figure.get_size_inches()
        for box in (one.get_position() for one in panels(figure)):
            assert box.height * height / (box.width * width) == pytest.approx(ratio)

    def test_blocks_at_the_end_that_hold_fewer_cells_are_narrower(self):
        run = known_run(shape=(33, 20), limit=100)
        assert run.shape == (11, 7)  # blocks of three; of 20 the last has two
        figure = plane.fit(replace(run, target=np.arange(77.0) % 2))
        image = figures.as_image(figure)
        axes = panels(figure)[0]
        colours = [colour_at(figure, image, axes, 0.99, y) for y in (0.52, 0.78, 0.82, 0.98)]
        assert [red > blue for red, _, blue in colours] == [True, True, False, False]  # the last row begins at 0.8

    def test_nothing_lies_outside_the_paper(self):
        wide = known_run(bounds=((0.0, 1.0), (1234.5, 1234.75)))
        run = with_spectrum(with_basis(known_run(), units=2))
        for figure in [*figures.draw(run).values(), plane.front(wide)]:
            figures.as_image(figure)
            box = figure.get_tightbbox()
            assert box.x0 >= 0
            assert box.y0 >= 0
            assert box.x1 <= figure.get_figwidth()
            assert box.y1 <= figure.get_figheight()


class TestFront:
    def test_the_local_error_is_that_of_the_last_look_and_outlined(self):
        _, axes, _ = panels(plane.front(known_run()))
        values, _ = picture(axes)
        np.testing.assert_array_equal(values, np.tile(np.arange(24) >= 19, (16, 1)))
        assert axes.images[0].get_clim() == (0.0, 1.0)
        (outline,) = contours(axes)
        (path,) = outline.get_paths()
        np.testing.assert_allclose(path.vertices[:, 0], -1 + 19 / 12)  # the edge between the 19th and the 20th cell
        assert sorted(path.vertices[[0, -1], 1]) == [-1.0, 1.0]
        assert axes.get_title() == "local error, outlined where it is 0.25"

    def test_an_error_is_the_root_of_what_is_recorded(self):
        run = known_run()
        run = replace(run, front=replace(run.front, local_error=np.full((5, 384), 0.04)))
        _, axes, _ = panels(plane.front(run))
        np.testing.assert_allclose(picture(axes)[0], 0.2)
        assert contours(axes) == []
        assert axes.get_title() == "local error"

    def test_contours_are_where_the_front_was_and_named_by_the_step(self):
        figure = plane.front(known_run())
        axes = panels(figure)[2]
        (lines,) = contours(axes)
        # of 24 cells the first 5 came by step 100, 10 by 200, 14 by 300, 19 by 400
        found = {round(float(np.mean(path.vertices[:, 0])), 6) for path in lines.get_paths()}
        assert found == {round(-1 + edge / 12, 6) for edge in (5, 10, 14)}
        assert {text.get_text() for text in axes.texts} == {"100", "200", "300"}
        edges = {"100": 5, "200": 10, "300": 14}
        for text in axes.texts:
            assert text.get_position()[0] == pytest.approx(-1 + edges[text.get_text()] / 12)
        bar = figure.axes[-1]
        assert [label.get_text() for label in numbers(bar, "bottom")] == ["100", "200", "300", "400"]
        assert bar.get_xlabel() == "optimizer step"

    def test_the_arrival_map_tells_steps_never_and_quiet_apart(self):
        run = known_run(active=lambda x, y: y > -0.5)
        _, middle, axes = panels(plane.front(run))
        values, _ = picture(axes)
        low, high = axes.images[0].get_clim()
        assert np.isnan(values[:4]).all()
        np.testing.assert_array_equal(values[4:, :19], run.front.arrival.reshape(24, 16).T[4:, :19])
        assert (low, high) == (100.0, 400.0)
        assert (values[4:, 19:] > high).all()
        colours = axes.images[0].cmap(axes.images[0].norm([np.nan, 100.0, 1000.0]))
        assert len(np.unique(colours, axis=0)) == 3
        assert colours[0, :3].tolist() == [1.0, 1.0, 1.0]
        (outline,) = contours(middle)
        assert min(path.vertices[:, 1].min() for path in outline.get_paths()) == pytest.approx(-0.5 + 1 / 16)

    def test_quiet_cells_are_hatched_in_every_panel_and_have_no_contours(self):
        run = known_run(active=lambda x, y: (x > 0) | (y > 0))
        figure = plane.front(run)
        for axes in panels(figure):
            (patch,) = axes.patches
            assert patch.get_hatch() == "///"
            box = patch.get_path().get_extents()
            assert (box.x0, box.x1, box.y0, box.y1) == pytest.approx((-1.0, 0.0, -1.0, 0.0))
        (lines,) = contours(panels(figure)[2])
        for path in lines.get_paths():
            x, y = path.vertices.T
            assert not ((x < -0.01) & (y < -0.01)).any()
        assert legend(figure) == ["target is flat", "not fitted yet"]

    def test_what_came_nearly_at_once_does_not_look_as_if_it_came_in_order(self):
        arrival = np.where(np.arange(384) < 190, 398.0, 400.0)
        axes = panels(plane.front(known_run(arrival=arrival)))[2]
        low, high = axes.images[0].get_clim()
        assert (398 - low) / (high - low) > 0.95

    def test_names_of_contours_do_not_cover_each_other(self):
        arrival = np.tile(np.repeat([100.0, 200.0, 300.0, 400.0], [2, 1, 1, 12]), 24)  # edges two cells apart
        axes = panels(plane.front(known_run(arrival=arrival, shape=(24, 16))))[2]
        places = [axes.transData.transform(text.get_position()) for text in axes.texts]
        assert places
        for number, place in enumerate(places):
            assert all(np.abs(place - other).max() >= 30 for other in places[:number])

    def test_nothing_fitted_yet(self):
        figure = plane.front(known_run(arrival=np.full(384, np.inf)))
        axes = panels(figure)[2]
        assert axes.get_title() == "first fitted: nowhere yet"
        assert len(figure.axes) == 5  # no bar for steps that have not come
        assert contours(axes) == []
        assert legend(figure) == ["not fitted yet"]
        grey = colour_at(figure, figures.as_image(figure), axes, 0.0, 0.0)
        np.testing.assert_allclose(grey, 0.35 * 255, atol=1)

    def test_without_a_scale_nothing_is_said_to_be_fitted(self):
        run = replace(known_run(), scale_of="first look", oscillations=None)
        never = replace(run, front=replace(run.front, arrival=np.full(384, np.inf)))
        for figure in (plane.front(run), plane.fit(run), plane.front(never)):
            said = [text.get_text() for text in figure.findobj(Text)]
            assert [text for text in said if "fitted" in text] == []
        assert legend(plane.front(run)) == ["not below 25 % of the first error yet"]

    def test_all_fitted_at_once(self):
        figure = plane.front(known_run(arrival=np.full(384, 200.0)))
        assert contours(panels(figure)[2]) == []
        assert legend(figure) == []
        assert [label.get_text() for label in numbers(figure.axes[-1], "bottom")] == ["200"]

    def test_titles_say_what_to_see(self):
        run = known_run()
        said = "79 % fitted, 4 of 6 lobes"
        order = "sequentiality 0.90, inwardness +0.00"
        assert plane.front(run).get_suptitle() == f"Error front at step 400: {said}; {order}"
        assert plane.fit(run).get_suptitle() == f"Fit at step 400: {said}"
        assert panels(plane.fit(run))[0].get_title() == "target, on 24 x 16 cells"


class TestUnknownValues:
    @pytest.mark.parametrize("value", [np.nan, -np.inf])
    def test_a_prediction_that_is_not_finite_is_grey(self, value):
        run = known_run()
        prediction, error = run.prediction.copy(), run.front.local_error.copy()
        here = (run.points > 0).all(axis=1)
        prediction[-1, here], error[-1, here] = value, np.nan
        run = replace(run, prediction=prediction, front=replace(run.front, local_error=error))
        figure = plane.fit(run)
        image = figures.as_image(figure)
        for axes in panels(figure)[1:]:
            np.testing.assert_allclose(colour_at(figure, image, axes, 0.5, 0.5), 0.7 * 255, atol=1)
        assert legend(figure) == ["prediction is not finite"]
        figure = plane.front(run)
        image = figures.as_image(figure)
        np.testing.assert_allclose(colour_at(figure, image, panels(figure)[1], 0.5, 0.5), 0.7 * 255, atol=1)
        assert legend(figure) == ["not fitted yet", "prediction is not finite"]

    @pytest.mark.parametrize("size", [1e12, 3e38])
    def test_a_wild_prediction_has_the_colours_of_the_ends_and_spoils_no_others(self, size):
        run = known_run(lambda x, y: np.sign(x) / 2 + np.sign(x) * (np.abs(x) > 0.5) / 2)
        wild = np.where(run.points[:, 1] < 0, np.sign(run.points[:, 0]) * size, run.target).astype(np.float32)
        figure = plane.fit(replace(run, prediction=np.tile(wild, (5, 1))))
        image = figures.as_image(figure)
        middle = panels(figure)[1]
        for (x, y), share in {(-0.7, -0.5): 0.0, (0.7, -0.5): 1.0, (-0.3, 0.5): 0.25, (0.7, 0.5): 1.0}.items():
            colour = np.array(middle.images[0].cmap(share)[:3]) * 255
            np.testing.assert_allclose(colour_at(figure, image, middle, x, y), colour, atol=3)


class TestBasis:
    def test_tiles_are_moments_by_weight_each_to_its_own_scale(self):
        run = with_basis(known_run())
        (axes,) = plane.basis(run).axes
        assert len(axes.images) == 3 * 8
        values = run.basis.snapshots.astype(np.float64).reshape(3, 8, 12, 8)
        for number, image in enumerate(axes.images):
            row, column = divmod(number, 8)
            tile = values[row, column].T
            np.testing.assert_array_equal(image.get_array(), tile)
            assert image.origin == "lower"
            assert image.get_clim() == (tile.min(), tile.max())
            left, right, bottom, top = image.get_extent()
            assert column <= left < right < column + 1
            assert -row >= top > bottom > -row - 1
        assert [label.get_text() for label in numbers(axes, "left")] == ["step 400", "step 100", "step 0"]
        assert [label.get_text() for label in numbers(axes, "bottom")] == [str(n) for n in range(1, 9)]
        assert "x to the right, y upwards" in axes.get_xlabel()

    def test_the_title_says_how_often_units_go_up_and_down(self):
        run = with_basis(known_run())
        assert plane.basis(run).get_suptitle() == "Basis functions: 1.2 laps in the median at the end (1: a step)"
        steps = replace(run, basis=replace(run.basis, median_laps=np.full(5, 1.004)))
        assert plane.basis(steps).get_suptitle() == "Basis functions: 1 lap in the median at the end (1: a step)"
        unknown = replace(run, basis=replace(run.basis, median_laps=np.full(5, np.nan)))
        assert plane.basis(unknown).get_suptitle() == "Basis functions"

    def test_tiles_have_the_shape_of_the_domain(self):
        figure = plane.basis(with_basis(known_run(bounds=((0.0, 2.0), (0.0, 1.0)))))
        (axes,) = figure.axes
        left, right, bottom, top = axes.images[0].get_extent()
        width, height = np.ptp(axes.transData.transform([(left, bottom), (right, top)]), axis=0)
        assert height / width == pytest.approx(0.5, rel=0.03)

    @pytest.mark.parametrize("units", [1, 3])
    def test_few_units_are_not_stretched(self, units):
        figure = plane.basis(with_basis(known_run(), units=units))
        (axes,) = figure.axes
        assert len(axes.images) == 3 * units
        left, right, bottom, top = axes.images[0].get_extent()
        width, height = np.ptp(axes.transData.transform([(left, bottom), (right, top)]), axis=0)
        assert height / width == pytest.approx(1.0, rel=0.03)

    def test_units_that_are_not_finite_are_grey(self):
        run = with_basis(known_run())
        snapshots = run.basis.snapshots.copy()
        snapshots[-1, 0], snapshots[-1, 1, :48] = np.nan, np.inf
        figure = plane.basis(replace(run, basis=replace(run.basis, snapshots=snapshots)))
        image = figures.as_image(figure)
        (axes,) = figure.axes
        for x in (0.5, 1.2):
            np.testing.assert_allclose(colour_at(figure, image, axes, x, -2.5), 0.7 * 255, atol=1)
        assert np.ptp(colour_at(figure, image, axes, 1.7, -2.5)) > 50

    @pytest.mark.parametrize("shape", [(12, 8), (1, 9), (9, 1), (3, 4, 5), (7, 1, 2), (1, 1)])
    def test_the_shape_of_a_grid_is_read_from_its_points(self, shape):
        bounds = ((-1.0, 2.0), (5.0, 5.5), (0.0, 1e-3))[: len(shape)]
        run = known_run(shape=(8,) * len(shape), bounds=bounds)
        rounding = 1 + 1e-15 * np.random.default_rng(0).normal(size=(int(np.prod(shape)), len(shape)))
        points = Grid(bounds, shape, run.axes).points * rounding
        found, numbers = plane._lattice(run, points)
        assert found == shape
        assert numbers.tolist() == list(range(len(points)))
        left = np.arange(len(points)) % 3 != 1  # of a domain that is no box some are missing
        if len(points) > 2 and min(shape) > 2:
            assert plane._lattice(run, points[left])[1].tolist() == np.flatnonzero(left).tolist()


class TestSpectrum:
    def test_rows_are_frequencies_and_columns_looks(self):
        run = with_spectrum(known_run())
        unmarked = replace(run.spectrum, converged=np.full(4, np.inf))
        figure = training.spectrum(replace(run, spectrum=unmarked))
        image = figures.as_image(figure)
        axes = figure.axes[0]
        assert axes.get_yscale() == "log"
        assert axes.get_ylim() == pytest.approx((0.9, 11.5))
        assert axes.get_xlim() == (0.0, 400.0)
        scalar = axes.images[0]
        assert scalar.get_clim() == pytest.approx((1e-3, 1.0))
        for look, step in enumerate([10, 100, 200, 300, 390]):
            amplitude = 10.0 ** (-look / 2)
            expected = scalar.cmap(scalar.norm([amplitude]))[0, :3] * 255
            for frequency in (4.6, 5.0, 5.4):
                np.testing.assert_allclose(colour_at(figure, image, axes, step, frequency), expected, atol=3)
            for frequency in (1.0, 4.4, 5.6, 11.0):
                floor = scalar.cmap(scalar.norm([2e-6**0.5]))[0, :3] * 255
                np.testing.assert_allclose(colour_at(figure, image, axes, step, frequency), floor, atol=3)

    def test_bands_that_carry_and_their_convergence_are_marked(self):
        axes = training.spectrum(with_spectrum(known_run())).axes[0]
        (band,) = axes.patches
        assert (band.get_y(), band.get_y() + band.get_height()) == (4.0, 8.0)
        (mark, _) = axes.lines
        np.testing.assert_allclose(mark.get_xydata(), [[300.0, 32**0.5]])

    def test_the_axis_says_that_all_directions_are_together(self):
        run = with_spectrum(known_run())
        assert training.spectrum(run).axes[0].get_ylabel() == "cycles per domain length, any direction"
        line = replace(run, axes=("x",))
        assert training.spectrum(line).axes[0].get_ylabel() == "cycles per domain length"

    def test_bands_that_are_not_marked_are_missed_in_words(self):
        run = with_spectrum(known_run())

        def said(**fields):
            spectrum = replace(run.spectrum, **fields)
            return [t.get_text() for t in training.spectrum(replace(run, spectrum=spectrum)).axes[0].legend_.texts]

        never = np.full(4, np.inf)
        assert "band within tolerance" in said()
        assert said(converged=never)[1:] == ["no band is within tolerance yet"]
        none = np.zeros(4, dtype=bool)
        assert said(converged=never, carrying=none) == ["no bands are marked: the target oscillates in none"]

    def test_nothing_known_is_grey(self):
        run = with_spectrum(known_run())
        power = run.spectrum.power.copy()
        power[2] = np.nan
        figure = training.spectrum(replace(run, spectrum=replace(run.spectrum, power=power)))
        image = figures.as_image(figure)
        np.testing.assert_allclose(colour_at(figure, image, figure.axes[0], 200, 5), 0.7 * 255, atol=1)


class TestRank:
    def run(self, ranks, errors=(0.5, 0.4, 0.3, 0.2, 0.1), notes=()):
        run = with_basis(known_run(), units=3)
        basis = replace(run.basis, numerical_rank=np.asarray(ranks, dtype=float), effective_rank=np.ones(5))
        return replace(run, basis=replace(basis, projection_error=np.asarray(errors, dtype=float)), notes=tuple(notes))

    @pytest.mark.parametrize("highest", [1, 2, 3, 50, 64])
    def test_ticks_of_ranks_are_whole_numbers(self, highest):
        axes = training.rank(self.run(np.linspace(0, highest, 5).round())).axes[0]
        ticks = axes.get_yticks()
        np.testing.assert_array_equal(ticks, np.round(ticks))
        assert np.count_nonzero((ticks >= 0) & (ticks <= highest)) >= 2

    @pytest.mark.parametrize("lowest", [1e-6, 1e-3, 0.05, 0.3, 0.9])
    def test_errors_have_numbers_beside_them_whatever_their_range(self, lowest):
        run = self.run(np.ones(5), np.full(5, np.nan))
        run = replace(run, scalars=Scalars({"error/relative_rmse": np.geomspace(1.0, lowest, 5)}, "seqfit/"))
        axes = training.rank(run).axes[1]
        low, high = axes.get_ylim()
        ticks = axes.get_yticks()
        assert 2 <= np.count_nonzero((ticks >= low) & (ticks <= high)) <= 9

    def test_an_error_of_the_basis_that_is_absent_has_its_reason_in_the_picture(self):
        why = "the target is 0 everywhere: for the residual of an equation the basis has no target"
        notes = ("basis: input of layer 'b'", f"basis/projection_error is absent: {why}")
        _, lower = training.rank(self.run(np.ones(5), np.full(5, np.nan), notes)).axes
        said = lower.legend_.texts[-1].get_text().replace("\n", " ")
        assert said == f"no error that the basis allows: {why}"
        _, lower = training.rank(self.run(np.ones(5), notes=notes)).axes
        assert lower.legend_.texts[-1].get_text() == "error that the basis allows (projection)"

    def test_a_rank_that_is_absent_has_its_reason_in_the_picture(self):
        upper, _ = training.rank(self.run(np.full(5, np.nan))).axes
        assert upper.legend_.texts[-1].get_text() == "not known: the units are not finite"


class TestSpace:
    def run(self, **options):
        box = (*SQUARE, (0.0, 1.0))
        return known_run(shape=(6, 5, 4), bounds=box, **options)

    def test_the_middle_slice_is_shown_and_below_it_that_through_the_largest_error(self):
        prediction = np.arange(120.0)
        prediction[3 * 20 + 2 * 4 + 1] += 7.0  # at z = 0.375
        numbers = replace(self.run(), target=np.arange(120.0), prediction=np.tile(prediction, (5, 1)))
        error = np.arange(600.0).reshape(5, 120)
        numbers = replace(numbers, front=replace(numbers.front, local_error=error**2 / 400**2))
        cells = np.arange(120.0).reshape(6, 5, 4)
        for figure in (plane.fit(numbers), plane.front(numbers)):
            rows = figure.axes[:3], figure.axes[3:6]
            for row, layer, said in zip(rows, (2, 1), ("0.625: middle", "0.375: largest error"), strict=True):
                assert row[0].get_title() == f"target at z = {said}"
                np.testing.assert_array_equal(picture(row[0])[0], cells[:, :, layer].T)
                assert picture(row[0])[1] == (-1.0, 1.0, -1.0, 1.0)
                assert {len(axes.images) for axes in row} == {1}
                second = picture(row[1])[0]
                if figure.get_suptitle().startswith("Fit"):
                    np.testing.assert_array_equal(second, prediction.reshape(6, 5, 4)[:, :, layer].T)
                    assert np.abs(picture(row[2])[0]).max() == (7.0 if layer == 1 else 0.0)
                    assert row[2].images[0].get_clim() == (-7.0, 7.0)
                else:
                    np.testing.assert_allclose(second * 400, error[-1].reshape(6, 5, 4)[:, :, layer].T)
            upper, lower = (row[0].get_window_extent() for row in rows)
            assert lower.y1 < upper.y0

    def test_where_the_largest_error_is_in_the_middle_slice_there_is_one_row(self):
        run = self.run()
        prediction = run.target.copy()
        prediction[2] += 1.0
        figure = plane.fit(replace(run, prediction=np.tile(prediction, (5, 1))))
        assert panels(figure)[0].get_title() == "target at z = 0.625: middle, and largest error"
        assert len(figure.axes) == 6

    def test_a_prediction_that_is_not_finite_is_the_largest_error(self):
        run = self.run()
        prediction = run.target.copy()
        prediction[[1, 3]] = 1e30, np.nan
        figure = plane.fit(replace(run, prediction=np.tile(prediction, (5, 1))))
        assert figure.axes[3].get_title() == "target at z = 0.875: largest error"
        assert legend(figure) == ["prediction is not finite"]

    def test_the_slice_of_a_basis_is_its_own(self):
        run = with_basis(self.run(), shape=(4, 3, 8))
        figure = plane.basis(run)
        assert figure.get_suptitle().endswith("; slice at z = 0.562")
        values = run.basis.snapshots[0, 0].astype(np.float64).reshape(4, 3, 8)[:, :, 4].T
        np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), values)

    def test_what_lies_outside_the_slice_is_not_said(self):
        arrival = np.full((6, 5, 4), 200.0)
        arrival[:, :, 0] = np.inf
        run = self.run(arrival=arrival.ravel(), active=lambda x, y, z: z < 0.7)
        middle = replace(run, prediction=np.tile(run.target + (run.points[:, 2] == 0.625), (5, 1)))
        assert legend(plane.front(middle)) == []
        first = replace(run, prediction=np.tile(run.target + (run.points[:, 2] == 0.125), (5, 1)))
        assert legend(plane.front(first)) == ["not fitted yet"]


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
    "one look": (one_look, "fit front spectrum basis rank"),
    "NaN throughout": (unknown, "fit front spectrum basis rank"),
    "fitted before training began": (lambda run: front_replaced(run, arrival=np.zeros(len(run.target))), "front"),
    "constant target": (lambda run: replace(run, target=np.full(len(run.target), 3.0)), "fit front"),
    "all quiet": (lambda run: front_replaced(run, active=np.zeros(len(run.target), dtype=bool)), "front"),
    "no longer watched": (lambda run: front_replaced(run, local_error=unknown(run).front.local_error), "front"),
    "looks thinned since": (
        lambda run: front_replaced(run, arrival=np.minimum(run.front.arrival + 37, 395)),
        "front",
    ),
    "far from zero": (lambda run: known_run(bounds=((1e6, 1e6 + 1), (0.0, 1.0))), "front"),
    "tiny": (lambda run: known_run(lambda x, y: 1e-300 * corner(x, y), bounds=((0.0, 1e-9), (0.0, 1e-9))), "front"),
    "constant units": (
        lambda run: replace(run, basis=replace(run.basis, snapshots=np.ones_like(run.basis.snapshots))),
        "basis",
    ),
}


@pytest.mark.parametrize("kind", ODD_RUNS)
def test_odd_runs_are_drawn_without_a_warning(kind, recwarn):
    change, names = ODD_RUNS[kind]
    run = change(with_spectrum(with_basis(known_run())))
    makers = {"fit": plane.fit, "front": plane.front, "basis": plane.basis}
    makers |= {"spectrum": training.spectrum, "rank": training.rank}
    for name in names.split():
        figure = makers[name](run)
        assert "nan" not in figure.get_suptitle() + figure.axes[0].get_title()
        image = figures.as_image(figure)
        assert (image != 255).any(axis=2).mean() > 0.02
    assert [str(warning.message) for warning in recwarn] == []


def test_space_without_anything_known_is_drawn(recwarn):
    run = known_run(shape=(6, 5, 4), bounds=(*SQUARE, (0.0, 1.0)))
    drawn = figures.draw(unknown(with_spectrum(with_basis(run, shape=(6, 5, 4)))))
    assert list(drawn) == ["fit", "front", "spectrum", "basis", "rank"]
    for figure in drawn.values():
        figures.as_image(figure)
    assert [str(warning.message) for warning in recwarn] == []


def test_a_domain_one_cell_high_is_drawn(recwarn):
    run = known_run(shape=(400, 8), limit=50)
    assert run.shape == (50, 1)
    figure = plane.front(run)
    figures.as_image(figure)
    assert len(contours(panels(figure)[2])[0].get_paths()) >= 3
    assert [str(warning.message) for warning in recwarn] == []


def test_what_is_not_watched_is_not_drawn():
    run = known_run()
    assert set(figures.draw(replace(run, front=None, oscillations=None))) == {"fit"}
    assert set(figures.draw(run)) == {"fit", "front"}
    assert set(figures.draw(replace(with_spectrum(run), front=None))) == {"fit", "spectrum"}
    alone = plane.fit(replace(run, front=None, oscillations=None))
    assert alone.get_suptitle() == "Fit at step 400: relative RMSE 0.2"


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
    values, _ = picture(panels(plane.fit(run))[0])
    upper = values[len(values) // 2 :]
    assert np.abs(values[: len(values) // 2]).max() == 0
    assert upper[0, 0] == pytest.approx(-upper[0, -1])
    assert np.ptp(upper, axis=0).max() < 1e-6  # alike all along y
    assert len(np.unique(upper[0].round(6))) > 5
