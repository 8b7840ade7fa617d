"""Picture files of every accepted format and of many odd kinds, made in memory."""

import struct
import zlib
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

HEIGHT, WIDTH = 40, 56


def photo(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A smooth picture with an unmistakable way up: red grows to the right, green downwards, blue is a corner."""
    y, x = np.mgrid[0:height, 0:width]
    blue = np.where((x < width / 4) & (y < height / 4), 230, 30)
    return np.stack([x * 255 // (width - 1), y * 255 // (height - 1), blue], axis=-1).astype(np.uint8)


def grey() -> np.ndarray:
    return photo()[..., 0]


def image(mode: str = "RGB") -> Image.Image:
    made = Image.fromarray(photo())
    if mode == "I;16":
        return Image.fromarray(grey().astype(np.uint16) * 257)
    if mode == "I":
        return Image.fromarray(grey().astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(grey().astype(np.float32) / 255)
    if mode in ("RGBA", "LA"):
        made = made.convert(mode)
        made.putalpha(Image.fromarray(photo()[..., 1]))
        return made
    return made.convert(mode)


def encoded(picture: Image.Image, kind: str, **options) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def animated(kind: str, **options) -> bytes:
    """Three different frames or pages, the photo first."""
    first, *rest = (Image.fromarray(np.roll(photo(), 9 * i, axis=1)) for i in range(3))
    return encoded(first, kind, save_all=True, append_images=rest, **options)


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def with_png_chunks(data: bytes, *chunks: bytes) -> bytes:
    """The chunks put behind the header."""
    return data[:33] + b"".join(chunks) + data[33:]


def with_jpeg_segments(data: bytes, *segments: tuple[int, bytes]) -> bytes:
    """The segments put in front of all others."""
    return data[:2] + b"".join(struct.pack(">BBH", 0xFF, m, len(b) + 2) + b for m, b in segments) + data[2:]


def exif(orientation: int) -> bytes:
    made = Image.Exif()
    made[274] = orientation
    return made.tobytes()


def wide_profile() -> bytes:
    """sRGB's ICC profile with its red and green primaries exchanged: valid, and impossible to overlook."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[:] = profile.replace(b"rXYZ", b"tmp!").replace(b"gXYZ", b"rXYZ").replace(b"tmp!", b"gXYZ")
    return bytes(profile)


@cache
def good_files() -> dict[str, bytes]:
    """One small file per format and variant, each of which decodes."""
    rgb = image()
    files = {
        "jpeg": encoded(rgb, "JPEG", quality=95, subsampling=0),
        "jpeg-progressive": encoded(rgb, "JPEG", quality=95, progressive=True),
        "jpeg-grey": encoded(image("L"), "JPEG", quality=95),
        "jpeg-cmyk": encoded(image("CMYK"), "JPEG", quality=95),
        "mpo": animated("MPO", quality=95),
        "png": encoded(rgb, "PNG"),
        "png-palette": encoded(rgb.quantize(64), "PNG"),
        "png-grey16": encoded(image("I;16"), "PNG"),
        "png-rgba": encoded(image("RGBA"), "PNG"),
        "apng": animated("PNG"),
        "webp": encoded(rgb, "WEBP", quality=95),
        "webp-lossless": encoded(rgb, "WEBP", lossless=True),
        "webp-animated": animated("WEBP", quality=95),
        "gif": encoded(rgb, "GIF"),
        "gif-animated": animated("GIF"),
        "bmp": encoded(rgb, "BMP"),
        "tiff": encoded(rgb, "TIFF"),
        "tiff-pages": animated("TIFF"),
        "tiff-grey16": encoded(image("I;16"), "TIFF"),
        "tiff-float": encoded(image("F"), "TIFF"),
        "ppm": encoded(rgb, "PPM"),
        "pgm": encoded(image("L"), "PPM"),
        "pbm": encoded(image("1"), "PPM"),
    }
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        files[f"tiff-{compression}"] = encoded(rgb, "TIFF", compression=compression)
    Image.init()
    if "AVIF" in Image.SAVE:
        files["avif"] = encoded(rgb, "AVIF", quality=95)
    return files


def assert_picture(array):
    assert array.dtype == np.uint8
    assert array.ndim == 3
    assert array.shape[2] == 3
    assert array.flags.c_contiguous
    assert array.flags.owndata
    assert array.flags.writeable


def difference(a, b):
    return np.abs(a.astype(np.int16) - b.astype(np.int16)).mean()


def on_white(colors, alpha):
    """Alpha compositing by its definition."""
    a = alpha[..., None] / 255.0
    return np.rint(colors * a + 255.0 * (1.0 - a)).astype(np.uint8)
