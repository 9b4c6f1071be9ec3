"""
A PINN that stalls, and its cure
================================

A physics-informed network learns a solution from the residual of its equation alone. This one, a tanh network, does not
get on. Two probes watch it, one of the solution and one of the residual; the callback ends the training once it is
sure, and the diagnosis says what to change.
"""

# sphinx_gallery_thumbnail_number = 1
import tempfile

import lightning as L

from lightning_seqfit import Probe, diagnose, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import Helmholtz, helmholtz_residual
from lightning_seqfit.figures.notebook import plot_view
from lightning_seqfit.networks import SIREN
from lightning_seqfit.views import pictures


def train(module, steps):
    """Train on u'' + 9 u = f with u = sin(12 pi x), until it stalls or the steps are over, and return the record."""
    solution = Probe.grid([(0.0, 1.0)], module.solution, quantity="u")
    residual = Probe.grid([(0.0, 1.0)], 0.0, predict=helmholtz_residual, needs_grad=True, name="residual", scale=1.0)
    stop_on = ["not started", "stuck", "wrong solution"]
    watchers, folder = [SequentialFitting(solution, stop_on=stop_on), SequentialFitting(residual)], tempfile.mkdtemp()
    options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    L.Trainer(max_steps=steps, callbacks=watchers, default_root_dir=folder, **options, **quiet).fit(module)
    return load(folder, "probe")


L.seed_everything(0, verbose=False)
stalled = train(Helmholtz(waves=12, network="tanh"), 8_000)
print(f"ended at step {stalled.steps[-1]:,} of 8,000")
loss, counts = stalled.scalars["training/loss"], stalled.oscillations
print(f"training loss: {loss[1]:.2f} at first, {loss[-1]:.2f} now")
print(f"{counts.fitted[-1]:g} of {counts.target[-1]:g} oscillations")
_ = plot_view(pictures(stalled)["2_fit"])
assert stalled.steps[-1] < 8_000

# %%
# What the diagnosis says
# -----------------------
# ``seqfit diagnose`` prints the same of a record, also from another terminal while a training goes on.
found = diagnose(stalled)
print(f"{found.verdict.value}, since step {found.since:,}")
for evidence in found.evidence:
    print(f"  {evidence.speaks} it: {evidence.says}")
for advice in found.advice:
    print(f"try {advice.do}")
assert found.stalled

# %%
# The cure
# --------
# Advice comes as values too. Here the first is applied: the same equation, another network.
change = found.advice[0].change
print(dict(change))
L.seed_everything(0, verbose=False)
module = Helmholtz(waves=12, learning_rate=change["learning_rate"])
module.network = SIREN(omega_0=change["omega_0"])
cured = train(module, 800)
counts = cured.oscillations
print(f"fitted: {cured.front.fitted[-1]:.0%}, {counts.fitted[-1]:g} of {counts.target[-1]:g} oscillations")
_ = cured.front.plot()

# %%
# Whether advice helps *your* training is found out by ``fork``, which runs it with one change at a time:
# :doc:`/howto/fork`. What every verdict means, and how often its advice ended the stall: :doc:`/stalls/README`.
assert cured.front.fitted[-1] > 0.9
