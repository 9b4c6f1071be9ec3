"""Each kind of figure is, to the pixel, what it was when somebody looked at it.

Where a figure was changed on purpose: renew the baselines with the versions of constraints.txt, and look at them.

    pytest tests/figures/test_pictures.py --mpl-generate-path=tests/baselines
"""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib
import numpy as np
import pytest

from lightning_seqfit import views
from lightning_seqfit.figures import draw_view
from lightning_seqfit.record.run import Components
from lightning_seqfit.views import plane
from tests.planes import SQUARE, cut_out, known_plane
from tests.planes import with_basis as with_units
from tests.runs import known_run, replace, with_basis, with_spectrum, without_target

CONSTRAINTS = (Path(__file__).parents[2] / "constraints.txt").read_text(encoding="utf-8")
PINNED = re.search(r"^matplotlib==(.*)$", CONSTRAINTS, re.MULTILINE)[1]
pytestmark = pytest.mark.skipif(
    matplotlib.__version__ != PINNED, reason=f"baselines are of matplotlib {PINNED}, here is {matplotlib.__version__}"
)
baseline = pytest.mark.mpl_image_compare(baseline_dir="../baselines", style="default", tolerance=1)


def run():
    """Fitted up to the middle, flat from 0.7 to 0.8, with one band, sigmoid units and three outputs."""
    share = np.linspace(0.0, 1.0, 60)
    places = np.linspace(0.05, 0.95, 16)
    units = np.tanh((share - places[:, None]) * 30)
    made = known_run(41, last=0.5, quiet=(0.7, 0.8))
    outputs = np.stack([made.target, made.target**2, -made.target])
    made = replace(made, output=1, components=Components(np.arange(3), outputs, 0.5 * outputs))
    return with_basis(with_spectrum(made), np.stack([0.1 * units, units]), places)


@pytest.mark.parametrize("name", ["1_front", "2_fit", "3_arrival", "4_spectrum", "5_basis", "6_rank"])
@baseline
def test_a_fit_along_a_line(name):
    return draw_view(views.pictures(run())[name])


@pytest.mark.parametrize("name", ["2_fit", "7_change"])
@baseline
def test_a_line_without_a_target(name):
    return draw_view(views.pictures(without_target(known_run()))[name])


def disc():
    """On a disc fitted up to x = 0.6, flat below y = -0.5, with three outputs."""
    made = known_plane(shape=(32, 32), active=lambda x, y: y > -0.5)
    outputs = 0.5 + 0.5 * np.stack([made.target, made.target**2, -made.target])
    made = cut_out(with_units(made, shape=(16, 16), units=6), lambda x, y: x**2 + y**2 < 0.9)
    outputs = outputs[:, made.inside]
    return replace(made, output=1, components=Components(np.arange(3), outputs, 0.5 * outputs))


@pytest.mark.parametrize("name", ["1_front", "2_fit", "5_basis"])
@baseline
def test_a_fit_in_the_plane(name):
    return draw_view(views.pictures(disc())[name])


@baseline
def test_two_slices_of_a_fit_in_space():
    run = known_plane(shape=(12, 10, 4), bounds=(*SQUARE, (0.0, 1.0)))
    return draw_view(plane.front(replace(run, prediction=run.prediction + (run.points[:, 2] == 0.125))))


@baseline
def test_a_cloud():
    points = np.random.default_rng(0).random((200, 4))
    target, steps = points.sum(axis=1), np.array([0, 10, 20, 400])
    shares = np.array([0.0, 0.5, 0.8, 0.95])[:, np.newaxis]
    run = replace(
        known_run(4, steps=steps), axes=tuple("abcd"), bounds=((0.0, 1.0),) * 4, faces=(), kind="cloud", points=points,
        target=target, prediction=shares * target, sections={},
    )  # fmt: skip
    return draw_view(views.pictures(run)["2_fit"])


@pytest.mark.parametrize("name", ["fit", "error", "spectrum", "basis"])
@baseline
def test_a_line_at_an_early_look(name):
    (view,) = [view for view in views.moving(run()) if view.name == name]
    return draw_view(view, frame=len(view.steps) // 4)
