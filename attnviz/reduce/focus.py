"""How concentrated a map is, and whether it is where it should be: one number per map.

Entropy, Gini index and the shares read a map as mass: values of 0 or more, of which only the proportions count. For a
quantity with a floor, such as BAM's effective gain in (1, 2), subtract the floor first: the mass is what is added.
ROC-AUC reads the order of the values alone and takes any quantity.
"""

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import InputError, OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.reduce.maps import FloatArray, checked, checked_mass

Box = tuple[float, float, float, float]


def entropy(values: FloatArray) -> float:
    """Shannon entropy of the mass over the locations: -sum p ln p with p = value / sum (0 ln 0 is 0).

    Args:
        values: float32 (h, w), 0 or more, not all 0.

    Returns:
        In nats, from 0 (all mass at one location) to ln(h * w) (the same everywhere).

    Raises:
        InputError: Not such a map.
    """
    mass = checked_mass(values)
    shares = mass[mass > 0] / mass.sum()
    return max(0.0, float(-(shares * np.log(shares)).sum()))


def gini(values: FloatArray) -> float:
    """Gini index: half the mean absolute difference between two locations, relative to the mean.

    By ranks of the n sorted values: sum of (2 i - n - 1) value_i, i from 1, over n times the sum.

    Args:
        values: float32 (h, w), 0 or more, not all 0.

    Returns:
        Without a unit, from 0 (the same everywhere) to 1 - 1 / (h * w) (all mass at one location).

    Raises:
        InputError: Not such a map.
    """
    mass = np.sort(checked_mass(values), axis=None)
    n = mass.size
    ranks = 2.0 * np.arange(1, n + 1) - n - 1
    return max(0.0, float((ranks * mass).sum() / (n * mass.sum())))


def border_share(values: FloatArray, width: int = 1) -> float:
    """Share of the mass in the frame of outermost locations, where padding leaves its traces.

    An even map has there what the frame has of the area: `border_share` of a map of ones.

    Args:
        values: float32 (h, w), 0 or more, not all 0.
        width: Of the frame, in locations, at least 1; a frame that covers the map has all of its mass.

    Returns:
        A share, from 0 to 1.

    Raises:
        InputError: Not such a map.
        OptionError: The width is under 1.
    """
    if width < 1:
        raise OptionError(f"expected a frame of at least 1 location, got {width}")
    mass = checked_mass(values)
    middle = mass[width:-width, width:-width]
    return float(min(1.0, max(0.0, 1.0 - middle.sum() / mass.sum())))


def mass_in_box(values: FloatArray, geometry: Geometry, box: Box) -> float:
    """Share of the mass inside a box of the photo; a cell that the box cuts counts by the area inside.

    What of the box lies outside of what the network saw has no mass.

    Args:
        values: float32 (h, w), 0 or more, not all 0.
        geometry: Of the photo the map belongs to.
        box: (left, top, right, bottom) in photo pixels.

    Returns:
        A share, from 0 to 1; what chance would give is the box's share of the area the network saw.

    Raises:
        InputError: Not such a map.
        OptionError: The box is not finite or empty.
    """
    _check_box(box)
    mass = checked_mass(values)
    left, top, right, bottom = geometry.crop
    rows = _covered(mass.shape[0], top, bottom, (box[1], box[3]))
    columns = _covered(mass.shape[1], left, right, (box[0], box[2]))
    return float(min(1.0, rows @ mass @ columns / mass.sum()))


def cells_in_box(geometry: Geometry, box: Box, grid: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells have their centre in a box of the photo, for `roc_auc`.

    Args:
        geometry: Of the photo.
        box: (left, top, right, bottom) in photo pixels; left and top belong to it, right and bottom do not.
        grid: (rows, columns).

    Returns:
        bool (rows, columns).

    Raises:
        OptionError: The box is not finite or empty, or the grid is empty.
    """
    _check_box(box)
    if min(grid) < 1:
        raise OptionError(f"expected a grid of at least 1 x 1 cells, got {grid}")
    left, top, right, bottom = geometry.crop
    y = top + (np.arange(grid[0]) + 0.5) * (bottom - top) / grid[0]
    x = left + (np.arange(grid[1]) + 0.5) * (right - left) / grid[1]
    return np.outer((box[1] <= y) & (y < box[3]), (box[0] <= x) & (x < box[2]))


def roc_auc(values: FloatArray, inside: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: how well the values tell the locations inside from those outside.

    The probability that a location drawn from inside has a larger value than one drawn from outside, equal values
    counting half (Mann-Whitney U over the number of pairs), computed from mid-ranks.

    Args:
        values: float32 (h, w), finite, in any unit.
        inside: bool (h, w), with at least one location of each kind.

    Returns:
        Without a unit: 1 where all values inside are larger, 0.5 by chance, 0 where all are smaller.

    Raises:
        InputError: The map is not one, or the mask is not bool of its shape, or has only one kind of location.
    """
    checked(values)
    if not isinstance(inside, np.ndarray) or inside.dtype != np.bool_ or inside.shape != values.shape:
        got = f"{inside.dtype} {inside.shape}" if isinstance(inside, np.ndarray) else type(inside).__name__
        raise InputError(f"expected a mask as a bool array of shape {values.shape}, got {got}")
    positive = int(inside.sum())
    negative = inside.size - positive
    if positive == 0 or negative == 0:
        raise InputError(f"expected locations inside and outside, got {positive} inside and {negative} outside")
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    mid_ranks = np.cumsum(count) - (count - 1) / 2.0
    rank_sum = float(mid_ranks[place.reshape(values.shape)][inside].sum())
    return (rank_sum - positive * (positive + 1) / 2.0) / (positive * negative)


def _covered(count: int, start: int, stop: int, span: tuple[float, float]) -> NDArray[np.float64]:
    """How much of each of `count` even intervals over [start, stop] lies in the span, in [0, 1]."""
    edges = start + np.arange(count + 1) * ((stop - start) / count)
    overlap = np.minimum(edges[1:], span[1]) - np.maximum(edges[:-1], span[0])
    return np.asarray(overlap / np.diff(edges)).clip(0.0, 1.0)


def _check_box(box: Box) -> None:
    if not all(np.isfinite(box)) or not (box[0] < box[2] and box[1] < box[3]):
        raise OptionError(f"expected a box (left, top, right, bottom) of finite numbers with some area, got {box}")
