"""A map's cells as pixels, each where the network's geometry says it lies."""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError
from attnviz.inputs.cell_places import looked_at
from attnviz.inputs.geometry import Geometry
from attnviz.inputs.receptive_field import ReceptiveField
from attnviz.reduce.maps import FloatArray, checked

Interpolation = Literal["nearest", "bilinear"]
Onto = Literal["photo", "network"]


def upsample(
    values: FloatArray,
    geometry: Geometry,
    size: tuple[int, int] | None = None,
    *,
    how: Interpolation = "nearest",
    onto: Onto = "photo",
    field: ReceptiveField | None = None,
) -> FloatArray:
    """Sample a map at the centre of every pixel of a picture.

    Args:
        values: float32 (rows, columns), finite: the map on the network's grid.
        geometry: Of the photo the map belongs to.
        size: (height, width) of the picture of the whole photo, or of the network image, in pixels, smaller or larger
            than the original; None: the original's own size.
        how: ``"nearest"``: the cell the pixel's centre lies in, as `Geometry.photo_to_cell` says; ``"bilinear"``:
            between the centres of the four cells around it, and the outermost cells' values beyond their centres,
            as PyTorch's ``align_corners=False``. Sampling, not averaging: where `size` is below the grid, cells between
            the pixels' centres are passed over.
        onto: ``"photo"``: NaN where the network did not see the photo; ``"network"``: the pixels the network saw.
        field: What the map's cells see, to draw each around the middle of that; None: cells are even tiles.

    Returns:
        float32 (height, width), in the map's unit; within the range of the map.

    Raises:
        InputError: Not a finite float32 (rows, columns).
        OptionError: An unknown option or an empty size.
    """
    checked(values)
    if how not in get_args(Interpolation):
        raise OptionError(f"expected how to be one of {', '.join(get_args(Interpolation))}, got {how!r}")
    if onto not in get_args(Onto):
        raise OptionError(f"expected onto to be one of {', '.join(get_args(Onto))}, got {onto!r}")
    whole = geometry.photo_size if onto == "photo" else geometry.network_size
    left, top, right, bottom = geometry.crop if onto == "photo" else (0, 0, whole[1], whole[0])
    height, width = size or whole
    if min(height, width) < 1:
        raise OptionError(f"expected a size of at least 1 x 1 pixels, got {width} x {height}")
    rows = _positions(height, whole[0], (top, bottom), values.shape[0])
    columns = _positions(width, whole[1], (left, right), values.shape[1])
    if field is not None:
        rows = looked_at(rows, field.rows, count=values.shape[0], size=geometry.network_size[0])
        columns = looked_at(columns, field.columns, count=values.shape[1], size=geometry.network_size[1])
    if how == "nearest":
        sampled = values[np.ix_(_cells(rows), _cells(columns))]
    else:
        sampled = _between(_between(values.astype(np.float64), rows, axis=0), columns, axis=1).astype(np.float32)
    sampled[np.isnan(rows), :] = np.nan
    sampled[:, np.isnan(columns)] = np.nan
    return sampled


def _positions(count: int, whole: int, seen: tuple[int, int], cells: int) -> NDArray[np.float64]:
    """Where the centres of `count` pixels over a side fall, in cells from the crop's edge; NaN outside of the crop."""
    # In whole numbers, so that a centre on the edge between two cells goes to the later one, as in Geometry:
    # ((i + 0.5) * whole / count - start) * cells / extent, both sides of the fraction times 2 * count.
    start, stop = seen
    numerator = (2 * np.arange(count, dtype=np.int64) + 1) * whole - 2 * count * start
    extent = 2 * count * (stop - start)
    cell, rest = np.divmod(numerator * cells, extent)
    return np.where((numerator >= 0) & (numerator < extent), cell + rest / extent, np.nan)


def _cells(positions: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.nan_to_num(positions).astype(np.intp)


def _between(values: NDArray[np.float64], positions: NDArray[np.float64], *, axis: int) -> NDArray[np.float64]:
    last = values.shape[axis] - 1
    centred = (np.nan_to_num(positions) - 0.5).clip(0.0, last)  # a cell's value belongs to its centre
    lower = centred.astype(np.intp)
    weight = np.expand_dims(centred - lower, 1 - axis)
    low, high = values.take(lower, axis), values.take(np.minimum(lower + 1, last), axis)
    return np.asarray(low * (1.0 - weight) + high * weight)
