"""In which frame a network sees points and values: what is mapped to [-1, 1], and whether values are standardised."""

from __future__ import annotations

from lightning_seqfit.geometry import Geometry
from lightning_seqfit.planning.advised import Advised, Box
from lightning_seqfit.planning.facts import Facts
from lightning_seqfit.planning.words import oscillations
from lightning_seqfit.words import significant

#: Points are seen as they are where the longest axis has at least this length,
SHORTEST = 0.5
#: nothing is farther from 0 than this (in lengths of an axis that is below 1),
FARTHEST = 10.0
#: and cycles a unit along the axes differ by no more than this factor.
MOST_UNLIKE = 1.7
#: Share of [-1, 1] that an axis is mapped to, at the least.
LEAST_SHARE = 0.1
#: Values are learnt as they are with deviations between these, and a mean of at most as many deviations.
SMALLEST, LARGEST, MOST_OFFSET = 0.1, 3.0, 1.0

_LENGTHS = (
    "measured with 13 cycles: a SIREN takes 12 steps on lengths of 1 to 5, 90 on 0.1, 160 on 100, and never fits 30 "
    "lengths from 0; Fourier features do not mind"
)
_AXES = (
    "measured with 12 cycles by 2, 8 by 3 and 12 by 0, at 5 to 8 points a cycle: 12 to 23 steps so, and as they are "
    "mostly not in 400, for along the slow axis the network then begins faster than the points can tell"
)
_VALUES = (
    "measured with 13 cycles: a deviation of 0.1 or 3 takes 2 times the steps and 0.01 takes 8 times; a mean of 3 "
    "takes 4 times, 10 takes 17 times, 100 more than 2,000 steps"
)


def inputs_of(geometry: Geometry, facts: Facts) -> tuple[Advised, Box | None]:
    """Say how points are to be scaled, and return the box that is mapped to [-1, 1]; None: they stay as they are."""
    bounds = tuple((float(low), float(high)) for low, high in geometry.bounds)
    lengths, fastest = geometry.lengths, max(facts.frequencies)
    shares = [max(cycles / fastest, LEAST_SHARE) if fastest else 1.0 for cycles in facts.frequencies]
    waves = [share / length for share, length in zip(shares, lengths, strict=True)]
    far = max(abs(edge) for pair in bounds for edge in pair)
    alike = not facts.oscillates or max(waves) <= MOST_UNLIKE * min(waves)
    if alike and far <= FARTHEST * min(1.0, *lengths) and max(lengths) >= SHORTEST:
        return Advised("as they are", f"they lie within {significant(far, 3)} of 0", _LENGTHS), None
    if max(shares) <= MOST_UNLIKE * min(shares):
        low, high = min(low for low, _ in bounds), max(high for _, high in bounds)
        return Advised("[-1, 1]", f"they run from {significant(low, 4)} to {significant(high, 4)}", _LENGTHS), bounds
    box = tuple(
        ((low + high) / 2 - (high - low) / 2 / share, (low + high) / 2 + (high - low) / 2 / share)
        for (low, high), share in zip(bounds, shares, strict=True)
    )
    seen = " by ".join(f"[-{share:.2g}, {share:.2g}]" for share in shares)
    cycles = oscillations(geometry.axes, facts.frequencies)
    return Advised(seen, f"{cycles}; so it oscillates alike along all axes", _AXES), box


def far_from_standard(mean: float, scale: float) -> bool:
    """Whether values of this mean and deviation are learnt sooner when they are standardised.

    Examples
    --------
    >>> far_from_standard(0.0, 0.7), far_from_standard(0.0, 30.0), far_from_standard(340.0, 30.0)
    (False, True, True)
    """
    return not SMALLEST <= scale <= LARGEST or abs(mean) > MOST_OFFSET * scale


def values_of(facts: Facts) -> Advised:
    """Say whether values are to be standardised."""
    for mean, scale in zip(facts.mean, facts.scale, strict=True):
        if far_from_standard(mean, scale):
            said = f"their mean is {significant(mean, 3)}, their deviation {significant(scale, 3)}"
            return Advised("standardised", f"{said}: the last layer would have to grow to that first", _VALUES)
    return Advised("as they are", "their mean is near 0 and their deviation near 1", _VALUES)
