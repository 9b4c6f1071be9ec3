"""What is tried: a stand-in for the run's own network, and one change of it each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from lightning_seqfit.networks import ACTIVATIONS
from lightning_seqfit.planning import Plan, Recipe
from lightning_seqfit.planning.frame import far_from_standard
from lightning_seqfit.planning.settings import siren_rate
from lightning_seqfit.record import Run
from lightning_seqfit.trials.task import Task

#: Of a stand-in of which nothing is known.
WIDTH, DEPTH, RATE = 64, 2, 5e-3
#: Operations of a step and a look, at the most: about a second on one core, in which nothing else can be done.
MOST_OPERATIONS = 1e10
#: Hidden layers of a stand-in that would take more.
MOST_DEPTH = 8
#: Why a network that takes more is not tried.
TOO_LARGE = "too large to be tried: a step takes seconds on one core"
#: Learning rate of SOAP, and rates below and above which Adam's is tried beside the run's own.
SOAP_RATE, LOW_RATE, HIGH_RATE = 3e-3, 5e-4, 2e-2
#: Angular frequencies on [-1, 1] where the target's own are not known.
UNKNOWN = (5.0, 15.0, 45.0)


@dataclass(frozen=True)
class Candidate:
    """One remedy.

    Attributes
    ----------
    name, change : as an :class:`~lightning_seqfit.trials.Attempt` has them.
    recipe : what is trained; None: it cannot be tried, and ``why`` says the reason.
    """

    name: str
    change: Mapping[str, Any] = field(default_factory=dict)
    recipe: Recipe | None = None
    why: str = ""


def stand_in(
    task: Task, run: Run | None = None, *, width: int | None = None, depth: int | None = None
) -> tuple[Recipe, list[str]]:
    """Return a network that is trained as the run's own is, and what to say of it.

    Parameters
    ----------
    task : what is fitted.
    run : its record, from which sizes, activation, optimizer, learning rate, and how the network sees points and values
        are taken, as far as it knows them. Default: tanh, as it comes, with Adam.
    width, depth : instead of the record's.
    """
    known = None if run is None else run.network
    notes = []
    sizes = (width or (known.width if known else WIDTH), depth or (known.depth if known else DEPTH))
    recipe = Recipe("tanh", task.geometry.dimension, task.outputs, *sizes, learning_rate=RATE)
    if _operations(recipe, task) > MOST_OPERATIONS:
        recipe = replace(recipe, depth=min(recipe.depth, MOST_DEPTH))
    while _operations(recipe, task) > MOST_OPERATIONS and recipe.width > 1:
        recipe = replace(recipe, width=recipe.width // 2)
    if (recipe.width, recipe.depth) != sizes:
        notes.append(
            f"its width of {sizes[0]:,} and depth of {sizes[1]:,} are reduced to {recipe.width:,} and {recipe.depth:,}"
        )
    if known is not None:
        if known.activation == "sine":
            recipe = replace(recipe, network="siren", omega_0=known.omega_0 or recipe.omega_0)
        elif known.activation in ACTIVATIONS:
            recipe = replace(recipe, network=known.activation)
        else:
            notes.append("its activation is not recorded: tanh")
        optimizer = {"adamw": "adam"}.get(known.optimizer, known.optimizer)
        if optimizer in ("adam", "sgd") or (optimizer == "soap" and _has_soap()):
            recipe = replace(recipe, optimizer=optimizer, learning_rate=known.learning_rate or RATE)
        elif optimizer:
            notes.append(f"its optimizer, {optimizer}, is none that is tried here: Adam with {RATE:g} instead")
        if known.in_features != task.geometry.dimension:
            notes.append(
                f"its first layer takes {known.in_features} numbers, and a point has {task.geometry.dimension}: what "
                "makes them is left out"
            )
    elif run is not None:
        notes.append(f"the record does not know its network: tanh, width {sizes[0]}, depth {sizes[1]}, Adam")
    if run is not None:
        recipe = replace(recipe, bounds=_box_seen(run))
        if _sees_standardised(run, task):
            recipe = replace(recipe, mean=task.mean, scale=task.deviation)
            if recipe.optimizer == "sgd":  # its steps grow with the square of the values, Adam's do not
                size = float(np.mean(np.square(task.deviation)))
                recipe = replace(recipe, learning_rate=recipe.learning_rate / size)
        if recipe.is_scaled:
            notes.append("its module maps points or values itself, as the record shows: so does the stand-in")
    return recipe, notes


def candidates(task: Task, own: Recipe, plan: Plan | None) -> list[Candidate]:
    """Return what is tried, the stand-in first, as ``"as it is"``.

    Parameters
    ----------
    task : what is fitted.
    own : the stand-in.
    plan : for the target; None: there is none.
    """
    scaled = _scaled(task, own)
    found = [Candidate("as it is", {}, own), *_fourier_and_siren(task, own, plan)]
    if scaled != own:
        change: dict[str, Any] = {} if scaled.bounds == own.bounds else {"inputs": "[-1, 1]"}
        if scaled.scale != own.scale:
            change["targets"] = task.deviation[0] if task.outputs == 1 else task.deviation
        what = [("inputs to [-1, 1]", "inputs"), ("values standardised", "targets")]
        found.append(Candidate(", ".join(said for said, name in what if name in change), change, scaled))
    if own.network != "siren" and (own.optimizer != "adam" or not LOW_RATE <= own.learning_rate <= HIGH_RATE):
        change = {"optimizer": "adam", "learning_rate": RATE}
        found.append(Candidate(f"Adam, {RATE:g}", change, replace(own, optimizer="adam", learning_rate=RATE)))
    width = max(2 * own.width, 128)
    found.append(Candidate(f"width {width}", {"width": width}, replace(own, width=width)))
    if own.optimizer != "soap":
        change = {"optimizer": "soap", "learning_rate": SOAP_RATE}
        if _has_soap():
            found.append(Candidate("SOAP", change, replace(own, optimizer="soap", learning_rate=SOAP_RATE)))
        else:
            found.append(Candidate("SOAP", change, why='not installed: pip install "lightning-seqfit[soap]"'))
    return [each if _can_be_tried(each, task) else replace(each, recipe=None, why=TOO_LARGE) for each in found]


def _can_be_tried(candidate: Candidate, task: Task) -> bool:
    return candidate.recipe is None or _operations(candidate.recipe, task) <= MOST_OPERATIONS


def _operations(recipe: Recipe, task: Task) -> float:
    """Operations of a step and of a look: twice the weights a point forward, and twice as many backward."""
    first = 2 * recipe.features if recipe.network == "fourier" else recipe.in_features
    weights = recipe.width * (first + recipe.width * (recipe.depth - 1) + recipe.out_features)
    looked = len(task.values)
    return float(weights) * (6 * (looked if task.trained is None else len(task.trained)) + 2 * looked)


def _fourier_and_siren(task: Task, own: Recipe, plan: Plan | None) -> list[Candidate]:
    """Networks with the frequencies of a plan, and of half and twice as much; without a plan a few values."""
    known = plan is not None and _is_positive(plan.omega_0.value) and _is_positive(plan.sigma.value)
    if plan is not None and known:
        siren, fourier = plan.recipe("siren"), plan.recipe("fourier")
        omegas, sigmas = [siren.omega_0, siren.omega_0 / 2, 2 * siren.omega_0], [fourier.sigma]
    else:
        framed = replace(_standardised(task, own), bounds=task.bounds)
        siren = replace(framed, network="siren", width=WIDTH, depth=DEPTH, optimizer="adam")
        fourier = replace(siren, network="fourier", learning_rate=RATE)
        omegas, sigmas = [*UNKNOWN], [omega / (2 * math.pi) for omega in UNKNOWN[1:]]
    found = []
    for omega in map(_rounded, omegas):
        rate = siren_rate(omega)
        change = {"network": "siren", "omega_0": omega, "learning_rate": rate}
        recipe = replace(siren, omega_0=omega, learning_rate=rate)
        found.append(Candidate(f"SIREN, omega_0 = {omega:g}", change, recipe))
    for sigma in map(_rounded, sigmas):
        change = {"network": "fourier", "sigma": sigma, "learning_rate": fourier.learning_rate}
        found.insert(1, Candidate(f"Fourier features, sigma = {sigma:g}", change, replace(fourier, sigma=sigma)))
    return found


def _scaled(task: Task, own: Recipe) -> Recipe:
    """The stand-in with inputs in [-1, 1], and values standardised where they are far from that."""
    there = own.bounds is not None or all(np.allclose(pair, (-1.0, 1.0), atol=0.01) for pair in task.bounds)
    return _standardised(task, own if there else replace(own, bounds=task.bounds))


def _standardised(task: Task, own: Recipe) -> Recipe:
    pairs = list(zip(task.mean, task.deviation, strict=True))
    far = any(far_from_standard(mean, deviation) for mean, deviation in pairs)
    return replace(own, mean=task.mean, scale=task.deviation) if far and own.scale == Recipe().scale else own


def _box_seen(run: Run) -> tuple[tuple[float, float], ...] | None:
    """A box that, mapped to [-1, 1], makes of points what the run's own network sees; None: it sees them as they are.

    The record knows the lengths of the domain there, and the largest size of a coordinate: the domain lies about 0, or
    from 0 on.
    """
    if run.stall is None:
        return None
    situation = run.stall.situation
    lengths, bound = np.array(situation.lengths), situation.bound
    if len(lengths) != len(run.axes) or not np.isfinite([*lengths, bound]).all() or not (lengths > 0.0).all():
        return None
    low, high = np.transpose(run.bounds)
    reach = float(np.max(np.abs(run.bounds)))
    if np.allclose(lengths, high - low, rtol=0.02) and abs(bound - reach) <= 0.02 * max(reach, float(lengths.max())):
        return None
    centred = bound <= 0.75 * float(lengths.max())
    half = (high - low) / lengths  # the length of a box that is mapped to [-1, 1], halved
    middle = (low + high) / 2 if centred else low
    return tuple((float(at - one), float(at + one)) for at, one in zip(middle, half, strict=True))


def _sees_standardised(run: Run, task: Task) -> bool:
    """Whether the run's own module maps its network's output to the size of the values: its first prediction tells.

    A network begins with predictions of about 0.3, whatever the values are; behind such a map with 0.3 of their
    deviation about their mean.
    """
    if task.outputs > 1 or not len(run.steps) or run.total_steps[0] != 0:
        return False
    first = run.prediction[0].astype(np.float64)
    (mean,), (deviation,) = task.mean, task.deviation
    if not np.isfinite(first).all():
        return False
    plain = abs(math.log(_size(first) / 0.3))
    mapped = abs(math.log(_size(first - mean) / deviation / 0.3))
    return mapped < plain and _standardised(task, Recipe()).is_scaled


def _size(values: Any) -> float:
    return max(float(np.sqrt(np.mean(np.square(values)))), 1e-12)


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0.0


def _rounded(value: float) -> float:
    """Three digits, which a name and the code can both show."""
    return float(f"{value:.3g}")


def _has_soap() -> bool:
    return find_spec("pytorch_optimizer") is not None
