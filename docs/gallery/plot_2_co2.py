"""
R² of 0.98, and not one cycle
=============================

The CO2 record of Mauna Loa is a trend with 44 yearly cycles on top. A tanh network explains 98 % of its variance. By
the loss it is nearly done; of the cycles it has none.
"""

# sphinx_gallery_thumbnail_number = 1
import tempfile

import lightning as L
import numpy as np

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import SIRENCO2, TanhCO2, co2_monthly
from lightning_seqfit.figures.notebook import plot_view
from lightning_seqfit.views import pictures

years, ppm = co2_monthly()


def train(kind, steps):
    """Train on the monthly record, watched at the months themselves, and return the record of the fit."""
    L.seed_everything(0, verbose=False)
    probe = Probe.points(years, ppm, axes=["year"], quantity="CO2 (ppm)")
    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    folder = tempfile.mkdtemp()
    trainer = L.Trainer(
        max_steps=steps, callbacks=[SequentialFitting(probe)], default_root_dir=folder, **options, **quiet
    )
    trainer.fit(kind())
    return load(folder)


def show(run):
    """Print what the loss would say, and what the callback says."""
    print(f"R^2 {1 - np.mean((run.prediction[-1] - run.target) ** 2) / np.var(run.target):.3f}")
    print(f"{run.oscillations.fitted[-1]:g} of {run.oscillations.target[-1]:g} cycles")
    print(f"relative error {run.scalars['error/relative_rmse'][-1]:.2f}, against what oscillates")


tanh = train(TanhCO2, 2_000)
show(tanh)
_ = plot_view(pictures(tanh)["2_fit"])
assert tanh.oscillations.fitted[-1] == 0

# %%
# The spectrum of the residual says what is missing: frequencies are counted in cycles over the whole record, so the
# yearly cycle is at 44 and its overtone at 88. Two bright lines, which never fade.
_ = tanh.spectrum.plot()
assert tanh.spectrum.relative_error["32-64"][-1] > 0.95

# %%
# And the basis says why. These are the functions that the last hidden layer offers to the read-out: broad steps,
# nothing that goes up and down every year.
_ = tanh.basis.plot()

# %%
# A SIREN
# -------
# Sines as activations. It has the cycles after a few hundred steps, a fraction of what the tanh network was given.
siren = train(SIRENCO2, 600)
show(siren)
_ = plot_view(pictures(siren)["2_fit"])
assert siren.oscillations.fitted[-1] > 40
