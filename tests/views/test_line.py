"""Views of runs along one axis made by hand, so that every front, quiet part and arrival is known."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_seqfit import views
from lightning_seqfit.record import Scalars
from lightning_seqfit.record.run import Components
from lightning_seqfit.views import Band, Curve, Field, Outline, Shade, line
from lightning_seqfit.views.base import frames_of, still
from tests.runs import (
    CELLS,
    ODD_RUNS,
    fitted_where,
    known_run,
    replace,
    replaced,
    unfitted,
    with_basis,
    with_spectrum,
    without_target,
)


def only(view, kind):
    """Items of a kind in a view of one panel, or in the last of several."""
    return [item for item in view.panels[-1].items if isinstance(item, kind)]


def curve(view, label):
    (found,) = [item for item in only(view, Curve) if item.label == label]
    return found


def labels(view):
    """What is in the legend, and what is absent."""
    named = [item.label for item in view.panels[-1].items if not isinstance(item, Field) and item.label]
    return [*named, *view.panels[-1].absent]


def stretches(view, kind):
    """Where the shades of a kind begin and end."""
    found = []
    for shade in only(view, Shade):
        if shade.kind == kind:
            mask = np.concatenate(([0], shade.mask.astype(int), [0]))
            changes = np.flatnonzero(np.diff(mask)).reshape(-1, 2)
            found += [(shade.edges[begin], shade.edges[end]) for begin, end in changes]
    return found


class TestFront:
    def test_the_colours_are_the_local_error_of_every_look_at_its_place(self):
        run = known_run(last=0.5)
        (field,) = only(line.front(run), Field)
        np.testing.assert_array_equal(field.values, run.front.local_error.T)
        # cells are 1 / 200 wide; a look holds from half-way since the last one to half-way to the next
        np.testing.assert_allclose(field.y_edges, np.arange(201) / 200)
        np.testing.assert_allclose(field.x_edges, [0.0, *np.arange(50, 2000, 100), 2000.0])

    def test_an_error_is_the_root_of_what_is_recorded(self):
        run = replaced(known_run(), local_error=np.full((21, CELLS), 0.09))
        (field,) = only(line.front(run), Field)
        np.testing.assert_allclose(field.values, 0.3)

    def test_of_two_looks_at_one_step_the_later_is_shown(self):
        run = ODD_RUNS["a second fit looks twice at one step"]()
        (field,) = only(line.front(run), Field)
        np.testing.assert_array_equal(field.values, run.front.local_error[[0, 1, 3, 4]].T)

    def test_an_error_that_is_not_finite_is_not_known(self):
        (field,) = only(line.front(unfitted(known_run(6))), Field)
        assert np.isnan(field.values[:, 1:]).all()
        assert field.unknown == "not finite"

    def test_cells_outlined_are_those_that_count_and_are_not_fitted(self):
        share, step = (np.arange(CELLS) + 0.5) / CELLS, np.linspace(0, 1, 21)[:, None]
        fitted = (share > 0.5 - 0.3 * step) & (share < 0.5 + 0.4 * step)
        (outline,) = only(line.front(fitted_where(known_run(quiet=(0.45, 0.55)), fitted)), Outline)
        quiet = (share > 0.45) & (share < 0.55)
        np.testing.assert_array_equal(np.isnan(outline.classes), np.tile(quiet[:, None], (1, 21)))
        np.testing.assert_array_equal(outline.classes[~quiet], ~fitted.T[~quiet])

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (1.0, "no front: nothing is fitted yet"),
            (0.0, "no front: all that counts is fitted at every look"),
            (np.nan, "no front: it was not measured"),
        ],
    )
    def test_where_there_is_no_line_it_is_said_why(self, error, reason):
        view = line.front(replaced(known_run(), local_error=np.full((21, CELLS), error)))
        assert only(view, Outline) == []
        assert labels(view) == [reason]

    def test_quiet_parts_are_marked_across_the_steps(self):
        view = line.front(known_run(quiet=(0.4, 0.6)))
        assert stretches(view, "quiet") == [pytest.approx((0.4, 0.6))]
        assert only(view, Shade)[0].along == "y"
        assert labels(view) == ["front: edge of what is fitted", "target is flat"]

    def test_the_first_axis_is_that_of_the_steps_at_which_a_reader_may_point(self):
        view = line.front(known_run(bounds=(-6.5, 6.5), axis="depth"))
        (panel,) = view.panels
        assert view.cursor == "x"
        assert (panel.x.label, panel.x.low, panel.x.high) == ("optimizer step", 0.0, 2000.0)
        assert (panel.y.label, panel.y.low, panel.y.high) == ("depth", -6.5, 6.5)

    @pytest.mark.parametrize(
        ("of", "said"),
        [
            ("oscillation", "nothing but the trend"),
            ("deviation", "nothing but the mean"),
            ("value", "as large as the target"),
            ("given", "as large as scale"),
            ("first look", "as at the first look"),
            ("", "nothing but the trend"),  # an older record, of a target that oscillates
        ],
    )
    def test_the_colours_say_what_an_error_of_1_is(self, of, said):
        (field,) = only(line.front(replace(known_run(), scale_of=of)), Field)
        assert field.label == f"relative error (1: {said})"
        assert (field.low, field.high) == (0.0, 1.0)

    @pytest.mark.parametrize(
        "target",
        [0.0, np.linspace(-3.0, 2.0, 200), np.linspace(-0.3, 2.03, 200)],
        ids=["a residual", "a line", "another"],
    )
    def test_without_an_oscillation_an_older_record_is_relative_to_its_first_look(self, target):
        run = known_run()
        flat = np.broadcast_to(np.resize(target, run.target.shape), run.target.shape)
        rounded = flat.astype(np.float32).astype(np.float64)  # as a target on a module's own float32 points is
        (field,) = only(line.front(replaced(run, target=rounded, trend=flat)), Field)
        assert field.label == "relative error (1: as at the first look)"


class TestFit:
    def test_it_is_the_last_prediction_over_the_target(self):
        run = known_run(last=0.5)
        view = line.fit(run)
        for label, values in (("prediction", run.prediction[-1]), ("target", run.target)):
            np.testing.assert_array_equal(curve(view, label).x, run.points[:, 0])
            np.testing.assert_array_equal(curve(view, label).y, values)

    def test_the_step_in_its_title_is_counted_over_all_fits(self):
        run = replace(known_run(5), steps=np.array([0, 100, 200, 0, 70]), total_steps=np.array([0, 100, 200, 200, 270]))
        assert line.fit(run).title == "Fit at step 270"

    def test_every_part_that_is_not_fitted_is_shaded_and_no_quiet_one(self):
        share = (np.arange(CELLS) + 0.5) / CELLS
        missing = (share < 0.1) | (np.abs(share - 0.5) < 0.2) | ((share > 0.85) & (share < 0.9))
        run = fitted_where(known_run(quiet=(0.45, 0.55)), np.tile(~missing, (21, 1)))
        expected = [(0.0, 0.1), (0.3, 0.45), (0.55, 0.7), (0.85, 0.9)]
        np.testing.assert_allclose(stretches(line.fit(run), "unfitted"), expected, atol=1e-9)
        assert stretches(line.fit(known_run()), "unfitted") == []

    def test_a_target_without_a_size_has_the_scale_of_the_prediction(self):
        run = known_run()
        small = 1e-3 * np.sin(40 * run.points[:, 0])
        residual = replaced(run, target=np.zeros(CELLS), prediction=np.tile(small.astype(np.float32), (21, 1)))
        large = replaced(residual, prediction=1e4 * residual.prediction)
        for each, end in ((residual, 1.2e-3), (large, 12.0)):
            axis = line.fit(each).panels[0].y
            assert (axis.low, axis.high) == pytest.approx((-end, end), rel=0.01)

    def test_a_wild_prediction_does_not_hide_the_target(self):
        axis = line.fit(ODD_RUNS["huge prediction"]()).panels[0].y
        assert (axis.low, axis.high) == pytest.approx((-1.5, 1.5), abs=0.02)

    def test_a_prediction_that_is_finite_nowhere_is_missed_in_words(self):
        view = line.fit(unfitted(known_run(6)))
        assert labels(view)[-1] == "the prediction is finite nowhere"
        assert view.reading == "The last prediction is finite nowhere."

    def test_each_output_has_a_small_panel_and_the_one_looked_at_is_marked(self):
        run = known_run()
        outputs = np.stack([run.target, 2 * run.target + 1, np.zeros(CELLS)])
        view = line.fit(replace(run, output=1, components=Components(np.array([0, 1, 4]), outputs, 3 * outputs)))
        small, (large,) = view.rows
        assert [(panel.title, panel.bold) for panel in small] == [
            ("output 0", False),
            ("output 1", True),
            ("output 4", False),
        ]
        for panel, target in zip(small, outputs, strict=True):
            assert [item.role for item in panel.items] == ["model", "target"]
            np.testing.assert_array_equal(panel.items[0].y, 3 * target)
            np.testing.assert_array_equal(panel.items[1].y, target)
        assert (small[1].y.low, small[1].y.high) == pytest.approx((-2.0, 4.0), rel=0.01)
        assert not large.small


class TestWithoutTarget:
    def test_it_is_the_prediction_at_four_looks_the_last_on_top(self):
        run = without_target(known_run())
        view = line.fit(run)
        drawn = only(view, Curve)
        assert [item.label for item in drawn] == ["step 0", "step 700", "step 1,300", "step 2,000"]
        assert [item.role for item in drawn] == ["ordered"] * 3 + ["model"]
        for item, look in zip(drawn, (0, 7, 13, 20), strict=True):
            np.testing.assert_array_equal(item.y, run.prediction[look])
        assert "step 700, step 1,300 and step 2,000" in view.reading

    def test_moving_each_look_is_over_the_last_one(self):
        run = without_target(known_run())
        last, moving = only(line.fit(run, moving=True), Curve)
        np.testing.assert_array_equal(last.y, run.prediction[-1])
        np.testing.assert_array_equal(moving.y, run.prediction)

    def test_its_change_is_drawn_on_the_whole_and_where(self):
        run = without_target(known_run())
        view = line.change(run)
        (upper,), (lower,) = view.rows
        half, last = upper.items
        np.testing.assert_array_equal(half.y, 1.0 / np.arange(1, 22))
        np.testing.assert_array_equal(last.y, 0.5 / np.arange(1, 22))
        assert upper.y.log
        np.testing.assert_allclose(lower.items[0].values, np.tile(1.0 / np.arange(1, 22), (CELLS, 1)))
        assert view.reading == "The prediction moved by 5 % since step 1,000, and 5 % of the domain still moves."

    @pytest.mark.parametrize(
        ("moved", "said"),
        [
            (np.nan, "How much the prediction moves is not known yet: two looks are too few."),
            (np.inf, "The prediction is not finite, so that how much it moves cannot be said."),
        ],
    )
    def test_a_change_that_is_not_known_is_said(self, moved, said):
        nothing = np.full(21, moved)
        view = line.change(without_target(known_run(), since_half=nothing, since_last=nothing))
        assert view.reading == said
        assert view.panels[0].absent == ("how much it moves is not known yet",)


class TestArrival:
    def test_arrivals_are_at_their_step_and_those_to_come_apart(self):
        run = known_run(last=0.5)
        view = line.arrival(run)
        first, never = curve(view, "first fitted"), curve(view, "not yet")
        np.testing.assert_allclose(first.y[first.x < 0.47], 4000 * first.x[first.x < 0.47], atol=101)
        assert np.isnan(first.y[first.x > 0.51]).all()
        assert never.x.min() == pytest.approx(0.5, abs=2 / CELLS)
        assert set(never.y) == {2000.0}

    def test_what_was_lost_and_fitted_again_is_at_the_later_step(self):
        run = known_run()
        settled = run.front.settled.copy()
        settled[:40] = 1500.0
        again = curve(line.arrival(replaced(run, settled=settled)), "lost and fitted again")
        np.testing.assert_array_equal(again.x, run.points[:, 0][settled > run.front.arrival])
        assert set(again.y) == {1500.0}

    def test_quiet_parts_are_marked_and_have_no_arrival(self):
        view = line.arrival(known_run(quiet=(0.4, 0.6)))
        assert stretches(view, "quiet") == [pytest.approx((0.4, 0.6))]
        first = curve(view, "first fitted")
        np.testing.assert_array_equal(np.isnan(first.y), (first.x > 0.4) & (first.x < 0.6))

    def test_where_nothing_arrived_it_is_said_why(self):
        assert labels(line.arrival(unfitted(known_run(6)))) == ["not yet", "no place is fitted yet"]
        flat = replaced(known_run(), active=np.zeros(CELLS, dtype=bool))
        assert labels(line.arrival(flat)) == ["target is flat", "the target is flat everywhere"]


class TestGaps:
    """A front at 0.5, points missing from 0.2 to 0.3 and from 0.6 to 0.9."""

    GAPS = ((0.2, 0.3), (0.6, 0.9))

    def run(self, cells=CELLS):
        run = known_run(cells=cells, last=0.5)
        place = run.points[:, 0]
        kept = ~np.any([(place > low) & (place < high) for low, high in self.GAPS], axis=0)
        front = replace(
            run.front,
            local_error=run.front.local_error[:, kept],
            **{name: getattr(run.front, name)[kept] for name in ("arrival", "settled", "active")},
        )
        fields = {name: getattr(run, name)[kept] for name in ("points", "target", "trend")}
        shape = (int(kept.sum()),)
        return replace(run, **fields, shape=shape, prediction=run.prediction[:, kept], front=front, gaps=self.GAPS)

    def test_no_line_is_drawn_across_a_gap(self):
        run = self.run()
        for item in [*only(line.fit(run), Curve), curve(line.arrival(run), "first fitted")]:
            assert len(item.x) == len(run.points) + 2
            for low, high in self.GAPS:
                (inside,) = np.flatnonzero((item.x > low) & (item.x < high))
                assert np.isnan(item.y[inside])

    def test_no_range_is_drawn_across_a_gap(self):
        view = line.fit(self.run(3000))
        band, *ends = [*only(view, Band), *only(view, Curve)]
        for x, y in [(band.x, band.low), (band.x, band.high), *((item.x, item.y) for item in ends)]:
            assert np.isnan(y[(x > 0.21) & (x < 0.29)]).all()
            assert np.isnan(y[(x > 0.61) & (x < 0.89)]).all()
            assert np.isfinite(y[(x < 0.19) | (x > 0.91)]).all()

    def test_gaps_are_blank_and_named(self):
        run = self.run()
        for view in (line.fit(run), line.arrival(run), line.front(run), line.error(run)):
            np.testing.assert_allclose(stretches(view, "gap"), self.GAPS)
            assert labels(view)[-1] == "no points"
        assert "no points" not in labels(line.fit(known_run()))

    def test_moving_frames_are_broken_too(self):
        run = self.run()
        (prediction,) = [item for item in only(line.fit(run, moving=True), Curve) if item.label == "prediction"]
        assert prediction.y.shape == (21, len(run.points) + 2)
        assert np.isnan(prediction.y[:, np.isin(prediction.x, [0.25, 0.75])]).all()


class TestManyPoints:
    """1,000 cycles, of which the prediction has the lower half: block means would be 0."""

    CYCLES = 1000

    def run(self, points, cells):
        share = (np.arange(points) + 0.5) / points
        target = np.sin(2 * np.pi * self.CYCLES * share)
        prediction = np.where(share < 0.5, target, 0.0)
        blocks = points // cells
        run = known_run(cells=1000)
        places = share.reshape(cells, blocks).mean(axis=1)
        ranges = {}
        if blocks > 1:
            ranges = {
                f"{name}_range": np.stack([values.reshape(cells, blocks).min(1), values.reshape(cells, blocks).max(1)])
                for name, values in (("target", target), ("prediction", prediction))
            }
        fine = replace(
            run,
            points=places[:, None],
            shape=(cells,),
            target=target.reshape(cells, blocks).mean(axis=1),
            trend=np.zeros(cells),
            prediction=prediction.reshape(cells, blocks).mean(axis=1)[None],
            front=replace(
                run.front,
                local_error=(places > 0.5).astype(float)[None],
                active=np.ones(cells, dtype=bool),
                arrival=np.zeros(cells),
                settled=np.zeros(cells),
            ),
            **ranges,
        )
        return replace(run, fine=fine)

    @pytest.mark.parametrize(("points", "cells"), [(8_000, 8_000), (100_000, 10_000)])
    def test_a_fast_sine_is_drawn_as_far_as_it_reaches(self, points, cells):
        view = line.fit(self.run(points, cells))
        for item, sign in zip(only(view, Curve), (-1, 1), strict=True):
            assert len(item.x) <= 800
            np.testing.assert_allclose(sign * item.y, np.cos(np.pi / 8) if points == 8_000 else 1, atol=0.03)
        (band,) = only(view, Band)
        lower, upper = band.x < 0.49, band.x > 0.51
        assert band.low[lower].max() < -0.9
        assert band.high[lower].min() > 0.9
        assert (band.low[upper] == 0.0).all()
        assert (band.high[upper] == 0.0).all()

    def test_the_shading_and_the_limits_are_those_of_the_fine_field(self):
        view = line.fit(self.run(100_000, 10_000))
        assert stretches(view, "unfitted") == [pytest.approx((0.5, 1.0), abs=1e-3)]
        assert (view.panels[0].y.low, view.panels[0].y.high) == pytest.approx((-1.5, 1.5), abs=0.02)

    def test_up_to_1024_points_are_drawn_one_by_one(self):
        run = known_run(cells=1024)
        np.testing.assert_array_equal(curve(line.fit(run), "target").y, run.target)

    def test_what_moves_is_on_the_recorded_cells(self):
        run = self.run(8_000, 8_000)
        np.testing.assert_array_equal(curve(line.fit(run, moving=True), "prediction").y, run.prediction)


class TestBasis:
    def units(self):
        steps = np.linspace(0, 1, 50) > np.array([0.7, 0.2, 0.5])[:, None]
        return with_basis(known_run(), np.stack([steps, -5.0 * steps]), [0.7, 0.2, 0.5])

    def test_units_are_ordered_by_their_place_and_keep_their_shape(self):
        view = line.basis(self.units())
        assert [panel.title for panel in view.panels] == ["step 0", "step 2,000"]
        steps = np.linspace(0, 1, 50) > np.array([0.2, 0.5, 0.7])[:, None]
        for panel, sign in zip(view.panels, (1, -1), strict=True):
            for row, (item, unit) in enumerate(zip(panel.items, steps, strict=True)):
                np.testing.assert_array_equal(item.x, np.linspace(0, 1, 50))
                np.testing.assert_allclose(item.y, 2 - row + 0.4 * sign * np.where(unit, 1, -1), atol=1e-3)

    def test_moving_all_snapshots_are_there(self):
        view, still_view = line.basis(self.units(), moving=True), line.basis(self.units())
        assert view.steps.tolist() == [0, 2000]
        for frame, panel in enumerate(still_view.panels):
            for moving, item in zip(view.panels[0].items, panel.items, strict=True):
                np.testing.assert_array_equal(moving.y[frame], item.y)

    def test_units_that_are_not_finite_are_drawn_as_far_as_they_are(self, recwarn):
        units = np.tile(np.linspace(0, 1, 50), (2, 3, 1))
        units[:, 0], units[:, 1, 10], units[:, 2, 20] = np.nan, np.inf, -np.inf
        view = line.basis(with_basis(known_run(), units, [np.nan, 0.5, 0.6]))
        assert [int(np.isfinite(item.y).sum()) for item in view.panels[0].items] == [49, 49, 0]
        assert [str(warning.message) for warning in recwarn] == []

    def test_the_reading_says_how_often_units_go_up_and_down(self):
        assert "2.2 laps in the median" in line.basis(self.units()).reading


class TestReadings:
    """The sentence on how to read it is true of this run."""

    def test_a_fit_that_comes_from_one_end(self):
        run = known_run(last=0.5)
        reading = line.front(run).reading
        assert reading == "Dark is fitted, 50 % of the domain: 50 % is next to x = 0."
        assert (
            line.fit(run).reading
            == "Grey marks what is not fitted: 50 % of what counts; 6.5 of 13 oscillations are fitted."
        )

    @pytest.mark.parametrize(("inwards", "said"), [(0.9, "; it grows inwards."), (-0.9, "; it grows outwards.")])
    def test_both_ends_and_the_direction(self, inwards, said):
        run = known_run(last=0.6)
        ends = {"x_min": np.full(21, 0.4), "x_max": np.full(21, 0.2)}
        run = replaced(run, depth=ends, overall_inwardness=np.full(21, inwards))
        expected = "Dark is fitted, 60 % of the domain: 40 % is next to x = 0 and 20 % is next to x = 1"
        assert line.front(run).reading == expected + said

    def test_a_fit_from_the_middle_is_next_to_no_end(self):
        nothing = {"x_min": np.zeros(21), "x_max": np.zeros(21)}
        assert "none of it is next to an end of x" in line.front(replaced(known_run(last=0.5), depth=nothing)).reading

    def test_all_or_nothing(self):
        assert line.front(known_run()).reading == "Dark is fitted: after 2,000 steps everything that counts is."
        assert line.front(known_run(last=0.0)).reading == "Dark would be fitted: after 2,000 steps nothing is."
        assert "all of it is fitted" in line.fit(known_run()).reading
        assert "everything that counts" in line.fit(known_run(last=0.0)).reading

    def test_arrivals(self):
        reading = line.arrival(known_run(last=0.5)).reading
        assert reading == (
            "The first place was fitted at step 100, x = 0.0025, and the last at step 2,000, x = 0.477; 50 % never was "
            "(sequentiality 0.98, inwardness +0.00)."
        )
        assert line.arrival(known_run(last=0.0)).reading == "No place is fitted yet."
        at_once = replaced(known_run(counts=False), arrival=np.where(np.arange(CELLS) < 50, 800.0, np.inf))
        assert line.arrival(at_once).reading.startswith("All that is fitted was so at step 800; 75 % never was")
        flat = replaced(known_run(), active=np.zeros(CELLS, dtype=bool))
        assert line.arrival(flat).reading == "No place counts: the target is flat."

    @pytest.mark.parametrize("last", [0.0, 0.5, 1.0])
    def test_without_a_scale_nothing_is_said_to_be_fitted(self, last):
        run = known_run(last=last, counts=False)
        scalars = Scalars({"error/relative_rmse": np.linspace(1.0, 0.04, 21)}, "seqfit/")
        run = replace(run, scale_of="first look", scalars=scalars)
        said = []
        for view in [*views.pictures(run).values(), *views.moving(run)]:
            said += [view.title, view.reading, *labels(view), *(item.label for item in only(view, Field))]
        assert "Local error: at 4 % of its first value" in said
        assert [text for text in said if "fitted" in text] == []
        assert any("below 25 % of the first error" in text for text in said)


class TestMoving:
    def test_each_look_at_a_step_of_its_own_is_a_frame(self):
        run = ODD_RUNS["a second fit looks twice at one step"]()
        looks = [0, 1, 3, 4]
        fit, error = views.moving(run)
        for view in (fit, error):
            assert view.steps.tolist() == [0, 100, 200, 300]
        np.testing.assert_array_equal(curve(fit, "prediction").y, run.prediction[looks])
        np.testing.assert_array_equal(curve(error, "local error").y, np.sqrt(run.front.local_error[looks]))

    def test_the_shade_moves_with_the_front(self):
        run = known_run()
        share = (np.arange(CELLS) + 0.5) / CELLS
        for view in views.moving(run):
            (shade,) = [item for item in only(view, Shade) if item.kind == "unfitted"]
            np.testing.assert_array_equal(shade.mask, share >= np.linspace(0, 1, 21)[:, None])

    def test_the_spectrum_and_the_basis_move_too(self):
        run = with_basis(with_spectrum(known_run()), np.ones((2, 3, 50)), [0.1, 0.2, 0.3])
        assert [view.name for view in views.moving(run)] == ["fit", "error", "spectrum", "basis"]

    @pytest.mark.parametrize("kind", ODD_RUNS)
    def test_every_frame_of_every_item_is_there(self, kind, recwarn):
        for view in views.moving(ODD_RUNS[kind]()):
            counts = {frames_of(item) for panel in view.panels for item in panel.items}
            assert counts <= {None, len(view.steps)}
            assert len(view.steps) in counts
            first = view.only(np.array([0]))
            for item in first.panels[0].items:
                assert frames_of(still(item)) is None
        assert [str(warning.message) for warning in recwarn] == []


def test_pictures_are_numbered_in_the_order_of_the_story():
    run = with_basis(with_spectrum(known_run()), np.ones((2, 3, 50)), [0.1, 0.2, 0.3])
    assert list(views.pictures(run)) == ["1_front", "2_fit", "3_arrival", "4_spectrum", "5_basis", "6_rank"]
    assert [view.name for view in views.pictures(run).values()] == list(views.pictures(run))
    assert list(views.pictures(known_run(watched=False))) == ["2_fit"]
    assert list(views.pictures(without_target(known_run()))) == ["2_fit", "7_change"]


@pytest.mark.parametrize("kind", ODD_RUNS)
def test_titles_are_short_and_readings_are_sentences(kind, recwarn):
    for view in views.pictures(ODD_RUNS[kind]()).values():
        assert 0 < len(view.title) <= 40
        assert view.reading.endswith(".")
        assert "nan" not in view.title + view.reading
        for panel in view.panels:
            assert panel.x.low < panel.x.high
            assert panel.y.low < panel.y.high
    assert [str(warning.message) for warning in recwarn] == []
