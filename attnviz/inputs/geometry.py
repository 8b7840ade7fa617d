"""The exact map between a photo's pixels, the network's pixels and the cells of an attention map.

Convention, the same in every direction and everywhere in attnviz:

- Coordinates are continuous, x to the right, y down, with the origin at the top left *corner* of the picture.
  Pixel (row i, column j) covers the square from (j, i) to (j + 1, i + 1); its centre is (j + 0.5, i + 0.5).
- The crop is what of the photo the network saw. It is stretched over the whole network image.
- The cells of a grid of (rows, columns) tile the network image evenly, without gaps or overlap. This says where a
  cell is drawn, not what it can see: a convolutional network's receptive fields are larger than its cells and overlap.
- Regions are half-open: the left and top edges belong to a cell, a pixel or the crop; the right and bottom ones do not.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import SupportsInt

from attnviz.errors import OptionError


@dataclass(frozen=True)
class Geometry:
    """Which part of a photo the network saw, and at what size.

    Attributes:
        photo_size: (height, width) of the upright photo, in pixels.
        crop: (left, top, right, bottom) of what the network saw, in whole photo pixels, right and bottom excluded.
        network_size: (height, width) of the network's input, in pixels.

    Raises:
        OptionError: A size is not positive, or the crop is empty or leaves the photo.
    """

    photo_size: tuple[int, int]
    crop: tuple[int, int, int, int]
    network_size: tuple[int, int]

    def __post_init__(self) -> None:
        """Check the numbers and turn NumPy's integers into plain ones, so that they can go into JSON."""
        object.__setattr__(self, "photo_size", _whole_numbers("photo_size", self.photo_size, 2))
        object.__setattr__(self, "crop", _whole_numbers("crop", self.crop, 4))
        object.__setattr__(self, "network_size", _whole_numbers("network_size", self.network_size, 2))
        for name in ("photo_size", "network_size"):
            if min(getattr(self, name)) < 1:
                raise OptionError(f"expected {name} of at least 1 x 1, got {getattr(self, name)}")
        left, top, right, bottom = self.crop
        height, width = self.photo_size
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise OptionError(
                f"expected a crop (left, top, right, bottom) within {width} x {height} pixels, got {self.crop}"
            )

    @property
    def crop_size(self) -> tuple[int, int]:
        """(height, width) of the crop, in photo pixels."""
        left, top, right, bottom = self.crop
        return bottom - top, right - left

    @property
    def whole(self) -> bool:
        """Whether the network saw the whole photo."""
        return self.crop_size == self.photo_size

    def photo_to_network(self, x: float, y: float) -> tuple[float, float]:
        """Network coordinates of a point of the photo; outside the crop, of the same straight map continued.

        Args:
            x: From the photo's left edge, in photo pixels.
            y: From the photo's top edge, in photo pixels.

        Returns:
            (x, y) in network pixels; within [0, width) and [0, height) where the network saw the point.
        """
        (height, width), (crop_height, crop_width) = self.network_size, self.crop_size
        return (x - self.crop[0]) * width / crop_width, (y - self.crop[1]) * height / crop_height

    def network_to_photo(self, x: float, y: float) -> tuple[float, float]:
        """Photo coordinates of a point of the network image; the inverse of `photo_to_network`.

        Args:
            x: From the network image's left edge, in network pixels.
            y: From the network image's top edge, in network pixels.

        Returns:
            (x, y) in photo pixels.
        """
        (height, width), (crop_height, crop_width) = self.network_size, self.crop_size
        return x * crop_width / width + self.crop[0], y * crop_height / height + self.crop[1]

    def photo_to_cell(self, x: float, y: float, grid: tuple[int, int]) -> tuple[int, int] | None:
        """The cell under a point of the photo.

        It is always the one cell whose `cell_to_photo_box` holds the point, rounding errors included.

        Args:
            x: From the photo's left edge, in photo pixels; the centre of column j is j + 0.5.
            y: From the photo's top edge, in photo pixels; the centre of row i is i + 0.5.
            grid: (rows, columns) of the attention map.

        Returns:
            (row, column), or None where the network did not see the point.

        Raises:
            OptionError: The point is not finite or the grid is empty.
        """
        rows, columns = _checked_grid(grid)
        if not (math.isfinite(x) and math.isfinite(y)):
            raise OptionError(f"expected a finite point of the photo, got ({x}, {y})")
        left, top, right, bottom = self.crop
        row = _interval_of(float(y), top, bottom, rows)
        column = _interval_of(float(x), left, right, columns)
        return None if row is None or column is None else (row, column)

    def cell_to_photo_box(self, row: int, column: int, grid: tuple[int, int]) -> tuple[float, float, float, float]:
        """The part of the photo that a cell covers.

        Args:
            row: Of the cell, from the top, from 0.
            column: Of the cell, from the left, from 0.
            grid: (rows, columns) of the attention map.

        Returns:
            (left, top, right, bottom) in photo pixels; neighbours share their edges to the last bit.

        Raises:
            OptionError: The cell is not one of the grid, or the grid is empty.
        """
        rows, columns = _checked_grid(grid)
        if not (0 <= row < rows and 0 <= column < columns):
            raise OptionError(f"expected a cell within {rows} x {columns} (rows x columns), got ({row}, {column})")
        left, top, right, bottom = self.crop
        return (
            _edge(column, left, right, columns),
            _edge(row, top, bottom, rows),
            _edge(column + 1, left, right, columns),
            _edge(row + 1, top, bottom, rows),
        )


def _edge(index: int, start: int, stop: int, count: int) -> float:
    """Edge number `index` of `count` even intervals over [start, stop], correctly rounded."""
    return float(start + Fraction(int(index) * (stop - start), count))


def _interval_of(value: float, start: int, stop: int, count: int) -> int | None:
    """Which of `count` even half-open intervals over [start, stop) holds the value, by the same edges as `_edge`."""
    if not start <= value < stop:
        return None
    index = min(int((value - start) * count / (stop - start)), count - 1)
    while value < _edge(index, start, stop, count):  # the quotient above may be off by a rounding error
        index -= 1
    while value >= _edge(index + 1, start, stop, count):
        index += 1
    return index


def _checked_grid(grid: tuple[int, int]) -> tuple[int, int]:
    rows, columns = _whole_numbers("grid", grid, 2)
    if rows < 1 or columns < 1:
        raise OptionError(f"expected a grid of at least 1 x 1 cells, got {rows} x {columns}")
    return rows, columns


def _whole_numbers(name: str, values: tuple[SupportsInt, ...], count: int) -> tuple[int, ...]:
    try:
        numbers = tuple(int(value) for value in values)
        exact = len(numbers) == count and all(n == v for n, v in zip(numbers, values, strict=True))
    except (TypeError, ValueError, OverflowError):
        exact = False
    if not exact:
        raise OptionError(f"expected {name} of {count} whole numbers, got {values!r}")
    return numbers
