"""Colours for things that have names instead of numbers: classes of a segmentation and pinned queries."""

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import OptionError

# Okabe and Ito's colours (https://jfly.uni-koeln.de/color/), told apart with any common colour blindness. Black and the
# pale yellow are left out: both drown in photos.
PIN_COLORS: tuple[str, ...] = ("#e69f00", "#56b4e9", "#009e73", "#d55e00", "#cc79a7", "#0072b2")

# Paul Tol's "muted" and "vibrant" colours (https://sronpersonalpages.nl/~pault/), dark ones next to light ones.
_NAMED_CLASS_COLORS = (
    "#88ccee", "#882255", "#ddcc77", "#555566", "#cc6677", "#117733",
    "#ee7733", "#44aa99", "#332288", "#ee3377", "#999933", "#aa4499",
)  # fmt: skip

_MOST_CLASSES = 65_536  # numbers that a uint16 can hold
_GOLDEN_ANGLE = 137.50776405003785  # degrees; successive hues never come close to each other


def pin_color(index: int) -> str:
    """The colour of pin number `index`, from 0, as ``"#rrggbb"``; they repeat after the sixth.

    Pins carry their number too, so that the colour is never the only way to tell them apart.
    """
    return PIN_COLORS[index % len(PIN_COLORS)]


def readable_on(color: str) -> str:
    """Black or white, whichever stands out more on a colour, as ``"#rrggbb"`` (WCAG 2.2, relative luminance)."""
    channels = np.array(_rgb(color)) / 255.0
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return "#000000" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "#ffffff"


def class_colors(count: int) -> NDArray[np.uint8]:
    """Colours for the classes of a segmentation; the first twelve are colour-blind safe.

    The first 256 are all different; of 1,000, nine come twice.

    Args:
        count: Number of classes, from 0 to 65,536.

    Returns:
        RGB uint8 (count, 3); class i has the same colour for every count.

    Raises:
        OptionError: The count is out of its range.
    """
    if not 0 <= count <= _MOST_CLASSES:
        raise OptionError(f"expected 0 to {_MOST_CLASSES} classes, got {count}")
    named = np.array([_rgb(code) for code in _NAMED_CLASS_COLORS], dtype=np.uint8)
    return np.concatenate([named[:count], _spiral(np.arange(len(named), max(count, len(named))))])


def _rgb(code: str) -> tuple[int, int, int]:
    return int(code[1:3], 16), int(code[3:5], 16), int(code[5:7], 16)


def _spiral(index: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Colours on a spiral of hues in OKLCh (https://bottosson.github.io/posts/oklab/), lightness in three steps."""
    lightness = np.array((0.55, 0.72, 0.86))[index % 3]
    hue = np.deg2rad(index * _GOLDEN_ANGLE)
    a, b = 0.11 * np.cos(hue), 0.11 * np.sin(hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.stack(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ],
        axis=-1,
    ).clip(0.0, 1.0)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(srgb * 255.0), dtype=np.uint8)
