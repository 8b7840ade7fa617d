"""Which panels share a range, and what the ends of each colour bar stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError
from attnviz.reduce.normalise import Scope, normalise
from attnviz.reduce.spread import Spread, log_floor, log_positions, spread_ends
from attnviz.render.overlay import OpacityBy
from attnviz.render.panels import Panel
from attnviz.results import FloatArray

HEAVY_TAILED = (
    "position_",
    "rollout_",
)  # beginnings of the kinds whose maps are a few large values and many small ones


def usual_spread(kind: str) -> Spread:
    """How the values of a kind are spread over the colours unless something else is asked for."""
    return "log" if kind.startswith(HEAVY_TAILED) else "linear"


def usual_opacity(kind: str) -> OpacityBy:
    """What the opacity of maps of a kind goes by unless something else is asked for."""
    return "value" if kind.startswith(HEAVY_TAILED) else "even"


@dataclass(frozen=True)
class Scale:
    """A range of raw values that is spread over a whole colour map.

    Attributes:
        kind: What the numbers are.
        unit: Of the numbers.
        low: Raw value of the colour map's low end.
        high: Raw value of its high end; equal to `low` where all values are the same.
        panels: Names of the panels drawn in it, in reading order.
        log: Whether equal steps of colour are equal factors, not equal differences.
        opacity_by: ``"value"``: opacity grows with the colour, from none at the low end.
        below: Whether there are values below `low`; they have its colour.
        above: Whether there are values above `high`; they have its colour.
    """

    kind: str
    unit: str
    low: float
    high: float
    panels: tuple[str, ...]
    log: bool = False
    opacity_by: OpacityBy = "even"
    below: bool = False
    above: bool = False

    @property
    def flat(self) -> bool:
        """Whether it has no extent."""
        return self.high <= self.low

    @property
    def middle(self) -> float:
        """Raw value of the colour in the middle."""
        return float(np.sqrt(self.low * self.high)) if self.log else (self.low + self.high) / 2.0

    def apply(self, values: FloatArray) -> NDArray[np.float32]:
        """Raw values to [0, 1]; all 0.5 where the scale has no extent.

        Args:
            values: float32, any shape.
        """
        if self.flat:
            return np.full(values.shape, 0.5, dtype=np.float32)
        if self.log:
            return log_positions(values, self.low, self.high)
        return normalise([values], bounds=(self.low, self.high))[0].values


def find_scales(
    panels: Sequence[Panel],
    scaling: Scope,
    *,
    spread: Spread | Literal["auto"] = "auto",
    opacity_by: OpacityBy | Literal["auto"] = "auto",
) -> tuple[Scale, ...]:
    """One scale per map, or one per kind of quantity.

    Args:
        panels: Those of a figure; panels without numbers have no scale.
        scaling: ``"each"`` or ``"shared"``.
        spread: How values are spread over the colours; ``"auto"``: by kind, as `usual_spread` says. A quantity with
            values below zero has no logarithmic scale, and is spread linearly.
        opacity_by: ``"even"`` or ``"value"``; ``"auto"``: by kind, as `usual_opacity` says. Panels that lie over no
            photo are opaque.

    Raises:
        OptionError: A map has a value that is not finite.
    """
    groups: dict[str, list[Panel]] = {}
    for panel in panels:
        if panel.values is not None:
            groups.setdefault(panel.kind if scaling == "shared" else panel.name, []).append(panel)
    return tuple(_scale(members, spread, opacity_by) for members in groups.values())


def _scale(members: list[Panel], spread: Spread | Literal["auto"], opacity_by: OpacityBy | Literal["auto"]) -> Scale:
    first = members[0]
    chosen = usual_spread(first.kind) if spread == "auto" else spread
    ranges = [raw_range(panel) for panel in members]
    ends = [spread_ends(panel.values, chosen) for panel in members if panel.values is not None]
    low, high = min(end[0] for end in ends), max(end[1] for end in ends)
    floor = log_floor(low, high) if chosen == "log" else None
    fades = usual_opacity(first.kind) if opacity_by == "auto" else opacity_by
    low = low if floor is None else floor
    return Scale(
        kind=first.kind,
        unit=first.unit,
        low=low,
        high=high,
        panels=tuple(panel.name for panel in members),
        log=floor is not None,
        opacity_by="even" if first.bare else fades,
        below=min(found[0] for found in ranges) < low,
        above=max(found[1] for found in ranges) > high,
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
