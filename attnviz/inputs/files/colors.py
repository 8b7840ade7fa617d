"""Any of Pillow's modes to upright RGB with eight bits: scale, profile, alpha, in that order.

- Grey with more than eight bits is scaled by the range its type declares, 65535 for 16 bits and for Pillow's mode I,
  1.0 for floats; values outside raise. Colour with 16 bits comes from Pillow with the low byte dropped.
- An ICC profile that is valid and fits is converted to sRGB (perceptual intent); one that is damaged is ignored.
  CMYK without a profile is converted as Pillow does, by subtraction.
- Transparency is laid on white.
"""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, TiffImagePlugin

from attnviz.errors import ImageError

_FULL_SCALE = 65535
_PHOTOMETRIC, _BITS = 262, 258
_WHITE_IS_ZERO = 0
_SAME = 2  # of 255: how far a profile's colours may be from sRGB's to leave the pixels alone
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn a picture the way up its EXIF orientation says.

    Args:
        image: Any mode.
        orientation: 1 to 8, as in EXIF tag 274; anything else leaves the picture as it is.
    """
    turn = _UPRIGHT.get(orientation)
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a loaded picture to mode RGB.

    Args:
        image: Loaded, of any mode; not changed.
        profile: ICC profile of its colours; None: sRGB is assumed.

    Returns:
        A picture of mode RGB in sRGB, on white where it was transparent; the image itself where nothing is to do.

    Raises:
        ImageError: Grey values outside the range that their type declares, or not finite.
    """
    if image.mode.startswith("I") or image.mode == "F":
        colors, alpha = _grey(image)
    else:
        colors, alpha = _split_alpha(image)
    colors = _in_srgb(colors, profile)
    if alpha is None:
        return colors
    canvas = Image.new("RGB", colors.size, "white")
    canvas.paste(colors, mask=alpha)
    return canvas


def eight_bits(values: NDArray[Any], full_scale: int) -> NDArray[np.uint8]:
    """Scale whole numbers in [0, full_scale] to [0, 255], rounded to the nearest."""
    scaled = (values.astype(np.uint32) * 255 + full_scale // 2) // full_scale
    return scaled.astype(np.uint8)


def eight_bits_of_floats(values: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """Scale floats in [0, 1] to [0, 255], rounded to the nearest.

    Raises:
        ImageError: A value is outside [0, 1] or not a number: the range is declared, never guessed.
    """
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    if not (low >= 0.0 and high <= 1.0):  # false for NaN, which min and max hand on
        raise ImageError(f"expected floating-point pixels in [0, 1], got values from {low:g} to {high:g}")
    eight: NDArray[np.uint8] = np.rint(values * np.float32(255)).astype(np.uint8)
    return eight


def _grey(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Modes I, I;16 and its relatives, and F, as mode L; the one grey that a PNG calls transparent as alpha."""
    tags = image.tag_v2 if isinstance(image, TiffImagePlugin.TiffImageFile) else {}
    values = np.asarray(image)
    if image.mode == "F":
        grey = eight_bits_of_floats(values)
    else:
        full_scale = 4095 if tags.get(_BITS) == (12,) else _FULL_SCALE
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > full_scale:
            raise ImageError(f"expected whole grey values in [0, {full_scale}], got values from {low} to {high}")
        grey = eight_bits(values, full_scale)
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # Pillow turns only grey of up to eight bits
        grey = 255 - grey
    clear = image.info.get("transparency")
    alpha = Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)) if isinstance(clear, int) else None
    return Image.fromarray(grey), alpha


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colours in a mode that profiles speak about (L, RGB, CMYK, LAB), and alpha as mode L."""
    if image.has_transparency_data:
        image = _in_mode(image, "LA" if image.mode in ("LA", "La") else "RGBA")
        return image.convert(image.mode.rstrip("A")), image.getchannel("A")
    if image.mode == "1":
        return image.convert("L"), None
    return (image if image.mode in ("L", "CMYK", "LAB") else _in_mode(image, "RGB")), None


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """Converted only where it must be: Pillow's conversion to the same mode is a copy, and pictures are large."""
    return image if image.mode == mode else image.convert(mode)


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    if image.mode == "LAB":
        return _transformed(image, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")), srgb)
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            if _differs_from_srgb(image.mode, source, srgb):
                return _transformed(image, source, srgb)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass  # damaged, or made for other colours: the pixels are taken for sRGB, as without a profile
    return _in_mode(image, "RGB")


def _differs_from_srgb(mode: str, source: ImageCms.ImageCmsProfile, srgb: ImageCms.ImageCmsProfile) -> bool:
    """Whether the profile moves colours visibly; most are sRGB themselves, and rounding should not touch those."""
    if mode == "CMYK":
        return True
    if mode == "L":
        lattice = np.arange(256, dtype=np.uint8)[None]
    else:
        levels = np.linspace(0, 255, 9).astype(np.uint8)
        lattice = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(1, -1, 3)
    probe = Image.fromarray(lattice)
    plain, moved = np.asarray(probe.convert("RGB")), np.asarray(_transformed(probe, source, srgb))
    return int(np.abs(plain.astype(np.int16) - moved).max()) > _SAME


def _transformed(image: Image.Image, source: ImageCms.ImageCmsProfile, target: ImageCms.ImageCmsProfile) -> Image.Image:
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")
    if converted is None:  # only in-place conversion returns nothing
        raise ValueError("expected a converted picture, got none")
    return converted
