"""A run in a notebook: what it shows of itself, and its sections as plots."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import fields
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from lightning_seqfit import Probe, load, views
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.record import display
from tests.runs import ODD_RUNS, known_run, replace, with_basis, with_spectrum, without_target
from tests.training import Net, fit, trainer


@pytest.fixture(autouse=True)
def _no_figure_is_left():
    yield
    pyplot.close("all")


class Page(HTMLParser):
    """Elements of a page, which must be closed in the order in which they were opened."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.said = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def with_all(run):
    units = np.sin(np.linspace(0, 6, 50)) * np.ones((2, 4, 1))
    return with_basis(with_spectrum(run), units, np.linspace(0, 1, 4))


def test_a_notebook_shows_verdict_summary_and_two_pictures_with_how_to_read_them():
    run = known_run(last=0.5)
    shown, _ = DisplayFormatter().format(run)
    page = Page(shown["text/html"])
    said = "".join(page.said)
    assert re.search(r"probe, step 2,000: \w+", said)
    for fact in run.summary().facts:
        assert not fact.value or fact.label in said
    pictures = [
        Image.open(io.BytesIO(base64.b64decode(each["src"].partition("base64,")[2]))) for each in page.of("img")
    ]
    assert [(each.format, each.width) for each in pictures] == [("PNG", 720), ("PNG", 720)]
    there = views.pictures(run)
    assert all(there[name].reading in said for name in ("1_front", "2_fit"))


def test_a_run_is_one_short_line_elsewhere():
    shown, _ = DisplayFormatter().format(known_run(last=0.5))
    assert shown["text/plain"] == repr(known_run(last=0.5))
    said = "step 2,000, 21 looks, 200 cells along x, 50 % fitted, 6.5 of 13 oscillations, relative RMSE 0.707"
    assert repr(known_run(last=0.5)) == f"<Run 'probe': {said}>"
    assert repr(replace(known_run(1), name="left")).startswith(
        "<Run 'left': step 0, 1 look, 200 cells along x, 0 % fit"
    )


def test_what_comes_from_a_run_is_escaped():
    script = "<script>alert(1)</script>"
    run = replace(known_run(), name=script, quantity=script, notes=(script,))
    page = Page(run._repr_html_())
    assert not page.of("script")
    assert script in "".join(page.said)  # as text


def test_a_run_without_a_target_says_why_it_is_not_judged():
    said = "".join(Page(without_target(known_run())._repr_html_()).said)
    assert "not judged: the record has no front" in said


@pytest.mark.parametrize("kind", ODD_RUNS)
def test_every_run_can_be_shown(kind):
    page = Page(ODD_RUNS[kind]()._repr_html_())
    assert len(page.of("img")) == 2
    assert not page.of("pre")


def test_what_cannot_be_shown_says_why_and_leaves_the_rest(monkeypatch):
    def failing(run):
        raise RuntimeError("no <ink>")

    monkeypatch.setattr(display, "pictures", failing)
    page = Page(known_run(last=0.5)._repr_html_())
    assert not page.of("ink")
    said = "".join(page.said)
    assert "pictures cannot be shown: RuntimeError: no <ink>" in said
    assert "relative error" in said
    broken = replace(known_run(3), diagnostics=(object(),))
    assert "no summary (AttributeError" in repr(broken)
    said = "".join(Page(broken._repr_html_()).said)
    assert "summary cannot be shown: AttributeError" in said
    assert "pictures cannot be shown" in said


def test_advice_is_listed_with_what_to_expect(monkeypatch):
    from lightning_seqfit.diagnosis import Advice, Diagnosis, Forecast, Verdict

    advice = (Advice("take <more> points", "it fits", "in 5 of 6"), Advice("wait", "it comes", "docs"))
    found = Diagnosis(9, Verdict.SEQUENTIAL, True, 7, 0.7, (), Forecast(9_400.0, 7_100.0, 13_500.0), advice, ())
    monkeypatch.setattr(display, "diagnose", lambda run: found)
    said = "".join(Page(known_run()._repr_html_()).said)
    assert "sequential since step 7; fitted at about step 9,400 (7,100 to 13,500, four times in five)" in said
    assert "take <more> points. Expected: it fits (in 5 of 6)" in said
    assert "wait. Expected: it comes (docs)" in said


def test_a_section_draws_its_view():
    run = known_run()
    axes = run.front.plot()
    assert isinstance(axes, Axes)
    assert axes.get_title() == views.pictures(run)["1_front"].title
    arrival = run.front.plot(view="3_arrival").get_lines()[0]
    assert arrival.get_ydata().tolist() == run.front.arrival.tolist()
    counts = {line.get_label(): line.get_ydata() for line in run.oscillations.plot().get_lines()}
    assert counts["fitted"].tolist() == (np.floor(26 * np.linspace(0, 1, 21)) / 2).tolist()


def test_a_section_with_several_panels_gives_as_many_axes():
    run = with_all(known_run())
    upper, lower = run.basis.plot(view="6_rank")
    assert upper.get_lines()[0].get_ydata().tolist() == np.linspace(3, 40, 21).round().tolist()
    np.testing.assert_allclose(lower.get_lines()[1].get_ydata(), np.geomspace(1.0, 0.01, 21))
    assert run.basis.plot().shape == (2,)  # snapshots of two steps


def test_a_section_that_several_runs_share_draws_the_one_that_it_was_taken_from():
    volts = with_spectrum(known_run())
    tesla = replace(volts, quantity="B (T)")
    assert volts.sections["spectrum"] is tesla.sections["spectrum"]
    labels = []
    for run in (volts, tesla, volts):
        axes = run.spectrum.plot(ax=Figure().add_subplot())
        labels.append(axes.figure.axes[1].get_ylabel())
    assert labels == [f"amplitude of the residual: {name}" for name in ("u (V)", "B (T)", "u (V)")]


def test_a_section_keeps_its_arrays_and_its_fields():
    run = known_run()
    assert run.front.local_error is run.sections["front"].local_error
    front = run.sections["front"]
    assert all(getattr(run.front, each.name) is getattr(front, each.name) for each in fields(front))
    assert replace(run.front, quiet=0.5).quiet == 0.5


def test_a_section_that_was_taken_from_no_run_says_how_to_get_one():
    with pytest.raises(ValueError, match=r"belong to no run: take them from one, as in run\.front\.plot\(\)"):
        known_run().sections["front"].plot()


def test_another_view_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="view='1_fit' does not show the front: give one of 1_front, 3_arrival"):
        known_run().front.plot(view="1_fit")


def test_change_is_drawn_of_a_run_without_a_target():
    upper, _ = without_target(known_run()).change.plot()
    np.testing.assert_allclose(upper.get_lines()[0].get_ydata(), 1.0 / np.arange(1, 22))


def test_sections_of_a_loaded_run_draw(tmp_path):
    probe = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(6 * torch.pi * x[:, 0]), resolution=64)
    fit(trainer(tmp_path, [SequentialFitting(probe)], max_steps=20, logger=False), Net())
    run = load(tmp_path)
    axes = run.stall.plot()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("optimizer step", "training loss")
    np.testing.assert_array_equal(axes.get_lines()[0].get_ydata(), run.scalars["training/loss"])
    assert "undecided" in axes.get_legend_handles_labels()[1]
    assert len(Page(run._repr_html_()).of("img")) == 2
    assert run.to_xarray()["prediction"].shape == (len(run.steps), 64)
    assert run.to_frame().loc[20, "front/fitted"] == run.front.fitted[-1]
