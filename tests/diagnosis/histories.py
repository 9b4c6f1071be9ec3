"""Histories whose answer is known: a mean error over the steps, and everything else as in a healthy training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from lightning_seqfit.diagnosis.procedure import Course, judge
from lightning_seqfit.diagnosis.signs import NUMBERS, Signs, Situation
from lightning_seqfit.diagnosis.verdict import Verdict
from lightning_seqfit.geometry import FloatArray

SITUATION = Situation(
    axes=("x",),
    frequencies=(10.0,),
    lengths=(1.0,),
    bound=1.0,
    width=50.0,
    first_error=1.0,
    first_constant_share=0.0,
    first_rank_share=0.1,
)
CELLS = 40


def cadence(last: float) -> FloatArray:
    """Steps 0, 1, 2, 3, 4, 6, 8, 11, ... to a last one, as the callbacks look by themselves."""
    steps, step = [0.0], 1.0
    while step < last:
        steps.append(step)
        step += max(1.0, round(step * 0.4)) if step * 0.4 < 50 else max(50.0, round(step * 0.08))
    return np.array([*steps, last])


def rising(power: float, half: float) -> Callable[[FloatArray], FloatArray]:
    """Mean error 1 / (1 + (s / half)^power): its log odds rise by ``power ln 2`` with each doubling of the steps."""
    return lambda steps: 1.0 / (1.0 + (steps / half) ** power)


def flat(value: float) -> Callable[[FloatArray], FloatArray]:
    """A mean error that falls over the first 100 steps and never after."""
    return lambda steps: value + (1.0 - value) * np.exp(-steps / 20)


def history(steps: FloatArray, mean_error: Callable[[FloatArray], FloatArray] | FloatArray, **columns: Any) -> Signs:
    """Signs of a healthy training with that mean error, alike in all places but for two quiet ones."""
    m = mean_error(steps) if callable(mean_error) else mean_error
    clipped = columns.pop("clipped", np.repeat(m[:, None], CELLS, axis=1))
    clipped = np.concatenate([clipped, np.full((len(steps), 2), np.nan)], axis=1)
    error = columns.pop("error", np.sqrt(m))
    error = np.broadcast_to(np.asarray(error, dtype=float), steps.shape)
    best = np.fmin.accumulate(error)
    healthy: dict[str, Any] = {
        "error": error,
        "mean_error": m,
        "fitted": np.clip(1.0 - 2 * m, 0.0, 0.97),
        "sequentiality": 0.0,
        "path": np.concatenate([[0.0], np.cumsum(np.nanmean(np.abs(np.diff(clipped, axis=0)), axis=1))]),
        "looks": np.arange(len(steps)) + 1.0,
        "loss": error**2,
        "loss_ratio": 1.0,
        "learning_rate": 5e-3,
        "highest_rate": 5e-3,
        "projection_ratio": 0.95,
        "rank_share": 0.4,
        "median_laps": 1.0,
        "constant_share": 0.0,
        "update": 1e-2,
        "flatness": 0.05,
        "best_error": best,
        "best_step": steps[np.array([int(np.argmin(error[: look + 1])) for look in range(len(steps))])],
    }
    values = {name: np.broadcast_to(columns.get(name, healthy[name]), steps.shape).astype(float) for name in NUMBERS}
    return Signs.of(values, steps, clipped)


def every_nth(signs: Signs, n: int) -> Signs:
    """Signs of a record that has every n-th look only."""
    return Signs.of({name: getattr(signs, name)[::n] for name in NUMBERS}, signs.step[::n], signs.clipped[::n])


def courses(
    signs: Signs, situation: Situation = SITUATION, before: Course | None = None, first: int = 0
) -> list[Course]:
    """What is said at each look from a first one on."""
    said, course = [], before or Course()
    for look in range(first, len(signs)):
        course = judge(signs, look, situation, course)
        said.append(course)
    return said


def verdicts(said: Iterable[Course]) -> list[Verdict]:
    """The words, without repetitions."""
    words: list[Verdict] = []
    for course in said:
        if not words or words[-1] is not course.verdict:
            words.append(course.verdict)
    return words
