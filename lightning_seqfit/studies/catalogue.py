"""What the article claims, each claim with what is trained for it and the number that is asked of a measure."""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import numpy as np

from lightning_seqfit.demos.catalogue import DEMOS, similarity
from lightning_seqfit.measures.ranks import average_ranks, spearman
from lightning_seqfit.record import Run
from lightning_seqfit.studies.training import Measures, Training
from lightning_seqfit.studies.verdict import Claim

TEXT = """# What the article claims, measured

Made by `seqfit claims`: {seeds} trainings of each kind, seeds {first} to {last}, none left out. A claim holds where at
least four fifths of the seeds meet the bound under "asked", which is a number in the code. What "sequentiality",
"inwardness" and the others mean is in the [README](../howto/monitors.md). "never" is a training that
did not get there, "not known" a measure that has too little to go by. Each picture is of the seed that has the median.

{table}

Stated in the article: two hidden layers, tanh, Adam at 5e-3, sin(26 pi x). Everything else is this project's own: the
boxes, the targets in the plane, width 50 along a line and 64 in the plane, 400 and 64 x 64 training points, PyTorch's
default initialisation, omega_0 30 and 10, SOAP at 1e-2, and how long each training takes. Similarity is the cosine
similarity of the magnitude spectra of the target and of sin(26 pi x). A step of SOAP takes longer than one of Adam, so
fewer steps need not be less time.

{pictures}
"""


_IN_WORDS = {
    "sequentiality": "sequentiality",
    "inwardness": "inwardness",
    "one_sidedness": "half the difference of the ends' inwardness",
    "relative_error": "relative error at the end",
    "median_laps": "median laps of the units",
    "rank_with_front": "rank correlation of rank and fitted share",
    "sweep": "correlation of arrival with the place along the best direction",
    "spectral_order": "spectral order",
}


def _claim(key: str, says: str, measure: str, *training: str, **asked: Any) -> Claim:
    """Claim about one measure of one training: its demo and, unless it is tanh, its network."""
    return Claim(key, says, _IN_WORDS[measure], itemgetter(measure), (Training(*training),), **asked)


def _ratio(name: str) -> Callable[[Measures, Measures], float]:
    """Measure of the first training by that of the second."""

    def ratio(one: Measures, other: Measures) -> float:
        return one[name] / other[name] if other[name] > 0 and math.isfinite(other[name]) else math.nan

    return ratio


_SINE = Training("sine")
_PLANE = {"plane": "a plane wave", "product": "a product of sines", "radial": "rings", "image": "a photograph"}
_ALIKE = {name: f"{similarity(DEMOS[name]):.3f}" for name in ("cosine", "taper", "bump")}

CLAIMS: tuple[Claim, ...] = (
    _claim("sequential", "tanh fits sin(26 pi x) one oscillation at a time", "sequentiality", "sine", at_least=0.5),
    _claim("siren", "a SIREN does not", "sequentiality", "sine", "siren", at_most=0.2),
    _claim("inward", "tanh fits from the boundaries inward", "inwardness", "sine", at_least=0.5),
    _claim(
        "one-sided",
        f"cos(26 pi x), of the same spectrum (similarity {_ALIKE['cosine']}), is swept from one side (seen by us)",
        "one_sidedness",
        "cosine",
        at_least=0.5,
    ),
    _claim(
        "reversed",
        "on [-6.5, 6.5] the same sine comes from the middle (seen by us)",
        "inwardness",
        "wide",
        at_most=-0.5,
    ),
    _claim(
        "taper",
        f"boundary effect: tapered ends never start, spectra alike (similarity {_ALIKE['taper']})",
        "relative_error",
        "taper",
        at_least=0.95,
        shows="target",
    ),
    _claim(
        "bump",
        f"boundary effect: under a bump nothing starts, though here spectra differ (similarity {_ALIKE['bump']})",
        "relative_error",
        "bump",
        at_least=0.95,
        shows="target",
    ),
    _claim("steps", "tanh builds steps", "median_laps", "sine", at_most=1.1, shows="basis"),
    _claim("oscillations", "a SIREN builds oscillations", "median_laps", "sine", "siren", at_least=5.0, shows="basis"),
    _claim(
        "rank",
        "the basis grows with the front, one function after another",
        "rank_with_front",
        "sine",
        at_least=0.8,
        shows="rank",
    ),
    *(
        Claim(
            f"sequential-{name}",
            f"sequential in 2D for tanh, not for a SIREN: {title}",
            "tanh's sequentiality / the SIREN's",
            _ratio("sequentiality"),
            (Training(name), Training(name, "siren")),
            at_least=2.0,
        )
        for name, title in _PLANE.items()
    ),
    *(
        _claim(f"inward-{name}", f"boundary-inward in 2D: {title}", "inwardness", name, at_least=0.5)
        for name, title in _PLANE.items()
    ),
    _claim("swept", "a product of sines is swept along a direction (seen by us)", "sweep", "product", at_least=0.5),
    _claim("outward", "rings come from the middle outward (seen by us)", "inwardness", "radial", at_most=-0.5),
    Claim(
        "soap",
        "a second-order method (SOAP) shortens it, in steps",
        "steps to 90 % fitted, Adam / SOAP",
        _ratio("steps_to_90"),
        (_SINE, Training("sine", "tanh", "soap")),
        at_least=2.0,
        shows="progress",
    ),
    Claim(
        "soap-taper",
        "a second-order method (SOAP) starts what Adam does not: tapered ends",
        "relative error at the end",
        lambda soap, adam: soap["relative_error"],
        (Training("taper", "tanh", "soap"), Training("taper")),
        at_most=0.7,
        shows="progress",
    ),
    Claim(
        "lbfgs",
        "a second-order method (L-BFGS, PyTorch's defaults) shortens it",
        "share fitted after 300 steps",
        lambda lbfgs, adam: lbfgs["fitted"],
        (Training("sine", "tanh", "lbfgs"), _SINE),
        at_least=0.9,
        shows="progress",
    ),
    Claim(
        "fourier",
        "Fourier features shorten it",
        "steps to 90 % fitted, plain / with features",
        _ratio("steps_to_90"),
        (_SINE, Training("sine", "fourier")),
        at_least=2.0,
        shows="progress",
    ),
    _claim(
        "low-first",
        "low frequencies come before high ones: four octaves",
        "spectral_order",
        "multi-scale",
        at_least=0.5,
    ),
    *(
        Claim(
            f"order-{name}",
            f"space order tells more than frequency order: {demo.title}",
            "sequentiality less spectral order (0 where the target has one band)",
            lambda run: run["sequentiality"] - run["frequency_order"],
            (Training(name),),
            at_least=0.2,  # up to 0.2 a fit is called not sequential: of one band that alone would be no order either
            shows="order",
        )
        for name, demo in DEMOS.items()
        if demo.target
    ),
)


def measures(run: Run) -> Measures:
    """Read what the claims ask for off a record."""
    assert run.front is not None
    assert run.basis is not None
    assert run.spectrum is not None
    fitted = run.front.fitted
    there = np.flatnonzero(fitted >= 0.9)
    inwardness = {face: float(values[-1]) for face, values in run.front.inwardness.items()}
    moves = np.ptp(fitted) > 0 and np.ptp(run.basis.numerical_rank) > 0
    several_bands = np.count_nonzero(run.spectrum.carrying) > 1
    return {
        "sequentiality": float(run.front.sequentiality[-1]),
        "inwardness": float(run.front.overall_inwardness[-1]),
        **{f"inwardness/{face}": value for face, value in inwardness.items()},
        "one_sidedness": abs(inwardness[f"{run.axes[0]}_min"] - inwardness[f"{run.axes[0]}_max"]) / 2,
        "fitted": float(fitted[-1]),
        "relative_error": float(run.scalars["error/relative_rmse"][-1]),
        "steps_to_90": float(run.steps[there[0]]) if there.size else math.inf,
        "median_laps": float(run.basis.median_laps[-1]),
        "rank_with_front": spearman(run.basis.numerical_rank, fitted) if moves else math.nan,
        "spectral_order": float(run.spectrum.spectral_order[-1]),
        "frequency_order": abs(float(run.spectrum.spectral_order[-1])) if several_bands else 0.0,
        "sweep": _sweep(run) if len(run.axes) == 2 else math.nan,
    }


def _sweep(run: Run) -> float:
    """Multiple correlation, in [0, 1], of the ranks of arrival with the place; 1: it comes along a direction.

    Places that have not arrived rank last together; NaN where less than a tenth has.
    """
    run = run.fine or run
    assert run.front is not None
    arrival, places = run.front.arrival[run.front.active], run.points[run.front.active]
    if np.mean(np.isfinite(arrival)) < 0.1 or np.ptp(arrival[np.isfinite(arrival)]) == 0:
        return math.nan
    ranks = average_ranks(arrival)
    ranks -= ranks.mean()
    places = places - places.mean(axis=0)
    along = places @ np.linalg.lstsq(places, ranks, rcond=None)[0]
    return float(math.sqrt(along @ along / (ranks @ ranks)))
