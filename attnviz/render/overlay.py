"""A map over a photo: an exact blend, pixel by pixel, and nothing else done to either."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from attnviz.errors import ImageError, OptionError
from attnviz.render.colormaps import DEFAULT, table

OpacityBy = Literal["even", "value"]

DEFAULT_OPACITY = 0.6  # of every map over a photo: in figures, on the page and in the viewer
_PIXELS_PER_BAND = 1 << 20  # float64 working memory of about 50 MB, whatever the size of the photo


def overlay(
    image: NDArray[np.uint8],
    values: NDArray[np.floating],
    colormap: str = DEFAULT,
    map_opacity: float = DEFAULT_OPACITY,
    opacity_by: OpacityBy = "even",
) -> NDArray[np.uint8]:
    """Draw a map over a photo of the same size.

    Each pixel is ``(1 - opacity) * photo + opacity * colour``, rounded half up. The photo's brightness is left alone.
    Usually the opacity is `map_opacity` everywhere, so that 0 gives the photo and 1 the bare colours, to the bit; where
    it follows the value, it is ``map_opacity * value``.

    Args:
        image: RGB uint8 (H, W, 3).
        values: Floats (H, W) in [0, 1]; NaN where there is no map (outside a crop): there the photo stays as it is.
        colormap: A name out of `attnviz.render.colormaps.names`.
        map_opacity: Opacity of the map over the photo, in [0, 1].
        opacity_by: ``"even"``, or ``"value"``: the opacity follows the value.

    Returns:
        RGB uint8 (H, W, 3).

    Raises:
        ImageError: The image is not RGB uint8 (H, W, 3).
        OptionError: The values do not fit the image or leave [0, 1], or an option is out of its range.
    """
    colors = table(colormap)
    opacity = checked_opacity(map_opacity)
    if not (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3):
        raise ImageError(f"expected an RGB uint8 image (H, W, 3), got {_describe(image)}")
    if not (isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.shape == image.shape[:2]):
        raise OptionError(f"expected a map of floats {image.shape[:2]}, got {_describe(values)}")
    if opacity_by not in get_args(OpacityBy):
        raise OptionError(f"expected opacity_by to be {' or '.join(get_args(OpacityBy))}, got {opacity_by!r}")
    seen = ~np.isnan(values)
    if opacity_by == "value":
        return blend(image, seen, lambda rows: colorize(values[rows], colors), opacity * np.where(seen, values, 0.0))
    return blend(image, seen, lambda rows: colorize(values[rows], colors), opacity)


def blend(
    photo: NDArray[np.uint8],
    seen: NDArray[np.bool_],
    paint: Callable[[slice], NDArray[np.uint8]],
    opacity: float | NDArray[np.floating],
) -> NDArray[np.uint8]:
    """Colours over a photo, exactly as `overlay` says, some rows at a time.

    Args:
        photo: RGB uint8 (H, W, 3).
        seen: bool (H, W): where there are colours.
        paint: Rows -> their colours, RGB uint8 (rows, W, 3).
        opacity: Of the colours, in [0, 1]: one for all, or of each pixel, floats (H, W).

    Returns:
        RGB uint8 (H, W, 3).
    """
    result = np.empty_like(photo, order="C")
    step = max(1, _PIXELS_PER_BAND // max(1, photo.shape[1]))
    for top in range(0, photo.shape[0], step):
        rows = slice(top, top + step)
        share = opacity[rows, :, None] if isinstance(opacity, np.ndarray) else opacity
        result[rows] = _mixture(photo[rows], paint(rows), share)
        result[rows][~seen[rows]] = photo[rows][~seen[rows]]
    return result


def colorize(values: NDArray[np.floating], colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The colour of each value: number min(floor(256 v), 255) of the table.

    Args:
        values: Floats in [0, 1], any shape; NaN gets colour number 0.
        colors: RGB uint8 (256, 3).

    Returns:
        RGB uint8 of shape (*values.shape, 3).

    Raises:
        OptionError: A value is outside [0, 1].
    """
    known = np.where(np.isnan(values), 0.0, values)
    if known.size and (known.min() < 0.0 or known.max() > 1.0):
        raise OptionError(f"expected values in [0, 1], got {float(known.min())} to {float(known.max())}")
    numbers: NDArray[np.intp] = np.minimum(known * 256.0, 255.0).astype(np.intp)
    return colors[numbers]


def checked_opacity(map_opacity: float) -> float:
    """The opacity as a plain float in [0, 1].

    Raises:
        OptionError: It is not a number in [0, 1].
    """
    if isinstance(map_opacity, bool) or not isinstance(map_opacity, int | float | np.floating):
        raise OptionError(f"expected map_opacity as a number in [0, 1], got {map_opacity!r}")
    if not 0.0 <= map_opacity <= 1.0:
        raise OptionError(f"expected map_opacity in [0, 1], got {map_opacity}")
    return float(map_opacity)


def _mixture(
    photo: NDArray[np.uint8], colors: NDArray[np.uint8], opacity: float | NDArray[np.floating]
) -> NDArray[np.uint8]:
    if not isinstance(opacity, np.ndarray) and opacity in (0.0, 1.0):
        return colors if opacity else photo
    mixed = (1.0 - opacity) * photo.astype(np.float64) + opacity * colors.astype(np.float64)
    return np.floor(mixed + 0.5).astype(np.uint8)


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
