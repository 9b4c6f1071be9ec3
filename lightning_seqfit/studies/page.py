"""The page of a study: the table, and one picture a claim."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lightning_seqfit.demos.catalogue import DEMOS
from lightning_seqfit.figures import as_image, save
from lightning_seqfit.record import Run, load
from lightning_seqfit.studies.panels import draw_arrival, draw_error
from lightning_seqfit.studies.training import Training
from lightning_seqfit.studies.verdict import Claim, Verdict, table

_FIT, _TARGET = "#d1495b", "#1b6ca8"


def write_page(text: str, verdicts: Sequence[Verdict], seeds: Sequence[int], runs: Path, out: Path) -> None:
    """Write ``README.md`` and the pictures, each of the seed that has the median.

    ``text`` has places for {seeds}, {first}, {last}, {table} and {pictures}.
    """
    pictures = []
    for verdict in verdicts:
        claim, seed = verdict.claim, seeds[verdict.middle]
        records = {training: load(runs / f"{training.name}-{seed}") for training in claim.trainings}
        said = f"{verdict.said}: {claim.measure} {verdict.median} (seed {seed}, the median)"
        save(as_image(picture(claim, said, records)), out / f"{claim.key}.png")
        pictures.append(f"## {claim.says}\n\n![{claim.measure}: {verdict.median}, {verdict.said}]({claim.key}.png)\n")
    page = text.format(
        seeds=len(seeds), first=seeds[0], last=seeds[-1], table=table(verdicts, seeds), pictures="\n".join(pictures)
    )
    (out / "README.md").write_text(page, encoding="utf-8")


def picture(claim: Claim, said: str, records: dict[Training, Run]) -> Figure:
    """Draw what a claim is about, with the verdict in the title."""
    figure = Figure(figsize=(8.4, 4.4), dpi=100, layout="constrained")
    figure.suptitle(f"{claim.says}\n{said}", fontsize=11, wrap=True)
    if claim.shows == "progress":
        _progress(figure.add_subplot(), records)
        return figure
    panels: dict[str, list[Callable[[Axes, Run], None]]] = {
        "error": [draw_arrival if any(len(run.axes) > 1 for run in records.values()) else draw_error],
        "basis": [_basis],
        "rank": [_rank],
        "target": [_target, draw_error],
        "order": [_bands, draw_arrival if any(len(run.axes) > 1 for run in records.values()) else draw_error],
    }
    kinds = [(training, run, draw) for training, run in records.items() for draw in panels[claim.shows]]
    for number, (training, run, draw) in enumerate(kinds):
        axes = figure.add_subplot(1, len(kinds), number + 1)
        axes.set_title(_label(training), fontsize=10)
        draw(axes, run)
    return figure


def _label(training: Training) -> str:
    optimizer = {"adam": "Adam", "soap": "SOAP", "lbfgs": "L-BFGS"}[training.optimizer]
    network = {"tanh": "tanh", "siren": "SIREN", "fourier": "Fourier features"}[training.network]
    return f"{network}, {optimizer}: {DEMOS[training.demo].title}"


def _bands(axes: Axes, run: Run) -> None:
    """Error of each band in which the target oscillates, the lowest darkest."""
    assert run.spectrum is not None
    bands = [band for band, carries in zip(run.spectrum.relative_error, run.spectrum.carrying, strict=True) if carries]
    for number, band in enumerate(bands):
        colour = colormaps["viridis"](0.9 * number / max(len(bands) - 1, 1))
        axes.plot(run.steps, run.spectrum.relative_error[band], color=colour, label=f"{band} cycles")
    axes.set(xlabel="optimizer step", ylabel="error of a band of frequencies, relative", ylim=(0.0, 1.5))
    axes.legend(loc="upper right", fontsize=9)


def _basis(axes: Axes, run: Run) -> None:
    """The weightiest units at the end, one above the other."""
    assert run.basis is not None
    units, position = run.basis.snapshots[-1][:12].astype(np.float64), run.basis.snapshot_points[:, 0]
    order = np.argsort(run.basis.snapshot_places[-1][:12, 0], kind="stable")
    for row, values in enumerate(units[order]):
        reach = np.ptp(values) or 1.0
        axes.plot(position, row + 0.8 * (values - values.min()) / reach, color=colormaps["viridis"](row / 12))
    axes.set(xlabel=run.axes[0], yticks=[], ylabel="12 units of the last hidden layer")


def _rank(axes: Axes, run: Run) -> None:
    """Rank and fitted share over training."""
    assert run.basis is not None
    assert run.front is not None
    axes.plot(run.steps, run.basis.numerical_rank, color=_TARGET, label="rank of the basis")
    axes.set(xlabel="optimizer step", ylabel="rank of the basis")
    share = axes.twinx()
    share.plot(run.steps, 100 * run.front.fitted, color=_FIT, label="fitted share")
    share.set_ylabel("fitted, %")
    axes.figure.legend(loc="outside lower center", ncols=2, frameon=False)


def _target(axes: Axes, run: Run) -> None:
    """Target and prediction."""
    axes.plot(run.points[:, 0], run.target, color=_TARGET, linewidth=1.0, label="target")
    axes.plot(run.points[:, 0], run.prediction[-1], color=_FIT, linewidth=2.0, label="prediction at the end")
    axes.set(xlabel=run.axes[0])
    axes.legend(loc="lower center", fontsize=9)


def _progress(axes: Axes, records: dict[Training, Run]) -> None:
    """Fitted share against the step, all trainings together."""
    for (training, run), colour in zip(records.items(), (_TARGET, _FIT), strict=False):
        assert run.front is not None
        axes.plot(np.maximum(run.steps, 1), 100 * run.front.fitted, color=colour, linewidth=2.0, label=_label(training))
    axes.set(xlabel="optimizer step", ylabel="fitted, %", xscale="log", ylim=(-3, 103))
    axes.legend(loc="upper left", fontsize=9, frameon=False)
