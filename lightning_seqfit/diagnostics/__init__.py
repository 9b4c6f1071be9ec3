"""What a look measures: one diagnostic a measure, bound to a probe. :data:`DIAGNOSTICS` names them.

A further one is a file here, beside its measure in :mod:`lightning_seqfit.measures`, and a line in that list; a user's
own needs neither: it is passed to a callback with ``also=[...]``.
"""

from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from typing import Any

from lightning_seqfit.diagnostics.base import Diagnostic, Fact, Reading, Scene
from lightning_seqfit.diagnostics.basis import BasisDiagnostic
from lightning_seqfit.diagnostics.change import ChangeDiagnostic
from lightning_seqfit.diagnostics.front import FrontDiagnostic
from lightning_seqfit.diagnostics.oscillations import OscillationDiagnostic
from lightning_seqfit.diagnostics.spectrum import SpectrumDiagnostic
from lightning_seqfit.diagnostics.stall import StallDiagnostic
from lightning_seqfit.probe.checks.arguments import checked_name
from lightning_seqfit.probe.read_out import ReadOut

#: In the order in which they are summed up and drawn.
DIAGNOSTICS: tuple[type[Diagnostic], ...] = (
    FrontDiagnostic,
    OscillationDiagnostic,
    SpectrumDiagnostic,
    BasisDiagnostic,
    ChangeDiagnostic,
    StallDiagnostic,
)

#: What no diagnostic of a user's own can be called, and none of its tags begins with: what arrays and tags of ours do,
#: and what a watch calls its own parts when one fails.
TAKEN = (
    *("components", "fine", "scalar", "error", "observer", "training"),
    *("evaluation", "every_n_steps", "figures", "finite", "looking", "prediction", "summary", "values"),
    *(kind.name for kind in DIAGNOSTICS),
)

__all__ = [
    "DIAGNOSTICS",
    "TAKEN",
    "BasisDiagnostic",
    "ChangeDiagnostic",
    "Diagnostic",
    "Fact",
    "ReadOut",
    "Reading",
    "Scene",
    "StallDiagnostic",
    "checked_own",
    "make_all",
]


def make_all(**options: Any) -> list[Diagnostic]:
    """Make one of each, with those of the options that it takes."""
    kinds: tuple[Callable[..., Diagnostic], ...] = DIAGNOSTICS
    return [kind(**{name: options[name] for name in signature(kind).parameters if name in options}) for kind in kinds]


def checked_own(diagnostics: Sequence[Any]) -> list[Diagnostic]:
    """Return diagnostics of a user's own, or say what is wrong with one.

    Raises
    ------
    TypeError, ValueError
        If one is no diagnostic, or its name, section or layer cannot be used.

    Examples
    --------
    >>> checked_own([3])
    Traceback (most recent call last):
    TypeError: also=[...] has int: give instances of subclasses of lightning_seqfit.diagnostics.Diagnostic
    """
    if not isinstance(diagnostics, Iterable):
        raise TypeError(f"also={diagnostics!r:.80} is no list: give also=[...], also where it is one diagnostic alone")
    taken, own = list(TAKEN), list(diagnostics)
    for diagnostic in own:
        if not isinstance(diagnostic, Diagnostic):
            given = diagnostic.__name__ if isinstance(diagnostic, type) else type(diagnostic).__name__
            raise TypeError(
                f"also=[...] has {given}: give instances of subclasses of lightning_seqfit.diagnostics.Diagnostic"
            )
        name = getattr(diagnostic, "name", None)
        if not isinstance(name, str) or not name or checked_name(name) in taken:
            raise ValueError(
                f"the name {name!r} of {type(diagnostic).__name__} cannot be used: give it one of letters, digits and "
                f"_ . -, which is none of {', '.join(taken)}"
            )
        if diagnostic.section:
            raise ValueError(
                f"{name!r} has the section {diagnostic.section!r}, which is for what every record has: leave it empty, "
                "and what it records is in load(...).extra"
            )
        if not isinstance(diagnostic.read_out, ReadOut | None):
            raise TypeError(
                f"read_out={diagnostic.read_out!r:.80} of {name!r} is no ReadOut: give ReadOut('net.2'), or ReadOut() "
                "for the last nn.Linear"
            )
        taken.append(name)
    return own
