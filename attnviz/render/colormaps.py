"""Colour maps as plain tables, with what a person should know before choosing one.

The defaults change evenly in lightness, so that equal steps of a value look like equal steps and survive grey-scale
printing. ``jet`` and ``turbo`` do not: they draw edges where the data has none. They are there for comparison with
older papers and are marked ``perceptual=False``, so that every place that offers them can say so.
"""

import functools
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError
from attnviz.extras import needs

DEFAULT = "viridis"
DEFAULT_DIVERGING = "RdBu_r"  # of a difference


@dataclass(frozen=True)
class Colormap:
    """What is known of a colour map without drawing it.

    Attributes:
        name: As in matplotlib.
        kind: ``"sequential"``: dark to bright; ``"diverging"``: for signed values, its middle is zero.
        perceptual: Whether its lightness changes evenly (for diverging maps: evenly away from the middle).
        note: A warning for people; empty where there is none.
    """

    name: str
    kind: Literal["sequential", "diverging"]
    perceptual: bool
    note: str = ""


_UNEVEN = "{} is not perceptually uniform: it shows edges that are not in the data."

COLORMAPS = MappingProxyType(
    {
        entry.name: entry
        for entry in (
            Colormap("viridis", "sequential", True),
            Colormap("inferno", "sequential", True),
            Colormap("magma", "sequential", True),
            Colormap("plasma", "sequential", True),
            Colormap("cividis", "sequential", True),
            Colormap("gray", "sequential", True),
            Colormap("RdBu_r", "diverging", True),
            Colormap("PuOr_r", "diverging", True),
            Colormap("turbo", "sequential", False, _UNEVEN.format("turbo")),
            Colormap("jet", "sequential", False, _UNEVEN.format("jet")),
        )
    }
)


def colormap(name: str) -> Colormap:
    """The colour map of that name.

    Raises:
        OptionError: There is no colour map of that name.
    """
    found = COLORMAPS.get(name) if isinstance(name, str) else None
    if found is None:
        raise OptionError(f"expected a colour map out of {', '.join(COLORMAPS)}, got {name!r}")
    return found


def names() -> tuple[str, ...]:
    """Names of the colour maps, those that need a warning last."""
    return tuple(COLORMAPS)


def table(name: str) -> NDArray[np.uint8]:
    """The colours of a colour map, from its low to its high end.

    Args:
        name: One of `names`.

    Returns:
        RGB uint8 (256, 3), read-only. A value v in [0, 1] has the colour number min(floor(256 v), 255).

    Raises:
        OptionError: There is no colour map of that name.
        MissingExtraError: matplotlib, which has the colours, is not installed.
    """
    return _table(colormap(name).name)


@functools.cache
def _table(name: str) -> NDArray[np.uint8]:
    with needs("matplotlib", extra="figures"):
        import matplotlib as mpl

    colors = mpl.colormaps[name](np.arange(256), bytes=True)[:, :3]
    result: NDArray[np.uint8] = np.ascontiguousarray(colors, dtype=np.uint8)
    result.flags.writeable = False
    return result
