"""``seqfit demo``: a training that shows what the callbacks show."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger

from lightning_seqfit.cli.values import Refused, whole
from lightning_seqfit.demos.catalogue import DEMOS, NETWORKS, OPTIMIZERS, Demo, similarity, tapered
from lightning_seqfit.diagnosis.words import to_try
from lightning_seqfit.record import load


def add_arguments(parser: ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument(
        "name",
        nargs="?",
        default="sine",
        choices=["siren", *DEMOS],
        metavar="NAME",
        help="siren: a SIREN fits sin(26 pi x); "
        + "; ".join(f"{demo.name}: {demo.title}" for demo in DEMOS.values())
        + " (default: %(default)s)",
    )
    parser.add_argument("--network", choices=NETWORKS, help="default: tanh")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="default: %(default)s")
    parser.add_argument("--taper", type=_share, help="taper: share of the domain that is tapered at each end (0.1)")
    parser.add_argument("--weekly", action="store_true", help="co2: as co2-weekly")
    parser.add_argument("--seed", type=int, default=0, help="seed of the network's weights (default: %(default)s)")
    parser.add_argument("--max-steps", type=whole, help="optimizer steps (default: as many as the demo takes)")
    parser.add_argument("--logdir", type=Path, default=Path("seqfit-logs"), help="where runs go (default: %(default)s)")


def _share(value: str | float) -> float:
    try:
        tapered(float(value))
    except ValueError as error:
        raise ArgumentTypeError(f"'{value}' is no share: give a number above 0 and at most 0.5") from error
    return float(value)


def run(
    name: str,
    network: str | None,
    optimizer: str,
    taper: float | None,
    weekly: bool,
    seed: int,
    max_steps: int | None,
    logdir: Path,
) -> None:
    """Train, and print the last look, where the record lies and how to see more."""
    if name == "siren" and network not in (None, "siren"):
        raise Refused("`seqfit demo siren` is a SIREN: leave --network out, or take another demo")
    demo, network = (DEMOS["sine"], "siren") if name == "siren" else (DEMOS[name], network or "tanh")
    for option, value in {"weekly": weekly or None, "taper": taper}.items():
        if value is not None and option not in demo.options:
            owner = next(other.name for other in DEMOS.values() if option in other.options)
            raise Refused(f"--{option} belongs to `seqfit demo {owner}`, not to `seqfit demo {name}`")
        if value is not None:
            demo = demo.options[option](value)
    if network not in demo.networks or optimizer not in demo.optimizers:
        raise Refused(f"`seqfit demo {name}` has --network {' or '.join(demo.networks)}, trained with Adam")
    try:
        demo.module(network, optimizer)
    except (ImportError, FileNotFoundError) as error:
        raise Refused(str(error)) from error
    run_dir = train(demo, network, optimizer, seed=seed, max_steps=max_steps, logdir=logdir)
    stalled = []
    for probe in demo.probes():
        of, run = f", {probe.name}" if probe.name else "", load(run_dir, probe.name)
        print(f"\n{run_dir.parent.name}{of}, seed {seed}:\n{run.summary()}\n")
        stalled += [run] if run.stall is not None and run.stall.stalled[-1] and run.target.any() else []
    alike = similarity(demo)
    if demo.name != "sine" and math.isfinite(alike):
        print(f"cosine similarity of the target's magnitude spectrum to that of sin(26 pi x): {alike:.3f}\n")
    print(f"record and pictures  {run_dir / 'seqfit'}")
    print(f"TensorBoard          tensorboard --logdir {logdir}")
    print(f"one page             seqfit report {run_dir}")
    for run in stalled:
        print(to_try(str(run_dir), run.name))


def train(
    demo: Demo, network: str = "tanh", optimizer: str = "adam", *, seed: int, max_steps: int | None = None, logdir: Path
) -> Path:
    """Train (by default as long as the demo takes), and return the run's log directory."""
    torch.set_num_threads(1)  # networks this small are slower with two
    L.seed_everything(seed, verbose=False)
    module = demo.module(network, optimizer)
    kind = [demo.name, network] + [optimizer] * (optimizer != "adam")
    logger = TensorBoardLogger(logdir, name="-".join(kind), default_hp_metric=False)
    trainer = L.Trainer(
        max_steps=max_steps or demo.pace(network, optimizer)[0],
        callbacks=[*demo.callbacks(network, optimizer)],
        logger=logger,
        log_every_n_steps=0,  # the loss is in seqfit/training/loss, and no lone chart of epochs comes before it
        accelerator="cpu",
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(module)
    return Path(logger.log_dir)
