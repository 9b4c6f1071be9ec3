"""What was seen at one look, brought to the host in one transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.probe.read_out import ReadOut

#: Features, weights and outputs of a layer, as :class:`Observation` has them.
Layer = tuple[FloatArray | None, FloatArray | None, int]
UNHEARD: Layer = (None, None, 0)


@dataclass(frozen=True)
class Observation:
    """What was seen at one look, on the host: float64, features and weights in the precision of the module.

    Attributes
    ----------
    prediction : the module's output at the points, shape ``(N,)``; may hold NaN and inf.
    residual : prediction - target, shape ``(N,)``.
    features : input of the read-out layer at the rows asked for, shape ``(rows, width)``; None where none was asked
        for, or several were, which :meth:`at` tells apart, or it cannot be used: the read-out says why.
    weights : the layer's weights for the output that is looked at, shape ``(width,)``; None where it has no such.
    outputs : number of outputs of the layer; 0 where it has no weights.
    notes : what cannot be vouched for, a sentence each: something that the evaluation may have changed for good.
    layers : features, weights and outputs that each read-out heard.
    largest : largest |prediction - target| wherever the module was asked, NaN where one is not finite; None: that of
        ``residual``, which has them all.
    """

    prediction: FloatArray
    residual: FloatArray
    features: FloatArray | None = None
    weights: FloatArray | None = None
    outputs: int = 0
    notes: tuple[str, ...] = ()
    layers: Mapping[ReadOut, Layer] = field(default_factory=dict)
    largest: float | None = None

    def at(self, read_out: ReadOut) -> Observation:
        """Return the same look with features, weights and outputs of a read-out's layer.

        Raises
        ------
        ValueError
            If nothing listened to this read-out.

        Examples
        --------
        >>> import numpy as np
        >>> from lightning_seqfit import Probe
        >>> net = torch.nn.Sequential(torch.nn.Linear(1, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
        >>> first, last = ReadOut("0"), ReadOut("2")
        >>> seen = Probe.grid([(0.0, 1.0)], 0.0).observe(net, np.zeros(512), read_outs=[first, last])
        >>> seen.at(first).features.shape, seen.at(last).features.shape
        ((512, 1), (512, 8))
        """
        if read_out not in self.layers:
            raise ValueError("nothing listened to this read-out: pass it to Probe.observe in read_outs=[...]")
        features, weights, outputs = self.layers[read_out]
        return replace(self, features=features, weights=weights, outputs=outputs)


def on_host(
    prediction: Tensor, heard: Mapping[ReadOut, tuple[Tensor, Tensor] | None], output: int
) -> tuple[FloatArray, dict[ReadOut, Layer]]:
    """Bring a prediction, shape ``(N,)``, and the layers that were heard to the host, from wherever they lie, at once.

    Parameters
    ----------
    prediction : float64 on the host.
    heard : from :meth:`ReadOut.choose`; of the weights those of one output are taken.
    output : which one, where the layer has it; else the first.
    """
    parts = [prediction]
    for features, rows in filter(None, heard.values()):
        parts += [features, rows[output if output < len(rows) else 0 :][:1]]
    widest = _widest(parts)
    flat = torch.cat([part.reshape(-1).to(prediction.device, widest) for part in parts]).cpu().numpy()
    end, layers = len(prediction), dict.fromkeys(heard, UNHEARD)
    for read_out, tensors in heard.items():
        if tensors is not None:
            features, rows = tensors
            own = _widest((prediction, *tensors))  # whatever the others have
            kind: Any = np.float64 if own is torch.float64 else np.float32
            begin, middle = end, end + features.numel()
            end = middle + (features.shape[1] if len(rows) else 0)
            values, weights = (part.astype(kind, copy=False) for part in (flat[begin:middle], flat[middle:end]))
            layers[read_out] = values.reshape(features.shape), weights if len(rows) else None, len(rows)
    return flat[: len(prediction)].astype(np.float64), layers


def _widest(parts: Iterable[Tensor]) -> torch.dtype:
    """The one of float32 and float64 that holds all parts."""
    return torch.float64 if any(part.dtype is torch.float64 for part in parts) else torch.float32
