"""What of the network image a cell of an attention map can see, and where that has its middle; plain data."""

from dataclasses import dataclass
from fractions import Fraction

from attnviz.errors import OptionError

Interval = tuple[float, float]


@dataclass(frozen=True)
class Reach:
    """What cells see along one axis, in network pixels: cell i sees from ``start + i * stride`` on, `size` pixels.

    Attributes:
        start: First pixel that cell 0 sees; negative where the padding is seen. A fraction after an enlargement.
        size: Number of pixels from the first to the last that is seen; dilated convolutions leave some between out.
        stride: Pixels from what one cell sees to what the next one does.
    """

    start: Fraction
    size: Fraction
    stride: Fraction

    @property
    def center(self) -> float:
        """Middle of what cell 0 sees, in continuous coordinates: pixel 0 lies from 0 to 1, and its middle is 0.5."""
        return float(self.start + self.size / 2)

    def of(self, cell: int) -> Interval:
        """What a cell sees, (from, to) in continuous coordinates; the part beyond the picture is padding."""
        start = self.start + cell * self.stride
        return float(start), float(start + self.size)


@dataclass(frozen=True)
class ReceptiveField:
    """What the cells of one site see of the network image by way of convolutions and local pooling.

    Attributes:
        rows: Along y, from the top edge.
        columns: Along x, from the left edge.
        everywhere: Whether the site sees the whole picture besides, by way of a global pool or an attention.
        exact: False: that of the module in which the site was found; the site itself may see less.

    Example:
        >>> import attnviz
        >>> explanation = attnviz.explain("assets/coffee.jpg", "bam_resnet18_w32", device="cpu")
        >>> field = explanation.receptive_fields["stage1.spatial_logit"]
        >>> field.size, field.stride, field.center, field.everywhere
        ((107, 107), (4, 4), (0.5, 0.5), False)
    """

    rows: Reach
    columns: Reach
    everywhere: bool = False
    exact: bool = True

    @property
    def size(self) -> tuple[float, float]:
        """(height, width) of what a cell sees, network pixels."""
        return _plain(self.rows.size), _plain(self.columns.size)

    @property
    def stride(self) -> tuple[float, float]:
        """(down, across) network pixels from cell to cell."""
        return _plain(self.rows.stride), _plain(self.columns.stride)

    @property
    def center(self) -> tuple[float, float]:
        """(y, x): middle of what cell (0, 0) sees, network pixels in continuous coordinates; pixel 0's is 0.5."""
        return self.rows.center, self.columns.center

    def center_of(self, row: int, column: int) -> tuple[float, float]:
        """(x, y): middle of what a cell sees, in the continuous network coordinates of `Geometry`."""
        (top, bottom), (left, right) = self.rows.of(row), self.columns.of(column)
        return (left + right) / 2, (top + bottom) / 2

    def box_of(self, row: int, column: int) -> tuple[float, float, float, float]:
        """(left, top, right, bottom) of what a cell sees, network pixels; what lies beyond the picture is padding.

        Raises:
            OptionError: A row or column before the first.
        """
        if row < 0 or column < 0:
            raise OptionError(f"expected a row and a column from 0, got ({row}, {column})")
        (top, bottom), (left, right) = self.rows.of(row), self.columns.of(column)
        return left, top, right, bottom


def _plain(number: Fraction) -> float:
    return int(number) if number.denominator == 1 else float(number)
