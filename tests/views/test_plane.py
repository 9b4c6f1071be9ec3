"""Views of runs in the plane and in space made by hand: what is where, in cells and in units of the axes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lightning_seqfit import views
from lightning_seqfit.diagnostics.change import ChangeRecord
from lightning_seqfit.geometry import Grid
from lightning_seqfit.record import Scalars
from lightning_seqfit.record.run import Components
from lightning_seqfit.views import Curve, Field, Hatch, Outline, Picture, plane
from lightning_seqfit.views.base import frames_of, still
from lightning_seqfit.views.raster import lattice
from tests.planes import SQUARE, STEPS, corner, cut_out, known_plane, with_basis
from tests.runs import replace, with_spectrum

X, Y = -1 + (np.arange(24) + 0.5) / 12, -1 + (np.arange(16) + 0.5) / 8
BOX = (*SQUARE, (0.0, 1.0))


def field(panel):
    (found,) = [item for item in panel.items if isinstance(item, Field)]
    return found


def of_kind(panel, kind):
    return [item for item in panel.items if isinstance(item, kind)]


def picture(values, shape=(24, 16)):
    """Cells in C order as rows from the bottom up."""
    return np.asarray(values, dtype=np.float64).reshape(shape).T


def ends(panel):
    return field(panel).low, field(panel).high


class TestWhereThingsAre:
    def test_x_runs_to_the_right_and_y_upwards(self):
        for view in (plane.fit(known_plane()), plane.front(known_plane())):
            panel, *_ = view.panels
            np.testing.assert_allclose(field(panel).values, corner(X[None, :], Y[:, None]))
            np.testing.assert_allclose(field(panel).x_edges, np.linspace(-1, 1, 25), atol=1e-12)
            np.testing.assert_allclose(field(panel).y_edges, np.linspace(-1, 1, 17), atol=1e-12)
            assert (panel.x.label, panel.y.label) == ("x", "y")
            assert ((panel.x.low, panel.x.high), (panel.y.low, panel.y.high)) == SQUARE

    def test_prediction_and_difference_are_those_of_the_last_look(self):
        run = known_plane()
        _, middle, right = plane.fit(run).panels
        for panel, values in ((middle, run.prediction[-1]), (right, run.prediction[-1] - run.target)):
            np.testing.assert_allclose(field(panel).values, picture(values))

    def test_target_and_prediction_share_their_colours_and_the_difference_has_its_own(self):
        run = known_plane(lambda x, y: 3 + x)
        near = replace(run, prediction=np.tile(run.target + 0.01 * run.points[:, 1], (5, 1)).astype(np.float32))
        left, middle, right = plane.fit(near).panels
        assert ends(left) == ends(middle) == pytest.approx((3 - 23 / 24, 3 + 23 / 24))
        assert ends(right) == pytest.approx((-0.01 * 15 / 16, 0.01 * 15 / 16), rel=1e-4)
        assert right.title == "prediction - target"

    def test_a_difference_beyond_the_range_of_the_target_does_not_widen_its_scale(self):
        run = known_plane(lambda x, y: 3 + x)  # the prediction is 0 where it is not fitted
        view = plane.fit(run)
        assert ends(view.panels[2]) == pytest.approx((-23 / 12, 23 / 12))
        assert ", by 3.96 below the target, beyond the colours, which end at 1.92: " in view.reading

    @pytest.mark.parametrize("size", [1e-4, 14.0])
    def test_a_target_without_a_size_has_the_scale_of_the_prediction(self, size):
        run = known_plane(lambda x, y: 0 * x)
        residual = replace(run, prediction=np.tile(size * run.points[:, 0] - size / 2, (5, 1)).astype(np.float32))
        largest = size * (23 / 24 + 0.5)
        for panel in plane.fit(residual).panels:
            assert ends(panel) == pytest.approx((-largest, largest), rel=1e-6)

    @pytest.mark.parametrize("size", [1e12, 3e38])
    def test_a_wild_prediction_leaves_the_colours_as_they_are(self, size):
        run = known_plane(lambda x, y: np.sign(x) / 2)
        wild = np.where(run.points[:, 1] < 0, size, run.target).astype(np.float32)
        _, middle, _ = plane.fit(replace(run, prediction=np.tile(wild, (5, 1)))).panels
        assert ends(middle) == (-0.5, 0.5)
        assert field(middle).extend == "both"

    @pytest.mark.parametrize(
        ("bounds", "axes", "square"),
        [
            (SQUARE, ("x", "y"), True),
            (((0.0, 1.0), (0.0, 2.0)), ("x", "y"), True),
            (((0.0, 3.0), (0.0, 2.0)), ("x", "y"), True),
            (((0.0, 1.0), (0.0, 30.0)), ("x", "y"), False),
            (SQUARE, ("x", "t"), False),
            (SQUARE, ("Time", "x"), False),
        ],
    )
    def test_lengths_that_are_alike_share_a_scale(self, bounds, axes, square):
        view = plane.fit(known_plane(bounds=bounds, axes=axes))
        assert [panel.square for panel in view.panels] == [square] * 3
        assert [(panel.x.label, panel.y.label) for panel in view.panels] == [axes] * 3

    def test_the_colours_say_what_they_are_of(self):
        run = known_plane()
        assert [field(panel).label for panel in plane.fit(run).panels] == ["u (V)"] * 3
        said = ["u (V)", "relative error (1: nothing but the trend)", "optimizer step"]
        assert [field(panel).label for panel in plane.front(replace(run, scale_of="oscillation")).panels] == said
        lengths = plane.fit(replace(run, output="norm")).panels
        assert field(lengths[1]).label == "length of u (V)"
        assert lengths[2].title == "difference of lengths"

    def test_blocks_at_the_end_that_hold_fewer_cells_are_narrower(self):
        run = known_plane(shape=(33, 20), limit=100)
        assert run.shape == (11, 7)  # blocks of three; of 20 the last has two
        drawn = field(plane.fit(run).panels[0])
        np.testing.assert_allclose(drawn.x_edges, np.linspace(-1, 1, 12), atol=1e-12)
        np.testing.assert_allclose(drawn.y_edges, [-1.0, -0.7, -0.4, -0.1, 0.2, 0.5, 0.8, 1.0])

    def test_points_on_the_bounds_have_half_a_cell_within_them(self):
        places = np.meshgrid(np.linspace(-1, 1, 24), np.linspace(-1, 1, 16), indexing="ij")
        run = replace(known_plane(), points=np.stack([place.ravel() for place in places], axis=-1))
        drawn = field(plane.fit(run).panels[0])
        np.testing.assert_allclose(drawn.x_edges[[0, 1, 2, -2, -1]], [-1, -1 + 1 / 23, -1 + 3 / 23, 1 - 1 / 23, 1])

    def test_of_the_last_look_the_finest_cells_are_shown_and_of_what_moves_the_recorded_ones(self):
        fine = known_plane(shape=(48, 32), limit=10**4)
        fine = replace(fine, prediction=fine.prediction[-1:])
        fine = replace(fine, front=replace(fine.front, local_error=fine.front.local_error[-1:]))
        run = replace(known_plane(), fine=fine)
        for view in (plane.fit(run), plane.front(run)):
            assert {field(panel).values.shape for panel in view.panels} == {(32, 48)}
        for view in (plane.fit(run, moving=True), plane.error(run)):
            assert field(view.panels[-1]).values.shape == (5, 16, 24)


class TestFront:
    def test_the_local_error_is_that_of_the_last_look_and_outlined(self):
        _, panel, _ = plane.front(known_plane()).panels
        np.testing.assert_array_equal(field(panel).values, np.tile(np.arange(24) >= 19, (16, 1)))
        assert ends(panel) == (0.0, 1.0)
        (outline,) = of_kind(panel, Outline)
        np.testing.assert_array_equal(outline.classes, np.tile(np.arange(24) >= 19, (16, 1)))
        assert (outline.kind, outline.label, panel.title) == ("front", "edge of what is fitted", "local error")

    def test_an_error_is_the_root_of_what_is_recorded(self):
        run = known_plane()
        run = replace(run, front=replace(run.front, local_error=np.full((5, 384), 0.04)))
        _, panel, _ = plane.front(run).panels
        np.testing.assert_allclose(field(panel).values, 0.2)
        assert of_kind(panel, Outline) == []

    def test_lines_are_where_the_front_was_and_named_by_the_step(self):
        _, _, panel = plane.front(known_plane()).panels
        (lines,) = of_kind(panel, Outline)
        # of 24 cells the first 5 came by step 100, 10 by 200, 14 by 300, 19 by 400
        came = np.repeat([0.0, 1.0, 2.0, 3.0], [5, 5, 4, 10])
        np.testing.assert_array_equal(lines.classes, np.tile(came, (16, 1)))
        assert lines.names == ("100", "200", "300")
        assert field(panel).label == "optimizer step"

    def test_the_arrival_map_tells_steps_never_and_quiet_apart(self):
        run = known_plane(active=lambda x, y: y > -0.5)
        _, middle, panel = plane.front(run).panels
        values = field(panel).values
        assert np.isnan(values[:4]).all()
        np.testing.assert_array_equal(values[4:], picture(run.front.arrival)[4:])
        assert np.isinf(values[4:, 19:]).all()
        assert ends(panel) == (100.0, 400.0)
        assert (field(panel).colours, field(panel).never, field(panel).unknown) == ("arrival", "not fitted yet", "")
        (outline,) = of_kind(middle, Outline)
        np.testing.assert_array_equal(np.isnan(outline.classes), np.tile(Y[:, None] < -0.5, (1, 24)))

    def test_quiet_cells_are_hatched_in_every_panel_and_have_no_lines(self):
        run = known_plane(active=lambda x, y: (x > 0) | (y > 0))
        quiet = (X[None, :] < 0) & (Y[:, None] < 0)
        view = plane.front(run)
        for panel in view.panels:
            (hatch,) = of_kind(panel, Hatch)
            np.testing.assert_array_equal(hatch.mask, quiet)
            assert hatch.label == "target is flat"
            for outline in of_kind(panel, Outline):
                assert np.isnan(outline.classes[quiet]).all()
        assert [item for panel in plane.front(known_plane()).panels for item in of_kind(panel, Hatch)] == []

    def test_what_came_nearly_at_once_does_not_look_as_if_it_came_in_order(self):
        arrival = np.where(np.arange(384) < 190, 398.0, 400.0)
        low, high = ends(plane.front(known_plane(arrival=arrival)).panels[2])
        assert (398 - low) / (high - low) > 0.95

    def test_named_steps_are_far_enough_apart_to_be_told(self):
        run = known_plane(arrival=np.linspace(10, 400, 384))
        run = replace(run, total_steps=np.array([0, 10, 20, 300, 400]))
        (lines,) = of_kind(plane.front(run).panels[2], Outline)
        steps = [float(name) for name in lines.names]
        low, high = ends(plane.front(run).panels[2])
        assert steps == [10.0, 300.0]
        assert all(late - early >= 0.16 * (high - low) for early, late in itertools.pairwise(steps))

    def test_nothing_fitted_yet(self):
        view = plane.front(known_plane(arrival=np.full(384, np.inf)))
        panel = view.panels[2]
        assert panel.title == "first fitted: nowhere yet"
        assert field(panel).label == ""  # no bar for steps that have not come
        assert np.isposinf(field(panel).values).all()
        assert of_kind(panel, Outline) == []

    def test_all_fitted_at_once(self):
        view = plane.front(known_plane(arrival=np.full(384, 200.0)))
        assert of_kind(view.panels[2], Outline) == []
        assert view.reading.endswith("; all of that came at step 200.")

    def test_without_a_scale_nothing_is_said_to_be_fitted(self):
        run = replace(known_plane(), scale_of="first look", oscillations=None)
        never = replace(run, front=replace(run.front, arrival=np.full(384, np.inf)))
        for view in (plane.front(run), plane.fit(run), plane.front(never), plane.error(run)):
            labels = [item.label for panel in view.panels for item in panel.items]
            said = [view.title, view.reading, *labels, *(panel.title for panel in view.panels)]
            assert [text for text in said if "fitted" in text] == []
        assert field(plane.front(run).panels[2]).never == "not below 25 % of the first error yet"

    def test_against_the_last_prediction_it_is_the_distance_when_half_had_yet_to_arrive(self):
        run = replace(known_plane(), final=True)
        view = plane.front(run)
        left, middle, right = view.panels
        assert (left.title, middle.title, right.title) == ("last prediction", "distance at step 200", "first arrived")
        np.testing.assert_array_equal(field(middle).values, np.tile(np.arange(24) >= 10, (16, 1)))
        assert view.title == "Arrival at the last prediction"
        assert view.reading.startswith("Dark is where the prediction was at its last value: half arrived by step ")


class TestReadings:
    def test_of_a_front_which_part_is_fitted_where_it_is_not_and_from_when_to_when(self):
        run = known_plane()
        depth = {"x_min": np.full(5, 0.8), "x_max": np.zeros(5), "y_min": np.full(5, 0.3), "y_max": np.full(5, 0.2)}
        local = run.front.local_error.copy()
        local[-1, 380] = 4.0  # 23 * 16 + 12
        view = plane.front(replace(run, front=replace(run.front, depth=depth, local_error=local)))
        assert view.reading == (
            "Dark is fitted, 79 % of the domain; on the mean over lines the first larger part that is not begins 80 % "
            "from x = -1 and 30 % from y = -1; the error is largest, 2, at x = 0.958, y = 0.562; the first place came "
            "at step 100, x = -0.958, y = -0.938, and the last at step 400, x = 0.208, y = -0.938."
        )
        assert view.title == "Error front: 79 % fitted"

    @pytest.mark.parametrize(
        ("share", "said"),
        [
            (0.0, "Dark would be fitted: after 400 steps nothing is; the error is largest, 1, at "),
            (1.0, "Dark is fitted: after 400 steps everything that counts is; the first place came at step 100, "),
            (np.nan, "Dark is fitted; at the last look it was not measured."),
        ],
    )
    def test_of_nothing_all_and_what_was_not_measured(self, share, said):
        run = known_plane()
        run = replace(run, front=replace(run.front, fitted=np.full(5, share)))
        assert plane.front(run).reading.startswith(said)

    def test_of_a_front_without_a_side(self):
        run = known_plane()
        faces = dict.fromkeys(run.front.depth, np.zeros(5))
        view = plane.front(replace(run, front=replace(run.front, depth=faces)))
        assert ", none of it next to a side; " in view.reading

    def test_of_a_fit_where_it_is_off_the_most(self):
        run = known_plane()
        prediction = run.target.astype(np.float32)
        prediction[100] += 0.25  # 6 * 16 + 4
        view = plane.fit(replace(run, prediction=np.tile(prediction, (5, 1))))
        place = "x = -0.458, y = -0.438"
        assert view.reading == f"The prediction is off the most at {place}, by 0.25 above the target: {said(run)}."
        assert view.title == "Fit at step 400"

    def test_of_a_fit_that_is_the_target_or_is_not_finite(self):
        run = known_plane(lambda x, y: np.sign(x))
        exact = replace(run, prediction=np.tile(run.target, (5, 1)))
        assert plane.fit(exact).reading == "The prediction is the target, wherever it is finite."
        nowhere = replace(run, prediction=np.full((5, 384), np.nan))
        assert plane.fit(nowhere).reading == "The last prediction is finite nowhere."
        half = np.where(run.points[:, 0] < 0, np.inf, run.target)
        view = plane.fit(replace(run, prediction=np.tile(half, (5, 1))))
        assert view.reading == "The prediction is the target, wherever it is finite; it is not finite on 50 %."

    def test_titles_are_short_and_readings_are_a_sentence(self):
        runs = [
            with_spectrum(with_basis(known_plane())),
            with_basis(known_plane(shape=(6, 5, 4), bounds=BOX), shape=(4, 3, 8)),
        ]
        for run in (*runs, replace(runs[0], final=True), cut_out(runs[0], lambda x, y: x**2 + y**2 < 1)):
            for view in (*views.pictures(run).values(), *views.moving(run)):
                assert len(view.title) <= 40
                assert view.reading.endswith(".")
                assert ". " not in view.reading
                assert "nan" not in view.reading.replace("finite", "")


def said(run):
    return "79 % fitted, 4 of 6 lobes"


class TestMoving:
    def test_prediction_and_difference_have_a_frame_for_each_look(self):
        run = known_plane()
        view = plane.fit(run, moving=True)
        left, middle, right = view.panels
        assert view.steps.tolist() == STEPS.tolist()
        assert [frames_of(field(panel)) for panel in view.panels] == [None, 5, 5]
        for look in range(5):
            np.testing.assert_allclose(still(field(middle), look).values, picture(run.prediction[look]))
            off = run.prediction[look] - run.target
            np.testing.assert_allclose(still(field(right), look).values, picture(off))
        np.testing.assert_allclose(field(left).values, picture(run.target))

    def test_the_local_error_has_its_line_at_each_look(self):
        view = plane.error(known_plane(active=lambda x, y: y > -0.5))
        (panel,) = view.panels
        (outline,), (hatch,) = of_kind(panel, Outline), of_kind(panel, Hatch)
        assert view.steps.tolist() == STEPS.tolist()
        for look, passed in enumerate([0, 5, 10, 14, 19]):
            missing = np.tile(np.arange(24.0) >= passed, (16, 1))
            np.testing.assert_array_equal(field(panel).values[look], missing)
            np.testing.assert_array_equal(outline.classes[look][4:], missing[4:])
            assert np.isnan(outline.classes[look][:4]).all()
        np.testing.assert_array_equal(hatch.mask, np.tile(Y[:, None] < -0.5, (1, 24)))
        assert view.reading == "Dark, up to 0.25, a place is fitted."

    def test_of_two_looks_at_one_step_the_later_is_shown(self):
        run = replace(known_plane(), total_steps=np.array([0, 100, 100, 200, 300]))
        for view in (plane.fit(run, moving=True), plane.error(run)):
            assert view.steps.tolist() == [0, 100, 200, 300]
            assert frames_of(field(view.panels[-1])) == 4
        np.testing.assert_allclose(field(plane.fit(run, moving=True).panels[1]).values[1], picture(run.prediction[2]))

    def test_names_are_those_of_a_line(self):
        run = with_spectrum(with_basis(known_plane()))
        assert [view.name for view in views.moving(run)] == ["fit", "error", "spectrum", "basis"]

    def test_a_wild_early_prediction_leaves_the_colours_as_they_are(self):
        run = known_plane(lambda x, y: 0 * x)
        prediction = np.tile(0.5 * run.points[:, 0], (5, 1))
        prediction[0] *= 1e9
        view = plane.fit(replace(run, prediction=prediction), moving=True)
        assert ends(view.panels[1]) == pytest.approx((-0.5 * 23 / 24, 0.5 * 23 / 24))


class TestUnknownValues:
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_a_prediction_that_is_not_finite_is_not_known(self, value):
        run = known_plane()
        prediction, error = run.prediction.copy(), run.front.local_error.copy()
        here = (run.points > 0).all(axis=1)
        prediction[-1, here], error[-1, here] = value, np.inf
        run = replace(run, prediction=prediction, front=replace(run.front, local_error=error))
        _, middle, right = plane.fit(run).panels
        _, local, _ = plane.front(run).panels
        for panel in (middle, right, local):
            np.testing.assert_array_equal(np.isnan(field(panel).values), picture(here))
            assert field(panel).unknown == "prediction is not finite"
        assert np.isnan(of_kind(local, Outline)[0].classes[8:, 12:]).all()
        assert plane.front(run).reading.count("; the error is not finite on 25 % of what counts; ") == 1


class TestDomains:
    def run(self):
        return cut_out(with_basis(known_plane(), shape=(12, 8)), lambda x, y: x**2 + y**2 < 0.9)

    def test_what_lies_outside_is_left_out_and_its_edge_drawn(self):
        run, inside = self.run(), X[None, :] ** 2 + Y[:, None] ** 2 < 0.9
        for view in (plane.fit(run), plane.front(run), plane.error(run), plane.fit(run, moving=True)):
            for panel in view.panels:
                np.testing.assert_array_equal(field(panel).outside, ~inside)
                (edge,) = [item for item in of_kind(panel, Outline) if item.kind == "domain"]
                np.testing.assert_array_equal(edge.classes, inside)
                np.testing.assert_allclose(field(panel).x_edges, np.linspace(-1, 1, 25), atol=1e-12)

    def test_cells_are_where_they_would_be_in_the_box(self):
        run, inside = self.run(), X[None, :] ** 2 + Y[:, None] ** 2 < 0.9
        whole = plane.fit(known_plane()).panels
        for panel, box in zip(plane.fit(run).panels, whole, strict=True):
            np.testing.assert_array_equal(field(panel).values[inside], field(box).values[inside])
            assert np.isnan(field(panel).values[~inside]).all()

    def test_basis_functions_have_the_shape_of_the_domain(self):
        (panel,) = plane.basis(self.run()).panels
        x, y = -1 + (np.arange(12) + 0.5) / 6, -1 + (np.arange(8) + 0.5) / 4
        outside = x[None, :] ** 2 + y[:, None] ** 2 >= 0.9
        np.testing.assert_array_equal(field(panel).outside[:8, :12], outside)

    def test_the_first_column_may_be_empty(self):
        run = cut_out(known_plane(), lambda x, y: x > -0.8)
        np.testing.assert_allclose(field(plane.fit(run).panels[0]).x_edges, np.linspace(-1, 1, 25), atol=1e-12)


class TestBasis:
    def tile(self, panel, row, column, height=8, width=12):
        """Values of one tile, rows from the uppermost; a gap is one cell wide."""
        values = field(panel).values
        rows = (values.shape[-2] + 1) // (height + 1)
        bottom, left = (rows - 1 - row) * (height + 1), column * (width + 1)
        return values[..., bottom : bottom + height, left : left + width]

    def test_tiles_are_moments_by_weight_each_to_its_own_scale(self):
        run = with_basis(known_plane())
        (panel,) = plane.basis(run).panels
        values = run.basis.snapshots.astype(np.float64).reshape(3, 8, 12, 8)
        for row, column in itertools.product(range(3), range(8)):
            unit = values[row, column].T
            expected = (unit - unit.min()) / np.ptp(unit)
            np.testing.assert_allclose(self.tile(panel, row, column), expected)
        assert ends(panel) == (0.0, 1.0)
        assert field(panel).outside.sum() == field(panel).outside.size - 24 * 96  # the gaps, and they alone
        assert [name for _, name in panel.y.names] == ["step 0", "step 100", "step 400"]
        assert np.all(np.diff([place for place, _ in panel.y.names]) < 0)  # the first row is the uppermost
        assert [name for _, name in panel.x.names] == [str(number) for number in range(1, 9)]
        assert panel.x.label == "units by weight; x to the right, y upwards"

    def test_a_moving_one_has_two_rows_and_a_frame_for_each_snapshot(self):
        run = with_basis(known_plane(), units=7)
        view = plane.basis(run, moving=True)
        (panel,) = view.panels
        assert view.steps.tolist() == [0, 100, 400]
        values = run.basis.snapshots.astype(np.float64).reshape(3, 7, 12, 8)
        for frame, unit in itertools.product(range(3), range(7)):
            expected = values[frame, unit].T
            expected = (expected - expected.min()) / np.ptp(expected)
            np.testing.assert_allclose(self.tile(panel, *divmod(unit, 4))[frame], expected)
        assert field(panel).outside[:8, -12:].all()  # there is no eighth

    def test_the_reading_says_how_often_units_go_up_and_down(self):
        run = with_basis(known_plane())

        def read(laps):
            return plane.basis(replace(run, basis=replace(run.basis, median_laps=np.full(5, laps)))).reading

        assert read(1.25).endswith("the weightiest first; 1.2 laps in the median at the end (1: a step).")
        assert read(1.004).endswith("; 1 lap in the median at the end (1: a step).")
        assert read(np.nan).endswith("the weightiest first.")

    @pytest.mark.parametrize("bounds", [SQUARE, ((0.0, 2.0), (0.0, 1.0))])
    @pytest.mark.parametrize("units", [1, 3, 8])
    def test_tiles_have_the_shape_of_the_domain(self, bounds, units):
        (panel,) = plane.basis(with_basis(known_plane(bounds=bounds), units=units)).panels
        drawn = field(panel)
        height, width = drawn.y_edges[8] - drawn.y_edges[0], drawn.x_edges[12] - drawn.x_edges[0]
        assert height / width == pytest.approx(np.ptp(bounds[1]) / np.ptp(bounds[0]))
        assert width / (panel.x.high - panel.x.low) < 0.17  # few are not stretched
        assert panel.square

    def test_units_that_are_not_finite_are_not_known_and_constant_ones_are_in_the_middle(self):
        run = with_basis(known_plane())
        snapshots = run.basis.snapshots.copy()
        snapshots[-1, 0], snapshots[-1, 7, :48], snapshots[-1, 2] = np.nan, np.inf, 3.0
        (panel,) = plane.basis(replace(run, basis=replace(run.basis, snapshots=snapshots))).panels
        assert np.isnan(self.tile(panel, 2, 0)).all()
        tile = self.tile(panel, 2, 7)
        assert np.isnan(tile[:, :6]).all()
        assert (np.nanmin(tile), np.nanmax(tile)) == (0.0, 1.0)
        assert (self.tile(panel, 2, 2) == 0.5).all()
        assert field(panel).unknown == "not finite"

    @pytest.mark.parametrize("shape", [(12, 8), (1, 9), (9, 1), (3, 4, 5), (7, 1, 2), (1, 1)])
    def test_the_shape_of_a_grid_is_read_from_its_points(self, shape):
        bounds = ((-1.0, 2.0), (5.0, 5.5), (0.0, 1e-3))[: len(shape)]
        run = known_plane(shape=(8,) * len(shape), bounds=bounds)
        rounding = 1 + 1e-15 * np.random.default_rng(0).normal(size=(int(np.prod(shape)), len(shape)))
        points = Grid(bounds, shape, run.axes).points * rounding
        numbers = np.arange(len(points)).reshape(shape)
        numbers = numbers[:, :, shape[2] // 2] if len(shape) > 2 else numbers
        np.testing.assert_array_equal(lattice(run, points).cells, numbers.T)
        if len(points) > 2 and min(shape) > 2:  # of a domain that is no box some are missing
            left = np.arange(len(points)) % 3 != 1
            found = lattice(run, points[left]).cells
            np.testing.assert_array_equal(found >= 0, left[numbers.T])
            np.testing.assert_array_equal(np.flatnonzero(left)[found[found >= 0]], numbers.T[found >= 0])


class TestWithoutTarget:
    def run(self):
        run = known_plane()
        nothing = np.full(5, np.nan)
        local = np.full((5, 384), np.nan)
        local[2:] = (run.points[:, 0] > 0) * np.array([0.64, 0.36, 0.09])[:, None]
        moved = ChangeRecord(
            local=local, since_last=nothing, since_half=np.array([np.nan, np.nan, 0.8, 0.6, 0.3]), moving=nothing + 1,
            reference=200,
        )  # fmt: skip
        return replace(run, target=np.full(384, np.nan), front=None, oscillations=None, change=moved)

    def test_it_is_the_prediction_at_three_looks_in_the_same_colours(self):
        run = self.run()
        view = plane.fit(run)
        assert [panel.title for panel in view.panels] == ["step 0", "step 200", "step 400"]
        for panel, look in zip(view.panels, (0, 2, 4), strict=True):
            np.testing.assert_allclose(field(panel).values, picture(run.prediction[look]))
            assert ends(panel) == (run.prediction.min(), run.prediction.max())
        assert view.title == "Predictions to step 400"
        assert view.reading.endswith(" on 24 x 16 cells.")

    def test_a_moving_one_is_beside_the_last(self):
        run = self.run()
        view = plane.fit(run, moving=True)
        left, right = view.panels
        np.testing.assert_allclose(field(left).values[1], picture(run.prediction[1]))
        np.testing.assert_allclose(field(right).values, picture(run.prediction[-1]))
        assert right.title == "step 400"
        assert view.name == "fit"

    def test_how_much_it_moved_is_shown_where_half_way_and_at_the_last_look(self):
        run = self.run()
        *images, curves = plane.change(run).panels
        assert [panel.title for panel in images] == ["to step 300", "to step 400"]
        for panel, moved in zip(images, (0.6, 0.3), strict=True):
            np.testing.assert_allclose(field(panel).values, np.tile(moved * (X > 0), (16, 1)))
        assert all(isinstance(item, Curve) for item in curves.items)
        early = replace(run, change=replace(run.change, local=np.full((5, 384), np.nan)))
        assert len(plane.change(early).panels) == 1

    def test_pictures_are_fit_and_change(self):
        assert list(views.pictures(self.run())) == ["2_fit", "7_change"]


class TestOutputs:
    def run(self, targets, **fields):
        run = known_plane()
        seen = Components(np.arange(len(targets)), targets, 0.5 * targets)
        return replace(run, components=seen, **fields)

    def test_each_output_is_small_above_the_one_that_is_looked_at(self):
        targets = np.stack([np.arange(384.0), np.full(384, 2.0)])
        upper, lower, large = plane.fit(self.run(targets, output=1)).rows
        assert [panel.title for panel in upper] == ["output 0", "output 1"]
        assert [panel.bold for panel in upper] == [False, True]
        assert [row[0].y.label for row in (upper, lower)] == ["target", "prediction"]
        for column, target in enumerate(targets):
            np.testing.assert_array_equal(field(upper[column]).values, picture(target))
            np.testing.assert_array_equal(field(lower[column]).values, picture(0.5 * target))
            assert ends(upper[column]) == ends(lower[column])
        assert ends(upper[0]) == (0.0, 383.0)
        assert all(panel.small for panel in (*upper, *lower))
        assert not any(panel.small for panel in large)

    def test_three_outputs_from_0_to_1_are_colours_too(self):
        targets = np.random.default_rng(0).random((3, 384))
        for run, inside in ((self.run(targets), None), (None, X[None, :] > 0)):
            if run is None:
                own = known_plane().points[:, 0] > 0
                run = cut_out(known_plane(), lambda x, y: x > 0)
                run = replace(run, components=Components(np.arange(3), targets[:, own], 0.5 * targets[:, own]))
            upper, lower, _ = plane.fit(run).rows
            for row, factor in ((upper, 1.0), (lower, 0.5)):
                assert len(row) == 4
                (shown,) = of_kind(row[-1], Picture)
                expected = np.moveaxis(factor * targets.reshape(3, 24, 16), (1, 2, 0), (1, 0, 2))
                expected = expected if inside is None else np.where(inside[..., None], expected, 1.0)
                np.testing.assert_allclose(shown.values, expected)
            assert upper[-1].title == "colours"

    def test_others_are_not(self):
        targets = np.random.default_rng(0).random((3, 384))
        assert [len(plane.fit(self.run(each)).rows[0]) for each in (targets, 2 * targets, targets[:2])] == [4, 3, 2]


class TestSpace:
    def run(self, **options):
        return known_plane(shape=(6, 5, 4), bounds=BOX, **options)

    def test_the_middle_slice_is_shown_and_below_it_that_through_the_largest_error(self):
        prediction = np.arange(120.0)
        prediction[3 * 20 + 2 * 4 + 1] += 7.0  # at z = 0.375
        run = replace(self.run(), target=np.arange(120.0), prediction=np.tile(prediction, (5, 1)))
        error = np.arange(600.0).reshape(5, 120)
        run = replace(run, front=replace(run.front, local_error=error**2 / 400**2))
        cells, off = np.arange(120.0).reshape(6, 5, 4), np.zeros((6, 5, 4))
        off[3, 2, 1] = 7.0
        for view, others in (
            (plane.fit(run), (prediction.reshape(6, 5, 4), off)),
            (plane.front(run), (error[-1].reshape(6, 5, 4) / 400, None)),
        ):
            for row, layer, place in zip(view.rows, (2, 1), ("0.625", "0.375"), strict=True):
                assert {panel.y.label for panel in row} == {f"y at z = {place}"}
                np.testing.assert_array_equal(field(row[0]).values, cells[:, :, layer].T)
                for panel, values in zip(row[1:], others, strict=True):
                    if values is not None:
                        np.testing.assert_allclose(field(panel).values, values[:, :, layer].T)
            slices = "z = 0.625, the middle one, and z = 0.375, through the largest error."
            assert view.reading.endswith(f"; shown are the slices at {slices}")
            upper, lower = view.rows
            assert [panel.title for panel in lower] == [""] * 3
            assert [bool(field(panel).label) for panel in (*upper, *lower)] == [False] * 3 + [True] * 3
        assert ends(plane.fit(run).rows[0][2]) == (-7.0, 7.0)

    def test_where_the_largest_error_is_in_the_middle_slice_there_is_one_row(self):
        run = self.run()
        prediction = run.target.copy()
        prediction[2] += 1.0
        view = plane.fit(replace(run, prediction=np.tile(prediction, (5, 1))))
        assert len(view.rows) == 1
        assert view.reading.endswith("; shown is the slice at z = 0.625.")

    def test_a_prediction_that_is_not_finite_is_the_largest_error(self):
        run = self.run()
        prediction = run.target.copy()
        prediction[[1, 3]] = 1e30, np.nan
        view = plane.fit(replace(run, prediction=np.tile(prediction, (5, 1))))
        assert view.rows[1][0].y.label == "y at z = 0.875"

    def test_of_a_domain_the_slice_through_the_largest_error_is_that_of_its_cell(self):
        run = cut_out(self.run(), lambda x, y, z: (x > 0) | (z > 0.2))
        prediction = run.target.copy()
        prediction[np.flatnonzero((run.points[:, 2] == 0.125) & (run.points[:, 0] > 0.5))[0]] += 9.0
        view = plane.fit(replace(run, prediction=np.tile(prediction, (5, 1))))
        assert [row[0].y.label for row in view.rows] == ["y at z = 0.625", "y at z = 0.125"]
        assert np.nanmax(field(view.rows[1][2]).values) == pytest.approx(9.0)
        assert field(view.rows[0][0]).outside is None
        np.testing.assert_array_equal(field(view.rows[1][0]).outside, np.tile(np.arange(6) < 3, (5, 1)))

    def test_the_slice_of_a_basis_is_its_own(self):
        run = with_basis(self.run(), shape=(4, 3, 8))
        view = plane.basis(run)
        assert view.reading.endswith("; shown is the slice at z = 0.562.")
        unit = run.basis.snapshots[0, 0].astype(np.float64).reshape(4, 3, 8)[:, :, 4].T
        drawn = field(view.panels[0]).values[-3:, :4]
        np.testing.assert_allclose(drawn, (unit - unit.min()) / np.ptp(unit))

    def test_each_slice_says_what_arrived_in_it(self):
        arrival = np.full((6, 5, 4), 200.0)
        arrival[:, :, 0] = np.inf
        run = self.run(arrival=arrival.ravel(), active=lambda x, y, z: z < 0.7)
        first = replace(run, prediction=np.tile(run.target + (run.points[:, 2] == 0.125), (5, 1)))
        upper, lower = plane.front(first).rows
        assert np.isposinf(field(lower[2]).values).all()
        assert np.all(field(upper[2]).values == 200.0)
        assert lower[2].title == "first fitted: nowhere yet"
        assert upper[2].title == "first fitted"

    def test_slices_move_beside_each_other(self):
        run = self.run()
        worst = replace(run, prediction=run.prediction + (run.points[:, 2] == 0.125))
        assert [panel.y.label for panel in plane.error(worst).panels] == ["y at z = 0.625", "y at z = 0.125"]
        assert plane.fit(worst, moving=True).panels[1].items[0].values.shape == (5, 5, 6)


def test_what_is_not_watched_is_not_shown():
    run = known_plane()
    assert set(views.pictures(replace(run, front=None, oscillations=None))) == {"2_fit"}
    assert set(views.pictures(run)) == {"1_front", "2_fit"}
    assert set(views.pictures(replace(with_spectrum(run), front=None))) == {"2_fit", "4_spectrum"}
    alone = replace(run, front=None, oscillations=None, scalars=Scalars({"error/relative_rmse": np.full(5, 0.2)}, ""))
    assert plane.fit(alone).reading.endswith(": relative RMSE 0.2.")
