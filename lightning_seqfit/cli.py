"""``seqfit`` on the command line: trainings that show what the callbacks show."""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.claims import run_claims
from lightning_seqfit.demos import (
    SIRENCO2,
    Advection,
    Helmholtz,
    SIRENRegression,
    TanhCO2,
    TanhRegression,
    advection_residual,
    co2_monthly,
    co2_weekly,
    helmholtz_residual,
    sine,
    spectral_similarity,
)
from lightning_seqfit.demos.setups import SETUPS, Setup, tapered
from lightning_seqfit.probe import Probe
from lightning_seqfit.record import Run, load
from lightning_seqfit.words import how_far


@dataclass(frozen=True)
class Demo:
    """One training to watch: what trains, where to look at it, for how long and how often."""

    module: Callable[[], L.LightningModule]
    probes: Callable[[], list[Probe]]
    max_steps: int
    every_n_steps: int


def sine_probes() -> list[Probe]:
    """Return a probe of sin(26 pi x) on [0, 1]."""
    return [Probe.grid(bounds=[(0.0, 1.0)], target=sine)]


def co2_probes() -> list[Probe]:
    """Return a probe of the monthly CO2 record: years on the axis, ppm as values."""
    years, ppm = co2_monthly()
    month = 1 / 12
    bounds = [(float(years[0]) - month / 2, float(years[-1]) + month / 2)]
    return [Probe.grid(bounds=bounds, target=ppm, resolution=len(ppm), axes=["year"], quantity="CO2 (ppm)")]


def co2_weekly_probes() -> list[Probe]:
    """Return a probe of the weekly CO2 record at its own points, gaps and all."""
    years, ppm = co2_weekly()
    return [Probe.points(years, ppm, axes=["year"], quantity="CO2 (ppm)")]


def helmholtz_probes() -> list[Probe]:
    """Return a probe of the solution, and one of the residual."""
    box, solution = [(0.0, 1.0)], Helmholtz().solution
    residual = Probe.grid(box, 0.0, predict=helmholtz_residual, needs_grad=True, name="residual", quantity="residual")
    return [Probe.grid(box, solution, quantity="u"), residual]


def advection_probes() -> list[Probe]:
    """Return a probe of the solution, and one of the residual."""
    box, axes, solution = [(0.0, 1.0), (0.0, 1.0)], ["x", "t"], Advection().solution
    residual = Probe.grid(
        box, 0.0, axes=axes, predict=advection_residual, needs_grad=True, name="residual", quantity="residual"
    )
    return [Probe.grid(box, solution, axes=axes, quantity="u"), residual]


def setup_demo(setup: Setup, network: str, optimizer: str) -> Demo:
    """One of the article's setups as a demo."""
    steps, every_n_steps = setup.pace(network, optimizer)
    return Demo(partial(setup.module, network, optimizer), lambda: [setup.probe()], steps, every_n_steps)


DEMOS = {
    ("sine", "tanh"): Demo(TanhRegression, sine_probes, max_steps=8_000, every_n_steps=100),
    ("sine", "siren"): Demo(SIRENRegression, sine_probes, max_steps=500, every_n_steps=1),
    ("co2", "tanh"): Demo(TanhCO2, co2_probes, max_steps=8_000, every_n_steps=100),
    ("co2", "siren"): Demo(SIRENCO2, co2_probes, max_steps=1_500, every_n_steps=5),
    ("co2-weekly", "tanh"): Demo(partial(TanhCO2, weekly=True), co2_weekly_probes, max_steps=8_000, every_n_steps=100),
    ("co2-weekly", "siren"): Demo(partial(SIRENCO2, weekly=True), co2_weekly_probes, max_steps=1_500, every_n_steps=20),
    ("helmholtz", "tanh"): Demo(Helmholtz, helmholtz_probes, max_steps=8_000, every_n_steps=100),
    ("helmholtz", "siren"): Demo(partial(Helmholtz, network="siren"), helmholtz_probes, 2_000, every_n_steps=20),
    ("advection", "tanh"): Demo(Advection, advection_probes, max_steps=8_000, every_n_steps=100),
    ("advection", "siren"): Demo(partial(Advection, network="siren"), advection_probes, 2_000, every_n_steps=20),
}


def run_demo(demo: Demo, name: str, *, seed: int, max_steps: int, logdir: Path) -> Path:
    """Train, and return the run's log directory."""
    torch.set_num_threads(1)  # networks this small are slower with two
    L.seed_everything(seed, verbose=False)
    module = demo.module()
    logger = TensorBoardLogger(logdir, name=name)
    trainer = L.Trainer(
        max_steps=max_steps,
        callbacks=[SequentialFitting(probe, every_n_steps=demo.every_n_steps) for probe in demo.probes()],
        logger=logger,
        accelerator="cpu",
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(module)
    return Path(logger.log_dir)


def summary(run: Run) -> str:
    """Return the figures of the last look as a table."""
    assert run.front is not None
    assert run.oscillations is not None
    assert run.basis is not None
    assert run.spectrum is not None
    target, residual = run.target, run.prediction[-1] - run.target
    counts, front, basis = run.oscillations, run.front, run.basis
    variance = float(np.var(target))
    far = how_far(front.fitted[-1], run.scalars["error/relative_rmse"][-1], run.scale_of)
    several_bands = np.count_nonzero(run.spectrum.carrying) > 1
    rows = [
        ("step", f"{run.steps[-1]:,}"),
        ("R^2", _number(1 - float(np.mean(residual**2)) / variance if variance else math.nan, "{:.4f}")),
        ("fitted" if run.scale_of != "first look" else "error", far.removesuffix(" fitted") or "not known yet"),
        (
            "oscillations fitted" if len(run.axes) == 1 else "lobes fitted",
            f"{counts.fitted[-1]:g} of {counts.target[-1]:g}",
        ),
        *((f"depth from {face}", _number(front.depth[face][-1], "{:.2f}")) for face in run.faces),
        ("sequentiality", _number(front.sequentiality[-1], "{:.2f}")),
        *((f"inwardness from {face}", _number(front.inwardness[face][-1], "{:+.2f}")) for face in run.faces),
        ("inwardness", _number(front.overall_inwardness[-1], "{:+.2f}")),
        ("spectral order", _number(run.spectrum.spectral_order[-1], "{:+.2f}") if several_bands else "none: one band"),
        (
            "rank of the basis",
            f"{_number(basis.numerical_rank[0], '{:g}')} to {_number(basis.numerical_rank[-1], '{:g}')}",
        ),
        ("median laps", _number(basis.median_laps[-1], "{:.1f}")),
        ("relative error", _number(run.scalars["error/relative_rmse"][-1], "{:.3f}")),
        ("projection error", _number(basis.projection_error[-1], "{:.3f}")),
        ("overhead", _number(100 * run.scalars["observer/overhead"][-1], "{:.1f} %")),
    ]
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"  {label:<{width}}  {value}" for label, value in rows)


def _number(value: float, form: str) -> str:
    return form.format(value) if math.isfinite(value) else "not known yet"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="seqfit", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser("demo", help="train a network and watch how it fits")
    demo.add_argument(
        "name",
        nargs="?",
        default="sine",
        choices=["sine", "siren", "co2", "helmholtz", "advection", *(name for name in SETUPS if name != "sine")],
        metavar="NAME",
        help="siren: a SIREN fits sin(26 pi x); co2: the CO2 record of Mauna Loa; helmholtz: u'' + 9 u = f with u = "
        "sin(8 pi x), by its residual; advection: u_t + u_x = 0, by its residual; "
        + "; ".join(f"{setup.name}: {setup.title}" for setup in SETUPS.values())
        + " (default: sine)",
    )
    demo.add_argument("--network", choices=["tanh", "siren", "fourier"], help="default: tanh")
    demo.add_argument("--optimizer", choices=["adam", "lbfgs", "soap"], default="adam", help="default: %(default)s")
    demo.add_argument("--taper", type=_share, help="taper: share of the domain that is tapered at each end (0.1)")
    demo.add_argument("--weekly", action="store_true", help="co2: the weekly record with its gaps, at its own points")
    demo.add_argument("--seed", type=int, default=0, help="seed of the network's weights (default: %(default)s)")
    demo.add_argument("--max-steps", type=_steps, help="optimizer steps (default: as many as the demo takes)")
    demo.add_argument("--logdir", type=Path, default=Path("seqfit-logs"), help="where runs go (default: %(default)s)")
    claims = commands.add_parser("claims", help="measure what the article claims")
    claims.add_argument("--seeds", type=_steps, default=5, help="seeds of each training (default: %(default)s)")
    claims.add_argument("--quick", action="store_true", help="one seed")
    claims.add_argument("--max-steps", type=_steps, help="at most so many steps, to try the command")
    claims.add_argument(
        "--runs", type=Path, default=Path("seqfit-claims"), help="trainings, kept (default: %(default)s)"
    )
    claims.add_argument("--out", type=Path, help="the page and its pictures (default: in the same folder)")
    return parser


def _share(text: str) -> float:
    try:
        tapered(float(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no share: give a number above 0 and at most 0.5") from error
    return float(text)


def _steps(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of steps: give a whole number of at least 1")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = _parser()
    options = parser.parse_args(arguments)
    # Lightning 2.6 calls what torch 2.13 deprecates; not for the eyes of somebody who tries a demo
    warnings.filterwarnings("ignore", message=".*treespec.*LeafSpec", category=FutureWarning)
    if options.command == "claims":
        out = options.out or options.runs
        try:
            SETUPS["sine"].module(optimizer="soap")
        except ImportError as error:
            parser.error(str(error))
        print(run_claims(options.runs, out, range(1 if options.quick else options.seeds), options.max_steps))
        print(f"\npage  {out / 'README.md'}")
        return
    if options.weekly and options.name != "co2":
        parser.error(f"--weekly belongs to `seqfit demo co2`, not to `seqfit demo {options.name}`")
    if options.taper is not None and options.name != "taper":
        parser.error(f"--taper belongs to `seqfit demo taper`, not to `seqfit demo {options.name}`")
    if options.name == "siren" and options.network not in (None, "siren"):
        parser.error("`seqfit demo siren` is a SIREN: leave --network out, or take another demo")
    network = "siren" if options.name == "siren" else options.network or "tanh"
    target = "co2-weekly" if options.weekly else "sine" if options.name == "siren" else options.name
    name = "-".join([target, network] + [options.optimizer] * (options.optimizer != "adam"))
    if options.name not in SETUPS and (network == "fourier" or options.optimizer != "adam") and target != "sine":
        parser.error(f"`seqfit demo {options.name}` has --network tanh or siren, trained with Adam")
    if (target, network) in DEMOS and options.optimizer == "adam":
        demo = DEMOS[target, network]
    else:
        try:
            demo = setup_demo(
                SETUPS[target] if options.taper is None else tapered(options.taper), network, options.optimizer
            )
            demo.module()
        except ImportError as error:
            parser.error(str(error))
    max_steps = options.max_steps or demo.max_steps
    run_dir = run_demo(demo, name, seed=options.seed, max_steps=max_steps, logdir=options.logdir)
    for probe in demo.probes():
        of = f", {probe.name}" if probe.name else ""
        print(f"\n{name}{of}, seed {options.seed}:\n{summary(load(run_dir, probe.name))}\n")
    if target in SETUPS and target != "sine" and SETUPS[target].bounds == SETUPS["sine"].bounds:
        setup = SETUPS[target] if options.taper is None else tapered(options.taper)
        similarity = spectral_similarity(setup.target, SETUPS["sine"].target)
        print(f"cosine similarity of the target's magnitude spectrum to that of sin(26 pi x): {similarity:.3f}\n")
    print(f"record and pictures  {run_dir / 'seqfit'}")
    print(f"TensorBoard          tensorboard --logdir {options.logdir}")
