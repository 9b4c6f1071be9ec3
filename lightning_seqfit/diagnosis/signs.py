"""What a diagnosis goes by: a few numbers of each look, and what is known of the run as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from lightning_seqfit.geometry import FloatArray


@dataclass(frozen=True)
class Signs:
    """Numbers of each look, shape ``(looks,)`` each; NaN: not known.

    Attributes
    ----------
    step : optimizer steps, counted over all fits, rising.
    error : relative RMS error e, running median over three looks; ``inf``: not finite.
    mean_error : mean of z = min(q, 1) over the active points, q the local error, running median over three looks.
    fitted : fitted share of the active points.
    sequentiality : of the front.
    path : sum over all looks so far of mean |z - z at the look before|.
    looks : number of looks so far, also of those that the record has no longer.
    loss : mean training loss since the look before over the first one, running median over three looks.
    loss_ratio : ``loss`` over (error / first error)^2, likewise.
    learning_rate, highest_rate : at the look, and the highest so far.
    projection_ratio : projection error, running median over five looks, over ``error``.
    rank_share : numerical rank over the width of the read-out layer, running median over three looks.
    median_laps, constant_share : of the basis.
    update : |w - w at the look before| / |w at the look before| of the weights, a step.
    flatness : spectral flatness of the residual, in (0, 1]: geometric over arithmetic mean of its power.
    best_error, best_step : smallest relative RMS error so far, and when it was.
    clipped : z on at most 256 cells, shape ``(looks, cells)``; quiet cells are NaN.
    depth : of the fit from each face, by its name, shape ``(looks,)`` each.
    """

    step: FloatArray
    error: FloatArray
    mean_error: FloatArray
    fitted: FloatArray
    sequentiality: FloatArray
    path: FloatArray
    looks: FloatArray
    loss: FloatArray
    loss_ratio: FloatArray
    learning_rate: FloatArray
    highest_rate: FloatArray
    projection_ratio: FloatArray
    rank_share: FloatArray
    median_laps: FloatArray
    constant_share: FloatArray
    update: FloatArray
    flatness: FloatArray
    best_error: FloatArray
    best_step: FloatArray
    clipped: FloatArray
    depth: Mapping[str, FloatArray] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        columns: Mapping[str, FloatArray],
        steps: FloatArray,
        clipped: FloatArray,
        depth: Mapping[str, FloatArray] | None = None,
    ) -> Signs:
        """Make them of columns by name; what is missing is NaN."""
        missing = np.full(len(steps), np.nan)
        numbers = {name: columns.get(name, missing) for name in NUMBERS}
        return cls(step=steps, clipped=clipped, depth=depth or {}, **numbers)

    def __len__(self) -> int:
        return len(self.step)

    def until(self, look: int) -> Signs:
        """The first looks, up to and with a number."""
        first = slice(look + 1)
        arrays = {name: getattr(self, name)[first] for name in ("step", "clipped", *NUMBERS)}
        return Signs(depth={face: values[first] for face, values in self.depth.items()}, **arrays)


#: Names of the numbers of a look, beside its step.
NUMBERS = tuple(each.name for each in fields(Signs) if each.name not in ("step", "clipped", "depth"))


@dataclass(frozen=True)
class Situation:
    """What is known of a run as a whole; NaN: not known.

    Attributes
    ----------
    axes : names.
    frequencies : highest frequency that matters along each axis, in cycles per domain length; 0: none.
    lengths : of the domain along each axis, as the network sees it: behind a normalisation of its own.
    bound : largest size of a coordinate, as the network sees it.
    width : of the read-out layer.
    first_error, first_constant_share, first_rank_share : at the first look.
    noise : of the target, relative as errors are; 0: none.
    residual : what is watched is a residual itself: the target is 0 everywhere.
    residual_beside : a residual is watched in the same trainer, by another probe.
    terms : terms of the training's loss; 0: it is one, or they are not known.
    oscillates : the target has oscillations.
    relative : the error is relative to something of the target's own, or to a given scale; False: to the first look's.
    size : root mean square of what is to be fitted, in the target's units: what an error of 1 is.
    equation : the training's loss is made of derivatives with respect to the inputs; None: not known.
    adaptive : its optimizer scales its steps itself, as Adam does; None: not known.
    """

    axes: tuple[str, ...] = ()
    frequencies: tuple[float, ...] = ()
    lengths: tuple[float, ...] = ()
    bound: float = math.nan
    width: float = math.nan
    first_error: float = math.nan
    first_constant_share: float = math.nan
    first_rank_share: float = math.nan
    noise: float = 0.0
    residual: bool = False
    residual_beside: bool = False
    terms: int = 0
    oscillates: bool = True
    relative: bool = True
    size: float = math.nan
    equation: bool | None = None
    adaptive: bool | None = None

    def as_arrays(self) -> dict[str, Any]:
        """Arrays by name, as a record holds them."""
        return {
            "facts": np.array([math.nan if (fact := getattr(self, name)) is None else float(fact) for name in _FACTS]),
            "frequencies": np.array(self.frequencies),
            "lengths": np.array(self.lengths),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Any], axes: Sequence[str]) -> Situation:
        """Situation of what :meth:`as_arrays` made; facts that an older record lacks are not known.

        Examples
        --------
        >>> situation = Situation(("x",), (13.0,), (2.0,), bound=1.0, terms=2)
        >>> Situation.of_arrays(situation.as_arrays(), ["x"]).terms
        2
        """
        facts: dict[str, Any] = dict(zip(_FACTS, (float(fact) for fact in arrays["facts"]), strict=False))
        for name in ("residual", "residual_beside", "oscillates", "relative"):
            facts[name] = bool(facts[name])
        facts["terms"] = int(facts["terms"])
        for name in ("equation", "adaptive"):
            fact = facts.get(name, math.nan)
            facts[name] = None if math.isnan(fact) else bool(fact)
        frequencies, lengths = (tuple(float(each) for each in arrays[name]) for name in ("frequencies", "lengths"))
        return cls(axes=tuple(axes), frequencies=frequencies, lengths=lengths, **facts)


#: In the order in which a record has them: only ever append.
_FACTS = (
    *("bound", "width", "first_error", "first_constant_share", "first_rank_share", "noise"),
    *("residual", "residual_beside", "terms", "oscillates", "relative", "equation"),
    *("size", "adaptive"),
)
