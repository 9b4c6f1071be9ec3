"""Target functions of the demos: what a network is asked to fit on [0, 1], in the plane on [-1, 1]^2.

Each takes points of shape (N, d) and returns the target's values there, of shape (N,), in the points' dtype and on
their device. Along a line only the first coordinate is used. They are plain module-level functions, so that a YAML file
can name them by their dotted path, such as ``lightning_seqfit.demos.targets.sine``.

References
----------
C. Rowan and F. Murphy-Blanchard, "Sequential Fitting: A Different Perspective on the Spectral Bias of Neural
Networks", Towards Data Science, 2026, for ``sin(26 pi x)``. The domain [0, 1] and the other targets are this
project's own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from lightning_seqfit.demos.data.samples import portrait_pixels

__all__ = [
    "cosine",
    "low_frequency",
    "multi_scale",
    "photograph",
    "plane_wave",
    "product_wave",
    "radial_wave",
    "sine",
    "sine_under_bump",
    "spectral_similarity",
    "tapered_sine",
]


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


def tapered_sine(points: Tensor, share: float = 0.1) -> Tensor:
    """Thirteen oscillations that grow from nothing: ``sin(26 pi x)``, linearly to 0 over a share of each end.

    Parameters
    ----------
    points : Tensor, shape (N, d)
        Where to evaluate, in [0, 1]; x is the first column.
    share : float
        Part of the domain that is tapered at each end, above 0 and at most 0.5.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[0.25 / 13], [6.25 / 13]])
    >>> tapered_sine(x).round(decimals=3), tapered_sine(x, share=0.5).round(decimals=3)
    (tensor([0.1920, 1.0000]), tensor([0.0380, 0.9620]))
    """
    if not 0 < share <= 0.5:
        raise ValueError(f"share={share!r} of each end cannot be tapered: give a number above 0 and at most 0.5")
    x = _first_coordinate(points)
    return sine(points) * (torch.minimum(x, 1 - x) / share).clamp(0, 1)


def sine_under_bump(points: Tensor) -> Tensor:
    """Thirteen oscillations under a smooth bump: ``sin(26 pi x) exp(-((x - 1/2) / 0.25)^6)``.

    Examples
    --------
    >>> import torch
    >>> sine_under_bump(torch.tensor([[0.25 / 13], [6.25 / 13]])).round(decimals=3)
    tensor([0., 1.])
    """
    x = _first_coordinate(points)
    return sine(points) * torch.exp(-(((x - 0.5) / 0.25) ** 6))


def plane_wave(points: Tensor) -> Tensor:
    """A wave along x: ``sin(13 pi x)`` at points (N, 2)."""
    return torch.sin(13 * torch.pi * _first_coordinate(points))


def product_wave(points: Tensor) -> Tensor:
    """A checkerboard of waves: ``sin(5 pi x) sin(5 pi y)`` at points (N, 2)."""
    return torch.sin(5 * torch.pi * points).prod(dim=1)


def radial_wave(points: Tensor) -> Tensor:
    """Rings: ``sin(6 pi r)`` with r the distance from 0, at points (N, 2)."""
    return torch.sin(6 * torch.pi * points.square().sum(dim=1).sqrt())


def photograph(points: Tensor) -> Tensor:
    """Brightness of a photograph, in [-1, 1], on [-1, 1]^2: the portrait of Grace Hopper that comes with Matplotlib.

    The brightness is linear between the midpoints of 64 x 64 blocks of the middle square. x runs to the right and y
    upwards.

    Examples
    --------
    >>> import torch
    >>> bool(photograph(torch.rand(100, 2) * 2 - 1).abs().max() <= 1)
    True
    """
    image = _blocks().to(points)
    grid = torch.stack([points[:, 0], -points[:, 1]], dim=1)[None, None]  # the first row of an image is its top
    options = {"mode": "bilinear", "padding_mode": "border", "align_corners": False}
    values: Tensor = torch.nn.functional.grid_sample(image[None, None], grid, **options)  # type: ignore[arg-type]
    return values[0, 0, 0]


@lru_cache
def _blocks() -> Tensor:
    pixels = portrait_pixels().mean(axis=2) / 127.5 - 1
    square = pixels[44 : 44 + 512]
    return torch.as_tensor(square.reshape(64, 8, 64, 8).mean(axis=(1, 3)))


def spectral_similarity(one: Callable[[Tensor], Tensor], other: Callable[[Tensor], Tensor]) -> float:
    """Cosine similarity of the magnitude spectra of two targets on [0, 1], in [0, 1]; 1: alike but for the phases.

    By the discrete Fourier transform at the midpoints of 1,024 cells, without the mean.

    Examples
    --------
    >>> round(spectral_similarity(sine, cosine), 6), round(spectral_similarity(sine, low_frequency), 6)
    (1.0, 0.0)
    """
    x = ((torch.arange(1024, dtype=torch.float64) + 0.5) / 1024)[:, None]
    a, b = (torch.fft.rfft(target(x)).abs()[1:] for target in (one, other))
    return float(a @ b / (a.norm() * b.norm()))


def _first_coordinate(points: Tensor) -> Tensor:
    if points.ndim != 2 or points.shape[1] == 0:
        raise ValueError(
            f"points of shape {tuple(points.shape)} are not of shape (N, d) with d >= 1: "
            "give one row per point, for points on a line points[:, None]"
        )
    return points[:, 0]
