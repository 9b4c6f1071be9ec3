"""``seqfit claims``: the article's claims, each measured on trainings with several seeds."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

from lightning_seqfit.cli.values import Refused, whole


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("--seeds", type=whole, default=5, help="seeds of each training (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="one seed")
    parser.add_argument("--max-steps", type=whole, help="at most so many steps, to try the command")
    runs = Path("seqfit-claims")
    parser.add_argument("--runs", type=Path, default=runs, help="trainings, kept (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="the page and its pictures (default: in the same folder)")


def run(seeds: int, quick: bool, max_steps: int | None, runs: Path, out: Path | None) -> None:
    """Train what is not kept, write the page with its pictures, and print its table."""
    from lightning_seqfit.demos.catalogue import DEMOS
    from lightning_seqfit.studies.catalogue import CLAIMS, TEXT, measures
    from lightning_seqfit.studies.page import write_page
    from lightning_seqfit.studies.training import train_all
    from lightning_seqfit.studies.verdict import judge, table

    try:
        DEMOS["sine"].module(optimizer="soap")
    except ImportError as error:
        raise Refused(str(error)) from error
    out, numbers = out or runs, range(1 if quick else seeds)
    jobs = [(training, seed) for claim in CLAIMS for training in claim.trainings for seed in numbers]
    verdicts = judge(CLAIMS, numbers, train_all(jobs, runs, measures, max_steps))
    write_page(TEXT, verdicts, numbers, runs, out)
    print(table(verdicts, numbers))
    print(f"\npage  {out / 'README.md'}")
