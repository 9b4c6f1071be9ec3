"""All outputs of a probe with several, small, above the picture of the one that is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lightning_seqfit.views import words
from lightning_seqfit.views.base import Panel
from lightning_seqfit.views.raster import slices

if TYPE_CHECKING:
    from lightning_seqfit.record import Run


def small_pictures(run: Run) -> tuple[tuple[Panel, ...], ...]:
    """Two rows of panels, targets and predictions, in the plane or on the middle slice; none of one output alone.

    Of three targets from 0 to 1, as of an image, their colours as well.
    """
    seen = run.components
    if seen is None:
        return ()
    one, target, prediction = slices(run)[0], seen.target, words.finite(seen.prediction)
    colours = len(target) == 3 and bool(target.min() >= 0.0 and target.max() <= 1.0)
    rows = []
    for name, values in (("target", target), ("prediction", prediction)):
        panels = []
        for column, (number, own, field) in enumerate(zip(seen.numbers, target, values, strict=True)):
            low, high = float(own.min()), float(own.max())
            ends = (low, high) if low < high else (low - 0.5, high + 0.5)
            title, label = f"output {number}" if name == "target" else "", "" if column else name
            items = [one.field(field, "values", ends)]
            panels.append(one.panel(run, [*items], title, small=True, bold=number == run.output, label=label))
        if colours:
            channels = np.clip(np.nan_to_num(values), 0.0, 1.0)
            panels.append(one.panel(run, [one.picture(channels)], "colours" if name == "target" else "", small=True))
        rows.append(tuple(panels))
    return tuple(rows)
