"""How a training was set, for its record: hyperparameters, versions, trainer, probe and callbacks."""

from __future__ import annotations

import logging
import platform
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import islice
from numbers import Integral, Real
from typing import Any

import lightning.pytorch as pl
import numpy as np

from lightning_seqfit.diagnostics import Diagnostic
from lightning_seqfit.probe import Probe
from lightning_seqfit.probe.guard import leave_generators_untouched
from lightning_seqfit.watch.lightning_internals import flattened
from lightning_seqfit.watch.schedule import Cadence

log = logging.getLogger(__name__)

Plain = str | int | float | bool | None

#: Hyperparameters in a record, and letters of a name or a value, at the most.
MOST_VALUES, MOST_LETTERS = 200, 200
#: Where an object lies, as its ``repr`` says.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
#: Names of what gives access to something.
_SECRET = re.compile(
    r"passw(or)?d|passphrase|secret|credential|(^|[^a-z])(token|key|pwd)$|(api|access|auth)_?(key|token)"
)


def hyperparameters(trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, Plain]:
    """Return what module and data module have saved as hyperparameters, ``"a/b"`` for b within a.

    Secrets are left out, and what raises: it is the user's, and ends nothing.
    """
    found: dict[str, Any] = {}
    with leave_generators_untouched():
        for owner in (module, getattr(trainer, "datamodule", None)):
            for name in ("hparams_initial", "hparams") if owner is not None else ():
                found |= _told({name: partial(_saved, owner, name)}).get(name, {})
        given = {name: value for name, value in found.items() if not is_secret(name)}
        return _told({_cut(name): partial(plain, given[name]) for name in islice(given, MOST_VALUES)})


def settings(
    trainer: pl.Trainer,
    probe: Probe,
    diagnostics: Collection[Diagnostic],
    cadences: Sequence[Cadence],
    stop_on: Collection[str],
) -> dict[str, Plain]:
    """Return when the fit began, versions, and how trainer, probe and callbacks were set; less what cannot be told."""
    packages = ("lightning-seqfit", "lightning", "torch")
    of_trainer = ("max_steps", "max_epochs", "accumulate_grad_batches", "gradient_clip_val", "precision")
    asked: dict[str, Callable[[], Any]] = {
        "began": lambda: datetime.now(UTC).isoformat(timespec="seconds"),
        **{f"version/{package}": partial(version, package) for package in packages},
        "version/python": platform.python_version,
        **{f"trainer/{name}": partial(getattr, trainer, name) for name in of_trainer},
        "trainer/accelerator": lambda: type(trainer.accelerator).__name__.removesuffix("Accelerator").lower(),
        "trainer/devices": lambda: trainer.num_devices,
        "probe/kind": lambda: probe.geometry.kind,
        "probe/points": lambda: len(probe.geometry.points),
        "probe/resolution": lambda: " x ".join(map(str, probe.geometry.shape or ())) or None,
        "probe/noise": lambda: probe.given_noise,
        "probe/relative": lambda: probe.relative,
        "probe/scale": lambda: probe.scale,
        "tolerance": lambda: _of_all(getattr(each, "tolerance", None) for each in diagnostics),
        "layer": lambda: _of_all(each.read_out and each.read_out.layer for each in diagnostics),
        "every_n_steps": lambda: _of_all(getattr(each, "__qualname__", each) for each in cadences),
        "stop_on": lambda: ", ".join(sorted(stop_on)) or None,
    }
    with leave_generators_untouched():
        values = _told(asked)
        return _told({name: partial(plain, value) for name, value in values.items()})


def plain(value: Any) -> Plain:
    """Return a value as a text, a number, a boolean or None; what is no such by its ``repr``.

    Examples
    --------
    >>> plain(np.float32(0.5)), plain(np.bool_(True)), plain((64, 64)), plain("tanh"), plain(None), plain(10**20)
    (0.5, True, '(64, 64)', 'tanh', None, '100000000000000000000')
    """
    if value is None or isinstance(value, bool | np.bool_):
        return None if value is None else bool(value)
    if isinstance(value, Integral) and abs(int(value)) < 2**63:
        return int(value)
    if isinstance(value, Real) and not isinstance(value, Integral):
        return float(value)
    # where an object lies in memory tells two runs apart that are set alike
    return _cut(str(value) if isinstance(value, str) else _ADDRESS.sub("", repr(value)))


def is_secret(name: str) -> bool:
    """Whether a name, or a part of it, is that of what gives access to something.

    Examples
    --------
    >>> [is_secret(name) for name in ("api_key", "logger/WANDB_TOKEN", "password", "key_size", "num_tokens")]
    [True, True, True, False, False]
    """
    return any(_SECRET.search(part) for part in name.lower().split("/"))


def _saved(owner: Any, name: str) -> Mapping[str, Any]:
    """Saved hyperparameters; an attribute that asking for them has made is taken away again."""
    before = set(vars(owner))
    try:
        return flattened(getattr(owner, name))
    finally:
        for made in vars(owner).keys() - before:
            del vars(owner)[made]


def _of_all(values: Iterable[Any]) -> Any:
    """What several have alike, or else all of it as a text; None: none has it."""
    known = list(dict.fromkeys(value for value in values if value is not None))
    return known[0] if len(known) == 1 else ", ".join(map(str, known)) or None


def _told(asked: Mapping[str, Callable[[], Any]]) -> dict[str, Any]:
    """Ask each, and leave out what raises."""
    found = {}
    for name, ask in asked.items():
        try:
            found[name] = ask()
        except Exception as error:
            log.debug("%s cannot be told", name, exc_info=error)
    return found


def _cut(text: str) -> str:
    """A text that any file can hold, of at most 200 letters."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 3]}..."
