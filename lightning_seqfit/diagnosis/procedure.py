"""Provisional."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from lightning_seqfit.diagnosis.signs import Signs, Situation
from lightning_seqfit.diagnosis.verdict import Verdict


@dataclass(frozen=True)
class Course:
    verdict: Verdict | None = None
    stalled: bool = False
    since: float = math.nan
    doublings: float = math.nan

    def as_numbers(self) -> dict[str, float]:
        return {}

    @classmethod
    def of_numbers(cls, numbers: Mapping[str, float]) -> Course:
        return cls()


def judge(signs: Signs, look: int, situation: Situation, before: Course) -> Course:
    return Course(Verdict.UNDECIDED)
