"""What a study says and what came out: a claim *holds* where at least four fifths of the seeds meet what it asks.

It holds *in part* where some do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightning_seqfit.studies.training import Measures, Training


@dataclass(frozen=True)
class Claim:
    """What the article says, and what is asked of trainings.

    Attributes
    ----------
    key : name of its picture.
    says : the claim.
    measure : what is measured, in words.
    value : of the trainings' measures for one seed.
    trainings : what is trained for it.
    at_least, at_most : what is asked of the value.
    shows : what the picture shows of each training: "error", "basis", "rank", "target", "order" or "progress".
    """

    key: str
    says: str
    measure: str
    value: Callable[..., float]
    trainings: tuple[Training, ...]
    at_least: float = -math.inf
    at_most: float = math.inf
    shows: str = "error"

    @property
    def asked(self) -> str:
        """The bound, in words."""
        return f">= {self.at_least:g}" if self.at_least > -math.inf else f"<= {self.at_most:g}"

    def met(self, value: float) -> bool:
        """Whether a value meets the bound; one that is not known does not."""
        return self.at_least <= value <= self.at_most


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
        met = sum(self.claim.met(value) for value in self.values)
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
