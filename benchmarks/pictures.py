"""The pictures of docs/explain/measures.md and of the callbacks' docstrings, each of a training made here.

    python benchmarks/pictures.py [docs/pictures] [--only callback_front measure_noise]

Half a dozen trainings, a minute in all.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
import warnings
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from PIL import Image

from lightning_seqfit import Probe, Run, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import (
    FunctionRegression,
    Regression,
    TanhRegression,
    cosine,
    multi_scale,
    sine,
)
from lightning_seqfit.figures import as_image, draw_view
from lightning_seqfit.networks import SIREN
from lightning_seqfit.views import View, charts, pictures

LINE = [(0.0, 1.0)]
SQUARE = [(-1.0, 1.0)] * 2
#: As many colours as are seen in a picture.
COLOURS = 96


def train(module: L.LightningModule, probes: list[Probe], steps: int) -> Path:
    """Train a module that probes watch, and return the folder of the records."""
    folder = tempfile.mkdtemp()
    L.Trainer(
        max_steps=steps,
        callbacks=[SequentialFitting(probe) for probe in probes],
        default_root_dir=folder,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module)
    return Path(folder)


def seeded(make: Callable[[], L.LightningModule], seed: int = 3) -> L.LightningModule:
    L.seed_everything(seed, verbose=False)
    return make()


@cache
def sines() -> Path:
    """sin(26 pi x), by a probe that knows it and by one that does not."""
    return train(seeded(TanhRegression), [Probe.grid(LINE, sine), Probe.grid(LINE, None, name="blind")], 5_000)


@cache
def cosines() -> Run:
    return load(train(seeded(partial(TanhRegression, cosine)), [Probe.grid(LINE, cosine)], 8_000))


@cache
def scales() -> Run:
    return load(train(seeded(partial(TanhRegression, multi_scale)), [Probe.grid(LINE, multi_scale)], 3_000))


@cache
def noisy() -> Run:
    """Six oscillations with noise of 0.4, given as values at 200 places; the SIREN goes on to fit the noise."""
    places = np.linspace(0.0, 1.0, 200)
    values = np.sin(12 * np.pi * places) + 0.4 * np.random.default_rng(0).standard_normal(200)
    module = seeded(lambda: Regression(SIREN(omega_0=12.0), places, values, learning_rate=1e-3))
    return load(train(module, [Probe.points(places, values)], 600))


@cache
def disc() -> Run:
    """Six oscillations along x, watched on a disc."""

    def wave(points: torch.Tensor) -> torch.Tensor:
        return torch.sin(6 * torch.pi * points[:, 0])

    module = seeded(partial(FunctionRegression, wave, SQUARE, training_points=40))
    probe = Probe.grid(SQUARE, wave, inside=lambda p: (p**2).sum(1) < 1)
    return load(train(module, [probe], 3_000))


def chart(run: Run, name: str) -> View:
    return next(view for view in charts(run) if view.name == name)


def of_sine(name: str) -> View:
    return pictures(load(sines(), "probe"))[name]


#: What is drawn, by the name of its file.
PICTURES: dict[str, Callable[[], View]] = {
    "callback_fit": lambda: of_sine("2_fit"),
    "callback_front": lambda: of_sine("1_front"),
    "callback_oscillations": lambda: chart(load(sines(), "probe"), "oscillations"),
    "callback_spectrum": lambda: pictures(scales())["4_spectrum"],
    "callback_basis": lambda: of_sine("5_basis"),
    "callback_stall": lambda: chart(load(sines(), "probe"), "progress"),
    "measure_arrival": lambda: of_sine("3_arrival"),
    "measure_one_side": lambda: pictures(cosines())["1_front"],
    "measure_rank": lambda: of_sine("6_rank"),
    "measure_noise": lambda: pictures(noisy())["2_fit"],
    "measure_change": lambda: pictures(load(sines(), "blind"))["7_change"],
    "measure_disc": lambda: pictures(disc())["1_front"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs/pictures"))
    parser.add_argument("--only", nargs="+", choices=PICTURES, default=[*PICTURES])
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", ".*treespec.*", FutureWarning)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    for name in options.only:
        view: Any = PICTURES[name]()
        file = options.folder / f"{name}.png"
        picture: Any = Image.fromarray(as_image(draw_view(view)))
        picture.quantize(COLOURS).save(file, optimize=True)
        print(f"{file}: {file.stat().st_size / 1e3:.0f} kB. {view.reading}", flush=True)


if __name__ == "__main__":
    main()
