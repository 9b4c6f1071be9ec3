"""What the callbacks cost: the default demo's training with and without everything attached, alternating.

    python benchmarks/overhead.py [--pairs 7] [--steps 8000] [--callbacks ErrorFront OscillationCount]
    python benchmarks/overhead.py --steps 100000
    python benchmarks/overhead.py --memory [--steps 100000]

Prints the median and the range of the ratios of each pair, of the time from the first to the last batch and of the
whole fit with teardown, beside the goals, and the cost of a look by part. With ``--memory`` instead (on Linux): the
resident memory of a training without and of one with them, each in a process of its own, after six tenths of the steps
and after all.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import lightning as L
from harness import compare, conditions, load, quieten, spread, train, with_callbacks

from lightning_seqfit import Probe, callbacks
from lightning_seqfit.demos import sine
from lightning_seqfit.record import Record
from lightning_seqfit.watch.publish import Publisher

#: Largest ratios that the project wants, by steps: from the first to the last batch, and of the whole fit.
GOALS = {8_000: (1.025, 1.09), 100_000: (1.006, None)}
#: Steps of a long run, and of one without another number.
LONG, USUAL = 100_000, 8_000


def chosen(names: list[str]) -> list[L.Callback]:
    """Callbacks of these names on one probe, at their own cadence."""
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
    (watcher,) = chosen(["SequentialFitting"])
    places: list[tuple[Any, str, str]] = [
        (Probe, "observe", "forward, guarded"),
        *((type(d), "look", f"measure: {d.name}") for d in watcher._diagnostics),  # type: ignore[attr-defined]
        (Publisher, "publish", "loggers"),
        (Record, "append", "record"),
    ]
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in places]
    for owner, name, part in places:
        setattr(owner, name, timed(spent, part, getattr(owner, name)))
    try:
        train(steps, with_callbacks(lambda: [watcher]))
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)
    return {part: 1e3 * statistics.median(seconds) for part, seconds in spent.items()}


def step_without_look(repeats: int = 20_000) -> float:
    """Median microseconds of our hook on a step at which no look is due: the fifth, between those at 4 and at 6."""
    (callback,) = chosen(["SequentialFitting"])
    microseconds: list[float] = []

    class Ask(L.Callback):
        def on_train_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
            for _ in range(5):
                begun = time.perf_counter()
                for _ in range(repeats):
                    callback.on_train_batch_end(trainer, module, None, None, 0)
                microseconds.append(1e6 * (time.perf_counter() - begun) / repeats)

    train(5, with_callbacks(lambda: [Ask(), callback]))
    return statistics.median(microseconds)


class Scales(L.Callback):
    """Weighs the process after six tenths of the steps, when the figures before the last are drawn, and after all."""

    def __init__(self, steps: int) -> None:
        self.after = (6 * steps // 10, steps)
        self.resident: list[float] = []

    def on_train_batch_end(self, trainer: L.Trainer, *args: Any) -> None:
        if trainer.global_step in self.after:
            self.resident.append(mebibytes("VmRSS"))


def mebibytes(field: str) -> float:
    """Memory of this process, as Linux knows it: ``VmRSS`` now, ``VmHWM`` at its highest."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def weighed(names: list[str], steps: int) -> list[float]:
    """Resident memory after six tenths of the steps and after all, and the highest of the process, in MiB."""
    quieten()
    scales = Scales(steps)
    train(steps, with_callbacks(lambda: [*(chosen(names) if names else []), scales]))
    return [*scales.resident, mebibytes("VmHWM")]


def print_memory(names: list[str], steps: int) -> None:
    print("| attached | after 6 tenths, MiB | after all, MiB | grown, MiB | highest, pictures included, MiB |")
    print("|---|---|---|---|---|")
    for kind in ([], names):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            sixth, end, highest = fresh.submit(weighed, kind, steps).result()
        label = ", ".join(kind) or "nothing"
        print(f"| {label} | {sixth:.1f} | {end:.1f} | {end - sixth:+.1f} | {highest:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, help=f"default: {USUAL:,}; with --memory {LONG:,}")
    parser.add_argument("--callbacks", nargs="+", default=["SequentialFitting"], choices=callbacks.__all__)
    parser.add_argument("--memory", action="store_true", help="resident memory instead of time")
    options = parser.parse_args()
    names: list[str] = options.callbacks
    steps: int = options.steps or (LONG if options.memory else USUAL)
    quieten()
    if options.memory:
        print_memory(names, steps)
        return

    print(conditions(options.pairs, steps), flush=True)
    attached = ", ".join(names)
    ratios = compare({attached: with_callbacks(lambda: chosen(names))}, options.pairs, steps)[attached]
    batches, fits = (spread(list(values)) for values in zip(*ratios, strict=True))
    print("\n| attached | steps | first to last batch | whole fit |\n|---|---|---|---|")
    print(f"| {', '.join(f'`{name}`' for name in names)} | {steps:,} | {batches} | {fits} |")
    if steps in GOALS:
        print(f"| at most, as the project wants it | {steps:,} | {GOALS[steps][0]} | {GOALS[steps][1] or '-'} |")
    print(f"\nload after: {load()}\n\n| part of a look | median, ms |\n|---|---|")
    split = parts(min(steps, 4_000))
    for part, milliseconds in {**split, "all": sum(split.values())}.items():
        print(f"| {part} | {milliseconds:.3f} |")
    print(f"\none step without a look: {step_without_look():.2f} microseconds")


if __name__ == "__main__":
    main()
