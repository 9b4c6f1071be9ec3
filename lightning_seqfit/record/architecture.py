"""What is recorded of the network that was trained, and of its optimizer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Architecture:
    """A chain of ``nn.Linear`` layers, and what trains it.

    Attributes
    ----------
    in_features, out_features : of the chain.
    width : units in a hidden layer: of the last one, where they differ; ``depth``: number of hidden layers.
    activation : ``"tanh"``, ``"relu"``, ``"sine"``, ...; empty: not known, as that of a function called in ``forward``.
    omega_0 : of a sine; None: not known.
    optimizer : name of its class, in small letters; empty: not known.
    learning_rate : the largest at the start of the fit; None: not known.

    Examples
    --------
    >>> Architecture.of({"in_features": 1, "out_features": 1, "width": 50, "depth": 2, "activation": "tanh"}).optimizer
    ''
    >>> Architecture.of({"width": "wide"}) is None
    True
    """

    in_features: int
    out_features: int
    width: int
    depth: int
    activation: str = ""
    omega_0: float | None = None
    optimizer: str = ""
    learning_rate: float | None = None

    @classmethod
    def of(cls, about: Any) -> Architecture | None:
        """Architecture of what JSON held; None: that is none."""
        if not isinstance(about, Mapping):
            return None
        found = {each.name: about[each.name] for each in fields(cls) if each.name in about}
        sizes = (found.get(name) for name in ("in_features", "out_features", "width", "depth"))
        texts = (found.get(name, "") for name in ("activation", "optimizer"))
        numbers = (found.get(name) for name in ("omega_0", "learning_rate"))
        known = (
            all(type(size) is int and size > 0 for size in sizes)
            and all(isinstance(text, str) for text in texts)
            and all(number is None or type(number) in (int, float) for number in numbers)
        )
        return cls(**found) if known else None
