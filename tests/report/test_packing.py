"""What a browser unpacks is what a view had, as far as one can see it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lightning_seqfit.report.packing import Arrays, pack
from lightning_seqfit.views import Axis, Curve, Field, Panel, View
from tests.report.making import codes, every_item, packed, values

RANDOM = np.random.default_rng(0)
EDGES = np.arange(51.0)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("moving", [False, True])
def test_a_curve_comes_back_closer_than_a_pixel_of_its_panel(log: bool, moving: bool) -> None:
    given = 10 ** RANDOM.uniform(-2, 1, (7, 50) if moving else 50)
    given.flat[[3, 8, 20]] = np.nan, np.inf, -np.inf
    arrays = Arrays()
    array = arrays.curve(given, Axis("", 0.01, 10.0, log=log), moving)
    found = values(packed(arrays.text()), array).reshape(given.shape)
    expected = np.where(np.isneginf(given) & log, np.nan, given)  # on a logarithmic axis it has no place at all
    known = np.isfinite(expected)
    np.testing.assert_array_equal(found[~known], expected[~known])
    place = np.log10 if log else np.asarray
    assert np.abs(place(found[known]) - place(expected[known])).max() < (3.0 if log else 9.99) / 2000


def test_what_leaves_a_panel_stays_outside_it() -> None:
    arrays = Arrays()
    array = arrays.curve(np.array([-1e9, -1.1, 1.1, 1e9]), Axis("", -1.0, 1.0), False)
    found = values(packed(arrays.text()), array)
    assert (found[:2] < -1.0).all()
    assert (found[2:] > 1.0).all()


@pytest.mark.parametrize("log", [False, True])
def test_a_field_comes_back_in_251_colours_and_says_what_has_none(log: bool) -> None:
    given = 10 ** RANDOM.uniform(-2, 1, (3, 4, 50))
    special = {(0, 0, 0): np.nan, (0, 0, 1): np.inf, (0, 0, 2): 1e-3, (0, 0, 3): 11.0, (1, 0, 0): 0.0}
    for place, value in special.items():
        given[place] = value
    outside = np.zeros((4, 50), dtype=bool)
    outside[3, 49] = True
    field = Field(given, EDGES, np.arange(5.0), "error", 0.01, 10.0, log=log, outside=outside)
    arrays = Arrays()
    array = arrays.colours(field)
    found = codes(packed(arrays.text()), array).reshape(given.shape)
    assert [found[place] for place in special] == [255, 254, 252, 253, 252]
    assert (found[:, 3, 49] == 251).all()
    plain = found < 251
    assert plain.sum() == given.size - len(special) - 3
    share = (np.log10(given[plain]) + 2) / 3 if log else (given[plain] - 0.01) / 9.99
    assert np.abs(found[plain] / 250 - share).max() <= 0.5 / 250 + 1e-12


@pytest.mark.parametrize("moving", [False, True])
def test_every_kind_of_item_is_described(moving: bool) -> None:
    view, arrays = every_item(moving=moving), Arrays()
    described = pack(view, arrays)
    data = packed(arrays.text())
    panels = [panel for row in described["rows"] for panel in row]
    items = [item for panel in panels for item in panel["items"]]
    assert {item["is"] for item in items} == {"curve", "band", "shade", "field", "outline", "hatch", "picture"}
    assert described["steps"] == ([0, 10, 100, 1000] if moving else None)
    shade, outline = panels[0]["items"][0], panels[1]["items"][1]
    assert shade["frames"] == outline["frames"] == (4 if moving else 0)
    expected = np.eye(4) if moving else np.eye(4)[-1:]
    np.testing.assert_array_equal(codes(data, shade["mask"]).reshape(expected.shape), expected)
    classes = codes(data, outline["classes"]).reshape(-1, 2, 4) - 1 + outline["classes"]["first"]
    np.testing.assert_array_equal(classes[:, 1], expected)
    picture = codes(data, panels[3]["items"][0]["values"]).reshape(-1, 2, 4, 3)
    np.testing.assert_array_equal(picture[..., 0], 255 * np.repeat(expected[:, None], 2, axis=1))
    assert not picture[..., 1:].any()


def test_names_of_cells_without_a_value_are_said_only_where_there_are_such() -> None:
    def said(values: Any, colours: Any, **fields: Any) -> tuple[str, str]:
        field = Field(np.array([values]), np.arange(4.0), np.arange(2.0), colours, 0.0, 1.0, **fields)
        panel = Panel(Axis("", 0.0, 3.0), Axis("", 0.0, 1.0), (field,))
        (item,) = pack(View("v", "", "", ((panel,),)), Arrays())["rows"][0][0]["items"]
        return item["unknown"], item["never"]

    names = {"unknown": "flat", "never": "not yet"}
    assert said([0.0, 1.0, 0.5], "arrival", **names) == ("", "")
    assert said([0.0, np.inf, 0.5], "arrival", **names) == ("", "not yet")
    assert said([0.0, np.inf, np.nan], "arrival", **names) == ("flat", "not yet")
    assert said([0.0, np.inf, 0.5], "error", unknown="not finite") == ("not finite", "")
    outside = np.array([[False, False, True]])
    assert said([0.0, 0.0, np.nan], "error", unknown="not finite", outside=outside) == ("", "")


def test_an_array_that_comes_twice_is_packed_once() -> None:
    x, arrays = np.linspace(0.0, 1.0, 1000), Arrays()
    panel = Panel(Axis("", 0.0, 1.0), Axis("", 0.0, 1.0), tuple(Curve(x, x, "series", number=i) for i in range(5)))
    pack(View("v", "", "", ((panel,),)), arrays)
    assert len(packed(arrays.text())) == 8 * 1000 + 2 * 1000


@pytest.mark.parametrize("ends", [(0.0, 0.0), (np.nan, 1.0), (-np.inf, np.inf)])
def test_an_axis_without_a_length_gets_one(ends: tuple[float, float]) -> None:
    panel = Panel(Axis("", *ends), Axis("", *ends), (Curve(np.zeros(1), np.zeros(1), "model"),))
    described = pack(View("v", "", "", ((panel,),)), Arrays())["rows"][0][0]
    for axis in (described["x"], described["y"]):
        assert np.isfinite([axis["low"], axis["high"]]).all()
        assert axis["low"] < axis["high"]
