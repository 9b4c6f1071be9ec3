"""Data in the plane that come with Matplotlib: the elevation of a piece of land, and a photograph in colour.

Nothing is downloaded. The land lies around the Jacksboro fault in Tennessee, and has a pixel every three seconds of
arc; the photograph is the Navy's portrait of Grace Hopper, a work of the United States' government and so in the public
domain.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["elevation", "portrait", "portrait_pixels"]

_KM_PER_DEGREE = 111.2  # of latitude; of longitude times the cosine of the latitude


def elevation(count: int = 8_000, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the elevation at random places, even over the map, bilinear between the pixels.

    Parameters
    ----------
    count : number of places.
    seed : of the places.

    Returns
    -------
    points : ndarray, shape (count, 2)
        Kilometres to the east and to the north of the south-west corner, up to 30.0 and 31.8.
    metres : ndarray, shape (count,)
        Elevation, from 236 to 1,076.

    Raises
    ------
    FileNotFoundError
        If Matplotlib was installed without its sample data.

    Examples
    --------
    >>> points, metres = elevation()
    >>> points.shape, round(float(metres.mean()))
    ((8000, 2), 529)
    """
    from scipy.ndimage import map_coordinates

    with np.load(_sample("jacksboro_fault_dem.npz")) as file:
        pixels = file["elevation"][::-1].T.astype(np.float64)  # the first row of the file is the north
        degrees = np.array([file["dx"], file["dy"]])
        latitude = float(file["ymax"]) - degrees[1] * pixels.shape[1] / 2  # its ymin lies to the north of its ymax
    places = np.random.default_rng(seed).random((count, 2)) * (np.array(pixels.shape) - 1)
    metres = map_coordinates(pixels, places.T, order=1)
    return places * degrees * _KM_PER_DEGREE * [np.cos(np.radians(latitude)), 1.0], metres


def portrait() -> NDArray[np.float64]:
    """Read the photograph as means over blocks of 6 x 6 pixels: red, green and blue.

    Returns
    -------
    ndarray, shape (85, 100, 3)
        In [0, 1]; the first index runs to the right, the second upwards.

    Raises
    ------
    FileNotFoundError
        As for :func:`elevation`.

    Examples
    --------
    >>> portrait().shape
    (85, 100, 3)
    """
    blocks: NDArray[np.float64] = portrait_pixels()[:, 1:511].reshape(100, 6, 85, 6, 3).mean(axis=(1, 3))
    return blocks[::-1].transpose(1, 0, 2) / 255


def portrait_pixels() -> NDArray[np.float64]:
    """Read the photograph as it is, shape (600, 512, 3), from 0 to 255, the first row at the top."""
    from matplotlib.image import imread

    return np.asarray(imread(_sample("grace_hopper.jpg")), dtype=np.float64)


def _sample(name: str) -> Path:
    from matplotlib.cbook import get_sample_data

    path = Path(str(get_sample_data(name, asfileobj=False)))
    if not path.is_file():
        raise FileNotFoundError(
            f"Matplotlib's sample data are not installed: there is no {path}. Some distributions leave them out; "
            "the wheel has them: pip install --force-reinstall --no-deps matplotlib"
        )
    return path
