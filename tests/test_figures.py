"""Figures of a run along one axis, made by hand, so that every front, quiet part and arrival is known."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from lightning_seqfit import figures
from lightning_seqfit.figures import line
from lightning_seqfit.figures.parts import printable, write_numbers
from lightning_seqfit.record import BasisRecord, FrontRecord, OscillationsRecord, Run, Scalars
from lightning_seqfit.words import significant

CELLS = 200


def replace(record, **changes):
    """What it is, with other values of fields; of a run, other sections too."""
    return record.replace(**changes) if isinstance(record, Run) else dataclasses.replace(record, **changes)


def known_run(
    looks=21,
    *,
    cells=CELLS,
    bounds=(0.0, 1.0),
    axis="x",
    quiet=None,
    counts=True,
    watched=True,
    last=1.0,
    steps=None,
):
    """A front that moves from ``x_min`` to the share ``last`` of the axis, evenly over 2,000 steps.

    Everything follows from the place of the front at each look: errors, depths and arrivals.
    """
    share = (np.arange(cells) + 0.5) / cells
    low, high = bounds
    target = np.sin(26 * np.pi * share)
    active = np.ones(cells, dtype=bool) if quiet is None else ~((share > quiet[0]) & (share < quiet[1]))
    places = np.linspace(0.0, last, looks)
    steps = np.linspace(0, 2000, looks).astype(np.int64) if steps is None else np.asarray(steps)
    fitted = share < places[:, None]
    depth = (fitted & active).sum(axis=1) / active.sum()
    arrival = np.where(fitted.any(axis=0), steps[np.argmax(fitted, axis=0)], np.inf)
    nothing = np.zeros(looks)
    front = FrontRecord(
        local_error=np.where(fitted, 0.0, 1.0).astype(np.float32),
        fitted=depth,
        sequentiality=np.full(looks, 0.98),
        speed=np.full(looks, 0.0005),
        depth={f"{axis}_min": depth, f"{axis}_max": np.where(depth == 1, 1.0, 0.0)},
        inwardness={f"{axis}_min": nothing + 1, f"{axis}_max": nothing - 1},
        overall_inwardness=nothing,
        arrival=arrival,
        settled=arrival.copy(),
        active=active,
        tolerance=0.25,
    )
    cycles = np.floor(26 * places) / 2
    oscillations = OscillationsRecord(
        target=nothing + 13, model=cycles, fitted=cycles, missing=13 - cycles, spurious=nothing
    )
    return Run(
        name="",
        quantity="u (V)",
        axes=(axis,),
        bounds=(bounds,),
        shape=(cells,),
        points=(low + share * (high - low))[:, None],
        target=target,
        trend=np.zeros(cells),
        steps=steps,
        total_steps=steps,
        logger_steps=steps,
        fit=np.zeros(looks, dtype=np.int64),
        prediction=np.where(fitted, target, 0.0).astype(np.float32),
        scalars=Scalars({"error/relative_rmse": np.sqrt(1 - depth)}, "seqfit/"),
        sections={"front": front if watched else None, "oscillations": oscillations if counts else None},
    )


def replaced(run, **fields):
    """A run with some fields of its own, or of its front, replaced."""
    of_front = {name: value for name, value in fields.items() if hasattr(run.front, name)}
    front = SimpleNamespace(**{**vars(run.front), **of_front})
    return run.replace(**{name: value for name, value in fields.items() if name not in of_front}, front=front)


def unfitted(run):
    """The run of a module that has gone to NaN at the second look."""
    looks, cells = run.prediction.shape
    prediction = np.full((looks, cells), np.nan, dtype=np.float32)
    prediction[0] = 0.0
    never, nothing = np.full(cells, np.inf), np.zeros(looks)
    return replaced(
        run,
        prediction=prediction,
        local_error=np.where(np.isnan(prediction), np.inf, 1.0),
        fitted=nothing,
        depth=dict.fromkeys(run.faces, nothing),
        sequentiality=nothing + np.nan,
        overall_inwardness=nothing + np.nan,
        arrival=never,
        settled=never,
    )


ODD_RUNS = {
    "one look": lambda: known_run(1),
    "two looks": lambda: known_run(2),
    "a second fit looks twice at one step": lambda: known_run(5, steps=[0, 100, 200, 200, 300]),
    "only one step ever": lambda: known_run(3, steps=[0, 0, 0]),
    "uneven steps": lambda: known_run(6, steps=[0, 1, 2, 40, 100, 2000]),
    "never fitted and NaN": lambda: unfitted(known_run(6)),
    "NaN from the first look on": lambda: unfitted(known_run(1)),
    "quiet middle": lambda: known_run(quiet=(0.4, 0.6)),
    "quiet ends": lambda: replaced(known_run(), active=np.abs(np.arange(CELLS) - 100) < 50),
    "all quiet but one cell": lambda: replaced(known_run(), active=np.arange(CELLS) == 100),
    "not watched before the third look": lambda: replaced(
        known_run(5),
        fitted=np.array([np.nan, np.nan, 0.5, 0.7, 1]),
        depth=dict.fromkeys(("x_min", "x_max"), np.array([np.nan, np.nan, 0.5, 0.7, 1])),
        local_error=np.full((5, CELLS), np.nan),
    ),
    "no longer watched at the end": lambda: replaced(
        known_run(3),
        fitted=np.array([0.0, 0.5, np.nan]),
        depth=dict.fromkeys(("x_min", "x_max"), np.array([0.0, 0.5, np.nan])),
        sequentiality=np.full(3, np.nan),
        overall_inwardness=np.full(3, np.nan),
    ),
    "constant target": lambda: replaced(known_run(), target=np.full(CELLS, 3.0)),
    "huge prediction": lambda: replaced(known_run(), prediction=np.full((21, CELLS), 1e30, dtype=np.float32)),
    "far from zero": lambda: known_run(bounds=(1e6, 1e6 + 1)),
    "wide": lambda: known_run(bounds=(-6.5, 6.5)),
    "few cells": lambda: known_run(cells=8),
    "many looks": lambda: known_run(512, cells=1024),
}


def texts(figure):
    """Axis labels, title and legend of a figure's main axes."""
    axes = figure.axes[0]
    legend = axes.get_legend()
    return SimpleNamespace(
        x=axes.get_xlabel(),
        y=axes.get_ylabel(),
        title=axes.get_title(),
        legend=[] if legend is None else [text.get_text() for text in legend.get_texts()],
    )


def numbers(axes, side):
    """The texts that are anchored just outside one side of the axes, in the order of the axis."""
    frame, found = axes.get_window_extent(), []
    for text in axes.get_figure().texts:
        x, y = text.get_transform().transform(text.get_position())
        along, low, high, off = {
            "bottom": (x, frame.x0, frame.x1, frame.y0 - y),
            "left": (y, frame.y0, frame.y1, frame.x0 - x),
            "right": (y, frame.y0, frame.y1, x - frame.x1),
        }[side]
        if low - 1 <= along <= high + 1 and 4 < off < 15:
            found.append((along, text))
    return [text for _, text in sorted(found, key=lambda one: one[0])]


def fronts(axes):
    """Vertices of the lines between fitted and unfitted, one array for each line."""
    return [
        part.vertices
        for artist in axes.collections
        if isinstance(artist, ContourSet)
        for path in artist.get_paths()
        for part in path._iter_connected_components()
    ]


def stretches(axes, *, vertical=False):
    """Where the marked stretches of an axis begin and end."""
    boxes = [
        path.get_extents()
        for artist in axes.collections
        if isinstance(artist, PolyCollection)
        for path in artist.get_paths()
    ]
    return [(box.y0, box.y1) if vertical else (box.x0, box.x1) for box in boxes]


def fitted_where(run, fitted):
    """The run with cells fitted at each look as the mask of shape ``(looks, cells)`` says."""
    return replaced(run, local_error=np.where(fitted, 0.0, 1.0).astype(np.float32))


class TestFronts:
    @pytest.mark.parametrize("bounds", [(0.0, 1.0), (-6.5, 6.5), (10.0, 12.0)])
    def test_a_front_is_drawn_where_it_was_put(self, bounds):
        low, high = bounds
        (front,) = fronts(line.space_time(known_run(bounds=bounds)).axes[0])
        steps, places = front.T
        # a look is 100 steps, and a contour passes half-way between two looks, two cells
        np.testing.assert_allclose(places, low + steps / 2000 * (high - low), atol=0.03 * (high - low))
        assert places.min() == pytest.approx(low, abs=0.03 * (high - low))
        assert places.max() == pytest.approx(high, abs=0.03 * (high - low))

    def test_of_two_fronts_each_has_its_line_and_neither_jumps(self):
        share, step = (np.arange(CELLS) + 0.5) / CELLS, np.linspace(0, 1, 21)[:, None]
        # from the middle outwards, a little faster to one side
        run = fitted_where(known_run(), (share > 0.5 - 0.3 * step) & (share < 0.5 + 0.4 * step))
        lines = fronts(line.space_time(run).axes[0])
        vertices = np.concatenate(lines)
        below = vertices[:, 1] < 0.5
        for side, speed in ((below, -0.3), (~below, 0.4)):
            steps, places = vertices[side].T
            np.testing.assert_allclose(places, 0.5 + speed * steps / 2000, atol=0.03)
            assert steps.max() == 2000.0
        for vertices in lines:
            assert np.abs(np.diff(vertices[:, 1])).max() < 0.05

    def test_a_part_that_is_lost_again_is_encircled(self):
        fitted = np.ones((21, CELLS), dtype=bool)
        fitted[8:12, 40:60] = False
        (island,) = fronts(line.space_time(fitted_where(known_run(), fitted)).axes[0])
        assert island.min(axis=0) == pytest.approx([750, 0.2], abs=0.01)
        assert island.max(axis=0) == pytest.approx([1150, 0.3], abs=0.01)

    def test_a_quiet_part_has_no_line(self):
        axes = line.space_time(known_run(101, quiet=(0.4, 0.6))).axes[0]
        places = np.concatenate(fronts(axes))[:, 1]
        assert not ((places > 0.41) & (places < 0.59)).any()
        assert places.min() < 0.02
        assert places.max() > 0.98

    def test_one_look_has_its_front_too(self):
        run = fitted_where(known_run(1), np.arange(CELLS)[None] < 50)
        (front,) = fronts(line.space_time(run).axes[0])
        np.testing.assert_allclose(front[:, 1], 0.25)

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            (1.0, "no front: nothing is fitted yet"),
            (0.0, "no front: all that counts is fitted at every look"),
            (np.nan, "no front: it was not measured"),
        ],
    )
    def test_where_there_is_no_line_the_legend_says_why(self, error, reason):
        axes = line.space_time(replaced(known_run(), local_error=np.full((21, CELLS), error))).axes[0]
        assert fronts(axes) == []
        assert [text.get_text() for text in axes.get_legend().get_texts()] == [reason]


class TestWords:
    @pytest.mark.parametrize("axis", ["x", "t", "depth"])
    def test_axes_carry_the_axis_name_and_the_optimizer_step(self, axis):
        drawn = {name: texts(figure) for name, figure in figures.draw(known_run(axis=axis)).items()}
        assert set(drawn) == {"fit", "front", "arrival"}
        assert (drawn["front"].x, drawn["front"].y) == ("optimizer step", axis)
        assert (drawn["arrival"].x, drawn["arrival"].y) == (axis, "optimizer step")
        assert (drawn["fit"].x, drawn["fit"].y) == (axis, "u (V)")

    def test_titles_say_what_to_see(self):
        drawn = {name: texts(figure).title for name, figure in figures.draw(known_run(last=0.5)).items()}
        assert drawn["front"] == "Local error: 50 % fitted, 6.5 of 13 oscillations"
        assert drawn["fit"] == "Fit at step 2,000: 50 % fitted, 6.5 of 13 oscillations"
        assert drawn["arrival"] == "Arrival of the fit: sequentiality 0.98, inwardness +0.00"

    def test_what_is_not_watched_is_not_said_nor_drawn(self):
        drawn = figures.draw(known_run(watched=False, last=0.75))
        assert set(drawn) == {"fit"}
        assert texts(drawn["fit"]).title == "Fit at step 2,000: 9.5 of 13 oscillations"
        assert texts(drawn["fit"]).legend == ["prediction", "target"]
        alone = figures.draw(known_run(watched=False, counts=False, last=0.75))
        assert texts(alone["fit"]).title == "Fit at step 2,000: relative RMSE 0.5"

    def test_legends_name_what_is_there_and_only_that(self):
        half = {name: texts(figure).legend for name, figure in figures.draw(known_run(last=0.5)).items()}
        assert half["fit"] == ["prediction", "target", "not fitted"]
        assert half["arrival"] == ["first fitted", "not yet"]
        done = {name: texts(figure).legend for name, figure in figures.draw(known_run(quiet=(0.4, 0.6))).items()}
        assert done["fit"] == ["prediction", "target"]
        assert done["arrival"] == ["first fitted", "target is flat"]
        assert done["front"] == ["front: edge of what is fitted", "target is flat"]

    def test_the_colour_scale_is_named(self):
        bar = line.space_time(known_run()).axes[1]
        assert bar.get_ylabel() == "relative error (1: nothing but the trend)"
        assert bar.get_ylim() == (0.0, 1.0)

    @pytest.mark.parametrize(
        ("of", "said"),
        [
            ("oscillation", "nothing but the trend"),
            ("deviation", "nothing but the mean"),
            ("value", "as large as the target"),
            ("given", "as large as scale"),
            ("first look", "as at the first look"),
        ],
    )
    def test_the_colour_scale_says_what_an_error_of_1_is(self, of, said):
        bar = line.space_time(replace(known_run(), scale_of=of)).axes[1]
        assert bar.get_ylabel() == f"relative error (1: {said})"

    @pytest.mark.parametrize("last", [0.0, 0.5, 1.0])
    def test_without_a_scale_nothing_is_said_to_be_fitted(self, last):
        run = known_run(last=last, counts=False)
        scalars = Scalars({"error/relative_rmse": np.linspace(1.0, 0.04, 21)}, "seqfit/")
        run = replace(run, scale_of="first look", scalars=scalars)
        said = []
        for figure in figures.draw(run).values():
            said += [text.get_text() for text in figure.findobj(Text)]
        assert "Fit at step 2,000: at 4 % of its first value" in said
        assert [text for text in said if "fitted" in text] == []
        assert any("below 25 % of the first error" in text for text in said)

    @pytest.mark.parametrize(
        "target",
        [0.0, np.linspace(-3.0, 2.0, 200), np.linspace(-0.3, 2.03, 200)],
        ids=["a residual", "a line", "another"],
    )
    def test_without_an_oscillation_the_colour_scale_is_that_of_the_first_look(self, target):
        run = known_run()
        flat = np.broadcast_to(np.resize(target, run.target.shape), run.target.shape)
        rounded = flat.astype(np.float32).astype(np.float64)  # as a target on a module's own float32 points is
        bar = line.space_time(replaced(run, target=rounded, trend=flat)).axes[1]
        assert bar.get_ylabel() == "relative error (1: as at the first look)"


class TestWhatIsDrawn:
    def test_the_fit_shows_the_last_prediction_over_the_target(self):
        run = known_run(last=0.5)
        prediction, target = line.fit(run).axes[0].lines
        np.testing.assert_array_equal(target.get_xydata(), np.column_stack([run.points[:, 0], run.target]))
        np.testing.assert_array_equal(prediction.get_ydata(), run.prediction[-1])

    def test_what_is_not_fitted_is_shaded(self):
        (stretch,) = stretches(line.fit(known_run(last=0.5)).axes[0])
        assert stretch == pytest.approx((0.5, 1.0))
        assert stretches(line.fit(known_run()).axes[0]) == []

    def test_every_part_that_is_not_fitted_is_shaded_and_no_quiet_one(self):
        share = (np.arange(CELLS) + 0.5) / CELLS
        missing = (share < 0.1) | (np.abs(share - 0.5) < 0.2) | ((share > 0.85) & (share < 0.9))
        run = fitted_where(known_run(quiet=(0.45, 0.55)), np.tile(~missing, (21, 1)))
        expected = [(0.0, 0.1), (0.3, 0.45), (0.55, 0.7), (0.85, 0.9)]
        np.testing.assert_allclose(stretches(line.fit(run).axes[0]), expected, atol=1e-9)

    def test_a_target_without_a_size_gives_way_to_the_scale_of_the_prediction(self):
        run = known_run()
        small = 1e-3 * np.sin(40 * run.points[:, 0])
        residual = replaced(run, target=np.zeros(CELLS), prediction=np.tile(small.astype(np.float32), (21, 1)))
        assert line.fit(residual).axes[0].get_ylim() == pytest.approx((-1.2e-3, 1.2e-3), rel=0.01)
        large = replaced(residual, prediction=1e4 * residual.prediction)
        assert line.fit(large).axes[0].get_ylim() == pytest.approx((-12.0, 12.0), rel=0.01)

    def test_a_prediction_that_is_finite_nowhere_is_missed_in_words(self):
        assert "the prediction is finite nowhere" in texts(line.fit(unfitted(known_run(6)))).legend

    def test_a_wild_prediction_does_not_hide_the_target(self):
        low, high = line.fit(ODD_RUNS["huge prediction"]()).axes[0].get_ylim()
        assert -2 < low < -1
        assert 1 < high < 2

    def test_the_pixels_of_the_space_time_figure_are_the_local_error(self):
        run = known_run(last=0.5)
        axes = line.space_time(run).axes[0]
        (image,) = axes.get_children()[:1]
        error = np.asarray(image.get_array())
        np.testing.assert_array_equal(error.reshape(CELLS, 21), run.front.local_error.T)
        assert axes.get_xlim() == (0.0, 2000.0)
        assert axes.get_ylim() == (0.0, 1.0)

    def test_of_two_looks_at_one_step_the_later_is_shown(self):
        run = ODD_RUNS["a second fit looks twice at one step"]()
        error = np.asarray(line.space_time(run).axes[0].get_children()[0].get_array())
        np.testing.assert_array_equal(error.reshape(CELLS, 4), run.front.local_error[[0, 1, 3, 4]].T)

    def test_arrivals_are_drawn_at_their_step_and_those_to_come_apart(self):
        run = known_run(last=0.5)
        first, never = line.arrival(run).axes[0].lines
        x, y = first.get_xydata().T
        np.testing.assert_allclose(y[x < 0.47], 4000 * x[x < 0.47], atol=100 + 1)  # a look is 100 steps
        assert np.isnan(y[x > 0.51]).all()
        assert never.get_xdata().min() == pytest.approx(0.5, abs=2 / CELLS)
        assert set(never.get_ydata()) == {2000.0}

    def test_what_was_lost_and_fitted_again_is_drawn_at_the_later_step(self):
        run = known_run()
        settled = run.front.settled.copy()
        settled[:40] = 1500.0
        again = replace(run, front=replace(run.front, settled=settled))
        _, dots = line.arrival(again).axes[0].lines
        drawn = np.isfinite(dots.get_ydata())
        assert dots.get_label() == "lost and fitted again"
        assert np.flatnonzero(drawn).tolist() == np.flatnonzero(settled > run.front.arrival).tolist()
        assert set(dots.get_ydata()[drawn]) == {1500.0}

    def test_quiet_parts_are_hatched_and_have_no_arrival(self):
        axes = line.arrival(known_run(quiet=(0.4, 0.6))).axes[0]
        assert stretches(axes) == [pytest.approx((0.4, 0.6))]
        x, y = axes.lines[0].get_xydata().T
        assert np.isnan(y[(x > 0.4) & (x < 0.6)]).all()


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
        drawn = [*line.fit(run).axes[0].lines, line.arrival(run).axes[0].lines[0]]
        for artist in drawn:
            x, y = artist.get_xdata(), artist.get_ydata()
            assert len(x) == len(run.points) + 2
            for low, high in self.GAPS:
                (inside,) = np.flatnonzero((x > low) & (x < high))
                assert np.isnan(y[inside])

    def test_no_envelope_is_drawn_across_a_gap(self):
        axes = line.fit(self.run(3000)).axes[0]
        for drawn in axes.lines:
            x, y = drawn.get_xdata(), drawn.get_ydata()
            assert np.isnan(y[(x > 0.21) & (x < 0.29)]).all()
            assert np.isnan(y[(x > 0.61) & (x < 0.89)]).all()
            assert np.isfinite(y[(x < 0.19) | (x > 0.91)]).all()

    def test_gaps_are_blank_and_named(self):
        run = self.run()
        for axes, vertical in (
            (line.fit(run).axes[0], False),
            (line.arrival(run).axes[0], False),
            (line.space_time(run).axes[0], True),
        ):
            np.testing.assert_allclose(stretches(axes, vertical=vertical)[-2:], self.GAPS)
            assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "no points"

    @pytest.mark.parametrize("scale_of", ["oscillation", "first look"])
    def test_the_longest_legend_is_one_row_on_the_paper(self, scale_of):
        run = self.run(3000)
        settled, active = run.front.settled.copy(), run.front.active.copy()
        settled[:100] = 1900.0
        active[-100:] = scale_of == "first look"  # a target without a size is nowhere flat
        flat = int(not active.all())
        run = replace(run, front=replace(run.front, settled=settled, active=active), scale_of=scale_of)
        for name, count in (("fit", 4), ("arrival", 4 + flat), ("front", 2 + flat)):
            figure = figures.draw(run)[name]
            figures.as_image(figure)
            legend = figure.axes[0].get_legend()
            assert len(legend.get_texts()) == count
            assert len({round(text.get_window_extent().y0) for text in legend.get_texts()}) == 1
            box = legend.get_window_extent()
            assert box.x0 >= 0
            assert box.x1 <= figure.bbox.width

    def test_a_line_without_gaps_has_none_marked(self):
        assert "no points" not in texts(line.fit(known_run())).legend


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
        axes = line.fit(self.run(points, cells)).axes[0]
        low, high = axes.lines
        for drawn, sign in ((low, -1), (high, 1)):
            assert len(drawn.get_xdata()) <= 800
            np.testing.assert_allclose(sign * drawn.get_ydata(), np.cos(np.pi / 8) if points == 8_000 else 1, atol=0.03)
        band, _ = axes.collections
        (path,) = band.get_paths()
        x, y = path.vertices.T
        assert np.abs(y[x < 0.49]).min() > 0.9
        assert np.abs(y[x > 0.51]).max() == 0.0

    def test_the_shading_and_the_limits_are_those_of_the_fine_field(self):
        axes = line.fit(self.run(100_000, 10_000)).axes[0]
        assert stretches(axes)[-1] == pytest.approx((0.5, 1.0), abs=1e-3)
        assert axes.get_ylim() == pytest.approx((-1.5, 1.5), abs=0.02)

    def test_up_to_1024_points_are_drawn_one_by_one(self):
        run = known_run(cells=1024)
        _, target = line.fit(run).axes[0].lines
        np.testing.assert_array_equal(target.get_ydata(), run.target)


class TestBasis:
    def run(self, snapshots, places):
        points = np.linspace(0, 1, snapshots.shape[-1])[:, None]
        nothing = np.full(21, np.nan)
        names = (
            "numerical_rank",
            "effective_rank",
            "monotone_share",
            "projection_error",
            "constant_share",
            "dead_domain",
        )
        basis = BasisRecord(
            **dict.fromkeys((*names, "projection_error"), nothing),
            median_laps=nothing + 2.25,
            snapshot_steps=np.array([0, 2000]),
            snapshot_units=np.zeros(snapshots.shape[:2], dtype=np.int64),
            snapshot_places=np.tile(places, (2, 1))[..., None],
            snapshots=snapshots.astype(np.float16),
            snapshot_points=points,
        )
        return replace(known_run(), basis=basis)

    def test_units_are_ordered_by_their_place_and_keep_their_shape(self):
        steps = np.linspace(0, 1, 50) > np.array([0.7, 0.2, 0.5])[:, None]
        figure = line.basis(self.run(np.stack([steps, -5.0 * steps]), [0.7, 0.2, 0.5]))
        assert [axes.get_title() for axes in figure.axes] == ["step 0", "step 2,000"]
        for axes, sign in zip(figure.axes, (1, -1), strict=True):
            for row, (drawn, unit) in enumerate(zip(axes.collections[0].get_paths(), (1, 2, 0), strict=True)):
                upwards = row - drawn.vertices[:, 1]  # the first row is at the top
                np.testing.assert_array_equal(drawn.vertices[:, 0], np.linspace(0, 1, 50))
                np.testing.assert_allclose(upwards, 0.4 * sign * np.where(steps[unit], 1, -1), atol=1e-3)

    def test_numbers_below_the_panels_keep_off_those_of_their_neighbours(self):
        long = replace(self.run(np.ones((2, 3, 50)), [0.1, 0.2, 0.3]), bounds=((-1e4, 1e4),))
        figure = line.basis(long)
        figures.as_image(figure)
        for axes in figure.axes:
            frame = axes.get_window_extent()
            assert len(numbers(axes, "bottom")) >= 2
            for label in numbers(axes, "bottom"):
                box = label.get_window_extent()
                assert box.x0 >= frame.x0 - 1
                assert box.x1 <= frame.x1 + 1

    def test_units_that_are_not_finite_are_drawn_as_far_as_they_are(self, recwarn):
        units = np.tile(np.linspace(0, 1, 50), (2, 3, 1))
        units[:, 0], units[:, 1, 10], units[:, 2, 20] = np.nan, np.inf, -np.inf
        figure = line.basis(self.run(units, [np.nan, 0.5, 0.6]))
        figures.as_image(figure)
        known = [int(np.isfinite(path.vertices[:, 1]).sum()) for path in figure.axes[0].collections[0].get_paths()]
        assert known == [49, 49, 0]
        assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.parametrize("kind", ODD_RUNS)
def test_odd_runs_are_drawn_without_a_warning(kind, recwarn):
    drawn = figures.draw(ODD_RUNS[kind]())
    assert set(drawn) == {"fit", "front", "arrival"}
    for figure in drawn.values():
        assert "nan" not in texts(figure).title
        image = figures.as_image(figure)
        assert image.dtype == np.uint8
        assert image.shape == (462, 792, 3)
        colours = image.astype(int) @ [1, 256, 65536]
        assert len(np.unique(colours)) > 10  # lines, text and what is between
    assert [str(warning.message) for warning in recwarn] == []


class TestImages:
    @pytest.fixture(scope="class")
    @staticmethod
    def image():
        return figures.as_image(line.fit(known_run()))

    def test_an_image_is_pixels_of_three_colours(self, image):
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert image.min() < 50  # text
        assert image.max() == 255  # paper
        assert image.flags.owndata

    def test_the_same_run_gives_the_same_pixels(self, image):
        np.testing.assert_array_equal(figures.as_image(line.fit(known_run())), image)

    def test_a_saved_image_is_read_back(self, image, tmp_path):
        path = tmp_path / "seqfit" / "fit.png"
        figures.save(image, path)
        np.testing.assert_array_equal(np.rint(255 * imread(path)[..., :3]).astype(np.uint8), image)


def test_drawing_leaves_pyplot_and_its_figures_alone():
    # in a process of its own; others may import pyplot, so what counts is what drawing adds
    program = """
import importlib.util, sys
import lightning_seqfit.record
test = importlib.util.spec_from_file_location("figures_of_known_runs", sys.argv[1])
module = importlib.util.module_from_spec(test)
test.loader.exec_module(module)
sys.modules.pop("matplotlib.pyplot", None)  # torchmetrics may have imported it
for figure in module.figures.draw(module.known_run()).values():
    module.figures.as_image(figure)
assert "matplotlib.pyplot" not in sys.modules, "pyplot was imported"
from matplotlib._pylab_helpers import Gcf
print(len(Gcf.get_all_fig_managers()), "figures are managed")
"""
    done = subprocess.run([sys.executable, "-c", program, __file__], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "0 figures are managed"), done.stderr


@pytest.mark.parametrize(
    ("value", "digits", "said"),
    [
        (156.3, 2, "160"),
        (1.004, 2, "1"),
        (0.996, 2, "1"),
        (12.34, 3, "12.3"),
        (1234.5, 2, "1,200"),
        (999_999.0, 2, "1e+06"),
        (-3.4e-5, 2, "-3.4e-05"),
        (0.0, 2, "0"),
        (np.inf, 2, "inf"),
        (np.nan, 2, "nan"),
    ],
)
def test_numbers_are_written_out_below_a_million(value, digits, said):
    assert significant(value, digits) == said


HARD_TO_PRINT = {
    "broken mathtext": r"$\frac{a$",
    "unknown command": r"$\nosuchthing$",
    "nothing between dollars": "$$",
    "dollars": "price (US$) over A$",
    "letters that the font lacks": "濃度 (ppm)",
    "such letters in mathtext": r"$\mathrm{濃度}$",
    "control characters": "a\x00b\x07\ud800",
    "many lines": "u\n" * 60,
    "very long": "u" * 5000,
    "very long mathtext": "$" + "u" * 5000 + "$",
    "tall mathtext": "$" + r"\frac{a}{" * 9 + "b" + "}" * 9 + "$",
    "a lone backslash": "\\",
    "nothing": "",
}


class TestQuantity:
    @pytest.mark.parametrize("quantity", HARD_TO_PRINT.values(), ids=HARD_TO_PRINT.keys())
    def test_no_quantity_loses_a_picture(self, quantity):
        run = replace(known_run(), quantity=quantity)
        usual = {name: figures.as_image(figure).shape for name, figure in figures.draw(known_run()).items()}
        assert {name: figures.as_image(figure).shape for name, figure in figures.draw(run).items()} == usual

    def test_mathtext_stays_what_it_is_and_anything_else_is_drawn_as_it_stands(self):
        drawn = {
            q: texts(figures.draw(replace(known_run(), quantity=q))["fit"]).y for q in ("$a_b$", r"$\frac{a$", "$5")
        }
        assert drawn == {"$a_b$": "$a_b$", r"$\frac{a$": r"\$\frac{a\$", "$5": r"\$5"}

    def test_the_run_keeps_its_own_words(self):
        run = replace(known_run(), quantity="u\n$")
        figures.draw(run)
        assert run.quantity == "u\n$"

    @given(st.text(max_size=200))
    def test_any_text_becomes_one_that_matplotlib_can_read(self, text):
        line = printable(text)
        assert len(line) <= 3 * 60
        figure = Figure()
        figure.text(0.5, 0.5, f"difference ({line})")
        figures.as_image(figure)


@pytest.mark.parametrize(("bounds", "fewest"), [((4.99997, 5.00103), 2), ((0.0, 1.0), 3), ((-1e4, 3e5), 2)])
def test_long_numbers_below_a_narrow_axis_do_not_run_into_each_other(bounds, fewest):
    figure = Figure(figsize=(2.5, 2), dpi=100)
    axes = figure.add_axes((0.2, 0.2, 0.7, 0.7), xlim=bounds)
    write_numbers(axes.xaxis, inwards=True)
    below = [text for text in figure.texts if text.get_va() == "top" and not text.get_text().startswith("+")]
    spans = sorted((box.x0, box.x1) for box in (text.get_window_extent() for text in below))
    assert len(spans) >= fewest
    assert all(one[1] < other[0] for one, other in itertools.pairwise(spans))
