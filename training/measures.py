"""Measures of the training's own data: boxes of square pictures, and maps' mass along the border. NumPy only.

All others are the package's: `attnviz.reduce.ranking` and `attnviz.measure`.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Flags = NDArray[np.bool_]


def cells_inside(box: tuple[int, int, int, int], picture: int, cells: int) -> Flags:
    """Cells whose centre lies in a box.

    Args:
        box: left, top, right, bottom in pixels, both ends inside.
        picture: Side of the square picture in pixels.
        cells: Side of the grid.

    Returns:
        bool (cells, cells).
    """
    left, top, right, bottom = box
    centre = (np.arange(cells) + 0.5) * picture / cells
    columns = (centre >= left) & (centre < right + 1)
    rows = (centre >= top) & (centre < bottom + 1)
    return rows[:, None] & columns[None, :]


def border_share(values: Floats) -> float:
    """Share of a map's mass above its minimum that lies in the outermost ring of cells.

    Args:
        values: (..., h, w); the minimum is taken per map.

    Returns:
        Mean over maps, in [0, 1]; compare with `border_area`. A flat map counts as its area.
    """
    mass = values - values.min(axis=(-2, -1), keepdims=True)
    total = mass.sum(axis=(-2, -1))
    inner = mass[..., 1:-1, 1:-1].sum(axis=(-2, -1))
    flat = border_area(*values.shape[-2:])
    return float(np.where(total > 0, 1 - inner / np.where(total > 0, total, 1), flat).mean())


def border_area(height: int, width: int) -> float:
    """Share of the cells that lie in the outermost ring."""
    return 1 - max(0, height - 2) * max(0, width - 2) / (height * width)
