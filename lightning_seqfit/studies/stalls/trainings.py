"""The trainings of the study: what each is known to be, those that the procedure was tuned on and those held out."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.diagnosis.verdict import STALLED, Verdict
from lightning_seqfit.studies.stalls.module import EVALUATIONS, make_module
from lightning_seqfit.studies.stalls.setup import Setup
from lightning_seqfit.studies.training import Prepared

#: Verdicts of a training in trouble.
ALARMS = STALLED | {Verdict.DIVERGED}


@dataclass(frozen=True)
class Trial:
    """A setup to train, under a name."""

    name: str
    setup: Setup

    @property
    def cost(self) -> float:
        """About how long it takes, in steps of a regression along a line."""
        work = 5.0 if self.setup.equation else 1.5 if len(self.setup.bounds) > 1 else 1.0
        return self.setup.steps * work

    def prepare(self) -> Prepared:
        """Make its module and a callback a probe."""
        module = make_module(self.setup)
        callbacks = [SequentialFitting(probe) for probe in module.probes()]
        steps = self.setup.steps // (EVALUATIONS if self.setup.optimizer == "lbfgs" else 1)
        return Prepared(module, callbacks, steps, {"setup": {**asdict(self.setup), "bounds": str(self.setup.bounds)}})


@dataclass(frozen=True)
class Case:
    """A training whose state is known.

    Attributes
    ----------
    title : what it is, in a few words.
    trial : what is trained.
    right : verdicts that are right at the last look, the likeliest first.
    held_out : the procedure was not tuned on it.
    known : step from which it can be known; None: by hindsight (:func:`.scores.known_from`).
    """

    title: str
    trial: Trial
    right: tuple[Verdict, ...]
    held_out: bool = False
    known: int | None = None

    @property
    def healthy(self) -> bool:
        """Whether it gets fitted, or gets on, when it is let: no alarm is right."""
        return not any(verdict in ALARMS for verdict in self.right)

    @property
    def stalls(self) -> bool:
        """Whether nothing but an alarm is right; of what creeps neither is so."""
        return all(verdict in ALARMS for verdict in self.right)


V = Verdict
_YEARS, _LONG, _NEGATIVE = ((1958.0, 2024.0),), ((0.0, 1000.0),), ((-500.0, -300.0),)
_SQUARE = ((0.0, 1.0), (0.0, 1.0))
_STRIP = ((0.0, 2 * math.pi), (0.0, 1.0))  # of an equation: x and t


def _cases(held_out: bool, *listed: tuple[str, str, Verdict | tuple[Verdict, ...], dict[str, Any]]) -> list[Case]:
    """Cases of names, titles, what is right, and what is trained."""
    return [
        Case(title, Trial(name, Setup(**setup)), right if isinstance(right, tuple) else (right,), held_out)
        for name, title, right, setup in listed
    ]


def _on(target: str, network: str = "tanh", steps: int = 4_000, **setup: Any) -> dict[str, Any]:
    """A regression; SIREN and Fourier features with rates that suit them."""
    rates = {"siren": 5e-4, "fourier": 1e-3}
    return {"target": target, "network": network, "steps": steps, "learning_rate": rates.get(network, 5e-3), **setup}


def _by_residual(equation: str, coefficient: float, network: str = "tanh", **setup: Any) -> dict[str, Any]:
    line = equation in ("oscillator", "poisson")
    box = {"points": 128} if line else {"bounds": _STRIP, "points": 20}
    rate = {"siren": 5e-4, "fourier": 1e-3}.get(network, 5e-3 if equation == "oscillator" else 2e-3)
    given = {"equation": equation, "coefficient": coefficient, "network": network, "steps": 2_500}
    return {**given, "learning_rate": rate, **box, **setup}


_STILL = (V.NOT_STARTED, V.STUCK)  # of a fit of which a little has begun, either may be said
_ALL_WELL = (V.FITTED, V.NOISE_FLOOR)
_WELL = (V.FITTED, V.SEQUENTIAL, V.PROGRESSING)
_CREEPS = (V.STUCK, V.CAPACITY, V.SEQUENTIAL, V.PROGRESSING)
_GETS_ON = (V.SEQUENTIAL, V.PROGRESSING)
_HARDLY = (*_STILL, *_GETS_ON, V.UNDECIDED)

TUNED_ON = _cases(
    False,
    # healthy
    ("sine", "13 cycles, tanh", _WELL, _on("sine 13", steps=5_000)),
    ("cosine", "13 cycles from one side, tanh, broken off", _GETS_ON, _on("cosine 13", steps=4_000)),
    ("siren", "13 cycles, SIREN", V.FITTED, _on("sine 13", "siren", 1_500, omega_0=40.0)),
    ("fourier", "13 cycles, Fourier features", V.FITTED, _on("sine 13", "fourier", 1_500, sigma=6.5)),
    ("octaves", "1, 2, 4 and 8 cycles, tanh", _WELL, _on("octaves 1 to 8", steps=5_000)),
    ("batches", "5 cycles in batches of 32, tanh", _WELL, _on("sine 5", batch_size=32)),
    ("noisy", "6 cycles, noise of 0.3 in the training values, tanh", V.FITTED, _on("sine 6", noise=0.3)),
    ("decaying", "8 cycles that decay, tanh", _WELL, _on("decaying 8", steps=6_000)),
    ("line", "8 cycles on a line, tanh", _WELL, _on("line and 8", steps=5_000)),
    ("annealed", "8 cycles, cosine schedule, tanh", _WELL, _on("sine 8", schedule="cosine")),
    ("gap", "12 cycles with a quiet gap, tanh", _WELL, _on("gap 12", steps=6_000)),
    ("plane", "a plane wave of 4 cycles, tanh", V.FITTED, _on("plane 4", steps=2_500, bounds=_SQUARE, points=32)),
    ("oscillation", "an oscillator of 1 cycle by its residual, tanh", V.FITTED, _by_residual("oscillator", 1.0)),
    (
        "floor",
        "6 cycles with noise of 0.5, SIREN",
        _ALL_WELL,
        _on("sine 6", "siren", noise=0.5, watch_data=True, omega_0=20.0),
    ),
    ("early", "13 cycles, tanh, after 700 steps", V.UNDECIDED, _on("sine 13", steps=700)),
    ("slow", "20 cycles, tanh, broken off", _GETS_ON, _on("sine 20", steps=8_000)),
    # stalls
    ("windowed", "20 cycles under a Hann window to the 4th, tanh", V.NOT_STARTED, _on("windowed 20", steps=5_000)),
    ("gabor", "16 cycles under a narrow bell, tanh", V.NOT_STARTED, _on("gabor 16", steps=5_000)),
    ("creeping", "0.3 of 18 cycles on a parabola, tanh, which creeps", _HARDLY, _on("parabola and 18")),
    ("narrow-relu", "1, 2, 4 and 8 cycles, ReLU of width 24", V.STUCK, _on("octaves 1 to 8", "relu", 3_000, width=24)),
    (
        "huge",
        "3 and 9 cycles of size 3,000, SIREN at 1e-4",
        V.READ_OUT,
        _on("huge 3 and 9", "siren", 2_500, omega_0=20.0, learning_rate=1e-4),
    ),
    ("narrow", "5 cycles, tanh of width 5", V.CAPACITY, _on("sine 5", steps=8_000, width=5)),
    ("narrow-fast", "9 cycles, tanh of width 7", V.CAPACITY, _on("cosine 9", steps=9_000, width=7, learning_rate=1e-2)),
    (
        "tiny-rate",
        "13 cycles, SIREN at 1e-7",
        (V.READ_OUT, V.RATE_LOW),
        _on("sine 13", "siren", 2_500, learning_rate=1e-7),
    ),
    (
        "read-out",
        "13 cycles, SIREN by SGD at 1e-5",
        (V.READ_OUT, V.RATE_LOW),
        _on("sine 13", "siren", 2_500, optimizer="sgd", learning_rate=1e-5),
    ),
    ("years", "8 cycles over 1958 to 2024, tanh", V.INPUTS, _on("sine 8", steps=3_000, bounds=_YEARS)),
    ("thousand", "8 cycles over 0 to 1,000, tanh", V.INPUTS, _on("sine 8", steps=3_000, bounds=_LONG)),
    (
        "sparse",
        "18 cycles at 30 points, SIREN",
        V.UNDERSAMPLED,
        _on("sine 18", "siren", 2_000, points=30, omega_0=57.0),
    ),
    (
        "scattered",
        "12 cycles at 40 random points, SIREN",
        V.UNDERSAMPLED,
        _on("sine 12", "siren", 2_000, points=40, at_random=True, omega_0=38.0),
    ),
    ("hot-siren", "13 cycles, SIREN at 2e-2", V.RATE_HIGH, _on("sine 13", "siren", 2_500, learning_rate=2e-2)),
    ("hot-adam", "5 cycles, tanh at 0.2", V.RATE_HIGH, _on("sine 5", steps=2_500, learning_rate=0.2)),
    (
        "decayed",
        "13 cycles, rate down to a hundredth at step 1,500, tanh",
        V.RATE_DECAYED,
        _on("sine 13", steps=5_000, schedule="decayed", decay_at=1_500),
    ),
    (
        "decayed-early",
        "8 cycles, rate down to a hundredth at step 600, tanh",
        V.RATE_DECAYED,
        _on("sine 8", schedule="decayed", decay_at=600),
    ),
    ("cold", "5 cycles, tanh at 1e-5", V.RATE_LOW, _on("sine 5", learning_rate=1e-5)),
    (
        "fine",
        "2 cycles, SIREN of one layer, omega_0 = 2,000",
        V.TOO_FINE,
        _on("sine 2", "siren", 2_500, omega_0=2000.0, depth=1, width=24, points=4_000),
    ),
    (
        "fine-wide",
        "2 cycles, SIREN of one layer, omega_0 = 1,500",
        V.TOO_FINE,
        _on("sine 2", "siren", 2_500, omega_0=1500.0, depth=1, points=3_000),
    ),
    (
        "oscillator",
        "an oscillator of 8 cycles by its residual, tanh",
        V.WRONG_SOLUTION,
        _by_residual("oscillator", 8.0),
    ),
    (
        "poisson",
        "Poisson's equation, 6 cycles, tanh, which begins late",
        (V.WRONG_SOLUTION, *_STILL, *_GETS_ON),
        _by_residual("poisson", 12.0, steps=4_500),
    ),
    ("burst", "3 cycles, tanh by SGD at 5", V.DIVERGED, _on("sine 3", steps=1_500, optimizer="sgd", learning_rate=5.0)),
    (
        "burst-siren",
        "3 cycles, SIREN by SGD at 3",
        V.DIVERGED,
        _on("sine 3", "siren", 1_500, optimizer="sgd", learning_rate=3.0),
    ),
)

HELD_OUT = _cases(
    True,
    # healthy
    ("chirp", "1 to 9 cycles a unit, GELU", _WELL, _on("chirp 1 to 9", "gelu", 5_000)),
    (
        "deep",
        "2 to 12 cycles a unit, tanh of 3 layers",
        _WELL,
        _on("chirp 2 to 12", steps=4_000, depth=3),
    ),
    ("chirp-long", "2 to 12 cycles a unit, tanh", _WELL, _on("chirp 2 to 12", steps=7_000)),
    ("three-siren", "2, 5 and 11 cycles, SIREN", V.FITTED, _on("2, 5 and 11", "siren", 1_500)),
    (
        "chirp-fourier",
        "3 to 15 cycles a unit, Fourier features",
        V.FITTED,
        _on("chirp 3 to 15", "fourier", 1_500, sigma=6.0),
    ),
    (
        "product",
        "a product of 2 by 2 cycles, GELU",
        _WELL,
        _on("product 2", "gelu", 2_500, bounds=_SQUARE, points=32),
    ),
    ("rings", "rings, SIREN", V.FITTED, _on("rings 3", "siren", 1_500, bounds=_SQUARE, points=32, omega_0=15.0)),
    ("growing", "7 cycles that grow, GELU", _WELL, _on("growing 7", "gelu", 5_000)),
    ("decaying-relu", "6 cycles that decay, ReLU", _WELL, _on("decaying 6", "relu", 5_000)),
    ("parabola", "5 cycles on a parabola, GELU", _WELL, _on("parabola and 5", "gelu")),
    (
        "noisy-batches",
        "1 to 9 cycles a unit, noise of 0.2, batches of 64, tanh",
        _WELL,
        _on("chirp 1 to 9", steps=6_000, batch_size=64, noise=0.2),
    ),
    ("gap-gelu", "9 cycles with a quiet gap, GELU", _WELL, _on("gap 9", "gelu", 5_000)),
    ("wide", "10 cycles on [-3, 3], GELU", _WELL, _on("sine 10", "gelu", bounds=((-3.0, 3.0),))),
    (
        "sgd",
        "7 cycles, SIREN by SGD",
        _WELL,
        _on("sine 7", "siren", 3_000, omega_0=20.0, optimizer="sgd", learning_rate=1e-3),
    ),
    ("reaction-slow", "a slow reaction by its residual, tanh", _WELL, _by_residual("reaction", 2.0)),
    (
        "oscillator-siren",
        "an oscillator of 3 cycles by its residual, SIREN",
        V.FITTED,
        _by_residual("oscillator", 3.0, "siren", omega_0=15.0, steps=2_000),
    ),
    (
        "floor-gelu",
        "5 cycles with noise of 0.5, GELU",
        _ALL_WELL,
        _on("sine 5", "gelu", noise=0.5, watch_data=True, points=200),
    ),
    ("early-gelu", "2 to 12 cycles a unit, GELU, after 800 steps", V.UNDECIDED, _on("chirp 2 to 12", "gelu", 800)),
    # stalls
    ("bump", "17 cycles under a bump, GELU", V.NOT_STARTED, _on("bump 17", "gelu", 5_000)),
    (
        "windowed-plane",
        "a product of 6 by 6 cycles under a window, tanh",
        V.NOT_STARTED,
        _on("windowed product 6", steps=5_000, bounds=_SQUARE, points=24),
    ),
    (
        "creeping-deep",
        "0.3 of 15 cycles on an exponential, tanh of 3 layers, which creeps",
        _HARDLY,
        _on("exponential and 15", depth=3),
    ),
    (
        "trend-gelu",
        "0.3 of 18 cycles on a parabola, GELU, which creeps",
        _HARDLY,
        _on("parabola and 18", "gelu"),
    ),
    ("narrow-gelu", "1 to 9 cycles a unit, GELU of width 6", V.CAPACITY, _on("chirp 1 to 9", "gelu", 5_000, width=6)),
    (
        "narrow-chirp",
        "2 to 12 cycles a unit, GELU of width 8",
        V.CAPACITY,
        _on("chirp 2 to 12", "gelu", 5_000, width=8),
    ),
    (
        "read-out-fourier",
        "3 to 15 cycles a unit, Fourier features at 1e-7",
        (V.READ_OUT, V.RATE_LOW),
        _on("chirp 3 to 15", "fourier", 2_500, sigma=6.0, learning_rate=1e-7),
    ),
    (
        "huge-fourier",
        "3 to 15 cycles a unit of size 10,000, Fourier features at 2e-4",
        V.READ_OUT,
        _on("huge chirp 3 to 15", "fourier", 2_500, sigma=6.0, learning_rate=2e-4),
    ),
    ("stuck-relu", "3 and 9 cycles, ReLU, which creeps", _CREEPS, _on("3 and 9", "relu", 4_000)),
    (
        "narrow-three",
        "2, 5 and 11 cycles, ReLU of width 16, which creeps",
        _CREEPS,
        _on("2, 5 and 11", "relu", 3_000, width=16),
    ),
    ("negative", "6 cycles over -500 to -300, ReLU", V.INPUTS, _on("cosine 6", "relu", 3_000, bounds=_NEGATIVE)),
    ("hundreds", "6 cycles over 0 to 1,000, GELU", V.INPUTS, _on("sine 6", "gelu", 3_000, bounds=_LONG)),
    (
        "sparse-fourier",
        "14 cycles at 24 points, Fourier features",
        V.UNDERSAMPLED,
        _on("sine 14", "fourier", 2_000, points=24, sigma=7.0),
    ),
    (
        "scattered-fourier",
        "2, 5 and 11 cycles at 30 random points, Fourier features",
        V.UNDERSAMPLED,
        _on("2, 5 and 11", "fourier", 2_000, points=30, at_random=True, sigma=6.0),
    ),
    (
        "hot-chirp",
        "2 to 12 cycles a unit, SIREN at 3e-2",
        V.RATE_HIGH,
        _on("chirp 2 to 12", "siren", 2_500, omega_0=40.0, learning_rate=3e-2),
    ),
    ("hot-relu", "5 cycles, ReLU at 0.5", V.RATE_HIGH, _on("cosine 5", "relu", 2_500, learning_rate=0.5)),
    (
        "decayed-gelu",
        "2 to 12 cycles a unit, rate down to a hundredth at step 500, GELU",
        V.RATE_DECAYED,
        _on("chirp 2 to 12", "gelu", 7_000, schedule="decayed", decay_at=500),
    ),
    (
        "decayed-relu",
        "3 cycles, rate down to a hundredth at step 200, ReLU",
        V.RATE_DECAYED,
        _on("sine 3", "relu", 5_000, schedule="decayed", decay_at=200),
    ),
    ("cold-gelu", "3 and 9 cycles, GELU at 3e-6", V.RATE_LOW, _on("3 and 9", "gelu", learning_rate=3e-6)),
    (
        "cold-relu",
        "6 cycles, ReLU by SGD at 1e-5",
        V.RATE_LOW,
        _on("sine 6", "relu", optimizer="sgd", learning_rate=1e-5),
    ),
    (
        "fine-chirp",
        "1 to 9 cycles a unit, SIREN of one layer, omega_0 = 4,000",
        V.TOO_FINE,
        _on("chirp 1 to 9", "siren", 2_500, omega_0=4000.0, depth=1, width=24, points=4_000),
    ),
    (
        "fine-two",
        "3 and 9 cycles, SIREN of one layer, omega_0 = 3,000",
        V.TOO_FINE,
        _on("3 and 9", "siren", 2_500, omega_0=3000.0, depth=1, width=24, points=4_000),
    ),
    (
        "convection",
        "convection with speed 30, tanh, which creeps",
        (V.WRONG_SOLUTION, *_GETS_ON),
        _by_residual("convection", 30.0, steps=4_000, points=16),
    ),
    (
        "oscillator-gelu",
        "an oscillator of 5 cycles by its residual, GELU",
        V.WRONG_SOLUTION,
        _by_residual("oscillator", 5.0, "gelu"),
    ),
    (
        "burst-relu",
        "3 cycles, ReLU by SGD at 5",
        V.DIVERGED,
        _on("sine 3", "relu", 1_500, optimizer="sgd", learning_rate=5.0),
    ),
    (
        "burst-chirp",
        "1 to 9 cycles a unit, GELU by SGD at 2",
        V.DIVERGED,
        _on("chirp 1 to 9", "gelu", 1_500, optimizer="sgd", learning_rate=2.0),
    ),
)

CASES: tuple[Case, ...] = (*TUNED_ON, *HELD_OUT)
