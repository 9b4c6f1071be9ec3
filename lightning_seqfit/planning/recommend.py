"""From a target's facts to what is recommended for it.

With F the highest frequency that matters and M the power-weighted mean, both in cycles per unit as the network sees its
d inputs (the Euclidean norm over the axes):

    SIREN                omega_0 = 0.42 d 2 pi F^(2/3) M^(1/3), Adam at 0.08 / omega_0, at most 5e-3
    Fourier features     sigma = 0.65 F / d, Adam at 5e-3

A single wave has M = F. A sum over octaves has more power where it is slow, and is fitted soonest by a SIREN that
begins in between. A step of Adam turns the phase of a sine by about rate x omega_0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from lightning_seqfit.geometry import FloatArray, Geometry
from lightning_seqfit.measures.trend import Trend
from lightning_seqfit.planning.facts import Facts, facts_of
from lightning_seqfit.planning.plan import Advised, Box, Plan
from lightning_seqfit.planning.tanh import Steps, tanh_steps
from lightning_seqfit.planning.words import oscillations
from lightning_seqfit.words import percent, significant

#: Shares of the frequency: of a SIREN, and of Fourier features.
SIREN_SHARE, FOURIER_SHARE = 0.42, 0.65
#: By what omega_0 and sigma may be too low, and too high.
SIREN_RANGE, FOURIER_RANGE = (0.7, 1.6), (0.7, 1.3)
#: Radians by which a step of Adam may turn a phase, and the range that works.
TURN, LEAST_TURN, MOST_TURN = 0.08, 0.01, 0.2
#: Learning rate of Adam, and the range that works, of Fourier features and of a tanh network; a SIREN's highest.
RATE, RATES = 5e-3, (1e-3, 1e-2)
#: Points: evenly spaced, a cycle along each axis, and the fewest along one; at random, a cycle along each axis.
EVENLY, EVENLY_IN_PLANE, FEWEST = 5, 6, 8
AT_RANDOM, AT_RANDOM_IN_PLANE = 20, 10
#: What a network sees well: a longest axis of this, nothing farther from 0 (in lengths of an axis below 1), cycles a unit
#: along the axes no more different than this; and the least share of [-1, 1] that an axis is mapped to.
SHORTEST, FARTHEST, MOST_UNLIKE, LEAST_SHARE = 0.5, 10.0, 1.7, 0.1
#: Values that are learnt as they are: their deviation, and their mean in deviations.
SMALLEST, LARGEST, MOST_OFFSET = 0.1, 3.0, 1.0
#: Noise, relative to what oscillates, from which on it matters; what omega_0 and sigma are multiplied with; and points a
#: cycle, times its square.
NOISY, SIREN_IN_NOISE, FOURIER_IN_NOISE, POINTS_AGAINST_NOISE = 0.25, 0.36, 0.46, 300
#: Cycles up to which a width of 64 is recommended: on a line, and in the plane, the product along the axes.
FEW, FEW_IN_PLANE = 60, 200
#: What was measured, in words.
OF_LENGTHS = (
    "measured with 13 cycles: a SIREN takes 12 steps on lengths of 1 to 5, 90 on 0.1, 160 on 100, and none fits 30 "
    "lengths from 0; Fourier features do not mind"
)
OF_AXES = (
    "measured with 12 cycles by 2, 8 by 3 and 12 by 0, 5 to 8 points a cycle: 12 to 23 steps so, and as they are "
    "mostly none in 400, since what is seen of the slow axis is too fast for its points"
)
OF_WIDTHS = (
    "with 64 units a SIREN fits 120 cycles in 92 steps, a random sum of 60 waves in 240, of 20 x 20 in the plane in "
    "100; with 128 units in 80 and 30"
)
#: A tanh network is recommended where it takes no more steps.
SOON = 500


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
    inputs, box = _inputs(geometry, facts)
    mapped = [2.0 / (high - low) for low, high in box] if box else [1.0] * geometry.dimension
    lengths = [length * factor for length, factor in zip(geometry.lengths, mapped, strict=True)]
    standardised = _values(facts)
    steps = tanh_steps(facts, lengths)
    omega_0, sigma = _omega_0(facts, lengths), _sigma(facts, lengths)
    evenly, at_random = _evenly(facts), _at_random(facts)
    return Plan(
        axes=tuple(geometry.axes),
        bounds=tuple((float(low), float(high)) for low, high in geometry.bounds),
        frequencies=facts.frequencies,
        network=_network(facts, steps),
        omega_0=omega_0,
        sigma=sigma,
        rates=_rates(omega_0),
        width=_width(facts),
        depth=Advised(2, "two hidden layers fitted every target that was measured", "deeper ones were not needed"),
        evenly=evenly,
        at_random=at_random,
        inputs=inputs,
        box=box,
        values=standardised,
        tanh=_tanh(facts, steps, lengths),
        mean=tuple(_rounded(each, 6) for each in facts.mean),
        scale=tuple(_rounded(each, 6) or 1.0 for each in facts.scale),
        notes=tuple(_notes(geometry, facts, evenly.value, given)),
    )


def _checked(
    geometry: Geometry, values: FloatArray, trends: Sequence[Trend], noises: Sequence[float]
) -> Facts:
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


def _norms(facts: Facts, lengths: Sequence[float]) -> tuple[float, float]:
    """F and M, in cycles per unit as the network sees its inputs."""
    highest, mean = (
        math.hypot(*(cycles / length for cycles, length in zip(each, lengths, strict=True)))
        for each in (facts.frequencies, facts.means)
    )
    return highest, mean


def _omega_0(facts: Facts, lengths: Sequence[float]) -> Advised:
    if not facts.oscillates:
        return _nothing_oscillates()
    (highest, mean), dimension = _norms(facts, lengths), len(lengths)
    share = SIREN_SHARE * (SIREN_IN_NOISE if facts.noise >= NOISY else 1.0)
    value = share * dimension * 2 * math.pi * float(np.cbrt(highest**2 * mean))
    return Advised(
        _rounded(value, 3),
        f"a SIREN whose first layer reaches {_cycles(highest)} a unit at the fastest, {_cycles(mean)} in the mean",
        _measured_in(dimension),
        *(_rounded(share * value, 2) for share in SIREN_RANGE),
    )


def _sigma(facts: Facts, lengths: Sequence[float]) -> Advised:
    if not facts.oscillates:
        return _nothing_oscillates()
    highest, dimension = _norms(facts, lengths)[0], len(lengths)
    share = FOURIER_SHARE * (FOURIER_IN_NOISE if facts.noise >= NOISY else 1.0)
    value = share * highest / dimension
    return Advised(
        _rounded(value, 3),
        f"Fourier features that spread to {_cycles(highest)} a unit",
        _measured_in(dimension),
        *(_rounded(share * value, 2) for share in FOURIER_RANGE),
    )


def _nothing_oscillates() -> Advised:
    return Advised(None, "nothing oscillates in the target", "a tanh network fits such targets soonest")


def _measured_in(dimension: int) -> str:
    if dimension > 2:
        return "carried over from one and two dimensions, not measured in three"
    return "within 1.6 times the steps of the best of 12 values on 19 targets, c from 0.06 to 4"


def _rates(omega_0: Advised) -> dict[str, Advised]:
    rates = {}
    if omega_0.value is not None:
        turn = [min(each / omega_0.value, RATE * each / TURN) for each in (TURN, LEAST_TURN, MOST_TURN)]
        rates["siren"] = Advised(
            _rounded(turn[0], 2),
            f"{TURN} / omega_0, at most {RATE:g}: a step of Adam turns phases by about rate x omega_0",
            "measured from omega_0 = 14 to 283: a sixth takes 5 times the steps, 5 times as much fails above 40",
            *(_rounded(each, 2) for each in turn[1:]),
        )
        rates["fourier"] = Advised(RATE, "for Adam", "1e-3 takes 2 to 3 times the steps, 1e-2 is as good", *RATES)
    rates["tanh"] = Advised(RATE, "for Adam", "as in the article; the steps below are for it", *RATES)
    return rates


def _inputs(geometry: Geometry, facts: Facts) -> tuple[Advised, Box | None]:
    """What is said of the inputs, and the box that is to be mapped to [-1, 1]."""
    bounds = tuple((float(low), float(high)) for low, high in geometry.bounds)
    lengths, fastest = geometry.lengths, max(facts.frequencies)
    shares = [max(cycles / fastest, LEAST_SHARE) if fastest else 1.0 for cycles in facts.frequencies]
    waves = [share / length for share, length in zip(shares, lengths, strict=True)]
    far = max(abs(edge) for pair in bounds for edge in pair)
    unlike = facts.oscillates and max(waves) > MOST_UNLIKE * min(waves)
    if not unlike and far <= FARTHEST * min(1.0, *lengths) and max(lengths) >= SHORTEST:
        return Advised("as they are", f"they lie within {significant(far, 3)} of 0", OF_LENGTHS), None
    if max(shares) > MOST_UNLIKE * min(shares):
        centres, halves = [(low + high) / 2 for low, high in bounds], [length / 2 for length in lengths]
        box = tuple(
            (centre - half / share, centre + half / share)
            for centre, half, share in zip(centres, halves, shares, strict=True)
        )
        seen = " by ".join(f"[{-share:.2g}, {share:.2g}]" for share in shares)
        what = oscillations(geometry.axes, facts.frequencies)
        return Advised(seen, f"{what}: so they are equally many a unit", OF_AXES), box
    low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
    return Advised("[-1, 1]", f"they run from {significant(low, 4)} to {significant(high, 4)}", OF_LENGTHS), bounds


def _values(facts: Facts) -> Advised:
    sure = (
        "measured on 13 cycles: a deviation of 0.1 or 3 takes 2 times the steps, 0.01 takes 8 times, a mean of 3 takes "
        "4 times, 10 takes 17 times, 100 does not end within 2,000"
    )
    for mean, scale in zip(facts.mean, facts.scale, strict=True):
        if not SMALLEST <= scale <= LARGEST or abs(mean) > MOST_OFFSET * scale:
            return Advised(
                "standardised",
                f"their mean is {significant(mean, 3)}, their deviation {significant(scale, 3)}: the last layer would "
                "have to grow to that first",
                sure,
            )
    return Advised("as they are", "their mean is near 0 and their deviation near 1", sure)


def _network(facts: Facts, steps: Steps | None) -> Advised:
    if not facts.oscillates:
        return Advised("tanh", "nothing oscillates in the target", "targets that only bend took 56 to 385 steps")
    if steps is not None and steps.value <= SOON:
        return Advised("tanh", "it oscillates little enough for the simplest network", "within a factor of 2")
    return Advised("siren", "it fits everywhere at once", "of 19 targets it fitted all but one sooner than a tanh network")


def _tanh(facts: Facts, steps: Steps | None, lengths: Sequence[float]) -> Advised:
    """Whether a plain tanh network will do, and in about how many steps."""
    if steps is None:
        said = " by ".join(significant(each, 3) for each in lengths)
        return Advised(None, f"nothing like it was measured: it sees a domain of {said}", "not known")
    edge = "" if facts.edge >= 0.5 or not facts.oscillates else f", at the edges {percent(facts.edge)} as strong as inside"
    share = "" if facts.share > 0.9 else f", {percent(facts.share)} of the values' deviation"
    what = f"it oscillates{edge}{share}" if edge or share else "from a table of what was measured"
    if math.isinf(steps.value):
        return Advised(math.inf, f"a plain tanh network will not do: {what}", "more than 15,000 steps", steps.low, None)
    return Advised(steps.value, f"a plain tanh network will do: {what}", "within a factor of 2", steps.low, steps.high)


def _width(facts: Facts) -> Advised:
    """By the product of the cycles along the axes."""
    cycles = math.prod(max(each, 1.0) for each in facts.frequencies)
    along_line = sum(each > 0.0 for each in facts.frequencies) < 2
    if cycles <= (FEW if along_line else FEW_IN_PLANE):
        return Advised(64, "enough for so few oscillations", OF_WIDTHS)
    return Advised(128, "it is fitted in a third of the steps that 64 take", OF_WIDTHS)


def _evenly(facts: Facts) -> Advised:
    several = sum(each > 0.0 for each in facts.frequencies) > 1
    a_cycle = max(EVENLY_IN_PLANE if several else EVENLY, _against_noise(facts))
    needed = tuple(max(math.ceil(a_cycle * cycles), FEWEST) for cycles in facts.frequencies)
    return Advised(needed, f"{a_cycle:.0f} a cycle{_noisy(facts)}", "5 in the plane, 4 on a line fitted in most cases, 3 in few")


def _at_random(facts: Facts) -> Advised:
    waving = [each for each in facts.frequencies if each > 0.0]
    if len(waving) > 1:
        needed = math.prod(AT_RANDOM_IN_PLANE * each for each in waving)
        reason, sure = "10 a cycle along each axis", "8 along each did, 5 did not"
    else:
        needed = AT_RANDOM * max([*waving, 1.0])
        reason, sure = "20 a cycle, since random points leave gaps", "20 fitted in 10 of 12 trainings, 13 in 9, 8 in none"
    needed *= max(_against_noise(facts) / EVENLY, 1.0)
    return Advised(math.ceil(needed), f"{reason}{_noisy(facts)}", sure)


def _against_noise(facts: Facts) -> float:
    """Points a cycle that average the noise away."""
    return POINTS_AGAINST_NOISE * facts.noise**2


def _noisy(facts: Facts) -> str:
    noise = significant(facts.noise, 2)
    return f", for the noise is {noise} of what oscillates" if facts.noise >= NOISY else ""


def _notes(geometry: Geometry, facts: Facts, evenly: Sequence[int], given: bool) -> Iterator[str]:
    """What must be known of the target and its points."""
    count, needed = len(geometry.asked), math.prod(evenly)
    if given and count < needed:
        yield f"the {count:,} points given are fewer than the {needed:,} that are recommended: between them anything can be"
    if facts.noise >= NOISY:
        yield (
            f"the noise is {significant(facts.noise, 2)} of what oscillates: omega_0 and sigma are lower for it, since a "
            "network that fits fast fits the noise too; measured with 8 cycles"
        )
    if geometry.dimension > 2 and facts.oscillates:
        yield "in three dimensions nothing was measured: the rules are carried over"
    yield from geometry.notes


def _cycles(value: float) -> str:
    return f"{significant(value, 3)} cycle{'' if value == 1.0 else 's'}"


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")
