"""Views drawn by Matplotlib: what is where on the sheet, in which colours, and that all of it can be read."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from lightning_seqfit import figures, views
from lightning_seqfit.diagnostics import Diagnostic
from lightning_seqfit.figures import draw_panel, draw_view
from lightning_seqfit.figures.items import TARGET, draw_item
from lightning_seqfit.figures.numbers import choose_ticks, write_numbers
from lightning_seqfit.figures.texts import printable
from lightning_seqfit.views import Axis, Band, Curve, Field, Hatch, Outline, Panel, Picture, Shade, View, line
from lightning_seqfit.words import significant
from tests.runs import CELLS, ODD_RUNS, fitted_where, known_run, replace, with_basis, with_spectrum

UNIT = Axis("x", 0.0, 1.0)
EDGES = np.linspace(0.0, 1.0, 5)
GREY, WHITE = (178.5,) * 3, (255,) * 3


def one(*items, x=UNIT, y=UNIT, **panel):
    """A view of one panel."""
    return View("2_fit", "Fit at step 8", "", ((Panel(x, y, items, **panel),),))


def pixel(view, x, y, frame=-1):
    """Colour of the first panel at a place in its units, 0 to 255."""
    figure = draw_view(view, frame=frame)
    image = figures.as_image(figure)
    column, row = figure.axes[0].transData.transform((x, y))
    return image[image.shape[0] - 1 - int(row), int(column)].astype(int)


def texts(figure):
    """All texts that can be seen."""
    return [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]


def legend(figure):
    return [text.get_text() for each in figure.legends for text in each.get_texts()]


def lines(figure):
    """Vertices of outlines in the first panel."""
    found = [each for each in figure.axes[0].collections if isinstance(each, LineCollection)]
    return [np.asarray(segment) for each in found for segment in each.get_segments()]


def numbers(axes, side):
    """The texts that are anchored just outside one side of the axes, in the order of the axis."""
    frame, found = axes.get_window_extent(), []
    for text in axes.get_figure().texts:
        x, y = text.get_transform().transform(text.get_position())
        along, low, high, off = {
            "bottom": (x, frame.x0, frame.x1, frame.y0 - y),
            "left": (y, frame.y0, frame.y1, frame.x0 - x),
        }[side]
        if low - 1 <= along <= high + 1 and 4 < off < 20:
            found.append((along, text))
    return [text for _, text in sorted(found, key=lambda each: each[0])]


class TestFronts:
    """The line of a front passes through the edges of the cells, wherever they are."""

    @pytest.mark.parametrize("bounds", [(0.0, 1.0), (-6.5, 6.5), (10.0, 12.0)])
    def test_a_front_is_drawn_where_it_was_put(self, bounds):
        low, high = bounds
        (front,) = lines(draw_view(line.front(known_run(bounds=bounds))))
        steps, places = front.T
        # a look is 100 steps, and the line passes half-way between two looks, two cells
        np.testing.assert_allclose(places, low + steps / 2000 * (high - low), atol=0.03 * (high - low))
        assert places.min() == pytest.approx(low, abs=0.03 * (high - low))
        assert places.max() == pytest.approx(high, abs=0.03 * (high - low))

    def test_of_two_fronts_each_has_its_line_and_neither_jumps(self):
        share, step = (np.arange(CELLS) + 0.5) / CELLS, np.linspace(0, 1, 21)[:, None]
        # from the middle outwards, a little faster to one side
        run = fitted_where(known_run(), (share > 0.5 - 0.3 * step) & (share < 0.5 + 0.4 * step))
        found = lines(draw_view(line.front(run)))
        vertices = np.concatenate(found)
        below = vertices[:, 1] < 0.5
        for side, speed in ((below, -0.3), (~below, 0.4)):
            steps, places = vertices[side].T
            np.testing.assert_allclose(places, 0.5 + speed * steps / 2000, atol=0.03)
            assert steps.max() == 2000.0
        for vertices in found:
            assert np.abs(np.diff(vertices[:, 1])).max() < 0.05

    def test_a_part_that_is_lost_again_is_encircled(self):
        fitted = np.ones((21, CELLS), dtype=bool)
        fitted[8:12, 40:60] = False
        (island,) = lines(draw_view(line.front(fitted_where(known_run(), fitted))))
        np.testing.assert_allclose(island.min(axis=0), [750, 0.2], atol=1e-9)
        np.testing.assert_allclose(island.max(axis=0), [1150, 0.3], atol=1e-9)

    def test_between_uneven_looks_the_line_is_at_the_edges_of_their_cells(self):
        run = known_run(6, steps=[0, 1, 2, 40, 100, 2000])
        fitted = np.arange(6)[:, None] >= np.full((1, CELLS), 3)  # everywhere at step 40
        (front,) = lines(draw_view(line.front(fitted_where(run, fitted))))
        np.testing.assert_allclose(front[:, 0], 21.0)
        assert (front[:, 1].min(), front[:, 1].max()) == (0.0, 1.0)

    def test_a_quiet_part_has_no_line(self):
        places = np.concatenate(lines(draw_view(line.front(known_run(101, quiet=(0.4, 0.6))))))[:, 1]
        assert not ((places > 0.41) & (places < 0.59)).any()
        assert places.min() < 0.02
        assert places.max() > 0.98

    def test_one_look_has_its_front_too(self):
        run = fitted_where(known_run(1), np.arange(CELLS)[None] < 50)
        (front,) = lines(draw_view(line.front(run)))
        np.testing.assert_allclose(front[:, 1], 0.25)

    def test_names_stand_on_their_lines_and_none_covers_another(self):
        steps = np.linspace(0.0, 1.0, 41)
        classes = np.tile(np.arange(40) // 8, (40, 1)).astype(float)
        few = Outline(classes, steps, steps, "level", names=("100", "200", "300", "400"))
        figure = draw_view(one(few))
        assert sorted(text.get_text() for text in figure.axes[0].texts) == ["100", "200", "300", "400"]
        for text, place in zip(figure.axes[0].texts, (0.2, 0.4, 0.6, 0.8), strict=True):
            assert text.get_position()[0] == pytest.approx(place)
        crowd = Outline(np.tile(np.arange(40.0), (40, 1)), steps, steps, "level", names=tuple(map(str, range(39))))
        kept = draw_view(one(crowd)).axes[0].texts
        places = sorted(text.get_window_extent().x0 for text in kept)
        assert 3 < len(kept) < 20
        assert np.diff(places).min() > 30


class TestColours:
    def test_a_field_has_its_cells_from_the_bottom_up(self):
        values = np.zeros((4, 4))
        values[3, 0] = 1.0
        field = Field(values, EDGES, EDGES, "error", 0.0, 1.0, "error")
        dark, bright = (68, 1, 84), (253, 231, 37)  # the ends of viridis
        np.testing.assert_allclose(pixel(one(field), 0.1, 0.9), bright, atol=1)
        for place in ((0.1, 0.1), (0.9, 0.9), (0.3, 0.9), (0.1, 0.7)):
            np.testing.assert_allclose(pixel(one(field), *place), dark, atol=1)

    def test_what_is_not_known_is_grey_and_what_is_outside_white(self):
        values = np.zeros((4, 4))
        values[0, :] = np.nan
        values[1, 0] = np.inf
        outside = np.zeros((4, 4), dtype=bool)
        outside[:, 3] = True
        field = Field(values, EDGES, EDGES, "values", -1.0, 1.0, "u", outside=outside, unknown="not finite")
        for place in ((0.1, 0.1), (0.6, 0.1), (0.1, 0.4)):
            np.testing.assert_allclose(pixel(one(field), *place), GREY, atol=1)
        for place in ((0.9, 0.1), (0.9, 0.9)):
            np.testing.assert_allclose(pixel(one(field), *place), WHITE, atol=0)
        assert legend(draw_view(one(field))) == ["not finite"]
        known = dataclasses.replace(field, values=np.zeros((4, 4)))
        assert legend(draw_view(one(known))) == []

    def test_what_never_arrived_is_dark_and_what_never_will_is_white(self):
        values = np.full((4, 4), 100.0)
        values[0, 0], values[0, 3] = np.inf, np.nan
        field = Field(values, EDGES, EDGES, "arrival", 0.0, 400.0, "step", never="not fitted yet")
        np.testing.assert_allclose(pixel(one(field), 0.1, 0.1), (0.35 * 255,) * 3, atol=1)
        np.testing.assert_allclose(pixel(one(field), 0.9, 0.1), WHITE, atol=0)
        assert legend(draw_view(one(field))) == ["not fitted yet"]

    def test_values_beyond_the_colours_have_those_of_the_ends(self):
        values = np.tile([-1e30, -1.0, 1.0, 1e30], (4, 1))
        field = Field(values, EDGES, EDGES, "values", -1.0, 1.0, "u", extend="both")
        for one_place, other in ((0.1, 0.4), (0.9, 0.6)):
            np.testing.assert_array_equal(pixel(one(field), one_place, 0.5), pixel(one(field), other, 0.5))

    def test_rows_on_a_logarithmic_axis_are_at_their_frequency(self):
        values = np.zeros((11, 4))
        values[4] = 1.0  # frequency 5, from 4.5 to 5.5
        upwards = Axis("cycles per domain length", 0.9, 11.5, log=True)
        field = Field(values, EDGES, np.arange(0.5, 12), "error", 0.0, 1.0, "amplitude")
        for frequency, bright in ((1.0, False), (4.4, False), (4.6, True), (5.0, True), (5.4, True), (5.6, False)):
            assert (pixel(one(field, y=upwards), 0.5, frequency)[0] > 160) == bright
        assert pixel(one(field, y=upwards), 0.5, 11.0)[0] < 100

    def test_uneven_cells_reach_as_far_as_they_do(self):
        edges = np.array([0.0, 0.01, 0.02, 0.1, 1.0])
        values = np.tile([0.0, 1.0, 0.0, 1.0], (4, 1))
        field = Field(values, edges, EDGES, "error", 0.0, 1.0, "error")
        found = [pixel(one(field), x, 0.5)[0] > 160 for x in (0.005, 0.015, 0.03, 0.09, 0.11, 0.5, 0.99)]
        assert found == [False, True, False, False, True, True, True]

    def test_a_picture_has_its_own_colours(self):
        values = np.zeros((4, 4, 3))
        values[2, 1] = 1.0, 0.5, 0.2
        values[0, 0] = np.nan, 2.0, -1.0
        view = one(Picture(values, EDGES, EDGES))
        np.testing.assert_allclose(pixel(view, 0.4, 0.6), (255, 128, 51), atol=1)
        np.testing.assert_allclose(pixel(view, 0.1, 0.1), (0, 255, 0), atol=1)

    def test_shades_are_where_they_are_and_a_band_is_marked_at_the_side_only(self):
        mask = np.array([False, True, False, False])
        grey = pixel(one(Shade(EDGES, mask, "unfitted", "not fitted")), 0.4, 0.95)
        assert len(set(grey)) == 1
        assert 215 < grey[0] < 240
        np.testing.assert_array_equal(pixel(one(Shade(EDGES, mask, "unfitted")), 0.6, 0.95), WHITE)
        upwards = one(Shade(EDGES, mask, "gap", along="y"), Curve(np.zeros(2), np.zeros(2), "model"))
        np.testing.assert_array_equal(pixel(upwards, 0.9, 0.4), WHITE)
        side = one(Shade(EDGES, mask, "carrying", along="y"))
        assert pixel(side, 0.01, 0.4)[0] > 180
        assert pixel(side, 0.01, 0.4)[1] < 100
        np.testing.assert_array_equal(pixel(side, 0.05, 0.4), WHITE)

    def test_the_first_item_lies_undermost(self):
        mask = np.ones(4, dtype=bool)
        field = Field(np.ones((4, 4)), EDGES, EDGES, "error", 0.0, 1.0)
        np.testing.assert_array_equal(pixel(one(field, Shade(EDGES, mask, "gap")), 0.5, 0.4), WHITE)
        assert pixel(one(Shade(EDGES, mask, "gap"), field), 0.5, 0.4)[2] < 60

    def test_a_hatch_covers_its_cells_in_part(self):
        mask = np.zeros((4, 4), dtype=bool)
        mask[:2] = True
        image = figures.as_image(draw_view(one(Hatch(mask, EDGES, EDGES, "target is flat"), x=Axis("", 0, 1))))
        upper, lower = image[60:180, 200:600], image[260:380, 200:600]
        assert (upper == 255).all()
        assert 0.02 < (lower < 250).any(axis=2).mean() < 0.6

    def test_a_gap_in_a_curve_and_a_band_is_blank(self):
        x = np.linspace(0.0, 1.0, 101)
        y = np.where(np.abs(x - 0.5) < 0.2, np.nan, 0.5)
        assert pixel(one(Curve(x, y, "model", width=6.0)), 0.1, 0.5)[0] > 180
        np.testing.assert_array_equal(pixel(one(Curve(x, y, "model", width=6.0)), 0.5, 0.5), WHITE)
        assert pixel(one(Band(x, y - 0.2, y + 0.2, "model")), 0.1, 0.6)[1] < 200
        np.testing.assert_array_equal(pixel(one(Band(x, y - 0.2, y + 0.2, "model")), 0.5, 0.6), WHITE)

    def test_roles_are_told_apart(self):
        x = np.linspace(0.0, 1.0, 3)
        ends = np.full(3, 0.5)
        for roles in (
            [("target", {}), ("model", {}), ("allowed", {}), ("muted", {})],
            [("series", {"number": number}) for number in range(8)],
            [("ordered", {"place": place}) for place in (0.0, 0.3, 0.6, 1.0)],
        ):
            drawn = [pixel(one(Curve(x, ends, role, width=9.0, **which)), 0.3, 0.5) for role, which in roles]
            for colour, other in itertools.combinations(drawn, 2):
                assert np.abs(colour - other).max() > 30


class TestFrames:
    def test_a_frame_of_each_item_is_drawn_and_the_last_one_unless_asked(self):
        values = np.zeros((3, 4, 4))
        values[1] = 1.0
        field = Field(values, EDGES, EDGES, "error", 0.0, 1.0)
        bright = [pixel(one(field), 0.5, 0.4, frame)[0] > 160 for frame in (0, 1, 2, -1)]
        assert bright == [False, True, False, False]
        curve = Curve(np.array([0.0, 1.0]), np.array([[0.2, 0.2], [0.8, 0.8]]), "target")
        assert draw_view(one(curve), frame=0).axes[0].lines[0].get_ydata().tolist() == [0.2, 0.2]
        assert draw_view(one(curve)).axes[0].lines[0].get_ydata().tolist() == [0.8, 0.8]


class TestSheet:
    """4.8 inches wide, every text on the paper, and none over another."""

    def views(self):
        units = np.tile(np.linspace(0, 1, 50), (2, 16, 1))
        run = with_basis(with_spectrum(known_run(last=0.5, quiet=(0.7, 0.8))), units, np.linspace(0, 1, 16))
        return [*views.pictures(run).values(), *views.moving(run)]

    def test_all_texts_are_on_the_paper_and_none_covers_another(self):
        for view in self.views():
            figure = draw_view(view)
            figures.as_image(figure)
            boxes = {}
            for text in texts(figure):
                box = text.get_window_extent()
                assert box.x0 >= 0, (view.name, text)
                assert box.y0 >= 0, (view.name, text)
                assert box.x1 <= figure.bbox.x1 + 1, (view.name, text)
                assert box.y1 <= figure.bbox.y1, (view.name, text)
                boxes[text] = box
            for (text, box), (other, its) in itertools.combinations(boxes.items(), 2):
                overlap = min(box.x1, its.x1) - max(box.x0, its.x0), min(box.y1, its.y1) - max(box.y0, its.y0)
                assert min(overlap) <= 2, (view.name, text, other)

    def test_no_legend_covers_a_panel(self):
        for view in self.views():
            figure = draw_view(view)
            figures.as_image(figure)
            for each in figure.legends:
                assert each.get_window_extent().y1 < min(axes.get_window_extent().y0 for axes in figure.axes)

    def test_letters_are_large_enough_for_a_picture_of_350_dots(self):
        for view in self.views():
            for text in texts(draw_view(view)):
                assert text.get_fontsize() * 350 / (4.8 * 72) >= 7.5, (view.name, text)

    def test_its_size(self):
        for view in self.views():
            assert figures.as_image(draw_view(view)).shape == (510, 720, 3)

    def test_panels_that_share_a_scale_have_the_shape_of_the_domain(self):
        field = Field(np.zeros((4, 4)), EDGES, EDGES, "error", 0.0, 1.0, "error")
        panel = Panel(Axis("x", 0.0, 2.0), Axis("y", 0.0, 1.0), (field,), square=True)
        figure = draw_view(View("1_front", "", "", ((panel,) * 3, (panel,) * 3)))
        for axes in figure.axes[:6]:
            box = axes.get_window_extent()
            assert box.width / box.height == pytest.approx(2.0, rel=0.01)

    def test_small_panels_stand_above_and_the_one_looked_at_has_a_thick_frame(self):
        small = tuple(
            Panel(Axis("", 0, 1), Axis("", 0, 1), (), f"output {number}", small=True, bold=number == 1)
            for number in range(3)
        )
        figure = draw_view(View("2_fit", "Fit", "", (small, (Panel(UNIT, UNIT, ()),))))
        *above, large = figure.axes
        assert [axes.spines["left"].get_linewidth() > 1.5 for axes in above] == [False, True, False]
        boxes = [axes.get_window_extent() for axes in above]
        assert min(box.y0 for box in boxes) > large.get_window_extent().y1
        assert max(box.width for box in boxes) < 0.5 * large.get_window_extent().width
        assert figure.get_figheight() > 3.4
        for axes in above:
            assert numbers(axes, "left") == []

    def test_panels_beside_each_other_have_their_numbers_once(self):
        panel = Panel(UNIT, Axis("y", 0.0, 1.0), ())
        other = Panel(UNIT, Axis("rank", 0.0, 50.0), ())
        figure = draw_view(View("7_change", "", "", ((panel, panel, other),)))
        assert [len(numbers(axes, "left")) > 1 for axes in figure.axes] == [True, False, True]

    def test_panels_below_each_other_have_their_steps_once(self):
        figure = draw_view(View("6_rank", "", "", ((Panel(UNIT, UNIT, ()),), (Panel(UNIT, Axis("y", 0, 9), ()),))))
        assert [len(numbers(axes, "bottom")) > 1 for axes in figure.axes] == [False, True]

    def test_names_stand_in_the_place_of_numbers(self):
        upwards = Axis("", 0.0, 1.0, names=((0.25, "step 8"), (0.75, "step 16")))
        figure = draw_view(one(y=upwards))
        assert [text.get_text() for text in numbers(figure.axes[0], "left")] == ["step 8", "step 16"]

    def test_what_is_absent_is_said_once_and_whole(self):
        reason = "no error that the basis allows: " + "for a long reason, of many words, " * 4
        panel = Panel(UNIT, UNIT, (), absent=(reason,))
        said = [
            text.get_text().replace("\n", " ") for text in texts(draw_view(View("6_rank", "", "", ((panel,),) * 2)))
        ]
        assert said.count(reason.strip()) == 1

    def test_a_long_title_is_set_in_two_lines(self):
        title = "Distance from the last prediction of a module, in the middle"
        figure = draw_view(dataclasses.replace(one(), title=title))
        (found,) = [text for text in figure.texts if text.get_text().replace("\n", " ") == title]
        assert "\n" in found.get_text()
        assert found.get_window_extent().width < figure.bbox.width


def test_every_item_can_be_drawn_and_nothing_else():
    assert set(get_args(views.Item)) <= set(draw_item.registry)
    with pytest.raises(TypeError, match="str is no item of a view"):
        draw_item("a curve", Figure().add_subplot(), 1.0)


def test_a_panel_is_drawn_on_axes_that_a_user_has():
    axes = Figure().subplots()
    view = line.front(known_run(last=0.5))
    assert draw_panel(axes, view.panels[0]) is axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("optimizer step", "x")
    assert (axes.get_xlim(), axes.get_ylim()) == ((0.0, 2000.0), (0.0, 1.0))
    assert axes.get_figure().axes[1].get_ylabel() == "relative error (1: nothing but the trend)"
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["front: edge of what is fitted"]
    figures.as_image(axes.get_figure())


@pytest.mark.parametrize("kind", ODD_RUNS)
def test_odd_runs_are_drawn_without_a_warning(kind, recwarn):
    drawn = figures.draw(ODD_RUNS[kind]())
    assert set(drawn) == {"1_front", "2_fit", "3_arrival"}
    for figure in drawn.values():
        assert not any("nan" in text.get_text() for text in texts(figure))
        image = figures.as_image(figure)
        assert image.dtype == np.uint8
        assert image.shape == (510, 720, 3)
        colours = image.astype(int) @ [1, 256, 65536]
        assert len(np.unique(colours)) > 10  # lines, text and what is between
    assert [str(warning.message) for warning in recwarn] == []


def test_figures_of_a_users_own_are_drawn_as_they_are():
    class Own(Diagnostic):
        name = "own"

        def look(self, observation, scale, step):
            raise NotImplementedError

        @classmethod
        def figures(cls, run):
            return {"own": lambda run: Figure(figsize=(2, 1), dpi=50)}

    run = replace(known_run(), diagnostics=(Own,))
    drawn = figures.draw(run)
    assert list(drawn) == ["2_fit", "own"]
    assert figures.as_image(drawn["own"]).shape == (50, 100, 3)


class TestImages:
    @pytest.fixture(scope="class")
    @staticmethod
    def image():
        return figures.as_image(draw_view(line.fit(known_run())))

    def test_an_image_is_pixels_of_three_colours(self, image):
        assert image.dtype == np.uint8
        assert image.ndim == 3
        assert image.shape[2] == 3
        assert image.min() < 50  # text
        assert image.max() == 255  # paper
        assert image.flags.owndata

    def test_the_same_run_gives_the_same_pixels(self, image):
        np.testing.assert_array_equal(figures.as_image(draw_view(line.fit(known_run()))), image)

    def test_a_saved_image_is_read_back(self, image, tmp_path):
        path = tmp_path / "seqfit" / "2_fit.png"
        figures.save(image, path)
        np.testing.assert_array_equal(np.rint(255 * imread(path)[..., :3]).astype(np.uint8), image)


def test_drawing_leaves_pyplot_and_its_figures_alone():
    # in a process of its own; others may import pyplot, so what counts is what drawing adds
    program = """
import sys
import lightning_seqfit.record
from lightning_seqfit import figures
from tests.runs import known_run
sys.modules.pop("matplotlib.pyplot", None)  # torchmetrics may have imported it
for figure in figures.draw(known_run()).values():
    figures.as_image(figure)
assert "matplotlib.pyplot" not in sys.modules, "pyplot was imported"
from matplotlib._pylab_helpers import Gcf
print(len(Gcf.get_all_fig_managers()), "figures are managed")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
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
        run = replace(with_spectrum(known_run()), quantity=quantity)
        for figure in figures.draw(run).values():
            assert figures.as_image(figure).shape == (510, 720, 3)

    def test_mathtext_stays_what_it_is_and_anything_else_is_drawn_as_it_stands(self):
        quantities = ("$a_b$", r"$\frac{a$", "$5")
        drawn = {q: figures.draw(replace(known_run(), quantity=q))["2_fit"].axes[0].get_ylabel() for q in quantities}
        assert drawn == {"$a_b$": "$a_b$", r"$\frac{a$": r"\$\frac{a\$", "$5": r"\$5"}

    def test_the_name_of_an_axis_is_drawn_as_it_stands_too(self):
        assert figures.draw(known_run(axis="$x"))["2_fit"].axes[0].get_xlabel() == r"\$x"

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
    assert all(each[1] < other[0] for each, other in itertools.pairwise(spans))


@pytest.mark.parametrize("highest", [1, 2, 3, 50, 64])
def test_numbers_of_what_is_counted_are_whole(highest):
    axes = Figure().add_subplot(ylim=(0.0, 1.05 * highest))
    choose_ticks(axes.yaxis, 5, whole=True)
    ticks = axes.get_yticks()
    np.testing.assert_array_equal(ticks, np.round(ticks))
    assert np.count_nonzero((ticks >= 0) & (ticks <= highest)) >= 2


@pytest.mark.parametrize("lowest", [1e-12, 1e-6, 1e-3, 0.05, 0.3, 0.9])
def test_a_logarithmic_axis_has_a_few_numbers_whatever_its_range(lowest):
    axes = Figure().add_subplot(yscale="log", ylim=(lowest, 1.05))
    choose_ticks(axes.yaxis, 5)
    ticks = axes.get_yticks()
    assert 2 <= np.count_nonzero((ticks >= lowest) & (ticks <= 1.05)) <= 9


def test_the_colour_of_a_target_is_that_of_its_curve():
    (curve,) = draw_view(one(Curve(np.zeros(2), np.zeros(2), "target", "target"))).axes[0].lines
    assert curve.get_color() == TARGET
