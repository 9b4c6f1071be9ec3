"""Views of spectrum, rank and change of runs made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lightning_seqfit.record import Scalars
from lightning_seqfit.views import Curve, Field, Shade, training
from tests.runs import known_run, replace, with_basis, with_spectrum, without_target


def spectrum_run(**fields):
    return with_spectrum(known_run(5, steps=[0, 100, 200, 300, 400]), **fields)


def items(view, kind, panel=0):
    return [item for item in view.panels[panel].items if isinstance(item, kind)]


class TestSpectrum:
    def test_rows_are_frequencies_and_columns_looks(self):
        view = training.spectrum(spectrum_run())
        (field,) = items(view, Field)
        expected = np.full((11, 5), np.sqrt(2e-6))
        expected[4] = 10.0 ** (-np.arange(5) / 2)  # the first row is that of frequency 1
        np.testing.assert_allclose(field.values, expected)
        np.testing.assert_allclose(field.y_edges, np.arange(0.5, 12))
        np.testing.assert_allclose(field.x_edges, [0, 50, 150, 250, 350, 400])
        assert (field.low, field.high, field.log) == (pytest.approx(1e-3), 1.0, True)
        panel = view.panels[0]
        assert (panel.y.low, panel.y.high, panel.y.log) == (0.9, 11.5, True)

    def test_bands_that_carry_and_their_convergence_are_marked(self):
        view = training.spectrum(spectrum_run())
        (shade,), (mark,) = items(view, Shade), items(view, Curve)
        assert (shade.kind, shade.along) == ("carrying", "y")
        assert shade.edges[:-1][shade.mask].tolist() == [4.0]
        np.testing.assert_allclose([mark.x, mark.y], [[300.0], [32**0.5]])

    def test_the_axis_says_that_all_directions_are_together(self):
        run = spectrum_run()
        plane = replace(run, axes=("x", "y"))
        for each, said in ((plane, "cycles per domain length, any direction"), (run, "cycles per domain length")):
            assert training.spectrum(each).panels[0].y.label == said

    def test_bands_that_are_not_marked_are_missed_in_words(self):
        never, none = np.full(4, np.inf), np.zeros(4, dtype=bool)
        for fields, absent in (
            ({}, ()),
            ({"converged": never}, ("no band is within tolerance yet",)),
            ({"converged": never, "carrying": none}, ("no bands are marked: the target oscillates in none",)),
        ):
            assert training.spectrum(spectrum_run(**fields)).panels[0].absent == absent

    def test_what_is_not_finite_is_not_known(self):
        power = spectrum_run().spectrum.power.copy()
        power[2, 3] = np.inf
        (field,) = items(training.spectrum(spectrum_run(power=power)), Field)
        assert np.argwhere(np.isnan(field.values)).tolist() == [[2, 2]]

    def test_moving_it_is_the_amplitude_at_the_look_over_that_at_the_first(self):
        view = training.spectrum(spectrum_run(), moving=True)
        assert view.steps.tolist() == [0, 100, 200, 300, 400]
        first, moving = items(view, Curve)
        np.testing.assert_allclose(moving.x, np.arange(1, 12))
        np.testing.assert_allclose(moving.y[:, 4], 10.0 ** (-np.arange(5) / 2))
        np.testing.assert_array_equal(first.y, moving.y[0])
        (shade,) = items(view, Shade)
        assert (shade.along, shade.edges[:-1][shade.mask].tolist()) == ("x", [4.0])
        assert view.reading.startswith("High is what is missing: of the bands")

    def test_the_reading_tells_which_bands_came_and_which_did_not(self):
        three = np.array([True, False, True, True])
        some = training.spectrum(spectrum_run(carrying=three, spectral_order=np.full(5, 0.8))).reading
        assert some == (
            "Bright is what is missing: of the bands of the target, 4-8 came within tolerance at step 300; 1-2 and "
            "8-12 are not fitted yet (spectral order +0.80, 1: from low to high)."
        )
        assert training.spectrum(spectrum_run()).reading.endswith(
            "4-8 came within tolerance at step 300; no band is missing."
        )
        for last in (0.4, np.nan):
            errors = dict.fromkeys(("1-2", "2-4", "4-8", "8-12"), np.array([1.0, 1.0, 1.0, 0.1, last]))
            lost = training.spectrum(spectrum_run(relative_error=errors)).reading
            assert lost.endswith("came within tolerance at step 300; 4-8 is lost again.")
        none = training.spectrum(spectrum_run(converged=np.full(4, np.inf))).reading
        assert none.endswith("none of the bands in which the target oscillates, 4-8, is fitted yet.")
        flat = training.spectrum(spectrum_run(carrying=np.zeros(4, dtype=bool))).reading
        assert flat == "The target oscillates in no band, so none is marked; bright is what is missing."
        assert training.spectrum(spectrum_run(), moving=True).reading.startswith("High is what is missing: ")


class TestRank:
    def run(self, notes=(), **fields):
        run = with_basis(known_run(5, last=0.5), np.ones((2, 3, 50)), [0.1, 0.2, 0.3], **fields)
        return replace(run, notes=tuple(notes))

    def test_ranks_and_errors_are_over_the_steps(self):
        run = self.run()
        view = training.rank(run)
        numerical, effective = items(view, Curve)
        np.testing.assert_array_equal(numerical.y, run.basis.numerical_rank)
        np.testing.assert_array_equal(effective.y, run.basis.effective_rank)
        actual, allowed = items(view, Curve, 1)
        np.testing.assert_array_equal(actual.y, run.scalars["error/relative_rmse"])
        np.testing.assert_array_equal(allowed.y, run.basis.projection_error)
        assert view.panels[0].y.whole
        assert view.panels[1].y.log

    def test_an_error_of_0_is_not_drawn_on_a_logarithmic_axis(self):
        run = replace(
            self.run(), scalars=Scalars({"error/relative_rmse": np.array([1, 0.5, 0, np.inf, 0.1])}, "seqfit/")
        )
        actual, _ = items(training.rank(run), Curve, 1)
        np.testing.assert_array_equal(actual.y, [1, 0.5, np.nan, np.nan, 0.1])

    def test_an_error_of_the_basis_that_is_absent_has_its_reason_in_the_picture(self):
        why = "the target is 0 everywhere: for the residual of an equation the basis has no target"
        notes = ("basis: input of layer 'b'", f"basis/projection_error is absent: {why}")
        absent = self.run(notes, projection_error=np.full(5, np.nan))
        assert training.rank(absent).panels[1].absent == (f"no error that the basis allows: {why}",)
        assert training.rank(absent).reading.endswith("which error it allows is not known.")
        assert training.rank(self.run(notes)).panels[1].absent == ()

    def test_a_rank_that_is_absent_has_its_reason_in_the_picture(self):
        view = training.rank(self.run(numerical_rank=np.full(5, np.nan)))
        assert view.panels[0].absent == ("no rank is known: the units are not finite",)
        assert view.reading == "The units were finite at no look, so that the basis has no rank."

    def test_without_a_target_there_is_no_error(self):
        assert len(training.rank(without_target(self.run())).panels) == 1

    def test_the_reading_compares_what_is_with_what_could_be(self):
        run = replace(self.run(), scalars=Scalars({"error/relative_rmse": np.array([1, 1, 1, 1, 0.4])}, "seqfit/"))
        assert training.rank(run).reading == (
            "The basis had 3 functions that differ at first and has 40 now; it allows an error of 0.01, and the actual "
            "one is 0.4, 40 times that: the output weights lag behind."
        )


@pytest.mark.parametrize("values", [[1e-6, 1.0], [0.9, 1.0], [0.5, 0.5], [np.nan, np.nan], [np.inf, 0.2]])
def test_a_logarithmic_axis_holds_what_is_known_and_a_factor_of_two(values):
    axis = training.log_axis("relative error", np.array(values))
    known = [value for value in values if np.isfinite(value)]
    assert axis.log
    assert 0.0 < axis.low < axis.high
    assert axis.high / axis.low >= 1.99
    for value in known:
        assert axis.low <= value <= axis.high
