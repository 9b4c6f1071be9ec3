"""
A sine, fitted from its ends
============================

A tanh network fits :math:`\\sin(26 \\pi x)` one oscillation after another, from both ends inwards. The cosine beside it
has the same Fourier spectrum. Is it fitted in the same order?
"""

# sphinx_gallery_thumbnail_number = 1
import tempfile

import lightning as L

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import TanhRegression, cosine, sine, spectral_similarity


def train(target):
    """Train for 5,000 steps, watched at 512 places of [0, 1], and return the record."""
    L.seed_everything(3, verbose=False)
    watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], target))
    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    trainer = L.Trainer(max_steps=5_000, callbacks=[watcher], default_root_dir=tempfile.mkdtemp(), **options, **quiet)
    trainer.fit(TanhRegression(target))
    return load(trainer.default_root_dir)


run = train(sine)
print(run.summary())

# %%
# Where the picture is yellow nothing is learned yet, where it is dark the target is fitted. The dark part grows from
# both ends: two fronts, which meet.
_ = run.front.plot()

# %%
# The numbers behind it. A *sequentiality* near 1 says that places are fitted one after another and not all at once; an
# *inwardness* of 1 from an end, that the places next to that end come first and the far ones last.
for face in run.faces:
    print(f"from {face}: inwardness {run.front.inwardness[face][-1]:+.2f}")
print(f"sequentiality {run.front.sequentiality[-1]:.2f}")
assert run.front.sequentiality[-1] > 0.5
assert min(values[-1] for values in run.front.inwardness.values()) > 0.3

# %%
# The cosine
# ----------
# Every frequency is as strong in it as in the sine. The difference is at the ends, where the sine is 0 and the cosine
# at its largest.
print(f"similarity of the two spectra: {spectral_similarity(sine, cosine):.3f}")
other = train(cosine)
for face in other.faces:
    print(f"from {face}: inwardness {other.front.inwardness[face][-1]:+.2f}")
_ = other.front.plot()

# %%
# One front that crosses the domain, from one side to the other. A spectrum does not tell what order a fit takes, nor
# how long it lasts; what the target does at its boundary has a say. That is what :doc:`the article </explain/article>`
# is about.
first, second = (other.front.inwardness[face][-1] for face in other.faces)
assert abs(first - second) > 1.0
