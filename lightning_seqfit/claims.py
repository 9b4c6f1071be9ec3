"""``seqfit claims``: the article's claims, each measured on trainings with several seeds.

A training's measures are kept as JSON beside its record, so that what was done is not done again. What a claim asks of
a measure is a number fixed here; a claim *holds* where at least four fifths of the seeds meet it, *in part* where some
do.
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import lightning as L
import numpy as np
import torch
from scipy.stats import rankdata, spearmanr
from tqdm import tqdm  # type: ignore[import-untyped]

from lightning_seqfit import __version__
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos.setups import SETUPS
from lightning_seqfit.demos.targets import spectral_similarity
from lightning_seqfit.record import Run, load

Measures = dict[str, float]


class Training(NamedTuple):
    """One kind of training: a setup by name, network and optimizer."""

    setup: str
    network: str = "tanh"
    optimizer: str = "adam"

    @property
    def name(self) -> str:
        """Name of its folders."""
        return "-".join(part for part in self if part != "adam")


@dataclass(frozen=True)
class Claim:
    """What the article says, and what is asked of trainings.

    Attributes
    ----------
    key : name of its picture.
    says : the claim.
    measure : what is measured, in words.
    asked : the bound, in words.
    trainings : what is trained for it.
    value : of the trainings' measures for one seed.
    met : whether a value meets the bound.
    shows : what the picture shows of each training: "error", "basis", "rank", "target", "order" or "progress".
    """

    key: str
    says: str
    measure: str
    asked: str
    trainings: tuple[Training, ...]
    value: Callable[..., float]
    met: Callable[[float], bool]
    shows: str = "error"


def _at_least(bound: float) -> Callable[[float], bool]:
    return lambda value: value >= bound


def _at_most(bound: float) -> Callable[[float], bool]:
    return lambda value: value <= bound


def _get(name: str) -> Callable[[Measures], float]:
    return lambda run: run[name]


def _ratio(name: str) -> Callable[[Measures, Measures], float]:
    """Measure of the first training by that of the second."""

    def ratio(one: Measures, other: Measures) -> float:
        return one[name] / other[name] if other[name] > 0 and math.isfinite(other[name]) else math.nan

    return ratio


def _similarity(setup: str) -> str:
    return f"{spectral_similarity(SETUPS['sine'].target, SETUPS[setup].target):.3f}"


_SINE, _SIREN = Training("sine"), Training("sine", "siren")
_PLANE = {
    "plane": "a plane wave",
    "product": "a product of sines",
    "radial": "rings",
    "image": "a photograph",
}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "sequential",
        "tanh fits sin(26 pi x) one oscillation at a time",
        "sequentiality",
        ">= 0.5",
        (_SINE,),
        _get("sequentiality"),
        _at_least(0.5),
    ),
    Claim("siren", "a SIREN does not", "sequentiality", "<= 0.2", (_SIREN,), _get("sequentiality"), _at_most(0.2)),
    Claim(
        "inward",
        "tanh fits from the boundaries inward",
        "inwardness",
        ">= 0.5",
        (_SINE,),
        _get("inwardness"),
        _at_least(0.5),
    ),
    Claim(
        "one-sided",
        f"cos(26 pi x), of the same spectrum (similarity {_similarity('cosine')}), is swept from one side (seen by us)",
        "half the difference of the ends' inwardness",
        ">= 0.5",
        (Training("cosine"),),
        _get("one_sidedness"),
        _at_least(0.5),
    ),
    Claim(
        "reversed",
        "on [-6.5, 6.5] the same sine comes from the middle (seen by us)",
        "inwardness",
        "<= -0.5",
        (Training("wide"),),
        _get("inwardness"),
        _at_most(-0.5),
    ),
    Claim(
        "taper",
        f"boundary effect: tapered ends never start, spectra alike (similarity {_similarity('taper')})",
        "relative error at the end",
        ">= 0.95",
        (Training("taper"),),
        _get("relative_error"),
        _at_least(0.95),
        "target",
    ),
    Claim(
        "bump",
        f"boundary effect: under a bump nothing starts, though here spectra differ (similarity {_similarity('bump')})",
        "relative error at the end",
        ">= 0.95",
        (Training("bump"),),
        _get("relative_error"),
        _at_least(0.95),
        "target",
    ),
    Claim(
        "steps",
        "tanh builds steps",
        "median laps of the units",
        "<= 1.1",
        (_SINE,),
        _get("median_laps"),
        _at_most(1.1),
        "basis",
    ),
    Claim(
        "oscillations",
        "a SIREN builds oscillations",
        "median laps of the units",
        ">= 5",
        (_SIREN,),
        _get("median_laps"),
        _at_least(5.0),
        "basis",
    ),
    Claim(
        "rank",
        "the basis grows with the front, one function after another",
        "rank correlation of rank and fitted share",
        ">= 0.8",
        (_SINE,),
        _get("rank_with_front"),
        _at_least(0.8),
        "rank",
    ),
    *(
        Claim(
            f"sequential-{name}",
            f"sequential in 2D for tanh, not for a SIREN: {title}",
            "tanh's sequentiality / the SIREN's",
            ">= 2",
            (Training(name), Training(name, "siren")),
            _ratio("sequentiality"),
            _at_least(2.0),
        )
        for name, title in _PLANE.items()
    ),
    *(
        Claim(
            f"inward-{name}",
            f"boundary-inward in 2D: {title}",
            "inwardness",
            ">= 0.5",
            (Training(name),),
            _get("inwardness"),
            _at_least(0.5),
        )
        for name, title in _PLANE.items()
    ),
    Claim(
        "swept",
        "a product of sines is swept along a direction (seen by us)",
        "correlation of arrival with the place along the best direction",
        ">= 0.5",
        (Training("product"),),
        _get("sweep"),
        _at_least(0.5),
    ),
    Claim(
        "outward",
        "rings come from the middle outward (seen by us)",
        "inwardness",
        "<= -0.5",
        (Training("radial"),),
        _get("inwardness"),
        _at_most(-0.5),
    ),
    Claim(
        "soap",
        "a second-order method (SOAP) shortens it, in steps",
        "steps to 90 % fitted, Adam / SOAP",
        ">= 2",
        (_SINE, Training("sine", "tanh", "soap")),
        _ratio("steps_to_90"),
        _at_least(2.0),
        "progress",
    ),
    Claim(
        "soap-taper",
        "a second-order method (SOAP) starts what Adam does not: tapered ends",
        "relative error at the end",
        "<= 0.7",
        (Training("taper", "tanh", "soap"), Training("taper")),
        lambda soap, adam: soap["relative_error"],
        _at_most(0.7),
        "progress",
    ),
    Claim(
        "lbfgs",
        "a second-order method (L-BFGS, PyTorch's defaults) shortens it",
        "share fitted after 300 steps",
        ">= 0.9",
        (Training("sine", "tanh", "lbfgs"), _SINE),
        lambda lbfgs, adam: lbfgs["fitted"],
        _at_least(0.9),
        "progress",
    ),
    Claim(
        "fourier",
        "Fourier features shorten it",
        "steps to 90 % fitted, plain / with features",
        ">= 2",
        (_SINE, Training("sine", "fourier")),
        _ratio("steps_to_90"),
        _at_least(2.0),
        "progress",
    ),
    Claim(
        "low-first",
        "low frequencies come before high ones: four octaves",
        "spectral order",
        ">= 0.5",
        (Training("multi-scale"),),
        _get("spectral_order"),
        _at_least(0.5),
    ),
    *(
        Claim(
            f"order-{name}",
            f"space order tells more than frequency order: {setup.title}",
            "sequentiality less spectral order (0 where the target has one band)",
            ">= 0.2",
            (Training(name),),
            lambda run: run["sequentiality"] - run["frequency_order"],
            _at_least(0.2),  # up to 0.2 a fit is called not sequential: of one band that alone would be no order either
            "order",
        )
        for name, setup in SETUPS.items()
    ),
)


def measures(run: Run) -> Measures:
    """Figures of a training that the claims ask for."""
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
        "rank_with_front": float(spearmanr(run.basis.numerical_rank, fitted).statistic) if moves else math.nan,
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
    ranks = rankdata(arrival)
    ranks -= ranks.mean()
    places = places - places.mean(axis=0)
    along = places @ np.linalg.lstsq(places, ranks, rcond=None)[0]
    return float(math.sqrt(along @ along / (ranks @ ranks)))


def train(training: Training, seed: int, folder: Path, max_steps: int | None = None) -> Measures:
    """Train once, unless that is done, and return the measures; the record stays in the folder."""
    folder = folder / f"{training.name}-{seed}"
    setup = SETUPS[training.setup]
    steps, every_n_steps = setup.pace(training.network, training.optimizer)
    steps = min(steps, max_steps or steps)
    torch.set_num_threads(1)
    L.seed_everything(seed, verbose=False)
    module = setup.module(training.network, training.optimizer)
    about = {
        "version": __version__,
        "training": list(training),
        "seed": seed,
        "steps": steps,
        "every_n_steps": every_n_steps,
        "module": {name: str(value) for name, value in module.hparams.items()},
    }
    done = folder / "measures.json"
    if done.exists():
        kept = json.loads(done.read_text(encoding="utf-8"))
        if kept["about"] == about:
            found: Measures = kept["measures"]
            return found
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    shutil.rmtree(folder / "seqfit", ignore_errors=True)  # of a training that broke off, or of another one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's, of loggers and workers
        trainer = L.Trainer(
            max_steps=steps,
            callbacks=[SequentialFitting(setup.probe(), every_n_steps=every_n_steps)],
            accelerator="cpu",
            logger=False,
            default_root_dir=folder,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module)
    found = measures(load(folder))
    done.write_text(json.dumps({"about": about, "measures": found}), encoding="utf-8")
    return found


def train_all(
    claims: Sequence[Claim], seeds: Sequence[int], folder: Path, workers: int, max_steps: int | None = None
) -> dict[tuple[Training, int], Measures]:
    """Train everything that the claims ask for, one process for each core, the longest first."""
    trainings = dict.fromkeys(training for claim in claims for training in claim.trainings)
    jobs = [(training, seed) for training in sorted(trainings, key=_cost, reverse=True) for seed in seeds]
    results: dict[tuple[Training, int], Measures] = {}
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(train, *job, folder, max_steps): job for job in jobs}
        try:
            for future in tqdm(as_completed(waiting), total=len(jobs), desc="trainings", unit=""):
                results[waiting[future]] = future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)  # not after all the others
            raise
    return results


def _cost(training: Training) -> float:
    """About how long a training takes, in steps along a line."""
    setup = SETUPS[training.setup]
    steps, _ = setup.pace(training.network, training.optimizer)
    return steps * (8 if len(setup.bounds) > 1 else 1) * {"soap": 3, "lbfgs": 20}.get(training.optimizer, 1)


@dataclass(frozen=True)
class Verdict:
    """A claim's values over the seeds, and what they say."""

    claim: Claim
    values: tuple[float, ...]

    @property
    def said(self) -> str:
        """Holds, holds in part, does not hold; not known where fewer than half of the seeds have a value."""
        known = sum(not math.isnan(value) for value in self.values)
        if 2 * known < len(self.values):
            return f"not known ({known} of {len(self.values)} have a value)" if known else "not known"
        met = sum(not math.isnan(value) and self.claim.met(value) for value in self.values)
        if met >= 0.8 * len(self.values):
            return "holds"
        return f"holds in part ({met} of {len(self.values)})" if met else "does not hold"

    @property
    def middle(self) -> int:
        """Number of the seed that has the median; unknown values count as the lowest."""
        ranked = sorted(range(len(self.values)), key=lambda n: (not math.isnan(self.values[n]), self.values[n]))
        return ranked[len(ranked) // 2]

    @property
    def median(self) -> str:
        """Median over the seeds."""
        return _number(self.values[self.middle])

    @property
    def range(self) -> str:
        """Lowest and highest value that is known."""
        known = [value for value in self.values if not math.isnan(value)]
        if not known:
            return "not known"
        unknown = len(self.values) - len(known)
        return f"{_number(min(known))} to {_number(max(known))}" + (f", {unknown} not known" if unknown else "")


def judge(
    claims: Sequence[Claim], seeds: Sequence[int], results: dict[tuple[Training, int], Measures]
) -> list[Verdict]:
    """Hold every claim against the trainings."""
    return [
        Verdict(claim, tuple(claim.value(*(results[t, seed] for t in claim.trainings)) for seed in seeds))
        for claim in claims
    ]


def _number(value: float) -> str:
    if math.isnan(value):
        return "not known"
    if math.isinf(value):
        return "never"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(verdicts: Sequence[Verdict], seeds: Sequence[int]) -> str:
    """Markdown table, claim by claim."""
    lines = [
        f"| claim | measure | asked | median of {len(seeds)} | range | verdict |",
        "|---|---|---|---|---|---|",
        *(
            f"| {v.claim.says} | {v.claim.measure} | {v.claim.asked} | {v.median} | {v.range} | {v.said} |"
            for v in verdicts
        ),
    ]
    return "\n".join(lines)


def run_claims(runs: Path, out: Path, seeds: Sequence[int], max_steps: int | None = None) -> str:
    """Train, judge, write the page with its pictures to ``out``, and return the table."""
    from lightning_seqfit.claims_page import write_page

    results = train_all(CLAIMS, seeds, runs, os.cpu_count() or 1, max_steps)
    verdicts = judge(CLAIMS, seeds, results)
    write_page(verdicts, seeds, runs, out)
    return table(verdicts, seeds)
