"""What a notebook shows of a run, and axes that sections draw on."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.record import notebook
from tests.runs import ODD_RUNS, known_run, replace, with_basis, with_spectrum, without_target
from tests.training import Net, fit, trainer

BAD = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def closed():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def shown(run):
    """What IPython asks a run for."""
    data, _ = DisplayFormatter().format(run, include=["text/html", "text/plain"])
    return data["text/html"], data["text/plain"]


def images(html):
    return [base64.b64decode(data) for data in re.findall(r'src="data:image/png;base64,([^"]+)"', html)]


def test_a_run_shows_how_far_it_is_its_verdict_and_its_pictures():
    html, text = shown(known_run(last=0.5))
    assert text == "<run of 'probe': 50 % fitted, 6.5 of 13 oscillations, relative RMSE 0.707; 21 looks to step 2,000>"
    assert "50 % fitted" in html
    assert re.search(r"<b>[a-z ]+</b> at step 2,000", html)
    assert [image[:4] for image in images(html)] == 2 * [b"\x89PNG"]


def test_nothing_that_comes_from_a_run_is_markup():
    run = known_run(3).replace(name=BAD, quantity=BAD, notes=(BAD,))
    html, _ = shown(run)
    assert "<script" not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize("kind", ODD_RUNS)
def test_every_run_shows_itself(kind):
    html, text = shown(ODD_RUNS[kind]())
    assert "cannot be" not in html + text
    assert len(images(html)) == 2


def test_a_run_without_a_target_says_so():
    html, text = shown(without_target(known_run(4)))
    assert "not judged: the record has no front" in html
    assert text.startswith("<run of 'probe': no target")


def test_what_fails_leaves_the_rest_and_is_said(monkeypatch):
    def fails(run):
        raise RuntimeError(BAD)

    monkeypatch.setattr(notebook, "pictures", fails)
    html, _ = shown(known_run(3))
    assert "pictures cannot be shown: RuntimeError: &lt;script&gt;" in html
    assert "<th>fitted</th>" in html
    broken = known_run(3).replace(diagnostics=(object(),))
    assert "which cannot be summed up: AttributeError" in repr(broken)
    assert "summary cannot be shown" in shown(broken)[0]


def everything():
    run = with_spectrum(known_run(last=0.5))
    places = np.array([0.25, 0.5, 0.75])
    return with_basis(run, np.zeros((2, 3, 50)) + np.linspace(0, 1, 50), places)


@pytest.mark.parametrize(
    ("section", "panels", "label"),
    [
        ("front", 1, "x"),
        ("oscillations", 1, "oscillations"),
        ("spectrum", 1, "cycles per domain length"),
        ("basis", 2, ""),
    ],
)
def test_a_section_draws_on_axes_of_pyplot_and_on_given_ones(section, panels, label):
    part = getattr(everything(), section)
    drawn = np.ravel(part.plot())
    assert len(drawn) == panels
    assert all(isinstance(axes, Axes) and axes.has_data() for axes in drawn)
    assert {axes.figure.number for axes in drawn} == set(plt.get_fignums())
    assert label in drawn[0].get_ylabel() + drawn[0].get_xlabel()
    figure, given = plt.subplots(1, panels)
    again = part.plot(ax=given)
    assert all(one is other for one, other in zip(np.ravel(again), np.ravel(given), strict=True))
    assert len(plt.get_fignums()) == 2
    figure.canvas.draw()


def test_the_change_of_a_run_without_a_target_draws_both_panels():
    assert len(without_target(known_run(4)).change.plot()) == 2


def test_sections_of_a_loaded_run_draw(tmp_path):
    probe = Probe.grid([(0.0, 1.0)], lambda x: torch.sin(6 * torch.pi * x[:, 0]), resolution=64)
    fit(trainer(tmp_path, [SequentialFitting(probe)], max_steps=20, logger=False), Net())
    run = load(tmp_path)
    axes = run.stall.plot()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("optimizer step", "training loss")
    assert "undecided" in axes.get_legend_handles_labels()[1]
    assert len(images(shown(run)[0])) == 2
    assert run.to_xarray().prediction.shape == (len(run.steps), 64)
    assert run.to_frame().loc[20, "front/fitted"] == run.front.fitted[-1]


def test_too_few_axes_are_refused_in_words():
    _, axes = plt.subplots()
    with pytest.raises(ValueError, match=r"ax has 1 axes and 'Basis functions' 2 panels: give 2, or none"):
        everything().basis.plot(ax=axes)


def test_a_section_draws_the_run_that_it_was_taken_from():
    run = known_run(last=0.5, axis="x")
    other = run.replace(quantity="v", axes=("t",), bounds=((0.0, 9.0),), points=9 * run.points)
    assert run.sections["front"] is other.sections["front"]
    first, second = run.front, other.front
    assert [first.plot().get_ylabel(), second.plot().get_ylabel()] == ["x", "t"]
    assert (first.plot().get_ylim(), second.plot().get_ylim()) == ((0.0, 1.0), (0.0, 9.0))


def test_a_section_of_no_run_says_how_to_get_one():
    with pytest.raises(ValueError, match=r"this FrontRecord is of no run: take it from one, such as load\(run_dir\)"):
        replace(known_run(3).sections["front"]).plot()
