"""Target functions of the demos: what a network is asked to fit on [0, 1].

Each takes points of shape (N, d) and returns the target's values there, of shape (N,), in the points' dtype and on
their device. Only the first coordinate is used. They are plain module-level functions, so that a YAML file can name
them by their dotted path, such as ``lightning_seqfit.demos.targets.sine``.

References
----------
C. Rowan and F. Murphy-Blanchard, "Sequential Fitting: A Different Perspective on the Spectral Bias of Neural
Networks", Towards Data Science, 2026, for ``sin(26 pi x)``. The domain [0, 1] and the other targets are this
project's own.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["cosine", "low_frequency", "multi_scale", "sine"]


def sine(points: Tensor) -> Tensor:
    """Thirteen oscillations that are zero at both ends: ``sin(26 pi x)``.

    Parameters
    ----------
    points : Tensor, shape (N, d)
        Where to evaluate; x is the first column.

    Returns
    -------
    Tensor, shape (N,)
        The target's values, in [-1, 1].

    Examples
    --------
    >>> import torch
    >>> sine(torch.tensor([[0.25 / 13], [0.75 / 13]])).round(decimals=3)
    tensor([ 1., -1.])
    """
    return torch.sin(26 * torch.pi * _first_coordinate(points))


def cosine(points: Tensor) -> Tensor:
    """Thirteen oscillations that are one at both ends: ``cos(26 pi x)``.

    The spectrum is that of :func:`sine`; only the behaviour at the boundary differs.

    Parameters
    ----------
    points : Tensor, shape (N, d)
        Where to evaluate; x is the first column.

    Returns
    -------
    Tensor, shape (N,)
        The target's values, in [-1, 1].

    Examples
    --------
    >>> import torch
    >>> cosine(torch.tensor([[0.0], [0.5 / 13]])).round(decimals=3)
    tensor([ 1., -1.])
    """
    return torch.cos(26 * torch.pi * _first_coordinate(points))


def low_frequency(points: Tensor) -> Tensor:
    """One oscillation, which a tanh network fits everywhere at once: ``sin(2 pi x)``.

    Parameters
    ----------
    points : Tensor, shape (N, d)
        Where to evaluate; x is the first column.

    Returns
    -------
    Tensor, shape (N,)
        The target's values, in [-1, 1].

    Examples
    --------
    >>> import torch
    >>> low_frequency(torch.tensor([[0.25], [0.75]])).round(decimals=3)
    tensor([ 1., -1.])
    """
    return torch.sin(2 * torch.pi * _first_coordinate(points))


def multi_scale(points: Tensor) -> Tensor:
    """Four frequencies an octave apart: ``sum of cos(2 pi f x) / sqrt(f) over f = 1, 2, 4, 8``.

    The power of a frequency falls as 1 / f, so each of four octave bands holds an eighth of the strongest one's power
    or more, and the order in which the bands are fitted can be seen. They are cosines, since a line is no part of them.
    Frequencies and amplitudes are this project's own.

    Parameters
    ----------
    points : Tensor, shape (N, d)
        Where to evaluate; x is the first column.

    Returns
    -------
    Tensor, shape (N,)
        The target's values; their variance over [0, 1] is 15 / 16.

    Examples
    --------
    >>> import torch
    >>> multi_scale(torch.tensor([[0.0], [1.0]])).round(decimals=3)
    tensor([2.5610, 2.5610])
    """
    x = _first_coordinate(points)
    total = torch.zeros_like(x)
    for frequency in (1, 2, 4, 8):
        total = total + torch.cos(2 * torch.pi * frequency * x) / frequency**0.5
    return total


def _first_coordinate(points: Tensor) -> Tensor:
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(
            f"points of shape {tuple(points.shape)} are not of shape (N, d) with d >= 1: "
            "give one row per point, for points on a line points[:, None]"
        )
    return points[:, 0]
