"""
An image in colour
==================

A network from a place to a colour: three outputs, watched as one. With ``output="norm"`` an error is the Euclidean
length of the error in red, green and blue.
"""

# sphinx_gallery_thumbnail_number = 1
import tempfile

import lightning as L

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import Regression, portrait
from lightning_seqfit.figures.notebook import plot_view
from lightning_seqfit.networks import SIREN, FourierFeatureMLP, TanhMLP
from lightning_seqfit.views import pictures

colours = portrait()  # (85, 100, 3): Grace Hopper, in the public domain
bounds = [(-0.85, 0.85), (-1.0, 1.0)]
probe = Probe.grid(bounds, colours, resolution=colours.shape[:2], output="norm", quantity="colour")
places = probe.geometry.points


def train(network, learning_rate):
    """Train for 200 steps on all pixels, and return the record."""
    module = Regression(network, places, colours.reshape(-1, 3), learning_rate=learning_rate)
    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    folder = tempfile.mkdtemp()
    trainer = L.Trainer(
        max_steps=200, callbacks=[SequentialFitting(probe)], default_root_dir=folder, **options, **quiet
    )
    trainer.fit(module)
    return load(folder)


L.seed_everything(0, verbose=False)
tanh = train(TanhMLP(in_features=2, width=64, out_features=3), 5e-3)
_ = tanh.front.plot()

# %%
# What is in the middle is how far each place is from its colour, over about a wavelength of what is to be drawn: hardly
# anything is fitted but the sky. Sines as activations, or Fourier features before a tanh network, have more of it after
# as many steps.
siren = train(SIREN(in_features=2, width=64, out_features=3, omega_0=30.0), 1e-3)
fourier = train(FourierFeatureMLP(in_features=2, width=64, out_features=3, scale=2.0), 5e-3)
for name, run in {"tanh": tanh, "SIREN": siren, "Fourier features": fourier}.items():
    error = run.scalars["error/relative_rmse"][-1]
    print(f"{name:<17} fitted {run.front.fitted[-1]:4.0%}   relative error {error:.2f}")
_ = siren.front.plot()
assert siren.front.fitted[-1] > tanh.front.fitted[-1]
assert fourier.front.fitted[-1] > tanh.front.fitted[-1]

# %%
# The outputs one by one, as the SIREN predicts them, with the colours that they make. Lengths are what is compared.
_ = plot_view(pictures(siren)["2_fit"])

# %%
# Which frequencies are missing, band by band: 1 is a band of which nothing is there, 0 one that is fitted.
for band in ("1-2", "2-4", "4-8", "8-16", "16-32"):
    said = [f"{run.spectrum.relative_error[band][-1]:.2f}" for run in (tanh, siren, fourier)]
    print(f"{band:>6} cycles: tanh {said[0]}, SIREN {said[1]}, Fourier features {said[2]}")
