"""
A diagnostic of your own
========================

What you know of your problem can be watched beside ours. Here a symmetry: :math:`\\sin(26 \\pi x)` changes its sign
when it is turned about the middle of [0, 1]. Does a network that is not told so find it, and when?
"""

# sphinx_gallery_thumbnail_number = 1
import tempfile

import lightning as L
import numpy as np

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.demos import TanhRegression, sine
from lightning_seqfit.diagnostics import Diagnostic, Reading


class Oddness(Diagnostic):
    """Share of the prediction's mean square that changes its sign about the middle of the domain."""

    name = "oddness"

    def look(self, observation, scale, step):
        turned = observation.prediction[::-1]  # the points of the grid lie evenly about the middle
        odd = (observation.prediction - turned) / 2
        return Reading({"oddness/share": np.mean(odd**2) / np.mean(observation.prediction**2)})


# %%
# That is all of it. It is passed with ``also=``; its number is logged, monitored and recorded like ours.
L.seed_everything(3, verbose=False)
watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], sine), also=[Oddness()])
options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
quiet = {"enable_progress_bar": False, "enable_model_summary": False}
folder = tempfile.mkdtemp()
L.Trainer(max_steps=5_000, callbacks=[watcher], default_root_dir=folder, **options, **quiet).fit(TanhRegression())

run = load(folder)
for at in (0, run.steps.searchsorted(2_000), -1):
    print(f"step {run.steps[at]:5,}: fitted {run.front.fitted[at]:4.0%}, odd {run.scalars['oddness/share'][at]:4.0%}")
_ = run.to_frame()[["front/fitted", "oddness/share"]].plot(xlabel="optimizer step", ylabel="share", grid=True)

# %%
# A line through the middle is odd too: long before anything is fitted the share is near 1 now and then. So it says
# something beside ``front/fitted`` only, and no training should be stopped by it alone. It falls while the target comes
# in: the two fronts do not keep step. Once they have met the symmetry is as good as exact, though nobody told the
# network of it.
#
# Monitors have it as ``seqfit/oddness/share``. What else a diagnostic may have, such as the units of a layer, arrays
# and a state of its own: :doc:`/howto/own-diagnostic`.
share = run.scalars["oddness/share"]
assert share[run.front.fitted == 0].max() > 0.9
assert share[(run.front.fitted > 0.05) & (run.front.fitted < 0.8)].min() < 0.9
assert share[-1] > 0.95
