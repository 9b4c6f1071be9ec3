"""Whether arrays that were read from a file are a record: all there, of the right kind, and of shapes that agree."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from lightning_seqfit.diagnostics import DIAGNOSTICS
from lightning_seqfit.diagnostics.base import Form
from lightning_seqfit.record.history import Column

#: What an array in a file may hold, by ``dtype.kind``.
KINDS = {"i": "whole numbers", "u": "whole numbers from 0 on", "f": "numbers", "b": "yes or no", "U": "text"}

ALWAYS: dict[str, Form] = {
    "steps": ("i", "looks"),
    "total_steps": ("i", "looks"),
    "logger_steps": ("i", "looks"),
    "fit": ("i", "looks"),
    "prediction": ("f", "looks cells"),
    "points": ("f", "cells axes"),
    "target": ("f", "cells"),
    "trend": ("f", "cells"),
    "scalars": ("f", "looks tags"),
    "tags": ("U", "tags"),
}
#: Hyperparameters and settings are such.
_PLAIN = str | int | float | bool | None
_FINE_LENGTHS = ("fine_box", "fine_cells", "fine_shape", "fine/inside")
#: What is there as soon as the first of them is, beside the sections of the diagnostics.
TOGETHER: tuple[dict[str, Form], ...] = (
    {"inside": ("b", "box")},
    {"fine/inside": ("b", "fine_box")},
    {"domain": ("u", "bytes")},
    {"held": ("f", "cells axes")},
    {"fine/held": ("f", "fine_cells axes")},
    {
        "components/numbers": ("i", "components"),
        "components/target": ("f", "components cells"),
        "components/prediction": ("f", "components cells"),
    },
    {
        "fine/points": ("f", "fine_cells axes"),
        "fine/target": ("f", "fine_cells"),
        "fine/trend": ("f", "fine_cells"),
        "fine/prediction": ("f", "fine_cells"),
    },
    {
        "fine/target_range": ("f", "2 fine_cells"),
        "fine/prediction_range": ("f", "2 fine_cells"),
    },
)


def forms(names: Collection[str], about: Mapping[str, Any]) -> dict[str, Form]:
    """Return the arrays that a :class:`~lightning_seqfit.Run` is made of.

    Parameters
    ----------
    names : of all arrays in the file.
    about : from the same file, checked.
    """
    wanted = dict(ALWAYS)
    for section in (*_sections(), *TOGETHER):
        if next(iter(section)) in names:
            wanted |= {
                name: (kind.rstrip("?"), shape)
                for name, (kind, shape) in section.items()
                if name in names or not kind.endswith("?")
            }
    for name, arrays in about.get("extra", {}).items():
        wanted |= {f"{name}/{array}": (kind, shape) for array, (kind, shape) in arrays.items()}
    return wanted


def _sections() -> Iterator[dict[str, Form]]:
    """Sections of our diagnostics, and what of them is there on more cells."""
    for kind in DIAGNOSTICS:
        own = kind.forms()
        if own:
            yield {f"{kind.name}/{name}": form for name, form in own.items()}
        on_cells = {
            f"fine/{kind.name}/{name}": (numbers, "fine_cells")
            for name, (numbers, shape) in sorted(own.items(), key=lambda item: "looks" not in item[1][1])
            if "cells" in shape
        }
        if on_cells:
            yield on_cells


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
    for key in (
        "axes",
        "notes",
        *(["faces"] if "faces" in about else []),
        *(["arrays"] if about["version"] > 1 else []),
    ):
        if not isinstance(about.get(key), list) or not all(isinstance(item, str) for item in about[key]):
            raise ValueError(f"'about' has {key} {about.get(key)!r}, no list of texts")
    if not isinstance(about.get("scale_of", ""), str):
        raise ValueError(f"'about' has scale_of {about['scale_of']!r}, no text")
    for key in ("noise", "scale_share"):
        if not isinstance(about.get(key, 0.0), int | float):
            raise ValueError(f"'about' has {key} {about[key]!r}, no number")
    if type(about.get("output", 0)) is not int and about["output"] != "norm":
        raise ValueError(f"'about' has output {about['output']!r}, no number of a component nor 'norm'")
    gaps = about.get("gaps", [])
    if not isinstance(gaps, list) or not all(_is_stretch(gap) for gap in gaps):
        raise ValueError(f"'about' has gaps {gaps!r}, no list of (low, high)")
    axes, bounds = about["axes"], about.get("bounds")
    if not axes or len(set(axes)) != len(axes):
        raise ValueError(f"'about' has axes {axes}, not one name for each")
    if not isinstance(bounds, list) or len(bounds) != len(axes) or not all(_is_stretch(pair) for pair in bounds):
        raise ValueError(f"'about' has bounds {bounds!r}, not a finite (low, high) for each of {len(axes)} axes")
    extra = about.get("extra", {})
    if not isinstance(extra, dict) or not all(_are_forms(arrays) for arrays in extra.values()):
        raise ValueError(f"'about' has extra {extra!r}, no kinds and shapes of arrays by name")
    for key in ("hyperparameters", "settings"):
        values = about.get(key, {})
        if not isinstance(values, dict) or not all(isinstance(each, _PLAIN) for each in values.values()):
            raise ValueError(f"'about' has {key} {values!r:.200}, no texts, numbers and booleans by name")
    if not isinstance(about.get("finished", False), bool):
        raise ValueError(f"'about' has finished {about['finished']!r}, neither true nor false")
    resolution = about.get("resolution") or []
    if not isinstance(resolution, list) or len(resolution) not in (0, len(axes)) or not all(map(_is_count, resolution)):
        raise ValueError(f"'about' has resolution {resolution!r}, no count for each axis")
    if not isinstance(about.get("geometry", ""), str):
        raise ValueError(f"'about' has geometry {about['geometry']!r}, no text")
    for key in ("shape", *(["fine_shape"] if "fine/points" in names else [])):
        shape = about.get(key)
        if not isinstance(shape, list) or not shape or not all(map(_is_count, shape)):
            raise ValueError(f"'about' has {key} {shape!r}, no list of counts")


def _are_forms(arrays: Any) -> bool:
    return isinstance(arrays, dict) and all(
        isinstance(form, list) and len(form) == 2 and form[0] in KINDS and isinstance(form[1], str)
        for form in arrays.values()
    )


def _is_count(cells: Any) -> bool:
    return type(cells) is int and cells > 0


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
    lengths = {"axes": len(about["axes"]), "bytes": -(-math.prod(about.get("resolution") or [0]) // 8)}
    for box, cells, shape, inside in (("box", "cells", "shape", "inside"), _FINE_LENGTHS):
        lengths[box] = lengths[cells] = math.prod(about.get(shape, []))
        if inside in wanted:
            lengths[cells] = int(np.count_nonzero(arrays[inside]))
    for name, (kind, form) in wanted.items():
        array, words = arrays[name], form.split()
        if array.dtype.kind != kind:
            raise ValueError(f"{name!r} is {array.dtype}, expected {KINDS[kind]}")
        if array.ndim == len(words):
            for word, length in zip(words, array.shape, strict=True):
                lengths.setdefault(word, int(word) if word.isdecimal() else length)
        expected = tuple(lengths.get(word, 0) for word in words)
        if "looks" in words and not lengths.get("looks"):
            raise ValueError(f"{name!r} has no look")
        if array.shape != expected:
            said = ", ".join(word.replace("_", " ") for word in words)
            raise ValueError(f"{name!r} has shape {array.shape}, expected {expected} ({said})")
    for name in ("points", "fine/points"):
        if name in wanted and not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name!r} holds values that are not finite")
    if len(set(arrays["tags"].tolist())) != lengths["tags"]:
        raise ValueError("'tags' holds one twice")
