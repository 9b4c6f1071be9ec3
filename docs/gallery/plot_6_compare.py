"""
Which of these runs was best?
=============================

Four runs in one folder: two widths, two learning rates. A table has how far each came and what differs between how they
were set; a page shows them on one axis.
"""

# sphinx_gallery_thumbnail_number = 1
import contextlib
import tempfile
from pathlib import Path

import lightning as L
import torch

from lightning_seqfit import Probe, load
from lightning_seqfit.callbacks import SequentialFitting
from lightning_seqfit.cli import main as seqfit
from lightning_seqfit.demos import TanhRegression
from lightning_seqfit.figures.notebook import plot_view
from lightning_seqfit.report.comparison import compare
from lightning_seqfit.views.together import together

FOLDER = Path(tempfile.mkdtemp())


def wave(x):
    """Five oscillations on [0, 1]."""
    return torch.sin(10 * torch.pi * x[:, 0])


for width in (16, 64):
    for learning_rate in (1e-3, 1e-2):
        L.seed_everything(0, verbose=False)
        options = {"accelerator": "cpu", "logger": False, "enable_checkpointing": False}
        quiet = {"enable_progress_bar": False, "enable_model_summary": False}
        watcher = SequentialFitting(Probe.grid([(0.0, 1.0)], wave))
        folder = FOLDER / f"width {width}, rate {learning_rate:g}"
        trainer = L.Trainer(max_steps=1_500, callbacks=[watcher], default_root_dir=folder, **options, **quiet)
        trainer.fit(TanhRegression(wave, width=width, learning_rate=learning_rate, training_points=100))

# %%
# On the command line it is ``seqfit compare FOLDER``; this is what that prints. Hyperparameters that a module saves
# with ``save_hyperparameters()`` are in the table where they differ.
seqfit(["compare", str(FOLDER)])

# %%
# In Python the same table has rows and columns, to go on from, and the runs can be drawn together.
runs = {folder.name: load(folder) for folder in sorted(FOLDER.iterdir())}
table = compare(runs)
rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
best = min(rows, key=lambda row: row["relative error"])
print(f"least error: {best['run']}")
_ = plot_view(together(runs)[0])

# %%
# ``seqfit report FOLDER/*`` makes one page of them, with sliders, to look at and to send. Many runs on many machines,
# with Optuna or Ray Tune: :doc:`/howto/sweeps`.
with contextlib.chdir(FOLDER):
    seqfit(["report", *runs, "--output", "page.html"])
