"""What is changed in a fork: read from advice or mappings, said in words, and refused where it cannot be made."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

import lightning.pytorch as pl
import numpy as np

from lightning_seqfit.diagnosis import Diagnosis
from lightning_seqfit.diagnosis.diagnosis import Advice
from lightning_seqfit.networks import ACTIVATIONS
from lightning_seqfit.planning import Plan
from lightning_seqfit.planning.settings import FOURIER, RATE, SIREN, TURN
from lightning_seqfit.words import significant

#: Settings that make another network of the module's, and those that its optimizer gets.
OF_NETWORK = ("network", "omega_0", "sigma", "features", "width", "depth", "activation", "inputs", "targets")
OF_OPTIMIZER = ("optimizer", "learning_rate", "learning_rate_factor", "schedule")
#: Settings that only the user's own code can change, and where it does.
ELSEWHERE = {
    "points": "the training points",
    "random_points": "the training points",
    "points_factor": "the training points",
    "resample": "where new points are drawn",
    "data_weight": "the terms of the loss",
    "residual_factor": "the terms of the loss",
}
#: Values that a setting may have, where they are words.
WORDS = {
    "network": ("siren", "fourier", *ACTIVATIONS),
    "activation": ("sine", *ACTIVATIONS),
    "inputs": ("[-1, 1]",),
    "optimizer": ("adam", "sgd", "soap", "lbfgs"),
    "schedule": ("constant",),
}
_NAMES = {"siren": "SIREN", "fourier": "Fourier features", "adam": "Adam", "sgd": "SGD", "soap": "SOAP"}

MakeModule = Callable[[], pl.LightningModule]


class CannotChangeError(Exception):
    """What a change asks for cannot be made from outside; the message is a clause."""


@dataclass(frozen=True)
class Change:
    """One change of a training.

    Attributes
    ----------
    name : in words.
    settings : as that of :class:`~lightning_seqfit.diagnosis.Advice` has them.
    make_module : makes the module with the change in it; None: the change is made from outside.
    why : why it cannot be made; empty: nothing is known against it.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    make_module: MakeModule | None = None
    why: str = ""

    @property
    def of_network(self) -> dict[str, Any]:
        """Settings of the network."""
        return {name: value for name, value in self.settings.items() if name in OF_NETWORK}

    @property
    def of_optimizer(self) -> dict[str, Any]:
        """Settings of the optimizer."""
        return {name: value for name, value in self.settings.items() if name in OF_OPTIMIZER}

    @property
    def keeps_optimizer(self) -> bool:
        """Whether what an optimizer has kept of the steps so far is still of use."""
        return self.make_module is None and not self.of_network and "optimizer" not in self.settings


AS_IT_IS = Change("as it is")


def read_changes(given: Any) -> list[Change]:
    """Read what :func:`~lightning_seqfit.fork` takes as ``changes``; the training as it is comes first.

    Raises
    ------
    TypeError, ValueError
        If something is no change, or has a value that is not allowed.

    Examples
    --------
    >>> [each.name for each in read_changes([{"learning_rate": 5e-4}, {"activation": "sine", "omega_0": 20}])]
    ['as it is', 'learning rate 0.0005', 'activation sine, omega_0 = 20']
    """
    changes = [AS_IT_IS, *_read(given)]
    seen: dict[tuple[Any, ...], Change] = {}
    for change in changes:
        key = (repr(sorted(change.settings.items(), key=str)), change.make_module, change.why and change.name)
        seen.setdefault(key, change)
    return list(seen.values())


def _read(given: Any) -> Iterator[Change]:
    if isinstance(given, Diagnosis):
        yield from _read(given.advice)
    elif isinstance(given, Advice):
        if given.change:
            yield _of(given.change)
        else:
            yield Change(given.do, why="says nothing that a program can change")
    elif isinstance(given, Mapping):
        yield _of(given)
    elif callable(given):
        yield Change(getattr(given, "__name__", type(given).__name__).replace("_", " "), make_module=given)
    elif isinstance(given, Iterable) and not isinstance(given, str):
        for each in given:
            yield from _read(each)
    else:
        raise TypeError(
            f"changes: {given!r:.80} is no change: give a mapping such as {{'learning_rate': 1e-3}}, an Advice, a "
            "Diagnosis, a function that makes the module changed, or a list of them"
        )


def _of(settings: Mapping[str, Any]) -> Change:
    known = (*OF_NETWORK, *OF_OPTIMIZER, *ELSEWHERE)
    if unknown := [name for name in settings if name not in known]:
        raise ValueError(f"change {dict(settings)!r}: {', '.join(map(repr, unknown))} is none of {', '.join(known)}")
    for name, value in settings.items():
        if name in WORDS and value not in WORDS[name]:
            raise ValueError(f"change {name}={value!r}: use one of {', '.join(map(repr, WORDS[name]))}")
        if name in ("width", "depth", "features") and not (_is_a(Integral, value) and value > 0):
            raise ValueError(f"change {name}={value!r}: give a whole number of at least 1")
        numbers = value if name == "targets" and isinstance(value, list | tuple) else [value]
        if name in _POSITIVE and not (numbers and all(_is_positive(each) for each in numbers)):
            raise ValueError(f"change {name}={value!r}: give a positive, finite number")
    if "network" in settings:
        own = _SETTINGS_OF.get(settings["network"], ())
        if foreign := [name for name in ("omega_0", "sigma", "features", "activation") if name in {*settings} - {*own}]:
            raise ValueError(f"change {dict(settings)!r}: {' and '.join(foreign)} is none of that network's settings")
    elsewhere = {ELSEWHERE[name]: name for name in settings if name in ELSEWHERE}
    why = f"cannot be changed from outside: {' and '.join(elsewhere)}, in your own code" if elsewhere else ""
    return Change(in_words(settings), {name: _own(value) for name, value in settings.items()}, why=why)


def _own(value: Any) -> Any:
    """A number of Python for one of numpy, which code can show."""
    if isinstance(value, list | tuple):
        return [_own(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _is_positive(value: Any) -> bool:
    return _is_a(Real, value) and math.isfinite(value) and value > 0


def _is_a(kind: type, value: Any) -> bool:
    """Whether a value is a number of a kind, of numpy or not; True is none."""
    return isinstance(value, kind) and not isinstance(value, bool)


#: Settings that only one kind of network has.
_SETTINGS_OF = {"siren": ("omega_0",), "fourier": ("sigma", "features")}
_POSITIVE = ("omega_0", "sigma", "targets", "learning_rate", "learning_rate_factor")


def in_words(settings: Mapping[str, Any]) -> str:
    """Say settings in words.

    Examples
    --------
    >>> in_words({"network": "siren", "omega_0": 40.84, "learning_rate": 5e-4})
    'SIREN, omega_0 = 41, learning rate 0.0005'
    >>> in_words({})
    'as it is'
    """
    return ", ".join(_in_words(name, value) for name, value in settings.items()) or AS_IT_IS.name


def _in_words(name: str, value: Any) -> str:
    if name == "network":
        return _NAMES.get(value, f"{value} network")
    if name == "optimizer":
        return _NAMES.get(value, "L-BFGS")
    if name in ("omega_0", "sigma"):
        return f"{name} = {significant(value, 2)}"
    if name in ("schedule", "resample"):
        return "constant learning rate" if name == "schedule" else "new points at each step"
    if name == "inputs":
        return "inputs to [-1, 1]"
    if name == "targets":
        numbers = value if isinstance(value, list | tuple) else [value]
        return f"targets divided by {' and '.join(significant(each, 2) for each in numbers)}"
    if name == "learning_rate_factor":
        return f"learning rate times {value:g}"
    return f"{name.replace('_', ' ')} {value:g}" if _is_a(Real, value) else f"{name} {value}"


def changes_of(plan: Plan) -> list[dict[str, Any]]:
    """What is worth a try for a target: networks that are as fast as it, scaled inputs, and other learning rates."""
    axes, wave = len(plan.frequencies), math.hypot(*plan.frequencies) / 2.0  # on [-1, 1]
    networks: list[dict[str, Any]] = []
    if wave > 0.0:
        omega_0, sigma = _rounded(SIREN * axes * 2 * math.pi * wave), _rounded(FOURIER * wave / axes)
        rate = _rounded(min(RATE, TURN / omega_0))
        siren = {"network": "siren", "omega_0": omega_0, "inputs": "[-1, 1]", "learning_rate": rate}
        networks = [siren, {"network": "fourier", "sigma": sigma, "inputs": "[-1, 1]", "learning_rate": RATE}]
    factors = [{"learning_rate_factor": factor} for factor in (0.1, 10.0)]
    return [*networks, {"inputs": "[-1, 1]"}, *factors]


def _rounded(value: float) -> float:
    """Three digits, which a name and the code can both show."""
    return float(f"{value:.3g}")
