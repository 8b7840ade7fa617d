"""Where the cells of a map are drawn: as even tiles, or around the middle of what each of them sees.

`Geometry` tiles the network image evenly, which says which cell is drawn where and no more. A strided convolution with
padding looks half a stride further up and left: cell 0 of a ResNet's stage has its middle on pixel 0, at every stride.
Drawn where they look, cells are as wide as their stride, each around its own middle; the outermost reach to the edge.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attnviz.inputs.geometry import Geometry
from attnviz.inputs.receptive_field import Reach, ReceptiveField

CellPlaces = Literal["tiles", "centers"]


def looked_at(positions: NDArray[np.float64], reach: Reach, *, count: int, size: int) -> NDArray[np.float64]:
    """Places among even tiles as places among cells that are drawn where they look.

    Args:
        positions: In cells from the edge of the network image: tile i lies from i to i + 1. NaN stays.
        reach: Of the cells along this axis.
        count: Cells along this axis.
        size: Of the network image along this axis, pixels.

    Returns:
        The same, where cell i, drawn around its middle, lies from i to i + 1; within [0, count).
    """
    pixels = positions * size / count
    places = (pixels - reach.center) / float(reach.stride) + 0.5
    return np.clip(places, 0.0, np.nextafter(count, 0.0))


def cell_box(
    geometry: Geometry, row: int, column: int, grid: tuple[int, int], field: ReceptiveField | None
) -> tuple[float, float, float, float]:
    """The part of the photo that a cell is drawn on.

    Args:
        geometry: Of the photo.
        row: Of the cell, from 0.
        column: Of the cell, from 0.
        grid: (rows, columns) of the map.
        field: What its cells see; None: they are even tiles.

    Returns:
        (left, top, right, bottom) in photo pixels.

    Raises:
        OptionError: The cell is not one of the grid.
    """
    tile = geometry.cell_to_photo_box(row, column, grid)
    if field is None:
        return tile
    height, width = geometry.network_size
    top, bottom = _ends(field.rows, row, grid[0], height)
    left, right = _ends(field.columns, column, grid[1], width)
    return (*geometry.network_to_photo(left, top), *geometry.network_to_photo(right, bottom))


def _ends(reach: Reach, cell: int, count: int, size: int) -> tuple[float, float]:
    middle, half = reach.center + cell * float(reach.stride), float(reach.stride) / 2
    start = 0.0 if cell == 0 else middle - half
    stop = float(size) if cell == count - 1 else middle + half
    return min(max(start, 0.0), float(size)), min(max(stop, 0.0), float(size))
