"""How concentrated a map is, and whether it is where it should be: one number per map.

Entropy, Gini index and the shares read a map as mass: values of 0 or more, of which only the proportions count. For a
quantity with a floor, such as BAM's effective gain in (1, 2), subtract the floor first: the mass is what is added.
ROC-AUC reads the order of the values alone and takes any quantity.
"""

import math

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import InputError, OptionError
from attnviz.inputs.geometry import Geometry
from attnviz.reduce import ranking
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


def normalised_entropy(values: FloatArray) -> float:
    """`entropy` over its largest possible value, ln(h * w).

    Args:
        values: float32 (h, w), 0 or more, not all 0.

    Returns:
        Without a unit, from 0 (all mass at one location) to 1 (the same everywhere); 1 for a map of one location.

    Raises:
        InputError: Not such a map.
    """
    most = math.log(values.size) if checked_mass(values).size > 1 else 0.0
    return min(1.0, entropy(values) / most) if most else 1.0


def half_mass_area(values: FloatArray) -> float:
    """Smallest share of the area that holds half of the mass; of the last location taken, the part that is needed.

    Args:
        values: float32 (h, w), 0 or more, not all 0.

    Returns:
        A share of the area, over 0 (all mass at one location: half of that location) to 0.5 (the same everywhere).

    Raises:
        InputError: Not such a map.
    """
    mass = np.sort(checked_mass(values), axis=None)[::-1]
    held = np.concatenate([[0.0], np.cumsum(mass)]) / mass.sum()
    return min(0.5, float(np.interp(0.5, held, np.arange(mass.size + 1))) / mass.size)


def centroid(values: FloatArray) -> tuple[float, float]:
    """Where the mass balances: the mean of the locations' centres, weighted by their mass.

    Args:
        values: float32 (h, w), 0 or more, not all 0.

    Returns:
        (x, y) as shares of the map's width and height, each in (0, 1); (0.5, 0.5) for an even map.

    Raises:
        InputError: Not such a map.
    """
    mass = checked_mass(values)
    height, width = mass.shape
    y = float(mass.sum(axis=1) @ (np.arange(height) + 0.5)) / height / float(mass.sum())
    x = float(mass.sum(axis=0) @ (np.arange(width) + 0.5)) / width / float(mass.sum())
    return x, y


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
    mass = checked_mass(values)
    return mass_in_mask(values, cover_of_box(geometry, box, (mass.shape[0], mass.shape[1])))


def cover_of_box(geometry: Geometry, box: Box, grid: tuple[int, int]) -> NDArray[np.float64]:
    """How much of each cell a box of the photo covers.

    Args:
        geometry: Of the photo.
        box: (left, top, right, bottom) in photo pixels.
        grid: (rows, columns).

    Returns:
        float64 (rows, columns) in [0, 1].

    Raises:
        OptionError: The box is not finite or empty.
    """
    _check_box(box)
    left, top, right, bottom = geometry.crop
    rows = _covered(grid[0], top, bottom, (box[1], box[3]))
    columns = _covered(grid[1], left, right, (box[0], box[2]))
    return np.outer(rows, columns)


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
    counting half (Mann-Whitney U over the number of pairs); `attnviz.reduce.ranking` without its checks.

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
    return ranking.roc_auc(values.ravel(), inside.ravel())


def mass_in_mask(values: FloatArray, inside: NDArray[np.floating]) -> float:
    """Share of the mass inside a mask that may cover a part of a cell.

    Args:
        values: float32 (h, w), 0 or more, not all 0.
        inside: (h, w) in [0, 1], how much of each cell is inside.

    Returns:
        A share, from 0 to 1; what chance would give is the mean of `inside`.

    Raises:
        InputError: Not such a map, or the mask has another shape.
    """
    mass = checked_mass(values)
    if inside.shape != mass.shape:
        raise InputError(f"expected a mask of shape {mass.shape}, got {inside.shape}")
    return float(min(1.0, max(0.0, (mass * inside).sum() / mass.sum())))


def points_inside(values: FloatArray, inside: NDArray[np.bool_]) -> float:
    """The pointing game (arXiv 1608.00507): whether the largest value lies inside.

    Args:
        values: float32 (h, w), finite, in any unit.
        inside: bool (h, w).

    Returns:
        1 or 0; where several locations share the largest value, the share of them that lies inside.

    Raises:
        InputError: The map is not one, or the mask has another shape.
    """
    largest = checked(values) == values.max()
    if inside.shape != values.shape:
        raise InputError(f"expected a mask of shape {values.shape}, got {inside.shape}")
    return float(inside[largest].mean())


def _covered(count: int, start: int, stop: int, span: tuple[float, float]) -> NDArray[np.float64]:
    """How much of each of `count` even intervals over [start, stop] lies in the span, in [0, 1]."""
    edges = start + np.arange(count + 1) * ((stop - start) / count)
    overlap = np.minimum(edges[1:], span[1]) - np.maximum(edges[:-1], span[0])
    return np.asarray(overlap / np.diff(edges)).clip(0.0, 1.0)


def _check_box(box: Box) -> None:
    if not all(np.isfinite(box)) or not (box[0] < box[2] and box[1] < box[3]):
        raise OptionError(f"expected a box (left, top, right, bottom) of finite numbers with some area, got {box}")
