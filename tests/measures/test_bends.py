"""Fields that only bend, and fields that oscillate."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_seqfit.geometry import Grid, Scattered
from lightning_seqfit.measures.bends import only_bends

LINE = Grid(bounds=((0.0, 1.0),), shape=(512,), axes=("x",))
X = LINE.points[:, 0]
PLANE = Grid(bounds=((0.0, 1.0),) * 2, shape=(40, 60), axes=("x", "y"))
BENT = {
    "cube": X**3,
    "cube about its middle": (2 * X - 1) ** 3,
    "exp": np.exp(3 * X),
    "sqrt": np.sqrt(X),
    "log": np.log(X + 0.01),
    "tanh": np.tanh(20 * (X - 0.4)),
    "step": np.where(X > 0.3, 1.0, -1.0),
    "layer": X + np.exp(-X / 0.01),
    "kink": np.abs(X - 0.4),
    "line": 2 - X,
}
WAVY = {
    "a cycle": np.sin(2 * np.pi * X),
    "a cosine": np.cos(2 * np.pi * X),
    "a wave on a steep line": 1000 * X + np.sin(6 * np.pi * X),
    "a ripple on a parabola": X**2 + 0.005 * np.sin(36 * np.pi * X),
    "a ripple of a point": X**2 + 0.01 * (np.arange(512) % 2),
    "a staircase": np.floor(4 * X),
    "a bump": np.exp(-(((X - 0.5) / 0.1) ** 2)),
}


@pytest.mark.parametrize("field", BENT.values(), ids=BENT)
@pytest.mark.parametrize("turned", [False, True])
def test_what_only_bends_does_so_from_either_end_and_upside_down(field, turned):
    given = field[::-1] if turned else field
    assert only_bends(LINE, given, 1e-3)
    assert only_bends(LINE, -given, 1e-3)


@pytest.mark.parametrize("field", WAVY.values(), ids=WAVY)
def test_a_wave_does_not_only_bend(field):
    assert not only_bends(LINE, field, 1e-3)
    assert not only_bends(LINE, -field, 1e-3)


@pytest.mark.parametrize(("ripple", "bends"), [(0.0013, True), (0.0025, False)])
def test_the_deviation_is_how_far_the_values_may_lie_above_the_hull(ripple, bends):
    tent = np.maximum(1 - np.abs(X - 0.5) / 0.02, 0.0)  # whose feet are 0.0004 up the parabola
    assert only_bends(LINE, (X - 0.5) ** 2 + ripple * tent, 1e-3) is bends


def test_points_may_lie_anywhere_and_coincide():
    places = np.concatenate([np.random.default_rng(0).random(300), [0.5, 0.5, 0.5]])
    points = Scattered.spanning(places)
    assert only_bends(points, np.exp(3 * places), 1e-3)
    assert not only_bends(points, np.sin(12 * places), 1e-3)


def test_in_the_plane_every_line_is_asked():
    x, y = PLANE.points.T
    for field in (x * y, x**2 - y**2, np.exp(x - 2 * y), np.tanh(9 * (x - y))):
        assert only_bends(PLANE, field, 1e-3)
    for field in (np.sin(9 * x), x + np.sin(9 * y), np.where(y > 0.98, np.sin(9 * x), 0.0)):
        assert not only_bends(PLANE, field, 1e-3)
