"""The relative error of predictions in each frequency band, of tensors that are at hand.

The numbers and their names are those of :class:`~lightning_seqfit.callbacks.FourierResidual` at the same points; what
they mean is in :mod:`lightning_seqfit.measures.spectrum`.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from lightning_seqfit.diagnostics.scene import read_scene
from lightning_seqfit.diagnostics.spectrum import SpectrumDiagnostic
from lightning_seqfit.geometry import BoolArray, FloatArray
from lightning_seqfit.probe import Observation, Probe
from lightning_seqfit.probe.checks import arguments
from lightning_seqfit.probe.checks.echo import shown
from lightning_seqfit.probe.checks.values import Unreadable, plain
from lightning_seqfit.probe.observation import together
from lightning_seqfit.probe.places import points_inside

#: Predictions of one pair differ by rounding, where batches differ in size: by less than this share of themselves and
#: of their root mean square together; where bfloat16 or float16 holds all of them, by its rounding instead.
ROUNDING = 1e-4


class Settings(NamedTuple):
    """What is asked of the points: see :func:`fourier_band_error`."""

    edges: tuple[int, ...] | None
    bounds: tuple[tuple[float, float], ...] | None
    inside: Callable[..., Any] | None
    noise: float | str
    scale: float | None

    @property
    def labels(self) -> list[str]:
        """Of the bands, where their edges are given."""
        return [f"{low}-{high}" for low, high in itertools.pairwise(self.edges or ())]


class Rows(NamedTuple):
    """Points, values and predictions side by side, shape ``(N, axes + 2 outputs)``.

    coarse : precision of points that holds three digits or fewer, such as ``"bfloat16"``; empty: they have more.
    """

    values: Tensor
    axes: int
    outputs: int
    coarse: str = ""


def fourier_band_error(
    preds: Tensor,
    target: Tensor,
    points: Tensor,
    *,
    bands: str | Sequence[int] = "octaves",
    bounds: Sequence[Sequence[float]] | None = None,
    inside: Callable[..., Any] | None = None,
    noise: float | str = "auto",
    scale: float | None = None,
) -> dict[str, Tensor]:
    """Return the error in each frequency band, relative to what the target has there.

    A pair of a point and its value that is given twice counts once. Different values at one point, as of repeated
    measurements, all count along one axis; along several one of them does, large or small.

    Parameters
    ----------
    preds, target : shape ``(N,)`` or ``(N, 1)``, real; of k outputs ``(N, k)``, whose powers are added up.
    points : where, in any order, shape ``(N, d)``, or along one axis ``(N,)``: d = 1, 2, 3; from 4 along one axis and
        16 along several to 200,000; on a grid or anywhere, with gaps or without.
    bands : ``"octaves"`` 1-2, 2-4, ..., up to the highest frequency that the points have, or edges that rise, whole
        numbers from 1 on, in cycles per length of the domain: ``[1, 5, 13, 64]`` for low, middle and high ones.
    bounds : one ``(low, high)`` per axis around all points; default: half a spacing beyond the outermost ones.
    inside : ``(points (n, d)) -> n truth values``: the domain; points outside are left out. Default: where points are.
    noise : standard deviation of the target's noise; ``"auto"``: estimated.
    scale : mean square root that a share of 1 means, in the target's units; default: that of the target's oscillation,
        where nothing oscillates that of the target. A target of 0 throughout has none.

    Returns
    -------
    dict of str to Tensor
        Without axes, float64, on the device of ``preds``; NaN where ``preds`` are not finite:

        - ``"fourier/relative_error/8-16"``: root mean square of preds - target in the band over that of the target's
          oscillation there. 0: fitted, 1: missing, more than 1: worse than nothing. Only of bands in which the target
          oscillates; with edges of all bands, NaN where it does not.
        - ``"fourier/share/8-16"``: mean square of preds - target in the band over the scale, 0 and up. With edges NaN
          where the points have no frequency in the band.
        - ``"fourier/trend"``: mean square of what is no oscillation, a wrong mean or slope, over the scale.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as above, or the points are too few to tell how the target oscillates, or a pair comes
        again with another prediction; the message says what to do.

    Examples
    --------
    A network that has fitted 3 cycles to a tenth, and not one of 20:

    >>> x = (torch.arange(512, dtype=torch.float64) + 0.5) / 512
    >>> slow, fast = torch.sin(6 * torch.pi * x), 0.2 * torch.sin(40 * torch.pi * x)
    >>> errors = fourier_band_error(0.9 * slow, slow + fast, x)
    >>> {tag: round(float(error), 3) for tag, error in errors.items() if "relative" in tag}
    {'fourier/relative_error/2-4': 0.1, 'fourier/relative_error/16-32': 1.0}
    """
    settings = checked_settings(bands, bounds, inside, noise, scale)
    errors = band_errors(checked_rows(preds, target, points, settings), settings, "give each pair once")
    return as_tensors(errors, preds.device)


def checked_settings(bands: Any, bounds: Any, inside: Any, noise: Any, scale: Any) -> Settings:
    """Return what is asked of the points, or say what of it cannot be used.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as :func:`fourier_band_error` has it.

    Examples
    --------
    >>> checked_settings([1, 5, 13], None, None, "auto", None).labels
    ['1-5', '5-13']
    """
    edges = None
    if not (isinstance(bands, str) and bands == "octaves"):
        wanted = 'give "octaves", or edges that rise, whole numbers from 1 on, such as bands=[1, 5, 13, 64]'
        listed = isinstance(bands, Sequence | np.ndarray | Tensor) and not isinstance(bands, str)
        numbers = [arguments.as_whole(edge) for edge in bands] if listed else []
        edges = tuple(number for number in numbers if number is not None)
        rising = all(low < high for low, high in itertools.pairwise((0, *edges)))
        if len(edges) < len(numbers) or len(edges) < 2 or not rising:
            raise ValueError(f"bands={shown(bands)}: {wanted}; what has no frequency, mean and slope, is fourier/trend")
    arguments.checked_noise(noise)
    return Settings(
        edges,
        None if bounds is None else arguments.checked_bounds(bounds),
        arguments.checked_inside(inside),
        noise,
        arguments.checked_scale(scale),
    )


def checked_rows(preds: Any, target: Any, points: Any, settings: Settings) -> Rows:
    """Put what was given side by side, or say what of it cannot be used.

    Raises
    ------
    TypeError, ValueError
        If something is no tensor of real numbers, or shapes do not belong together.

    Examples
    --------
    >>> x = torch.rand(8, 2)
    >>> rows = checked_rows(x[:, 0], x[:, :1], x, checked_settings("octaves", None, None, "auto", None))
    >>> rows.values.shape, rows.axes, rows.outputs
    (torch.Size([8, 4]), 2, 1)
    """
    columns = []
    for name, given in {"points": points, "target": target, "preds": preds}.items():
        if not isinstance(given, Tensor):
            raise TypeError(f"{name} is {type(given).__name__}: give a tensor")
        try:
            values = plain(given)
        except Unreadable as error:
            raise TypeError(f"{name} {error}: give a tensor of real numbers") from error
        if values.ndim not in (1, 2) or 0 in values.shape[1:]:
            raise ValueError(
                f"{name} has shape {tuple(given.shape)}: give one row a point, shape (N,) or (N, k); of values on a "
                "grid, one for each of its points, flatten(0, -2) or flatten() makes that"
            )
        columns.append(values if values.ndim == 2 else values[:, None])
    where, there, said = columns
    if there.shape != said.shape or len(where) != len(there):
        raise ValueError(
            f"preds of shape {tuple(preds.shape)}, target of shape {tuple(target.shape)} and points of shape "
            f"{tuple(points.shape)} do not belong together: give one row of each for every point"
        )
    if settings.bounds is not None and where.shape[1] != len(settings.bounds):
        raise ValueError(
            f"points have {where.shape[1]} axes, and bounds={list(settings.bounds)} {len(settings.bounds)}: give one "
            "(low, high) for each"
        )
    values = torch.cat([each.to(said.device, kept(said.device)) for each in columns], dim=1)
    coarse = points.dtype.is_floating_point and torch.finfo(points.dtype).eps > ROUNDING
    return Rows(values, where.shape[1], there.shape[1], str(points.dtype).removeprefix("torch.") if coarse else "")


@np.errstate(all="ignore")
def band_errors(rows: Rows, settings: Settings, advice: str) -> dict[str, float]:
    """Return the errors by tag; ``advice`` is what to do where pairs came again with other predictions.

    Raises
    ------
    ValueError, TypeError, RuntimeError
        Why nothing can be read at such points.
    """
    if not len(rows.values):
        raise ValueError("no points were given: give at least 4 along one axis, 16 along several")
    points, target, preds = _once(rows, advice)
    if settings.inside is not None:
        mask = points_inside(settings.inside, points)
        points, target, preds = points[mask], target[mask], preds[mask]
    probe = Probe.points(
        points,
        target,
        bounds=settings.bounds,
        inside=settings.inside,
        output=0 if rows.outputs == 1 else "norm",
        noise=settings.noise,
        scale=settings.scale,
    )
    scene = read_scene(probe, _IN_FLOAT64)
    diagnostic = SpectrumDiagnostic(tolerance=0.5, edges=settings.edges)  # the tolerance decides nothing here
    why = diagnostic.unable(scene)
    if why:
        raise ValueError(why)
    if scene.scale.of == "first look":
        raise ValueError("the target is 0 throughout, which has no size: give scale=, the error that counts as 1")
    diagnostic.begin(scene)
    seen = [
        Observation(laid, laid - part.target)
        for laid, part in zip((probe.geometry.lay(column.copy()) for column in preds.T), scene.each, strict=True)
    ]
    look = together(seen) if scene.parts else seen[0]
    scalars = diagnostic.look(look, scene.scale.mean_square, 0).scalars
    if settings.edges is None:
        return {tag: scalars[tag] for tag in (*diagnostic.error_tags, *diagnostic.share_tags, "fourier/trend")}
    highest = float(diagnostic.target.frequency.max())
    errors = {tag: scalars.get(tag, value) for tag, value in unknown(settings).items()}
    beyond = [label for label, low in zip(settings.labels, settings.edges, strict=False) if low > highest]
    return errors | {f"fourier/share/{label}": math.nan for label in beyond}


def unknown(settings: Settings) -> dict[str, float]:
    """Return NaN by tag where the bands are given, and nothing where the points tell them."""
    kinds = ("relative_error", "share")
    tags = [f"fourier/{kind}/{label}" for kind in kinds for label in settings.labels]
    return dict.fromkeys([*tags, "fourier/trend"] if tags else [], math.nan)


def kept(device: torch.device) -> torch.dtype:
    """Precision of numbers on a device: Apple's GPUs have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64


def as_tensors(errors: dict[str, float], device: torch.device) -> dict[str, Tensor]:
    """Return numbers as tensors without axes."""
    return {tag: torch.tensor(error, dtype=kept(device), device=device) for tag, error in errors.items()}


def _once(rows: Rows, advice: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points, values and predictions in one order, however they came, and each pair of point and value once.

    Pairs at one point are in an order that their values have no say in: a geometry may take the last one.

    Raises
    ------
    ValueError
        If a pair has predictions that differ by more than rounding.
    """
    values = rows.values.cpu().to(torch.float64).numpy() + 0.0  # -0.0 is 0.0
    values = values[np.lexsort(values.T[::-1])]
    pair = rows.axes + rows.outputs
    first = _differs(values[:, :pair])
    once = values[first]
    said = values[:, pair:]
    other = ~np.all(_close(said, once[np.cumsum(first) - 1, pair:]), axis=1)
    if np.any(other):
        coincide = f"points coincide in {rows.coarse}, give them in float32 or float64, or "
        raise ValueError(
            f"{np.count_nonzero(other)} pairs of a point and its value came again with other predictions: "
            f"{coincide if rows.coarse else ''}{advice}"
        )
    place = np.cumsum(_differs(once[:, : rows.axes]))
    repeated = np.flatnonzero(np.bincount(place)[place] > 1)
    digests = [hashlib.blake2b(once[row, :pair].tobytes(), digest_size=8).digest() for row in repeated]
    turn = np.zeros(len(once), dtype=np.uint64)
    turn[repeated] = np.frombuffer(b"".join(digests), dtype=np.uint64)
    points, target, preds = np.split(once[np.lexsort((turn, place))], [rows.axes, pair], axis=1)
    return points, target, preds


def _differs(ordered: FloatArray) -> BoolArray:
    """Whether each row is another one than that before it, shape ``(N,)``."""
    return np.append(True, np.any(ordered[1:] != ordered[:-1], axis=1))


def _close(preds: FloatArray, others: FloatArray) -> BoolArray:
    """Whether predictions are others but for rounding: those that are not finite only where both are."""
    finite = np.where(np.isfinite(preds), preds, 0.0)
    known = torch.from_numpy(finite)
    held = [dtype for dtype in (torch.bfloat16, torch.float16) if torch.equal(known.to(dtype).to(known), known)]
    share = max([ROUNDING, *(torch.finfo(dtype).eps for dtype in held)])
    size = np.sqrt(np.mean(finite**2, axis=0))
    return np.isclose(preds, others, rtol=share, atol=share * size, equal_nan=True)


# Whose precision the points are read in: as they are.
_IN_FLOAT64 = nn.Module()
_IN_FLOAT64.register_buffer("precision", torch.zeros(1, dtype=torch.float64))
