"""Any picture a person may have, as an upright RGB array; everything else refused in one sentence."""

import errno
import os
import stat
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageCms,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from attnviz.errors import ImageError
from attnviz.inputs.files.colors import eight_bits, eight_bits_of_floats, to_rgb, upright
from attnviz.inputs.files.containers import open_container
from attnviz.inputs.files.limits import MOST_BYTES, check_size
from attnviz.inputs.files.tiff import exif_orientation

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | NDArray[Any]

# Opened by class, not with Image.open, which asks every plugin and warns where a picture is large.
_READERS: dict[str, type[ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": PngImagePlugin.PngImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
}
try:
    from PIL import AvifImagePlugin
except ImportError:  # Pillow before 11.3
    pass
else:
    _READERS["AVIF"] = AvifImagePlugin.AvifImageFile

# What Pillow's readers raise on damaged files, found by feeding them damaged files. Not Exception: a mistake of ours
# outside of Pillow must stay visible.
_PILLOW_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    BufferError,
    EOFError,
    Image.DecompressionBombError,
    ImageCms.PyCMSError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    Warning,
    struct.error,
    zlib.error,
)
_ON_THEIR_SIDES = (5, 6, 7, 8)  # EXIF's orientations that change places of height and width
_DRAWINGS = ("EPS", "WMF")  # to load one, Pillow starts another program
_LOADING = threading.Lock()  # Pillow's lazy pictures cannot be loaded by two threads at once


def decode(source: Source) -> NDArray[np.uint8]:
    """Read a picture.

    Files are told by their content, never by their name: JPEG, MPO, PNG, WebP, GIF, BMP, TIFF, PPM, and AVIF where
    Pillow has it. Of several frames or pages the first is taken. EXIF orientation is applied, an ICC profile converted
    to sRGB, transparency laid on white, CMYK converted (JPEG's with Adobe's inverted values, as all programs do).

    Values are scaled by the range their type declares and never by what is in them: 8 bits by 255, 16 bits and
    Pillow's mode I by 65535, floats by 1.0, booleans by 1.

    Args:
        source: Path, or the bytes of a file, or a Pillow image (its current frame; not changed, though a lazy one is
            loaded), or an array of shape (H, W), (H, W, 3) or (H, W, 4) with straight alpha, of dtype uint8, uint16,
            bool or floating.

    Returns:
        RGB, uint8, (H, W, 3), contiguous, its own memory.

    Raises:
        ImageError: Not a picture of these kinds, damaged, cut off, empty, over 50 megapixels, over 400 MiB, a value
            outside its type's range, or a file that cannot be read. The message is one sentence.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pillow(source)
    if isinstance(source, str | os.PathLike):
        return _from_file(read_file(source))
    if isinstance(source, bytes | bytearray | memoryview):
        if len(source) > MOST_BYTES:
            raise ImageError(f"expected a file of at most {MOST_BYTES >> 20} MiB, got {len(source) >> 20} MiB")
        return _from_file(bytes(source))
    raise ImageError(f"expected a path, bytes, a Pillow image or a NumPy array, got {type(source).__name__}")


def _from_file(data: bytes) -> NDArray[np.uint8]:
    return _array(opened_file(data, lambda image, profile: to_rgb(_with_meant_alpha(image), profile)))


def opened_file(data: bytes, convert: Callable[[Image.Image, bytes | None], Image.Image]) -> Image.Image:
    """Open the bytes of a picture's file, checked as `decode` does.

    Args:
        data: Of the file.
        convert: From the loaded picture and the ICC profile of its colours, where it has one, to another picture.

    Returns:
        What `convert` made of it, upright.

    Raises:
        ImageError: As for `decode`.
    """
    with _opened(data) as (image, profile, orientation):
        image.load()
        return upright(convert(image, profile), orientation)


def upright_size(path: str | os.PathLike[str]) -> tuple[int, int]:
    """(height, width) in pixels of the picture that `decode` would make of a file, which is not decoded for it.

    Raises:
        ImageError: As for `decode`, but for damage behind the file's head.
    """
    with _opened(read_file(path)) as (image, _, orientation):
        width, height = image.size
        return (width, height) if orientation in _ON_THEIR_SIDES else (height, width)


@contextmanager
def _opened(data: bytes) -> Iterator[tuple[Image.Image, bytes | None, int]]:
    """The picture in a file, not yet loaded, with its profile and its orientation."""
    container = open_container(data)
    reader = _READERS.get(container.kind)
    if reader is None:
        raise ImageError(f"expected a picture that this Pillow can read, got {container.kind}")
    with _translated(container.kind), reader(BytesIO(container.data)) as image:
        check_size(*image.size)
        profile, orientation = container.profile, container.orientation
        if orientation is None:  # only the decoder knows
            profile, orientation = image.info.get("icc_profile"), exif_orientation(_exif(image))
        yield image, profile, orientation


def _with_meant_alpha(image: Image.Image) -> Image.Image:
    """Without the alpha of a BMP that is 0 everywhere: programs leave these bytes unset, and none shows nothing."""
    unset = image.format == "BMP" and image.mode == "RGBA" and image.getchannel("A").getextrema() == (0, 0)
    return image.convert("RGB") if unset else image


def _from_pillow(image: Image.Image) -> NDArray[np.uint8]:
    if image.format in _DRAWINGS:
        raise ImageError(f"expected a picture made of pixels, got an {image.format} drawing")
    check_size(*image.size)
    with _translated(image.format or image.mode):
        with _LOADING:
            image.load()
        # TIFF's reader turns the picture while loading and forgets the orientation, as do its copies.
        turned = isinstance(image, TiffImagePlugin.TiffImageFile)
        orientation = 1 if turned else exif_orientation(_exif(image))
        return _array(upright(to_rgb(_with_meant_alpha(image), image.info.get("icc_profile")), orientation))


def _exif(image: Image.Image) -> bytes:
    block = image.info.get("exif", b"")
    return block.removeprefix(b"Exif\0\0") if isinstance(block, bytes) else b""


def _from_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ImageError(f"expected an array of shape (H, W), (H, W, 3) or (H, W, 4), got {array.shape}")
    check_size(array.shape[1], array.shape[0])
    if array.dtype == np.uint8:
        values = np.array(array, dtype=np.uint8, order="C")
    elif array.dtype == np.bool_:
        values = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype.kind == "u" and array.dtype.itemsize == 2:
        values = eight_bits(array, 65535)
    elif array.dtype.kind == "f":
        values = eight_bits_of_floats(array)
    else:
        raise ImageError(f"expected an array of dtype uint8, uint16, bool or floating, got {array.dtype}")
    return _array(to_rgb(Image.fromarray(np.ascontiguousarray(values)), None))


def _array(image: Image.Image) -> NDArray[np.uint8]:
    return np.array(image, dtype=np.uint8, order="C")


@contextmanager
def _translated(kind: str) -> Iterator[None]:
    """Turn whatever Pillow raises into one sentence."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError("expected a picture that fits in memory, got one that does not") from error
    except _PILLOW_ERRORS as error:
        raise ImageError(
            f"expected a whole {kind} picture of a common kind, got one that is cut off, damaged or unusual"
        ) from error


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The content of a regular file; never waits on a pipe or a device.

    Args:
        path: Of the file.

    Raises:
        ImageError: It cannot be read, is no regular file, or has over 400 MiB.
    """
    shown = _shown(path)
    try:
        _check_regular(os.stat(path), shown)  # before opening: opening a device can have effects
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, flags), "rb") as file:
            _check_regular(os.fstat(file.fileno()), shown)
            data = file.read(MOST_BYTES + 1) or b""
    except ImageError:  # is a ValueError too
        raise
    except OSError as error:
        raise ImageError(f"expected a picture file that can be read, got {shown}: {_reason(error)}") from error
    except ValueError as error:  # a NUL or a lone surrogate in the name
        raise ImageError(f"expected the name of a picture file, got {shown}") from error
    except MemoryError as error:
        raise ImageError(f"expected a picture that fits in memory, got {shown}") from error
    if len(data) > MOST_BYTES:
        raise ImageError(f"expected a file of at most {MOST_BYTES >> 20} MiB, got more in {shown}")
    return data


def _check_regular(status: os.stat_result, shown: str) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ImageError(f"expected a picture file, got the folder {shown}")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError(f"expected a picture file, got {shown}, which is a device or a pipe")
    if status.st_size > MOST_BYTES:
        raise ImageError(
            f"expected a file of at most {MOST_BYTES >> 20} MiB, got {shown} with {status.st_size >> 20} MiB"
        )


def _shown(path: str | os.PathLike[str]) -> str:
    """The path in quotes, on one line, its middle left out where it is long."""
    text = ascii(os.fspath(path)) if not str(path).isprintable() else repr(str(path))
    return text if len(text) <= 200 else f"{text[:120]}...{text[-60:]}"


def _reason(error: OSError) -> str:
    reasons = {
        errno.ENOENT: "no such file",
        errno.ENOTDIR: "no such file",
        errno.EACCES: "no permission to read it",
        errno.EPERM: "no permission to read it",
        errno.ENAMETOOLONG: "the name is too long",
        errno.ELOOP: "links that lead in a circle",
    }
    return reasons.get(error.errno or 0, (error.strerror or "it cannot be read").lower())
