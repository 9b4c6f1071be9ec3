"""What was seen at one look, brought to the host in one transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_seqfit.geometry import FloatArray
from lightning_seqfit.measures.lengths import lengths
from lightning_seqfit.probe.read_out import ReadOut

#: Features, weights and outputs of a layer, as :class:`Observation` has them.
Layer = tuple[FloatArray | None, FloatArray | None, int]
UNHEARD: Layer = (None, None, 0)


@dataclass(frozen=True)
class Observation:
    """What was seen at one look, on the host: float64, features and weights in the precision of the module.

    Attributes
    ----------
    prediction : the module's output at the points, shape ``(N,)``; may hold NaN and inf. Of several outputs the
        Euclidean length over them, 0 and up.
    residual : prediction - target, shape ``(N,)``; of several outputs its Euclidean length.
    features : input of the read-out layer at the rows asked for, shape ``(rows, width)``; None where none was asked
        for, or several were, which :meth:`at` tells apart, or it cannot be used: the read-out says why.
    weights : the layer's weights for the output that is looked at, shape ``(width,)``; None where it has no such. Of
        several outputs their Euclidean lengths.
    outputs : number of outputs of the layer; 0 where it has no weights.
    notes : what cannot be vouched for, a sentence each: something that the evaluation may have changed for good.
    layers : features, weights and outputs that each read-out heard.
    largest : largest |prediction - target| wherever the module was asked, NaN where one is not finite; None: that of
        ``residual``, which has them all.
    parts : the same of each output where there are several, in their order.
    """

    prediction: FloatArray
    residual: FloatArray
    features: FloatArray | None = None
    weights: FloatArray | None = None
    outputs: int = 0
    notes: tuple[str, ...] = ()
    layers: Mapping[ReadOut, Layer] = field(default_factory=dict)
    largest: float | None = None
    parts: tuple[Observation, ...] = ()

    @property
    def each(self) -> tuple[Observation, ...]:
        """The look at each output; of one alone this one."""
        return self.parts or (self,)

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
        parts = tuple(part.at(read_out) for part in self.parts)
        return replace(self, features=features, weights=weights, outputs=outputs, parts=parts)


def together(parts: Sequence[Observation], largest: float | None = None) -> Observation:
    """Return one look at several outputs: Euclidean lengths, and the parts."""
    first, layers = parts[0], dict[ReadOut, Layer]()
    for read_out, (features, _, outputs) in first.layers.items():
        weights = [part.layers[read_out][1] for part in parts]
        known = [each for each in weights if each is not None]
        layers[read_out] = features, lengths(known) if known else None, outputs
    return Observation(
        lengths([part.prediction for part in parts]),
        lengths([part.residual for part in parts]),
        *(next(iter(layers.values())) if len(layers) == 1 else UNHEARD),
        notes=first.notes,
        layers=layers,
        largest=largest,
        parts=tuple(parts),
    )


def on_host(
    predictions: Tensor, heard: Mapping[ReadOut, tuple[Tensor, Tensor] | None], columns: Sequence[int]
) -> tuple[FloatArray, list[dict[ReadOut, Layer]]]:
    """Bring predictions, shape ``(k, N)``, and the layers that were heard to the host, from wherever they lie, at once.

    Parameters
    ----------
    predictions : float64 on the host, shape ``(k, N)``.
    heard : from :meth:`ReadOut.choose`; of the weights those of each output are taken.
    columns : numbers of the k outputs, where the layer has them; else its first.

    Returns
    -------
    predictions, and for each of the outputs the layers.
    """
    parts = [predictions]
    for features, rows in filter(None, heard.values()):
        parts += [features, *(rows[column if column < len(rows) else 0 :][:1] for column in columns)]
    widest = _widest(parts)
    flat = torch.cat([part.reshape(-1).to(predictions.device, widest) for part in parts]).cpu().numpy()
    end = predictions.numel()
    layers: list[dict[ReadOut, Layer]] = [dict.fromkeys(heard, UNHEARD) for _ in columns]
    for read_out, tensors in heard.items():
        if tensors is not None:
            features, rows = tensors
            own = _widest((predictions, *tensors))  # whatever the others have
            kind: Any = np.float64 if own is torch.float64 else np.float32
            begin, end = end, end + features.numel()
            values = flat[begin:end].astype(kind, copy=False).reshape(features.shape)
            for each in layers:
                begin, end = end, end + (features.shape[1] if len(rows) else 0)
                weights = flat[begin:end].astype(kind, copy=False)
                each[read_out] = values, weights if len(rows) else None, len(rows)
    return flat[: predictions.numel()].astype(np.float64).reshape(predictions.shape), layers


def _widest(parts: Iterable[Tensor]) -> torch.dtype:
    """The one of float32 and float64 that holds all parts."""
    return torch.float64 if any(part.dtype is torch.float64 for part in parts) else torch.float32
