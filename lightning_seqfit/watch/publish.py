"""Where scalars, pictures and texts of a look go: to monitors and the progress bar on every rank, to every logger."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl

from lightning_seqfit.figures import Image
from lightning_seqfit.watch.failures import Failures
from lightning_seqfit.watch.lightning_internals import show
from lightning_seqfit.watch.overview import Selection, overview
from lightning_seqfit.watch.sinks import Overview, Sink, sink_for


class Publisher:
    """Publishes what is seen of one probe; a logger that fails is not tried again in this fit.

    Parameters
    ----------
    name : of the probe, which stands in its tags.
    failures : told of what fails.
    """

    def __init__(self, name: str, failures: Failures) -> None:
        self._prefix = f"{name}/" if name else ""
        self._failures = failures
        self.begin()

    def begin(self) -> None:
        """Begin a fit, whose loggers know nothing yet."""
        self._selection = Selection()
        self._known: set[str] = set()
        self._shown: Overview | None = None

    def tag(self, name: str) -> str:
        """Name under which loggers get something."""
        return f"seqfit/{self._prefix}{name}"

    def announce(self, trainer: pl.Trainer, scalars: Mapping[str, float]) -> dict[str, float]:
        """Put what is known where monitors look; an error or a loss that is not finite is, and ends what checks for it.

        Returns
        -------
        dict of str to float
            What is known, by its name in the record.
        """
        known = {tag: value for tag, value in scalars.items() if math.isfinite(value) or _has_diverged(tag, value)}
        fitted = {f"{self._prefix}{name}": scalars[name] for name in ("front/fitted",) if name in scalars}
        show(trainer, {self.tag(name): value for name, value in known.items()}, fitted)
        return known

    def publish(self, trainer: pl.Trainer, scalars: Mapping[str, float], step: int) -> None:
        """Announce scalars, and log those that say something at a step of the loggers' axis."""
        known = self.announce(trainer, scalars)
        if known:
            self._log(trainer, self._selection.of(known, step), step)
            if not self._known >= known.keys():
                self._known |= known.keys()
                self._lay_out(trainer, step)

    def _lay_out(self, trainer: pl.Trainer, step: int) -> None:
        shown = overview(self.tag(""), self._known)
        if shown != self._shown:
            self._shown = shown
            self._to_all(trainer, "layout", lambda sink: sink.show_overview(shown, step))

    def _log(self, trainer: pl.Trainer, values: Mapping[str, float], step: int) -> None:
        if values:
            tags = {self.tag(name): value for name, value in values.items()}
            self._to_all(trainer, "scalars", lambda sink: sink.log_scalars(tags, step))

    def mark(self, trainer: pl.Trainer, name: str, value: float, step: int) -> None:
        """Log a value that has a place in an overview only, where there is one."""
        if math.isfinite(value):
            self._to_all(trainer, "scalars", lambda sink: sink.log_mark(self.tag(name), value, step))

    def end(self, trainer: pl.Trainer, step: int, *, finished: bool) -> None:
        """Log what is fixed once more, and by what runs are compared."""
        self._log(trainer, self._selection.last(step), step)
        self._to_all(trainer, "hyperparameters", lambda sink: sink.end(finished=finished))

    def write(self, trainer: pl.Trainer, name: str, text: str, step: int) -> None:
        """Log a text in Markdown."""
        self._to_all(trainer, "texts", lambda sink: sink.log_text(self.tag(name), text, step))

    def picture(self, trainer: pl.Trainer, name: str, image: Image, step: int) -> None:
        """Show a picture in the loggers that take it."""
        self._to_all(
            trainer,
            "figures",
            lambda sink: sink.log_picture(self.tag(name), image, step) if sink.takes_pictures else None,
        )

    def report(self, trainer: pl.Trainer, page: str, step: int) -> None:
        """Hand a page in HTML to the loggers that keep such."""
        self._to_all(trainer, "report", lambda sink: sink.log_report(self.tag("report"), page, step))

    def takes_pictures(self, trainer: pl.Trainer) -> bool:
        """Whether a logger would show a picture."""
        takers: list[Sink] = []
        self._to_all(trainer, "figures", lambda sink: takers.append(sink) if sink.takes_pictures else None)
        return bool(takers)

    def _to_all(self, trainer: pl.Trainer, kind: str, give: Callable[[Sink], Any]) -> None:
        """Do something with every logger's sink, on rank zero."""
        for number, logger in enumerate(trainer.loggers if trainer.is_global_zero else ()):
            part, before = (f"{each} for {type(logger).__name__} {number}" for each in (kind, "figures"))
            if part not in self._failures and not (kind == "texts" and before in self._failures):
                try:
                    give(sink_for(logger))
                except Exception as error:
                    self._failures.switch_off(part, error)


def _has_diverged(tag: str, value: float) -> bool:
    """Whether a value that is not finite is such an error or change, or a loss: an absent loss has no tag."""
    return tag.startswith("training/loss") or (value == math.inf and tag.startswith(("error/", "change/")))
