"""The relative error in each frequency band over all batches of an epoch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat
from torchmetrics.utilities.plot import plot_single_or_multi_val
from torchmetrics.utilities.prints import rank_zero_only

from lightning_seqfit.metrics.functional import (
    Rows,
    as_tensors,
    band_errors,
    checked_rows,
    checked_settings,
    kept,
    unknown,
)
from lightning_seqfit.words import warn

# Fewer axes and outputs than these has every batch.
_NO_BATCH = torch.iinfo(torch.int64).max
_ADVICE = "call reset() after each epoch, also after the sanity check"


class FourierBandError(Metric):
    """At which frequencies predictions are wrong: the relative error in each frequency band, over all batches.

    Points may come in any order, in batches of any size and over several processes: :meth:`compute` reads all of them
    together. A pair of a point and its value that comes twice, such as those that a distributed sampler pads with,
    counts once; if it comes again with another prediction, as where a reset was forgotten, there are no errors. It
    keeps 8 bytes for each coordinate, value and prediction.

    What cannot be read at such points, as of too few of them, is absent: :attr:`absent` says why, and so does one
    warning, and another one where it is so at more points.

    Parameters
    ----------
    bands, bounds, inside, noise, scale : as for
        :func:`~lightning_seqfit.metrics.functional.fourier_band_error`.
    kwargs : as every ``torchmetrics.Metric`` takes them, such as ``dist_sync_on_step``.

    Attributes
    ----------
    absent : why the last :meth:`compute` has no errors; empty: it has.

    Raises
    ------
    TypeError, ValueError
        If an argument cannot be used.

    Examples
    --------
    >>> metric = FourierBandError(bands=[1, 8, 64])
    >>> x = (torch.arange(512) + 0.5) / 512
    >>> slow, fast = torch.sin(6 * torch.pi * x), 0.2 * torch.sin(40 * torch.pi * x)
    >>> for batch in torch.randperm(512).split(100):
    ...     metric.update(0.9 * slow[batch], (slow + fast)[batch], x[batch])
    >>> {tag: round(float(error), 3) for tag, error in metric.compute().items() if "relative" in tag}
    {'fourier/relative_error/1-8': 0.1, 'fourier/relative_error/8-64': 1.0}
    """

    is_differentiable = False
    higher_is_better = False
    full_state_update = False

    rows: list[Tensor]
    most: Tensor
    fewest: Tensor

    def __init__(
        self,
        *,
        bands: str | Sequence[int] = "octaves",
        bounds: Sequence[Sequence[float]] | None = None,
        inside: Callable[..., Any] | None = None,
        noise: float | str = "auto",
        scale: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.settings = checked_settings(bands, bounds, inside, noise, scale)
        self.absent = ""
        self._columns = 0, 0  # axes and outputs, once they are known: asking the state would wait for a GPU
        self._coarse = ""  # precision of points
        self._most_refused = -1  # points at which something was absent, at the most
        # flat: a process without points need not know how many columns those of the others have
        self.add_state("rows", [], dist_reduce_fx="cat")
        # axes and outputs of any process
        self.add_state("most", torch.zeros(2, dtype=torch.int64), dist_reduce_fx="max")
        self.add_state("fewest", torch.full((2,), _NO_BATCH), dist_reduce_fx="min")

    def update(self, preds: Tensor, target: Tensor, points: Tensor) -> None:
        """Take a batch.

        Parameters
        ----------
        preds, target, points : as for :func:`~lightning_seqfit.metrics.functional.fourier_band_error`; any number N.

        Raises
        ------
        TypeError, ValueError
            If they are no tensors of real numbers, their shapes do not belong together, or are not those of the batches
            before.
        """
        rows = self._checked(preds, target, points)
        if self._columns != (rows.axes, rows.outputs):
            self._columns = rows.axes, rows.outputs
            self.most, self.fewest = (self.most.new_tensor(self._columns) for _ in range(2))
        self._coarse = rows.coarse or self._coarse
        self.rows.append(rows.values.to(self.device).flatten())

    def forward(self, preds: Tensor, target: Tensor, points: Tensor) -> Any:
        """Take a batch and return its own errors."""
        self._checked(preds, target, points)  # torchmetrics forgets the batches before until it has those errors
        return super().forward(preds, target, points)

    def compute(self) -> dict[str, Tensor]:
        """Return the errors of all points by tag.

        Returns
        -------
        dict of str to Tensor
            As of :func:`~lightning_seqfit.metrics.functional.fourier_band_error`, alike on every process. What is
            absent: of octaves an empty dict, of given bands NaN.
        """
        flat = dim_zero_cat(self.rows) if len(self.rows) else torch.empty(0)
        (axes, outputs), fewest = self.most.tolist(), self.fewest.tolist()
        count = flat.numel() // max(axes + 2 * outputs, 1)
        self.absent, errors = "", unknown(self.settings)
        try:
            if count and [axes, outputs] != fewest:
                raise ValueError(
                    f"points have {fewest[0]} axes and predictions {fewest[1]} outputs in one part, {axes} and "
                    f"{outputs} in another: give all processes, and metrics that are merged, data of the same kind"
                )
            rows = Rows(flat.reshape(count, axes + 2 * outputs), axes, outputs, self._coarse)
            errors = band_errors(rows, self.settings, _ADVICE)
        except Exception as error:  # of data that came in mid-training, also what the user's own code raises
            self.absent = str(error)
        if self.absent and count > self._most_refused:
            self._most_refused = count
            rank_zero_only(warn)(f"{type(self).__name__}: errors by frequency are absent: {self.absent}")
        return as_tensors(errors, self.device)

    def reset(self) -> None:
        """Forget all batches: those that come next may be of other data."""
        super().reset()
        self._columns, self._coarse = (0, 0), ""

    def plot(self, val: Any = None, ax: Any = None) -> Any:
        """Draw errors, as the ``plot`` of every metric does; default: those of now.

        Parameters
        ----------
        val : what :meth:`compute` or ``forward`` has returned, or a list of such.
        ax : Matplotlib's axes to draw in; default: new ones.

        Returns
        -------
        Figure and axes.
        """
        shown = self.compute() if val is None else val
        return plot_single_or_multi_val(shown, ax=ax, higher_is_better=False, name=type(self).__name__, lower_bound=0.0)

    def _checked(self, preds: Tensor, target: Tensor, points: Tensor) -> Rows:
        rows = checked_rows(preds, target, points, self.settings)
        before = self._columns if any(self._columns) else tuple(self.most.tolist())
        if before not in ((0, 0), (rows.axes, rows.outputs)):
            raise ValueError(
                f"points have {rows.axes} axes and predictions {rows.outputs} outputs, those of the batches before "
                f"{before[0]} and {before[1]}: call reset() before other data, or use another metric for them"
            )
        return rows

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        if not len(self.rows):  # torchmetrics would send float32, and the other processes wait for float64
            self.rows = [torch.empty(0, dtype=kept(self.device), device=self.device)]
        super()._sync_dist(*args, **kwargs)
