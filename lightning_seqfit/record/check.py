"""Whether arrays that were read from a file are a record: all there, of the right kind, and of shapes that agree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from lightning_seqfit.record.history import Column

#: Kind of numbers (as ``dtype.kind``) and shape of an array. A letter is one length throughout a file.
Form = tuple[str, str]

_LENGTHS = {
    "L": "looks",
    "C": "cells",
    "d": "axes",
    "T": "tags",
    "E": "edges of bands",
    "B": "bands",
    "F": "frequencies",
    "S": "snapshots",
    "U": "units",
    "P": "points of a snapshot",
    "K": "cells of the last look",
    "R": "least and largest",
}
_KINDS = {"i": "whole numbers", "f": "numbers", "b": "yes or no", "U": "text"}

ALWAYS: dict[str, Form] = {
    "steps": ("i", "L"),
    "total_steps": ("i", "L"),
    "logger_steps": ("i", "L"),
    "fit": ("i", "L"),
    "prediction": ("f", "LC"),
    "points": ("f", "Cd"),
    "target": ("f", "C"),
    "trend": ("f", "C"),
    "scalars": ("f", "LT"),
    "tags": ("U", "T"),
}
#: What is there as soon as the first of them is.
SECTIONS: tuple[dict[str, Form], ...] = (
    {
        "front/arrival": ("f", "C"),
        "front/settled": ("f", "C"),
        "front/active": ("b", "C"),
        "front/tolerance": ("f", ""),
        "front/local_error": ("f", "LC"),
    },
    {
        "fourier/converged": ("f", "B"),
        "fourier/carrying": ("b", "B"),
        "fourier/edges": ("i", "E"),
        "fourier/frequency": ("f", "F"),
        "fourier/power": ("f", "LF"),
        "fourier/target_trend_share": ("f", ""),
    },
    {
        "basis/snapshots": ("f", "SUP"),
        "basis/snapshot_steps": ("i", "S"),
        "basis/snapshot_units": ("i", "SU"),
        "basis/snapshot_places": ("f", "SUd"),
        "basis/snapshot_points": ("f", "Pd"),
    },
    {
        "fine/points": ("f", "Kd"),
        "fine/target": ("f", "K"),
        "fine/trend": ("f", "K"),
        "fine/prediction": ("f", "K"),
    },
    {
        "fine/target_range": ("f", "RK"),
        "fine/prediction_range": ("f", "RK"),
    },
    {
        "fine/front/local_error": ("f", "K"),
        "fine/front/arrival": ("f", "K"),
        "fine/front/settled": ("f", "K"),
        "fine/front/active": ("b", "K"),
    },
)


def forms(names: Collection[str]) -> dict[str, Form]:
    """Return the arrays that a :class:`~lightning_seqfit.record.Run` is made of, given the names of all in its file."""
    wanted = dict(ALWAYS)
    for section in SECTIONS:
        if next(iter(section)) in names:
            wanted |= section
    return wanted


def check_about(about: Mapping[str, Any], names: Collection[str]) -> None:
    """Refuse a description that says too little of a run, or nonsense.

    Parameters
    ----------
    about : from the file, of a version that can be read.
    names : of the arrays in the file.

    Raises
    ------
    ValueError
        With what is wrong.
    """
    for key in ("name", "quantity"):
        if not isinstance(about.get(key), str):
            raise ValueError(f"'about' has {key} {about.get(key)!r}, no text")
    for key in ("axes", "notes", *(["arrays"] if about["version"] > 1 else [])):
        if not isinstance(about.get(key), list) or not all(isinstance(item, str) for item in about[key]):
            raise ValueError(f"'about' has {key} {about.get(key)!r}, no list of texts")
    if not isinstance(about.get("scale_of", ""), str) or not isinstance(about.get("noise", 0.0), int | float):
        raise ValueError(f"'about' has scale_of {about.get('scale_of')!r} and noise {about.get('noise')!r}")
    gaps = about.get("gaps", [])
    if not isinstance(gaps, list) or not all(_is_stretch(gap) for gap in gaps):
        raise ValueError(f"'about' has gaps {gaps!r}, no list of (low, high)")
    axes, bounds = about["axes"], about.get("bounds")
    if not axes or len(set(axes)) != len(axes):
        raise ValueError(f"'about' has axes {axes}, not one name for each")
    if not isinstance(bounds, list) or len(bounds) != len(axes) or not all(_is_stretch(pair) for pair in bounds):
        raise ValueError(f"'about' has bounds {bounds!r}, not a finite (low, high) for each of {len(axes)} axes")
    for key in ("shape", *(["fine_shape"] if "fine/points" in names else [])):
        shape = about.get(key)
        if not isinstance(shape, list) or not shape or not all(type(cells) is int and cells > 0 for cells in shape):
            raise ValueError(f"'about' has {key} {shape!r}, no list of counts")


def _is_stretch(pair: Any) -> bool:
    numbers = isinstance(pair, list) and len(pair) == 2 and all(type(end) in (int, float) for end in pair)
    return numbers and math.isfinite(pair[1] - pair[0]) and pair[0] < pair[1]


def check_arrays(arrays: Mapping[str, Column], wanted: Mapping[str, Form], about: Mapping[str, Any]) -> None:
    """Refuse arrays of other kinds than they should be, or whose shapes do not agree.

    Parameters
    ----------
    arrays : by name.
    wanted : from :func:`forms`.
    about : from the same file, checked.

    Raises
    ------
    ValueError
        With the first array that does not fit.
    """
    lengths = {"d": len(about["axes"]), "C": math.prod(about["shape"]), "R": 2}
    lengths["K"] = math.prod(about.get("fine_shape", []))
    for name, (kind, shape) in wanted.items():
        array = arrays[name]
        if array.dtype.kind != kind:
            raise ValueError(f"{name!r} is {array.dtype}, expected {_KINDS[kind]}")
        if array.ndim == len(shape):
            for letter, length in zip(shape, array.shape, strict=True):
                lengths.setdefault(letter, length)
        expected = tuple(lengths.get(letter, 0) for letter in shape)
        if array.shape != expected:
            words = ", ".join(_LENGTHS[letter] for letter in shape)
            raise ValueError(f"{name!r} has shape {array.shape}, expected {expected} ({words})")
    for name in ("points", "fine/points"):
        if name in wanted and not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name!r} holds values that are not finite")
    if len(set(arrays["tags"].tolist())) != lengths["T"]:
        raise ValueError("'tags' holds one twice")
    if "fourier/edges" in wanted:
        edges = arrays["fourier/edges"].tolist()
        if lengths["E"] != lengths["B"] + 1 or any(low >= high for low, high in itertools.pairwise(edges)):
            raise ValueError(f"'fourier/edges' is {edges}, expected rising edges of {lengths['B']} bands")
