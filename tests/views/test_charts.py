"""Charts over the steps of runs made by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lightning_seqfit.record import Scalars
from lightning_seqfit.views import Curve, charts
from tests.runs import ODD_RUNS, known_run, replace, with_basis, with_spectrum, without_target


def chart(run, name):
    return next((view for view in charts(run) if view.name == name), None)


def curves(view, panel=0):
    return {item.label: item for item in view.panels[panel].items if isinstance(item, Curve)}


def with_scalars(run, **scalars):
    named = {f"training/{name}": np.asarray(values, dtype=np.float64) for name, values in scalars.items()}
    return replace(run, scalars=Scalars({**run.scalars, **named}, "seqfit/"))


def with_verdicts(run, *words):
    return replace(run, sections={**run.sections, "stall": SimpleNamespace(verdict=np.array(words))})


class TestProgress:
    def test_it_has_the_fitted_share_and_the_depths_in_percent(self):
        view = chart(known_run(5, last=0.5), "progress")
        drawn = curves(view)
        assert list(drawn) == ["fitted", "depth from x_min", "depth from x_max"]
        np.testing.assert_allclose(drawn["fitted"].y, [0.0, 12.5, 25.0, 37.5, 50.0])
        np.testing.assert_allclose(drawn["fitted"].x, [0, 500, 1000, 1500, 2000])
        np.testing.assert_allclose(drawn["depth from x_max"].y, 0.0)
        assert view.reading == (
            "50 % of the domain is fitted; the first larger part that is not begins 50 % of the way from x_min and "
            "0 % of the way from x_max."
        )

    def test_nothing_is_left_where_all_is_fitted(self):
        assert chart(known_run(5), "progress").reading == "100 % of the domain is fitted."

    def test_there_is_none_where_the_front_was_not_watched(self):
        assert chart(known_run(watched=False), "progress") is None
        assert chart(without_target(known_run()), "progress") is None


class TestOscillations:
    def test_target_model_and_fitted_are_told_apart(self):
        view = chart(known_run(5, last=0.5), "oscillations")
        assert [curve.y[-1] for curve in curves(view).values()] == [13, 6.5, 6.5]
        assert view.reading == "6.5 of the target's 13 oscillations are fitted."

    def test_what_is_not_the_target_s_is_said(self):
        run = known_run(5)
        run = replace(run, oscillations=replace(run.oscillations, spurious=np.full(5, 2.5)))
        assert chart(run, "oscillations").reading.endswith("are fitted; 2.5 of the model's are not the target's.")

    def test_in_the_plane_they_are_lobes(self):
        assert chart(replace(known_run(), axes=("x", "y")), "oscillations").title == "Lobes"


class TestBands:
    def test_only_bands_in_which_the_target_oscillates_are_drawn(self):
        run = with_spectrum(known_run(5), relative_error={"4-8": np.geomspace(1.0, 0.01, 5)})
        view = chart(run, "bands")
        assert list(curves(view)) == ["4-8 cycles"]
        assert view.reading == "Error over target in each band of cycles per domain length, now 4-8: 0.01."

    def test_a_missing_band_is_named(self):
        run = with_spectrum(known_run(5), relative_error={"4-8": np.full(5, 0.98)})
        assert chart(run, "bands").reading.endswith("now 4-8: 0.98; at about 1 a band is missing: 4-8.")

    def test_a_band_that_has_too_much_is_not_missing(self):
        run = with_spectrum(known_run(5), relative_error={"4-8": np.full(5, 4.7e21)})
        assert chart(run, "bands").reading.endswith("now 4-8: 4.7e+21.")

    def test_there_is_none_without_a_band(self):
        assert chart(with_spectrum(known_run(5), carrying=np.zeros(4, dtype=bool)), "bands") is None


class TestErrors:
    def test_they_have_a_chart_where_no_basis_was_watched(self):
        run = known_run(5, last=0.5)
        assert curves(chart(run, "errors"))["actual error"].y[0] == 1.0
        units = np.zeros((2, 3, 10))
        assert chart(with_basis(run, units, np.zeros(3)), "errors") is None

    def test_the_noise_is_beside_it(self):
        run = known_run(5)
        noisy = replace(run, scalars=Scalars({**run.scalars, "error/noise": np.full(5, 0.2)}, "seqfit/"))
        assert curves(chart(noisy, "errors"))["noise of the target"].y.tolist() == [0.2] * 5


class TestLoss:
    def test_a_verdict_is_marked_where_it_changed(self):
        run = with_scalars(known_run(5), loss=[1.0, 0.5, 0.4, 0.2, 0.1])
        view = chart(with_verdicts(run, "", "undecided", "undecided", "sequential", "fitted"), "loss")
        marks = {
            label: (curve.x.tolist(), curve.y.tolist()) for label, curve in curves(view).items() if curve.style == "o"
        }
        assert marks == {
            "undecided": ([500.0], [0.5]),
            "sequential": ([1500.0], [0.2]),
            "fitted": ([2000.0], [0.1]),
        }
        said = "undecided from step 500, sequential from step 1,500 and fitted from step 2,000"
        assert view.reading == f"The loss went from 1 to 0.1; found: {said}."

    def test_a_verdict_of_a_look_without_a_loss_is_at_the_next_that_has_one(self):
        run = with_scalars(known_run(3), loss=[np.nan, np.nan, 0.1])
        view = chart(with_verdicts(run, "", "stuck", "stuck"), "loss")
        assert (curves(view)["stuck"].x, curves(view)["stuck"].y) == (1000.0, 0.1)

    @pytest.mark.parametrize(("rates", "panels"), [([0.1, 0.1, 0.1], 1), ([0.1, 0.05, 0.01], 2)])
    def test_the_learning_rate_is_shown_where_it_changes(self, rates, panels):
        view = chart(with_scalars(known_run(3), loss=[3.0, 2.0, 1.0], learning_rate=rates), "loss")
        assert len(view.panels) == panels

    def test_there_is_none_without_a_loss(self):
        assert chart(known_run(), "loss") is None
        assert chart(with_scalars(known_run(3), loss=[np.nan, np.inf, 0.0]), "loss") is None


@pytest.mark.parametrize("kind", ODD_RUNS)
def test_odd_runs_have_charts_with_finite_axes_and_a_sentence(kind):
    run = with_scalars(ODD_RUNS[kind](), loss=np.linspace(1, 0, len(ODD_RUNS[kind]().steps)))
    for view in charts(run):
        assert view.reading.endswith(".")
        assert "nan" not in view.reading.replace("not finite", "")
        assert len(view.title) <= 40
        for panel in view.panels:
            assert np.isfinite([panel.x.low, panel.x.high, panel.y.low, panel.y.high]).all()
            assert panel.x.low < panel.x.high
            assert panel.y.low < panel.y.high
            assert not panel.y.log or panel.y.low > 0
