"""Which panels share a range, and what the ends of each colour bar stand for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError
from attnviz.reduce.normalise import Scope, normalise
from attnviz.render.panels import Panel
from attnviz.results import FloatArray


@dataclass(frozen=True)
class Scale:
    """A range of raw values that is spread over a whole colour map.

    Attributes:
        kind: What the numbers are.
        unit: Of the numbers.
        low: Raw value of the colour map's low end.
        high: Raw value of its high end; equal to `low` where all values are the same.
        panels: Names of the panels drawn in it, in reading order.
    """

    kind: str
    unit: str
    low: float
    high: float
    panels: tuple[str, ...]

    def apply(self, values: FloatArray) -> NDArray[np.float32]:
        """Raw values to [0, 1]; all 0.5 where the scale has no extent.

        Args:
            values: float32 within `low` and `high`, any shape.
        """
        if self.high <= self.low:
            return np.full(values.shape, 0.5, dtype=np.float32)
        return normalise([values], bounds=(self.low, self.high))[0].values


def find_scales(panels: Sequence[Panel], scaling: Scope) -> tuple[Scale, ...]:
    """One scale per map, or one per kind of quantity.

    Args:
        panels: Those of a figure; panels without numbers have no scale.
        scaling: ``"each"`` or ``"shared"``.

    Raises:
        OptionError: A map has a value that is not finite.
    """
    groups: dict[str, list[Panel]] = {}
    for panel in panels:
        if panel.values is not None:
            groups.setdefault(panel.kind if scaling == "shared" else panel.name, []).append(panel)
    return tuple(_scale(members) for members in groups.values())


def _scale(members: list[Panel]) -> Scale:
    ranges = [raw_range(panel) for panel in members]
    return Scale(
        kind=members[0].kind,
        unit=members[0].unit,
        low=min(low for low, _ in ranges),
        high=max(high for _, high in ranges),
        panels=tuple(panel.name for panel in members),
    )


def raw_range(panel: Panel) -> tuple[float, float]:
    """Smallest and largest raw value of a panel that has numbers.

    Raises:
        OptionError: It has none, or they are not finite.
    """
    values = panel.values
    if values is None or not values.size or not np.isfinite(values).all():
        raise OptionError(f"expected finite numbers in panel {panel.name}, got none or NaN or infinity")
    return float(values.min()), float(values.max())
