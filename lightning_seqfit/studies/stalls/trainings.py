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
_LOW = (V.READ_OUT, V.RATE_LOW)

_FIRST = _cases(
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
    ("narrow", "5 cycles, tanh of width 4, which creeps", _CREEPS, _on("sine 5", steps=7_000, width=4)),
    (
        "narrow-fast",
        "9 cycles, tanh of width 6, which creeps",
        _CREEPS,
        _on("sine 9", steps=8_000, width=6, learning_rate=1e-2),
    ),
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

_SECOND = _cases(
    False,
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

TUNED_ON = [*_FIRST, *_SECOND]

_UNIT, _TWO, _THREE, _SIX = ((-1.0, 1.0),), ((-2.0, 2.0),), ((0.0, 3.0),), ((0.0, 6.0),)
_DISC = ((-1.0, 1.0), (-1.0, 1.0))
_FAR, _FROM_0 = ((-1300.0, -1200.0),), ((0.0, 5000.0),)

# Labelled by what was built in and by what they do with seeds 0, 1 and 2, before any verdict on them was seen.
HELD_OUT = _cases(
    True,
    # Healthy: at the end 98 % is fitted with every seed, but of slow-15 and slow-growing with one each: these get on
    # (0.56 to 0.70 in the last quarter; 1.00 by 8,000 steps). What starts late does start by itself.
    ("slow-11", "11 cycles, tanh of width 64", _WELL, _on("sine 11", steps=6_000, width=64)),
    ("slow-16", "16 cycles on [-1, 1], tanh of width 80", _WELL, _on("sine 16", steps=6_000, width=80, bounds=_UNIT)),
    (
        "slow-10",
        "10 cycles from a crest, tanh of width 100, which starts late",
        _WELL,
        _on("cosine 10", steps=6_000, width=100, learning_rate=3e-3),
    ),
    ("slow-7", "7 cycles, tanh of width 40 at 4e-3", _WELL, _on("cosine 7", width=40, learning_rate=4e-3)),
    (
        "slow-15",
        "15 cycles on [-2, 2], tanh of width 60 at 3e-3",
        _WELL,
        _on("sine 15", steps=6_000, width=60, bounds=_TWO, learning_rate=3e-3),
    ),
    ("slow-chirp", "4 to 10 cycles a unit, tanh of width 70", _WELL, _on("chirp 4 to 10", steps=5_000, width=70)),
    (
        "slow-falling",
        "14 to 2 cycles a unit on [0, 3], tanh of width 128 at 2e-3",
        _WELL,
        _on("chirp 14 to 2", width=128, bounds=_THREE, learning_rate=2e-3),
    ),
    ("slow-growing", "9 cycles that grow, tanh of width 60", _WELL, _on("growing 9", steps=6_000, width=60)),
    ("slow-trend", "6 cycles on a cubic, tanh of width 40", _WELL, _on("cubic and 6", steps=5_000, width=40)),
    (
        "deep-decaying",
        "5 cycles that decay on [-1, 1], tanh of 3 layers of 30",
        _WELL,
        _on("decaying 5", width=30, depth=3, bounds=_UNIT, learning_rate=3e-3),
    ),
    (
        "two-batches",
        "4 and 10 cycles in batches of 50, noise of 0.2, tanh of width 80",
        _WELL,
        _on("4 and 10", steps=5_000, width=80, batch_size=50, noise=0.2, bounds=_UNIT),
    ),
    (
        "relu-batches",
        "4 cycles on [-1, 1] in batches of 100, ReLU of width 100",
        _WELL,
        _on("sine 4", "relu", 3_000, width=100, batch_size=100, bounds=_UNIT, learning_rate=2e-3),
    ),
    (
        "four-siren",
        "1, 3, 6 and 14 cycles on [-1, 1], SIREN of width 64",
        V.FITTED,
        _on("1, 3, 6 and 14", "siren", 1_500, width=64, bounds=_UNIT, omega_0=25.0),
    ),
    (
        "siren-annealed",
        "11 cycles, noise of 0.2, batches of 64, cosine schedule, SIREN of width 30",
        V.FITTED,
        _on("sine 11", "siren", 2_000, width=30, batch_size=64, noise=0.2, schedule="cosine", omega_0=30.0),
    ),
    (
        "fourier-deep",
        "14 to 2 cycles a unit, Fourier features, 3 layers of 40",
        V.FITTED,
        _on("chirp 14 to 2", "fourier", 1_500, width=40, depth=3, sigma=5.0),
    ),
    (
        "oblique",
        "an oblique plane wave of 3 by 1.5 cycles on [-1, 1], GELU of width 64",
        _WELL,
        _on("oblique 3", "gelu", 2_500, width=64, bounds=_DISC, points=28),
    ),
    (
        "crossed",
        "2 cycles along x and 3 along y, Fourier features",
        V.FITTED,
        _on("crossed 2 and 3", "fourier", 1_500, bounds=_SQUARE, points=28, sigma=2.0),
    ),
    (
        "newton",
        "4 cycles on [-1, 1], tanh of width 30 by L-BFGS",
        _WELL,
        _on("sine 4", width=30, optimizer="lbfgs", bounds=_UNIT),
    ),
    (
        "sgd-fourier",
        "3 cycles from a crest, Fourier features by SGD at 0.05",
        _WELL,
        _on("cosine 3", "fourier", 3_000, sigma=2.0, optimizer="sgd", learning_rate=5e-2),
    ),
    (
        "late",
        "4 cycles under a Hann window on [-1, 1], tanh of width 64, which starts late",
        _WELL,
        _on("hann 4", steps=3_000, width=64, bounds=_UNIT),
    ),
    ("later", "3 cycles under a Hann window, tanh of width 64, which starts late", _WELL, _on("hann 3", width=64)),
    ("poisson-slow", "Poisson's equation, 2 cycles, tanh of width 40", _WELL, _by_residual("poisson", 4.0, width=40)),
    (
        "oscillation-2",
        "an oscillator of 2 cycles by its residual, SIREN of width 40",
        V.FITTED,
        _by_residual("oscillator", 2.0, "siren", omega_0=10.0, width=40, steps=1_500),
    ),
    ("convection-slow", "convection with speed 4, tanh of width 40", _WELL, _by_residual("convection", 4.0, width=40)),
    # Noise of a known size, which the probe sees too: there is nothing more to fit.
    (
        "floor-tanh",
        "4 cycles with noise of 0.4, tanh of width 64",
        _ALL_WELL,
        _on("sine 4", noise=0.4, watch_data=True, width=64, points=250, steps=3_000),
    ),
    (
        "floor-fourier",
        "3 cycles from a crest with noise of 0.6, Fourier features of width 30",
        _ALL_WELL,
        _on("cosine 3", "fourier", 2_500, noise=0.6, watch_data=True, width=30, points=600, sigma=1.0),
    ),
    # Stalls: without a word to the contrary the error has not moved for half of the steps.
    # Not started: the error is 1.00 from the first look to the last; a SIREN fits the same in 57 steps.
    (
        "gabor-off",
        "14 cycles under a narrow bell, tanh of width 70",
        V.NOT_STARTED,
        _on("gabor 14", steps=5_000, width=70),
    ),
    (
        "bell-plane",
        "a product of 7 by 7 cycles under a bell, GELU of width 40",
        V.NOT_STARTED,
        _on("bell product 7", "gelu", 5_000, width=40, bounds=_SQUARE, points=26),
    ),
    (
        "bump-deep",
        "19 cycles under a bump, tanh of 3 layers at 2e-3",
        V.NOT_STARTED,
        _on("bump 19", steps=5_000, depth=3, learning_rate=2e-3),
    ),
    # Capacity: the best weights of the last layer leave the same error; widths 60 and 70 fit as much.
    (
        "narrow-falling",
        "14 to 2 cycles a unit on [0, 3], tanh of width 5",
        V.CAPACITY,
        _on("chirp 14 to 2", steps=6_000, width=5, bounds=_THREE),
    ),
    (
        "narrow-rising",
        "4 to 10 cycles a unit on [-2, 2], tanh of width 5",
        V.CAPACITY,
        _on("chirp 4 to 10", steps=6_000, width=5, bounds=_TWO),
    ),
    # Nothing moves at these rates, and the best weights of the last layer leave nothing: both words are true.
    (
        "tiny-fourier",
        "9 cycles, Fourier features of width 80 at 1e-7",
        _LOW,
        _on("sine 9", "fourier", 2_500, width=80, sigma=4.0, learning_rate=1e-7),
    ),
    # Read-out: the basis would do (0.03 left by the best weights), the weights would have to come to thousands.
    (
        "large",
        "4 and 10 cycles of size 5,000, SIREN of width 64 at 2e-4",
        V.READ_OUT,
        _on("large 4 and 10", "siren", 2_500, width=64, omega_0=25.0, learning_rate=2e-4),
    ),
    (
        "sgd-siren",
        "1 to 7 cycles a unit on [-1, 1], SIREN of width 100 by SGD at 3e-7",
        _LOW,
        _on("chirp 1 to 7", "siren", 2_500, width=100, omega_0=15.0, bounds=_UNIT, optimizer="sgd", learning_rate=3e-7),
    ),
    # Mapped to [-1, 1] the same is fitted.
    (
        "far",
        "4 cycles over -1,300 to -1,200, GELU of width 64",
        V.INPUTS,
        _on("sine 4", "gelu", 3_000, width=64, bounds=_FAR, learning_rate=2e-3),
    ),
    (
        "days",
        "5 cycles over 0 to 5,000, tanh of 3 layers",
        V.INPUTS,
        _on("cosine 5", steps=3_000, depth=3, bounds=_FROM_0, learning_rate=2e-3),
    ),
    # Undersampled: 1.7 and 2.6 points a cycle; the loss vanishes, the error is above 1; 60 and 150 points end it.
    (
        "sparse-two",
        "14 cycles on [-2, 2] at 24 points, SIREN of width 64",
        V.UNDERSAMPLED,
        _on("cosine 14", "siren", 2_000, width=64, points=24, bounds=_TWO, omega_0=11.0),
    ),
    (
        "random-fourier",
        "10 cycles at 26 random points, Fourier features of width 80",
        V.UNDERSAMPLED,
        _on("sine 10", "fourier", 2_000, width=80, points=26, at_random=True, sigma=5.0),
    ),
    # Rate too high: at a tenth or a hundredth of it the same gets fitted.
    (
        "hot-gelu",
        "4 cycles on [-1, 1], GELU of width 64 at 1",
        V.RATE_HIGH,
        _on("sine 4", "gelu", 2_500, width=64, bounds=_UNIT, learning_rate=1.0),
    ),
    (
        "hot-two",
        "4 and 10 cycles, SIREN of width 64 at 5e-2",
        V.RATE_HIGH,
        _on("4 and 10", "siren", 2_500, width=64, omega_0=25.0, learning_rate=5e-2),
    ),
    # Rate decayed: the same at a constant rate gets fitted, or gets on.
    (
        "decayed-wide",
        "11 cycles, rate down to a hundredth at step 1,000, tanh of width 64",
        V.RATE_DECAYED,
        _on("sine 11", width=64, schedule="decayed", decay_at=1_000),
    ),
    (
        "decayed-falling",
        "14 to 2 cycles a unit on [0, 3], rate down to a hundredth at step 500, tanh of width 60",
        V.RATE_DECAYED,
        _on("chirp 14 to 2", width=60, bounds=_THREE, schedule="decayed", decay_at=500),
    ),
    # Rate too low: the same at 1e-3 to 5e-3 is fitted; of the first also the basis as it is would do.
    (
        "cold-deep",
        "4 cycles on [-1, 1], tanh of 3 layers at 1e-5",
        (V.RATE_LOW, V.READ_OUT),
        _on("sine 4", depth=3, bounds=_UNIT, learning_rate=1e-5),
    ),
    (
        "cold-chirp",
        "4 to 10 cycles a unit, tanh of width 70 at 1e-5",
        V.RATE_LOW,
        _on("chirp 4 to 10", width=70, learning_rate=1e-5),
    ),
    (
        "cold-growing",
        "9 cycles that grow, tanh of width 60 at 5e-6",
        V.RATE_LOW,
        _on("growing 9", width=60, learning_rate=5e-6),
    ),
    # Basis too fine: error and loss agree (no want of points), a lower rate does not end it, a lower omega_0 does.
    (
        "fine-rising",
        "1 to 7 cycles a unit on [-2, 2], SIREN of one layer of 60, omega_0 = 1,000",
        V.TOO_FINE,
        _on("chirp 1 to 7", "siren", 2_500, omega_0=1000.0, depth=1, width=60, points=4_000, bounds=_TWO),
    ),
    (
        "fine-siren",
        "5 cycles from a crest, SIREN of one layer, omega_0 = 2,500",
        V.TOO_FINE,
        _on("cosine 5", "siren", 2_500, omega_0=2500.0, depth=1, width=40, points=4_000),
    ),
    # Wrong solution: a loss of 3e-3, an error of 0.88; in 9,000 steps it comes to 0.78, of a SIREN to 0.01.
    (
        "oscillator-10",
        "an oscillator of 10 cycles by its residual, tanh of width 40, which creeps",
        (V.WRONG_SOLUTION, *_GETS_ON),
        _by_residual("oscillator", 10.0, width=40, steps=3_500),
    ),
    # Wrong solution: u = 0, whose residual is 0, from the first hundreds of steps on.
    (
        "reaction-8",
        "a faster reaction by its residual, GELU of width 60",
        V.WRONG_SOLUTION,
        _by_residual("reaction", 8.0, "gelu", width=60),
    ),
    (
        "reaction-6",
        "a fast reaction by its residual, tanh of width 40",
        V.WRONG_SOLUTION,
        _by_residual("reaction", 6.0, width=40),
    ),
    # Diverged: the error is infinite from the first hundred steps on.
    (
        "burst-gelu",
        "4 cycles on [0, 6], GELU of width 64 by SGD at 1",
        V.DIVERGED,
        _on("sine 4", "gelu", 1_500, width=64, bounds=_SIX, optimizer="sgd", learning_rate=1.0),
    ),
    (
        "burst-fourier",
        "7 cycles from a crest, Fourier features by SGD at 8",
        V.DIVERGED,
        _on("cosine 7", "fourier", 1_500, sigma=4.0, optimizer="sgd", learning_rate=8.0),
    ),
    # Stuck: what touches an end is fitted, what lies inside does not begin; a SIREN fits all of it.
    (
        "start-and-bell",
        "12 cycles at the start and under a bell, tanh of width 64",
        V.STUCK,
        _on("start and bell 12", steps=5_000, width=64),
    ),
    (
        "end-and-bell",
        "16 cycles on [-1, 1], at the end and under a bell, tanh of width 60",
        V.STUCK,
        _on("end and bell 16", steps=5_000, width=60, bounds=_UNIT),
    ),
    # The trend is fitted, of the waves nothing has begun: either word is true.
    ("trend-24", "0.2 of 24 cycles on a parabola, tanh of width 64", _STILL, _on("bent and 24", steps=5_000, width=64)),
    (
        "trend-20",
        "0.3 of 20 cycles on a logistic step, GELU of width 40",
        _STILL,
        _on("logistic and 20", "gelu", 5_000, width=40),
    ),
)

CASES: tuple[Case, ...] = (*TUNED_ON, *HELD_OUT)
