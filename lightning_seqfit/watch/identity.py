"""What decides whether two records can be one: where the probe looks, at what, and the options of the measures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from lightning_seqfit.diagnostics import Diagnostic, Scene
from lightning_seqfit.probe import Probe

#: Points and targets that differ by less, relative to the domain's length and the largest value, are the same: another
#: device rounds differently.
SAME = 1e-4


@np.errstate(all="ignore")
def describe(probe: Probe, scene: Scene, diagnostics: Collection[Diagnostic]) -> dict[str, Any]:
    """What decides whether two records can be one: where the probe looks, at what, and the options of the measures."""
    geometry = scene.geometry
    shape = geometry.shape
    return {
        "geometry": geometry.kind,
        "axes": list(geometry.axes),
        "bounds": [[float(low), float(high)] for low, high in geometry.bounds],
        "largest": float(np.max(np.abs(scene.target))),
        "cells": len(geometry.centres(scene.cells)),
        "number": len(geometry.points),
        "resolution": None if shape is None else list(shape),
        "points": geometry.centres(scene.cells),
        "target": geometry.coarsen(scene.target, scene.cells),
        **_components(scene),  # other targets may be as long
        "output": _plain(probe.output),
        "options": {
            # as given: an estimate of the noise is rounded otherwise elsewhere
            "probe": {"relative": probe.relative, "noise": probe.given_noise, "scale": probe.scale},
            **{diagnostic.name: _options(diagnostic) for diagnostic in diagnostics},
        },
    }


def _components(scene: Scene) -> dict[str, Any]:
    """The target of each output, shape ``(k, cells)``, where several are watched as one."""
    coarse = [scene.geometry.coarsen(part.target, scene.cells) for part in scene.parts]
    return {"components": np.stack(coarse)} if coarse else {}


def _options(diagnostic: Diagnostic) -> dict[str, Any]:
    pairs = [
        pair if isinstance(pair, tuple) and len(pair) == 2 else (f"option {number} of {diagnostic.name}", pair)
        for number, pair in enumerate(diagnostic.options)
    ]
    return {str(name): _plain(value) for name, value in pairs}


@np.errstate(all="ignore")
def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What sets two descriptions apart, each with the old and the new value; empty: they are of one probe.

    Only what both hold is compared: a diagnostic that was not there before can join.

    Examples
    --------
    >>> differences({"cells": 512, "output": 0}, {"cells": 256, "output": 0, "axes": ["x"]})
    ['cells 512 -> 256']
    """
    found = []
    known = [bool(np.isfinite(each["target"]).any()) for each in (old, new) if "target" in each]
    if len(set(known)) > 1:
        found.append("target {} -> {}".format(*("given" if there else "none" for there in known)))
    for name in ("axes", "bounds", "output"):
        if name in old and old[name] != new.get(name):
            found.append(f"{name} {_shown(old[name])} -> {_shown(new.get(name))}")
    (kind, before), (other, after) = ("cells", old["cells"]), ("cells", new["cells"])
    if "number" in old:
        (kind, before), (other, after) = _lattice(old), _lattice(new)
    if (kind, before) != (other, after):
        found.append(f"{kind} {before} -> {after if kind == other else f'{other} {after}'}")
    if not found and old["cells"] != new["cells"]:  # of the same box
        found.append("covered cells {} -> {}".format(*(each.get("number", each["cells"]) for each in (old, new))))
    if not found and old.get("geometry", new.get("geometry")) != new.get("geometry"):
        found.append(f"geometry {old['geometry']} -> {new.get('geometry')}")
    if not found and "target" in old:
        found += _moved(old, new, all(known))
    for name, options in old.get("options", {}).items():
        now = new.get("options", {}).get(name, {})
        found += [
            f"{option} {value} -> {now[option]}"
            for option, value in options.items()
            if option in now and now[option] != value
        ]
    return list(dict.fromkeys(found))  # several measures have the same tolerance


def _moved(old: Mapping[str, Any], new: Mapping[str, Any], known: bool) -> list[str]:
    """Whether points or the target there are elsewhere than they were, by more than rounding."""
    lengths = np.array([high - low for low, high in new["bounds"]])
    apart = np.max(np.abs(new["points"] - old["points"]) / lengths, axis=1)
    cell = int(np.argmax(apart))
    if not apart[cell] <= SAME:
        return [f"points {_numbers(old['points'][cell])} -> {_numbers(new['points'][cell])}, the one that moved most"]
    if not known:
        return []
    kind = "components" if "components" in old and "components" in new else "target"
    before, now = (np.atleast_2d(each[kind]) for each in (old, new))
    if len(before) != len(now):
        return [f"outputs {len(before)} -> {len(now)}"]
    change = np.max(np.abs(now - before), axis=0)
    cell = int(np.argmax(change))
    if change[cell] <= SAME * old["largest"]:
        return []
    where = _numbers(new["points"][cell])
    return [f"target {_numbers(before[:, cell])} -> {_numbers(now[:, cell])}, at {where}"]


def _lattice(description: Mapping[str, Any]) -> tuple[str, str]:
    """What the points are, in a word, and how many."""
    resolution = description["resolution"]
    return ("points", str(description["number"])) if resolution is None else ("resolution", _shown(resolution))


def _shown(value: Any) -> str:
    """Names with commas, lengths and stretches with crosses: ``x, y``, ``96 x 96``, ``(0, 1) x (0, 2)``."""
    if not isinstance(value, list):
        return str(value)
    names = bool(value) and isinstance(value[0], str)
    return (", " if names else " x ").join(_numbers(item) if isinstance(item, list) else str(item) for item in value)


def _numbers(values: Any) -> str:
    shown = [f"{value:.6g}" for value in np.atleast_1d(values)]
    return shown[0] if len(shown) == 1 else f"({', '.join(shown)})"


def _plain(value: Any) -> Any:
    """What a checkpoint may hold, and JSON too; anything else by what it says of itself."""
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or type(value) in (bool, int, float, str) else repr(value)


def check_described(described: Mapping[str, Any], cells: int) -> None:
    """Refuse a description that :func:`differences` could not read."""
    kinds: dict[str, Any] = {
        **{"axes": list, "bounds": list, "number": int, "resolution": list | None, "options": dict},
        **{"points": np.ndarray, "target": np.ndarray, "largest": float},
    }
    for name, kind in kinds.items():
        if name not in described or not isinstance(described[name], kind):
            raise ValueError(f"its 'probe' has {name} {described.get(name)!r:.50}")
    shapes = (described["points"].shape, described["target"].shape)
    if described.get("cells") != cells or shapes != ((cells, len(described["axes"])), (cells,)):
        raise ValueError(f"its 'probe' does not describe a record of {cells} cells")
    if "components" in described and np.shape(described["components"])[1:] != (cells,):
        raise ValueError(f"its 'probe' has components of another number of cells than {cells}")
    if not all(isinstance(options, dict) for options in described["options"].values()):
        raise ValueError("its 'probe' has options that are no mapping")
