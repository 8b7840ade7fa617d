"""Pictures that say something about each pixel of a photo: where an object is, or which class is there."""

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attnviz.errors import ImageError, InputError, one_line, quoted
from attnviz.inputs.decode import opened_file, read_file

_NUMBERS = ("L", "P", "1", "I", "I;16", "I;16L", "I;16B")  # modes whose pixels are numbers, of a palette's entries too


def object_mask(file: str | os.PathLike[str]) -> NDArray[np.bool_]:
    """The picture of an object as a mask: True where it is bright.

    Bright is what has more than half of the brightest pixel, whatever the depth: masks of 0 and 1, of 0 and 255 and of
    0 and 65535, and those that JPEG has blurred, all say the same. What is transparent is dark, so that an object can
    be painted on an empty layer. In a palette of colours, as label pictures have, all that is not black is the object.

    Args:
        file: Any picture that `attnviz.inputs.decode.decode` reads; upright as its EXIF orientation says.

    Returns:
        bool (H, W).

    Raises:
        ImageError: The file is no picture, or damaged.
    """
    light = np.asarray(_opened(file, _light))
    if not np.isfinite(light).all():
        raise ImageError("expected a mask of finite numbers, got some that are not")
    return light * 2 > light.max() if light.max() > 0 else np.zeros(light.shape, bool)


def class_numbers(file: str | os.PathLike[str]) -> NDArray[np.int64]:
    """A label picture's class numbers as they are in the file: of a palette the numbers of its entries, not colours.

    Args:
        file: As for `object_mask`; grey, or with a palette.

    Returns:
        int64 (H, W).

    Raises:
        ImageError: The file is no picture, or damaged, or has colours instead of numbers.
    """
    return np.asarray(_opened(file, _numbers)).astype(np.int64)


def check_mask_size(mask: NDArray[np.generic], photo_size: tuple[int, int]) -> None:
    """Refuse a mask that does not lie on its photo pixel by pixel.

    Args:
        mask: (H, W).
        photo_size: (height, width) of the upright photo.

    Raises:
        InputError: It has another size.
    """
    if mask.shape != photo_size:
        height, width = photo_size
        got = " × ".join(str(side) for side in reversed(mask.shape))
        raise InputError(f"expected a mask of the photo's size, {width} × {height} pixels, got {got}")


def _opened(file: str | os.PathLike[str], convert: Callable[[Image.Image, bytes | None], Image.Image]) -> Image.Image:
    try:
        return opened_file(read_file(file), convert)
    except ImageError as error:
        raise ImageError(f"expected a mask: {one_line(error)}") from error


def _light(image: Image.Image, _profile: bytes | None) -> Image.Image:
    """How bright each pixel is, mode F in any unit."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(np.asarray(image).astype(np.float32))
    colors = np.asarray(image.convert("RGBA"), dtype=np.float32)
    light, alpha = colors[..., :3].max(axis=2), colors[..., 3]
    if image.mode == "P" and np.ptp(colors[..., :3], axis=2).any():
        light = (light > 0).astype(np.float32)
    return Image.fromarray(light * alpha)


def _numbers(image: Image.Image, _profile: bytes | None) -> Image.Image:
    if image.mode in _NUMBERS:
        return Image.fromarray(np.asarray(image).astype(np.int32))
    channels = np.asarray(image)
    if image.mode not in ("RGB", "RGBA", "LA") or (image.mode != "LA" and np.ptp(channels[..., :3], axis=2).any()):
        raise ImageError(f"expected class numbers as grey or a palette, got a picture of mode {quoted(image.mode)}")
    return Image.fromarray(channels[..., 0].astype(np.int32))
