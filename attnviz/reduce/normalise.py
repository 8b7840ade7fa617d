"""Raw values to [0, 1], with the range that was used kept beside them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from attnviz.errors import OptionError
from attnviz.reduce.maps import FloatArray, checked

Scope = Literal["each", "shared"]


@dataclass(frozen=True, eq=False)
class Normalised:
    """A map spread over [0, 1].

    Attributes:
        values: float32 (h, w) in [0, 1]: (raw - low) / (high - low).
        low: Raw value that became 0.
        high: Raw value that became 1.
        flat: Whether all raw values of this map are the same. A flat map shows nothing, however it is drawn; where it
            sets the range itself (low equals high), its values are all 0.5: neither low nor high.
        clipped: Share of the locations in [0, 1] whose raw value lay outside [low, high]; 0 unless `bounds` were given.
    """

    values: FloatArray
    low: float
    high: float
    flat: bool
    clipped: float


def normalise(
    maps: Sequence[FloatArray], scope: Scope = "each", bounds: tuple[float | None, float | None] | None = None
) -> tuple[Normalised, ...]:
    """Spread maps over [0, 1].

    Args:
        maps: float32 (h, w) each, finite; the shapes may differ.
        scope: ``"each"``: every map over its own range, which hides how their strengths compare; ``"shared"``: all
            maps, which must be in one unit, over the range from the smallest to the largest value of them all.
        bounds: (low, high) to use instead of what is in the maps, for example the range the quantity can take by
            definition; None for an end that the maps shall set.

    Returns:
        One result per map, in order.

    Raises:
        InputError: Not a finite float32 (h, w).
        OptionError: An unknown scope, or bounds that are not finite or leave no range.
    """
    if scope not in ("each", "shared"):
        raise OptionError(f"expected scope to be each or shared, got {scope!r}")
    low, high = bounds or (None, None)
    if any(end is not None and not math.isfinite(end) for end in (low, high)):
        raise OptionError(f"expected finite bounds, got {bounds}")
    if low is not None and high is not None and low >= high:
        raise OptionError(f"expected bounds whose low end is below the high end, got {bounds}")
    ranges = [(float(values.min()), float(values.max())) for values in map(checked, maps)]
    if scope == "shared" and ranges:
        ranges = [(min(r[0] for r in ranges), max(r[1] for r in ranges))] * len(ranges)
    return tuple(
        _spread(values, found[0] if low is None else low, found[1] if high is None else high)
        for values, found in zip(maps, ranges, strict=True)
    )


def _spread(values: FloatArray, low: float, high: float) -> Normalised:
    flat = bool(values.min() == values.max())
    clipped = float(np.mean((values < low) | (values > high)))
    if high <= low:  # flat, or the one bound given lies at or beyond the end of all values
        sides = (values > high).astype(np.float32) - (values < low)
        return Normalised(np.asarray(0.5 + 0.5 * sides, dtype=np.float32), low, high, flat, clipped)
    scaled = (values.astype(np.float64) - low) / (high - low)
    return Normalised(scaled.clip(0.0, 1.0).astype(np.float32), low, high, flat, clipped)
