"""``seqfit stalls``: what is said of trainings whose state is known, and whether the first advice helps."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from lightning_seqfit.cli.values import whole


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--seeds", type=whole, default=3, help="seeds of each training (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one seed, of the trainings that were held out")
    parser.add_argument("--max-steps", type=whole, help="at most so many steps, to try the command")
    parser.add_argument("--processes", type=whole, help="trainings at a time (default: one for each core)")
    runs = Path("seqfit-stalls")
    parser.add_argument("--runs", type=Path, default=runs, help="trainings, kept (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="the page and its pictures (default: in the same folder)")


def run(seeds: int, quick: bool, max_steps: int | None, processes: int | None, runs: Path, out: Path | None) -> None:
    """Train what is not kept, with and without the advice, write the page with its pictures, and print its summary."""
    from lightning_seqfit.studies.stalls.page import write_page
    from lightning_seqfit.studies.stalls.study import study
    from lightning_seqfit.studies.stalls.tables import summary
    from lightning_seqfit.studies.stalls.trainings import CASES, HELD_OUT

    out = out or runs
    outcomes = study(HELD_OUT if quick else CASES, range(1 if quick else seeds), runs, max_steps, processes)
    write_page(outcomes, runs, out)
    print(summary(outcomes))
    print(f"\npage  {out / 'README.md'}")
