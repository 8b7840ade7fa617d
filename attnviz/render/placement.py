"""Puts a map's cells where they belong on the photo, at the size it is drawn."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attnviz.inputs.geometry import Geometry

Interpolation = Literal["nearest", "bilinear"]


def place(
    values: NDArray[np.float32], geometry: Geometry, size: tuple[int, int], interpolation: Interpolation = "nearest"
) -> NDArray[np.float32]:
    """Sample a map at the centre of every pixel of a picture of the whole photo.

    Args:
        values: float32 (h, w) on the network's grid.
        geometry: Of the photo the map belongs to.
        size: (height, width) of the picture of the photo, in pixels, smaller or larger than the photo.
        interpolation: ``"nearest"``: the cell that the pixel's centre lies in; ``"bilinear"``: between the centres of
            the cells around it, and the outermost cell's value beyond the outermost centres.

    Returns:
        float32 (height, width); NaN where the network did not see the photo.
    """
    left, top, right, bottom = geometry.crop
    rows, row_inside = _positions(size[0], geometry.photo_size[0], (top, bottom), values.shape[0])
    columns, column_inside = _positions(size[1], geometry.photo_size[1], (left, right), values.shape[1])
    if interpolation == "nearest":
        sampled = values[np.ix_(rows.astype(np.intp), columns.astype(np.intp))].astype(np.float32)
    else:
        sampled = _lerp(_lerp(values.astype(np.float64), rows, axis=0), columns, axis=1).astype(np.float32)
    sampled[~row_inside, :] = np.nan
    sampled[:, ~column_inside] = np.nan
    return sampled


def _positions(
    count: int, photo: int, crop: tuple[int, int], cells: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Where the centres of `count` pixels over the photo's side fall, in cells, and which of them are in the crop."""
    # Exact in 64-bit integers: (i + 0.5) * photo / count - start, as a fraction over 2 * count.
    numerator = (2 * np.arange(count, dtype=np.int64) + 1) * photo - 2 * count * crop[0]
    extent = 2 * count * (crop[1] - crop[0])
    inside = (numerator >= 0) & (numerator < extent)
    whole, rest = np.divmod(numerator.clip(0, extent - 1) * cells, extent)
    return whole + rest / extent, inside


def _lerp(values: NDArray[np.float64], positions: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    last = values.shape[axis] - 1
    centred = (positions - 0.5).clip(0.0, last)  # a cell's value belongs to its centre
    lower = centred.astype(np.intp)
    weight = np.expand_dims(centred - lower, 1 - axis)
    low, high = values.take(lower, axis), values.take(np.minimum(lower + 1, last), axis)
    result: NDArray[np.float64] = low + (high - low) * weight
    return result
