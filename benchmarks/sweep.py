"""What it saves in a study to end trainings by their verdict: the same trials, ended by nothing, a fit, and a stall.

python benchmarks/sweep.py               # the table on the console, in about three minutes of one core
python benchmarks/sweep.py --write       # the same, and into docs/howto/sweeps.md
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import lightning as L
import optuna
import torch

from lightning_seqfit import Probe
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import Regression, sine
from lightning_seqfit.networks import SIREN

PAGE = Path(__file__).parent.parent / "docs" / "howto" / "sweeps.md"
BEGIN, END = "<!-- sweep -->", "<!-- /sweep -->"
STEPS, TRIALS = 8_000, 16
#: What ends a training.
ENDS = ((), ("fitted",), ("fitted", "stalled", "diverged"))


class Fit(Regression):
    """The page's own."""

    def __init__(self, width: int, omega_0: float, learning_rate: float) -> None:
        x = torch.linspace(0, 1, 256)[:, None]
        super().__init__(SIREN(width=width, omega_0=omega_0), x, sine(x), learning_rate=learning_rate)
        self.save_hyperparameters()


def study(ends: Sequence[str], folder: Path, steps: int, trials: int) -> str:
    """Train the trials one after the other, the same whatever ends them; a row of the table."""
    taken: list[int] = []
    said: Counter[str] = Counter()

    def objective(trial: optuna.Trial) -> float:
        L.seed_everything(trial.number, verbose=False)
        module = Fit(
            width=trial.suggest_int("width", 8, 64, log=True),
            omega_0=trial.suggest_float("omega_0", 1.0, 100.0, log=True),
            learning_rate=trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True),
        )
        watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], sine), stop_on=ends)
        trainer = L.Trainer(
            max_steps=steps,
            callbacks=[watcher],
            default_root_dir=folder / f"trial_{trial.number}",
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module)
        taken.append(trainer.global_step)
        fitted: float = trainer.callback_metrics["seqfit/front/fitted"].item()
        if watcher.diagnosis is not None and watcher.diagnosis.stalled and ends:
            said[watcher.diagnosis.verdict.value] += trainer.global_step < steps
            raise optuna.TrialPruned(watcher.diagnosis.verdict.value)
        return fitted

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
    begun = time.process_time()
    study.optimize(objective, n_trials=trials)
    seconds = time.process_time() - begun
    fitted = sum(trial.value is not None and trial.value >= 0.98 for trial in study.trials)
    return f"{fitted} of {trials} | {sum(said.values())} | {sum(taken):,} | {seconds:.0f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=STEPS, help="of a trial at the most")
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    lines = ["| a training ends on | fitted in the end | ended by a stall | steps in all | core seconds |"]
    lines.append("|---|---|---|---|---|")
    print("\n".join(lines))
    for ends in ENDS:
        label = ", ".join(f'`"{word}"`' for word in ends) or "nothing"
        with tempfile.TemporaryDirectory() as folder:
            lines.append(f"| {label} | {study(ends, Path(folder), chosen.steps, chosen.trials)} |")
        print(lines[-1], flush=True)
    if chosen.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text("\n".join([before + BEGIN, *lines, END]) + after, encoding="utf-8")


if __name__ == "__main__":
    main()
