"""Whether forks rank remedies as full trainings do: Kendall's tau-b, on stalls whose remedies are known.

    python benchmarks/forks.py [STALL ...] [--folder forks]

Every stall is trained for all of its steps, as it is and with each remedy made in its own code, with three seeds: its
record, by the callbacks, says what came of it. A fork makes the same changes from outside, for a tenth of the steps,
with two other seeds. What was done is not done again; the tables go into docs/howto/fork.md.

The score, by which remedies are ranked: steps to 98 % fitted (the first look at which that holds, and at the next one
too; the median seed, of two the slower), in classes a factor of 1.25 apart; of those that are not fitted, the fitted
share in classes of .02, and of equal ones the relative error in classes of .02. Remedies that agree in all of it tie.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import lightning as L
import torch
from scipy.stats import kendalltau

from lightning_seqfit import Run, fork
from lightning_seqfit.forks.change import in_words
from lightning_seqfit.studies.stalls.module import EVALUATIONS, make_module
from lightning_seqfit.studies.stalls.setup import Setup, changed
from lightning_seqfit.studies.stalls.trainings import Trial
from lightning_seqfit.studies.training import train
from lightning_seqfit.words import percent

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "fork.md"
MARKS = "<!-- measured by benchmarks/forks.py -->", "<!-- to here -->"
FULL_SEEDS, FORK_SEEDS, SHARE = (0, 1, 2), (10, 11), 10
FITTED, STEP_CLASS, CLASS = 0.98, 1.25, 0.02

Change = Mapping[str, Any]


def siren(omega_0: float, **more: Any) -> Change:
    return {"network": "siren", "omega_0": omega_0, "learning_rate": 5e-4, **more}


def fourier(sigma: float, **more: Any) -> Change:
    return {"network": "fourier", "sigma": sigma, "learning_rate": 1e-3, **more}


class Stall(NamedTuple):
    """A training that stalls, and what is tried."""

    title: str
    setup: Setup
    remedies: Sequence[Change]
    checkpoint: int = 0  # step of it; 0: the fork begins anew


def stall(title: str, setup: Mapping[str, Any], *remedies: Change, checkpoint: int = 0) -> Stall:
    return Stall(title, Setup(**setup), ({}, *remedies), checkpoint)


SLOWER: Change = {"learning_rate_factor": 0.2}
WIDE: Change = {"width": 128}
SCALED: Change = {"inputs": "[-1, 1]"}
LBFGS: Change = {"optimizer": "lbfgs"}
_SQUARE, _YEARS = ((0.0, 1.0), (0.0, 1.0)), ((1958.0, 2024.0),)

STALLS = {
    "windowed": stall(
        "20 cycles under a Hann window to the 4th, tanh: not started",
        {"target": "windowed 20"},
        *(siren(63.0), siren(19.0), siren(500.0), fourier(10.0), fourier(0.8), WIDE, SCALED, SLOWER, LBFGS),
    ),
    "parabola": stall(
        "0.3 of 18 cycles on a parabola, tanh: the trend takes all",
        {"target": "parabola and 18"},
        *(siren(57.0), fourier(9.0), fourier(1.0), SCALED, WIDE, SLOWER, {"activation": "gelu"}),
    ),
    "capacity": stall(
        "5 cycles, tanh of width 6: capacity",
        {"target": "sine 5", "width": 6},
        *({"width": 50}, {"width": 12}, siren(16.0, width=24), fourier(2.5), SLOWER, LBFGS),
    ),
    "cold": stall(
        "5 cycles, tanh at 1e-5: rate too low",
        {"target": "sine 5", "learning_rate": 1e-5},
        *({"learning_rate": 1e-3}, {"learning_rate": 1e-4}, {"learning_rate": 5e-3}, WIDE, siren(16.0), fourier(2.5)),
        *({"optimizer": "sgd", "learning_rate": 1e-3}, LBFGS),
    ),
    "hot": stall(
        "13 cycles, SIREN at 2e-2: rate too high",
        {"target": "sine 13", "network": "siren", "learning_rate": 2e-2},
        *({"learning_rate_factor": 0.2}, {"learning_rate_factor": 0.02}, {"learning_rate_factor": 2.0}, {"width": 24}),
        *(SCALED, fourier(6.5), {"optimizer": "sgd", "learning_rate": 1e-3}),
    ),
    "years": stall(
        "8 cycles over 1958 to 2024, tanh: inputs badly scaled",
        {"target": "sine 8", "bounds": _YEARS},
        *(SCALED, siren(0.38), fourier(0.06), fourier(0.06, **SCALED), WIDE, SLOWER, LBFGS),
    ),
    "read-out": stall(
        "3 and 9 cycles of size 3,000, SIREN at 1e-4: read-out",
        {"target": "huge 3 and 9", "network": "siren", "omega_0": 20.0, "learning_rate": 1e-4},
        *({"targets": 3000.0}, {"learning_rate": 1e-3}, {"learning_rate": 1e-2}, {"width": 200}, SCALED, LBFGS),
    ),
    "plane": stall(
        "6 by 6 cycles under a window in the plane, tanh: not started",
        {"target": "windowed product 6", "bounds": _SQUARE, "points": 32, "steps": 3_000},
        *(siren(19.0), siren(150.0), fourier(3.0), fourier(0.25), WIDE, SCALED, SLOWER),
    ),
    "poisson": stall(
        "Poisson's equation, 12 half waves, by its residual, tanh: wrong solution",
        {"equation": "poisson", "coefficient": 12.0, "points": 128, "learning_rate": 2e-3, "steps": 4_000},
        *(siren(19.0), siren(38.0), siren(300.0), fourier(3.0), SCALED, SLOWER, WIDE),
    ),
    "oscillator": stall(
        "an oscillator of 8 cycles by its residual, tanh: not started",
        {"equation": "oscillator", "coefficient": 8.0, "points": 128, "steps": 4_000},
        *(siren(50.0), siren(25.0), fourier(4.0), SCALED, SLOWER, WIDE),
    ),
    "decayed": stall(
        "13 cycles, rate down to a hundredth at step 1,500, tanh: rate decayed",
        {"target": "sine 13", "schedule": "decayed", "decay_at": 1_500},
        *({"schedule": "constant"}, siren(41.0), fourier(6.5), {"learning_rate_factor": 5.0}, SLOWER, WIDE),
    ),
}
STALLS["decayed-on"] = STALLS["decayed"]._replace(
    title=f"{STALLS['decayed'].title}; the fork from a checkpoint at step 2,500", checkpoint=2_500
)


class Result(NamedTuple):
    """What came of a remedy: a number a seed each."""

    steps: list[float]
    fitted: list[float]
    error: list[float]

    @property
    def reached(self) -> float:
        return sorted(self.steps)[len(self.steps) // 2]

    @property
    def score(self) -> tuple[int, int, int]:
        if math.isfinite(self.reached):
            return 0, round(math.log(self.reached) / math.log(STEP_CLASS)), 0
        error = min(median(self.error), 100.0)
        return 1, -round(median(self.fitted) / CLASS), round(error / CLASS)

    def __str__(self) -> str:
        if math.isfinite(self.reached):
            return f"{self.reached:,.0f} steps"
        return f"{percent(median(self.fitted))}, error {median(self.error):.2g}"


def measure(run: Run) -> dict[str, float]:
    """Of a full training, from its record: as ``seqfit.trials`` defines it, over the callbacks' own looks."""
    fitted = run.front.fitted
    both = [step for step, one, other in zip(run.steps, fitted, fitted[1:], strict=False) if min(one, other) >= FITTED]
    seconds = float(run.scalars["observer/seconds_per_look"][-1])
    return {
        "reached": float(both[0]) if both else math.inf,
        "fitted": float(fitted[-1]),
        "error": float(run.scalars["error/relative_rmse"][-1]),
        "seconds_per_look": seconds,
    }


def full(name: str, of: Stall, folder: Path) -> tuple[list[Result], float]:
    """Results of full trainings, each with its remedy in the code of the study, and their seconds."""
    results, seconds = [], 0.0
    for number, change in enumerate(of.remedies):
        plain = {"network" if key == "activation" else key: value for key, value in change.items()}
        setup = changed(of.setup, plain)
        found = []
        for seed in FULL_SEEDS:
            name = name.removesuffix("-on")  # the same full trainings
            times = folder / "full" / f"{name}.{number}-{seed}" / "seconds.json"
            begun = time.perf_counter()
            found.append(train(Trial(f"{name}.{number}", setup), seed, folder / "full", measure))
            if not times.exists():
                times.write_text(json.dumps(time.perf_counter() - begun), encoding="utf-8")
            seconds += json.loads(times.read_text(encoding="utf-8"))
        per_step = EVALUATIONS if setup.optimizer == "lbfgs" else 1
        columns = ([each[key] for each in found] for key in ("reached", "fitted", "error"))
        steps, fitted, error = columns
        results.append(Result([per_step * each for each in steps], fitted, error))
    return results, seconds


def checkpoint(name: str, of: Stall, folder: Path) -> Path | None:
    """That of the training as it is, with a seed of its own; None: the fork begins anew."""
    if not of.checkpoint:
        return None
    L.seed_everything(20, verbose=False)
    trainer = L.Trainer(
        max_steps=of.checkpoint, accelerator="cpu", logger=False, default_root_dir=folder,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(make_module(of.setup))
    trainer.save_checkpoint(folder / f"{name}.ckpt")
    return folder / f"{name}.ckpt"


def forked(name: str, of: Stall, folder: Path) -> tuple[list[Result], float, int]:
    """Results of a fork, its seconds, and the gradient steps that it took."""
    file = folder / "forks" / f"{name}.json"
    about = repr((*of[:3], *of[3:] * bool(of[3]), FORK_SEEDS, SHARE))
    if not file.exists() or json.loads(file.read_text(encoding="utf-8"))["about"] != about:
        begun = time.perf_counter()
        torch.set_num_threads(1)
        torch.manual_seed(0)
        probe = make_module(of.setup).probes()[0]
        table = fork(
            lambda: make_module(of.setup), probe, of.remedies, steps=of.setup.steps // SHARE, seeds=FORK_SEEDS,
            checkpoint=checkpoint(name, of, folder),
            trainer={"accelerator": "cpu"},
        )  # fmt: skip
        rows = [next(each for each in table.attempts if each.change == change) for change in of.remedies]
        kept = [{"steps": each.steps, "fitted": each.fitted, "error": each.error, "taken": each.taken,
                 "why": each.why} for each in rows]  # fmt: skip
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"about": about, "seconds": time.perf_counter() - begun, "rows": kept, "table": str(table)})
        file.write_text(text, encoding="utf-8")
    read = json.loads(file.read_text(encoding="utf-8"))
    taken = sum(sum(row["taken"]) for row in read["rows"])
    return [Result(row["steps"], row["fitted"], row["error"]) for row in read["rows"]], read["seconds"], taken


def tau(one: Sequence[Result], other: Sequence[Result]) -> float:
    """Kendall's tau-b of the scores."""
    ranks = []
    for results in (one, other):
        order = sorted({each.score for each in results})
        ranks.append([order.index(each.score) for each in results])
    return float(kendalltau(*ranks).statistic)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stalls", nargs="*", metavar="STALL", help=f"default: all of {', '.join(STALLS)}")
    parser.add_argument("--folder", type=Path, default=Path("forks"))
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    asked = parser.parse_args()
    summary = [
        "| stall | remedies | tau-b | the fork's best is first or second in full | gradient steps of the fork |",
        "|---|---|---|---|---|",
    ]
    details = ["| stall | remedy | full trainings | fork |", "|---|---|---|---|"]
    for name in asked.stalls or STALLS:
        of = STALLS[name]
        quick, seconds, taken = forked(name, of, asked.folder)
        slow, whole = full(name, of, asked.folder)
        found = tau(slow, quick)
        best = min(range(len(quick)), key=lambda number: quick[number].score)
        good = slow[best].score <= sorted(each.score for each in slow)[1]
        steps = len(FULL_SEEDS) * len(of.remedies) * of.setup.steps
        share = taken / len(FORK_SEEDS) / (steps / len(FULL_SEEDS))
        summary.append(f"| {of.title} | {len(of.remedies)} | {found:.2f} | {'yes' if good else 'no'} | {share:.1%} |")
        print(f"{summary[-1]} {seconds:.0f} s of {whole:.0f} s", flush=True)
        for change, one, other in zip(of.remedies, slow, quick, strict=True):
            details.append(f"| {name} | {in_words(change)} | {one} | {other} |")
            print(details[-1], flush=True)
    if asked.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
        _, _, after = rest.partition(MARKS[1])
        tables = "\n".join([MARKS[0], "", *summary, "", *details, "", MARKS[1]])
        PAGE.write_text(before + tables + after, encoding="utf-8")


if __name__ == "__main__":
    main()
