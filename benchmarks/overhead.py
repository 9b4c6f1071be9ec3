"""What the callbacks cost: the default demo's training with and without everything attached, alternating.

    python benchmarks/overhead.py [--pairs 7] [--steps 8000] [--callbacks ErrorFront OscillationCount]

Prints the median of the ratios of each pair, of the time from the first to the last batch and of the whole fit with
teardown, and the cost of a look by part.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from lightning_seqfit import Probe, callbacks
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import TanhRegression, sine
from lightning_seqfit.diagnostics.basis import BasisDiagnostic
from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.diagnostics.oscillations import OscillationDiagnostic
from lightning_seqfit.diagnostics.spectrum import SpectrumDiagnostic
from lightning_seqfit.record import Record
from lightning_seqfit.watch.watch import Watch


class Clock(L.Callback):
    """Notes when the first batch begins and when the last one, with all callbacks before this one, is done."""

    first = last = 0.0

    def on_train_batch_start(self, *args: Any) -> None:
        self.first = self.first or time.perf_counter()

    def on_train_batch_end(self, *args: Any) -> None:
        self.last = time.perf_counter()


def train(steps: int, *watchers: L.Callback) -> tuple[float, float]:
    """Seconds from the first to the last batch, and of the whole fit."""
    L.seed_everything(0, verbose=False)
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        trainer = L.Trainer(
            max_steps=steps,
            callbacks=[*watchers, clock],
            logger=TensorBoardLogger(folder),
            accelerator="cpu",
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        module = TanhRegression()
        begun = time.perf_counter()
        trainer.fit(module)
        return clock.last - clock.first, time.perf_counter() - begun


def watcher() -> SequentialFitting:
    return SequentialFitting(Probe.grid(bounds=[(0.0, 1.0)], target=sine))


def some(names: list[str]) -> list[L.Callback]:
    """Callbacks of these names on one probe."""
    probe = Probe.grid(bounds=[(0.0, 1.0)], target=sine)
    return [getattr(callbacks, name)(probe) for name in names]


def timed(spent: dict[str, list[float]], part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        begun = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            spent[part].append(time.perf_counter() - begun)

    return wrapper


def parts(steps: int) -> dict[str, float]:
    """Median milliseconds of each part of a look."""
    spent: dict[str, list[float]] = defaultdict(list)
    places: list[tuple[Any, str, str]] = [
        (Probe, "observe", "forward, guarded"),
        (FrontDiagnostic, "look", "measure: front"),
        (OscillationDiagnostic, "look", "measure: oscillations"),
        (SpectrumDiagnostic, "look", "measure: spectrum"),
        (BasisDiagnostic, "look", "measure: basis"),
        (Watch, "_publish", "loggers"),
        (Record, "append", "record"),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, part in places:
        setattr(owner, name, timed(spent, part, getattr(owner, name)))
    try:
        train(steps, watcher())
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)
    return {part: 1e3 * statistics.median(seconds) for part, seconds in spent.items()}


def step_without_look(repeats: int = 20_000) -> float:
    """Median microseconds of our hook on a step at which no look is due."""
    callback = watcher()
    microseconds: list[float] = []

    class Ask(L.Callback):
        def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
            watch = callback._watch
            assert watch is not None
            watch.next_step = trainer.global_step + 1
            for _ in range(5):
                begun = time.perf_counter()
                for _ in range(repeats):
                    callback.on_train_batch_end(trainer, module, None, None, 0)
                microseconds.append(1e6 * (time.perf_counter() - begun) / repeats)

    train(5, Ask(), callback)
    return statistics.median(microseconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--callbacks", nargs="+", default=["SequentialFitting"], choices=callbacks.__all__)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    train(200, watcher())  # imports and caches
    batches, fits = [], []
    for number in range(options.pairs):
        order = [False, True] if number % 2 == 0 else [True, False]
        times = {watched: train(options.steps, *(some(options.callbacks) if watched else [])) for watched in order}
        batches.append(times[True][0] / times[False][0])
        fits.append(times[True][1] / times[False][1])
        print(
            f"pair {number + 1}: bare {times[False][0]:.2f} s, watched {times[True][0]:.2f} s, "
            f"ratio {batches[-1]:.3f}; whole fit {fits[-1]:.3f}",
            flush=True,
        )
    print(f"\nmedian ratio, first to last batch  {statistics.median(batches):.3f}")
    print(f"median ratio, whole fit            {statistics.median(fits):.3f}")
    print("\none look, median milliseconds")
    split = parts(min(options.steps, 4_000))
    for part, milliseconds in split.items():
        print(f"  {part:<22} {milliseconds:.3f}")
    print(f"  {'sum':<22} {sum(split.values()):.3f}")
    print(f"\none step without a look: {step_without_look():.2f} microseconds")


if __name__ == "__main__":
    main()
