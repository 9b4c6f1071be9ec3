"""Measure, and write docs/benchmarks.md: a table from each benchmark, with its command, the machine and the day.

    python benchmarks/page.py                       # everything: about a quarter of an hour on two quiet cores
    python benchmarks/page.py --only peers seeds    # of the others what was measured before stays
    python benchmarks/page.py --quick               # in two minutes: does everything run? Prints, and writes nothing

What stands outside the markers is written by hand, and has no figures.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shlex
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import lightning_seqfit

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"


class Block(NamedTuple):
    """A part of the page: the commands whose tables it has, and the same shortened."""

    commands: tuple[str, ...]
    quick: tuple[str, ...]


BLOCKS = {
    "training": Block(("overhead.py", "overhead.py --steps 100000 --pairs 1"), ("overhead.py --steps 200 --pairs 1",)),
    "memory": Block(("overhead.py --memory",), ("overhead.py --memory --steps 1000",)),
    "callbacks": Block(("profiler.py",), ("profiler.py --steps 200",)),
    "peers": Block(("peers.py",), ("peers.py --steps 200 --pairs 1",)),
    "look": Block(("look.py",), ("look.py --repeats 3 --plane",)),
    "seeds": Block(("seeds.py",), ("seeds.py --only co2/siren/0",)),
}


def tables(output: str) -> str:
    """Return the Markdown tables that a benchmark printed, an empty line between two.

    >>> tables("round 1\\n\\n| a |\\n|---|\\n| 1 |\\nload 0.1\\n| b |\\n")
    '| a |\\n|---|\\n| 1 |\\n\\n| b |'
    """
    found = re.findall(r"(?:^\|.*\|$\n?)+", output, re.MULTILINE)
    return "\n\n".join(table.rstrip("\n") for table in found)


def put(page: str, name: str, text: str) -> str:
    """Return a page with another text between the markers of a block."""
    start, end = f"<!-- {name}: from here -->", f"<!-- {name}: to here -->"
    if page.count(start) != 1 or page.count(end) != 1:
        raise SystemExit(f"{PAGE.name} must have {start} and {end} once each: put them where the tables belong")
    before, rest = page.split(start)
    return f"{before}{start}\n{text}\n{end}{rest.split(end)[1]}"


def processor() -> str:
    """Name of the processor, as the system has it."""
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def machine() -> str:
    """What the figures depend on."""
    return (
        f"{os.cpu_count()} cores ({processor()}), Python {platform.python_version()}, PyTorch {version('torch')}, "
        f"Lightning {version('lightning')}, lightning-seqfit {lightning_seqfit.__version__}"
    )


def measured(commands: Sequence[str]) -> str:
    """Run the commands and return what the page has of them."""
    parts = []
    for command in commands:
        load, begun = os.getloadavg()[0], time.perf_counter()
        arguments = shlex.split(command)
        found = subprocess.run(
            [sys.executable, f"benchmarks/{arguments[0]}", *arguments[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        text = tables(found.stdout)
        if found.returncode or not text:
            raise SystemExit(f"benchmarks/{command} ended with {found.returncode}:\n{found.stdout}\n{found.stderr}")
        said = (
            f"Measured on {date.today().isoformat()} by `python benchmarks/{command}` in "
            f"{time.perf_counter() - begun:.0f} s: {machine()}; load before {load:.1f}."
        )
        parts.append(f"{textwrap.fill(said, 160, break_on_hyphens=False)}\n\n{text}")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=BLOCKS, default=[*BLOCKS], metavar="BLOCK", help=", ".join(BLOCKS))
    parser.add_argument("--quick", action="store_true", help="see that everything runs; the page stays as it is")
    options = parser.parse_args()
    for name in options.only:
        block = BLOCKS[name]
        text = measured(block.quick if options.quick else block.commands)
        print(f"{name}\n\n{text}\n", flush=True)
        if not options.quick:  # at once: what is measured is not lost if a later one fails
            PAGE.write_text(put(PAGE.read_text(encoding="utf-8"), name, text), encoding="utf-8")


if __name__ == "__main__":
    main()
