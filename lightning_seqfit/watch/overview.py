"""What of a probe's curves is logged, and the charts and figures by which a logger shows them together."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from lightning_seqfit.watch.sinks import Overview

#: The training's loss at the looks at which the verdict changed, a curve for each: one point that no smoothing moves.
VERDICT_CHANGE = "stall/verdict_change/"
#: Charts in the order of the story, and their tags; one that ends in a slash stands for all below it.
CHARTS: Mapping[str, tuple[str, ...]] = {
    "fitted share, and depth from each face": ("front/fitted", "front/depth/"),
    "oscillations: target, model, fitted": ("oscillations/target", "oscillations/model", "oscillations/fitted"),
    "error, and the least that the basis allows": ("error/relative_rmse", "basis/projection_error", "error/noise"),
    "error by band": ("fourier/relative_error/",),
    "rank of the basis": ("basis/numerical_rank", "basis/effective_rank"),
    "training loss, and where the verdict changed": ("training/loss", VERDICT_CHANGE),
    "change of the prediction": ("change/",),
}
#: The only figure that is made to compare runs by: the first step at which 90 % were fitted.
STEPS_TO_90 = "hp/steps_to_90"
#: Figures by which runs are compared, what they are called there, and the tag without which they are not there.
COMPARED: Mapping[str, tuple[str, str]] = {
    "front/fitted": ("fitted", "front/fitted"),
    STEPS_TO_90: ("steps to 90 % fitted", "front/fitted"),
    "error/relative_rmse": ("error", "error/relative_rmse"),
    "oscillations/fitted": ("oscillations", "oscillations/fitted"),
    "change/since_half": ("change", "change/since_half"),
    "stall/stalled": ("stalled", "stall/stalled"),
}
#: Values that are not logged before they are above a bound, by the beginning of their tags: till then they say nothing.
QUIET: Mapping[str, float] = {
    "fourier/share/": 0.01,  # of the target's oscillation, as the target's own bands are told
}
#: Values that cannot change while a target is watched, and those that are fixed for as long as they are 0.
FIXED, FIXED_AT_0 = ("oscillations/target", "error/noise"), ("basis/constant_share", "basis/dead_domain")


class Selection:
    """What of each look is logged: what says something, and what is fixed now and then only.

    A value that is fixed is logged at the first look, when it changes after all, when the steps have doubled, and at
    the end, so that its line reaches across a chart.

    Examples
    --------
    >>> selection = Selection()
    >>> [list(selection.of({"oscillations/target": 13.0, "fourier/share/8-16": 0.0}, step)) for step in (0, 4, 5)]
    [['oscillations/target'], ['oscillations/target'], []]
    """

    def __init__(self) -> None:
        self._speaking: set[str] = set()
        self._fixed: dict[str, tuple[float, int]] = {}

    def of(self, values: Mapping[str, float], step: int) -> dict[str, float]:
        """Choose from the values of a look by tag, at a step of the loggers' axis."""
        for tag, value in values.items():
            if tag not in self._speaking and not any(tag.startswith(one) and value <= QUIET[one] for one in QUIET):
                self._speaking.add(tag)
        return {tag: values[tag] for tag in values if tag in self._speaking and self._is_due(tag, values[tag], step)}

    def _is_due(self, tag: str, value: float, step: int) -> bool:
        if tag in FIXED_AT_0 and value != 0.0:
            self._fixed.pop(tag, None)
        elif tag in FIXED or tag in FIXED_AT_0:
            before, at = self._fixed.get(tag, (None, 0))
            if value == before and step <= 2 * at:
                return False
            self._fixed[tag] = value, step
        return True

    def last(self, step: int) -> dict[str, float]:
        """Values that are fixed and were not logged at a step, which is the last."""
        return {tag: value for tag, (value, at) in self._fixed.items() if at < step}


def overview(prefix: str, tags: Collection[str]) -> Overview:
    """Return the charts that have a curve, and the figures that are there.

    Parameters
    ----------
    prefix : of the probe's tags, such as ``"seqfit/left/"``.
    tags : what is logged, without it.

    Examples
    --------
    >>> found = overview("seqfit/", ["change/moving"])
    >>> found.title, dict(found.charts), dict(found.compared)
    ('seqfit', {'change of the prediction': ('^seqfit/change/.+$',)}, {})
    """
    of_probe = prefix.partition("/")[2]
    return Overview(
        prefix.rstrip("/"),
        {
            title: tuple(f"^{re.escape(prefix + name)}{'.+' if name.endswith('/') else ''}$" for name in names)
            for title, names in CHARTS.items()
            if any(tag == name or (name.endswith("/") and tag.startswith(name)) for name in names for tag in tags)
        },
        {prefix + tag: f"hp/{of_probe}{label}" for tag, (label, needed) in COMPARED.items() if needed in tags},
    )
