"""What a checkpoint holds of a watch: tensors and builtin containers, checked before they are believed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from lightning_seqfit.geometry import MOST_CELLS, FloatArray, Geometry
from lightning_seqfit.record import Record
from lightning_seqfit.watch.contents import FINE_CELLS
from lightning_seqfit.watch.identity import check_described
from lightning_seqfit.watch.measuring import Look
from lightning_seqfit.watch.tensors import to_arrays, to_tensors

VERSION = 2


@dataclass
class State:
    """What a watch over a module has seen, over all its fits; what a resumed fit goes on with.

    Attributes
    ----------
    fit : 0 for the first fit.
    offset : optimizer steps of earlier fits that ``global_step`` has forgotten.
    last_step : of the last look, -1: none was taken.
    scale : the mean square that errors are relative to; NaN: not known yet.
    record : the looks.
    latest : fields of the last look, shape ``(N,)`` each.
    components : predictions of the last look of several outputs that are watched as one, shape ``(N,)`` each.
    losses : sums of the training's losses since the last look, by :meth:`~lightning_seqfit.watch.losses.Losses.kept`.
    described : the probe, by :func:`~lightning_seqfit.watch.identity.describe`; in a checkpoint of version 1 the number
        of cells alone.
    """

    fit: int = 0
    offset: int = 0
    last_step: int = -1
    scale: float = math.nan
    record: Record = field(default_factory=Record)
    latest: dict[str, FloatArray] = field(default_factory=dict)
    components: list[FloatArray] = field(default_factory=list)
    losses: dict[str, list[float]] = field(default_factory=dict)
    described: dict[str, Any] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Step of the last look, counted over all fits."""
        return self.last_step + self.offset

    @property
    def predictions(self) -> list[FloatArray]:
        """Predictions of the last look, of each output."""
        return self.components or [self.latest["prediction"]]

    def take(self, look: Look, step: int, logger_step: int, geometry: Geometry, cells: int = MOST_CELLS) -> None:
        """Take a look into the record, its fields on at most so many cells."""
        self.scale, self.latest, self.components = look.scale, look.fields, look.components
        self.record.append(
            {
                "steps": step,
                "total_steps": step + self.offset,
                "logger_steps": logger_step,
                "fit": self.fit,
                **{name: geometry.coarsen(values, cells) for name, values in look.fields.items()},
                **look.arrays,
                **{f"scalar/{tag}": value for tag, value in look.scalars.items()},
                **{f"kept/{tag}": value for tag, value in look.kept.items()},
            }
        )

    def scalars(self, *, known: bool = False) -> dict[str, float]:
        """Scalars of the last look, or the last value of each that was known: what monitors see of them."""
        scalars = {}
        for name in self.record.names:
            if name.startswith("scalar/"):
                values = self.record[name]
                values = values[~np.isnan(values)] if known else values
                if values.size:
                    scalars[name.removeprefix("scalar/")] = float(values[-1])
        return scalars

    def as_dict(
        self, diagnostics: Mapping[str, Mapping[str, Any]], notes: list[str], lineage: list[str]
    ) -> dict[str, Any]:
        """Tensors and builtin containers only, which ``torch.load(weights_only=True)`` reads.

        Parameters
        ----------
        diagnostics : what each has kept, by name, as a checkpoint may hold it.
        notes : what the record has to say of the fits so far.
        lineage : ids of the run and of the fits that went on with it, the latest last.
        """
        return {
            "version": VERSION,
            **{name: getattr(self, name) for name in ("fit", "offset", "last_step", "scale")},
            "record": self.record.state_dict(),
            "latest": {name: _to_float32(values) for name, values in self.latest.items() if len(values) <= FINE_CELLS},
            "components": [_to_float32(values) for values in self.components if len(values) <= FINE_CELLS],
            "losses": self.losses,
            "diagnostics": dict(diagnostics),
            "notes": list(notes),
            "lineage": list(lineage),
            "probe": to_tensors(self.described),
        }


@dataclass
class Saved:
    """What a checkpoint holds.

    Attributes
    ----------
    state : of the watch.
    diagnostics : what each has kept, by name.
    notes, lineage : as :meth:`State.as_dict` got them; there was no lineage before version 2.
    """

    state: State
    diagnostics: dict[str, dict[str, Any]]
    notes: list[str]
    lineage: list[str]


def read_state(saved: Any) -> Saved:
    """Become what :meth:`State.as_dict` made, also of version 1.

    Raises
    ------
    ValueError
        If it is of another version or lacks something; the message says what.
    """
    if not isinstance(saved, Mapping):
        raise ValueError(f"it is {type(saved).__name__}, no mapping")
    version = saved.get("version")
    if type(version) is not int or version not in (1, VERSION):
        raise ValueError(f"it has version {version!r}, expected {VERSION} or older")
    counts = {name: _checked(saved, name, int) for name in ("fit", "offset", "last_step")}
    scale = float(_checked(saved, "scale", int | float))
    record = Record()
    try:
        record.load_state_dict(_checked(saved, "record", Mapping))
        for name in ("steps", "total_steps", "logger_steps", "fit"):
            if record[name].dtype != np.int64 or record[name].ndim != 1:
                raise ValueError(f"column {name!r} is {record[name].dtype} of shape {record[name].shape}")
        cells = record["prediction"].shape[1]
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"its 'record' is damaged: {type(error).__name__}: {error}") from error
    latest = to_arrays(_checked(saved, "latest", Mapping) if "latest" in saved else {})
    components = to_arrays(_checked(saved, "components", list) if "components" in saved else [])
    if not all(isinstance(values, np.ndarray) and values.ndim == 1 for values in (*latest.values(), *components)):
        raise ValueError("its 'latest' or its 'components' holds something that is no field")
    losses = dict(_checked(saved, "losses", Mapping)) if "losses" in saved else {}
    if not all(isinstance(sums, list) and list(map(type, sums)) == [float, float, int] for sums in losses.values()):
        raise ValueError("its 'losses' holds something that is no sum")
    diagnostics = to_arrays(_checked(saved, "diagnostics", Mapping))
    if not all(isinstance(kept, dict) for kept in diagnostics.values()):
        raise ValueError("its 'diagnostics' holds something that is no mapping")
    if version == 1:
        notes = [f"{part}: {reason}" for part, reason in _checked(saved, "off", Mapping).items()]
        lineage, described = [], {"cells": cells}
    else:
        notes, lineage = _texts(saved, "notes"), _texts(saved, "lineage")
        described = to_arrays(_checked(saved, "probe", Mapping))
        check_described(described, cells)
    fields = {"latest": latest, "components": components, "losses": losses, "described": described}
    state = State(**counts, scale=scale, record=record, **fields)
    return Saved(state, diagnostics, notes, lineage)


def _checked(saved: Mapping[str, Any], name: str, kind: Any) -> Any:
    value = saved.get(name)
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"its {name!r} is {'missing' if name not in saved else type(value).__name__}")
    return value


def _texts(saved: Mapping[str, Any], name: str) -> list[str]:
    texts: list[str] = _checked(saved, name, list)
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"its {name!r} holds something that is no text")
    return list(texts)


def _to_float32(values: FloatArray) -> torch.Tensor:
    with np.errstate(all="ignore"):  # beyond float32 is inf, or 0
        return torch.from_numpy(values.astype(np.float32))
