"""Pictures inside of text: an encoded picture, and the data URL that holds it."""

import base64
import io
import zlib
from typing import Any, Literal

from PIL import Image

Kind = Literal["png", "jpeg"]

# Runs of equal bytes only: a photo packs within a tenth of Pillow's smallest, in a tenth of the time.
_PACKING: dict[Kind, dict[str, Any]] = {"png": {"compress_level": 1, "compress_type": zlib.Z_RLE}, "jpeg": {}}


def encoded(picture: Image.Image, kind: Kind, **options: Any) -> bytes:
    """A picture as the bytes of a file; `options` are those of Pillow's writer."""
    file = io.BytesIO()
    picture.save(file, format=kind, **(_PACKING[kind] | options))
    return file.getvalue()


def data_url(content: bytes, kind: Kind) -> str:
    """The bytes of a picture's file as a URL that needs no file."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
