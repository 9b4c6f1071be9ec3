"""Views on axes of pyplot, as a notebook shows them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_seqfit.figures.notebook import plot_view
from lightning_seqfit.views import Axis, Curve, Panel, View


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    pyplot.close("all")


def panel(slope, title="", high=2.0, **options):
    line = Curve(np.arange(3.0), slope * np.arange(3.0), "model", f"slope {slope:g}")
    return Panel(Axis("x (m)", 0.0, 2.0), Axis("u (V)", 0.0, high), (line,), title, **options)


def view(*rows):
    return View("2_fit", "Fit at step 8", "", rows)


def drawn(axes):
    return [line.get_ydata().tolist() for line in axes.get_lines()]


def test_one_panel_comes_as_one_axes_of_a_figure_that_a_notebook_shows():
    axes = plot_view(view((panel(1.0),)))
    assert isinstance(axes, Axes)
    assert pyplot.figure(pyplot.get_fignums()[-1]) is axes.figure
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("Fit at step 8", "x (m)", "u (V)")
    assert drawn(axes) == [[0.0, 1.0, 2.0]]


def test_several_panels_come_row_by_row_and_lie_so():
    axes = plot_view(view((panel(1.0, "a"), panel(2.0, "b")), (panel(3.0, "c"),)))
    assert axes.shape == (3,)
    assert [each.get_title() for each in axes] == ["a", "b", "c"]
    assert [drawn(each)[0][1] for each in axes] == [1.0, 2.0, 3.0]
    figure = axes[0].figure
    assert figure.get_suptitle() == "Fit at step 8"
    figure.canvas.draw()
    a, b, c = (each.get_position() for each in axes)
    assert a.x1 < b.x0
    assert a.y0 == pytest.approx(b.y0)
    assert c.y1 < a.y0


def test_given_axes_are_drawn_on_and_no_figure_is_opened():
    figure, slopes = Figure(), (1.0, 2.0)
    given = [figure.add_subplot(1, 2, 1), figure.add_subplot(1, 2, 2)]
    back = plot_view(view(tuple(map(panel, slopes))), given)
    assert list(back) == given
    assert [drawn(each)[0][1] for each in given] == [1.0, 2.0]
    one = figure.add_subplot()
    assert plot_view(view((panel(1.0),)), one) is one
    assert not pyplot.get_fignums()


@pytest.mark.parametrize("ax", ["one", "x", 3])
def test_axes_that_do_not_fit_are_refused_in_words(ax):
    given = Figure().add_subplot() if ax == "one" else ax
    with pytest.raises(
        ValueError, match=r"ax=(Axes|str|int), and 2_fit has 2 panels: give as many Matplotlib Axes, or"
    ):
        plot_view(view((panel(1.0), panel(2.0))), given)


@pytest.mark.parametrize("high", [1.0, 6.0])
def test_axes_that_share_a_scale_keep_it(high):
    axes = plot_view(view((panel(0.3, high=high, square=True),)))
    axes.figure.canvas.draw()
    box = axes.get_window_extent()
    assert box.height / box.width == pytest.approx(high / 2.0, rel=1e-3)
    assert box.height > 100
