"""How raw values are spread over [0, 1]: linearly, between percentiles, or by their logarithms.

The last two are for maps in which a few values are far larger than the rest. A row of position attention is one: on the
seven photos of ``docs/colors-and-cells.md`` a hundredth of the locations holds 9 to 25 % of it.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError
from attnviz.reduce.maps import FloatArray, checked

Spread = Literal["linear", "percentile", "log"]
DECADES = 3  # powers of ten of a logarithmic scale; what is smaller has the colour of its low end
PERCENTILES = (1.0, 99.0)


def spread_ends(values: FloatArray, spread: Spread) -> tuple[float, float]:
    """Raw values of a map that its colours begin and end with.

    Args:
        values: float32 (h, w), finite.
        spread: ``"linear"`` and ``"log"``: smallest and largest value; ``"percentile"``: the first and the 99th
            percentile, or smallest and largest value where those two are the same.

    Raises:
        InputError: Not a finite float32 (h, w).
        OptionError: There is no such spread.
    """
    checked(values)
    if spread not in get_args(Spread):
        raise OptionError(f"expected spread to be one of {', '.join(get_args(Spread))}, got {spread!r}")
    if spread == "percentile":
        low, high = (float(end) for end in np.percentile(values.astype(np.float64), PERCENTILES))
        if low < high:
            return low, high
    return float(values.min()), float(values.max())


def log_floor(low: float, high: float) -> float | None:
    """The low end of a logarithmic scale: `low`, but no more than `DECADES` powers of ten below `high`.

    Returns:
        None where there is no such scale: a value is negative, or none is above zero, or all are the same.
    """
    if low < 0.0 or high <= 0.0 or low == high:
        return None
    return max(low, high / 10.0**DECADES)


def log_positions(values: FloatArray, low: float, high: float) -> NDArray[np.float32]:
    """Where values stand on a logarithmic scale, from 0 at `low` and below it to 1 at `high` and above it.

    Args:
        values: Any shape, 0 or more.
        low: Above 0.
        high: Above `low`.
    """
    inside = values.astype(np.float64).clip(low, high)
    places = np.log(inside / low) / np.log(high / low)
    return np.asarray(places.clip(0.0, 1.0), dtype=np.float32)
