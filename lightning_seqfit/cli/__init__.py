"""``seqfit`` on the command line, a module for each command.

A command's module has ``add_arguments(parser)``, and ``run`` with a parameter for each argument. It is imported when it
is called for: ``seqfit --help`` needs no torch. What it cannot use, it answers with
:class:`~lightning_seqfit.cli.values.Refused`.
"""

from __future__ import annotations

import io
import os
import sys
import warnings
from argparse import HelpFormatter
from collections.abc import Sequence
from importlib import import_module

from jsonargparse import ArgumentParser

from lightning_seqfit.cli.values import Refused

COMMANDS = {
    "demo": "train a network and watch how it fits",
    "claims": "measure what the article claims",
    "stalls": "measure what is said of trainings in trouble, and whether the advice helps",
    "diagnose": "say whether a fit gets on, and what to change where it does not",
    "plan": "say what a target asks of a network, before anything is trained",
    "try": "try on a run's target what may end a stall",
    "report": "make a page of what records hold, also against a target, also while a run goes on",
    "compare": "put several runs into one table, with what differs between how they were set",
    "convert": "write the records of an older release anew, as this one writes them",
}
# A command that is a word of Python.
_MODULES = {"try": "try_"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):  # a name may have letters that the terminal has not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    description = "what the callbacks show: trainings to try, and records to read"
    parser = ArgumentParser(prog="seqfit", description=description, formatter_class=HelpFormatter)
    subcommands = parser.add_subcommands(dest="command")
    commands = {
        name: ArgumentParser(description=does, formatter_class=HelpFormatter) for name, does in COMMANDS.items()
    }
    for name, command in commands.items():
        if arguments[:1] == [name]:
            import_module(f"{__name__}.{_MODULES.get(name, name)}").add_arguments(command)
        subcommands.add_subcommand(name, command, help=COMMANDS[name])
        command.prog = f"seqfit {name}"
    chosen = parser.parse_args(arguments)
    # Lightning 2.6 calls what torch 2.13 deprecates; not for the eyes of somebody who tries a demo
    warnings.filterwarnings("ignore", message=".*treespec.*LeafSpec", category=FutureWarning)
    try:
        import_module(f"{__name__}.{_MODULES.get(chosen.command, chosen.command)}").run(**chosen[chosen.command])
        sys.stdout.flush()
    except Refused as error:
        commands[chosen.command].error(str(error))
    except BrokenPipeError:  # whoever reads has seen enough, as head has; what is left must not raise at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + 13) from None
