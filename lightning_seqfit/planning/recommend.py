"""From a target's facts to what is recommended for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.trend import Trend
from lightning_seqfit.planning import points, settings
from lightning_seqfit.planning.advised import Advised
from lightning_seqfit.planning.facts import Facts, facts_of
from lightning_seqfit.planning.frame import inputs_of, values_of
from lightning_seqfit.planning.plan import Plan
from lightning_seqfit.planning.tanh import tanh_steps
from lightning_seqfit.planning.words import oscillations
from lightning_seqfit.words import significant

#: Two neighbours of single precision may be so far apart, in wavelengths.
COARSE = 0.01
#: Deviations of values whose squares single precision trains with, and of outputs, relative to each other.
SMALLEST, LARGEST, UNLIKE = 1e-8, 1e10, 10.0


def recommend(
    geometry: Geometry, values: FloatArray, trends: Sequence[Trend], noises: Sequence[float], *, given: bool
) -> Plan:
    """Say what a target asks of a network.

    Parameters
    ----------
    geometry : where its N points lie.
    values : at them, shape ``(N, k)``.
    trends, noises : of each of the k outputs: trend, and standard deviation of the noise.
    given : the values are given at these points, and cannot be asked for elsewhere.

    Raises
    ------
    ValueError
        If nothing can be recommended: the points have no frequencies, the target is constant or nothing but noise, or
        it has fewer points than it oscillates.
    """
    facts = _checked(geometry, values, trends, noises)
    inputs, box = inputs_of(geometry, facts)
    mapped = [2.0 / (high - low) for low, high in box] if box else [1.0] * geometry.dimension
    lengths = [length * factor for length, factor in zip(geometry.lengths, mapped, strict=True)]
    steps = tanh_steps(facts, lengths)
    omega_0, evenly = settings.omega_0(facts, lengths), points.evenly(facts)
    return Plan(
        axes=tuple(geometry.axes),
        bounds=tuple((float(low), float(high)) for low, high in geometry.bounds),
        frequencies=facts.frequencies,
        network=settings.network(facts, steps),
        omega_0=omega_0,
        sigma=settings.sigma(facts, lengths),
        rates=settings.rates(omega_0),
        width=settings.width(facts),
        depth=Advised(2, "two hidden layers", "all was measured with two"),
        evenly=evenly,
        at_random=points.at_random(facts),
        inputs=inputs,
        box=box,
        values=values_of(facts),
        tanh=settings.tanh(facts, steps, lengths),
        mean=tuple(settings.rounded(each, 6) for each in facts.mean),
        scale=tuple(settings.rounded(each, 6) or 1.0 for each in facts.scale),
        notes=tuple(_notes(geometry, facts, evenly.value, given)),
    )


def _checked(geometry: Geometry, values: FloatArray, trends: Sequence[Trend], noises: Sequence[float]) -> Facts:
    """Facts of a target for which something can be recommended."""
    if not geometry.has_lines:
        raise ValueError(
            f"points in {geometry.dimension} dimensions have no frequencies to plan by: one to three are needed; fix "
            "all axes but those along which the target oscillates most, and plan for those"
        )
    if not np.ptp(values, axis=0).any():
        what = "0 everywhere, as that of an equation's residual" if not values.any() else "constant"
        raise ValueError(
            f"the target is {what}: nothing in it says what a network must follow; plan for values of the solution, "
            "measured or guessed (its frequencies are enough)"
        )
    facts = facts_of(geometry, values, trends, noises)
    if facts.noise >= 1.0:
        least = " all there is" if math.isinf(facts.noise) else f" {significant(facts.noise, 2)} times what oscillates"
        raise ValueError(
            f"the target is noise: its noise is{least}; it must be smaller than the oscillation: average or smooth the "
            "values, measure more of them, or pass noise= if that is wrong"
        )
    count, needed = len(geometry.asked), math.prod(max(math.ceil(2 * each), 2) for each in facts.frequencies)
    if count < needed:
        raise ValueError(
            f"{count:,} points for {oscillations(geometry.axes, facts.frequencies)}: at least two a cycle along each "
            f"axis, {needed:,}, are needed; give more points or a smaller part of the domain"
        )
    return facts


def _notes(geometry: Geometry, facts: Facts, evenly: Sequence[int], given: bool) -> Iterator[str]:
    """What must be known of the points and the values."""
    count, needed = len(geometry.asked), math.prod(evenly)
    if given and count < needed:
        yield f"the {count:,} points given are fewer than the {needed:,} recommended: what is between them is open"
    for axis, (low, high), cycles in zip(geometry.axes, geometry.bounds, facts.frequencies, strict=True):
        apart = float(np.spacing(np.float32(max(abs(low), abs(high)))))
        if apart * max(cycles, 1.0) > COARSE * (high - low):
            near = f"{float(f'{low:.6g}'):.12g}"
            yield (
                f"{axis} runs from {low:.12g} to {high:.12g}, where numbers of single precision are "
                f"{significant(apart, 3)} apart: subtract {near} before the points become float32, and plan again"
            )
    smallest, largest = min(facts.scale), max(facts.scale)
    if not SMALLEST <= smallest <= largest <= LARGEST:
        yield (
            f"the values' deviation is {significant(smallest if smallest < SMALLEST else largest, 3)}, whose square "
            "single precision does not train with: use units in which it is about 1"
        )
    if largest > UNLIKE * smallest > 0.0:
        yield (
            f"the outputs' deviations are {significant(smallest, 3)} to {significant(largest, 3)}: a squared error in "
            "these units has nothing of the smaller ones; divide the error of each output by its deviation"
        )
    yield from geometry.notes
